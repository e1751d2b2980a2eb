"""The ramp ADC as SPICE text: ramp column, its integrator, clock, comparators and counters.

Nodes: `clp` (V_CLP), `vdd`, `bias`, `rst`, `ramp` (the ramp, at the output of its integrator), `clk`, `d0`, `d1` ...
(comparator outputs), `n0`, `n1` ... (counters, one volt a count), `nref` (counts every clock), `dir` (+1 or -1: what
the counters add at a clock; only where the function also falls, see `staircase`). Energies, in volts a picojoule:
`evdd` (comparators), `ebias` (their bias generator, on a supply of its own), `eread` (cells of the column).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cosim.blocks.part import load_part
from cosim.blocks.ramp_adc.column import LEAST_RESISTANCE, SWITCH_ON
from cosim.blocks.ramp_adc.config import RampAdcConfig
from cosim.blocks.ramp_adc.timing import EDGE, Timeline
from cosim.blocks.sources import pwl
from cosim.devices import load_device
from cosim.errors import CosimError
from cosim.resources import read_netlist
from cosim.spice import Deck, Tolerances

Array = NDArray[np.float64]

PINS = ("inp", "inn", "out", "bias", "vdd", "vss")  # of the comparator
BIAS_PINS = ("bias", "vdd", "vss")  # of its bias generator
COUNTER_CAPACITOR = 0.2e-12  # [F]

# Between source edges the signals are straight lines, which the trapezoidal rule integrates exactly, so a reltol of
# 1e-3 costs 2 uV on the ramp (against 1e-5) at half the time points; vntol and chgtol hold the comparators. After each
# corner of a source ngspice takes one step by the backward Euler rule, 4e-5 of the swing in all, at any tolerance.
TRANSIENT = Tolerances(reltol=1e-3, vntol=1e-6, abstol=1e-12, chgtol=1e-14)


def comparator_text(config: RampAdcConfig) -> str:
    """The comparator's netlist: a shipped one by name, or a file of the user's with the same pins, checked."""
    path = Path(config.comparator)
    return _comparator(config.comparator, path.stat().st_mtime_ns if path.is_file() else 0, config.process)


@lru_cache(maxsize=16)
def _comparator(netlist: str, changed: int, process: str) -> str:
    del changed  # only so that a file that was changed is read again
    if netlist.endswith(".cir") and not Path(netlist).is_file():
        raise CosimError("cannot be read (No such file or directory)", file=netlist, key="comparator")
    part = load_part(netlist, "comparator", [PINS], key="comparator", process=process)
    load_part(netlist, "comparator_bias", [BIAS_PINS], key="comparator", process=process)
    return part.text


def models_text(config: RampAdcConfig) -> str:
    """Transistor models and subcircuits that every deck of this block needs."""
    parts = [config.models_text(), comparator_text(config), read_netlist("integrator")]
    access = max(load_device(config.device).access_resistance, LEAST_RESISTANCE)
    parts.append(f".model access_switch sw vt={SWITCH_ON / 2:g} vh=-0.5 ron={access:g} roff=1e12")
    return "\n".join(parts)


def supply_lines(config: RampAdcConfig, reset_end: float) -> list[str]:
    """Supplies, clamp voltage, bias of the comparators, reset (until `reset_end`), supply energies."""
    return [
        f"Vdd vdd 0 {config.v_dd:.9g}",
        f"Vclp clp 0 {config.v_clp:.9g}",
        f"Vddb vddb 0 {config.v_dd:.9g}",
        f"Xbias bias vddb 0 comparator_bias iref={config.i_bias:.9g}",
        "Vrst rst 0 " + pwl([(0, SWITCH_ON), (reset_end - EDGE, SWITCH_ON), (reset_end, 0)]),
        # Energy in picojoules as volts on 1 pF: dV/dt = P / C.
        "Bevdd 0 evdd i=-v(vdd)*i(Vdd)",
        "Cevdd evdd 0 1e-12 ic=0",
        "Bebias 0 ebias i=-v(vddb)*i(Vddb)",
        "Cebias ebias 0 1e-12 ic=0",
    ]


def clock_lines(times: Timeline, config: RampAdcConfig) -> list[str]:
    """Clock pulses of 1 V, 3 edges in area, each ending with its period; `nref` counts them all.

    Where the function also falls, `dir` is +1 or -1 through each period: what the counters add at its end.
    """
    points: list[tuple[float, float]] = [(0.0, 0.0)]
    for edge in times.edges:
        points += [(edge - 4 * EDGE, 0.0), (edge - 3 * EDGE, 1.0), (edge - EDGE, 1.0), (edge, 0.0)]
    lines = ["Vclk clk 0 " + pwl(points), *_counter_lines("nref", "v(clk)")]
    if not _counts_up(config):
        direction = config.staircase.direction.astype(float).tolist()
        turns = [(0.0, direction[0])]
        for edge, (before, after) in zip(times.edges.tolist(), itertools.pairwise(direction), strict=False):
            if after != before:
                turns += [(edge, before), (edge + EDGE, after)]
        lines.append("Vdir dir 0 " + pwl(turns))
    return lines


def _counts_up(config: RampAdcConfig) -> bool:
    """No clock lowers a code; so it is with the yardstick too, which is a linear converter whatever the function."""
    return config.ramp == "fixed" or bool((config.staircase.direction > 0).all())


def _counter_lines(node: str, gate: str) -> list[str]:
    gain = COUNTER_CAPACITOR / (3 * EDGE)  # one clock pulse adds one volt
    return [f"B{node} 0 {node} i={gain:.9g}*{gate}", f"C{node} {node} 0 {COUNTER_CAPACITOR:.9g} ic=0"]


def comparator_lines(
    number: int, input_node: str, names: Sequence[str], mismatch: Array, config: RampAdcConfig
) -> list[str]:
    """Comparator `number` with its counter: it counts the clocks at which the ramp is still below its input.

    Each clock counts for +1, or for its direction where the function also falls.
    """
    clock = "v(clk)" if _counts_up(config) else "v(clk)*v(dir)"
    values = " ".join(f"{name}={value:.9g}" for name, value in zip(names, mismatch, strict=True))
    return [
        f"Xc{number} {input_node} ramp d{number} bias vdd 0 comparator {values}",
        *_counter_lines(f"n{number}", f"{clock}*(v(d{number})>{config.v_dd / 2:g} ? 1 : 0)"),
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
        *clock_lines(times, config),
        *input_lines,
        *comparators,
    ]
    saves = ["v(ramp)", "v(evdd)", "v(ebias)", "v(eread)", "v(nref)"]
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
    """Count from a counter's voltage and that of the counter of all clocks, and its distance from a whole number.

    The code is the count plus `Staircase.start`, which is 0 for every rising function.
    """
    exact = count / reference * thresholds
    code = math.floor(exact + 0.5)
    return code, abs(exact - code)
