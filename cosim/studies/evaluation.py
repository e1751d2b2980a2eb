"""One point of a study: chips drawn, test samples run through each, scores kept one by one.

Chip n, its drift and its reads depend on the study's seed and n alone, not on the point: settings are compared on the
same chips. Results do not depend on the process, the worker or the threads that are there: one thread does the work.
"""

from __future__ import annotations

import math
import time
import warnings
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from cosim import __version__
from cosim.errors import CosimError
from cosim.seeds import stream
from cosim.studies.settings import settings_of
from cosim.studies.sources import check_sources, sources_of
from cosim.studies.subjects import subject_of
from cosim.studies.tasks import Metric, Task

MOST_WARNINGS = 20  # different ones that are kept of a point


@dataclass(frozen=True)
class Counts:
    """How much of a point is run.

    Attributes
    ----------
    chips: drawn and programmed.
    noise_samples: reads of all test samples on each chip.
    test_samples: of the test part, drawn by the seed; None: all.
    seed: of chips, reads and the drawing of samples.
    """

    chips: int
    noise_samples: int
    test_samples: int | None
    seed: int


@dataclass(frozen=True)
class Job:
    """A point as it is sent to a worker.

    Attributes
    ----------
    key: name of the point's result.
    content: tables of the study file that all points share.
    values: dotted name -> value of this point.
    folder: of the study file, where its files are looked for first.
    sources: sha256 of what the results depend on, as it was when the study began; see `sources`.
    version: of cosim, which must be the worker's too.
    """

    key: str
    content: Mapping[str, Any]
    values: Mapping[str, Any]
    counts: Counts
    folder: str = ""
    sources: Mapping[str, str] = field(default_factory=dict)
    version: str = __version__


@dataclass(frozen=True)
class Outcome:
    """What came of a point.

    Attributes
    ----------
    key: of the job.
    metric: what a score is.
    scores: shape (chips, reads, samples): right (1) or wrong (0), or bits per symbol; an output that is not finite
        counts as wrong, and has NaN bits.
    weights: how many answers each sample's score is the mean of, shape (samples,).
    losses: cross-entropy [nat] of each chip and read, shape (chips, reads); NaN where an output was not finite.
    measures: name -> figure that does not depend on the chip: cells, conversions, costs.
    not_finite: outputs that were not finite, of all chips and reads.
    warnings: message -> how often.
    seconds: wall time.
    failure: why there is nothing of all this; None where there is.
    """

    key: str
    metric: Metric
    scores: NDArray[np.float64]
    weights: NDArray[np.float64]
    losses: NDArray[np.float64]
    measures: Mapping[str, float]
    not_finite: int = 0
    warnings: Mapping[str, int] = field(default_factory=dict)
    seconds: float = math.nan
    failure: str | None = None


def failed(key: str, metric: Metric, why: str, seconds: float = math.nan) -> Outcome:
    """The outcome of a point that could not be evaluated."""
    empty = np.zeros((0, 0, 0))
    return Outcome(key, metric, empty, np.zeros(0), np.zeros((0, 0)), {}, seconds=seconds, failure=why)


def evaluate(job: Job) -> Outcome:
    """Run a point. What is wrong with its settings alone is its outcome; CosimError where a source has changed."""
    started = time.perf_counter()
    if job.version != __version__:
        raise CosimError(f"a worker has cosim {__version__}, and this study is run with {job.version}")
    settings = settings_of(job.content, job.values, job.folder)
    check_sources(sources_of(settings, settings_of(job.content, job.values)), job.sources)
    kind = subject_of(settings.network.name)
    try:
        with warnings.catch_warnings(record=True) as caught, threadpool_limits(limits=1):
            warnings.simplefilter("always")
            found = _run(job, kind.build(settings, job.counts.test_samples, job.counts.seed))
    except CosimError as error:
        return failed(job.key, kind.metric, str(error), time.perf_counter() - started)
    counted = Counter(f"{each.category.__name__}: {each.message}" for each in caught)
    return Outcome(
        job.key,
        kind.metric,
        **found,
        warnings=dict(counted.most_common(MOST_WARNINGS)),
        seconds=time.perf_counter() - started,
    )


def _run(job: Job, subject: Any) -> dict[str, Any]:
    counts, task = job.counts, subject.task
    scores = np.empty((counts.chips, counts.noise_samples, len(task)))
    losses = np.empty(scores.shape[:2])
    not_finite = 0
    for chip, child in enumerate(stream(counts.seed, "study: chips").spawn(counts.chips)):
        for_chip, for_drift, *for_reads = (
            np.random.default_rng(each) for each in child.spawn(2 + counts.noise_samples)
        )
        subject.program(for_chip, for_drift)
        for read, rng in enumerate(for_reads):
            outputs = subject.outputs(rng)
            scores[chip, read], losses[chip, read], strange = judged(task, outputs)
            not_finite += strange
    return {
        "scores": scores,
        "weights": task.weights,
        "losses": losses,
        "measures": dict(subject.measures),
        "not_finite": not_finite,
    }


def judged(task: Task, outputs: NDArray[np.floating]) -> tuple[NDArray[np.float64], float, int]:
    """(score of each sample, mean cross-entropy [nat], samples with an output that is not finite).

    Cross-entropy: -log softmax(logits)_y. An output that is not finite names no class: it counts as wrong.
    """
    finite = np.isfinite(outputs.reshape(len(outputs), -1)).all(axis=1)
    strange = int(len(outputs) - np.count_nonzero(finite))
    if strange:
        outputs = np.where(finite.reshape(-1, *[1] * (outputs.ndim - 1)), outputs, 0.0)
    scores = task.scores(outputs)
    if task.metric == "accuracy":
        loss = float(cross_entropy(outputs, task.targets).mean())
        scores = np.where(finite, scores, 0.0)
    else:
        loss = float(scores @ task.weights / task.weights.sum()) * math.log(2)
        scores = np.where(finite, scores, np.nan)
    return scores, math.nan if strange else loss, strange


def cross_entropy(logits: NDArray[np.floating], targets: NDArray[np.integer]) -> NDArray[np.float64]:
    """-log softmax(l)_y [nat] of logits (n, classes) and classes (n,), by l - max(l)."""
    values = logits.astype(np.float64)
    values -= values.max(axis=1, keepdims=True)
    return np.asarray(np.log(np.exp(values).sum(axis=1)) - values[np.arange(len(targets)), targets])
