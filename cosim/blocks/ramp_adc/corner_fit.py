"""Least squares for a law of `forms` over several conditions, and the intervals of what it finds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from scipy.interpolate import CubicSpline
from scipy.optimize import least_squares

from cosim.blocks.ramp_adc.conditions import Conditions
from cosim.blocks.ramp_adc.forms import SHIFTS, Law
from cosim.blocks.ramp_adc.points import Part
from cosim.errors import CosimError

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

# [LSB] What one `scale` of departure from a parameter's start costs: far below the error of any fit worth having, so
# that it only decides where the data do not (a 2-bit ramp does not tell twelve numbers apart).
PULL = 2e-3
STEP = 1e-2  # of `scale`, for derivatives; lags are solved to 1e-11 V
SHIFT_SCALE = 1e-3  # [V]
MOST_EVALUATIONS = 40


@dataclass(frozen=True)
class Solution:
    """A law's numbers at one corner.

    Attributes
    ----------
    values, low, high: of every quantity and term, with 95 % intervals, shape (quantities, terms); of a positive
        quantity the first is a value and the others are of its logarithm (see `conditions`). The shifts of the offset
        with the common mode, where they are fitted too, are the last quantities.
    """

    values: Array
    low: Array
    high: Array


def shift_basis(nodes: Array, levels: Array) -> Array:
    """What each node of V_os(L) - V_os(0), V_CLP left out, counts at each level: cubic splines, (..., nodes - 1)."""
    middle = len(nodes) // 2
    cardinal = np.delete(np.eye(len(nodes)), middle, axis=1)
    return np.asarray(CubicSpline(nodes, cardinal)(levels))


def shift_nodes(levels: Array) -> Array:
    """Nodes for offsets that are known at V_CLP only: evenly over the range of the levels [V]."""
    reach = float(np.nanmax(np.abs(levels)))
    return np.linspace(-reach, reach, SHIFTS + 1)


class CornerFit:
    """Least squares in LSB over the parts of one corner."""

    def __init__(self, law: Law, conditions: Conditions, parts: list[Part], masks: list[Mask], nodes: Array) -> None:
        self.law, self.conditions = law, conditions
        quantities = law.quantities
        self.known = all(
            part.static is not None and bool(np.isfinite(part.static[mask]).all())
            for part, mask in zip(parts, masks, strict=True)
        )
        self.shifts = law.by_common_mode and not self.known
        extra = len(nodes) - 1 if self.shifts else 0
        self.start = np.array([each.start for each in quantities] + [0.0] * extra)
        self.scale = np.array([each.scale for each in quantities] + [SHIFT_SCALE] * extra)
        self.positive = np.array([each.positive for each in quantities] + [False] * extra)
        self.terms, self.blocks, groups = [], [], []
        for part, mask in zip(parts, masks, strict=True):
            if not mask.any():
                continue
            periods = part.rows(mask)
            levels = periods.thresholds
            static = part.static[mask] if law.by_common_mode and self.known and part.static is not None else None
            base = levels + (part.offset[mask][:, None] if static is None else static)
            basis = shift_basis(nodes, levels) if self.shifts else None
            self.blocks.append((part, periods, (part.measured[mask] - base), part.lsb[mask], basis))
            self.terms.append(conditions.values(*part.condition[1:]))
            name = len(self.blocks)
            groups += [(name, int(chip)) for chip in part.chip[mask] for _ in range(levels.shape[1])]
        numbers = {group: number for number, group in enumerate(dict.fromkeys(groups))}
        self.groups = np.array([numbers[group] for group in groups])

    def _residual(self, block: int, z: Array) -> Array:
        part, periods, wanted, lsb, basis = self.blocks[block]
        count = len(self.law.quantities)
        values = np.where(self.positive, np.exp(np.clip(z, -80.0, 80.0)), z)
        found = self.law.lag(periods, values[:count], part.config)
        if basis is not None:
            found = found + basis @ values[count:]
        return np.asarray(((found - wanted) / lsb).ravel())

    def _inner(self, q: Array, block: int) -> Array:
        return np.asarray(self.start + self.scale * (q.reshape(len(self.start), -1) @ self.terms[block]))

    def residual(self, q: Array) -> Array:
        """Model - data [LSB] of all points, then the pull towards the start."""
        errors = [self._residual(n, self._inner(q, n)) for n in range(len(self.blocks))]
        return np.concatenate([*errors, PULL * q])

    def jacobian(self, q: Array) -> Array:
        """Its derivatives, by differences over the law's own numbers of each condition."""
        rows = []
        for n in range(len(self.blocks)):
            z = self._inner(q, n)
            first = self._residual(n, z)
            own = np.empty((len(first), len(z)))
            for p in range(len(z)):
                moved = z.copy()
                moved[p] += STEP * self.scale[p]
                own[:, p] = (self._residual(n, moved) - first) / STEP
            rows.append((own[:, :, None] * self.terms[n]).reshape(len(first), -1))
        return np.concatenate([*rows, PULL * np.eye(len(q))])

    def solve(self) -> Solution:
        """The numbers, with intervals by a jackknife over chips under each condition.

        Residuals of one chip hang together along the code, so the fit is repeated without each (one Newton step from
        the solution of all, which of a law that is linear in its numbers is exact). CosimError where it does not end.
        """
        size = len(self.start) * len(self.conditions.terms)
        found = least_squares(
            self.residual, np.zeros(size), self.jacobian, method="trf", ftol=1e-3, xtol=1e-6, gtol=1e-12,
            max_nfev=MOST_EVALUATIONS,
        )  # fmt: skip
        if found.status <= 0 or not np.isfinite(found.x).all():
            raise CosimError("the fit of the comparators' lag does not converge")
        q = found.x
        errors, slopes = self.residual(q), self.jacobian(q)
        points = len(self.groups)
        whole = slopes.T @ slopes
        gradient = slopes.T @ errors
        moved = []
        numbers = np.unique(self.groups)
        for number in numbers:
            own = np.flatnonzero(self.groups == number)
            left = whole - slopes[own].T @ slopes[own]
            moved.append(-np.linalg.solve(left + 1e-12 * np.eye(size), gradient - slopes[own].T @ errors[own]))
        reach = np.full(size, np.inf)
        if len(numbers) > 1:
            without = np.array(moved)
            count = len(numbers)
            variance = (count - 1) / count * ((without - without.mean(axis=0)) ** 2).sum(axis=0)
            reach = stats.t.ppf(0.975, count - 1) * np.sqrt(variance)
        assert len(errors) == points + size
        return Solution(*(self._values(each) for each in (q, q - reach, q + reach)))

    def _values(self, q: Array) -> Array:
        z = self.scale[:, None] * q.reshape(len(self.start), -1)
        z[:, 0] += self.start
        z[:, 0] = np.where(self.positive, np.exp(np.clip(z[:, 0], -80.0, 80.0)), z[:, 0])
        return z
