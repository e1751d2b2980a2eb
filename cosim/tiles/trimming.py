"""Digital gain and offset of each converted column, from known inputs: what wires, amplifiers and comparators do alike
to all results of a column is taken back where partial sums are scaled and added anyway.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cosim.tiles.config import TileConfig

Array = NDArray[np.float64]


def gain_and_offset(wanted: Array, measured: Array, counts: NDArray[np.bool_]) -> tuple[Array, Array]:
    """Gain g and offset o of each column that make g measured + o as close to `wanted` as can be, in least squares.

    All of shape (vectors, columns); `counts` says which results are looked at. Returns (columns,) each. A column of
    which less than two results count, or that measures the same for all vectors, tells nothing of its gain, which is
    left at one; one without any keeps its offset too.
    """
    number = np.maximum(counts.sum(axis=0), 1)
    of_wanted, of_measured = (np.where(counts, each, 0.0).sum(axis=0) / number for each in (wanted, measured))
    spread = np.where(counts, measured - of_measured, 0.0)
    variance = (spread**2).sum(axis=0)
    together = (spread * (wanted - of_wanted)).sum(axis=0)
    gain = np.divide(together, variance, out=np.ones(len(variance)), where=variance > 0.0)
    return gain, of_wanted - gain * of_measured


def has_room(wanted: Array, x: Array, config: TileConfig) -> NDArray[np.bool_]:
    """Which results (batch, outputs) the converters have room for, a correction column's included.

    One that saturates is not to bend the gain of all others.
    """
    pedestal = config.pedestal * x.sum(axis=1, keepdims=True)
    return np.asarray((np.abs(wanted + pedestal) < 1.0) & (np.abs(pedestal) < 1.0))
