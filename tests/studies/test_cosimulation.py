"""SPICE in the loop, end to end, on a network of four small tiles."""

from dataclasses import replace

import numpy as np
import pytest

from cosim.blocks.ramp_adc.behaviour import RampAdcModel
from cosim.networks.lstm import LstmWeights
from cosim.spice import SimulatorPool
from cosim.studies.cosimulation import Cosimulation, cosimulate, loop_rng
from cosim.studies.hardware import Hardware
from cosim.studies.statistics import wilson_interval
from cosim.tiles.config import TileConfig
from cosim.tiles.protocol import Fidelity

IMAGES, STEPS, GATES, HIDDEN = 2, 2, 4, 3
SEQUENCES = np.random.default_rng(41).uniform(-1, 1, (IMAGES, STEPS, 2)).astype(np.float32)


def run(hardware: Hardware, weights: LstmWeights, pool: SimulatorPool, seed: int = 3) -> Cosimulation:
    return cosimulate(weights, replace(hardware, pool=pool), SEQUENCES, seed=seed)


@pytest.fixture(scope="module")
def found(pool: SimulatorPool, weights: LstmWeights, models: dict[str, RampAdcModel]) -> Cosimulation:
    hardware = Hardware(TileConfig(dac_bits=3, weight_bits=3, adc=models["sigmoid"].config), models)
    return run(hardware, weights, pool)


def test_every_gate_of_every_step_was_converted_by_both(found: Cosimulation) -> None:
    shape = (STEPS, GATES, IMAGES, HIDDEN)
    assert found.spice.shape == found.model.shape == shape
    for codes in (found.spice, found.model):
        assert codes.dtype == np.int64
        assert codes.min() >= 0 and codes.max() <= 7
    assert len(np.unique(found.spice)) > 3
    # One deck of offsets a gate; then an array and a ramp for each gate, step and image.
    assert len(found.decks) == GATES + 2 * GATES * STEPS * IMAGES
    assert found.undecided == 0
    assert found.seconds > 0
    assert found.inputs.shape == (STEPS, IMAGES, 6)
    np.testing.assert_array_equal(found.inputs[:, :, :2], SEQUENCES.transpose(1, 0, 2))
    assert (found.inputs[:, :, -1] == 1.0).all()  # the bias
    assert (found.inputs[0, :, 2:5] == 0.0).all()  # h_0


def test_the_model_agrees_with_ngspice(found: Cosimulation) -> None:
    """48 conversions: at most one may lie within the model's error of a threshold."""
    assert (found.spice != found.model).sum() <= 1
    assert found.agreement.largest <= 1
    np.testing.assert_array_equal(found.spice_classes, found.model_classes)


def test_figures_are_those_of_the_codes(found: Cosimulation) -> None:
    equal = int((found.spice == found.model).sum())
    assert found.agreement.conversions == found.spice.size == STEPS * GATES * IMAGES * HIDDEN
    assert found.agreement.equal == equal / found.spice.size
    assert found.interval() == wilson_interval(equal, found.spice.size)
    pairs = found.pairs()
    assert sum(count for _, _, count in pairs) == found.spice.size
    assert sum(count for a, b, count in pairs if a == b) == equal
    assert pairs == sorted(pairs)


def test_the_same_seed_gives_the_same_decks(
    found: Cosimulation, hardware: Hardware, weights: LstmWeights, pool: SimulatorPool
) -> None:
    again = run(hardware, weights, pool)
    assert again.decks == found.decks
    np.testing.assert_array_equal(again.spice, found.spice)
    np.testing.assert_array_equal(again.spice_classes, found.spice_classes)


def test_pairs_by_hand() -> None:
    codes = np.array([[[[1, 1, 2]]]])
    other = np.array([[[[1, 2, 2]]]])
    none = np.zeros(1, dtype=np.int64)
    found = Cosimulation(codes, other, none, none, np.zeros((1, 1, 2)), (), 0, 1.0)
    assert found.pairs() == [(1, 1, 1), (1, 2, 1), (2, 2, 1)]
    assert found.agreement.equal == pytest.approx(2 / 3)


def test_the_final_class_is_that_of_the_network_on_the_same_chip(
    found: Cosimulation, hardware: Hardware, weights: LstmWeights, pool: SimulatorPool
) -> None:
    """Independent of the records: the network in ngspice, run once more, one image at a time."""
    network = replace(hardware, pool=pool).lstm(weights, Fidelity.SPICE)
    network.program(loop_rng(3))
    unused = np.random.default_rng(0)
    classes = [int(network.predict(SEQUENCES[n : n + 1], unused)[0]) for n in range(IMAGES)]
    assert classes == found.spice_classes.tolist()
