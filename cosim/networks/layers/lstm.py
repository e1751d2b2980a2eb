"""LSTM: four gates a layer, each a matrix over [x, h] (and the bias, where it is a row of the array).

    i, f, o = sigmoid(z W + b)      g = tanh(z W + b)      z = [x_t, h_{t-1}]
    c_t = f c_{t-1} + i g           h_t = o tanh(c_t), times W_hr with a projection

Source: S. Hochreiter, J. Schmidhuber, Neural Computation 9, 1735 (1997), with the forget gate of F. A. Gers et al.,
Neural Computation 12, 2451 (2000); projection: H. Sak et al., Interspeech 2014; order and equations as in
torch.nn.LSTM. Where the gates' activations come from: see `Plan`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cosim.compiled import compiled
from cosim.networks.layers.cells import (
    Gates,
    Recurrent,
    RecurrentLayer,
    States,
    second_conversion,
    second_matrices,
    sigmoid,
)
from cosim.networks.layers.protocol import MatrixWeights, Plan, Products, Values
from cosim.networks.lstm_grid import LstmGrid
from cosim.networks.weights import GATE_FUNCTIONS, GATES
from cosim.tiles.grid import Grid


@dataclass(frozen=True)
class Lstm(Recurrent):
    """Weights of LSTM layers."""

    kind = "lstm"

    def bind(self, name: str, plan: Plan) -> RecurrentLayer:
        """The layer; matrices NAME.l0.i, .f, .g, .o, and NAME.l0.projection where there is one."""
        cells = [LstmCells(f"{name}.{suffix}", self, suffix, plan) for suffix in self.suffixes()]
        return RecurrentLayer(name, self.batch_first, self.directions, cells)


class LstmCells:
    """One layer of one direction; the states are h and c."""

    def __init__(self, name: str, weights: Lstm, suffix: str, plan: Plan) -> None:
        of_inputs, of_hidden = weights.of("weight_ih", suffix), weights.of("weight_hh", suffix)
        bias = weights.of("bias_ih", suffix) + weights.of("bias_hh", suffix)
        self.name, self.plan, self.hidden = name, plan, len(bias) // 4
        self.inputs, self.fed_back = of_inputs.shape[1], of_hidden.shape[1]
        self.sizes = (self.fed_back, self.hidden)
        self.activations = plan.gates(name, self.inputs + self.fed_back + 1)
        self.bias = bias.reshape(4, self.hidden).astype(np.float32)
        self.gates = [f"{name}.{gate}" for gate in GATES]
        functions = {f"{name}.{gate}": function for gate, function in GATE_FUNCTIONS.items()}
        ramp = self.activations == "ramp"
        self.fed = Gates(
            dict(zip(self.gates, np.split(np.concatenate([of_inputs, of_hidden], axis=1).T, 4, axis=1), strict=True)),
            functions if ramp else dict.fromkeys(functions, "linear"),
            self.inputs,
            self.fed_back,
            dict(zip(self.gates, bias.reshape(4, -1), strict=True)) if ramp else None,
        )
        self._kept: tuple[list[Grid | None], LstmGrid | None] | None = None  # grids, and what they make together
        self.second: dict[str, list[str]] = {}
        self._others: dict[str, MatrixWeights] = {}
        if self.activations == "second conversion":
            for gate in self.gates:
                own = second_matrices(gate, self.hidden, functions[gate], plan)
                self.second[gate] = list(own)
                self._others |= own
        self.projection = None
        if f"weight_hr_{suffix}" in weights.arrays:
            self.projection = f"{name}.projection"
            self._others[self.projection] = MatrixWeights(weights.of("weight_hr", suffix).T)

    @property
    def matrices(self) -> Mapping[str, MatrixWeights]:
        """Of the gates, of second conversions, of the projection."""
        return {**self.fed.matrices, **self._others}

    def run(self, run: Products, sequence: Values, states: States, backwards: bool) -> Values:
        """All steps of (batch, steps, inputs)."""
        batch, steps, _ = sequence.shape
        hidden, cell = states
        joined = self._joined(run)
        if joined is not None:
            keys = np.concatenate(
                [run.grid(gate).keys(run.passed(gate, batch * steps)) for gate in self.gates]  # type: ignore[union-attr]
            )
            outputs = joined.forward(sequence[:, ::-1] if backwards else sequence, hidden, cell, keys)
            self._count(run, batch * steps * self.hidden)
            return outputs[:, ::-1] if backwards else outputs
        fed = self.fed.room(batch)
        outputs = np.empty((batch, steps, self.fed_back), np.float32)
        inner = hidden if self.projection is None else np.empty((batch, self.hidden), np.float32)
        for step in range(steps - 1, -1, -1) if backwards else range(steps):
            self.fed.fill(fed, sequence[:, step], hidden)
            sums = run.products(self.gates, fed)
            i, f, g, o = sums
            if self.activations == "digital":
                update_from_sums(i, f, g, o, self.bias, cell, inner)
            else:
                if self.second:
                    i, f, g, o = (
                        second_conversion(run, self.second[gate], one + bias, self.plan)
                        for gate, one, bias in zip(self.gates, sums, self.bias, strict=True)
                    )
                update_cell(i, f, g, o, cell, inner)
            if self.projection is not None:
                hidden[:] = run.product(self.projection, inner)
            outputs[:, step] = hidden
        self._count(run, batch * steps * self.hidden)
        return outputs

    def _joined(self, run: Products) -> LstmGrid | None:
        """All gates and steps in compiled code; None where a gate is not in a grid, or its vectors go elsewhere too."""
        if self.second or self.projection is not None:
            return None
        grids = [run.grid(gate) for gate in self.gates]
        if any(grid is None for grid in grids):
            return None
        kept = self._kept
        if kept is None or any(now is not then for now, then in zip(grids, kept[0], strict=True)):
            kept = (grids, self._join([grid for grid in grids if grid is not None]))
            self._kept = kept
        return kept[1]

    def _join(self, grids: Sequence[Grid]) -> LstmGrid | None:
        if len({grid.dac for grid in grids}) > 1:
            return None
        digital, ranges = self.activations == "digital", self.fed.ranges
        return LstmGrid(
            {gate: grid.parts for gate, grid in zip(GATES, grids, strict=True)},
            self.hidden,
            factors=(1.0 / ranges["x"], 1.0 / ranges["h"]),
            bias=None if digital else 1.0 / ranges["bias"],
            constants={
                gate: grid.added + (bias if digital else 0.0)
                for gate, grid, bias in zip(GATES, grids, self.bias, strict=True)
            },
            digital=digital,
            scale=grids[0].dac.full,
            threads=grids[0].threads,
        )

    def _count(self, run: Products, updates: int) -> None:
        """Digital work of so many updates of a cell: f c + i g, o tanh(c), and what the gates leave."""
        run.count(self.name, "multiply", 3 * updates)
        run.count(self.name, "add", (1 if self.activations == "ramp" else 5) * updates)  # c; and the four biases
        run.count(self.name, "tanh", (2 if self.activations == "digital" else 1) * updates)
        if self.activations == "digital":
            run.count(self.name, "sigmoid", 3 * updates)


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


@compiled()
def update_from_sums(
    i: NDArray[np.float32],
    f: NDArray[np.float32],
    g: NDArray[np.float32],
    o: NDArray[np.float32],
    bias: NDArray[np.float32],
    cell: NDArray[np.float32],
    hidden: NDArray[np.float32],
) -> None:
    """c <- sigmoid(f) c + sigmoid(i) tanh(g) and h <- sigmoid(o) tanh(c), in place, of sums (batch, hidden) without
    their bias (4, hidden)."""
    for row in range(cell.shape[0]):
        for unit in range(cell.shape[1]):
            new = sigmoid(f[row, unit] + bias[1, unit]) * cell[row, unit] + sigmoid(
                i[row, unit] + bias[0, unit]
            ) * math.tanh(g[row, unit] + bias[2, unit])
            cell[row, unit] = new
            hidden[row, unit] = sigmoid(o[row, unit] + bias[3, unit]) * math.tanh(new)
