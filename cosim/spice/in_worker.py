"""Simulations from inside a worker of a study's process pool or of Dask: such a process may have no pool of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache

from cosim.spice.deck import Deck, Result
from cosim.spice.pool import SimulatorPool, run_alone
from cosim.spice.server import Server


class WorkerPool(SimulatorPool):
    """A `SimulatorPool` of one: decks run one after another in one child of this process."""

    def __init__(self, *, timeout: float = 600.0, use_cache: bool = True) -> None:
        super().__init__(1, timeout=timeout, use_cache=use_cache)
        self._server: Server | None = None

    def _simulate(self, todo: Mapping[str, Deck]) -> Iterator[tuple[str, Result]]:
        library = self.simulator.library
        for key, deck in todo.items():
            if library is None:
                yield key, run_alone(deck, key, self.simulator, self.timeout)
                continue
            if self._server is None:
                self._server = Server(library, self.simulator.klu)
            yield key, self._server.run(deck, key, self.timeout)

    def _drop(self) -> None:
        self.close()

    def close(self) -> None:
        """End the child."""
        if self._server is not None:
            self._server.close()
            self._server = None


@cache
def worker_pool() -> WorkerPool:
    """The pool of this process, made at the first use; its child ends with the process."""
    return WorkerPool()
