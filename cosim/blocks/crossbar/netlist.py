"""The array as SPICE text: a line of text an element, no object.

Nodes of an array with prefix `x`: `xw3_5`, `xb3_5` are the word line and the bit line at the cell of row 3 and column
5; in a "1T1R" cell `xm3_5` lies between memristor and transistor. A wire segment of zero ohm is no element: its ends
are one node. Current flows from the word lines through the cells down the bit lines:

    r3 --r_driver--r_wire_row-- xw3_0 --r_wire_row-- xw3_1 -- ...
                                  | cell
                                xb3_0 --r_wire_column-- xb4_0 -- ... --r_wire_column--r_clamp-- c0
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cosim.blocks.crossbar.config import CellKind, CrossbarConfig
from cosim.blocks.crossbar.inputs import check_conductances, check_voltages, device_of
from cosim.devices import Device
from cosim.errors import CosimError
from cosim.spice import Deck, Tolerances

Array = NDArray[np.float64]
SinhForm = Literal["source", "diodes"]

_VALUES_PER_LINE = 6  # of a piece-wise linear source; ngspice reads long lines slowly
# Of ngspice's own constants (CODATA 2014): charge [C] over Boltzmann's constant [J/K] and 27 deg C. With those of 2018
# the V_0 of the diodes would be off by 2e-7.
_INVERSE_THERMAL_VOLTAGE = 1.6021766208e-19 / (1.38064852e-23 * 300.15)  # [1/V]
_DIODE_CURRENT = 1e-6  # [A], of a diode of area 1; only its product with the area counts
_LEAST_MEMRISTOR = 1.0  # [ohm] left of a memristor whose cell conducts as well as the access transistor alone


def array_lines(
    conductances: Array,
    config: CrossbarConfig,
    law: CellKind = "linear",
    row_node: str = "r{i}",
    column_node: str = "c{j}",
    prefix: str = "x",
    *,
    gate_node: str | None = None,
    capacitance: bool = False,
    sinh_as: SinhForm = "source",
) -> str:
    """Cells, wires, driver and clamp resistances of one array, for any deck (`.dc`, `.tran`).

    Parameters
    ----------
    conductances: of shape (rows, columns) [S]; zero is an open cell. The array may be smaller than `config.rows` by
        `config.columns`.
    law: "linear" (a resistor), or "sinh": I = G V_g sinh(V / V_0) / sinh(V_g / V_0), where V_g is the voltage at
        which the device's conductance is stated.
    row_node: name of the node that drives word line `i`; the driver's resistance starts there.
    column_node: name of the node that holds bit line `j`; the clamp's resistance ends there.
    prefix: starts the names of all elements and inner nodes, so that a deck can hold several arrays.
    gate_node: name of the select line of row `i`; of "1T1R" cells only, whose decks must hold `config.models_text()`.
    capacitance: with the capacitances of wires and memristors.
    sinh_as: "source", a controlled source, or "diodes", two of them antiparallel: the same law, evaluated three times
        as fast; beyond 3 V_0 ngspice's diode has another. The decks of this block take diodes, or where
        `config.memristor` says so the device's subcircuit.
    """
    cells = check_conductances(conductances, config)
    if config.cell == "1T1R" and gate_node is None:
        raise CosimError(
            "this circuit has no select lines: it takes a cell with its access transistor as one element",
            key="cell", value=config.cell, allowed="1R",
        )  # fmt: skip
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
    device = device_of(config)
    memristor: Callable[[str, str, str, float], str] = _linear_cell
    if law == "sinh" and config.memristor == "subcircuit":
        if sinh_as == "source":
            raise CosimError(
                "this circuit takes cells by their law", key="memristor", value=config.memristor, allowed="law"
            )
        memristor = _subcircuit_cell(device)
    elif law == "sinh" and sinh_as == "source":
        memristor = _sinh_cell(device)
    elif law == "sinh":
        memristor = _diode_cell(device, f"{prefix}sinh")
        lines.append(_diode_model(device, f"{prefix}sinh"))
    size = f"w={config.access_width!r} l={config.channel_length!r}" if config.cell == "1T1R" else ""
    for i in range(rows):
        for j in range(columns):
            name, upper, lower = f"{prefix}{i}_{j}", word[i][0][j], bit[j][0][rows - 1 - i]
            if capacitance:
                lines += _wire_capacitances(name, upper, lower, config)
            if cells[i, j] == 0.0:
                continue
            conductance = float(cells[i, j])
            if config.cell == "1T1R":
                assert gate_node is not None
                inner = f"{prefix}m{i}_{j}"
                lines.append(f"xacc{name} {inner} {gate_node.format(i=i)} {lower} 0 nmos {size}")
                conductance, lower = memristor_conductance(conductance, device), inner
            lines.append(memristor(name, upper, lower, conductance))
            if capacitance and config.c_cell > 0.0:
                lines.append(f"ccell{name} {upper} {lower} {config.c_cell!r}")
    return "\n".join(lines)


def memristor_conductance(conductance: float, device: Device) -> float:
    """Conductance of the memristor of a "1T1R" cell [S]: that of the cell, less the access transistor fully on."""
    return 1.0 / max(1.0 / conductance - device.access_resistance, _LEAST_MEMRISTOR)


def supply_lines(config: CrossbarConfig, columns: int) -> list[str]:
    """Clamps, whose currents are `i(vc0)` ..., and what the cells need beside the array's own lines.

    These are the device's subcircuits, where cells are such; the transistor models of "1T1R" cells and their active
    select line `gate`.
    """
    # Every source starts at ground. From a common V_CLP node (a hub of all source branches) ngspice 46 with KLU chose
    # pivots that cost 9 digits at 32 x 32, and sinh cells did not end at 64 x 64.
    lines = [f"vc{j} c{j} 0 {config.v_clp!r}" for j in range(columns)]
    if config.memristor == "subcircuit":
        lines.append(device_of(config).model_text())
    if config.cell == "1T1R":
        lines += [config.models_text(), f"vgate gate 0 {config.gate_voltage!r}"]
    return lines


def crossbar_deck(
    conductances: Array, inputs: Array, config: CrossbarConfig, law: CellKind = "linear", title: str = "crossbar"
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
    lines = ["vindex index 0 0"]
    lines += [f"bdrive{i} r{i} 0 v={table(config.v_clp + voltages[:, i])}" for i in range(cells.shape[0])]
    lines += supply_lines(config, columns)
    lines.append(array_lines(cells, config, law, gate_node="gate", sinh_as="diodes"))
    return Deck(
        title=f"{title}: {cells.shape[0]} x {columns} {law} cells, {len(voltages)} vectors",
        circuit="\n".join(lines),
        analyses=(f".dc vindex 0 {max(len(voltages) - 1, 1)} 1",),
        saves=tuple(f"i(vc{j})" for j in range(columns)),
        tolerances=read_tolerances(config),
    )


def read_tolerances(config: CrossbarConfig, gmin: float = Tolerances.gmin) -> Tolerances:
    """For currents of cells, a millionth of them."""
    return Tolerances(reltol=1e-6, abstol=1e-14, vntol=1e-9, gmin=gmin, temperature=config.temperature)


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


def _diode_model(device: Device, name: str) -> str:
    """Diodes whose n kT/q is V_0 at 27 deg C, the temperature of every one of them."""
    return f".model {name} d is={_DIODE_CURRENT!r} n={device.v_0 * _INVERSE_THERMAL_VOLTAGE!r} tnom=27"


def _diode_cell(device: Device, model: str) -> Callable[[str, str, str, float], str]:
    """I_s (exp(V / V_0) - 1) one way and the same the other way are 2 I_s sinh(V / V_0)."""
    scale = device.v_read / math.sinh(device.v_read / device.v_0) / (2.0 * _DIODE_CURRENT)

    def line(name: str, word: str, bit: str, conductance: float) -> str:
        kind = f"{model} area={conductance * scale!r} temp=27"
        return f"dpcell{name} {word} {bit} {kind}\ndncell{name} {bit} {word} {kind}"

    return line


def _subcircuit_cell(device: Device) -> Callable[[str, str, str, float], str]:
    def line(name: str, word: str, bit: str, conductance: float) -> str:
        given = f"g={conductance!r} v_read={device.v_read!r} v_0={device.v_0!r}"
        return f"xcell{name} {word} {bit} memristor_sinh {given}"

    return line


def _wire_capacitances(name: str, word: str, bit: str, config: CrossbarConfig) -> list[str]:
    lines = []
    if config.c_wire_row > 0.0:
        lines.append(f"cw{name} {word} 0 {config.c_wire_row!r}")
    if config.c_wire_column > 0.0:
        lines.append(f"cb{name} {bit} 0 {config.c_wire_column!r}")
    return lines


def table(values: Array) -> str:
    """Expression whose value at v(index) = k is `values[k]`."""
    points = [f"{k},{float(value)!r}" for k, value in enumerate(values)]
    if len(points) == 1:
        points.append(f"1,{float(values[0])!r}")
    groups = [", ".join(points[k : k + _VALUES_PER_LINE]) for k in range(0, len(points), _VALUES_PER_LINE)]
    return "pwl(v(index),\n+ " + ",\n+ ".join(groups) + ")"
