"""What a study will take, before it is run: points, time, memory."""

from __future__ import annotations

import math
import resource
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from cosim.studies.evaluation import Job, evaluate
from cosim.studies.execution import all_sources, base_of
from cosim.studies.specification import Specification, point_key
from cosim.studies.store import read_folder, summaries
from cosim.studies.subjects import task_for
from cosim.studies.sweep import ParetoSweep

TRIAL_SAMPLES = 64  # test samples of the trial, on one chip
MOST_LOOKED_AT = 200  # finished points whose times are looked at


@dataclass(frozen=True)
class Plan:
    """Of a study.

    Attributes
    ----------
    points: in all; of a search, population times generations. finished: those in its folder.
    chips, noise_samples: of a point.
    seconds_a_point: expected; NaN where nothing is known.
    seconds: of all that is left, on so many workers.
    source: where the expectation comes from, in words.
    memory: of all workers together [bytes]. disk: of all results [bytes].
    """

    points: int
    finished: int
    chips: int
    noise_samples: int
    workers: int
    seconds_a_point: float
    seconds: float
    source: str
    memory: float
    disk: float


def plan(specification: Specification, folder: Path, workers: int, *, trial: bool = True) -> Plan:
    """Points, time and memory.

    The time is that of points that the folder holds already, where there are any; else that of a trial: the shared
    settings on one chip and `TRIAL_SAMPLES` test samples, scaled by chips, reads and samples. Points of larger arrays
    than that take longer than it says.
    """
    counts = specification.counts
    if specification.design is not None:
        total = len(specification.design.points)
    else:
        assert isinstance(specification.sweep, ParetoSweep)
        total = specification.sweep.population * specification.sweep.generations
    finished, known = _known(specification, folder)
    samples = counts.test_samples
    seconds, source = math.nan, "nothing is known: no trial was made"
    if known:
        seconds, source = float(np.median(known)), f"median of {len(known)} finished points"
    elif trial:
        seconds, samples = _trial(specification)
        source = f"trial of one chip and {min(TRIAL_SAMPLES, samples)} test samples at the shared settings, scaled"
    left = max(total - finished, 0)
    bits = counts.chips * counts.noise_samples * (samples or 1000)
    return Plan(
        points=total,
        finished=finished,
        chips=counts.chips,
        noise_samples=counts.noise_samples,
        workers=max(workers, 1),
        seconds_a_point=seconds,
        seconds=seconds * math.ceil(left / max(workers, 1)) if left else 0.0,
        source=source,
        memory=peak_memory() * max(workers, 1),
        disk=float(total * (2500 + bits / 8 + 8 * (samples or 1000))),
    )


def _known(specification: Specification, path: Path) -> tuple[int, list[float]]:
    """(finished points, seconds of some of them)."""
    if not (path / "manifest.json").exists() or specification.design is None:
        return 0, []
    folder = read_folder(path)
    design = specification.design
    base = base_of(specification, folder.manifest["sources"])
    there = folder.finished()
    keys = [point_key(base, design.values(point)) for point in range(len(design.points))]
    keys = [key for key in keys if key[:40] in there]
    some = keys[:: max(1, len(keys) // MOST_LOOKED_AT)]
    times = [each.seconds for each in summaries(folder, some) if each is not None and math.isfinite(each.seconds)]
    return len(keys), times


def _trial(specification: Specification) -> tuple[float, int]:
    """(seconds of a point, test samples of a point), from a short run and one that is twice as long."""
    counts = specification.counts
    sources = all_sources(specification)
    first = specification.design.values(0) if specification.design is not None else {}
    wanted = min(counts.test_samples or TRIAL_SAMPLES, TRIAL_SAMPLES)

    def run(chips: int) -> tuple[float, int]:
        job = Job(
            "trial", specification.content, first, replace(counts, chips=chips, noise_samples=1, test_samples=wanted),
            str(specification.folder), sources,
        )  # fmt: skip
        started = time.perf_counter()
        outcome = evaluate(job)
        return time.perf_counter() - started, outcome.scores.shape[-1]

    run(1)  # what is loaded and compiled once a process
    short, ran = run(1)
    long, _ = run(2)
    ran = max(ran, 1)
    samples = counts.test_samples or task_size(specification)
    a_chip = max(long - short, 1e-4)
    # What a chip takes grows with its samples; what a point takes once does not.
    return max(short - a_chip, 0.0) + counts.chips * counts.noise_samples * a_chip * samples / ran, samples


def task_size(specification: Specification) -> int:
    """Test samples of the whole test part."""
    return len(task_for(specification.settings(), None, specification.counts.seed))


def peak_memory() -> float:
    """Of this process so far [bytes]."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return float(peak * (1 if sys.platform == "darwin" else 1024))
