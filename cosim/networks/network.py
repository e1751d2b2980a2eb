"""A graph at work: data of any size in pieces, its outputs joined; in real arithmetic, or on whatever has matrices.

Pieces of a batch are independent of each other. In real arithmetic the size of the pieces changes results by rounding
alone, on quantised tiles not at all; where there is noise each piece draws from streams of its own, so another size of
pieces is another draw of the same noise.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cosim.errors import CosimError, did_you_mean
from cosim.networks.data import count_of, named, part
from cosim.networks.evaluation import FloatMatrix, Matrix, Run, evaluate
from cosim.networks.graph import Graph
from cosim.networks.layers.protocol import Layer, Plan
from cosim.networks.sampling import Observer, Reservoir
from cosim.progress import progress

BATCH = 256  # examples worked on together
JOINED = 1e-4  # of the largest output: examples alone and together may differ by rounding, not by more


class Network:
    """A graph laid out by a plan, with matrices in real arithmetic.

    Parameters
    ----------
    graph: what is computed.
    plan: how layers are laid out.

    Attributes
    ----------
    layers: layer -> laid out, with its matrices.
    counted: examples that the counts below are of: those of the last pass.
    vectors: matrix -> vectors that went through it.
    digital: (layer or node, operation) -> how often.
    """

    def __init__(self, graph: Graph, plan: Plan | None = None) -> None:
        self.graph, self.plan = graph, plan or Plan()
        self.layers = self._laid_out()
        self.counted = 0
        self.vectors: dict[str, int] = {}
        self.digital: dict[tuple[str, str], int] = {}
        self._freed = graph.last_uses()
        self._axes: dict[Any, list[int | None]] = {}
        self._floats: dict[str, Matrix] = {}

    def _laid_out(self) -> dict[str, Layer]:
        return {name: each.bind(name, self.plan) for name, each in self.graph.layers.items()}

    @property
    def matrix_names(self) -> list[str]:
        """All matrices, in the order of the layers."""
        return [name for layer in self.layers.values() for name in layer.matrices]

    @property
    def matrices(self) -> Mapping[str, Matrix]:
        """Matrix -> what multiplies by it."""
        return self.floats

    @property
    def floats(self) -> Mapping[str, Matrix]:
        """The matrices in real arithmetic."""
        if not self._floats:
            self._floats = {
                name: FloatMatrix(weights) for layer in self.layers.values() for name, weights in layer.matrices.items()
            }
        return self._floats

    def forward(
        self,
        data: Any,
        rng: np.random.Generator | None = None,
        *,
        batch: int | None = BATCH,
        label: str | None = None,
        observer: Observer | None = None,
    ) -> Any:
        """What the network makes of all examples: an array, or what else its graph returns.

        Parameters
        ----------
        data: an array (examples, ...), memory-mapped or not, or `Examples`, for the first input; a tuple for several
            inputs, or a mapping of their names. Real numbers become float32.
        rng: feeds what varies from read to read; without noise it may be left out.
        batch: examples worked on together; None: all.
        label: of a progress bar.
        observer: is shown what goes into matrices and comes out, e.g. a `Recorder`.

        No examples give an empty result of the right shape. Raises CosimError for values that are not finite or do not
        fit, and when outputs of several pieces cannot be joined because examples depend on each other.
        """
        return self._forward(self.matrices, data, rng, batch=batch, label=label, observer=observer)

    def sample(
        self,
        names: Sequence[str],
        data: Any,
        count: int,
        seed: int = 0,
        *,
        rng: np.random.Generator | None = None,
        batch: int | None = BATCH,
        label: str | None = None,
    ) -> dict[str, NDArray[np.float32]]:
        """Vectors that go into the named matrices while the network works through `data`: (at most `count`, inputs).

        Every vector is as likely as any other. Raises CosimError for an unknown matrix.
        """
        self._check_names(names)
        reservoir = Reservoir(names, count, seed)
        self._forward(self.matrices, data, rng, batch=batch, label=label, observer=reservoir, keep=False)
        return reservoir.samples()

    def read(
        self,
        streams: NDArray[Any],
        rng: np.random.Generator | None = None,
        *,
        steps: int = 64,
        state: Any = None,
        label: str | None = None,
    ) -> Iterator[tuple[slice, Any, Any]]:
        """Long sequences, (streams, length, ...), read side by side and piece by piece, the state carried on.

        The network takes (sequence, state) and returns (outputs, state). Yields (steps, outputs, state after them) for
        one piece after the other; memory is that of a piece. `steps`: of a piece.
        """
        if steps < 1:
            raise CosimError("a piece has at least one step", key="steps", value=steps, allowed="1 or more")
        if len(self.graph.inputs) != 2:
            raise CosimError("reading on needs a network of two inputs, a sequence and its state", key=self.graph.name)
        length = streams.shape[1]
        if length == 0:
            raise CosimError("a sequence without a single step", value=streams.shape)
        rng = self._generator(self.matrices, rng)
        self._reset()
        with progress(label, -(-length // steps)) as advance:
            for first in range(0, length, steps):
                at = slice(first, min(first + steps, length))
                found = self._run(self.matrices, named(self.graph, (streams[:, at], state)), slice(None), rng)
                if not (isinstance(found, tuple | list) and len(found) == 2):
                    raise CosimError("reading on needs a network that returns its outputs and its state",
                                     key=self.graph.name)  # fmt: skip
                outputs, state = found
                self.counted += len(streams) if first == 0 else 0
                advance(1)
                yield at, outputs, state

    def _forward(
        self,
        matrices: Mapping[str, Matrix],
        data: Any,
        rng: np.random.Generator | None,
        *,
        batch: int | None,
        label: str | None = None,
        observer: Observer | None = None,
        keep: bool = True,
    ) -> Any:
        given = named(self.graph, data)
        counted = count_of(self.graph, given)
        count = 1 if counted is None else counted
        if batch is not None and batch < 1:
            raise CosimError("a piece has at least one example", key="batch", value=batch, allowed="1 or more")
        size = batch or max(count, 1)
        if count == 0:
            return self._run(self.floats, given, slice(0, 0), np.random.default_rng(0))
        rng = self._generator(matrices, rng)
        self._reset()
        joined = _Joined()
        with progress(label, -(-count // size)) as advance:
            for first in range(0, count, size):
                at = slice(first, min(first + size, count))
                found = self._run(matrices, given, at, rng, observer)
                self.counted += at.stop - at.start
                if keep:
                    if count > size and not joined.axes:
                        joined.axes = self._output_axes(given)
                    joined.add(found, at, count)
                del found
                advance(1)
        return joined.whole() if keep else None

    def _run(
        self,
        matrices: Mapping[str, Matrix],
        given: Mapping[str, Any],
        at: slice,
        rng: np.random.Generator,
        observer: Observer | None = None,
        counted: bool = True,
    ) -> Any:
        run = Run(matrices, rng.spawn(1)[0], observer)
        found = evaluate(self.graph, self.layers, run, part(self.graph, given, at), self._freed)
        if counted:
            for name, number in run.vectors.items():
                self.vectors[name] = self.vectors.get(name, 0) + number
            for key, number in run.digital.items():
                self.digital[key] = self.digital.get(key, 0) + number
        return found

    def _generator(self, matrices: Mapping[str, Matrix], rng: np.random.Generator | None) -> np.random.Generator:
        """What noise is drawn from; where there is none, any will do."""
        del matrices
        if not (rng is None or isinstance(rng, np.random.Generator)):
            raise CosimError("not a generator of random numbers", key="rng", value=rng,
                             allowed="numpy.random.default_rng(seed)")  # fmt: skip
        return rng or np.random.default_rng(0)

    def _reset(self) -> None:
        self.counted, self.vectors, self.digital = 0, {}, {}

    def _output_axes(self, given: Mapping[str, Any]) -> list[int | None]:
        """The dimension of each output that counts examples, found with the first two, alone and together."""
        shapes = tuple((name, tuple(each.shape[1:])) for name, each in given.items() if hasattr(each, "shape"))
        if shapes not in self._axes:
            rng = np.random.default_rng(0)
            first, second, both = (
                leaves(self._run(self.floats, given, at, rng, counted=False))
                for at in (slice(0, 1), slice(1, 2), slice(0, 2))
            )
            self._axes[shapes] = [_axis(*each) for each in zip(first, second, both, strict=True)]
        return self._axes[shapes]

    def _check_names(self, names: Sequence[str]) -> None:
        known = self.matrix_names
        for name in names:
            if name not in known:
                raise CosimError(f"there is no such matrix.{did_you_mean(name, known)}", key=name, allowed=known)


def leaves(value: Any) -> list[Any]:
    """The arrays (and whatever else) of a structure of tuples, lists and dictionaries, in order."""
    if isinstance(value, Mapping):
        value = list(value.values())
    return [leaf for each in value for leaf in leaves(each)] if isinstance(value, tuple | list) else [value]


def _axis(first: Any, second: Any, both: Any) -> int | None:
    """The dimension along which the outputs for two examples are those for each; None where all are the same."""
    if not isinstance(both, np.ndarray) or not isinstance(first, np.ndarray):
        if first == second == both:
            return None
        raise _not_joined()
    limit = JOINED * max(1e-30, float(np.abs(both).max(initial=0)))
    for axis in range(both.ndim):
        if both.shape[axis] == first.shape[axis] + second.shape[axis]:
            joined = np.concatenate([first, second], axis=axis)
            if joined.shape == both.shape and np.allclose(joined, both, rtol=0, atol=limit):
                return axis
    if first.shape == both.shape and np.allclose(first, both, rtol=0, atol=limit):
        return None
    raise _not_joined()


def _not_joined() -> CosimError:
    return CosimError(
        "the outputs of several pieces cannot be joined: those of two examples together are not those of each; let all"
        " examples be worked on at once",
        key="batch", allowed="None",
    )  # fmt: skip


class _Joined:
    """Outputs of the pieces, put where they belong as they come: arrays of the full size are made with the first."""

    def __init__(self) -> None:
        self.axes: list[int | None] = []
        self._structure: Any = None
        self._arrays: list[Any] = []
        self._filled: list[int] = []

    def add(self, found: Any, at: slice, count: int) -> None:
        parts = leaves(found)
        if self._structure is None:
            self._structure = found
            self._filled = [0] * len(parts)
            self._arrays = [
                self._room(each, axis, at, count)
                for each, axis in zip(parts, self.axes or [None] * len(parts), strict=True)
            ]
        for n, (each, axis) in enumerate(zip(parts, self.axes, strict=False)):
            if axis is not None:
                end = self._filled[n] + each.shape[axis]
                self._arrays[n][(*(slice(None),) * axis, slice(self._filled[n], end))] = each
                self._filled[n] = end

    @staticmethod
    def _room(values: Any, axis: int | None, at: slice, count: int) -> Any:
        if axis is None:
            return values
        shape = list(values.shape)
        shape[axis] = shape[axis] // (at.stop - at.start) * count
        return np.empty(shape, values.dtype)

    def whole(self) -> Any:
        return _filled_in(self._structure, iter(self._arrays))


def _filled_in(structure: Any, values: Iterator[Any]) -> Any:
    if isinstance(structure, Mapping):
        return {name: _filled_in(each, values) for name, each in structure.items()}
    if isinstance(structure, tuple | list):
        return type(structure)(_filled_in(each, values) for each in structure)
    return next(values)
