"""Characterising an integrator in ngspice: loop, offset over mismatch, range, noise, read pulses, holding, slewing."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from cosim.blocks.chunks import run_in_chunks
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
from cosim.blocks.integrator.config import IntegratorConfig
from cosim.blocks.integrator.extraction import (
    WAVEFORM_POINTS,
    hold_figures,
    loop_figures,
    pulse_figures,
    slew_figures,
    static_figures,
)
from cosim.blocks.integrator.netlist import (
    Mismatch,
    has_ideal_switch,
    hold_noise_deck,
    is_transistors,
    loop_deck,
    offset_deck,
    pulse_deck,
    pulse_times,
    reset_noise_deck,
    slew_deck,
    static_deck,
)
from cosim.blocks.status import FAILED, LONG_NAME, OK
from cosim.blocks.waveforms import integrated_noise
from cosim.errors import CosimError
from cosim.process import mismatch_of
from cosim.seeds import stream
from cosim.spice import Result, SimulatorPool, default_pool

Array = NDArray[np.float64]

CHARGES = (-1.0, -0.75, -0.5, -0.25, 0.0, 0.25, 0.5, 0.75, 1.0)

# 20 uV is 0.004 % of the swing at 1.8 V, far below the kT/C noise of the reset and an eighth of an LSB of 11 bits.
PULSE_TOLERANCES: dict[str, Tolerance] = {
    "output": 20e-6,
    "pedestal": 20e-6,
    "charge_in": Relative(1e-4, 1e-16),  # 0.01 %, at least the charge of 40 uV
    "ground_peak": Relative(0.02, 100e-6),  # a spike at an edge of 0.1 ns
    "ground_error": Relative(0.01, 20e-6),
    "settling_time": Relative(0.05, 0.2e-9),  # two edges; a slow tail meets the band at a small angle
    "energy": Relative(1e-3, 1e-16),
}
HOLD_TOLERANCES: dict[str, Tolerance] = {"early": 20e-6, "late": 20e-6}
SLEW_TOLERANCES: dict[str, Tolerance] = {"slew_rise": Relative(0.01), "slew_fall": Relative(0.01)}


def characterise(
    config: IntegratorConfig,
    *,
    chips: int = 16,
    charges: tuple[float, ...] = CHARGES,
    seed: int = 1,
    pool: SimulatorPool | None = None,
    show_progress: bool = True,
) -> xr.Dataset:
    """All figures of an integrator, offset and loop also over mismatch.

    Parameters
    ----------
    chips: amplifiers with Pelgrom mismatch; a netlist without transistors has only the nominal one.
    charges: of the read pulses, as shares of the full scale c_fb * swing.
    seed: of the chips' mismatch.

    Returns the data set with dimensions `chip` (-1 is the nominal one), `pulse`, `parameter` (of the mismatch),
    `level`, `frequency`, `noise_frequency`, `moment` and `simulation`, over which `status` stands.
    """
    if chips < 0:
        raise CosimError("a count cannot be negative", key="chips", value=chips, allowed="0 or more")
    if len(charges) < 3 or len(set(charges)) < len(charges) or max(map(abs, charges)) > 2:
        raise CosimError(
            "linearity needs three different charges", key="charges", value=list(charges), allowed="shares -2 .. 2"
        )
    pool = pool or default_pool()
    label = f"integrator {config.integrator}, {{}}" if show_progress else None

    def run(decks: Any, extract: Any, tolerances: Any, what: str) -> list[Checked]:
        return run_checked(decks, extract, tolerances, pool, label.format(what) if label else None)

    names, drawn, sigmas = _mismatch(config, chips, seed)
    every: list[Mismatch] = [{}, *(dict(zip(names, values, strict=True)) for values in drawn)]
    shifted = [{name: sign * sigma} for name, sigma in zip(names, sigmas, strict=True) for sign in (1, -1)]
    loops = [loop_deck(config, one, f"loop, chip {number - 1}") for number, one in enumerate(every)]
    loop = run(loops, lambda result, _: loop_figures(result, config), {}, "loop")
    offset, offset_keys = offsets_of(config, [*every, *shifted], pool, label.format("offset") if label else None)
    static = run([static_deck(config)], lambda result, _: static_figures(result, config), {}, "static")
    noise_decks = [hold_noise_deck(config), *([] if has_ideal_switch(config) else [reset_noise_deck(config)])]
    noise = run(noise_decks, _noise, {}, "noise")
    pulses = [pulse_deck(config, share * config.full_scale) for share in charges]
    pulse = run(pulses, lambda result, _: pulse_figures(result, config), PULSE_TOLERANCES, "read pulses")
    held = [pulse_deck(config, sign * config.full_scale, hold=True) for sign in (1, -1)]
    hold = run(held, lambda result, _: hold_figures(result, config), HOLD_TOLERANCES, "holding")
    slew = run([slew_deck(config)], lambda result, _: slew_figures(result, config), SLEW_TOLERANCES, "slewing")

    groups = {
        "loop": loop, "offset": offset, "static": static, "noise": noise, "pulse": pulse, "hold": hold, "slew": slew
    }  # fmt: skip
    simulations = [f"{name} {number}" for name, group in groups.items() for number in range(len(group))]
    checked = [each for group in groups.values() for each in group]
    keys = [key for group in groups.values() for key in (offset_keys if group is offset else all_keys(group))]
    variables = {
        **_loop_entries(loop),
        **_offset_entries(offset, len(every), len(names)),
        **_static_entries(static[0]),
        **_noise_entries(noise),
        **_pulse_entries(pulse, config, charges),
        **_hold_entries(hold),
        **_slew_entries(slew),
        "mismatch": (
            ("chip", "parameter"), np.array([[one.get(name, 0.0) for name in names] for one in every]), "1",
            "mismatch of each chip's transistors: dvt in V, db as a share",
        ),
        "status": (("simulation",), statuses(checked), "1", LONG_NAME),
    }  # fmt: skip
    moments = np.linspace(0.0, pulse_times(config)["after"], WAVEFORM_POINTS)
    ideal = np.array(charges) * config.full_scale
    first = (np.arange(len(every)) == 0).astype(np.int8)
    coords: dict[str, Entry] = {
        "chip": (("chip",), np.arange(len(every)) - 1, "1", "chip; -1 is the nominal one"),
        "nominal": (("chip",), first, "1", "1: the nominal chip, 0: one with mismatch"),
        "parameter": (("parameter",), np.array(names, dtype=object), "1", "parameter of the mismatch"),
        "parameter_sigma": (("parameter",), sigmas, "1", "sigma of the parameter: dvt in V, db as a share"),
        "charge": (("pulse",), ideal, "C", "nominal charge of the read pulse, positive into the bit line"),
        "time": (("moment",), moments, "s", "time"),
        "simulation": (("simulation",), np.array(simulations, dtype=object), "1", "simulation"),
    }
    if loop[0].status == 0:
        coords["frequency"] = (("frequency",), stacked(loop[:1], "frequency")[0], "Hz", "frequency")
    if noise[0].status == 0:
        coords["noise_frequency"] = (("noise_frequency",), stacked(noise[:1], "frequency")[0], "Hz", "frequency")
    data = new_dataset(
        block="integrator",
        variables=variables,
        coords=coords,
        config=config.model_dump(mode="json"),
        seed=seed,
        deck_hashes=keys,
        simulator=f"ngspice {pool.simulator.version_text}",
        solver=pool.simulator.solver,
    )
    for tolerances in (PULSE_TOLERANCES, SLEW_TOLERANCES):
        for name, tolerance in tolerances.items():
            data[name].attrs["step_tolerance"] = tolerance_text(tolerance, data[name].attrs["units"])
    state_changes(data, [*pulse, *hold, *slew], (*PULSE_TOLERANCES, *SLEW_TOLERANCES, "droop"))
    return data


def _mismatch(config: IntegratorConfig, chips: int, seed: int) -> tuple[tuple[str, ...], Array, Array]:
    """Names of the mismatch parameters, draws (chips, names), sigmas (names,); chip n depends on seed and n alone."""
    part = config.part()
    if not part.has_transistors:
        return (), np.empty((0, 0)), np.empty(0)
    kind = mismatch_of(part.text, config.cmos, key="integrator")
    children = stream(seed, "integrator: chips").spawn(chips)
    drawn = [kind.draw(1, np.random.default_rng(child))[0] for child in children]
    return kind.names, np.array(drawn).reshape(chips, len(kind.names)), kind.sigmas


def offsets_of(
    config: IntegratorConfig, mismatches: list[Mismatch], pool: SimulatorPool, label: str | None
) -> tuple[list[Checked], list[str]]:
    """Offset [V] and supply current [A] of each amplifier; hashes of the decks, each of which holds many."""
    found, keys = run_in_chunks(
        lambda some: offset_deck(config, [mismatches[each] for each in some]), range(len(mismatches)), pool, label
    )
    checked = []
    for at in found:
        figures = {"offset": np.asarray(np.nan), "supply_current": np.asarray(np.nan)}
        if at.ok:  # the amplifiers of a deck share their supply: their mean
            figures["offset"] = at.result[f"v(bl{at.number})"][0] - config.v_clp
            figures["supply_current"] = -at.result["i(vdd)"][0] / at.size
        checked.append(Checked(figures, {}, OK if at.ok else FAILED, (at.result,)))
    return checked, keys


def _noise(result: Result, _: int) -> dict[str, Any]:
    return {
        "frequency": result["frequency"],
        "output": result["onoise_spectrum"],
        "input": result["inoise_spectrum"],
        "total": integrated_noise(result),
    }


def _loop_entries(loop: list[Checked]) -> dict[str, Entry]:
    per, nominal = ("chip",), ("frequency",)

    def of_nominal(name: str) -> Array:
        return np.atleast_1d(stacked(loop[:1], name)[0])  # one NaN where its simulation failed

    return {
        "dc_gain": (per, stacked(loop, "dc_gain"), "1", "dc gain of the amplifier"),
        "gbw": (per, stacked(loop, "gbw"), "Hz", "gain-bandwidth product of the amplifier, at a gain of 10"),
        "loop_bandwidth": (per, stacked(loop, "loop_bandwidth"), "Hz", "frequency at which the loop gain is 1"),
        "phase_margin": (per, stacked(loop, "phase_margin"), "deg", "phase margin of the loop"),
        "feedback_factor": (per, stacked(loop, "feedback_factor"), "1", "share of the output fed back to the bit line"),
        "gain_response": (nominal, of_nominal("gain_response"), "1", "gain of the nominal amplifier"),
        "loop_response": (nominal, of_nominal("loop_response"), "1", "loop gain of the nominal integrator"),
        "loop_phase": (nominal, of_nominal("loop_phase"), "deg", "phase of the nominal loop gain"),
    }


def _offset_entries(offset: list[Checked], chips: int, parameters: int) -> dict[str, Entry]:
    """Of the chips, and then of the nominal amplifier with each parameter shifted up and down."""
    values, current = stacked(offset, "offset"), stacked(offset, "supply_current")
    known = current[~np.isnan(current)]
    shifts = values[chips:].reshape(parameters, 2)
    share = (shifts[:, 0] - shifts[:, 1]) / 2
    total = np.sqrt(np.sum(share**2))
    return {
        "offset": (("chip",), values[:chips], "V", "offset: bit line above V_CLP, output tied to it"),
        "offset_share": (("parameter",), share, "V", "offset by one sigma of one parameter"),
        "offset_sigma": ((), total, "V", "sigma of the offset, from the shares of all parameters"),
        "supply_current": (
            (),
            known.mean() if known.size else np.nan,
            "A",
            "supply current at rest, bias included, mean over the simulated amplifiers",
        ),
    }


def _static_entries(static: Checked) -> dict[str, Entry]:
    per = ("level",)

    def of(name: str) -> Array:
        return stacked([static], name)[0]

    return {
        "static_output": (per, np.atleast_1d(of("static_output")), "V", "output level of the static characteristic"),
        "static_error": (
            per,
            np.atleast_1d(of("static_error")),
            "V",
            "bit line above V_CLP at that output level",
        ),
        "static_gain": (per, np.atleast_1d(of("static_gain")), "1", "dc gain at the output's level"),
        "static_leakage": (per, np.atleast_1d(of("static_leakage")), "A", "current into the bit line held there"),
        "output_low": ((), of("output_low"), "V", "lower end of the output range: half of the dc gain"),
        "output_high": ((), of("output_high"), "V", "upper end of the output range: half of the dc gain"),
        "leakage_droop": ((), of("leakage_droop"), "V/s", "drift of a held output by the reset switch's leakage"),
    }


def _noise_entries(noise: list[Checked]) -> dict[str, Entry]:
    per = ("noise_frequency",)
    reset = stacked(noise[1:], "total")[0] if len(noise) > 1 else np.asarray(np.nan)
    return {
        "noise_output": (per, np.atleast_1d(stacked(noise[:1], "output")[0]), "V/sqrt(Hz)", "noise of the held output"),
        "noise_input": (per, np.atleast_1d(stacked(noise[:1], "input")[0]), "V/sqrt(Hz)", "noise referred to V_CLP"),
        "noise": ((), stacked(noise[:1], "total")[0], "V", "rms noise of the held output, 1 kHz to 100 GHz"),
        "reset_noise": ((), reset, "V", "rms noise that the reset leaves behind; not known of ideal switches"),
    }


def _pulse_entries(pulse: list[Checked], config: IntegratorConfig, charges: tuple[float, ...]) -> dict[str, Entry]:
    per, waves = ("pulse",), ("pulse", "moment")
    output = stacked(pulse, "output")
    ideal = -np.array(charges) * config.swing
    straight = np.polyfit(ideal, output, 1) if np.isfinite(output).all() else np.full(2, np.nan)
    energy = stacked(pulse, "energy") if is_transistors(config) else np.full(len(charges), np.nan)
    shape = (len(pulse), WAVEFORM_POINTS)  # also where every simulation failed
    wave = {name: np.broadcast_to(stacked(pulse, name).reshape(len(pulse), -1), shape)
            for name in ("wave_output", "wave_bit_line")}  # fmt: skip
    middle = int(np.argmin(np.abs(np.array(charges))))
    return {
        "output": (per, output, "V", "step of the output by the read pulse"),
        "output_error": (per, output - ideal, "V", "step of the output above that of an ideal integrator"),
        "inl": (per, output - np.polyval(straight, ideal), "V", "integral non-linearity, from the best straight line"),
        "gain_error": ((), straight[0] - 1, "1", "slope of the best straight line above that of an ideal integrator"),
        "charge_in": (per, stacked(pulse, "charge_in"), "C", "charge that went into the bit line"),
        "pedestal": ((), stacked(pulse, "pedestal")[middle], "V", "step of the output when the reset opens"),
        "ground_peak": (per, stacked(pulse, "ground_peak"), "V", "largest disturbance of the virtual ground"),
        "ground_error": (
            per,
            stacked(pulse, "ground_error"),
            "V",
            "disturbance of the virtual ground as the pulse ends",
        ),
        "settling_time": (
            per,
            stacked(pulse, "settling_time"),
            "s",
            "time from the end of the pulse to the settled output",
        ),
        "energy": (per, energy, "J", "supply energy of one clock period with a read pulse; macro models state none"),
        "wave_output": (waves, wave["wave_output"], "V", "output"),
        "wave_bit_line": (waves, wave["wave_bit_line"], "V", "bit line"),
    }


def _hold_entries(hold: list[Checked]) -> dict[str, Entry]:
    """From the two outputs held on both sides of V_CLP: their distance decays, and offset drops out of it."""
    early, late, interval = (stacked(hold, name) for name in ("early", "late", "interval"))
    decay = np.log((early[1] - early[0]) / (late[1] - late[0]))
    return {
        "hold_time_constant": (
            (),
            interval[0] / decay,
            "s",
            "time constant of a held output, idle cells left on",
        ),
        "droop": (
            ("side",),
            stacked(hold, "droop"),
            "V/s",
            "drift of an output held at either end, idle cells left on",
        ),
    }


def _slew_entries(slew: list[Checked]) -> dict[str, Entry]:
    return {
        "slew_rise": ((), stacked(slew, "slew_rise")[0], "V/s", "slew rate of the rising output"),
        "slew_fall": ((), stacked(slew, "slew_fall")[0], "V/s", "slew rate of the falling output"),
    }
