"""A whole sequence through an LSTM whose gates are parts of one grid, in compiled code.

    z = [x_t, h_{t-1}, 1]      c_t = f c_{t-1} + i g      h_t = o tanh(c_t)

z is what the DACs make of it; i, f, g, o are what the converters give, or sigmoid and tanh of that where the activation
is taken digitally. tanh and sigmoid come from exp, in float32; they are off by 2e-7 at the most.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import types

from cosim.blocks.lanes import SINGLE, Lanes, Memory, constant, operation
from cosim.blocks.normals import polynomial
from cosim.compiled import compiled
from cosim.tiles.grid_inputs import copy, fill
from cosim.tiles.grid_kernel import work_piece
from cosim.tiles.products import PANEL

GATES = 4  # i, f, g, o, side by side
ONES = 127  # exponent of a float32 that is 1
WHOLE_SINGLE = 1.5 * 2.0**23  # adding and taking off leaves a float32 rounded to a whole number
# 2^f = exp(f ln 2), |f| <= 1/2, as its series: the first term left out is 5e-9.
POWER = tuple(math.log(2.0) ** n / math.factorial(n) for n in range(8))
LARGEST = 30.0  # of |x|, beyond which sigmoid and tanh are 0 and 1 in float32


def exponential(x: Lanes) -> Lanes:
    """exp x of |x| < 88, in float32."""
    x = x * math.log2(math.e)
    whole = (x + WHOLE_SINGLE) - WHOLE_SINGLE
    power = ((whole.whole() + ONES) << 23).bits(SINGLE)
    return polynomial(x - whole, POWER) * power


def sigmoid(x: Lanes) -> Lanes:
    """1 / (1 + exp -x)."""
    one = constant(x.builder, SINGLE, 1.0, x.lanes)
    return one / (exponential(x.at_least(-LARGEST).at_most(LARGEST) * -1.0) + 1.0)


def tanh(x: Lanes) -> Lanes:
    """2 sigmoid(2 x) - 1."""
    return sigmoid(x * 2.0) * 2.0 - 1.0


@operation
def _store_states(typing: Any, gates: Any, at: Any, width: Any, digital: Any, cell: Any, hidden: Any, to: Any) -> Any:
    """c and h of PANEL units from cell[to] and hidden[to] on; their gates at gates[at], `width` from one to the next.

    digital: literal 1 where activations are taken here.
    """
    activated = bool(digital.literal_value)

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        gates, cell, hidden = (Memory(context, builder, signature.args[n], arguments[n]) for n in (0, 4, 5))
        place, found = arguments[1], []
        for number in range(GATES):
            gate = gates.load(place, lanes=PANEL)
            if activated:
                gate = tanh(gate) if number == 2 else sigmoid(gate)
            found.append(gate)
            place = builder.add(place, arguments[2])
        i, f, g, o = found
        state = f * cell.load(arguments[6], lanes=PANEL) + i * g
        cell.store(state, arguments[6])
        hidden.store(o * tanh(state), arguments[6])
        return context.get_dummy_value()

    return types.void(gates, types.int64, types.int64, digital, cell, hidden, types.int64), build


@compiled()
def update_states(gates: Any, width: int, digital: bool, cell: Any, hidden: Any) -> None:
    """c_t and h_t (rows, width) float32 in place of those before, of gates (rows, 4 width); `width` of whole panels."""
    flat, of_cell, of_hidden = gates.reshape(-1), cell.reshape(-1), hidden.reshape(-1)
    for row in range(cell.shape[0]):
        for unit in range(0, width, PANEL):
            at, to = row * GATES * width + unit, row * width + unit
            if digital:
                _store_states(flat, at, width, 1, of_cell, of_hidden, to)
            else:
                _store_states(flat, at, width, 0, of_cell, of_hidden, to)


@compiled()
def work_sequences(
    packed: Any, room: Any, sequences: Any, first: int, last: int, unit_rows: int, dac: Any, factors: Any, bias: Any,
    constants: Any, digital: bool, keys: Any, cell: Any, hidden: Any, outputs: Any,
) -> None:  # fmt: skip
    """Units `first` .. `last` - 1 of `unit_rows` sequences each.

    Parameters
    ----------
    sequences: (batch, steps, inputs) float32. factors: x and h go to the DACs times these. bias: (0,) or (1,), the
        input that is always there.
    constants: (4 width,), what is added to the gates; digital: whether activations are taken of them here.
    cell, hidden: (batch, units) float32, the states before, and then after all steps.
    outputs: (batch, steps, units) float32, h of each step.
    """
    batch, steps, inputs = sequences.shape
    units, width = hidden.shape[1], constants.shape[0] // GATES
    count = inputs + units + bias.shape[0]
    numbers = -(-batch // unit_rows)
    levels = np.zeros(2 * (unit_rows + 8) * count, dtype=np.float32)
    rows = np.arange(unit_rows + 8) * count
    gates = np.empty((unit_rows, GATES * width), dtype=np.float32)
    c, h = np.zeros((unit_rows, width), dtype=np.float32), np.zeros((unit_rows, width), dtype=np.float32)
    flat, states = sequences.reshape(-1), h.reshape(-1)
    answers, of_gates = outputs.reshape(-1), gates.reshape(-1)
    for row in range(unit_rows):
        fill(bias, 0, bias.shape[0], dac, 1.0, levels, row * count + inputs + units)
    for number in range(first, last):
        start = number * unit_rows
        here = min(unit_rows, batch - start)
        c[:here, :units] = cell[start : start + here]
        h[:here, :units] = hidden[start : start + here]
        for step in range(steps):
            for row in range(here):
                fill(flat, ((start + row) * steps + step) * inputs, inputs, dac, factors[0], levels, row * count)
                fill(states, row * width, units, dac, factors[1], levels, row * count + inputs)
                copy(constants, 0, of_gates, row * GATES * width, GATES * width)
            work_piece(packed, room, levels, levels.shape[0] // 2, rows, here, step * numbers + number,
                       unit_rows, keys, gates[:here])  # fmt: skip
            update_states(gates[:here], width, digital, c[:here], h[:here])
            for row in range(here):
                copy(states, row * width, answers, ((start + row) * steps + step) * units, units)
        cell[start : start + here] = c[:here, :units]
        hidden[start : start + here] = h[:here, :units]
