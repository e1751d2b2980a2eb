"""`parameters.toml` of a device: its tables, and their values in SI units, each checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from cosim.devices.laws import DRIFT, NOISE, PROGRAMMING, DriftLaw, NoiseLaw, ProgrammingLaw
from cosim.devices.pulses import SetPulses
from cosim.errors import CosimError, did_you_mean
from cosim.units import format_si, parse_quantity
from cosim.validation import read_toml, validated

REQUIRED = {"g_min": "S", "g_max": "S", "g_lowest": "S", "g_highest": "S", "v_read": "V", "v_0": "V"}
"""What every device states, and the SI unit."""

OPTIONAL = {
    "programming_sigma": "S",
    "read_noise": "1",
    "access_resistance": "ohm",
    "stuck_off_rate": "1",
    "stuck_on_rate": "1",
}
"""What a device may state. The first two may each be replaced by a law; those left out are zero."""

UNITS = REQUIRED | OPTIONAL
"""Every common parameter of a device and its SI unit."""

_Text = Annotated[str, Field(min_length=1)]
_Law = TypeVar("_Law")


class _Parameter(BaseModel):
    """One parameter in the file; numbers without unit are only right where the unit is 1."""

    model_config = ConfigDict(extra="forbid")

    value: str | float
    source: _Text
    valid: tuple[str | float, str | float]
    description: _Text


class _ModelParameter(_Parameter):
    """A parameter of the SPICE subcircuit; `unit` is the one in which the subcircuit takes it."""

    unit: _Text


class _LawTable(BaseModel):
    """A law's name, and a table for each of its parameters."""

    model_config = ConfigDict(extra="allow")

    law: _Text


class _DynamicTable(BaseModel):
    """The subcircuit that switches, and what pulses are right for it."""

    model_config = ConfigDict(extra="forbid")

    subcircuit: _Text
    state: _Text
    state_unit: _Text
    start: _Text
    ambient: _Text | None = None
    state_off: _Parameter
    state_on: _Parameter
    v_set: _Parameter
    v_reset: _Parameter
    t_pulse: _Parameter
    r_series: _Parameter
    t_step: _Parameter


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
    v_read: _Parameter
    v_0: _Parameter
    programming_sigma: _Parameter | None = None
    read_noise: _Parameter | None = None
    access_resistance: _Parameter | None = None
    stuck_off_rate: _Parameter | None = None
    stuck_on_rate: _Parameter | None = None
    programming: _LawTable | None = None
    drift: _LawTable | None = None
    noise: _LawTable | None = None
    pulses: _LawTable | None = None
    model: dict[str, _ModelParameter] = Field(default_factory=dict)
    dynamic: _DynamicTable | None = None


@dataclass(frozen=True)
class Dynamic:
    """The subcircuit of `model.cir` that switches, and the pulses that suit it.

    Attributes
    ----------
    subcircuit: its name; its pins are `te`, `be` and `state`.
    state: name of the pin whose voltage is the state.
    state_unit: what one volt of it stands for; "1" where the state has no unit.
    start: name of the parameter that sets the state at the start, in `state_unit`.
    ambient: name of the parameter for the temperature around the cell [K]; None where the model knows none.
    state_off, state_on: states of least and of most conductance, in `state_unit`.
    v_set, v_reset: amplitudes, with their signs, that move the state well within `t_pulse` [V].
    t_pulse: width of such a pulse [s].
    r_series: resistance that these amplitudes are meant with [ohm].
    t_step: longest time step with which a pulse is resolved [s].
    """

    subcircuit: str
    state: str
    state_unit: str
    start: str
    ambient: str | None
    state_off: float
    state_on: float
    v_set: float
    v_reset: float
    t_pulse: float
    r_series: float
    t_step: float


@dataclass(frozen=True)
class DeviceFile:
    """All of a `parameters.toml`, checked; values in SI units, those of the model in the units stated there.

    `values` holds every key of `UNITS`; `units` and `sources` are by the dotted names of all parameters.
    """

    name: str
    description: str
    values: dict[str, float]
    programming: ProgrammingLaw | None
    drift: DriftLaw | None
    noise: NoiseLaw | None
    pulses: SetPulses | None
    model: tuple[tuple[str, float], ...]
    dynamic: Dynamic | None
    units: dict[str, str]
    sources: dict[str, str]


class _Reader:
    """Takes values out of parameter tables and remembers units and sources."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.units: dict[str, str] = {}
        self.sources: dict[str, str] = {}

    def value(self, entry: _Parameter, key: str, unit: str, *, signed: bool = True) -> float:
        """The value in `unit`, checked against its valid range and against what can be at all."""
        value = parse_quantity(entry.value, unit, file=self.file, key=f"{key}.value")
        low, high = (parse_quantity(edge, unit, file=self.file, key=f"{key}.valid") for edge in entry.valid)
        if high < low or (low < 0 and not signed):
            raise CosimError(
                "not a range", file=self.file, key=f"{key}.valid", value=list(entry.valid),
                allowed="[low, high]" if signed else "[low, high], low >= 0",
            )  # fmt: skip
        if not low <= value <= high:
            raise CosimError(
                "outside the range in which this device's models hold", file=self.file, key=f"{key}.value",
                value=entry.value, allowed=f"{format_si(low, unit)} to {format_si(high, unit)}",
            )  # fmt: skip
        self.units[key], self.sources[key] = unit, entry.source
        return value

    def unit(self, unit: str, key: str) -> str:
        """The unit, if it is one."""
        if unit != "1":
            parse_quantity(f"1 {unit}", unit, file=self.file, key=key)
        return unit

    def law(self, table: _LawTable | None, key: str, laws: Mapping[str, type[_Law]]) -> _Law | None:
        """The law of a table, all its parameters checked; None without a table."""
        if table is None:
            return None
        if table.law not in laws:
            raise CosimError(
                f"there is no such law.{did_you_mean(table.law, laws)}", file=self.file, key=f"{key}.law",
                value=table.law, allowed=list(laws),
            )  # fmt: skip
        law = laws[table.law]
        units: dict[str, str] = law.UNITS  # type: ignore[attr-defined]
        given: dict[str, Any] = table.model_extra or {}
        for name in given:
            if name not in units:
                raise CosimError(
                    f"unknown key.{did_you_mean(name, units)}", file=self.file, key=f"{key}.{name}", allowed=list(units)
                )
        values = {}
        for each in fields(law):  # type: ignore[arg-type]
            if each.name in given:
                values[each.name] = self._parameter(given[each.name], f"{key}.{each.name}", units[each.name])
            elif each.default is MISSING:
                raise CosimError("this key is required", file=self.file, key=f"{key}.{each.name}")
        return law(**values)

    def _parameter(self, content: Any, key: str, unit: str) -> float:
        if not isinstance(content, Mapping):
            raise CosimError(
                "a table is wanted", file=self.file, key=key, value=content, allowed=list(_Parameter.model_fields)
            )
        try:
            entry = validated(_Parameter, content)
        except CosimError as error:
            inner = key if error.key is None else f"{key}.{error.key}"
            raise CosimError(
                error.message, file=self.file, key=inner, value=error.value, allowed=error.allowed
            ) from error
        return self.value(entry, key, unit)


def read_parameters(file: Path) -> DeviceFile:
    """The content of a `parameters.toml`.

    Raises CosimError naming file, key, value and what is allowed: an empty file, unknown or missing key, missing or
    wrong unit, not a number, a value outside its valid range or one that contradicts another.
    """
    raw = read_toml(file)
    if not raw:
        raise CosimError("this file is empty", file=file, allowed="the tables of a device, as of the shipped ones")
    content = validated(_DeviceFile, raw, file=file)
    read = _Reader(file)
    values = dict.fromkeys(UNITS, 0.0)
    for key, unit in UNITS.items():
        entry: _Parameter | None = getattr(content, key)
        if entry is not None:
            values[key] = read.value(entry, key, unit, signed=False)
    programming = read.law(content.programming, "programming", PROGRAMMING)
    noise = read.law(content.noise, "noise", NOISE)
    for key, short, law in (("programming", "programming_sigma", programming), ("noise", "read_noise", noise)):
        if (getattr(content, short) is None) == (law is None):
            raise CosimError(
                f"[{short}] is the constant law and [{key}] any other: exactly one of them is wanted",
                file=file, key=short,
            )  # fmt: skip
    if programming is not None:
        values["programming_sigma"] = float(programming.sigma(values["g_max"], values["g_max"]))
    if noise is not None:
        values["read_noise"] = float(noise.sigma(values["g_max"], values["g_max"], values["g_max"], 0.0))
        values["read_noise"] /= values["g_max"]
    model = tuple(
        (key, read.value(entry, f"model.{key}", read.unit(entry.unit, f"model.{key}.unit")))
        for key, entry in content.model.items()
    )
    found = DeviceFile(
        name=content.name,
        description=content.description,
        values=values,
        programming=programming,
        drift=read.law(content.drift, "drift", DRIFT),
        noise=noise,
        pulses=read.law(content.pulses, "pulses", {SetPulses.NAME: SetPulses}),
        model=model,
        dynamic=None if content.dynamic is None else _dynamic(content.dynamic, read),
        units=read.units,
        sources=read.sources,
    )
    _check_together(values, file)
    return found


def _dynamic(table: _DynamicTable, read: _Reader) -> Dynamic:
    of_state = read.unit(table.state_unit, "dynamic.state_unit")
    units = {
        "state_off": of_state, "state_on": of_state,
        "v_set": "V", "v_reset": "V", "t_pulse": "s", "r_series": "ohm", "t_step": "s",
    }  # fmt: skip
    values = {key: read.value(getattr(table, key), f"dynamic.{key}", unit) for key, unit in units.items()}
    for key in ("t_pulse", "t_step"):
        if values[key] <= 0.0:
            raise CosimError("not a time", file=read.file, key=f"dynamic.{key}.value", allowed="above 0 s")
    if values["v_set"] * values["v_reset"] >= 0.0:
        raise CosimError(
            "SET and RESET need opposite signs", file=read.file, key="dynamic.v_reset.value",
            value=format_si(values["v_reset"], "V"), allowed="the other sign than v_set",
        )  # fmt: skip
    return Dynamic(
        subcircuit=table.subcircuit,
        state=table.state,
        state_unit=table.state_unit,
        start=table.start,
        ambient=table.ambient,
        **values,
    )


def _check_together(values: dict[str, float], file: Path) -> None:
    """What no parameter can tell alone."""

    def require(holds: bool, key: str, allowed: str) -> None:
        if not holds:
            shown = format_si(values[key], UNITS[key])
            raise CosimError(
                "this contradicts another parameter", file=file, key=f"{key}.value", value=shown, allowed=allowed
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
    require(values["stuck_off_rate"] + values["stuck_on_rate"] <= 1, "stuck_on_rate", "both rates at most 1 in all")
