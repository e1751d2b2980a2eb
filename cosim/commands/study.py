"""`cosim study run|check|plan|init|show|compare|export`."""

from __future__ import annotations

import contextlib
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cosim.commands.common import check_writable, out, print_json
from cosim.errors import CosimError
from cosim.provenance import canonical_json
from cosim.studies.evaluation import Outcome
from cosim.studies.execution import Tally, base_of, begin, run_study
from cosim.studies.search import search
from cosim.studies.settings import plain_value, value_in_words
from cosim.studies.specification import Specification, load_specification, parse_specification, point_key
from cosim.studies.store import StudyFolder, Summary, read_folder, summaries
from cosim.studies.workplaces import open_workplace

FORMATS = ("netcdf", "csv", "parquet")
ROWS_SHOWN = 40


def folder_of(study: Path, output: Path | None) -> Path:
    """Where a study's results are: STUDY_results beside its file."""
    return output or study.with_name(f"{study.stem}_results")


# ---- check, plan, init -----------------------------------------------------------------------------------------------


def init(path: Path, force: bool, as_json: bool) -> None:
    """Write the template."""
    from cosim.files import write_atomically
    from cosim.studies.template import template

    if path.exists() and not force:
        raise CosimError("this file exists; --force writes over it", file=path)
    check_writable(path)
    write_atomically(path, lambda part: part.write_text(template(), encoding="utf-8"))
    if as_json:
        print_json({"file": str(path)})
    else:
        out.print(f"wrote {path}; next: cosim study check {path}")


def check(path: Path, as_json: bool) -> None:
    """Say what a study is, or all that is wrong with it."""
    specification = load_specification(path)
    said = _about(specification)
    if as_json:
        print_json(said)
        return
    out.print(f"{path}: no fault found")
    _print_about(said)


def plan(path: Path, output: Path | None, workers: int | None, trial: bool, as_json: bool) -> None:
    """Points, time and memory."""
    from cosim.progress import in_words
    from cosim.spice.pool import available_cores
    from cosim.studies import plan as planning

    specification = load_specification(path)
    found = planning.plan(specification, folder_of(path, output), workers or available_cores(), trial=trial)
    said = {**_about(specification), **vars(found)}
    if as_json:
        print_json(
            {name: None if isinstance(each, float) and math.isnan(each) else each for name, each in said.items()}
        )
        return
    _print_about(said)
    out.print(f"finished already: {found.finished}")
    seconds = None if math.isnan(found.seconds) else found.seconds
    a_point = "?" if math.isnan(found.seconds_a_point) else f"{found.seconds_a_point:.2g} s"
    out.print(f"time: {in_words(seconds)} on {found.workers} workers, {a_point} a point ({found.source})")
    out.print(f"memory: about {found.memory / 2**20:.0f} MiB; results: about {found.disk / 2**20:.1f} MiB")


def _about(specification: Specification) -> dict[str, Any]:
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


def _axis_in_words(axis: Any) -> str:
    if not axis.values:
        low, high = (value_in_words(axis.name, edge) for edge in (axis.low, axis.high))
        return f"{low} to {high}" + (", logarithmic" if axis.log else "")
    shown = [value_in_words(axis.name, plain_value(value)) for value in axis.values[:8]]
    return ", ".join(shown) + (f", ... ({len(axis.values)} values)" if len(axis.values) > 8 else "")


def _print_about(said: dict[str, Any]) -> None:
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


# ---- run -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Request:
    """What `cosim study run` was asked for."""

    study: Path
    output: Path | None
    workers: int | None
    scheduler: str | None
    retry_failed: bool
    as_json: bool


def run(request: Request, write_page: Callable[[View, Path], Path] | None = None) -> None:
    """Run a study, or what is left of it; write its results, and its page where `write_page` is given."""
    from cosim.studies.results import dataset, rows_of, write_csv, write_netcdf

    specification = load_specification(request.study)
    path = folder_of(request.study, request.output)
    check_writable(path, folder=True)
    workplace = open_workplace(request.workers, request.scheduler)
    terminal = sys.stderr.isatty()
    counted: list[Tally] = []
    called = _names_of_points(specification)

    def told(summary: Summary, tally: Tally) -> None:
        counted[:] = [tally]
        if not terminal and not request.as_json:
            print(_line(called(summary.values), summary, tally), file=sys.stderr, flush=True)

    label = (specification.title or request.study.stem) if terminal and not request.as_json else None
    try:
        run_of = begin(specification, path, workplace, told=told, label=label, retry_failed=request.retry_failed)
        keys = run_study(run_of)
    except KeyboardInterrupt:
        print(
            f"stopped: {len(read_folder(path).finished()) if path.exists() else 0} points are finished and kept; the"
            " same command goes on from there",
            file=sys.stderr,
        )
        raise
    finally:
        workplace.close()
    view = _view(path, specification, keys)
    data = dataset(specification, run_of.folder, view.points, keys, view.found)
    files = [write_netcdf(data, path / "results.nc"), write_csv(rows_of(view.points, view.found), path / "results.csv")]
    files += _parquet(view, path / "results.parquet")
    if write_page is not None:
        files.append(write_page(view, path))
    failures = [each for each in view.found if each is not None and each.failure is not None]
    if request.as_json:
        print_json({"folder": str(path), "points": len(keys), "failed": len(failures), "done": _done(counted),
                    "files": [str(file) for file in files]})  # fmt: skip
    else:
        _print_table(view, ROWS_SHOWN)
        for each in files:
            out.print(f"wrote {each}")
    if failures and not request.as_json:
        out.print(f"{len(failures)} points failed, the first: {failures[0].failure}")


def _done(counted: list[Tally]) -> int:
    return counted[0].done if counted else 0


def _parquet(view: View, path: Path) -> list[Path]:
    """Parquet where pyarrow is installed; without it CSV alone."""
    from cosim.studies.results import rows_of, write_parquet

    if "parquet" not in _formats_here():
        return []
    return [write_parquet(rows_of(view.points, view.found), path)]


def _names_of_points(specification: Specification) -> Callable[[Mapping[str, Any]], str]:
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


def _line(called: str, summary: Summary, tally: Tally) -> str:
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


# ---- what is there ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class View:
    """A study's points and the heads of their results."""

    specification: Specification
    folder: StudyFolder
    points: list[dict[str, Any]]
    keys: list[str]
    found: list[Summary | None]

    def outcome(self, number: int) -> Outcome:
        """A point's result, whole."""
        return self.folder.outcome(self.keys[number])

    @property
    def labels(self) -> tuple[str, ...]:
        design = self.specification.design
        return design.labels if design is not None else ()


def open_view(path: Path, output: Path | None = None) -> View:
    """A study's results, from its folder or its file; nothing is written."""
    folder_path = path if path.is_dir() else folder_of(path, output)
    read_folder(folder_path)  # says what is wrong with it
    file = folder_path / "study.toml"
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise CosimError(f"cannot read this study: {error.strerror or error}", file=file) from error
    specification = parse_specification(text, file, look_at_files=False)
    return _view(folder_path, specification, None)


def _view(path: Path, specification: Specification, keys: list[str] | None) -> View:
    folder = read_folder(path)
    base = base_of(specification, folder.manifest["sources"])
    if specification.design is not None:
        design = specification.design
        points = [design.values(place) for place in range(len(design.points))]
        keys = [point_key(base, values) for values in points]
        return View(specification, folder, points, keys, list(summaries(folder, keys)))
    points = []

    def look(wanted: list[dict[str, Any]]) -> list[str]:
        names = [point_key(base, values) for values in wanted]
        if not all(folder.has(name) for name in names):
            raise _Unfinished
        points.extend(wanted)
        return names

    with contextlib.suppress(_Unfinished):
        search(specification, look, folder)
    keys = [point_key(base, values) for values in points]
    return View(specification, folder, points, keys, list(summaries(folder, keys)))


class _Unfinished(Exception):
    """A search has come no further."""


def show(path: Path, everything: bool, as_json: bool) -> None:
    """A study's results as a table, and what follows from its method."""
    view = open_view(path)
    if as_json:
        from cosim.studies.results import rows_of

        rows = rows_of(view.points, view.found)
        clean = [
            {name: None if isinstance(each, float) and not math.isfinite(each) else each for name, each in row.items()}
            for row in rows
        ]
        print_json({**_about(view.specification), "labels": list(view.labels), "results": clean})
        return
    _print_about(_about(view.specification))
    _print_table(view, None if everything else ROWS_SHOWN)
    _print_method(view)


def _print_table(view: View, most: int | None) -> None:
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


def _print_method(view: View) -> None:
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


# ---- compare, export -------------------------------------------------------------------------------------------------


def compare(path: Path, a: str, b: str, as_json: bool) -> None:
    """The difference between two settings on the same chips and test samples."""
    from cosim.studies.comparison import chosen, pairs
    from cosim.studies.comparison import compare as difference

    view = open_view(path)
    places = pairs(view.points, chosen(view.points, a, view.labels), chosen(view.points, b, view.labels))
    found = [difference(view.folder, view.points, view.keys, pair) for pair in places]
    if as_json:
        print_json({"a": a, "b": b, "differences": [_difference(each) for each in found]})
        return
    metric = next((each.metric for each in view.found if each is not None), "accuracy")
    form = "{:+.2%}" if metric == "accuracy" else "{:+.4f}"
    out.print(f"{metric} of A ({a}) minus B ({b}), paired by chip and test sample, 95 % interval:")
    for each in found:
        one = each.difference
        value, low, high = (form.format(number) for number in (one.value, one.low, one.high))
        kept = {} if view.labels else each.shared  # rungs of a ladder are told by their names
        shared = ", ".join(f"{name} = {value_in_words(name, plain_value(value))}" for name, value in kept.items())
        clear = "differs" if one.low > 0 or one.high < 0 else "not told from noise"
        out.print(f"  #{each.a} - #{each.b}{shared and f' {shared}'}: {value} [{low}, {high}] ({clear})")


def _difference(each: Any) -> dict[str, Any]:
    one = each.difference
    return {
        "a": each.a, "b": each.b, "shared": {name: plain_value(value) for name, value in each.shared.items()},
        "score_a": each.score_a, "score_b": each.score_b, "difference": one.value, "interval": [one.low, one.high],
    }  # fmt: skip


def _formats_here() -> list[str]:
    """All forms, Parquet where pyarrow is installed."""
    from importlib.util import find_spec

    return [each for each in FORMATS if each != "parquet" or find_spec("pyarrow") is not None]


def export(path: Path, formats: Sequence[str], output: Path | None, as_json: bool) -> None:
    """Write the results in other forms."""
    from cosim.studies.results import dataset, rows_of, write_csv, write_netcdf, write_parquet

    for each in formats:
        if each not in FORMATS:
            raise CosimError("unknown form of results", key="--to", value=each, allowed=FORMATS)
    view = open_view(path)
    place = output or view.folder.path
    check_writable(place, folder=True)
    rows = rows_of(view.points, view.found)
    files = []
    for each in formats or _formats_here():
        if each == "netcdf":
            data = dataset(view.specification, view.folder, view.points, view.keys, view.found)
            files.append(write_netcdf(data, place / "results.nc"))
        elif each == "csv":
            files.append(write_csv(rows, place / "results.csv"))
        else:
            files.append(write_parquet(rows, place / "results.parquet"))
    if as_json:
        print_json({"files": [str(file) for file in files]})
        return
    for file in files:
        out.print(f"wrote {file}")
    if not formats and "parquet" not in _formats_here():
        out.print("no Parquet file without pyarrow: pip install cosim[studies]")


__all__ = ["Request", "check", "compare", "export", "init", "plan", "run", "show"]
