"""Characterising a DAC in ngspice: levels of all codes over chips, edges, glitches, settling, noise, energy."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from cosim.blocks.dac.chips import deviations, draw_chips, mismatch_sigmas, nominal_chip
from cosim.blocks.dac.config import DacConfig
from cosim.blocks.dac.extraction import static_figures, transient_figures
from cosim.blocks.dac.netlist import moments, noise_deck, resistance_deck, static_deck, transient_deck
from cosim.blocks.dataset import Entry, new_dataset
from cosim.blocks.halving import (
    Checked,
    Relative,
    Tolerance,
    all_keys,
    run_checked,
    stacked,
    state_changes,
    statuses,
    tolerance_text,
)
from cosim.blocks.status import LONG_NAME
from cosim.blocks.waveforms import integrated_noise
from cosim.errors import CosimError
from cosim.spice import SimulatorPool, default_pool

Array = NDArray[np.float64]


LEVELS = ("output", "inl", "dnl", "inl_max", "dnl_max", "gain_error", "offset")


def step_tolerances(config: DacConfig) -> dict[str, Tolerance]:
    """How far figures of the transient may move when its steps are halved."""
    tolerances: dict[str, Tolerance] = {
        "output": 0.01 * config.lsb,  # a level that is told to a hundredth of a step
        "rise_time": Relative(0.02, 20e-12),
        "fall_time": Relative(0.02, 20e-12),
        "energy": Relative(0.02, 1e-16),  # spikes of the switching edges
        "full_settling": Relative(0.05, 100e-12),  # a tail meets the band at a small angle
    }
    if config.kind == "pulse_width":
        return tolerances | {"width_error": 20e-12}  # 0.2 % of a unit of 10 ns
    return tolerances | {
        "settling_time": Relative(0.05, 100e-12),  # as above, by a smaller step: 100 ps are two edges
        "glitch": Relative(0.05, 0.1e-12),  # spikes of the edges; 0.1 pV*s is 1 mV for the length of two edges
    }


def characterise(
    config: DacConfig,
    *,
    chips: int = 16,
    seed: int = 1,
    pool: SimulatorPool | None = None,
    show_progress: bool = True,
) -> xr.Dataset:
    """All figures of a DAC, levels and linearity also over mismatch.

    Parameters
    ----------
    chips: with mismatch of resistors or capacitors, switches and drivers.
    seed: of the chips' mismatch.

    Returns the data set with dimensions `chip` (-1 is the nominal one), `code` (signed), `step`, `size` (of the code),
    `moment` and `simulation`, over which `status` stands.
    """
    if chips < 0:
        raise CosimError("a count cannot be negative", key="chips", value=chips, allowed="0 or more")
    pool = pool or default_pool()
    label = f"dac {config.kind}, {config.bits} bits, {{}}" if show_progress else None

    def run(decks: Any, extract: Any, tolerances: Any, what: str) -> list[Checked]:
        return run_checked(decks, extract, tolerances, pool, label.format(what) if label else None)

    nominal = nominal_chip(config)
    every = [nominal, *draw_chips(config, chips, seed)]
    tolerances = step_tolerances(config)
    walked = every if config.kind != "r2r" else [nominal]
    walks = [transient_deck(config, chip, f"dac: chip {number - 1}") for number, chip in enumerate(walked)]
    walk = run(walks, lambda result, _: transient_figures(result, config), tolerances, "transients")
    groups = {"transient": walk}
    levels = walk
    if config.kind == "r2r":
        statics = [static_deck(config, chip, f"dac: levels, chip {number - 1}") for number, chip in enumerate(every)]
        levels = run(statics, lambda result, _: static_figures(result, config), {}, "levels")
        groups["static"] = levels
    if config.kind != "capacitive":
        ends = [resistance_deck(config, nominal, size) for size in (0, config.magnitude)]
        groups["resistance"] = run(ends, lambda result, _: {"resistance": result["v(row0)"][0]}, {}, "output")
    noises = [noise_deck(config, nominal, config.magnitude)]
    groups["noise"] = run(noises, lambda result, _: {"noise": integrated_noise(result)}, {}, "noise")

    checked = [each for group in groups.values() for each in group]
    names = [f"{name} {number}" for name, group in groups.items() for number in range(len(group))]
    resistance = stacked(groups["resistance"], "resistance") if "resistance" in groups else np.full(2, np.nan)
    variables = {
        **_level_entries(levels, config),
        **_transient_entries(walk[0], config),
        "output_resistance": (("end",), resistance, "ohm", "output resistance at code 0 and at full scale"),
        "noise": (
            (),
            stacked(groups["noise"], "noise")[0],
            "V",
            "rms noise of a word line at rest, or after its reset",
        ),
        "element": (
            ("chip", "side", "element"), np.stack([deviations(config, each) for each in every]), "1",
            "relative deviation of a resistor or capacitor of a chip; see chips.element_names",
        ),
        "mismatch": (
            ("chip", "side", "call", "parameter"), np.stack([each.mismatch for each in every]), "1",
            "mismatch of a switch's or driver's transistors: dvt in V, db as a share",
        ),
        "status": (("simulation",), statuses(checked), "1", LONG_NAME),
    }  # fmt: skip
    top, kind = config.magnitude, (np.arange(len(every)) == 0).astype(np.int8)
    coords: dict[str, Entry] = {
        "chip": (("chip",), np.arange(len(every)) - 1, "1", "chip; -1 is the nominal one"),
        "nominal": (("chip",), kind, "1", "1: the nominal chip, 0: one with mismatch"),
        "code": (("code",), np.arange(-top, top + 1), "1", "signed code; its sign chooses the word line of the pair"),
        "step": (("step",), np.arange(-top, top), "1", "step from this code to the next"),
        "size": (("size",), np.arange(top + 1), "1", "size of the code"),
        "time": (("moment",), moments(config), "s", "time"),
        "simulation": (("simulation",), np.array(names, dtype=object), "1", "simulation"),
        "parameter": (
            ("parameter",), np.array(nominal.names, dtype=object), "1", "parameter of the mismatch",
        ),
        "parameter_sigma": (("parameter",), mismatch_sigmas(config), "1", "sigma of the parameter"),
    }  # fmt: skip
    data = new_dataset(
        block="dac",
        variables=variables,
        coords=coords,
        config=config.model_dump(mode="json"),
        seed=seed,
        deck_hashes=all_keys(checked),
        simulator=f"ngspice {pool.simulator.version_text}",
        solver=pool.simulator.solver,
    )
    walk_names = [name for name in tolerances if name != "output" or levels is walk]
    for name in walk_names:
        data[name].attrs["step_tolerance"] = tolerance_text(tolerances[name], data[name].attrs["units"])
    state_changes(data, walk[:1], [name for name in walk_names if name != "output"])
    if levels is walk:  # else by `.dc`, which has no steps
        state_changes(data, levels, LEVELS)
    return data


def _level_entries(levels: list[Checked], config: DacConfig) -> dict[str, Entry]:
    per, codes = ("chip",), ("chip", "code")
    what = "area of the pulse" if config.kind == "pulse_width" else "difference of the word lines"

    def of(name: str, count: int) -> Array:
        return stacked(levels, name).reshape(len(levels), -1) * np.ones((1, count))

    number = 2 * config.magnitude + 1
    return {
        "output": (codes, of("output", number), config.unit, f"{what} at each code"),
        "inl": (codes, of("inl", number), "LSB", "integral non-linearity, from the best straight line"),
        "dnl": (("chip", "step"), of("dnl", number - 1), "LSB", "differential non-linearity"),
        "inl_max": (per, stacked(levels, "inl_max"), "LSB", "largest integral non-linearity of a chip"),
        "dnl_max": (per, stacked(levels, "dnl_max"), "LSB", "largest differential non-linearity of a chip"),
        "gain_error": (per, stacked(levels, "gain_error"), "1", "slope of the best straight line above the ideal one"),
        "offset": (per, stacked(levels, "offset"), "LSB", "best straight line at code 0"),
        "monotonic": (per, stacked(levels, "monotonic"), "1", "1 where every step goes up"),
    }


def _transient_entries(walk: Checked, config: DacConfig) -> dict[str, Entry]:
    def of(name: str, count: int) -> Array:
        return np.atleast_1d(stacked([walk], name)[0]) * np.ones(count)

    def one(name: str) -> Array:
        return stacked([walk], name)[0]

    def steps(name: str) -> Array:
        return np.append(np.nan, of(name, sizes - 1))  # no step of the staircase leads to 0

    sizes, pulses = config.magnitude + 1, config.kind == "pulse_width"
    per = ("size",)
    return {
        "settling_time": (per, steps("settling_time"), "s", "settling of the step to this size from the one below"),
        "full_settling": ((), one("full_settling"), "s", "settling of the step from 0 to full scale"),
        "glitch": (per, steps("glitch"), "V*s", "area outside the two levels in the step to this size"),
        "width_error": (per, of("width_error", sizes), "s", "area over v_read, less the ideal width"),
        "rise_time": ((), one("rise_time"), "s", "rise of a word line from 10 % to 90 % of full scale"),
        "fall_time": ((), one("fall_time"), "s", "fall of a word line from 90 % to 10 % of full scale"),
        "energy": (
            per,
            of("energy", sizes),
            "J",
            "energy of one line: "
            + ("a pulse" if pulses else "a slot of this size, after the next smaller one or, of 0, full scale"),
        ),
        "wave": (("moment",), of("wave", moments(config).size), "V", "word line of the codes above 0"),
    }
