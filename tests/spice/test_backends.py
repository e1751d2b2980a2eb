"""The same deck gives the same numbers whichever way it is run."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cosim.errors import CosimError
from cosim.process import load_process
from cosim.spice import Deck, Result, SimulatorPool, Tolerances

BSIM = load_process("generic180").text("TT")


def decks() -> list[Deck]:
    """An operating point, a sweep, a transient, and a circuit with transistors in a feedback."""
    diodes = "v1 in 0 0\nr1 in a 1k\nd1 a b dd\nd2 b 0 dd\n.model dd d is=1e-14 n=1.2 cjo=1p"
    switched = "v1 in 0 pulse(0 1 10n 1n 1n 40n 100n)\nr1 in out 1k\nc1 out 0 10p\nd1 out 0 dd\n.model dd d is=1e-14"
    ring = [BSIM, "vdd vdd 0 1.8"]
    for stage in range(5):
        out, into = stage, (stage - 1) % 5
        ring.append(f"mp{stage} n{out} n{into} vdd vdd pch w=2u l=0.18u\nmn{stage} n{out} n{into} 0 0 nch w=1u l=0.18u")
        ring.append(f"c{stage} n{out} 0 5f ic={1.8 * (stage % 2)}")
    return [
        Deck("divider", "v1 in 0 1\nr1 in mid 1k\nr2 mid 0 3k", (".op",), ("v(mid)", "i(v1)")),
        Deck("diodes", diodes, (".dc v1 0 3 0.1",), ("v(a)", "v(b)")),
        Deck("pulse", switched, (".tran 1n 200n",), ("v(out)",), Tolerances(), (5e-9, 20e-9, 60e-9, 150e-9)),
        Deck("ring oscillator", "\n".join(ring), (".tran 5p 3.5n uic",), ("v(n0)", "v(n3)", "i(vdd)")),
    ]


def assert_same(one: Result, other: Result, rtol: float = 0.0, atol: float = 0.0) -> None:
    assert one.failure is None and other.failure is None, (one.failure, other.failure, one.log, other.log)
    assert set(one.signals) == set(other.signals)
    for name, values in one.signals.items():
        if rtol or atol:
            np.testing.assert_allclose(other[name], values, rtol=rtol, atol=atol, err_msg=name)
        else:
            np.testing.assert_array_equal(other[name], values, err_msg=name)


def test_a_session_and_isolated_processes_agree_bit_for_bit(pool: SimulatorPool) -> None:
    by_library = replace(pool.simulator, program=None)
    with SimulatorPool(2, backend="isolated", use_cache=False, simulator=by_library) as isolated:
        for one, other in zip(pool.run(decks()), isolated.run(decks()), strict=True):
            assert_same(one, other)
            assert one.key == other.key


def test_what_ran_before_does_not_matter(pool: SimulatorPool) -> None:
    forwards, backwards = pool.run(decks()), pool.run(decks()[::-1])[::-1]
    for one, other in zip(forwards, backwards, strict=True):
        assert_same(one, other)


def test_one_worker_and_two_agree_bit_for_bit(pool: SimulatorPool) -> None:
    varied = [replace(each, circuit=f"{each.circuit}\nrx x 0 {n + 1}\nvx x 0 1") for n in range(4) for each in decks()]
    with SimulatorPool(1, use_cache=False) as serial:
        for one, other in zip(serial.run(varied), pool.run(varied), strict=True):
            assert_same(one, other)


def test_the_program_agrees_with_the_library(pool: SimulatorPool) -> None:
    simulator = pool.simulator
    if simulator.program is None:
        pytest.skip("the ngspice program is not on the PATH")
    if simulator.program_version != simulator.version:
        pytest.skip(f"the program is ngspice {simulator.program_version}, the library {simulator.version}")
    with SimulatorPool(2, backend="isolated", use_cache=False) as isolated:
        # Another build of the same version may round differently, which a Newton step turns into reltol at most.
        parameters = Deck("parameters", decks()[1].circuit, (".dc v1 0 1 0.5",), ("@d1[id]", "v(a)", "i(v1)"))
        few = [*decks()[:3], parameters]
        for one, other in zip(pool.run(few), isolated.run(few), strict=True):
            assert_same(one, other, rtol=2e-5, atol=1e-8)


def test_klu_and_sparse_agree(pool: SimulatorPool) -> None:
    if not pool.simulator.klu:
        pytest.skip("this ngspice has no KLU")
    with SimulatorPool(1, use_cache=False, simulator=replace(pool.simulator, klu=False)) as sparse:
        results = sparse.run(decks())
        assert "SPARSE" in results[0].log.upper() and "KLU" not in results[0].log
        for one, other in zip(pool.run(decks())[:3], results[:3], strict=True):
            assert "KLU" in one.log
            assert one.key != other.key
            assert_same(one, other, rtol=2e-5, atol=1e-8)  # reltol of the Newton iteration; linear parts are closer
        # Two solvers round differently and choose other time steps: the ring's period is what must agree.
        periods = [period(each) for each in (pool.run(decks()[3:])[0], results[3])]
        assert periods[0] == pytest.approx(periods[1], rel=1e-3)


def period(result: Result) -> float:
    """Mean period of v(n0) [s], from its rising crossings of 0.9 V, the first left out."""
    time, v = result["time"], result["v(n0)"]
    at = np.flatnonzero((v[:-1] < 0.9) & (v[1:] >= 0.9))
    crossings = time[at] + (0.9 - v[at]) / (v[at + 1] - v[at]) * (time[at + 1] - time[at])
    assert len(crossings) > 4
    return float(np.diff(crossings[1:]).mean())


def test_a_backend_that_does_not_exist() -> None:
    with pytest.raises(CosimError, match=r"value 'sesion'.*Allowed: session, isolated"):
        SimulatorPool(1, backend="sesion")


SETTINGS = """
import contextlib
import sys
from cosim.spice import Deck, probe, session

if sys.argv[1] == "no":
    session._without_user_settings = contextlib.nullcontext
deck = Deck("divider", "v1 a 0 1\\nr1 a b 1k\\nr2 b 0 1k", (".op",), ("v(b)",))
print(session.open_session(probe().library).run_deck(deck, klu=False).log)
"""


def test_settings_of_the_user_do_not_matter(
    pool: SimulatorPool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, work = tmp_path / "home", tmp_path / "work"
    for folder in (home, work):
        folder.mkdir()
        (folder / ".spiceinit").write_text("set ngbehavior=ps\noption reltol=0.1 gmin=1e-3 temp=100\n")
        monkeypatch.chdir(folder)
    monkeypatch.setenv("HOME", str(home))
    # The control: without the cure the file is read.
    for cured, says in (("yes", "No compatibility mode selected!"), ("no", "Compatibility modes selected: ps")):
        command = [sys.executable, "-c", SETTINGS, cured]
        assert says in subprocess.run(command, capture_output=True, text=True, check=True).stdout
    expected = pool.run(decks())
    by_library = replace(pool.simulator, program=None)
    for backend in ("session", "isolated"):
        with SimulatorPool(1, backend=backend, use_cache=False, simulator=by_library) as own:
            for one, other in zip(expected, own.run(decks()), strict=True):
                assert "No compatibility mode selected!" in other.log
                assert_same(one, other)


TWICE = """
import sys
from pathlib import Path
from cosim.spice import Deck, probe
from cosim.spice.session import Session, open_session

library = probe().library
session = open_session(library)
assert open_session(library) is session
for make in (Session, lambda: open_session(Path("/another/libngspice.so"))):
    try:
        make()
    except Exception as error:
        print(type(error).__name__)
deck = Deck("divider", "v1 a 0 1\\nr1 a b 1k\\nr2 b 0 1k", (".op",), ("v(b)",))
print(session.run_deck(deck, klu=False)["v(b)"][0])
"""


def test_a_second_session_in_a_process_is_prevented() -> None:
    done = subprocess.run([sys.executable, "-c", TWICE], capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["CDefError", "RuntimeError", "0.5"], done.stderr


MEMORY = """
import os
import numpy as np
from cosim.spice import Deck, probe
from cosim.spice.session import open_session

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6

lines = [f"v{row} w{row}_0 0 {0.2 + 0.001 * row}" for row in range(32)]
for row in range(32):
    for column in range(32):
        lines.append(f"rw{row}_{column} w{row}_{column} w{row}_{column + 1} 2")
        lines.append(f"rc{row}_{column} w{row}_{column + 1} b{row}_{column} {1e4 + 10 * row + column}")
        lines.append(f"rb{row}_{column} b{row}_{column} b{row + 1}_{column} 2")
lines += [f"vb{column} b32_{column} 0 0" for column in range(32)]
deck = Deck("array", "\\n".join(lines), (".op",), tuple(f"i(vb{column})" for column in range(32)))
simulator = probe()
session = open_session(simulator.library)
sizes, first = [], None
for _ in range(40):
    result = session.run_deck(deck, klu=simulator.klu)
    assert result.ok, result.log
    first = first or result
    for name in result.signals:
        assert np.array_equal(result[name], first[name])
    sizes.append(resident())
print(sizes[1], sizes[-1])
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="needs /proc")
def test_memory_stays_flat_over_forty_arrays() -> None:
    done = subprocess.run([sys.executable, "-c", MEMORY], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    after_two, after_forty = (float(each) for each in done.stdout.split())
    assert after_forty - after_two < 20  # [MB]; without removing circuits each run adds 5 MB


def test_noise_of_a_resistor_is_johnsons_whichever_way_it_is_run(pool: SimulatorPool) -> None:
    deck = Deck("noise", "v1 in 0 dc 0 ac 1\nr1 in out 1k\nr2 out 0 1k\nc1 out 0 1p",
                (".noise v(out) v1 dec 10 1 1e13",), ("onoise_spectrum", "onoise_total"))  # fmt: skip
    (one,) = pool.run([deck])
    with SimulatorPool(
        1, backend="isolated", use_cache=False, simulator=replace(pool.simulator, program=None)
    ) as other:
        assert_same(one, other.run([deck])[0])
    boltzmann_t = 1.380649e-23 * 300.15
    # 500 ohm at the output; ngspice's Boltzmann constant has the digits of 2010.
    assert one["onoise_spectrum"][0] == pytest.approx(np.sqrt(4 * boltzmann_t * 500), rel=1e-5)
    # kT/C of 1 pF; ten points a decade integrate to a thousandth, the tail above 10 THz is 1e-5 of it.
    assert one["onoise_total"][0] == pytest.approx(np.sqrt(boltzmann_t / 1e-12), rel=2e-3)


def test_what_models_write_beside_their_results_stays_out_of_the_users_folder(
    pool: SimulatorPool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    odd = "v1 a 0 1\nm1 a a 0 0 nn w=1u l=0.18u\n.model nn nmos level=54 version=4.5 pdiblc2=-0.0003"
    with SimulatorPool(1, use_cache=False, simulator=pool.simulator) as own:
        assert own.run([Deck("a parameter that BSIM4 complains of", odd, (".op",), ("v(a)",))])[0].ok
        folder = Path(str(own._folder))
        assert [path.name for path in folder.iterdir()] == ["bsim4v5.out"]  # ngspice's own file
    assert not folder.exists() and not list(tmp_path.iterdir())


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="looks for processes in /proc")
def test_an_isolated_run_ends_with_the_process_that_asked_for_it(pool: SimulatorPool, tmp_path: Path) -> None:
    script = tmp_path / "asks.py"
    script.write_text(
        "from dataclasses import replace\n"
        "from cosim.spice import Deck, probe\n"
        "from cosim.spice.isolated import run_isolated\n"
        "endless = Deck('long', 'v1 a 0 sin(0 1 1g)\\nr1 a b 1k\\nc1 b 0 1p', ('.tran 1p 1 uic',), ('v(b)',),"
        " sample_at=(1e-9,))\n"
        "run_isolated(endless, replace(probe(), program=None))\n"
    )
    asking = subprocess.Popen([sys.executable, str(script)])
    try:
        child = _wait_for(lambda: _children(asking.pid), 30)[0]
        asking.kill()
    finally:
        asking.kill()
        asking.wait()
    _wait_for(lambda: not Path(f"/proc/{child}").exists() or _is_dead(child), 30)


def _children(parent: int) -> list[int]:
    found = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return [int(each) for each in found if b"answer_in" in Path(f"/proc/{each}/cmdline").read_bytes()]


def _is_dead(process: int) -> bool:
    return ") Z" in Path(f"/proc/{process}/stat").read_text()


def _wait_for(asked: Callable[[], Any], seconds: float) -> Any:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        answer = asked()
        if answer:
            return answer
        time.sleep(0.1)
    raise AssertionError("waited in vain")
