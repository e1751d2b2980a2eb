"""What a model tells of comparators that are not known: statistics of their offsets, noise, energies."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from cosim.blocks.model import Parameter, nested
from cosim.blocks.ramp_adc.conditions import Conditions, fit_table
from cosim.blocks.ramp_adc.points import Part
from cosim.blocks.regression import mean_interval, spread_interval

Array = NDArray[np.float64]

POSITIVE = ("offset_sigma", "comparator_noise", "comparator_energy", "ramp_energy")
DESCRIPTIONS = {
    "offset_mean": ("V", "static offset of the comparator without mismatch, at V_CLP"),
    "offset_sigma": ("V", "standard deviation of the comparators' static offset"),
    "comparator_noise": ("V", "rms input noise of the comparator at its trip point"),
    "comparator_energy": ("J", "supply energy of one comparator in a conversion, without its bias generator"),
    "ramp_energy": ("J", "energy dissipated in the cells of the ramp column in a conversion, shared by all columns"),
}


def nominal_rows(part: Part) -> NDArray[np.bool_]:
    """The nominal chip at the configured read voltage."""
    return np.asarray(part.column & (part.chip == -1) & np.isclose(part.v_read, part.config.v_read))


def chip_rows(part: Part) -> NDArray[np.bool_]:
    """Chips at the configured read voltage."""
    good = part.column & (part.chip >= 0) & (part.data["status"].values == 0)
    return np.asarray(good & np.isclose(part.v_read, part.config.v_read))


def offsets_fitted(part: Part) -> Array:
    """Static offsets at V_CLP that the statistics are taken from [V]: every second comparator of the population,
    where the data set has one, else those of its chips."""
    if "population_offset" in part.data:
        return _found(part.data["population_offset"].values[0::2])
    return np.asarray(part.offset[chip_rows(part)])


def offsets_held_out(part: Part) -> Array:
    """The other half of the population [V]; empty without one."""
    if "population_offset" in part.data:
        return _found(part.data["population_offset"].values[1::2])
    return np.zeros(0)


def _found(offsets: Array) -> Array:
    return np.asarray(offsets[np.isfinite(offsets)])


def offset_mean(part: Part) -> float:
    """The offset without mismatch: that of the nominal comparator, which is exact, else the chips' mean [V]."""
    nominal = part.offset[nominal_rows(part)]
    return float(nominal[0]) if nominal.size else float(offsets_fitted(part).mean())


def _each(parts: list[Part]) -> dict[str, Array]:
    """One value of each statistic under each condition; NaN where the part does not tell it.

    Sigma comes from populations alone where there are any. Energies are those of the first part's read voltage.
    """
    populated = any("population_offset" in part.data for part in parts)
    found: dict[str, list[float]] = {name: [] for name in DESCRIPTIONS}
    for part in parts:
        found["offset_mean"].append(offset_mean(part))
        offsets = offsets_fitted(part)
        tells = len(offsets) > 1 and ("population_offset" in part.data or not populated)
        found["offset_sigma"].append(float(offsets.std(ddof=1)) if tells else np.nan)
        noise = part.data["comparator_noise"].values if "comparator_noise" in part.data else np.nan
        found["comparator_noise"].append(float(noise))
        for name in ("comparator_energy", "ramp_energy"):
            energies = part.data[name].values[chip_rows(part)]
            told = energies.size and np.isfinite(energies).all() and part.config.v_read == parts[0].config.v_read
            # Where the energy was not measured, the model states none.
            found[name].append(float(energies.mean()) if told else np.nan)
    return {name: np.array(values) for name, values in found.items()}


def statistics(parts: list[Part], conditions: Conditions | None) -> dict[str, Parameter]:
    """The parameters; plain numbers where `conditions` is None, which is of one part."""
    parameters = {}
    for name, values in _each(parts).items():
        unit, text = DESCRIPTIONS[name]
        if conditions is None:
            if np.isfinite(values[0]):
                low, high = _interval(name, float(values[0]), parts[0])
                parameters[name] = Parameter(float(values[0]), unit, low, high, text)
            continue
        table = fit_table(conditions, [part.condition for part in parts], values, name in POSITIVE)
        if not np.isfinite(table).all():
            continue
        if name == "offset_sigma":  # the same comparators under all conditions, so one factor for all
            known = np.isfinite(values)
            count = min(len(offsets_fitted(part)) for part, each in zip(parts, known, strict=True) if each)
            lower, upper = (np.column_stack([table[:, 0] * end, table[:, 1:]]) for end in spread_interval(1.0, count))
            parameters[name] = Parameter(nested(table), unit, nested(lower), nested(upper), text)
        else:
            parameters[name] = Parameter(nested(table), unit, None, None, text)
    return parameters


def _interval(name: str, value: float, part: Part) -> tuple[float | None, float | None]:
    count = len(offsets_fitted(part))
    if name == "offset_sigma":
        return spread_interval(value, count)
    if name == "offset_mean" and not nominal_rows(part).any() and count > 1:
        return mean_interval(value, float(offsets_fitted(part).std(ddof=1)), count)
    return None, None


def offset_p_value(offsets: Array, mean: float, sigma: float) -> float:
    """p of a Kolmogorov-Smirnov test that offsets [V] are normal of that mean and sigma."""
    return float(stats.kstest((offsets - mean) / sigma, "norm").pvalue)
