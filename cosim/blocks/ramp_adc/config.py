"""What a ramp ADC is made of: everything a user may set, with its limits."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from cosim.blocks.circuit import CircuitConfig
from cosim.blocks.config import Ampere, Farad, Hertz, Second, Volt
from cosim.blocks.ramp_adc.functions import get_function


class RampAdcConfig(CircuitConfig):
    """A ramp ADC whose ramp comes from a column of memristors (or, as the yardstick, from a fixed reference).

    Voltages of the signal path are measured from `v_clp`. The clock period holds one cell's read pulse and the time
    to settle; the comparators are sampled at its end.
    """

    bits: int = Field(5, ge=2, le=8, description="bits of the code")
    function: str = Field("sigmoid", description="activation that the code stands for")
    ramp: Literal["column", "fixed"] = Field("column", description="memristor column, or fixed reference voltages")
    device: str = Field("taox_1t1r", description="device model: a name, or a folder")
    comparator: str = Field("comparator_two_stage", description="netlist of the comparator: a name, or a .cir file")
    v_read: Volt = Field(0.2, gt=0.01, le=0.5, description="read voltage across a selected cell")
    v_clp: Volt = Field(1.0, ge=0.5, le=1.5, description="clamp voltage of the bit lines")
    c_fb: Farad = Field(5e-12, ge=1e-14, le=1e-9, description="feedback capacitor of every integrator")
    t_pulse: Second = Field(10e-9, ge=1e-9, le=1e-6, description="read pulse of a ramp cell")
    t_clock: Second = Field(20e-9, ge=2e-9, le=2e-6, description="clock period")
    swing: Volt = Field(0.57, gt=0.05, le=1.2, description="largest span of the ramp; sets the column's conductances")
    amplifier_gain: float = Field(1e4, ge=10, le=1e7, description="dc gain of the integrators' amplifier")
    amplifier_gbw: Hertz = Field(1e9, ge=1e7, le=1e11, description="gain-bandwidth product of that amplifier")
    c_bitline: Farad = Field(50e-15, ge=0, le=1e-11, description="capacitance of a bit line")
    i_bias: Ampere = Field(40e-6, ge=1e-6, le=1e-3, description="reference current of the comparators")

    @field_validator("function")
    @classmethod
    def _known_function(cls, name: str) -> str:
        get_function(name)
        return name

    @property
    def thresholds(self) -> int:
        """Number of thresholds, 2^bits - 1."""
        return (1 << self.bits) - 1
