"""Accuracy over chips: reproducible, paired, and with intervals that hold what they promise."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from cosim.networks.lstm import LstmWeights, lstm_network
from cosim.studies.accuracy import ChipAccuracy, correct_answers, ladder, mean_interval, over_chips
from cosim.tiles.config import Nonidealities
from cosim.tiles.hardware import Hardware
from cosim.tiles.protocol import Fidelity

# Six chips say little of the spread of offsets, so some that are drawn later lie outside what was seen.
pytestmark = pytest.mark.filterwarnings("ignore::cosim.blocks.domain.OutsideDomainWarning")

IMAGES, STEPS, INPUTS = 60, 4, 2
SEQUENCES = np.random.default_rng(31).uniform(-1, 1, (IMAGES, STEPS, INPUTS))


@pytest.fixture
def labels(hardware: Hardware, weights: LstmWeights) -> np.ndarray:
    """What the quantised network says, so that bits alone are right everywhere."""
    network = lstm_network(weights, hardware, Fidelity.QUANTISED)
    network.program(np.random.default_rng(0))
    found = network.predict(SEQUENCES, np.random.default_rng(0))
    assert len(set(found.tolist())) > 1
    return np.asarray(found)


def study(hardware: Hardware, weights: LstmWeights, labels: np.ndarray, **options: object) -> ChipAccuracy:
    return over_chips(weights, hardware, SEQUENCES, labels, **{"chips": 3, "seed": 5, **options})  # type: ignore[arg-type]


def test_the_same_seed_gives_the_same_answers(hardware: Hardware, weights: LstmWeights, labels: np.ndarray) -> None:
    first, second = (study(hardware, weights, labels).correct for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert first.shape == (3, IMAGES)
    assert (study(hardware, weights, labels, seed=6).correct != first).any()


def test_chip_n_does_not_depend_on_how_many_there_are(
    hardware: Hardware, weights: LstmWeights, labels: np.ndarray
) -> None:
    few, many = (study(hardware, weights, labels, chips=chips).correct for chips in (2, 5))
    np.testing.assert_array_equal(many[:2], few)
    assert len({row.tobytes() for row in many}) > 1


@pytest.mark.parametrize("fidelity", [Fidelity.QUANTISED, Fidelity.BEHAVIOURAL])
def test_bits_alone_are_right_on_labels_of_bits_alone(
    hardware: Hardware, weights: LstmWeights, labels: np.ndarray, fidelity: Fidelity
) -> None:
    bits_only = hardware.with_nonidealities(Nonidealities.none())
    assert study(bits_only, weights, labels, chips=2, fidelity=fidelity).correct.all()


def test_correct_answers_are_those_with_the_largest_logit_at_the_label(
    hardware: Hardware, weights: LstmWeights, labels: np.ndarray
) -> None:
    network = lstm_network(weights, hardware, Fidelity.QUANTISED)
    network.program(np.random.default_rng(0))
    wrong = labels.copy()
    wrong[::7] = (wrong[::7] + 1) % 3
    expected = np.ones(IMAGES, bool)
    expected[::7] = False
    np.testing.assert_array_equal(
        correct_answers(network, SEQUENCES, wrong, np.random.default_rng(0)), expected
    )  # fmt: skip


def test_the_ladder_holds_each_alone_between_none_and_all(
    hardware: Hardware, weights: LstmWeights, labels: np.ndarray
) -> None:
    rungs = ladder(weights, hardware, SEQUENCES, labels, chips=3, seed=5)
    assert [rung.name for rung in rungs] == ["none", *Nonidealities.names(), "all"]
    for rung in rungs:
        on = {"none": Nonidealities.none(), "all": Nonidealities()}.get(rung.name) or Nonidealities.only(rung.name)
        alone = study(hardware.with_nonidealities(on), weights, labels)
        np.testing.assert_array_equal(rung.result.correct, alone.correct)


def test_the_cost_of_a_rung_is_the_difference_on_the_same_chips_and_images(
    hardware: Hardware, weights: LstmWeights, labels: np.ndarray
) -> None:
    rungs = ladder(weights, hardware, SEQUENCES, labels, chips=3, seed=5)
    none = rungs[0].result.correct
    assert (rungs[0].cost, rungs[0].cost_interval) == (0.0, (0.0, 0.0))
    for rung in rungs[1:]:
        pairs = none.astype(int) - rung.result.correct.astype(int)
        assert rung.cost == pytest.approx(pairs.mean(), abs=1e-12)
        low, high = rung.cost_interval
        assert low <= rung.cost <= high
        # Deterministic rungs are the same on every chip.
        if rung.name in ("ir_drop", "amplifier", "comparator_lag"):
            assert len({row.tobytes() for row in rung.result.correct}) <= len(
                {row.tobytes() for row in none}
            )  # fmt: skip
    assert rungs[-1].result.correct.mean() < 1.0


def test_without_programming_error_and_offsets_all_chips_are_alike(
    hardware: Hardware, weights: LstmWeights, labels: np.ndarray
) -> None:
    systematic = replace(Nonidealities.none(), ir_drop=True, amplifier=True, comparator_lag=True)
    found = study(hardware.with_nonidealities(systematic), weights, labels, chips=4)
    assert found.spread == 0.0
    assert len({row.tobytes() for row in found.correct}) == 1


def test_mean_and_spread_by_hand() -> None:
    found = ChipAccuracy(np.array([[1, 1, 1, 0], [1, 0, 1, 0]], dtype=bool))
    assert found.chips.tolist() == [0.75, 0.5]
    assert found.mean == 0.625
    assert found.spread == pytest.approx(np.sqrt(2) * 0.125)
    low, high = found.interval()
    assert 0.0 <= low < 0.625 < high <= 1.0
    assert ChipAccuracy(np.ones((1, 4), bool)).spread == 0.0


# --- the two-way interval


def test_one_chip_has_the_interval_of_its_images_alone() -> None:
    values = np.random.default_rng(0).random((1, 50))
    low, high = stats.t.interval(0.95, 49, values.mean(), values.std(ddof=1) / np.sqrt(50))
    np.testing.assert_allclose(mean_interval(values), (low, high), rtol=1e-12)


def test_chips_that_are_alike_add_nothing() -> None:
    values = np.random.default_rng(0).random((1, 50))
    np.testing.assert_allclose(mean_interval(np.tile(values, (2, 1))), mean_interval(values), rtol=1e-12)


@pytest.mark.parametrize("values", [np.ones((3, 4)), np.ones((1, 1)), np.zeros((2, 1))])
def test_values_without_spread_have_an_interval_without_width(values: np.ndarray) -> None:
    mean = values.mean()
    assert mean_interval(values) == (mean, mean)


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
        low, high = mean_interval(values)
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
        low, high = ChipAccuracy(ease + rng.standard_normal((chips, images)) < bound).interval()
        covered += low <= 0.95 <= high
    assert 0.90 <= covered / studies <= 0.99
