"""What a simulation's log and vectors say of its success."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from cosim.spice.deck import Failure, FailureKind

# The first pattern that fits a line of the log decides; order matters, for a missing model also ends in
# "circuit not parsed".
_PATTERNS: tuple[tuple[FailureKind, re.Pattern[str]], ...] = (
    (
        FailureKind.MISSING_MODEL,
        re.compile(r"(unknown (subckt|model)|can't find model|could not find a valid modelname"
                   r"|unable to find definition of model|no such (subckt|model))", re.I),
    ),
    (
        FailureKind.NO_CONVERGENCE,
        re.compile(r"(timestep too small|singular matrix|no convergence|convergence problem|iteration limit"
                   r"|source stepping failed|simulation\(s\) aborted|transient op failed)", re.I),
    ),
    (
        FailureKind.BAD_NETLIST,
        re.compile(r"(\berror\b|undefined parameter|syntax|circuit not parsed|no simulations run"
                   r"|unknown (parameter|device|function)|not enough|bad )", re.I),
    ),
)  # fmt: skip


def classify(log: str, signals: Mapping[str, NDArray[np.float64]], saves: Sequence[str]) -> Failure | None:
    """None when every saved signal is there, complete and finite; else what failed.

    The vectors decide, not the log: gmin stepping and "singular matrix" warnings are printed by runs that end
    well. The log only names the cause.
    """
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
            return aborted
        if missing:
            return Failure(FailureKind.BAD_NETLIST, f"no vector for {', '.join(missing)}")
    return _find(log, tuple(kind for kind, _ in _PATTERNS)) or Failure(
        FailureKind.CRASH, _last_line(log) or "the simulator returned no vectors and printed nothing"
    )


def _find(log: str, kinds: tuple[FailureKind, ...], words: tuple[str, ...] = ()) -> Failure | None:
    for kind, pattern in _PATTERNS:
        if kind not in kinds:
            continue
        for line in log.splitlines():
            if pattern.search(line) and (not words or any(word in line.lower() for word in words)):
                return Failure(kind, line.strip())
    return None


def _last_line(log: str) -> str:
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    return lines[-1] if lines else ""
