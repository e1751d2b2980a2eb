"""The digits LSTM on tiles against torch.nn.LSTM and plain loops, what is recorded of it, and its random streams."""

from types import ModuleType
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from cosim.blocks.ramp_adc.config import RampAdcConfig
from cosim.blocks.ramp_adc.functions import get_function, ideal_thresholds
from cosim.errors import CosimError
from cosim.networks.digits import digits_network
from cosim.networks.layers.lstm import update_cell
from cosim.networks.sampling import Recorder
from cosim.networks.tiled import TiledNetwork
from cosim.networks.weights import GATE_FUNCTIONS, GATES, LstmWeights, WeightsMetadata, shipped_weights
from cosim.tiles.config import TileConfig
from cosim.tiles.hardware import Hardware
from cosim.tiles.quantise import codes_from_mac, dac_codes, dac_values, decode, quantise_weights

INPUTS, HIDDEN, CLASSES, STEPS = 8, 32, 10, 8
NAMES = [f"lstm.l0.{gate}" for gate in GATES]


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


def programmed(weights: LstmWeights, fidelity: Any, seed: int = 0) -> TiledNetwork:
    network = digits_network(weights, Hardware(TileConfig(adc=RampAdcConfig(bits=5))), fidelity)
    network.program(np.random.default_rng(seed))
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
    logits = programmed(weights, "ideal").forward(sequences[:3])
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
    found = programmed(weights, "ideal").forward(sequences)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_quantised_gates_are_those_of_plain_arithmetic_with_inputs_of_full_scale_one() -> None:
    """Codes of inputs over 1, products with weights on their grid, codes of the activation; the last layer is digital.

    Where a hidden state lies on the edge between two codes of the DAC, float32 decides otherwise than float64: now and
    then, not often.
    """
    weights = shipped_weights("qat", 5)
    images = np.random.default_rng(8).uniform(0, 1, (40, 8, 8)).astype(np.float32)
    h = c = np.zeros((40, weights.hidden))
    for x in images.transpose(1, 0, 2):
        z = dac_values(dac_codes(np.concatenate([x, h, np.ones((40, 1))], axis=1), 5), 5)
        made = {}
        for gate, matrix in zip(GATES, quantise_weights(weights.gates, 5, weights.metadata.w_max), strict=True):
            function = get_function(GATE_FUNCTIONS[gate])
            codes = codes_from_mac(z @ matrix, ideal_thresholds(function, 5))
            made[gate] = decode(codes, function.low, function.high, 5)
        c = made["f"] * c + made["i"] * made["g"]
        h = made["o"] * np.tanh(c)
    found = programmed(weights, "quantised").forward(images)
    same = np.all(np.abs(found - (h @ weights.head_weights + weights.head_bias)) < 1e-4, axis=1)
    assert same.mean() > 0.9


@pytest.mark.parametrize("fidelity", ["ideal", "quantised"])
def test_a_record_is_enough_to_replay(weights: LstmWeights, sequences: NDArray[np.float32], fidelity: str) -> None:
    network, steps = programmed(weights, fidelity), []
    seen = Recorder(NAMES, each=lambda: steps.append(len(steps)))
    logits = network.forward(sequences, observer=seen)
    assert steps == list(range(STEPS))
    inputs = np.array(seen.vectors["lstm.l0.o"])
    assert inputs.shape == (STEPS, 20, INPUTS + HIDDEN + 1)
    np.testing.assert_array_equal(inputs[:, :, :INPUTS], sequences.transpose(1, 0, 2))
    assert (inputs[0, :, INPUTS:-1] == 0).all() and (inputs[:, :, -1] == 1.0).all()
    cell = hidden = np.zeros((20, HIDDEN), np.float32)
    for step in range(STEPS):
        np.testing.assert_array_equal(inputs[step, :, INPUTS:-1], hidden)
        made = {}
        for name in NAMES:
            np.testing.assert_array_equal(seen.vectors[name][step], inputs[step])
            again = network.matrices[name].forward(inputs[step], np.random.default_rng(0))
            np.testing.assert_array_equal(again, seen.results[name][step])
            made[name[-1]] = again
        cell, hidden = cell.copy(), hidden.copy()
        update_cell(made["i"], made["f"], made["g"], made["o"], cell, hidden)
    np.testing.assert_allclose(logits, hidden @ weights.head_weights + weights.head_bias, atol=1e-5)
    # Looking on changes nothing but rounding: all steps are else worked in compiled code.
    np.testing.assert_allclose(logits, network.forward(sequences), atol=1e-5)


def test_cell_update() -> None:
    rng = np.random.default_rng(3)
    i, f, o = rng.uniform(0, 1, (3, 5, 7)).astype(np.float32)
    g, before = rng.uniform(-1, 1, (2, 5, 7)).astype(np.float32)
    cell, hidden = before.copy(), np.zeros_like(before)
    update_cell(i, f, g, o, cell, hidden)
    np.testing.assert_allclose(cell, f * before + i * g, rtol=1e-6)
    np.testing.assert_allclose(hidden, o * np.tanh(f * before + i * g), rtol=1e-5)


def test_one_gate_does_not_shift_the_draws_of_another(weights: LstmWeights, sequences: NDArray[np.float32]) -> None:
    """Chips of f, g, o, and the noise of their first reads, are the same whatever i is."""
    seen = []
    for of_i in ("quantised", "behavioural"):
        network = programmed(weights, {"lstm.l0.i": of_i, "*": "behavioural"}, seed=7)
        recorder = Recorder(NAMES)
        network.forward(sequences, np.random.default_rng(3), observer=recorder)
        chips = [network.matrices[name].parts[0].tile.chip.conductances for name in NAMES[1:]]  # type: ignore[attr-defined]
        seen.append((chips, [recorder.results[name][0] for name in NAMES]))
    for one, other in zip(*(chips for chips, _ in seen), strict=True):
        np.testing.assert_array_equal(one, other)
    assert not np.array_equal(seen[0][0][0], seen[0][0][1])
    same = [np.array_equal(one, other) for one, other in zip(*(results for _, results in seen), strict=True)]
    assert same == [False, True, True, True]


def test_same_seed_same_logits(weights: LstmWeights, sequences: NDArray[np.float32]) -> None:
    network = programmed(weights, "behavioural")
    one, same, other = (network.forward(sequences, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


def test_what_does_not_fit_is_refused(weights: LstmWeights, sequences: NDArray[np.float32]) -> None:
    with pytest.raises(CosimError, match=r"this part has no fidelity|nothing is chosen"):
        programmed(weights, {"lstm.l0.i": "ideal"})
    with pytest.raises(CosimError, match=r"\(20, 8, 7\)"):
        programmed(weights, "ideal").forward(sequences[:, :, :7])
