"""Every threshold is bracketed in ngspice; figures, levels and energies follow from it by hand."""

import numpy as np
import pytest
import xarray as xr

from cosim.blocks.dataset import config_of
from cosim.blocks.ramp_adc.chips import nominal_chip
from cosim.blocks.ramp_adc.config import RampAdcConfig
from cosim.blocks.ramp_adc.design import column_levels, design_column
from cosim.blocks.ramp_adc.functions import get_function, ideal_thresholds, output_error
from cosim.blocks.ramp_adc.measurement import TOLERANCE, Sample, lsb_voltages, threshold_deck
from cosim.spice import SimulatorPool

CONFIG = RampAdcConfig(bits=3)


@pytest.mark.parametrize("name", ["three_bits", "four_bits"])
def test_every_threshold_is_bracketed(request: pytest.FixtureRequest, name: str) -> None:
    data: xr.Dataset = request.getfixturevalue(name)
    config = RampAdcConfig(**{k: v for k, v in config_of(data).items() if k in RampAdcConfig.model_fields})
    widest = np.array([TOLERANCE * lsb_voltages(config, float(gain)) for gain in data["gain"].values])
    bracket = data["bracket"].values
    assert (bracket > 0).all() and (bracket <= widest * (1 + 1e-9)).all()
    assert (np.diff(data["threshold"].values) > 0).all()
    assert data["rounds"].values.max() <= 8 and np.median(data["rounds"].values) <= 3


def test_what_is_recorded_is_what_the_comparator_decides(three_bits: xr.Dataset, pool: SimulatorPool) -> None:
    """Inputs half a bracket below each threshold give a low output at its clock, above it a high one."""
    design = design_column(CONFIG)
    sample = Sample(-1, nominal_chip(CONFIG, design=design), 0, CONFIG)
    threshold, bracket = three_bits["threshold"].values[0], three_bits["bracket"].values[0]
    decks = [threshold_deck(sample, threshold + side * bracket / 2, design) for side in (-1, 1)]
    for result, expected in zip(pool.run(decks), (False, True), strict=True):
        assert result.ok
        high = [result[f"v(d{k % 4})"][k] > CONFIG.v_dd / 2 for k in range(7)]
        assert high == [expected] * 7


def test_figures_follow_from_thresholds(three_bits: xr.Dataset) -> None:
    data = three_bits
    gain = data["gain"].values
    np.testing.assert_allclose(gain, design_column(CONFIG).gain_per_volt * data["v_read"].values, rtol=1e-12)
    x = data["threshold"].values / gain[:, None]
    np.testing.assert_array_equal(data["threshold_mac"].values, x)
    column = data["ramp"].values == "column"
    function = get_function("sigmoid")
    # By hand: (g(x_k) - k / 8) in units of 1 / 8; DNL is its difference from threshold to threshold.
    by_hand = 8 / (1 + np.exp(-x[column])) - np.arange(1, 8)
    np.testing.assert_allclose(data["inl"].values[column], by_hand, atol=1e-12)
    np.testing.assert_allclose(output_error(function, 3, x[column]), by_hand, atol=1e-12)
    np.testing.assert_allclose(data["dnl"].values, np.diff(data["inl"].values), atol=1e-9)
    ideal = ideal_thresholds(function, 3)
    straight = np.linspace(ideal[0], ideal[-1], 7)
    expected = (x[~column] - straight) / (straight[1] - straight[0])
    np.testing.assert_allclose(data["inl"].values[~column], expected, atol=1e-12)


def test_levels_and_energies_are_those_of_the_column(three_bits: xr.Dataset) -> None:
    data = three_bits
    column = np.flatnonzero(data["ramp"].values == "column")
    for n in column:
        ramp, bias = data["ramp_conductance"].values[n], data["bias_conductance"].values[n]
        config = CONFIG.model_copy(update={"v_read": float(data["v_read"].values[n])})
        np.testing.assert_allclose(data["ramp_level"].values[n], column_levels(ramp, bias, -1, config), atol=40e-6)
        energy = config.v_read**2 * config.t_pulse * (ramp.sum() + bias.sum())
        assert data["ramp_energy"].values[n] == pytest.approx(energy, rel=0.01)  # the amplifier takes up to 0.5 %
    energies = data["comparator_energy"].values[column]
    assert energies.min() > 25e-12 and energies.max() < 45e-12  # 3 V_DD I_bias at most, over 0.26 us
    assert np.isnan(data["comparator_energy"].values).sum() == 0
