"""A table of measured numbers as it lies on the disk: lines of a CSV file or of a workbook's sheet, and their places.

Nothing is guessed: separator, decimal mark and header are what the description says, and a line that does not fit
them is an error that names it.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from cosim.blocks.config import BlockConfig
from cosim.blocks.lab.workbook import read_sheet
from cosim.errors import CosimError, did_you_mean

_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
LARGEST_FILE = 200_000_000  # [bytes]; a longer table is not read by mistake into memory


class CsvForm(BlockConfig):
    """How a table is written.

    The defaults are those of most instruments: commas between the cells, a decimal point, one line with the names of
    the columns, comments behind '#'.
    """

    delimiter: str = Field(",", description="one character between cells; 'tab', or 'space' for any white space")
    decimal: Literal[".", ","] = Field(".", description="decimal mark")
    comment: str = Field("#", description="a line that starts with this is skipped; empty for none")
    skip_lines: int = Field(0, ge=0, description="lines above the header")
    header_lines: int = Field(1, ge=0, description="lines of the header; the first names the columns. 0: by number")
    encoding: str = Field("utf-8-sig", description="of the text; UTF-8 with or without a mark")
    missing: list[str] = Field([], description="cells that stand for a missing point, beside blank ones")

    @field_validator("delimiter")
    @classmethod
    def _one_character(cls, text: str) -> str:
        if len(text) != 1 and text not in ("tab", "space"):
            raise ValueError("one character, 'tab' or 'space'")
        return text

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, text: str) -> str:
        try:
            "".encode(text)
        except LookupError as error:
            raise ValueError("no such encoding; common ones are utf-8, utf-16, latin-1, cp1252") from error
        return text

    @model_validator(mode="after")
    def _not_both(self) -> CsvForm:
        if self.decimal == self.delimiter:
            raise ValueError("the decimal mark cannot separate the cells as well: set csv.delimiter, e.g. ';'")
        return self


@dataclass(frozen=True)
class Cell:
    """The text of one cell and where it stands, for messages."""

    text: str
    file: Path
    line: int
    column: str

    def refuse(self, message: str, allowed: Any = None, value: Any = None) -> CosimError:
        """The error that names this cell."""
        shown = self.text if value is None else value
        return CosimError(f"line {self.line}: {message}", file=self.file, key=self.column, value=shown, allowed=allowed)


@dataclass(frozen=True)
class Table:
    """The lines of one table.

    Attributes
    ----------
    file: where it was read.
    names: of the columns; "1", "2", ... where there is no header.
    lines: cells of each line that is neither blank nor a comment, as text without white space around.
    numbers: what each of these lines is called in the file, from 1.
    form: how it is written.
    """

    file: Path
    names: tuple[str, ...]
    lines: tuple[tuple[str, ...], ...]
    numbers: tuple[int, ...]
    form: CsvForm

    def column(self, name: str | int, *, toml: Path, key: str) -> list[Cell]:
        """The cells of a column by its name in the header, or by its number from 1.

        Raises CosimError naming the description's key when there is none or more than one of that name.
        """
        text = str(name).strip()
        where = [index for index, own in enumerate(self.names) if own == text]
        if not where and isinstance(name, int) and 1 <= name <= len(self.names):
            where = [name - 1]
        if len(where) > 1:
            raise CosimError(
                f"{len(where)} columns of {self.file.name} have this name; take the column's number",
                file=toml, key=key, value=name, allowed=[each + 1 for each in where],
            )  # fmt: skip
        if not where:
            raise CosimError(
                f"{self.file.name} has no such column.{did_you_mean(text, self.names)}",
                file=toml, key=key, value=name, allowed=self.names,
            )  # fmt: skip
        index = where[0]
        return [
            Cell(line[index], self.file, number, self.names[index])
            for line, number in zip(self.lines, self.numbers, strict=True)
        ]


def read_table(path: Path, form: CsvForm, sheet: str | None = None) -> Table:
    """Read a CSV file, or one sheet of an .xlsx workbook.

    Raises CosimError with the file and the line: no such file, no text, no line, a line with another number of cells
    than the header.
    """
    workbook = path.suffix.lower() in (".xlsx", ".xlsm")
    if workbook:
        rows = read_sheet(path, sheet)
    elif sheet is not None:
        raise CosimError("only an .xlsx workbook has sheets", file=path, key="sheet", value=sheet)
    else:
        rows = _csv_rows(path, form)
    rows = [
        (number, cells)
        for number, cells in rows
        if number > form.skip_lines
        and any(cells)
        and not (form.comment and cells[0].startswith(form.comment))
    ]  # fmt: skip
    header, rows = rows[: form.header_lines], rows[form.header_lines :]
    if not rows:
        raise CosimError("this table holds no measured line" if header else "this file is empty", file=path)
    names = header[0][1] if header else [str(index + 1) for index in range(len(rows[0][1]))]
    names = _without_blank_end(names)
    lines = []
    for number, cells in rows:
        full = [*cells, *[""] * (len(names) - len(cells))] if workbook else cells  # a sheet leaves blank ends out
        if len(_without_blank_end(full)) > len(names) or len(full) < len(names):
            raise CosimError(
                f"line {number}: {len(cells)} cells, and {len(names)} columns; is '{form.delimiter}' between the cells"
                f" and '{form.decimal}' the decimal mark?",
                file=path, value=form.delimiter.join(cells),
            )  # fmt: skip
        lines.append(tuple(full[: len(names)]))
    return Table(path, tuple(names), tuple(lines), tuple(number for number, _ in rows), form)


def number_in(cell: Cell, form: CsvForm) -> Decimal | None:
    """The decimal number in a cell, None where the point is missing.

    Raises CosimError for anything else; NaN and infinities too: a missing point is left blank or named in
    `csv.missing`.
    """
    text = cell.text
    if not text or text in form.missing:
        return None
    plain = text.replace(",", ".") if form.decimal == "," and "." not in text else text
    if _NUMBER.fullmatch(plain) is None or (form.decimal == "," and "." in text):
        raise cell.refuse(
            "not a finite number",
            f"a number with '{form.decimal}' as the decimal mark, a blank, or a mark named in csv.missing",
        )
    return Decimal(plain)


def _csv_rows(path: Path, form: CsvForm) -> list[tuple[int, list[str]]]:
    """(line number, cells) of every line."""
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise CosimError("too large for a table of measured points", file=path, allowed="up to 200 MB")
        text = path.read_text(encoding=form.encoding)
    except OSError as error:
        raise CosimError(f"cannot read this file: {error.strerror or error}", file=path) from error
    except UnicodeError as error:
        raise CosimError(
            f"this is not text in the encoding '{form.encoding}'", file=path, key="csv.encoding"
        ) from error
    if "\0" in text:
        raise CosimError("this is not a text file", file=path)
    if form.delimiter == "space":
        return [(number, line.split()) for number, line in enumerate(text.splitlines(), 1)]
    reader = csv.reader(text.splitlines(), delimiter="\t" if form.delimiter == "tab" else form.delimiter, strict=True)
    rows = []
    try:
        for cells in reader:
            rows.append((reader.line_num, [cell.strip() for cell in cells]))
    except csv.Error as error:
        raise CosimError(f"line {reader.line_num}: not CSV ({error})", file=path) from error
    return rows


def _without_blank_end(cells: Sequence[str]) -> list[str]:
    """Cells without the blank ones at the end, which spreadsheets leave behind."""
    length = len(cells)
    while length and not cells[length - 1]:
        length -= 1
    return list(cells[:length])
