"""The sweep of a study's file: its method, axes and points, each name and value checked by itself.

Whatever is wrong is handed back as a list, so that all of it can be told at once; see `specification`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from cosim.errors import CosimError, did_you_mean
from cosim.studies.figures import ABOUT
from cosim.studies.sensitivity import check_samples
from cosim.studies.settings import checked_value, find_name
from cosim.studies.sweep import (
    METHODS,
    MOST_POINTS,
    Axis,
    Design,
    GridSweep,
    LadderSweep,
    LatinHypercubeSweep,
    ListSweep,
    ParetoSweep,
    Range,
    SobolSweep,
    Sweep,
    grid,
    ladder,
    latin_hypercube,
    sobol,
)
from cosim.validation import examined


def sweep_of(table: Any) -> tuple[Sweep | None, list[CosimError]]:
    if not isinstance(table, Mapping):
        return None, [CosimError("this is a table", key="sweep", value=table)]
    method = table.get("method")
    if method not in METHODS:
        said = did_you_mean(str(method), METHODS) if method is not None else ""
        message = "unknown method." + said if method is not None else "this key is required"
        return None, [CosimError(message, key="sweep.method", value=method, allowed=list(METHODS))]
    found, problems = examined(METHODS[method], _flattened(table))
    for each in problems:
        each.key = f"sweep.{each.key}" if each.key else "sweep"
    return found, problems  # type: ignore[return-value]


def _flattened(table: Mapping[str, Any]) -> dict[str, Any]:
    """The table of a sweep with the dotted names of its settings."""
    flat = dict(table)
    if isinstance(flat.get("over"), Mapping):
        flat["over"] = dict(_flat(flat["over"], lambda leaf: not isinstance(leaf, Mapping) or "low" in leaf))
    if isinstance(flat.get("points"), list):
        flat["points"] = [
            dict(_flat(each, lambda leaf: not isinstance(leaf, Mapping))) if isinstance(each, Mapping) else each
            for each in flat["points"]
        ]
    return flat


def _flat(table: Mapping[str, Any], is_leaf: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted name -> value, whether the names were written with dots, in quotes, or as tables."""
    for key, value in table.items():
        if is_leaf(value):
            yield f"{prefix}{key}", value
        else:
            yield from _flat(value, is_leaf, f"{prefix}{key}.")


Written = dict[tuple[str, str], Any]
"""Dotted name and repr of a value as the settings hold it -> the value as the file has it, with its unit."""


def swept(table: Any) -> tuple[tuple[Axis, ...], list[dict[str, Any]], Written, list[CosimError]]:
    """Axes and listed points with their values as the settings hold them and as the file has them, and what is wrong
    with names and values; what is wrong by itself is not among the values.

    table: of the file, whether or not its other keys are right: all that is wrong is told at once.
    """
    problems: list[CosimError] = []
    written: Written = {}
    axes: list[Axis] = []
    points: list[dict[str, Any]] = []
    if not isinstance(table, Mapping):
        return (), points, written, problems
    method, flat = table.get("method"), _flattened(table)
    listed, over, objectives = flat.get("points"), flat.get("over"), flat.get("objectives")
    if method == "list" and isinstance(listed, list):
        stated = [(number, point) for number, point in enumerate(listed) if isinstance(point, Mapping)]
        first = set(stated[0][1]) if stated else set()
        known: dict[tuple[str, str], tuple[Any, list[CosimError]]] = {}
        for number, point in stated:
            if set(point) != first:
                problems.append(
                    CosimError(
                        "this point gives other settings than the first one",
                        key=f"sweep.points.{number}",
                        value=sorted(point),
                        allowed=sorted(first),
                    )
                )
            values = {}
            for name, raw in point.items():
                if faults := name_faults(name, f"sweep.points.{number}.{name}"):
                    problems += faults
                    continue
                mark = (name, repr(raw))
                if mark not in known:
                    known[mark] = value_of(name, raw, f"sweep.points.{number}.{name}")
                    problems += known[mark][1]
                value, faults = known[mark]
                if not faults:
                    values[name] = value
                    written[name, repr(value)] = raw
            points.append(values)
    elif method not in ("list", "ladder"):
        if method == "pareto" and isinstance(objectives, Mapping):
            problems += [
                CosimError(f"results have no such figure.{did_you_mean(name, ABOUT)}",
                           key=f"sweep.objectives.{name}", allowed=list(ABOUT))
                for name in objectives if name not in ABOUT
            ]  # fmt: skip
        for name, raw in over.items() if isinstance(over, Mapping) else ():
            axis, faults = _axis(name, raw, written, ranges=method != "grid")
            problems += faults
            if axis is not None:
                axes.append(axis)
    return tuple(axes), points, written, problems


def count_faults(sweep: Sweep | None, axes: tuple[Axis, ...]) -> list[CosimError]:
    """What is wrong with the number of points."""
    problems = []
    points, key = 0, "sweep"
    match sweep:
        case GridSweep():
            points, key = math.prod(len(axis.values) for axis in axes), "sweep.over"
        case SobolSweep():
            problems += _caught(lambda: check_samples(sweep.samples))
            points = sweep.samples * ((2 if sweep.second_order else 1) * len(sweep.over) + 2)
            key = "sweep.samples"
        case ParetoSweep():
            points, key = sweep.population * sweep.generations, "sweep.generations"
        case LadderSweep():
            names = sweep.nonidealities
            twice = [name for place, name in enumerate(names) if name in names[:place]]
            if twice:
                problems.append(CosimError("this name is given twice", key="sweep.nonidealities", value=twice[0]))
    if points > MOST_POINTS:
        problems.append(
            CosimError("too many points", key=key, value=f"{points} points", allowed=f"at most {MOST_POINTS} points")
        )
    return problems


def _caught(check: Callable[[], None]) -> list[CosimError]:
    try:
        check()
    except CosimError as error:
        return [error]
    return []


def name_faults(dotted: str, key: str) -> list[CosimError]:
    try:
        find_name(dotted)
    except CosimError as error:
        return [CosimError(error.message, key=key, allowed=error.allowed)]
    return []


def value_of(dotted: str, raw: Any, key: str) -> tuple[Any, list[CosimError]]:
    value, problems = checked_value(find_name(dotted), raw)
    return value, [CosimError(each.message, key=key, value=each.value, allowed=each.allowed) for each in problems]


def _axis(dotted: str, raw: Any, written: Written, *, ranges: bool) -> tuple[Axis | None, list[CosimError]]:
    key = f"sweep.over.{dotted}"
    if faults := name_faults(dotted, key):
        return None, faults
    if isinstance(raw, Mapping) and ranges:
        return _range(dotted, raw, key, written)
    if not isinstance(raw, list) or not raw:
        allowed = "a list of values" + (", or {low = ..., high = ...}" if ranges else "")
        return None, [CosimError("not a list of values", key=key, value=raw, allowed=allowed)]
    values: list[Any] = []
    problems: list[CosimError] = []
    seen: set[str] = set()
    twice: list[Any] = []
    for each in raw:
        value, faults = value_of(dotted, each, key)
        if not faults:
            values.append(value)
            written[dotted, repr(value)] = each
        if repr(value) in seen:
            twice.append(each)
        seen.add(repr(value))
        if faults and not any(fault.message == known.message and fault.value == known.value
                              for fault in faults for known in problems):  # fmt: skip
            problems += faults
    if twice and not problems:
        problems.append(CosimError("this value is given twice", key=key, value=twice[0]))
    return Axis(dotted, tuple(values)) if values else None, problems


def _range(dotted: str, raw: Mapping[str, Any], key: str, written: Written) -> tuple[Axis | None, list[CosimError]]:
    found, problems = examined(Range, raw)
    for each in problems:
        each.key = f"{key}.{each.key}"
    if found is None:
        return None, problems
    low, faults = value_of(dotted, found.low, f"{key}.low")
    high, more = value_of(dotted, found.high, f"{key}.high")
    if isinstance(low, bool) or not isinstance(low, int | float) or not isinstance(high, int | float):
        return None, faults + more or [CosimError("this setting has no range; give a list", key=key)]
    problems = faults + more
    if not problems and not low < high:
        problems.append(CosimError("not a range: low must be below high", key=key, value=[found.low, found.high]))
    if not problems and found.scale == "log" and low <= 0:
        problems.append(CosimError("a logarithmic range begins above zero", key=f"{key}.low", value=found.low))
    if problems:
        return None, problems
    written |= {(dotted, repr(low)): found.low, (dotted, repr(high)): found.high}
    whole = isinstance(low, int) and isinstance(high, int)
    return Axis(dotted, (), float(low), float(high), found.scale == "log", whole), []


def design_of(sweep: Sweep, axes: tuple[Axis, ...], points: list[dict[str, Any]], seed: int) -> Design | None:
    match sweep:
        case GridSweep():
            return grid(axes)
        case ListSweep():
            names = tuple(points[0])
            return Design(names, [tuple(point[name] for name in names) for point in points])
        case LatinHypercubeSweep():
            return latin_hypercube(axes, sweep.samples, seed)
        case SobolSweep():
            return sobol(axes, sweep.samples, sweep.second_order, seed)
        case LadderSweep():
            return ladder(sweep.nonidealities)
        case ParetoSweep():
            return None
