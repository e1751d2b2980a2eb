"""A study, run: every point that has no result yet is evaluated once and stored at once.

Several processes may run the same study in one folder: each takes points that nobody has, and waits in the end for
those of the others.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cosim.progress import Bar, progress
from cosim.studies.error_bars import figures_of
from cosim.studies.evaluation import Job
from cosim.studies.settings import plain_value
from cosim.studies.sources import Sources, sources_of
from cosim.studies.specification import Specification, point_key
from cosim.studies.store import StudyFolder, Summary, open_folder
from cosim.studies.workplaces import Workplace

IN_HAND = 2  # points sent ahead for each worker, so that none waits for the next
LOOKED_AT = 1.0  # [s] between looks at points that other processes have

Told = Callable[[Summary, "Tally"], None]


@dataclass
class Tally:
    """How far a run has come.

    Attributes
    ----------
    total: points of this round. known: that had a result. done: by this process. others: done by other processes
    meanwhile. failed: of those done here.
    """

    total: int = 0
    known: int = 0
    done: int = 0
    others: int = 0
    failed: int = 0
    bar: Bar | None = field(default=None, repr=False)

    @property
    def finished(self) -> int:
        return self.known + self.done + self.others

    def left(self) -> float | None:
        """Remaining time [s]; None where it is not known."""
        return None if self.bar is None else self.bar.left.seconds(time.monotonic())


@dataclass(frozen=True)
class Run:
    """A study, its folder, and where its points are done."""

    specification: Specification
    folder: StudyFolder
    sources: Sources
    workplace: Workplace
    told: Told | None = None
    label: str | None = None
    retry_failed: bool = False


def base_of(specification: Specification, sources: Mapping[str, str]) -> str:
    """Hash of all that the points of a study share, the files they depend on included."""
    from cosim.provenance import sha256_of_json

    return sha256_of_json({"study": specification.base_hash(), "sources": dict(sources)})


def all_sources(specification: Specification) -> Sources:
    """Hashes of all files that any point depends on; of several values of a name each is looked at once."""
    found = _sources(specification, {})
    names = ("network.", "device.name", "models.", "functions.")
    seen = set()
    for values in swept_values(specification):
        for name, value in values.items():
            if name.startswith(names) and (name, str(value)) not in seen:
                seen.add((name, str(value)))
                found |= _sources(specification, {name: value})
    return found


def _sources(specification: Specification, values: Mapping[str, Any]) -> Sources:
    return sources_of(specification.settings(values), specification.written(values), specification.counts)


def swept_values(specification: Specification) -> Iterable[dict[str, Any]]:
    """Name -> value, for every value that is swept; by axis where there are axes."""
    if specification.design is None or specification.axes:
        return [{axis.name: value} for axis in specification.axes for value in axis.values]
    design = specification.design
    return [design.values(point) for point in range(len(design.points))]


def begin(
    specification: Specification,
    path: Path,
    workplace: Workplace,
    *,
    told: Told | None = None,
    label: str | None = None,
    retry_failed: bool = False,
) -> Run:
    """A run of a study in its folder, which is made, or checked to belong to it."""
    sources = all_sources(specification)
    folder = open_folder(path, text=specification.text, sha256=specification.sha256, sources=sources)
    return Run(specification, folder, sources, workplace, told, label, retry_failed)


def run_study(run: Run) -> list[str]:
    """Evaluate all points of a study; returns their names, in the order of the design.

    When it is interrupted, or a result cannot be written, what is finished is kept and nothing is half written.
    """
    try:
        if run.specification.design is None:
            from cosim.studies.search import search

            return search(run.specification, lambda points: run_points(run, points), run.folder)
        design = run.specification.design
        return run_points(run, [design.values(point) for point in range(len(design.points))])
    except BaseException:
        run.workplace.close(at_once=True)
        raise
    finally:
        run.folder.close()


def run_points(run: Run, points: list[dict[str, Any]]) -> list[str]:
    """Evaluate points; returns their names in order."""
    base = base_of(run.specification, run.sources)
    keys = [point_key(base, values) for values in points]
    values_of = dict(zip(keys, points, strict=True))
    there = run.folder.finished()
    tally = Tally(total=len(values_of))
    todo: deque[str] = deque()
    with progress(run.label, len(values_of), workers=run.workplace.workers) as bar:
        tally.bar = bar
        for key in values_of:
            if key[:40] in there and _is_good(run, key):
                tally.known += 1
                bar.known()
            else:
                todo.append(key)
        _work(run, todo, values_of, tally, bar)
    return keys


def _is_good(run: Run, key: str) -> bool:
    """Whether a point's result can stay as it is."""
    if not run.folder.sound(key):
        return False
    if run.retry_failed:
        summary = run.folder.summary(key)
        return summary is not None and summary.failure is None
    return True


def _work(run: Run, todo: deque[str], values_of: Mapping[str, Mapping[str, Any]], tally: Tally, bar: Bar) -> None:
    folder, workplace = run.folder, run.workplace
    again = set(todo) if run.retry_failed else set()  # a file of these is that of a failure
    in_hand: set[str] = set()
    elsewhere: list[str] = []
    content, folder_of_file = run.specification.content, str(run.specification.folder)

    def done_elsewhere(key: str) -> bool:
        if key in again or not folder.has(key):
            return False
        tally.others += 1
        bar.known()
        return True

    while todo or in_hand or elsewhere:
        bar.left.workers = workplace.workers
        while todo and len(in_hand) < IN_HAND * workplace.workers:
            key = todo.popleft()
            if not folder.claim(key):
                elsewhere.append(key)
            elif done_elsewhere(key):
                folder.release(key)
            else:
                in_hand.add(key)
                workplace.submit(
                    Job(key, content, values_of[key], run.specification.counts, folder_of_file, run.sources)
                )
        if in_hand:
            for outcome in workplace.ended(LOOKED_AT):
                values = {name: plain_value(value) for name, value in values_of[outcome.key].items()}
                folder.keep(outcome, values, figures_of(outcome))
                folder.release(outcome.key)
                in_hand.discard(outcome.key)
                tally.done += 1
                tally.failed += outcome.failure is not None
                bar.finished(outcome.seconds)
                if run.told is not None:
                    summary = folder.summary(outcome.key)
                    assert summary is not None
                    run.told(summary, tally)
        elif elsewhere:
            elsewhere = [key for key in elsewhere if not done_elsewhere(key)]
            todo.extend(elsewhere)  # those whose process has ended can be claimed now
            elsewhere = []
            time.sleep(LOOKED_AT if todo else 0.0)


__all__ = ["Run", "Tally", "all_sources", "base_of", "begin", "run_points", "run_study"]
