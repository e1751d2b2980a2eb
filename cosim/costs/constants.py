"""The numbers of `constants.toml`: each with unit, node and source, and taken to another node by its rule."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from cosim.costs.scaling import Kind, check_node, factor
from cosim.costs.terms import Term
from cosim.errors import CosimError, did_you_mean
from cosim.units import format_si, parse_quantity
from cosim.validation import read_toml, validated

SCHEMA = "cosim.costs/1"
FILE = Path(__file__).with_name("constants.toml")
UNITS: dict[str, str] = {"energy": "J", "delay": "s", "area": "m**2"}
PLAIN_UNITS = {"amplifier_current": "A", "capacitor_density": "F/m**2", "driver_energy": "J"}


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid")

    value: str | float
    node: int
    kind: Kind
    origin: Literal["literature", "memory", "own", "computed"]
    source: str
    description: str


@dataclass(frozen=True)
class Constant:
    """A number with where it comes from.

    Attributes
    ----------
    name, description: what it is of.
    value: in SI units of `unit`, at the node where it is stated.
    unit: "J", "s", "m**2", "A", "F/m**2" or "1".
    node: where it is stated [nm].
    kind: which rule takes it to another node.
    origin: "literature", "memory" (literature, quoted from memory), "own" (a choice), "computed" (with cosim).
    source: the paper, the reason, or the command.
    """

    name: str
    value: float
    unit: str
    node: int
    kind: Kind
    origin: str
    source: str
    description: str

    def at(self, node: int) -> float:
        """The value at a node [nm]."""
        return self.value * factor(self.kind, self.node, node)

    def told(self, node: int) -> str:
        """Value at the node and origin, as they stand beside a term."""
        moved = "" if node == self.node or self.kind == "plain" else f", scaled from {self.node} nm"
        return f"{self.name} {shown(self.at(node), self.unit)} ({self.origin}: {self.source}{moved})"


def shown(value: float, unit: str) -> str:
    """A quantity for people."""
    if unit == "m**2":
        return f"{value * 1e12:.4g} µm²"
    if unit == "F/m**2":
        return f"{value * 1e3:.4g} fF/µm²"
    return format_si(value, unit) if unit != "1" else f"{value:.4g}"


@lru_cache(maxsize=4)
def constants(file: Path = FILE) -> dict[str, Constant]:
    """All numbers, by name. CosimError for a file that is no table of constants."""
    content = dict(read_toml(file))
    if content.pop("schema", None) != SCHEMA:
        raise CosimError("not a file of cost constants", file=file, key="schema", allowed=SCHEMA)
    found = {}
    for name, entry in content.items():
        stated = validated(_Entry, entry if isinstance(entry, dict) else {"value": entry}, file=file)
        check_node(stated.node)
        plain = next((unit for start, unit in PLAIN_UNITS.items() if name.startswith(start)), "1")
        unit = UNITS.get(stated.kind, plain)
        value = parse_quantity(stated.value, unit, file=file, key=f"{name}.value")
        found[name] = Constant(
            name, value, unit, stated.node, stated.kind, stated.origin, stated.source, stated.description
        )
    return found


def constant(name: str) -> Constant:
    """The number of that name; CosimError when there is none."""
    known = constants()
    if name not in known:
        raise CosimError(f"no such constant.{did_you_mean(name, known)}", value=name, allowed=known)
    return known[name]


def counted(name: str, count: float, what: str, value: float, unit: str, source: str) -> Term:
    """A leaf of `count` things of `value` each."""
    return Term(name, count * value, f"{count:.10g} {what} x {shown(value, unit)}", source)
