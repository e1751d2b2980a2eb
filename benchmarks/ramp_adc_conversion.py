"""Ramp ADC: the speed of converting with a fitted model, and of characterising a chip in ngspice.

Prints one JSON object a line: claim, value, unit, yardstick, ratio (yardstick / value), goal, holds, threads.
The yardstick of the conversion is `numpy.searchsorted`, column by column, in one thread, in turn with ours; medians
are compared. The yardstick of the characterisation is the run time that ngspice itself reports for the same decks,
shared among the workers: the ratio is the share of the wall time in which ngspice worked, so what is missing to 1 is
start of the workers, sending decks and results, and rounds of the search in which not every worker has a deck left.
"""

from __future__ import annotations

import os
import tempfile
import time

import numpy as np
from _pool import TimedPool
from _timing import paired, report
from numpy.typing import NDArray

from cosim.blocks.ramp_adc.behaviour import convert
from cosim.blocks.ramp_adc.characterisation import characterise
from cosim.blocks.ramp_adc.config import RampAdcConfig

Array = NDArray[np.float64]

BATCH, COLUMNS = 4096, 128
CHIPS = 8


def main() -> None:
    for bits, goal in ((3, 5.0), (5, 5.0), (8, 2.0)):
        conversion(bits, goal)
    characterisation()


def conversion(bits: int, goal: float) -> None:
    """Nanoseconds a code, MAC results spread over all codes."""
    rng = np.random.default_rng(bits)
    thresholds = np.sort(rng.normal(size=(COLUMNS, 2**bits - 1)), axis=1)
    mac = rng.normal(size=(BATCH, COLUMNS))
    assert (convert(mac, thresholds) == by_searchsorted(mac, thresholds)).all()
    ours, other = paired(lambda: convert(mac, thresholds), lambda: by_searchsorted(mac, thresholds), 31)
    report(
        f"ramp ADC: convert {BATCH} x {COLUMNS} MAC results at {bits} bits", ours / mac.size * 1e9, "ns a code",
        f"numpy {np.__version__} searchsorted, a column at a time, one thread", other / ours, goal,
    )  # fmt: skip


def by_searchsorted(mac: Array, thresholds: Array) -> NDArray[np.uint8]:
    codes = np.empty(mac.shape, dtype=np.uint8)
    for column, row in enumerate(thresholds):
        codes[:, column] = np.searchsorted(row, mac[:, column], side="left")
    return codes


def characterisation() -> None:
    """Seconds of wall time a chip, 5 bits, all thresholds to 0.005 LSB."""
    config = RampAdcConfig()
    with tempfile.TemporaryDirectory() as cache:
        os.environ["COSIM_CACHE"] = cache
        with TimedPool(use_cache=False) as pool:
            characterise(RampAdcConfig(bits=2), chips=pool.workers, v_reads=(), pool=pool, show_progress=False)
            pool.simulated, pool.decks = 0.0, 0
            started = time.perf_counter()
            data = characterise(config, chips=CHIPS, v_reads=(), pool=pool, show_progress=False)
            elapsed = time.perf_counter() - started
        samples = data.sizes["sample"]
        yardstick = (
            f"ngspice {pool.simulator.version_text} ({pool.simulator.solver}) itself, {pool.decks} decks of"
            f" {samples} chips: transients of {int(data['rounds'].values.max())} rounds of the search bound it"
        )
        at_best = pool.simulated / pool.workers
        report(
            "ramp ADC: characterise a 5-bit chip, every threshold to 0.005 LSB", elapsed / samples, "s",
            yardstick, at_best / elapsed, 0.8, threads=pool.workers,
        )  # fmt: skip


if __name__ == "__main__":
    main()
