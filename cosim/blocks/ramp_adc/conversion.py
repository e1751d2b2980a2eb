"""From MAC results to codes: each column's thresholds, with or without noise, at the speed of the machine.

The code of a MAC result is the number of its column's thresholds below it. Up to 31 thresholds are all loaded, and
halved by selection, for as many columns at once as a vector has lanes; of more, every 2^n-th is, and the rest is
halved in a table, until eight are left, which are compared at once. The work grows as the number of bits.

A programmed `Converter` holds its thresholds sorted: a counter counts clocks, whichever of them come first. Columns
stand side by side in blocks of lanes, a few rows of the batch one after another where the columns do not fill them.

Noise shifts the MAC result before it is compared:

    x' = x + sqrt(s_own^2 + s_mac^2) z_1 + s_ramp(x) z_2,      z_1, z_2 normal,

s_own of the comparator and of the integrator that holds the MAC result, s_mac of the MAC result itself (read noise),
z_1 anew for each conversion; s_ramp of the ramp's levels, z_2 one number for all columns of a row, which share the
ramp. A threshold T_k is then passed with the probability Phi((x - T_k) / s), s^2 the sum of all three squares: the
distribution that an rms noise of each threshold (`noise.threshold_noise`) states. Beyond that, noise of one
conversion is taken to be the same at all its clocks. That is so of the resets and nearly so of the ramp, whose noise
comes mostly from its first cells. A comparator's is new at each clock, which makes a difference only to codes that
have two thresholds within reach of it: below 0.1 LSB of noise, less than one in 10^6. s_ramp(x) is the polynomial
through the noise of the thresholds, least squares, held constant outside them.

Random numbers are those of a key and the place in the batch (`normals`), whatever the threads and the pieces.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.polynomial import chebyshev
from numpy.typing import ArrayLike, NDArray

from cosim.blocks.normals import ROWS, draw_key, fill_normals
from cosim.blocks.ramp_adc.conversion_kernel import BLOCK, DEGREE, SEARCHED, convert_kernel
from cosim.blocks.ramp_adc.staircase import Staircase

Array = NDArray[np.float64]

DEEPEST = 5  # halvings by selection: 31 thresholds, as many as an AVX-512 machine has registers
WIDEST = 256  # lanes side by side: their thresholds stay in the first-level cache
MOST_THRESHOLDS = 65535


class Converter:
    """A programmed converter: what follows from the thresholds is worked out once.

    Parameters
    ----------
    thresholds: of each column, shape (columns, count), in units of the MAC result, in any order. A MAC result on a
        threshold has not passed it; a threshold that is NaN is never passed.
    stairs: what each threshold adds to the code where the function also falls (`RampAdcConfig.staircase`); the counter
        stops at the first and the last code. Without it the code is the number of thresholds below.
    own_noise: s_own in units of the MAC result, one number or one a column.
    ramp_noise: s_ramp at each threshold, shape (count,), or one number.

    Raises ValueError for arrays that do not fit together, for more than 65535 thresholds, and for noise that is
    negative or not finite.
    """

    def __init__(
        self, thresholds: NDArray[Any], stairs: Staircase | None = None, *, own_noise: ArrayLike = 0.0,
        ramp_noise: ArrayLike = 0.0,
    ) -> None:  # fmt: skip
        thresholds = np.asarray(thresholds, dtype=np.float64)
        counts_up = stairs is None or stairs.rising
        if thresholds.ndim != 2 or (stairs is not None and len(stairs.direction) != thresholds.shape[1]):
            raise ValueError(f"thresholds {thresholds.shape} do not fit (columns, count), or their directions")
        if thresholds.shape[1] > MOST_THRESHOLDS:
            raise ValueError(f"thresholds {thresholds.shape} do not fit a code of at most 16 bits")
        self.columns, self.count = thresholds.shape
        self.rows = _rows_together(self.columns)
        self.lanes = -(-self.rows * self.columns // BLOCK) * BLOCK
        order = np.argsort(thresholds, axis=1, kind="stable")
        ordered = np.take_along_axis(thresholds, order, axis=1)
        self._tables: dict[Any, Any] = {np.dtype(np.float64): self._blocks(ordered)}
        self._tables[np.dtype(np.float32)] = self._blocks(_not_above(ordered))
        if stairs is None or counts_up:
            self.largest = self.count
            self._codes = np.zeros((0, 0), dtype=np.uint16)
        else:
            self.largest = max(stairs.start, int(stairs.code_above.max()))
            codes = stairs.start + np.cumsum(stairs.direction[order], axis=1)
            codes = np.concatenate([np.full((self.columns, 1), stairs.start), codes], axis=1)
            self._codes = self._side_by_side(np.clip(codes, 0, self.largest).astype(np.uint16))
        self.dtype = np.dtype(np.uint8 if self.largest <= 255 else np.uint16)
        self._own = self._own_lanes(own_noise)
        self._own_squares = self._own**2
        self._ramp = _noise_polynomial(thresholds, ramp_noise)

    def codes(self, mac: NDArray[Any], out: NDArray[Any] | None = None) -> NDArray[Any]:
        """Codes (batch, columns) of MAC results (batch, columns), without noise; uint8 up to 8 bits, else uint16.

        A MAC result that is NaN gives the first code. `out`: C-contiguous, of the codes' shape and `dtype`.
        """
        mac, out = self._checked(mac, out)
        if mac.size:
            coarse, fine, depth, steps = self._tables[mac.dtype]
            none = np.zeros(0, dtype=np.float32)
            convert_kernel(
                mac.reshape(-1), False, none, self._own, self._ramp, none, np.zeros(2, dtype=np.uint32), 0,
                self.columns, self.rows * self.columns, coarse, fine, depth, steps, self._codes, out.reshape(-1),
            )  # fmt: skip
        return out

    def noisy_codes(
        self, mac: NDArray[Any], noise: np.random.Generator | NDArray[np.uint32],
        variance: NDArray[np.float32] | None = None, *, first_row: int = 0, out: NDArray[Any] | None = None,
    ) -> NDArray[Any]:  # fmt: skip
        """The same with noise.

        Parameters
        ----------
        noise: generator that a key is drawn from, or the key itself, (2,) uint32.
        variance: s_mac^2, shape (batch, columns) float32; None where the MAC result has no noise of its own.
        first_row: number of the first row in a batch that is converted piece by piece with one key; a multiple of
            `rows`. All pieces together are then what the batch as a whole would be.
        """
        mac, out = self._checked(mac, out)
        if variance is None:
            variance = np.zeros((0, 0), dtype=np.float32)
        elif variance.shape != mac.shape or variance.dtype != np.float32:
            raise ValueError(f"variances {variance.shape} {variance.dtype} do not fit MAC results {mac.shape}, float32")
        if first_row % self.rows:
            raise ValueError(f"a piece that begins at row {first_row} does not fit groups of {self.rows} rows")
        key = draw_key(noise) if isinstance(noise, np.random.Generator) else noise
        shared = np.zeros(0, dtype=np.float32)
        if self._ramp[2:].any():
            begin = first_row // BLOCK * BLOCK
            shared = np.empty(-(-(first_row + len(mac) - begin) // BLOCK) * BLOCK, dtype=np.float32)
            fill_normals(key, ROWS, begin // 2, shared)
            shared = shared[first_row - begin :]
        if mac.size:
            coarse, fine, depth, steps = self._tables[mac.dtype]
            convert_kernel(
                mac.reshape(-1), True, np.ascontiguousarray(variance).reshape(-1),
                self._own_squares if variance.size else self._own, self._ramp, shared, key,
                first_row // self.rows, self.columns, self.rows * self.columns, coarse, fine, depth, steps,
                self._codes, out.reshape(-1),
            )  # fmt: skip
        return out

    def ramp_noise_at(self, mac: ArrayLike) -> Array:
        """s_ramp(x) of MAC results, as it is drawn."""
        u = np.clip(np.asarray(mac, dtype=np.float64) * self._ramp[0] + self._ramp[1], -1.0, 1.0)
        return np.asarray(np.polynomial.polynomial.polyval(u, self._ramp[2:].astype(np.float64)))

    def _checked(self, mac: NDArray[Any], out: NDArray[Any] | None) -> tuple[NDArray[Any], NDArray[Any]]:
        if mac.ndim != 2 or mac.shape[1] != self.columns:
            raise ValueError(f"MAC results {mac.shape} do not fit thresholds {(self.columns, self.count)}")
        dtype = np.float32 if mac.dtype in (np.float32, np.float16) else np.float64
        if out is None:
            out = np.empty(mac.shape, dtype=self.dtype)
        elif out.shape != mac.shape or out.dtype != self.dtype or not out.flags.c_contiguous:
            raise ValueError(f"codes {out.shape} {out.dtype} do not fit {mac.shape} {self.dtype}, C-contiguous")
        mac = np.ascontiguousarray(mac, dtype=dtype)
        return mac if mac.flags.writeable else mac.copy(), out  # numba would compile again for a read-only one

    def _side_by_side(self, values: NDArray[Any]) -> NDArray[Any]:
        """(columns, n) -> (lanes, n): the rows that are worked on together, and filling."""
        wide = np.tile(values, (self.rows, 1))
        filling = np.zeros((self.lanes - len(wide), values.shape[1]), dtype=values.dtype)
        return np.ascontiguousarray(np.concatenate([wide, filling]))

    def _blocks(self, ordered: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any], int, int]:
        """Tables of sorted thresholds: the coarse ones (groups x count x SEARCHED), the fine ones, and their depths.

        Filled up to 2^n - 1 thresholds with NaN, which none passes.
        """
        bits = max(3, self.count.bit_length())
        depth = min(bits, DEEPEST)
        full = np.full((self.columns, 2**bits), np.nan, dtype=ordered.dtype)
        full[:, : self.count] = ordered
        wide = self._side_by_side(full)
        every = 2 ** (bits - depth)
        coarse = wide[:, every - 1 : -1 : every].reshape(-1, SEARCHED, 2**depth - 1).transpose(0, 2, 1)
        fine = wide if bits > depth else np.zeros((0, 0), dtype=ordered.dtype)
        return np.ascontiguousarray(coarse).reshape(-1), fine.reshape(-1), depth, bits - depth

    def _own_lanes(self, own: ArrayLike) -> NDArray[np.float32]:
        values = _checked_noise(own)
        if values.shape not in ((), (self.columns,)):
            raise ValueError(f"own noise {values.shape} does not fit {self.columns} columns")
        wide = self._side_by_side(np.broadcast_to(values, (self.columns,))[:, None])
        return np.ascontiguousarray(wide[:, 0], dtype=np.float32)


def convert(mac: NDArray[Any], thresholds: NDArray[Any], stairs: Staircase | None = None) -> NDArray[Any]:
    """Codes (batch, columns) of MAC results (batch, columns) with each column's thresholds (columns, count).

    See `Converter`, which is the faster one where the same thresholds are used again.
    """
    return Converter(thresholds, stairs).codes(mac)


def _rows_together(columns: int) -> int:
    """Rows of a batch that fill the lanes best: as few as leave the smallest share of them idle."""
    most = max(1, WIDEST // max(columns, 1))
    return min(
        range(1, most + 1), key=lambda rows: (-(-rows * columns // BLOCK) * BLOCK / max(rows * columns, 1), rows)
    )


def _not_above(thresholds: Array) -> NDArray[np.float32]:
    """The largest float32 that is not above each threshold: a float32 passes the one where it passes the other."""
    with np.errstate(over="ignore"):
        single = thresholds.astype(np.float32)
    below = np.nextafter(single, np.float32(-np.inf))
    return np.where(single > thresholds, below, single)


def _checked_noise(noise: ArrayLike) -> Array:
    values = np.asarray(noise, dtype=np.float64)
    if not np.isfinite(values).all() or (values < 0).any():
        raise ValueError("noise must be finite and not negative")
    return values


def _noise_polynomial(thresholds: Array, noise: ArrayLike) -> NDArray[np.float32]:
    """s_ramp(x) = c_0 + c_1 u + c_2 u^2 ..., u = x scale + start in -1 .. 1: scale, start, c_0, c_1 ...

    The thresholds' mean over the columns stands for where the ramp's levels are: columns differ by their offsets.
    """
    values = _checked_noise(noise)
    if values.shape not in ((), thresholds.shape[1:]):
        raise ValueError(f"ramp noise {values.shape} does not fit thresholds {thresholds.shape}")
    found = np.zeros(3 + DEGREE, dtype=np.float32)
    known = np.isfinite(thresholds).all(axis=0)
    if values.ndim == 0 or known.sum() < 2 or np.ptp(values[known]) == 0.0:
        found[2] = values.max() if values.size else 0.0
        return found
    place, values = thresholds[:, known].mean(axis=0), values[known]
    low, high = place.min(), place.max()
    found[0] = scale = 2.0 / (high - low)
    found[1] = start = -1.0 - low * scale
    fitted = chebyshev.chebfit(place * scale + start, values, min(DEGREE, len(values) // 2))
    coefficients = chebyshev.cheb2poly(fitted)
    found[2 : 2 + len(coefficients)] = coefficients
    return found
