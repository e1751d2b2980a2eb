"""A simulation that fails is a value with a kind and a cause; it takes nothing else with it."""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cosim.errors import CosimError
from cosim.spice import Deck, FailureKind, Result, SimulatorPool, Tolerances
from cosim.spice.ladder import RUNGS

K = FailureKind


def deck(circuit: str, analysis: str = ".op", saves: tuple[str, ...] = ("v(a)",), **tolerances: float) -> Deck:
    return Deck("fails", f"v1 a 0 1\n{circuit}", (analysis,), saves, Tolerances(**tolerances))  # type: ignore[arg-type]


def good(number: int = 0) -> Deck:
    return Deck("works", f"v1 a 0 {number + 1}\nr1 a b 1k\nr2 b 0 1k", (".op",), ("v(b)",))


def works(result: Result, number: int = 0) -> bool:
    return result.ok and bool(np.isclose(result["v(b)"][0], (number + 1) / 2, rtol=1e-12, atol=0.0))


BROKEN: dict[str, tuple[Deck, FailureKind, str]] = {
    "model of a transistor": (deck("m1 a a 0 0 nosuch w=1u l=1u"), K.MISSING_MODEL, "nosuch"),
    "model of a diode": (deck("d1 a 0 nosuch"), K.MISSING_MODEL, "d1 a 0 nosuch"),
    "subcircuit": (deck("xs a 0 nosuch"), K.MISSING_MODEL, "unknown subckt: xs a 0 nosuch"),
    "parameter": (deck("r1 a 0 {zz}"), K.BAD_NETLIST, "Undefined parameter [zz]"),
    "parameter of a parameter": (deck(".param p={zz*2}\nr1 a 0 {p}"), K.BAD_NETLIST, "Undefined parameter [zz]"),
    "parameter in a subcircuit": (
        deck("xs a 0 s\n.subckt s p q\nr1 p q {zz}\n.ends"), K.BAD_NETLIST, "Undefined parameter [zz]"
    ),
    "function": (deck("b1 b 0 v=nosuch(v(a))"), K.BAD_NETLIST, "no such function 'nosuch'"),
    "parenthesis": (deck("b1 b 0 v=v(a)*(2"), K.BAD_NETLIST, "syntax error"),
    "line cut short": (deck("r1 a"), K.BAD_NETLIST, "'r1 a' is not a valid resistor"),
    "line of nothing known": (deck("?foo a 0 1"), K.BAD_NETLIST, "?foo a 0 1"),
    "initial condition of no node": (deck(".ic v(nope)=1\nr1 a 0 1"), K.BAD_NETLIST, "non-existent node - nope"),
    "subcircuit defined twice": (
        deck("xs a 0 s\n.subckt s p q\nr1 p q 1k\n.ends\n.subckt s p q\nr1 p q 2k\n.ends"),
        K.BAD_NETLIST,
        "redefinition",
    ),
    "pin too many": (deck("xs a 0 s\n.subckt s p\nr1 p 0 1k\n.ends"), K.BAD_NETLIST, 'subcircuit type "s"'),
    "analysis": (deck("r1 a 0 1k", ".trann 1n 1u"), K.BAD_NETLIST, "unimplemented dot command '.trann'"),
    "no analysis": (deck("r1 a 0 1k", "* none"), K.BAD_NETLIST, "No job"),
    "one saved node": (deck("r1 a 0 1k", saves=("v(a)", "v(nope)")), K.BAD_NETLIST, "no vector for v(nope)"),
    "all saved nodes": (deck("r1 a 0 1k", saves=("v(nope)",)), K.BAD_NETLIST, "no data saved"),
    "contradiction of sources": (deck("v2 a 0 2"), K.NO_CONVERGENCE, "singular matrix"),
    "current into a capacitor": (deck("i1 0 b 1\nc1 b 0 1p", saves=("v(b)",)), K.NOT_FINITE, "v(b)"),
    "function outside its range": (deck("b1 b 0 v=ln(-v(a))\nr1 b 0 1k"), K.NO_CONVERGENCE, "-1 out of range for ln"),
    "name used twice": (deck("r1 a 0 1k\nr1 a 0 2k"), K.BAD_NETLIST, "r1 a 0 2k"),
    "no solution": (deck("b1 b 0 v=v(b)>0.5 ? 0 : 1\nr1 b 0 1k"), K.NO_CONVERGENCE, ""),
}  # fmt: skip


@pytest.fixture(scope="module")
def broken(pool: SimulatorPool) -> dict[str, Result]:
    """All of them in one run, a good deck after each: whatever a failure leaves behind, the next deck meets."""
    decks = []
    for number, (bad, _, _) in enumerate(BROKEN.values()):
        decks += [bad, good(number)]
    results = pool.run(decks)
    for number, result in enumerate(results[1::2]):
        assert works(result, number), (list(BROKEN)[number], result)
    return dict(zip(BROKEN, results[::2], strict=True))


# What ngspice 39 solves (a resistor without a value has 1 mOhm there), or says in other words.
NOT_IN_39 = {"line cut short", "current into a capacitor", "analysis"}


@pytest.mark.parametrize("name", BROKEN)
def test_what_fails_says_why(broken: dict[str, Result], name: str, pool: SimulatorPool) -> None:
    _, kind, cause = BROKEN[name]
    result = broken[name]
    if pool.simulator.version < 42 and name in NOT_IN_39:
        pytest.skip("ngspice 39 does otherwise")
    assert result.failure is not None
    assert result.failure.kind is kind, result.failure
    assert cause.lower() in result.failure.line.lower()
    assert not result.ok and result.signals == {}


def test_an_isolated_process_judges_alike(broken: dict[str, Result], pool: SimulatorPool) -> None:
    with SimulatorPool(2, backend="isolated", use_cache=False, simulator=pool.simulator) as isolated:
        names = ["parameter", "one saved node", "all saved nodes", "current into a capacitor", "line cut short"]
        for name, result in zip(names, isolated.run([BROKEN[name][0] for name in names]), strict=True):
            assert result.failure == broken[name].failure


def test_deck_and_log_are_kept(broken: dict[str, Result], own_cache: Path, pool: SimulatorPool) -> None:
    for name, result in broken.items():
        if result.ok:  # the other version of ngspice, see above
            continue
        assert result.deck_file is not None
        path = Path(result.deck_file)
        assert path.is_relative_to(own_cache) and result.key in path.parts
        assert path.read_text() == BROKEN[name][0].text(klu=pool.simulator.klu)
        log = (path.parent / "log.txt").read_text()  # of the last run of this deck, by whatever backend
        assert log.startswith("--- as written\n") and len(log) > 30


def test_many_poisoned_libraries_in_a_row(pool: SimulatorPool) -> None:
    """An undefined parameter makes the library ask to be unloaded: each needs a worker of its own."""
    decks = [each for n in range(6) for each in (deck(f"r1 a 0 {{zz{n}}}"), good(n))]
    results = pool.run(decks)
    for n in range(6):
        failure = results[2 * n].failure
        assert failure is not None and failure.line == f"Undefined parameter [zz{n}]"
        assert works(results[2 * n + 1], n)


def test_a_run_without_convergence_climbs_the_whole_ladder(broken: dict[str, Result]) -> None:
    result = broken["no solution"]
    assert result.attempts == tuple(name for name, _ in RUNGS)
    for name in result.attempts:
        assert f"--- {name}\n" in result.log
    assert broken["parameter"].attempts == ("as written",)


def test_the_ladder_rescues_a_transient(pool: SimulatorPool) -> None:
    # A voltage that jumps over a capacitor: the trapezoidal rule's current then alternates for ever, Gear's settles.
    rescued = pool.run([deck("bs b 0 v=time>10n ? 1 : 0\nc1 b 0 1p", ".tran 1n 20n uic", ("v(b)",))])[0]
    if pool.simulator.version != 46 and rescued.attempts == ("as written",):
        pytest.skip(f"ngspice {pool.simulator.version} needs no rescue here")
    assert rescued.ok and rescued.attempts == ("as written", "gear")
    assert "--- as written" in rescued.log and "Timestep too small" in rescued.log and "--- gear" in rescued.log
    np.testing.assert_array_equal(rescued["v(b)"], np.where(rescued["time"] > 10e-9, 1.0, 0.0))


ENDLESS = deck("r1 a 0 1k", ".tran 1f 1 0 1f uic")


def test_a_deck_that_takes_too_long_is_killed(pool: SimulatorPool) -> None:
    with SimulatorPool(2, timeout=3.0, use_cache=False, simulator=pool.simulator) as short:
        assert works(short.run([good()])[0])
        started = time.monotonic()
        results = short.run([ENDLESS, good(1), good(2)])
        elapsed = time.monotonic() - started
        assert results[0].failure is not None and results[0].failure.kind is K.TIMEOUT
        assert "3 s" in results[0].failure.line
        assert Path(str(results[0].deck_file)).is_file()
        assert works(results[1], 1) and works(results[2], 2)
        assert 2.9 < elapsed < 6.0  # pebble looks every 0.1 s; a busy machine takes its time to end a process
        assert works(short.run([good(3)])[0], 3)


def test_an_isolated_deck_that_takes_too_long_is_killed(pool: SimulatorPool) -> None:
    with SimulatorPool(1, backend="isolated", timeout=2.0, use_cache=False, simulator=pool.simulator) as isolated:
        started = time.monotonic()
        result = isolated.run([ENDLESS])[0]
        assert result.failure is not None and result.failure.kind is K.TIMEOUT
        assert time.monotonic() - started < 6.0


def children() -> set[int]:
    return {int(child.pid) for child in multiprocessing.active_children() if child.pid}


@pytest.fixture
def one_worker(pool: SimulatorPool) -> Iterator[tuple[SimulatorPool, int]]:
    """A pool of one worker, and the worker's process."""
    before = children()
    with SimulatorPool(1, use_cache=False, simulator=pool.simulator, timeout=60) as single:
        assert works(single.run([good()])[0])
        (worker,) = children() - before
        yield single, worker


def test_a_worker_killed_in_mid_run_costs_its_deck_alone(one_worker: tuple[SimulatorPool, int]) -> None:
    single, worker = one_worker
    killer = threading.Timer(1.0, os.kill, (worker, signal.SIGKILL))
    killer.start()
    results = single.run([ENDLESS, good(1), good(2)])
    killer.join()
    assert results[0].failure is not None and results[0].failure.kind is K.CRASH
    assert "the worker died (status -9)" in results[0].failure.line
    assert works(results[1], 1) and works(results[2], 2)


def test_a_worker_killed_while_idle_costs_nothing(one_worker: tuple[SimulatorPool, int]) -> None:
    single, worker = one_worker
    os.kill(worker, signal.SIGKILL)
    assert all(works(result, n) for n, result in enumerate(single.run([good(n) for n in range(3)])))
    time.sleep(0.5)
    assert works(single.run([good(4)])[0], 4)


def test_workers_are_renewed(pool: SimulatorPool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cosim.spice.pool.DECKS_PER_WORKER", 2)
    with SimulatorPool(1, use_cache=False, simulator=pool.simulator) as single:
        assert all(works(result, n) for n, result in enumerate(single.run([good(n) for n in range(5)])))


def test_an_interrupt_ends_the_workers(pool: SimulatorPool) -> None:
    class Impatient(SimulatorPool):
        def _keep(self, deck: Deck, result: Result) -> Result:
            raise KeyboardInterrupt

    before = children()
    with Impatient(1, use_cache=False, simulator=pool.simulator) as impatient:
        with pytest.raises(KeyboardInterrupt):
            impatient.run([good(), ENDLESS])
        assert children() <= before


SCRIPT = """
from cosim.spice import Deck, simulate
print(simulate([Deck("divider", "v1 a 0 1\\nr1 a 0 1k", (".op",), ("v(a)",))])[0]["v(a)"])
"""


def test_a_script_without_its_main_guard_is_told(tmp_path: Path) -> None:
    (tmp_path / "plain.py").write_text(SCRIPT)
    guarded = SCRIPT.replace("print", "if __name__ == '__main__':\n    print")
    (tmp_path / "guarded.py").write_text(guarded)
    done = [
        subprocess.run([sys.executable, str(tmp_path / name)], capture_output=True, text=True, check=False)
        for name in ("plain.py", "guarded.py")
    ]
    assert "under `if __name__ == '__main__':`" in done[0].stderr
    assert done[0].stderr.count("Traceback") == 1
    assert done[1].stdout.strip() == "[1.]"


def test_a_library_that_cannot_be_loaded_is_a_failure_of_each_deck(pool: SimulatorPool, tmp_path: Path) -> None:
    (tmp_path / "libngspice.so").write_bytes(b"not a library")
    simulator = replace(pool.simulator, library=tmp_path / "libngspice.so", program=None)
    with SimulatorPool(1, use_cache=False, simulator=simulator) as lost:
        result = lost.run([good()])[0]
    assert result.failure is not None and result.failure.kind is K.CRASH
    assert "libngspice.so" in result.failure.line


def test_decks_with_included_files_are_refused() -> None:
    for line in (".include models.cir", "  .INC 'a.cir'", ".lib /pdk/all.lib tt"):
        with pytest.raises(CosimError, match="must hold all its text"):
            Deck("reads a file", f"v1 a 0 1\n{line}\nr1 a 0 1", (".op",), ("v(a)",))
    Deck("a section of a library", ".lib tt\n.model d d\n.endl tt\nv1 a 0 1", (".op",), ("v(a)",))
