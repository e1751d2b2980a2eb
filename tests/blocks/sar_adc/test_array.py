"""The capacitor array on paper."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosim.blocks.sar_adc.array import (
    draw_capacitors,
    ideal_capacitors,
    levels,
    mean_switching_energy,
    switching_energy,
    transition_levels,
)


def converted(level: np.ndarray, bits: int, value: float) -> int:
    """The binary search itself."""
    code = 0
    for bit in reversed(range(bits)):
        if value >= level[code | 1 << bit]:
            code |= 1 << bit
    return code


@pytest.mark.parametrize("bits", [3, 5, 8])
def test_ideal_levels_are_evenly_spaced(bits: int) -> None:
    level = levels(ideal_capacitors(bits, 10e-15), 0.7, 1.3)
    np.testing.assert_allclose(level, 0.7 + 0.6 * np.arange(1 << bits) / (1 << bits), rtol=1e-12)
    np.testing.assert_allclose(transition_levels(level), level[1:], rtol=1e-12)


@given(st.integers(0, 2**32 - 1), st.floats(0.0, 0.5))
def test_thresholds_are_those_of_the_search(seed: int, sigma: float) -> None:
    """Also where the array is so bad that codes are missing."""
    level = levels(draw_capacitors(4, 1.0, sigma, np.random.default_rng(seed)), 0.0, 1.0)
    threshold = transition_levels(level)
    assert np.all(np.diff(threshold) >= 0)
    for value in np.concatenate([threshold - 1e-9, threshold + 1e-9, [0.0, 0.5, 1.0]]):
        assert converted(level, 4, value) == np.sum(value >= threshold)


def test_a_missing_code() -> None:
    """A highest capacitor that is too large by two units: no input gives the code below the middle."""
    capacitors = np.array([1.0, 2.0, 6.0, 1.0])  # of 4 units nominally
    threshold = transition_levels(levels(capacitors, 0.0, 1.0))
    np.testing.assert_allclose(threshold, np.array([1, 2, 3, 6, 7, 8, 9]) / 10)
    low = transition_levels(levels(np.array([1.0, 2.0, 2.0, 1.0]), 0.0, 1.0))  # too small: 3 cannot be reached
    np.testing.assert_allclose(low, np.array([1, 2, 2, 2, 3, 4, 5]) / 6)


@pytest.mark.parametrize("bits", [3, 5, 8, 10])
def test_switching_energy_against_the_sum_formula(bits: int) -> None:
    """Mean over all codes; for 10 bits half of the differential scheme's 1363.3 C V^2 (Liu et al. 2010)."""
    energies = [switching_energy(code, ideal_capacitors(bits, 2e-15), 0.5) for code in range(1 << bits)]
    assert np.mean(energies) == pytest.approx(mean_switching_energy(bits, 2e-15, 0.5), rel=1e-12, abs=0)
    assert mean_switching_energy(10, 1.0, 1.0) == pytest.approx(1363.3 / 2, abs=0.05)


def test_spread_of_the_levels() -> None:
    """sigma of level k is sigma_unit sqrt(k (1 - k / 2^bits)) LSB: k units against all the others."""
    rng = np.random.default_rng(2)
    level = np.array([levels(draw_capacitors(5, 1.0, 0.01, rng), 0.0, 32.0) for _ in range(4000)])
    k = np.arange(1, 32)
    expected = 0.01 * np.sqrt(k * (1 - k / 32))
    # 4000 draws give sigma to 1.1 %; four of that for the largest deviation among 31.
    np.testing.assert_allclose(level[:, 1:].std(axis=0), expected, rtol=0.045)
