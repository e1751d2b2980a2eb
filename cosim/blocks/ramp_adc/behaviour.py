"""The ramp ADC as a fast model: thresholds from conductances; codes from thresholds are made in `conversion`.

A chip's thresholds follow from what is physical in it. With L_k the ramp's level at clock k, from the column's
conductances (`periods.ramp_periods`), and V_os(L) the static offset of the comparator at that common mode:

    T_k = L_k + V_os(L_k) + lag_k

The lag follows from the ramp before clock k and from a law of few physical numbers (`forms`, `lag`), which depend on
corner, temperature and supply (`conditions`); so a model that was fitted to one code serves others too
(`RampAdcModel.at`). Where a comparator's offset is known at V_CLP alone, that of the nominal comparator says how it
goes with the common mode. Voltages are above V_CLP.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

from cosim.blocks.model import Domain, ModelError, ModelFile, Parameter, load_model_file, save_model
from cosim.blocks.ramp_adc.chips import Chip, nominal_chip
from cosim.blocks.ramp_adc.conditions import Conditions
from cosim.blocks.ramp_adc.config import RampAdcConfig
from cosim.blocks.ramp_adc.conversion import Converter, convert
from cosim.blocks.ramp_adc.design import Signs, design_column
from cosim.blocks.ramp_adc.forms import FORMS, Law, law_of
from cosim.blocks.ramp_adc.functions import ActivationFunction, ideal_thresholds
from cosim.blocks.ramp_adc.noise import threshold_noise
from cosim.blocks.ramp_adc.periods import Periods, ramp_periods
from cosim.blocks.ramp_adc.population import POSITIVE
from cosim.errors import CosimError

__all__ = ["Converter", "OffsetCurve", "RampAdcModel", "convert", "load_model"]

Array = NDArray[np.float64]
Condition = tuple[str, float, float]
"""Corner, temperature [degC], supply [V]."""

# Settings that leave the column as it is.
_SAME_COLUMN = frozenset({"corner", "temperature", "v_dd", "v_read"})


@dataclass(frozen=True)
class OffsetCurve:
    """Static offsets of comparators over the common mode.

    Attributes
    ----------
    modes: ramp levels above V_CLP, rising, shape (modes,) [V].
    offset: static trip points above the ramp at each, shape (..., modes) [V].
    """

    modes: Array
    offset: Array

    def at(self, levels: Array) -> Array:
        """V_os(L) [V] at levels of shape (..., thresholds), by cubic splines."""
        shape = (*np.broadcast_shapes(self.offset.shape[:-1], levels.shape[:-1]), levels.shape[-1])
        curves = np.broadcast_to(self.offset, (*shape[:-1], len(self.modes))).reshape(-1, len(self.modes))
        where = np.broadcast_to(levels, shape).reshape(-1, shape[-1])
        found = [CubicSpline(self.modes, curve)(level) for curve, level in zip(curves, where, strict=True)]
        return np.array(found).reshape(shape)


@dataclass(frozen=True)
class RampAdcModel:
    """The fitted model of a ramp ADC.

    Attributes
    ----------
    config: the converter that is modelled (function, bits, corner, temperature, V_read, C_fb, pulse ...); `at` gives
        the model of another.
    ramp_target, bias_target, bias_sign, gain, pulse: the column's design (`design.ColumnDesign`), its calibration
        cells, which are not read in a column without errors, among the bias cells.
    parameters: name -> fitted value with its confidence interval, a plain number or one for each corner and term of
        `conditions`.
    error: of thresholds of chips and conditions that the fit did not see, in LSB; `errors` of every quantity.
    domain: read voltage [V], comparator offset [V], cell conductance [S], ramp level [V], temperature [degC] and supply
        [V] for which the stated errors hold.
    form: of the trip law, one of `forms.FORMS`.
    conditions: what the tables among the parameters are told for.
    modes: common modes [V] of the parameter `common_mode_shift`, V_CLP included.
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
    form: str = "terms"
    conditions: Conditions | None = None
    modes: Array | None = None
    errors: Mapping[str, ModelError] = field(default_factory=dict)

    def value(self, name: str) -> float:
        """A parameter's value under the model's own condition."""
        return self._value(name, (self.config.corner, self.config.temperature, self.config.v_dd))

    def _value(self, name: str, condition: Condition) -> float:
        number = self.parameters[name].value
        if isinstance(number, float):
            return number
        assert self.conditions is not None, "a table is told for conditions"
        return self.conditions.evaluate(np.asarray(number), *condition, positive=name in self._positive)

    @property
    def _positive(self) -> tuple[str, ...]:
        return (*POSITIVE, *(each.name for each in self.law.quantities if each.positive))

    @cached_property
    def law(self) -> Law:
        """The trip law of the model's form."""
        return law_of(self.form, self.config)

    @property
    def fitted_numbers(self) -> int:
        """How many numbers the thresholds rest on, those of the static offset with the common mode left out."""
        return int(sum(np.size(self.parameters[name].value) for name in self.law.names))

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

    def at(self, **changes: Any) -> RampAdcModel:
        """The model of another converter: function, bits, corner, temperature, V_DD, V_read ... as in `RampAdcConfig`.

        The column of another function, number of bits, swing ... is designed anew (`design.design_column`); energies,
        which belong to a column, are then not told. Raises CosimError for a corner that the model was not fitted at;
        a temperature, a supply or ramp levels beyond the fitted range warn and are counted (`Domain`).
        """
        stated = self.config.model_dump()
        if changes.get("function", self.config.function) != self.config.function:
            stated |= {"x_range": None, "points": None}
        config = RampAdcConfig(**(stated | changes))
        if self.conditions is not None:
            self.conditions.row(config.corner)
        for name in ("temperature", "v_dd", "v_read"):
            if name in self.domain.limits:
                self.domain.check(name, getattr(config, name))
        if set(changes) <= _SAME_COLUMN:
            return replace(self, config=config, gain=self.mac_gain(config.v_read))
        design = design_column(config)
        chip = nominal_chip(config, design=design)
        if "level" in self.domain.limits:
            levels = ramp_periods(chip.ramp, chip.bias, chip.bias_sign, config, chip.pulse).thresholds
            self.domain.check("level", levels)
        kept = {name: each for name, each in self.parameters.items() if not name.endswith("_energy")}
        signs, cells = chip.bias_signs, np.concatenate([chip.ramp, chip.bias])
        # The law knows the ramp alone, and the ramp's equation holds for any conductance.
        low, high = self.domain.limits["conductance"]
        reach = {"conductance": (min(low, 0.5 * float(cells.min())), max(high, 1.1 * float(cells.max())))}
        return replace(
            self,
            config=config,
            ramp_target=chip.ramp,
            bias_target=chip.bias,
            bias_sign=int(signs[0]) if len(set(signs.tolist())) == 1 else signs,
            gain=design.gain(config.v_read),
            pulse=chip.pulse,
            parameters=kept,
            domain=Domain(self.domain.limits | reach),
        )

    def at_condition(self, corner: str, temperature: float, v_dd: float) -> RampAdcModel:
        """The same converter under another condition; as `at`, and without a word on the domain."""
        config = self.config.model_copy(update={"corner": corner, "temperature": temperature, "v_dd": v_dd})
        return replace(self, config=config)

    def shift(self, levels: Array, condition: Condition | None = None) -> Array:
        """V_os(L) - V_os(0) of the nominal comparator at ramp levels [V], of their shape; 0 where the form has none."""
        if "common_mode_shift" not in self.parameters or self.modes is None:
            return np.zeros(levels.shape)
        table = np.asarray(self.parameters["common_mode_shift"].value)
        if table.ndim == 2:
            assert self.conditions is not None
            corner, temperature, v_dd = condition or self._condition
            own = table[self.conditions.row(corner)].reshape(len(self.modes) - 1, -1)
            table = own @ self.conditions.values(temperature, v_dd)
        return np.asarray(CubicSpline(self.modes, np.insert(table, len(self.modes) // 2, 0.0))(levels))

    def lag(self, periods: Periods, condition: Condition | None = None, config: RampAdcConfig | None = None) -> Array:
        """T_k - L_k - V_os of ramps [V], shape (..., thresholds)."""
        values = np.array([self._value(name, condition or self._condition) for name in self.law.names])
        return self.law.lag(periods, values, config or self.config)

    @property
    def _condition(self) -> Condition:
        return self.config.corner, self.config.temperature, self.config.v_dd

    def threshold_voltages(
        self, ramp: Array, bias: Array, offset: Array | float | OffsetCurve, v_read: float | None = None,
        bias_sign: Signs | None = None,
    ) -> Array:  # fmt: skip
        """Thresholds above V_CLP [V] of chips with known conductances and comparator offsets.

        `ramp` (..., cells) and `bias` (..., n) in siemens, `offset` at V_CLP (...) in volts or over the common mode,
        `bias_sign` (..., n) of calibrated chips (None: of the design); returns (..., thresholds).
        """
        v_read = v_read or self.config.v_read
        self.domain.check("v_read", v_read)
        self.domain.check("conductance", np.concatenate([np.ravel(ramp), np.ravel(bias)]))
        config = self.config.model_copy(update={"v_read": v_read})
        periods = ramp_periods(ramp, bias, self.bias_sign if bias_sign is None else bias_sign, config, self.pulse)
        levels = periods.thresholds
        if isinstance(offset, OffsetCurve):
            static = offset.at(levels)
        else:
            self.domain.check("offset", offset)
            static = np.asarray(offset)[..., None] + self.shift(levels)
        return np.asarray(levels + static + self.lag(periods, config=config))

    def thresholds(
        self, ramp: Array, bias: Array, offset: Array | float | OffsetCurve, v_read: float | None = None,
        bias_sign: Signs | None = None,
    ) -> Array:  # fmt: skip
        """The same in units of the MAC result."""
        return self.threshold_voltages(ramp, bias, offset, v_read, bias_sign) / self.mac_gain(v_read)

    def noise_voltages(
        self, ramp: Array, bias: Array, *, bias_sign: Signs | None = None, config: RampAdcConfig | None = None,
        pulse: Array | None = None,
    ) -> Array:  # fmt: skip
        """rms noise of each threshold of one chip [V], shape (thresholds,): comparator, resets, cells (see `noise`).

        Raises CosimError where the noise of the comparator was not characterised.
        """
        if "comparator_noise" not in self.parameters:
            raise CosimError("the noise of the comparator was not characterised", key="parameters.comparator_noise")
        signs = self.bias_sign if bias_sign is None else bias_sign
        chip = Chip(
            np.asarray(ramp), np.asarray(bias), signs, np.zeros((1, 0)), (), self.pulse if pulse is None else pulse
        )
        return threshold_noise(chip, config or self.config, self.value("comparator_noise"))

    def noise(
        self, ramp: Array | None = None, bias: Array | None = None, v_read: float | None = None,
        bias_sign: Signs | None = None,
    ) -> Array:  # fmt: skip
        """rms noise of each threshold in units of the MAC result, shape (thresholds,); of the design where no chip is
        given."""
        v_read = v_read or self.config.v_read
        volts = self.noise_voltages(
            self.ramp_target if ramp is None else ramp, self.bias_target if bias is None else bias, bias_sign=bias_sign,
            config=self.config.model_copy(update={"v_read": v_read}),
        )  # fmt: skip
        return volts / self.mac_gain(v_read)

    def draw_offsets(self, columns: int, rng: np.random.Generator) -> Array:
        """Static offsets of comparators of an unknown chip [V], shape (columns,)."""
        return self.value("offset_mean") + self.value("offset_sigma") * rng.standard_normal(columns)

    def judged(self, errors: Mapping[str, ModelError]) -> RampAdcModel:
        """The model with its errors; that of the thresholds counts most."""
        return replace(self, error=errors["threshold"], errors=dict(errors))

    def save(self, path: str | Path) -> ModelFile:
        """Write the model's JSON file."""
        settings: dict[str, Any] = {
            "config": self.config.model_dump(mode="json"),
            "ramp_target": self.ramp_target.tolist(),
            "bias_target": self.bias_target.tolist(),
            "bias_sign": _plain_sign(self.bias_sign),
            "gain": self.gain,
        }
        if self.pulse is not None:
            settings["pulse"] = self.pulse.tolist()
        if self.conditions is not None:
            settings["conditions"] = {
                "corners": list(self.conditions.corners),
                "terms": list(self.conditions.terms),
                "v_dd": self.conditions.v_dd,
            }
        if self.modes is not None:
            settings["modes"] = self.modes.tolist()
        return save_model(
            path,
            block="ramp_adc",
            parameters=self.parameters,
            settings=settings,
            error=self.error,
            errors=self.errors,
            form=self.form,
            domain=self.domain.limits,
            provenance=self.provenance,
        )


def load_model(path: str | Path, accept: bool = False) -> RampAdcModel:
    """Read a model file; see `cosim.blocks.model.load_model_file` for what is refused."""
    file = load_model_file(path, "ramp_adc", accept)
    settings = file.settings
    sign, pulse, modes, told = (settings.get(name) for name in ("bias_sign", "pulse", "modes", "conditions"))
    if file.form not in ("", *FORMS):
        raise CosimError("the block's model has no such form", file=path, key="form", value=file.form, allowed=[*FORMS])
    return RampAdcModel(
        config=RampAdcConfig(**settings["config"]),
        ramp_target=np.array(settings["ramp_target"]),
        bias_target=np.array(settings["bias_target"]),
        bias_sign=sign if isinstance(sign, int) else np.array(sign),
        gain=float(settings["gain"]),
        parameters=file.parameters,
        error=file.error,
        errors=file.errors,
        domain=file.fitted_domain(),
        provenance=file.provenance,
        pulse=None if pulse is None else np.array(pulse),
        form=file.form or "terms",  # files of the first schema stated none
        conditions=told and Conditions(tuple(told["corners"]), tuple(told["terms"]), float(told["v_dd"])),
        modes=None if modes is None else np.array(modes),
    )


def _plain_sign(sign: Signs) -> int | list[int]:
    return sign if isinstance(sign, int) else sign.tolist()
