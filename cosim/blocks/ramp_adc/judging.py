"""How the ramp ADC's model stands beside data: thresholds, noise and offsets of chips that the fit did not see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from cosim.blocks.ramp_adc.behaviour import RampAdcModel
from cosim.blocks.ramp_adc.points import Part, fitted_rows, judging_rows, parts_of
from cosim.blocks.ramp_adc.population import offset_p_value, offsets_held_out
from cosim.blocks.residuals import Residuals

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

# [LSB] rms where a chip's offset is known at V_CLP alone: its mismatch counts for more at the ends of the ramp.
ERROR_LIMIT_ONE_OFFSET = 0.25
NOISE_LIMIT = 0.1  # relative rms
SPLIT = "chips of odd number at each V_read, and all chips of other functions or bits"
NOISE_SPLIT = "corners, temperatures and supplies at which no chip was fitted"


@dataclass(frozen=True)
class Comparison:
    """Thresholds of the data set's chips as simulated and as the model predicts.

    Attributes
    ----------
    measured, predicted: above V_CLP [V], shape (samples, thresholds).
    error: predicted - measured [LSB of the output], same shape.
    held_out: samples of chips that the fit did not see, shape (samples,).
    """

    measured: Array
    predicted: Array
    error: Array
    held_out: Mask


def predict(model: RampAdcModel, part: Part, *, one_offset: bool = False) -> Array:
    """Thresholds above V_CLP [V] of a part's samples, shape (samples, thresholds).

    With each comparator's static offset as it is known: over the common mode where the data set tells it and the
    model's form takes it (not with `one_offset`), else at V_CLP.
    """
    levels = part.periods.thresholds
    offset = part.offset[:, None] + model.shift(levels, part.condition)
    if part.static is not None and model.law.by_common_mode and not one_offset:
        offset = np.where(np.isfinite(part.static), part.static, offset)
    return np.asarray(levels + offset + model.lag(part.periods, part.condition, part.config))


def compare(model: RampAdcModel, data: xr.Dataset) -> Comparison:
    """The model's prediction for each sample of a data set of one condition (NaN without a memristor ramp)."""
    (part,) = parts_of([data])
    predicted = np.where(part.column[:, None], predict(model, part), np.nan)
    held_out = part.column & (part.chip >= 0) & ~fitted_rows(part, model.config)
    return Comparison(part.measured, predicted, (predicted - part.measured) / part.lsb, held_out)


def residuals(
    model: RampAdcModel, data: xr.Dataset | Sequence[xr.Dataset], *, limit: float | None = None
) -> list[Residuals]:
    """Thresholds, thresholds with each offset known at V_CLP alone, and noise of the thresholds, beside the data."""
    parts = parts_of([data] if isinstance(data, xr.Dataset) else data)
    limit = model.error.limit if limit is None else limit
    found = [_threshold_residuals(model, parts, "threshold", limit, one_offset=False)]
    if model.law.by_common_mode and any(part.static is not None for part in parts):
        found.append(
            _threshold_residuals(model, parts, "threshold_one_offset", ERROR_LIMIT_ONE_OFFSET, one_offset=True)
        )
    noise = _noise_residuals(model, parts)
    return [*found, *([] if noise is None else [noise])]


def _threshold_residuals(
    model: RampAdcModel, parts: list[Part], quantity: str, limit: float, *, one_offset: bool
) -> Residuals:
    rows = []
    for part in parts:
        seen, judging = fitted_rows(part, model.config), judging_rows(part, model.config)
        used = seen | judging
        if not used.any():
            continue
        predicted = predict(model, part, one_offset=one_offset)[used]
        measured, lsb = part.measured[used], part.lsb[used]
        held = np.broadcast_to(judging[used][:, None], measured.shape)
        words = "unseen chips" if seen.any() else "unseen conditions"
        rows.append((measured, predicted, (predicted - measured) / lsb, held, part.periods.thresholds[used],
                     np.full(measured.shape, words)))  # fmt: skip
    reference, predicted, error, held, level, groups = (
        np.concatenate([each[n].ravel() for each in rows]) for n in range(6)
    )
    return Residuals(
        quantity, reference, predicted, error, "LSB", held, level, "ramp level above V_CLP [V]", limit, SPLIT,
        model.fitted_numbers, groups,
    )  # fmt: skip


def _noise_residuals(model: RampAdcModel, parts: list[Part]) -> Residuals | None:
    """Noise of the thresholds of every sample, relative to what the data set says; None where nothing judges it.

    The data set's own is made of the simulated noise of the nominal comparator by the same equations, so at a condition
    of the fit the two are equal whatever the chip or the code: other conditions judge.
    """
    if "comparator_noise" not in model.parameters:
        return None
    told = {part.condition for part in parts if fitted_rows(part, model.config).any()}
    rows = []
    for part in parts:
        seen, judging = fitted_rows(part, model.config), judging_rows(part, model.config)
        if "threshold_noise" not in part.data or not (seen | judging).any():
            continue
        stated = part.data["threshold_noise"].values
        mine = model.at_condition(*part.condition)
        for n in np.flatnonzero((seen | judging) & np.isfinite(stated).all(axis=1)):
            config = part.config.model_copy(update={"v_read": float(part.v_read[n])})
            ramp, bias = (part.data[f"{name}_conductance"].values[n] for name in ("ramp", "bias"))
            sign = part.data["bias_sign"].values[n].astype(np.int64) if "bias_sign" in part.data else part.sign
            volts = mine.noise_voltages(ramp, bias, bias_sign=sign, config=config, pulse=part.pulse)
            predicted = volts / part.lsb[n]
            unseen = judging[n] and part.condition not in told
            rows.append((stated[n], predicted, predicted / stated[n] - 1.0, np.full(len(predicted), unseen),
                         part.periods.thresholds[n]))  # fmt: skip
    if not rows:
        return None
    reference, predicted, error, held, level = (np.concatenate([each[n] for each in rows]) for n in range(5))
    if not held.any():
        return None
    return Residuals(
        "noise", reference, predicted, error, "relative", held, level, "ramp level above V_CLP [V]", NOISE_LIMIT,
        NOISE_SPLIT, np.size(model.parameters["comparator_noise"].value),
    )  # fmt: skip


def offset_checks(
    model: RampAdcModel, data: xr.Dataset | Sequence[xr.Dataset]
) -> dict[tuple[str, float, float], float]:
    """p of a Kolmogorov-Smirnov test of the model's offset distribution against comparators that the fit did not see,
    for each condition (corner, temperature [degC], V_DD [V]) of data with a population (`characterise`, `offsets`)."""
    found = {}
    for part in parts_of([data] if isinstance(data, xr.Dataset) else data):
        offsets = offsets_held_out(part)
        if offsets.size:
            there = model.at_condition(*part.condition)
            found[part.condition] = offset_p_value(offsets, there.value("offset_mean"), there.value("offset_sigma"))
    return found
