"""One manufactured and programmed tile: all that differs from chip to chip, for any fidelity that looks at it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cosim.blocks.ramp_adc.behaviour import RampAdcModel
from cosim.blocks.ramp_adc.chips import Chip, draw_chip
from cosim.blocks.ramp_adc.design import design_column
from cosim.devices import Device, program
from cosim.errors import CosimError
from cosim.tiles.compensation import array_targets
from cosim.tiles.config import TileConfig
from cosim.tiles.quantise import full_scale

Array = NDArray[np.float64]


@dataclass(frozen=True)
class TileChip:
    """A chip.

    Attributes
    ----------
    targets, conductances: of the whole array, shape (word lines, bit lines) [S].
    adc: its ramp column and the mismatch of its comparators, one a converted bit line.
    offsets: static offset of each of these comparators [V], shape (bit lines,).
    dac: what each DAC code -N .. N of each input really makes, in units of the network (ideal: code / N), shape
        (inputs, 2 N + 1); None where all are ideal.
    """

    targets: Array
    conductances: Array
    adc: Chip
    offsets: Array
    dac: Array | None = None


def draw_tile_chip(
    weights: Array, config: TileConfig, rng: np.random.Generator, *, model: RampAdcModel | None = None,
    device: Device | None = None, wires: bool = True, amplifier: bool = True,
) -> TileChip:  # fmt: skip
    """Program a chip with `weights` (inputs, outputs).

    `wires`, `amplifier`: what a compensated tile makes up for (`compensation`).

    Array, ramp column, comparator mismatch, offsets and DACs draw from streams of their own. Offsets are drawn from the
    model's statistics; without a model they are NaN, to be measured from the mismatch.
    """
    device = device or config.device
    for_array, for_adc, for_offsets, for_dac = rng.spawn(4)
    targets = array_targets(weights, config, wires=wires, amplifier=amplifier)
    design = design_column(config.adc, device)
    adc = draw_chip(config.adc, design, device, config.bit_lines, for_adc)
    lines = config.bit_lines
    offsets = np.full(lines, np.nan) if model is None else model.draw_offsets(lines, for_offsets)
    return TileChip(targets, program(targets, device, for_array), adc, offsets, draw_dac(config, for_dac))


def draw_dac(config: TileConfig, rng: np.random.Generator) -> Array | None:
    """Levels of every input's DAC with a normal error of `dac_sigma` each; code 0 makes no pulse, and no error."""
    if config.dac_sigma == 0.0:
        return None
    n = full_scale(config.dac_bits)
    codes = np.arange(-n, n + 1)
    error = config.dac_sigma * rng.standard_normal((config.inputs, len(codes)))
    return np.where(codes == 0, 0.0, codes + error) / n


def with_dac(chip: TileChip, levels: Array, config: TileConfig) -> TileChip:
    """The same chip with known DACs, e.g. of a fitted DAC or measured.

    `levels` in units of the network (ideal: code / N), (2 N + 1,) or (inputs, 2 N + 1). Raises CosimError for another
    shape and for levels that are not finite.
    """
    shape = (config.inputs, 2 * full_scale(config.dac_bits) + 1)
    levels = np.asarray(levels, dtype=np.float64)
    if levels.shape not in (shape, shape[1:]):
        raise CosimError(f"DAC levels of shape {levels.shape} do not fit the tile", allowed=f"{shape[1:]} or {shape}")
    if not np.isfinite(levels).all():
        raise CosimError("DAC levels must be finite numbers", key="dac")
    return replace(chip, dac=np.array(np.broadcast_to(levels, shape)))


def with_offsets(chip: TileChip, offsets: Array) -> TileChip:
    """The same chip with known comparator offsets [V]."""
    return replace(chip, offsets=np.asarray(offsets, dtype=np.float64))
