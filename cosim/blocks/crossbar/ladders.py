"""Single lines of an array: a resistance for each segment, a cell from each node to a fixed voltage.

Every line is driven at its left end; arrays are of shape (lines, cells). Recursions from the far end in ratios not
above one, so that zero resistances and open cells are no special case and nothing overflows or cancels.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cosim.compiled import compiled

Array = NDArray[np.float64]


@compiled()
def attenuation(cells: Array, r_segment: float, r_end: float) -> Array:
    """Voltage along the lines, relative to the drive; shape (lines, cells).

    `cells` of shape (lines, cells) [S]; each has a segment of `r_segment` [ohm] towards the drive, whose own
    resistance is `r_end` [ohm].
    """
    lines, length = cells.shape
    along = np.empty_like(cells)
    for line in range(lines):
        seen = 0.0
        for k in range(length - 1, -1, -1):
            seen += cells[line, k]
            ratio = 1.0 / (1.0 + (r_segment if k > 0 else r_segment + r_end) * seen)
            along[line, k] = ratio
            seen *= ratio
        for k in range(1, length):
            along[line, k] *= along[line, k - 1]
    return along


@compiled()
def voltages_of(cells: Array, currents: Array, r_segment: float, r_end: float) -> Array:
    """Voltages [V] of the lines' nodes with `currents` (lines, cells) [A] fed into them and the drive at rest.

    Other arguments as of `attenuation`.
    """
    lines, length = cells.shape
    voltages = np.empty_like(cells)
    ratio, fed = np.empty(length), np.empty(length)
    for line in range(lines):
        seen, current = 0.0, 0.0  # of what lies to the right, as an admittance and a source beside it
        for k in range(length - 1, -1, -1):
            seen += cells[line, k]
            current += currents[line, k]
            resistance = r_segment if k > 0 else r_segment + r_end
            ratio[k] = 1.0 / (1.0 + resistance * seen)
            fed[k] = resistance * current
            seen *= ratio[k]
            current *= ratio[k]
        voltage = 0.0
        for k in range(length):
            voltage = (voltage + fed[k]) * ratio[k]
            voltages[line, k] = voltage
    return voltages


def impedances(cells: Array, r_segment: float, r_end: float) -> Array:
    """Voltage at node k of one line per current fed in at node i: (cells, cells) [ohm]; `cells` of shape (cells,)."""
    size = len(cells)
    return np.ascontiguousarray(voltages_of(np.tile(cells, (size, 1)), np.eye(size), r_segment, r_end).T)
