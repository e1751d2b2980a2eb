"""The ramp columns of measured chips: what their cells hold, and what was asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cosim.blocks.lab.rows import Quantity, Rows
from cosim.blocks.ramp_adc.chips import nominal_chip
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
    "pulse": Quantity("read pulse of the cell, where they differ", "s", low=1e-12, high=1e-3),
    "sign": Quantity("what a bias cell does to the ramp: 1 raises it, -1 lowers it, 0 is not read", "1", -1, 1),
}
EXTRA_CONFIG = {"gain": "V", "bias_sign": "whole"}
"""Entries of a data set's configuration that follow from the design; chips of another design state them."""


class MeasuredColumn:
    """Conductances of the ramp columns: measured where they are given, else NaN; targets given or of our design.

    Attributes
    ----------
    ramp, bias: of each sample, shape (samples, cells) and (samples, bias cells) [S].
    signs: of the bias cells of each sample, shape (samples, bias cells): 1, -1 or 0.
    ramp_target, bias_target: what was asked for, shape (cells,) and (bias cells,) [S].
    sign_target: of the bias cells, shape (bias cells,).
    pulse: read pulses of the ramp cells, shape (cells,) [s].
    gain: alpha, volts of ramp per unit of the MAC result at the configured V_read and C_fb.
    """

    def __init__(
        self,
        rows: Rows | None,
        chips: Sequence[str],
        config: RampAdcConfig,
        stated: Mapping[str, Any],
        toml: Path,
    ) -> None:
        """`chips`: name of the chip of each sample; `stated`: of `EXTRA_CONFIG`, what the description gives."""
        ideal = config.staircase.thresholds
        sign = stated.get("bias_sign", -1 if ideal[0] < 0 else 1)
        gain: float | None = None
        if rows is None or "target" not in rows.values:
            design = design_column(config)
            nominal = nominal_chip(config, design=design)
            self.ramp_target, self.bias_target = nominal.ramp, nominal.bias
            self.pulse = config.t_pulse * (np.ones(len(nominal.ramp)) if nominal.pulse is None else nominal.pulse)
            gain = design.gain(config.v_read, config.c_fb)
            if "bias_sign" not in stated:
                sign = nominal.bias_signs
        else:
            self.ramp_target, self.bias_target = _per_cell(rows, "target")
            self.pulse = np.full(len(self.ramp_target), config.t_pulse)
        if len(self.ramp_target) != config.thresholds - 1:
            raise CosimError(
                f"the ramp of a {config.bits}-bit converter has {config.thresholds - 1} cells",
                file=toml, key="conductances", value=len(self.ramp_target), allowed=str(config.thresholds - 1),
            )  # fmt: skip
        self.sign_target = np.broadcast_to(np.asarray(sign), self.bias_target.shape).astype(np.int8)
        if rows is not None and "pulse" in rows.values:
            self.pulse = _per_cell(rows, "pulse", ("ramp",))[0]
        shapes = {"ramp": len(self.ramp_target), "bias": len(self.bias_target)}
        self.ramp, self.bias = _of_chips(rows, "conductance", chips, shapes)
        signs = _of_chips(rows, "sign", chips, shapes)[1]
        self.signs = np.where(np.isnan(signs), self.sign_target, np.nan_to_num(signs)).astype(np.int8)
        if gain is None:
            share = self.pulse / config.t_pulse
            levels = column_levels(self.ramp_target, self.bias_target, self.sign_target.astype(np.int64), config, share)
            gain = float((levels[-1] - levels[0]) / (ideal[-1] - ideal[0]))
        self.gain = float(stated.get("gain", gain))


def _of_chips(rows: Rows | None, name: str, chips: Sequence[str], shapes: Mapping[str, int]) -> tuple[Array, Array]:
    """A quantity of ramp and bias cells for each sample; NaN where it is not given."""
    by_chip = {chip: {part: np.full(size, np.nan) for part, size in shapes.items()} for chip in set(chips)}
    if rows is not None:
        values = rows.numbers(name)
        seen: dict[tuple[str, str, int], int] = {}
        keys = zip(rows.texts("chip", "0"), rows.texts("part", "ramp"), rows.whole("cell").tolist(), strict=True)
        for row, key in enumerate(keys):
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
    ramp, bias = (np.array([by_chip[chip][part] for chip in chips]) for part in ("ramp", "bias"))
    return ramp, bias


def _per_cell(rows: Rows, name: str, parts: tuple[str, ...] = ("ramp", "bias")) -> list[Array]:
    """A quantity that is the same for every chip, for the cells of each part."""
    cells, values = rows.whole("cell").tolist(), rows.numbers(name)
    found: dict[str, dict[int, float]] = {part: {} for part in parts}
    for row, (part, cell) in enumerate(zip(rows.texts("part", "ramp"), cells, strict=True)):
        if part not in found or np.isnan(values[row]):
            continue
        known = found[part].setdefault(cell, values[row])
        if not np.isclose(known, values[row], rtol=1e-9, atol=0):
            raise rows.refuse(
                row, f"another row states {known:g} as the {name} of this {part} cell", key=name,
                value=f"{values[row]:g}",
            )  # fmt: skip
    for part, cells_of in found.items():
        if sorted(cells_of) != list(range(1, len(cells_of) + 1)) or not cells_of:
            raise CosimError(
                f"the {name} of some {part} cells is missing", file=rows.file, key=f"{rows.key}.columns.{name}",
                allowed="one for each cell, counted from 1",
            )  # fmt: skip
    return [np.array([found[part][cell] for cell in sorted(found[part])]) for part in parts]
