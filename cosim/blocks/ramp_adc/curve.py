"""An activation function given as a table: a CSV file with a header and the columns x and y."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator

from cosim.errors import CosimError

Array = NDArray[np.float64]
Points = tuple[tuple[float, float], ...]

COLUMNS = ("x", "y")
FEWEST, MOST = 2, 1024  # rows; they travel inside configurations and models


def read_points(path: str | Path) -> Points:
    """The points (x, y) of a CSV file, in order of rising x.

    The header names the columns `x` (input in units of the MAC result) and `y` (activation); lines that begin with #
    are comments. Raises CosimError naming file, line and value: missing or empty file, wrong columns, what is not a
    finite number, x that does not rise, too few or too many rows.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise CosimError(f"cannot read this table: {error}", file=path, key="function") from error
    lines = [(n, line) for n, line in enumerate(text.splitlines(), 1) if line.strip() and not line.startswith("#")]
    if not lines:
        raise CosimError("this table is empty", file=path, allowed="a header 'x,y' and at least two rows of numbers")
    rows = [next(csv.reader([line])) for _, line in lines]
    header = [name.strip().lower() for name in rows[0]]
    if header != list(COLUMNS):
        raise CosimError("the columns of this table are not x and y", file=path, value=rows[0], allowed="x,y")
    points = tuple(_point(row, path, number) for row, (number, _) in zip(rows[1:], lines[1:], strict=True))
    check_points(points, path, [number for number, _ in lines[1:]])
    return points


def _point(row: list[str], path: Path, number: int) -> tuple[float, float]:
    if len(row) != 2:
        raise CosimError("a row must hold two numbers", file=path, key=f"line {number}", value=",".join(row))
    try:
        x, y = (float(each) for each in row)
    except ValueError as error:
        raise CosimError("this is not a number", file=path, key=f"line {number}", value=",".join(row)) from error
    if not (math.isfinite(x) and math.isfinite(y)):
        raise CosimError("this is not a finite number", file=path, key=f"line {number}", value=",".join(row))
    return x, y


def check_points(points: Points, path: Path | None = None, lines: list[int] | None = None) -> None:
    """CosimError unless there are enough points, and x rises strictly from each to the next."""
    if not FEWEST <= len(points) <= MOST:
        raise CosimError(
            "this table has too few or too many rows", file=path, key=None if path else "points", value=len(points),
            allowed=f"{FEWEST} to {MOST}",
        )  # fmt: skip
    for n in range(1, len(points)):
        if not points[n][0] > points[n - 1][0]:
            raise CosimError(
                "x must rise from row to row", file=path, key=f"line {lines[n]}" if lines else "points",
                value=points[n][0], allowed=f"above {points[n - 1][0]:g}",
            )  # fmt: skip


def curve_through(points: Points) -> Callable[[Array], Array]:
    """The function through the points; constant beyond its ends.

    Piecewise cubic and as monotonic as the points are, without overshoot (Fritsch and Butland, SIAM J. Sci. Stat.
    Comput. 5, 300, 1984); a straight line through two points.
    """
    x, y = np.array(points, dtype=np.float64).T
    inner = PchipInterpolator(x, y)

    def function(at: Array) -> Array:
        return np.asarray(inner(np.clip(np.asarray(at, dtype=np.float64), x[0], x[-1])))

    return function
