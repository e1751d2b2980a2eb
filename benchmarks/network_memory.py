"""Peak memory of a network on tiles with a data set of CIFAR-10's test size: 10,000 images through ResNet-32.

Prints one JSON object: claim, value, unit, yardstick, ratio (yardstick / value), goal, holds, threads. All
non-idealities, tiles of 128 x 128, in pieces as `TiledNetwork.forward` makes them; the highest resident size of the
process, images included, as the operating system counted it.
"""

from __future__ import annotations

import resource
import sys

import numpy as np
from _timing import report

from cosim.blocks.ramp_adc.config import RampAdcConfig
from cosim.networks.reference import shipped_reference
from cosim.networks.references import graph_of
from cosim.networks.tiled import TiledNetwork
from cosim.tiles.config import TileConfig
from cosim.tiles.hardware import Hardware

IMAGES, THREADS = 10_000, 2
LIMIT = 2048.0  # [MiB]


def main() -> None:
    rng = np.random.default_rng(1)
    images = rng.normal(size=(IMAGES, 3, 32, 32)).astype(np.float32)
    tile = TileConfig(inputs=128, outputs=128, dac_bits=8, weight_bits=8, adc=RampAdcConfig(function="linear", bits=8))
    network = TiledNetwork(graph_of(shipped_reference("cifar10_resnet32")), Hardware(tile, threads=THREADS))
    network.calibrate(images[:512])
    network.program(rng)
    assert network.forward(images, rng).shape == (IMAGES, 10)
    per_mib = 2**20 if sys.platform == "darwin" else 2**10  # bytes there, KiB elsewhere
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / per_mib
    report(
        f"peak memory, {IMAGES} images through ResNet-32 on tiles", peak, "MiB", "the limit of 2 GiB", LIMIT / peak,
        1.0, threads=THREADS,
    )  # fmt: skip


if __name__ == "__main__":
    main()
