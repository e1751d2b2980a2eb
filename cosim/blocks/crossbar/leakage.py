"""What idle rows add to the bit lines' currents while a few rows are read.

Idle rows can be held at V_CLP by their drivers, float, or, in "1T1R" cells, have their transistors off while their
word lines are driven all the same. What idle cells carry is the difference from the same array without them.
Held, they take current from bit lines that drops lift from V_CLP; floating, they join the bit lines into a network of
sneak paths. Transistors that are off leave their leakage.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cosim.blocks.crossbar.config import CellKind, CrossbarConfig
from cosim.blocks.crossbar.inputs import device_of
from cosim.blocks.crossbar.measured import Measured, status_of
from cosim.blocks.crossbar.netlist import array_lines, read_tolerances, supply_lines
from cosim.blocks.crossbar.samples import draw_conductances
from cosim.errors import CosimError
from cosim.seeds import stream
from cosim.spice import Deck, SimulatorPool

Array = NDArray[np.float64]

IDLE = ("held", "floating", "off")
LEAST_CONDUCTANCE = 1e-20  # [S], ngspice's gmin: far below what a transistor leaks when it is off


def idle_deck(conductances: Array, config: CrossbarConfig, active: int, idle: str, law: CellKind = "linear") -> Deck:
    """Rows 0 .. `active` - 1 at V_read above V_CLP, the others idle; an `.op`.

    Parameters
    ----------
    conductances: of shape (rows, columns) [S].
    idle: "held", "floating", or "off" (driven at V_read, the select line at ground).

    Saves `i(vc0)` ...: current into each clamp [A].
    """
    rows, columns = conductances.shape
    if idle == "off" and config.cell != "1T1R":
        raise CosimError("these cells have no select line to turn off", key="cell", value=config.cell, allowed="1T1R")
    lines = supply_lines(config, columns)
    for i in range(rows):
        level = config.v_clp + (config.v_read if i < active or idle == "off" else 0.0)
        if i < active or idle != "floating":
            lines.append(f"vdrive{i} r{i} 0 {level!r}")
        if config.cell == "1T1R":
            gate = 0.0 if idle == "off" and i >= active else config.gate_voltage
            lines.append(f"vgate{i} gate{i} 0 {gate!r}")
    lines.append(array_lines(conductances, config, law, gate_node="gate{i}", sinh_as="diodes"))
    return Deck(
        f"{rows} x {columns} {config.cell} cells, {active} rows active, the others {idle}",
        "\n".join(lines),
        (".op",),
        tuple(f"i(vc{j})" for j in range(columns)),
        read_tolerances(config, gmin=LEAST_CONDUCTANCE),
    )


def measure_leakage(
    config: CrossbarConfig, active: int, seed: int, pool: SimulatorPool, label: str | None = None
) -> Measured:
    """Currents of idle cells in one array, by what their rows do; `active` rows, those farthest from the clamps."""
    if not 1 <= active < config.rows:
        raise CosimError(
            "some rows are read, others idle", key="active", value=active, allowed=f"1 to {config.rows - 1}"
        )
    rng = np.random.default_rng(stream(seed, "crossbar: leakage"))
    cells = draw_conductances("uniform", config.rows, config.columns, device_of(config), rng)
    alone = cells.copy()
    alone[active:] = 0.0
    states = IDLE if config.cell == "1T1R" else IDLE[:2]
    decks = [idle_deck(alone, config, active, "held", "sinh")]
    decks += [idle_deck(cells, config, active, idle, "sinh") for idle in states]
    results = pool.run(decks, label)
    currents = np.full((1 + len(IDLE), config.columns), np.nan)
    for number, result in enumerate(results):
        if result.ok:
            currents[number] = [result[name][0] for name in decks[number].saves]
    added = currents[1:] - currents[0]
    variables = {
        "active_current": (("column",), currents[0], "A", "current of the active rows by themselves"),
        "idle_current": (("idle", "column"), added, "A", "current that the idle rows add"),
        "idle_share": (
            ("idle",), np.abs(added).max(axis=1) / np.abs(currents[0]).max(), "1",
            "largest current of idle rows, relative to the largest of the active ones",
        ),
    }  # fmt: skip
    coords = {"idle": (("idle",), np.array(IDLE, dtype=object), "1", "idle rows: held, floating, or transistors off")}
    # One array, one point, whatever states its cells can have: so 1R and 1T1R fit into one data set.
    worst = status_of(results).max(keepdims=True)
    return Measured(variables, coords, worst, [result.key for result in results])
