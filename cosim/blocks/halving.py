"""Figures of transients, each found twice: as the deck says, and with every time step halved.

The trapezoidal and Gear rules are of second order, so a halved step leaves a quarter of the error: the figure of the
finer run is off by about a third of what it moved. A figure that moves by more than its stated tolerance flags its
point. Decks without a transient are run once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from cosim.blocks.status import FAILED, NOT_FOUND, OK, STEP
from cosim.spice import Deck, Result, SimulatorPool

Array = NDArray[np.float64]
Figures = Mapping[str, Any]
Extract = Callable[[Result, int], Figures]


@dataclass(frozen=True)
class Relative:
    """A tolerance relative to the figure's size, of at least `floor` in the figure's unit."""

    share: float
    floor: float = 0.0

    def absolute(self, value: Array) -> Array:
        return np.maximum(self.share * np.abs(value), self.floor)


Tolerance = float | Relative


@dataclass(frozen=True)
class Checked:
    """What was read from one deck.

    Attributes
    ----------
    figures: name -> value or array, of the finer run; NaN where the simulation failed.
    change: name -> how far it moved between the runs; zero for a deck without a transient, NaN where either failed.
    status: see `cosim.blocks.status`.
    results: of the deck, and of its finer run where there is one.
    """

    figures: dict[str, Array]
    change: dict[str, Array]
    status: int
    results: tuple[Result, ...]

    @property
    def keys(self) -> list[str]:
        """Hashes of the decks that were run."""
        return [result.key for result in self.results]


def run_checked(
    decks: Sequence[Deck],
    extract: Extract,
    tolerances: Mapping[str, Tolerance],
    pool: SimulatorPool,
    label: str | None = None,
) -> list[Checked]:
    """Run decks and read their figures, transients with the check of their time step.

    Parameters
    ----------
    extract: (result, number of the deck) -> figures, floats or arrays; the same names and shapes for every deck. A
        figure that the waveform does not show is NaN.
    tolerances: figure -> how far it may move, absolute in its own unit or `Relative`; figures without one (a label, a
        value known beforehand) are not checked.

    Returns one `Checked` a deck, in order. When every deck failed the figures are unknown and `figures` is empty.
    """
    finer = [deck.halved() for deck in decks if deck.is_transient]
    results = pool.run([*decks, *finer], label)
    rest = iter(results[len(decks) :])
    pairs: list[tuple[Result, ...]] = [
        (result, next(rest)) if deck.is_transient else (result,)
        for deck, result in zip(decks, results[: len(decks)], strict=True)
    ]
    found = [
        [_arrays(extract(result, number)) if result.ok else None for result in pair]
        for number, pair in enumerate(pairs)
    ]
    shapes = next((figures for pair in found for figures in pair if figures is not None), {})
    return [_checked(pair, read, shapes, tolerances) for pair, read in zip(pairs, found, strict=True)]


def _arrays(figures: Figures) -> dict[str, Array]:
    return {name: np.asarray(value, dtype=np.float64) for name, value in figures.items()}


def _checked(
    results: tuple[Result, ...],
    read: list[dict[str, Array] | None],
    shapes: Mapping[str, Array],
    tolerances: Mapping[str, Tolerance],
) -> Checked:
    if any(each is None for each in read):
        nan = {name: np.full(like.shape, np.nan) for name, like in shapes.items()}
        return Checked(nan, nan, FAILED, results)
    coarse, fine = read[0], read[-1]
    assert coarse is not None and fine is not None
    change = {name: np.abs(fine[name] - coarse[name]) for name in fine}
    status = OK
    for name, tolerance in tolerances.items():
        if np.isnan(fine[name]).any() or np.isnan(coarse[name]).any():
            status = NOT_FOUND
            break
        allowed = tolerance.absolute(fine[name]) if isinstance(tolerance, Relative) else tolerance
        if (change[name] > allowed).any():
            status = STEP
    return Checked(fine, change, status, results)


def stacked(checked: Sequence[Checked], name: str, shape: Sequence[int] = ()) -> Array:
    """One figure of all points, shape (points, ...); with `shape`, the points themselves take that shape.

    NaN where the figure is not known.
    """
    known = next((each.figures[name] for each in checked if name in each.figures), np.asarray(np.nan))
    nan = np.full(known.shape, np.nan)
    values = np.array([each.figures.get(name, nan) for each in checked])
    return values.reshape(*shape, *known.shape) if shape else values


def largest_change(checked: Sequence[Checked], name: str) -> float:
    """How far a figure moved at most when the steps were halved; NaN when no point shows it."""
    moves = [each.change[name] for each in checked if name in each.change]
    known = [np.nanmax(move) for move in moves if not np.isnan(move).all()]
    return float(max(known)) if known else float("nan")


def state_changes(data: xr.Dataset, checked: Sequence[Checked], names: Iterable[str]) -> None:
    """Attribute `step_change` of variables named like their figures: the largest change, where a point shows one."""
    for name in names:
        change = largest_change(checked, name)
        if np.isfinite(change) and np.isfinite(data[name].values).any():
            data[name].attrs["step_change"] = change


def statuses(checked: Sequence[Checked], shape: Sequence[int] = ()) -> NDArray[np.int8]:
    """Status of every point, shape (points,) or `shape`."""
    values = np.array([each.status for each in checked], dtype=np.int8)
    return values.reshape(*shape) if shape else values


def all_keys(checked: Sequence[Checked]) -> list[str]:
    """Hashes of all decks that were run, in order."""
    return [key for each in checked for key in each.keys]


def tolerance_text(tolerance: Tolerance, unit: str) -> str:
    """A tolerance for the attribute `step_tolerance` of a variable."""
    if isinstance(tolerance, Relative):
        floor = f", at least {tolerance.floor:g} {unit}" if tolerance.floor else ""
        return f"{tolerance.share * 100:g} %{floor}"
    return f"{tolerance:g} {unit}"
