"""What one inference asks of the hardware, as plain counts: the interface between networks and costs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cosim.errors import CosimError
from cosim.tiles.config import TileConfig

Array = NDArray[np.float64]
Operation = Literal["addition", "multiplication", "activation", "comparison"]


@dataclass(frozen=True)
class DigitalWork:
    """Element-wise work of one inference.

    Attributes
    ----------
    purpose: what it is for, e.g. "partial sums", "cell update", "residual".
    operation: "activation" is one of the digital processors' functions of several cycles; the others take one.
    count: how often an inference.
    bits: width of the operands.
    """

    purpose: str
    operation: Operation
    count: float
    bits: int

    def __post_init__(self) -> None:
        if self.count < 0 or self.bits < 1:
            raise CosimError("work is counted from zero up, in one bit or more", key=self.purpose, value=self.count)


@dataclass(frozen=True)
class TileWork:
    """One tile and what it does in an inference.

    Attributes
    ----------
    name: of the matrix and the part, e.g. "lstm.l0.i.r0c0".
    config: of the tile; its ADC's function is what the converter gives, "linear" for a partial sum.
    cells: programmed conductances of the whole array, (word lines, bit lines) [S].
    codes: a sample of input codes (vectors, inputs), whose mean energy counts.
    operations: vectors an inference.
    """

    name: str
    config: TileConfig
    cells: Array
    codes: NDArray[np.int64]
    operations: float

    def __post_init__(self) -> None:
        shape = (self.config.array.rows, self.config.array.columns)
        if self.cells.shape != shape:
            raise CosimError(
                f"cells of shape {self.cells.shape} do not fit the tile", key=self.name, allowed=f"{shape}"
            )
        if self.codes.ndim != 2 or self.codes.shape[1] != self.config.inputs or not len(self.codes):
            raise CosimError(
                f"codes of shape {self.codes.shape} do not fit the tile", key=self.name,
                allowed=f"(vectors, {self.config.inputs})",
            )  # fmt: skip

    @property
    def converted(self) -> int:
        """Columns that are converted in each operation."""
        return self.config.bit_lines


@dataclass(frozen=True)
class LayerWork:
    """One layer in one inference.

    Attributes
    ----------
    name: of the layer.
    multiplications: multiply-accumulates of its weights.
    steps: operations of its tiles that follow one another; in each step all its tiles work side by side.
    tiles: its tiles.
    digital: element-wise work.
    read, written: bits from and to the buffers.
    stored: bits that the buffers must hold for it at a time.
    """

    name: str
    multiplications: float
    steps: float = 0.0
    tiles: tuple[TileWork, ...] = ()
    digital: tuple[DigitalWork, ...] = ()
    read: float = 0.0
    written: float = 0.0
    stored: float = 0.0

    def count(self, operation: Operation, purpose: str | None = None) -> float:
        """Digital operations of that kind, of that purpose or of all."""
        return sum(
            each.count for each in self.digital
            if each.operation == operation and purpose in (None, each.purpose)
        )  # fmt: skip


def cell_update(units: int, steps: int, bits: int) -> tuple[DigitalWork, ...]:
    """Of an LSTM, whose gates come from elsewhere: c <- f c + i g, h <- o tanh(c) for each unit and step."""
    count = float(units * steps)
    return (
        DigitalWork("cell update", "multiplication", 3 * count, bits),
        DigitalWork("cell update", "addition", count, bits),
        DigitalWork("tanh of the cell", "activation", count, bits),
    )


def gate_activations(units: int, steps: int, bits: int) -> DigitalWork:
    """The four gates' functions of an LSTM, where the converters do not give them."""
    return DigitalWork("gates", "activation", 4.0 * units * steps, bits)


def processor_passes(count: float, processors: int) -> int:
    """Passes of `processors` that work side by side over `count` functions; 2560 of 512 LSTM units by 32: 80."""
    if processors < 1:
        raise CosimError("at least one processor is wanted", key="processors", value=processors, allowed="1 or more")
    return int(-(-count // processors))


def multiplications(layers: Iterable[LayerWork]) -> float:
    """Multiply-accumulates of all layers."""
    return sum(layer.multiplications for layer in layers)
