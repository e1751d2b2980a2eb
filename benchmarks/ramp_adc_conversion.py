"""Ramp ADC: the speed of converting with a fitted model, and of characterising a chip in ngspice.

Prints one JSON object a line: claim, value, unit, yardstick, ratio (yardstick / value), goal, holds, threads.
The yardsticks of the conversion are numpy's float32 `tanh` of an array of the same size, which is SIMD code, and
`numpy.searchsorted`, column by column; all in one thread, in turn with ours; medians are compared. Every column has
thresholds of its own, MAC results are float32 and lie over all codes. With noise: noise of the comparators, of the
MAC results (a variance for each) and of the ramp (common to a row, and not the same at all its levels).

The yardstick of the characterisation is the run time that ngspice itself reports for the same decks, shared among the
workers: the ratio is the share of the wall time in which ngspice worked, so what is missing to 1 is start of the
workers, sending decks and results, and rounds of the search in which not every worker has a deck left.
"""

from __future__ import annotations

import os
import tempfile
import time

import numpy as np
from _pool import TimedPool
from _timing import paired, report
from numpy.typing import NDArray

from cosim.blocks.ramp_adc.characterisation import characterise
from cosim.blocks.ramp_adc.config import RampAdcConfig
from cosim.blocks.ramp_adc.conversion import Converter

BATCH, COLUMNS = 4096, 128
CHIPS = 8
RUNS = 101
# bits -> largest share of tanh's time without noise and with it, and the least gain over searchsorted.
GOALS = {3: (8, 25, 10), 4: (8, 25, 10), 5: (8, 25, 10), 6: (12, 25, 10), 8: (16, 32, 10), 10: (24, 40, 10)}


def main() -> None:
    for bits in GOALS:
        conversion(bits)
    characterisation()


def conversion(bits: int) -> None:
    """Nanoseconds a code, MAC results spread over all codes."""
    rng = np.random.default_rng(bits)
    count = 2**bits - 1
    thresholds = np.sort(rng.normal(size=(COLUMNS, count)), axis=1)
    mac = rng.normal(size=(BATCH, COLUMNS)).astype(np.float32)
    lsb = 4 / 2**bits
    converter = Converter(thresholds, own_noise=0.03 * lsb, ramp_noise=np.linspace(0.02, 0.04, count) * lsb)
    variance = np.full(mac.shape, (0.05 * lsb) ** 2, dtype=np.float32)
    out, activated = np.empty(mac.shape, dtype=converter.dtype), np.empty_like(mac)
    assert (converter.codes(mac) == by_searchsorted(mac, thresholds)).all()
    claim = f"ramp ADC: convert {BATCH} x {COLUMNS} MAC results at {bits} bits"
    without, noisy, search = GOALS[bits]

    def tanh() -> object:
        return np.tanh(mac, out=activated)

    tanhs = f"numpy {np.__version__} float32 tanh of as many"
    ours, other = paired(lambda: converter.codes(mac, out), tanh, RUNS)
    report(claim, ours / mac.size * 1e9, "ns a code", tanhs, other / ours, 1 / without)
    ours, other = paired(lambda: converter.noisy_codes(mac, rng, variance, out=out), tanh, RUNS)
    report(f"{claim}, with noise", ours / mac.size * 1e9, "ns a code", tanhs, other / ours, 1 / noisy)
    ours, other = paired(lambda: converter.codes(mac, out), lambda: by_searchsorted(mac, thresholds), 15)
    report(
        claim, ours / mac.size * 1e9, "ns a code", f"numpy {np.__version__} searchsorted, a column at a time",
        other / ours, search,
    )  # fmt: skip


def by_searchsorted(mac: NDArray[np.float32], thresholds: NDArray[np.float64]) -> NDArray[np.uint16]:
    codes = np.empty(mac.shape, dtype=np.uint16)
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
