"""The ramp ADC with a pre-distorted memristor column: its code is the activation of the MAC result."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cosim.blocks.rooms import rooms

if TYPE_CHECKING:
    from cosim.blocks.ramp_adc.behaviour import RampAdcModel, load_model
    from cosim.blocks.ramp_adc.characterisation import characterise
    from cosim.blocks.ramp_adc.config import RampAdcConfig as Config
    from cosim.blocks.ramp_adc.fitting import fit

NAME = "ramp_adc"
DESCRIPTION = "ramp ADC whose ramp comes from a pre-distorted memristor column, with transistor-level comparators"
SWEEPS = {
    "chip": "Monte Carlo over chips: programming error of the column, mismatch of the comparator",
    "v_read": "read voltage [V], of the nominal and the first chips, and of an ordinary fixed-reference ramp",
}
FIGURES = {
    "threshold": "input at which each code steps [V]",
    "inl": "integral non-linearity, not calibrated: offset and gain included [LSB]",
    "dnl": "differential non-linearity [LSB]",
    "comparator_offset": "static offset of the comparator [V]",
    "comparator_energy": "supply energy of a comparator in a conversion, without its bias generator [J]",
    "ramp_energy": "energy dissipated in the ramp column's cells in a conversion [J]",
}

_ROOMS = {
    "Config": ("config", "RampAdcConfig"),
    "RampAdcModel": ("behaviour", "RampAdcModel"),
    "load_model": ("behaviour", "load_model"),
    "characterise": ("characterisation", "characterise"),
    "fit": ("fitting", "fit"),
}

__all__ = ["DESCRIPTION", "FIGURES", "NAME", "SWEEPS", "Config", "RampAdcModel", "characterise", "fit", "load_model"]
__getattr__ = rooms(__name__, _ROOMS)
