"""`cosim.from_torch` against PyTorch itself: ideal tiles give what the module gives; what cannot be mapped is named."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cosim
from cosim.blocks.ramp_adc.config import RampAdcConfig
from cosim.errors import CosimError
from cosim.networks.from_torch import torch_graph
from cosim.networks.network import Network
from cosim.networks.reference import shipped_reference
from cosim.networks.references import graph_of
from cosim.tiles.config import TileConfig

torch = pytest.importorskip("torch", reason="PyTorch (extra `train`) is not installed")

from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

# oneDNN has no projections; torch says so once
pytestmark = pytest.mark.filterwarnings("ignore:LSTM with projections is not supported:UserWarning")

TILE = TileConfig(inputs=24, outputs=16, dac_bits=8, weight_bits=8, adc=RampAdcConfig(bits=8))
LIMIT = 1e-5  # of the largest output: float32 in another order of summation


@pytest.fixture(autouse=True)
def seeded() -> Iterator[None]:
    state = torch.get_rng_state()
    torch.manual_seed(4)
    yield
    torch.set_rng_state(state)


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


def test_mlp_in_training_mode() -> None:
    module = nn.Sequential(
        nn.Linear(40, 20), nn.BatchNorm1d(20), nn.ReLU(), nn.Dropout(0.5), nn.Linear(20, 5), nn.LogSoftmax(dim=1)
    )
    network = same_as_torch(used(module).train(), x(8, 40))
    assert list(network.matrices) == ["0", "4"]
    assert all(node.operation != "scale_and_shift" for node in network.graph.nodes)  # folded


class Convolutions(nn.Module):
    """Groups, depth-wise, strides, dilation, pooling of all kinds; a batch norm that stands alone."""

    def __init__(self) -> None:
        super().__init__()
        self.alone = nn.BatchNorm2d(3)
        self.first = nn.Conv2d(3, 8, 3, stride=2, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(8)
        self.activation = nn.ReLU(inplace=True)
        self.depthwise = nn.Conv2d(8, 8, 3, padding=2, dilation=2, groups=8)
        self.pointwise = nn.Conv2d(8, 16, 1, groups=2)
        self.norm2 = nn.BatchNorm2d(16)
        self.pool = nn.MaxPool2d(3, 2, 1, ceil_mode=True)
        self.head = nn.Linear(16 * 2 * 2, 7)

    def forward(self, images: Any) -> Any:
        y = self.activation(self.norm1(self.first(self.alone(images))))
        y = self.pool(self.norm2(self.pointwise(F.gelu(self.depthwise(y)))))
        y = F.avg_pool2d(y, 2, padding=1)
        y = F.adaptive_avg_pool2d(torch.cat([y, y * 2], 1)[:, :16], (2, 2))
        return F.softmax(self.head(torch.flatten(y, 1)), dim=-1)


def test_convolutions() -> None:
    network = same_as_torch(used(Convolutions()), x(7, 3, 21, 20))
    operations = [node.operation for node in network.graph.nodes]
    assert operations.count("scale_and_shift") == 1  # the one that stands alone, digital


@pytest.mark.parametrize(
    "module",
    [
        nn.Conv2d(2, 4, (3, 1), stride=(1, 2), padding=(1, 0)),
        nn.Conv2d(2, 4, (3, 5), padding="same", dilation=(2, 1)),
        nn.Conv2d(2, 4, 3, padding=(1, 2), padding_mode="reflect"),
        nn.Conv2d(2, 4, 3, padding=1, padding_mode="replicate", stride=2),
        nn.Conv2d(2, 4, 3, padding=2, padding_mode="circular", dilation=2),
        nn.Sequential(nn.Hardswish(), nn.SiLU(), nn.ELU(0.7), nn.LeakyReLU(0.2), nn.Softplus(2.0), nn.Hardtanh(0, 0.5)),
        nn.Sequential(nn.GELU(approximate="tanh"), nn.ReLU6(), nn.Hardsigmoid(), nn.Sigmoid(), nn.Tanh()),
        nn.Sequential(nn.ReflectionPad2d(1), nn.AdaptiveMaxPool2d((3, 2)), nn.Flatten(), nn.Linear(12, 3)),
        nn.Sequential(nn.ZeroPad2d((1, 2, 0, 1)), nn.MaxPool2d(2, dilation=2), nn.AvgPool2d(2, 1, 1, False, False)),
        nn.Sequential(nn.AvgPool2d(3, 2, 1, ceil_mode=True), nn.AdaptiveAvgPool2d((None, 3)), nn.LayerNorm(3)),
        nn.Sequential(nn.Flatten(2), nn.Conv1d(2, 6, 3, 2, padding=1), nn.MaxPool1d(2), nn.AvgPool1d(3, 2)),
        nn.Sequential(nn.Flatten(2), nn.AdaptiveAvgPool1d(5), nn.Unflatten(2, (5, 1)), nn.Softmax(dim=2)),
    ],
)  # fmt: skip
def test_layers(module: Any) -> None:
    same_as_torch(module, x(7, 2, 9, 8))


def test_the_shipped_resnet_is_its_module() -> None:
    """By torch.fx and from the arrays alone: 1e-5, and the same layers."""
    from cosim.training.modules import module_of

    reference = shipped_reference("cifar10_resnet32")
    module, images = module_of(reference), x(4, 3, 32, 32)
    network = cosim.from_torch(module, TileConfig(inputs=128, outputs=128), fidelity="ideal")
    network.program(np.random.default_rng(0))
    with torch.no_grad():
        expected = arrays(module(images))
    found = network.forward(arrays(images), batch=3)
    close(found, expected)
    direct = graph_of(reference)
    close(Network(direct).forward(arrays(images)), expected)
    assert list(direct.layers) == list(network.graph.layers)


@pytest.mark.parametrize(("depth", "width"), [(20, 0.25), (44, 0.125)])
def test_resnets_of_other_sizes(depth: int, width: float) -> None:
    import dataclasses

    from cosim.networks.reference import Reference
    from cosim.training.modules import CifarResNet

    module, images = used(CifarResNet(depth, width)).eval(), x(3, 3, 32, 32)
    metadata = dataclasses.replace(
        shipped_reference("cifar10_resnet32").metadata, config={"depth": depth, "width": width, "classes": 10}
    )
    graph = graph_of(Reference({name: arrays(each) for name, each in module.state_dict().items()}, metadata))
    with torch.no_grad():
        close(Network(graph).forward(arrays(images)), arrays(module(images)))


@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("kind", ["lstm", "projection", "bidirectional", "gru", "gru both ways"])
def test_recurrent_layers_with_and_without_states(kind: str, batch_first: bool) -> None:
    made: dict[str, Callable[..., Any]] = {"gru": nn.GRU, "gru both ways": nn.GRU}
    options = {"projection": {"proj_size": 4}, "bidirectional": {"bidirectional": True, "bias": False}}
    options["gru both ways"] = {"bidirectional": True}
    module = made.get(kind, nn.LSTM)(6, 10, 2, batch_first=batch_first, dropout=0.3, **options.get(kind, {}))
    sequences = x(7, 5, 6) if batch_first else x(5, 7, 6)
    sets = 4 if module.bidirectional else 2
    hidden, cell = x(sets, 7, 4 if kind == "projection" else 10), x(sets, 7, 10)
    state = hidden if isinstance(module, nn.GRU) else (hidden, cell)
    same_as_torch(module, sequences)
    network = same_as_torch(module, sequences, state)
    if kind == "projection":
        assert "layer.l1.projection" in network.matrices


def test_a_single_sequence() -> None:
    """Without a dimension of the batch, neither in PyTorch nor here."""
    module, sequence = nn.LSTM(6, 10, 2), x(5, 6)
    with torch.no_grad():
        expected = arrays(module(sequence))
    close(Network(torch_graph(module, batch_axes={"sequence": None})).forward(arrays(sequence)), expected)


def test_language_model() -> None:
    from cosim.training.modules import module_of

    module, text = module_of(shipped_reference("ptb_char_lstm")), torch.randint(0, 50, (5, 8))
    state = (torch.tanh(x(1, 5, 256)), x(1, 5, 256))
    same_as_torch(module, text)
    same_as_torch(module, text, state)


class Embedded(nn.Module):
    """An embedding, zeros made for the state, a state and outputs used."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(30, 6, padding_idx=0)
        self.lstm = nn.LSTM(6, 8, num_layers=2, batch_first=True)
        self.norm = nn.LayerNorm(8)
        self.head = nn.Linear(8, 3)

    def forward(self, symbols: Any) -> Any:
        zeros = torch.zeros(2, symbols.size(0), 8).to(symbols.device)
        states, (hidden, _) = self.lstm(self.embedding(symbols), (zeros, torch.zeros_like(zeros)))
        return self.head(self.norm(hidden[-1])) + self.head(states.mean(1))


def test_embedding_and_a_layer_used_twice() -> None:
    network = same_as_torch(Embedded(), torch.randint(0, 30, (7, 9)))
    network.forward(np.zeros((4, 9), np.int64))
    assert network.use().matrices["head"].vectors == 2


class InPlace(nn.Module):
    """Operations in place change what is used afterwards; functions of the module's own weights; shapes computed."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(4, 4, 3, padding="same", padding_mode="circular")
        self.relu = nn.ReLU(inplace=True)
        self.layers = nn.ModuleList([nn.Linear(12, 12) for _ in range(2)])
        self.weight = nn.Parameter(torch.randn(12, 12))
        self.kernel = nn.Parameter(torch.randn(6, 4, 3))

    def forward(self, series: Any) -> Any:
        y = self.conv(series)
        z = self.relu(y)
        y = y + z
        y += 1
        for layer in self.layers:
            y = torch.tanh(layer(y)) + y
        batch, channels, _ = y.shape
        y = F.linear(y, self.weight).view(batch, channels, -1).permute(0, 2, 1).contiguous().transpose(1, 2)
        a, b = y.chunk(2, dim=1)
        z = F.conv1d(F.relu(y + 0, True), self.kernel, stride=2)
        return z, F.max_pool1d(a, 2), b.mean(dim=(1, 2), keepdim=True)


def test_arbitrary_forward() -> None:
    network = same_as_torch(InPlace(), x(7, 4, 12))
    assert {"layers.0", "layers.1", "linear", "conv1d"} < set(network.graph.layers)


class Text(nn.Module):
    """Convolutions over a text with the largest value of all places, an LSTM both ways, a product with a parameter."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(20, 8)
        self.convolutions = nn.ModuleList([nn.Conv1d(8, 6, size) for size in (2, 3)])
        self.lstm = nn.LSTM(8, 5, bidirectional=True, batch_first=True)
        self.weight = nn.Parameter(torch.randn(22, 3))
        self.register_buffer("places", torch.randn(1, 9, 8))

    def forward(self, symbols: Any) -> Any:
        embedded = self.embedding(symbols) + self.places[:, : symbols.size(1)]
        series = embedded.permute(0, 2, 1)
        features = [F.relu(convolution(series)).max(dim=2)[0] for convolution in self.convolutions]
        _, (hidden, _) = self.lstm(embedded)
        return torch.cat([*features, torch.cat((hidden[-2], hidden[-1]), dim=1)], 1) @ self.weight


def test_text_network() -> None:
    assert "matmul" in same_as_torch(Text(), torch.randint(0, 20, (7, 9))).graph.layers


@pytest.mark.parametrize("late", [True, False])
def test_in_place_under_another_name_is_refused(late: bool) -> None:
    """A part of what is changed in place, taken before and used after, changes too; a graph has no such thing."""

    class Shared(nn.Module):
        def forward(self, values: Any) -> Any:
            half = values.view(-1, 2, 2)[:, 0]
            return (F.relu(values, inplace=True), half) if late else (F.relu(half, inplace=True), values * 2)

    with pytest.raises(CosimError, match="in place"):
        cosim.from_torch(Shared(), TILE)


class Unknown(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(6, 6)
        self.slope = nn.PReLU()
        self.inner = nn.Sequential(nn.GroupNorm(2, 6), nn.Linear(6, 6))

    def forward(self, values: Any) -> Any:
        return torch.cumsum(self.inner(self.slope(self.first(values))), dim=1)


def test_unknown_layers_are_all_named() -> None:
    with pytest.raises(CosimError) as error:
        cosim.from_torch(Unknown(), TILE)
    text = str(error.value)
    assert "slope (PReLU); inner.0 (GroupNorm); cumsum (cumsum, a function)" in text and "first" not in text


@pytest.mark.parametrize("digital", ["all unknown", ["slope", "GroupNorm", "cumsum"], ["PReLU", "inner", "cumsum"]])
def test_unknown_layers_stay_digital_when_told(digital: Any) -> None:
    network = same_as_torch(Unknown(), x(7, 6), digital=digital)
    assert ("inner.1" in network.graph.layers) == ("inner" not in digital)


def test_a_known_layer_stays_digital_when_told() -> None:
    network = same_as_torch(nn.Sequential(nn.Linear(6, 6), nn.Linear(6, 3)), x(7, 6), digital=["1"])
    assert list(network.graph.layers) == ["0"]


def test_digital_that_is_not_there() -> None:
    with pytest.raises(CosimError, match="Did you mean 'PReLU'"):
        cosim.from_torch(Unknown(), TILE, digital=["PRelu", "all unknown"])


@pytest.mark.parametrize(
    ("module", "reason"),
    [
        (nn.Sequential(nn.BatchNorm1d(4, track_running_stats=False)), "of each batch"),
        (nn.Sequential(nn.Embedding(4, 4, max_norm=1.0)), "max_norm"),
        (nn.Sequential(nn.MaxPool2d(2, return_indices=True)), "return_indices"),
        (nn.Sequential(nn.Conv3d(1, 1, 1)), "Conv3d"),
        (nn.Sequential(nn.ConvTranspose2d(1, 1, 1)), "ConvTranspose2d"),
        (nn.MultiheadAttention(4, 2), "MultiheadAttention"),
    ],
)
def test_settings_that_cannot_be_mapped_say_why(module: Any, reason: str) -> None:
    with pytest.raises(CosimError, match=f"cannot be mapped.*{reason}"):
        cosim.from_torch(module, TILE)


class Deciding(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 4)

    def forward(self, values: Any, scale: bool = False, state: Any = None) -> Any:
        if scale:
            return values
        if state is None:
            values = values * 2
        return self.layer(values) if values.shape[1] else values


class ByValue(nn.Module):
    def forward(self, values: Any) -> Any:
        return values if values.sum() > 0 else -values


def test_forward_that_cannot_be_traced() -> None:
    for module in (Deciding(), ByValue()):
        with pytest.raises(CosimError, match=r"torch\.fx cannot trace.*`fixed`.*`digital`"):
            cosim.from_torch(module, TILE)


def test_module_that_decides_stays_digital() -> None:
    """The others go onto tiles; a decision by the whole batch is found out when outputs are to be joined."""
    module = nn.Sequential(nn.Linear(4, 4), ByValue(), nn.Linear(4, 2))
    network = cosim.from_torch(module, TILE, fidelity="ideal", digital=["ByValue"])
    network.program(np.random.default_rng(0))
    values = x(7, 4)
    with torch.no_grad():
        close(network.forward(arrays(values), batch=None), arrays(module(values)))


def test_weights_from_a_file(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    trained, module = nn.Sequential(nn.Linear(6, 3)), nn.Sequential(nn.Linear(6, 3))
    save_file(trained.state_dict(), tmp_path / "w.safetensors")
    torch.save(trained.state_dict(), tmp_path / "w.pt")
    torch.save({"state_dict": trained.state_dict(), "epoch": 3}, tmp_path / "checkpoint.pt")
    values = x(4, 6)
    expected = arrays(trained(values))
    for weights in ("w.safetensors", "w.pt", "checkpoint.pt"):
        close(Network(torch_graph(module, weights=tmp_path / weights)).forward(arrays(values)), expected)
    close(Network(torch_graph(module, weights=trained.state_dict())).forward(arrays(values)), expected)
    assert not torch.equal(module[0].weight, trained[0].weight)


def test_weights_that_do_not_fit(tmp_path: Path) -> None:
    module = nn.Sequential(nn.Linear(6, 3))
    with pytest.raises(CosimError, match="no such file"):
        torch_graph(module, weights=tmp_path / "none.pt")
    (tmp_path / "bad.pt").write_bytes(b"nothing")
    (tmp_path / "bad.safetensors").write_bytes(b"nothing")
    torch.save(module, tmp_path / "whole.pt")  # a pickled module: code, not weights
    for name in ("bad.pt", "bad.safetensors", "whole.pt"):
        with pytest.raises(CosimError, match=f"{name}.*not a readable"):
            torch_graph(module, weights=tmp_path / name)
    with pytest.raises(CosimError, match=r"do not fit the module.*size mismatch"):
        torch_graph(module, weights=nn.Sequential(nn.Linear(6, 4)).state_dict())


def test_arguments_that_are_none() -> None:
    module = nn.Sequential(nn.Linear(6, 3))
    with pytest.raises(CosimError, match="not a PyTorch module"):
        cosim.from_torch("module", TILE)
    with pytest.raises(CosimError, match="no such argument"):
        cosim.from_torch(module, TILE, fixed={"flag": True})
    with pytest.raises(CosimError, match="no such input"):
        cosim.from_torch(module, TILE, batch_axes={"sequence": 1})
    with pytest.raises(CosimError, match="finite"):
        cosim.from_torch(nn.Linear(2, 2), TILE).calibrate(np.full((3, 2), np.nan))


def test_weights_that_are_not_finite() -> None:
    module = nn.Linear(4, 2)
    module.weight.data[0, 0] = float("nan")
    network = cosim.from_torch(module, TILE, fidelity="ideal")
    with pytest.raises(CosimError, match="finite"):
        network.program(np.random.default_rng(0))


def test_double_and_half_modules() -> None:
    for kind in (torch.float64, torch.bfloat16):
        module = nn.Linear(6, 3).to(kind)
        with torch.no_grad():
            expected = module.float()(values := x(4, 6)).numpy()
        close(Network(torch_graph(module.to(kind))).forward(arrays(values)), expected)


def test_importing_cosim_does_not_import_torch() -> None:
    import subprocess
    import sys

    code = "import sys, cosim, cosim.networks.references, cosim.networks.from_torch; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "False"


def test_tensors_as_data() -> None:
    module, values = nn.Sequential(nn.Linear(6, 3)), x(7, 6)
    with torch.no_grad():
        expected = arrays(module(values))
    close(Network(torch_graph(module)).forward(values, batch=3), expected)
