"""A study, its points and what follows from its method, as `cosim study` prints them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from cosim.commands.common import out
from cosim.commands.study_view import View
from cosim.provenance import canonical_json
from cosim.studies.execution import Tally
from cosim.studies.settings import plain_value, value_in_words
from cosim.studies.specification import Specification
from cosim.studies.store import Summary

ROWS_SHOWN = 40


def about(specification: Specification) -> dict[str, Any]:
    """What a study is, as `--json` tells it and `print_about` prints it."""
    counts = specification.counts
    return {
        "title": specification.title,
        "network": specification.settings().network.name,
        "method": specification.sweep.method,
        "points": None if specification.design is None else len(specification.design.points),
        "swept": {axis.name: _axis_in_words(axis) for axis in specification.axes}
        or ({} if specification.design is None else dict.fromkeys(specification.design.names, "listed")),
        "chips": counts.chips,
        "noise_samples": counts.noise_samples,
        "test_samples": counts.test_samples,
        "seed": counts.seed,
        "sha256": specification.sha256,
    }


def print_about(said: dict[str, Any]) -> None:
    """What a study is, from `about`."""
    if said["title"]:
        out.print(said["title"])
    points = "points of a search" if said["points"] is None else f"{said['points']} points"
    samples = "all test samples" if said["test_samples"] is None else f"{said['test_samples']} test samples"
    out.print(
        f"{said['network']}, {said['method']}: {points}, {said['chips']} chips, {said['noise_samples']} reads,"
        f" {samples}, seed {said['seed']}"
    )
    for name, values in said["swept"].items():
        out.print(f"  {name}: {values}")


def _axis_in_words(axis: Any) -> str:
    if not axis.values:
        low, high = (value_in_words(axis.name, edge) for edge in (axis.low, axis.high))
        return f"{low} to {high}" + (", logarithmic" if axis.log else "")
    shown = [value_in_words(axis.name, plain_value(value)) for value in axis.values[:8]]
    return ", ".join(shown) + (f", ... ({len(axis.values)} values)" if len(axis.values) > 8 else "")


def names_of_points(specification: Specification) -> Callable[[Mapping[str, Any]], str]:
    """What a point is called, by its values: a rung by its name, others by their settings in the order of the file."""
    design = specification.design
    rungs: dict[str, str] = {}
    if design is not None and design.labels:
        rungs = {canonical_json(design.values(place)): label for place, label in enumerate(design.labels)}
    names = [axis.name for axis in specification.axes] if design is None else design.names

    def called(values: Mapping[str, Any]) -> str:
        rung = rungs.get(canonical_json(dict(values)))
        return rung or ", ".join(f"{name} = {value_in_words(name, values[name])}" for name in names) or "point"

    return called


def line_of_point(called: str, summary: Summary, tally: Tally) -> str:
    """One line of a finished point."""
    from cosim.progress import in_words

    what = summary.failure and f"failed: {summary.failure}"
    return (
        f"{tally.finished}/{tally.total} {called}: {what or _score(summary)}, {summary.seconds:.1f} s,"
        f" left {in_words(tally.left())}"
    )


def _score(summary: Summary) -> str:
    figures, metric = summary.figures, summary.metric
    value, low, high = figures.get(metric, math.nan), figures.get("low", math.nan), figures.get("high", math.nan)
    if math.isnan(value):
        return f"{metric} not a number ({summary.not_finite} outputs not finite)"
    if metric == "accuracy":
        return f"{value:.2%} [{low:.2%}, {high:.2%}]"
    return f"{value:.4f} bit [{low:.4f}, {high:.4f}]"


def print_table(view: View, most: int | None) -> None:
    """A line a point, at most so many; None: all."""
    found = view.found
    there = [each for each in found if each is not None]
    finished = len(there)
    failures = sum(each.failure is not None for each in there)
    strange = sum(each.not_finite > 0 for each in there)
    out.print(
        f"{finished} of {len(found)} points finished"
        + (f", {failures} failed" if failures else "")
        + (f", {strange} with outputs that are not finite" if strange else "")
    )
    metric = there[0].metric if there else "accuracy"
    names = list(view.points[0]) if view.points and not view.labels else []
    head = ["#", *(["point"] if view.labels else names), metric, "95 % interval"]
    rows = [[*head, "chip spread", "error: chips", "reads", "samples", "loss"]]
    shown = range(len(found)) if most is None else range(min(most, len(found)))
    for place in shown:
        each, values = found[place], view.points[place]
        cells = (
            [view.labels[place]] if view.labels else [value_in_words(name, plain_value(values[name])) for name in names]
        )
        rows.append([str(place), *cells, *_cells(each, metric)])
    _print_columns(rows)
    if len(shown) < len(found):
        out.print(f"... {len(found) - len(shown)} more; --all shows them, `cosim study export` writes them")


def _print_columns(rows: list[list[str]]) -> None:
    """Rows as aligned columns, as wide as they are: a table that is cut says the wrong numbers."""
    widths = [max(len(row[place]) for row in rows if place < len(row)) for place in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=False)).rstrip())


def _cells(summary: Summary | None, metric: str) -> list[str]:
    if summary is None:
        return ["not finished"]
    if summary.failure is not None:
        return ["failed", summary.failure[:60]]
    figures = summary.figures

    def number(name: str) -> str:
        value = figures.get(name, math.nan)
        if math.isnan(value):
            return "-"
        return f"{value:.2%}" if metric == "accuracy" else f"{value:.4f}"

    loss = figures.get("loss", math.nan)
    last = [number("chip_spread"), number("error_chip"), number("error_read"), number("error_sample")]
    return [number(metric), f"[{number('low')}, {number('high')}]", *last, "-" if math.isnan(loss) else f"{loss:.4f}"]


def print_method(view: View) -> None:
    """Costs of a ladder, Sobol indices, the front of a search."""
    done = all(each is not None and each.failure is None for each in view.found)
    method = view.specification.sweep.method
    if method == "ladder" and done:
        from cosim.studies.accuracy import rungs
        from cosim.studies.sensitivity import paired_scores

        scores = [paired_scores(view.folder.outcome(key)) for key in view.keys]
        out.print("cost of each non-ideality alone, against none, on the same chips and samples:")
        for rung in rungs(view.labels, scores):
            found = rung.cost
            out.print(f"  {rung.name:20} {found.value:+.2%} [{found.low:+.2%}, {found.high:+.2%}]")
    if method == "sobol" and done:
        _print_sobol(view)
    if method == "pareto":
        _print_front(view)


def _print_sobol(view: View) -> None:
    import numpy as np

    from cosim.studies.sensitivity import sobol_indices
    from cosim.studies.sweep import SobolSweep

    sweep = view.specification.sweep
    assert isinstance(sweep, SobolSweep)
    metric = next(each.metric for each in view.found if each is not None)
    figures = np.array([each.figures[metric] for each in view.found if each is not None])
    names = [axis.name for axis in view.specification.axes]
    found = sobol_indices(names, figures, sweep.second_order, view.specification.counts.seed)
    out.print(f"Sobol indices of {metric} ({found.points} points; 95 % intervals by bootstrap):")
    for place, name in enumerate(names):
        out.print(
            f"  {name:32} alone {found.first[place]:.3f} +- {found.first_reach[place]:.3f},"
            f" in all {found.total[place]:.3f} +- {found.total_reach[place]:.3f}"
        )


def _print_front(view: View) -> None:
    import numpy as np

    from cosim.studies.search import pareto_front
    from cosim.studies.sweep import ParetoSweep

    sweep = view.specification.sweep
    assert isinstance(sweep, ParetoSweep)
    figures = np.array(
        [
            [math.nan if each is None else each.figures.get(name, math.nan) for name in sweep.objectives]
            for each in view.found
        ]
    ).reshape(-1, len(sweep.objectives))
    front = pareto_front(figures, list(sweep.objectives.values()))
    out.print("points that no other beats:")
    seen = set()
    for place in np.flatnonzero(front):
        if view.keys[place] in seen:
            continue
        seen.add(view.keys[place])
        values = ", ".join(
            f"{name} = {value_in_words(name, plain_value(value))}" for name, value in view.points[place].items()
        )
        reached = ", ".join(
            f"{name} {figure:.6g}" for name, figure in zip(sweep.objectives, figures[place], strict=True)
        )
        out.print(f"  #{place} {values}: {reached}")


def difference_as_json(each: Any) -> dict[str, Any]:
    """A paired difference (`comparison.Difference`) as `--json` tells it."""
    one = each.difference
    return {
        "a": each.a, "b": each.b, "shared": {name: plain_value(value) for name, value in each.shared.items()},
        "score_a": each.score_a, "score_b": each.score_b, "difference": one.value, "interval": [one.low, one.high],
    }  # fmt: skip
