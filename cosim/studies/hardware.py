"""The hardware a network runs on: one tile a gate, at any fidelity, from one description."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from cosim.blocks.crossbar.behaviour import CrossbarModel
from cosim.blocks.ramp_adc.behaviour import RampAdcModel
from cosim.devices import Device
from cosim.errors import CosimError
from cosim.networks.lstm import GATE_FUNCTIONS, GATES, LstmNetwork, LstmWeights
from cosim.spice import SimulatorPool
from cosim.tiles.behavioural import BehaviouralTile
from cosim.tiles.config import Nonidealities, TileConfig
from cosim.tiles.protocol import Fidelity, Tile
from cosim.tiles.quantised import IdealTile, QuantisedTile
from cosim.tiles.spice import SpiceTile
from cosim.validation import validated


@dataclass(frozen=True)
class Hardware:
    """What the tiles of a network are made of.

    Attributes
    ----------
    tile: sizes, bits and circuits; its ADC's function is replaced by the gate's own.
    models: activation function -> fitted ramp ADC, for the behavioural fidelity.
    array: fitted crossbar, for the behavioural fidelity; without it the configured resistances are taken.
    nonidealities: what behavioural tiles include.
    device: replaces the configured device in behavioural tiles, e.g. one with another programming error.
    pool: workers for SPICE fidelity.
    """

    tile: TileConfig
    models: Mapping[str, RampAdcModel]
    array: CrossbarModel | None = None
    nonidealities: Nonidealities = field(default_factory=Nonidealities)
    device: Device | None = None
    pool: SimulatorPool | None = None

    def with_nonidealities(self, nonidealities: Nonidealities) -> Hardware:
        """The same hardware with other switches."""
        return replace(self, nonidealities=nonidealities)

    def config(self, function: str) -> TileConfig:
        """The tile for an activation function."""
        return self.tile.model_copy(update={"adc": self.tile.adc.model_copy(update={"function": function})})

    def build(self, function: str, fidelity: Fidelity) -> Tile:
        """One tile, not yet programmed."""
        config = self.config(function)
        if fidelity is Fidelity.IDEAL:
            return IdealTile(config)
        if fidelity is Fidelity.QUANTISED:
            return QuantisedTile(config)
        if fidelity is Fidelity.SPICE:
            return SpiceTile(config, self.pool)
        if function not in self.models:
            raise CosimError("there is no fitted ramp ADC for this function", key="function", value=function,
                             allowed=list(self.models))  # fmt: skip
        return BehaviouralTile(config, self.models[function], self.nonidealities, self.device, self.array)

    def lstm(self, weights: LstmWeights, fidelity: Fidelity | Mapping[str, Fidelity]) -> LstmNetwork:
        """An LSTM on these tiles; `fidelity` for all gates or gate by gate. The weights' size and w_max are taken."""
        sized = replace(
            self,
            tile=validated(
                TileConfig,
                {
                    **self.tile.model_dump(),
                    "inputs": weights.gates.shape[1],
                    "outputs": weights.gates.shape[2],
                    "w_max": weights.metadata.w_max,
                },
                from_code=TileConfig.model_fields,
            ),
        )
        chosen = fidelity if isinstance(fidelity, Mapping) else dict.fromkeys(GATES, fidelity)
        tiles = {gate: sized.build(GATE_FUNCTIONS[gate], Fidelity(chosen[gate])) for gate in GATES}
        return LstmNetwork(weights, tiles)
