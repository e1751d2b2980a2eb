"""Measured thresholds or transfer curves of ramp ADCs -> the data set that `ramp_adc.characterise` gives.

A chip's thresholds are measured directly (`thresholds`: one row a chip and code), or read from a transfer curve
(`transfer`: input voltage and code, in any order, inputs repeated where noise is averaged). The programmed
conductances of the chips and the offsets of their comparators are what the fit needs besides.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cosim.blocks.dataset import Entry
from cosim.blocks.lab.description import Quantity, Rows
from cosim.blocks.lab.grid import in_order
from cosim.blocks.lab.ramp_column import CHIP, MeasuredColumn
from cosim.blocks.ramp_adc.config import RampAdcConfig
from cosim.blocks.ramp_adc.functions import differential_error, get_function, ideal_thresholds, output_error
from cosim.blocks.status import FAILED, OK

Array = NDArray[np.float64]
Owner = NDArray[np.int64]
"""Number of the sample that each row belongs to."""

_V_READ = Quantity("read voltage", "V", 0.0, 5.0, index=True)
_RAMP = Quantity("kind of ramp", "text", index=True, choices=("column", "fixed"))
_CODE = Quantity("threshold k: the code steps from k - 1 to k", "whole", 1, 255, required=True, index=True)

THRESHOLDS = {
    "chip": CHIP,
    "v_read": _V_READ,
    "ramp": _RAMP,
    "code": Quantity("threshold k: the code steps from k - 1 to k", "whole", 1, 255, required=True, index=True),
    "threshold": Quantity("input at which the code steps, above V_CLP", "V", -5.0, 5.0, required=True),
    "bracket": Quantity("width within which the threshold is known", "V", 0.0, 5.0),
}
TRANSFER = {
    "chip": CHIP,
    "v_read": _V_READ,
    "ramp": _RAMP,
    "input": Quantity("input voltage, above V_CLP", "V", -5.0, 5.0, required=True, index=True),
    "code": Quantity("code that came out", "whole", 0, 255, required=True),
}
CHIPS = {
    "chip": Quantity("number or name of the chip", "text", index=True, required=True),
    "comparator_offset": Quantity("static trip point of the comparator at V_CLP", "V", -5.0, 5.0),
    "comparator_energy": Quantity("supply energy of one comparator in a conversion", "J", 0.0, 1.0),
    "ramp_energy": Quantity("energy of the ramp column in a conversion", "J", 0.0, 1.0),
}
EXTRA_CONFIG = {"gain": "V", "bias_sign": "whole"}
"""Entries of a data set's configuration that follow from the design; chips of another design state them."""


Key = tuple[str, float, str]
"""Chip, read voltage, kind of ramp: what makes a sample of the data set."""


def ramp_adc_entries(
    kind: str,
    rows: Rows,
    others: Mapping[str, Rows | None],
    config: RampAdcConfig,
    stated: Mapping[str, Any],
    toml: Path,
) -> tuple[dict[str, Entry], dict[str, Entry], dict[str, Any]]:
    """Variables, coordinates and stored configuration of the data set.

    `others` holds the tables "conductances" and "chips", `stated` what the description gives of `EXTRA_CONFIG`. Raises
    CosimError: a code that the converter has not, a chip, threshold or cell given twice, targets that are missing.
    """
    keys = _keys(rows, config)
    chip_names = sorted({chip for chip, _, _ in keys}, key=in_order)
    # The configured V_read first, as `characterise` has it; the ordinary ramp last.
    samples = sorted(set(keys), key=lambda key: (key[2] != "column", key[1] != config.v_read, key[1], in_order(key[0])))
    numbers = [chip_names.index(chip) for chip, _, _ in samples]
    place = {key: number for number, key in enumerate(samples)}
    owner = np.array([place[key] for key in keys])
    read = _measured if kind == "thresholds" else _from_transfer
    threshold, bracket = read(rows, owner, len(samples), config)
    function = get_function(config.function)
    ideal = ideal_thresholds(function, config.bits)
    column = MeasuredColumn(others["conductances"], [key[0] for key in samples], config, toml)
    bias_sign = int(stated.get("bias_sign", -1 if ideal[0] < 0 else 1))
    gain = float(stated["gain"]) if "gain" in stated else column.gain(bias_sign, ideal)
    v_read = np.array([key[1] for key in samples])
    gains = gain * v_read / config.v_read
    x = threshold / gains[:, None]
    fixed = np.array([key[2] == "fixed" for key in samples])[:, None]
    straight = np.linspace(ideal[0], ideal[-1], config.thresholds)
    step = straight[1] - straight[0]
    inl = np.where(fixed, (x - straight) / step, output_error(function, config.bits, x))
    dnl = np.where(fixed, np.diff(x) / step - 1.0, differential_error(function, config.bits, x))
    one_a_chip = _chip_values(others["chips"], [key[0] for key in samples])
    nan = np.full(threshold.shape, np.nan)
    per = ("sample",)
    variables: dict[str, Entry] = {
        "threshold": (("sample", "code"), threshold, "V", "input at which the code steps, above V_CLP"),
        "threshold_mac": (("sample", "code"), x, "1", "threshold in units of the MAC result"),
        "bracket": (("sample", "code"), bracket, "V", "width within which the threshold was measured"),
        "ramp_level": (("sample", "code"), nan, "V", "ramp at the clock, above V_CLP"),
        "inl": (("sample", "code"), inl, "LSB", "integral non-linearity, output-referred"),
        "dnl": (("sample", "step"), dnl, "LSB", "differential non-linearity of the code above threshold k"),
        "ramp_conductance": (("sample", "cell"), column.ramp, "S", "cells of the ramp"),
        "bias_conductance": (("sample", "bias_cell"), column.bias, "S", "bias cells"),
        "comparator_offset": (per, one_a_chip["comparator_offset"], "V", "static trip point at V_CLP"),
        "comparator_energy": (per, one_a_chip["comparator_energy"], "J",
                              "supply energy of one comparator in a conversion, without bias"),
        "ramp_energy": (per, one_a_chip["ramp_energy"], "J",
                        "energy dissipated in the cells of the ramp column in a conversion"),
        "rounds": (per, np.zeros(len(samples), dtype=np.int64), "1", "simulations of the search"),
        "status": (per, np.where(np.isnan(threshold).any(axis=1), FAILED, OK).astype(np.int8), "1",
                   "0 = all thresholds measured"),
    }  # fmt: skip
    coords: dict[str, Entry] = {
        "chip": (per, np.array(numbers), "1", "chip, in the order of their names"),
        "chip_name": (per, np.array([key[0] for key in samples], dtype=object), "1", "the chip's own name"),
        "v_read": (per, v_read, "V", "read voltage"),
        "ramp": (per, np.array([key[2] for key in samples], dtype=object), "1", "column or fixed reference"),
        "gain": (per, gains, "V", "alpha: volts per unit of the MAC result"),
        "code": (("code",), np.arange(1, config.thresholds + 1), "1", "threshold k: the code steps from k - 1 to k"),
        "ideal_threshold": (("code",), ideal, "1", "g^-1(y_k), in units of the MAC result"),
        "target_conductance": (("cell",), column.ramp_target, "S", "design of the ramp cells"),
        "target_bias": (("bias_cell",), column.bias_target, "S", "design of the bias cells"),
    }
    return variables, coords, {**config.model_dump(mode="json"), "bias_sign": bias_sign, "gain": gain}


def _keys(rows: Rows, config: RampAdcConfig) -> list[Key]:
    """The sample that each row belongs to."""
    v_read = rows.numbers("v_read") if "v_read" in rows.values else np.full(len(rows), config.v_read)
    # A measured 0.2 V and the configured one are the same where they differ in the last digit only.
    v_read = np.where(np.isclose(v_read, config.v_read, rtol=1e-9, atol=0), config.v_read, v_read)
    return list(zip(rows.texts("chip", "0"), v_read.tolist(), rows.texts("ramp", config.ramp), strict=True))


def _measured(rows: Rows, owner: Owner, samples: int, config: RampAdcConfig) -> tuple[Array, Array]:
    """Thresholds and their brackets as they were measured, shape (samples, thresholds); NaN where none is given."""
    shape = (samples, config.thresholds)
    threshold, bracket = np.full(shape, np.nan), np.full(shape, np.nan)
    seen: dict[tuple[int, int], int] = {}
    values, widths = rows.numbers("threshold"), rows.numbers("bracket")
    for row, key in enumerate(zip(owner.tolist(), rows.whole("code").tolist(), strict=True)):
        sample, code = key
        if code > config.thresholds:
            raise rows.refuse(
                row, f"a {config.bits}-bit converter has no such threshold", key="code", value=code,
                allowed=f"1 to {config.thresholds}",
            )  # fmt: skip
        if key in seen:
            again = f"this chip has this threshold in {rows.first_of(row, seen[key])} already"
            raise rows.refuse(row, again, key="code", value=code)
        seen[key] = row
        threshold[sample, code - 1], bracket[sample, code - 1] = values[row], widths[row]
    return threshold, bracket


def _from_transfer(rows: Rows, owner: Owner, samples: int, config: RampAdcConfig) -> tuple[Array, Array]:
    """Thresholds of transfer curves.

    Threshold k is the input at which half of the conversions give k or more. On a sweep of inputs u_j with the share
    p_j of codes below k, it is u_1 + sum over j of (p_j + p_j+1) / 2 (u_j+1 - u_j): the mean of the threshold's
    distribution, by the trapezoidal rule; half the step at a noiseless transition. `bracket` is the widest distance
    between neighbouring inputs of the transition. A transition that the sweep does not hold is missing.
    """
    shape = (samples, config.thresholds)
    threshold, bracket = np.full(shape, np.nan), np.full(shape, np.nan)
    inputs, codes = rows.numbers("input"), rows.numbers("code")
    for row in np.flatnonzero(codes > config.thresholds).tolist():
        raise rows.refuse(
            row, f"a {config.bits}-bit converter has no such code", key="code", value=int(codes[row]),
            allowed=f"0 to {config.thresholds}",
        )  # fmt: skip
    for sample in range(samples):
        own = (owner == sample) & ~np.isnan(codes)
        points, where = np.unique(inputs[own], return_inverse=True)
        counts = np.bincount(where)
        for k in range(1, config.thresholds + 1):
            below = np.bincount(where, weights=codes[own] < k, minlength=len(points)) / counts
            if len(points) < 2 or below[0] < 1.0 or below[-1] > 0.0:
                continue  # the sweep begins above the threshold, or ends below it
            widths = np.diff(points)
            threshold[sample, k - 1] = points[0] + float(np.sum((below[:-1] + below[1:]) / 2 * widths))
            bracket[sample, k - 1] = widths[below[:-1] != below[1:]].max()
    return threshold, bracket


def _chip_values(rows: Rows | None, chips: list[str]) -> dict[str, Array]:
    """Figures of which a chip has one, for each sample; NaN where they were not measured."""
    names = [name for name in CHIPS if name != "chip"]
    if rows is None:
        return {name: np.full(len(chips), np.nan) for name in names}
    place: dict[str, int] = {}
    for row, chip in enumerate(rows.texts("chip", "0")):
        if chip in place:
            again = f"this chip stands in {rows.first_of(row, place[chip])} already"
            raise rows.refuse(row, again, key="chip", value=chip)
        place[chip] = row
    return {
        name: np.array([rows.numbers(name)[place[chip]] if chip in place else np.nan for chip in chips])
        for name in names
    }
