"""Intervals against scipy, against hand-worked cases, and their coverage in a simulation."""

import numpy as np
import pytest
from scipy.stats import binomtest

from cosim.errors import CosimError
from cosim.studies.statistics import (
    paired_difference,
    paired_difference_of_counts,
    wilson_interval,
)


@pytest.mark.parametrize(("right", "total"), [(0, 10), (7, 10), (10, 10), (583, 599), (1, 1)])
@pytest.mark.parametrize("confidence", [0.68, 0.95, 0.99])
def test_wilson_as_in_scipy(right: int, total: int, confidence: float) -> None:
    theirs = binomtest(right, total).proportion_ci(confidence, method="wilson")
    np.testing.assert_allclose(wilson_interval(right, total, confidence), theirs, atol=1e-12)


def test_paired_difference_by_hand() -> None:
    a = np.array([1, 1, 1, 0, 0, 1, 1, 1], dtype=bool)
    b = np.array([1, 0, 0, 1, 0, 0, 1, 1], dtype=bool)
    found = paired_difference(a, b)
    assert (found.value, found.only_a, found.only_b, found.total) == (0.25, 3, 1, 8)
    assert found.p_value == pytest.approx(0.625)  # 2 (1 + 4) / 16
    # (3.5 - 1.5)/10 -+ 1.959964 sqrt(5 - 4/10)/10
    assert found.low == pytest.approx(0.2 - 0.420365, abs=1e-5)
    assert found.high == pytest.approx(0.2 + 0.420365, abs=1e-5)


def test_paired_difference_changes_sign_with_its_arguments() -> None:
    one, other = paired_difference_of_counts(9, 2, 599), paired_difference_of_counts(2, 9, 599)
    assert (one.value, one.low, one.high) == pytest.approx((-other.value, -other.high, -other.low))
    assert one.p_value == other.p_value


def test_no_difference_still_has_an_error_bar() -> None:
    same = paired_difference(np.ones(599, dtype=bool), np.ones(599, dtype=bool))
    assert same.value == 0.0
    assert same.p_value == 1.0
    assert same.low == -same.high
    assert 0 < same.high < 0.01


def test_coverage() -> None:
    """599 images, A right alone on 2.5 %, B on 1.5 %: the interval holds the truth 95 times in 100."""
    rng = np.random.default_rng(5)
    draws = rng.multinomial(599, [0.025, 0.015, 0.96], size=2000)
    intervals = [paired_difference_of_counts(int(a), int(b), 599) for a, b, _ in draws]
    held = np.mean([each.low <= 0.01 <= each.high for each in intervals])
    assert held == pytest.approx(0.95, abs=0.02)


def test_what_cannot_be_compared() -> None:
    with pytest.raises(CosimError, match="not about the same images"):
        paired_difference(np.ones(3, dtype=bool), np.ones(4, dtype=bool))
    with pytest.raises(CosimError, match="no interval"):
        wilson_interval(3, 2)
    with pytest.raises(CosimError, match="between 0 and 1"):
        wilson_interval(1, 2, confidence=95)
    with pytest.raises(CosimError, match="do not fit"):
        paired_difference_of_counts(3, 3, 5)
