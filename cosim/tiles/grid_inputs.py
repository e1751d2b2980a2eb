"""The DACs of a grid: inputs to the levels that they make, in the rows and images that `products` reads.

The same arithmetic as `quantise`: products and rounding in float64, levels in float32.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.core import cgutils

from cosim.blocks.lanes import DOUBLE, SINGLE, WORD, Memory, counted, everywhere, operation, vector
from cosim.compiled import compiled
from cosim.tiles.kernels import WHOLE
from cosim.tiles.products import PANEL


class Dac(NamedTuple):
    """How inputs become levels.

    full: input that the largest code `n` stands for. unit: the code that is 1 to the arrays. squared: whether squares
    of the levels are wanted too.
    """

    full: float
    n: float
    unit: float
    squared: bool


@operation
def _store_levels(
    typing: Any, source: Any, at: Any, factor: Any, full: Any, n: Any, unit: Any, levels: Any, to: Any, squares: Any,
    lanes: Any,
) -> Any:  # fmt: skip
    """Levels of `lanes` inputs source[at] ... and their squares, as `fill` says; levels[to] and levels[squares]."""
    together = lanes.literal_value

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        source, levels = (Memory(context, builder, signature.args[k], arguments[k]) for k in (0, 6))
        factor, full, largest, unit = (everywhere(builder, arguments[k], together) for k in (2, 3, 4, 5))
        scaled = (source.load(arguments[1], lanes=together) * factor / full).real(DOUBLE) * largest
        scaled = (scaled < largest).select(scaled, largest)
        lowest = largest * -1.0
        scaled = (lowest < scaled).select(scaled, lowest)
        level = ((scaled + WHOLE) - WHOLE).real(SINGLE) / unit
        levels.store(level * level, arguments[8])  # which the level itself overwrites where none are wanted
        levels.store(level, arguments[7])
        return context.get_dummy_value()

    index, single = types.int64, types.float32
    return types.void(source, index, single, single, types.float64, single, levels, index, index, lanes), build


@compiled()
def fill(source: Any, first: int, number: int, dac: Any, factor: float, levels: Any, to: int) -> None:
    """What the DACs make of `number` inputs from source[first] on, float32: levels[to] ..., and behind all the squares.

    Codes clip(rint(x factor / full n)), x factor / full in float32, what follows in float64 as in `quantise`, over
    `unit`; `dac`: see `Dac`.
    """
    second, done, times = levels.shape[0] // 2 if dac.squared else 0, 0, np.float32(factor)
    full, unit = np.float32(dac.full), np.float32(dac.unit)
    while number - done >= PANEL:
        _store_levels(source, first + done, times, full, dac.n, unit, levels, to + done, second + to + done, 16)
        done += PANEL
    if number - done >= PANEL // 2:
        _store_levels(source, first + done, times, full, dac.n, unit, levels, to + done, second + to + done, 8)
        done += PANEL // 2
    while number - done > 0:
        _store_levels(source, first + done, times, full, dac.n, unit, levels, to + done, second + to + done, 1)
        done += 1


@operation
def _copy_lanes(typing: Any, source: Any, at: Any, target: Any, to: Any) -> Any:
    """target[to] ... = source[at] ..., PANEL numbers."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        source, target = (Memory(context, builder, signature.args[n], arguments[n]) for n in (0, 2))
        target.store(source.load(arguments[1], lanes=PANEL), arguments[3])
        return context.get_dummy_value()

    return types.void(source, types.int64, target, types.int64), build


@compiled()
def copy(source: Any, at: int, target: Any, to: int, number: int) -> None:
    """target[to] ... = source[at] ..., `number` of them."""
    done = 0
    while number - done >= PANEL:
        _copy_lanes(source, at + done, target, to + done)
        done += PANEL
    while done < number:
        target[to + done] = source[at + done]
        done += 1


@compiled()
def all_finite(values: Any) -> bool:
    """Whether all of an array (n,) are."""
    strange = 0
    for n in range(values.shape[0]):
        strange += not (abs(values[n]) < np.inf)
    return strange == 0


@compiled()
def fill_levels(images: Any, first: int, number: int, dac: Any, padding: Any, levels: Any) -> bool:
    """`fill` of some images (batch, height, width, channels) from `first` on, with zeros around them.

    padding: rows above and below, columns left and right. False where an input is not finite.
    """
    _, height, width, channels = images.shape
    above, below, left, right = padding
    line, flat = (left + width + right) * channels, images.reshape(-1)
    for image in range(number):
        for y in range(height):
            to = (image * (above + height + below) + above + y) * line + left * channels
            at = ((first + image) * height + y) * width * channels
            fill(flat, at, width * channels, dac, 1.0, levels, to)
    size = height * width * channels
    return all_finite(flat[first * size : (first + number) * size])


@operation
def _store_given(
    typing: Any, codes: Any, at: Any, tables: Any, first: Any, width: Any, middle: Any, made: Any, to: Any
) -> Any:
    """Levels tables[first + lane width + middle + code] of PANEL codes, to made[to] ....

    One after another: taking vectors apart and putting them together costs more than loads and stores.
    """

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        codes, tables, made = (Memory(context, builder, signature.args[k], arguments[k]) for k in (0, 2, 6))
        width, middle = (everywhere(builder, builder.trunc(arguments[k], WORD), PANEL) for k in (4, 5))
        places = counted(builder, PANEL) * width + middle + codes.load(arguments[1], lanes=PANEL).whole()
        kept = cgutils.alloca_once(builder, vector(WORD, PANEL))
        builder.store(places.value, kept)
        kept = builder.bitcast(kept, WORD.as_pointer())
        table, answer = builder.gep(tables.data, [arguments[3]]), builder.gep(made.data, [arguments[7]])
        for lane in range(PANEL):
            number = ir.Constant(WORD, lane)
            place = builder.load(builder.gep(kept, [number]))
            builder.store(builder.load(builder.gep(table, [place])), builder.gep(answer, [number]))
        return context.get_dummy_value()

    index = types.int64
    return types.void(codes, index, tables, index, index, index, made, index), build


@operation
def _store_squares(typing: Any, made: Any, at: Any, to: Any) -> Any:
    """Squares of PANEL numbers made[at] ..., to made[to] ...."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        made = Memory(context, builder, signature.args[0], arguments[0])
        values = made.load(arguments[1], lanes=PANEL)
        made.store(values * values, arguments[2])
        return context.get_dummy_value()

    return types.void(made, types.int64, types.int64), build


@compiled()
def look_up(levels: Any, rows: Any, number: int, offsets: Any, first: int, count: int, tables: Any, table: int,
            made: Any, squared: bool) -> None:  # fmt: skip
    """What the DACs of a part make of the codes `levels` of some rows, (number, count), and then their squares.

    A panel at a time, past the end of a row too: there it reads other codes, or the zeros behind all of them, and what
    it writes the next row overwrites.
    """
    width, second, flat = tables.shape[1], made.shape[0] // 2, tables.reshape(-1)
    few = np.zeros(PANEL, dtype=np.float32)
    for row in range(number):
        begin, to = rows[row], row * count
        for k in range(0, count, PANEL):
            here, last = (table + k) * width, min(PANEL, count - k) - 1
            if offsets[first + k + last] - offsets[first + k] == last:
                _store_given(levels, begin + offsets[first + k], flat, here, width, width // 2, made, to + k)
            else:
                for n in range(last + 1):
                    few[n] = levels[begin + offsets[first + k + n]]
                _store_given(few, 0, flat, here, width, width // 2, made, to + k)
    if squared:
        for at in range(0, number * count, PANEL):
            _store_squares(made, at, second + at)
