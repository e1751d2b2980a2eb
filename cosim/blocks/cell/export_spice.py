"""The cell as a SPICE subcircuit: its I-V law, state frozen, with the conductance at V_read as a parameter.

The law is that of `conduction`: I = A u shape(bend u^2) at the voltage u that the access transistor leaves,
u = V - R I, where A makes the cell's conductance at V_read that of the parameter g.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from cosim.blocks.cell.behaviour import CellModel
from cosim.blocks.config import Siemens
from cosim.blocks.exports import Export, ExportOptions, checked_options


class CellExport(ExportOptions):
    """Options of the cell's export."""

    g: Siemens | None = Field(
        None, gt=0, le=1, description="default of the subcircuit's parameter g; None: the middle of the device's window"
    )


def spice(model: CellModel, options: Mapping[str, Any]) -> Export:
    """One subcircuit with the pins te and be; options as in `CellExport`. CosimError where the model has no I-V."""
    chosen = checked_options(CellExport, options)
    part = model.part("iv")
    g = 0.5 * sum(model.window) if chosen.g is None else chosen.g
    name = chosen.name or "cell"
    v_read, g_ref = float(part.settings["v_read"]), float(part.settings["g_ref"])
    resistance = part.value("iv.r_access") if "iv.r_access" in part.parameters else 0.0
    power = part.value("iv.power") if "iv.power" in part.parameters else 0.0
    key = "iv.cubic" if part.law == "cubic" else "iv.curvature"
    bend = part.value(key) if key in part.parameters else 0.0
    inner = "te"
    lines = [f".subckt {name} te be g={g!r}", f".param u={{{v_read!r}*(1-{resistance!r}*g)}}"]
    if resistance > 0.0:
        inner = "m"
        lines.append(f"Raccess te m {resistance!r}")
    if bend == 0.0:
        lines += [f".param a={{g*{v_read!r}/u}}", f"Bcell {inner} be i={{a}}*v({inner},be)"]
    elif part.law == "cubic":
        lines += [
            f".param a={{g*{v_read!r}/(u*(1+{bend!r}*u*u))}}",
            f"Bcell {inner} be i={{a}}*v({inner},be)*(1+{bend!r}*v({inner},be)*v({inner},be))",
        ]
    else:
        function = "sinh" if bend > 0.0 else "sin"
        scale = "" if power == 0.0 else f"*pow(g/{g_ref!r},{power!r})"
        lines += [
            f".param x={{sqrt({abs(bend)!r}{scale})}}",
            f".param a={{g*{v_read!r}/{function}(x*u)}}",
            f"Bcell {inner} be i={{a}}*{function}({{x}}*v({inner},be))",
        ]
    low, high = model.window
    notes = (
        f"Memristor cell, {part.law} law of the current, state frozen.",
        f"Pins of {name}: te, be: top and bottom electrode, the access transistor (fully on) included. Parameter g > 0:"
        f" the conductance at V_read = {v_read:g} V [S], {low:g} .. {high:g} on this device; default {g:g}.",
        "Left out: programming and its error, read noise, drift (set g to what they make of it), switching under large"
        " voltages, capacitance.",
    )
    return Export(notes, "\n".join([*lines, f".ends {name}"]))
