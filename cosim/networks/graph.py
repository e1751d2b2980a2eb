"""A network as a graph: what is computed from what, with its weights as plain arrays; PyTorch is not needed.

Nodes stand in the order of their evaluation. An argument of a node is a constant, a `Ref` to an earlier node, or a
tuple, list, dictionary or slice of such. Operations:

    input      one of the network's inputs; `keywords` may hold a default
    output     what the network returns: its one argument, of any structure
    layer      `target` names one of the layers, whose matrices go onto tiles
    constant   `target` names one of the arrays
    call       `target` names one of the functions: NumPy arrays in and out
    (others)   a digital operation of `cosim.networks.operations`, with the arguments of PyTorch's function of that name
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from cosim.errors import CosimError, did_you_mean
from cosim.networks.layers.protocol import LayerWeights
from cosim.networks.operations import OPERATIONS

STRUCTURAL = ("input", "output", "layer", "constant", "call")


@dataclass(frozen=True)
class Ref:
    """Stands for the value of the node of that name."""

    node: str


@dataclass(frozen=True)
class Node:
    """One step of the computation; see the module for its operations.

    Attributes
    ----------
    name: unique in the graph.
    operation: what is done.
    arguments, keywords: what it is done with.
    target: layer, array or function, for the operations that name one.
    """

    name: str
    operation: str
    arguments: tuple[Any, ...] = ()
    keywords: Mapping[str, Any] = field(default_factory=dict)
    target: str = ""


@dataclass(frozen=True)
class Graph:
    """Nodes and weights of a network.

    Attributes
    ----------
    nodes: in the order of their evaluation, the output last.
    layers: layer -> its weights.
    arrays: constant -> its values.
    functions: what runs outside of cosim, by the names of `call` nodes.
    name: of the network.

    Raises CosimError when a name is used twice, refers to nothing that stands before it, or an operation is unknown.
    """

    nodes: tuple[Node, ...]
    layers: Mapping[str, LayerWeights] = field(default_factory=dict)
    arrays: Mapping[str, NDArray] = field(default_factory=dict)
    functions: Mapping[str, Callable[..., Any]] = field(default_factory=dict)
    name: str = "network"

    def __post_init__(self) -> None:
        known = {"layer": self.layers, "constant": self.arrays, "call": self.functions}
        seen: set[str] = set()
        for node in self.nodes:
            if node.name in seen:
                raise CosimError("two nodes of the graph have the same name", key=node.name)
            if node.operation not in STRUCTURAL and node.operation not in OPERATIONS:
                raise CosimError(
                    f"unknown operation.{did_you_mean(node.operation, OPERATIONS)}", key=node.name, value=node.operation
                )
            for ref in refs((node.arguments, node.keywords)):
                if ref not in seen:
                    raise CosimError("an argument is no earlier node", key=node.name, value=ref)
            if node.target not in known.get(node.operation, {"": None}):
                raise CosimError(f"there is no such {node.operation}", key=node.name, value=node.target)
            seen.add(node.name)
        if not self.nodes or self.nodes[-1].operation != "output":
            raise CosimError("the last node of a graph is its output", key=self.name)

    @property
    def inputs(self) -> tuple[Node, ...]:
        """The input nodes, in the order in which the network takes its inputs."""
        return tuple(node for node in self.nodes if node.operation == "input")

    def last_uses(self) -> dict[str, tuple[str, ...]]:
        """Node -> the nodes whose values nobody needs once it has been evaluated."""
        last: dict[str, str] = {}
        for node in self.nodes:
            if node.operation != "output":
                last[node.name] = node.name
            for ref in refs((node.arguments, node.keywords)):
                last[ref] = node.name
        freed: dict[str, tuple[str, ...]] = {}
        for name, user in last.items():
            freed[user] = (*freed.get(user, ()), name)
        return freed

    def users(self, name: str) -> list[Node]:
        """The nodes that take the value of a node."""
        return [node for node in self.nodes if name in set(refs((node.arguments, node.keywords)))]


def refs(value: Any) -> Iterator[str]:
    """Names of all nodes that a structure of arguments refers to."""
    if isinstance(value, Ref):
        yield value.node
    elif isinstance(value, tuple | list):
        for each in value:
            yield from refs(each)
    elif isinstance(value, Mapping):
        yield from refs(list(value.values()))
    elif isinstance(value, slice):
        yield from refs((value.start, value.stop, value.step))


def replaced(value: Any, of: Callable[[str], Any]) -> Any:
    """A structure of arguments with `of(name)` in place of each Ref."""
    if isinstance(value, Ref):
        return of(value.node)
    if isinstance(value, tuple):
        return tuple(replaced(each, of) for each in value)
    if isinstance(value, list):
        return [replaced(each, of) for each in value]
    if isinstance(value, Mapping):
        return {name: replaced(each, of) for name, each in value.items()}
    if isinstance(value, slice):
        return slice(*(replaced(each, of) for each in (value.start, value.stop, value.step)))
    return value
