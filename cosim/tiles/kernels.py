"""The two ends of a tile at the speed of the machine: inputs to the levels that the DAC makes, codes to activations.

The same arithmetic as `quantise`: products and rounding in float64, levels in float32.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types
from numpy.typing import NDArray

from cosim.blocks.lanes import DOUBLE, LANES, SINGLE, WORD, Lanes, Memory, counted, everywhere, operation
from cosim.compiled import compiled

# Adding and taking off 1.5 2^52 leaves a float64 rounded to a whole number, ties to even (IEEE 754).
WHOLE = 1.5 * 2.0**52


def _codes(source: Memory, at: Any, n: Any) -> tuple[Lanes, Lanes]:
    """DAC codes of `LANES` inputs, and the largest code `n`; both float64. `quantise.dac_codes`."""
    largest = everywhere(source.builder, n)
    lowest = largest * -1.0
    scaled = source.load(at).real(DOUBLE) * largest
    scaled = (largest < scaled).select(largest, scaled)
    return ((lowest < scaled).select(scaled, lowest) + WHOLE) - WHOLE, largest


@operation
def _store_ideal(
    typing: Any, inputs: Any, at: Any, n: Any, unit: Any, values: Any, to: Any, squares: Any, squares_to: Any
) -> Any:  # fmt: skip
    """Ideal levels code / unit of `LANES` inputs and their squares; `n` is the DAC's largest code; both float64."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        source, values, squares = (Memory(context, builder, signature.args[k], arguments[k]) for k in (0, 4, 6))
        code, _ = _codes(source, arguments[1], arguments[2])
        level = code.real(SINGLE) / everywhere(builder, arguments[3]).real(SINGLE)
        values.store(level, arguments[5])
        squares.store(level * level, arguments[7])
        return context.get_dummy_value()

    return types.void(inputs, types.intp, types.float64, types.float64, values, types.intp, squares, types.intp), build


@operation
def _store_given(
    typing: Any,
    inputs: Any,
    at: Any,
    n: Any,
    levels: Any,
    first: Any,
    width: Any,
    values: Any,
    to: Any,
    squares: Any,
    squares_to: Any,
) -> Any:
    """The same from a table: levels[first + lane width + n + code]."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        source, table, values, squares = (
            Memory(context, builder, signature.args[k], arguments[k]) for k in (0, 3, 6, 8)
        )
        code, largest = _codes(source, arguments[1], arguments[2])
        width = everywhere(builder, builder.trunc(arguments[5], WORD))
        level = table.gather(arguments[4], counted(builder) * width + (code + largest).whole())
        values.store(level, arguments[7])
        squares.store(level * level, arguments[9])
        return context.get_dummy_value()

    signature = types.void(
        inputs, types.intp, types.float64, levels, types.intp, types.intp, values, types.intp, squares, types.intp
    )
    return signature, build


@compiled()
def dac_kernel(inputs: Any, n: float, unit: float, levels: Any, values: Any, squares: Any) -> None:
    """Levels that the DAC makes of a batch, and their squares.

    Parameters
    ----------
    inputs: (batch, inputs), finite, float32 or float64, in units of the network.
    n: the largest code, 2^(bits-1) - 1.
    unit: the code that stands for 1: n for values in units of the network, 1 for the codes themselves.
    levels: (inputs, 2 n + 1) float32, what each code of each input really makes; or empty, which is code / unit.
    values, squares: (batch, inputs) float32, the answer; no squares are made where their array is empty.
    """
    flat, of_values, of_squares, table = inputs.reshape(-1), values.reshape(-1), squares.reshape(-1), levels.reshape(-1)
    few = np.zeros(LANES, dtype=inputs.dtype)
    few_values, few_squares = np.zeros(LANES, dtype=np.float32), np.zeros(LANES, dtype=np.float32)
    width, squared = levels.shape[1], of_squares.shape[0] > 0
    # With a table a row at a time, for each input has its own part of it; without, all inputs are alike.
    row = inputs.shape[1] if width else flat.shape[0]
    for start in range(0, flat.shape[0], max(row, 1)):
        for at in range(0, row, LANES):
            here, number = start + at, min(LANES, row - at)
            if number == LANES:
                if width and squared:
                    _store_given(flat, here, n, table, at * width, width, of_values, here, of_squares, here)
                elif width:
                    _store_given(flat, here, n, table, at * width, width, of_values, here, few_squares, 0)
                elif squared:
                    _store_ideal(flat, here, n, unit, of_values, here, of_squares, here)
                else:
                    _store_ideal(flat, here, n, unit, of_values, here, few_squares, 0)
                continue
            for k in range(number):
                few[k] = flat[here + k]
            if width:
                for k in range(number):
                    scaled = min(max(np.float64(few[k]) * n, -n), n)
                    few_values[k] = levels[at + k, np.int64((scaled + WHOLE) - WHOLE + n)]
                    few_squares[k] = few_values[k] * few_values[k]
            else:
                _store_ideal(few, 0, n, unit, few_values, 0, few_squares, 0)
            for k in range(number):
                of_values[here + k] = few_values[k]
                if squared:
                    of_squares[here + k] = few_squares[k]


@compiled()
def decode_kernel(codes: Any, low: float, step: float, out: Any) -> None:
    """Activations low + (code + 1/2) step of codes; `quantise.decode`, to the last bit."""
    flat, answers = codes.reshape(-1), out.reshape(-1)
    for n in range(flat.shape[0]):
        answers[n] = low + (np.float64(flat[n]) + 0.5) * step


def make_levels(
    inputs: NDArray[Any], n: int, levels: NDArray[np.float32], squared: bool = True
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """What `dac_kernel` makes of finite inputs (batch, inputs): levels and their squares, which may be left out."""
    values = np.empty(inputs.shape, dtype=np.float32)
    squares = np.empty(inputs.shape if squared else (0, 0), dtype=np.float32)
    dac_kernel(inputs, float(n), float(n), levels, values, squares)
    return values, squares


def make_codes(inputs: NDArray[Any], n: int) -> NDArray[np.float32]:
    """`quantise.dac_codes` of finite inputs (batch, inputs), as float32."""
    codes, nothing = np.empty(inputs.shape, dtype=np.float32), np.zeros((0, 0), dtype=np.float32)
    dac_kernel(inputs, float(n), 1.0, nothing, codes, nothing)
    return codes


def activations(codes: NDArray[Any], low: float, high: float, bits: int) -> NDArray[np.float64]:
    """`quantise.decode` of codes (batch, outputs)."""
    out = np.empty(codes.shape, dtype=np.float64)
    decode_kernel(codes, low, (high - low) / 2**bits, out)
    return out
