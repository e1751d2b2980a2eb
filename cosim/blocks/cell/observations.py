"""What one or several data sets of a cell hold, simulated or measured, as plain arrays with the same dimensions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from cosim.blocks.cell.config import CellConfig
from cosim.blocks.dataset import LAB_FILES, config_of, origin_of
from cosim.blocks.fitted import refuse_failed
from cosim.blocks.model import Parameter
from cosim.blocks.over import at_condition
from cosim.blocks.status import OK
from cosim.errors import CosimError

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

MEASUREMENTS = {
    "current": "iv",
    "loop_current": "loop",
    "read_conductance": "noise",
    "programmed_conductance": "programming",
    "drift_conductance": "programming",
    "blind_conductance": "blind pulses",
    "cycle_conductance": "cycles",
    "pulse_conductance": "pulses",
}
"""Variable that a part of the model is fitted to -> entry of `measurement` whose status says whether it holds."""


NOT_THERE = "the data hold no"
"""Beginning of the reason where nothing was measured at all."""


class Absent(Exception):
    """Why a part of the model cannot be fitted, in words."""


@dataclass(frozen=True)
class Part:
    """One fitted part of the model.

    Attributes
    ----------
    law: name of its law, of the part's `LAWS`.
    parameters: by their dotted names.
    bic: Bayesian information criterion on the points of the fit, by which laws of one part are compared.
    domain: ranges of the fit.
    settings: what else the law needs.
    """

    law: str
    parameters: dict[str, Parameter]
    bic: float
    domain: dict[str, tuple[float, float]] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)

    def value(self, name: str) -> float:
        value = self.parameters[name].value
        assert isinstance(value, float)
        return value


def fitted_number(value: float, unit: str, low: float, high: float, description: str) -> Parameter:
    """A parameter with its interval; without one where its ends are NaN."""
    if not (np.isfinite(low) and np.isfinite(high)):
        return Parameter(float(value), unit, description=description)
    return Parameter(float(value), unit, float(low), float(high), description)


class Observations:
    """Data sets of one cell, each of one condition; a quantity comes from the one that holds it.

    Attributes
    ----------
    sets: the data sets.
    config: what was characterised; of a measured cell only what its description states is known.
    simulated: False where the points were measured on a chip.
    g_ref: conductance to which the laws are related [S]: g_max of the device, or the most that was measured.
    limits: what a cell can have [S]; infinite where it is not known.
    v_read: voltage at which conductance is defined [V]; None where a measurement does not state it.
    """

    def __init__(self, data: xr.Dataset | Sequence[xr.Dataset], allow_failed: bool) -> None:
        given = [data] if isinstance(data, xr.Dataset) else list(data)
        self.sets = [at_condition(each, {}) for each in given]
        stated = _merged([config_of(each) for each in self.sets])
        self.config = CellConfig(**{key: value for key, value in stated.items() if key in CellConfig.model_fields})
        self.simulated = not any(LAB_FILES in each.attrs for each in self.sets)
        known = self.simulated or "device" in stated
        device = self.config.parameters if known else None
        self.limits = (device.g_lowest, device.g_highest) if device else (-np.inf, np.inf)
        self.v_read = self.config.read_voltage if device or "v_read" in stated else None
        self.allow_failed = allow_failed
        self._refuse_failed()
        self.window = (device.g_min, device.g_max) if device else self._measured_window()
        self.g_ref = self.window[1]

    def has(self, name: str) -> bool:
        return any(name in each.data_vars for each in self.sets)

    def values(self, name: str, dims: tuple[str, ...]) -> Array:
        """A variable with its dimensions in that order, those that it lacks of length one.

        Raises Absent where no data set holds it, CosimError where two do or it has a dimension more.
        """
        data = self._holder(name)
        array = data[name]
        more = [str(each) for each in array.dims if each not in dims]
        if more:
            raise CosimError("this variable has a dimension that the cell's model does not know", key=name, value=more)
        lacking = [each for each in dims if each not in array.dims]
        return np.asarray(array.expand_dims(lacking).transpose(*dims).values, dtype=np.float64)

    def cells(self, name: str, dims: tuple[str, ...]) -> Array:
        """A conductance that programming left [S], without what an access transistor of its own adds to the reading.

        In a simulated "1T1R" cell the transistor is not the one of which the device's conductance speaks: the
        difference of both resistances, known at each state from the I-V curves, is taken off.
        """
        values = self.values(name, dims)
        if not (self.simulated and self.config.cell == "1T1R" and self.has("current")):
            return values
        read, asked = self.values("conductance", ("state",)), self.coordinate("state", "conductance")
        order = np.argsort(read)
        with np.errstate(divide="ignore"):
            more = np.interp(np.log(values), np.log(read[order]), (1.0 / read - 1.0 / asked)[order])
            return np.asarray(1.0 / (1.0 / values - more))

    def coordinate(self, name: str, of: str) -> NDArray[Any]:
        """A coordinate of the data set that holds the variable `of`."""
        return np.asarray(self._holder(of)[name].values)

    def holds_coordinate(self, name: str, of: str) -> bool:
        return name in self._holder(of).coords

    def origin(self) -> dict[str, Any]:
        """Where the model comes from: of one data set as everywhere, of several a list under `data_sets`."""
        first, *others = [origin_of(each) for each in self.sets]
        if not others:
            return first
        first["data_sets"] = [each["data_set"] for each in (first, *others)]
        del first["data_set"]
        return first

    def _holder(self, name: str) -> xr.Dataset:
        holders = [each for each in self.sets if name in each.data_vars]
        if not holders:
            raise Absent(f"{NOT_THERE} {name}")
        if len(holders) > 1:
            raise CosimError("two data sets hold this quantity; a model takes it from one", key=name)
        return holders[0]

    def _refuse_failed(self) -> None:
        failed, total = [], 0
        for each in self.sets:
            used = {kind for name, kind in MEASUREMENTS.items() if name in each.data_vars}
            for kind, status in zip(each["measurement"].values.tolist(), each["status"].values.tolist(), strict=True):
                total += kind in used
                if kind in used and status != OK:
                    failed.append(str(kind))
        refuse_failed(len(failed), total, f"measurements ({', '.join(failed)})", self.allow_failed)

    def _measured_window(self) -> tuple[float, float]:
        """Least and most conductance that was asked for, or else measured; NaN where neither is there."""
        asked = [each["state"].values for each in self.sets if "state" in each.coords]
        names = ("cycle_conductance", "pulse_conductance", "read_conductance")
        seen = [each[name].values.ravel() for each in self.sets for name in names if name in each.data_vars]
        both = np.concatenate([np.asarray(each, dtype=np.float64) for each in (asked or seen or [np.array([np.nan])])])
        both = both[np.isfinite(both)]
        return (float(both.min()), float(both.max())) if both.size else (np.nan, np.nan)


def _merged(configs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What all data sets state; CosimError where two state different things."""
    merged: dict[str, Any] = {}
    for config in configs:
        for key, value in config.items():
            if key in merged and merged[key] != value:
                raise CosimError(
                    "these data sets are not of the same cell", key=key, value=value, allowed=merged[key]
                )  # fmt: skip
            merged[key] = value
    return merged


def odd(count: int, axis: int = 0, dims: int = 1) -> Mask:
    """True at odd numbers along one axis, broadcast to `dims` dimensions: what is held out."""
    shape = [1] * dims
    shape[axis] = count
    return (np.arange(count) % 2 == 1).reshape(shape)
