"""Figures of an integrator from its waveforms and sweeps, each a plain function of a `Result`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cosim.blocks.integrator.config import IntegratorConfig
from cosim.blocks.integrator.netlist import EDGE, pulse_times, slew_time
from cosim.blocks.waveforms import NAN, crossing_duration, settling_time
from cosim.spice import Result

Array = NDArray[np.float64]
WAVEFORM_POINTS = 401


def complex_signal(result: Result, name: str) -> NDArray[np.complex128]:
    """A signal of an `.ac`, shape (frequencies,)."""
    return np.asarray(result[name] + 1j * result[f"imag({name})"], dtype=np.complex128)


def loop_figures(result: Result, config: IntegratorConfig) -> dict[str, Any]:
    """Gain of the amplifier, and gain of the loop that C_fb closes around it.

    The part is a two-port of bit line and output. The bench gives G = -V_out / V_bl with the output open, the
    admittance a = I_bl / V_bl there, and u = V_out / I_out with the bit line at rest. C_fb is the only way back from
    the output, Y_12 = -s C_fb, so Y_11 = a - s C_fb G. What is not reciprocal, Y_21 - Y_12, is the amplifier; its
    return ratio, with the load that it really has, is

        T = (Y_21 - Y_12) (-Y_12) / (Y_11 Y_22 - Y_12^2) = s C_fb (G + s C_fb u) / (Y_11 - (s C_fb)^2 u).

    With an ideal output (u = 0) this is G C_fb / (C_fb + C_bl). Phase margin at the first |T| = 1.
    """
    frequency = result["frequency"]
    driven = complex_signal(result, "v(bl0)")
    gain = -complex_signal(result, "v(out0)") / driven
    across = -complex_signal(result, "i(vi0)") / driven
    # The bit line at rest still moves a little against its 1 uF; that part of the output is taken off.
    drive = complex_signal(result, "v(out1)") + gain * complex_signal(result, "v(bl1)")
    back = 2j * np.pi * frequency * config.c_fb
    input_admittance = across - back * gain
    loop = back * (gain + back * drive) / (input_admittance - back**2 * drive)
    unity = falling_to(frequency, np.abs(loop), 1.0)
    # Continuous from dc on; -180 degrees is the brink.
    phase = np.unwrap(np.angle(loop))
    phase -= 2 * np.pi * np.round(phase[0] / (2 * np.pi))
    at_unity = float(np.interp(np.log(unity), np.log(frequency), phase)) if np.isfinite(unity) else NAN
    middle = int(np.searchsorted(frequency, 1e6))
    capacitance = float(input_admittance[middle].imag / (2 * np.pi * frequency[middle])) - config.c_fb
    return {
        "frequency": frequency,
        "gain_response": np.abs(gain),
        "loop_response": np.abs(loop),
        "loop_phase": np.degrees(phase),
        "dc_gain": abs(gain[0]),
        "gbw": 10 * falling_to(frequency, np.abs(gain), 10.0),
        "loop_bandwidth": unity,
        "phase_margin": 180 + np.degrees(at_unity),
        "feedback_factor": config.c_fb / (config.c_fb + capacitance),
    }


def falling_to(frequency: Array, size: Array, level: float) -> float:
    """Frequency at which a magnitude first falls below a level, by straight lines in the logarithms; NaN if never."""
    below = np.flatnonzero(size < level)
    if below.size == 0 or below[0] == 0:
        return NAN
    at = slice(int(below[0]) - 1, int(below[0]) + 1)
    logs = np.interp(-np.log(level), -np.log(size[at]), np.log(frequency[at]))
    return float(np.exp(logs))


def static_figures(result: Result, config: IntegratorConfig) -> dict[str, Any]:
    """Output level, gain at each level, range over which the gain is at least half of that at V_CLP, leakage."""
    every, ground = result["v(out0)"], result["v(bl0)"]
    gain = -np.diff(every) / np.diff(ground)
    output, bit_line = (every[1:] + every[:-1]) / 2, (ground[1:] + ground[:-1]) / 2
    leakage = (result["i(vs)"][1:] + result["i(vs)"][:-1]) / 2
    middle = int(np.argmin(np.abs(output - config.v_clp)))
    half = gain[middle] / 2
    below, above = np.flatnonzero(gain[:middle] < half), np.flatnonzero(gain[middle:] < half)
    low = _crossing(output, gain, int(below[-1]), half) if below.size else float(output[0])
    high = _crossing(output, gain, middle + int(above[0]) - 1, half) if above.size else float(output[-1])
    return {
        "static_output": output,
        "static_error": bit_line - config.v_clp,
        "static_gain": gain,
        "static_leakage": leakage,
        "output_low": low,
        "output_high": high,
        # Leakage off the held bit line at V_CLP's level, as a drift of the output.
        "leakage_droop": float(np.interp(config.v_clp, output, leakage)) / config.c_fb,
    }


def _crossing(x: Array, y: Array, at: int, level: float) -> float:
    pair = slice(at, at + 2)
    order = np.argsort(y[pair])
    return float(np.interp(level, y[pair][order], x[pair][order]))


def pulse_figures(result: Result, config: IntegratorConfig) -> dict[str, Any]:
    """Output, virtual ground, settling and energy of one read pulse; the waveform on an even grid of times."""
    times = pulse_times(config)
    time, output, bit_line = result["time"], result["v(out0)"], result["v(bl0)"]

    def at(signal: Array, moment: float) -> float:
        return float(np.interp(moment, time, signal))

    before, after = at(output, times["before"]), at(output, times["after"])
    ground = at(bit_line, times["before"])
    during = (time >= times["before"]) & (time <= times["pulse_end"])
    grid = np.linspace(0.0, times["after"], WAVEFORM_POINTS)
    charge, energy = (at(result[name], times["after"]) - at(result[name], times["before"]) for name in ("v(q)", "v(e)"))
    return {
        "wave_output": np.interp(grid, time, output),
        "wave_bit_line": np.interp(grid, time, bit_line),
        "output": after - before,
        "charge_in": charge * 1e-12,
        "pedestal": before - at(output, 1e-9),
        "ground_peak": np.max(np.abs(bit_line[during] - ground)),
        "ground_error": at(bit_line, times["pulse_end"] - EDGE) - ground,
        "settling_time": settling_time(time, output, times["pulse_end"], after, config.settling * config.swing),
        "energy": energy * 1e-12,
    }


def hold_figures(result: Result, config: IntegratorConfig) -> dict[str, Any]:
    """The held output early and late while idle cells load the bit line [V]."""
    start = pulse_times(config)["after"] + 2 * EDGE
    early, late = start + 0.3 * config.t_hold, start + config.t_hold
    first, last = (float(np.interp(moment, result["time"], result["v(out0)"])) for moment in (early, late))
    interval = late - early
    return {"early": first, "late": last, "interval": interval, "droop": (last - first) / interval}


def slew_figures(result: Result, config: IntegratorConfig) -> dict[str, Any]:
    """Rate of the output between the quarters of the swing around V_CLP, up and down [V/s]."""
    time, output = result["time"], result["v(out0)"]
    turn = 2e-9 + slew_time(config)
    low, high = config.v_clp - config.swing / 2, config.v_clp + config.swing / 2
    rising, falling = time <= turn, time >= turn
    up = crossing_duration(time[rising], output[rising], low, high)
    down = crossing_duration(time[falling], -output[falling], -high, -low)
    return {"slew_rise": config.swing / up, "slew_fall": config.swing / down}
