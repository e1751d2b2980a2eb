"""The tile from fitted models: a few matrix products and a search a conversion, with the circuit's non-idealities.

What is on the integrators for any inputs is said by `array`. Read noise: each selected cell's conductance is off by a
relative sigma in each read, so the MAC result has the variance sigma^2 sum_i x_i^2 (G+^2 + G-^2), scaled likewise: a
matrix product of the squares. Noise of the converter is that of `conversion`, with the rms values of
`noise.conversion_noise`.

Batches are worked through in pieces, so that what lies between is small, in float32: the MAC result is then off by
some 1e-6 of its full scale, which changes one code in 10^5. With every switch off MAC results lie on thresholds, where
that would count, and all is float64.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

from cosim.blocks.crossbar.behaviour import CrossbarModel
from cosim.blocks.crossbar.config import CellKind
from cosim.blocks.crossbar.inputs import device_of
from cosim.blocks.normals import draw_key
from cosim.blocks.ramp_adc.behaviour import RampAdcModel
from cosim.blocks.ramp_adc.chips import Chip
from cosim.blocks.ramp_adc.conversion import Converter
from cosim.blocks.ramp_adc.design import column_levels
from cosim.blocks.ramp_adc.noise import conversion_noise
from cosim.devices import Device
from cosim.errors import CosimError
from cosim.tiles.array import column_conductances, program_array
from cosim.tiles.chip import TileChip, draw_tile_chip
from cosim.tiles.config import Nonidealities, TileConfig, check_batch, check_inputs, corrected
from cosim.tiles.kernels import activations, make_levels
from cosim.tiles.model_error import ModelFormError, error_rng
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
    model_error: what ngspice has more than these models, which is then injected (`tiles.model_error`); `mac` leaves it
        out, because it counts where MAC results meet thresholds.
    """

    def __init__(
        self,
        config: TileConfig,
        model: RampAdcModel,
        nonidealities: Nonidealities | None = None,
        device: Device | None = None,
        array: CrossbarModel | None = None,
        threads: int = 1,
        model_error: ModelFormError | None = None,
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
        self.model_error = None if model_error is None or model_error.is_zero else model_error
        active = any(vars(self.nonidealities.active(config)).values())
        self._exact = self._bits_alone = not active and self.model_error is None
        self.device = device or config.device
        self.inputs, self.outputs = config.inputs, config.outputs
        self.resistances = _resistances(config, array)
        self.v_0 = device_of(config.array).v_0  # of the array's cells
        if array is not None and config.law == "sinh":
            self.v_0 = array.value("v_0")
        self.threads = threads
        self.chip: TileChip | None = None

    def program(self, weights: Array, rng: np.random.Generator) -> None:
        """Write a chip: all static variations are drawn, whether they are switched on or not.

        So the same `rng` gives the same chip whatever the switches, and settings can be compared on it. Only what a
        compensated tile makes up for is left out where there is nothing to make up for.
        """
        for_error = None if self.model_error is None else error_rng(rng)
        on = self.nonidealities
        chip = draw_tile_chip(
            weights, self.config, rng, model=self.model, device=self.device, wires=on.ir_drop, amplifier=on.amplifier
        )
        self.load(chip, for_error)

    def load(self, chip: TileChip, for_error: np.random.Generator | None = None) -> None:
        """Take a chip that was drawn elsewhere, e.g. the one that ngspice simulates.

        `for_error`: what the static part of the model-form error is drawn from; a tile that has one needs it.
        """
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
        self.array = program_array(
            cells, self.config, resistances, law=self._law, v_0=self.v_0, amplifier=on.amplifier,
            unit=self.model.mac_gain(),
        )  # fmt: skip
        noise = self.array.cell_results * self.device.read_noise
        squares = noise**2
        self._noise_squares = squares[0::2] + squares[1::2] if self.config.lines_per_input == 2 else squares
        lines = (self.config.bit_lines, adc.thresholds)
        self.thresholds = np.ascontiguousarray(np.broadcast_to(self._thresholds(chip), lines))
        if self.model_error is not None:
            if for_error is None:
                raise CosimError("a tile with a model-form error draws it with the chip: a generator is needed")
            shifts = self.model_error.shifts(self.thresholds.shape, for_error)  # type: ignore[arg-type]
            self.thresholds = self.thresholds + shifts / self.model.mac_gain()
        self._levels = chip.dac if on.dac_error else None
        self._exact = self._bits_alone and self._levels is None
        self.converter = self._converter(chip)
        self._single_array = self.array.single()
        self._single = tuple(
            np.ascontiguousarray(each, dtype=np.float32)
            for each in (self._noise_squares, np.zeros((0, 0)) if self._levels is None else self._levels)
        )
        self.chip = chip

    @property
    def matrix(self) -> Array:
        """What multiplies the inputs (inputs, bit lines), in units of the network; of sinh cells its linear part.

        A correction column's pedestal is in all bit lines."""
        return self.array.matrix

    @property
    def _law(self) -> CellKind:
        return self.config.law if self.nonidealities.cell_nonlinearity else "linear"

    def _column(self, chip: TileChip) -> Chip:
        """The ramp column, the chip's or the one that was meant; of sinh cells the linear ones that do the same."""
        model, column, device = self.model, chip.adc, self.config.device
        if not self.nonidealities.ramp_error:
            column = replace(column, ramp=model.ramp_target, bias=model.bias_target, bias_sign=model.bias_sign)
        if self._law == "linear":
            return column
        ramp = column_conductances(column.ramp, self.config.adc, device.v_0, device.v_read, model.pulse)
        bias = column_conductances(column.bias, self.config.adc, device.v_0, device.v_read)
        return replace(column, ramp=ramp, bias=bias)

    def _thresholds(self, chip: TileChip) -> Array:
        """Thresholds of each column in units of the MAC result, shape (bit lines, thresholds) or (1, thresholds)."""
        on, model, column = self.nonidealities, self.model, self._column(chip)
        mean = model.value("offset_mean")
        offsets = chip.offsets if on.comparator_offset else np.full(1, mean)
        if on.comparator_lag:
            return model.thresholds(column.ramp, column.bias, offsets, bias_sign=column.bias_sign)
        levels = column_levels(column.ramp, column.bias, column.bias_sign, self.config.adc, model.pulse)
        return np.asarray((levels + (offsets - mean)[:, None]) / model.mac_gain())

    def _converter(self, chip: TileChip) -> Converter:
        thresholds, stairs = self.thresholds + TIE, self.config.adc.staircase
        if not self.noisy:
            return Converter(thresholds, stairs)
        own, ramp = 0.0, np.zeros(())
        if self.nonidealities.adc_noise:
            own, ramp = conversion_noise(
                self._column(chip), self.config.adc, self.model.value("comparator_noise"), self.device.read_noise
            )
        if self.model_error is not None:
            own = np.hypot(own, self.model_error.mac_conversion)
        gain = self.model.mac_gain()
        return Converter(thresholds, stairs, own_noise=own / gain, ramp_noise=ramp / gain)

    @property
    def noisy(self) -> bool:
        """Whether something is drawn in each conversion."""
        on = self.nonidealities
        return on.read_noise or on.adc_noise or (self.model_error is not None and self.model_error.mac_conversion > 0)

    def mac(self, inputs: NDArray[np.floating], rng: np.random.Generator) -> Array:
        """MAC results as the comparators see them, in units of the network, shape (batch, bit lines), in float64.

        With read noise where it is on: of the distribution that `codes` draws from, not the same numbers.
        """
        values = self._values(inputs)
        result = self.array.mac(values)
        if self.nonidealities.read_noise:
            sigma = np.sqrt(values**2 @ self._noise_squares)
            result = result + sigma * rng.standard_normal(result.shape)
        return result

    def _values(self, inputs: NDArray[np.floating]) -> Array:
        """What the DACs make of inputs, in units of the network, float64."""
        if self.chip is None:
            raise CosimError("the tile is not programmed; call its program(weights, rng) first")
        bits = self.config.dac_bits
        codes = dac_codes(check_inputs(inputs, self.config), bits)
        if self._levels is None:
            return dac_values(codes, bits)
        return np.asarray(self._levels[np.arange(self.inputs), codes + full_scale(bits)])

    def codes(self, inputs: NDArray[np.floating], rng: np.random.Generator) -> NDArray[np.integer[Any]]:
        """ADC codes (batch, bit lines), that of a correction column last; uint8 up to 8 bits."""
        if self._exact:
            return self.converter.codes(self.array.mac(self._values(inputs)))
        if self.chip is None:
            raise CosimError("the tile is not programmed; call its program(weights, rng) first")
        batch = check_batch(inputs, self.config)
        key = draw_key(rng) if self.noisy else None
        codes = np.empty((len(batch), self.config.bit_lines), dtype=self.converter.dtype)
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
        noise_squares, levels = self._single
        reads = self.nonidealities.read_noise
        values, squares = make_levels(batch, full_scale(self.config.dac_bits), levels, squared=reads)
        mac = self._single_array.mac(values)
        if key is None:
            self.converter.codes(mac, codes)
            return
        variance = squares @ noise_squares if reads else None
        self.converter.noisy_codes(mac, key, variance, first_row=first, out=codes)

    def forward(self, inputs: NDArray[np.floating], rng: np.random.Generator) -> Array:
        """Activations (batch, outputs) that the codes stand for."""
        function = self.model.function
        results = activations(self.codes(inputs, rng), function.low, function.high, self.config.adc.bits)
        return corrected(results, self.config)
