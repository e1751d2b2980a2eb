"""Crossbar: the effective conductances of a linear array with wires, for all inputs at once.

Yardsticks: scipy's SuperLU with as many right-hand sides as there are word lines, assembly of the sparse matrix
included, in the ordering that is the fastest at 128 x 128 (all are measured; at 512 x 512 for 64 of the right-hand
sides, their time scaled); the same with its digits restored by refinement in extended precision; one single vector by
badcrossbar, which has no driver or clamp, so ours is without them there; the matrix product of numpy for the rate of
operations; peak memory of a fresh process, less that of one that only imports. Wire 1 ohm, cells of 1 to 100 uS. Both
sides run in turn and the medians are compared; one thread each, and two tiles in two threads.

badcrossbar is a dependency of this benchmark alone, which says so where it is absent:

    pip install --no-deps badcrossbar==1.1.0 sigfig pathvalidate

Prints one JSON object a line: claim, value, unit, yardstick, ratio (yardstick / value), goal, holds, threads.
"""

from __future__ import annotations

import logging
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import scipy
from _crossbar_arrays import ORDERINGS, Array, by_splu, operations
from _timing import paired, report
from threadpoolctl import threadpool_limits

from cosim.blocks.crossbar.elimination import effective_conductance, effective_conductances

RESISTANCES = (1.0, 1.0, 100.0, 10.0)  # row, column, driver, clamp [ohm]
SIZES = (64, 128, 256, 512)
RUNS = {64: 15, 128: 7, 256: 3, 512: 1}
SOLVED = {64: 64, 128: 128, 256: 256, 512: 64}  # right-hand sides that SuperLU is timed with
REFINED, REFINEMENTS = 4, 3
WINDOW = (1e-6, 1e-4)  # [S]


def main() -> None:
    rng = np.random.default_rng(1)
    tiles = {size: rng.uniform(*WINDOW, (size, size)) for size in SIZES}
    with threadpool_limits(1):
        name = fastest_ordering(tiles[128])
        seconds = {size: against_splu(tiles[size], name) for size in SIZES}
        state_slope(seconds)
        for size in SIZES:
            state_rate(tiles[size])
        for size in (128, 256):
            against_badcrossbar(tiles[size])
        for size in SIZES:
            two_tiles(tiles[size])
    for size in (256, 512):
        state_memory(size, name)


def ours(cells: Array) -> Array:
    return effective_conductance(cells, *RESISTANCES)


def fastest_ordering(cells: Array) -> str:
    """The fastest of the orderings, by the least processor time of two runs each."""
    times = {}
    for name, options in ORDERINGS.items():
        runs = []
        for _ in range(2):
            started = time.process_time()
            by_splu(cells, RESISTANCES, options)
            runs.append(time.process_time() - started)
        times[name] = min(runs)
    found = min(times, key=lambda name: times[name])
    told = ", ".join(f"{name} {1e3 * value:.0f} ms" for name, value in times.items())
    print(f"splu at {len(cells)} x {len(cells)} by ordering: {told}", file=sys.stderr)
    return found


def against_splu(cells: Array, ordering: str) -> float:
    """Time and difference at one size; returns our seconds."""
    size, solved = len(cells), SOLVED[len(cells)]
    kept: dict[str, Array] = {}

    def other() -> None:
        kept["splu"] = by_splu(cells, RESISTANCES, ORDERINGS[ordering], solved)

    one, two = paired(lambda: ours(cells), other, RUNS[size], 1 if size < 256 else 0)
    if solved < size:
        started = time.perf_counter()
        by_splu(cells, RESISTANCES, ORDERINGS[ordering], 1)
        factored = time.perf_counter() - started
        two = factored + (two - factored) * (size - 1) / (solved - 1)
    told = f"scipy {scipy.__version__} splu ({ordering}), {size} right-hand sides"
    if solved < size:
        told += f", {solved} measured, scaled"
    report(f"crossbar: effective conductances of {size} x {size}", one * 1e3, "ms", told, two / one, 8.0)
    refined = by_splu(cells, RESISTANCES, ORDERINGS[ordering], REFINED, REFINEMENTS)
    error, own = (
        float(np.abs(each[:REFINED] - refined).max() / np.abs(refined).max()) for each in (ours(cells), kept["splu"])
    )
    told = f"{told.split(',')[0]}, refined in extended precision; unrefined it is itself {own:.1e} off"
    report(f"crossbar: difference at {size} x {size}", error, "of largest entry", told, 1e-12 / error, 1.0)
    return one


def state_slope(seconds: dict[int, float]) -> None:
    sizes = np.log([size for size in SIZES if size >= 128])
    slope = float(np.polyfit(sizes, np.log([seconds[size] for size in SIZES if size >= 128]), 1)[0])
    report("crossbar: exponent of the time over n, 128 to 512", slope, "1", "block elimination, n^4", 4.0 / slope, 1.0)


def state_rate(cells: Array) -> None:
    """Operations a second, beside those of a plain product of a block's size."""
    size = len(cells)
    block = np.random.default_rng(2).random((size, size))
    one, two = paired(lambda: ours(cells), lambda: block @ block, RUNS[size] + 2, 1)
    rate, plain = operations(size, size) / one / 1e9, 2 * size**3 / two / 1e9
    report(
        f"crossbar: rate of {operations(size, size) / size**3:.1f} n^3 operations at {size} x {size}", rate, "GFLOP/s",
        f"numpy {np.__version__} float64 product of {size} x {size}, {plain:.1f} GFLOP/s", rate / plain, 0.25,
    )  # fmt: skip


def against_badcrossbar(cells: Array) -> None:
    size = len(cells)
    claim = f"crossbar: all inputs of {size} x {size} against one vector of badcrossbar"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # its plots want cairo
            from badcrossbar import compute
    except ImportError:
        print(f"{claim}: badcrossbar is not installed, so this is not measured", file=sys.stderr)
        return
    logging.disable(logging.INFO)
    kept: dict[str, Any] = {}

    def other() -> None:
        kept["found"] = compute(np.ones((size, 1)), 1.0 / cells, r_i=1.0)

    one, two = paired(lambda: effective_conductance(cells, 1.0, 1.0, 0.0, 0.0), other, 3, 1)
    expected = np.asarray(kept["found"].currents.output).ravel()
    error = np.abs(effective_conductance(cells, 1.0, 1.0, 0.0, 0.0).sum(axis=0) - expected).max() / expected.max()
    told = f"badcrossbar 1.1.0, one vector; largest difference {error:.0e} of the largest current"
    report(claim, one * 1e3, "ms", told, two / one, 1.0)


def two_tiles(cells: Array) -> None:
    """Two tiles in two threads against the same two one after another."""
    size = len(cells)
    tiles = [cells, cells[::-1].copy()]
    side_by_side = effective_conductances(tiles, *RESISTANCES, threads=2)
    for one, two in zip(side_by_side, effective_conductances(tiles, *RESISTANCES), strict=True):
        assert np.array_equal(one, two)
    one, two = paired(
        lambda: effective_conductances(tiles, *RESISTANCES, threads=2),
        lambda: effective_conductances(tiles, *RESISTANCES),
        RUNS[size] + 4,
        1,
    )
    report(
        f"crossbar: two tiles of {size} x {size} side by side", one * 1e3, "ms", "the same in one thread", two / one,
        1.5, threads=2,
    )  # fmt: skip


def state_memory(size: int, ordering: str) -> None:
    before = peak_memory("import", size, ordering)
    one, two = (peak_memory(way, size, ordering) - before for way in ("ours", "splu"))
    told = f"scipy {scipy.__version__} splu ({ordering}), {SOLVED[size]} right-hand sides; fresh process each"
    report(f"crossbar: peak memory at {size} x {size}", one, "MB", told, two / one, 8.0)


def peak_memory(way: str, size: int, ordering: str) -> float:
    """Largest resident memory [MB] of a process that does it once.

    VmHWM of Linux and not getrusage's ru_maxrss, which a process takes over from the one that started it.
    """
    lines = {
        "import": "",
        "ours": "effective_conductance(cells, *RESISTANCES)",
        "splu": f"by_splu(cells, RESISTANCES, ORDERINGS[{ordering!r}], SOLVED[{size}])",
    }
    code = (
        "import numpy as np\n"
        "from crossbar_effective_conductance import *\n"
        "from threadpoolctl import threadpool_limits\n"
        "ours(np.full((40, 40), 1e-5))\n"  # what is loaded at the first call is not memory of the method
        f"cells = np.random.default_rng(1).uniform(*WINDOW, ({size}, {size}))\n"
        f"with threadpool_limits(1):\n    pass\n    {lines[way]}\n"
        "status = open('/proc/self/status').read()\n"
        "print(int(status.split('VmHWM:')[1].split()[0]) / 1024)\n"
    )
    folder = Path(__file__).resolve().parent
    found = subprocess.run([sys.executable, "-c", code], cwd=folder, check=True, capture_output=True, text=True)
    return float(found.stdout)


if __name__ == "__main__":
    main()
