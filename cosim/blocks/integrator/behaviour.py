"""The integrator as a fast model: the output's step for a read pulse, its noise, offset, droop and energy.

**Charge.** A pulse of v_read for a time T through cells of conductance G moves the virtual ground by r i(t) (delayed by
the loop) and by what the output's step takes from the amplifier's gain. Whatever the delay, the former adds up to r
times the charge, so with o the offset, T_on the time for which the cells are connected and T_a what of it follows the
pulse,

    q = G (v_read T - o T_on) / (1 + G r + G (T / 2 + T_a) / (A_0 C_fb)),     r = 1 / (2 pi gbw C_fb)

The amplifier's gm, and with it gbw, follows the current that its output stage has to take: gbw (1 + tilt i + bend i^2)
with i = G v_read, signed.

**Output.** Charge is conserved on the bit line, and the output stands off by its own static error over the feedback
factor beta = C_fb / (C_fb + c_input + C_bl):

    dv + (F(v_0 + dv) - F(v_0)) / beta = -q / C_fb,     dF/dv = 1 / A(v)

    1 / A(v) = (1 + exp((output_low - v) / w_low) + exp((v - output_high) / w_high)) / A_0

so the gain is halved at output_low and output_high. An infinite gain and bandwidth give the ideal integrator.

**Holding.** Idle cells g on the bit line discharge C_fb, in mid-range with tau = A_0 (C_fb / g + 1 / (2 pi gbw)).
**Reset noise**: sqrt(k T / C_fb). Form `ideal_range`: one gain everywhere, tilt = bend = 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cosim.blocks.fitted import FittedModel
from cosim.blocks.integrator.config import IntegratorConfig
from cosim.blocks.integrator.netlist import pulse_times
from cosim.constants import BOLTZMANN, ZERO_CELSIUS

Array = NDArray[np.float64]

FORMS = {
    "amplifier": "finite gain that falls towards the rails, finite bandwidth that follows the current, offset",
    "ideal_range": "the same gain everywhere and one bandwidth",
}

IDEAL_RANGE = "ideal_range"
STEPS = 100  # of holding; a thousandth of the time constant each in the shipped circuits
ROUNDS = 40  # of Newton's method, which is monotone here; it ends in two to four away from the rails


@dataclass(frozen=True, kw_only=True)
class IntegratorModel(FittedModel):
    """The fitted model of an integrator.

    `config`: None is the characterised one; another one of the same amplifier may differ in c_fb, c_bitline, v_read,
    t_pulse, t_clock, g_idle. Charges, currents and offsets may have any shape and broadcast.
    """

    BLOCK = "integrator"
    CONFIG = IntegratorConfig
    config: IntegratorConfig

    def draw_offsets(self, count: int, rng: np.random.Generator) -> Array:
        """Offsets of `count` amplifiers [V], (count,)."""
        return np.asarray(self.value("offset_mean") + self.value("offset_sigma") * rng.standard_normal(count))

    def mismatch_offsets(self, mismatch: ArrayLike) -> Array:
        """Offsets [V] of amplifiers whose transistors are known: dvt in V, db a share, (chips, parameters)."""
        m = np.asarray(mismatch, dtype=np.float64)
        added = m @ self.array("offset_sensitivity") if m.shape[-1] else np.zeros(len(m))
        return np.asarray(self.value("offset_mean") + added)

    def charge(
        self, nominal: ArrayLike, offset: ArrayLike | None = None, config: IntegratorConfig | None = None
    ) -> Array:
        """Charge that goes into the bit line [C] of pulses of v_read whose nominal charge is G v_read t_pulse, signed.

        offset: of the amplifier [V]; None is the mean one.
        """
        config = config or self.config
        o = self.value("offset_mean") if offset is None else np.asarray(offset, dtype=np.float64)
        q = np.asarray(nominal, dtype=np.float64)
        t_on, t_after = connected(config)
        g = np.abs(q) / (config.v_read * config.t_pulse)
        load = g * self.input_resistance(q / config.t_pulse, config)
        static = g * (config.t_pulse / 2 + t_after) / (self.value("dc_gain") * config.c_fb)
        return np.asarray((q - g * o * t_on) / (1 + load + static))

    def input_resistance(self, current: ArrayLike, config: IntegratorConfig | None = None) -> Array:
        """What the virtual ground moves by for a cell current [A], over that current [ohm]."""
        config = config or self.config
        i = np.asarray(current, dtype=np.float64)
        gbw = self.value("gbw") * (1 + self.value("gbw_tilt") * i + self.value("gbw_bend") * i**2)
        return np.asarray(1 / (2 * np.pi * gbw * config.c_fb))

    def output(
        self,
        nominal: ArrayLike,
        offset: ArrayLike | None = None,
        config: IntegratorConfig | None = None,
        rng: np.random.Generator | None = None,
    ) -> Array:
        """Step of the output by a read pulse [V]; a positive charge lowers it.

        nominal: G v_read t_pulse [C], signed as v_read. offset: of the amplifier [V]. rng: for the noise of a held
        output after its reset; None leaves it out.
        """
        config = config or self.config
        self.domain.check("charge", np.asarray(nominal) / config.full_scale)
        wanted = -self.charge(nominal, offset, config) / config.c_fb
        start = config.v_clp + (self.value("offset_mean") if offset is None else np.asarray(offset, dtype=np.float64))
        beta = self.feedback_factor(config)
        step = np.asarray(wanted / (1 + 1 / (beta * self.value("dc_gain"))))
        if self.form != IDEAL_RANGE:
            step = self._solved(wanted, np.broadcast_to(start, wanted.shape), beta, step, config)
        if rng is not None:
            sigma = np.hypot(self.value("noise"), self.reset_noise(config=config))
            step = step + sigma * rng.standard_normal(step.shape)
        return np.asarray(step)

    def feedback_factor(self, config: IntegratorConfig | None = None) -> float:
        """C_fb / (C_fb + all capacitance of the bit line)."""
        config = config or self.config
        return config.c_fb / (config.c_fb + config.c_bitline + self.value("c_input"))

    def gain(self, v: ArrayLike) -> Array:
        """dc gain of the amplifier at an output voltage [V]."""
        if self.form == IDEAL_RANGE:
            return np.full(np.shape(v), self.value("dc_gain"))
        return np.asarray(1 / self._slope(np.asarray(v, dtype=np.float64)))

    def hold_time_constant(self, g_idle: float | None = None, config: IntegratorConfig | None = None) -> float:
        """Time constant [s] with which a held output decays while idle cells [S] load the bit line, in mid-range."""
        return self.value("dc_gain") * self._idle_time(g_idle, config)

    def held(
        self,
        v: ArrayLike,
        time: float,
        offset: ArrayLike | None = None,
        g_idle: float | None = None,
        config: IntegratorConfig | None = None,
    ) -> Array:
        """Output [V] after a time [s] of holding `v` [V] with idle cells [S] on the bit line.

        Idle cells carry what the bit line is off v_clp by: (C_fb / g + 1 / (2 pi gbw)) dv/dt = o - F(v) + F(v_clp).
        Runge and Kutta's method in `STEPS` steps.
        """
        config = config or self.config
        o = self.value("offset_mean") if offset is None else np.asarray(offset, dtype=np.float64)
        pace, middle = self._idle_time(g_idle, config), self._primitive(np.array(config.v_clp))

        def rate(now: Array) -> Array:
            return np.asarray((o - self._primitive(now) + middle) / pace)

        now, step = np.asarray(v, dtype=np.float64), time / STEPS
        for _ in range(STEPS):
            k_1 = rate(now)
            k_2 = rate(now + step / 2 * k_1)
            k_3 = rate(now + step / 2 * k_2)
            k_4 = rate(now + step * k_3)
            now = now + step / 6 * (k_1 + 2 * k_2 + 2 * k_3 + k_4)
        return now

    def _idle_time(self, g_idle: float | None, config: IntegratorConfig | None) -> float:
        config = config or self.config
        g = config.g_idle if g_idle is None else g_idle
        return config.c_fb / g + 1 / (2 * np.pi * self.value("gbw"))

    def loop_time_constant(self, config: IntegratorConfig | None = None) -> float:
        """Time constant [s] with which the virtual ground settles, 1 / (2 pi gbw beta)."""
        return float(1 / (2 * np.pi * self.value("gbw") * self.feedback_factor(config)))

    def reset_noise(self, temperature: float | None = None, config: IntegratorConfig | None = None) -> float:
        """rms noise that the reset leaves on the output, sqrt(k T / C_fb) [V]; temperature [deg C]."""
        config = config or self.config
        kelvin = (config.temperature if temperature is None else temperature) + ZERO_CELSIUS
        return float(np.sqrt(BOLTZMANN * kelvin / config.c_fb))

    def energy(self, nominal: ArrayLike) -> Array:
        """Supply energy of a clock period with a read pulse [J]."""
        return np.asarray(self.value("e_0") + self.value("e_charge") * np.asarray(nominal, dtype=np.float64))

    def _slope(self, v: Array) -> Array:
        low, high = (
            (self.value("output_low") - v) / self.value("w_low"),
            (v - self.value("output_high")) / self.value("w_high"),
        )
        return np.asarray((1 + np.exp(np.minimum(low, 60)) + np.exp(np.minimum(high, 60))) / self.value("dc_gain"))

    def _primitive(self, v: Array) -> Array:
        """F: what an output voltage takes of the virtual ground, up to a constant [V]."""
        if self.form == IDEAL_RANGE:
            return np.asarray(v / self.value("dc_gain"))
        w_low, w_high = self.value("w_low"), self.value("w_high")
        low, high = (self.value("output_low") - v) / w_low, (v - self.value("output_high")) / w_high
        ends = w_high * np.exp(np.minimum(high, 60)) - w_low * np.exp(np.minimum(low, 60))
        return np.asarray((v + ends) / self.value("dc_gain"))

    def _solved(self, wanted: Array, start: Array, beta: float, first: Array, config: IntegratorConfig) -> Array:
        """dv of the module's equation, whose left side rises with dv: Newton's steps, kept inside the supplies."""
        at_rest = self._primitive(start)
        step = np.clip(first, -start, config.v_dd - start)
        for _ in range(ROUNDS):
            error = step + (self._primitive(start + step) - at_rest) / beta - wanted
            move = error / (1 + self._slope(start + step) / beta)
            step = np.clip(step - move, -start, config.v_dd - start)
            if np.abs(move).max(initial=0.0) < 1e-12:
                break
        return np.asarray(step)


def connected(config: IntegratorConfig) -> tuple[float, float]:
    """(time for which the cells are on the bit line, what of it comes after the pulse) [s]; middles of the edges."""
    times = pulse_times(config)
    return times["closed"] - times["before"], times["closed"] - times["pulse_end"]


def load_model(path: str | Path, accept: bool = False) -> IntegratorModel:
    """Read an integrator's model file; see `cosim.blocks.model.load_model_file` for what is refused."""
    return IntegratorModel.load(path, accept)
