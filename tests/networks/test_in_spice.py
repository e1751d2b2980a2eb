"""A layer of a network in ngspice: all gates of a step in one go of the workers, and the same numbers as one by one."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from cosim.blocks.ramp_adc.config import RampAdcConfig
from cosim.networks.graph import Graph, Node, Ref
from cosim.networks.layers.lstm import Lstm
from cosim.networks.tiled import TiledNetwork
from cosim.spice import Deck, Result, SimulatorPool
from cosim.tiles.config import TileConfig
from cosim.tiles.hardware import Hardware
from cosim.tiles.together import products_together

RNG = np.random.default_rng(2)
SEQUENCES = RNG.uniform(-1, 1, (2, 1, 1)).astype(np.float32)


class Counting(SimulatorPool):
    """A pool that counts how often it is asked."""

    asked = 0

    def run(self, decks: Sequence[Deck], *arguments: object, **named: object) -> list[Result]:
        self.asked += 1
        return super().run(decks, *arguments, **named)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def pool(own_cache: object) -> Counting:
    with Counting(2, timeout=120) as pool:
        yield pool


def network(pool: Counting) -> TiledNetwork:
    arrays = {
        "weight_ih_l0": RNG.normal(size=(8, 1)),
        "weight_hh_l0": RNG.normal(size=(8, 2)),
        "bias_ih_l0": np.ones(8),
    }
    nodes = (
        Node("x", "input"),
        Node("rnn", "layer", (Ref("x"),), target="rnn"),
        Node("out", "output", (Ref("rnn"),)),
    )
    tile = TileConfig(inputs=4, outputs=2, dac_bits=3, weight_bits=4, adc=RampAdcConfig(bits=3))
    made = TiledNetwork(Graph(nodes, {"rnn": Lstm(arrays, True)}), Hardware(tile, pool=pool), fidelity="spice")
    made.calibrate(SEQUENCES)
    made.program(np.random.default_rng(1))
    return made


def test_gates_of_a_step_share_the_workers(pool: Counting) -> None:
    made = network(pool)
    states, _ = made.forward(SEQUENCES)
    asked = pool.asked
    assert states.shape == (2, 1, 2) and np.abs(states).max() > 0
    fed = np.array([[0.5, 0, 0, 1], [-1, 0, 0, 1]], np.float32)
    gates = list(made.matrices.values())
    rngs = [np.random.default_rng(0) for _ in gates]
    together = products_together(gates, fed, rngs)
    at_once = pool.asked - asked
    alone = [each.forward(fed, np.random.default_rng(0)) for each in gates]
    assert pool.asked - asked - at_once > 2 * at_once  # four gates, each with its own stages
    np.testing.assert_array_equal(together, alone)
    quantised = made.variant(
        fidelity={"rnn.l0.i": "spice", "*": "quantised"}, hardware=replace(made.hardware, threads=1)
    )
    quantised.program(np.random.default_rng(1))
    assert quantised.forward(SEQUENCES)[0].shape == states.shape
