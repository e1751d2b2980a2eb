"""Ramp ADC: Monte Carlo of whole 5-bit chips with 8 comparator columns in ngspice: the time a chip takes.

Prints one JSON object a line: claim, value, unit, yardstick, ratio, goal, holds, threads. Every threshold of every
column is bracketed to 0.005 LSB and looked at once more with halved time steps. The yardstick is the run time that
ngspice itself reports for the same decks, shared among the workers; the ratio is the share of the wall time in which
ngspice worked. What is missing to 1 is start of the workers, sending of decks and results, and the rounds of the
search in which not every worker has a deck left. A second line states how the CPU time of a chip is made up.

    python benchmarks/ramp_adc_monte_carlo.py [--chips 256] [--columns 8]
"""

from __future__ import annotations

import argparse
import json
import resource
import time

import numpy as np
from _pool import TimedPool

from cosim.blocks.ramp_adc.characterisation import characterise
from cosim.blocks.ramp_adc.config import RampAdcConfig


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--chips", type=int, default=256)
    parser.add_argument("--columns", type=int, default=8)
    given = parser.parse_args()
    config = RampAdcConfig()
    with TimedPool(use_cache=False) as pool:
        characterise(RampAdcConfig(bits=2), chips=pool.workers, v_reads=(), pool=pool, show_progress=False)
        pool.simulated, pool.decks = 0.0, 0
        before, started = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
        data = characterise(
            config, chips=given.chips, columns=given.columns, v_reads=(), pool=pool, show_progress=False
        )
        elapsed = time.perf_counter() - started
        own = resource.getrusage(resource.RUSAGE_SELF).ru_utime - before.ru_utime
        simulator = f"ngspice {pool.simulator.version_text} ({pool.simulator.solver})"
        workers = pool.workers
    chips, decks = data["chip"].values >= 0, pool.decks
    good = int((data["status"].values == 0).sum())
    at_best = pool.simulated / workers
    rounds = float(np.mean(data["rounds"].values[chips]))
    yardstick = (
        f"{simulator} itself, {decks} decks: transients of {rounds:.1f} rounds of the search and one of half the step,"
        f" {pool.simulated / decks:.2f} s each, bound it"
    )
    claim = (
        f"5-bit Monte Carlo of {given.chips} chips with {given.columns} columns, {good} of {len(chips)} samples good"
    )
    report(claim, elapsed / given.chips, yardstick, at_best / elapsed, workers)
    yardstick = f"{simulator}: {pool.simulated / given.chips:.3g} s a chip; ours is drawing, deck text and the search"
    report("share of cosim's own CPU time in that", own / given.chips, yardstick, own / pool.simulated, 1, most=0.2)


def report(claim: str, value: float, yardstick: str, ratio: float, threads: int, most: float | None = None) -> None:
    line = {
        "claim": f"ramp ADC: {claim}",
        "value": float(f"{value:.4g}"),
        "unit": "s a chip",
        "yardstick": yardstick,
        "ratio": float(f"{ratio:.4g}"),
        "goal": most or 0.8,
        "holds": bool(ratio <= most) if most else bool(ratio >= 0.8),
        "threads": threads,
    }
    print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
