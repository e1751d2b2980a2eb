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

from cosim.blocks.ramp_adc.chips import Chip
from cosim.blocks.ramp_adc.column import column_lines, fixed_ramp_lines, timeline
from cosim.blocks.ramp_adc.config import RampAdcConfig
from cosim.blocks.ramp_adc.design import ColumnDesign, column_levels
from cosim.blocks.ramp_adc.forms import trip_points, trip_terms
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
OFFSETS_A_DECK = 32  # comparators whose static trip points are found in one `.op`
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
    offset: static trip point above V_CLP [V]; NaN where it was not found, which is a failure of the sample.
    result: the last conversion; that with halved steps at the end.
    status: see `cosim.blocks.status`.
    coarse: the last conversion before the steps were halved.
    step_change: how far each threshold moved when the time steps were halved [V], shape (thresholds,).
    """

    search: ThresholdSearch
    trip: Array | None
    offset: float
    result: Result | None = None
    status: int = OK
    coarse: Result | None = None
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


@dataclass(frozen=True)
class _Static:
    """Offset [V] of one comparator and its probes' values at the trip point."""

    offset: float
    trip: Array | None


def _static_points(samples: list[Sample], results: list[Result], chunk: int) -> list[_Static | None]:
    """What the `.op` decks of `chunk` comparators each tell of every sample; None where its deck failed."""
    config, points = samples[0].config, list[_Static | None]()
    inner = probes(config)
    for number in range(len(samples)):
        result, n = results[number // chunk], number % chunk
        if not result.ok:
            points.append(None)
            continue
        trip = np.array([result[f"v(xc{n}.{probe})"][0] for probe in inner]) if len(inner) == 2 else None
        points.append(_Static(float(result[f"v(in{n})"][0]) - config.v_clp, trip))
    return points


def _static_decks(samples: list[Sample], chunk: int) -> list[Deck]:
    config = samples[0].config
    decks = []
    for first in range(0, len(samples), chunk):
        part = samples[first : first + chunk]
        deck = offset_deck(config, part[0].chip.names, np.array([each.chip.mismatch[each.column] for each in part]))
        extra = tuple(f"v(xc{number}.{probe})" for number in range(len(part)) for probe in probes(config))
        decks.append(replace(deck, saves=(*deck.saves, *extra)))
    return decks


def static_offsets(samples: list[Sample], pool: SimulatorPool) -> tuple[list[_Static | None], list[str]]:
    """The static trip point of each sample's comparator, by `.op`; None where it was not found; hashes of the decks.

    Many comparators share a deck. Where it fails each of them is tried by itself, so that one costs no other. Raises
    CosimError when all of them fail: it is then the netlist that cannot be simulated.
    """
    results = pool.run(_static_decks(samples, OFFSETS_A_DECK))
    hashes = [result.key for result in results]
    points = _static_points(samples, results, OFFSETS_A_DECK)
    missing = [number for number, point in enumerate(points) if point is None]
    if missing:
        alone = [samples[number] for number in missing]
        again = pool.run(_static_decks(alone, 1))
        hashes += [result.key for result in again]
        for number, point in zip(missing, _static_points(alone, again, 1), strict=True):
            points[number] = point
    if all(point is None for point in points):
        result = next(each for each in results if not each.ok)
        assert result.failure is not None
        raise CosimError(
            f"the comparators' operating point was not found: {result.failure.kind} ({result.failure.line})",
            file=result.deck_file,
        )
    return points, hashes


def find_thresholds(
    samples: list[Sample], design: ColumnDesign, pool: SimulatorPool, label: str | None = None
) -> tuple[list[Found], list[str]]:
    """Bracket every threshold of every sample; also the hashes of all decks that were run."""
    points, hashes = static_offsets(samples, pool)
    found = []
    for sample, point in zip(samples, points, strict=True):
        tolerance = TOLERANCE * lsb_voltages(sample.config, design.gain(sample.config.v_read, sample.config.c_fb))
        offset, trip = (np.nan, None) if point is None else (point.offset, point.trip)
        guess = levels_of(sample, design) + offset
        search = ThresholdSearch(guess, STAGE_GAINS[0], 0.03, tolerance)
        found.append(Found(search, trip, offset, status=FAILED if point is None else OK))
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
        if not result.ok or each.status == FAILED:  # of two conversions of a sample, one that failed is told
            each.status, each.result = FAILED, each.result if each.status == FAILED else result
            continue
        if each.coarse is None:
            each.coarse = each.result
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
