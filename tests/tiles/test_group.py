"""Several tiles at once: order, streams, lockstep of those in ngspice, and how a failure comes through."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from cosim.blocks.ramp_adc.behaviour import RampAdcModel
from cosim.errors import CosimError
from cosim.spice import Deck, Failure, FailureKind, Result, SimulatorPool
from cosim.tiles.behavioural import BehaviouralTile
from cosim.tiles.config import TileConfig
from cosim.tiles.conversation import Conversation, hold
from cosim.tiles.group import forward_all
from cosim.tiles.quantised import IdealTile, QuantisedTile
from cosim.tiles.spice import SpiceTile

# Six chips say little of the spread of offsets, so some that are drawn later lie outside what was seen.
pytestmark = pytest.mark.filterwarnings("ignore::cosim.blocks.domain.OutsideDomainWarning")

INPUTS, OUTPUTS, BITS = 4, 3, 3
WEIGHTS = np.random.default_rng(3).uniform(-2, 2, (INPUTS, OUTPUTS))
VECTORS = np.random.default_rng(4).uniform(-1, 1, (5, INPUTS))


def config(model: RampAdcModel) -> TileConfig:
    return TileConfig(inputs=INPUTS, outputs=OUTPUTS, dac_bits=BITS, weight_bits=BITS, adc=model.config)


def streams(names: Sequence[str]) -> dict[str, np.random.Generator]:
    return {name: np.random.default_rng(number) for number, name in enumerate(names)}


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


def spice_tiles(model: RampAdcModel, pool: CountingPool, names: str) -> dict[str, SpiceTile]:
    tiles = {}
    for number, name in enumerate(names):
        tiles[name] = SpiceTile(config(model), pool)  # type: ignore[arg-type]
        tiles[name].program(WEIGHTS / (number + 1), np.random.default_rng(number))
    pool.runs.clear()
    return tiles


def test_mixed_fidelities_keep_their_order_and_give_what_each_gives_alone(
    pool: SimulatorPool, models: dict[str, RampAdcModel]
) -> None:
    model = models["sigmoid"]
    tiles = {
        "z": SpiceTile(config(model), pool),
        "a": BehaviouralTile(config(model), model),
        "m": IdealTile(config(model)),
        "q": QuantisedTile(config(model)),
        "b": SpiceTile(config(model), pool),
    }
    for number, tile in enumerate(tiles.values()):
        tile.program(WEIGHTS, np.random.default_rng(number))
    together = forward_all(tiles, VECTORS, streams([*tiles]))
    assert [*together] == [*tiles]
    for name, rng in streams([*tiles]).items():
        np.testing.assert_array_equal(together[name], tiles[name].forward(VECTORS, rng))


def test_all_tiles_in_ngspice_share_one_run_a_stage(pool: SimulatorPool, models: dict[str, RampAdcModel]) -> None:
    counting = CountingPool(pool)
    tiles = spice_tiles(models["sigmoid"], counting, "ifo")
    forward_all(tiles, VECTORS, streams("ifo"))
    assert counting.runs == [15, 15]  # three tiles, five vectors: arrays, then ramps


def test_the_pool_of_the_first_tile_in_ngspice_runs_them_all(
    pool: SimulatorPool, models: dict[str, RampAdcModel]
) -> None:
    first, second = CountingPool(pool), CountingPool(pool)
    tiles = spice_tiles(models["sigmoid"], first, "i") | spice_tiles(models["sigmoid"], second, "f")
    forward_all(tiles, VECTORS[:2], streams("if"))
    assert (first.runs, second.runs) == ([4, 4], [])


@pytest.mark.parametrize("stage", [0, 1])
def test_a_failing_simulation_stops_all_and_names_the_kept_deck(
    pool: SimulatorPool, models: dict[str, RampAdcModel], stage: int
) -> None:
    counting = CountingPool(pool)
    tiles = spice_tiles(models["sigmoid"], counting, "if")
    counting.fail = {stage}
    with pytest.raises(CosimError, match=r"no convergence.*timestep too small") as caught:
        forward_all(tiles, VECTORS[:1], streams("if"))
    assert caught.value.file == "kept/deck.cir"
    assert len(counting.runs) == stage + 1
    # The tiles are not spoilt: the next conversion succeeds.
    counting.fail.clear()
    assert forward_all(tiles, VECTORS[:1], streams("if"))["i"].shape == (1, OUTPUTS)


def test_tiles_that_draw_nothing_leave_their_stream_alone(pool: SimulatorPool, models: dict[str, RampAdcModel]) -> None:
    tiles = spice_tiles(models["sigmoid"], CountingPool(pool), "i")
    rngs = streams("i")
    forward_all(tiles, VECTORS[:1], rngs)
    assert rngs["i"].random() == np.random.default_rng(0).random()


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
