"""What follows from a study's results: paired losses, Sobol indices, the Pareto front."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from cosim.errors import CosimError
from cosim.reports.study_data import StudyData
from cosim.studies.evaluation import Outcome
from cosim.studies.scores import Estimate
from cosim.studies.search import pareto_front
from cosim.studies.sensitivity import paired_scores, sobol_indices

MOST_COMPARED = 400  # points whose single scores are read


@dataclass(frozen=True)
class Analysis:
    """What the page says beyond single points.

    Attributes
    ----------
    reference: number of the point that the others are compared with: `none` of a ladder, else the best.
    losses: number of a point -> how much worse it is than the reference, paired by chip and test sample; positive is
        worse.
    indices: of a Sobol study, see `plots.study_indices`.
    objectives, front: of a search: figure -> way, and numbers of the points that no other beats.
    notes: why something is not there.
    """

    reference: int | None = None
    losses: Mapping[int, Estimate] = field(default_factory=dict)
    indices: Sequence[Mapping[str, Any]] = ()
    objectives: Mapping[str, str] = field(default_factory=dict)
    front: Sequence[int] = ()
    notes: Sequence[str] = ()

    @property
    def ties(self) -> list[int]:
        """Points that cannot be told from the reference: their interval holds zero."""
        return [number for number, each in self.losses.items() if number != self.reference and each.low <= 0]


def analyse(data: StudyData, outcome: Callable[[int], Outcome]) -> Analysis:
    """All of it; `outcome` gives the single scores of a point by its number."""
    notes: list[str] = []
    reference, losses = _losses(data, outcome, notes)
    indices = _indices(data, notes) if data.method == "sobol" else []
    objectives: dict[str, str] = {}
    front: list[int] = []
    if data.method == "pareto":
        objectives = dict(data.content["sweep"]["objectives"])
        front = _front(data, objectives)
    return Analysis(reference, losses, indices, objectives, front, notes)


def _losses(
    data: StudyData, outcome: Callable[[int], Outcome], notes: list[str]
) -> tuple[int | None, dict[int, Estimate]]:
    rows = data.scored
    none = next((row for row in rows if row.label == "none"), None)
    chosen = none if data.method == "ladder" else data.best
    if chosen is None or len(rows) < 2 or data.method == "sobol":
        return None, {}
    if len(rows) > MOST_COMPARED:
        notes.append(
            f"Points are compared in pairs where a study has at most {MOST_COMPARED} of them;"
            " the command cosim study compare compares any two."
        )
        return chosen.number, {}
    best = paired_scores(outcome(chosen.number))
    network = chosen.values.get("network.name")
    same = [row for row in rows if row.values.get("network.name") == network]
    if len(same) < len(rows):
        notes.append(f"Only points of {network} are compared with the best: other networks have other test samples.")
    found = {}
    for row in same:
        try:
            mine = paired_scores(outcome(row.number))
            # Positive is worse: of an accuracy what is lost, of bits per symbol what is added.
            found[row.number] = best.minus(mine) if data.score.metric == "accuracy" else mine.minus(best)
        except CosimError as error:
            notes.append(f"{data.called(row)} is not compared: {error.message}.")
    return chosen.number, found


def _indices(data: StudyData, notes: list[str]) -> list[dict[str, Any]]:
    sweep = data.content["sweep"]
    names = [each.name for each in data.settings]
    try:
        found = sobol_indices(
            names,
            np.array([row.score for row in data.rows]),
            bool(sweep.get("second_order", False)),
            int(data.counts.get("seed", 1)),
        )
    except CosimError as error:
        notes.append(f"There are no Sobol indices: {error.message}.")
        return []
    return [
        {
            "name": name,
            "first": float(found.first[place]),
            "first_half": float(found.first_reach[place]),
            "total": float(found.total[place]),
            "total_half": float(found.total_reach[place]),
        }
        for place, name in enumerate(found.names)
    ]


def _front(data: StudyData, objectives: Mapping[str, str]) -> list[int]:
    """Numbers of the points on the front, each combination of settings once."""
    figures = np.array(
        [
            [row.score if name == data.score.metric else row.figures.get(name, np.nan) for name in objectives]
            for row in data.rows
        ]
    ).reshape(-1, len(objectives))
    seen, found = set(), []
    for number in np.flatnonzero(pareto_front(figures, list(objectives.values()))):
        values = tuple(data.rows[number].values.items())
        if values not in seen:
            seen.add(values)
            found.append(int(number))
    return found
