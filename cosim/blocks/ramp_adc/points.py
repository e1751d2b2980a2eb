"""The numbers of data sets that the ramp ADC's model is fitted to and judged on, condition by condition."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

from cosim.blocks.dataset import config_of
from cosim.blocks.fitted import stored_config
from cosim.blocks.over import every_condition
from cosim.blocks.ramp_adc.config import RampAdcConfig
from cosim.blocks.ramp_adc.design import Signs
from cosim.blocks.ramp_adc.functions import lsb_at_thresholds
from cosim.blocks.ramp_adc.periods import Periods, ramp_periods
from cosim.errors import CosimError

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

NEEDED = {
    "comparator_offset": "the static offset of the comparator",
    "ramp_conductance": "the conductances of the ramp cells",
    "bias_conductance": "the conductances of the bias cells",
}
"""Variables that the fit cannot do without -> what they are."""


@dataclass(frozen=True, eq=False)
class Part:
    """One condition of one data set; arrays over its samples, and over thresholds where two-dimensional.

    Attributes
    ----------
    data: the data set of this condition alone. config: what it was made with.
    """

    data: xr.Dataset
    config: RampAdcConfig

    @property
    def condition(self) -> tuple[str, float, float]:
        """Corner, temperature [degC], supply [V]."""
        return self.config.corner, self.config.temperature, self.config.v_dd

    @cached_property
    def sign(self) -> Signs:
        return nominal_sign(self.data)

    @cached_property
    def pulse(self) -> Array | None:
        return pulse_shares(self.data, self.config)

    @cached_property
    def chip(self) -> NDArray[np.int64]:
        return np.asarray(self.data["chip"].values, dtype=np.int64)

    @cached_property
    def v_read(self) -> Array:
        return np.asarray(self.data["v_read"].values, dtype=np.float64)

    @cached_property
    def c_fb(self) -> Array:
        stated = self.data["c_fb"].values if "c_fb" in self.data.coords else np.full(len(self.v_read), self.config.c_fb)
        return np.asarray(stated, dtype=np.float64)

    @cached_property
    def measured(self) -> Array:
        return np.asarray(self.data["threshold"].values, dtype=np.float64)

    @cached_property
    def offset(self) -> Array:
        return np.asarray(self.data["comparator_offset"].values, dtype=np.float64)

    @cached_property
    def lsb(self) -> Array:
        """Volts of input per LSB of the output at each ideal threshold, shape (samples, thresholds)."""
        return np.asarray(
            self.data["gain"].values[:, None] * lsb_at_thresholds(self.config.activation, self.config.bits)
        )

    @cached_property
    def column(self) -> Mask:
        """Samples with a memristor ramp."""
        return np.asarray(self.data["ramp"].values == "column")

    @cached_property
    def usable(self) -> Mask:
        """Those whose thresholds were found, at the capacitor of the configuration."""
        good = self.column & (self.data["status"].values == 0)
        return np.asarray(good & np.isclose(self.c_fb, self.config.c_fb, rtol=1e-9, atol=0.0))

    @cached_property
    def periods(self) -> Periods:
        """The ramps of all samples (those of a fixed reference mean nothing)."""
        ramp, bias = self.data["ramp_conductance"].values, self.data["bias_conductance"].values
        signs = self.data["bias_sign"].values.astype(np.int64) if "bias_sign" in self.data else self.sign
        level, found = None, None
        for v_read, c_fb in dict.fromkeys(zip(self.v_read.tolist(), self.c_fb.tolist(), strict=True)):
            mine = np.isclose(self.v_read, v_read) & (self.c_fb == c_fb)
            config = self.config.model_copy(update={"v_read": v_read, "c_fb": c_fb})
            own = signs[mine] if isinstance(signs, np.ndarray) and signs.ndim == 2 else signs
            found = ramp_periods(ramp[mine], bias[mine], own, config, self.pulse)
            if level is None:
                level = np.full((len(ramp), found.level.shape[-1]), np.nan)
            level[mine] = found.level
        assert level is not None and found is not None, "a data set has samples"
        return Periods(level, found.pulse, found.first)

    @cached_property
    def modes(self) -> Array | None:
        """Common modes [V] at which offsets are known; None where they are known at V_CLP only."""
        if "offset_curve" not in self.data or not np.isfinite(self.data["offset_curve"].values).any():
            return None
        return np.asarray(self.data["common_mode"].values)

    @cached_property
    def static(self) -> Array | None:
        """V_os(L) at the levels [V], shape (samples, thresholds), NaN where it is not known; None as `modes`."""
        if self.modes is None:
            return None
        curves, levels = self.data["offset_curve"].values, self.periods.thresholds
        found = np.full(levels.shape, np.nan)
        for n in np.flatnonzero(self.column & np.isfinite(curves).all(axis=1) & np.isfinite(levels).all(axis=1)):
            found[n] = CubicSpline(self.modes, curves[n])(levels[n])
        return found

    def rows(self, which: Mask) -> Periods:
        """The ramps of the samples of a mask."""
        return Periods(self.periods.level[which], self.periods.pulse, self.periods.first)


def parts_of(data: Sequence[xr.Dataset]) -> list[Part]:
    """Every condition of every data set."""
    return [Part(one, stored_config(one, RampAdcConfig)) for each in data for one in every_condition(each)]


def same_design(one: RampAdcConfig, other: RampAdcConfig) -> bool:
    """Whether both make the same code: function, its range and points, bits."""
    return all(getattr(one, name) == getattr(other, name) for name in ("function", "x_range", "points", "bits"))


def fitted_rows(part: Part, config: RampAdcConfig) -> Mask:
    """The samples that a model of `config` is fitted to: its own code, the nominal chip and those of even number."""
    if not same_design(part.config, config):
        return np.zeros(part.chip.shape, dtype=bool)
    return np.asarray(part.usable & ((part.chip % 2 == 0) | (part.chip < 0)))


def judging_rows(part: Part, config: RampAdcConfig) -> Mask:
    """The samples that judge it: chips of odd number, and all chips of other functions or bits."""
    return np.asarray(part.usable & (part.chip >= 0) & ~fitted_rows(part, config))


def check_known(part: Part, which: Mask) -> None:
    """What the fit rests on must be known of every chip; measured data may lack it."""
    for name, what in NEEDED.items():
        values = part.data[name].values[which]
        unknown = np.isnan(values).any(axis=tuple(range(1, values.ndim)))
        if unknown.any():
            raise CosimError(
                f"the fit needs {what} of every chip; it is not known of {unknown.sum()} of {len(unknown)} samples",
                key=name,
                allowed=f"a column for it in the description of the measured data ({name}), or a SPICE data set",
            )


def nominal_sign(data: xr.Dataset) -> Signs:
    """What the bias cells of the design do to the ramp."""
    stated = config_of(data)["bias_sign"]
    return np.array(stated) if isinstance(stated, list) else int(stated)


def pulse_shares(data: xr.Dataset, config: RampAdcConfig) -> Array | None:
    """Read pulses of the ramp cells as shares of `t_pulse`; None where they are all whole."""
    if "target_pulse" not in data.coords:
        return None
    shares = data["target_pulse"].values / config.t_pulse
    return None if np.allclose(shares, 1.0, rtol=1e-9) else np.exp2(np.rint(np.log2(shares)))
