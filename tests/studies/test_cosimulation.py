"""SPICE in the loop, end to end, on a network of four small tiles."""

from dataclasses import replace

import numpy as np
import pytest

from cosim.blocks.ramp_adc.behaviour import RampAdcModel
from cosim.networks.digits import digits_network
from cosim.networks.weights import GATE_FUNCTIONS, LstmWeights
from cosim.spice import SimulatorPool
from cosim.studies.cosimulation import Cosimulation, cosimulate, loop_rng
from cosim.studies.statistics import wilson_interval
from cosim.tiles.behavioural import BehaviouralTile
from cosim.tiles.config import Nonidealities, TileConfig
from cosim.tiles.hardware import Hardware
from cosim.tiles.protocol import Fidelity
from cosim.tiles.spice import SpiceTile

# Six chips say little of the spread of offsets, so some that are drawn later lie outside what was seen.
pytestmark = pytest.mark.filterwarnings("ignore::cosim.blocks.domain.OutsideDomainWarning")

IMAGES, STEPS, GATES, HIDDEN = 4, 2, 4, 3
SEQUENCES = np.random.default_rng(41).uniform(-1, 1, (IMAGES, STEPS, 2)).astype(np.float32)


def hardware_of(models: dict[str, RampAdcModel]) -> Hardware:
    """Inputs of five bits into converters of three: a small error of the inputs shows in the codes."""
    return Hardware(TileConfig(dac_bits=5, weight_bits=3, adc=models["sigmoid"].config), models)


def run(hardware: Hardware, weights: LstmWeights, pool: SimulatorPool, seed: int = 3) -> Cosimulation:
    return cosimulate(weights, replace(hardware, pool=pool), SEQUENCES, seed=seed)


@pytest.fixture(scope="module")
def found(pool: SimulatorPool, weights: LstmWeights, models: dict[str, RampAdcModel]) -> Cosimulation:
    return run(hardware_of(models), weights, pool)


def test_every_gate_of_every_step_was_converted_by_both(found: Cosimulation) -> None:
    shape = (STEPS, GATES, IMAGES, HIDDEN)
    assert found.spice.shape == found.model.shape == shape
    for codes in (found.spice, found.model):
        assert codes.dtype == np.int64
        assert codes.min() >= 0 and codes.max() <= 7
    assert len(np.unique(found.spice)) > 3
    # One deck of offsets a gate; then an array and a ramp for each gate, step and image.
    assert len(found.decks) == GATES + 2 * GATES * STEPS * IMAGES
    assert found.undecided <= 2  # a MAC result may fall into the microvolts in which a comparator cannot decide in time
    assert found.seconds > 0
    assert found.inputs.shape == (STEPS, IMAGES, 6)
    np.testing.assert_array_equal(found.inputs[:, :, :2], SEQUENCES.transpose(1, 0, 2))
    assert (found.inputs[:, :, -1] == 1.0).all()  # the bias
    assert (found.inputs[0, :, 2:5] == 0.0).all()  # h_0


def test_the_model_agrees_with_ngspice(found: Cosimulation) -> None:
    """96 conversions: at most two may lie within the model's error of a threshold."""
    assert (found.spice != found.model).sum() <= 2
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
    found: Cosimulation, models: dict[str, RampAdcModel], weights: LstmWeights, pool: SimulatorPool
) -> None:
    again = run(hardware_of(models), weights, pool)
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


def test_both_sides_are_about_the_same_chip_at_the_same_inputs(
    found: Cosimulation, models: dict[str, RampAdcModel], weights: LstmWeights, pool: SimulatorPool
) -> None:
    """Independent of the records: the network in ngspice once more, image by image, and models of its chips."""
    hardware = hardware_of(models)
    network = digits_network(weights, replace(hardware, pool=pool), Fidelity.SPICE)
    network.program(loop_rng(3))
    unused = np.random.default_rng(0)
    assert network.forward(SEQUENCES, batch=1).argmax(axis=1).tolist() == found.spice_classes.tolist()
    quiet = Nonidealities().quiet()
    for number, gate in enumerate(GATE_FUNCTIONS):
        tile = network.matrices[f"lstm.l0.{gate}"].parts[0].tile
        assert isinstance(tile, SpiceTile) and tile.chip is not None
        model = BehaviouralTile(tile.config, models[GATE_FUNCTIONS[gate]], quiet)
        model.load(tile.chip)
        for step in range(STEPS):
            np.testing.assert_array_equal(model.codes(found.inputs[step], unused), found.model[step, number])


@pytest.mark.slow
@pytest.mark.parametrize("input_mode", ["pulse width", "amplitude"])
def test_sinh_cells_in_the_loop_agree_as_well(
    pool: SimulatorPool, models: dict[str, RampAdcModel], weights: LstmWeights, input_mode: str
) -> None:
    """Both sides are of the configured cells and inputs, and the decks are not those of linear cells."""
    hardware = hardware_of(models)
    tile = hardware.tile.model_copy(update={"law": "sinh", "input_mode": input_mode})
    found = run(replace(hardware, tile=tile), weights, pool)
    assert (found.spice != found.model).sum() <= 2
    assert found.agreement.largest <= 1
    linear = run(hardware, weights, pool)
    assert linear.decks != found.decks
