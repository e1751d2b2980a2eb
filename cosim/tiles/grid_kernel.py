"""The kernels of `grid`: rows of a batch through all parts of a grid, a piece after another, in the caches.

Of a piece each part in turn makes its products, what its integrators hold, the codes, and adds what these stand for to
the rows' results. Everything that lies between is a piece's, and overwritten by the next part.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cosim.blocks.lanes import LANES
from cosim.blocks.normals import ROWS as SHARED
from cosim.blocks.normals import fill_normals
from cosim.blocks.ramp_adc.conversion_kernel import convert_kernel
from cosim.compiled import compiled
from cosim.tiles.kernels import WHOLE
from cosim.tiles.products import PANEL, ROWS, products

# Columns of `Packed.parts`: sizes of a part, and where in the other arrays its own numbers begin.
FIRST, COUNT, COLUMNS, OUT, WEIGHTS, LANE, LANES_OF, COARSE, COARSE_SIZE, FINE, FINE_SIZE, DEPTH, STEPS, TOGETHER = (
    range(14)
)
TABLE, SCALE, PASSED, READS, NOISY = range(14, 19)
FIELDS = 19


class Packed(NamedTuple):
    """All parts of a grid, end to end in flat arrays.

    parts: (parts, FIELDS) int64. limits: (parts, 2) float32, of the MAC results. offsets: int64, where the inputs of a
    part lie from the beginning of a row on. weights, squares: `products.packed`; squares of the cells' noise. own, ramp,
    coarse, fine: the converters', see `conversion_kernel`. tables: (inputs of all parts, 2 n + 1), what the DACs make
    of each code; without rows where all are ideal. scales: result that a code more stands for. passed_on: see
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
        np.zeros(2 * tall * longest if tables else 0, dtype=np.float32),
        np.zeros(tall, dtype=np.int64),
        np.arange(longest, dtype=np.int64),
        np.empty(tall * wide, dtype=np.float32),
        np.empty(tall * wide if parts[:, READS].any() else 0, dtype=np.float32),
        np.empty(tall * wide, dtype=np.uint8),
        np.empty(reserved(piece), dtype=np.float32),
    )


def reserved(piece: int) -> int:
    """Normal variates of a piece's rows; whole groups of them are drawn."""
    return -(-piece // (2 * LANES)) * 2 * LANES


@compiled()
def look_up(levels: Any, rows: Any, number: int, offsets: Any, first: int, count: int, tables: Any, table: int,
            made: Any, squared: bool) -> None:  # fmt: skip
    """What the DACs of a part make of the codes `levels` of some rows, (number, count), and then their squares."""
    n, second = tables.shape[1] // 2, made.shape[0] // 2
    for row in range(number):
        begin, to = rows[row], row * count
        for k in range(count):
            made[to + k] = tables[table + k, np.int64(levels[begin + offsets[first + k]]) + n]
        if squared:
            for k in range(count):
                made[second + to + k] = made[to + k] * made[to + k]


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
            look_up(levels, rows, tall, packed.offsets, of[FIRST], count, packed.tables, of[TABLE], room.levels, reads)
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
        scales = packed.scales[of[SCALE] : of[SCALE] + columns]
        for row in range(number):
            answer, codes = out[row, of[OUT] : of[OUT] + columns], room.codes[row * columns : (row + 1) * columns]
            for n in range(columns):
                answer[n] += scales[n] * np.float32(codes[n])


@compiled()
def fill_levels(images: Any, first: int, number: int, scale: float, n: float, unit: float, padding: Any, levels: Any,
                squared: bool) -> bool:  # fmt: skip
    """What the DACs make of some images (batch, height, width, channels) of `first` on, with zeros around them.

    Codes clip(rint(x / scale n)) of float32 x / scale, over `unit`; their squares follow behind all. `padding`: rows
    above and below, columns left and right. False where an input is not finite.
    """
    _, height, width, channels = images.shape
    above, below, left, right = padding
    line = (left + width + right) * channels
    second = levels.shape[0] // 2
    full, finite = np.float32(scale), True
    largest, whole = np.float64(n), np.float32(unit)
    for image in range(number):
        begin = image * (above + height + below) * line
        for y in range(height):
            to = begin + (above + y) * line + left * channels
            source = images[first + image, y].reshape(-1)
            strange = 0
            for k in range(width * channels):
                x = np.float64(source[k] / full) * largest
                strange += not (abs(source[k]) < np.inf)
                x = x if x < largest else largest
                x = x if x > -largest else -largest
                levels[to + k] = np.float32((x + WHOLE) - WHOLE) / whole
            if strange:
                finite = False
            if squared:
                for k in range(width * channels):
                    levels[second + to + k] = levels[to + k] * levels[to + k]
    return finite


@compiled()
def work_units(
    packed: Any, room: Any, images: Any, first: int, last: int, together: int, scale: float, n: float, unit: float,
    padding: Any, levels: Any, squared: bool, rows: Any, piece: int, keys: Any, out: Any,
) -> bool:  # fmt: skip
    """Units `first` .. `last` - 1 of `together` images each through a grid; `out` (batch, rows of an image, outputs).

    rows: where the rows of a unit begin in `levels`, which is a unit's; `piece`: rows that are worked on at once.
    False where an input is not finite.
    """
    batch, of_image = out.shape[0], out.shape[1]
    pieces = -(-together * of_image // piece)
    flat = out.reshape(batch * of_image, out.shape[2])
    finite = True
    for number in range(first, last):
        image = number * together
        here = min(together, batch - image)
        finite &= fill_levels(images, image, here, scale, n, unit, padding, levels, squared)
        for at in range(pieces):
            start = at * piece
            stop = min(start + piece, here * of_image)
            if start < stop:
                work_piece(
                    packed, room, levels, levels.shape[0] // 2, rows[start:], stop - start, number * pieces + at,
                    piece, keys, flat[image * of_image + start : image * of_image + stop],
                )  # fmt: skip
    return finite
