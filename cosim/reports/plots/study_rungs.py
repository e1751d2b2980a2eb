"""What each non-ideality costs, alone and together; and, of any list of points, each one's score in a line."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes

from cosim.reports.plots.study_axes import reach, score_label
from cosim.reports.study_data import Row, StudyData
from cosim.reports.style import BAND, BLUE, INK, MUTED, ORANGE, PAPER, Panel, Plot, add_legend, new_panel
from cosim.studies.scores import Estimate

MOST_LINES = 40


def ladder_plot(data: StudyData, costs: Mapping[int, Estimate]) -> Plot:
    """Scores of a ladder's rungs, and what each costs against none.

    costs: number of a point -> how much worse it is than `none`, paired; positive is worse.
    """
    rows = sorted_rungs(data, costs)
    letter = "(a) " if costs else ""
    panels = [_scores(data, rows, f"{letter}{data.score.name.capitalize()}", "study_ladder")]
    caption = (
        "No non-ideality beyond the bits (diamond), each one alone, the costliest first, and all together (square)."
        f" {letter}Bars: 95 % interval of the mean for other chips and test samples; light bars: ± one standard"
        " deviation from chip to chip."
    )
    if costs:
        score = data.score
        figure, axes = new_panel("(b) Cost", f"{score.name} {score.worse} [{score.difference_unit}]", "",
                                 height=height_of(len(rows)))  # fmt: skip
        label: str | None = "95 % interval, paired"
        for place, row in enumerate(rows):
            if row.number in costs and row.label != "none":
                found = costs[row.number]
                bars = [[score.factor * (found.value - found.low)], [score.factor * (found.high - found.value)]]
                colour, marker = _form(row)
                axes.errorbar(score.factor * found.value, place, xerr=bars, fmt=marker, color=colour, ms=5, mec=PAPER,
                              mew=0.5, elinewidth=1.3, capsize=3, label=label)  # fmt: skip
                label = None
        axes.axvline(0, color=MUTED, lw=0.9)
        name_lines(axes, [data.called(row) for row in rows])
        add_legend(figure, 2)
        panels.append(Panel("study_ladder_cost", figure, f"Change of the {score.name} with each non-ideality alone"))
        caption += (
            f" (b) {score.name.capitalize()} {score.worse} against none, on the same chips and test samples; a bar that"
            " reaches zero shows no loss."
        )
    return Plot("Ladder: what each non-ideality costs", tuple(panels), caption)


def list_plot(data: StudyData) -> Plot | None:
    """Scores of a list's points, one a line, in the study's order; None where there are too many."""
    if not data.scored or len(data.rows) > MOST_LINES:
        return None
    figure = _scores(data, list(data.rows), "", "study_points")
    return Plot(
        f"{data.score.name.capitalize()} of each point",
        (figure,),
        "Bars: 95 % interval of the mean for other chips and test samples; light bars: ± one standard deviation from"
        " chip to chip.",
    )


def sorted_rungs(data: StudyData, costs: Mapping[int, Estimate]) -> list[Row]:
    """`none` first, `all` last, between them the costliest first."""

    def place(row: Row) -> tuple[int, float]:
        worse = -costs[row.number].value if row.number in costs else math.inf
        return {"none": 0, "all": 2}.get(row.label, 1), worse

    return sorted(data.rows, key=place)


def _scores(data: StudyData, rows: Sequence[Row], title: str, name: str) -> Panel:
    score = data.score
    figure, axes = new_panel(title, score_label(score), "", height=height_of(len(rows)))
    labels = {"bar": "95 % interval", "spread": "± 1 sd, chip to chip"}
    for place, row in enumerate(rows):
        if not math.isfinite(row.score):
            continue
        spread = row.figures.get("chip_spread", math.nan)
        if spread > 0:
            low, high = (score.factor * (row.score + side * spread) for side in (-1, 1))
            axes.hlines(place, low, high, color=BAND, lw=6, zorder=1.5, label=labels.pop("spread", ""))
        colour, marker = _form(row)
        axes.errorbar(score.factor * row.score, place, xerr=reach(row, score), fmt=marker, color=colour, ms=5,
                      mec=PAPER, mew=0.5, elinewidth=1.3, capsize=3, label=labels.pop("bar", ""))  # fmt: skip
    name_lines(axes, [data.called(row) for row in rows])
    add_legend(figure, 2)
    alt = "; ".join(f"{data.called(row)}: {score.text(row.score)}" for row in rows if math.isfinite(row.score))
    return Panel(name, figure, f"{score.name.capitalize()} with its interval. {alt}")


def _form(row: Row) -> tuple[str, str]:
    return {"none": (INK, "D"), "all": (ORANGE, "s")}.get(row.label, (BLUE, "o"))


def height_of(lines: int) -> float:
    """Of a panel with so many lines [in]."""
    return 0.4 * lines + 1.2


def name_lines(axes: Axes, names: Sequence[str]) -> None:
    """A name beside each line, the first on top."""
    axes.set_yticks(range(len(names)), [_short(name) for name in names])
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.grid(False, axis="y")
    axes.tick_params(axis="y", length=0)


def _short(name: str) -> str:
    """At most two lines of a panel's margin."""
    return "\n".join(textwrap.wrap(name, 24, max_lines=2, placeholder=" …"))
