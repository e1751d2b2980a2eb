"""Compiled kernels: the second start of a program pays nothing for them.

Prints one JSON object a line: claim, value, unit, yardstick, ratio, goal, holds, threads. Two processes after one
another convert and run a tile's two ends with a cache of their own, empty at first. Numba's own start (some 0.5 s in
each process that calls anything compiled) is let go by before, with a kernel that is in the cache as well.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile

from _timing import report

ALLOWED = 0.3  # [s] for loading all kernels of a tile from disk

PROGRAM = """
import json, time
import numpy as np
from cosim.blocks.normals import fill_normals
from cosim.blocks.ramp_adc import conversion
from cosim.tiles import kernels

key = np.zeros(2, dtype=np.uint32)
fill_normals(key, 0, 0, np.zeros(64, dtype=np.float32))
converter = conversion.Converter(np.random.default_rng(0).normal(size=(8, 31)), own_noise=0.1, ramp_noise=0.1)
inputs = np.zeros((4, 8), dtype=np.float32)

def convert():
    started = time.perf_counter()
    kernels.make_levels(inputs, 15, np.zeros((0, 0), dtype=np.float32))
    converter.codes(inputs)
    codes = converter.noisy_codes(inputs, key)
    kernels.activations(codes, 0.0, 1.0, 5)
    return time.perf_counter() - started

first, second = convert(), convert()
used = [conversion.convert_kernel, kernels.dac_kernel, kernels.decode_kernel, fill_normals]
hits = sum(sum(each.stats.cache_hits.values()) for each in used)
misses = sum(sum(each.stats.cache_misses.values()) for each in used)
print(json.dumps({"first": first - second, "hits": hits, "misses": misses}))
"""


def main() -> None:
    with tempfile.TemporaryDirectory() as cache:
        empty, full = (run(cache) for _ in range(2))
    assert empty["misses"] > 0
    report(
        "kernels of a tile: their first call at the second start", full["first"], "s", f"{ALLOWED} s allowed",
        ALLOWED / full["first"], 1.0,
    )  # fmt: skip
    report(
        "kernels of a tile: second start beside the first", full["first"], "s", "the first start, which compiles",
        empty["first"] / full["first"], 10.0,
    )  # fmt: skip
    loaded = full["hits"] / (full["hits"] + full["misses"])
    report("kernels of a tile: from disk at the second start", loaded, "share", "all that are used", loaded, 1.0)


def run(cache: str) -> dict[str, float]:
    """The program in a fresh process."""
    environment = {**os.environ, "NUMBA_CACHE_DIR": cache}
    done = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=True)
    answer: dict[str, float] = json.loads(done.stdout)
    return answer


if __name__ == "__main__":
    main()
