"""`cosim.from_torch` against PyTorch itself: ideal tiles give what the module gives."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import cosim
from cosim.networks.from_torch import torch_graph
from cosim.networks.network import Network
from cosim.networks.reference import shipped_reference
from cosim.networks.references import graph_of
from cosim.tiles.config import TileConfig

torch = pytest.importorskip("torch", reason="PyTorch (extra `train`) is not installed")

from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

from .modules import TILE, arrays, close, leaves, same_as_torch, used, x  # noqa: E402

# oneDNN has no projections; torch says so once
pytestmark = pytest.mark.filterwarnings("ignore:LSTM with projections is not supported:UserWarning")


@pytest.fixture(autouse=True)
def seeded() -> Iterator[None]:
    state = torch.get_rng_state()
    torch.manual_seed(4)
    yield
    torch.set_rng_state(state)


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


class StepsFirst(nn.Module):
    """As PyTorch's own example of a language model: symbols (steps, batch), an embedding, dropout, LSTM."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.drop, self.rnn = nn.Embedding(9, 4), nn.Dropout(0.2), nn.LSTM(4, 6)
        self.decoder = nn.Linear(6, 9)

    def forward(self, symbols: Any, state: Any = None) -> Any:
        found, state = self.rnn(F.dropout(self.drop(self.embedding(symbols)), training=self.training), state)
        return self.decoder(found), state


def test_sequences_with_the_steps_first_count_examples_in_the_second_dimension() -> None:
    """What lies between leaves steps and batch where they are; so pieces and counts are those of sequences."""
    network = same_as_torch(StepsFirst(), torch.randint(0, 9, (11, 7)))
    network.forward(torch.randint(0, 9, (11, 7)).numpy(), batch=2)
    assert network.counted == 7
    assert network.use().matrices["rnn.l0.i"].vectors == 11


def test_long_texts_differ_by_the_rounding_of_pytorch_itself() -> None:
    """Over 50 random symbols rounding grows. Against PyTorch in float64, ideal tiles (float64 inside, float32 between
    steps) are not farther off than PyTorch in float32."""
    from cosim.training.modules import module_of

    reference, text = shipped_reference("ptb_char_lstm"), torch.randint(0, 50, (8, 50))
    network = cosim.from_torch(module_of(reference), TILE, fidelity="ideal")
    network.program(np.random.default_rng(0))
    with torch.no_grad():
        single, double = (arrays(module_of(reference).to(kind)(text)) for kind in (torch.float32, torch.float64))
    for ours, theirs, exact in zip(leaves(network.forward(arrays(text))), leaves(single), leaves(double), strict=True):
        assert np.abs(ours - exact).max() <= 2 * np.abs(theirs - exact).max()


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


class Statements(nn.Module):
    """Operations in place whose results are not taken, and arguments by their names in another order."""

    def __init__(self) -> None:
        super().__init__()
        self.relu = nn.ReLU(inplace=True)
        self.lstm = nn.LSTM(4, 4, batch_first=True)
        self.scale: Any
        self.register_buffer("scale", torch.tensor(1.5))

    def forward(self, sequences: Any, hidden: Any, cell: Any) -> Any:
        values = sequences * self.scale
        values.mul_(2)
        self.relu(values)
        F.hardtanh(values, 0.0, 1.5, True)
        return self.lstm(hx=(hidden, cell), input=values)


def test_in_place_as_statements() -> None:
    same_as_torch(Statements(), x(7, 5, 4), x(1, 7, 4), x(1, 7, 4))
