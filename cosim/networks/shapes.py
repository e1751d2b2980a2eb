"""Digital operations that move values and compute nothing: shapes, slices, joining. Arguments as in PyTorch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cosim.errors import CosimError


def _sizes(given: tuple[Any, ...]) -> tuple[int, ...]:
    """x.view(2, 3) and x.view((2, 3)) mean the same."""
    sizes = given[0] if len(given) == 1 and isinstance(given[0], tuple | list) else given
    return tuple(int(each) for each in sizes)


def reshape(input: NDArray, *shape: Any) -> NDArray:
    """The values in another shape, in the order of the last dimension fastest."""
    return np.reshape(input, _sizes(shape))


def flatten(input: NDArray, start_dim: int = 0, end_dim: int = -1) -> NDArray:
    """Dimensions from the first to the last one named become one."""
    first, last = start_dim % input.ndim, end_dim % input.ndim
    size = int(np.prod(input.shape[first : last + 1]))
    return np.reshape(input, (*input.shape[:first], size, *input.shape[last + 1 :]))


def unflatten(input: NDArray, dim: int, sizes: Sequence[int]) -> NDArray:
    """One dimension becomes several; one of them may be -1."""
    at = dim % input.ndim
    parts = np.empty(input.shape[at]).reshape(tuple(sizes)).shape
    return np.reshape(input, (*input.shape[:at], *parts, *input.shape[at + 1 :]))


def permute(input: NDArray, *dims: Any) -> NDArray:
    """Dimensions in another order."""
    return np.transpose(input, _sizes(dims))


def transpose(input: NDArray, dim0: int, dim1: int) -> NDArray:
    """Two dimensions change places."""
    return np.swapaxes(input, dim0, dim1)


def t(input: NDArray) -> NDArray:
    """Rows become columns."""
    return input.T


def squeeze(input: NDArray, dim: Any = None) -> NDArray:
    """Without dimensions of size 1; of one that is not, nothing changes."""
    if dim is None:
        return np.squeeze(input)
    named = tuple(each % input.ndim for each in (dim if isinstance(dim, tuple | list) else (dim,)))
    return np.squeeze(input, tuple(each for each in named if input.shape[each] == 1))


def unsqueeze(input: NDArray, dim: int) -> NDArray:
    """One more dimension of size 1."""
    return np.expand_dims(input, dim)


def expand(input: NDArray, *sizes: Any) -> NDArray:
    """Dimensions of size 1 repeated; -1 leaves one as it is."""
    wanted = _sizes(sizes)
    own = (1,) * (len(wanted) - input.ndim) + input.shape
    return np.broadcast_to(input, tuple(b if a == -1 else a for a, b in zip(wanted, own, strict=True)))


def repeat(input: NDArray, *repeats: Any) -> NDArray:
    """The whole, repeated along each dimension."""
    return np.tile(input, _sizes(repeats))


def cat(tensors: Sequence[NDArray], dim: int = 0) -> NDArray:
    """Arrays joined along a dimension."""
    return np.concatenate(tensors, axis=dim)


def stack(tensors: Sequence[NDArray], dim: int = 0) -> NDArray:
    """Arrays joined along a new dimension."""
    return np.stack(tensors, axis=dim)


def chunk(input: NDArray, chunks: int, dim: int = 0) -> tuple[NDArray, ...]:
    """Parts of equal size but for the last one."""
    return split(input, max(1, -(-input.shape[dim] // chunks)), dim)


def split(input: NDArray, split_size: Any, dim: int = 0) -> tuple[NDArray, ...]:
    """Parts of a size, or of several sizes."""
    length = input.shape[dim]
    if isinstance(split_size, tuple | list):
        if sum(split_size) != length:
            raise CosimError(f"parts of {list(split_size)} are not {length} together", key="split_size")
        ends = np.cumsum(split_size)[:-1]
    else:
        ends = np.arange(split_size, length, split_size)
    return tuple(np.split(input, ends, axis=dim))


def unbind(input: NDArray, dim: int = 0) -> tuple[NDArray, ...]:
    """The parts along a dimension, without it."""
    return tuple(np.moveaxis(input, dim, 0))


def select(input: NDArray, dim: int, index: int) -> NDArray:
    """One place of a dimension."""
    return np.asarray(np.moveaxis(input, dim, 0)[index])


def narrow(input: NDArray, dim: int, start: int, length: int) -> NDArray:
    """So many places of a dimension from one on."""
    at: list[Any] = [slice(None)] * input.ndim
    at[dim] = slice(start, start + length)
    return input[tuple(at)]


def flip(input: NDArray, *dims: Any) -> NDArray:
    """The other way round along dimensions."""
    return np.flip(input, _sizes(dims))


def pad(input: NDArray, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> NDArray:
    """Values around: (before, after) of the last dimension, then of the one before it, and so on; negative: cut."""
    around = [(0, 0)] * input.ndim
    for n in range(len(pad) // 2):
        around[input.ndim - 1 - n] = (int(pad[2 * n]), int(pad[2 * n + 1]))
    cut = tuple(slice(max(0, -a), size - max(0, -b)) for (a, b), size in zip(around, input.shape, strict=True))
    rest = [(max(a, 0), max(b, 0)) for a, b in around]
    if mode == "constant":
        return np.pad(input[cut], rest, constant_values=input.dtype.type(0 if value is None else value))
    return surrounded(input[cut], rest, mode)


def surrounded(values: NDArray, around: Sequence[tuple[int, int]], mode: str) -> NDArray:
    """Values with (before, after) of each dimension around them: "reflect", "replicate" or "circular".

    Raises CosimError where there is more around than the values can be reflected or repeated into, as PyTorch does.
    """
    modes: dict[str, Any] = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}
    if mode not in modes:
        raise CosimError("unknown padding", key="mode", value=mode, allowed=["constant", *modes])
    for size, sides in zip(values.shape, around, strict=True):
        most = {"reflect": size - 1, "circular": size}.get(mode)
        if most is not None and max(sides) > max(most, 0):
            raise CosimError(f"padding of {max(sides)} is too much for {size} values", key=mode, value=max(sides),
                             allowed=f"at most {max(most, 0)}")  # fmt: skip
    return np.pad(values, around, mode=modes[mode])


def size(input: NDArray, dim: int | None = None) -> Any:
    """The shape, or one of its numbers."""
    return input.shape if dim is None else input.shape[dim]


def getitem(input: Any, index: Any) -> Any:
    """Part of an array, or of a tuple."""
    return input[index]


def attribute(input: Any, name: str) -> Any:
    """What a network may ask of an array: its shape, its type of numbers."""
    if name in ("shape", "dtype", "ndim", "T", "values", "indices") and hasattr(input, name):
        return getattr(input, name)
    if name == "device":
        return "cpu"
    raise CosimError("this property of an array is not known", key=name, allowed="shape, dtype, ndim, T, device")


def identity(input: Any, *others: Any, **named: Any) -> Any:
    """What changes nothing here: dropout in inference, contiguous(), detach()."""
    del others, named
    return input


def zeros(*size: Any, dtype: Any = None, device: Any = None) -> NDArray:
    """Zeros of a shape, float32 unless told otherwise."""
    del device
    return np.zeros(_sizes(size), np.float32 if dtype is None else dtype)


def new_zeros(input: NDArray, *size: Any, dtype: Any = None, device: Any = None) -> NDArray:
    """Zeros of another shape and an array's type."""
    del device
    return np.zeros(_sizes(size), input.dtype if dtype is None else dtype)


def zeros_like(input: NDArray, dtype: Any = None, device: Any = None) -> NDArray:
    """Zeros of an array's shape."""
    del device
    return np.zeros_like(input, dtype=dtype)


def ones_like(input: NDArray, dtype: Any = None, device: Any = None) -> NDArray:
    """Ones of an array's shape."""
    del device
    return np.ones_like(input, dtype=dtype)


SHAPES: dict[str, Callable[..., Any]] = {
    "reshape": reshape,
    "view": reshape,
    "flatten": flatten,
    "unflatten": unflatten,
    "permute": permute,
    "transpose": transpose,
    "swapaxes": transpose,
    "t": t,
    "squeeze": squeeze,
    "unsqueeze": unsqueeze,
    "expand": expand,
    "repeat": repeat,
    "cat": cat,
    "concat": cat,
    "stack": stack,
    "chunk": chunk,
    "split": split,
    "unbind": unbind,
    "select": select,
    "narrow": narrow,
    "flip": flip,
    "pad": pad,
    "size": size,
    "dim": np.ndim,
    "getitem": getitem,
    "getattr": attribute,
    "identity": identity,
    "zeros": zeros,
    "new_zeros": new_zeros,
    "zeros_like": zeros_like,
    "ones_like": ones_like,
}
