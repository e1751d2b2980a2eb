"""Accuracy of a network over chips, and the ladder of single non-idealities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cosim.errors import CosimError
from cosim.networks.tiled import TiledNetwork
from cosim.progress import Bar, progress
from cosim.seeds import stream
from cosim.studies.judging import judge
from cosim.studies.scores import Estimate, Scores
from cosim.studies.tasks import Task
from cosim.tiles.config import Nonidealities

CHIPS = "accuracy: chips"  # what they are drawn for


@dataclass(frozen=True)
class Rung:
    """One rung of the ladder: the scores with one non-ideality (or none, or all), and what it costs.

    Attributes
    ----------
    cost: score with none minus this one, on the same chips and examples.
    """

    name: str
    scores: Scores
    cost: Estimate


def over_chips(
    network: TiledNetwork, task: Task, *, chips: int, seed: int, purpose: str = CHIPS, bar: Bar | None = None
) -> Scores:
    """Draw chips and run all examples through each.

    Chip n and its reads depend on the seed, the purpose and n alone, not on fidelities and switches: settings are
    compared on the same chips. `bar` is told of each chip.
    """
    if chips < 1:
        raise CosimError("at least one chip is needed", key="chips", value=chips, allowed="1 or more")
    rows = []
    for child in stream(seed, purpose).spawn(chips):
        for_chip, for_reads = (np.random.default_rng(each) for each in child.spawn(2))
        network.program(for_chip)
        rows.append(judge(network, task, for_reads).scores)
        if bar is not None:
            bar(1)
    return Scores(np.array(rows), task.weights, task.metric)


def ladder(network: TiledNetwork, task: Task, *, chips: int, seed: int, label: str | None = None) -> list[Rung]:
    """Scores with no non-ideality, with each one alone, and with all, on the same chips; of behavioural tiles."""
    settings, found = Nonidealities.ladder(), []
    with progress(label, len(settings) * chips) as bar:
        for switches in settings.values():
            some = network.variant(hardware=network.hardware.with_nonidealities(switches))
            found.append(over_chips(some, task, chips=chips, seed=seed, bar=bar))
    return rungs(list(settings), found)


def rungs(names: Sequence[str], scores: Sequence[Scores]) -> list[Rung]:
    """The rungs of a ladder from their scores; the first is the one that the others are compared with, paired."""
    return [Rung(name, each, scores[0].minus(each)) for name, each in zip(names, scores, strict=True)]
