"""The LSTM on tiles against torch.nn.LSTM, against a plain loop, and its streams of random numbers."""

from types import ModuleType

import numpy as np
import pytest
from numpy.typing import NDArray

from cosim.blocks.ramp_adc.config import RampAdcConfig
from cosim.errors import CosimError
from cosim.networks.lstm import GATE_FUNCTIONS, GATES, LstmNetwork, LstmWeights, StepRecord, update_cell
from cosim.networks.weights import WeightsMetadata
from cosim.tiles.config import TileConfig
from cosim.tiles.quantised import IdealTile

INPUTS, HIDDEN, CLASSES, STEPS = 8, 32, 10, 8


@pytest.fixture
def weights() -> LstmWeights:
    rng = np.random.default_rng(11)
    return LstmWeights(
        gates=rng.normal(0, 0.5, (4, INPUTS + HIDDEN + 1, HIDDEN)).clip(-2, 2),
        head_weights=rng.normal(0, 1, (HIDDEN, CLASSES)),
        head_bias=rng.normal(0, 1, CLASSES),
        metadata=WeightsMetadata("float", None, 2.0, 11),
    )


@pytest.fixture
def sequences() -> NDArray[np.float32]:
    return np.random.default_rng(12).uniform(-1, 1, (20, STEPS, INPUTS)).astype(np.float32)


def on_ideal_tiles(weights: LstmWeights) -> LstmNetwork:
    rows, columns = weights.gates.shape[1:]
    network = LstmNetwork(
        weights,
        {
            gate: IdealTile(TileConfig(inputs=rows, outputs=columns, w_max=2.0, adc=RampAdcConfig(function=name)))
            for gate, name in GATE_FUNCTIONS.items()
        },
    )
    network.program(np.random.default_rng(0))
    return network


def plain_lstm(weights: LstmWeights, sequence: NDArray[np.floating]) -> NDArray[np.float64]:
    """Logits of one sequence (steps, inputs), unit by unit in float64, from the equations in words."""

    def sigmoid(x: float) -> float:
        return 1 / (1 + np.exp(-x))

    h, c = np.zeros(weights.hidden), np.zeros(weights.hidden)
    for x in sequence.astype(np.float64):
        before = h.copy()
        for unit in range(weights.hidden):
            mac = []
            for gate in range(4):
                column = weights.gates[gate, :, unit].astype(np.float64)
                from_input = sum(column[k] * x[k] for k in range(weights.inputs))
                from_hidden = sum(column[weights.inputs + k] * before[k] for k in range(weights.hidden))
                mac.append(from_input + from_hidden + column[-1])
            c[unit] = sigmoid(mac[1]) * c[unit] + sigmoid(mac[0]) * np.tanh(mac[2])
            h[unit] = sigmoid(mac[3]) * np.tanh(c[unit])
    return h @ weights.head_weights.astype(np.float64) + weights.head_bias


def test_equals_a_plain_loop(weights: LstmWeights, sequences: NDArray[np.float32]) -> None:
    logits = on_ideal_tiles(weights).forward(sequences[:3], np.random.default_rng(0))
    assert logits.shape == (3, CLASSES)
    assert logits.dtype == np.float32
    for found, sequence in zip(logits, sequences, strict=False):
        np.testing.assert_allclose(found, plain_lstm(weights, sequence), atol=1e-5)


def test_equals_torch(weights: LstmWeights, sequences: NDArray[np.float32]) -> None:
    torch: ModuleType = pytest.importorskip("torch", reason="PyTorch (extra `train`) is not installed")
    lstm = torch.nn.LSTM(INPUTS, HIDDEN, batch_first=True)
    # torch stacks the gates i, f, g, o along the rows of (4 hidden, inputs) matrices and has two biases
    stacked = torch.tensor(np.concatenate([gate.T for gate in weights.gates]))
    with torch.no_grad():
        lstm.weight_ih_l0.copy_(stacked[:, :INPUTS])
        lstm.weight_hh_l0.copy_(stacked[:, INPUTS:-1])
        lstm.bias_ih_l0.copy_(stacked[:, -1])
        lstm.bias_hh_l0.zero_()
        hidden = lstm(torch.tensor(sequences))[0][:, -1].numpy()
    expected = hidden @ weights.head_weights + weights.head_bias
    found = on_ideal_tiles(weights).forward(sequences, np.random.default_rng(0))
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_predict_is_the_largest_logit(weights: LstmWeights, sequences: NDArray[np.float32]) -> None:
    network = on_ideal_tiles(weights)
    logits = network.forward(sequences, np.random.default_rng(0))
    assert np.array_equal(network.predict(sequences, np.random.default_rng(0)), logits.argmax(axis=1))


def test_records_are_enough_to_replay(weights: LstmWeights, sequences: NDArray[np.float32]) -> None:
    network = on_ideal_tiles(weights)
    records: list[StepRecord] = []
    logits = network.forward(sequences, np.random.default_rng(0), record=records.append)
    assert [record.step for record in records] == list(range(STEPS))
    for step, record in enumerate(records):
        assert record.inputs.shape == (20, INPUTS + HIDDEN + 1)
        assert np.array_equal(record.inputs[:, :INPUTS], sequences[:, step])
        before = records[step - 1].hidden if step else np.zeros((20, HIDDEN))
        assert np.array_equal(record.inputs[:, INPUTS:-1], before)
        assert np.all(record.inputs[:, -1] == 1.0)
        for gate in GATES:
            again = network.tiles[gate].forward(record.inputs, np.random.default_rng(0))
            assert np.array_equal(again, record.activations[gate])
    assert np.array_equal(records[-1].hidden @ weights.head_weights + weights.head_bias, logits)


def test_cell_update() -> None:
    rng = np.random.default_rng(3)
    i, f, o = rng.uniform(0, 1, (3, 5, 7)).astype(np.float32)
    g, before = rng.uniform(-1, 1, (2, 5, 7)).astype(np.float32)
    cell, hidden = before.copy(), np.zeros_like(before)
    update_cell(i, f, g, o, cell, hidden)
    np.testing.assert_allclose(cell, f * before + i * g, rtol=1e-6)
    np.testing.assert_allclose(hidden, o * np.tanh(f * before + i * g), rtol=1e-5)


class NoisyTile:
    """A tile that draws: `draws` numbers when programmed, one an output when read; activations are what it drew."""

    inputs, outputs = INPUTS + HIDDEN + 1, HIDDEN

    def __init__(self, draws: int) -> None:
        self.draws = draws

    def program(self, weights: NDArray[np.float64], rng: np.random.Generator) -> None:
        self.chip = rng.random(self.draws)[0]

    def forward(self, inputs: NDArray[np.floating], rng: np.random.Generator) -> NDArray[np.float64]:
        return rng.random((len(inputs), self.draws))[:, :1] + np.zeros(self.outputs)


def test_one_tile_does_not_shift_the_draws_of_another(weights: LstmWeights, sequences: NDArray[np.float32]) -> None:
    seen = []
    for draws in (1, 1000):
        network = LstmNetwork(weights, {gate: NoisyTile(draws if gate == "i" else 1) for gate in GATES})
        rng = np.random.default_rng(7)
        network.program(rng)
        records: list[StepRecord] = []
        network.forward(sequences, rng, record=records.append)
        chips = [network.tiles[gate].chip for gate in "fgo"]  # type: ignore[attr-defined]
        seen.append((chips, [record.activations["o"] for record in records]))
        assert len(set(chips)) == 3
    assert seen[0][0] == seen[1][0]
    assert np.array_equal(seen[0][1], seen[1][1])


def test_same_seed_same_logits(weights: LstmWeights, sequences: NDArray[np.float32]) -> None:
    network = LstmNetwork(weights, {gate: NoisyTile(1) for gate in GATES})
    one, same, other = (network.forward(sequences, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


def test_what_does_not_fit_is_refused(weights: LstmWeights, sequences: NDArray[np.float32]) -> None:
    tiles = dict(on_ideal_tiles(weights).tiles)
    with pytest.raises(CosimError, match=r"needs one tile a gate.*Allowed: i, f, g, o"):
        LstmNetwork(weights, {gate: tiles[gate] for gate in "ifg"})
    small = IdealTile(TileConfig(inputs=40, outputs=HIDDEN))
    with pytest.raises(CosimError, match=r"'g'.*40 inputs.*Allowed: 41 inputs, 32 outputs"):
        LstmNetwork(weights, {**tiles, "g": small})
    with pytest.raises(CosimError, match=r"\(20, 8, 7\).*\(batch, steps, 8\)"):
        on_ideal_tiles(weights).forward(sequences[:, :, :7], np.random.default_rng(0))
