"""Random arrays and input vectors of the characterisation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cosim.blocks.crossbar.config import CrossbarConfig
from cosim.blocks.crossbar.inputs import device_of, differential_inputs
from cosim.blocks.dataset import Entry
from cosim.devices import Device, program
from cosim.seeds import stream

Array = NDArray[np.float64]

ARRAY_KINDS = ("uniform", "weights")
VECTOR_KINDS = ("independent", "differential", "full scale")
STUCK_SHARE = 0.01  # of the cells of a "uniform" array, at either end of what a cell can have
WEIGHT_SIGMA = 0.3  # of the normal weights of a "weights" array, in units of the largest


@dataclass(frozen=True)
class Sample:
    """An array and what drives it: conductances (rows, columns) [S], voltages (vectors, rows) [V] above V_CLP."""

    kind: str
    conductances: Array
    voltages: Array


def shapes_of(config: CrossbarConfig, shares: Sequence[float]) -> list[tuple[int, int]]:
    """Rows and columns of the arrays that have these shares of the configured ones, at least one of each."""
    return [(max(1, round(share * config.rows)), max(1, round(share * config.columns))) for share in shares]


def size_coords(config: CrossbarConfig, shares: Sequence[float]) -> dict[str, Entry]:
    """Coordinates of the dimension `size`, one entry a share."""
    sizes = np.array(shapes_of(config, shares))
    return {
        "size_rows": (("size",), sizes[:, 0], "1", "word lines of the array"),
        "size_columns": (("size",), sizes[:, 1], "1", "bit lines of the array"),
    }


def draw_samples(
    config: CrossbarConfig, arrays: int, vectors: int, sizes: Sequence[tuple[int, int]], seed: int
) -> list[Sample]:
    """The arrays and vectors of `characterise`; each array has random numbers of its own."""
    device = device_of(config)
    samples = []
    for number, sequence in enumerate(stream(seed, "crossbar: arrays").spawn(arrays)):
        pair = number // 2
        kind = ARRAY_KINDS[pair % 2]
        rows, columns = sizes[pair // 2 % len(sizes)]
        for_cells, for_vectors = (np.random.default_rng(each) for each in sequence.spawn(2))
        cells = draw_conductances(kind, rows, columns, device, for_cells)
        samples.append(Sample(kind, cells, draw_voltages(vectors, rows, config.v_read, for_vectors)))
    return samples


def draw_conductances(kind: str, rows: int, columns: int, device: Device, rng: np.random.Generator) -> Array:
    """Programmed cells (rows, columns) [S]: "uniform" over the window, a few stuck, or "weights", differential."""
    window = device.g_max - device.g_min
    if kind == "uniform":
        cells = program(device.g_min + window * rng.random((rows, columns)), device, rng)
        lot = rng.random(cells.shape)
        cells = np.where(lot < STUCK_SHARE / 2, device.g_lowest, cells)
        return np.where(lot > 1 - STUCK_SHARE / 2, device.g_highest, cells)
    weights = np.clip(WEIGHT_SIGMA * rng.standard_normal(((rows + 1) // 2, columns)), -1.0, 1.0)
    pairs = np.stack((np.maximum(weights, 0.0), np.maximum(-weights, 0.0)), axis=1)
    return program(device.g_min + window * pairs.reshape(-1, columns)[:rows], device, rng)


def draw_voltages(vectors: int, rows: int, v_read: float, rng: np.random.Generator) -> Array:
    """Word-line voltages (vectors, rows) [V] of the three kinds in turn."""
    voltages = []
    for number in range(vectors):
        kind = VECTOR_KINDS[number % len(VECTOR_KINDS)]
        x = rng.uniform(-1.0, 1.0, (rows + 1) // 2)
        if kind == "independent":
            voltages.append(v_read * rng.uniform(-1.0, 1.0, rows))
            continue
        x = np.sign(x) if kind == "full scale" else x * (rng.random(len(x)) >= 0.8 * rng.random())
        voltages.append(differential_inputs(x, v_read)[:rows])
    return np.array(voltages)
