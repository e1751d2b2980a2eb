"""A grid of programmed behavioural or quantised tiles at the speed of the machine: what a layer of a network takes.

Each part of the grid takes some of a row's inputs and adds to some of its results,

    y_j += s_j (low + (code_j + 1/2) step),      step = (high - low) / 2^bits,

with the codes of its own DACs, array, integrators and converter as `behavioural` has them: the same products in
float32, the same thresholds, noise of the same distribution from other random numbers. Rows are vectors of a batch or
patches of images, which are read where they lie. The answer does not depend on the number of threads.

Left to the tiles themselves (`reason_against`): cells with a sinh law, functions that also fall, and tiles with every
non-ideality switched off, whose MAC results lie on thresholds.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cosim.blocks.normals import draw_key
from cosim.errors import CosimError
from cosim.tiles.behavioural import BehaviouralTile
from cosim.tiles.grid_kernel import FIELDS, Dac, Packed, make_room, work_units
from cosim.tiles.products import PANEL, ROWS, aligned, packed
from cosim.tiles.protocol import Tile
from cosim.tiles.quantise import full_scale
from cosim.tiles.quantised import QuantisedTile

AT_ONCE = 16384
"""MAC results of a piece that lie in the second-level cache, with their variances and codes."""
FEW = 128  # rows that are worth a unit


@dataclass(frozen=True)
class GridPart:
    """A programmed tile in its place.

    Attributes
    ----------
    tile: behavioural or quantised.
    inputs: number of each of its inputs among a row's, shape (inputs of the tile,).
    outputs: the first of the results that it adds to.
    scales: s_j, of shape (outputs of the tile,), or one number.
    """

    tile: BehaviouralTile | QuantisedTile
    inputs: NDArray[np.integer[Any]]
    outputs: int
    scales: NDArray[np.floating[Any]] | float = 1.0


@dataclass(frozen=True)
class Patches:
    """How rows are taken from images (batch, height, width, channels): one for each place of the kernel.

    Input number (row of the kernel x width + column) channels + channel of a row.
    """

    kernel: tuple[int, int] = (1, 1)
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)  # above, below, left, right
    dilation: tuple[int, int] = (1, 1)

    def places(self, height: int, width: int) -> tuple[int, int]:
        """Height and width of the result; CosimError where the kernel does not fit."""
        above, below, left, right = self.padding
        sizes = (height + above + below, width + left + right)
        found = [
            (size - step * (reach - 1) - 1) // stride + 1
            for size, reach, stride, step in zip(sizes, self.kernel, self.stride, self.dilation, strict=True)
        ]
        if min(found) < 1:
            raise CosimError(f"images of {height} x {width} are smaller than the kernel", allowed=self.kernel)
        return found[0], found[1]


def reason_against(tile: Tile) -> str | None:
    """Why a tile cannot be part of a grid; None where it can."""
    if isinstance(tile, QuantisedTile):
        return _against(tile._converter) if tile._weights is not None else "it is not programmed"
    if not isinstance(tile, BehaviouralTile):
        return "its fidelity has no kernel"
    if tile.chip is None:
        return "it is not programmed"
    if tile._exact:
        return "its MAC results lie on thresholds"
    if tile.array.overlap is not None or tile.array.odd_powers is not None:
        return "its cells are not linear"
    return _against(tile.converter)


def _against(converter: Any) -> str | None:
    return "its function also falls" if converter._codes.size or converter.largest > 255 else None


class Grid:
    """Programmed parts, packed for the kernels.

    Parameters
    ----------
    parts: all tiles of one fidelity, DAC bits and input mode.
    outputs: results of a row.
    scale: input full scale s_x, what DAC full scale stands for, in the unit of the rows.
    constant: what is added to each result, shape (outputs,): a bias.
    threads: how many work side by side.

    Raises CosimError for a tile that cannot be part of a grid (`reason_against`), or tiles that do not fit together.
    """

    def __init__(
        self, parts: Sequence[GridPart], outputs: int, *, scale: float = 1.0,
        constant: NDArray[np.floating[Any]] | None = None, threads: int = 1,
    ) -> None:  # fmt: skip
        for part in parts:
            reason = reason_against(part.tile)
            if reason is not None:
                raise CosimError(f"a tile cannot be part of a grid: {reason}")
        self.parts, self.outputs, self.threads = tuple(parts), outputs, threads
        bits = {part.tile.config.dac_bits for part in parts}
        with_levels = {_levels(part.tile) is not None for part in parts}
        if len(bits) != 1 or len(with_levels) != 1 or len({type(part.tile) for part in parts}) != 1:
            raise CosimError("the tiles of a grid must be of one fidelity and have the same DACs")
        n = full_scale(bits.pop())
        self.tables = with_levels.pop()
        codes = self.tables or isinstance(parts[0].tile, QuantisedTile)
        self.packed = _packed(self.parts)
        self.dac = Dac(float(scale), float(n), 1.0 if codes else float(n), self.packed.squares.size > 0 and not self.tables)
        self.constant = np.zeros(outputs, dtype=np.float64)
        for part in parts:
            low, step = _range(part.tile)
            if part.tile.config.signs == "differential":
                here = slice(part.outputs, part.outputs + part.tile.outputs)
                self.constant[here] += np.float64(part.scales) * (low + step / 2)
        if constant is not None:
            self.constant += constant
        self.constant = self.constant.astype(np.float32)
        widest = max(part.tile.config.bit_lines for part in parts)
        self.piece = max(ROWS, min(AT_ONCE // (-(-widest // PANEL) * PANEL), 512) // ROWS * ROWS)

    def keys(self, rng: np.random.Generator) -> NDArray[np.uint32]:
        """Keys of the parts' noise, (parts, 2)."""
        return np.stack([draw_key(rng) for _ in self.parts])

    def forward(self, rows: NDArray[np.floating[Any]], rng: np.random.Generator) -> NDArray[np.float32]:
        """Results (batch, outputs) of rows (batch, inputs)."""
        answer = self.images(rows[:, None, None, :], Patches(), rng)
        return answer.reshape(len(rows), self.outputs)

    def images(
        self, images: NDArray[np.floating[Any]], patches: Patches, rng: np.random.Generator
    ) -> NDArray[np.float32]:
        """Results (batch, height', width', outputs) of images (batch, height, width, channels), float32.

        Raises CosimError for inputs that are not finite, and images that are smaller than the kernel.
        """
        images = np.ascontiguousarray(images, dtype=np.float32)
        batch, height, width, channels = images.shape
        tall, wide = patches.places(height, width)
        out = np.empty((batch, tall * wide, self.outputs), dtype=np.float32)
        out[:] = self.constant
        keys = self.keys(rng)
        together = max(1, min(-(-FEW // (tall * wide)) if tall * wide > 1 else self.piece, batch))
        above, below, left, right = patches.padding
        line = (left + width + right) * channels
        image = (above + height + below) * line
        rows = _begins(patches, tall, wide, line, channels, image, together)
        packed = self._of_images(patches, line, channels)
        piece = min(self.piece, -(-together * tall * wide // ROWS) * ROWS)
        units = -(-batch // together)
        chunk = max(1, -(-units // (8 * self.threads)))

        def work(numbers: Any) -> bool:
            room = make_room(packed.parts, self.tables, piece)
            levels = np.zeros(2 * together * image, dtype=np.float32)
            finite = True
            for number in numbers:
                finite &= work_units(
                    packed, room, images, number * chunk, min(units, (number + 1) * chunk), together, self.dac,
                    patches.padding, levels, rows, piece, keys, out,
                )  # fmt: skip
            return finite

        if not all(side_by_side(work, -(-units // chunk), self.threads)):
            raise CosimError("inputs must be finite numbers", key="inputs")
        return out.reshape(batch, tall, wide, self.outputs)

    def _of_images(self, patches: Patches, line: int, channels: int) -> Packed:
        """Offsets from the inputs' numbers, for images of this size."""
        place, channel = np.divmod(self.packed.offsets, channels)
        y, x = np.divmod(place, patches.kernel[1])
        offsets = y * patches.dilation[0] * line + x * patches.dilation[1] * channels + channel
        return self.packed._replace(offsets=offsets)


def side_by_side(work: Callable[[Any], bool], number: int, threads: int) -> list[bool]:
    """`work` given the numbers 0 .. number - 1, each to whichever thread comes for it; what each thread returned."""
    numbers = iter(range(number))
    lock = threading.Lock()

    def next_ones() -> Any:
        while True:
            with lock:
                found = next(numbers, None)
            if found is None:
                return
            yield found

    answers: list[bool] = []
    failures: list[BaseException] = []

    def one() -> None:
        try:
            answers.append(work(next_ones()))
        except BaseException as failure:  # is raised again in the caller's thread
            failures.append(failure)

    helpers = [threading.Thread(target=one) for _ in range(min(threads, number) - 1)]
    for helper in helpers:
        helper.start()
    one()
    for helper in helpers:
        helper.join()
    if failures:
        raise failures[0]
    return answers


def _begins(
    patches: Patches, tall: int, wide: int, line: int, channels: int, image: int, together: int
) -> NDArray[np.int64]:
    """Where each row of `together` images begins, filled up to a multiple of ROWS with the last one."""
    y, x = np.arange(tall) * patches.stride[0] * line, np.arange(wide) * patches.stride[1] * channels
    begins = (np.arange(together)[:, None, None] * image + y[:, None] + x).reshape(-1)
    return np.ascontiguousarray(np.concatenate([begins, np.repeat(begins[-1:], ROWS)]), dtype=np.int64)


def _levels(tile: BehaviouralTile | QuantisedTile) -> NDArray[Any] | None:
    return None if isinstance(tile, QuantisedTile) else tile._levels


def _range(tile: BehaviouralTile | QuantisedTile) -> tuple[float, float]:
    """Low end and step of the activations that codes stand for."""
    function = tile.config.adc.activation if isinstance(tile, QuantisedTile) else tile.model.function
    return function.low, (function.high - function.low) / 2**tile.config.adc.bits


def _packed(parts: Sequence[GridPart]) -> Packed:
    table = np.zeros((len(parts), FIELDS), dtype=np.int64)
    limits = np.zeros((len(parts), 2), dtype=np.float32)
    flat: dict[str, list[NDArray[Any]]] = {name: [] for name in Packed._fields[2:]}
    size = dict.fromkeys(flat, 0)

    def add(name: str, values: NDArray[Any]) -> int:
        """Where it begins."""
        begin = size[name]
        flat[name].append(values)
        size[name] += len(values)
        return begin

    for number, part in enumerate(parts):
        tile = part.tile
        if isinstance(tile, QuantisedTile):
            matrix, squares, converter = tile._weights, None, tile._converter
            reads = noisy = False
            limits[number], passed_on = (-np.inf, np.inf), 0
        else:
            matrix, converter, on = tile._single_array.matrix, tile.converter, tile.nonidealities
            reads, noisy = on.read_noise, tile.noisy
            squares = tile._single[0] if reads else None
            limits[number] = tile.array.limits
            passed_on = add("passed_on", tile._single_array.passed_on.reshape(-1))
        inputs, lines = matrix.shape
        coarse, fine, depth, steps = converter._tables[np.dtype(np.float32)]
        weights = add("weights", packed(matrix))
        if squares is not None:
            # Where weights begin, squares do: parts without noise among others with it have zeros.
            _fill(flat["squares"], size, weights)
            add("squares", packed(squares))
        levels = _levels(tile)
        scales = np.broadcast_to(np.float64(part.scales), (tile.outputs,)) * _range(tile)[1]
        own = converter._own_squares if reads else converter._own
        table[number] = (
            add("offsets", np.asarray(part.inputs, dtype=np.int64)), inputs, lines, part.outputs, weights,
            add("own", own), converter.lanes, add("coarse", coarse), coarse.size, add("fine", fine), fine.size, depth,
            steps, converter.rows, -1 if levels is None else add("tables", np.asarray(levels, dtype=np.float32)),
            add("scales", scales.astype(np.float32)), passed_on, reads, noisy, lines - tile.outputs,
        )  # fmt: skip
        flat["ramp"].append(converter._ramp)
    return Packed(table, limits, **{name: _joined(name, flat[name]) for name in flat})


def _fill(squares: list[NDArray[Any]], size: dict[str, int], begin: int) -> None:
    if size["squares"] < begin:
        squares.append(np.zeros(begin - size["squares"], dtype=np.float32))
        size["squares"] = begin


def _joined(name: str, arrays: list[NDArray[Any]]) -> NDArray[Any]:
    if name == "ramp":
        return np.ascontiguousarray(np.stack(arrays))
    if name == "tables":
        # The kernel looks a panel up at a time: rows behind the last one.
        behind = [np.zeros((PANEL, arrays[0].shape[1]), dtype=np.float32)] if arrays else []
        return np.concatenate(arrays + behind) if arrays else np.zeros((0, 1), dtype=np.float32)
    kind = np.int64 if name == "offsets" else np.float32
    return aligned(np.asarray(np.concatenate(arrays) if arrays else np.zeros(0), dtype=kind))
