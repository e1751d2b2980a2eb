"""One tile in ngspice and in the behavioural model, on the same chip at the same inputs: MAC results and codes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cosim.blocks.ramp_adc.behaviour import RampAdcModel
from cosim.errors import CosimError
from cosim.studies.statistics import wilson_interval
from cosim.tiles.agreement import Agreement, agreement
from cosim.tiles.behavioural import BehaviouralTile
from cosim.tiles.config import Nonidealities
from cosim.tiles.spice import SpiceTile

Array = NDArray[np.float64]


@dataclass(frozen=True)
class TileComparison:
    """What both made of the same conversions; arrays of shape (conversions,).

    Attributes
    ----------
    spice, model: ADC codes.
    mac_error: MAC result of the model less that of ngspice, through the activation [LSB].
    distance: from ngspice's MAC result to the nearest threshold of the model, through the activation [LSB].
    undecided: counters of ngspice that an undecided comparator cut short.
    """

    spice: NDArray[np.int64]
    model: NDArray[np.int64]
    mac_error: Array
    distance: Array
    undecided: int

    @property
    def agreement(self) -> Agreement:
        return agreement(self.spice, self.model)

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval of the share of equal codes (Wilson)."""
        return wilson_interval(int((self.spice == self.model).sum()), self.spice.size)

    @property
    def expected_difference(self) -> float:
        """Share of codes that differ where MAC results lie evenly between thresholds and those are exact: the mean
        size of the MAC error in LSB."""
        return float(np.abs(self.mac_error).mean())

    @property
    def differing_distance(self) -> Array:
        """`distance` of the conversions whose codes differ [LSB]."""
        return self.distance[self.spice != self.model]


def compare_tile(tile: SpiceTile, model: RampAdcModel, inputs: NDArray[np.floating]) -> TileComparison:
    """Both fidelities of a programmed tile at `inputs` (batch, inputs), without read noise, which no transient has.

    Raises CosimError when a simulation fails, and when tile and model are of different circuits.
    """
    if tile.chip is None:
        raise CosimError("the tile is not programmed")
    other = BehaviouralTile(tile.config.model_copy(update={"law": tile.law}), model, Nonidealities().quiet())
    other.load(tile.chip)
    before = tile.counts.undecided
    macs, codes = tile.measure(inputs)
    return compared(other, inputs, macs, codes, tile.counts.undecided - before)


def compared(
    other: BehaviouralTile, inputs: NDArray[np.floating], macs: Array, codes: NDArray[np.int64], undecided: int
) -> TileComparison:
    """The behavioural tile of the same chip beside what ngspice measured at the same inputs.

    `macs` and `codes` (batch, bit lines) as from `SpiceTile.measure`.
    """
    unused = np.random.default_rng(0)
    function = other.model.function
    modelled = other.mac(inputs, unused)
    scale = 2**other.config.adc.bits / (function.high - function.low)
    found, thresholds = function.value(macs), function.value(other.thresholds)
    return TileComparison(
        spice=codes.ravel(),
        model=other.codes(inputs, unused).astype(np.int64).ravel(),
        mac_error=(scale * (function.value(modelled) - found)).ravel(),
        distance=(scale * np.abs(found[:, :, None] - thresholds).min(axis=2)).ravel(),
        undecided=undecided,
    )


def joined(parts: Sequence[TileComparison]) -> TileComparison:
    """Several comparisons as one."""

    def whole(name: str) -> NDArray[Any]:
        return np.concatenate([getattr(each, name) for each in parts])

    return TileComparison(
        spice=whole("spice"), model=whole("model"), mac_error=whole("mac_error"), distance=whole("distance"),
        undecided=sum(each.undecided for each in parts),
    )  # fmt: skip
