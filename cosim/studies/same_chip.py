"""Two networks that are the same chip: with tiles in ngspice, and with these tiles in the fitted models."""

from __future__ import annotations

import numpy as np

from cosim.networks.tiled import TiledNetwork
from cosim.seeds import stream
from cosim.tiles.behavioural import BehaviouralTile
from cosim.tiles.spice import SpiceTile


def program_alike(simulated: TiledNetwork, modelled: TiledNetwork, seed: int, purpose: str) -> None:
    """Program both from the same stream, and load the chips of the tiles in ngspice, offsets of their comparators as
    measured there included, into those of the models."""
    for each in (simulated, modelled):
        each.program(np.random.default_rng(stream(seed, purpose)))
    for name, matrix in simulated.matrices.items():
        for part, other in zip(matrix.parts, modelled.matrices[name].parts, strict=True):
            if isinstance(part.tile, SpiceTile):
                assert isinstance(other.tile, BehaviouralTile) and part.tile.chip is not None
                other.tile.load(part.tile.chip)
