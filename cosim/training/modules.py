"""The networks of the float references as PyTorch modules. Imports torch at once, so it is itself imported late."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot, pad, relu

from cosim.errors import CosimError, did_you_mean
from cosim.networks.reference import Reference

POOLINGS = ("last", "mean")  # of the hidden states over the steps, by the number of a recipe's `pooling`


class LstmClassifier(nn.Module):
    """One LSTM layer over a sequence; the last hidden state, or the mean of all, goes through a linear layer.

    Input (batch, steps, inputs), output: logits (batch, classes). `pooling`: "last" or "mean" (over the steps).
    """

    def __init__(self, inputs: int, hidden: int, classes: int, dropout: float = 0.0, pooling: str = "last") -> None:
        super().__init__()
        if pooling not in POOLINGS:
            raise CosimError("no such pooling of the hidden states", key="pooling", value=pooling, allowed=POOLINGS)
        self.pooling = pooling
        self.lstm = nn.LSTM(inputs, hidden, batch_first=True)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(hidden, classes)
        remember_at_first(self.lstm)

    def forward(self, sequences: Tensor) -> Tensor:
        states, _ = self.lstm(sequences)
        pooled = states.mean(dim=1) if self.pooling == "mean" else states[:, -1]
        return self.head(self.dropout(pooled))


class LstmLanguageModel(nn.Module):
    """One LSTM layer over symbols (one-hot); each hidden state goes through a linear layer.

    Input: symbols (batch, steps) as integers and the state; output: logits (batch, steps, symbols) of the next
    symbols, and the state (h, c), each (1, batch, hidden), to go on with.
    """

    def __init__(self, symbols: int, hidden: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.symbols = symbols
        self.lstm = nn.LSTM(symbols, hidden, batch_first=True)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(hidden, symbols)
        remember_at_first(self.lstm)

    def forward(self, symbols: Tensor, state: tuple[Tensor, Tensor] | None = None) -> tuple[Tensor, Any]:
        inputs = one_hot(symbols, self.symbols).to(self.head.weight.dtype)
        states, state = self.lstm(inputs, state)
        return self.head(self.dropout(states)), state


def remember_at_first(lstm: nn.LSTM) -> None:
    """Bias 1 on the forget gate (R. Jozefowicz et al., ICML 2015); torch adds its two biases, so one is 0."""
    hidden = lstm.hidden_size
    with torch.no_grad():
        for name, value in (("bias_ih_l0", 1.0), ("bias_hh_l0", 0.0)):
            lstm.get_parameter(name)[hidden : 2 * hidden] = value


class BasicBlock(nn.Module):
    """Two 3x3 convolutions with batch norm, and a shortcut without weights (option A of He et al.).

    Where the size halves the shortcut takes every second pixel, and zeros fill the new channels.
    """

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(outputs)
        self.stride = stride
        self.added = outputs - inputs  # channels

    def forward(self, images: Tensor) -> Tensor:
        shortcut = images
        if self.stride > 1:
            shortcut = shortcut[:, :, :: self.stride, :: self.stride]
        if self.added:
            shortcut = pad(shortcut, (0, 0, 0, 0, self.added // 2, self.added - self.added // 2))
        inner = relu(self.norm1(self.conv1(images)))
        return relu(self.norm2(self.conv2(inner)) + shortcut)


class CifarResNet(nn.Module):
    """ResNet in its CIFAR form: 6n + 2 layers in three stages of 16, 32 and 64 channels times the width.

    Source: K. He et al., "Deep residual learning for image recognition", CVPR 2016, section 4.2.
    Input (batch, 3, 32, 32), output: logits (batch, classes). Raises CosimError for a depth that is not 6n + 2.
    """

    def __init__(self, depth: int = 32, width: float = 1.0, classes: int = 10) -> None:
        super().__init__()
        if depth < 8 or (depth - 2) % 6:
            raise CosimError(
                "a ResNet of this form has 6n + 2 layers", key="depth", value=depth, allowed="8, 14, 20 .."
            )
        channels = [round(16 * 2**stage * width) for stage in range(3)]
        if channels[0] < 1:
            raise CosimError("too narrow", key="width", value=width, allowed="1/16 or more")
        self.stem = nn.Conv2d(3, channels[0], 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(channels[0])
        blocks: list[nn.Module] = []
        before = channels[0]
        for stage, outputs in enumerate(channels):
            for block in range((depth - 2) // 6):
                blocks.append(BasicBlock(before, outputs, 2 if stage and not block else 1))
                before = outputs
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Linear(before, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):  # K. He et al., "Delving deep into rectifiers", ICCV 2015
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, images: Tensor) -> Tensor:
        features = self.blocks(relu(self.norm(self.stem(images))))
        return self.head(features.mean(dim=(2, 3)))


MODULES: dict[str, type[nn.Module]] = {
    "har_lstm": LstmClassifier,
    "fsdd_lstm": LstmClassifier,
    "ptb_char_lstm": LstmLanguageModel,
    "cifar10_resnet32": CifarResNet,
}


def module_of(reference: Reference) -> nn.Module:
    """The reference's network with its weights, ready to answer (eval)."""
    name = reference.metadata.network
    if name not in MODULES:
        raise CosimError(f"no such network.{did_you_mean(name, MODULES)}", key="network", value=name, allowed=MODULES)
    module = MODULES[name](**reference.metadata.config)
    try:
        module.load_state_dict({key: torch.from_numpy(array) for key, array in reference.arrays.items()})
    except RuntimeError as error:
        reason = str(error).splitlines()[-1].strip()
        raise CosimError(f"the weights do not fit the network '{name}': {reason}", key="network", value=name) from error
    return module.eval()
