"""Tiles without a circuit: real arithmetic, and bits alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cosim.tiles.config import TileConfig, check_inputs, conductance_targets
from cosim.tiles.quantise import codes_from_mac, dac_codes, dac_values, decode, quantise_weights

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
        conductance_targets(weights, self.config)  # a weight that no chip could hold is refused here too
        self._weights = np.array(weights, dtype=np.float64)

    def forward(self, inputs: NDArray[np.floating], rng: np.random.Generator) -> Array:
        """Activations (batch, outputs) of inputs (batch, inputs)."""
        del rng
        assert self._weights is not None, "program the tile first"
        return np.asarray(self._function.value(check_inputs(inputs, self.config) @ self._weights))


class QuantisedTile:
    """DAC bits, weight bits and ADC bits, and nothing else: the circuit as it was meant."""

    def __init__(self, config: TileConfig) -> None:
        self.config = config
        self.inputs, self.outputs = config.inputs, config.outputs
        self._function = config.adc.activation
        self._stairs = config.adc.staircase
        self._weights: Array | None = None

    def program(self, weights: Array, rng: np.random.Generator) -> None:
        """Take the weights, shape (inputs, outputs), to the nearest levels; nothing is drawn."""
        del rng
        conductance_targets(weights, self.config)
        self._weights = quantise_weights(weights, self.config.weight_bits, self.config.w_max)

    def codes(self, inputs: NDArray[np.floating], rng: np.random.Generator) -> NDArray[np.int64]:
        """ADC codes (batch, outputs)."""
        del rng
        assert self._weights is not None, "program the tile first"
        values = check_inputs(inputs, self.config)
        bits = self.config.dac_bits
        counts = codes_from_mac(dac_values(dac_codes(values, bits), bits) @ self._weights, self._stairs.thresholds)
        return self._stairs.codes(counts)

    def forward(self, inputs: NDArray[np.floating], rng: np.random.Generator) -> Array:
        """Activations (batch, outputs) that the codes stand for."""
        return decode(self.codes(inputs, rng), self._function.low, self._function.high, self.config.adc.bits)
