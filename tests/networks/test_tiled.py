"""Networks on tiles: fidelities, scales, programming, pieces, what they use, and what goes wrong."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from cosim.blocks.ramp_adc.config import RampAdcConfig
from cosim.errors import CosimError
from cosim.networks.graph import Graph, Node, Ref
from cosim.networks.layers.conv import Conv2d
from cosim.networks.layers.gru import Gru
from cosim.networks.layers.linear import Linear
from cosim.networks.layers.lstm import Lstm
from cosim.networks.network import Network
from cosim.networks.tiled import TiledNetwork
from cosim.tiles.config import Nonidealities, TileConfig
from cosim.tiles.hardware import Hardware
from cosim.tiles.mapping import MappingConfig
from cosim.tiles.model_error import ModelFormError
from cosim.tiles.protocol import Fidelity
from cosim.tiles.scaling import ScalingConfig

RNG = np.random.default_rng(8)
TILE = TileConfig(inputs=16, outputs=8, dac_bits=8, weight_bits=8, adc=RampAdcConfig(bits=8))
HARDWARE = Hardware(TILE)
NO_RNG = np.random.default_rng(0)


def recurrent(kind: type[Lstm] | type[Gru], inputs: int = 4, hidden: int = 6, projection: int = 0) -> Graph:
    """One recurrent layer, and a linear one behind its last output."""
    gates, fed = (4 if kind is Lstm else 3) * hidden, projection or hidden
    sizes = {"weight_ih_l0": (gates, inputs), "weight_hh_l0": (gates, fed), "bias_ih_l0": gates, "bias_hh_l0": gates}
    if projection:
        sizes["weight_hr_l0"] = (projection, hidden)
    layer = kind({name: RNG.normal(0, 0.6, size) for name, size in sizes.items()}, True)
    nodes = (
        Node("x", "input"),
        Node("rnn", "layer", (Ref("x"),), target="rnn"),
        Node("states", "getitem", (Ref("rnn"), 0)),
        Node("last", "getitem", (Ref("states"), (slice(None), -1))),
        Node("head", "layer", (Ref("last"),), target="head"),
        Node("out", "output", (Ref("head"),)),
    )
    return Graph(nodes, {"rnn": layer, "head": Linear(RNG.normal(size=(3, fed)), RNG.normal(size=3))})


def small_cnn() -> Graph:
    nodes = (
        Node("x", "input"),
        Node("c1", "layer", (Ref("x"),), target="c1"),
        Node("r1", "relu", (Ref("c1"),)),
        Node("c2", "layer", (Ref("r1"),), target="c2"),
        Node("mean", "mean", (Ref("c2"), (2, 3))),
        Node("fc", "layer", (Ref("mean"),), target="fc"),
        Node("out", "output", (Ref("fc"),)),
    )
    layers = {
        "c1": Conv2d(RNG.normal(size=(6, 3, 3, 3)), RNG.normal(size=6), padding=(1, 1, 1, 1)),
        "c2": Conv2d(RNG.normal(size=(12, 1, 3, 3)), groups=6),
        "fc": Linear(RNG.normal(size=(5, 12))),
    }
    return Graph(nodes, layers)


IMAGES = RNG.normal(size=(9, 3, 6, 5)).astype(np.float32)
SEQUENCES = RNG.uniform(-1, 1, (12, 7, 4)).astype(np.float32)


def relative(found: NDArray, expected: NDArray) -> float:
    return float(np.abs(found - expected).max() / np.abs(expected).max())


def ready(graph: Graph, data: Any, fidelity: Any, hardware: Hardware = HARDWARE, **options: Any) -> TiledNetwork:
    network = TiledNetwork(graph, hardware, fidelity=fidelity, **options)
    network.calibrate(data)
    network.program(np.random.default_rng(1))
    return network


@pytest.mark.parametrize("activations", ["auto", "ramp", "digital", "second conversion"])
@pytest.mark.parametrize(("kind", "projection"), [(Lstm, 0), (Lstm, 2), (Gru, 0)])
def test_ideal_tiles_are_real_arithmetic(kind: Any, projection: int, activations: Any) -> None:
    graph = recurrent(kind, projection=projection)
    found = ready(graph, SEQUENCES, "ideal", activations=activations).forward(SEQUENCES)
    assert relative(found, Network(graph).forward(SEQUENCES)) < 1e-5  # float32


def test_ideal_convolutions_in_row_blocks_and_bundles() -> None:
    """c1 has 27 rows on tiles of 16; c2 has six groups of 9 rows, of which a tile takes one."""
    graph = small_cnn()
    network = ready(graph, IMAGES, "ideal")
    assert list(network.matrices) == ["c1", *(f"c2.g{n}" for n in range(6)), "fc"]
    assert [part.name for part in network.matrices["c1"].parts] == ["r0c0", "r1c0"]
    assert relative(network.forward(IMAGES), Network(graph).forward(IMAGES)) < 1e-5


def test_groups_share_a_tile_where_they_fit() -> None:
    wide = Hardware(TILE.model_copy(update={"inputs": 64, "outputs": 8}))
    graph = small_cnn()
    network = ready(graph, IMAGES, "ideal", wide)
    assert [name for name in network.matrices if name.startswith("c2")] == ["c2.g0", "c2.g4"]
    assert network.matrices["c2.g0"].weights.shape == (36, 8)
    assert relative(network.forward(IMAGES), Network(graph).forward(IMAGES)) < 1e-5


def test_ideal_needs_no_calibration_and_the_others_do() -> None:
    graph = small_cnn()
    network = TiledNetwork(graph, HARDWARE, fidelity="ideal")
    with pytest.raises(CosimError, match="not programmed"):
        network.forward(IMAGES)
    network.program(NO_RNG)
    assert relative(network.forward(IMAGES), Network(graph).forward(IMAGES)) < 1e-5
    with pytest.raises(CosimError, match="calibrate"):
        TiledNetwork(graph, HARDWARE, fidelity="quantised").program(NO_RNG)


@pytest.mark.parametrize("activations", ["ramp", "digital", "second conversion"])
def test_quantised_error_is_that_of_eight_bits(activations: Any) -> None:
    """Converters of 8 bits: of the order of a percent of the largest output, and not zero."""
    graph = recurrent(Lstm)
    found = ready(graph, SEQUENCES, "quantised", activations=activations).forward(SEQUENCES)
    assert 1e-5 < relative(found, Network(graph).forward(SEQUENCES)) < 0.05


@pytest.mark.parametrize("batch", [1, 4, 5, None])
def test_size_of_the_pieces_changes_nothing_on_quantised_tiles(batch: int | None) -> None:
    network = ready(small_cnn(), IMAGES, "quantised")
    np.testing.assert_array_equal(network.forward(IMAGES, batch=batch), network.forward(IMAGES, batch=3))
    sequences = ready(recurrent(Gru), SEQUENCES, "quantised")
    np.testing.assert_array_equal(sequences.forward(SEQUENCES, batch=batch), sequences.forward(SEQUENCES, batch=7))


def test_behavioural_without_non_idealities_is_quantised() -> None:
    graph, none = recurrent(Lstm), Hardware(TILE, nonidealities=Nonidealities.none())
    quantised = ready(graph, SEQUENCES, "quantised")
    plain = ready(graph, SEQUENCES, "behavioural", none)
    np.testing.assert_allclose(plain.forward(SEQUENCES), quantised.forward(SEQUENCES), atol=1e-5)


def test_stated_full_scales_need_no_calibration() -> None:
    """The same as with calibration, whose data then decides nothing."""
    graph, stated = recurrent(Lstm), ScalingConfig(mode="layer", s_x=2.0, s_w=3.0, s_y=4.0)
    scaling = {"rnn": ScalingConfig(s_x=1.0, s_w=3.0), "head": stated}
    options: dict[str, Any] = {"scaling": scaling, "fidelity": "quantised", "activations": "ramp"}
    network = TiledNetwork(graph, HARDWARE, **options)
    network.program(NO_RNG)
    np.testing.assert_array_equal(
        network.forward(SEQUENCES), ready(graph, SEQUENCES, options.pop("fidelity"), **options).forward(SEQUENCES)
    )


@pytest.mark.parametrize(
    "scaling", [ScalingConfig(s_x=1.0), ScalingConfig(s_y=1.0), ScalingConfig(mode="network", s_x=1.0, s_y=1.0)]
)
def test_what_is_not_stated_needs_calibration(scaling: ScalingConfig) -> None:
    network = TiledNetwork(small_cnn(), HARDWARE, scaling=scaling, fidelity="quantised")
    with pytest.raises(CosimError, match="calibrate"):
        network.program(NO_RNG)


def test_chip_depends_on_the_seed_and_not_on_fidelities() -> None:
    graph = recurrent(Lstm)
    first = ready(graph, SEQUENCES, "behavioural")
    some = first.variant(fidelity={"rnn.l0.i": "behavioural", "head.r0c0": Fidelity.BEHAVIOURAL, "*": "quantised"})
    some.program(np.random.default_rng(1))
    for name in ("rnn.l0.i", "head"):
        one, other = (each.matrices[name].parts[0].tile for each in (first, some))
        np.testing.assert_array_equal(one.matrix, other.matrix)  # type: ignore[attr-defined]
    assert type(some.matrices["rnn.l0.f"].parts[0].tile).__name__ == "QuantisedTile"
    assert not np.array_equal(
        first.forward(SEQUENCES, np.random.default_rng(2)), some.forward(SEQUENCES, np.random.default_rng(2))
    )


def test_noise_is_drawn_from_the_generator() -> None:
    network = ready(recurrent(Lstm), SEQUENCES, "behavioural")
    same = [network.forward(SEQUENCES, np.random.default_rng(5)) for _ in range(2)]
    np.testing.assert_array_equal(*same)
    assert not np.array_equal(same[0], network.forward(SEQUENCES, np.random.default_rng(6)))
    with pytest.raises(CosimError, match="noise needs"):
        network.forward(SEQUENCES)


def test_use_counts_what_is_done() -> None:
    """By hand, of one sequence of 7 steps: four gates of 6 columns on 11 rows, six state updates a step, the head."""
    network = ready(recurrent(Lstm), SEQUENCES, "quantised", activations="ramp")
    network.forward(SEQUENCES, batch=5)
    use = network.use()
    gate = use.matrices["rnn.l0.g"]
    assert (gate.vectors, gate.tiles, dict(gate.conversions)) == (7, 1, {"tanh": 7 * 6})
    assert gate.dac_conversions == 7 * 11
    assert use.conversions == {"sigmoid": 3 * 42, "tanh": 42, "linear": 3}
    assert use.digital == {
        ("rnn.l0", "multiply"): 3 * 42, ("rnn.l0", "add"): 42, ("rnn.l0", "tanh"): 42, ("head", "add"): 3,
    }  # fmt: skip


def test_use_of_the_ways_to_activate() -> None:
    """Digital: sigmoids computed; second conversion: as many conversions again, by sigmoid and tanh."""
    found = {}
    for activations in ("digital", "second conversion"):
        network = ready(recurrent(Lstm), SEQUENCES, "ideal", activations=activations)
        network.forward(SEQUENCES)
        found[activations] = network.use()
    assert found["digital"].conversions == {"linear": 4 * 42 + 3}
    assert found["digital"].operations()["sigmoid"] == 3 * 42
    assert found["second conversion"].conversions == {"linear": 4 * 42 + 3, "sigmoid": 3 * 42, "tanh": 42}
    assert "sigmoid" not in found["second conversion"].operations()
    assert found["second conversion"].operations()["add"] == found["digital"].operations()["add"]


@pytest.mark.parametrize(
    "mapping", [MappingConfig(slice_bits=3), MappingConfig(signs="offset")], ids=["digits", "offset"]
)
@pytest.mark.parametrize("kind", [Lstm, Gru])
def test_digits_and_correction_columns_leave_activations_to_the_digital_side(kind: Any, mapping: MappingConfig) -> None:
    """Sums of parts are no activations: "auto" is "digital" then, and cells of a second conversion are plain pairs."""
    graph = recurrent(kind)
    found = {
        activations: ready(graph, SEQUENCES, "quantised", mapping=mapping, activations=activations)
        for activations in ("auto", "digital", "second conversion")
    }
    auto, digital, second = (each.forward(SEQUENCES) for each in found.values())
    np.testing.assert_array_equal(auto, digital)
    exact = Network(graph).forward(SEQUENCES)
    # 8 bits: a percent or so; with a correction column, whose pedestal takes half of the range, twice as much.
    assert relative(digital, exact) < 0.05 and relative(second, exact) < 0.05
    tiles = {
        part.config.signs
        for part in found["second conversion"].matrices["rnn.l0.z.second" if kind is Gru else "rnn.l0.f.second"].parts
    }
    assert tiles == {"differential"}
    with pytest.raises(CosimError, match="straight from the converter"):
        TiledNetwork(graph, HARDWARE, mapping, activations="ramp")


def test_a_stated_full_scale_of_one_gate_leaves_all_gates_their_inputs() -> None:
    """Gates share what is fed to them: with s_x of one at its own choice nothing is divided by ranges."""
    scaling = {"rnn.l0.i": ScalingConfig(s_x=2.0), "*": ScalingConfig()}
    network = ready(recurrent(Lstm), SEQUENCES, "quantised", scaling=scaling)
    for gate in "ifgo":
        weights = network.weights[f"rnn.l0.{gate}"]
        np.testing.assert_array_equal(
            weights.weights, TiledNetwork(network.graph, HARDWARE).weights[f"rnn.l0.{gate}"].weights
        )
    assert network.scales["rnn.l0.i"].s_x == 2.0
    assert network.scales["rnn.l0.f"].s_x == pytest.approx(1.0)  # of the bias's row


def test_a_wrong_word_is_refused_at_once() -> None:
    with pytest.raises(CosimError, match="Did you mean 'ramp'") as caught:
        TiledNetwork(recurrent(Lstm), HARDWARE, activations="rmp")  # type: ignore[arg-type]
    assert caught.value.key == "activations"
    for options in ({"mapping": {"signs": "offset"}}, {"scaling": "column"}):
        with pytest.raises(CosimError, match="Config"):
            TiledNetwork(small_cnn(), HARDWARE, **options)  # type: ignore[arg-type]
    with pytest.raises(CosimError, match="at least one thread"):
        Hardware(TILE, threads=0)
    with pytest.raises(CosimError, match="not a generator"):
        ready(small_cnn(), IMAGES, "quantised").forward(IMAGES, 3)  # type: ignore[arg-type]
    with pytest.raises(CosimError, match="beyond what float32 holds"):
        ready(small_cnn(), IMAGES, "quantised").forward(np.full((1, 3, 6, 5), 1e200))
    graph = small_cnn()
    broken = Graph(graph.nodes, {**graph.layers, "fc": Linear(np.full((5, 12), np.nan))})
    with pytest.raises(CosimError, match="weights of fc must be finite"):
        TiledNetwork(broken, HARDWARE, fidelity="ideal")


def test_noise_of_a_model_form_error_wants_a_generator_too() -> None:
    quiet = Hardware(TILE, nonidealities=Nonidealities().quiet(), model_error=ModelFormError(mac_conversion=1e-3))
    network = ready(small_cnn(), IMAGES, "behavioural", quiet)
    with pytest.raises(CosimError, match="drawn from"):
        network.forward(IMAGES)
    misnamed = network.variant(hardware=replace(quiet, model_error={"fd": ModelFormError(mac_mean=1e-3)}))
    with pytest.raises(CosimError, match="there is no such matrix"):
        misnamed.program(np.random.default_rng(1))
    static = network.variant(hardware=replace(quiet, model_error={"fc": ModelFormError(mac_mean=1e-3)}))
    static.program(np.random.default_rng(1))
    assert static.forward(IMAGES).shape == (9, 5)


def test_gates_out_of_the_ramp_need_their_rows_on_one_tile() -> None:
    graph = recurrent(Lstm, inputs=4, hidden=12)
    with pytest.raises(CosimError, match="all 17 rows"):
        TiledNetwork(graph, HARDWARE, activations="ramp")
    network = TiledNetwork(graph, HARDWARE, activations="auto")
    assert all(each.function == "linear" for each in network.weights.values())


def test_kinds_of_inputs_have_ranges_of_their_own() -> None:
    """x a hundred times as large as h: both use the whole converter, and the network is the same."""
    graph, data = recurrent(Lstm), 100 * SEQUENCES
    lstm = graph.layers["rnn"]
    assert isinstance(lstm, Lstm)
    arrays = dict(lstm.arrays) | {"weight_ih_l0": lstm.arrays["weight_ih_l0"] / 100}
    scaled = Graph(graph.nodes, {"rnn": Lstm(arrays, True), "head": graph.layers["head"]})
    network = ready(scaled, data, "quantised")
    np.testing.assert_allclose(
        network.forward(data), ready(graph, SEQUENCES, "quantised").forward(SEQUENCES), atol=1e-4
    )
    sample = network.sample(["rnn.l0.i"], data, 50)["rnn.l0.i"]
    # Ranges are those of real arithmetic; h of quantised tiles goes beyond by what 8 bits err.
    assert sample.shape == (50, 11) and 0.5 < np.abs(sample).max() <= 1.02


def test_clipping_is_reported() -> None:
    network = TiledNetwork(small_cnn(), HARDWARE, scaling=ScalingConfig(output_percentile=90.0))
    clipping = network.calibrate(IMAGES)
    assert set(clipping) == set(network.matrices)
    assert clipping["c1"].worst == pytest.approx(0.1, abs=0.02)  # one in ten, by its definition


@pytest.mark.parametrize(
    ("fidelity", "message"),
    [
        ({"c1": "ideal"}, "nothing is chosen"),
        ({"fcc": "ideal", "*": "ideal"}, "Did you mean"),
        ({"c1.r0c0": "spicy", "*": "ideal"}, "no such fidelity"),
        ("spicy", "no such fidelity"),
    ],
)
def test_fidelities_that_are_not_there(fidelity: str | Mapping[str, str], message: str) -> None:
    with pytest.raises(CosimError, match=message):
        TiledNetwork(small_cnn(), HARDWARE, fidelity=fidelity)


def test_weights_beyond_the_users_window() -> None:
    network = TiledNetwork(small_cnn(), HARDWARE, scaling=ScalingConfig(s_w=0.5), fidelity="quantised")
    with pytest.raises(CosimError, match=r"do not fit the conductance window"):
        network.calibrate(IMAGES)


def test_calibration_without_examples_and_use_before_any() -> None:
    network = TiledNetwork(small_cnn(), HARDWARE)
    with pytest.raises(CosimError, match="no example"):
        network.use()
    with pytest.raises(CosimError, match="no examples"):
        network.calibrate(IMAGES[:0])


def test_no_examples_on_tiles() -> None:
    assert ready(small_cnn(), IMAGES, "behavioural").forward(IMAGES[:0]).shape == (0, 5)


def test_trimming_takes_a_chips_own_gains_and_offsets_away() -> None:
    """Nearer to real arithmetic on the same chip; a new chip begins untrimmed."""
    graph = small_cnn()
    network = TiledNetwork(graph, HARDWARE)
    with pytest.raises(CosimError, match="calibrated and programmed"):
        network.trim(NO_RNG)
    network.calibrate(IMAGES)
    expected = Network(graph).forward(IMAGES)
    errors = []
    for trimmed in (False, True, False):
        network.program(np.random.default_rng(1))
        if trimmed:
            network.trim(np.random.default_rng(3))
        errors.append(relative(network.forward(IMAGES, np.random.default_rng(2)), expected))
    assert errors[1] < 0.5 * errors[0] and errors[2] == errors[0]


@pytest.mark.parametrize("share", [1.0, 0.01])
def test_second_conversion_reaches_to_the_outer_thresholds_and_no_farther(share: float) -> None:
    """Large sums saturate sigmoid and tanh; the DAC is not to spend its levels there. Small sums have it all."""
    graph = recurrent(Lstm)
    lstm = graph.layers["rnn"]
    assert isinstance(lstm, Lstm)
    arrays = {name: (20 if share == 1.0 else 0.01) * each for name, each in lstm.arrays.items()}
    scaled = Graph(graph.nodes, {"rnn": Lstm(arrays, True), "head": graph.layers["head"]})
    network = ready(scaled, SEQUENCES, "quantised", activations="second conversion")
    outer = {"i": np.log(255), "g": np.arctanh(254 / 256)}  # 8 bits: y = 1/256 and its mirror, y = -254/256
    for gate, threshold in outer.items():
        s_x = network.scales[f"rnn.l0.{gate}.second"].s_x
        if share == 1.0:
            assert s_x == pytest.approx(threshold * (1 + 0.5 / 127), rel=1e-6)
        else:
            assert s_x < 0.1
