"""Scores: intervals against their closed forms and against how often they hold."""

import math

import numpy as np
import pytest

from cosim.errors import CosimError
from cosim.studies.scores import Scores
from cosim.studies.statistics import wilson_interval


def of(values: np.ndarray, weights: np.ndarray | None = None, metric: str = "accuracy") -> Scores:
    values = np.asarray(values, dtype=float)
    return Scores(values, np.ones(values.shape[1]) if weights is None else weights, metric)  # type: ignore[arg-type]


def test_one_chip_has_the_error_of_its_examples_alone() -> None:
    correct = np.zeros((1, 100))
    correct[0, :90] = 1
    found = of(correct).estimate()
    assert (found.low, found.high) == wilson_interval(90, 100)
    assert math.isnan(found.chips)
    assert found.examples == pytest.approx(math.sqrt(0.9 * 0.1 / 99))  # binomial, unbiased


def test_weights_are_those_of_the_answers() -> None:
    scores = of([[1.0, 3.0]], np.array([3.0, 1.0]), "bits_per_symbol")
    assert scores.mean == 1.5


def test_the_error_is_split_by_what_it_comes_from() -> None:
    chips = np.array([[0.2], [0.4], [0.6]]) * np.ones((1, 50))  # chips differ, examples do not
    found = of(chips, metric="bits_per_symbol").estimate()
    assert found.chips == pytest.approx(0.2 / math.sqrt(3)) and found.examples == pytest.approx(0, abs=1e-12)
    examples = np.ones((3, 1)) * np.linspace(0, 1, 50)
    found = of(examples, metric="bits_per_symbol").estimate()
    assert found.chips == pytest.approx(0, abs=1e-12)
    assert found.examples == pytest.approx(np.linspace(0, 1, 50).std(ddof=1) / math.sqrt(50))


def test_pairs_cancel_what_they_share() -> None:
    rng = np.random.default_rng(1)
    hard = rng.random((1, 400)) < 0.8  # the same examples are hard for both
    one, other = of(np.repeat(hard, 5, axis=0)), of(np.repeat(hard, 5, axis=0))
    assert one.minus(other).high - one.minus(other).low == 0
    assert one.minus(of(hard)).value == 0  # a single one stands beside each chip
    with pytest.raises(CosimError, match="paired"):
        one.minus(of(np.repeat(hard, 2, axis=0)))
    with pytest.raises(CosimError, match="not about the same"):
        one.minus(of(hard[:, :10]))


def test_the_interval_holds_as_often_as_it_says() -> None:
    """Crossed random effects of known size: the 95 % interval covers the true mean in 90 % to 99 % of 400 draws; the
    standard error of that share is 1.1 %, and the sum counts the residual twice, so it errs to the wide side."""
    rng, held = np.random.default_rng(3), 0
    for _ in range(400):
        chips = rng.normal(0, 0.02, size=(10, 1))
        examples = rng.normal(0, 0.3, size=(1, 300))
        values = 1.0 + chips + examples + rng.normal(0, 0.1, size=(10, 300))
        found = of(values, metric="bits_per_symbol").estimate()
        held += found.low <= 1.0 <= found.high
    assert 0.90 <= held / 400 <= 0.99
