"""What a study sweeps, and the points that makes.

    [sweep]                      [sweep]                          [sweep]
    method = "grid"              method = "list"                  method = "latin hypercube"
                                                                  samples = 200
    [sweep.over]                 [[sweep.points]]
    "tile.adc.bits" = [4, 5]     "tile.adc.bits" = 4              [sweep.over]
    "device.read_noise" =        "tile.dac_bits" = 4              "tile.adc.v_read" = {low = "0.1 V", high = "0.3 V"}
      ["0 %", "1 %"]

A grid's settings become dimensions of the results; the points of the other methods lie along one dimension.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from cosim.seeds import stream
from cosim.tiles.config import Nonidealities

MOST_POINTS = 1_000_000
_FORBID = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

Over = dict[str, Any]
"""Dotted name -> list of values, or a `Range`; the names may be written as tables of tables."""


class Range(BaseModel):
    """An interval that values are drawn from."""

    model_config = _FORBID

    low: float | str
    high: float | str
    scale: Literal["linear", "log"] = "linear"


class GridSweep(BaseModel):
    """All combinations."""

    model_config = _FORBID

    method: Literal["grid"]
    over: Over = Field(default_factory=dict)


class ListSweep(BaseModel):
    """Points one by one."""

    model_config = _FORBID

    method: Literal["list"]
    points: list[dict[str, Any]] = Field(min_length=1, max_length=MOST_POINTS)


class LatinHypercubeSweep(BaseModel):
    """Points that fill the space: in each setting, one in every n-th of its range.

    M. D. McKay, R. J. Beckman, W. J. Conover, Technometrics 21, 239 (1979).
    """

    model_config = _FORBID

    method: Literal["latin hypercube"]
    samples: int = Field(ge=2, le=MOST_POINTS)
    over: Over = Field(min_length=1)


class SobolSweep(BaseModel):
    """Points for Sobol indices (A. Saltelli et al., Comput. Phys. Commun. 181, 259 (2010)).

    samples N, a power of 2: N (k + 2) points for k settings, N (2 k + 2) with second order.
    """

    model_config = _FORBID

    method: Literal["sobol"]
    samples: int = Field(ge=2, le=MOST_POINTS)
    second_order: bool = False
    over: Over = Field(min_length=2)


class LadderSweep(BaseModel):
    """No non-ideality, each alone, all of them; what is not named is off throughout."""

    model_config = _FORBID

    method: Literal["ladder"]
    nonidealities: list[Literal[tuple(Nonidealities.names())]] = Field(  # type: ignore[valid-type]
        default_factory=Nonidealities.names, min_length=1
    )


class ParetoSweep(BaseModel):
    """A search (NSGA-II, by optuna) for the settings that no other beats in all objectives.

    objectives: figure of the results -> "max" or "min". Each generation is evaluated whole before the next is made, so
    the points do not depend on which is finished first.
    """

    model_config = _FORBID

    method: Literal["pareto"]
    objectives: dict[str, Literal["max", "min"]] = Field(min_length=1)
    population: int = Field(20, ge=4, le=10_000)
    generations: int = Field(10, ge=1, le=10_000)
    over: Over = Field(min_length=1)


Sweep = GridSweep | ListSweep | LatinHypercubeSweep | SobolSweep | LadderSweep | ParetoSweep
METHODS: dict[str, type[BaseModel]] = {
    "grid": GridSweep,
    "list": ListSweep,
    "latin hypercube": LatinHypercubeSweep,
    "sobol": SobolSweep,
    "ladder": LadderSweep,
    "pareto": ParetoSweep,
}


@dataclass(frozen=True)
class Axis:
    """One swept setting, its values as the settings hold them.

    Attributes
    ----------
    values: to choose from, in order; empty for a range.
    low, high, log: of a range.
    whole: whether a range's values are whole numbers.
    """

    name: str
    values: tuple[Any, ...] = ()
    low: float = math.nan
    high: float = math.nan
    log: bool = False
    whole: bool = False

    def at(self, shares: NDArray[np.float64]) -> list[Any]:
        """Values at shares 0 .. 1 of the way, each of a list's values having an equal part of it."""
        if self.values:
            places = np.minimum((shares * len(self.values)).astype(int), len(self.values) - 1)
            return [self.values[place] for place in places]
        if self.whole:
            count = self.high - self.low + 1
            return [int(each) for each in np.minimum(self.low + np.floor(shares * count), self.high)]
        steps = self.low + (self.high - self.low) * shares
        found = self.low * (self.high / self.low) ** shares if self.log else steps
        return [float(each) for each in np.clip(found, self.low, self.high)]


@dataclass(frozen=True)
class Design:
    """The points of a study.

    Attributes
    ----------
    names: swept settings.
    points: values of each point, in the order of `names`.
    shape: lengths of the dimensions `names` of a grid, last fastest; None where points lie along one dimension.
    axes: of a grid and of what is drawn from ranges.
    labels: of a ladder's points.
    """

    names: tuple[str, ...]
    points: Sequence[tuple[Any, ...]]
    shape: tuple[int, ...] | None = None
    axes: tuple[Axis, ...] = ()
    labels: tuple[str, ...] = field(default=())

    def values(self, point: int) -> dict[str, Any]:
        """Dotted name -> value."""
        return dict(zip(self.names, self.points[point], strict=True))


def grid(axes: Sequence[Axis]) -> Design:
    """All combinations, the last setting fastest; one point where nothing is swept."""
    points = list(itertools.product(*(axis.values for axis in axes)))
    return Design(tuple(axis.name for axis in axes), points, tuple(len(axis.values) for axis in axes), tuple(axes))


def latin_hypercube(axes: Sequence[Axis], samples: int, seed: int) -> Design:
    """So many points, drawn by the seed."""
    from scipy.stats.qmc import LatinHypercube

    rng = np.random.default_rng(stream(seed, "study: latin hypercube"))
    return from_shares(axes, LatinHypercube(len(axes), rng=rng).random(samples))


def sobol(axes: Sequence[Axis], samples: int, second_order: bool, seed: int) -> Design:
    """Saltelli's points, from a scrambled Sobol sequence."""
    from cosim.studies.sensitivity import saltelli_shares

    return from_shares(axes, saltelli_shares(len(axes), samples, second_order, seed))


def from_shares(axes: Sequence[Axis], shares: NDArray[np.float64]) -> Design:
    """Points at shares 0 .. 1 of each axis, shape (points, axes)."""
    columns = [axis.at(shares[:, place]) for place, axis in enumerate(axes)]
    return Design(tuple(axis.name for axis in axes), list(zip(*columns, strict=True)), None, tuple(axes))


def ladder(names: Sequence[str]) -> Design:
    """none, each alone, all: switches of `nonidealities`; those that are not named are off."""
    everything = Nonidealities.names()
    rungs = Nonidealities.ladder(names)
    points = [tuple(getattr(on, name) for name in everything) for on in rungs.values()]
    return Design(tuple(f"nonidealities.{name}" for name in everything), points, None, (), tuple(rungs))
