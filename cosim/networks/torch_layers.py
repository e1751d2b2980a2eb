"""PyTorch's layers as those of the graph. Imports torch at once, so it is itself imported late."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cosim.networks.folding import batch_norm
from cosim.networks.layers.conv import Conv2d
from cosim.networks.layers.gru import Gru
from cosim.networks.layers.linear import Linear
from cosim.networks.layers.lstm import Lstm
from cosim.networks.layers.protocol import LayerWeights

RECURRENT = (nn.LSTM, nn.GRU)


class NotMapped(Exception):
    """This layer, as it is set, has no counterpart; the text says what is in the way."""


def array(tensor: Tensor) -> NDArray[Any]:
    """Values of a tensor; real numbers of any width as float32."""
    values = tensor.detach().cpu()
    if values.is_complex():
        raise NotMapped("complex numbers")
    return (values.float() if values.is_floating_point() else values).numpy().copy()


def optional(tensor: Tensor | None) -> NDArray[Any] | None:
    """The same, or None."""
    return None if tensor is None else array(tensor)


def has_hooks(module: nn.Module) -> bool:
    """Whether a user had something registered that runs with its forward."""
    return bool(module._forward_hooks or module._forward_pre_hooks)


def layer_weights(module: nn.Module) -> LayerWeights | None:
    """Weights of a layer whose matrices go onto tiles; None for another module."""
    if isinstance(module, nn.Linear):
        return Linear(array(module.weight), optional(module.bias))
    if isinstance(module, nn.Conv1d | nn.Conv2d) and not isinstance(module, nn.modules.conv._ConvTransposeNd):
        return convolution(
            module.weight, module.bias, module.stride, module.padding, module.dilation, module.groups,
            module.padding_mode,
        )  # fmt: skip
    if isinstance(module, RECURRENT):
        if type(module).forward not in (nn.LSTM.forward, nn.GRU.forward):
            raise NotMapped("its forward is a user's own")
        # By name: of a parametrised weight the module has the value, and no parameter.
        arrays = {name: array(getattr(module, name)) for name in module._flat_weights_names}
        return (Lstm if isinstance(module, nn.LSTM) else Gru)(arrays, module.batch_first)
    return None


def convolution(
    weight: Tensor, bias: Tensor | None, stride: Any, padding: Any, dilation: Any, groups: int, mode: str = "zeros"
) -> Conv2d:
    """A convolution over one or two dimensions."""
    kernel = array(weight)
    flat = kernel.ndim == 3
    if flat:
        kernel = kernel[:, :, None]
    step, apart = (_pair(each, flat, 1) for each in (stride, dilation))
    if padding == "valid":
        around = (0, 0, 0, 0)
    elif padding == "same":
        whole = [distance * (size - 1) for distance, size in zip(apart, kernel.shape[2:], strict=True)]
        around = (whole[0] // 2, whole[0] - whole[0] // 2, whole[1] // 2, whole[1] - whole[1] // 2)
    else:
        rows, columns = _pair(padding, flat, 0)
        around = (rows, rows, columns, columns)
    return Conv2d(kernel, optional(bias), step, around, apart, groups, mode, flat)  # type: ignore[arg-type]


def _pair(value: Any, flat: bool, of_rows: int) -> tuple[int, int]:
    values = tuple(value) if isinstance(value, tuple | list) else (value,)
    if flat:
        return of_rows, int(values[0])
    return int(values[0]), int(values[-1])


def _normed(module: Any) -> tuple[str, dict[str, Any]]:
    if module.running_mean is None or module.running_var is None:
        raise NotMapped("its statistics are those of each batch (track_running_stats=False)")
    return "scale_and_shift", batch_norm(
        array(module.running_mean), array(module.running_var), optional(module.weight), optional(module.bias),
        module.eps,
    )  # fmt: skip


def _embedded(module: Any) -> tuple[str, dict[str, Any]]:
    if module.max_norm is not None:
        raise NotMapped("max_norm changes its weights while it is used")
    return "embedding", {"weight": array(module.weight)}


def _softmax(operation: str) -> Callable[[Any], tuple[str, dict[str, Any]]]:
    def made(module: Any) -> tuple[str, dict[str, Any]]:
        if module.dim is None:
            raise NotMapped("the dimension that it sums over is not said")
        return operation, {"dim": module.dim}

    return made


def _padded(module: Any) -> tuple[str, dict[str, Any]]:
    modes = {"Reflection": "reflect", "Replication": "replicate", "Circular": "circular"}
    kind = next((mode for name, mode in modes.items() if type(module).__name__.startswith(name)), "constant")
    return "pad", {"pad": tuple(module.padding), "mode": kind, "value": getattr(module, "value", None)}


def _taken(operation: str, *names: str) -> Callable[[Any], tuple[str, dict[str, Any]]]:
    """An operation whose keywords are attributes of the module, of the same names."""
    return lambda module: (operation, {name: getattr(module, name) for name in names})


_POOL = ("kernel_size", "stride", "padding", "ceil_mode")

# module -> operation and its keywords; the first argument is what goes in
DIGITAL: dict[type[nn.Module], Callable[[Any], tuple[str, dict[str, Any]]]] = {
    nn.ReLU: _taken("relu"),
    nn.ReLU6: _taken("relu6"),
    nn.Sigmoid: _taken("sigmoid"),
    nn.Tanh: _taken("tanh"),
    nn.GELU: _taken("gelu", "approximate"),
    nn.SiLU: _taken("silu"),
    nn.Softplus: _taken("softplus", "beta", "threshold"),
    nn.Hardtanh: _taken("hardtanh", "min_val", "max_val"),
    nn.Hardsigmoid: _taken("hardsigmoid"),
    nn.Hardswish: _taken("hardswish"),
    nn.LeakyReLU: _taken("leaky_relu", "negative_slope"),
    nn.ELU: _taken("elu", "alpha"),
    nn.SELU: _taken("selu"),
    nn.Mish: _taken("mish"),
    nn.LogSigmoid: _taken("logsigmoid"),
    nn.Softmax: _softmax("softmax"),
    nn.LogSoftmax: _softmax("log_softmax"),
    nn.Identity: _taken("identity"),
    nn.Dropout: _taken("identity"),
    nn.Dropout1d: _taken("identity"),
    nn.Dropout2d: _taken("identity"),
    nn.AlphaDropout: _taken("identity"),
    nn.Flatten: _taken("flatten", "start_dim", "end_dim"),
    nn.Unflatten: lambda module: ("unflatten", {"dim": module.dim, "sizes": tuple(module.unflattened_size)}),
    nn.MaxPool1d: _taken("max_pool1d", *_POOL, "dilation", "return_indices"),
    nn.MaxPool2d: _taken("max_pool2d", *_POOL, "dilation", "return_indices"),
    nn.AvgPool1d: _taken("avg_pool1d", *_POOL, "count_include_pad"),
    nn.AvgPool2d: _taken("avg_pool2d", *_POOL, "count_include_pad", "divisor_override"),
    nn.AdaptiveAvgPool1d: _taken("adaptive_avg_pool1d", "output_size"),
    nn.AdaptiveAvgPool2d: _taken("adaptive_avg_pool2d", "output_size"),
    nn.AdaptiveMaxPool1d: _taken("adaptive_max_pool1d", "output_size", "return_indices"),
    nn.AdaptiveMaxPool2d: _taken("adaptive_max_pool2d", "output_size", "return_indices"),
    nn.BatchNorm1d: _normed,
    nn.BatchNorm2d: _normed,
    nn.LayerNorm: lambda module: (
        "layer_norm",
        {
            "normalized_shape": tuple(module.normalized_shape),
            "weight": optional(module.weight),
            "bias": optional(module.bias),
            "eps": module.eps,
        },
    ),
    nn.Embedding: _embedded,
    nn.ZeroPad2d: _padded,
    nn.ConstantPad1d: _padded,
    nn.ConstantPad2d: _padded,
    nn.ReflectionPad1d: _padded,
    nn.ReflectionPad2d: _padded,
    nn.ReplicationPad1d: _padded,
    nn.ReplicationPad2d: _padded,
}


def digital_operation(module: nn.Module) -> tuple[str, dict[str, Any]] | None:
    """Operation and keywords of a module without a matrix; None for one that is not known."""
    for kind in type(module).__mro__:
        if kind in DIGITAL:
            operation, keywords = DIGITAL[kind](module)
            if keywords.get("return_indices"):
                raise NotMapped("the places of the largest values are wanted (return_indices)")
            return operation, {name: _plain(value) for name, value in keywords.items()}
    return None


def _plain(value: Any) -> Any:
    """Sizes of torch as tuples."""
    return tuple(value) if isinstance(value, torch.Size | list) else value


class Outside:
    """A module or function of torch that works on NumPy arrays: in real arithmetic, without gradients."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        with torch.no_grad():
            return _as_arrays(self.function(*_as_tensors(arguments), **_as_tensors(keywords)))


def _as_tensors(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return torch.from_numpy(np.array(value))  # a copy: what torch does in place is its own
    if isinstance(value, tuple | list):
        return type(value)(_as_tensors(each) for each in value)
    if isinstance(value, dict):
        return {name: _as_tensors(each) for name, each in value.items()}
    return value


def _as_arrays(value: Any) -> Any:
    if isinstance(value, Tensor):
        return array(value)
    if isinstance(value, tuple | list):
        return tuple(_as_arrays(each) for each in value)
    if isinstance(value, dict):
        return {name: _as_arrays(each) for name, each in value.items()}
    return value
