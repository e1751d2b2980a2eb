"""Fitting the ramp-ADC model to a characterisation, and judging it on chips that the fit did not see."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy import stats

from cosim.blocks.dataset import config_of, failed_points, origin_of
from cosim.blocks.model import Domain, ModelError, Parameter
from cosim.blocks.ramp_adc.behaviour import DESCRIPTIONS, TRIP_PARAMETERS, UNITS, RampAdcModel, trip_points, trip_terms
from cosim.blocks.ramp_adc.config import RampAdcConfig
from cosim.blocks.ramp_adc.design import Signs, column_levels
from cosim.blocks.ramp_adc.functions import lsb_at_thresholds
from cosim.errors import CosimError

Array = NDArray[np.float64]

OFFSET_REACH = 6.0  # standard deviations of an offset around its mean that the model's domain holds
ERROR_LIMIT = 0.02  # [LSB] rms; the share of differing codes is about the mean absolute threshold error in LSB


NEEDED = {
    "comparator_offset": "the static offset of the comparator",
    "ramp_conductance": "the conductances of the ramp cells",
    "bias_conductance": "the conductances of the bias cells",
}
"""Variables that the fit cannot do without -> what they are."""


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
    if "c_fb" in data.coords:
        usable &= np.isclose(data["c_fb"].values, config.c_fb, rtol=1e-9, atol=0.0)
    _check_known(data, usable)
    chosen = usable & (data["chip"].values % 2 == 0)
    if len(set(data["chip"].values[chosen].tolist())) < 2 or not (usable & ~chosen).any():
        raise CosimError(
            "the data set must hold at least two chips to fit and one to judge the fit",
            key="chips",
            value=len(set(data["chip"].values[usable].tolist())),
            allowed="4 or more",
        )
    points = _Points(data, config)
    values = points.solve(chosen)
    low, high = _intervals(points, data["chip"].values, chosen, values)
    parameters = {
        name: _parameter(name, float(value), float(a), float(b))
        for name, value, a, b in zip(TRIP_PARAMETERS, values, low, high, strict=True)
    }
    parameters |= _statistics(data)
    held_out = usable & ~chosen
    error = points.error(values, held_out)
    return RampAdcModel(
        config=config,
        ramp_target=data["target_conductance"].values,
        bias_target=data["target_bias"].values,
        bias_sign=_nominal_sign(data),
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
        domain=_domain(data, usable, parameters),
        provenance=origin_of(data),
        pulse=_pulse(data, config),
    )


def _nominal_sign(data: xr.Dataset) -> Signs:
    stated = config_of(data)["bias_sign"]
    return np.array(stated) if isinstance(stated, list) else int(stated)


def _pulse(data: xr.Dataset, config: RampAdcConfig) -> Array | None:
    """Read pulses of the ramp cells as shares of `t_pulse`; None where they are all whole."""
    if "target_pulse" not in data.coords:
        return None
    shares = data["target_pulse"].values / config.t_pulse
    return None if np.allclose(shares, 1.0, rtol=1e-9) else np.exp2(np.rint(np.log2(shares)))


def _check_known(data: xr.Dataset, usable: NDArray[np.bool_]) -> None:
    """What the fit rests on must be known of every chip; measured data may lack it."""
    for name, what in NEEDED.items():
        values = data[name].values[usable]
        unknown = np.isnan(values).any(axis=tuple(range(1, values.ndim)))
        if unknown.any():
            raise CosimError(
                f"the fit needs {what} of every chip; it is not known of {unknown.sum()} of {len(unknown)} samples",
                key=name,
                allowed=f"a column for it in the description of the measured data ({name}), or a SPICE data set",
            )


def compare(model: RampAdcModel, data: xr.Dataset) -> Comparison:
    """The model's prediction for each sample of a data set with a memristor ramp (NaN elsewhere)."""
    points = _Points(data, model.config)
    values = np.array([model.value(name) for name in TRIP_PARAMETERS])
    column = data["ramp"].values == "column"
    predicted = np.where(column[:, None], points.predict(values, np.ones(len(column), bool)), np.nan)
    held_out = column & (data["chip"].values >= 0) & (data["chip"].values % 2 == 1)
    measured = data["threshold"].values
    return Comparison(measured, predicted, (predicted - measured) / points.lsb, held_out)


class _Points:
    """The numbers of a data set that the fit works on."""

    def __init__(self, data: xr.Dataset, config: RampAdcConfig) -> None:
        self.config = config
        self.sign: Signs = _nominal_sign(data)
        # Chips that were calibrated have signs of their own.
        self.signs = data["bias_sign"].values.astype(np.int64) if "bias_sign" in data else None
        self.pulse = _pulse(data, config)
        self.ramp = data["ramp_conductance"].values
        self.bias = data["bias_conductance"].values
        self.offset = data["comparator_offset"].values
        self.v_read = data["v_read"].values
        self.c_fb = data["c_fb"].values if "c_fb" in data.coords else np.full(len(self.v_read), config.c_fb)
        self.measured = data["threshold"].values
        self.lsb = data["gain"].values[:, None] * lsb_at_thresholds(config.activation, config.bits)

    def levels(self, which: NDArray[np.bool_]) -> Array:
        """Ramp levels that follow from the conductances [V], shape (chosen samples, thresholds)."""
        levels = np.empty((int(which.sum()), self.ramp.shape[1] + 1))
        c_fb = self.c_fb[which]
        for value in np.unique(c_fb):
            mine = c_fb == value
            config = self.config.model_copy(update={"c_fb": float(value)})
            sign = self.sign if self.signs is None else self.signs[which][mine]
            levels[mine] = column_levels(self.ramp[which][mine], self.bias[which][mine], sign, config, self.pulse)
        return levels * (self.v_read[which] / self.config.v_read)[:, None]

    def predict(self, values: Array, which: NDArray[np.bool_]) -> Array:
        """Thresholds [V] for values of `TRIP_PARAMETERS`."""
        return trip_points(self.levels(which), self.offset[which], values)

    def error(self, values: Array, which: NDArray[np.bool_]) -> Array:
        """Predicted minus simulated thresholds [LSB], shape (chosen samples, thresholds)."""
        return np.asarray((self.predict(values, which) - self.measured[which]) / self.lsb[which])

    def solve(self, which: NDArray[np.bool_]) -> Array:
        """Least squares in LSB; the model is linear in its parameters."""
        levels = self.levels(which)
        weight = 1.0 / self.lsb[which]
        columns = [(term * weight).ravel() for term in trip_terms(levels)]
        wanted = (self.measured[which] - levels - self.offset[which][:, None]) * weight
        return np.asarray(np.linalg.lstsq(np.stack(columns, axis=1), wanted.ravel(), rcond=None)[0])


def _intervals(
    points: _Points, chips: NDArray[np.int64], chosen: NDArray[np.bool_], values: Array
) -> tuple[Array, Array]:
    """95 % intervals by the jackknife over chips: the fit is repeated without each of them.

    Residuals of one chip hang together along the code, so an interval from the residuals as if they were independent
    is about half as wide as it should be.
    """
    numbers = sorted(set(chips[chosen].tolist()))
    without = np.array([points.solve(chosen & (chips != number)) for number in numbers])
    count = len(numbers)
    variance = (count - 1) / count * ((without - without.mean(axis=0)) ** 2).sum(axis=0)
    reach = stats.t.ppf(0.975, count - 1) * np.sqrt(variance)
    return values - reach, values + reach


def _parameter(name: str, value: float, low: float | None = None, high: float | None = None) -> Parameter:
    return Parameter(value, UNITS[name], low, high, DESCRIPTIONS[name])


def _statistics(data: xr.Dataset) -> dict[str, Parameter]:
    """Offset statistics (chi-squared interval of sigma), mean energies of the chips at the nominal V_read."""
    config = config_of(data)
    chips = (data["chip"].values >= 0) & (data["ramp"].values == "column") & (data["status"].values == 0)
    chips &= np.isclose(data["v_read"].values, config["v_read"])
    offsets = data["comparator_offset"].values[chips]
    # The comparator without mismatch says the mean exactly; the sample's mean would be off by sigma / sqrt(chips).
    nominal = (data["chip"].values == -1) & np.isclose(data["v_read"].values, config["v_read"])
    mean = data["comparator_offset"].values[nominal][0] if nominal.any() else offsets.mean()
    count, sigma = len(offsets), offsets.std(ddof=1)
    ends = sigma * np.sqrt((count - 1) / stats.chi2.ppf([0.975, 0.025], count - 1))
    parameters = {
        "offset_mean": _parameter("offset_mean", float(mean)),
        "offset_sigma": _parameter("offset_sigma", float(sigma), float(ends[0]), float(ends[1])),
    }
    noise = float(data["comparator_noise"]) if "comparator_noise" in data else np.nan
    if np.isfinite(noise):
        parameters["comparator_noise"] = _parameter("comparator_noise", noise)
    for name in ("comparator_energy", "ramp_energy"):
        energies = data[name].values[chips]
        if np.isfinite(energies).all():  # where the energy was not measured, the model states none
            parameters[name] = _parameter(name, float(np.mean(energies)))
    return parameters


def _domain(data: xr.Dataset, usable: NDArray[np.bool_], parameters: dict[str, Parameter]) -> Domain:
    v_read = data["v_read"].values[usable]
    cells = np.concatenate([data[name].values[usable].ravel() for name in ("ramp_conductance", "bias_conductance")])
    # Offsets reach some two sigma in a data set; the model is linear in them, so all that `draw_offsets` gives
    # passes: one comparator in 5e8 is beyond six sigma.
    mean, sigma = parameters["offset_mean"].value, parameters["offset_sigma"].value
    assert isinstance(mean, float) and isinstance(sigma, float)
    offsets = data["comparator_offset"].values[usable]
    return Domain(
        {
            "v_read": (float(v_read.min()), float(v_read.max())),
            "offset": (
                min(float(offsets.min()), mean - OFFSET_REACH * sigma),
                max(float(offsets.max()), mean + OFFSET_REACH * sigma),
            ),
            # Programming errors are additive, so another chip's cells leave the seen range by a few sigma.
            "conductance": (float(max(cells.min() * 0.5, 0.0)), float(cells.max() * 1.1)),
        }
    )
