"""The linear array with wires as one matrix: dense block elimination, column by column from the far end.

A linear array between ideal drivers and clamps is exactly one matrix of effective conductances. The word-line nodes
of a column see everything to their right as one admittance matrix Y (rows x rows), and every output current found so
far is a linear form in their voltages (a column of R). Going one segment to the left changes both in closed form, so
the array is eliminated in `columns` steps of dense linear algebra, and no sparse solver is needed.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.linalg.blas import dsymm
from scipy.linalg.lapack import dpotrf, dpotri
from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

Array = NDArray[np.float64]

_blas = ThreadpoolController()


def effective_conductance(conductances: Array, r_row: float, r_col: float, r_driver: float, r_clamp: float) -> Array:
    """Effective conductances of a linear array with wires: I_j = sum_i V_i G_eff[i, j], exactly.

    Parameters
    ----------
    conductances: of shape (rows, columns) [S]; zero is an open cell.
    r_row, r_col: resistance of one segment of a word line, of a bit line [ohm]. Each cell has one of both: one lies
        between the driver and the first column, one between the last row and the clamp.
    r_driver, r_clamp: in series with each word line's driver, with each bit line's clamp [ohm].
        All four may be zero.

    Returns an array of shape (rows, columns) [S]: the current into clamp j for one volt at driver i while all other
    drivers and all clamps are at zero.

    One segment to the left is, with K = (I + r_row Y)^-1,

        R <- K R,    Y <- K Y + Y_column,

    where Y_column is what a bit line and its cells are to the word lines (`_add_bit_line`). Some 4 columns rows^3
    floating point operations; by reciprocity the shorter side of the array is taken for `rows`.
    """
    cells = np.asarray(conductances, dtype=np.float64)
    rows, columns = cells.shape
    if rows > columns:  # the same circuit with drivers and clamps exchanged
        mirrored = _eliminate(np.ascontiguousarray(cells.T[::-1, ::-1]), r_col, r_row, r_clamp, r_driver)
        return np.ascontiguousarray(mirrored[::-1, ::-1].T)
    return _eliminate(np.ascontiguousarray(cells), r_row, r_col, r_driver, r_clamp)


def clamp_admittance(effective: Array) -> Array:
    """Admittance between the drivers and each clamp [S], shape (columns,): column sums of `effective`.

    `effective` of shape (rows, columns) [S]. It is the current into clamp j per volt of all drivers together, and
    the current out of clamp j per volt of all clamps together.
    """
    return np.asarray(effective, dtype=np.float64).sum(axis=0)


def clamp_matrix(conductances: Array, r_row: float, r_col: float, r_driver: float, r_clamp: float) -> Array:
    """Admittance matrix of the clamps of a linear array, drivers at rest [S]; arguments of `effective_conductance`.

    Returns an array of shape (columns, columns), symmetric: entry [j, l] is the current out of clamp j per volt of
    clamp l. Off the diagonal it is negative: what reaches another clamp through the word lines, whose drivers are
    not ideal. Each row sums to the `clamp_admittance` of its column.

    With C the same seen by the word-line nodes, a segment of resistance r makes it C - r R^T K R (K, R as above).
    """
    cells = np.ascontiguousarray(conductances, dtype=np.float64)
    mutual = np.zeros((cells.shape[1], cells.shape[1]))
    _eliminate(cells, r_row, r_col, r_driver, r_clamp, mutual)
    return np.ascontiguousarray(mutual[::-1, ::-1])


def _eliminate(
    cells: Array, r_row: float, r_col: float, r_driver: float, r_clamp: float, mutual: Array | None = None
) -> Array:
    """Effective conductances; `mutual` (columns, columns), zero before, becomes `clamp_matrix` from the far end."""
    rows, columns = cells.shape
    # One array [Y | R], so that a step is one inverse and one product. Column rows + k of it is the response of the
    # k-th output from the far end: its current per volt at the word-line nodes.
    state = np.zeros((rows, rows + columns), order="F")
    spare = np.empty_like(state)
    with _blas.limit(limits=1, user_api="blas"):  # at these sizes a second thread costs more than it brings
        for done in range(columns + 1):
            resistance = r_row if done < columns else r_row + r_driver
            if done > 0 and resistance > 0.0:
                _series(state[:, : rows + done], spare[:, : rows + done], resistance)
                if mutual is not None:
                    before, after = state[:, rows : rows + done], spare[:, rows : rows + done]
                    mutual[:done, :done] -= resistance * (before.T @ after)
                state, spare = spare, state
            if done < columns:
                column = cells[:, columns - 1 - done]
                own = _add_bit_line(state[:, :rows], state[:, rows + done], column, r_col, r_clamp)
                if mutual is not None:
                    mutual[done, done] = own
    return np.ascontiguousarray(state[:, : rows - 1 : -1])


def _series(state: Array, result: Array, resistance: float) -> None:
    """Put `resistance` [ohm] in series with every word line: `result` becomes (I + resistance Y)^-1 [Y | R].

    The new admittance is this product and not the difference (I - (I + r Y)^-1) / r, which would lose the digits
    that r Y lacks against 1.
    """
    rows = len(state)
    system = resistance * state[:, :rows]
    system.reshape(-1, order="F")[:: rows + 1] += 1.0
    factor, _ = dpotrf(system, lower=1, overwrite_a=1, clean=0)
    inverse, _ = dpotri(factor, lower=1, overwrite_c=1)
    dsymm(1.0, inverse, state, c=result, side=0, lower=1, overwrite_c=1)


@njit(cache=True)
def _add_bit_line(admittance: Array, response: Array, cells: Array, r_col: float, r_clamp: float) -> float:
    """Add a column's cells and bit line to what its word-line nodes see, in place.

    Parameters
    ----------
    admittance: of shape (rows, rows) [S]; becomes admittance + D - D Z D, with D = diag(cells) and Z the impedance
        matrix of the bit line's nodes with their cells [ohm].
    response: of shape (rows,) [S]; becomes the current into the clamp per volt at each word-line node.
    cells: of shape (rows,) [S].

    Returns the admittance that the clamp sees while the word-line nodes are held [S].

    Ladder recursions from both ends in impedances and in ratios not above one, so that zero resistances are no
    special case and nothing overflows or cancels.
    """
    rows = len(cells)
    ratio = np.empty(rows)  # voltage of bit-line node k over that of node k + 1, when driven from below
    above = np.empty(rows)  # admittance of the part above node k [S]
    seen = 0.0
    for k in range(rows):
        above[k] = seen
        total = cells[k] + seen
        ratio[k] = 1.0 / (1.0 + r_col * total)
        seen = total * ratio[k]
    below = r_col + r_clamp  # impedance from node k down to the clamp [ohm]
    for k in range(rows - 1, -1, -1):
        loaded = 1.0 + (above[k] + cells[k]) * below
        admittance[k, k] += cells[k] * (1.0 + above[k] * below) / loaded
        transfer = cells[k] * below / loaded
        for upper in range(k - 1, -1, -1):
            transfer *= ratio[upper]
            current = cells[upper] * transfer
            admittance[k, upper] -= current
            admittance[upper, k] -= current
        below = r_col + below / (1.0 + cells[k] * below)
    seen = above[rows - 1] + cells[rows - 1]
    at_clamp = seen / (1.0 + (r_col + r_clamp) * seen)
    reached = 1.0 / (1.0 + (r_col + r_clamp) * seen)
    for k in range(rows - 1, -1, -1):
        response[k] = cells[k] * reached
        if k > 0:
            reached *= ratio[k - 1]
    return at_clamp
