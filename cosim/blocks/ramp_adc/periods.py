"""The ramp of a conversion, clock period by clock period, as the comparators see it.

`design.column_levels` is the design's equation: each pulse adds its charge, and nothing is lost. Two losses of an
amplifier of finite gain A are left out there, some 1e-4 of the ramp, and matter where a step is a millivolt:

* its virtual ground is off by -V / A when the output is V above V_CLP, so that the charge Q stands for
  V = Q / (C_fb (1 + 1/A) + C_bl / A);
* the cell of the period conducts while its word line is open, not in its pulse alone. With the word line open for T_o
  and the pulse T_p, all of it at a mean of (V_{m-1} + V_m) / 2 or V_m, the charge G (T_p (V_{m-1} + V_m) / 2 +
  (T_o - T_p) V_m) / A leaks back.

Against ngspice the levels that follow are within 4e-5 of the largest, which is what its integration leaves.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cosim.blocks.ramp_adc.config import RampAdcConfig
from cosim.blocks.ramp_adc.design import Signs, effective_conductance
from cosim.blocks.ramp_adc.timing import EDGE

Array = NDArray[np.float64]

# A word line rises in the first edge of its period and falls between 4 and 3 edges before its end (`column`): the
# switch, whose threshold is at half the swing, is open for the period less four edges in all.
CLOSED = 4 * EDGE


@dataclass(frozen=True)
class Periods:
    """Ramps of one or many chips.

    Attributes
    ----------
    level: of the ramp at the end of each clock period, above V_CLP [V], shape (..., periods): the reset, one period for
        each bias cell, one to settle, at whose end is the first clock, then one for each further threshold.
    pulse: width of the read pulse at the start of each period [s], shape (periods,).
    first: the period at whose end the comparators are read for the first time.
    """

    level: Array
    pulse: Array
    first: int

    @property
    def thresholds(self) -> Array:
        """Levels at the clocks, shape (..., thresholds) [V]."""
        return self.level[..., self.first :]


def ramp_periods(
    ramp: Array, bias: Array, bias_sign: Signs, config: RampAdcConfig, pulse: Array | None = None
) -> Periods:
    """The ramps of chips; `ramp` (..., cells), `bias` (..., n) [S], signs and pulses as in `ColumnDesign`."""
    ramp, bias = np.asarray(ramp, dtype=np.float64), np.asarray(bias, dtype=np.float64)
    shape = np.broadcast_shapes(ramp.shape[:-1], bias.shape[:-1])
    ramp = np.broadcast_to(ramp, (*shape, ramp.shape[-1]))
    bias = np.broadcast_to(bias, (*shape, bias.shape[-1]))
    signs = np.broadcast_to(np.asarray(bias_sign, dtype=np.float64), bias.shape)
    width = config.t_pulse * (np.ones(ramp.shape[-1]) if pulse is None else pulse)
    gain = config.amplifier_gain
    capacitance = config.c_fb * (1 + 1 / gain) + config.c_bitline / gain
    total = ramp.sum(axis=-1) + bias.sum(axis=-1)
    idle = config.idle_word_lines == "on"  # every cell of the column conducts all the time

    def step(before: Array, conductance: Array, sign: Array | float, duration: float) -> Array:
        open_time = config.t_clock if idle else config.t_clock - CLOSED
        leaking = total if idle else conductance * np.abs(sign)
        kick = sign * effective_conductance(conductance, config) * duration * config.v_read
        loss = leaking / gain
        moving, resting = duration / 2, max(open_time - duration, 0.0)
        return np.asarray((before * (capacitance - loss * moving) + kick) / (capacitance + loss * (moving + resting)))

    nothing = np.zeros(shape)
    levels = [nothing]
    for number in range(bias.shape[-1]):
        levels.append(step(levels[-1], bias[..., number], signs[..., number], config.t_pulse))
    levels.append(step(levels[-1], nothing, 0.0, 0.0))  # to settle; at its end is the first clock
    for number in range(ramp.shape[-1]):
        levels.append(step(levels[-1], ramp[..., number], 1.0, float(width[number])))
    first = bias.shape[-1] + 1
    durations = np.concatenate([np.full(first + 1, config.t_pulse), width])
    return Periods(np.stack(levels, axis=-1), durations, first)
