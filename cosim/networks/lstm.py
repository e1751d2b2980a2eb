"""An LSTM whose gates are tiles.

Each gate is one tile: its activation (sigmoid for i, f, o; tanh for g) comes straight out of the ramp ADC.
What is left is digital, in float32: the cell state, tanh of the cell state, the product with the output gate,
and the head.

    z = [x_t, h_{t-1}, 1]      i, f, o = sigmoid(z W_i), sigmoid(z W_f), sigmoid(z W_o)      g = tanh(z W_g)
    c_t = f c_{t-1} + i g      h_t = o tanh(c_t)      logits = h_T W_head + b_head

Source: S. Hochreiter, J. Schmidhuber, Neural Computation 9, 1735 (1997), with the forget gate of F. A. Gers et
al., Neural Computation 12, 2451 (2000); gate order and equations as in torch.nn.LSTM.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cosim.compiled import compiled
from cosim.errors import CosimError
from cosim.networks.weights import GATE_FUNCTIONS, GATES, LstmWeights
from cosim.tiles.group import forward_all
from cosim.tiles.hardware import Hardware
from cosim.tiles.protocol import Fidelity, Tile

__all__ = ["GATES", "GATE_FUNCTIONS", "LstmNetwork", "LstmWeights", "StepRecord", "lstm_network"]


@dataclass(frozen=True)
class StepRecord:
    """All that went in and out of the tiles in one time step, enough to replay it on other tiles.

    Attributes
    ----------
    step: time step, from 0.
    inputs: shape (batch, inputs + hidden + 1), what every tile was given, in units of the network.
    activations: gate -> shape (batch, hidden), what its tile gave back.
    cell, hidden: c_t and h_t after the step, shape (batch, hidden).
    """

    step: int
    inputs: NDArray[np.float64]
    activations: dict[str, NDArray[np.float64]]
    cell: NDArray[np.float32]
    hidden: NDArray[np.float32]


class LstmNetwork:
    """An LSTM on four tiles, each of any fidelity, so one gate can run in ngspice while the rest runs fast.

    `tiles` maps the gates "i", "f", "g", "o" to tiles of `inputs + hidden + 1` inputs and `hidden` outputs,
    whose ADCs make the functions in GATE_FUNCTIONS.
    """

    def __init__(self, weights: LstmWeights, tiles: Mapping[str, Tile]) -> None:
        self.weights = weights
        self.tiles = dict(tiles)
        if set(self.tiles) != set(GATES):
            raise CosimError("an LSTM needs one tile a gate", key="tiles", value=sorted(self.tiles), allowed=GATES)
        rows, columns = weights.gates.shape[1:]
        for gate, tile in self.tiles.items():
            if (tile.inputs, tile.outputs) != (rows, columns):
                raise CosimError(
                    f"a tile of {tile.inputs} inputs and {tile.outputs} outputs does not fit the weights",
                    key=gate,
                    allowed=f"{rows} inputs, {columns} outputs",
                )

    def program(self, rng: np.random.Generator) -> None:
        """Write a chip.

        Each gate draws from a stream of its own, so one tile's draws do not shift another's.
        """
        for gate, matrix, stream in zip(GATES, self.weights.gates, rng.spawn(len(GATES)), strict=True):
            self.tiles[gate].program(matrix.astype(np.float64), stream)

    def forward(
        self,
        sequences: NDArray[np.floating],
        rng: np.random.Generator,
        record: Callable[[StepRecord], object] | None = None,
    ) -> NDArray[np.float32]:
        """Logits, shape (batch, classes).

        `sequences` of shape (batch, steps, inputs), full scale -1 .. 1. `rng` feeds what varies from read to
        read, a stream of its own for each gate. `record` is called after each step; `records.append` keeps all.
        """
        if sequences.ndim != 3 or sequences.shape[2] != self.weights.inputs:
            raise CosimError(
                f"sequences of shape {sequences.shape} do not fit the network",
                allowed=f"(batch, steps, {self.weights.inputs})",
            )
        batch, steps, _ = sequences.shape
        streams = dict(zip(GATES, rng.spawn(len(GATES)), strict=True))
        cell = np.zeros((batch, self.weights.hidden), dtype=np.float32)
        hidden = np.zeros_like(cell)
        bias = np.ones((batch, 1))
        for step in range(steps):
            inputs = np.concatenate([sequences[:, step], hidden, bias], axis=1).astype(np.float64)
            activations = forward_all(self.tiles, inputs, streams)
            i, f, g, o = (activations[gate].astype(np.float32) for gate in GATES)
            update_cell(i, f, g, o, cell, hidden)
            if record is not None:
                record(StepRecord(step, inputs, activations, cell.copy(), hidden.copy()))
        logits: NDArray[np.float32] = hidden @ self.weights.head_weights + self.weights.head_bias
        return logits

    def predict(self, sequences: NDArray[np.floating], rng: np.random.Generator) -> NDArray[np.int64]:
        """Class of each sequence, shape (batch,): the largest logit."""
        return np.argmax(self.forward(sequences, rng), axis=1).astype(np.int64)


def lstm_network(
    weights: LstmWeights, hardware: Hardware, fidelity: Fidelity | str | Mapping[str, Fidelity | str]
) -> LstmNetwork:
    """An LSTM on tiles of this hardware; `fidelity` for all gates or gate by gate. Size and w_max are the weights'.

    Raises CosimError where a gate is larger than any tile can be.
    """
    _, rows, columns = weights.gates.shape
    chosen = fidelity if isinstance(fidelity, Mapping) else dict.fromkeys(GATES, fidelity)
    size = {"inputs": rows, "outputs": columns, "w_max": weights.metadata.w_max}
    return LstmNetwork(weights, {gate: hardware.build(GATE_FUNCTIONS[gate], chosen[gate], **size) for gate in GATES})


@compiled()
def update_cell(
    i: NDArray[np.float32],
    f: NDArray[np.float32],
    g: NDArray[np.float32],
    o: NDArray[np.float32],
    cell: NDArray[np.float32],
    hidden: NDArray[np.float32],
) -> None:
    """c <- f c + i g and h <- o tanh(c), in place and in float32; all of shape (batch, hidden)."""
    for row in range(cell.shape[0]):
        for unit in range(cell.shape[1]):
            cell[row, unit] = f[row, unit] * cell[row, unit] + i[row, unit] * g[row, unit]
            hidden[row, unit] = o[row, unit] * math.tanh(cell[row, unit])
