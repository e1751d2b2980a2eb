"""LSTM: inference on behavioural tiles, all non-idealities on, beside torch.nn.LSTM and aihwkit's analog LSTM.

Prints one JSON object a line: claim, value, unit, yardstick, ratio (yardstick / value), goal, holds, threads. Batches
of 64 float32 sequences of 50 steps and 40 inputs, 32 and 256 cells, the gates straight out of 5-bit ramp ADCs; the
network as a user has it, from the PyTorch module. In turn with torch's float32 LSTM; medians are compared. In a second
line each DAC of each gate's tile has static errors of its own, 0.1 LSB, which costs a table of levels for each.

aihwkit (see `_aihwkit.py`) has two analog LSTM cells: one with a tile for the inputs and one for the state, and one
with both on one tile. Its torch tiles have neither read noise nor wires; a line of ours is without read noise too.
"""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
from _aihwkit import aihwkit_version, tiles_of
from _timing import paired, report

import cosim
from cosim.networks.tiled import TiledNetwork
from cosim.tiles.config import Nonidealities, TileConfig
from cosim.tiles.hardware import Hardware

BATCH, STEPS, INPUTS = 64, 50, 40
SIZES = (32, 256)
TORCH_GOAL, AIHWKIT_GOAL = 1 / 4, 6.0
BLOCK = 10  # runs of each in a turn
CASES = {
    "all non-idealities, DACs without static errors": (Nonidealities(), 0.0),
    "all non-idealities": (Nonidealities(), 0.1),  # [LSB]
    "IR drop and what aihwkit's tile has: programming error, converters, their noise": (
        replace(Nonidealities(), read_noise=False), 0.0,
    ),
}  # fmt: skip


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
            theirs = {} if version is None else aihwkit_seconds(hidden)
            for name, (on, sigma) in CASES.items():
                network = on_tiles(module, sequences, Hardware(
                    TileConfig(inputs=INPUTS + hidden + 1, outputs=hidden, dac_sigma=sigma), nonidealities=on,
                    threads=threads,
                ))  # fmt: skip
                rng = np.random.default_rng(2)
                with torch.inference_mode():
                    value, other = paired(
                        lambda network=network, rng=rng: network.forward(sequences, rng),
                        lambda module=module: module(tensor), 200 if hidden == 32 else 60, 2, BLOCK,
                    )  # fmt: skip
                claim = f"LSTM {INPUTS}-{hidden}, {STEPS} steps, batch {BATCH}: {name}"
                report(claim, value * 1e3, "ms", f"torch {torch.__version__} float32", other / value, TORCH_GOAL,
                       threads=threads)  # fmt: skip
                for cell, seconds in theirs.items():
                    report(claim, value * 1e3, "ms", f"aihwkit {version} {cell} on torch inference tiles",
                           seconds / value, AIHWKIT_GOAL, threads=threads)  # fmt: skip


def on_tiles(module: object, sequences: np.ndarray, hardware: Hardware) -> TiledNetwork:
    """The module on one tile a gate."""
    network = cosim.from_torch(module, hardware, activations="ramp")
    network.calibrate(sequences)
    network.program(np.random.default_rng(3))
    return network


def aihwkit_seconds(hidden: int) -> dict[str, float]:
    """Cell -> median of a few batches; its sequences have the steps first."""
    import torch
    from aihwkit.nn import AnalogLSTMCell, AnalogLSTMCellCombinedWeight, AnalogRNN

    found = {}
    for cell in (AnalogLSTMCell, AnalogLSTMCellCombinedWeight):
        theirs = AnalogRNN(cell, INPUTS, hidden, bias=True, rpu_config=tiles_of(512, 4 * hidden)).eval()
        tensor = torch.rand(STEPS, BATCH, INPUTS) * 2 - 1
        with torch.inference_mode():
            found[cell.__name__], _ = paired(lambda theirs=theirs, tensor=tensor: theirs(tensor), lambda: None, 10, 2)
    return found


if __name__ == "__main__":
    main()
