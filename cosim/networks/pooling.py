"""Pooling of images (images, channels, height, width) or series (images, channels, length), as torch's functions."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cosim.compiled import compiled
from cosim.errors import CosimError

Pair = tuple[int, int]


def max_pool2d(
    input: NDArray,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> NDArray:
    """Largest value of each window."""
    if return_indices:
        raise CosimError("the places of the largest values are not kept", key="return_indices", value=True)
    kernel, step, around, apart = _pair(kernel_size), _pair(stride or kernel_size), _pair(padding), _pair(dilation)
    images = _images(input)
    span = (apart[0] * (kernel[0] - 1) + 1, apart[1] * (kernel[1] - 1) + 1)
    size = _output_size(images, span, step, around, ceil_mode)
    out = _like(images, size)
    _max_pool(images, *kernel, *step, *around, *apart, out)
    return out


def avg_pool2d(
    input: NDArray,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> NDArray:
    """Mean of each window; zeros of the padding count unless told otherwise."""
    kernel, step, around = _pair(kernel_size), _pair(stride or kernel_size), _pair(padding)
    images = _images(input)
    out = _like(images, _output_size(images, kernel, step, around, ceil_mode))
    _average_pool(images, *kernel, *step, *around, count_include_pad, divisor_override or 0, out)
    return out


def adaptive_avg_pool2d(input: NDArray, output_size: Any) -> NDArray:
    """Mean over windows that cut the image into `output_size` parts: from floor(i H / n) to ceil((i + 1) H / n)."""
    return _adaptive(input, output_size, np.mean)


def adaptive_max_pool2d(input: NDArray, output_size: Any, return_indices: bool = False) -> NDArray:
    """Largest value of the same windows."""
    if return_indices:
        raise CosimError("the places of the largest values are not kept", key="return_indices", value=True)
    return _adaptive(input, output_size, np.max)


def max_pool1d(input: NDArray, kernel_size: Any, stride: Any = None, *others: Any, **named: Any) -> NDArray:
    """The same along one dimension."""
    others = tuple(_along(each, n) for n, each in enumerate(others))
    named = {key: _along(value, 0 if key == "padding" else 1) for key, value in named.items()}
    stride = None if stride is None else (1, _one(stride))
    return max_pool2d(input[:, :, None], (1, _one(kernel_size)), stride, *others, **named)[:, :, 0]


def avg_pool1d(
    input: NDArray,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> NDArray:
    """The same along one dimension."""
    stride = None if stride is None else (1, _one(stride))
    return avg_pool2d(
        input[:, :, None], (1, _one(kernel_size)), stride, (0, _one(padding)), ceil_mode, count_include_pad
    )[:, :, 0]


def adaptive_avg_pool1d(input: NDArray, output_size: Any) -> NDArray:
    """The same along one dimension."""
    return adaptive_avg_pool2d(input[:, :, None], (1, _one(output_size)))[:, :, 0]


def adaptive_max_pool1d(input: NDArray, output_size: Any, return_indices: bool = False) -> NDArray:
    """The same along one dimension."""
    return adaptive_max_pool2d(input[:, :, None], (1, _one(output_size)), return_indices)[:, :, 0]


def _along(value: Any, place: int) -> Any:
    """A setting of one dimension for two: padding (place 0) has nothing before rows, dilation (1) takes every row."""
    return value if isinstance(value, bool) else (place, _one(value))


def _one(value: Any) -> int:
    return int(value[0] if isinstance(value, tuple | list) else value)


def _pair(value: Any) -> Pair:
    first, second = value if isinstance(value, tuple | list) and len(value) == 2 else (_one(value), _one(value))
    return int(first), int(second)


def _images(values: NDArray) -> NDArray:
    if values.ndim != 4:
        raise CosimError(f"values of shape {values.shape} are no images", allowed="(images, channels, height, width)")
    return values


def _like(images: NDArray, size: Pair) -> NDArray:
    """An empty array for the result, the channels fastest in memory where they are in the images."""
    count, channels = images.shape[:2]
    if images.strides[1] == images.itemsize:
        return np.empty((count, *size, channels), images.dtype).transpose(0, 3, 1, 2)
    return np.empty((count, channels, *size), images.dtype)


def _output_size(images: NDArray, span: Pair, step: Pair, around: Pair, up: bool) -> Pair:
    found = []
    for length, window, stride, margin in zip(images.shape[2:], span, step, around, strict=True):
        left = length + 2 * margin - window
        if left < 0:
            raise CosimError(f"a window of {window} pixels is larger than the image of {length} and its margins")
        number = (-(-left // stride) if up else left // stride) + 1
        if up and (number - 1) * stride >= length + margin:  # no window may begin behind the image
            number -= 1
        found.append(number)
    return found[0], found[1]


def _adaptive(values: NDArray, output_size: Any, reduce: Any) -> NDArray:
    images = _images(values)
    wanted = output_size if isinstance(output_size, tuple | list) else (output_size, output_size)
    rows, columns = (size if each is None else int(each) for each, size in zip(wanted, images.shape[2:], strict=True))
    out = _like(images, (rows, columns))
    height, width = images.shape[2:]
    for row in range(rows):
        for column in range(columns):
            window = images[
                :,
                :,
                row * height // rows : -(-(row + 1) * height // rows),
                column * width // columns : -(-(column + 1) * width // columns),
            ]
            out[:, :, row, column] = reduce(window, axis=(2, 3))
    return out


@compiled()
def _max_pool(
    images: NDArray,
    height: int,
    width: int,
    step_y: int,
    step_x: int,
    top: int,
    left: int,
    down: int,
    across: int,
    out: NDArray,
) -> None:
    for n in range(out.shape[0]):
        for row in range(out.shape[2]):
            for column in range(out.shape[3]):
                for channel in range(out.shape[1]):
                    best = -np.inf
                    for i in range(height):
                        y = row * step_y - top + i * down
                        if y < 0 or y >= images.shape[2]:
                            continue
                        for j in range(width):
                            x = column * step_x - left + j * across
                            if 0 <= x < images.shape[3]:
                                best = max(best, images[n, channel, y, x])
                    out[n, channel, row, column] = best


@compiled()
def _average_pool(
    images: NDArray,
    height: int,
    width: int,
    step_y: int,
    step_x: int,
    top: int,
    left: int,
    with_padding: bool,
    divisor: int,
    out: NDArray,
) -> None:
    for n in range(out.shape[0]):
        for row in range(out.shape[2]):
            y_0 = row * step_y - top
            y_1 = min(y_0 + height, images.shape[2] + top)
            for column in range(out.shape[3]):
                x_0 = column * step_x - left
                x_1 = min(x_0 + width, images.shape[3] + left)
                padded = (y_1 - y_0) * (x_1 - x_0)
                rows = range(max(y_0, 0), min(y_1, images.shape[2]))
                columns = range(max(x_0, 0), min(x_1, images.shape[3]))
                over = padded if with_padding else len(rows) * len(columns)
                if divisor > 0:
                    over = divisor
                for channel in range(out.shape[1]):
                    total = 0.0
                    for y in rows:
                        for x in columns:
                            total += images[n, channel, y, x]
                    out[n, channel, row, column] = total / over
