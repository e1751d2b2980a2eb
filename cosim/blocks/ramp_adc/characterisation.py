"""Characterising the ramp ADC in ngspice: thresholds, chip by chip, and all figures that follow from them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from cosim.blocks.dataset import new_dataset
from cosim.blocks.halving import Checked, all_keys, largest_change, run_checked, stacked, tolerance_text
from cosim.blocks.ramp_adc.chips import Chip, draw_chips, nominal_chip
from cosim.blocks.ramp_adc.column import timeline
from cosim.blocks.ramp_adc.common_mode import common_modes, offset_curves, population_offsets
from cosim.blocks.ramp_adc.config import RampAdcConfig
from cosim.blocks.ramp_adc.design import ColumnDesign, design_column, device_of
from cosim.blocks.ramp_adc.energy import (
    DRIVERS,
    ENERGY_TOLERANCE,
    SAMPLE_ENERGIES,
    driver_deck,
    driver_energies,
    sample_energies,
)
from cosim.blocks.ramp_adc.functions import (
    differential_error,
    levels_at_thresholds,
    missing_codes,
    output_error,
)
from cosim.blocks.ramp_adc.measurement import (
    LANES,
    STEP_TOLERANCE,
    Found,
    Sample,
    find_thresholds,
    levels_of,
    lsb_voltages,
    threshold_deck,
)
from cosim.blocks.ramp_adc.noise import comparator_noise, comparator_noise_deck, threshold_noise
from cosim.blocks.status import FAILED, LONG_NAME, OK, STEP
from cosim.errors import CosimError
from cosim.seeds import stream
from cosim.spice import Result, SimulatorPool, default_pool

__all__ = ["V_READS", "Sample", "characterise", "chip_stream", "levels_of", "threshold_deck"]

Array = NDArray[np.float64]

GROUP_NAME = (
    "chips: as configured; nominal: the nominal chip so; v_read, c_fb: the same chips at another one; fixed: the"
    " yardstick with fixed references"
)
V_READS = (0.15, 0.20, 0.25)  # [V], the sweep of Yang et al., Nature Communications 16, 1136, 2025, fig. 3b


def characterise(
    config: RampAdcConfig,
    *,
    chips: int = 32,
    columns: int = 1,
    v_reads: tuple[float, ...] = V_READS,
    v_read_chips: int = 3,
    c_fbs: tuple[float, ...] = (),
    offsets: int = 0,
    seed: int = 1,
    pool: SimulatorPool | None = None,
    show_progress: bool = True,
) -> xr.Dataset:
    """Monte Carlo over chips, and the V_read and C_fb sweeps of a few of them.

    Parameters
    ----------
    chips: chips with programming error and comparator mismatch, at the configured V_read.
    columns: comparators of each chip that are looked at; they share its ramp.
    v_reads: read voltages [V] at which the nominal chip, the first `v_read_chips` chips and, as the yardstick, an
        ordinary linear ramp with fixed reference voltages are characterised as well.
    c_fbs: feedback capacitors [F], of all integrators alike, at which the same chips and the yardstick are; the column
        stays as designed for the configured one.
    offsets: comparators beside the chips' of which the static offset alone is looked at, for its distribution.
    seed: of the chips' variations.

    Returns the data set with dimensions `sample`, `code` (threshold k), `cell`, `bias_cell`. A sample whose
    simulation failed or whose thresholds were not found keeps its place with its status and NaN; one whose thresholds
    move when the time steps are halved is flagged (`cosim.blocks.status`). What follows from other decks, or may be off
    while the thresholds are right, has a status of its own: `energy_status` (each sample's energies), `driver_status`
    (word lines, rows, integrator; only with a memristor column), `noise_status` (the comparator's noise).
    """
    _check_sweeps(chips, columns, v_reads, v_read_chips, c_fbs, offsets)
    pool = pool or default_pool()
    device = device_of(config)
    design = design_column(config, device)
    drawn = draw_chips(config, chips, chip_stream(config, seed), columns=columns, device=device, design=design)
    samples = _plan(config, design, drawn, columns, v_reads, v_read_chips, c_fbs)
    label = f"ramp ADC, {config.bits} bits, {config.function}" if show_progress else None
    found, hashes = find_thresholds(samples, design, pool, label)
    modes, curves, of_curves = _offset_curves(samples, design, pool)
    population, of_population = population_offsets(config, offsets, seed, pool) if offsets else (None, [])
    hashes += of_curves + of_population
    # A nominal comparator without a trip point has no noise there; a fixed reference has neither cells nor drivers.
    noise = [comparator_noise_deck(config, found[0].offset)] if np.isfinite(found[0].offset) else []
    drivers = [driver_deck(config, samples[0].chip)] if config.ramp == "column" else []
    of_noise = run_checked(noise, lambda result, _: {"rms": comparator_noise(result)}, {"rms": 0.0}, pool)
    tolerances = dict.fromkeys(DRIVERS, ENERGY_TOLERANCE)
    of_drivers = run_checked(drivers, lambda result, _: driver_energies(result), tolerances, pool)
    hashes += all_keys([*of_noise, *of_drivers])
    data = _dataset(config, design, samples, found, (modes, curves), of_noise, of_drivers, hashes, seed, pool)
    if population is not None:
        about = {"units": "V", "long_name": "static trip point at V_CLP of comparators drawn for its statistics"}
        data["population_offset"] = xr.Variable("comparator", population, about)
    return data


def _check_sweeps(
    chips: int, columns: int, v_reads: Sequence[float], v_read_chips: int, c_fbs: Sequence[float], offsets: int
) -> None:
    for key, value in (("chips", chips), ("columns", columns)):
        if value < 1:
            raise CosimError("at least one is needed", key=key, value=value, allowed="1 or more")
    if v_read_chips < 0:
        raise CosimError("out of range", key="v_read_chips", value=v_read_chips, allowed="0 or more")
    if offsets < 0:
        raise CosimError("out of range", key="offsets", value=offsets, allowed="0 or more")
    for name, values, low, high, unit in (("v_reads", v_reads, 0.01, 0.5, "V"), ("c_fbs", c_fbs, 1e-14, 1e-9, "F")):
        for each in values:
            if not low < each <= high:
                raise CosimError("out of range", key=name, value=each, allowed=f"{low:g} to {high:g} {unit}")


def chip_stream(config: RampAdcConfig, seed: int) -> np.random.SeedSequence:
    """Where the chips' variations come from: other chips for another function or another number of bits."""
    return stream(seed, f"ramp_adc: chips of {config.bits} bits, {config.function}")


def _plan(
    config: RampAdcConfig, design: ColumnDesign, drawn: list[Chip], columns: int, v_reads: Sequence[float],
    v_read_chips: int, c_fbs: Sequence[float],
) -> list[Sample]:  # fmt: skip
    nominal = nominal_chip(config, design=design)
    plan = [Sample(-1, nominal, 0, config)]
    plan += [Sample(number, chip, column, config) for number, chip in enumerate(drawn) for column in range(columns)]
    others = [config.model_copy(update={"v_read": v}) for v in v_reads if abs(v - config.v_read) > 1e-9]
    others += [config.model_copy(update={"c_fb": c}) for c in c_fbs if abs(c / config.c_fb - 1) > 1e-9]
    for other in others:
        plan.append(Sample(-1, nominal, 0, other))
        plan += [Sample(number, chip, 0, other) for number, chip in enumerate(drawn[:v_read_chips])]
    if others and config.ramp == "column":
        for each in (config, *others):
            plan.append(Sample(-1, nominal, 0, each.model_copy(update={"ramp": "fixed"})))
    return plan


def _dataset(
    config: RampAdcConfig,
    design: ColumnDesign,
    samples: list[Sample],
    found: list[Found],
    of_offsets: tuple[Array, Array],
    of_noise: list[Checked],
    of_drivers: list[Checked],
    hashes: list[str],
    seed: int,
    pool: SimulatorPool,
) -> xr.Dataset:
    function, stairs = config.activation, config.staircase
    known = np.array([each.status in (OK, STEP) for each in found])[:, None]
    threshold = np.where(known, np.array([each.search.value for each in found]), np.nan)
    bracket = np.where(known, np.array([each.search.high - each.search.low for each in found]), np.nan)
    gains = np.array([design.gain(each.config.v_read, each.config.c_fb) for each in samples])
    x = threshold / gains[:, None]
    level = np.array([_levels(each.result, config) for each in found])
    lanes = min(LANES, config.thresholds)
    energy = np.array([sample_energies(each.result, lanes) for each in found])
    energy_moved = np.abs(energy - np.array([sample_energies(each.coarse, lanes) for each in found]))
    fixed = np.array([sample.config.ramp == "fixed" for sample in samples])[:, None]
    straight = np.linspace(design.thresholds[0], design.thresholds[-1], config.thresholds)
    step = straight[1] - straight[0]
    inl = np.where(fixed, (x - straight) / step, output_error(function, config.bits, x))
    dnl = np.where(fixed, np.diff(x) / step - 1.0, differential_error(function, config.bits, x))
    # In LSB of the converter's own code: equal steps of the fixed ramp.
    lsb = np.where(fixed, gains[:, None] * step, [lsb_voltages(config, gain) for gain in gains])
    up = np.ones(config.thresholds, dtype=np.int64)
    missing = [
        missing_codes(straight, row, up, 0) if is_fixed else
        missing_codes(stairs.thresholds, row, stairs.direction, stairs.start)
        for row, is_fixed in zip(x, fixed[:, 0], strict=True)
    ]  # fmt: skip
    moved = np.array([each.step_change for each in found]) / lsb
    rms = float(stacked(of_noise, "rms")[0]) if of_noise else np.nan
    noise = np.array([threshold_noise(each.chip, each.config, rms) for each in samples]) / lsb
    # Whether its thresholds were found says status; a missing code is a finding, and not one of a failed sample.
    missing_count = np.where(known[:, 0], missing, np.nan)
    times = np.array([timeline(config, 1 if f else len(s.chip.bias)).end for s, f in zip(samples, fixed, strict=True)])
    per, each_code = ("sample",), ("sample", "code")
    variables = {
        "threshold": (each_code, threshold, "V", "input at which the code steps, above V_CLP"),
        "threshold_mac": (each_code, x, "1", "threshold in units of the MAC result"),
        "bracket": (each_code, bracket, "V", "width of the simulated bracket of the threshold"),
        "ramp_level": (each_code, level, "V", "ramp at the clock, above V_CLP"),
        "inl": (each_code, inl, "LSB", "integral non-linearity, output-referred"),
        "dnl": (("sample", "step"), dnl, "LSB", "differential non-linearity"),
        "missing_codes": (per, missing_count, "1", "codes with less than a tenth of their width"),
        "threshold_noise": (each_code, noise, "LSB", "rms noise: comparator, resets, reading the cells"),
        "step_change": (each_code, moved, "LSB", "how far the threshold moves when all time steps are halved"),
        "ramp_conductance": (("sample", "cell"), np.array([s.chip.ramp for s in samples]), "S", "cells of the ramp"),
        "bias_conductance": (("sample", "bias_cell"), np.array([s.chip.bias for s in samples]), "S", "bias cells"),
        "bias_sign": (
            ("sample", "bias_cell"), np.array([s.chip.bias_signs for s in samples]).astype(np.int8), "1",
            "what the bias cell does to the ramp: raises, lowers or, 0, is not read",
        ),
        "comparator_offset": (per, np.array([each.offset for each in found]), "V", "static trip point at V_CLP"),
        "common_mode": (("mode",), of_offsets[0], "V", "ramp above V_CLP at which an offset was looked at"),
        "offset_curve": (("sample", "mode"), of_offsets[1], "V", "static trip point above the ramp, by common mode"),
        "comparator_noise": ((), rms, "V", "rms input noise of the nominal comparator at its trip point"),
        "conversion_time": (per, times, "s", "from the start of the reset to the last clock"),
        "comparator_energy": (per, energy[:, 0], "J", "supply energy of one comparator in a conversion, without bias"),
        "bias_energy": (per, energy[:, 1], "J", "supply energy of the comparators' bias generator in a conversion"),
        "ramp_energy": (per, energy[:, 2], "J", "energy dissipated in the cells of the ramp column in a conversion"),
        **_driver_entries(of_drivers),
        "energy_status": (per, _energy_statuses(found, energy, energy_moved), "1",
                          f"of the sample's energies: {LONG_NAME}"),
        "noise_status": ((), np.int8(of_noise[0].status if of_noise else FAILED), "1",
                         f"of the comparator's noise: {LONG_NAME}"),
        "rounds": (per, np.array([each.search.rounds for each in found]), "1", "simulations of the search"),
        "status": (per, np.array([each.status for each in found], dtype=np.int8), "1", LONG_NAME),
    }  # fmt: skip
    data = new_dataset(
        block="ramp_adc",
        variables=variables,
        coords=_coordinates(config, design, samples, gains),
        config={
            **config.model_dump(mode="json"),
            "bias_sign": _whole(samples[0].chip),
            "gain": design.gain(config.v_read),
        },
        seed=seed,
        deck_hashes=hashes,
        simulator=f"ngspice {pool.simulator.version_text}",
        solver=pool.simulator.solver,
        device=config.device,
        device_sha256=device_of(config).sha256,
    )
    data["threshold"].attrs |= {"step_change": _largest(moved), "step_tolerance": f"{STEP_TOLERANCE:g} LSB"}
    changes = dict(zip(SAMPLE_ENERGIES, map(_largest, energy_moved.T), strict=True))
    for name, change in (changes | {name: largest_change(of_drivers, name) for name in DRIVERS}).items():
        data[name].attrs |= {"step_change": change, "step_tolerance": tolerance_text(ENERGY_TOLERANCE, "J")}
    return data


def _offset_curves(samples: list[Sample], design: ColumnDesign, pool: SimulatorPool) -> tuple[Array, Array, list[str]]:
    """Common modes [V], V_os(L) of every sample's comparator (samples, modes) [V], hashes of the decks.

    A comparator is looked at once, however many samples it has; its trip points depend on no setting of theirs.
    """
    modes = common_modes([levels_of(each, design) for each in samples])
    comparators = {(each.number, each.column): (each.chip, each.column) for each in samples}
    curves, hashes = offset_curves(list(comparators.values()), samples[0].config, modes, pool)
    row = {name: number for number, name in enumerate(comparators)}
    return modes, curves[[row[each.number, each.column] for each in samples]], hashes


def _largest(values: Array) -> float:
    finite = values[np.isfinite(values)]
    return float(finite.max()) if finite.size else float("nan")


def _energy_statuses(found: list[Found], energy: Array, moved: Array) -> NDArray[np.int8]:
    """Status of each sample's energies, shape (samples, 3) [J], by how far they moved when all steps were halved.

    A sample that failed or whose thresholds were not found was not run with halved steps; its own status stands.
    """
    flagged = (moved > ENERGY_TOLERANCE.absolute(energy)).any(axis=1)
    own = np.array([each.status for each in found])
    return np.where(np.isin(own, (OK, STEP)), np.where(flagged, STEP, OK), own).astype(np.int8)


def _driver_entries(checked: list[Checked]) -> dict[str, tuple[tuple[str, ...], Any, str, str]]:
    energies = {name: float(stacked(checked, name)[0]) if checked else np.nan for name in DRIVERS}
    names = {
        "word_line_energy": "supply energy of all word-line drivers in a conversion of the nominal chip",
        "row_energy": "supply energy of all row drivers in a conversion of the nominal chip",
        "integrator_energy": "supply energy of the charge that the ramp's integrator delivers, nominal chip",
    }
    entries: dict[str, tuple[tuple[str, ...], Any, str, str]]
    entries = {name: ((), energies[name], "J", text) for name, text in names.items()}
    if checked:
        entries["driver_status"] = ((), np.int8(checked[0].status), "1", f"of the drivers' energies: {LONG_NAME}")
    return entries


def _coordinates(
    config: RampAdcConfig, design: ColumnDesign, samples: list[Sample], gains: Array
) -> dict[str, tuple[tuple[str, ...], NDArray, str, str]]:
    function, stairs, nominal = config.activation, config.staircase, samples[0].chip
    per, code = ("sample",), ("code",)
    ramp = np.array([sample.config.ramp for sample in samples], dtype=object)
    pulse = np.ones(len(design.ramp)) if design.pulse is None else design.pulse
    return {
        "chip": (per, np.array([sample.number for sample in samples]), "1", "chip; -1 is the nominal one"),
        "column": (per, np.array([sample.column for sample in samples]), "1", "comparator of the chip"),
        "v_read": (per, np.array([sample.config.v_read for sample in samples]), "V", "read voltage"),
        "c_fb": (per, np.array([sample.config.c_fb for sample in samples]), "F", "feedback capacitor"),
        "ramp": (per, ramp, "1", "column or fixed reference"),
        "group": (per, np.array([_group(sample, config) for sample in samples], dtype=object), "1", GROUP_NAME),
        "gain": (per, gains, "V", "alpha: volts per unit of the MAC result"),
        "code": (code, np.arange(1, config.thresholds + 1), "1", "threshold k, in order of the input"),
        "step": (("step",), np.arange(1, config.thresholds), "1", "threshold k below the code, in order of the input"),
        "direction": (code, stairs.direction.astype(np.int8), "1", "what the threshold adds to the code"),
        "decision_level": (code, levels_at_thresholds(function, config.bits), "1", "activation at the threshold"),
        "ideal_threshold": (code, design.thresholds, "1", "g^-1(y_k), in units of the MAC result"),
        "target_conductance": (("cell",), design.ramp, "S", "design of the ramp cells"),
        "target_pulse": (("cell",), pulse * config.t_pulse, "s", "read pulse of the ramp cells"),
        "target_bias": (("bias_cell",), nominal.bias, "S", "design of the bias cells"),
    }


def _group(sample: Sample, config: RampAdcConfig) -> str:
    if sample.config.ramp != config.ramp:
        return "fixed"
    if sample.config.v_read != config.v_read:
        return "v_read"
    if sample.config.c_fb != config.c_fb:
        return "c_fb"
    return "nominal" if sample.number < 0 else "chips"


def _whole(nominal: Chip) -> int | list[int]:
    """The nominal chip's signs for the configuration: one number where they are all the same."""
    signs = nominal.bias_signs.tolist()
    return signs[0] if len(set(signs)) == 1 else signs


def _levels(result: Result | None, config: RampAdcConfig) -> Array:
    if result is None or not result.ok:
        return np.full(config.thresholds, np.nan)
    return result["v(ramp)"][: config.thresholds] - config.v_clp
