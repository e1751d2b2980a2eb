"""Figures of a DAC from its sweeps and waveforms, each a plain function of a `Result` or of levels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cosim.blocks.dac.chips import SIDES
from cosim.blocks.dac.config import DacConfig
from cosim.blocks.dac.netlist import EDGE, SUPPLIES, moments, sequence
from cosim.blocks.waveforms import crossing_duration, integral, settling_time
from cosim.spice import Result

Array = NDArray[np.float64]
NAN = float("nan")


def signed(lines: Array) -> Array:
    """Output of every code, (codes,): one line at its size less the other at 0; `lines` has shape (sides, sizes)."""
    positive = lines[0, 1:] - lines[1, 0]
    negative = lines[0, 0] - lines[1, :0:-1]
    return np.concatenate([negative, [lines[0, 0] - lines[1, 0]], positive])


def linearity(output: Array, lsb: float) -> dict[str, Any]:
    """Errors of a converter's levels, shape (codes,): INL and DNL [LSB] against the best straight line.

    The line's slope is the LSB; `gain_error` is that against the ideal `lsb`, `offset` the line at code 0 in ideal LSB.
    """
    half = (len(output) - 1) // 2
    codes = np.arange(-half, half + 1)
    slope, offset = np.polyfit(codes, output, 1)
    inl = (output - (slope * codes + offset)) / slope
    dnl = np.diff(output) / slope - 1
    return {
        "inl": inl,
        "dnl": dnl,
        "inl_max": np.max(np.abs(inl)),
        "dnl_max": np.max(np.abs(dnl)),
        "gain_error": slope / lsb - 1,
        "offset": offset / lsb,
        "monotonic": float((dnl > -1).all()),
    }


def static_figures(result: Result, config: DacConfig) -> dict[str, Any]:
    """Output and linearity of a `.dc` over all sizes."""
    output = signed(np.array([result[f"v(row{side})"] for side in range(SIDES)]))
    return {"output": output, **linearity(output, config.lsb)}


def transient_figures(result: Result, config: DacConfig) -> dict[str, Any]:
    """Output and linearity of all codes, and the dynamic figures of the first line."""
    figures = _pulse_figures(result, config) if config.kind == "pulse_width" else _amplitude_figures(result, config)
    wave = np.interp(moments(config), result["time"], result["v(row0)"])
    return {**figures, **linearity(figures["output"], config.lsb), "wave": wave}


def _amplitude_figures(result: Result, config: DacConfig) -> dict[str, Any]:
    """`settling_time` and `glitch` are those of the steps to size 1, 2, ..; `energy` that of the slots of 0, 1, .."""
    sizes, slots, end = sequence(config)
    time, line = result["time"], result["v(row0)"]
    ends = [*slots[1:], end]
    lines = np.array([np.interp(ends[2:], time, result[f"v(row{side})"]) for side in range(SIDES)])
    settled = [float(np.interp(each, time, line)) for each in ends]
    band = config.settling * config.lsb
    times, glitches, energies = [], [], []
    for slot in range(3, len(sizes)):  # steps of the staircase
        start, stop = slots[slot], ends[slot]
        within = (time >= start) & (time <= stop)
        times.append(settling_time(time[within], line[within], start, settled[slot], band))
        low, high = sorted((settled[slot - 1], settled[slot]))
        glitches.append(integral(time, np.clip(line - high, 0, None) + np.clip(low - line, 0, None), start, stop))
    for slot in range(2, len(sizes)):
        energies.append(supplied(result, config, slots[slot], ends[slot]) / SIDES)
    full = (time >= slots[1]) & (time <= ends[1])
    back = (time >= slots[2]) & (time <= ends[2])
    return {
        "output": signed(lines),
        "settling_time": np.array(times),
        "glitch": np.array(glitches),
        "energy": np.array(energies),
        "width_error": np.full(len(energies), NAN),
        **_edges(time[full], line[full], time[back], line[back], settled[0], settled[1]),
        "full_settling": settling_time(time[full], line[full], slots[1], settled[1], band),
    }


def _pulse_figures(result: Result, config: DacConfig) -> dict[str, Any]:
    """Area, width and energy of each pulse; a line at rest stands at V_CLP, which the first slot shows."""
    sizes, slots, end = sequence(config)
    time = result["time"]
    areas = np.zeros((SIDES, len(sizes) + 1))
    lead = config.t_unit / 2
    widths, energies = [0.0], [0.0]
    for number, (size, start) in enumerate(zip(sizes, slots, strict=True), 1):
        stop = start + (size + 1.5) * config.t_unit
        for side in range(SIDES):
            line = result[f"v(row{side})"] - config.v_clp
            areas[side, number] = integral(time, line, start - lead, stop)
        widths.append(areas[0, number] / config.v_read - size * config.t_unit)
        energies.append(supplied(result, config, start - lead, stop) / SIDES)
    line, last = result["v(row0)"], slots[-1]
    rise = (time >= last) & (time <= last + sizes[-1] * config.t_unit)
    fall = (time >= last + sizes[-1] * config.t_unit) & (time <= end)
    top = float(np.interp(last + sizes[-1] * config.t_unit, time, line))
    band = config.settling * config.v_read / config.magnitude
    unknown = np.full(len(widths), NAN)
    return {
        "output": signed(areas),
        "settling_time": unknown[1:],
        "glitch": unknown[1:],
        "energy": np.array(energies),
        "width_error": np.array(widths),
        **_edges(time[rise], line[rise], time[fall], line[fall], float(np.interp(last, time, line)), top),
        "full_settling": settling_time(time[rise], line[rise], last + EDGE, top, band),
    }


def _edges(time: Array, up: Array, back: Array, down: Array, low: float, high: float) -> dict[str, float]:
    """Times from 10 % to 90 % of a step and back [s]."""
    ten, ninety = low + 0.1 * (high - low), low + 0.9 * (high - low)
    return {
        "rise_time": crossing_duration(time, up, ten, ninety),
        "fall_time": crossing_duration(back, -down, -ninety, -ten),
    }


def supplied(result: Result, config: DacConfig, start: float, end: float) -> float:
    """Energy out of supply and references [J]; what flows back into one of them counts negative."""
    volts = {"vdd": config.v_dd, "vhigh": config.high, "vlow": config.v_clp}
    return sum(-volts[name] * integral(result["time"], result[f"i({name})"], start, end) for name in SUPPLIES)
