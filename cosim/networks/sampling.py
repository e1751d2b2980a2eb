"""Real activations of a network: a sample of what goes into matrices, or a record of all that goes in and comes out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from cosim.errors import CosimError
from cosim.seeds import stream


class Observer(Protocol):
    """Who is shown what goes into matrices and what comes out."""

    def wants(self, name: str) -> bool:
        """Whether vectors of this matrix are to be shown one by one."""

    def offer(self, name: str, vectors: NDArray[np.float32], results: NDArray[np.float32]) -> None:
        """Vectors (n, inputs) that went into a matrix and its results (n, outputs); both may be overwritten later."""


class Recorder:
    """All that goes into the named matrices and comes out of them, in order.

    `each` is called after each group of vectors of the first of them, e.g. after each step of an LSTM.

    Attributes
    ----------
    vectors, results: matrix -> groups of vectors (n, inputs) and results (n, outputs), one a call of the matrix: of a
        recurrent layer one a step, of as many examples as are worked on together.
    """

    def __init__(self, names: Sequence[str], each: Callable[[], object] | None = None) -> None:
        self.vectors: dict[str, list[NDArray[np.float32]]] = {name: [] for name in names}
        self.results: dict[str, list[NDArray[np.float32]]] = {name: [] for name in names}
        self._first, self._each = names[0], each

    def wants(self, name: str) -> bool:
        """Whether this matrix is one of those recorded."""
        return name in self.vectors

    def offer(self, name: str, vectors: NDArray[np.float32], results: NDArray[np.float32]) -> None:
        """Keep copies, where the matrix is one of the named ones."""
        if name not in self.vectors:
            return
        self.vectors[name].append(vectors.copy())
        self.results[name].append(results.copy())
        if name == self._first and self._each is not None:
            self._each()


class Reservoir:
    """`count` vectors of each named matrix, any as likely as any other.

    Every vector gets a random key, and those with the lowest keys are kept; so nothing need be known of how many come.
    Vectors of a matrix draw from a stream of its own.
    """

    def __init__(self, names: Sequence[str], count: int, seed: int) -> None:
        if count < 1:
            raise CosimError("at least one vector is needed", key="count", value=count, allowed="1 or more")
        self.count = count
        self._rngs = {name: np.random.default_rng(stream(seed, f"sample: {name}")) for name in names}
        self._keys: dict[str, NDArray[np.float64]] = {name: np.empty(0) for name in names}
        self._rows: dict[str, NDArray[np.float32]] = {}

    def wants(self, name: str) -> bool:
        """Whether vectors of this matrix are kept."""
        return name in self._rngs

    def offer(self, name: str, vectors: NDArray[np.float32], results: NDArray[np.float32]) -> None:
        """Vectors (n, inputs) that go into a matrix; of other matrices than the named ones nothing is kept."""
        del results
        if name not in self._rngs:
            return
        keys, kept = self._rngs[name].random(len(vectors)), self._keys[name]
        limit = kept.max() if len(kept) == self.count else np.inf
        chosen = np.flatnonzero(keys < limit)
        if not len(chosen) and name in self._rows:
            return
        rows = np.concatenate([self._rows.get(name, vectors[:0]), vectors[chosen]])
        joined = np.concatenate([kept, keys[chosen]])
        lowest = np.argsort(joined, kind="stable")[: self.count]
        self._keys[name], self._rows[name] = joined[lowest], rows[lowest]

    def samples(self) -> dict[str, NDArray[np.float32]]:
        """Matrix -> vectors (at most `count`, inputs), in random order; CosimError for one that was never used."""
        for name in self._rngs:
            if name not in self._rows:
                raise CosimError("nothing went into this matrix", key=name)
        return dict(self._rows)
