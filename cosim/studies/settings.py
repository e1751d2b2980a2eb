"""What a point of a study is made of: network, tile, device, models, switches; each by a dotted name.

A study file gives the settings that all points share; a sweep changes some of them by name: "tile.adc.bits",
"device.read_noise", "models.ramp_adc.file", "fidelity.default". Names of layers may hold dots themselves
("fidelity.lstm.l0.i").
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, create_model
from pydantic.fields import FieldInfo

from cosim.blocks.config import BlockConfig, Ratio, Second, Siemens
from cosim.blocks.ramp_adc.functions import TABLE
from cosim.costs.config import CostConfig
from cosim.errors import CosimError, did_you_mean
from cosim.networks.layers.protocol import Activations
from cosim.studies.model_parameters import parameter_kinds, parameter_value
from cosim.tiles.config import Nonidealities, TileConfig
from cosim.tiles.hardware import REST
from cosim.tiles.mapping import MappingConfig
from cosim.tiles.protocol import Fidelity
from cosim.tiles.scaling import ScalingConfig
from cosim.units import format_si
from cosim.validation import examined, range_in_words, unit_of_key, validated

DEFAULT = "default"  # key of `fidelity`: all layers that are not named


class NetworkSettings(BlockConfig):
    """Which network, and with which weights."""

    name: str = Field("digits_lstm", description="network whose accuracy is asked for")
    weights: str | None = Field(None, description="weights: a form of this network, or a file; default: the shipped")
    activations: Activations = Field("auto", description="where the gates of LSTM and GRU come from")
    trim: Literal["never", "after programming", "before reading"] = Field(
        "never",
        description="when each column of a linear converter gets its digital gain and offset: never, or as the chip is"
        " right after programming, or as it is after the time that has passed",
    )


class DeviceSettings(BlockConfig):
    """The memristor of array and ramp column; what is given here replaces the device's own figure."""

    name: str = Field("taox_1t1r", description="device model: a name, or a folder")
    programming_sigma: Siemens | None = Field(
        None, ge=0, le=100e-6, description="standard deviation after programming; default: the device's"
    )
    read_noise: Ratio | None = Field(
        None, ge=0, le=0.5, description="relative standard deviation from read to read; default: the device's"
    )
    stuck_off_rate: Ratio | None = Field(None, ge=0, le=0.5, description="share of cells stuck off; default: device's")
    stuck_on_rate: Ratio | None = Field(None, ge=0, le=0.5, description="share of cells stuck on; default: device's")
    time: Second | None = Field(
        None, ge=0, le=3.2e9, description="time after programming; default: at once, without drift"
    )


class ModelSettings(BlockConfig):
    """A fitted model, and parameters of it that are to have other values."""

    file: str = Field(description="model file of `cosim fit`, or the name of a shipped model")
    parameters: dict[str, float | str] = Field(
        default_factory=dict, description="parameter of the model -> value with its unit, in place of the fitted one"
    )


class ModelsSettings(BlockConfig):
    """The fitted models of behavioural tiles."""

    ramp_adc: ModelSettings = Field(ModelSettings(file="ramp_adc"))
    crossbar: ModelSettings | None = Field(None)
    form_error: str | None = Field(
        None,
        description="file of a model-form error; each point is then run once more with it, and the difference told",
    )


Switches = create_model(  # one switch a non-ideality, as in `Nonidealities`
    "Switches",
    __base__=BlockConfig,
    **{name: (bool, Field(True, description="whether it is in")) for name in Nonidealities.names()},
)  # type: ignore[call-overload]


class Settings(BlockConfig):
    """All that makes a point of a study, whichever of it is swept."""

    network: NetworkSettings = Field(default_factory=NetworkSettings)
    tile: TileConfig = Field(default_factory=TileConfig)
    mapping: MappingConfig = Field(default_factory=MappingConfig)
    scaling: ScalingConfig = Field(default_factory=ScalingConfig)
    device: DeviceSettings = Field(default_factory=DeviceSettings)
    models: ModelsSettings = Field(default_factory=ModelsSettings)
    nonidealities: Switches = Field(default_factory=Switches)  # type: ignore[valid-type]
    fidelity: dict[str, Fidelity] = Field({DEFAULT: Fidelity.BEHAVIOURAL}, validate_default=True)
    costs: CostConfig = Field(default_factory=CostConfig)
    functions: dict[str, str] = Field(
        default_factory=dict,
        description="activation of the network -> the function that its converters make instead; with the range of"
        " inputs where it has none of its own: 'expr: tanh(x) @ -4, 4'",
    )

    def switches(self) -> Nonidealities:
        """The switches as the tiles take them."""
        return Nonidealities(**self.nonidealities.model_dump())  # type: ignore[attr-defined]

    def fidelities(self) -> dict[str, Fidelity]:
        """Name of a layer, matrix or part -> fidelity, "*" for the rest, as networks take them."""
        chosen = {REST: Fidelity.BEHAVIOURAL} | self.fidelity
        chosen[REST] = chosen.pop(DEFAULT, chosen[REST])
        return chosen


TABLES = tuple(Settings.model_fields)
OPEN = {"fidelity": "fidelity.LAYER", "functions": "functions.ACTIVATION",
        "models.ramp_adc.parameters": "models.ramp_adc.parameters.NAME",
        "models.crossbar.parameters": "models.crossbar.parameters.NAME"}  # fmt: skip
"""Tables whose keys are names of the user's own, and how they are told."""

ELSEWHERE = {
    "tile.w_max": "scaling.s_w, and the range of the converters",
    "tile.array_inputs": "mapping.padding",
    "tile.array_outputs": "mapping.padding",
    "mapping.signs": "tile.signs",
    "tile.adc.device": "device.name",
    "tile.adc.function": "functions.ACTIVATION, for the network's layers say which activation a tile makes",
    "tile.adc.x_range": "functions.ACTIVATION",
    "tile.adc.points": "functions.ACTIVATION",
    "tile.crossbar.device": "device.name",
    "tile.crossbar.v_read": "tile.adc.v_read",
    "tile.crossbar.v_clp": "tile.adc.v_clp",
    "tile.crossbar.rows": "tile.inputs",
    "tile.crossbar.columns": "tile.outputs",
}
"""Settings of a tile that follow from others of the study."""


@dataclass(frozen=True)
class Name:
    """A setting's dotted name.

    Attributes
    ----------
    path: keys from table to table; the last may hold dots.
    owner: the pydantic model that has it as a field; None in an open table.
    """

    dotted: str
    path: tuple[str, ...]
    owner: type[BaseModel] | None = None

    @property
    def field(self) -> FieldInfo | None:
        return None if self.owner is None else self.owner.model_fields[self.path[-1]]

    @property
    def unit(self) -> str | None:
        """SI unit; None where the value is no quantity."""
        if self.owner is not None:
            return unit_of_key(self.owner, self.path[-1])
        if self.path[0] == "models":  # an open table of these holds a model's parameters
            kind = parameter_kinds(self.path[1]).get(self.path[-1])
            return None if kind is None else kind.unit
        return None

    @property
    def allowed(self) -> str | None:
        """Range in words; None where there is none."""
        return None if self.field is None else range_in_words(self.field)


def known_names() -> dict[str, Name]:
    """Dotted name -> setting, of all that have a fixed name."""
    return {each.dotted: each for each in _names(Settings, ()) if each.dotted not in ELSEWHERE}


def _names(model: type[BaseModel], path: tuple[str, ...]) -> Iterator[Name]:
    for key, field in model.model_fields.items():
        here = (*path, key)
        dotted = ".".join(here)
        inner = _model_in(field.annotation)
        if inner is not None:
            yield from _names(inner, here)
        elif dotted not in OPEN:
            yield Name(dotted, here, model)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    from typing import get_args

    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for each in get_args(annotation) if (found := _model_in(each)) is not None), None)


_KNOWN = known_names()


def find_name(dotted: str) -> Name:
    """The setting of a dotted name; CosimError with the nearest one where there is none."""
    if dotted in _KNOWN:
        return _KNOWN[dotted]
    for table in OPEN:
        rest = dotted.removeprefix(f"{table}.")
        if rest and rest != dotted:
            return Name(dotted, (*table.split("."), rest))
    if dotted in ELSEWHERE:
        raise CosimError(f"this follows from {ELSEWHERE[dotted]}; set that", key=dotted)
    raise CosimError(f"no setting has this name.{_nearest(dotted)}", key=dotted, allowed=_siblings(dotted))


def _nearest(dotted: str) -> str:
    """The nearest name: one that ends like it ("adc.bits"), or is written nearly so."""
    ending = [name for name in _KNOWN if name.endswith(f".{dotted}")]
    return f" Did you mean '{ending[0]}'?" if ending else did_you_mean(dotted, _KNOWN)


def _siblings(dotted: str) -> list[str] | str:
    """The names of the same table, or the tables."""
    table = dotted.rpartition(".")[0]
    beside = [name for name in _KNOWN if name.rpartition(".")[0] == table]
    return beside or f"a name in one of the tables {', '.join(TABLES)}"


def checked_value(name: Name, raw: Any, file: str | None = None) -> tuple[Any, list[CosimError]]:
    """A swept value as the settings hold it (SI floats), and what is wrong with it by itself."""
    if name.owner is None:
        return _open_value(name, raw, file)
    key = name.path[-1]
    adapter = _adapter(name.owner, key)
    number = isinstance(raw, int | float) and not isinstance(raw, bool)
    if adapter is not None and not (number and (name.unit not in (None, "1") or not math.isfinite(raw))):
        try:
            return adapter.validate_python(raw), []
        except ValidationError:
            pass  # told below, in our words
    found, problems = examined(name.owner, _required(name.owner) | {key: raw}, file=file)
    own = [each for each in problems if each.key is not None and each.key.split(".")[0] == key]
    for each in own:
        each.key, each.value = name.dotted, raw
    if own or found is None:
        return raw, own
    return getattr(found, key), []


@lru_cache(maxsize=256)
def _adapter(owner: type[BaseModel], key: str) -> TypeAdapter[Any] | None:
    """What checks one field alone, which takes less than its whole model; None where the model has a rule for it."""
    rules = owner.__pydantic_decorators__.field_validators.values()
    if any(key in rule.info.fields for rule in rules):
        return None
    field = owner.model_fields[key]
    wanted: Any = Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation
    return TypeAdapter(wanted, config=ConfigDict(allow_inf_nan=False))


def _required(model: type[BaseModel]) -> dict[str, Any]:
    """Values for keys without which a model cannot be made."""
    return {"file": "ramp_adc"} if model is ModelSettings else {}


def _open_value(name: Name, raw: Any, file: str | None) -> tuple[Any, list[CosimError]]:
    match name.path[0]:
        case "fidelity":
            try:
                return Fidelity(raw), []
            except ValueError:
                choices = [each.value for each in Fidelity]
                said = did_you_mean(str(raw), choices)
                return raw, [
                    CosimError(f"not one of the choices.{said}", file=file, key=name.dotted, value=raw, allowed=choices)
                ]
        case "functions" if not isinstance(raw, str):
            return raw, [
                CosimError("not a function", file=file, key=name.dotted, value=raw, allowed="a name, or 'expr: ...'")
            ]
        case "models":
            try:
                return parameter_value(name.path[1], name.path[-1], raw, name.dotted), []
            except CosimError as error:
                return raw, [CosimError(error.message, file=file, key=name.dotted, value=raw, allowed=error.allowed)]
    return raw, []


def with_values(content: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Nested tables with some settings changed by dotted name; the tables given are left as they are."""
    changed = {key: content[key] for key in content if key in TABLES}
    for dotted, value in values.items():
        path = find_name(dotted).path
        table = changed
        for key in path[:-1]:
            table[key] = dict(table.get(key) or _implied(path, key))
            table = table[key]
        table[path[-1]] = value
    return changed


def _implied(path: tuple[str, ...], key: str) -> dict[str, Any]:
    """What a table holds that is only there because of a name below it."""
    return {"file": path[1]} if path[0] == "models" and key == path[1] and len(path) > 2 else {}


def settings_of(content: Mapping[str, Any], values: Mapping[str, Any], folder: str | Path = "") -> Settings:
    """The settings of a point: the tables of a checked study file with its own values.

    Files are looked for in `folder`, that of the study file, before the folder of the process.
    """
    return located(validated(Settings, with_values(content, values), from_code=TABLES), folder)


def located(settings: Settings, folder: str | Path) -> Settings:
    """The same with the paths of files that lie in `folder` written from there."""

    def found(text: str) -> str:
        path = Path(folder, text)
        return str(path) if not Path(text).is_absolute() and path.exists() else text

    def model(stated: ModelSettings | None) -> ModelSettings | None:
        return stated and stated.model_copy(update={"file": found(stated.file)})

    def function(text: str) -> str:
        if not text.startswith(TABLE):
            return text
        name, at, ends = text.removeprefix(TABLE).partition("@")
        return f"{TABLE} {found(name.strip())} {at}{ends}".strip()

    models = settings.models
    changes = {
        "network": settings.network.model_copy(
            update={"weights": settings.network.weights and found(settings.network.weights)}
        ),
        "device": settings.device.model_copy(update={"name": found(settings.device.name)}),
        "models": models.model_copy(
            update={
                "ramp_adc": model(models.ramp_adc),
                "crossbar": model(models.crossbar),
                "form_error": models.form_error and found(models.form_error),
            }
        ),
        "functions": {name: function(text) for name, text in settings.functions.items()},
    }
    return settings.model_copy(update=changes)


def value_in_words(dotted: str, value: Any) -> str:
    """A value for people, with its unit: "0.5 %", "1 day", "5"."""
    name = find_name(dotted)
    if isinstance(value, bool):
        return "on" if value else "off"
    if name.unit is None or not isinstance(value, int | float):
        return f"{value:.6g}" if isinstance(value, float) else str(value)
    if name.unit == "1" and name.owner is not None:  # a share
        return f"{100 * value:.6g} %"
    if name.unit == "s" and value >= 100:
        return _long_time(value)
    return format_si(value, name.unit, 6)


def _long_time(seconds: float) -> str:
    """Time after programming: minutes to years."""
    units = ((365.25 * 86400, "year"), (86400.0, "day"), (3600.0, "hour"), (60.0, "minute"))
    size, word = next((each for each in units if seconds >= each[0]), units[-1])
    count = f"{seconds / size:.6g}"
    return f"{count} {word}" + ("" if count == "1" else "s")


def plain_value(value: Any) -> Any:
    """A value as JSON holds it."""
    if isinstance(value, Fidelity):
        return value.value
    if isinstance(value, tuple | list):
        return [plain_value(each) for each in value]
    return value
