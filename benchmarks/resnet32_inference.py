"""ResNet-32: inference on behavioural tiles of 128 x 128, beside torch in float32 and aihwkit on tiles as large.

Prints one JSON object a line: claim, value, unit, yardstick, ratio (yardstick / value), goal, holds, threads. Batches
of 64 images of 32 x 32, the shipped CIFAR-10 network, 8-bit DACs and one 8-bit conversion of each column of each tile;
all non-idealities, and the same without what is drawn in each conversion. In turn with torch's float32; medians are
compared.

aihwkit: see `_aihwkit.py`.
"""

from __future__ import annotations

import sys

import numpy as np
from _aihwkit import aihwkit_version, tiles_of
from _timing import paired, report

from cosim.blocks.ramp_adc.config import RampAdcConfig
from cosim.networks.reference import shipped_reference
from cosim.networks.references import graph_of
from cosim.networks.tiled import TiledNetwork
from cosim.tiles.config import Nonidealities, TileConfig
from cosim.tiles.hardware import Hardware

BATCH, SIDE = 64, 128
CASES = {
    "all non-idealities": (Nonidealities(), 1 / 6, 7.0),
    "all but what is drawn in each conversion": (Nonidealities().quiet(), 1 / 4, 7.0),
}
RUNS = 15


def main() -> None:
    try:
        import torch
    except ImportError:
        print("torch is not installed (cosim's extra train); nothing to compare with", file=sys.stderr)
        return
    from cosim.training.modules import module_of

    version = aihwkit_version()
    reference = shipped_reference("cifar10_resnet32")
    module = module_of(reference)
    images = np.random.default_rng(1).normal(size=(BATCH, 3, 32, 32)).astype(np.float32)
    tensor = torch.from_numpy(images)
    tile = TileConfig(
        inputs=SIDE, outputs=SIDE, dac_bits=8, weight_bits=8, adc=RampAdcConfig(function="linear", bits=8)
    )
    for threads in (1, 2):
        torch.set_num_threads(threads)
        theirs = None
        if version is not None:
            theirs = aihwkit_seconds(module, tensor)
        for name, (on, torch_goal, aihwkit_goal) in CASES.items():
            network = TiledNetwork(graph_of(reference), Hardware(tile, nonidealities=on, threads=threads))
            network.calibrate(images)
            network.program(np.random.default_rng(3))
            rng = np.random.default_rng(2)
            with torch.inference_mode():
                value, other = paired(
                    lambda network=network, rng=rng: network.forward(images, rng), lambda: module(tensor), RUNS
                )
            claim = f"ResNet-32, batch {BATCH}, tiles of {SIDE} x {SIDE}: {name}"
            report(claim, value * 1e3, "ms", f"torch {torch.__version__} float32", other / value, torch_goal,
                   threads=threads)  # fmt: skip
            if theirs is not None:
                yardstick = f"aihwkit {version}, torch inference tiles of the same size"
                report(claim, value * 1e3, "ms", yardstick, theirs / value, aihwkit_goal, threads=threads)


def aihwkit_seconds(module: object, tensor: object) -> float:
    """Median of a few batches of the converted network."""
    import torch
    from aihwkit.nn.conversion import convert_to_analog

    theirs = convert_to_analog(module, tiles_of(SIDE, SIDE)).eval()
    with torch.inference_mode():
        seconds, _ = paired(lambda: theirs(tensor), lambda: None, 3, 1)
    return seconds


if __name__ == "__main__":
    main()
