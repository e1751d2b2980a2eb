"""A data set does not depend on how many workers made it, nor on how often its run was interrupted."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from cosim.blocks import crossbar
from cosim.blocks.dataset import deck_hashes
from cosim.spice import Deck, SimulatorPool

SMALL = crossbar.Config(rows=8, columns=8)


def characterised(pool: SimulatorPool) -> xr.Dataset:
    """A small data set; only what tells when and how fast it was made is left out."""
    data = crossbar.characterise(SMALL, measurements=("currents",), arrays=4, vectors=4, pool=pool, show_progress=False)
    assert (data["status"] == 0).all()
    assert (data["simulation_time"] > 0).all()
    del data.attrs["created"]
    return data.drop_vars("simulation_time")


def test_data_sets_are_bit_identical_whoever_makes_them(pool: SimulatorPool, dask_pool: SimulatorPool) -> None:
    with SimulatorPool(1, use_cache=False) as serial:
        expected = characterised(serial)
    assert expected["current"].dtype == np.float64 and np.isfinite(expected["current"].values).all()
    xr.testing.assert_identical(expected, characterised(pool))
    xr.testing.assert_identical(expected, characterised(dask_pool))


SCRIPT = """
from cosim.blocks import crossbar
from cosim.spice import SimulatorPool

if __name__ == "__main__":
    with SimulatorPool(2) as pool:
        crossbar.characterise(
            crossbar.Config(rows=24, columns=24),
            measurements=("currents",), arrays=6, vectors=30, pool=pool, show_progress=False,
        )
"""


def larger(pool: SimulatorPool) -> xr.Dataset:
    """What the script makes."""
    return crossbar.characterise(
        crossbar.Config(rows=24, columns=24),
        measurements=("currents",), arrays=6, vectors=30, pool=pool, show_progress=False,
    )  # fmt: skip


class CountingPool(SimulatorPool):
    """Counts what is sent to a worker."""

    sent = 0

    def _schedule(self, deck: Deck, key: str):  # type: ignore[no-untyped-def]
        self.sent += 1
        return super()._schedule(deck, key)


def running(parent: int) -> set[int]:
    """Processes whose parent was `parent` at some time: they keep its group."""
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[2]) == parent and fields[0] != "Z":
                found.add(int(entry.name))
    return found


@pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="needs /proc")
def test_a_killed_run_resumes_from_what_it_had_simulated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pool: SimulatorPool
) -> None:
    script = tmp_path / "characterise.py"
    script.write_text(SCRIPT)
    results = tmp_path / "cache" / "spice" / "results"
    monkeypatch.setenv("COSIM_CACHE", str(tmp_path / "cache"))
    run = subprocess.Popen([sys.executable, str(script)], start_new_session=True)
    try:
        while len(list(results.rglob("*.npz"))) < 3:
            assert run.poll() is None, "the run ended before it could be killed"
            time.sleep(0.01)
        os.kill(run.pid, signal.SIGKILL)
        run.wait()
        kept = len(list(results.rglob("*.npz")))
        end = time.monotonic() + 30
        while running(run.pid):  # its workers do not go on for ever
            assert time.monotonic() < end, running(run.pid)
            time.sleep(0.1)
        with CountingPool(2) as second:
            resumed = larger(second)
            assert second.sent == len(deck_hashes(resumed)) - kept > 0
    finally:
        run.kill()
        run.wait()
    whole = larger(pool)
    for data in (resumed, whole):
        del data.attrs["created"]
    xr.testing.assert_identical(*(data.drop_vars("simulation_time") for data in (resumed, whole)))


ORPHAN = """
from cosim.spice import Deck, SimulatorPool

if __name__ == "__main__":
    with SimulatorPool(1, use_cache=False) as pool:
        pool.run([Deck("endless", "r1 a 0 1k", (".tran 1f 1 0 1f uic",), ("v(a)",))])
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="needs /proc")
def test_a_worker_whose_parent_was_killed_ends_in_the_middle_of_its_deck(tmp_path: Path) -> None:
    script = tmp_path / "endless.py"
    script.write_text(ORPHAN)
    run = subprocess.Popen([sys.executable, str(script)], start_new_session=True)
    end = time.monotonic() + 60
    try:
        while sum(at_work(pid) for pid in running(run.pid)) < 1:
            assert time.monotonic() < end and run.poll() is None
            time.sleep(0.1)
        os.kill(run.pid, signal.SIGKILL)
        run.wait()
        while running(run.pid):
            assert time.monotonic() < end, running(run.pid)
            time.sleep(0.1)
    finally:
        for pid in running(run.pid):
            os.kill(pid, signal.SIGKILL)
        run.wait()


def at_work(pid: int) -> bool:
    """The process has ngspice loaded."""
    try:
        return "libngspice" in Path(f"/proc/{pid}/maps").read_text()
    except OSError:
        return False
