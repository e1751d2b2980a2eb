"""The charge integrator of a bit line: macro model, transistor-level amplifier, or a user's netlist."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cosim.blocks.plots import Plot
from cosim.blocks.rooms import rooms

if TYPE_CHECKING:
    from cosim.blocks.integrator.behaviour import FORMS, IntegratorModel, load_model
    from cosim.blocks.integrator.characterisation import characterise
    from cosim.blocks.integrator.config import IntegratorConfig as Config
    from cosim.blocks.integrator.fitting import fit, residuals
    from cosim.blocks.integrator.macro import macro_parameters

NAME = "integrator"
DESCRIPTION = "charge integrator on a bit line: macro model or transistor-level two-stage amplifier"
SWEEPS = {
    "chips": "Monte Carlo over chips: mismatch of the amplifier's transistors",
    "charges": "charge of the read pulses, by the conductance of the cells, as shares of c_fb times swing",
}
FIGURES = {
    "dc_gain": "dc gain of the amplifier [1]",
    "gbw": "gain-bandwidth product [Hz]",
    "loop_bandwidth": "frequency at which the gain of the loop through C_fb is 1 [Hz]",
    "phase_margin": "phase margin of that loop [deg]",
    "feedback_factor": "C_fb / (C_fb + capacitance of bit line and input) [1]",
    "offset": "offset of the virtual ground, chip by chip [V]",
    "offset_sigma": "sigma of the offset from what one sigma of each transistor's mismatch does [V]",
    "offset_share": "offset by one sigma of each mismatch parameter [V]",
    "supply_current": "supply current at rest [A]",
    "output_low": "lower end of the output range, where the dc gain is halved [V]",
    "output_high": "upper end of the output range [V]",
    "static_gain": "dc gain over the static output level, from one supply to the other [1]",
    "leakage_droop": "drift of a held output by leakage [V/s]",
    "hold_time_constant": "time constant of a held output while idle cells load the bit line [s]",
    "droop": "drift of the output held at either end, idle cells left on [V/s]",
    "noise": "rms noise of the held output [V]",
    "reset_noise": "rms noise left behind by the reset, kT/C and the amplifier's [V]",
    "output": "step of the output by a read pulse [V]",
    "inl": "integral non-linearity of the output against the nominal charge [V]",
    "gain_error": "slope of the output against the nominal charge, above an ideal integrator's [1]",
    "charge_in": "charge that went into the bit line [C]",
    "pedestal": "step of the output when the reset opens [V]",
    "ground_peak": "largest disturbance of the virtual ground in a read pulse [V]",
    "ground_error": "disturbance of the virtual ground as the pulse ends [V]",
    "settling_time": "time from the end of the read pulse to the settled output [s]",
    "slew_rise": "slew rate of the rising output [V/s]",
    "slew_fall": "slew rate of the falling output [V/s]",
    "energy": "supply energy of one integration [J]",
}
PLOTS = (
    Plot("integrator_waveforms", "Read pulses: output of the integrator", ("wave_output",), "time", "charge"),
    Plot("integrator_virtual_ground", "Read pulses: bit line", ("wave_bit_line",), "time", "charge"),
    Plot("integrator_linearity", "Integral non-linearity of the output", ("inl",), "charge"),
    Plot("integrator_settling", "Settling after the read pulse", ("settling_time",), "charge", kind="points"),
    Plot(
        "integrator_loop",
        "Gain of amplifier and loop",
        ("gain_response", "loop_response"),
        "frequency",
        log_x=True,
        log_y=True,
    ),
    Plot("integrator_phase", "Phase of the loop", ("loop_phase",), "frequency", log_x=True),
    Plot("integrator_gain", "Gain over the output range", ("static_gain",), "static_output"),
    Plot("integrator_noise", "Noise of the held output", ("noise_output",), "noise_frequency", log_x=True, log_y=True),
    Plot("integrator_offset", "Offset over mismatch", ("offset",), kind="histogram", where={"nominal": 0}),
    Plot("integrator_offset_share", "What makes the offset", ("offset_share",), "parameter", kind="points"),
)

EXPORTS = {"spice": "export_spice:spice"}

_ROOMS = {
    "FORMS": ("behaviour", "FORMS"),
    "Config": ("config", "IntegratorConfig"),
    "IntegratorModel": ("behaviour", "IntegratorModel"),
    "load_model": ("behaviour", "load_model"),
    "characterise": ("characterisation", "characterise"),
    "fit": ("fitting", "fit"),
    "residuals": ("fitting", "residuals"),
    "macro_parameters": ("macro", "macro_parameters"),
}

__all__ = [
    "DESCRIPTION", "EXPORTS", "FIGURES", "FORMS", "NAME", "PLOTS", "SWEEPS", "Config", "IntegratorModel",
    "characterise", "fit", "load_model", "macro_parameters", "residuals",
]  # fmt: skip
__getattr__ = rooms(__name__, _ROOMS)
