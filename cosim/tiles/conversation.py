"""Conversions in ngspice as conversations: each asks for decks and is sent their results, stage by stage.

Several of them advance in lockstep, so that the decks of one stage of all of them fill the workers of one pool.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping

import numpy as np
from numpy.typing import NDArray

from cosim.spice import Deck, Result, SimulatorPool

Conversation = Generator[list[Deck], list[Result], NDArray[np.float64]]


def hold(talks: Mapping[str, Conversation], pool: SimulatorPool) -> dict[str, NDArray[np.float64]]:
    """Lead all conversations to their ends; what each returned."""
    ended: dict[str, NDArray[np.float64]] = {}
    asked = {name: next(talk) for name, talk in talks.items()}
    while asked:
        answers = iter(pool.run([deck for decks in asked.values() for deck in decks]))
        following = {}
        for name, decks in asked.items():
            try:
                following[name] = talks[name].send([next(answers) for _ in decks])
            except StopIteration as end:
                ended[name] = end.value
        asked = following
    return ended
