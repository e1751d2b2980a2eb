"""What the converters and the cells of a tile can represent: pure functions on arrays.

Signed quantities (inputs, weights) use 2^b - 1 levels, symmetric about an exact zero: a zero input makes no
pulse and a zero weight is a pair of equal cells. The output code of the ramp ADC has all 2^b values.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cosim.errors import CosimError

BITS = range(2, 9)

# MAC results of codes lie on a grid (spacing 1e-4 and more) that holds exact zeros, which is also where sigmoid and
# tanh have a threshold. Sums in float64 miss it by 1e-15, up or down as the order of the sum goes; this decides.
TIE = 1e-9


def full_scale(bits: int) -> int:
    """Largest signed code, N = 2^(b-1) - 1; 15 at 5 bits."""
    return 2 ** (checked_bits(bits) - 1) - 1


def checked_bits(bits: int) -> int:
    """`bits` itself when converters of that width are supported, else CosimError."""
    if bits not in BITS:
        allowed = f"{BITS.start} to {BITS.stop - 1}"
        raise CosimError("this converter width is not supported", key="bits", value=bits, allowed=allowed)
    return int(bits)


def dac_codes(values: ArrayLike, bits: int) -> NDArray[np.int64]:
    """Codes of the input DAC, n = clip(rint(v N), -N, N), of the shape of `values`.

    `values` in units of the network, full scale -1 .. 1; what lies outside saturates.
    """
    n = full_scale(bits)
    return np.clip(np.rint(np.asarray(values, dtype=np.float64) * n), -n, n).astype(np.int64)


def dac_values(codes: ArrayLike, bits: int) -> NDArray[np.float64]:
    """What DAC codes stand for, v = n / N, in units of the network."""
    return np.asarray(codes, dtype=np.float64) / full_scale(bits)


def weight_codes(weights: ArrayLike, bits: int, w_max: float) -> NDArray[np.int64]:
    """Levels of the differential pairs, n = clip(rint(w N / w_max), -N, N), of the shape of `weights`."""
    n = full_scale(bits)
    return np.clip(np.rint(np.asarray(weights, dtype=np.float64) / w_max * n), -n, n).astype(np.int64)


def quantise_weights(weights: ArrayLike, bits: int, w_max: float) -> NDArray[np.float64]:
    """The weights the array is meant to hold, n w_max / N, in units of the network; idempotent."""
    return weight_codes(weights, bits, w_max).astype(np.float64) * (w_max / full_scale(bits))


def codes_from_mac(mac: ArrayLike, thresholds: ArrayLike) -> NDArray[np.int64]:
    """Code of each MAC result: the number of thresholds strictly below it.

    `thresholds` of shape (2^b - 1,), ascending, in the unit of `mac`; the result has the shape of `mac`.
    A MAC result on a threshold, or above it by less than TIE, gets the lower code.
    """
    return np.searchsorted(np.asarray(thresholds), np.asarray(mac) - TIE, side="left").astype(np.int64)


def decode(codes: ArrayLike, low: float, high: float, bits: int) -> NDArray[np.float64]:
    """Activation that a code stands for, mid-interval: y = low + (c + 1/2)(high - low) / 2^b."""
    step = (high - low) / 2 ** checked_bits(bits)
    return low + (np.asarray(codes, dtype=np.float64) + 0.5) * step


def encode(activations: ArrayLike, low: float, high: float, bits: int) -> NDArray[np.int64]:
    """The codes that `decode` made activations of."""
    step = (high - low) / 2 ** checked_bits(bits)
    return np.rint((np.asarray(activations, dtype=np.float64) - low) / step - 0.5).astype(np.int64)
