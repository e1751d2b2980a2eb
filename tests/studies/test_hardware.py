"""From one description to the tiles of a network."""

from dataclasses import replace

import numpy as np
import pytest

from cosim.blocks.ramp_adc.behaviour import RampAdcModel
from cosim.blocks.ramp_adc.config import RampAdcConfig
from cosim.errors import CosimError
from cosim.networks.lstm import GATE_FUNCTIONS, GATES, LstmWeights, lstm_network
from cosim.networks.weights import WeightsMetadata
from cosim.spice import SimulatorPool
from cosim.tiles.behavioural import BehaviouralTile
from cosim.tiles.config import Nonidealities, TileConfig
from cosim.tiles.hardware import Hardware
from cosim.tiles.protocol import Fidelity
from cosim.tiles.quantised import IdealTile, QuantisedTile
from cosim.tiles.spice import SpiceTile

KINDS = {Fidelity.IDEAL: IdealTile, Fidelity.QUANTISED: QuantisedTile, Fidelity.BEHAVIOURAL: BehaviouralTile}


@pytest.mark.parametrize("fidelity", [*KINDS])
def test_every_gate_has_a_tile_of_its_function_size_and_window(
    hardware: Hardware, weights: LstmWeights, fidelity: Fidelity
) -> None:
    network = lstm_network(weights, hardware, fidelity)
    assert [*network.tiles] == list(GATES)
    for gate, tile in network.tiles.items():
        assert type(tile) is KINDS[fidelity]
        assert (tile.inputs, tile.outputs) == (6, 3)
        assert isinstance(tile, IdealTile | QuantisedTile | BehaviouralTile)
        assert tile.config.adc.function == GATE_FUNCTIONS[gate]
        assert tile.config.w_max == 2.0
        assert (tile.config.dac_bits, tile.config.weight_bits, tile.config.adc.bits) == (3, 3, 3)


def test_each_gate_may_have_a_fidelity_of_its_own(
    hardware: Hardware, weights: LstmWeights, pool: SimulatorPool
) -> None:
    chosen = {"i": Fidelity.IDEAL, "f": "quantised", "g": "spice", "o": Fidelity.BEHAVIOURAL}
    tiles = lstm_network(weights, replace(hardware, pool=pool), chosen).tiles  # type: ignore[arg-type]
    assert [type(tiles[gate]) for gate in GATES] == [IdealTile, QuantisedTile, SpiceTile, BehaviouralTile]
    assert isinstance(tiles["g"], SpiceTile)
    assert tiles["g"].pool is pool


def test_switches_and_device_reach_the_behavioural_tiles(hardware: Hardware, weights: LstmWeights) -> None:
    device = replace(hardware.tile.device, programming_sigma=0.0)
    network = lstm_network(
        weights,
        replace(hardware, device=device).with_nonidealities(Nonidealities.only("ramp_error")),
        Fidelity.BEHAVIOURAL,
    )
    for tile in network.tiles.values():
        assert isinstance(tile, BehaviouralTile)
        assert tile.nonidealities == Nonidealities.only("ramp_error")
        assert tile.device is device


def test_without_a_model_of_its_function_there_is_no_behavioural_tile(
    models: dict[str, RampAdcModel], weights: LstmWeights
) -> None:
    hardware = Hardware(TileConfig(adc=models["sigmoid"].config), {"sigmoid": models["sigmoid"]})
    lstm_network(weights, hardware, Fidelity.QUANTISED)
    with pytest.raises(CosimError, match="no fitted ramp ADC") as caught:
        lstm_network(weights, hardware, Fidelity.BEHAVIOURAL)
    assert (caught.value.key, caught.value.value, caught.value.allowed) == ("function", "tanh", ["sigmoid"])


def test_models_of_another_circuit_are_not_slipped_under_the_tile(
    models: dict[str, RampAdcModel], weights: LstmWeights
) -> None:
    """What the tile says of its ADC counts: models that do not fit it are refused, and do not replace it."""
    hardware = Hardware(TileConfig(adc=RampAdcConfig(bits=3, c_fb=4e-12)), models)
    with pytest.raises(CosimError, match="another circuit") as caught:
        lstm_network(weights, hardware, Fidelity.BEHAVIOURAL)
    assert caught.value.key == "adc.c_fb"


def test_a_network_too_large_for_a_tile_is_refused(hardware: Hardware) -> None:
    rng = np.random.default_rng(0)
    large = LstmWeights(
        rng.uniform(-1, 1, (4, 571, 60)), np.zeros((60, 2)), np.zeros(2), WeightsMetadata("float", None, 2.0, 0)
    )
    with pytest.raises(CosimError, match="out of range") as caught:
        lstm_network(large, hardware, Fidelity.QUANTISED)
    assert (caught.value.key, caught.value.value, caught.value.allowed) == ("inputs", 571, "1 to 512")
