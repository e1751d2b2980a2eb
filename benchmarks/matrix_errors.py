"""What each non-ideality does to the results of a matrix on tiles, and what digital gains and offsets take back.

    python benchmarks/matrix_errors.py [--chips 4]

128 x 32 normal weights, normal inputs, differential pairs, tiles of 64 and of 128 inputs, 8 bits all round, shipped
models; arrays as they are, and compensated (`tiles.compensation`). `value` is the rms error of the results relative to
their own rms over all chips, after trimming, the yardstick the same before it. All together must at least be halved by
it in arrays that are not compensated; a single one must not become worse, to noise.
"""

import argparse

import numpy as np
from _timing import report

from cosim.blocks.ramp_adc.config import RampAdcConfig
from cosim.tiles.config import Nonidealities, TileConfig
from cosim.tiles.hardware import Hardware
from cosim.tiles.matrix import TiledMatrix

GOALS = {"all": 2.0}
INPUTS, OUTPUTS, KNOWN, NEW = 128, 32, 256, 1000


def errors(hardware: Hardware, chips: int) -> tuple[float, float]:
    """rms error before and after trimming, relative to the results' rms."""
    rng = np.random.default_rng(0)
    weights = rng.normal(0, 1, (INPUTS, OUTPUTS))
    known, new = rng.normal(0, 1, (KNOWN, INPUTS)), rng.normal(0, 1, (NEW, INPUTS))
    exact = new @ weights
    squares = np.zeros(2)
    matrix = TiledMatrix.calibrated(weights, hardware, known)
    for chip in range(chips):
        program, trim, read = (np.random.default_rng([chip, purpose]) for purpose in range(3))
        matrix.program(program)
        squares[0] += np.mean((matrix.forward(new, read, np.float64) - exact) ** 2)
        matrix.trim(known, trim)
        squares[1] += np.mean((matrix.forward(new, read, np.float64) - exact) ** 2)
    before, after = np.sqrt(squares / chips / np.mean(exact**2))
    return float(before), float(after)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chips", type=int, default=4)
    chips = parser.parse_args().chips
    for pulse_widths, compensated in (("auto", False), ("graded", False), ("graded", True)):
        for size in (64, 128):
            adc = RampAdcConfig(bits=8, function="linear", pulse_widths=pulse_widths)
            tile = TileConfig(
                inputs=size, outputs=OUTPUTS, dac_bits=8, weight_bits=8, adc=adc, compensated=compensated
            )  # fmt: skip
            switches = {"all": Nonidealities(), "bits alone": Nonidealities.none()}
            switches |= {name: Nonidealities.only(name) for name in Nonidealities.names()}
            for name, on in switches.items():
                before, after = errors(Hardware(tile, nonidealities=on), chips)
                array = "compensated" if compensated else "plain"
                claim = f"matrix error, {name}, {size} inputs a tile, {pulse_widths} ramp pulses, {array} array"
                yardstick = f"before trimming: {before:.4f}"
                goal = 0.95 if compensated else GOALS.get(name, 0.95)
                report(f"{claim}, {chips} chips", after, "rms of the results", yardstick, before / after, goal)


if __name__ == "__main__":
    main()
