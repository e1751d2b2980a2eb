"""The hardware of one point of a study: tiles, fitted models and device as its settings say."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from cosim.blocks.crossbar.behaviour import CrossbarModel
from cosim.blocks.crossbar.behaviour import load_model as load_crossbar
from cosim.blocks.model import Parameter
from cosim.blocks.ramp_adc.behaviour import RampAdcModel
from cosim.blocks.ramp_adc.behaviour import load_model as load_ramp_adc
from cosim.blocks.ramp_adc.config import RampAdcConfig
from cosim.blocks.recipes import model_path, read_recipes
from cosim.devices import Device, drift_exponents, drifted, load_device
from cosim.errors import CosimError, did_you_mean
from cosim.files import sha256_of
from cosim.studies.model_parameters import parameter_value
from cosim.studies.settings import ModelSettings, Settings, value_in_words
from cosim.tiles.behavioural import BehaviouralTile
from cosim.tiles.config import TileConfig
from cosim.tiles.hardware import OF_THE_FIT, Hardware, converter_of
from cosim.tiles.model_error import ModelFormError, load_model_error
from cosim.tiles.protocol import Fidelity, Tile
from cosim.validation import validated

CONVERTED = ("linear", "sigmoid", "tanh", "relu")
"""Functions that converters of networks make."""


@dataclass(frozen=True)
class StudyHardware(Hardware):
    """Hardware whose converters may make other functions than the network's layers ask for.

    functions: activation of the network -> the function that is made instead, see `function_and_range`.
    """

    functions: Mapping[str, str] = field(default_factory=dict)

    def converter(self, function: str) -> RampAdcConfig:
        """See `Hardware`."""
        if function not in self.functions:
            return super().converter(function)
        return converter_of(self.tile.adc, *function_and_range(self.functions[function]))


def function_and_range(text: str) -> tuple[str, tuple[float, float] | None]:
    """A function, and the range of inputs that its code spans where one is given: "expr: tanh(x) @ -4, 4".

    CosimError for what is no range.
    """
    name, at, ends = text.partition("@")
    if not at:
        return text, None
    try:
        low, high = (float(each) for each in ends.split(","))
    except ValueError as error:
        raise CosimError("not a range of inputs", value=text, allowed="FUNCTION @ LOW, HIGH") from error
    return name.strip(), (low, high)


def point_hardware(settings: Settings) -> StudyHardware:
    """The hardware of a point.

    Settings of `tile.adc` that the study does not name are those of the fitted model. Raises CosimError for settings
    that do not fit each other, the device, or the models.
    """
    device = device_of(settings)
    models = ramp_adcs_of(settings, {settings.functions.get(name, name) for name in CONVERTED})
    first = next(iter(models.values()))
    tile = validated(TileConfig, {**settings.tile.model_dump(), "adc": first.config}, from_code=TileConfig.model_fields)
    in_spice = Fidelity.SPICE in settings.fidelity.values()
    if in_spice and settings.device.time is not None:
        raise CosimError(
            "drift is of behavioural tiles only", key="device.time",
            value=value_in_words("device.time", settings.device.time),
        )  # fmt: skip
    return StudyHardware(
        tile,
        models,
        crossbar_of(settings.models.crossbar, tile),
        settings.switches(),
        device,
        own_simulators() if in_spice else None,
        functions=settings.functions,
    )


def ramp_adcs_of(settings: Settings, functions: Iterable[str]) -> dict[str, RampAdcModel]:
    """Function -> fitted ramp ADC of the point's settings."""
    template, adc = ramp_adc_of(settings), settings.tile.adc
    given = {name: getattr(adc, name) for name in sorted(adc.model_fields_set)}
    for name in OF_THE_FIT:
        fitted = getattr(template.config, name)
        if (stated := given.pop(name, fitted)) != fitted:
            key = f"tile.adc.{name}"
            raise CosimError(
                "the ramp ADC's model was fitted for another circuit; name one of this in models.ramp_adc.file",
                key=key, value=value_in_words(key, stated), allowed=[value_in_words(key, fitted)],
            )  # fmt: skip
    models = {}
    for function in sorted(functions):
        with key_of(f"functions ({function})", function, always=True):
            name, x_range = function_and_range(function)
            changes = given | {"function": name, "x_range": x_range, "device": settings.device.name}
            changed = {key: value for key, value in changes.items() if getattr(template.config, key) != value}
            if name != template.config.function:
                changed["points"] = None
            models[name] = template.at(**changed) if changed else template
    return models


def model_error_of(settings: Settings) -> ModelFormError | None:
    """The distribution of what ngspice has more than the models; None where the study names none."""
    if settings.models.form_error is None:
        return None
    with key_of("models.form_error", settings.models.form_error):
        return load_model_error(settings.models.form_error)


def own_simulators() -> Any:
    """Simulators for SPICE fidelity: a child of this process, for a worker of a pool may have no pool of its own."""
    from cosim.spice.in_worker import worker_pool

    return worker_pool()


def device_of(settings: Settings) -> Device:
    """The device with what the study replaces of it."""
    stated = settings.device
    with key_of("device.name", stated.name):
        device = load_device(stated.name)
    names = ("programming_sigma", "read_noise", "stuck_off_rate", "stuck_on_rate")
    given = {name: getattr(stated, name) for name in names if getattr(stated, name) is not None}
    if stated.time is not None and device.drift is None:
        raise CosimError(
            f"the device {device.name} has no law of drift", key="device.time",
            value=value_in_words("device.time", stated.time),
            allowed="none, or a device that drifts (pcm_inference)",
        )  # fmt: skip
    return replace(device, **given)


def ramp_adc_of(settings: Settings) -> RampAdcModel:
    """The fitted ramp ADC with what the study replaces of its parameters."""
    stated = settings.models.ramp_adc
    with key_of("models.ramp_adc.file", stated.file):
        path = model_file(stated.file, "ramp_adc")
        model = _ramp_adc(path, sha256_of(path))
    return replace(model, parameters=_replaced(model.parameters, stated, "models.ramp_adc"))


def crossbar_of(stated: ModelSettings | None, tile: TileConfig) -> CrossbarModel | None:
    """The fitted crossbar; None where the configured resistances are to be taken. CosimError for another circuit."""
    if stated is None:
        return None
    with key_of("models.crossbar.file", stated.file):
        path = model_file(stated.file, "crossbar")
        model = _crossbar(path, sha256_of(path))
    for name in ("r_wire_row", "r_wire_column", "r_driver", "r_clamp", "device"):
        fitted, stated_one = getattr(model.config, name), getattr(tile.array, name)
        if fitted != stated_one:
            key = "device.name" if name == "device" else f"tile.crossbar.{name}"
            raise CosimError(
                "the crossbar's model was fitted for another circuit", key=key,
                value=value_in_words(key, stated_one), allowed=[value_in_words(key, fitted)],
            )  # fmt: skip
    return replace(model, parameters=_replaced(model.parameters, stated, "models.crossbar"))


@contextmanager
def key_of(key: str, value: str, *, always: bool = False) -> Iterator[None]:
    """Faults under this that name no key are this key's; those of an activation's function are, where `always`."""
    try:
        yield
    except CosimError as error:
        if error.key is not None and not (always and error.key in ("function", "x_range")):
            raise
        raise CosimError(
            error.message, file=error.file, key=key, value=error.value or value, allowed=error.allowed
        ) from error


def model_file(name: str, block: str) -> Path:
    """The file of a block's model, as `model_path` finds it; of a shipped one's name it is looked for once.

    CosimError for a word that is neither the name of a shipped model nor a file.
    """
    path = Path(name) if Path(name).exists() else _shipped_file(name)
    if str(path) == name and Path(name).parent == Path() and not path.suffix and not path.exists():
        known = [each for each, recipe in read_recipes().items() if recipe.block == block]
        raise CosimError(
            f"no such model, neither shipped nor a file.{did_you_mean(name, known)}",
            value=name, allowed=[*known, "or the path of a model file"],
        )  # fmt: skip
    return path


@lru_cache(maxsize=64)
def _shipped_file(name: str) -> Path:
    return model_path(name)


@lru_cache(maxsize=16)
def _ramp_adc(path: Path, sha256: str) -> RampAdcModel:
    return load_ramp_adc(path)


@lru_cache(maxsize=16)
def _crossbar(path: Path, sha256: str) -> CrossbarModel:
    return load_crossbar(path)


def _replaced(fitted: Mapping[str, Parameter], stated: ModelSettings, key: str) -> dict[str, Parameter]:
    """A model's parameters with other values; a table over conditions gives way to one number."""
    parameters = dict(fitted)
    for name, raw in stated.parameters.items():
        dotted = f"{key}.parameters.{name}"
        if name not in parameters:
            raise CosimError(
                f"the model has no such parameter.{did_you_mean(name, parameters)}", key=dotted, allowed=[*parameters]
            )
        value = parameter_value(key.removeprefix("models."), name, raw, dotted, from_code=True)
        parameters[name] = replace(parameters[name], value=value, low=None, high=None)
    return parameters


def age(tile: Tile, time: float | None, device: Device, rng: np.random.Generator) -> None:
    """Let time pass after programming: array and ramp column drift, each cell by its own exponent.

    Ideal and quantised tiles do not age. With its switch off, the ramp column is the one that was meant, for ever.
    """
    if time is None or not isinstance(tile, BehaviouralTile) or tile.chip is None:
        return
    chip = tile.chip
    for_array, for_ramp, for_bias = rng.spawn(3)
    exponents = drift_exponents(chip.targets, device, for_array)
    ramp = drifted(chip.adc.ramp, drift_exponents(chip.adc.ramp, device, for_ramp), device, time)
    bias = drifted(chip.adc.bias, drift_exponents(chip.adc.bias, device, for_bias), device, time)
    tile.load(
        replace(
            chip,
            targets=drifted(chip.targets, exponents, device, time),
            conductances=drifted(chip.conductances, exponents, device, time),
            adc=replace(chip.adc, ramp=ramp, bias=bias),
        )
    )
