"""The tile from fitted models: one matrix product and one search a conversion, with the circuit's non-idealities.

The bit line's charge is Q_j = V_read T sum_i x_i (G_eff[2i, j] - G_eff[2i+1, j]) with the array's effective
conductances. Integrators of gain A and unity-gain frequency w_u, whose virtual grounds are joined by the array's
admittance matrix Y, turn the charges into the voltages V that solve

    (C_fb (1 + 1/A) + C_bl / A) V + (1 / w_u + t_hold / A) Y V = Q,

because a virtual ground gives way by V / A and by (dV/dt) / w_u, and what the array draws from it meanwhile is
missing on C_fb. Every term is linear in the inputs, so a programmed tile is one matrix.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from cosim.blocks.crossbar.behaviour import CrossbarModel
from cosim.blocks.crossbar.elimination import clamp_matrix, effective_conductance
from cosim.blocks.ramp_adc.behaviour import RampAdcModel, convert
from cosim.blocks.ramp_adc.design import column_levels
from cosim.devices import Device
from cosim.errors import CosimError
from cosim.tiles.chip import TileChip, draw_tile_chip
from cosim.tiles.config import SETTLING, Nonidealities, TileConfig, check_inputs, input_pulse
from cosim.tiles.quantise import TIE, dac_codes, dac_values, decode

Array = NDArray[np.float64]


def _resistances(config: TileConfig, fitted: CrossbarModel | None) -> tuple[float, float, float, float]:
    """Row and column wire segments, driver and clamp [ohm], as `effective_conductance` takes them."""
    array = config.array
    if fitted is None:
        return array.r_wire_row, array.r_wire_column, array.r_driver, array.r_clamp
    for name in ("r_wire_row", "r_wire_column", "r_driver", "r_clamp", "device"):
        if getattr(fitted.config, name) != getattr(array, name):
            raise CosimError(
                "the crossbar model was fitted for another circuit than this tile's",
                key=f"crossbar.{name}",
                value=getattr(array, name),
                allowed=[getattr(fitted.config, name)],
            )
    fitted.domain.check("rows", array.rows)
    fitted.domain.check("columns", array.columns)
    return fitted.resistances


class BehaviouralTile:
    """DAC, crossbar and ramp ADC as fitted models.

    Parameters
    ----------
    config: the tile.
    model: the fitted ramp ADC; it must be of the tile's function, bits and circuit.
    nonidealities: what to include.
    device: replaces the configured device, e.g. one with another programming error.
    array: the fitted crossbar, whose resistances are then used; the configured ones when None.
    """

    def __init__(
        self,
        config: TileConfig,
        model: RampAdcModel,
        nonidealities: Nonidealities | None = None,
        device: Device | None = None,
        array: CrossbarModel | None = None,
    ) -> None:
        if model.config != config.adc:
            changed = [
                name
                for name in type(model.config).model_fields
                if getattr(model.config, name) != getattr(config.adc, name)
            ]
            raise CosimError(
                "the ADC model was fitted for another circuit than this tile's",
                key=f"adc.{changed[0]}",
                value=getattr(config.adc, changed[0]),
                allowed=[getattr(model.config, changed[0])],
            )
        self.config, self.model = config, model
        self.nonidealities = nonidealities or Nonidealities()
        self.device = device or config.device
        self.inputs, self.outputs = config.inputs, config.outputs
        self.resistances = _resistances(config, array)
        self.chip: TileChip | None = None

    def program(self, weights: Array, rng: np.random.Generator) -> None:
        """Write a chip: all static variations are drawn, whether they are switched on or not.

        So the same `rng` gives the same chip whatever the switches, and settings can be compared on it.
        """
        self.load(draw_tile_chip(weights, self.config, rng, model=self.model, device=self.device))

    def load(self, chip: TileChip) -> None:
        """Take a chip that was drawn elsewhere, e.g. the one that ngspice simulates."""
        on, adc = self.nonidealities, self.config.adc
        if on.comparator_offset and not np.isfinite(chip.offsets).all():
            raise CosimError(
                "the comparators' offsets of this chip are not known; draw it with a model, or measure them"
            )
        self.chip = chip
        cells = chip.conductances if on.programming_error else chip.targets
        resistances = self.resistances if on.ir_drop else (0.0, 0.0, 0.0, 0.0)
        effective = effective_conductance(cells, *resistances)
        pulse = input_pulse(self.config)
        # From siemens to units of the MAC result: V_read T over the volts a unit is, and over a capacitance.
        scale = adc.v_read * pulse / self.model.mac_gain()
        integrators = np.eye(self.outputs) / adc.c_fb
        if on.amplifier:
            integrators = np.asarray(np.linalg.inv(self._capacitances(cells, resistances, pulse)), dtype=np.float64)
        self.matrix = (effective[0::2] - effective[1::2]) @ integrators.T * scale
        gain = scale * np.diag(integrators)
        self._noise_squares = (effective[0::2] ** 2 + effective[1::2] ** 2) * gain**2 * self.device.read_noise**2
        self.thresholds = np.ascontiguousarray(np.broadcast_to(self._thresholds(chip), (self.outputs, adc.thresholds)))

    def _capacitances(self, cells: Array, resistances: tuple[float, float, float, float], pulse: float) -> Array:
        """The matrix in front of V in the equation of this module [F], shape (outputs, outputs)."""
        adc = self.config.adc
        # An output that rises for half the longest pulse (the mean) and then stays has 3/4 of it as its mean duration.
        hold = 0.75 * pulse + SETTLING
        share = 1 / (2 * math.pi * adc.amplifier_gbw) + hold / adc.amplifier_gain
        own = adc.c_fb * (1 + 1 / adc.amplifier_gain) + adc.c_bitline / adc.amplifier_gain
        return np.asarray(own * np.eye(self.outputs) + share * clamp_matrix(cells, *resistances))

    def _thresholds(self, chip: TileChip) -> Array:
        """Thresholds of each column in units of the MAC result, shape (outputs, thresholds) or (1, thresholds)."""
        on, model = self.nonidealities, self.model
        ramp = chip.adc.ramp if on.ramp_error else model.ramp_target
        bias = chip.adc.bias if on.ramp_error else model.bias_target
        sign = chip.adc.bias_sign if on.ramp_error else model.bias_sign
        mean = model.value("offset_mean")
        offsets = chip.offsets if on.comparator_offset else np.full(1, mean)
        if on.comparator_lag:
            return model.thresholds(ramp, bias, offsets, bias_sign=sign)
        levels = column_levels(ramp, bias, sign, self.config.adc, model.pulse)
        return np.asarray((levels + (offsets - mean)[:, None]) / model.mac_gain())

    def mac(self, inputs: NDArray[np.floating], rng: np.random.Generator) -> Array:
        """MAC results as the comparators see them, in units of the network, shape (batch, outputs).

        Read noise: each selected cell's conductance is off by a relative sigma in each read, so the MAC result has
        the variance sigma^2 sum_i x_i^2 (G+^2 + G-^2), scaled likewise.
        """
        assert self.chip is not None, "program the tile first"
        bits = self.config.dac_bits
        values = dac_values(dac_codes(check_inputs(inputs, self.config), bits), bits)
        result = values @ self.matrix
        if self.nonidealities.read_noise:
            sigma = np.sqrt(values**2 @ self._noise_squares)
            result = result + sigma * rng.standard_normal(result.shape)
        return np.asarray(result)

    def codes(self, inputs: NDArray[np.floating], rng: np.random.Generator) -> NDArray[np.uint8]:
        """ADC codes (batch, outputs)."""
        return convert(self.mac(inputs, rng) - TIE, self.thresholds, self.config.adc.staircase)

    def forward(self, inputs: NDArray[np.floating], rng: np.random.Generator) -> Array:
        """Activations (batch, outputs) that the codes stand for."""
        function = self.model.function
        return decode(self.codes(inputs, rng), function.low, function.high, self.config.adc.bits)
