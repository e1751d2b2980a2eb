"""Scores: intervals against their closed forms and against how often they hold."""

import math

import numpy as np
import pytest
from scipy import stats

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


def interval(values: np.ndarray) -> tuple[float, float]:
    found = of(values, metric="bits_per_symbol").estimate()
    return found.low, found.high


def test_mean_and_spread_by_hand() -> None:
    found = of([[1, 1, 1, 0], [1, 0, 1, 0]])
    assert found.chips.tolist() == [0.75, 0.5]
    assert found.mean == 0.625
    assert found.spread == pytest.approx(np.sqrt(2) * 0.125)
    estimate = found.estimate()
    assert 0.0 <= estimate.low < 0.625 < estimate.high <= 1.0
    assert of(np.ones((1, 4))).spread == 0.0


def test_one_chip_has_the_interval_of_its_images_alone() -> None:
    values = np.random.default_rng(0).random((1, 50))
    low, high = stats.t.interval(0.95, 49, values.mean(), values.std(ddof=1) / np.sqrt(50))
    np.testing.assert_allclose(interval(values), (low, high), rtol=1e-12)


def test_chips_that_are_alike_add_nothing() -> None:
    values = np.random.default_rng(0).random((1, 50))
    np.testing.assert_allclose(interval(np.tile(values, (2, 1))), interval(values), rtol=1e-12)


@pytest.mark.parametrize("values", [np.ones((3, 4)), np.ones((1, 1)), np.zeros((2, 1))])
def test_values_without_spread_have_an_interval_without_width(values: np.ndarray) -> None:
    mean = values.mean()
    assert interval(values) == (mean, mean)


@pytest.mark.parametrize(
    ("chips", "images", "sigma_chips", "sigma_images", "sigma_rest"),
    [(20, 599, 0.5, 2.0, 1.0), (10, 200, 0.3, 1.0, 1.0), (10, 200, 1.0, 0.3, 1.0), (20, 50, 0.2, 0.5, 2.0)],
)
def test_the_interval_of_a_mean_covers_the_truth(
    chips: int, images: int, sigma_chips: float, sigma_images: float, sigma_rest: float
) -> None:
    """Crossed random effects of 300 studies at once.

    95 % are promised; a count of 300 at 95 % has a standard error of 1.3 %, so 90 to 99 % is four of it below and
    what the doubly counted rest may add above. Where the rest is the largest part, it is counted twice in full and
    the interval is 1.4 times too wide: up to all may be covered.
    """
    rng, studies, truth = np.random.default_rng(1), 300, 0.9
    covered = 0
    for _ in range(studies):
        values = (
            truth
            + sigma_chips * rng.standard_normal((chips, 1))
            + sigma_images * rng.standard_normal((1, images))
            + sigma_rest * rng.standard_normal((chips, images))
        )
        low, high = interval(values)
        covered += low <= truth <= high
    upper = 1.0 if sigma_rest**2 > max(images * sigma_chips**2, chips * sigma_images**2) / 4 else 0.99
    assert 0.90 <= covered / studies <= upper


def test_the_interval_of_a_mean_covers_accuracies_of_right_and_wrong() -> None:
    """The same with answers: right where a chip's and an image's ease and luck together exceed a threshold."""
    rng, chips, images, studies = np.random.default_rng(2), 20, 300, 300
    sigma_chip, sigma_image = 0.2, 1.5
    bound = stats.norm.ppf(0.95) * np.sqrt(1 + sigma_chip**2 + sigma_image**2)  # 95 % right
    covered = 0
    for _ in range(studies):
        ease = sigma_chip * rng.standard_normal((chips, 1)) + sigma_image * rng.standard_normal((1, images))
        found = of(ease + rng.standard_normal((chips, images)) < bound).estimate()
        covered += found.low <= 0.95 <= found.high
    assert 0.90 <= covered / studies <= 0.99


@pytest.mark.parametrize("examples", range(1, 60))
def test_all_answers_right_are_exactly_one(examples: int) -> None:
    assert of(np.ones((3, examples))).estimate().value == 1.0


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_answers_all_alike_have_the_interval_of_one_chip(share: float) -> None:
    one, three = (of(np.full((chips, 40), share)).estimate() for chips in (1, 3))
    assert (three.low, three.high) == (one.low, one.high)
    assert three.high - three.low == pytest.approx(1.959964**2 / (40 + 1.959964**2), rel=1e-6)  # Wilson at the ends
