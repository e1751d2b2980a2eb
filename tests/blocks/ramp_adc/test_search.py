"""The threshold search on functions whose root is known."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from cosim.blocks.ramp_adc.search import ThresholdSearch

Array = NDArray[np.float64]

ROOTS = np.linspace(-0.25, 0.25, 9)  # [V]
TOLERANCE = 1e-4  # [V]
GAIN = 50.0


def linear(d: Array) -> Array:
    return GAIN * d


def steeper_and_bent(d: Array) -> Array:
    return 3 * GAIN * d + 1e4 * d**3


def saturating(d: Array) -> Array:
    """A comparator's stage: 0.5 V at most, gone flat 10 mV off the trip point."""
    return 0.5 * np.tanh(GAIN * d / 0.5)


def sign_only(d: Array) -> Array:
    return np.where(d < 0, -1.5, 1.5)


def step_of_stages(d: Array) -> Array:
    """Two stages of which each shows only its own range, as the probes do: the sizes do not fit together."""
    return np.where(np.abs(d) < 1e-3, 20.0 * d, np.sign(d) * (0.3 + np.abs(d)))


FUNCTIONS: list[tuple[Callable[[Array], Array], int]] = [
    (linear, 4), (steeper_and_bent, 8), (saturating, 8), (sign_only, 13), (step_of_stages, 18),
]  # fmt: skip


def searched(function: Callable[[Array], Array], start: Array, most: int = 18) -> ThresholdSearch:
    search = ThresholdSearch(ROOTS + start, GAIN, 0.03, np.full(len(ROOTS), TOLERANCE))
    for _ in range(most):
        if search.done.all():
            break
        search.update(function(search.guess - ROOTS))
        held = (search.low < ROOTS + 1e-15) & (search.high + 1e-15 >= ROOTS)
        assert held.all()
    return search


@pytest.mark.parametrize(("function", "most"), FUNCTIONS, ids=lambda each: getattr(each, "__name__", str(each)))
@pytest.mark.parametrize("off", [0.0, 3e-6, -1e-3, 8e-3, -28e-3])
def test_the_root_is_found(function: Callable[[Array], Array], most: int, off: float) -> None:
    search = searched(function, off * np.linspace(0.8, 1.0, len(ROOTS)))
    assert search.done.all() and search.rounds <= most
    assert (search.high - search.low <= TOLERANCE).all() and (search.high > search.low).all()
    np.testing.assert_allclose(search.value, ROOTS, atol=0.5 * TOLERANCE * (1 + 1e-9))


def test_a_root_far_away_is_walked_to() -> None:
    search = searched(sign_only, np.full(len(ROOTS), 0.14), most=30)
    np.testing.assert_allclose(search.value, ROOTS, atol=0.5 * TOLERANCE * (1 + 1e-9))


def test_noise_of_the_simulator_does_not_matter() -> None:
    rng = np.random.default_rng(1)
    search = ThresholdSearch(ROOTS + 2e-3, GAIN, 0.03, np.full(len(ROOTS), TOLERANCE))
    while not search.done.all() and search.rounds < 14:
        search.update(linear(search.guess - ROOTS) + 1e-9 * rng.standard_normal(len(ROOTS)))
    assert search.done.all()
    np.testing.assert_allclose(search.value, ROOTS, atol=0.51 * TOLERANCE)


def test_contradicting_answers_are_no_bracket() -> None:
    """An input above the threshold that lies below an input beneath it: something is wrong, and must not pass."""
    search = ThresholdSearch(np.array([0.0]), GAIN, 0.03, np.array([TOLERANCE]))
    search.guess = np.array([0.01])
    search.update(np.array([-1.0]))
    search.guess = np.array([0.0])
    search.update(np.array([1.0]))
    assert not search.done.any()


def test_before_a_bracket_there_is_no_value() -> None:
    search = ThresholdSearch(np.zeros(2), GAIN, 0.03, np.array([TOLERANCE]))
    assert np.isnan(search.value).all() and not search.done.any()
    search.update(np.array([-1.0, 1.0]))
    assert np.isnan(search.value).all() and not search.done.any()
    np.testing.assert_array_equal(search.low, [0.0, -np.inf])
    np.testing.assert_array_equal(search.high, [np.inf, 0.0])


rising = st.tuples(
    st.floats(1e-3, 1e4), st.sampled_from([1, 3, 5]), st.floats(1e-6, 10.0), st.booleans()
)  # gain, power, saturation, sign only


@settings(deadline=None, max_examples=300)
@given(shape=rising, off=st.floats(-0.2, 0.2), root=st.floats(-1, 1), tolerance=st.floats(1e-6, 1e-2))
def test_the_bracket_is_never_lost(
    shape: tuple[float, int, float, bool], off: float, root: float, tolerance: float
) -> None:
    """Whatever rising function: the root stays between low and high, and the bracket never grows."""
    gain, power, limit, sign = shape
    search = ThresholdSearch(np.array([root + off]), GAIN, 0.03, np.array([tolerance]))
    width = np.inf
    for _ in range(60):
        guess = float(search.guess[0])
        distance = guess - root
        deviation = float(np.clip(gain * distance**power, -limit, limit))
        if sign or deviation == 0.0:  # too small for a float: a comparator still says one side
            deviation = 1.0 if distance >= 0 else -1.0
        search.update(np.array([deviation]))
        assert search.low[0] < root or distance >= 0 or search.low[0] == guess
        assert search.low[0] <= root <= search.high[0]
        now = search.high[0] - search.low[0]
        assert now <= width
        width = now
        if search.done.all():
            break
    if sign:
        assert search.done.all()  # halving: 0.2 / 0.03 steps outwards, then log2(0.03 / 1e-6) = 15
        assert abs(search.value[0] - root) <= 0.5 * tolerance * (1 + 1e-6)
