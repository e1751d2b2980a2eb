"""Pelgrom mismatch of the transistors in a comparator netlist.

sigma(dV_T) = A_VT / sqrt(2 W L) and sigma(dbeta/beta) = A_beta / sqrt(2 W L) for one transistor, so that a pair
differs by A / sqrt(W L) (Pelgrom et al., IEEE J. Solid-State Circuits 24, 1433, 1989).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

A_VT = 4.1e-9  # [V m] (4.1 mV um): 1 mV um per nm of gate oxide, as generic180.cir says
A_BETA = 1e-8  # [m] (1 % um)

_TRANSISTOR = re.compile(
    r"^m(?P<name>\w+)\s.*?\bw=(?P<w>[\d.]+)u\s+l=(?P<l>[\d.]+)u\s+delvto=\{(?P<dvt>\w+)\}\s+mulu0=\{1\+(?P<db>\w+)\}",
    re.IGNORECASE | re.MULTILINE,
)


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
    """The mismatch parameters of a comparator netlist: its transistors with `delvto={..} mulu0={1+..}`."""
    found = [match.groupdict() for match in _TRANSISTOR.finditer(netlist)]
    root = np.array([np.sqrt(2 * float(each["w"]) * float(each["l"])) * 1e-6 for each in found])
    names = tuple(each["dvt"] for each in found) + tuple(each["db"] for each in found)
    sigmas = np.concatenate([A_VT / root, A_BETA / root]) if found else np.empty(0)
    return Mismatch(names, sigmas)
