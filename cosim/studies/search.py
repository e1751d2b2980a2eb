"""Pareto search: settings that no other found so far beats in all objectives.

NSGA-II (K. Deb et al., IEEE Trans. Evol. Comput. 6, 182 (2002)) by optuna. A generation is asked for whole, evaluated,
and told in its order; so the search takes the same way whichever worker is first, and a search that was stopped takes
it again, from stored results, as far as it had come.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cosim.errors import CosimError
from cosim.seeds import stream
from cosim.studies.specification import Specification
from cosim.studies.store import StudyFolder
from cosim.studies.sweep import Axis, ParetoSweep

Evaluate = Callable[[list[dict[str, Any]]], list[str]]


def search(specification: Specification, evaluate: Evaluate, folder: StudyFolder) -> list[str]:
    """Names of all points of a search, generation after generation; `evaluate` does the points of one.

    A point that failed, or has no finite figure, is told to optuna as failed. Raises CosimError for an objective that
    results do not have, and where optuna is not installed.
    """
    optuna = _optuna()
    sweep = specification.sweep
    assert isinstance(sweep, ParetoSweep)
    seed = int(stream(specification.counts.seed, "study: Pareto").generate_state(1)[0])
    directions = ["maximize" if way == "max" else "minimize" for way in sweep.objectives.values()]
    study = optuna.create_study(
        directions=directions, sampler=optuna.samplers.NSGAIISampler(population_size=sweep.population, seed=seed)
    )
    names: list[str] = []
    for _ in range(sweep.generations):
        trials = [study.ask() for _ in range(sweep.population)]
        keys = evaluate([{axis.name: _suggest(trial, axis) for axis in specification.axes} for trial in trials])
        names += keys
        for trial, key in zip(trials, keys, strict=True):
            figures = _objectives(folder, key, sweep)
            if figures is None:
                study.tell(trial, state=optuna.trial.TrialState.FAIL)
            else:
                study.tell(trial, figures)
    return names


def pareto_front(figures: NDArray[np.float64], ways: Sequence[str]) -> NDArray[np.bool_]:
    """Which points no other beats: at least as good in all objectives and better in one.

    figures: shape (points, objectives), NaN for a point that has none; ways: "max" or "min" of each objective.
    """
    signs = np.array([-1.0 if way == "max" else 1.0 for way in ways])
    values = figures * signs
    good = np.isfinite(values).all(axis=1)
    front = good.copy()
    for place in np.flatnonzero(good):
        others = values[good]
        beaten = (others <= values[place]).all(axis=1) & (others < values[place]).any(axis=1)
        front[place] = not beaten.any()
    return front


def _suggest(trial: Any, axis: Axis) -> Any:
    if axis.values:
        return axis.values[trial.suggest_int(axis.name, 0, len(axis.values) - 1)]
    if axis.whole:
        return trial.suggest_int(axis.name, int(axis.low), int(axis.high))
    return trial.suggest_float(axis.name, axis.low, axis.high, log=axis.log)


def _objectives(folder: StudyFolder, key: str, sweep: ParetoSweep) -> list[float] | None:
    summary = folder.summary(key)
    if summary is None or summary.failure is not None:
        return None
    for name in sweep.objectives:
        if name not in summary.figures:
            raise CosimError(
                "results have no such figure", key=f"sweep.objectives.{name}", allowed=sorted(summary.figures)
            )
    found = [summary.figures[name] for name in sweep.objectives]
    return found if all(math.isfinite(value) for value in found) else None


def _optuna() -> Any:
    try:
        import optuna
    except ImportError as error:
        raise CosimError("a Pareto search needs optuna; type: pip install cosim[studies]") from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna
