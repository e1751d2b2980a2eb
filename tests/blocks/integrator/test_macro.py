"""The macro model's figures are its parameters, by closed forms and by an independent solution of its equations."""

import numpy as np
import pytest
import xarray as xr
from numpy.typing import NDArray
from scipy.integrate import solve_ivp

from cosim.blocks.integrator.config import IntegratorConfig
from cosim.blocks.integrator.netlist import EDGE, OVERDRIVE, STATIC_STEP, pulse_times

Array = NDArray[np.float64]


def test_no_point_failed_or_moved(macro: xr.Dataset) -> None:
    assert (macro["status"].values == 0).all()
    assert macro.sizes["chip"] == 1 and macro.sizes["parameter"] == 0  # nothing in it varies


def test_gain_and_loop(macro: xr.Dataset, macro_config: IntegratorConfig) -> None:
    """One pole: |A(f)| = 10 at gbw / 10 sqrt(1 - 100 / A^2); the loop gain is A C_fb / (C_fb + C_bl)."""
    gain, gbw = macro_config.amplifier_gain, macro_config.amplifier_gbw
    beta = macro_config.c_fb / (macro_config.c_fb + macro_config.c_bitline)
    assert float(macro["dc_gain"][0]) == pytest.approx(gain, rel=1e-5)  # 10 Hz against a pole at 150 kHz
    assert float(macro["feedback_factor"][0]) == pytest.approx(beta, rel=1e-5)  # rounding of a current through 1 uF
    # Straight lines between 20 points a decade: 2e-4 at the bend, less on the slope.
    assert float(macro["gbw"][0]) == pytest.approx(gbw * np.sqrt(1 - 100 / gain**2), rel=1e-4)
    assert float(macro["loop_bandwidth"][0]) == pytest.approx(gbw * beta, rel=1e-4)
    margin = 180 - np.degrees(np.arctan(gain * beta))
    assert float(macro["phase_margin"][0]) == pytest.approx(margin, abs=1e-2)
    assert float(macro["offset"][0]) == pytest.approx(0.0, abs=1e-9)


def test_output_range(macro: xr.Dataset, macro_config: IntegratorConfig) -> None:
    step = STATIC_STEP * macro_config.v_dd  # the sweep's own resolution
    assert float(macro["output_low"]) == pytest.approx(0.1, abs=2 * step)
    assert float(macro["output_high"]) == pytest.approx(macro_config.v_dd - 0.1, abs=2 * step)


def test_leakage_is_that_of_the_open_switch(macro: xr.Dataset) -> None:
    """1e13 ohm between bit line and output; ngspice's own gmin (1e-14 S a switch or node) adds a share of it."""
    inside = np.abs(macro["static_output"].values - 1.0) < 0.5
    across = (1.0 - macro["static_output"].values)[inside]
    np.testing.assert_allclose(macro["static_leakage"].values[inside], across / 1e13, atol=2e-14)


def solved(config: IntegratorConfig, charge: float, when: Array) -> tuple[Array, Array]:
    """Output above V_CLP and bit line above V_CLP, from the macro model's two equations, by a Runge-Kutta method.

    Amplifier: dx/dt = -w u - x w / A, with w = 2 pi gbw; bit line: (C_fb + C_bl) du/dt - C_fb dx/dt = i(u).
    """
    times = pulse_times(config)
    conductance = abs(charge) / (config.v_read * config.t_pulse)
    omega = 2 * np.pi * config.amplifier_gbw
    corners = [times["pulse"], times["pulse"] + EDGE, times["pulse_end"] - EDGE, times["pulse_end"]]

    def slope(t: float, state: Array) -> Array:
        u, x = state
        row = np.sign(charge) * config.v_read * np.interp(t, corners, [0.0, 1.0, 1.0, 0.0])
        closed = times["before"] <= t <= times["closed"] + 0.75 * EDGE
        rate = -omega * (u + x / config.amplifier_gain)
        current = conductance * (row - u) * closed
        return np.array([(current + config.c_fb * rate) / (config.c_fb + config.c_bitline), rate])

    found = solve_ivp(
        slope, (0, when[-1]), [0.0, 0.0], t_eval=when, max_step=EDGE, rtol=1e-8, atol=1e-12, method="RK45"
    )
    return found.y[1], found.y[0]


def test_the_waveform_solves_the_equations(macro: xr.Dataset, macro_config: IntegratorConfig) -> None:
    when = macro["time"].values
    for pulse in (0, 3):
        output, ground = solved(macro_config, float(macro["charge"][pulse]), when)
        # 50 uV: the trapezoidal rule at steps of tau / 2 through the edges, and its backward Euler steps at their ends.
        np.testing.assert_allclose(macro["wave_output"].values[pulse] - 1.0, output, atol=2e-4)
        np.testing.assert_allclose(macro["output"].values[pulse], output[-1], atol=50e-6)
        at_end = np.searchsorted(when, pulse_times(macro_config)["pulse_end"]) - 2
        assert float(macro["ground_error"][pulse]) == pytest.approx(ground[at_end], rel=5e-3)


def test_step_of_the_output(macro: xr.Dataset, macro_config: IntegratorConfig) -> None:
    """Of the charge that came in, -q / C_fb / (1 + (1 + C_bl / C_fb) / A) is seen at the output."""
    finite = 1 + (1 + macro_config.c_bitline / macro_config.c_fb) / macro_config.amplifier_gain
    expected = -macro["charge_in"].values / macro_config.c_fb / finite
    np.testing.assert_allclose(macro["output"].values, expected, rtol=2e-4)


def test_held_output_decays(macro: xr.Dataset, macro_config: IntegratorConfig) -> None:
    """tau = (A C_fb + C_fb + C_bl) / G + A / (2 pi gbw): the bit line is off by V / A + dV/dt / (2 pi gbw)."""
    gain, c_fb = macro_config.amplifier_gain, macro_config.c_fb
    tau = (gain * c_fb + c_fb + macro_config.c_bitline) / macro_config.g_idle
    tau += gain / (2 * np.pi * macro_config.amplifier_gbw)
    assert float(macro["hold_time_constant"]) == pytest.approx(tau, rel=2e-3)
    assert float(macro["droop"][0]) == pytest.approx(-float(macro["droop"][1]), rel=1e-5)


def test_slew_is_the_linear_amplifiers(macro: xr.Dataset, macro_config: IntegratorConfig) -> None:
    """Pushed aside by a voltage, the one-pole amplifier's output rises with 2 pi gbw times that, less x w / A."""
    rate = 2 * np.pi * macro_config.amplifier_gbw * OVERDRIVE
    slowed = rate * (1 - macro_config.swing / 2 / (macro_config.amplifier_gain * OVERDRIVE))
    for name in ("slew_rise", "slew_fall"):
        assert slowed * (1 - 1e-3) < float(macro[name]) < rate * (1 + 1e-3)
