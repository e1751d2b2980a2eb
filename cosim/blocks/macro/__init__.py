"""The macro: drivers, crossbar array, integrators and ramp ADC, simulated as one circuit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cosim.blocks.plots import Plot
from cosim.blocks.rooms import rooms

if TYPE_CHECKING:
    from cosim.blocks.macro.characterisation import characterise
    from cosim.blocks.macro.config import MacroConfig as Config

NAME = "macro"
DESCRIPTION = "pulse-width inputs, crossbar array, integrators and ramp ADC in one transient: codes, latency, energy"
SWEEPS = {
    "vectors": "random input vectors",
    "chips": "Monte Carlo over chips: programming error of array and column, mismatch; -1 is the nominal chip",
}
FIGURES = {
    "code": "code of each output [1]",
    "code_error": "code less that of the exact MAC result [1]",
    "mac_voltage": "held MAC voltage, above V_CLP [V]",
    "mac_error": "MAC result less the exact one, in units of the network [1]",
    "droop": "change of the held voltage during the conversion [V]",
    "comparator_energy": "supply energy of all comparators [J]",
    "bias_energy": "supply energy of the comparators' bias generator [J]",
    "row_energy": "supply energy of the drivers of the array's rows [J]",
    "column_energy": "supply energy of the ramp column's row and word-line drivers [J]",
    "integrator_energy": "supply energy of what the integrators' outputs deliver, without their quiescent current [J]",
    "array_dissipation": "dissipated in the array's cells, wires and drivers [J]",
    "column_dissipation": "dissipated in the ramp column's cells [J]",
    "amplifier_energy": "quiescent energy of all integrators: V_DD i_amplifier latency (outputs + 1), a product [J]",
    "energy": "energy from the supply for one vector, amplifier_energy included; counters are not in it [J]",
    "energy_per_operation": "energy by multiplications and additions [J]",
    "latency": "from the reset to the last code [s]",
    "operations": "multiplications and additions of one vector [1]",
}
PLOTS = (
    Plot("codes", "Code against the exact MAC result", ("code", "ideal_code"), x="mac", kind="points"),
    Plot("mac_error", "Error of the MAC result", ("mac_error",), x="mac", by="chip", kind="points"),
    Plot("energy", "Supply energy by part, without the amplifiers at rest",
         ("comparator_energy", "bias_energy", "row_energy", "column_energy", "integrator_energy"), x="vector",
         kind="points", log_y=True, where={"chip": -1}),
)  # fmt: skip

_ROOMS = {"Config": ("config", "MacroConfig"), "characterise": ("characterisation", "characterise")}

__all__ = ["DESCRIPTION", "FIGURES", "NAME", "PLOTS", "SWEEPS", "Config", "characterise"]
__getattr__ = rooms(__name__, _ROOMS)
