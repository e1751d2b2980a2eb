"""The ramp ADC as a fast model: thresholds from conductances; codes from thresholds are made in `conversion`.

A chip's thresholds follow from what is physical in it. With L_k the ramp's level at clock k, from the column's
conductances (`design.column_levels`), s_k = L_k - L_{k-1} the step that leads to it (0 for the first level, which has
settled), and V_os the static offset of the comparator:

    T_k = L_k + V_os + a + b L_k + s_k (l0 + l1 L_k + l2 s_k)

a, b: the comparator needs some overdrive to trip within a clock, which depends on its common mode; l0, l1, l2: it
lags the staircase, less where its tail has more headroom, and saturates on large steps. Voltages are above V_CLP.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cosim.blocks.model import Domain, ModelError, ModelFile, Parameter, load_model_file, save_model
from cosim.blocks.ramp_adc.config import RampAdcConfig
from cosim.blocks.ramp_adc.conversion import Converter, convert
from cosim.blocks.ramp_adc.design import Signs, column_levels
from cosim.blocks.ramp_adc.functions import ActivationFunction, ideal_thresholds

__all__ = [
    "DESCRIPTIONS",
    "TRIP_PARAMETERS",
    "UNITS",
    "Converter",
    "RampAdcModel",
    "convert",
    "load_model",
    "trip_points",
    "trip_terms",
]

Array = NDArray[np.float64]

TRIP_PARAMETERS = ("a", "b", "l0", "l1", "l2")
UNITS = { "a": "V", "b": "1", "l0": "1", "l1": "1/V", "l2": "1/V",
         "offset_mean": "V", "offset_sigma": "V", "comparator_noise": "V",
         "comparator_energy": "J", "ramp_energy": "J"}  # fmt: skip
DESCRIPTIONS = {
    "a": "overdrive to trip within a clock",
    "b": "its dependence on the common mode",
    "l0": "lag of the comparator, as a share of the step",
    "l1": "its dependence on the common mode",
    "l2": "its dependence on the step",
    "offset_mean": "static offset of the comparator without mismatch",
    "offset_sigma": "standard deviation of the comparators' static offset",
    "comparator_noise": "rms noise at the input of the comparator without mismatch",
    "comparator_energy": "supply energy of one comparator in a conversion, without its bias generator",
    "ramp_energy": "energy dissipated in the cells of the ramp column in a conversion, shared by all columns",
}


def trip_points(levels: Array, offset: Array | float, trip: Array) -> Array:
    """Thresholds above V_CLP [V] from ramp levels (..., thresholds) [V]; the equation of this module.

    `offset` broadcasts against the levels without their last axis; `trip` holds a, b, l0, l1, l2.
    """
    terms = trip_terms(levels)
    return np.asarray(
        levels + np.asarray(offset)[..., None] + sum(c * term for c, term in zip(trip, terms, strict=True))
    )


def trip_terms(levels: Array) -> tuple[Array, ...]:
    """What a, b, l0, l1, l2 multiply in the equation of this module; each of the shape of `levels` [V]."""
    step = np.diff(levels, axis=-1, prepend=levels[..., :1])
    return np.ones_like(levels), levels, step, step * levels, step**2


@dataclass(frozen=True)
class RampAdcModel:
    """The fitted model of a ramp ADC.

    Attributes
    ----------
    config: what was characterised (function, bits, V_read, C_fb, pulse ...).
    ramp_target, bias_target, bias_sign, gain, pulse: the column's design (`design.ColumnDesign`), its calibration
        cells, which are not read in a column without errors, among the bias cells.
    parameters: name -> fitted value with its confidence interval; see `DESCRIPTIONS`.
    error: of thresholds of chips that the fit did not see, in LSB.
    domain: read voltage [V], comparator offset [V] and cell conductance [S] for which the stated error holds.
    """

    config: RampAdcConfig
    ramp_target: Array
    bias_target: Array
    bias_sign: Signs
    gain: float
    parameters: Mapping[str, Parameter]
    error: ModelError
    domain: Domain
    provenance: Mapping[str, Any] = field(default_factory=dict)
    pulse: Array | None = None

    def value(self, name: str) -> float:
        """A parameter's value."""
        number = self.parameters[name].value
        assert isinstance(number, float)
        return number

    @property
    def function(self) -> ActivationFunction:
        return self.config.activation

    @property
    def ideal(self) -> Array:
        """Ideal thresholds x_k in units of the MAC result, shape (thresholds,)."""
        return ideal_thresholds(self.function, self.config.bits)

    def mac_gain(self, v_read: float | None = None) -> float:
        """alpha [V]: volts per unit of the MAC result at a read voltage."""
        return self.gain * (v_read or self.config.v_read) / self.config.v_read

    def threshold_voltages(
        self, ramp: Array, bias: Array, offset: Array | float, v_read: float | None = None,
        bias_sign: Signs | None = None,
    ) -> Array:  # fmt: skip
        """Thresholds above V_CLP [V] of chips with known conductances and comparator offsets.

        `ramp` (..., cells) and `bias` (..., n) in siemens, `offset` (...) in volts, `bias_sign` (..., n) of calibrated
        chips (None: of the design); returns (..., thresholds).
        """
        v_read = v_read or self.config.v_read
        self.domain.check("v_read", v_read)
        self.domain.check("offset", offset)
        self.domain.check("conductance", np.concatenate([np.ravel(ramp), np.ravel(bias)]))
        config = self.config.model_copy(update={"v_read": v_read})
        levels = column_levels(ramp, bias, self.bias_sign if bias_sign is None else bias_sign, config, self.pulse)
        return trip_points(levels, offset, np.array([self.value(name) for name in TRIP_PARAMETERS]))

    def thresholds(
        self, ramp: Array, bias: Array, offset: Array | float, v_read: float | None = None,
        bias_sign: Signs | None = None,
    ) -> Array:  # fmt: skip
        """The same in units of the MAC result."""
        return self.threshold_voltages(ramp, bias, offset, v_read, bias_sign) / self.mac_gain(v_read)

    def draw_offsets(self, columns: int, rng: np.random.Generator) -> Array:
        """Static offsets of comparators of an unknown chip [V], shape (columns,)."""
        return self.value("offset_mean") + self.value("offset_sigma") * rng.standard_normal(columns)

    def save(self, path: str | Path) -> ModelFile:
        """Write the model's JSON file."""
        settings = {
            "config": self.config.model_dump(mode="json"),
            "ramp_target": self.ramp_target.tolist(),
            "bias_target": self.bias_target.tolist(),
            "bias_sign": _plain_sign(self.bias_sign),
            "gain": self.gain,
        } | ({} if self.pulse is None else {"pulse": self.pulse.tolist()})
        return save_model(
            path,
            block="ramp_adc",
            parameters=self.parameters,
            settings=settings,
            error=self.error,
            domain=self.domain.limits,
            provenance=self.provenance,
        )


def load_model(path: str | Path, accept: bool = False) -> RampAdcModel:
    """Read a model file; see `cosim.blocks.model.load_model_file` for what is refused."""
    file = load_model_file(path, "ramp_adc", accept)
    settings = file.settings
    sign, pulse = settings["bias_sign"], settings.get("pulse")
    return RampAdcModel(
        config=RampAdcConfig(**settings["config"]),
        ramp_target=np.array(settings["ramp_target"]),
        bias_target=np.array(settings["bias_target"]),
        bias_sign=sign if isinstance(sign, int) else np.array(sign),
        gain=float(settings["gain"]),
        parameters=file.parameters,
        error=file.error,
        domain=file.fitted_domain(),
        provenance=file.provenance,
        pulse=None if pulse is None else np.array(pulse),
    )


def _plain_sign(sign: Signs) -> int | list[int]:
    return sign if isinstance(sign, int) else sign.tolist()
