"""A study's data set as the page takes it, and what its file says."""

from __future__ import annotations

import json
import math
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from cosim.errors import CosimError
from cosim.reports.study_data import STATUS, Row, Score, Setting, StudyData

METRICS = ("accuracy", "bits_per_symbol")


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
        Setting(name, str(results[name].attrs.get("units", "")), _distinct(column), _scale(content, name))
        for name, column in columns.items()
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


def stated_range(content: Mapping[str, Any], name: str) -> Mapping[str, Any] | None:
    """The range of a swept setting in the study's file, whose names may be written with dots or as tables."""
    table: Any = content.get("sweep", {}).get("over", {})
    rest = name
    while isinstance(table, Mapping) and rest:
        key = next((key for key in table if rest == key or rest.startswith(f"{key}.")), None)
        if key is None:
            return None
        table, rest = table[key], rest[len(key) + 1 :]
    return table if isinstance(table, Mapping) and "low" in table and "high" in table else None


def shared_settings(content: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Dotted name -> value of what a study's file gives for all points."""
    for key, value in content.items():
        if key not in ("schema", "title", "seed", "chips", "noise_samples", "test_samples", "sweep"):
            yield from _flat(key, value)


def _scale(content: Mapping[str, Any], name: str) -> str:
    stated = stated_range(content, name)
    return "" if stated is None else str(stated.get("scale", "linear"))


def _flat(prefix: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _flat(f"{prefix}.{key}", inner)
    else:
        yield prefix, value


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
