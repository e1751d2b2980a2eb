"""The networks a study can be about, and how one is put on the hardware of a point."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from cosim.errors import CosimError, did_you_mean
from cosim.files import sha256_of
from cosim.networks.digits import gate_scales
from cosim.networks.graph import Graph
from cosim.networks.reference import load_reference
from cosim.networks.references import graph_of
from cosim.networks.tiled import TiledNetwork
from cosim.networks.weights import Form, load_weights, weights_file
from cosim.provenance import sha256_of_json
from cosim.resources import shipped
from cosim.studies.costing import cost_of_network
from cosim.studies.judging import Judged, judge
from cosim.studies.point_hardware import age, model_error_of, point_hardware
from cosim.studies.settings import Settings
from cosim.studies.tasks import Metric, Task, task_of
from cosim.tiles.hardware import REST
from cosim.tiles.protocol import Fidelity
from cosim.tiles.scaling import ScalingConfig


@dataclass(frozen=True)
class SubjectKind:
    """A network by name.

    Attributes
    ----------
    metric: what its scores are.
    forms: names that `network.weights` takes beside the path of a file.
    file: `network.weights` -> file of the weights.
    load: file -> its graph, and its task with so many test examples (None: all) drawn by a seed. graph: without them.
    trained: file -> layer -> full scales that the weights were trained with, which count where the study states none.
    """

    name: str
    description: str
    metric: Metric
    forms: tuple[str, ...]
    file: Callable[[str | None], Path]
    load: Callable[[Path, int | None, int], tuple[Graph, Task]]
    graph: Callable[[Path], Graph]
    trained: Callable[[Path], Mapping[str, Mapping[str, float]]] = lambda path: {}


class Subject:
    """A network on the hardware of one point: calibrated, then programmed chip by chip.

    Attributes
    ----------
    task: its test examples, and what is right.
    measures: figures that no chip changes: cells, tiles, conversions and digital operations an inference, clipping,
        energy, latency and area.
    """

    def __init__(self, settings: Settings, examples: int | None, seed: int) -> None:
        kind = subject_of(settings.network.name)
        path = kind.file(settings.network.weights)
        graph, self.task = _loaded(kind.name, path, sha256_of(path), examples, seed)
        self._settings = settings
        self._network = tiled(graph, settings)
        self._network.calibrate(self.task.calibration)
        self.measures: Mapping[str, float] = _measures(self._network) | _costs(self._network, self.task, settings)
        error = model_error_of(settings)
        self._doubtful = (
            None if error is None
            else self._network.variant(hardware=replace(self._network.hardware, model_error=error))
        )  # fmt: skip

    @property
    def has_model_error(self) -> bool:
        """Whether the study names a model-form error."""
        return self._doubtful is not None

    def draws(self, *, model_error: bool = False) -> bool:
        """Whether chips and reads can differ at all."""
        network = self._of(model_error)
        fidelities = {each for parts in network.fidelity.values() for each in parts.values()}
        if model_error or self._settings.device.time is not None or Fidelity.SPICE in fidelities:
            return True
        on = network.hardware.nonidealities.active(network.hardware.tile)
        return Fidelity.BEHAVIOURAL in fidelities and any(getattr(on, name) for name in on.DRAWN)

    def program(
        self, for_chip: np.random.Generator, for_drift: np.random.Generator, *, model_error: bool = False
    ) -> None:
        """Write a chip, let the time after programming pass, and trim it when the study says so; `model_error`: of the
        network that has it."""
        network, trim = self._of(model_error), self._settings.network.trim
        network.program(for_chip)
        if trim == "after programming":
            network.trim(for_chip.spawn(1)[0])
        self._age(network, for_drift)
        if trim == "before reading":
            network.trim(for_chip.spawn(1)[0])

    def _age(self, network: TiledNetwork, for_drift: np.random.Generator) -> None:
        time = self._settings.device.time
        if time is None:
            return
        device = network.hardware.device
        assert device is not None
        tiles = [part.tile for matrix in network.matrices.values() for part in matrix.parts]
        for tile, rng in zip(tiles, for_drift.spawn(len(tiles)), strict=True):
            age(tile, time, device, rng)

    def judged(self, rng: np.random.Generator, *, model_error: bool = False) -> Judged:
        """All test examples through the programmed chip."""
        return judge(self._of(model_error), self.task, rng)

    def _of(self, model_error: bool) -> TiledNetwork:
        if not model_error:
            return self._network
        assert self._doubtful is not None
        return self._doubtful


def tiled(graph: Graph, settings: Settings) -> TiledNetwork:
    """The network on the tiles of a point, before calibration.

    Raises CosimError for what does not fit: layers and tiles, names of layers, models and circuit.
    """
    return TiledNetwork(
        graph,
        point_hardware(settings),
        settings.mapping,
        scaling_of(settings),
        settings.fidelities(),
        settings.network.activations,
    )


def scaling_of(settings: Settings) -> dict[str, ScalingConfig]:
    """Layer -> how its full scales are chosen, "*" for the rest."""
    kind, common = subject_of(settings.network.name), settings.scaling
    given = {name: getattr(common, name) for name in common.model_fields_set}
    trained = kind.trained(kind.file(settings.network.weights))
    return {REST: common} | {
        layer: ScalingConfig(**(common.model_dump() | dict(scales) | given)) for layer, scales in trained.items()
    }


def check_subject(settings: Settings) -> None:
    """Raise CosimError for what is wrong with a point's network, files and hardware; no data set is read."""
    kind = subject_of(settings.network.name)
    tiled(_graph(kind.name, *_stamped(kind.file(settings.network.weights))), settings)
    model_error_of(settings)


def _stamped(path: Path) -> tuple[Path, str]:
    return path, sha256_of(path)


def _measures(network: TiledNetwork) -> dict[str, float]:
    """Counts of an inference, and shares that saturate in the calibration data."""
    use = network.use()
    found = {
        "tiles": float(use.tiles),
        "cells": float(sum(each.cells_total for each in use.matrices.values())),
        "utilisation": float(use.utilisation),
        "conversions": float(sum(use.conversions.values())),
        "digital_operations": float(sum(use.operations().values())),
    }
    clipping = network.clipping.values()
    if clipping:
        found["clipping_dac"] = max(each.dac for each in clipping)
        found["clipping_adc"] = max(each.worst for each in clipping)
    return found


COSTS = ("energy", "latency", "area", "operations", "tops_per_watt", "tops_per_mm2")
EXAMPLES, SYMBOLS = 32, 64  # of the calibration data, whose mean energy counts; of a text, so many symbols of each
_MOST_ACCOUNTS = 64
_accounts: dict[str, dict[str, float]] = {}


def _costs(network: TiledNetwork, task: Task, settings: Settings) -> dict[str, float]:
    """Costs of an inference, of a text that of a symbol; NaN, with a warning, where a constant is not known.

    They do not depend on what differs from chip to chip: points that have all else in common share an account.
    """
    shared = settings.model_dump(include={"network", "tile", "mapping", "scaling", "costs", "functions"}, mode="json")
    shared |= {"given": sorted(settings.tile.adc.model_fields_set), "device": settings.device.name}
    key = sha256_of_json(shared | {"model": settings.models.ramp_adc.file})
    if key not in _accounts:
        examples = np.asarray(task.calibration[slice(0, EXAMPLES)])
        text = task.metric == "bits_per_symbol"
        try:
            figures = cost_of_network(
                network, examples[:, :SYMBOLS] if text else examples, settings.costs, per=SYMBOLS if text else 1
            ).figures()
        except CosimError as error:
            warnings.warn(f"no costs: {error}", stacklevel=2)
            return dict.fromkeys(COSTS, math.nan)
        if len(_accounts) >= _MOST_ACCOUNTS:
            _accounts.clear()
        _accounts[key] = {cost: figures[cost] for cost in COSTS}
    return dict(_accounts[key])


@lru_cache(maxsize=4)
def _loaded(name: str, path: Path, sha256: str, examples: int | None, seed: int) -> tuple[Graph, Task]:
    return SUBJECTS[name].load(path, examples, seed)


@lru_cache(maxsize=4)
def _graph(name: str, path: Path, sha256: str) -> Graph:
    return SUBJECTS[name].graph(path)


def task_for(settings: Settings, examples: int | None, seed: int) -> Task:
    """The test examples of a point."""
    kind = subject_of(settings.network.name)
    return _loaded(kind.name, *_stamped(kind.file(settings.network.weights)), examples, seed)[1]


def data_hash(task: Task) -> str:
    """sha256 over the test examples and what is right."""
    inputs: NDArray = np.ascontiguousarray(getattr(task.inputs, "values", task.inputs))
    return sha256_of(sha256_of(inputs.tobytes()).encode() + np.ascontiguousarray(task.targets).tobytes())


# ---- by name ---------------------------------------------------------------------------------------------------------


def _digits_file(weights: str | None) -> Path:
    form = weights or "qat"
    return weights_file(form) if form in get_args(Form) else Path(form)  # type: ignore[arg-type]


def _digits(path: Path, examples: int | None, seed: int) -> tuple[Graph, Task]:
    return graph_of(load_weights(path)), task_of("digits_lstm", examples=examples, seed=seed)


def _digits_scales(path: Path) -> Mapping[str, Mapping[str, float]]:
    """The gates' window and inputs, of which the grid of quantisation-aware weights is made."""
    return {"lstm": gate_scales(load_weights(path))}


def _reference(path: Path, examples: int | None, seed: int) -> tuple[Graph, Task]:
    reference = load_reference(path)
    return graph_of(reference), task_of(reference, examples=examples, seed=seed)


def _kind(name: str, description: str, metric: Metric = "accuracy") -> SubjectKind:
    """A float reference."""

    def file(weights: str | None) -> Path:
        return shipped(f"{name}_float16.safetensors") if weights in (None, "float") else Path(str(weights))

    return SubjectKind(
        name, description, metric, ("float",), file, _reference, lambda path: graph_of(load_reference(path))
    )


SUBJECTS = {
    each.name: each
    for each in (
        SubjectKind(
            "digits_lstm", "LSTM on handwritten digits, read row by row (comes with scikit-learn)", "accuracy",
            get_args(Form), _digits_file, _digits, lambda path: graph_of(load_weights(path)), _digits_scales,
        ),
        _kind("har_lstm", "LSTM on human activities (UCI HAR)"),
        _kind("fsdd_lstm", "LSTM on spoken digits (FSDD, 40 MFCC)"),
        _kind("ptb_char_lstm", "LSTM language model of characters (Penn Treebank)", "bits_per_symbol"),
        _kind("cifar10_resnet32", "ResNet-32 on images (CIFAR-10)"),
    )
}  # fmt: skip


def subject_of(name: str) -> SubjectKind:
    """The network of that name; CosimError where there is none."""
    if name not in SUBJECTS:
        raise CosimError(
            f"unknown network.{did_you_mean(name, SUBJECTS)}", key="network.name", value=name, allowed=list(SUBJECTS)
        )
    return SUBJECTS[name]
