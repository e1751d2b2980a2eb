"""The hardware of one point of a study: tiles, fitted models and device as its settings say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from cosim.blocks.crossbar.behaviour import CrossbarModel
from cosim.blocks.crossbar.behaviour import load_model as load_crossbar
from cosim.blocks.model import Parameter
from cosim.blocks.ramp_adc.behaviour import RampAdcModel
from cosim.blocks.ramp_adc.behaviour import load_model as load_ramp_adc
from cosim.blocks.recipes import model_path
from cosim.devices import Device, drift_exponents, drifted, load_device
from cosim.errors import CosimError, did_you_mean
from cosim.files import sha256_of
from cosim.studies.settings import ModelSettings, Settings
from cosim.tiles.behavioural import BehaviouralTile
from cosim.tiles.config import TileConfig
from cosim.tiles.hardware import Hardware
from cosim.tiles.protocol import Fidelity, Tile
from cosim.units import parse_quantity
from cosim.validation import validated

OF_THE_FIT = ("process", "comparator", "i_bias")
"""Settings of the ramp ADC that its fitted law belongs to: another value needs another model."""


class PointHardware:
    """Tiles by activation and fidelity.

    Parameters
    ----------
    settings: of the point.
    sizes: fields of the tile that the network decides: inputs, outputs, w_max.

    Settings of `tile.adc` that the study does not name are those of the fitted model.
    """

    def __init__(self, settings: Settings, sizes: Mapping[str, Any]) -> None:
        self.settings = settings
        self.device = device_of(settings)
        self._sizes = dict(sizes)
        self._template = ramp_adc_of(settings)
        self._models: dict[str, RampAdcModel] = {}
        self._crossbar = crossbar_of(settings.models.crossbar)

    def function_of(self, activation: str) -> str:
        """The function that converters make for an activation of the network."""
        return self.settings.functions.get(activation, activation)

    def build(self, activation: str, fidelity: Fidelity) -> Tile:
        """One tile, not yet programmed."""
        function = self.function_of(activation)
        model = self.model(function)
        tile = validated(
            TileConfig,
            {**self.settings.tile.model_dump(), **self._sizes, "adc": model.config},
            from_code=TileConfig.model_fields,
        )
        if fidelity is Fidelity.SPICE and self.settings.device.time is not None:
            raise CosimError("drift is of behavioural tiles only", key="device.time", value=self.settings.device.time)
        hardware = Hardware(
            tile, {function: model}, self._crossbar, self.settings.switches(), self.device, own_simulators(fidelity)
        )
        return hardware.build(function, fidelity)

    def model(self, function: str) -> RampAdcModel:
        """The fitted ramp ADC of a function; CosimError for one of another circuit."""
        if function not in self._models:
            adc = self.settings.tile.adc
            given = {name: getattr(adc, name) for name in adc.model_fields_set}
            for name in OF_THE_FIT:
                fitted = getattr(self._template.config, name)
                if given.pop(name, fitted) != fitted:
                    raise CosimError(
                        "the ramp ADC's model was fitted for another circuit; name one of this in models.ramp_adc.file",
                        key=f"tile.adc.{name}", value=getattr(adc, name), allowed=[fitted],
                    )  # fmt: skip
            changes = given | {"function": function, "device": self.settings.device.name}
            changed = {name: value for name, value in changes.items() if getattr(self._template.config, name) != value}
            self._models[function] = self._template.at(**changed) if changed else self._template
        return self._models[function]


def own_simulators(fidelity: Fidelity) -> Any:
    """Simulators for SPICE fidelity: a child of this process, for a worker of a pool may have no pool of its own."""
    if fidelity is not Fidelity.SPICE:
        return None
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
            f"the device {device.name} has no law of drift", key="device.time", value=stated.time,
            allowed="none, or a device that drifts (pcm_inference)",
        )  # fmt: skip
    return replace(device, **given)


def ramp_adc_of(settings: Settings) -> RampAdcModel:
    """The fitted ramp ADC with what the study replaces of its parameters."""
    stated = settings.models.ramp_adc
    with key_of("models.ramp_adc.file", stated.file):
        path = model_path(stated.file)
        model = _ramp_adc(path, sha256_of(path))
    return replace(model, parameters=_replaced(model.parameters, stated, "models.ramp_adc"))


def crossbar_of(stated: ModelSettings | None) -> CrossbarModel | None:
    """The fitted crossbar; None where the configured resistances are to be taken."""
    if stated is None:
        return None
    with key_of("models.crossbar.file", stated.file):
        path = model_path(stated.file)
        model = _crossbar(path, sha256_of(path))
    return replace(model, parameters=_replaced(model.parameters, stated, "models.crossbar"))


@contextmanager
def key_of(key: str, value: str) -> Iterator[None]:
    """Faults under this that name no key are this key's."""
    try:
        yield
    except CosimError as error:
        if error.key is not None:
            raise
        raise CosimError(
            error.message, file=error.file, key=key, value=error.value or value, allowed=error.allowed
        ) from error


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
        unit = parameters[name].unit
        value = float(raw) if not isinstance(raw, str) else parse_quantity(raw, unit, key=dotted)
        parameters[name] = replace(parameters[name], value=value)
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
