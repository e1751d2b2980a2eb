"""A piece of data through a graph: node by node, each value freed after its last use."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from cosim.blocks.ramp_adc.functions import get_function
from cosim.errors import CosimError
from cosim.networks.graph import Graph, Node, replaced
from cosim.networks.layers.protocol import Layer, MatrixWeights, Values
from cosim.networks.operations import COUNTED, GATHERING, OPERATIONS, Extreme
from cosim.networks.sampling import Observer
from cosim.tiles.grid import Grid
from cosim.tiles.matrix import TiledMatrix
from cosim.tiles.together import in_ngspice, products_together


class Matrix(Protocol):
    """What multiplies vectors, on tiles or not."""

    def forward(self, x: NDArray[np.floating], rng: np.random.Generator) -> NDArray[np.float32]: ...


class FloatMatrix:
    """y = g(x W) in float32."""

    def __init__(self, weights: MatrixWeights) -> None:
        self.weights = weights.weights.astype(np.float32)
        self.function: Callable[[Any], Any] | None = None
        if weights.function != "linear":
            self.function = get_function(weights.function).value

    def forward(self, x: NDArray[np.floating], rng: np.random.Generator) -> NDArray[np.float32]:
        """(count, inputs) to (count, outputs)."""
        del rng
        sums = np.asarray(x, np.float32) @ self.weights
        return sums if self.function is None else np.asarray(self.function(sums), np.float32)


class Run:
    """Matrices at work on one piece of data, with their own random streams; counts what is done.

    Attributes
    ----------
    vectors: matrix -> vectors that went through it.
    digital: (layer or node, operation) -> how often.
    """

    def __init__(
        self, matrices: Mapping[str, Matrix], rng: np.random.Generator, observer: Observer | None = None
    ) -> None:
        self.matrices, self.observer = matrices, observer
        self.rngs = dict(zip(matrices, rng.spawn(len(matrices)), strict=True))
        self.vectors: dict[str, int] = dict.fromkeys(matrices, 0)
        self.digital: dict[tuple[str, str], int] = {}

    def product(self, matrix: str, vectors: Values) -> Values:
        """Vectors (count, inputs) through one matrix: (count, outputs)."""
        return self._shown(matrix, vectors, self.matrices[matrix].forward(vectors, self.rngs[matrix]))

    def _shown(self, matrix: str, vectors: Values, results: Values) -> Values:
        self.vectors[matrix] += len(vectors)
        if self.observer is not None:
            self.observer.offer(matrix, vectors, results)
        return results

    def products(self, matrices: Sequence[str], vectors: Values) -> list[Values]:
        """The same vectors through several matrices; what of them is in ngspice runs side by side."""
        tiled = [each for name in matrices if isinstance(each := self.matrices[name], TiledMatrix)]
        if len(tiled) == len(matrices) and any(in_ngspice(each) for each in tiled):
            together = products_together(tiled, vectors, [self.rngs[name] for name in matrices])
            return [self._shown(name, vectors, results) for name, results in zip(matrices, together, strict=True)]
        return [self.product(name, vectors) for name in matrices]

    def grid(self, matrix: str) -> Grid | None:
        """All tiles of a matrix in compiled code; None where there are none, or where its vectors are looked at."""
        if self.observer is not None and self.observer.wants(matrix):
            return None
        each = self.matrices[matrix]
        return each.grid if isinstance(each, TiledMatrix) else None

    def passed(self, matrix: str, vectors: int) -> np.random.Generator:
        """So many vectors go through the grid of a matrix: what its noise is drawn from."""
        self.vectors[matrix] += vectors
        return self.rngs[matrix]

    def count(self, layer: str, operation: str, number: int) -> None:
        """So many digital operations."""
        self.digital[layer, operation] = self.digital.get((layer, operation), 0) + number


def evaluate(
    graph: Graph, layers: Mapping[str, Layer], run: Run, inputs: Mapping[str, Any], freed: Mapping[str, Sequence[str]]
) -> Any:
    """What the graph returns for the values of its inputs; `freed` is its `last_uses`.

    Raises CosimError with the node's name for values that an operation cannot work on.
    """
    values: dict[str, Any] = {}
    for node in graph.nodes:
        if node.operation == "input":
            found = inputs[node.name]
        else:
            arguments = replaced(node.arguments, values.__getitem__)
            keywords = replaced(node.keywords, values.__getitem__)
            if node.operation == "output":
                return arguments[0]
            found = _value(graph, layers, run, node, arguments, keywords)
            del arguments, keywords
        values[node.name] = found
        for name in freed.get(node.name, ()):
            del values[name]
        del found
    raise AssertionError("a graph ends with its output")


def _value(
    graph: Graph,
    layers: Mapping[str, Layer],
    run: Run,
    node: Node,
    arguments: tuple[Any, ...],
    keywords: dict[str, Any],
) -> Any:
    if node.operation == "constant":
        return graph.arrays[node.target]
    if node.operation == "layer":
        return layers[node.target].forward(run, *arguments)
    function = graph.functions[node.target] if node.operation == "call" else OPERATIONS[node.operation]
    try:
        found = function(*arguments, **keywords)
    except CosimError as error:
        key = node.name if error.key is None else f"{node.name}: {error.key}"
        raise CosimError(error.message, key=key, value=error.value, allowed=error.allowed) from error
    except (ValueError, IndexError, TypeError, AttributeError, ZeroDivisionError) as error:
        raise CosimError(f"'{node.operation}' cannot work on these values: {error}", key=node.name) from error
    result = found.values if isinstance(found, Extreme) else found
    if isinstance(result, np.ndarray) and node.operation in COUNTED:
        run.count(node.name, node.operation, _computed(node.operation, arguments, result))
    return found


def _computed(operation: str, arguments: tuple[Any, ...], found: NDArray[Any]) -> int:
    """Operations: one a value of the result; of a sum, a mean or a largest value one for each value that goes in."""
    gathered = operation in GATHERING and bool(arguments) and isinstance(arguments[0], np.ndarray)
    return max(found.size, arguments[0].size) if gathered else found.size
