"""Normal variates from a counter: the words against published ones, the variates against the normal distribution."""

import numba
import numpy as np
import pytest
from numba import types
from numpy.typing import NDArray
from scipy import stats

from cosim.blocks.lanes import LANES, Memory, everywhere, operation
from cosim.blocks.normals import ELEMENTS, ROWS, draw_key, fill_normals, threefry

BLOCK = 2 * LANES
KEY = np.array([17, 4], dtype=np.uint32)


@operation
def _words(typing, numbers, out):  # type: ignore[no-untyped-def]
    """Threefry of counter numbers[0:2] and key numbers[2:4], in every lane."""

    def build(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        data = context.make_array(signature.args[0])(context, builder, value=arguments[0]).data
        index = types.intp
        words = [
            everywhere(builder, builder.load(builder.gep(data, [context.get_constant(index, n)]))) for n in range(4)
        ]
        memory = Memory(context, builder, signature.args[1], arguments[1])
        for number, word in enumerate(threefry((words[2], words[3]), (words[0], words[1]))):
            memory.store(word, context.get_constant(index, 0), number * LANES)
        return context.get_dummy_value()

    return types.void(numbers, out), build


@numba.njit
def words(numbers, out):  # type: ignore[no-untyped-def]
    _words(numbers, out)


def drawn(count: int, key: NDArray[np.uint32] = KEY, stream: int = ELEMENTS, first: int = 0) -> NDArray[np.float64]:
    out = np.empty(count, dtype=np.float32)
    fill_normals(key, stream, first, out)
    return out.astype(np.float64)


@pytest.mark.parametrize(
    ("counter", "key", "expected"),
    [
        ((0, 0), (0, 0), (0x6B200159, 0x99BA4EFE)),
        ((0xFFFFFFFF, 0xFFFFFFFF), (0xFFFFFFFF, 0xFFFFFFFF), (0x1CB996FC, 0xBB002BE7)),
        ((0x243F6A88, 0x85A308D3), (0x13198A2E, 0x03707344), (0xC4923A9C, 0x483DF7A0)),
    ],
)
def test_words_are_those_of_the_authors_known_answers(
    counter: tuple[int, int], key: tuple[int, int], expected: tuple[int, int]
) -> None:
    """Threefry-2x32, 20 rounds: the known-answer vectors of the authors' Random123 library."""
    out = np.zeros(2 * LANES, dtype=np.uint32)
    words(np.array([*counter, *key], dtype=np.uint32), out)
    assert (out[:LANES] == expected[0]).all() and (out[LANES:] == expected[1]).all()


def check(values: NDArray[np.float64]) -> None:
    """Moments within 5 standard errors, Kolmogorov-Smirnov and the counts of 40 equally likely cells at 1e-6."""
    count = len(values)
    assert abs(values.mean()) < 5 / np.sqrt(count)
    assert abs(values.var() - 1) < 5 * np.sqrt(2 / count)
    assert abs(stats.skew(values)) < 5 * np.sqrt(6 / count)
    assert abs(stats.kurtosis(values)) < 5 * np.sqrt(24 / count)
    assert stats.kstest(values[:300_000], "norm").pvalue > 1e-6
    counts = np.bincount(np.minimum((stats.norm.cdf(values) * 40).astype(int), 39), minlength=40)
    assert stats.chisquare(counts).pvalue > 1e-6


def check_tails(values: NDArray[np.float64], most: float) -> None:
    """Numbers beyond 2 sigma, 2.5 sigma ... on either side, each within the Poisson interval at 1e-7."""
    for sigma in np.arange(2.0, most + 0.1, 0.5):
        expected = len(values) * stats.norm.sf(sigma)
        low, high = stats.poisson.ppf([5e-8, 1 - 5e-8], expected)
        for seen in ((values > sigma).sum(), (values < -sigma).sum()):
            assert low <= seen <= high, (sigma, expected, seen)


def test_variates_are_normal() -> None:
    values = drawn(2_000_000 // BLOCK * BLOCK)
    check(values)
    check_tails(values, 4.5)


@pytest.mark.slow
def test_three_hundred_million_variates_are_normal_to_five_and_a_half_sigma() -> None:
    """In pieces; the sums over all of them, and the tails up to 5.5 sigma, where 6 are expected on either side."""
    pieces, size = 30, 10_000_000 // BLOCK * BLOCK
    sigmas = np.arange(2.0, 5.6, 0.5)
    moments, beyond = np.zeros(4), np.zeros((len(sigmas), 2))
    for piece in range(pieces):
        values = drawn(size, first=piece * size // 2)
        squares = values * values
        moments += [values.sum(), squares.sum(), (squares * values).sum(), (squares * squares).sum()]
        far = values[squares > 3.9]
        beyond += [((far > sigma).sum(), (far < -sigma).sum()) for sigma in sigmas]
    count = pieces * size
    expected = np.array([0.0, 1.0, 0.0, 3.0])
    variance = np.array([1.0, 2.0, 15.0, 96.0])  # of x, x^2, x^3, x^4 of a normal variate
    assert (np.abs(moments / count - expected) < 5 * np.sqrt(variance / count)).all()
    for sigma, seen in zip(sigmas, beyond, strict=True):
        low, high = stats.poisson.ppf([5e-8, 1 - 5e-8], count * stats.norm.sf(sigma))
        assert ((low <= seen) & (seen <= high)).all(), (sigma, seen)


def test_pairs_neighbours_streams_and_keys_do_not_hang_together() -> None:
    """Correlations of values and of squares, within 5 standard errors."""
    count = 320_000 // BLOCK * BLOCK
    base = drawn(count)
    pairs = base.reshape(-1, 2, LANES)
    others = {
        "pair": (pairs[:, 0].ravel(), pairs[:, 1].ravel()),
        "next counter": (base[:-1], base[1:]),
        "next block": (base[:-BLOCK], base[BLOCK:]),
        "other stream": (base, drawn(count, stream=ROWS)),
        "other first key": (base, drawn(count, key=KEY + np.array([1, 0], dtype=np.uint32))),
        "other second key": (base, drawn(count, key=KEY + np.array([0, 1], dtype=np.uint32))),
    }
    for name, (a, b) in others.items():
        for f, g in ((a, b), (a**2, b**2)):
            assert abs(np.corrcoef(f, g)[0, 1]) < 5 / np.sqrt(len(f)), name


def test_variates_depend_on_their_counter_alone() -> None:
    whole = drawn(8 * BLOCK)
    for first in (1, 3, 6):
        piece = drawn(2 * BLOCK, first=first * LANES)
        np.testing.assert_array_equal(piece, whole[first * BLOCK : (first + 2) * BLOCK])


def test_counters_go_on_beyond_32_bits() -> None:
    """The upper word of the counter follows: 2^32 pairs further on are other variates."""
    far = drawn(BLOCK, first=2**32)
    assert (far != drawn(BLOCK)).all() and (far != drawn(BLOCK, stream=ROWS)).all()
    across = drawn(2 * BLOCK, first=2**32 - LANES)
    np.testing.assert_array_equal(across[BLOCK:], far)


def test_keys_come_from_the_generator() -> None:
    a, b, c = (draw_key(np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert a.tolist() == b.tolist() != c.tolist()
    assert a.dtype == np.uint32 and a.shape == (2,)
