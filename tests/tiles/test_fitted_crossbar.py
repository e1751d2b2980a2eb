"""A fitted crossbar gives the behavioural tile its resistances, where it is of the same circuit."""

import numpy as np
import pytest

from cosim.blocks.crossbar.behaviour import CrossbarModel
from cosim.blocks.crossbar.config import CrossbarConfig
from cosim.blocks.crossbar.elimination import effective_conductance
from cosim.blocks.model import Domain, ModelError, Parameter
from cosim.blocks.ramp_adc.behaviour import RampAdcModel
from cosim.errors import CosimError
from cosim.tiles.behavioural import BehaviouralTile
from cosim.tiles.config import Nonidealities

from .conftest import WEIGHTS, assert_only, chip_of, siemens_to_weight, tile_of

# Six chips say little of the spread of offsets, so some that are drawn later lie outside what was seen.
pytestmark = pytest.mark.filterwarnings("ignore::cosim.blocks.domain.OutsideDomainWarning")


def fitted_crossbar(config: CrossbarConfig, **resistances: float) -> CrossbarModel:
    """A model of `config`'s array with other values of its resistances, as a fit might have found."""
    values = {name: getattr(config, name) for name in ("r_wire_row", "r_wire_column", "r_driver", "r_clamp")}
    error = ModelError(rms=0.0, maximum=0.0, unit="relative to full scale", points=1, limit=1e-6, held_out="none")
    return CrossbarModel(
        config=config,
        form="odd_powers",
        parameters={name: Parameter(float(value), "ohm") for name, value in {**values, **resistances}.items()},
        v_g=0.2,
        errors={"sinh_current": error, "linear_current": error},
        domain=Domain({"rows": (2, 128), "columns": (1, 128), "conductance": (0, 1e-3), "voltage": (-0.2, 0.2)}),
    )


def test_a_fitted_crossbar_gives_its_resistances(models: dict[str, RampAdcModel]) -> None:
    model = models["sigmoid"]
    config = tile_of(model, Nonidealities()).config
    array = fitted_crossbar(config.array, r_driver=180.0, r_wire_column=3.0)
    tile = BehaviouralTile(config, model, Nonidealities.only("ir_drop"), array=array)
    tile.program(WEIGHTS, np.random.default_rng(1))
    effective = effective_conductance(chip_of(tile).targets, config.array.r_wire_row, 3.0, 180.0, config.array.r_clamp)
    expected = (effective[0::2] - effective[1::2]) * siemens_to_weight(tile)
    np.testing.assert_allclose(tile.matrix, expected, rtol=1e-12, atol=1e-13)


def test_a_fitted_crossbar_counts_only_with_its_switch(models: dict[str, RampAdcModel]) -> None:
    model = models["sigmoid"]
    config = tile_of(model, Nonidealities()).config
    tile = BehaviouralTile(config, model, Nonidealities.none(), array=fitted_crossbar(config.array, r_driver=180.0))
    tile.program(WEIGHTS, np.random.default_rng(1))
    assert_only(tile)


def test_a_crossbar_of_another_circuit_is_refused(models: dict[str, RampAdcModel]) -> None:
    config = tile_of(models["sigmoid"], Nonidealities()).config
    array = fitted_crossbar(CrossbarConfig(r_driver=50.0))
    with pytest.raises(CosimError, match="another circuit") as caught:
        BehaviouralTile(config, models["sigmoid"], array=array)
    assert (caught.value.key, caught.value.value, caught.value.allowed) == ("crossbar.r_driver", 100.0, [50.0])
