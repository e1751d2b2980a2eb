"""Offset of every chip, and of the nominal circuit: where the decision changes.

Continuous-time: the static trip point, by feedback in one `.op`. Clocked: a bracketing search; each simulation takes
one decision of every chip from the reset state, and the input moves until two inputs less than `TOLERANCE` apart are
decided differently. The outputs say on which side of the threshold an input is, and the time that the latch took says
how far away: its voltage grows as the gain of the nominal circuit does.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cosim.blocks.comparator.config import ComparatorConfig
from cosim.blocks.comparator.linear import Trajectory
from cosim.blocks.comparator.netlist import SEARCH, Copy, probes, start, static_deck, transient
from cosim.blocks.ramp_adc.search import ThresholdSearch
from cosim.blocks.status import FAILED, NOT_FOUND, OK, STEP
from cosim.process import mismatch_of
from cosim.progress import further_rounds
from cosim.seeds import stream
from cosim.spice import Deck, Result, SimulatorPool

Array = NDArray[np.float64]

TOLERANCE = 20e-6  # [V], width of the bracket: below 1 % of the offsets' sigma
WIDEST_STEP = 20e-3  # [V], of the search: a few sigma
MOST_ROUNDS = 20  # halving alone brackets 20 mV to 20 uV in ten
UNKNOWN_SIZE = 10e-3  # [V], where only the sign of the deviation is known
LATCH_LEVEL = 0.2  # [V] between the latch's nodes: still amplified nearly linearly, and decided


@dataclass(frozen=True)
class Offsets:
    """Offsets [V], first that of the nominal circuit; static power of each [W]; status; hashes of the decks."""

    values: Array
    power: Array
    status: int
    keys: list[str]


def draw_mismatch(config: ComparatorConfig, chips: int, seed: int) -> tuple[tuple[str, ...], Array]:
    """Names of the mismatch parameters and their values, (1 + chips, names), the nominal circuit first.

    Chip n is the same one under every condition, and however many are drawn.
    """
    kind = mismatch_of(config.part.text, config.cmos)
    rows = [kind.draw(1, np.random.default_rng(each)) for each in stream(seed, "comparator: chips").spawn(chips)]
    return kind.names, np.concatenate([kind.none(1), *rows])


def find_offsets(
    config: ComparatorConfig,
    v_cm: float,
    names: tuple[str, ...],
    mismatch: Array,
    trajectory: Trajectory | None,
    pool: SimulatorPool,
    label: str | None = None,
) -> Offsets:
    """Offsets of all rows of `mismatch` at a common mode; `trajectory` of a clocked comparator, if it shows one."""
    result = pool.run([static_deck(config, v_cm, names, mismatch)], label)[0]
    count = len(mismatch)
    if not result.ok:
        return Offsets(np.full(count, np.nan), np.full(count, np.nan), FAILED, [result.key])
    power = np.array([-config.v_dd * result[f"i(vdd{number})"][0] for number in range(count)])
    if not config.clocked:
        values = np.array([result[f"v(p{number})"][0] for number in range(count)]) - v_cm
        return Offsets(values, power, OK, [result.key])
    search = ThresholdSearch(np.zeros(count), 1.0, WIDEST_STEP, np.full(count, TOLERANCE))
    keys = [result.key]
    while search.rounds < MOST_ROUNDS and not search.done.all():
        with further_rounds():
            found = pool.run([_deck(config, v_cm, names, mismatch, search.guess)], label)[0]
        keys.append(found.key)
        if not found.ok:
            return Offsets(np.full(count, np.nan), power, FAILED, keys)
        search.update(_deviations(found, count, config, trajectory))
    values = np.where(search.done, search.value, np.nan)
    status, key = _verified(config, v_cm, names, mismatch, values, pool, label)
    return Offsets(values, power, status if search.done.all() else NOT_FOUND, [*keys, key])


def _deck(config: ComparatorConfig, v_cm: float, names: tuple[str, ...], mismatch: Array, inputs: Array) -> Deck:
    """One decision of every chip with its own input difference."""
    inner = probes(config.part)
    copies, saves = [], []
    for number, (row, difference) in enumerate(zip(mismatch, inputs, strict=True)):
        values = dict(zip(names, row.tolist(), strict=True))
        copies.append(Copy(f"{v_cm + difference / 2:.12g}", f"{v_cm - difference / 2:.12g}", values))
        saves += [f"v(op{number})", f"v(on{number})", *(f"v(xc{number}.{node})" for node in inner or ())]
    end = start(config) + config.t_clock / 2
    return transient(f"decisions of {len(copies)} chips", config, copies, end, saves, tolerances=SEARCH)


def _decisions(result: Result, count: int, config: ComparatorConfig) -> Array:
    """+1 where outp is high at the end, -1 where outn is, 0 where neither is."""
    difference = np.array([result[f"v(op{number})"][-1] - result[f"v(on{number})"][-1] for number in range(count)])
    return np.where(np.abs(difference) > config.v_dd / 2, np.sign(difference), 0.0)


def _deviations(result: Result, count: int, config: ComparatorConfig, trajectory: Trajectory | None) -> Array:
    """How far each input is from the threshold, in volts of the input; the sign is the decision's."""
    final = np.array([result[f"v(op{number})"][-1] - result[f"v(on{number})"][-1] for number in range(count)])
    decided = _decisions(result, count, config)
    sign = np.where(decided != 0, decided, np.where(final >= 0, 1.0, -1.0))
    inner = probes(config.part)
    if inner is None or trajectory is None:
        return np.asarray(sign * UNKNOWN_SIZE)
    time, size = result["time"], np.empty(count)
    for number in range(count):
        latch = np.abs(result[f"v(xc{number}.{inner[1]})"] - result[f"v(xc{number}.{inner[0]})"])
        small = np.flatnonzero(latch < LATCH_LEVEL)
        i = int(small[-1]) if small.size else 0
        at = time[i]
        if i + 1 < len(time):  # the latch grows exponentially between two points
            parts = np.log(np.maximum(latch[i : i + 2], 1e-6) / LATCH_LEVEL)
            at += (time[i + 1] - time[i]) * parts[0] / (parts[0] - parts[1])
        gain = float(np.interp(at, trajectory.time, trajectory.gain))
        size[number] = LATCH_LEVEL / max(gain, LATCH_LEVEL / UNKNOWN_SIZE / 10)
    return np.asarray(sign * size)


def _verified(
    config: ComparatorConfig,
    v_cm: float,
    names: tuple[str, ...],
    mismatch: Array,
    values: Array,
    pool: SimulatorPool,
    label: str | None,
) -> tuple[int, str]:
    """With all time steps halved, inputs one bracket to either side of each offset must still be decided as such."""
    inputs = np.concatenate([values - TOLERANCE, values + TOLERANCE])
    deck = _deck(config, v_cm, names, np.concatenate([mismatch, mismatch]), np.nan_to_num(inputs))
    result = pool.run([deck.halved()], label)[0]
    if not result.ok:
        return FAILED, result.key
    wanted = np.repeat([-1.0, 1.0], len(values))
    right = (_decisions(result, len(inputs), config) == wanted) | np.isnan(inputs)
    return OK if right.all() else STEP, result.key
