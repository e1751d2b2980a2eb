"""Parameters that depend on corner, temperature and supply.

A corner is a thing of its own, so each has its row. Within a corner a parameter is a polynomial in

    t = (temperature - 27 degC) / 100 K,    v = (V_DD - V_nominal) / (V_nominal / 10)

of the terms that the conditions of the fit can tell apart; a parameter that cannot be negative is exp of it, times its
value at 27 degC and the nominal supply, which is what its first column holds. A model of one condition holds plain
numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cosim.errors import CosimError

Array = NDArray[np.float64]

ROOM_TEMPERATURE = 27.0  # [degC]
TERMS: dict[str, tuple[int, int]] = {"1": (0, 0), "t": (1, 0), "v": (0, 1), "t2": (2, 0), "v2": (0, 2), "tv": (1, 1)}
"""Name of a term -> powers of t and v; in the order in which they are taken up."""


@dataclass(frozen=True)
class Conditions:
    """What a model's parameters are told for.

    Attributes
    ----------
    corners: rows. terms: columns, names of `TERMS`. v_dd: nominal supply [V].
    """

    corners: tuple[str, ...]
    terms: tuple[str, ...]
    v_dd: float

    def values(self, temperature: float, v_dd: float) -> Array:
        """The terms at a temperature [degC] and a supply [V], shape (terms,)."""
        t, v = (temperature - ROOM_TEMPERATURE) / 100.0, (v_dd / self.v_dd - 1.0) * 10.0
        return np.array([t ** TERMS[name][0] * v ** TERMS[name][1] for name in self.terms])

    def row(self, corner: str) -> int:
        """Number of a corner. Raises CosimError for one that the model was not fitted at."""
        if corner not in self.corners:
            raise CosimError(
                "the model was not fitted at this corner", key="corner", value=corner, allowed=list(self.corners)
            )
        return self.corners.index(corner)

    def evaluate(self, table: Array, corner: str, temperature: float, v_dd: float, positive: bool) -> float:
        """A parameter of shape (corners, terms) under one condition."""
        coefficients, terms = table[self.row(corner)], self.values(temperature, v_dd)
        if positive:
            return float(coefficients[0] * np.exp(coefficients[1:] @ terms[1:]))
        return float(coefficients @ terms)


def conditions_of(points: Sequence[tuple[str, float, float]], nominal: float) -> Conditions:
    """The corners of these (corner, temperature, V_DD), and the terms that every one of them can tell apart.

    Raises CosimError when a temperature or supply was varied at some corners and not at others.
    """
    corners = tuple(dict.fromkeys(corner for corner, _, _ in points))
    chosen: list[str] = []
    for name in TERMS:
        trial = Conditions(corners, (*chosen, name), nominal)
        rows = [np.array([trial.values(t, v) for corner, t, v in points if corner == each]) for each in corners]
        if all(np.linalg.matrix_rank(each, tol=1e-6) == len(trial.terms) for each in rows):
            chosen.append(name)
    if not chosen:
        # One condition away from room temperature and nominal supply is told by a constant all the same.
        chosen = ["1"]
    for term, key, at in (("t", "temperature", 1), ("v", "v_dd", 2)):
        varied = [corner for corner in corners if len({point[at] for point in points if point[0] == corner}) > 1]
        if varied and term not in chosen:
            raise CosimError(
                "this was varied at some corners, and not, or only together with another setting, at others",
                key=key, value=varied, allowed="the same conditions at every corner, or one corner a model",
            )  # fmt: skip
    return Conditions(corners, tuple(chosen), nominal)


def fit_table(
    conditions: Conditions, points: Sequence[tuple[str, float, float]], values: Array, positive: bool
) -> Array:
    """A table (corners, terms) by least squares from one value at each of `points`; NaN are left out."""
    table = np.full((len(conditions.corners), len(conditions.terms)), np.nan)
    for row, corner in enumerate(conditions.corners):
        mine = [n for n, point in enumerate(points) if point[0] == corner and np.isfinite(values[n])]
        if not mine:
            continue
        terms = np.array([conditions.values(*points[n][1:]) for n in mine])
        wanted = np.log(values[mine]) if positive else values[mine]
        table[row] = np.linalg.lstsq(terms, wanted, rcond=None)[0]
        if positive:
            table[row, 0] = np.exp(table[row, 0])
    return table
