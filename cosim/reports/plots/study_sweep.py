"""Accuracy against what was swept, and what its standard error is made of."""

from __future__ import annotations

import itertools
import math
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties

from cosim.reports.plots.study_axes import FORMS, SettingAxis, few, reach, score_label, short_words, thinned
from cosim.reports.study_data import SOURCES, Row, Setting, StudyData
from cosim.reports.style import BAND, BLUE, MUTED, PAPER, Panel, Plot, add_legend, new_panel
from cosim.studies.scores import Estimate

MOST_SERIES = len(FORMS)
MOST_PANELS = 6
CROWDED = 24  # bars of a panel from which they are thin


def sweep_plots(data: StudyData) -> list[Plot]:
    """A grid of one or two settings as lines, of more as small multiples and mean effects; all else as scatter."""
    if not data.scored or not data.settings:
        return []
    if data.is_grid and len(data.settings) <= 2:
        return [_small_grid(data)]
    if data.is_grid:
        return [*_multiples(data), _effects(data)]
    return [_scatter(data)]


def loss_plot(data: StudyData, losses: Mapping[int, Estimate]) -> Plot | None:
    """Of a grid of one or two settings: how much worse each point is than the best, paired; else None."""
    best = data.best
    if not losses or best is None or not data.is_grid or not 1 <= len(data.settings) <= 2:
        return None
    found = {number: (each.value, each.low, each.high) for number, each in losses.items()}
    what = f"{data.score.name} {data.score.worse}"
    return Plot(
        f"{what.capitalize()} against the best point",
        tuple(_differences(data, found, what, "study_losses")),
        f"Each point against {data.called(best)}, on the same chips and test samples: what all points share falls out,"
        " so these bars (95 % interval of a difference) are shorter than those of the points. A bar that reaches zero"
        " shows no difference.",
    )


def model_form_plot(data: StudyData) -> Plot | None:
    """Of a grid of one or two settings: what the model-form error does to each point; None where it is not known."""
    found = {row.number: row.model_form for row in data.scored if math.isfinite(row.model_form[0])}
    if not found or not data.is_grid or not 1 <= len(data.settings) <= 2:
        return None
    return Plot(
        "What the models' own error does",
        tuple(_differences(data, found, f"change of the {data.score.name}", "study_model_error")),
        f"{data.score.name.capitalize()} with the residuals of ngspice against the models injected, less without, on"
        " the same chips, reads and test samples; bars: 95 % interval, paired.",
    )


def _differences(
    data: StudyData, found: Mapping[int, tuple[float, float, float]], what: str, name: str
) -> Iterator[Panel]:
    """A panel for each view of a grid; `found`: number of a point -> difference and its interval."""
    score, views = data.score, _views(data)
    for place, (x, series) in enumerate(views):
        axis = SettingAxis(x)
        figure, axes = new_panel(_titled(place, len(views), x), "", f"{what} [{score.difference_unit}]")
        shown: list[Any] = [None] if series is None else few(series.values, MOST_SERIES)
        for number, value in enumerate(shown):
            colour, marker, dash = FORMS[number]
            mine = [row for row in data.scored if row.number in found]
            mine = [row for row in mine if series is None or row.values[series.name] == value]
            mine.sort(key=lambda row: axis.at(row.values[x.name]))
            if not mine:
                continue
            values, low, high = score.factor * np.array([found[row.number] for row in mine]).T
            axes.errorbar(
                [axis.dodged(row.values[x.name], number, len(shown)) for row in mine], values,
                yerr=np.maximum([values - low, high - values], 0.0), color=colour, marker=marker,
                ls=dash if x.numeric else "none", mec=PAPER, mew=0.5, ms=5, elinewidth=1.1, capsize=3,
                label="95 % interval, paired" if series is None else short_words(series)[value],
            )  # fmt: skip
        axes.axhline(0, color=MUTED, lw=0.9)
        axis.apply(axes)
        _legend(figure, series, shown)
        yield Panel(f"{name}_{place}", figure, f"{what} of each point, over {x.name}")


def error_plot(data: StudyData) -> Plot | None:
    """Standard error by what it comes from, against each swept setting; None where no source is known."""
    known = [name for name in SOURCES if any(math.isfinite(row.figures.get(name, math.nan)) for row in data.scored)]
    settings = [each for each in data.settings if len(each.values) <= 40]
    if not known or not settings:
        return None
    panels = []
    for place, setting in enumerate(settings[:MOST_PANELS]):
        axis = SettingAxis(setting)
        figure, axes = new_panel(_titled(place, len(settings), setting), "", f"standard error {_unit(data)}")
        for number, name in enumerate(known):
            colour, marker, dash = FORMS[number]
            pairs = [(value, _mean_square(data, setting, value, name)) for value in setting.values]
            found = [(axis.dodged(value, number, len(known)), error) for value, error in pairs if math.isfinite(error)]
            if found:
                x, y = zip(*found, strict=True)
                line = dash if setting.numeric and data.is_grid else "none"
                axes.plot(x, data.score.factor * np.array(y), color=colour, marker=marker, ls=line, mec=PAPER, mew=0.5,
                          ms=5, label=SOURCES[name])  # fmt: skip
        axis.apply(axes)
        axes.set_ylim(bottom=0)
        add_legend(figure, 2)
        alt = f"Standard error of the {data.score.name} from {', '.join(SOURCES[name] for name in known)}"
        panels.append(Panel(f"study_errors_{place}", figure, f"{alt}, against {setting.name}"))
    over = "" if len(data.settings) == 1 else " Root mean square over the other settings."
    return Plot(
        "Where the uncertainty comes from",
        tuple(panels),
        f"Standard error of a point's {data.score.name} by its source; their squares add.{over} More chips, reads or"
        " test samples make their own part smaller, and no other.",
    )


def _small_grid(data: StudyData) -> Plot:
    """One setting: a line. Two: each of them along the axis once, the other as series."""
    pairs, panels = _views(data), []
    for place, (x, series) in enumerate(pairs):
        panels.append(_lines(data, data.rows, x, series, _titled(place, len(pairs), x), f"study_sweep_{place}"))
    return Plot(
        f"{data.score.name.capitalize()} against {' and '.join(each.name for each in data.settings)}",
        tuple(panels),
        _marks(data),
    )


def _views(data: StudyData) -> list[tuple[Setting, Setting | None]]:
    """(setting along the axis, setting as series) of a grid of one or two."""
    if len(data.settings) == 1:
        return [(data.settings[0], None)]
    one, two = data.settings
    either = one.numeric or two.numeric
    return [(x, series) for x, series in ((one, two), (two, one)) if x.numeric or not either]


def _multiples(data: StudyData) -> list[Plot]:
    """Three settings and more: a panel for each combination of the further ones, as many as can be looked at."""
    order = sorted(data.settings, key=lambda each: (each.numeric, len(each.values)), reverse=True)
    x, series, *rest = order
    panels = []
    combinations = list(itertools.product(*(each.values for each in rest)))
    for place, combination in enumerate(few(combinations, MOST_PANELS)):
        fixed = dict(zip((each.name for each in rest), combination, strict=True))
        rows = [row for row in data.rows if all(row.values[name] == value for name, value in fixed.items())]
        title = ", ".join(f"{each.name.rpartition('.')[2]} = {each.words(fixed[each.name])}" for each in rest)
        if any(math.isfinite(row.score) for row in rows):
            panels.append(
                _lines(data, rows, x, series, _wrapped(f"({'abcdef'[place]}) {title}"), f"study_sweep_{place}")
            )
    left = len(combinations) - len(panels)
    more = f" {left} more combinations are in results.csv." if left else ""
    return [
        Plot(
            f"{data.score.name.capitalize()} against {x.name}, {series.name} and others",
            tuple(panels),
            f"A panel for each combination of {' and '.join(each.name for each in rest)}. {_marks(data)}{more}",
        )
    ]


def _effects(data: StudyData) -> Plot:
    """Mean over all other settings against each, with the range of them."""
    panels = []
    for place, setting in enumerate(data.settings[:MOST_PANELS]):
        axis = SettingAxis(setting)
        figure, axes = new_panel(_titled(place, len(data.settings), setting), "", score_label(data.score))
        found = [(value, [row.score for row in data.scored if row.values[setting.name] == value])
                 for value in setting.values]  # fmt: skip
        found = [(value, scores) for value, scores in found if scores]
        x = [axis.at(value) for value, _ in found]
        low, high, mean = (data.score.factor * np.array([of(scores) for _, scores in found])
                           for of in (min, max, np.mean))  # fmt: skip
        axes.vlines(x, low, high, color=BAND, lw=6, label="lowest to highest")
        line = "-" if setting.numeric else "none"
        axes.plot(x, mean, color=BLUE, marker="o", ls=line, mec=PAPER, mew=0.5, ms=5,
                  label="mean over the other settings")  # fmt: skip
        axis.apply(axes)
        add_legend(figure, 2)
        panels.append(Panel(f"study_effect_{place}", figure, f"Mean {data.score.name} against {setting.name}"))
    return Plot(
        "Effect of each setting over all others",
        tuple(panels),
        "Mean over all combinations of the other settings; bars: the lowest to the highest of them, no uncertainty.",
    )


def _scatter(data: StudyData) -> Plot:
    """Every point against each setting: of a list, a hypercube, a search."""
    settings = [each for each in data.settings if len(each.values) > 1][: 2 * MOST_PANELS]
    panels = []
    many = len(data.scored) > 60
    rows, thin = thinned(data.scored)
    for place, setting in enumerate(settings):
        axis = SettingAxis(setting)
        figure, axes = new_panel(_titled(place, len(settings), setting), "", score_label(data.score))
        axes.errorbar(
            [axis.at(row.values[setting.name]) for row in rows], [data.score.factor * row.score for row in rows],
            yerr=np.concatenate([reach(row, data.score) for row in rows], axis=1), fmt="o", color=BLUE, ecolor=MUTED,
            mec=PAPER, mew=0.4, ms=3.5 if many else 5, elinewidth=0.5 if many else 1.0, capsize=0 if many else 2.5,
        )  # fmt: skip
        axis.apply(axes)
        panels.append(Panel(f"study_sweep_{place}", figure, f"{data.score.name} of each point against {setting.name}"))
    left = len(data.settings) - len(settings)
    more = f" {left} more settings are in results.csv." if left else ""
    return Plot(
        f"{data.score.name.capitalize()} of every point against each setting",
        tuple(panels),
        "A mark is a point; all other settings change from mark to mark as well. Bars: 95 % interval for other chips"
        f" and test samples.{thin}{more}",
    )


def _lines(data: StudyData, rows: Sequence[Row], x: Setting, series: Setting | None, title: str, name: str) -> Panel:
    axis, score = SettingAxis(x), data.score
    figure, axes = new_panel(title, "", score_label(score))
    shown: list[Any] = [None] if series is None else few(series.values, MOST_SERIES)
    bar_width, cap = (1.1, 3) if len(shown) * len(x.values) <= CROWDED else (0.6, 0)
    for number, value in enumerate(shown):
        colour, marker, dash = FORMS[number]
        mine = [row for row in rows if series is None or row.values[series.name] == value]
        mine = sorted((row for row in mine if math.isfinite(row.score)), key=lambda row: axis.at(row.values[x.name]))
        if not mine:
            continue
        places = [axis.dodged(row.values[x.name], number, len(shown)) for row in mine]
        scores = [score.factor * row.score for row in mine]
        if series is None:
            for place, row in zip(places, mine, strict=True):
                spread = score.factor * row.figures.get("chip_spread", math.nan)
                if spread > 0:
                    middle = score.factor * row.score
                    axes.vlines(place, middle - spread, middle + spread, color=BAND, lw=6, zorder=1.5,
                                label="" if row is not mine[0] else "± 1 sd, chip to chip")  # fmt: skip
        bars = np.concatenate([reach(row, score) for row in mine], axis=1)
        label = "mean, 95 % interval" if series is None else short_words(series)[value]
        axes.errorbar(places, scores, yerr=bars, color=colour, marker=marker, ls=dash if x.numeric else "none",
                      mec=PAPER, mew=0.5, ms=5, elinewidth=bar_width, capsize=cap, label=label)  # fmt: skip
    axis.apply(axes)
    _legend(figure, series, shown)
    alt = f"{score.name} against {x.name}" + (f", a line for each {series.name}" if series else "")
    return Panel(name, figure, alt)


def _legend(figure: Figure, series: Setting | None, shown: Sequence[Any]) -> None:
    """Below the axes, with the setting's name above its values."""
    add_legend(figure, 3 if series is not None and max(len(each) for each in short_words(series).values()) < 9 else 2)
    if series is not None and figure.legends:
        figure.legends[0].set_title(series.name, prop=FontProperties(size=8.5))


def _marks(data: StudyData) -> str:
    several = data.counts.get("chips", 1) > 1
    text = "Bars: 95 % interval of the mean for other chips and other test samples"
    text += f" ({data.counts['chips']} chips, the same at every point)." if several else " (one chip)."
    if len(data.settings) == 1 and several:
        text += " Light bars: ± one standard deviation from chip to chip."
    hidden = [each for each in data.settings if len(each.values) > MOST_SERIES]
    if len(data.settings) > 1 and hidden:
        text += f" Of a setting with more values than can be told apart, {MOST_SERIES} are drawn as lines."
    missing = len(data.rows) - len(data.scored)
    return text + (f" {missing} points have no result and are left out." if missing else "")


def _mean_square(data: StudyData, setting: Setting, value: Any, name: str) -> float:
    errors = [row.figures.get(name, math.nan) for row in data.scored if row.values[setting.name] == value]
    errors = [each for each in errors if math.isfinite(each)]
    return math.sqrt(sum(each**2 for each in errors) / len(errors)) if errors else math.nan


def _wrapped(title: str) -> str:
    """At most three lines over a panel."""
    return "\n".join(textwrap.wrap(title, 46, max_lines=3, placeholder=" …"))


def _titled(place: int, count: int, setting: Setting) -> str:
    """Title of a panel; one that stands alone has none beside the figure's."""
    return f"({'abcdefghijkl'[place]}) {setting.name}" if count > 1 else ""


def _unit(data: StudyData) -> str:
    return f"[{data.score.difference_unit}]"
