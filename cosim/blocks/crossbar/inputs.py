"""Checks of what comes from outside, and the differential convention of a pair of word lines."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cosim.blocks.crossbar.config import CrossbarConfig
from cosim.devices import Device, load_device
from cosim.errors import CosimError
from cosim.units import format_si

Array = NDArray[np.float64]


def device_of(config: CrossbarConfig) -> Device:
    """The device of the cells, with the configuration's V_0 where that gives one."""
    device = load_device(config.device)
    return device if config.v_0 is None else replace(device, v_0=config.v_0)


def differential_inputs(vectors: ArrayLike, v_read: float) -> Array:
    """Word-line voltages of signed inputs: row 2i gets +x_i V_read, row 2i+1 gets -x_i V_read.

    `vectors` of shape (vectors, inputs), full scale -1 .. 1; returns (vectors, 2 inputs) [V]. With the pair's two
    cells on one bit line this gives I_j = V_read sum_i x_i (G[2i, j] - G[2i+1, j]).
    """
    x = np.asarray(vectors, dtype=np.float64)
    return v_read * np.stack((x, -x), axis=-1).reshape(*x.shape[:-1], 2 * x.shape[-1])


def check_cells(conductances: ArrayLike) -> Array:
    """Conductances of shape (rows, columns) [S], finite and not negative; CosimError otherwise."""
    cells = np.asarray(conductances, dtype=np.float64)
    if cells.ndim != 2 or cells.size == 0:
        raise CosimError("conductances must have the shape (rows, columns)", key="conductances", value=cells.shape)
    if not np.isfinite(cells).all():
        raise CosimError("a conductance is not a finite number", key="conductances", value=_first_not_finite(cells))
    if (cells < 0.0).any():
        raise CosimError("a conductance is negative", key="conductances", value=format_si(float(cells.min()), "S"))
    return cells


def check_conductances(conductances: ArrayLike, config: CrossbarConfig) -> Array:
    """Conductances of shape (rows, columns) [S], no more than the array has cells, that the device can hold.

    Zero is an open cell. Around the device's limits there is room for six standard deviations of its read noise.
    Raises CosimError naming the value and the window.
    """
    cells = check_cells(conductances)
    if cells.shape[0] > config.rows or cells.shape[1] > config.columns:
        raise CosimError(
            "more cells than the configured array has", key="conductances", value=cells.shape,
            allowed=f"up to ({config.rows}, {config.columns})",
        )  # fmt: skip
    device = device_of(config)
    room = 6.0 * device.read_noise
    low, high = device.g_lowest * (1.0 - room), device.g_highest * (1.0 + room)
    outside = ((cells < low) & (cells != 0.0)) | (cells > high)
    if outside.any():
        raise CosimError(
            f"the device {device.name} cannot hold this conductance ({int(outside.sum())} of {cells.size} cells)",
            key="conductances", value=format_si(float(cells[outside][0]), "S"),
            allowed=f"{format_si(device.g_lowest, 'S')} to {format_si(device.g_highest, 'S')}, or 0 (open)",
        )  # fmt: skip
    return cells


def check_voltages(voltages: ArrayLike, rows: int) -> Array:
    """Word-line voltages of shape (vectors, rows) [V]; CosimError otherwise."""
    values = np.asarray(voltages, dtype=np.float64)
    if values.ndim != 2 or values.shape[1] != rows or not len(values):
        raise CosimError(
            "voltages must have the shape (vectors, rows)", key="inputs", value=values.shape, allowed=f"(any, {rows})"
        )
    if not np.isfinite(values).all():
        raise CosimError("a voltage is not a finite number", key="inputs", value=_first_not_finite(values))
    return values


def _first_not_finite(values: Array) -> float:
    return float(values[~np.isfinite(values)][0])
