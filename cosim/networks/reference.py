"""Float references: trained weights under their PyTorch names, with what they were trained on and how good they are.

The file is safetensors. "float32" holds the weights as trained; "float16" holds every array of two or more dimensions
rounded to float16 (biases and batch-norm statistics stay float32), half the size. Loaded, all are float32.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from cosim.errors import CosimError
from cosim.files import write_atomically
from cosim.provenance import canonical_json
from cosim.resources import shipped

SCHEMA = "cosim.reference/1"
ENTRY = "cosim"  # in the file's metadata: a JSON object of the schema and the fields of ReferenceMetadata
Precision = Literal["float16", "float32"]


@dataclass(frozen=True)
class InputScaling:
    """Network inputs from a data set's values: x = clip((value - mean) / scale, -clip, clip).

    Attributes
    ----------
    mean, scale: one number a channel, in the data set's unit.
    axis: the dimension of an example's array that holds the channels, counted from its end (-1 is the last).
    clip: limit of |x|, or None for none.
    """

    mean: tuple[float, ...]
    scale: tuple[float, ...]
    axis: int = -1
    clip: float | None = None

    def apply(self, values: NDArray) -> NDArray[np.float32]:
        """float32 of the shape of `values`, which is (n, ...) with the channels on `axis`."""
        shape = [1] * values.ndim
        shape[self.axis] = -1
        mean = np.asarray(self.mean, np.float32).reshape(shape)
        scale = np.asarray(self.scale, np.float32).reshape(shape)
        scaled = (values.astype(np.float32) - mean) / scale
        return scaled if self.clip is None else np.clip(scaled, -self.clip, self.clip)


@dataclass(frozen=True)
class ReferenceMetadata:
    """What a float reference is.

    Attributes
    ----------
    network: its name, as in `cosim train NETWORK`.
    config: arguments of the network's module.
    scaling: fields of InputScaling, or None where the network takes symbols.
    dataset: what it was trained on, e.g. "har".
    checksum: sha256 over that data set's training and test files, see cosim.datasets.parts.checksum_of.
    metric: "accuracy" (share right, 0 .. 1) or "bits_per_symbol" (mean -log2 p).
    value: that of the official test part with the weights of this file, or None when not measured.
    examples: how many test examples `value` rests on.
    seed: of the training.
    recipe: hyper-parameters of the training.
    command: the command that makes these weights again.
    device: what it was trained on.
    precision: of the stored arrays.
    cosim_version: of the code that made them.
    """

    network: str
    config: dict[str, Any]
    scaling: dict[str, Any] | None
    dataset: str
    checksum: str
    metric: str
    value: float | None
    examples: int
    seed: int
    recipe: dict[str, Any]
    command: str
    device: str
    precision: Precision
    cosim_version: str


@dataclass(frozen=True)
class Reference:
    """A network's weights: name -> float32 array, named as in its module's state_dict, and the metadata."""

    arrays: Mapping[str, NDArray[np.float32]]
    metadata: ReferenceMetadata

    @property
    def scaling(self) -> InputScaling | None:
        """How values of the data set become inputs of the network."""
        fields = self.metadata.scaling
        if fields is None:
            return None
        return InputScaling(tuple(fields["mean"]), tuple(fields["scale"]), fields["axis"], fields["clip"])


def rounded(arrays: Mapping[str, NDArray[np.float32]], precision: Precision) -> dict[str, NDArray]:
    """The arrays as they are stored at that precision. CosimError when a value does not fit float16."""
    if precision == "float32":
        return {name: np.ascontiguousarray(array, np.float32) for name, array in arrays.items()}
    stored: dict[str, NDArray] = {}
    for name, array in arrays.items():
        kind = np.float16 if array.ndim > 1 else np.float32
        if kind is np.float16 and np.abs(array).max() > np.finfo(np.float16).max:
            raise CosimError("a weight is too large for float16", key=name, value=float(np.abs(array).max()))
        stored[name] = np.ascontiguousarray(array, kind)
    return stored


def save_reference(reference: Reference, path: str | Path) -> Path:
    """Write the weights at their metadata's precision, whole or not at all; returns `path`."""
    from safetensors.numpy import save

    for name, array in reference.arrays.items():
        if not np.all(np.isfinite(array)):
            raise CosimError("a weight is not a finite number", file=path, key=name)
    text = canonical_json({"schema": SCHEMA, **dataclasses.asdict(reference.metadata)})
    content = save(rounded(reference.arrays, reference.metadata.precision), metadata={ENTRY: text})
    return write_atomically(path, lambda temporary: temporary.write_bytes(content))


def load_reference(path: str | Path) -> Reference:
    """Read what `save_reference` wrote, as float32; CosimError with the file's name when it is anything else."""
    from safetensors import SafetensorError, safe_open

    if not Path(path).is_file():
        raise CosimError("no such file of weights", file=path)
    try:
        with safe_open(path, framework="numpy") as stream:
            text = (stream.metadata() or {}).get(ENTRY, "{}")
            stored = {name: stream.get_tensor(name) for name in stream.keys()}  # noqa: SIM118, not a mapping
    except (SafetensorError, OSError, ValueError, TypeError) as error:
        raise CosimError(f"not a readable safetensors file: {error}", file=path) from error
    arrays = {name: array.astype(np.float32) for name, array in stored.items()}
    try:
        entries = json.loads(text)
        schema = entries.pop("schema", None)
    except (ValueError, AttributeError) as error:
        raise CosimError("not a JSON object", file=path, key=ENTRY, value=text) from error
    if schema != SCHEMA:
        raise CosimError("not weights of a float reference", file=path, key="schema", value=schema, allowed=SCHEMA)
    names = {field.name for field in dataclasses.fields(ReferenceMetadata)}
    if set(entries) != names:
        wrong = sorted(set(entries) ^ names)
        raise CosimError("entries are missing or unknown", file=path, key=wrong[0], allowed=sorted(names))
    if entries["precision"] not in get_args(Precision):
        raise CosimError("unknown precision", file=path, value=entries["precision"], allowed=get_args(Precision))
    for name, array in arrays.items():
        if not np.all(np.isfinite(array)):
            raise CosimError("a weight is not a finite number", file=path, key=name)
    return Reference(arrays, ReferenceMetadata(**entries))


def shipped_reference(network: str) -> Reference:
    """The float reference of that network that comes with cosim, rounded to float16; CosimError when none does."""
    return load_reference(shipped(f"{network}_float16.safetensors"))
