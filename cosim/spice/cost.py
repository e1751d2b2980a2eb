"""How long a deck may take beside others of its run, guessed from its text: only for the remaining time shown."""

from __future__ import annotations

import math

from cosim.errors import CosimError
from cosim.spice.deck import Deck
from cosim.spice.timestep import TranLine, spice_number


def expected_cost(deck: Deck) -> float:
    """Lines of the circuit times points of the analysis: a measure to compare decks by, without unit.

    The sparse matrix of a circuit is solved in about the time in which its elements are evaluated, so lines count
    linearly. An analysis that cannot be read counts as one point.
    """
    return (deck.circuit.count("\n") + 1) * max((points_of(line) for line in deck.analyses), default=1.0)


def points_of(analysis: str) -> float:
    """Points of an analysis line, at least 1: time steps of the longest size allowed, or the values of its sweeps."""
    words = analysis.lower().split()
    kind = words[0] if words else ""
    if kind == ".tran":
        try:
            return TranLine.read(analysis).points
        except CosimError:
            return 1.0
    numbers = [spice_number(word) or 0.0 for word in words]
    if kind == ".dc":
        points = 1.0
        for first in range(2, len(words) - 2, 4):  # source start stop step, once or twice
            start, stop, step = numbers[first : first + 3]
            points *= abs((stop - start) / step) + 1 if step else 1.0
        return points
    way = next((number for number, word in enumerate(words) if word in ("dec", "oct", "lin")), None)
    if kind in (".ac", ".noise") and way is not None and len(words) > way + 3:
        count, low, high = numbers[way + 1 : way + 4]
        if words[way] == "lin":
            return max(count, 1.0)
        return max(count * math.log(high / low, 10 if words[way] == "dec" else 2), 1.0) if high > low > 0 else 1.0
    return 1.0
