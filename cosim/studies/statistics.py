"""Intervals of shares and of their differences: how sure a figure from a finite test set is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cosim.errors import CosimError

CONFIDENCE = 0.95


@dataclass(frozen=True)
class PairedDifference:
    """Accuracy of A minus accuracy of B on the same images, as shares.

    Attributes
    ----------
    value: difference of the two accuracies as measured.
    low, high: confidence interval (Agresti-Min).
    only_a, only_b: images that only A, only B got right; the others tell nothing about the difference.
    total: images.
    p_value: exact McNemar test of "no difference", two-sided.
    """

    value: float
    low: float
    high: float
    only_a: int
    only_b: int
    total: int
    p_value: float


def wilson_interval(successes: int, total: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Score interval of a binomial share p = s / n.

    (p + z^2/2n -+ z sqrt(p(1-p)/n + z^2/4n^2)) / (1 + z^2/n). Source: E. B. Wilson, J. Am. Stat. Assoc. 22,
    209 (1927). Stays inside 0 .. 1 and keeps its coverage near the ends, where the normal interval fails.
    """
    if not 0 <= successes <= total or total < 1:
        raise CosimError(f"{successes} right answers of {total} have no interval")
    z = _normal_quantile(confidence)
    share = successes / total
    centre = share + z**2 / (2 * total)
    reach = z * np.sqrt(share * (1 - share) / total + z**2 / (4 * total**2))
    scale = 1 + z**2 / total
    return max(0.0, float((centre - reach) / scale)), min(1.0, float((centre + reach) / scale))


def paired_difference(
    correct_a: NDArray[np.bool_], correct_b: NDArray[np.bool_], confidence: float = CONFIDENCE
) -> PairedDifference:
    """Accuracy of A minus that of B from right/wrong on the same images, both of shape (n,)."""
    a, b = np.asarray(correct_a, dtype=bool), np.asarray(correct_b, dtype=bool)
    if a.shape != b.shape or a.ndim != 1:
        raise CosimError(f"results of shapes {a.shape} and {b.shape} are not about the same images")
    return paired_difference_of_counts(int(np.count_nonzero(a & ~b)), int(np.count_nonzero(b & ~a)), a.size, confidence)


def paired_difference_of_counts(
    only_a: int, only_b: int, total: int, confidence: float = CONFIDENCE
) -> PairedDifference:
    """`paired_difference` from the numbers of images that only A and only B got right.

    Interval: the normal one after adding 1/2 to each cell of the 2x2 table, (b - c)/n -+ z sqrt(b + c -
    (b - c)^2/n)/n. Source: A. Agresti, Y. Min, Statistics in Medicine 24, 729 (2005): near-nominal coverage
    also with few discordant pairs. Test: exact McNemar, binomial on the discordant pairs.
    """
    if min(only_a, only_b) < 0 or only_a + only_b > total or total < 1:
        raise CosimError(f"{only_a} and {only_b} differing images do not fit into {total}")
    from scipy.stats import binomtest

    z = _normal_quantile(confidence)
    n, b, c = total + 2, only_a + 0.5, only_b + 0.5
    centre = (b - c) / n
    reach = z * float(np.sqrt(b + c - (b - c) ** 2 / n)) / n
    differing = only_a + only_b
    p_value = float(binomtest(only_a, differing).pvalue) if differing else 1.0
    return PairedDifference((only_a - only_b) / total, centre - reach, centre + reach, only_a, only_b, total, p_value)


def _normal_quantile(confidence: float) -> float:
    """z with P(|N(0, 1)| < z) = confidence."""
    if not 0 < confidence < 1:
        raise CosimError("not a level of confidence", key="confidence", value=confidence, allowed="between 0 and 1")
    from statistics import NormalDist

    return NormalDist().inv_cdf(0.5 + confidence / 2)
