"""What a ramp ADC is made of: everything a user may set, with its limits."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from cosim.blocks.circuit import CircuitConfig
from cosim.blocks.config import Ampere, Farad, Hertz, Ratio, Second, Siemens, Volt
from cosim.blocks.ramp_adc.curve import read_points
from cosim.blocks.ramp_adc.functions import (
    EXPRESSION,
    TABLE,
    ActivationFunction,
    Staircase,
    get_function,
    staircase,
)
from cosim.blocks.ramp_adc.timing import check_clock
from cosim.errors import CosimError
from cosim.process import load_process


def defaults_for(supply: float) -> dict[str, float]:
    """Clamp voltage, span of the ramp [V] and reference current [A] where they are not given, from the process's
    nominal supply [V].

    1.0 V, 0.57 V and 40 uA at 1.8 V. The span scales with the supply, and the current with its square, so that the
    overdrives of the comparator's transistors scale with it as well. Of the clamp voltage a part does not: the
    threshold of the NMOS input pair, which the lowest level of the ramp must leave. None of them follows the supply
    itself, for a reference makes them.
    """
    share = supply / 1.8
    return {
        "v_clp": round(0.34 + 0.66 * share, 2),
        "swing": round(0.57 * share, 3),
        "i_bias": round(40e-6 * share**2, 6),
    }


class RampAdcConfig(CircuitConfig):
    """A ramp ADC whose ramp comes from a column of memristors (or, as the yardstick, from a fixed reference).

    Voltages of the signal path are measured from `v_clp`. The clock period holds one cell's read pulse and the time
    to settle; the comparators are sampled at its end.
    """

    bits: int = Field(5, ge=2, le=8, description="bits of the code")
    function: str = Field(
        "sigmoid", description="activation: a name, 'expr: ...' of x, or 'table: FILE.csv' with columns x, y"
    )
    x_range: tuple[float, float] | None = Field(
        None, description="inputs that the code spans, in units of the MAC result; default: the function's own"
    )
    points: tuple[tuple[float, float], ...] | None = Field(
        None, description="points of the table; filled in from its file, so that a model carries them"
    )
    ramp: Literal["column", "fixed"] = Field("column", description="memristor column, or fixed reference voltages")
    device: str = Field("taox_1t1r", description="device model: a name, or a folder")
    comparator: str = Field("comparator_two_stage", description="netlist of the comparator: a name, or a .cir file")
    v_read: Volt = Field(0.2, gt=0.01, le=0.5, description="read voltage across a selected cell")
    v_clp: Volt = Field(
        1.0, ge=0.2, le=3.0, description="clamp voltage of the bit lines; default: from the process's nominal supply"
    )
    c_fb: Farad = Field(5e-12, ge=1e-14, le=1e-9, description="feedback capacitor of every integrator")
    t_pulse: Second = Field(10e-9, ge=1e-9, le=1e-6, description="read pulse of a ramp cell")
    t_clock: Second = Field(20e-9, ge=2e-9, le=2e-6, description="clock period")
    swing: Volt = Field(
        0.57,
        gt=0.05,
        le=3.0,
        description="largest span of the ramp around V_CLP, which sets the column's conductances; default: from the"
        " process's nominal supply",
    )
    pulse_widths: Literal["auto", "equal", "graded"] = Field(
        "auto",
        description="read pulses of the ramp cells: halved for steps too small for the window, all equal, or as short"
        " as the window's upper end allows, which makes programming errors count least",
    )
    idle_word_lines: Literal["off", "on"] = Field(
        "off", description="word lines of cells that are not read; on: idle cells load the virtual ground"
    )
    calibration: Literal["none", "one_point", "least_inl"] = Field(
        "none", description="bias cells chosen after programming: middle threshold right, or least max |INL|"
    )
    calibration_cells: int = Field(5, ge=1, le=8, description="bias cells to choose from")
    programming_sigma: Siemens | None = Field(
        None, ge=0, le=20e-6, description="programming error of the column's cells; default: the device's"
    )
    stuck_off_rate: Ratio | None = Field(None, ge=0, le=0.2, description="share of cells stuck off; default: device's")
    stuck_on_rate: Ratio | None = Field(None, ge=0, le=0.2, description="share of cells stuck on; default: device's")
    amplifier_gain: float = Field(1e4, ge=10, le=1e7, description="dc gain of the integrators' amplifier")
    amplifier_gbw: Hertz = Field(1e9, ge=1e7, le=1e11, description="gain-bandwidth product of that amplifier")
    c_bitline: Farad = Field(50e-15, ge=0, le=1e-11, description="capacitance of a bit line")
    c_line: Farad = Field(
        50e-15, ge=0, le=1e-11, description="capacitance of a row or word line; counts for the drivers' energy"
    )
    i_bias: Ampere = Field(
        40e-6,
        ge=1e-6,
        le=1e-3,
        description="reference current of the comparators; default: from the process's nominal supply",
    )

    @model_validator(mode="before")
    @classmethod
    def _fill_in(cls, data: Any) -> Any:
        """The points of a table travel with the configuration: its file is read here and never again.

        Clamp voltage, swing and reference current that are not given follow the process.
        """
        if not isinstance(data, dict):
            return data
        filled = dict(data)
        function, process = filled.get("function"), filled.get("process")
        if isinstance(function, str) and function.startswith(TABLE) and filled.get("points") is None:
            filled["points"] = read_points(function.removeprefix(TABLE).strip())
        if isinstance(process, str):
            with suppress(CosimError):  # an unknown process is refused by its own field
                for key, value in defaults_for(load_process(process).v_dd).items():
                    filled.setdefault(key, value)
        return filled

    @field_validator("function")
    @classmethod
    def _known_function(cls, name: str) -> str:
        if not name.startswith((EXPRESSION, TABLE)):
            get_function(name)
        return name

    @model_validator(mode="after")
    def _fits_together(self) -> RampAdcConfig:
        staircase(self.activation, self.bits)
        check_clock(self.t_clock, self.t_pulse)
        return self

    @property
    def activation(self) -> ActivationFunction:
        """The function itself, on its range of inputs."""
        return get_function(self.function, self.x_range, self.points)

    @property
    def staircase(self) -> Staircase:
        """Its thresholds at these bits, and the codes between them."""
        return staircase(self.activation, self.bits)

    @property
    def thresholds(self) -> int:
        """Number of thresholds and of clocks; 2^bits - 1 of a rising function, a few more of one that also falls."""
        return len(self.staircase.thresholds)
