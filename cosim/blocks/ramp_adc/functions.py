"""Activation functions that a ramp can be shaped for: each knows its inverse and its range."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cosim.errors import CosimError, did_you_mean

Array = NDArray[np.float64]


@dataclass(frozen=True)
class ActivationFunction:
    """A function g with its inverse on the open range (low, high).

    Attributes
    ----------
    name: as in files and on the command line.
    low, high: limits of g; the code spans them.
    value: g(x).
    inverse: g^-1(y) for low < y < high; None for a function that is not monotonic.
    """

    name: str
    low: float
    high: float
    value: Callable[[Array], Array]
    inverse: Callable[[Array], Array] | None

    @property
    def monotonic(self) -> bool:
        return self.inverse is not None

    def slope(self, x: Array) -> Array:
        """g'(x) by a central difference, for turning an input error into an output error."""
        step = 1e-5
        return (self.value(x + step) - self.value(x - step)) / (2 * step)


def _sigmoid(x: Array) -> Array:
    return 1.0 / (1.0 + np.exp(-np.asarray(x, dtype=np.float64)))


def _logit(y: Array) -> Array:
    return np.log(y / (1.0 - y))


def _gelu(x: Array) -> Array:
    from scipy.special import ndtr

    return np.asarray(x * ndtr(x))


FUNCTIONS: dict[str, ActivationFunction] = {
    "sigmoid": ActivationFunction("sigmoid", 0.0, 1.0, _sigmoid, _logit),
    "tanh": ActivationFunction("tanh", -1.0, 1.0, lambda x: np.tanh(x), lambda y: np.arctanh(y)),
    # The straight ramp is the yardstick: an ordinary converter over -1 .. 1.
    "linear": ActivationFunction("linear", -1.0, 1.0, lambda x: np.asarray(x) * 1.0, lambda y: np.asarray(y) * 1.0),
    # Known but without an inverse: a single rising ramp cannot make them.
    "gelu": ActivationFunction("gelu", -0.17, 1.0, _gelu, None),
    "silu": ActivationFunction("silu", -0.2785, 1.0, lambda x: x * _sigmoid(x), None),
}


def get_function(name: str) -> ActivationFunction:
    """The activation function of that name.

    Raises CosimError for an unknown name, and for a function that is not monotonic: a ramp that only rises has one
    threshold a code, so it can follow a monotonic function only.
    """
    usable = [each.name for each in FUNCTIONS.values() if each.monotonic]
    function = FUNCTIONS.get(name)
    if function is None:
        raise CosimError(
            f"there is no such activation function.{did_you_mean(name, usable)}",
            key="function",
            value=name,
            allowed=usable,
        )
    if not function.monotonic:
        raise CosimError(
            "this function is not monotonic, and a rising ramp has one threshold a code",
            key="function",
            value=name,
            allowed=usable,
        )
    return function


def code_levels(function: ActivationFunction, bits: int) -> Array:
    """Decision levels y_k = low + (high - low) k / 2^bits, k = 1 .. 2^bits - 1; shape (2^bits - 1,)."""
    codes = 1 << bits
    return function.low + (function.high - function.low) * np.arange(1, codes) / codes


def ideal_thresholds(function: ActivationFunction, bits: int) -> Array:
    """Inputs x_k = g^-1(y_k) at which the code steps, in units of the MAC result; shape (2^bits - 1,)."""
    assert function.inverse is not None
    return np.asarray(function.inverse(code_levels(function, bits)))


def output_error(function: ActivationFunction, bits: int, x: Array) -> Array:
    """INL [LSB]: (g(x_k) - y_k) 2^bits / (high - low) for actual thresholds x of shape (..., 2^bits - 1)."""
    lsb = (function.high - function.low) / (1 << bits)
    return np.asarray((function.value(x) - code_levels(function, bits)) / lsb)


def differential_error(function: ActivationFunction, bits: int, x: Array) -> Array:
    """DNL [LSB] of the codes between two thresholds: (g(x_k+1) - g(x_k)) / LSB - 1; shape (..., 2^bits - 2)."""
    lsb = (function.high - function.low) / (1 << bits)
    return np.asarray(np.diff(function.value(x), axis=-1) / lsb - 1.0)


def lsb_at_thresholds(function: ActivationFunction, bits: int) -> Array:
    """Input width of one output LSB at each ideal threshold, LSB / g'(x_k), in units of the MAC result.

    Shape (2^bits - 1,). It turns a small error of a threshold into one of the output.
    """
    lsb = (function.high - function.low) / (1 << bits)
    return np.asarray(lsb / function.slope(ideal_thresholds(function, bits)))
