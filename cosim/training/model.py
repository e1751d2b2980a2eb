"""The LSTM as PyTorch sees it: the hardware's quantisers forward, straight through them backward.

Imports torch at once, so it is itself imported only when training starts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from cosim.blocks.ramp_adc.functions import get_function, ideal_thresholds
from cosim.networks.weights import GATE_FUNCTIONS, GATES
from cosim.tiles.quantise import TIE, full_scale
from cosim.training.recipe import MAC_LIMITS

SMOOTH = {"sigmoid": torch.sigmoid, "tanh": torch.tanh}

SINGLE_TIE = 1e-6  # as TIE, for sums in float32


@dataclass(frozen=True)
class TrainingHardware:
    """What the forward pass imitates.

    bits: width of input DAC, weights and ramp ADC.
    w_max: window of the weights.
    weight_noise: standard deviation of a weight's programming error, as a share of w_max; drawn anew in each
        forward pass.
    """

    bits: int
    w_max: float
    weight_noise: float


def straight_through(exact: Tensor, quantised: Tensor) -> Tensor:
    """Value of `quantised`, gradient of `exact`. Source: Y. Bengio et al., arXiv 1308.3432 (2013)."""
    # Not exact + (quantised - exact).detach(): its rounding would leave the grid.
    return _Graft.apply(exact, quantised)


class _Graft(torch.autograd.Function):
    @staticmethod
    def forward(ctx: object, exact: Tensor, quantised: Tensor) -> Tensor:
        return quantised.clone()

    @staticmethod
    def backward(ctx: object, gradient: Tensor) -> tuple[Tensor, None]:
        return gradient, None


def quantise(values: Tensor, bits: int, limit: float = 1.0) -> Tensor:
    """As cosim.tiles.quantise, for inputs (limit 1) and weights (limit w_max); gradient 1 inside the limits."""
    n = full_scale(bits)
    clipped = values.clamp(-limit, limit)
    return straight_through(clipped, torch.round(clipped.detach() / limit * n) * (limit / n))


def staircase(mac: Tensor, function: str, bits: int) -> Tensor:
    """Activation out of an ideal nonlinear ramp ADC; backward the derivative of the smooth function."""
    shape = get_function(function)
    thresholds = torch.from_numpy(ideal_thresholds(shape, bits)).to(mac.dtype)
    tie = TIE if mac.dtype == torch.float64 else SINGLE_TIE
    codes = torch.searchsorted(thresholds, mac.detach() - tie)  # thresholds strictly below
    decoded = shape.low + (codes.to(mac.dtype) + 0.5) * ((shape.high - shape.low) / 2**bits)
    return straight_through(SMOOTH[function](mac), decoded)


class TrainingLstm(torch.nn.Module):
    """Parameters as in LstmWeights: gates (4, inputs + hidden + 1, hidden), head (hidden, classes)."""

    def __init__(self, inputs: int, hidden: int, classes: int, generator: torch.Generator) -> None:
        super().__init__()
        reach = hidden**-0.5

        def uniform(*shape: int) -> Tensor:
            return (2 * torch.rand(*shape, generator=generator) - 1) * reach

        gates = uniform(len(GATES), inputs + hidden + 1, hidden)
        gates[GATES.index("f"), -1] = 1.0  # remember at first
        self.gates = torch.nn.Parameter(gates)
        self.head_weights = torch.nn.Parameter(uniform(hidden, classes))
        self.head_bias = torch.nn.Parameter(torch.zeros(classes))

    def effective_gates(self, hardware: TrainingHardware | None, generator: torch.Generator | None) -> Tensor:
        """The gates' weights as they act: quantised, and with programming error when a generator is given."""
        if hardware is None:
            return self.gates
        weights = quantise(self.gates, hardware.bits, hardware.w_max)
        if generator is None:
            return weights
        error = torch.randn(weights.shape, generator=generator, dtype=weights.dtype)
        return weights + error * (hardware.weight_noise * hardware.w_max)

    def forward(
        self,
        sequences: Tensor,
        hardware: TrainingHardware | None = None,
        generator: torch.Generator | None = None,
    ) -> tuple[Tensor, Tensor]:
        """(logits, excess) of `sequences` (batch, steps, inputs): logits (batch, classes), and a scalar.

        Without `hardware` in real arithmetic. With `generator`, programming error is drawn. `excess` is the mean
        square of how far MAC results lie beyond their limits, in limits.
        """
        weights = self.effective_gates(hardware, generator)
        batch, hidden = len(sequences), weights.shape[2]
        h = c = sequences.new_zeros(batch, hidden)
        bias = sequences.new_ones(batch, 1)
        limits = torch.tensor([MAC_LIMITS[GATE_FUNCTIONS[gate]] for gate in GATES]).reshape(-1, 1, 1)
        excess = sequences.new_zeros(())
        for x in sequences.unbind(1):
            z = torch.cat([x, h, bias], dim=1)
            if hardware is not None:
                z = quantise(z, hardware.bits)
            mac = z @ weights
            excess = excess + torch.relu(mac.abs() / limits - 1).square().mean()
            i, f, g, o = self.activate(mac, hardware)
            c = f * c + i * g
            h = o * torch.tanh(c)
        return h @ self.head_weights + self.head_bias, excess

    @staticmethod
    def activate(mac: Tensor, hardware: TrainingHardware | None) -> list[Tensor]:
        """Activations of the four gates from their MAC results, `mac` of shape (4, batch, hidden)."""
        functions = [GATE_FUNCTIONS[gate] for gate in GATES]
        if hardware is None:
            return [SMOOTH[name](each) for name, each in zip(functions, mac, strict=True)]
        return [staircase(each, name, hardware.bits) for name, each in zip(functions, mac, strict=True)]

    def take(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Start from given parameters, named as in LstmWeights."""
        self.load_state_dict({name: torch.tensor(arrays[name]) for name in self.state_dict()})

    def clip(self, w_max: float) -> None:
        """Bring the gates' weights back into the window of the array."""
        with torch.no_grad():
            self.gates.clamp_(-w_max, w_max)

    def arrays(self) -> dict[str, np.ndarray]:
        """The parameters as NumPy arrays, named as in LstmWeights."""
        return {name: parameter.detach().numpy().copy() for name, parameter in self.named_parameters()}
