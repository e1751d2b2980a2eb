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
from cosim.blocks.lab.grid import in_order
from cosim.blocks.lab.ramp_column import CHIP, MeasuredColumn
from cosim.blocks.lab.rows import Quantity, Rows
from cosim.blocks.ramp_adc.common_mode import COMMON_MODES
from cosim.blocks.ramp_adc.config import RampAdcConfig
from cosim.blocks.ramp_adc.energy import SAMPLE_ENERGIES
from cosim.blocks.ramp_adc.functions import differential_error, levels_at_thresholds, output_error
from cosim.blocks.ramp_adc.staircase import missing_codes
from cosim.blocks.status import FAILED, NOT_FOUND, OK
from cosim.errors import CosimError

Array = NDArray[np.float64]
Owner = NDArray[np.int64]
"""Number of the sample that each row belongs to."""

_COLUMN = Quantity("number of the comparator, of those that share the chip's ramp", "whole", 0, 1e6, index=True)
_V_READ = Quantity("read voltage", "V", 0.0, 5.0, index=True)
_C_FB = Quantity("feedback capacitor", "F", 1e-15, 1e-6, index=True)
_RAMP = Quantity("kind of ramp", "text", index=True, choices=("column", "fixed"))
_CODE = Quantity("threshold k: the code steps from k - 1 to k", "whole", 1, 1023, required=True, index=True)

THRESHOLDS = {
    "chip": CHIP,
    "column": _COLUMN,
    "v_read": _V_READ,
    "c_fb": _C_FB,
    "ramp": _RAMP,
    "code": Quantity("threshold k: the code steps from k - 1 to k", "whole", 1, 1023, required=True, index=True),
    "threshold": Quantity("input at which the code steps, above V_CLP", "V", -5.0, 5.0, required=True),
    "bracket": Quantity("width within which the threshold is known", "V", 0.0, 5.0),
}
TRANSFER = {
    "chip": CHIP,
    "column": _COLUMN,
    "v_read": _V_READ,
    "c_fb": _C_FB,
    "ramp": _RAMP,
    "input": Quantity("input voltage, above V_CLP", "V", -5.0, 5.0, required=True, index=True),
    "code": Quantity("code that came out", "whole", 0, 255, required=True),
}
CHIPS = {
    "chip": Quantity("number or name of the chip", "text", index=True, required=True),
    "column": _COLUMN,
    "comparator_offset": Quantity("static trip point at V_CLP", "V", -5.0, 5.0),
    "conversion_time": Quantity("from the start of the reset to the last clock", "s", 0.0, 1.0),
    "comparator_energy": Quantity("supply energy of one comparator in a conversion, without bias", "J", 0.0, 1.0),
    "bias_energy": Quantity("supply energy of the comparators' bias generator in a conversion", "J", 0.0, 1.0),
    "ramp_energy": Quantity("energy dissipated in the cells of the ramp column in a conversion", "J", 0.0, 1.0),
}

Key = tuple[str, int, float, float, str]
"""Chip, comparator, read voltage, feedback capacitor, kind of ramp: what makes a sample of the data set."""

# What only a simulation knows: name -> unit, long name.
_NOT_MEASURED_BY_CODE = {
    "ramp_level": ("V", "ramp at the clock, above V_CLP"),
    "threshold_noise": ("LSB", "rms noise: comparator, resets, reading the cells"),
    "step_change": ("LSB", "how far the threshold moves when all time steps are halved"),
}
_KNOWN = f"{OK} = measured; {NOT_FOUND} = not measured"
_NOT_MEASURED = {
    "comparator_noise": ("V", "rms input noise of the nominal comparator at its trip point"),
    "word_line_energy": ("J", "supply energy of all word-line drivers in a conversion of the nominal chip"),
    "row_energy": ("J", "supply energy of all row drivers in a conversion of the nominal chip"),
    "integrator_energy": ("J", "supply energy of the charge that the ramp's integrator delivers, nominal chip"),
}


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
    samples = sorted(set(keys), key=lambda key: _in_sequence(key, config))
    place = {key: number for number, key in enumerate(samples)}
    owner = np.array([place[key] for key in keys])
    if kind == "thresholds":
        threshold, bracket = _measured(rows, owner, len(samples), config)
    else:
        if not config.staircase.rising:
            raise CosimError(
                f"the code of '{config.function}' also falls, so its transfer curve does not tell its thresholds apart",
                file=toml, key="kind", value=kind, allowed="thresholds",
            )  # fmt: skip
        threshold, bracket = _from_transfer(rows, owner, len(samples), config)
    chips = [key[0] for key in samples]
    column = MeasuredColumn(others["conductances"], chips, config, stated, toml)
    v_read, c_fb = (np.array([key[n] for key in samples]) for n in (2, 3))
    gains = column.gain * (v_read / config.v_read) * (config.c_fb / c_fb)
    fixed = np.array([key[4] == "fixed" for key in samples])
    x = threshold / gains[:, None]
    per, each_code = ("sample",), ("sample", "code")
    known = np.isfinite(threshold).all(axis=1)
    of_chips = _chip_values(others["chips"], [key[:2] for key in samples])
    unknown = np.full((len(samples), COMMON_MODES), np.nan)
    variables: dict[str, Entry] = {
        "threshold": (each_code, threshold, "V", "input at which the code steps, above V_CLP"),
        "threshold_mac": (each_code, x, "1", "threshold in units of the MAC result"),
        "bracket": (each_code, bracket, "V", "width within which the threshold was measured"),
        **_linearity(x, fixed, known, config),
        **{name: (each_code, np.full(x.shape, np.nan), *text) for name, text in _NOT_MEASURED_BY_CODE.items()},
        "ramp_conductance": (("sample", "cell"), column.ramp, "S", "cells of the ramp"),
        "bias_conductance": (("sample", "bias_cell"), column.bias, "S", "bias cells"),
        "bias_sign": (("sample", "bias_cell"), column.signs, "1",
                      "what the bias cell does to the ramp: raises, lowers or, 0, is not read"),
        **{name: (per, values, CHIPS[name].unit, CHIPS[name].description) for name, values in of_chips.items()},
        **{name: ((), np.nan, *text) for name, text in _NOT_MEASURED.items()},
        # Offsets over the common mode are not asked for; a model of these chips takes them from the thresholds.
        "common_mode": (("mode",), unknown[0], "V", "ramp above V_CLP at which an offset was looked at"),
        "offset_curve": (("sample", "mode"), unknown, "V", "static trip point above the ramp, by common mode"),
        "rounds": (per, np.zeros(len(samples), dtype=np.int64), "1", "simulations of the search"),
        "energy_status": (per, _known_status([of_chips[name] for name in SAMPLE_ENERGIES]), "1", _KNOWN),
        **{name: ((), np.int8(NOT_FOUND), "1", _KNOWN) for name in ("noise_status", "driver_status")},
        "status": (per, np.where(known, OK, FAILED).astype(np.int8), "1", "0 = all thresholds measured"),
    }  # fmt: skip
    names = sorted(set(chips), key=in_order)
    stairs, code = config.staircase, ("code",)
    coords: dict[str, Entry] = {
        "chip": (per, np.array([names.index(chip) for chip in chips]), "1", "chip, in the order of their names"),
        "chip_name": (per, np.array(chips, dtype=object), "1", "the chip's own name"),
        "column": (per, np.array([key[1] for key in samples]), "1", "comparator of the chip"),
        "v_read": (per, v_read, "V", "read voltage"),
        "c_fb": (per, c_fb, "F", "feedback capacitor"),
        "ramp": (per, np.array([key[4] for key in samples], dtype=object), "1", "column or fixed reference"),
        "group": (per, np.array([_group(key, config) for key in samples], dtype=object), "1",
                  "chips: as configured; v_read, c_fb: at another one; fixed: with fixed references"),
        "gain": (per, gains, "V", "alpha: volts per unit of the MAC result"),
        "code": (code, np.arange(1, config.thresholds + 1), "1", "threshold k, in order of the input"),
        "step": (("step",), np.arange(1, config.thresholds), "1", "threshold k below the code, in order of the input"),
        "direction": (code, stairs.direction.astype(np.int8), "1", "what the threshold adds to the code"),
        "decision_level": (code, levels_at_thresholds(config.activation, config.bits), "1",
                           "activation at the threshold"),
        "ideal_threshold": (code, stairs.thresholds, "1", "g^-1(y_k), in units of the MAC result"),
        "target_conductance": (("cell",), column.ramp_target, "S", "design of the ramp cells"),
        "target_pulse": (("cell",), column.pulse, "s", "read pulse of the ramp cells"),
        "target_bias": (("bias_cell",), column.bias_target, "S", "design of the bias cells"),
    }  # fmt: skip
    signs = column.sign_target.tolist()
    sign = signs[0] if len(set(signs)) == 1 else signs
    return variables, coords, {**config.model_dump(mode="json"), "bias_sign": sign, "gain": column.gain}


def _known_status(figures: list[Any]) -> NDArray[np.int8]:
    """OK where all figures of a sample were measured, NOT_FOUND where one was not; shape (samples,)."""
    return np.where(np.isfinite(figures).all(axis=0), OK, NOT_FOUND).astype(np.int8)


def _group(key: Key, config: RampAdcConfig) -> str:
    """What a plot of the chips chooses by, as `characterise` names it."""
    _, _, v_read, c_fb, ramp = key
    if ramp != config.ramp:
        return ramp
    return "v_read" if v_read != config.v_read else "c_fb" if c_fb != config.c_fb else "chips"


def _linearity(x: Array, fixed: NDArray[np.bool_], known: Any, config: RampAdcConfig) -> dict[str, Entry]:
    """INL, DNL and missing codes of thresholds in units of the MAC result, as the simulated chips' are taken."""
    function, stairs = config.activation, config.staircase
    straight = np.linspace(stairs.thresholds[0], stairs.thresholds[-1], config.thresholds)
    step = straight[1] - straight[0]
    inl = np.where(fixed[:, None], (x - straight) / step, output_error(function, config.bits, x))
    dnl = np.where(fixed[:, None], np.diff(x) / step - 1.0, differential_error(function, config.bits, x))
    up = np.ones(config.thresholds, dtype=np.int64)
    missing = [
        np.nan if not whole
        else missing_codes(straight, row, up, 0) if is_fixed
        else missing_codes(stairs.thresholds, row, stairs.direction, stairs.start)
        for row, is_fixed, whole in zip(x, fixed, known, strict=True)
    ]  # fmt: skip
    return {
        "inl": (("sample", "code"), inl, "LSB", "integral non-linearity, output-referred"),
        "dnl": (("sample", "step"), dnl, "LSB", "differential non-linearity"),
        "missing_codes": (("sample",), np.array(missing, dtype=float), "1",
                          "codes with less than a tenth of their width"),
    }  # fmt: skip


def _keys(rows: Rows, config: RampAdcConfig) -> list[Key]:
    """The sample that each row belongs to."""

    def near(name: str, configured: float) -> list[float]:
        if name not in rows.values:
            return [configured] * len(rows)
        # A measured 0.2 V and the configured one are the same where they differ in the last digit only.
        values = rows.numbers(name)
        close = np.isclose(values, configured, rtol=1e-9, atol=0)
        return [float(value) for value in np.where(close, configured, values)]

    ramps = rows.texts("ramp", config.ramp)
    v_read, c_fb = near("v_read", config.v_read), near("c_fb", config.c_fb)
    columns = rows.whole("column").tolist()
    return list(zip(rows.texts("chip", "0"), columns, v_read, c_fb, ramps, strict=True))


def _in_sequence(key: Key, config: RampAdcConfig) -> tuple[Any, ...]:
    """Order of the samples: the configured V_read and C_fb first, as `characterise` has it; the ordinary ramp last."""
    chip, column, v_read, c_fb, ramp = key
    return ramp != "column", c_fb != config.c_fb, v_read != config.v_read, v_read, c_fb, in_order(chip), column


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


def _chip_values(rows: Rows | None, wanted: list[tuple[str, int]]) -> dict[str, Array]:
    """Figures of which a chip's comparator has one, for each sample; NaN where they were not measured."""
    names = [name for name in CHIPS if name not in ("chip", "column")]
    if rows is None:
        return {name: np.full(len(wanted), np.nan) for name in names}
    place: dict[tuple[str, int], int] = {}
    for row, key in enumerate(zip(rows.texts("chip", "0"), rows.whole("column").tolist(), strict=True)):
        if key in place:
            again = f"this chip stands in {rows.first_of(row, place[key])} already"
            raise rows.refuse(row, again, key="chip", value=key[0])
        place[key] = row
    return {
        name: np.array([rows.numbers(name)[place[key]] if key in place else np.nan for key in wanted]) for name in names
    }
