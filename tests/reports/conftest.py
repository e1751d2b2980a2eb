"""Small made-up results and data sets: nothing here was simulated."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from cosim.blocks.crossbar.behaviour import CrossbarModel
from cosim.blocks.crossbar.config import CrossbarConfig
from cosim.blocks.crossbar.elimination import effective_conductance
from cosim.blocks.crossbar.fitting import fit as fit_crossbar
from cosim.blocks.crossbar.sinh import odd_power_coefficients, odd_power_currents
from cosim.blocks.dataset import new_dataset
from cosim.blocks.ramp_adc.behaviour import RampAdcModel
from cosim.blocks.ramp_adc.config import RampAdcConfig
from cosim.blocks.ramp_adc.design import column_levels, design_column
from cosim.blocks.ramp_adc.fitting import fit as fit_adc
from cosim.blocks.ramp_adc.forms import trip_points
from cosim.blocks.ramp_adc.functions import differential_error, get_function, output_error
from cosim.reports import write_report

TRIP = np.array([-5e-4, 1e-3, -5e-2, 5e-2, 4e-1])
HASH = "0123456789abcdef" * 4
COMMON = {"seed": 1, "deck_hashes": [HASH], "simulator": "made up", "solver": "none"}


def adc_data(function: str, bits: int = 3, chips: int = 6) -> xr.Dataset:
    """A characterisation as `ramp_adc.characterise` would give it, from the model's own equations and some noise."""
    config = RampAdcConfig(bits=bits, function=function)
    design, rng = design_column(config), np.random.default_rng(5)
    rows: list[tuple[int, float, str]] = [(chip, 0.2, "column") for chip in range(-1, chips)]
    rows += [(-1, v, "column") for v in (0.15, 0.25)] + [(-1, v, "fixed") for v in (0.15, 0.2, 0.25)]
    chip, v_read, ramp = (np.array(each) for each in zip(*rows, strict=True))
    varied = (chip >= 0)[:, None]
    cells = design.ramp * (1 + 0.03 * rng.standard_normal((len(rows), len(design.ramp))) * varied)
    bias = design.bias * (1 + 0.03 * rng.standard_normal((len(rows), len(design.bias))) * varied)
    offset = 3e-3 * rng.standard_normal(len(rows)) * varied[:, 0]
    levels = column_levels(cells, bias, design.bias_sign, config) * (v_read / 0.2)[:, None]
    straight = np.linspace(design.thresholds[0], design.thresholds[-1], config.thresholds)
    levels = np.where((ramp == "fixed")[:, None], straight * design.gain(0.2), levels)
    gain = np.array([design.gain(v) for v in v_read])
    threshold = trip_points(levels, offset, TRIP) + 2e-5 * rng.standard_normal(levels.shape)
    x = threshold / gain[:, None]
    return new_dataset(
        block="ramp_adc",
        variables={
            "threshold": (("sample", "code"), threshold, "V", "threshold"),
            "threshold_mac": (("sample", "code"), x, "1", "threshold"),
            "ramp_level": (("sample", "code"), levels, "V", "ramp"),
            "inl": (("sample", "code"), output_error(get_function(function), bits, x), "LSB", "INL"),
            "dnl": (("sample", "step"), differential_error(get_function(function), bits, x), "LSB", "DNL"),
            "ramp_conductance": (("sample", "cell"), cells, "S", "cells"),
            "bias_conductance": (("sample", "bias_cell"), bias, "S", "cells"),
            "comparator_offset": (("sample",), offset, "V", "offset"),
            "comparator_energy": (("sample",), np.full(len(rows), 1.2e-10), "J", "energy"),
            "ramp_energy": (("sample",), np.full(len(rows), 8e-13), "J", "energy"),
            "status": (("sample",), np.zeros(len(rows), dtype=np.int8), "1", "0 = ok"),
        },
        coords={
            "chip": (("sample",), chip, "1", "chip"),
            "v_read": (("sample",), v_read, "V", "read voltage"),
            "ramp": (("sample",), ramp.astype(object), "1", "kind of ramp"),
            "gain": (("sample",), gain, "V", "alpha"),
            "code": (("code",), np.arange(1, config.thresholds + 1), "1", "threshold k"),
            "ideal_threshold": (("code",), design.thresholds, "1", "x_k"),
            "target_conductance": (("cell",), design.ramp, "S", "target"),
            "target_bias": (("bias_cell",), design.bias, "S", "target"),
        },
        config={**config.model_dump(mode="json"), "bias_sign": design.bias_sign, "gain": design.gain(0.2)},
        **COMMON,  # type: ignore[arg-type]
    )


def crossbar_data() -> xr.Dataset:
    """Two arrays of 4 x 3 cells, linear and sinh."""
    config = CrossbarConfig(rows=4, columns=3, r_wire_row=2.0, r_wire_column=3.0, r_driver=150.0, r_clamp=20.0)
    wires, rng = (2.0, 3.0, 150.0, 20.0), np.random.default_rng(6)
    cells, voltages = rng.uniform(1e-5, 1.5e-4, (2, 4, 3)), rng.uniform(-0.2, 0.2, (2, 8, 4))
    law = {"v_0": 0.43, "v_g": 0.2, "v_read": 0.2}
    linear = [v @ effective_conductance(g, *wires) for g, v in zip(cells, voltages, strict=True)]
    sinh = [
        odd_power_currents(v, odd_power_coefficients(g, *wires, **law)) for g, v in zip(cells, voltages, strict=True)
    ]
    current = np.array([linear, sinh])
    current += (
        1e-4 * np.abs(current).max() * rng.standard_normal(current.shape) * np.array([1e-6, 1])[:, None, None, None]
    )
    return new_dataset(
        block="crossbar",
        variables={
            "current": (("law", "array", "vector", "column"), current, "A", "current"),
            "conductance": (("array", "row", "column"), cells, "S", "conductance"),
            "voltage": (("array", "vector", "row"), voltages, "V", "voltage"),
            "status": (("law", "array"), np.zeros((2, 2), dtype=np.int8), "1", "0 = ok"),
        },
        coords={
            "law": (("law",), np.array(["linear", "sinh"], dtype=object), "1", "law"),
            "rows": (("array",), np.array([4, 4]), "1", "rows"),
            "columns": (("array",), np.array([3, 3]), "1", "columns"),
        },
        config={**config.model_dump(mode="json"), "v_g": 0.2},
        **COMMON,  # type: ignore[arg-type]
    )


@pytest.fixture(scope="session")
def adc() -> dict[str, tuple[xr.Dataset, RampAdcModel]]:
    """Two functions, three bits."""
    sets = {function: adc_data(function) for function in ("sigmoid", "tanh")}
    return {function: (data, fit_adc(data)) for function, data in sets.items()}


@pytest.fixture(scope="session")
def array() -> tuple[xr.Dataset, CrossbarModel]:
    """A crossbar of 4 x 3 cells."""
    data = crossbar_data()
    return data, fit_crossbar(data)


@pytest.fixture
def results() -> dict[str, Any]:
    """Made-up results with every part."""
    return made_up_results()


@pytest.fixture(scope="session")
def page(
    adc: dict[str, tuple[xr.Dataset, RampAdcModel]],
    array: tuple[xr.Dataset, CrossbarModel],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """One whole report, for the tests that only look."""
    return write_report(made_up_results(), adc, array, tmp_path_factory.mktemp("report"))


def made_up_results() -> dict[str, Any]:
    """What `results.json` holds, with figures that are told from each other."""
    table = [
        {"threshold": k, "ideal": -2.1 + k, "spice": -2.1023 + k, "model": -2.1034 + k, "error": 1.1e-3 * k}
        for k in range(1, 8)
    ]
    parameters = {
        "gbw": {"value": 8.666e8, "unit": "Hz", "interval": [8.366e8, 8.967e8], "description": "unity gain"},
        "a": {"value": -4.951e-4, "unit": "V", "interval": None, "description": "overdrive"},
        "shift": {"value": [1e-4 * k - 2.5e-3 for k in range(30)], "unit": "V", "interval": None, "description": "c"},
    }
    error = {"rms": 0.00241, "maximum": 0.01353, "unit": "LSB", "points": 558, "held_out": "odd chips", "limit": 0.02}
    one = {
        "table": table,
        "error": error,
        "parameters": parameters,
        "v_read": [
            {"ramp": "column", "v_read": 0.15, "shift": 0.0261},
            {"ramp": "fixed", "v_read": 0.15, "shift": 5.0154},
        ],
        "inl": {"mean_of_maxima": 0.621, "chips": 32},
        "energy": {"comparator": 1.233e-10, "ramp": 8.478e-13, "note": "from ngspice"},
        "samples": 44,
        "failed": 3,
        "decks": 273,
    }
    flat = {"unit": "relative to full scale", "points": 9216, "held_out": "odd arrays"}
    steps = [
        {"step": step, "gate": gate, "equal": 1.0 if step > 1 else 0.9375, "conversions": 32}
        for step in (1, 2)
        for gate in "ifgo"
    ]
    return {
        "title": "A made-up run",
        "command": "cosim demo --out results --seed 1",
        "created": "2026-01-02T03:04:05+00:00",
        "cosim_version": "9.8.7",
        "seed": 11,
        "simulator": {"version": "ngspice 46", "solver": "KLU"},
        "elapsed": {"ramp ADC": 91.3, "total": 243.0},
        "adc": {"sigmoid": one, "tanh": {**one, "error": {**error, "rms": 0.00342}}},
        "crossbar": {
            "linear": {**flat, "rms": 2.27e-11, "maximum": 6.44e-11, "limit": 1e-6},
            "sinh": {**flat, "rms": 3.79e-4, "maximum": 3.81e-3, "limit": 2e-3},
            "errors": {"sinh": {"unseen_weights": {"rms": 4.04e-4, "maximum": 2.77e-3, "points": 6144}}},
            "parameters": {"v_0": {"value": 0.43655, "unit": "V", "interval": [0.4358, 0.4373], "description": "law"}},
        },
        "accuracy": {
            "images": 599,
            "split": "the test third",
            "rows": [
                {"name": "float", "accuracy": 0.9783, "interval": [0.9631, 0.9873], "kind": "binomial", "note": "-"},
                {"name": "quantised, 5 bits", "accuracy": 0.9766, "interval": [0.961, 0.986], "kind": "binomial"},
                {"name": "behavioural", "accuracy": 0.9672, "interval": [0.957, 0.979], "kind": "chips and images"},
            ],
            "chips": [0.9611, 0.9672, 0.9733],
            "paired": {"difference": -0.0017, "interval": [-0.0098, 0.0065], "method": "the same images"},
        },
        "ladder": [
            {"name": name, "label": label, "accuracy": 0.9766 - cost, "spread": 0.4 * cost,
             "interval": [0.9656 - cost, 0.9876 - cost], "cost": cost, "cost_interval": [cost - 0.002, cost + 0.003]}
            for name, label, cost in (("none", "none", 0.0), ("read_noise", "read noise", 0.0012),
                                      ("ramp_error", "ramp error", 0.0047), ("all", "all", 0.0105))
        ],
        "cosimulation": {
            "images": [{"index": 0, "label": 6, "spice": 6, "behavioural": 8}],
            "conversions": 256, "equal": 0.96875, "within_one": 0.9961, "largest": 2, "interval": [0.9396, 0.984],
            "per_step": steps, "decks": 64, "undecided": 4, "seconds_per_vector": 1.93,
            "pairs": [[3, 3, 200], [7, 7, 48], [3, 4, 7], [7, 5, 1]],
        },
        "provenance": {
            "datasets": {"ramp_adc": {"file": "a.nc", "sha256": HASH, "decks": 273, "simulator": "ngspice", "seed": 1}},
            "models": {"ramp_adc": {"file": "a.json", "sha256": HASH[::-1]}},
            "weights": {"qat": {"command": "cosim train", "seed": 77}},
            "device": {"name": "taox_1t1r", "sha256": HASH[1:] + "0"},
        },
    }  # fmt: skip
