"""The two ends of a tile at the speed of the machine: inputs to the levels that the DAC makes, codes to activations.

The same arithmetic as `quantise`: products and rounding in float64, levels in float32.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numba import types
from numpy.typing import NDArray

from cosim.blocks.lanes import DOUBLE, LANES, SINGLE, Memory, everywhere, operation

# Adding and taking off 1.5 2^52 leaves a float64 rounded to a whole number, ties to even (IEEE 754).
WHOLE = 1.5 * 2.0**52


@operation
def _store_levels(typing: Any, inputs: Any, at: Any, n: Any, values: Any, squares: Any, to: Any) -> Any:
    """Ideal levels of `LANES` inputs and their squares; `n` is the DAC's largest code, a float64."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        source, values, squares = (Memory(context, builder, signature.args[k], arguments[k]) for k in (0, 3, 4))
        largest = everywhere(builder, arguments[2])
        scaled = source.load(arguments[1]).real(DOUBLE) * largest
        scaled = (largest < scaled).select(largest, scaled)
        lowest = largest * -1.0
        code = ((lowest < scaled).select(scaled, lowest) + WHOLE) - WHOLE
        level = code.real(SINGLE) / largest.real(SINGLE)
        values.store(level, arguments[5])
        squares.store(level * level, arguments[5])
        return context.get_dummy_value()

    return types.void(inputs, types.intp, types.float64, values, squares, types.intp), build


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def dac_kernel(inputs: Any, n: float, levels: Any, values: Any, squares: Any) -> None:
    """Levels that the DAC makes of a batch, and their squares.

    Parameters
    ----------
    inputs: (batch, inputs), finite, float32 or float64, in units of the network.
    n: the largest code, 2^(bits-1) - 1.
    levels: (inputs, 2 n + 1) float32, what each code of each input really makes; or empty, which is code / n.
    values, squares: (batch, inputs) float32, the answer.
    """
    flat, of_values, of_squares = inputs.reshape(-1), values.reshape(-1), squares.reshape(-1)
    if levels.shape[0]:
        for row in range(inputs.shape[0]):
            for number in range(inputs.shape[1]):
                scaled = min(max(np.float64(inputs[row, number]) * n, -n), n)
                code = np.int32((scaled + WHOLE) - WHOLE + n)
                level = levels[number, np.uint32(code)]
                values[row, number] = level
                squares[row, number] = level * level
        return
    whole = flat.shape[0] // LANES * LANES
    for at in range(0, whole, LANES):
        _store_levels(flat, at, n, of_values, of_squares, at)
    if whole < flat.shape[0]:
        few = np.zeros(LANES, dtype=inputs.dtype)
        few_values, few_squares = np.zeros(LANES, dtype=np.float32), np.zeros(LANES, dtype=np.float32)
        few[: flat.shape[0] - whole] = flat[whole:]
        _store_levels(few, 0, n, few_values, few_squares, 0)
        of_values[whole:] = few_values[: flat.shape[0] - whole]
        of_squares[whole:] = few_squares[: flat.shape[0] - whole]


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def decode_kernel(codes: Any, low: float, step: float, out: Any) -> None:
    """Activations low + (code + 1/2) step of codes; `quantise.decode`, to the last bit."""
    flat, answers = codes.reshape(-1), out.reshape(-1)
    for n in range(flat.shape[0]):
        answers[n] = low + (np.float64(flat[n]) + 0.5) * step


def make_levels(
    inputs: NDArray[Any], n: int, levels: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """What `dac_kernel` makes of finite inputs (batch, inputs): levels and their squares."""
    values, squares = (np.empty(inputs.shape, dtype=np.float32) for _ in range(2))
    dac_kernel(inputs, float(n), levels, values, squares)
    return values, squares


def activations(codes: NDArray[Any], low: float, high: float, bits: int) -> NDArray[np.float64]:
    """`quantise.decode` of codes (batch, outputs)."""
    out = np.empty(codes.shape, dtype=np.float64)
    decode_kernel(codes, low, (high - low) / 2**bits, out)
    return out
