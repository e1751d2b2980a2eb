"""Several tiles at the same inputs, those in ngspice side by side on the workers of one pool."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from cosim.tiles.conversation import Conversation, hold
from cosim.tiles.protocol import Tile
from cosim.tiles.spice import SpiceTile


def forward_all(
    tiles: Mapping[str, Tile], inputs: NDArray[np.floating], rngs: Mapping[str, np.random.Generator]
) -> dict[str, NDArray[np.float64]]:
    """Activations of each tile for the same `inputs` (batch, inputs); each draws from its own generator.

    What is in ngspice runs together: the decks of all its tiles go to the pool of the first of them at once.
    """
    results: dict[str, NDArray[np.float64]] = {}
    talks: dict[str, Conversation] = {}
    pool = None
    for name, tile in tiles.items():
        if isinstance(tile, SpiceTile):
            talks[name] = tile.converse(inputs)
            pool = pool or tile.pool
        else:
            results[name] = tile.forward(inputs, rngs[name])
    if pool is not None:
        results |= hold(talks, pool)
    return {name: results[name] for name in tiles}
