"""The ramp ADC with a pre-distorted memristor column: its code is the activation of the MAC result."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cosim.blocks.plots import Plot
from cosim.blocks.rooms import rooms

if TYPE_CHECKING:
    from cosim.blocks.ramp_adc.behaviour import RampAdcModel, load_model
    from cosim.blocks.ramp_adc.characterisation import characterise
    from cosim.blocks.ramp_adc.config import RampAdcConfig as Config
    from cosim.blocks.ramp_adc.fitting import fit, residuals

NAME = "ramp_adc"
DESCRIPTION = "ramp ADC whose ramp comes from a pre-distorted memristor column, with transistor-level comparators"
SWEEPS = {
    "chips": "Monte Carlo over chips: programming error of the column, stuck cells, mismatch of the comparators",
    "columns": "comparators of a chip that share its ramp",
    "v_reads": "read voltages [V], of the nominal and the first chips, and of an ordinary fixed-reference ramp",
    "v_read_chips": "how many of the first chips are characterised at the other read voltages and capacitors",
    "c_fbs": "feedback capacitors of all integrators [F], of the same",
    "offsets": "further comparators of which the static offset alone is looked at, for its distribution",
}
FIGURES = {
    "threshold": "input at which each code steps [V]",
    "inl": "integral non-linearity, offset and gain included; after calibration where one is configured [LSB]",
    "dnl": "differential non-linearity [LSB]",
    "missing_codes": "codes with less than a tenth of their width [1]",
    "threshold_noise": "rms noise of each threshold: comparator, kT/C of the integrators, reading the cells [LSB]",
    "step_change": "how far a threshold moves when all time steps are halved [LSB]",
    "comparator_offset": "static offset of the comparator [V]",
    "offset_curve": "static offset of the comparator over the common mode [V]",
    "comparator_noise": "rms input noise of the nominal comparator [V]",
    "conversion_time": "from the start of the reset to the last clock [s]",
    "comparator_energy": "supply energy of a comparator in a conversion, without its bias generator [J]",
    "bias_energy": "supply energy of the comparators' bias generator in a conversion [J]",
    "ramp_energy": "energy dissipated in the ramp column's cells in a conversion [J]",
    "word_line_energy": "supply energy of the word-line drivers in a conversion, nominal chip [J]",
    "row_energy": "supply energy of the row drivers in a conversion, nominal chip [J]",
    "integrator_energy": "supply energy of what the ramp's integrator delivers, nominal chip [J]",
}
FIT_MANY = True
"""`fit` takes several data sets, each of any conditions: the first says which code is fitted."""
SUMMARY_OF = {"ramp": "column"}
"""The printed figures are those of the memristor column; the fixed reference is a yardstick beside it."""
_CHIPS = {"group": "chips"}
PLOTS = (
    Plot("inl", "Integral non-linearity of the chips", y=("inl",), x="code", where=_CHIPS),
    Plot("dnl", "Differential non-linearity of the chips", y=("dnl",), x="step", where=_CHIPS),
    Plot("threshold", "Thresholds", y=("threshold_mac",), x="code", by="ramp"),
    Plot("noise", "Noise of the thresholds", y=("threshold_noise",), x="code", where=_CHIPS),
    Plot("offset", "Static offset of the chips' comparators", y=("comparator_offset",), kind="histogram", where=_CHIPS),
)

EXPORTS = {
    "spice": "export_spice:spice",
    "systemverilog": "export_systemverilog:systemverilog",
    "verilog_a": "export_verilog_a:verilog_a",
}

_ROOMS = {
    "Config": ("config", "RampAdcConfig"),
    "RampAdcModel": ("behaviour", "RampAdcModel"),
    "load_model": ("behaviour", "load_model"),
    "characterise": ("characterisation", "characterise"),
    "fit": ("fitting", "fit"),
    "residuals": ("fitting", "residuals"),
    "FORMS": ("forms", "FORMS"),
}

__all__ = [
    "DESCRIPTION",
    "EXPORTS",
    "FIGURES",
    "FIT_MANY",
    "FORMS",
    "NAME",
    "PLOTS",
    "SUMMARY_OF",
    "SWEEPS",
    "Config",
    "RampAdcModel",
    "characterise",
    "fit",
    "load_model",
    "residuals",
]
__getattr__ = rooms(__name__, _ROOMS)
