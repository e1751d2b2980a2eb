"""The crossbar: a memristor array with the resistance and capacitance of its wires, drivers and clamps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cosim.blocks.plots import Plot
from cosim.blocks.rooms import rooms

if TYPE_CHECKING:
    from cosim.blocks.crossbar.behaviour import FORMS, CrossbarModel, load_model
    from cosim.blocks.crossbar.characterisation import characterise
    from cosim.blocks.crossbar.config import CrossbarConfig as Config
    from cosim.blocks.crossbar.fitting import fit, residuals

NAME = "crossbar"
DESCRIPTION = (
    "memristor array, 1R or 1T1R, with wire, driver and clamp resistances; linear cells and cells with a sinh law"
)
SWEEPS = {
    "measurements": "what is measured: currents, settling, leakage, stuck, pulses, mappings",
    "arrays": "currents: random arrays, by pairs, one to fit and one to judge",
    "vectors": "currents: random word-line voltages of each array",
    "shares": "settling, mappings: parts of the configured rows and columns that the arrays have",
    "fractions": "settling: distance from the final current, relative",
    "active": "leakage: rows that are read while the others are idle",
    "stuck": "stuck: shares of the cells that are stuck",
    "chips": "stuck: arrays, each with weights and stuck cells of its own",
    "pulse_vectors": "pulses: input vectors, as pulse widths and as amplitudes",
    "input_bits": "pulses: bits of an input, sign included",
}
FIGURES = {
    "current": "current of each bit line into its clamp [A]",
    "simulation_time": "wall time of the simulation of all vectors of an array [s]",
    "settling_time": "time until the slowest bit line's current is within a fraction of its final value [s]",
    "line_delay": "Elmore delays of a word line and a bit line by the closed form [s]",
    "idle_current": "what idle rows (held, floating, transistors off) add to the current of a bit line [A]",
    "idle_share": "largest current of idle rows, relative to the largest of the active ones [1]",
    "stuck_error": "rms error of the currents by stuck cells, of rows x G_max x V_read [1]",
    "stuck_error_largest": "largest error of a current by stuck cells, of rows x G_max x V_read [1]",
    "charge": "charge of a bit line, inputs as pulse widths and as amplitudes [C]",
    "charge_gain": "factor common to all charges, over sum of V_read G T [1]",
    "charge_error_rms": "rms error of a charge beside the common factor, of full scale [1]",
    "effective_weight": "weight that the array multiplies with, by mapping [1]",
    "weight_error": "rms error of the effective weights: differential, unipolar with correction, bit-sliced [1]",
    "weight_gain": "factor common to all effective weights [1]",
    "weight_spread": "rms error of the effective weights beside their common factor [1]",
    "cells": "cells that the weights take in each mapping [1]",
}
PLOTS = (
    Plot("settling", "Settling of the slowest bit line", ("settling_time",), "size_rows",
         by="fraction"),
    Plot("idle", "What idle rows add to each bit line", ("idle_current",), "column", by="idle"),
    Plot("stuck", "Error by stuck cells", ("stuck_error",), "stuck_share", by="fault", kind="points", log_x=True),
    Plot("charge", "Charge less the ideal one times a factor", ("charge_error",), "charge_ideal", by="input_mode",
         kind="points"),
    Plot("weights", "Weights after wires, drivers and clamps", ("weight_deviation",), "weight", by="mapping",
         kind="points"),
    Plot("weight_gain", "Factor common to all effective weights", ("weight_gain",), "size_rows", by="mapping"),
    Plot("weight_spread", "Error of the effective weights beside their common factor", ("weight_spread",), "size_rows",
         by="mapping"),
)  # fmt: skip

EXPORTS = {"spice": "export_spice:spice"}

_ROOMS = {
    "Config": ("config", "CrossbarConfig"),
    "CrossbarModel": ("behaviour", "CrossbarModel"),
    "FORMS": ("behaviour", "FORMS"),
    "load_model": ("behaviour", "load_model"),
    "characterise": ("characterisation", "characterise"),
    "fit": ("fitting", "fit"),
    "residuals": ("fitting", "residuals"),
}

__all__ = [
    "DESCRIPTION", "EXPORTS", "FIGURES", "FORMS", "NAME", "PLOTS", "SWEEPS", "Config", "CrossbarModel", "characterise",
    "fit", "load_model", "residuals",
]  # fmt: skip
__getattr__ = rooms(__name__, _ROOMS)
