"""Measured cells -> variables of the data set that `cell.characterise` gives, one kind of measurement a description.

What has an index in the simulation has the same dimensions here; several devices or cycles, of which the simulation
has one, are dimensions in front.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cosim.blocks.cell.config import CellConfig
from cosim.blocks.cell.switching import POLARITIES
from cosim.blocks.dataset import Entry
from cosim.blocks.lab.grid import Axis, Grid, gridded, in_order
from cosim.blocks.lab.rows import Quantity, Rows
from cosim.blocks.status import FAILED, OK

Array = NDArray[np.float64]

_DEVICE = Quantity("number or name of the device", "text", index=True)
_CYCLE = Quantity("cycle", "whole", 0, 1e9, index=True)
_STATE = Quantity("conductance that was asked for", "S", 0.0, 0.1, required=True, index=True)
_POLARITY = Quantity("direction of the pulse", "text", required=True, index=True, choices=POLARITIES)
_CONDUCTANCE = Quantity("conductance at the read voltage", "S", -1e-5, 0.1, required=True)
_CURRENT = Quantity("current into the cell", "A", -1.0, 1.0, required=True)
_VOLTAGE = Quantity("voltage of the cell", "V", -20.0, 20.0, required=True, index=True)
_AMPLITUDE = Quantity("voltage of the pulse", "V", -20.0, 20.0, index=True)
_WIDTH = Quantity("width of the pulse", "s", 1e-12, 1e3, index=True)

CELL_QUANTITIES: Mapping[str, Mapping[str, Quantity]] = {
    "iv": {"device": _DEVICE, "state": _STATE, "voltage": _VOLTAGE, "current": _CURRENT},
    "loop": {
        "device": _DEVICE,
        "cycle": _CYCLE,
        "compliance": Quantity("limit of the current in SET", "A", 0.0, 1.0, index=True),
        "voltage": _VOLTAGE,
        "current": _CURRENT,
    },
    "pulses": {
        "device": _DEVICE,
        "cycle": _CYCLE,
        "polarity": _POLARITY,
        "amplitude": _AMPLITUDE,
        "width": _WIDTH,
        "pulse": Quantity("pulses so far, 0 before the first", "whole", 0, 1e9, required=True, index=True),
        "conductance": _CONDUCTANCE,
    },
    "cycles": {"device": _DEVICE, "polarity": _POLARITY, "cycle": _CYCLE, "conductance": _CONDUCTANCE},
    "programming": {"state": _STATE, "device": _DEVICE, "conductance": _CONDUCTANCE},
    "drift": {
        "state": _STATE,
        "time": Quantity("time after programming", "s", 0.0, 1e12, required=True, index=True),
        "device": _DEVICE,
        "conductance": _CONDUCTANCE,
    },
    "noise": {
        "device": _DEVICE,
        "state": _STATE,
        "read": Quantity("number of the read", "whole", 0, 1e9, required=True, index=True),
        "conductance": _CONDUCTANCE,
    },
}
"""Kind of measurement -> what its table may hold."""

_AXES = {
    "state": Axis("state", "S", "conductance that was asked for"),
    "voltage": Axis("voltage", "V", "voltage of the cell"),
    "time": Axis("time", "s", "time after programming"),
    "device": Axis("device", "text", "device"),
    "devices": Axis("device", "text", "device", extra=True),
    "polarity": Axis("polarity", "text", "direction of the pulses", POLARITIES),
    "amplitude": Axis("amplitude", "1", "amplitude, relative to the one used most in its direction"),
    "width": Axis("width", "1", "width, relative to the one used most"),
    "pulse": Axis("pulse", "whole", "pulses so far"),
    "cycle": Axis("cycle", "whole", "cycle"),
    "cycles": Axis("cycle", "whole", "cycle", extra=True),
    "read": Axis("read", "whole", "number of the read"),
}

Entries = tuple[dict[str, Entry], dict[str, Entry]]


def cell_entries(
    kind: str,
    rows: Rows,
    others: Mapping[str, Rows | None],
    config: CellConfig,
    stated: Mapping[str, Any],
    toml: Path,
) -> tuple[dict[str, Entry], dict[str, Entry], dict[str, Any]]:
    """Variables, coordinates and stored configuration of one kind of measurement.

    Raises CosimError when two rows have the same place.
    """
    del others, toml
    build = {"iv": _iv, "loop": _loop, "pulses": _pulses, "cycles": _cycles, "noise": _noise}.get(kind, _programming)
    variables, coords, complete = build(rows, kind, config, stated)
    measurement = "programming" if kind == "drift" else kind
    coords["measurement"] = (("measurement",), np.array([measurement], dtype=object), "1", "what was measured")
    status = np.array([OK if complete else FAILED], dtype=np.int8)
    variables["status"] = (("measurement",), status, "1", "0 = all points measured, 1 = points are missing")
    # Of a measured cell only what the description states is known; defaults are those of the simulated one.
    return variables, coords, config.model_dump(mode="json", exclude_unset=True)


def _iv(rows: Rows, kind: str, config: CellConfig, stated: Mapping[str, Any]) -> tuple[Any, Any, bool]:
    """I-V curves with the state frozen; conductance and non-linearity by straight lines between measured points."""
    del kind, stated
    grid = gridded(rows, [_AXES["devices"], _AXES["state"], _AXES["voltage"]], ["current"])
    current, voltage = grid.values["current"], grid.coords["voltage"][1]
    per = grid.dims[:-1]
    v_read = config.v_read
    if v_read is None and "device" in config.model_fields_set:
        v_read = config.read_voltage
    at_read, at_tenth = (_conductance_at(share * (v_read or np.nan), voltage, current) for share in (1.0, 0.1))
    ratio = at_read / at_tenth - 1.0
    return {
        "current": (grid.dims, current, "A", "current of the cell, state frozen"),
        "conductance": (per, at_read, "S", "conductance at the read voltage"),
        "nonlinearity": (per, ratio, "1", "conductance at V_read over that at V_read / 10, less one"),
    }, grid.coords, grid.complete  # fmt: skip


def _conductance_at(v: float, voltage: Array, current: Array) -> Array:
    """I / V at a voltage; NaN where the curve has no points around it."""
    flat = current.reshape(-1, len(voltage))
    found = np.full(len(flat), np.nan)
    for number, curve in enumerate(flat):
        known = np.isfinite(curve)
        if known.any():
            found[number] = np.interp(v, voltage[known], curve[known], left=np.nan, right=np.nan) / v
    return found.reshape(current.shape[:-1])


def _loop(rows: Rows, kind: str, config: CellConfig, stated: Mapping[str, Any]) -> tuple[Any, Any, bool]:
    """Sweeps in the order of the table, as they were taken; each device, cycle and compliance is one loop."""
    del kind, config, stated
    devices, cycles, limits = rows.texts("device", "0"), rows.whole("cycle"), rows.numbers("compliance")
    keys = list(zip(devices, cycles.tolist(), np.nan_to_num(limits, nan=-1.0).tolist(), strict=True))
    loops = sorted(set(keys), key=lambda key: (in_order(key[0]), key[1], key[2]))
    members = [[row for row, key in enumerate(keys) if key == loop] for loop in loops]
    longest = max(len(each) for each in members)
    voltage, current = np.full((len(loops), longest), np.nan), np.full((len(loops), longest), np.nan)
    for number, own in enumerate(members):
        voltage[number, : len(own)] = rows.numbers("voltage")[own]
        current[number, : len(own)] = rows.numbers("current")[own]
    names = sorted(set(devices), key=in_order)
    limit = np.array([loop[2] if loop[2] >= 0 else np.nan for loop in loops])
    of_loop: dict[str, tuple[Any, str, str]] = {
        "points": (np.array([len(own) for own in members]), "1", "points of the loop"),
        "device": (np.array([names.index(loop[0]) for loop in loops]), "1", "device, in the order of their names"),
        "device_name": (np.array([loop[0] for loop in loops], dtype=object), "1", "name of the device"),
        "cycle": (np.array([loop[1] for loop in loops]), "1", "cycle"),
        "compliance": (limit, "A", "limit of the current in SET"),
    }
    one = len(loops) == 1
    dims = ("loop_point",) if one else ("loop", "loop_point")
    coords: dict[str, Entry] = {
        "loop_voltage": (dims, voltage[0] if one else voltage, "V", "voltage of the sweep"),
        **{name: ((), each[0], *text) if one else (("loop",), each, *text)
           for name, (each, *text) in of_loop.items()},
    }  # fmt: skip
    variables = {"loop_current": (dims, current[0] if one else current, "A", "current, the state following")}
    return variables, coords, bool(np.isfinite(rows.numbers("current")).all())


def _pulses(rows: Rows, kind: str, config: CellConfig, stated: Mapping[str, Any]) -> tuple[Any, Any, bool]:
    """Trains of equal pulses; amplitude and width as shares of those used most, as the simulation has them."""
    del kind, config, stated
    polarity = np.array(rows.texts("polarity", "SET"), dtype=object)
    volts = np.abs(rows.numbers("amplitude"))
    share, amplitude = np.ones(len(rows)), {}
    for each in POLARITIES:
        own = polarity == each
        if own.any():
            share[own], amplitude[each] = _shares(volts[own])
    width_share, width = _shares(rows.numbers("width"))
    axes = [_AXES[name] for name in ("devices", "cycles", "polarity", "amplitude", "width", "pulse")]
    grid = gridded(rows, axes, ["conductance"], {"amplitude": share, "width": width_share})
    coords = dict(grid.coords)
    most = np.array([amplitude[str(each)] for each in grid.coords["polarity"][1]])
    coords["nominal_amplitude"] = (("polarity",), most, "V", "amplitude used most in this direction")
    coords["pulse_width"] = (("width",), width * grid.coords["width"][1], "s", "width of the pulses")
    variables = {"pulse_conductance": (grid.dims, grid.values["conductance"], "S", "conductance after each pulse")}
    return variables, coords, grid.complete


def _shares(values: Array) -> tuple[Array, float]:
    """Values relative to the one that occurs most (the middle one of several), and that one.

    All 1, and NaN, where they are not given.
    """
    if not np.isfinite(values).all():
        return np.ones(len(values)), float("nan")
    known, counts = np.unique(values, return_counts=True)
    often = known[counts == counts.max()]
    most = float(often[(len(often) - 1) // 2])
    return np.round(values / most, 9), most  # so that the same share of two values is one number


def _cycles(rows: Rows, kind: str, config: CellConfig, stated: Mapping[str, Any]) -> tuple[Any, Any, bool]:
    del kind, config, stated
    grid = gridded(rows, [_AXES["device"], _AXES["polarity"], _AXES["cycle"]], ["conductance"])
    return _single(grid, "cycle_conductance", "conductance after SET and after RESET")


def _programming(rows: Rows, kind: str, config: CellConfig, stated: Mapping[str, Any]) -> tuple[Any, Any, bool]:
    del config, stated
    if kind == "drift":
        grid = gridded(rows, [_AXES["state"], _AXES["time"], _AXES["device"]], ["conductance"])
        return _single(grid, "drift_conductance", "conductance after that time")
    grid = gridded(rows, [_AXES["state"], _AXES["device"]], ["conductance"])
    return _single(grid, "programmed_conductance", "conductance after programming")


def _noise(rows: Rows, kind: str, config: CellConfig, stated: Mapping[str, Any]) -> tuple[Any, Any, bool]:
    """Reads in a row; their relative spread, of the reads that are there."""
    del kind, config, stated
    grid = gridded(rows, [_AXES["devices"], _AXES["state"], _AXES["read"]], ["conductance"])
    reads = grid.values["conductance"]
    known = np.isfinite(reads)
    count = known.sum(axis=-1)
    filled = np.where(known, reads, 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = filled.sum(axis=-1) / count
        variance = (np.where(known, reads - mean[..., None], 0.0) ** 2).sum(axis=-1) / (count - 1)
        spread = np.where(count > 1, np.sqrt(variance) / mean, np.nan)
    return {
        "read_conductance": (grid.dims, reads, "S", "conductance of each read"),
        "read_sigma": (grid.dims[:-1], spread, "1", "standard deviation from read to read, relative"),
    }, grid.coords, grid.complete  # fmt: skip


def _single(grid: Grid, name: str, description: str) -> tuple[Any, Any, bool]:
    return {name: (grid.dims, grid.values["conductance"], "S", description)}, grid.coords, grid.complete
