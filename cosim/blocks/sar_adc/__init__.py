"""The successive-approximation ADC: the conventional converter beside which the ramp ADC is seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cosim.blocks.plots import Plot
from cosim.blocks.rooms import rooms

if TYPE_CHECKING:
    from cosim.blocks.sar_adc.characterisation import characterise
    from cosim.blocks.sar_adc.config import SarAdcConfig as Config

NAME = "sar_adc"
DESCRIPTION = (
    "SAR ADC: binary-weighted capacitors, transistor-level comparator, ideal logic; the conventional yardstick"
)
SWEEPS = {
    "chips": "Monte Carlo over chips: mismatch of the unit capacitors and of the comparator",
}
FIGURES = {
    "threshold": "input at which each code steps, by whole conversions [V]",
    "predicted_threshold": "the same from the capacitors and the comparator's static offset [V]",
    "inl": "integral non-linearity, offset and gain included [LSB]",
    "inl_line": "integral non-linearity from the line through the end thresholds [LSB]",
    "dnl": "differential non-linearity [LSB]",
    "inl_max": "largest integral non-linearity of a chip, from the line through its end thresholds [LSB]",
    "dnl_max": "largest differential non-linearity of a chip [LSB]",
    "missing_codes": "codes narrower than 0.04 LSB, which cannot be told from codes that no input gives [1]",
    "offset": "offset of the converter: the comparator's, made larger by the charge of its input [V]",
    "comparator_offset": "static offset of the comparator [V]",
    "reference_energy": "energy from the references in a conversion, by code [J]",
    "comparator_energy": "supply energy of the comparator in a conversion, without its bias generator [J]",
    "switch_energy": "supply energy of the switches' own inverters (0 with ideal switches) [J]",
    "bias_energy": "supply energy of the bias generator in a conversion [J]",
    "energy": "energy of a conversion: all of these, but not the logic, which is ideal [J]",
    "t_conversion": "time of a conversion: bits + 2 clock periods [s]",
    "sampled_noise": "kT/C noise of the sampled input [V]",
}
PLOTS = (
    Plot("inl", "Integral non-linearity, offset and gain taken off", ("inl_line",), x="code", by="chip"),
    Plot("dnl", "Differential non-linearity", ("dnl",), x="step", by="chip"),
    Plot("reference_energy", "Energy from the references in a conversion",
         ("reference_energy", "ideal_reference_energy"), x="output", where={"chip": -1}),
    Plot("offset", "Offset of the converter and of its comparator alone", ("offset", "comparator_offset"), x="chip",
         kind="points"),
)  # fmt: skip

_ROOMS = {"Config": ("config", "SarAdcConfig"), "characterise": ("characterisation", "characterise")}

__all__ = ["DESCRIPTION", "FIGURES", "NAME", "PLOTS", "SWEEPS", "Config", "characterise"]
__getattr__ = rooms(__name__, _ROOMS)
