"""The SAR ADC as SPICE text: capacitor array, switches, comparator, and the logic that closes the loop.

One deck makes several conversions one after the other. In each, two clock periods of sampling (input on the bottom
plates, top plates at `vcm`), then a period for each bit from the highest: its bottom plate goes to the upper reference,
the array settles, the comparator answers, and at the period's end the answer is kept.

The logic is ideal: behavioural sources that write a bit into a capacitor, one volt for a one, at the strobe. It draws
nothing from the supply and its energy is in no figure.

Nodes: `top` (top plates), `plate0` .. (bottom plates), `s0` .. (bits, 0 or 1 V), `d` (comparator's output), `eref`,
`evdd`, `esw` (energies from the references, the comparator's supply, the switches' supply; picojoules as volts).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cosim.blocks.part import Part, load_part
from cosim.blocks.sar_adc.config import COMPARATOR_PINS, SWITCH_PINS, TOP_SWITCH_PINS, SarAdcConfig
from cosim.blocks.trip import REACH
from cosim.spice import Deck, Tolerances

Array = NDArray[np.float64]

EDGE = 0.1e-9  # rise and fall time of every driven line [s]
STROBE = 0.5e-9  # [s] in which a bit is written
LATCH_TIME = 20e-12  # [s] time constant of that: a bit is within e^-15 of 0 or 1 after it
BIT_CAPACITOR = 0.1e-12  # [F] that holds a bit

# Charges are kept exactly by the integration rules; what is left is Newton's error, reltol of a voltage: 0.1 mV.
TRANSIENT = Tolerances(reltol=1e-4, vntol=1e-6, abstol=1e-12, chgtol=1e-15)


def comparator_part(config: SarAdcConfig) -> Part:
    """The comparator's netlist, shipped or the user's, checked."""
    return load_part(config.comparator, "comparator", COMPARATOR_PINS, key="comparator", process=config.process)


def _common_lines(config: SarAdcConfig, comparator: Part) -> list[str]:
    """Models, netlists, supply, bias."""
    lines = [config.models_text(), comparator.text, f"Vdd vdd 0 {config.v_dd:.9g}"]
    if len(comparator.pins) == len(COMPARATOR_PINS[0]):
        lines.append(f"Xbias bias vdd 0 comparator_bias iref={config.i_bias:.9g}")
    return lines


def _comparator_line(comparator: Part, name: str, inp: str, inn: str, out: str, values: dict[str, float]) -> str:
    bias = ["bias"] if len(comparator.pins) == len(COMPARATOR_PINS[0]) else []
    return comparator.call(name, [inp, inn, out, *bias, "vdd", "0"], values)


def _pulse(low: float, high: float, start: float, width: float, period: float) -> str:
    """A pulse each conversion; `width` from the middle of one edge to that of the other."""
    return f"pulse({low:.9g} {high:.9g} {start:.12g} {EDGE:g} {EDGE:g} {width - EDGE:.12g} {period:.12g})"


def _energy_lines(node: str, power: str) -> list[str]:
    """Energy in picojoules as volts on 1 pF: dV/dt = P / C."""
    return [f"B{node} 0 {node} i={power}", f"C{node} {node} 0 1e-12 ic=0"]


def _logic_lines(config: SarAdcConfig) -> list[str]:
    """Bits, and the controls of the bottom plates; `u` of a bit is 1 V during its trial and, where kept, after it."""
    clock, period, v_dd = config.t_clock, config.t_conversion, config.v_dd
    conductance = BIT_CAPACITOR / LATCH_TIME
    hold = 2 * clock  # the bottom plates leave the input here; the top plates were opened a little before
    lines = [
        f"Vclear clear 0 {_pulse(0, 1, 2 * EDGE, clock, period)}",
        f"Vtop ontop 0 {_pulse(0, v_dd, EDGE, hold - 5 * EDGE, period)}",
        f"Vsample sample 0 {_pulse(0, v_dd, EDGE, hold - 2 * EDGE, period)}",
        f"Vhold hold 0 {_pulse(0, 1, hold, period - hold - EDGE, period)}",
    ]
    for bit in range(config.bits):
        start = hold + (config.bits - 1 - bit) * clock
        lines += [
            # A trial ends as the next begins: a plate that falls before the other rises takes charge from the lower
            # reference that the conventional scheme takes from the upper one.
            f"Vtrial{bit} trial{bit} 0 {_pulse(0, 1, start, clock if bit else clock - EDGE, period)}",
            f"Vstrobe{bit} strobe{bit} 0 {_pulse(0, 1, start + clock - STROBE - 3 * EDGE, STROBE, period)}",
            # The strobe writes the answer, the clear a zero; otherwise the bit goes to the nearer of 0 and 1, so that
            # an answer that comes while the strobe ends is one or the other.
            f"Bs{bit} 0 s{bit} i={conductance:.9g}*((v(clear)>0.5 ? 0 : (v(strobe{bit})>0.5 ?"
            f" (v(d)>{v_dd / 2:.9g} ? 1 : 0) : (v(s{bit})>0.5 ? 1 : 0)))-v(s{bit}))",
            f"Cs{bit} s{bit} 0 {BIT_CAPACITOR:g} ic=0",
            f"Bu{bit} u{bit} 0 v=max(v(trial{bit}),v(s{bit}))*v(hold)",
            # The two switches of a plate do not overlap: one is open from 0.4 V of u on, the other up to 0.6 V.
            f"Bup{bit} up{bit} 0 v={v_dd:.9g}*min(max((v(u{bit})-0.6)/0.3,0),1)",
            f"Bdn{bit} dn{bit} 0 v={v_dd:.9g}*min(max((0.4-v(u{bit}))/0.3,0),1)*v(hold)",
        ]
    lines += ["Bdummy dummy 0 v=0", f"Bdnd dnd 0 v={v_dd:.9g}*v(hold)"]
    return lines


def _array_lines(config: SarAdcConfig, capacitors: Array, start: float) -> list[str]:
    """Capacitors, switches, and the sources that feed them; `start` is the input at time zero [V]."""
    switch = load_part(config.switch, "sar_switch", SWITCH_PINS, key="switch", process=config.process)
    top = load_part(config.switch, "sar_top_switch", TOP_SWITCH_PINS, key="switch", process=config.process)
    values = {"r": config.r_switch, "von": config.v_dd}
    lines = [switch.text, top.call("top", ["top", "vcm", "ontop", "vddsw", "0"], values)]
    lines += [f"Vddsw vddsw 0 {config.v_dd:.9g}"]
    for number, capacitor in enumerate(capacitors):
        last = number == config.bits
        up, down, plate = ("dummy", "dnd", "platex") if last else (f"up{number}", f"dn{number}", f"plate{number}")
        nodes = [plate, "in", "hi", "lo", "sample", up, down, "vddsw", "0"]
        lines += [
            switch.call(f"b{number}", nodes, values),
            f"Cb{number} top {plate} {capacitor:.12g} ic={config.v_cm - start:.9g}",
        ]
    if config.c_parasitic > 0:
        lines.append(f"Cpar top 0 {config.c_parasitic:.12g} ic={config.v_cm:.9g}")
    lines += [
        f"Vcm vcm 0 {config.v_cm:.9g}",
        f"Vhi hi 0 {config.v_high:.9g}",
        f"Vlo lo 0 {config.v_low:.9g}",
        *_energy_lines("eref", f"-{config.v_high - config.v_low:.9g}*i(Vhi)"),
        *_energy_lines("evdd", "-v(vdd)*i(Vdd)"),
        *_energy_lines("esw", "-v(vddsw)*i(Vddsw)"),
    ]
    return lines


def conversion_deck(config: SarAdcConfig, capacitors: Array, values: dict[str, float], inputs: Array) -> Deck:
    """Conversions of `inputs` [V], shape (n,), one after the other by one chip.

    Parameters
    ----------
    capacitors: of the bits from the lowest, then the dummy [F], shape (bits + 1,).
    values: mismatch parameters of the comparator.

    Saves the bits, energies and the top plates at the end of every conversion.
    """
    comparator = comparator_part(config)
    period = config.t_conversion
    points = [f"0 {inputs[0]:.9g}"]
    for number in range(1, len(inputs)):
        edge = number * period
        points += [f"{edge:.12g} {inputs[number - 1]:.9g}", f"{edge + EDGE:.12g} {inputs[number]:.9g}"]
    lines = [
        *_common_lines(config, comparator),
        "Vin in 0 pwl(" + "\n+ ".join(points) + ")",
        *_array_lines(config, capacitors, float(inputs[0])),
        *_logic_lines(config),
        _comparator_line(comparator, "comp", "vcm", "top", "d", values),
    ]
    saves = ["v(top)", "v(eref)", "v(evdd)", "v(esw)", *(f"v(s{bit})" for bit in range(config.bits))]
    ends = tuple((np.arange(1, len(inputs) + 1) * period - EDGE).tolist())
    return Deck(
        f"SAR ADC, {config.bits} bits: {len(inputs)} conversions",
        "\n".join(lines),
        (f".tran {config.t_clock / 20:.9g} {ends[-1] + EDGE:.12g} 0 {config.t_clock / 20:.9g} uic",),
        tuple(saves),
        Tolerances(**{**TRANSIENT.__dict__, "temperature": config.temperature}),
        ends,
    )


def offset_deck(config: SarAdcConfig, names: Sequence[str], mismatch: Array) -> Deck:
    """Static offsets of the comparators of all chips at `v_cm`, `mismatch` of shape (chips, names), in one `.op`.

    An inverting feedback from each output to its positive input finds the trip point: `v(in)` - v_cm is the offset
    (`cosim.blocks.trip`).
    """
    comparator = comparator_part(config)
    lines = [*_common_lines(config, comparator), f"Vcm vcm 0 {config.v_cm:.9g}"]
    for number, row in enumerate(mismatch):
        values = dict(zip(names, row.tolist(), strict=True))
        lines += [
            f"Bin{number} in{number} 0 v={config.v_cm:.9g}+{REACH:g}*(1-{2 / config.v_dd:.9g}*v(d{number}))",
            _comparator_line(comparator, f"c{number}", f"in{number}", "vcm", f"d{number}", values),
        ]
    return Deck(
        "SAR ADC: static offsets",
        "\n".join(lines),
        (".op",),
        tuple(f"v(in{number})" for number in range(len(mismatch))),
        Tolerances(reltol=1e-6, temperature=config.temperature),
    )
