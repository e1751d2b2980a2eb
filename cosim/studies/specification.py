"""A study's file: read, and checked whole before anything runs.

    schema = "cosim.study/1"
    title = "Bits and read noise of the digits LSTM"
    seed = 1
    chips = 10
    noise_samples = 1
    test_samples = 200

    [network]
    name = "digits_lstm"

    [tile]                       # and [tile.adc], [tile.crossbar], [device], [models], [nonidealities], [fidelity],
    dac_bits = 5                 # [functions]: what all points share, see `settings`

    [sweep]                      # see `sweep`
    method = "grid"

Every fault is told in one message, each with its line, key, value, what is allowed, and the nearest valid key.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from cosim.blocks.ramp_adc.config import RampAdcConfig
from cosim.errors import CosimError, did_you_mean
from cosim.provenance import canonical_json, sha256_of_json
from cosim.studies.figures import ABOUT
from cosim.studies.point_hardware import device_of, ramp_adc_of
from cosim.studies.sensitivity import check_samples
from cosim.studies.settings import (
    ELSEWHERE,
    TABLES,
    Settings,
    checked_value,
    find_name,
    known_names,
    located,
    plain_value,
    settings_of,
    value_in_words,
    with_values,
)
from cosim.studies.sources import Counts
from cosim.studies.subjects import check_subject
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
from cosim.studies.toml_lines import key_lines, line_of
from cosim.tiles.config import TileConfig
from cosim.validation import examined, is_number, read_toml

SCHEMA = "cosim.study/1"
MOST_SHOWN = 50  # faults of one file


class StudyFile(Settings):
    """The tables of a study's file but for `sweep`."""

    schema_: Literal["cosim.study/1"] = Field(alias="schema")
    title: str = Field("", description="what the study asks, in words")
    seed: int = Field(1, ge=0, le=2**63 - 1, description="of chips, reads and the drawing of test samples")
    chips: int = Field(10, ge=1, le=100_000, description="drawn a point; the same in all points")
    noise_samples: int = Field(1, ge=1, le=10_000, description="reads of all test samples on each chip")
    test_samples: int | None = Field(
        None, ge=1, description="of the official test part, drawn by the seed; default: all"
    )


@dataclass(frozen=True)
class Specification:
    """A checked study.

    Attributes
    ----------
    path: its file. text: what stands there.
    content: tables that all points share, as in the file.
    counts: chips, noise samples, test samples, seed.
    sweep: as in the file, without its values checked. axes: with them.
    design: the points; of a Pareto search, None.
    """

    path: Path
    text: str
    title: str
    content: Mapping[str, Any]
    counts: Counts
    sweep: Sweep
    axes: tuple[Axis, ...]
    design: Design | None

    @property
    def folder(self) -> Path:
        """Of the study's file, where the files that it names are looked for first."""
        return self.path.resolve().parent

    @property
    def sha256(self) -> str:
        """Over all that the results depend on, but for the files it names: not over comments and title."""
        return sha256_of_json(self._stated(with_sweep=True))

    def base_hash(self) -> str:
        """The same without the sweep: points of two studies that differ in no more are the same points."""
        return sha256_of_json(self._stated(with_sweep=False))

    def _stated(self, *, with_sweep: bool) -> dict[str, Any]:
        counts = vars(self.counts)
        stated = {"schema": SCHEMA, "content": self.content, "counts": counts}
        return stated | {"sweep": self.sweep.model_dump()} if with_sweep else stated

    def settings(self, values: Mapping[str, Any] | None = None) -> Settings:
        """The settings of a point."""
        return settings_of(self.content, values or {}, self.folder)

    def written(self, values: Mapping[str, Any] | None = None) -> Settings:
        """The same with paths as the file has them."""
        return settings_of(self.content, values or {})


def load_specification(path: str | Path) -> Specification:
    """A study's file, checked whole; one CosimError that lists every fault."""
    path = Path(path)
    read_toml(path)  # a file that is no TOML is told by its own message, with its line
    text = path.read_text(encoding="utf-8")
    return parse_specification(text, path)


def parse_specification(text: str, path: Path, *, look_at_files: bool = True) -> Specification:
    """The same from a text; `path` for messages and for the files that it names.

    look_at_files: False reads a study that was checked when it began, wherever its files are now.
    """
    import tomllib

    content = tomllib.loads(text)
    problems: list[CosimError] = []
    sweep_table = content.pop("sweep", {"method": "grid"})
    checked, faults = examined(StudyFile, content)
    problems += faults
    problems += _elsewhere(content)
    problems += _parameters(content)
    tables = {key: content[key] for key in content if key in TABLES}
    for each in problems:
        if isinstance(each.allowed, list) and each.key:  # keys beside an unknown one: those that can be set
            table = each.key.rpartition(".")[0]
            each.allowed = [name for name in each.allowed if f"{table}.{name}" not in ELSEWHERE]
    sweep, faults = _sweep_of(sweep_table)
    problems += faults
    axes, points, written, faults = _swept(sweep_table)
    problems += faults
    problems += _counted(sweep, axes)
    sound = _without(tables, [each.key for each in problems if each.key])
    if look_at_files:
        problems += _meaning(sound, axes, points, written, path)
    for each in problems:
        each.value = _as_written(content, each)
    if problems:
        raise _told(problems, text, path)
    assert checked is not None and sweep is not None
    counts = Counts(checked.chips, checked.noise_samples, checked.test_samples, checked.seed)
    design = _design(sweep, axes, points, counts.seed)
    made = Specification(path, text, checked.title, tables, counts, sweep, axes, design)
    if design is not None and look_at_files and (faults := list(_combinations(made, design))):
        raise _told(faults, text, path)
    return made


# ---- the sweep -------------------------------------------------------------------------------------------------------


def _sweep_of(table: Any) -> tuple[Sweep | None, list[CosimError]]:
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


def _swept(table: Any) -> tuple[tuple[Axis, ...], list[dict[str, Any]], Written, list[CosimError]]:
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
                if faults := _unknown(name, f"sweep.points.{number}.{name}"):
                    problems += faults
                    continue
                mark = (name, repr(raw))
                if mark not in known:
                    known[mark] = _value(name, raw, f"sweep.points.{number}.{name}")
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


def _counted(sweep: Sweep | None, axes: tuple[Axis, ...]) -> list[CosimError]:
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


def _unknown(dotted: str, key: str) -> list[CosimError]:
    try:
        find_name(dotted)
    except CosimError as error:
        return [CosimError(error.message, key=key, allowed=error.allowed)]
    return []


def _value(dotted: str, raw: Any, key: str) -> tuple[Any, list[CosimError]]:
    value, problems = checked_value(find_name(dotted), raw)
    return value, [CosimError(each.message, key=key, value=each.value, allowed=each.allowed) for each in problems]


def _axis(dotted: str, raw: Any, written: Written, *, ranges: bool) -> tuple[Axis | None, list[CosimError]]:
    key = f"sweep.over.{dotted}"
    if faults := _unknown(dotted, key):
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
        value, faults = _value(dotted, each, key)
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
    low, faults = _value(dotted, found.low, f"{key}.low")
    high, more = _value(dotted, found.high, f"{key}.high")
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


def _design(sweep: Sweep, axes: tuple[Axis, ...], points: list[dict[str, Any]], seed: int) -> Design | None:
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


# ---- what names and values mean --------------------------------------------------------------------------------------


def _elsewhere(content: Mapping[str, Any]) -> Iterator[CosimError]:
    """Settings of the file that follow from others."""
    for dotted, what in ELSEWHERE.items():
        table: Any = content
        for key in dotted.split("."):
            table = table.get(key) if isinstance(table, Mapping) else None
        if table is not None:
            yield CosimError(f"this follows from {what}; set that", key=dotted, value=table)


def _parameters(content: Mapping[str, Any]) -> Iterator[CosimError]:
    """What is wrong with the values of models' parameters that all points share, each by itself."""
    models = content.get("models")
    for block, model in models.items() if isinstance(models, Mapping) else ():
        stated = model.get("parameters") if isinstance(model, Mapping) else None
        for name, raw in stated.items() if isinstance(stated, Mapping) else ():
            dotted = f"models.{block}.parameters.{name}"
            if not _unknown(dotted, dotted):
                yield from _value(dotted, raw, dotted)[1]


def _as_written(content: Mapping[str, Any], fault: CosimError) -> Any:
    """The value of a fault, in the words of the file where the fault knows it in SI units."""
    table: Any = content
    for key in (fault.key or "").split("."):
        table = table.get(key) if isinstance(table, Mapping) else None
    return table if isinstance(table, str) and is_number(fault.value) else fault.value


def _without(tables: Mapping[str, Any], keys: Iterable[str]) -> dict[str, Any]:
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


def _meaning(
    tables: Mapping[str, Any], axes: Iterable[Axis], points: Iterable[Mapping[str, Any]], written: Written, path: Path
) -> list[CosimError]:
    """What is wrong with the names of networks, layers, devices, functions and files, of the file and of the sweep."""
    folder = path.resolve().parent
    problems = list(_meaning_of(tables, {}, folder))
    told = {str(each) for each in problems}
    swept: dict[str, dict[str, tuple[Any, str]]] = {}  # name -> value in words -> value, key
    for axis in axes:
        swept[axis.name] = {repr(value): (value, f"sweep.over.{axis.name}") for value in _ends(axis)}
    for number, point in enumerate(points):
        for name, value in point.items():
            swept.setdefault(name, {}).setdefault(repr(value), (value, f"sweep.points.{number}.{name}"))
    for name, values in swept.items():
        if not name.startswith(_MEANS_FILES):
            continue
        for value, key in _some_of(list(values.values())):
            for each in _meaning_of(tables, {name: value}, folder):
                if str(each) not in told:
                    told.add(str(each))
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


def _combinations(made: Specification, design: Design) -> Iterator[CosimError]:
    """Rules between settings, in all points: each combination of settings that a rule is about is looked at once."""
    base = made.content.get("tile", {})
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
                    has_unit = is_number(each.value) and not _unknown(key, key) and find_name(key).unit
                    value = value_in_words(key, each.value) if has_unit else each.value
                    yield CosimError(
                        f"in {count} points ({said}): {each.message}", key=key, value=value, allowed=each.allowed
                    )


# ---- one message -----------------------------------------------------------------------------------------------------


def _told(problems: list[CosimError], text: str, path: Path) -> CosimError:
    """All faults in one error, each on a line of its own with the line of the file, in the order of the file."""
    lines = key_lines(text)
    told: list[tuple[int, str]] = []
    for each in problems:
        key = each.key
        place = None
        if key is not None:
            # A swept setting whose fault was found among the tables, or a rule that knows its own table alone.
            ends = [name for name in lines if name.endswith(f".{key}")]
            place = next((lines[name] for name in (key, f"sweep.over.{key}", *ends) if name in lines), None)
            key = ends[0] if key not in lines and len(ends) == 1 else key
            place = place or line_of(lines, key)
        other = None if each.file in (None, str(path)) else each.file
        shown = CosimError(each.message, file=other, key=key, value=each.value, allowed=each.allowed)
        told.append((place or 0, f"line {place}: {shown}" if place else str(shown)))
    unique = list(dict.fromkeys(sorted(told)))
    shown_lines = [line for _, line in unique[:MOST_SHOWN]]
    if len(unique) > MOST_SHOWN:
        shown_lines.append(f"and {len(unique) - MOST_SHOWN} more")
    if len(unique) == 1:
        only = problems[0]
        found = CosimError(unique[0][1], file=path)
        found.key, found.value, found.allowed = only.key, only.value, only.allowed
        return found
    return CosimError(f"{len(unique)} faults:" + "".join(f"\n  {line}" for line in shown_lines), file=path)


def extended(specification: Specification, values: Mapping[str, Any]) -> Specification:
    """The study with other shared settings, e.g. for a trial."""
    return replace(specification, content=with_values(specification.content, values))


def point_key(base_hash: str, values: Mapping[str, Any]) -> str:
    """Name of a point's result: sha256 over the study's shared part and the point's own values."""
    plain_values = {name: plain_value(value) for name, value in values.items()}
    return sha256_of_json({"base": base_hash, "values": plain_values})


__all__ = [
    "SCHEMA",
    "Specification",
    "canonical_json",
    "extended",
    "known_names",
    "load_specification",
    "parse_specification",
    "point_key",
]
