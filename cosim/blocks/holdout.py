"""Data sets of several conditions as one fit sees them, the chips and conditions that it leaves to judge it, and the
judgement."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray
from pydantic import BaseModel

from cosim.blocks.fitted import FittedModel, stored_config
from cosim.blocks.model import ModelError
from cosim.blocks.over import every_condition
from cosim.blocks.residuals import Residuals, errors_of
from cosim.errors import CosimError

C = TypeVar("C", bound=BaseModel)
M = TypeVar("M", bound=FittedModel)
Mask = NDArray[np.bool_]


def single_conditions(
    data: xr.Dataset | Sequence[xr.Dataset], kind: type[C], varied: Sequence[str]
) -> list[tuple[C, xr.Dataset]]:
    """Every condition of one or several data sets with its configuration.

    `varied`: the settings that the model has a law for. Raises CosimError where the conditions differ in another one,
    or where two are the same.
    """
    found: list[tuple[C, xr.Dataset]] = []
    for each in [data] if isinstance(data, xr.Dataset) else data:
        taken: dict[str, list[Any]] = json.loads(each.attrs.get("conditions", "{}"))
        for name in sorted(set(taken) - set(varied)):
            raise CosimError(
                f"the model holds for one {name}, and the data set has several; choose the condition with --at",
                key=name, value=taken[name],
            )  # fmt: skip
        found += [(stored_config(part, kind), part) for part in every_condition(each)]
    first = found[0][0]
    for config, _ in found[1:]:
        for name in kind.model_fields:
            if name not in varied and getattr(config, name) != getattr(first, name):
                raise CosimError(
                    "data sets of one model may differ in its conditions only", key=name, value=getattr(config, name),
                    allowed=[*varied],
                )  # fmt: skip
    conditions = [tuple(getattr(config, name) for name in varied) for config, _ in found]
    if len(set(conditions)) < len(conditions):
        raise CosimError("two of these data sets are of the same condition", key="DATASET", value=conditions)
    return found


def held_out_chips(chips: int) -> Mask:
    """One chip in three, shape (chips,): those with the numbers 2, 5, 8 ..."""
    return np.arange(chips) % 3 == 2


def held_out_conditions(values: ArrayLike) -> Mask:
    """Which entries of a condition (temperature, common mode ...) are held out, shape of `values`.

    Of its different values in order the second, the fifth, ... but never the last: the fit keeps both ends. None of
    fewer than three.
    """
    every = np.asarray(values, dtype=np.float64)
    different = np.unique(every)
    held = [value for i, value in enumerate(different) if i % 3 == 1 and i < len(different) - 1]
    return np.asarray(np.isin(every, held))


UNJUDGED = ModelError(rms=0.0, maximum=0.0, unit="1", points=1, limit=1.0, held_out="not judged yet")
"""Stands in a model from its fit until `judged` puts what the held-out points say in its place."""


def judged(model: M, residuals: Sequence[Residuals]) -> M:
    """The model with its errors on held-out points, first that of the quantity that counts most."""
    return replace(model, error=residuals[0].judged(), errors=errors_of(residuals))
