"""Models, chips, weights and inputs that the behavioural tile refuses."""

from dataclasses import replace

import numpy as np
import pytest

from cosim.blocks.ramp_adc.behaviour import RampAdcModel
from cosim.errors import CosimError
from cosim.tiles.behavioural import BehaviouralTile
from cosim.tiles.chip import draw_tile_chip
from cosim.tiles.config import Nonidealities, TileConfig

from .conftest import (
    VECTORS,
    WEIGHTS,
    tile_of,
)

# Six chips say little of the spread of offsets, so some that are drawn later lie outside what was seen.
pytestmark = pytest.mark.filterwarnings("ignore::cosim.blocks.domain.OutsideDomainWarning")


def test_a_model_of_another_circuit_is_refused(models: dict[str, RampAdcModel]) -> None:
    adc = models["sigmoid"].config.model_copy(update={"c_fb": 4e-12})
    with pytest.raises(CosimError, match="another circuit") as caught:
        BehaviouralTile(TileConfig(adc=adc), models["sigmoid"])
    assert (caught.value.key, caught.value.value, caught.value.allowed) == ("adc.c_fb", 4e-12, [5e-12])


def test_a_chip_without_known_offsets_is_refused_where_they_count(models: dict[str, RampAdcModel]) -> None:
    tile = tile_of(models["sigmoid"], Nonidealities())
    chip = draw_tile_chip(WEIGHTS, tile.config, np.random.default_rng(0))
    with pytest.raises(CosimError, match="offsets"):
        tile.load(chip)
    assert tile.chip is None
    tile_of(models["sigmoid"], replace(Nonidealities(), comparator_offset=False)).load(chip)


def test_weights_and_inputs_that_do_not_fit_are_refused(models: dict[str, RampAdcModel]) -> None:
    tile = tile_of(models["sigmoid"], Nonidealities())
    for weights, what in ((WEIGHTS * 2, "window"), (WEIGHTS * np.nan, "finite"), (WEIGHTS.T, "do not fit")):
        with pytest.raises(CosimError, match=what):
            tile.program(weights, np.random.default_rng(0))
    tile.program(WEIGHTS, np.random.default_rng(0))
    for inputs, what in ((VECTORS * np.nan, "finite"), (VECTORS[0], "do not fit"), (VECTORS.T, "do not fit")):
        with pytest.raises(CosimError, match=what):
            tile.forward(inputs, np.random.default_rng(0))
