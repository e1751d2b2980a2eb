"""Static trip points of comparators, which an inverting feedback finds in one `.op`.

Each output drives its own input, in = centre + REACH (1 - 2 out / V_DD), and so settles between the supplies where the
trip point is within reach. Beyond it, or with a comparator that does not decide, the output stands at a supply and the
input at the end of the reach: a place that says nothing about the trip point.
"""

from __future__ import annotations

from cosim.spice import Result

REACH = 0.3  # [V], how far from its centre the feedback moves the input
FARTHEST = (
    0.9 * REACH
)  # [V]: an output that stops 5 % of V_DD short of a supply is taken for one that has no trip point


def trip_offset(result: Result, node: str, centre: float) -> float:
    """Trip point above `centre` [V] that the feedback to `node` found; NaN where it found none."""
    offset = float(result[f"v({node})"][0]) - centre
    return offset if abs(offset) < FARTHEST else float("nan")
