"""One chip of ramp ADC: the conductances its column really has, and the mismatch of its comparators."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cosim.blocks.ramp_adc.config import RampAdcConfig
from cosim.blocks.ramp_adc.design import ColumnDesign, design_column
from cosim.blocks.ramp_adc.netlist import comparator_text
from cosim.devices import Device, load_device, program
from cosim.process import mismatch_of

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Chip:
    """A manufactured and programmed ramp ADC.

    Attributes
    ----------
    ramp, bias: conductances of the column, shape (cells,) and (bias cells,) [S].
    bias_sign: as in `ColumnDesign`.
    mismatch: mismatch parameters of each column's comparator, shape (columns, parameters).
    names: what these parameters are called in the comparator's netlist.
    """

    ramp: Array
    bias: Array
    bias_sign: int
    mismatch: Array
    names: tuple[str, ...]


def nominal_chip(config: RampAdcConfig, columns: int = 1, design: ColumnDesign | None = None) -> Chip:
    """The chip without any variation."""
    design = design or design_column(config)
    kind = mismatch_of(comparator_text(config), config.cmos)
    return Chip(design.ramp, design.bias, design.bias_sign, kind.none(columns), kind.names)


def draw_chips(
    config: RampAdcConfig,
    count: int,
    seed: np.random.SeedSequence,
    *,
    columns: int = 1,
    device: Device | None = None,
    design: ColumnDesign | None = None,
) -> list[Chip]:
    """`count` chips: column programmed with the device's error, comparators with Pelgrom mismatch.

    Chip n depends on the seed and n alone, not on how many are drawn.
    """
    device = device or load_device(config.device)
    design = design or design_column(config, device)
    rngs = (np.random.default_rng(child) for child in seed.spawn(count))
    return [draw_chip(config, design, device, columns, rng) for rng in rngs]


def draw_chip(
    config: RampAdcConfig, design: ColumnDesign, device: Device, columns: int, rng: np.random.Generator
) -> Chip:
    """One chip with `columns` comparators; column and comparators draw from streams of their own."""
    kind = mismatch_of(comparator_text(config), config.cmos)
    for_column, for_comparators = rng.spawn(2)
    cells = program(np.concatenate([design.ramp, design.bias]), device, for_column)
    ramp, bias = cells[: len(design.ramp)], cells[len(design.ramp) :]
    return Chip(ramp, bias, design.bias_sign, kind.draw(columns, for_comparators), kind.names)
