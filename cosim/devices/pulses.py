"""Statistics of blind programming pulses on phase-change cells, for training in hardware.

A SET pulse adds a random step whose mean and spread depend on the conductance and on how many pulses the cell has had
since its RESET; nobody reads it back. Equations after Nandakumar et al., J. Appl. Phys. 124, 152135 (2018).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class SetPulses:
    """Law of SET and RESET pulses; the table `[pulses]` of a device.

        SET:    m <- m exp(-1 / memory),  G <- clip(G + N(mean, sd), g_lowest, g_highest)
                mean = mean_slope G + mean_offset + mean_memory m
                sd   = sd_slope G + sd_offset + sd_memory m
        RESET:  m <- 1,  G <- clip(N(g_reset, g_reset_sd), 0, g_highest)

    m, the memory of the RESET, fades from pulse to pulse. G and offsets in siemens; slopes and m without unit.
    """

    NAME: ClassVar[str] = "set_pulses"
    UNITS: ClassVar[dict[str, str]] = {
        "memory": "1",
        "mean_slope": "1", "mean_offset": "S", "mean_memory": "S",
        "sd_slope": "1", "sd_offset": "S", "sd_memory": "S",
        "g_reset": "S", "g_reset_sd": "S",
    }  # fmt: skip

    memory: float
    mean_slope: float
    mean_offset: float
    mean_memory: float
    sd_slope: float
    sd_offset: float
    sd_memory: float
    g_reset: float
    g_reset_sd: float

    def step_mean(self, conductances: ArrayLike, memory: ArrayLike) -> Array:
        """Mean step of a SET pulse [S]; G before it [S], m after it has faded."""
        g, m = np.asarray(conductances, dtype=np.float64), np.asarray(memory, dtype=np.float64)
        return self.mean_slope * g + self.mean_offset + self.mean_memory * m

    def step_sd(self, conductances: ArrayLike, memory: ArrayLike) -> Array:
        """Standard deviation of the step of a SET pulse [S]; arguments as of `step_mean`."""
        g, m = np.asarray(conductances, dtype=np.float64), np.asarray(memory, dtype=np.float64)
        return self.sd_slope * g + self.sd_offset + self.sd_memory * m


@dataclass(frozen=True)
class PulsedCells:
    """Cells between blind pulses.

    Attributes
    ----------
    conductances: after the last pulse [S], any shape.
    memory: m, 1 right after RESET, of the same shape.
    """

    conductances: Array
    memory: Array


def reset_cells(
    shape: int | tuple[int, ...], pulses: SetPulses, limits: tuple[float, float], rng: np.random.Generator
) -> PulsedCells:
    """Cells of that shape after a RESET pulse; `limits` are g_lowest and g_highest [S]."""
    drawn = pulses.g_reset + pulses.g_reset_sd * rng.standard_normal(shape)
    return PulsedCells(np.clip(drawn, 0.0, limits[1]), np.ones(shape))


def set_pulse(
    cells: PulsedCells,
    pulses: SetPulses,
    limits: tuple[float, float],
    rng: np.random.Generator,
    where: ArrayLike = True,
) -> PulsedCells:
    """The cells after one SET pulse on those of `where` (bool, broadcast to their shape); the others stay."""
    chosen = np.broadcast_to(np.asarray(where, dtype=bool), cells.conductances.shape)
    memory = np.where(chosen, cells.memory * np.exp(-1.0 / pulses.memory), cells.memory)
    step = pulses.step_mean(cells.conductances, memory)
    step = step + pulses.step_sd(cells.conductances, memory) * rng.standard_normal(cells.conductances.shape)
    moved = np.clip(cells.conductances + step, *limits)
    return PulsedCells(np.where(chosen, moved, cells.conductances), memory)
