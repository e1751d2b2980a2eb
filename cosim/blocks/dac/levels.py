"""Levels of a word line's DAC from its elements, by the network's own equations; any number of chips at once.

Voltages count from the lower reference. All codes of a line are solved together.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cosim.blocks.dac.chips import element_names
from cosim.blocks.dac.config import DacConfig

Array = NDArray[np.float64]


def ladder_nodes(legs: Array, rungs: Array, on_low: Array, on_high: Array, v_high: float, g_load: float) -> Array:
    """R-2R ladder in voltage mode with switches that have resistance: its nodes' voltages, (..., sizes, bits) [V].

    The last node is the word line.

    Parameters
    ----------
    legs: resistors of termination and bits, the least significant first, shape (..., bits + 1) [ohm].
    rungs: between the nodes of the bits, shape (..., bits - 1) [ohm].
    on_low, on_high: on-resistance of each leg's switch to the lower and the upper reference, as `legs` [ohm].
    v_high: upper reference above the lower one [V]. g_load: from the line to the lower reference [S].

    Kirchhoff's current law at the nodes, the termination's leg at the node of bit 0 and always at the lower reference:
    (G_legs + G_rungs + G_load) v = G_legs v_high over the bits that are on.
    """
    bits = legs.shape[-1] - 1
    on, g_leg = _switched(legs, on_low, on_high)
    matrix = np.zeros((*g_leg.shape, bits))
    node, k = np.arange(bits), np.arange(bits - 1)
    g_rung = (1 / rungs)[..., None, :]
    matrix[..., node, node] = g_leg
    matrix[..., 0, 0] += (1 / (legs + on_low))[..., None, 0]
    matrix[..., bits - 1, bits - 1] += g_load
    matrix[..., k, k] += g_rung
    matrix[..., k + 1, k + 1] += g_rung
    matrix[..., k, k + 1] -= g_rung
    matrix[..., k + 1, k] -= g_rung
    return np.asarray(np.linalg.solve(matrix, (g_leg * on * v_high)[..., None])[..., 0])


def ladder_current(nodes: Array, legs: Array, on_low: Array, on_high: Array, v_high: float) -> Array:
    """Current out of the upper reference at every size [A], (..., sizes), from the voltages of `ladder_nodes`."""
    on, g_leg = _switched(legs, on_low, on_high)
    return np.asarray(np.sum(on * g_leg * (v_high - nodes), axis=-1))


def _switched(legs: Array, on_low: Array, on_high: Array) -> tuple[NDArray[np.bool_], Array]:
    """Which bits are on at each size, (sizes, bits), and the conductance of each bit's leg, (..., sizes, bits) [S]."""
    bits = legs.shape[-1] - 1
    on = ((np.arange(1 << bits)[:, None] >> np.arange(bits)) & 1).astype(bool)
    return on, 1 / np.where(on, (legs + on_high)[..., None, 1:], (legs + on_low)[..., None, 1:])


def array_levels(capacitors: Array, c_other: Array | float, q_reset: float, v_high: float) -> Array:
    """Binary capacitors that share charge: voltage of the line after its reset, (..., sizes) [V].

    v = (sum of the capacitors that are switched to the upper reference times v_high + q_reset) / all capacitance.
    capacitors: the one that is never switched, then those of the bits, shape (..., bits + 1) [F]. c_other: of plates
    and line to ground [F]. q_reset: charge that the reset's switch leaves on the line as it opens [C].
    """
    bits = capacitors.shape[-1] - 1
    on = ((np.arange(1 << bits)[:, None] >> np.arange(bits)) & 1).astype(np.float64)
    switched = capacitors[..., 1:] @ on.T
    total = capacitors.sum(axis=-1) + c_other
    return np.asarray((switched * v_high + q_reset) / np.asarray(total)[..., None])


def line_levels(
    config: DacConfig, element: Array, on_low: Array, on_high: Array, c_parasitic: float, q_reset: float
) -> Array:
    """Levels of amplitude DACs, (..., sizes) [V]: `element` (..., elements) holds relative deviations.

    on_low, on_high: of each leg's switch, (..., bits) [ohm]; of a ladder. c_parasitic, q_reset: of a capacitor array.
    """
    if element.shape[-1] != len(element_names(config)):
        raise ValueError(f"{element.shape[-1]} deviations for {len(element_names(config))} elements")
    v_high = config.high - config.v_clp
    if config.kind == "capacitive":
        units = np.concatenate([[1.0], 2.0 ** np.arange(config.bits - 1)])
        fixed = config.c_top * (config.magnitude + 1) * config.c_unit + config.c_line
        return array_levels(config.c_unit * units * (1 + element), fixed + c_parasitic, q_reset, v_high)
    legs, rungs = resistors(config, element)
    return ladder_nodes(legs, rungs, on_low, on_high, v_high, config.g_load)[..., -1]


def resistors(config: DacConfig, element: Array) -> tuple[Array, Array]:
    """Legs (..., bits) and rungs (..., bits - 2) of a ladder [ohm] from relative deviations."""
    return 2 * config.r_unit * (1 + element[..., : config.bits]), config.r_unit * (1 + element[..., config.bits :])
