"""Reading a cell whose state is frozen, against closed forms."""

import numpy as np
import pytest

from cosim.blocks.cell.config import CellConfig
from cosim.blocks.cell.reading import default_states, iv_curves, noise, read_noise, statistics
from cosim.devices import current, load_device, program
from cosim.devices.laws import FlickerNoise
from cosim.seeds import stream
from cosim.spice import SimulatorPool

BOLTZMANN = 1.380649e-23  # [J/K]
STATES = np.array([2e-6, 20e-6, 150e-6])


@pytest.fixture(scope="module")
def config() -> CellConfig:
    return CellConfig(device="taox_1t1r")


def test_the_curve_is_the_devices_law(config: CellConfig, pool: SimulatorPool) -> None:
    device = config.parameters
    found = iv_curves(STATES, 21, config, pool)
    expected = current(found.voltage, STATES[:, None], device)
    # reltol 1e-6 of Newton's last step; the iteration converges quadratically, so far better than that.
    np.testing.assert_allclose(found.current, expected, rtol=1e-7, atol=1e-15)
    np.testing.assert_allclose(found.conductance, STATES, rtol=1e-7)
    ratio = np.sinh(device.v_read / device.v_0) / (10 * np.sinh(device.v_read / 10 / device.v_0)) - 1
    np.testing.assert_allclose(found.nonlinearity, ratio, rtol=1e-5)


def test_an_access_transistor_adds_its_resistance(pool: SimulatorPool) -> None:
    """The cell's conductance includes 1 kohm of access device; a transistor of that resistance gives it back."""
    device = load_device("taox_1t1r")
    narrow, wide = (
        iv_curves(STATES, 5, CellConfig(device="taox_1t1r", cell="1T1R", access_width=width), pool).conductance
        for width in (0.5e-6, 20e-6)
    )
    assert (narrow < wide).all()
    alone = 1 / (1 / STATES - device.access_resistance)
    assert (wide < alone).all()
    # In weak inversion of nothing: fully on, both are resistors within a few per cent at 0.2 V.
    on = 1 / wide[2] - 1 / alone[2]
    assert 50 < on < 400
    np.testing.assert_allclose(1 / narrow[2] - 1 / alone[2], 40 * on, rtol=0.25)


def test_a_cell_has_the_thermal_noise_of_its_conductance(config: CellConfig, pool: SimulatorPool) -> None:
    found = noise(STATES, 16, config, 1, pool)
    expected = np.sqrt(4 * BOLTZMANN * 300.15 * STATES)
    np.testing.assert_allclose(found.density, np.broadcast_to(expected[:, None], found.density.shape), rtol=1e-4)


def test_a_transistor_adds_flicker_noise_at_low_frequencies(pool: SimulatorPool) -> None:
    found = noise(STATES[2:], 16, CellConfig(device="taox_1t1r", cell="1T1R"), 1, pool)
    density = found.density[0]
    assert density[0] > 2 * density[-1]
    slope = np.polyfit(np.log(found.frequency[:10]), np.log(density[:10] ** 2), 1)[0]
    assert slope == pytest.approx(-1, abs=0.1)  # BSIM4's default exponent of 1/f


def test_reads_vary_as_the_device_says(config: CellConfig, pool: SimulatorPool) -> None:
    found = noise(STATES, 256, config, 3, pool)
    # The sigma of 256 numbers repeats to 1 / sqrt(2 * 256) = 4.4 %: four of that.
    np.testing.assert_allclose(found.read_sigma, config.parameters.read_noise, rtol=0.18)
    for number, sigma in enumerate(found.read_sigma):
        drawn = read_noise(float(STATES[number]), 256, config.parameters, stream(3, f"cell: reads of state {number}"))
        assert sigma == pytest.approx(drawn.std(ddof=1), rel=0.01)  # the edges between reads mix a hundredth
    assert np.abs(found.slope).max() < 0.5  # white: 0; one periodogram of 126 points gives it to 0.12


def test_flicker_noise_has_its_spectrum() -> None:
    from dataclasses import replace

    law = FlickerNoise(q_0=0.01, exponent=0.0, q_high=1.0, t_read=1e-7, t_0=1.0)
    device = replace(load_device("taox_1t1r"), noise=law)
    count, reads = 400, 256
    drawn = np.array([read_noise(5e-5, reads, device, stream(1, f"draw {each}")) for each in range(count)])
    # S = Q^2 / f over k = 1 .. N / 2 cycles: sum of Q^2 / k, the last one counted half.
    variance = 1e-4 * (np.sum(1 / np.arange(1, reads // 2)) + 1 / reads)
    assert drawn.var(axis=1).mean() == pytest.approx(variance, rel=0.1)
    power = np.mean(np.abs(np.fft.rfft(drawn)[:, 1:-1]) ** 2, axis=0)
    assert np.polyfit(np.log(np.arange(1, reads // 2)), np.log(power), 1)[0] == pytest.approx(-1, abs=0.03)


def test_what_was_programmed_is_what_is_read(config: CellConfig, pool: SimulatorPool) -> None:
    found = statistics(STATES, np.array([1.0]), 6, config, 5, pool)
    rng = np.random.default_rng(stream(5, "cell: programming"))
    expected = np.array([program(np.full(6, g), config.parameters, rng) for g in STATES])
    np.testing.assert_allclose(found.programmed, expected, rtol=1e-7)
    assert found.drifted.shape == (3, 0, 6)  # this device does not drift


def test_default_states_of_a_window_that_begins_at_nothing() -> None:
    """Evenly in their logarithm, which has no zero: a hundredth of g_max is the lowest."""
    np.testing.assert_allclose(default_states(load_device("pcm_inference")), np.geomspace(0.25e-6, 25e-6, 5))
    np.testing.assert_allclose(default_states(load_device("taox_1t1r"))[[0, -1]], [1e-6, 150e-6])
