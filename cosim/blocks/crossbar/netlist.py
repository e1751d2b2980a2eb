"""The array as SPICE text: a line of text an element, no object.

Nodes of an array with prefix `x`: `xw3_5`, `xb3_5` are the word line and the bit line at the cell of row 3 and column
5. A wire segment of zero ohm is no element: its ends are one node. Current flows from the word lines through the
cells down the bit lines:

    r3 --r_driver--r_wire_row-- xw3_0 --r_wire_row-- xw3_1 -- ...
                                  | cell
                                xb3_0 --r_wire_column-- xb4_0 -- ... --r_wire_column--r_clamp-- c0
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from cosim.blocks.crossbar.config import CellKind, CrossbarConfig
from cosim.blocks.crossbar.inputs import check_conductances, check_voltages, device_of
from cosim.devices import Device
from cosim.spice import Deck, Tolerances

Array = NDArray[np.float64]

_VALUES_PER_LINE = 6  # of a piece-wise linear source; ngspice reads long lines slowly


def array_lines(
    conductances: Array,
    config: CrossbarConfig,
    cell: CellKind = "linear",
    row_node: str = "r{i}",
    column_node: str = "c{j}",
    prefix: str = "x",
) -> str:
    """Cells, wires, driver and clamp resistances of one array, for any deck (`.dc`, `.tran`).

    Parameters
    ----------
    conductances: of shape (rows, columns) [S]; zero is an open cell. The array may be smaller than `config.rows` by
        `config.columns`.
    cell: "linear" (a resistor), or "sinh": I = G V_g sinh(V / V_0) / sinh(V_g / V_0), where V_g is the voltage at
        which the device's conductance is stated.
    row_node: name of the node that drives word line `i`; the driver's resistance starts there.
    column_node: name of the node that holds bit line `j`; the clamp's resistance ends there.
    prefix: starts the names of all elements and inner nodes, so that a deck can hold several arrays.
    """
    cells = check_conductances(conductances, config)
    rows, columns = cells.shape
    word = [_line([row_node.format(i=i)] + [f"{prefix}w{i}_{j}" for j in range(columns)],
                  [config.r_driver + config.r_wire_row] + [config.r_wire_row] * (columns - 1))
            for i in range(rows)]  # fmt: skip
    bit = [_line([column_node.format(j=j)] + [f"{prefix}b{i}_{j}" for i in reversed(range(rows))],
                 [config.r_clamp + config.r_wire_column] + [config.r_wire_column] * (rows - 1))
           for j in range(columns)]  # fmt: skip
    lines = []
    for i, (_, segments) in enumerate(word):
        lines += [f"r{prefix}w{i}_{j} {a} {b} {ohm!r}" for j, (a, b, ohm) in segments]
    for j, (_, segments) in enumerate(bit):
        lines += [f"r{prefix}b{rows - 1 - k}_{j} {a} {b} {ohm!r}" for k, (a, b, ohm) in segments]
    law = _linear_cell if cell == "linear" else _sinh_cell(device_of(config))
    for i in range(rows):
        for j in range(columns):
            if cells[i, j] > 0.0:
                lines.append(law(f"{prefix}{i}_{j}", word[i][0][j], bit[j][0][rows - 1 - i], float(cells[i, j])))
    return "\n".join(lines)


def crossbar_deck(
    conductances: Array, inputs: Array, config: CrossbarConfig, cell: CellKind = "linear", title: str = "crossbar"
) -> Deck:
    """All input vectors of one array in one `.dc` sweep over the number of the vector.

    Parameters
    ----------
    conductances: of shape (rows, columns) [S].
    inputs: of shape (vectors, rows): voltage of each word line's driver [V], measured from V_CLP.

    Saves `i(vc0)`, `i(vc1)`, ... of shape (vectors,): current of each bit line into its clamp [A].
    """
    cells = check_conductances(conductances, config)
    voltages = check_voltages(inputs, cells.shape[0])
    columns = cells.shape[1]
    # Every source starts at ground. From a common V_CLP node (a hub of all source branches) ngspice 46 with KLU chose
    # pivots that cost 9 digits at 32 x 32, and sinh cells did not end at 64 x 64.
    lines = ["vindex index 0 0"]
    lines += [f"bdrive{i} r{i} 0 v={_table(config.v_clp + voltages[:, i])}" for i in range(cells.shape[0])]
    lines += [f"vc{j} c{j} 0 {config.v_clp!r}" for j in range(columns)]
    lines.append(array_lines(cells, config, cell))
    return Deck(
        title=f"{title}: {cells.shape[0]} x {columns} {cell} cells, {len(voltages)} vectors",
        circuit="\n".join(lines),
        analyses=(f".dc vindex 0 {max(len(voltages) - 1, 1)} 1",),
        saves=tuple(f"i(vc{j})" for j in range(columns)),
        tolerances=Tolerances(reltol=1e-6, abstol=1e-14, vntol=1e-9),
    )


def clamp_currents(signals: object, vectors: int, columns: int) -> Array:
    """Currents into the clamps from a result of `crossbar_deck`, shape (vectors, columns) [A]."""
    return np.stack([signals[f"i(vc{j})"][:vectors] for j in range(columns)], axis=1)  # type: ignore[index]


def _line(nodes: list[str], ohms: Sequence[float]) -> tuple[list[str], list[tuple[int, tuple[str, str, float]]]]:
    """A chain of nodes from its driven end: names of the inner nodes after merging, and numbered resistors.

    `ohms[k]` lies between `nodes[k]` and `nodes[k + 1]`.
    """
    names = [nodes[0]]
    segments = []
    for k, (node, ohm) in enumerate(zip(nodes[1:], ohms, strict=True)):
        names.append(node if ohm > 0.0 else names[-1])
        if ohm > 0.0:
            segments.append((k, (names[-2], node, float(ohm))))
    return names[1:], segments


def _linear_cell(name: str, word: str, bit: str, conductance: float) -> str:
    return f"rcell{name} {word} {bit} {1.0 / conductance!r}"


def _sinh_cell(device: Device) -> Callable[[str, str, str, float], str]:
    scale, slope = device.v_read / math.sinh(device.v_read / device.v_0), 1.0 / device.v_0

    def line(name: str, word: str, bit: str, conductance: float) -> str:
        return f"bcell{name} {word} {bit} i={conductance * scale!r}*sinh({slope!r}*v({word},{bit}))"

    return line


def _table(values: Array) -> str:
    """Expression whose value at v(index) = k is `values[k]`."""
    points = [f"{k},{float(value)!r}" for k, value in enumerate(values)]
    if len(points) == 1:
        points.append(f"1,{float(values[0])!r}")
    groups = [", ".join(points[k : k + _VALUES_PER_LINE]) for k in range(0, len(points), _VALUES_PER_LINE)]
    return "pwl(v(index),\n+ " + ",\n+ ".join(groups) + ")"
