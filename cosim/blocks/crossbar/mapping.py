"""Weights on conductances, and currents back to numbers: y = x W by an array without wires, exactly.

Three ways to give weights a sign in cells that have none:

* `Differential`: two word lines an input, +V and -V; the bit line subtracts. w = (G+ - G-) / S.
* `Unipolar`: one cell a weight between G_min and G_max, and one correction column whose cells stand for the weight
  zero; its current, the same for all outputs, is subtracted. w = (G - G_zero) / S. The correction column takes away
  the pedestal G_zero sum_i V_i, which for weights that are never negative is that of G_min.
* `BitSliced`: integer weights in digits of few bits, one bit line a digit, the digits' results added digitally with
  their place values; signs by pairs of word lines.

S is the conductance that a weight of one takes [S]. All functions are pure; conductances may come back changed (wires,
programming error, stuck cells), and `weights` then says what they stand for. Inputs x are in units of full scale,
-1 .. 1; an input is applied as voltage, or as the length of a pulse at V_read with its sign.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cosim.blocks.crossbar.inputs import differential_inputs
from cosim.errors import CosimError

Array = NDArray[np.float64]

_ROUNDING = 1e-9  # relative to the range of weights, or to a step: what a quotient of floats may be off


class WeightMapping(Protocol):
    """How a weight matrix of shape (inputs, outputs) lies in an array of shape (rows, columns)."""

    def shape(self, inputs: int, outputs: int) -> tuple[int, int]:
        """Rows and columns of the array."""
        ...

    def conductances(self, weights: ArrayLike) -> Array:
        """Conductances (rows, columns) [S] of weights (inputs, outputs); CosimError for one that has no place."""
        ...

    def weights(self, conductances: ArrayLike) -> Array:
        """What conductances (rows, columns) [S] stand for, (inputs, outputs); `conductances` turned round."""
        ...

    def voltages(self, inputs: ArrayLike, v_read: float) -> Array:
        """Word-line voltages (vectors, rows) [V], from the clamps' voltage, of inputs (vectors, inputs)."""
        ...

    def results(self, currents: ArrayLike, v_read: float) -> Array:
        """y = x W, shape (vectors, outputs), of the bit lines' currents (vectors, columns) [A].

        For pulses: charges over the length of a full-scale pulse.
        """
        ...


@dataclass(frozen=True)
class Differential:
    """Row 2i carries +x_i, row 2i + 1 carries -x_i; a positive weight raises the cell of row 2i above G_min.

    Attributes
    ----------
    g_min, g_max: window of the cells [S].
    w_max: weight that the whole window stands for.
    """

    g_min: float
    g_max: float
    w_max: float = 1.0

    def __post_init__(self) -> None:
        _check_window(self.g_min, self.g_max)
        _check_range(-self.w_max, self.w_max)

    @property
    def siemens(self) -> float:
        """Conductance of a weight of one [S]."""
        return (self.g_max - self.g_min) / self.w_max

    def shape(self, inputs: int, outputs: int) -> tuple[int, int]:
        return 2 * inputs, outputs

    def conductances(self, weights: ArrayLike) -> Array:
        w = _checked(weights, -self.w_max, self.w_max)
        sides = np.stack((np.maximum(w, 0.0), np.maximum(-w, 0.0)), axis=1)
        return _within(self.g_min + self.siemens * sides.reshape(-1, w.shape[1]), self.g_min, self.g_max)

    def weights(self, conductances: ArrayLike) -> Array:
        g = _pairs(conductances)
        return np.asarray((g[0::2] - g[1::2]) / self.siemens)

    def voltages(self, inputs: ArrayLike, v_read: float) -> Array:
        return differential_inputs(inputs, v_read)

    def results(self, currents: ArrayLike, v_read: float) -> Array:
        return np.asarray(currents, dtype=np.float64) / (v_read * self.siemens)


@dataclass(frozen=True)
class Unipolar:
    """One word line an input, one cell a weight, the last column for correction.

    Attributes
    ----------
    g_min, g_max: window of the cells [S].
    w_low, w_high: weights that its ends stand for; zero must lie between them, or be one of them.
    """

    g_min: float
    g_max: float
    w_low: float = 0.0
    w_high: float = 1.0

    def __post_init__(self) -> None:
        _check_window(self.g_min, self.g_max)
        _check_range(self.w_low, self.w_high)
        if not self.w_low <= 0.0 <= self.w_high:
            raise CosimError(
                "the correction column stands for the weight zero, which this range does not hold",
                key="w_low", value=(self.w_low, self.w_high), allowed="w_low <= 0 <= w_high",
            )  # fmt: skip

    @property
    def siemens(self) -> float:
        """Conductance of a weight of one [S]."""
        return (self.g_max - self.g_min) / (self.w_high - self.w_low)

    @property
    def g_zero(self) -> float:
        """Conductance of a weight of zero, and of the correction column [S]."""
        return self.g_min - self.siemens * self.w_low

    def shape(self, inputs: int, outputs: int) -> tuple[int, int]:
        return inputs, outputs + 1

    def conductances(self, weights: ArrayLike) -> Array:
        w = _checked(weights, self.w_low, self.w_high)
        cells = _within(self.g_min + self.siemens * (w - self.w_low), self.g_min, self.g_max)
        return np.concatenate((cells, np.full((len(w), 1), self.g_zero)), axis=1)

    def weights(self, conductances: ArrayLike) -> Array:
        g = np.asarray(conductances, dtype=np.float64)
        return np.asarray((g[:, :-1] - g[:, -1:]) / self.siemens)

    def voltages(self, inputs: ArrayLike, v_read: float) -> Array:
        return v_read * np.asarray(inputs, dtype=np.float64)

    def results(self, currents: ArrayLike, v_read: float) -> Array:
        i = np.asarray(currents, dtype=np.float64)
        return np.asarray((i[..., :-1] - i[..., -1:]) / (v_read * self.siemens))


@dataclass(frozen=True)
class BitSliced:
    """Integer weights -(2^(bits-1) - 1) .. 2^(bits-1) - 1 in units of w_max / (2^(bits-1) - 1), in digits.

    The magnitude has bits - 1 bits; digit s, of place value 2^(s slice_bits), lies on bit line j slices + s of output
    j. Signs as in `Differential`.

    Attributes
    ----------
    g_min, g_max: window of the cells [S]; digit 0 and the largest digit lie at its ends.
    w_max: largest weight.
    bits: of a weight, sign included.
    slice_bits: bits of a digit, what a cell holds.
    """

    g_min: float
    g_max: float
    w_max: float = 1.0
    bits: int = 5
    slice_bits: int = 2

    def __post_init__(self) -> None:
        _check_window(self.g_min, self.g_max)
        _check_range(-self.w_max, self.w_max)
        if not 2 <= self.bits <= 16:
            raise CosimError("not a number of bits of a weight", key="bits", value=self.bits, allowed="2 to 16")
        if not 1 <= self.slice_bits <= 8:
            raise CosimError(
                "not a number of bits of a cell", key="slice_bits", value=self.slice_bits, allowed="1 to 8"
            )

    @property
    def slices(self) -> int:
        """Bit lines of an output."""
        return -(-(self.bits - 1) // self.slice_bits)

    @property
    def largest(self) -> int:
        """Integer that stands for w_max."""
        return 2 ** (self.bits - 1) - 1

    @property
    def siemens(self) -> float:
        """Conductance of one step of a digit [S]."""
        return (self.g_max - self.g_min) / (2**self.slice_bits - 1)

    @property
    def places(self) -> Array:
        """What a digit of one in each slice adds to a weight, shape (slices,)."""
        return np.asarray(self.w_max / self.largest * 2.0 ** (self.slice_bits * np.arange(self.slices)))

    def shape(self, inputs: int, outputs: int) -> tuple[int, int]:
        return 2 * inputs, self.slices * outputs

    def conductances(self, weights: ArrayLike) -> Array:
        """As of `WeightMapping`; weights must be integers in the unit above (`quantised` makes them so)."""
        w = _checked(weights, -self.w_max, self.w_max)
        levels = w * (self.largest / self.w_max)
        if (np.abs(levels - np.rint(levels)) > _ROUNDING * self.largest).any():
            off = w[np.abs(levels - np.rint(levels)) > _ROUNDING * self.largest]
            raise CosimError(
                "this weight is no whole number of steps; quantise the weights first",
                key="weights", value=float(off[0]), allowed=f"multiples of {self.w_max / self.largest:g}",
            )  # fmt: skip
        integers = np.rint(levels).astype(np.int64)
        sides = np.stack((np.maximum(integers, 0), np.maximum(-integers, 0)), axis=1).reshape(-1, w.shape[1])
        shifts = self.slice_bits * np.arange(self.slices)
        digits = (sides[:, :, None] >> shifts) & (2**self.slice_bits - 1)
        cells = self.g_min + self.siemens * digits.reshape(len(sides), -1)
        return _within(cells, self.g_min, self.g_max)

    def quantised(self, weights: ArrayLike) -> Array:
        """The nearest weights that the integers can stand for."""
        w = _checked(weights, -self.w_max, self.w_max)
        return np.asarray(np.rint(w * (self.largest / self.w_max)) * (self.w_max / self.largest))

    def weights(self, conductances: ArrayLike) -> Array:
        g = _pairs(conductances)
        return self._added((g[0::2] - g[1::2]) / self.siemens)

    def voltages(self, inputs: ArrayLike, v_read: float) -> Array:
        return differential_inputs(inputs, v_read)

    def results(self, currents: ArrayLike, v_read: float) -> Array:
        return self._added(np.asarray(currents, dtype=np.float64) / (v_read * self.siemens))

    def _added(self, digits: Array) -> Array:
        """Sum over the slices of an output, (..., columns) -> (..., outputs)."""
        return np.asarray(digits.reshape(*digits.shape[:-1], -1, self.slices) @ self.places)


def _check_window(g_min: float, g_max: float) -> None:
    if not 0.0 <= g_min < g_max < np.inf:
        raise CosimError(
            "not a window of conductances", key="g_min", value=(g_min, g_max), allowed="0 <= g_min < g_max"
        )


def _check_range(low: float, high: float) -> None:
    if not -np.inf < low < high < np.inf:
        raise CosimError("not a range of weights", key="w_max", value=(low, high), allowed="low < high")


def _checked(weights: ArrayLike, low: float, high: float) -> Array:
    """Weights as float64 of two dimensions, none of them outside the range."""
    w = np.asarray(weights, dtype=np.float64)
    if w.ndim != 2 or w.size == 0:
        raise CosimError("weights must have the shape (inputs, outputs)", key="weights", value=w.shape)
    if not np.isfinite(w).all():
        raise CosimError("weights must be finite numbers", key="weights", value=float(w[~np.isfinite(w)][0]))
    room = _ROUNDING * (high - low)
    outside = w[(w < low - room) | (w > high + room)]
    if outside.size:
        raise CosimError(
            f"the mapping has no place for this weight ({outside.size} of {w.size})",
            key="weights", value=float(outside[0]), allowed=f"{low:g} to {high:g}",
        )  # fmt: skip
    return w


def _pairs(conductances: ArrayLike) -> Array:
    g = np.asarray(conductances, dtype=np.float64)
    if g.ndim != 2 or len(g) % 2:
        raise CosimError(
            "conductances of pairs of word lines have the shape (2 inputs, columns)", key="conductances", value=g.shape
        )
    return g


def _within(cells: Array, g_min: float, g_max: float) -> Array:
    """Cells of weights at the ends of the range, which rounding may put beside the window."""
    return np.clip(cells, g_min, g_max)
