"""What the exports of the ramp ADC have in common: a chip's thresholds as numbers, and the words that go with them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from cosim.blocks.circuit import Corner
from cosim.blocks.config import Volt
from cosim.blocks.exports import ChipOptions, checked_options
from cosim.blocks.ramp_adc.behaviour import RampAdcModel
from cosim.blocks.ramp_adc.chips import draw_chip
from cosim.blocks.ramp_adc.column import timeline
from cosim.blocks.ramp_adc.design import design_column, device_of
from cosim.blocks.ramp_adc.functions import Staircase
from cosim.seeds import stream

Array = NDArray[np.float64]


class RampAdcExport(ChipOptions):
    """Options of the ramp ADC's exports."""

    function: str | None = Field(None, description="function of the code; default: of the model")
    bits: int | None = Field(None, ge=2, le=8, description="bits of the code; default: of the model")
    x_range: tuple[float, float] | None = Field(None, description="inputs that the code spans")
    corner: Corner | None = Field(None, description="process corner; default: of the model")
    temperature: float | None = Field(None, ge=-55, le=150, description="temperature [degC]; default: of the model")
    v_dd: Volt | None = Field(None, gt=0, description="supply; default: of the model")
    columns: int = Field(1, ge=1, le=1024, description="comparators that share the ramp, each with its own offset")
    v_read: Volt | None = Field(None, gt=0.01, le=0.5, description="read voltage; default: of the characterisation")

    @property
    def changes(self) -> dict[str, Any]:
        """What is another converter than the model's own, as `RampAdcModel.at` takes it."""
        names = ("function", "bits", "x_range", "corner", "temperature", "v_dd")
        return {name: getattr(self, name) for name in names if getattr(self, name) is not None}


@dataclass(frozen=True)
class ExportedAdc:
    """A chip of the model, ready to be written.

    Attributes
    ----------
    name: of the module, or of the only subcircuit.
    thresholds: above V_CLP in order of the clocks, shape (columns, count) [V].
    noise: rms noise of each, shape (count,) [V]; zero where the model does not know the comparator's.
    stairs: directions and first code.
    bits: of the code.
    preparation: clock edges from the one that takes `start` to the first sample of the comparators.
    notes: for the header.
    """

    name: str
    thresholds: Array
    noise: Array
    stairs: Staircase
    bits: int
    preparation: int
    notes: tuple[str, ...]

    @property
    def clocks(self) -> int:
        """Clock edges from the one that takes `start` to the one that gives the code."""
        return self.preparation + self.thresholds.shape[1] - 1

    @property
    def noise_note(self) -> str:
        """What a header says of the noise."""
        known = (
            f"that of the model is {self.noise.min():.4g} .. {self.noise.max():.4g} V rms, threshold by threshold"
            if self.noise.any() else "the model does not know the comparator's, so there is none unless it is given"
        )  # fmt: skip
        return f"Noise is one draw a conversion, common to its comparisons; {known}."

    @property
    def largest(self) -> int:
        """The last code: where the counter stops."""
        return max(self.stairs.start, int(self.stairs.code_above.max()))


def exported_adc(model: RampAdcModel, options: Mapping[str, Any]) -> ExportedAdc:
    """The chip that the options ask for; CosimError for options that the export does not have."""
    chosen = checked_options(RampAdcExport, options)
    if chosen.changes:
        model = model.at(**chosen.changes)
    config = model.config
    ramp, bias, sign = model.ramp_target, model.bias_target, model.bias_sign
    offsets = np.full(chosen.columns, model.value("offset_mean"))
    if chosen.seed is not None:
        for_chip, for_offsets = np.random.default_rng(stream(chosen.seed, "export: ramp ADC")).spawn(2)
        chip = draw_chip(config, design_column(config), device_of(config), chosen.columns, for_chip)
        ramp, bias, sign = chip.ramp, chip.bias, chip.bias_sign
        offsets = model.draw_offsets(chosen.columns, for_offsets)
    thresholds = model.threshold_voltages(ramp, bias, offsets, chosen.v_read, sign)
    v_read = chosen.v_read or config.v_read
    noise = np.zeros(thresholds.shape[-1])
    if "comparator_noise" in model.parameters:
        read_at = config.model_copy(update={"v_read": v_read})
        noise = model.noise_voltages(ramp, bias, bias_sign=sign, config=read_at)
    which = "the nominal chip" if chosen.seed is None else f"the chip drawn with seed {chosen.seed}"
    function = model.function
    notes = (
        f"Ramp ADC, {config.bits} bits, function {config.function}, {chosen.columns} column(s) of {which}, at V_read ="
        f" {v_read:g} V, corner {config.corner}, {config.temperature:g} degC, {config.v_dd:g} V. The input is the MAC"
        " voltage above the clamp voltage V_CLP [V]; one unit of the MAC result is"
        f" {model.mac_gain(chosen.v_read):.9g} V. Code c stands for the activation {function.low:.6g} + (c + 1/2) *"
        f" {(function.high - function.low) / 2**config.bits:.6g}.",
    )
    return ExportedAdc(
        name=chosen.name or "ramp_adc",
        thresholds=np.atleast_2d(thresholds),
        noise=noise,
        stairs=config.staircase,
        bits=config.bits,
        # `timeline` counts periods from the start of the reset; the k-th comparison ends period k.
        preparation=round(float(timeline(config, len(bias)).edges[0]) / config.t_clock),
        notes=notes,
    )
