"""The crossbar: a memristor array with the resistance of its wires, drivers and clamps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cosim.blocks.rooms import rooms

if TYPE_CHECKING:
    from cosim.blocks.crossbar.behaviour import CrossbarModel, load_model
    from cosim.blocks.crossbar.characterisation import characterise
    from cosim.blocks.crossbar.config import CrossbarConfig as Config
    from cosim.blocks.crossbar.fitting import fit

NAME = "crossbar"
DESCRIPTION = "memristor array with wire, driver and clamp resistances; linear cells and cells with a sinh law"
SWEEPS = {
    "cell": "law of the cells: linear, sinh",
    "array": "random conductances [S]: spread over the device's window, or of differential weights",
    "vector": "random word-line voltages [V]: independent, differential with idle inputs, differential at full scale",
}
FIGURES = {
    "current": "current of each bit line into its clamp [A]",
    "simulation_time": "wall time of the simulation of all vectors of an array [s]",
}

_ROOMS = {
    "Config": ("config", "CrossbarConfig"),
    "CrossbarModel": ("behaviour", "CrossbarModel"),
    "load_model": ("behaviour", "load_model"),
    "characterise": ("characterisation", "characterise"),
    "fit": ("fitting", "fit"),
}

__all__ = ["DESCRIPTION", "FIGURES", "NAME", "SWEEPS", "Config", "CrossbarModel", "characterise", "fit", "load_model"]
__getattr__ = rooms(__name__, _ROOMS)
