"""Accuracy over chips: reproducible and paired; the ladder; and error bars that the drawn chips bear out."""

from dataclasses import replace

import numpy as np
import pytest

from cosim.errors import CosimError
from cosim.networks.digits import digits_network
from cosim.networks.weights import LstmWeights
from cosim.studies.accuracy import ladder, over_chips, rungs
from cosim.studies.scores import Scores
from cosim.studies.tasks import Scaled, Task
from cosim.tiles.config import Nonidealities
from cosim.tiles.hardware import Hardware
from cosim.tiles.protocol import Fidelity

# Six chips say little of the spread of offsets, so some that are drawn later lie outside what was seen.
pytestmark = pytest.mark.filterwarnings("ignore::cosim.blocks.domain.OutsideDomainWarning")

IMAGES, STEPS, INPUTS = 60, 4, 2
SEQUENCES = np.random.default_rng(31).uniform(-1, 1, (IMAGES, STEPS, INPUTS)).astype(np.float32)


@pytest.fixture
def task(hardware: Hardware, weights: LstmWeights) -> Task:
    """What the quantised network says is right, so that bits alone are right everywhere."""
    network = digits_network(weights, hardware, Fidelity.QUANTISED)
    network.program(np.random.default_rng(0))
    labels = network.forward(SEQUENCES).argmax(axis=1)
    assert len(set(labels.tolist())) > 1
    data = Scaled(SEQUENCES, None)
    return Task("small/test", "accuracy", data, labels, data)


def study(
    hardware: Hardware, weights: LstmWeights, task: Task, chips: int = 3, seed: int = 5,
    fidelity: Fidelity = Fidelity.BEHAVIOURAL,
) -> Scores:  # fmt: skip
    return over_chips(digits_network(weights, hardware, fidelity), task, chips=chips, seed=seed)


def test_the_same_seed_gives_the_same_answers(hardware: Hardware, weights: LstmWeights, task: Task) -> None:
    first, second = (study(hardware, weights, task).values for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert first.shape == (3, IMAGES)
    assert (study(hardware, weights, task, seed=6).values != first).any()


def test_chip_n_does_not_depend_on_how_many_there_are(hardware: Hardware, weights: LstmWeights, task: Task) -> None:
    few, many = (study(hardware, weights, task, chips=chips).values for chips in (2, 5))
    np.testing.assert_array_equal(many[:2], few)
    assert len({row.tobytes() for row in many}) > 1


def test_no_chip_is_refused(hardware: Hardware, weights: LstmWeights, task: Task) -> None:
    with pytest.raises(CosimError, match="at least one chip"):
        study(hardware, weights, task, chips=0)


@pytest.mark.parametrize("fidelity", [Fidelity.QUANTISED, Fidelity.BEHAVIOURAL])
def test_bits_alone_are_right_on_labels_of_bits_alone(
    hardware: Hardware, weights: LstmWeights, task: Task, fidelity: Fidelity
) -> None:
    bits_only = hardware.with_nonidealities(Nonidealities.none())
    assert study(bits_only, weights, task, chips=2, fidelity=fidelity).values.all()


def test_right_answers_are_those_with_the_largest_logit_at_the_label(
    hardware: Hardware, weights: LstmWeights, task: Task
) -> None:
    wrong = task.targets.copy()
    wrong[::7] = (wrong[::7] + 1) % 3
    expected = np.ones((1, IMAGES))
    expected[0, ::7] = 0
    found = study(hardware, weights, replace(task, targets=wrong), chips=1, fidelity=Fidelity.QUANTISED)
    np.testing.assert_array_equal(found.values, expected)


def test_the_ladder_holds_each_alone_between_none_and_all(hardware: Hardware, weights: LstmWeights, task: Task) -> None:
    found = ladder(digits_network(weights, hardware), task, chips=3, seed=5)
    assert [rung.name for rung in found] == ["none", *Nonidealities.names(), "all"]
    for rung in found:
        on = {"none": Nonidealities.none(), "all": Nonidealities()}.get(rung.name) or Nonidealities.only(rung.name)
        alone = study(hardware.with_nonidealities(on), weights, task)
        np.testing.assert_array_equal(rung.scores.values, alone.values)


def test_the_cost_of_a_rung_is_the_difference_on_the_same_chips_and_images(
    hardware: Hardware, weights: LstmWeights, task: Task
) -> None:
    found = ladder(digits_network(weights, hardware), task, chips=3, seed=5)
    none = found[0].scores.values
    assert (found[0].cost.value, found[0].cost.low, found[0].cost.high) == (0.0, 0.0, 0.0)
    for rung in found[1:]:
        assert rung.cost.value == pytest.approx((none - rung.scores.values).mean(), abs=1e-12)
        assert rung.cost.low <= rung.cost.value <= rung.cost.high
        # Deterministic rungs are the same on every chip.
        if rung.name in ("ir_drop", "amplifier", "comparator_lag"):
            assert len({row.tobytes() for row in rung.scores.values}) == 1
    assert found[-1].scores.mean < 1.0


def test_costs_are_paired() -> None:
    rng = np.random.default_rng(1)
    base = (rng.random((5, 200)) > 0.1).astype(float)
    worse = base.copy()
    worse[:, :4] = 0.0  # always the same four samples more
    of = [Scores(each, np.ones(200), "accuracy") for each in (base, worse, base)]
    found = rungs(["none", "a", "b"], of)
    assert found[0].cost.value == found[2].cost.value == 0.0
    assert found[2].cost.low == found[2].cost.high == 0.0
    assert found[1].cost.value == pytest.approx(base[:, :4].mean() * 4 / 200)


def test_without_programming_error_and_offsets_all_chips_are_alike(
    hardware: Hardware, weights: LstmWeights, task: Task
) -> None:
    systematic = replace(Nonidealities.none(), ir_drop=True, amplifier=True, comparator_lag=True)
    found = study(hardware.with_nonidealities(systematic), weights, task, chips=4)
    assert found.spread == 0.0
    assert len({row.tobytes() for row in found.values}) == 1
