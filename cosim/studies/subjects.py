"""The networks a study can be about: what their layers are called, and how one is put on the hardware of a point."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Protocol, get_args

import numpy as np
from numpy.typing import NDArray

from cosim.errors import CosimError, did_you_mean
from cosim.files import sha256_of
from cosim.networks.lstm import GATE_FUNCTIONS, GATES, LstmNetwork
from cosim.networks.weights import Form, LstmWeights, load_weights, weights_file
from cosim.studies.point_hardware import PointHardware, age
from cosim.studies.settings import Settings
from cosim.studies.tasks import Metric, Task, task_of


class Subject(Protocol):
    """A network on the hardware of one point.

    Attributes
    ----------
    task: its test examples, and what is right.
    measures: what is known of it without running it: cells, conversions an inference, costs.
    """

    task: Task
    measures: Mapping[str, float]

    def program(self, for_chip: np.random.Generator, for_drift: np.random.Generator) -> None:
        """Write a chip, and let the time after programming pass."""

    def outputs(self, rng: np.random.Generator) -> NDArray[np.floating]:
        """What the network says to all examples, as `Task.scores` takes it."""


@dataclass(frozen=True)
class SubjectKind:
    """A network by name.

    Attributes
    ----------
    layers: names that `fidelity` takes.
    activations: names that `functions` takes.
    fixed: settings that the weights decide, and that a study cannot change.
    sources: settings -> name -> file that the results depend on, beside models and device.
    build: puts it on a point's hardware, with so many test examples (None: all) drawn by a seed.
    """

    name: str
    description: str
    metric: Metric
    layers: tuple[str, ...]
    activations: tuple[str, ...]
    sources: Callable[[Settings], dict[str, Path]]
    build: Callable[[Settings, int | None, int], Subject]
    fixed: tuple[str, ...] = field(default=())


# ---- digits LSTM -----------------------------------------------------------------------------------------------------


def digits_weights_file(settings: Settings) -> Path:
    """The file of the digits LSTM's weights: of a form ("float", "qat"), or the user's own."""
    weights = settings.network.weights or "qat"
    return weights_file(weights) if weights in get_args(Form) else Path(weights)  # type: ignore[arg-type]


@lru_cache(maxsize=4)
def _weights(path: Path, sha256: str) -> LstmWeights:
    return load_weights(path)


@lru_cache(maxsize=4)
def _digits(examples: int | None, seed: int) -> Task:
    return task_of("digits_lstm", examples=examples, seed=seed)


class DigitsLstm:
    """The digits LSTM, one tile a gate."""

    def __init__(self, settings: Settings, examples: int | None, seed: int) -> None:
        path = digits_weights_file(settings)
        weights = _weights(path, sha256_of(path))
        self.task = _digits(examples, seed)
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
            "conversions": float(len(GATES) * outputs * self.task.inputs.shape[1]),
        }

    def program(self, for_chip: np.random.Generator, for_drift: np.random.Generator) -> None:
        """See `Subject`."""
        self._network.program(for_chip)
        for gate, rng in zip(GATES, for_drift.spawn(len(GATES)), strict=True):
            age(self._network.tiles[gate], self._settings.device.time, self._hardware.device, rng)

    def outputs(self, rng: np.random.Generator) -> NDArray[np.floating]:
        """See `Subject`."""
        return self._network.forward(self.task.inputs[:], rng)


# ---- by name ---------------------------------------------------------------------------------------------------------

SUBJECTS = {
    "digits_lstm": SubjectKind(
        name="digits_lstm",
        description="LSTM on handwritten digits, read row by row (scikit-learn's; nothing is downloaded)",
        metric="accuracy",
        layers=GATES,
        activations=("sigmoid", "tanh"),
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
