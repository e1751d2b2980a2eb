"""What a second worker is worth: a Monte Carlo of 64 ramp ADC chips with two workers and with one.

Prints one JSON object a line: claim, value, unit, yardstick, ratio (yardstick / value), goal, holds, threads. The
chips are characterised in portions of 16, each with one worker and with two in turn, so that both meet the same
disturbances; start and end of the workers are in the time, the store of results is not used. Both must give the same
thresholds, bit by bit. A machine that does other work at the same time has no two cores to show this on.

    python benchmarks/two_workers.py [CHIPS]      64 when not given
"""

from __future__ import annotations

import sys
import time

import numpy as np
import xarray as xr
from _timing import report

from cosim.blocks import ramp_adc
from cosim.spice import SimulatorPool
from cosim.spice.pool import available_cores

PORTION = 16


def main() -> None:
    chips = int(sys.argv[1]) if len(sys.argv) > 1 else 64
    portion = min(chips, PORTION)
    seconds = {1: 0.0, 2: 0.0}
    identity = ""
    for number in range(chips // portion):
        found = {}
        for workers in (1, 2) if number % 2 else (2, 1):
            started = time.perf_counter()
            with SimulatorPool(workers, use_cache=False) as pool:
                found[workers] = monte_carlo(portion, number + 1, pool)
                identity = f"ngspice {pool.simulator.version_text} ({pool.simulator.solver})"
            seconds[workers] += time.perf_counter() - started
        np.testing.assert_array_equal(found[1]["threshold"].values, found[2]["threshold"].values)
    done = portion * (chips // portion)
    report(
        f"engine: Monte Carlo of {done} ramp ADC chips of 5 bits with two workers", seconds[2], "s",
        f"one worker, {identity}, {available_cores()} cores", seconds[1] / seconds[2], 1.7, threads=2,
    )  # fmt: skip


def monte_carlo(chips: int, seed: int, pool: SimulatorPool) -> xr.Dataset:
    """Thresholds of chips with mismatch and programming errors, at the nominal read voltage."""
    return ramp_adc.characterise(ramp_adc.Config(), chips=chips, v_reads=(), seed=seed, pool=pool, show_progress=False)


if __name__ == "__main__":
    main()
