"""What a crossbar is made of: everything a user may set, with its limits."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from cosim.blocks.config import BlockConfig, Ohm, Volt

CellKind = Literal["linear", "sinh"]


class CrossbarConfig(BlockConfig):
    """A physical array of `rows` word lines by `columns` bit lines with the resistance of its wires.

    Each cell has one segment of its word line (towards the driver, at the left) and one of its bit line (towards the
    clamp, at the bottom). Conductances and V_0 of the cells are those of the device. Zero resistances are allowed.
    """

    rows: int = Field(64, ge=2, le=128, description="word lines; a differential input takes two")
    columns: int = Field(64, ge=1, le=128, description="bit lines")
    r_wire_row: Ohm = Field(1.0, ge=0, le=1e4, description="resistance of one segment of a word line")
    r_wire_column: Ohm = Field(1.0, ge=0, le=1e4, description="resistance of one segment of a bit line")
    r_driver: Ohm = Field(100.0, ge=0, le=1e6, description="resistance of a word line's driver")
    r_clamp: Ohm = Field(10.0, ge=0, le=1e6, description="input resistance of a bit line's clamp")
    v_read: Volt = Field(0.2, gt=0.01, le=0.5, description="full-scale read voltage")
    v_clp: Volt = Field(1.0, ge=0, le=3, description="clamp voltage of the bit lines")
    device: str = Field("taox_1t1r", description="device model: a name, or a folder")
    v_0: Volt | None = Field(None, gt=0.02, le=10, description="voltage of the cells' sinh law; None: the device's")
