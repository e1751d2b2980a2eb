"""From an activation function to the staircase that a ramp converter makes of it: thresholds, and the code above each.

The decision levels y_k = y_lo + k LSB, k = 1 .. 2^bits - 1, LSB = (y_hi - y_lo) / 2^bits, cut the range of g into
codes. A threshold is an input at which g crosses a level: upwards the code steps up by one, downwards it steps down
by one. A rising function has one threshold a level, and the code is the number of thresholds below the input.

A function that also falls (GELU, SiLU) crosses some levels several times. Its thresholds are taken in order of the
input all the same, so that the ramp only rises and every cell of the column has a positive conductance; what falls is
the code: each clock of the conversion has a direction, fixed when the column is designed, and an up/down counter adds
it while the ramp is still below the input,

    code = start + sum_j direction_j [T_j < input].

The other way, ramp cells of negative sign, would follow the inverse function branch by branch: that needs a second
reset and bias phase for every branch, drivers of both signs, and a counter that knows the branch as well. An up/down
counter needs one stored bit a clock, shared by all columns, and the errors of the ramp accumulate from the same end
for all codes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq, minimize_scalar

from cosim.errors import CosimError

Array = NDArray[np.float64]

GRID = 4097  # points at which a function is looked at; crossings that lie closer together in pairs are not seen
MOST_THRESHOLDS = 1023
MOST_HALVINGS = 2500  # of an interval between two doubles, until a crossing is found
# [LSB] A function that touches a level and turns back within this crosses it twice for nothing: the pair is left out.
SMALLEST_BUMP = 0.05


@dataclass(frozen=True)
class ActivationFunction:
    """A function g of the MAC result, its range, and the inputs over which the code spans that range.

    Attributes
    ----------
    name: as in files and on the command line.
    low, high: limits of g; the code spans them.
    value: g(x).
    inverse: g^-1(y) for low < y < high of a function that rises everywhere, in closed form; None where there is none:
        the thresholds are then found on x_low .. x_high by bracketing.
    x_low, x_high: inputs within which the thresholds lie, in units of the MAC result.
    """

    name: str
    low: float
    high: float
    value: Callable[[Array], Array]
    inverse: Callable[[Array], Array] | None
    x_low: float = -np.inf
    x_high: float = np.inf

    def slope(self, x: Array) -> Array:
        """g'(x) by a central difference, for turning an input error into an output error."""
        step = 1e-5
        return (self.value(x + step) - self.value(x - step)) / (2 * step)


def on_range(
    name: str, value: Callable[[Array], Array], x_low: float, x_high: float,
    inverse: Callable[[Array], Array] | None = None,
) -> ActivationFunction:  # fmt: skip
    """The function on x_low .. x_high; its range is the least and the largest value it has there.

    Raises CosimError when it is constant, or not finite somewhere.
    """
    grid = np.linspace(x_low, x_high, GRID)
    y = _finite(value, grid)
    low, high = _least(value, grid, y), -_least(lambda x: -value(x), grid, -y)
    if not high - low > 1e-12 * max(abs(low), abs(high), 1.0):
        raise CosimError("this function is constant on its range", key="function", value=name)
    return ActivationFunction(name, low, high, value, inverse, x_low, x_high)


def _finite(value: Callable[[Array], Array], x: Array) -> Array:
    y = np.asarray(value(x), dtype=np.float64)
    if not np.isfinite(y).all():
        at = float(x[~np.isfinite(y)][0])
        raise CosimError(
            "this function has no finite value everywhere on its range", key="x_range", value=f"x = {at:g}"
        )
    return y


def _least(value: Callable[[Array], Array], grid: Array, y: Array) -> float:
    """The least value of a function that is known on a grid."""
    n = int(y.argmin())
    if n in (0, len(grid) - 1):
        return float(y[n])
    found = minimize_scalar(
        lambda x: float(value(np.array(x))), bounds=(grid[n - 1], grid[n + 1]), method="bounded",
        options={"xatol": 1e-10 * (grid[-1] - grid[0])},
    )  # fmt: skip
    return min(float(found.fun), float(y[n]))


@dataclass(frozen=True, eq=False)
class Staircase:
    """Thresholds of a function at a number of bits, in order of the input.

    Attributes
    ----------
    thresholds: x_j in units of the MAC result, shape (N,), not falling.
    level: number k of the decision level y_k that g crosses there, 1 .. 2^bits - 1; shape (N,).
    direction: +1 where g rises through it, -1 where it falls; shape (N,).
    start: code below all thresholds.
    """

    thresholds: Array
    level: NDArray[np.int64]
    direction: NDArray[np.int64]
    start: int

    @property
    def rising(self) -> bool:
        """One threshold a code: the number of thresholds below an input is its code."""
        return self.start == 0 and bool((self.direction > 0).all())

    @property
    def code_above(self) -> NDArray[np.int64]:
        """Code between threshold j and the next, shape (N,)."""
        return np.asarray(self.start + np.cumsum(self.direction))

    def codes(self, counts: NDArray[np.integer]) -> NDArray[np.int64]:
        """Codes of inputs that have `counts` of the thresholds, in order, below them; any shape."""
        return np.concatenate([[self.start], self.code_above])[counts]


def code_levels(function: ActivationFunction, bits: int) -> Array:
    """Decision levels y_k = low + (high - low) k / 2^bits, k = 1 .. 2^bits - 1; shape (2^bits - 1,)."""
    codes = 1 << bits
    return function.low + (function.high - function.low) * np.arange(1, codes) / codes


@lru_cache(maxsize=256)
def staircase(function: ActivationFunction, bits: int) -> Staircase:
    """The thresholds of a function. Raises CosimError when it has too many of them, or two at the same input."""
    levels = code_levels(function, bits)
    number = np.arange(1, 1 << bits)
    if function.inverse is not None:
        return Staircase(np.asarray(function.inverse(levels)), number, np.ones_like(number), 0)
    grid = np.linspace(function.x_low, function.x_high, GRID)
    above = _finite(function.value, grid)[:, None] > levels
    where, k = np.nonzero(above[1:] != above[:-1])
    if len(where) > MOST_THRESHOLDS:
        raise CosimError(
            "this function crosses the levels of the code too often; take a smaller x_range or fewer bits",
            key="function", value=f"{len(where)} thresholds", allowed=f"at most {MOST_THRESHOLDS}",
        )  # fmt: skip
    direction = np.where(above[where + 1, k], 1, -1)
    x = np.array(
        [_crossing(function, levels[j], grid[n], grid[n + 1]) for n, j in zip(where, k, strict=True)], dtype=np.float64
    )
    order = np.lexsort((direction * k, x))
    x, level, direction = x[order], k[order] + 1, direction[order]
    kept = _without_small_bumps(function, bits, x, level, direction)
    return Staircase(x[kept], level[kept], direction[kept], int(above[0].sum()))


def _crossing(function: ActivationFunction, level: float, left: float, right: float) -> float:
    def difference(x: float) -> float:
        return float(function.value(np.array(x))) - level

    if difference(left) == 0.0:  # touches the level at the grid's point: the code changes just beyond it
        return float(left)
    return float(brentq(difference, left, right, xtol=1e-14, rtol=1e-14, maxiter=MOST_HALVINGS))


def _without_small_bumps(
    function: ActivationFunction, bits: int, x: Array, level: NDArray[np.int64], direction: NDArray[np.int64]
) -> NDArray[np.bool_]:
    kept = np.ones(len(x), dtype=bool)
    lsb = (function.high - function.low) / (1 << bits)
    levels = code_levels(function, bits)
    n = 0
    while n + 1 < len(x):
        if level[n] == level[n + 1] and direction[n] == -direction[n + 1]:
            between = function.value(np.linspace(x[n], x[n + 1], 65))
            if np.abs(between - levels[level[n] - 1]).max() < SMALLEST_BUMP * lsb:
                kept[n : n + 2] = False
                n += 1
        n += 1
    return kept


def ideal_thresholds(function: ActivationFunction, bits: int) -> Array:
    """Inputs at which the code steps, in units of the MAC result, not falling; of a rising function x_k = g^-1(y_k).

    Shape (thresholds,), which is (2^bits - 1,) for a function that only rises over its whole range.
    """
    return staircase(function, bits).thresholds


def levels_at_thresholds(function: ActivationFunction, bits: int) -> Array:
    """The decision level that belongs to each threshold, shape (thresholds,)."""
    return np.asarray(code_levels(function, bits)[staircase(function, bits).level - 1])


def output_error(function: ActivationFunction, bits: int, x: Array) -> Array:
    """INL [LSB]: (g(x_j) - y_j) / LSB for actual thresholds x of shape (..., thresholds)."""
    lsb = (function.high - function.low) / (1 << bits)
    return np.asarray((function.value(x) - levels_at_thresholds(function, bits)) / lsb)


def differential_error(function: ActivationFunction, bits: int, x: Array) -> Array:
    """DNL [LSB] of the codes between two thresholds, shape (..., thresholds - 1).

    Of a rising function (g(x_k+1) - g(x_k)) / LSB - 1; in general the width, counted along the direction in which the
    code goes, against the ideal one. Where the code turns round, its interval ends at the level where it began; the
    ideal width is then 0, and the error is that of one end against the other.
    """
    lsb = (function.high - function.low) / (1 << bits)
    width = np.diff(function.value(x), axis=-1) / lsb
    stairs = staircase(function, bits)
    if stairs.rising:
        return np.asarray(width - 1.0)
    return np.asarray((width - np.diff(stairs.level)) * stairs.direction[:-1])


def lsb_at_thresholds(function: ActivationFunction, bits: int) -> Array:
    """Input width of one output LSB at each ideal threshold, LSB / |g'(x_j)|, in units of the MAC result.

    Shape (thresholds,). It turns a small error of a threshold into one of the output. Near an extremum, where g' is
    small, it is no more than ten times the distance to the next threshold.
    """
    lsb = (function.high - function.low) / (1 << bits)
    stairs = staircase(function, bits)
    width = lsb / np.maximum(np.abs(function.slope(stairs.thresholds)), 1e-300)
    steps = np.diff(stairs.thresholds)
    nearest = np.minimum(np.append(steps, np.inf), np.insert(steps, 0, np.inf))
    return np.asarray(np.minimum(width, 10.0 * nearest))


def missing_codes(ideal: Array, x: Array, direction: NDArray[np.int64], start: int) -> int:
    """How many codes have less than a tenth of their width (DNL below -0.9, as IEEE Std 1241 counts missing codes).

    `ideal` and `x`: ideal and actual thresholds in one unit, shape (thresholds,), with the `direction` of each; the
    actual ones in any order. A code's width is that of all inputs that get it; the first and the last have no end.
    """

    def widths(thresholds: Array) -> dict[int, float]:
        order = np.argsort(thresholds, kind="stable")
        codes = [start, *(start + np.cumsum(direction[order])).tolist()]
        ends = np.concatenate([[-np.inf], thresholds[order], [np.inf]])
        total: dict[int, float] = {}
        for code, width in zip(codes, np.diff(ends).tolist(), strict=True):
            total[code] = total.get(code, 0.0) + width
        return total

    wanted, had = widths(ideal), widths(x)
    return sum(
        1 for code, width in wanted.items() if had.get(code, 0.0) < 0.1 * width and not np.isinf(had.get(code, 0))
    )
