"""The comparator as a fast model: offsets of chips, noisy decisions, delay, energy, kickback.

**Decision.** High where v_p - v_n exceeds the chip's offset plus one normal number of the input-referred noise:
P(high) = Phi((v_p - v_n - offset) / noise). Exact as long as the noise is Gaussian, which that of many small
independent currents is.

**Offset of a chip**, over common mode and temperature:

    offset = (mean_0 + z_0) + (mean_1 + z_1) d [+ (mean_2 + z_2) d^2] [+ (mean_3 + z_3) (T - T_0)],   d = v_cm - v_cm0

with z normal, one draw a chip: standard deviations `offset_sigma`, `offset_slope_sigma`, `offset_bend_sigma`,
`offset_drift_sigma` and a correlation matrix. v_cm0 and T_0 are those of the configuration; the square is there where
three common modes or more were fitted, the term of T where several temperatures were.

**Delay** against the overdrive u beyond the trip point. Clocked (StrongARM): a time t_0 until the latch regenerates,
then growth with tau from an imbalance that saturates for large inputs,

    t = t_0 + tau ln(1 + v_x / u)

(B. Razavi, IEEE Solid-State Circuits Magazine 7 (2), 12, 2015, has its limit t = tau ln(v_x / u), the form `simple`.)

Continuous-time: the first stage, a pole tau, stands off by v_s of its input when the input crosses, and comes to zero
after tau ln(1 + v_s / u); from then on its output u (1 - exp(-s / tau)) is integrated by the second stage, which
decides when the integral reaches q:

    t = t_0 + tau ln(1 + v_s / u) + s,   u (s - tau (1 - exp(-s / tau))) = q

so s goes from sqrt(2 q tau / u) to q / u as it passes tau. The form `simple` has one pole only, without s.

**Energy** of a decision. Clocked: E_0 + P t, P the power of an undecided latch. Continuous-time, in half a clock
period: E_0 + E_x exp(-u / v_e), for an undecided output stage conducts.

**Kickback** charge of an input pin: q_0 + c_in u. A source with capacitor C moves by at most q / C.

Positive parameters p follow the conditions as p exp(slope d + bend d^2) (T / T_0)^exponent, T absolute.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import lambertw, ndtr

from cosim.blocks.comparator.config import ComparatorConfig
from cosim.blocks.fitted import FittedModel
from cosim.constants import ZERO_CELSIUS
from cosim.errors import CosimError

Array = NDArray[np.float64]

FORMS = {
    "mismatch": "offset by each transistor's mismatch; delay of a latch, or of two stages",
    "sampled": "offset by the chips' own spread; delay as above",
    "simple": "offset as in mismatch; delay one logarithm, or of one pole",
}

DECISIONS = {1: "high", -1: "low"}
SIMPLE = "simple"
OFFSET_TERMS = ("offset", "offset_slope", "offset_bend", "offset_drift")


def latch_delay(overdrive: ArrayLike, t_0: ArrayLike, tau: ArrayLike, v_x: ArrayLike) -> Array:
    """Delay of a clocked comparator [s] at an overdrive above zero [V]; everything broadcasts."""
    return np.asarray(t_0 + np.asarray(tau) * np.log1p(np.asarray(v_x) / np.asarray(overdrive, dtype=np.float64)))


def small_signal_delay(overdrive: ArrayLike, tau: ArrayLike, v_x: ArrayLike) -> Array:
    """Delay of a latch that grows exponentially from the start [s]; everything broadcasts."""
    return np.asarray(np.asarray(tau) * np.log(np.asarray(v_x) / np.asarray(overdrive, dtype=np.float64)))


def two_stage_delay(overdrive: ArrayLike, t_0: ArrayLike, tau: ArrayLike, v_s: ArrayLike, q: ArrayLike) -> Array:
    """Delay of a continuous-time comparator [s] at an overdrive above zero [V]; everything broadcasts.

    The second part solves y - 1 + exp(-y) = q / (u tau) for y = s / tau: y = 1 + r + W(-exp(-1 - r)), W Lambert's.
    """
    pole, drive = np.asarray(tau, dtype=np.float64), np.asarray(overdrive, dtype=np.float64)
    r = np.asarray(q) / (drive * pole)
    s = pole * (1 + r + np.real(lambertw(-np.exp(-1 - r))))
    return latch_delay(drive, t_0, pole, v_s) + s


@dataclass(frozen=True, kw_only=True)
class ComparatorModel(FittedModel):
    """The fitted model of a comparator. Common modes [V] and temperatures [deg C] default to the configuration's.

    Everything broadcasts over arrays of overdrives and inputs; a common mode is one number.
    """

    BLOCK = "comparator"
    CONFIG = ComparatorConfig
    config: ComparatorConfig

    def at(self, name: str, v_cm: float | None = None, temperature: float | None = None) -> float:
        """A positive parameter under a condition."""
        v_cm, temperature = self._condition(v_cm, temperature)
        far = moved_by(self.config, v_cm, temperature)
        moves = sum(self.value(f"{name}_{term}") * far[term] for term in far if f"{name}_{term}" in self.parameters)
        return self.value(name) * float(np.exp(moves))

    # Offsets

    def offset_mean(self, v_cm: float | None = None, temperature: float | None = None) -> float:
        """Mean offset of the chips [V]."""
        weights = self._offset_weights(v_cm, temperature)
        return float(weights @ [self.value(f"{name}_mean") for name in self._offset_terms])

    def offset_sigma(self, v_cm: float | None = None, temperature: float | None = None) -> float:
        """Standard deviation of the offset over chips [V]."""
        weights = self._offset_weights(v_cm, temperature)
        return float(np.sqrt(weights @ self.offset_covariance() @ weights))

    def offset_covariance(self) -> Array:
        """Covariance of a chip's terms (offset [V], slope [1], bend [1/V], drift [V/K]), shape (terms, terms)."""
        sigma = np.array([self.value(f"{name}_sigma") for name in self._offset_terms])
        return sigma[:, None] * self.array("offset_correlation") * sigma

    def draw_chips(self, count: int, rng: np.random.Generator) -> Array:
        """Terms of the offset of `count` chips, shape (count, terms): what `offsets` takes."""
        mean = [self.value(f"{name}_mean") for name in self._offset_terms]
        values, vectors = np.linalg.eigh(self.offset_covariance())
        root = vectors * np.sqrt(np.clip(values, 0.0, None))
        return np.asarray(mean + rng.standard_normal((count, len(mean))) @ root.T)

    def offsets(self, chips: Array, v_cm: float | None = None, temperature: float | None = None) -> Array:
        """Offset of each chip of `draw_chips` under a condition [V], shape (chips,)."""
        return np.asarray(chips @ self._offset_weights(v_cm, temperature))

    def mismatch_offsets(
        self, mismatch: ArrayLike, v_cm: float | None = None, temperature: float | None = None
    ) -> Array:
        """Offset [V] of chips whose transistors are known: `mismatch` (chips, parameters), dvt in V and db as a share.

        CosimError where the form has no sensitivities.
        """
        if "sensitivity" not in self.parameters:
            raise CosimError(
                "this form does not know what a transistor does to the offset", key="form", value=self.form
            )
        chips = np.array([self.value(f"{name}_mean") for name in self._offset_terms]) + (
            np.asarray(mismatch, dtype=np.float64) @ self.array("sensitivity").T
        )
        return self.offsets(chips, v_cm, temperature)

    # Decisions

    def noise(self, v_cm: float | None = None, temperature: float | None = None) -> float:
        """Input-referred rms noise [V]; CosimError when the data set held none."""
        if "noise" not in self.parameters:
            raise CosimError("this model was fitted to a data set without noise", key="parameters.noise")
        return self.at("noise", v_cm, temperature)

    def probability(
        self,
        difference: ArrayLike,
        offset: ArrayLike = 0.0,
        v_cm: float | None = None,
        temperature: float | None = None,
    ) -> Array:
        """Probability that the output goes high, at an input difference [V]."""
        distance = np.asarray(difference, dtype=np.float64) - np.asarray(offset)
        return np.asarray(ndtr(distance / self.noise(v_cm, temperature)))

    def decide(
        self,
        difference: ArrayLike,
        rng: np.random.Generator,
        offset: ArrayLike = 0.0,
        v_cm: float | None = None,
        temperature: float | None = None,
    ) -> NDArray[np.bool_]:
        """One decision of each input difference [V]: True where the output goes high; offsets broadcast."""
        distance = np.subtract(difference, offset, dtype=np.float64)
        return np.asarray(distance > self.noise(v_cm, temperature) * rng.standard_normal(distance.shape))

    # Time, energy, charge

    def delay(
        self, overdrive: ArrayLike, decision: int = 1, v_cm: float | None = None, temperature: float | None = None
    ) -> Array:
        """Time from the clock edge, or from the crossing of a step, to the output at half the supply [s].

        overdrive: beyond the trip point [V], above zero. decision: 1 where the output goes high, -1 low.
        """
        self.domain.check("overdrive", overdrive)
        side = "" if self.config.clocked else f"_{DECISIONS[decision]}"
        names = delay_names(self.config.clocked, self.form)
        return delay_law(names)(overdrive, *(self.at(name + side, v_cm, temperature) for name in names))

    def energy(
        self, overdrive: ArrayLike, decision: int = 1, v_cm: float | None = None, temperature: float | None = None
    ) -> Array:
        """Supply energy of a decision [J]; of a continuous-time comparator, in half a clock period."""
        if self.config.clocked:
            time = self.delay(overdrive, decision, v_cm, temperature)
            return np.asarray(self.at("e_0", v_cm, temperature) + self.at("p_undecided", v_cm, temperature) * time)
        side = DECISIONS[decision]
        rest, extra, scale = (self.at(f"{name}_{side}", v_cm, temperature) for name in ("e_0", "e_x", "v_e"))
        return np.asarray(rest + extra * np.exp(-np.asarray(overdrive, dtype=np.float64) / scale))

    def metastable_input(
        self, time: float | None = None, v_cm: float | None = None, temperature: float | None = None
    ) -> float:
        """Overdrive that a clocked comparator decides in `time` [s] (default: half a clock period) [V].

        Inputs closer to the threshold stay undecided: with inputs spread evenly over a range V, a share of
        2 metastable_input / V. CosimError for a continuous-time comparator.
        """
        if not self.config.clocked:
            raise CosimError("only a clocked comparator has to decide in a given time", key="clocked")
        tau, v_x = (self.at(name, v_cm, temperature) for name in ("tau", "v_x"))
        time = self.config.t_clock / 2 if time is None else time
        if self.form == SIMPLE:
            return float(v_x * np.exp(-time / tau))
        t_0 = self.at("t_0", v_cm, temperature)
        return float(v_x / np.expm1((time - t_0) / tau)) if time > t_0 else float("inf")

    def kickback_charge(
        self, overdrive: ArrayLike = 0.0, v_cm: float | None = None, temperature: float | None = None
    ) -> Array:
        """Largest charge through an input pin in a decision [C]."""
        drive = np.asarray(overdrive, dtype=np.float64)
        charge = self.at("kickback", v_cm, temperature) + self.at("kickback_capacitance", v_cm, temperature) * drive
        return np.asarray(charge)

    def kickback(self, c_source: float, overdrive: ArrayLike = 0.0, v_cm: float | None = None) -> Array:
        """Disturbance of an input behind a capacitor `c_source` [F]: at most this [V], less with a fast source."""
        return np.asarray(self.kickback_charge(overdrive, v_cm) / c_source)

    # What the conditions are

    @property
    def _offset_terms(self) -> tuple[str, ...]:
        return tuple(name for name in OFFSET_TERMS if f"{name}_mean" in self.parameters)

    def _offset_weights(self, v_cm: float | None, temperature: float | None) -> Array:
        v_cm, temperature = self._condition(v_cm, temperature)
        return offset_weights(self.config, self._offset_terms, v_cm, temperature)

    def _condition(self, v_cm: float | None, temperature: float | None) -> tuple[float, float]:
        v_cm = self.config.v_cm if v_cm is None else v_cm
        temperature = self.config.temperature if temperature is None else temperature
        self.domain.check("v_cm", v_cm)
        self.domain.check("temperature", temperature)
        return v_cm, temperature


def delay_names(clocked: bool, form: str) -> tuple[str, ...]:
    """Parameters of the delay in the order of its law."""
    if clocked:
        return ("tau", "v_x") if form == SIMPLE else ("t_0", "tau", "v_x")
    return ("t_0", "tau", "v_s") if form == SIMPLE else ("t_0", "tau", "v_s", "q")


def delay_law(names: tuple[str, ...]) -> Callable[..., Array]:
    """(overdrive, parameters) -> delay [s], by what its parameters are."""
    laws: dict[int, Callable[..., Array]] = {2: small_signal_delay, 3: latch_delay, 4: two_stage_delay}
    return laws[len(names)]


def moved_by(config: ComparatorConfig, v_cm: float, temperature: float) -> dict[str, float]:
    """How far a condition is from the configuration's: what slope [1/V], bend [1/V^2] and exponent multiply."""
    d = v_cm - config.v_cm
    kelvin = (temperature + ZERO_CELSIUS) / (config.temperature + ZERO_CELSIUS)
    return {"slope": d, "bend": d**2, "exponent": float(np.log(kelvin))}


def offset_weights(config: ComparatorConfig, terms: Sequence[str], v_cm: float, temperature: float) -> Array:
    """What each term of a chip's offset counts under a condition, shape (terms,)."""
    d = v_cm - config.v_cm
    weights = (1.0, d, d**2, temperature - config.temperature)
    return np.array([dict(zip(OFFSET_TERMS, weights, strict=True))[term] for term in terms])


def load_model(path: str | Path, accept: bool = False) -> ComparatorModel:
    """Read a comparator's model file; see `cosim.blocks.model.load_model_file` for what is refused."""
    return ComparatorModel.load(path, accept)
