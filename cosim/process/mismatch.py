"""Pelgrom mismatch of the transistors in a netlist.

sigma(dV_T) = A_VT / sqrt(2 W L) and sigma(dbeta/beta) = A_beta / sqrt(2 W L) for one transistor, so that a pair
differs by A / sqrt(W L) (Pelgrom et al., IEEE J. Solid-State Circuits 24, 1433, 1989).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cosim.errors import CosimError
from cosim.process.process import Process, load_process

_TRANSISTOR = re.compile(r"^x\w*\s.*?\b(?P<kind>[np]mos)\b.*$", re.IGNORECASE | re.MULTILINE)
_SIZE = r"\b{}\s*=\s*(?P<number>\d*\.?\d+(?:e[-+]?\d+)?)(?P<prefix>[fpnum]?)"
_PREFIXES = {"": 1.0, "f": 1e-15, "p": 1e-12, "n": 1e-9, "u": 1e-6, "m": 1e-3}
_THRESHOLD = re.compile(r"\bdvt\s*=\s*\{\s*(\w+)\s*\}", re.IGNORECASE)
_FACTOR = re.compile(r"\bdb\s*=\s*\{\s*(\w+)\s*\}", re.IGNORECASE)
_WITHOUT = re.compile(r"^\*\s*mismatch\s+none\b", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True)
class Mismatch:
    """Parameters by which a netlist takes mismatch, and the sigma of each.

    Attributes
    ----------
    names: subcircuit parameters, threshold shifts first, then current factors.
    sigmas: shape (names,) [V] and [1].
    """

    names: tuple[str, ...]
    sigmas: NDArray[np.float64]

    def draw(self, count: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """Values for `count` copies of the circuit, shape (count, names)."""
        return rng.standard_normal((count, len(self.names))) * self.sigmas

    def none(self, count: int) -> NDArray[np.float64]:
        """A circuit without mismatch, `count` times; shape (count, names)."""
        return np.zeros((count, len(self.names)))


def mismatch_of(netlist: str, process: Process | None = None, *, key: str = "comparator") -> Mismatch:
    """The mismatch parameters of a netlist: its transistors with `dvt={..}` and `db={..}`.

    Widths and lengths in metres or with a SPICE prefix, `m=` devices in parallel count as one of their whole area.
    `process` gives the area constants (None: generic180); a channel shorter than it can make is refused. `key` is the
    setting that named the netlist, for messages.
    """
    process = process or load_process("generic180")
    names: tuple[list[str], list[str]] = ([], [])
    sigmas: tuple[list[float], list[float]] = ([], [])
    for found in _TRANSISTOR.finditer(re.sub(r"\n\+", " ", netlist)):
        line = found[0]
        kind = process.nmos if found["kind"].lower() == "nmos" else process.pmos
        threshold, factor = _THRESHOLD.search(line), _FACTOR.search(line)
        if threshold and factor:
            width, length, many = _size("w", line, key), _size("l", line, key), _size("m", line, key, 1.0)
            if length < process.l_min * (1 - 1e-9):
                raise CosimError(
                    f"the process {process.name} cannot make this channel", key=key, value=line,
                    allowed=f"l={process.l_min * 1e6:g}u or longer",
                )  # fmt: skip
            root = np.sqrt(2 * width * length * many)
            names[0].append(threshold[1])
            names[1].append(factor[1])
            sigmas[0].append(kind.a_vt / root)
            sigmas[1].append(kind.a_beta / root)
    if not names[0] and not _WITHOUT.search(netlist):
        raise CosimError(
            f"no transistor of this {key} takes mismatch, so all chips would get the same one; write transistors"
            " as `xm1 d g s b nmos w=8u l=0.5u dvt={dvt1} db={db1}`, or `* mismatch none` in the header",
            key=key,
        )
    return Mismatch((*names[0], *names[1]), np.array([*sigmas[0], *sigmas[1]], dtype=np.float64))


def _size(name: str, line: str, key: str, default: float | None = None) -> float:
    """A number of an instance line, in SI units."""
    found = re.search(_SIZE.format(name), line, re.IGNORECASE)
    if found is None and default is not None:
        return default
    if found is None:
        raise CosimError(f"mismatch needs the transistor's {name}= as a plain number", key=key, value=line)
    return float(found["number"]) * _PREFIXES[found["prefix"].lower()]
