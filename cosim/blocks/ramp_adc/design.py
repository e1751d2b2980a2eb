"""From an activation function to the conductances of the ramp column.

The ramp's levels have to be the inverse activation: level k at V_CLP + alpha x_k with x_k = g^-1(y_k). Each step is
the charge of one cell, so cell j gets a conductance in proportion to x_{j+1} - x_j; bias cells, read with the
opposite sign, bring the ramp from V_CLP to its first level.

A cell pulsed into an integrator whose amplifier has the unity-gain frequency w_u moves the output by
    dV = V_read T_pulse / C_fb * G / (1 + G / (w_u C_fb)),
since the virtual ground gives way in proportion to the output's slope, and the charge that is lost stays lost. The
column is pre-distorted for this too.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cosim.blocks.ramp_adc.config import RampAdcConfig
from cosim.blocks.ramp_adc.functions import get_function, ideal_thresholds
from cosim.devices import Device, load_device
from cosim.errors import CosimError

Array = NDArray[np.float64]


@dataclass(frozen=True)
class ColumnDesign:
    """Target conductances of a ramp column.

    Attributes
    ----------
    ramp: cells pulsed one after another, in order; shape (2^bits - 2,) [S].
    bias: cells pulsed before the first level; shape (n,) [S].
    bias_sign: -1 where they lower the ramp (first threshold below zero), else +1.
    gain_per_volt: volts of ramp per unit of the MAC result and volt of V_read.
    thresholds: x_k, shape (2^bits - 1,), in units of the MAC result.
    """

    ramp: Array
    bias: Array
    bias_sign: int
    gain_per_volt: float
    thresholds: Array

    def gain(self, v_read: float) -> float:
        """alpha [V]: volts of ramp per unit of the MAC result. Ramp and MAC are alike proportional to V_read."""
        return self.gain_per_volt * v_read


def effective_conductance(conductance: Array, config: RampAdcConfig) -> Array:
    """G / (1 + G / (w_u C_fb)): what a cell counts for behind an amplifier of limited bandwidth [S]."""
    w_u = 2 * math.pi * config.amplifier_gbw
    return np.asarray(conductance / (1.0 + conductance / (w_u * config.c_fb)))


def step_voltage(config: RampAdcConfig) -> float:
    """Volts of ramp per siemens of effective conductance: V_read T_pulse / C_fb."""
    return config.v_read * config.t_pulse / config.c_fb


def design_column(config: RampAdcConfig, device: Device | None = None) -> ColumnDesign:
    """Conductances for a function and a number of bits.

    The column is designed for the device's own read voltage; the configured V_read changes ramp and MAC result alike.
    Raises CosimError when a step needs a conductance that the device cannot hold.
    """
    device = device or load_device(config.device)
    function = get_function(config.function)
    x = ideal_thresholds(function, config.bits)
    steps = np.diff(x)
    per_siemens = device.v_read * config.t_pulse / config.c_fb
    # The largest step takes the largest conductance, unless the whole ramp would then leave the comparators' range.
    largest = min(
        float(effective_conductance(np.array(device.g_max), config)),
        config.swing / per_siemens * steps.max() / np.ptp(x),
    )
    scale = largest / steps.max()  # effective siemens per unit of x
    bias_total = abs(x[0]) * scale
    cells = max(1, math.ceil(bias_total / largest * (1 - 1e-12)))
    ramp = _programmed(steps * scale, config)
    bias = _programmed(np.full(cells, bias_total / cells), config)
    _check_window(np.concatenate([ramp, bias]), device, config)
    return ColumnDesign(ramp, bias, -1 if x[0] < 0 else 1, scale * config.t_pulse / config.c_fb, x)


def _programmed(effective: Array, config: RampAdcConfig) -> Array:
    """The conductance that counts for `effective`: inverse of `effective_conductance`."""
    w_u = 2 * math.pi * config.amplifier_gbw
    return np.asarray(effective / (1.0 - effective / (w_u * config.c_fb)))


def _check_window(conductances: Array, device: Device, config: RampAdcConfig) -> None:
    tolerance = 1e-9 * device.g_max
    outside = conductances[(conductances < device.g_min - tolerance) | (conductances > device.g_max + tolerance)]
    if outside.size:
        raise CosimError(
            f"a {config.bits}-bit {config.function} ramp needs a cell that device '{config.device}' cannot hold;"
            " take fewer bits, a wider swing, or a device with a wider window",
            key="conductance",
            value=f"{outside[0] * 1e6:.3g} µS",
            allowed=f"{device.g_min * 1e6:.3g} to {device.g_max * 1e6:.3g} µS",
        )


def column_levels(ramp: Array, bias: Array, bias_sign: int, config: RampAdcConfig) -> Array:
    """Ramp levels above V_CLP for actual conductances [V].

    `ramp` of shape (..., cells), `bias` of shape (..., n); returns (..., cells + 1):
    V_m = V_read T_pulse / C_fb (sign sum_b G_b + sum_{j<=m} G_j), each G taken as `effective_conductance`.
    """
    start = bias_sign * effective_conductance(bias, config).sum(axis=-1, keepdims=True)
    rise = np.cumsum(effective_conductance(ramp, config), axis=-1)
    return step_voltage(config) * np.concatenate([start, start + rise], axis=-1)
