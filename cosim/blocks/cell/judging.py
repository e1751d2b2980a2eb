"""Errors of a law of chance on devices that the fit did not see, in units in which a right law has a known size.

A standard deviation of few cells is itself uncertain by 1 / sqrt(2 n): its error is told in standard errors. A
distribution is judged by the distance between the share of cells below a value and what the law says
(Cramer and von Mises; its rms over the cells, in which the limit is the 1 % point of the test).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from cosim.blocks.residuals import Residuals

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]


class Together(Residuals):
    """Residuals that hang together, through the fitted numbers or from point to point: their rms says all.

    A mean off zero, or a smaller rms on the points of the fit, is what such errors have by nature; the limit counts it.
    """

    def warnings(self) -> list[str]:
        return [each for each in super().warnings() if "exceeds the limit" in each]


_CRAMER_1_PERCENT = 0.743  # W^2 that a right law exceeds once in a hundred (Anderson, Darling, 1952)
_LEVEL = 0.99


def variance_score(sum_of_squares: ArrayLike, freedom: ArrayLike, variance: ArrayLike) -> Array:
    """How far a variance lies below that of the data, as a standard normal number; positive: the law has more.

    `sum_of_squares` over `variance` has a chi-squared law of `freedom`; the share of it is turned into a normal
    number, so that its square counts as one degree of freedom whatever `freedom` is.
    """
    ratio = np.asarray(sum_of_squares, dtype=np.float64) / np.asarray(variance, dtype=np.float64)
    upper = stats.norm.isf(stats.chi2.sf(ratio, freedom))
    lower = stats.norm.ppf(stats.chi2.cdf(ratio, freedom))
    return np.asarray(-np.clip(np.where(ratio > np.asarray(freedom), upper, lower), -38.0, 38.0), dtype=np.float64)


def score_limit(count: int, parameters: int, seen: float, held_out: float) -> float:
    """rms of `count` scores that a right law exceeds once in a hundred.

    The law has an error of its own: `parameters` numbers from `count` groups of `seen` points each add
    parameters / count x held_out / seen to the variance of a score of `held_out` points.
    """
    widened = 1.0 + min(parameters / count, 1.0) * held_out / seen
    return float(np.sqrt(stats.chi2.ppf(_LEVEL, count) / count * widened))


def scores(
    quantity: str,
    values: Array,
    predicted: Array,
    score: Array,
    held_out: Mask,
    x: Array,
    x_label: str,
    *,
    parameters: int,
    points: tuple[float, float],
    split: str,
) -> Residuals:
    """Residuals in standard errors; `points`: of one score, on the side of the fit and on that held out."""
    count = int(held_out.sum())
    return Together(
        quantity, values, predicted, score, "standard errors", held_out, x, x_label,
        limit=score_limit(count, parameters, *points), split=split, parameters=parameters,
    )  # fmt: skip


def distribution(quantity: str, share: Array, held_out: Mask, *, parameters: int, split: str) -> Residuals:
    """Residuals of the share of a law below each value, which is uniform where the law is right.

    The limit is the 1 % point of the test, widened by 1 + held-out / seen for what the fit itself does not know.
    """
    reference = np.empty(share.shape)
    for side in (held_out, ~held_out):
        count = int(side.sum())
        ranks = np.empty(count)
        ranks[np.argsort(share[side], kind="stable")] = np.arange(count)
        reference[side] = (ranks + 0.5) / max(count, 1)
    count, seen = int(held_out.sum()), int((~held_out).sum())
    squared = (_CRAMER_1_PERCENT - 1.0 / (12.0 * count)) / count * (1.0 + count / max(seen, 1))
    return Together(
        quantity, reference, share, share - reference, "of all cells", held_out, stats.norm.ppf(reference),
        "place of the cell among all, as a normal number [1]",
        limit=float(np.sqrt(squared)), split=split, parameters=parameters,
    )  # fmt: skip
