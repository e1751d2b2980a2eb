"""The sample and hold as a fast model: held voltage, its noise, tracking, droop; any hold capacitor.

The switch is an NMOS and a PMOS transistor in parallel, either of which may be absent. Closed, at an input v,

    G(v) = g_n F((v_n - v) / (2 U_T)) / (1 + theta_n s_n) + g_p F((v - v_p) / (2 U_T)) / (1 + theta_p s_p)

with F(x) = 2 U_T ln(1 + e^x) / (1 + e^-x), the conductance at small voltage of the EKV model (C. C. Enz,
F. Krummenacher, E. A. Vittoz, Analog Integrated Circuits and Signal Processing 8, 83, 1995): proportional to the
channel's inversion s = 2 U_T ln(1 + e^x) above threshold, falling by e in U_T = k T / q below. theta is the loss of
mobility with the field.

As the switch opens its channels' charge divides, and the clocks couple through overlaps:

    pedestal = (-q_clock (1 - s_n / V_DD) + (-c_n s_n + c_p s_p) / (1 + t_return G(v) / C)) / C,   C = c_hold + c_switch

q_clock: by the overlaps, of which only the swing counts that is left when the NMOS channel is gone; c_n, c_p: of a
channel and its overlap, the share that goes to the held node; t_return: time in which charge flows back through the
closing channel (the limits of fast and slow clocks of G. Wegmann, E. A. Vittoz, F. Rahali, IEEE J.
Solid-State Circuits 22, 1091, 1987, meet at t_return G = C). A chip's transistors add a charge that is linear in
their mismatch, where their channel is there. Noise: sqrt(k T / C); tracking: tau = C / G.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cosim.blocks.fitted import FittedModel
from cosim.blocks.sample_hold.config import SampleHoldConfig
from cosim.constants import BOLTZMANN, ELEMENTARY_CHARGE, ZERO_CELSIUS

Array = NDArray[np.float64]

FORMS = {
    "channel": "pedestal by channel charge and clock feedthrough, with what flows back while the channel closes",
    "straight": "pedestal on a straight line over the input",
}

STRAIGHT = "straight"


def thermal_voltage(temperature: float) -> float:
    """k T / q [V] at a temperature [deg C]."""
    return BOLTZMANN * (temperature + ZERO_CELSIUS) / ELEMENTARY_CHARGE


def inversion(x: ArrayLike, u_t: float) -> Array:
    """2 U_T ln(1 + exp(x / (2 U_T))) [V] of a pinch-off voltage less the channel's [V]."""
    return np.asarray(2 * u_t * np.logaddexp(0.0, np.asarray(x, dtype=np.float64) / (2 * u_t)))


def presence(x: ArrayLike, u_t: float) -> Array:
    """1 / (1 + exp(-x / (2 U_T))): slope of the inversion, 1 where a channel is, 0 where there is none."""
    return np.asarray(0.5 * (1 + np.tanh(np.asarray(x, dtype=np.float64) / (4 * u_t))))


def channel_conductance(x: ArrayLike, g: float, theta: float, u_t: float) -> Array:
    """Conductance of a transistor without voltage across it [S]; see the module. g [S/V], theta [1/V]."""
    s = inversion(x, u_t)
    return np.asarray(g * s * presence(x, u_t) / (1 + theta * s))


def energy_terms(v: Array, before: Array, above: tuple[Array, Array], temperature: float) -> tuple[Array, ...]:
    """What e_0, e_n, e_p and e_swing multiply: 1, the inversion of each channel [V], the swing of the held node [V]."""
    u_t = thermal_voltage(temperature)
    return np.ones_like(v), inversion(above[0], u_t), inversion(above[1], u_t), v - before


@dataclass(frozen=True, kw_only=True)
class SampleHoldModel(FittedModel):
    """The fitted model of a sample and hold.

    Inputs [V] may have any shape; hold capacitors c_hold [F] default to the configuration's.
    """

    BLOCK = "sample_hold"
    CONFIG = SampleHoldConfig
    config: SampleHoldConfig

    def capacitance(self, c_hold: float | None = None) -> float:
        """At the held node, the switch's own included [F]."""
        return (self.config.c_hold if c_hold is None else c_hold) + self.value("c_switch")

    def conductance(self, v: ArrayLike) -> Array:
        """Of the closed switch, small signal [S]."""
        u_t = thermal_voltage(self.config.temperature)
        x_n, x_p = self._above(v)
        total = np.zeros_like(x_n)
        for side, x in (("n", x_n), ("p", x_p)):
            total = total + channel_conductance(x, self.value(f"g_{side}"), self.value(f"theta_{side}"), u_t)
        return total

    def time_constant(self, v: ArrayLike, c_hold: float | None = None) -> Array:
        """Of tracking after a small step [s]."""
        return np.asarray(self.capacitance(c_hold) / self.conductance(v))

    def pedestal(self, v: ArrayLike, c_hold: float | None = None) -> Array:
        """Step of the held voltage as the switch of the nominal chip opens [V]."""
        self._check(v, c_hold)
        names = ("q_0", "c_slope") if self.form == STRAIGHT else ("q_clock", "c_n", "c_p")
        terms = self.charge_terms(v, self._kept(v, c_hold))
        charge = sum(self.value(name) * term for name, term in zip(names, terms, strict=True))
        return np.asarray(charge / self.capacitance(c_hold))

    def charge_terms(self, v: ArrayLike, kept: Array) -> tuple[Array, ...]:
        """What the charges' parameters multiply in the pedestal, in their order; `kept`: share that does not return."""
        inputs = np.asarray(v, dtype=np.float64)
        if self.form == STRAIGHT:
            return np.ones_like(inputs), inputs
        u_t = thermal_voltage(self.config.temperature)
        s_n, s_p = (inversion(x, u_t) for x in self._above(inputs))
        return -(1 - np.minimum(s_n / self.config.v_dd, 1.0)), -s_n * kept, s_p * kept

    def mismatch_pedestal(self, v: ArrayLike, mismatch: ArrayLike, c_hold: float | None = None) -> Array:
        """What known mismatch adds to the pedestal [V], (chips, *shape of v); `mismatch` (chips, parameters)."""
        u_t = thermal_voltage(self.config.temperature)
        m = np.asarray(mismatch, dtype=np.float64)
        if not m.shape[-1]:
            return np.zeros((len(m), *np.shape(v)))
        charges = m @ self.array("charge_sensitivity").T  # (chips, channels)
        there = np.stack([presence(x, u_t) for x in self._above(v)])
        return np.asarray(np.tensordot(charges, there, axes=1) * self._kept(v, c_hold) / self.capacitance(c_hold))

    def draw_mismatch(self, count: int, rng: np.random.Generator) -> Array:
        """Mismatch of the transistors of `count` chips, (chips, parameters): dvt in V, db as a share."""
        sigmas = np.array(self.settings["mismatch_sigmas"])
        return np.asarray(rng.standard_normal((count, len(sigmas))) * sigmas)

    def noise(self, c_hold: float | None = None, temperature: float | None = None) -> float:
        """rms noise on the held voltage, sqrt(k T / C) [V]; any temperature [deg C]."""
        kelvin = (self.config.temperature if temperature is None else temperature) + ZERO_CELSIUS
        return float(np.sqrt(BOLTZMANN * kelvin / self.capacitance(c_hold)))

    def hold(
        self,
        v: ArrayLike,
        rng: np.random.Generator,
        mismatch: ArrayLike | None = None,
        c_hold: float | None = None,
    ) -> Array:
        """Voltages held of settled inputs [V]: pedestal and noise added; with `mismatch` (parameters,) of one chip."""
        inputs = np.asarray(v, dtype=np.float64)
        held = inputs + self.pedestal(inputs, c_hold)
        if mismatch is not None:
            held = held + self.mismatch_pedestal(inputs, np.asarray(mismatch)[None], c_hold)[0]
        return np.asarray(held + self.noise(c_hold) * rng.standard_normal(inputs.shape))

    def settling_error(self, v: ArrayLike, before: ArrayLike, c_hold: float | None = None) -> Array:
        """Held node less input at the end of t_track, from `before` [V], with the conductance at the input [V].

        Of small steps; a full swing passes other conductances on its way and may take longer or shorter.
        """
        left = np.exp(-self.config.t_track / self.time_constant(v, c_hold))
        return np.asarray((np.asarray(before) - np.asarray(v)) * left)

    def droop(self, time: float, c_hold: float | None = None) -> float:
        """Largest change of the held voltage in a time [s] by leakage [V]."""
        return self.value("leakage") * time / self.capacitance(c_hold)

    def energy(self, v: ArrayLike, before: ArrayLike) -> Array:
        """Energy of clock drivers and supply in a period that samples v after `before` [J].

        The clocks give the channels their charge, and that of overlaps, which follow the held node.
        """
        inputs = np.asarray(v, dtype=np.float64)
        names = ("e_0", "e_n", "e_p", "e_swing")
        terms = energy_terms(inputs, np.asarray(before, dtype=np.float64), self._above(inputs), self.config.temperature)
        return np.asarray(sum(self.value(name) * term for name, term in zip(names, terms, strict=True)))

    def _above(self, v: ArrayLike) -> tuple[Array, Array]:
        """How far the channels are from pinch-off [V], positive where they are inverted."""
        inputs = np.asarray(v, dtype=np.float64)
        return self.value("v_n") - inputs, inputs - self.value("v_p")

    def _kept(self, v: ArrayLike, c_hold: float | None) -> Array:
        """Share of the charge that does not flow back."""
        if "t_return" not in self.parameters:
            return np.ones(np.shape(v))
        return np.asarray(1 / (1 + self.value("t_return") * self.conductance(v) / self.capacitance(c_hold)))

    def _check(self, v: ArrayLike, c_hold: float | None) -> None:
        self.domain.check("input", v)
        self.domain.check("c_hold", self.config.c_hold if c_hold is None else c_hold)


def load_model(path: str | Path, accept: bool = False) -> SampleHoldModel:
    """Read a sample and hold's model file; see `cosim.blocks.model.load_model_file` for what is refused."""
    return SampleHoldModel.load(path, accept)
