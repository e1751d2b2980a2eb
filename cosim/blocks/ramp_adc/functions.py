"""The activation functions by name: built in, as an expression of the user's, or as a table of the user's.

Sigmoid and tanh span their whole range and the linear converter -1 .. 1. The others have no upper limit, so their
code spans the values they take on a stated range of inputs, which `x_range` replaces:

    relu      -1 .. 1     0 .. 1         no threshold on its flat part: the first lies one LSB above zero
    softplus  -4 .. 4     0.018 .. 4.018
    exp       -4 .. 0     0.018 .. 1     numerators of a softmax after the maximum has been taken off
    gelu      -4 .. 4     -0.170 .. 4.000
    silu      -4 .. 4     -0.278 .. 3.928

Below the range of inputs the code stays at its first, above it at its last value.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from cosim.blocks.ramp_adc.curve import Points, check_points, curve_through
from cosim.blocks.ramp_adc.expression import parse_expression
from cosim.blocks.ramp_adc.staircase import (
    ActivationFunction,
    Staircase,
    code_levels,
    differential_error,
    ideal_thresholds,
    levels_at_thresholds,
    lsb_at_thresholds,
    missing_codes,
    on_range,
    output_error,
    staircase,
)
from cosim.errors import CosimError, did_you_mean

__all__ = [
    "EXPRESSION",
    "FUNCTIONS",
    "TABLE",
    "ActivationFunction",
    "Staircase",
    "code_levels",
    "differential_error",
    "get_function",
    "ideal_thresholds",
    "levels_at_thresholds",
    "lsb_at_thresholds",
    "missing_codes",
    "output_error",
    "staircase",
]

Array = NDArray[np.float64]
Range = tuple[float, float]

EXPRESSION = "expr:"
TABLE = "table:"


def _sigmoid(x: Array) -> Array:
    return 1.0 / (1.0 + np.exp(-np.asarray(x, dtype=np.float64)))


def _logit(y: Array) -> Array:
    return np.log(y / (1.0 - y))


def _gelu(x: Array) -> Array:
    from scipy.special import ndtr

    return np.asarray(x * ndtr(x))


def _relu(x: Array) -> Array:
    return np.maximum(np.asarray(x, dtype=np.float64), 0.0)


def _softplus(x: Array) -> Array:
    return np.logaddexp(0.0, np.asarray(x, dtype=np.float64))


FUNCTIONS: dict[str, ActivationFunction] = {
    "sigmoid": ActivationFunction("sigmoid", 0.0, 1.0, _sigmoid, _logit),
    "tanh": ActivationFunction("tanh", -1.0, 1.0, lambda x: np.tanh(x), lambda y: np.arctanh(y)),
    # The straight ramp is the yardstick: an ordinary converter over -1 .. 1.
    "linear": ActivationFunction("linear", -1.0, 1.0, lambda x: np.asarray(x) * 1.0, lambda y: np.asarray(y) * 1.0),
    "relu": on_range("relu", _relu, -1.0, 1.0, lambda y: np.asarray(y) * 1.0),
    "softplus": on_range("softplus", _softplus, -4.0, 4.0, lambda y: np.log(np.expm1(y))),
    "exp": on_range("exp", lambda x: np.exp(x), -4.0, 0.0, lambda y: np.log(y)),
    "gelu": on_range("gelu", _gelu, -4.0, 4.0),
    "silu": on_range("silu", lambda x: np.asarray(x * _sigmoid(x)), -4.0, 4.0),
}


@lru_cache(maxsize=256)
def get_function(name: str, x_range: Range | None = None, points: Points | None = None) -> ActivationFunction:
    """The activation function of that name.

    Parameters
    ----------
    name: one of `FUNCTIONS`, "expr: 1/(1+exp(-x))" or "table: FILE.csv".
    x_range: inputs over which the code spans the function, in units of the MAC result; None: the function's own. An
        expression needs one.
    points: of the table (`curve.read_points`); a table's range is that of its points.

    Raises CosimError for an unknown name, a faulty expression or table, and a range on which the function is constant
    or not finite.
    """
    if x_range is not None and not (np.isfinite(x_range).all() and x_range[0] < x_range[1]):
        raise CosimError("this is no range", key="x_range", value=list(x_range), allowed="[low, high], low < high")
    if name.startswith(EXPRESSION):
        expression = parse_expression(name.removeprefix(EXPRESSION))
        if x_range is None:
            raise CosimError(
                "an expression needs the range of inputs that its code spans", key="x_range", allowed="e.g. [-4, 4]"
            )
        return on_range(name, expression, *x_range)
    if name.startswith(TABLE):
        if points is None:
            raise CosimError("the points of this table are not given", key="points", value=name)
        check_points(points)
        first, last = points[0][0], points[-1][0]
        if x_range is not None and not (first <= x_range[0] and x_range[1] <= last):
            raise CosimError(
                "the table does not reach so far", key="x_range", value=list(x_range), allowed=f"{first:g} to {last:g}"
            )
        return on_range(name, curve_through(points), *(x_range or (first, last)))
    function = FUNCTIONS.get(name)
    if function is None:
        raise CosimError(
            f"there is no such activation function.{did_you_mean(name, FUNCTIONS)}",
            key="function",
            value=name,
            allowed=[*FUNCTIONS, f"'{EXPRESSION} ...' of x", f"'{TABLE} FILE.csv'"],
        )
    if x_range is None:
        return function
    return on_range(name, function.value, *x_range, function.inverse)
