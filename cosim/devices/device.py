"""A memristor device as its folder describes it: `parameters.toml` checked and in SI units, `model.cir`."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cosim.devices.laws import DriftLaw, NoiseLaw, ProgrammingLaw
from cosim.devices.parameters import Dynamic, read_parameters
from cosim.devices.pulses import SetPulses
from cosim.devices.safety import checked_text
from cosim.devices.subcircuits import check_subcircuits
from cosim.errors import CosimError, did_you_mean
from cosim.files import sha256_of
from cosim.provenance import sha256_of_json
from cosim.resources import device_folder

SCHEMA = "cosim.device/1"


@dataclass(frozen=True)
class Device:
    """A memristor device, cell and access transistor together; all values in SI units.

    `dataclasses.replace(device, read_noise=0.0)` gives a variant; its `sha256` still names the files.

    Attributes
    ----------
    name: of the device.
    folder: where its files are.
    sha256: over its files, README and other notes excepted.
    g_min, g_max: window of conductances that may be asked for [S].
    g_lowest, g_highest: limits of what a cell can have [S]; stuck cells are there.
    programming_sigma: standard deviation of the conductance after programming [S]; under a law, that at g_max.
    read_noise: standard deviation from read to read, relative to the conductance [1]; under a law, that at g_max right
        after programming.
    v_read: voltage at which conductance is defined [V].
    v_0: voltage of the sinh law [V].
    access_resistance: on-resistance of the access transistor, part of the conductance [ohm].
    stuck_off_rate, stuck_on_rate: shares of stuck cells [1].
    programming: how the programming error depends on the target; None where it does not.
    drift: what becomes of the conductance with time; None where it stays.
    noise: how read noise depends on conductance and time; None where it is proportional to the conductance.
    pulses: statistics of blind pulses; None where the device has none.
    model_values: names and values of the parameters of the subcircuit that switches, in its own units.
    dynamic: the subcircuit that switches; None where the device has none.
    description: in words.
    units, sources: dotted name of a parameter -> its unit, and where its value comes from.
    """

    name: str
    folder: Path = field(compare=False)
    sha256: str
    g_min: float
    g_max: float
    g_lowest: float
    g_highest: float
    programming_sigma: float
    read_noise: float
    v_read: float
    v_0: float
    access_resistance: float
    stuck_off_rate: float
    stuck_on_rate: float
    programming: ProgrammingLaw | None = None
    drift: DriftLaw | None = None
    noise: NoiseLaw | None = None
    pulses: SetPulses | None = None
    model_values: tuple[tuple[str, float], ...] = ()
    dynamic: Dynamic | None = None
    description: str = field(compare=False, repr=False, default="")
    units: dict[str, str] = field(compare=False, repr=False, default_factory=dict)
    sources: dict[str, str] = field(compare=False, repr=False, default_factory=dict)

    def model_text(self) -> str:
        """The SPICE subcircuits: `memristor_linear` and `memristor_sinh` for reading, and the one that switches.

        Its includes are written in place. Raises CosimError when the file holds what no netlist may hold.
        """
        return checked_text(self.folder / "model.cir")

    @property
    def model(self) -> dict[str, float]:
        """The parameters of the subcircuit that switches, each in the unit that `units["model.NAME"]` states."""
        return dict(self.model_values)

    def with_model(self, **values: float) -> Device:
        """The device with other parameters of its subcircuit; CosimError for a name it does not have."""
        known = self.model
        for name in values:
            if name not in known:
                raise CosimError(
                    f"the device {self.name} has no such parameter.{did_you_mean(name, known)}", key=name,
                    allowed=list(known),
                )  # fmt: skip
        return replace(self, model_values=tuple((known | values).items()))

    def cell_line(
        self, name: str, te: str, be: str, state: str, *, start: float | None = None, temperature: float | None = None
    ) -> str:
        """A netlist line of one cell that switches: `xNAME te be state SUBCIRCUIT parameters...`.

        Parameters
        ----------
        te, be, state: nodes; the voltage of `state` is the state in `dynamic.state_unit`.
        start: state at the start; `dynamic.state_off` if not given.
        temperature: around the cell [K]; the model's own default if not given, and refused where it knows none.

        Raises CosimError where the device has no subcircuit that switches.
        """
        dynamic = self.dynamic
        if dynamic is None:
            raise CosimError(f"the device {self.name} has no model that switches", file=self.folder / "model.cir")
        given = {dynamic.start: dynamic.state_off if start is None else start}
        if temperature is not None:
            if dynamic.ambient is None:
                raise CosimError(f"the model of the device {self.name} knows no temperature", value=temperature)
            given[dynamic.ambient] = temperature
        listed = " ".join(f"{key}={value!r}" for key, value in (given | self.model).items())
        return f"x{name} {te} {be} {state} {dynamic.subcircuit} {listed}"

    def sigma_at(self, targets: ArrayLike) -> float | NDArray[np.float64]:
        """Standard deviation of the conductance after programming [S] at targets [S]; one number if all share it."""
        if self.programming is None:
            return self.programming_sigma
        at_top = float(self.programming.sigma(self.g_max, self.g_max))
        scale = self.programming_sigma / at_top if at_top > 0.0 else 1.0
        return scale * self.programming.sigma(targets, self.g_max)


def load_device(name: str | Path) -> Device:
    """The device of that name among the shipped ones, or in the user's folder of that path.

    Read once a process, and again when a file of the folder has another time or size. Raises CosimError naming file,
    key, value and what is allowed: an empty file, unknown or missing key, missing or wrong unit, a value outside its
    valid range or one that contradicts another; a `model.cir` that is missing, holds what no netlist may hold, or
    lacks a subcircuit, pin or parameter.
    """
    folder = device_folder(name)
    return _load(folder, str(Path.cwd()) if not folder.is_absolute() else "", _stamp(folder))


@lru_cache(maxsize=64)
def _load(folder: Path, relative_to: str, stamp: tuple[tuple[str, int, int], ...]) -> Device:
    """The device of a folder; the other arguments only tell one state of it from another."""
    found = read_parameters(folder / "parameters.toml")
    model = folder / "model.cir"
    check_subcircuits(checked_text(model), model, tuple(name for name, _ in found.model), found.dynamic)
    return Device(
        name=found.name,
        folder=folder,
        sha256=_hash_of(folder),
        programming=found.programming,
        drift=found.drift,
        noise=found.noise,
        pulses=found.pulses,
        model_values=found.model,
        dynamic=found.dynamic,
        description=found.description,
        units=found.units,
        sources=found.sources,
        **found.values,
    )


def _files(folder: Path) -> list[Path]:
    """The files that can change a result: no notes, no hidden files."""
    return [
        path
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        and path.suffix != ".md"
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    ]


def _stamp(folder: Path) -> tuple[tuple[str, int, int], ...]:
    """Name, time of change and size of each file, by which a change is seen."""
    found = []
    for path in _files(folder):
        status = os.stat(path)
        found.append((path.relative_to(folder).as_posix(), status.st_mtime_ns, status.st_size))
    return tuple(found)


def _hash_of(folder: Path) -> str:
    """sha256 over names and contents of the files that can change a result."""
    return sha256_of_json({path.relative_to(folder).as_posix(): sha256_of(path) for path in _files(folder)})
