"""Data that a network works through: arrays, memory-mapped files, or a function that makes examples when asked.

Whatever has a length, a `shape` and gives examples for a slice will do; so a data set of any size goes through piece by
piece.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cosim.errors import CosimError
from cosim.networks.graph import Graph, Node


class Examples:
    """Examples that `make` is asked for, a slice at a time.

    Parameters
    ----------
    length: how many there are.
    make: slice -> array (examples, ...).
    """

    def __init__(self, length: int, make: Callable[[slice], NDArray]) -> None:
        self._length, self._make = length, make

    def __len__(self) -> int:
        return self._length

    @property
    def shape(self) -> tuple[int, ...]:
        """(examples, ...)."""
        return (self._length, *np.shape(self[0:1])[1:])

    def __getitem__(self, at: slice) -> NDArray:
        return np.asarray(self._make(at))


def named(graph: Graph, data: Any) -> dict[str, Any]:
    """Data by the names of the graph's inputs: given alone for the first input, as a tuple in their order, or by name.

    Inputs with a default may be left out. Raises CosimError for too few, too many, or unknown ones.
    """
    nodes = {node.name: node for node in graph.inputs}
    if isinstance(data, Mapping):
        given = dict(data)
    else:
        values = data if isinstance(data, tuple) else (data,)
        if len(values) > len(nodes):
            raise CosimError(f"{len(values)} inputs given for {len(nodes)}", key=graph.name, allowed=list(nodes))
        given = dict(zip(nodes, values, strict=False))
    for name in given:
        if name not in nodes:
            raise CosimError("the network has no such input", key=name, allowed=list(nodes))
    for name, node in nodes.items():
        if name not in given:
            if "default" not in node.keywords:
                raise CosimError("this input of the network is missing", key=name, allowed=list(nodes))
            given[name] = node.keywords["default"]
    return {name: _as_data(given[name]) for name in nodes}


def _as_data(value: Any) -> Any:
    """Lists as arrays; what has a shape stays what it is."""
    if isinstance(value, tuple):
        return tuple(_as_data(each) for each in value)
    return np.asarray(value) if isinstance(value, list) else value


def batch_axis(node: Node) -> int | None:
    """The dimension of an input that counts examples; None for one that every piece takes whole."""
    axis: int | None = node.keywords.get("batch_axis", 0)
    return axis


def count_of(graph: Graph, data: Mapping[str, Any]) -> int | None:
    """How many examples there are; None where no input counts them. CosimError when inputs do not agree."""
    found: int | None = None
    for node in graph.inputs:
        axis = batch_axis(node)
        for leaf in _leaves(data[node.name]):
            if axis is None:
                continue
            shape = tuple(leaf.shape)
            if len(shape) <= axis:
                raise CosimError(
                    f"values of shape {shape} have no dimension {axis}, which counts the examples", key=node.name
                )
            if found is not None and shape[axis] != found:
                raise CosimError("inputs of different numbers of examples", key=node.name, value=shape[axis],
                                 allowed=str(found))  # fmt: skip
            found = shape[axis]
    return found


def _leaves(value: Any) -> list[Any]:
    if isinstance(value, tuple):
        return [leaf for each in value for leaf in _leaves(each)]
    return [value] if hasattr(value, "shape") else []


def part(graph: Graph, data: Mapping[str, Any], at: slice) -> dict[str, Any]:
    """The examples of a slice; CosimError for values that are not finite."""
    return {node.name: _part(node.name, data[node.name], batch_axis(node), at) for node in graph.inputs}


def _part(name: str, value: Any, axis: int | None, at: slice) -> Any:
    if isinstance(value, tuple):
        return tuple(_part(name, each, axis, at) for each in value)
    if not hasattr(value, "shape"):
        return value
    some = np.asarray(value[at] if axis == 0 else value if axis is None else value[(*(slice(None),) * axis, at)])
    if np.issubdtype(some.dtype, np.floating):
        if not np.isfinite(some).all():
            raise CosimError("inputs must be finite numbers", key=name, value=float(some[~np.isfinite(some)][0]))
        with np.errstate(over="ignore"):
            single = some.astype(np.float32, copy=False)
        if not np.isfinite(single).all():
            raise CosimError("inputs beyond what float32 holds", key=name, value=float(np.abs(some).max()))
        return single
    if not (np.issubdtype(some.dtype, np.integer) or some.dtype == bool):
        raise CosimError("inputs must be numbers", key=name, value=str(some.dtype))
    return some
