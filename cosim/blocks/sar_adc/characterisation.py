"""Characterising the SAR ADC in ngspice: the threshold of every code, chip by chip, by whole conversions.

Levels of the array and the comparator's static offset predict the thresholds; conversions at inputs 0.01 LSB below
and above each one confirm it, or the bracket moves. What is recorded is what the loop decided, settling and memory of
the comparator included. So is the charge of its input: sampled with equal inputs, a comparator with an offset stands
away from its trip point, and on the way there its first stage moves by its gain times the offset and takes charge from
the floating top plates. By this Miller effect the converter's offset is the comparator's times 1 + C_in / C: with the
two-stage comparator C_in is some 0.2 pF, and a small array more than doubles the offset.

Last come conversions one bracket outside of each threshold, whose codes must come out right, and at the middle of each
code, whose energies are the figures; both with all time steps halved, too.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from cosim.blocks.chunks import run_in_chunks
from cosim.blocks.dataset import new_dataset
from cosim.blocks.halving import Relative, Tolerance, run_checked, tolerance_text
from cosim.blocks.sar_adc.array import (
    draw_capacitors,
    ideal_capacitors,
    levels,
    switching_energy,
    transition_levels,
)
from cosim.blocks.sar_adc.config import SarAdcConfig
from cosim.blocks.sar_adc.netlist import comparator_part, conversion_deck, offset_deck
from cosim.blocks.sar_adc.search import BracketSearch
from cosim.blocks.status import FAILED, LONG_NAME, NOT_FOUND, OK, STEP
from cosim.blocks.trip import trip_offset
from cosim.constants import BOLTZMANN, ZERO_CELSIUS
from cosim.errors import CosimError
from cosim.process import mismatch_of
from cosim.progress import further_rounds
from cosim.seeds import stream
from cosim.spice import Deck, Result, SimulatorPool, default_pool

Array = NDArray[np.float64]

TOLERANCE = 0.02  # [LSB], width of the bracket of a threshold
# How far an energy may move under halved steps: the figures are wanted to a few per cent.
ENERGY_TOLERANCE, ENERGY_FLOOR = 0.02, 2e-15  # relative; [J]
EXPECTED_INPUT = 0.2e-12  # [F], of the comparator by the Miller effect; sets the search's speed, not its result
MOST_ROUNDS = 12
CONVERSIONS = 64  # in one deck: some 5 s, a fair share of work for a worker
ENERGIES = ("eref", "evdd", "esw")


@dataclass(frozen=True)
class Chip:
    """A manufactured SAR ADC: its capacitors [F], shape (bits + 1,), and the comparator's mismatch, (names,)."""

    capacitors: Array
    mismatch: Array


@dataclass
class _Found:
    """What is known of a chip so far."""

    search: BracketSearch
    status: int = OK
    energy: Array | None = None  # energies of `ENERGIES` in a conversion of each code, shape (codes, energies) [J]
    coarse: Array | None = None  # the same before the time steps were halved
    keys: list[str] = field(default_factory=list)


def draw_chips(config: SarAdcConfig, count: int, seed: int) -> tuple[tuple[str, ...], list[Chip]]:
    """Names of the comparator's mismatch parameters, and the nominal chip followed by `count` drawn ones.

    Chip n is the same one under every condition, and however many are drawn.
    """
    kind = mismatch_of(comparator_part(config).text, config.cmos)
    chips = [Chip(ideal_capacitors(config.bits, config.c_unit), kind.none(1)[0])]
    for child in stream(seed, f"sar_adc: chips of {config.bits} bits").spawn(count):
        for_array, for_comparator = (np.random.default_rng(each) for each in child.spawn(2))
        capacitors = draw_capacitors(config.bits, config.c_unit, config.sigma_unit, for_array)
        chips.append(Chip(capacitors, kind.draw(1, for_comparator)[0]))
    return kind.names, chips


def characterise(
    config: SarAdcConfig,
    *,
    chips: int = 8,
    seed: int = 1,
    pool: SimulatorPool | None = None,
    show_progress: bool = True,
) -> xr.Dataset:
    """Thresholds and energies of the nominal chip (-1) and of `chips` with mismatch of capacitors and comparator.

    Returns the data set with dimensions `chip`, `code` (threshold k), `step`, `output` (code), `capacitor`.
    """
    if chips < 0:
        raise CosimError("a number of chips is wanted", key="chips", value=chips, allowed="0 or more")
    pool = pool or default_pool()
    names, drawn = draw_chips(config, chips, seed)
    offset, state, keys = static_offsets(config, names, drawn, pool)
    without = np.array([transition_levels(levels(c.capacitors, config.v_low, config.v_high)) for c in drawn])
    predicted = without + offset[:, None]
    growth = 1.0 + EXPECTED_INPUT / (config.c_unit * (1 << config.bits))
    starts = without + growth * np.nan_to_num(offset)[:, None]
    found = [
        _Found(BracketSearch(start, TOLERANCE * config.lsb), status)  # not converted with, unless it is OK
        for start, status in zip(starts, state, strict=True)
    ]
    label = f"SAR ADC, {config.bits} bits" if show_progress else None
    for number in range(MOST_ROUNDS):
        if not _round(config, names, drawn, found, pool, f"{label}, round {number + 1}" if label else None):
            break
    _verify(config, names, drawn, found, pool, f"{label}, halved steps" if label else None)
    keys += [key for each in found for key in each.keys]
    return _dataset(config, drawn, found, predicted, offset, keys, seed, pool)


def static_offsets(
    config: SarAdcConfig, names: tuple[str, ...], drawn: list[Chip], pool: SimulatorPool
) -> tuple[Array, list[int], list[str]]:
    """Static offsets of the chips' comparators [V], NaN unless their status is OK; statuses; hashes of the decks."""
    mismatch = np.array([chip.mismatch for chip in drawn])
    found, keys = run_in_chunks(lambda chips: offset_deck(config, names, mismatch[chips]), range(len(drawn)), pool)
    offsets = [trip_offset(at.result, f"in{at.number}", config.v_cm) if at.ok else np.nan for at in found]
    statuses = [
        FAILED if not at.ok else NOT_FOUND if np.isnan(offset) else OK
        for at, offset in zip(found, offsets, strict=True)
    ]
    return np.array(offsets), statuses, keys


def _decks(config: SarAdcConfig, names: tuple[str, ...], chip: Chip, inputs: Array) -> list[Deck]:
    values = dict(zip(names, chip.mismatch.tolist(), strict=True))
    return [
        conversion_deck(config, chip.capacitors, values, inputs[first : first + CONVERSIONS])
        for first in range(0, len(inputs), CONVERSIONS)
    ]


def codes_of(results: list[Result], bits: int) -> NDArray[np.int64]:
    """Codes of all conversions of the decks, in order; -1 in a deck that failed or a bit that is neither 0 nor 1."""
    codes = []
    for result in results:
        if not result.ok:
            return np.array([-1])
        ones = np.array([result[f"v(s{bit})"] for bit in range(bits)])
        whole = np.all(np.minimum(np.abs(ones), np.abs(ones - 1)) < 1e-3, axis=0)
        codes.append(np.where(whole, np.rint(ones).astype(np.int64).T @ (1 << np.arange(bits)), -1))
    return np.concatenate(codes)


def energies_of(results: list[Result]) -> Array:
    """Energies of every conversion, shape (conversions, energies) [J]: the decks' picojoules, differenced."""
    parts = [np.diff(np.array([result[f"v({name})"] for name in ENERGIES]), prepend=0.0) for result in results]
    return np.concatenate(parts, axis=1).T * 1e-12


@further_rounds()
def _round(
    config: SarAdcConfig,
    names: tuple[str, ...],
    drawn: list[Chip],
    found: list[_Found],
    pool: SimulatorPool,
    label: str | None,
) -> bool:
    """One round of conversions for all chips whose thresholds are not yet bracketed; False when there is none."""
    open_ones = [n for n, each in enumerate(found) if each.status == OK and not each.search.done.all()]
    if not open_ones:
        return False
    asked = {n: found[n].search.inputs() for n in open_ones}
    decks = {n: _decks(config, names, drawn[n], asked[n][0]) for n in open_ones}
    results = iter(pool.run([deck for n in open_ones for deck in decks[n]], label))
    for n in open_ones:
        mine = [next(results) for _ in decks[n]]
        found[n].keys += [result.key for result in mine]
        codes = codes_of(mine, config.bits)
        if (codes < 0).any():
            found[n].status = FAILED
            continue
        found[n].search.update(*asked[n], codes)
    return True


def _verify(
    config: SarAdcConfig,
    names: tuple[str, ...],
    drawn: list[Chip],
    found: list[_Found],
    pool: SimulatorPool,
    label: str | None,
) -> None:
    """Codes one bracket outside of each threshold and energies at the middle of each code; time steps checked."""
    for each in found:
        if each.status == OK and not each.search.done.all():
            each.status = NOT_FOUND
    good = [n for n, each in enumerate(found) if each.status == OK]
    decks = {n: _decks(config, names, drawn[n], _final_inputs(found[n].search, config)) for n in good}

    def figures(result: Result, number: int) -> dict[str, Array]:
        del number
        return {"code": codes_of([result], config.bits).astype(np.float64), "energy": energies_of([result])}

    tolerances: dict[str, Tolerance] = {"code": 0.5, "energy": Relative(ENERGY_TOLERANCE, ENERGY_FLOOR)}
    checked = iter(run_checked([deck for n in good for deck in decks[n]], figures, tolerances, pool, label))
    edges = config.thresholds
    wanted = np.concatenate([np.arange(edges), np.arange(1, edges + 1)])
    for n in good:
        mine = [next(checked) for _ in decks[n]]
        found[n].keys += [key for each in mine for key in each.keys]
        found[n].status = max(each.status for each in mine)
        if found[n].status == FAILED or any(each.status == FAILED for each in mine):
            found[n].status = FAILED
            continue
        codes = np.concatenate([each.figures["code"] for each in mine])
        energy = np.concatenate([each.figures["energy"] for each in mine])
        if (codes[:edges] > wanted[:edges]).any() or (codes[edges : 2 * edges] < wanted[edges:]).any():
            found[n].status = STEP
        at_middle = codes[2 * edges :] == np.arange(edges + 1)
        found[n].energy = np.where(at_middle[:, None], energy[2 * edges :], np.nan)
        coarse = energies_of([each.results[0] for each in mine])
        found[n].coarse = np.where(at_middle[:, None], coarse[2 * edges :], np.nan)


def _final_inputs(search: BracketSearch, config: SarAdcConfig) -> Array:
    """Below each threshold, above each threshold, the middle of each code: the outer ones are half an LSB wide."""
    value = search.value
    ends = np.concatenate([[value[0] - config.lsb], value, [value[-1] + config.lsb]])
    middles = np.clip((ends[:-1] + ends[1:]) / 2, 0.0, None)
    return np.concatenate([search.low - search.width, search.high + search.width, middles])


def sampled_noise(config: SarAdcConfig) -> float:
    """kT/C noise of the sampled input [V]: sqrt(kT (C + C_p)) / C, C the whole array, C_p the top plates' parasitic."""
    array = config.c_unit * (1 << config.bits)
    temperature = config.temperature + ZERO_CELSIUS
    return float(np.sqrt(BOLTZMANN * temperature * (array + config.c_parasitic)) / array)


def _dataset(
    config: SarAdcConfig,
    drawn: list[Chip],
    found: list[_Found],
    predicted: Array,
    offset: Array,
    keys: list[str],
    seed: int,
    pool: SimulatorPool,
) -> xr.Dataset:
    level = np.array([transition_levels(levels(chip.capacitors, config.v_low, config.v_high)) for chip in drawn])
    threshold = np.array([each.search.value if each.status in (OK, STEP) else np.nan * predicted[0] for each in found])
    ideal = config.v_low + config.lsb * np.arange(1, config.thresholds + 1)
    inl = (threshold - ideal) / config.lsb
    width = np.diff(threshold, axis=1) / config.lsb
    line = _end_point_error(threshold) / config.lsb
    outputs = 1 << config.bits
    energy = np.full((len(found), outputs, len(ENERGIES)), np.nan)
    for n, each in enumerate(found):
        if each.energy is not None:
            energy[n] = each.energy
    bias = config.v_dd * config.i_bias * config.t_conversion if len(comparator_part(config).pins) == 6 else 0.0
    mean = np.array([_mean(each) for each in energy])
    ideal_array = ideal_capacitors(config.bits, config.c_unit)
    v_ref = config.v_high - config.v_low
    known = ~np.isnan(threshold).any(axis=1)
    # A code between thresholds in brackets of TOLERANCE is told to be there when it is wider than both together.
    missing = np.where(known, np.sum(width < 2 * TOLERANCE, axis=1), np.nan)
    per = ("chip",)
    variables = {
        "threshold": (("chip", "code"), threshold, "V", "input at which the code steps"),
        "predicted_threshold": (
            ("chip", "code"),
            predicted,
            "V",
            "from the capacitors and the comparator's static offset",
        ),
        "inl": (("chip", "code"), inl, "LSB", "integral non-linearity, offset and gain included"),
        "inl_line": (("chip", "code"), line, "LSB", "integral non-linearity from the line through the end thresholds"),
        "dnl": (("chip", "step"), width - 1.0, "LSB", "differential non-linearity of the code above threshold k"),
        "inl_max": (per, _largest(line), "LSB", "largest size of inl_line, from the line through the end thresholds"),
        "dnl_max": (per, _largest(width - 1.0), "LSB", "largest differential non-linearity"),
        "missing_codes": (per, missing, "1", f"codes narrower than {2 * TOLERANCE:g} LSB"),
        "offset": (per, (threshold - level).mean(axis=1), "V", "offset of the converter, mean over the thresholds"),
        "comparator_offset": (per, offset, "V", "static trip point of the comparator at v_cm"),
        "reference_energy": (("chip", "output"), energy[:, :, 0], "J", "energy from the references in a conversion"),
        "comparator_energy": (per, mean[:, 1] - bias, "J", "supply energy of the comparator, mean over the codes"),
        "switch_energy": (per, mean[:, 2], "J", "supply energy of the switches' inverters, mean over the codes"),
        "bias_energy": ((), bias, "J", "supply energy of the bias generator in a conversion"),
        "energy": (per, mean.sum(axis=1), "J", "energy of a conversion, mean over the codes, without the logic"),
        "t_conversion": ((), config.t_conversion, "s", "time of a conversion"),
        "sampled_noise": ((), sampled_noise(config), "V", "kT/C noise of the sampled input, rms"),
        "capacitance": (("chip", "capacitor"), np.array([chip.capacitors for chip in drawn]), "F", "of the array"),
        "status": (per, np.array([each.status for each in found], dtype=np.int8), "1", LONG_NAME),
    }
    switching = [switching_energy(code, ideal_array, v_ref, config.c_parasitic) for code in range(outputs)]
    coords = {
        "chip": (per, np.arange(-1, len(drawn) - 1), "1", "chip; -1 is the nominal one"),
        "code": (("code",), np.arange(1, config.thresholds + 1), "1", "threshold k: the code steps from k - 1 to k"),
        "step": (("step",), np.arange(1, config.thresholds), "1", "code between thresholds k and k + 1"),
        "output": (("output",), np.arange(outputs), "1", "code that a conversion gives"),
        "ideal_threshold": (("code",), ideal, "V", "v_low + k LSB"),
        "ideal_reference_energy": (
            ("output",),
            np.array(switching),
            "J",
            "switching energy of the ideal array with its parasitic capacitance",
        ),
        "capacitor": (("capacitor",), np.arange(config.bits + 1), "1", "bit, from the lowest; the last is the dummy"),
    }
    data = new_dataset(
        block="sar_adc",
        variables=variables,
        coords=coords,
        config=config.model_dump(mode="json"),
        seed=seed,
        deck_hashes=keys,
        simulator=f"ngspice {pool.simulator.version_text}",
        solver=pool.simulator.solver,
    )
    _state_energy_changes(data, [each for each in found if each.energy is not None])
    return data


def _state_energy_changes(data: xr.Dataset, found: list[_Found]) -> None:
    """Attributes `step_tolerance` and `step_change` of the energies that were simulated."""
    changes: dict[str, list[float]] = {}
    for each in found:
        assert each.energy is not None and each.coarse is not None
        reference = np.abs(each.energy - each.coarse)[:, 0]
        mean = _mean(each.energy) - _mean(each.coarse)
        moved = {"comparator_energy": mean[1], "switch_energy": mean[2], "energy": mean.sum()}
        for name, change in moved.items():
            changes.setdefault(name, []).append(float(abs(change)))
        changes.setdefault("reference_energy", []).extend(reference[~np.isnan(reference)].tolist())
    text = tolerance_text(Relative(ENERGY_TOLERANCE, ENERGY_FLOOR), "J")
    for name in ("reference_energy", "comparator_energy", "switch_energy", "energy"):
        data[name].attrs["step_tolerance"] = text
        if changes.get(name):
            data[name].attrs["step_change"] = max(changes[name])


def _mean(energy: Array) -> Array:
    """Mean over the codes that occurred, shape (energies,)."""
    seen = energy[~np.isnan(energy[:, 0])]
    return seen.mean(axis=0) if len(seen) else np.full(energy.shape[1], np.nan)


def _largest(values: Array) -> Array:
    """Largest size of each row; NaN in a row with unknown values."""
    return np.asarray(np.max(np.abs(values), axis=1))


def _end_point_error(threshold: Array) -> Array:
    """Thresholds less the straight line through the first and the last of each row [V]."""
    share = np.linspace(0.0, 1.0, threshold.shape[1])
    return np.asarray(threshold - threshold[:, :1] - share * (threshold[:, -1:] - threshold[:, :1]))
