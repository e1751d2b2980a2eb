"""What a worker's memory grows by over a thousand decks.

Prints one JSON object a line: claim, value, unit, yardstick, ratio (yardstick / value), goal, holds, threads. The
yardstick is the same without removing each circuit after its run, as PySpice 1.5 leaves it: what a worker would grow
by otherwise. Each side runs in a process of its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from _timing import report

from cosim.blocks import crossbar
from cosim.blocks.crossbar.netlist import crossbar_deck
from cosim.spice import Deck, probe
from cosim.spice.session import Session, open_session

DECKS = {"cured": 1000, "uncured": 200}  # without the cure each takes longer than the one before
WARM = 50


def main() -> None:
    cured, uncured = (
        json.loads(subprocess.run([sys.executable, __file__, way], capture_output=True, text=True, check=True).stdout)
        for way in DECKS
    )
    growth = max(cured["growth"], 0.1)  # one page and rounding are no growth
    report(
        f"engine: growth of a worker of {cured['start']:.0f} MB, over {DECKS['cured']} arrays of 8 x 8 cells", growth,
        "kB a deck", f"PySpice 1.5 on ngspice {probe().version_text} as it is: circuits not removed",
        uncured["growth"] / growth, 10.0,
    )  # fmt: skip


def measure(way: str) -> None:
    """Print the memory after the first decks [MB], and its growth until the last [kB a deck]."""
    if way == "uncured":
        Session._release = lambda self: None  # type: ignore[method-assign]
    simulator = probe()
    assert simulator.library is not None
    session = open_session(simulator.library)
    start = 0.0
    for number in range(WARM + DECKS[way]):
        result = session.run_deck(array(number), klu=simulator.klu)
        assert result.ok, result.log
        if number == WARM - 1:
            start = resident()
    print(json.dumps({"start": start, "growth": 1e3 * (resident() - start) / DECKS[way]}))


def array(number: int) -> Deck:
    rng = np.random.default_rng(number)
    config = crossbar.Config(rows=8, columns=8)
    return crossbar_deck(rng.uniform(1e-6, 150e-6, (8, 8)), rng.uniform(-0.2, 0.2, (4, 8)), config, "linear")


def resident() -> float:
    """Memory of this process [MB]."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


if __name__ == "__main__":
    if len(sys.argv) > 1:
        measure(sys.argv[1])
    elif Path("/proc/self/statm").exists():
        main()
