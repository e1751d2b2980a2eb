"""The hardware that networks run on: any number of tiles, at any fidelity, from one description."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from cosim.blocks.crossbar.behaviour import CrossbarModel
from cosim.blocks.ramp_adc.behaviour import RampAdcModel
from cosim.blocks.ramp_adc.config import RampAdcConfig
from cosim.blocks.recipes import shipped_model
from cosim.devices import Device
from cosim.errors import CosimError, did_you_mean
from cosim.spice import SimulatorPool
from cosim.tiles.behavioural import BehaviouralTile
from cosim.tiles.config import Nonidealities, TileConfig
from cosim.tiles.model_error import ModelFormError
from cosim.tiles.protocol import Fidelity, Tile
from cosim.tiles.quantised import IdealTile, QuantisedTile
from cosim.tiles.spice import SpiceTile, Wires
from cosim.validation import validated

REST = "*"
"""In a mapping by names: all that it does not name."""

FidelityChoice = Fidelity | str | Mapping[str, Fidelity | str]
"""Of all parts, or by their names."""

OF_THE_FIT = ("process", "comparator", "ramp", "i_bias", "v_clp", "t_clock", "idle_word_lines")
"""Settings of the ramp ADC that its fitted laws rest on: another value needs another model."""


@dataclass(frozen=True)
class Hardware:
    """What the tiles of a network are made of.

    Attributes
    ----------
    tile: sizes, bits and circuits. `inputs` and `outputs` are those of the largest tile that can be had; the ADC's
        function is replaced by that of each tile.
    models: activation function -> fitted ramp ADC, for the behavioural fidelity. Where none at all is given, each
        function's is made of the shipped model (`RampAdcModel.at`).
    array: fitted crossbar, for the behavioural fidelity; without it the configured resistances are taken.
    nonidealities: what behavioural tiles include.
    device: replaces the configured device in behavioural tiles, e.g. one with another programming error.
    pool: workers for SPICE fidelity.
    wires: of arrays in SPICE fidelity, as of `SpiceTile`.
    threads: of each behavioural tile; the answer does not depend on it.
    model_error: what behavioural tiles have of the models' own error: one for all, or name of a matrix -> its own, with
        "*" for those that are not named; a matrix without one has none.
    """

    tile: TileConfig
    models: Mapping[str, RampAdcModel] = field(default_factory=dict)
    array: CrossbarModel | None = None
    nonidealities: Nonidealities = field(default_factory=Nonidealities)
    device: Device | None = None
    pool: SimulatorPool | None = None
    threads: int = 1
    model_error: ModelFormError | Mapping[str, ModelFormError] | None = None
    wires: Wires = "reduced"
    _made: dict[RampAdcConfig, RampAdcModel] = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.threads < 1:
            raise CosimError("at least one thread is needed", key="threads", value=self.threads, allowed="1 or more")

    def with_nonidealities(self, nonidealities: Nonidealities) -> Hardware:
        """The same hardware with other switches."""
        return replace(self, nonidealities=nonidealities)

    @property
    def noisy(self) -> bool:
        """Whether behavioural tiles draw something in each conversion."""
        errors = self.model_error.values() if isinstance(self.model_error, Mapping) else (self.model_error,)
        on = self.nonidealities
        return on.read_noise or on.adc_noise or any(each is not None and each.mac_conversion > 0 for each in errors)

    def of_matrix(self, name: str) -> Hardware:
        """The hardware of one matrix: with its own model-form error where they are told by name."""
        if not isinstance(self.model_error, Mapping):
            return self
        return replace(self, model_error=self.model_error.get(name, self.model_error.get(REST)))

    def config(self, function: str, **changes: Any) -> TileConfig:
        """The tile for an activation function, with other sizes, bits ... where `changes` says so.

        Raises CosimError for a setting out of range.
        """
        settings = {**self.tile.model_dump(), "adc": self.converter(function), **changes}
        return validated(TileConfig, settings, from_code=TileConfig.model_fields)

    def converter(self, function: str) -> RampAdcConfig:
        """The ramp ADC that makes an activation function."""
        adc = self.tile.adc
        return adc if function == adc.function else converter_of(adc, function)

    def build(
        self, function: str, fidelity: Fidelity | str, *, inputs: int | None = None, outputs: int | None = None,
        w_max: float | None = None, **changes: Any,
    ) -> Tile:  # fmt: skip
        """One tile, not yet programmed.

        Parameters
        ----------
        function: activation that its ADC makes.
        fidelity: one of `Fidelity`, or its name.
        inputs, outputs, w_max: of the tile; those of the description where None.
        changes: other settings of `TileConfig`.

        Raises CosimError for settings out of range, and where there is no model of this ADC.
        """
        given = {"inputs": inputs, "outputs": outputs, "w_max": w_max}
        config = self.config(function, **{key: each for key, each in given.items() if each is not None}, **changes)
        return self.tile_of(config, fidelity)

    def tile_of(self, config: TileConfig, fidelity: Fidelity | str) -> Tile:
        """One tile of a configuration that is complete, not yet programmed."""
        fidelity = checked_fidelity(fidelity)
        if fidelity is Fidelity.IDEAL:
            return IdealTile(config)
        if fidelity is Fidelity.QUANTISED:
            return QuantisedTile(config)
        if fidelity is Fidelity.SPICE:
            return SpiceTile(config, self.pool, wires=self.wires)
        if isinstance(self.model_error, Mapping):
            raise CosimError("model-form errors by name are those of matrices", key="model_error",
                             value=list(self.model_error), allowed="of_matrix(name)")  # fmt: skip
        model = self.model(config.adc)
        return BehaviouralTile(
            config, model, self.nonidealities, self.device, self.array, self.threads, self.model_error
        )

    def model(self, adc: RampAdcConfig) -> RampAdcModel:
        """The fitted model of a ramp ADC; CosimError where there is none."""
        if self.models:
            if adc.function not in self.models:
                raise CosimError("there is no fitted ramp ADC for this function", key="function", value=adc.function,
                                 allowed=list(self.models))  # fmt: skip
            return self.models[adc.function]
        if adc not in self._made:
            shipped: RampAdcModel = shipped_model("ramp_adc")
            for name in OF_THE_FIT:
                if getattr(adc, name) != getattr(shipped.config, name):
                    raise CosimError(
                        "the shipped ramp ADC is of another circuit than this tile's; fit a model of this one"
                        " (cosim characterise, cosim fit) and give it in `models`",
                        key=f"adc.{name}", value=getattr(adc, name), allowed=[getattr(shipped.config, name)],
                    )  # fmt: skip
            stated = adc.model_dump()
            own = shipped.config.model_dump()
            self._made[adc] = shipped.at(**{name: each for name, each in stated.items() if each != own[name]})
        return self._made[adc]


def converter_of(adc: RampAdcConfig, function: str, x_range: tuple[float, float] | None = None) -> RampAdcConfig:
    """A ramp ADC like this one for another function, whose own range of inputs is taken where none is given."""
    return RampAdcConfig(**(adc.model_dump() | {"function": function, "x_range": x_range, "points": None}))


def checked_fidelity(fidelity: Fidelity | str) -> Fidelity:
    """One of `Fidelity` by its name; CosimError for a name that is none."""
    try:
        return Fidelity(fidelity)
    except ValueError:
        allowed = [each.value for each in Fidelity]
        raise CosimError("there is no such fidelity", key="fidelity", value=fidelity, allowed=allowed) from None


def chosen_fidelities(fidelity: FidelityChoice, names: list[str]) -> dict[str, Fidelity]:
    """Of each part by its name; CosimError for a part that is not there, and for one without."""
    if not isinstance(fidelity, Mapping):
        return dict.fromkeys(names, checked_fidelity(fidelity))
    for name in fidelity:
        if name != REST and name not in names:
            raise CosimError(f"there is no such part.{did_you_mean(name, names)}", key="fidelity", value=name,
                             allowed=[*names, REST])  # fmt: skip
    missing = [name for name in names if name not in fidelity]
    if missing and REST not in fidelity:
        raise CosimError(
            "this part has no fidelity", key="fidelity", value=missing[0], allowed=f"'{REST}' for the rest"
        )
    return {name: checked_fidelity(fidelity.get(name, fidelity.get(REST, ""))) for name in names}
