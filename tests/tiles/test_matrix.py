"""A matrix on several tiles: sums of parts, scales, fidelities, streams, use."""

from dataclasses import replace

import numpy as np
import pytest

from cosim.blocks.ramp_adc.config import RampAdcConfig
from cosim.errors import CosimError
from cosim.tiles.config import Nonidealities, TileConfig
from cosim.tiles.hardware import Hardware
from cosim.tiles.mapping import MappingConfig
from cosim.tiles.matrix import TiledMatrix
from cosim.tiles.scaling import Scales, ScalingConfig

RNG = np.random.default_rng(5)
WEIGHTS = RNG.normal(0, 0.3, (50, 20))
SAMPLES = RNG.normal(0, 2.0, (400, 50))

TILE = TileConfig(inputs=16, outputs=8, dac_bits=8, weight_bits=8, adc=RampAdcConfig(bits=8, function="linear"))
HARDWARE = Hardware(TILE)
MAPPINGS = {
    "differential": MappingConfig(),
    "even": MappingConfig(blocks="even"),
    "padded": MappingConfig(padding=True),
    "offset": MappingConfig(signs="offset"),
    "unipolar": MappingConfig(signs="unipolar"),
    "sliced": MappingConfig(slice_bits=2),
    "unipolar sliced": MappingConfig(signs="unipolar", slice_bits=3),
}


def weights_of(mapping: MappingConfig) -> np.ndarray:
    return np.abs(WEIGHTS) if mapping.signs == "unipolar" else WEIGHTS


def matrix(mapping: str = "differential", fidelity: str = "ideal", **options: object) -> TiledMatrix:
    chosen = MAPPINGS[mapping]
    options = {"hardware": HARDWARE, "weights": weights_of(chosen), "samples": SAMPLES} | options
    made = TiledMatrix.calibrated(mapping=chosen, fidelity=fidelity, **options)  # type: ignore[arg-type]
    made.program(np.random.default_rng(1))
    return made


def results(of: TiledMatrix, x: np.ndarray = SAMPLES) -> np.ndarray:
    return of.forward(x, np.random.default_rng(2), np.float64)


@pytest.mark.parametrize("mapping", MAPPINGS)
@pytest.mark.parametrize("mode", ["column", "tile", "layer", "network"])
def test_in_real_arithmetic_the_parts_are_the_product(mapping: str, mode: str) -> None:
    """To rounding: sums of 50 products of some ten, in float64."""
    made = matrix(mapping, scaling=ScalingConfig(mode=mode))  # type: ignore[arg-type]
    np.testing.assert_allclose(results(made), SAMPLES @ made.weights, rtol=0, atol=1e-12)


@pytest.mark.parametrize("mapping", MAPPINGS)
def test_with_every_switch_off_the_models_are_the_quantised_tiles(mapping: str) -> None:
    off = matrix(mapping, "behavioural", hardware=HARDWARE.with_nonidealities(Nonidealities.none()))
    np.testing.assert_array_equal(results(off), results(matrix(mapping, "quantised")))


@pytest.mark.parametrize("mapping", [name for name in MAPPINGS if "sliced" not in name])
def test_bits_alone_err_by_no_more_than_their_steps(mapping: str) -> None:
    """Per part, where nothing saturates: |error| <= half a step of the ADC (of each conversion, one for the output and
    one for the correction), and half a step of each input and each weight at full scale of the other.
    """
    made = matrix(mapping, "quantised", scaling=ScalingConfig(output_percentile=100.0))
    bound = np.zeros(made.outputs)
    for part in made.parts:
        config, corrected = part.config, part.config.signs != "differential"
        s_y = np.abs(part.scale)
        s_w = s_y / (config.w_max**-1 * made.scales.s_x)
        of_adc = s_y / 2**8 * (1 + corrected)
        of_dac = 0.5 / 127 * made.scales.s_x * np.abs(made.weights[part.rows, part.columns]).sum(axis=0)
        # Inputs that are a little off also see the pedestal, alike on both bit lines; what is left is in `of_adc`.
        of_weights = 0.5 / config.levels * s_w * made.scales.s_x * config.inputs
        bound[part.columns] += of_adc + of_dac + of_weights
    error = np.abs(results(made) - SAMPLES @ made.weights)
    assert np.abs(SAMPLES).max() <= made.scales.s_x
    assert (error.max(axis=0) <= bound * (1 + 1e-9)).all()
    assert error.max() > 0.01 * bound.max()


def test_row_blocks_add_up_to_one_large_tile() -> None:
    large = replace(HARDWARE, tile=TILE.model_copy(update={"inputs": 64, "outputs": 32}))
    one, many = matrix(hardware=large), matrix()
    assert (len(one.parts), len(many.parts)) == (1, 12)
    np.testing.assert_allclose(results(one), results(many), rtol=0, atol=1e-12)


def test_a_common_factor_of_inputs_weights_and_scales_changes_nothing() -> None:
    """2^k times everything is the same in float64, with all non-idealities and their noise."""
    made = matrix("differential", "behavioural")
    factor, gain = 4.0, 0.5
    scales = made.scales
    scaled = TiledMatrix(
        made.weights * factor, HARDWARE, scales=Scales(scales.s_x * gain, np.asarray(scales.s_w) * factor, scales.a)
    )
    scaled.program(np.random.default_rng(1))
    np.testing.assert_array_equal(results(scaled, SAMPLES * gain), results(made) * factor * gain)


@pytest.mark.parametrize("mapping", ["differential", "sliced", "unipolar"])
def test_a_part_draws_the_same_chip_whatever_stands_beside_it(mapping: str) -> None:
    """Its stream is that of its place: other columns, other rows and other fidelities do not shift it."""
    whole = matrix(mapping, "behavioural")
    weights = weights_of(MAPPINGS[mapping])[:32, :8]
    less = TiledMatrix(
        weights, HARDWARE, scales=Scales(whole.scales.s_x, 2.0, 1.5), mapping=MAPPINGS[mapping],
        fidelity={"*": "quantised", less_name(mapping): "behavioural"},
    )  # fmt: skip
    less.program(np.random.default_rng(1))
    chips = [next(p for p in of.parts if p.name == less_name(mapping)).tile.chip for of in (whole, less)]  # type: ignore[attr-defined]
    np.testing.assert_array_equal(chips[0].offsets, chips[1].offsets)
    np.testing.assert_array_equal(chips[0].adc.ramp, chips[1].adc.ramp)


def less_name(mapping: str) -> str:
    return "r1c0" + ("d1" if mapping == "sliced" else "")


def test_the_same_seeds_give_the_same_results_and_others_others() -> None:
    made = matrix("differential", "behavioural")
    first = results(made)
    np.testing.assert_array_equal(first, results(made))
    assert (made.forward(SAMPLES, np.random.default_rng(3)) != first.astype(np.float32)).any()
    threads = matrix("differential", "behavioural", hardware=replace(HARDWARE, threads=2))
    np.testing.assert_array_equal(first, results(threads))


def test_results_are_float32_unless_told() -> None:
    made = matrix("differential", "quantised")
    assert made.forward(SAMPLES, np.random.default_rng(0)).dtype == np.float32
    assert made.forward(SAMPLES[:0], np.random.default_rng(0)).shape == (0, 20)


def test_fidelity_by_part() -> None:
    made = matrix("differential", {"*": "ideal", "r3c2": "quantised"})  # type: ignore[arg-type]
    assert [type(part.tile).__name__ for part in made.parts].count("QuantisedTile") == 1
    part = made.parts[-1]
    assert (part.name, part.rows, part.columns) == ("r3c2", slice(48, 50), slice(16, 20))
    error = results(made) - SAMPLES @ WEIGHTS
    assert np.abs(error[:, :16]).max() < 1e-12 < np.abs(error[:, 16:]).max()


@pytest.mark.parametrize("function", ["sigmoid", "tanh", "relu"])
def test_activations_come_straight_from_the_converter(function: str) -> None:
    weights, samples = WEIGHTS[:16], np.clip(SAMPLES[:, :16] / 4, -1, 1)
    value = {"sigmoid": lambda x: 1 / (1 + np.exp(-x)), "tanh": np.tanh, "relu": lambda x: np.maximum(x, 0)}[function]
    exact = value(samples @ weights)
    # Half a step of the code, and what half a step of inputs and weights makes of a slope of one at the most.
    made = matrix("differential", "quantised", weights=weights, samples=samples, function=function)
    half = 0.5 / 127 * made.scales.s_x * (np.abs(weights).sum(axis=0) + np.abs(weights).max() * 16)
    span = {"sigmoid": 1.0, "tanh": 2.0, "relu": 1.0}[function]
    step = max(np.abs(part.scale).max() for part in made.parts) * span / 2**8
    error = np.abs(results(made, samples) - exact)
    if function == "relu":  # its range ends where the calibration says; those beyond are not compared
        error = np.where(exact > made.parts[0].scale.min() * 0.99, 0.0, error)
        step *= 2.0  # no threshold on the flat part: the first lies one step above zero
    assert (error <= half + step).all()
    ideal = matrix("differential", "ideal", weights=weights, samples=samples, function=function)
    np.testing.assert_allclose(results(ideal, samples), exact, rtol=0, atol=1e-12)


def test_use_counts_cells_lines_conversions_and_additions() -> None:
    """50 x 20 on tiles of 16 x 8: four blocks of rows, three of columns; by hand."""
    use = matrix().use(vectors=10)
    assert (use.row_blocks, use.column_blocks, use.digits, use.tiles) == (4, 3, 1, 12)
    assert (use.cells_used, use.cells_total) == (2 * 50 * 20, 12 * 32 * 8)
    assert (use.word_lines, use.bit_lines) == (2 * 50 * 3, 20 * 4)
    assert (use.dac_conversions, use.conversions) == (10 * 50 * 3, {"linear": 10 * 80})
    assert use.digital_additions == 10 * 3 * 20
    assert use.utilisation == 2000 / 3072
    offset = matrix("offset").use()
    assert (offset.cells_used, offset.cells_total) == (50 * (20 + 3), 12 * 16 * 9)
    assert (offset.word_lines, offset.bit_lines) == (150, 4 * (20 + 3))
    assert offset.digital_additions == 20 * (4 * 2 - 1)
    sliced = matrix("sliced").use()
    assert (sliced.digits, sliced.tiles, sliced.conversions["linear"]) == (4, 48, 4 * 80)
    assert sliced.digital_additions == 20 * (4 * 4 - 1)


def test_what_cannot_work_is_refused_in_one_message() -> None:
    with pytest.raises(CosimError, match="finite") as caught:
        TiledMatrix(np.full((2, 2), np.nan), HARDWARE, scales=Scales(1.0, 1.0, 1.0), name="fc")
    assert "fc" in str(caught.value)
    with pytest.raises(CosimError, match=r"3 weights of fc do not fit the conductance window") as caught:
        TiledMatrix([[1.0, 2.0], [-3.0, 4.0]], HARDWARE, scales=Scales(1.0, 1.5, 1.0), name="fc")
    assert (caught.value.key, caught.value.value, caught.value.allowed) == (
        "s_w",
        4.0,
        "at most 1.5 in magnitude (s_w)",
    )
    with pytest.raises(
        CosimError, match="sigmoid straight from the converter needs all 50 rows of gate on one tile of 16"
    ):
        TiledMatrix.calibrated(WEIGHTS, HARDWARE, SAMPLES, function="sigmoid", name="gate")
    with pytest.raises(CosimError, match="digits"):
        matrix("sliced", weights=WEIGHTS[:16], samples=SAMPLES[:, :16], function="tanh")
    with pytest.raises(CosimError, match="weights of both signs") as caught:
        TiledMatrix.calibrated(WEIGHTS, HARDWARE, SAMPLES, mapping=MAPPINGS["unipolar"])
    assert "offset" in str(caught.value.allowed)
    made = matrix()
    with pytest.raises(CosimError, match="do not fit matrix"):
        made.forward(SAMPLES[:, :49], np.random.default_rng(0))
    with pytest.raises(CosimError, match="must be finite"):
        made.forward(np.full((1, 50), np.inf), np.random.default_rng(0))
    with pytest.raises(CosimError, match="not programmed"):
        TiledMatrix(WEIGHTS, HARDWARE, scales=made.scales).forward(SAMPLES, np.random.default_rng(0))
    with pytest.raises(CosimError, match="no such part"):
        matrix("differential", {"*": "ideal", "r9c0": "spice"})  # type: ignore[arg-type]
    with pytest.raises(CosimError, match="no such fidelity"):
        matrix("differential", "exact")
    with pytest.raises(CosimError, match="in its own unit"):
        TiledMatrix(WEIGHTS[:16], HARDWARE, scales=Scales(1.0, 2.0, 1.0), function="tanh")


@pytest.mark.parametrize(
    ("signs", "slice_bits", "allowed"),
    [("differential", 7, "1 to 6"), ("unipolar", 1, "2 to 7"), ("offset", 2, "signs = differential or unipolar")],
)
def test_digits_that_do_not_fit_are_refused(signs: str, slice_bits: int, allowed: str) -> None:
    with pytest.raises(CosimError) as caught:
        TiledMatrix(
            np.abs(WEIGHTS), HARDWARE, scales=Scales(1.0, 2.0, 1.0),
            mapping=MappingConfig(signs=signs, slice_bits=slice_bits),  # type: ignore[arg-type]
        )  # fmt: skip
    assert (caught.value.key, caught.value.allowed) == ("slice_bits", allowed)


def test_weights_that_are_all_negative_are_unipolar_too() -> None:
    negative = TiledMatrix.calibrated(
        -np.abs(WEIGHTS), HARDWARE, SAMPLES, mapping=MAPPINGS["unipolar"], fidelity="quantised"
    )
    negative.program(np.random.default_rng(1))
    np.testing.assert_array_equal(results(negative), -results(matrix("unipolar", "quantised")))


@pytest.mark.parametrize("signs", ["differential", "unipolar"])
@pytest.mark.parametrize("slice_bits", [2, 3, 4, 5, 6])
def test_digits_are_the_code_exactly(signs: str, slice_bits: int) -> None:
    """sum_d n_d 2^(d slice_bits) of what the tiles hold is the weight's whole code, ties included."""
    weights = np.abs(WEIGHTS) if signs == "unipolar" else WEIGHTS.copy()
    levels = 255 if signs == "unipolar" else 127
    weights[0, :5] = weights.max() * np.array([0.5, 1.5, levels - 0.5, 2.5, 7.5]) / levels
    s_w = float(np.abs(weights).max())
    made = TiledMatrix(
        weights, HARDWARE, scales=Scales(1.0, s_w, 1.3), fidelity="quantised",
        mapping=MappingConfig(signs=signs, slice_bits=slice_bits),  # type: ignore[arg-type]
    )  # fmt: skip
    made.program(np.random.default_rng(0))
    total = np.zeros(weights.shape)
    for part in made.parts:
        held = part.tile._weights[:, : part.config.outputs].astype(np.float64)  # type: ignore[attr-defined]
        if signs == "unipolar":
            held = held - part.tile._weights[:, -1:]  # type: ignore[attr-defined]
        total[part.rows, part.columns] += held * 2.0 ** (part.digit * slice_bits)
    np.testing.assert_allclose(total, np.rint(weights / s_w * levels), rtol=0, atol=1e-9)


def test_the_correction_takes_the_pedestal_away() -> None:
    """Weights of zero: what the converters see is the pedestal g_zero / S of the sum of inputs, on all bit lines alike,
    and the result is zero exactly.
    """
    ideal = HARDWARE.with_nonidealities(Nonidealities.none())
    made = TiledMatrix(np.zeros((16, 4)), ideal, scales=Scales(8.0, 0.7, 9.0), mapping=MAPPINGS["offset"])
    made.program(np.random.default_rng(0))
    tile, device = made.parts[0].tile, TILE.device
    x = SAMPLES[:, :16]
    seen = tile.mac(x / 8.0, np.random.default_rng(0))  # type: ignore[attr-defined]
    codes = np.clip(np.rint(x / 8.0 * 127), -127, 127) / 127
    # (G_min + G_max) / 2 over S = (G_max - G_min) / (2 w_max), w_max = 1 / a
    pedestal = (device.g_min + device.g_max) / (device.g_max - device.g_min) / 9.0
    np.testing.assert_allclose(seen, np.tile(codes.sum(axis=1, keepdims=True) * pedestal, (1, 5)), rtol=0, atol=1e-12)
    np.testing.assert_array_equal(results(made, x), np.zeros((len(x), 4)))
