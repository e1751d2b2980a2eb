"""Offset of every chip, and of the nominal circuit: where the decision changes.

Continuous-time: the static trip point, by feedback in one `.op`. Clocked: a bracketing search; each round takes
one decision of every chip from the reset state, and the input moves until two inputs less than `TOLERANCE` apart are
decided differently. The outputs say on which side of the threshold an input is, and the time that the latch took says
how far away: its voltage grows as the gain of the nominal circuit does.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from cosim.blocks.chunks import MOST, Copied, run_in_chunks
from cosim.blocks.comparator.config import ComparatorConfig
from cosim.blocks.comparator.linear import Trajectory
from cosim.blocks.comparator.netlist import SEARCH, Copy, probes, start, static_deck, transient
from cosim.blocks.ramp_adc.search import ThresholdSearch
from cosim.blocks.status import FAILED, NOT_FOUND, OK, STEP
from cosim.blocks.trip import trip_offset
from cosim.process import mismatch_of
from cosim.progress import further_rounds
from cosim.seeds import stream
from cosim.spice import Deck, SimulatorPool

Array = NDArray[np.float64]

TOLERANCE = 20e-6  # [V], width of the bracket: below 1 % of the offsets' sigma
WIDEST_STEP = 20e-3  # [V], of the search: a few sigma
MOST_ROUNDS = 20  # halving alone brackets 20 mV to 20 uV in ten
UNKNOWN_SIZE = 10e-3  # [V], where only the sign of the deviation is known
LATCH_LEVEL = 0.2  # [V] between the latch's nodes: still amplified nearly linearly, and decided


@dataclass(frozen=True)
class Offsets:
    """Offsets [V], first that of the nominal circuit; static power [W] and status of each; hashes of the decks."""

    values: Array
    power: Array
    statuses: NDArray[np.int8]
    keys: list[str]

    @property
    def status(self) -> int:
        """Of the measurement: OK when every chip is; FAILED when one failed; else the highest."""
        return FAILED if (self.statuses == FAILED).any() else int(self.statuses.max())


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
    count = len(mismatch)
    status = np.full(count, OK, dtype=np.int8)
    values, power = np.full(count, np.nan), np.full(count, np.nan)
    static, keys = run_in_chunks(
        lambda chips: static_deck(config, v_cm, names, mismatch[chips]), range(count), pool, label
    )
    for chip, at in enumerate(static):
        if not at.ok:
            status[chip] = FAILED
            continue
        if not config.clocked:
            values[chip] = trip_offset(at.result, f"p{at.number}", v_cm)
            if np.isnan(values[chip]):
                status[chip] = NOT_FOUND
                continue
        power[chip] = -config.v_dd * at.result[f"i(vdd{at.number})"][0]
    if not config.clocked:
        return Offsets(values, power, status, keys)
    search = ThresholdSearch(np.zeros(count), 1.0, WIDEST_STEP, np.full(count, TOLERANCE))
    while search.rounds < MOST_ROUNDS and not (search.done | (status == FAILED)).all():
        open_ones = np.flatnonzero(status != FAILED)
        deck = partial(_decision_deck, config, v_cm, names, mismatch, search.guess)
        with further_rounds():
            found, more = run_in_chunks(deck, open_ones, pool, label)
        keys += more
        deviations = np.zeros(count)  # of a chip that failed, whose search does not count any more
        for chip, at in zip(open_ones.tolist(), found, strict=True):
            if at.ok:
                deviations[chip] = _deviation(at, config, trajectory)
            else:
                status[chip] = FAILED
        search.update(deviations)
    status[(status == OK) & ~search.done] = NOT_FOUND
    good = np.flatnonzero(status == OK)
    values[good] = search.value[good]
    status[good], more = _verified(config, v_cm, names, mismatch[good], values[good], pool, label)
    values[status == FAILED] = np.nan
    return Offsets(values, power, status, keys + more)


def _decision_deck(
    config: ComparatorConfig,
    v_cm: float,
    names: tuple[str, ...],
    mismatch: Array,
    inputs: Array,
    chips: NDArray[np.intp],
) -> Deck:
    return _deck(config, v_cm, names, mismatch[chips], inputs[chips])


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


def _decision(at: Copied, config: ComparatorConfig) -> float:
    """+1 where outp is high at the end, -1 where outn is, 0 where neither is."""
    difference = _difference(at)
    return float(np.sign(difference)) if abs(difference) > config.v_dd / 2 else 0.0


def _difference(at: Copied) -> float:
    return float(at.result[f"v(op{at.number})"][-1] - at.result[f"v(on{at.number})"][-1])


def _deviation(at: Copied, config: ComparatorConfig, trajectory: Trajectory | None) -> float:
    """How far the input is from the threshold, in volts of the input; the sign is the decision's."""
    sign = _decision(at, config) or (1.0 if _difference(at) >= 0 else -1.0)
    inner = probes(config.part)
    if inner is None or trajectory is None:
        return sign * UNKNOWN_SIZE
    time = at.result["time"]
    latch = np.abs(at.result[f"v(xc{at.number}.{inner[1]})"] - at.result[f"v(xc{at.number}.{inner[0]})"])
    small = np.flatnonzero(latch < LATCH_LEVEL)
    i = int(small[-1]) if small.size else 0
    moment = time[i]
    if i + 1 < len(time):  # the latch grows exponentially between two points
        parts = np.log(np.maximum(latch[i : i + 2], 1e-6) / LATCH_LEVEL)
        moment += (time[i + 1] - time[i]) * parts[0] / (parts[0] - parts[1])
    gain = float(np.interp(moment, trajectory.time, trajectory.gain))
    return sign * LATCH_LEVEL / max(gain, LATCH_LEVEL / UNKNOWN_SIZE / 10)


def _verified(
    config: ComparatorConfig,
    v_cm: float,
    names: tuple[str, ...],
    mismatch: Array,
    values: Array,
    pool: SimulatorPool,
    label: str | None,
) -> tuple[NDArray[np.int8], list[str]]:
    """With all time steps halved, inputs one bracket to either side of each offset must still be decided as such.

    Returns the status of each chip, (chips,), and the hashes of the decks.
    """

    def deck(chips: NDArray[np.intp]) -> Deck:
        both = np.stack([values[chips] - TOLERANCE, values[chips] + TOLERANCE], axis=1).ravel()
        return _deck(config, v_cm, names, np.repeat(mismatch[chips], 2, axis=0), both).halved()

    found, keys = run_in_chunks(deck, range(len(values)), pool, label, most=MOST // 2)
    status = np.full(len(values), FAILED, dtype=np.int8)
    for chip, at in enumerate(found):
        if at.ok:
            below, above = (_decision(Copied(at.result, 2 * at.number + k, 2 * at.size), config) for k in (0, 1))
            status[chip] = OK if (below, above) == (-1.0, 1.0) else STEP
    return status, keys
