"""Figures read from curves that are known."""

import numpy as np
import pytest

from cosim.blocks.waveforms import crossing_duration, integral, integrated_noise, settling_time
from cosim.spice import Result


def test_integrated_noise_of_one_pole() -> None:
    """S / (1 + (f / f0)^2) from 1 kHz on integrates to S f0 (pi / 2 - atan(1 kHz / f0))."""
    frequency = np.geomspace(1e3, 1e11, 161)
    density = 1e-8 / np.sqrt(1 + (frequency / 1e6) ** 2)
    result = Result("", {"frequency": frequency, "onoise_spectrum": density}, None, "", 0.0)
    exact = 1e-8 * np.sqrt(1e6 * (np.pi / 2 - np.arctan(1e3 / 1e6)))
    assert integrated_noise(result) == pytest.approx(exact, rel=2e-3)
    pink = Result("", {"frequency": frequency, "onoise_spectrum": 1e-6 / np.sqrt(frequency)}, None, "", 0.0)
    assert integrated_noise(pink) == pytest.approx(1e-6 * np.sqrt(np.log(1e8)), rel=1e-9)


def test_settling_time() -> None:
    time = np.linspace(0, 10, 1001)
    signal = np.exp(-time)
    assert settling_time(time, signal, 0.0, 0.0, 0.01) == pytest.approx(np.log(100), abs=1e-3)
    assert settling_time(time, signal, 6.0, 0.0, 0.01) == 0.0
    assert np.isnan(settling_time(time, signal, 0.0, -1.0, 0.5))


def test_edges_and_areas() -> None:
    time = np.linspace(0, 10, 101)
    ramp = np.clip(time - 2, 0, 5)
    assert crossing_duration(time, ramp, 0.5, 4.5) == pytest.approx(4.0)
    assert np.isnan(crossing_duration(time, ramp, 0.5, 5.5))
    assert np.isnan(crossing_duration(time, ramp + 1, 0.5, 4.5))
    assert integral(time, ramp, 2.05, 6.95) == pytest.approx((4.95**2 - 0.05**2) / 2, rel=1e-3)
