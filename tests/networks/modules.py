"""What tests of `cosim.from_torch` share: networks on ideal tiles and in real arithmetic against their modules."""

from typing import Any

import numpy as np
import pytest

import cosim
from cosim.blocks.ramp_adc.config import RampAdcConfig
from cosim.networks.network import Network
from cosim.tiles.config import TileConfig

torch = pytest.importorskip("torch", reason="PyTorch (extra `train`) is not installed")

from torch import nn  # noqa: E402

TILE = TileConfig(inputs=24, outputs=16, dac_bits=8, weight_bits=8, adc=RampAdcConfig(bits=8))
LIMIT = 1e-5  # of the largest output: float32 in another order of summation


def used(module: Any) -> Any:
    """Batch norms with statistics and factors of their own, as after training."""
    for each in module.modules():
        if isinstance(each, nn.modules.batchnorm._BatchNorm):
            each.running_mean.normal_()
            each.running_var.uniform_(0.5, 2)
            each.weight.data.uniform_(0.5, 2)
            each.bias.data.normal_()
    return module


def arrays(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return tuple(arrays(each) for each in value)
    return value.detach().numpy() if isinstance(value, torch.Tensor) else value


def leaves(value: Any) -> list[Any]:
    return [leaf for each in value for leaf in leaves(each)] if isinstance(value, tuple | list) else [value]


def close(found: Any, expected: Any) -> None:
    pairs = list(zip(leaves(found), leaves(expected), strict=True))
    assert pairs
    for one, other in pairs:
        assert one.shape == other.shape
        assert np.abs(one - other).max() <= LIMIT * np.abs(other).max()


def same_as_torch(module: Any, *inputs: Any, **options: Any) -> Any:
    """On ideal tiles in pieces of three examples, and in real arithmetic at once."""
    was_training = module.training
    before = {name: each.clone() for name, each in module.state_dict().items()}
    network = cosim.from_torch(module, TILE, fidelity="ideal", **options)
    assert module.training == was_training
    assert all(torch.equal(each, before[name]) for name, each in module.state_dict().items())
    module.eval()
    with torch.no_grad():
        expected = arrays(module(*inputs, **options.get("fixed", {})))
    network.program(np.random.default_rng(0))
    close(network.forward(arrays(inputs), batch=3), expected)
    close(Network(network.graph).forward(arrays(inputs), batch=None), expected)
    return network


def x(*shape: int) -> Any:
    return torch.randn(*shape)
