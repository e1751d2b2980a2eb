"""Compensated arrays: effective conductances are those asked for, and cells stay within the window."""

import dataclasses

import numpy as np
import pytest

from cosim.blocks.crossbar.config import CrossbarConfig
from cosim.blocks.crossbar.elimination import effective_conductance
from cosim.blocks.ramp_adc.config import RampAdcConfig
from cosim.blocks.recipes import shipped_model
from cosim.errors import CosimError
from cosim.spice import SimulatorPool
from cosim.tiles.array import virtual_ground
from cosim.tiles.behavioural import BehaviouralTile
from cosim.tiles.chip import draw_tile_chip
from cosim.tiles.compensation import BEYOND, CLOSE, array_targets, headroom_for
from cosim.tiles.config import Nonidealities, TileConfig, conductance_targets
from cosim.tiles.hardware import Hardware
from cosim.tiles.mapping import MappingConfig
from cosim.tiles.matrix import TiledMatrix
from cosim.tiles.scaling import Scales
from cosim.tiles.spice import SpiceTile

WEIGHTS = np.clip(np.random.default_rng(0).normal(0, 0.4, (40, 12)), -1, 1)
WIRES = CrossbarConfig(r_wire_row=2.0, r_wire_column=4.0, r_driver=50.0, r_clamp=50.0)


def tile(**changes: object) -> TileConfig:
    given = {"inputs": 40, "outputs": 12, "w_max": 1.0, "weight_bits": 8, "compensated": True, "crossbar": WIRES}
    return TileConfig(**(given | changes))  # type: ignore[arg-type]


def effective(cells: np.ndarray, config: TileConfig) -> np.ndarray:
    """What the array with its integrators makes of the cells, in the unit of its targets."""
    capacitance, ground = virtual_ground(config)
    array = config.array
    found = effective_conductance(cells, array.r_wire_row, array.r_wire_column, array.r_driver, array.r_clamp + ground)
    return found * config.adc.c_fb / capacitance


def fitted(**changes: object) -> TileConfig:
    config = tile(**changes)
    return config.model_copy(update={"headroom": headroom_for(WEIGHTS, config)})


@pytest.mark.parametrize("signs", ["differential", "offset"])
def test_effective_conductances_are_those_that_the_weights_ask_for(signs: str) -> None:
    config = fitted(signs=signs, adc={"function": "linear"})
    cells, wanted = array_targets(WEIGHTS, config), conductance_targets(WEIGHTS, config)
    device = config.device
    free = (cells > device.g_min) & (cells < device.g_max)
    error = np.abs(effective(cells, config) - wanted)[free]
    assert error.max() <= CLOSE * (device.g_max - device.g_min) * 3  # of the iteration before, which moved less
    before = np.abs(effective(wanted, config) - wanted)
    assert before.max() > 20 * error.max()  # there was something to compensate


def test_cells_stay_within_the_window_and_few_touch_its_end() -> None:
    config = fitted()
    cells, device = array_targets(WEIGHTS, config), config.device
    assert cells.min() >= device.g_min and cells.max() <= device.g_max
    assert np.mean(cells == device.g_max) <= BEYOND
    assert 0.3 < config.headroom < 1.0


def test_a_larger_headroom_does_not_fit() -> None:
    config = fitted()
    beyond = config.model_copy(update={"headroom": min(1.0, config.headroom * 1.15)})
    assert np.mean(array_targets(WEIGHTS, beyond) == config.device.g_max) > BEYOND


def test_what_no_share_of_the_window_makes_up_for_is_said() -> None:
    """Drivers and clamps of 20 kohm in series with cells of some 10 kohm."""
    config = tile(crossbar=CrossbarConfig(r_wire_row=200.0, r_wire_column=200.0, r_driver=2e4, r_clamp=2e4))
    with pytest.raises(CosimError, match="more than can be made up for") as caught:
        headroom_for(WEIGHTS, config)
    assert caught.value.key == "headroom"


def test_without_resistances_there_is_nothing_to_do() -> None:
    config = tile()
    ideal = array_targets(WEIGHTS, config, wires=False, amplifier=False)
    assert np.array_equal(ideal, conductance_targets(WEIGHTS, config))
    off = tile(compensated=False)
    assert np.array_equal(array_targets(WEIGHTS, off), conductance_targets(WEIGHTS, off))
    assert headroom_for(WEIGHTS, off) == 1.0


def test_the_window_share_makes_the_pulses_longer_and_the_results_the_same() -> None:
    whole, half = (tile(headroom=share, crossbar=CrossbarConfig()) for share in (1.0, 0.5))
    x = np.random.default_rng(2).uniform(-1, 1, (20, 40))
    results = []
    for config in (whole, half):
        model = shipped_model("ramp_adc")
        made = BehaviouralTile(config.model_copy(update={"adc": model.config}), model, Nonidealities.none())
        made.program(WEIGHTS, np.random.default_rng(0))
        results.append(made.mac(x, np.random.default_rng(0)))
    np.testing.assert_allclose(results[0], results[1], rtol=1e-12)


@pytest.mark.parametrize("switches", [Nonidealities.only("ir_drop"), Nonidealities.only("amplifier")])
def test_each_switch_is_compensated_alone(switches: Nonidealities) -> None:
    """MAC results of a compensated tile are off by less than a tenth of what they are without; the ladder's rungs stay
    apart, so a wire that is switched off is not made up for."""
    model = shipped_model("ramp_adc")
    x = np.rint(np.random.default_rng(2).uniform(-1, 1, (200, 40)) * 127) / 127
    weights = 0.3 * WEIGHTS  # no result reaches the integrators' limits
    exact = x @ (np.rint(WEIGHTS * 127) / 127 * 0.3)
    errors = []
    for compensated in (True, False):
        config = tile(compensated=compensated, adc=model.config, dac_bits=8, w_max=0.3)
        config = config.model_copy(update={"headroom": headroom_for(weights, config)})
        made = BehaviouralTile(config, model, switches)
        made.program(weights, np.random.default_rng(0))
        errors.append(float(np.std(made.mac(x, np.random.default_rng(0)) - exact)))
    assert errors[0] < errors[1] / 10


def test_a_chip_differs_by_nothing_else() -> None:
    plain, other = tile(compensated=False), tile()
    one, two = (draw_tile_chip(WEIGHTS, config, np.random.default_rng(3)) for config in (plain, other))
    assert np.array_equal(one.adc.ramp, two.adc.ramp) and np.array_equal(one.adc.mismatch, two.adc.mismatch)
    clipped = (one.conductances <= plain.device.g_min) | (two.conductances <= plain.device.g_min)
    clipped |= (one.conductances >= plain.device.g_max) | (two.conductances >= plain.device.g_max)
    np.testing.assert_allclose(
        (one.conductances - one.targets)[~clipped], (two.conductances - two.targets)[~clipped], rtol=0, atol=1e-12
    )  # the same draws of the programming error, which does not depend on the conductance


def test_without_non_idealities_compensated_matrices_are_the_quantised_ones_too() -> None:
    """Correction columns included: with less of the window the pedestal is larger, for both."""
    hardware = Hardware(tile(signs="offset", adc=RampAdcConfig(function="linear")), nonidealities=Nonidealities.none())
    x = np.random.default_rng(2).uniform(0, 1, (200, 40))
    found = []
    for fidelity in ("quantised", "behavioural"):
        made = TiledMatrix(WEIGHTS, hardware, scales=Scales.uniform(1.0, 1.0, 10.0), fidelity=fidelity)
        made.program(np.random.default_rng(0))
        assert made.parts[0].config.headroom < 0.9
        found.append(made.forward(x, np.random.default_rng(0), np.float64))
    np.testing.assert_array_equal(*found)


def test_each_part_of_a_matrix_has_the_headroom_it_needs() -> None:
    hardware = Hardware(tile(inputs=30))
    made = TiledMatrix(WEIGHTS, hardware, scales=Scales.uniform(1.0, 1.0, 4.0), name="made")
    shares = [part.config.headroom for part in made.parts]
    assert len(set(shares)) == 2 and all(0.3 < share <= 1.0 for share in shares)
    for fidelity in ("ideal", "quantised"):
        other = TiledMatrix(WEIGHTS, hardware, scales=Scales.uniform(1.0, 1.0, 4.0), fidelity=fidelity, name="made")
        assert [part.config.headroom for part in other.parts] == shares
    stated = TiledMatrix(
        WEIGHTS, hardware, scales=Scales.uniform(1.0, 1.0, 4.0), mapping=MappingConfig(headroom=0.4), name="made"
    )
    assert {part.config.headroom for part in stated.parts} == {0.4}


@pytest.mark.slow
def test_in_ngspice_too(pool: SimulatorPool) -> None:
    """The whole circuit, transistor-level comparators and real integrators: the MAC results of a compensated tile are
    nearer to the weights' by five times; what is left are the programming error and pulse edges, the same in both."""
    weights = np.clip(np.random.default_rng(5).normal(0, 0.5, (24, 6)), -1, 1)
    x = np.random.default_rng(6).uniform(-1, 1, (3, 24))
    errors = []
    for compensated in (True, False):
        config = tile(
            inputs=24, outputs=6, compensated=compensated, w_max=4.0, dac_bits=5,
            crossbar=CrossbarConfig(r_wire_row=5.0, r_wire_column=10.0),
        )  # fmt: skip
        config = config.model_copy(update={"headroom": headroom_for(weights, config)})
        made = SpiceTile(config, pool)
        chip = draw_tile_chip(weights, config, np.random.default_rng(1))
        made.program(weights, np.random.default_rng(1))
        made.chip = dataclasses.replace(made.chip, conductances=chip.targets)  # type: ignore[type-var]
        mac, _ = made.measure(x)
        quantised = np.rint(weights / 4.0 * 127) / 127 * 4.0
        errors.append(float(np.std(mac - np.rint(x * 15) / 15 @ quantised)))
    assert errors[0] < errors[1] / 5, errors
