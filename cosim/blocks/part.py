"""A part of a circuit that a user may replace: a subcircuit with stated pins, in a shipped netlist or their own."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cosim.blocks.partcheck import checked_part
from cosim.errors import CosimError
from cosim.process import load_process
from cosim.resources import netlist_names, netlist_path, read_netlist

_HEAD = r"^[ \t]*\.subckt[ \t]+{}\b(?P<rest>.*)$"


@dataclass(frozen=True)
class Part:
    """A subcircuit that a deck calls.

    Attributes
    ----------
    name: of the subcircuit.
    text: the whole netlist, nothing left to include.
    pins: as the subcircuit's line names them.
    parameters: names of what can be set in a call, lower case.
    """

    name: str
    text: str
    pins: tuple[str, ...]
    parameters: tuple[str, ...]

    def call(self, instance: str, nodes: Sequence[str], values: Mapping[str, float]) -> str:
        """The line that puts the part into a circuit; values of parameters that it does not have are left out."""
        settings = [f"{key}={value:.12g}" for key, value in values.items() if key.lower() in self.parameters]
        return " ".join([f"X{instance}", *nodes, self.name, *settings])

    @property
    def has_transistors(self) -> bool:
        """The netlist calls `nmos` or `pmos`, whose models the deck must then hold."""
        return re.search(r"^[ \t]*x.*\b[np]mos\b", self.text, re.IGNORECASE | re.MULTILINE) is not None


def load_part(netlist: str, name: str, pins: Sequence[Sequence[str]], *, key: str, process: str | None = None) -> Part:
    """The subcircuit `name` of a shipped netlist, or of a user's file, which is checked first.

    Parameters
    ----------
    netlist: shipped name or path of a `.cir` file.
    pins: lists of pins that the deck can connect; their number decides, what the file calls them is its own affair.
    key: the setting that names the netlist, for messages.
    process: whose transistor models the deck brings along; without it the models in a user's file are not judged.

    Raises CosimError when there is no such netlist or subcircuit, when it has other pins, holds what a user's file may
    not, or is faulty (`partcheck`).
    """
    shipped = netlist.removesuffix(".cir") in netlist_names()
    path = netlist_path(netlist)
    text = read_netlist(netlist) if shipped else checked_part(path, {name: pins}, _models(process), key=key)
    found = re.search(_HEAD.format(re.escape(name)), _joined(text), re.IGNORECASE | re.MULTILINE)
    if found is None:
        raise CosimError(f"this netlist has no subcircuit '{name}'", file=path, key=key, value=netlist)
    before, _, after = re.sub(r"\bparams:", " ", found["rest"], flags=re.IGNORECASE).partition("=")
    words = before.split()
    if after:
        words = words[:-1]
    if len(words) not in {len(each) for each in pins}:
        raise CosimError(
            f"the subcircuit '{name}' has other pins than are connected to it",
            file=path,
            key=key,
            value=" ".join(words),
            allowed=[" ".join(each) for each in pins],
        )
    parameters = tuple(each.lower() for each in re.findall(r"([A-Za-z_]\w*)\s*=", found["rest"]))
    return Part(name, text, tuple(words), parameters)


def _models(process: str | None) -> str | None:
    """Transistor models of a process; every corner has the same names."""
    if process is None:
        return None
    known = load_process(process)
    return known.text(next(iter(known.sections)))


def _joined(text: str) -> str:
    """Continuation lines put where they belong, comment lines and comments at the end of a line left out."""
    lines = [line.split(";")[0].rstrip() for line in text.splitlines() if not line.lstrip().startswith("*")]
    return re.sub(r"\n[ \t]*\+", " ", "\n".join(lines))
