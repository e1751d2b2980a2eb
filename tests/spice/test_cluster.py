"""The same decks on a Dask cluster: same numbers, same failures, whatever happens to its workers."""

import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cosim.errors import CosimError
from cosim.spice import Deck, Result, SimulatorPool, open_pool
from cosim.spice import FailureKind as K
from cosim.spice.slurm import SlurmOptions, read_options, unsubmitted_cluster

psutil = pytest.importorskip("psutil", reason="the extra `cluster` is not installed")
pytest.importorskip("dask_jobqueue", reason="the extra `cluster` is not installed")

from cosim.spice import schedulers  # noqa: E402
from cosim.spice.cluster import ClusterPool  # noqa: E402

ENDLESS = Deck("endless", "r1 a 0 1k", (".tran 1f 1 0 1f uic",), ("v(a)",))


def good(number: int = 0) -> Deck:
    return Deck("divider", f"v1 a 0 1\nr1 a b 1k\nr2 b 0 {1 + number}k", (".op",), ("v(b)",))


def rectifier(number: int) -> Deck:
    """A transient of some tenths of a second, all of whose points are kept."""
    circuit = f"v1 a 0 sin(0 {1 + 0.1 * number} 10meg)\nr1 a b 1k\nd1 b c dd\nc1 c 0 10p\nr2 c 0 10k"
    return Deck("rectifier", f"{circuit}\n.model dd d is=1e-14 cjo=1p", (".tran 0.1n 1u",), ("v(b)", "v(c)"))


def address(pool: ClusterPool) -> str:
    return str(pool._client.scheduler.address)


def worker_pids(pool: ClusterPool) -> dict[str, int]:
    return dict(pool._client.run(os.getpid))


def assert_same(ones: list[Result], others: list[Result]) -> None:
    for one, other in zip(ones, others, strict=True):
        assert one.ok and other.ok, (one.failure, other.failure)
        assert one.key == other.key and list(one.signals) == list(other.signals)
        for name in one.signals:
            np.testing.assert_array_equal(one[name], other[name])


def test_a_worker_killed_in_mid_run_costs_nothing(dask_pool: ClusterPool, pool: SimulatorPool) -> None:
    decks = [rectifier(number) for number in range(10)]
    pids = worker_pids(dask_pool)
    seen: dict[str, object] = {}

    def kill() -> None:
        """SIGKILL to the first worker that has a child at work on a deck."""
        while "killed" not in seen:
            for place, tasks in dask_pool._client.processing().items():
                children = psutil.Process(pids[place]).children()
                if tasks and any(child.cpu_times().user > 0 for child in children):
                    seen["killed"], seen["children"] = place, children
                    os.kill(pids[place], signal.SIGKILL)
                    return
            time.sleep(0.02)

    killer = threading.Thread(target=kill)
    killer.start()
    results = dask_pool.run(decks)
    seen.setdefault("killed", None)
    killer.join()
    assert seen["killed"] is not None
    # The killed worker's ngspice does not go on without it.
    _, alive = psutil.wait_procs(seen["children"], timeout=10)
    assert not alive
    assert_same(results, pool.run(decks))
    with SimulatorPool(1, use_cache=False, simulator=pool.simulator) as serial:
        assert_same(results, serial.run(decks))
    dask_pool._client.wait_for_workers(2, timeout=120)
    assert seen["killed"] not in worker_pids(dask_pool)  # its nanny started another, under an address of its own


def test_failures_are_those_of_the_process_pool(dask_pool: ClusterPool, pool: SimulatorPool) -> None:
    """Retries, a crash's single point, the kept deck: nothing is different on a Dask worker."""
    decks = [
        good(1),
        Deck("undefined", "r1 a 0 {zz}", (".op",), ("v(a)",)),  # the library asks to be unloaded
        Deck("unsolvable", "v1 a 0 1\nv2 a 0 2", (".op",), ("v(a)",)),
        # The trapezoidal rule rings for ever here: the ladder's second rung rescues it (in ngspice 46).
        Deck("jump", "bs b 0 v=time>10n ? 1 : 0\nc1 b 0 1p", (".tran 1n 20n uic",), ("v(b)",)),
        good(2),
    ]
    for here, there in zip(pool.run(decks), dask_pool.run(decks), strict=True):
        assert here.failure == there.failure and here.attempts == there.attempts and here.key == there.key
        assert here.deck_file == there.deck_file and list(here.signals) == list(there.signals)


def test_a_deck_that_takes_too_long_is_killed(dask_pool: ClusterPool) -> None:
    with open_pool(scheduler=address(dask_pool), use_cache=False, timeout=1.5) as short:
        results = short.run([ENDLESS, good(1), good(2)])
    assert results[0].failure is not None and results[0].failure.kind is K.TIMEOUT
    assert "no answer within 1.5 s" in results[0].failure.line and Path(str(results[0].deck_file)).is_file()
    assert results[1]["v(b)"][0] == pytest.approx(2 / 3) and results[2]["v(b)"][0] == pytest.approx(3 / 4)


def test_a_child_that_is_killed_costs_its_deck_alone(dask_pool: ClusterPool) -> None:
    """As when ngspice crashes: the Dask worker lives on."""
    pids = worker_pids(dask_pool)
    outcome: list[Result] = []
    run = threading.Thread(target=lambda: outcome.extend(dask_pool.run([ENDLESS, good(1)])))
    run.start()
    first: dict[int, float] = {}
    busy = None
    while busy is None and run.is_alive():
        for child in (child for pid in pids.values() for child in psutil.Process(pid).children()):
            if not any("libngspice" in each.path for each in child.memory_maps()):
                continue  # it is only starting
            used = child.cpu_times().user
            if used > first.setdefault(child.pid, used) + 0.1:  # [s]: more than the other deck takes
                busy = child
        time.sleep(0.05)
    assert busy is not None
    busy.send_signal(signal.SIGSEGV)
    run.join(30)
    assert outcome[0].failure is not None and outcome[0].failure.kind is K.CRASH
    assert outcome[0].failure.line == "the worker died (status -11)"
    assert outcome[1].ok
    assert worker_pids(dask_pool) == pids


KILLS_ITS_WORKER = """
pid=$PPID
until tr '\\0' ' ' < /proc/$pid/cmdline | grep -q spawn_main; do pid=$(cut -d' ' -f4 /proc/$pid/stat); done
kill -9 $pid
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/cmdline"), reason="needs /proc")
@pytest.mark.slow
def test_a_deck_that_kills_its_workers_is_a_crash_and_the_others_are_not(
    dask_pool: ClusterPool, pool: SimulatorPool, tmp_path: Path
) -> None:
    (tmp_path / "kill.sh").write_text(KILLS_ITS_WORKER)
    murderer = replace(good(), circuit=good().circuit + f"\n.control\nshell sh {tmp_path}/kill.sh\n.endc")
    decks = [rectifier(0), murderer, *(rectifier(number) for number in range(1, 6))]
    results = dask_pool.run(decks)
    failure = results.pop(1).failure
    assert failure is not None and failure.kind is K.CRASH and failure.line == "each Dask worker that ran it died"
    del decks[1]
    assert_same(results, pool.run(decks))
    dask_pool._client.wait_for_workers(2, timeout=120)  # their nannies start others


def test_results_are_kept_by_the_client(
    dask_pool: ClusterPool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What Dask workers simulated, any pool of this machine finds again; and the other way round."""
    monkeypatch.setenv("COSIM_CACHE", str(tmp_path))
    decks = [good(number) for number in range(20, 24)]

    class NoWork(SimulatorPool):
        def _schedule(self, deck: Deck, key: str):  # type: ignore[no-untyped-def]
            raise AssertionError("it was not found")

    with open_pool(scheduler=address(dask_pool), timeout=60) as there:
        results = there.run(decks[:3])
    with NoWork(1) as here:
        assert_same(results, here.run(decks[:3]))
    with SimulatorPool(1) as here:
        expected = here.run(decks[3:])
    with open_pool(scheduler=address(dask_pool), timeout=60) as there:
        monkeypatch.setattr(there, "_submit", None)
        assert_same(expected, there.run(decks[3:]))


def test_a_worker_with_another_ngspice_is_refused(dask_pool: ClusterPool, monkeypatch: pytest.MonkeyPatch) -> None:
    own = dask_pool.simulator
    for other in (replace(own, version_text="39"), replace(own, klu=not own.klu)):
        monkeypatch.setattr(schedulers, "probe", lambda other=other: other)
        here = rf"this run is one of ngspice {other.version_text}, {other.solver}"
        expected = rf"the Dask worker tcp://\S+ has ngspice {own.version_text}, {own.solver}.*{here}"
        with pytest.raises(CosimError, match=expected):
            open_pool(scheduler=address(dask_pool))
        # One that joins when the run has begun is found out by its first deck.
        late = ClusterPool(_client(dask_pool), "here", use_cache=False, simulator=other)
        with late, pytest.raises(CosimError, match=expected):
            late.run([good(1), good(2)])


def test_a_worker_that_writes_a_deck_otherwise_is_refused(
    dask_pool: ClusterPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cosim.spice.deck.DECK_FORMAT", "cosim.deck/0")  # of another cosim, on this side
    with pytest.raises(CosimError, match=r"writes this deck otherwise than here"):
        dask_pool.run([good(1)])


def _client(pool: ClusterPool):  # type: ignore[no-untyped-def]
    from distributed import Client

    return Client(address(pool), set_as_default=False)


def test_a_scheduler_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schedulers, "ANSWERS_WITHIN", 1.0)
    with pytest.raises(CosimError, match=r"key 'scheduler': value 'tcp://127.0.0.1:9': no Dask scheduler answers here"):
        open_pool(scheduler="tcp://127.0.0.1:9")


@pytest.mark.parametrize(
    "wrong", ["tcp:", "tcp://", "http://a:1", "local:0", "local:two", "local", "slurm:", "", "pbs"]
)
def test_a_scheduler_that_does_not_exist(wrong: str) -> None:
    with pytest.raises(CosimError, match=r"key 'scheduler'.*Allowed: tcp://HOST:PORT, .*slurm:FILE.toml"):
        open_pool(scheduler=wrong)


@pytest.mark.parametrize("workers", [0, -1])
def test_no_workers(workers: int) -> None:
    with pytest.raises(CosimError, match=r"key 'workers'.*at least one"):
        open_pool(workers, scheduler="tcp://127.0.0.1:9")


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(CosimError, match=r"Dask is not installed \(distributed\); type: pip install cosim\[cluster\]"):
        open_pool(scheduler="local:2")
    monkeypatch.setitem(sys.modules, "dask_jobqueue", None)
    with pytest.raises(CosimError, match=r"dask-jobqueue is not installed .*; type: pip install cosim\[cluster\]"):
        unsubmitted_cluster(SlurmOptions(memory="4 GB"))


def test_without_a_scheduler_it_is_the_process_pool(own_cache: Path) -> None:
    with open_pool(1, use_cache=False, timeout=7.0) as pool:
        assert type(pool) is SimulatorPool and (pool.workers, pool.timeout, pool.use_cache) == (1, 7.0, False)


# ---- SLURM -----------------------------------------------------------------------------------------------------------

OPTIONS = """
queue = "batch"
account = "chips"
cores = 4
memory = "9 GB"
walltime = "90 min"
jobs = 3
python = "/opt/cosim/bin/python"
prologue = ["module load ngspice"]
directives = ["--exclusive"]
"""


def test_the_job_script_asks_slurm_for_what_the_file_says(tmp_path: Path) -> None:
    (tmp_path / "slurm.toml").write_text(OPTIONS)
    with unsubmitted_cluster(read_options(tmp_path / "slurm.toml")) as cluster:
        script = cluster.job_script()
        place = cluster.scheduler_address
    lines = script.splitlines()
    assert lines[0] == "#!/usr/bin/env bash"
    for wanted in ("-p batch", "-A chips", "-n 1", "--cpus-per-task=4", "-t 01:30:00", "--exclusive", "--mem=9G"):
        assert f"#SBATCH {wanted}" in lines  # SLURM's G is 2^30: 9 GB rounded up
    start = next(line for line in lines if "dask_worker" in line)
    assert lines.index("module load ngspice") < lines.index(start)
    assert start.startswith(f"/opt/cosim/bin/python -m distributed.cli.dask_worker {place} ")
    assert "--nthreads 4" in start and "--nanny" in start  # one deck a thread, each in a child of its own


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('memory = "9"', "key 'memory'.*unit is missing"),
        ("memory = 9", "key 'memory'"),
        ('memory = "0 GB"', "key 'memory'.*out of range.*above 0"),
        ('memory = "9 GB"\nwalltime = "2 V"', "key 'walltime'.*another dimension"),
        ('memory = "9 GB"\ncores = 0', "key 'cores'.*at least 1"),
        ('memory = "9 GB"\nque = "x"', "key 'que'.*Did you mean 'queue'"),
        ('queue = "x"', "key 'memory'.*required"),
    ],
)
def test_slurm_options_that_are_wrong(tmp_path: Path, line: str, expected: str) -> None:
    (tmp_path / "slurm.toml").write_text(line + "\n")
    with pytest.raises(CosimError, match=rf"slurm.toml.*{expected}"):
        open_pool(scheduler=f"slurm:{tmp_path / 'slurm.toml'}")


def test_plain_slurm_takes_dasks_configuration(own_cache: Path) -> None:
    import dask

    with pytest.raises(CosimError, match=r"key 'jobqueue.slurm.cores'.*slurm:FILE.toml"):
        unsubmitted_cluster(None)
    own = {"jobqueue.slurm.cores": 2, "jobqueue.slurm.memory": "3 GB", "jobqueue.slurm.queue": "long"}
    with dask.config.set(own), unsubmitted_cluster(None) as cluster:
        assert "#SBATCH -p long" in cluster.job_script()


def test_where_no_jobs_can_be_submitted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "slurm.toml").write_text(OPTIONS)
    with pytest.raises(CosimError, match="there is no `sbatch` here"):
        open_pool(scheduler=f"slurm:{tmp_path / 'slurm.toml'}")


SBATCH = """#!/bin/sh
# A queue without other jobs: starts the script at once.
folder=$(dirname "$0")
cp "$1" "$folder/script.$$"
setsid bash "$folder/script.$$" > "$folder/log.$$" 2>&1 < /dev/null &
echo $! > "$folder/job.$$"
echo "Submitted batch job $$"
"""
SCANCEL = """#!/bin/sh
for job in "$@"; do kill -TERM -- -$(cat "$(dirname "$0")/job.$job"); done
"""


def alive(group: int) -> bool:
    """The process group has a process."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.slow
def test_jobs_of_a_queue_work_and_lost_ones_are_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pool: SimulatorPool
) -> None:
    """The real job script, Dask workers and ngspice; in SLURM's place some lines of shell start and end the jobs."""
    for name, text in (("sbatch", SBATCH), ("scancel", SCANCEL)):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    (tmp_path / "slurm.toml").write_text('cores = 2\nmemory = "2 GB"\nwalltime = "5 min"\n')
    decks = [rectifier(number) for number in range(8)]
    with open_pool(scheduler=f"slurm:{tmp_path / 'slurm.toml'}", use_cache=False) as jobs:
        assert jobs.run([good()])[0].ok
        (first,) = tmp_path.glob("job.*")
        os.killpg(int(first.read_text()), signal.SIGKILL)
        assert_same(jobs.run(decks), pool.run(decks))
        groups = {int(path.read_text()) for path in tmp_path.glob("job.*")}
        assert len(groups) >= 2
    end = time.monotonic() + 60
    while any(alive(group) for group in groups):
        assert time.monotonic() < end
        time.sleep(0.2)


@pytest.mark.slow
def test_a_scheduler_that_is_lost_in_mid_run_ends_it_with_one_error(pool: SimulatorPool) -> None:
    dask = [
        sys.executable,
        "-m",
        "distributed.cli.dask_scheduler",
        "--host",
        "127.0.0.1",
        "--port",
        "0",
        "--no-dashboard",
    ]
    scheduler = subprocess.Popen(dask, stderr=subprocess.PIPE, text=True)
    assert scheduler.stderr is not None
    place = next(line.split()[-1] for line in scheduler.stderr if "Scheduler at:" in line)
    dask = [sys.executable, "-m", "distributed.cli.dask_worker", place, "--nthreads", "2", "--no-dashboard"]
    worker = subprocess.Popen(dask, stderr=subprocess.DEVNULL)
    try:
        with open_pool(scheduler=place, use_cache=False, timeout=60) as there:
            assert there.run([good()])[0].ok
            assert there.workers == 2
            killer = threading.Timer(1.0, scheduler.kill)
            killer.start()
            with pytest.raises(CosimError, match=rf"value '{place}': the connection to this Dask scheduler was lost"):
                there.run([good(), ENDLESS])
    finally:
        scheduler.kill()
        worker.terminate()
        worker.wait(60)
        scheduler.communicate()
