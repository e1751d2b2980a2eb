"""The laws of a cell that were fitted, each part with its numbers; what draws from them is in `behaviour`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from cosim.blocks.cell import drifting, fluctuation, stepping, writing
from cosim.blocks.cell.config import CellConfig
from cosim.blocks.cell.observations import Part
from cosim.blocks.fitted import FittedModel
from cosim.devices.laws import DriftLaw, FlickerNoise, NoiseLaw, PolynomialSigma
from cosim.devices.pulses import SetPulses
from cosim.errors import CosimError


@dataclass(frozen=True, kw_only=True)
class FittedLaws(FittedModel):
    """Laws of a device with their fitted numbers; see `FittedModel` for the attributes.

    `settings`: `laws` (part -> name of its law), `absent` (part -> why it was not fitted), `parts` (what else a law
    needs), `window`, `limits`, `v_read`.
    """

    BLOCK: ClassVar[str] = "cell"
    CONFIG: ClassVar[type[CellConfig]] = CellConfig

    @property
    def laws(self) -> Mapping[str, str]:
        """Fitted part -> name of its law."""
        laws: Mapping[str, str] = self.settings["laws"]
        return laws

    @property
    def absent(self) -> Mapping[str, str]:
        """Part that was not fitted -> why."""
        absent: Mapping[str, str] = self.settings["absent"]
        return absent

    @property
    def window(self) -> tuple[float, float]:
        """Least and most conductance that may be asked for [S]."""
        low, high = self.settings["window"]
        return float(low), float(high)

    def part(self, name: str) -> Part:
        """A fitted part; CosimError with the reason where the model lacks it."""
        if name not in self.laws:
            reason = self.absent.get(name, "it was not asked for")
            raise CosimError(f"this model of a cell has no {name}: {reason}", key=name, allowed=list(self.laws))
        own = {key: each for key, each in self.parameters.items() if key.startswith(f"{name}.")}
        return Part(self.laws[name], own, 0.0, self.domain.limits, self.settings["parts"][name])

    @cached_property
    def programming(self) -> PolynomialSigma:
        """Law of the programming error; of a device under blind pulses that of one step, its memory gone."""
        if "programming" not in self.laws and "pulses" in self.laws:
            law, g_max = self.pulses, self.window[1]
            return PolynomialSigma(g_max, law.sd_offset, law.sd_slope * g_max)
        return writing.sigma_law(self.part("programming"))

    @property
    def stuck_rates(self) -> tuple[float, float]:
        """Shares of cells that are stuck off and on, 0 where none was seen."""
        names = [f"programming.stuck_{name}_rate" for name in ("off", "on")]
        off, on = (self.value(name) if name in self.parameters else 0.0 for name in names)
        return off, on

    @cached_property
    def noise(self) -> NoiseLaw:
        """Law of the read noise; 1/f noise begins t_0 of the drift before the first read."""
        law = fluctuation.noise_law(self.part("noise"))
        if isinstance(law, FlickerNoise) and self.laws.get("drift", "power") != "power":
            return replace(law, t_0=self.value("drift.t_0"))
        return law

    @cached_property
    def drift(self) -> DriftLaw:
        """Law of the drift."""
        return drifting.drift_law(self.part("drift"))

    @cached_property
    def pulses(self) -> SetPulses:
        """Law of blind SET pulses."""
        return stepping.pulses_law(self.part("pulses"))

    @property
    def limits(self) -> tuple[float, float]:
        """Least and most that a cell can have [S]; 0 and infinity where the data set does not know."""
        low, high = self.settings["limits"]
        return (0.0 if low is None else float(low), np.inf if high is None else float(high))


def settings_of(
    laws: Mapping[str, Part],
    absent: Mapping[str, str],
    window: tuple[float, float],
    limits: tuple[float, float],
    v_read: float | None,
) -> dict[str, Any]:
    """What the model's file keeps besides its parameters."""
    return {
        "laws": {name: part.law for name, part in laws.items()},
        "absent": dict(absent),
        "parts": {name: part.settings for name, part in laws.items()},
        "window": list(window),
        "limits": [each if np.isfinite(each) else None for each in limits],
        "v_read": v_read,
    }  # fmt: skip
