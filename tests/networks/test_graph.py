"""Graphs without PyTorch: built by hand, in pieces, with their bad inputs; and the references' structure."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from cosim.errors import CosimError
from cosim.networks.data import Examples
from cosim.networks.folding import batch_norm, folded
from cosim.networks.from_torch import torch_graph
from cosim.networks.graph import Graph, Node, Ref
from cosim.networks.layers.conv import PIECE, Conv2d, pieces
from cosim.networks.layers.linear import Linear
from cosim.networks.layers.lstm import Lstm
from cosim.networks.network import Network
from cosim.networks.reference import shipped_reference
from cosim.networks.references import graph_of
from cosim.networks.sampling import Reservoir
from cosim.networks.weights import shipped_weights

RNG = np.random.default_rng(3)


def chain(*operations: Node, layers: dict | None = None) -> Graph:
    """An input x, the given nodes, and the last of them as the output."""
    return Graph(
        (Node("x", "input"), *operations, Node("out", "output", (Ref(operations[-1].name),))), layers or {}, name="test"
    )


def linear(outputs: int, inputs: int) -> Linear:
    return Linear(RNG.normal(size=(outputs, inputs)), RNG.normal(size=outputs))


def one_linear() -> Graph:
    return chain(Node("fc", "layer", (Ref("x"),), target="fc"), layers={"fc": linear(4, 6)})


def test_linear_is_the_matrix_product() -> None:
    graph = one_linear()
    fc = graph.layers["fc"]
    assert isinstance(fc, Linear) and fc.bias is not None
    x = RNG.normal(size=(5, 3, 6)).astype(np.float32)
    expected = x.astype(np.float64) @ fc.weight.T + fc.bias
    np.testing.assert_allclose(Network(graph).forward(x), expected, atol=1e-5)  # float32


@pytest.mark.parametrize("stride", [(1, 1), (2, 3)])
@pytest.mark.parametrize("groups", [1, 2, 4])
def test_convolution_by_its_definition(groups: int, stride: tuple[int, int]) -> None:
    """Every output pixel as the sum in words, in float64."""
    weight, bias = RNG.normal(size=(8, 4 // groups, 3, 2)), RNG.normal(size=8)
    conv = Conv2d(weight, bias, stride, (1, 0, 2, 1), (2, 1), groups)
    x = RNG.normal(size=(2, 4, 7, 6)).astype(np.float32)
    found = Network(chain(Node("c", "layer", (Ref("x"),), target="c"), layers={"c": conv})).forward(x)
    padded = np.pad(x.astype(np.float64), ((0, 0), (0, 0), (1, 0), (2, 1)))
    rows = (padded.shape[2] - 5) // stride[0] + 1
    columns = (padded.shape[3] - 2) // stride[1] + 1
    assert found.shape == (2, 8, rows, columns)
    for output in range(8):
        channels = slice(output // (8 // groups) * (4 // groups), (output // (8 // groups) + 1) * (4 // groups))
        for row in range(rows):
            for column in range(columns):
                y, z = row * stride[0], column * stride[1]
                window = padded[:, channels, y : y + 5 : 2, z : z + 2]
                expected = (window * weight[output]).sum(axis=(1, 2, 3)) + bias[output]
                np.testing.assert_allclose(found[:, output, row, column], expected, atol=1e-5)


@pytest.mark.parametrize(("images", "rows", "size"), [(5, 32, 1000), (3, 40, PIECE // 7), (2, 3, 2 * PIECE)])
def test_pieces_of_patches_cover_everything_once_and_stay_small(images: int, rows: int, size: int) -> None:
    covered = np.zeros((images, rows), int)
    for at in pieces(images, rows, size):
        covered[at] += 1
        assert covered[at].size * size <= max(PIECE, size)
    assert (covered == 1).all()


def test_folded_batch_norm_is_the_same_network() -> None:
    """Conv, batch norm, linear with two users: only the first batch norm can be folded."""
    norm = batch_norm(RNG.normal(size=3), RNG.uniform(0.5, 2, 3), RNG.normal(size=3), RNG.normal(size=3))
    nodes = (
        Node("c", "layer", (Ref("x"),), target="c"),
        Node("n", "scale_and_shift", (Ref("c"),), norm),
        Node("mean", "mean", (Ref("n"), (2, 3))),
        Node("fc", "layer", (Ref("mean"),), target="fc"),
        Node("m", "scale_and_shift", (Ref("fc"),), norm),
        Node("sum", "add", (Ref("m"), Ref("fc"))),
    )
    graph = chain(*nodes, layers={"c": Conv2d(RNG.normal(size=(3, 2, 3, 3))), "fc": linear(3, 3)})
    after = folded(graph)
    assert [node.name for node in after.nodes] == ["x", "c", "mean", "fc", "m", "sum", "out"]
    x = RNG.normal(size=(4, 2, 6, 6)).astype(np.float32)
    np.testing.assert_allclose(Network(after).forward(x), Network(graph).forward(x), atol=1e-5)


def test_values_are_freed_after_their_last_use() -> None:
    graph = chain(
        Node("a", "relu", (Ref("x"),)), Node("b", "tanh", (Ref("a"),)), Node("c", "add", (Ref("b"), Ref("a")))
    )
    assert graph.last_uses() == {"a": ("x",), "c": ("a", "b"), "out": ("c",)}


def test_memory_of_a_long_chain_is_that_of_a_few_values() -> None:
    """A hundred steps on a megabyte: freed as they go, a few megabytes at a time."""
    import tracemalloc

    nodes = [Node("n0", "relu", (Ref("x"),))]
    nodes += [Node(f"n{n}", "add", (Ref(f"n{n - 1}"), 1.0)) for n in range(1, 100)]
    network, x = Network(chain(*nodes)), np.ones((1, 2**18), np.float32)
    tracemalloc.start()
    try:
        network.forward(x)
        assert tracemalloc.get_traced_memory()[1] < 8 * x.nbytes
    finally:
        tracemalloc.stop()


def test_data_of_any_source_in_any_pieces() -> None:
    graph, x = one_linear(), RNG.normal(size=(23, 6)).astype(np.float32)
    asked: list[int] = []

    def make(at: slice) -> NDArray[np.float32]:
        asked.append(at.stop - at.start)
        return x[at]

    whole = Network(graph).forward(x, batch=None)
    np.testing.assert_allclose(Network(graph).forward(Examples(23, make), batch=5), whole, atol=1e-6)
    assert max(asked) == 5
    assert Network(graph).forward(x.tolist(), batch=4).shape == (23, 4)


def test_memory_mapped_data(tmp_path: object) -> None:
    x = RNG.normal(size=(40, 6)).astype(np.float32)
    np.save(f"{tmp_path}/x.npy", x)
    mapped = np.load(f"{tmp_path}/x.npy", mmap_mode="r")
    graph = one_linear()
    np.testing.assert_allclose(Network(graph).forward(mapped, batch=7), Network(graph).forward(x), atol=1e-6)


def test_no_examples_give_an_empty_result_of_the_right_shape() -> None:
    reference = shipped_reference("fsdd_lstm")
    assert Network(graph_of(reference)).forward(np.zeros((0, 20, 40), np.float32)).shape == (0, 10)


def test_outputs_that_depend_on_other_examples_are_not_joined() -> None:
    graph = chain(Node("m", "mean", (Ref("x"), 0, True)), Node("d", "sub", (Ref("x"), Ref("m"))))
    x = RNG.normal(size=(6, 3)).astype(np.float32)
    np.testing.assert_allclose(Network(graph).forward(x, batch=None), x - x.mean(axis=0), atol=1e-6)
    with pytest.raises(CosimError, match="cannot be joined"):
        Network(graph).forward(x, batch=2)


def test_sizes_among_the_outputs_are_not_joined() -> None:
    graph = chain(Node("r", "relu", (Ref("x"),)), Node("n", "size", (Ref("r"), 0)))
    assert Network(graph).forward(np.zeros((6, 3), np.float32)) == 6
    with pytest.raises(CosimError, match="cannot be joined"):
        Network(graph).forward(np.zeros((6, 3), np.float32), batch=2)


def test_without_pytorch_the_cure_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(CosimError, match=r"pip install 'cosim\[train\]'"):
        torch_graph(None)  # type: ignore[arg-type]


def test_state_is_carried_from_piece_to_piece() -> None:
    """A text read in pieces is the text read at once."""
    network = Network(graph_of(shipped_reference("ptb_char_lstm")))
    text = RNG.integers(0, 50, (3, 37))
    logits, (hidden, cell) = network.forward(text)
    parts = list(network.read(text, steps=10))
    assert [at.stop - at.start for at, _, _ in parts] == [10, 10, 10, 7]
    np.testing.assert_allclose(np.concatenate([part for _, part, _ in parts], axis=1), logits, atol=2e-4)
    np.testing.assert_allclose(parts[-1][2][0], hidden, atol=1e-5)
    np.testing.assert_allclose(parts[-1][2][1], cell, atol=1e-4)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (np.zeros((2, 5), np.float32), r"\(2, 5\).*\(\.\.\., 6\)"),
        (np.float32(1.0), "no dimension 0"),
        (np.full((2, 6), np.nan, np.float32), "finite"),
        (np.full((2, 6), np.inf), "finite"),
        (np.ones((2, 6), np.int64), "int64.*real numbers"),
        (np.array([["a"] * 6]), "numbers"),
        ((np.zeros((2, 6)), np.zeros((2, 6))), "2 inputs given for 1"),
        ({"y": np.zeros((2, 6))}, "no such input"),
        ({}, "missing"),
    ],
)
def test_data_that_does_not_fit(data: object, message: str) -> None:
    with pytest.raises(CosimError, match=message):
        Network(one_linear()).forward(data)


def lstm(**options: object) -> Lstm:
    arrays = {"weight_ih_l0": RNG.normal(size=(12, 2)), "weight_hh_l0": RNG.normal(size=(12, 3))}
    return Lstm(arrays, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("shape", "message"), [((4, 0, 2), "without a single step"), ((4, 5, 3), "do not fit"), ((4,), "do not fit")]
)
def test_sequences_that_do_not_fit(shape: tuple[int, ...], message: str) -> None:
    graph = chain(Node("l", "layer", (Ref("x"),), target="l"), layers={"l": lstm(batch_first=True)})
    with pytest.raises(CosimError, match=message):
        Network(graph).forward(np.zeros(shape, np.float32))


def test_symbols_that_are_none() -> None:
    network = Network(graph_of(shipped_reference("ptb_char_lstm")))
    for text, message in ((np.full((1, 3), 50), "no such symbol"), (np.zeros((1, 3)), "whole numbers")):
        with pytest.raises(CosimError, match=message):
            network.forward(text)
    with pytest.raises(CosimError, match="single step"):
        next(network.read(np.zeros((2, 0), int)))


def bad_graphs() -> list[tuple[Callable[[], Graph], str]]:
    x, out = Node("x", "input"), Node("out", "output", (Ref("x"),))
    return [
        (lambda: Graph((x, x, out)), "same name"),
        (lambda: Graph((x, Node("a", "rleu", (Ref("x"),)), out)), "Did you mean 'relu'"),
        (lambda: Graph((Node("out", "output", (Ref("x"),)),)), "no earlier node"),
        (lambda: Graph((x, Node("a", "layer", (Ref("x"),), target="fc"), out)), "no such layer"),
        (lambda: Graph((x,)), "its output"),
    ]


@pytest.mark.parametrize("number", range(5))
def test_graphs_that_make_no_sense(number: int) -> None:
    make, message = bad_graphs()[number]
    with pytest.raises(CosimError, match=message):
        make()


def test_operation_that_cannot_work_names_its_node() -> None:
    graph = chain(Node("two", "reshape", (Ref("x"), 7, 7)))
    with pytest.raises(CosimError, match=r"'two'.*'reshape' cannot work"):
        Network(graph).forward(np.zeros((2, 6), np.float32))


def test_sample_is_of_the_real_vectors_and_fair() -> None:
    """Vectors numbered 0 .. 999 come in pieces; each is kept with the same chance."""
    hits = np.zeros(1000)
    for seed in range(400):
        reservoir = Reservoir(["m"], 50, seed)
        for piece in np.array_split(np.arange(1000, dtype=np.float32)[:, None], 7):
            reservoir.offer("m", piece, piece)
        kept = reservoir.samples()["m"][:, 0].astype(int)
        assert len(set(kept)) == 50
        hits[kept] += 1
    # Binomial of 400 draws with p = 1/20: mean 20, variance 19. Chi-squared of 1000 places within 4.5 sigma.
    assert hits.sum() == 400 * 50
    statistic = ((hits - 20) ** 2 / 19).sum()
    assert abs(statistic - 1000) < 4.5 * np.sqrt(2 * 1000)


def test_sampling_an_unknown_matrix() -> None:
    with pytest.raises(CosimError, match="Did you mean 'fc'"):
        Network(one_linear()).sample(["fcc"], np.zeros((2, 6), np.float32), 5)


def test_matrices_of_the_references() -> None:
    gates = ["lstm.l0.i", "lstm.l0.f", "lstm.l0.g", "lstm.l0.o", "head"]
    for name in ("har_lstm", "fsdd_lstm", "ptb_char_lstm"):
        assert Network(graph_of(shipped_reference(name))).matrix_names == gates
    assert Network(graph_of(shipped_weights("float"))).matrix_names == gates
    names = Network(graph_of(shipped_reference("cifar10_resnet32"))).matrix_names
    assert len(names) == 32 and names[:3] == ["stem", "blocks.0.conv1", "blocks.0.conv2"] and names[-1] == "head"


def test_what_gathers_values_counts_each_of_them() -> None:
    """A largest value along a dimension comes with its places, and costs what a mean costs."""
    network = Network(
        chain(
            Node("mean", "mean", (Ref("x"), 1)),
            Node("max", "max", (Ref("x"), 1)),
            Node("values", "getitem", (Ref("max"), 0)),
            Node("sum", "add", (Ref("values"), Ref("mean"))),
        )
    )
    network.forward(RNG.normal(size=(3, 5)).astype(np.float32))
    assert network.digital == {("mean", "mean"): 15, ("max", "max"): 15, ("sum", "add"): 3}
