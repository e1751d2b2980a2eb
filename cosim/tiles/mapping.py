"""How a weight matrix lies on tiles: cut into parts over rows, over columns and into digits.

A matrix W (inputs, outputs) is cut into blocks of rows, whose results are added digitally, and blocks of columns. With
`slice_bits` each weight's code n, |n| <= N, is written in digits of few bits, one part a digit (see `BitSliced` of
`blocks.crossbar.mapping`):

    |n| = sum_d n_d 2^(d slice_bits),    W = s_w (n / N) = sum_d s_w place_d u_d,
    u_d = n_d / (2^slice_bits - 1),    place_d = (2^slice_bits - 1) 2^(d slice_bits) / N,

u_d is what the cells of part d hold, in units of their window; the places are multiplied and added digitally.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from cosim.blocks.config import BlockConfig
from cosim.errors import CosimError
from cosim.tiles.config import Signs, TileConfig
from cosim.tiles.protocol import Tile

Array = NDArray[np.float64]

_BELOW_HALF = 0.5 - 1e-11  # of a step: what is left of a weight stays below a half, so that a tile rounds it away


class MappingConfig(BlockConfig):
    """How weight matrices lie on tiles."""

    signs: Signs | None = Field(None, description="how weights get their sign, as of a tile; default: as the tile has")
    slice_bits: int | None = Field(
        None, ge=1, le=7, description="bits of a weight that a cell holds, each digit on tiles of its own; default: all"
    )
    blocks: Literal["full", "even"] = Field(
        "full", description="blocks of rows: tiles filled one after another, or all of nearly the same size"
    )
    headroom: float | None = Field(
        None, gt=0, le=1,
        description="share of the conductance window that the largest weight takes on compensated tiles; default: for"
        " each part what its compensation needs",
    )  # fmt: skip
    padding: bool = Field(
        False, description="arrays always of the full size of the tile: unused cells load the wires of the used ones"
    )


@dataclass(frozen=True)
class Block:
    """A part of a matrix.

    Attributes
    ----------
    row, column, digit: its place, from 0; digit 0 is the least.
    rows, columns: of the matrix.
    place: what one window of its cells counts for, in units of s_w.
    name: "r0c1", with digits "r0c1d2".
    """

    row: int
    column: int
    digit: int
    rows: slice
    columns: slice
    place: float
    name: str


@dataclass(frozen=True)
class Layout:
    """A matrix of a size, cut for tiles.

    Attributes
    ----------
    tile: the tile, whose inputs and outputs are the most a part may have; its signs are those of the mapping, its
        weight_bits those of a cell.
    weight_bits, slice_bits: of a whole weight; of a digit, None where weights are not sliced.
    row_blocks, column_blocks: first row or column of each block, and one beyond the last.
    """

    inputs: int
    outputs: int
    tile: TileConfig
    weight_bits: int
    slice_bits: int | None
    row_blocks: tuple[int, ...]
    column_blocks: tuple[int, ...]

    @property
    def magnitude_bits(self) -> int:
        """Bits of a weight's magnitude."""
        return self.weight_bits - (self.tile.signs != "unipolar")

    @property
    def digits(self) -> int:
        """Parts that a weight is written in."""
        return 1 if self.slice_bits is None else -(-self.magnitude_bits // self.slice_bits)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Blocks of rows, blocks of columns, digits."""
        return len(self.row_blocks) - 1, len(self.column_blocks) - 1, self.digits

    def __iter__(self) -> Iterator[Block]:
        """All parts: by rows, then by columns, then by digits."""
        rows, columns, digits = self.shape
        for row, column, digit in np.ndindex(rows, columns, digits):
            name = f"r{row}c{column}" + (f"d{digit}" if self.slice_bits is not None else "")
            yield Block(
                row, column, digit, slice(*self.row_blocks[row : row + 2]),
                slice(*self.column_blocks[column : column + 2]), self.place(digit), name,
            )  # fmt: skip

    def place(self, digit: int) -> float:
        """place_d of this module; 1 without digits."""
        if self.slice_bits is None:
            return 1.0
        largest = 2**self.magnitude_bits - 1
        return float((2**self.slice_bits - 1) * 2 ** (digit * self.slice_bits)) / largest

    def digit(self, shares: Array, digit: int) -> Array:
        """u_d of weights in units of s_w, any shape, -1 .. 1.

        What rounding to a code leaves of a weight goes with the least digit that has room for it, so that all digits
        together are the weight itself; a cell's own rounding takes it away again.
        """
        if self.slice_bits is None:
            return shares
        largest, most = 2**self.magnitude_bits - 1, 2**self.slice_bits - 1
        exact = np.abs(shares) * largest
        codes = np.minimum(np.rint(exact), largest).astype(np.int64)
        left = np.clip(exact - codes, -_BELOW_HALF, _BELOW_HALF)
        placed = np.zeros(shares.shape, dtype=np.bool_)
        for number in range(digit + 1):
            own = (codes >> (number * self.slice_bits)) & most
            here = ~placed & np.where(left > 0.0, own < most, own > 0)
            placed |= here
        value = own + np.where(here, left / 2.0 ** (digit * self.slice_bits), 0.0)
        return np.asarray(np.sign(shares) * value / most)


def layout_of(inputs: int, outputs: int, tile: TileConfig, mapping: MappingConfig) -> Layout:
    """Cut a matrix (inputs, outputs) for tiles of at most `tile.inputs` x `tile.outputs`.

    Raises CosimError where digits and signs do not fit each other.
    """
    if inputs < 1 or outputs < 1:
        raise CosimError("a matrix needs a row and a column", key="weights", value=(inputs, outputs))
    signs = mapping.signs or tile.signs
    changes: dict[str, object] = {"signs": signs}
    if mapping.slice_bits is not None:
        _check_slices(mapping.slice_bits, tile.weight_bits, signs)
        changes["weight_bits"] = mapping.slice_bits + (signs != "unipolar")
    rows = _cuts(inputs, tile.inputs, mapping.blocks)
    columns = _cuts(outputs, tile.outputs, mapping.blocks)
    return Layout(inputs, outputs, tile.model_copy(update=changes), tile.weight_bits, mapping.slice_bits, rows, columns)


def _check_slices(slice_bits: int, weight_bits: int, signs: Signs) -> None:
    if signs == "offset":
        raise CosimError(
            "weights about the middle of the window have no digits", key="slice_bits", value=slice_bits,
            allowed="signs = differential or unipolar",
        )  # fmt: skip
    least, most = (2, weight_bits - 1) if signs == "unipolar" else (1, weight_bits - 2)
    if not least <= slice_bits <= most:
        raise CosimError(
            f"a weight of {weight_bits} bits cannot be cut into digits of this size", key="slice_bits",
            value=slice_bits, allowed=f"{least} to {most}" if most >= least else "no slice_bits: take more weight_bits",
        )  # fmt: skip


def _cuts(length: int, most: int, how: Literal["full", "even"]) -> tuple[int, ...]:
    blocks = -(-length // most)
    if how == "full":
        return (*range(0, length, most), length)
    return tuple(int(first) for first in np.rint(np.linspace(0, length, blocks + 1)))


@dataclass(frozen=True)
class Part:
    """A tile and what it stands for.

    Attributes
    ----------
    block: where it lies in the matrix.
    tile: programmed by `TiledMatrix.program`.
    config: of the tile, whatever its fidelity.
    weights: what the tile is programmed with, (rows, columns) in its own units.
    scale: what a result of one of each column counts for, (columns,); s_y with the sign of weights that are all
        negative.
    """

    block: Block
    tile: Tile
    config: TileConfig
    weights: Array
    scale: Array

    @property
    def name(self) -> str:
        """As of the block."""
        return self.block.name

    @property
    def rows(self) -> slice:
        """Of the matrix."""
        return self.block.rows

    @property
    def columns(self) -> slice:
        """Of the matrix."""
        return self.block.columns

    @property
    def digit(self) -> int:
        """From 0, the least."""
        return self.block.digit


@dataclass(frozen=True)
class MatrixUse:
    """What a matrix takes of the hardware.

    Attributes
    ----------
    name, inputs, outputs: of the matrix; row_blocks, column_blocks, digits: how it is cut.
    tiles: arrays that it occupies.
    cells_used, cells_total: cells that hold its weights and corrections, and all cells of these tiles.
    word_lines, bit_lines: that are driven and converted, of all tiles together.
    vectors: input vectors an inference.
    dac_conversions: inputs made into pulses, an inference.
    conversions: function -> conversions of bit lines, an inference.
    digital_additions: of partial sums, digits and corrections, an inference.
    """

    name: str
    inputs: int
    outputs: int
    row_blocks: int
    column_blocks: int
    digits: int
    tiles: int
    cells_used: int
    cells_total: int
    word_lines: int
    bit_lines: int
    vectors: int
    dac_conversions: int
    conversions: Mapping[str, int]
    digital_additions: int

    @property
    def utilisation(self) -> float:
        """Share of the cells that is used."""
        return self.cells_used / self.cells_total


def matrix_use(
    name: str, layout: Layout, parts: Sequence[Part], function: str, vectors: int, offsets: int
) -> MatrixUse:
    """What the parts of a matrix take of the hardware, at so many input vectors an inference.

    `function` is that of the converters; `offsets` are the outputs that get a digital offset besides.
    """
    tile, (rows, columns, digits) = layout.tile, layout.shape
    lines, corrections = tile.lines_per_input, tile.bit_lines - tile.outputs
    driven = sum(part.tile.inputs for part in parts)
    bit_lines = sum(part.tile.outputs + corrections for part in parts)
    additions = sum(part.tile.outputs * (1 + corrections) for part in parts) - layout.outputs + offsets
    return MatrixUse(
        name=name, inputs=layout.inputs, outputs=layout.outputs, row_blocks=rows, column_blocks=columns,
        digits=digits, tiles=len(parts),
        cells_used=sum(lines * part.tile.inputs * (part.tile.outputs + corrections) for part in parts),
        cells_total=lines * tile.inputs * (tile.outputs + corrections) * len(parts), word_lines=lines * driven,
        bit_lines=bit_lines, vectors=vectors, dac_conversions=vectors * driven,
        conversions={function: vectors * bit_lines}, digital_additions=vectors * additions,
    )  # fmt: skip
