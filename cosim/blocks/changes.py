"""A model that was made again, beside the one that was there: what moved, and whether beyond the stated error."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cosim.blocks.model import ModelError, Parameter, load_model_file
from cosim.blocks.registry import Block, residuals_of
from cosim.blocks.residuals import rms

Array = NDArray[np.float64]


@dataclass(frozen=True)
class QuantityChange:
    """How far the predictions of one quantity moved at the new data's points.

    Attributes
    ----------
    moved: rms of new - old prediction, in `unit`.
    stated: rms error that the old model states. now: that of the new one.
    beyond: whether the predictions moved by more than the old model's error, or the new error exceeds its limit.
    """

    quantity: str
    unit: str
    moved: float
    stated: float
    now: float
    beyond: bool


@dataclass(frozen=True)
class ParameterChange:
    """One parameter whose new value is outside what both intervals allow; `old`, `new` None where it is not there."""

    name: str
    unit: str
    old: Any
    new: Any


@dataclass(frozen=True)
class Change:
    """What became of a model.

    Attributes
    ----------
    identical: every parameter has the same bits.
    quantities: of each quantity that both models tell at the same points.
    parameters: those that moved beyond their intervals.
    unmatched: quantities that only one of them tells, or that they tell at other points: nothing says how far they
        moved.
    """

    identical: bool
    quantities: tuple[QuantityChange, ...]
    parameters: tuple[ParameterChange, ...]
    unmatched: tuple[str, ...] = ()

    @property
    def beyond(self) -> bool:
        """Whether something changed beyond the old model's error, or cannot be held against it."""
        return bool(self.unmatched) or any(each.beyond for each in self.quantities)


def compare_models(block: Block, old: Any, new: Any, data: Any) -> Change:
    """Hold the old model against the one that was fitted to `data` (what the block's `fit` takes)."""
    residuals = residuals_of(block)
    before = {each.quantity: each for each in residuals(old, data)}
    quantities, unmatched = [], dict.fromkeys(before)
    for after in residuals(new, data):
        if after.quantity not in before or before[after.quantity].error.shape != after.error.shape:
            unmatched[after.quantity] = None
            continue
        del unmatched[after.quantity]
        # Both errors are against the same reference, so their difference is that of the predictions.
        moved = rms(after.error - before[after.quantity].error)
        stated, now = _stated(old, after.quantity), after.judged()
        beyond = not moved <= stated.rms or not now.within_limit
        quantities.append(QuantityChange(after.quantity, after.unit, moved, stated.rms, now.rms, beyond))
    return Change(
        identical=_same(old.parameters, new.parameters),
        quantities=tuple(quantities),
        parameters=tuple(_moved(old.parameters, new.parameters)),
        unmatched=tuple(unmatched),
    )


def same_content(old_file: str | Path, block: Block, new: Any) -> bool:
    """Whether a model's file holds all that the new one would, its provenance apart: parameters with their intervals,
    errors, settings, domain, form."""
    with TemporaryDirectory() as folder:
        written = new.save(Path(folder) / "new.json").content()
    before = load_model_file(old_file, block.NAME, accept=True).content()
    return {**before, "provenance": None} == {**written, "provenance": None}


def _stated(model: Any, quantity: str) -> ModelError:
    errors = getattr(model, "errors", None) or {}
    found: ModelError = errors.get(quantity, model.error)
    return found


def _same(old: dict[str, Parameter], new: dict[str, Parameter]) -> bool:
    return old.keys() == new.keys() and all(old[name].value == new[name].value for name in old)


def _moved(old: dict[str, Parameter], new: dict[str, Parameter]) -> list[ParameterChange]:
    found = []
    for name in dict.fromkeys([*old, *new]):
        if name not in old or name not in new:
            found.append(ParameterChange(name, (old.get(name) or new[name]).unit,
                                         old[name].value if name in old else None,
                                         new[name].value if name in new else None))  # fmt: skip
            continue
        a, b = np.asarray(old[name].value), np.asarray(new[name].value)
        if a.shape != b.shape or (np.abs(b - a) > _room(old[name], new[name])).any():
            found.append(ParameterChange(name, new[name].unit, old[name].value, new[name].value))
    return found


def _room(old: Parameter, new: Parameter) -> Array:
    """What two estimates may differ by: the half widths of both intervals, added as independent; rounding without."""
    rounding = 1e-9 * np.abs(np.asarray(old.value, dtype=np.float64))
    squares = rounding**2
    for each in (old, new):
        if each.low is not None:
            squares = squares + ((np.asarray(each.high) - np.asarray(each.low)) / 2.0) ** 2
    return np.asarray(np.sqrt(squares))
