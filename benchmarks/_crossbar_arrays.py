"""Independent ways to the effective conductances of a linear array, for benchmarks."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sparse
from numpy.typing import NDArray
from scipy.sparse.linalg import splu

Array = NDArray[np.float64]
Resistances = tuple[float, float, float, float]  # row, column, driver, clamp [ohm]

# Orderings of SuperLU. In its symmetric mode it keeps to the ordering of A + A^T, pivoting on the diagonal.
SYMMETRIC: dict[str, Any] = {
    "permc_spec": "MMD_AT_PLUS_A", "diag_pivot_thresh": 0.0, "options": {"SymmetricMode": True},
}  # fmt: skip
ORDERINGS: dict[str, dict[str, Any]] = {
    "MMD_AT_PLUS_A, symmetric mode": SYMMETRIC,
    "MMD_AT_PLUS_A": {"permc_spec": "MMD_AT_PLUS_A"},
    "COLAMD": {"permc_spec": "COLAMD"},
    "MMD_ATA": {"permc_spec": "MMD_ATA"},
    "NATURAL": {"permc_spec": "NATURAL"},
}


def by_splu(
    cells: Array,
    resistances: Resistances,
    ordering: dict[str, Any],
    inputs: int | None = None,
    refinements: int = 0,
) -> Array:
    """Effective conductances of the first `inputs` word lines (all when None), shape (inputs, columns) [S], by sparse
    nodal analysis; the matrix is assembled, factored and solved for each input.

    refinements: solves of what is left of Kirchhoff's law, with the currents of wires and cells from voltage
    differences in extended precision. The sum of the conductances at a node, in the matrix, has lost digits of the
    cells' beside the wires'.
    """
    r_row, r_col, r_driver, r_clamp = resistances
    rows, columns = cells.shape
    inputs = rows if inputs is None else inputs
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
    driven = np.zeros((size, inputs))
    driven[word[:inputs, 0], np.arange(inputs)] = 1 / (r_driver + r_row)
    factored = splu(sparse.csc_matrix((values, places), shape=(size, size)), **ordering)
    nodes = factored.solve(driven)
    for _ in range(refinements):
        exact = nodes.astype(np.longdouble)
        flow = siemens.astype(np.longdouble)[:, None] * (exact[starts] - exact[stops])
        left = driven.astype(np.longdouble)
        np.subtract.at(left, starts, flow)
        np.add.at(left, stops, flow)
        for end, conductances in zip(ends, to_fixed, strict=True):
            left[end] -= conductances.astype(np.longdouble)[:, None] * exact[end]
        nodes = nodes + factored.solve(left.astype(np.float64))
    return np.asarray((nodes[bit[-1]] / (r_clamp + r_col)).T)


def operations(rows: int, columns: int) -> float:
    """Floating point operations of nested dissection of an array, from its joins: s^3 / 3 + s^2 m + s m^2 for a side
    of s nodes and m ports that stay."""
    return _operations(rows, columns, True, True)


def _operations(rows: int, columns: int, at_top: bool, at_right: bool) -> float:
    if rows == columns == 1:
        return 0.0
    if columns >= rows:
        half = columns // 2
        own = _operations(rows, half, at_top, False) + _operations(rows, columns - half, at_top, at_right)
        shared = rows
    else:
        half = rows // 2
        own = _operations(half, columns, at_top, at_right) + _operations(rows - half, columns, False, at_right)
        shared = columns
    ports = rows + columns + (0 if at_right else rows) + (0 if at_top else columns)
    return own + shared**3 / 3 + shared**2 * ports + shared * ports**2
