"""Sobol indices against a function whose indices are known; scores of a point; the front of a search."""

import math

import numpy as np
import pytest

from cosim.errors import CosimError
from cosim.studies.evaluation import Outcome, failed
from cosim.studies.search import pareto_front
from cosim.studies.sensitivity import paired_scores

# Of U(-pi, pi): V = a^2/8 + b pi^4/5 + b^2 pi^8/18 + 1/2, by T. Ishigami, T. Homma (1990), a = 7, b = 0.1.
A, B = 7.0, 0.1
VARIANCE = A**2 / 8 + B * math.pi**4 / 5 + B**2 * math.pi**8 / 18 + 0.5
FIRST = np.array([0.5 * (1 + B * math.pi**4 / 5) ** 2, A**2 / 8, 0.0]) / VARIANCE
BOTH = 8 * B**2 * math.pi**8 / 225 / VARIANCE  # of the first and the third
TOTAL = FIRST + np.array([BOTH, 0.0, BOTH])


def ishigami(shares: np.ndarray) -> np.ndarray:
    x = (2 * shares - 1) * math.pi
    return np.asarray(np.sin(x[:, 0]) + A * np.sin(x[:, 1]) ** 2 + B * x[:, 2] ** 4 * np.sin(x[:, 0]))


def test_sobol_indices_are_those_of_a_known_function() -> None:
    pytest.importorskip("SALib")
    from cosim.studies.sensitivity import saltelli_shares, sobol_indices

    shares = saltelli_shares(3, 4096, False, seed=1)
    assert shares.shape == (4096 * 5, 3) and (shares >= 0).all() and (shares <= 1).all()
    found = sobol_indices(["a", "b", "c"], ishigami(shares), False, seed=1)
    # Errors of the estimators at 4096 samples are about 0.01; their own intervals say so.
    np.testing.assert_allclose(found.first, FIRST, atol=0.03)
    np.testing.assert_allclose(found.total, TOTAL, atol=0.03)
    assert (found.total_reach < 0.06).all()


def test_sobol_points_follow_the_seed_and_need_a_power_of_two() -> None:
    pytest.importorskip("SALib")
    from cosim.studies.sensitivity import saltelli_shares

    np.testing.assert_array_equal(saltelli_shares(2, 8, True, 1), saltelli_shares(2, 8, True, 1))
    assert saltelli_shares(2, 8, True, 1).shape == (8 * 6, 2)
    assert (saltelli_shares(2, 8, False, 1) != saltelli_shares(2, 8, False, 2)).any()
    with pytest.raises(CosimError, match=r"power of 2.*8, 16"):
        saltelli_shares(2, 12, False, 1)


def test_what_does_not_vary_or_is_missing_has_no_indices() -> None:
    pytest.importorskip("SALib")
    from cosim.studies.sensitivity import sobol_indices

    with pytest.raises(CosimError, match="no variance"):
        sobol_indices(["a", "b"], np.ones(32), False, 1)
    with pytest.raises(CosimError, match="1 of 32 points"):
        sobol_indices(["a", "b"], np.array([math.nan, *range(31)]), False, 1)


def test_scores_of_a_point_are_the_means_of_each_chips_reads() -> None:
    scores = np.random.default_rng(1).random((3, 2, 5))
    found = paired_scores(Outcome("k", "bits_per_symbol", scores, np.ones(5), np.zeros((3, 2)), {}))
    np.testing.assert_allclose(found.values, scores.mean(axis=1))
    with pytest.raises(CosimError, match="why"):
        paired_scores(failed("k", "accuracy", "why"))


def test_the_front_is_what_no_other_beats() -> None:
    figures = np.array([[0.9, 5.0], [0.8, 4.0], [0.85, 6.0], [math.nan, 1.0], [0.9, 5.0], [0.95, 9.0]])
    assert pareto_front(figures, ["max", "min"]).tolist() == [True, True, False, False, True, True]


def test_the_front_is_that_of_its_definition_on_random_points() -> None:
    rng = np.random.default_rng(2)
    figures = rng.integers(0, 6, (60, 3)).astype(float)
    signs = np.array([1.0, -1.0, 1.0])  # as if all were to be small
    front = pareto_front(figures, ["min", "max", "min"])
    for place, own in enumerate(figures * signs):
        beaten = any((each <= own).all() and (each < own).any() for each in figures * signs)
        assert front[place] != beaten
