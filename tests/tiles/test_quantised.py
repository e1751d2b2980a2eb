"""Tiles without a circuit, against integers and against each other."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cosim.blocks.ramp_adc.config import RampAdcConfig
from cosim.blocks.ramp_adc.functions import get_function, ideal_thresholds
from cosim.errors import CosimError
from cosim.tiles.config import TileConfig
from cosim.tiles.quantise import full_scale
from cosim.tiles.quantised import IdealTile, QuantisedTile

FUNCTIONS = st.sampled_from(["sigmoid", "tanh", "linear"])
UNUSED = np.random.default_rng(0)  # these tiles draw nothing


def draw(inputs: int = 6, outputs: int = 5, batch: int = 20) -> tuple[np.ndarray, np.ndarray]:
    """Weights and inputs."""
    rng = np.random.default_rng(1)
    return rng.uniform(-2, 2, (inputs, outputs)), rng.uniform(-1, 1, (batch, inputs))


def config(function: str = "sigmoid", bits: int = 3, inputs: int = 6, outputs: int = 5) -> TileConfig:
    return TileConfig(
        inputs=inputs,
        outputs=outputs,
        dac_bits=bits,
        weight_bits=bits,
        adc=RampAdcConfig(bits=min(bits, 5), function=function),
    )


@settings(deadline=None)
@given(FUNCTIONS, st.integers(2, 5), st.integers(0, 2**32 - 1))
def test_codes_count_the_thresholds_below_an_integer_sum(function: str, bits: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = full_scale(bits)
    inputs, levels = rng.integers(-n, n + 1, (20, 6)), rng.integers(-n, n + 1, (6, 5))
    tile = QuantisedTile(config(function, bits))
    tile.program(levels * 2.0 / n, UNUSED)
    thresholds = ideal_thresholds(get_function(function), bits)
    mac = (inputs @ levels) * 2.0 / n**2  # exact integers, one rounding
    expected = (mac[..., None] > thresholds + 1e-8).sum(axis=-1)  # on a threshold: the lower code
    np.testing.assert_array_equal(tile.codes(inputs / n, UNUSED), expected)


@pytest.mark.parametrize("function", ["sigmoid", "tanh"])
def test_a_mac_result_of_zero_gets_the_lower_code_whatever_the_order_of_the_sum(function: str) -> None:
    tile = QuantisedTile(config(function, 5, inputs=3, outputs=1))
    tile.program(np.array([[0.1], [0.2], [-0.3]]) * 2 / 3 * 2, UNUSED)  # levels 1, 2, -3 of 15
    for order in ([1, 1, 1], [0, 0, 0], [-1, -1, -1], [0.2, -0.1, 0]):
        assert tile.codes(np.array([order]), UNUSED).tolist() == [[15]]


@pytest.mark.parametrize("function", ["sigmoid", "tanh", "linear"])
def test_the_ideal_tile_is_the_function_of_a_product(function: str) -> None:
    weights, inputs = draw()
    tile = IdealTile(config(function))
    tile.program(weights, UNUSED)
    g = {"sigmoid": lambda x: 1 / (1 + np.exp(-x)), "tanh": np.tanh, "linear": lambda x: x}[function]
    np.testing.assert_allclose(tile.forward(inputs, UNUSED), g(inputs @ weights), rtol=1e-12, atol=1e-14)


@settings(deadline=None)
@given(st.sampled_from(["sigmoid", "tanh"]), st.integers(0, 2**32 - 1))
def test_quantised_is_within_its_steps_of_ideal(function: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    weights, inputs = rng.uniform(-2, 2, (6, 5)), rng.uniform(-1, 1, (20, 6))
    settings = config(function, 5)
    ideal, quantised = IdealTile(settings), QuantisedTile(settings)
    ideal.program(weights, rng)
    quantised.program(weights, rng)
    shape = get_function(function)
    output_step = (shape.high - shape.low) / 32
    # Half a step of weights (2 / 15 w_max) on inputs of up to 1, half a step of inputs on weights of up to w_max.
    mac_error = np.abs(inputs).sum(axis=1, keepdims=True) * (2 / 15) / 2 + np.abs(weights).sum(axis=0) / 15 / 2
    mac_error = mac_error + 6 * (2 / 15) / 2 / 15 / 2  # and both at once
    steepest = 0.25 if function == "sigmoid" else 1.0
    # The outermost codes stand for all that is beyond: there the error is half a step and what the function has left,
    # at most half a step more.
    difference = np.abs(quantised.forward(inputs, rng) - ideal.forward(inputs, rng))
    assert (difference <= output_step / 2 + steepest * mac_error + 1e-12).all()


@pytest.mark.parametrize("kind", [IdealTile, QuantisedTile])
def test_rows_do_not_know_of_each_other(kind: type[IdealTile] | type[QuantisedTile]) -> None:
    weights, inputs = draw()
    tile = kind(config())
    tile.program(weights, UNUSED)
    whole = tile.forward(inputs, UNUSED)
    pieces = np.concatenate([tile.forward(part, UNUSED) for part in np.split(inputs, [1, 7, 8])])
    np.testing.assert_allclose(pieces, whole, rtol=1e-14)
    assert tile.forward(inputs[:0], UNUSED).shape == (0, 5)


def test_inputs_beyond_full_scale_saturate() -> None:
    tile = QuantisedTile(config())
    tile.program(draw()[0], UNUSED)
    np.testing.assert_array_equal(tile.codes(np.full((1, 6), 9.0), UNUSED), tile.codes(np.ones((1, 6)), UNUSED))


@pytest.mark.parametrize("kind", [IdealTile, QuantisedTile])
def test_what_no_chip_could_hold_is_refused(kind: type[IdealTile] | type[QuantisedTile]) -> None:
    tile = kind(config())
    with pytest.raises(CosimError, match="window"):
        tile.program(np.full((6, 5), 2.1), UNUSED)
    with pytest.raises(CosimError, match="finite"):
        tile.program(np.full((6, 5), np.nan), UNUSED)
    tile.program(np.zeros((6, 5)), UNUSED)
    with pytest.raises(CosimError, match="finite"):
        tile.forward(np.full((1, 6), np.nan), UNUSED)
    with pytest.raises(CosimError, match="do not fit"):
        tile.forward(np.zeros((1, 5)), UNUSED)


@pytest.mark.parametrize("kind", [IdealTile, QuantisedTile])
def test_the_tile_keeps_its_own_weights(kind: type[IdealTile] | type[QuantisedTile]) -> None:
    weights, _ = draw()
    tile = kind(config())
    tile.program(weights, UNUSED)
    before = tile.forward(np.ones((1, 6)), UNUSED)
    weights[:] = 0.0
    np.testing.assert_array_equal(tile.forward(np.ones((1, 6)), UNUSED), before)
