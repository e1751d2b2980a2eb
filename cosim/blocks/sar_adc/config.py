"""What a successive-approximation ADC is made of: everything a user may set, with its limits."""

from __future__ import annotations

from typing import Any

from pydantic import Field, ValidationInfo, field_validator, model_validator

from cosim.blocks.circuit import CircuitConfig
from cosim.blocks.config import Ampere, Farad, Ohm, Ratio, Second, Volt
from cosim.blocks.part import load_part
from cosim.process import load_process

COMPARATOR_PINS = (("inp", "inn", "out", "bias", "vdd", "vss"), ("inp", "inn", "out", "vdd", "vss"))
SWITCH_PINS = (("b", "vin", "vhi", "vlo", "sample", "up", "down", "vdd", "vss"),)
TOP_SWITCH_PINS = (("t", "vcm", "on", "vdd", "vss"),)


def _of_supply(share: float) -> Any:
    """A voltage in proportion to the process's nominal supply; a reference stays when the supply is swept."""

    def default(data: dict[str, Any]) -> float:
        return round(share * load_process(data.get("process", "generic180")).v_dd, 4)

    return default


class SarAdcConfig(CircuitConfig):
    """A SAR ADC with a binary-weighted capacitor array, sampled on its bottom plates, and one comparator.

    The input range is `v_low` to `v_high`: threshold k lies at v_low + (v_high - v_low) k / 2^bits. The comparator
    works at `v_cm`, which its netlist must allow. A conversion takes bits + 2 clock periods, two of them for sampling.
    """

    bits: int = Field(5, ge=3, le=8, description="bits of the code")
    comparator: str = Field("comparator_two_stage", description="netlist of the comparator: a name, or a .cir file")
    switch: str = Field("sar_switch", description="netlist of the array's switches: a name, or a .cir file")
    v_low: Volt = Field(default_factory=_of_supply(0.4), ge=0, le=5, description="lower reference, start of the range")
    v_high: Volt = Field(default_factory=_of_supply(0.7), ge=0, le=5, description="upper reference, end of the range")
    v_cm: Volt = Field(default_factory=_of_supply(0.55), ge=0, le=5, description="common mode of the comparator")
    c_unit: Farad = Field(10e-15, ge=1e-16, le=1e-11, description="unit capacitor; the array has 2^bits of them")
    sigma_unit: Ratio = Field(0.01, ge=0, le=0.2, description="relative sigma of a unit capacitor")
    c_parasitic: Farad = Field(10e-15, ge=0, le=1e-11, description="capacitance of the top plates to ground")
    r_switch: Ohm = Field(2e3, ge=1, le=1e6, description="resistance of a closed ideal switch")
    t_clock: Second = Field(20e-9, ge=1e-9, le=1e-5, description="clock period: one decision")
    i_bias: Ampere = Field(40e-6, ge=1e-6, le=1e-3, description="reference current of a comparator with a bias pin")

    @field_validator("comparator")
    @classmethod
    def _with_comparator(cls, netlist: str, known: ValidationInfo) -> str:
        load_part(netlist, "comparator", COMPARATOR_PINS, key="comparator", process=known.data.get("process"))
        return netlist

    @field_validator("switch")
    @classmethod
    def _with_switches(cls, netlist: str, known: ValidationInfo) -> str:
        for name, pins in (("sar_switch", SWITCH_PINS), ("sar_top_switch", TOP_SWITCH_PINS)):
            load_part(netlist, name, pins, key="switch", process=known.data.get("process"))
        return netlist

    @model_validator(mode="after")
    def _ordered(self) -> SarAdcConfig:
        if self.v_high - self.v_low < 0.05:
            raise ValueError("the input range is v_low to v_high, at least 50 mV")
        return self

    @property
    def thresholds(self) -> int:
        """Number of thresholds, 2^bits - 1."""
        return (1 << self.bits) - 1

    @property
    def lsb(self) -> float:
        """(v_high - v_low) / 2^bits [V]."""
        return (self.v_high - self.v_low) / (1 << self.bits)

    @property
    def t_conversion(self) -> float:
        """Two clock periods of sampling and one for each bit [s]."""
        return (self.bits + 2) * self.t_clock
