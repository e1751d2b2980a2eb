"""A study's results in the form that its page and plots take: settings that were swept, and a row for each point."""

from __future__ import annotations

import json
import math
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np
import xarray as xr

from cosim.errors import CosimError
from cosim.reports.numbers import NBSP, fixed, percent, prefixed_unit, significant

METRICS = ("accuracy", "bits_per_symbol")
DONE, FAILED, NOT_FINITE, MISSING = "done", "failed", "not finite", "not finished"
STATUS = (DONE, FAILED, NOT_FINITE, MISSING)
SOURCES = {
    "error_chip": "chips",
    "error_read": "noise of reads",
    "error_sample": "test samples",
}
"""Figure -> what that part of the standard error comes from."""

RUNGS = {
    "none": "none",
    "all": "all together",
    "dac_error": "DAC error",
    "ir_drop": "IR drop",
    "adc_noise": "ADC noise",
    "cell_nonlinearity": "cell non-linearity",
}
"""Points of a ladder whose names are not their words."""


@dataclass(frozen=True)
class Setting:
    """A setting that was swept.

    Attributes
    ----------
    name: dotted. unit: SI unit; "" where it is no quantity.
    values: those that occur, numbers in ascending order.
    """

    name: str
    unit: str
    values: tuple[Any, ...]

    @property
    def numeric(self) -> bool:
        return all(isinstance(each, int | float) and not isinstance(each, bool) for each in self.values)

    def words(self, value: Any) -> str:
        """A value for people, with its unit."""
        if isinstance(value, bool):
            return "on" if value else "off"
        if value is None or value == "":
            return "default"
        if isinstance(value, int | float) and self.unit == "s" and value >= 100:
            return _long_time(value)
        if isinstance(value, float) and self.unit:
            factor, unit = prefixed_unit(value, self.unit)
            return f"{value / factor:.4g}{NBSP}{unit}".rstrip().replace("-", "−")
        return significant(value, 5) if isinstance(value, float) else str(value)


@dataclass(frozen=True)
class Score:
    """How a metric is written: of an accuracy percent and points, of bits per symbol bits."""

    metric: Literal["accuracy", "bits_per_symbol"]

    @property
    def name(self) -> str:
        return "accuracy" if self.metric == "accuracy" else "bits per symbol"

    @property
    def unit(self) -> str:
        return "%" if self.metric == "accuracy" else "bit"

    @property
    def difference_unit(self) -> str:
        return "points" if self.metric == "accuracy" else "bit"

    @property
    def factor(self) -> float:
        """From the results' unit to the one that is shown."""
        return 100.0 if self.metric == "accuracy" else 1.0

    @property
    def best(self) -> str:
        return "most accurate" if self.metric == "accuracy" else "best"

    @property
    def worse(self) -> str:
        """What becomes of it when it gets worse."""
        return "lost" if self.metric == "accuracy" else "added"

    def better(self, one: float, other: float) -> bool:
        return one > other if self.metric == "accuracy" else one < other

    def text(self, value: float) -> str:
        """With its unit."""
        return percent(value, 2) if self.metric == "accuracy" else f"{fixed(value, 3)}{NBSP}bit"

    def range(self, low: float, high: float) -> str:
        """An interval with its unit."""
        if not (math.isfinite(low) and math.isfinite(high)):
            return "–"
        digits = 2 if self.metric == "accuracy" else 3
        return f"{fixed(self.factor * low, digits)} to {fixed(self.factor * high, digits)}{NBSP}{self.unit}"

    def error(self, value: float) -> str:
        """A standard error or deviation, without its unit."""
        return fixed(self.factor * value, 3 if self.metric == "accuracy" else 4)

    def difference(self, value: float) -> str:
        """With sign, without unit."""
        text = fixed(self.factor * value, 2 if self.metric == "accuracy" else 3)
        return f"+{text}" if value > 0 and any(each in "123456789" for each in text) else text


@dataclass(frozen=True)
class Row:
    """A point: its settings, what came of it.

    Attributes
    ----------
    number: its place in the study, from 0.
    label: of a ladder's point; else "".
    figures: name -> number, NaN where it is none; "score", "low", "high", "chip_spread", `SOURCES`, "loss", measures.
    """

    number: int
    label: str
    values: Mapping[str, Any]
    figures: Mapping[str, float]
    status: str

    @property
    def score(self) -> float:
        return self.figures.get("score", math.nan)

    @property
    def interval(self) -> tuple[float, float]:
        return self.figures.get("low", math.nan), self.figures.get("high", math.nan)

    @property
    def model_form(self) -> tuple[float, float, float]:
        """Score with the model-form error less without, and its interval."""
        value, low, high = (self.figures.get(f"error_model{end}", math.nan) for end in ("", "_low", "_high"))
        return value, low, high


@dataclass(frozen=True)
class StudyData:
    """What `results.nc` of a study holds.

    Attributes
    ----------
    method: of the sweep: "grid", "list", "latin hypercube", "sobol", "ladder", "pareto".
    settings: those that take more than one value. rows: all points, also those without a result.
    figures: name of a measure -> (unit, meaning).
    counts: "chips", "noise_samples", "test_samples", "seed". sources: what and which -> sha256.
    text: of the study's file. content: the same, parsed. about: the data set's other attributes.
    """

    title: str
    method: str
    score: Score
    settings: tuple[Setting, ...]
    rows: tuple[Row, ...]
    figures: Mapping[str, tuple[str, str]]
    counts: Mapping[str, Any]
    sources: Mapping[str, str]
    text: str
    content: Mapping[str, Any]
    about: Mapping[str, str] = field(default_factory=dict)

    @property
    def network(self) -> str:
        """Name of the network, or of the first one where it is swept."""
        stated = self.content.get("network", {}).get("name", "digits_lstm")
        return str(self.rows[0].values.get("network.name", stated) if self.rows else stated)

    @cached_property
    def scored(self) -> list[Row]:
        """Points with a score."""
        return [row for row in self.rows if math.isfinite(row.score)]

    @cached_property
    def best(self) -> Row | None:
        return self._extreme(best=True)

    @cached_property
    def worst(self) -> Row | None:
        return self._extreme(best=False)

    @property
    def is_grid(self) -> bool:
        """Whether the points are all combinations of the settings' values, each once."""
        count = math.prod(len(each.values) for each in self.settings)
        return self.method == "grid" and count == len(self.rows)

    def short(self, row: Row) -> str:
        """The same, by its number where it would be long."""
        return self.called(row) if row.label or len(self.settings) <= 3 else f"point {row.number}"

    def setting(self, name: str) -> Setting:
        return next(each for each in self.settings if each.name == name)

    def called(self, row: Row) -> str:
        """A point by what tells it from the others."""
        if row.label:
            return RUNGS.get(row.label, row.label.replace("_", " "))
        if not self.settings:
            return "the one setting"
        return ", ".join(f"{each.name} = {each.words(row.values[each.name])}" for each in self.settings)

    def _extreme(self, *, best: bool) -> Row | None:
        found = None
        for row in self.scored:
            if found is None or (self.score.better(row.score, found.score) == best and row.score != found.score):
                found = row
        return found


def study_data(results: xr.Dataset) -> StudyData:
    """A study's data set in that form; CosimError where it is none."""
    metric = next((each for each in METRICS if each in results), None)
    if metric is None:
        # No point is finished, or all failed: nothing tells the metric.
        metric = "accuracy"
    if "study" not in results.attrs:
        raise CosimError("these are no results of a study", key="study")
    text = str(results.attrs["study"])
    content = tomllib.loads(text)
    names = [name for name in results.coords if name not in ("label", "chip", "point", "trial")]
    grid = "point" not in results.dims
    order = [str(each) for each in results.dims if each != "chip"] if grid else ["point"]
    flat = results.drop_dims("chip", errors="ignore") if "chip" in results.dims else results
    sizes = [results.sizes[each] for each in order]
    columns = {str(name): _column(results[name]) for name in names}
    figures = {str(name): np.asarray(flat[name].transpose(*order).values).reshape(-1) for name in flat.data_vars}
    status = figures.pop("status")
    labels = [str(each) for each in results["label"].values] if "label" in results.coords else []
    rows = []
    for number in range(math.prod(sizes)):
        place = np.unravel_index(number, sizes) if sizes else ()
        at = dict(zip(order, place, strict=True)) if grid else dict.fromkeys(columns, number)
        values = {name: column[at[name]] for name, column in columns.items()}
        found = {("score" if name == metric else name): float(each[number]) for name, each in figures.items()}
        rows.append(Row(number, labels[number] if labels else "", values, found, STATUS[int(status[number])]))
    settings = tuple(
        Setting(name, str(results[name].attrs.get("units", "")), _distinct(column)) for name, column in columns.items()
    )
    if not grid:
        settings = tuple(each for each in settings if len(each.values) > 1)
    sweep = content.get("sweep", {})
    return StudyData(
        title=str(content.get("title") or "Study"),
        method=str(sweep.get("method", "grid")),
        score=Score(metric),  # type: ignore[arg-type]
        settings=settings,
        rows=tuple(rows),
        figures={
            name: (str(flat[name].attrs.get("units", "")), str(flat[name].attrs.get("long_name", name)))
            for name in figures
            if name != metric
        },
        counts=json.loads(str(results.attrs.get("counts", "{}"))),
        sources=json.loads(str(results.attrs.get("sources", "{}"))),
        text=text,
        content=content,
        about={str(name): str(value) for name, value in results.attrs.items() if name not in ("study", "sources")},
    )


def shared_settings(content: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Dotted name -> value of what a study's file gives for all points."""
    for key, value in content.items():
        if key not in ("schema", "title", "seed", "chips", "noise_samples", "test_samples", "sweep"):
            yield from _flat(key, value)


def _flat(prefix: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _flat(f"{prefix}.{key}", inner)
    else:
        yield prefix, value


def _long_time(seconds: float) -> str:
    """Time after programming: minutes to years."""
    for size, name in ((365.25 * 86400, "years"), (86400, "days"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.4g}{NBSP}{name}"
    return f"{seconds:.4g}{NBSP}s"


def _column(coordinate: xr.DataArray) -> list[Any]:
    values = coordinate.values.tolist()
    if coordinate.dtype == np.int8:  # truth values
        return [bool(each) for each in values]
    return [each.decode() if isinstance(each, bytes) else each for each in values]


def _distinct(column: Sequence[Any]) -> tuple[Any, ...]:
    found = list(dict.fromkeys(column))
    if all(isinstance(each, int | float) and not isinstance(each, bool) for each in found):
        found.sort()
    return tuple(found)
