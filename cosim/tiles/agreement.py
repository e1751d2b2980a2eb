"""Comparing two fidelities on the same inputs, in codes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Agreement:
    """How far two sets of codes agree.

    Attributes
    ----------
    conversions: how many codes were compared.
    equal: share of equal codes.
    within_one: share of codes that differ by at most one LSB.
    largest: largest difference [LSB].
    """

    conversions: int
    equal: float
    within_one: float
    largest: int


def agreement(codes_a: NDArray[np.integer], codes_b: NDArray[np.integer]) -> Agreement:
    """Compare codes of equal shape."""
    a, b = np.asarray(codes_a, dtype=np.int64), np.asarray(codes_b, dtype=np.int64)
    if a.shape != b.shape or not a.size:
        raise ValueError(f"codes of shapes {a.shape} and {b.shape} cannot be compared")
    difference = np.abs(a - b)
    return Agreement(a.size, float(np.mean(difference == 0)), float(np.mean(difference <= 1)), int(difference.max()))
