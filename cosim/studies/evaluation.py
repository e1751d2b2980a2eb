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
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from cosim import __version__
from cosim.errors import CosimError
from cosim.seeds import stream
from cosim.studies.scores import Scores
from cosim.studies.settings import settings_of
from cosim.studies.sources import Counts, check_sources, sources_of
from cosim.studies.subjects import Subject, subject_of
from cosim.studies.tasks import Metric

MOST_WARNINGS = 20  # different ones that are kept of a point


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
    check_sources(sources_of(settings, settings_of(job.content, job.values), job.counts), job.sources)
    kind = subject_of(settings.network.name)
    try:
        with warnings.catch_warnings(record=True) as caught, threadpool_limits(limits=1):
            warnings.simplefilter("always")
            found = _run(job, Subject(settings, job.counts.test_samples, job.counts.seed))
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


def _run(job: Job, subject: Subject) -> dict[str, Any]:
    task = subject.task
    plain = _chips(job, subject, model_error=False)
    measures = dict(subject.measures)
    if subject.has_model_error:
        doubtful = _chips(job, subject, model_error=True)
        means = [Scores(each["scores"].mean(axis=1), task.weights, task.metric) for each in (doubtful, plain)]
        difference = means[0].minus(means[1])
        measures |= {"error_model": difference.value, "error_model_low": difference.low,
                     "error_model_high": difference.high}  # fmt: skip
    return {**plain, "weights": task.weights, "measures": measures}


def _chips(job: Job, subject: Subject, *, model_error: bool) -> dict[str, Any]:
    """Scores and losses of all chips and reads; where nothing is drawn one chip, read once, stands for all."""
    if not subject.draws(model_error=model_error):
        one = _drawn(replace(job.counts, chips=1, noise_samples=1), subject, model_error)
        shape = (job.counts.chips, job.counts.noise_samples)
        return {
            "scores": np.tile(one["scores"], (*shape, 1)),
            "losses": np.tile(one["losses"], shape),
            "not_finite": one["not_finite"] * math.prod(shape),
        }
    return _drawn(job.counts, subject, model_error)


def _drawn(counts: Counts, subject: Subject, model_error: bool) -> dict[str, Any]:
    scores = np.empty((counts.chips, counts.noise_samples, len(subject.task)))
    losses = np.empty(scores.shape[:2])
    not_finite = 0
    for chip, child in enumerate(stream(counts.seed, "study: chips").spawn(counts.chips)):
        for_chip, for_drift, *for_reads = (
            np.random.default_rng(each) for each in child.spawn(2 + counts.noise_samples)
        )
        subject.program(for_chip, for_drift, model_error=model_error)
        for read, rng in enumerate(for_reads):
            found = subject.judged(rng, model_error=model_error)
            scores[chip, read], losses[chip, read] = found.scores, found.loss
            not_finite += found.not_finite
    return {"scores": scores, "losses": losses, "not_finite": not_finite}
