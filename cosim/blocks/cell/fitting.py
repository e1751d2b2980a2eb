"""Fitting the model of a device: one part for each thing that its data sets measured.

A part has candidate laws, the plainest first. The form "best" takes of each part the first whose Bayesian information
criterion on the points of the fit is the lowest, or no worse in earnest; the other forms name one law a part, from
plain to rich, so that `cosim fit --compare` sets them side by side.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any

import numpy as np
import xarray as xr

from cosim.blocks.cell import conduction, cycling, drifting, fluctuation, responding, stepping, writing
from cosim.blocks.cell.behaviour import CellModel
from cosim.blocks.cell.fitted_laws import settings_of
from cosim.blocks.cell.forms import FORM_LAWS, FORMS
from cosim.blocks.cell.observations import NOT_THERE, Absent, Observations, Part
from cosim.blocks.fitted import chosen_form
from cosim.blocks.model import Domain
from cosim.blocks.residuals import Residuals, errors_of
from cosim.errors import CosimError

PARTS: dict[str, ModuleType] = {
    "iv": conduction,
    "programming": writing,
    "noise": fluctuation,
    "drift": drifting,
    "pulses": stepping,
    "cycles": cycling,
    "response": responding,
}
"""Part -> module with `LAWS`, `observe`, `fit_law` and `residuals`; the one that counts most comes first."""

_NO_EVIDENCE = 2.0  # of BIC: less tells nothing between two laws (R. Kass, A. Raftery, JASA 90, 773, 1995)


def fit(data: xr.Dataset | Sequence[xr.Dataset], *, allow_failed: bool = False, form: str | None = None) -> CellModel:
    """Fit the model of `behaviour` to data sets of one cell, simulated or measured, each quantity from one of them.

    Devices of odd number are held out, and of what has no devices every second state or every third time. Raises
    CosimError when no part can be fitted (with the reason of each), when measurements failed and `allow_failed` is not
    set, and when data sets contradict each other.
    """
    chosen = chosen_form(form, FORMS)
    found = Observations(data, allow_failed)
    parts: dict[str, Part] = {}
    absent: dict[str, str] = {}
    residuals: list[Residuals] = []
    for name, module in PARTS.items():
        try:
            points = module.observe(found)
            parts[name] = _part(name, module, points, chosen)
            residuals += module.residuals(parts[name], points)
        except Absent as reason:
            absent[name] = str(reason)
    if not parts:
        raise CosimError(f"nothing of a cell's model can be fitted to these data ({_reasons(absent)})")
    errors = errors_of(residuals)
    domain = {"temperature": (found.config.temperature, found.config.temperature)}
    for part in parts.values():
        domain |= part.domain
    window = found.window if np.isfinite(found.window).all() else domain["iv_conductance"]  # of loops alone
    return CellModel(
        config=found.config,
        form=chosen,
        parameters={key: each for part in parts.values() for key, each in part.parameters.items()},
        error=next(iter(errors.values())),
        errors=errors,
        domain=Domain(domain),
        settings=settings_of(parts, absent, window, found.limits, found.v_read),
        provenance=found.origin(),
    )


def _reasons(absent: Mapping[str, str]) -> str:
    """Why each part is absent; those whose data are there at all where there are any."""
    there = {name: reason for name, reason in absent.items() if not reason.startswith(NOT_THERE)}
    return "; ".join(f"{name}: {reason}" for name, reason in (there or absent).items())


def _part(name: str, module: ModuleType, points: Any, form: str) -> Part:
    """The part's law of the form; of "best" the one of lowest BIC among those that the data can tell."""
    named = FORM_LAWS.get(form, {}).get(name)
    reasons: list[str] = []
    candidates: list[Part] = []
    for law in named or module.LAWS:
        try:
            candidates.append(module.fit_law(points, law))
        except Absent as reason:
            reasons.append(str(reason))
        if named and candidates:
            break
    if not candidates:
        raise Absent(reasons[0])
    lowest = min(each.bic for each in candidates)
    best = next(each for each in candidates if each.bic <= lowest + _NO_EVIDENCE)
    compared = {each.law: round(each.bic, 2) for each in candidates}
    return Part(best.law, best.parameters, best.bic, best.domain, {**best.settings, "bic": compared})


def residuals(model: CellModel, data: xr.Dataset | Sequence[xr.Dataset]) -> tuple[Residuals, ...]:
    """Model beside the data, every quantity that the model tells and the data hold."""
    found = Observations(data, allow_failed=True)
    rows: list[Residuals] = []
    for name, module in PARTS.items():
        if name in model.laws:
            try:
                rows += module.residuals(model.part(name), module.observe(found))
            except Absent:
                continue  # the model has more parts than these data
    return tuple(rows)
