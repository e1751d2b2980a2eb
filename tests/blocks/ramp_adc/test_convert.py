"""From MAC results to codes: the kernel against counting, for every width, type, shape and layout."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from cosim.blocks.ramp_adc.conversion import Converter, convert
from cosim.blocks.ramp_adc.staircase import Staircase

Array = NDArray[np.float64]
EXTREMES = [0.0, -0.0, 1e-45, -1e-45, 1e-38, 5e-324, 1.0, -1.0, 3.4e38, -3.4e38, 1e300, -1e300, np.inf, -np.inf, np.nan]


def by_counting(mac: NDArray[Any], thresholds: Array, stairs: Staircase | None = None) -> NDArray[np.int64]:
    """The definition: each threshold below counts its direction."""
    below = thresholds < np.asarray(mac, dtype=np.float64)[:, :, None]
    if stairs is None:
        return below.sum(axis=2)
    largest = max(stairs.start, int(stairs.code_above.max()))
    return np.clip(stairs.start + (below * stairs.direction).sum(axis=2), 0, largest)


def up_and_down(count: int, rng: np.random.Generator) -> Staircase:
    direction = rng.choice([-1, 1], count)
    start = int(rng.integers(0, 4))
    return Staircase(np.sort(rng.normal(size=count)), np.ones(count, dtype=np.int64), direction, start)


@settings(deadline=None, max_examples=120)
@given(
    count=st.one_of(st.integers(1, 70), st.sampled_from([127, 128, 255, 256, 1023, 4095])), columns=st.integers(1, 40),
    batch=st.integers(0, 12), seed=st.integers(0, 2**32 - 1), grid=st.booleans(), stairs=st.booleans(),
    kind=st.sampled_from(["f2", "f4", "f8", "i4"]),
)  # fmt: skip
def test_codes_are_those_of_counting(
    count: int, columns: int, batch: int, seed: int, grid: bool, stairs: bool, kind: str
) -> None:
    rng = np.random.default_rng(seed)
    thresholds = rng.normal(size=(columns, count))
    mac = (3 * rng.normal(size=(batch, columns))).astype(kind)
    if grid:  # many exact ties
        thresholds, mac = np.round(4 * thresholds) / 4, (np.round(4 * mac) / 4).astype(kind)
    steps = up_and_down(count, rng) if stairs else None
    codes = convert(mac, thresholds, steps)
    assert codes.shape == mac.shape
    np.testing.assert_array_equal(codes, by_counting(mac, thresholds, steps))


@settings(deadline=None, max_examples=100)
@given(
    values=st.lists(st.one_of(st.sampled_from(EXTREMES), st.floats(width=64)), min_size=1, max_size=40),
    thresholds=st.lists(st.one_of(st.sampled_from(EXTREMES), st.floats(width=64)), min_size=1, max_size=40),
    single=st.booleans(),
)
def test_extreme_values(values: list[float], thresholds: list[float], single: bool) -> None:
    """Infinities, NaN, subnormal numbers, and numbers that a float32 cannot hold."""
    with np.errstate(over="ignore"):
        mac = np.array(values, dtype=np.float32 if single else np.float64)[:, None]
    np.testing.assert_array_equal(convert(mac, np.array([thresholds])), by_counting(mac, np.array([thresholds])))


def test_a_float32_between_a_threshold_and_its_rounding() -> None:
    """0.1 lies between two float32: the lower one has not passed it, the upper one has."""
    above = np.float32(0.1)
    below = np.nextafter(above, np.float32(0))
    assert below < 0.1 < float(above)
    assert convert(np.array([[below], [above]]), np.array([[0.1, -5.0]]))[:, 0].tolist() == [1, 2]


@pytest.mark.parametrize(("count", "kind"), [(1, "u1"), (31, "u1"), (255, "u1"), (256, "u2"), (4095, "u2")])
def test_width_of_codes(count: int, kind: str) -> None:
    thresholds = np.arange(count, dtype=float)[None]
    codes = convert(np.array([[-1.0], [count / 2], [1e9]]), thresholds)
    assert codes.dtype == kind and codes[:, 0].tolist() == [0, int(np.ceil(count / 2)), count]


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


def test_memory_layouts() -> None:
    rng = np.random.default_rng(2)
    thresholds = np.sort(rng.normal(size=(6, 31)), axis=1)
    mac = rng.normal(size=(40, 12))
    expected = by_counting(mac[::2, ::2], thresholds)
    assert not mac[::2, ::2].flags.c_contiguous
    np.testing.assert_array_equal(convert(mac[::2, ::2], thresholds), expected)
    np.testing.assert_array_equal(convert(np.asfortranarray(mac[::2, ::2]), thresholds), expected)
    np.testing.assert_array_equal(convert(mac[::2, ::2], np.asfortranarray(thresholds)), expected)
    sealed = np.ascontiguousarray(mac[::2, ::2])
    sealed.flags.writeable = False
    np.testing.assert_array_equal(convert(sealed, thresholds), expected)
    np.testing.assert_array_equal(convert(mac[::2, ::2][::-1], thresholds), expected[::-1])


@pytest.mark.parametrize("count", [7, 31, 255, 1000])
def test_codes_never_fall_with_a_rising_input(count: int) -> None:
    rng = np.random.default_rng(3)
    thresholds = rng.normal(size=(4, count))
    mac = np.sort(rng.normal(size=(1000, 4)), axis=0)
    codes = convert(mac, thresholds).astype(int)
    assert (np.diff(codes, axis=0) >= 0).all() and codes.max() > 0.98 * count


def test_answers_may_be_written_where_the_caller_wants_them() -> None:
    converter = Converter(np.array([[0.0, 1.0]]))
    out = np.full((3, 1), 9, dtype=np.uint8)
    assert converter.codes(np.array([[-1.0], [0.5], [2.0]]), out) is out
    assert out[:, 0].tolist() == [0, 1, 2]
    for wrong in (np.zeros((3, 1), dtype=np.uint16), np.zeros((1, 3), np.uint8), np.zeros((6, 1), np.uint8)[::2]):
        with pytest.raises(ValueError, match="do not fit"):
            converter.codes(np.zeros((3, 1)), wrong)


@pytest.mark.parametrize(
    ("mac", "thresholds"),
    [((3, 4), (5, 31)), ((3, 4), (3, 31)), ((4,), (4, 31)), ((3, 4), (31,)), ((3, 1), (1, 65536))],
)
def test_shapes_that_do_not_fit_are_refused(mac: tuple[int, ...], thresholds: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="do not fit"):
        convert(np.zeros(mac), np.zeros(thresholds))


def test_directions_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="do not fit"):
        convert(np.zeros((3, 4)), np.zeros((4, 5)), up_and_down(6, np.random.default_rng(0)))
