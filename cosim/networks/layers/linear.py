"""A linear layer: y = x W + b; the bias is added digitally."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cosim.errors import CosimError
from cosim.networks.layers.protocol import MatrixWeights, Plan, Products, Values, real, wrong_shape


@dataclass(frozen=True)
class Linear:
    """Weights of a linear layer, as torch.nn.Linear's.

    Attributes
    ----------
    weight: (outputs, inputs).
    bias: (outputs,) or None.
    normalised: whether a batch norm is folded in. That is one of the second dimension, which is the outputs' only where
        values have two.
    """

    weight: NDArray[np.floating]
    bias: NDArray[np.floating] | None = None
    normalised: bool = False
    kind = "linear"

    def bind(self, name: str, plan: Plan) -> LinearLayer:
        """The layer; one matrix of its name."""
        del plan
        return LinearLayer(name, self)


class LinearLayer:
    """y = x W + b for x of shape (..., inputs)."""

    def __init__(self, name: str, weights: Linear) -> None:
        self.name, self.normalised = name, weights.normalised
        self.bias = None if weights.bias is None else np.asarray(weights.bias, np.float32)
        self.inputs, self.outputs = weights.weight.shape[1], weights.weight.shape[0]
        self.matrices: Mapping[str, MatrixWeights] = {name: MatrixWeights(np.asarray(weights.weight, np.float64).T)}

    def forward(self, run: Products, *arguments: Any) -> Values:
        """(..., inputs) to (..., outputs)."""
        values = real(self.name, arguments[0], f"(..., {self.inputs})")
        if values.ndim < 1 or values.shape[-1] != self.inputs:
            raise wrong_shape(self.name, values.shape, f"(..., {self.inputs})")
        if self.normalised and values.ndim > 2:
            raise CosimError(
                f"the batch norm behind this layer is folded into it, but of values of shape {values.shape} it"
                " normalises the second dimension, which is not the layer's outputs",
                key=self.name, allowed=f"(batch, {self.inputs}), or the batch norm named in `digital`",
            )  # fmt: skip
        found = run.product(self.name, values.reshape(-1, self.inputs))
        if self.bias is not None:
            found = found + self.bias
            run.count(self.name, "add", found.size)
        return found.reshape(*values.shape[:-1], self.outputs)

    def set_ranges(self, matrix: str, ranges: Mapping[str, float]) -> None:
        """All inputs of this layer are of one kind."""
        raise AssertionError(matrix)
