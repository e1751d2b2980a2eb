"""The results of a study: one NetCDF with the swept settings as dimensions, CSV and Parquet beside it.

Variables over the dimensions of the sweep (of a list, a hypercube, a search: `point`):

    accuracy (or bits_per_symbol)     mean over chips, reads and test samples
    low, high                         its 95 % interval for other chips and other test samples
    chip_spread                       standard deviation from chip to chip
    error_chip, error_read, error_sample
                                      parts of its standard error, see `error_bars`
    loss                              cross-entropy [nat]
    status                            0 done, 1 failed, 2 some outputs were not finite, 3 not finished
    accuracy_of_chip                  also over `chip`: mean of each chip
    and the measures of the network: cells, conversions, costs.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cosim.errors import CosimError
from cosim.files import write_atomically
from cosim.provenance import canonical_json, provenance
from cosim.studies.figures import ABOUT
from cosim.studies.settings import find_name, plain_value
from cosim.studies.store import StudyFolder, Summary

if TYPE_CHECKING:
    import xarray as xr

    from cosim.studies.specification import Specification

SCHEMA = "cosim.results/1"
DONE, FAILED, NOT_FINITE, MISSING = range(4)
STATUS = {DONE: "done", FAILED: "failed", NOT_FINITE: "not finite", MISSING: "not finished"}


def status_of(summary: Summary | None) -> int:
    """What became of a point."""
    if summary is None:
        return MISSING
    if summary.failure is not None:
        return FAILED
    return NOT_FINITE if summary.not_finite else DONE


def rows_of(points: Iterable[Mapping[str, Any]], found: Iterable[Summary | None]) -> list[dict[str, Any]]:
    """A row a point: its settings, status and figures."""
    rows = []
    for values, summary in zip(points, found, strict=True):
        row: dict[str, Any] = {name: plain_value(value) for name, value in values.items()}
        row["status"] = STATUS[status_of(summary)]
        if summary is not None:
            row |= summary.figures
            row |= {"not_finite": summary.not_finite, "seconds": summary.seconds, "failure": summary.failure or ""}
        rows.append(row)
    return rows


def dataset(
    specification: Specification, folder: StudyFolder, points: list[dict[str, Any]], keys: list[str],
    found: list[Summary | None],
) -> xr.Dataset:  # fmt: skip
    """All results as an xarray data set."""
    import xarray as xr

    design = specification.design
    shape = design.shape if design is not None else None
    names = list(points[0]) if points else []
    dims: tuple[str, ...] = tuple(names) if shape is not None else ("point",)
    sizes = shape if shape is not None else (len(points),)
    coords: dict[str, Any] = {}
    for name in names:
        column = [point[name] for point in points]
        unit = find_name(name).unit
        attributes = {"long_name": name} | ({"units": unit} if unit else {})
        if shape is None:
            coords[name] = ("point", _column(column), attributes)
        else:
            axis = next(axis for axis in specification.axes if axis.name == name)
            coords[name] = (name, _column(list(axis.values)), attributes)
    if design is not None and design.labels:
        coords["label"] = ("point", np.array(design.labels, dtype=str))
    metric = next((each.metric for each in found if each is not None), "accuracy")
    figures = dict.fromkeys(name for each in found if each is not None for name in each.figures)
    variables: dict[str, Any] = {}
    for name in figures:
        values = [math.nan if each is None else each.figures.get(name, math.nan) for each in found]
        variables[name] = (dims, np.array(values).reshape(sizes), _attributes(name, metric))
    variables["status"] = (
        dims,
        np.array([status_of(each) for each in found], dtype=np.int8).reshape(sizes),
        {"long_name": ", ".join(f"{code} {word}" for code, word in STATUS.items())},
    )
    chips = specification.counts.chips
    of_chips = np.full((len(points), chips), math.nan)
    for place, (key, each) in enumerate(zip(keys, found, strict=True)):
        if each is not None and each.failure is None:
            outcome = folder.outcome(key)
            share = outcome.weights / outcome.weights.sum()
            of_chips[place] = outcome.scores.mean(axis=1) @ share
    variables[f"{metric}_of_chip"] = ((*dims, "chip"), of_chips.reshape(*sizes, chips), _attributes(metric, metric))
    made = provenance(seed=specification.counts.seed)
    attributes = {
        "schema": SCHEMA,
        "title": specification.title or specification.path.stem,
        "study": specification.text,
        "study_sha256": specification.sha256,
        "sources": canonical_json(folder.manifest["sources"]),
        "counts": canonical_json(vars(specification.counts)),
        "begun": folder.manifest["created"],
        **{name: str(value) for name, value in made.items()},
    }
    return xr.Dataset(variables, coords, attributes)


def _attributes(name: str, metric: str) -> dict[str, str]:
    unit, meaning = ABOUT.get(name, ("1", name))
    return {"units": unit or ABOUT[metric][0], "long_name": meaning}


def _column(values: list[Any]) -> np.ndarray:
    """Values of a coordinate; truth values as 0 and 1, what is no number as text."""
    plain = [plain_value(value) for value in values]
    if all(isinstance(value, bool) for value in plain):
        return np.array(plain, dtype=np.int8)
    if all(isinstance(value, int | float) for value in plain):
        return np.array(plain)
    return np.array(["" if value is None else str(value) for value in plain], dtype=str)


def write_netcdf(data: xr.Dataset, path: Path) -> Path:
    """Write it, whole or not at all."""
    return write_atomically(path, lambda part: data.to_netcdf(part, engine="h5netcdf"))


def write_csv(rows: list[dict[str, Any]], path: Path) -> Path:
    """A line a point; numbers with all their digits."""
    names = list(dict.fromkeys(name for row in rows for name in row))

    def write(part: Path) -> None:
        with open(part, "w", encoding="utf-8", newline="") as stream:
            writer = csv.DictWriter(stream, names, restval="")
            writer.writeheader()
            writer.writerows(rows)

    return write_atomically(path, write)


def write_parquet(rows: list[dict[str, Any]], path: Path) -> Path:
    """The same table as Parquet; CosimError where pyarrow is not installed."""
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise CosimError("Parquet files need pyarrow; type: pip install cosim[studies]") from error
    names = list(dict.fromkeys(name for row in rows for name in row))
    columns = {name: _uniform([row.get(name) for row in rows]) for name in names}
    table = pa.table(columns)
    return write_atomically(path, lambda part: pq.write_table(table, part))


def _uniform(values: list[Any]) -> list[Any]:
    """A column of one kind: text where numbers and text are mixed."""
    kinds = {type(value) for value in values if value is not None}
    if kinds <= {int, float} or len(kinds) <= 1:
        return [float(value) if kinds == {int, float} and value is not None else value for value in values]
    return [None if value is None else str(value) for value in values]
