"""What a simulation's log and vectors say of its success."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from cosim.spice.deck import Failure, FailureKind

# The first pattern that fits a line of the log decides; order matters: causes come before consequences, for a missing
# model also ends in "circuit not parsed", and a function outside its range in "timestep too small".
_PATTERNS: tuple[tuple[FailureKind, re.Pattern[str]], ...] = (
    (
        FailureKind.MISSING_MODEL,
        re.compile(r"unknown (subckt|model)|can't find model|could not find a valid modelname"
                   r"|unable to find definition of model|no such (subckt|model)", re.I),
    ),
    (
        FailureKind.BAD_NETLIST,
        re.compile(r"undefined parameter|too (many|few) parameters|no such function|syntax error|no data saved"
                   r"|no job \(|not enough|unimplemented dot command|unknown (parameter|device|function)"
                   r"|matrix is empty", re.I),
    ),
    (FailureKind.NO_CONVERGENCE, re.compile(r"out of range for|trouble with", re.I)),
    (
        FailureKind.NO_CONVERGENCE,
        re.compile(r"singular matrix|timestep too small|no convergence|convergence problem|iteration limit"
                   r"|source stepping failed|transient op failed", re.I),
    ),
    (FailureKind.NO_CONVERGENCE, re.compile(r"simulation\(s\) aborted", re.I)),
    (
        FailureKind.BAD_NETLIST,
        re.compile(r"\berror\b|syntax|circuit not parsed|no simulations run|simulation not started|bad ", re.I),
    ),
)  # fmt: skip
# ngspice goes on without a line that it does not understand: the numbers are then those of another circuit.
_LINE_LEFT_OUT = re.compile(
    r"is not a valid \w+ instance line, ignored|could not be set up properly, ignored|will be replaced with '\*'"
    r"|on non-existent node|redefinition of \.subckt",
    re.I,
)


def classify(log: str, signals: Mapping[str, NDArray[np.float64]], saves: Sequence[str]) -> Failure | None:
    """None when every saved signal is there, complete and finite; else what failed.

    The vectors decide, not the log: gmin stepping and "singular matrix" warnings are printed by runs that end
    well. The log only names the cause; and it tells when ngspice left out a line of the netlist.
    """
    left_out = _first_line(log, _LINE_LEFT_OUT)
    if left_out:
        return Failure(FailureKind.BAD_NETLIST, left_out)
    if signals:
        points = max(len(values) for values in signals.values())
        wanted = [name.lower() for name in saves]
        missing = [name for name in wanted if len(signals.get(name, ())) != points]
        aborted = _find(log, (FailureKind.NO_CONVERGENCE,), ("timestep too small", "aborted"))
        if not missing and points and not aborted:
            for name in wanted:
                if not np.isfinite(signals[name]).all():
                    return Failure(FailureKind.NOT_FINITE, f"{name} has values that are not finite")
            return None
        if aborted:
            return _find(log, (FailureKind.NO_CONVERGENCE,))
        if missing:
            return Failure(FailureKind.BAD_NETLIST, f"no vector for {', '.join(missing)}")
    return _find(log, tuple(kind for kind, _ in _PATTERNS)) or Failure(
        FailureKind.CRASH, _last_line(log) or "the simulator returned no vectors and printed nothing"
    )


def _find(log: str, kinds: tuple[FailureKind, ...], words: tuple[str, ...] = ()) -> Failure | None:
    for kind, pattern in _PATTERNS:
        line = _first_line(log, pattern, words) if kind in kinds else ""
        if line:
            return Failure(kind, line)
    return None


def _first_line(log: str, pattern: re.Pattern[str], words: tuple[str, ...] = ()) -> str:
    """The first line that fits the pattern and holds one of the words, with what belongs to it; or "".

    ngspice breaks its messages: "Error on line 6 or its substitute:", then the netlist line, then what is wrong.
    """
    lines = _lines(log)
    for number, line in enumerate(lines):
        if pattern.search(line) and (not words or any(word in line.lower() for word in words)):
            more = 2 if line.endswith("substitute:") else bool(re.search(r"(:|from line|included files, .*)$", line))
            return " ".join(lines[number : number + 1 + more])
    return ""


def _last_line(log: str) -> str:
    return next(reversed(_lines(log)), "")


def _lines(log: str) -> list[str]:
    """The log without empty lines and without the deck's title, which may say anything."""
    lines = (line.strip() for line in log.splitlines())
    return [line for line in lines if line and not line.startswith("Circuit:")]
