"""Fitted models for the tests of tiles, and small behavioural tiles made with them."""

from pathlib import Path

import numpy as np
import pytest

from cosim.blocks import ramp_adc
from cosim.blocks.ramp_adc.behaviour import RampAdcModel
from cosim.spice import SimulatorPool
from cosim.tiles.behavioural import BehaviouralTile
from cosim.tiles.chip import TileChip
from cosim.tiles.config import Nonidealities, TileConfig

INPUTS, OUTPUTS, BITS, W_MAX = 10, 6, 5, 2.0

WEIGHTS = np.random.default_rng(7).uniform(-W_MAX, W_MAX, (INPUTS, OUTPUTS))

VECTORS = np.random.default_rng(8).uniform(-1, 1, (200, INPUTS))


def tile_of(model: RampAdcModel, on: Nonidealities, **changes: object) -> BehaviouralTile:
    config = TileConfig(
        **{
            "inputs": INPUTS,
            "outputs": OUTPUTS,
            "dac_bits": BITS,
            "weight_bits": BITS,
            "w_max": W_MAX,
            "adc": model.config,
            **changes,
        }
    )
    return BehaviouralTile(config, model, on)


def programmed(model: RampAdcModel, on: Nonidealities, seed: int = 1, **changes: object) -> BehaviouralTile:
    tile = tile_of(model, on, **changes)
    tile.program(WEIGHTS, np.random.default_rng(seed))
    return tile


def chip_of(tile: BehaviouralTile) -> TileChip:
    assert tile.chip is not None
    return tile.chip


def siemens_to_weight(tile: BehaviouralTile) -> float:
    device = tile.config.device
    return tile.config.w_max / (device.g_max - device.g_min)


def assert_only(tile: BehaviouralTile, *, matrix: bool = False, thresholds: bool = False) -> None:
    """What is not named is as with everything off, to rounding."""
    off = programmed(tile.model, Nonidealities.none())
    if not matrix:
        np.testing.assert_allclose(tile.matrix, off.matrix, rtol=0, atol=1e-13 * W_MAX)
    if not thresholds:
        np.testing.assert_array_equal(tile.thresholds, off.thresholds)


@pytest.fixture(scope="session")
def models(own_cache: Path) -> dict[str, RampAdcModel]:
    """Function -> ramp ADC of 3 bits, fitted to six simulated chips; with the store of results, unlike `pool`."""
    with SimulatorPool(2) as pool:
        return {
            function: ramp_adc.fit(
                ramp_adc.characterise(
                    ramp_adc.Config(bits=3, function=function), chips=6, v_reads=(), pool=pool, show_progress=False
                )
            )
            for function in ("sigmoid", "tanh")
        }
