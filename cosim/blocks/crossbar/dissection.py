"""The linear array with wires as one multiport: nested dissection from single cells up to the whole array.

A rectangular block of the array is known by the couplings between its ports: the current into port i per volt at port
j, all other ports at rest. Its ports are, once round counterclockwise from the top left: the nodes from which its word
lines are fed (outside, to the left), those into which its bit lines flow (outside, below), its own last word-line
nodes, its own first bit-line nodes. Beyond the last column and the first row there is nothing, so blocks there lack
the latter two. Two neighbours share a side; joining them eliminates the nodes of that side:

    W_new = W + C^T A^-1 C,    A = diag(sum of all couplings of a node) - W_side,

with W_side the couplings within the side, C those from it to the ports that stay, W those between these (A. George,
SIAM J. Numer. Anal. 10, 345 (1973), doi:10.1137/0710032, for the order). What is left in the end is the matrix
between drivers and clamps.

Cost: a block of s x s cells has 4 s ports, so joining two costs some s^3 operations, and all of an n x n array some
35 n^3, of which the largest blocks have most. Elimination column by column takes n^4.

Digits: couplings are never negative, and nothing is ever subtracted from one (A^-1 has no negative entry). A port's
coupling to itself is not stored; it is the sum of the others, as a network without ground has it. So each coupling
keeps its own relative accuracy, be a wire 10^12 times better a conductor than a cell. Only the Cholesky factor of A
subtracts; where it would lose digits, A is eliminated node by node with sums in place of differences (W. K. Grassmann,
M. I. Taksar, D. P. Heyman, Oper. Res. 33, 1107 (1985), doi:10.1287/opre.33.5.1107).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cosim.blocks.crossbar.lapack import ROUTINES, add_gram, cholesky, one_thread, solve_lower
from cosim.compiled import compiled

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

_LEAF = 32  # cells: the largest side of a block that is joined up from single cells in one call
_CHOLESKY_FROM, _GRAM_FROM = 12, 8  # nodes: the least sides for which BLAS is faster than plain loops
_LEAST_PIVOT = 1e-3  # of a pivot, relative to its diagonal entry, that a Cholesky factor may have: three digits lost
_FAST = {"reassoc", "contract", "nsz"}  # sums in any order, so that they take vector instructions


def terminal_couplings(cells: Array, r_row: float, r_col: float, r_driver: float, r_clamp: float) -> Array:
    """Couplings between all drivers and clamps of an array [S]; arguments of `elimination.effective_conductance`.

    `cells` in C order; the resistances of both wires must be above zero. Returns an array of shape (rows + columns,
    rows + columns), drivers from the top first, then clamps from the left; of it only the entries below the diagonal
    are set. Entry [i, j] is the current into terminal i per volt at terminal j, all others at rest.
    """
    rows, columns = cells.shape
    resistances = np.array([r_row, r_col, r_driver, r_clamp])
    if max(rows, columns) < _GRAM_FROM:  # no side is long enough for BLAS
        return np.asarray(_block(cells, 0, rows, 0, columns, resistances, ROUTINES))
    with one_thread():
        return np.asarray(_block(cells, 0, rows, 0, columns, resistances, ROUTINES))


@compiled()
def _block(cells: Array, top: int, bottom: int, left: int, right: int, resistances: Array, routines: Integers) -> Array:
    """Couplings of the block of rows `top` to `bottom`, columns `left` to `right` (ends excluded)."""
    rows, columns = bottom - top, right - left
    if max(rows, columns) <= _LEAF:
        return _leaf(cells, top, bottom, left, right, resistances, routines)
    if columns >= rows:
        middle = left + columns // 2
        first = _block(cells, top, bottom, left, middle, resistances, routines)
        second = _block(cells, top, bottom, middle, right, resistances, routines)
        return _join(first, rows + middle - left, rows, second, True, routines)
    middle = top + rows // 2
    first = _block(cells, top, middle, left, right, resistances, routines)
    second = _block(cells, middle, bottom, left, right, resistances, routines)
    return _join(first, middle - top, columns, second, False, routines)


@compiled()
def _join(first: Array, start: int, shared: int, second: Array, across: bool, routines: Integers) -> Array:
    """Join `first` with `second` at its right (`across`) or below; couplings of the joint block.

    Ports `start` to `start + shared` of `first` are, in reverse order, the first (`across`) or last ones of `second`.
    """
    size = len(first) + len(second) - 2 * shared
    side, outward, rest = np.empty((shared, shared)), np.empty((shared, size)), np.empty((size, size))
    _assemble(first, start, second, across, side, outward, rest)
    _reduce(side, outward, rest, routines)
    return rest


@compiled()
def _reduce(side: Array, outward: Array, rest: Array, routines: Integers) -> None:
    """Eliminate the nodes of a side; `rest` becomes the couplings of what stays."""
    if len(side) < _CHOLESKY_FROM:
        eliminate_by_sums(side, outward)
    else:
        eliminate(side, outward, routines)
    if len(side) < _GRAM_FROM:
        _add_gram_of_few(outward, rest)
    else:
        add_gram(outward, rest, routines)


@compiled()
def _assemble(first: Array, start: int, second: Array, across: bool, side: Array, outward: Array, rest: Array) -> None:
    """Sort two blocks' couplings into those within the shared side, from it outwards, and between the rest.

    The rest are the ports of `first` before the side, those of `second`, those of `first` after it: once round the
    joint block. Of `first` and `second` entries below the diagonal are read, of `rest` they are set.
    """
    shared = len(side)
    after = len(first) - start - shared  # ports of `first` after the side
    there = len(second) - shared  # ports of `second` that stay
    begin = 0 if across else there  # of the side in `second`
    stay = shared if across else 0  # where those that stay begin in it
    for i in range(shared):
        here, beyond = start + i, begin + shared - 1 - i
        for j in range(start):
            outward[i, j] = first[here, j]
        for j in range(there):
            outward[i, start + j] = second[stay + j, beyond] if across else second[beyond, j]
        for j in range(after):
            outward[i, start + there + j] = first[start + shared + j, here]
        for j in range(i):
            coupling = first[here, start + j] + second[begin + shared - 1 - j, beyond]
            side[i, j] = coupling
            side[j, i] = coupling
    for i in range(start):
        for j in range(i):
            rest[i, j] = first[i, j]
    for i in range(there):
        for j in range(start):
            rest[start + i, j] = 0.0
        for j in range(i):
            rest[start + i, start + j] = second[stay + i, stay + j]
    for i in range(after):
        for j in range(start):
            rest[start + there + i, j] = first[start + shared + i, j]
        for j in range(there):
            rest[start + there + i, start + j] = 0.0
        for j in range(i):
            rest[start + there + i, start + there + j] = first[start + shared + i, start + shared + j]


@compiled(error_model="numpy", fastmath=_FAST)
def eliminate(side: Array, outward: Array, routines: Integers) -> None:
    """`outward` (nodes, ports) becomes X with X^T X = C^T A^-1 C (see this module), by a Cholesky factor of A.

    `side` (nodes, nodes): couplings between the nodes, symmetric, its diagonal not read; it is used up.
    """
    nodes, ports = outward.shape
    total = np.empty(nodes)
    for i in range(nodes):
        total[i] = 0.0
        for j in range(ports):
            total[i] += outward[i, j]
        for j in range(nodes):
            if j != i:
                total[i] += side[i, j]
        side[i, i] = total[i]
        for j in range(i):
            side[i, j] = -side[i, j]
    good = cholesky(side, routines)
    for i in range(nodes):
        good = good and side[i, i] * side[i, i] >= _LEAST_PIVOT * total[i]
    if good:
        solve_lower(side, outward, routines)
    else:
        eliminate_by_sums(side, outward)


@compiled(error_model="numpy", fastmath=_FAST)
def eliminate_by_sums(side: Array, outward: Array) -> None:
    """The same without a subtraction: each pivot is the sum of the couplings that its node has left.

    Of `side` only the entries above the diagonal are read; they are used up.
    """
    nodes, ports = outward.shape
    for k in range(nodes):
        pivot = 0.0
        for j in range(ports):
            pivot += outward[k, j]
        for j in range(k + 1, nodes):
            pivot += side[k, j]
        scale = 1.0 / np.sqrt(pivot)
        for j in range(ports):
            outward[k, j] *= scale
        for j in range(k + 1, nodes):
            side[k, j] *= scale
        for i in range(k + 1, nodes):
            factor = side[k, i]
            for j in range(i + 1, nodes):
                side[i, j] += factor * side[k, j]
            for j in range(ports):
                outward[i, j] += factor * outward[k, j]


@compiled(fastmath=_FAST)
def _add_gram_of_few(part: Array, total: Array) -> None:
    """`add_gram` for matrices too small for BLAS: four, then two, then single rows of `part` at a time."""
    nodes, ports = part.shape
    k = 0
    while k + 4 <= nodes:
        for i in range(1, ports):
            a, b, c, d = part[k, i], part[k + 1, i], part[k + 2, i], part[k + 3, i]
            for j in range(i):
                total[i, j] += a * part[k, j] + b * part[k + 1, j] + c * part[k + 2, j] + d * part[k + 3, j]
        k += 4
    if k + 2 <= nodes:
        for i in range(1, ports):
            a, b = part[k, i], part[k + 1, i]
            for j in range(i):
                total[i, j] += a * part[k, j] + b * part[k + 1, j]
        k += 2
    if k < nodes:
        for i in range(1, ports):
            a = part[k, i]
            for j in range(i):
                total[i, j] += a * part[k, j]


@compiled()
def _leaf(cells: Array, top: int, bottom: int, left: int, right: int, resistances: Array, routines: Integers) -> Array:
    """Couplings of a small block, from single cells by joining neighbours in pairs, along rows and columns in turn."""
    rows, columns = bottom - top, right - left
    at_top, at_right = top == 0, right == cells.shape[1]
    most = 2 * (rows + columns)
    side_room, outward_room = np.empty(most * most), np.empty(most * most)
    blocks = np.empty((rows * columns, 16))
    for i in range(rows):
        for j in range(columns):
            _cell(cells, top + i, left + j, resistances, blocks[i * columns + j])
    # Where the blocks' rows and columns begin; the largest block's rows and columns.
    row_starts, column_starts = np.arange(rows + 1), np.arange(columns + 1)
    height, width = 1, 1
    down, along = rows, columns  # number of blocks
    while down > 1 or along > 1:
        across = along > 1 and (down == 1 or along >= down)
        new_down, new_along = (down, (along + 1) // 2) if across else ((down + 1) // 2, along)
        height, width = (height, min(2 * width, columns)) if across else (min(2 * height, rows), width)
        joint = np.empty((new_down * new_along, 4 * (height + width) ** 2))
        for i in range(new_down):
            for j in range(new_along):
                i_0, j_0 = (i, 2 * j) if across else (2 * i, j)
                i_1, j_1 = (i, 2 * j + 1) if across else (2 * i + 1, j)
                own_rows, own_columns = _extent(row_starts, i_0), _extent(column_starts, j_0)
                ports = _ports(own_rows, own_columns, at_right and j_0 == along - 1, at_top and i_0 == 0)
                first = blocks[i_0 * along + j_0, : ports * ports].reshape(ports, ports)
                if i_1 == down or j_1 == along:  # the last of an odd number
                    joint[i * new_along + j, : ports * ports] = blocks[i_0 * along + j_0, : ports * ports]
                    continue
                ports = _ports(
                    _extent(row_starts, i_1), _extent(column_starts, j_1),
                    at_right and j_1 == along - 1, at_top and i_1 == 0,
                )  # fmt: skip
                second = blocks[i_1 * along + j_1, : ports * ports].reshape(ports, ports)
                start, shared = (own_rows + own_columns, own_rows) if across else (own_rows, own_columns)
                size = len(first) + ports - 2 * shared
                side = side_room[: shared * shared].reshape(shared, shared)
                outward = outward_room[: shared * size].reshape(shared, size)
                rest = joint[i * new_along + j, : size * size].reshape(size, size)
                _assemble(first, start, second, across, side, outward, rest)
                _reduce(side, outward, rest, routines)
        starts, before, now = (column_starts, along, new_along) if across else (row_starts, down, new_down)
        for k in range(1, now):
            starts[k] = starts[2 * k]
        starts[now] = starts[before]
        down, along, blocks = new_down, new_along, joint
    ports = _ports(rows, columns, at_right, at_top)
    return blocks[0, : ports * ports].copy().reshape(ports, ports)


@compiled(error_model="numpy")
def _cell(cells: Array, row: int, column: int, resistances: Array, couplings: Array) -> None:
    """Couplings of one cell with its two wire segments, into `couplings` (16,), as a square of its ports.

    Where nothing lies beyond the cell's word-line or bit-line node, that node is no port: it is eliminated here.
    """
    g = cells[row, column]
    feed = 1.0 / (resistances[0] + (resistances[2] if column == 0 else 0.0))
    sink = 1.0 / (resistances[1] + (resistances[3] if row == len(cells) - 1 else 0.0))
    last, first = column == cells.shape[1] - 1, row == 0
    if last and first:  # ports: feed, sink
        couplings[2] = 1.0 / (1.0 / feed + 1.0 / sink + 1.0 / g) if g > 0.0 else 0.0
    elif last:  # feed, sink, bit line
        couplings[3] = 0.0
        couplings[6], couplings[7] = feed * g / (feed + g), sink
    elif first:  # feed, sink, word line
        couplings[3] = 0.0
        couplings[6], couplings[7] = feed, sink * g / (sink + g)
    else:  # feed, sink, word line, bit line
        couplings[4] = 0.0
        couplings[8], couplings[9] = feed, 0.0
        couplings[12], couplings[13], couplings[14] = 0.0, sink, g


@compiled()
def _extent(starts: Integers, k: int) -> int:
    return starts[k + 1] - starts[k]


@compiled()
def _ports(rows: int, columns: int, at_right: bool, at_top: bool) -> int:
    return rows + columns + (0 if at_right else rows) + (0 if at_top else columns)
