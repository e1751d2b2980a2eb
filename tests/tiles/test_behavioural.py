"""The behavioural tile against closed forms: all off, each non-ideality alone, and its random numbers."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from cosim.blocks.crossbar.behaviour import CrossbarModel
from cosim.blocks.crossbar.config import CrossbarConfig
from cosim.blocks.crossbar.elimination import effective_conductance
from cosim.blocks.model import Domain, ModelError, Parameter
from cosim.blocks.ramp_adc.behaviour import RampAdcModel
from cosim.blocks.ramp_adc.design import column_levels, design_column
from cosim.errors import CosimError
from cosim.tiles.behavioural import BehaviouralTile
from cosim.tiles.chip import TileChip, draw_tile_chip
from cosim.tiles.config import SETTLING, Nonidealities, TileConfig, input_pulse
from cosim.tiles.quantise import dac_codes, dac_values, full_scale, quantise_weights
from cosim.tiles.quantised import QuantisedTile

# Six chips say little of the spread of offsets, so some that are drawn later lie outside what was seen.
pytestmark = pytest.mark.filterwarnings("ignore::cosim.blocks.domain.OutsideDomainWarning")

INPUTS, OUTPUTS, BITS, W_MAX = 10, 6, 5, 2.0
WEIGHTS = np.random.default_rng(7).uniform(-W_MAX, W_MAX, (INPUTS, OUTPUTS))
VECTORS = np.random.default_rng(8).uniform(-1, 1, (200, INPUTS))
STATIC = [name for name in Nonidealities.names() if name != "read_noise"]


def tile_of(model: RampAdcModel, on: Nonidealities, **changes: object) -> BehaviouralTile:
    config = TileConfig(
        **{
            "inputs": INPUTS,
            "outputs": OUTPUTS,
            "dac_bits": BITS,
            "weight_bits": BITS,
            "w_max": W_MAX,
            "adc": model.config,
            **changes,
        }
    )
    return BehaviouralTile(config, model, on)


def programmed(model: RampAdcModel, on: Nonidealities, seed: int = 1, **changes: object) -> BehaviouralTile:
    tile = tile_of(model, on, **changes)
    tile.program(WEIGHTS, np.random.default_rng(seed))
    return tile


def chip_of(tile: BehaviouralTile) -> TileChip:
    assert tile.chip is not None
    return tile.chip


def siemens_to_weight(tile: BehaviouralTile) -> float:
    device = tile.config.device
    return tile.config.w_max / (device.g_max - device.g_min)


def with_bits(model: RampAdcModel, bits: int) -> RampAdcModel:
    """The model of a column of another width; its comparator is the same."""
    config = model.config.model_copy(update={"bits": bits})
    design = design_column(config)
    return replace(
        model, config=config, ramp_target=design.ramp, bias_target=design.bias, gain=design.gain(config.v_read)
    )


def assert_only(tile: BehaviouralTile, *, matrix: bool = False, thresholds: bool = False) -> None:
    """What is not named is as with everything off, to rounding."""
    off = programmed(tile.model, Nonidealities.none())
    if not matrix:
        np.testing.assert_allclose(tile.matrix, off.matrix, rtol=0, atol=1e-13 * W_MAX)
    if not thresholds:
        np.testing.assert_array_equal(tile.thresholds, off.thresholds)


# --- all off


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(["sigmoid", "tanh"]),
    st.integers(2, 5),
    st.integers(2, 8),
    st.integers(2, 8),
    st.sampled_from([0.5, 1.0, 2.0, 3.7]),
    st.integers(0, 2**32 - 1),
)
def test_with_all_off_it_is_the_quantised_tile_code_for_code(
    models: dict[str, RampAdcModel], function: str, bits: int, dac_bits: int, weight_bits: int, w_max: float, seed: int
) -> None:
    model = with_bits(models[function], bits)
    rng = np.random.default_rng(seed)
    inputs, outputs = (int(each) for each in rng.integers(1, 20, 2))
    config = TileConfig(
        inputs=inputs, outputs=outputs, dac_bits=dac_bits, weight_bits=weight_bits, w_max=w_max, adc=model.config
    )
    weights = rng.uniform(-w_max, w_max, (inputs, outputs))
    # Few levels and zeros, so that sums of exactly zero, which lie on the middle threshold, occur.
    vectors = np.rint(rng.uniform(-1, 1, (64, inputs)) * full_scale(dac_bits)) / full_scale(dac_bits)
    vectors[::4] *= rng.integers(0, 2, inputs)
    vectors[1] = 0.0
    tile, quantised = BehaviouralTile(config, model, Nonidealities.none()), QuantisedTile(config)
    tile.program(weights, rng)
    quantised.program(weights, rng)
    np.testing.assert_array_equal(tile.codes(vectors, rng), quantised.codes(vectors, rng))
    np.testing.assert_array_equal(tile.forward(vectors, rng), quantised.forward(vectors, rng))


def test_with_all_off_the_matrix_is_the_quantised_weights(models: dict[str, RampAdcModel]) -> None:
    tile = programmed(models["sigmoid"], Nonidealities.none())
    np.testing.assert_allclose(tile.matrix, quantise_weights(WEIGHTS, BITS, W_MAX), rtol=0, atol=1e-13)
    np.testing.assert_allclose(tile.thresholds, np.tile(models["sigmoid"].ideal, (OUTPUTS, 1)), atol=1e-13)


def test_the_mac_result_is_that_of_dac_values(models: dict[str, RampAdcModel]) -> None:
    tile = programmed(models["sigmoid"], Nonidealities.none())
    expected = dac_values(dac_codes(VECTORS, BITS), BITS) @ quantise_weights(WEIGHTS, BITS, W_MAX)
    np.testing.assert_allclose(tile.mac(VECTORS, np.random.default_rng(0)), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("v_read", [0.15, 0.25])
def test_v_read_cancels_in_units_of_the_mac_result(models: dict[str, RampAdcModel], v_read: float) -> None:
    model = models["sigmoid"]
    other = replace(
        model,
        config=model.config.model_copy(update={"v_read": v_read}),
        gain=model.gain * v_read / model.config.v_read,
        domain=type(model.domain)({**model.domain.limits, "v_read": (0.1, 0.3)}),
    )
    # The comparator alone knows volts: with its offset and lag off nothing is left of V_read.
    on = replace(Nonidealities(), comparator_offset=False, comparator_lag=False, read_noise=False)
    at_nominal, elsewhere = programmed(model, on), programmed(other, on)
    np.testing.assert_allclose(elsewhere.matrix, at_nominal.matrix, rtol=1e-12)
    np.testing.assert_allclose(elsewhere.thresholds, at_nominal.thresholds, rtol=1e-12, atol=1e-13)
    # A given offset in volts weighs as much more in units of the MAC result as V_read is smaller.
    on = Nonidealities.only("comparator_offset")
    shifts = [programmed(each, on).thresholds - each.ideal for each in (model, other)]
    np.testing.assert_allclose(shifts[1], shifts[0] * 0.2 / v_read, rtol=1e-9, atol=1e-12)


# --- each non-ideality alone


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


# --- a fitted crossbar


def fitted_crossbar(config: CrossbarConfig, **resistances: float) -> CrossbarModel:
    """A model of `config`'s array with other values of its resistances, as a fit might have found."""
    values = {name: getattr(config, name) for name in ("r_wire_row", "r_wire_column", "r_driver", "r_clamp")}
    error = ModelError(rms=0.0, maximum=0.0, unit="relative to full scale", points=1, limit=1e-6, held_out="none")
    return CrossbarModel(
        config=config,
        parameters={name: Parameter(float(value), "ohm") for name, value in {**values, **resistances}.items()},
        v_g=0.2,
        error=error,
        error_linear=error,
        domain=Domain({"rows": (2, 128), "columns": (1, 128), "conductance": (0, 1e-3), "voltage": (-0.2, 0.2)}),
    )


def test_a_fitted_crossbar_gives_its_resistances(models: dict[str, RampAdcModel]) -> None:
    model = models["sigmoid"]
    config = tile_of(model, Nonidealities()).config
    array = fitted_crossbar(config.array, r_driver=180.0, r_wire_column=3.0)
    tile = BehaviouralTile(config, model, Nonidealities.only("ir_drop"), array=array)
    tile.program(WEIGHTS, np.random.default_rng(1))
    effective = effective_conductance(chip_of(tile).targets, config.array.r_wire_row, 3.0, 180.0, config.array.r_clamp)
    expected = (effective[0::2] - effective[1::2]) * siemens_to_weight(tile)
    np.testing.assert_allclose(tile.matrix, expected, rtol=1e-12, atol=1e-13)


def test_a_fitted_crossbar_counts_only_with_its_switch(models: dict[str, RampAdcModel]) -> None:
    model = models["sigmoid"]
    config = tile_of(model, Nonidealities()).config
    tile = BehaviouralTile(config, model, Nonidealities.none(), array=fitted_crossbar(config.array, r_driver=180.0))
    tile.program(WEIGHTS, np.random.default_rng(1))
    assert_only(tile)


def test_a_crossbar_of_another_circuit_is_refused(models: dict[str, RampAdcModel]) -> None:
    config = tile_of(models["sigmoid"], Nonidealities()).config
    array = fitted_crossbar(CrossbarConfig(r_driver=50.0))
    with pytest.raises(CosimError, match="another circuit") as caught:
        BehaviouralTile(config, models["sigmoid"], array=array)
    assert (caught.value.key, caught.value.value, caught.value.allowed) == ("crossbar.r_driver", 100.0, [50.0])


# --- chips, streams, batches


def test_the_same_seed_gives_the_same_chip_whatever_the_switches(models: dict[str, RampAdcModel]) -> None:
    first = chip_of(programmed(models["sigmoid"], Nonidealities()))
    for on in (Nonidealities.none(), *map(Nonidealities.only, Nonidealities.names())):
        chip = chip_of(programmed(models["sigmoid"], on))
        np.testing.assert_array_equal(chip.conductances, first.conductances)
        np.testing.assert_array_equal(chip.adc.ramp, first.adc.ramp)
        np.testing.assert_array_equal(chip.offsets, first.offsets)


def test_a_loaded_chip_is_the_same_as_a_programmed_one(models: dict[str, RampAdcModel]) -> None:
    model = models["sigmoid"]
    direct = programmed(model, Nonidealities(), seed=9)
    loaded = tile_of(model, Nonidealities())
    loaded.load(draw_tile_chip(WEIGHTS, loaded.config, np.random.default_rng(9), model=model))
    np.testing.assert_array_equal(loaded.matrix, direct.matrix)
    np.testing.assert_array_equal(loaded.thresholds, direct.thresholds)


def test_equal_seeds_give_equal_reads_and_others_do_not(models: dict[str, RampAdcModel]) -> None:
    tile = programmed(models["sigmoid"], Nonidealities())
    a, b, c = (tile.mac(VECTORS, np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(a, b)
    assert (a != c).any(axis=0).all()


@pytest.mark.parametrize("name", [*STATIC, "none"])
def test_without_noise_rows_do_not_know_of_each_other(models: dict[str, RampAdcModel], name: str) -> None:
    on = Nonidealities.none() if name == "none" else Nonidealities.only(name)
    tile, rng = programmed(models["sigmoid"], on), np.random.default_rng(0)
    whole = tile.codes(VECTORS, rng)
    pieces = np.concatenate([tile.codes(part, rng) for part in np.split(VECTORS, [1, 2, 50])])
    np.testing.assert_array_equal(pieces, whole)
    assert tile.codes(VECTORS[:0], rng).shape == (0, OUTPUTS)


def test_inputs_beyond_full_scale_saturate(models: dict[str, RampAdcModel]) -> None:
    tile, rng = programmed(models["sigmoid"], Nonidealities.none()), np.random.default_rng(0)
    np.testing.assert_array_equal(tile.mac(np.full((1, INPUTS), -7.0), rng), tile.mac(-np.ones((1, INPUTS)), rng))


def test_another_device_changes_its_own_errors_alone(models: dict[str, RampAdcModel]) -> None:
    model = models["sigmoid"]
    config = tile_of(model, Nonidealities()).config
    exact = BehaviouralTile(config, model, device=replace(config.device, programming_sigma=0.0, read_noise=0.0))
    exact.program(WEIGHTS, np.random.default_rng(1))
    chip = chip_of(exact)
    np.testing.assert_array_equal(chip.conductances, chip.targets)
    np.testing.assert_array_equal(chip.adc.ramp, model.ramp_target)
    np.testing.assert_array_equal(chip.offsets, chip_of(programmed(model, Nonidealities())).offsets)
    reads = [exact.mac(VECTORS, np.random.default_rng(seed)) for seed in (1, 2)]
    np.testing.assert_array_equal(*reads)


# --- what is refused


def test_a_model_of_another_circuit_is_refused(models: dict[str, RampAdcModel]) -> None:
    adc = models["sigmoid"].config.model_copy(update={"c_fb": 4e-12})
    with pytest.raises(CosimError, match="another circuit") as caught:
        BehaviouralTile(TileConfig(adc=adc), models["sigmoid"])
    assert (caught.value.key, caught.value.value, caught.value.allowed) == ("adc.c_fb", 4e-12, [5e-12])


def test_a_chip_without_known_offsets_is_refused_where_they_count(models: dict[str, RampAdcModel]) -> None:
    tile = tile_of(models["sigmoid"], Nonidealities())
    chip = draw_tile_chip(WEIGHTS, tile.config, np.random.default_rng(0))
    with pytest.raises(CosimError, match="offsets"):
        tile.load(chip)
    assert tile.chip is None
    tile_of(models["sigmoid"], replace(Nonidealities(), comparator_offset=False)).load(chip)


def test_weights_and_inputs_that_do_not_fit_are_refused(models: dict[str, RampAdcModel]) -> None:
    tile = tile_of(models["sigmoid"], Nonidealities())
    for weights, what in ((WEIGHTS * 2, "window"), (WEIGHTS * np.nan, "finite"), (WEIGHTS.T, "do not fit")):
        with pytest.raises(CosimError, match=what):
            tile.program(weights, np.random.default_rng(0))
    tile.program(WEIGHTS, np.random.default_rng(0))
    for inputs, what in ((VECTORS * np.nan, "finite"), (VECTORS[0], "do not fit"), (VECTORS.T, "do not fit")):
        with pytest.raises(CosimError, match=what):
            tile.forward(inputs, np.random.default_rng(0))
