"""One manufactured and programmed tile: all that differs from chip to chip, for any fidelity that looks at it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cosim.blocks.ramp_adc.behaviour import RampAdcModel
from cosim.blocks.ramp_adc.chips import Chip, draw_chip
from cosim.blocks.ramp_adc.design import design_column
from cosim.devices import Device, program
from cosim.tiles.config import TileConfig, conductance_targets

Array = NDArray[np.float64]


@dataclass(frozen=True)
class TileChip:
    """A chip.

    Attributes
    ----------
    targets, conductances: of the array, shape (2 inputs, outputs) [S].
    adc: its ramp column and the mismatch of its comparators, one a column.
    offsets: static offset of each column's comparator [V], shape (outputs,).
    """

    targets: Array
    conductances: Array
    adc: Chip
    offsets: Array


def draw_tile_chip(
    weights: Array, config: TileConfig, rng: np.random.Generator, *, model: RampAdcModel | None = None,
    device: Device | None = None,
) -> TileChip:  # fmt: skip
    """Program a chip with `weights` (inputs, outputs).

    Array, ramp column, comparator mismatch and offsets draw from streams of their own. Offsets are drawn from the
    model's statistics; without a model they are NaN, to be measured from the mismatch.
    """
    device = device or config.device
    for_array, for_adc, for_offsets = rng.spawn(3)
    targets = conductance_targets(weights, config)
    design = design_column(config.adc, device)
    adc = draw_chip(config.adc, design, device, config.outputs, for_adc)
    offsets = np.full(config.outputs, np.nan) if model is None else model.draw_offsets(config.outputs, for_offsets)
    return TileChip(targets, program(targets, device, for_array), adc, offsets)


def with_offsets(chip: TileChip, offsets: Array) -> TileChip:
    """The same chip with known comparator offsets [V]."""
    return replace(chip, offsets=np.asarray(offsets, dtype=np.float64))
