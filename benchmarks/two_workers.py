"""What a second worker is worth: one Monte Carlo of 64 ramp ADC chips with two workers, and with one.

Prints one JSON object a line: claim, value, unit, yardstick, ratio (yardstick / value), goal, holds, threads. The start
and the end of the workers are in the time, and so is the search of the nominal chip, which has nothing beside it: the
others begin where it says. The store of results is not used. Both must give the same thresholds, bit by bit. A machine
that does other work at the same time has no two cores to show this on.

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

CHIPS = 64


def main() -> None:
    chips = int(sys.argv[1]) if len(sys.argv) > 1 else CHIPS
    seconds, found, identity = {}, {}, ""
    for workers in (2, 1):
        started = time.perf_counter()
        with SimulatorPool(workers, use_cache=False) as pool:
            found[workers] = monte_carlo(chips, pool)
            identity = f"ngspice {pool.simulator.version_text} ({pool.simulator.solver})"
        seconds[workers] = time.perf_counter() - started
    np.testing.assert_array_equal(found[1]["threshold"].values, found[2]["threshold"].values)
    report(
        f"engine: Monte Carlo of {chips} ramp ADC chips of 5 bits with two workers", seconds[2], "s",
        f"one worker, {identity}, {available_cores()} cores", seconds[1] / seconds[2], 1.7, threads=2,
    )  # fmt: skip


def monte_carlo(chips: int, pool: SimulatorPool) -> xr.Dataset:
    """Thresholds of chips with mismatch and programming errors, at the nominal read voltage."""
    return ramp_adc.characterise(ramp_adc.Config(), chips=chips, v_reads=(), seed=1, pool=pool, show_progress=False)


if __name__ == "__main__":
    main()
