"""One-point calibration: after programming, bias cells are chosen so that the ramp is right where it matters.

Errors of the cells add up along the ramp like a random walk from its start, so the same walk seen from its middle
errs by 1 / sqrt(2) of that at the ends (Yang et al., Nature Communications 16, 1136, 2025, fig. 3a, calibrate the bias
of the ramp with 5 extra cells of the column). Here the column has further bias cells of graded conductance; each
can raise the ramp, lower it, or stay unread. All cells are read after programming, so that the programming errors of
the calibration cells themselves are known, and every one of the 3^m combinations has a known shift: the best is taken.
A stuck cell is a step that is missing or too large: the ramp is wrong on one side of it by the whole step, and the
choice shares this loss between both sides.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import product

import numpy as np
from numpy.typing import NDArray

from cosim.blocks.ramp_adc.config import RampAdcConfig
from cosim.blocks.ramp_adc.design import ColumnDesign, column_levels, effective_conductance, step_voltage
from cosim.blocks.ramp_adc.functions import output_error

Array = NDArray[np.float64]


@lru_cache(maxsize=8)
def combinations(cells: int) -> NDArray[np.int64]:
    """All signs -1, 0, +1 of `cells` cells, those that read the fewest cells first; shape (3^cells, cells)."""
    every = np.array(list(product((0, 1, -1), repeat=cells)), dtype=np.int64).reshape(-1, cells)
    return np.asarray(every[np.argsort(np.abs(every).sum(axis=1), kind="stable")])


def middle(thresholds: int) -> int:
    """Index of the threshold that the one-point calibration makes right."""
    return thresholds // 2


def choose_signs(
    ramp: Array, bias: Array, calibration: Array, design: ColumnDesign, config: RampAdcConfig
) -> NDArray[np.int64]:
    """Signs (m,) of the calibration cells with the conductances that were read; arrays as in `ColumnDesign` [S].

    "one_point" takes the combination whose middle threshold is nearest to its ideal level, "least_inl" the one with
    the least max |INL|; among equal ones the one that reads the fewest cells.
    """
    signs = combinations(len(calibration))
    levels = column_levels(ramp, bias, design.bias_sign, config, design.pulse)
    shifts = step_voltage(config) * (signs * effective_conductance(calibration, config)).sum(axis=1)
    alpha = design.gain(config.v_read, config.c_fb)
    if config.calibration == "one_point":
        m = middle(len(levels))
        cost = np.abs(levels[m] + shifts - alpha * design.thresholds[m])
    else:
        x = (levels + shifts[:, None]) / alpha
        cost = np.abs(output_error(config.activation, config.bits, x)).max(axis=1)
    return np.asarray(signs[cost.argmin()])
