"""What every tile can do, whatever its fidelity."""

from __future__ import annotations

from enum import StrEnum
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Fidelity(StrEnum):
    """How a tile computes, from real arithmetic to ngspice."""

    IDEAL = "ideal"
    QUANTISED = "quantised"
    BEHAVIOURAL = "behavioural"
    SPICE = "spice"


class Tile(Protocol):
    """A weight matrix in an analogue array with converters around it: y = g(x W).

    Attributes
    ----------
    inputs, outputs: size of the weight matrix.
    """

    inputs: int
    outputs: int

    def program(self, weights: NDArray[np.float64], rng: np.random.Generator) -> None:
        """Write a chip: `weights` of shape (inputs, outputs), in units of the network.

        Every static variation (programming error, comparator offsets, ramp column) is drawn here, from `rng`.
        Raises CosimError when a weight exceeds the window or is not finite.
        """

    def forward(self, inputs: NDArray[np.floating], rng: np.random.Generator) -> NDArray[np.float64]:
        """Activations for a batch.

        `inputs` of shape (batch, inputs), in units of the network (full scale -1 .. 1); returns (batch, outputs),
        the activation of each MAC result. What varies from read to read is drawn from `rng`.
        """
