"""What a crossbar is made of: everything a user may set, with its limits."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from cosim.blocks.circuit import CircuitConfig
from cosim.blocks.config import Farad, Metre, Ohm, Volt

CellKind = Literal["linear", "sinh"]
"""Law of the memristor's current."""


class CrossbarConfig(CircuitConfig):
    """A physical array of `rows` word lines by `columns` bit lines with the resistance of its wires.

    Each cell has one segment of its word line (towards the driver, at the left) and one of its bit line (towards the
    clamp, at the bottom). Conductances and V_0 of the cells are those of the device. Zero resistances are allowed.

    As "1R" a cell is one element whose conductance includes the access transistor, fully on: the form that tiles and
    behavioural models use. As "1T1R" a transistor of the process lies between memristor and bit line, its gate on a
    select line along the row; the memristor is what remains of the conductance beside the device's
    `access_resistance`. Capacitances count in transients only.

    With `memristor = "subcircuit"` sinh cells are the subcircuit `memristor_sinh` (pins te, be; parameters g, v_read,
    v_0) of the device's `model.cir`, so that a device folder of one's own brings its own law.
    """

    rows: int = Field(64, ge=2, le=128, description="word lines; a differential input takes two")
    columns: int = Field(64, ge=1, le=128, description="bit lines")
    r_wire_row: Ohm = Field(1.0, ge=0, le=1e4, description="resistance of one segment of a word line")
    r_wire_column: Ohm = Field(1.0, ge=0, le=1e4, description="resistance of one segment of a bit line")
    r_driver: Ohm = Field(100.0, ge=0, le=1e6, description="resistance of a word line's driver")
    r_clamp: Ohm = Field(10.0, ge=0, le=1e6, description="input resistance of a bit line's clamp")
    c_wire_row: Farad = Field(1e-15, ge=0, le=1e-11, description="capacitance of one segment of a word line to ground")
    c_wire_column: Farad = Field(
        1e-15, ge=0, le=1e-11, description="capacitance of one segment of a bit line to ground"
    )
    c_cell: Farad = Field(1e-16, ge=0, le=1e-11, description="capacitance of a memristor between its electrodes")
    v_read: Volt = Field(0.2, gt=0.01, le=0.5, description="full-scale read voltage")
    v_clp: Volt = Field(1.0, ge=0, le=3, description="clamp voltage of the bit lines")
    device: str = Field("taox_1t1r", description="device model: a name, or a folder")
    v_0: Volt | None = Field(None, gt=0.02, le=10, description="voltage of the cells' sinh law; None: the device's")
    memristor: Literal["law", "subcircuit"] = Field(
        "law", description="sinh cells by the device's parameters, or by memristor_sinh of its model.cir (slower)"
    )
    cell: Literal["1R", "1T1R"] = Field("1R", description="cell as one element, or with an access transistor")
    access_width: Metre = Field(1.6e-6, ge=1e-7, le=1e-3, description="channel width of the access transistor")
    access_length: Metre | None = Field(None, ge=2e-8, le=1e-5, description="its length; None: the process's least")
    v_gate: Volt | None = Field(
        None, gt=0, le=6, description="select line of an active row; None: v_clp + v_dd, all that the oxide bears"
    )

    @property
    def gate_voltage(self) -> float:
        """Select line of an active row [V]."""
        return self.v_clp + self.v_dd if self.v_gate is None else self.v_gate

    @property
    def channel_length(self) -> float:
        """Of the access transistor [m]."""
        return self.cmos.l_min if self.access_length is None else self.access_length
