"""Characterising the macro in ngspice: input vectors in, codes out, and where the energy goes."""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from cosim.blocks.dataset import new_dataset
from cosim.blocks.halving import Relative, Tolerance, all_keys, run_checked, stacked, statuses, tolerance_text
from cosim.blocks.macro.config import MacroConfig
from cosim.blocks.macro.netlist import ENERGIES, MacroChip, macro_deck, phases
from cosim.blocks.ramp_adc.chips import draw_chip, nominal_chip
from cosim.blocks.ramp_adc.design import design_column, device_of
from cosim.blocks.ramp_adc.netlist import rounded_code
from cosim.blocks.status import LONG_NAME
from cosim.devices import Device, program
from cosim.errors import CosimError
from cosim.process import Mismatch, mismatch_of
from cosim.seeds import stream
from cosim.spice import Result, SimulatorPool, default_pool

Array = NDArray[np.float64]
Codes = NDArray[np.int64]

PICO = 1e-12  # the decks count picojoules in volts
LARGEST_COUNT_ERROR = 0.25  # a counter this far from a whole number was cut short: the comparator was undecided
# How far figures may move under halved steps. A MAC voltage is wanted to a hundredth of an LSB, 0.2 mV of some 20 mV.
TOLERANCES: dict[str, Tolerance] = {"code": 0.5, "mac": 0.2e-3, "held": 0.2e-3, "energy": Relative(0.02, 1e-15)}
ENERGY_VARIABLES = {
    "evdd": "comparator_energy", "ebias": "bias_energy", "erow": "row_energy", "ecol": "column_energy",
    "eint": "integrator_energy", "earray": "array_dissipation", "eread": "column_dissipation",
}  # fmt: skip
SUPPLY = ("evdd", "ebias", "erow", "ecol", "eint")  # energies that the supply gives; the others are what becomes of it


def conductance_targets(weights: Array, config: MacroConfig, device: Device) -> Array:
    """Conductances [S], shape (2 inputs, outputs), for weights within +-w_max, shape (inputs, outputs).

    A positive weight raises the cell of row 2 i above G_min, a negative one that of row 2 i + 1.
    """
    rise = np.clip(np.abs(weights) / config.w_max, 0, 1) * (device.g_max - device.g_min)
    targets = np.full((2 * config.inputs, config.outputs), device.g_min)
    targets[0::2] += np.where(weights > 0, rise, 0.0)
    targets[1::2] += np.where(weights < 0, rise, 0.0)
    return targets


def draw_weights(config: MacroConfig, seed: int) -> Array:
    """Weights of a column, even over a range that lets the MAC results fill the converter's, (inputs, outputs)."""
    rng = stream(seed, f"macro: weights of {config.inputs} x {config.outputs}")
    return np.asarray(np.random.default_rng(rng).uniform(-1, 1, (config.inputs, config.outputs)) * config.w_max)


def draw_inputs(config: MacroConfig, vectors: int, seed: int) -> Codes:
    """Input codes, shape (vectors, inputs); vector n does not depend on how many are drawn."""
    rng = np.random.default_rng(stream(seed, f"macro: inputs of {config.dac_bits} bits"))
    full = config.full_scale
    return np.asarray(rng.integers(-full, full, (vectors, config.inputs), endpoint=True))


def draw_chips(config: MacroConfig, weights: Array, chips: int, seed: int) -> list[MacroChip]:
    """The nominal chip, then `chips` with programming error in array and column and mismatch of the transistors."""
    device, design = device_of(config), design_column(config)
    targets = conductance_targets(weights, config, device)
    part, rows = config.driver_part, 2 * config.inputs
    kind = Mismatch((), np.empty(0)) if part is None else mismatch_of(part.text, config.cmos, key="driver")
    drawn = [MacroChip(targets, nominal_chip(config, config.outputs, design), kind.none(rows), kind.names)]
    for child in stream(seed, "macro: chips").spawn(chips):
        for_array, for_adc, for_drivers = (np.random.default_rng(each) for each in child.spawn(3))
        adc = draw_chip(config, design, device, config.outputs, for_adc)
        drawn.append(MacroChip(program(targets, device, for_array), adc, kind.draw(rows, for_drivers), kind.names))
    return drawn


def ideal_codes(mac: Array, config: MacroConfig) -> Codes:
    """Codes of MAC results in units of the network: those of the function's thresholds below each."""
    stairs = config.staircase
    above = mac[..., None] > stairs.thresholds
    return np.asarray(stairs.start + np.sum(above * stairs.direction, axis=-1))


def amplifier_energy(config: MacroConfig, latency: float) -> float:
    """What the amplifiers take at rest [J]: V_DD I t, of every output's integrator and of the ramp's.

    The amplifiers are macro-models, so this is a product with the configured current, not a waveform.
    """
    return config.v_dd * config.i_amplifier * latency * (config.outputs + 1)


def characterise(
    config: MacroConfig,
    *,
    vectors: int = 4,
    chips: int = 1,
    seed: int = 1,
    pool: SimulatorPool | None = None,
    show_progress: bool = True,
) -> xr.Dataset:
    """Codes, MAC voltages and energies of `vectors` random inputs by the nominal chip (-1) and `chips` drawn ones.

    Returns the data set with dimensions `chip`, `vector`, `output`, `input`.
    """
    if vectors < 1 or chips < 0:
        raise CosimError("at least one vector is wanted", key="vectors", value=vectors, allowed="1 or more")
    pool = pool or default_pool()
    weights = draw_weights(config, seed)
    inputs = draw_inputs(config, vectors, seed)
    drawn = draw_chips(config, weights, chips, seed)
    decks = [macro_deck(config, chip, row) for chip in drawn for row in inputs]
    label = f"macro, {2 * config.inputs} x {config.outputs}" if show_progress else None
    checked = run_checked(decks, lambda result, number: figures_of(result, config), TOLERANCES, pool, label)
    shape = (len(drawn), vectors)
    mac = inputs / config.full_scale @ weights
    gain = design_column(config).gain(config.v_read)
    empty = {"code": (config.outputs,), "mac": (config.outputs,), "held": (config.outputs,), "energy": (len(ENERGIES),)}
    figures = {
        name: stacked(checked, name, shape) if any(name in each.figures for each in checked)
        else np.full((*shape, *size), np.nan)
        for name, size in empty.items()
    }  # fmt: skip
    energy = dict(zip(ENERGIES, np.moveaxis(figures["energy"], -1, 0), strict=True))
    latency = phases(config, drawn[0]).end
    at_rest = amplifier_energy(config, latency)
    total = sum((energy[name] for name in SUPPLY), np.full(shape, at_rest))
    ideal = ideal_codes(mac, config)
    per, each = ("chip", "vector"), ("chip", "vector", "output")
    variables = {
        "code": (each, figures["code"], "1", "code of the conversion"),
        "code_error": (each, figures["code"] - ideal, "1", "code less that of the exact MAC result"),
        "mac_voltage": (each, figures["mac"], "V", "held MAC voltage at the hold, above V_CLP"),
        "mac_error": (each, figures["mac"] / gain - mac, "1", "MAC result less the exact one, units of the network"),
        "droop": (each, figures["held"] - figures["mac"], "V", "change of the held voltage until the end"),
        "comparator_energy": (per, energy["evdd"], "J", "supply energy of all comparators"),
        "bias_energy": (per, energy["ebias"], "J", "supply energy of the comparators' bias generator"),
        "row_energy": (per, energy["erow"], "J", "supply energy of the drivers of the array's rows"),
        "column_energy": (per, energy["ecol"], "J", "supply energy of the ramp column's row and word-line drivers"),
        "integrator_energy": (per, energy["eint"], "J", "supply energy of what the integrators' outputs deliver"),
        "array_dissipation": (per, energy["earray"], "J", "dissipated in the array's cells, wires, drivers"),
        "column_dissipation": (per, energy["eread"], "J", "dissipated in the ramp column's cells"),
        "amplifier_energy": ((), at_rest, "J", "of the integrators' quiescent currents: a product, not a waveform"),
        "energy": (per, total, "J", "from the supply: comparators, bias, drivers, integrators and their amplifiers"),
        "energy_per_operation": (per, total / config.operations, "J", "energy by multiplications and additions"),
        "latency": ((), latency, "s", "from the reset to the last code"),
        "operations": ((), float(config.operations), "1", "multiplications and additions of one vector"),
        "status": (per, statuses(checked, shape), "1", LONG_NAME),
    }
    coords = {
        "chip": (("chip",), np.arange(-1, chips), "1", "chip; -1 is the nominal one"),
        "vector": (("vector",), np.arange(vectors), "1", "input vector"),
        "output": (("output",), np.arange(config.outputs), "1", "output: bit line, integrator, comparator"),
        "input": (("input",), np.arange(config.inputs), "1", "input: two word lines"),
        "input_code": (("vector", "input"), inputs, "1", "input of the DAC"),
        "weight": (("input", "output"), weights, "1", "weight"),
        "mac": (("vector", "output"), mac, "1", "exact MAC result, units of the network"),
        "ideal_code": (("vector", "output"), ideal, "1", "code of the exact MAC result"),
    }
    device = device_of(config)
    data = new_dataset(
        block="macro",
        variables=variables,
        coords=coords,
        config=config.model_dump(mode="json"),
        seed=seed,
        deck_hashes=all_keys(checked),
        simulator=f"ngspice {pool.simulator.version_text}",
        solver=pool.simulator.solver,
        device=config.device,
        device_sha256=device.sha256,
    )
    moved = {"code": ("code", ...), "mac_voltage": ("mac", ...)} | {
        variable: ("energy", ENERGIES.index(node)) for node, variable in ENERGY_VARIABLES.items()
    }
    for variable, (figure, part) in moved.items():
        changes = [each.change[figure][part] for each in checked if figure in each.change]
        known = np.array(changes)[np.isfinite(changes)]
        data[variable].attrs |= {
            "step_change": float(known.max()) if known.size else float("nan"),
            "step_tolerance": tolerance_text(TOLERANCES[figure], data[variable].attrs["units"]),
        }
    return data


def figures_of(result: Result, config: MacroConfig) -> dict[str, Array]:
    """Codes (outputs,), NaN where a comparator was undecided; MAC voltages at hold and end [V]; energies [J]."""
    reference = float(result["v(nref)"][-1])
    codes = np.empty(config.outputs)
    for number in range(config.outputs):
        stairs = config.staircase
        count, distance = rounded_code(float(result[f"v(n{number})"][-1]), reference, config.thresholds)
        codes[number] = stairs.start + count if distance < LARGEST_COUNT_ERROR else np.nan
    held = np.array([result[f"v(m{number})"] for number in range(config.outputs)]) - config.v_clp
    energy = np.array([result[f"v({name})"][-1] for name in ENERGIES]) * PICO
    return {"code": codes, "mac": held[:, 0], "held": held[:, -1], "energy": energy}
