"""The same study in this process, in worker processes and on Dask: the same to the last bit, whoever dies meanwhile."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from cosim.errors import CosimError
from cosim.studies import workplaces
from cosim.studies.evaluation import Job, Outcome
from cosim.studies.execution import begin, run_study
from cosim.studies.specification import Specification, load_specification
from cosim.studies.store import StudyFolder, read_folder
from cosim.studies.workplaces import InProcess, ProcessPool, Workplace, open_workplace

pytestmark = pytest.mark.filterwarnings("ignore::cosim.blocks.domain.OutsideDomainWarning")

Write = Callable[..., Path]


def ran(specification: Specification, path: Path, workplace: Workplace) -> list[str]:
    try:
        return run_study(begin(specification, path, workplace))
    finally:
        workplace.close()


def assert_same(one: Path, other: Path, keys: list[str]) -> None:
    for key in keys:
        a, b = StudyFolder(one, {}).outcome(key), StudyFolder(other, {}).outcome(key)
        np.testing.assert_array_equal(a.scores, b.scores)
        np.testing.assert_array_equal(a.losses, b.losses)
        assert a.measures == b.measures and a.failure == b.failure is None


def children(parent: int) -> list[int]:
    """Process numbers of a process's children."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text()
                command = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if int(stat.rpartition(")")[2].split()[1]) == parent and b"resource_tracker" not in command:
                found.append(int(entry.name))
    return found


class Killing(ProcessPool):
    """Kills a worker with a point in hand, once, after the first point."""

    killed = 0

    def ended(self, patience: float) -> Iterator[Outcome]:
        for outcome in super().ended(patience):
            if not self.killed and self._jobs:
                workers = children(os.getpid())
                self.killed = workers[0]
                os.kill(self.killed, signal.SIGKILL)
            yield outcome


def test_a_worker_that_is_killed_costs_its_point_alone(study_file: Write, tmp_path: Path) -> None:
    study = load_specification(study_file())
    keys = ran(study, tmp_path / "here", InProcess())
    pool = Killing(1)
    assert ran(study, tmp_path / "pool", pool) == keys
    assert pool.killed
    assert_same(tmp_path / "here", tmp_path / "pool", keys)


def _die(job: Job) -> Outcome:
    os._exit(9)


@pytest.mark.slow
def test_a_point_that_kills_every_worker_is_given_up_as_failed(
    study_file: Write, small: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workplaces, "_attempt", _die)
    text = small.replace("[4, 5]", "[4]").replace('["0 %", "2 %"]', '["2 %"]')
    keys = ran(load_specification(study_file(text)), tmp_path / "r", ProcessPool(1))
    failure = StudyFolder(tmp_path / "r", {}).outcome(keys[0]).failure
    assert failure is not None and "3 workers died on this point" in failure


def test_a_scheduler_that_is_none_is_told() -> None:
    pytest.importorskip("distributed")
    with pytest.raises(CosimError, match="no such scheduler"):
        open_workplace(scheduler="somewhere")


@pytest.mark.slow
def test_serial_two_processes_and_dask_with_a_killed_worker_give_the_same(study_file: Write, tmp_path: Path) -> None:
    pytest.importorskip("distributed")
    from distributed import Client

    study = load_specification(study_file())
    keys = ran(study, tmp_path / "serial", InProcess())
    assert ran(study, tmp_path / "two", ProcessPool(2)) == keys
    cluster = open_workplace(scheduler="local:2")
    client: Client = cluster._client  # type: ignore[attr-defined]
    honest, killed = cluster.ended, []

    def killing(patience: float) -> Iterator[Outcome]:
        for outcome in honest(patience):
            if not killed:
                address, pid = next(iter(client.run(os.getpid).items()))
                os.kill(pid, signal.SIGKILL)
                killed.append(address)
            yield outcome

    cluster.ended = killing  # type: ignore[method-assign]
    assert ran(study, tmp_path / "dask", cluster) == keys
    assert killed
    assert_same(tmp_path / "serial", tmp_path / "two", keys)
    assert_same(tmp_path / "serial", tmp_path / "dask", keys)


@pytest.mark.slow
def test_a_dask_scheduler_by_its_address_gives_the_same(study_file: Write, tmp_path: Path) -> None:
    pytest.importorskip("distributed")
    from distributed import LocalCluster

    study = load_specification(study_file())
    keys = ran(study, tmp_path / "serial", InProcess())
    with LocalCluster(n_workers=1, threads_per_worker=2, dashboard_address=None) as cluster:
        place = open_workplace(scheduler=cluster.scheduler_address)
        assert ran(study, tmp_path / "dask", place) == keys
    assert_same(tmp_path / "serial", tmp_path / "dask", keys)


MANY = """
schema = "cosim.study/1"
chips = 2
test_samples = 20

[sweep]
method = "grid"

[sweep.over]
"tile.adc.bits" = [4, 5]
"tile.adc.v_read" = ["0.20 V", "0.21 V", "0.22 V", "0.23 V", "0.24 V", "0.25 V"]
device.read_noise = ["0 %", "0.5 %", "1 %", "2 %"]
"""


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_kill_9_at_random_moments_loses_doubles_and_spoils_nothing(study_file: Write, tmp_path: Path) -> None:
    """The whole run is killed at 20 random moments; each time what was finished stays as it is, to the byte."""
    study = load_specification(study_file(MANY))
    path, moments = tmp_path / "killed", random.Random(5)
    keys = ran(study, tmp_path / "whole", ProcessPool(2))
    command = [sys.executable, "-m", "cosim.cli", "study", "run", str(study.path), "-o", str(path), "--workers", "1"]
    before: dict[str, bytes] = {}
    for kill in range(20):
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as run:
            # From the first moments of its start to well within the points.
            deadline = time.monotonic() + (moments.uniform(0.5, 6.0) if kill % 4 == 0 else 120.0)
            wanted = len(before) + moments.randint(1, 3)
            while time.monotonic() < deadline and run.poll() is None:
                if len(_points(path)) >= wanted:
                    time.sleep(moments.uniform(0.0, 0.5))
                    break
                time.sleep(0.005)
            run.kill()
        after = {name: (path / "points" / name).read_bytes() for name in _points(path)}
        assert all(after[name] == content for name, content in before.items()), "a finished point changed"
        folder = read_folder(path) if (path / "manifest.json").exists() else None
        for name in after:
            assert folder is not None
            assert folder.outcome(name.removesuffix(".safetensors")).failure is None
        before = after
    assert ran(study, path, ProcessPool(2)) == keys
    assert len(_points(path)) == len(keys) == 48
    assert all((path / "points" / name).read_bytes() == content for name, content in before.items())
    assert_same(tmp_path / "whole", path, keys)


def _points(path: Path) -> list[str]:
    place = path / "points"
    return [name for name in os.listdir(place) if not name.startswith(".")] if place.exists() else []


@pytest.mark.slow
def test_two_processes_in_one_folder_share_the_work(study_file: Write, tmp_path: Path) -> None:
    study = load_specification(study_file(MANY))
    path = tmp_path / "shared"
    command = [
        sys.executable,
        "-m",
        "cosim.cli",
        "study",
        "run",
        str(study.path),
        "-o",
        str(path),
        "--workers",
        "0",
        "--json",
    ]
    runs = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    told = []
    for run in runs:
        out, err = run.communicate(timeout=250)
        assert run.returncode == 0, err
        told.append(json.loads(out))
    assert sum(each["done"] for each in told) == 48 and min(each["done"] for each in told) > 0
    assert len(_points(path)) == 48


@pytest.mark.slow
def test_an_interrupt_of_the_keyboard_leaves_what_is_finished(study_file: Write, tmp_path: Path) -> None:
    study, path = load_specification(study_file(MANY)), tmp_path / "r"
    command = [sys.executable, "-m", "cosim.cli", "study", "run", str(study.path), "-o", str(path), "--workers", "2"]
    run = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)
    deadline = time.monotonic() + 120
    while len(_points(path)) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    os.killpg(run.pid, signal.SIGINT)  # as a terminal does: to the workers as well
    _, said = run.communicate(timeout=60)
    assert run.returncode == 130
    finished = _points(path)
    assert f"stopped: {len(finished)} points are finished and kept" in said and "Traceback" not in said
    folder = read_folder(path)
    assert all(folder.outcome(name.removesuffix(".safetensors")).failure is None for name in finished)
    assert sorted(os.listdir(path / "points")) == sorted(finished)  # no half file
