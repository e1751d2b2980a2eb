"""Settings as dimensions of a data set."""

import json
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import xarray as xr
from pydantic import Field

from cosim.blocks.config import BlockConfig, Volt
from cosim.blocks.dataset import config_of, deck_hashes, new_dataset, validate
from cosim.blocks.over import at_condition, combine, conditions, every_condition
from cosim.errors import CosimError


class Config(BlockConfig):
    bits: int = Field(3, ge=2, le=8, description="bits of the code")
    corner: str = Field("TT", description="process corner")
    v_dd: Volt = Field(1.8, ge=1, le=3, description="supply")
    levels: list[int] = Field([1], description="levels")


BLOCK: Any = SimpleNamespace(NAME="made_up", Config=Config)


def measured(config: Config) -> xr.Dataset:
    """What a block might find under a condition: codes that scale with the supply."""
    codes = np.arange(1 << config.bits)
    level = config.v_dd * codes / len(codes) + (0.1 if config.corner == "SS" else 0.0)
    data = new_dataset(
        block="made_up",
        variables={
            "level": (("code",), level, "V", "level of the code"),
            "status": (("code",), np.zeros(len(codes), dtype=np.int8), "1", "status"),
        },
        coords={"code": (("code",), codes, "1", "code")},
        config=config.model_dump(mode="json"),
        seed=1,
        deck_hashes=[f"{config.corner}{config.v_dd}"],
        simulator="ngspice 46",
        solver="KLU",
    )
    data["level"].attrs |= {"step_tolerance": "1 mV", "step_change": 1e-4 * config.v_dd}
    return data


def swept(**axes: list[Any]) -> xr.Dataset:
    configs = conditions(BLOCK, None, {}, axes)
    return combine(BLOCK, configs, list(axes), [measured(each) for each in configs])


def test_each_setting_is_a_dimension_in_the_order_given() -> None:
    data = swept(corner=["TT", "SS"], v_dd=["1.62 V", 1.8, 1.98])
    validate(data)
    assert data["level"].dims == ("corner", "v_dd", "code")
    for corner in ("TT", "SS"):
        for v_dd in (1.62, 1.8, 1.98):
            expected = measured(Config(corner=corner, v_dd=v_dd))["level"].values
            np.testing.assert_array_equal(data["level"].sel(corner=corner, v_dd=v_dd).values, expected)
    assert data["v_dd"].attrs == {"units": "V", "long_name": "supply"}
    assert data["code"].dims == ("code",)  # equal everywhere, so it stays as it was
    assert data["level"].attrs["step_tolerance"] == "1 mV"
    assert data["level"].attrs["step_change"] == 1e-4 * 1.98  # the largest of all


def test_decks_and_conditions_of_all_are_kept() -> None:
    data = swept(corner=["TT", "SS"], v_dd=[1.8, 1.98])
    assert deck_hashes(data) == ("TT1.8", "TT1.98", "SS1.8", "SS1.98")
    assert json.loads(data.attrs["conditions"]) == {"corner": ["TT", "SS"], "v_dd": [1.8, 1.98]}
    assert json.loads(data.attrs["config"])["corner"] == ["TT", "SS"]


def test_without_conditions_the_data_set_is_the_blocks_own() -> None:
    xr.testing.assert_identical(swept(), measured(Config()))


@pytest.mark.parametrize(
    ("axes", "settings", "says"),
    [
        ({"cornr": ["TT"]}, {}, "unknown setting. Did you mean 'corner'"),
        ({"corner": ["TT"]}, {"corner": "SS"}, "given twice"),
        ({"corner": ["TT", "TT"]}, {}, "a value is given twice"),
        ({"v_dd": [9.0]}, {}, "out of range"),
        ({"levels": [[1], [2]]}, {}, "one value"),
        ({"corner": []}, {}, "no value"),
    ],
)
def test_a_wrong_condition_is_one_clear_error(axes: dict[str, Any], settings: dict[str, Any], says: str) -> None:
    with pytest.raises(CosimError, match=says):
        conditions(BLOCK, None, settings, axes)


def test_data_of_different_sizes_do_not_fit_together() -> None:
    with pytest.raises(CosimError, match="different sizes"):
        swept(bits=[3, 4])


def test_a_quantity_that_the_data_hold_already_is_swept_there() -> None:
    configs = conditions(BLOCK, None, {}, {"corner": ["TT", "SS"]})
    parts = [measured(each).rename({"code": "corner"}) for each in configs]
    with pytest.raises(CosimError, match="sweep it there"):
        combine(BLOCK, configs, ["corner"], parts)


def test_one_condition_is_what_the_block_alone_would_have_given() -> None:
    data = swept(corner=["TT", "SS"], v_dd=["1.62 V", 1.8])
    alone = measured(Config(corner="SS", v_dd=1.62))
    chosen = at_condition(data, {"v_dd": "1620 mV", "corner": "SS"})
    assert "corner" not in chosen.variables and chosen["level"].dims == ("code",)
    np.testing.assert_array_equal(chosen["level"].values, alone["level"].values)
    assert config_of(chosen) == config_of(alone)
    assert "conditions" not in chosen.attrs and "conditions" in data.attrs
    validate(chosen)
    xr.testing.assert_identical(at_condition(alone, {}), alone)


def test_every_condition_comes_apart_again() -> None:
    data = swept(corner=["TT", "SS"], v_dd=["1.62 V", 1.8])
    apart = list(every_condition(data))
    assert [(config_of(each)["corner"], config_of(each)["v_dd"]) for each in apart] == [
        ("TT", 1.62), ("TT", 1.8), ("SS", 1.62), ("SS", 1.8),
    ]  # fmt: skip
    xr.testing.assert_identical(apart[3], at_condition(data, {"corner": "SS", "v_dd": "1.8 V"}))
    (alone,) = every_condition(measured(Config()))
    xr.testing.assert_identical(alone, measured(Config()))


@pytest.mark.parametrize(
    ("chosen", "says"),
    [
        ({}, "choose it, e.g. --at 'corner=TT'"),
        ({"corner": "TT"}, "choose it, e.g. --at 'v_dd=1.62 V'"),
        ({"corner": "FF", "v_dd": "1.8 V"}, "no such condition. Allowed: TT, SS"),
        ({"corner": "TT", "v_dd": "1.7 V"}, "no such condition"),
        ({"corner": "TT", "v_dd": 1.8}, "the unit is missing"),
        ({"corner": "TT", "v_dd": "1.8 V", "bits": 3}, "not made over this setting"),
    ],
)
def test_a_condition_that_is_not_there_is_one_clear_error(chosen: dict[str, Any], says: str) -> None:
    with pytest.raises(CosimError, match=says):
        at_condition(swept(corner=["TT", "SS"], v_dd=[1.62, 1.8]), chosen)
