"""Each non-ideality of the behavioural tile alone, against its closed form."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from cosim.blocks.crossbar.elimination import effective_conductance
from cosim.blocks.ramp_adc.behaviour import RampAdcModel
from cosim.blocks.ramp_adc.design import column_levels
from cosim.tiles.behavioural import BehaviouralTile
from cosim.tiles.config import SETTLING, Nonidealities, input_pulse
from cosim.tiles.quantise import dac_codes, dac_values, quantise_weights

from .conftest import (
    BITS,
    INPUTS,
    OUTPUTS,
    VECTORS,
    W_MAX,
    WEIGHTS,
    assert_only,
    chip_of,
    programmed,
    siemens_to_weight,
)

# Six chips say little of the spread of offsets, so some that are drawn later lie outside what was seen.
pytestmark = pytest.mark.filterwarnings("ignore::cosim.blocks.domain.OutsideDomainWarning")


def test_ir_drop_alone_is_the_effective_conductances(models: dict[str, RampAdcModel]) -> None:
    tile = programmed(models["sigmoid"], Nonidealities.only("ir_drop"))
    array = tile.config.array
    effective = effective_conductance(
        chip_of(tile).targets, array.r_wire_row, array.r_wire_column, array.r_driver, array.r_clamp
    )
    expected = (effective[0::2] - effective[1::2]) * siemens_to_weight(tile)
    np.testing.assert_allclose(tile.matrix, expected, rtol=1e-12, atol=1e-13)
    assert_only(tile, matrix=True)
    ideal = quantise_weights(WEIGHTS, BITS, W_MAX)
    large = np.abs(ideal) > W_MAX / 2
    assert (np.abs(tile.matrix)[large] < np.abs(ideal)[large]).all()  # wires take, they never give


def test_programming_error_alone_is_the_chips_conductances(models: dict[str, RampAdcModel]) -> None:
    tile = programmed(models["sigmoid"], Nonidealities.only("programming_error"))
    cells = chip_of(tile).conductances
    np.testing.assert_allclose(tile.matrix, (cells[0::2] - cells[1::2]) * siemens_to_weight(tile), rtol=0, atol=1e-13)
    assert_only(tile, matrix=True)
    assert np.abs(tile.matrix - quantise_weights(WEIGHTS, BITS, W_MAX)).max() > 0.01


def test_amplifier_alone_is_the_integrator_with_a_giving_ground(models: dict[str, RampAdcModel]) -> None:
    """Without wires, column j's virtual ground sees G_j = sum of its cells, and nothing of the other columns."""
    tile = programmed(models["sigmoid"], Nonidealities.only("amplifier"))
    adc, targets = tile.config.adc, chip_of(tile).targets
    g = targets.sum(axis=0)
    hold = 0.75 * input_pulse(tile.config) + SETTLING
    capacitance = (
        adc.c_fb * (1 + 1 / adc.amplifier_gain)
        + adc.c_bitline / adc.amplifier_gain
        + g * (1 / (2 * np.pi * adc.amplifier_gbw) + hold / adc.amplifier_gain)
    )
    ideal = quantise_weights(WEIGHTS, BITS, W_MAX)
    np.testing.assert_allclose(tile.matrix, ideal * adc.c_fb / capacitance, rtol=1e-10, atol=1e-13)
    assert_only(tile, matrix=True)


def test_amplifier_and_wires_give_less_than_wires(models: dict[str, RampAdcModel]) -> None:
    both = programmed(models["sigmoid"], replace(Nonidealities.only("ir_drop"), amplifier=True))
    wires = programmed(models["sigmoid"], Nonidealities.only("ir_drop"))
    ratio = np.diag(np.linalg.lstsq(wires.matrix, both.matrix, rcond=None)[0])
    assert ((ratio > 0.9) & (ratio < 1)).all()


def test_ramp_error_alone_is_the_chips_ramp(models: dict[str, RampAdcModel]) -> None:
    model = models["sigmoid"]
    tile = programmed(model, Nonidealities.only("ramp_error"))
    adc = chip_of(tile).adc
    expected = column_levels(adc.ramp, adc.bias, adc.bias_sign, model.config) / model.mac_gain()
    np.testing.assert_allclose(tile.thresholds, np.tile(expected, (OUTPUTS, 1)), rtol=0, atol=1e-12)
    assert_only(tile, thresholds=True)
    assert np.abs(tile.thresholds - model.ideal).max() > 1e-3


def test_comparator_offset_alone_shifts_each_column(models: dict[str, RampAdcModel]) -> None:
    model = models["sigmoid"]
    tile = programmed(model, Nonidealities.only("comparator_offset"))
    shift = (chip_of(tile).offsets - model.value("offset_mean")) / model.mac_gain()
    np.testing.assert_allclose(tile.thresholds, model.ideal + shift[:, None], rtol=0, atol=1e-12)
    assert_only(tile, thresholds=True)


def test_comparator_lag_alone_is_the_nominal_chip_of_the_model(models: dict[str, RampAdcModel]) -> None:
    model = models["sigmoid"]
    tile = programmed(model, Nonidealities.only("comparator_lag"))
    expected = model.thresholds(model.ramp_target, model.bias_target, model.value("offset_mean"))
    np.testing.assert_array_equal(tile.thresholds, np.tile(expected, (OUTPUTS, 1)))
    assert_only(tile, thresholds=True)


def test_with_all_on_the_thresholds_are_the_models_of_this_chip(models: dict[str, RampAdcModel]) -> None:
    model = models["tanh"]
    tile = programmed(model, Nonidealities())
    chip = chip_of(tile)
    np.testing.assert_array_equal(tile.thresholds, model.thresholds(chip.adc.ramp, chip.adc.bias, chip.offsets))


def test_read_noise_alone_has_the_variance_of_its_cells(models: dict[str, RampAdcModel]) -> None:
    """sigma^2 sum_i x_i^2 (G+^2 + G-^2), in 4000 reads of one vector."""
    tile = programmed(models["sigmoid"], Nonidealities.only("read_noise"))
    quiet = programmed(models["sigmoid"], Nonidealities.none())
    reads = 4000
    vector = np.tile(VECTORS[:1], (reads, 1))
    noise = tile.mac(vector, np.random.default_rng(3)) - quiet.mac(vector, np.random.default_rng(3))
    x = dac_values(dac_codes(VECTORS[0], BITS), BITS)
    targets = chip_of(tile).targets
    variance = (x**2 @ (targets[0::2] ** 2 + targets[1::2] ** 2)) * (
        tile.device.read_noise * siemens_to_weight(tile)
    ) ** 2
    low, high = stats.chi2.ppf([1e-6, 1 - 1e-6], reads - 1) / (reads - 1)
    ratio = noise.var(axis=0, ddof=1) / variance
    assert ((ratio > low) & (ratio < high)).all()
    assert (np.abs(noise.mean(axis=0)) < 5 * np.sqrt(variance / reads)).all()  # 5 standard errors
    correlation = np.corrcoef(noise.T)[np.triu_indices(OUTPUTS, 1)]
    assert np.abs(correlation).max() < 5 / np.sqrt(reads)
    assert_only(tile)


def test_read_noise_against_reading_every_cell(models: dict[str, RampAdcModel]) -> None:
    """The same variance from the device's own law, cell by cell, through wires and integrators."""
    from cosim.devices import read

    tile = programmed(models["sigmoid"], replace(Nonidealities(), ramp_error=False))
    rng, reads = np.random.default_rng(4), 400
    # Both cells of each pair conduct, so that the sum of squares is not the square of a difference.
    chip = replace(chip_of(tile), conductances=rng.uniform(50e-6, 150e-6, (2 * INPUTS, OUTPUTS)))
    tile.load(chip)
    loud = replace(tile.device, read_noise=0.002)
    macs = []
    for _ in range(reads):
        one = BehaviouralTile(tile.config, tile.model, replace(tile.nonidealities, read_noise=False))
        one.load(replace(chip, conductances=read(chip.conductances, loud, rng)))
        macs.append(one.mac(VECTORS[:1], rng)[0])
    lumped = tile.mac(np.tile(VECTORS[:1], (reads, 1)), np.random.default_rng(5))
    # A ratio of two variances of 400 values each; wires and virtual grounds change it by some 1 %, far less than that.
    low, high = stats.f.ppf([1e-6, 1 - 1e-6], reads - 1, reads - 1)
    ratio = np.var(macs, axis=0, ddof=1) / lumped.var(axis=0, ddof=1)
    assert ((ratio > low) & (ratio < high)).all()


def test_an_idle_input_makes_no_noise(models: dict[str, RampAdcModel]) -> None:
    tile = programmed(models["sigmoid"], Nonidealities.only("read_noise"))
    assert (tile.mac(np.zeros((5, INPUTS)), np.random.default_rng(0)) == 0.0).all()
