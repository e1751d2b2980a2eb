"""Tasks: a text in streams is the text read once; scores against closed forms."""

import numpy as np
import pytest

from cosim.errors import CosimError
from cosim.networks.reference import InputScaling
from cosim.studies.tasks import Scaled, Task, streams_of, task_of


@pytest.mark.parametrize(("length", "streams", "lead"), [(1001, 4, 16), (1000, 7, 0), (2, 64, 256), (300, 64, 5)])
def test_every_symbol_but_the_first_is_scored_once_after_the_symbols_before_it(
    length: int, streams: int, lead: int
) -> None:
    text = np.arange(length)
    inputs, targets = streams_of(text, streams, lead)
    scored = targets[targets >= 0]
    assert np.array_equal(np.sort(scored), text[1:])
    rows, columns = np.nonzero(targets >= 0)
    assert np.array_equal(inputs[rows, columns], targets[rows, columns] - 1)
    for row in range(len(inputs)):
        begin = int(np.argmax(targets[row] >= 0))
        first = int(inputs[row, 0])
        assert np.array_equal(inputs[row, : begin + 1], np.arange(first, first + begin + 1))
        assert begin >= min(lead, int(inputs[row, begin]))  # as much of the text before as there is, up to the lead


def task(metric: str, targets: np.ndarray) -> Task:
    inputs = Scaled(np.zeros(targets.shape), None)
    return Task("made/test", metric, inputs, targets, inputs)  # type: ignore[arg-type]


def test_equal_logits_cost_as_many_bits_as_the_alphabet_has() -> None:
    of = task("bits_per_symbol", np.array([[-1, 0, 3], [2, 1, 1]]))
    scores = of.scores(np.full((2, 3, 8), 1000.0, dtype=np.float32))
    assert scores == pytest.approx([3.0, 3.0], abs=1e-6)  # log2 8; float32 of 1000 is exact
    assert of.weights.tolist() == [2, 3] and of.better == "lower"


def test_bits_are_the_cross_entropy() -> None:
    logits = np.random.default_rng(1).normal(size=(4, 5, 6))
    targets = np.random.default_rng(2).integers(0, 6, size=(4, 5))
    share = np.exp(logits) / np.exp(logits).sum(axis=2, keepdims=True)
    expected = -np.log2(np.take_along_axis(share, targets[..., None], axis=2))[..., 0].mean(axis=1)
    assert task("bits_per_symbol", targets).scores(logits) == pytest.approx(expected, rel=1e-12)


def test_right_answers() -> None:
    of = task("accuracy", np.array([1, 0, 2]))
    assert of.scores(np.eye(3)[[1, 1, 2]]).tolist() == [1, 0, 1]
    assert of.scores(np.eye(3)[[0]], slice(1, 2)).tolist() == [1]


def test_inputs_are_scaled_when_they_are_asked_for() -> None:
    values = np.arange(12, dtype=np.uint8).reshape(6, 2)
    scaled = Scaled(values, InputScaling((1.0, 2.0), (2.0, 4.0)))
    assert scaled[2:4].dtype == np.float32
    assert scaled[2:4].tolist() == [[1.5, 0.75], [2.5, 1.25]]


def test_examples_are_drawn_from_the_test_part_by_the_seed() -> None:
    some, again, other = (task_of("digits_lstm", examples=50, seed=seed) for seed in (1, 1, 2))
    assert len(some) == 50
    assert np.array_equal(some.targets, again.targets) and np.array_equal(some.inputs[:], again.inputs[:])
    assert not np.array_equal(some.targets, other.targets)
    assert len(task_of("digits_lstm")) == 599


def test_refusals() -> None:
    with pytest.raises(CosimError, match="no data set is known"):
        task_of("digits_lsmt")
    with pytest.raises(CosimError, match="at least one example"):
        task_of("digits_lstm", examples=0)
    with pytest.raises(CosimError, match="fewer than two symbols"):
        streams_of(np.zeros(1, dtype=int), 4, 4)
