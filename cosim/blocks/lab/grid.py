"""Rows of a table -> arrays over the values that their index columns take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cosim.blocks.dataset import Entry
from cosim.blocks.lab.rows import Rows
from cosim.errors import CosimError

Array = NDArray[np.float64]
LARGEST_GRID = 20_000_000  # points; more are rows that share no values of their index columns


@dataclass(frozen=True)
class Axis:
    """A dimension of the data set.

    Attributes
    ----------
    name, unit, description: of the dimension's coordinate; the quantity of the same name gives its values.
    order: of texts; those of other texts follow the numbers in them.
    extra: it is a dimension only where it takes more than one value: the simulated data set has none.
    """

    name: str
    unit: str
    description: str
    order: tuple[str, ...] = ()
    extra: bool = False


@dataclass(frozen=True)
class Grid:
    """Values over axes.

    Attributes
    ----------
    dims: names of the axes that are dimensions, in order.
    coords: their coordinates; of an axis of texts that stand for things (`device`) numbers, and the texts by `_name`.
    values: quantity -> array over `dims`, NaN where no row gives it.
    complete: no point of the grid is missing.
    """

    dims: tuple[str, ...]
    coords: dict[str, Entry]
    values: dict[str, Array]
    complete: bool


def in_order(name: str) -> tuple[bool, int, str]:
    """Sorts names: those that are numbers by the number, then the others."""
    return (not name.isdecimal(), int(name) if name.isdecimal() else 0, name)


def gridded(
    rows: Rows, axes: Sequence[Axis], quantities: Sequence[str], given: Mapping[str, Array] | None = None
) -> Grid:
    """The quantities of all rows over the axes.

    `given` replaces columns of the rows. Raises CosimError when two rows have the same place, or the rows' index
    columns have next to no values in common.
    """
    dims: list[str] = []
    coords: dict[str, Entry] = {}
    shape: list[int] = []
    places: list[NDArray[np.int64]] = []
    for axis in axes:
        own = _axis_values(rows, axis, given or {})
        known, where = _sorted_values(own, axis)
        if axis.extra and len(known) == 1:
            continue
        dims.append(axis.name)
        shape.append(len(known))
        places.append(where)
        coords |= _coordinate(axis, known)
    if np.prod(shape, dtype=float) > LARGEST_GRID:
        raise CosimError(
            f"the rows have next to no values of {', '.join(dims)} in common", file=rows.file,
            key=f"{rows.key or 'columns'}", value=" x ".join(str(size) for size in shape),
            allowed=f"a grid of at most {LARGEST_GRID} points; take set values, not the readings of a meter",
        )  # fmt: skip
    flat = np.ravel_multi_index(places, shape) if dims else np.zeros(len(rows), dtype=np.int64)
    order = np.argsort(flat, kind="stable")
    again = np.flatnonzero(np.diff(flat[order]) == 0)
    if again.size:
        row, earlier = int(order[again[0] + 1]), int(order[again[0]])
        at = ", ".join(f"{axis.name} = {_axis_values(rows, axis, given or {})[row]}" for axis in axes)
        raise rows.refuse(row, f"{rows.first_of(row, earlier)} has this point already", key=axes[-1].name, value=at)
    values = {}
    for name in quantities:
        array = np.full(int(np.prod(shape)), np.nan)
        array[flat] = (given or {}).get(name, rows.numbers(name))
        values[name] = array.reshape(shape)
    complete = all(bool(np.isfinite(values[name]).all()) for name in quantities)
    return Grid(tuple(dims), coords, values, complete)


def _axis_values(rows: Rows, axis: Axis, given: Mapping[str, Array]) -> NDArray[np.object_] | Array:
    if axis.name in given:
        return given[axis.name]
    if axis.name in rows.values:
        return rows.values[axis.name]
    return np.full(len(rows), "0", dtype=object) if axis.unit == "text" else np.zeros(len(rows))


def _sorted_values(values: NDArray[np.object_] | Array, axis: Axis) -> tuple[list[str] | Array, NDArray[np.int64]]:
    """The different values of an axis, and the place of each row's among them."""
    if axis.unit != "text":
        known, where = np.unique(np.asarray(values, dtype=np.float64), return_inverse=True)
        return known, where
    texts = [str(each) for each in values]
    names = [each for each in axis.order if each in texts] or sorted(set(texts), key=in_order)
    place = {name: number for number, name in enumerate(names)}
    return names, np.array([place[text] for text in texts], dtype=np.int64)


def _coordinate(axis: Axis, known: list[str] | Array) -> dict[str, Entry]:
    per = (axis.name,)
    if axis.order:
        return {axis.name: (per, np.array(known, dtype=object), "1", axis.description)}
    if axis.unit == "text":
        return {
            axis.name: (per, np.arange(len(known)), "1", f"{axis.description}, in the order of their names"),
            f"{axis.name}_name": (per, np.array(known, dtype=object), "1", f"name of the {axis.description}"),
        }
    if axis.unit == "whole":
        return {axis.name: (per, np.asarray(known).astype(np.int64), "1", axis.description)}
    return {axis.name: (per, np.asarray(known), axis.unit, axis.description)}
