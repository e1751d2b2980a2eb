"""How a comparator of two stages lags the staircase: the trip law of the ramp ADC's model.

Let u(t) = T - V_os - ramp(t) be what the comparator sees of an input T. Its first stage follows with a time constant
and saturates, its second stage follows the first and saturates too; both are told as voltages at the input, so that a
settled comparator has y = u and w = -y:

    tau_1 dy/dt = u - y,    -R_1 <= y <= R_1
    tau_2 dw/dt = -y - w,   -R_2 <= w <= R_2

A comparator that has long been below its input stands at y = R_1, w = -R_2, its outputs at the rails. When the ramp
passes the input, y has to come down from R_1 and w to come up from -R_2; the threshold of clock k is the input T_k for
which w = 0 at the moment the comparators are read. So the lag T_k - V_os - L_k

* vanishes with the step: a settled comparator trips at its static offset;
* remembers the steps before: what is left of them falls as exp(-t_clock / tau), and for slow ramps, of slope r, the
  charge tau_2 R_2 that the second stage needs makes it sqrt(2 tau_2 R_2 r) (while that is below R_1, and r tau_2 below
  it), which is why small steps lag by a larger share of them than large ones;
* saturates with the step: from R_1 down to an overdrive -V takes tau_1 ln((R_1 + V) / V) at most, and the time that
  is left until the clock sets V, however large the step was.

tau_1, R_1, tau_2, R_2 belong to the common mode, so all may depend on the level: X(L) = X exp(x_1 L + x_2 L^2).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from cosim.blocks.ramp_adc.config import RampAdcConfig
from cosim.blocks.ramp_adc.periods import Periods
from cosim.blocks.ramp_adc.timing import EDGE
from cosim.compiled import compiled
from cosim.errors import CosimError

Array = NDArray[np.float64]

# A row's pulse starts one edge into the period, and its edge takes one more: half of it counts.
START = 1.5 * EDGE
# The comparators are read in the middle of the clock pulse, two edges before the period ends.
READ = 2 * EDGE
SUBSTEPS = 16  # in the pulse and after it; with eight times as many a threshold moves by less than 1 uV
MEMORY = 16.0  # time constants before which nothing is remembered: exp(-16) = 1e-7
PRECISION = 1e-11  # [V], to which the equation is solved
SEARCH_ROUNDS = 60


@compiled()
def _second_stage(
    threshold: float, k: int, back: int, level: Array, pulse: Array, delay: float, t_clock: float,
    tau_1: float, reach_1: float, tau_2: float, reach_2: float,
) -> float:  # fmt: skip
    """w when the comparators are read in period k, for one input `threshold` [V]; `back` periods are looked at."""
    start = max(k - back, 0)
    y = min(max(threshold - level[start], -reach_1), reach_1)
    w = min(max(-y, -reach_2), reach_2)
    for n in range(start + 1, k + 1):
        end = t_clock - READ if n == k else t_clock
        before, after = level[n - 1], level[n]
        for part in range(3):
            if part == 0:  # until the pulse
                steps, time, low, high = 1, delay, before, before
            elif part == 1:
                steps, time, low, high = SUBSTEPS, pulse[n], before, after
            else:
                steps, time, low, high = SUBSTEPS, max(end - delay - pulse[n], 0.0), after, after
            step = time / steps
            if step <= 0.0:
                continue
            decay_1, decay_2 = math.exp(-step / tau_1), math.exp(-step / tau_2)
            slope = (high - low) / time
            ratio = 1.0 - tau_2 / tau_1
            # What the second stage keeps of exp(-t / tau_1) at the end of a step.
            passed = (decay_1 - decay_2) / ratio if abs(ratio) > 1e-6 else step / tau_1 * decay_1
            u = threshold - low
            for _ in range(steps):
                after_step, was = u - slope * step, y
                settled = u + tau_1 * slope  # y = settled - slope t + (y - settled) exp(-t / tau_1), exactly
                free = after_step + tau_1 * slope + (was - settled) * decay_1
                y = min(max(free, -reach_1), reach_1)
                if y == free:
                    drive = settled + tau_2 * slope
                    w = slope * step - drive + (w + drive) * decay_2 - (was - settled) * passed
                else:  # it saturates within the step: as if y went there in a straight line
                    rate = (was - y) / step
                    w = -y - tau_2 * rate + (w + was + tau_2 * rate) * decay_2
                w = min(max(w, -reach_2), reach_2)
                u = after_step
    return w


@compiled()
def _lags(
    level: Array, pulse: Array, first: int, delay: float, t_clock: float, laws: Array, lag: Array
) -> None:  # fmt: skip
    """`lag` (thresholds,) [V] of one ramp; `laws` (thresholds, 4): tau_1, reach_1, tau_2, reach_2 at each level."""
    for number in range(len(lag)):
        k = first + number
        tau_1, reach_1, tau_2, reach_2 = laws[number]
        past = MEMORY * max(tau_1, tau_2) / t_clock
        back = math.ceil(past) + 1 if 0.0 <= past < k else k  # never beyond the first period
        # w falls with the input: bracket its zero, then false position and halving in turn.
        reach = 3.0 * reach_1 + 0.02
        low, high, guess = level[k] - reach, level[k] + reach, level[k] - 0.1 * reach_1
        at_low = _second_stage(low, k, back, level, pulse, delay, t_clock, tau_1, reach_1, tau_2, reach_2)
        at_high = _second_stage(high, k, back, level, pulse, delay, t_clock, tau_1, reach_1, tau_2, reach_2)
        for turn in range(SEARCH_ROUNDS):
            w = _second_stage(guess, k, back, level, pulse, delay, t_clock, tau_1, reach_1, tau_2, reach_2)
            if w > 0:
                low, at_low = guess, w
            else:
                high, at_high = guess, w
            target = 0.5 * (low + high)
            if turn % 3 < 2 and at_low > at_high:
                target = low + (high - low) * at_low / (at_low - at_high)
            moved, guess = abs(target - guess), target
            if moved < PRECISION or high - low < PRECISION:
                break
        lag[number] = guess - level[k]


def lags(periods: Periods, laws: Array, config: RampAdcConfig) -> Array:
    """T_k - V_os - L_k [V] of each ramp at each clock, shape (..., thresholds).

    `laws` (..., thresholds, 4): tau_1 [s], R_1 [V], tau_2 [s], R_2 [V] at each level; broadcasts against the ramps.
    """
    shape = periods.thresholds.shape
    level = np.ascontiguousarray(periods.level.reshape(-1, periods.level.shape[-1]))
    each = np.ascontiguousarray(np.broadcast_to(laws, (*shape, 4)).reshape(-1, shape[-1], 4))
    if not (each > 0.0).all():
        raise CosimError("time constants and reaches of the comparator's lag must be positive", value=float(each.min()))
    found = np.empty((len(level), shape[-1]))
    # The ramp's integrator answers with the time constant of its amplifier.
    delay = START + 1.0 / (2.0 * math.pi * config.amplifier_gbw)
    for row, law, lag in zip(level, each, found, strict=True):
        _lags(row, periods.pulse, periods.first, delay, config.t_clock, law, lag)
    return found.reshape(shape)
