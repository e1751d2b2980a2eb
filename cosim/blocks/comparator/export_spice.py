"""The comparator as a SPICE subcircuit: offset, and the delay by the circuit that its law describes.

Clocked. The input difference is tracked on a capacitor while the clock is low and held while it is high; a second
capacitor counts the time since the edge, 1 V a nanosecond; the output moves when that time passes the delay of the
held difference.

Continuous-time. First stage: a pole whose output x follows the overdrive d, and waits at -v_s (or +v_s) while the
decision is the other one. Second stage: y integrates x between 0 and 1, at such a rate that it passes 1/2, where the
output turns, after the integral has grown by q; the simple form has no y, and turns with the sign of x. What remains,
t_0, is an ideal delay line. A step from far on the other side then has the delay of the law; other waveforms have what
such a circuit makes of them (the law's x starts at -v_s: after less overdrive than that the decision is sooner).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cosim.blocks.comparator.behaviour import ComparatorModel
from cosim.blocks.comparator.exported import ExportedComparator, exported_comparator
from cosim.blocks.exports import Export

_EDGE = 20e-12  # [s] rise and fall time of the outputs, centred on the delay
_TRACKING = 5e-12  # [s] time constant of the tracking capacitor
_LONGEST = 1e-5  # [s] where the timer stops; an operating point with the clock high ends there


def spice(model: ComparatorModel, options: Mapping[str, Any]) -> Export:
    """One subcircuit; options as in `exported.ComparatorExport`."""
    one = exported_comparator(model, options)
    pins = "inp inn clk outp outn vdd vss" if one.clocked else "inp inn out vdd vss"
    clock = (
        " clk: low resets both outputs to vss, the rising edge through half the supply decides; outp or outn then goes"
        " to vdd." if one.clocked else " out: vdd where inp is above inn, else vss."
    )  # fmt: skip
    timing = (
        "" if one.clocked else
        " The delay is that of two stages (a pole, an integral, a delay line): for a step from far on the other side it"
        " is the model's, other waveforms have what such stages make of them."
    )  # fmt: skip
    notes = (
        *one.notes,
        f"Pins of {one.name}: {pins}. The inputs draw no current.{clock} Parameter: offset, a further offset [V].",
        f"Outputs are sources behind 100 ohm, with edges of {_EDGE:g} s; let the largest time step be no more than the"
        f" resolution that the delay is wanted with.{timing} Left out: noise (a transient is one run), energy,"
        " kickback.",
    )
    lines = [f".subckt {one.name} {pins} offset=0", *_difference(one)]
    lines += _clocked(one) if one.clocked else _continuous(one)
    return Export(notes, "\n".join([*lines, f".ends {one.name}"]))


def _difference(one: ExportedComparator) -> list[str]:
    """Node d: input difference beyond the trip point [V]."""
    return [
        f"Bcm cm 0 v=min(max(0.5*(v(inp)+v(inn))-v(vss),{one.low!r}),{one.high!r})-{one.v_cm!r}",
        f"Bd d 0 v=v(inp)-v(inn)-{{offset}}-({one.offset!r})-v(cm)*(({one.slope!r})+({one.bend!r})*v(cm))",
    ]


def _clocked(one: ExportedComparator) -> list[str]:
    law = one.delays[1]
    # From 45 to 55 % of the clock's swing, for a step of its own would stop ngspice.
    on = "min(max(10*(v(clk)-v(vss))/(v(vdd)-v(vss))-4.5,0),1)"
    drive = "max(abs(v(held)),1e-15)"
    if "t_0" in law:
        delay = f"{law['t_0'] * 1e9!r}+{law['tau'] * 1e9!r}*ln(1+{law['v_x']!r}/{drive})"
    else:
        delay = f"max({law['tau'] * 1e9!r}*ln({law['v_x']!r}/{drive}),0)"
    edge = f"min(max(0.5+(v(t)-v(td))/{_EDGE * 1e9!r},0),1)"
    return [
        f"Bon on 0 v={on}",
        f"Bheld 0 held i=(1-v(on))*(v(d)-v(held))*{1e-12 / _TRACKING!r}",
        "Cheld held 0 1e-12",
        f"Bt 0 t i=v(on)*1e-3*min({_LONGEST * 1e9!r}-v(t),1)-(1-v(on))*v(t)*{1e-12 / _TRACKING!r}",
        "Ct t 0 1e-12",
        f"Btd td 0 v={delay}",
        f"Bp p vss v=(v(vdd)-v(vss))*v(on)*(v(held)>0)*{edge}",
        f"Bn n vss v=(v(vdd)-v(vss))*v(on)*(v(held)<=0)*{edge}",
        *_output("p", "outp"),
        *_output("n", "outn"),
    ]


def _continuous(one: ExportedComparator) -> list[str]:
    high, low = one.delays[1], one.delays[-1]

    def chosen(name: str, scale: float = 1.0) -> str:
        """A parameter by the sign of the drive."""
        return f"(v(d)>0 ? {high[name] * scale!r} : {low[name] * scale!r})"

    two_stages = "q" in high
    decided = "v(y)>0.5" if two_stages else "v(x)>0"
    lines = [
        f"Btarget target 0 v={decided} ? min(v(d),{low['v_s']!r}) : max(v(d),{-high['v_s']!r})",
        f"Bx 0 x i=1e-12*(v(target)-v(x))/{chosen('tau')}",
        "Cx x 0 1e-12",
        f"Bturn turn 0 v={decided}",
    ]
    if two_stages:
        up, down = (f"v(x)*{0.5e-12 / each['q']!r}" for each in (high, low))
        # It comes to rest at 0 and 1 by a slope, for an operating point does not find a step.
        lines += [f"By 0 y i=v(x)>0 ? {up}*min(20*(1-v(y)),1) : {down}*min(20*v(y),1)", "Cy y 0 1e-12"]
    nodes = []
    for word, seconds in (("high", high["t_0"]), ("low", low["t_0"])):
        if seconds <= 0.0:
            nodes.append("v(turn)")
            continue
        lines += [
            f"Bs{word} s{word} 0 v=2*v(turn)",
            f"Rs{word} s{word} a{word} 50",
            f"T{word} a{word} 0 b{word} 0 z0=50 td={seconds!r}",
            f"Rl{word} b{word} 0 50",
        ]
        nodes.append(f"v(b{word})")
    # The output rises after t_0 of the high decision and falls after that of the low one.
    joined = f"{'min' if high['t_0'] > low['t_0'] else 'max'}({nodes[0]},{nodes[1]})"
    return [*lines, f"Bp p vss v=(v(vdd)-v(vss))*{joined}", *_output("p", "out")]


def _output(node: str, pin: str) -> list[str]:
    """The capacitor makes ngspice shorten its steps where the output turns."""
    return [f"C{node} {node} vss 1e-14", f"R{node} {node} {pin} 100"]
