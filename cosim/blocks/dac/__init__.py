"""The word-line DAC: amplitude by a resistor ladder or a capacitor array, or the width of a pulse."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cosim.blocks.plots import Plot
from cosim.blocks.rooms import rooms

if TYPE_CHECKING:
    from cosim.blocks.dac.behaviour import FORMS, DacModel, load_model
    from cosim.blocks.dac.characterisation import characterise
    from cosim.blocks.dac.config import DacConfig as Config
    from cosim.blocks.dac.fitting import fit, residuals

NAME = "dac"
DESCRIPTION = "word-line DAC with real switches: R-2R ladder, capacitor array, or pulse width with its driver"
SWEEPS = {
    "chips": "Monte Carlo over chips: mismatch of resistors or capacitors, switches and drivers",
}
FIGURES = {
    "output": "difference of the pair's word lines at every signed code [V], or area of its pulse [V*s]",
    "inl": "integral non-linearity, from the chip's best straight line [LSB]",
    "dnl": "differential non-linearity, in steps of the best straight line [LSB]",
    "inl_max": "largest integral non-linearity of each chip, from its best straight line [LSB]",
    "dnl_max": "largest differential non-linearity of each chip [LSB]",
    "gain_error": "slope above the ideal one [1]",
    "offset": "straight line at code 0 [LSB]",
    "monotonic": "1 where every step goes up [1]",
    "settling_time": "settling of each step of the staircase; amplitude only [s]",
    "full_settling": "settling of a full-scale step [s]",
    "glitch": "area outside the two levels in each step of the staircase; amplitude only [V*s]",
    "width_error": "error of each pulse's effective width; pulse_width only [s]",
    "rise_time": "rise of the word line, 10 % to 90 % [s]",
    "fall_time": "fall of the word line, 90 % to 10 % [s]",
    "output_resistance": "at code 0 and at full scale; not of a capacitive DAC [ohm]",
    "noise": "rms noise of the word line [V]",
    "energy": (
        "energy of one word line in the slot of each size, which follows that of the next smaller one, and of 0 that of"
        " full scale; of pulses, in the whole pulse [J]"
    ),
}
PLOTS = (
    Plot("dac_waveform", "Word line: full-scale step and staircase, or pulses of all widths", ("wave",), "time"),
    Plot("dac_transfer", "Output of every code", ("output",), "code"),
    Plot("dac_inl", "Integral non-linearity, chip by chip", ("inl",), "code"),
    Plot("dac_dnl", "Differential non-linearity, chip by chip", ("dnl",), "step"),
    Plot("dac_inl_max", "Largest integral non-linearity over mismatch", ("inl_max",), kind="histogram",
         where={"nominal": 0}),
    Plot("dac_settling", "Settling of the steps of the staircase", ("settling_time",), "size", kind="points"),
    Plot("dac_glitch", "Glitches of the steps of the staircase", ("glitch",), "size", kind="points"),
    Plot("dac_width", "Error of the effective pulse width", ("width_error",), "size", kind="points"),
    Plot("dac_energy", "Energy of a conversion", ("energy",), "size", kind="points"),
)  # fmt: skip

EXPORTS = {"spice": "export_spice:spice"}

_ROOMS = {
    "FORMS": ("behaviour", "FORMS"),
    "Config": ("config", "DacConfig"),
    "DacModel": ("behaviour", "DacModel"),
    "load_model": ("behaviour", "load_model"),
    "characterise": ("characterisation", "characterise"),
    "fit": ("fitting", "fit"),
    "residuals": ("fitting", "residuals"),
}

__all__ = [
    "DESCRIPTION", "EXPORTS", "FIGURES", "FORMS", "NAME", "PLOTS", "SWEEPS", "Config", "DacModel", "characterise",
    "fit", "load_model", "residuals",
]  # fmt: skip
__getattr__ = rooms(__name__, _ROOMS)
