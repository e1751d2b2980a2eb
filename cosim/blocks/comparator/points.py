"""The figures of a comparator's data sets as flat lists of points, each with its condition, for the fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from cosim.blocks.comparator.characterisation import DECISIONS
from cosim.blocks.comparator.config import ComparatorConfig
from cosim.blocks.holdout import held_out_chips, held_out_conditions, single_conditions
from cosim.blocks.status import OK
from cosim.errors import CosimError

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

ROOM = 27.0  # [deg C]; the model's parameters are those at the temperature nearest to it
SPLIT = "inner common modes and temperatures"


@dataclass(frozen=True)
class Figure:
    """Known values of one figure of the nominal circuit; all arrays have the shape (points,).

    `held_out` says of which conditions the fit does not see the points.
    """

    values: Array
    v_cm: Array
    temperature: Array
    overdrive: Array
    held_out: Mask

    def seen(self) -> Figure:
        keep = ~self.held_out
        return Figure(*(each[keep] for each in self._arrays()))

    def _arrays(self) -> tuple[NDArray, ...]:
        return self.values, self.v_cm, self.temperature, self.overdrive, self.held_out


@dataclass(frozen=True)
class Points:
    """All that the data sets hold.

    Attributes
    ----------
    config: of the condition whose temperature is nearest to `ROOM`.
    parts: configuration and data set of each temperature.
    first: the data set whose provenance the model states.
    """

    config: ComparatorConfig
    parts: tuple[tuple[ComparatorConfig, xr.Dataset], ...]
    first: xr.Dataset

    @property
    def temperatures(self) -> Array:
        return np.array([config.temperature for config, _ in self.parts])

    @property
    def several_temperatures(self) -> bool:
        return len(self.parts) > 1

    @property
    def failed(self) -> int:
        return sum(int((data[name].values != OK).sum()) for _, data in self.parts for name in _STATUS)

    @property
    def total(self) -> int:
        return sum(data[name].size for _, data in self.parts for name in _STATUS)

    def conditions(self) -> tuple[Array, Array, Mask]:
        """(common mode [V], temperature [deg C], held out) of every condition, each of shape (conditions,)."""
        v_cm = np.concatenate([data["input_level"].values for _, data in self.parts])
        sizes = [data.sizes["common_mode"] for _, data in self.parts]
        temperature = np.repeat(self.temperatures, sizes)
        return v_cm, temperature, held_out_conditions(v_cm) | held_out_conditions(temperature)

    def offsets(self) -> Array:
        """Offset of every chip under every condition [V], shape (conditions, chips); NaN where it is not known."""
        return np.concatenate([data["offset"].values for _, data in self.parts])

    def mismatch(self) -> Array:
        """Drawn mismatch, shape (chips, parameters). CosimError when the data sets are not of the same chips."""
        first = np.asarray(self.parts[0][1]["mismatch"].values, dtype=np.float64)
        for _, data in self.parts[1:]:
            if not np.array_equal(data["mismatch"].values, first):
                raise CosimError("data sets of different chips (seeds) cannot be fitted together", key="seed")
        return first

    def held_out_chips(self) -> Mask:
        return held_out_chips(self.offsets().shape[1])

    def figure(self, name: str, decision: int | None = None) -> Figure:
        """A figure over (common mode) or (common mode, overdrive), of one decision, or of both where None is given."""
        v_cm, temperature, held = self.conditions()
        values = np.concatenate([self._of(data, name, decision) for _, data in self.parts])
        shape = values.shape
        columns = [np.broadcast_to(each[:, None], shape) for each in (v_cm, temperature)]
        drive = np.full(shape[1], np.nan)
        if "overdrive" in self.parts[0][1][name].dims:
            drives = self.parts[0][1]["overdrive"].values
            drive = np.tile(drives, shape[1] // len(drives))
        columns += [np.broadcast_to(drive, shape), np.broadcast_to(held[:, None], shape)]
        known = np.isfinite(values)
        return Figure(values[known], *(each[known] for each in columns))

    def domain(self) -> dict[str, tuple[float, float]]:
        v_cm, temperature, _ = self.conditions()
        drives = self.parts[0][1]["overdrive"].values
        return {
            "v_cm": (float(v_cm.min()), float(v_cm.max())),
            "temperature": (float(temperature.min()), float(temperature.max())),
            "overdrive": (float(drives.min()), float(drives.max())),
        }

    @staticmethod
    def _of(data: xr.Dataset, name: str, decision: int | None) -> Array:
        """Shape (common modes, further points), those of one decision after those of the other."""
        entry = data[name]
        if "decision" in entry.dims:
            chosen = DECISIONS if decision is None else (decision,)
            parts = [entry.sel(decision=each).transpose("common_mode", "overdrive").values for each in chosen]
            return np.concatenate(parts, axis=1)
        values = np.asarray(entry.values, dtype=np.float64)
        return values if values.ndim == 2 else values[:, None]


def condition_terms(points: Points) -> tuple[str, ...]:
    """How positive figures move with the conditions (see `behaviour`): what the conditions of the fit can tell."""
    v_cm, _, held = points.conditions()
    bend = len(np.unique(v_cm[~held])) > 2
    return ("slope", *(("bend",) if bend else ()), *(("exponent",) if points.several_temperatures else ()))


def offset_terms(points: Points) -> tuple[str, ...]:
    """The same of an offset: "offset" itself, "offset_slope" ..."""
    names = {"slope": "offset_slope", "bend": "offset_bend", "exponent": "offset_drift"}
    return ("offset", *(names[term] for term in condition_terms(points)))


_STATUS = ("status", "offset_status")


def points_of(data: xr.Dataset | Sequence[xr.Dataset]) -> Points:
    """The points of one or several data sets.

    Raises CosimError when settings other than the temperature differ, the sweeps do, or fewer than three common modes
    are there.
    """
    parts = single_conditions(data, ComparatorConfig, ("temperature",))
    first = parts[0][1]
    for _, other in parts[1:]:
        for name in ("common_mode", "overdrive", "chip"):
            if not np.array_equal(other[name].values, first[name].values):
                raise CosimError("data sets of different sweeps cannot be fitted together", key=name)
    if first.sizes["common_mode"] < 3:
        raise CosimError(
            "a model over common mode is judged at one that the fit does not see",
            key="common_modes", value=first.sizes["common_mode"], allowed="3 or more",
        )  # fmt: skip
    config = min((config for config, _ in parts), key=lambda each: abs(each.temperature - ROOM))
    return Points(config, tuple(parts), first)
