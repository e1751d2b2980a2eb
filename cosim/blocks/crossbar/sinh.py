"""Cells with a sinh law in an array with wires, as three matrix products.

A cell carries I = G phi(V) with phi(V) = V_g sinh(V / V_0) / sinh(V_g / V_0); V_g is the voltage at which its
conductance is stated.

Bit lines at rest. At a drive of amplitude A on every word line the cells see a A, where a is what a word line leaves
of its drive (`ladders.attenuation`). The array is taken for a linear one of secant conductances G phi(a A) / (a A),
whose effective conductances G_A are found by dissection.

Lift. The currents of its cells lift a bit line by b, and this small change meets the tangent of phi where the secant
was taken: each cell carries G (phi' - phi / V) b less. To first order output j loses the share of it that reaches its
clamp, h, and gains what the word lines, relieved of these currents, feed it. With Z the impedance between two nodes of
a bit line, b_k = sum_i Z_ki I_i, and where all amplitudes are A, as with pulse-width inputs, the contribution of word
line i to output j becomes linear again,

    A G_A[i, j] (1 - sum_k Z_ki h_k d_kj / h_i) + A mean_l(G_A[i, l]) sum_k Z_ki / h_i G_kj h_k w_kj,

where d = G (phi' - phi / V) and w is the voltage of a word line into whose nodes d is fed. Two amplitudes give each
contribution as C1 V + C3 (V^3 + kappa V^5), with kappa = a^2 / (20 V_0^2) as in the sinh's own series.

Unequal amplitudes. The tangents are those of the other word lines' voltages: d goes with V_k^2, not with V_i^2. What
that changes is the bilinear form sum_ki V_k^2 (...) Z_ki / h_i V_i, with Z_ki / h_i of rank two, p_k + q_k r_i, and the
columns' own part of d in one factor per column (D_kj = D_k g_j):

    I_j = y_j - g_j sum_i C1 V_i t_i + g'_j sum_i mean(C1) V_i t'_i + s_j y_j^3,

    y_j = sum_i C1 V_i + sum_i C3 (V_i^3 + kappa V_i^5),    t_i = sum_k V_k^2 D_k (p_k + q_k r_i),

t' likewise from the word lines' relief, and C3 with what makes these two terms vanish for equal amplitudes.

The last term is the second and third order of the lift, b_k = p_k y_j: what G (V b^2 / 2 - b^3 / 6) / V_0^2 of each
cell brings, the word lines' relief included, for inputs of one sign. With both signs the lift is small.

Left out: powers of V from the seventh; the dependence of the lift on the column where amplitudes differ; currents that
return from a lifted bit line into word lines and from there into others.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from cosim.blocks.crossbar.elimination import effective_conductance
from cosim.blocks.crossbar.ladders import attenuation, impedances, voltages_of
from cosim.blocks.crossbar.lapack import one_thread
from cosim.compiled import compiled
from cosim.errors import CosimError

Array = NDArray[np.float64]

AMPLITUDES = (1.0, 0.5)  # of the read voltage: where the polynomial passes through the secant arrays
_ITERATIONS = 3  # of attenuation and secant; each gains a factor of 50 at V_0 = 0.43 V and V_read = 0.2 V
_POWER_STEPS = 6  # towards the second term of Z / h; each gains the ratio of its singular values squared, about 9
_CHUNK = 64  # vectors at a time: what they need stays in the cache
_SMALL = 1 << 18  # multiplications of a product below which BLAS takes one thread by itself


@dataclass(frozen=True)
class OddPowers:
    """What an array of sinh cells is made of, for `odd_power_currents`; all of one floating type.

    Attributes
    ----------
    matrices: C1 [S] above C3 [S/V^2], of shape (2 rows, columns).
    word_lines: of shape (6, rows): D p and D q [1/V^2] of the tangents' term, the same of the word lines' relief,
        r [1] and the mean of C1 over columns [S].
    bit_lines: g and g' [1], s [1/A^2], of shape (3, columns).
    kappa: [1/V^2], of shape (1,).
    """

    matrices: NDArray[Any]
    word_lines: NDArray[Any]
    bit_lines: NDArray[Any]
    kappa: NDArray[Any]

    def astype(self, dtype: DTypeLike) -> OddPowers:
        """The same in float32, for twice the speed, or in float64."""
        names = ("matrices", "word_lines", "bit_lines", "kappa")
        return replace(self, **{name: getattr(self, name).astype(dtype) for name in names})


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
) -> OddPowers:
    """The coefficients of an array of sinh cells, by the equations of this module.

    Parameters
    ----------
    conductances: of shape (rows, columns) [S], at `v_g`; zero is an open cell.
    r_row, r_col, r_driver, r_clamp: as of `effective_conductance` [ohm].
    v_0, v_g: of the cells' law [V].
    v_read: largest drive [V].

    Costs two matrices of effective conductances and some passes over the cells.
    """
    cells = np.ascontiguousarray(conductances, dtype=np.float64)
    small = cells * secant_factor(np.zeros(1), v_0, v_g)  # conductances at small voltages
    along = attenuation(small, r_row, r_driver)
    mean = small.mean(axis=1)
    lift = impedances(mean[::-1].copy(), r_col, r_clamp)[::-1, ::-1] / _from_clamps(mean[:, None], r_col, r_clamp)[:, 0]
    contributions = []
    for amplitude in v_read * np.array(AMPLITUDES):
        reduced = np.ones_like(cells)
        for _ in range(_ITERATIONS):
            secant = cells * secant_factor(amplitude * reduced, v_0, v_g)
            reduced = attenuation(secant, r_row, r_driver)
        tangent = cells * (v_g / v_0 / np.sinh(v_g / v_0)) * np.cosh(amplitude * reduced / v_0)
        reach = _from_clamps(secant, r_col, r_clamp)
        taken = _bit_line_voltages(secant, (tangent - secant) * reach, r_col, r_clamp) / reach
        relief = lift.T @ (secant * reach * voltages_of(secant, tangent - secant, r_row, r_driver))
        effective = effective_conductance(secant, r_row, r_col, r_driver, r_clamp)
        contributions.append(effective * (1.0 - taken) + effective.mean(axis=1)[:, None] * relief)
    kappa = np.mean(along**2) / (20.0 * v_0**2)
    # In powers of V / v_read, so that the 2 x 2 system is well scaled.
    share = np.array(AMPLITUDES)
    powers = np.stack((np.ones(2), share**2 * (1.0 + kappa * (v_read * share) ** 2)), axis=1)
    first, third = np.tensordot(np.linalg.inv(powers), np.array(contributions), axes=1)
    third /= v_read**2

    reaching = small * _from_clamps(small, r_col, r_clamp)
    p, q, r = _rank_two(lift, (reaching * along).sum(axis=1))
    own = reaching * along**2 / (2.0 * v_0**2)
    relieved = reaching * voltages_of(small, small * along**2 / (2.0 * v_0**2), r_row, r_driver)
    share_of_mean = first.mean(axis=1)
    word_lines, bit_lines = [], []
    for curvature, scale in ((own, first), (relieved, -share_of_mean[:, None])):
        rows_part = curvature.sum(axis=1)
        total = rows_part.sum()
        columns_part = curvature.sum(axis=0) / total if total > 0.0 else np.zeros(cells.shape[1])
        word_lines += [rows_part * p, rows_part * q]
        bit_lines.append(columns_part)
        equal = (rows_part @ p) + (rows_part @ q) * r  # t_i / V^2 where all amplitudes are V
        third += scale * equal[:, None] * columns_part
    # Orders of the lift: sum_k G a V_k b_k^2 / 2 and sum_k G b_k^3 / 6, less what the word lines' relief takes.
    orders = []
    for lifted in (along * (p**2)[:, None], np.broadcast_to((p**3)[:, None], cells.shape)):
        orders.append((reaching * (lifted - voltages_of(small, small * lifted, r_row, r_driver))).sum(axis=0))
    sums = first.sum(axis=0)  # y_j per volt of all inputs together
    squared = np.divide(orders[0], sums, out=np.zeros_like(sums), where=sums > 0.0)
    bit_lines.append((squared / 2.0 - orders[1] / 6.0) / v_0**2)
    return OddPowers(
        np.concatenate((first, third)),
        np.array([*word_lines, r, share_of_mean]),
        np.array(bit_lines),
        np.array([kappa]),
    )


def odd_power_currents(voltages: ArrayLike, coefficients: OddPowers) -> NDArray[Any]:
    """Output currents [A] of shape (vectors, columns), by the equation of this module.

    `voltages` of shape (vectors, rows) [V], measured from V_CLP; `coefficients` of `odd_power_coefficients`. The
    floating type is that of the coefficients.
    """
    given = coefficients.matrices
    inputs = np.ascontiguousarray(voltages, dtype=given.dtype)
    if inputs.ndim != 2 or 2 * inputs.shape[1] != len(given):
        raise CosimError(
            "voltages must have the shape (vectors, rows)", key="voltages", value=inputs.shape,
            allowed=f"(any, {len(given) // 2})",
        )  # fmt: skip
    if not inputs.flags.writeable:  # a kernel of its own otherwise
        inputs = inputs.copy()
    arguments = (inputs, given, coefficients.word_lines, coefficients.bit_lines, coefficients.kappa)
    if min(_CHUNK, len(inputs)) * given.size < _SMALL:
        return np.asarray(_currents(*arguments))
    with one_thread():
        return np.asarray(_currents(*arguments))


@compiled(fastmath={"reassoc", "contract", "nsz"})
def _currents(
    voltages: NDArray[Any],
    matrices: NDArray[Any],
    word_lines: NDArray[Any],
    bit_lines: NDArray[Any],
    kappa: NDArray[Any],
) -> NDArray[Any]:
    vectors, rows = voltages.shape
    columns = matrices.shape[1]
    currents = np.empty((vectors, columns), voltages.dtype)
    most = min(_CHUNK, vectors)
    powers_room, lifted_room = np.empty((most, 2 * rows), voltages.dtype), np.empty((most, rows), voltages.dtype)
    loss_room, gains = np.empty((most, columns), voltages.dtype), np.empty(most, voltages.dtype)
    own, along_row, mean = word_lines[:2], word_lines[4], word_lines[5]
    relief = word_lines[2:4]
    fifth, none = kappa[0], kappa[0] * 0
    for start in range(0, vectors, _CHUNK):
        count = min(_CHUNK, vectors - start)
        powers, lifted, loss = powers_room[:count], lifted_room[:count], loss_room[:count]
        for v in range(count):
            s_p, s_q, u_p, u_q = none, none, none, none
            for k in range(rows):
                x = voltages[start + v, k]
                square = x * x
                powers[v, k] = x
                powers[v, rows + k] = x * square + fifth * (x * square * square)
                s_p += square * own[0, k]
                s_q += square * own[1, k]
                u_p += square * relief[0, k]
                u_q += square * relief[1, k]
            gain = none
            for k in range(rows):
                x = powers[v, k]
                lifted[v, k] = x * (s_p + s_q * along_row[k])
                gain += x * mean[k] * (u_p + u_q * along_row[k])
            gains[v] = gain
        part = currents[start : start + count]
        np.dot(powers, matrices, part)
        np.dot(lifted, matrices[:rows], loss)
        for v in range(count):
            for j in range(columns):
                y = part[v, j]
                part[v, j] += gains[v] * bit_lines[1, j] - bit_lines[0, j] * loss[v, j] + bit_lines[2, j] * y * y * y
    return currents


def secant_factor(voltages: Array, v_0: float, v_g: float) -> Array:
    """phi(V) / V at `voltages` [V] of any shape: conductance of a sinh cell relative to that at `v_g`."""
    x = np.asarray(voltages, dtype=np.float64) / v_0
    tiny = np.abs(x) < 1e-6
    ratio = np.where(tiny, 1.0, np.sinh(x) / np.where(tiny, 1.0, x))
    return np.asarray(ratio * (v_g / v_0 / np.sinh(v_g / v_0)))


def _from_clamps(cells: Array, r_col: float, r_clamp: float) -> Array:
    """What the bit lines leave of their clamps' voltage at each cell, shape (rows, columns); by reciprocity also the
    share that reaches the clamp of a current fed into the bit line there."""
    from_bottom = np.ascontiguousarray(cells.T[:, ::-1])
    return attenuation(from_bottom, r_col, r_clamp)[:, ::-1].T


def _bit_line_voltages(cells: Array, currents: Array, r_col: float, r_clamp: float) -> Array:
    """Voltages of bit lines into whose nodes `currents` (rows, columns) [A] are fed."""
    from_bottom = [np.ascontiguousarray(each.T[:, ::-1]) for each in (cells, currents)]
    return voltages_of(from_bottom[0], from_bottom[1], r_col, r_clamp)[:, ::-1].T


def _rank_two(matrix: Array, weights: Array) -> tuple[Array, Array, Array]:
    """p, q, r with `matrix`[k, i] = p_k + q_k r_i but for little, rows and columns counting by `weights`.

    p is the mean over columns; q and r are the first singular vectors of the rest, by repeated products.
    """
    weight = np.sqrt(weights / weights.sum()) if weights.sum() > 0.0 else np.full(len(matrix), len(matrix) ** -0.5)
    p = matrix @ weight**2
    rest = (matrix - p[:, None]) * np.outer(weight, weight)
    right = rest.sum(axis=0)
    for _ in range(_POWER_STEPS):
        right = rest.T @ (rest @ right)
        length = np.linalg.norm(right)
        if length == 0.0:  # one row, or bit lines without resistance: the first term is all
            return p, np.zeros_like(p), np.zeros_like(p)
        right /= length
    weighed = weight > 0.0
    q = np.divide(rest @ right, weight, out=np.zeros_like(p), where=weighed)
    return p, q, np.divide(right, weight, out=np.zeros_like(p), where=weighed)
