"""What every transistor-level block can be asked for: process, corner, temperature, supply."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator

from cosim.blocks.config import BlockConfig, Volt
from cosim.process import Process, load_process

Corner = Literal["TT", "FF", "SS", "FS", "SF"]


def _nominal_supply(data: dict[str, Any]) -> float:
    return load_process(data.get("process", "generic180")).v_dd


class CircuitConfig(BlockConfig):
    """Base of the configuration of a block with transistors."""

    process: str = Field("generic180", description="CMOS process: a shipped name, or a TOML file of your own kit")
    corner: Corner = Field("TT", description="process corner, NMOS first: typical, fast, slow")
    temperature: float = Field(27.0, ge=-40, le=125, description="temperature [deg C]")
    v_dd: Volt = Field(default_factory=_nominal_supply, ge=0.5, le=5.5, description="supply; default: the process's")

    @field_validator("process")
    @classmethod
    def _known_process(cls, name: str) -> str:
        load_process(name)
        return name

    @property
    def cmos(self) -> Process:
        """The process itself."""
        return load_process(self.process)

    def models_text(self) -> str:
        """Transistor models of the corner, and the subcircuits `nmos` and `pmos`."""
        return self.cmos.text(self.corner)
