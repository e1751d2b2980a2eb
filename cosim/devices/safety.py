"""What a netlist or model file of a user may not hold: commands, and other files than those of its own folder.

ngspice runs commands of a netlist: between `.control` and `.endc` (any dot word that starts so), and in comments
whose marker is followed by `#`; such a command can be `shell`. It also reads files that a netlist names. So a file
from elsewhere is checked before any of its lines gets into a deck, and only dot lines that describe a circuit pass:
what is not known to be harmless is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from cosim.errors import CosimError

ALLOWED = (
    ".subckt", ".ends", ".model", ".param", ".params", ".func", ".global", ".ic", ".nodeset", ".temp", ".option",
    ".options", ".if", ".elseif", ".else", ".endif", ".lib", ".endl", ".include", ".inc", ".protect", ".unprotect",
    ".title",
)  # fmt: skip
"""Dot words that describe a circuit; no other passes."""

_ANALYSES = (".op", ".dc", ".tran", ".ac", ".noise", ".tf", ".pz", ".sens", ".disto", ".pss", ".sp", ".four", ".end")
_OUTPUTS = (".save", ".print", ".plot", ".probe", ".width", ".meas", ".measure")

_CONTROL_CHARACTER = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ufeff]")
_COMMAND_WORD = re.compile(r"(?<![\w.])(shell|system|exec)(?!\w)", re.IGNORECASE)
# XSPICE models with a file, a program or a library behind them; CIDER's, which write files.
_FILE_MODEL = re.compile(
    r"^\.model\b.*\b(file_?source|table[23]d|d_source|d_state|d_process|d_cosim|numd|nbjt|numos)\b", re.IGNORECASE
)
_FILE_PARAMETER = re.compile(r"(?<![A-Za-z0-9])((?:\w+_)?file|wavefile|simulation)\s*=|\bpwl\s*\(?\s*file\b", re.I)
_INLINE_COMMENT = re.compile(r";|\$(?=\s|$)|//")
_PATH = re.compile(r"""\s+(?:"([^"]*)"|'([^']*)'|([^\s"']+))\s*(?:([\w.]+)\s*)?""")


def check_netlist(text: str, file: str | Path, folder: str | Path | None = None) -> None:
    """Nothing when the netlist may be simulated; CosimError naming file, line and text when not.

    Parameters
    ----------
    text: the netlist.
    file: where it stands, for messages; paths of its includes are relative to it.
    folder: what it may include must lie in here, symbolic links followed; its own folder if not given.

    Refused are commands (`.control`, comments that ngspice runs, `shell`, `system`, back quotes), analyses and output
    lines, which belong to the deck, every other dot line not in `ALLOWED`, includes and libraries outside the folder
    or missing, sources and tables that read files, continuation by backslash, and control characters. Files that are
    included are checked in the same way.
    """
    for _ in _lines(text, Path(file), _root(file, folder), ()):
        pass


def checked_text(file: str | Path, folder: str | Path | None = None) -> str:
    """The text of a netlist file that passes `check_netlist`, its includes and library sections written in place.

    A deck has to hold all its text, so that its hash names the answer. Raises CosimError as `check_netlist` does, and
    when the file cannot be read or is empty.
    """
    path = Path(file)
    text = _read(path)
    if not text.strip():
        raise CosimError("this file is empty", file=path)
    return "\n".join(_lines(text, path, _root(file, folder), ())) + "\n"


def _root(file: str | Path, folder: str | Path | None) -> Path:
    return (Path(file).parent if folder is None else Path(folder)).resolve()


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CosimError(f"cannot read this netlist: {error}", file=path) from error


def _refusal(file: Path, number: int, text: str, why: str, allowed: str | None = None) -> CosimError:
    return CosimError(f"line {number}: {why}", file=file, value=text.strip(), allowed=allowed)


def _lines(text: str, file: Path, root: Path, above: tuple[Path, ...], section: str | None = None) -> Iterator[str]:
    """The checked lines of a file, or of one section of a library, with what they include."""
    inside = section is None
    found = inside
    for number, whole, parts in _statements(text, file):
        word = whole.split(maxsplit=1)[0].lower() if whole else ""
        path, of_section = _included(whole, word, file, number)
        if section is not None and word == ".lib" and path is None:
            inside = whole.split()[1].lower() == section.lower()
            found = found or inside
            continue
        if section is not None and word == ".endl":
            inside = False
            continue
        if path is None:
            if inside:
                yield from parts
        else:
            target = _within(path, file, number, whole, root, above)
            inner = _lines(_read(target), target, root, (*above, file.resolve()), of_section)
            for line in inner:  # sections that are not asked for are checked too
                if inside:
                    yield line
    if not found:
        raise CosimError("this library has no such section", file=file, value=section)


def _statements(text: str, file: Path) -> Iterator[tuple[int, str, list[str]]]:
    """(number of the first line, whole statement or "" for comments, its lines as they stand), each one checked."""
    number, whole, parts = 0, "", []
    for count, line in enumerate(text.replace("\r\n", "\n").split("\n"), start=1):
        _check_line(line, file, count)
        stripped = line.strip(" \t")
        if stripped.startswith("+"):
            if not whole:
                raise _refusal(file, count, line, "this continues a line that is not there")
            whole += " " + stripped[1:]
            parts.append(line)
        elif not stripped or _is_comment(stripped):
            parts.append(line)
        else:
            if parts:
                _check_statement(whole, file, number)
                yield number, whole, parts
            number, whole, parts = count, stripped, [line]
    _check_statement(whole, file, number)
    yield number, whole, parts


def _is_comment(stripped: str) -> bool:
    return stripped[0] in "*#;$" or stripped.startswith("//")


def _check_line(line: str, file: Path, number: int) -> None:
    """One line as it stands: how ngspice may take it otherwise than it looks."""
    if _CONTROL_CHARACTER.search(line):
        raise _refusal(file, number, line, "a control character", allowed="printable text, spaces and tabs")
    stripped = line.strip(" \t")
    if not stripped:
        return
    if stripped[1:2] == "#" and not stripped[0].isalnum():
        raise _refusal(file, number, line, "ngspice runs this comment as a command", "a space after the comment's mark")
    if stripped.lower().startswith("*ng_script"):
        raise _refusal(file, number, line, "ngspice takes a file that starts so for a script of commands")
    if stripped.endswith("\\"):
        raise _refusal(file, number, line, "a line continued by a backslash", "'+' at the start of the next line")
    if not (_is_comment(stripped) or stripped[0] in ".+" or (stripped[0].isascii() and stripped[0].isalnum())):
        raise _refusal(file, number, line, "no line of a netlist starts with this character")


def _check_statement(whole: str, file: Path, number: int) -> None:
    """A line with its continuations: dot word, commands, files."""
    if not whole:
        return
    code = _INLINE_COMMENT.split(whole, maxsplit=1)[0]
    word = code.split(maxsplit=1)[0].lower() if code.strip() else ""
    if word.startswith((".control", ".endc")):
        raise _refusal(file, number, whole, "a netlist that runs commands is not simulated", "circuit lines only")
    if word in _ANALYSES or word in _OUTPUTS:
        raise _refusal(file, number, whole, f"{word} belongs to the deck, which cosim writes", "circuit lines only")
    if word.startswith(".") and word not in ALLOWED:
        raise _refusal(file, number, whole, f"{word} has no place in a netlist for cosim", ", ".join(ALLOWED))
    command = _COMMAND_WORD.search(code)
    if command or "`" in code:
        shown = command[1] if command else "`"
        raise _refusal(
            file, number, whole, f"'{shown}' is a command of ngspice that starts programs", "other names in a netlist"
        )
    if _FILE_MODEL.search(whole) or _FILE_PARAMETER.search(whole):
        raise _refusal(
            file, number, whole, "this reads or writes a file, or starts a program",
            "values written out, as in pwl(...)",
        )  # fmt: skip


def _included(whole: str, word: str, file: Path, number: int) -> tuple[str | None, str | None]:
    """(path, section) that a line includes; (None, None) where it includes nothing."""
    if word not in (".include", ".inc", ".lib"):
        return None, None
    match = _PATH.fullmatch(whole[len(word) :])
    if match is None:
        raise _refusal(
            file, number, whole, "not an include that can be followed", "one path, in quotes if it has spaces"
        )
    path, section = match[1] or match[2] or match[3], match[4]
    if word == ".lib" and section is None:  # opens a section
        return None, None
    if word != ".lib" and section is not None:
        raise _refusal(file, number, whole, "not an include that can be followed", "one path")
    if not path or re.search(r"[$~`\\]", path):
        raise _refusal(file, number, whole, "a path that a shell would change", "a plain path")
    return path, section


def _within(path: str, file: Path, number: int, whole: str, root: Path, above: tuple[Path, ...]) -> Path:
    """The included file, which must be a file inside the folder and not include itself."""
    target = (file.parent / path).resolve()
    if not target.is_relative_to(root):
        raise _refusal(file, number, whole, "an include outside the file's own folder", f"files inside {root}")
    if not target.is_file():
        raise _refusal(file, number, whole, "the file that this includes is missing")
    if target == file.resolve() or target in above:
        raise _refusal(file, number, whole, "a file that includes itself")
    return target
