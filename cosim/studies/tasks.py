"""What a network is judged by: inputs, right answers and a score for each example of a data set's part.

A text is read in parallel streams. Each begins with characters of the text before it, which are read and not scored,
so that its state is that of one long reading (an LSTM of a few hundred cells has forgotten the zero state by then); so
every symbol but the text's first is scored once, as in the reading from beginning to end.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from cosim.errors import CosimError, did_you_mean
from cosim.networks.reference import InputScaling, Reference
from cosim.seeds import stream

Metric = Literal["accuracy", "bits_per_symbol"]

STREAMS = 64
LEAD = 256  # symbols read before a stream's first scored one
CALIBRATION = 256  # examples of the training part that ranges are found with


class Inputs(Protocol):
    """Examples of a network, made when they are asked for; `shape` is (n, ...)."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    def __len__(self) -> int: ...

    def __getitem__(self, at: slice) -> NDArray: ...


@dataclass(frozen=True)
class Scaled:
    """Values of a data set as a network takes them, scaled when they are asked for: a whole data set of small integers
    stays small."""

    values: NDArray
    scaling: InputScaling | None

    @property
    def shape(self) -> tuple[int, ...]:
        return self.values.shape

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, at: slice) -> NDArray:
        values = self.values[at]
        return values if self.scaling is None else self.scaling.apply(values)


@dataclass(frozen=True)
class Task:
    """Examples and what is right.

    Attributes
    ----------
    name: data set and part, e.g. "har/test".
    metric: "accuracy", a score of 1 or 0 for each example; "bits_per_symbol", the mean -log2 p of a stream's symbols.
    inputs: (n, ...); of a text, streams of symbols (streams, length).
    targets: int64, class of each example (n,); of a text, the symbols that follow (streams, length), -1 where none is
        scored.
    calibration: examples of the training part, as many as ranges need, in the form of `inputs`.
    """

    name: str
    metric: Metric
    inputs: Inputs
    targets: NDArray[np.int64]
    calibration: Inputs

    def __len__(self) -> int:
        return len(self.targets)

    @property
    def better(self) -> Literal["higher", "lower"]:
        """Which scores are the better ones."""
        return "higher" if self.metric == "accuracy" else "lower"

    @property
    def weights(self) -> NDArray[np.float64]:
        """How many answers each example's score is the mean of, (n,)."""
        if self.metric == "accuracy":
            return np.ones(len(self.targets))
        return np.asarray((self.targets >= 0).sum(axis=1), dtype=np.float64)

    def scores(self, outputs: NDArray, at: slice = slice(None)) -> NDArray[np.float64]:
        """Scores of the examples `at` from the network's outputs: logits (n, classes) or (streams, length, symbols)."""
        targets = self.targets[at]
        if self.metric == "accuracy":
            return np.asarray(np.argmax(outputs, axis=1) == targets, dtype=np.float64)
        bits, counts = self.bits(outputs, targets)
        return bits / counts

    @staticmethod
    def bits(outputs: NDArray, targets: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Sum of -log2 p over the scored symbols of each stream, and their number; for a text read piece by piece."""
        scored = targets >= 0
        highest = outputs.max(axis=-1)
        norm = np.log(np.exp(outputs - highest[..., None]).sum(axis=-1, dtype=np.float64)) + highest
        chosen = np.take_along_axis(outputs, np.maximum(targets, 0)[..., None], axis=-1)[..., 0]
        bits = np.where(scored, (norm - chosen) / math.log(2), 0.0)
        return bits.sum(axis=1), scored.sum(axis=1)


def task_of(reference: Reference | str, *, examples: int | None = None, seed: int = 0) -> Task:
    """What the network is judged by: the official test part of the data set it was trained on.

    Parameters
    ----------
    reference: the network, or its name; "digits_lstm" for the one whose weights are `networks.weights`.
    examples: how many of the test part, drawn at random by `seed` (of a text: so many symbols from its beginning);
        None: all.

    Raises CosimError for a network without a data set, and as the loaders do.
    """
    name = reference if isinstance(reference, str) else reference.metadata.network
    if name not in NETWORKS:
        raise CosimError(
            f"no data set is known for this network.{did_you_mean(name, NETWORKS)}", key="network", value=name,
            allowed=NETWORKS,
        )  # fmt: skip
    if examples is not None and examples < 1:
        raise CosimError("at least one example is needed", key="examples", value=examples, allowed="1 or more")
    scaling = None if isinstance(reference, str) else reference.scaling
    if isinstance(reference, str) and name != "digits_lstm":
        raise CosimError("the scaling of the inputs is the reference's; give the reference", key="network", value=name)
    if name == _TEXT:
        return _text(examples)
    part, training = (_LABELLED[name](each) for each in ("test", "train"))
    places = _drawn(len(part[1]), examples, seed)
    some = _drawn(len(training[1]), CALIBRATION, 0)
    return Task(
        part[2], "accuracy", Scaled(part[0][places], scaling), part[1][places], Scaled(training[0][some], scaling)
    )


def _drawn(total: int, wanted: int | None, seed: int) -> NDArray[np.int64]:
    """Places of the drawn examples, ascending."""
    if wanted is None or wanted >= total:
        return np.arange(total)
    generator = np.random.default_rng(stream(seed, "task: examples"))
    return np.sort(generator.choice(total, wanted, replace=False))


def _text(symbols: int | None) -> Task:
    from cosim.datasets.ptb import load_ptb

    text, training = load_ptb("test", "char"), load_ptb("train", "char")
    inputs, targets = streams_of(text.symbols[:symbols], STREAMS, LEAD)
    piece = training.symbols[: CALIBRATION * 64].reshape(-1, 256)
    return Task(text.name, "bits_per_symbol", Scaled(inputs, None), targets, Scaled(piece, None))


def streams_of(symbols: NDArray[np.integer], streams: int, lead: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Inputs and targets (streams, length) of a text; a target of -1 is not scored.

    Raises CosimError for a text of fewer than two symbols.
    """
    total = len(symbols) - 1
    if total < 1:
        raise CosimError("a text of fewer than two symbols says nothing", key="symbols", value=len(symbols))
    streams = min(streams, max(1, total // max(lead, 1)))
    each = -(-total // streams)
    streams = -(-total // each)
    begins = np.arange(streams) * each
    ends = np.minimum(begins + each, total)
    length = each + (lead if streams > 1 else 0)
    inputs = np.zeros((streams, length), dtype=np.int64)
    targets = np.full((streams, length), -1, dtype=np.int64)
    for row, (begin, end) in enumerate(zip(begins.tolist(), ends.tolist(), strict=True)):
        first = max(0, begin - lead) if streams > 1 else 0
        inputs[row, : end - first] = symbols[first:end]
        targets[row, begin - first : end - first] = symbols[begin + 1 : end + 1]
    return inputs, targets


Loaded = tuple[NDArray, NDArray[np.int64], str]


def _digits(part: str) -> Loaded:
    from cosim.datasets.digits import load_digits

    loaded = load_digits(part)  # type: ignore[arg-type]
    return loaded.sequences, loaded.labels, loaded.name


def _har(part: str) -> Loaded:
    from cosim.datasets.har import load_har

    loaded = load_har(part)
    return loaded.inputs, loaded.labels, loaded.name


def _fsdd(part: str) -> Loaded:
    from cosim.datasets.fsdd import load_fsdd

    loaded = load_fsdd(part)
    return loaded.inputs, loaded.labels, loaded.name


def _cifar10(part: str) -> Loaded:
    from cosim.datasets.cifar10 import load_cifar10

    loaded = load_cifar10(part)
    return loaded.inputs, loaded.labels, loaded.name


_LABELLED: dict[str, Callable[[str], Loaded]] = {
    "digits_lstm": _digits,
    "har_lstm": _har,
    "fsdd_lstm": _fsdd,
    "cifar10_resnet32": _cifar10,
}
_TEXT = "ptb_char_lstm"
NETWORKS = (*_LABELLED, _TEXT)
"""Networks that a task is known for."""
