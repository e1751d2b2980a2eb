"""Fitting the offsets of a comparator's chips: their mean and spread, and what each transistor's mismatch does.

Form `mismatch`: the offset is a linear function of the mismatch m of the transistors, whose coefficients (and constant)
move linearly with common mode and temperature,

    offset = sum over terms j of w_j (mean_j + sum_k S_jk m_k),   w = 1, v_cm - v_cm0 [, its square] [, T - T_0].

Least squares over the chips of the fit gives S; the spread follows from it and Pelgrom's sigma of each m_k, so it is
known far better than a sample of some ten chips tells it, and holds for other area constants too.
Form `sampled`: each chip's terms by least squares over conditions, then their mean, sigma and correlation.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from cosim.blocks.comparator.behaviour import ComparatorModel, offset_weights
from cosim.blocks.comparator.points import SPLIT, Points, offset_terms, points_of
from cosim.blocks.model import Parameter, nested
from cosim.blocks.regression import jackknife, mean_interval, spread_interval
from cosim.blocks.residuals import Residuals
from cosim.errors import CosimError

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

LEAST_CHIPS = 8  # of the fit, form `sampled`: with fewer the interval of sigma spans more than a factor of three
CHIP_LIMIT = 0.1  # of the offset's sigma, rms: known transistors leave a tenth of it unknown
QUANTILE_LIMIT = 3.0
"""Of sigma / sqrt(held-out chips), rms over the quantiles: with the right distribution more is seen in one sample in a
hundred or less (rms of the difference between order statistics and quantiles; tested by drawing)."""
_TEXTS = {
    "offset": ("V", "offset at the configuration's common mode and temperature"),
    "offset_slope": ("1", "change of the offset with the common mode"),
    "offset_bend": ("1/V", "change of the offset with the square of the common mode from the configuration's"),
    "offset_drift": ("V/K", "change of the offset with the temperature"),
}


def fit_offsets(points: Points, form: str) -> tuple[dict[str, Parameter], dict[str, Any]]:
    """Parameters and settings of the offsets. CosimError when too few chips are there."""
    return _sampled(points) if form == "sampled" else _by_mismatch(points)


def _weights(points: Points) -> tuple[Array, Mask]:
    """(weights of the terms under each condition, shape (conditions, terms); conditions that are held out)."""
    v_cm, temperature, held = points.conditions()
    names = offset_terms(points)
    weights = [offset_weights(points.config, names, v, t) for v, t in zip(v_cm, temperature, strict=True)]
    return np.array(weights), held


def _by_mismatch(points: Points) -> tuple[dict[str, Parameter], dict[str, Any]]:
    weights, held = _weights(points)
    mismatch, chips = points.mismatch(), np.flatnonzero(~points.held_out_chips())
    terms, causes = weights.shape[1], 1 + mismatch.shape[1]
    offsets = points.offsets()[~held][:, chips]
    known = np.isfinite(offsets)
    if (known.sum(axis=1) < causes + 2).any():
        raise CosimError(
            f"the offsets of {causes + 2} chips are wanted to fit what {causes - 1} mismatch parameters do, beside one"
            " chip in three to judge it; the form 'sampled' takes fewer",
            key="chips", value=points.offsets().shape[1], allowed=f"{-(-3 * (causes + 2) // 2)} or more",
        )  # fmt: skip
    cause = np.concatenate([np.ones((len(chips), 1)), mismatch[chips]], axis=1)
    # Normal equations of each chip: a chip at a time is left out for the intervals. Columns are scaled to one.
    rows = np.einsum("cj,nk->ncjk", weights[~held], cause).reshape(len(chips), -1, terms * causes)
    scale = np.abs(rows).max(axis=(0, 1))
    rows = np.where(known.T[:, :, None], rows, 0.0) / scale
    values = np.where(known.T, offsets.T, 0.0)
    grams, sides = np.einsum("nci,ncj->nij", rows, rows), np.einsum("nci,nc->ni", rows, values)
    sigmas = np.asarray(points.first["parameter_sigma"].values, dtype=np.float64)

    def solve(mask: Mask) -> Array:
        found = np.linalg.solve(grams[mask].sum(axis=0), sides[mask].sum(axis=0)) / scale
        every = found.reshape(terms, causes)
        spread = np.sqrt(np.sum((every[:, 1:] * sigmas) ** 2, axis=1))
        return np.concatenate([every[:, 0], spread, every[:, 1:].ravel()])

    best = jackknife(solve, chips)
    means, spreads, rest = slice(0, terms), slice(terms, 2 * terms), slice(2 * terms, None)
    sensitivity = best.values[rest].reshape(terms, -1)
    covariance = (sensitivity * sigmas**2) @ sensitivity.T
    parameters = _terms(
        offset_terms(points),
        best.values[means], (best.low[means], best.high[means]), best.values[spreads],
        (best.low[spreads], best.high[spreads]), _correlation(covariance),
    )  # fmt: skip
    parameters["sensitivity"] = Parameter(
        nested(sensitivity), "V or 1", nested(best.low[rest].reshape(terms, -1)),
        nested(best.high[rest].reshape(terms, -1)),
        "what one unit of each mismatch parameter (columns) adds to the offset's terms (rows)",
    )  # fmt: skip
    names = [str(name) for name in points.first["parameter"].values]
    return parameters, {"mismatch": {"parameters": names, "sigmas": sigmas.tolist()}}


def _sampled(points: Points) -> tuple[dict[str, Parameter], dict[str, Any]]:
    weights, held = _weights(points)
    offsets = points.offsets()[~held][:, ~points.held_out_chips()]
    offsets = offsets[:, np.isfinite(offsets).all(axis=0)]
    count = offsets.shape[1]
    if count < LEAST_CHIPS:
        raise CosimError(
            f"a spread is fitted to {LEAST_CHIPS} chips or more, beside one in three to judge it",
            key="chips", value=points.offsets().shape[1], allowed=f"{3 * LEAST_CHIPS // 2} or more",
        )  # fmt: skip
    chips = np.linalg.lstsq(weights[~held], offsets, rcond=None)[0]  # (terms, chips)
    mean, sigma = chips.mean(axis=1), chips.std(axis=1, ddof=1)
    of_mean = np.array([mean_interval(m, s, count) for m, s in zip(mean, sigma, strict=True)]).T
    of_sigma = np.array([spread_interval(s, count) for s in sigma]).T
    covariance = np.atleast_2d(np.cov(chips))
    return _terms(
        offset_terms(points),
        mean,
        (of_mean[0], of_mean[1]),
        sigma,
        (of_sigma[0], of_sigma[1]),
        _correlation(covariance),
    ), {}


def _terms(
    names: tuple[str, ...],
    mean: Array,
    mean_ends: tuple[Array, Array],
    sigma: Array,
    sigma_ends: tuple[Array, Array],
    correlation: Array,
) -> dict[str, Parameter]:
    found = {}
    for j, name in enumerate(names):
        unit, text = _TEXTS[name]
        found[f"{name}_mean"] = Parameter(
            float(mean[j]), unit, float(mean_ends[0][j]), float(mean_ends[1][j]), f"mean over chips: {text}"
        )
        found[f"{name}_sigma"] = Parameter(
            float(sigma[j]), unit, float(max(sigma_ends[0][j], 0.0)), float(sigma_ends[1][j]),
            f"standard deviation over chips: {text}",
        )  # fmt: skip
    text = "correlation of these terms over chips"
    found["offset_correlation"] = Parameter(nested(correlation), "1", description=text)
    return found


def _correlation(covariance: Array) -> Array:
    """Of a term without spread: with itself 1, with others 0."""
    sigma = np.sqrt(np.diag(covariance))
    safe = np.where(sigma > 0, sigma, 1.0)
    return np.where(np.eye(len(sigma)) > 0, 1.0, covariance / safe[:, None] / safe)


def offset_residuals(model: ComparatorModel, points: Points) -> list[Residuals]:
    """The distribution of the offset and, where the form knows what transistors do, the offset of each chip."""
    found = [_quantiles(model, points)]
    if "sensitivity" in model.parameters:
        found.append(_of_chips(model, points))
    return found


def _reference_condition(points: Points) -> int:
    """The condition at which distributions are judged: the held-out one nearest to the configuration's."""
    v_cm, temperature, held = points.conditions()
    far = np.abs(v_cm - points.config.v_cm) + np.abs(temperature - points.config.temperature) + 1e6 * ~held
    return int(np.argmin(far))


def _quantiles(model: ComparatorModel, points: Points) -> Residuals:
    """Offsets of the held-out chips in order beside the quantiles of the model; those of the fit likewise."""
    at = _reference_condition(points)
    v_cm, temperature, _ = points.conditions()
    condition = (float(v_cm[at]), float(temperature[at]))
    mean, sigma = model.offset_mean(*condition), model.offset_sigma(*condition)
    values, parts = points.offsets()[at], points.held_out_chips()
    reference, normal, held = [], [], []
    for unseen in (False, True):
        ordered = np.sort(values[(parts == unseen) & np.isfinite(values)])
        reference.append(ordered)
        normal.append(stats.norm.ppf((np.arange(ordered.size) + 0.5) / ordered.size))
        held.append(np.full(ordered.size, unseen))
    measured, z, out = np.concatenate(reference), np.concatenate(normal), np.concatenate(held)
    count = int(out.sum())
    return Residuals(
        quantity="offset",
        reference=measured,
        predicted=mean + sigma * z,
        error=mean + sigma * z - measured,
        unit="V",
        held_out=out,
        x=z,
        x_label="normal quantile of the chip's rank [1]",
        limit=QUANTILE_LIMIT * max(sigma, 1e-6) / np.sqrt(max(count, 1)),
        split=f"offsets in order of one chip in three, against the model's distribution, at {condition[0]:.3g} V and"
        f" {condition[1]:g} deg C",
        parameters=2,
    )  # fmt: skip


def offset_test(model: ComparatorModel, data: Any) -> tuple[float, float, int]:
    """Kolmogorov-Smirnov: statistic, p value and number of held-out chips, at the condition of the residuals."""
    points = points_of(data)
    at = _reference_condition(points)
    v_cm, temperature, _ = points.conditions()
    condition = (float(v_cm[at]), float(temperature[at]))
    values = points.offsets()[at][points.held_out_chips()]
    values = values[np.isfinite(values)]
    found = stats.kstest(values, "norm", args=(model.offset_mean(*condition), model.offset_sigma(*condition)))
    return float(found.statistic), float(found.pvalue), int(values.size)


def _of_chips(model: ComparatorModel, points: Points) -> Residuals:
    v_cm, temperature, held = points.conditions()
    measured, mismatch, unseen = points.offsets(), points.mismatch(), points.held_out_chips()
    told = np.array(
        [model.mismatch_offsets(mismatch, float(v), float(t)) for v, t in zip(v_cm, temperature, strict=True)]
    )
    part = np.where(
        unseen[None, :],
        np.where(held[:, None], "unseen chips and conditions", "unseen chips"),
        np.where(held[:, None], "unseen conditions", "seen"),
    )
    known = np.isfinite(measured)
    return Residuals(
        quantity="chip_offset",
        reference=measured[known],
        predicted=told[known],
        error=(told - measured)[known],
        unit="V",
        held_out=(part != "seen")[known],
        x=measured[known],
        x_label="offset of the chip [V]",
        limit=CHIP_LIMIT * max(model.offset_sigma(), 1e-5),
        split=f"one chip in three, and {SPLIT}; each chip's mismatch known",
        parameters=model.array("sensitivity").size + model.array("sensitivity").shape[0],
        part=part[known],
    )
