"""The kernels of `grid`: rows of a batch through all parts of a grid, a piece after another, in the caches.

Of a piece each part in turn makes its products, what its integrators hold, the codes, and adds what these stand for to
the rows' results. Everything that lies between is a piece's, and overwritten by the next part.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import types
from numpy.typing import NDArray

from cosim.blocks.lanes import LANES, WORD, Lanes, Memory, operation, vector
from cosim.blocks.normals import ROWS as SHARED
from cosim.blocks.normals import fill_normals
from cosim.blocks.ramp_adc.conversion_kernel import convert_kernel
from cosim.compiled import compiled
from cosim.tiles.grid_inputs import copy, fill_levels, look_up
from cosim.tiles.products import PANEL, ROWS, aligned, products

# Columns of `Packed.parts`: sizes of a part, and where in the other arrays its own numbers begin.
FIRST, COUNT, COLUMNS, OUT, WEIGHTS, LANE, LANES_OF, COARSE, COARSE_SIZE, FINE, FINE_SIZE, DEPTH, STEPS, TOGETHER = (
    range(14)
)
TABLE, SCALE, PASSED, READS, NOISY, CORRECTED = range(14, 20)
FIELDS = 20


class Packed(NamedTuple):
    """All parts of a grid, end to end in flat arrays.

    parts: (parts, FIELDS) int64. limits: (parts, 2) float32, of the MAC results. offsets: int64, where the inputs of a
    part lie from the beginning of a row on. weights, squares: `products.packed`; squares of the cells' noise. own,
    ramp, coarse, fine: the converters', see `conversion_kernel`. tables: (inputs of all parts, 2 n + 1), what the DACs
    make of each code; without rows where all are ideal. scales: result that a code more stands for. passed_on: see
    `array.ProgrammedArray`. All float32.
    """

    parts: NDArray[np.int64]
    limits: NDArray[np.float32]
    offsets: NDArray[np.int64]
    weights: NDArray[np.float32]
    squares: NDArray[np.float32]
    own: NDArray[np.float32]
    ramp: NDArray[np.float32]
    coarse: NDArray[np.float32]
    fine: NDArray[np.float32]
    tables: NDArray[np.float32]
    scales: NDArray[np.float32]
    passed_on: NDArray[np.float32]


class Room(NamedTuple):
    """What a thread needs for a piece; see `make_room`."""

    levels: NDArray[np.float32]
    rows: NDArray[np.int64]
    offsets: NDArray[np.int64]
    mac: NDArray[np.float32]
    variance: NDArray[np.float32]
    codes: NDArray[np.uint8]
    shared: NDArray[np.float32]


def make_room(parts: NDArray[np.int64], tables: bool, piece: int) -> Room:
    """Room for pieces of up to `piece` rows."""
    tall = -(-piece // ROWS) * ROWS
    widest, longest = int(parts[:, COLUMNS].max()), int(parts[:, COUNT].max())
    wide = -(-widest // PANEL) * PANEL
    return Room(
        aligned(np.zeros(2 * (tall * longest + PANEL) if tables else 0, dtype=np.float32)),
        np.zeros(tall, dtype=np.int64),
        np.arange(longest, dtype=np.int64),
        aligned(np.empty(tall * wide, dtype=np.float32)),
        aligned(np.empty(tall * wide if parts[:, READS].any() else 0, dtype=np.float32)),
        aligned(np.empty(tall * wide, dtype=np.uint8)),
        aligned(np.empty(reserved(piece), dtype=np.float32)),
    )


def reserved(piece: int) -> int:
    """Normal variates of a piece's rows; whole groups of them are drawn."""
    return -(-piece // (2 * LANES)) * 2 * LANES


@operation
def _add_codes(typing: Any, codes: Any, at: Any, scales: Any, column: Any, out: Any, to: Any) -> Any:
    """out[to] ... += scales[column] ... codes[at] ... of PANEL columns."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        codes, scales, out = (Memory(context, builder, signature.args[k], arguments[k]) for k in (0, 2, 4))
        whole = builder.zext(codes.load(arguments[1], lanes=PANEL).value, vector(WORD, PANEL))
        scale, sums = scales.load(arguments[3], lanes=PANEL), out.load(arguments[5], lanes=PANEL)
        out.store(Lanes(builder, whole).real().times_plus(scale, sums), arguments[5])
        return context.get_dummy_value()

    index = types.int64
    return types.void(codes, index, scales, index, out, index), build


@compiled()
def add_codes(codes: Any, number: int, lines: int, corrected: int, scales: Any, first: int, out: Any, column: int
              ) -> None:  # fmt: skip
    """out[row, column + n] += scales[first + n] (codes[row, n] - that of the correction column, the last, if any)."""
    flat, wide, columns = out.reshape(-1), out.shape[1], lines - corrected
    for row in range(number):
        to, at, n = row * wide + column, row * lines, 0
        while columns - n >= PANEL:
            _add_codes(codes, at + n, scales, first + n, flat, to + n)
            n += PANEL
        while n < columns:
            flat[to + n] += scales[first + n] * np.float32(codes[at + n])
            n += 1
        if corrected:
            pedestal = np.float32(codes[at + columns])
            for n in range(columns):
                flat[to + n] -= scales[first + n] * pedestal


@compiled()
def let_go(mac: Any, number: int, columns: int, low: float, high: float, passed_on: Any, at: int) -> None:
    """MAC results at the limits of their amplifiers; `array.ProgrammedArray.mac`."""
    size = number * columns
    beyond = 0
    for n in range(size):
        beyond += (mac[n] < low) | (mac[n] > high)
    if not beyond:
        return
    left = np.empty(columns, dtype=np.float32)
    for row in range(number):
        here = mac[row * columns : (row + 1) * columns]
        beyond = 0
        for n in range(columns):
            left[n] = here[n] - min(max(here[n], low), high)
            beyond += left[n] != 0.0
        if beyond:
            for k in range(columns):
                if left[k] != 0.0:
                    for n in range(columns):
                        here[n] -= left[k] * passed_on[at + k * columns + n]


@compiled()
def work_piece(
    packed: Any, room: Any, levels: Any, second: int, rows: Any, number: int, piece: int, most: int, keys: Any, out: Any
) -> None:
    """Add to `out` (number, outputs) what all parts of a grid make of `number` rows.

    Parameters
    ----------
    levels, second, rows: as `products` takes them; rows filled up to a multiple of ROWS.
    piece, most: number of this piece among all that are drawn with the same keys, and rows that a piece may have.
    keys: of the noise of each part, (parts, 2) uint32.
    """
    tall = -(-number // ROWS) * ROWS
    no_codes = np.zeros((0, 0), dtype=np.uint16)
    for part in range(packed.parts.shape[0]):
        of = packed.parts[part]
        count, columns, reads, noisy = of[COUNT], of[COLUMNS], of[READS] != 0, of[NOISY] != 0
        wide = -(-columns // PANEL) * PANEL
        if of[TABLE] >= 0:
            look_up(levels, rows, tall, packed.offsets, of[FIRST], count, packed.tables, of[TABLE], room.levels,
                    reads)  # fmt: skip
            for row in range(tall):
                room.rows[row] = row * count
            products(room.levels, room.levels.shape[0] // 2, room.rows, tall, room.offsets, 0, count, packed.weights,
                     packed.squares, of[WEIGHTS], wide, reads, room.mac, room.variance)  # fmt: skip
        else:
            products(levels, second, rows, tall, packed.offsets, of[FIRST], count, packed.weights, packed.squares,
                     of[WEIGHTS], wide, reads, room.mac, room.variance)  # fmt: skip
        if wide != columns:
            for row in range(number):
                for n in range(columns):
                    room.mac[row * columns + n] = room.mac[row * wide + n]
                    if reads:
                        room.variance[row * columns + n] = room.variance[row * wide + n]
        low, high = packed.limits[part]
        if low > -np.inf or high < np.inf:
            let_go(room.mac, number, columns, low, high, packed.passed_on, of[PASSED])
        shared, size, together = room.shared[:0], number * columns, of[TOGETHER]
        if noisy and (packed.ramp[part, 2:] != 0.0).any():
            shared = room.shared
            fill_normals(keys[part], SHARED, piece * (shared.shape[0] // 2), shared)
        convert_kernel(
            room.mac[:size], noisy, room.variance[: size if reads else 0],
            packed.own[of[LANE] : of[LANE] + of[LANES_OF]], packed.ramp[part], shared, keys[part],
            piece * (-(-most // together)), columns, together * columns,
            packed.coarse[of[COARSE] : of[COARSE] + of[COARSE_SIZE]], packed.fine[of[FINE] : of[FINE] + of[FINE_SIZE]],
            of[DEPTH], of[STEPS], no_codes, room.codes[:size],
        )  # fmt: skip
        add_codes(room.codes, number, columns, of[CORRECTED], packed.scales, of[SCALE], out, of[OUT])


@compiled()
def work_units(
    packed: Any, room: Any, images: Any, first: int, last: int, together: int, dac: Any, padding: Any, levels: Any,
    rows: Any, piece: int, constant: Any, keys: Any, out: Any,
) -> bool:  # fmt: skip
    """Units `first` .. `last` - 1 of `together` images each through a grid; `out` (batch, rows of an image, outputs).

    constant: what each result begins with, (outputs,). rows: where the rows of a unit begin in `levels`, which is a
    unit's; `piece`: rows that are worked on at once.
    False where an input is not finite.
    """
    batch, of_image = out.shape[0], out.shape[1]
    pieces = -(-together * of_image // piece)
    flat, answers = out.reshape(batch * of_image, out.shape[2]), out.reshape(-1)
    finite = True
    for number in range(first, last):
        image = number * together
        here = min(together, batch - image)
        finite &= fill_levels(images, image, here, dac, padding, levels)
        for at in range(pieces):
            start = at * piece
            stop = min(start + piece, here * of_image)
            if start < stop:
                for row in range(image * of_image + start, image * of_image + stop):
                    copy(constant, 0, answers, row * flat.shape[1], flat.shape[1])
                work_piece(
                    packed, room, levels, levels.shape[0] // 2, rows[start:], stop - start, number * pieces + at,
                    piece, keys, flat[image * of_image + start : image * of_image + stop],
                )  # fmt: skip
    return finite
