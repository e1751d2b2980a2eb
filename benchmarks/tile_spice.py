"""Tile: the behavioural tile beside ngspice, on the same chip and vectors: how much faster, and how many codes agree.

Prints one JSON object a line: claim, value, unit, yardstick, ratio, goal, holds, threads. ngspice runs in one worker,
without the store of results. Of the speed the ratio is yardstick / value; of the agreement it is the share itself.
"""

from __future__ import annotations

import time

import numpy as np
from _adc_model import fitted_adc
from _timing import paired, report
from threadpoolctl import threadpool_limits

from cosim.spice import SimulatorPool
from cosim.tiles.agreement import agreement
from cosim.tiles.behavioural import BehaviouralTile
from cosim.tiles.config import Nonidealities, TileConfig
from cosim.tiles.spice import SpiceTile

INPUTS, OUTPUTS, BATCH, VECTORS = 41, 32, 256, 8
TILE = f"tile {INPUTS} x {OUTPUTS} beside ngspice: "


def main() -> None:
    model = fitted_adc()
    config = TileConfig(inputs=INPUTS, outputs=OUTPUTS, adc=model.config)
    rng = np.random.default_rng(1)
    weights = np.clip(rng.normal(0, 0.5, (INPUTS, OUTPUTS)), -2, 2)
    batch = rng.uniform(-1, 1, (BATCH, INPUTS)).astype(np.float32)
    with threadpool_limits(1), SimulatorPool(1, use_cache=False) as pool:
        spice = SpiceTile(config, pool)
        spice.program(weights, np.random.default_rng(2))
        assert spice.chip is not None
        tile = BehaviouralTile(config, model, Nonidealities().quiet())
        tile.load(spice.chip)
        started = time.perf_counter()
        simulated = spice.codes(batch[:VECTORS], rng)
        a_vector = (time.perf_counter() - started) / VECTORS
        found = agreement(simulated, tile.codes(batch[:VECTORS], rng))
        yardstick = f"ngspice {pool.simulator.version_text} ({pool.simulator.solver}), one worker"
        single, _ = paired(lambda: tile.forward(batch[:1], rng), lambda: None, 300)
        many, _ = paired(lambda: tile.forward(batch, rng), lambda: None, 300)
    report(f"{TILE}one vector alone", single * 1e6, "us", yardstick, a_vector / single, 1e4)
    report(f"{TILE}a vector of {BATCH}", many / BATCH * 1e6, "us", yardstick, a_vector / (many / BATCH), 1e5)
    compared = f"ngspice {pool.simulator.version_text}, {found.conversions} conversions of {VECTORS} vectors"
    report(f"{TILE}equal codes", found.equal, "share", compared, found.equal, 0.99)
    report(f"{TILE}codes within 1 LSB", found.within_one, "share", compared, found.within_one, 1.0)


if __name__ == "__main__":
    main()
