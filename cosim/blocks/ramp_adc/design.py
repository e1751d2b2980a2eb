"""From an activation function to the conductances of the ramp column.

The ramp's levels have to be the inverse activation: level j at V_CLP + alpha x_j, x_j the thresholds of
`staircase`. Each step is the charge of one cell, so cell j gets a conductance in proportion to x_{j+1} - x_j; bias
cells, read before, bring the ramp from V_CLP to its first level, with the opposite sign where that lies below.

A cell pulsed into an integrator whose amplifier has the unity-gain frequency w_u moves the output by
    dV = V_read T_pulse / C_fb * G / (1 + G / (w_u C_fb)),
since the virtual ground gives way in proportion to the output's slope, and the charge that is lost stays lost. The
column is pre-distorted for this too.

Charge is conductance times time, so a step that would need less than the window's lower end takes a shorter pulse:
half, a quarter ... of `t_pulse`, down to ten edges. With `pulse_widths = "graded"` every step takes the shortest of
these pulses that the window's upper end allows: all cells then lie in the upper half of the window, and the same
programming error counts for less (in a step of pulse T_j by T_j / T_pulse).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cosim.blocks.ramp_adc.config import RampAdcConfig
from cosim.blocks.ramp_adc.functions import ideal_thresholds
from cosim.blocks.ramp_adc.timing import SHORTEST_PULSE
from cosim.devices import Device, load_device
from cosim.errors import CosimError

Array = NDArray[np.float64]
Signs = int | NDArray[np.int64]
"""What a bias cell does to the ramp: +1 raises it, -1 lowers it, 0 is not read; one number where all do the same."""

CALIBRATION_RATIO = 2.5  # between the calibration cells: below 3, so that sums of -1, 0, +1 times each overlap


@dataclass(frozen=True)
class ColumnDesign:
    """Target conductances of a ramp column.

    Attributes
    ----------
    ramp: cells pulsed one after another, in order; shape (thresholds - 1,) [S].
    bias: cells pulsed before the first level; shape (n,) [S].
    bias_sign: `Signs` of the bias cells.
    gain_per_volt: volts of ramp per unit of the MAC result and volt of V_read, at the C_fb of the design.
    thresholds: x_j, shape (thresholds,), in units of the MAC result.
    pulse: read pulse of each ramp cell as a share of `t_pulse`, shape (thresholds - 1,); None where all are 1.
    calibration: further bias cells to choose from after programming; shape (m,) [S].
    c_fb: feedback capacitor of the design [F].
    """

    ramp: Array
    bias: Array
    bias_sign: Signs
    gain_per_volt: float
    thresholds: Array
    pulse: Array | None
    calibration: Array
    c_fb: float

    def gain(self, v_read: float, c_fb: float | None = None) -> float:
        """alpha [V]: volts of ramp per unit of the MAC result, which is on a capacitor of the same C_fb.

        Ramp and MAC are alike proportional to V_read and to 1 / C_fb.
        """
        return self.gain_per_volt * v_read * (1.0 if c_fb is None else self.c_fb / c_fb)


def device_of(config: RampAdcConfig, device: Device | None = None) -> Device:
    """The device of the column, with the configuration's own programming error and stuck cells where it states them."""
    device = device or load_device(config.device)
    stated = {
        name: getattr(config, name)
        for name in ("programming_sigma", "stuck_off_rate", "stuck_on_rate")
        if getattr(config, name) is not None
    }
    return replace(device, **stated) if stated else device


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
    x = ideal_thresholds(config.activation, config.bits)
    steps = np.diff(x)
    if not (steps > 0).all():
        raise CosimError(
            f"the {config.bits}-bit code of this function steps twice at the same input, x = {x[:-1][steps <= 0][0]:g},"
            " which no ramp can follow; take a function without jumps, or fewer bits",
            key="function", value=config.function,
        )  # fmt: skip
    per_siemens = device.v_read * config.t_pulse / config.c_fb
    # The largest step takes the largest conductance, unless the ramp would then leave the comparators' range, which
    # reaches half the swing to either side of V_CLP.
    span = float(np.ptp(x))
    reach = 2.0 * float(np.abs(x).max())
    span = reach if reach > span * (1 + 1e-9) else span
    largest = min(
        float(effective_conductance(np.array(device.g_max), config)),
        config.swing / per_siemens * steps.max() / span,
    )
    scale = largest / steps.max()  # effective siemens per unit of x
    halvings = _halvings(steps * scale, config, device)
    pulse = np.asarray(0.5**halvings, dtype=np.float64) if halvings.any() else None
    ramp = _programmed(steps * scale * 2.0**halvings, config)
    bias, sign = _bias_cells(float(x[0]) * scale, largest, config, device)
    _check_window(np.concatenate([ramp, bias]), device, config)
    gain = scale * config.t_pulse / config.c_fb
    return ColumnDesign(ramp, bias, sign, gain, x, pulse, _calibration_cells(config, device), config.c_fb)


def _halvings(effective: Array, config: RampAdcConfig, device: Device) -> NDArray[np.int64]:
    """How often each cell's pulse is halved, shape of `effective` [S]."""
    none = np.zeros(effective.shape, dtype=np.int64)
    if config.pulse_widths == "equal":
        return none
    low, high = (float(effective_conductance(np.array(g), config)) for g in (device.g_min, device.g_max))
    if config.pulse_widths == "graded":
        wanted = np.floor(np.log2(high / effective * (1 + 1e-9)))
    else:
        wanted = np.ceil(np.log2(np.maximum(low / effective * (1 - 1e-9), 1.0)))
    most = max(math.floor(math.log2(config.t_pulse / SHORTEST_PULSE * (1 + 1e-9))), 0)
    return np.asarray(np.clip(wanted, 0, most), dtype=np.int64)


def _bias_cells(total: float, largest: float, config: RampAdcConfig, device: Device) -> tuple[Array, Signs]:
    """Cells that together count for `total` [S], negative where they lower the ramp, and their signs.

    A total below the window is the difference of two cells.
    """
    sign, size = (-1 if total < 0 else 1), abs(total)
    least = float(effective_conductance(np.array(device.g_min), config))
    if size < least:
        pair = _programmed(np.array([least + size, least]), config)
        return pair, np.array([sign, -sign])
    cells = max(1, math.ceil(size / largest * (1 - 1e-12)))
    return _programmed(np.full(cells, size / cells), config), sign


def _calibration_cells(config: RampAdcConfig, device: Device) -> Array:
    """Targets that fall by `CALIBRATION_RATIO` from the window's upper end; none without calibration [S]."""
    if config.calibration == "none":
        return np.zeros(0)
    return np.maximum(device.g_max / CALIBRATION_RATIO ** np.arange(config.calibration_cells), device.g_min)


def _programmed(effective: Array, config: RampAdcConfig) -> Array:
    """The conductance that counts for `effective`: inverse of `effective_conductance`."""
    w_u = 2 * math.pi * config.amplifier_gbw
    return np.asarray(effective / (1.0 - effective / (w_u * config.c_fb)))


def _check_window(conductances: Array, device: Device, config: RampAdcConfig) -> None:
    tolerance = 1e-9 * device.g_max
    beyond = np.maximum(device.g_min / np.maximum(conductances, 1e-30), conductances / device.g_max)
    worst = float(conductances[beyond.argmax()])
    if device.g_min - tolerance <= worst <= device.g_max + tolerance:
        return
    longer = "" if config.pulse_widths != "equal" else ", pulse_widths = 'auto'"
    raise CosimError(
        f"a {config.bits}-bit {config.function} ramp needs a cell that device '{config.device}' cannot hold;"
        f" take fewer bits, a wider swing, a narrower x_range, a longer t_pulse{longer}, or a device with a wider"
        " window",
        key="conductance",
        value=f"{worst * 1e6:.3g} µS",
        allowed=f"{device.g_min * 1e6:.3g} to {device.g_max * 1e6:.3g} µS",
    )


def column_levels(
    ramp: Array, bias: Array, bias_sign: Signs, config: RampAdcConfig, pulse: Array | None = None
) -> Array:
    """Ramp levels above V_CLP for actual conductances [V].

    `ramp` of shape (..., cells), `bias` of shape (..., n), `bias_sign` one number or of a shape that broadcasts to
    that of `bias`, `pulse` (cells,) as in `ColumnDesign`; returns (..., cells + 1):
    V_m = V_read T_pulse / C_fb (sum_b sign_b G_b + sum_{j<=m} G_j T_j / T_pulse), each G taken as
    `effective_conductance`.
    """
    start = (bias_sign * effective_conductance(bias, config)).sum(axis=-1, keepdims=True)
    steps = effective_conductance(ramp, config)
    rise = np.cumsum(steps if pulse is None else steps * pulse, axis=-1)
    return step_voltage(config) * np.concatenate([start, start + rise], axis=-1)
