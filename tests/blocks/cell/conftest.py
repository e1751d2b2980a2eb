"""Data sets of cells made by the laws themselves, with numbers that are known; no simulator."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import xarray as xr

from cosim.blocks.cell.config import CellConfig
from cosim.blocks.dataset import Entry, new_dataset
from cosim.devices import Device, current, load_device, program
from cosim.devices.laws import FlickerNoise
from cosim.devices.pulses import reset_cells, set_pulse

TIMES = np.array([1.0, 60.0, 3600.0, 86400.0, 30 * 86400.0, 365.25 * 86400.0])
Made = Callable[..., xr.Dataset]


def flicker(q: float, reads: int, rng: np.random.Generator) -> np.ndarray:
    """Reads with S_G / G^2 = Q^2 / f, by their spectrum: E|X_k|^2 = Q^2 n^2 / (2 k)."""
    k = np.arange(1, reads // 2 + 1)
    x = np.zeros(reads // 2 + 1, dtype=complex)
    x[1:] = np.sqrt(q**2 * reads**2 / (4.0 * k)) * (rng.standard_normal(len(k)) + 1j * rng.standard_normal(len(k)))
    return np.fft.irfft(x, reads)


def made_data(
    device: Device | str,
    seed: int = 0,
    *,
    states: np.ndarray | None = None,
    devices: int = 100,
    reads: int = 256,
    pulses: int = 20,
    parts: tuple[str, ...] = ("iv", "programming", "noise", "drift", "pulses"),
    config: dict[str, Any] | None = None,
    status: int = 0,
) -> xr.Dataset:
    """What `characterise` would give of that device, drawn from its laws."""
    own = load_device(device) if isinstance(device, str) else device
    rng = np.random.default_rng(seed)
    g = np.geomspace(own.g_min or own.g_max / 100, own.g_max, 5) if states is None else states
    coords: dict[str, Entry] = {"state": (("state",), g, "S", "asked")}
    variables: dict[str, Entry] = {}
    measured = []
    if "iv" in parts:
        v = np.linspace(-1.5, 1.5, 41) * own.v_read
        coords["voltage"] = (("voltage",), v, "V", "voltage")
        variables["current"] = (("state", "voltage"), current(v, g[:, None], own), "A", "current")
        variables["conductance"] = (("state",), g, "S", "conductance")
        measured.append("iv")
    if "noise" in parts:
        rows = []
        for each in g:
            if isinstance(own.noise, FlickerNoise):
                rows.append(each * (1 + flicker(float(own.noise.amplitude(each, own.g_max)), reads, rng)))
            else:
                sigma = own.read_noise * each
                if own.noise is not None:
                    sigma = float(own.noise.sigma(each, each, own.g_max, 0.0))
                rows.append(each + sigma * rng.standard_normal(reads))
        coords["read"] = (("read",), np.arange(reads), "1", "read")
        variables["read_conductance"] = (("state", "read"), np.array(rows), "S", "reads")
        measured.append("noise")
    cells = np.array([program(np.full(devices, each), own, rng) for each in g])
    if "programming" in parts:
        variables["programmed_conductance"] = (("state", "device"), cells, "S", "programmed")
    if "programming" in parts or "drift" in parts:
        measured.append("programming")
    if "drift" in parts and own.drift is not None:
        nu = own.drift.exponents(cells, own.g_max, rng)
        course = np.array([np.maximum(cells * own.drift.factor(nu, t), own.g_lowest) for t in TIMES])
        coords["time"] = (("time",), TIMES, "s", "time")
        variables["drift_conductance"] = (("state", "time", "device"), np.moveaxis(course, 0, 1), "S", "drifted")
    if "pulses" in parts and own.pulses is not None:
        limits = (own.g_lowest, own.g_highest)
        chain = reset_cells(devices, own.pulses, limits, rng)
        path = [chain.conductances]
        for _ in range(pulses):
            chain = set_pulse(chain, own.pulses, limits, rng)
            path.append(chain.conductances)
        coords["blind_pulse"] = (("blind_pulse",), np.arange(pulses + 1), "1", "pulses")
        trains = np.maximum(np.array(path).T, own.g_lowest)
        variables["blind_conductance"] = (("device", "blind_pulse"), trains, "S", "after blind pulses")
        measured.append("blind pulses")
    coords["measurement"] = (("measurement",), np.array(measured, dtype=object), "1", "what was measured")
    variables["status"] = (("measurement",), np.full(len(measured), status, dtype=np.int8), "1", "status")
    settings = CellConfig(**({"device": str(own.folder)} | (config or {})))
    return new_dataset(
        block="cell", variables=variables, coords=coords, config=settings.model_dump(mode="json"), seed=seed,
        deck_hashes=["made"], simulator="laws", solver="none", device=own.name, device_sha256=own.sha256,
    )  # fmt: skip


@pytest.fixture(scope="session")
def made() -> Made:
    return made_data
