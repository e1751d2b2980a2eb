"""What the settings of a study mean: whether networks, layers, devices, models and files are there and fit each other.

Looked at before anything runs, for the settings that all points share and for the values that are swept.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from cosim.blocks.ramp_adc.config import RampAdcConfig
from cosim.errors import CosimError
from cosim.studies.point_hardware import device_of, ramp_adc_of
from cosim.studies.settings import (
    ELSEWHERE,
    TABLES,
    Settings,
    find_name,
    located,
    plain_value,
    value_in_words,
    with_values,
)
from cosim.studies.subjects import check_subject
from cosim.studies.sweep import Axis, Design
from cosim.studies.sweep_reading import Written, name_faults, value_of
from cosim.tiles.config import TileConfig
from cosim.validation import examined, is_number


def derived_settings(content: Mapping[str, Any]) -> Iterator[CosimError]:
    """Settings of the file that follow from others."""
    for dotted, what in ELSEWHERE.items():
        table: Any = content
        for key in dotted.split("."):
            table = table.get(key) if isinstance(table, Mapping) else None
        if table is not None:
            yield CosimError(f"this follows from {what}; set that", key=dotted, value=table)


def parameter_faults(content: Mapping[str, Any]) -> Iterator[CosimError]:
    """What is wrong with the values of models' parameters that all points share, each by itself."""
    models = content.get("models")
    for block, model in models.items() if isinstance(models, Mapping) else ():
        stated = model.get("parameters") if isinstance(model, Mapping) else None
        for name, raw in stated.items() if isinstance(stated, Mapping) else ():
            dotted = f"models.{block}.parameters.{name}"
            if not name_faults(dotted, dotted):
                yield from value_of(dotted, raw, dotted)[1]


def without(tables: Mapping[str, Any], keys: Iterable[str]) -> dict[str, Any]:
    """The tables without what is wrong in them, so that the rest can still be looked at."""
    kept: dict[str, Any] = {
        name: dict(table) if isinstance(table, Mapping) else table for name, table in tables.items()
    }
    for key in keys:
        *path, last = key.split(".")
        table: Any = kept
        for name in path:
            inner = table.get(name)
            if not isinstance(inner, Mapping):
                break
            table[name] = dict(inner)
            table = table[name]
        else:
            table.pop(last, None)
    return kept


_MEANS_FILES = ("network.", "device.", "models.", "fidelity.", "functions.", "mapping.", "scaling.", "tile.")
"""Settings of which more than their own range is checked: names of things, and what a model was fitted to."""


def meaning_faults(
    tables: Mapping[str, Any], axes: Iterable[Axis], points: Iterable[Mapping[str, Any]], written: Written, path: Path
) -> list[CosimError]:
    """What is wrong with the names of networks, layers, devices, functions and files, of the file and of the sweep."""
    folder = path.resolve().parent
    problems = list(_meaning_of(tables, {}, folder))
    known = {str(each) for each in problems}
    looked_at: dict[str, dict[str, tuple[Any, str]]] = {}  # name -> value in words -> value, key
    for axis in axes:
        looked_at[axis.name] = {repr(value): (value, f"sweep.over.{axis.name}") for value in _ends(axis)}
    for number, point in enumerate(points):
        for name, value in point.items():
            looked_at.setdefault(name, {}).setdefault(repr(value), (value, f"sweep.points.{number}.{name}"))
    for name, values in looked_at.items():
        if not name.startswith(_MEANS_FILES):
            continue
        for value, key in _some_of(list(values.values())):
            for each in _meaning_of(tables, {name: value}, folder):
                if str(each) not in known:
                    known.add(str(each))
                    shown = written.get((name, repr(value)), plain_value(value))
                    problems.append(
                        CosimError(each.message, file=each.file, key=key, value=shown, allowed=each.allowed)
                    )
    return problems


MOST_LOOKED_AT = 16  # of a setting's numbers


def _some_of(values: list[tuple[Any, str]]) -> list[tuple[Any, str]]:
    """All names, but of many numbers some, from the least to the largest: what a circuit can be has no gaps."""
    numbers = sorted((value, key) for value, key in values if isinstance(value, int | float))
    names = [(value, key) for value, key in values if not isinstance(value, int | float)]
    if len(numbers) <= MOST_LOOKED_AT:
        return values
    places = {round(step * (len(numbers) - 1) / (MOST_LOOKED_AT - 1)) for step in range(MOST_LOOKED_AT)}
    return names + [numbers[place] for place in sorted(places)]


def _ends(axis: Axis) -> list[Any]:
    if axis.values:
        return list(axis.values)
    return [int(axis.low), int(axis.high)] if axis.whole else [axis.low, axis.high]


def _meaning_of(tables: Mapping[str, Any], values: Mapping[str, Any], folder: Path) -> Iterator[CosimError]:
    settings, _ = examined(Settings, with_values(tables, values), from_code=TABLES)
    if settings is None:  # values that are wrong by themselves have been told
        return
    settings = located(settings, folder)
    for check in (device_of, ramp_adc_of, check_subject):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of domains: told with the results
                check(settings)
        except CosimError as error:
            yield error


_RULES = (
    ("tile.adc.", RampAdcConfig, ("process", "bits", "t_clock", "t_pulse", "x_range")),
    ("tile.", TileConfig, ("inputs", "outputs", "signs", "weight_bits", "law", "crossbar.memristor")),
)
"""Tables with rules between their settings, and the settings that these are about."""


def combination_faults(content: Mapping[str, Any], design: Design) -> Iterator[CosimError]:
    """Rules between settings, in all points: each combination of settings that a rule is about is looked at once."""
    base = content.get("tile", {})
    for prefix, model, about in _RULES:
        columns = [place for place, name in enumerate(design.names) if name in {f"{prefix}{each}" for each in about}]
        if not columns:
            continue
        table = base.get("adc", {}) if model is RampAdcConfig else {key: base[key] for key in base if key != "adc"}
        seen: dict[tuple[Any, ...], int] = {}
        for point in design.points:
            chosen = tuple(point[place] for place in columns)
            seen[chosen] = seen.get(chosen, 0) + 1
        for chosen, count in seen.items():
            values = {
                design.names[place].removeprefix(prefix): value for place, value in zip(columns, chosen, strict=True)
            }
            nested = dict(table)
            for name, value in values.items():
                first, _, rest = name.partition(".")
                nested[first] = {**nested.get(first, {}), rest: value} if rest else value
            found, problems = examined(model, nested, from_code=nested)
            if found is None:
                for each in problems:
                    said = ", ".join(
                        f"{prefix}{name} = {value_in_words(prefix + name, value)}" for name, value in values.items()
                    )
                    key = f"{prefix}{each.key}" if each.key else prefix.rstrip(".")
                    has_unit = is_number(each.value) and not name_faults(key, key) and find_name(key).unit
                    value = value_in_words(key, each.value) if has_unit else each.value
                    yield CosimError(
                        f"in {count} points ({said}): {each.message}", key=key, value=value, allowed=each.allowed
                    )
