"""Tile: what a behavioural conversion costs beside a bare matrix product, and beside ngspice.

Prints one JSON object a line: claim, value, unit, yardstick, ratio (yardstick / value), goal, holds, threads. Batches
of 256 vectors on a tile of 41 inputs and 32 outputs at 5 bits, in one thread, in turn with the float32 product of the
same sizes; medians are compared. ngspice runs one vector on the same chip in one worker, without the store of
results; the model of the ramp ADC is fitted to a few simulated chips first.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
from _timing import paired, report
from threadpoolctl import threadpool_limits

from cosim.blocks import ramp_adc
from cosim.spice import SimulatorPool
from cosim.tiles.behavioural import BehaviouralTile
from cosim.tiles.config import Nonidealities, TileConfig
from cosim.tiles.quantised import QuantisedTile
from cosim.tiles.spice import SpiceTile

INPUTS, OUTPUTS, BATCH, REPEATS = 41, 32, 256, 300
TILE = f"tile {INPUTS} x {OUTPUTS}: "


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        with SimulatorPool() as pool:
            data = ramp_adc.characterise(ramp_adc.Config(), chips=8, v_reads=(), pool=pool, show_progress=False)
        model = ramp_adc.load_model(save(ramp_adc.fit(data), folder))
    config = TileConfig(inputs=INPUTS, outputs=OUTPUTS, adc=model.config)
    rng = np.random.default_rng(1)
    weights = np.clip(rng.normal(0, 0.5, (INPUTS, OUTPUTS)), -2, 2)
    vectors = rng.uniform(-1, 1, (BATCH, INPUTS))
    single, product = vectors.astype(np.float32), weights.astype(np.float32)
    yardstick = f"numpy {np.__version__} float32 product of {BATCH} x {INPUTS} and {INPUTS} x {OUTPUTS}"
    quiet = replace(Nonidealities(), read_noise=False)
    with threadpool_limits(1), SimulatorPool(1, use_cache=False) as pool:
        spice = SpiceTile(config, pool)
        spice.program(weights, np.random.default_rng(2))
        assert spice.chip is not None
        tiles = {
            "all non-idealities": BehaviouralTile(config, model),
            "all but read noise": BehaviouralTile(config, model, quiet),
        }
        for (name, tile), goal in zip(tiles.items(), (1 / 40, 1 / 20), strict=True):
            tile.load(spice.chip)
            ours, other = paired(
                lambda tile=tile: tile.forward(vectors, rng), lambda: np.matmul(single, product), REPEATS
            )
            report(f"{TILE}behavioural, {name}, a conversion", ours / (BATCH * OUTPUTS) * 1e9, "ns", yardstick,
                   other / ours, goal)  # fmt: skip
        quantised = QuantisedTile(config)
        quantised.program(weights, rng)
        ours, other = paired(lambda: quantised.forward(vectors, rng), lambda: np.matmul(single, product), REPEATS)
        report(f"{TILE}quantised, a conversion", ours / (BATCH * OUTPUTS) * 1e9, "ns", yardstick, other / ours, 1 / 40)
        one = vectors[:1]
        ours, other = paired(
            lambda: tiles["all but read noise"].forward(one, rng), lambda: spice.forward(one, rng), 3, 1
        )
        report(f"{TILE}behavioural, one vector", ours * 1e6, "us", f"ngspice {pool.simulator.version_text}, one worker",
               other / ours, 1e4)  # fmt: skip
        ours, _ = paired(lambda: tiles["all but read noise"].forward(vectors, rng), lambda: None, REPEATS)
        report(f"{TILE}behavioural, a vector of {BATCH}", ours / BATCH * 1e6, "us",
               f"ngspice {pool.simulator.version_text}, one worker", other / (ours / BATCH), 1e6)  # fmt: skip


def save(model: ramp_adc.RampAdcModel, folder: str) -> Path:
    """The model as a user has it: from its file."""
    path = Path(folder) / "adc.json"
    model.save(path)
    return path


if __name__ == "__main__":
    main()
