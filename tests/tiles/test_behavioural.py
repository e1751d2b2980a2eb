"""The behavioural tile with all off is the quantised tile, and V_read cancels."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cosim.blocks.ramp_adc.behaviour import RampAdcModel
from cosim.blocks.ramp_adc.design import design_column
from cosim.tiles.behavioural import BehaviouralTile
from cosim.tiles.config import Nonidealities, TileConfig
from cosim.tiles.quantise import dac_codes, dac_values, full_scale, quantise_weights
from cosim.tiles.quantised import QuantisedTile

from .conftest import (
    BITS,
    OUTPUTS,
    VECTORS,
    W_MAX,
    WEIGHTS,
    programmed,
)

# Six chips say little of the spread of offsets, so some that are drawn later lie outside what was seen.
pytestmark = pytest.mark.filterwarnings("ignore::cosim.blocks.domain.OutsideDomainWarning")


def with_bits(model: RampAdcModel, bits: int) -> RampAdcModel:
    """The model of a column of another width; its comparator is the same."""
    config = model.config.model_copy(update={"bits": bits})
    design = design_column(config)
    return replace(
        model, config=config, ramp_target=design.ramp, bias_target=design.bias, gain=design.gain(config.v_read)
    )


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
    on = replace(Nonidealities().quiet(), comparator_offset=False, comparator_lag=False)
    at_nominal, elsewhere = programmed(model, on), programmed(other, on)
    np.testing.assert_allclose(elsewhere.matrix, at_nominal.matrix, rtol=1e-12)
    np.testing.assert_allclose(elsewhere.thresholds, at_nominal.thresholds, rtol=1e-12, atol=1e-13)
    # A given offset in volts weighs as much more in units of the MAC result as V_read is smaller.
    on = Nonidealities.only("comparator_offset")
    shifts = [programmed(each, on).thresholds - each.ideal for each in (model, other)]
    np.testing.assert_allclose(shifts[1], shifts[0] * 0.2 / v_read, rtol=1e-9, atol=1e-12)
