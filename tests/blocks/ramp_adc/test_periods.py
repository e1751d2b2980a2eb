"""The ramp period by period: ngspice, the design's equation as a limit, and what leaks."""

from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

from cosim.blocks.fitted import stored_config
from cosim.blocks.ramp_adc.config import RampAdcConfig
from cosim.blocks.ramp_adc.design import column_levels, design_column
from cosim.blocks.ramp_adc.periods import ramp_periods
from cosim.blocks.ramp_adc.points import Part


@pytest.mark.parametrize("name", ["three_bits", "four_bits"])
def test_levels_are_those_of_ngspice(request: pytest.FixtureRequest, name: str) -> None:
    """Within 4e-5 of the largest level, which the first integration steps after each corner of a source leave; the
    design's equation, which knows no loss, is off by several times that."""
    data: xr.Dataset = request.getfixturevalue(name)
    part = Part(data, stored_config(data, RampAdcConfig))
    simulated, column = data["ramp_level"].values, part.column
    largest = np.abs(simulated[column]).max(axis=1, keepdims=True)
    error = np.abs(part.periods.thresholds - simulated)[column] / largest
    assert error.max() < 6e-5
    ramp, bias = (data[f"{each}_conductance"].values for each in ("ramp", "bias"))
    design = column_levels(ramp, bias, part.sign, part.config, part.pulse) * (part.v_read / part.config.v_read)[:, None]
    assert (np.abs(design - simulated)[column] / largest).max() > 3 * error.max()


@pytest.mark.parametrize(("function", "bits"), [("sigmoid", 5), ("exp", 8), ("gelu", 5)])
def test_a_perfect_amplifier_gives_the_design(function: str, bits: int) -> None:
    config = RampAdcConfig(function=function, bits=bits)
    design = design_column(config)
    ideal = config.model_copy(update={"amplifier_gain": 1e12})
    periods = ramp_periods(design.ramp, design.bias, design.bias_sign, ideal, design.pulse)
    expected = column_levels(design.ramp, design.bias, design.bias_sign, config, design.pulse)
    np.testing.assert_allclose(periods.thresholds, expected, atol=1e-9)
    assert periods.first == len(design.bias) + 1 and len(periods.pulse) == periods.level.shape[-1]
    assert periods.level[0] == 0.0 and periods.level[periods.first] == periods.level[periods.first - 1]


def test_idle_cells_leak_all_the_time() -> None:
    """With all word lines on the ramp decays to V_CLP with A C_fb / sum G; here it rests for one period before the
    first clock."""
    config = RampAdcConfig(function="relu", bits=3, idle_word_lines="on")
    design = design_column(config)
    periods = ramp_periods(design.ramp, design.bias, design.bias_sign, config, design.pulse)
    total = design.ramp.sum() + design.bias.sum()
    capacitance = config.c_fb * (1 + 1 / config.amplifier_gain) + config.c_bitline / config.amplifier_gain
    tau = config.amplifier_gain * capacitance / total
    kept = periods.level[periods.first] / periods.level[periods.first - 1]
    assert kept == pytest.approx(np.exp(-config.t_clock / tau), rel=1e-7)  # one step in time: (t / tau)^2 / 2
    off = ramp_periods(design.ramp, design.bias, design.bias_sign, config.model_copy(update={"idle_word_lines": "off"}))
    assert (periods.thresholds < off.thresholds).all()


def test_many_chips_at_once() -> None:
    config = RampAdcConfig(bits=3)
    design = design_column(config)
    chips = design.ramp * np.array([[0.9], [1.0], [1.1]])
    many = ramp_periods(chips, design.bias, design.bias_sign, config)
    for row, chip in zip(many.level, chips, strict=True):
        one = ramp_periods(chip, design.bias, design.bias_sign, config)
        np.testing.assert_allclose(row, one.level, rtol=1e-14)
        assert replace(one, level=row).first == many.first
