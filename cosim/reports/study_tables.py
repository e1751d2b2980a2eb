"""Tables of a study's page: its points, and what went wrong."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cosim.reports.numbers import percent, quantity, significant
from cosim.reports.study_analysis import Analysis
from cosim.reports.study_data import SOURCES, StudyData
from cosim.studies.store import Summary

MOST_ROWS = 200
MOST_SETTINGS = 4  # from which the parts of the error are left to results.csv, for the table to fit a page
MOST_WARNINGS = 30
FINISHED = ("score", "low", "high", "chip_spread", "loss", "seconds", "not_finite", *SOURCES)


@dataclass(frozen=True)
class Table:
    """Heads (with "#" before one of numbers) and rows of texts."""

    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    left_out: int = 0


def points_table(data: StudyData, analysis: Analysis) -> Table:
    """A row a point."""
    score = data.score
    settings = () if data.method == "ladder" else data.settings
    heads = ["#Point", *(["Non-ideality"] if data.method == "ladder" else [each.name for each in settings])]
    heads += [f"#{score.name.capitalize()}", "#95 % interval"]
    if analysis.losses:
        against = "none" if data.method == "ladder" else "the best"
        heads.append(f"#{score.worse.capitalize()} against {against} [{score.difference_unit}]")
    errors = [name for name in SOURCES if _any(data, name)] if len(settings) <= MOST_SETTINGS else []
    if errors:
        heads.append(f"#Chip to chip, sd [{score.difference_unit}]")
    heads += [f"#Error: {SOURCES[name]} [{score.difference_unit}]" for name in errors]
    if _any(data, "loss"):
        heads.append("#Loss [nat]")
    measures = [name for name in changing_measures(data)][:3]
    heads += [f"#{name.replace('_', ' ').capitalize()}" for name in measures]
    rows = []
    for row in data.rows[:MOST_ROWS]:
        cells = [str(row.number)]
        cells += [data.called(row)] if data.method == "ladder" else [
            each.words(row.values[each.name]) for each in settings]  # fmt: skip
        cells += [score.text(row.score) if math.isfinite(row.score) else row.status, score.range(*row.interval)]
        if analysis.losses:
            found = analysis.losses.get(row.number)
            told = found is not None and row.number != analysis.reference
            cells.append(f"{score.difference(found.value)} ({score.difference(found.low)} to"  # type: ignore[union-attr]
                         f" {score.difference(found.high)})" if told else "–")  # type: ignore[union-attr]  # fmt: skip
        if errors:
            cells += [score.error(row.figures.get(name, math.nan)) for name in ("chip_spread", *errors)]
        if _any(data, "loss"):
            cells.append(significant(row.figures.get("loss", math.nan)))
        cells += [measure_text(data, name, row.figures.get(name, math.nan)) for name in measures]
        rows.append(tuple(cells))
    return Table(tuple(heads), tuple(rows), max(0, len(data.rows) - MOST_ROWS))


def changing_measures(data: StudyData) -> list[str]:
    """Measures that are not the same at all points; energy, latency and area first."""
    names = [name for name in data.figures if name not in FINISHED]
    names = [name for name in names if len({row.figures.get(name) for row in data.scored}) > 1]
    return sorted(names, key=lambda name: next((place for place, each in enumerate(("energy", "latency", "area"))
                                                if name.startswith(each)), 9))  # fmt: skip


def constant_measures(data: StudyData) -> list[tuple[str, str, str]]:
    """(name, value, meaning) of measures that are the same at all points."""
    found = []
    for name, (_, meaning) in data.figures.items():
        values = {row.figures.get(name, math.nan) for row in data.scored}
        if name not in FINISHED and len(values) == 1 and math.isfinite(value := values.pop()):
            found.append((name.replace("_", " "), measure_text(data, name, value), meaning))
    return found


def measure_text(data: StudyData, name: str, value: float) -> str:
    """A measure with its unit; shares as percent."""
    if not math.isfinite(value):
        return "–"
    unit = data.figures[name][0]
    if "clip" in name and unit in ("1", ""):
        return percent(value, 2)
    if unit in ("1", "") and value == int(value) and abs(value) < 1e15:
        return f"{int(value)}"
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
            clipping.append((name.replace("_", " "), measure_text(data, name, worst.figures[name]), data.called(worst)))
    return Problems(
        dict(Counter(row.status for row in data.rows)),
        tuple(failed[:MOST_WARNINGS]),
        tuple(strange[:MOST_WARNINGS]),
        tuple((message, count, times[message]) for message, count in points.most_common(MOST_WARNINGS)),
        tuple(clipping),
    )


def _any(data: StudyData, name: str) -> bool:
    return any(math.isfinite(row.figures.get(name, math.nan)) for row in data.scored)
