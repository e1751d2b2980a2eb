"""When things happen in a conversion, and the sources that make them happen."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from cosim.blocks.sources import pwl
from cosim.errors import CosimError

__all__ = ["EDGE", "SHORTEST_PULSE", "Timeline", "check_clock", "pulse", "pwl"]

Array = NDArray[np.float64]

EDGE = 0.1e-9  # rise and fall time of every driven line [s]
SHORTEST_PULSE = 10 * EDGE  # [s] of a ramp cell whose pulse is halved


@dataclass(frozen=True)
class Timeline:
    """When things happen in a conversion [s].

    Reset for one clock period, one period for each bias cell, one to settle; then each period ends with a sample of
    the comparators, and starts with the read pulse of a ramp cell.
    """

    t_clock: float
    bias_cells: int
    thresholds: int

    def bias_start(self, cell: int) -> float:
        return self.t_clock * (1 + cell)

    @cached_property
    def edges(self) -> Array:
        """Clock edges that end the period of level k = 1, 2, ...; shape (thresholds,)."""
        return np.asarray(self.t_clock * (2 + self.bias_cells + np.arange(self.thresholds)), dtype=np.float64)

    @cached_property
    def samples(self) -> Array:
        """Middle of each clock pulse, when the comparators are read; shape (thresholds,)."""
        return self.edges - 2 * EDGE

    @property
    def end(self) -> float:
        return float(self.edges[-1]) + EDGE


def check_clock(t_clock: float, t_pulse: float) -> None:
    """CosimError when a read pulse and its settling do not fit a clock period."""
    needed = t_pulse + 10 * EDGE
    if t_clock < needed * (1 - 1e-9):
        raise CosimError(
            "the clock period must hold the read pulse and its edges",
            key="t_clock",
            value=f"{t_clock * 1e9:g} ns",
            allowed=f"at least {needed * 1e9:g} ns with t_pulse = {t_pulse * 1e9:g} ns",
        )


def pulse(start: float, area_width: float, low: float, high: float) -> list[tuple[float, float]]:
    """Corner points of a pulse that rises from `start` on; its area is (high - low) area_width."""
    return [
        (start, low),
        (start + EDGE, high),
        (start + area_width, high),
        (start + area_width + EDGE, low),
    ]
