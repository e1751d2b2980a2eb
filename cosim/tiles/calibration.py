"""Full scales chosen from weights and calibration data, and what then saturates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cosim.errors import CosimError
from cosim.tiles.mapping import Block, Layout
from cosim.tiles.scaling import SCALABLE, Clipping, Mode, Scales, ScalingConfig, checked_weights, largest

Array = NDArray[np.float64]

Matrix = tuple[ArrayLike, Layout, ArrayLike | None]
"""Weights (inputs, outputs), how they are cut, and samples of the inputs (vectors, inputs), or None."""
_Checked = tuple[Array, Layout, Array | None]


def calibrated(
    weights: ArrayLike, layout: Layout, scaling: ScalingConfig, samples: ArrayLike | None = None,
    function: str = "linear", name: str = "matrix",
) -> Scales:  # fmt: skip
    """Full scales of one matrix.

    Parameters
    ----------
    weights: (inputs, outputs).
    samples: inputs (vectors, inputs) as the network has them; not needed where s_x and s_y are given.
    function: that the converters make.

    Raises CosimError for weights or samples that are not finite or of another shape, and where data is needed.
    """
    return calibrated_together({name: (weights, layout, samples)}, scaling, {name: function})[name]


def calibrated_together(
    matrices: Mapping[str, Matrix], scaling: ScalingConfig, functions: Mapping[str, str] | None = None
) -> dict[str, Scales]:
    """Full scales of all matrices of a network, by their names; as of `calibrated`.

    In the mode "network" they are the same for all whose converters are linear; an activation has s_y = 1, and an s_x
    and s_w of its own.
    """
    functions = functions or {}
    checked = {name: _checked(name, *each) for name, each in matrices.items()}
    scaled = [name for name in checked if functions.get(name, "linear") in SCALABLE]
    chosen = {name: _of_activation(name, *checked[name], scaling) for name in checked if name not in scaled}
    groups = [scaled] if scaling.mode == "network" and scaled else [[name] for name in scaled]
    for group in groups:
        chosen |= _together({name: checked[name] for name in group}, scaling, functions)
    return {name: chosen[name] for name in checked}


def mac_results(
    weights: ArrayLike, layout: Layout, scales: Scales, samples: ArrayLike
) -> Iterator[tuple[Block, Array]]:
    """Each part and the MAC results that it is meant to have, (vectors, bit lines), in units of s_x s_w of its digit.

    Inputs saturate at s_x; the pedestal of a correction column is in all bit lines, its own result is the last.
    """
    w, _, x = _checked("matrix", weights, layout, samples)
    assert x is not None
    values = np.clip(x / scales.s_x, -1.0, 1.0)
    shares = w / np.repeat(scales.weight_scales(layout), np.diff(layout.row_blocks), axis=0)
    tile = layout.tile.model_copy(update={"w_max": 1.0})
    for block in layout:
        held = layout.digit(shares[block.rows, block.columns], block.digit)
        if tile.signs == "unipolar":
            held = np.abs(held)
        if tile.signs != "differential":
            held = np.concatenate((held, np.zeros((len(held), 1))), axis=1) + tile.pedestal
        yield block, values[:, block.rows] @ held


def clipping(
    weights: ArrayLike, layout: Layout, scales: Scales, samples: ArrayLike, function: str = "linear"
) -> Clipping:
    """What saturates of samples (vectors, inputs)."""
    ranges = scales.ranges(layout)
    adc = {}
    for block, results in mac_results(weights, layout, scales, samples):
        beyond = _size(results, function) > ranges[block.row, block.column, block.digit] * (1 + 1e-12)
        adc[block.name] = float(beyond.mean()) if function in SCALABLE else 0.0
    return Clipping(float((np.abs(np.asarray(samples)) > scales.s_x).mean()), adc)


def _size(results: Array, function: str) -> Array:
    """What the converter must have room for."""
    return np.maximum(results, 0.0) if function == "relu" else np.abs(results)


def _together(
    matrices: Mapping[str, _Checked], scaling: ScalingConfig, functions: Mapping[str, str]
) -> dict[str, Scales]:
    """One matrix, or all of a network that share their full scales."""
    s_x = scaling.s_x or max(
        _percentile(name, x, scaling.input_percentile, "s_x") for name, (_, _, x) in matrices.items()
    )
    common = max(largest(weights) for weights, _, _ in matrices.values())
    found = {
        name: Scales(s_x, scaling.s_w or _weight_scales(weights, layout, scaling.mode, common), 1.0)
        for name, (weights, layout, _) in matrices.items()
    }
    if scaling.s_y is not None:
        return {name: replace(each, a=_given_range(scaling.s_y, each)) for name, each in found.items()}
    ranges = {}
    pooled: list[Array] = []
    for name, (weights, layout, x) in matrices.items():
        if x is None:
            raise _no_data(name, "s_y")
        own = np.empty(layout.shape)
        for block, results in mac_results(weights, layout, found[name], x):
            size = _size(results, functions.get(name, "linear"))
            if scaling.mode in ("layer", "network"):
                pooled.append(size.ravel())
            else:
                own[block.row, block.column, block.digit] = _range(size, scaling)
        ranges[name] = own
    if pooled:
        one = _range(np.concatenate(pooled), scaling)
        return {name: replace(each, a=one) for name, each in found.items()}
    return {name: replace(each, a=ranges[name]) for name, each in found.items()}


def _of_activation(name: str, weights: Array, layout: Layout, x: Array | None, scaling: ScalingConfig) -> Scales:
    if scaling.s_y not in (None, 1.0):
        raise CosimError("an activation straight from the converter comes in its own unit", key="s_y",
                         value=scaling.s_y, allowed="1, or none")  # fmt: skip
    s_x = scaling.s_x or _percentile(name, x, scaling.input_percentile, "s_x")
    mode: Mode = "tile" if scaling.mode == "column" else scaling.mode
    s_w = scaling.s_w or _weight_scales(weights, layout, mode, largest(weights))
    if isinstance(s_w, float):
        return Scales.uniform(s_x, s_w, 1.0)
    return Scales(s_x, s_w, 1.0 / (s_x * s_w[:, layout.column_blocks[:-1]]))


def _given_range(s_y: float, scales: Scales) -> float:
    if np.ptp(scales.s_w) > 0.0:
        raise CosimError("one s_y for all needs one s_w for all", key="s_y", value=s_y,
                         allowed="mode = layer or network, or s_w given as well")  # fmt: skip
    return s_y / (scales.s_x * float(np.min(scales.s_w)))


def _weight_scales(weights: Array, layout: Layout, mode: Mode, common: float) -> float | Array:
    if mode == "network":
        return common
    if mode == "layer":
        return largest(weights)
    scales = np.empty((layout.shape[0], layout.outputs))
    for block in layout:
        own = weights[block.rows, block.columns]
        scales[block.row, block.columns] = [largest(column) for column in own.T] if mode == "column" else largest(own)
    return scales


def _range(size: Array, scaling: ScalingConfig) -> float:
    return _above_zero(np.percentile(size, scaling.output_percentile))


def _percentile(name: str, x: Array | None, percentile: float, key: str) -> float:
    if x is None:
        raise _no_data(name, key)
    return _above_zero(np.percentile(np.abs(x), percentile))


def _above_zero(value: np.floating) -> float:
    """Data that is all zero fits any scale."""
    return float(value) if value > 0.0 else 1.0


def _no_data(name: str, key: str) -> CosimError:
    return CosimError(f"{name} has no calibration data that this full scale could be chosen from", key=key,
                      allowed="samples (vectors, inputs), or a full scale of one's own")  # fmt: skip


def _checked(name: str, weights: ArrayLike, layout: Layout, samples: ArrayLike | None) -> _Checked:
    w = checked_weights(weights, (layout.inputs, layout.outputs), name)
    if samples is None:
        return w, layout, None
    x = np.asarray(samples, dtype=np.float64)
    if x.ndim != 2 or x.shape[1] != layout.inputs or not len(x):
        raise CosimError(f"calibration data of shape {x.shape} does not fit {name}", key="samples",
                         allowed=f"(vectors, {layout.inputs}), at least one vector")  # fmt: skip
    if not np.isfinite(x).all():
        raise CosimError(f"calibration data of {name} must be finite numbers", key="samples")
    return w, layout, x
