"""Finding the thresholds of chips in ngspice.

Each simulation is a whole conversion of one chip with four copies of its comparator on the same ramp. Copy l holds an
input near threshold l, is read at clock l, moves on to threshold l + 4, and so on: four clocks are enough for it to
forget. The inputs are moved from simulation to simulation until each threshold is bracketed to 0.005 LSB: what is
recorded is what the comparator, its lag behind the staircase included, decided, not what the ramp's levels suggest.

The first sample's thresholds show how the comparator lags; the searches of the others start from there. At the end
each conversion is run once more with all time steps halved, at the last inputs of its search: how far each comparator
then is from where it was, over the slope of the search, is how far its threshold moves.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from cosim.blocks.ramp_adc.behaviour import trip_points, trip_terms
from cosim.blocks.ramp_adc.chips import Chip
from cosim.blocks.ramp_adc.column import column_lines, fixed_ramp_lines, timeline
from cosim.blocks.ramp_adc.config import RampAdcConfig
from cosim.blocks.ramp_adc.design import ColumnDesign, column_levels
from cosim.blocks.ramp_adc.functions import lsb_at_thresholds
from cosim.blocks.ramp_adc.netlist import comparator_lines, conversion_deck, lane_inputs, offset_deck, probes
from cosim.blocks.ramp_adc.search import ThresholdSearch
from cosim.blocks.ramp_adc.timing import pwl
from cosim.blocks.status import FAILED, NOT_FOUND, OK, STEP
from cosim.devices import load_device
from cosim.errors import CosimError
from cosim.progress import further_rounds
from cosim.spice import Deck, Result, SimulatorPool

Array = NDArray[np.float64]

TOLERANCE = 0.005  # [LSB], width of the bracket of a threshold
STEP_TOLERANCE = 0.01  # [LSB], twice the bracket: what a threshold may move when all time steps are halved
MOST_ROUNDS = 24
# Expected gains of a comparator's stages at the moment it is read; they set the speed of the search, not its result.
STAGE_GAINS = (50.0, 20.0, 10.0)
LANES = 4  # copies of the comparator in a simulation


@dataclass(frozen=True)
class Sample:
    """One thing to characterise: a chip (-1 is the nominal one), one of its comparators, a V_read, a kind of ramp."""

    number: int
    chip: Chip
    column: int
    config: RampAdcConfig


@dataclass
class Found:
    """What is known of a sample.

    Attributes
    ----------
    search: its thresholds, so far.
    trip: static values of the two probes at the trip point; None where the netlist names no probes.
    offset: static trip point above V_CLP [V].
    result: the last conversion; that with halved steps at the end.
    status: see `cosim.blocks.status`.
    step_change: how far each threshold moved when the time steps were halved [V], shape (thresholds,).
    """

    search: ThresholdSearch
    trip: Array | None
    offset: float
    result: Result | None = None
    status: int = OK
    step_change: Array = field(default_factory=lambda: np.zeros(0))


def fixed_levels(config: RampAdcConfig, design: ColumnDesign) -> Array:
    """Levels of the ordinary converter above V_CLP [V]: evenly spaced, over the span of the nominal column's ramp."""
    nominal = config.model_copy(update={"v_read": load_device(config.device).v_read, "c_fb": design.c_fb})
    span = column_levels(design.ramp, design.bias, design.bias_sign, nominal, design.pulse)
    return np.linspace(span[0], span[-1], config.thresholds)


def lsb_voltages(config: RampAdcConfig, gain: float) -> Array:
    """Volts of input per output LSB at each ideal threshold, for `gain` volts a unit; shape (thresholds,)."""
    return gain * lsb_at_thresholds(config.activation, config.bits)


def levels_of(sample: Sample, design: ColumnDesign) -> Array:
    """The ramp's levels above V_CLP that follow from the conductances [V]."""
    if sample.config.ramp == "fixed":
        return fixed_levels(sample.config, design)
    return sample.chip.levels(sample.config)


def threshold_deck(sample: Sample, inputs: Array, design: ColumnDesign, *, every_point: bool = False) -> Deck:
    """A conversion in which the sample's comparator looks at input k at clock k; `inputs` (thresholds,) [V]."""
    config, chip = sample.config, sample.chip
    if config.ramp == "fixed":
        times = timeline(config, 1)
        ramp = fixed_ramp_lines(config, fixed_levels(config, design))
    else:
        times = timeline(config, len(chip.bias))
        ramp = column_lines(config, chip.ramp, chip.bias, chip.bias_sign, pulses=chip.pulse)
    lanes = min(LANES, len(inputs))
    sources, comparators, saves = [], [], []
    for lane, points in enumerate(lane_inputs(config.v_clp + inputs, times, lanes)):
        sources.append(f"Vm{lane} m{lane} 0 {pwl(points)}")
        comparators += comparator_lines(lane, f"m{lane}", chip.names, chip.mismatch[sample.column], config)
        saves += [f"v(xc{lane}.{probe})" for probe in probes(config)]
    title = f"ramp ADC {config.bits} bits {config.ramp} chip {sample.number} V_read {config.v_read:g} V"
    return conversion_deck(
        title, config, ramp, times, sources, comparators, lanes, extra_saves=saves, every_point=every_point
    )


def static_offsets(samples: list[Sample], pool: SimulatorPool) -> tuple[list[float], list[Array | None], list[str]]:
    """Offset [V] and the probes' values at the static trip point, for each sample's comparator, by `.op`."""
    config = samples[0].config
    mismatch = np.array([sample.chip.mismatch[sample.column] for sample in samples])
    deck = offset_deck(config, samples[0].chip.names, mismatch)
    inner = probes(config)
    extra = tuple(f"v(xc{number}.{probe})" for number in range(len(samples)) for probe in inner)
    result = pool.run([replace(deck, saves=(*deck.saves, *extra))])[0]
    if result.failure is not None:
        raise CosimError(
            f"the comparators' operating point was not found: {result.failure.kind} ({result.failure.line})",
            file=result.deck_file,
        )
    offsets = [float(result[f"v(in{number})"][0]) - config.v_clp for number in range(len(samples))]
    trips: list[Array | None] = [None] * len(samples)
    if len(inner) == 2:
        trips = [np.array([result[f"v(xc{number}.{probe})"][0] for probe in inner]) for number in range(len(samples))]
    return offsets, trips, [result.key]


def find_thresholds(
    samples: list[Sample], design: ColumnDesign, pool: SimulatorPool, label: str | None = None
) -> tuple[list[Found], list[str]]:
    """Bracket every threshold of every sample; also the hashes of all decks that were run."""
    offsets, trips, hashes = static_offsets(samples, pool)
    found = []
    for sample, offset, trip in zip(samples, offsets, trips, strict=True):
        tolerance = TOLERANCE * lsb_voltages(sample.config, design.gain(sample.config.v_read, sample.config.c_fb))
        guess = levels_of(sample, design) + offset
        found.append(Found(ThresholdSearch(guess, STAGE_GAINS[0], 0.03, tolerance), trip, offset))
    _search(samples[:1], found[:1], design, pool, hashes, f"{label}, first sample" if label else None)
    if found[0].search.done.all():
        lag = _lag(levels_of(samples[0], design), found[0])
        for sample, each in zip(samples[1:], found[1:], strict=True):
            each.search.guess = trip_points(levels_of(sample, design), each.offset, lag)
    _search(samples[1:], found[1:], design, pool, hashes, label)
    _halve_steps(samples, found, design, pool, hashes, f"{label}, time steps halved" if label else None)
    return found, hashes


@further_rounds()
def _search(
    samples: list[Sample], found: list[Found], design: ColumnDesign, pool: SimulatorPool, hashes: list[str],
    label: str | None,
) -> None:  # fmt: skip
    for number in range(MOST_ROUNDS):
        unfinished = [n for n, each in enumerate(found) if each.status == OK and not each.search.done.all()]
        if not unfinished:
            return
        decks = [threshold_deck(samples[n], found[n].search.guess, design) for n in unfinished]
        results = pool.run(decks, f"{label}, round {number + 1}" if label else None)
        for n, result in zip(unfinished, results, strict=True):
            hashes.append(result.key)
            found[n].result = result
            if result.ok:
                found[n].search.update(_deviations(result, samples[n], found[n].trip))
            else:
                found[n].status = FAILED
    for each in found:
        if each.status == OK and not each.search.done.all():
            each.status = NOT_FOUND


def _lag(levels: Array, found: Found) -> Array:
    """The comparator's lag behind the staircase, as the parameters of `trip_points`, from one sample's thresholds."""
    terms = np.stack(trip_terms(levels), axis=1)
    return np.asarray(np.linalg.lstsq(terms, found.search.value - levels - found.offset, rcond=None)[0])


def _halve_steps(
    samples: list[Sample], found: list[Found], design: ColumnDesign, pool: SimulatorPool, hashes: list[str],
    label: str | None,
) -> None:  # fmt: skip
    """One more conversion of every sample, with halved time steps; sets `step_change`, `status` and `result`.

    A comparator that shows no probes is looked at twice, a little less than the tolerance to either side of the
    threshold: when both answers are right, the threshold moved by less than the tolerance, which is then what is told.
    """
    wide = STEP_TOLERANCE - TOLERANCE / 2
    tasks: list[tuple[int, Array]] = []
    lsb = [lsb_voltages(each.config, design.gain(each.config.v_read, each.config.c_fb)) for each in samples]
    for n, each in enumerate(found):
        each.step_change = np.full(each.search.guess.shape, np.nan)
        if each.status == OK:
            known = each.trip is not None
            inputs = [each.search.last[0]] if known else [each.search.value + side * wide * lsb[n] for side in (-1, 1)]
            tasks += [(n, values) for values in inputs]
    results = pool.run([threshold_deck(samples[n], inputs, design).halved() for n, inputs in tasks], label)
    for (n, looked_at), result in zip(tasks, results, strict=True):
        hashes.append(result.key)
        each = found[n]
        if not result.ok:
            each.status = FAILED
            continue
        each.result = result
        after = _deviations(result, samples[n], each.trip)
        if each.trip is None:
            right = np.sign(after) == np.sign(looked_at - each.search.value)
            change = np.where(right, STEP_TOLERANCE * lsb[n], np.inf)
        else:
            change = np.abs(after - each.search.last[1]) / each.search.last_slope
        each.step_change = np.fmax(each.step_change, change)
        if each.status == OK and (each.step_change > STEP_TOLERANCE * lsb[n] * (1 + 1e-9)).any():
            each.status = STEP


def _deviations(result: Result, sample: Sample, trip: Array | None) -> Array:
    """How far each comparator is from tripping at its own clock, in volts at its first stage; sign from its output."""
    config = sample.config
    lanes = min(LANES, config.thresholds)

    def at_clocks(signal: str) -> Array:
        return np.array([result[signal.format(k % lanes)][k] for k in range(config.thresholds)])

    output = at_clocks("v(d{})")
    sign = np.where(output > config.v_dd / 2, 1.0, -1.0)
    inner = probes(config)
    if trip is None or len(inner) != 2:
        return np.asarray(sign * 30e-3 * STAGE_GAINS[0])  # only the sign is known: the search halves its bracket
    first, second = (at_clocks("v(xc{}." + probe + ")") for probe in inner)
    # Each later stage tells more of a smaller range, and is saturated outside it.
    size = first - trip[0]
    size = np.where(np.abs(second - trip[1]) < 0.28 * config.v_dd, (trip[1] - second) / STAGE_GAINS[1], size)
    middle = config.v_dd / 2
    size = np.where(
        np.abs(output - middle) < 0.42 * config.v_dd, (output - middle) / (STAGE_GAINS[1] * STAGE_GAINS[2]), size
    )
    smallest = 1e-7  # [V]
    return np.asarray(np.where(size * sign > smallest, size, sign * smallest))
