"""Tiles without a circuit: real arithmetic, and bits alone.

The sum of products of DAC and weight codes is a whole number below 2^24 (512 127^2 at the most), which float32 products
give exactly in whatever order; so a MAC result that lies on a threshold is known to do so.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cosim.blocks.ramp_adc.conversion import Converter
from cosim.errors import CosimError
from cosim.tiles.config import TileConfig, check_batch, check_inputs, check_weights, corrected, weight_levels
from cosim.tiles.kernels import activations, make_codes
from cosim.tiles.quantise import TIE, full_scale

Array = NDArray[np.float64]


class IdealTile:
    """y = g(x W) in float64: no bits, no circuit."""

    def __init__(self, config: TileConfig) -> None:
        self.config = config
        self.inputs, self.outputs = config.inputs, config.outputs
        self._function = config.adc.activation
        self._weights: Array | None = None

    def program(self, weights: Array, rng: np.random.Generator) -> None:
        """Take the weights, shape (inputs, outputs); nothing is drawn."""
        del rng
        self._weights = check_weights(weights, self.config).copy()  # what no chip could hold is refused here too

    def forward(self, inputs: NDArray[np.floating], rng: np.random.Generator) -> Array:
        """Activations (batch, outputs) of inputs (batch, inputs)."""
        del rng
        if self._weights is None:
            raise CosimError("the tile is not programmed; call its program(weights, rng) first")
        return np.asarray(self._function.value(check_inputs(inputs, self.config) @ self._weights))


class QuantisedTile:
    """DAC bits, weight bits and ADC bits, and nothing else: the circuit as it was meant."""

    def __init__(self, config: TileConfig) -> None:
        self.config = config
        self.inputs, self.outputs = config.inputs, config.outputs
        self._function = config.adc.activation
        stairs = config.adc.staircase
        grid = full_scale(config.dac_bits) * config.levels / config.w_max
        thresholds = np.tile((stairs.thresholds + TIE) * grid, (config.bit_lines, 1))
        self._converter = Converter(thresholds, stairs)
        self._weights: NDArray[Any] | None = None

    def program(self, weights: Array, rng: np.random.Generator) -> None:
        """Take the weights, shape (inputs, outputs), to the nearest levels; nothing is drawn."""
        del rng
        config = self.config
        codes = weight_levels(check_weights(weights, config), config)
        if config.signs == "differential":
            self._weights = codes.astype(np.float32)
        else:
            zero = config.pedestal * config.levels / config.w_max
            self._weights = zero + np.concatenate((codes, np.zeros((config.inputs, 1))), axis=1)

    def codes(self, inputs: NDArray[np.floating], rng: np.random.Generator) -> NDArray[np.integer[Any]]:
        """ADC codes (batch, bit lines), that of the correction column last."""
        del rng
        if self._weights is None:
            raise CosimError("the tile is not programmed; call its program(weights, rng) first")
        codes = make_codes(check_batch(inputs, self.config), full_scale(self.config.dac_bits))
        return self._converter.codes(codes @ self._weights)

    def forward(self, inputs: NDArray[np.floating], rng: np.random.Generator) -> Array:
        """Activations (batch, outputs) that the codes stand for."""
        results = activations(self.codes(inputs, rng), self._function.low, self._function.high, self.config.adc.bits)
        return corrected(results, self.config)
