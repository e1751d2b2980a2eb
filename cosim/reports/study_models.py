"""The fitted models that a study used: how far they are from SPICE, and what they were fitted to."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cosim.blocks.model import ModelFile, load_model_file
from cosim.blocks.recipes import model_path
from cosim.errors import CosimError
from cosim.files import sha256_of

BLOCKS = ("ramp_adc", "crossbar", "dac", "integrator", "comparator", "sample_hold", "sar_adc", "cell")


@dataclass(frozen=True)
class ModelCard:
    """A model file as the page shows it.

    Attributes
    ----------
    block, name: of the model, as the study's file names it. sha256: of the file when the study began.
    why_not: why nothing more is known; "" where it is.
    form, errors, parameters, data: what the file says; an error a quantity, with its unit, points and limit.
    """

    block: str
    name: str
    sha256: str
    why_not: str = ""
    form: str = ""
    errors: Mapping[str, Mapping[str, Any]] | None = None
    parameters: Mapping[str, Mapping[str, Any]] | None = None
    data: Mapping[str, Any] | None = None
    device: Mapping[str, Any] | None = None


def model_cards(sources: Mapping[str, str], folders: Iterable[Path]) -> list[ModelCard]:
    """Of all fitted models among a study's sources.

    sources: what and which -> sha256, e.g. "ramp_adc 'mine.json'". folders: where files are looked for first.
    """
    cards = []
    for source, sha256 in sources.items():
        found = re.fullmatch(r"(\w+) '(.*)'", source, re.DOTALL)
        if found is not None and found[1] in BLOCKS:
            cards.append(_card(found[1], found[2], sha256, folders))
    return cards


def _card(block: str, name: str, sha256: str, folders: Iterable[Path]) -> ModelCard:
    try:
        path = next((each / name for each in folders if (each / name).is_file()), None) or model_path(name)
        if sha256_of(path) != sha256:
            return ModelCard(block, name, sha256, "its file is no longer what it was when the study began")
        file: ModelFile = load_model_file(path, block, accept=True)
    except CosimError as error:
        return ModelCard(block, name, sha256, error.message)
    errors = {quantity: each.__dict__ for quantity, each in file.errors.items()} or {"": file.error.__dict__}
    plain = file.model_dump(mode="json")
    return ModelCard(
        block,
        name,
        sha256,
        form=file.form,
        errors=errors,
        parameters={name: _over_conditions(entry, file) for name, entry in plain["parameters"].items()},
        data=file.provenance.get("data_set") or {},
        device=file.provenance.get("device") or {},
    )


def _over_conditions(entry: dict[str, Any], file: ModelFile) -> dict[str, Any]:
    """A parameter as it is printed: coefficients over corners, temperature and supply are no values of it."""
    conditions = file.settings.get("conditions") or {}
    many = len(conditions.get("terms", ())) * len(conditions.get("corners", ())) > 1
    if many and isinstance(entry["value"], list):
        return {**entry, "value": "coefficients over the conditions", "interval": None}
    return entry
