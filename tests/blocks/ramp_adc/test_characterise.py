"""The data set of a characterisation: its contract, its groups and summary, the same from any number of workers."""

import inspect
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from cosim.blocks import ramp_adc
from cosim.blocks.dataset import config_of, deck_hashes, load_dataset, save_dataset
from cosim.blocks.ramp_adc.characterisation import characterise
from cosim.blocks.ramp_adc.config import RampAdcConfig
from cosim.commands.characterise import figures_of
from cosim.errors import CosimError
from cosim.spice import SimulatorPool


def test_the_data_set_keeps_the_contract(three_bits: xr.Dataset, tmp_path: Path) -> None:
    data = three_bits
    assert (data["status"].values == 0).all()
    assert dict(data.sizes) == {"sample": 18, "code": 7, "step": 6, "cell": 6, "bias_cell": 3, "mode": 13}
    np.testing.assert_array_equal(data["chip"].values, [-1, *range(8), -1, 0, 1, -1, 0, 1, -1, -1, -1])
    np.testing.assert_array_equal(data["v_read"].values, [*[0.2] * 9, *[0.15] * 3, *[0.25] * 3, 0.2, 0.15, 0.25])
    np.testing.assert_array_equal(data["ramp"].values, [*["column"] * 15, *["fixed"] * 3])
    np.testing.assert_array_equal(data["code"].values, np.arange(1, 8))
    units = {name: data[name].attrs["units"] for name in ("threshold", "bracket", "inl", "dnl", "ramp_conductance")}
    assert units == {"threshold": "V", "bracket": "V", "inl": "LSB", "dnl": "LSB", "ramp_conductance": "S"}
    assert set(ramp_adc.FIGURES) <= set(data.data_vars) and set(ramp_adc.SWEEPS) == set(sweeps_of(ramp_adc))
    assert config_of(data)["bias_sign"] == -1 and config_of(data)["bits"] == 3
    assert len(set(deck_hashes(data))) == len(deck_hashes(data)) >= 1 + 18 * 3
    xr.testing.assert_identical(load_dataset(save_dataset(data, tmp_path / "adc.nc"), "ramp_adc"), data)


def sweeps_of(block: Any) -> list[str]:
    parameters = inspect.signature(block.characterise).parameters.values()
    others = ("seed", "pool", "show_progress")
    return [each.name for each in parameters if each.kind is each.KEYWORD_ONLY and each.name not in others]


def test_groups_tell_the_chips_from_what_stands_beside_them(three_bits: xr.Dataset) -> None:
    """The plots of the chips show each chip once, as configured; so their spread is that of the chips."""
    expected = ["nominal", *["chips"] * 8, *["v_read"] * 6, *["fixed"] * 3]
    assert three_bits["group"].values.tolist() == expected
    of_chips = {plot.name for plot in ramp_adc.PLOTS if plot.where == {"group": "chips"}}
    assert of_chips == {"inl", "dnl", "noise", "offset"}
    np.testing.assert_array_equal(three_bits["step"].values, np.arange(1, 7))


def test_the_summary_is_of_the_column(three_bits: xr.Dataset) -> None:
    """Without the yardstick; of the yardstick where nothing else was asked for."""
    column = three_bits["ramp"].values == "column"
    inl = three_bits["inl"].values
    assert np.abs(inl[~column]).max() > np.abs(inl[column]).max()  # or the choice would not show
    figures = figures_of(three_bits, ramp_adc)
    assert (figures["inl"]["minimum"], figures["inl"]["maximum"]) == (inl[column].min(), inl[column].max())
    fixed = figures_of(three_bits.isel(sample=~column), ramp_adc)
    assert fixed["inl"]["maximum"] == inl[~column].max()


def same(one: xr.Dataset, other: xr.Dataset) -> None:
    attributes = [{**each.attrs, "created": ""} for each in (one, other)]
    assert attributes[0] == attributes[1]
    xr.testing.assert_identical(one.drop_attrs(deep=False), other.drop_attrs(deep=False))


def test_one_worker_and_two_give_the_same_data_set_bit_for_bit(pool: SimulatorPool) -> None:
    config = RampAdcConfig(bits=2)
    arguments = {"chips": 3, "v_reads": (), "seed": 9, "show_progress": False}
    two = characterise(config, pool=pool, **arguments)  # type: ignore[arg-type]
    with SimulatorPool(1, use_cache=False, simulator=pool.simulator) as single:
        same(characterise(config, pool=single, **arguments), two)  # type: ignore[arg-type]
    assert (two["status"].values == 0).all()
    more = characterise(config, pool=pool, chips=4, v_reads=(), seed=9, show_progress=False)
    np.testing.assert_array_equal(more["ramp_conductance"].values[:4], two["ramp_conductance"].values)
    other = characterise(config, pool=pool, chips=3, v_reads=(), seed=10, show_progress=False)
    assert not np.array_equal(other["ramp_conductance"].values[1], two["ramp_conductance"].values[1])
    np.testing.assert_array_equal(other["threshold"].values[0], two["threshold"].values[0])  # the nominal chip


def test_no_warning_is_given_by_a_good_run(pool: SimulatorPool) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        characterise(RampAdcConfig(bits=2), chips=1, v_reads=(), pool=pool, show_progress=False)


def test_offsets_over_the_common_mode(three_bits: xr.Dataset) -> None:
    """The curve of a comparator passes through its static trip point at V_CLP, which another deck found, and does not
    depend on the read voltage; the nominal one moves by what its netlist's header says."""
    modes, curves = three_bits["common_mode"].values, three_bits["offset_curve"].values
    assert curves.shape == (18, 13) and np.isfinite(curves).all() and modes[6] == 0.0
    np.testing.assert_allclose(curves[:, 6], three_bits["comparator_offset"].values, atol=2e-7)
    levels = three_bits["ramp_level"].values
    assert modes[0] < levels.min() and levels.max() < modes[-1]
    chip = three_bits["chip"].values
    for number in (-1, 0, 1):
        same = curves[chip == number]
        np.testing.assert_array_equal(same, np.broadcast_to(same[0], same.shape))
    assert 2e-5 < np.ptp(curves[0]) < 6e-4


def test_a_population_of_offsets(pool: SimulatorPool) -> None:
    """They are drawn for the statistics alone: the same under another condition, function and number of bits."""
    found = [
        characterise(RampAdcConfig(bits=2, function=name), chips=1, v_reads=(), offsets=40, seed=3, pool=pool,
                     show_progress=False)["population_offset"].values
        for name in ("sigmoid", "relu")
    ]  # fmt: skip
    np.testing.assert_array_equal(*found)
    assert found[0].shape == (40,) and 1e-3 < found[0].std() < 4e-3  # A_VT of the input pair: some 2.3 mV
    with pytest.raises(CosimError, match="out of range"):
        characterise(RampAdcConfig(bits=2), offsets=-1, pool=pool)
