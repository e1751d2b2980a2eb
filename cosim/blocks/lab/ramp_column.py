"""The ramp columns of measured chips: what their cells hold, and what was asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cosim.blocks.lab.description import Quantity, Rows
from cosim.blocks.ramp_adc.config import RampAdcConfig
from cosim.blocks.ramp_adc.design import column_levels, design_column
from cosim.errors import CosimError

Array = NDArray[np.float64]

CHIP = Quantity("number or name of the chip", "text", index=True)
_CELL = Quantity("number of the cell, in the order of the pulses", "whole", 1, 512, required=True, index=True)
CONDUCTANCES = {
    "chip": CHIP,
    "part": Quantity("part of the column", "text", index=True, required=True, choices=("ramp", "bias")),
    "cell": _CELL,
    "conductance": Quantity("programmed conductance", "S", low=0.0, high=0.1, required=True),
    "target": Quantity("conductance that was asked for", "S", low=0.0, high=0.1),
}


class MeasuredColumn:
    """Conductances of the ramp columns: measured where they are given, else NaN; targets given or of our design.

    Attributes
    ----------
    ramp, bias: of each sample, shape (samples, cells) and (samples, bias cells) [S].
    ramp_target, bias_target: what was asked for, shape (cells,) and (bias cells,) [S].
    """

    def __init__(self, rows: Rows | None, chips: Sequence[str], config: RampAdcConfig, toml: Path) -> None:
        """`chips`: name of the chip of each sample."""
        self.config = config
        if rows is None or "target" not in rows.values:
            design = design_column(config)
            self.ramp_target, self.bias_target = design.ramp, design.bias
            self._gain: float | None = design.gain(config.v_read)
        else:
            self.ramp_target, self.bias_target = self._targets(rows)
            self._gain = None
        if len(self.ramp_target) != config.thresholds - 1:
            raise CosimError(
                f"the ramp of a {config.bits}-bit converter has {config.thresholds - 1} cells",
                file=toml, key="conductances", value=len(self.ramp_target), allowed=str(config.thresholds - 1),
            )  # fmt: skip
        shapes = {"ramp": len(self.ramp_target), "bias": len(self.bias_target)}
        by_chip = {
            chip: {part: np.full(size, np.nan) for part, size in shapes.items()} for chip in set(chips)
        }  # fmt: skip
        if rows is not None:
            self._fill(by_chip, rows, shapes)
        self.ramp = np.array([by_chip[chip]["ramp"] for chip in chips])
        self.bias = np.array([by_chip[chip]["bias"] for chip in chips])

    def gain(self, bias_sign: int, ideal: Array) -> float:
        """alpha [V]: span of the ramp of target conductances over the span of the ideal thresholds."""
        if self._gain is not None:
            return self._gain
        levels = column_levels(self.ramp_target, self.bias_target, bias_sign, self.config)
        return float((levels[-1] - levels[0]) / (ideal[-1] - ideal[0]))

    @staticmethod
    def _fill(by_chip: dict[str, dict[str, Array]], rows: Rows, shapes: Mapping[str, int]) -> None:
        chips, parts, cells = rows.texts("chip", "0"), rows.texts("part", "ramp"), rows.whole("cell")
        values = rows.numbers("conductance")
        seen: dict[tuple[str, str, int], int] = {}
        for row, key in enumerate(zip(chips, parts, cells.tolist(), strict=True)):
            chip, part, cell = key
            if key in seen:
                again = f"this cell stands in {rows.first_of(row, seen[key])} already"
                raise rows.refuse(row, again, key="cell", value=cell)
            seen[key] = row
            if cell > shapes[part]:
                raise rows.refuse(
                    row, f"the column has no such {part} cell", key="cell", value=cell, allowed=f"1 to {shapes[part]}"
                )
            if chip in by_chip:  # other chips were programmed but not measured
                by_chip[chip][part][cell - 1] = values[row]

    @staticmethod
    def _targets(rows: Rows) -> tuple[Array, Array]:
        """Targets of ramp and bias cells; the same for every chip."""
        parts, cells, targets = rows.texts("part", "ramp"), rows.whole("cell"), rows.numbers("target")
        found: dict[str, dict[int, float]] = {"ramp": {}, "bias": {}}
        for row, (part, cell) in enumerate(zip(parts, cells.tolist(), strict=True)):
            if np.isnan(targets[row]):
                continue
            known = found[part].setdefault(cell, targets[row])
            if not np.isclose(known, targets[row], rtol=1e-9, atol=0):
                raise rows.refuse(
                    row, f"another row states {known * 1e6:g} µS as the target of this {part} cell", key="target",
                    value=f"{targets[row] * 1e6:g} µS",
                )  # fmt: skip
        for part, cells_of in found.items():
            if sorted(cells_of) != list(range(1, len(cells_of) + 1)) or not cells_of:
                raise CosimError(
                    f"targets of the {part} cells are missing", file=rows.file, key=f"{rows.key}.columns.target",
                    allowed="one target for each cell, counted from 1",
                )  # fmt: skip
        ramp, bias = (np.array([found[part][cell] for cell in sorted(found[part])]) for part in ("ramp", "bias"))
        return ramp, bias
