"""Worker processes, started again when they break down: no more is lost than what they were given."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
from collections.abc import Callable
from concurrent.futures import Future, TimeoutError
from typing import TYPE_CHECKING, Any

from cosim.errors import CosimError

if TYPE_CHECKING:
    import pebble

NO_MAIN_GUARD = (
    "in a script of your own, what simulates must stand under `if __name__ == '__main__':`, because each worker"
    " imports the script"
)


def available_cores() -> int:
    """Cores this process may use (a container's or a job's share, not the machine's)."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class WorkerProcesses:
    """Spawned processes that take tasks; none is started before the first.

    Parameters
    ----------
    workers: how many.
    tasks: of a worker, after which it is renewed, whatever it may have leaked.
    start: what each worker does first.
    arguments: gives the arguments of `start`, asked for whenever the processes are started.
    most_breakdowns: of all of them together without a result between; more are an error.
    """

    def __init__(
        self,
        workers: int,
        tasks: int,
        start: Callable[..., None],
        arguments: Callable[[], tuple[Any, ...]],
        most_breakdowns: int,
    ) -> None:
        self.workers = workers
        self._tasks, self._start, self._arguments, self._most = tasks, start, arguments, most_breakdowns
        self._pool: pebble.ProcessPool | None = None
        self._breakdowns = 0

    def schedule(self, function: Callable[..., Any], *arguments: Any, timeout: float | None = None) -> Future[Any]:
        """Have a task done, within `timeout` seconds of its start.

        Raises CosimError when the processes end again and again without a result.
        """
        import pebble

        if self._pool is not None and not self._pool.active:  # pebble gives up when an idle worker is killed
            self.end(5.0)
            self._breakdowns += 1
        if self._breakdowns > self._most:
            raise CosimError(f"the worker processes end as soon as they start; {NO_MAIN_GUARD}")
        if self._pool is None:
            if getattr(multiprocessing.current_process(), "_inheriting", False):
                raise SystemExit(1)  # a worker that is importing a script without that line: see above
            self._pool = pebble.ProcessPool(
                max_workers=self.workers,
                max_tasks=self._tasks,
                initializer=self._start,
                initargs=self._arguments(),
                context=multiprocessing.get_context("spawn"),
            )
        future: Future[Any] = self._pool.schedule(function, args=arguments, timeout=timeout)
        return future

    def succeeded(self) -> None:
        """There was a result: breakdowns are counted from here."""
        self._breakdowns = 0

    def end(self, patience: float | None = None) -> None:
        """End the processes at once, and wait for their end, no longer than `patience` seconds."""
        if self._pool is not None:
            self._pool.stop()
            with contextlib.suppress(TimeoutError):
                self._pool.join(patience)
            self._pool = None
