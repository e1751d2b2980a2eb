"""A PyTorch module as a graph, by torch.fx. Imports torch at once, so it is itself imported late.

Tracing runs `forward` once with stand-ins for tensors; what depends on shapes alone is written down and worked out
when data comes. PyTorch's own layers are leaves; what a user wrote is gone through.
"""

from __future__ import annotations

import copy
import inspect
import operator
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, fx, nn
from torch.nn import functional

from cosim.errors import CosimError, did_you_mean
from cosim.networks.folding import batch_norm, folded
from cosim.networks.graph import Graph, Node, Ref
from cosim.networks.layers.linear import Linear
from cosim.networks.layers.protocol import LayerWeights
from cosim.networks.operations import OPERATIONS
from cosim.networks.torch_layers import (
    RECURRENT,
    NotMapped,
    Outside,
    array,
    convolution,
    digital_operation,
    has_hooks,
    layer_weights,
    optional,
)
from cosim.networks.torch_tracing import IN_PLACE, Alone, bound, flat, says, traced_graph

ALL_UNKNOWN = "all unknown"

# methods and functions by other names than the operation's
SAME = dict.fromkeys(("contiguous", "detach", "clone", "cpu", "requires_grad"), "identity") | {
    "type_as": "to", "type": "to", "subtract": "sub", "multiply": "mul", "divide": "div", "true_divide": "div",
    "negative": "neg", "absolute": "abs", "clip": "clamp", "concatenate": "cat",
}  # fmt: skip
STEP_BY_STEP = (nn.Embedding, nn.Linear, nn.LayerNorm, nn.Dropout, nn.Identity, nn.ReLU, nn.Tanh, nn.Sigmoid, nn.GELU)
DROPOUT = ("dropout", "dropout1d", "dropout2d", "alpha_dropout", "feature_alpha_dropout", "feature_dropout")
IGNORED = ("inplace", "memory_format", "non_blocking", "copy", "_stacklevel")  # keywords that make no difference here


def graph_of_module(
    module: nn.Module,
    *,
    digital: Collection[str] | str = (),
    fixed: Mapping[str, Any] | None = None,
    batch_axes: Mapping[str, int | None] | None = None,
) -> Graph:
    """The graph of a trained module, batch norms folded; see `cosim.networks.from_torch.from_torch`."""
    wanted = {digital} if isinstance(digital, str) else set(digital)
    try:
        own = copy.deepcopy(module).cpu().float().eval()
    except (RuntimeError, TypeError) as error:
        reason = str(error).partition(".")[0]
        raise CosimError(
            f"the module cannot be copied ({reason}); make pruning and weight norm permanent first:"
            " torch.nn.utils.prune.remove, torch.nn.utils.remove_weight_norm",
            key=type(module).__name__,
        ) from error
    if has_hooks(own):
        raise CosimError("the module has hooks, which would not run; call what they do in a forward",
                         key=type(module).__name__)  # fmt: skip
    root = Alone(own) if isinstance(own, RECURRENT) else nn.Sequential(own) if _is_layer(own) else own
    traced = traced_graph(root, wanted, fixed or {})
    return folded(_Conversion(root, traced, wanted, dict(batch_axes or {}), type(module).__name__).graph())


def _is_layer(module: nn.Module) -> bool:
    return type(module).__module__.startswith("torch.nn") and not isinstance(module, nn.Sequential)


class _Conversion:
    """Node by node from torch.fx to the graph; what cannot be mapped is gathered and told at once."""

    def __init__(
        self, root: nn.Module, traced: fx.Graph, digital: set[str], batch_axes: dict[str, int | None], name: str
    ) -> None:
        self.root, self.traced, self.digital, self.name = root, traced, digital, name
        self.batch_axes = batch_axes
        self.modules = dict(root.named_modules())
        self.nodes: list[Node] = []
        self.layers: dict[str, LayerWeights] = {}
        self.arrays: dict[str, Any] = {}
        self.functions: dict[str, Any] = {}
        self.unknown: dict[str, str] = {}
        self.used: set[str] = set()

    def graph(self) -> Graph:
        for node in self.traced.nodes:
            getattr(self, f"_{node.op}")(node)
        if self.unknown:
            raise CosimError(
                "these layers cannot be mapped: "
                + "; ".join(f"{name} ({kind})" for name, kind in self.unknown.items())
                + f'. Keep them digital: digital=[names or types], or digital="{ALL_UNKNOWN}"',
                key=self.name,
            )
        for name in self.digital - self.used - {ALL_UNKNOWN}:
            known = sorted({*self.modules, *(type(each).__name__ for each in self.modules.values())} - {""})
            raise CosimError(f"no layer of this name or type.{did_you_mean(name, known)}", key="digital", value=name)
        inputs = [node.name for node in self.nodes if node.operation == "input"]
        for name in self.batch_axes:
            if name not in inputs:
                raise CosimError("the network has no such input", key=name, allowed=inputs)
        return Graph(tuple(self.nodes), self.layers, self.arrays, self.functions, self.name)

    def _placeholder(self, node: fx.Node) -> None:
        keywords: dict[str, Any] = {"default": self._argument(node.args[0])} if node.args else {}
        name = str(node.target)
        if name in self.batch_axes:
            keywords["batch_axis"] = self.batch_axes[name]
        elif self._counts_second(node):
            keywords["batch_axis"] = 1
        self.nodes.append(Node(node.name, "input", keywords=keywords))

    def _counts_second(self, node: fx.Node) -> bool:
        """Whether the batch is the second dimension: of a recurrent layer's state, and of its steps-first sequence,
        also with an embedding or other layers before it that leave steps and batch where they are."""
        for user in node.users:
            module = self.modules.get(str(user.target)) if user.op == "call_module" else None
            if isinstance(module, RECURRENT):
                in_state = node in flat((user.args[1:], dict(user.kwargs)))
                return in_state or not module.batch_first
            along = isinstance(module, STEP_BY_STEP) or (
                user.op == "call_function" and user.target in (operator.getitem, functional.dropout)
            )
            if along and self._counts_second(user):
                return True
        return False

    def _output(self, node: fx.Node) -> None:
        self.nodes.append(Node("output_", "output", (self._argument(node.args[0]),)))

    def _get_attr(self, node: fx.Node) -> None:
        self.arrays[str(node.target)] = array(self._fetched(str(node.target)))
        self.nodes.append(Node(node.name, "constant", target=str(node.target)))

    def _fetched(self, target: str) -> Any:
        value: Any = self.root
        for name in target.split("."):
            value = getattr(value, name)
        return value

    def _call_module(self, node: fx.Node) -> None:
        target = str(node.target)
        module = self.modules[target]
        if self._kept(target, module):
            self._outside(node, target, module)
            return
        reason = ""
        try:
            if has_hooks(module):
                raise NotMapped("it has hooks, which would not run")
            arguments = tuple(bound(module.forward, node.args, dict(node.kwargs)).values())
            weights = self.layers.get(target) or layer_weights(module)
            if weights is not None:
                self.layers[target] = weights
                self._add(node, "layer", self._argument(arguments), target=target)
                return
            found = digital_operation(module)
            if found is not None:
                operation, keywords = found
                self._add(node, operation, self._argument(arguments), keywords)
                return
        except (NotMapped, TypeError) as error:  # also arguments that its forward does not have
            reason = f": {error}"
        self._refused(node, target, module, f"{type(module).__name__}{reason}")

    def _call_function(self, node: fx.Node) -> None:
        name = getattr(node.target, "__name__", str(node.target))
        own = getattr(node.target, "__module__", None) or "torch"
        if node.target is getattr:
            self._add(node, "getattr", self._argument(node.args))
        elif {node.name, name} & self.digital:
            self.used |= {node.name, name} & self.digital
            self._outside(node, node.name, node.target)
        elif own.split(".")[0] not in ("torch", "_operator", "math") or not self._operation(node, name):
            self._refused(node, node.name, node.target, f"{name}, a function")

    def _call_method(self, node: fx.Node) -> None:
        name = str(node.target)

        def method(own: Any, *arguments: Any, **keywords: Any) -> Any:
            return getattr(own, name)(*arguments, **keywords)

        if {node.name, name} & self.digital:
            self.used |= {node.name, name} & self.digital
            self._outside(node, node.name, method)
        elif not self._operation(node, name):
            self._refused(node, node.name, method, f"{name}, a method")

    def _operation(self, node: fx.Node, name: str) -> bool:
        """Add the node as a layer or a digital operation; False when there is none for it."""
        if name in FUNCTIONAL and self._functional(node, name):
            return True
        if name in ("matmul", "mm") and self._product(node):
            return True
        plain = IN_PLACE.get(name, name.rstrip("_") if not name.startswith("_") else name)
        operation = SAME.get(plain, plain)
        arguments, keywords = node.args, dict(node.kwargs)
        if node.op == "call_function" and len(arguments) > 1 and says(node.target, "inplace"):
            arguments, keywords = node.args[:1], bound(node.target, node.args, keywords)
            keywords = dict(list(keywords.items())[1:])
        keywords = {key: value for key, value in keywords.items() if key not in IGNORED}
        if operation in DROPOUT:
            if bound(functional.dropout, node.args, dict(node.kwargs)).get("training", True) is not False:
                return False
            operation, arguments, keywords = "identity", node.args[:1], {}
        if operation not in OPERATIONS or not _takes(operation, arguments, keywords):
            return False
        self._add(node, operation, self._argument(tuple(arguments)), self._argument(keywords))
        return True

    def _product(self, node: fx.Node) -> bool:
        """x W with a matrix of the module's own."""
        matrix = node.args[1] if len(node.args) == 2 else None
        if not (isinstance(matrix, fx.Node) and matrix.op == "get_attr") or node.kwargs:
            return False
        values = array(self._fetched(str(matrix.target)))
        if values.ndim != 2:
            return False
        self.layers[node.name] = Linear(values.T)
        self._add(node, "layer", (self._argument(node.args[0]),), target=node.name)
        return True

    def _functional(self, node: fx.Node, name: str) -> bool:
        """Layers written as functions of the module's own weights."""
        given = bound(FUNCTIONAL[name], node.args, dict(node.kwargs))

        def own(key: str) -> Any:
            value = given.get(key)
            if value is None:
                return None
            if not (isinstance(value, fx.Node) and value.op == "get_attr"):
                raise NotMapped(f"{key} is no parameter of the module")
            return self._fetched(str(value.target))

        try:
            if name == "batch_norm":
                if given.get("training"):
                    return False
                mean, variance = own("running_mean"), own("running_var")
                keywords = batch_norm(array(mean), array(variance), optional(own("weight")), optional(own("bias")),
                                      given.get("eps", 1e-5))  # fmt: skip
                self._add(node, "scale_and_shift", (self._argument(given["input"]),), keywords)
                return True
            weight, bias = own("weight"), own("bias")
            if name == "linear":
                weights: LayerWeights = Linear(array(weight), optional(bias))
            else:
                weights = convolution(
                    weight, bias, given.get("stride", 1), given.get("padding", 0), given.get("dilation", 1),
                    given.get("groups", 1),
                )  # fmt: skip
        except NotMapped:
            return False
        target = str(given["weight"].target).rpartition(".")[0]
        target = target if target and target not in self.layers else node.name
        self.layers[target] = weights
        self._add(node, "layer", (self._argument(given["input"]),), target=target)
        return True

    def _kept(self, target: str, module: nn.Module) -> bool:
        names = {target, type(module).__name__} & self.digital
        self.used |= names
        return bool(names)

    def _refused(self, node: fx.Node, name: str, function: Any, kind: str) -> None:
        if ALL_UNKNOWN in self.digital:
            self._outside(node, name, function)
        else:
            self.unknown[name] = kind

    def _outside(self, node: fx.Node, name: str, function: Any) -> None:
        self.functions[name] = Outside(function)
        self._add(node, "call", self._argument(node.args, False), self._argument(dict(node.kwargs), False), name)

    def _add(
        self, node: fx.Node, operation: str, arguments: tuple[Any, ...], keywords: Any = None, target: str = ""
    ) -> None:
        self.nodes.append(Node(node.name, operation, arguments, keywords or {}, target))

    def _argument(self, value: Any, plain: bool = True) -> Any:
        """An argument of torch.fx as one of the graph; of torch's constants as NumPy's where `plain`."""
        if isinstance(value, fx.Node):
            return Ref(value.name)
        if isinstance(value, tuple | list):
            parts = [self._argument(each, plain) for each in value]
            return parts if isinstance(value, list) else tuple(parts)
        if isinstance(value, Mapping):
            return {name: self._argument(each, plain) for name, each in value.items()}
        if isinstance(value, slice):
            return slice(*(self._argument(each, plain) for each in (value.start, value.stop, value.step)))
        if plain and isinstance(value, torch.dtype):
            return np.dtype(str(value).removeprefix("torch.").replace("bfloat16", "float32"))
        if plain and isinstance(value, torch.device):
            return str(value)
        if plain and isinstance(value, Tensor):
            return array(value)
        return value


FUNCTIONAL: dict[str, Any] = {
    "linear": lambda input, weight, bias=None: None,
    "conv1d": lambda input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1: None,
    "conv2d": lambda input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1: None,
    "batch_norm": functional.batch_norm,
}


def _takes(operation: str, arguments: tuple[Any, ...], keywords: Mapping[str, Any]) -> bool:
    """Whether an operation has such arguments."""
    try:
        inspect.signature(OPERATIONS[operation]).bind(*arguments, **keywords)
    except TypeError:
        return False
    except ValueError:  # a function of C that does not tell
        return not keywords
    return True
