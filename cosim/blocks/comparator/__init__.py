"""The comparator at transistor level: continuous-time, or clocked (StrongARM)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cosim.blocks.plots import Plot
from cosim.blocks.rooms import rooms

if TYPE_CHECKING:
    from cosim.blocks.comparator.behaviour import FORMS, ComparatorModel, load_model
    from cosim.blocks.comparator.characterisation import characterise
    from cosim.blocks.comparator.config import ComparatorConfig as Config
    from cosim.blocks.comparator.fitting import fit, residuals

NAME = "comparator"
DESCRIPTION = "comparator at transistor level, continuous-time or clocked: offset, noise, delay, kickback, energy"
SWEEPS = {
    "chips": "Monte Carlo over chips: mismatch of the transistors",
    "overdrives": "input beyond the trip point when the decision is taken [V]",
    "common_modes": "common mode of the inputs, from v_cm on [V]",
    "with_noise": "whether the input-referred noise is found",
}
FIGURES = {
    "offset": "input difference at which the decision changes, of each chip [V]",
    "offset_sigma": "standard deviation of the offset over the chips [V]",
    "noise": "input-referred rms noise [V]",
    "delay": "from the clock edge (clocked) or the input's step to the output at half the supply [s]",
    "regeneration_time": "time in which the latch of a clocked comparator grows by e [s]",
    "metastable_input": "overdrive too small for a clocked comparator to decide in half a clock period [V]",
    "energy": "supply energy of a decision: in a clock period (clocked), in half of one (continuous-time) [J]",
    "static_power": "supply power while nothing switches, without the bias generator [W]",
    "kickback_peak": "largest disturbance of the input voltage behind source resistance and capacitor [V]",
    "kickback_charge": "largest charge that the input pin has taken or given [C]",
    "kickback_difference": "largest disturbance of the input difference of a clocked comparator [V]",
}
_AT_CM = {"common_mode": 0.0}
PLOTS = (
    Plot("offset", "Offset over the chips", ("offset",), kind="histogram", where=_AT_CM),
    Plot("offset_common_mode", "Offset of each chip over common mode", ("offset",), "common_mode"),
    Plot("delay", "Delay over overdrive", ("delay",), "overdrive", by="common_mode", log_x=True, where={"decision": 1}),
    Plot("decisions", "Delay of both decisions", ("delay",), "overdrive", by="decision", log_x=True, where=_AT_CM),
    Plot("energy", "Energy of a decision over overdrive", ("energy",), "overdrive", by="common_mode", log_x=True,
         where={"decision": 1}),
    Plot("kickback", "Kickback over overdrive", ("kickback_peak",), "overdrive", by="common_mode", log_x=True),
    Plot("noise", "Input-referred noise over common mode", ("noise",), "common_mode"),
)  # fmt: skip

FIT_MANY = True
EXPORTS = {
    "spice": "export_spice:spice",
    "systemverilog": "export_systemverilog:systemverilog",
    "verilog_a": "export_verilog_a:verilog_a",
}

_ROOMS = {
    "FORMS": ("behaviour", "FORMS"),
    "Config": ("config", "ComparatorConfig"),
    "ComparatorModel": ("behaviour", "ComparatorModel"),
    "load_model": ("behaviour", "load_model"),
    "characterise": ("characterisation", "characterise"),
    "fit": ("fitting", "fit"),
    "residuals": ("fitting", "residuals"),
}

__all__ = [
    "DESCRIPTION", "EXPORTS", "FIGURES", "FIT_MANY", "FORMS", "NAME", "PLOTS", "SWEEPS", "ComparatorModel", "Config",
    "characterise", "fit", "load_model", "residuals",
]  # fmt: skip
__getattr__ = rooms(__name__, _ROOMS)
