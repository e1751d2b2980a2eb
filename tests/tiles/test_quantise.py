"""The quantisers against their definitions, worked by hand and by brute force."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosim.errors import CosimError
from cosim.tiles.quantise import (
    TIE,
    codes_from_mac,
    dac_codes,
    dac_values,
    decode,
    full_scale,
    quantise_weights,
    weight_codes,
)

WIDTHS = st.integers(2, 8)


def test_five_bits_by_hand() -> None:
    assert full_scale(5) == 15
    values = [-2.0, -1.0, -1 / 15, -0.02, 0.0, 0.04, 0.5, 1.0, 3.0]
    # 0.5 * 15 = 7.5 is rounded to the even neighbour
    assert dac_codes(values, 5).tolist() == [-15, -15, -1, 0, 0, 1, 8, 15, 15]


def test_weights_by_hand() -> None:
    assert weight_codes([-9.0, -2.0, 0.06, 0.07, 2.0], 5, 2.0).tolist() == [-15, -15, 0, 1, 15]
    np.testing.assert_allclose(quantise_weights([-9.0, 0.07, 0.5], 5, 2.0), [-2.0, 2 / 15, 8 / 15])


@given(WIDTHS, st.floats(0.1, 10), st.lists(st.floats(-20, 20), min_size=1))
def test_weight_grid(bits: int, w_max: float, weights: list[float]) -> None:
    once = quantise_weights(weights, bits, w_max)
    assert np.array_equal(quantise_weights(once, bits, w_max), once)
    assert np.array_equal(quantise_weights(once.astype(np.float32), bits, w_max), once)
    assert np.array_equal(quantise_weights(-np.asarray(weights), bits, w_max), -once)
    inside = np.clip(weights, -w_max, w_max)
    assert np.abs(once - inside).max() <= w_max / full_scale(bits) / 2 * (1 + 1e-12)


@given(WIDTHS)
def test_dac_values_are_fixed_points(bits: int) -> None:
    n = full_scale(bits)
    codes = np.arange(-n, n + 1)
    assert np.array_equal(dac_codes(dac_values(codes, bits), bits), codes)


@given(
    st.lists(st.floats(-5, 5), min_size=1, max_size=40).map(sorted),
    st.lists(st.floats(-6, 6), min_size=1, max_size=40),
)
def test_code_is_the_number_of_thresholds_strictly_below(thresholds: list[float], mac: list[float]) -> None:
    mac = [*mac, *thresholds]
    counted = [sum(threshold < value - TIE for threshold in thresholds) for value in mac]
    assert codes_from_mac(mac, thresholds).tolist() == counted


@given(st.integers(2, 41), st.integers(0, 2**32 - 1))
def test_the_order_of_a_sum_decides_nothing(terms: int, seed: int) -> None:
    """A MAC result that is exactly zero gets the code below the middle, whatever the rounding of its sum."""
    rng = np.random.default_rng(seed)
    inputs, weights = rng.integers(-15, 16, terms), rng.integers(-15, 16, terms)
    inputs, weights = np.append(inputs, -inputs), np.append(weights, weights)  # sums to zero
    order = rng.permutation(2 * terms)
    mac = np.cumsum((inputs / 15 * (weights * (2 / 15)))[order])[-1]
    assert codes_from_mac([mac], [-0.1, 0.0, 0.1]).tolist() == [1]


def test_codes_keep_the_shape() -> None:
    mac = np.zeros((3, 4, 2))
    assert codes_from_mac(mac, [-1.0, 0.0, 1.0]).shape == (3, 4, 2)
    assert np.all(codes_from_mac(mac, [-1.0, 0.0, 1.0]) == 1)


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (-1.0, 1.0)])
@pytest.mark.parametrize("bits", [2, 5, 8])
def test_decode_gives_the_middle_between_the_output_levels(low: float, high: float, bits: int) -> None:
    levels = np.linspace(low, high, 2**bits + 1)
    middles = (levels[1:] + levels[:-1]) / 2
    np.testing.assert_allclose(decode(np.arange(2**bits), low, high, bits), middles, atol=1e-15)


@pytest.mark.parametrize("bits", [1, 9, 0, -3])
def test_unsupported_width(bits: int) -> None:
    for call in (
        lambda: dac_codes([0.0], bits),
        lambda: quantise_weights([0.0], bits, 1.0),
        lambda: decode([0], 0.0, 1.0, bits),
    ):
        with pytest.raises(CosimError, match=r"bits.*Allowed: 2 to 8"):
            call()
