"""Crossbar in ngspice: 64 input vectors through a 64 x 64 array of cells with a sinh law.

Ours is `.dc` sweeps over the number of the vector in running workers, from conductances to currents, nothing cached:
all cores, and one worker alone. The yardstick is `ngspice -b` with KLU for each vector, one after another: an `.op` of
the array, its cells written as the device's own subcircuit (as a designer would), as one controlled source each, or as
the two diodes of our deck, which is the fastest. Where the program is not installed the same decks run in the library
of this process, which spares them the start of a process: a lower bound. Ours with all vectors and the yardsticks with
three run in turn; their times are scaled. Prints lines of JSON (see `_timing`).
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from _timing import paired, report
from numpy.typing import NDArray

from cosim.blocks.crossbar.config import CrossbarConfig
from cosim.blocks.crossbar.currents import simulated_currents
from cosim.blocks.crossbar.netlist import array_lines, read_tolerances, supply_lines
from cosim.devices import load_device
from cosim.spice import Deck, SimulatorPool
from cosim.spice.deck import real_signals
from cosim.spice.isolated import read_raw
from cosim.spice.library import Simulator
from cosim.spice.pool import available_cores
from cosim.spice.session import open_session

Array = NDArray[np.float64]

SIZE, VECTORS, TIMED, GOAL = 64, 64, 3, 8.0
FORMS = {"subcircuit": "the device's subcircuit", "source": "a controlled source each", "diodes": "two diodes each"}


def main() -> None:
    rng = np.random.default_rng(1)
    config = CrossbarConfig(rows=SIZE, columns=SIZE)
    cells = rng.uniform(1e-6, 150e-6, (SIZE, SIZE))
    voltages = rng.uniform(-config.v_read, config.v_read, (VECTORS, SIZE))
    for workers in dict.fromkeys((available_cores(), 1)):
        with SimulatorPool(workers, use_cache=False) as pool:
            compare(cells, voltages, config, pool)


def compare(cells: Array, voltages: Array, config: CrossbarConfig, pool: SimulatorPool) -> None:
    """One line of JSON for each way to write the yardstick's cells."""
    run, name = yardstick(pool.simulator)
    for form, text in FORMS.items():
        decks = [op_deck(cells, row, config, form) for row in voltages[:TIMED]]
        ours = simulated_currents(cells, voltages, config, "sinh", pool)
        other = np.array([run(deck) for deck in decks])
        # 1e-6 is the reltol of both; of full scale.
        assert np.abs(ours[:TIMED] - other).max() <= 1e-6 * np.abs(other).max()
        one, two = paired(
            lambda: simulated_currents(cells, voltages, config, "sinh", pool),
            lambda decks=decks: [run(deck) for deck in decks],
            3,
            1,
        )
        report(
            f"crossbar in ngspice: {VECTORS} vectors through {SIZE} x {SIZE} sinh cells", one, "s",
            f"{name} for each vector, cells as {text}; {TIMED} measured in turn, scaled",
            two * VECTORS / TIMED / one, GOAL, threads=pool.workers,
        )  # fmt: skip


def op_deck(cells: Array, voltages: Array, config: CrossbarConfig, form: str) -> Deck:
    """One vector, `voltages` (rows,) [V], as an `.op`."""
    columns = cells.shape[1]
    lines = [f"vdrive{i} r{i} 0 {config.v_clp + voltage!r}" for i, voltage in enumerate(voltages.tolist())]
    lines += supply_lines(config, columns)
    if form == "subcircuit":
        array = array_lines(cells, config)
        values = iter(cells.ravel().tolist())
        lines += [
            f"x{line.rpartition(' ')[0]} memristor_sinh g={next(values)!r}" if line.startswith("rcell") else line
            for line in array.splitlines()
        ]
        lines.append(load_device(config.device).model_text())
    else:
        lines.append(array_lines(cells, config, "sinh", sinh_as="source" if form == "source" else "diodes"))
    saves = tuple(f"i(vc{j})" for j in range(columns))
    return Deck("one vector", "\n".join(lines), (".op",), saves, read_tolerances(config))


def yardstick(simulator: Simulator) -> tuple[Callable[[Deck], Array], str]:
    """A function that runs one deck and gives its currents, and what it is."""
    if simulator.program is not None and simulator.program_version == simulator.version:
        return lambda deck: by_program(deck, simulator), f"ngspice {simulator.version_text} -b, KLU"
    assert simulator.library is not None
    session = open_session(simulator.library)

    def by_library(deck: Deck) -> Array:
        result = session.run_deck(replace(deck, sample_at=()), klu=True)
        return np.array([result[name][0] for name in deck.saves])

    return by_library, f"ngspice {simulator.version_text} library, KLU, in place of `ngspice -b` (not installed)"


def by_program(deck: Deck, simulator: Simulator) -> Array:
    """Currents of one deck by `ngspice -b`, the netlist's text ready beforehand."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "deck.cir").write_text(deck.text(klu=True))
        subprocess.run(
            [str(simulator.program), "-n", "-b", "-r", "out.raw", "deck.cir"], cwd=folder, check=True,
            capture_output=True, env={"PATH": "/usr/bin:/bin", "HOME": name, "LC_ALL": "C", "OMP_NUM_THREADS": "1"},
        )  # fmt: skip
        signals = real_signals(read_raw((folder / "out.raw").read_bytes()))
    return np.array([signals[name][0] for name in deck.saves])


if __name__ == "__main__":
    main()
