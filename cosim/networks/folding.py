"""Batch norm in inference is y = x scale + shift of each channel; behind a matrix it becomes part of the weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cosim.networks.graph import Graph, Node, Ref, replaced
from cosim.networks.layers.conv import Conv2d
from cosim.networks.layers.linear import Linear


def batch_norm(
    mean: NDArray, variance: NDArray, weight: NDArray | None = None, bias: NDArray | None = None, eps: float = 1e-5
) -> dict[str, NDArray[np.float64]]:
    """Keywords of a node "scale_and_shift" for batch norm with these running statistics, each (channels,).

    scale = weight / sqrt(variance + eps), shift = bias - mean scale. Source: S. Ioffe, C. Szegedy, ICML 2015.
    """
    scale = 1 / np.sqrt(np.asarray(variance, np.float64) + eps)
    if weight is not None:
        scale = scale * np.asarray(weight, np.float64)
    shift = -np.asarray(mean, np.float64) * scale
    if bias is not None:
        shift = shift + np.asarray(bias, np.float64)
    return {"scale": scale, "shift": shift}


def folded(graph: Graph) -> Graph:
    """The graph with every scale-and-shift that directly follows a convolution or a linear layer folded into it.

    One stays digital where somebody else needs the values before it, or the layer's weights are used twice; in float32.
    """
    layers = dict(graph.layers)
    uses: dict[str, int] = {}
    for node in graph.nodes:
        if node.operation == "layer":
            uses[node.target] = uses.get(node.target, 0) + 1
    by_name = {node.name: node for node in graph.nodes}
    gone: dict[str, str] = {}
    for node in graph.nodes:
        before = node.arguments[0] if node.operation == "scale_and_shift" else None
        source = by_name[before.node] if isinstance(before, Ref) else None
        if source is None or source.operation != "layer" or uses[source.target] > 1:
            continue
        scaled = _scaled(layers[source.target], node.keywords)
        if scaled is not None and len(graph.users(source.name)) == 1:
            layers[source.target] = scaled
            gone[node.name] = source.name
    nodes = tuple(_renamed(_single(node), gone) for node in graph.nodes if node.name not in gone)
    return replace(graph, nodes=nodes, layers=layers)


def _scaled(weights: Any, keywords: Mapping[str, Any]) -> Any:
    """The layer with its outputs scaled and shifted; None where their channels are not those of the batch norm."""
    scale, shift = keywords["scale"], keywords["shift"]
    if isinstance(weights, Conv2d) and len(weights.weight) == len(scale):
        return weights.scaled(scale, shift)
    if isinstance(weights, Linear) and len(weights.weight) == len(scale):
        bias = 0.0 if weights.bias is None else np.asarray(weights.bias, np.float64)
        return Linear(np.asarray(weights.weight, np.float64) * scale[:, None], bias * scale + shift, normalised=True)
    return None


def _single(node: Node) -> Node:
    if node.operation != "scale_and_shift":
        return node
    return replace(node, keywords={name: np.asarray(value, np.float32) for name, value in node.keywords.items()})


def _renamed(node: Node, gone: Mapping[str, str]) -> Node:
    """With references to the folded nodes leading to the layers before them."""
    return replace(
        node,
        arguments=replaced(node.arguments, lambda name: Ref(gone.get(name, name))),
        keywords=replaced(node.keywords, lambda name: Ref(gone.get(name, name))),
    )
