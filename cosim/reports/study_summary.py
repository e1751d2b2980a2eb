"""The answer at the top of a study's page: a sentence or two, and a few lines."""

from __future__ import annotations

import math
from collections.abc import Iterator

from cosim.reports.numbers import NBSP, fixed, quantity
from cosim.reports.study_analysis import Analysis
from cosim.reports.study_data import Row, StudyData
from cosim.reports.study_reading import stated_range
from cosim.reports.study_tables import measure_text
from cosim.reports.summary import Headline
from cosim.studies.scores import Estimate

MOST_FRONT = 8  # points of a front in the table at the top


def question(data: StudyData) -> str:
    """What was asked, in words."""
    counts = data.counts
    swept = any(each.name == "network.name" for each in data.settings)
    network = "several networks" if swept else data.network
    samples = counts.get("test_samples")
    chips, reads = counts.get("chips", 1), counts.get("noise_samples", 1)
    text = f"{data.score.name.capitalize()} of {network} on"
    kind = "test samples" if data.score.metric == "accuracy" else "symbols of the test text"
    text += f" {samples} {kind}" if samples else " the whole official test part"
    text += f", {chips} simulated chip{'s' if chips != 1 else ''} at each point"
    text += f", {reads} reads of each chip" if reads != 1 else ", read once"
    return f"{text}. {_sweep_in_words(data)}"


def answer(data: StudyData, analysis: Analysis) -> str:
    """What came out, in a sentence or two."""
    score, scored = data.score, data.scored
    if not scored:
        return f"No point has a result{_why_none(data)}."
    if data.method == "ladder":
        text = _ladder(data, analysis)
    elif data.method == "sobol" and analysis.indices:
        text = _influence(data, analysis)
    elif data.method == "pareto" and analysis.front:
        text = _search(data, analysis)
    elif len(scored) == 1:
        row = scored[0]
        where = "" if not data.settings else f" with {data.called(row)}"
        text = f"The {score.name}{where} is {_with_interval(data, row)}."
    else:
        text = _extremes(data, analysis)
    missing = len(data.rows) - len(scored)
    return text + (f" {missing} of {len(data.rows)} points have no result." if missing else "")


def headlines(data: StudyData, analysis: Analysis) -> list[Headline]:
    """The table at the top."""
    if data.best is None:
        return []
    chips = data.counts.get("chips", 1)
    basis = f"{chips} chip{'s' if chips != 1 else ''}"
    lines = [*(_rungs(data, basis) if data.method == "ladder" else _ends(data, basis))]
    if analysis.losses and data.method != "ladder":
        lines.append(
            Headline(
                "Points not told from the best",
                f"{len(analysis.ties)} of {len(analysis.losses) - 1}",
                "–",
                f"paired by chip and test sample: 95{NBSP}% interval of the {data.score.name} {data.score.worse}"
                f" holds{NBSP}0",
            )
        )
    lines += _effects(data)
    lines += [
        Headline(
            f"Sobol index, {each['name']}",
            f"{fixed(each['total'], 2)} in all",
            f"± {fixed(each['total_half'], 2)}",
            f"alone {fixed(each['first'], 2)} ± {fixed(each['first_half'], 2)}",
        )
        for each in sorted(analysis.indices, key=lambda each: -each["total"])
    ]
    if data.method == "ladder":
        lines += _costliest(data, analysis)
    if analysis.front:
        return [*_front(data, analysis), *lines]
    return [*lines, *_costs(data, data.best)]


def _front(data: StudyData, analysis: Analysis) -> Iterator[Headline]:
    """Points of a search that no other beats, the best score first."""
    worse = -1.0 if data.score.metric == "accuracy" else 1.0
    rows = sorted((data.rows[number] for number in analysis.front), key=lambda row: worse * row.score)
    others = [name for name in analysis.objectives if name in data.figures]
    for row in rows[:MOST_FRONT]:
        reached = [f"{name.replace('_', ' ')} {measure_text(data, name, row.figures[name])}" for name in others]
        yield _line(data, f"On the front, point {row.number}", row, f"{', '.join(reached)}: {data.called(row)}")
    if len(rows) > MOST_FRONT:
        yield Headline("More points on the front", str(len(rows) - MOST_FRONT), "–", "see the figure and the points")


def _rungs(data: StudyData, basis: str) -> Iterator[Headline]:
    for label, what in (("none", "No non-ideality"), ("all", "All non-idealities")):
        yield from (_line(data, what, row, basis) for row in data.scored if row.label == label)


def _ends(data: StudyData, basis: str) -> Iterator[Headline]:
    """The best point, and the worst where there is another."""
    for what, row in (("Best" if len(data.scored) > 1 else "Result", data.best), ("Worst", data.worst)):
        if row is not None and not (what == "Worst" and row is data.best):
            number = f"point {row.number}: " if data.short(row) != data.called(row) else ""
            yield _line(data, what, row, f"{number}{data.called(row)}; {basis}")


def _costliest(data: StudyData, analysis: Analysis) -> Iterator[Headline]:
    """The three rungs of a ladder that cost most alone."""
    score = data.score
    alone = [row for row in data.scored if row.label not in ("none", "all") and row.number in analysis.losses]
    for row in sorted(alone, key=lambda row: -analysis.losses[row.number].value)[:3]:
        found = analysis.losses[row.number]
        yield Headline(
            f"Cost of {data.called(row)} alone",
            f"{score.difference(found.value)} {score.difference_unit}",
            f"{_range(data, found)} {score.difference_unit}",
            f"{score.name} {score.worse} against none, paired by chip and test sample",
        )


def _sweep_in_words(data: StudyData) -> str:
    count = len(data.rows)
    points = f"{count} point{'s' if count != 1 else ''}"
    swept = "; ".join(_values(data, each.name) for each in data.settings)
    match data.method:
        case "grid" if not data.settings:
            return "Nothing is swept."
        case "grid":
            return f"All combinations of {swept}: {points}."
        case "ladder":
            return f"No non-ideality, each one alone, and all together: {points}."
        case "sobol":
            return f"{points} for Sobol indices, drawn over {swept}."
        case "pareto":
            ways = ", ".join(f"{name} ({way})" for name, way in data.content["sweep"]["objectives"].items())
            return f"A search for the Pareto front of {ways} over {swept}: {points}."
        case "latin hypercube":
            return f"A Latin hypercube over {swept}: {points}."
    return f"A list of {points}" + (
        f" that differ in {', '.join(each.name for each in data.settings)}." if swept else "."
    )


def _values(data: StudyData, name: str) -> str:
    """What a setting was swept over: the range that the study's file states, or its values."""
    setting = data.setting(name)
    values = setting.values
    stated = stated_range(data.content, name)
    if stated is not None:
        log = ", logarithmic" if stated.get("scale") == "log" else ""
        return f"{name} ({stated['low']} to {stated['high']}{log})"
    if len(values) <= 6:
        return f"{name} ({', '.join(setting.words(each) for each in values)})"
    return f"{name} ({setting.words(values[0])} to {setting.words(values[-1])}, {len(values)} values)"


def _extremes(data: StudyData, analysis: Analysis) -> str:
    best, worst, score = data.best, data.worst, data.score
    assert best is not None and worst is not None
    text = f"Of {len(data.scored)} settings {data.short(best)} is the {score.best}: {_with_interval(data, best)}"
    text += f"; {data.short(worst)} is the worst: {score.text(worst.score)}."
    others = len(analysis.losses) - 1
    if others > 0:
        count = len(analysis.ties)
        told = "All others" if not count else f"{others - count} of the {others} others"
        told = "No other" if count == others else told
        where = "" if others + 1 == len(data.scored) else f" of {best.values.get('network.name', data.network)}"
        text += f" {told}{where} can be told from the first on the same chips and test samples."
    return text


def _ladder(data: StudyData, analysis: Analysis) -> str:
    rows = {row.label: row for row in data.scored}
    score, parts = data.score, []
    if "none" in rows:
        parts.append(f"Without non-idealities the {score.name} is {_with_interval(data, rows['none'])}")
    if "all" in rows:
        parts.append(f"with all of them {_with_interval(data, rows['all'])}")
    alone = [(analysis.losses[row.number], row) for label, row in rows.items()
             if label not in ("none", "all") and row.number in analysis.losses]  # fmt: skip
    text = ", ".join(parts) + "." if parts else ""
    if alone:
        loss, row = max(alone, key=lambda each: each[0].value)
        if loss.low > 0:
            text += f" The costliest alone is {data.called(row)}: {fixed(score.factor * loss.value, 2)}"
            text += f" {score.difference_unit} (95 % interval {_range(data, loss)})."
        else:
            text += " No single one makes a difference that is told from zero."
    return text.strip()


def _influence(data: StudyData, analysis: Analysis) -> str:
    first, second = sorted(analysis.indices, key=lambda each: -each["total"])[:2]
    scores, score = [row.score for row in data.scored], data.score
    totals = [f"{fixed(each['total'], 2)}{NBSP}±{NBSP}{fixed(each['total_half'], 2)}" for each in (first, second)]
    return (
        f"The {score.name} varies most with {first['name']}: its total index is {totals[0]}, that of the next,"
        f" {second['name']}, {totals[1]}. Over all settings drawn the {score.name} lies between"
        f" {score.text(min(scores))} and {score.text(max(scores))}."
    )


def _search(data: StudyData, analysis: Analysis) -> str:
    rows = [data.rows[number] for number in analysis.front]
    best = max(rows, key=lambda row: data.score.factor * row.score * (1 if data.score.metric == "accuracy" else -1))
    count = len(rows)
    text = f"{count} of {len(data.rows)} points {'is' if count == 1 else 'are'} beaten by no other in all objectives at"
    return f"{text} once; the {data.score.best} of them is {data.short(best)}: {_with_interval(data, best)}."


def _effects(data: StudyData) -> Iterator[Headline]:
    """Of a grid's settings: the change from the first to the last value, mean over the others."""
    if not data.is_grid or len(data.scored) < 2:
        return
    for setting in data.settings:
        if setting.name == "network.name":
            continue  # of other test samples
        ends = []
        for value in (setting.values[0], setting.values[-1]):
            scores = [row.score for row in data.scored if row.values[setting.name] == value]
            ends.append(sum(scores) / len(scores) if scores else math.nan)
        change = ends[1] - ends[0]
        if len(setting.values) > 1 and math.isfinite(change):
            over = "" if len(data.settings) == 1 else ", mean over the other settings"
            yield Headline(
                f"Effect of {setting.name}",
                f"{data.score.difference(change)} {data.score.difference_unit}",
                "–",
                f"{setting.words(setting.values[-1])} instead of {setting.words(setting.values[0])}{over}",
            )


def _costs(data: StudyData, best: Row) -> Iterator[Headline]:
    for name in ("energy", "latency", "area"):
        value = best.figures.get(name, math.nan)
        if name in data.figures and math.isfinite(value):
            unit, meaning = data.figures[name]
            where = (
                "at every point" if len({row.figures.get(name) for row in data.scored}) == 1 else "of the best point"
            )
            yield Headline(f"{name.capitalize()} {where}", quantity(value, unit), "–", meaning)


def _line(data: StudyData, what: str, row: Row, basis: str) -> Headline:
    value = data.score.text(row.score)
    return Headline(f"{what}: {data.score.name}", value, data.score.range(*row.interval), basis)


def _with_interval(data: StudyData, row: Row) -> str:
    text = data.score.text(row.score)
    low, high = row.interval
    return f"{text} (95{NBSP}% interval {data.score.range(low, high)})" if math.isfinite(low + high) else text


def _range(data: StudyData, found: Estimate) -> str:
    return f"{data.score.difference(found.low)} to {data.score.difference(found.high)}"


def _why_none(data: StudyData) -> str:
    words: dict[str, int] = {}
    for row in data.rows:
        words[row.status] = words.get(row.status, 0) + 1
    said = ", ".join(f"{count} {word}" for word, count in words.items())
    return f" ({said})" if said else ""
