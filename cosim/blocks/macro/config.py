"""What a macro is made of: a small crossbar with its drivers, integrators and ramp ADC."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from cosim.blocks.config import Ampere, Ohm
from cosim.blocks.crossbar.config import CellKind, CrossbarConfig
from cosim.blocks.part import Part, load_part
from cosim.blocks.ramp_adc.config import RampAdcConfig
from cosim.blocks.ramp_adc.design import design_column, device_of
from cosim.blocks.ramp_adc.timing import EDGE

IDEAL = "ideal"
# [A] of ota_two_stage with its bias: supply_current of `cosim characterise integrator`, generic180, TT, 27 degC, 1.8 V.
AMPLIFIER_CURRENT = 631e-6
DRIVER_PINS = ("in", "row", "high", "low", "vdd", "vss")


class MacroConfig(RampAdcConfig):
    """An array of 2 `inputs` word lines by `outputs` bit lines, and the ramp ADC that its settings describe.

    Each input has two word lines and each weight two cells on one bit line, driven in opposite directions. Inputs are
    pulses of graded width at +-V_read, of `dac_bits` with the sign.
    """

    ramp: Literal["column"] = Field("column", description="the ramp of a macro comes from its memristor column")
    inputs: int = Field(4, ge=1, le=16, description="inputs; two word lines each")
    outputs: int = Field(4, ge=1, le=8, description="outputs; one bit line, integrator and comparator each")
    dac_bits: int = Field(5, ge=2, le=8, description="bits of the input pulses' width, sign included")
    w_max: float = Field(2.0, gt=0, le=1e3, description="weight that a whole conductance window stands for")
    cell: CellKind = Field("linear", description="law of the memristors' current, array and ramp column alike")
    driver: str = Field(
        "ideal",
        description="word-line drivers: 'ideal', or a netlist as dac_driver: a name, or a .cir file",
    )
    r_driver: Ohm = Field(100.0, ge=0, le=1e6, description="resistance of an ideal driver")
    r_clamp: Ohm = Field(10.0, ge=0, le=1e6, description="resistance between bit line and integrator")
    i_amplifier: Ampere = Field(
        AMPLIFIER_CURRENT, ge=0, le=0.1, description="supply current at rest of each integrator's amplifier, for energy"
    )
    r_wire_row: Ohm = Field(1.0, ge=0, le=1e4, description="resistance of one segment of a word line")
    r_wire_column: Ohm = Field(1.0, ge=0, le=1e4, description="resistance of one segment of a bit line")

    @field_validator("driver")
    @classmethod
    def _known_driver(cls, netlist: str, known: ValidationInfo) -> str:
        if netlist != IDEAL:
            load_part(netlist, "dac_driver", (DRIVER_PINS,), key="driver", process=known.data.get("process"))
        return netlist

    @model_validator(mode="after")
    def _pulses_longer_than_their_edges(self) -> MacroConfig:
        shortest = self.input_pulse / self.full_scale
        if shortest <= EDGE:
            raise ValueError(
                f"the shortest input pulse, {shortest * 1e9:.3g} ns, must be longer than its edges, {EDGE * 1e9:g} ns:"
                " take fewer dac_bits or a larger w_max"
            )
        return self

    @property
    def full_scale(self) -> int:
        """Largest input code, 2^(dac_bits - 1) - 1."""
        return (1 << self.dac_bits - 1) - 1

    @property
    def input_pulse(self) -> float:
        """Length of a full-scale input pulse [s]: T = (alpha / V_read) C_fb w_max / (G_max - G_min).

        So that the MAC result comes out in the volts that the ramp takes for it.
        """
        device = device_of(self)
        gain = design_column(self, device).gain_per_volt
        return gain * self.c_fb * self.w_max / (device.g_max - device.g_min)

    @property
    def driver_part(self) -> Part | None:
        """The drivers' netlist; None of ideal ones."""
        return None if self.driver == IDEAL else load_part(self.driver, "dac_driver", (DRIVER_PINS,), key="driver")

    @property
    def array(self) -> CrossbarConfig:
        """The crossbar."""
        return CrossbarConfig(
            rows=2 * self.inputs,
            columns=self.outputs,
            device=self.device,
            v_read=self.v_read,
            v_clp=self.v_clp,
            r_driver=self.r_driver if self.driver == IDEAL else 0.0,
            r_clamp=self.r_clamp,
            r_wire_row=self.r_wire_row,
            r_wire_column=self.r_wire_column,
        )

    @property
    def operations(self) -> int:
        """A multiplication and an addition for each weight."""
        return 2 * self.inputs * self.outputs
