"""What a sample and hold is characterised with: everything a user may set, with its limits."""

from __future__ import annotations

from pydantic import Field, ValidationInfo, field_validator

from cosim.blocks.circuit import CircuitConfig
from cosim.blocks.config import Farad, Hertz, Ohm, Second, Volt
from cosim.blocks.part import Part, load_part

PINS = ("in", "out", "clk", "clkb", "vdd", "vss")


def _part(netlist: str, process: str | None = None) -> Part:
    return load_part(netlist, "sample_hold", (PINS,), key="sample_hold", process=process)


class SampleHoldConfig(CircuitConfig):
    """A switch between an ideal source and a hold capacitor, with its clock drivers.

    The netlist's subcircuit `sample_hold` has the pins `in out clk clkb vdd vss`; clk high tracks. The hold capacitor
    stands between `out` and ground, outside of the netlist.
    """

    sample_hold: str = Field("sample_hold_tgate", description="netlist of the switch: a name, or a .cir file")
    c_hold: Farad = Field(500e-15, ge=1e-15, le=1e-9, description="hold capacitor")
    t_track: Second = Field(10e-9, ge=1e-11, le=1e-3, description="time for which the switch is closed")
    t_hold: Second = Field(10e-9, ge=1e-11, le=1e-3, description="time from the opening until the output is read")
    t_edge: Second = Field(100e-12, ge=1e-12, le=1e-7, description="rise and fall time of the clocks")
    t_droop: Second = Field(10e-6, ge=1e-8, le=1.0, description="time over which droop is watched")
    r_driver: Ohm = Field(500.0, ge=1.0, le=1e6, description="output resistance of the clock drivers")
    f_hold: Hertz = Field(1e6, ge=1.0, le=1e11, description="frequency at which feedthrough in hold is found")
    v_step: Volt = Field(2e-3, ge=1e-4, le=0.2, description="small step for the time constant")

    @field_validator("sample_hold")
    @classmethod
    def _with_pins(cls, netlist: str, known: ValidationInfo) -> str:
        _part(netlist, known.data.get("process"))
        return netlist

    def part(self) -> Part:
        """The subcircuit `sample_hold`."""
        return _part(self.sample_hold)
