"""Tables of a study's page: its points, and what went wrong."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cosim.reports.numbers import percent, quantity, significant
from cosim.reports.study_analysis import Analysis
from cosim.reports.study_data import SOURCES, Row, Score, StudyData
from cosim.studies.store import Summary

MOST_ROWS = 200
MOST_SETTINGS = 4  # from which the parts of the error are left to results.csv, for the table to fit a page
MOST_WARNINGS = 30
MODEL_FORM = ("error_model", "error_model_low", "error_model_high")
SCORES = ("score", "low", "high", "chip_spread", "loss", "seconds", "not_finite", *SOURCES, *MODEL_FORM)
FIRST = ("energy", "latency", "area", "tops_per_watt", "tops_per_mm2")
MOST_MEASURES = 7
WORDS = {
    "tops_per_watt": "operations by energy",
    "tops_per_mm2": "operations by area",
    "clipping_dac": "clipped inputs",
    "clipping_adc": "clipped results",
}
"""Measures whose names are not their words."""


@dataclass(frozen=True)
class Table:
    """Heads (with "#" before one of numbers) and rows of texts."""

    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    left_out: int = 0


def points_table(data: StudyData, analysis: Analysis) -> Table:
    """A row a point: score, how sure it is and why, what it has lost."""
    score = data.score
    unit = score.difference_unit
    heads = [*_settings_heads(data), f"#{score.name.capitalize()}", "#95 % interval"]
    if analysis.losses:
        against = "none" if data.method == "ladder" else "the best"
        heads.append(f"#{score.worse.capitalize()} against {against} [{unit}]")
    errors = [name for name in SOURCES if _any(data, name)] if len(data.settings) <= MOST_SETTINGS or (
        data.method == "ladder") else []  # fmt: skip
    if errors:
        heads.append(f"#Chip to chip, sd [{unit}]")
    heads += [f"#Error: {SOURCES[name]} [{unit}]" for name in errors]
    if _any(data, "error_model"):
        heads.append(f"#Model-form error [{unit}]")
    if _any(data, "loss"):
        heads.append("#Loss [nat]")
    rows = []
    for row in data.rows[:MOST_ROWS]:
        cells = _settings_cells(data, row)
        cells += [score.text(row.score) if math.isfinite(row.score) else row.status, score.range(*row.interval)]
        if analysis.losses:
            found = None if row.number == analysis.reference else analysis.losses.get(row.number)
            cells.append("–" if found is None else _with_range(score, found.value, found.low, found.high))
        if errors:
            cells += [score.error(row.figures.get(name, math.nan)) for name in ("chip_spread", *errors)]
        if _any(data, "error_model"):
            cells.append(_with_range(score, *row.model_form))
        if _any(data, "loss"):
            cells.append(significant(row.figures.get("loss", math.nan)))
        rows.append(tuple(cells))
    return Table(tuple(heads), tuple(rows), max(0, len(data.rows) - MOST_ROWS))


def costs_table(data: StudyData) -> Table | None:
    """A row a point: its score and what differs between points of the measures; None where nothing does."""
    names = changing_measures(data)[:MOST_MEASURES]
    if not names:
        return None
    heads = [*_settings_heads(data), f"#{data.score.name.capitalize()}"]
    heads += [f"#{measure_words(name).capitalize()}" for name in names]
    rows = [
        (
            *_settings_cells(data, row),
            data.score.text(row.score),
            *(measure_text(data, name, row.figures.get(name, math.nan)) for name in names),
        )
        for row in data.rows[:MOST_ROWS]
    ]
    return Table(tuple(heads), tuple(rows), max(0, len(data.rows) - MOST_ROWS))


def _settings_heads(data: StudyData) -> list[str]:
    return ["#Point", *(["Non-ideality"] if data.method == "ladder" else [each.name for each in data.settings])]


def _settings_cells(data: StudyData, row: Row) -> list[str]:
    if data.method == "ladder":
        return [str(row.number), data.called(row)]
    return [str(row.number), *(each.words(row.values[each.name]) for each in data.settings)]


def _with_range(score: Score, value: float, low: float, high: float) -> str:
    if not math.isfinite(value):
        return "–"
    return f"{score.difference(value)} ({score.difference(low)} to {score.difference(high)})"


def changing_measures(data: StudyData) -> list[str]:
    """Measures that are not the same at all points; energy, latency and area first."""
    names = [name for name in data.figures if name not in SCORES]
    names = [name for name in names if len({row.figures.get(name) for row in data.scored}) > 1]
    return sorted(names, key=lambda name: FIRST.index(name) if name in FIRST else len(FIRST))


def constant_measures(data: StudyData) -> list[tuple[str, str, str]]:
    """(name, value, meaning) of measures that are the same at all points."""
    found = []
    for name, (_, meaning) in data.figures.items():
        values = {row.figures.get(name, math.nan) for row in data.scored}
        if name not in SCORES and len(values) == 1 and math.isfinite(value := values.pop()):
            found.append((measure_words(name), measure_text(data, name, value), meaning))
    return found


def measure_words(name: str) -> str:
    """A measure's name for people."""
    return WORDS.get(name, name.replace("_", " "))


def measure_text(data: StudyData, name: str, value: float) -> str:
    """A measure with its unit; shares as percent."""
    if not math.isfinite(value):
        return "–"
    unit = data.figures[name][0]
    if "clip" in name and unit in ("1", ""):
        return percent(value, 2)
    if unit in ("1", "") and value == int(value) and abs(value) < 1e15:
        return f"{int(value)}"
    if "utilisation" in name:
        return percent(value)
    return quantity(value, unit)


@dataclass(frozen=True)
class Problems:
    """What went wrong in a study.

    Attributes
    ----------
    statuses: how many points are done, failed, not finite, not finished.
    failed: (number, settings, why) of failed points, as many as are shown. not_finite: (number, settings, outputs).
    warnings: (message, points, times), the most frequent first.
    clipping: (measure, largest rate, settings of that point).
    """

    statuses: Mapping[str, int]
    failed: tuple[tuple[str, str, str], ...]
    not_finite: tuple[tuple[str, str, str], ...]
    warnings: tuple[tuple[str, int, int], ...]
    clipping: tuple[tuple[str, str, str], ...]

    @property
    def clean(self) -> bool:
        return set(self.statuses) <= {"done"} and not self.warnings


def problems_of(data: StudyData, heads: Sequence[Summary | None]) -> Problems:
    """heads: what stands at the head of each point's file, in the order of the points."""
    points: Counter[str] = Counter()
    times: Counter[str] = Counter()
    failed, strange = [], []
    for row, head in zip(data.rows, heads, strict=True):
        if head is None:
            continue
        for message, count in head.warnings.items():
            points[message] += 1
            times[message] += count
        if head.failure is not None:
            failed.append((str(row.number), data.called(row), head.failure))
        elif head.not_finite:
            strange.append((str(row.number), data.called(row), str(head.not_finite)))
    clipping = []
    for name in data.figures:
        rows = [row for row in data.scored if math.isfinite(row.figures.get(name, math.nan))]
        if "clip" in name and rows:
            worst = max(rows, key=lambda row: row.figures[name])
            clipping.append((measure_words(name), measure_text(data, name, worst.figures[name]), data.called(worst)))
    return Problems(
        dict(Counter(row.status for row in data.rows)),
        tuple(failed[:MOST_WARNINGS]),
        tuple(strange[:MOST_WARNINGS]),
        tuple((message, count, times[message]) for message, count in points.most_common(MOST_WARNINGS)),
        tuple(clipping),
    )


def _any(data: StudyData, name: str) -> bool:
    return any(math.isfinite(row.figures.get(name, math.nan)) for row in data.scored)
