"""Several matrices at the same inputs, what is in ngspice side by side on the workers of one pool."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cosim.tiles.conversation import Conversation, hold
from cosim.tiles.matrix import TiledMatrix
from cosim.tiles.spice import SpiceTile


def in_ngspice(matrix: TiledMatrix) -> bool:
    """Whether a part of it is."""
    return any(isinstance(part.tile, SpiceTile) for part in matrix.parts)


def products_together(
    matrices: Sequence[TiledMatrix], x: NDArray[Any], rngs: Sequence[np.random.Generator]
) -> list[NDArray[np.float32]]:
    """Results (batch, outputs) of each matrix for the same inputs (batch, inputs); each draws from its own generator.

    They are those of `TiledMatrix.by_parts`; the decks of all matrices of one stage go to the pool at once.
    """
    begun = [matrix.begun(x, rng) for matrix, rng in zip(matrices, rngs, strict=True)]
    talks: dict[str, Conversation] = {}
    for number, (_, own, _) in enumerate(begun):
        talks |= {f"{number}.{name}": talk for name, talk in own.items()}
    pool = next((pool for _, _, pool in begun if pool is not None), None)
    ended = {} if pool is None else hold(talks, pool)
    return [
        matrix.summed(results | {name: ended[f"{number}.{name}"] for name in own})
        for number, (matrix, (results, own, _)) in enumerate(zip(matrices, begun, strict=True))
    ]
