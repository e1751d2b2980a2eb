"""The sampling switch with its hold capacitor."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cosim.blocks.plots import Plot
from cosim.blocks.rooms import rooms

if TYPE_CHECKING:
    from cosim.blocks.sample_hold.behaviour import FORMS, SampleHoldModel, load_model
    from cosim.blocks.sample_hold.characterisation import characterise
    from cosim.blocks.sample_hold.config import SampleHoldConfig as Config
    from cosim.blocks.sample_hold.fitting import fit, residuals

NAME = "sample_hold"
DESCRIPTION = "sampling switch and hold capacitor: charge injection, settling, droop, feedthrough, kT/C noise, energy"
SWEEPS = {
    "inputs": "input voltage, as a share of the supply [1]",
    "chips": "chips with Pelgrom mismatch of the switch's transistors, beside the nominal one [1]",
}
FIGURES = {
    "pedestal": "step of the held voltage as the switch opens: channel charge and clock feedthrough [V]",
    "pedestal_offset": "mean of the pedestal over the inputs [V]",
    "pedestal_gain": "slope of the pedestal over the input [1]",
    "pedestal_nonlinearity": "largest departure of the pedestal from a straight line over the input [V]",
    "pedestal_chip": "pedestal of each chip, chip -1 without mismatch [V]",
    "pedestal_deviation": "pedestal of each chip less that of chip -1 [V]",
    "pedestal_sigma": "standard deviation of the pedestal among the chips with mismatch [V]",
    "clock_feedthrough": "step by the coupling of clk alone and of clkb alone, each for its whole swing [V]",
    "clock_feedthrough_net": "step by both clocks together: what overlaps that differ leave [V]",
    "on_resistance": "resistance of the closed switch, small signal [ohm]",
    "capacitance": "capacitance at the held node, the switch's own included [F]",
    "time_constant": "time constant of tracking after a small step, in a transient [s]",
    "settling_error": "held node minus input at the end of tracking, after a full swing [V]",
    "droop_rate": "slope of the held voltage, with the input at either end of its range [V/s]",
    "hold_feedthrough": "part of a sine at the input that reaches the held node in hold [1]",
    "noise": "rms noise on the held voltage, by .noise of the closed switch [V]",
    "ktc_noise": "closed form of that: sqrt(kT / capacitance) [V]",
    "energy": "energy that clock drivers and supply give in a clock period [J]",
}
PLOTS = (
    Plot("pedestal", "Pedestal over the input", ("pedestal",), "input_level"),
    Plot("pedestal_chip", "What mismatch adds to the pedestal", ("pedestal_deviation",), "input_level", by="chip"),
    Plot("pedestal_sigma", "Spread of the pedestal by mismatch", ("pedestal_sigma",), "input_level"),
    Plot("clock_feedthrough", "Coupling of each clock", ("clock_feedthrough",), "input_level", by="clock"),
    Plot("on_resistance", "On-resistance over the input", ("on_resistance",), "input_level"),
    Plot("time_constant", "Time constant of tracking over the input", ("time_constant",), "input_level"),
    Plot("settling_error", "What is left of a full swing at the end of tracking", ("settling_error",), "input_level"),
    Plot("droop", "Droop over the held voltage", ("droop_rate",), "input_level", by="hold_input"),
    Plot("hold_feedthrough", "Feedthrough in hold", ("hold_feedthrough",), "input_level", log_y=True),
    Plot("noise", "Noise of the held voltage and kT/C", ("noise", "ktc_noise"), "input_level"),
)  # fmt: skip

FIT_MANY = True
EXPORTS = {"spice": "export_spice:spice"}

_ROOMS = {
    "FORMS": ("behaviour", "FORMS"),
    "Config": ("config", "SampleHoldConfig"),
    "SampleHoldModel": ("behaviour", "SampleHoldModel"),
    "load_model": ("behaviour", "load_model"),
    "characterise": ("characterisation", "characterise"),
    "fit": ("fitting", "fit"),
    "residuals": ("fitting", "residuals"),
}

__all__ = [
    "DESCRIPTION", "EXPORTS", "FIGURES", "FIT_MANY", "FORMS", "NAME", "PLOTS", "SWEEPS", "Config", "SampleHoldModel",
    "characterise", "fit", "load_model", "residuals",
]  # fmt: skip
__getattr__ = rooms(__name__, _ROOMS)
