"""Two settings on the same chips and test samples: their difference, and how sure it is.

Chips, reads and samples of all points of a study are the same draws, so what they have in common falls out of the
difference, and 0.2 points can be told from noise where each of the two is only known to a point.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cosim.errors import CosimError
from cosim.studies.scores import Estimate
from cosim.studies.sensitivity import paired_scores
from cosim.studies.settings import checked_value, find_name, plain_value
from cosim.studies.store import StudyFolder


@dataclass(frozen=True)
class Difference:
    """Score of A minus score of B.

    Attributes
    ----------
    a, b: places of the two points in the study.
    shared: settings that both have.
    difference: with its 95 % interval, paired by chip and sample.
    """

    a: int
    b: int
    shared: Mapping[str, Any]
    score_a: float
    score_b: float
    difference: Estimate


def chosen(points: Sequence[Mapping[str, Any]], selector: str, labels: Sequence[str] = ()) -> list[int]:
    """Places of the points of a selector: "tile.adc.bits=4, device.read_noise=1 %", "#3", or a ladder's label.

    Raises CosimError for a setting that the study does not sweep, and for a value that no point has.
    """
    text = selector.strip()
    if re.fullmatch(r"#\d+", text):
        place = int(text[1:])
        if place >= len(points):
            raise CosimError("there is no such point", value=selector, allowed=f"#0 to #{len(points) - 1}")
        return [place]
    if text in labels:
        return [place for place, label in enumerate(labels) if label == text]
    wanted: dict[str, Any] = {}
    for part in text.split(","):
        name, equals, raw = (each.strip() for each in part.partition("="))
        if not equals:
            raise CosimError(
                "points are named by their settings", value=selector,
                allowed=list(labels) or "name=value, name=value; or #NUMBER",
            )  # fmt: skip
        if points and name not in points[0]:
            raise CosimError("the study does not sweep this", key=name, allowed=list(points[0]))
        wanted[name] = _value(name, raw, points)
    found = [place for place, point in enumerate(points) if all(_same(point[key], wanted[key]) for key in wanted)]
    if not found:
        name = next(
            (key for key in wanted if not any(_same(point[key], wanted[key]) for point in points)), next(iter(wanted))
        )
        there = list(dict.fromkeys(str(plain_value(point[name])) for point in points))
        raise CosimError("no point has this", key=name, value=selector, allowed=there[:20])
    return found


def _value(name: str, raw: str, points: Sequence[Mapping[str, Any]]) -> Any:
    """A value as it is written on a command line, in the form of the points' own."""
    for kind in (int, float):
        try:
            number = kind(raw)
        except ValueError:
            continue
        if any(_same(point[name], number) for point in points):
            return number
    if raw in ("on", "off", "true", "false"):
        return raw in ("on", "true")
    value, problems = checked_value(find_name(name), raw)
    if problems:
        raise CosimError(problems[0].message, key=name, value=raw, allowed=problems[0].allowed)
    return value


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, bool) != isinstance(other, bool):
        return False
    if isinstance(one, float) or isinstance(other, float):
        return isinstance(one, int | float) and isinstance(other, int | float) and abs(one - other) <= 1e-9 * abs(one)
    return bool(one == other)


def pairs(points: Sequence[Mapping[str, Any]], a: Sequence[int], b: Sequence[int]) -> list[tuple[int, int]]:
    """Which points of A and of B belong together: those that differ in nothing that both leave open.

    Raises CosimError where a point has no partner, or more than one.
    """
    if len(a) == len(b) == 1:
        return [(a[0], b[0])]
    free = [
        name
        for name in points[0]
        if any(not _same(points[a[0]][name], points[each][name]) for each in a)
        or any(not _same(points[b[0]][name], points[each][name]) for each in b)
    ]
    found = []
    for place in a:
        partners = [other for other in b if all(_same(points[place][name], points[other][name]) for name in free)]
        if len(partners) != 1:
            raise CosimError(
                f"point #{place} of A has {len(partners)} partners in B; name more settings", allowed=list(points[0])
            )
        found.append((place, partners[0]))
    return found


def compare(
    folder: StudyFolder, points: Sequence[Mapping[str, Any]], keys: Sequence[str], places: tuple[int, int]
) -> Difference:
    """The difference of two points; CosimError where one is not finished or failed, and of two networks."""
    networks = [points[place].get("network.name") for place in places]
    if networks[0] != networks[1]:
        raise CosimError(
            "two networks have test samples of their own: nothing can be paired", key="network.name", value=networks
        )
    outcomes = [folder.outcome(keys[place]) for place in places]
    a, b = (paired_scores(each) for each in outcomes)
    shared = {name: value for name, value in points[places[0]].items() if _same(value, points[places[1]][name])}
    return Difference(*places, shared, a.mean, b.mean, a.minus(b))
