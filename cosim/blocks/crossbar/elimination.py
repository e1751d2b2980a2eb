"""The linear array with wires as one matrix, exactly: every node between drivers and clamps eliminated.

A linear array between ideal drivers and clamps is exactly one matrix of effective conductances, for all inputs at
once. Where both wires have a resistance, `dissection` finds it. Where one of them has none, its lines are single nodes
and the lines that cross them do not see each other, so that ladders in closed form are enough.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import cho_factor, cho_solve

from cosim.blocks.crossbar.dissection import terminal_couplings
from cosim.blocks.crossbar.inputs import check_cells
from cosim.blocks.crossbar.lapack import one_thread
from cosim.compiled import compiled
from cosim.errors import CosimError

Array = NDArray[np.float64]

_LEAST_WIRE = 1e-100  # [ohm]; a wire below is one of no resistance, since the squares of conductances would overflow


def effective_conductance(
    conductances: ArrayLike, r_row: float, r_col: float, r_driver: float, r_clamp: float
) -> Array:
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

    Some 35 n^3 floating point operations for n rows and columns. Raises CosimError for conductances and resistances
    that are negative or no finite numbers.
    """
    cells = _checked(conductances, r_row, r_col, r_driver, r_clamp)
    rows = len(cells)
    if min(r_row, r_col) >= _LEAST_WIRE:
        couplings = terminal_couplings(cells, r_row, r_col, r_driver, r_clamp)
        return np.ascontiguousarray(couplings[rows:, :rows].T)
    if r_row < _LEAST_WIRE:
        return _without_row_resistance(cells, r_col, r_driver, r_clamp)[1]
    # The same circuit with drivers and clamps exchanged.
    mirrored = _without_row_resistance(np.ascontiguousarray(cells.T[::-1, ::-1]), r_row, r_clamp, r_driver)[1]
    return np.ascontiguousarray(mirrored[::-1, ::-1].T)


def effective_conductances(
    arrays: Sequence[ArrayLike], r_row: float, r_col: float, r_driver: float, r_clamp: float, *, threads: int = 1
) -> list[Array]:
    """`effective_conductance` of each of `arrays`, which may differ in shape, in `threads` threads side by side.

    Each array is one thread's work, with BLAS held to one thread, so the results are the same to the last bit
    whatever `threads` is. Raises CosimError as `effective_conductance` does.
    """
    if threads < 1:
        raise CosimError("at least one thread must work", key="threads", value=threads, allowed="1 or more")

    def one(cells: ArrayLike) -> Array:
        return effective_conductance(cells, r_row, r_col, r_driver, r_clamp)

    if threads == 1 or len(arrays) < 2:
        return [one(cells) for cells in arrays]
    with one_thread(), ThreadPoolExecutor(min(threads, len(arrays))) as pool:
        return list(pool.map(one, arrays))


def clamp_admittance(effective: Array) -> Array:
    """Admittance between the drivers and each clamp [S], shape (columns,): column sums of `effective`.

    `effective` of shape (rows, columns) [S]. It is the current into clamp j per volt of all drivers together, and
    the current out of clamp j per volt of all clamps together.
    """
    return np.asarray(effective, dtype=np.float64).sum(axis=0)


def clamp_matrix(conductances: ArrayLike, r_row: float, r_col: float, r_driver: float, r_clamp: float) -> Array:
    """Admittance matrix of the clamps of a linear array, drivers at rest [S]; arguments of `effective_conductance`.

    Returns an array of shape (columns, columns), symmetric: entry [j, l] is the current out of clamp j per volt of
    clamp l. Off the diagonal it is negative: what reaches another clamp through the word lines, whose drivers are
    not ideal. Each row sums to the `clamp_admittance` of its column.
    """
    cells = _checked(conductances, r_row, r_col, r_driver, r_clamp)
    rows = len(cells)
    if min(r_row, r_col) >= _LEAST_WIRE:
        couplings = terminal_couplings(cells, r_row, r_col, r_driver, r_clamp)
        mutual = np.tril(couplings[rows:, rows:], -1)
        mutual = -(mutual + mutual.T)
        np.fill_diagonal(mutual, couplings[rows:, :rows].sum(axis=1) - mutual.sum(axis=1))
        return mutual
    if r_row < _LEAST_WIRE:
        return _without_row_resistance(cells, r_col, r_driver, r_clamp)[2]
    mirrored = _without_row_resistance(np.ascontiguousarray(cells.T[::-1, ::-1]), r_row, r_clamp, r_driver)[0]
    return np.ascontiguousarray(mirrored[::-1, ::-1])


def _checked(conductances: ArrayLike, r_row: float, r_col: float, r_driver: float, r_clamp: float) -> Array:
    for name, value in (("r_row", r_row), ("r_col", r_col), ("r_driver", r_driver), ("r_clamp", r_clamp)):
        if not 0.0 <= value < np.inf:
            raise CosimError("a resistance must be a number from zero up", key=name, value=value, allowed="0 or more")
    cells = np.array(check_cells(conductances), dtype=np.float64, order="C")  # a copy that kernels may be given
    return cells


def _without_row_resistance(cells: Array, r_col: float, r_driver: float, r_clamp: float) -> tuple[Array, Array, Array]:
    """Admittances [S] of an array whose word lines are single nodes.

    Returns those between drivers (rows, rows), from driver to clamp (rows, columns), between clamps (columns,
    columns).

    With Y the admittance matrix that the word lines see, R their currents into the clamps per volt and C the clamps'
    own admittances, a driver's resistance r makes them

        K Y,  K R,  C - r R^T K R,  with K = (I + r Y)^-1.

    The new admittance is this product and not the difference (I - K) / r, which would lose the digits that r Y lacks
    against 1.
    """
    rows, columns = cells.shape
    admittance, response, clamps = np.zeros((rows, rows)), np.empty((columns, rows)), np.zeros((columns, columns))
    for j in range(columns):
        clamps[j, j] = _add_bit_line(admittance, response[j], np.ascontiguousarray(cells[:, j]), r_col, r_clamp)
    if r_driver == 0.0:
        return admittance, np.ascontiguousarray(response.T), clamps
    with one_thread():
        factor = cho_factor(np.eye(rows) + r_driver * admittance)
        after = cho_solve(factor, np.hstack((admittance, response.T)))
        drivers, effective = after[:, :rows], after[:, rows:]
        clamps -= r_driver * (response @ effective)
    return (drivers + drivers.T) / 2, np.ascontiguousarray(effective), (clamps + clamps.T) / 2


@compiled()
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
