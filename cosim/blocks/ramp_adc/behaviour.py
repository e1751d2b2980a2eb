"""The ramp ADC as a fast model: thresholds from conductances, codes from thresholds.

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

import numba
import numpy as np
from numpy.typing import NDArray

from cosim.blocks.model import Domain, ModelError, ModelFile, Parameter, load_model_file, save_model
from cosim.blocks.ramp_adc.config import RampAdcConfig
from cosim.blocks.ramp_adc.design import Signs, column_levels
from cosim.blocks.ramp_adc.functions import ActivationFunction, Staircase, ideal_thresholds

Array = NDArray[np.float64]

TRIP_PARAMETERS = ("a", "b", "l0", "l1", "l2")
UNITS = { "a": "V", "b": "1", "l0": "1", "l1": "1/V", "l2": "1/V",
         "offset_mean": "V", "offset_sigma": "V", "comparator_energy": "J", "ramp_energy": "J"}  # fmt: skip
DESCRIPTIONS = {
    "a": "overdrive to trip within a clock",
    "b": "its dependence on the common mode",
    "l0": "lag of the comparator, as a share of the step",
    "l1": "its dependence on the common mode",
    "l2": "its dependence on the step",
    "offset_mean": "static offset of the comparator without mismatch",
    "offset_sigma": "standard deviation of the comparators' static offset",
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


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def convert_kernel(mac: NDArray[Any], thresholds: NDArray[Any], codes: NDArray[np.uint8]) -> None:
    """Codes of a batch: the number of thresholds of each column strictly below the MAC result.

    `mac` (batch, columns), `thresholds` (columns, count) in any order, `codes` (batch, columns). All thresholds are
    compared, as a counter does: the processor compares several at once, which up to 8 bits is faster than halving.
    """
    for sample in range(mac.shape[0]):
        for column in range(mac.shape[1]):
            value = mac[sample, column]
            count = 0
            for k in range(thresholds.shape[1]):
                count += thresholds[column, k] < value
            codes[sample, column] = count


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def up_down_kernel(
    mac: NDArray[Any], thresholds: NDArray[Any], direction: NDArray[np.int64], start: int, largest: int,
    codes: NDArray[np.uint8],
) -> None:  # fmt: skip
    """The same with an up/down counter: from `start`, each threshold below adds its direction; shapes as above."""
    for sample in range(mac.shape[0]):
        for column in range(mac.shape[1]):
            value = mac[sample, column]
            count = start
            for k in range(thresholds.shape[1]):
                if thresholds[column, k] < value:
                    count += direction[k]
            codes[sample, column] = min(max(count, 0), largest)


def convert(mac: NDArray[Any], thresholds: NDArray[Any], stairs: Staircase | None = None) -> NDArray[np.uint8]:
    """Codes (batch, columns) of MAC results (batch, columns) with each column's thresholds (columns, count).

    Thresholds need not rise: the ramp of a column may fall somewhere (a cell below its neighbour's lag), and a counter
    counts clocks and does not care for their order. A MAC result on a threshold has not passed it. NaN is below
    everything: a MAC result that is NaN gives the first code, a threshold that is NaN is never passed.

    `stairs` says what each threshold adds to the code where the function also falls (`RampAdcConfig.staircase`); the
    counter stops at the first and the last code. Without it the code is the number of thresholds below.
    """
    counts_up = stairs is None or stairs.rising
    if mac.ndim != 2 or thresholds.ndim != 2 or mac.shape[1] != len(thresholds):
        raise ValueError(f"MAC results {mac.shape} do not fit thresholds {thresholds.shape}")
    if (counts_up and thresholds.shape[1] > 255) or (stairs and len(stairs.direction) != thresholds.shape[1]):
        raise ValueError(f"thresholds {thresholds.shape} do not fit a code of at most 8 bits, or its directions")
    codes = np.empty(mac.shape, dtype=np.uint8)
    mac, thresholds = np.ascontiguousarray(mac), np.ascontiguousarray(thresholds)
    if stairs is None or stairs.rising:
        convert_kernel(mac, thresholds, codes)
    else:
        largest = max(stairs.start, int(stairs.code_above.max()))
        up_down_kernel(mac, thresholds, stairs.direction, stairs.start, largest, codes)
    return codes


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
