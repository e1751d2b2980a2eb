"""Many decks at once: worker processes, each with its own ngspice, a store of results, time limits and progress.

A worker lives through many decks. One that crashes or overruns its time is killed and replaced, and only its deck is
reported as failed. A worker whose library asks to be unloaded ends itself before the next deck, which goes to another.
"""

from __future__ import annotations

import atexit
import contextlib
import multiprocessing
import os
import time
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, TimeoutError, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from pathlib import Path

import pebble

from cosim.errors import CosimError
from cosim.progress import progress
from cosim.spice import cache
from cosim.spice.deck import Deck, Failure, FailureKind, Result
from cosim.spice.isolated import run_isolated
from cosim.spice.ladder import climb
from cosim.spice.library import Simulator, probe

DECKS_PER_WORKER = 500  # a worker is renewed after so many decks, whatever it may have leaked
POISONED_EXIT = 75
MOST_BREAKDOWNS = 3
BACKENDS = ("session", "isolated")


@dataclass
class _Worker:
    """State of a worker process."""

    library: Path | None = None
    klu: bool = True
    poisoned: bool = False


_worker = _Worker()


def _start_worker(library: Path, klu: bool) -> None:
    _worker.library, _worker.klu = library, klu


def _run_in_worker(deck: Deck, key: str) -> Result:
    if _worker.poisoned:
        os._exit(POISONED_EXIT)
    from cosim.spice.session import open_session

    assert _worker.library is not None
    session = open_session(_worker.library)
    result = climb(deck, lambda attempt: session.run_deck(attempt, klu=_worker.klu, key=key))
    _worker.poisoned = session.poisoned
    return result


def _run_isolated(deck: Deck, key: str, simulator: Simulator, timeout: float) -> Result:
    end = time.monotonic() + timeout

    def run(attempt: Deck) -> Result:
        return run_isolated(attempt, simulator, key=key, timeout=max(end - time.monotonic(), 0.01))

    return climb(deck, run)


class SimulatorPool:
    """Worker processes that run decks; use it as a context manager, or through `simulate`.

    Parameters
    ----------
    workers: processes; all cores when None.
    timeout: limit for one deck [s], its retries included.
    use_cache: look up and keep results by deck key.
    backend: "session" (persistent workers on the shared library) or "isolated" (a fresh process for each deck).
    """

    def __init__(
        self,
        workers: int | None = None,
        *,
        timeout: float = 600.0,
        use_cache: bool = True,
        backend: str = "session",
        simulator: Simulator | None = None,
    ) -> None:
        if backend not in BACKENDS:
            raise CosimError("there is no such backend", key="backend", value=backend, allowed=BACKENDS)
        self.simulator = simulator or probe()
        self.workers = workers or available_cores()
        self.timeout = timeout
        self.use_cache = use_cache
        self.backend = "isolated" if self.simulator.library is None else backend
        self._pool: pebble.ProcessPool | None = None
        self._breakdowns = 0  # of the worker pool as a whole, since the last result

    def __enter__(self) -> SimulatorPool:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """End the workers."""
        if self._pool is not None:
            self._pool.stop()
            self._pool.join()
            self._pool = None

    def key(self, deck: Deck) -> str:
        """The name of the deck's answer with this pool's simulator."""
        return deck.key(f"ngspice {self.simulator.version_text}", klu=self.simulator.klu)

    def run(self, decks: Sequence[Deck], label: str | None = None) -> list[Result]:
        """One result a deck, in their order; equal decks are run once. `label` shows a progress bar."""
        keys = [self.key(deck) for deck in decks]
        results: dict[str, Result] = {}
        todo: dict[str, Deck] = {}
        for key, deck in zip(keys, decks, strict=True):
            known = cache.fetch(key) if self.use_cache and key not in results else None
            if known is not None:
                results[key] = known
            elif key not in results:
                todo[key] = deck
        with progress(label, total=len(set(keys))) as advance:
            advance(len(results))
            self._run_missing(todo, results, advance)
        return [results[key] for key in keys]

    def _run_missing(self, todo: dict[str, Deck], results: dict[str, Result], advance: Callable[[int], None]) -> None:
        try:
            pending: dict[Future[Result], str] = {self._schedule(deck, key): key for key, deck in todo.items()}
            while pending:
                done, _ = wait(pending, return_when=FIRST_COMPLETED)
                for future in done:
                    key = pending.pop(future)
                    result = self._outcome(future, key)
                    if result is None:  # its worker was of no use any more and did not run this deck
                        pending[self._schedule(todo[key], key)] = key
                        continue
                    self._breakdowns = 0
                    results[key] = self._keep(todo[key], result)
                    advance(1)
        except BaseException:
            self._drop()
            raise

    def _drop(self) -> None:
        """End the workers at once, their decks unfinished (an interrupt)."""
        if self._pool is not None:
            self._pool.stop()
            with contextlib.suppress(TimeoutError):
                self._pool.join(5)
            self._pool = None

    def _schedule(self, deck: Deck, key: str) -> Future[Result]:
        if self._pool is not None and not self._pool.active:  # pebble gives up when an idle worker is killed
            self._drop()
            self._breakdowns += 1
        if self._breakdowns > MOST_BREAKDOWNS:
            raise CosimError(
                "the worker processes end as soon as they start; in a script of your own, what simulates must stand"
                " under `if __name__ == '__main__':`, because each worker imports the script"
            )
        if self._pool is None:
            if getattr(multiprocessing.current_process(), "_inheriting", False):
                raise SystemExit(1)  # a worker that is importing a script without that line: see above
            self._pool = pebble.ProcessPool(
                max_workers=self.workers,
                max_tasks=DECKS_PER_WORKER,
                initializer=_start_worker,
                initargs=(self.simulator.library, self.simulator.klu),
                context=multiprocessing.get_context("spawn"),
            )
        if self.backend == "isolated":
            arguments = (deck, key, self.simulator, self.timeout)
            return self._pool.schedule(_run_isolated, args=arguments)  # it keeps the time itself
        return self._pool.schedule(_run_in_worker, args=(deck, key), timeout=self.timeout)

    def _outcome(self, future: Future[Result], key: str) -> Result | None:
        try:
            return future.result()
        except TimeoutError:
            failure = Failure(FailureKind.TIMEOUT, f"no answer within {self.timeout:g} s; the worker was killed")
        except BrokenProcessPool:
            return None
        except pebble.ProcessExpired as error:
            if error.exitcode == POISONED_EXIT:
                return None
            failure = Failure(FailureKind.CRASH, f"the worker died (status {error.exitcode})")
        except Exception as error:  # whatever else a worker may raise is this deck's failure, not the others'
            failure = Failure(FailureKind.CRASH, f"{type(error).__name__} in the worker: {error}")
        return Result(key, {}, failure, failure.line, float("nan"))

    def _keep(self, deck: Deck, result: Result) -> Result:
        if result.failure is not None:
            return replace(result, deck_file=cache.keep_failure(deck, result, klu=self.simulator.klu))
        if self.use_cache and not cache.store(result):
            warnings.warn(
                f"the cache folder {cache.cache_folder()} cannot be written: results are not kept;"
                " COSIM_CACHE names another",
                stacklevel=2,
            )
            self.use_cache = False
        return result


def available_cores() -> int:
    """Cores this process may use (a container's or a job's share, not the machine's)."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


_default: SimulatorPool | None = None


def default_pool() -> SimulatorPool:
    """The process's own pool, made at the first use and ended with the process."""
    global _default
    if _default is None:
        _default = SimulatorPool()
        atexit.register(_default.close)
    return _default


def simulate(decks: Sequence[Deck], label: str | None = None) -> list[Result]:
    """Run decks in the process's own pool: one `Result` each, in order. See `SimulatorPool.run`."""
    return default_pool().run(decks, label)
