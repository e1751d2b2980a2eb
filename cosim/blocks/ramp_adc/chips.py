"""One chip of ramp ADC: the conductances its column really has, and the mismatch of its comparators."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cosim.blocks.ramp_adc.calibration import choose_signs
from cosim.blocks.ramp_adc.config import RampAdcConfig
from cosim.blocks.ramp_adc.design import ColumnDesign, Signs, column_levels, design_column, device_of
from cosim.blocks.ramp_adc.netlist import comparator_text
from cosim.devices import Device, program
from cosim.process import mismatch_of

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Chip:
    """A manufactured and programmed ramp ADC.

    Attributes
    ----------
    ramp, bias: conductances of the column, shape (cells,) and (bias cells,) [S]; the calibration cells, where there
        are any, are the last of the bias cells.
    bias_sign: as in `ColumnDesign`, with the choice of the calibration.
    mismatch: mismatch parameters of each column's comparator, shape (columns, parameters).
    names: what these parameters are called in the comparator's netlist.
    pulse: as in `ColumnDesign`.
    """

    ramp: Array
    bias: Array
    bias_sign: Signs
    mismatch: Array
    names: tuple[str, ...]
    pulse: Array | None = None

    def levels(self, config: RampAdcConfig) -> Array:
        """Ramp levels above V_CLP that follow from the conductances [V], shape (thresholds,)."""
        return column_levels(self.ramp, self.bias, self.bias_sign, config, self.pulse)

    @property
    def bias_signs(self) -> NDArray[np.int64]:
        """The sign of every bias cell, shape (bias cells,)."""
        return np.broadcast_to(np.asarray(self.bias_sign), self.bias.shape)


def nominal_chip(config: RampAdcConfig, columns: int = 1, design: ColumnDesign | None = None) -> Chip:
    """The chip without any variation."""
    design = design or design_column(config)
    kind = mismatch_of(comparator_text(config), config.cmos)
    bias, sign = _with_calibration(design.ramp, design.bias, design.calibration, design, config)
    return Chip(design.ramp, bias, sign, kind.none(columns), kind.names, design.pulse)


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
    device = device_of(config, device)
    design = design or design_column(config, device)
    rngs = (np.random.default_rng(child) for child in seed.spawn(count))
    return [draw_chip(config, design, device, columns, rng) for rng in rngs]


def draw_chip(
    config: RampAdcConfig, design: ColumnDesign, device: Device, columns: int, rng: np.random.Generator
) -> Chip:
    """One chip with `columns` comparators; column and comparators draw from streams of their own.

    Its ramp cells, bias cells and comparators do not depend on whether it is calibrated.
    """
    device = device_of(config, device)
    kind = mismatch_of(comparator_text(config), config.cmos)
    for_column, for_comparators = rng.spawn(2)
    cells = program(np.concatenate([design.ramp, design.bias]), device, for_column)
    ramp, bias = cells[: len(design.ramp)], cells[len(design.ramp) :]
    calibration = program(design.calibration, device, for_column)
    bias, sign = _with_calibration(ramp, bias, calibration, design, config)
    return Chip(ramp, bias, sign, kind.draw(columns, for_comparators), kind.names, design.pulse)


def _with_calibration(
    ramp: Array, bias: Array, calibration: Array, design: ColumnDesign, config: RampAdcConfig
) -> tuple[Array, Signs]:
    """All bias cells and their signs, the chosen calibration cells among them."""
    if not len(calibration):
        return bias, design.bias_sign
    own = np.broadcast_to(np.asarray(design.bias_sign), bias.shape)
    chosen = choose_signs(ramp, bias, calibration, design, config)
    return np.concatenate([bias, calibration]), np.concatenate([own, chosen])
