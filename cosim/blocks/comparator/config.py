"""What a comparator is characterised with: everything a user may set, with its limits."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

from pydantic import Field, ValidationInfo, field_validator

from cosim.blocks.circuit import CircuitConfig
from cosim.blocks.config import Ampere, Farad, Hertz, Ohm, Ratio, Second, Volt
from cosim.blocks.part import Part, load_part
from cosim.errors import CosimError
from cosim.process import load_process, mismatch_of

CONTINUOUS_PINS = ("inp", "inn", "out", "bias", "vdd", "vss")
CLOCKED_PINS = ("inp", "inn", "clk", "outp", "outn", "vdd", "vss")
BIAS_PINS = ("bias", "vdd", "vss")
DEFAULT = "comparator_strongarm"
CM_SHARE = 0.65  # of the supply: both shipped comparators have NMOS input pairs


def _part(netlist: str, process: str | None = None) -> Part:
    return load_part(netlist, "comparator", (CONTINUOUS_PINS, CLOCKED_PINS), key="comparator", process=process)


def _by_kind(clocked: float, continuous: float) -> Callable[[dict[str, Any]], float]:
    """A default that depends on the netlist; one that cannot be loaded is refused by its own key."""

    def default(data: dict[str, Any]) -> float:
        try:
            part = _part(data.get("comparator", DEFAULT))
        except CosimError:
            return clocked
        return clocked if len(part.pins) == len(CLOCKED_PINS) else continuous

    return default


class ComparatorConfig(CircuitConfig):
    """A comparator with its inputs, its clock and what hangs on its pins.

    The netlist's subcircuit `comparator` has the pins `inp inn out bias vdd vss` (continuous-time, with a subcircuit
    `comparator_bias bias vdd vss`) or `inp inn clk outp outn vdd vss` (clocked: low resets both outputs to low, the
    rising edge decides). A clocked one takes its decision from the reset state in the first half of a clock period. A
    continuous-time one has its `inp` held, and `inn` steps across it.
    """

    comparator: str = Field(DEFAULT, description="netlist of the comparator: a name, or a .cir file")
    v_cm: Volt = Field(
        default_factory=lambda data: CM_SHARE * data.get("v_dd", 1.8),
        ge=0.0, le=5.5, description="common mode of the inputs; default: 0.65 of the supply",
    )  # fmt: skip
    v_step: Volt = Field(0.1, gt=0, le=1.0, description="continuous-time: how far on the other side the input waits")
    t_clock: Second = Field(
        default_factory=_by_kind(10e-9, 400e-9), ge=1e-10, le=1e-4,
        description="clock period; default: 10 ns, of a continuous-time comparator 400 ns",
    )  # fmt: skip
    t_edge: Second = Field(50e-12, ge=1e-12, le=1e-8, description="rise and fall time of clock and input step")
    i_bias: Ampere = Field(40e-6, ge=1e-8, le=1e-2, description="continuous-time: reference current of the bias")
    c_load: Farad = Field(5e-15, ge=0, le=1e-11, description="capacitance at every output")
    r_source: Ohm = Field(10e3, ge=1.0, le=1e9, description="kickback: resistance of the source at an input")
    c_source: Farad = Field(100e-15, ge=1e-16, le=1e-10, description="kickback: capacitance of the source at an input")
    f_low: Hertz = Field(1e3, ge=1e-3, le=1e9, description="continuous-time: lower end of the noise integral")
    noise_gamma: Ratio = Field(2 / 3, gt=0, le=5, description="clocked: channel noise is 4 k T gamma (gm + gds + gmbs)")

    @field_validator("comparator")
    @classmethod
    def _with_pins(cls, netlist: str, known: ValidationInfo) -> str:
        process = known.data.get("process")
        part = _part(netlist, process)
        if len(part.pins) == len(CONTINUOUS_PINS):
            load_part(netlist, "comparator_bias", (BIAS_PINS,), key="comparator", process=process)
        if "process" in known.data:  # else that key is refused
            mismatch_of(part.text, load_process(known.data["process"]))
        return netlist

    @cached_property
    def part(self) -> Part:
        """The subcircuit `comparator`."""
        return _part(self.comparator)

    @property
    def clocked(self) -> bool:
        """The comparator has a clock pin."""
        return len(self.part.pins) == len(CLOCKED_PINS)
