"""The TOML file beside measured tables: which block and kind of measurement, which column is what, in which unit.

A quantity is a column, `voltage = { column = "V (mV)", unit = "mV" }`, or the same for the whole table,
`compliance = "50 uA"`, `device = 3`, or counts the rows, `read = { counted_from = 0 }`. Curves that stand side by side
in one table are one `[[series]]` each.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, Field

from cosim.blocks.config import BlockConfig
from cosim.blocks.lab.rows import Quantity, Rows
from cosim.blocks.lab.table import Cell, CsvForm, number_in, read_table
from cosim.errors import CosimError, did_you_mean
from cosim.units import format_si, parse_quantity, unit_scale
from cosim.validation import read_toml, validated

SCHEMA = "cosim.lab/1"

Refuse = Callable[..., CosimError]
"""(message, allowed, value) -> the error that names the place."""


class _Column(BlockConfig):
    """One column of a table."""

    column: str | int | None = Field(None, description="its name in the header, or its number from 1")
    counted_from: int | None = Field(None, ge=0, description="number of the first row, where the rows are counted")
    unit: str | None = Field(None, description="of the numbers in it, e.g. 'mV'")
    factor: float = Field(1.0, description="that the numbers are multiplied by, e.g. -1 for a current out of the pin")
    zero: str | None = Field(None, description="quantity that is taken off, e.g. '1 V' where values are above V_CLP")


class TableForm(BlockConfig):
    """Where a table lies and what its columns are."""

    file: str | None = Field(None, description="CSV file or .xlsx workbook, relative to this description")
    sheet: str | None = Field(None, description="sheet of a workbook")
    csv: CsvForm | None = Field(None, description="how the table is written")
    columns: dict[str, Any] = Field({}, description="quantity -> column, or one value for all rows")
    series: list[dict[str, Any]] = Field([], description="curves side by side, each with columns of its own")


class LabForm(TableForm):
    """The whole description."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False)

    schema_: Literal["cosim.lab/1"] = Field(alias="schema")
    block: str
    kind: str
    config: dict[str, Any] = Field({}, description="settings of the block, as `cosim characterise` takes them")
    conditions: dict[str, Any] = Field({}, description="settings of the block that were held: temperature, supply ...")
    notes: dict[str, str] = Field({}, description="free texts: source, instrument, sample, date")
    conductances: TableForm | None = Field(None, description="programmed conductances of a ramp ADC's chips")
    chips: TableForm | None = Field(None, description="one row a chip: comparator offset, energies")


def read_description(path: Path) -> LabForm:
    """The description in a TOML file; CosimError naming file, key, value and what is allowed."""
    content = read_toml(path)
    if not content:
        raise CosimError("this file is empty", file=path, allowed="a description; docs/lab_data.md has examples")
    return validated(LabForm, content, file=path)


def read_rows(
    form: TableForm, quantities: Mapping[str, Quantity], toml: Path, key: str, default: CsvForm | None = None
) -> tuple[Rows, list[Path]]:
    """All rows of a table, its series one after another; also the files that were read.

    Parameters
    ----------
    quantities: what the table may hold.
    toml: the description's path; files are relative to it.
    key: of the table in the description, "" for the main one.
    default: how the table is written when it does not say so itself.

    Raises CosimError: an unknown or missing quantity, a wrong column, a missing or wrong unit, a cell that is no
    number or out of range, with file and line.
    """
    csv = form.csv or default or CsvForm()
    prefix = f"{key}." if key else ""
    parts, files = [], []
    series = [(form.columns, f"{prefix}columns")] if not form.series else []
    series += [({**form.columns, **each}, f"{prefix}series.{number}") for number, each in enumerate(form.series)]
    for content, where in series:
        file, sheet = content.get("file", form.file), content.get("sheet", form.sheet)
        if not isinstance(file, str) or not file:
            raise CosimError("the table's file is not named", file=toml, key=f"{prefix}file", allowed="a CSV file")
        path = toml.parent / file
        if path not in files:
            files.append(path)
        entries = {name: entry for name, entry in content.items() if name not in ("file", "sheet")}
        _check_names(entries, quantities, toml, where)
        parts.append(_series_rows(entries, quantities, path, sheet, csv, toml, where))
    names = {name for part in parts for name in part.values}
    joined = {name: np.concatenate([_filled(part, name, quantities[name]) for part in parts]) for name in sorted(names)}
    places = tuple(place for part in parts for place in part.places)
    if not places:
        raise CosimError("every row of this table is blank", file=toml, key=f"{prefix}columns")
    return Rows(toml, key, joined, places, frozenset(names)), files


def _check_names(entries: Mapping[str, Any], quantities: Mapping[str, Quantity], toml: Path, where: str) -> None:
    for name in entries:
        if name not in quantities:
            raise CosimError(
                f"unknown quantity.{did_you_mean(name, quantities)}", file=toml, key=f"{where}.{name}",
                allowed=quantities,
            )  # fmt: skip
    for name, quantity in quantities.items():
        if quantity.required and name not in entries:
            raise CosimError(
                f"this quantity is required: {quantity.description}", file=toml, key=f"{where}.{name}",
                allowed=f'{name} = {{ column = "..."{_unit_example(quantity)} }}',
            )  # fmt: skip


def _unit_example(quantity: Quantity) -> str:
    return "" if quantity.unit in ("1", "whole", "text") else f', unit = "{quantity.unit}"'


def _series_rows(
    entries: Mapping[str, Any],
    quantities: Mapping[str, Quantity],
    path: Path,
    sheet: str | None,
    csv: CsvForm,
    toml: Path,
    where: str,
) -> Rows:
    table = read_table(path, csv, sheet)
    columns: dict[str, tuple[list[Cell], _Column]] = {}
    constants: dict[str, Any] = {}
    counted: dict[str, int] = {}
    for name, entry in entries.items():
        key = f"{where}.{name}"
        if isinstance(entry, Mapping):
            column = _column(entry, quantities[name], toml, key)
            if column.counted_from is not None:
                counted[name] = column.counted_from
                continue
            assert column.column is not None
            columns[name] = (table.column(column.column, toml=toml, key=f"{key}.column"), column)
        else:
            constants[name] = _constant(entry, quantities[name], toml, key)
    if not columns:
        raise CosimError("no quantity has a column", file=toml, key=where, allowed='voltage = { column = "..." }')
    # Curves side by side are of different lengths, so a row of which this series has no cell is none of its points.
    missing = {"", *csv.missing}
    kept = [
        row for row in range(len(table.lines)) if any(cells[row].text not in missing for cells, _ in columns.values())
    ]
    values = {
        name: _values([cells[row] for row in kept], column, quantities[name], csv, toml, f"{where}.{name}")
        for name, (cells, column) in columns.items()
    }
    values |= {name: np.full(len(kept), value) for name, value in constants.items()}
    for name, first in counted.items():
        numbers = np.arange(first, first + len(kept))
        values[name] = numbers.astype(str).astype(object) if quantities[name].unit == "text" else numbers
    places = tuple((path, table.numbers[row]) for row in kept)
    return Rows(toml, where, values, places, frozenset(values))


def _column(entry: Mapping[str, Any], quantity: Quantity, toml: Path, key: str) -> _Column:
    try:
        column = validated(_Column, entry)
    except CosimError as error:
        raise CosimError(
            error.message, file=toml, key=f"{key}.{error.key}" if error.key else key, value=error.value,
            allowed=error.allowed,
        ) from error  # fmt: skip
    if (column.column is None) == (column.counted_from is None):
        raise CosimError("one of 'column' and 'counted_from' is wanted", file=toml, key=key, allowed='column = "..."')
    if column.counted_from is not None and quantity.unit not in ("whole", "text"):
        raise CosimError("rows cannot count this quantity", file=toml, key=f"{key}.counted_from",
                         value=column.counted_from, allowed=f"a column: {quantity.description}")  # fmt: skip
    return column


def _constant(value: Any, quantity: Quantity, toml: Path, key: str) -> Any:
    """A quantity that the description states for all rows, in SI units."""

    def refuse(message: str, allowed: Any = None, shown: Any = None) -> CosimError:
        return CosimError(message, file=toml, key=key, value=value if shown is None else shown, allowed=allowed)

    if quantity.unit == "text":
        return _checked_text(str(value), quantity, refuse)
    if quantity.unit == "whole":
        if isinstance(value, bool) or not isinstance(value, int):
            raise refuse("not a whole number")
        return _in_range(value, quantity, refuse, value)
    return _in_range(parse_quantity(value, quantity.unit, file=toml, key=key), quantity, refuse, value)


def _values(
    cells: Sequence[Cell], column: _Column, quantity: Quantity, csv: CsvForm, toml: Path, key: str
) -> NDArray[Any]:
    """The numbers of a column in SI units, or its texts; NaN where a cell is missing."""
    if quantity.unit == "text":
        return np.array([_checked_text(cell.text, quantity, cell.refuse) for cell in cells], dtype=object)
    unit = "1" if quantity.unit == "whole" else quantity.unit
    if column.unit is None and unit != "1":
        raise CosimError(
            f"the unit of this column is missing: {quantity.description}", file=toml, key=f"{key}.unit",
            allowed=f"a unit of '{unit}', for example \"{unit}\"",
        )  # fmt: skip
    factor, offset = unit_scale(column.unit or "1", unit, file=toml, key=f"{key}.unit")
    factor *= Decimal(repr(column.factor))
    if column.zero is not None:
        offset -= Decimal(repr(parse_quantity(column.zero, unit, file=toml, key=f"{key}.zero")))
    values = []
    for cell in cells:
        number = number_in(cell, csv)
        if number is None:
            if quantity.index:
                raise cell.refuse(f"this cell is blank, and it tells the rows apart: {quantity.description}")
            values.append(float("nan"))
            continue
        value = float(number * factor + offset)
        if not math.isfinite(value):
            raise cell.refuse("this number is too large")
        if quantity.unit == "whole" and value != int(value):
            raise cell.refuse("not a whole number")
        values.append(_in_range(value, quantity, cell.refuse, f"{cell.text} {column.unit or ''}".strip()))
    return np.array(values, dtype=np.float64)


def _in_range(value: Any, quantity: Quantity, refuse: Refuse, shown: Any) -> Any:
    if quantity.low <= value <= quantity.high:
        return value
    unit = "1" if quantity.unit == "whole" else quantity.unit
    hint = "" if unit == "1" else "; is the unit right?"
    low, high = (format_si(edge, unit) for edge in (quantity.low, quantity.high))
    raise refuse(f"out of range for this quantity, {quantity.description}{hint}", f"{low} to {high}", shown)


def _checked_text(text: str, quantity: Quantity, refuse: Refuse) -> str:
    if not text and quantity.index:
        raise refuse(f"this cell is blank, and it tells the rows apart: {quantity.description}")
    if quantity.choices and text not in quantity.choices:
        raise refuse(f"not one of the choices.{did_you_mean(text, quantity.choices)}", quantity.choices)
    return text


def _filled(rows: Rows, name: str, quantity: Quantity) -> NDArray[Any]:
    """A quantity of one series; missing where this series does not give it and another does."""
    if name in rows.values:
        return rows.values[name]
    if quantity.index or quantity.unit in ("text", "whole"):
        raise CosimError("another series gives this quantity, so this one must too", file=rows.file, key=rows.key,
                         value=name)  # fmt: skip
    return np.full(len(rows), np.nan)
