"""Convolution as products of patches: each output pixel is one vector through the matrix.

Rows of the matrix: (row of the kernel, column of the kernel, channel), the channel fastest, so that a patch is copied
in long runs. Values are (images, channels, height, width) in shape and lie with the channels fastest in memory, which
element-wise operations keep. Groups share the matrix of their bundle, block-diagonal: as many groups as fit a tile.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from cosim.errors import CosimError
from cosim.networks.layers.protocol import MatrixWeights, Plan, Products, Values, real, wrong_shape
from cosim.networks.shapes import surrounded
from cosim.tiles.grid import Patches

PIECE = 2**23  # values of the patches that are gathered at once, 32 MiB

Pair = tuple[int, int]


@dataclass(frozen=True)
class Conv2d:
    """Weights of a convolution, as torch.nn.Conv2d's.

    Attributes
    ----------
    weight: (outputs, inputs / groups, kernel height, kernel width).
    bias: (outputs,) or None.
    stride, dilation: of rows and columns.
    padding: (rows before, rows after, columns before, columns after).
    padding_mode: what is put around: zeros, or the image "reflect"ed, its edge "replicate"d, or itself ("circular").
    one_dimensional: a convolution along the last dimension: values (images, channels, length).
    """

    weight: NDArray[np.floating]
    bias: NDArray[np.floating] | None = None
    stride: Pair = (1, 1)
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    dilation: Pair = (1, 1)
    groups: int = 1
    padding_mode: Literal["zeros", "reflect", "replicate", "circular"] = "zeros"
    one_dimensional: bool = False
    kind = "conv2d"

    def bind(self, name: str, plan: Plan) -> ConvLayer:
        """The layer; one matrix of its name, or NAME.g0, NAME.g8 ... when its groups need several bundles."""
        return ConvLayer(name, self, plan)

    def scaled(self, scale: NDArray[np.floating], shift: NDArray[np.floating]) -> Conv2d:
        """The convolution followed by y scale + shift, of each output channel."""
        bias = 0.0 if self.bias is None else np.asarray(self.bias, np.float64)
        weight = np.asarray(self.weight, np.float64) * np.asarray(scale, np.float64)[:, None, None, None]
        return replace(self, weight=weight, bias=bias * scale + shift)


class ConvLayer:
    """Convolution of (images, channels, height, width)."""

    def __init__(self, name: str, weights: Conv2d, plan: Plan) -> None:
        outputs, per_group, *kernel = weights.weight.shape
        self.name, self.weights, self.kernel = name, weights, (kernel[0], kernel[1])
        self.inputs, self.outputs = per_group * weights.groups, outputs
        self.bias = None if weights.bias is None else np.asarray(weights.bias, np.float32)
        self.matrices: Mapping[str, MatrixWeights] = dict(self._bundles(plan))

    def _bundles(self, plan: Plan) -> Iterator[tuple[str, MatrixWeights]]:
        groups, outputs = self.weights.groups, self.outputs // self.weights.groups
        kernels = np.asarray(self.weights.weight, np.float64).transpose(2, 3, 1, 0)  # rows, columns, inputs, outputs
        height, width, inputs, _ = kernels.shape
        together = 1
        if plan.rows is not None and plan.columns is not None:
            together = max(1, min(plan.rows // (height * width * inputs), plan.columns // outputs, groups))
        self.bundles: list[tuple[str, int, int]] = []  # matrix, first group, groups
        for first in range(0, groups, together):
            count = min(together, groups - first)
            matrix = np.zeros((height, width, count * inputs, count * outputs))
            for n in range(count):
                block = kernels[..., (first + n) * outputs : (first + n + 1) * outputs]
                matrix[:, :, n * inputs : (n + 1) * inputs, n * outputs : (n + 1) * outputs] = block
            name = self.name if count == groups else f"{self.name}.g{first}"
            self.bundles.append((name, first, count))
            yield name, MatrixWeights(matrix.reshape(-1, count * outputs))

    def forward(self, run: Products, *arguments: Any) -> Values:
        """(images, channels, height, width) to (images, outputs, height, width)."""
        flat = self.weights.one_dimensional
        allowed = f"(images, {self.inputs}, {'length' if flat else 'height, width'})"
        images = real(self.name, arguments[0], allowed)
        if flat and images.ndim == 3:
            images = images[:, :, None]
        single = images.ndim == 3 and not flat
        if single:
            images = images[None]
        if images.ndim != 4 or images.shape[1] != self.inputs:
            raise wrong_shape(self.name, np.shape(arguments[0]), allowed)
        images = images.transpose(0, 2, 3, 1)
        found = self._by_grids(run, images)
        if found is None:
            found = self._convolved(run, self._padded(images))
            if self.bias is not None:
                found += self.bias
        if self.bias is not None:
            run.count(self.name, "add", found.size)
        result = found.transpose(0, 3, 1, 2)
        return result[:, :, 0] if flat else result[0] if single else result

    def _by_grids(self, run: Products, images: Values) -> Values | None:
        """The convolution of (images, height, width, inputs), bias included, where all tiles are in grids: these read
        patches from where they lie."""
        grids = [run.grid(name) for name, _, _ in self.bundles]
        if any(grid is None for grid in grids):
            return None
        weights, padding = self.weights, self.weights.padding
        if weights.padding_mode != "zeros":
            images, padding = self._padded(images), (0, 0, 0, 0)
        patches = Patches(self.kernel, weights.stride, padding, weights.dilation)
        try:
            rows, columns = patches.places(*images.shape[1:3])
        except CosimError as error:
            raise CosimError(error.message, key=self.name, allowed=error.allowed) from error
        inputs, outputs = self.inputs // weights.groups, self.outputs // weights.groups
        parts = []
        for (name, first, groups), grid in zip(self.bundles, grids, strict=True):
            rng = run.passed(name, len(images) * rows * columns)
            channels = images[..., first * inputs : (first + groups) * inputs]
            bias = 0.0 if self.bias is None else self.bias[first * outputs : (first + groups) * outputs]
            parts.append(grid.images(channels, patches, rng, bias))  # type: ignore[union-attr]
        return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=3)

    def _padded(self, images: Values) -> Values:
        """(images, height, width, channels), with what lies around, the channels fastest in memory."""
        top, bottom, left, right = self.weights.padding
        if not any(self.weights.padding):
            return np.ascontiguousarray(images)
        around = ((0, 0), (top, bottom), (left, right), (0, 0))
        if self.weights.padding_mode == "zeros":
            count, height, width, channels = images.shape
            padded = np.zeros((count, height + top + bottom, width + left + right, channels), np.float32)
            padded[:, top : top + height, left : left + width] = images
            return padded
        return np.ascontiguousarray(surrounded(images, around, self.weights.padding_mode))

    def _convolved(self, run: Products, images: Values) -> Values:
        """(images, height, width, inputs) to (images, height, width, outputs)."""
        (height, width), (down, across) = self.kernel, self.weights.dilation
        span = (down * (height - 1) + 1, across * (width - 1) + 1)
        if images.shape[1] < span[0] or images.shape[2] < span[1]:
            raise CosimError(
                f"images of {images.shape[1]} x {images.shape[2]} pixels, the padding included, are smaller than the"
                f" kernel of {span[0]} x {span[1]}",
                key=self.name,
            )
        windows = np.lib.stride_tricks.sliding_window_view(images, span, axis=(1, 2))
        stride = self.weights.stride
        windows = windows[:, :: stride[0], :: stride[1], :, ::down, ::across].transpose(0, 1, 2, 4, 5, 3)
        count, rows, columns = windows.shape[:3]
        found = np.empty((count, rows, columns, self.outputs), np.float32)
        inputs, outputs = self.inputs // self.weights.groups, self.outputs // self.weights.groups
        for name, first, groups in self.bundles:
            channels = slice(first * inputs, (first + groups) * inputs)
            to = slice(first * outputs, (first + groups) * outputs)
            size = height * width * groups * inputs
            for at in pieces(count, rows, columns * size):
                some = windows[at][..., channels]
                vectors = some.reshape(-1, size)
                found[at][..., to] = run.product(name, vectors).reshape(*some.shape[:3], -1)
        return found

    def set_ranges(self, matrix: str, ranges: Mapping[str, float]) -> None:
        """All inputs of this layer are of one kind."""
        raise AssertionError(matrix)


def pieces(images: int, rows: int, size: int) -> Iterator[tuple[slice, slice]]:
    """Slices of images and of rows of pixels, so that each piece has at most PIECE values, or one row of one image.

    size: values of one row of pixels.
    """
    whole = PIECE // max(1, rows * size)
    if whole:
        for first in range(0, images, whole):
            yield slice(first, min(first + whole, images)), slice(None)
        return
    some = max(1, PIECE // size)
    for image in range(images):
        for first in range(0, rows, some):
            yield slice(image, image + 1), slice(first, min(first + some, rows))
