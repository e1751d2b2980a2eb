"""Conductances that make up for what wires, drivers, clamps and integrators take: IR drop compensated at programming.

A linear array with wires behind real integrators is one matrix of effective conductances (`array`). Cells are wanted
whose effective conductances are those that the weights ask for, T, and which the fixed point

    G <- clip(G T' / E(G), G_min, G_max),    T' = T C / C_fb,

finds, E the effective conductances with the virtual grounds in series with the clamps, and C / C_fb what of the charge
a finite gain leaves out. A cell that lies far from driver and clamp has to conduct more than its weight says, so the
largest weight may take only a share of the window, `TileConfig.headroom`; the input pulses are longer by as much.

What is known at design is compensated: the configured resistances, gain and bandwidth. What a chip has of its own
(programming error, offsets) is not, and of cells with a sinh law their linear part is.
"""

from __future__ import annotations

import hashlib
import math
from collections import OrderedDict
from collections.abc import Callable
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from cosim.blocks.crossbar.elimination import effective_conductance
from cosim.errors import CosimError
from cosim.tiles.array import virtual_ground
from cosim.tiles.config import TileConfig, conductance_targets

Array = NDArray[np.float64]

CLOSE = 1e-3  # of the window: the largest error of an effective conductance that is left, a tenth of a level of 8 bits
COARSE = 1e-2  # the same while the headroom is sought
BEYOND = 1e-3  # share of the cells that may lie beyond the window when the headroom is chosen
LEAST_HEADROOM = 0.05
_HALVINGS = 6  # of the headroom's logarithm: to 5 %
_MOST = 12  # iterations of the fixed point; each gains a factor of some 3 at an attenuation of a half
_REMEMBERED = 256  # matrices; 256 x 128 cells take 0.3 MB

Kind = TypeVar("Kind")

_found: OrderedDict[tuple[object, ...], Array] = OrderedDict()
_shares: OrderedDict[tuple[object, ...], float] = OrderedDict()


def array_targets(weights: Array, config: TileConfig, *, wires: bool = True, amplifier: bool = True) -> Array:
    """Conductances [S] to program, (word lines, bit lines), for weights of shape (inputs, outputs).

    Those of `conductance_targets`, and where `config.compensated` says so those of this module. `wires`, `amplifier`:
    what there is to compensate, for tiles that leave one out. Raises CosimError as `conductance_targets`.
    """
    wanted = conductance_targets(weights, config)
    if not config.compensated or not (wires or amplifier):
        return wanted
    device = config.device
    key = (_digest(weights), config, wires, amplifier)
    return _remembered(
        _found, key, lambda: _solved(wanted, config, wires, amplifier, device.g_min, device.g_max)
    ).copy()


def headroom_for(weights: Array, config: TileConfig) -> float:
    """The largest share of the window that leaves at most `BEYOND` of the cells without the conductance they need.

    1 where the tile is not compensated. Raises CosimError as `conductance_targets`, and where it would be less than
    `LEAST_HEADROOM`.
    """
    if not config.compensated:
        return 1.0
    return _remembered(_shares, (_digest(weights), config), lambda: _headroom(weights, config))


def _headroom(weights: Array, config: TileConfig) -> float:
    """By bisection: the smaller the share, the smaller the currents, and the less there is to compensate."""

    def fits(share: float) -> bool:
        trial = config.model_copy(update={"headroom": share})
        device = trial.device
        cells = _solved(
            conductance_targets(weights, trial),
            trial,
            True,
            True,
            device.g_min,
            device.g_max,
            most=BEYOND,
            close=COARSE,
        )
        return _share_at(cells, device.g_max) <= BEYOND

    if fits(1.0):
        return 1.0
    low, high = LEAST_HEADROOM, 1.0
    for _ in range(_HALVINGS):
        middle = math.sqrt(low * high)
        low, high = (middle, high) if fits(middle) else (low, middle)
    if low == LEAST_HEADROOM and not fits(low):
        raise CosimError(
            f"wires, clamps and amplifiers take more than can be made up for with {low:.0%} of the conductance window",
            key="headroom", value=low, allowed="tiles of fewer inputs or outputs, or a stated headroom",
        )  # fmt: skip
    return low


def _share_at(cells: Array, end: float) -> float:
    """Share of the cells at the upper end of the window."""
    return float(np.mean(cells >= end * (1 - 1e-9)))


def _solved(
    wanted: Array, config: TileConfig, wires: bool, amplifier: bool, low: float, high: float, *, most: float = 1.0,
    close: float = CLOSE,
) -> Array:  # fmt: skip
    """The fixed point; given up when more than the share `most` of the cells lie at the end of the window, for they
    only rise on the way."""
    array = config.array
    capacitance, ground = virtual_ground(config) if amplifier else (config.adc.c_fb, 0.0)
    row, column, driver, clamp = (
        (array.r_wire_row, array.r_wire_column, array.r_driver, array.r_clamp) if wires else (0.0,) * 4
    )
    aim = wanted * (capacitance / config.adc.c_fb)
    cells, device = np.clip(aim, low, high), config.device
    for _ in range(_MOST):
        effective = effective_conductance(cells, row, column, driver, clamp + ground)
        following = np.clip(cells * aim / effective, low, high)
        # A cell at an end of the window stays there, and is no reason to go on.
        error = np.abs(effective - aim) * ((following > low) & (following < high))
        cells = following
        if error.max() <= close * (device.g_max - device.g_min) or (most < 1.0 and _share_at(cells, high) > most):
            break
    return cells


def _digest(weights: Array) -> bytes:
    return hashlib.sha256(np.ascontiguousarray(weights).data).digest()


def _remembered(
    store: OrderedDict[tuple[object, ...], Kind], key: tuple[object, ...], make: Callable[[], Kind]
) -> Kind:
    """What `make` gives, made once: chips and variants of a network ask for the same again."""
    if key not in store:
        store[key] = make()
        while len(store) > _REMEMBERED:
            store.popitem(last=False)
    store.move_to_end(key)
    return store[key]
