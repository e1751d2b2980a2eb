"""How sure a point's score is, split by what else it could have been: other chips, reads, test samples.

Scores y[c, r, s] of chips, reads of each chip, and samples, as crossed and nested random effects

    y = mu + a_c + b_s + (ab)_cs + e_crs

The mean squares of the analysis of variance give each variance (S. R. Searle, G. Casella, C. E. McCulloch, Variance
Components, Wiley 1992, ch. 4):

    E[MS_chip] = s_e + R s_ab + R S s_a         E[MS_cs] = s_e + R s_ab
    E[MS_sample] = s_e + R s_ab + R C s_b       E[MS_e] = s_e

and var(mean) = s_a / C + s_b / S + s_ab / (C S) + s_e / (C R S). An estimate below zero is taken as zero, as is usual.
With one read a chip, s_e and s_ab cannot be told apart: both then count with the samples.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cosim.studies.evaluation import Outcome
from cosim.studies.scores import Scores
from cosim.studies.tasks import Metric


@dataclass(frozen=True)
class ErrorBars:
    """A score with its 95 % interval and the parts of its standard error.

    Attributes
    ----------
    value, low, high: mean and interval, for other chips and other test samples.
    spread: standard deviation from chip to chip, as measured.
    chip: standard error from the chips that were drawn; NaN with one chip.
    read: from noise of reads; NaN with one read a chip.
    sample: from the finite test set; NaN with one sample.
    """

    value: float
    low: float
    high: float
    spread: float
    chip: float
    read: float
    sample: float


def error_bars(scores: NDArray[np.float64], weights: NDArray[np.float64], metric: Metric) -> ErrorBars:
    """Of scores (chips, reads, samples) and the samples' weights (samples,)."""
    means = scores.mean(axis=1)
    if not np.isfinite(means).all():
        return ErrorBars(*[math.nan] * 7)
    estimate = Scores(means, weights, metric)
    found = estimate.estimate()
    chip, read, sample = parts(scores * (weights / weights.mean()))
    return ErrorBars(found.value, found.low, found.high, estimate.spread, chip, read, sample)


def parts(scores: NDArray[np.float64]) -> tuple[float, float, float]:
    """Standard errors of the mean of scores (chips, reads, samples) from chips, reads and samples."""
    chips, reads, samples = scores.shape
    of_cells = scores.mean(axis=1)
    of_chips, of_samples, mean = of_cells.mean(axis=1), of_cells.mean(axis=0), of_cells.mean()
    crossed = of_cells - of_chips[:, None] - of_samples[None, :] + mean
    freedom = (chips - 1) * (samples - 1)
    ms_crossed = reads * float((crossed**2).sum()) / freedom if freedom else 0.0
    ms_error = float(((scores - of_cells[:, None, :]) ** 2).sum()) / (chips * samples * (reads - 1)) if reads > 1 else 0
    chip = sample = read = math.nan
    if chips > 1:
        ms_chips = reads * samples * float(((of_chips - mean) ** 2).sum()) / (chips - 1)
        chip = math.sqrt(max(ms_chips - ms_crossed, 0.0) / (reads * samples * chips))
    if samples > 1:
        ms_samples = reads * chips * float(((of_samples - mean) ** 2).sum()) / (samples - 1)
        of_sample = max(ms_samples - ms_crossed, 0.0) / (reads * chips * samples)
        of_both = max(ms_crossed - ms_error, 0.0) / (reads * chips * samples)
        sample = math.sqrt(of_sample + of_both)
    if reads > 1:
        read = math.sqrt(ms_error / (chips * reads * samples))
    return chip, read, sample


def figures_of(outcome: Outcome) -> dict[str, float]:
    """A point's figures: the metric with its interval, the parts of its standard error, and the loss.

    `accuracy` (or `bits_per_symbol`), `low`, `high`, `chip_spread`, `error_chip`, `error_read`, `error_sample`,
    `loss`; none of a point that failed.
    """
    if outcome.failure is not None:
        return {}
    bars = error_bars(outcome.scores, outcome.weights, outcome.metric)
    return {
        outcome.metric: bars.value,
        "low": bars.low,
        "high": bars.high,
        "chip_spread": bars.spread,
        "error_chip": bars.chip,
        "error_read": bars.read,
        "error_sample": bars.sample,
        "loss": float(outcome.losses.mean()),
    }
