"""The faults of a study's file as one message."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cosim.errors import CosimError
from cosim.studies.toml_lines import key_lines, line_of
from cosim.validation import is_number

MOST_SHOWN = 50  # faults of one file


def as_written(content: Mapping[str, Any], fault: CosimError) -> Any:
    """The value of a fault, in the words of the file where the fault knows it in SI units."""
    table: Any = content
    for key in (fault.key or "").split("."):
        table = table.get(key) if isinstance(table, Mapping) else None
    return table if isinstance(table, str) and is_number(fault.value) else fault.value


def told(problems: list[CosimError], text: str, path: Path) -> CosimError:
    """All faults in one error, each on a line of its own with the line of the file, in the order of the file."""
    lines = key_lines(text)
    found: list[tuple[int, str]] = []
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
        found.append((place or 0, f"line {place}: {shown}" if place else str(shown)))
    unique = list(dict.fromkeys(sorted(found)))
    shown_lines = [line for _, line in unique[:MOST_SHOWN]]
    if len(unique) > MOST_SHOWN:
        shown_lines.append(f"and {len(unique) - MOST_SHOWN} more")
    if len(unique) == 1:
        only = problems[0]
        fault = CosimError(unique[0][1], file=path)
        fault.key, fault.value, fault.allowed = only.key, only.value, only.allowed
        return fault
    return CosimError(f"{len(unique)} faults:" + "".join(f"\n  {line}" for line in shown_lines), file=path)
