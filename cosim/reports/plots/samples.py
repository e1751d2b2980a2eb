"""Which samples of a ramp ADC's data set a plot shows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from cosim.blocks.ramp_adc.behaviour import RampAdcModel

Array = NDArray[np.float64]


@dataclass(frozen=True)
class AdcSamples:
    """A ramp ADC's data set and model, with the samples sorted out."""

    data: xr.Dataset
    model: RampAdcModel

    @property
    def function(self) -> str:
        return self.model.config.function

    @property
    def codes(self) -> NDArray[np.int64]:
        """Thresholds k, shape (thresholds,)."""
        return np.asarray(self.data["code"].values)

    @property
    def chips(self) -> NDArray[np.int64]:
        """Samples of chips with a memristor ramp at the nominal read voltage, without failed ones."""
        return np.flatnonzero(self._at(self.model.config.v_read, "column") & (self.data["chip"].values >= 0))

    def values(self, name: str) -> Array:
        """A variable of those chips, shape (chips, ...)."""
        return np.asarray(self.data[name].values[self.chips], dtype=float)

    def nominal(self, name: str, *, v_read: float | None = None, ramp: str = "column") -> Array:
        """A variable of the nominal chip; NaN where it was not simulated or failed."""
        where = self._at(v_read or self.model.config.v_read, ramp) & (self.data["chip"].values == -1)
        found = np.flatnonzero(where)
        if len(found):
            return np.asarray(self.data[name].values[found[0]], dtype=float)
        return np.full(self.data[name].shape[1:], np.nan)

    @property
    def read_voltages(self) -> list[float]:
        """All read voltages of the sweep [V], rising."""
        return sorted({round(float(each), 6) for each in self.data["v_read"].values})

    def _at(self, v_read: float, ramp: str) -> NDArray[np.bool_]:
        good = (self.data["status"].values == 0) & (self.data["ramp"].values == ramp)
        return np.asarray(good & np.isclose(self.data["v_read"].values, v_read))
