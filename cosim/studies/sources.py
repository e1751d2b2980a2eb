"""The files that a study's results depend on: models, weights, devices; their hashes, and what changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from weakref import WeakValueDictionary

from cosim.blocks.ramp_adc.functions import TABLE
from cosim.devices import load_device
from cosim.errors import CosimError
from cosim.files import sha256_of
from cosim.studies.point_hardware import function_and_range, model_file
from cosim.studies.settings import Settings
from cosim.studies.subjects import data_hash, subject_of, task_for
from cosim.studies.tasks import Task


@dataclass(frozen=True)
class Counts:
    """How much of a point is run.

    Attributes
    ----------
    chips: drawn and programmed.
    noise_samples: reads of all test samples on each chip.
    test_samples: of the test part, drawn by the seed; None: all.
    seed: of chips, reads and the drawing of samples.
    """

    chips: int
    noise_samples: int
    test_samples: int | None
    seed: int


Sources = dict[str, str]
"""What and which -> sha256, e.g. "ramp_adc 'ramp_adc'"."""


def sources_of(settings: Settings, written: Settings, counts: Counts) -> Sources:
    """Hashes of what a point depends on, its test examples among it; CosimError for what is not there.

    written: the settings as the study file has them, whose paths name the files; `settings` has them as they are found.
    """
    kind = subject_of(settings.network.name)
    weights = written.network.weights or "shipped"
    found = {f"weights of {kind.name} '{weights}'": sha256_of(kind.file(settings.network.weights))}
    task = task_for(settings, counts.test_samples, counts.seed)
    if task.metric == "accuracy" and (counts.test_samples or 0) > len(task):
        raise CosimError(
            f"'{task.name}' has no more than {len(task)} examples", key="test_samples", value=counts.test_samples,
            allowed=f"1 to {len(task)}; absent: all",
        )  # fmt: skip
    found[f"test examples of '{task.name}'"] = _hash_of(task)
    for name in ("ramp_adc", "crossbar"):
        stated = getattr(settings.models, name)
        if stated is not None:
            found[f"{name} '{getattr(written.models, name).file}'"] = sha256_of(model_file(stated.file, name))
    if settings.models.form_error is not None:
        found[f"form_error '{written.models.form_error}'"] = sha256_of(Path(settings.models.form_error))
    for name, function in settings.functions.items():
        if function.startswith(TABLE):
            file = function_and_range(function)[0].removeprefix(TABLE).strip()
            found[f"function '{written.functions[name]}'"] = sha256_of(Path(file))
    found[f"device '{written.device.name}'"] = load_device(settings.device.name).sha256
    return found


_hashes: WeakValueDictionary[int, Task] = WeakValueDictionary()
_known: dict[int, str] = {}


def _hash_of(task: Task) -> str:
    """The hash of a task's examples, taken once as long as it is in use."""
    if _hashes.get(id(task)) is not task:
        _hashes[id(task)], _known[id(task)] = task, data_hash(task)
    return _known[id(task)]


def check_sources(found: Mapping[str, str], expected: Mapping[str, str]) -> None:
    """Raise CosimError, with both hashes, when a file is not what it was when the study began."""
    for name, sha256 in found.items():
        if expected.get(name, sha256) != sha256:
            raise CosimError(
                f"the {name} has changed since the study began: its sha256 was {expected[name]} and is {sha256}. Put"
                " the old one back, or begin a study in another folder"
            )
