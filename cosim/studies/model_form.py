"""From residuals against ngspice to the distribution that tiles inject: a static and a changing part, with intervals.

One-way random effects, r_ij = mean + a_j + e_ij with bit lines j: the mean squares within and between bit lines give
sigma_e^2 = MS_within and sigma_a^2 = (MS_between - MS_within) / n_0 (not below zero), n_0 the number of residuals a bit
line where all have as many. Source: S. R. Searle, G. Casella, C. E. McCulloch, Variance Components (1992), ch. 3.6.
Intervals are percentiles over bit lines drawn again with replacement, as those of shares of equal codes are, because
what one bit line's conversions have in common is one draw; of 40 bit lines those of the static part cover 86 % in place
of 95 %, of 128 some 92 %.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cosim.errors import CosimError
from cosim.seeds import stream
from cosim.studies.part_check import PartCheck
from cosim.studies.statistics import CONFIDENCE
from cosim.tiles.model_error import ModelFormError

Array = NDArray[np.float64]

DRAWS = 1000  # of the bootstrap


@dataclass(frozen=True)
class Components:
    """Mean, static and changing part of residuals, in their unit; each with its 95 % interval."""

    mean: float
    static: float
    changing: float
    intervals: dict[str, tuple[float, float]]
    rms: float
    largest: float
    groups: int
    residuals: int


def components(groups: Sequence[Array], seed: int = 0) -> Components | None:
    """Of residuals in groups, one a bit line; NaN are left out. None where nothing is left.

    A single group, or one residual each, tells no static part from a changing one: all of it is then changing.
    """
    kept = [each[np.isfinite(each)] for each in groups]
    kept = [each for each in kept if each.size]
    if not kept:
        return None
    sums = np.array([[len(each), each.sum(), (each**2).sum()] for each in kept])
    rng = np.random.default_rng(stream(seed, "model-form error: bootstrap"))
    drawn = sums[rng.integers(len(kept), size=(DRAWS, len(kept)))]
    ends = np.percentile(_split(drawn), _tails(), axis=0)
    mean, static, changing = _split(sums[None])[0].tolist()
    everything = np.concatenate(kept)
    names = ("mean", "static", "changing")
    intervals = {name: (float(low), float(high)) for name, low, high in zip(names, *ends, strict=True)}
    return Components(
        mean, static, changing, intervals, float(np.sqrt((everything**2).mean())), float(np.abs(everything).max()),
        len(kept), everything.size,
    )  # fmt: skip


def _split(sums: Array) -> Array:
    """Mean, sigma_a, sigma_e (draws, 3) from numbers, sums and sums of squares of the groups (draws, groups, 3)."""
    counts, totals, squares = np.moveaxis(sums, 2, 0)
    number, groups = counts.sum(axis=1), counts.shape[1]
    mean = totals.sum(axis=1) / number
    within = (squares - totals**2 / counts).sum(axis=1)
    between = (totals**2 / counts).sum(axis=1) - number * mean**2
    free = number - groups
    n_0 = (number - (counts**2).sum(axis=1) / number) / max(groups - 1, 1)
    whole = np.maximum(within + between, 0.0) / np.maximum(number - 1, 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        changing = np.where(free > 0, np.maximum(within, 0.0) / free, whole)
        static = np.maximum((between / max(groups - 1, 1) - changing) / n_0, 0.0)
    static = np.where((free > 0) & (groups > 1) & (n_0 > 0), static, 0.0)
    return np.stack([mean, np.sqrt(static), np.sqrt(changing)], axis=1)


def shares_interval(equal: Sequence[NDArray[np.bool_]], seed: int = 0) -> tuple[float, float]:
    """95 % interval of the share of true ones by the bootstrap over groups; where all are true it is (1, 1)."""
    counts = np.array([[each.size, np.count_nonzero(each)] for each in equal], dtype=np.float64)
    rng = np.random.default_rng(stream(seed, "crosscheck: bootstrap"))
    drawn = counts[rng.integers(len(counts), size=(DRAWS, len(counts)))].sum(axis=1)
    low, high = np.percentile(drawn[:, 1] / drawn[:, 0], _tails())
    return float(low), float(high)


def _tails() -> list[float]:
    return [50 * (1 - CONFIDENCE), 50 * (1 + CONFIDENCE)]


def bit_lines_of(parts: Sequence[PartCheck], name: str) -> list[Any]:
    """`equal` or `mac` of parts by bit line: of each part's each bit line the values of all vectors."""
    return [column for each in parts for column in np.asarray(getattr(each, name)).T]


def residual_components(parts: Sequence[PartCheck], seed: int = 0) -> tuple[Components | None, Components | None]:
    """Of MAC results and of thresholds [V]."""
    thresholds = [row for each in parts for row in each.threshold]
    return components(bit_lines_of(parts, "mac"), seed), components(thresholds, seed)


def model_error_of(parts: Sequence[PartCheck], seed: int = 0, **provenance: Any) -> ModelFormError:
    """The model-form error that parts (of one converter) show; CosimError where none has a MAC residual.

    Thresholds that nobody searched count as exact; `provenance` says how many were.
    """
    mac, threshold = residual_components(parts, seed)
    if mac is None:
        raise CosimError("no MAC result lies within the thresholds: the model-form error cannot be told")
    said = {
        "mac_residuals": mac.residuals,
        "threshold_residuals": 0 if threshold is None else threshold.residuals,
        "functions": sorted({each.function for each in parts}),
        **provenance,
    }
    of_thresholds = (0.0, 0.0, 0.0) if threshold is None else (threshold.mean, threshold.static, threshold.changing)
    return ModelFormError(mac.mean, mac.static, mac.changing, *of_thresholds, provenance=said)
