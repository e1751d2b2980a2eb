"""The behavioural model of a device: what programming, reading and time do to arrays of cells.

    model = load_model("device.json")
    cells = model.program(targets, rng)
    nu = model.drift_exponents(targets, rng)
    read = model.read(model.drifted(cells, nu, 3600.0), rng, programmed=cells, time=3600.0)

The draws are those of `cosim.devices` with the fitted laws, so a model can stand where a device stands; `as_device`
writes the folder that `--set device=FOLDER` takes. What the data set did not measure the model does not have: asking
for it raises CosimError with the reason.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cosim.blocks.cell import conduction, responding
from cosim.blocks.cell.device_folder import write_device
from cosim.blocks.cell.fitted_laws import FittedLaws
from cosim.devices import Device, memristor
from cosim.devices.pulses import PulsedCells, reset_cells, set_pulse
from cosim.errors import CosimError

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class CellModel(FittedLaws):
    """A device as its data sets show it; see `FittedLaws` for what it holds."""

    def program(self, targets: ArrayLike, rng: np.random.Generator) -> Array:
        """Conductances of cells after write and verify [S], see `cosim.devices.program`."""
        law = self.programming
        self._inside("conductance" if "programming" in self.laws else "pulse_conductance", targets)
        sigma = float(law.sigma(self.window[1], self.window[1]))
        return memristor.program(targets, replace(self._device, programming=law, programming_sigma=sigma), rng)

    def read(
        self,
        conductances: ArrayLike,
        rng: np.random.Generator,
        *,
        programmed: ArrayLike | None = None,
        time: float = 0.0,
    ) -> Array:
        """Conductances that one read sees [S], see `cosim.devices.read`."""
        law, g_max = self.noise, self.window[1]
        self._inside("read_conductance", conductances if programmed is None else programmed)
        relative = float(law.sigma(g_max, g_max, g_max, 0.0)) / g_max
        device = replace(self._device, noise=law, read_noise=relative)
        return memristor.read(conductances, device, rng, programmed=programmed, time=time)

    def drift_exponents(self, conductances: ArrayLike, rng: np.random.Generator) -> Array:
        """nu of each cell, drawn once a programming [1], see `cosim.devices.drift_exponents`."""
        device = replace(self._device, drift=self.drift)
        self._inside("drift_conductance", conductances)
        return memristor.drift_exponents(conductances, device, rng)

    def drifted(self, conductances: ArrayLike, exponents: ArrayLike, time: float) -> Array:
        """Conductances [S] at `time` [s] after programming, see `cosim.devices.drifted`."""
        device = replace(self._device, drift=self.drift)
        self._inside("time", time)
        return memristor.drifted(conductances, exponents, device, time)

    def current(self, voltage: ArrayLike, conductance: ArrayLike) -> Array:
        """Current [A] at voltages [V] of cells of that conductance at V_read [S]; the arrays are broadcast."""
        part = self.part("iv")
        self._inside("voltage", voltage)
        self._inside("iv_conductance", conductance)
        return conduction.current_of(part, voltage, conductance)

    def reset(self, shape: int | tuple[int, ...], rng: np.random.Generator) -> PulsedCells:
        """Cells after a RESET pulse, for `set_pulse`."""
        return reset_cells(shape, self.pulses, self.limits, rng)

    def set_pulse(self, cells: PulsedCells, rng: np.random.Generator, where: ArrayLike = True) -> PulsedCells:
        """The cells after one blind SET pulse on those of `where`."""
        return set_pulse(cells, self.pulses, self.limits, rng, where)

    def pulsed(
        self, polarity: str, start: ArrayLike, pulses: ArrayLike, amplitude: ArrayLike = 1.0, width: ArrayLike = 1.0
    ) -> Array:
        """Conductance [S] after equal pulses ("SET" or "RESET") on cells that had `start` [S]; one or more pulses.

        `amplitude` and `width` are relative to those that the data set names as the device's own. CosimError where the
        response in that direction was not gradual.
        """
        part = self.part("response")
        if f"response.{polarity.lower()}_g_end" not in part.parameters:
            raise CosimError("the response in this direction was not gradual", key="polarity", value=polarity)
        time = np.asarray(pulses, dtype=np.float64) * np.asarray(width, dtype=np.float64)
        self._inside("amplitude", amplitude)
        self._inside("pulse_time", time)
        return responding.response_of(part, polarity, start, amplitude, time)

    def as_device(self, folder: str | Path, name: str | None = None, base: Device | None = None) -> Path:
        """Write the device folder; see `cosim.blocks.cell.device_folder.write_device`."""
        return write_device(self, Path(folder), name, base)

    @cached_property
    def _device(self) -> Device:
        """Window and limits of the cells; its laws are put in by those who need them."""
        v_read = self.settings["v_read"]
        return Device(
            name="model of a cell", folder=Path(), sha256="", g_min=self.window[0], g_max=self.window[1],
            g_lowest=self.limits[0], g_highest=self.limits[1], programming_sigma=0.0, read_noise=0.0,
            v_read=float("nan") if v_read is None else float(v_read), v_0=float("nan"), access_resistance=0.0,
            stuck_off_rate=self.stuck_rates[0], stuck_on_rate=self.stuck_rates[1],
        )  # fmt: skip

    def _inside(self, name: str, values: ArrayLike) -> None:
        if name in self.domain.limits:
            self.domain.check(name, values)


def load_model(path: str | Path, accept: bool = False) -> CellModel:
    """Read a model file; `accept` lets one pass whose error exceeds its limit."""
    return CellModel.load(path, accept)
