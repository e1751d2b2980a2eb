"""On which line of a TOML file each key stands: `tomllib` reads the values and forgets the places."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator

_BARE = r"[A-Za-z0-9_-]+"
_QUOTED = r'"(?:[^"\\]|\\.)*"|' + r"'[^']*'"
_DOTTED = rf"(?:{_BARE}|{_QUOTED})(?:\s*\.\s*(?:{_BARE}|{_QUOTED}))*"
_TABLE = re.compile(rf"\s*(\[\[?)\s*({_DOTTED})\s*\]\]?")
_KEY = re.compile(rf"\s*({_DOTTED})\s*=")
_PART = re.compile(rf"{_QUOTED}|{_BARE}")


def key_lines(text: str) -> dict[str, int]:
    """Dotted key -> line, from 1, of every table and key of a valid TOML text.

    Keys inside an inline table or an array stand on the line of what holds them and are not listed. The n-th table of
    an array of tables has the key `name.n`, n from 0.
    """
    found: dict[str, int] = {}
    counts: dict[str, int] = {}
    prefix = ""
    for number, line in _statements(text):
        if table := _TABLE.match(line):
            prefix = _joined(table[2])
            if table[1] == "[[":
                counts[prefix] = counts.get(prefix, -1) + 1
                found.setdefault(prefix, number)
                prefix = f"{prefix}.{counts[prefix]}"
            else:
                head = next((each for each in _parents(prefix) if each in counts), None)
                if head is not None:  # a table inside the last table of an array
                    prefix = f"{head}.{counts[head]}{prefix[len(head) :]}"
            found.setdefault(prefix, number)
        elif key := _KEY.match(line):
            found.setdefault(f"{prefix}.{_joined(key[1])}" if prefix else _joined(key[1]), number)
    return found


def line_of(lines: dict[str, int], key: str | None) -> int | None:
    """The line of a dotted key, or of the nearest table or key that holds it; None where nothing does.

    A table that is only written by one inside it stands on that one's line.
    """
    for each in () if key is None else (key, *_parents(key)):
        if each in lines:
            return lines[each]
        if inside := [line for name, line in lines.items() if name.startswith(f"{each}.")]:
            return min(inside)
    return None


def _parents(dotted: str) -> Iterator[str]:
    """What stands before the dots, the longest first."""
    while "." in dotted:
        dotted = dotted.rpartition(".")[0]
        yield dotted


def _joined(dotted: str) -> str:
    """The parts of a written key, without quotes, joined by dots."""
    parts = (tomllib.loads(f"x = {part}")["x"] if part[0] in "\"'" else part for part in _PART.findall(dotted))
    return ".".join(parts)


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """(number, line) of each line that begins a statement: not one inside a value of several lines."""
    depth, quote = 0, ""
    for number, line in enumerate(text.split("\n"), 1):
        if depth == 0 and not quote:
            yield number, line
        depth, quote = _after(line, depth, quote, is_table=depth == 0 and not quote and bool(_TABLE.match(line)))


def _after(line: str, depth: int, quote: str, *, is_table: bool) -> tuple[int, str]:
    """Depth of brackets, and the quotes that are still open, after a line."""
    if is_table:
        return 0, ""
    place = 0
    while place < len(line):
        if quote:
            if line[place] == "\\" and quote[0] == '"':
                place += 2
                continue
            if line.startswith(quote, place):
                place += len(quote)
                quote = ""
                continue
        elif line[place] == "#":
            break
        elif line[place] in "\"'":
            mark = line[place]
            quote = mark * 3 if line.startswith(mark * 3, place) else mark
            place += len(quote)
            continue
        elif line[place] in "[{":
            depth += 1
        elif line[place] in "]}":
            depth -= 1
        place += 1
    return depth, quote if len(quote) == 3 else ""
