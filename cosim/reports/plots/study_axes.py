"""Axes of a study's plots: a swept setting along one, the score along the other; forms that tell series apart."""

from __future__ import annotations

import itertools
import math
import textwrap
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from cosim.reports.numbers import prefixed_unit
from cosim.reports.study_data import Row, Score, Setting
from cosim.reports.style import BAND, BLUE, GREEN, INK, MUTED, ORANGE, PAPER, PURPLE

# Colour, marker, dash: each alone tells the series apart.
FORMS: tuple[tuple[str, str, Any], ...] = (
    (BLUE, "o", "-"),
    (ORANGE, "s", "--"),
    (GREEN, "^", "-."),
    (PURPLE, "D", ":"),
    (INK, "v", (0, (6, 1.5, 1, 1.5, 1, 1.5))),
    (MUTED, "P", (0, (1, 2.5))),
)
HATCHES = ("", "////", "....", "xxxx", "----", "\\\\\\\\")
FILLS = (BAND, PAPER, BAND, PAPER, BAND, PAPER)
DECADES = 50.0  # ratio of the largest to the smallest value from which an axis is logarithmic
LETTERS = 44  # that have room beside each other below a panel
MOST_TICKS = 9
LONGEST = 20  # letters of a value in a plot
MOST_MARKS = 1000  # points of a scatter


@dataclass(frozen=True)
class SettingAxis:
    """Where the values of a swept setting lie.

    Numbers lie where they are, on a logarithmic axis where they were drawn so or are listed over decades. A few that
    are far apart and reach zero, and what is no number, stand side by side.
    """

    setting: Setting

    @property
    def by_place(self) -> bool:
        values = self.setting.values
        if not self.setting.numeric or self.setting.scale:
            return not self.setting.numeric
        positive = [each for each in values if each > 0]
        return bool(positive) and min(values) <= 0 and max(positive) / min(positive) > DECADES

    @property
    def log(self) -> bool:
        values = self.setting.values
        if self.setting.scale:
            return self.setting.scale == "log" and not self.by_place
        return not self.by_place and min(values) > 0 and max(values) / min(values) > DECADES

    @property
    def factor(self) -> tuple[float, str]:
        """What a prefixed unit stands for, and its name."""
        if self.by_place or not self.setting.unit:
            return 1.0, "" if self.by_place else self.setting.unit
        return prefixed_unit(max(self.setting.values, key=abs), self.setting.unit)

    def at(self, value: Any) -> float:
        """Place of a value."""
        if self.by_place:
            return float(self.setting.values.index(value))
        return float(value) / self.factor[0]

    def dodged(self, value: Any, series: int, count: int) -> float:
        """The same, a little to one side, so that the bars of several series stay apart."""
        aside = (series - (count - 1) / 2) * 0.012
        place = self.at(value)
        if self.log:
            low, high = (self.at(each) for each in (self.setting.values[0], self.setting.values[-1]))
            return place * (high / low) ** aside
        return place + aside * self._span()

    def apply(self, axes: Axes) -> None:
        """Label, scale and ticks of the x axis."""
        _, unit = self.factor
        axes.set_xlabel(self.setting.name + (f" [{unit}]" if unit else ""))
        if self.log:
            axes.set_xscale("log")
        values = self.setting.values
        if self.by_place or len(values) <= MOST_TICKS:
            shown = values if len(values) <= MOST_TICKS else values[:: math.ceil(len(values) / MOST_TICKS)]
            short = short_words(self.setting)
            words = [short[each] if self.by_place else f"{self.at(each):.4g}" for each in shown]
            turned = sum(map(len, words)) > LETTERS
            if not self._crowded(shown, words, turned):
                axes.set_xticks(
                    [self.at(each) for each in shown],
                    [each if turned else textwrap.fill(each, 12) for each in words],
                    rotation=30 if turned else 0,
                    ha="right" if turned else "center",
                    rotation_mode="anchor",
                )
                axes.minorticks_off()
            elif self.log:
                log_ticks(axes.xaxis)
        elif self.log:
            log_ticks(axes.xaxis)
        if not self.log:
            low, high = self.at(values[0]), self.at(values[-1])
            axes.set_xlim(low - 0.06 * self._span(), high + 0.06 * self._span())

    def _crowded(self, shown: Sequence[Any], words: Sequence[str], turned: bool) -> bool:
        """Whether numbers lie so close that their labels would touch; the axis then has round numbers instead."""
        if self.by_place or len(shown) < 2:
            return False
        places = [math.log(self.at(each)) if self.log else self.at(each) for each in shown]
        span = places[-1] - places[0]
        widths = [1.5 if turned else (len(a) + len(b)) / 2 + 1 for a, b in itertools.pairwise(words)]
        gaps = [(after - before) / span * LETTERS for before, after in itertools.pairwise(places)]
        return any(gap < width for gap, width in zip(gaps, widths, strict=True))

    def _span(self) -> float:
        places = [self.at(each) for each in self.setting.values]
        return max(places) - min(places) or 1.0


def short_words(setting: Setting) -> dict[Any, str]:
    """Value -> a text that has room in a plot; of long ones the part in which they differ, with dots."""
    words = [setting.words(each) for each in setting.values]
    if all(len(each) <= LONGEST for each in words):
        return dict(zip(setting.values, words, strict=True))
    before = _shared(words)
    after = _shared([each[before:][::-1] for each in words])
    found = []
    for each in words:
        start, end = max(0, before - 6), len(each) - max(0, after - 6)
        if end - start > LONGEST:
            end = start + LONGEST
        found.append(("…" if start else "") + each[start:end] + ("…" if end < len(each) else ""))
    if len(set(found)) < len(found):
        found = [f"{number}: {each[: LONGEST - 5]}…" for number, each in enumerate(words, 1)]
    return dict(zip(setting.values, found, strict=True))


def _shared(words: Sequence[str]) -> int:
    """How many letters all of them begin with."""
    columns = zip(*words, strict=False)
    return sum(1 for _ in itertools.takewhile(lambda letters: len(set(letters)) == 1, columns))


def log_ticks(axis: Axis) -> None:
    """Plain numbers at 1, 2 and 5 of each decade; of many decades at their beginnings."""
    low, high = sorted(axis.get_view_interval())
    many = math.log10(high / low) > 2.5
    axis.set_major_locator(LogLocator(subs=(1.0,) if many else (1.0, 2.0, 5.0), numticks=12))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def score_label(score: Score) -> str:
    """Label of an axis with scores."""
    return f"{score.name} [{score.unit}]"


def reach(row: Row, score: Score) -> list[list[float]]:
    """How far the 95 % interval goes below and above a point, as matplotlib takes it."""
    low, high = row.interval
    ends = (row.score - low, high - row.score)
    return [[max(score.factor * each, 0.0) if math.isfinite(each) else 0.0] for each in ends]


def thinned(rows: Sequence[Row], keep: Collection[int] = ()) -> tuple[list[Row], str]:
    """Every n-th of very many rows, and those whose numbers are to be kept; what a caption says of that."""
    step = math.ceil(len(rows) / MOST_MARKS)
    if step == 1:
        return list(rows), ""
    shown = [row for place, row in enumerate(rows) if place % step == 0 or row.number in keep]
    return shown, f" {len(shown)} of the {len(rows)} points are drawn, one in {step}."


def few(values: Sequence[Any], most: int) -> list[Any]:
    """All of them, or so many at even distances, with both ends."""
    if len(values) <= most:
        return list(values)
    return [values[round(place * (len(values) - 1) / (most - 1))] for place in range(most)]
