"""What an integrator on a bit line is characterised with: everything a user may set, with its limits."""

from __future__ import annotations

from typing import Any, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from cosim.blocks.circuit import CircuitConfig
from cosim.blocks.config import Ampere, Farad, Hertz, Ratio, Second, Siemens, Volt
from cosim.blocks.part import Part, load_part
from cosim.process import load_process

MACRO_PINS = ("bl", "out", "rst", "vclp")
TRANSISTOR_PINS = (*MACRO_PINS, "bias", "vdd", "vss")


def _share_of_supply(share: float) -> Any:
    """A default that follows the process' nominal supply, not the supply of a corner: it comes from a reference."""
    return lambda data: share * load_process(data.get("process", "generic180")).v_dd


class IntegratorConfig(CircuitConfig):
    """A charge integrator: an amplifier with a feedback capacitor between bit line and output.

    The netlist has the pins `bl out rst vclp` (macro model) or `bl out rst vclp bias vdd vss` (transistors, with a
    subcircuit `integrator_bias bias vdd vss`).
    """

    integrator: str = Field("ota_two_stage", description="netlist of the integrator: a name, or a .cir file")
    v_clp: Volt = Field(
        default_factory=_share_of_supply(5 / 9), ge=0.2, le=4.0, description="clamp voltage of the bit line"
    )
    swing: Volt = Field(
        default_factory=_share_of_supply(0.3),
        ge=0.01,
        le=3.0,
        description="full scale of the output, to both sides of v_clp",
    )
    v_read: Volt = Field(0.2, ge=0.01, le=0.5, description="read voltage across the cells")
    c_fb: Farad = Field(2.5e-12, ge=1e-14, le=1e-9, description="feedback capacitor")
    c_bitline: Farad = Field(50e-15, ge=0, le=1e-11, description="capacitance of the bit line")
    c_load: Farad = Field(100e-15, ge=0, le=1e-10, description="capacitance at the output: hold capacitor, comparator")
    t_pulse: Second = Field(50e-9, ge=1e-9, le=1e-6, description="read pulse")
    t_clock: Second = Field(100e-9, ge=5e-9, le=1e-5, description="time for a read pulse and its settling")
    t_hold: Second = Field(1e-6, ge=1e-8, le=1e-3, description="time over which droop is watched")
    g_idle: Siemens = Field(1e-3, ge=1e-7, le=0.1, description="idle cells left on the bit line while droop is watched")
    settling: Ratio = Field(
        1e-3, ge=1e-5, le=0.1, description="the output has settled when within this share of the swing"
    )
    i_bias: Ampere = Field(25e-6, ge=1e-7, le=1e-3, description="reference current of the amplifier")
    amplifier_gain: float = Field(1e4, ge=10, le=1e7, description="dc gain of a macro model")
    amplifier_gbw: Hertz = Field(1e9, ge=1e6, le=1e11, description="gain-bandwidth product of a macro model")

    @field_validator("integrator")
    @classmethod
    def _with_pins(cls, netlist: str, known: ValidationInfo) -> str:
        pins, process = (MACRO_PINS, TRANSISTOR_PINS), known.data.get("process")
        load_part(netlist, "integrator", pins, key="integrator", process=process)
        return netlist

    def part(self) -> Part:
        """The subcircuit `integrator`."""
        return load_part(self.integrator, "integrator", (MACRO_PINS, TRANSISTOR_PINS), key="integrator")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.t_clock < self.t_pulse + 2e-9:
            raise ValueError("t_clock must hold the read pulse and its settling: at least t_pulse + 2 ns")
        if self.v_clp >= self.v_dd:
            raise ValueError("v_clp must lie below v_dd")
        return self

    @property
    def full_scale(self) -> float:
        """Charge that moves the output by the swing [C]."""
        return self.c_fb * self.swing
