"""The behavioural tile's chips, random numbers and batches."""

from dataclasses import replace

import numpy as np
import pytest

from cosim.blocks.ramp_adc.behaviour import RampAdcModel
from cosim.tiles.behavioural import BehaviouralTile
from cosim.tiles.chip import draw_tile_chip
from cosim.tiles.config import Nonidealities

from .conftest import (
    INPUTS,
    OUTPUTS,
    VECTORS,
    WEIGHTS,
    chip_of,
    programmed,
    tile_of,
)

# Six chips say little of the spread of offsets, so some that are drawn later lie outside what was seen.
pytestmark = pytest.mark.filterwarnings("ignore::cosim.blocks.domain.OutsideDomainWarning")

STATIC = [name for name in Nonidealities.names() if name not in Nonidealities.NOISE]


def test_the_same_seed_gives_the_same_chip_whatever_the_switches(models: dict[str, RampAdcModel]) -> None:
    first = chip_of(programmed(models["sigmoid"], Nonidealities()))
    for on in (Nonidealities.none(), *map(Nonidealities.only, Nonidealities.names())):
        chip = chip_of(programmed(models["sigmoid"], on))
        np.testing.assert_array_equal(chip.conductances, first.conductances)
        np.testing.assert_array_equal(chip.adc.ramp, first.adc.ramp)
        np.testing.assert_array_equal(chip.offsets, first.offsets)


def test_a_loaded_chip_is_the_same_as_a_programmed_one(models: dict[str, RampAdcModel]) -> None:
    model = models["sigmoid"]
    direct = programmed(model, Nonidealities(), seed=9)
    loaded = tile_of(model, Nonidealities())
    loaded.load(draw_tile_chip(WEIGHTS, loaded.config, np.random.default_rng(9), model=model))
    np.testing.assert_array_equal(loaded.matrix, direct.matrix)
    np.testing.assert_array_equal(loaded.thresholds, direct.thresholds)


def test_equal_seeds_give_equal_reads_and_others_do_not(models: dict[str, RampAdcModel]) -> None:
    tile = programmed(models["sigmoid"], Nonidealities())
    a, b, c = (tile.mac(VECTORS, np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(a, b)
    assert (a != c).any(axis=0).all()


@pytest.mark.parametrize("name", [*STATIC, "none"])
def test_without_noise_rows_do_not_know_of_each_other(models: dict[str, RampAdcModel], name: str) -> None:
    on = Nonidealities.none() if name == "none" else Nonidealities.only(name)
    tile, rng = programmed(models["sigmoid"], on), np.random.default_rng(0)
    whole = tile.codes(VECTORS, rng)
    pieces = np.concatenate([tile.codes(part, rng) for part in np.split(VECTORS, [1, 2, 50])])
    np.testing.assert_array_equal(pieces, whole)
    assert tile.codes(VECTORS[:0], rng).shape == (0, OUTPUTS)


def test_inputs_beyond_full_scale_saturate(models: dict[str, RampAdcModel]) -> None:
    tile, rng = programmed(models["sigmoid"], Nonidealities.none()), np.random.default_rng(0)
    np.testing.assert_array_equal(tile.mac(np.full((1, INPUTS), -7.0), rng), tile.mac(-np.ones((1, INPUTS)), rng))


def test_another_device_changes_its_own_errors_alone(models: dict[str, RampAdcModel]) -> None:
    model = models["sigmoid"]
    config = tile_of(model, Nonidealities()).config
    exact = BehaviouralTile(config, model, device=replace(config.device, programming_sigma=0.0, read_noise=0.0))
    exact.program(WEIGHTS, np.random.default_rng(1))
    chip = chip_of(exact)
    np.testing.assert_array_equal(chip.conductances, chip.targets)
    np.testing.assert_array_equal(chip.adc.ramp, model.ramp_target)
    np.testing.assert_array_equal(chip.offsets, chip_of(programmed(model, Nonidealities())).offsets)
    reads = [exact.mac(VECTORS, np.random.default_rng(seed)) for seed in (1, 2)]
    np.testing.assert_array_equal(*reads)
