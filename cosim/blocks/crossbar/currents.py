"""Bit-line currents of random arrays for random input vectors: what the behavioural model is fitted to.

Arrays come in twos: the even one of a pair is there to be fitted, the odd one, drawn in the same way, to judge.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cosim.blocks.crossbar.config import CellKind, CrossbarConfig
from cosim.blocks.crossbar.measured import Measured, of_results
from cosim.blocks.crossbar.netlist import clamp_currents, crossbar_deck
from cosim.blocks.crossbar.samples import VECTOR_KINDS, draw_samples
from cosim.errors import CosimError
from cosim.spice import SimulatorPool

Array = NDArray[np.float64]

LEAST_SHARE = 8  # vectors of one deck when an array's are shared: reading the netlist costs as much as some vectors
LAWS: tuple[CellKind, ...] = ("linear", "sinh")


def simulated_currents(
    conductances: Array, voltages: Array, config: CrossbarConfig, law: CellKind, pool: SimulatorPool
) -> Array:
    """Bit-line currents (vectors, columns) [A] of one array in ngspice, the vectors shared among the pool's workers.

    Parameters
    ----------
    conductances: of shape (rows, columns) [S]. voltages: of shape (vectors, rows) [V], from V_CLP.

    Raises CosimError when a simulation fails, naming its log's line and the kept deck.
    """
    parts = np.array_split(voltages, max(1, min(pool.workers, len(voltages) // LEAST_SHARE)))
    results = pool.run([crossbar_deck(conductances, part, config, law) for part in parts])
    for result in results:
        if result.failure is not None:
            raise CosimError(
                f"ngspice failed ({result.failure.kind}): {result.failure.line}", file=result.deck_file, key="array"
            )
    columns = np.asarray(conductances).shape[1]
    return np.concatenate(
        [clamp_currents(result, len(part), columns) for result, part in zip(results, parts, strict=True)]
    )


def measure_currents(
    config: CrossbarConfig,
    arrays: int,
    vectors: int,
    sizes: Sequence[tuple[int, int]] | None,
    seed: int,
    pool: SimulatorPool,
    label: str | None = None,
) -> Measured:
    """Currents with linear and with sinh cells; arguments as of `characterise`.

    Arrays smaller than the configured one are padded with NaN; so are the currents of a sweep that failed. The status
    has one entry a sweep, the arrays of linear cells first.
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
    samples = draw_samples(config, arrays, vectors, sizes, seed)
    decks = [crossbar_deck(each.conductances, each.voltages, config, law) for law in LAWS for each in samples]
    results = pool.run(decks, label)
    shapes = np.array([each.conductances.shape for each in samples])
    conductance = np.full((arrays, config.rows, config.columns), np.nan)
    voltage = np.full((arrays, vectors, config.rows), np.nan)
    current = np.full((len(LAWS), arrays, vectors, config.columns), np.nan)
    for number, each in enumerate(samples):
        own_rows, own_columns = each.conductances.shape
        conductance[number, :own_rows, :own_columns] = each.conductances
        voltage[number, :, :own_rows] = each.voltages
        for kind in range(len(LAWS)):
            result = results[kind * arrays + number]
            if result.ok:
                current[kind, number, :, :own_columns] = clamp_currents(result, vectors, own_columns)
    seconds = np.array([result.elapsed for result in results]).reshape(len(LAWS), arrays)
    array_kinds = np.array([each.kind for each in samples], dtype=object)
    vector_kinds = np.array([VECTOR_KINDS[number % len(VECTOR_KINDS)] for number in range(vectors)], dtype=object)
    variables = {
        "current": (("law", "array", "vector", "column"), current, "A", "current of the bit line into its clamp"),
        "conductance": (("array", "row", "column"), conductance, "S", "conductance of the cells"),
        "voltage": (("array", "vector", "row"), voltage, "V", "word line's driver, above V_CLP"),
        "simulation_time": (("law", "array"), seconds, "s", "wall time of the simulation of all vectors"),
    }
    coords = {
        "law": (("law",), np.array(LAWS, dtype=object), "1", "law of the cells"),
        "array_kind": (("array",), array_kinds, "1", "how conductances were drawn"),
        "rows": (("array",), shapes[:, 0], "1", "word lines of the array"),
        "columns": (("array",), shapes[:, 1], "1", "bit lines of the array"),
        "vector_kind": (("vector",), vector_kinds, "1", "how the voltages were drawn"),
    }
    return of_results(variables, coords, results)
