"""An LSTM layer whose gates are programmed tiles of a grid, all steps at once; see `lstm_kernel`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cosim.errors import CosimError
from cosim.networks.lstm_kernel import work_sequences
from cosim.networks.weights import GATES
from cosim.tiles.grid import Grid, side_by_side
from cosim.tiles.grid_inputs import all_finite
from cosim.tiles.grid_kernel import make_room
from cosim.tiles.grid_parts import GridPart
from cosim.tiles.products import PANEL

UNIT = 32  # sequences that are worked on together, by one thread from the first step to the last


class LstmGrid:
    """The gates' parts side by side.

    Parameters
    ----------
    gates: "i", "f", "g", "o" -> parts whose inputs are numbered as z = [x, h, 1] is, and outputs as the units.
    units: cells of the layer.
    factors: x and h are multiplied by these before they go to the DACs.
    bias: the input that is always there, as the DACs get it; None where there is none.
    constants: gate -> what is added to it, (units,).
    digital: whether sigmoid and tanh are taken of what the parts give, rather than given by them.
    scale, threads: see `Grid`.
    """

    def __init__(
        self, gates: Mapping[str, Sequence[GridPart]], units: int, *, factors: tuple[float, float] = (1.0, 1.0),
        bias: float | None = 1.0, constants: Mapping[str, NDArray[np.floating[Any]]] | None = None,
        digital: bool = False, scale: float = 1.0, threads: int = 1,
    ) -> None:  # fmt: skip
        self.units, self.digital, self.threads = units, digital, threads
        self.factors = np.asarray(factors, dtype=np.float32)
        width = -(-units // PANEL) * PANEL
        parts = [
            GridPart(part.tile, part.inputs, part.outputs + number * width, part.scales)
            for number, gate in enumerate(GATES)
            for part in gates[gate]
        ]
        constant = np.zeros((len(GATES), width))
        for number, gate in enumerate(GATES if constants is not None else ()):
            constant[number, :units] = constants[gate]  # type: ignore[index]
        self.grid = Grid(parts, len(GATES) * width, scale=scale, constant=constant.reshape(-1), threads=threads)
        self.bias = np.zeros(0, dtype=np.float32) if bias is None else np.array([bias], dtype=np.float32)

    def forward(
        self, sequences: NDArray[np.floating[Any]], hidden: NDArray[np.float32], cell: NDArray[np.float32],
        keys: NDArray[np.uint32],
    ) -> NDArray[np.float32]:  # fmt: skip
        """h of each step, (batch, steps, units) float32.

        Parameters
        ----------
        sequences: (batch, steps, inputs). hidden, cell: the states before, (batch, units) float32, contiguous; those
            after all steps take their place.
        keys: of the parts' noise, in the order of the gates, as by `Grid.keys`; new ones for each call.

        Raises CosimError for values that are not finite.
        """
        grid = self.grid
        sequences = np.ascontiguousarray(sequences, dtype=np.float32)
        batch, steps, _ = sequences.shape
        if not all(all_finite(each.reshape(-1)) for each in (sequences, hidden)):
            raise CosimError("inputs must be finite numbers", key="inputs")
        outputs = np.empty((batch, steps, self.units), dtype=np.float32)

        def work(numbers: Any) -> bool:
            room = make_room(grid.packed.parts, grid.tables, UNIT)
            for number in numbers:
                work_sequences(
                    grid.packed, room, sequences, number, number + 1, UNIT, grid.dac, self.factors, self.bias,
                    grid.constant, self.digital, keys, cell, hidden, outputs,
                )  # fmt: skip
            return True

        side_by_side(work, -(-batch // UNIT), self.threads)
        return outputs
