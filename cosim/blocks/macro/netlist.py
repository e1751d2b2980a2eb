"""The macro as SPICE text: inputs, array, integrators, ramp column, comparators and counters in one transient.

    0            reset of all integrators
    RESET_END    input pulses; the bit lines' charges go into the integrators
    t_hold       the bit lines are cut off; each integrator holds its MAC voltage
    from there   the ramp ADC's conversion, its own reset phase lying before t_hold

Nodes as in `ramp_adc.netlist`, and: `in0`, `in1` .. (word lines' drivers), `bl0` .. (bit lines), `ib0` ..
(integrators' inputs, behind the switches), `m0` .. (held MAC voltages). Energies, in volts a picojoule: `evdd`,
`ebias`, `eread` of the ramp ADC; `earray` (dissipated in the array: cells, wires, drivers), and what the supply gives
to the drivers of the array's rows (`erow`), of the ramp column's rows and word lines (`ecol`), and to the integrators'
outputs (`eint`): each the charge that they deliver, times V_DD (see `ramp_adc.energy`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cosim.blocks.crossbar.netlist import array_lines
from cosim.blocks.macro.config import IDEAL, MacroConfig
from cosim.blocks.ramp_adc.chips import Chip
from cosim.blocks.ramp_adc.column import SWITCH_ON, column_lines, integrator_line, timeline
from cosim.blocks.ramp_adc.netlist import TRANSIENT, clock_lines, comparator_lines, models_text, supply_lines
from cosim.blocks.ramp_adc.timing import EDGE, pulse
from cosim.blocks.sources import pwl
from cosim.spice import Deck

Array = NDArray[np.float64]

RESET_END = 10e-9  # [s]
SETTLING = 10e-9  # [s] between the longest input pulse and the hold, for the virtual grounds to return
ISOLATION = 1.0  # [ohm] of the closed switch between a bit line and its integrator
ENERGIES = ("evdd", "ebias", "eread", "earray", "erow", "ecol", "eint")
_TERMS = 10  # currents summed in one source

_PWL = re.compile(r"^(V\S+ .*pwl\(.*\))$", re.MULTILINE)


@dataclass(frozen=True)
class MacroChip:
    """A programmed macro.

    Attributes
    ----------
    conductances: of its array, shape (2 inputs, outputs) [S].
    adc: its ramp ADC.
    drivers: mismatch parameters of the rows' drivers, shape (2 inputs, names); none of ideal drivers.
    driver_names: what these are called in the drivers' netlist.
    """

    conductances: Array
    adc: Chip
    drivers: Array
    driver_names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Phases:
    """When the macro does what [s]: the conversion's own time zero, the hold, each clock's sample, the end."""

    hold: float
    start: float
    end: float


def phases(config: MacroConfig, chip: MacroChip) -> Phases:
    """The times of one MAC and conversion."""
    # On a grid of edges: corners of two sources that lie a rounding apart leave the simulator no step between them.
    hold = math.ceil((RESET_END + config.input_pulse + SETTLING) / EDGE) * EDGE
    start = max(hold + 5 * EDGE - config.t_clock, 0.0)  # its bias phase begins one clock later
    return Phases(hold, start, start + timeline(config, len(chip.adc.bias)).end)


def _delayed(lines: Sequence[str], delay: float) -> list[str]:
    """The same sources, later: before, each stays at its first value."""
    return [_PWL.sub(rf"\1 td={delay:.12g}", line) for line in lines]


def input_lines(config: MacroConfig, chip: MacroChip, codes: NDArray[np.int64]) -> list[str]:
    """Drivers of the rows for input codes -full_scale .. full_scale, shape (inputs,).

    Row 2 i is pulsed below V_CLP for a positive code, which raises the inverting integrator, row 2 i + 1 above it. A
    driver of transistors switches its row from one rail, at V_CLP, to the other; which one that is (the input's sign)
    is ideal. Current into the row is -i(Vin..) either way.
    """
    unit = config.input_pulse / config.full_scale
    part = config.driver_part
    lines = [] if part is None else [part.text, f"Vdrv vdrv 0 {config.v_dd:.9g}"]
    for number, code in enumerate(codes.tolist()):
        for side, sign in ((0, -1), (1, 1)):
            row = 2 * number + side
            level = float(config.v_clp + sign * np.sign(code) * config.v_read)
            low, high = (config.v_clp, level) if part is None else (0.0, config.v_dd)
            shape = pwl([(0.0, low), *pulse(RESET_END, abs(code) * unit, low, high)]) if code else f"{low:.9g}"
            if part is None:
                lines.append(f"Vin{row} in{row} 0 {shape}")
                continue
            values = dict(zip(chip.driver_names, chip.drivers[row].tolist(), strict=True))
            lines += [
                f"Vpulse{row} pulse{row} 0 {shape}",
                f"Vhigh{row} high{row} 0 {level:.9g}",
                f"Vlow{row} low{row} 0 {config.v_clp:.9g}",
                part.call(f"drv{row}", [f"pulse{row}", f"row{row}", f"high{row}", f"low{row}", "vdrv", "0"], values),
                f"Vin{row} in{row} row{row} 0",
            ]
    return lines


def _summed(node: str, terms: Sequence[str], factor: float = 1.0) -> list[str]:
    """Energy in picojoules as volts on 1 pF; `terms` are powers [W], or currents where `factor` is a voltage."""
    lines = [f"C{node} {node} 0 1e-12 ic=0"]
    for number, first in enumerate(range(0, len(terms), _TERMS)):
        total = "+".join(terms[first : first + _TERMS])
        lines.append(f"B{node}{number} 0 {node} i={factor:.9g}*({total})")
    return lines


def _array_and_integrators(config: MacroConfig, chip: MacroChip, hold: float) -> list[str]:
    rows, columns = chip.conductances.shape
    lines = [
        array_lines(chip.conductances, config.array, config.cell, "in{i}", "bl{j}"),
        "Vsel sel 0 " + pwl([(0.0, SWITCH_ON), (hold, SWITCH_ON), (hold + EDGE, 0.0)]),
        f".model isolation sw vt={SWITCH_ON / 2:g} vh=-0.5 ron={ISOLATION:g} roff=1e12",
    ]
    for column in range(columns):
        lines += [
            f"Vc{column} bl{column} cs{column} 0",
            f"Siso{column} cs{column} ib{column} sel 0 isolation",
            integrator_line(f"int{column}", f"ib{column}", f"m{column}", config),
        ]
    # Between the drivers' sources and the bit lines' ends everything is resistive: what goes in less what comes out.
    lines += _summed("earray", [f"-v(in{row})*i(Vin{row})" for row in range(rows)]
                     + [f"-v(bl{column})*i(Vc{column})" for column in range(columns)])  # fmt: skip
    return lines


def _driver_lines(config: MacroConfig, chip: MacroChip) -> list[str]:
    """Capacitance of all lines, and the charges that their drivers and the integrators deliver."""
    rows, columns = chip.conductances.shape
    cells = [f"b{n}" for n in range(len(chip.adc.bias))] + [f"r{n}" for n in range(len(chip.adc.ramp))]
    lines = [f"Clin{row} in{row} 0 {config.c_line:.9g} ic={config.v_clp:.9g}" for row in range(rows)]
    for cell in cells:
        lines += [
            f"Cl{cell} {cell} 0 {config.c_line:.9g} ic={config.v_clp:.9g}",
            f"Clw{cell} w{cell} 0 {config.c_line:.9g} ic=0",
        ]
    rails = [f"Vin{row}" for row in range(rows)]
    if config.driver_part is not None:
        rails = [f"V{kind}{row}" for row in range(rows) for kind in ("high", "low")]
    own = [] if config.driver_part is None else ["-i(Vdrv)"]
    lines += _summed("erow", [*(f"max(-i({rail}),0)" for rail in rails), *own], config.v_dd)
    lines += _summed("ecol", [f"max(-i(V{kind}{cell}),0)" for kind in ("", "w") for cell in cells], config.v_dd)
    # What an integrator's output delivers flows through C_fb and its bit line into the cells.
    sensed = [f"i(Vc{column})" for column in range(columns)] + ["i(Vsense)"]
    lines += _summed("eint", [f"max(-{current},0)" for current in sensed], config.v_dd)
    return lines


def _method(config: MacroConfig) -> str:
    """With drivers of transistors Gear's rule: by the trapezoidal one the currents of their gates' capacitances ring
    between ideal sources, and `erow`, which counts the positive part of a rail's current, grows with every step."""
    return TRANSIENT.method if config.driver == IDEAL else "gear"


def macro_deck(config: MacroConfig, chip: MacroChip, codes: NDArray[np.int64], *, every_point: bool = False) -> Deck:
    """Everything in one transient; keeps the signals at the hold and at the end, or at every point."""
    times = phases(config, chip)
    conversion = timeline(config, len(chip.adc.bias))
    adc = chip.adc
    column = column_lines(config, adc.ramp, adc.bias, adc.bias_sign, config.cell, adc.pulse)
    comparators = [
        line
        for number in range(config.outputs)
        for line in comparator_lines(number, f"m{number}", adc.names, adc.mismatch[number], config)
    ]
    lines = [
        models_text(config),
        *supply_lines(config, RESET_END),
        *input_lines(config, chip, codes),
        *_array_and_integrators(config, chip, times.hold),
        *_delayed([*column, *clock_lines(conversion, config)], times.start),
        *comparators,
        *_driver_lines(config, chip),
    ]
    saves = [f"v({node})" for node in ("ramp", "nref", *ENERGIES)]
    saves += [f"v({kind}{number})" for number in range(config.outputs) for kind in ("m", "n", "d")]
    return Deck(
        f"macro: {2 * config.inputs} x {config.outputs}, {config.bits} bits",
        "\n".join(lines),
        (f".tran {config.t_clock / 20:.9g} {times.end:.12g} uic",),
        tuple(saves),
        replace(TRANSIENT, temperature=config.temperature, method=_method(config)),
        () if every_point else (times.hold, times.end),
    )
