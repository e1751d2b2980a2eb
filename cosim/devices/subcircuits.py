"""The subcircuits of a device's `model.cir`: that they are there, with the pins and parameters that are used."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from cosim.devices.parameters import Dynamic
from cosim.errors import CosimError, did_you_mean

READ_CELLS = ("memristor_linear", "memristor_sinh")
"""The cell for reading, as a resistor and with the sinh law: pins te be, parameters g v_read v_0."""

_READ_PARAMETERS = ("g", "v_read", "v_0")


@dataclass(frozen=True)
class Subcircuit:
    """A subcircuit, lower case: pins and parameters in order, and its element lines, continuations joined."""

    name: str
    pins: tuple[str, ...]
    parameters: tuple[str, ...]
    elements: tuple[str, ...]


def subcircuits(text: str) -> dict[str, Subcircuit]:
    """All subcircuits of a netlist by lower-case name."""
    joined = re.sub(r"\n[ \t]*\+", " ", re.sub(r"(?m)^[ \t]*\*.*\n", "", text + "\n")).lower()
    found = {}
    for head, body in re.findall(r"(?ms)^[ \t]*\.subckt[ \t]+([^\n]*)\n(.*?)^[ \t]*\.ends\b", joined):
        words = re.sub(r"\s*=\s*", "=", head.split(";")[0].replace("params:", " ")).split()
        pins = tuple(word for word in words[1:] if "=" not in word)
        names = tuple(word.partition("=")[0] for word in words[1:] if "=" in word)
        lines = (line.split(";")[0].strip() for line in body.split("\n"))
        elements = tuple(line for line in lines if line and not line.startswith("."))
        found[words[0]] = Subcircuit(words[0], pins, names, elements)
    return found


def check_subcircuits(text: str, file: Path, model: tuple[str, ...], dynamic: Dynamic | None) -> None:
    """The read cells and the subcircuit that switches are there with their pins and parameters.

    `model` are the names in the tables `[model.NAME]`. Raises CosimError naming file, subcircuit, and what is wanted:
    also for a pin that nothing is connected to, and a call of a subcircuit that is not there.
    """
    there = subcircuits(text)
    for name in READ_CELLS:
        _check(there, name, ("te", "be"), _READ_PARAMETERS, file)
    if dynamic is None:
        if model:
            raise CosimError(
                "the device states parameters of a model but no [dynamic] subcircuit takes them",
                file=file.with_name("parameters.toml"), key=f"model.{model[0]}",
            )  # fmt: skip
        return
    ambient = () if dynamic.ambient is None else (dynamic.ambient,)
    for taken in (dynamic.start, *ambient):
        if taken in model:
            raise CosimError(
                "this parameter is set in each simulation and has no fixed value",
                file=file.with_name("parameters.toml"), key=f"model.{taken}",
            )  # fmt: skip
    _check(there, dynamic.subcircuit, ("te", "be", dynamic.state), (dynamic.start, *ambient, *model), file)


def _check(
    there: dict[str, Subcircuit], name: str, pins: tuple[str, ...], parameters: tuple[str, ...], file: Path
) -> None:
    found = there.get(name.lower())
    if found is None:
        raise CosimError(
            f"this subcircuit is missing.{did_you_mean(name.lower(), there)}", file=file, value=name,
            allowed=f".subckt {name} {' '.join(pins)} {' '.join(f'{each}=...' for each in parameters)}",
        )  # fmt: skip
    wanted = tuple(pin.lower() for pin in pins)
    if found.pins != wanted:
        raise CosimError(
            f"the subcircuit {name} has other pins", file=file, value=" ".join(found.pins), allowed=" ".join(wanted)
        )
    for parameter in parameters:
        if parameter.lower() not in found.parameters:
            raise CosimError(
                f"the subcircuit {name} has no such parameter.{did_you_mean(parameter.lower(), found.parameters)}",
                file=file, value=parameter, allowed=found.parameters,
            )  # fmt: skip
    used = {word for element in found.elements for word in re.split(r"[\s(),={}*/+<>?:-]+", element)[1:]}
    for pin in wanted:
        if pin not in used:
            raise CosimError(f"nothing in the subcircuit {name} is connected to this pin", file=file, value=pin)
    for element in found.elements:
        words = [word for word in re.sub(r"\s*=\s*", "=", element).split() if "=" not in word]
        if element.startswith("x") and words[-1] not in there:
            raise CosimError(
                f"the subcircuit {name} calls one that is not there.{did_you_mean(words[-1], there)}",
                file=file, value=element, allowed=there,
            )  # fmt: skip
