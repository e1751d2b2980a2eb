"""`cosim study run|check|plan|init|show|compare|export`."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cosim.commands.common import check_writable, out, print_json
from cosim.commands.study_printing import (
    ROWS_SHOWN,
    about,
    difference_as_json,
    line_of_point,
    names_of_points,
    print_about,
    print_method,
    print_table,
)
from cosim.commands.study_view import View, folder_of, open_view, view_of
from cosim.errors import CosimError
from cosim.studies.execution import Tally, begin, run_study
from cosim.studies.settings import plain_value, value_in_words
from cosim.studies.specification import load_specification
from cosim.studies.store import Summary, read_folder
from cosim.studies.workplaces import open_workplace

FORMATS = ("netcdf", "csv", "parquet")


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
    said = about(specification)
    if as_json:
        print_json(said)
        return
    out.print(f"{path}: no fault found")
    print_about(said)


def plan(path: Path, output: Path | None, workers: int | None, trial: bool, as_json: bool) -> None:
    """Points, time and memory."""
    from cosim.progress import in_words
    from cosim.studies import plan as planning
    from cosim.workers import available_cores

    specification = load_specification(path)
    found = planning.plan(specification, folder_of(path, output), workers or available_cores(), trial=trial)
    said = {**about(specification), **vars(found)}
    if as_json:
        print_json(
            {name: None if isinstance(each, float) and math.isnan(each) else each for name, each in said.items()}
        )
        return
    print_about(said)
    out.print(f"finished already: {found.finished}")
    seconds = None if math.isnan(found.seconds) else found.seconds
    a_point = "?" if math.isnan(found.seconds_a_point) else f"{found.seconds_a_point:.2g} s"
    out.print(f"time: {in_words(seconds)} on {found.workers} workers, {a_point} a point ({found.source})")
    out.print(f"memory: about {found.memory / 2**20:.0f} MiB; results: about {found.disk / 2**20:.1f} MiB")


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
    called = names_of_points(specification)

    def told(summary: Summary, tally: Tally) -> None:
        counted[:] = [tally]
        if not terminal and not request.as_json:
            print(line_of_point(called(summary.values), summary, tally), file=sys.stderr, flush=True)

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
    view = view_of(path, specification)
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
        print_table(view, ROWS_SHOWN)
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


# ---- what is there ---------------------------------------------------------------------------------------------------


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
        print_json({**about(view.specification), "labels": list(view.labels), "results": clean})
        return
    print_about(about(view.specification))
    print_table(view, None if everything else ROWS_SHOWN)
    print_method(view)


# ---- compare, export -------------------------------------------------------------------------------------------------


def compare(path: Path, a: str, b: str, as_json: bool) -> None:
    """The difference between two settings on the same chips and test samples."""
    from cosim.studies.comparison import chosen, pairs
    from cosim.studies.comparison import compare as difference

    view = open_view(path)
    places = pairs(view.points, chosen(view.points, a, view.labels), chosen(view.points, b, view.labels))
    found = [difference(view.folder, view.points, view.keys, pair) for pair in places]
    if as_json:
        print_json({"a": a, "b": b, "differences": [difference_as_json(each) for each in found]})
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
