"""Least squares and its intervals against closed forms."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from cosim.blocks.regression import (
    fit_least_squares,
    information_criteria,
    jackknife,
    mean_interval,
    spread_interval,
)
from cosim.errors import CosimError


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(-1e3, 1e3), min_size=3, max_size=20))
def test_the_jackknife_of_a_mean_is_its_students_interval(values: list[float]) -> None:
    """For a mean the jackknife's variance is s^2 / n exactly (Efron and Stein 1981, example 1)."""
    data = np.array(values)
    found = jackknife(lambda mask: np.array([data[mask].mean()]), np.arange(len(data)))
    low, high = mean_interval(float(data.mean()), float(data.std(ddof=1)), len(data))
    assert found.values[0] == data.mean()
    # rounding of the differences of means, relative to the size of the data
    np.testing.assert_allclose([found.low[0], found.high[0]], [low, high], rtol=1e-9, atol=1e-9 * np.abs(data).max())


def test_points_of_a_group_leave_together() -> None:
    """Copies of a point add nothing: an interval over groups does not shrink with them."""
    data = np.array([1.0, 2.0, 4.0])
    once = jackknife(lambda mask: np.array([data[mask].mean()]), np.arange(3))
    many = np.repeat(data, 50)
    again = jackknife(lambda mask: np.array([many[mask].mean()]), np.repeat(np.arange(3), 50))
    np.testing.assert_allclose([again.low, again.high], [once.low, once.high], rtol=1e-12)


def test_one_group_has_no_jackknife() -> None:
    with pytest.raises(ValueError, match="two groups"):
        jackknife(lambda mask: np.zeros(1), np.zeros(4))


def exponential(values: np.ndarray, x: np.ndarray) -> np.ndarray:
    return np.asarray(values[0] * np.exp(-x / values[1]))


def test_a_nonlinear_fit_finds_what_made_the_data() -> None:
    x = np.linspace(0.0, 3.0, 40)
    truth = np.array([2.0, 0.7])
    data = exponential(truth, x)
    found = fit_least_squares(lambda p, m: exponential(p, x[m]) - data[m], [1.0, 1.0], np.arange(40) % 8)
    np.testing.assert_allclose(found.values, truth, rtol=1e-9)  # exact data: what the search itself leaves
    np.testing.assert_allclose(found.high - found.low, 0.0, atol=1e-7)


def test_intervals_cover_the_truth_as_often_as_they_say() -> None:
    """200 fits to chips with offsets of their own: 95 % of the intervals hold the truth; 3 sigma of that is 4.6 %."""
    x, hits = np.linspace(0.1, 2.0, 12), 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        chips = rng.normal(0.0, 0.05, 8)
        xs, groups = np.tile(x, 8), np.repeat(np.arange(8), 12)
        data = 1.5 * xs + chips[groups] * xs + rng.normal(0.0, 0.01, xs.size)
        found = fit_least_squares(lambda p, m, d=data, v=xs: p[0] * v[m] - d[m], [1.0], groups)
        hits += bool(found.low[0] <= 1.5 <= found.high[0])
    assert abs(hits / 200 - 0.95) < 0.046


def test_a_search_that_does_not_end_is_one_message() -> None:
    """Rosenbrock's valley takes some twenty steps from here; three are not enough."""

    def valley(p: np.ndarray, mask: np.ndarray) -> np.ndarray:
        return np.resize([10.0 * (p[1] - p[0] ** 2), 1.0 - p[0]], mask.size)[mask]

    fit_least_squares(valley, [-1.2, 1.0], np.arange(4))
    with pytest.raises(CosimError, match="the fit of a valley does not converge"):
        fit_least_squares(valley, [-1.2, 1.0], np.arange(4), what="a valley", most_evaluations=3)


def test_intervals_of_a_spread_are_those_of_chi_squared() -> None:
    low, high = spread_interval(2.0, 10)
    np.testing.assert_allclose((9 * 4.0 / low**2, 9 * 4.0 / high**2), stats.chi2.ppf([0.975, 0.025], 9), rtol=1e-12)


def test_criteria_differ_as_the_formulas_say() -> None:
    error = np.array([1.0, -1.0, 2.0, 0.5])
    aic, bic = information_criteria(error, 1)
    more_aic, more_bic = information_criteria(error, 3)
    assert more_aic - aic == pytest.approx(4.0)
    assert more_bic - bic == pytest.approx(2 * np.log(4))
    double, _ = information_criteria(2 * error, 1)
    assert double - aic == pytest.approx(4 * np.log(4.0))


def test_a_perfect_fit_has_finite_criteria() -> None:
    assert np.isfinite(information_criteria(np.zeros(5), 2)).all()
