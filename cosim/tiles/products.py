"""Matrix products of rows that lie anywhere in memory, and of their squares beside them.

A row of the left matrix is given by where it begins, its elements by how far from there: all rows of a batch, and all
patches of an image alike, which so need not be copied out. The result of a few rows and one or two panels of columns
stays in registers while the inputs pass; each input is loaded once for the MAC result and, squared, once for its
variance. Sums run over the inputs in their order, in float32, whatever the rows that stand beside a row.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import binding, ir  # type: ignore[import-untyped]
from numba import types
from numba.core import cgutils
from numpy.typing import NDArray

from cosim.blocks.lanes import SINGLE, Lanes, constant, everywhere, operation, vector
from cosim.compiled import compiled

PANEL = 16
"""Columns whose results are in one vector; matrices are filled up with columns of zeros."""
ROWS = 8
"""Rows are worked on in multiples of these."""
LINE = 64  # bytes of a line of the caches
# Of AVX-512 there are 32 registers of a panel each; elsewhere 16 or 32 that hold half of one or a quarter.
WIDE = "avx512f" in binding.get_host_cpu_features()


@operation
def _store_products(
    typing: Any, levels: Any, second: Any, rows: Any, row: Any, offsets: Any, first: Any, count: Any, weights: Any,
    squares: Any, at: Any, mac: Any, variance: Any, to: Any, stride: Any, tall: Any, wide: Any, reads: Any,
) -> Any:  # fmt: skip
    """Results of `tall` rows from rows[row] on and `wide` panels, to mac[to] and `stride` further for each row.

    Element k of a row that begins at b is levels[b + offsets[first + k]]; its square is `second` further. The panels of
    `weights` and `squares`, `count` rows of `wide` PANEL numbers, begin at `at`. Without `reads` (literal 0) there are
    no variances.
    """
    height, panels, squared = tall.literal_value, wide.literal_value, bool(reads.literal_value)

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        def data(number: int) -> Any:
            return context.make_array(signature.args[number])(context, builder, value=arguments[number]).data

        second, row, first, count, at, to, stride = (arguments[n] for n in (1, 3, 5, 6, 9, 12, 13))
        index, kind = row.type, vector(SINGLE, PANEL)
        zero = constant(builder, SINGLE, 0.0, PANEL)
        tables = [builder.gep(data(source), [at]) for source in (7, 8)[: 1 + squared]]
        answers = [data(answer) for answer in (10, 11)[: 1 + squared]]
        begins = [
            builder.gep(data(0), [builder.load(builder.gep(data(2), [builder.add(row, ir.Constant(index, n))]))])
            for n in range(height)
        ]
        sums = [[[cgutils.alloca_once(builder, kind) for _ in range(panels)] for _ in tables] for _ in range(height)]
        for each in sums:
            for of_table in each:
                for place in of_table:
                    builder.store(zero.value, place)
        places = builder.gep(data(4), [first])
        with cgutils.for_range(builder, count, intp=index) as loop:
            offset = builder.load(builder.gep(places, [loop.index]))
            offset_of = [offset, builder.add(offset, second)]
            start = builder.mul(loop.index, ir.Constant(index, PANEL * panels))
            columns = [[_load(builder, table, start, PANEL * n) for n in range(panels)] for table in tables]
            for n in range(height):
                for number in range(len(tables)):
                    x = everywhere(builder, builder.load(builder.gep(begins[n], [offset_of[number]])), PANEL)
                    for panel in range(panels):
                        place = sums[n][number][panel]
                        total = x.times_plus(columns[number][panel], Lanes(builder, builder.load(place)))
                        builder.store(total.value, place)
        for n in range(height):
            for number, answer in enumerate(answers):
                for panel in range(panels):
                    where = builder.add(to, builder.mul(stride, ir.Constant(index, n)))
                    found = builder.load(sums[n][number][panel])
                    builder.store(found, _place(builder, answer, where, PANEL * panel), align=4)
        return context.get_dummy_value()

    index = types.int64
    return types.void(
        levels, index, rows, index, offsets, index, index, weights, squares, index, mac, variance, index, index, tall,
        wide, reads,
    ), build  # fmt: skip


def _place(builder: Any, data: Any, index: Any, further: int) -> Any:
    pointer = builder.gep(data, [builder.add(index, ir.Constant(index.type, further))])
    return builder.bitcast(pointer, vector(SINGLE, PANEL).as_pointer())


def _load(builder: Any, data: Any, index: Any, further: int) -> Lanes:
    return Lanes(builder, builder.load(_place(builder, data, index, further), align=4))


@compiled()
def products(
    levels: Any, second: int, rows: Any, number: int, offsets: Any, first: int, count: int, weights: Any, squares: Any,
    at: int, columns: int, reads: bool, mac: Any, variance: Any,
) -> None:  # fmt: skip
    """MAC results and their variances of `number` rows, a multiple of ROWS.

    Parameters
    ----------
    levels: inputs float32 and, `second` further on, their squares.
    rows: where each row begins; offsets[first] ... of `count` inputs: how far on its elements are; both int64.
    weights, squares: packed (`packed`) from `at` on, `columns` wide, a multiple of PANEL.
    reads: whether variances are wanted.
    mac, variance: (number x columns,) float32, the answer.
    """
    paired = WIDE and columns % (2 * PANEL) == 0
    width = 2 * PANEL if paired else PANEL
    for column in range(0, columns, width):
        here = at + column * count
        for row in range(0, number, ROWS):
            to = row * columns + column
            if WIDE:
                if paired and reads:
                    _store_products(levels, second, rows, row, offsets, first, count, weights, squares, here, mac,
                                    variance, to, columns, 4, 2, 1)  # fmt: skip
                    _store_products(levels, second, rows, row + 4, offsets, first, count, weights, squares, here, mac,
                                    variance, to + 4 * columns, columns, 4, 2, 1)  # fmt: skip
                elif paired:
                    _store_products(levels, second, rows, row, offsets, first, count, weights, squares, here, mac,
                                    variance, to, columns, 8, 2, 0)  # fmt: skip
                elif reads:
                    _store_products(levels, second, rows, row, offsets, first, count, weights, squares, here, mac,
                                    variance, to, columns, 8, 1, 1)  # fmt: skip
                else:
                    _store_products(levels, second, rows, row, offsets, first, count, weights, squares, here, mac,
                                    variance, to, columns, 8, 1, 0)  # fmt: skip
            elif reads:
                for further in range(0, ROWS, 2):
                    _store_products(levels, second, rows, row + further, offsets, first, count, weights, squares, here,
                                    mac, variance, to + further * columns, columns, 2, 1, 1)  # fmt: skip
            else:
                for further in range(0, ROWS, 4):
                    _store_products(levels, second, rows, row + further, offsets, first, count, weights, squares, here,
                                    mac, variance, to + further * columns, columns, 4, 1, 0)  # fmt: skip


def packed(matrix: NDArray[Any]) -> NDArray[np.float32]:
    """A matrix (count, columns) as `products` takes it: panels of columns, each row by row, filled up with zeros."""
    count, columns = matrix.shape
    whole = -(-columns // PANEL) * PANEL
    width = 2 * PANEL if WIDE and whole % (2 * PANEL) == 0 else PANEL
    full = np.zeros((count, whole), dtype=np.float32)
    full[:, :columns] = matrix
    return np.ascontiguousarray(full.reshape(count, whole // width, width).transpose(1, 0, 2)).reshape(-1)


def aligned(values: NDArray[Any]) -> NDArray[Any]:
    """A flat copy that begins with a line of the caches, so that no vector lies in two of them."""
    room = np.empty(values.size + LINE // values.itemsize, dtype=values.dtype)
    skipped = -room.ctypes.data % LINE // values.itemsize
    copy = room[skipped : skipped + values.size]
    copy[:] = values.reshape(-1)
    return copy
