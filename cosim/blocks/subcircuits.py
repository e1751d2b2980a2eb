"""The statements of a SPICE netlist and its subcircuits: what a check of a user's part looks at."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType

from cosim.errors import CosimError

_COMMENT = re.compile(r";|\$(?=\s|$)|//")
ASSIGNMENT = re.compile(r"([A-Za-z_][\w.]*)\s*=\s*(\{[^}]*\}|'[^']*'|\"[^\"]*\"|[^\s,()]+)")
NOT_FINITE = re.compile(r"[+-]?(?:nan|inf(?:inity)?)", re.IGNORECASE)


@dataclass(frozen=True)
class Statement:
    """One statement with its continuation lines joined, without comments: `text` in lower case, `shown` as written."""

    line: int
    shown: str

    @property
    def text(self) -> str:
        return self.shown.lower()

    @property
    def words(self) -> list[str]:
        return self.text.split()


@dataclass
class Subcircuit:
    """What is between `.subckt` and `.ends`."""

    name: str
    pins: tuple[str, ...]
    parameters: set[str]
    head: Statement
    elements: list[Statement] = field(default_factory=list)


@dataclass
class Netlist:
    """The netlist taken apart."""

    file: Path
    numbered: bool
    subcircuits: dict[str, Subcircuit]
    models: set[str]
    parameters: set[str]
    globals: set[str]

    def refuse(
        self,
        statement: Statement,
        message: str,
        *,
        value: str | None = None,
        allowed: str | Iterable[str] | None = None,
    ) -> CosimError:
        where = f"line {statement.line}: " if self.numbered else f"in '{statement.shown}': "
        shown = (statement.shown if self.numbered else None) if value is None else value
        return CosimError(where + message, file=self.file, value=shown, allowed=allowed)


@lru_cache(maxsize=16)
def known_names(text: str) -> Mapping[str, int | None]:
    """What a text of models defines: model -> None, subcircuit -> number of its pins; lower case.

    For the `known_models` of `check_part`.
    """
    names: dict[str, int | None] = {}
    for statement in _statements(text):
        words = statement.words
        if words[0] == ".model" and len(words) > 1:
            names[words[1].partition("(")[0]] = None
        elif words[0] == ".subckt" and len(words) > 1:
            names[words[1]] = len(_head(statement)[0])
    return MappingProxyType(names)


def _statements(text: str) -> list[Statement]:
    found: list[Statement] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if line.lstrip().startswith("*"):
            continue
        plain = _COMMENT.split(line)[0].strip()
        if plain.startswith("+") and found:
            found[-1] = Statement(found[-1].line, f"{found[-1].shown} {plain[1:].strip()}")
        elif plain:
            found.append(Statement(number, plain))
    return found


def _head(statement: Statement) -> tuple[tuple[str, ...], set[str]]:
    """Pins and parameters of a `.subckt` line."""
    rest = re.sub(r"\bparams:", " ", statement.text.split(maxsplit=2)[2]) if len(statement.words) > 2 else ""
    parameters = {name for name, _ in ASSIGNMENT.findall(rest)}
    return tuple(ASSIGNMENT.sub(" ", rest).split()), parameters


def parse_netlist(text: str, path: Path, numbered: bool) -> Netlist:
    """The subcircuits, models and parameters of a netlist; CosimError for what is not well formed.

    `path` is for messages; `numbered` says whether lines of the text are lines of that file.
    """
    netlist = Netlist(path, numbered, {}, set(), set(), set())
    inside: Subcircuit | None = None
    for statement in _statements(text):
        words = statement.words
        first = words[0]
        if first == ".subckt":
            if inside is not None or len(words) < 2:
                raise netlist.refuse(statement, "a subcircuit must have a name, and stand outside others")
            if words[1] in netlist.subcircuits:
                raise netlist.refuse(statement, "there are two subcircuits of this name", value=words[1])
            pins, parameters = _head(statement)
            double = next((pin for pin in pins if pins.count(pin) > 1), None)
            if double is not None:
                raise netlist.refuse(statement, "this pin stands twice in the list of pins", value=double)
            inside = netlist.subcircuits[words[1]] = Subcircuit(words[1], pins, parameters, statement)
        elif first == ".ends":
            if inside is None:
                raise netlist.refuse(statement, "this ends a subcircuit that was not begun")
            inside = None
        elif first == ".model":
            netlist.models.add(words[1].partition("(")[0] if len(words) > 1 else "")
        elif first in (".param", ".params", ".func"):
            own = {name for name, _ in ASSIGNMENT.findall(statement.text)}
            netlist.parameters |= own
            for name, value in ASSIGNMENT.findall(statement.text):
                if NOT_FINITE.fullmatch(value):
                    raise netlist.refuse(statement, f"parameter '{name}' is not a finite number", value=value)
        elif first == ".global":
            netlist.globals |= set(words[1:])
        elif not first.startswith("."):
            if inside is None:
                raise netlist.refuse(statement, "this element stands outside a subcircuit")
            inside.elements.append(statement)
    if inside is not None:
        raise netlist.refuse(inside.head, "this subcircuit has no .ends", value=inside.name)
    return netlist
