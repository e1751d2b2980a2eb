"""Where the points of a study are evaluated: in this process, in worker processes, or on a Dask cluster.

Each takes jobs and gives outcomes as they come. A worker that dies costs its point alone, which is done again; a point
whose workers die `MOST_DEATHS` times is given up as failed. What a point gives does not depend on where it is done.
"""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from typing import TYPE_CHECKING, Any, Protocol

from cosim.errors import CosimError
from cosim.spice.cluster import threads_of
from cosim.spice.orphans import end_with_parent
from cosim.spice.schedulers import open_client
from cosim.studies.evaluation import Job, Outcome, evaluate, failed
from cosim.studies.subjects import subject_of
from cosim.workers import WorkerProcesses, available_cores

if TYPE_CHECKING:
    from distributed import Client

MOST_DEATHS = 3  # of workers on one point
MOST_BREAKDOWNS = 5  # of the pool as a whole without a result
POINTS_PER_WORKER = 1000  # after which a worker is renewed, whatever it may have leaked
LOOKED_AT = 1.0  # [s] between looks at what has ended


class Workplace(Protocol):
    """Takes jobs, gives outcomes.

    Attributes
    ----------
    workers: points at once.
    """

    workers: int

    def submit(self, job: Job) -> None:
        """Take a job."""

    def ended(self, patience: float) -> Iterator[Outcome]:
        """What has ended; waits for something to end, no longer than `patience` seconds."""

    def close(self, *, at_once: bool = False) -> None:
        """End the workers; at once, whatever they do."""


class InProcess:
    """One point after another, in this process."""

    workers = 1

    def __init__(self) -> None:
        self._waiting: list[Job] = []

    def submit(self, job: Job) -> None:
        """See `Workplace`."""
        self._waiting.append(job)

    def ended(self, patience: float) -> Iterator[Outcome]:
        """See `Workplace`; takes as long as a point takes."""
        if self._waiting:
            yield _attempt(self._waiting.pop(0))

    def close(self, *, at_once: bool = False) -> None:
        """See `Workplace`."""
        self._waiting.clear()


def _attempt(job: Job) -> Outcome:
    """A point's outcome; what is raised beside CosimError is the point's failure, not the study's."""
    try:
        return evaluate(job)
    except (CosimError, KeyboardInterrupt):
        raise
    except Exception as error:
        return _crashed(job, f"{type(error).__name__}: {error}")


def _crashed(job: Job, why: str) -> Outcome:
    name = job.content.get("network", {}).get("name", "digits_lstm")
    return failed(job.key, subject_of(job.values.get("network.name", name)).metric, why)


def _start_worker(parent: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a keyboard's interrupt is the parent's affair
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = "1"
    end_with_parent(parent)


class ProcessPool:
    """Worker processes on this machine.

    workers: how many; all cores when None.
    """

    def __init__(self, workers: int | None = None) -> None:
        self.workers = workers or available_cores()
        self._processes = WorkerProcesses(
            self.workers, POINTS_PER_WORKER, _start_worker, lambda: (os.getpid(),), MOST_BREAKDOWNS
        )
        self._jobs: dict[Future[Outcome], Job] = {}
        self._deaths: dict[str, int] = {}

    def submit(self, job: Job) -> None:
        """See `Workplace`."""
        self._jobs[self._processes.schedule(_attempt, job)] = job

    def ended(self, patience: float) -> Iterator[Outcome]:
        """See `Workplace`."""
        done, _ = wait(self._jobs, timeout=patience, return_when=FIRST_COMPLETED)
        for future in done:
            job = self._jobs.pop(future)
            outcome = self._outcome(future, job)
            if outcome is None:
                self.submit(job)
                continue
            self._processes.succeeded()
            yield outcome

    def _outcome(self, future: Future[Outcome], job: Job) -> Outcome | None:
        """The outcome of a point that has ended; None where it is to be done again."""
        import pebble

        try:
            return future.result()
        except BrokenProcessPool:
            return None
        except pebble.ProcessExpired as error:
            deaths = self._deaths[job.key] = self._deaths.get(job.key, 0) + 1
            if deaths < MOST_DEATHS:
                return None
            return _crashed(job, f"{deaths} workers died on this point (status {error.exitcode})")

    def close(self, *, at_once: bool = False) -> None:
        """See `Workplace`."""
        self._jobs.clear()
        self._processes.end(5.0 if at_once else None)


class DaskCluster:
    """The workers of a Dask scheduler, for instance on many machines.

    client: connected. limit: points in flight at once; None keeps all threads of all workers busy.
    closers: what else ends with it, a cluster of its own for instance.

    A lost worker's points go to others by themselves; of a point that Dask gives up because its workers died, one more
    attempt is made with nothing beside it, for Dask blames a death on all that the worker had in hand.
    """

    def __init__(
        self, client: Client, place: str, limit: int | None = None, closers: tuple[Callable[[], object], ...] = ()
    ) -> None:
        self.place = place
        self._client, self._limit, self._closers = client, limit, closers
        self._jobs: dict[str, tuple[Any, Job]] = {}
        self._alone: list[Job] = []
        self._suspects: set[str] = set()
        self._ended: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._seen = -LOOKED_AT
        self._number = 0
        self.workers = limit or 1
        self._look()

    def submit(self, job: Job) -> None:
        """See `Workplace`."""
        self._number += 1
        future = self._client.submit(_attempt, job, key=f"cosim-{job.key[:16]}-{self._number}", pure=False)
        self._jobs[str(future.key)] = (future, job)
        future.add_done_callback(self._ended.put)

    def ended(self, patience: float) -> Iterator[Outcome]:
        """See `Workplace`."""
        from distributed import CancelledError, KilledWorker

        self._look()
        if self._alone and not self._jobs:
            self.submit(self._alone.pop())
        futures = []
        with contextlib.suppress(queue.Empty):
            futures.append(self._ended.get(timeout=patience))
            while True:
                futures.append(self._ended.get_nowait())
        for future in futures:
            _, job = self._jobs.pop(str(future.key))
            try:
                yield future.result()
            except KilledWorker:
                if job.key in self._suspects:
                    yield _crashed(job, "each Dask worker that ran this point died")
                else:
                    self._suspects.add(job.key)
                    self._alone.append(job)
            except CosimError:
                raise
            except (CancelledError, OSError) as error:
                raise self._lost() from error
            except Exception as error:  # of a worker without cosim, or without a part of it
                raise CosimError(
                    f"the workers of this Dask cluster cannot run cosim ({error})", key="scheduler", value=self.place
                ) from error

    def _look(self) -> None:
        """See who works, and whether the scheduler is still there; no oftener than every `LOOKED_AT` seconds."""
        now = time.monotonic()
        if now - self._seen < LOOKED_AT:
            return
        self._seen = now
        threads = threads_of(self._client, self._lost)
        if threads is not None:
            self.workers = min(max(threads, 1), self._limit or threads or 1)

    def _lost(self) -> CosimError:
        return CosimError(
            "the connection to this Dask scheduler was lost; finished points are kept: run it again", value=self.place
        )

    def close(self, *, at_once: bool = False) -> None:
        """See `Workplace`."""
        futures = [future for future, _ in self._jobs.values()]
        self._jobs.clear()
        if futures and self._client.status == "running":
            with contextlib.suppress(Exception):
                self._client.cancel(futures)
        for closer in (self._client.close, *self._closers):
            with contextlib.suppress(Exception):  # what has gone already need not be closed
                closer()


def open_workplace(workers: int | None = None, scheduler: str | None = None) -> Workplace:
    """A workplace, to be closed in the end.

    workers: points at once; 0 does them in this process; None: all cores, or all threads of a Dask cluster.
    scheduler: None for processes on this machine; else as in `cosim.spice.open_pool`.

    Raises CosimError when there is no such scheduler, it does not answer, or the extra `cluster` is not installed.
    """
    if workers is not None and workers < 0:
        raise CosimError("a number of workers cannot be negative", key="workers", value=workers, allowed="0 or more")
    if scheduler is None:
        return InProcess() if workers == 0 else ProcessPool(workers)
    client, closers = open_client(scheduler, workers or None)
    return DaskCluster(client, scheduler, workers or None, closers)
