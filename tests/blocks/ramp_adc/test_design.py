"""From activation to conductances, against the table of the published design rule."""

from dataclasses import replace

import numpy as np
import pytest

from cosim.blocks.ramp_adc.config import RampAdcConfig
from cosim.blocks.ramp_adc.design import column_levels, design_column, effective_conductance
from cosim.blocks.ramp_adc.functions import (
    get_function,
    ideal_thresholds,
)
from cosim.devices import load_device
from cosim.errors import CosimError

# First half of the 30 cells of a 5-bit sigmoid with G_max = 150 uS, to the digits given; the rest is its mirror image.
SIGMOID_5 = [150, 90.8, 66.7, 53.6, 45.5, 40.0, 36.0, 33.1, 31.0, 29.3, 28.1, 27.1, 26.5, 26.1, 25.9]  # [uS]
IDEAL = {"amplifier_gbw": 1e11}


@pytest.mark.parametrize(
    ("function", "bits", "last", "smallest", "largest"),
    [
        ("sigmoid", 3, 1.946, 0.511, 0.847),
        ("sigmoid", 4, 2.708, 0.251, 0.762),
        ("sigmoid", 5, 3.434, 0.125, 0.726),
        ("tanh", 5, 1.717, 0.063, 0.363),
    ],
)
def test_the_table_of_thresholds(function: str, bits: int, last: float, smallest: float, largest: float) -> None:
    x = ideal_thresholds(get_function(function), bits)
    assert len(x) == 2**bits - 1
    np.testing.assert_allclose(x, -x[::-1], atol=1e-12)
    rounding = 0.0005 * (1 + 1e-9)
    assert abs(x[-1] - last) <= rounding
    assert abs(np.diff(x).min() - smallest) <= rounding and abs(np.diff(x).max() - largest) <= rounding


def test_an_ideal_amplifier_gives_the_table_of_conductances() -> None:
    ramp = design_column(RampAdcConfig(**IDEAL)).ramp * 1e6
    expected = np.array(SIGMOID_5 + SIGMOID_5[::-1])
    # Half a digit of the table, and 150 uS / (2 pi 100 GHz 5 pF) = 5e-5 that the amplifier still takes.
    np.testing.assert_allclose(ramp, expected, atol=0.051)


def test_the_bandwidth_of_the_amplifier_is_compensated() -> None:
    """At 1 GHz and 5 pF a cell of 150 uS counts for 0.48 % less, one of 26 uS for 0.08 %: this much is put back."""
    config = RampAdcConfig()
    ideal, real = design_column(RampAdcConfig(**IDEAL)), design_column(config)
    np.testing.assert_allclose(real.ramp.max(), 150e-6, rtol=1e-9)
    counted = effective_conductance(real.ramp, config)
    np.testing.assert_allclose(counted / counted.max(), ideal.ramp / ideal.ramp.max(), rtol=1e-4)
    loss = 1 - counted / real.ramp
    np.testing.assert_allclose(loss[[0, 14]], np.array([150e-6, 25.8e-6]) / (2 * np.pi * 1e9 * 5e-12), rtol=0.01)
    assert 0.0047 < loss.max() < 0.0049


@pytest.mark.parametrize("bits", range(2, 9))
def test_tanh_has_the_conductances_of_the_sigmoid(bits: int) -> None:
    """tanh(x) = 2 sigmoid(2 x) - 1: the same column, twice the volts per unit of the MAC result."""
    sigmoid, tanh = (design_column(RampAdcConfig(bits=bits, function=each)) for each in ("sigmoid", "tanh"))
    np.testing.assert_allclose(tanh.ramp, sigmoid.ramp, rtol=1e-10)
    np.testing.assert_allclose(tanh.bias, sigmoid.bias, rtol=1e-10)
    assert tanh.gain_per_volt == pytest.approx(2 * sigmoid.gain_per_volt, rel=1e-12)


@pytest.mark.parametrize("function", ["sigmoid", "tanh", "linear"])
@pytest.mark.parametrize("bits", range(2, 9))
def test_every_width_has_a_design(function: str, bits: int) -> None:
    config = RampAdcConfig(bits=bits, function=function)
    device = load_device(config.device)
    design = design_column(config)
    assert design.ramp.shape == (2**bits - 2,)
    assert design.ramp.min() >= device.g_min and design.ramp.max() <= device.g_max * (1 + 1e-9)
    assert design.bias.min() >= device.g_min and design.bias.max() <= device.g_max * (1 + 1e-9)
    assert design.bias_sign == -1
    np.testing.assert_allclose(design.ramp, design.ramp[::-1], rtol=1e-9)  # mirror image
    assert (np.diff(design.ramp[: len(design.ramp) // 2]) <= 1e-12 * device.g_max).all()  # and falling to the middle
    levels = column_levels(design.ramp, design.bias, design.bias_sign, config)
    # The column is the inverse of its levels: V_k = alpha x_k, to rounding.
    np.testing.assert_allclose(levels, design.gain(0.2) * design.thresholds, rtol=1e-12, atol=1e-12 * np.ptp(levels))
    assert np.ptp(levels) <= config.swing * (1 + 1e-12)


@pytest.mark.parametrize("v_read", [0.1, 0.15, 0.25, 0.4])
def test_the_read_voltage_scales_ramp_and_gain_alike(v_read: float) -> None:
    config = RampAdcConfig(v_read=v_read)
    design = design_column(config)
    np.testing.assert_array_equal(design.ramp, design_column(RampAdcConfig()).ramp)
    levels = column_levels(design.ramp, design.bias, design.bias_sign, config)
    np.testing.assert_allclose(levels / design.gain(v_read), design.thresholds, rtol=1e-12, atol=1e-12)


def test_levels_of_many_chips_at_once() -> None:
    config = RampAdcConfig(bits=3)
    design = design_column(config)
    rng = np.random.default_rng(3)
    ramps = design.ramp * rng.uniform(0.9, 1.1, (2, 5, 6))
    biases = design.bias * rng.uniform(0.9, 1.1, (2, 5, len(design.bias)))
    together = column_levels(ramps, biases, -1, config)
    assert together.shape == (2, 5, 7)
    np.testing.assert_array_equal(together[1, 3], column_levels(ramps[1, 3], biases[1, 3], -1, config))
    # The equation, cell by cell.
    g = np.concatenate([-biases[1, 3], ramps[1, 3]])
    step = 0.2 * 10e-9 / 5e-12 * g / (1 + np.abs(g) / (2 * np.pi * 1e9 * 5e-12))
    np.testing.assert_allclose(together[1, 3], np.cumsum(step)[len(design.bias) - 1 :], rtol=1e-12)


def test_a_window_that_is_too_narrow_is_refused() -> None:
    device = load_device("taox_1t1r")
    with pytest.raises(CosimError, match=r"value '25\.\d µS': a 5-bit sigmoid ramp.*Allowed: 30 to 150 µS"):
        design_column(RampAdcConfig(pulse_widths="equal"), replace(device, g_min=30e-6))
    with pytest.raises(CosimError, match="needs a cell that device 'taox_1t1r' cannot hold"):
        design_column(RampAdcConfig(bits=8, swing=0.06, pulse_widths="equal"))
    with pytest.raises(CosimError, match=r"value '181 µS'.*Allowed: 100 to 150 µS"):  # 90.7 uS at half a pulse
        design_column(RampAdcConfig(bits=3, swing=3.0), replace(device, g_min=100e-6))
    # 520 uS is the most a cell conducts: a narrower window above changes the scale, not the shape.
    wide = design_column(RampAdcConfig(swing=1.2), replace(device, g_max=300e-6))
    np.testing.assert_allclose(wide.ramp.max(), 300e-6)
