"""Random streams by purpose: no two uses of one seed ever draw the same numbers."""

from __future__ import annotations

import zlib

import numpy as np


def stream(seed: int, purpose: str) -> np.random.SeedSequence:
    """The seed sequence of a purpose, e.g. `stream(1, "accuracy: chips")`; spawn it for chip after chip.

    The purpose's CRC-32 is the spawn key, so a new purpose leaves all others as they were.
    """
    return np.random.SeedSequence(seed, spawn_key=(zlib.crc32(purpose.encode()),))
