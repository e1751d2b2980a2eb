"""Pelgrom mismatch of the transistors in a comparator netlist.

sigma(dV_T) = A_VT / sqrt(2 W L) and sigma(dbeta/beta) = A_beta / sqrt(2 W L) for one transistor, so that a pair
differs by A / sqrt(W L) (Pelgrom et al., IEEE J. Solid-State Circuits 24, 1433, 1989).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cosim.errors import CosimError

A_VT = 4.1e-9  # [V m] (4.1 mV um): 1 mV um per nm of gate oxide, as generic180.cir says
A_BETA = 1e-8  # [m] (1 % um)

_TRANSISTOR = re.compile(r"^m\w*\s.*$", re.IGNORECASE | re.MULTILINE)
_SIZE = r"\b{}\s*=\s*(?P<number>\d*\.?\d+(?:e[-+]?\d+)?)(?P<prefix>[fpnum]?)"
_PREFIXES = {"": 1.0, "f": 1e-15, "p": 1e-12, "n": 1e-9, "u": 1e-6, "m": 1e-3}
_THRESHOLD = re.compile(r"\bdelvto\s*=\s*\{\s*(\w+)\s*\}", re.IGNORECASE)
_FACTOR = re.compile(r"\bmulu0\s*=\s*\{\s*1\s*\+\s*(\w+)\s*\}", re.IGNORECASE)
_WITHOUT = re.compile(r"^\*\s*mismatch\s+none\b", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True)
class Mismatch:
    """Parameters by which a comparator netlist takes mismatch, and the sigma of each.

    Attributes
    ----------
    names: subcircuit parameters, threshold shifts first, then current factors.
    sigmas: shape (names,) [V] and [1].
    """

    names: tuple[str, ...]
    sigmas: NDArray[np.float64]

    def draw(self, count: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """Values for `count` comparators, shape (count, names)."""
        return rng.standard_normal((count, len(self.names))) * self.sigmas

    def none(self, count: int) -> NDArray[np.float64]:
        """A comparator without mismatch, `count` times; shape (count, names)."""
        return np.zeros((count, len(self.names)))


def mismatch_of(netlist: str) -> Mismatch:
    """The mismatch parameters of a comparator netlist: its transistors with `delvto={..}` and `mulu0={1+..}`.

    Widths and lengths in metres or with a SPICE prefix, `m=` devices in parallel count as one of their whole area.
    """
    names: tuple[list[str], list[str]] = ([], [])
    roots = []
    for line in _TRANSISTOR.findall(re.sub(r"\n\+", " ", netlist)):
        threshold, factor = _THRESHOLD.search(line), _FACTOR.search(line)
        if threshold and factor:
            names[0].append(threshold[1])
            names[1].append(factor[1])
            roots.append(np.sqrt(2 * _size("w", line) * _size("l", line) * _size("m", line, 1.0)))
    if not roots and not _WITHOUT.search(netlist):
        raise CosimError(
            "no transistor of this comparator takes mismatch, so all chips would get the same one; write transistors"
            " as `m1 d g s b model w=8u l=0.5u delvto={dvt1} mulu0={1+db1}`, or `* mismatch none` in the header",
            key="comparator",
        )
    root = np.array(roots)
    return Mismatch((*names[0], *names[1]), np.concatenate([A_VT / root, A_BETA / root]))


def _size(name: str, line: str, default: float | None = None) -> float:
    """A number of an instance line, in SI units."""
    found = re.search(_SIZE.format(name), line, re.IGNORECASE)
    if found is None and default is not None:
        return default
    if found is None:
        raise CosimError(f"mismatch needs the transistor's {name}= as a plain number", key="comparator", value=line)
    return float(found["number"]) * _PREFIXES[found["prefix"].lower()]
