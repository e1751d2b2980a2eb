"""From one description to the tiles of a network."""

from dataclasses import replace

import numpy as np
import pytest

from cosim.blocks.ramp_adc.behaviour import RampAdcModel
from cosim.blocks.ramp_adc.config import RampAdcConfig
from cosim.errors import CosimError
from cosim.networks.digits import digits_network
from cosim.networks.tiled import TiledNetwork
from cosim.networks.weights import GATE_FUNCTIONS, GATES, LstmWeights, WeightsMetadata
from cosim.spice import SimulatorPool
from cosim.tiles.behavioural import BehaviouralTile
from cosim.tiles.config import Nonidealities, TileConfig
from cosim.tiles.hardware import Hardware
from cosim.tiles.protocol import Fidelity, Tile
from cosim.tiles.quantised import IdealTile, QuantisedTile
from cosim.tiles.spice import SpiceTile

KINDS = {Fidelity.IDEAL: IdealTile, Fidelity.QUANTISED: QuantisedTile, Fidelity.BEHAVIOURAL: BehaviouralTile}


def tiles_of(network: TiledNetwork) -> dict[str, Tile]:
    """Gate -> its tile, the only one."""
    found = {}
    for gate in GATES:
        (part,) = network.matrices[f"lstm.l0.{gate}"].parts
        found[gate] = part.tile
    return found


@pytest.mark.parametrize("fidelity", [*KINDS])
def test_every_gate_has_a_tile_of_its_function_size_and_window(
    hardware: Hardware, weights: LstmWeights, fidelity: Fidelity
) -> None:
    for gate, tile in tiles_of(digits_network(weights, hardware, fidelity)).items():
        assert type(tile) is KINDS[fidelity]
        assert (tile.inputs, tile.outputs) == (6, 3)
        assert isinstance(tile, IdealTile | QuantisedTile | BehaviouralTile)
        assert tile.config.adc.function == GATE_FUNCTIONS[gate]
        assert tile.config.w_max == 2.0
        assert (tile.config.dac_bits, tile.config.weight_bits, tile.config.adc.bits) == (3, 3, 3)


def test_each_gate_may_have_a_fidelity_of_its_own(
    hardware: Hardware, weights: LstmWeights, pool: SimulatorPool
) -> None:
    chosen = {"lstm.l0.i": Fidelity.IDEAL, "lstm.l0.f": "quantised", "lstm.l0.g": "spice", "*": Fidelity.BEHAVIOURAL}
    tiles = tiles_of(digits_network(weights, replace(hardware, pool=pool), chosen))
    assert [type(tiles[gate]) for gate in GATES] == [IdealTile, QuantisedTile, SpiceTile, BehaviouralTile]
    assert isinstance(tiles["g"], SpiceTile)
    assert tiles["g"].pool is pool


def test_switches_and_device_reach_the_behavioural_tiles(hardware: Hardware, weights: LstmWeights) -> None:
    device = replace(hardware.tile.device, programming_sigma=0.0)
    network = digits_network(
        weights,
        replace(hardware, device=device).with_nonidealities(Nonidealities.only("ramp_error")),
        Fidelity.BEHAVIOURAL,
    )
    for tile in tiles_of(network).values():
        assert isinstance(tile, BehaviouralTile)
        assert tile.nonidealities == Nonidealities.only("ramp_error")
        assert tile.device is device


def test_without_a_model_of_its_function_there_is_no_behavioural_tile(
    models: dict[str, RampAdcModel], weights: LstmWeights
) -> None:
    hardware = Hardware(TileConfig(adc=models["sigmoid"].config), {"sigmoid": models["sigmoid"]})
    digits_network(weights, hardware, Fidelity.QUANTISED).program(np.random.default_rng(0))
    with pytest.raises(CosimError, match="no fitted ramp ADC") as caught:
        digits_network(weights, hardware, Fidelity.BEHAVIOURAL).program(np.random.default_rng(0))
    assert (caught.value.key, caught.value.value, caught.value.allowed) == ("function", "tanh", ["sigmoid"])


def test_models_of_another_circuit_are_not_slipped_under_the_tile(
    models: dict[str, RampAdcModel], weights: LstmWeights
) -> None:
    """What the tile says of its ADC counts: models that do not fit it are refused, and do not replace it."""
    hardware = Hardware(TileConfig(adc=RampAdcConfig(bits=3, c_fb=4e-12)), models)
    with pytest.raises(CosimError, match="another circuit") as caught:
        digits_network(weights, hardware, Fidelity.BEHAVIOURAL).program(np.random.default_rng(0))
    assert caught.value.key == "adc.c_fb"


def test_a_network_too_large_for_a_tile_is_refused(hardware: Hardware) -> None:
    rng = np.random.default_rng(0)
    large = LstmWeights(
        rng.uniform(-1, 1, (4, 571, 60)), np.zeros((60, 2)), np.zeros(2), WeightsMetadata("float", None, 2.0, 0)
    )
    with pytest.raises(CosimError, match="out of range") as caught:
        digits_network(large, hardware, Fidelity.QUANTISED)
    assert (caught.value.key, caught.value.value, caught.value.allowed) == ("inputs", 571, "1 to 512")
