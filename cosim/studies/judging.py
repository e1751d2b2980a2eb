"""A programmed network judged by its task: a score for each example, the loss, and what was not finite."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cosim.networks.network import Network
from cosim.studies.tasks import Task

STEPS = 64  # of a text, read at a time


@dataclass(frozen=True)
class Judged:
    """Attributes
    ----------
    scores: of each example, as `Task.scores`; one with an output that is not finite is wrong, or has NaN bits.
    loss: mean cross-entropy [nat]; NaN where an output was not finite.
    not_finite: examples with an output that is not finite.
    """

    scores: NDArray[np.float64]
    loss: float
    not_finite: int


def judge(network: Network, task: Task, rng: np.random.Generator) -> Judged:
    """All examples of a task through a network; memory is that of a piece."""
    if task.metric == "bits_per_symbol":
        return _of_text(network, task, rng)
    return of_logits(task, network.forward(task.inputs, rng))


def of_logits(task: Task, outputs: NDArray[np.floating]) -> Judged:
    """Of logits (examples, classes)."""
    finite = np.isfinite(outputs).all(axis=1)
    strange = int(len(outputs) - np.count_nonzero(finite))
    if strange:
        outputs = np.where(finite[:, None], outputs, 0.0)
    loss = float(cross_entropy(outputs, task.targets).mean())
    return Judged(np.where(finite, task.scores(outputs), 0.0), math.nan if strange else loss, strange)


def cross_entropy(logits: NDArray[np.floating], targets: NDArray[np.integer]) -> NDArray[np.float64]:
    """-log softmax(l)_y [nat] of logits (n, classes) and classes (n,), by l - max(l)."""
    values = logits.astype(np.float64)
    values -= values.max(axis=1, keepdims=True)
    return np.asarray(np.log(np.exp(values).sum(axis=1)) - values[np.arange(len(targets)), targets])


def _of_text(network: Network, task: Task, rng: np.random.Generator) -> Judged:
    bits = np.zeros(len(task))
    finite = np.ones(len(task), dtype=bool)
    streams = np.asarray(task.inputs[:])
    for at, outputs, _ in network.read(streams, rng, steps=STEPS):
        good = np.isfinite(outputs).reshape(len(task), -1).all(axis=1)
        finite &= good
        piece, _ = task.bits(np.where(good[:, None, None], outputs, 0.0), task.targets[:, at])
        bits += piece
    strange = int(len(finite) - np.count_nonzero(finite))
    scores = bits / task.weights
    loss = float(bits.sum() / task.weights.sum()) * math.log(2)
    return Judged(np.where(finite, scores, np.nan), math.nan if strange else loss, strange)
