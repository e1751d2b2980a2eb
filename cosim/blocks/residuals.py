"""How far a fitted model is from its reference, point by point: its stated error, plot and warnings come from here.

The reference is ngspice, or a measurement. Points of chips and conditions that the fit saw and of those that it did
not stay in one list; only the latter judge.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cosim.blocks.model import ModelError

Array = NDArray[np.float64]

QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
_LEAST_POINTS = 8  # below which nothing is said of how errors are distributed


@dataclass(frozen=True)
class Residuals:
    """One quantity as the model tells it, beside the reference; arrays of shape (points,).

    Attributes
    ----------
    quantity: its name, one word ("threshold", "offset").
    reference, predicted: values of it, in one unit.
    error: model - reference in `unit`; it need not be the plain difference ("LSB", "relative", "of full scale").
    unit: of the error.
    held_out: True where the fit did not see the point.
    x, x_label: what the error is drawn over, with its unit in brackets.
    limit: the largest rms on held-out points with which the model may be used, in `unit`.
    split: which points were held out, in words.
    parameters: how many fitted numbers the prediction rests on.
    part: words that tell groups of held-out points apart ("unseen chips", "unseen conditions"); None: no groups.
    """

    quantity: str
    reference: Array
    predicted: Array
    error: Array
    unit: str
    held_out: NDArray[np.bool_]
    x: Array
    x_label: str
    limit: float
    split: str
    parameters: int
    part: NDArray[np.str_] | None = None

    def __post_init__(self) -> None:
        shapes = {each.shape for each in (self.reference, self.predicted, self.error, self.held_out, self.x)}
        if len(shapes) != 1 or len(self.error.shape) != 1:
            raise ValueError(f"residuals of '{self.quantity}' have arrays of shapes {sorted(shapes)}")
        if not np.isfinite(self.error).all():
            raise ValueError(f"residuals of '{self.quantity}' hold values that are not finite")

    @property
    def seen_rms(self) -> float:
        """rms of the error on the points of the fit, NaN where there are none."""
        return rms(self.error[~self.held_out])

    def judged(self) -> ModelError:
        """The error on held-out points. ValueError when there is none."""
        error = self.error[self.held_out]
        if not error.size:
            raise ValueError(f"no point of '{self.quantity}' was held out")
        return ModelError(
            rms=rms(error),
            maximum=float(np.abs(error).max()),
            unit=self.unit,
            points=int(error.size),
            limit=self.limit,
            held_out=self.split,
            quantiles={f"{q:g}": float(np.quantile(error, q)) for q in QUANTILES},
        )

    def by_part(self) -> dict[str, tuple[float, float, int]]:
        """rms, largest error and number of held-out points of each group."""
        if self.part is None:
            return {}
        found = {}
        for name in dict.fromkeys(self.part[self.held_out].tolist()):
            error = self.error[self.held_out & (self.part == name)]
            found[str(name)] = (rms(error), float(np.abs(error).max()), int(error.size))
        return found

    def warnings(self) -> list[str]:
        """What a user should know before trusting the model, one sentence each; empty when nothing stands out."""
        error, found = self.error[self.held_out], []
        judged = self.judged()
        if not judged.within_limit:
            found.append(
                f"{self.quantity}: the error on held-out points, {judged.rms:.3g} {self.unit} rms, exceeds the limit of"
                f" {self.limit:g} {self.unit}; the model will only load with --accept"
            )
        seen = self.error[~self.held_out]
        if (
            min(error.size, seen.size) >= _LEAST_POINTS
            and judged.rms > 2.0 * rms(seen)
            and judged.rms > self.limit / 10
        ):
            found.append(
                f"{self.quantity}: the error on held-out points is {judged.rms / max(rms(seen), 1e-300):.1f} times that"
                " on the points of the fit; the fit does not carry over well"
            )
        if error.size >= 3 * _LEAST_POINTS and abs(error.mean()) > 0.7 * judged.rms and judged.rms > self.limit / 10:
            found.append(
                f"{self.quantity}: the errors on held-out points lie to one side, {error.mean():+.3g} {self.unit} in"
                " the mean; the form of the model may be wrong"
            )
        return found


def rms(values: Array) -> float:
    """Root mean square; NaN of nothing."""
    return float(np.sqrt(np.mean(np.square(values)))) if values.size else float("nan")


def errors_of(residuals: Iterable[Residuals]) -> dict[str, ModelError]:
    """The held-out error of each quantity, in order."""
    return {each.quantity: each.judged() for each in residuals}
