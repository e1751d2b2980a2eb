"""GRU: gates r and z over [x, h], and the new state n whose two halves are matrices of their own.

    r, z = sigmoid([x_t, h_{t-1}] W + b)      n = tanh(x_t W_in + b_in + r (h_{t-1} W_hn + b_hn))
    h_t = (1 - z) n + z h_{t-1}

Source: K. Cho et al., EMNLP 2014; order and equations as in torch.nn.GRU, where r multiplies what comes of h after the
product. So n is no activation of one sum: its tanh is computed digitally where the gates come straight out of the ramp
ADC, or made in a second conversion where theirs are.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
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

GATES = ("r", "z")


@dataclass(frozen=True)
class Gru(Recurrent):
    """Weights of GRU layers."""

    kind = "gru"

    def bind(self, name: str, plan: Plan) -> RecurrentLayer:
        """The layer; matrices NAME.l0.r, .z, .n_input, .n_hidden."""
        cells = [GruCells(f"{name}.{suffix}", self, suffix, plan) for suffix in self.suffixes()]
        return RecurrentLayer(name, self.batch_first, self.directions, cells)


class GruCells:
    """One layer of one direction; the state is h."""

    def __init__(self, name: str, weights: Gru, suffix: str, plan: Plan) -> None:
        of_inputs, of_hidden = weights.of("weight_ih", suffix), weights.of("weight_hh", suffix)
        for_inputs, for_hidden = weights.of("bias_ih", suffix), weights.of("bias_hh", suffix)
        self.name, self.plan = name, plan
        self.hidden, self.inputs = of_hidden.shape[1], of_inputs.shape[1]
        self.sizes = (self.hidden,)
        self.activations = plan.gates(name, self.inputs + self.hidden + 1)
        thirds = [slice(n * self.hidden, (n + 1) * self.hidden) for n in range(3)]
        bias = for_inputs + for_hidden
        self.bias = np.stack([bias[thirds[0]], bias[thirds[1]], for_inputs[thirds[2]], for_hidden[thirds[2]]]).astype(
            np.float32
        )
        self.gates = [f"{name}.{gate}" for gate in GATES]
        self.halves = (f"{name}.n_input", f"{name}.n_hidden")
        ramp = self.activations == "ramp"
        self.fed = Gates(
            {
                key: np.concatenate([of_inputs[rows], of_hidden[rows]], axis=1).T
                for key, rows in zip(self.gates, thirds, strict=False)
            },
            dict.fromkeys(self.gates, "sigmoid" if ramp else "linear"),
            self.inputs,
            self.hidden,
            {key: bias[rows] for key, rows in zip(self.gates, thirds, strict=False)} if ramp else None,
        )
        self.second: dict[str, list[str]] = {}
        self._others = {
            key: MatrixWeights(matrix[thirds[2]].T)
            for key, matrix in zip(self.halves, (of_inputs, of_hidden), strict=True)
        }
        if self.activations == "second conversion":
            for key in (*self.gates, f"{name}.n"):
                own = second_matrices(key, self.hidden, "sigmoid" if key in self.gates else "tanh", plan)
                self.second[key] = list(own)
                self._others |= own

    @property
    def matrices(self) -> Mapping[str, MatrixWeights]:
        """Of the gates, of the two halves of n, of second conversions."""
        return {**self.fed.matrices, **self._others}

    def run(self, run: Products, sequence: Values, states: States, backwards: bool) -> Values:
        """All steps of (batch, steps, inputs)."""
        batch, steps, _ = sequence.shape
        (hidden,) = states
        ramp = self.activations == "ramp"
        fed = self.fed.room(batch)
        outputs = np.empty((batch, steps, self.hidden), np.float32)
        bias = self.bias
        for step in range(steps - 1, -1, -1) if backwards else range(steps):
            self.fed.fill(fed, sequence[:, step], hidden)
            r, z = run.products(self.gates, fed)
            n_input = run.product(self.halves[0], np.ascontiguousarray(sequence[:, step]))
            n_hidden = run.product(self.halves[1], hidden)
            if self.activations == "digital":
                update_from_sums(r, z, n_input, n_hidden, bias, hidden)
            elif ramp:
                new = np.tanh(n_input + bias[2] + r * (n_hidden + bias[3]))
                hidden[:] = (1 - z) * new + z * hidden
            else:
                r, z = (
                    second_conversion(run, self.second[gate], one + own, self.plan)
                    for gate, one, own in zip(self.gates, (r, z), bias, strict=False)
                )
                sums = n_input + bias[2] + r * (n_hidden + bias[3])
                new = second_conversion(run, self.second[f"{self.name}.n"], sums, self.plan)
                hidden[:] = (1 - z) * new + z * hidden
            outputs[:, step] = hidden
        self._count(run, batch * steps * self.hidden)
        return outputs

    def _count(self, run: Products, updates: int) -> None:
        """Digital work of so many updates of a state."""
        run.count(self.name, "multiply", 3 * updates)
        run.count(self.name, "add", (5 if self.activations == "ramp" else 7) * updates)  # two gates' biases
        if self.activations != "second conversion":
            run.count(self.name, "tanh", updates)
        if self.activations == "digital":
            run.count(self.name, "sigmoid", 2 * updates)


@compiled()
def update_from_sums(
    r: NDArray[np.float32],
    z: NDArray[np.float32],
    n_input: NDArray[np.float32],
    n_hidden: NDArray[np.float32],
    bias: NDArray[np.float32],
    hidden: NDArray[np.float32],
) -> None:
    """h <- (1 - z) n + z h in place, of sums (batch, hidden) without their bias (4, hidden)."""
    for row in range(hidden.shape[0]):
        for unit in range(hidden.shape[1]):
            reset = sigmoid(r[row, unit] + bias[0, unit])
            kept = sigmoid(z[row, unit] + bias[1, unit])
            new = math.tanh(n_input[row, unit] + bias[2, unit] + reset * (n_hidden[row, unit] + bias[3, unit]))
            hidden[row, unit] = (1.0 - kept) * new + kept * hidden[row, unit]
