"""What a cell is made of and how it is measured: everything a user may set, with its limits."""

from __future__ import annotations

from typing import Literal, NamedTuple

from pydantic import Field

from cosim.blocks.circuit import CircuitConfig
from cosim.blocks.config import Hertz, Metre, Ratio, Second, Volt
from cosim.constants import ZERO_CELSIUS
from cosim.devices import Device, load_device

THRESHOLD_ROOM = 1.2  # [V] of gate above what an NMOS transistor is to pass: threshold, body effect, some overdrive


class Gates(NamedTuple):
    """Gate voltages of the access transistor [V]."""

    reading: float
    setting: float
    resetting: float

    def of(self, volts: float, v_set: float) -> float:
        """The gate under a pulse of `volts`, where SET has the sign of `v_set`."""
        if volts == 0.0:
            return self.reading
        return self.setting if volts * v_set > 0 else self.resetting


class CellConfig(CircuitConfig):
    """A cell between a driven top electrode and a bottom electrode held at ground.

    As "1T1R" an NMOS transistor lies between memristor and source line, its gate at `v_gate` for reading, at
    `v_gate_set` for SET, whose current it limits, and at `v_gate_reset` for RESET, where the source line is driven and
    the transistor passes no more than its gate less a threshold voltage. (An array takes a thick-oxide transistor for
    such voltages; the cards here have none.) As "1R" the memristor is by itself, switched through the series resistance
    that its model states.
    """

    device: str = Field("hfo2_gap", description="device model: a name, or a folder")
    cell: Literal["1R", "1T1R"] = Field("1R", description="memristor alone, or with an access transistor")
    access_width: Metre = Field(5e-6, ge=1e-7, le=1e-3, description="channel width of the access transistor")
    access_length: Metre = Field(0.18e-6, ge=2e-8, le=1e-5, description="its channel length")
    v_gate: Volt | None = Field(None, gt=0, le=6, description="gate in reading; default: the supply")
    v_gate_reset: Volt | None = Field(
        None, gt=0, le=8, description="gate in RESET; default: 1.2 V above the RESET amplitude, the supply at least"
    )
    v_gate_set: Volt | None = Field(None, gt=0, le=6, description="gate in SET; default: that of reading")
    v_read: Volt | None = Field(None, gt=0.005, le=1, description="read voltage; default: the device's")
    v_max: Volt | None = Field(None, gt=0.01, le=2, description="end of the I-V curve; default: 1.5 v_read")
    t_read: Second = Field(100e-9, ge=1e-9, le=1e-3, description="length of a read in the noise measurement")
    f_low: Hertz = Field(1.0, ge=1e-3, le=1e9, description="lowest frequency of the noise spectrum")
    f_high: Hertz = Field(1e9, ge=1.0, le=1e12, description="highest frequency of the noise spectrum")
    cycle_spread: Ratio = Field(
        0.05, ge=0, le=0.5, description="sigma of the state before each cycle's SET, relative to the state's window"
    )
    device_spread: dict[str, Ratio] = Field(
        default_factory=dict,
        description="relative sigma, device to device, of parameters of the switching model, e.g. {gamma_0 = '2 %'}",
    )

    @property
    def parameters(self) -> Device:
        """The device's parameters."""
        return load_device(self.device)

    @property
    def read_voltage(self) -> float:
        """V_read [V]."""
        return self.parameters.v_read if self.v_read is None else self.v_read

    @property
    def kelvin(self) -> float:
        """Temperature [K]."""
        return self.temperature + ZERO_CELSIUS

    @property
    def gates(self) -> Gates:
        """Gate voltages of the access transistor."""
        reading = self.v_dd if self.v_gate is None else self.v_gate
        dynamic = self.parameters.dynamic
        reset = max(self.v_dd, abs(dynamic.v_reset) + THRESHOLD_ROOM) if dynamic is not None else reading
        return Gates(
            reading,
            reading if self.v_gate_set is None else self.v_gate_set,
            reset if self.v_gate_reset is None else self.v_gate_reset,
        )
