"""Candidate laws of how far a comparator's threshold lies from the ramp's level, and what they are made of.

lag     two stages of first order that saturate (`lag`); the static offset goes with the common mode as V_os(L)
terms   an expansion in level and step, s_k = L_k - L_{k-1} (0 for the first level, which has settled):
            T_k = L_k + V_os + a + b L_k + s_k (l0 + l1 L_k + l2 s_k)
        a, b: overdrive to trip within a clock, and its dependence on the common mode; l0, l1, l2: lag behind the
        staircase. It knows nothing of the steps before, of the clock or of the conductances that were not seen
offset  one constant overdrive a: what is left when the lag is not modelled

A law's parameters are few numbers; each may depend on corner, temperature and supply (`conditions`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cosim.blocks.ramp_adc.config import RampAdcConfig
from cosim.blocks.ramp_adc.lag import lags
from cosim.blocks.ramp_adc.periods import Periods

Array = NDArray[np.float64]

FORMS = {
    "lag": "two saturating stages of first order that remember the steps before: four numbers over the common mode",
    "terms": "an expansion in level and step: a + b L + s (l0 + l1 L + l2 s)",
    "offset": "one constant overdrive",
}
SHIFTS = 4  # nodes of V_os(L) - V_os(0) where offsets are known at V_CLP only


def trip_terms(levels: Array) -> tuple[Array, ...]:
    """What a, b, l0, l1, l2 multiply in the form `terms`; each of the shape of `levels` [V]."""
    step = np.diff(levels, axis=-1, prepend=levels[..., :1])
    return np.ones_like(levels), levels, step, step * levels, step**2


def trip_points(levels: Array, offset: Array | float, trip: Array) -> Array:
    """Thresholds above V_CLP [V] by the form `terms` from ramp levels (..., thresholds) [V].

    `offset` broadcasts against the levels without their last axis; `trip` holds a, b, l0, l1, l2.
    """
    terms = trip_terms(levels)
    return np.asarray(
        levels + np.asarray(offset)[..., None] + sum(c * term for c, term in zip(trip, terms, strict=True))
    )


@dataclass(frozen=True)
class Quantity:
    """One number of a law.

    Attributes
    ----------
    start: where a fit begins. scale: how far it is expected to be off; a number that the data do not determine stays
        near its start (of a positive one both are of its logarithm).
    positive: it enters as exp(...), so that it stays positive under all conditions.
    """

    name: str
    unit: str
    description: str
    start: float
    scale: float
    positive: bool = False


def _lag_quantities(config: RampAdcConfig) -> tuple[Quantity, ...]:
    # Stages that settle a few times within a clock, 6 mV and half a millivolt at the input: gains of some 100 and 2000.
    tau = config.t_clock / 5.0
    return (
        Quantity("tau_1", "s", "time constant of the first stage", float(np.log(tau)), 0.5, True),
        Quantity("tau_1_l", "1/V", "its logarithm's slope with the common mode", 0.0, 1.0),
        Quantity("tau_1_ll", "1/V^2", "and curvature", 0.0, 4.0),
        Quantity("reach_1", "V", "input at which the first stage saturates", float(np.log(6e-3)), 0.5, True),
        Quantity("reach_1_l", "1/V", "its logarithm's slope with the common mode", 0.0, 1.0),
        Quantity("reach_1_ll", "1/V^2", "and curvature", 0.0, 4.0),
        Quantity("tau_2", "s", "time constant of the second stage", float(np.log(2 * tau)), 0.5, True),
        Quantity("tau_2_l", "1/V", "its logarithm's slope with the common mode", 0.0, 1.0),
        Quantity("tau_2_ll", "1/V^2", "and curvature", 0.0, 4.0),
        Quantity("reach_2", "V", "input at which the second stage saturates", float(np.log(3e-4)), 0.5, True),
        Quantity("reach_2_l", "1/V", "its logarithm's slope with the common mode", 0.0, 1.0),
        Quantity("reach_2_ll", "1/V^2", "and curvature", 0.0, 4.0),
    )


_TERMS = (
    Quantity("a", "V", "overdrive to trip within a clock", 0.0, 1e-3),
    Quantity("b", "1", "its dependence on the common mode", 0.0, 1e-2),
    Quantity("l0", "1", "lag of the comparator, as a share of the step", 0.0, 0.1),
    Quantity("l1", "1/V", "its dependence on the common mode", 0.0, 1.0),
    Quantity("l2", "1/V", "its dependence on the step", 0.0, 1.0),
)


@dataclass(frozen=True)
class Law:
    """A form with its numbers.

    Attributes
    ----------
    lag: (periods, values of `quantities`, config) -> T - L - V_os(L) or T - L - V_os [V], (..., thresholds).
    by_common_mode: the static offset is taken at the ramp's level, not at V_CLP.
    """

    form: str
    quantities: tuple[Quantity, ...]
    lag: Callable[[Periods, Array, RampAdcConfig], Array]
    by_common_mode: bool

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(each.name for each in self.quantities)


def law_of(form: str, config: RampAdcConfig) -> Law:
    """The law of a form of `FORMS`; `config` sets where its fit begins."""
    if form == "lag":
        return Law(form, _lag_quantities(config), _two_stages, True)
    if form == "terms":
        return Law(form, _TERMS, _expansion, False)
    return Law(form, _TERMS[:1], _constant, False)


def _two_stages(periods: Periods, values: Array, config: RampAdcConfig) -> Array:
    level = periods.thresholds
    laws = np.empty((*level.shape, 4))
    for number, (value, slope, curvature) in enumerate(np.reshape(values, (4, 3))):
        # Beyond e^3 of its value at V_CLP it is no stage of this comparator any more: a wild step of a search.
        laws[..., number] = value * np.exp(np.clip(level * (slope + level * curvature), -3.0, 3.0))
    return lags(periods, laws, config)


def _expansion(periods: Periods, values: Array, config: RampAdcConfig) -> Array:
    del config
    terms = trip_terms(periods.thresholds)
    return np.asarray(sum(c * term for c, term in zip(values, terms, strict=True)))


def _constant(periods: Periods, values: Array, config: RampAdcConfig) -> Array:
    del config
    return np.full(periods.thresholds.shape, values[0])
