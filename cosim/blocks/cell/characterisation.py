"""Characterising a cell in ngspice: reading, noise, switching, and what programming and time leave.

What a device can be asked for depends on its model: one that only reads has no pulses, one without drift no times.
The data set holds what there is; `status` has one entry a measurement.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from cosim.blocks.cell.config import CellConfig
from cosim.blocks.cell.reading import blind_trains, default_states, iv_curves, noise, statistics
from cosim.blocks.cell.switching import POLARITIES, Cycles, Loop, Trains, cycles, loop, trains
from cosim.blocks.dataset import Entry, new_dataset
from cosim.blocks.halving import Checked, all_keys, largest_change
from cosim.blocks.status import LONG_NAME
from cosim.devices import Device
from cosim.errors import CosimError
from cosim.progress import progress
from cosim.spice import SimulatorPool, default_pool
from cosim.units import format_si

DAY = 86400.0  # [s]
YEAR = 365.25 * DAY


def characterise(
    config: CellConfig,
    *,
    states: tuple[float, ...] = (),
    voltages: int = 41,
    reads: int = 256,
    amplitudes: tuple[float, ...] = (0.9, 1.0, 1.1),
    widths: tuple[float, ...] = (0.3, 1.0, 3.0),
    pulses: int = 8,
    devices: int = 6,
    cycles_each: int = 3,
    times: tuple[float, ...] = (1.0, 60.0, 3600.0, DAY, 30 * DAY, YEAR),
    seed: int = 1,
    pool: SimulatorPool | None = None,
    show_progress: bool = True,
) -> xr.Dataset:
    """All that can be measured on the configured cell; arguments as in `SWEEPS`.

    Raises CosimError for a state outside the device's window and for sweeps that are empty or negative.
    """
    pool = pool or default_pool()
    device = config.parameters
    levels = np.array(states or default_states(device), dtype=np.float64)
    _check_states(levels, device)
    _check_counts(voltages=(voltages, 5), reads=(reads, 16), pulses=(pulses, 1))
    _check_counts(devices=(devices, 1), cycles_each=(cycles_each, 1))
    _check_positive(amplitudes=amplitudes, widths=widths, times=times)
    parts: dict[str, list[Checked]] = {}
    coords: dict[str, Entry] = {"state": (("state",), levels, "S", "conductance that was asked for")}
    variables: dict[str, Entry] = {}

    def add(name: str, dimensions: tuple[str, ...], values: Any, unit: str, long_name: str) -> None:
        variables[name] = (dimensions, values, unit, long_name)

    with progress(f"cell, {device.name}" if show_progress else None, 6 if device.dynamic else 3) as advance:
        curves = iv_curves(levels, voltages, config, pool)
        parts["iv"] = [curves.checked]
        coords["voltage"] = (("voltage",), curves.voltage, "V", "voltage of the cell")
        add("current", ("state", "voltage"), curves.current, "A", "current of the cell, state frozen")
        add("conductance", ("state",), curves.conductance, "S", "conductance at the read voltage")
        add("nonlinearity", ("state",), curves.nonlinearity, "1", "conductance at V_read over that at V_read / 10, - 1")
        advance(1)
        found = noise(levels, reads, config, seed, pool)
        parts["noise"] = found.checked
        coords["frequency"] = (("frequency",), found.frequency, "Hz", "frequency")
        add(
            "noise_density",
            ("state", "frequency"),
            found.density,
            "A/sqrt(Hz)",
            "noise of the current",
        )
        coords["read"] = (("read",), np.arange(reads), "1", "number of the read")
        add("read_conductance", ("state", "read"), found.reads, "S", "conductance of each read")
        add("read_sigma", ("state",), found.read_sigma, "1", "standard deviation from read to read, relative")
        add("noise_slope", ("state",), found.slope, "1", "slope of the read noise's spectrum")
        advance(1)
        left = statistics(levels, np.array(times), devices, config, seed, pool)
        parts["programming"] = left.checked
        add("programmed_conductance", ("state", "device"), left.programmed, "S", "conductance after programming")
        if device.pulses is not None:
            blind = blind_trains(pulses, devices, config, seed, pool)
            parts["blind pulses"] = blind.checked
            coords["blind_pulse"] = (("blind_pulse",), np.arange(pulses + 1), "1", "SET pulses since the RESET")
            add(
                "blind_conductance", ("device", "blind_pulse"), blind.conductance, "S", "conductance after blind pulses"
            )
        if device.drift is not None:
            coords["time"] = (("time",), np.array(times), "s", "time after programming")
            add("drift_conductance", ("state", "time", "device"), left.drifted, "S", "conductance after that time")
        advance(1)
        if device.dynamic is not None:
            loops = loop(config, pool)
            parts["loop"] = [loops.checked]
            advance(1)
            trained = trains(np.array(amplitudes), np.array(widths), pulses, config, pool)
            parts["pulses"] = trained.checked
            advance(1)
            cycled = cycles(devices, cycles_each, config, seed, pool)
            parts["cycles"] = cycled.checked
            advance(1)
            new_variables, new_coords = _switching_entries(config, loops, trained, cycled, amplitudes, widths)
            variables |= new_variables
            coords |= new_coords
    status = np.array([max(each.status for each in checked) for checked in parts.values()], dtype=np.int8)
    names = np.array(list(parts), dtype=object)
    coords["measurement"] = (("measurement",), names, "1", "what was measured")
    coords["device"] = (("device",), np.arange(devices), "1", "device")
    variables["status"] = (("measurement",), status, "1", LONG_NAME)
    data = new_dataset(
        block="cell",
        variables=variables,
        coords=coords,
        config=config.model_dump(mode="json"),
        seed=seed,
        deck_hashes=[key for checked in parts.values() for key in all_keys(checked)],
        simulator=f"ngspice {pool.simulator.version_text}",
        solver=pool.simulator.solver,
        device=device.name,
        device_sha256=device.sha256,
    )
    for name, checked, figure in _changes(parts):
        if name in data:
            data[name].attrs["step_change"] = largest_change(checked, figure)
    return data


def _switching_entries(
    config: CellConfig,
    loops: Loop,
    trained: Trains,
    cycled: Cycles,
    amplitudes: tuple[float, ...],
    widths: tuple[float, ...],
) -> tuple[dict[str, Entry], dict[str, Entry]]:
    """Variables and coordinates of what a device does that switches."""
    dynamic = config.parameters.dynamic
    assert dynamic is not None
    unit, state = dynamic.state_unit, dynamic.state
    train = ("polarity", "amplitude", "width")
    polarities = np.array(POLARITIES, dtype=object)
    pulses, cycles_each = trained.conductance.shape[-1], cycled.conductance.shape[-1]
    coords: dict[str, Entry] = {
        "loop_voltage": (("loop_point",), loops.voltage, "V", "voltage of the triangle"),
        "polarity": (("polarity",), polarities, "1", "direction of the pulses"),
        "amplitude": (("amplitude",), np.array(amplitudes), "1", "amplitude, relative to the device's own"),
        "width": (("width",), np.array(widths), "1", "width, relative to the device's own"),
        "pulse_width": (("width",), np.array(widths) * dynamic.t_pulse, "s", "width of the pulses"),
        "pulse": (("pulse",), np.arange(pulses), "1", "pulses so far"),
        "cycle": (("cycle",), np.arange(cycles_each), "1", "cycle"),
    }
    per_cycle = ("device", "polarity", "cycle")
    variables: dict[str, Entry] = {
        "loop_current": (("loop_point",), loops.current, "A", "current, the state following"),
        "loop_state": (("loop_point",), loops.state, unit, f"state of the cell, {state}"),
        "pulse_conductance": ((*train, "pulse"), trained.conductance, "S", "conductance after each pulse"),
        "pulse_state": ((*train, "pulse"), trained.state, unit, f"state after each pulse, {state}"),
        "pulse_energy": (train, trained.energy, "J", "energy of the first pulse"),
        "switching_time": (train, trained.switching_time, "s", "time in the first pulse until half of the window"),
        "cycle_conductance": (per_cycle, cycled.conductance, "S", "conductance after SET and after RESET"),
    }
    return variables, coords


def _changes(parts: dict[str, list[Checked]]) -> list[tuple[str, list[Checked], str]]:
    """Variables whose time step was checked: name in the data set, points, name of the figure."""
    rows = [("read_sigma", "noise", "read_sigma"), ("loop_current", "loop", "peak"),
            ("pulse_conductance", "pulses", "conductance"), ("pulse_energy", "pulses", "energy"),
            ("switching_time", "pulses", "checked_crossing"),
            ("cycle_conductance", "cycles", "conductance")]  # fmt: skip
    return [(name, parts[part], figure) for name, part, figure in rows if part in parts]


def _check_states(states: Any, device: Device) -> None:
    outside = (states < device.g_min * (1 - 1e-9)) | (states > device.g_max * (1 + 1e-9)) | np.isnan(states)
    if outside.any():
        raise CosimError(
            "a state is outside the device's window", key="states", value=format_si(float(states[outside][0]), "S"),
            allowed=f"{format_si(device.g_min, 'S')} to {format_si(device.g_max, 'S')}",
        )  # fmt: skip


def _check_counts(**counts: tuple[int, int]) -> None:
    for name, (value, least) in counts.items():
        if value < least:
            raise CosimError("too few", key=name, value=value, allowed=f"{least} or more")


def _check_positive(**lists: tuple[float, ...]) -> None:
    for name, values in lists.items():
        if not values or not all(np.isfinite(each) and each > 0 for each in values):
            raise CosimError("positive numbers are wanted", key=name, value=list(values))
