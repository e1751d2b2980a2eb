"""The trip law: limits that have a closed form, an independent solver, and what it remembers."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.integrate import solve_ivp
from scipy.optimize import brentq

from cosim.blocks.ramp_adc import lag as lag_module
from cosim.blocks.ramp_adc.config import RampAdcConfig
from cosim.blocks.ramp_adc.lag import READ, START, lags
from cosim.blocks.ramp_adc.periods import Periods

Array = NDArray[np.float64]

CONFIG = RampAdcConfig()
DELAY = START + 1 / (2 * math.pi * CONFIG.amplifier_gbw)  # [s] until the ramp's pulse arrives
LEFT = CONFIG.t_clock - READ - DELAY - CONFIG.t_pulse  # [s] from the end of a full pulse to the reading


def staircase(*steps: float, lead: int = 12) -> Periods:
    """A ramp of `lead` periods at 0 and then these steps [V], with full pulses; the last level is the one looked at."""
    level = np.concatenate([np.zeros(lead), np.cumsum(steps)])
    return Periods(level, np.full(len(level), CONFIG.t_pulse), len(level) - 1)


def law(tau_1: float = 4e-9, reach_1: float = 6e-3, tau_2: float = 8e-9, reach_2: float = 3e-4) -> Array:
    return np.array([tau_1, reach_1, tau_2, reach_2])


def test_a_settled_comparator_trips_at_its_static_offset() -> None:
    for level in (np.zeros(40), np.full(40, 0.2)):
        assert abs(lags(Periods(level, np.full(40, 1e-8), 39), law(), CONFIG)[0]) < 2e-9
    # And the lag vanishes with the step.
    steps = np.array([1e-3, 1e-4, 1e-5, 1e-6])
    found = np.array([lags(staircase(*[step] * 12), law(), CONFIG)[0] for step in steps])
    assert (found < 0).all() and (np.abs(found) < steps).all()


def test_a_stage_without_saturation_is_a_first_order_lag() -> None:
    """With R_1, R_2 beyond all steps the law is linear: y lags a ramp by its time constant, w by both."""
    tau_1, tau_2, step = 3e-9, 2e-9, 1e-3
    found = lags(staircase(*[step] * 30), law(tau_1, 1.0, tau_2, 1.0), CONFIG)[0]

    def left(tau: float) -> float:  # of a step that came in a pulse of t_pulse and then rested for LEFT
        return tau / CONFIG.t_pulse * (1 - math.exp(-CONFIG.t_pulse / tau)) * math.exp(-LEFT / tau)

    def memory(tau: float) -> float:  # of all the steps before
        return left(tau) / (1 - math.exp(-CONFIG.t_clock / tau))

    # Of two poles in a row: (tau_1 m_1 - tau_2 m_2) / (tau_1 - tau_2), m the response of each alone.
    expected = -step * (tau_1 * memory(tau_1) - tau_2 * memory(tau_2)) / (tau_1 - tau_2)
    assert found == pytest.approx(expected, rel=2e-3)  # 16 steps a pulse


def test_steps_before_are_remembered() -> None:
    tau = 8e-9
    slow = law(tau, 1.0, 1e-12, 1.0)
    alone, after = (lags(staircase(first, 1e-3), slow, CONFIG)[0] for first in (0.0, 1e-2))
    own = tau / CONFIG.t_pulse * (1 - math.exp(-CONFIG.t_pulse / tau)) * math.exp(-LEFT / tau)
    assert alone == pytest.approx(-1e-3 * own, rel=1e-3)
    assert after - alone == pytest.approx(-1e-2 * own * math.exp(-CONFIG.t_clock / tau), rel=1e-3)


def test_the_lag_saturates_with_the_step() -> None:
    """After a step beyond its reach, the first stage needs an overdrive that no longer depends on the step."""
    found = np.array([lags(staircase(*[step] * 3), law(), CONFIG)[0] for step in (5e-3, 2e-2, 6e-2, 0.2, 0.4)])
    assert (np.diff(found) < 0).all() and abs(found[-1] - found[-2]) < 0.03 * abs(found[-1])
    # One stage alone, from R_1 to 0 in the time that is left after an infinite step: R_1 / (exp(t / tau) - 1).
    one = lags(staircase(50.0), law(4e-9, 6e-3, 1e-12, 1.0), CONFIG)[0]
    assert one == pytest.approx(-6e-3 / (math.exp(LEFT / 4e-9) - 1), rel=2e-2)


def test_slow_ramps_lag_by_the_root_of_their_slope() -> None:
    """While only the charge tau_2 R_2 of the second stage counts, a ramp of slope r has to run past by
    sqrt(2 tau_2 R_2 r): tau_1 is short here, and tau_2 so long that w does not settle."""
    tau_2, reach_2 = 2e-5, 2e-5
    steps = np.array([1e-4, 2e-4, 4e-4])  # lags of 20, 14 and 10 steps
    found = np.array([-lags(staircase(*[s] * 150, lead=1), law(1e-10, 1.0, tau_2, reach_2), CONFIG)[0] for s in steps])
    expected = np.sqrt(2 * tau_2 * reach_2 * steps / CONFIG.t_clock)
    # The clock reads a staircase that is up to half a step ahead of the ramp.
    np.testing.assert_allclose(found, expected, atol=0.5 * steps.max(), rtol=0.03)


def test_an_independent_solver_agrees() -> None:
    periods = staircase(4e-2, 2e-3, 1e-3, 8e-3, 2e-2, 3e-3)
    tau_1, reach_1, tau_2, reach_2 = law()
    k, clock = periods.first, CONFIG.t_clock
    corners = [(0.0, 0.0)]
    for n in range(1, k + 1):
        start = (n - 1) * clock + DELAY
        corners += [(start, periods.level[n - 1]), (start + periods.pulse[n], periods.level[n])]
    times, volts = np.array(corners).T

    def w_at(threshold: float) -> float:
        def slopes(t: float, state: Array) -> list[float]:
            y, w = state
            u = threshold - np.interp(t, times, volts)
            dy, dw = (u - y) / tau_1, (-y - w) / tau_2
            dy = 0.0 if (y >= reach_1 and dy > 0) or (y <= -reach_1 and dy < 0) else dy
            dw = 0.0 if (w >= reach_2 and dw > 0) or (w <= -reach_2 and dw < 0) else dw
            return [dy, dw]

        end = k * clock - READ
        start = [min(threshold, reach_1), -reach_2]
        return float(solve_ivp(slopes, (0.0, end), start, max_step=clock / 400, rtol=1e-6, atol=1e-9).y[1, -1])

    last = float(periods.level[-1])
    expected = brentq(w_at, last - 1e-2, last + 1e-3, xtol=1e-8) - last
    assert lags(periods, law(), CONFIG)[0] == pytest.approx(expected, abs=5e-6)  # some 0.5 % of it


def test_substeps_are_fine_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the comment on SUBSTEPS says; the kernel as Python, for a compiled one has its constants inside."""
    periods = staircase(4e-2, 2e-3, 1e-3, 8e-3)

    def with_steps(count: int) -> float:
        monkeypatch.setattr(lag_module, "SUBSTEPS", count)
        monkeypatch.setattr(lag_module, "_second_stage", getattr(second, "py_func", second))
        found = np.empty(1)
        kernel(periods.level, periods.pulse, periods.first, DELAY, CONFIG.t_clock, law()[None], found)
        return float(found[0])

    second, kernel = lag_module._second_stage, lag_module._lags.py_func
    used = lag_module.SUBSTEPS
    assert with_steps(used) == pytest.approx(lags(periods, law(), CONFIG)[0], abs=1e-9)
    assert with_steps(used) == pytest.approx(with_steps(8 * used), abs=1e-6)


def test_shapes_broadcast() -> None:
    one = staircase(1e-2, 2e-3)
    many = Periods(np.stack([one.level, 2 * one.level])[None], one.pulse, one.first - 1)
    found = lags(many, law(), CONFIG)
    assert found.shape == (1, 2, 2)
    np.testing.assert_allclose(found[0, 0, 1], lags(one, law(), CONFIG)[0], atol=1e-9)
