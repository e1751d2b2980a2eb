"""Counts of networks on tiles in closed form, and what `cosim cost explain` prints."""

import json
import re
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from cosim.costs.config import CostConfig
from cosim.costs.work import LayerWork
from cosim.networks.graph import Graph
from cosim.networks.reference import shipped_reference
from cosim.networks.references import graph_of
from cosim.networks.tiled import TiledNetwork
from cosim.studies.costing import VECTORS, cost_of, cost_of_network, group_of, kind_of, layers_of
from cosim.tiles.config import TileConfig, input_pulse
from cosim.tiles.hardware import Hardware
from cosim.tiles.scaling import ScalingConfig

from ..conftest import Run

STEPS, INPUTS, HIDDEN, CLASSES = 6, 40, 32, 10


def drawn(*shape: int) -> np.ndarray:
    return np.random.default_rng(1).standard_normal(shape).astype(np.float32)


@pytest.fixture(scope="module")
def fsdd() -> Graph:
    return graph_of(shipped_reference("fsdd_lstm"))


def works(graph: Graph, data: np.ndarray, activations: str = "auto", **tile: object) -> dict[str, LayerWork]:
    hardware = Hardware(TileConfig(**{"inputs": 128, "outputs": 128, **tile}))  # type: ignore[arg-type]
    network = TiledNetwork(graph, hardware, fidelity="ideal", activations=activations)  # type: ignore[arg-type]
    network.calibrate(data)
    network.program(np.random.default_rng(0))
    samples = network.sample(network.matrix_names, data, VECTORS, 0)
    return {each.name: each for each in layers_of(network, network.use(), samples, CostConfig())}


def test_an_lstm_in_closed_form(fsdd: Graph) -> None:
    found = works(fsdd, drawn(4, STEPS, INPUTS))
    lstm, head = found["lstm.l0"], found["head"]
    assert lstm.multiplications == STEPS * (INPUTS + HIDDEN) * 4 * HIDDEN
    assert lstm.steps == STEPS
    assert [each.name for each in lstm.tiles] == [f"lstm.l0.{gate}.r0c0" for gate in "ifgo"]
    assert all(each.operations == STEPS and each.converted == HIDDEN for each in lstm.tiles)
    assert lstm.count("multiplication") == 3 * HIDDEN * STEPS
    assert lstm.count("addition") == HIDDEN * STEPS
    assert lstm.count("activation") == HIDDEN * STEPS
    # 73 inputs read once for four gates and the cell's state, each step; four gates' codes and the state written.
    assert lstm.read == STEPS * ((INPUTS + HIDDEN + 1) * 5 + HIDDEN * 16)
    assert lstm.written == STEPS * (4 * HIDDEN * 5 + HIDDEN * 16)
    assert head.multiplications == HIDDEN * CLASSES and head.steps == 1
    assert head.count("addition") == CLASSES  # the bias
    assert head.count("multiplication", "full scales") == CLASSES  # each column has one of its own


def test_gates_that_do_not_fit_a_tile_are_added_and_taken_digitally(fsdd: Graph) -> None:
    lstm = works(fsdd, drawn(4, STEPS, INPUTS), inputs=50)["lstm.l0"]
    assert len(lstm.tiles) == 8
    assert lstm.count("addition", "partial sums") == 4 * HIDDEN * STEPS
    assert lstm.count("multiplication", "full scales") == 2 * 4 * HIDDEN * STEPS
    assert lstm.count("addition") == (4 + 5) * HIDDEN * STEPS  # partial sums; four biases and the cell's
    assert lstm.count("activation") == 5 * HIDDEN * STEPS
    assert lstm.multiplications == STEPS * (INPUTS + HIDDEN) * 4 * HIDDEN


def test_second_conversions_are_a_group_of_their_own(fsdd: Graph) -> None:
    found = works(fsdd, drawn(4, STEPS, INPUTS), "second conversion", inputs=50)
    second = found["lstm.l0.second"]
    assert second.multiplications == 0 and second.steps == STEPS and len(second.tiles) == 4
    assert found["lstm.l0"].count("activation") == HIDDEN * STEPS


def test_an_inference_of_a_text_is_a_symbol() -> None:
    graph = graph_of(shipped_reference("ptb_char_lstm"))
    data = np.random.default_rng(1).integers(0, 40, (3, 4))
    hardware = Hardware(TileConfig(inputs=128, outputs=128))
    whole, symbol = (cost_of(graph, hardware, data, per=per) for per in (1, 4))
    assert whole.operations == pytest.approx(4 * symbol.operations, rel=1e-12)
    assert whole.energy.value == pytest.approx(4 * symbol.energy.value, rel=1e-12)
    assert whole.area.value == pytest.approx(symbol.area.value, rel=0.02)  # the head's buffer holds all results


def test_a_small_resnet_counts_its_convolutions() -> None:
    graph = graph_of(shipped_reference("cifar10_resnet32"))
    found = works(graph, drawn(2, 3, 32, 32))
    channels = found["stem"].tiles[0].config.outputs
    assert found["stem"].multiplications == 32 * 32 * 27 * channels
    assert found["stem"].steps == 32 * 32
    last = found["blocks.14.conv2"]
    assert last.steps == 8 * 8
    assert last.multiplications == 8 * 8 * 9 * (4 * channels) ** 2
    assert found["blocks.0.add"].count("addition") == 32 * 32 * channels
    assert found["blocks.0.relu2"].count("comparison") == 32 * 32 * channels
    assert found["mean (digital)"].count("addition") == 8 * 8 * 4 * channels  # each value is added once


def test_a_network_that_is_there_costs_what_its_graph_costs(fsdd: Graph) -> None:
    data, hardware = drawn(4, STEPS, INPUTS), Hardware(TileConfig(inputs=128, outputs=128))
    network = TiledNetwork(fsdd, hardware)
    network.calibrate(data)
    assert cost_of_network(network, data).figures() == cost_of(fsdd, hardware, data).figures()
    assert not network.programmed


def test_pulses_of_compensated_arrays_are_as_long_as_their_headroom_wants(fsdd: Graph) -> None:
    """At any fidelity: the weights take a share of the window, so T = alpha C_fb / (V_read S) is longer by as much."""
    data = drawn(4, STEPS, INPUTS)
    plain, compensated = (works(fsdd, data, compensated=wanted)["lstm.l0"].tiles[0].config for wanted in (False, True))
    assert 0.3 < compensated.headroom < 1.0
    assert input_pulse(compensated) == pytest.approx(input_pulse(plain) / compensated.headroom, rel=1e-12)
    hardware = Hardware(TileConfig(inputs=128, outputs=128, compensated=True))
    network = TiledNetwork(fsdd, hardware)
    network.calibrate(data)
    costs = [cost_of_network(each, data).figures() for each in (network, network.variant(fidelity="quantised"))]
    assert costs[0] == costs[1]
    assert costs[0]["latency"] > cost_of(fsdd, Hardware(TileConfig(inputs=128, outputs=128)), data).figures()["latency"]


def test_larger_inputs_take_more_from_the_array_alone(fsdd: Graph) -> None:
    hardware = Hardware(TileConfig(inputs=128, outputs=128))
    network = TiledNetwork(fsdd, hardware)
    data = drawn(4, STEPS, INPUTS)
    network.calibrate(data)
    small, large = (
        {term.name: term.value for term in cost_of_network(network, data * share).energy_by_part.terms}
        for share in (0.25, 1.0)
    )
    assert large["array"] > 1.2 * small["array"]
    assert large["counters"] == pytest.approx(small["counters"], rel=1e-12)


def test_one_full_scale_for_the_network_is_not_multiplied_by(fsdd: Graph) -> None:
    hardware = Hardware(TileConfig(inputs=50, outputs=128))
    for mode, there in (("network", False), ("tile", True)):
        cost = cost_of(fsdd, hardware, drawn(4, STEPS, INPUTS), scaling=ScalingConfig(mode=mode))  # type: ignore[arg-type]
        names = {leaf.name for leaf in cost.energy.leaves()}
        assert ("full scales: multiplications" in names) is there


def test_names() -> None:
    assert group_of("lstm.l0.i") == group_of("lstm.l0.o") == "lstm.l0"
    assert group_of("lstm.l0.g.second1") == "lstm.l0.second"
    assert group_of("lstm.l0.projection") == "lstm.l0.projection"
    assert group_of("head") == "head" and group_of("i") == "i"
    assert kind_of("relu") == "comparison" and kind_of("gelu") == "activation" and kind_of("add") == "addition"


# The command


def test_the_documents_table_is_what_the_command_says(cosim: Run) -> None:
    """The row of the network whose data come with scikit-learn; ranges follow from the data, so to 2 %."""
    text = (Path(__file__).parents[2] / "docs" / "costs.md").read_text(encoding="utf-8")
    row = next(line for line in text.splitlines() if line.startswith("| `digits_lstm`"))
    told = [float(cell.split()[0]) for cell in row.split("|")[2:7]]
    code, answer, _ = cosim("cost", "explain", "digits_lstm", "--json")
    assert code == 0
    figures = json.loads(answer)["figures"]
    found = [figures["energy"] * 1e6, figures["latency"] * 1e6, figures["area"] * 1e6]
    assert told == pytest.approx([*found, figures["tops_per_watt"], figures["tops_per_mm2"]], rel=0.02)


LINE = re.compile(r"^  ( *[\d.]+) (\S+) +[\d.]+% ( *)(\S.*)$")


def check_printed(text: str) -> int:
    """Every printed amount that has terms printed below it is exactly their sum; returns how many such totals."""
    totals, trees = 0, text.split("\n\n")
    for tree in trees:
        rows = [match.groups() for line in tree.splitlines() if (match := LINE.match(line))]
        for number, (amount, unit, indent, _) in enumerate(rows):
            below = []
            for other, other_unit, other_indent, _ in rows[number + 1 :]:
                if len(other_indent) <= len(indent):
                    break
                if len(other_indent) == len(indent) + 2:
                    below.append(Decimal(other.strip()))
                    assert other_unit == unit
            if below:
                assert Decimal(amount.strip()) == sum(below), (tree, amount)
                totals += 1
    return totals


@pytest.mark.parametrize(
    ("network", "yardstick"),
    [
        ("fsdd_lstm", "nl-ramp"),
        ("fsdd_lstm", "ramp"),
        ("fsdd_lstm", "sar"),
        ("cifar10_resnet32", "nl-ramp"),
        pytest.param("cifar10_resnet32", "sar", marks=pytest.mark.slow),
    ],
)
def test_every_printed_total_is_the_sum_of_its_printed_terms(network: str, yardstick: str, cosim: Run) -> None:
    code, text, errors = cosim("cost", "explain", network, "--inputs", "drawn", "--yardstick", yardstick)
    assert (code, errors) == (0, "")
    assert check_printed(text) > 30
    assert "TOPS/W" in text and "not the data set's" in text


def test_a_wrong_sum_would_be_found() -> None:
    good = "title\n  3.0 nJ 100.00% all\n  1.0 nJ  33.33%   one\n  2.0 nJ  66.67%   other"
    assert check_printed(good) == 1
    with pytest.raises(AssertionError):
        check_printed(good.replace("2.0 nJ", "2.1 nJ"))


def test_json_holds_the_whole_trees(cosim: Run) -> None:
    code, text, _ = cosim(
        "cost", "explain", "fsdd_lstm", "--inputs", "drawn", "--yardstick", "ramp", "--node", "65", "--set",
        "processors=4", "--json",
    )  # fmt: skip
    assert code == 0
    content = json.loads(text)
    for tree in ("energy", "energy_by_part", "latency", "area"):
        whole = content[tree]
        assert whole["value"] == pytest.approx(sum(term["value"] for term in whole["terms"]), rel=1e-13)
    assert content["figures"]["energy"] == content["energy"]["value"]
    assert content["constants"]["add_8"]["node"] == 45
    assert any("65 nm" in note for note in content["notes"]) and any("k = 4" in note for note in content["notes"])


def test_converters_side_by_side(cosim: Run) -> None:
    code, text, errors = cosim("cost", "compare", "digits_lstm")
    assert (code, errors) == (0, "")
    lines = text.splitlines()
    assert [line.split("  ")[0] for line in lines[1:5]] == ["nl-ramp", "ramp", "sar", "sar, own circuit"]
    assert lines[1].count("(1.00)") == 5
    code, text, _ = cosim("cost", "compare", "digits_lstm", "--json")
    rows = json.loads(text)["converters"]
    assert len({row["operations"] for row in rows}) == 1 and len({row["energy"] for row in rows}) == 4


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["digits_lstm", "--set", "adc.ramp=fixed"], "has a memristor column"),
        (["fsdd_lstn"], "Did you mean 'fsdd_lstm'"),
        (["fsdd_lstm", "--node", "44"], "node is not known"),
        (["fsdd_lstm", "--yardstick", "flash"], "no such converter"),
        (["fsdd_lstm", "--set", "processors=0"], "processors"),
        (["fsdd_lstm", "--set", "cycles=0"], "cycles"),
        (["fsdd_lstm", "--set", "adc.bits=12"], "bits"),
        (["fsdd_lstm", "--set", "node=65", "--node", "45"], "given twice"),
        (["fsdd_lstm", "--set", "imputs=3"], "inputs"),
        (["fsdd_lstm", "--inputs", "guess"], "no such inputs"),
        (["fsdd_lstm", "--depth=-1"], "depth"),
        (["fsdd_lstm", "--hardware", "none.toml"], "none.toml"),
        (["fsdd_lstm", "--seed=-1"], "seed"),
    ],
)
def test_bad_input_is_one_clear_message(arguments: list[str], words: str, cosim: Run) -> None:
    code, _, errors = cosim("cost", "explain", *arguments)
    assert code == 2
    assert words in errors and "Traceback" not in errors and len(errors.strip().splitlines()) <= 2
