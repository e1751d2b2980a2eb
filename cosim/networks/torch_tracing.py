"""torch.fx on a user's module: what stays whole, sizes that follow from data, operations in place. Imports torch."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Collection, Iterator, Mapping
from typing import Any
from unittest import mock

import torch
from torch import Tensor, fx, nn

from cosim.errors import CosimError, did_you_mean
from cosim.networks.torch_layers import RECURRENT

VIEWS = ("getitem", "view", "reshape", "flatten", "unflatten", "permute", "transpose", "swapaxes", "t", "squeeze",
         "unsqueeze", "expand", "chunk", "split", "unbind", "select", "narrow", "contiguous", "detach", "to", "float",
         "dropout")  # fmt: skip
IN_PLACE = {"iadd": "add", "isub": "sub", "imul": "mul", "itruediv": "div"}


class Alone(nn.Module):
    """A recurrent layer that is the whole network."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, sequence: Tensor, state: Any = None) -> Any:
        return self.layer(sequence, state)


class _Tracer(fx.Tracer):
    proxy_buffer_attributes = True  # a buffer may be cut to a size that data has

    def __init__(self, digital: set[str]) -> None:
        super().__init__()
        self.digital = digital

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        kept = {module_qualified_name, type(m).__name__} & self.digital
        return bool(kept) or isinstance(m, RECURRENT) or super().is_leaf_module(m, module_qualified_name)


def traced_graph(root: nn.Module, digital: set[str], fixed: Mapping[str, Any]) -> fx.Graph:
    names = inspect.signature(root.forward).parameters
    for name in fixed:
        if name not in names:
            raise CosimError(f"forward has no such argument.{did_you_mean(name, names)}", key=name, allowed=list(names))
    try:
        with _sizes_of_stand_ins():
            graph = _Tracer(digital).trace(root, concrete_args=dict(fixed) or None)
    except Exception as error:  # whatever a user's forward raises on stand-ins
        reason = str(error).strip().splitlines()
        raise CosimError(
            "torch.fx cannot trace this module's forward, which must not decide by the values of tensors"
            f" ({type(error).__name__}: {reason[0] if reason else 'no reason given'}). Give arguments that are no"
            " tensors in `fixed`, or name the module that decides in `digital`",
            key=type(root).__name__,
        ) from error
    _without_in_place(graph, dict(root.named_modules()))
    for node in reversed(graph.nodes):  # what nobody needs, and checks that fixed arguments are what they were
        if not node.users and node.op not in ("placeholder", "output"):
            graph.erase_node(node)
    for node in graph.nodes:
        if node.op == "placeholder" and not node.users and node.name.rpartition("_")[0] in fixed:
            graph.erase_node(node)
    return graph


@contextlib.contextmanager
def _sizes_of_stand_ins() -> Iterator[None]:
    """torch.zeros(1, x.size(0), 8) is written down; torch itself takes only sizes that are numbers."""

    def wrapped(original: Any) -> Any:
        def made(*arguments: Any, **keywords: Any) -> Any:
            proxies = [each for each in flat((arguments, keywords)) if isinstance(each, fx.Proxy)]
            if not proxies:
                return original(*arguments, **keywords)
            return proxies[0].tracer.create_proxy("call_function", original, arguments, keywords)

        return made

    with mock.patch.object(torch, "zeros", wrapped(torch.zeros)):
        yield


def flat(value: Any) -> Iterator[Any]:
    if isinstance(value, tuple | list):
        for each in value:
            yield from flat(each)
    elif isinstance(value, dict):
        yield from flat(list(value.values()))
    else:
        yield value


def _without_in_place(graph: fx.Graph, modules: Mapping[str, nn.Module]) -> None:
    """What comes after an operation in place sees its result, also by the old name."""
    earlier: set[fx.Node] = set()
    for node in graph.nodes:
        earlier.add(node)
        if _in_place(node, modules) and node.args and isinstance(node.args[0], fx.Node):
            _check_shared(node, node.args[0], earlier, modules)
            node.args[0].replace_all_uses_with(node, delete_user_cb=lambda user: user not in earlier)


def _check_shared(
    node: fx.Node, changed: fx.Node, earlier: Collection[fx.Node], modules: Mapping[str, nn.Module]
) -> None:
    """CosimError where a view of what is changed, or what it is a view of, is used later."""
    names, left = {changed}, [changed]
    while left:
        one = left.pop()
        own = [each for each in one.all_input_nodes if _is_view(one, modules)]
        for other in own + [each for each in one.users if _is_view(each, modules) and each in earlier]:
            if other not in names:
                names.add(other)
                left.append(other)
    for other in names - {changed}:
        if any(user not in earlier for user in other.users):
            raise CosimError(
                "this operation in place changes what is used later under another name; write it without `inplace`",
                key=node.name, value=other.name,
            )  # fmt: skip


def _is_view(node: fx.Node, modules: Mapping[str, nn.Module]) -> bool:
    if node.op == "call_module":
        return isinstance(modules[str(node.target)], nn.Flatten | nn.Unflatten | nn.Identity | nn.Dropout)
    name = str(node.target) if node.op == "call_method" else getattr(node.target, "__name__", "")
    return node.op in ("call_method", "call_function") and name in VIEWS


def _in_place(node: fx.Node, modules: Mapping[str, nn.Module]) -> bool:
    if node.op == "call_module":
        return bool(getattr(modules[str(node.target)], "inplace", False))
    if node.op == "call_method":
        return str(node.target).endswith("_") and not str(node.target).endswith("__")
    if node.op != "call_function":
        return False
    name = getattr(node.target, "__name__", "")
    return bool(
        (says(node.target, "inplace") and bound(node.target, node.args, dict(node.kwargs)).get("inplace"))
        or (name.endswith("_") and not name.startswith("_"))
        or (getattr(node.target, "__module__", "") == "_operator" and name in IN_PLACE)
    )


def bound(function: Any, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> dict[str, Any]:
    """Arguments by their names."""
    return dict(inspect.signature(function).bind(*arguments, **keywords).arguments)


def says(function: Any, name: str) -> bool:
    """Whether a function says that it has an argument of this name."""
    try:
        return name in inspect.signature(function).parameters
    except (TypeError, ValueError):
        return False
