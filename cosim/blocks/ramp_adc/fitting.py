"""Fitting the ramp-ADC model to characterisations, and judging it on chips and conditions that the fit did not see."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

from cosim.blocks.dataset import config_of, failed_points, origin_of
from cosim.blocks.fitted import chosen_form, refuse_failed
from cosim.blocks.holdout import UNJUDGED
from cosim.blocks.model import Domain, Parameter, nested
from cosim.blocks.ramp_adc.behaviour import RampAdcModel
from cosim.blocks.ramp_adc.conditions import Conditions, conditions_of, fit_table
from cosim.blocks.ramp_adc.config import RampAdcConfig
from cosim.blocks.ramp_adc.corner_fit import CornerFit, Solution, shift_nodes
from cosim.blocks.ramp_adc.forms import FORMS, Law, law_of
from cosim.blocks.ramp_adc.judging import compare, offset_checks, residuals
from cosim.blocks.ramp_adc.points import Part, check_known, fitted_rows, judging_rows, parts_of
from cosim.blocks.ramp_adc.population import nominal_rows, statistics
from cosim.blocks.residuals import errors_of
from cosim.errors import CosimError

__all__ = ["compare", "fit", "offset_checks", "residuals"]

Array = NDArray[np.float64]

OFFSET_REACH = 6.0  # standard deviations of an offset around its mean that the model's domain holds
ERROR_LIMIT = 0.02  # [LSB] rms; the share of differing codes is about the mean absolute threshold error in LSB
ERROR_LIMIT_FAMILY = 0.05  # [LSB] rms over many conditions


def fit(
    data: xr.Dataset | Sequence[xr.Dataset],
    *,
    allow_failed: bool = False,
    form: str | None = None,
    limit: float | None = None,
) -> RampAdcModel:
    """Fit the model of `behaviour` to data sets of `characterise`, each of one condition or of many (`--over`).

    The first data set says which code (function, bits) the model is fitted to: in it, and in all others of the same
    code, the nominal chip and those of even number are fitted, at all their read voltages; those of odd number judge.
    Data sets of other functions or bits judge alone, with all their chips: how far the model carries over. The fixed
    reference ramp is left out. `form` is one of `FORMS`.

    Raises CosimError when too few chips are there, or when points failed and `allow_failed` is not set.
    """
    sets = [data] if isinstance(data, xr.Dataset) else list(data)
    name = chosen_form(form, FORMS)
    refuse_failed(sum(failed_points(each) for each in sets), sum(each["status"].size for each in sets), "samples",
                  allow_failed)  # fmt: skip
    lost, looked_for = np.array([_lost_offsets(each) for each in sets]).sum(axis=0).tolist()
    refuse_failed(lost, looked_for, "static offsets", allow_failed)
    parts = parts_of(sets)
    config = parts[0].config
    fitted = [part for part in parts if fitted_rows(part, config).any()]
    _check_chips(parts, fitted)
    for part in parts:
        check_known(part, fitted_rows(part, config) | judging_rows(part, config))
    single = len({part.condition for part in fitted}) == 1
    conditions = conditions_of([part.condition for part in fitted], config.cmos.v_dd)
    law = law_of(name, config)
    nodes, shift = _known_shift(fitted, conditions)
    solutions = {}
    for corner in conditions.corners:
        mine = [part for part in fitted if part.config.corner == corner]
        solutions[corner] = CornerFit(law, conditions, mine, [fitted_rows(part, config) for part in mine], nodes)
    solved = [each.solve() for each in solutions.values()]
    parameters = _parameters(law, solved, single)
    if law.by_common_mode:
        parameters |= _shift_parameters(shift, solved, len(law.quantities), nodes, single)
    parameters |= statistics(fitted, None if single else conditions)
    first = parts[0].data
    model = RampAdcModel(
        config=config,
        ramp_target=first["target_conductance"].values,
        bias_target=first["target_bias"].values,
        bias_sign=parts[0].sign,
        gain=float(config_of(first)["gain"]),
        parameters=parameters,
        error=UNJUDGED,
        domain=_domain(parts, fitted, config, parameters, single),
        provenance=_origin(sets),
        pulse=parts[0].pulse,
        form=name,
        conditions=conditions,
        modes=nodes,
    )
    limit = limit if limit is not None else (ERROR_LIMIT if single and len(parts) == 1 else ERROR_LIMIT_FAMILY)
    judged = residuals(model, sets, limit=limit)
    return model.judged(errors_of(judged))


def _lost_offsets(data: xr.Dataset) -> tuple[int, int]:
    """How many static offsets over the common mode, and of the population, were looked for and not found; how many
    were looked for. A measured data set that tells no curve at all has looked for none."""
    lost = looked_for = 0
    for name in ("offset_curve", "population_offset"):
        if name not in data:
            continue
        values = data[name].values
        if name == "offset_curve":
            values = values[(data["status"].values == 0) & np.isfinite(data["comparator_offset"].values)]
        if np.isfinite(values).any():
            lost += int(np.count_nonzero(~np.isfinite(values)))
            looked_for += values.size
    return lost, looked_for


def _check_chips(parts: list[Part], fitted: list[Part]) -> None:
    config = parts[0].config
    seen = {int(chip) for part in fitted for chip in part.chip[fitted_rows(part, config)]}
    if len(seen) < 2 or not seen - {-1} or not any(judging_rows(part, config).any() for part in parts):
        chips = {int(chip) for part in parts for chip in part.chip[part.usable] if chip >= 0}
        raise CosimError(
            "the data set must hold at least two chips to fit and one to judge the fit",
            key="chips",
            value=len(chips),
            allowed="2 or more beside the nominal chip, 3 or more without it",
        )


def _known_shift(parts: list[Part], conditions: Conditions) -> tuple[Array, Array | None]:
    """Nodes of V_os(L) - V_os(0) [V], and its tables (nodes - 1, corners, terms) from the nominal comparator's curve
    (the mean of the chips' without one); None where offsets are known at V_CLP only, and the fit has to find it."""
    curves = []
    for part in parts:
        rows = nominal_rows(part) if nominal_rows(part).any() else fitted_rows(part, part.config)
        values = part.data["offset_curve"].values[rows] if part.modes is not None else np.full((1, 1), np.nan)
        known = part.static is not None and np.isfinite(part.static[fitted_rows(part, parts[0].config)]).all()
        curves.append(values.mean(axis=0) if known else np.full(1, np.nan))
    if not all(np.isfinite(each).all() for each in curves):
        levels = np.concatenate([part.periods.thresholds[fitted_rows(part, parts[0].config)].ravel() for part in parts])
        return shift_nodes(levels), None
    nodes = parts[0].modes
    assert nodes is not None
    middle = len(nodes) // 2
    at_nodes = []
    for part, curve in zip(parts, curves, strict=True):
        assert part.modes is not None
        on_nodes = CubicSpline(part.modes, curve)(nodes)
        at_nodes.append(np.delete(on_nodes - on_nodes[middle], middle))
    points = [part.condition for part in parts]
    tables = [fit_table(conditions, points, values, False) for values in np.array(at_nodes).T]
    return nodes, np.array(tables)


def _parameters(law: Law, solved: list[Solution], single: bool) -> dict[str, Parameter]:
    found = {}
    for number, quantity in enumerate(law.quantities):
        arrays = [np.array([getattr(each, end)[number] for each in solved]) for end in ("values", "low", "high")]
        found[quantity.name] = _parameter(arrays, quantity.unit, quantity.description, single)
    return found


def _parameter(arrays: list[Array], unit: str, text: str, single: bool) -> Parameter:
    """A plain number of a single condition, else a table (corners, terms); no interval where it is not finite."""
    finite = all(np.isfinite(each).all() for each in arrays)
    value, low, high = (float(each[0, 0]) if single else nested(each) for each in arrays)
    return Parameter(value, unit, low if finite else None, high if finite else None, text)


def _shift_parameters(
    shift: Array | None, solved: list[Solution], first: int, nodes: Array, single: bool
) -> dict[str, Parameter]:
    """`common_mode_shift`: at each node but V_CLP's (one condition), or (corners, nodes - 1 times terms)."""
    text = "static offset at each of the common modes less that at V_CLP"
    if shift is None:
        tables = [np.array([getattr(each, end)[first:] for each in solved]) for end in ("values", "low", "high")]
    else:
        tables = [np.swapaxes(shift, 0, 1)]
    flat = [each.reshape(len(each), -1) for each in tables]
    ends = [nested(each)[0] if single else nested(each) for each in flat]
    if len(ends) == 3 and all(np.isfinite(each).all() for each in flat):
        return {"common_mode_shift": Parameter(ends[0], "V", ends[1], ends[2], text)}
    return {"common_mode_shift": Parameter(ends[0], "V", None, None, text)}


def _domain(
    parts: list[Part], fitted: list[Part], config: RampAdcConfig, parameters: dict[str, Parameter], single: bool
) -> Domain:  # fmt: skip
    used = [(part, fitted_rows(part, config) | judging_rows(part, config)) for part in parts]
    v_read = np.concatenate([part.v_read[mask] for part, mask in used])
    offsets = np.concatenate([part.offset[mask] for part, mask in used])
    cells = np.concatenate(
        [part.data[name].values[m].ravel() for part, m in used for name in ("ramp_conductance", "bias_conductance")]
    )
    levels = np.concatenate([part.periods.thresholds[mask].ravel() for part, mask in used])
    mean, sigma = (np.asarray(parameters[name].value, dtype=np.float64) for name in ("offset_mean", "offset_sigma"))
    # Offsets reach some two sigma in a data set; the model is linear in them, so all that `draw_offsets` gives
    # passes: one comparator in 5e8 is beyond six sigma.
    reach = OFFSET_REACH * float(sigma.max() if single else sigma[:, 0].max())
    mean = mean if single else mean[:, 0]
    temperature, v_dd = (np.array([part.condition[n] for part in fitted]) for n in (1, 2))
    return Domain(
        {
            "v_read": (float(v_read.min()), float(v_read.max())),
            "offset": (
                min(float(offsets.min()), float(mean.min()) - reach),
                max(float(offsets.max()), float(mean.max()) + reach),
            ),
            # Programming errors are additive, so another chip's cells leave the seen range by a few sigma.
            "conductance": (float(max(cells.min() * 0.5, 0.0)), float(cells.max() * 1.1)),
            # And its ramp's ends by some of their share of the swing.
            "level": (float(levels.min() - 0.05 * np.ptp(levels)), float(levels.max() + 0.05 * np.ptp(levels))),
            "temperature": (float(temperature.min()), float(temperature.max())),
            "v_dd": (float(v_dd.min()), float(v_dd.max())),
        }
    )


def _origin(sets: list[xr.Dataset]) -> dict[str, object]:
    first = origin_of(sets[0])
    if len(sets) == 1:
        return first
    return first | {"data_sets": [origin_of(each)["data_set"] for each in sets]}
