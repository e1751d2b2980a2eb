"""The ramp as SPICE text: the memristor column with its drivers and its integrator, or a fixed reference.

The word line of a cell opens its access switch around the read pulse on its row and closes again before the
comparators are sampled, so that idle cells do not load the virtual ground; with `idle_word_lines = "on"` the switches
are always closed, and the integrator's charge leaks through all cells of the column: with the amplifier's gain A in a
time of A C_fb / sum G.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from cosim.blocks.crossbar.config import CellKind
from cosim.blocks.ramp_adc.config import RampAdcConfig
from cosim.blocks.ramp_adc.design import Signs
from cosim.blocks.ramp_adc.timing import EDGE, Timeline, pulse
from cosim.blocks.sources import pwl
from cosim.devices import Device, load_device

Array = NDArray[np.float64]

SWITCH_ON = 1.8  # [V] on the control of an ideal switch, whatever the supply
LEAST_RESISTANCE = 1.0  # [ohm] of a switch or a resistor that ngspice still solves without loss of digits
OPEN_CELL = 1e12  # [ohm] of a cell that conducts nothing (stuck off)


def timeline(config: RampAdcConfig, bias_cells: int) -> Timeline:
    """The times of a conversion whose column has that many bias cells, the calibration cells included."""
    return Timeline(config.t_clock, bias_cells, config.thresholds)


def integrator_line(name: str, bit_line: str, output: str, config: RampAdcConfig, v0: float | None = None) -> str:
    """One switched integrator; `v0` is its output at time zero (V_CLP when None)."""
    start = config.v_clp if v0 is None else v0
    return (
        f"X{name} {bit_line} {output} rst clp integrator cfb={config.c_fb:.9g} gain={config.amplifier_gain:.9g}"
        f" gbw={config.amplifier_gbw:.9g} cbl={config.c_bitline:.9g} vclp={config.v_clp:.9g} v0={start:.12g}"
        f" vmax={config.v_dd - 0.1:.9g}"
    )


def column_lines(
    config: RampAdcConfig,
    ramp: Array,
    bias: Array,
    bias_sign: Signs,
    cell: CellKind = "linear",
    pulses: Array | None = None,
) -> list[str]:
    """The ramp column with its drivers and its integrator; `cell` as in `crossbar.netlist.array_lines`.

    Conductances, signs and `pulses` (shares of `t_pulse`) as in `ColumnDesign`.
    """
    times = timeline(config, len(bias))
    lines = [integrator_line("ramp", "rbl", "ramp", config), "Vsense rcol rbl 0"]
    # What the cells dissipate, in picojoules: each charge falls through V_read.
    lines += [f"Bread 0 eread i={config.v_read:.9g}*abs(i(Vsense))", "Cread eread 0 1e-12 ic=0"]
    device = load_device(config.device)
    signs = np.broadcast_to(np.asarray(bias_sign), (len(bias),)).tolist()
    widths = config.t_pulse * (np.ones(len(ramp)) if pulses is None else pulses)
    for number, (conductance, sign) in enumerate(zip(bias, signs, strict=True)):
        start = times.bias_start(number)
        lines += _cell_lines(f"b{number}", conductance, start, -sign, config.t_pulse, config, device, cell)
    for number, conductance in enumerate(ramp):
        start, width = float(times.edges[number]), float(widths[number])
        lines += _cell_lines(f"r{number}", conductance, start, -1, width, config, device, cell)
    return lines


def _cell_lines(
    name: str, conductance: float, start: float, sign: int, width: float, config: RampAdcConfig, device: Device,
    cell: CellKind,
) -> list[str]:  # fmt: skip
    """One cell: row pulse, word line, memristor, access switch.

    A row below V_CLP (sign -1) raises the ramp; with sign 0 the cell is not read.
    """
    row = pulse(start + EDGE, width, config.v_clp, config.v_clp + sign * config.v_read)
    word_line = [
        (start, 0.0),
        (start + EDGE, SWITCH_ON),
        (start + config.t_clock - 4 * EDGE, SWITCH_ON),
        (start + config.t_clock - 3 * EDGE, 0.0),
    ]
    drive = [
        f"V{name} {name} 0 " + (pwl([(0.0, config.v_clp), *row]) if sign else f"{config.v_clp:.9g}"),
        f"Vw{name} w{name} 0 " + (pwl([(0.0, 0.0), *word_line]) if sign else "0"),
    ]
    if config.idle_word_lines == "on":
        drive[1] = f"Vw{name} w{name} 0 {SWITCH_ON:g}"
    if cell == "sinh":  # the whole cell follows the law, access device included, as in the crossbar
        scale = conductance * device.v_read / math.sinh(device.v_read / device.v_0)
        selected = f"min(max(v(w{name})/{SWITCH_ON:g},0),1)"
        return [*drive, f"B{name} {name} rcol i={scale:.12g}*sinh(v({name},rcol)/{device.v_0:.9g})*{selected}"]
    # The cell's conductance is what a program-and-verify read sees, through its access device.
    access = max(device.access_resistance, LEAST_RESISTANCE)
    resistance = max(1.0 / conductance - access, LEAST_RESISTANCE) if conductance * OPEN_CELL > 1.0 else OPEN_CELL
    return [
        *drive,
        f"R{name} {name} m{name} {resistance:.12g}",
        f"S{name} m{name} rcol w{name} 0 access_switch",
    ]


def fixed_ramp_lines(config: RampAdcConfig, levels: Array) -> list[str]:
    """The yardstick: a staircase of fixed reference voltages (above V_CLP [V]) with the timing of the column."""
    times = timeline(config, 1)
    points = [(0.0, config.v_clp), (times.bias_start(0) + EDGE, config.v_clp)]
    points.append((times.bias_start(0) + config.t_pulse, config.v_clp + levels[0]))
    for number, level in enumerate(levels[1:]):
        start = float(times.edges[number]) + EDGE
        points += [(start, config.v_clp + levels[number]), (start + config.t_pulse, config.v_clp + level)]
    return ["Vramp ramp 0 " + pwl(points), "Veread eread 0 0"]
