"""What layers are to the rest: weights, that are laid out for tiles of a size, and then work on a piece of data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, get_args

import numpy as np
from numpy.typing import NDArray

from cosim.errors import CosimError, did_you_mean
from cosim.tiles.grid import Grid

Values = NDArray[np.float32]
Activations = Literal["auto", "ramp", "digital", "second conversion"]


@dataclass(frozen=True)
class Plan:
    """How layers are laid out.

    Attributes
    ----------
    rows, columns: inputs and outputs of a tile; None where there are no tiles (real arithmetic).
    activations: where the gates of LSTM and GRU come from. "ramp": straight out of a nonlinear ramp ADC, the bias being
        one more row of the array; only where all rows fit a tile. "digital": partial sums are converted linearly and
        added, the activation is computed. "second conversion": the sum goes back through a DAC to a nonlinear ramp
        ADC. "auto": "ramp" where it fits and the mapping allows it, else "digital".
    """

    rows: int | None = None
    columns: int | None = None
    activations: Activations = "digital"

    def __post_init__(self) -> None:
        if self.activations not in get_args(Activations):
            raise CosimError(f"gates do not come from there.{did_you_mean(self.activations, get_args(Activations))}",
                             key="activations", value=self.activations, allowed=get_args(Activations))  # fmt: skip

    def gates(self, name: str, rows: int) -> Literal["ramp", "digital", "second conversion"]:
        """Where the gates of a layer with matrices of so many rows, the bias included, come from."""
        if self.activations == "auto":
            return "ramp" if self.rows is not None and rows <= self.rows else "digital"
        if self.activations == "ramp" and (self.rows is None or rows > self.rows):
            raise CosimError(
                f"gates straight out of the ramp ADC need all {rows} rows (inputs, hidden state, bias) on one tile",
                key=name, value=self.rows, allowed=f"tiles of {rows} inputs or more, or other activations",
            )  # fmt: skip
        return self.activations


@dataclass(frozen=True)
class MatrixWeights:
    """One matrix of a layer.

    Attributes
    ----------
    weights: float64 (inputs, outputs).
    function: what the converter behind it makes of the sum; "linear" where partial sums may be added.
    groups: inputs -> how many of them, in this order, when they may have ranges of their own; of a gate: x, h, bias.
    alone: each output is the function of one input, whose weight is 1; beyond the converter's outer thresholds nothing
        changes, so that the DAC need not reach farther.
    """

    weights: NDArray[np.float64]
    function: str = "linear"
    groups: Mapping[str, int] | None = None
    alone: bool = False


class Products(Protocol):
    """Who multiplies by the matrices, and counts what the layers do digitally."""

    def product(self, matrix: str, vectors: Values) -> Values:
        """Vectors (count, inputs) through one matrix: (count, outputs)."""

    def products(self, matrices: Sequence[str], vectors: Values) -> list[Values]:
        """The same vectors through several matrices."""

    def grid(self, matrix: str) -> Grid | None:
        """All tiles of a matrix in compiled code; None where vectors have to go through `product`."""

    def passed(self, matrix: str, vectors: int) -> np.random.Generator:
        """So many vectors go through the grid of a matrix: what its noise is drawn from."""

    def count(self, layer: str, operation: str, number: int) -> None:
        """So many digital operations."""


class Layer(Protocol):
    """A layer laid out for tiles. `matrices`: their names begin with the layer's."""

    @property
    def matrices(self) -> Mapping[str, MatrixWeights]: ...

    def forward(self, run: Products, *arguments: Any) -> Any:
        """What the layer makes of values; arrays as PyTorch's layer has them."""

    def set_ranges(self, matrix: str, ranges: Mapping[str, float]) -> None:
        """Of a matrix whose inputs come in groups: the magnitude of each group that full scale of the DAC is to stand
        for. Inputs are divided by it digitally and weights multiplied, for all matrices that have the same inputs."""


class LayerWeights(Protocol):
    """Weights of a layer, as trained."""

    @property
    def kind(self) -> str:
        """ "linear", "conv2d", "lstm", "gru"."""

    def bind(self, name: str, plan: Plan) -> Layer:
        """The layer with its matrices; CosimError when it cannot be laid out so."""


def real(name: str, values: Any, dimensions: str) -> Values:
    """Values as float32; CosimError when a layer is given something else than an array of real numbers."""
    if not isinstance(values, np.ndarray):
        raise CosimError(f"this layer takes an array of shape {dimensions}", key=name, value=values)
    if not np.issubdtype(values.dtype, np.floating):
        raise CosimError(
            "this layer takes real numbers; convert and scale them as in the training", key=name,
            value=str(values.dtype), allowed="float32 or float64",
        )  # fmt: skip
    return values.astype(np.float32, copy=False)


def wrong_shape(name: str, shape: tuple[int, ...], allowed: str) -> CosimError:
    """The error for values of another shape than the layer takes."""
    return CosimError(f"values of shape {shape} do not fit this layer", key=name, allowed=allowed)
