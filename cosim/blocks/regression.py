"""Least squares with honest intervals, and criteria that set two forms of a model side by side.

Points of one chip hang together: they share its mismatch. An interval from the residuals as if all were independent
comes out too narrow, so wherever points belong to groups (chips, devices, arrays) the fit is repeated without each
group (the jackknife; B. Efron, C. Stein, Annals of Statistics 9, 586, 1981).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats
from scipy.optimize import least_squares

from cosim.errors import CosimError

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Estimate:
    """Fitted numbers with the ends of their 95 % intervals, each of shape (parameters,)."""

    values: Array
    low: Array
    high: Array


def jackknife(solve: Callable[[Mask], Array], groups: ArrayLike) -> Estimate:
    """Solve with all points, and without each group in turn.

    `solve` takes a mask (points,) and gives the numbers (parameters,) fitted to the points of the mask; `groups`
    (points,) says which points belong together. Variance (g - 1) / g sum (v_without - mean)^2 over g groups, Student's
    t with g - 1 degrees of freedom. ValueError for fewer than two groups.
    """
    labels = np.asarray(groups)
    names = np.unique(labels)
    if len(names) < 2:
        raise ValueError("a jackknife needs two groups or more")
    values = solve(np.ones(labels.shape, dtype=bool))
    without = np.array([solve(labels != name) for name in names])
    count = len(names)
    variance = (count - 1) / count * ((without - without.mean(axis=0)) ** 2).sum(axis=0)
    reach = stats.t.ppf(0.5 + CONFIDENCE / 2, count - 1) * np.sqrt(variance)
    return Estimate(values, values - reach, values + reach)


def fit_least_squares(
    residual: Callable[[Array, Mask], Array],
    start: ArrayLike,
    groups: ArrayLike,
    *,
    bounds: tuple[ArrayLike, ArrayLike] = (-np.inf, np.inf),
    what: str = "the model",
    most_evaluations: int = 2000,
) -> Estimate:
    """Nonlinear least squares with jackknife intervals over groups.

    `residual(values, mask)` gives (model - data) / scale of the points of the mask, shape (points of the mask,).
    The parameters are scaled by their start values, none of which may be zero. Raises CosimError when the search does
    not end within `most_evaluations` of the residual.
    """
    first = np.asarray(start, dtype=np.float64)
    low, high = (np.broadcast_to(np.asarray(each, dtype=np.float64), first.shape) for each in bounds)

    def solve(mask: Mask, begin: Array = first) -> Array:
        found = least_squares(
            lambda values: residual(values, mask), begin, bounds=(low, high), x_scale=np.abs(first),
            xtol=1e-12, ftol=1e-12, gtol=1e-12, max_nfev=most_evaluations,
        )  # fmt: skip
        if found.status <= 0:
            raise CosimError(f"the fit of {what} does not converge: {found.message}")
        return np.asarray(found.x)

    labels = np.asarray(groups)
    best = solve(np.ones(labels.shape, dtype=bool))
    inner = np.clip(best, np.nextafter(low, np.inf), np.nextafter(high, -np.inf))
    return jackknife(lambda mask: solve(mask, inner), labels)


def spread_interval(sigma: float, count: int) -> tuple[float, float]:
    """95 % interval of a standard deviation from `count` normal values (chi-squared)."""
    tail = (1.0 - CONFIDENCE) / 2.0
    low, high = np.sqrt((count - 1) / stats.chi2.ppf([1.0 - tail, tail], count - 1)) * sigma
    return float(low), float(high)


def mean_interval(mean: float, sigma: float, count: int) -> tuple[float, float]:
    """95 % interval of a mean from `count` normal values of standard deviation `sigma` (Student's t)."""
    reach = float(stats.t.ppf(0.5 + CONFIDENCE / 2, count - 1)) * sigma / np.sqrt(count)
    return mean - reach, mean + reach


def information_criteria(error: ArrayLike, parameters: int) -> tuple[float, float]:
    """AIC and BIC of least squares: n ln(RSS / n) + 2 k, and n ln(RSS / n) + k ln n, k with the variance counted.

    H. Akaike, IEEE Trans. Automatic Control 19, 716 (1974); G. Schwarz, Annals of Statistics 6, 461 (1978). Lower is
    better, differences count. Both take the points as independent.
    """
    e = np.asarray(error, dtype=np.float64)
    n, k = e.size, parameters + 1
    fit = n * np.log(max(float(np.mean(e**2)), np.finfo(float).tiny))
    return float(fit + 2 * k), float(fit + k * np.log(n))
