"""A memristor device as its folder describes it: `parameters.toml` checked and in SI units, `model.cir`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from cosim.errors import CosimError
from cosim.files import sha256_of
from cosim.provenance import sha256_of_json
from cosim.resources import device_folder
from cosim.units import format_si, parse_quantity
from cosim.validation import read_toml, validated

SCHEMA = "cosim.device/1"

UNITS = {
    "g_min": "S",
    "g_max": "S",
    "g_lowest": "S",
    "g_highest": "S",
    "programming_sigma": "S",
    "read_noise": "1",
    "v_read": "V",
    "v_0": "V",
    "access_resistance": "ohm",
    "stuck_off_rate": "1",
    "stuck_on_rate": "1",
}
"""Every parameter of a device and its SI unit."""


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
    programming_sigma: standard deviation of the conductance after write and verify [S].
    read_noise: standard deviation from read to read, relative to the conductance [1].
    v_read: voltage at which conductance is defined [V].
    v_0: voltage of the sinh law [V].
    access_resistance: on-resistance of the access transistor, part of the conductance [ohm].
    stuck_off_rate, stuck_on_rate: shares of stuck cells [1].
    sources: parameter -> where its value comes from.
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
    sources: dict[str, str] = field(compare=False, repr=False, default_factory=dict)

    def model_text(self) -> str:
        """The SPICE subcircuits of the cell, `memristor_linear` and `memristor_sinh`."""
        path = self.folder / "model.cir"
        try:
            return path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise CosimError(f"cannot read the device's SPICE model: {error}", file=path) from error


_Text = Annotated[str, Field(min_length=1)]


class _Parameter(BaseModel):
    """One parameter in the file; numbers without unit are only right where the unit is 1."""

    model_config = ConfigDict(extra="forbid")

    value: str | float
    source: _Text
    valid: tuple[str | float, str | float]
    description: _Text


class _DeviceFile(BaseModel):
    """`parameters.toml`."""

    model_config = ConfigDict(extra="forbid")

    schema_: Literal["cosim.device/1"] = Field(alias="schema")
    name: _Text
    description: _Text
    g_min: _Parameter
    g_max: _Parameter
    g_lowest: _Parameter
    g_highest: _Parameter
    programming_sigma: _Parameter
    read_noise: _Parameter
    v_read: _Parameter
    v_0: _Parameter
    access_resistance: _Parameter
    stuck_off_rate: _Parameter
    stuck_on_rate: _Parameter


def load_device(name: str | Path) -> Device:
    """The device of that name among the shipped ones, or in the user's folder of that path.

    Raises CosimError naming file, key, value and what is allowed: unknown or missing key, missing or wrong
    unit, a value outside its valid range or one that contradicts another.
    """
    folder = device_folder(name)
    file = folder / "parameters.toml"
    content = validated(_DeviceFile, read_toml(file), file=file)
    entries: dict[str, _Parameter] = {key: getattr(content, key) for key in UNITS}
    values = {key: _si_value(entry, key, file) for key, entry in entries.items()}
    _check_together(values, file)
    return Device(
        name=content.name,
        folder=folder,
        sha256=_hash_of(folder),
        sources={key: entry.source for key, entry in entries.items()},
        **values,
    )


def _si_value(entry: _Parameter, key: str, file: Path) -> float:
    """The value in SI units, checked against its valid range and against what can be at all."""
    unit = UNITS[key]
    value = parse_quantity(entry.value, unit, file=file, key=f"{key}.value")
    low, high = (parse_quantity(edge, unit, file=file, key=f"{key}.valid") for edge in entry.valid)
    if low < 0 or high < low:
        raise CosimError(
            "not a range",
            file=file,
            key=f"{key}.valid",
            value=list(entry.valid),
            allowed="[low, high], low >= 0",
        )
    if not low <= value <= high:
        raise CosimError(
            "outside the range in which this device's models hold",
            file=file,
            key=f"{key}.value",
            value=entry.value,
            allowed=f"{format_si(low, unit)} to {format_si(high, unit)}",
        )
    return value


def _check_together(values: dict[str, float], file: Path) -> None:
    """What no parameter can tell alone."""

    def require(holds: bool, key: str, allowed: str) -> None:
        if not holds:
            shown = format_si(values[key], UNITS[key])
            raise CosimError(
                "this contradicts another parameter",
                file=file,
                key=f"{key}.value",
                value=shown,
                allowed=allowed,
            )

    for key in ("v_read", "v_0"):
        require(values[key] > 0, key, "above 0 V")
    require(values["g_min"] < values["g_max"], "g_min", f"below g_max, {format_si(values['g_max'], 'S')}")
    require(values["g_lowest"] <= values["g_min"], "g_lowest", f"up to g_min, {format_si(values['g_min'], 'S')}")
    require(values["g_highest"] >= values["g_max"], "g_highest", f"from g_max, {format_si(values['g_max'], 'S')}")
    require(
        values["access_resistance"] * values["g_highest"] < 1,
        "access_resistance",
        f"below 1 / g_highest, {format_si(1 / values['g_highest'], 'ohm')}: it is in series with the cell",
    )
    require(
        values["stuck_off_rate"] + values["stuck_on_rate"] <= 1,
        "stuck_on_rate",
        "both rates at most 1 in all",
    )


def _hash_of(folder: Path) -> str:
    """sha256 over names and contents of the files that can change a result: no notes, no hidden files."""
    files = [
        path
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        and path.suffix != ".md"
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    ]
    return sha256_of_json({path.relative_to(folder).as_posix(): sha256_of(path) for path in files})
