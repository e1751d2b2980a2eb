"""How the plots look: colours for light and dark, fonts, and what a plot is made of.

Figures are drawn in the light colours; the page replaces each by a CSS variable of the same name, so that one drawing
serves both themes. Series differ by marker, dash or hatch as well as by colour.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# name -> (light, dark)
PALETTE = {
    "ink": ("#1f2328", "#e6e9ed"),  # text, the thing itself
    "muted": ("#5d6670", "#a3adb8"),  # second text, single chips
    "grid": ("#d5dbe1", "#3a424c"),
    "paper": ("#fdfdfc", "#15181c"),  # background
    "blue": ("#0b62b0", "#6cb2ff"),
    "orange": ("#b5470a", "#ff9f5e"),
    "green": ("#1a7a48", "#5fd08f"),
    "purple": ("#7a3fa0", "#cba1ff"),
    "band": ("#9cc3e6", "#2b5378"),  # ranges and bars behind marks
}
INK, MUTED, GRID, PAPER, BLUE, ORANGE, GREEN, PURPLE, BAND = (light for light, _ in PALETTE.values())

WIDTH = 4.6  # [in] of a panel: two beside each other on a desk, one below the other on a phone
HEIGHT = 3.4

_SETTINGS: dict[Any, Any] = {
    "svg.fonttype": "none",  # text stays text: searchable, in the page's font
    "svg.hashsalt": "cosim",
    "font.family": "DejaVu Sans",
    "font.size": 9.0,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 8.0,
    "axes.labelsize": 9.0,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "legend.fontsize": 8.5,
    "legend.frameon": False,
    "legend.handlelength": 2.4,
    "figure.constrained_layout.use": True,
    "figure.constrained_layout.h_pad": 0.06,
    "figure.constrained_layout.w_pad": 0.06,
    "figure.facecolor": PAPER,
    "savefig.facecolor": PAPER,
    "axes.facecolor": "none",
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.unicode_minus": True,
    "axes.formatter.useoffset": False,
    "axes.formatter.limits": (-4, 5),
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "patch.edgecolor": INK,
    "hatch.color": INK,
    "hatch.linewidth": 0.6,
    "lines.linewidth": 1.4,
    "lines.markersize": 4.0,
}


@dataclass(frozen=True)
class Panel:
    """One drawing: `name` is the stem of its file, `alt` says in words what it shows."""

    name: str
    figure: Figure
    alt: str


@dataclass(frozen=True)
class Plot:
    """A figure of the report: a title, one panel or more, a caption that says what is plotted and what the bars are."""

    title: str
    panels: tuple[Panel, ...]
    caption: str


@contextmanager
def plotting() -> Iterator[None]:
    """Draw and save figures in here; whatever matplotlib's settings are outside, they stay outside."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_SETTINGS)
        yield


def new_panel(title: str, x: str, y: str, *, height: float = HEIGHT) -> tuple[Figure, Axes]:
    """An empty panel with its title and axis labels."""
    figure = Figure(figsize=(WIDTH, height))
    axes = figure.add_subplot()
    axes.set_title(title)
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    return figure, axes


def add_legend(figure: Figure, columns: int = 3) -> None:
    """Legend of all labelled series below the axes, where it hides nothing."""
    figure.legend(loc="outside lower center", ncols=columns, columnspacing=1.4)
