"""Many decks at once: worker processes, each with its own ngspice, a store of results, time limits and progress.

A worker lives through many decks. One that crashes or overruns its time is killed and replaced, and only its deck is
reported as failed. A worker whose library asks to be unloaded ends itself before the next deck, which goes to another.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, TimeoutError, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from pathlib import Path

import pebble

from cosim.errors import CosimError
from cosim.progress import progress
from cosim.spice import cache
from cosim.spice.cost import expected_cost
from cosim.spice.deck import Deck, Failure, FailureKind, Result
from cosim.spice.isolated import run_isolated
from cosim.spice.ladder import climb
from cosim.spice.library import Simulator, probe
from cosim.spice.orphans import end_with_parent
from cosim.workers import WorkerProcesses, available_cores

DECKS_PER_WORKER = 500  # a worker is renewed after so many decks, whatever it may have leaked
POISONED_EXIT = 75
MOST_BREAKDOWNS = 3
BACKENDS = ("session", "isolated")


@dataclass
class WorkerState:
    """What a worker process works with, and whether its library still does."""

    library: Path
    klu: bool
    poisoned: bool = False

    def run(self, deck: Deck, key: str) -> Result:
        """Run a deck in this process's session, with retries."""
        from cosim.spice.session import open_session

        session = open_session(self.library)
        result = climb(deck, lambda attempt: session.run_deck(attempt, klu=self.klu, key=key))
        self.poisoned = session.poisoned
        return result


_state: WorkerState | None = None


def _start_worker(library: Path, klu: bool, folder: str, parent: int) -> None:
    global _state
    os.chdir(folder)  # models of ngspice write what they think of their parameters into the working folder
    _state = WorkerState(library, klu)
    end_with_parent(parent)


def _run_in_worker(deck: Deck, key: str) -> Result:
    assert _state is not None
    if _state.poisoned:
        os._exit(POISONED_EXIT)
    return _state.run(deck, key)


def run_alone(deck: Deck, key: str, simulator: Simulator, timeout: float) -> Result:
    """Run a deck, with retries, in processes of its own."""
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

    Attributes
    ----------
    decks_run, decks_known: how many different decks were simulated, and how many results were there already.
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
        self.decks_run = self.decks_known = 0
        self._processes = WorkerProcesses(
            self.workers, DECKS_PER_WORKER, _start_worker, self._worker_arguments, MOST_BREAKDOWNS
        )
        self._folder: str | None = None  # where the workers work

    def __enter__(self) -> SimulatorPool:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """End the workers."""
        self._end(None)

    def key(self, deck: Deck) -> str:
        """The name of the deck's answer with this pool's simulator."""
        return deck.key(self.simulator.deck_identity, klu=self.simulator.klu)

    def run(self, decks: Sequence[Deck], label: str | None = None) -> list[Result]:
        """One result a deck, in their order; equal decks are run once. `label` shows a progress bar."""
        keys = [self.key(deck) for deck in decks]
        unique = dict(zip(keys, decks, strict=True))
        costs = {key: expected_cost(deck) if label else 1.0 for key, deck in unique.items()}
        results: dict[str, Result] = {}
        todo: dict[str, Deck] = {}
        with progress(label, len(unique), cost=sum(costs.values()), workers=self.workers) as bar:
            for key, deck in unique.items():
                known = cache.fetch(key) if self.use_cache else None
                if known is None:
                    todo[key] = deck
                else:
                    results[key] = known
                    self.decks_known += 1
                    bar.known(costs[key])
            try:
                for key, result in self._simulate(todo) if todo else ():
                    results[key] = self._keep(todo[key], result)
                    self.decks_run += 1
                    bar.left.workers = self.workers
                    bar.finished(self._seconds(result), costs[key])
            except BaseException:
                self._drop()
                raise
        return [results[key] for key in keys]

    def _simulate(self, todo: Mapping[str, Deck]) -> Iterator[tuple[str, Result]]:
        """Key and result of every deck, as they come."""
        pending: dict[Future[Result], str] = {self._schedule(deck, key): key for key, deck in todo.items()}
        while pending:
            done, _ = wait(pending, return_when=FIRST_COMPLETED)
            for future in done:
                key = pending.pop(future)
                result = self._outcome(future, key)
                if result is None:  # its worker was of no use any more and did not run this deck
                    pending[self._schedule(todo[key], key)] = key
                    continue
                self._processes.succeeded()
                yield key, result

    def _seconds(self, result: Result) -> float:
        """What the deck took a worker [s], NaN where nobody knows."""
        overran = result.failure is not None and result.failure.kind is FailureKind.TIMEOUT
        return self.timeout if overran else result.elapsed

    def _drop(self) -> None:
        """End the workers at once, their decks unfinished (an interrupt)."""
        self._end(5.0)

    def _end(self, patience: float | None) -> None:
        self._processes.end(patience)
        self._remove_folder()

    def _remove_folder(self) -> None:
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def _worker_arguments(self) -> tuple[Path | None, bool, str, int]:
        self._remove_folder()  # of workers that broke down
        self._folder = tempfile.mkdtemp(prefix="cosim-")
        return self.simulator.library, self.simulator.klu, self._folder, os.getpid()

    def _schedule(self, deck: Deck, key: str) -> Future[Result]:
        if self.backend == "isolated":  # keeps the time itself
            return self._processes.schedule(run_alone, deck, key, self.simulator, self.timeout)
        return self._processes.schedule(_run_in_worker, deck, key, timeout=self.timeout)

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
