"""The files that a study's results depend on: models, weights, devices; their hashes, and what changed."""

from __future__ import annotations

from collections.abc import Mapping

from cosim.blocks.ramp_adc.functions import TABLE
from cosim.blocks.recipes import model_path
from cosim.devices import load_device
from cosim.errors import CosimError
from cosim.files import sha256_of
from cosim.studies.settings import Settings
from cosim.studies.subjects import subject_of

Sources = dict[str, str]
"""What and which -> sha256, e.g. "ramp_adc 'ramp_adc'"."""


def sources_of(settings: Settings, written: Settings | None = None) -> Sources:
    """Hashes of what a point depends on; CosimError for a file or device that is not there.

    written: the settings as the study file has them, whose paths name the files; `settings` has them as they are found.
    """
    written = written or settings
    kind = subject_of(settings.network.name)
    names = kind.sources(written)
    found = {f"{name} '{names[name]}'": sha256_of(path) for name, path in kind.sources(settings).items()}
    for name in ("ramp_adc", "crossbar"):
        stated = getattr(settings.models, name)
        if stated is not None:
            found[f"{name} '{getattr(written.models, name).file}'"] = sha256_of(model_path(stated.file))
    for name, function in settings.functions.items():
        if function.startswith(TABLE):
            text = written.functions[name].removeprefix(TABLE).strip()
            found[f"function '{text}'"] = sha256_of(function.removeprefix(TABLE).strip())
    found[f"device '{written.device.name}'"] = load_device(settings.device.name).sha256
    return found


def check_sources(found: Mapping[str, str], expected: Mapping[str, str]) -> None:
    """Raise CosimError, with both hashes, when a file is not what it was when the study began."""
    for name, sha256 in found.items():
        if expected.get(name, sha256) != sha256:
            raise CosimError(
                f"the {name} has changed since the study began: its sha256 was {expected[name]} and is {sha256}. Put"
                " the old one back, or begin a study in another folder"
            )
