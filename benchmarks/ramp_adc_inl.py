"""Ramp ADC: INL of the programmed ramp in ngspice against the closed-form Monte Carlo, calibrated and not.

Prints one JSON object a line: claim, value, unit, yardstick, ratio (value / yardstick), goal (largest distance of the
ratio from 1), holds, threads. Every chip's column is programmed with an error of 2.67 uS of a window of 150 uS, in its
bias and calibration cells too, and its ramp is simulated; the value is the mean over chips of max |INL|. The yardstick
is a Monte Carlo of 20000 ideal ramps whose 30 steps alone have the error, shifted to be right at mid code where the
chips are calibrated. With stuck cells the yardstick is the chips' own closed form: levels from their conductances.

    python benchmarks/ramp_adc_inl.py [--chips 256]
"""

from __future__ import annotations

import argparse
import json

import numpy as np
from numpy.typing import NDArray

from cosim.blocks.ramp_adc.chips import Chip, draw_chips
from cosim.blocks.ramp_adc.column import column_lines, timeline
from cosim.blocks.ramp_adc.config import RampAdcConfig
from cosim.blocks.ramp_adc.design import design_column
from cosim.blocks.ramp_adc.functions import output_error
from cosim.blocks.ramp_adc.netlist import conversion_deck
from cosim.seeds import stream
from cosim.spice import Deck, SimulatorPool

Array = NDArray[np.float64]

SIGMA, G_MAX = 2.67e-6, 150e-6  # [S]
GOAL = 0.15


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--chips", type=int, default=256)
    chips = parser.parse_args().chips
    plain, shifted = closed_form()
    with SimulatorPool() as pool:
        for calibration, expected in (("none", plain), ("one_point", shifted), ("least_inl", None)):
            found, own = simulated(pool, chips, calibration=calibration)
            yardstick = f"closed form of the same chips, mean of {own:.3f} LSB"
            if expected is not None:
                yardstick = f"closed-form Monte Carlo of ideal steps, 20000 ramps: {expected:.3f} LSB"
            report(f"{calibration} calibration, error of 2.67 uS", found, expected or own, yardstick, pool.workers)
        for calibration in ("none", "one_point", "least_inl"):
            found, own = simulated(pool, chips, calibration=calibration, stuck_off_rate=0.03)
            yardstick = f"closed form of the same chips: {own:.3f} LSB"
            report(f"{calibration} calibration, 3 % of the cells stuck off", found, own, yardstick, pool.workers)


def closed_form(count: int = 20000) -> tuple[float, float]:
    """Mean of max |INL| [LSB] of ramps with a gaussian error of every step: as they are, and right at mid code."""
    config = RampAdcConfig()
    design = design_column(config)
    x, steps = design.thresholds, np.diff(design.thresholds)
    error = SIGMA / G_MAX * steps.max() * np.random.default_rng(1).standard_normal((count, len(steps)))
    walk = np.concatenate([np.zeros((count, 1)), np.cumsum(error, axis=1)], axis=1)
    means = [
        np.abs(output_error(config.activation, config.bits, x + walk - shift)).max(axis=1).mean()
        for shift in (0.0, walk[:, 15:16])
    ]
    return float(means[0]), float(means[1])


def simulated(pool: SimulatorPool, count: int, **settings: object) -> tuple[float, float]:
    """Mean over chips of max |INL| [LSB], in ngspice and by the closed form of the chips' conductances."""
    config = RampAdcConfig(programming_sigma=SIGMA, **settings)  # type: ignore[arg-type]
    alpha = design_column(config).gain(config.v_read)
    drawn = draw_chips(config, count, stream(1, "benchmark: INL of the ramp"))
    results = pool.run([ramp_deck(config, chip) for chip in drawn])
    levels = np.array([result["v(ramp)"][:-1] - config.v_clp for result in results if result.ok])
    if len(levels) < count:
        raise SystemExit(f"{count - len(levels)} of {count} simulations failed")
    own = np.array([chip.levels(config) for chip in drawn])
    inl = [np.abs(output_error(config.activation, config.bits, each / alpha)).max(axis=1) for each in (levels, own)]
    return float(inl[0].mean()), float(inl[1].mean())


def ramp_deck(config: RampAdcConfig, chip: Chip) -> Deck:
    """The column of one chip, without comparators."""
    times = timeline(config, len(chip.bias))
    lines = column_lines(config, chip.ramp, chip.bias, chip.bias_sign, pulses=chip.pulse)
    return conversion_deck("ramp of a chip", config, lines, times, [], [], 0)


def report(claim: str, value: float, expected: float, yardstick: str, threads: int) -> None:
    ratio = value / expected
    line = {
        "claim": f"ramp ADC, 5-bit sigmoid: mean of the chips' max |INL|, {claim}",
        "value": float(f"{value:.4g}"),
        "unit": "LSB",
        "yardstick": yardstick,
        "ratio": float(f"{ratio:.4g}"),
        "goal": GOAL,
        "holds": bool(abs(ratio - 1) <= GOAL),
        "threads": threads,
    }
    print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
