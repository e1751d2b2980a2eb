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
    """Head of a subcircuit: pins and parameters in order, lower case."""

    name: str
    pins: tuple[str, ...]
    parameters: tuple[str, ...]


def subcircuits(text: str) -> dict[str, Subcircuit]:
    """All subcircuits of a netlist by lower-case name."""
    joined = re.sub(r"\n[ \t]*\+", " ", re.sub(r"(?m)^[ \t]*\*.*\n", "", text + "\n")).lower()
    found = {}
    for head in re.findall(r"(?m)^[ \t]*\.subckt[ \t]+(.*)$", joined):
        words = re.sub(r"\s*=\s*", "=", head.split(";")[0].replace("params:", " ")).split()
        pins = tuple(word for word in words[1:] if "=" not in word)
        names = tuple(word.partition("=")[0] for word in words[1:] if "=" in word)
        found[words[0]] = Subcircuit(words[0], pins, names)
    return found


def check_subcircuits(text: str, file: Path, model: tuple[str, ...], dynamic: Dynamic | None) -> None:
    """The read cells and the subcircuit that switches are there with their pins and parameters.

    `model` are the names in the tables `[model.NAME]`. Raises CosimError naming file, subcircuit, and what is wanted.
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
