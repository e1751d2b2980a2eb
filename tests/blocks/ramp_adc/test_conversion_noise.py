"""Noise of conversions: code by code against the probabilities that follow from the normal distribution."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from cosim.blocks.ramp_adc.chips import nominal_chip
from cosim.blocks.ramp_adc.config import RampAdcConfig
from cosim.blocks.ramp_adc.conversion import Converter
from cosim.blocks.ramp_adc.design import design_column
from cosim.blocks.ramp_adc.noise import conversion_noise, threshold_noise

Array = NDArray[np.float64]
REFUTED = 1e-6  # probability at which a test of chance fails


def probabilities(x: Array, thresholds: Array, sigma: Array) -> Array:
    """Of each code (inputs, count + 1) for inputs x, sorted thresholds and the noise (inputs,) at each input."""
    passed = stats.norm.cdf((x[:, None] - thresholds) / sigma[:, None])
    return -np.diff(passed, axis=1, prepend=1.0, append=0.0)


def goodness(codes: NDArray[np.integer], expected: Array) -> float:
    """p value of chi-squared over all inputs; codes (reads, inputs), expected probabilities (inputs, codes).

    Codes of one input that are expected less than five times are counted together.
    """
    reads, inputs = codes.shape
    total, freedom = 0.0, 0
    for n in range(inputs):
        seen = np.bincount(codes[:, n], minlength=expected.shape[1])
        wanted = reads * expected[n]
        often = wanted >= 5
        rare, rarely = wanted[~often].sum(), seen[~often].sum()
        if rare < 5:  # even together too few for a square: no more than chance allows, and one of the often ones
            assert rarely <= stats.poisson.ppf(1 - REFUTED / inputs, rare)
        else:
            total, freedom = total + (rarely - rare) ** 2 / rare, freedom + 1
        total += float(((seen[often] - wanted[often]) ** 2 / wanted[often]).sum())
        freedom += int(often.sum()) - 1
    return float(stats.chi2.sf(total, max(freedom, 1)))


def around(thresholds: Array, sigma: float, inputs: int, rng: np.random.Generator) -> Array:
    """Inputs within four sigma of thresholds."""
    return rng.choice(thresholds, inputs) + rng.uniform(-4, 4, inputs) * sigma


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize(("bits", "lsb"), [(5, 0.05), (5, 1.3), (3, 0.2), (8, 0.7)])
def test_codes_have_the_stated_probabilities(bits: int, lsb: float, kind: type) -> None:
    """2000 inputs around thresholds, a column each, 500 reads; noise from a twentieth of an LSB to more than one."""
    check_codes(bits, lsb, kind, inputs=2000, reads=500)


@pytest.mark.slow
@pytest.mark.parametrize(("bits", "lsb"), [(5, 0.03), (5, 0.3), (5, 2.0), (10, 0.5)])
def test_codes_have_the_stated_probabilities_at_twenty_thousand_inputs(bits: int, lsb: float) -> None:
    check_codes(bits, lsb, np.float32, inputs=20_000, reads=2000)


def check_codes(bits: int, lsb: float, kind: type, inputs: int, reads: int) -> None:
    """Direct: half of the variance of the converter, half of the MAC result."""
    rng = np.random.default_rng(bits)
    thresholds = np.sort(rng.uniform(-3, 3, 2**bits - 1))
    sigma = lsb * 6 / 2**bits
    x = around(thresholds, sigma, inputs, rng).astype(np.float32)
    converter = Converter(np.tile(thresholds, (inputs, 1)), own_noise=sigma * np.sqrt(0.5))
    mac = np.broadcast_to(x.astype(kind), (reads, inputs))
    variance = np.full(mac.shape, sigma**2 / 2, dtype=np.float32)
    codes = converter.noisy_codes(mac, rng, variance)
    expected = probabilities(x.astype(np.float64), thresholds, np.full(inputs, sigma))
    assert goodness(codes, expected) > REFUTED


def test_the_test_sees_a_wrong_sigma() -> None:
    """What the chi-squared test is worth: five per cent more noise are refuted."""
    rng = np.random.default_rng(1)
    thresholds = np.sort(rng.uniform(-3, 3, 31))
    x = around(thresholds, 0.02, 2000, rng)
    codes = Converter(np.tile(thresholds, (2000, 1)), own_noise=0.021).noisy_codes(np.tile(x, (500, 1)), rng)
    assert goodness(codes, probabilities(x, thresholds, np.full(2000, 0.02))) < REFUTED


@pytest.mark.parametrize("function", ["sigmoid", "tanh", "linear", "softplus", "gelu"])
@pytest.mark.parametrize("bits", [3, 5, 8])
def test_the_ramps_noise_is_that_of_each_threshold(function: str, bits: int) -> None:
    """What is drawn at each threshold against what is stated of it: 1 % of sigma.

    2 % at 3 bits, for seven thresholds do not bear more than a cubic; 2.5 % of GELU, whose ramp makes one wide step
    over its minimum.
    """
    config = RampAdcConfig(function=function, bits=bits)
    chip = nominal_chip(config)
    gain = design_column(config).gain(config.v_read)
    own, ramp = conversion_noise(chip, config, 4e-5)
    np.testing.assert_allclose(np.hypot(own, ramp), threshold_noise(chip, config, 4e-5), rtol=1e-12)
    thresholds = chip.levels(config) / gain
    converter = Converter(thresholds[None], own_noise=own / gain, ramp_noise=ramp / gain)
    drawn = np.hypot(own / gain, converter.ramp_noise_at(thresholds))
    allowed = 0.025 if function == "gelu" else 0.02 if bits == 3 else 0.01
    np.testing.assert_allclose(drawn, np.hypot(own, ramp) / gain, rtol=allowed)


def test_codes_of_a_ramp_with_noise_of_its_own() -> None:
    """The nominal sigmoid column, 5 bits: 30 inputs within three sigma of thresholds, one column, 4000 reads each."""
    config = RampAdcConfig()
    chip = nominal_chip(config)
    gain = design_column(config).gain(config.v_read)
    own, ramp = (each / gain for each in conversion_noise(chip, config, 4e-5))
    thresholds = chip.levels(config) / gain
    converter = Converter(thresholds[None], own_noise=own, ramp_noise=ramp)
    rng = np.random.default_rng(2)
    x = around(thresholds, 3e-3, 30, rng)
    codes = np.stack(
        [converter.noisy_codes(np.full((4000, 1), each, dtype=np.float32), rng)[:, 0] for each in x], axis=1
    )
    nearest = np.abs(x[:, None] - thresholds).argmin(axis=1)
    assert goodness(codes, probabilities(x, thresholds, np.hypot(own, ramp)[nearest])) > REFUTED


def test_columns_share_the_ramps_noise_and_nothing_else() -> None:
    """Threshold 0, input 0: a code is the sign of the noise. The correlation of two signs is 2/pi arcsin(rho)."""
    reads, columns = 20_000, 5
    thresholds = np.zeros((columns, 1))
    mac = np.zeros((reads, columns), dtype=np.float32)
    for own, ramp in ((1.0, 0.0), (1.0, 1.0), (0.5, 1.0)):
        codes = Converter(thresholds, own_noise=own, ramp_noise=ramp).noisy_codes(mac, np.random.default_rng(3))
        found = np.corrcoef(codes.T)[np.triu_indices(columns, 1)]
        expected = 2 / np.pi * np.arcsin(ramp**2 / (own**2 + ramp**2))
        np.testing.assert_allclose(found, expected, atol=5 / np.sqrt(reads))
        following = np.corrcoef(codes[:-1, 0], codes[1:, 0])[0, 1]
        assert abs(following) < 5 / np.sqrt(reads)


def test_without_noise_nothing_is_shifted() -> None:
    rng = np.random.default_rng(4)
    thresholds, mac = rng.normal(size=(6, 31)), rng.normal(size=(300, 6)).astype(np.float32)
    converter = Converter(thresholds)
    np.testing.assert_array_equal(converter.noisy_codes(mac, rng), converter.codes(mac))
    zeros = np.zeros(mac.shape, dtype=np.float32)
    np.testing.assert_array_equal(converter.noisy_codes(mac, rng, zeros), converter.codes(mac))


def test_values_far_from_every_threshold_and_not_finite_ones_keep_their_code() -> None:
    thresholds = np.array([[-1.0, 0.0, 1.0]])
    mac = np.tile(np.array([[-np.inf, -1.5, 0.5, 9.0, np.inf, np.nan]], dtype=np.float32).T, (500, 1))
    converter = Converter(thresholds, own_noise=0.05, ramp_noise=np.array([0.01, 0.02, 0.03]))
    codes = converter.noisy_codes(mac, np.random.default_rng(5))
    assert (codes.reshape(500, 6) == [0, 0, 2, 3, 3, 0]).all()


@pytest.mark.parametrize("columns", [1, 7, 32, 41, 128, 300])
@pytest.mark.parametrize("count", [3, 31, 100])
def test_pieces_of_a_batch_are_what_the_whole_is(columns: int, count: int) -> None:
    rng = np.random.default_rng(columns)
    converter = Converter(rng.normal(size=(columns, count)), own_noise=0.1, ramp_noise=np.linspace(0.05, 0.1, count))
    rows = converter.rows
    step = 5 * rows
    batch = 3 * step + 5
    mac = rng.normal(size=(batch, columns)).astype(np.float32)
    variance = rng.uniform(0, 0.01, mac.shape).astype(np.float32)
    key = np.array([5, 6], dtype=np.uint32)
    whole = converter.noisy_codes(mac, key, variance)
    pieces = [
        converter.noisy_codes(mac[first : first + step], key, variance[first : first + step], first_row=first)
        for first in range(0, batch, step)
    ]
    np.testing.assert_array_equal(np.concatenate(pieces), whole)
    np.testing.assert_array_equal(converter.noisy_codes(mac, key, variance), whole)
    assert (converter.noisy_codes(mac, key + np.uint32(1), variance) != whole).any()


def test_what_does_not_fit_is_refused() -> None:
    converter = Converter(np.zeros((41, 3)), own_noise=1.0)
    mac, rng = np.zeros((6, 41), dtype=np.float32), np.random.default_rng(0)
    assert converter.rows > 1
    with pytest.raises(ValueError, match="begins at row 1"):
        converter.noisy_codes(mac, rng, first_row=1)
    for variance in (np.zeros((6, 40), dtype=np.float32), np.zeros((6, 41))):
        with pytest.raises(ValueError, match="do not fit"):
            converter.noisy_codes(mac, rng, variance)
    for noise in (-1.0, np.nan, np.inf):
        with pytest.raises(ValueError, match="not negative"):
            Converter(np.zeros((2, 3)), own_noise=noise)
        with pytest.raises(ValueError, match="not negative"):
            Converter(np.zeros((2, 3)), ramp_noise=noise)
    with pytest.raises(ValueError, match="does not fit"):
        Converter(np.zeros((2, 3)), own_noise=np.zeros(3))
    with pytest.raises(ValueError, match="does not fit"):
        Converter(np.zeros((2, 3)), ramp_noise=np.zeros(2))
