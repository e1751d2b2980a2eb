"""An LSTM layer whose gates are programmed tiles of a grid, all steps at once; see `lstm_kernel`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cosim.errors import CosimError
from cosim.networks.lstm_kernel import work_sequences
from cosim.networks.weights import GATES
from cosim.tiles.grid import Grid, GridPart, side_by_side
from cosim.tiles.grid_kernel import make_room
from cosim.tiles.products import PANEL

UNIT = 32  # sequences that are worked on together, each by one thread from the first step to the last


class LstmGrid:
    """The gates' parts side by side.

    Parameters
    ----------
    gates: "i", "f", "g", "o" -> parts whose inputs are numbered as z = [x, h, 1] is, and outputs as the units.
    units: cells of the layer.
    scale, threads: see `Grid`.
    bias: the input that is always there, in the unit of x and h; None where there is none.
    constants: gate -> what is added to it, (units,).
    digital: whether sigmoid and tanh are taken of what the parts give, rather than given by them.
    """

    def __init__(
        self, gates: Mapping[str, Sequence[GridPart]], units: int, *, scale: float = 1.0, bias: float | None = 1.0,
        constants: Mapping[str, NDArray[np.floating[Any]]] | None = None, digital: bool = False, threads: int = 1,
    ) -> None:  # fmt: skip
        self.units, self.digital, self.threads = units, digital, threads
        self.width = -(-units // PANEL) * PANEL
        parts = [
            GridPart(part.tile, part.inputs, part.outputs + number * self.width, part.scales)
            for number, gate in enumerate(GATES)
            for part in gates[gate]
        ]
        constant = np.zeros((len(GATES), self.width))
        for number, gate in enumerate(GATES):
            if constants is not None:
                constant[number, :units] = constants[gate]
        self.grid = Grid(parts, len(GATES) * self.width, scale=scale, constant=constant.reshape(-1), threads=threads)
        self.bias = np.zeros(0, dtype=np.float32) if bias is None else np.array([bias], dtype=np.float32)

    def forward(
        self, sequences: NDArray[np.floating[Any]], rng: np.random.Generator, cell: NDArray[np.floating[Any]],
        hidden: NDArray[np.floating[Any]], *, all_steps: bool = True,
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:  # fmt: skip
        """h of each step (batch, steps, units), and the states c, h (batch, units) after the last one; all float32.

        Parameters
        ----------
        sequences: (batch, steps, inputs). cell, hidden: the states before, (batch, units).
        all_steps: whether h of each step is wanted; it is empty where not.

        Raises CosimError for values that are not finite.
        """
        grid = self.grid
        sequences = np.ascontiguousarray(sequences, dtype=np.float32)
        cell, hidden = (np.array(each, dtype=np.float32) for each in (cell, hidden))
        batch, steps, _ = sequences.shape
        outputs = np.empty((batch, steps, self.units) if all_steps else (0, 0, 0), dtype=np.float32)
        keys = grid.keys(rng)

        def work(numbers: Any) -> bool:
            room = make_room(grid.packed.parts, grid.tables, UNIT)
            finite = True
            for number in numbers:
                finite &= work_sequences(
                    grid.packed, room, sequences, number, number + 1, UNIT, grid.scale, float(grid.n),
                    float(grid.unit), self.bias, grid.constant, self.digital, keys, 0, cell, hidden,
                    outputs,
                )  # fmt: skip
            return finite

        if not all(side_by_side(work, -(-batch // UNIT), self.threads)):
            raise CosimError("inputs must be finite numbers", key="inputs")
        return outputs, cell, hidden
