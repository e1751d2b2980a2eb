"""Several tiles at the same inputs, those in ngspice side by side on the workers of one pool."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from cosim.spice import Deck
from cosim.tiles.protocol import Tile
from cosim.tiles.spice import Conversation, SpiceTile

Array = NDArray[np.float64]


def forward_all(
    tiles: Mapping[str, Tile], inputs: NDArray[np.floating], rngs: Mapping[str, np.random.Generator]
) -> dict[str, Array]:
    """Activations of each tile for the same `inputs` (batch, inputs); each draws from its own generator.

    What is in ngspice runs together: the decks of all its tiles go to the pool at once, stage by stage.
    """
    results: dict[str, Array] = {}
    talks: dict[str, Conversation] = {}
    for name, tile in tiles.items():
        if isinstance(tile, SpiceTile):
            talks[name] = tile.converse(inputs)
        else:
            results[name] = tile.forward(inputs, rngs[name])
    if talks:
        pool = next(tile.pool for tile in tiles.values() if isinstance(tile, SpiceTile))
        waiting = {name: next(talk) for name, talk in talks.items()}
        while waiting:
            decks: list[Deck] = [deck for asked in waiting.values() for deck in asked]
            answers = iter(pool.run(decks))
            following = {}
            for name, asked in waiting.items():
                try:
                    following[name] = talks[name].send([next(answers) for _ in asked])
                except StopIteration as end:
                    results[name] = end.value
            waiting = following
    return {name: results[name] for name in tiles}
