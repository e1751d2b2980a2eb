"""What an account of costs takes for granted: everything a user may set, with its limits."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from cosim.blocks.config import Ampere, BlockConfig
from cosim.costs.constants import constant, constants
from cosim.costs.scaling import check_node, nearest_node
from cosim.errors import CosimError
from cosim.process import load_process

Converter = Literal["nl-ramp", "ramp", "sar"]


class CostConfig(BlockConfig):
    """Converters, digital processors and node of an account.

    "nl-ramp": the ramp column of the tile, whose code is the activation. "ramp": an ordinary ramp ADC, its linear ramp
    from a capacitive DAC that all columns share. "sar": a SAR ADC for `sar_share` columns. Behind the last two the
    activation is taken digitally.
    """

    converter: Converter = Field("nl-ramp", description="nl-ramp, or a yardstick: ramp, sar")
    node: int | None = Field(None, description="node of digital parts and of the SAR's fits [nm]; None: the process's")
    processors: int = Field(32, ge=1, le=100_000, description="digital processors that work side by side (k)")
    cycles: int = Field(8, ge=1, le=10_000, description="cycles of a processor for one activation (N)")
    word_bits: int = Field(16, ge=2, le=64, description="bits of the processors' numbers, e.g. of an LSTM's cell")
    sar_share: int = Field(8, ge=1, le=512, description="columns that one SAR ADC converts in turn")
    sar_energy: Literal["fit", "circuit"] = Field(
        "fit", description="energy and clock of a SAR: NeuroSim's fits, or this project's own SAR ADC as simulated"
    )
    amplifier_current: Ampere | None = Field(
        None, ge=0, le=0.1, description="supply current at rest of each integrator; None: of ota_two_stage"
    )
    driver_energy: float | None = Field(
        None, ge=0, le=1e-9, description="energy of a word-line driver's gates a pulse [J]; None: of dac_driver"
    )

    @field_validator("node")
    @classmethod
    def _known_node(cls, node: int | None) -> int | None:
        return node if node is None else check_node(node)

    def node_of(self, process: str) -> int:
        """Node of the digital parts: as stated, or that of the tiles' process [nm]."""
        return nearest_node(load_process(process).l_min) if self.node is None else self.node

    def of_process(self, name: str, process: str) -> tuple[float, str]:
        """A number of the shipped analogue parts in a process, "amplifier_current" or "driver_energy", and its source.

        CosimError where neither the user nor the table of constants states it.
        """
        stated = getattr(self, name)
        if stated is not None:
            return float(stated), f"{name} as stated"
        key = f"{name}_{process}"
        if key not in constants():
            raise CosimError(
                "this process's figure is not known; state it", key=name, value=process,
                allowed=f"--set {name}=..., or a process that has one: generic180, generic65",
            )  # fmt: skip
        return constant(key).value, constant(key).told(constant(key).node)
