"""Fitting the crossbar's resistances and V_0 to a characterisation, and judging them on arrays and vectors unseen.

Arrays with even numbers and, of these, vectors with even numbers are fitted. The odd vectors of the same arrays are
the unseen vectors; the arrays with odd numbers have unseen weights (and unseen vectors). Every array and every vector
is drawn anew, so none is a neighbour of another. Intervals are by the jackknife over the fitted arrays, whose currents
hang together; from the residuals, as if these were independent, where there is one array only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy import stats
from scipy.optimize import least_squares

from cosim.blocks.crossbar.behaviour import FORMS, QUANTITIES, RESISTANCES, Comparison, CrossbarModel
from cosim.blocks.crossbar.config import CrossbarConfig
from cosim.blocks.crossbar.elimination import effective_conductance
from cosim.blocks.crossbar.sinh import odd_power_coefficients, odd_power_currents
from cosim.blocks.dataset import config_of, origin_of
from cosim.blocks.fitted import chosen_form, refuse_failed, stored_config
from cosim.blocks.model import Domain, Parameter
from cosim.blocks.regression import jackknife
from cosim.blocks.residuals import Residuals, errors_of
from cosim.errors import CosimError

Array = NDArray[np.float64]

ERROR_LIMIT = 5e-4  # sinh cells, rms relative to full scale
LINEAR_ERROR_LIMIT = 1e-6  # linear cells, the same; what the simulator's own arithmetic leaves is below 1e-9
PARTS = ("seen", "unseen_vectors", "unseen_weights")
SPLIT = "vectors with odd numbers of the arrays with even numbers, and all of the arrays with odd numbers"

# Where the search starts: far from the configured values, so that it is the data that say them.
_START = {"r_wire_row": 5.0, "r_wire_column": 5.0, "r_driver": 30.0, "r_clamp": 30.0, "v_0": 1.0, "gain": 0.5}
_UNITS = {**dict.fromkeys(RESISTANCES, "ohm"), "v_0": "V", "gain": "1"}
_DESCRIPTIONS = {
    "r_wire_row": "resistance of one segment of a word line",
    "r_wire_column": "resistance of one segment of a bit line",
    "r_driver": "resistance of a word line's driver",
    "r_clamp": "input resistance of a bit line's clamp",
    "v_0": "voltage of the cells' sinh law, with what the polynomial leaves out",
    "gain": "currents of sinh cells over those of linear ones",
}


def fit(
    data: xr.Dataset,
    *,
    allow_failed: bool = False,
    form: str | None = None,
    limit: float = ERROR_LIMIT,
    linear_limit: float = LINEAR_ERROR_LIMIT,
) -> CrossbarModel:
    """Fit the model of `behaviour` to a data set of `characterise`.

    The four resistances are fitted to the arrays of linear cells, then V_0 (or the gain, by `form` of
    `behaviour.FORMS`) to those of sinh cells.

    Raises CosimError when too little is there to fit and to judge, or when points failed and `allow_failed` is not
    set.
    """
    form = chosen_form(form, FORMS)
    if "current" not in data:
        raise CosimError("a model is fitted to currents, which this data set does not hold", key="measurements")
    if data["current"].dims != ("law", "array", "vector", "column"):
        raise CosimError(
            "a model holds for one condition, and this data set has several",
            key="current", value=data["current"].dims, allowed="law, array, vector, column",
        )  # fmt: skip
    simulated = _simulated(data)
    failed = max(int((~simulated).sum()), _stated_failures(data))
    refuse_failed(failed, simulated.size, "sweeps", allow_failed)
    config = stored_config(data, CrossbarConfig)
    v_g = float(config_of(data)["v_g"])
    sweeps = _sweeps(data)
    for cell in QUANTITIES:
        numbers = [each.number for each in sweeps if each.cell == cell]
        if len({number % 2 for number in numbers}) < 2:
            raise CosimError(
                f"the data set must hold at least two arrays of {cell} cells, one to fit and one to judge the fit",
                key="arrays", value=len(numbers), allowed="2 or more, of even and of odd number",
            )  # fmt: skip
    linear = [each for each in sweeps if each.cell == "linear"]
    sinh = [each for each in sweeps if each.cell == "sinh"]
    parameters = _fit(RESISTANCES, linear, lambda sweep, values: _linear_currents(sweep, values.tolist()))
    resistances = tuple(_number(parameters[name]) for name in RESISTANCES)
    if form == "linear":
        plain = {each.number: _linear_currents(each, resistances) for each in sinh}
        parameters |= _fit(("gain",), sinh, lambda sweep, values: values[0] * plain[sweep.number])
    else:
        parameters |= _fit(
            ("v_0",), sinh,
            lambda sweep, values: _sinh_currents(sweep, resistances, float(values[0]), v_g, config.v_read),
        )  # fmt: skip
    comparison = _compare(sweeps, parameters, v_g, config.v_read)
    errors = errors_of(_residuals(comparison, form, {"sinh": limit, "linear": linear_limit}))
    return CrossbarModel(
        config=config,
        form=form,
        parameters=parameters,
        v_g=v_g,
        errors=errors,
        domain=_domain(sweeps),
        parts={cell: {part: _size(comparison, cell, part) for part in PARTS} for cell in ("linear", "sinh")},
        provenance=origin_of(data),
    )


def compare(model: CrossbarModel, data: xr.Dataset) -> Comparison:
    """The model's prediction for every simulated current of a data set."""
    return _compare(_sweeps(data), model.parameters, model.v_g, model.config.v_read)


def residuals(model: CrossbarModel, data: xr.Dataset) -> tuple[Residuals, ...]:
    """What the model's stated errors come from: currents of sinh and of linear cells, relative to full scale."""
    limits = {cell: model.errors[quantity].limit for cell, quantity in QUANTITIES.items()}
    return _residuals(compare(model, data), model.form, limits)


def _residuals(comparison: Comparison, form: str, limits: Mapping[str, float]) -> tuple[Residuals, ...]:
    found = []
    for cell, quantity in QUANTITIES.items():
        chosen = comparison.cells == cell
        simulated, error, part = (
            each[chosen] for each in (comparison.simulated, comparison.error, comparison.part)
        )  # fmt: skip
        found.append(
            Residuals(
                quantity=quantity,
                reference=simulated,
                predicted=simulated + error,
                error=error,
                unit="of full scale",
                held_out=part != "seen",
                x=simulated,
                x_label="simulated current [of full scale]",
                limit=limits[cell],
                split=SPLIT,
                parameters=len(RESISTANCES) + (cell == "sinh"),
                part=np.char.replace(part, "_", " "),
            )
        )
    return tuple(found)


def _compare(sweeps: list[_Sweep], parameters: Mapping[str, Parameter], v_g: float, v_read: float) -> Comparison:
    resistances = tuple(_number(parameters[name]) for name in RESISTANCES)
    cells, parts, simulated, errors = [], [], [], []
    for sweep in sweeps:
        if sweep.cell == "sinh" and "v_0" in parameters:
            predicted = _sinh_currents(sweep, resistances, _number(parameters["v_0"]), v_g, v_read)
        else:
            predicted = _linear_currents(sweep, resistances)
            if sweep.cell == "sinh":
                predicted *= _number(parameters["gain"])
        cells.append(np.full(predicted.size, sweep.cell))
        parts.append(np.broadcast_to(sweep.parts[:, None], predicted.shape).ravel())
        simulated.append((sweep.currents / sweep.full_scale).ravel())
        errors.append(((predicted - sweep.currents) / sweep.full_scale).ravel())
    return Comparison(*(np.concatenate(each) for each in (cells, parts, simulated, errors)))


@dataclass(frozen=True)
class _Sweep:
    """One simulated array: conductances (rows, columns), voltages (vectors, rows), currents (vectors, columns)."""

    number: int
    cell: str
    conductances: Array
    voltages: Array
    currents: Array

    @property
    def full_scale(self) -> float:
        return float(np.abs(self.currents).max())

    @property
    def parts(self) -> NDArray[np.str_]:
        """Part of the data that each vector belongs to, shape (vectors,)."""
        if self.number % 2:
            return np.full(len(self.voltages), "unseen_weights")
        return np.where(np.arange(len(self.voltages)) % 2 == 0, "seen", "unseen_vectors")


def _sweeps(data: xr.Dataset) -> list[_Sweep]:
    sweeps = []
    good = _simulated(data)
    for kind, law in enumerate(data["law"].values):
        for number in np.flatnonzero(good[kind]):
            rows, columns = int(data["rows"].values[number]), int(data["columns"].values[number])
            sweeps.append(
                _Sweep(
                    int(number),
                    str(law),
                    data["conductance"].values[number, :rows, :columns],
                    data["voltage"].values[number, :, :rows],
                    data["current"].values[kind, number, :, :columns],
                )
            )
    return sweeps


def _simulated(data: xr.Dataset) -> NDArray[np.bool_]:
    """Which sweeps have all their currents, shape (law, array); a failed one has none."""
    found = np.isfinite(data["current"].values)
    inside = np.arange(found.shape[3]) < data["columns"].values[:, None, None]
    return np.asarray((found | ~inside).all(axis=(2, 3)) & bool(found.shape[2]))


def _stated_failures(data: xr.Dataset) -> int:
    """How many sweeps of currents the data set itself says to have failed."""
    if "measurement" not in data.variables:
        return 0
    return int(np.count_nonzero(data["status"].values[data["measurement"].values == "currents"]))


def _linear_currents(sweep: _Sweep, resistances: Sequence[float]) -> Array:
    row, column, driver, clamp = (float(each) for each in resistances)
    return np.asarray(sweep.voltages @ effective_conductance(sweep.conductances, row, column, driver, clamp))


def _sinh_currents(sweep: _Sweep, resistances: tuple[float, ...], v_0: float, v_g: float, v_read: float) -> Array:
    row, column, driver, clamp = resistances
    coefficients = odd_power_coefficients(
        sweep.conductances, row, column, driver, clamp, v_0=v_0, v_g=v_g, v_read=v_read
    )
    return odd_power_currents(sweep.voltages, coefficients)


def _fit(
    names: tuple[str, ...], sweeps: list[_Sweep], currents: Callable[[_Sweep, Array], Array]
) -> dict[str, Parameter]:
    """Least squares of the named parameters over the seen vectors of the even arrays; all are positive."""
    seen = [each for each in sweeps if each.number % 2 == 0]
    scales = np.array([_START[name] for name in names])
    lowest = 0.05 if names == ("v_0",) else 0.0

    def solve(chosen: list[_Sweep], start: Array) -> Any:
        def error_of(scaled: Array) -> Array:
            parts = []
            for sweep in chosen:
                error = (currents(sweep, scaled * scales) - sweep.currents) / sweep.full_scale
                parts.append(error[sweep.parts == "seen"].ravel())
            return np.concatenate(parts)

        found = least_squares(error_of, start, bounds=(lowest, np.inf), ftol=1e-15, xtol=1e-12, gtol=1e-15)
        if not found.success:
            raise CosimError(f"the fit did not converge: {found.message}")
        return found

    found = solve(seen, np.ones(len(names)))
    if len(seen) > 1:
        estimate = jackknife(
            lambda mask: solve([seen[k] for k in np.flatnonzero(mask)], found.x).x, np.arange(len(seen))
        )
        low, high = estimate.low, estimate.high
    else:
        freedom = len(found.fun) - len(found.x)
        covariance = np.linalg.pinv(found.jac.T @ found.jac) * (found.fun @ found.fun) / freedom
        reach = stats.t.ppf(0.975, freedom) * np.sqrt(np.diag(covariance))
        low, high = found.x - reach, found.x + reach
    return {
        name: Parameter(float(value * scale), _UNITS[name], float(a * scale), float(b * scale), _DESCRIPTIONS[name])
        for name, value, a, b, scale in zip(names, found.x, low, high, scales, strict=True)
    }


def _size(comparison: Comparison, cell: str, part: str) -> dict[str, Any]:
    error = comparison.error[(comparison.cells == cell) & (comparison.part == part)]
    return {
        "rms": float(np.sqrt(np.mean(error**2))),
        "maximum": float(np.abs(error).max()),
        "points": int(error.size),
    }


def _number(parameter: Parameter) -> float:
    assert isinstance(parameter.value, float)
    return parameter.value


def _domain(sweeps: list[_Sweep]) -> Domain:
    shapes = np.array([each.conductances.shape for each in sweeps])
    voltage = max(float(np.abs(each.voltages).max()) for each in sweeps)
    return Domain(
        {
            "rows": (int(shapes[:, 0].min()), int(shapes[:, 0].max())),
            "columns": (int(shapes[:, 1].min()), int(shapes[:, 1].max())),
            "conductance": (
                min(float(each.conductances.min()) for each in sweeps),
                max(float(each.conductances.max()) for each in sweeps),
            ),
            "voltage": (-voltage, voltage),
        }
    )
