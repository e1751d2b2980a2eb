"""Finding many thresholds at once, each by a bracketing secant search over repeated simulations.

A threshold is where a function that rises with the input changes sign. Every simulation evaluates all searches at
once (a deck holds one comparator a threshold). Where only the sign is known the search halves its bracket; where the
simulator shows the size of the deviation too, it converges like a secant.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

PATIENCE = 8  # rounds after which slopes are trusted no more


@dataclass
class ThresholdSearch:
    """State of `n` simultaneous searches.

    Parameters
    ----------
    guess: where to begin, shape (n,).
    slope: expected d(deviation)/d(input), positive; it only sets how fast the search is.
    widest: a step never exceeds this, unless no bracket is found.
    tolerance: a search is done when its bracket is narrower, shape (n,).

    A search ends with the threshold proven to lie between two inputs that were simulated; `value` is their middle, so
    it is off by at most half the tolerance.
    """

    guess: Array
    slope: float
    widest: float
    tolerance: Array
    low: Array = field(init=False)
    high: Array = field(init=False)
    rounds: int = 0

    # The attribute `last_slope` is the last slope that two simulated points showed, shape (n,); `slope` until then.

    def __post_init__(self) -> None:
        self.guess = np.array(self.guess, dtype=np.float64)
        self.tolerance = np.broadcast_to(np.asarray(self.tolerance, dtype=np.float64), self.guess.shape)
        self.low = np.full_like(self.guess, -np.inf)
        self.high = np.full_like(self.guess, np.inf)
        self._before: tuple[Array, Array] | None = None
        self.last_slope = np.full_like(self.guess, self.slope)

    @property
    def last(self) -> tuple[Array, Array]:
        """The inputs that were simulated last and the deviations found there, each of shape (n,)."""
        assert self._before is not None, "nothing was simulated"
        return self._before

    @property
    def done(self) -> NDArray[np.bool_]:
        """Which searches have their threshold bracketed to the tolerance; shape (n,).

        Answers that contradict each other by more than the tolerance (`low` above `high`) are no bracket.
        """
        return np.abs(self.high - self.low) <= self.tolerance

    @property
    def value(self) -> Array:
        """Middle of the bracket, NaN where none was found; shape (n,)."""
        found = np.isfinite(self.low) & np.isfinite(self.high)
        return np.where(found, 0.5 * (np.where(found, self.low, 0) + np.where(found, self.high, 0)), np.nan)

    def update(self, deviation: Array) -> None:
        """Take the deviations found at `guess` (negative below the threshold) and choose the next inputs."""
        self.rounds += 1
        x, r = self.guess.copy(), np.asarray(deviation, dtype=np.float64)
        self.low = np.where(r < 0, np.maximum(self.low, x), self.low)
        self.high = np.where(r >= 0, np.minimum(self.high, x), self.high)
        slope = self._slopes(x, r)
        step = np.clip(-r / slope, -self.widest, self.widest)
        # Aim a little beyond the threshold, so that the other side of the bracket closes on it.
        step += np.where(r < 0, 0.3, -0.3) * self.tolerance
        bracketed = np.isfinite(self.low) & np.isfinite(self.high)
        if self._before is not None and self.rounds > PATIENCE:
            # Still on the same side: the circuit's slope is not what it shows here, so the steps grow.
            least = np.minimum(2.0 * np.abs(x - self._before[0]), self.widest)
            step = np.where(bracketed, step, np.where(r < 0, 1.0, -1.0) * np.maximum(np.abs(step), least))
        target = x + step
        outside = bracketed & ~((target > self.low) & (target < self.high))
        slow = bracketed & (self.rounds > PATIENCE)  # and every bracket is halved
        self.guess = np.where(outside | slow | self.done, self.value, target)
        self._before = (x, r)

    def _slopes(self, x: Array, r: Array) -> Array:
        """Secant slopes; the expected slope where the last two points say nothing (rounding, saturation)."""
        slope = np.full_like(x, self.slope)
        if self._before is not None:
            dx, dr = x - self._before[0], r - self._before[1]
            with np.errstate(divide="ignore", invalid="ignore"):
                secant = dr / dx
            good = np.isfinite(secant) & (secant > self.slope / 5) & (secant < self.slope * 5)
            good &= np.abs(dx) > self.tolerance / 20
            slope = np.where(good, secant, slope)
            self.last_slope = np.where(good, secant, self.last_slope)
        return slope
