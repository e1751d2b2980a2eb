"""The pool's work on a Dask cluster: the same decks, limits, retries and results on workers anywhere.

Only decks and results travel. The client looks decks up in its own store and keeps what comes back there, so a run
that was interrupted resumes. A Dask worker runs each deck in a child of its own (`cosim.spice.server`), one for each
of its threads: the library must not be used from threads, and a deck that overruns its time is killed, which no
thread can be.
"""

from __future__ import annotations

import contextlib
import functools
import pickle
import queue
import threading
import time
import uuid
import warnings
import zlib
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from cosim import __version__
from cosim.errors import CosimError
from cosim.spice.deck import Deck, Failure, FailureKind, Result
from cosim.spice.library import Simulator, probe
from cosim.spice.pool import SimulatorPool, run_alone
from cosim.spice.server import Server

if TYPE_CHECKING:
    from distributed import Client, Future, Worker

LOOKED_AT = 2.0  # [s] between looks at who works
ALONE_WITHIN = 30.0  # [s] without a worker until it is said
IN_HAND = 2  # decks sent ahead for each thread of a worker, so that none waits for the next


# ---- in a Dask worker ------------------------------------------------------------------------------------------------

_idle: list[Server] = []
_idle_lock = threading.Lock()


@functools.cache
def _own_simulator() -> Simulator:
    return probe()


def identity(simulator: Simulator) -> str:
    """What must be the same on all machines of a run, for people."""
    return f"ngspice {simulator.version_text}, {simulator.solver}, cosim {__version__}"


def check_here(wanted: str, dask_worker: Worker | None = None) -> Simulator:
    """The simulator of this Dask worker; CosimError when it is not the one that is wanted, see `identity`.

    dask_worker: given by `Client.run`; a task finds it by itself.
    """
    try:
        simulator = _own_simulator()
    except CosimError as error:
        raise CosimError(f"{_name(dask_worker)}: {error}") from error
    if identity(simulator) != wanted:
        raise CosimError(f"{_name(dask_worker)} has {identity(simulator)}; this run is one of {wanted}")
    return simulator


def run_on_worker(packed: bytes, key: str, timeout: float, wanted: str) -> Result:
    """A deck's result, in a Dask worker; CosimError when its simulator would answer another question.

    packed: the deck, from `pack`. key: its name at the client's simulator; `wanted` is that one's `identity`.
    """
    simulator = check_here(wanted)
    deck: Deck = pickle.loads(zlib.decompress(packed))
    if deck.key(simulator.deck_identity, klu=simulator.klu) != key:
        raise CosimError(f"{_name()} writes this deck otherwise than here: it has another cosim {__version__}")
    if simulator.library is None:
        return run_alone(deck, key, simulator, timeout)
    with _idle_lock:
        server = _idle.pop() if _idle else Server(simulator.library, simulator.klu)
    try:
        return server.run(deck, key, timeout)
    finally:
        with _idle_lock:
            _idle.append(server)


def _name(worker: Worker | None = None) -> str:
    from distributed import get_worker

    return f"the Dask worker {(worker or get_worker()).address}"


def pack(deck: Deck) -> bytes:
    """A deck as it is sent: netlists shrink to a tenth."""
    return zlib.compress(pickle.dumps(deck), 1)


# ---- in the client ---------------------------------------------------------------------------------------------------


def cannot_run(error: BaseException, place: str) -> CosimError:
    """Of workers without cosim, or without a part of it."""
    return CosimError(f"the workers of this Dask cluster cannot run cosim ({error})", key="scheduler", value=place)


class ClusterPool(SimulatorPool):
    """A `SimulatorPool` whose decks run on the workers of a Dask scheduler; see `cosim.spice.open_pool`.

    Parameters
    ----------
    client: a connected client; closed with the pool.
    place: the scheduler's name for people.
    limit: decks in flight at once; None keeps all threads of all workers busy.
    closers: what else ends with the pool, a cluster of its own for instance.
    """

    def __init__(
        self,
        client: Client,
        place: str,
        *,
        limit: int | None = None,
        timeout: float = 600.0,
        use_cache: bool = True,
        simulator: Simulator | None = None,
        closers: tuple[Callable[[], object], ...] = (),
    ) -> None:
        super().__init__(1, timeout=timeout, use_cache=use_cache, simulator=simulator)
        self.place = place
        self._client = client
        self._limit = limit
        self._closers = closers
        self._flying: dict[str, tuple[Future, str]] = {}  # Dask's name of the task -> task, key of the deck
        self._suspects: set[str] = set()
        self._told = False
        self._seen = -float("inf")
        self._last_worker = time.monotonic()
        self._look()

    def close(self) -> None:
        """Leave the scheduler; end what was started for this pool."""
        self._drop()
        for closer in (self._client.close, *self._closers):
            with contextlib.suppress(Exception):  # what has gone already need not be closed
                closer()
        self._closers = ()

    def _drop(self) -> None:
        """Give up what is in flight; a deck that runs already goes on until its end or its time limit."""
        futures = [future for future, _ in self._flying.values()]
        self._flying.clear()
        if futures and self._client.status == "running":
            with contextlib.suppress(Exception):
                self._client.cancel(futures)

    def _simulate(self, todo: Mapping[str, Deck]) -> Iterator[tuple[str, Result]]:
        waiting, alone = deque(todo), deque[str]()
        ended: queue.SimpleQueue[Future] = queue.SimpleQueue()
        while waiting or alone or self._flying:
            self._look()
            while waiting and len(self._flying) < self._room():
                key = waiting.popleft()
                self._submit(todo[key], key, ended)
            if alone and not self._flying:
                key = alone.popleft()
                self._submit(todo[key], key, ended)
            for key, result in self._gather(_drain(ended)):
                if result is None:
                    alone.append(key)
                else:
                    yield key, result

    def _submit(self, deck: Deck, key: str, ended: queue.SimpleQueue[Future]) -> None:
        task = f"cosim-{key[:16]}-{uuid.uuid4().hex}"
        arguments = (pack(deck), key, self.timeout, identity(self.simulator))
        future = self._client.submit(run_on_worker, *arguments, key=task, pure=False)
        self._flying[task] = (future, key)
        future.add_done_callback(ended.put)

    def _gather(self, futures: list[Future]) -> list[tuple[str, Result | None]]:
        """Key and result of finished tasks; None where a deck shall be tried with nothing else under way."""
        from distributed import CancelledError

        keys = [self._flying.pop(str(future.key))[1] for future in futures]
        good = [future for future in futures if future.status != "error"]
        try:
            results = dict(zip((future.key for future in good), self._client.gather(good), strict=True))
            return [
                (key, results[future.key] if future.key in results else self._fate(future.exception(), key))
                for key, future in zip(keys, futures, strict=True)
            ]
        except (CancelledError, OSError) as error:
            raise self._lost() from error

    def _fate(self, error: BaseException, key: str) -> Result | None:
        """What a task that raised this means for its deck; CosimError where it means the end of the run.

        Dask blames a worker's death on all that the worker had in hand. Alone there is no doubt: so a deck whose
        workers died is tried a second time when nothing else is in flight.
        """
        from distributed import KilledWorker

        if isinstance(error, CosimError):
            raise error
        if "ModuleNotFoundError" in repr(error):
            raise cannot_run(error, self.place)
        if isinstance(error, KilledWorker):
            if key not in self._suspects:
                self._suspects.add(key)
                return None
            line = "each Dask worker that ran it died"
        else:
            line = f"{type(error).__name__} in the worker: {error}"
        return Result(key, {}, Failure(FailureKind.CRASH, line), line, float("nan"))

    def _room(self) -> int:
        return self._limit or IN_HAND * self.workers

    def _look(self) -> None:
        """See who works, and whether the scheduler is still there; no oftener than every `LOOKED_AT` seconds."""
        now = time.monotonic()
        if now - self._seen < LOOKED_AT:
            return
        self._seen = now
        threads = threads_of(self._client, self._lost)
        if threads is not None:
            self.workers = min(max(threads, 1), self._limit or threads or 1)
            self._last_worker = now if threads else self._last_worker
        if now - self._last_worker > ALONE_WITHIN and not self._told:
            self._told = True
            warnings.warn(f"no Dask worker at {self.place} yet; the decks wait for one", stacklevel=2)

    def _lost(self) -> CosimError:
        kept = "; what was simulated is kept: run it again" if self.use_cache else ""
        return CosimError(f"the connection to this Dask scheduler was lost{kept}", value=self.place)


def threads_of(client: Client, lost: Callable[[], CosimError]) -> int | None:
    """Threads of all workers; None while the connection is being made. Raises what `lost` makes when it is gone."""
    if client.status not in ("running", "connecting"):
        raise lost()
    if client.status != "running":
        return None
    try:
        return sum(client.nthreads().values())
    except OSError as error:
        raise lost() from error


def _drain(ended: queue.SimpleQueue[Future]) -> list[Future]:
    """What has ended; nothing after `LOOKED_AT` seconds without any."""
    futures = []
    with contextlib.suppress(queue.Empty):
        futures.append(ended.get(timeout=LOOKED_AT))
        while True:
            futures.append(ended.get_nowait())
    return futures
