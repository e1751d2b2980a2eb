"""Fitting a DAC's model to a characterisation, and judging it on chips and codes that it did not see.

Levels: fitted to two chips in three, judged on the third, each with its own elements and transistors (`output`), and by
the spread of the integral non-linearity over the held-out chips (`inl_sigma`). Energy, glitch and settling, which the
nominal chip alone shows: fitted to the steps below the last bit's carry, judged on those above it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from cosim.blocks.dac.behaviour import CONDITIONS, FORMS, STRAIGHT, DacModel, toggled_bits
from cosim.blocks.dac.config import DacConfig
from cosim.blocks.dataset import origin_of
from cosim.blocks.fitted import chosen_form, refuse_failed, stored_config
from cosim.blocks.holdout import UNJUDGED, held_out_chips, judged
from cosim.blocks.model import Domain, Parameter
from cosim.blocks.regression import Mask, fit_least_squares, jackknife
from cosim.blocks.residuals import Residuals
from cosim.blocks.status import OK
from cosim.errors import CosimError

Array = NDArray[np.float64]

OUTPUT_LIMIT = 0.01
"""LSB, rms: what the characterisation itself tells a level to; a quarter of the non-linearity of the shipped DACs."""
SPREAD_LIMIT = 3.0  # of the sampling error of a standard deviation over the held-out chips
RELATIVE_LIMIT = 0.2  # of energy, glitch and settling: capacitances of a layout and spikes of edges
UNRESOLVED_GLITCH = 0.1e-12  # [V s], to which the characterisation tells one; see its step tolerances
LEAST_CHIPS = 6
LEAST_BITS = 4
_SEED = 20240  # of the draws that stand for the model's spread
_DRAWS = 2000  # sigma of the spread within 2 %


def fit(data: xr.Dataset, *, allow_failed: bool = False, form: str | None = None) -> DacModel:
    """Fit the model of `behaviour` to a data set of `characterise`.

    Intervals of the levels' parameters are those of a jackknife over chips, the others' of one over codes.

    Raises CosimError when too few chips are there or when points failed and `allow_failed` is not set.
    """
    form = chosen_form(form, FORMS)
    config = stored_config(data, DacConfig)
    status = data["status"].values
    refuse_failed(int((status != OK).sum()), status.size, "simulations", allow_failed)
    if config.bits < LEAST_BITS:
        raise CosimError(
            f"energy and settling are fitted below the last bit's carry, judged above it: {LEAST_BITS} bits are wanted",
            key="bits", value=config.bits, allowed=f"{LEAST_BITS} or more",
        )  # fmt: skip
    known = np.isfinite(data["output"].values).all(axis=1)
    seen = known & ~_held_out(data)
    if seen.sum() < LEAST_CHIPS:
        raise CosimError(
            "too few chips whose levels are known to fit them, beside one in three to judge them", key="chips",
            value=max(int(known.sum()) - 1, 0), allowed=f"{3 * LEAST_CHIPS // 2} or more",
        )  # fmt: skip
    chips = _Chips(data, config, np.flatnonzero(seen))
    parameters = _straight(chips) if form == STRAIGHT else _NETWORKS[config.kind](chips)
    parameters |= _dynamics(data, config, parameters, form)
    sigmas = data["parameter_sigma"].values.tolist()
    model = _model(data, config, parameters, form, sigmas)
    return judged(model, residuals(model, data))


def _model(
    data: xr.Dataset, config: DacConfig, parameters: dict[str, Parameter], form: str, sigmas: list[float]
) -> DacModel:
    return DacModel(
        config=config,
        form=form,
        parameters=parameters,
        error=UNJUDGED,
        errors={},
        domain=Domain({name: (getattr(config, name), getattr(config, name)) for name in CONDITIONS}),
        settings={"mismatch_sigmas": sigmas},
        provenance=origin_of(data),
    )


def _held_out(data: xr.Dataset) -> Mask:
    """One chip in three, shape (chips,); the nominal one, which stands first, is of the fit."""
    return np.concatenate([[False], held_out_chips(data.sizes["chip"] - 1)])


class _Chips:
    """Outputs of some chips in LSB, their elements and mismatch; a model without them can be asked for outputs."""

    def __init__(self, data: xr.Dataset, config: DacConfig, numbers: NDArray[np.intp]) -> None:
        self.data, self.config, self.numbers = data, config, numbers
        self.output = data["output"].values[numbers] / config.lsb
        self.element, self.mismatch = data["element"].values[numbers], data["mismatch"].values[numbers]

    def told(self, mask: Mask, form: str, values: Mapping[str, Any], mismatch: bool = False) -> Array:
        """Outputs [LSB] of the chips of a mask with these parameters, (chips, codes)."""
        parameters = {name: Parameter(value, "1") for name, value in values.items()}
        model = _model(self.data, self.config, parameters, form, [0.0] * self.mismatch.shape[-1])
        of_chips = self.mismatch[mask] if mismatch else self.mismatch[mask][..., :0]
        return model.outputs(self.element[mask], of_chips) / self.config.lsb

    def least_squares(self, start: dict[str, float], form: str) -> dict[str, tuple[float, float, float]]:
        """Parameters with their intervals, from the levels of all chips."""
        names, scale = list(start), np.array(list(start.values()))

        def residual(x: Array, mask: Mask) -> Array:
            values = dict(zip(names, (x * scale).tolist(), strict=True))
            return (self.told(mask, form, values) - self.output[mask]).ravel()

        found = fit_least_squares(residual, np.ones(len(names)), self.numbers, what="the levels")
        ends = (found.values * scale, found.low * scale, found.high * scale)
        return {name: (float(a), float(b), float(c)) for name, a, b, c in zip(names, *ends, strict=True)}


def _one(name: str, found: dict[str, tuple[float, float, float]], unit: str, text: str) -> dict[str, Parameter]:
    value, low, high = found[name]
    return {name: Parameter(value, unit, low, high, text)}


def _straight(chips: _Chips) -> dict[str, Parameter]:
    found = chips.least_squares({"gain": 0.9}, STRAIGHT)
    return _one("gain", found, "1", "of the levels, above those of the elements with ideal switches")


def _ladder(chips: _Chips) -> dict[str, Parameter]:
    start = 0.05 * chips.config.r_unit
    found = chips.least_squares({"r_low": start, "r_high": 1.2 * start}, "network")
    parameters = _one("r_low", found, "ohm", "on-resistance of a switch to the lower reference")
    parameters |= _one("r_high", found, "ohm", "on-resistance of a switch to the upper reference")
    names = chips.mismatch.shape[-1]
    if not names:
        return parameters
    # First order: what a small relative change of each switch's resistance moves, from the model itself.
    values = {name: each[0] for name, each in found.items()}
    everyone = np.ones(len(chips.numbers), dtype=bool)
    base = chips.told(everyone, "network", values)
    columns = []
    for row in range(2):
        for k in range(names):
            step = np.zeros((2, names))
            step[row, k] = 1e-3 / max(np.abs(chips.mismatch[..., k]).max(), 1e-12)
            moves = tuple(tuple(each) for each in step.tolist())
            moved = chips.told(everyone, "network", {**values, "switch_sensitivity": moves}, mismatch=True)
            columns.append((moved - base) / step[row, k])
    rows, rest = np.stack(columns, axis=-1), chips.output - base
    value, low, high = _linear(rows, rest, chips.numbers)
    nested = [tuple(map(tuple, each.reshape(2, names).tolist())) for each in (value, low, high)]
    text = ("relative change of a switch's on-resistance (row 0: to the lower, row 1: to the upper reference) for one"
            " unit of each mismatch parameter")  # fmt: skip
    parameters["switch_sensitivity"] = Parameter(nested[0], "1/V or 1", nested[1], nested[2], text)
    return parameters


def _capacitors(chips: _Chips) -> dict[str, Parameter]:
    c = 0.05 * chips.config.c_unit * (chips.config.magnitude + 1)
    charge = 0.01 * c * chips.config.v_read
    found = chips.least_squares({"c_parasitic": c, "q_reset": charge}, "network")
    parameters = _one("c_parasitic", found, "F", "capacitance of the line beyond that of array, plates and cells")
    return parameters | _one("q_reset", found, "C", "charge that the reset's switch leaves on the line as it opens")


def _pulses(chips: _Chips) -> dict[str, Parameter]:
    """The width of a pulse beyond its ideal one is one number a line, linear in the mismatch of its driver."""
    names, sides = chips.mismatch.shape[-1], chips.mismatch.shape[1]
    half = chips.config.magnitude
    ideal = np.arange(1, half + 1)
    positive, negative = chips.output[:, half + 1 :] - ideal, -chips.output[:, half - 1 :: -1] - ideal
    width = np.stack([positive, negative], axis=1).mean(axis=2) * chips.config.t_unit  # (chips, sides)
    cause = np.concatenate([np.ones((*width.shape, 1)), chips.mismatch[:, :, 0]], axis=-1)
    if width.size < names + 3:
        raise CosimError(
            f"the widths of {names + 3} lines are wanted to fit what {names} mismatch parameters do", key="chips",
            value=len(chips.numbers) - 1, allowed=f"{-(-3 * (names + 3) // (2 * sides))} or more",
        )  # fmt: skip
    value, low, high = _linear(cause, width, chips.numbers)
    text = "of a pulse beyond its ideal width: fall later than rise"
    parameters = {"width": Parameter(float(value[0]), "s", float(low[0]), float(high[0]), text)}
    if names:
        ends = [tuple(each[1:].tolist()) for each in (value, low, high)]
        text = "change of the width for one unit of each mismatch parameter of the driver"
        parameters["width_sensitivity"] = Parameter(ends[0], "s/V or s", ends[1], ends[2], text)
    return parameters


_NETWORKS: dict[str, Callable[[_Chips], dict[str, Parameter]]] = {
    "r2r": _ladder, "capacitive": _capacitors, "pulse_width": _pulses,
}  # fmt: skip


def _linear(rows: Array, values: Array, groups: NDArray[np.intp]) -> tuple[Array, Array, Array]:
    """Least squares of (chips, points, causes) against (chips, points), jackknife over the chips."""
    scale = np.abs(rows).max(axis=(0, 1))
    scale = np.where(scale > 0, scale, 1.0)

    def solve(mask: Mask) -> Array:
        matrix = (rows[mask] / scale).reshape(-1, rows.shape[-1])
        return np.asarray(np.linalg.lstsq(matrix, values[mask].ravel(), rcond=None)[0] / scale)

    found = jackknife(solve, groups)
    return found.values, found.low, found.high


# What the nominal chip shows over codes


def _lower(config: DacConfig) -> tuple[NDArray[np.int64], Mask]:
    """(sizes, which the fit sees): those below the carry of the last bit."""
    sizes = np.arange(config.magnitude + 1)
    return sizes, (sizes > 0) & (sizes < (config.magnitude + 1) // 2)


def _dynamics(data: xr.Dataset, config: DacConfig, parameters: dict[str, Parameter], form: str) -> dict[str, Parameter]:
    sizes, seen = _lower(config)
    energy = np.asarray(data["energy"].values, dtype=np.float64)
    if config.kind == "pulse_width":
        load = config.v_read**2 * config.g_load * sizes * config.t_unit
        rest = (energy - load)[seen]
        value, low, high = _linear(np.ones((len(rest), 1, 1)), rest[:, None], sizes[seen])
        return {"e_0": Parameter(float(value[0]), "J", float(low[0]), float(high[0]), "energy of a line's pulse")}
    bare = _model(data, config, parameters, form, [])
    rest = energy - bare.static_power() * config.t_slot
    toggled = toggled_bits(sizes, np.where(sizes > 0, sizes - 1, config.magnitude))
    rows = np.stack([np.ones(seen.sum()), toggled[seen]], axis=1)[:, None, :]
    value, low, high = _linear(rows, rest[seen][:, None], sizes[seen])
    texts = {"e_0": "energy of a line's slot in which nothing toggles, beside what the ladder draws",
             "e_bit": "energy of a bit of a line that toggles"}  # fmt: skip
    found = {
        name: Parameter(float(value[k]), "J", float(low[k]), float(high[k]), text)
        for k, (name, text) in enumerate(texts.items())
    }
    full, unit = float(data["full_settling"]), float(np.nanmean(data["settling_time"].values[seen & (toggled == 1)]))
    tau = (full - unit) / np.log(config.magnitude)
    found["tau"] = Parameter(float(tau), "s", description="time constant of the line's settling")
    text = "part of the settling that no smaller step shortens"
    found["t_0"] = Parameter(float(unit - tau * np.log(1 / config.settling)), "s", description=text)
    glitch = np.asarray(data["glitch"].values, dtype=np.float64)
    whole = config.bits - 1
    table = [
        float(np.nanmean(glitch[(toggled == m) & (seen if m < whole else sizes > 0)])) for m in range(1, whole + 1)
    ]
    found["glitch"] = Parameter(tuple(table), "V*s", description="area outside both levels when 1, 2, ... bits toggle")
    return found


def residuals(model: DacModel, data: xr.Dataset) -> tuple[Residuals, ...]:
    """The model beside the data of its own DAC, or of another of the same kind (bits, elements, load ...)."""
    config = stored_config(data, DacConfig)
    own = config == model.config
    output = data["output"].values / config.lsb
    known: Mask = np.asarray(np.isfinite(output).all(axis=1), dtype=np.bool_)
    element, mismatch = data["element"].values[known], data["mismatch"].values[known]
    told = model.outputs(element, mismatch, config) / config.lsb
    every: Mask = _held_out(data) if own else np.ones(len(output), dtype=bool)
    held: Mask = np.asarray(every[known], dtype=np.bool_)
    wide = np.broadcast_to(held[:, None], told.shape)
    codes = np.broadcast_to(data["code"].values.astype(np.float64), told.shape)
    split = "one chip in three; resistors, capacitors and transistors of each chip known"
    count = sum(np.size(each.value) for name, each in model.parameters.items() if name in _OF_LEVELS)
    varied = held & (data["nominal"].values[known] == 0)
    found = [
        Residuals(
            quantity="output", reference=output[known].ravel(), predicted=told.ravel(),
            error=(told - output[known]).ravel(), unit="LSB", held_out=wide.ravel(), x=codes.ravel(),
            x_label="code [1]", limit=OUTPUT_LIMIT, split=split if own else "all chips of another DAC",
            parameters=count,
        ),
        *([_spread(model, data, config, known, held)] if varied.sum() > 1 else []),
    ]  # fmt: skip
    return (*found, *_of_codes(model, data, config, own))


_OF_LEVELS = ("gain", "r_low", "r_high", "switch_sensitivity", "c_parasitic", "q_reset", "width", "width_sensitivity")


def _spread(model: DacModel, data: xr.Dataset, config: DacConfig, known: Mask, held: Mask) -> Residuals:
    """Standard deviation of the INL over chips at each code; the model's from chips that it draws."""
    drawn = model.levels(np.random.default_rng(_SEED), config, _DRAWS)
    predicted = np.std([model.linearity(each, config)["inl"] for each in drawn], axis=0, ddof=1)
    inl = data["inl"].values[known]
    nominal = data["nominal"].values[known] == 1
    reference, out, errors = [], [], []
    for unseen in (False, True):
        chosen = inl[(held == unseen) & ~nominal]
        if len(chosen) > 1:
            sigma = chosen.std(axis=0, ddof=1)
            reference.append(sigma)
            errors.append(predicted - sigma)
            out.append(np.full(sigma.shape, unseen))
    freedom = max(int((held & ~nominal).sum()) - 1, 1)
    repeated = len(reference)
    sampling = float(np.sqrt(np.mean(predicted**2) / (2 * freedom)))
    return Residuals(
        quantity="inl_sigma", reference=np.concatenate(reference), predicted=np.tile(predicted, repeated),
        error=np.concatenate(errors), unit="LSB", held_out=np.concatenate(out),
        x=np.tile(data["code"].values.astype(np.float64), repeated), x_label="code [1]",
        limit=SPREAD_LIMIT * max(sampling, 1e-6),
        split="spread over one chip in three, elements and transistors unknown",
        parameters=1,
    )  # fmt: skip


def _of_codes(model: DacModel, data: xr.Dataset, config: DacConfig, own: bool) -> list[Residuals]:
    sizes, seen = _lower(config)
    before = np.where(sizes > 0, sizes - 1, config.magnitude)
    toggled = toggled_bits(sizes, before)
    split = "nominal chip, codes from the last bit's carry on" if own else "nominal chip of another DAC"
    held = ~seen if own else np.ones(len(sizes), dtype=bool)

    def relative(name: str, told: Array, used: Mask, parameters: int, of_largest: bool = False) -> Residuals:
        least = UNRESOLVED_GLITCH / RELATIVE_LIMIT
        reference = np.asarray(data[name].values, dtype=np.float64)[used]
        scale, unit = (max(np.abs(reference).max(), least), "of the largest") if of_largest else (reference, "relative")
        return Residuals(
            quantity=name, reference=reference, predicted=told[used], error=(told[used] - reference) / scale,
            unit=unit, held_out=held[used],
            x=sizes[used].astype(np.float64), x_label="size [1]", limit=RELATIVE_LIMIT, split=split,
            parameters=parameters,
        )  # fmt: skip

    energy = np.asarray(data["energy"].values, dtype=np.float64)
    paid = np.isfinite(energy) & (energy != 0)  # ideal switches take nothing from the supplies
    found = []
    if (paid & held).any():
        found.append(relative("energy", model.energy(sizes, config=config), paid, 2))
    if own and config.kind != "pulse_width":
        settled = np.isfinite(data["settling_time"].values) & (toggled == 1)
        found.append(relative("settling_time", model.settling_time(np.ones(len(sizes))), settled, 2))
        carried = np.isfinite(data["glitch"].values) & (sizes > 0) & (toggled < config.bits - 1)
        table = model.array("glitch")
        found.append(
            relative("glitch", table[np.minimum(toggled, len(table)) - 1], carried, len(table), of_largest=True)
        )
    return found
