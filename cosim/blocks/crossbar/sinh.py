"""Cells with a sinh law in an array with wires, as four matrix products.

A cell carries I = G phi(V) with phi(V) = V_g sinh(V / V_0) / sinh(V_g / V_0); V_g is the voltage at which its
conductance is stated. At a drive of amplitude A on every word line, and with the bit lines at the clamps' voltage,
the cells see a A, where a is what a word line leaves of its drive (`line_attenuation`). The array is taken for a
linear one of secant conductances G phi(a A) / (a A), whose effective conductances G_A are found by elimination.

The bit lines are not quite at the clamps' voltage: the currents I_k of their cells lift them by b = S I, with
S[k, i] = r_clamp + r_col (rows - max(k, i)), and this small change meets the tangent of phi where the secant was
taken. With h what a bit line leaves of a clamp's voltage, that takes from the contribution of word line i the share

    s[i, j] = sum_k S[k, i] G[k, j] h[k, j] (phi'(a A) - phi(a A) / (a A)),

to first order exact when all word lines have the same amplitude, as with pulse-width inputs. G_A (1 - s) A at three
amplitudes gives each word line's contribution as an odd polynomial of its voltage. Where amplitudes differ, the
tangents are those of the other word lines' voltages: with b = p I_j, p the mean of S over the column's currents, and
phi to the third power,

    I_j = sum_i (C1 V_i + C3 V_i^3 + C5 V_i^5) - (sum_i D V_i^2) (sum_i C1 V_i),    D = G_0 h a^2 p / (2 V_0^2),

where G_0 is the conductance at small voltages and C3 holds what makes the last term vanish for equal amplitudes.

Left out: powers from the seventh, the second order of b, its place along the bit line where amplitudes differ.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from cosim.blocks.crossbar.elimination import effective_conductance

Array = NDArray[np.float64]

AMPLITUDES = (1.0, 0.625, 0.25)  # of the read voltage: where the polynomial passes through the secant arrays
_ITERATIONS = 3  # of attenuation and secant; each gains a factor of 50 at V_0 = 0.43 V and V_read = 0.2 V


def odd_power_coefficients(
    conductances: Array,
    r_row: float,
    r_col: float,
    r_driver: float,
    r_clamp: float,
    *,
    v_0: float,
    v_g: float,
    v_read: float,
) -> Array:
    """C1 [S], C3 [S/V^2], C5 [S/V^4] and D [1/V^2] of an array of sinh cells, of shape (4, rows, columns).

    Parameters
    ----------
    conductances: of shape (rows, columns) [S], at `v_g`; zero is an open cell.
    r_row, r_col, r_driver, r_clamp: as of `effective_conductance` [ohm].
    v_0, v_g: of the cells' law [V].
    v_read: largest drive [V].

    Costs three eliminations.
    """
    cells = np.ascontiguousarray(conductances, dtype=np.float64)
    lift = _lift(len(cells), r_col, r_clamp)
    contributions = []
    for amplitude in v_read * np.array(AMPLITUDES):
        attenuation = np.ones_like(cells)
        for _ in range(_ITERATIONS):
            secant = cells * secant_factor(amplitude * attenuation, v_0, v_g)
            attenuation = line_attenuation(secant, r_row, r_driver)
        tangent = cells * (v_g / v_0 / np.sinh(v_g / v_0)) * np.cosh(amplitude * attenuation / v_0)
        taken = lift @ ((tangent - secant) * _from_clamps(secant, r_col, r_clamp))
        contributions.append(amplitude * effective_conductance(secant, r_row, r_col, r_driver, r_clamp) * (1.0 - taken))
    # In powers of V / v_read, so that the 3 x 3 system is well scaled.
    powers = np.array(AMPLITUDES)[:, None] ** (1, 3, 5)
    odd = np.tensordot(np.linalg.inv(powers), np.array(contributions), axes=1)
    odd /= (v_read ** np.array([1.0, 3.0, 5.0]))[:, None, None]
    load = _load(cells * secant_factor(np.zeros(1), v_0, v_g), lift, r_row, r_col, r_driver, r_clamp, v_0)
    odd[1] += load.sum(axis=0) * odd[0]
    return np.concatenate((odd, load[None]))


def odd_power_currents(voltages: Array, coefficients: Array) -> Array:
    """Output currents [A] of shape (vectors, columns), by the equation of this module.

    `voltages` of shape (vectors, rows) [V], measured from V_CLP; `coefficients` of `odd_power_coefficients`.
    """
    first, third, fifth, load = coefficients
    square = voltages * voltages
    cube = square * voltages
    return np.asarray((voltages @ first) * (1.0 - square @ load) + cube @ third + (cube * square) @ fifth)


def secant_factor(voltages: Array, v_0: float, v_g: float) -> Array:
    """phi(V) / V at `voltages` [V] of any shape: conductance of a sinh cell relative to that at `v_g`."""
    x = np.asarray(voltages, dtype=np.float64) / v_0
    tiny = np.abs(x) < 1e-6
    ratio = np.where(tiny, 1.0, np.sinh(x) / np.where(tiny, 1.0, x))
    return np.asarray(ratio * (v_g / v_0 / np.sinh(v_g / v_0)))


@njit(cache=True)
def line_attenuation(cells: Array, r_segment: float, r_end: float) -> Array:
    """Voltage along lines that are driven at their left end, relative to the drive; shape (lines, cells).

    `cells` of shape (lines, cells) [S] lead from the lines to a fixed voltage; each has a segment of `r_segment`
    [ohm] towards the drive, whose own resistance is `r_end` [ohm].
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


def _from_clamps(cells: Array, r_col: float, r_clamp: float) -> Array:
    """What the bit lines leave of their clamps' voltage at each cell, shape (rows, columns); by reciprocity also the
    share that reaches the clamp of a current fed into the bit line there."""
    from_bottom = np.ascontiguousarray(cells.T[:, ::-1])
    return line_attenuation(from_bottom, r_col, r_clamp)[:, ::-1].T


def _lift(rows: int, r_col: float, r_clamp: float) -> Array:
    """Voltage of a bit line's node k per current fed in at node i, no cells attached: (rows, rows) [ohm]."""
    place = np.arange(rows)
    return r_clamp + r_col * (rows - np.maximum.outer(place, place))


def _load(cells: Array, lift: Array, r_row: float, r_col: float, r_driver: float, r_clamp: float, v_0: float) -> Array:
    """D of this module [1/V^2], shape (rows, columns), from conductances at small voltages."""
    reaching = cells * _from_clamps(cells, r_col, r_clamp)
    total = reaching.sum(axis=0)
    profile = np.divide(lift @ reaching, total, out=np.zeros_like(reaching), where=total > 0.0)
    attenuation = line_attenuation(cells, r_row, r_driver)
    return np.asarray(reaching * attenuation**2 * profile / (2.0 * v_0**2))
