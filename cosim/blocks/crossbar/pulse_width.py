"""Cells with a sinh law at pulse-width inputs, in an array with wires, as two matrix products.

Input x_i holds word line i at V_read (with its sign) for |x_i| T; all pulses start together. Were the bit lines at the
clamps' voltage, each word line would be by itself, and while it is active its cells would carry f_ij = G phi(a V_read),
phi and a as in `sinh`: in proportion to the pulse's width, whatever the law.

But the currents lift the bit lines by b, and a cell gives way by its tangent: t = G phi'(a V_read) while its word line
is active, t0 = G phi'(0) while it is idle. With R the mean of the two, the linear array of conductances R says what
reaches the clamps of f_ij, an active share of one half being taken for granted. The rest is, to first order in t - t0
and with F(t) the share of the word lines that are active at the time t,

    - sum_k h_kj (t - t0)_kj (F - 1/2) b_kj,    b_kj = sum_i Z_ki f_ij sign(x_i) [t < |x_i| T],

h what a bit line leaves of a clamp's voltage, Z the impedance of the bit line's nodes with cells R on them. The time
integral of F over the pulse of input i is T times the mean over all inputs of min(|x_i|, |x_k|), so that

    Q_j = V_read T sum_i (x_i P_ij + o_i S_ij),    o_i = sign(x_i) mean_k min(|x_i|, |x_k|),
    S_ij = -(f_ij / V_read) sum_k Z_ik h_kj (t - t0)_kj,    P = G_eff(R) f / (a_R R V_read) - S / 2.

Left out: how the active share of a column's large cells differs from that of all word lines, the second order of b.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cosim.blocks.crossbar.elimination import effective_conductance
from cosim.blocks.crossbar.ladders import attenuation, voltages_of
from cosim.blocks.crossbar.sinh import secant_factor
from cosim.compiled import compiled

Array = NDArray[np.float64]

_ITERATIONS = 3  # of attenuation and secant; each gains a factor of 50 at V_0 = 0.43 V and V_read = 0.2 V


def pulse_width_conductances(
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
    """P and S of this module [S], shape (2, rows, columns).

    Parameters
    ----------
    conductances: of shape (rows, columns) [S], at `v_g`; zero is an open cell.
    r_row, r_col, r_driver, r_clamp: as of `effective_conductance` [ohm].
    v_0, v_g: of the cells' law [V].
    v_read: voltage of an active word line [V].

    Costs one elimination.
    """
    cells = np.ascontiguousarray(conductances, dtype=np.float64)
    seen = np.ones_like(cells)  # voltage of an active cell, of V_read
    for _ in range(_ITERATIONS):
        secant = secant_factor(v_read * seen, v_0, v_g)
        seen = attenuation(cells * secant, r_row, r_driver)
    secant = secant_factor(v_read * seen, v_0, v_g)
    idle = v_g / v_0 / np.sinh(v_g / v_0)
    active = idle * np.cosh(v_read * seen / v_0)
    mean = (active + idle) / 2.0
    loaded = cells * mean
    own = cells * secant * seen  # f / V_read
    share = secant * seen / (mean * attenuation(loaded, r_row, r_driver))
    first = effective_conductance(loaded, r_row, r_col, r_driver, r_clamp) * share
    from_bottom = np.ascontiguousarray(loaded.T[:, ::-1])
    reaching = attenuation(from_bottom, r_col, r_clamp)  # by reciprocity also h
    injected = reaching * np.ascontiguousarray((cells * (active - idle)).T[:, ::-1])
    lifted = voltages_of(from_bottom, injected, r_col, r_clamp)[:, ::-1].T
    second = -own * lifted
    return np.stack((first - second / 2.0, second))


@compiled(fastmath={"reassoc", "nnan", "nsz"})  # so that the sum is done on vectors
def mean_overlap(inputs: NDArray[Any]) -> NDArray[Any]:
    """o of this module, sign(x_i) mean_k min(|x_i|, |x_k|), for finite `inputs` (vectors, inputs), in their precision.

    All pairs are compared, several at once: up to some hundred inputs that is faster than sorting them.
    """
    overlap = np.empty_like(inputs)
    vectors, length = inputs.shape
    for vector in range(vectors):
        row = np.abs(inputs[vector])
        for i in range(length):
            own = row[i]
            total = own - own
            for k in range(length):
                total += min(own, row[k])
            overlap[vector, i] = np.copysign(total / length, inputs[vector, i])
    return overlap
