"""Characterising the ramp ADC in ngspice: the threshold of every code, chip by chip.

Each simulation is a whole conversion of one chip with four copies of its comparator on the same ramp. Copy l holds an
input near threshold l, is read at clock l, moves on to threshold l + 4, and so on: four clocks are enough for it to
forget. The inputs are moved from simulation to simulation until each threshold is bracketed to 0.005 LSB: what is
recorded is what the comparator, its lag behind the staircase included, decided, not what the ramp's levels suggest.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from cosim.blocks.dataset import new_dataset
from cosim.blocks.ramp_adc.chips import Chip, draw_chips, nominal_chip
from cosim.blocks.ramp_adc.config import RampAdcConfig
from cosim.blocks.ramp_adc.design import (
    ColumnDesign,
    column_levels,
    design_column,
)
from cosim.blocks.ramp_adc.functions import differential_error, get_function, lsb_at_thresholds, output_error
from cosim.blocks.ramp_adc.netlist import (
    column_lines,
    comparator_lines,
    conversion_deck,
    fixed_ramp_lines,
    lane_inputs,
    offset_deck,
    probes,
    pwl,
    timeline,
)
from cosim.blocks.ramp_adc.search import ThresholdSearch
from cosim.devices import load_device
from cosim.errors import CosimError
from cosim.seeds import stream
from cosim.spice import Deck, Result, SimulatorPool, default_pool

Array = NDArray[np.float64]

V_READS = (0.15, 0.20, 0.25)  # [V], the sweep of papers.md 3.3 (Nature Communications 16, 1136, fig. 3b)
TOLERANCE = 0.005  # [LSB], width of the bracket of a threshold
MOST_ROUNDS = 14
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
class _Found:
    """What is known of a sample so far."""

    search: ThresholdSearch
    trip: Array | None  # static values of the two probes at the trip point
    offset: float
    result: Result | None = None
    failed: bool = False


def characterise(
    config: RampAdcConfig,
    *,
    chips: int = 32,
    v_reads: tuple[float, ...] = V_READS,
    v_read_chips: int = 3,
    seed: int = 1,
    pool: SimulatorPool | None = None,
    show_progress: bool = True,
) -> xr.Dataset:
    """Monte Carlo over chips, and the V_read sweep of a few of them.

    Parameters
    ----------
    chips: chips with programming error and comparator mismatch, at the configured V_read.
    v_reads: read voltages [V] at which the nominal chip, the first `v_read_chips` chips and, as the yardstick, an
        ordinary linear ramp with fixed reference voltages are characterised as well.
    seed: of the chips' variations.

    Returns the data set with dimensions `sample`, `code` (threshold k), `cell`, `bias_cell`. A sample whose
    simulation failed keeps its place with status 1 and NaN.
    """
    if chips < 1:
        raise CosimError("at least one chip is needed", key="chips", value=chips, allowed="1 or more")
    pool = pool or default_pool()
    device = load_device(config.device)
    design = design_column(config, device)
    drawn = draw_chips(config, chips, chip_stream(config, seed), device=device, design=design)
    samples = _plan(config, design, drawn, v_reads, v_read_chips)
    label = f"ramp ADC, {config.bits} bits, {config.function}" if show_progress else None
    found, hashes = find_thresholds(samples, pool, label)
    return _dataset(config, design, samples, found, hashes, seed, pool)


def chip_stream(config: RampAdcConfig, seed: int) -> np.random.SeedSequence:
    """Where the chips' variations come from: other chips for another function or another number of bits."""
    return stream(seed, f"ramp_adc: chips of {config.bits} bits, {config.function}")


def _plan(
    config: RampAdcConfig, design: ColumnDesign, drawn: list[Chip], v_reads: tuple[float, ...], v_read_chips: int
) -> list[Sample]:
    nominal = nominal_chip(config, design=design)
    plan = [Sample(-1, nominal, 0, config)]
    plan += [Sample(number, chip, 0, config) for number, chip in enumerate(drawn)]
    others = [config.model_copy(update={"v_read": v}) for v in v_reads if abs(v - config.v_read) > 1e-9]
    for other in others:
        plan.append(Sample(-1, nominal, 0, other))
        plan += [Sample(number, chip, 0, other) for number, chip in enumerate(drawn[:v_read_chips])]
    if others:
        for each in (config, *others):
            plan.append(Sample(-1, nominal, 0, each.model_copy(update={"ramp": "fixed"})))
    return plan


def fixed_levels(config: RampAdcConfig, design: ColumnDesign) -> Array:
    """Levels of the ordinary converter above V_CLP [V]: evenly spaced, over the span of the nominal column's ramp."""
    nominal = config.model_copy(update={"v_read": load_device(config.device).v_read})
    span = column_levels(design.ramp, design.bias, design.bias_sign, nominal)
    return np.linspace(span[0], span[-1], config.thresholds)


def lsb_voltages(config: RampAdcConfig, gain: float) -> Array:
    """Volts of input per output LSB at each ideal threshold, for `gain` volts a unit; shape (thresholds,)."""
    return gain * lsb_at_thresholds(get_function(config.function), config.bits)


def levels_of(sample: Sample, design: ColumnDesign) -> Array:
    """The ramp's levels above V_CLP that follow from the conductances [V]."""
    if sample.config.ramp == "fixed":
        return fixed_levels(sample.config, design)
    return column_levels(sample.chip.ramp, sample.chip.bias, sample.chip.bias_sign, sample.config)


def threshold_deck(sample: Sample, inputs: Array, design: ColumnDesign, *, every_point: bool = False) -> Deck:
    """A conversion in which the sample's comparator looks at input k at clock k; `inputs` (thresholds,) [V]."""
    config, chip = sample.config, sample.chip
    if config.ramp == "fixed":
        times = timeline(config, 1)
        ramp = fixed_ramp_lines(config, fixed_levels(config, design))
    else:
        times = timeline(config, len(chip.bias))
        ramp = column_lines(config, chip.ramp, chip.bias, chip.bias_sign)
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
    deck = Deck(
        deck.title,
        deck.circuit,
        deck.analyses,
        (*deck.saves, *(f"v(xc{number}.{probe})" for number in range(len(samples)) for probe in inner)),
        deck.tolerances,
    )
    result = pool.run([deck])[0]
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
    samples: list[Sample], pool: SimulatorPool, label: str | None = None
) -> tuple[list[_Found], list[str]]:
    """Bracket every threshold of every sample; also the hashes of all decks that were run."""
    design = design_column(samples[0].config)
    offsets, trips, hashes = static_offsets(samples, pool)
    found = []
    for sample, offset, trip in zip(samples, offsets, trips, strict=True):
        tolerance = TOLERANCE * lsb_voltages(sample.config, design.gain(sample.config.v_read))
        guess = levels_of(sample, design) + offset
        found.append(_Found(ThresholdSearch(guess, STAGE_GAINS[0], 0.03, tolerance), trip, offset))
    for number in range(MOST_ROUNDS):
        open_ones = [each for each in range(len(samples)) if not (found[each].failed or found[each].search.done.all())]
        if not open_ones:
            break
        decks = [threshold_deck(samples[each], found[each].search.guess, design) for each in open_ones]
        results = pool.run(decks, f"{label}, round {number + 1}" if label else None)
        for each, result in zip(open_ones, results, strict=True):
            hashes.append(result.key)
            found[each].result = result
            found[each].failed = not result.ok
            if result.ok:
                found[each].search.update(_deviations(result, samples[each], found[each].trip))
    return found, hashes


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
    size = np.where(np.abs(second - trip[1]) < 0.5, (trip[1] - second) / STAGE_GAINS[1], size)
    middle = config.v_dd / 2
    size = np.where(np.abs(output - middle) < 0.75, (output - middle) / (STAGE_GAINS[1] * STAGE_GAINS[2]), size)
    smallest = 1e-7  # [V]
    return np.asarray(np.where(size * sign > smallest, size, sign * smallest))


def _dataset(
    config: RampAdcConfig,
    design: ColumnDesign,
    samples: list[Sample],
    found: list[_Found],
    hashes: list[str],
    seed: int,
    pool: SimulatorPool,
) -> xr.Dataset:
    device = load_device(config.device)
    function = get_function(config.function)
    nan = np.full(config.thresholds, np.nan)
    ok = [not each.failed and bool(each.search.done.all()) for each in found]
    threshold = np.array([each.search.value if good else nan for each, good in zip(found, ok, strict=True)])
    bracket = np.array(
        [each.search.high - each.search.low if good else nan for each, good in zip(found, ok, strict=True)]
    )
    gains = np.array([design.gain(sample.config.v_read) for sample in samples])
    x = threshold / gains[:, None]
    level = np.array([_levels(each.result, config) if each.result and each.result.ok else nan for each in found])
    energy = np.array([_energies(each.result, config) for each in found])
    fixed = np.array([sample.config.ramp == "fixed" for sample in samples])[:, None]
    straight = np.linspace(design.thresholds[0], design.thresholds[-1], config.thresholds)
    step = straight[1] - straight[0]
    inl = np.where(fixed, (x - straight) / step, output_error(function, config.bits, x))
    dnl = np.where(fixed, np.diff(x) / step - 1.0, differential_error(function, config.bits, x))
    per = ("sample",)
    variables = {
        "threshold": (("sample", "code"), threshold, "V", "input at which the code steps, above V_CLP"),
        "threshold_mac": (("sample", "code"), x, "1", "threshold in units of the MAC result"),
        "bracket": (("sample", "code"), bracket, "V", "width of the simulated bracket of the threshold"),
        "ramp_level": (("sample", "code"), level, "V", "ramp at the clock, above V_CLP"),
        "inl": (("sample", "code"), inl, "LSB", "integral non-linearity, output-referred"),
        "dnl": (("sample", "step"), dnl, "LSB", "differential non-linearity of the code above threshold k"),
        "ramp_conductance": (("sample", "cell"), np.array([s.chip.ramp for s in samples]), "S", "cells of the ramp"),
        "bias_conductance": (("sample", "bias_cell"), np.array([s.chip.bias for s in samples]), "S", "bias cells"),
        "comparator_offset": (per, np.array([each.offset for each in found]), "V", "static trip point at V_CLP"),
        "comparator_energy": (per, energy[:, 0], "J", "supply energy of one comparator in a conversion, without bias"),
        "ramp_energy": (per, energy[:, 1], "J", "energy dissipated in the cells of the ramp column in a conversion"),
        "rounds": (per, np.array([each.search.rounds for each in found]), "1", "simulations of the search"),
        "status": (per, np.where(ok, 0, 1).astype(np.int8), "1", "0 = all thresholds found"),
    }
    coords = {
        "chip": (per, np.array([sample.number for sample in samples]), "1", "chip; -1 is the nominal one"),
        "v_read": (per, np.array([sample.config.v_read for sample in samples]), "V", "read voltage"),
        "ramp": (
            per,
            np.array([sample.config.ramp for sample in samples], dtype=object),
            "1",
            "column or fixed reference",
        ),
        "gain": (per, gains, "V", "alpha: volts per unit of the MAC result"),
        "code": (("code",), np.arange(1, config.thresholds + 1), "1", "threshold k: the code steps from k - 1 to k"),
        "ideal_threshold": (("code",), design.thresholds, "1", "g^-1(y_k), in units of the MAC result"),
        "target_conductance": (("cell",), design.ramp, "S", "design of the ramp cells"),
        "target_bias": (("bias_cell",), design.bias, "S", "design of the bias cells"),
    }
    return new_dataset(
        block="ramp_adc",
        variables=variables,
        coords=coords,
        config={**config.model_dump(mode="json"), "bias_sign": design.bias_sign, "gain": design.gain(config.v_read)},
        seed=seed,
        deck_hashes=hashes,
        simulator=f"ngspice {pool.simulator.version_text}",
        solver=pool.simulator.solver,
        device=config.device,
        device_sha256=device.sha256,
    )


def _levels(result: Result, config: RampAdcConfig) -> Array:
    return result["v(ramp)"][: config.thresholds] - config.v_clp


def _energies(result: Result | None, config: RampAdcConfig) -> tuple[float, float]:
    """(supply energy of one comparator, energy dissipated in the column's cells) [J].

    The deck counts picojoules in volts. The bias generator, one for all comparators, is taken off: its current from
    the supply is its reference current.
    """
    if result is None or not result.ok:
        return float("nan"), float("nan")
    bias = config.v_dd * config.i_bias * result["time"][-1]
    supply = result["v(evdd)"][-1] * 1e-12 - bias
    return supply / min(LANES, config.thresholds), result["v(eread)"][-1] * 1e-12
