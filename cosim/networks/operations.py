"""Digital operations between the tiles, by the names and with the arguments of PyTorch's functions, on NumPy arrays.

Real numbers stay float32 (or whatever came in), as in PyTorch. What computes is counted, one operation a value of the
result (of `GATHERING` a value taken); what only moves values (`shapes`) is not.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special

from cosim.errors import CosimError
from cosim.networks import pooling
from cosim.networks.shapes import SHAPES

Dims = int | tuple[int, ...] | list[int] | None


def _axes(dim: Dims) -> int | tuple[int, ...] | None:
    return tuple(dim) if isinstance(dim, list | tuple) else dim


def add(input: Any, other: Any, *, alpha: float = 1) -> Any:
    """input + alpha other."""
    return input + (other if alpha == 1 else alpha * other)


def sub(input: Any, other: Any, *, alpha: float = 1) -> Any:
    """input - alpha other."""
    return input - (other if alpha == 1 else alpha * other)


def div(input: Any, other: Any) -> Any:
    """input / other; of two whole numbers a float, of arrays of whole numbers float32."""
    found = operator.truediv(input, other)
    whole = all(not np.issubdtype(np.asarray(each).dtype, np.floating) for each in (input, other))
    return found.astype(np.float32) if isinstance(found, np.ndarray) and whole else found


def mean(input: NDArray, dim: Dims = None, keepdim: bool = False) -> NDArray:
    """Mean over dimensions, or over all."""
    return np.asarray(np.mean(input, axis=_axes(dim), keepdims=keepdim))


def sum_(input: NDArray, dim: Dims = None, keepdim: bool = False) -> NDArray:
    """Sum over dimensions, or over all."""
    return np.asarray(np.sum(input, axis=_axes(dim), keepdims=keepdim))


def amax(input: NDArray, dim: Dims = None, keepdim: bool = False) -> NDArray:
    """Largest value over dimensions, or over all."""
    return np.asarray(np.max(input, axis=_axes(dim), keepdims=keepdim))


def amin(input: NDArray, dim: Dims = None, keepdim: bool = False) -> NDArray:
    """Smallest value over dimensions, or over all."""
    return np.asarray(np.min(input, axis=_axes(dim), keepdims=keepdim))


class Extreme(NamedTuple):
    """Largest or smallest values along a dimension and their places, as torch.max gives them."""

    values: NDArray
    indices: NDArray


def max_(input: NDArray, dim: Any = None, keepdim: bool = False) -> Any:
    """Largest value of all; with a dimension, those along it and their places; with another array, of each two."""
    if isinstance(dim, np.ndarray):
        return np.maximum(input, dim)
    if dim is None:
        return amax(input)
    return Extreme(amax(input, dim, keepdim), argmax(input, dim, keepdim))


def min_(input: NDArray, dim: Any = None, keepdim: bool = False) -> Any:
    """Smallest value, likewise."""
    if isinstance(dim, np.ndarray):
        return np.minimum(input, dim)
    if dim is None:
        return amin(input)
    return Extreme(amin(input, dim, keepdim), np.asarray(np.argmin(input, axis=dim, keepdims=keepdim)))


def argmax(input: NDArray, dim: int | None = None, keepdim: bool = False) -> NDArray:
    """Place of the largest value."""
    return np.asarray(np.argmax(input, axis=dim, keepdims=keepdim))


def clamp(input: NDArray, min: Any = None, max: Any = None) -> NDArray:
    """Within limits."""
    return np.clip(input, min, max)


def relu(input: NDArray) -> NDArray:
    """max(x, 0)."""
    return np.maximum(input, input.dtype.type(0))


def relu6(input: NDArray) -> NDArray:
    """min(max(x, 0), 6)."""
    return np.clip(input, 0, 6)


def hardtanh(input: NDArray, min_val: float = -1.0, max_val: float = 1.0) -> NDArray:
    """x within -1 .. 1."""
    return np.clip(input, min_val, max_val)


def hardsigmoid(input: NDArray) -> NDArray:
    """min(max(x + 3, 0), 6) / 6."""
    return np.clip(input + 3, 0, 6) / 6


def hardswish(input: NDArray) -> NDArray:
    """x hardsigmoid(x)."""
    return input * hardsigmoid(input)


def leaky_relu(input: NDArray, negative_slope: float = 0.01) -> NDArray:
    """x above zero, a fraction of it below."""
    return np.where(input > 0, input, input * input.dtype.type(negative_slope))


def elu(input: NDArray, alpha: float = 1.0) -> NDArray:
    """x above zero, alpha (exp(x) - 1) below."""
    return np.where(input > 0, input, input.dtype.type(alpha) * np.expm1(np.minimum(input, 0)))


def gelu(input: NDArray, approximate: str = "none") -> NDArray:
    """x Phi(x), with the normal distribution Phi, or its approximation by "tanh"."""
    if approximate == "tanh":
        return input * (0.5 + 0.5 * np.tanh(math.sqrt(2 / math.pi) * (input + 0.044715 * input**3)))
    return np.asarray(input * special.ndtr(input))


def silu(input: NDArray) -> NDArray:
    """x sigmoid(x)."""
    return np.asarray(input * special.expit(input))


def softplus(input: NDArray, beta: float = 1, threshold: float = 20) -> NDArray:
    """log(1 + exp(beta x)) / beta; x itself where beta x is above the threshold."""
    scaled = input * beta
    return np.where(scaled > threshold, input, np.logaddexp(0, scaled) / input.dtype.type(beta))


def selu(input: NDArray) -> NDArray:
    """Scaled elu with the constants of G. Klambauer et al., NeurIPS 2017."""
    return input.dtype.type(1.0507009873554805) * elu(input, 1.6732632423543772)


def mish(input: NDArray) -> NDArray:
    """x tanh(softplus(x))."""
    return input * np.tanh(softplus(input))


def logsigmoid(input: NDArray) -> NDArray:
    """log(sigmoid(x))."""
    return np.asarray(special.log_expit(input))


def softmax(input: NDArray, dim: int | None = None, dtype: Any = None) -> NDArray:
    """exp(x) over their sum along a dimension."""
    return np.asarray(special.softmax(_typed(input, dtype), axis=_one_dimension(dim)))


def log_softmax(input: NDArray, dim: int | None = None, dtype: Any = None) -> NDArray:
    """The logarithm of softmax."""
    return np.asarray(special.log_softmax(_typed(input, dtype), axis=_one_dimension(dim)))


def _typed(values: NDArray, dtype: Any) -> NDArray:
    return values if dtype is None else values.astype(dtype)


def _one_dimension(dim: int | None) -> int:
    if dim is None:
        raise CosimError("softmax needs the dimension that it sums over", key="dim")
    return dim


def one_hot(tensor: NDArray, num_classes: int = -1) -> NDArray[np.int64]:
    """1 at the place of each symbol, 0 elsewhere, in one more dimension; CosimError for symbols out of range."""
    _symbols(tensor, num_classes if num_classes > 0 else None)
    if num_classes < 0:
        raise CosimError("one_hot needs the number of classes", key="num_classes", value=num_classes)
    found = np.zeros((*tensor.shape, num_classes), np.int64)
    np.put_along_axis(found, tensor.astype(np.int64)[..., None], 1, axis=-1)
    return found


def embedding(input: NDArray, weight: NDArray) -> NDArray:
    """The row of each symbol; CosimError for symbols out of range."""
    _symbols(input, len(weight))
    return weight[input]


def _symbols(values: NDArray, number: int | None) -> None:
    if not isinstance(values, np.ndarray) or not np.issubdtype(values.dtype, np.integer):
        kind = values.dtype if isinstance(values, np.ndarray) else type(values).__name__
        raise CosimError("symbols are whole numbers", value=str(kind), allowed="an array of integers")
    if number is not None and values.size and not (values.min() >= 0 and values.max() < number):
        wrong = int(values.min() if values.min() < 0 else values.max())
        raise CosimError("there is no such symbol", value=wrong, allowed=f"0 to {number - 1}")


def scale_and_shift(input: NDArray, scale: NDArray, shift: NDArray) -> NDArray:
    """x scale + shift of each channel, the second dimension: a batch norm in inference."""
    if input.ndim < 2 or input.shape[1] != len(scale):
        raise CosimError(f"values of shape {input.shape} do not have {len(scale)} channels")
    shape = (-1, *(1,) * (input.ndim - 2))
    return input * scale.reshape(shape) + shift.reshape(shape)


def layer_norm(
    input: NDArray, normalized_shape: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5
) -> NDArray:
    """(x - mean) / sqrt(variance + eps) over the last dimensions, times weight, plus bias."""
    axes = tuple(range(input.ndim - len(tuple(normalized_shape)), input.ndim))
    if input.shape[input.ndim - len(axes) :] != tuple(normalized_shape):
        raise CosimError(f"values of shape {input.shape} do not end in {tuple(normalized_shape)}")
    centred = input - input.mean(axis=axes, keepdims=True)
    found = centred / np.sqrt((centred**2).mean(axis=axes, keepdims=True) + eps)
    found = found if weight is None else found * weight
    return found if bias is None else found + bias


def to(input: NDArray, *kinds: Any, **named: Any) -> NDArray:
    """As another type of numbers; a device makes no difference."""
    for kind in (*kinds, *named.values()):
        if isinstance(kind, np.ndarray):
            return input.astype(kind.dtype, copy=False)
        if isinstance(kind, np.dtype) or (isinstance(kind, type) and issubclass(kind, np.generic)):
            return input.astype(kind, copy=False)
    return input


def float_(input: NDArray) -> NDArray:
    """As float32."""
    return input.astype(np.float32, copy=False)


def long(input: NDArray) -> NDArray:
    """As int64."""
    return input.astype(np.int64, copy=False)


COMPUTING: dict[str, Callable[..., Any]] = {
    "add": add,
    "sub": sub,
    "mul": operator.mul,
    "div": div,
    "truediv": div,
    "neg": operator.neg,
    "pow": operator.pow,
    "abs": np.abs,
    "exp": np.exp,
    "log": np.log,
    "sqrt": np.sqrt,
    "square": np.square,
    "maximum": np.maximum,
    "minimum": np.minimum,
    "mean": mean,
    "sum": sum_,
    "amax": amax,
    "amin": amin,
    "max": max_,
    "min": min_,
    "argmax": argmax,
    "clamp": clamp,
    "relu": relu,
    "relu6": relu6,
    "hardtanh": hardtanh,
    "hardsigmoid": hardsigmoid,
    "hardswish": hardswish,
    "leaky_relu": leaky_relu,
    "elu": elu,
    "gelu": gelu,
    "silu": silu,
    "softplus": softplus,
    "selu": selu,
    "mish": mish,
    "logsigmoid": logsigmoid,
    "sigmoid": special.expit,
    "tanh": np.tanh,
    "softmax": softmax,
    "log_softmax": log_softmax,
    "scale_and_shift": scale_and_shift,
    "layer_norm": layer_norm,
    "max_pool2d": pooling.max_pool2d,
    "avg_pool2d": pooling.avg_pool2d,
    "adaptive_avg_pool2d": pooling.adaptive_avg_pool2d,
    "adaptive_max_pool2d": pooling.adaptive_max_pool2d,
    "max_pool1d": pooling.max_pool1d,
    "avg_pool1d": pooling.avg_pool1d,
    "adaptive_avg_pool1d": pooling.adaptive_avg_pool1d,
    "adaptive_max_pool1d": pooling.adaptive_max_pool1d,
}

COUNTED = frozenset(COMPUTING)

GATHERING = frozenset(
    {"mean", "sum", "amax", "amin", "max", "min", "argmax", *(name for name in COMPUTING if "_pool" in name)}
)
"""Those whose work goes with the values that they take, not with those that they give."""

OPERATIONS: dict[str, Callable[..., Any]] = {
    **SHAPES,
    **COMPUTING,
    "floordiv": operator.floordiv,
    "mod": operator.mod,
    "one_hot": one_hot,
    "embedding": embedding,
    "to": to,
    "float": float_,
    "long": long,
}
"""Name -> function of arrays, numbers and shapes."""
