"""Fitting a sample and hold's model to data sets of one or several hold capacitors, and judging it.

The conductance is fitted to the small-signal impedance and judged by the transient's time constants; the noise is a
closed form and judged by `.noise`. The pedestal is fitted to the nominal chip and two chips in three, and judged on the
third and on inner hold capacitors (`cosim.blocks.holdout`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from cosim.blocks.dataset import origin_of
from cosim.blocks.fitted import chosen_form, refuse_failed
from cosim.blocks.holdout import UNJUDGED, held_out_chips, held_out_conditions, judged, single_conditions
from cosim.blocks.model import Domain, Parameter
from cosim.blocks.regression import Mask, fit_least_squares, jackknife
from cosim.blocks.residuals import Residuals, rms
from cosim.blocks.sample_hold.behaviour import (
    FORMS,
    STRAIGHT,
    SampleHoldModel,
    channel_conductance,
    energy_terms,
    presence,
    thermal_voltage,
)
from cosim.blocks.sample_hold.config import SampleHoldConfig
from cosim.blocks.status import OK
from cosim.errors import CosimError

Array = NDArray[np.float64]
Parts = list[tuple[SampleHoldConfig, xr.Dataset]]

LEAST_INPUTS = 7  # the conductance has six parameters
PEDESTAL_LIMIT = 1.0
"""Of the kT/C noise of the hold capacitors, rms: an error below it is hidden in every sample; 90 uV at 500 fF, where
pedestals are 6 mV."""
RELATIVE_LIMIT = (
    0.1  # time constant: mobility and body effect by one number each; noise: BSIM4's is not quite Nyquist's
)
ABSENT = 1e-6  # of the largest effect: an absent transistor's, whose charge is 0
CLOSED = 1e5  # [ohm]; beyond it the switch does not track, and is not fitted
_NAMES = ("g_n", "v_n", "theta_n", "g_p", "v_p", "theta_p")


def fit(
    data: xr.Dataset | Sequence[xr.Dataset], *, allow_failed: bool = False, form: str | None = None
) -> SampleHoldModel:
    """Fit the model of `behaviour` to data sets of `characterise` that differ in `c_hold` only.

    Intervals are those of a jackknife over inputs, of what mismatch does over chips. `t_return` is told apart from the
    channels' share by several hold capacitors only; of one, the model holds for that one.

    Raises CosimError when too few inputs or chips are there or when points failed and `allow_failed` is not set.
    """
    form = chosen_form(form, FORMS)
    parts = single_conditions(data, SampleHoldConfig, ("c_hold",))
    _refuse_failed(parts, allow_failed)
    _refuse_small(parts)
    config = parts[len(parts) // 2][0]
    seen = [each for each, out in zip(parts, _held_out(parts), strict=True) if not out]
    parameters = _conductance(seen, config)
    capacitance = np.concatenate([part["capacitance"].values - each.c_hold for each, part in seen])
    text = "capacitance that the switch adds to the held node"
    # No interval: the capacitance follows the input, so its spread over inputs is not the uncertainty of its mean.
    parameters["c_switch"] = Parameter(float(np.nanmean(capacitance)), "F", description=text)
    leakage = max(float(np.nanmax(np.abs(part["droop_rate"].values)) * np.nanmean(part["capacitance"].values))
                  for _, part in seen)  # fmt: skip
    parameters["leakage"] = Parameter(leakage, "A", description="largest current off the held node while it holds")
    first = parts[0][1]
    levels = first["input_level"].values
    sizes = [each.c_hold for each, _ in parts]
    model = SampleHoldModel(
        config=config,
        form=form,
        parameters=parameters,
        error=UNJUDGED,
        errors={},
        domain=Domain({"input": (levels.min(), levels.max()), "c_hold": (min(sizes), max(sizes))}),
        settings={"mismatch_sigmas": first["parameter_sigma"].values.tolist()},
        provenance=origin_of(first),
    )
    model = replace(model, parameters={**parameters, **_energy(model, seen), **_pedestal(model, seen)})
    model = replace(model, parameters={**model.parameters, **_mismatch(model, seen)})
    return judged(model, residuals(model, data))


def residuals(model: SampleHoldModel, data: xr.Dataset | Sequence[xr.Dataset]) -> tuple[Residuals, ...]:
    """The model beside its data: pedestal of every chip, what mismatch adds to it, tracking, noise, energy."""
    parts = single_conditions(data, SampleHoldConfig, ("c_hold",))
    outs = _held_out(parts)
    rows = [_of_part(model, config, part, out) for (config, part), out in zip(parts, outs, strict=True)]
    found = []
    for name, (limit, unit, split, count) in _judgements(model, parts).items():
        points = [row[name] for row in rows if name in row]
        held = np.concatenate([each[3] for each in points]) if points else np.empty(0, dtype=bool)
        if not held.any():
            continue
        reference, told, x = (np.concatenate([each[k] for each in points]) for k in range(3))
        groups = np.concatenate([each[4] for each in points])
        found.append(
            Residuals(
                quantity=name, reference=reference, predicted=told, unit=unit, held_out=held, x=x,
                error=told / reference - 1 if unit == "relative" else told - reference, x_label="input [V]",
                limit=limit, split=split, parameters=count, part=groups,
            )
        )  # fmt: skip
    return tuple(found)


def _judgements(model: SampleHoldModel, parts: Parts) -> dict[str, tuple[float, str, str, int]]:
    """Quantity -> (limit, unit, split, fitted numbers)."""
    noise = rms(np.array([model.noise(config.c_hold, config.temperature) for config, _ in parts]))
    chips = "one chip in three, its mismatch known, and inner hold capacitors"
    laws = [name for name in ("q_clock", "c_n", "c_p", "t_return", "q_0", "c_slope") if name in model.parameters]
    sensitivities = int(np.size(model.parameters["charge_sensitivity"].value))
    return {
        "pedestal": (PEDESTAL_LIMIT * noise, "V", chips, len(laws) + sensitivities),
        "pedestal_deviation": (noise / 4, "V", chips, sensitivities),
        "time_constant": (RELATIVE_LIMIT, "relative", "transients, where the fit saw small-signal impedances", 7),
        "noise": (RELATIVE_LIMIT, "relative", "all of it, by the closed form; the fit saw the capacitance", 1),
        "energy": (RELATIVE_LIMIT, "relative", "inner hold capacitors", 4),
    }


_Points = tuple[Array, Array, Array, Mask, NDArray[np.str_]]


def _of_part(model: SampleHoldModel, config: SampleHoldConfig, part: xr.Dataset, out: bool) -> dict[str, _Points]:
    """Of one hold capacitor: quantity -> reference, model, input, held out, group."""
    v, c = part["input_level"].values, config.c_hold
    measured, mismatch = part["pedestal_chip"].values, part["mismatch"].values
    added = model.mismatch_pedestal(v, mismatch, c)
    unseen = _unseen_chips(part)
    held = np.broadcast_to((unseen | out)[:, None], measured.shape)
    group = np.where(unseen, "unseen chips and capacitor" if out else "unseen chips", "unseen capacitor")
    groups = np.broadcast_to(group[:, None], measured.shape)
    x = np.broadcast_to(v, measured.shape)
    known = np.isfinite(measured)
    found: dict[str, _Points] = {
        "pedestal": (measured[known], (model.pedestal(v, c) + added)[known], x[known], held[known], groups[known])
    }
    deviation = measured - measured[0]
    known = np.isfinite(deviation) & (np.arange(len(measured)) > 0)[:, None]
    if known.any():
        found["pedestal_deviation"] = (deviation[known], added[known], x[known], held[known], groups[known])
    conducts = part["on_resistance"].values < CLOSED
    told = {
        "time_constant": (model.time_constant(v, c), True, conducts),
        "noise": (np.full(v.shape, model.noise(c, config.temperature)), True, conducts),
        "energy": (model.energy(v, _before(v)), out, np.ones(v.shape, dtype=bool)),
    }
    for name, (values, judged_here, used) in told.items():
        reference = part[name].values
        good = np.isfinite(reference) & used
        where = np.full(int(good.sum()), "unseen capacitor" if out else "another simulation")
        found[name] = (reference[good], values[good], v[good], np.full(int(good.sum()), judged_here), where)
    return found


def _held_out(parts: Parts) -> Mask:
    return held_out_conditions([config.c_hold for config, _ in parts])


def _unseen_chips(part: xr.Dataset) -> Mask:
    """Shape (chips,); the nominal one, which stands first, is of the fit."""
    return np.concatenate([[False], held_out_chips(part.sizes["chip"] - 1)])


def _before(v: Array) -> Array:
    """What the switch held before each input: the farther end of their range, as the characterisation has it."""
    return np.where(v - v[0] < v[-1] - v, v[-1], v[0])


def _refuse_failed(parts: Parts, allow_failed: bool) -> None:
    """An input at which the switch does not conduct is no point of the fit: a time constant need not be found there."""
    failed = total = 0
    for _, part in parts:
        status = part["status"].values[~(part["on_resistance"].values > CLOSED)]
        failed, total = failed + int((status != OK).sum()), total + status.size
    refuse_failed(failed, total, "points", allow_failed)


def _refuse_small(parts: Parts) -> None:
    first = parts[0][1]
    for _, other in parts[1:]:
        for name in ("input_level", "chip", "mismatch"):
            if not np.array_equal(other[name].values, first[name].values):
                raise CosimError("data sets of different inputs or chips cannot be fitted together", key=name)
    if first.sizes["input"] < LEAST_INPUTS:
        raise CosimError(
            "the law of the conductance wants more inputs", key="inputs", value=first.sizes["input"],
            allowed=f"{LEAST_INPUTS} or more",
        )  # fmt: skip
    least = first.sizes["parameter"] + 1
    if (~_unseen_chips(first)).sum() - 1 < least:
        raise CosimError(
            f"{least} chips are wanted to fit what mismatch does, beside one in three to judge it", key="chips",
            value=first.sizes["chip"] - 1, allowed=f"{-(-3 * least // 2)} or more",
        )  # fmt: skip


def _conductance(seen: Parts, config: SampleHoldConfig) -> dict[str, Parameter]:
    """By the impedance of the closed switch; a transistor that does not conduct at its end of the range is absent."""
    part = seen[0][1]
    v, r = part["input_level"].values, part["on_resistance"].values
    used = np.isfinite(r) & (r > 0) & (r < CLOSED)
    there = {"n": bool(used[0]), "p": bool(used[-1])}
    sides = [side for side in "np" if there[side]]
    if not sides or used.sum() <= 3 * len(sides):
        raise CosimError("the switch conducts at too few inputs to fit it", key="inputs", value=int(used.sum()))
    v, g = v[used], 1 / r[used]
    u_t, v_dd = thermal_voltage(config.temperature), config.v_dd
    ends = {"n": (float(g[0]), 0.6 * v_dd), "p": (float(g[-1]), 0.4 * v_dd)}

    def natural(theta: Array) -> dict[str, float]:
        values = dict.fromkeys(_NAMES, 0.0) | {"v_n": -v_dd, "v_p": 2 * v_dd}  # absent: out of reach
        for side, (a, b, c) in zip(sides, theta.reshape(-1, 3), strict=True):
            size, middle = ends[side]
            values[f"g_{side}"] = size / (0.5 * v_dd) * float(np.exp(a - 1))
            values[f"v_{side}"] = middle + 0.25 * v_dd * float(b - 1)
            values[f"theta_{side}"] = 0.3 * float(np.exp(c - 1))
        return values

    def residual(theta: Array, mask: Mask) -> Array:
        p = natural(theta)
        told = channel_conductance(p["v_n"] - v[mask], p["g_n"], p["theta_n"], u_t)
        told = told + channel_conductance(v[mask] - p["v_p"], p["g_p"], p["theta_p"], u_t)
        return np.asarray(np.log(told / g[mask]))

    start = np.ones(3 * len(sides))
    bounds = (start - np.tile([6.0, 3.0, 8.0], len(sides)), start + np.tile([6.0, 3.0, 6.0], len(sides)))
    best = fit_least_squares(residual, start, v, bounds=bounds, what="the conductance")
    value, low, high = (natural(each) for each in (best.values, best.low, best.high))
    texts = {"g": ("S/V", "conductance for each volt of inversion: {}"), "v": ("V", "input of pinch-off: {}"),
             "theta": ("1/V", "loss of mobility with the inversion: {}")}  # fmt: skip
    found = {}
    for name in _NAMES:
        kind, side = name.split("_")
        unit, text = texts[kind]
        words = text.format("NMOS" if side == "n" else "PMOS") + ("" if there[side] else ", which is absent")
        ends_of = (low[name], high[name]) if there[side] else (None, None)
        found[name] = Parameter(value[name], unit, ends_of[0], ends_of[1], words)
    return found


def _pedestal(model: SampleHoldModel, seen: Parts) -> dict[str, Parameter]:
    """Charges of channels and clocks, and the time in which charge flows back where several capacitors tell it."""
    v = np.concatenate([part["input_level"].values for _, part in seen])
    c = np.concatenate([np.full(part.sizes["input"], model.capacitance(config.c_hold)) for config, part in seen])
    volts = np.concatenate([part["pedestal"].values for _, part in seen])
    known = np.isfinite(volts)
    v, c, volts = v[known], c[known], volts[known]
    if model.form == STRAIGHT:
        names, units = ["q_0", "c_slope"], ["C", "F"]
        texts = ["charge that the opening switch leaves, at an input of 0 V", "change of it with the input"]
    else:
        names, units = ["q_clock", "c_n", "c_p"], ["C", "F", "F"]
        texts = ["charge by the clocks' coupling, off the held node", "share of the NMOS channel's capacitance",
                 "share of the PMOS channel's capacitance"]  # fmt: skip
    several = len({config.c_hold for config, _ in seen}) > 1 and model.form != STRAIGHT
    conductance = model.conductance(v)

    def linear(mask: Mask, t: float) -> tuple[Array, float]:
        kept = 1 / (1 + t * conductance[mask] / c[mask])
        matrix = np.stack(model.charge_terms(v[mask], kept), axis=1) / c[mask][:, None]
        scale = np.abs(matrix).max(axis=0)
        matrix = np.where(scale > ABSENT * scale.max(), matrix, 0.0) / np.maximum(scale, 1e-300)
        found = np.linalg.lstsq(matrix, volts[mask], rcond=1e-9)[0]  # the least ones, so 0 of what is absent
        return found / np.maximum(scale, 1e-300), float(np.sum((matrix @ found - volts[mask]) ** 2))

    longest = model.config.t_edge

    def solve(mask: Mask) -> Array:
        t = 0.0
        if several:
            t = float(minimize_scalar(lambda each: linear(mask, each)[1], bounds=(0.0, longest), method="bounded",
                                      options={"xatol": 1e-6 * longest}).x)  # fmt: skip
        return np.append(linear(mask, t)[0], t)

    best = jackknife(solve, v)
    found = {
        name: Parameter(float(best.values[k]), units[k], float(best.low[k]), float(best.high[k]), texts[k])
        for k, name in enumerate(names)
    }
    if several:
        text = "time in which charge flows back through the closing channel"
        found["t_return"] = Parameter(float(best.values[-1]), "s", float(best.low[-1]), float(best.high[-1]), text)
    return found


def _mismatch(model: SampleHoldModel, seen: Parts) -> dict[str, Parameter]:
    """Charge that each mismatch parameter adds while its channel is there: rows NMOS, PMOS."""
    u_t = thermal_voltage(model.config.temperature)
    first = seen[0][1]
    mismatch = first["mismatch"].values
    numbers = np.flatnonzero(~_unseen_chips(first))[1:]
    names = mismatch.shape[1]
    if not names:
        return {"charge_sensitivity": Parameter(((), ()), "C/V or C", description="no transistor takes mismatch")}
    rows, values = [], []
    for config, part in seen:
        v = part["input_level"].values
        share = model._kept(v, config.c_hold) / model.capacitance(config.c_hold)
        there = np.stack([presence(x, u_t) * share for x in model._above(v)], axis=1)  # (inputs, channels)
        rows.append(np.einsum("im,nk->nimk", there, mismatch[numbers]).reshape(len(numbers), len(v), -1))
        values.append((part["pedestal_chip"].values - part["pedestal_chip"].values[0])[numbers])
    matrix, target = np.concatenate(rows, axis=1), np.concatenate(values, axis=1)
    known = np.isfinite(target)
    scale = np.abs(matrix).max(axis=(0, 1))
    matrix = np.where(scale > ABSENT * scale.max(), matrix, 0.0)
    scale = np.where(scale > 0, scale, 1.0)

    def solve(mask: Mask) -> Array:
        good = known[mask]
        return np.asarray(np.linalg.lstsq((matrix[mask] / scale)[good], target[mask][good], rcond=1e-9)[0] / scale)

    best = jackknife(solve, numbers)
    nested = [tuple(map(tuple, each.reshape(2, names).tolist())) for each in (best.values, best.low, best.high)]
    text = "charge on the held node by one unit of each mismatch parameter: rows NMOS, PMOS channel"
    return {"charge_sensitivity": Parameter(nested[0], "C/V or C", nested[1], nested[2], text)}


def _energy(model: SampleHoldModel, seen: Parts) -> dict[str, Parameter]:
    """Linear in the charge of each channel and in the swing of the held node."""
    v = np.concatenate([part["input_level"].values for _, part in seen])
    before = np.concatenate([_before(part["input_level"].values) for _, part in seen])
    energy = np.concatenate([part["energy"].values for _, part in seen])
    rows = np.stack(energy_terms(v, before, model._above(v), model.config.temperature), axis=1)
    known, scale = np.isfinite(energy), np.maximum(np.abs(rows).max(axis=0), 1e-30)

    def solve(mask: Mask) -> Array:
        used = mask & known
        return np.asarray(np.linalg.lstsq(rows[used] / scale, energy[used], rcond=1e-9)[0] / scale)

    best = jackknife(solve, v)
    texts = (("e_0", "J", "energy of a clock period without channels and swing"),
             ("e_n", "J/V", "energy for each volt of the NMOS channel's inversion"),
             ("e_p", "J/V", "energy for each volt of the PMOS channel's inversion"),
             ("e_swing", "J/V", "energy for each volt that the held node rises in the period"))  # fmt: skip
    return {
        name: Parameter(float(best.values[k]), unit, float(best.low[k]), float(best.high[k]), text)
        for k, (name, unit, text) in enumerate(texts)
    }
