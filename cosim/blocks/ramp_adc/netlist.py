"""The ramp ADC as SPICE text: ramp column, its integrator, clock, comparators and counters.

Nodes: `clp` (V_CLP), `vdd`, `bias`, `rst`, `ramp` (the ramp, at the output of its integrator), `clk`, `d0`, `d1` ...
(comparator outputs), `n0`, `n1` ... (counters, one volt a count), `nref` (counts every clock). The word line of a
cell opens its access switch around the read pulse on its row and closes again before the comparators are sampled,
so idle cells do not load the virtual ground.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cosim.blocks.crossbar.config import CellKind
from cosim.blocks.ramp_adc.config import RampAdcConfig
from cosim.devices import Device, load_device
from cosim.errors import CosimError
from cosim.resources import netlist_path
from cosim.spice import Deck, Tolerances

Array = NDArray[np.float64]

EDGE = 0.1e-9  # rise and fall time of every driven line [s]
COUNTER_CAPACITOR = 0.2e-12  # [F]
SWITCH_ON = 1.8  # [V] on the control of an ideal switch, whatever the supply
LEAST_RESISTANCE = 1.0  # [ohm] of a switch or a resistor that ngspice still solves without loss of digits
OPEN_CELL = 1e12  # [ohm] of a cell that conducts nothing (stuck off)

# Between source edges the signals are straight lines, which the trapezoidal rule integrates exactly, so a reltol of
# 1e-3 costs 2 uV on the ramp (against 1e-5) at half the time points; vntol and chgtol hold the comparators. After each
# corner of a source ngspice takes one step by the backward Euler rule, 4e-5 of the swing in all, at any tolerance.
TRANSIENT = Tolerances(reltol=1e-3, vntol=1e-6, abstol=1e-12, chgtol=1e-14)


@dataclass(frozen=True)
class Timeline:
    """When things happen in a conversion [s].

    Reset for one clock period, one period for each bias cell, one to settle; then each period ends with a sample of
    the comparators, and starts with the read pulse of a ramp cell.
    """

    t_clock: float
    bias_cells: int
    thresholds: int

    def bias_start(self, cell: int) -> float:
        return self.t_clock * (1 + cell)

    @cached_property
    def edges(self) -> Array:
        """Clock edges that end the period of level k = 1, 2, ...; shape (thresholds,)."""
        return np.asarray(self.t_clock * (2 + self.bias_cells + np.arange(self.thresholds)), dtype=np.float64)

    @cached_property
    def samples(self) -> Array:
        """Middle of each clock pulse, when the comparators are read; shape (thresholds,)."""
        return self.edges - 2 * EDGE

    @property
    def end(self) -> float:
        return float(self.edges[-1]) + EDGE


def timeline(config: RampAdcConfig, bias_cells: int) -> Timeline:
    """The times of a conversion; raises CosimError when a pulse and its settling do not fit a clock period."""
    needed = config.t_pulse + 10 * EDGE
    if config.t_clock < needed * (1 - 1e-9):
        raise CosimError(
            "the clock period must hold the read pulse and its edges",
            key="t_clock",
            value=f"{config.t_clock * 1e9:g} ns",
            allowed=f"at least {needed * 1e9:g} ns with t_pulse = {config.t_pulse * 1e9:g} ns",
        )
    return Timeline(config.t_clock, bias_cells, config.thresholds)


def comparator_text(config: RampAdcConfig) -> str:
    """The comparator's netlist, by name or from a file of the user's with the same pins."""
    path = Path(config.comparator)
    if path.suffix != ".cir":
        path = netlist_path(config.comparator)
    try:
        return path.read_text()
    except OSError as error:
        raise CosimError(f"cannot be read ({error.strerror})", file=path, key="comparator") from error


def models_text(config: RampAdcConfig) -> str:
    """Transistor models and subcircuits that every deck of this block needs."""
    parts = [config.models_text(), comparator_text(config), netlist_path("integrator").read_text()]
    access = max(load_device(config.device).access_resistance, LEAST_RESISTANCE)
    parts.append(f".model access_switch sw vt={SWITCH_ON / 2:g} vh=-0.5 ron={access:g} roff=1e12")
    return "\n".join(parts)


def pwl(points: Sequence[tuple[float, float]]) -> str:
    """A piecewise linear source."""
    return "pwl(" + " ".join(f"{time:.9g} {value:.9g}" for time, value in points) + ")"


def pulse(start: float, area_width: float, low: float, high: float) -> list[tuple[float, float]]:
    """Corner points of a pulse that rises from `start` on; its area is (high - low) area_width."""
    return [
        (start, low),
        (start + EDGE, high),
        (start + area_width, high),
        (start + area_width + EDGE, low),
    ]


def supply_lines(config: RampAdcConfig, reset_end: float) -> list[str]:
    """Supplies, clamp voltage, bias of the comparators, reset (until `reset_end`), supply energy on node `evdd`."""
    return [
        f"Vdd vdd 0 {config.v_dd:.9g}",
        f"Vclp clp 0 {config.v_clp:.9g}",
        f"Xbias bias vdd 0 comparator_bias iref={config.i_bias:.9g}",
        "Vrst rst 0 " + pwl([(0, SWITCH_ON), (reset_end - EDGE, SWITCH_ON), (reset_end, 0)]),
        # Energy in picojoules as volts on 1 pF: dV/dt = P / C.
        "Bevdd 0 evdd i=-v(vdd)*i(Vdd)",
        "Cevdd evdd 0 1e-12 ic=0",
    ]


def integrator_line(name: str, bit_line: str, output: str, config: RampAdcConfig, v0: float | None = None) -> str:
    """One switched integrator; `v0` is its output at time zero (V_CLP when None)."""
    start = config.v_clp if v0 is None else v0
    return (
        f"X{name} {bit_line} {output} rst clp integrator cfb={config.c_fb:.9g} gain={config.amplifier_gain:.9g}"
        f" gbw={config.amplifier_gbw:.9g} cbl={config.c_bitline:.9g} vclp={config.v_clp:.9g} v0={start:.12g}"
        f" vmax={config.v_dd - 0.1:.9g}"
    )


def column_lines(
    config: RampAdcConfig, ramp: Array, bias: Array, bias_sign: int, cell: CellKind = "linear"
) -> list[str]:
    """The ramp column with its drivers and its integrator; `cell` as in `crossbar.netlist.array_lines`."""
    times = timeline(config, len(bias))
    lines = [integrator_line("ramp", "rbl", "ramp", config), "Vsense rcol rbl 0"]
    # What the cells dissipate, in picojoules: each charge falls through V_read.
    lines += [f"Bread 0 eread i={config.v_read:.9g}*abs(i(Vsense))", "Cread eread 0 1e-12 ic=0"]
    device = load_device(config.device)
    for number, conductance in enumerate(bias):
        lines += _cell_lines(f"b{number}", conductance, times.bias_start(number), -bias_sign, config, device, cell)
    for number, conductance in enumerate(ramp):
        lines += _cell_lines(f"r{number}", conductance, float(times.edges[number]), -1, config, device, cell)
    return lines


def _cell_lines(
    name: str, conductance: float, start: float, sign: int, config: RampAdcConfig, device: Device, cell: CellKind
) -> list[str]:
    """One cell: row pulse, word line, memristor, access switch. A row below V_CLP (sign -1) raises the ramp."""
    row = pulse(start + EDGE, config.t_pulse, config.v_clp, config.v_clp + sign * config.v_read)
    word_line = [
        (start, 0.0),
        (start + EDGE, SWITCH_ON),
        (start + config.t_clock - 4 * EDGE, SWITCH_ON),
        (start + config.t_clock - 3 * EDGE, 0.0),
    ]
    drive = [
        f"V{name} {name} 0 " + pwl([(0.0, config.v_clp), *row]),
        f"Vw{name} w{name} 0 " + pwl([(0.0, 0.0), *word_line]),
    ]
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


def clock_lines(times: Timeline) -> list[str]:
    """Clock pulses of 1 V, 3 edges in area, each ending with its period; `nref` counts them all."""
    points: list[tuple[float, float]] = [(0.0, 0.0)]
    for edge in times.edges:
        points += [(edge - 4 * EDGE, 0.0), (edge - 3 * EDGE, 1.0), (edge - EDGE, 1.0), (edge, 0.0)]
    return ["Vclk clk 0 " + pwl(points), *_counter_lines("nref", "v(clk)")]


def _counter_lines(node: str, gate: str) -> list[str]:
    gain = COUNTER_CAPACITOR / (3 * EDGE)  # one clock pulse adds one volt
    return [f"B{node} 0 {node} i={gain:.9g}*{gate}", f"C{node} {node} 0 {COUNTER_CAPACITOR:.9g} ic=0"]


def comparator_lines(
    number: int, input_node: str, names: Sequence[str], mismatch: Array, config: RampAdcConfig
) -> list[str]:
    """Comparator `number` with its counter: it counts the clocks at which the ramp is still below its input."""
    values = " ".join(f"{name}={value:.9g}" for name, value in zip(names, mismatch, strict=True))
    return [
        f"Xc{number} {input_node} ramp d{number} bias vdd 0 comparator {values}",
        *_counter_lines(f"n{number}", f"v(clk)*(v(d{number})>{config.v_dd / 2:g} ? 1 : 0)"),
    ]


def lane_inputs(values: Array, times: Timeline, lanes: int) -> list[list[tuple[float, float]]]:
    """Corner points of the inputs of `lanes` comparators that between them look at every threshold.

    Lane l looks at thresholds l, l + lanes, ...: after it was read at one it moves to the input of its next, and has
    `lanes` clock periods to forget before it is read again. `values` of shape (thresholds,) [V].
    """
    inputs = []
    for lane in range(lanes):
        mine = np.arange(lane, len(values), lanes)
        points = [(0.0, float(values[mine[0]]))]
        for before, following in itertools.pairwise(mine):
            edge = float(times.edges[before])
            points += [(edge, float(values[before])), (edge + EDGE, float(values[following]))]
        inputs.append(points)
    return inputs


def probes(config: RampAdcConfig) -> tuple[str, ...]:
    """Inner nodes that the comparator's netlist offers for finding its trip point (`* probes  o1 o2`), if any."""
    for line in comparator_text(config).splitlines():
        if line.lower().startswith("* probes"):
            return tuple(line.split()[2:4])
    return ()


def conversion_deck(
    title: str,
    config: RampAdcConfig,
    ramp_lines: Sequence[str],
    times: Timeline,
    input_lines: Sequence[str],
    comparators: Sequence[str],
    count: int,
    *,
    extra_saves: Sequence[str] = (),
    every_point: bool = False,
) -> Deck:
    """A whole conversion: ramp, clock, inputs and comparators; samples are kept at each clock pulse and at the end."""
    circuit = [
        models_text(config),
        *supply_lines(config, config.t_clock),
        *ramp_lines,
        *clock_lines(times),
        *input_lines,
        *comparators,
    ]
    saves = ["v(ramp)", "v(evdd)", "v(eread)", "v(nref)"]
    saves += [f"v({kind}{number})" for number in range(count) for kind in ("d", "n")]
    samples = () if every_point else (*times.samples.tolist(), times.end)
    return Deck(
        title,
        "\n".join(circuit),
        (f".tran {config.t_clock / 20:.9g} {times.end:.12g} uic",),
        (*saves, *extra_saves),
        Tolerances(**{**TRANSIENT.__dict__, "temperature": config.temperature}),
        samples,
    )


def offset_deck(config: RampAdcConfig, names: Sequence[str], mismatch: Array, reach: float = 0.3) -> Deck:
    """Static trip points of all comparators of `mismatch`, shape (n, names), at a ramp of V_CLP, in one `.op`.

    Each output drives its own input through an inverting feedback, in = V_CLP + reach (1 - 2 out / V_DD), and so
    settles near V_DD / 2: `v(in)` is the trip point, an offset being told too small by V_DD / (2 reach gain) of it.
    With a gain of 4e4 that is 1e-4, or 0.2 uV of 2 mV. `reach` [V] is the largest offset that can be found.
    """
    lines = [models_text(config), f"Vdd vdd 0 {config.v_dd:.9g}", f"Vramp ramp 0 {config.v_clp:.9g}"]
    lines.append(f"Xbias bias vdd 0 comparator_bias iref={config.i_bias:.9g}")
    for number, values in enumerate(mismatch):
        text = " ".join(f"{name}={value:.9g}" for name, value in zip(names, values, strict=True))
        lines.append(f"Bin{number} in{number} 0 v={config.v_clp:.9g}+{reach:g}*(1-{2 / config.v_dd:.9g}*v(d{number}))")
        lines.append(f"Xc{number} in{number} ramp d{number} bias vdd 0 comparator {text}")
    return Deck(
        "static trip points of comparators",
        "\n".join(lines),
        (".op",),
        tuple(f"v({kind}{number})" for number in range(len(mismatch)) for kind in ("in", "d")),
        Tolerances(reltol=1e-6, temperature=config.temperature),
    )


def rounded_code(count: float, reference: float, thresholds: int) -> tuple[int, float]:
    """Code from a counter's voltage and that of the counter of all clocks, and its distance from a whole number."""
    exact = count / reference * thresholds
    code = math.floor(exact + 0.5)
    return code, abs(exact - code)
