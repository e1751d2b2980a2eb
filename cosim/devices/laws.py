"""Laws of what a device's conductance does by chance: after programming, with time, from read to read.

Each law is a small frozen class; its fields are the parameters that `parameters.toml` gives in the table of that law,
`UNITS` their SI units, `NAME` the word that stands there under `law`. Conductances G in siemens, r = G / g_max.
A new law is one more class in `PROGRAMMING`, `DRIFT` or `NOISE`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]

_LEAST_RATIO = 1e-9  # of G / g_max in logarithms and powers, whose laws are cut off far above it


@dataclass(frozen=True)
class PolynomialSigma:
    """Programming error: sigma_p = (g_max / g_ref) (c_0 + c_1 r + c_2 r^2 + c_3 r^3 + c_4 r^4), not below zero.

    g_ref is the g_max at which the coefficients were found; another window scales them all.
    """

    NAME: ClassVar[str] = "polynomial"
    UNITS: ClassVar[dict[str, str]] = {"g_ref": "S", "c_0": "S", "c_1": "S", "c_2": "S", "c_3": "S", "c_4": "S"}

    g_ref: float
    c_0: float
    c_1: float = 0.0
    c_2: float = 0.0
    c_3: float = 0.0
    c_4: float = 0.0

    def sigma(self, conductances: ArrayLike, g_max: float) -> Array:
        """Standard deviation after programming [S], of the shape of `conductances` [S]."""
        r = np.asarray(conductances, dtype=np.float64) / g_max
        series = self.c_0 + r * (self.c_1 + r * (self.c_2 + r * (self.c_3 + r * self.c_4)))
        return np.maximum(g_max / self.g_ref * series, 0.0)


@dataclass(frozen=True)
class SpreadPowerDrift:
    """Drift: G(t) = G ((t + t_0) / t_0)^(-nu), t from the end of programming.

    Each cell has its own nu = |N(mean, sd)| with mean = clip(mean_slope ln r + mean_offset, mean_low, mean_high) and
    sd likewise, r of the target.
    """

    NAME: ClassVar[str] = "spread_power"
    UNITS: ClassVar[dict[str, str]] = {
        "t_0": "s",
        "mean_slope": "1", "mean_offset": "1", "mean_low": "1", "mean_high": "1",
        "sd_slope": "1", "sd_offset": "1", "sd_low": "1", "sd_high": "1",
    }  # fmt: skip

    least_time: ClassVar[float] = 0.0  # [s] from which on the law holds

    t_0: float
    mean_slope: float
    mean_offset: float
    mean_low: float
    mean_high: float
    sd_slope: float
    sd_offset: float
    sd_low: float
    sd_high: float

    def exponent_mean(self, conductances: ArrayLike, g_max: float) -> Array:
        """Mean of nu before its sign is dropped [1], of the shape of `conductances` [S]."""
        return np.clip(self.mean_slope * _log_ratio(conductances, g_max) + self.mean_offset,
                       self.mean_low, self.mean_high)  # fmt: skip

    def exponent_sd(self, conductances: ArrayLike, g_max: float) -> Array:
        """Standard deviation of nu [1], of the shape of `conductances` [S]."""
        return np.clip(self.sd_slope * _log_ratio(conductances, g_max) + self.sd_offset, self.sd_low, self.sd_high)

    def exponents(self, conductances: ArrayLike, g_max: float, rng: np.random.Generator) -> Array:
        """One nu a cell [1]: drawn when it is programmed, kept as long as it is not programmed again."""
        normal = rng.standard_normal(np.shape(conductances))
        return np.abs(self.exponent_mean(conductances, g_max) + self.exponent_sd(conductances, g_max) * normal)

    def factor(self, exponents: ArrayLike, time: float) -> Array:
        """G(t) / G, `time` t >= 0 in seconds from the end of programming."""
        return ((time + self.t_0) / self.t_0) ** -np.asarray(exponents, dtype=np.float64)


@dataclass(frozen=True)
class PowerDrift:
    """Drift: G(t) = G (t / t_0)^(-nu), the same nu for all cells; t > 0 since the last pulse.

    G is what the cell has at t_0; before, it is more.
    """

    NAME: ClassVar[str] = "power"
    UNITS: ClassVar[dict[str, str]] = {"t_0": "s", "nu": "1"}
    least_time: ClassVar[float] = 1e-6  # [s] from which on the law holds

    t_0: float
    nu: float

    def exponents(self, conductances: ArrayLike, g_max: float, rng: np.random.Generator) -> Array:
        """nu of each cell [1]; draws nothing."""
        return np.full(np.shape(conductances), self.nu)

    def factor(self, exponents: ArrayLike, time: float) -> Array:
        """G(t) / G, `time` t > 0 in seconds since the last pulse."""
        return (time / self.t_0) ** -np.asarray(exponents, dtype=np.float64)


@dataclass(frozen=True)
class FlickerNoise:
    """1/f read noise with spectrum S_G / G^2 = Q / f, seen over the time since programming.

        sigma = G Q sqrt(ln((t + t_0 + t_read) / (2 t_read))),  Q = min(q_0 / max(r^exponent, 1e-3), q_high)

    r of the conductance right after programming, G as drifted.
    """

    NAME: ClassVar[str] = "flicker"
    UNITS: ClassVar[dict[str, str]] = {"q_0": "1", "exponent": "1", "q_high": "1", "t_read": "s", "t_0": "s"}

    q_0: float
    exponent: float
    q_high: float
    t_read: float
    t_0: float

    def amplitude(self, programmed: ArrayLike, g_max: float) -> Array:
        """Q [1], of the shape of `programmed` [S]."""
        r = np.abs(np.asarray(programmed, dtype=np.float64)) / g_max
        return np.minimum(self.q_0 / np.maximum(r**self.exponent, 1e-3), self.q_high)

    def sigma(self, conductances: ArrayLike, programmed: ArrayLike, g_max: float, time: float) -> Array:
        """Standard deviation of a read [S]: of `conductances` [S] as drifted, at `time` [s] after programming."""
        span = np.sqrt(np.log((time + self.t_0 + self.t_read) / (2.0 * self.t_read)))
        return np.abs(np.asarray(conductances, dtype=np.float64)) * self.amplitude(programmed, g_max) * span


@dataclass(frozen=True)
class AffineNoise:
    """Read noise sigma = slope G + floor, the same at all times."""

    NAME: ClassVar[str] = "affine"
    UNITS: ClassVar[dict[str, str]] = {"slope": "1", "floor": "S"}

    slope: float
    floor: float

    def sigma(self, conductances: ArrayLike, programmed: ArrayLike, g_max: float, time: float) -> Array:
        """Standard deviation of a read [S], of the shape of `conductances` [S]; the rest does not matter."""
        return self.slope * np.asarray(conductances, dtype=np.float64) + self.floor


ProgrammingLaw = PolynomialSigma
DriftLaw = SpreadPowerDrift | PowerDrift
NoiseLaw = FlickerNoise | AffineNoise

PROGRAMMING: dict[str, type[ProgrammingLaw]] = {law.NAME: law for law in (PolynomialSigma,)}
DRIFT: dict[str, type[SpreadPowerDrift] | type[PowerDrift]] = {
    SpreadPowerDrift.NAME: SpreadPowerDrift,
    PowerDrift.NAME: PowerDrift,
}
NOISE: dict[str, type[FlickerNoise] | type[AffineNoise]] = {
    FlickerNoise.NAME: FlickerNoise,
    AffineNoise.NAME: AffineNoise,
}


def _log_ratio(conductances: ArrayLike, g_max: float) -> Array:
    return np.log(np.maximum(np.asarray(conductances, dtype=np.float64) / g_max, _LEAST_RATIO))
