"""From weights to conductances and back, and the length of the input pulses."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cosim.blocks.crossbar.config import CrossbarConfig
from cosim.blocks.ramp_adc.config import RampAdcConfig
from cosim.blocks.ramp_adc.design import design_column
from cosim.devices import load_device
from cosim.errors import CosimError
from cosim.tiles.config import Nonidealities, TileConfig, check_inputs, conductance_targets, input_pulse
from cosim.tiles.quantise import quantise_weights

DEVICE = load_device("taox_1t1r")
WINDOW = DEVICE.g_max - DEVICE.g_min


def tile(**settings: object) -> TileConfig:
    return TileConfig(**{"inputs": 4, "outputs": 3, **settings})


@settings(deadline=None)
@given(st.integers(2, 8), st.floats(0.01, 100), st.integers(0, 2**32 - 1))
def test_weights_come_back_from_the_conductances(bits: int, w_max: float, seed: int) -> None:
    weights = np.random.default_rng(seed).uniform(-w_max, w_max, (4, 3))
    targets = conductance_targets(weights, tile(weight_bits=bits, w_max=w_max))
    back = (targets[0::2] - targets[1::2]) * w_max / WINDOW
    # Two sums of 1e-6 S and up to 1.5e-4 S: a few units in the last place of the window.
    np.testing.assert_allclose(back, quantise_weights(weights, bits, w_max), rtol=0, atol=1e-14 * w_max)


@settings(deadline=None)
@given(st.integers(2, 8), st.floats(0.01, 100), st.integers(0, 2**32 - 1))
def test_targets_lie_in_the_window_and_one_cell_of_each_pair_rests(bits: int, w_max: float, seed: int) -> None:
    weights = np.random.default_rng(seed).uniform(-w_max, w_max, (4, 3))
    targets = conductance_targets(weights, tile(weight_bits=bits, w_max=w_max))
    assert targets.min() == DEVICE.g_min
    assert targets.max() <= DEVICE.g_max * (1 + 1e-15)
    assert (np.minimum(targets[0::2], targets[1::2]) == DEVICE.g_min).all()


def test_sign_and_ends_of_the_window() -> None:
    weights = np.zeros((4, 3))
    weights[0], weights[1] = 2.0, -2.0
    targets = conductance_targets(weights, tile(w_max=2.0))
    np.testing.assert_allclose(targets[0], DEVICE.g_max, rtol=1e-15)
    np.testing.assert_allclose(targets[3], DEVICE.g_max, rtol=1e-15)
    assert (targets[[1, 2, 4, 5, 6, 7]] == DEVICE.g_min).all()


def test_weights_off_the_grid_go_to_the_nearest_level() -> None:
    weights = np.full((4, 3), 0.9 * 2.0 / 15)  # nine tenths of the lowest of 15 levels
    rise = conductance_targets(weights, tile(weight_bits=5, w_max=2.0))[0::2] - DEVICE.g_min
    np.testing.assert_allclose(rise, WINDOW / 15, rtol=1e-12)


@pytest.mark.parametrize("weight", [2.001, -2.001, 1e9])
def test_a_weight_beyond_the_window_is_refused(weight: float) -> None:
    weights = np.zeros((4, 3))
    weights[2, 1] = weight
    with pytest.raises(CosimError, match="does not fit the conductance window") as caught:
        conductance_targets(weights, tile(w_max=2.0))
    assert (caught.value.key, caught.value.value) == ("weights", weight)
    assert caught.value.allowed == "-2 to 2 (w_max)"


def test_rounding_of_float32_weights_at_the_end_of_the_window_is_no_error() -> None:
    largest = np.float32(0.3)  # 1.2e-8 above 0.3
    assert float(largest) > 0.3
    conductance_targets(np.full((4, 3), largest), tile(w_max=0.3))


@pytest.mark.parametrize("weight", [np.nan, np.inf, -np.inf])
def test_weights_that_are_not_finite_are_refused(weight: float) -> None:
    weights = np.zeros((4, 3))
    weights[0, 0] = weight
    with pytest.raises(CosimError, match="finite") as caught:
        conductance_targets(weights, tile())
    assert caught.value.key == "weights"


@pytest.mark.parametrize("shape", [(3, 4), (4,), (4, 3, 1), (0, 3)])
def test_weights_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(CosimError, match="do not fit the tile") as caught:
        conductance_targets(np.zeros(shape), tile())
    assert caught.value.allowed == "(4, 3)"


@pytest.mark.parametrize("shape", [(4,), (2, 3), (2, 4, 1)])
def test_inputs_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(CosimError, match="do not fit the tile"):
        check_inputs(np.zeros(shape), tile())


def test_inputs_that_are_not_finite_are_refused() -> None:
    with pytest.raises(CosimError, match="finite") as caught:
        check_inputs(np.full((2, 4), np.nan), tile())
    assert caught.value.key == "inputs"


@settings(deadline=None)
@given(
    st.floats(0.05, 0.3), st.floats(1e-13, 1e-11), st.floats(0.1, 50), st.sampled_from(["sigmoid", "tanh", "linear"])
)
def test_a_full_pulse_on_a_full_weight_gives_the_volts_of_w_max(
    v_read: float, c_fb: float, w_max: float, function: str
) -> None:
    adc = RampAdcConfig(
        bits=3, function=function, v_read=v_read, c_fb=c_fb, t_pulse=10e-9 * c_fb / 5e-12 + 1e-9, t_clock=1e-7
    )
    config = tile(w_max=w_max, adc=adc)
    volts = v_read * input_pulse(config) * WINDOW / c_fb
    np.testing.assert_allclose(volts, design_column(adc).gain(v_read) * w_max, rtol=1e-12)


def test_the_pulse_does_not_depend_on_v_read() -> None:
    lengths = [input_pulse(tile(adc=RampAdcConfig(v_read=v_read))) for v_read in (0.15, 0.2, 0.25)]
    np.testing.assert_allclose(lengths, lengths[0], rtol=1e-15)


def test_the_array_takes_size_clamp_read_voltage_and_device_from_the_tile() -> None:
    config = tile(
        crossbar=CrossbarConfig(rows=6, columns=9, v_clp=0.1, v_read=0.3, r_driver=7.0, v_0=0.5),
        adc=RampAdcConfig(v_clp=1.1, v_read=0.15, device="elsewhere"),
    )
    expected = CrossbarConfig(
        rows=8, columns=3, v_clp=1.1, v_read=0.15, r_driver=7.0, v_0=0.5, device="elsewhere"
    )  # fmt: skip
    assert config.array == expected


def test_switches() -> None:
    names = Nonidealities.names()
    assert len(set(names)) == len(names)
    assert not any(vars(Nonidealities.none()).values())
    assert all(vars(Nonidealities()).values())
    for name in names:
        assert [each for each, on in vars(Nonidealities.only(name)).items() if on] == [name]


def test_an_unknown_switch_is_refused_with_the_known_ones() -> None:
    with pytest.raises(CosimError, match="no such non-ideality") as caught:
        Nonidealities.only("drift")
    assert caught.value.allowed == Nonidealities.names()
