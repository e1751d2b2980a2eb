"""Fitting the ramp-ADC model to a characterisation, and judging it on chips that the fit did not see."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy import stats
from scipy.optimize import least_squares

from cosim.blocks.dataset import config_of, deck_hashes, failed_points
from cosim.blocks.model import Domain, ModelError, Parameter
from cosim.blocks.ramp_adc.behaviour import DESCRIPTIONS, TRIP_PARAMETERS, UNITS, RampAdcModel, trip_points
from cosim.blocks.ramp_adc.config import RampAdcConfig
from cosim.blocks.ramp_adc.design import column_levels
from cosim.blocks.ramp_adc.functions import get_function
from cosim.errors import CosimError
from cosim.provenance import provenance, sha256_of_json

Array = NDArray[np.float64]

ERROR_LIMIT = 0.02  # [LSB] rms; the share of differing codes is about the mean absolute threshold error in LSB
# Sizes of the fitted quantities, so that least squares sees numbers of order one.
_SCALES = {"gbw": 1e9, "a": 1e-3, "b": 1e-3, "c": 1e-2, "l0": 1e-2, "l1": 1e-1, "l2": 1.0}


@dataclass(frozen=True)
class Comparison:
    """Thresholds of the data set's chips as simulated and as the model predicts.

    Attributes
    ----------
    measured, predicted: above V_CLP [V], shape (samples, thresholds).
    error: predicted - measured [LSB of the output], same shape.
    held_out: samples of chips that the fit did not see, shape (samples,).
    """

    measured: Array
    predicted: Array
    error: Array
    held_out: NDArray[np.bool_]


def fit(data: xr.Dataset, *, allow_failed: bool = False, limit: float = ERROR_LIMIT) -> RampAdcModel:
    """Fit the model of `behaviour` to a data set of `characterise`.

    The chips with even numbers are fitted, at all their read voltages; those with odd numbers judge. The nominal chip
    and the fixed reference ramp are left out of both. Raises CosimError when too few chips are there, or when points
    failed and `allow_failed` is not set.
    """
    failed = failed_points(data)
    if failed and not allow_failed:
        raise CosimError(
            f"{failed} of {data.sizes['sample']} samples of this data set failed; a fit without them may be biased"
            " (--allow-failed fits the rest)"
        )
    config = RampAdcConfig(
        **{key: value for key, value in config_of(data).items() if key in RampAdcConfig.model_fields}
    )
    usable = (data["ramp"].values == "column") & (data["chip"].values >= 0) & (data["status"].values == 0)
    chosen = usable & (data["chip"].values % 2 == 0)
    if len(set(data["chip"].values[chosen].tolist())) < 2 or not (usable & ~chosen).any():
        raise CosimError(
            "the data set must hold at least two chips to fit and one to judge the fit",
            key="chips",
            value=len(set(data["chip"].values[usable].tolist())),
            allowed="4 or more",
        )
    points = _Points(data, config)
    names = ["gbw", *TRIP_PARAMETERS]
    scales = np.array([_SCALES[name] for name in names])
    start = np.array([3e9, 0, 0, 0, 0, 0, 0]) / scales  # a wrong bandwidth: the data have to say it

    def residuals(scaled: Array) -> Array:
        return points.error(scaled * scales, chosen).ravel()

    found = least_squares(residuals, start, x_scale="jac")
    if not found.success:
        raise CosimError(f"the fit did not converge: {found.message}")
    low, high = _intervals(found, scales)
    parameters = {
        name: _parameter(name, float(value), float(a), float(b))
        for name, value, a, b in zip(names, found.x * scales, low, high, strict=True)
    }
    parameters |= _statistics(data)
    held_out = usable & ~chosen
    error = points.error(found.x * scales, held_out)
    return RampAdcModel(
        config=config,
        ramp_target=data["target_conductance"].values,
        bias_target=data["target_bias"].values,
        bias_sign=int(config_of(data)["bias_sign"]),
        gain=float(config_of(data)["gain"]),
        parameters=parameters,
        error=ModelError(
            rms=float(np.sqrt(np.mean(error**2))),
            maximum=float(np.abs(error).max()),
            unit="LSB",
            points=int(error.size),
            limit=limit,
            held_out="all thresholds of the chips with odd numbers, at each V_read",
        ),
        domain=_domain(data, usable),
        provenance=_provenance(data, failed),
    )


def compare(model: RampAdcModel, data: xr.Dataset) -> Comparison:
    """The model's prediction for each sample of a data set with a memristor ramp (NaN elsewhere)."""
    points = _Points(data, model.config)
    values = np.array([model.value(name) for name in ("gbw", *TRIP_PARAMETERS)])
    column = data["ramp"].values == "column"
    predicted = np.where(column[:, None], points.predict(values, np.ones(len(column), bool)), np.nan)
    held_out = column & (data["chip"].values >= 0) & (data["chip"].values % 2 == 1)
    measured = data["threshold"].values
    return Comparison(measured, predicted, (predicted - measured) / points.lsb, held_out)


class _Points:
    """The numbers of a data set that the fit works on."""

    def __init__(self, data: xr.Dataset, config: RampAdcConfig) -> None:
        self.config = config
        self.sign = int(config_of(data)["bias_sign"])
        self.ramp = data["ramp_conductance"].values
        self.bias = data["bias_conductance"].values
        self.offset = data["comparator_offset"].values
        self.v_read = data["v_read"].values
        self.measured = data["threshold"].values
        function = get_function(config.function)
        step = (function.high - function.low) / (1 << config.bits)
        self.lsb = data["gain"].values[:, None] * step / function.slope(data["ideal_threshold"].values)

    def predict(self, values: Array, which: NDArray[np.bool_]) -> Array:
        """Thresholds [V] for parameter values (gbw, a, b, c, l0, l1, l2)."""
        levels = column_levels(self.ramp[which], self.bias[which], self.sign, self.config, gbw=float(values[0]))
        levels = levels * (self.v_read[which] / self.config.v_read)[:, None]
        return trip_points(levels, self.offset[which], values[1:])

    def error(self, values: Array, which: NDArray[np.bool_]) -> Array:
        """Predicted minus simulated thresholds [LSB], shape (chosen samples, thresholds)."""
        return np.asarray((self.predict(values, which) - self.measured[which]) / self.lsb[which])


def _intervals(found: Any, scales: Array) -> tuple[Array, Array]:
    """95 % confidence intervals from the Jacobian: the residuals' variance times inv(J^T J), Student's t."""
    freedom = len(found.fun) - len(found.x)
    covariance = np.linalg.pinv(found.jac.T @ found.jac) * (found.fun @ found.fun) / freedom
    reach = stats.t.ppf(0.975, freedom) * np.sqrt(np.diag(covariance))
    return (found.x - reach) * scales, (found.x + reach) * scales


def _parameter(name: str, value: float, low: float | None = None, high: float | None = None) -> Parameter:
    return Parameter(value, UNITS[name], low, high, DESCRIPTIONS[name])


def _statistics(data: xr.Dataset) -> dict[str, Parameter]:
    """Offset statistics over the chips (Student's t and chi-squared intervals), mean energies of the nominal V_read."""
    config = config_of(data)
    chips = (data["chip"].values >= 0) & (data["ramp"].values == "column") & (data["status"].values == 0)
    chips &= np.isclose(data["v_read"].values, config["v_read"])
    offsets = data["comparator_offset"].values[chips]
    count, mean, sigma = len(offsets), offsets.mean(), offsets.std(ddof=1)
    reach = stats.t.ppf(0.975, count - 1) * sigma / np.sqrt(count)
    ends = sigma * np.sqrt((count - 1) / stats.chi2.ppf([0.975, 0.025], count - 1))
    parameters = {
        "offset_mean": _parameter("offset_mean", float(mean), float(mean - reach), float(mean + reach)),
        "offset_sigma": _parameter("offset_sigma", float(sigma), float(ends[0]), float(ends[1])),
    }
    for name in ("comparator_energy", "ramp_energy"):
        parameters[name] = _parameter(name, float(np.mean(data[name].values[chips])))
    return parameters


def _domain(data: xr.Dataset, usable: NDArray[np.bool_]) -> Domain:
    offsets = data["comparator_offset"].values[usable]
    # A normal variable is drawn beyond the seen extremes now and then; the model is linear in the offset.
    reach = 4.0 * offsets.std()
    return Domain(
        {
            "v_read": (float(data["v_read"].values[usable].min()), float(data["v_read"].values[usable].max())),
            "offset": (float(offsets.mean() - reach), float(offsets.mean() + reach)),
        }
    )


def _provenance(data: xr.Dataset, failed: int) -> dict[str, Any]:
    hashes = deck_hashes(data)
    return provenance(
        data_set={
            "created": data.attrs["created"],
            "simulator": data.attrs["simulator"],
            "solver": data.attrs["solver"],
            "seed": data.attrs["seed"],
            "samples": int(data.sizes["sample"]),
            "failed": failed,
            "decks": len(hashes),
            "decks_sha256": sha256_of_json(list(hashes)),
        },
        device={"name": data.attrs["device"], "sha256": data.attrs["device_sha256"]},
    )
