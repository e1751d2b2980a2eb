"""Parts of a standard error: against draws of known variances, in limits, and against what they must sum to."""

import numpy as np
import pytest

from cosim.studies.error_bars import error_bars, figures_of, parts
from cosim.studies.evaluation import failed

CHIPS, READS, SAMPLES = 12, 4, 50


def drawn(rng: np.random.Generator, chip: float, sample: float, both: float, read: float) -> np.ndarray:
    """y = a_c + b_s + (ab)_cs + e_crs with these standard deviations."""
    return np.asarray(
        chip * rng.standard_normal((CHIPS, 1, 1))
        + sample * rng.standard_normal((1, 1, SAMPLES))
        + both * rng.standard_normal((CHIPS, 1, SAMPLES))
        + read * rng.standard_normal((CHIPS, READS, SAMPLES))
    )


def test_parts_are_those_that_the_scores_were_drawn_with() -> None:
    rng = np.random.default_rng(1)
    chip, sample, both, read = 0.5, 0.8, 0.3, 1.0
    found = np.mean([np.square(parts(drawn(rng, chip, sample, both, read))) for _ in range(400)], axis=0)
    expected = [
        chip**2 / CHIPS,
        read**2 / (CHIPS * READS * SAMPLES),
        sample**2 / SAMPLES + both**2 / (CHIPS * SAMPLES),
    ]
    # Mean of 400 estimates; a variance from 11 degrees of freedom has a relative sd of sqrt(2 / 11): 2 % of the mean.
    np.testing.assert_allclose([found[0], found[1], found[2]], expected, rtol=0.08)


def test_parts_add_up_to_the_variance_of_the_mean() -> None:
    rng = np.random.default_rng(2)
    means, predicted = [], []
    for _ in range(2000):
        scores = drawn(rng, 0.4, 0.6, 0.2, 0.8)
        means.append(scores.mean())
        predicted.append(np.square(parts(scores)).sum())
    # The variance of 2000 means is known to sqrt(2 / 2000) = 3 %.
    assert np.mean(predicted) == pytest.approx(np.var(means), rel=0.12)


def test_what_does_not_vary_has_no_part() -> None:
    rng = np.random.default_rng(3)
    for place, scores in enumerate(
        (drawn(rng, 1.0, 0.0, 0.0, 0.0), drawn(rng, 0.0, 0.0, 0.0, 1.0), drawn(rng, 0.0, 1.0, 0.0, 0.0))
    ):
        found = parts(scores)
        assert found[place] > 0
        if place != 1:  # noise of reads leaves a little of itself in the estimates of the others
            np.testing.assert_allclose([each for other, each in enumerate(found) if other != place], 0.0, atol=1e-9)


def test_what_was_drawn_once_has_an_unknown_part() -> None:
    scores = drawn(np.random.default_rng(4), 1, 1, 1, 1)
    assert np.isnan(parts(scores[:1])[0])
    assert np.isnan(parts(scores[:, :1])[1])
    assert np.isnan(parts(scores[:, :, :1])[2])


def test_scores_that_are_not_finite_have_no_bars() -> None:
    scores = np.zeros((2, 1, 3))
    scores[1, 0, 2] = np.nan
    assert np.isnan(error_bars(scores, np.ones(3), "bits_per_symbol").value)


def test_a_point_that_failed_has_no_figures() -> None:
    assert figures_of(failed("k", "accuracy", "why")) == {}
