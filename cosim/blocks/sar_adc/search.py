"""Thresholds from whole conversions: for each one two inputs, close together, whose codes lie on either side of it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class BracketSearch:
    """Brackets of the thresholds 1 .. n of one chip.

    Starts at the thresholds that charge conservation and the static offset predict, `width` wide. A bracket that the
    conversions do not confirm moves to the side where the threshold is, twice as wide each time, and is then halved
    until it is `width` wide again.

    Attributes
    ----------
    low, high: inputs [V], shape (n,); with `done`, the code is below k at low[k - 1] and k or above at high[k - 1].
    """

    def __init__(self, predicted: Array, width: float) -> None:
        self.width = width
        self.low = predicted - width / 2
        self.high = predicted + width / 2
        self.done = np.zeros(len(predicted), dtype=bool)
        self._low_sure = np.zeros(len(predicted), dtype=bool)
        self._high_sure = np.zeros(len(predicted), dtype=bool)
        self._stride = np.full(len(predicted), width)

    @property
    def value(self) -> Array:
        """Middles of the brackets [V]; NaN where not found."""
        return np.where(self.done, (self.low + self.high) / 2, np.nan)

    def inputs(self) -> tuple[Array, NDArray[np.int64]]:
        """Inputs to convert next [V], and the threshold (1 .. n) that each belongs to."""
        ask, whose = [], []
        for index in np.flatnonzero(~self.done):
            for value in self._questions(int(index)):
                ask.append(value)
                whose.append(index + 1)
        return np.array(ask), np.array(whose, dtype=np.int64)

    def _questions(self, index: int) -> list[float]:
        low, high = float(self.low[index]), float(self.high[index])
        if self._low_sure[index] and self._high_sure[index]:
            return [(low + high) / 2]
        return ([] if self._low_sure[index] else [low]) + ([] if self._high_sure[index] else [high])

    def update(self, inputs: Array, whose: NDArray[np.int64], codes: NDArray[np.int64]) -> None:
        """Take the codes of `inputs` in."""
        for value, threshold, code in zip(inputs.tolist(), whose.tolist(), codes.tolist(), strict=True):
            index = threshold - 1
            if code < threshold:
                self.low[index] = max(value, self.low[index]) if self._low_sure[index] else value
                self._low_sure[index] = True
            else:
                self.high[index] = min(value, self.high[index]) if self._high_sure[index] else value
                self._high_sure[index] = True
        for index in np.flatnonzero(~self.done):
            if not self._low_sure[index]:
                self.low[index] = self.high[index] - 2 * self._stride[index]
                self._stride[index] *= 2
            elif not self._high_sure[index]:
                self.high[index] = self.low[index] + 2 * self._stride[index]
                self._stride[index] *= 2
            elif self.high[index] - self.low[index] <= self.width * (1 + 1e-9):
                self.done[index] = True
