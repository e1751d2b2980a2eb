"""Totals that unfold: a tree of named amounts in which every total is the sum of what stands below it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

DIGITS = 7  # significant digits of the printed total; terms are printed to the same last place


@dataclass(frozen=True)
class Term:
    """An amount with its derivation: a leaf holds its own `amount`, a total the sum of its `terms`.

    Attributes
    ----------
    name: what it is of.
    amount: of a leaf, in the tree's unit; of a total it must be left out.
    how: the formula with its numbers, or what a total is of.
    source: where the numbers come from.
    terms: what the total is the sum of.
    """

    name: str
    amount: float = 0.0
    how: str = ""
    source: str = ""
    terms: tuple[Term, ...] = field(default=())

    @property
    def value(self) -> float:
        """The leaf's amount, or the exactly rounded sum of the terms' values."""
        return math.fsum(term.value for term in self.terms) if self.terms else self.amount

    def leaves(self) -> Iterator[Term]:
        """All leaves, from left to right."""
        if not self.terms:
            yield self
        for term in self.terms:
            yield from term.leaves()

    def as_dict(self) -> dict[str, Any]:
        """For `--json`: values in full, totals as the sum of their terms."""
        content: dict[str, Any] = {"name": self.name, "value": self.value}
        content |= {key: text for key, text in (("how", self.how), ("source", self.source)) if text}
        if self.terms:
            content["terms"] = [term.as_dict() for term in self.terms]
        return content


def total(name: str, terms: Iterable[Term], how: str = "") -> Term:
    """The sum of the terms that are not zero; a leaf of zero where none is."""
    kept = tuple(term for term in terms if term.value != 0.0)
    return Term(name, how=how, terms=kept)


def scaled(term: Term, factor: float) -> Term:
    """The same tree times a factor."""
    terms = tuple(scaled(each, factor) for each in term.terms)
    return Term(term.name, term.amount * factor, term.how, term.source, terms)


def regrouped(name: str, groups: Mapping[str, Sequence[Term]], how: str = "") -> Term:
    """Group name -> leaves; each group's leaves are its terms."""
    return total(name, (total(group, terms) for group, terms in groups.items()), how)


@dataclass(frozen=True)
class PrintedTerm:
    """A term as it is printed: a whole number of units of the last place, a total the sum of what is printed below."""

    name: str
    ticks: int
    how: str
    source: str
    terms: tuple[PrintedTerm, ...]


@dataclass(frozen=True)
class Printed:
    """A tree made ready for print: amounts are `ticks` times 10^-`decimals` of `unit`."""

    root: PrintedTerm
    unit: str
    decimals: int

    def text(self, ticks: int) -> str:
        """The amount without its unit, every digit of it exact."""
        sign, digits = ("-" if ticks < 0 else ""), str(abs(ticks)).rjust(self.decimals + 1, "0")
        return f"{sign}{digits[: -self.decimals]}.{digits[-self.decimals :]}" if self.decimals else f"{sign}{digits}"


_PREFIXES = {-18: "a", -15: "f", -12: "p", -9: "n", -6: "µ", -3: "m", 0: "", 3: "k", 6: "M"}


def printed(term: Term, unit: str) -> Printed:
    """Round all amounts to one last place so that every printed total is exactly the sum of the terms below it.

    The whole is rounded as ever. Below, what rounding the terms of a total leaves goes to those that it moves least, so
    an amount is off by less than one and a half of the last place for each level above it. `unit`: of the values, a
    plain one ("J", "s"), or "m²" whose prefixes are squared.
    """
    size = abs(term.value)
    exponent = math.floor(math.log10(size)) if size > 0.0 else 0
    if unit == "m²":
        scale, shown = (-12, "µm²") if exponent < -8 else (-6, "mm²")
    else:
        scale = min(max(3 * (exponent // 3), min(_PREFIXES)), max(_PREFIXES))
        shown = _PREFIXES[scale] + unit
    decimals = max(DIGITS - 1 - (exponent - scale), 0)
    places = 10.0 ** (decimals - scale)  # a power of ten is exact, the fraction 10^(scale - decimals) is not

    def of(each: Term, ticks: int) -> PrintedTerm:
        shares = apportioned(ticks, [below.value * places for below in each.terms])
        below = tuple(of(*pair) for pair in zip(each.terms, shares, strict=True))
        return PrintedTerm(each.name, ticks, each.how, each.source, below)

    return Printed(of(term, round(term.value * places)), shown, decimals)


def apportioned(whole: int, parts: Sequence[float]) -> list[int]:
    """Whole numbers near `parts` that add up to `whole`, each moved as little as may be."""
    rounded = [round(part) for part in parts]
    left = whole - sum(rounded)
    while left and parts:
        step = 1 if left > 0 else -1
        nearest = sorted(range(len(parts)), key=lambda n: step * (rounded[n] - parts[n]))
        for n in nearest[: abs(left)]:
            rounded[n] += step
        left = whole - sum(rounded)
    return rounded


def lines_of(content: Printed, depth: int | None = None, notes: bool = True) -> list[str]:
    """The tree as text, a line a term: amount, share of the whole, name, and how it comes about."""
    rows: list[tuple[str, str, str]] = []
    whole = content.root.ticks

    def walk(term: PrintedTerm, level: int) -> None:
        share = f"{term.ticks / whole:7.2%}" if whole else ""
        note = "; ".join(text for text in (term.how, term.source) if text) if notes else ""
        rows.append((content.text(term.ticks), share, "  " * level + term.name + (f"  [{note}]" if note else "")))
        if depth is None or level < depth:
            for each in term.terms:
                walk(each, level + 1)

    walk(content.root, 0)
    width = max(len(amount) for amount, _, _ in rows)
    return [f"{amount.rjust(width)} {content.unit} {share} {name}" for amount, share, name in rows]
