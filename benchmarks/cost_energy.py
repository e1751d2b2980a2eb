"""Costs: the analogue energy of one tile operation in closed form beside ngspice's integrals of the supply currents.

Prints one JSON object a line: claim, value, unit, yardstick, ratio, goal, holds, threads. The whole macro is one
transient with transistor-level comparators; its energies are supply currents times voltages, integrated (of ideal
sources and macro-models the charge that they deliver, times V_DD; amplifiers at rest are left out on both sides). The
value is the largest relative error of the total over all operations, the ratio goal / value with the goal of 5 %.

    python benchmarks/cost_energy.py            small macros, and one of 41 x 32 (some minutes)
    python benchmarks/cost_energy.py --quick    small macros alone
"""

from __future__ import annotations

import sys

import numpy as np
from _timing import report

from cosim.blocks.macro.config import MacroConfig
from cosim.costs.constants import constant
from cosim.costs.operation import PARTS
from cosim.costs.supply import compare
from cosim.spice import SimulatorPool

GOAL = 0.05
SMALL = (
    {"inputs": 16, "outputs": 8},
    {"inputs": 8, "outputs": 4, "driver": "dac_driver"},
    {"inputs": 8, "outputs": 4, "process": "generic65"},
    {"inputs": 8, "outputs": 4, "function": "tanh", "bits": 4, "w_max": 1.0},
    {"inputs": 8, "outputs": 4, "function": "linear", "bits": 6},
)
TILE = {"inputs": 41, "outputs": 32}  # beyond what a user may ask of the macro: the size of the digits' tile


def main() -> None:
    cases = [(MacroConfig(**settings), settings) for settings in SMALL]  # type: ignore[arg-type]
    if "--quick" not in sys.argv[1:]:
        cases.append((MacroConfig().model_copy(update=TILE), TILE))
    with SimulatorPool(1, timeout=600) as pool:
        for config, settings in cases:
            driver = 0.0 if config.driver == "ideal" else constant(f"driver_energy_{config.process}").value
            found = compare(config, pool, vectors=2, chips=1, driver_energy=driver)
            what = ", ".join(f"{name} {value}" for name, value in settings.items())
            worst = float(np.abs(found.relative_errors()).max())
            parts = {
                part: float(np.abs(found.model[part] / found.simulated[part] - 1.0).max())
                for part in (*PARTS, "array_dissipation")
            }
            told = ", ".join(f"{part} {error:.1%}" for part, error in parts.items())
            yardstick = (
                f"ngspice {pool.simulator.version_text}, {len(found.relative_errors())} operations; parts: {told}"
            )
            report(f"energy of a tile operation: {what}", worst, "relative error", yardstick, GOAL / worst, 1.0)


if __name__ == "__main__":
    main()
