"""Normal variates of a key and a counter: any of them at any time, in any order, by any thread, always the same.

Random words come from Threefry-2x32 with 20 rounds (J. K. Salmon et al., SC'11, doi:10.1145/2063384.2063405), pairs
of normal variates from two words by G. E. P. Box and M. E. Muller, Ann. Math. Stat. 29, 610 (1958), in float32:

    z_0 = r cos(phi), z_1 = r sin(phi),  r = sqrt(-2 ln u),  phi = 2 pi v.

u has 31 bits and its steps shrink towards 0, so the tails are there up to sqrt(64 ln 2) = 6.66 standard deviations,
beyond which lie 3e-11 of all variates. v is 30 bits of an angle within a quarter turn around 0 and two bits that turn
it by half a turn and mirror it at the diagonal.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import types
from numpy.typing import NDArray

from cosim.blocks.lanes import LANES, SINGLE, WORD, Lanes, Memory, constant, counted, everywhere, ir_index, operation
from cosim.compiled import compiled

ELEMENTS, ROWS = 0, 1
"""Streams of one key."""

ROTATIONS = (13, 15, 26, 6, 17, 29, 16, 24)
ROUNDS = 20
PARITY = 0x1BD11BDA  # of the key schedule; Salmon et al. table 2 and section 3.2

# ln(1 + f) = f - f^2 / 2 + f^3 P(f), |f| <= 1/3: largest relative error 2e-7, of P found by Lawson's reweighting.
LOG = (0.33336565, -0.25004664, 0.198225, -0.16462466, 0.16964914, -0.15177128)
# sin(pi y / 2) / y and cos(pi y / 2) in y^2, |y| <= 1/2, likewise: largest errors 5e-9 and 3e-8.
SIN = (1.5707964, -0.6459635, 0.07968023, -0.0046021771)
COS = (1.0, -1.2336971, 0.25359863, -0.020408353)
BITS_OF_TWO_THIRDS = 0x3F2AAAAB


def threefry(key: tuple[Lanes, Lanes], counter: tuple[Lanes, Lanes]) -> tuple[Lanes, Lanes]:
    """Two random words of each lane's counter, itself two words, and the key."""
    keys = (*key, key[0] ^ key[1] ^ PARITY)
    x, y = counter[0] + keys[0], counter[1] + keys[1]
    for number in range(ROUNDS):
        x = x + y
        y = y.rotated(ROTATIONS[number % 8]) ^ x
        if number % 4 == 3:
            turn = number // 4 + 1
            x, y = x + keys[turn % 3], y + (keys[(turn + 1) % 3] + turn)
    return x, y


def normal_pair(word_0: Lanes, word_1: Lanes) -> tuple[Lanes, Lanes]:
    """Two independent normal variates of two random words, in each lane."""
    u = (word_0.logical_right(1).real() + 0.5) * 2.0**-31
    radius = (logarithm(u) * -2.0).root()
    y = (word_1 << 2).real() * 2.0**-32
    square = y * y
    sine, cosine = y * polynomial(square, SIN), polynomial(square, COS)
    cosine = (cosine.bits(WORD) ^ (word_1 & 0x80000000)).bits(SINGLE)
    mirrored = word_1.is_set(30)
    return radius * mirrored.select(sine, cosine), radius * mirrored.select(cosine, sine)


def logarithm(u: Lanes) -> Lanes:
    """ln u of positive normal float32: u = 2^e (1 + f), 2/3 <= 1 + f < 4/3."""
    bits = u.bits(WORD)
    exponent = (bits - BITS_OF_TWO_THIRDS) >> 23
    f = (bits - (exponent << 23)).bits(SINGLE) - 1.0
    tail = (f * f).times_plus(f.times_plus(polynomial(f, LOG), -0.5), f)
    return exponent.real().times_plus(math.log(2.0), tail)


def polynomial(x: Lanes, coefficients: tuple[float, ...]) -> Lanes:
    """c_0 + c_1 x + c_2 x^2 ..., by Horner's rule."""
    total = constant(x.builder, x.kind, coefficients[-1], x.lanes)
    for coefficient in reversed(coefficients[:-1]):
        total = x.times_plus(total, coefficient)
    return total


def normals_at(context: Any, builder: Any, key_kind: Any, key: Any, stream: Any, first: Any) -> tuple[Lanes, Lanes]:
    """The pairs of the counters `first` (int64, a multiple of `LANES`), `first` + 1 ... of a stream of a key."""
    data = context.make_array(key_kind)(context, builder, value=key).data
    zero, one = (ir_index(builder, first, number) for number in (0, 1))
    words = tuple(everywhere(builder, builder.load(builder.gep(data, [index]))) for index in (zero, one))
    low = everywhere(builder, builder.trunc(first, WORD)) + counted(builder)
    high = everywhere(builder, builder.trunc(builder.lshr(first, ir_index(builder, first, 32)), WORD))
    high = (high << 1) + everywhere(builder, builder.trunc(stream, WORD))
    return normal_pair(*threefry((words[0], words[1]), (low, high)))


@operation
def _store_normals(typing: Any, key: Any, stream: Any, first: Any, out: Any, at: Any) -> Any:
    """2 LANES variates to out[at], out[at + 1] ...: the first ones of `LANES` pairs, then the second ones."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pair = normals_at(context, builder, signature.args[0], *arguments[:3])
        memory = Memory(context, builder, signature.args[3], arguments[3])
        for number, values in enumerate(pair):
            memory.store(values, arguments[4], number * LANES)
        return context.get_dummy_value()

    return types.void(key, types.int64, types.int64, out, types.intp), build


@compiled()
def fill_normals(key: Any, stream: int, first: int, out: Any) -> None:
    """Variates of the counters `first`, `first` + 1 ... of a stream, float32, in groups of 2 LANES.

    `first` and the length of `out` are multiples of LANES and of 2 LANES.
    """
    for at in range(0, out.shape[0], 2 * LANES):
        _store_normals(key, stream, first + at // 2, out, at)


def draw_key(rng: np.random.Generator) -> NDArray[np.uint32]:
    """A key, shape (2,), drawn from a generator."""
    return np.frombuffer(rng.bytes(8), dtype="<u4").astype(np.uint32)
