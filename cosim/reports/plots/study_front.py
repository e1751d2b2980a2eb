"""What is gained for what: scores against costs, and the points that no other beats in everything."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence

import numpy as np

from cosim.reports.numbers import prefixed_unit
from cosim.reports.plots.study_axes import log_ticks, reach, score_label, thinned
from cosim.reports.study_data import Row, StudyData
from cosim.reports.style import BLUE, MUTED, ORANGE, PAPER, Panel, Plot, add_legend, new_panel

COSTS = ("energy", "latency", "area")
DECADES = 30.0
MOST_PANELS = 6


def front_plot(data: StudyData, objectives: Mapping[str, str], front: Sequence[int]) -> Plot | None:
    """A search's points by each pair of its objectives; None where it has one alone.

    objectives: figure -> "max" or "min". front: numbers of the points that no other beats.
    """
    names = [name for name in objectives if _known(data, name)]
    if len(names) < 2:
        return None
    first = [name for name in names if name == data.score.metric] or names[:1]
    pairs = [(x, first[0]) for x in names if x != first[0]]
    pairs += [pair for pair in itertools.combinations([x for x, _ in pairs], 2)]
    panels = [_pair(data, x, y, set(front), place, len(pairs[:MOST_PANELS]), f"study_front_{place}", objectives)
              for place, (x, y) in enumerate(pairs[:MOST_PANELS])]  # fmt: skip
    return Plot(
        "Pareto front",
        tuple(panels),
        f"Every point that was evaluated; squares: those that no other point beats in all objectives"
        f" at once ({len(front)}); where there are two objectives a line joins them. Bars: 95 %"
        " interval of the mean for other chips and test samples: points whose bars overlap may"
        f" change places with other chips.{thinned(data.scored, front)[1]}",
    )


def cost_plot(data: StudyData) -> Plot | None:
    """Scores against energy, latency and area where these differ between points."""
    names = [name for name in COSTS if name in data.figures and _known(data, name) and _differs(data, name)]
    if not names:
        return None
    panels = [
        _pair(data, name, data.score.metric, set(), place, len(names), f"study_cost_{place}", {})
        for place, name in enumerate(names)
    ]
    return Plot(
        f"{data.score.name.capitalize()} against what it costs",
        tuple(panels),
        "A mark is a point. Bars: 95 % interval of the mean for other chips and test samples."
        + thinned(data.scored)[1],
    )


def _pair(
    data: StudyData, x: str, y: str, front: set[int], place: int, count: int, name: str, objectives: Mapping[str, str]
) -> Panel:
    rows, _ = thinned(data.scored, front)
    rows = [row for row in rows if math.isfinite(_value(data, row, x)) and math.isfinite(_value(data, row, y))]
    factors = {each: _factor(data, rows, each) for each in (x, y)}
    letter = f"({'abcdef'[place]}) " if count > 1 else ""
    title = f"{letter}{_words(data, y).capitalize()} and {_words(data, x)}" if letter else ""
    figure, axes = new_panel(title, *(_label(data, each, factors[each][1])
                             for each in (x, y)))  # fmt: skip
    for is_front in (False, True):
        mine = [row for row in rows if (row.number in front) == is_front]
        if not mine:
            continue
        places = [np.array([_value(data, row, each) * factors[each][0] for row in mine]) for each in (x, y)]
        bars = {
            f"{side}err": np.concatenate([reach(row, data.score) for row in mine], axis=1)
            for side, each in (("x", x), ("y", y))
            if each == data.score.metric
        }
        axes.errorbar(
            places[0], places[1], xerr=bars.get("xerr"), yerr=bars.get("yerr"), fmt="s" if is_front else "o",
            color=ORANGE if is_front else BLUE, ecolor=ORANGE if is_front else MUTED, ms=5.5 if is_front else 4,
            label="no point beats it" if is_front else "others" if front else "points", zorder=3 if is_front else 2,
            mec=PAPER, mew=0.4, elinewidth=0.8, capsize=2,
        )  # fmt: skip
        if is_front and len(objectives) == 2 and len(mine) > 1:
            order = np.argsort(places[0], kind="stable")
            axes.plot(places[0][order], places[1][order], color=ORANGE, lw=0.9, ls="--", zorder=2)
    for each, scale, axis in ((x, axes.set_xscale, axes.xaxis), (y, axes.set_yscale, axes.yaxis)):
        values = [_value(data, row, each) for row in rows]
        if each != data.score.metric and values and min(values) > 0 and max(values) / min(values) > DECADES:
            scale("log")
            log_ticks(axis)
    if front:
        add_legend(figure, 2)
    return Panel(name, figure, f"{_words(data, y)} against {_words(data, x)} of {len(rows)} points")


def _value(data: StudyData, row: Row, name: str) -> float:
    return row.score if name == data.score.metric else row.figures.get(name, math.nan)


def _factor(data: StudyData, rows: Sequence[Row], name: str) -> tuple[float, str]:
    """(what a value is multiplied by, the unit that comes of it)."""
    if name == data.score.metric:
        return data.score.factor, data.score.unit
    largest = max((abs(_value(data, row, name)) for row in rows), default=0.0)
    divisor, unit = prefixed_unit(largest, data.figures[name][0])
    return 1 / divisor, unit


def _label(data: StudyData, name: str, unit: str) -> str:
    return score_label(data.score) if name == data.score.metric else f"{_words(data, name)} [{unit or '1'}]"


def _words(data: StudyData, name: str) -> str:
    return data.score.name if name == data.score.metric else name.replace("_", " ")


def _known(data: StudyData, name: str) -> bool:
    return any(math.isfinite(_value(data, row, name)) for row in data.scored)


def _differs(data: StudyData, name: str) -> bool:
    values = [value for row in data.scored if math.isfinite(value := _value(data, row, name))]
    return max(values) - min(values) > 1e-9 * max(map(abs, values))
