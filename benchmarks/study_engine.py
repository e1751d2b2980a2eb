"""Studies: two processes against one, what the machinery costs beside the points, memory over many points, the time to
plan and show 10,000 points."""

from __future__ import annotations

import contextlib
import io
import os
import platform
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from _timing import report

from cosim.commands import study as command
from cosim.studies.error_bars import figures_of
from cosim.studies.evaluation import Outcome
from cosim.studies.execution import all_sources, base_of, begin, run_study
from cosim.studies.settings import plain_value
from cosim.studies.specification import Specification, load_specification, point_key
from cosim.studies.store import open_folder
from cosim.studies.workplaces import InProcess, ProcessPool, Workplace

POINTS = 8  # of about 2 s
MANY = 1000
GREAT = 10_000
PYTHON = f"CPython {platform.python_version()}"

HEAD = 'schema = "cosim.study/1"\nchips = {chips}\ntest_samples = {samples}\n\n[sweep]\nmethod = "latin hypercube"\n'
SWEEP = """samples = {points}
[sweep.over]
"tile.adc.v_read" = {{ low = "0.2 V", high = "0.25 V" }}
"device.read_noise" = {{ low = "0 %", high = "1 %" }}
"""


def study(folder: Path, points: int, chips: int, samples: int) -> Specification:
    """A study of the digits LSTM."""
    file = folder / f"study_{points}_{chips}_{samples}.toml"
    file.write_text((HEAD + SWEEP).format(points=points, chips=chips, samples=samples), encoding="utf-8")
    return load_specification(file)


def wall(specification: Specification, folder: Path, workplace: Workplace) -> tuple[float, list[float]]:
    """(wall time from the first result to the last, seconds of the points between) of a run [s].

    From the first result on: workers are then started, and have loaded what they need.
    """
    ends: list[float] = []
    seconds: list[float] = []

    def told(summary: object, tally: object) -> None:
        ends.append(time.perf_counter())
        seconds.append(summary.seconds)  # type: ignore[attr-defined]

    with contextlib.closing(workplace):
        run_study(begin(specification, folder, workplace, told=told))
    skip = max(workplace.workers, 1)
    return ends[-1] - ends[skip - 1], seconds[skip:]


def two_processes(folder: Path) -> None:
    """In turn, so that both meet the same disturbances; each result once more than its workers, for their start.

    A machine that does other work at the same time has no two cores to show this on; so it is also told how many points
    were under way at once on the average, by their own wall times.
    """
    rates: dict[int, list[float]] = {1: [], 2: []}
    at_once: list[float] = []
    for turn in range(3):
        for workers in (1, 2):
            made = study(folder, POINTS + workers, 30, 599)
            seconds, points = wall(made, folder / f"two_{turn}_{workers}", ProcessPool(workers))
            rates[workers].append(seconds / len(points))
            if workers == 2:
                at_once.append(sum(points) / seconds)
    one, two = (statistics.median(rates[workers]) for workers in (1, 2))
    report("a study in two processes", two, "s/point", f"the same in one process, {PYTHON}", one / two, 1.7, threads=2)
    both = statistics.median(at_once)
    report("points under way at once in two processes", both, "1", f"one, {PYTHON}", both, 1.7, threads=2)


def overhead(folder: Path) -> None:
    """Wall time that is not a point's own, in worker processes and in this one."""
    for name, workplace in (("worker process", ProcessPool(1)), ("own process", InProcess())):
        made = study(folder, POINTS + 1, 30, 599)
        seconds, points = wall(made, folder / f"overhead {name}", workplace)
        share = seconds / sum(points) - 1.0
        report(
            f"machinery of a study beside its points, {name}, points of {statistics.mean(points):.2g} s",
            share, "1", "5 % of the points' own time", 0.05 / max(share, 1e-9), 1.0,
        )  # fmt: skip


def resident() -> float:
    """Memory of this process [bytes]."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return float(pages * os.sysconf("SC_PAGE_SIZE"))


class Watched(InProcess):
    """Notes the memory after each point."""

    def __init__(self) -> None:
        super().__init__()
        self.memory: list[float] = []

    def ended(self, patience: float) -> Iterator[Outcome]:
        yield from super().ended(patience)
        self.memory.append(resident())


def memory(folder: Path) -> None:
    """Growth from the 100th point to the last, of runner and worker together, for they are one process here."""
    place = Watched()
    wall(study(folder, MANY, 1, 10), folder / "many", place)
    first, last = place.memory[MANY // 10], place.memory[-1]
    report(
        f"memory of a study after {MANY} points", last / 2**20, "MiB", f"after {MANY // 10} points", first / last, 0.95
    )


def great(folder: Path) -> None:
    """CPU time of planning and of showing, in this process, which has loaded its modules."""
    made = study(folder, GREAT, 1, 10)
    results = command.folder_of(made.path, None)
    started = time.process_time()
    with contextlib.redirect_stdout(io.StringIO()):
        command.plan(made.path, None, 2, True, False)
    planned = time.process_time() - started
    report(f"plan of {GREAT} points", planned, "s", "5 s", 5.0 / planned, 1.0)
    sources = all_sources(made)
    filled = open_folder(results, text=made.text, sha256=made.sha256, sources=sources)
    base, rng = base_of(made, sources), np.random.default_rng(1)
    assert made.design is not None
    for place in range(GREAT):
        values = made.design.values(place)
        right = (rng.random((1, 1, 10)) > 0.1).astype(float)
        outcome = Outcome(point_key(base, values), "accuracy", right, np.ones(10), rng.random((1, 1)), {"energy": 1e-9})
        filled.keep(outcome, {name: plain_value(value) for name, value in values.items()}, figures_of(outcome))
    started = time.process_time()
    with contextlib.redirect_stdout(io.StringIO()):
        command.show(results, False, False)
    shown = time.process_time() - started
    report(f"show of {GREAT} points", shown, "s", "5 s", 5.0 / shown, 1.0)


def main() -> None:
    """All of it, or what is named: overhead, two_processes, memory, great."""
    parts = (overhead, two_processes, memory, great)
    warnings.simplefilter("ignore")  # of models beside their domain
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in parts:
            if not sys.argv[1:] or part.__name__ in sys.argv[1:]:
                part(folder)


if __name__ == "__main__":
    main()
