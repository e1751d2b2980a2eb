"""Fitting an integrator's model to a characterisation, and judging it on charges, chips and benches left out of it.

Bandwidth under current is fitted to the charges of some read pulses and judged on the outputs of others
(`cosim.blocks.holdout`); the gain over the range to the static characteristic, judged by how held outputs decay; the
offset to the nominal amplifier and to what one sigma of each transistor does, judged on chips, none of which it saw.
"""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.optimize import least_squares

from cosim.blocks.dataset import origin_of
from cosim.blocks.fitted import chosen_form, refuse_failed, stored_config
from cosim.blocks.holdout import UNJUDGED, held_out_conditions, judged
from cosim.blocks.integrator.behaviour import FORMS, IDEAL_RANGE, IntegratorModel, connected
from cosim.blocks.integrator.config import IntegratorConfig
from cosim.blocks.model import Domain, Parameter
from cosim.blocks.regression import Mask, fit_least_squares, jackknife, spread_interval
from cosim.blocks.residuals import Residuals
from cosim.blocks.status import OK
from cosim.errors import CosimError

Array = NDArray[np.float64]

OUTPUT_LIMIT = 1e-3  # of full scale, rms: a sixteenth of an LSB of 7 bits over both signs
OFFSET_LIMIT = 0.1  # of sigma, rms
RELATIVE_LIMIT = 0.1  # of droop and energy
LEAST_CHARGES = 7  # three numbers are fitted to four of them


def fit(data: xr.Dataset, *, allow_failed: bool = False, form: str | None = None) -> IntegratorModel:
    """Fit the model of `behaviour` to a data set of `characterise`.

    Intervals: of the bandwidth under current and the energy by a jackknife over charges; of gain and bandwidth at rest
    the spread over chips; others are read off one simulation and have none.

    Raises CosimError when too few charges are there or when points failed and `allow_failed` is not set.
    """
    form = chosen_form(form, FORMS)
    config = stored_config(data, IntegratorConfig)
    status = data["status"].values
    refuse_failed(int((status != OK).sum()), status.size, "simulations", allow_failed)
    charges = data["charge"].values
    if len(charges) < LEAST_CHARGES:
        raise CosimError("the output's law wants more charges", key="charges", value=len(charges),
                         allowed=f"{LEAST_CHARGES} or more")  # fmt: skip
    parameters = _at_rest(data, config) | _offset(data) | _range(data, form)
    parameters |= _bandwidth(data, config, parameters, form)
    parameters |= _energy(data)
    shares = charges / config.full_scale
    model = IntegratorModel(
        config=config,
        form=form,
        parameters=parameters,
        error=UNJUDGED,
        errors={},
        domain=Domain({"charge": (float(shares.min()), float(shares.max()))}),
        provenance=origin_of(data),
    )
    return judged(model, residuals(model, data))


def residuals(model: IntegratorModel, data: xr.Dataset) -> tuple[Residuals, ...]:
    """The model beside the data of its own integrator, or of one of the same amplifier with other capacitors or pulses.

    Of another integrator all points are held out.
    """
    config = stored_config(data, IntegratorConfig)
    own = config == model.config
    q, output = data["charge"].values, data["output"].values
    held = held_out_conditions(q) if own else np.ones(len(q), dtype=bool)
    told = model.output(q, config=config)
    known = np.isfinite(output)
    split = "inner charges" if own else "another integrator of this amplifier"
    count = 1 if model.form == IDEAL_RANGE else 3
    scale = config.swing
    found = [
        Residuals(
            quantity="output", reference=output[known], predicted=told[known], error=(told - output)[known] / scale,
            unit="of full scale", held_out=held[known], x=q[known] / config.full_scale,
            x_label="charge over full scale [1]", limit=OUTPUT_LIMIT, split=split, parameters=count,
        )
    ]  # fmt: skip
    chips = np.flatnonzero((data["nominal"].values == 0) & np.isfinite(data["offset"].values))
    if chips.size:
        reference = data["offset"].values[chips]
        offsets = model.mismatch_offsets(data["mismatch"].values[chips])
        found.append(
            Residuals(
                quantity="offset", reference=reference, predicted=offsets, error=offsets - reference, unit="V",
                held_out=np.ones(len(chips), dtype=bool), x=reference, x_label="offset of the chip [V]",
                limit=OFFSET_LIMIT * model.value("offset_sigma"), split="all chips, each one's mismatch known",
                parameters=len(model.array("offset_sensitivity")),
            )
        )  # fmt: skip
    drift = data["droop"].values
    if np.isfinite(drift).all():
        found.append(_droop(model, config, drift))
    energy = data["energy"].values
    known = np.isfinite(energy)
    if known.any() and "e_0" in model.parameters and own:
        told = model.energy(q)
        found.append(
            Residuals(
                quantity="energy", reference=energy[known], predicted=told[known], error=(told / energy - 1)[known],
                unit="relative", held_out=held[known], x=q[known] / config.full_scale,
                x_label="charge over full scale [1]", limit=RELATIVE_LIMIT, split=split, parameters=2,
            )
        )  # fmt: skip
    return tuple(found)


def _droop(model: IntegratorModel, config: IntegratorConfig, drift: Array) -> Residuals:
    """Drift of the outputs that the two full-scale pulses leave, between 0.3 and 1 of t_hold (`extraction`)."""
    full = np.array([1.0, -1.0]) * config.full_scale
    start = config.v_clp + model.value("offset_mean") + model.output(full, config=config)
    early, late = (model.held(start, share * config.t_hold, config=config) for share in (0.3, 1.0))
    told = (late - early) / (0.7 * config.t_hold)
    return Residuals(
        quantity="droop", reference=drift, predicted=told, error=(told - drift) / np.abs(drift).max(),
        unit="of the largest", held_out=np.ones(2, dtype=bool), x=full / config.full_scale,
        x_label="charge over full scale [1]", limit=RELATIVE_LIMIT, parameters=6,
        split="held outputs under idle cells, which the fit did not see",
    )  # fmt: skip


def _at_rest(data: xr.Dataset, config: IntegratorConfig) -> dict[str, Parameter]:
    """Of the nominal amplifier, with the interval of its mean over chips where there are chips."""
    nominal = data.sel(chip=-1)
    beta = float(nominal["feedback_factor"])
    c_input = config.c_fb * (1 / beta - 1) - config.c_bitline
    found = {"c_input": Parameter(c_input, "F", description="capacitance of the amplifier's input and reset switch")}
    chips = data["nominal"].values == 0
    for name, unit, text in (("gbw_rest", "Hz", "gain-bandwidth product, small signal"),
                             ("phase_margin", "deg", "phase margin of the loop")):  # fmt: skip
        variable = {"gbw_rest": "gbw"}.get(name, name)
        value = float(nominal[variable])
        found[name] = Parameter(value, unit, description=f"{text}, nominal amplifier")
        values = data[variable].values[chips]
        values = values[np.isfinite(values)]
        if len(values) > 1:
            sigma = float(values.std(ddof=1))
            low, high = spread_interval(sigma, len(values))
            found[f"{name}_sigma"] = Parameter(sigma, unit, low, high, f"{text}: standard deviation over chips")
    for name, unit, text in (("noise", "V", "rms noise of a held output"),
                             ("pedestal", "V", "step of the output when the reset opens"),
                             ("leakage_droop", "V/s", "drift of a held output by leakage")):  # fmt: skip
        found[name] = Parameter(float(data[name]), unit, description=text)
    return found


def _offset(data: xr.Dataset) -> dict[str, Parameter]:
    """By the nominal amplifier and by what one sigma of each mismatch parameter does."""
    share, sigmas = data["offset_share"].values, data["parameter_sigma"].values
    mean = float(data["offset"].sel(chip=-1))
    sigma = float(np.sqrt(np.sum(share**2)))
    safe = np.where(sigmas > 0, sigmas, 1.0)
    text = "change of the offset for one unit of each mismatch parameter"
    return {
        "offset_mean": Parameter(mean, "V", description="offset of the nominal amplifier: bit line above v_clp"),
        "offset_sigma": Parameter(sigma, "V", description="standard deviation of the offset over chips (Pelgrom)"),
        "offset_sensitivity": Parameter(tuple((share / safe).tolist()), "1 or V", description=text),
    }


def _range(data: xr.Dataset, form: str) -> dict[str, Parameter]:
    """The gain over the output's level: least squares of ln A where it is above a tenth of its top."""
    v, gain = data["static_output"].values, data["static_gain"].values
    top = float(np.nanmax(gain[np.isfinite(gain)]))
    if form == IDEAL_RANGE:
        value = float(data["dc_gain"].sel(chip=-1))
        return {"dc_gain": Parameter(value, "1", description="dc gain of the amplifier")}
    used = np.isfinite(gain) & (gain > top / 10)
    v, gain = v[used], gain[used]
    ends = np.array([float(data["output_low"]), float(data["output_high"])])
    width = 0.05 * float(np.ptp(ends))
    start = np.array([top, ends[0], ends[1], width, width])

    def error(theta: Array) -> Array:
        a, low, high, w_low, w_high = theta * start
        return np.asarray(np.log(a * gain**-1 / (1 + np.exp((low - v) / w_low) + np.exp((v - high) / w_high))))

    found = least_squares(error, np.ones(5), bounds=(0.02, 20.0), xtol=1e-12, ftol=1e-12)
    values = (found.x * start).tolist()
    rows = (("dc_gain", "1", "dc gain of the amplifier in the middle of its range"),
            ("output_low", "V", "lower output at which the gain is halved"),
            ("output_high", "V", "upper output at which the gain is halved"),
            ("w_low", "V", "output over which the gain falls by e below the range"),
            ("w_high", "V", "output over which the gain falls by e above the range"))  # fmt: skip
    return {
        name: Parameter(value, unit, description=text) for (name, unit, text), value in zip(rows, values, strict=True)
    }


def _bandwidth(
    data: xr.Dataset, config: IntegratorConfig, parameters: dict[str, Parameter], form: str
) -> dict[str, Parameter]:
    """From the charges of the seen pulses: 1 / (1 + G r) with r = 1 / (2 pi gbw C_fb)."""
    q, charge = data["charge"].values, data["charge_in"].values
    used = ~held_out_conditions(q) & np.isfinite(charge) & (q != 0)
    q, charge = q[used], charge[used]
    g = np.abs(q) / (config.v_read * config.t_pulse)
    t_on, t_after = connected(config)
    gain, o = (float(np.asarray(parameters[name].value)) for name in ("dc_gain", "offset_mean"))
    load = (q - g * o * t_on) / charge - 1 - g * (config.t_pulse / 2 + t_after) / (gain * config.c_fb)
    # (gbw / gbw_rest) (1 + tilt i + bend i^2) at each pulse
    rest = float(np.asarray(parameters["gbw_rest"].value))
    i = q / config.t_pulse
    top = float(np.abs(i).max())
    numbers = 1 if form == IDEAL_RANGE else 3
    start = np.array([1.0, 0.05, 0.05])[:numbers]

    def told(theta: Array, mask: Mask) -> Array:
        a, b, c = (*theta, 0.0, 0.0)[:3]
        x = i[mask] / top
        r = 1 / (2 * np.pi * rest * a * (1 + b * x + c * x**2) * config.c_fb)
        return np.asarray((g[mask] * r - load[mask]) / np.abs(load).max())

    best = fit_least_squares(told, start, q, what="the bandwidth under current")
    scales = (rest, 1 / top, 1 / top**2)
    rows = (("gbw", "Hz", "gain-bandwidth product of the amplifier under read pulses"),
            ("gbw_tilt", "1/A", "relative change of it with the cells' current"),
            ("gbw_bend", "1/A^2", "relative change of it with the square of the current"))  # fmt: skip
    found = {}
    for k, (name, unit, text) in enumerate(rows):
        if k >= numbers:
            found[name] = Parameter(0.0, unit, description=f"{text}; none in this form")
            continue
        value, low, high = (float(each[k]) * scales[k] for each in (best.values, best.low, best.high))
        found[name] = Parameter(value, unit, low, high, text)
    return found


def _energy(data: xr.Dataset) -> dict[str, Parameter]:
    """Linear in the charge; a macro model states none."""
    q, energy = data["charge"].values, data["energy"].values
    used = ~held_out_conditions(q) & np.isfinite(energy)
    if used.sum() < 3:
        return {}
    rows = np.stack([np.ones_like(q), q / np.abs(q).max()], axis=1)[used]
    values = energy[used]

    def solve(mask: Mask) -> Array:
        return np.asarray(np.linalg.lstsq(rows[mask], values[mask], rcond=None)[0])

    best, top = jackknife(solve, q[used]), float(np.abs(q).max())
    texts = (("e_0", "J", 1.0, "supply energy of a clock period without a charge"),
             ("e_charge", "J/C", 1 / top, "its change with the charge"))  # fmt: skip
    found = {}
    for k, (name, unit, scale, text) in enumerate(texts):
        value, low, high = (float(each[k]) * scale for each in (best.values, best.low, best.high))
        found[name] = Parameter(value, unit, low, high, text)
    return found
