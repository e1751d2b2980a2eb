"""A programmed array with its integrators in closed form: what is on each integrator for any inputs.

The bit line's charge goes onto C_fb; an integrator of gain A and unity-gain frequency w_u has a virtual ground that
gives way by V / A and by (dV/dt) / w_u, and what the array draws from it meanwhile is missing. Over the whole
conversion that is, with Y the admittance matrix of the array's clamps and Q the charges into ideal ones,

    C V + (1 / w_u + t_hold / A) Y V = Q,    C = C_fb (1 + 1/A) + C_bl / A,

t_hold the mean time for which an output holds its final value. So to the array such a virtual ground is a resistance
(1 / w_u + t_hold / A) / C in series with each clamp, and all charge that passes is on C. For linear cells this is exact
but for t_hold, and a programmed tile is one matrix. Cells with a sinh law meet the same resistance:
`crossbar.pulse_width` has their charges for pulse-width inputs, `crossbar.sinh` for amplitudes.

At its limits an amplifier lets its bit line go. What is then beyond flows back through the array, whose clamp l has
the admittance Y_ll and whose clamp j gets -Y_jl / Y_ll of it through the word lines; so with B what V is beyond the
limits, V_j - sum_l B_l Y_jl / Y_ll is left: the limit itself at j = l. Left out: an output that was at its limit during
the pulses and came back.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cosim.blocks.crossbar.config import CellKind
from cosim.blocks.crossbar.elimination import clamp_matrix, effective_conductance
from cosim.blocks.crossbar.ladders import attenuation
from cosim.blocks.crossbar.pulse_width import mean_overlap, pulse_width_conductances
from cosim.blocks.crossbar.sinh import OddPowers, odd_power_coefficients, odd_power_currents, secant_factor
from cosim.blocks.ramp_adc.config import RampAdcConfig
from cosim.blocks.ramp_adc.timing import EDGE
from cosim.tiles.config import SETTLING, TileConfig, input_pulse

Array = NDArray[np.float64]

LEAST_OUTPUT, HEADROOM = 0.1, 0.1  # [V] of an integrator's output above ground, and below the supply

_ITERATIONS = 4  # of the voltage that a ramp cell sees; each gains a factor of 1000


@dataclass(frozen=True)
class ProgrammedArray:
    """MAC results of a programmed array; everything that does not depend on the inputs is done.

    Attributes
    ----------
    matrix: of shape (inputs, bit lines), in the unit of the results: what multiplies the inputs; the first power.
    overlap: the same, what multiplies o of `crossbar.pulse_width`; None but of sinh cells at pulse-width inputs.
    odd_powers: the coefficients of `crossbar.sinh` in place of the two; None but of sinh cells at amplitudes.
    cell_results: what each cell alone brings at full scale, for its noise; (word lines of inputs, bit lines), in that
        unit too.
    limits: lowest and highest result that an amplifier can hold, in that unit; infinite without amplifiers.
    passed_on: what each bit line (column) loses of that by which another (row) is beyond, (bit lines, bit lines).

    Of inputs and bit lines that are used; what else is in the array loads the wires only.
    """

    matrix: NDArray[Any]
    overlap: NDArray[Any] | None
    odd_powers: OddPowers | None
    cell_results: Array
    limits: tuple[float, float]
    passed_on: NDArray[Any]

    def mac(self, values: NDArray[Any]) -> NDArray[Any]:
        """MAC results (batch, bit lines) of `values` (batch, inputs) within -1 .. 1, in the unit of the matrix.

        In the precision of both: float32 where `single` made the array so.
        """
        if self.odd_powers is not None:
            result = odd_power_currents(values, self.odd_powers)
        else:
            result = np.asarray(values @ self.matrix)
            if self.overlap is not None:
                result += mean_overlap(values) @ self.overlap
        low, high = self.limits
        if not result.size or (result.min() >= low and result.max() <= high):
            return result
        rows = np.flatnonzero((result.min(axis=1) < low) | (result.max(axis=1) > high))
        there = result[rows]
        result[rows] = there - (there - np.clip(there, low, high)) @ self.passed_on
        return result

    def single(self) -> ProgrammedArray:
        """The same in float32, for inputs in float32."""
        matrix, passed_on = (np.ascontiguousarray(each, dtype=np.float32) for each in (self.matrix, self.passed_on))
        overlap = None if self.overlap is None else np.ascontiguousarray(self.overlap, dtype=np.float32)
        powers = None if self.odd_powers is None else self.odd_powers.astype(np.float32)
        return replace(self, matrix=matrix, overlap=overlap, odd_powers=powers, passed_on=passed_on)


def program_array(
    cells: Array,
    config: TileConfig,
    resistances: tuple[float, float, float, float],
    *,
    law: CellKind,
    v_0: float,
    amplifier: bool,
    unit: float = 1.0,
) -> ProgrammedArray:
    """The array of conductances `cells`, shape (word lines, bit lines) [S], behind its integrators.

    Parameters
    ----------
    resistances: of a word line's and a bit line's segment, of drivers and clamps [ohm].
    law: of the cells, "linear" or "sinh"; v_0: voltage of the latter [V].
    amplifier: whether gain and bandwidth of the integrators count.
    unit: volts above V_CLP that a result of one stands for.
    """
    adc = config.adc
    row, column, driver, clamp = resistances
    capacitance, ground = virtual_ground(config) if amplifier else (adc.c_fb, 0.0)
    v_read, scale = adc.v_read, adc.v_read * input_pulse(config) / capacitance / unit
    v_g = config.device.v_read
    own = np.ascontiguousarray(cells if law == "linear" else cells * secant_factor(np.full(1, v_read), v_0, v_g))
    limits, passed_on = (-math.inf, math.inf), np.eye(cells.shape[1])
    if amplifier:
        limits = ((LEAST_OUTPUT - adc.v_clp) / unit, (adc.v_dd - HEADROOM - adc.v_clp) / unit)
        passed_on = _passed_on(clamp_matrix(own, *resistances))
    through = (row, column, driver, clamp + ground)
    overlap = odd_powers = None
    if law == "linear":
        matrix = _used(effective_conductance(cells, *through) * scale, config)
    elif config.input_mode == "pulse width":
        both = pulse_width_conductances(cells, *through, v_0=v_0, v_g=v_g, v_read=v_read) * scale
        matrix, overlap = _used(both, config)
        overlap *= config.inputs / (config.inputs + config.idle_inputs)  # its mean is over all inputs of the array
    else:
        odd = odd_power_coefficients(cells, *through, v_0=v_0, v_g=v_g, v_read=v_read)
        odd_powers = _of_inputs(odd, v_read, scale, config)
        matrix = odd_powers.matrices[: config.inputs]
    reaching = attenuation(np.ascontiguousarray(own.T[:, ::-1]), column, clamp + ground)[:, ::-1].T
    alone = own * attenuation(own, row, driver) * reaching * scale
    used, lines = config.lines_per_input * config.idle_inputs, config.bit_lines
    return ProgrammedArray(
        matrix, overlap, odd_powers, alone[used:, :lines], limits, np.ascontiguousarray(passed_on[:lines, :lines])
    )


def _passed_on(clamps: Array) -> Array:
    """Y_jl / Y_ll of the clamps' admittance matrix, transposed; a bit line without cells keeps all to itself."""
    own = np.diag(clamps)
    shares = np.divide(clamps, own, out=np.eye(len(clamps)), where=own > 0.0)
    return np.ascontiguousarray(shares.T)


def virtual_ground(config: TileConfig) -> tuple[float, float]:
    """Capacitance that an integrator's charge is on [F], and its virtual ground's resistance [ohm]."""
    adc, pulse = config.adc, input_pulse(config)
    # An output rises for the length of its pulse and then stays; of pulse widths the mean is half the longest.
    rising = 0.5 * pulse if config.input_mode == "pulse width" else pulse
    hold = pulse - rising / 2.0 + SETTLING
    capacitance = adc.c_fb * (1 + 1 / adc.amplifier_gain) + adc.c_bitline / adc.amplifier_gain
    return capacitance, (1 / (2 * math.pi * adc.amplifier_gbw) + hold / adc.amplifier_gain) / capacitance


def column_conductances(
    conductances: Array, config: RampAdcConfig, v_0: float, v_g: float, pulse: Array | None = None
) -> Array:
    """Linear cells that step the ramp as sinh cells of `conductances` (any shape) [S], stated at `v_g`, do [S].

    `pulse`: read pulse of each cell as a share of `t_pulse`, of the same shape; None where all are 1.

    A cell sees V_read less what the virtual ground gives way, I / (w_u C_fb), and conducts as its secant there:
    G' = G phi(V) / V, V = V_read / (1 + G' / (w_u C_fb)); see `ramp_adc.design`. In each edge of its pulse it brings
    the mean of phi, phi(V) tanh(V / 2 V_0) / (V / V_0), in place of half of phi(V). At V_read = v_g G' is nearly G
    itself, and elsewhere off by the factor that the MAC result is off by as well.
    """
    linear = np.asarray(conductances, dtype=np.float64)
    w_u = 2 * math.pi * config.amplifier_gbw
    for _ in range(_ITERATIONS):
        seen = config.v_read / (1.0 + linear / (w_u * config.c_fb))
        linear = conductances * secant_factor(seen, v_0, v_g)
    half = config.v_read / (2.0 * v_0)
    width = config.t_pulse * (1.0 if pulse is None else pulse)
    return np.asarray(linear * (1.0 - EDGE / width * (1.0 - math.tanh(half) / half)))


def _of_inputs(odd: OddPowers, v_read: float, scale: float, config: TileConfig) -> OddPowers:
    """Of inputs x in place of word lines' voltages, +x V_read and -x V_read of a pair; `scale` as of the matrix, the
    unit of the results for each siemens.

    Both lines of a pair take the place along their bit lines (r of `OddPowers`) that lies between them.
    """
    rows, lines, used = len(odd.matrices) // 2, config.lines_per_input, config.bit_lines
    first, third = _used(odd.matrices[:rows], config), _used(odd.matrices[rows:], config)
    plus, minus = odd.word_lines[:, 0::lines], odd.word_lines[:, 1::lines]
    if lines == 2:
        together = np.concatenate((plus[:4] + minus[:4], (plus[4:5] + minus[4:5]) / 2.0, plus[5:] - minus[5:]))
    else:
        together = plus
    word_lines = together[:, config.idle_inputs :] * np.array([v_read**2] * 4 + [1.0, scale])[:, None]
    # y is in the unit of the results too: a current times scale / v_read; g and g' are plain numbers.
    bit_lines = odd.bit_lines[:, :used] * np.array([1.0, 1.0, (v_read / scale) ** 2])[:, None]
    return OddPowers(
        np.concatenate((first * scale, third * (scale * v_read**2))), word_lines, bit_lines, odd.kappa * v_read**2
    )


def _used(rows: Array, config: TileConfig) -> Array:
    """Of inputs and bit lines that are used, from (..., word lines, bit lines) of the array.

    An input of a differential tile is +x on one word line of its pair and -x on the other.
    """
    inputs = rows if config.lines_per_input == 1 else rows[..., 0::2, :] - rows[..., 1::2, :]
    return np.ascontiguousarray(inputs[..., config.idle_inputs :, : config.bit_lines])
