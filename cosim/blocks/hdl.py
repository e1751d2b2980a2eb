"""What the exports to SystemVerilog and Verilog-A share: literals, and noise that is the same in every simulator."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cosim.errors import CosimError

Array = NDArray[np.float64]


def real(value: float) -> str:
    """A real literal of both languages with all its digits: a point or an exponent is required, and a digit each side.

    Raises CosimError for what is not finite.
    """
    if not math.isfinite(value):
        raise CosimError("this number cannot be exported: it is not finite", value=value)
    text = repr(float(value))
    mantissa, _, exponent = text.partition("e")
    if "." not in mantissa:
        mantissa += ".0"
    return mantissa + (f"e{int(exponent)}" if exponent else "")


def case_lines(values: Sequence[str], result: str, default: str, indent: int = 6) -> list[str]:
    """Branches of a `case` that set `result` to the n-th value, and to `default` for any other number."""
    space = " " * indent
    lines = [f"{space}{n}: {result} = {value};" for n, value in enumerate(values)]
    return [*lines, f"{space}default: {result} = {default};"]


def real_input(name: str) -> str:
    """A port that is a real variable, with its comma. IEEE 1800 wants `var`, which Icarus Verilog 11 does not parse."""
    return f"""\
`ifdef __ICARUS__
    input  real {name},
`else
    input  var real {name},
`endif"""


NOISE_STATE = 0x9E3779B97F4A7C15  # the golden ratio in 64 bits: mixed with the seeds, so that the state is not zero

_NOISE_TASK = f"""\
  // Normal random numbers, the same in every simulator: xorshift with 64 bits of state (Marsaglia 2003), Box-Muller.
  logic [63:0] noise_state;

  task seed_noise;
    begin
      noise_state = 64'h{NOISE_STATE:016X} ^ {{SEED, SECOND_SEED}};
      if (noise_state == 64'd0) noise_state = 64'd1;
      repeat (16) step_noise;
    end
  endtask

  task step_noise;
    begin
      noise_state = noise_state ^ (noise_state << 13);
      noise_state = noise_state ^ (noise_state >> 7);
      noise_state = noise_state ^ (noise_state << 17);
    end
  endtask

  task draw_normal(output real value);
    real u1, u2;
    begin
      step_noise;
      u1 = (1.0 * noise_state[63:32] + 0.5) / 4294967296.0;
      step_noise;
      u2 = (1.0 * noise_state[63:32] + 0.5) / 4294967296.0;
      value = $sqrt(-2.0 * $ln(u1)) * $cos(6.283185307179586 * u2);
    end
  endtask
"""


def noise_task(second_seed: str) -> str:
    """SystemVerilog tasks `seed_noise` and `draw_normal`; they need the parameter SEED and a second int."""
    return _NOISE_TASK.replace("SECOND_SEED", second_seed)


def normal_numbers(seed: int, second_seed: int, count: int) -> Array:
    """The numbers that `noise_task` draws one after another, shape (count,); for checking a simulator."""
    mask = (1 << 64) - 1
    state = (NOISE_STATE ^ ((seed & 0xFFFFFFFF) << 32 | (second_seed & 0xFFFFFFFF))) or 1

    def step() -> int:
        nonlocal state
        state ^= (state << 13) & mask
        state ^= state >> 7
        state ^= (state << 17) & mask
        return state

    for _ in range(16):
        step()
    uniform = [[((step() >> 32) + 0.5) / 2.0**32 for _ in range(2)] for _ in range(count)]
    return np.array([math.sqrt(-2.0 * math.log(u1)) * math.cos(2.0 * math.pi * u2) for u1, u2 in uniform])
