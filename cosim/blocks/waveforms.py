"""Reading figures from waveforms and spectra: settling, edges, integrated noise."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cosim.spice import Result

Array = NDArray[np.float64]
NAN = float("nan")
QUIET = 1e-30  # [V/sqrt(Hz)] in place of no noise at all, which has no logarithm


def integrated_noise(result: Result) -> float:
    """Root of the integral of the output's noise density [V]; straight lines in the logarithms between points."""
    frequency, density = result["frequency"], np.maximum(result["onoise_spectrum"], QUIET) ** 2
    slope = np.diff(np.log(density)) / np.diff(np.log(frequency)) + 1
    flat = density[:-1] * frequency[:-1] * np.diff(np.log(frequency))
    parts = np.diff(density * frequency) / np.where(np.abs(slope) < 1e-9, 1.0, slope)
    return float(np.sqrt(np.sum(np.where(np.abs(slope) < 1e-9, flat, parts))))


def settling_time(time: Array, signal: Array, start: float, final: float, band: float) -> float:
    """Time from `start` until the signal stays within `band` of `final` [s]; 0 when it is there at the start."""
    error = np.abs(signal - final)
    outside = np.flatnonzero((error > band) & (time > start))
    if outside.size == 0:
        return 0.0
    last = int(outside[-1])
    if last + 1 >= time.size:
        return NAN
    return float(np.interp(-band, -error[last : last + 2], time[last : last + 2])) - start


def crossing_duration(time: Array, signal: Array, low: float, high: float) -> float:
    """Time from the last crossing of `low` to the first of `high` after it, of a rising signal; NaN if it has none."""
    above = np.flatnonzero(signal >= high)
    if above.size == 0 or above[0] == 0:
        return NAN
    end = int(above[0])
    below = np.flatnonzero(signal[:end] < low)
    if below.size == 0:
        return NAN
    start = int(below[-1])
    at_low = np.interp(low, signal[start : start + 2], time[start : start + 2])
    at_high = np.interp(high, signal[end - 1 : end + 1], time[end - 1 : end + 1])
    return float(at_high - at_low)


def integral(time: Array, signal: Array, start: float, end: float) -> float:
    """Integral of a signal of straight lines between the simulator's points, from `start` to `end`."""
    inside = (time > start) & (time < end)
    times = np.concatenate([[start], time[inside], [end]])
    values = np.concatenate([[np.interp(start, time, signal)], signal[inside], [np.interp(end, time, signal)]])
    return float(np.trapezoid(values, times))
