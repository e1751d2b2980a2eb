"""One copy that ngspice refuses costs itself alone, wherever it stands."""

import numpy as np
from numpy.typing import NDArray

from cosim.blocks.chunks import MOST, run_in_chunks
from cosim.spice import Deck, SimulatorPool, Tolerances


class Dividers:
    """Copy n divides 1 V by n + 2; those that are refused have a resistance that nobody defines."""

    def __init__(self, *refused: int) -> None:
        self.refused = refused
        self.sizes: list[int] = []

    def deck(self, copies: NDArray[np.intp]) -> Deck:
        self.sizes.append(len(copies))
        lines = ["V1 in 0 1"]
        for place, copy in enumerate(copies.tolist()):
            upper = "{nobody}" if copy in self.refused else f"{copy + 1}k"
            lines += [f"Ra{place} in q{place} {upper}", f"Rb{place} q{place} 0 1k"]
        return Deck("dividers", "\n".join(lines), (".op",), tuple(f"v(q{k})" for k in range(len(copies))), Tolerances())


def test_only_the_copy_that_fails_is_lost(pool: SimulatorPool) -> None:
    part = Dividers(1)
    found, keys = run_in_chunks(part.deck, range(5), pool, most=3)
    assert part.sizes == [3, 2, 1, 1, 1]  # the failing three once more, each alone
    assert [each.ok for each in found] == [True, False, True, True, True]
    assert [(each.number, each.size) for each in found] == [(0, 1), (0, 1), (0, 1), (0, 2), (1, 2)]
    volts = [each.result[f"v(q{each.number})"][0] for each in found if each.ok]
    np.testing.assert_allclose(volts, [1 / 2, 1 / 4, 1 / 5, 1 / 6], rtol=1e-6)
    assert len(keys) == len(set(keys)) == 5 and {each.result.key for each in found} < set(keys)


def test_a_chunk_of_one_is_not_run_twice(pool: SimulatorPool) -> None:
    part = Dividers(7)
    found, keys = run_in_chunks(part.deck, [3, 7], pool, most=1)
    assert part.sizes == [1, 1] and len(keys) == 2
    assert [each.ok for each in found] == [True, False]


def test_chunks_hold_so_many_copies_at_most(pool: SimulatorPool) -> None:
    part = Dividers()
    found, keys = run_in_chunks(part.deck, range(2 * MOST + 1), pool)
    assert part.sizes == [MOST, MOST, 1] and len(keys) == 3 and all(each.ok for each in found)
    assert run_in_chunks(part.deck, [], pool) == ([], [])
