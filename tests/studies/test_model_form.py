"""Static and changing parts of residuals against closed forms and planted ones; intervals that know of groups."""

import numpy as np
import pytest

from cosim.errors import CosimError
from cosim.studies.model_form import components, shares_interval
from cosim.studies.statistics import wilson_interval

RNG = np.random.default_rng(1)


def drawn(groups: int, each: int, mean: float, static: float, changing: float, seed: int = 1) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return mean + static * rng.standard_normal((groups, 1)) + changing * rng.standard_normal((groups, each))


def test_planted_parts_are_found() -> None:
    """Of 600 bit lines with 20 residuals each: standard errors sigma / sqrt(2 n), to 4 of them."""
    found = components(drawn(600, 20, 0.5, 2.0, 1.0))
    assert found is not None
    static = np.sqrt(2.0**2 + 1.0 / 20)  # of a bit line's mean
    assert found.mean == pytest.approx(0.5, abs=4 * static / np.sqrt(600))
    assert found.static == pytest.approx(2.0, rel=4 / np.sqrt(2 * 600))
    assert found.changing == pytest.approx(1.0, rel=4 / np.sqrt(2 * 600 * 19))
    assert (found.groups, found.residuals) == (600, 12000)
    assert found.rms == pytest.approx(np.sqrt(0.25 + 4 + 1), rel=0.15)


def test_intervals_cover() -> None:
    """Of 95 % over the 128 bit lines of an LSTM: at least 88 % in 200 samples, which is 95 % less what percentiles of a
    standard deviation lack (3 % there; 9 % with 40 bit lines) and two binomial standard errors."""
    planted = {"mean": 0.5, "static": 1.0, "changing": 1.0}
    covered = dict.fromkeys(planted, 0)
    for seed in range(200):
        found = components(drawn(128, 10, *planted.values(), seed=seed))
        assert found is not None
        for name, value in planted.items():
            low, high = found.intervals[name]
            covered[name] += low <= value <= high
    assert min(covered.values()) >= 0.88 * 200
    assert max(covered.values()) < 200


def test_by_hand() -> None:
    """Two groups of two: MS_within = (0.5 + 0.5) / 2, MS_between = 2 (3^2 / 2) / 1 = 9, sigma_a^2 = (9 - 0.5) / 2."""
    found = components([np.array([0.0, 1.0]), np.array([3.0, 4.0])])
    assert found is not None
    assert found.mean == pytest.approx(2.0, abs=1e-12)
    assert found.changing == pytest.approx(np.sqrt(0.5), rel=1e-12)
    assert found.static == pytest.approx(np.sqrt(8.5 / 2), rel=1e-12)
    assert found.largest == 4.0


def test_groups_of_different_size_weigh_by_what_they_tell() -> None:
    """n_0 = (N - sum n^2 / N) / (J - 1): the expectation of the estimator is the planted variance."""
    values = []
    for seed in range(400):
        rows = drawn(12, 9, 0.0, 1.0, 0.5, seed)
        found = components([row[: 1 + k % 9] for k, row in enumerate(rows)])
        assert found is not None
        values.append((found.static**2, found.changing**2))
    # Standard error of the mean of 400 such variances: about sqrt(2 / 11) / 20 = 2 % of it, and less for the other.
    assert np.mean(values, axis=0) == pytest.approx([1.0, 0.25], rel=0.08)


@pytest.mark.parametrize("groups", [[np.array([1.0, 2.0, 4.0])], [np.array([1.0]), np.array([2.0]), np.array([4.0])]])
def test_where_the_parts_cannot_be_told_apart_all_of_it_changes(groups: list[np.ndarray]) -> None:
    found = components(groups)
    assert found is not None
    assert found.static == 0.0
    assert found.changing == pytest.approx(np.std([1.0, 2.0, 4.0], ddof=1), rel=1e-12)


def test_what_is_missing_is_left_out() -> None:
    rows = drawn(30, 5, 0.0, 1.0, 1.0)
    holes = np.concatenate([rows, np.full((30, 2), np.nan)], axis=1)
    whole, other = components(rows), components([*holes, np.full(4, np.nan)])
    assert whole == other
    assert components([np.full(3, np.nan)]) is None
    assert components([]) is None


def test_no_residual_at_all_is_no_error() -> None:
    found = components(np.zeros((5, 4)))
    assert found is not None
    assert (found.mean, found.static, found.changing) == (0.0, 0.0, 0.0)


def test_codes_of_one_bit_line_count_as_one_draw() -> None:
    """Bit lines that are wholly right or wholly wrong: the interval is that of their number, not of their codes."""
    equal = [np.full(50, right) for right in [True] * 36 + [False] * 4]
    low, high = shares_interval(equal)
    wide, narrow = wilson_interval(36, 40), wilson_interval(36 * 50, 40 * 50)
    assert low == pytest.approx(wide[0], abs=0.05)
    assert high - low > 3 * (narrow[1] - narrow[0])
    independent = [RNG.random(50) < 0.9 for _ in range(40)]
    low, high = shares_interval(independent)
    assert high - low == pytest.approx(narrow[1] - narrow[0], rel=0.35)
    assert shares_interval([np.ones(5, dtype=bool)] * 3) == (1.0, 1.0)


def test_intervals_repeat() -> None:
    rows = drawn(20, 5, 0.0, 1.0, 1.0)
    assert components(rows, seed=3) == components(rows, seed=3)
    assert components(rows, seed=3) != components(rows, seed=4)


def test_an_error_without_residuals_is_refused() -> None:
    from cosim.studies.model_form import model_error_of

    with pytest.raises(CosimError, match="cannot be told"):
        model_error_of([])
