"""The tile from fitted models: a matrix product and a search a conversion, with the circuit's non-idealities.

The bit line's charge is Q_j = V_read T sum_i x_i (G_eff[2i, j] - G_eff[2i+1, j]) with the array's effective
conductances. Integrators of gain A and unity-gain frequency w_u, whose virtual grounds are joined by the array's
admittance matrix Y, turn the charges into the voltages V that solve

    (C_fb (1 + 1/A) + C_bl / A) V + (1 / w_u + t_hold / A) Y V = Q,

because a virtual ground gives way by V / A and by (dV/dt) / w_u, and what the array draws from it meanwhile is
missing on C_fb. Every term is linear in the inputs, so a programmed tile is one matrix.

Read noise: each selected cell's conductance is off by a relative sigma in each read, so the MAC result has the
variance sigma^2 sum_i x_i^2 (G+^2 + G-^2), scaled likewise: a second matrix product, of the squares. Noise of the
converter is that of `conversion`, with the rms values of `noise.conversion_noise`.

Batches are worked through in pieces, so that what lies between is small, in float32: the MAC result is then off by
some 1e-6 of its full scale, which changes one code in 10^5. With every switch off MAC results lie on thresholds, where
that would count, and all is float64.
"""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

from cosim.blocks.crossbar.behaviour import CrossbarModel
from cosim.blocks.crossbar.elimination import clamp_matrix, effective_conductance
from cosim.blocks.normals import draw_key
from cosim.blocks.ramp_adc.behaviour import RampAdcModel
from cosim.blocks.ramp_adc.chips import Chip
from cosim.blocks.ramp_adc.conversion import Converter
from cosim.blocks.ramp_adc.design import column_levels
from cosim.blocks.ramp_adc.noise import conversion_noise
from cosim.devices import Device
from cosim.errors import CosimError
from cosim.tiles.chip import TileChip, draw_tile_chip
from cosim.tiles.config import SETTLING, Nonidealities, TileConfig, check_batch, check_inputs, input_pulse
from cosim.tiles.kernels import activations, make_levels
from cosim.tiles.quantise import TIE, dac_codes, dac_values, full_scale

Array = NDArray[np.float64]

PIECE = 512  # rows of a batch that are worked on together, in the second-level cache


@lru_cache(maxsize=1)
def _blas() -> ThreadpoolController:
    """NumPy's linear algebra; looking for it takes milliseconds, so once."""
    return ThreadpoolController()


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
    threads: how many pieces of a batch are worked on side by side. The answer does not depend on it.
    """

    def __init__(
        self,
        config: TileConfig,
        model: RampAdcModel,
        nonidealities: Nonidealities | None = None,
        device: Device | None = None,
        array: CrossbarModel | None = None,
        threads: int = 1,
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
        self._exact = not any(vars(self.nonidealities).values())
        self.device = device or config.device
        self.inputs, self.outputs = config.inputs, config.outputs
        self.resistances = _resistances(config, array)
        self.threads = threads
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
        if on.adc_noise and "comparator_noise" not in self.model.parameters:
            raise CosimError(
                "this ADC model does not know its comparator's noise; fit it again, or leave adc_noise out",
                key="adc_noise",
            )
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
        self._levels = chip.dac if on.dac_error else None
        self.converter = self._converter(chip)
        self._single = tuple(
            np.ascontiguousarray(each, dtype=np.float32)
            for each in (self.matrix, self._noise_squares, np.zeros((0, 0)) if self._levels is None else self._levels)
        )
        self.chip = chip

    def _capacitances(self, cells: Array, resistances: tuple[float, float, float, float], pulse: float) -> Array:
        """The matrix in front of V in the equation of this module [F], shape (outputs, outputs)."""
        adc = self.config.adc
        # An output that rises for half the longest pulse (the mean) and then stays has 3/4 of it as its mean duration.
        hold = 0.75 * pulse + SETTLING
        share = 1 / (2 * math.pi * adc.amplifier_gbw) + hold / adc.amplifier_gain
        own = adc.c_fb * (1 + 1 / adc.amplifier_gain) + adc.c_bitline / adc.amplifier_gain
        return np.asarray(own * np.eye(self.outputs) + share * clamp_matrix(cells, *resistances))

    def _column(self, chip: TileChip) -> Chip:
        """The ramp column: the chip's, or the one that was meant."""
        if self.nonidealities.ramp_error:
            return chip.adc
        model = self.model
        return replace(chip.adc, ramp=model.ramp_target, bias=model.bias_target, bias_sign=model.bias_sign)

    def _thresholds(self, chip: TileChip) -> Array:
        """Thresholds of each column in units of the MAC result, shape (outputs, thresholds) or (1, thresholds)."""
        on, model, column = self.nonidealities, self.model, self._column(chip)
        mean = model.value("offset_mean")
        offsets = chip.offsets if on.comparator_offset else np.full(1, mean)
        if on.comparator_lag:
            return model.thresholds(column.ramp, column.bias, offsets, bias_sign=column.bias_sign)
        levels = column_levels(column.ramp, column.bias, column.bias_sign, self.config.adc, model.pulse)
        return np.asarray((levels + (offsets - mean)[:, None]) / model.mac_gain())

    def _converter(self, chip: TileChip) -> Converter:
        thresholds, stairs = self.thresholds + TIE, self.config.adc.staircase
        if not self.nonidealities.adc_noise:
            return Converter(thresholds, stairs)
        own, ramp = conversion_noise(
            self._column(chip), self.config.adc, self.model.value("comparator_noise"), self.device.read_noise
        )
        gain = self.model.mac_gain()
        return Converter(thresholds, stairs, own_noise=own / gain, ramp_noise=ramp / gain)

    def mac(self, inputs: NDArray[np.floating], rng: np.random.Generator) -> Array:
        """MAC results as the comparators see them, in units of the network, shape (batch, outputs), in float64.

        With read noise where it is on: of the distribution that `codes` draws from, not the same numbers.
        """
        values = self._values(inputs)
        result = values @ self.matrix
        if self.nonidealities.read_noise:
            sigma = np.sqrt(values**2 @ self._noise_squares)
            result = result + sigma * rng.standard_normal(result.shape)
        return np.asarray(result)

    def _values(self, inputs: NDArray[np.floating]) -> Array:
        """What the DACs make of inputs, in units of the network, float64."""
        assert self.chip is not None, "program the tile first"
        bits = self.config.dac_bits
        codes = dac_codes(check_inputs(inputs, self.config), bits)
        if self._levels is None:
            return dac_values(codes, bits)
        return np.asarray(self._levels[np.arange(self.inputs), codes + full_scale(bits)])

    def codes(self, inputs: NDArray[np.floating], rng: np.random.Generator) -> NDArray[np.integer[Any]]:
        """ADC codes (batch, outputs); uint8 up to 8 bits."""
        if self._exact:
            return self.converter.codes(self._values(inputs) @ self.matrix)
        assert self.chip is not None, "program the tile first"
        batch = check_batch(inputs, self.config)
        on = self.nonidealities
        key = draw_key(rng) if on.read_noise or on.adc_noise else None
        codes = np.empty((len(batch), self.outputs), dtype=self.converter.dtype)
        rows = PIECE // self.converter.rows * self.converter.rows
        firsts = range(0, len(batch), rows)

        def one(first: int) -> None:
            self._piece(batch[first : first + rows], first, key, codes[first : first + rows])

        if self.threads == 1 or len(firsts) == 1:
            for first in firsts:
                one(first)
        else:
            with _blas().limit(limits=1, user_api="blas"), ThreadPoolExecutor(self.threads) as pool:
                list(pool.map(one, firsts))
        return codes

    def _piece(
        self, batch: NDArray[np.floating], first: int, key: NDArray[np.uint32] | None, codes: NDArray[Any]
    ) -> None:
        """Codes of the rows from `first` on, in float32."""
        matrix, noise_squares, levels = self._single
        reads = self.nonidealities.read_noise
        values, squares = make_levels(batch, full_scale(self.config.dac_bits), levels, squared=reads)
        mac = values @ matrix
        if key is None:
            self.converter.codes(mac, codes)
            return
        variance = squares @ noise_squares if reads else None
        self.converter.noisy_codes(mac, key, variance, first_row=first, out=codes)

    def forward(self, inputs: NDArray[np.floating], rng: np.random.Generator) -> Array:
        """Activations (batch, outputs) that the codes stand for."""
        function = self.model.function
        return activations(self.codes(inputs, rng), function.low, function.high, self.config.adc.bits)
