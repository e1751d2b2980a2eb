"""What a tile is made of, and what follows from it: conductance targets and the length of input pulses."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from cosim.blocks.config import BlockConfig
from cosim.blocks.crossbar.config import CellKind, CrossbarConfig
from cosim.blocks.ramp_adc.config import RampAdcConfig
from cosim.blocks.ramp_adc.design import design_column
from cosim.devices import Device, load_device
from cosim.errors import CosimError
from cosim.tiles.quantise import quantise_weights

Array = NDArray[np.float64]

InputMode = Literal["pulse width", "amplitude"]
"""What of a word line's pulse stands for the input; the other is that of full scale."""

SETTLING = 10e-9  # [s] between the longest input pulse and the conversion, for the virtual grounds to return


class TileConfig(BlockConfig):
    """DAC + crossbar + ramp ADC. The blocks' own settings are the tables `crossbar` and `adc`.

    The crossbar takes two word lines an input and one bit line an output; its `rows` and `columns` are set from these.
    """

    inputs: int = Field(41, ge=1, le=512, description="inputs, the bias included; two word lines each")
    outputs: int = Field(32, ge=1, le=512, description="outputs; one bit line and one converter each")
    dac_bits: int = Field(5, ge=2, le=8, description="bits of the input pulses' width or amplitude, sign included")
    dac_sigma: float = Field(
        0.0,
        ge=0,
        le=0.5,
        description="standard deviation of the static error of each level of each input's DAC, drawn a chip [LSB of"
        " the DAC]; 0: pulses as long as they should be",
    )
    weight_bits: int = Field(5, ge=2, le=8, description="levels a weight is programmed to, sign included")
    w_max: float = Field(2.0, gt=0, le=1e3, description="weight that a whole conductance window stands for")
    law: CellKind = Field("linear", description="law of the current of all cells, those of the ramp column included")
    input_mode: InputMode = Field(
        "pulse width", description="what of a pulse stands for the input: its width at V_read, or its amplitude"
    )
    adc: RampAdcConfig = Field(default_factory=RampAdcConfig)
    crossbar: CrossbarConfig = Field(default_factory=CrossbarConfig)

    @model_validator(mode="after")
    def _law_is_known(self) -> TileConfig:
        if self.law == "sinh" and self.crossbar.memristor == "subcircuit":
            raise CosimError(
                "tiles take sinh cells by the device's parameters", key="crossbar.memristor", value="subcircuit",
                allowed="law",
            )  # fmt: skip
        return self

    @property
    def device(self) -> Device:
        """The device of array and ramp column."""
        return load_device(self.adc.device)

    @property
    def array(self) -> CrossbarConfig:
        """The crossbar of this tile's size, with the ADC's V_CLP, V_read and device."""
        return self.crossbar.model_copy(
            update={
                "rows": 2 * self.inputs,
                "columns": self.outputs,
                "v_clp": self.adc.v_clp,
                "v_read": self.adc.v_read,
                "device": self.adc.device,
            }
        )


@dataclass(frozen=True)
class Nonidealities:
    """Switches: what of the real circuit the behavioural tile includes.

    With all of them off it equals the quantised tile.
    """

    NOISE = ("read_noise", "adc_noise")
    """Those that differ from conversion to conversion; all others are a chip's."""

    dac_error: bool = True  # static, of each level of each input's DAC
    programming_error: bool = True  # of the array's cells
    read_noise: bool = True  # of the array's cells, anew in each conversion
    ir_drop: bool = True  # wires, drivers and clamps
    cell_nonlinearity: bool = True  # of all cells, where the tile's law is not linear
    amplifier: bool = True  # gain and bandwidth of the integrators
    ramp_error: bool = True  # programming error of the ramp column
    comparator_offset: bool = True  # chip- and column-individual
    comparator_lag: bool = True  # systematic: mean offset, lag behind the staircase, bandwidth of the ramp
    adc_noise: bool = True  # of comparators, resets and the reading of the ramp column, anew in each conversion

    def quiet(self) -> Nonidealities:
        """The same without what differs from conversion to conversion."""
        return replace(self, **dict.fromkeys(self.NOISE, False))

    @classmethod
    def none(cls) -> Nonidealities:
        """All off."""
        return cls(**{each.name: False for each in fields(cls)})

    @classmethod
    def only(cls, name: str) -> Nonidealities:
        """One alone."""
        if name not in cls.names():
            raise CosimError("there is no such non-ideality", value=name, allowed=cls.names())
        return cls(**{each: each == name for each in cls.names()})

    @classmethod
    def names(cls) -> list[str]:
        """All switches, in the order of the signal path."""
        return [each.name for each in fields(cls)]


def input_pulse(config: TileConfig) -> float:
    """Length of a full-scale input pulse [s]; with amplitude inputs that of all.

    The MAC result must come out in the volts that the ramp takes for it: V_read T G_window / (C_fb w_max) = alpha, so
    T = (alpha / V_read) C_fb w_max / (G_max - G_min); V_read cancels.
    """
    device = config.device
    return (
        design_column(config.adc, device).gain_per_volt * config.adc.c_fb * config.w_max / (device.g_max - device.g_min)
    )


def conductance_targets(weights: Array, config: TileConfig) -> Array:
    """Conductances [S] of shape (2 inputs, outputs) for weights of shape (inputs, outputs).

    A positive weight raises the cell of row 2 i above G_min, a negative one that of row 2 i + 1. Raises CosimError for
    a wrong shape, for values that are not finite, and for weights beyond w_max: the window cannot hold them.
    """
    weights = np.asarray(weights, dtype=np.float64)
    if weights.shape != (config.inputs, config.outputs):
        raise CosimError(
            f"weights of shape {weights.shape} do not fit the tile", allowed=f"({config.inputs}, {config.outputs})"
        )
    if not np.isfinite(weights).all():
        raise CosimError(
            "weights must be finite numbers", key="weights", value=float(weights[~np.isfinite(weights)][0])
        )
    largest = weights.flat[np.abs(weights).argmax()]
    if abs(largest) > config.w_max * (1 + 1e-6):
        raise CosimError(
            "this weight does not fit the conductance window", key="weights", value=float(largest),
            allowed=f"-{config.w_max:g} to {config.w_max:g} (w_max)",
        )  # fmt: skip
    device = config.device
    levels = quantise_weights(weights, config.weight_bits, config.w_max)
    rise = np.abs(levels) / config.w_max * (device.g_max - device.g_min)
    targets = np.full((2 * config.inputs, config.outputs), device.g_min)
    targets[0::2] += np.where(levels > 0, rise, 0.0)
    targets[1::2] += np.where(levels < 0, rise, 0.0)
    return targets


def check_inputs(inputs: NDArray[np.floating], config: TileConfig) -> Array:
    """Inputs of shape (batch, inputs) as float64; CosimError for another shape or values that are not finite."""
    return np.asarray(check_batch(np.asarray(inputs, dtype=np.float64), config), dtype=np.float64)


def check_batch(inputs: NDArray[np.floating], config: TileConfig) -> NDArray[np.floating]:
    """The same, as float32 where they are, else float64; C-contiguous."""
    kind = np.float32 if getattr(inputs, "dtype", None) == np.float32 else np.float64
    values: NDArray[np.floating] = (
        np.ascontiguousarray(inputs, dtype=kind) if np.ndim(inputs) else np.asarray(inputs, dtype=kind)
    )
    if values.ndim != 2 or values.shape[1] != config.inputs:
        raise CosimError(f"inputs of shape {values.shape} do not fit the tile", allowed=f"(batch, {config.inputs})")
    if not np.isfinite(values).all():
        raise CosimError("inputs must be finite numbers", key="inputs")
    return values
