"""Weights of an LSTM in the layout of its tiles, and their file (safetensors)."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import NoneType
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from cosim.errors import CosimError
from cosim.files import write_atomically
from cosim.provenance import canonical_json
from cosim.resources import shipped
from cosim.tiles.quantise import BITS, quantise_weights

SCHEMA = "cosim.weights/1"
ENTRY = "cosim"  # in the file's metadata: a JSON object of the schema and the fields of WeightsMetadata
Form = Literal["float", "qat"]

GATES = ("i", "f", "g", "o")
GATE_FUNCTIONS = {"i": "sigmoid", "f": "sigmoid", "g": "tanh", "o": "sigmoid"}

ARRAYS = {"gates": 3, "head_weights": 2, "head_bias": 1}  # name in the file: dimensions


@dataclass(frozen=True)
class WeightsMetadata:
    """How the weights were made, and what they fit.

    Attributes
    ----------
    form: "float" (trained in real arithmetic) or "qat" (trained through the hardware's quantisers).
    bits: converter and weight width trained for; None for "float".
    w_max: largest weight of the gates, in units of the network; the array's window spans -w_max .. w_max.
    seed: of the training.
    dataset: what the accuracy is about, e.g. "digits/test".
    accuracy: share of right answers there, 0 .. 1, or None when not measured; "float" in real arithmetic, "qat" on
        quantised tiles.
    command: the command that makes these weights again.
    cosim_version: of the code that made them.
    """

    form: Form
    bits: int | None
    w_max: float
    seed: int
    dataset: str = ""
    accuracy: float | None = None
    command: str = ""
    cosim_version: str = ""


@dataclass(frozen=True)
class LstmWeights:
    """An LSTM with a linear head.

    Attributes
    ----------
    gates: float32, shape (4, inputs + hidden + 1, hidden): one tile's matrix (inputs, outputs) a gate, in
        the order i, f, g, o. Rows: the input x_t, then the hidden state h_{t-1}, then the bias
        (its input is always 1).
    head_weights: float32, shape (hidden, classes).
    head_bias: float32, shape (classes,).
    metadata: how they were made.

    Raises CosimError when shapes do not belong together, a value is not finite, a gate's weight exceeds w_max,
    or weights of the form "qat" are off their grid.
    """

    gates: NDArray[np.float32]
    head_weights: NDArray[np.float32]
    head_bias: NDArray[np.float32]
    metadata: WeightsMetadata

    def __post_init__(self) -> None:
        _check_metadata(self.metadata)
        for name in ARRAYS:
            array = np.array(getattr(self, name), dtype=np.float32)  # a copy: nobody else changes it
            array.flags.writeable = False
            object.__setattr__(self, name, array)
        _check_shapes(self)
        _check_values(self)

    @property
    def inputs(self) -> int:
        """Size of x_t."""
        return self.gates.shape[1] - self.hidden - 1

    @property
    def hidden(self) -> int:
        """Size of h_t and c_t."""
        return self.gates.shape[2]

    @property
    def classes(self) -> int:
        """Number of logits."""
        return len(self.head_bias)


def save_weights(weights: LstmWeights, path: str | Path) -> Path:
    """Write weights as safetensors, whole or not at all; returns `path`."""
    from safetensors.numpy import save

    arrays = {name: np.ascontiguousarray(getattr(weights, name)) for name in ARRAYS}
    # One entry: safetensors puts several in an order of chance, and the same weights should be the same bytes.
    text = canonical_json({"schema": SCHEMA, **dataclasses.asdict(weights.metadata)})
    content = save(arrays, metadata={ENTRY: text})
    return write_atomically(path, lambda temporary: temporary.write_bytes(content))


def load_weights(path: str | Path) -> LstmWeights:
    """Read what `save_weights` wrote; CosimError with the file's name when it is anything else."""
    from safetensors import SafetensorError, safe_open

    if not Path(path).is_file():
        raise CosimError("no such file of weights", file=path)
    try:
        with safe_open(path, framework="numpy") as stream:
            text = (stream.metadata() or {}).get(ENTRY, "{}")
            arrays = {name: stream.get_tensor(name) for name in stream.keys()}  # noqa: SIM118, not a mapping
    except (SafetensorError, OSError, ValueError, TypeError) as error:
        raise CosimError(f"not a readable safetensors file: {error}", file=path) from error
    try:
        entries = json.loads(text)
        schema = entries.get("schema")
    except (ValueError, AttributeError) as error:
        raise CosimError("not a JSON object", file=path, key=ENTRY, value=text) from error
    if schema != SCHEMA:
        raise CosimError("not weights of an LSTM", file=path, key="schema", value=schema, allowed=SCHEMA)
    if set(arrays) != set(ARRAYS):
        raise CosimError("wrong set of arrays", file=path, value=sorted(arrays), allowed=list(ARRAYS))
    try:
        return LstmWeights(**arrays, metadata=_parse_metadata(entries))
    except CosimError as error:
        raise CosimError(error.message, file=path, key=error.key, value=error.value, allowed=error.allowed) from error


def shipped_weights(form: Form, bits: int = 5) -> LstmWeights:
    """The digits LSTM that comes with cosim: "float", or "qat" at 5 bits."""
    return load_weights(weights_file(form, bits))


def weights_file(form: Form, bits: int = 5) -> Path:
    """Where the shipped weights of that form are."""
    name = "digits_lstm_float" if form == "float" else f"digits_lstm_{form}{bits}"
    return shipped(f"{name}.safetensors")


def _parse_metadata(entries: Mapping[str, Any]) -> WeightsMetadata:
    kinds: dict[str, tuple[type, ...]] = {
        "bits": (int, NoneType),
        "w_max": (int, float),
        "seed": (int,),
        "accuracy": (int, float, NoneType),
    }
    names = [field.name for field in dataclasses.fields(WeightsMetadata)]
    for name in names:
        if name not in entries:
            raise CosimError("this entry is missing", key=name)
        allowed = kinds.get(name, (str,))
        if type(entries[name]) not in allowed:
            kind = " or ".join({NoneType: "null"}.get(each, each.__name__) for each in allowed)
            raise CosimError("this entry is of the wrong kind", key=name, value=entries[name], allowed=kind)
    return WeightsMetadata(**{name: entries[name] for name in names})


def _check_metadata(metadata: WeightsMetadata) -> None:
    if metadata.form not in get_args(Form):
        raise CosimError("unknown form of weights", key="form", value=metadata.form, allowed=get_args(Form))
    if not (np.isfinite(metadata.w_max) and metadata.w_max > 0):
        raise CosimError("not a window of weights", key="w_max", value=metadata.w_max, allowed="above 0")
    if (metadata.bits is None) != (metadata.form == "float") or (
        metadata.bits is not None and metadata.bits not in BITS
    ):
        raise CosimError(
            f"this width does not go with weights of the form '{metadata.form}'",
            key="bits",
            value=metadata.bits,
            allowed="none" if metadata.form == "float" else f"{BITS.start} to {BITS.stop - 1}",
        )


def _check_shapes(weights: LstmWeights) -> None:
    for name, dimensions in ARRAYS.items():
        shape = getattr(weights, name).shape
        if len(shape) != dimensions or 0 in shape:
            raise CosimError(f"shape {shape} is wrong", key=name, allowed=f"{dimensions} dimensions, none empty")
    if weights.gates.shape[0] != len(GATES) or weights.inputs < 1:
        raise CosimError(
            f"shape {weights.gates.shape} is wrong", key="gates", allowed="(4, inputs + hidden + 1, hidden)"
        )
    if weights.head_weights.shape != (weights.hidden, weights.classes):
        raise CosimError(
            f"shape {weights.head_weights.shape} is wrong",
            key="head_weights",
            allowed=f"({weights.hidden}, {weights.classes})",
        )


def _check_values(weights: LstmWeights) -> None:
    for name in ARRAYS:
        if not np.all(np.isfinite(getattr(weights, name))):
            raise CosimError("holds values that are not finite", key=name)
    window, bits = weights.metadata.w_max, weights.metadata.bits
    largest = float(np.abs(weights.gates).max())
    if largest > window * (1 + 1e-6):
        raise CosimError("a weight exceeds w_max", key="gates", value=largest, allowed=f"-{window} to {window}")
    if bits is not None:
        off_grid = np.abs(weights.gates - quantise_weights(weights.gates, bits, window)).max()
        if off_grid > 1e-6 * window:
            raise CosimError(f"weights of the form 'qat' are off their {bits}-bit grid", key="gates")
