"""Characterising a comparator in ngspice: offset over chips, noise, delay, kickback, energy, each over common mode."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from cosim.blocks.comparator.config import ComparatorConfig
from cosim.blocks.comparator.linear import Trajectory, decision_noise, find_trajectory
from cosim.blocks.comparator.netlist import decision_deck, moment, noise_deck, start
from cosim.blocks.comparator.offset import TOLERANCE, draw_mismatch, find_offsets
from cosim.blocks.dataset import new_dataset
from cosim.blocks.halving import Checked, Relative, run_checked, state_changes, tolerance_text
from cosim.blocks.status import LONG_NAME, NOT_FOUND, OK
from cosim.errors import CosimError
from cosim.process import mismatch_of
from cosim.spice import Result, SimulatorPool, default_pool

Array = NDArray[np.float64]

OVERDRIVES = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 0.1)  # [V]
COMMON_MODES = (-0.15, -0.075, 0.0, 0.075, 0.15)  # [V] from v_cm; a model is judged at one that it did not see
DECISIONS = (1, -1)
SMALL = 3e-3  # [V], overdrives at which a latch's delay is a straight line over ln(overdrive)

TOLERANCES = {
    # Delays are compared with each other to a few per cent; 1 ps is a fiftieth of the clock's edge.
    "delay": Relative(0.01, 1e-12),
    "regeneration_time": Relative(0.02),  # a difference of delays
    "energy": Relative(0.02),  # charges of gates and wires are not known better
    "kickback_peak": Relative(0.05, 1e-5),  # peaks are narrow; 10 uV is the least that an offset is told to
    "kickback_charge": Relative(0.05, 1e-17),
    "kickback_difference": Relative(0.05, 2e-5),
}  # fmt: skip
_UNITS = {
    "delay": "s", "regeneration_time": "s", "energy": "J", "kickback_peak": "V", "kickback_charge": "C",
    "kickback_difference": "V",
}  # fmt: skip
MEASUREMENTS = ("offset", "noise", "decisions", "kickback")


@dataclass
class _Found:
    """All that one common mode gives: figures by name, status of each measurement, transients, hashes of the decks."""

    figures: dict[str, NDArray[Any]] = field(default_factory=dict)
    status: dict[str, int] = field(default_factory=dict)
    checked: list[Checked] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)


def characterise(
    config: ComparatorConfig,
    *,
    chips: int = 32,
    overdrives: tuple[float, ...] = OVERDRIVES,
    common_modes: tuple[float, ...] = COMMON_MODES,
    with_noise: bool = True,
    seed: int = 1,
    pool: SimulatorPool | None = None,
    show_progress: bool = True,
) -> xr.Dataset:
    """Offsets of the chips; noise, delay, kickback and energy of the nominal circuit; at every common mode.

    Parameters
    ----------
    chips: number of chips with mismatch, at least 2.
    overdrives: input beyond the nominal circuit's trip point [V], above zero; each is decided in both directions.
    common_modes: of the inputs, from `v_cm` on [V].
    with_noise: find the noise, which takes half of the time of a clocked comparator.
    seed: of the mismatch.

    Returns the data set with dimensions `common_mode`, `chip`, `overdrive`, `decision`, `measurement`; `status` has
    one entry for each measurement at each common mode, of the offset that of the worst chip; `offset_status` has one
    for each chip.
    """
    if chips < 2:
        raise CosimError("a spread needs two chips", key="chips", value=chips, allowed="2 or more")
    for key, values in (("overdrives", overdrives), ("common_modes", common_modes)):
        if not values or len(set(values)) < len(values):
            raise CosimError("values are wanted, each once", key=key, value=list(values))
    if min(overdrives) <= 0:
        raise CosimError("overdrives count to both sides", key="overdrives", value=min(overdrives), allowed="above 0 V")
    levels = [config.v_cm + each for each in common_modes]
    if min(levels) < 0 or max(levels) > config.v_dd:
        raise CosimError(
            "the inputs must lie between the supplies", key="common_modes", value=list(common_modes),
            allowed=f"{-config.v_cm:g} V to {config.v_dd - config.v_cm:g} V from v_cm = {config.v_cm:g} V",
        )  # fmt: skip
    pool = pool or default_pool()
    label = "comparator" if show_progress else None
    names, mismatch = draw_mismatch(config, chips, seed)
    over = np.array(sorted(overdrives))
    found = [_at(config, v_cm, names, mismatch, over, with_noise, pool, label) for v_cm in levels]
    data = _dataset(config, np.array(common_modes), np.array(levels), over, found, seed, pool)
    return with_mismatch(data, names, mismatch[1:], mismatch_of(config.part.text, config.cmos).sigmas)


def _at(
    config: ComparatorConfig,
    v_cm: float,
    names: tuple[str, ...],
    mismatch: Array,
    overdrives: Array,
    with_noise: bool,
    pool: SimulatorPool,
    label: str | None,
) -> _Found:
    """Everything at one common mode."""
    found = _Found()
    trajectory = None
    if config.clocked:
        trajectory, found.keys = find_trajectory(config, v_cm, 0.0, pool, label)
    offsets = find_offsets(config, v_cm, names, mismatch, trajectory, pool, label)
    found.keys += offsets.keys
    found.status["offset"] = offsets.status
    found.figures["offset_status"] = offsets.statuses[1:]
    found.figures |= {"offset": offsets.values[1:], "nominal": offsets.values[0], "static_power": offsets.power[0]}
    trip = float(offsets.values[0])
    found.figures["noise"], found.status["noise"] = np.asarray(np.nan), OK
    if np.isnan(trip):  # overdrives count from the trip point: without it nothing is measured
        unknown = int(offsets.statuses[0])
        found.status |= {"decisions": unknown, "kickback": unknown, "noise": unknown if with_noise else OK}
        return found
    signed = np.concatenate([overdrives, -overdrives])
    for name, kickback in (("decisions", False), ("kickback", True)):
        checked = _decide(config, v_cm, trip, signed, kickback, pool, label)
        found.figures |= checked.figures
        found.status[name] = checked.status
        found.checked.append(checked)
        found.keys += checked.keys
    if with_noise:
        _add_noise(found, config, v_cm, trip, trajectory, pool, label)
    return found


def _add_noise(
    found: _Found,
    config: ComparatorConfig,
    v_cm: float,
    trip: float,
    trajectory: Trajectory | None,
    pool: SimulatorPool,
    label: str | None,
) -> None:
    """`trajectory` is that of an input difference of zero."""
    if config.clocked:
        found.status["noise"] = NOT_FOUND
        if abs(trip) > TOLERANCE:
            trajectory, keys = find_trajectory(config, v_cm, trip, pool, label)
            found.keys += keys
        if trajectory is not None:
            noise = decision_noise(config, v_cm, trip, trajectory, pool, label)
            found.figures["noise"], found.status["noise"] = np.asarray(noise.sigma), noise.status
            found.keys += noise.keys
        return
    (checked,) = run_checked([noise_deck(config, v_cm)], _integrated_noise, {}, pool, label)
    found.keys += checked.keys
    found.figures |= checked.figures
    found.status["noise"] = checked.status


def _integrated_noise(result: Result, number: int) -> dict[str, float]:
    """Output noise over all frequencies, by the gain at the lowest one."""
    del number
    output, frequency = result["onoise_spectrum"], result["frequency"]
    gain = output[0] / result["inoise_spectrum"][0]
    return {"noise": float(np.sqrt(np.trapezoid(output**2, frequency)) / gain)}


def _decide(
    config: ComparatorConfig,
    v_cm: float,
    trip: float,
    overdrives: Array,
    kickback: bool,
    pool: SimulatorPool,
    label: str | None,
) -> Checked:
    """Decisions at all signed overdrives, in one deck, with or without the sources' impedance."""
    deck = decision_deck(config, v_cm, trip, overdrives, kickback=kickback)
    half = len(overdrives) // 2

    def extract(result: Result, number: int) -> dict[str, Array | float]:
        del number
        copies = range(len(overdrives))
        if kickback:
            rows = np.array([kickback_of(result, k, config) for k in copies[:half]])
            return dict(zip(("kickback_peak", "kickback_charge", "kickback_difference"), rows.T, strict=True))
        delay = np.array([delay_of(result, k, float(np.sign(overdrives[k])), config) for k in copies])
        energy = np.array([energy_of(result, k, config) for k in copies])
        figures: dict[str, Array | float] = {
            "delay": delay.reshape(2, half).T, "energy": energy.reshape(2, half).T
        }  # fmt: skip
        if config.clocked:
            tau, at_one_volt = regeneration_of(overdrives[:half], delay.reshape(2, half).mean(axis=0))
            # Extrapolated: the overdrive whose decision would take all of the half period.
            figures |= {
                "regeneration_time": tau,
                "metastable_input": float(np.exp((at_one_volt - config.t_clock / 2) / tau)),
            }
        return figures

    names = ["kickback_peak", "kickback_charge"] if kickback else ["delay", "energy"]
    if config.clocked:
        names.append("kickback_difference" if kickback else "regeneration_time")
    tolerances = {name: TOLERANCES[name] for name in names}
    if config.clocked and not kickback and len(_small(overdrives[:half])) < 2:
        del tolerances["regeneration_time"]  # no line through one point
    (checked,) = run_checked([deck], extract, tolerances, pool, label)
    return checked


def delay_of(result: Result, number: int, decision: float, config: ComparatorConfig) -> float:
    """Time from the clock edge, or the input's step, to the output at half the supply [s]; NaN if it never gets there.

    Clocked: the rise of the output that ought to rise, NaN also where the other one rises.
    """
    time, level = result["time"], config.v_dd / 2
    if config.clocked:
        right, wrong = ("op", "on") if decision > 0 else ("on", "op")
        curve = result[f"v({right}{number})"]
        if result[f"v({wrong}{number})"].max() > level:
            return float("nan")
    else:
        curve = result[f"v(d{number})"] if decision > 0 else config.v_dd - result[f"v(d{number})"]
    after = np.flatnonzero((time > start(config)) & (curve > level))
    if after.size == 0 or after[0] == 0 or curve[after[0] - 1] > level:
        return float("nan")
    i = int(after[0])
    share = (level - curve[i - 1]) / (curve[i] - curve[i - 1])
    return float(time[i - 1] + share * (time[i] - time[i - 1]) - moment(config))


def energy_of(result: Result, number: int, config: ComparatorConfig) -> float:
    """What the copy's supply gives, from the edge or step on [J]."""
    time = result["time"]
    current = np.where(time >= start(config), -result[f"i(vdd{number})"], 0.0)
    return float(config.v_dd * np.trapezoid(current, time))


def kickback_of(result: Result, number: int, config: ComparatorConfig) -> tuple[float, float, float]:
    """(disturbance of an input [V], charge through its pin [C], disturbance of the difference [V]), each at its peak.

    Of the two inputs of a clocked comparator the one that suffers more. The charge is what the source's capacitor took
    and what its resistor led away: the pin's own current is spiky, and less well known between time points.
    """
    time = result["time"]
    pins = ("p", "n") if config.clocked else ("p",)
    moves, charges = [], []
    for pin in pins:
        move = result[f"v({pin}{number})"] - result[f"v({pin}{number})"][0]
        through = np.concatenate([[0.0], np.cumsum(np.diff(time) * (move[1:] + move[:-1]) / 2)]) / config.r_source
        moves.append(move)
        charges.append(np.abs(through + config.c_source * move).max())
    peak = max(np.abs(move).max() for move in moves)
    difference = np.abs(moves[0] - moves[1]).max() if config.clocked else np.nan
    return float(peak), float(max(charges)), float(difference)


def _small(overdrives: Array) -> Array:
    return overdrives[overdrives <= SMALL * (1 + 1e-9)]


def regeneration_of(overdrives: Array, delays: Array) -> tuple[float, float]:
    """(time constant [s], delay extrapolated to 1 V [s]) of delay = t1 - tau ln(overdrive), at small overdrives.

    The slope of a latch's delay is its time constant; NaN with less than two overdrives of up to 3 mV.
    """
    count = len(_small(overdrives))
    if count < 2 or np.isnan(delays[:count]).any():
        return float("nan"), float("nan")
    slope, at_one_volt = np.polyfit(np.log(overdrives[:count]), delays[:count], 1)
    return float(-slope), float(at_one_volt)


def with_mismatch(data: xr.Dataset, names: tuple[str, ...], drawn: Array, sigmas: Array) -> xr.Dataset:
    """The data set with what makes its chips different: `drawn` (chips, names), and the sigma of each parameter."""
    unit = {"units": "1", "long_name": "parameter of the mismatch: dvt in V, db as a share"}
    data["mismatch"] = xr.Variable(
        ("chip", "parameter"), drawn, unit | {"long_name": "mismatch of each chip: dvt in V, db as a share"}
    )
    return data.assign_coords(
        parameter=xr.Variable("parameter", np.array(names, dtype=object), unit),
        parameter_sigma=xr.Variable("parameter", sigmas, unit | {"long_name": "sigma of the parameter"}),
    )


def _spread(values: Array) -> float:
    """Standard deviation of the values that are known, NaN of less than two."""
    known = values[~np.isnan(values)]
    return float(known.std(ddof=1)) if len(known) > 1 else float("nan")


def _dataset(
    config: ComparatorConfig,
    common_modes: Array,
    levels: Array,
    overdrives: Array,
    found: Sequence[_Found],
    seed: int,
    pool: SimulatorPool,
) -> xr.Dataset:
    chips = len(found[0].figures["offset"])

    def all_of(name: str, *shape: int) -> Array:
        nan = np.full(shape, np.nan)
        return np.array([each.figures.get(name, nan) for each in found])

    offset = all_of("offset", chips)
    at, both = ("common_mode",), ("common_mode", "overdrive", "decision")
    per_drive, half = ("common_mode", "overdrive"), len(overdrives)
    variables = {
        "offset": (("common_mode", "chip"), offset, "V", "input difference at which the decision changes"),
        "offset_nominal": (at, all_of("nominal"), "V", "offset of the circuit without mismatch"),
        "offset_sigma": (
            at, np.array([_spread(each) for each in offset]), "V",
            "standard deviation of the offset over the chips whose offset is known",
        ),
        "offset_status": (
            ("common_mode", "chip"), all_of("offset_status", chips).astype(np.int8), "1", f"of the offset: {LONG_NAME}",
        ),
        "noise": (at, all_of("noise"), "V", "input-referred rms noise"),
        "delay": (both, all_of("delay", half, 2), "s", "delay of the decision"),
        "regeneration_time": (at, all_of("regeneration_time"), "s", "time in which the latch grows by e"),
        "metastable_input": (at, all_of("metastable_input"), "V", "overdrive that takes half a clock period to decide"),
        "energy": (both, all_of("energy", half, 2), "J", "supply energy of a decision"),
        "static_power": (at, all_of("static_power"), "W", "supply power at rest, without the bias generator"),
        "kickback_peak": (per_drive, all_of("kickback_peak", half), "V", "largest disturbance of an input"),
        "kickback_charge": (per_drive, all_of("kickback_charge", half), "C", "largest charge through an input pin"),
        "kickback_difference": (
            per_drive, all_of("kickback_difference", half), "V", "largest disturbance of the input difference",
        ),
        "status": (
            ("common_mode", "measurement"),
            np.array([[each.status[name] for name in MEASUREMENTS] for each in found], dtype=np.int8),
            "1", LONG_NAME,
        ),
    }  # fmt: skip
    coords = {
        "common_mode": (at, common_modes, "V", "common mode of the inputs, from v_cm on"),
        "input_level": (at, levels, "V", "common mode of the inputs"),
        "chip": (("chip",), np.arange(chips), "1", "chip"),
        "overdrive": (("overdrive",), overdrives, "V", "input beyond the trip point"),
        "decision": (("decision",), np.array(DECISIONS), "1", "1: output goes high, -1: low"),
        "measurement": (("measurement",), np.array(MEASUREMENTS, dtype=object), "1", "what was simulated"),
    }
    data = new_dataset(
        block="comparator",
        variables=variables,
        coords=coords,
        config=config.model_dump(mode="json"),
        seed=seed,
        deck_hashes=[key for each in found for key in each.keys],
        simulator=f"ngspice {pool.simulator.version_text}",
        solver=pool.simulator.solver,
    )
    for name, tolerance in TOLERANCES.items():
        data[name].attrs["step_tolerance"] = tolerance_text(tolerance, _UNITS[name])
    state_changes(data, [checked for each in found for checked in each.checked], (*TOLERANCES, "metastable_input"))
    return data
