"""Static trip points of comparators: over the ramp's range, and of many comparators at V_CLP.

A comparator trips where both its inputs are at the ramp's level, and its offset there is not the one at V_CLP: the
tail's current falls at the low end, the mirror leaves the input pair no headroom at the high end, and a mismatch counts
for more or less as they do. What is recorded is V_os(L), the static trip point above a ramp of V_CLP + L, at
`COMMON_MODES` levels from end to end.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cosim.blocks.ramp_adc.chips import Chip
from cosim.blocks.ramp_adc.config import RampAdcConfig
from cosim.blocks.ramp_adc.netlist import comparator_text, offset_deck
from cosim.process import mismatch_of
from cosim.seeds import stream
from cosim.spice import Deck, SimulatorPool

Array = NDArray[np.float64]

# Odd, so that one is V_CLP itself. With 13 over +-0.36 V a cubic spline is within 5 uV of the trip points between.
COMMON_MODES = 13
COMPARATORS_A_DECK = 32
BENCH_REACH = 0.3  # [V], the largest offset that `offset_deck` can find


def common_modes(levels: Sequence[Array]) -> Array:
    """Ramp levels above V_CLP [V] at which offsets are looked at: the range of `levels` and a twentieth more."""
    reach = 1.05 * max(float(np.abs(each).max()) for each in levels)
    return np.linspace(-reach, reach, COMMON_MODES)


def offset_curve_decks(chips: Sequence[tuple[Chip, int]], config: RampAdcConfig, modes: Array) -> list[Deck]:
    """`.op` decks of the comparators (chip, column) at each common mode, the comparators running fastest."""
    mismatch = np.array([chip.mismatch[column] for chip, column in chips])
    decks = []
    for mode in modes:
        there = config.model_copy(update={"v_clp": config.v_clp + float(mode)})
        for first in range(0, len(mismatch), COMPARATORS_A_DECK):
            decks.append(
                offset_deck(there, chips[0][0].names, mismatch[first : first + COMPARATORS_A_DECK], BENCH_REACH)
            )
    return decks


def offset_curves(
    chips: Sequence[tuple[Chip, int]], config: RampAdcConfig, modes: Array, pool: SimulatorPool
) -> tuple[Array, list[str]]:
    """V_os(L) [V] of each comparator, shape (comparators, modes), and the hashes of the decks.

    NaN where an operating point was not found, or where the trip point lies beyond the bench's reach.
    """
    results = pool.run(offset_curve_decks(chips, config, modes))
    curves = np.full((len(chips), len(modes)), np.nan)
    per_mode = len(results) // len(modes)
    for number, result in enumerate(results):
        if not result.ok:
            continue
        mode, first = number // per_mode, number % per_mode * COMPARATORS_A_DECK
        for n in range(min(COMPARATORS_A_DECK, len(chips) - first)):
            offset = float(result[f"v(in{n})"][0]) - config.v_clp - modes[mode]
            if abs(offset) < 0.97 * BENCH_REACH:
                curves[first + n, mode] = offset
    return curves, [result.key for result in results]


def population_offsets(config: RampAdcConfig, count: int, seed: int, pool: SimulatorPool) -> tuple[Array, list[str]]:
    """V_os [V] at V_CLP of `count` comparators, shape (count,), NaN where it was not found; the hashes of the decks.

    They are drawn for the statistics alone, and are the same under every condition, function and number of bits.
    """
    kind = mismatch_of(comparator_text(config), config.cmos)
    drawn = kind.draw(count, np.random.default_rng(stream(seed, "ramp_adc: comparators for the statistics")))
    starts = range(0, count, COMPARATORS_A_DECK)
    decks = [offset_deck(config, kind.names, drawn[n : n + COMPARATORS_A_DECK], BENCH_REACH) for n in starts]
    results = pool.run(decks)
    found = np.full(count, np.nan)
    for first, result in zip(starts, results, strict=True):
        if result.ok:
            for n in range(first, min(first + COMPARATORS_A_DECK, count)):
                offset = float(result[f"v(in{n - first})"][0]) - config.v_clp
                found[n] = offset if abs(offset) < 0.97 * BENCH_REACH else np.nan
    return found, [result.key for result in results]
