"""Model libraries as one text: `.lib FILE SECTION` and `.include FILE` replaced by what they name.

A deck must hold all its text, so that its hash covers every file that can change the answer; process kits are spread
over many files. This resolves them as ngspice would, once, and says which files were read.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from cosim.devices.safety import check_netlist
from cosim.errors import CosimError

MOST_DEPTH = 40  # of files that include each other
MOST_BYTES = 64 << 20  # of text; the open 130 nm kit's largest corner has about 12 MiB

_QUOTED = r"(?:\"(?P<double>[^\"]+)\"|'(?P<single>[^']+)'|(?P<bare>\S+))"
_CALL = re.compile(rf"^\s*\.lib\s+{_QUOTED}\s+(?P<section>\S+)\s*$", re.IGNORECASE)
_BEGIN = re.compile(r"^\s*\.lib\s+(?P<section>[^\s\"']+)\s*$", re.IGNORECASE)
_END = re.compile(r"^\s*\.endl\b", re.IGNORECASE)
_INCLUDE = re.compile(rf"^\s*\.inc(?:lude)?\s+{_QUOTED}\s*$", re.IGNORECASE)
_FORBIDDEN = re.compile(r"^\s*(\.control|\.exec|shell|system)\b", re.IGNORECASE)


@dataclass
class Library:
    """Text of a library section with everything that it includes, and the files it came from.

    Attributes
    ----------
    files: each with its stamp, taken just before it was read.
    """

    text: str
    files: dict[Path, tuple[int, int]] = field(default_factory=dict)

    @property
    def is_current(self) -> bool:
        """No file was changed, or taken away, since it was read."""
        try:
            return all(stamp_of(path) == stamp for path, stamp in self.files.items())
        except OSError:
            return False


def stamp_of(path: Path) -> tuple[int, int]:
    """What tells that a file was changed: time of its last change [ns] and size [byte]."""
    stat = path.stat()
    return stat.st_mtime_ns, stat.st_size


def inline_library(path: str | Path, section: str | None = None) -> Library:
    """The text of one section of a library file (None: of the whole file), nothing left to include.

    Raises CosimError for a missing file or section, files that include each other endlessly, and lines that have no
    place in a model library: commands (`.control`, `shell`, comments that ngspice runs), analyses, outputs. A kit's
    files may lie in several folders, so the whole is checked when nothing is left to include; a number of a line in
    such a message counts in the resolved text.
    """
    library = Library("")
    lines = list(_resolve(Path(path), section, library, ()))
    library.text = "\n".join(lines)
    check_netlist(library.text, path)
    return library


def _resolve(
    path: Path, section: str | None, library: Library, above: tuple[tuple[Path, str | None], ...]
) -> list[str]:
    here = (path.resolve(), section and section.lower())
    if here in above or len(above) > MOST_DEPTH:
        raise CosimError("this file includes itself", file=path, key="section" if section else None, value=section)
    lines = _read(path, library)
    if section is not None:
        lines = _section(lines, section, path)
    out: list[str] = []
    for number, line in enumerate(lines, 1):
        if _FORBIDDEN.match(line):
            raise CosimError("a command has no place in a model library", file=path, key=f"line {number}", value=line)
        call, include = _CALL.match(line), _INCLUDE.match(line)
        if call:
            out += _resolve(_place(call, path), call["section"], library, (*above, here))
        elif include:
            out += _resolve(_place(include, path), None, library, (*above, here))
        else:
            out.append(line)
    if sum(map(len, out)) > MOST_BYTES:
        raise CosimError("this library is too large for a deck", file=path, allowed=f"{MOST_BYTES >> 20} MiB of text")
    return out


def _read(path: Path, library: Library) -> list[str]:
    try:
        stamp = stamp_of(path)
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise CosimError(f"cannot read this model file: {error.strerror or error}", file=path) from error
    library.files.setdefault(path, stamp)
    return text.splitlines()


def _section(lines: list[str], section: str, path: Path) -> list[str]:
    """The lines between `.lib SECTION` and `.endl`."""
    names, inside, found = [], False, False
    out: list[str] = []
    for line in lines:
        begin = _BEGIN.match(line)
        if begin and not _CALL.match(line):
            names.append(begin["section"])
            inside = begin["section"].lower() == section.lower()
            found = found or inside
        elif _END.match(line):
            inside = False
        elif inside:
            out.append(line)
    if not found:
        raise CosimError("this library has no such section", file=path, key="section", value=section, allowed=names)
    return out


def _place(match: re.Match[str], path: Path) -> Path:
    """The named file; a relative name counts from the file that names it."""
    named = Path(match["double"] or match["single"] or match["bare"]).expanduser()
    return named if named.is_absolute() else path.parent / named
