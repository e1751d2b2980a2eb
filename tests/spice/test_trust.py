"""Other solvers, other builds and other versions of ngspice give the same numbers on the circuits that matter here.

What they share is the netlist and the tolerances; how they order a matrix, round, and choose time steps is their own.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from cosim.blocks import crossbar
from cosim.blocks.crossbar.netlist import clamp_currents, crossbar_deck
from cosim.process import load_process
from cosim.spice import Deck, Result, Simulator, SimulatorPool
from cosim.spice.locate import report

Array = NDArray[np.float64]
Packaged = Callable[[str, int], Path]

VECTORS, SIZE = 6, 16


def array(cell: str) -> Deck:
    """Random conductances and voltages, wires included."""
    rng = np.random.default_rng(11)
    conductances = rng.uniform(1e-6, 150e-6, (SIZE, SIZE))
    voltages = rng.uniform(-0.2, 0.2, (VECTORS, SIZE))
    return crossbar_deck(conductances, voltages, crossbar.Config(rows=SIZE, columns=SIZE), cell)  # type: ignore[arg-type]


def inverters() -> Deck:
    """Three BSIM4 inverters of the generic 180 nm process in a row, each with 20 fF, and an edge of 100 ps."""
    lines = [load_process("generic180").text("TT"), "vdd d 0 1.8", "vin n0 0 pwl(0 0 0.2n 0 0.3n 1.8)"]
    for stage in range(3):
        lines += [
            f"xmn{stage} n{stage + 1} n{stage} 0 0 nmos w=1u l=0.18u",
            f"xmp{stage} n{stage + 1} n{stage} d d pmos w=2u l=0.18u",
            f"c{stage} n{stage + 1} 0 20f",
        ]
    return Deck("inverters", "\n".join(lines), (".tran 1p 2n",), ("v(n0)", "v(n3)", "i(vdd)"))


DECKS = [array("linear"), array("sinh"), inverters()]


def delay(result: Result) -> float:
    """From the middle of the input's edge to that of the third inverter [s]."""
    out = result["v(n3)"]
    at = int(np.flatnonzero((out[:-1] > 0.9) & (out[1:] <= 0.9))[0])
    time = result["time"]
    crossing = time[at] + (0.9 - out[at]) / (out[at + 1] - out[at]) * (time[at + 1] - time[at])
    return float(crossing - 0.25e-9)


def charge(result: Result) -> float:
    """What the supply delivers in the whole transient [C]."""
    return float(-np.trapezoid(result["i(vdd)"], result["time"]))


def assert_agree(ones: list[Result], others: list[Result]) -> None:
    for one, other in zip(ones, others, strict=True):
        assert one.ok and other.ok, (one.failure, other.failure)
    for number in (0, 1):
        one, other = (clamp_currents(results[number], VECTORS, SIZE) for results in (ones, others))
        # Rounding (1e-16) times the condition of the matrix, 1e5 from wires of 1 ohm to cells of 100 kohm. The sinh
        # cells add none: Newton's iterates are the same, and end at the same one.
        assert np.abs(one - other).max() < 1e-10 * np.abs(one).max()
    # The longest time step, 1 ps, is the same; what differs is where a truncation error just asks for a shorter one.
    assert delay(ones[2]) == pytest.approx(delay(others[2]), rel=1e-5, abs=0)
    assert charge(ones[2]) == pytest.approx(charge(others[2]), rel=1e-5, abs=0)
    assert ones[2]["v(n3)"][-1] == pytest.approx(others[2]["v(n3)"][-1], abs=1e-8)  # vntol


def run(simulator: Simulator, backend: str = "session") -> list[Result]:
    with SimulatorPool(1, use_cache=False, simulator=simulator, backend=backend) as pool:
        return pool.run(DECKS)


def test_klu_and_sparse(pool: SimulatorPool) -> None:
    if not pool.simulator.klu:
        pytest.skip(f"ngspice {pool.simulator.version_text} has no KLU")
    assert_agree(pool.run(DECKS), run(replace(pool.simulator, klu=False)))


def test_the_figures_are_those_of_the_circuits(pool: SimulatorPool) -> None:
    """That others agree says little of figures that are not what they seem."""
    results = pool.run(DECKS)
    rng = np.random.default_rng(11)
    conductances, voltages = rng.uniform(1e-6, 150e-6, (SIZE, SIZE)), rng.uniform(-0.2, 0.2, (VECTORS, SIZE))
    without_wires = voltages @ conductances
    currents = clamp_currents(results[0], VECTORS, SIZE)
    assert np.corrcoef(currents.ravel(), without_wires.ravel())[0, 1] > 0.99  # wires take a little
    # Three stages of about a tenth of a nanosecond. Of their outputs only the second rises: 20 fF and a gate to 1.8 V,
    # and what flows while both transistors of an inverter conduct.
    assert 1e-10 < delay(results[2]) < 1e-9
    assert 20e-15 * 1.8 < charge(results[2]) < 4 * 20e-15 * 1.8


def by_program(simulator: Simulator, program: Path) -> list[Result]:
    own = replace(simulator, program=program, program_version=simulator.version)
    return run(own, "isolated")


@pytest.mark.slow  # unpacks packages of the distribution, once
def test_the_program_and_the_library(pool: SimulatorPool, packaged: Packaged) -> None:
    program = packaged("ngspice", pool.simulator.version) / "usr" / "bin" / "ngspice"
    assert_agree(pool.run(DECKS), by_program(pool.simulator, program))


@pytest.mark.slow
def test_version_39_and_this_one(pool: SimulatorPool, packaged: Packaged) -> None:
    (library,) = packaged("libngspice0", 39).glob("usr/lib/*/libngspice.so.0")
    found = report(library)
    assert found["version"] == 39 and not found["klu"], found
    older = replace(pool.simulator, library=library, program=None, version=39, version_text="39", klu=False)
    expected = pool.run(DECKS)
    results = run(older)
    assert results[0].key != expected[0].key and "Note: No compatibility" in results[0].log
    assert_agree(expected, results)
    assert_agree(expected, by_program(older, packaged("ngspice", 39) / "usr" / "bin" / "ngspice"))
