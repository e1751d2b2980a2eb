"""What the training of a float reference hands over, whichever network it is."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from cosim.errors import CosimError, did_you_mean
from cosim.networks.reference import InputScaling

Arrays = Mapping[str, NDArray[np.float32]]
Told = Callable[[dict[str, float]], object]
AnyRecipe = TypeVar("AnyRecipe")


@dataclass(frozen=True)
class Outcome:
    """A trained network that has not seen the test part yet.

    Attributes
    ----------
    arrays: its weights, named as in its state_dict.
    config: arguments of its module.
    scaling: of its inputs, or None.
    dataset, checksum: what it was trained on; the checksum covers the test part's files too.
    metric: what `measure` gives, as in ReferenceMetadata.
    measure: weights -> (value on the official test part, number of test examples); None for a trial, whose validation
        stands in `facts`.
    curve: a row an epoch.
    facts: further plain entries of the log.
    """

    arrays: Arrays
    config: dict[str, Any]
    scaling: InputScaling | None
    dataset: str
    checksum: str
    metric: str
    measure: Callable[[Arrays], tuple[float, int]] | None
    curve: list[dict[str, float]]
    facts: dict[str, Any]


def with_settings(recipe: AnyRecipe, settings: Mapping[str, Any]) -> AnyRecipe:
    """The recipe with some of its numbers changed; CosimError for an unknown name or another kind of value."""
    names = [field.name for field in dataclasses.fields(recipe)]  # type: ignore[arg-type]
    for name, value in settings.items():
        if name not in names:
            raise CosimError(
                f"the recipe has no such setting.{did_you_mean(name, names)}", key="--set", value=name, allowed=names
            )
        kind = type(getattr(recipe, name))
        if isinstance(value, bool) or not isinstance(value, (int, float)) or (kind is int and value != int(value)):
            raise CosimError("not a number of this kind", key=name, value=value, allowed=kind.__name__)
        if value < 0:
            raise CosimError("a setting is not negative", key=name, value=value, allowed="0 or more")
    changed = {name: type(getattr(recipe, name))(value) for name, value in settings.items()}
    return dataclasses.replace(recipe, **changed)  # type: ignore[type-var]


def joint_checksum(*checksums: str) -> str:
    """One checksum of several parts' files."""
    from cosim.files import sha256_of

    return sha256_of("\n".join(checksums).encode())
