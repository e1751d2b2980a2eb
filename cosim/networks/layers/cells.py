"""What LSTM and GRU have in common: levels and directions, gates on tiles, states in and out."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from cosim.compiled import compiled
from cosim.errors import CosimError
from cosim.networks.layers.protocol import MatrixWeights, Plan, Products, Values, real, wrong_shape

States = tuple[Values, ...]


@dataclass(frozen=True)
class Recurrent:
    """Weights of LSTM or GRU layers one behind the other, as torch.nn.LSTM's and torch.nn.GRU's.

    Attributes
    ----------
    arrays: "weight_ih_l0" (gates x hidden, inputs), "weight_hh_l0", "bias_ih_l0", "bias_hh_l0" (or no biases), and of
        a projection "weight_hr_l0" (projection, hidden); with l1 .. for more layers and "_reverse" behind the name for
        the second direction.
    batch_first: whether sequences are (batch, steps, inputs); else (steps, batch, inputs).
    """

    arrays: Mapping[str, NDArray[np.floating]]
    batch_first: bool = False

    @property
    def levels(self) -> int:
        """How many layers."""
        return len([name for name in self.arrays if name.startswith("weight_ih_l") and not name.endswith("_reverse")])

    @property
    def directions(self) -> int:
        """1, or 2 where a second set of cells reads the sequences backwards."""
        return 2 if "weight_ih_l0_reverse" in self.arrays else 1

    def of(self, kind: str, suffix: str) -> NDArray[np.float64]:
        """An array in float64, e.g. ("weight_ih", "l0"); of a missing bias zeros."""
        name = f"{kind}_{suffix}"
        if name not in self.arrays and kind.startswith("bias"):
            return np.zeros(len(self.arrays[f"weight_ih_{suffix}"]))
        return np.asarray(self.arrays[name], np.float64)

    def suffixes(self) -> list[str]:
        """ "l0", "l0_reverse", "l1" ..: one for each set of cells, in the order of torch's states."""
        return [f"l{level}{ending}" for level in range(self.levels) for ending in ("", "_reverse")[: self.directions]]


class Gates:
    """The matrices over [x, h] that a set of cells begins with, and what is fed to them.

    Parameters
    ----------
    weights: gate -> (inputs + fed back, hidden) in float64.
    functions: gate -> what its converter makes.
    inputs, fed_back: sizes of x and h.
    bias: gate -> (hidden,), where it is a row of the arrays with the input 1; None where it is added digitally.
    """

    def __init__(
        self,
        weights: Mapping[str, NDArray[np.float64]],
        functions: Mapping[str, str],
        inputs: int,
        fed_back: int,
        bias: Mapping[str, NDArray[np.float64]] | None,
    ) -> None:
        self.names, self.inputs, self.rows = list(weights), inputs, inputs + fed_back
        self._weights = {
            name: each if bias is None else np.concatenate([each, bias[name][None]]) for name, each in weights.items()
        }
        self._functions = functions
        self.groups = {"x": inputs, "h": fed_back} | ({} if bias is None else {"bias": 1})
        self.set_ranges(dict.fromkeys(self.groups, 1.0))

    def set_ranges(self, ranges: Mapping[str, float]) -> None:
        """The magnitude of each group of inputs that full scale is to stand for."""
        self.ranges = dict(ranges)
        factors = np.repeat([ranges[name] for name in self.groups], list(self.groups.values()))
        self.matrices = {
            name: MatrixWeights(each * factors[:, None], self._functions[name], self.groups)
            for name, each in self._weights.items()
        }

    def room(self, batch: int) -> Values:
        """What is fed in a step, (batch, rows), filled by `fill`; the bias's input is in it."""
        return np.full((batch, sum(self.groups.values())), 1.0 / self.ranges.get("bias", 1.0), np.float32)

    def fill(self, fed: Values, x: Values, hidden: Values) -> None:
        """x and h of a step, over their ranges."""
        np.multiply(x, np.float32(1.0 / self.ranges["x"]), out=fed[:, : self.inputs])
        np.multiply(hidden, np.float32(1.0 / self.ranges["h"]), out=fed[:, self.inputs : self.rows])


class Cells(Protocol):
    """One set of cells: a layer of one direction."""

    @property
    def inputs(self) -> int: ...

    @property
    def sizes(self) -> tuple[int, ...]:
        """Of each state; the first is what is put out."""

    @property
    def matrices(self) -> Mapping[str, MatrixWeights]: ...

    @property
    def fed(self) -> Gates: ...

    def run(self, run: Products, sequence: Values, states: States, backwards: bool) -> Values:
        """All steps of (batch, steps, inputs); the states (batch, size) are changed in place; the outputs
        (batch, steps, sizes[0])."""


class RecurrentLayer:
    """Sets of cells one behind the other and, with two directions, side by side."""

    def __init__(self, name: str, batch_first: bool, directions: int, cells: Sequence[Cells]) -> None:
        self.name, self.batch_first, self.directions, self.cells = name, batch_first, directions, tuple(cells)

    @property
    def matrices(self) -> Mapping[str, MatrixWeights]:
        """Those of all sets of cells."""
        return {name: matrix for each in self.cells for name, matrix in each.matrices.items()}

    def set_ranges(self, matrix: str, ranges: Mapping[str, float]) -> None:
        """Of all gates of the set of cells that this gate belongs to."""
        next(each for each in self.cells if matrix in each.matrices).fed.set_ranges(ranges)

    def forward(self, run: Products, *arguments: Any) -> tuple[Values, Any]:
        """Outputs of the last layer, and all layers' states after the last step, as torch's module gives them.

        arguments: sequences, and the states before the first step (zeros without them): LSTM (h, c), GRU h, each
        (layers x directions, batch, size). A single sequence (steps, inputs) has no dimension of the batch anywhere.
        """
        sequence = real(self.name, arguments[0], self._allowed)
        single = sequence.ndim == 2
        if single:
            sequence = sequence[None]
        elif not self.batch_first:
            sequence = sequence.swapaxes(0, 1)
        if sequence.ndim != 3 or sequence.shape[2] != self.cells[0].inputs:
            raise wrong_shape(self.name, np.shape(arguments[0]), self._allowed)
        if sequence.shape[1] == 0:
            raise CosimError("a sequence without a single step", key=self.name, value=np.shape(arguments[0]))
        states = self._states(arguments[1] if len(arguments) > 1 else None, len(sequence), single)
        for level in range(0, len(self.cells), self.directions):
            found = [
                self.cells[n].run(run, sequence, states[n], backwards=n > level)
                for n in range(level, level + self.directions)
            ]
            sequence = found[0] if self.directions == 1 else np.concatenate(found, axis=2)
        ended = tuple(np.stack(each) for each in zip(*states, strict=True))
        if single:
            ended, sequence = tuple(each[:, 0] for each in ended), sequence[0]
        elif not self.batch_first:
            sequence = sequence.swapaxes(0, 1)
        return sequence, ended if len(ended) > 1 else ended[0]

    @property
    def _allowed(self) -> str:
        return f"({'batch, steps' if self.batch_first else 'steps, batch'}, {self.cells[0].inputs})"

    def _states(self, given: Any, batch: int, single: bool) -> list[States]:
        """States of each set of cells, arrays of our own."""
        sizes = self.cells[0].sizes
        if given is None:
            return [tuple(np.zeros((batch, size), np.float32) for size in sizes) for _ in self.cells]
        parts = tuple(given) if len(sizes) > 1 and isinstance(given, tuple | list) else (given,)
        if len(parts) != len(sizes):
            raise CosimError("the state of an LSTM is a pair (h, c)", key=self.name, value=type(given).__name__)
        arrays = []
        for part, size in zip(parts, sizes, strict=True):
            state = real(self.name, part, f"({len(self.cells)}, batch, {size})")
            state = state[:, None] if single and state.ndim == 2 else state
            if state.shape != (len(self.cells), batch, size):
                raise CosimError(
                    f"a state of shape {np.shape(part)} does not fit this layer", key=self.name,
                    allowed=f"({len(self.cells)}, {batch}, {size}), the batch in the middle",
                )  # fmt: skip
            arrays.append(state)
        return [tuple(np.array(state[n], order="C") for state in arrays) for n in range(len(self.cells))]


def diagonal(size: int, plan: Plan) -> list[tuple[int, int]]:
    """(first, end) of the blocks in which sums go through a second conversion, each output by a cell of its own."""
    block = min(size, plan.rows or size, plan.columns or size)
    return [(first, min(first + block, size)) for first in range(0, size, block)]


def second_matrices(name: str, size: int, function: str, plan: Plan) -> dict[str, MatrixWeights]:
    """The arrays of a second conversion: one cell of weight 1 an output, NAME.second, or NAME.second0 .. of blocks."""
    blocks = diagonal(size, plan)
    return {
        f"{name}.second" if len(blocks) == 1 else f"{name}.second{n}": MatrixWeights(
            np.eye(end - first), function, alone=True
        )
        for n, (first, end) in enumerate(blocks)
    }


def second_conversion(run: Products, names: Sequence[str], sums: Values, plan: Plan) -> Values:
    """Sums (batch, size) through the matrices of `second_matrices`."""
    parts = [
        run.product(name, np.ascontiguousarray(sums[:, first:end]))
        for name, (first, end) in zip(names, diagonal(sums.shape[1], plan), strict=True)
    ]
    return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)


@compiled()
def sigmoid(x: float) -> float:
    """1 / (1 + exp(-x)); of no input an overflow."""
    if x >= 0:
        return 1.0 / (1.0 + math.exp(-x))
    e = math.exp(x)
    return e / (1.0 + e)
