"""From MAC results to codes: the kernel against NumPy's search."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from cosim.blocks.ramp_adc.behaviour import convert

Array = NDArray[np.float64]


def by_search(mac: Array, thresholds: Array) -> NDArray[np.uint8]:
    columns = [np.searchsorted(np.sort(row), mac[:, n], side="left") for n, row in enumerate(thresholds)]
    return np.stack(columns, axis=1).astype(np.uint8)


@settings(deadline=None, max_examples=200)
@given(
    bits=st.integers(1, 8), columns=st.integers(1, 5), batch=st.integers(0, 40), seed=st.integers(0, 2**32 - 1),
    grid=st.booleans(),
)  # fmt: skip
def test_codes_are_those_of_searchsorted(bits: int, columns: int, batch: int, seed: int, grid: bool) -> None:
    rng = np.random.default_rng(seed)
    thresholds = np.sort(rng.normal(size=(columns, 2**bits - 1)), axis=1)
    mac = rng.normal(size=(batch, columns))
    if grid:  # many exact ties
        thresholds, mac = np.round(4 * thresholds) / 4, np.round(4 * mac) / 4
    codes = convert(mac, thresholds)
    assert codes.dtype == np.uint8 and codes.shape == mac.shape
    np.testing.assert_array_equal(codes, by_search(mac, thresholds))


def test_a_tie_has_not_passed() -> None:
    thresholds = np.array([[-1.0, 0.0, 0.0, 2.0]])
    mac = np.array([[-1.0], [0.0], [np.nextafter(0, 1)], [2.0], [2.5], [-np.inf], [np.inf]])
    assert convert(mac, thresholds)[:, 0].tolist() == [0, 1, 3, 3, 4, 0, 4]


def test_nan_is_below_everything() -> None:
    thresholds = np.array([[-1.0, 0.0, np.nan]])
    assert convert(np.array([[np.nan], [5.0], [-0.5]]), thresholds)[:, 0].tolist() == [0, 2, 1]


def test_thresholds_out_of_order_are_counted() -> None:
    """A counter counts the clocks at which the ramp was below the input, in whatever order they come."""
    thresholds = np.array([[0.3, -0.2, 0.5]])
    assert convert(np.array([[0.0], [0.4]]), thresholds)[:, 0].tolist() == [1, 2]
    assert thresholds.tolist() == [[0.3, -0.2, 0.5]]  # and the caller's array is left alone


def test_memory_layouts_and_precisions() -> None:
    rng = np.random.default_rng(2)
    thresholds = np.sort(rng.normal(size=(6, 31)), axis=1)
    mac = rng.normal(size=(40, 12))
    expected = by_search(mac[::2, ::2], thresholds)
    assert not mac[::2, ::2].flags.c_contiguous
    np.testing.assert_array_equal(convert(mac[::2, ::2], thresholds), expected)
    np.testing.assert_array_equal(convert(np.asfortranarray(mac[::2, ::2]), thresholds), expected)
    np.testing.assert_array_equal(convert(mac[::2, ::2], np.asfortranarray(thresholds)), expected)
    single = mac[::2, ::2].astype(np.float32)
    np.testing.assert_array_equal(convert(single, thresholds), by_search(single.astype(np.float64), thresholds))


def test_codes_never_fall_with_a_rising_input() -> None:
    rng = np.random.default_rng(3)
    thresholds = rng.normal(size=(4, 255))
    mac = np.sort(rng.normal(size=(1000, 4)), axis=0)
    codes = convert(mac, thresholds).astype(int)
    assert (np.diff(codes, axis=0) >= 0).all() and codes.max() > 250


@pytest.mark.parametrize(
    ("mac", "thresholds"),
    [((3, 4), (5, 31)), ((3, 4), (3, 31)), ((4,), (4, 31)), ((3, 4), (31,))],
)
def test_shapes_that_do_not_fit_are_refused(mac: tuple[int, ...], thresholds: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="do not fit"):
        convert(np.zeros(mac), np.zeros(thresholds))
