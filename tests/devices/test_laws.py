"""Laws of phase-change cells against the values that papers and their codes give."""

from dataclasses import replace

import numpy as np
import pytest

from cosim.devices import drift_exponents, drifted, load_device, program, read
from cosim.devices.laws import FlickerNoise, PolynomialSigma, PowerDrift, SpreadPowerDrift
from cosim.devices.pulses import PulsedCells, reset_cells, set_pulse
from cosim.errors import CosimError

INFERENCE = load_device("pcm_inference")
TRAINING = load_device("pcm_training")
TARGETS = np.array([0.0, 2.5, 5.0, 10.0, 15.0, 20.0, 25.0]) * 1e-6  # [S]
CELLS = 40_000


def generator(seed: int = 7) -> np.random.Generator:
    return np.random.default_rng(seed)


# Tolerances of tables: half a unit of the last digit that they state.


def test_programming_error_of_phase_change_cells() -> None:
    stated = [0.263, 0.448, 0.610, 0.862, 1.020, 1.085, 1.055]
    np.testing.assert_allclose(np.asarray(INFERENCE.sigma_at(TARGETS)) * 1e6, stated, atol=5.1e-4)
    assert pytest.approx(1.055e-6, abs=5e-10) == INFERENCE.programming_sigma


def test_programming_error_agrees_with_an_independent_fit_to_the_same_figure() -> None:
    g = np.linspace(0.0, 25.0, 26)
    other = np.maximum(-0.00178767 * g**2 + 0.07585724 * g + 0.28638599, 0.0)
    # 0.03 uS is what the two fits differ by in the measured range, 0.01 uS more at its upper end
    np.testing.assert_allclose(np.asarray(INFERENCE.sigma_at(g * 1e-6)) * 1e6, other, atol=0.04)


def test_programming_error_scales_with_the_window() -> None:
    assert isinstance(INFERENCE.programming, PolynomialSigma)
    narrow = INFERENCE.programming.sigma(TARGETS / 5, 5e-6)
    np.testing.assert_allclose(narrow, INFERENCE.programming.sigma(TARGETS, 25e-6) / 5, rtol=1e-12)


def test_programming_draws_that_error_and_never_less_than_nothing() -> None:
    for target in (0.0, 10e-6, 25e-6):
        made = program(np.full(CELLS, target), INFERENCE, generator())
        sigma = float(np.asarray(INFERENCE.sigma_at(target)))
        assert made.min() >= 0.0
        if target > 0.0:
            assert abs(made.mean() - target) < 4 * sigma / np.sqrt(CELLS)
            assert abs(made.std(ddof=1) / sigma - 1) < 4 / np.sqrt(2 * CELLS)
        else:  # half a normal distribution, the other half at zero: mean sigma / sqrt(2 pi)
            assert made.mean() == pytest.approx(sigma / np.sqrt(2 * np.pi), rel=4 / np.sqrt(CELLS))


def test_a_law_of_fourth_order_is_the_polynomial_of_its_coefficients() -> None:
    # NeuRRAM one second after programming (Wan et al., Nature 608, 504), against CrossSim's cubic for the same data
    law = PolynomialSigma(40e-6, 0.348e-6, 16.030e-6, -43.853e-6, 45.393e-6, -16.815e-6)
    g = np.linspace(4.0, 36.0, 40)
    r = g / 40
    quartic = 0.348 + 16.030 * r - 43.853 * r**2 + 45.393 * r**3 - 16.815 * r**4
    np.testing.assert_allclose(law.sigma(g * 1e-6, 40e-6) * 1e6, quartic, rtol=1e-12)
    cubic = 1.536e-4 * g**3 - 1.167e-2 * g**2 + 0.2374 * g + 1.053
    # the two fits of the same measurement differ by up to a quarter here, and by more towards 40 uS
    np.testing.assert_allclose(quartic, cubic, rtol=0.25)
    assert (PolynomialSigma(1e-6, -1e-6).sigma(g, 1.0) == 0.0).all()


def test_drift_exponents_of_phase_change_cells() -> None:
    law = INFERENCE.drift
    assert isinstance(law, SpreadPowerDrift)
    mean, spread = law.exponent_mean(TARGETS, 25e-6), law.exponent_sd(TARGETS, 25e-6)
    np.testing.assert_allclose(mean, [0.100, 0.060, 0.0493, 0.049, 0.049, 0.049, 0.049], atol=5.1e-4)
    np.testing.assert_allclose(spread, [0.045, 0.023, 0.014, 0.008, 0.008, 0.008, 0.008], atol=5.1e-4)
    drawn = drift_exponents(np.full(CELLS, 2.5e-6), INFERENCE, generator())
    # |N(0.060, 0.023)|: the folded part beyond 2.6 sigma moves mean and spread by less than 1 %
    assert drawn.min() >= 0.0
    assert drawn.mean() == pytest.approx(mean[1], rel=0.02)
    assert drawn.std() == pytest.approx(spread[1], rel=0.03)


def test_drift_is_a_power_of_time_from_the_first_read() -> None:
    exponents = np.array([0.0, 0.05, 0.1])
    assert (drifted(np.full(3, 1e-5), exponents, INFERENCE, 0.0) == 1e-5).all()
    late = drifted(np.full(3, 1e-5), exponents, INFERENCE, 20.0 * (1e4 - 1.0))  # (t + t_0) / t_0 = 1e4
    np.testing.assert_allclose(late, 1e-5 * 10.0 ** (-4 * exponents), rtol=1e-12)
    with pytest.raises(CosimError, match="not defined at this time"):
        drifted(1e-5, 0.05, INFERENCE, -1.0)
    still = load_device("taox_1t1r")
    assert (drift_exponents(TARGETS, still, generator()) == 0.0).all()
    np.testing.assert_array_equal(drifted(TARGETS, 0.0, still, 1e9), TARGETS)


def test_drift_of_training_cells_counts_from_the_last_pulse() -> None:
    assert isinstance(TRAINING.drift, PowerDrift)
    nu = drift_exponents(TARGETS, TRAINING, generator())
    np.testing.assert_array_equal(nu, 0.04)
    np.testing.assert_allclose(drifted(TARGETS, nu, TRAINING, 38.6), TARGETS)
    np.testing.assert_allclose(drifted(TARGETS, nu, TRAINING, 386.0), TARGETS * 10**-0.04)
    with pytest.raises(CosimError, match="Allowed: from 1 µs after programming"):
        drifted(TARGETS, nu, TRAINING, 0.0)


def test_flicker_noise_of_phase_change_cells() -> None:
    law = INFERENCE.noise
    assert isinstance(law, FlickerNoise)
    amplitude = law.amplitude(TARGETS, 25e-6)
    np.testing.assert_allclose(amplitude, [0.2, 0.0393, 0.0251, 0.0160, 0.0123, 0.0102, 0.0088], atol=5.1e-5)
    relative = law.sigma(TARGETS[1:], TARGETS[1:], 25e-6, 0.0) / TARGETS[1:]
    # by a hand calculation the first is 0.1645, which the table rounds up
    np.testing.assert_allclose(relative, [0.165, 0.105, 0.067, 0.051, 0.043, 0.037], atol=5.5e-4)
    assert pytest.approx(0.037, abs=5e-4) == INFERENCE.read_noise


def test_flicker_noise_is_the_integral_of_its_spectrum() -> None:
    """Variance of S_G / G^2 = Q / f between 1 / (t + t_0) and the bandwidth of a read, 1 / (2 t_read)."""
    law = INFERENCE.noise
    assert isinstance(law, FlickerNoise)
    time = 3600.0
    f = np.geomspace(1.0 / (time + law.t_0), 1.0 / (2.0 * law.t_read), 20_001)
    amplitude = float(law.amplitude(10e-6, 25e-6))
    variance = np.trapezoid(amplitude**2 / f, f)
    # the law adds t_read to the time, 1e-10 of it; the trapezoidal rule is good to 1e-6 here
    assert float(law.sigma(10e-6, 10e-6, 25e-6, time)) == pytest.approx(10e-6 * np.sqrt(variance), rel=1e-5)


@pytest.mark.parametrize("name", ["pcm_inference", "pcm_training"])
def test_reads_have_the_noise_of_the_law(name: str) -> None:
    device = load_device(name)
    assert device.noise is not None
    cells = np.full(CELLS, 5e-6)
    for time in (0.0, 1e5):
        seen = read(cells, device, generator(), programmed=cells * 1.2, time=time)
        sigma = float(device.noise.sigma(5e-6, 6e-6, device.g_max, time))
        assert seen.std(ddof=1) == pytest.approx(sigma, rel=4 / np.sqrt(2 * CELLS))
        assert seen.mean() == pytest.approx(5e-6, abs=4 * sigma / np.sqrt(CELLS))
    quiet = read(cells, replace(device, read_noise=0.0), generator())
    np.testing.assert_array_equal(quiet, cells)
    half = read(cells, replace(device, read_noise=device.read_noise / 2), generator())
    np.testing.assert_allclose(half - cells, (read(cells, device, generator()) - cells) / 2, rtol=1e-9, atol=1e-18)
    assert read(np.full(CELLS, 1e-9), device, generator()).min() >= 0.0


def test_noise_of_training_cells() -> None:
    assert TRAINING.noise is not None
    np.testing.assert_allclose(TRAINING.noise.sigma([0.0, 10e-6], 0.0, 12e-6, 0.0), [0.13e-6, 0.43e-6], rtol=1e-12)


def trained(pulses: int, cells: int, seed: int = 7) -> list[PulsedCells]:
    law, limits = TRAINING.pulses, (TRAINING.g_lowest, TRAINING.g_highest)
    assert law is not None
    rng = generator(seed)
    states = [reset_cells(cells, law, limits, rng)]
    for _ in range(pulses):
        states.append(set_pulse(states[-1], law, limits, rng))
    return states


def test_statistics_of_set_pulses() -> None:
    states = trained(20, CELLS)
    stated = {1: (2.06, 1.52), 2: (3.44, 1.96), 3: (4.49, 2.19), 5: (5.92, 2.32), 8: (7.18, 2.24),
              10: (7.71, 2.18), 15: (8.52, 2.04), 20: (8.94, 1.97)}  # fmt: skip
    for pulses, (mean, spread) in stated.items():
        g = states[pulses].conductances * 1e6
        # four standard errors, and half a unit of the last digit stated, of ours and of theirs
        assert g.mean() == pytest.approx(mean, abs=4 * spread / np.sqrt(CELLS) + 0.01)
        assert g.std() == pytest.approx(spread, abs=4 * spread / np.sqrt(2 * CELLS) + 0.01)


def test_without_limits_the_mean_follows_its_recursion() -> None:
    """E(G) <- E(G) (1 + slope) + offset + memory m: exact while nothing is cut off."""
    law = TRAINING.pulses
    assert law is not None
    rng, cells = generator(), reset_cells(CELLS, law, (-1.0, 1.0), generator())
    mean, m = law.g_reset, 1.0
    for _ in range(6):
        cells = set_pulse(cells, law, (-1.0, 1.0), rng)
        m *= np.exp(-1.0 / 2.6)
        mean = mean * (1.0 - 0.084) + 0.880e-6 + 1.40e-6 * m
        assert cells.conductances.mean() == pytest.approx(mean, abs=4 * cells.conductances.std() / np.sqrt(CELLS))
        np.testing.assert_allclose(cells.memory, m)


def test_mean_step_of_a_pulse() -> None:
    law = TRAINING.pulses
    assert law is not None
    m = np.exp(-1 / 2.6)
    # by hand: -0.084 * 0.1 + 0.880 + 1.40 m and 0.091 * 0.1 + 0.260 + 2.15 m
    assert float(law.step_mean(0.1e-6, m)) == pytest.approx((-0.0084 + 0.880 + 1.40 * m) * 1e-6)
    assert float(law.step_sd(0.1e-6, m)) == pytest.approx((0.0091 + 0.260 + 2.15 * m) * 1e-6)


def test_only_the_chosen_cells_are_pulsed_and_all_stay_within_limits() -> None:
    law, limits = TRAINING.pulses, (TRAINING.g_lowest, TRAINING.g_highest)
    assert law is not None
    before = reset_cells((3, 50), law, limits, generator())
    where = np.arange(50) < 20
    after = set_pulse(before, law, limits, generator(), where)
    np.testing.assert_array_equal(after.conductances[:, 20:], before.conductances[:, 20:])
    np.testing.assert_array_equal(after.memory[:, 20:], 1.0)
    assert (after.conductances[:, :20] != before.conductances[:, :20]).mean() > 0.8
    for state in trained(30, 1000)[1:]:
        assert state.conductances.min() >= limits[0]
        assert state.conductances.max() <= limits[1]
    assert before.conductances.std() == pytest.approx(0.01e-6, rel=4 / np.sqrt(2 * 150))
