"""One sheet of an .xlsx workbook as lines of text: the part of Office Open XML (ECMA-376) that holds plain tables."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path
from xml.etree import ElementTree

from cosim.errors import CosimError

_MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_RELATION = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"
_PACKAGE = "{http://schemas.openxmlformats.org/package/2006/relationships}"
LARGEST_PART = 200_000_000  # [bytes] of one unpacked part


def read_sheet(path: Path, sheet: str | None) -> list[tuple[int, list[str]]]:
    """(row number, cells as text) of the rows of a sheet; the only sheet when `sheet` is None.

    Cells hold what is stored: numbers with all their digits, formulas as the value last computed. Raises CosimError
    when this is no workbook or has no such sheet.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            parts = _sheet_parts(archive)
            if sheet is None and len(parts) == 1:
                sheet = next(iter(parts))
            if sheet not in parts:
                message = "this workbook has several sheets; name one" if sheet is None else "no such sheet"
                raise CosimError(message, file=path, key="sheet", value=sheet, allowed=list(parts))
            texts = _shared_texts(archive)
            root = ElementTree.fromstring(_read(archive, parts[sheet]))
            return [_row(element, texts, number) for number, element in enumerate(root.iter(f"{_MAIN}row"), 1)]
    except OSError as error:
        raise CosimError(f"cannot read this file: {error.strerror or error}", file=path) from error
    except (zipfile.BadZipFile, ElementTree.ParseError, KeyError, IndexError, ValueError) as error:
        raise CosimError("not an .xlsx workbook that can be read", file=path) from error


def _read(archive: zipfile.ZipFile, name: str) -> bytes:
    if archive.getinfo(name).file_size > LARGEST_PART:
        raise ValueError(f"{name} is too large")
    return archive.read(name)


def _sheet_parts(archive: zipfile.ZipFile) -> dict[str, str]:
    """Name of each sheet -> its part in the archive."""
    relations = ElementTree.fromstring(_read(archive, "xl/_rels/workbook.xml.rels"))
    targets = {each.attrib["Id"]: each.attrib["Target"] for each in relations.iter(f"{_PACKAGE}Relationship")}
    book = ElementTree.fromstring(_read(archive, "xl/workbook.xml"))
    parts = {}
    for each in book.iter(f"{_MAIN}sheet"):
        target = targets[each.attrib[f"{_RELATION}id"]]
        parts[each.attrib["name"]] = target.lstrip("/") if target.startswith("/") else f"xl/{target}"
    return parts


def _shared_texts(archive: zipfile.ZipFile) -> list[str]:
    if "xl/sharedStrings.xml" not in archive.namelist():
        return []
    root = ElementTree.fromstring(_read(archive, "xl/sharedStrings.xml"))
    return ["".join(part.text or "" for part in each.iter(f"{_MAIN}t")) for each in root.iter(f"{_MAIN}si")]


def _row(element: ElementTree.Element, texts: list[str], number: int) -> tuple[int, list[str]]:
    cells: list[str] = []
    for cell in element.iter(f"{_MAIN}c"):
        column = _column_index(cell.attrib["r"]) if "r" in cell.attrib else len(cells)
        cells += [""] * (column + 1 - len(cells))
        kind = cell.attrib.get("t", "n")
        value = cell.find(f"{_MAIN}v")
        if kind == "inlineStr":
            text = "".join(part.text or "" for part in cell.iter(f"{_MAIN}t"))
        elif value is None or value.text is None:
            text = ""
        else:
            text = texts[int(value.text)] if kind == "s" else value.text
        cells[column] = text.strip()
    return int(element.attrib.get("r", number)), cells


def _column_index(reference: str) -> int:
    """0 for "A7", 26 for "AA7"."""
    match = re.match(r"[A-Z]+", reference)
    if match is None:
        raise ValueError(f"no column in {reference!r}")
    index = 0
    for letter in match[0]:
        index = 26 * index + ord(letter) - ord("A") + 1
    return index - 1
