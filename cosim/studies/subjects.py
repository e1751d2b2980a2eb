"""The networks a study can be about: what their layers are called, and how one is put on the hardware of a point."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Literal, Protocol, get_args

import numpy as np
from numpy.typing import NDArray

from cosim.datasets.digits import load_digits
from cosim.errors import CosimError, did_you_mean
from cosim.files import sha256_of
from cosim.networks.lstm import GATE_FUNCTIONS, GATES, LstmNetwork
from cosim.networks.weights import Form, LstmWeights, load_weights, weights_file
from cosim.studies.point_hardware import PointHardware, age
from cosim.studies.settings import Settings

Metric = Literal["accuracy", "bits_per_symbol"]


class Subject(Protocol):
    """A network on the hardware of one point, with its test samples.

    Attributes
    ----------
    measures: what is known of it without running it: cells, conversions an inference, costs.
    """

    measures: Mapping[str, float]

    def program(self, for_chip: np.random.Generator, for_drift: np.random.Generator) -> None:
        """Write a chip, and let the time after programming pass."""

    def losses(self, rng: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(score, loss) of each test sample, both of shape (samples,); NaN where an output was not finite.

        Score: 1 right or 0 wrong under the metric "accuracy", bits under "bits_per_symbol". Loss: cross-entropy [nat].
        """


@dataclass(frozen=True)
class SubjectKind:
    """A network by name.

    Attributes
    ----------
    metric: what its scores are.
    layers: names that `fidelity` takes.
    activations: names that `functions` takes.
    fixed: settings that the weights decide, and that a study cannot change.
    samples: number of test samples, or a function that says it.
    sources: settings -> name -> file that the results depend on.
    build: puts it on a point's hardware, with the test samples of these places.
    """

    name: str
    description: str
    metric: Metric
    layers: tuple[str, ...]
    activations: tuple[str, ...]
    samples: Callable[[], int]
    sources: Callable[[Settings], dict[str, Path]]
    build: Callable[[Settings, NDArray[np.int64]], Subject]
    fixed: tuple[str, ...] = field(default=())


# ---- digits LSTM -----------------------------------------------------------------------------------------------------


def digits_weights_file(settings: Settings) -> Path:
    """The file of the digits LSTM's weights: of a form ("float", "qat"), or the user's own."""
    weights = settings.network.weights or "qat"
    return weights_file(weights) if weights in get_args(Form) else Path(weights)  # type: ignore[arg-type]


@lru_cache(maxsize=4)
def _weights(path: Path, sha256: str) -> LstmWeights:
    return load_weights(path)


@lru_cache(maxsize=1)
def _digits() -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    part = load_digits("test")
    return part.sequences, part.labels


class DigitsLstm:
    """The digits LSTM, one tile a gate."""

    def __init__(self, settings: Settings, places: NDArray[np.int64]) -> None:
        path = digits_weights_file(settings)
        weights = _weights(path, sha256_of(path))
        sequences, labels = _digits()
        self._sequences, self._labels = sequences[places], labels[places]
        self._settings = settings
        sizes = {
            "inputs": weights.gates.shape[1],
            "outputs": weights.gates.shape[2],
            "w_max": weights.metadata.w_max,
        }
        self._hardware = PointHardware(settings, sizes)
        tiles = {gate: self._hardware.build(GATE_FUNCTIONS[gate], settings.fidelity_of(gate)) for gate in GATES}
        self._network = LstmNetwork(weights, tiles)
        inputs, outputs = sizes["inputs"], sizes["outputs"]
        self.measures: Mapping[str, float] = {
            "cells": float(len(GATES) * 2 * inputs * outputs),
            "conversions": float(len(GATES) * outputs * sequences.shape[1]),
        }

    def program(self, for_chip: np.random.Generator, for_drift: np.random.Generator) -> None:
        """See `Subject`."""
        self._network.program(for_chip)
        for gate, rng in zip(GATES, for_drift.spawn(len(GATES)), strict=True):
            age(self._network.tiles[gate], self._settings.device.time, self._hardware.device, rng)

    def losses(self, rng: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """See `Subject`."""
        return scores_of(self._network.forward(self._sequences, rng), self._labels)


def scores_of(
    logits: NDArray[np.floating], labels: NDArray[np.integer]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(1 right or 0 wrong, cross-entropy [nat]) of logits (samples, classes) and labels (samples,).

    -log softmax(l)_y = log sum_k exp(l_k - max) - (l_y - max). Both are NaN where a logit is not finite: such an output
    names no class.
    """
    values = logits.astype(np.float64)
    finite = np.isfinite(values).all(axis=1)
    shifted = np.where(finite[:, None], values, 0.0)
    shifted = shifted - shifted.max(axis=1, keepdims=True)
    losses = np.log(np.exp(shifted).sum(axis=1)) - shifted[np.arange(len(labels)), labels]
    right = (shifted.argmax(axis=1) == labels).astype(np.float64)
    return np.where(finite, right, np.nan), np.where(finite, losses, np.nan)


# ---- by name ---------------------------------------------------------------------------------------------------------

SUBJECTS = {
    "digits_lstm": SubjectKind(
        name="digits_lstm",
        description="LSTM on handwritten digits, read row by row (scikit-learn's; nothing is downloaded)",
        metric="accuracy",
        layers=GATES,
        activations=("sigmoid", "tanh"),
        samples=lambda: len(_digits()[1]),
        sources=lambda settings: {"weights": digits_weights_file(settings)},
        build=DigitsLstm,
        fixed=("tile.inputs", "tile.outputs", "tile.w_max"),
    )
}


def subject_of(name: str) -> SubjectKind:
    """The network of that name; CosimError where there is none."""
    if name not in SUBJECTS:
        raise CosimError(
            f"unknown network.{did_you_mean(name, SUBJECTS)}", key="network.name", value=name, allowed=list(SUBJECTS)
        )
    return SUBJECTS[name]
