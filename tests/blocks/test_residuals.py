"""What is said of a fit: held-out error, its distribution, warnings."""

from typing import Any

import numpy as np
import pytest

from cosim.blocks.residuals import Residuals, errors_of


def residuals(error: Any, held_out: Any, **changes: Any) -> Residuals:
    error = np.asarray(error, dtype=float)
    given: dict[str, Any] = {
        "quantity": "threshold", "reference": np.zeros_like(error), "predicted": error, "error": error, "unit": "LSB",
        "held_out": np.asarray(held_out), "x": np.arange(error.size, dtype=float), "x_label": "threshold k",
        "limit": 1.0, "split": "odd chips", "parameters": 2,
    }  # fmt: skip
    return Residuals(**{**given, **changes})


def test_only_held_out_points_judge() -> None:
    found = residuals([9.0, 3.0, -4.0], [False, True, True])
    judged = found.judged()
    assert judged.rms == pytest.approx(np.sqrt(12.5))
    assert (judged.maximum, judged.points, judged.held_out) == (4.0, 2, "odd chips")
    assert judged.quantiles is not None and judged.quantiles["0.5"] == pytest.approx(-0.5)
    assert found.seen_rms == 9.0
    assert errors_of([found]) == {"threshold": judged}


def test_without_held_out_points_there_is_no_error() -> None:
    with pytest.raises(ValueError, match="no point of 'threshold' was held out"):
        residuals([1.0], [False]).judged()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_is_refused(bad: float) -> None:
    with pytest.raises(ValueError, match="not finite"):
        residuals([bad, 1.0], [True, True])


def test_shapes_must_fit() -> None:
    with pytest.raises(ValueError, match="shapes"):
        residuals([1.0, 2.0], [True])


def test_groups_are_told_apart() -> None:
    part = np.array(["unseen chips", "unseen conditions", "unseen conditions", "fitted"])
    found = residuals([1.0, 3.0, -3.0, 99.0], [True, True, True, False], part=part)
    assert found.by_part() == {"unseen chips": (1.0, 1.0, 1), "unseen conditions": (3.0, 3.0, 2)}


def alternating(size: float, count: int = 30) -> np.ndarray:
    return size * np.where(np.arange(count) % 2, 1.0, -1.0)


def test_a_good_fit_warns_of_nothing() -> None:
    error = np.concatenate([alternating(0.1), alternating(0.12)])
    assert residuals(error, np.arange(60) >= 30).warnings() == []


@pytest.mark.parametrize(
    ("held_out", "says"),
    [
        (alternating(1.2), "exceeds the limit of 1 LSB"),
        (alternating(0.5), "5.0 times that on the points of the fit"),
        (np.full(30, 0.15), "lie to one side, +0.15 LSB"),
    ],
)
def test_a_bad_fit_warns(held_out: np.ndarray, says: str) -> None:
    error = np.concatenate([alternating(0.1 if held_out[0] != -1.2 else 1.0), held_out])
    (warning,) = residuals(error, np.arange(60) >= 30).warnings()
    assert says in warning
