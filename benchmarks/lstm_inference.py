"""LSTM: inference on behavioural tiles, all non-idealities on, beside torch.nn.LSTM and aihwkit's analog LSTM.

Prints one JSON object a line: claim, value, unit, yardstick, ratio (yardstick / value), goal, holds, threads. Batches
of 64 float32 sequences of 50 steps and 40 inputs, 32 and 256 cells, the gates straight out of 5-bit ramp ADCs; the
network as a user has it, from the PyTorch module. In turn with torch's float32 LSTM; medians are compared. Each of a
gate's DACs has a static error of its own, 0.1 LSB, in a second line.

aihwkit: see `_aihwkit.py`.
"""

from __future__ import annotations

import sys

import numpy as np
from _aihwkit import aihwkit_version, tiles_of
from _timing import paired, report

import cosim
from cosim.networks.tiled import TiledNetwork
from cosim.tiles.config import TileConfig
from cosim.tiles.hardware import Hardware

BATCH, STEPS, INPUTS = 64, 50, 40
SIZES = (32, 256)
TORCH_GOAL, AIHWKIT_GOAL = 1 / 4, 6.0
DAC_SIGMA = 0.1  # [LSB]


def main() -> None:
    try:
        import torch
    except ImportError:
        print("torch is not installed (cosim's extra train); nothing to compare with", file=sys.stderr)
        return
    version = aihwkit_version()
    sequences = np.random.default_rng(1).uniform(-1, 1, (BATCH, STEPS, INPUTS)).astype(np.float32)
    tensor = torch.from_numpy(sequences)
    for hidden in SIZES:
        torch.manual_seed(0)
        module = torch.nn.LSTM(INPUTS, hidden, batch_first=True).eval()
        for threads in (1, 2):
            torch.set_num_threads(threads)
            for sigma in (0.0, DAC_SIGMA):
                network = on_tiles(module, sequences, hidden, sigma, threads)
                rng = np.random.default_rng(2)

                with torch.inference_mode():
                    value, other = paired(
                        lambda network=network, rng=rng: network.forward(sequences, rng),
                        lambda module=module: module(tensor), 200 if hidden == 32 else 60, 5,
                    )  # fmt: skip
                claim = f"LSTM {INPUTS}-{hidden}, {STEPS} steps, batch {BATCH}: all non-idealities"
                claim += f", DACs {sigma} LSB" if sigma else ", DACs without static error"
                report(claim, value * 1e3, "ms", f"torch {torch.__version__} float32", other / value, TORCH_GOAL,
                       threads=threads)  # fmt: skip
                if version is not None:
                    beside_aihwkit(claim, value, hidden, version, threads)


def on_tiles(module: object, sequences: np.ndarray, hidden: int, sigma: float, threads: int) -> TiledNetwork:
    """The module on one tile a gate."""
    tile = TileConfig(inputs=INPUTS + hidden + 1, outputs=hidden, dac_sigma=sigma)
    network = cosim.from_torch(module, Hardware(tile, threads=threads), activations="ramp")
    network.calibrate(sequences)
    network.program(np.random.default_rng(3))
    return network


def beside_aihwkit(claim: str, value: float, hidden: int, version: str, threads: int) -> None:
    """Its steps-first LSTM, on tiles that hold a whole gate matrix."""
    import torch
    from aihwkit.nn import AnalogLSTMCellCombinedWeight, AnalogRNN

    torch.manual_seed(0)
    theirs = AnalogRNN(
        AnalogLSTMCellCombinedWeight, INPUTS, hidden, bias=True, rpu_config=tiles_of(512, 4 * hidden)
    ).eval()
    tensor = torch.rand(STEPS, BATCH, INPUTS) * 2 - 1
    with torch.inference_mode():
        other, _ = paired(lambda: theirs(tensor), lambda: None, 10, 2)
    report(claim, value * 1e3, "ms", f"aihwkit {version} AnalogRNN of LSTM cells, torch inference tiles", other / value,
           AIHWKIT_GOAL, threads=threads)  # fmt: skip


if __name__ == "__main__":
    main()
