"""Tile: one of 72 x 128 in SPICE fidelity, transistor-level comparators: seconds a vector, by one and two workers.

144 word lines by 128 bit lines with all their wires, two-stage comparators, 5 bits, linear cells, inputs drawn evenly.
Nothing comes from the store of results; the workers have started and the chip is programmed before a clock runs. The
two numbers of workers take turns, and of each the fastest run is taken, because whatever else the machine does only
adds. With several vectors all decks of a stage run side by side; one vector alone has one array deck, which cannot be
shared, and four ramp decks, which are. The codes of both must be the same. The last line is the array deck by itself,
its wires reduced to ports as tiles have it, beside the deck with every wire; the voltages must be the same to 10 nV.

Prints one JSON object a line: claim, value [s a vector], unit, yardstick, ratio (one worker / this), goal, holds,
threads; the line of one worker states its own ngspice time as the yardstick.

    python benchmarks/tile_spice_72x128.py [VECTORS] [TURNS]
"""

from __future__ import annotations

import sys
import time

import numpy as np
from _pool import TimedPool
from _timing import report
from threadpoolctl import threadpool_limits

from cosim.blocks.ramp_adc.config import RampAdcConfig
from cosim.tiles.config import TileConfig
from cosim.tiles.quantise import dac_codes
from cosim.tiles.spice import SpiceTile

INPUTS, OUTPUTS, BITS = 72, 128, 5
GOAL = 1.7  # two workers against one
TILE = f"tile {INPUTS} x {OUTPUTS} in ngspice, transistor-level comparators, {BITS} bits"


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 4
    turns = int(sys.argv[2]) if len(sys.argv) > 2 else 2
    rng = np.random.default_rng(1)
    weights = np.clip(rng.normal(0, 0.5, (INPUTS, OUTPUTS)), -2, 2)
    vectors = rng.uniform(-1, 1, (count, INPUTS))
    config = TileConfig(inputs=INPUTS, outputs=OUTPUTS, adc=RampAdcConfig(function="sigmoid", bits=BITS))
    with threadpool_limits(1), TimedPool(1, use_cache=False) as one, TimedPool(2, use_cache=False) as two:
        tiles = {pool.workers: started(config, pool, weights) for pool in (one, two)}
        seconds, own = timed(tiles, vectors, turns)
        alone, own_alone = timed(tiles, vectors[:1], turns)
        reduced, simulated_wires = array_alone(tiles[1], vectors[0])
        simulator = f"ngspice {one.simulator.version_text} ({one.simulator.solver})"
    for many, found, simulated in ((f"a vector of {count}", seconds, own), ("one vector alone", alone, own_alone)):
        report(
            f"{TILE}: {many}, one worker", found[1], "s", f"{simulator}, its own time", simulated / found[1], 0.9
        )  # fmt: skip
        report(
            f"{TILE}: {many}, two workers", found[2], "s", f"the same with one worker, {simulator}",
            found[1] / found[2], GOAL, threads=2,
        )  # fmt: skip
    report(
        f"{TILE}: array and integrators, one vector", reduced, "s", f"every wire in {simulator}",
        simulated_wires / reduced, 10.0,
    )  # fmt: skip


def array_alone(tile: SpiceTile, vector: np.ndarray) -> tuple[float, float]:
    """ngspice's own time of the array deck [s], reduced to its ports and with every wire."""
    codes = dac_codes(vector, tile.config.dac_bits)
    reduced, simulated = tile.pool.run([tile.array_deck(codes, wires) for wires in ("reduced", "simulated")])
    assert np.abs(tile._mac(reduced) - tile._mac(simulated)).max() < 10e-9
    return reduced.elapsed, simulated.elapsed


def started(config: TileConfig, pool: TimedPool, weights: np.ndarray) -> SpiceTile:
    """A programmed tile whose pool's workers have all started."""
    tile = SpiceTile(config, pool)
    tile.program(weights, np.random.default_rng(2))
    tile.array_deck(np.zeros(INPUTS, dtype=np.int64))  # the chip's wires are reduced once
    low, high = config.adc.v_clp - 0.1, config.adc.v_clp + 0.1
    pool.run([tile.ramp_deck(np.full(OUTPUTS, each), range(1)) for each in np.linspace(low, high, pool.workers)])
    return tile


def timed(
    tiles: dict[int, SpiceTile], vectors: np.ndarray, turns: int
) -> tuple[dict[int, float], float]:  # fmt: skip
    """Least wall time a vector [s] by the number of workers, and the ngspice time a vector of one worker's run."""
    best, own = dict.fromkeys(tiles, float("inf")), float("inf")
    codes = []
    for _ in range(turns):
        for workers, tile in tiles.items():
            pool = tile.pool
            assert isinstance(pool, TimedPool)
            pool.simulated, begin = 0.0, time.perf_counter()
            codes.append(tile.codes(vectors, np.random.default_rng(0)))
            taken = (time.perf_counter() - begin) / len(vectors)
            if workers == 1 and taken < best[workers]:
                own = pool.simulated / len(vectors)
            best[workers] = min(best[workers], taken)
    assert all((each == codes[0]).all() for each in codes)
    return best, own


if __name__ == "__main__":
    main()
