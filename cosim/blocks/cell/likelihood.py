"""Maximum likelihood of a law's few parameters, with intervals from the curvature of the likelihood at its top."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special
from scipy.optimize import minimize

from cosim.blocks.regression import jackknife
from cosim.errors import CosimError

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

_NORMAL_95 = 1.959963984540054  # standard deviations on either side that hold 95 % of a normal distribution
_LOG_ROOT_2PI = 0.5 * np.log(2.0 * np.pi)


@dataclass(frozen=True)
class Likeliest:
    """Parameters of greatest likelihood.

    Attributes
    ----------
    values, low, high: with the ends of their 95 % intervals, shape (parameters,); NaN ends where the likelihood does
        not bend in that direction.
    nll: minus the log-likelihood there.
    points: how many independent points it is of.
    """

    values: Array
    low: Array
    high: Array
    nll: float
    points: int

    @property
    def bic(self) -> float:
        """2 nll + k ln n (G. Schwarz, Annals of Statistics 6, 461, 1978); lower is better."""
        return 2.0 * self.nll + len(self.values) * np.log(self.points)


def maximum_likelihood(
    nll: Callable[[Array], float], start: ArrayLike, points: int, what: str, *, kinks: bool = False
) -> Likeliest:
    """Minimise `nll` over its parameters, all of which are of order one.

    Quasi-Newton steps; where `nll` has kinks (limits of a law), or they do not end, the simplex of Nelder and Mead
    walks first. Intervals are value +- 1.96 sqrt(diag(H^-1)), H the matrix of second derivatives (observed Fisher
    information). Raises CosimError when no finite likelihood is found.
    """
    best = np.atleast_1d(np.asarray(start, dtype=np.float64))
    if best.size == 0:
        return Likeliest(best, best, best, nll(best), points)
    lowest, settled = nll(best), not kinks
    for _ in range(4):
        begin = best
        if not settled:
            options = {"maxiter": 800 * best.size, "xatol": 1e-7, "fatol": 1e-9, "adaptive": True}
            begin = minimize(nll, best, method="Nelder-Mead", options=options).x
        with np.errstate(over="ignore", invalid="ignore"):
            newton = minimize(nll, begin, method="BFGS", options={"gtol": 1e-6 * max(1.0, np.sqrt(points))})
        before = lowest
        for each in (begin, newton.x):
            if nll(each) < lowest:
                best, lowest = np.asarray(each, dtype=np.float64), nll(each)
        if (newton.success and not kinks) or (not settled and before - lowest <= 1e-6):
            break
        settled = False
    if not np.isfinite(lowest):
        raise CosimError(f"the fit of {what} finds no parameters under which the data are possible")
    reach = _NORMAL_95 * np.sqrt(_variances(nll, best))
    return Likeliest(best, best - reach, best + reach, lowest, points)


def without_groups(nll: Callable[[Array, Mask], float], found: Likeliest, groups: ArrayLike) -> Likeliest:
    """The same parameters with intervals of the jackknife over groups of points, which share what they share.

    For laws with limits: where a limit begins the likelihood has a kink, and its curvature tells too little.
    `nll(values, mask)` is of the points of the mask. Fewer than four groups leave the intervals as they are.
    """
    labels = np.asarray(groups)
    if len(np.unique(labels)) < 4:
        return found
    size = found.values.size

    def solve(mask: Mask) -> Array:
        if mask.all():
            return found.values
        best = minimize(lambda values: nll(values, mask), found.values, method="Nelder-Mead",
                        options={"maxiter": 400 * size, "xatol": 1e-5, "fatol": 1e-6, "adaptive": True})  # fmt: skip
        return np.asarray(best.x, dtype=np.float64)

    estimate = jackknife(solve, labels)
    return replace(found, low=estimate.low, high=estimate.high)


def _variances(nll: Callable[[Array], float], at: Array) -> Array:
    """Diagonal of the inverse of the second derivatives; NaN where they are not positive definite.

    Differences over about one standard deviation: there the rounding of `nll` does not matter.
    """
    size, zero = at.size, nll(at)
    step = np.full(size, 1e-4)
    for _ in range(6):  # until the likelihood falls by about one half over a step
        for k in range(size):
            unit = np.eye(size)[k] * step[k]
            rise = 0.5 * (nll(at + unit) + nll(at - unit)) - zero
            step[k] *= float(np.clip(np.sqrt(0.5 / max(rise, 1e-12)), 0.05, 50.0))
    hessian = np.empty((size, size))
    for i in range(size):
        for j in range(i + 1):
            a, b = np.eye(size)[i] * step[i], np.eye(size)[j] * step[j]
            mixed = nll(at + a + b) - nll(at + a - b) - nll(at - a + b) + nll(at - a - b)
            hessian[i, j] = hessian[j, i] = mixed / (4.0 * step[i] * step[j])
    if not np.isfinite(hessian).all():
        return np.full(size, np.nan)
    scaled = hessian * np.outer(step, step)
    bent = np.diag(scaled) > 1e-6  # the others the data do not tell at all
    found = np.full(size, np.nan)
    inner = scaled[np.ix_(bent, bent)]
    if bent.any() and np.linalg.eigvalsh(inner)[0] > 1e-9:
        found[bent] = np.diag(np.linalg.inv(inner)) * step[bent] ** 2
    return found


def normal_nll(values: Array, mean: Array, sigma: Array, low: float = -np.inf, high: float = np.inf) -> float:
    """Minus the log-likelihood of normal values that were cut off at `low` and `high`: one at a limit lies beyond it.

    (J. Tobin, Econometrica 26, 24, 1958.)
    """
    safe = np.maximum(sigma, 1e-12 * max(float(np.abs(sigma).max()), 1e-300))
    below, above = values <= low, values >= high
    z = (values - mean) / safe
    terms = 0.5 * z**2 + np.log(safe) + _LOG_ROOT_2PI
    if below.any():
        terms[below] = -special.log_ndtr((low - mean[below]) / safe[below])
    if above.any():
        terms[above] = -special.log_ndtr((mean[above] - high) / safe[above])
    return float(terms.sum())


def normal_share(
    values: Array, mean: Array, sigma: Array, rng: np.random.Generator, low: float = -np.inf, high: float = np.inf
) -> Array:
    """Share of the normal law, cut off at `low` and `high`, below each value: uniform where the law is right.

    At a limit, where a whole share of the law lies, the place within it is drawn (the randomised transform of
    J. Smith, J. Forecasting 4, 283, 1985).
    """
    share = special.ndtr((values - mean) / sigma)
    drawn = rng.random(values.shape)
    below, above = values <= low, values >= high
    share = np.where(below, drawn * special.ndtr((low - mean) / sigma), share)
    return np.where(above, 1.0 - drawn * special.ndtr((mean - high) / sigma), share)
