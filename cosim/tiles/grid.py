"""A grid of programmed behavioural or quantised tiles at the speed of the machine: what a layer of a network takes.

Each part of the grid takes some of a row's inputs and adds to some of its results,

    y_j += s_j (low + (code_j + 1/2) step),      step = (high - low) / 2^bits,

with the codes of its own DACs, array, integrators and converter as `behavioural` has them: the same products in
float32, the same thresholds, noise of the same distribution from other random numbers. Rows are vectors of a batch or
patches of images, which are read where they lie. The answer does not depend on the number of threads.

Left to the tiles themselves (`grid_parts.reason_against`): cells with a sinh law, functions that also fall, and tiles
with every non-ideality switched off, whose MAC results lie on thresholds.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cosim.blocks.normals import draw_key
from cosim.errors import CosimError
from cosim.tiles.grid_inputs import Dac
from cosim.tiles.grid_kernel import Packed, Room, make_room, work_units
from cosim.tiles.grid_parts import GridPart, dac_levels, output_range, pack, reason_against
from cosim.tiles.products import PANEL, ROWS, aligned
from cosim.tiles.quantise import full_scale
from cosim.tiles.quantised import QuantisedTile

AT_ONCE = 16384
"""MAC results of a piece that lie in the second-level cache, with their variances and codes."""
FEW = 128  # rows that are worth a unit
CHUNKS = 8  # of a thread, so that none waits long for another
KEPT = 8  # sizes of images
SMALL = 2**18  # bytes of a room that is kept for the next call


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
        reason = reason_against([part.tile for part in parts])
        if reason is not None:
            raise CosimError(f"these tiles cannot make a grid: {reason}")
        self.parts, self.outputs, self.threads = tuple(parts), outputs, threads
        n = full_scale(parts[0].tile.config.dac_bits)
        self.tables = dac_levels(parts[0].tile) is not None
        codes = self.tables or isinstance(parts[0].tile, QuantisedTile)
        self.packed = pack(self.parts)
        self.dac = Dac(
            float(scale), float(n), 1.0 if codes else float(n), self.packed.squares.size > 0 and not self.tables
        )
        self.added = np.zeros(outputs) if constant is None else np.asarray(constant, dtype=np.float64)
        total = self.added.copy()
        for part in parts:
            low, step = output_range(part.tile)
            if part.tile.config.signs == "differential":
                here = slice(part.outputs, part.outputs + part.tile.outputs)
                total[here] += np.float64(part.scales) * (low + step / 2)
        self.constant = total.astype(np.float32)
        self._geometries: dict[Any, _Geometry] = {}
        widest = max(part.tile.config.bit_lines for part in parts)
        self.piece = max(ROWS, min(AT_ONCE // (-(-widest // PANEL) * PANEL), 512) // ROWS * ROWS)

    def keys(self, rng: np.random.Generator) -> NDArray[np.uint32]:
        """Keys of the parts' noise, (parts, 2)."""
        return np.stack([draw_key(rng) for _ in self.parts])

    def forward(
        self, rows: NDArray[np.floating[Any]], rng: np.random.Generator | NDArray[np.uint32]
    ) -> NDArray[np.float32]:
        """Results (batch, outputs) of rows (batch, inputs). rng: feeds the noise, or keys as by `keys`."""
        answer = self.images(rows[:, None, None, :], Patches(), rng)
        return answer.reshape(len(rows), self.outputs)

    def images(
        self, images: NDArray[np.floating[Any]], patches: Patches, rng: np.random.Generator | NDArray[np.uint32],
        constant: NDArray[np.floating[Any]] | float = 0.0,
    ) -> NDArray[np.float32]:  # fmt: skip
        """Results (batch, height', width', outputs) of images (batch, height, width, channels), float32.

        `constant`: is added to each result, (outputs,). Raises CosimError for inputs that are not finite, and for
        images that are smaller than the kernel.
        """
        images = np.ascontiguousarray(images, dtype=np.float32)
        batch, height, width, channels = images.shape
        tall, wide = patches.places(height, width)
        out = np.empty((batch, tall * wide, self.outputs), dtype=np.float32)
        begin = np.ascontiguousarray(self.constant + np.asarray(constant, dtype=np.float32))
        keys = self.keys(rng) if isinstance(rng, np.random.Generator) else rng
        geometry = self._geometry(patches, height, width, channels, batch)
        units = -(-batch // geometry.together)
        chunk = max(1, -(-units // (CHUNKS * self.threads)))

        def work(numbers: Any) -> bool:
            try:
                room, levels = geometry.rooms.pop()
            except IndexError:
                room = make_room(self.packed.parts, self.tables, geometry.piece)
                levels = aligned(np.zeros(2 * geometry.together * geometry.image, dtype=np.float32))
            finite = True
            for number in numbers:
                finite &= work_units(
                    geometry.packed, room, images, number * chunk, min(units, (number + 1) * chunk), geometry.together,
                    self.dac, patches.padding, levels, geometry.rows, geometry.piece, begin, keys, out,
                )  # fmt: skip
            if levels.nbytes + sum(each.nbytes for each in room) <= SMALL:
                geometry.rooms.append((room, levels))
            return finite

        if not all(side_by_side(work, -(-units // chunk), self.threads)):
            raise CosimError("inputs must be finite numbers", key="inputs")
        return out.reshape(batch, tall, wide, self.outputs)

    def _geometry(self, patches: Patches, height: int, width: int, channels: int, batch: int) -> _Geometry:
        tall, wide = patches.places(height, width)
        of_image = tall * wide
        together = self.piece if of_image == 1 else -(-FEW // of_image)
        key = (patches, height, width, channels, min(together, max(batch, 1)))
        if key not in self._geometries:
            if len(self._geometries) >= KEPT:
                self._geometries.clear()
            together = key[-1]
            above, below, left, right = patches.padding
            line = (left + width + right) * channels
            image = (above + height + below) * line
            place, channel = np.divmod(self.packed.offsets, channels)
            y, x = np.divmod(place, patches.kernel[1])
            offsets = y * patches.dilation[0] * line + x * patches.dilation[1] * channels + channel
            self._geometries[key] = _Geometry(
                self.packed._replace(offsets=aligned(offsets)), together, image,
                _begins(patches, tall, wide, line, channels, image, together),
                min(self.piece, -(-together * of_image // ROWS) * ROWS),
            )  # fmt: skip
        return self._geometries[key]


@dataclass(frozen=True)
class _Geometry:
    """Images of a size: the grid with the inputs' places in them, images of a unit, levels of an image with what lies
    around it, where rows begin, rows of a piece, and what threads have left of the last call, if it is little."""

    packed: Packed
    together: int
    image: int
    rows: NDArray[np.int64]
    piece: int
    rooms: list[tuple[Room, NDArray[np.float32]]] = field(default_factory=list)


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
