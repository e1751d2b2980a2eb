"""The behavioural tile's fast path: float32, pieces, threads; its DACs; and the distribution of its noise in codes."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from cosim.blocks.ramp_adc.behaviour import RampAdcModel
from cosim.blocks.ramp_adc.noise import conversion_noise
from cosim.errors import CosimError
from cosim.tiles.behavioural import PIECE, BehaviouralTile
from cosim.tiles.chip import draw_dac, with_dac
from cosim.tiles.config import Nonidealities, TileConfig
from cosim.tiles.kernels import activations, make_levels
from cosim.tiles.quantise import TIE, dac_codes, dac_values, decode, full_scale

# Six chips say little of the spread of offsets, so some that are drawn later lie outside what was seen.
pytestmark = pytest.mark.filterwarnings("ignore::cosim.blocks.domain.OutsideDomainWarning")

INPUTS, OUTPUTS, BITS = 37, 21, 5
WEIGHTS = np.random.default_rng(7).uniform(-0.5, 0.5, (INPUTS, OUTPUTS))
VECTORS = np.random.default_rng(8).uniform(-1, 1, (700, INPUTS))
NONE = np.zeros((0, 0), dtype=np.float32)


def programmed(model: RampAdcModel, on: Nonidealities, threads: int = 1, **changes: object) -> BehaviouralTile:
    config = TileConfig(**{"inputs": INPUTS, "outputs": OUTPUTS, "dac_bits": BITS, "adc": model.config, **changes})
    tile = BehaviouralTile(config, model, on, threads=threads)
    tile.program(WEIGHTS, np.random.default_rng(1))
    return tile


def counted(tile: BehaviouralTile, mac: NDArray[np.float64]) -> NDArray[np.int64]:
    return (tile.thresholds < mac[:, :, None] - TIE).sum(axis=2)


# --- float32, pieces, threads


def test_codes_are_those_of_float64_but_next_to_a_threshold(models: dict[str, RampAdcModel]) -> None:
    """Sums of 37 products of order 1 in float32 are good to 37 roundings of 6e-8: 1e-5 is ten times that."""
    tile = programmed(models["sigmoid"], Nonidealities().quiet(), dac_sigma=0.1)
    rng = np.random.default_rng(0)
    mac = tile.mac(VECTORS, rng)
    sure = np.abs(mac[:, :, None] - tile.thresholds).min(axis=2) > 1e-5
    assert sure.mean() > 0.999
    np.testing.assert_array_equal(tile.codes(VECTORS, rng)[sure], counted(tile, mac)[sure])


def test_single_precision_inputs_are_the_same_inputs(models: dict[str, RampAdcModel]) -> None:
    tile = programmed(models["sigmoid"], Nonidealities())
    single = VECTORS.astype(np.float32)
    of_both = [tile.codes(each, np.random.default_rng(3)) for each in (single, single.astype(np.float64))]
    np.testing.assert_array_equal(*of_both)
    strided = np.repeat(single, 2, axis=1)[:, ::2]
    np.testing.assert_array_equal(tile.codes(strided, np.random.default_rng(3)), of_both[0])


def test_any_number_of_threads_gives_the_same(models: dict[str, RampAdcModel]) -> None:
    batch = np.tile(VECTORS, (3, 1))
    assert len(batch) > 3 * PIECE
    answers = [
        programmed(models["tanh"], Nonidealities(), threads).forward(batch, np.random.default_rng(5))
        for threads in (1, 2, 5)
    ]
    np.testing.assert_array_equal(answers[1], answers[0])
    np.testing.assert_array_equal(answers[2], answers[0])


def test_reads_are_new_in_every_row_piece_and_call(models: dict[str, RampAdcModel]) -> None:
    tile, rng = programmed(models["tanh"], Nonidealities()), np.random.default_rng(6)
    batch = np.tile(VECTORS[:128], (12, 1))
    assert len(batch) == 3 * PIECE
    first, second = tile.codes(batch, rng), tile.codes(batch, rng)
    reads = [*np.split(first, 12), *np.split(second, 12)]
    for n, a in enumerate(reads):
        for b in reads[:n]:
            assert (a != b).any()


@settings(deadline=None, max_examples=100)
@given(
    bits=st.integers(2, 8), rows=st.integers(0, 5), columns=st.integers(1, 50), seed=st.integers(0, 2**32 - 1),
    single=st.booleans(), given_levels=st.booleans(),
)  # fmt: skip
def test_levels_are_those_of_the_codes(
    bits: int, rows: int, columns: int, seed: int, single: bool, given_levels: bool
) -> None:
    """Halves of a step, which round to even, and values beyond full scale among them."""
    rng = np.random.default_rng(seed)
    n = full_scale(bits)
    inputs = np.where(rng.random((rows, columns)) < 0.5, rng.uniform(-1.5, 1.5, (rows, columns)),
                      rng.integers(-2 * n, 2 * n + 1, (rows, columns)) / (2 * n))  # fmt: skip
    inputs = inputs.astype(np.float32 if single else np.float64)
    codes = dac_codes(inputs, bits)
    table = rng.normal(size=(columns, 2 * n + 1)).astype(np.float32) if given_levels else NONE
    expected = table[np.arange(columns), codes + n] if given_levels else dac_values(codes, bits).astype(np.float32)
    values, squares = make_levels(inputs, n, table)
    np.testing.assert_array_equal(values, expected)
    np.testing.assert_array_equal(squares, values * values)
    alone, nothing = make_levels(inputs, n, table, squared=False)
    np.testing.assert_array_equal(alone, values)
    assert nothing.size == 0


@pytest.mark.parametrize("bits", [2, 5, 8])
@pytest.mark.parametrize("limits", [(0.0, 1.0), (-1.0, 1.0), (-0.17, 4.0)])
def test_activations_are_decoded_to_the_last_bit(bits: int, limits: tuple[float, float]) -> None:
    codes = np.random.default_rng(bits).integers(0, 2**bits, (13, 7)).astype(np.uint8)
    np.testing.assert_array_equal(activations(codes, *limits, bits), decode(codes, *limits, bits))


# --- noise in codes


@pytest.mark.parametrize(
    "on",
    [
        Nonidealities.only("read_noise"),
        Nonidealities.only("adc_noise"),
        Nonidealities(),
        replace(Nonidealities(), read_noise=False),
    ],
)
def test_codes_are_spread_as_read_noise_and_converter_noise_say(
    models: dict[str, RampAdcModel], on: Nonidealities
) -> None:
    """How often each threshold is passed in 1500 reads, against Phi; all that are passed now and then.

    Variance of a MAC result: sigma^2 sum_i x_i^2 (G+^2 + G-^2), and the converter's at the threshold. Scores of the
    columns of a read hang together by the ramp's noise, so their mean square is looked at over the vectors.
    """
    model = models["sigmoid"]
    tile = programmed(model, on, dac_sigma=0.05)
    assert tile.chip is not None
    vectors, reads = VECTORS[:60], 1500
    values = dac_values(dac_codes(vectors, BITS), BITS)
    if on.dac_error:
        assert tile.chip.dac is not None
        values = tile.chip.dac[np.arange(INPUTS), dac_codes(vectors, BITS) + full_scale(BITS)]
    own, ramp = conversion_noise(
        tile.chip.adc if on.ramp_error else replace(tile.chip.adc, ramp=model.ramp_target, bias=model.bias_target),
        model.config, model.value("comparator_noise"),
    )  # fmt: skip
    variance = np.zeros((len(vectors), OUTPUTS, 1))
    if on.read_noise:
        variance = variance + (values**2 @ tile._noise_squares)[:, :, None]
    if on.adc_noise:
        variance = variance + (own**2 + ramp**2) / model.mac_gain() ** 2
    mac = values @ tile.matrix
    expected = stats.norm.cdf((mac[:, :, None] - tile.thresholds) / np.sqrt(variance))
    codes = tile.codes(np.repeat(vectors, reads, axis=0), np.random.default_rng(9)).reshape(
        len(vectors), reads, OUTPUTS
    )
    passed = (codes[:, :, :, None] > np.arange(tile.thresholds.shape[1])).sum(axis=1)
    doubtful = (expected > 0.01) & (expected < 0.99)
    assert doubtful.sum() > 10
    score = (passed - reads * expected) / np.sqrt(reads * expected * (1 - expected) + 1e-12)
    # 1 % of s_ramp at most is lost in its polynomial (2 % at 3 bits): 0.02 in the argument of Phi at one sigma.
    bias = 0.02 * 0.24 * np.sqrt(reads) * 2
    assert np.abs(score[doubtful]).max() < 5 + bias
    assert np.mean(score[doubtful] ** 2) < 2.5
    never = expected < 1e-9
    assert (passed[never] == 0).all()


def test_an_adc_model_that_does_not_know_its_noise_is_refused_where_it_counts(models: dict[str, RampAdcModel]) -> None:
    model = models["sigmoid"]
    silent = replace(model, parameters={k: v for k, v in model.parameters.items() if k != "comparator_noise"})
    with pytest.raises(CosimError, match="noise") as caught:
        programmed(silent, Nonidealities())
    assert caught.value.key == "adc_noise"
    programmed(silent, replace(Nonidealities(), adc_noise=False))


# --- DACs


def test_dac_error_alone_is_the_chips_levels(models: dict[str, RampAdcModel]) -> None:
    tile = programmed(models["sigmoid"], Nonidealities.only("dac_error"), dac_sigma=0.2)
    off = programmed(models["sigmoid"], Nonidealities.none(), dac_sigma=0.2)
    assert tile.chip is not None and tile.chip.dac is not None
    rng = np.random.default_rng(0)
    levels = tile.chip.dac[np.arange(INPUTS), dac_codes(VECTORS, BITS) + full_scale(BITS)]
    np.testing.assert_allclose(tile.mac(VECTORS, rng), levels @ off.matrix, rtol=0, atol=1e-12)
    np.testing.assert_array_equal(tile.matrix, off.matrix)
    np.testing.assert_array_equal(tile.thresholds, off.thresholds)
    assert np.abs(tile.mac(VECTORS, rng) - off.mac(VECTORS, rng)).max() > 1e-3
    assert (tile.mac(np.zeros((1, INPUTS)), rng) == 0.0).all()


def test_dac_levels_have_the_stated_sigma() -> None:
    config = TileConfig(inputs=512, outputs=1, dac_bits=6, dac_sigma=0.25)
    levels = draw_dac(config, np.random.default_rng(2))
    n = full_scale(6)
    assert levels is not None and levels.shape == (512, 2 * n + 1)
    assert (levels[:, n] == 0.0).all()
    error = np.delete(levels * n - np.arange(-n, n + 1), n, axis=1)
    # Mean and variance of 31744 normal numbers, within five standard errors.
    assert abs(error.mean()) < 5 * 0.25 / np.sqrt(error.size)
    assert error.var() == pytest.approx(0.0625, rel=5 * np.sqrt(2 / error.size))
    assert draw_dac(TileConfig(), np.random.default_rng(2)) is None


def test_known_dac_levels_replace_drawn_ones(models: dict[str, RampAdcModel]) -> None:
    tile = programmed(models["sigmoid"], Nonidealities.only("dac_error"))
    assert tile.chip is not None and tile.chip.dac is None
    n = full_scale(BITS)
    bent = np.arange(-n, n + 1) / n
    bent = bent + 0.05 * bent**3
    chip = with_dac(tile.chip, bent, tile.config)
    ideal = tile.mac(VECTORS, np.random.default_rng(0))
    tile.load(chip)
    values = dac_values(dac_codes(VECTORS, BITS), BITS)
    expected = (values + 0.05 * values**3) @ tile.matrix
    np.testing.assert_allclose(tile.mac(VECTORS, np.random.default_rng(0)), expected, rtol=0, atol=1e-12)
    assert np.abs(expected - ideal).max() > 1e-3
    for levels, what in ((bent[1:], "do not fit"), (bent * np.nan, "finite"), (np.zeros((3, 2 * n + 1)), "do not fit")):
        with pytest.raises(CosimError, match=what):
            with_dac(tile.chip, levels, tile.config)


def test_drawing_dacs_changes_nothing_else_of_a_chip(models: dict[str, RampAdcModel]) -> None:
    one, other = (programmed(models["sigmoid"], Nonidealities(), dac_sigma=sigma).chip for sigma in (0.0, 0.3))
    assert one is not None and other is not None and other.dac is not None
    np.testing.assert_array_equal(one.conductances, other.conductances)
    np.testing.assert_array_equal(one.adc.ramp, other.adc.ramp)
    np.testing.assert_array_equal(one.offsets, other.offsets)


# --- size


def test_a_large_tile(models: dict[str, RampAdcModel]) -> None:
    """More columns than stand side by side in the kernel: the codes that float64 gives, but next to a threshold."""
    config = TileConfig(inputs=300, outputs=270, adc=models["sigmoid"].config)
    tile = BehaviouralTile(config, models["sigmoid"], Nonidealities.only("comparator_lag"))
    rng = np.random.default_rng(3)
    tile.program(rng.uniform(-0.2, 0.2, (300, 270)), rng)
    vectors = rng.uniform(-1, 1, (20, 300))
    mac = tile.mac(vectors, rng)
    sure = np.abs(mac[:, :, None] - tile.thresholds).min(axis=2) > 1e-4
    assert sure.mean() > 0.99
    np.testing.assert_array_equal(tile.codes(vectors, rng)[sure], counted(tile, mac)[sure])
