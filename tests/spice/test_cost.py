"""Costs of decks, by which a remaining time is shared among them."""

import numpy as np
import pytest

from cosim.blocks.crossbar.config import CrossbarConfig
from cosim.blocks.crossbar.netlist import crossbar_deck
from cosim.spice import Deck, SimulatorPool
from cosim.spice.cost import expected_cost, points_of


@pytest.mark.parametrize(
    ("analysis", "points"),
    [
        (".op", 1), (".dc v1 0 1 0.1", 11), (".dc v1 0 1 0.5 v2 1 -1 -1", 9), (".TRAN 1n 1u", 1000),
        (".tran 1u 5u", 50), (".tran 1n 1u 0 10n uic", 100), (".ac dec 10 1k 1meg", 30), (".ac lin 7 1 2", 7),
        (".noise v(out) v1 oct 2 1 16 1", 8), (".tran {t} 1u", 1), (".dc v1 0 1 0", 1), (".ic v(a)=1", 1), ("", 1),
    ],
)  # fmt: skip
def test_points_of_an_analysis(analysis: str, points: float) -> None:
    assert points_of(analysis) == pytest.approx(points, rel=1e-9)


def test_halved_steps_cost_twice() -> None:
    deck = Deck("RC", "v1 in 0 1\nr1 in out 1k\nc1 out 0 1n", (".tran 10n 5u uic",), ("v(out)",))
    assert expected_cost(deck) == pytest.approx(3 * 500)
    assert expected_cost(deck.halved()) == pytest.approx(2 * expected_cost(deck))


@pytest.mark.slow  # a measurement of time: on a busy machine the least of a few runs is still disturbed
def test_the_cost_of_arrays_tells_their_time_better_than_their_number(pool: SimulatorPool) -> None:
    """From 8 x 8 to 32 x 32 the time grows some 20 times; by cost it is foretold within a factor of three."""
    rng = np.random.default_rng(3)
    decks = [
        crossbar_deck(rng.uniform(1e-6, 1e-4, (n, n)), rng.uniform(-0.2, 0.2, (30, n)), CrossbarConfig(), "sinh")
        for n in (8, 32)
    ]
    runs = [pool.run(decks) for _ in range(5)]
    small, large = (min(run[number].elapsed for run in runs) for number in (0, 1))  # the least disturbed
    ratio = large / small
    assert ratio > 5
    assert ratio / 3 < expected_cost(decks[1]) / expected_cost(decks[0]) < ratio * 3
