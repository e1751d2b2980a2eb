"""Residuals of a fitted model: each quantity over what it depends on, and how its held-out errors are distributed."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from cosim.blocks.residuals import Residuals
from cosim.files import write_atomically
from cosim.reports.style import BLUE, GREEN, HEIGHT, INK, MUTED, ORANGE, PAPER, PURPLE, WIDTH, plotting
from cosim.reports.svg import to_svg

_PARTS = ((BLUE, "o"), (ORANGE, "s"), (GREEN, "^"), (PURPLE, "D"))
_MOST_POINTS = 4000  # of one kind in one panel; more only make the file large


def write_residual_plot(title: str, residuals: Sequence[Residuals], path: str | Path) -> Path:
    """Draw the residuals of a model into an SVG file, whole or not at all; returns the path."""
    with plotting():
        text = to_svg(residual_figure(title, residuals))
    return write_atomically(path, partial(_write, text))


def residual_figure(title: str, residuals: Sequence[Residuals]) -> Figure:
    """One row a quantity. Left, error over `x`, points of the fit and held-out ones; right, share of held-out points
    whose error is below a value. Call it inside `plotting()`."""
    figure = Figure(figsize=(2 * WIDTH, HEIGHT * len(residuals)))
    figure.suptitle(title, x=0.01, ha="left", fontsize=10, fontweight="bold")
    axes = figure.subplots(len(residuals), 2, squeeze=False, width_ratios=(3, 2))
    for row, each in zip(axes, residuals, strict=True):
        _over_x(row[0], each)
        _distribution(row[1], each)
    return figure


def _over_x(axes: Axes, found: Residuals) -> None:
    judged = found.judged()
    axes.set_title(f"{found.quantity}: {judged.rms:.2g} {found.unit} rms, {judged.maximum:.2g} at most, held out")
    axes.set_xlabel(found.x_label)
    axes.set_ylabel(f"model − reference [{found.unit}]")
    seen = _thinned(np.flatnonzero(~found.held_out))
    if seen.size:
        axes.plot(found.x[seen], found.error[seen], "x", ms=2.6, mew=0.6, color=MUTED, label="fitted")
    names = np.full(found.error.shape, "held out") if found.part is None else found.part
    for number, name in enumerate(dict.fromkeys(names[found.held_out].tolist())):
        colour, marker = _PARTS[number % len(_PARTS)]
        which = _thinned(np.flatnonzero(found.held_out & (names == name)))
        axes.plot(found.x[which], found.error[which], marker, ms=2.8, mec=PAPER, mew=0.2, color=colour, label=str(name))
    axes.axhline(0, color=MUTED, lw=0.8)
    reach = float(np.abs(found.error).max())
    if found.limit < 3 * reach:  # a limit far beyond all points would flatten them
        for side in (-1, 1):
            axes.axhline(side * found.limit, color=INK, lw=0.9, ls="--", label="limit of the rms" if side > 0 else None)
    _logarithmic_where_wide(axes, found)
    axes.legend(
        loc="best", fontsize=7.5, markerscale=1.5, frameon=True, framealpha=0.8, facecolor=PAPER, edgecolor="none"
    )


def _distribution(axes: Axes, found: Residuals) -> None:
    error = np.sort(found.error[found.held_out])
    share = np.arange(1, error.size + 1) / error.size  # a step at every point
    axes.set_title(f"{error.size} held-out points")
    axes.set_xlabel(f"model − reference [{found.unit}]")
    axes.set_ylabel("share below")
    axes.plot(np.r_[error[:1], error], np.r_[0.0, share], drawstyle="steps-post", color=BLUE)
    axes.axvline(0, color=MUTED, lw=0.8)
    axes.set_ylim(0, 1)
    axes.xaxis.set_major_locator(MaxNLocator(5))


def _logarithmic_where_wide(axes: Axes, found: Residuals) -> None:
    if (found.x > 0).all() and found.x.max() / found.x.min() > 300:
        axes.set_xscale("log")


def _thinned(numbers: np.ndarray) -> np.ndarray:
    """At most `_MOST_POINTS` of them, evenly over the list."""
    step = -(-numbers.size // _MOST_POINTS) if numbers.size else 1
    return numbers[::step]


def _write(text: str, path: Path) -> None:
    path.write_text(text, encoding="utf-8")
