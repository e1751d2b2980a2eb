"""Tiles from one description; the models of those whose own are not given."""

import numpy as np
import pytest

from cosim.blocks.ramp_adc.config import RampAdcConfig
from cosim.blocks.recipes import shipped_model
from cosim.errors import CosimError
from cosim.tiles.behavioural import BehaviouralTile
from cosim.tiles.config import Nonidealities, TileConfig
from cosim.tiles.hardware import Hardware, checked_fidelity
from cosim.tiles.model_error import ModelFormError
from cosim.tiles.protocol import Fidelity

TILE = TileConfig(adc=RampAdcConfig(bits=6, function="linear", v_read=0.15, corner="SS", temperature=85.0))


def behavioural(hardware: Hardware, function: str, **settings: object) -> BehaviouralTile:
    tile = hardware.build(function, "behavioural", **settings)  # type: ignore[arg-type]
    assert isinstance(tile, BehaviouralTile)
    return tile


def test_without_models_each_function_has_the_shipped_one_at_the_tiles_settings() -> None:
    hardware = Hardware(TILE)
    tile = behavioural(hardware, "tanh", inputs=5, outputs=3, w_max=0.7, weight_bits=4)
    config = tile.config
    assert (config.inputs, config.outputs, config.w_max, config.weight_bits) == (5, 3, 0.7, 4)
    assert (config.adc.function, config.adc.bits, config.adc.v_read, config.adc.corner) == ("tanh", 6, 0.15, "SS")
    expected = shipped_model("ramp_adc").at(function="tanh", bits=6, v_read=0.15, corner="SS", temperature=85.0)
    assert tile.model.config == expected.config
    np.testing.assert_array_equal(tile.model.ramp_target, expected.ramp_target)
    assert tile.model.value("offset_sigma") == expected.value("offset_sigma")
    assert behavioural(hardware, "tanh").model is tile.model  # made once


def test_a_range_of_inputs_belongs_to_its_function() -> None:
    hardware = Hardware(TileConfig(adc=RampAdcConfig(bits=5, function="linear", x_range=(-2.0, 2.0))))
    assert hardware.config("linear").adc.x_range == (-2.0, 2.0)
    assert hardware.config("sigmoid").adc.x_range is None


def test_the_shipped_model_is_not_taken_for_another_circuit() -> None:
    hardware = Hardware(TileConfig(adc=RampAdcConfig(function="linear", comparator="comparator_strongarm")))
    hardware.build("linear", "quantised")
    with pytest.raises(CosimError, match="another circuit") as caught:
        hardware.build("linear", "behavioural")
    assert (caught.value.key, caught.value.value) == ("adc.comparator", "comparator_strongarm")
    assert caught.value.allowed == ["comparator_two_stage"]


def test_threads_switches_and_model_error_reach_the_tiles() -> None:
    error = ModelFormError(mac_mean=1e-3)
    tile = behavioural(Hardware(TILE, threads=2, model_error=error, nonidealities=Nonidealities.none()), "linear")
    assert (tile.threads, tile.model_error, tile.nonidealities) == (2, error, Nonidealities.none())


def test_settings_and_fidelities_that_are_not_there_are_refused() -> None:
    with pytest.raises(CosimError) as caught:
        Hardware(TILE).build("linear", "ideal", inputs=0)
    assert (caught.value.key, caught.value.value) == ("inputs", 0)
    with pytest.raises(CosimError) as caught:
        Hardware(TILE).build("softsign", "ideal")
    assert caught.value.value == "softsign"
    with pytest.raises(CosimError, match="no such fidelity") as caught:
        checked_fidelity("exact")
    assert caught.value.allowed == ["ideal", "quantised", "behavioural", "spice"]
    assert checked_fidelity("spice") is Fidelity.SPICE


def test_switches_of_what_a_tile_has_none_of_change_nothing() -> None:
    """Ideal DACs have no error and linear cells no law: with these switches alone a tile is the quantised one, ties
    included."""
    inputs, outputs = 30, 8
    rng = np.random.default_rng(4)
    weights, x = rng.uniform(-1, 1, (inputs, outputs)), rng.uniform(-1, 1, (400, inputs)).astype(np.float32)
    adc = RampAdcConfig(bits=8, function="linear")
    hardware = Hardware(TileConfig(inputs=inputs, outputs=outputs, dac_bits=4, weight_bits=4, w_max=1.0, adc=adc))
    codes = []
    for switches in (Nonidealities.none(), Nonidealities.only("dac_error"), Nonidealities.only("cell_nonlinearity")):
        tile = hardware.with_nonidealities(switches).build("linear", "behavioural")
        tile.program(weights, np.random.default_rng(1))
        codes.append(tile.forward(x, np.random.default_rng(2)))
    quantised = hardware.build("linear", "quantised")
    quantised.program(weights, np.random.default_rng(1))
    for each in codes:
        np.testing.assert_array_equal(each, quantised.forward(x, np.random.default_rng(2)))
