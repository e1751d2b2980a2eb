"""What the benchmarks share: timing two ways in turn, and the line of JSON that states a claim."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable


def paired(
    ours: Callable[[], object], other: Callable[[], object], runs: int, warm_up: int = 2, block: int = 1
) -> tuple[float, float]:
    """Median wall times [s] of two ways, run in turn so that both meet the same disturbances.

    warm_up: turns before those that count; the first ones compile.
    block: runs in a turn, of which the first does not count where there are several. Threads of an OpenMP library go on
        spinning when its work is done, and take a core from whoever runs right after it.
    """
    times: tuple[list[float], list[float]] = ([], [])
    for number in range(-(-runs // max(block - 1, 1)) + warm_up):
        for function, kept in zip((ours, other), times, strict=True):
            for place in range(block):
                started = time.perf_counter()
                function()
                if number >= warm_up and (place or block == 1):
                    kept.append(time.perf_counter() - started)
    return statistics.median(times[0]), statistics.median(times[1])


def report(claim: str, value: float, unit: str, yardstick: str, ratio: float, goal: float, *, threads: int = 1) -> None:
    """Print one claim as a line of JSON; it holds when the ratio reaches the goal.

    yardstick: what it was measured against, with version; ratio: yardstick / value, larger is better.
    """
    line = {
        "claim": claim,
        "value": float(f"{value:.4g}"),
        "unit": unit,
        "yardstick": yardstick,
        "ratio": float(f"{ratio:.4g}"),
        "goal": float(f"{goal:.4g}"),
        "holds": bool(ratio >= goal),
        "threads": threads,
    }
    print(json.dumps(line), flush=True)
