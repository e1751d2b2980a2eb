"""Tile: what a behavioural tile costs beside a bare matrix product, and beside aihwkit's tiles.

Prints one JSON object a line: claim, value, unit, yardstick, ratio (yardstick / value), goal, holds, threads. Batches
of 256 float32 vectors, one thread (and once two), in turn with numpy's float32 product of the same sizes; medians are
compared. The model of the ramp ADC is fitted to a few simulated chips first.

aihwkit is no dependency; without it its lines are left out and a note says so. To have them:

    pip install --no-deps --target FOLDER aihwkit==1.1.0      (beside CPU torch, e.g. cosim's extra `train`)
    PYTHONPATH=FOLDER python benchmarks/tile_forward.py

Its compiled tiles need the torch they were built with; its torch tiles, which are compared here, do not. Settings are
aihwkit's own (converters of 7 and 9 bits, output noise, no read noise, no wires), where not said otherwise.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from _adc_model import fitted_adc
from _timing import paired, report
from threadpoolctl import threadpool_limits

from cosim.blocks.ramp_adc import RampAdcModel
from cosim.tiles.behavioural import BehaviouralTile
from cosim.tiles.config import Nonidealities, TileConfig
from cosim.tiles.quantised import QuantisedTile

OUTPUTS, BATCH, REPEATS, LARGE = 128, 256, 400, 8192
DAC_SIGMA = 0.1  # [LSB]
WITHOUT_READS = replace(Nonidealities(), read_noise=False, dac_error=False)  # aihwkit's torch tiles have neither


def main() -> None:
    model = fitted_adc()
    with threadpool_limits(1):
        for inputs in (64, 128):
            beside_product(model, inputs)
        try:
            import aihwkit
        except ImportError:
            print("aihwkit is not installed: see the head of this file", file=sys.stderr)
        else:
            beside_aihwkit(model, str(aihwkit.__version__))
    two_threads(model)


def programmed(
    model: RampAdcModel, inputs: int, on: Nonidealities | None = None, threads: int = 1
) -> tuple[BehaviouralTile, np.ndarray]:
    """A tile, and its weights."""
    config = TileConfig(inputs=inputs, outputs=OUTPUTS, adc=model.config, dac_sigma=DAC_SIGMA)
    weights = np.clip(np.random.default_rng(1).normal(0, 0.5, (inputs, OUTPUTS)), -2, 2)
    tile = BehaviouralTile(config, model, on, threads=threads)
    tile.program(weights, np.random.default_rng(2))
    return tile, weights


def vectors(inputs: int, batch: int = BATCH) -> np.ndarray:
    return np.random.default_rng(3).uniform(-1, 1, (batch, inputs)).astype(np.float32)


def named(inputs: int) -> str:
    return f"tile {inputs} x {OUTPUTS} ({2 * inputs} word lines), batch {BATCH}: "


def beside_product(model: RampAdcModel, inputs: int) -> None:
    rng, batch = np.random.default_rng(4), vectors(inputs)
    rows = {
        "all non-idealities": programmed(model, inputs)[0],
        "all but what is drawn in each conversion": programmed(model, inputs, Nonidealities().quiet())[0],
    }
    weights = programmed(model, inputs)[1]
    quantised = QuantisedTile(rows["all non-idealities"].config)
    quantised.program(weights, rng)
    product = weights.astype(np.float32)
    yardstick = f"numpy {np.__version__} float32 product of {BATCH} x {inputs} and {inputs} x {OUTPUTS}"
    goals = {"all non-idealities": 1 / 8, "all but what is drawn in each conversion": 1 / 8, "quantised alone": 1 / 8}
    for name, tile in (rows | {"quantised alone": quantised}).items():
        ours, other = paired(lambda tile=tile: tile.forward(batch, rng), lambda: np.matmul(batch, product), REPEATS, 20)
        report(named(inputs) + name, ours * 1e6, "us", yardstick, other / ours, goals[name])


def two_threads(model: RampAdcModel) -> None:
    """Pieces of a batch side by side; the codes are the same."""
    inputs, rng = 128, np.random.default_rng(4)
    one, two = (programmed(model, inputs, threads=threads)[0] for threads in (1, 2))
    batch = vectors(inputs, LARGE)
    assert (one.codes(batch, np.random.default_rng(5)) == two.codes(batch, np.random.default_rng(5))).all()

    def single() -> object:
        with threadpool_limits(1, "blas"):
            return one.codes(batch, rng)

    ours, other = paired(lambda: two.codes(batch, rng), single, 40, 3)
    report(
        f"tile {inputs} x {OUTPUTS}, batch {LARGE}: all non-idealities, two threads", ours / LARGE * 1e6, "us a vector",
        "the same in one thread", other / ours, 1.7, threads=2,
    )  # fmt: skip


def beside_aihwkit(model: RampAdcModel, version: str) -> None:
    import torch
    from aihwkit.simulator.configs import TorchInferenceRPUConfig, TorchInferenceRPUConfigIRDropT

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    inputs, rng = 128, np.random.default_rng(4)
    batch = vectors(inputs)
    theirs = aihwkit_layer(TorchInferenceRPUConfig(), inputs)
    inference = (
        f"aihwkit {version} torch inference tile {inputs} x {OUTPUTS} with torch {torch.__version__}, no IR drop"
    )
    for name, on in (
        ("IR drop and what aihwkit's tile has: programming error, converters, their noise", WITHOUT_READS),
        ("all non-idealities", Nonidealities()),
    ):
        tile, _ = programmed(model, inputs, on)
        ours, other = in_turn(lambda tile=tile: tile.forward(batch, rng), lambda: theirs(batch))
        report(named(inputs) + name, ours * 1e6, "us", inference, other / ours, 3.0)
    tile, _ = programmed(model, inputs)
    ours, _ = paired(lambda: tile.forward(batch, rng), lambda: None, REPEATS, 20)
    stepped = aihwkit_layer(TorchInferenceRPUConfigIRDropT(), inputs)
    seconds = []
    for number in range(4):
        started = time.perf_counter()
        stepped(batch[number : number + 1])
        seconds.append(time.perf_counter() - started)
    report(
        f"tile {inputs} x {OUTPUTS}: all non-idealities, a vector of {BATCH}", ours / BATCH * 1e6, "us",
        f"aihwkit {version} time-stepped IR drop, one vector", min(seconds) / (ours / BATCH), 1000.0,
    )  # fmt: skip
    torch.set_num_threads(before)


def in_turn(ours: Callable[[], object], other: Callable[[], object]) -> tuple[float, float]:
    """Median wall times [s] of a call, ten calls before the other has its turn.

    The first of the ten does not count: it finds the other's data in the caches, which a network's next batch does not.
    """
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(REPEATS // 10):
        for function, kept in zip((ours, other), times, strict=True):
            for number in range(10):
                started = time.perf_counter()
                function()
                if number:
                    kept.append(time.perf_counter() - started)
    return statistics.median(times[0]), statistics.median(times[1])


def aihwkit_layer(config: object, inputs: int) -> Callable[[np.ndarray], object]:
    """A programmed layer of one tile that is ready for inference."""
    import torch
    from aihwkit.nn import AnalogLinear

    torch.manual_seed(1)
    layer = AnalogLinear(inputs, OUTPUTS, bias=False, rpu_config=config).eval()
    layer.program_analog_weights()

    def infer(batch: np.ndarray) -> object:
        with torch.inference_mode():
            return layer(torch.from_numpy(batch))

    return infer


if __name__ == "__main__":
    main()
