"""A user's netlist for a part of a circuit, looked through before it is simulated: pins, nodes, models, values.

ngspice takes a floating node for one at zero volts through gmin, "8O" for 8 and a pin that leads nowhere for granted;
the figures that come out are then of no circuit at all. What it does refuse, it refuses deck by deck, with a line of
its log. So the netlist is read here once: statement by statement, and every fault is said with its line.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cosim.blocks.subcircuits import ASSIGNMENT, NOT_FINITE, Netlist, Statement, Subcircuit, known_names, parse_netlist
from cosim.devices.safety import checked_text
from cosim.errors import CosimError, did_you_mean

_NUMBER = re.compile(
    r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?"
    r"(?:t|g|meg|k|mil|m|u|n|p|f|a)?(?:v|a|ohms?|s|sec|hz|f|h|m|w|c|degc?)?",
    re.IGNORECASE,
)
_WORDS = re.compile(r"(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?[A-Za-z]*|[A-Za-z_][\w.]*(?:\s*\()?", re.IGNORECASE)
_SENSED = re.compile(r"\bv\(\s*([^\s,()]+)\s*(?:,\s*([^\s,()]+)\s*)?\)", re.IGNORECASE)
_STATED_UNUSED = re.compile(r"^\*\s*unused\s+(.*)$", re.IGNORECASE | re.MULTILINE)
_CONSTANTS = {"temper", "time", "hertz", "pi", "e", "c", "kelvin", "echarge", "boltz", "planck", "true", "false"}
_GROUND = {"0", "gnd"}
_WITH_VALUE = {"r": "resistance", "c": "capacitance", "l": "inductance"}

# Letter of an element -> number of its nodes; those of x, and of the ones that are not here, are told otherwise.
_NODES = {"r": 2, "c": 2, "l": 2, "v": 2, "i": 2, "b": 2, "d": 2, "m": 4, "q": 3, "j": 3, "z": 3, "s": 4, "w": 2,
          "f": 2, "h": 2, "e": 2, "g": 2, "t": 4, "k": 0}  # fmt: skip
# Letter -> place of the model's name among the words behind the instance's name.
_MODEL_AT = {"d": 2, "m": 4, "j": 3, "z": 3, "s": 4, "w": 3}


TRANSISTORS = {"nmos": 4, "pmos": 4}
"""The subcircuits of a transistor that every process brings, and their pins: drain, gate, source, bulk."""

Known = Mapping[str, int | None] | None


@dataclass(frozen=True)
class _Connection:
    """One terminal of an element on a node."""

    statement: Statement
    drives: bool


def checked_part(
    file: str | Path,
    subcircuits: Mapping[str, Sequence[Sequence[str]]],
    models: str | None,
    *,
    key: str | None = None,
) -> str:
    """The text of a user's netlist that is safe (`cosim.devices.safety`) and can stand in for a part (`check_part`).

    Parameters
    ----------
    subcircuits: name that the deck calls -> lists of pins that it can connect.
    models: text of the models and subcircuits that the deck brings along; None: not known, so models are not judged.
    key: setting that names the file, for messages.

    Raises CosimError naming file, line and text: also when the file is missing, empty or no text.
    """
    path = Path(file)
    try:
        text = checked_text(path)
        numbered = text.count("\n") - 1 <= path.read_bytes().count(b"\n")  # nothing was written in place
        known = None if models is None else known_names(models)
        for name, pins in subcircuits.items():
            check_part(text, path, name, pins, known, numbered=numbered)
    except CosimError as error:
        raise CosimError(
            error.message, file=error.file, key=error.key or key, value=error.value, allowed=error.allowed
        ) from error
    return text


def check_part(
    text: str,
    file: str | Path,
    subcircuit: str,
    pins: Sequence[Sequence[str]],
    known_models: Mapping[str, int | None] | None,
    *,
    numbered: bool = True,
) -> None:
    """Nothing when the netlist can stand in for a part; one CosimError naming file, line and text when not.

    Parameters
    ----------
    text: the netlist, nothing left to include (`cosim.devices.safety.checked_text`).
    file: where it stands, for messages.
    subcircuit: name that the deck calls.
    pins: lists of pins that the deck can connect, by their place.
    known_models: models and subcircuits that the deck brings along, see `known_names`; None: not known, so a name
        that the netlist does not define is let pass.
    numbered: the lines of `text` are those of `file`; not so where an include was written in place.

    Refused are: a subcircuit that is missing, has another number of pins or the same pins in another order; a pin that
    nothing inside uses, unless a line `* unused PIN` states it; a node inside with a single connection, or that only
    gates and other sensing terminals see; an unknown model, subcircuit or parameter; a call with another number of
    pins; a value that is no finite number, a resistance that is not above zero, a negative capacitance or inductance;
    elements outside a subcircuit, and a subcircuit without an end or an element.
    """
    path = Path(file)
    netlist = parse_netlist(text, path, numbered)
    part = netlist.subcircuits.get(subcircuit.lower())
    if part is None:
        there = ", ".join(netlist.subcircuits) or "none"
        raise CosimError(
            f"this netlist has no subcircuit '{subcircuit}'.{did_you_mean(subcircuit.lower(), netlist.subcircuits)}",
            file=path,
            value=there,
            allowed=f".subckt {subcircuit} {' '.join(pins[0])}",
        )
    _check_pins(netlist, part, pins)
    unused = {word for line in _STATED_UNUSED.findall(text) for word in line.lower().split()}
    for each in netlist.subcircuits.values():
        _check_subcircuit(netlist, each, known_models, unused)


def _check_pins(netlist: Netlist, part: Subcircuit, pins: Sequence[Sequence[str]]) -> None:
    wanted = [" ".join(each) for each in pins]
    if len(part.pins) not in {len(each) for each in pins}:
        numbers = " or ".join(str(number) for number in sorted({len(each) for each in pins}))
        raise netlist.refuse(
            part.head,
            f"the subcircuit '{part.name}' has other pins than are connected to it, {len(part.pins)} for {numbers}",
            value=" ".join(part.pins),
            allowed=wanted,
        )
    alike = [each for each in pins if sorted(name.lower() for name in each) == sorted(part.pins)]
    if alike and all(tuple(name.lower() for name in each) != part.pins for each in alike):
        raise netlist.refuse(
            part.head, f"the pins of '{part.name}' are connected by their place, and stand in another order",
            value=" ".join(part.pins), allowed=wanted,
        )  # fmt: skip


def _check_subcircuit(netlist: Netlist, subcircuit: Subcircuit, known: Known, unused: set[str]) -> None:
    if not subcircuit.elements:
        raise netlist.refuse(subcircuit.head, "this subcircuit is empty", value=subcircuit.name)
    nodes: dict[str, list[_Connection]] = {}
    for statement in subcircuit.elements:
        _check_values(netlist, subcircuit, statement, known)
        for node, drives in _terminals(netlist, statement, known):
            nodes.setdefault(node, []).append(_Connection(statement, drives))
    for pin in subcircuit.pins:
        if pin not in nodes and pin not in unused:
            raise netlist.refuse(
                subcircuit.head,
                f"nothing inside '{subcircuit.name}' uses this pin; where that is meant, say so in a line"
                f" '* unused {pin}'",
                value=pin,
            )
    outside = {*subcircuit.pins, *_GROUND, *netlist.globals}
    for node, connections in nodes.items():
        if node in outside:
            continue
        statement = connections[0].statement
        if len(connections) == 1:
            raise netlist.refuse(
                statement, f"node '{node}' floats: nothing else in '{subcircuit.name}' is connected to it."
                f"{did_you_mean(node, (each for each in (*nodes, *outside) if each != node))}",
            )  # fmt: skip
        if not any(each.drives for each in connections):
            raise netlist.refuse(
                statement, f"node '{node}' floats: only gates and sensing terminals of '{subcircuit.name}' see it"
            )


def _terminals(netlist: Netlist, statement: Statement, known: Known) -> list[tuple[str, bool]]:
    """(node, whether the terminal can carry current) of an element, sensed nodes of its expressions included."""
    letter = statement.text[0]
    bare = ASSIGNMENT.sub(" ", statement.text).split()[1:]
    sensed = [(node, False) for pair in _SENSED.findall(statement.text) for node in pair if node]
    if letter == "x":
        return [*_call(netlist, statement, bare, known), *sensed]
    count = _NODES.get(letter)
    if count is None:  # XSPICE and compact models of other simulators: nodes cannot be told from their vectors
        return [(word.strip("[]%"), True) for word in bare[:-1] if word.strip("[]%")]
    if len(bare) < count:
        raise netlist.refuse(statement, f"an element '{letter}' has {count} nodes")
    terminals = [(node, True) for node in bare[:count]]
    if letter == "m":
        terminals[1] = (bare[1], False)
    elif letter == "s":
        terminals[2:] = [(node, False) for node in bare[2:4]]
    elif letter in "eg" and not sensed and len(bare) >= 4 and "poly" not in statement.text:
        terminals += [(node, False) for node in bare[2:4]]
    elif letter in "eg" and "poly" in statement.text:
        terminals += [(word, False) for word in re.split(r"[\s(),]+", statement.text)[4:]]
    elif letter == "q" and len(bare) > 4 and not _is_model(bare[3], netlist, known):
        terminals.append((bare[3], True))
    return [*terminals, *sensed]


def _call(netlist: Netlist, statement: Statement, bare: list[str], known: Known) -> list[tuple[str, bool]]:
    """The terminals of a call of a subcircuit, which must be known."""
    bare = [word for word in bare if word != "params:"]
    name = bare[-1] if bare else ""
    nodes = bare[:-1]
    called = netlist.subcircuits.get(name)
    wanted = len(called.pins) if called is not None else (known or TRANSISTORS).get(name)
    if wanted is None and known is None:
        wanted = len(nodes)
    if wanted is None:
        names = {*netlist.subcircuits, *(each for each, count in (known or {}).items() if count is not None)}
        raise netlist.refuse(
            statement, f"unknown subcircuit '{name}'.{did_you_mean(name, names)}", allowed=sorted(names)
        )  # fmt: skip
    if len(nodes) != wanted:
        raise netlist.refuse(statement, f"'{name}' has {wanted} pins and {len(nodes)} nodes are given")
    gate = 1 if name in TRANSISTORS else None
    return [(node, place != gate) for place, node in enumerate(nodes)]


def _is_model(word: str, netlist: Netlist, known: Known) -> bool:
    return word in netlist.models or (known is not None and word in known)


def _check_values(netlist: Netlist, subcircuit: Subcircuit, statement: Statement, known: Known) -> None:
    """Models that are there, values that are finite numbers, parameters that are defined."""
    letter, text = statement.text[0], statement.text
    for word in re.split(r"[\s=(),{}']+", text)[1:]:
        if NOT_FINITE.fullmatch(word):
            raise netlist.refuse(statement, "not a finite number", value=word)
    defined = {*subcircuit.parameters, *netlist.parameters, *_CONSTANTS}
    for expression in re.findall(r"\{([^}]*)\}", text):
        for word in _WORDS.findall(expression):
            if word[0].isalpha() and not word.endswith("(") and word not in defined:
                raise netlist.refuse(
                    statement, f"parameter '{word}' is not defined.{did_you_mean(word, defined - _CONSTANTS)}"
                )
    if letter in "rclmxdqjz":
        for name, value in ASSIGNMENT.findall(text):
            if value[0] not in "{'\"" and not _NUMBER.fullmatch(value) and value not in defined:
                raise netlist.refuse(statement, f"the value of '{name}' is not a number", value=value)
    bare = ASSIGNMENT.sub(" ", text).split()[1:]
    at = _MODEL_AT.get(letter)
    if letter == "q":
        at = 3 if len(bare) < 5 or _is_model(bare[3], netlist, known) else 4
    if at is not None:
        name = bare[at] if len(bare) > at else ""
        if known is not None and not _is_model(name, netlist, known):
            names = sorted({*netlist.models, *(each for each, count in known.items() if count is None)})
            raise netlist.refuse(statement, f"unknown model '{name}'.{did_you_mean(name, names)}", allowed=names)
    elif letter in _WITH_VALUE:
        _check_size(netlist, statement, bare[2:], known, defined)


def _check_size(netlist: Netlist, statement: Statement, words: list[str], known: Known, defined: set[str]) -> None:
    """The value of a resistor, capacitor or inductor."""
    letter = statement.text[0]
    if not words or words[0][0] in "{'\"" or words[0] in defined or _is_model(words[0], netlist, known):
        return
    if not _NUMBER.fullmatch(words[0]):
        if known is None and words[0][0].isalpha():
            return  # perhaps the name of a model
        raise netlist.refuse(
            statement, f"the {_WITH_VALUE[letter]} is neither a number nor a known model", value=words[0]
        )
    number = float(re.match(r"[+-]?[0-9.]+(?:e[+-]?[0-9]+)?", words[0])[0])  # type: ignore[index]
    if number < 0 or (letter == "r" and number == 0):
        raise netlist.refuse(
            statement, "out of range", value=words[0],
            allowed=f"a {_WITH_VALUE[letter]} {'above' if letter == 'r' else 'not below'} zero",
        )  # fmt: skip
