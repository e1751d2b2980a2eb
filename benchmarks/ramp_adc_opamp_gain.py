"""Ramp ADC: what idle cells cost when their word lines stay on, against the gain of the integrator's amplifier.

Prints one JSON object a line: claim, value, unit, yardstick, ratio (value / yardstick), goal (in the value's unit),
holds, threads. The value is max |INL| in LSB after gain and offset are normalised (first and last threshold made
right), simulated in ngspice: a 5-bit sigmoid column that starts at V_CLP, pulses back to back, a fast amplifier of
finite dc gain A. Idle cells of conductance sum G hold the virtual ground to V_CLP, so that the integrator's charge
leaks with a time of A C_fb / sum G; the yardstick is the closed form of that (each step an exponential). It holds where
the value is within 1 % of the closed form and within 15 % of the goal: 0.06, 0.50 and 4.8 LSB, those of a column of 30
bare resistors read for 1 ns each. The leak's INL goes as 1/A, so of 0.50 at 1e3 it leaves 0.05 at 1e4, and there the
goal is met at its edge only. For the word lines that are turned off the yardstick is the same circuit with them on, and
the goal a tenth of it at most.

    python benchmarks/ramp_adc_opamp_gain.py
"""

from __future__ import annotations

import json

import numpy as np
from numpy.typing import NDArray

from cosim.blocks.ramp_adc.column import column_lines, timeline
from cosim.blocks.ramp_adc.config import RampAdcConfig
from cosim.blocks.ramp_adc.design import design_column
from cosim.blocks.ramp_adc.functions import output_error
from cosim.blocks.ramp_adc.netlist import conversion_deck
from cosim.spice import Deck, SimulatorPool

Array = NDArray[np.float64]

GAINS = {1e4: 0.06, 1e3: 0.50, 1e2: 4.8}  # dc gain of the amplifier -> the goal [LSB]
OF_GOAL, OF_CLOSED_FORM = 0.15, 0.01  # the goals are of another circuit, the closed form is of this one
CURED = 0.1
T_PULSE, T_CLOCK, C_FB = 20e-9, 21e-9, 10e-12  # pulses back to back but for their edges; 0.57 V of swing


def settings(gain: float, idle: str) -> RampAdcConfig:
    return RampAdcConfig(
        amplifier_gain=gain, amplifier_gbw=1e11, idle_word_lines=idle, t_pulse=T_PULSE, t_clock=T_CLOCK, c_fb=C_FB
    )  # type: ignore[arg-type]


def main() -> None:
    cases = [settings(gain, idle) for idle in ("on", "off") for gain in GAINS]
    with SimulatorPool() as pool:
        results = pool.run([ramp_deck(config) for config in cases])
        threads = pool.workers
    found = {}
    for config, result in zip(cases, results, strict=True):
        if not result.ok:
            raise SystemExit(f"a simulation failed: {result.failure}")
        found[config.idle_word_lines, config.amplifier_gain] = normalised_inl(result["v(ramp)"][:-1] - 1.0, config)
    for gain, about in GAINS.items():
        on, off = found["on", gain], found["off", gain]
        expected = normalised_inl(leaking_levels(settings(gain, "on")), settings(gain, "on"))
        holds = abs(on / expected - 1) <= OF_CLOSED_FORM and abs(on / about - 1) <= OF_GOAL
        yardstick = f"closed form of the leak: {expected:.3g} LSB"
        report(f"idle word lines on, gain {gain:g}", on, yardstick, on / expected, about, holds, threads)
        yardstick = f"the same with idle word lines on: {on:.3g} LSB"
        report(f"idle word lines off, gain {gain:g}", off, yardstick, off / on, CURED * on, off <= CURED * on, threads)


def ramp_deck(config: RampAdcConfig) -> Deck:
    """The nominal column, started at V_CLP: its bias cells are not there."""
    none = np.zeros(0)
    lines = column_lines(config, design_column(config).ramp, none, 1)
    return conversion_deck("ramp that leaks", config, lines, timeline(config, 0), [], [], 0)


def leaking_levels(config: RampAdcConfig) -> Array:
    """Levels above V_CLP [V]: C (1 + 1/A) dV/dt = V_read G_j - V sum G / A , the leak alone between reads."""
    cells = design_column(config).ramp
    rate = cells.sum() / ((1 + config.amplifier_gain) * config.c_fb)
    levels = [0.0]
    for cell in cells:
        final = config.v_read * cell * config.amplifier_gain / cells.sum()
        after = final + (levels[-1] - final) * np.exp(-rate * config.t_pulse)
        levels.append(float(after * np.exp(-rate * (config.t_clock - config.t_pulse))))
    return np.array(levels)


def normalised_inl(levels: Array, config: RampAdcConfig) -> float:
    """max |INL| [LSB] with the first and the last threshold made right."""
    x = design_column(config).thresholds
    straight = x[0] + (levels - levels[0]) / (levels[-1] - levels[0]) * (x[-1] - x[0])
    return float(np.abs(output_error(config.activation, config.bits, straight)).max())


def report(claim: str, value: float, yardstick: str, ratio: float, goal: float, holds: bool, threads: int) -> None:
    line = {
        "claim": f"ramp ADC, 5-bit sigmoid: max |INL| after normalising, {claim}",
        "value": float(f"{value:.4g}"),
        "unit": "LSB",
        "yardstick": yardstick,
        "ratio": float(f"{ratio:.4g}"),
        "goal": float(f"{goal:.4g}"),
        "holds": bool(holds),
        "threads": threads,
    }
    print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
