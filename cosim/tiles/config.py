"""What a tile is made of, and what follows from it: conductance targets and the length of input pulses."""

from __future__ import annotations

from collections.abc import Sequence
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
from cosim.tiles.quantise import full_scale, weight_codes

Array = NDArray[np.float64]

InputMode = Literal["pulse width", "amplitude"]
"""What of a word line's pulse stands for the input; the other is that of full scale."""

Signs = Literal["differential", "unipolar", "offset"]
"""How weights get a sign in cells that have none."""

SETTLING = 10e-9  # [s] between the longest input pulse and the conversion, for the virtual grounds to return


class TileConfig(BlockConfig):
    """DAC + crossbar + ramp ADC. The blocks' own settings are the tables `crossbar` and `adc`.

    Signs are made in one of three ways (see `blocks.crossbar.mapping`):

    * "differential": two word lines an input, +x and -x; w = (G+ - G-) / S, S = (G_max - G_min) / w_max.
    * "unipolar": one word line an input, weights 0 .. w_max, w = (G - G_min) / S. One more bit line, the correction
      column, holds cells of weight zero; its result is converted like the others and subtracted digitally.
    * "offset": the same for weights -w_max .. w_max, so that the middle of the window stands for zero and
      S = (G_max - G_min) / (2 w_max).

    The crossbar's `rows` and `columns` are set from these.
    """

    inputs: int = Field(41, ge=1, le=512, description="inputs, the bias included; one or two word lines each")
    outputs: int = Field(32, ge=1, le=512, description="outputs; one bit line and one converter each")
    array_inputs: int | None = Field(
        None, ge=1, le=512,
        description="inputs that the array has room for; the unused ones lie away from the clamps, on word lines at"
        " rest, their cells at G_min; default: as many as are used",
    )  # fmt: skip
    array_outputs: int | None = Field(
        None, ge=1, le=512,
        description="outputs that the array has room for; the bit lines of the unused ones lie away from the drivers,"
        " are clamped and not converted; default: as many as are used",
    )  # fmt: skip
    signs: Signs = Field(
        "differential",
        description="how weights get their sign: pairs of word lines, or a correction column for weights 0 .. w_max"
        " (unipolar) or -w_max .. w_max (offset)",
    )
    dac_bits: int = Field(5, ge=2, le=8, description="bits of the input pulses' width or amplitude, sign included")
    dac_sigma: float = Field(
        0.0,
        ge=0,
        le=0.5,
        description="standard deviation of the static error of each level of each input's DAC, drawn a chip [LSB of"
        " the DAC]; 0: pulses as long as they should be",
    )
    weight_bits: int = Field(
        5, ge=2, le=8, description="levels a weight is programmed to, the sign included where weights have one"
    )
    w_max: float = Field(2.0, gt=0, le=1e3, description="weight that a whole conductance window stands for")
    compensated: bool = Field(
        False,
        description="cells are programmed so that wires, drivers, clamps and the integrators' gain and bandwidth, as"
        " configured, are made up for",
    )
    headroom: float = Field(
        1.0, gt=0, le=1,
        description="share of the conductance window that w_max takes; what is left is for compensation",
    )  # fmt: skip
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

    @model_validator(mode="after")
    def _sizes_and_signs_fit(self) -> TileConfig:
        for used, room in (("inputs", self.array_inputs), ("outputs", self.array_outputs)):
            if room is not None and room < getattr(self, used):
                raise CosimError(
                    f"the array has no room for the tile's {used}", key=f"array_{used}", value=room,
                    allowed=f"{getattr(self, used)} or more",
                )  # fmt: skip
        if self.signs != "differential" and self.adc.function != "linear":
            raise CosimError(
                "the correction column is subtracted after the conversion, which must be linear then",
                key="signs", value=self.signs, allowed="differential, or the function linear",
            )  # fmt: skip
        return self

    @property
    def lines_per_input(self) -> int:
        """Word lines of an input."""
        return 2 if self.signs == "differential" else 1

    @property
    def bit_lines(self) -> int:
        """Bit lines that are converted: the outputs, and the correction column behind them where there is one."""
        return self.outputs + (self.signs != "differential")

    @property
    def idle_inputs(self) -> int:
        """Inputs of the array that are not used; they come first."""
        return (self.array_inputs or self.inputs) - self.inputs

    @property
    def levels(self) -> int:
        """Largest code of a weight: 2^(b-1) - 1, and 2^b - 1 of weights without a sign."""
        return 2**self.weight_bits - 1 if self.signs == "unipolar" else full_scale(self.weight_bits)

    @property
    def w_low(self) -> float:
        """The lowest weight, -w_max or 0."""
        return 0.0 if self.signs == "unipolar" else -self.w_max

    @property
    def siemens(self) -> float:
        """S: conductance that a weight of one takes [S]."""
        return self.window / (2.0 * self.w_max if self.signs == "offset" else self.w_max)

    @property
    def window(self) -> float:
        """What the weights take of the conductance window [S]; it begins at G_min."""
        return self.headroom * (self.device.g_max - self.device.g_min)

    @property
    def g_zero(self) -> float:
        """Conductance of a cell that stands for the weight zero [S]."""
        return self.device.g_min + (self.window / 2.0 if self.signs == "offset" else 0.0)

    @property
    def pedestal(self) -> float:
        """What g_zero adds to every weight of a bit line, g_zero / S; the converters must have room for it."""
        return 0.0 if self.signs == "differential" else self.g_zero / self.siemens

    @property
    def device(self) -> Device:
        """The device of array and ramp column."""
        return load_device(self.adc.device)

    @property
    def array(self) -> CrossbarConfig:
        """The crossbar of this tile's size, with the ADC's V_CLP, V_read and device."""
        return self.crossbar.model_copy(
            update={
                "rows": self.lines_per_input * (self.array_inputs or self.inputs),
                "columns": (self.array_outputs or self.outputs) + self.bit_lines - self.outputs,
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
    DRAWN = ("dac_error", "programming_error", "read_noise", "ramp_error", "comparator_offset", "adc_noise")
    """Those that something is drawn for; all others are the same on every chip."""

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

    def active(self, config: TileConfig) -> Nonidealities:
        """The same without what a tile has none of: errors of ideal DACs, and a law of linear cells."""
        return replace(
            self,
            dac_error=self.dac_error and config.dac_sigma > 0.0,
            cell_nonlinearity=self.cell_nonlinearity and config.law != "linear",
        )

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
    def ladder(cls, names: Sequence[str] | None = None) -> dict[str, Nonidealities]:
        """ "none", each of these names (or of all) alone, and "all" of them; what is not named stays off."""
        chosen = cls.names() if names is None else names
        together = cls(**{each: each in chosen for each in cls.names()})
        return {"none": cls.none(), **{name: cls.only(name) for name in chosen}, "all": together}

    @classmethod
    def names(cls) -> list[str]:
        """All switches, in the order of the signal path."""
        return [each.name for each in fields(cls)]


def input_pulse(config: TileConfig) -> float:
    """Length of a full-scale input pulse [s]; with amplitude inputs that of all.

    The MAC result must come out in the volts that the ramp takes for it: V_read T S / C_fb = alpha, S the conductance
    of a weight of one, so T = (alpha / V_read) C_fb / S; V_read cancels.
    """
    return design_column(config.adc, config.device).gain_per_volt * config.adc.c_fb / config.siemens


def conductance_targets(weights: Array, config: TileConfig) -> Array:
    """Conductances [S] of the whole array, (word lines, bit lines), for weights of shape (inputs, outputs).

    Of a differential pair a positive weight raises the first cell above G_min, a negative one the second. Raises
    CosimError for a wrong shape, for values that are not finite, and for weights that the window cannot hold.
    """
    weights = check_weights(weights, config)
    device, lines = config.device, config.lines_per_input
    levels = weight_levels(weights, config) * (config.w_max / config.levels)
    targets = np.full((config.array.rows, config.array.columns), device.g_min)
    used = targets[lines * config.idle_inputs :, : config.bit_lines]
    if config.signs == "differential":
        rise = np.abs(levels) * config.siemens
        used[0::2] += np.where(levels > 0, rise, 0.0)
        used[1::2] += np.where(levels < 0, rise, 0.0)
    else:
        used[:] = config.g_zero
        used[:, : config.outputs] += levels * config.siemens
    return np.clip(targets, device.g_min, device.g_max)


def check_weights(weights: Array, config: TileConfig) -> Array:
    """Weights (inputs, outputs) as float64; CosimError where `conductance_targets` raises one."""
    weights = np.asarray(weights, dtype=np.float64)
    if weights.shape != (config.inputs, config.outputs):
        raise CosimError(
            f"weights of shape {weights.shape} do not fit the tile", allowed=f"({config.inputs}, {config.outputs})"
        )
    if not np.isfinite(weights).all():
        raise CosimError(
            "weights must be finite numbers", key="weights", value=float(weights[~np.isfinite(weights)][0])
        )
    room = 1e-6 * config.w_max
    beyond = np.maximum(weights - config.w_max, config.w_low - weights)
    if beyond.max() > room:
        raise CosimError(
            "this weight does not fit the conductance window", key="weights",
            value=float(weights.flat[beyond.argmax()]), allowed=f"{config.w_low:g} to {config.w_max:g} (w_max)",
        )  # fmt: skip
    return weights


def weight_levels(weights: Array, config: TileConfig) -> NDArray[np.float64]:
    """Codes of weights that fit, whole numbers of w_max / `levels`."""
    if config.signs == "unipolar":
        return np.asarray(np.clip(np.rint(weights / config.w_max * config.levels), 0, config.levels))
    return weight_codes(weights, config.weight_bits, config.w_max).astype(np.float64)


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


def corrected(results: Array, config: TileConfig) -> Array:
    """Results (batch, outputs) of the converted bit lines (batch, bit lines): less those of the correction column."""
    if config.signs == "differential":
        return results
    return np.asarray(results[:, : config.outputs] - results[:, config.outputs :])
