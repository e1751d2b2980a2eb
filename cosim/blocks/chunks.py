"""Many copies of a circuit in one deck, such as all chips, of which one that fails must not cost the others.

The copies share a deck because a circuit's models are read once; they do not act on each other. A deck that fails says
nothing about which copy made it fail, so its copies are then run one deck each.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cosim.progress import further_rounds
from cosim.spice import Deck, Result, SimulatorPool

MOST = 32
"""Copies in one deck: enough to share the models, few enough for a failure to cost little."""


@dataclass(frozen=True)
class Copied:
    """Where the answer of one copy is: the deck's result, the copy's number in that deck, and how many it holds."""

    result: Result
    number: int
    size: int

    @property
    def ok(self) -> bool:
        return self.result.ok


def run_in_chunks(
    deck_of: Callable[[NDArray[np.intp]], Deck],
    copies: Sequence[int] | NDArray[np.intp],
    pool: SimulatorPool,
    label: str | None = None,
    *,
    most: int = MOST,
) -> tuple[list[Copied], list[str]]:
    """Run copies in decks of at most `most`; those of a deck that fails are run once more, each alone.

    Parameters
    ----------
    deck_of: the copies' own numbers, in order -> a deck that holds them, numbered from 0 on.
    copies: numbers of the copies that are wanted.

    Returns one `Copied` a copy, in order, and the hashes of all decks that were run. Only a copy that fails in a deck
    of its own has a result that is not ok.
    """
    wanted = np.asarray(copies, dtype=np.intp)
    chunks = [wanted[first : first + most] for first in range(0, len(wanted), most)]
    results = pool.run([deck_of(chunk) for chunk in chunks], label)
    keys = [result.key for result in results]
    split = [n for n, result in enumerate(results) if not result.ok and len(chunks[n]) > 1]
    with further_rounds():
        single = pool.run([deck_of(chunks[n][k : k + 1]) for n in split for k in range(len(chunks[n]))], label)
    keys += [result.key for result in single]
    alone = iter(single)
    found = []
    for n, (chunk, result) in enumerate(zip(chunks, results, strict=True)):
        if n in split:
            found += [Copied(next(alone), 0, 1) for _ in chunk]
        else:
            found += [Copied(result, k, len(chunk)) for k in range(len(chunk))]
    return found, keys
