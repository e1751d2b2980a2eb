"""The range of inputs a behavioural model was fitted on, and the count of what falls outside."""

from __future__ import annotations

import warnings
from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

_ROUNDING = 1e-9  # of the width of a range: an edge computed in another order still counts as inside


class OutsideDomainWarning(UserWarning):
    """A model is evaluated outside the range it was fitted on."""


class Domain:
    """Ranges of the fit by name, and how often they were left.

    Outside the fitted range a model still answers, but says so: the first time each quantity leaves its range
    an `OutsideDomainWarning` is given, and every value outside is counted in `outside`. The count is of this
    object, in this process: a study over worker processes adds up theirs.

    Attributes
    ----------
    limits: name -> (low, high), both inside, in the units of the model.
    outside: name -> number of values seen outside so far.
    """

    def __init__(self, limits: Mapping[str, tuple[float, float]]) -> None:
        for name, (low, high) in limits.items():
            if not low <= high:
                raise ValueError(f"domain of '{name}': low {low!r} is not below high {high!r}")
        self.limits = {name: (float(low), float(high)) for name, (low, high) in limits.items()}
        self.outside = dict.fromkeys(self.limits, 0)

    def check(self, name: str, values: ArrayLike) -> int:
        """How many of `values` (any shape, NaN is outside) leave the range of `name`; counts and warns."""
        low, high = self.limits[name]
        values = np.asarray(values, dtype=np.float64)
        slack = _ROUNDING * max(high - low, abs(low), abs(high))
        count = int(values.size - np.count_nonzero((values >= low - slack) & (values <= high + slack)))
        if count:
            if not self.outside[name]:
                message = (
                    f"{count} of {values.size} values of '{name}' are outside the range that the model was"
                    f" fitted on, {low:g} to {high:g} (seen: {np.min(values):g} to {np.max(values):g});"
                    " its stated error does not hold there"
                )
                warnings.warn(message, OutsideDomainWarning, stacklevel=2)
            self.outside[name] += count
        return count

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Domain) and self.limits == other.limits

    def __hash__(self) -> int:
        return hash(tuple(sorted(self.limits.items())))

    def __repr__(self) -> str:
        return f"Domain({self.limits!r})"
