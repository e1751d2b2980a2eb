"""One memristor cell: what reading sees of it, and what pulses do to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cosim.blocks.cell.forms import FORMS
from cosim.blocks.plots import Plot
from cosim.blocks.rooms import rooms

if TYPE_CHECKING:
    from cosim.blocks.cell.behaviour import CellModel, load_model
    from cosim.blocks.cell.characterisation import characterise
    from cosim.blocks.cell.config import CellConfig as Config
    from cosim.blocks.cell.fitting import fit, residuals

NAME = "cell"
DESCRIPTION = "memristor cell, alone or with its access transistor: I-V, noise, programming pulses, cycles, drift"
SWEEPS = {
    "states": "conductances of the cell for reading [S]; default: five over the device's window",
    "voltages": "points of the I-V curve, from minus to plus v_max",
    "reads": "reads of each state, one after another, for the noise",
    "amplitudes": "pulse amplitudes, relative to those that suit the device",
    "widths": "pulse widths, relative to the one that suits the device",
    "pulses": "pulses in a train",
    "devices": "devices of the Monte Carlo",
    "cycles_each": "SET and RESET cycles of each device",
    "times": "times after programming at which the cell is read [s], where the device drifts",
}
FIGURES = {
    "current": "current of the cell over voltage, state frozen [A]",
    "conductance": "conductance at the read voltage, access transistor included [S]",
    "nonlinearity": "conductance at the read voltage over that at a tenth of it, less one [1]",
    "noise_density": "current noise of the cell that its resistance and its transistor make [A/sqrt(Hz)]",
    "read_sigma": "standard deviation of a read from read to read, relative [1]",
    "noise_slope": "slope of the read noise's spectrum over frequency, 0 white, -1 for 1/f [1]",
    "loop_current": "current over a triangular voltage, the state following [A]",
    "pulse_conductance": "conductance after each pulse of a train [S]",
    "switching_time": "time in the first pulse until the state is in the middle of its window; NaN: not reached [s]",
    "pulse_energy": "energy of the first pulse of a train [J]",
    "cycle_conductance": "conductance after SET and after RESET, cycle by cycle [S]",
    "programmed_conductance": "conductance after programming to a target, or after blind pulses [S]",
    "blind_conductance": "conductance after each SET pulse that nobody checks [S]",
    "drift_conductance": "conductance at times after programming [S]",
}
PLOTS = (
    Plot("iv", "Current over voltage, state frozen", ("current",), "voltage", by="state"),
    Plot("noise_density", "Current noise of cell and access transistor", ("noise_density",), "frequency",
         by="state", log_x=True, log_y=True),
    Plot("read_noise", "Read noise over conductance", ("read_sigma",), "state", kind="points", log_x=True),
    Plot("loop", "Hysteresis under a triangular voltage", ("loop_current",), "loop_voltage"),
    Plot("set_amplitude", "SET: conductance after each pulse, by amplitude", ("pulse_conductance",), "pulse",
         by="amplitude", where={"polarity": "SET", "width": 1.0}),
    Plot("reset_amplitude", "RESET: conductance after each pulse, by amplitude", ("pulse_conductance",), "pulse",
         by="amplitude", where={"polarity": "RESET", "width": 1.0}, log_y=True),
    Plot("set_width", "SET: conductance after each pulse, by width", ("pulse_conductance",), "pulse",
         by="pulse_width", where={"polarity": "SET", "amplitude": 1.0}),
    Plot("reset_width", "RESET: conductance after each pulse, by width", ("pulse_conductance",), "pulse",
         by="pulse_width", where={"polarity": "RESET", "amplitude": 1.0}, log_y=True),
    Plot("cycles", "Conductance after SET and RESET", ("cycle_conductance",), "cycle", by="polarity", kind="points",
         log_y=True),
    Plot("blind", "Blind SET pulses: conductance of each device", ("blind_conductance",), "blind_pulse"),
    Plot("drift", "Drift after programming", ("drift_conductance",), "time", by="state", log_x=True),
)  # fmt: skip

FIT_MANY = True
EXPORTS = {"spice": "export_spice:spice"}

_ROOMS = {
    "CellModel": ("behaviour", "CellModel"),
    "Config": ("config", "CellConfig"),
    "characterise": ("characterisation", "characterise"),
    "fit": ("fitting", "fit"),
    "load_model": ("behaviour", "load_model"),
    "residuals": ("fitting", "residuals"),
}

__all__ = [
    "DESCRIPTION",
    "EXPORTS",
    "FIGURES",
    "FIT_MANY",
    "FORMS",
    "NAME",
    "PLOTS",
    "SWEEPS",
    "CellModel",
    "Config",
    "characterise",
    "fit",
    "load_model",
    "residuals",
]
__getattr__ = rooms(__name__, _ROOMS)
