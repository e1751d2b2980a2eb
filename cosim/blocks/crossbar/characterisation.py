"""Characterising the crossbar in ngspice: random arrays, many input vectors of each in one sweep.

Arrays come in twos: the even one of a pair is there to be fitted, the odd one, drawn in the same way, to judge.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from cosim.blocks.crossbar.config import CellKind, CrossbarConfig
from cosim.blocks.crossbar.inputs import device_of, differential_inputs
from cosim.blocks.crossbar.netlist import clamp_currents, crossbar_deck
from cosim.blocks.dataset import new_dataset
from cosim.devices import Device, program
from cosim.errors import CosimError
from cosim.seeds import stream
from cosim.spice import Result, SimulatorPool, default_pool

Array = NDArray[np.float64]

CELLS: tuple[CellKind, ...] = ("linear", "sinh")
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


def characterise(
    config: CrossbarConfig,
    *,
    arrays: int = 8,
    vectors: int = 24,
    sizes: Sequence[tuple[int, int]] | None = None,
    seed: int = 1,
    pool: SimulatorPool | None = None,
    show_progress: bool = True,
) -> xr.Dataset:
    """Output currents of random arrays for random input vectors, with linear and with sinh cells.

    Parameters
    ----------
    arrays: how many; by pairs (one to fit, one to judge) alternately with conductances spread over the device's
        window and with those of differential weights, most of them small.
    vectors: input vectors of each array; in turn with independent rows, differential with some inputs idle, and
        differential at full scale.
    sizes: (rows, columns) of the arrays, taken in turn every other pair; the configured size when None.
    seed: of conductances and vectors.

    Returns the data set with the dimensions `cell`, `array`, `vector`, `row`, `column`; arrays smaller than the
    largest are padded with NaN. A sweep whose simulation failed keeps its place with status 1 and NaN.
    """
    for name, value, least in (("arrays", arrays, 2), ("vectors", vectors, 2)):
        if value < least:
            message = f"too few {name}: some are fitted, others judge"
            raise CosimError(message, key=name, value=value, allowed=f"{least} or more")
    sizes = tuple(sizes or ((config.rows, config.columns),))
    for rows, columns in sizes:
        if not (1 <= rows <= config.rows and 1 <= columns <= config.columns):
            raise CosimError(
                "an array of this size is no part of the configured one",
                key="sizes", value=(rows, columns), allowed=f"(1, 1) to ({config.rows}, {config.columns})",
            )  # fmt: skip
    pool = pool or default_pool()
    samples = draw_samples(config, arrays, vectors, sizes, seed)
    decks = [crossbar_deck(each.conductances, each.voltages, config, cell) for cell in CELLS for each in samples]
    results = pool.run(decks, f"crossbar, {config.rows} x {config.columns}" if show_progress else None)
    return _dataset(config, samples, results, seed, pool)


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
        cells = _conductances(kind, rows, columns, device, for_cells)
        samples.append(Sample(kind, cells, _voltages(vectors, rows, config.v_read, for_vectors)))
    return samples


def _conductances(kind: str, rows: int, columns: int, device: Device, rng: np.random.Generator) -> Array:
    window = device.g_max - device.g_min
    if kind == "uniform":
        cells = program(device.g_min + window * rng.random((rows, columns)), device, rng)
        lot = rng.random(cells.shape)
        cells = np.where(lot < STUCK_SHARE / 2, device.g_lowest, cells)
        return np.where(lot > 1 - STUCK_SHARE / 2, device.g_highest, cells)
    weights = np.clip(WEIGHT_SIGMA * rng.standard_normal(((rows + 1) // 2, columns)), -1.0, 1.0)
    pairs = np.stack((np.maximum(weights, 0.0), np.maximum(-weights, 0.0)), axis=1)
    return program(device.g_min + window * pairs.reshape(-1, columns)[:rows], device, rng)


def _voltages(vectors: int, rows: int, v_read: float, rng: np.random.Generator) -> Array:
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


def _dataset(
    config: CrossbarConfig, samples: list[Sample], results: list[Result], seed: int, pool: SimulatorPool
) -> xr.Dataset:
    vectors = len(samples[0].voltages)
    rows = max(each.conductances.shape[0] for each in samples)
    columns = max(each.conductances.shape[1] for each in samples)
    conductance = np.full((len(samples), rows, columns), np.nan)
    voltage = np.full((len(samples), vectors, rows), np.nan)
    current = np.full((len(CELLS), len(samples), vectors, columns), np.nan)
    status = np.ones((len(CELLS), len(samples)), dtype=np.int8)
    for number, each in enumerate(samples):
        own_rows, own_columns = each.conductances.shape
        conductance[number, :own_rows, :own_columns] = each.conductances
        voltage[number, :, :own_rows] = each.voltages
        for kind in range(len(CELLS)):
            result = results[kind * len(samples) + number]
            if result.ok:
                status[kind, number] = 0
                current[kind, number, :, :own_columns] = clamp_currents(result, vectors, own_columns)
    seconds = np.array([result.elapsed for result in results]).reshape(len(CELLS), len(samples))
    shapes = np.array([each.conductances.shape for each in samples])
    array_kinds = np.array([each.kind for each in samples], dtype=object)
    vector_kinds = np.array([VECTOR_KINDS[number % len(VECTOR_KINDS)] for number in range(vectors)], dtype=object)
    device = device_of(config)
    points = ("cell", "array")
    variables = {
        "current": ((*points, "vector", "column"), current, "A", "current of the bit line into its clamp"),
        "conductance": (("array", "row", "column"), conductance, "S", "conductance of the cells"),
        "voltage": (("array", "vector", "row"), voltage, "V", "word line's driver, above V_CLP"),
        "simulation_time": (points, seconds, "s", "wall time of the simulation of all vectors"),
        "status": (points, status, "1", "0 = simulated"),
    }
    coords = {
        "cell": (("cell",), np.array(CELLS, dtype=object), "1", "law of the cells"),
        "array_kind": (("array",), array_kinds, "1", "how conductances were drawn"),
        "rows": (("array",), shapes[:, 0], "1", "word lines of the array"),
        "columns": (("array",), shapes[:, 1], "1", "bit lines of the array"),
        "vector_kind": (("vector",), vector_kinds, "1", "how the voltages were drawn"),
    }
    return new_dataset(
        block="crossbar",
        variables=variables,
        coords=coords,
        config={**config.model_dump(mode="json"), "v_g": device.v_read},
        seed=seed,
        deck_hashes=[result.key for result in results],
        simulator=f"ngspice {pool.simulator.version_text}",
        solver=pool.simulator.solver,
        device=config.device,
        device_sha256=device.sha256,
    )
