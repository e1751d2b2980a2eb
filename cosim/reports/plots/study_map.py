"""Two settings at once: a map with the score written into each cell."""

from __future__ import annotations

import math
import textwrap

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from cosim.reports.numbers import fixed
from cosim.reports.plots.study_axes import LONGEST, short_words
from cosim.reports.study_data import Row, StudyData
from cosim.reports.style import BAND, GRID, INK, PAPER, Panel, Plot, new_panel

MOST_CELLS = (8, 14)  # columns and rows whose numbers can still be read


def map_plot(data: StudyData) -> Plot | None:
    """Score over a grid of two settings; None for any other sweep, and where the cells are too many to be read."""
    if not data.is_grid or len(data.settings) != 2 or not data.scored:
        return None
    across, down = sorted(data.settings, key=lambda each: len(each.values))
    if len(across.values) < 2 or len(across.values) > MOST_CELLS[0] or len(down.values) > MOST_CELLS[1]:
        return None
    score, best = data.score, data.best
    cells = {(row.values[across.name], row.values[down.name]): row for row in data.rows}
    scores = [row.score for row in data.scored]
    low, span = min(scores), (max(scores) - min(scores)) or 1.0
    height = 0.42 * len(down.values) + 1.3
    figure, axes = new_panel("", across.name, down.name, height=height)
    decimals = 1 if score.metric == "accuracy" else 3
    for (x, y), row in cells.items():
        column, line = across.values.index(x), down.values.index(y)
        share = (row.score - low) / span if math.isfinite(row.score) else 0.0
        axes.add_patch(Rectangle((column - 0.5, line - 0.5), 1, 1, fc=BAND, alpha=0.06 + 0.94 * share, lw=0))
        axes.add_patch(Rectangle((column - 0.5, line - 0.5), 1, 1, fill=False, ec=PAPER, lw=1.5))
        _number(axes, column, line, row, data, decimals)
        if row is best:
            axes.add_patch(Rectangle((column - 0.46, line - 0.44), 0.92, 0.88, fill=False, ec=INK, lw=1.4))
    for place, setting, ticks in ((0, across, axes.set_xticks), (1, down, axes.set_yticks)):
        words = [textwrap.fill(each, 12 if place == 0 else LONGEST) for each in short_words(setting).values()]
        ticks(range(len(setting.values)), words)
        axes.tick_params("x" if place == 0 else "y", length=0)
    axes.set_xlim(-0.5, len(across.values) - 0.5)
    axes.set_ylim(len(down.values) - 0.5, -0.5)
    axes.grid(False)
    for side in axes.spines.values():
        side.set_color(GRID)
    alt = (
        f"{score.name} over {across.name} and {down.name}, from {score.text(min(scores))} to {score.text(max(scores))}"
    )
    return Plot(
        f"{score.name.capitalize()} over {across.name} and {down.name}",
        (Panel("study_map", figure, alt),),
        f"{score.name.capitalize()} [{score.unit}] and, below it, half of its 95 % interval. The stronger a cell's"
        " colour, the higher the number; framed: the best.",
    )


def _number(axes: Axes, column: int, line: int, row: Row, data: StudyData, decimals: int) -> None:
    score = data.score
    if not math.isfinite(row.score):
        axes.text(column, line, row.status, ha="center", va="center", fontsize=7.5)
        return
    low, high = row.interval
    text = fixed(score.factor * row.score, decimals)
    half = score.factor * (high - low) / 2
    if math.isfinite(half):
        text += f"\n± {fixed(half, decimals)}"
    axes.text(column, line, text, ha="center", va="center", fontsize=8, linespacing=1.15)
