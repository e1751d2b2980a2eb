"""Crossbar in ngspice: 64 input vectors through a 32 x 32 array of linear cells.

Ours is one `.dc` over the number of the vector in a running worker, from conductances to currents, nothing cached. The
yardstick is PySpice as its examples use it: a `Circuit` with one object an element, built once; for each vector the
sources' values are set and `operating_point()` is called. Both ways run in turn, ours with all vectors, the yardstick
with one, whose time is taken 64 times. Prints a line of JSON (see `_timing`).
"""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
from _timing import paired, report
from numpy.typing import NDArray

from cosim.blocks.crossbar.config import CrossbarConfig
from cosim.blocks.crossbar.currents import simulated_currents
from cosim.spice import SimulatorPool

Array = NDArray[np.float64]

SIZE, VECTORS, GOAL = 32, 64, 50.0


def main() -> None:
    rng = np.random.default_rng(1)
    config = CrossbarConfig(rows=SIZE, columns=SIZE)
    cells = rng.uniform(1e-6, 150e-6, (SIZE, SIZE))
    voltages = rng.uniform(-config.v_read, config.v_read, (VECTORS, SIZE))
    with SimulatorPool(1, use_cache=False) as pool:
        circuit = pyspice_circuit(cells, config, pool)
        ours = simulated_currents(cells, voltages, config, "linear", pool)
        other = operating_point(circuit, voltages[0], config)
        # 1e-3 is ngspice's own reltol, with which PySpice runs.
        assert np.abs(ours[0] - other).max() <= 1e-3 * np.abs(other).max()
        one, two = paired(
            lambda: simulated_currents(cells, voltages, config, "linear", pool),
            lambda: operating_point(circuit, voltages[0], config),
            7,
        )
        version = pool.simulator.version_text
    import PySpice

    yardstick = (
        f"PySpice {PySpice.__version__} operating_point() for each vector, ngspice {version};"
        f" one vector measured in turn, times {VECTORS}"
    )
    claim = f"crossbar in ngspice: {VECTORS} vectors through {SIZE} x {SIZE} linear cells"
    report(claim, one, "s", yardstick, VECTORS * two / one, GOAL)


def pyspice_circuit(cells: Array, config: CrossbarConfig, pool: SimulatorPool) -> Any:
    """The same array as PySpice objects, its library that of the pool."""
    logging.getLogger("PySpice").setLevel(logging.CRITICAL)
    from PySpice.Spice.Netlist import Circuit
    from PySpice.Spice.NgSpice.Shared import NgSpiceShared

    from cosim.spice.locate import load_companions

    library = pool.simulator.library
    assert library is not None, "PySpice needs the shared library"
    load_companions(library)
    NgSpiceShared.LIBRARY_PATH = str(library)
    rows, columns = cells.shape
    circuit = Circuit("crossbar")
    for i in range(rows):
        circuit.V(f"drive{i}", f"r{i}", circuit.gnd, config.v_clp)
    for j in range(columns):
        circuit.V(f"c{j}", f"c{j}", circuit.gnd, config.v_clp)
    for i in range(rows):
        for j in range(columns):
            word, bit = (f"r{i}" if j == 0 else f"w{i}_{j - 1}"), (f"c{j}" if i == rows - 1 else f"b{i + 1}_{j}")
            circuit.R(f"w{i}_{j}", word, f"w{i}_{j}", config.r_wire_row + (config.r_driver if j == 0 else 0.0))
            at_clamp = config.r_clamp if i == rows - 1 else 0.0
            circuit.R(f"b{i}_{j}", bit, f"b{i}_{j}", config.r_wire_column + at_clamp)
            circuit.R(f"cell{i}_{j}", f"w{i}_{j}", f"b{i}_{j}", 1.0 / cells[i, j])
    return circuit


def operating_point(circuit: Any, voltages: Array, config: CrossbarConfig) -> Array:
    """Currents into the clamps, shape (columns,) [A]."""
    for i, voltage in enumerate(voltages.tolist()):
        circuit[f"Vdrive{i}"].dc_value = config.v_clp + voltage
    analysis = circuit.simulator(temperature=27, nominal_temperature=27).operating_point()
    return np.array([np.asarray(analysis.branches[f"vc{j}"])[0] for j in range(SIZE)])


if __name__ == "__main__":
    main()
