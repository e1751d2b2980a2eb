"""The DAC as a fast model: levels of a chip from its elements, settling, glitches and energy of its codes.

**Levels.** A ladder's levels follow from its resistors and its switches' on-resistances (two fitted numbers, `r_low`
and `r_high`) by Kirchhoff's laws; a capacitor array's from its capacitors, a parasitic `c_parasitic` and the charge
`q_reset` of its reset by conservation of charge (`levels`). A pulse's area is v_read (size t_unit + width) for each
size above 0. So the model holds for other numbers of bits, other unit elements and loads than were characterised.

**Chips.** Elements deviate by the configuration's sigmas; what a switch's or driver's transistors add is

    ln r_on = ln r + sum_k S_k m_k,     width = width_0 + sum_k S_k m_k

with m the transistors' mismatch (Pelgrom) and S fitted.

**Form `straight`**: ideal switches and drivers; one gain of all levels is fitted instead.

**Time and energy** (one word line). Settling of a step d to within a band: t_0 + tau ln(d / band), without the glitch
of a carry. Energy of a slot: e_0, e_bit for every bit that toggles, and what the ladder draws at rest.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cosim.blocks.dac.chips import SIDES, element_names, element_sigmas
from cosim.blocks.dac.config import DacConfig
from cosim.blocks.dac.extraction import linearity, signed
from cosim.blocks.dac.levels import ladder_current, ladder_nodes, line_levels, resistors
from cosim.blocks.fitted import FittedModel
from cosim.errors import CosimError

Array = NDArray[np.float64]

FORMS = {
    "network": "levels from elements, on-resistances of the switches, parasitics, drivers' pulse width",
    "straight": "levels from elements with ideal switches and drivers, and one gain",
}
STRAIGHT = "straight"
CONDITIONS = ("temperature", "v_dd", "v_clp", "v_read")
"""Settings that move on-resistances and the reset's charge, for which the model has no law."""


@dataclass(frozen=True, kw_only=True)
class DacModel(FittedModel):
    """The fitted model of a word-line DAC.

    Methods that take `config` answer for another DAC of the same parts (bits, unit elements, load, t_unit ...);
    None is the characterised one. Settings that move the switches' resistance are the domain.
    """

    BLOCK = "dac"
    CONFIG = DacConfig
    config: DacConfig

    def draw_elements(self, count: int, rng: np.random.Generator, config: DacConfig | None = None) -> Array:
        """Relative deviations of `count` chips, shape (count, sides, elements)."""
        sigmas = element_sigmas(config or self.config)
        return np.asarray(rng.standard_normal((count, SIDES, len(sigmas))) * sigmas)

    def draw_mismatch(self, count: int, rng: np.random.Generator, config: DacConfig | None = None) -> Array:
        """Mismatch of the transistors of `count` chips, shape (count, sides, calls, parameters)."""
        config = config or self.config
        sigmas = np.array(self.settings["mismatch_sigmas"])
        calls = 1 if config.kind == "pulse_width" else config.bits
        return np.asarray(rng.standard_normal((count, SIDES, calls, len(sigmas))) * sigmas)

    def outputs(self, element: Array, mismatch: Array, config: DacConfig | None = None) -> Array:
        """Output of every signed code, (chips, codes) [V] or [V s], of chips whose elements and mismatch are known.

        element: (chips, sides, elements), relative. mismatch: (chips, sides, calls, parameters); either may be zero.
        """
        config = config or self.config
        if config.kind != self.config.kind:
            raise CosimError("the model is of another kind of DAC", key="kind", value=config.kind,
                             allowed=self.config.kind)  # fmt: skip
        for name in CONDITIONS:
            self.domain.check(name, getattr(config, name))
        if config.kind == "pulse_width":
            lines = self._pulses(mismatch, config)
        else:
            lines = self._amplitudes(element, mismatch, config)
        return np.stack([signed(each) for each in lines])

    def levels(
        self, rng: np.random.Generator | None = None, config: DacConfig | None = None, count: int | None = None
    ) -> Array:
        """Static outputs of every signed code of a chip, (codes,) [V] or [V s]; of the nominal one where rng is None.

        With `count`, of so many chips: (count, codes).
        """
        config = config or self.config
        chips = count or 1
        if rng is None:
            calls = 1 if config.kind == "pulse_width" else config.bits
            element = np.zeros((chips, SIDES, len(element_names(config))))
            mismatch = np.zeros((chips, SIDES, calls, len(self.settings["mismatch_sigmas"])))
        else:
            element, mismatch = self.draw_elements(chips, rng, config), self.draw_mismatch(chips, rng, config)
        found = self.outputs(element, mismatch, config)
        return found if count is not None else np.asarray(found[0])

    def levels_lsb(
        self, rng: np.random.Generator | None = None, config: DacConfig | None = None, count: int | None = None
    ) -> Array:
        """The same in LSB of the ideal DAC: code k stands near k."""
        return self.levels(rng, config, count) / (config or self.config).lsb

    def linearity(self, output: Array, config: DacConfig | None = None) -> dict[str, Any]:
        """INL and DNL [LSB], gain error and offset of one chip's outputs (codes,); as the characterisation has them."""
        return linearity(output, (config or self.config).lsb)

    # Time and energy of one word line

    def settling_time(self, step: ArrayLike) -> Array:
        """Settling of a step of the line, in LSB, to within the configuration's band [s], without a carry's glitch.

        Of the characterised DAC: another array or load has another time constant.
        """
        far = np.maximum(np.abs(np.asarray(step, dtype=np.float64)) / self.config.settling, 1.0)
        if "tau" not in self.parameters:
            raise CosimError("the settling of pulses is part of their width", key="kind", value=self.config.kind)
        return np.asarray(np.where(far > 1, self.value("t_0") + self.value("tau") * np.log(far), 0.0))

    def glitch(self, toggled: ArrayLike) -> Array:
        """Area outside both levels of a step in which so many bits toggle, 1 .. bits - 1 [V s]; as characterised."""
        if "glitch" not in self.parameters:
            raise CosimError("pulses have no glitches", key="kind", value=self.config.kind)
        number = np.asarray(toggled)
        table = self.array("glitch")
        if number.min(initial=1) < 1 or number.max(initial=1) > len(table):
            raise CosimError("no such number of bits toggles", key="toggled", value=int(number.max()),
                             allowed=f"1 to {len(table)}")  # fmt: skip
        return np.asarray(table[number - 1])

    def energy(self, size: ArrayLike, before: ArrayLike | None = None, config: DacConfig | None = None) -> Array:
        """Energy of one word line in the slot of a size that follows the size `before` [J]; of a pulse, all of it.

        before: None for the next smaller size, and full scale before 0, as the characterisation's staircase has it.
        """
        config = config or self.config
        sizes = np.asarray(size, dtype=np.int64)
        if config.kind == "pulse_width":
            time = sizes * config.t_unit
            return np.asarray(np.where(sizes > 0, self.value("e_0"), 0.0) + config.v_read**2 * config.g_load * time)
        last = np.where(sizes > 0, sizes - 1, config.magnitude) if before is None else np.asarray(before)
        rest = self.static_power(config)[sizes] * config.t_slot
        return np.asarray(self.value("e_0") + self.value("e_bit") * toggled_bits(sizes, last) + rest)

    def static_power(self, config: DacConfig | None = None) -> Array:
        """What one word line's ladder draws at rest at every size [W], (sizes,); nothing of a capacitor array.

        The lower reference takes back what comes from the upper one, so only their distance counts.
        """
        config = config or self.config
        if config.kind != "r2r":
            return np.zeros(config.magnitude + 1)
        legs, rungs = resistors(config, np.zeros(len(element_names(config))))
        low, high = (np.full(config.bits, value) for value in self._on_resistances())
        v = config.high - config.v_clp
        nodes = ladder_nodes(legs, rungs, low, high, v, config.g_load)
        return np.asarray(v * ladder_current(nodes, legs, low, high, v))

    # Parts

    def _on_resistances(self) -> tuple[float, float]:
        return (0.0, 0.0) if self.form == STRAIGHT else (self.value("r_low"), self.value("r_high"))

    def _amplitudes(self, element: Array, mismatch: Array, config: DacConfig) -> Array:
        """Levels of both lines, (chips, sides, sizes) [V]."""
        if config.kind == "capacitive":
            straight = self.form == STRAIGHT
            c, q = (0.0, 0.0) if straight else (self.value("c_parasitic"), self.value("q_reset"))
            lines = line_levels(config, element, np.empty(0), np.empty(0), c, q)
        else:
            on = []
            for row, value in enumerate(self._on_resistances()):
                moved = 0.0
                if "switch_sensitivity" in self.parameters and mismatch.shape[-1]:
                    moved = mismatch @ self.array("switch_sensitivity")[row]
                on.append(value * np.exp(moved) * np.ones(mismatch.shape[:-1]))
            lines = line_levels(config, element, on[0], on[1], 0.0, 0.0)
        if self.form == STRAIGHT:
            return np.asarray(self.value("gain") * lines)
        return lines

    def _pulses(self, mismatch: Array, config: DacConfig) -> Array:
        """Areas of both lines, (chips, sides, sizes) [V s]."""
        sizes = np.arange(config.magnitude + 1)
        if self.form == STRAIGHT:
            return np.asarray(self.value("gain") * config.lsb * sizes * np.ones((*mismatch.shape[:2], 1)))
        width = np.full(mismatch.shape[:2], self.value("width"))
        if mismatch.shape[-1]:
            width = width + mismatch[..., 0, :] @ self.array("width_sensitivity")
        return np.asarray(config.v_read * (sizes * config.t_unit + width[..., None] * (sizes > 0)))


def toggled_bits(sizes: ArrayLike, before: ArrayLike) -> NDArray[np.int64]:
    """How many bits differ between two sizes."""
    different = np.bitwise_xor(np.asarray(sizes, dtype=np.int64), np.asarray(before, dtype=np.int64))
    return np.bitwise_count(different).astype(np.int64)


def load_model(path: str | Path, accept: bool = False) -> DacModel:
    """Read a DAC's model file; see `cosim.blocks.model.load_model_file` for what is refused."""
    return DacModel.load(path, accept)
