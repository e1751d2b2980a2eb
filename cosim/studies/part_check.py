"""One programmed tile at given inputs in ngspice and in the fitted models: codes, and where they part.

A code follows from a MAC result and thresholds, so three residuals are told, ngspice less model: of the MAC results, of
the thresholds (of some bit lines, searched in ngspice with the chip's own ramp and comparators), and of the codes that
the model's thresholds make of ngspice's MAC results, which are the thresholds' part of the codes that differ.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cosim.blocks.ramp_adc.design import design_column
from cosim.blocks.ramp_adc.functions import lsb_at_thresholds
from cosim.blocks.ramp_adc.measurement import Sample, find_thresholds
from cosim.blocks.status import OK, STEP
from cosim.progress import Bar
from cosim.studies.tile_agreement import TileComparison, compared
from cosim.tiles.behavioural import BehaviouralTile
from cosim.tiles.spice import SpiceTile

Array = NDArray[np.float64]

ROOM = 0.1  # of the thresholds' span: MAC results further beyond it make the first or last code whatever their error


@dataclass(frozen=True)
class PartCheck:
    """What both made of a part of a matrix on one chip.

    Attributes
    ----------
    matrix, part, chip: which one.
    function: that its converter makes.
    comparison: codes and MAC errors of all conversions.
    bit_lines: conversions of `comparison` are (vectors, bit_lines).
    given_mac: codes that the model's thresholds make of ngspice's MAC results, (vectors, bit_lines).
    mac: MAC results of ngspice less those of the model [V], (vectors, bit_lines); NaN where the MAC result lies further
        beyond the thresholds than ROOM of their span.
    threshold: the same of thresholds [V], (bit lines looked at, thresholds); NaN where ngspice's was not found.
    lsb: volts of a LSB at each threshold, (thresholds,).
    decks: keys of all decks of the tile, that of its offsets among them.
    """

    matrix: str
    part: str
    chip: int
    function: str
    comparison: TileComparison
    bit_lines: int
    given_mac: NDArray[np.int64]
    mac: Array
    threshold: Array
    lsb: Array
    decks: tuple[str, ...]

    @property
    def name(self) -> str:
        return f"{self.matrix} {self.part}"

    @property
    def equal(self) -> NDArray[np.bool_]:
        """Codes that agree, (vectors, bit_lines)."""
        return (self.comparison.spice == self.comparison.model).reshape(-1, self.bit_lines)

    @property
    def threshold_lsb(self) -> Array:
        """`threshold` in LSB."""
        return self.threshold / self.lsb


def check_part(
    tile: SpiceTile, model: BehaviouralTile, inputs: NDArray[np.floating], *, matrix: str, part: str, chip: int = 0,
    threshold_lines: int = 0, bar: Bar | None = None,
) -> PartCheck:  # fmt: skip
    """Compare both at `inputs` (vectors, inputs), in units of the tile.

    Parameters
    ----------
    tile: programmed.
    model: the tile's, with its chip loaded, and without what a transient has not: read noise and noise of converters.
    threshold_lines: bit lines whose thresholds are searched in ngspice, spread over all of them; none of cells that
        are not linear, whose ramp that search does not know.
    bar: is told of each vector.

    Raises CosimError when a simulation fails.
    """
    undecided = tile.counts.undecided
    together = 2 * tile.pool.workers
    macs, codes = [], []
    for first in range(0, len(inputs), together):
        some = tile.measure(inputs[first : first + together])
        macs.append(some[0])
        codes.append(some[1])
        if bar is not None:
            bar(len(some[0]))
    mac, code = np.concatenate(macs), np.concatenate(codes)
    comparison = compared(model, inputs, mac, code, tile.counts.undecided - undecided)
    low, high = model.thresholds.min(axis=1), model.thresholds.max(axis=1)
    room = ROOM * (high - low)
    gain = model.model.mac_gain()
    residual = (mac - model.mac(inputs, np.random.default_rng(0))) * gain
    lines = mac.shape[1]
    looked_at = np.linspace(0, lines - 1, min(threshold_lines, lines)).round().astype(int).tolist()
    threshold, hashes = _thresholds(tile, model, looked_at if tile.law == "linear" else [])
    adc = tile.config.adc
    return PartCheck(
        matrix, part, chip, adc.function, comparison, lines,
        given_mac=model.converter.codes(mac).astype(np.int64),
        mac=np.where((mac >= low - room) & (mac <= high + room), residual, np.nan),
        threshold=threshold,
        lsb=gain * lsb_at_thresholds(adc.activation, adc.bits),
        decks=(*tile.deck_keys, *hashes),
    )  # fmt: skip


def _thresholds(tile: SpiceTile, model: BehaviouralTile, lines: list[int]) -> tuple[Array, list[str]]:
    """Residuals of the thresholds of some bit lines [V], and the keys of the decks of the search."""
    adc: Any = tile.config.adc
    if not lines:
        return np.empty((0, adc.thresholds)), []
    assert tile.chip is not None
    samples = [Sample(0, tile.chip.adc, line, adc) for line in lines]
    found, hashes = find_thresholds(samples, design_column(adc, tile.config.device), tile.pool)
    known = np.array([each.status in (OK, STEP) for each in found])[:, None]
    values = np.where(known, [each.search.value for each in found], np.nan)
    return values - model.thresholds[lines] * model.model.mac_gain(), hashes
