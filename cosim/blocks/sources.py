"""Sources of a deck as SPICE text."""

from __future__ import annotations

from collections.abc import Iterable


def pwl(points: Iterable[tuple[float, float]], digits: int | None = 9, *, per_line: int | None = None) -> str:
    """A piecewise linear source.

    Parameters
    ----------
    points: corners (time [s], value [V] or [A]).
    digits: significant ones of every number; None for as many as bring the same float back.
    per_line: corners in a line of the deck, where ngspice would read one long line slowly; None for a single line.
    """
    corners = [f"{_number(time, digits)} {_number(value, digits)}" for time, value in points]
    size = per_line or max(len(corners), 1)
    lines = [" ".join(corners[first : first + size]) for first in range(0, len(corners), size)]
    return "pwl(" + "\n+ ".join(lines) + ")"


def _number(value: float, digits: int | None) -> str:
    return repr(float(value)) if digits is None else f"{value:.{digits}g}"
