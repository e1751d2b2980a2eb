"""Crossbar: the effective conductances of an array with wires, and what sinh cells cost at inference.

Prints one JSON object a line: claim, value, unit, yardstick, ratio (yardstick / value), goal, holds, threads.
The yardstick of the matrix is scipy's SuperLU with as many right-hand sides as there are word lines, assembly of the
sparse matrix included; of the sinh cells, the one matrix product of linear cells. Both sides run in one thread, in
turn, and the medians are compared.
"""

from __future__ import annotations

import numpy as np
import scipy
import scipy.sparse as sparse
from _timing import paired, report
from numpy.typing import NDArray
from scipy.sparse.linalg import splu
from threadpoolctl import threadpool_limits

from cosim.blocks.crossbar.behaviour import effective_conductance, odd_power_coefficients, odd_power_currents

Array = NDArray[np.float64]

RESISTANCES = (1.0, 1.0, 100.0, 10.0)  # row, column, driver, clamp [ohm]
V_READ, V_G, V_0 = 0.2, 0.2, 0.43  # [V]
SPLU = f"scipy {scipy.__version__} splu, n right-hand sides, one thread"


def main() -> None:
    rng = np.random.default_rng(1)
    with threadpool_limits(1):
        for size, goal in ((64, 5.0), (128, 5.0)):
            cells = rng.uniform(1e-6, 150e-6, (size, size))
            ours, other = paired(
                lambda cells=cells: effective_conductance(cells, *RESISTANCES), lambda cells=cells: by_splu(cells), 15
            )
            report(f"crossbar: effective conductances of {size} x {size}", ours * 1e3, "ms", SPLU, other / ours, goal)
            expected = by_splu(cells)
            error = np.abs(effective_conductance(cells, *RESISTANCES) - expected).max() / np.abs(expected).max()
            report(
                f"crossbar: largest difference from it at {size} x {size}",
                error,
                "of largest entry",
                SPLU,
                1e-12 / error,
                1.0,
            )
        cells = rng.uniform(1e-6, 150e-6, (64, 64))
        voltages = rng.uniform(-V_READ, V_READ, (256, 64))
        matrix = effective_conductance(cells, *RESISTANCES)
        matrices = sinh_matrices(cells)
        ours, other = paired(lambda: odd_power_currents(voltages, matrices), lambda: voltages @ matrix, 400)
        yardstick = f"numpy {np.__version__} product of linear cells, 256 vectors"
        report("crossbar: sinh cells of 64 x 64, a vector", ours / 256 * 1e6, "us", yardstick, other / ours, 1 / 10)
        ours, other = paired(lambda: sinh_matrices(cells), lambda: effective_conductance(cells, *RESISTANCES), 15)
        report(
            "crossbar: matrices of sinh cells of 64 x 64",
            ours * 1e3,
            "ms",
            "matrix of linear cells",
            other / ours,
            1 / 5,
        )


def sinh_matrices(cells: Array) -> Array:
    return odd_power_coefficients(cells, *RESISTANCES, v_0=V_0, v_g=V_G, v_read=V_READ)


def by_splu(cells: Array) -> Array:
    """Effective conductances (rows, columns) [S] by sparse nodal analysis."""
    r_row, r_col, r_driver, r_clamp = RESISTANCES
    rows, columns = cells.shape
    word = np.arange(rows * columns).reshape(rows, columns)
    bit = word + rows * columns
    ends = (word[:, 0], bit[-1])
    starts = np.concatenate([word[:, :-1].ravel(), bit[:-1].ravel(), word.ravel()])
    stops = np.concatenate([word[:, 1:].ravel(), bit[1:].ravel(), bit.ravel()])
    siemens = np.concatenate(
        [np.full(rows * (columns - 1), 1 / r_row), np.full((rows - 1) * columns, 1 / r_col), cells.ravel()]
    )
    to_fixed = [np.full(rows, 1 / (r_driver + r_row)), np.full(columns, 1 / (r_clamp + r_col))]
    values = np.concatenate([siemens, siemens, -siemens, -siemens, *to_fixed])
    places = (
        np.concatenate([starts, stops, starts, stops, *ends]),
        np.concatenate([starts, stops, stops, starts, *ends]),
    )
    size = 2 * rows * columns
    driven = np.zeros((size, rows))
    driven[word[:, 0], np.arange(rows)] = 1 / (r_driver + r_row)
    nodes = splu(sparse.csc_matrix((values, places), shape=(size, size)), permc_spec="MMD_AT_PLUS_A").solve(driven)
    return np.asarray((nodes[bit[-1]] / (r_clamp + r_col)).T)


if __name__ == "__main__":
    main()
