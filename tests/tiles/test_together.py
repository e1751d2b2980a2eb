"""Several matrices at once: order, streams, lockstep of those in ngspice, and how a failure comes through."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from cosim.blocks.ramp_adc.behaviour import RampAdcModel
from cosim.errors import CosimError
from cosim.spice import Deck, Failure, FailureKind, Result, SimulatorPool
from cosim.tiles.config import TileConfig
from cosim.tiles.conversation import Conversation, hold
from cosim.tiles.hardware import Hardware
from cosim.tiles.matrix import TiledMatrix
from cosim.tiles.scaling import Scales
from cosim.tiles.together import products_together

# Six chips say little of the spread of offsets, so some that are drawn later lie outside what was seen.
pytestmark = pytest.mark.filterwarnings("ignore::cosim.blocks.domain.OutsideDomainWarning")

INPUTS, OUTPUTS, BITS, W_MAX = 4, 3, 3, 2.0
WEIGHTS = np.random.default_rng(3).uniform(-W_MAX, W_MAX, (INPUTS, OUTPUTS))
VECTORS = np.random.default_rng(4).uniform(-1, 1, (5, INPUTS))

Models = dict[str, RampAdcModel]


def matrix(models: Models, pool: object, fidelity: str, number: int = 0) -> TiledMatrix:
    """A programmed matrix on one tile that gives sigmoids."""
    tile = TileConfig(
        inputs=INPUTS, outputs=OUTPUTS, dac_bits=BITS, weight_bits=BITS, adc=models["sigmoid"].config
    )  # fmt: skip
    made = TiledMatrix(
        WEIGHTS / (number + 1), Hardware(tile, models, pool=pool), scales=Scales.uniform(1.0, W_MAX, 1.0),  # type: ignore[arg-type]
        function="sigmoid", fidelity=fidelity, name=f"m{number}",
    )  # fmt: skip
    made.program(np.random.default_rng(number))
    return made


def streams(count: int) -> list[np.random.Generator]:
    return [np.random.default_rng(number) for number in range(count)]


class CountingPool:
    """A pool that notes how many decks each run had; `fail` names the runs whose first deck fails."""

    def __init__(self, pool: SimulatorPool, fail: Sequence[int] = ()) -> None:
        self.pool, self.fail = pool, set(fail)
        self.runs: list[int] = []

    def run(self, decks: Sequence[Deck], label: str | None = None) -> list[Result]:
        self.runs.append(len(decks))
        results = self.pool.run(decks, label)
        if len(self.runs) - 1 in self.fail:
            failure = Failure(FailureKind.NO_CONVERGENCE, "timestep too small")
            results[0] = replace(results[0], signals={}, failure=failure, deck_file="kept/deck.cir")
        return results


def in_ngspice(models: Models, pool: CountingPool, count: int) -> list[TiledMatrix]:
    made = [matrix(models, pool, "spice", number) for number in range(count)]
    pool.runs.clear()
    return made


def test_mixed_fidelities_keep_their_order_and_give_what_each_gives_alone(pool: SimulatorPool, models: Models) -> None:
    kinds = ("spice", "behavioural", "ideal", "quantised", "spice")
    matrices = [matrix(models, pool, fidelity, number) for number, fidelity in enumerate(kinds)]
    together = products_together(matrices, VECTORS, streams(5))
    for found, each, rng in zip(together, matrices, streams(5), strict=True):
        np.testing.assert_array_equal(found, each.by_parts(VECTORS, rng))
    assert len({found.tobytes() for found in together}) == 5


def test_all_matrices_in_ngspice_share_one_run_a_stage(pool: SimulatorPool, models: Models) -> None:
    counting = CountingPool(pool)
    matrices = in_ngspice(models, counting, 3)
    products_together(matrices, VECTORS, streams(3))
    assert counting.runs == [15, 15]  # three tiles, five vectors: arrays, then ramps


def test_the_pool_of_the_first_matrix_in_ngspice_runs_them_all(pool: SimulatorPool, models: Models) -> None:
    first, second = CountingPool(pool), CountingPool(pool)
    matrices = in_ngspice(models, first, 1) + in_ngspice(models, second, 1)
    products_together(matrices, VECTORS[:2], streams(2))
    assert (first.runs, second.runs) == ([4, 4], [])


@pytest.mark.parametrize("stage", [0, 1])
def test_a_failing_simulation_stops_all_and_names_the_kept_deck(
    pool: SimulatorPool, models: Models, stage: int
) -> None:
    counting = CountingPool(pool)
    matrices = in_ngspice(models, counting, 2)
    counting.fail = {stage}
    with pytest.raises(CosimError, match=r"no convergence.*timestep too small") as caught:
        products_together(matrices, VECTORS[:1], streams(2))
    assert caught.value.file == "kept/deck.cir"
    assert len(counting.runs) == stage + 1
    # The tiles are not spoilt: the next conversion succeeds.
    counting.fail.clear()
    assert products_together(matrices, VECTORS[:1], streams(2))[0].shape == (1, OUTPUTS)


def test_matrices_that_draw_nothing_leave_their_stream_alone(pool: SimulatorPool, models: Models) -> None:
    matrices = in_ngspice(models, CountingPool(pool), 1)
    rngs = streams(1)
    products_together(matrices, VECTORS[:1], rngs)
    assert rngs[0].random() == np.random.default_rng(0).random()


class EchoPool:
    """Answers every deck with its title, without a simulator."""

    def __init__(self) -> None:
        self.runs: list[list[str]] = []

    def run(self, decks: Sequence[Deck], label: str | None = None) -> list[Result]:
        self.runs.append([deck.title for deck in decks])
        return [Result(deck.title, {}, None, "", 0.0) for deck in decks]


def talk(name: str, stages: Sequence[int]) -> Conversation:
    """Asks for `stages[k]` decks in stage k and checks that the answers are to its own."""
    for stage, count in enumerate(stages):
        titles = [f"{name}{stage}.{number}" for number in range(count)]
        results = yield [Deck(title, "", (".op",), ()) for title in titles]
        assert [result.key for result in results] == titles
    return np.array([len(stages)])


def test_conversations_of_different_length_advance_in_lockstep() -> None:
    pool = EchoPool()
    stages = {"a": [2, 1, 1], "b": [1], "c": [0, 2]}
    ended = hold({name: talk(name, counts) for name, counts in stages.items()}, pool)  # type: ignore[arg-type]
    assert {name: int(value[0]) for name, value in ended.items()} == {"a": 3, "b": 1, "c": 2}
    assert pool.runs == [["a0.0", "a0.1", "b0.0"], ["a1.0", "c1.0", "c1.1"], ["a2.0"]]


def test_no_conversation_needs_no_run() -> None:
    pool = EchoPool()
    assert hold({}, pool) == {}  # type: ignore[arg-type]
    assert pool.runs == []
