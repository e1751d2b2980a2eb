"""The characterisation as a whole: thresholds against the closed form with the same draws."""

from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

from cosim.blocks import sar_adc
from cosim.blocks.dataset import validate
from cosim.blocks.sar_adc.array import levels, transition_levels
from cosim.blocks.sar_adc.characterisation import (
    TOLERANCE,
    characterise,
    draw_chips,
    sampled_noise,
    static_offsets,
)
from cosim.blocks.sar_adc.config import SarAdcConfig
from cosim.blocks.sar_adc.search import BracketSearch
from cosim.blocks.status import FAILED, NOT_FOUND, OK
from cosim.spice import SimulatorPool

CONFIG = SarAdcConfig(bits=3, sigma_unit=0.05)


@pytest.fixture(scope="module")
def data(pool: SimulatorPool) -> xr.Dataset:
    return characterise(CONFIG, chips=1, seed=3, pool=pool, show_progress=False)


def check(data: xr.Dataset, config: SarAdcConfig, shift: float) -> None:
    """All found, and where capacitors and static offset say, but for charge of the comparator's input: `shift` [V]."""
    validate(data, "sar_adc")
    assert set(sar_adc.FIGURES) <= set(data.data_vars)
    assert data["status"].values.tolist() == [0] * data.sizes["chip"]
    level = [transition_levels(levels(each, config.v_low, config.v_high)) for each in data["capacitance"].values]
    expected = np.array(level) + data["comparator_offset"].values[:, None]
    np.testing.assert_allclose(data["threshold"], expected, atol=shift + TOLERANCE * config.lsb)
    np.testing.assert_allclose(data["offset"], (data["threshold"].values - np.array(level)).mean(axis=1), atol=1e-12)
    # It is the same at every threshold: the linearity is the array's.
    straight = expected[:, :1] + np.linspace(0, 1, expected.shape[1]) * (expected[:, -1:] - expected[:, :1])
    by_array = (expected - straight) / config.lsb
    np.testing.assert_allclose(data["inl_line"], by_array, atol=4 * TOLERANCE)
    np.testing.assert_allclose(data["inl_max"], np.abs(by_array).max(axis=1), atol=4 * TOLERANCE)


def test_three_bits(data: xr.Dataset) -> None:
    check(data, CONFIG, 5e-3)
    assert np.abs(data["inl_line"].sel(chip=-1)).max() < 0.05
    assert data["missing_codes"].values.tolist() == [0, 0]
    assert float(data["t_conversion"]) == pytest.approx(5 * 20e-9, rel=1e-12, abs=0)
    bias = CONFIG.v_dd * CONFIG.i_bias * CONFIG.t_conversion
    assert float(data["bias_energy"]) == pytest.approx(bias, rel=1e-12, abs=0)
    # Tail and second stage carry 2 and 1 times the reference; the tail is on always, the second stage at most.
    assert np.all((data["comparator_energy"] > 1.8 * bias) & (data["comparator_energy"] < 3.2 * bias))
    # Where the top plates end above v_cm, in the even codes, the channel of the comparator's input is there and holds
    # charge: 8 um x 0.5 um x 8.4 fF/um^2 by 0.1 to 0.2 V, some 4 fC, which the references have to give at 0.54 V.
    nominal = data["reference_energy"].sel(chip=-1).values
    excess = nominal - data["ideal_reference_energy"].values
    assert np.all(np.abs(excess) < 2e-15)
    assert np.all(excess[0::2] > excess[1::2])
    np.testing.assert_allclose(excess[1::2], 0.0, atol=0.7e-15)


def test_chips_do_not_depend_on_their_number(data: xr.Dataset) -> None:
    one, three = (draw_chips(CONFIG, count, 3)[1] for count in (1, 3))
    np.testing.assert_array_equal(one[1].capacitors, three[1].capacitors)
    np.testing.assert_array_equal(one[1].mismatch, three[1].mismatch)
    np.testing.assert_array_equal(data["capacitance"].values[1], one[1].capacitors)
    other = draw_chips(CONFIG.model_copy(update={"corner": "SS", "temperature": 85.0}), 1, 3)[1]
    np.testing.assert_array_equal(one[1].mismatch, other[1].mismatch)


def test_a_comparator_that_cannot_be_simulated_costs_its_chip_alone(pool: SimulatorPool) -> None:
    """ngspice refuses a transistor whose threshold is shifted by no number."""
    names, drawn = draw_chips(CONFIG, 2, 3)
    sound, _, _ = static_offsets(CONFIG, names, drawn, pool)
    drawn[1] = replace(drawn[1], mismatch=np.full(len(names), np.nan))
    found, statuses, keys = static_offsets(CONFIG, names, drawn, pool)
    assert np.isnan(found[1]) and statuses == [OK, FAILED, OK] and len(keys) == 4
    # `.op` ends where Newton's method is within its tolerance, by what else the deck holds.
    np.testing.assert_allclose(found[[0, 2]], sound[[0, 2]], atol=1e-6)


def test_an_offset_out_of_reach_is_not_found(pool: SimulatorPool) -> None:
    """A shift of 0.2 V is told, to the mobility's fall with the threshold; one of 0.5 V is more than the bench sees."""
    names, drawn = draw_chips(CONFIG, 1, 3)
    chips = [
        replace(drawn[0], mismatch=np.array([shift if name == "dvt1" else 0.0 for name in names]))
        for shift in (0.2, 0.5, -0.5)
    ]
    found, statuses, _ = static_offsets(CONFIG, names, chips, pool)
    assert statuses == [OK, NOT_FOUND, NOT_FOUND]
    assert 0.2 < found[0] < 0.25 and np.isnan(found[1:]).all()


@pytest.mark.slow
def test_five_bits_at_a_corner(pool: SimulatorPool) -> None:
    config = SarAdcConfig(corner="FS", temperature=85.0, sigma_unit=0.03)
    check(characterise(config, chips=1, seed=5, pool=pool, show_progress=False), config, 2e-3)


def test_sampled_noise() -> None:
    """0.32 pF at 27 deg C: sqrt(kT/C) = 114 uV; the parasitic 10 fF adds half of its share."""
    assert sampled_noise(SarAdcConfig(c_parasitic=0)) == pytest.approx(113.8e-6, rel=1e-3)
    assert sampled_noise(SarAdcConfig()) == pytest.approx(113.8e-6 * (1 + 0.5 * 10 / 320), rel=1e-3)


@pytest.mark.parametrize("off", [0.0, 0.4e-3, -7e-3, 60e-3])
def test_search_finds_what_was_not_predicted(off: float) -> None:
    true = np.array([0.1, 0.2, 0.2, 0.3]) + off
    search = BracketSearch(np.array([0.1, 0.2, 0.2, 0.3]), 1e-3)
    rounds = 0
    while not search.done.all():
        inputs, whose = search.inputs()
        search.update(inputs, whose, np.searchsorted(true, inputs, side="right"))
        rounds += 1
        assert rounds < 20
    assert np.all((search.low <= true) & (true <= search.high))
    assert np.all(search.high - search.low <= 1e-3 * (1 + 1e-9))
