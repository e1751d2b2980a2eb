"""Layers through the grids of their tiles are the same layers vector by vector through the tiles themselves."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from cosim.blocks.ramp_adc.config import RampAdcConfig
from cosim.errors import CosimError
from cosim.networks.evaluation import Run
from cosim.networks.graph import Graph, Node, Ref
from cosim.networks.layers.conv import Conv2d
from cosim.networks.layers.lstm import Lstm, LstmCells
from cosim.networks.lstm_grid import UNIT
from cosim.networks.lstm_kernel import update_states
from cosim.networks.tiled import TiledNetwork
from cosim.tiles.config import Nonidealities, TileConfig
from cosim.tiles.hardware import Hardware
from cosim.tiles.matrix import TiledMatrix

QUIET = Nonidealities().quiet()
TILE = TileConfig(inputs=32, outputs=20, dac_bits=8, weight_bits=8, adc=RampAdcConfig(bits=8))
RNG = np.random.default_rng(8)
# A MAC result in float32 is off by 1e-6 of full scale, so a code in 10^5 is another one; an LSTM carries it on.
OTHER = 1e-3


def one_layer(layer: Any, *, recurrent: bool = False) -> Graph:
    last = (Node("all", "output", (Ref("layer"),)),)
    if recurrent:
        last = (Node("states", "getitem", (Ref("layer"), 0)), Node("all", "output", (Ref("states"),)))
    return Graph((Node("x", "input"), Node("layer", "layer", (Ref("x"),), target="layer"), *last), {"layer": layer})


def lstm(inputs: int, hidden: int, *, levels: int = 1, reverse: bool = False) -> Lstm:
    arrays = {}
    for level in range(levels):
        for ending in ("", "_reverse")[: 1 + reverse]:
            size = inputs if level == 0 else hidden * (1 + reverse)
            for name, shape in {
                "weight_ih": (4 * hidden, size), "weight_hh": (4 * hidden, hidden), "bias_ih": (4 * hidden,),
                "bias_hh": (4 * hidden,),
            }.items():  # fmt: skip
                arrays[f"{name}_l{level}{ending}"] = RNG.normal(0, 0.5, shape)
    return Lstm(arrays, True)


def ready(graph: Graph, data: np.ndarray, on: Nonidealities, threads: int = 1, **options: Any) -> TiledNetwork:
    dac_sigma = options.pop("dac_sigma", 0.0)
    tile = TILE.model_copy(update={"dac_sigma": dac_sigma})
    network = TiledNetwork(graph, Hardware(tile, nonidealities=on, threads=threads), **options)
    network.calibrate(data)
    network.program(np.random.default_rng(1))
    return network


def by_tiles(network: TiledNetwork, data: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> np.ndarray:
    with monkeypatch.context() as patch:
        patch.setattr(Run, "grid", lambda self, matrix: None)
        patch.setattr(TiledMatrix, "forward", TiledMatrix.by_parts)
        return network.forward(data, np.random.default_rng(0))


CONVOLUTIONS = {
    "padded": Conv2d(RNG.normal(size=(6, 5, 3, 3)), RNG.normal(size=6), padding=(1, 1, 1, 1)),
    "strided": Conv2d(RNG.normal(size=(23, 5, 3, 3)), stride=(2, 1), padding=(0, 2, 1, 0)),
    "dilated": Conv2d(RNG.normal(size=(6, 5, 2, 3)), RNG.normal(size=6), dilation=(2, 1)),
    "grouped": Conv2d(RNG.normal(size=(15, 1, 3, 3)), RNG.normal(size=15), groups=5, padding=(1, 1, 1, 1)),
    "reflected": Conv2d(RNG.normal(size=(6, 5, 3, 3)), padding=(1, 1, 1, 1), padding_mode="reflect"),
}


@pytest.mark.parametrize("name", CONVOLUTIONS)
@pytest.mark.parametrize("dac_sigma", [0.0, 0.2])
def test_a_convolution_is_the_same_code_for_code(name: str, dac_sigma: float, monkeypatch: pytest.MonkeyPatch) -> None:
    images = RNG.normal(size=(7, 5, 8, 9)).astype(np.float32)
    network = ready(one_layer(CONVOLUTIONS[name]), images, QUIET, threads=2, dac_sigma=dac_sigma)
    assert all(matrix.grid is not None for matrix in network.matrices.values())
    found = network.forward(images)
    counts = (dict(network.vectors), dict(network.digital))
    wanted = by_tiles(network, images, monkeypatch)
    assert found.shape == wanted.shape and (dict(network.vectors), dict(network.digital)) == counts
    off = np.abs(found - wanted) > 1e-5 * np.abs(wanted).max()
    assert off.mean() < OTHER
    assert np.abs(found - wanted).max() < 0.05 * np.abs(wanted).max()


@pytest.mark.parametrize("activations", ["ramp", "digital"])
@pytest.mark.parametrize(("levels", "reverse"), [(1, False), (2, True)])
@pytest.mark.parametrize("dac_sigma", [0.0, 0.2])
def test_an_lstm_is_the_same_step_by_step(
    activations: Any, levels: int, reverse: bool, dac_sigma: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A code that is another one changes what follows; before that, h differs by rounding alone."""
    hidden = 7
    sequences = RNG.uniform(-1, 1, (UNIT + 9, 6, 5)).astype(np.float32)
    graph = one_layer(lstm(5, hidden, levels=levels, reverse=reverse), recurrent=True)
    network = ready(graph, sequences, QUIET, threads=2, activations=activations, dac_sigma=dac_sigma)
    cells = network.layers["layer"].cells[0]  # type: ignore[attr-defined]
    assert isinstance(cells, LstmCells) and cells.activations == activations
    found = network.forward(sequences)
    assert cells._kept is not None and cells._kept[1] is not None
    counts = (dict(network.vectors), dict(network.digital))
    wanted = by_tiles(network, sequences, monkeypatch)
    assert found.shape == wanted.shape and (dict(network.vectors), dict(network.digital)) == counts
    assert (np.abs(found - wanted) > 1e-5).mean() < 20 * OTHER  # 120 conversions behind each value
    assert np.abs(found - wanted).max() < 0.1


@pytest.mark.parametrize("activations", ["ramp", "digital"])
def test_the_number_of_threads_makes_no_difference(activations: Any) -> None:
    sequences = RNG.uniform(-1, 1, (2 * UNIT + 3, 5, 5)).astype(np.float32)
    images = RNG.normal(size=(9, 5, 8, 9)).astype(np.float32)
    for graph, data in (
        (one_layer(lstm(5, 7), recurrent=True), sequences), (one_layer(CONVOLUTIONS["padded"]), images),
    ):  # fmt: skip
        one, two = (
            ready(graph, data, Nonidealities(), threads, activations=activations).forward(
                data, np.random.default_rng(4)
            )
            for threads in (1, 2)
        )
        np.testing.assert_array_equal(one, two)


def test_an_lstms_noise_is_as_large_as_the_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spread of h over repeats of one sequence, at each step; read noise of 10 %, so that it is several LSB."""
    repeats, steps = 2000, 4
    sequences = np.tile(RNG.uniform(-1, 1, (1, steps, 5)).astype(np.float32), (repeats, 1, 1))
    network = ready(one_layer(lstm(5, 7), recurrent=True), sequences, Nonidealities(), activations="ramp")
    device = replace(TILE.device, read_noise=0.1)
    network = network.variant(hardware=replace(network.hardware, device=device))
    network.program(np.random.default_rng(1))
    found = network.forward(sequences, np.random.default_rng(5), batch=None)
    wanted = by_tiles(network, sequences, monkeypatch)
    spread = wanted.std(axis=0)
    assert spread.max() > 0.01
    np.testing.assert_allclose(found.mean(axis=0), wanted.mean(axis=0), atol=6 * spread.max() * np.sqrt(2 / repeats))
    # A standard deviation of n repeats is known to 1 / sqrt(2 n); kurtosis of steps makes it a little worse.
    np.testing.assert_allclose(found.std(axis=0), spread, rtol=8 / np.sqrt(repeats), atol=2e-3)


def test_states_go_in_and_come_out() -> None:
    graph = Graph(
        (
            Node("x", "input"),
            Node("state", "input", keywords={"default": None, "batch_axis": 1}),
            Node("layer", "layer", (Ref("x"), Ref("state")), target="layer"),
            Node("all", "output", (Ref("layer"),)),
        ),
        {"layer": lstm(5, 7)},
    )
    sequences = RNG.uniform(-1, 1, (10, 8, 5)).astype(np.float32)
    network = ready(graph, sequences, QUIET, activations="ramp")
    whole, ended = network.forward(sequences)
    first, state = network.forward(sequences[:, :3])
    second, last = network.forward((sequences[:, 3:], state))
    np.testing.assert_array_equal(np.concatenate([first, second], axis=1), whole)
    for one, other in zip(last, ended, strict=True):
        np.testing.assert_array_equal(one, other)


def test_sampled_vectors_and_images_too_small_for_a_kernel() -> None:
    images = RNG.normal(size=(7, 5, 8, 9)).astype(np.float32)
    network = ready(one_layer(CONVOLUTIONS["padded"]), images, QUIET)
    samples = network.sample(["layer"], images, 50)
    assert samples["layer"].shape == (50, 45)
    small = ready(one_layer(CONVOLUTIONS["dilated"]), images, QUIET)
    with pytest.raises(CosimError, match="smaller than the"):
        small.forward(images[:, :, :2, :2])


@pytest.mark.parametrize("digital", [False, True])
def test_the_cells_functions_are_those_of_numpy(digital: bool) -> None:
    """To 4e-7, a few roundings of float32, saturation included."""
    width = 16
    gates = RNG.normal(0, 4, (400, 4 * width)).astype(np.float32)
    gates[0], gates[1], gates[2] = 100.0, -100.0, 0.0
    cell, hidden = RNG.normal(size=(400, width)).astype(np.float32), np.zeros((400, width), np.float32)
    if not digital:
        gates = np.tanh(gates)
    i, f, g, o = (gates[:, n * width : (n + 1) * width].astype(np.float64) for n in range(4))
    if digital:
        i, f, o, g = 1 / (1 + np.exp(-i)), 1 / (1 + np.exp(-f)), 1 / (1 + np.exp(-o)), np.tanh(g)
    wanted = f * cell + i * g
    update_states(gates, width, digital, cell, hidden)
    np.testing.assert_allclose(cell, wanted, rtol=0, atol=1.2e-6)
    np.testing.assert_allclose(hidden, o * np.tanh(cell.astype(np.float64)), rtol=0, atol=4e-7)
