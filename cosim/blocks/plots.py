"""What a block wants drawn of its data set, in words; `cosim.reports.characteristics` draws it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Kind = Literal["line", "points", "histogram", "image"]


@dataclass(frozen=True)
class Plot:
    """One picture of a data set. Axis labels are the variables' long names and units.

    Attributes
    ----------
    name: stem of the file.
    title: what the picture shows.
    y: variables drawn, with a common unit (several: one line each); of an "image" and a "histogram" the first.
    x: variable or coordinate along the horizontal axis; None for a "histogram". An "image" has the variable's last
        dimension along it.
    by: dimension or coordinate of which every value gives a line of its own.
    kind: "line", "points", "histogram" (of all values) or "image".
    log_x, log_y: logarithmic axes.
    where: coordinate or dimension -> the value (or index, of a dimension without coordinate) that is shown; a
        dimension that is neither x, by nor in `where` gives lines of its own, all of one colour.
    """

    name: str
    title: str
    y: tuple[str, ...]
    x: str | None = None
    by: str | None = None
    kind: Kind = "line"
    log_x: bool = False
    log_y: bool = False
    where: Mapping[str, Any] = field(default_factory=dict)
