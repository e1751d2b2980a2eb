"""What a word-line DAC is made of: everything a user may set, with its limits."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from cosim.blocks.circuit import CircuitConfig
from cosim.blocks.config import Farad, Ohm, Ratio, Second, Siemens, Volt
from cosim.blocks.part import Part, load_part
from cosim.process import load_process

SWITCH_PINS = ("leg", "bit", "high", "low", "vdd", "vss")
RESET_PINS = ("row", "rst", "clp", "vdd", "vss")
DRIVER_PINS = ("in", "row", "high", "low", "vdd", "vss")


def _clamp(data: dict[str, Any]) -> float:
    """5/9 of the process' nominal supply, not of a corner's: it comes from a reference."""
    return 5 / 9 * load_process(data.get("process", "generic180")).v_dd


class DacConfig(CircuitConfig):
    """A DAC for a pair of word lines: the code's size goes to the line of its sign, the other one stays at v_clp.

    r2r, capacitive: the line's voltage above v_clp carries the code, 0 .. v_read; pulse_width: the time for which the
    line is v_read above v_clp does.
    """

    kind: Literal["r2r", "capacitive", "pulse_width"] = Field(
        "r2r", description="what carries the code, and how it is made"
    )
    bits: int = Field(5, ge=3, le=8, description="bits of the code, its sign included")
    v_clp: Volt = Field(default_factory=_clamp, ge=0.1, le=4.0, description="clamp voltage of the bit lines, code 0")
    v_read: Volt = Field(0.2, ge=0.01, le=1.0, description="full scale above v_clp")
    switch: str = Field(
        "dac_switch", description="netlist of the switches of r2r and capacitive: a name, or a .cir file"
    )
    driver: str = Field("dac_driver", description="netlist of the driver of pulse_width: a name, or a .cir file")
    r_unit: Ohm = Field(20e3, ge=100, le=1e8, description="resistor R of the ladder; 2R is two of them")
    r_sigma: Ratio = Field(2e-3, ge=0, le=0.2, description="relative sigma of one resistor R")
    c_unit: Farad = Field(20e-15, ge=1e-16, le=1e-11, description="unit capacitor")
    c_sigma: Ratio = Field(5e-3, ge=0, le=0.2, description="relative sigma of one unit capacitor")
    c_top: Ratio = Field(0.05, ge=0, le=2, description="parasitic of the common plate, as a share of the array")
    c_bottom: Ratio = Field(0.1, ge=0, le=2, description="parasitic of a switched plate, as a share of its capacitor")
    columns: int = Field(64, ge=0, le=4096, description="cells on the word line")
    c_cell: Farad = Field(1e-15, ge=0, le=1e-12, description="capacitance of the word line at each cell")
    g_load: Siemens = Field(
        0.0, ge=0, le=1.0, description="conductance from the word line to v_clp: cells that are read"
    )
    t_unit: Second = Field(10e-9, ge=5e-10, le=1e-5, description="pulse_width: width of one step of the code")
    t_slot: Second = Field(100e-9, ge=2e-9, le=1e-4, description="r2r, capacitive: time for one conversion")
    settling: float = Field(0.25, gt=0, le=10, description="settled when within so many LSB")

    @field_validator("switch")
    @classmethod
    def _with_switch(cls, netlist: str, known: ValidationInfo) -> str:
        load_part(netlist, "dac_switch", (SWITCH_PINS,), key="switch", process=known.data.get("process"))
        return netlist

    @field_validator("driver")
    @classmethod
    def _with_driver(cls, netlist: str, known: ValidationInfo) -> str:
        load_part(netlist, "dac_driver", (DRIVER_PINS,), key="driver", process=known.data.get("process"))
        return netlist

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.high > self.v_dd:
            raise ValueError(f"the upper reference, {self.high:.3g} V, must not lie above v_dd")
        return self

    @property
    def magnitude(self) -> int:
        """Largest code, 2^(bits - 1) - 1."""
        return (1 << (self.bits - 1)) - 1

    @property
    def high(self) -> float:
        """Upper reference [V]: a binary array's largest word lies one step below it."""
        steps = self.magnitude
        return self.v_clp + (self.v_read if self.kind == "pulse_width" else self.v_read * (steps + 1) / steps)

    @property
    def lsb(self) -> float:
        """One step of the ideal DAC: [V], or [V s] of pulse_width."""
        return self.v_read * self.t_unit if self.kind == "pulse_width" else self.v_read / self.magnitude

    @property
    def unit(self) -> str:
        """Of the output: "V" or "V*s"."""
        return "V*s" if self.kind == "pulse_width" else "V"

    @property
    def c_line(self) -> float:
        """Capacitance of a word line [F]."""
        return self.columns * self.c_cell

    def part(self) -> Part:
        """What is called once for each bit (`dac_switch`), or once for each word line (`dac_driver`)."""
        if self.kind == "pulse_width":
            return load_part(self.driver, "dac_driver", (DRIVER_PINS,), key="driver")
        return load_part(self.switch, "dac_switch", (SWITCH_PINS,), key="switch")

    def reset_part(self) -> Part:
        """The switch that ties a capacitive DAC's line to v_clp, in the same file."""
        return load_part(self.switch, "dac_reset", (RESET_PINS,), key="switch")
