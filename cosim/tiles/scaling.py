"""What full scale stands for at inputs, weights and outputs of a matrix on tiles.

With s_x, s_w and s_y the full scales of inputs, weights and outputs, a tile gets x~ = x / s_x, holds

    W~ = W s_x / s_y    with    w_max = s_w s_x / s_y = 1 / a,

and y += s_y y~. So a says how many products of a full-scale input and a full-scale weight the converter has room for:
s_y = a s_x s_w. A column may have an s_w and so an s_y of its own; a is that of a tile, for it sets the input pulses.

Source of the names: F. Garcia-Redondo, S. Das, G. Rosendale, "Training DNN IoT Applications for Deployment On Analog
NVM Crossbars", arXiv:1910.13850, where one set of them serves all layers of a network (the mode "network").
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field

from cosim.blocks.config import BlockConfig
from cosim.errors import CosimError
from cosim.tiles.mapping import Layout

Array = NDArray[np.float64]

Mode = Literal["column", "tile", "layer", "network"]

SCALABLE = ("linear", "relu")
"""Functions with g(s x) = s g(x), s > 0; of all others s_y is 1, the function's own unit."""


class ScalingConfig(BlockConfig):
    """How full scales are chosen. What is given is taken; the rest follows from weights and calibration data.

    s_w is the largest magnitude of the weights: of each column of each tile, of each tile, of a layer's matrix, or of
    all matrices of the network ("network": one s_x, s_w and s_y for all). a follows from the MAC results: of each tile
    ("column" and "tile"), of the layer, or of the network. Columns of a converter that makes an activation share one
    scale; there "column" means "tile".
    """

    mode: Mode = Field("column", description="what has full scales of its own")
    s_x: float | None = Field(None, gt=0, description="input that full scale of the DAC stands for; default: chosen")
    s_w: float | None = Field(None, gt=0, description="weight that the conductance window stands for; default: chosen")
    s_y: float | None = Field(
        None, gt=0, description="output that full scale of the ADC stands for, one for all; default: chosen"
    )
    input_percentile: float = Field(
        100.0, gt=0, le=100, description="of the magnitudes of inputs, which s_x is [%]; the rest saturates"
    )
    output_percentile: float = Field(
        99.9, gt=0, le=100, description="of the magnitudes of MAC results, which s_y is [%]; the rest saturates"
    )


@dataclass(frozen=True)
class Scales:
    """Full scales of a matrix.

    Attributes
    ----------
    s_x: of the inputs.
    s_w: of the weights: one, or one a column (outputs,), or one a column of each block of rows (row blocks, outputs).
    a: s_y / (s_x s_w): one, or one a tile (row blocks, column blocks) or (row blocks, column blocks, digits).

    Raises CosimError for one that is not finite or not above zero.
    """

    s_x: float
    s_w: float | Array
    a: float | Array

    def __post_init__(self) -> None:
        for name in ("s_x", "s_w", "a"):
            values = np.asarray(getattr(self, name), dtype=np.float64)
            if not (np.isfinite(values).all() and (values > 0).all()):
                raise CosimError("full scales must be finite and above zero", key=name, value=float(values.min()))

    @classmethod
    def uniform(cls, s_x: float, s_w: float, s_y: float) -> Scales:
        """One of each for the whole matrix."""
        return cls(s_x, s_w, s_y / (s_x * s_w))

    @classmethod
    def of_activation(cls, weights: ArrayLike, s_x: float = 1.0) -> Scales:
        """For a converter that makes an activation in its own unit, s_y = 1; s_w is the weights' largest magnitude."""
        return cls.uniform(s_x, float(largest(checked_weights(weights))), 1.0)

    def weight_scales(self, layout: Layout) -> Array:
        """s_w of shape (row blocks, outputs)."""
        return _spread("s_w", self.s_w, (layout.shape[0], layout.outputs))

    def ranges(self, layout: Layout) -> Array:
        """a of shape (row blocks, column blocks, digits)."""
        values = np.asarray(self.a, dtype=np.float64)
        return _spread("a", values[..., None] if values.ndim == 2 else values, layout.shape)


@dataclass(frozen=True)
class Clipping:
    """What saturates of calibration data.

    Attributes
    ----------
    dac: share of the inputs beyond s_x.
    adc: name of the part -> share of its MAC results beyond the converter's range, the correction column's included;
        zero of an activation that saturates by itself.
    """

    dac: float
    adc: Mapping[str, float]

    @property
    def worst(self) -> float:
        """The largest share of a part."""
        return max(self.adc.values())


def largest(weights: Array) -> float:
    """Largest magnitude; 1 where all weights are zero, which fit any window."""
    return float(np.abs(weights).max(initial=0.0)) or 1.0


def checked_weights(weights: ArrayLike, shape: Sequence[int] | None = None, name: str = "matrix") -> Array:
    """Weights as float64 (inputs, outputs); CosimError for another shape and for values that are not finite."""
    w = np.asarray(weights, dtype=np.float64)
    if w.ndim != 2 or (shape is not None and w.shape != tuple(shape)) or not w.size:
        raise CosimError(f"weights of {name} have the shape {w.shape}", key="weights",
                         allowed="(inputs, outputs)" if shape is None else str(tuple(shape)))  # fmt: skip
    if not np.isfinite(w).all():
        raise CosimError(f"weights of {name} must be finite numbers", key="weights", value=float(w[~np.isfinite(w)][0]))
    return w


def _spread(name: str, value: float | Array, shape: tuple[int, ...]) -> Array:
    values = np.asarray(value, dtype=np.float64)
    try:
        return np.broadcast_to(values, shape)
    except ValueError:
        raise CosimError(
            "full scales do not fit the matrix", key=name, value=values.shape, allowed=str(shape)
        ) from None
