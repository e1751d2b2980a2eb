"""`cosim.from_torch`: what cannot be mapped or traced is named, or stays digital when told; weights from files."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cosim
from cosim.errors import CosimError
from cosim.networks.from_torch import torch_graph
from cosim.networks.network import Network

torch = pytest.importorskip("torch", reason="PyTorch (extra `train`) is not installed")

from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

from .modules import TILE, arrays, close, same_as_torch, x  # noqa: E402


@pytest.fixture(autouse=True)
def seeded() -> Iterator[None]:
    state = torch.get_rng_state()
    torch.manual_seed(4)
    yield
    torch.set_rng_state(state)


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


def test_a_batch_norm_over_the_second_of_three_dimensions_is_not_the_linear_layers() -> None:
    """torch normalises the second dimension; where it is as long as the outputs, only values tell the difference."""
    module = nn.Sequential(nn.Linear(8, 6), nn.BatchNorm1d(6))
    same_as_torch(module, x(5, 8))
    with pytest.raises(CosimError, match="normalises the second dimension") as caught:
        same_as_torch(module, x(5, 6, 8))
    assert caught.value.key == "0"
    same_as_torch(module, x(5, 6, 8), digital=["1"])


@pytest.mark.parametrize(("mode", "padding"), [("reflect", 2), ("circular", 3)])
def test_padding_that_images_are_too_small_for_is_refused_as_by_torch(mode: Any, padding: int) -> None:
    layer = nn.Conv2d(1, 1, 3, padding=padding, padding_mode=mode)
    module = nn.Sequential(layer) if mode == "reflect" else layer
    same_as_torch(module, x(2, 1, padding + 1, padding + 1))
    small = x(2, 1, padding, padding - (mode == "circular"))
    with pytest.raises(RuntimeError):
        module(small)
    with pytest.raises(CosimError, match="too much for"):
        Network(torch_graph(module)).forward(arrays(small))


def test_a_network_without_a_matrix_uses_no_tiles() -> None:
    network = cosim.from_torch(nn.ReLU(), TILE)
    network.calibrate(arrays(x(4, 3)))
    network.forward(arrays(x(4, 3)), np.random.default_rng(0))
    assert (network.use().tiles, network.use().utilisation) == (0, 0.0)


class Doubled(nn.LSTM):
    def forward(self, values: Any, state: Any = None) -> Any:
        return super().forward(2 * values, state)


def test_what_a_user_changed_in_a_layer_of_torch_is_not_left_out() -> None:
    """Hooks, and a forward of one's own: mapped without them the layer would be another one."""
    hooked = nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3))
    hooked[1].register_forward_hook(lambda module, given, found: 2 * found)
    with pytest.raises(CosimError, match=r"1 \(ReLU: it has hooks"):
        cosim.from_torch(hooked, TILE)
    same_as_torch(hooked, x(4, 6), digital=["1"])
    hooked.register_forward_pre_hook(lambda module, given: None)
    with pytest.raises(CosimError, match="the module has hooks"):
        cosim.from_torch(hooked, TILE)
    with pytest.raises(CosimError, match="its forward is a user's own"):
        cosim.from_torch(Doubled(4, 5), TILE)


def test_a_pruned_module_says_how_to_go_on() -> None:
    from torch.nn.utils import prune

    module = nn.Sequential(nn.Linear(6, 5))
    prune.l1_unstructured(module[0], "weight", 0.5)
    with pytest.raises(CosimError, match=r"make pruning .* permanent first"):
        cosim.from_torch(module, TILE)
    prune.remove(module[0], "weight")
    same_as_torch(module, x(4, 6))


def test_a_parametrised_weight_is_its_value() -> None:
    layer = nn.utils.parametrizations.weight_norm(nn.LSTM(4, 5, batch_first=True), "weight_hh_l0")
    same_as_torch(layer, x(4, 3, 4))


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
    with pytest.raises(CosimError, match="weights of 0 must be finite"):
        cosim.from_torch(module, TILE, fidelity="ideal")


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
