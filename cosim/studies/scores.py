"""Scores of a network over chips and examples, and how sure they are.

A mean over chips and examples is uncertain for two reasons, other chips and other examples; both variances of the mean
are added (crossed random effects; the small residual term is in both and so is counted once too much, on the safe
side). Degrees of freedom of the sum: F. E. Satterthwaite, Biometrics Bulletin 2, 110 (1946).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cosim.errors import CosimError
from cosim.studies.statistics import CONFIDENCE, wilson_interval
from cosim.studies.tasks import Metric


@dataclass(frozen=True)
class Estimate:
    """A mean with its 95 % interval, and what its standard error is made of.

    Attributes
    ----------
    chips: standard error from other chips; NaN where there was one chip.
    examples: standard error from other examples; NaN where there was one.
    """

    value: float
    low: float
    high: float
    chips: float
    examples: float


@dataclass(frozen=True)
class Scores:
    """Scores of several chips on the same examples.

    Attributes
    ----------
    values: shape (chips, examples): 1 or 0 of an answer, or bits per symbol of a stream.
    weights: how many answers each example's score is the mean of, (examples,).
    metric: what a score is.
    """

    values: NDArray[np.float64]
    weights: NDArray[np.float64]
    metric: Metric

    @property
    def chips(self) -> NDArray[np.float64]:
        """Score of each chip, shape (chips,)."""
        return np.asarray(self.values @ self.weights / self.weights.sum())

    @property
    def mean(self) -> float:
        return float(self.chips.mean())

    @property
    def spread(self) -> float:
        """Standard deviation from chip to chip; 0 for a single chip."""
        return float(self.chips.std(ddof=1)) if len(self.chips) > 1 else 0.0

    def estimate(self) -> Estimate:
        """The mean for other chips and other examples.

        Of a single chip's right and wrong answers Wilson's interval, which holds near 0 and 1 too; of several chips'
        answers without any spread as well, as of one chip: forty right answers do not promise that all are.
        """
        found = _estimate(self.values, self.weights)
        if self.metric != "accuracy":
            return found
        if len(self.values) == 1:
            low, high = wilson_interval(int(self.values.sum()), self.values.size)
            return Estimate(found.value, low, high, found.chips, found.examples)
        if found.low == found.high:
            examples = self.values.shape[1]
            low, high = wilson_interval(round(found.value * examples), examples)
            return Estimate(found.value, low, high, found.chips, found.examples)
        return Estimate(found.value, max(found.low, 0.0), min(found.high, 1.0), found.chips, found.examples)

    def minus(self, other: Scores) -> Estimate:
        """Mean of these scores less that of others on the same examples, paired.

        Chips are paired as well where both have as many; where `other` has one (real arithmetic, bits alone) it stands
        beside each. Raises CosimError for scores of other examples.
        """
        if self.values.shape[1] != other.values.shape[1] or self.metric != other.metric:
            raise CosimError(
                f"scores of {self.values.shape[1]} and of {other.values.shape[1]} examples are not about the same"
            )
        if len(other.values) not in (1, len(self.values)):
            raise CosimError(f"{len(self.values)} chips cannot be paired with {len(other.values)}")
        return _estimate(self.values - other.values, self.weights)


def _estimate(values: NDArray[np.float64], weights: NDArray[np.float64]) -> Estimate:
    chips, examples = values.shape
    share = weights / weights.sum()
    # Divided last: all answers right are 1, not 1 + 2e-16.
    of_chips, of_examples = values @ weights / weights.sum(), values.mean(axis=0)
    mean = float(of_chips.mean())
    parts = [math.nan, math.nan]
    variances = squares = 0.0
    if chips > 1:
        parts[0] = float(of_chips.var(ddof=1)) / chips
        variances, squares = parts[0], parts[0] ** 2 / (chips - 1)
    if examples > 1:
        # Of a weighted mean; for equal weights it is s^2 / n.
        parts[1] = float((share**2 * (of_examples - mean) ** 2).sum()) * examples / (examples - 1)
        variances, squares = variances + parts[1], squares + parts[1] ** 2 / (examples - 1)
    errors = [math.sqrt(each) for each in parts]
    if not squares:
        return Estimate(mean, mean, mean, *errors)
    from scipy import stats

    reach = float(stats.t.ppf(0.5 + CONFIDENCE / 2, variances**2 / squares)) * math.sqrt(variances)
    return Estimate(mean, mean - reach, mean + reach, *errors)
