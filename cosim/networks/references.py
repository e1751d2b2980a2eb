"""The float references, and the LSTM of the digits, as graphs; made of their arrays, without PyTorch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cosim.errors import CosimError, did_you_mean
from cosim.networks.folding import batch_norm, folded
from cosim.networks.graph import Graph, Node, Ref
from cosim.networks.layers.conv import Conv2d
from cosim.networks.layers.linear import Linear
from cosim.networks.layers.lstm import Lstm
from cosim.networks.reference import Reference
from cosim.networks.weights import LstmWeights

Arrays = Mapping[str, NDArray[np.floating]]


def graph_of(reference: Reference | LstmWeights) -> Graph:
    """The network of a float reference, or of the digits' weights.

    Layers: "lstm" and "head" of the LSTMs; "stem", "blocks.0.conv1" .. and "head" of the ResNet. Inputs: sequences
    (batch, steps, inputs); of the language model symbols (batch, steps) and the state (h, c), each (1, batch, hidden),
    or None; of the ResNet images (batch, 3, height, width).

    Raises CosimError for a network that is none of these, and for arrays that do not belong to it.
    """
    if isinstance(reference, LstmWeights):
        return _digits(reference)
    name = reference.metadata.network
    if name not in _GRAPHS:
        raise CosimError(f"no such network.{did_you_mean(name, _GRAPHS)}", key="network", value=name, allowed=_GRAPHS)
    try:
        return _GRAPHS[name](reference.arrays, reference.metadata.config, name)
    except KeyError as error:
        raise CosimError(f"the weights do not fit the network '{name}'", key=str(error.args[0])) from error


def lstm_classifier(arrays: Arrays, config: Mapping[str, Any], name: str = "lstm_classifier") -> Graph:
    """`training.modules.LstmClassifier`: the last hidden state, or the mean of all, goes through a linear layer."""
    head = Linear(arrays["head.weight"], arrays["head.bias"])
    return _classifier(_lstm(arrays), head, name, config.get("pooling", "last"))


def lstm_language_model(arrays: Arrays, config: Mapping[str, Any], name: str = "lstm_language_model") -> Graph:
    """`training.modules.LstmLanguageModel`: symbols and state to logits of the next symbols, and the state."""
    nodes = (
        Node("symbols", "input"),
        Node("state", "input", keywords={"default": None, "batch_axis": 1}),
        Node("one_hot", "one_hot", (Ref("symbols"), int(config["symbols"]))),
        Node("inputs", "float", (Ref("one_hot"),)),
        Node("lstm", "layer", (Ref("inputs"), Ref("state")), target="lstm"),
        Node("states", "getitem", (Ref("lstm"), 0)),
        Node("ended", "getitem", (Ref("lstm"), 1)),
        Node("head", "layer", (Ref("states"),), target="head"),
        Node("output", "output", ((Ref("head"), Ref("ended")),)),
    )
    return Graph(nodes, {"lstm": _lstm(arrays), "head": Linear(arrays["head.weight"], arrays["head.bias"])}, name=name)


def cifar_resnet(arrays: Arrays, config: Mapping[str, Any], name: str = "cifar_resnet") -> Graph:
    """`training.modules.CifarResNet` of any depth 6n + 2 and width, its batch norms folded."""
    blocks = 3 * ((int(config["depth"]) - 2) // 6)
    nodes = [Node("images", "input")]
    layers: dict[str, Any] = {}

    def convolution(layer: str, norm: str, source: str, stride: int = 1) -> str:
        layers[layer] = Conv2d(arrays[f"{layer}.weight"], stride=(stride, stride), padding=(1, 1, 1, 1))
        mean, variance, weight, bias = (
            arrays[f"{norm}.{each}"] for each in ("running_mean", "running_var", "weight", "bias")
        )
        scaled = batch_norm(mean, variance, weight, bias)
        nodes.append(Node(layer, "layer", (Ref(source),), target=layer))
        nodes.append(Node(norm, "scale_and_shift", (Ref(layer),), scaled))
        return norm

    def step(node: str, operation: str, *arguments: Any) -> str:
        nodes.append(Node(node, operation, arguments))
        return node

    features = step("relu", "relu", Ref(convolution("stem", "norm", "images")))
    for n in range(blocks):
        block = f"blocks.{n}"
        outputs, inputs = arrays[f"{block}.conv1.weight"].shape[:2]
        stride = 2 if n and n % (blocks // 3) == 0 else 1
        shortcut = features
        if stride > 1:
            every = (slice(None), slice(None), slice(None, None, stride), slice(None, None, stride))
            shortcut = step(f"{block}.shortcut", "getitem", Ref(shortcut), every)
        if outputs > inputs:
            around = (0, 0, 0, 0, (outputs - inputs) // 2, outputs - inputs - (outputs - inputs) // 2)
            shortcut = step(f"{block}.channels", "pad", Ref(shortcut), around)
        inner = convolution(f"{block}.conv1", f"{block}.norm1", features, stride)
        inner = step(f"{block}.relu1", "relu", Ref(inner))
        inner = convolution(f"{block}.conv2", f"{block}.norm2", inner)
        inner = step(f"{block}.add", "add", Ref(inner), Ref(shortcut))
        features = step(f"{block}.relu2", "relu", Ref(inner))
    layers["head"] = Linear(arrays["head.weight"], arrays["head.bias"])
    pooled = step("mean", "mean", Ref(features), (2, 3))
    nodes.append(Node("head", "layer", (Ref(pooled),), target="head"))
    nodes.append(Node("output", "output", (Ref("head"),)))
    return folded(Graph(tuple(nodes), layers, name=name))


def _classifier(lstm: Lstm, head: Linear, name: str, pooling: str = "last") -> Graph:
    """`pooling`: "last" or "mean" of the hidden states over the steps."""
    pooled = {
        "last": Node("last", "getitem", (Ref("states"), (slice(None), -1))),
        "mean": Node("mean", "mean", (Ref("states"), 1)),
    }
    if pooling not in pooled:
        raise CosimError("no such pooling of the hidden states", key="pooling", value=pooling, allowed=pooled)
    nodes = (
        Node("sequences", "input"),
        Node("lstm", "layer", (Ref("sequences"),), target="lstm"),
        Node("states", "getitem", (Ref("lstm"), 0)),
        pooled[pooling],
        Node("head", "layer", (Ref(pooling),), target="head"),
        Node("output", "output", (Ref("head"),)),
    )
    return Graph(nodes, {"lstm": lstm, "head": head}, name=name)


def _lstm(arrays: Arrays) -> Lstm:
    names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
    return Lstm({each: arrays[f"lstm.{each}"] for each in names}, batch_first=True)


def _digits(weights: LstmWeights) -> Graph:
    """One bias; the rows of each gate's matrix are inputs, hidden state, bias."""
    of_inputs, of_hidden, bias = np.split(weights.gates, [weights.inputs, weights.inputs + weights.hidden], axis=1)
    arrays = {
        "weight_ih_l0": of_inputs.transpose(0, 2, 1).reshape(-1, weights.inputs),
        "weight_hh_l0": of_hidden.transpose(0, 2, 1).reshape(-1, weights.hidden),
        "bias_ih_l0": bias.reshape(-1),
    }
    return _classifier(Lstm(arrays, True), Linear(weights.head_weights.T, weights.head_bias), "digits_lstm")


_GRAPHS: dict[str, Callable[[Arrays, Mapping[str, Any], str], Graph]] = {
    "har_lstm": lstm_classifier,
    "fsdd_lstm": lstm_classifier,
    "ptb_char_lstm": lstm_language_model,
    "cifar10_resnet32": cifar_resnet,
}
