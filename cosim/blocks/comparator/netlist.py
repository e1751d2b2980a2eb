"""The comparator's test benches as SPICE text; every deck holds many copies, each with a supply of its own.

Copy k has the nodes `p{k}` and `n{k}` (its inputs), `vdd{k}`, and `d{k}` (the output of a continuous-time comparator)
or `op{k}`, `on{k}`. All share `clk`, or `bias`. A clock edge, or the step of the input, begins at `start(config)`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cosim.blocks.comparator.config import ComparatorConfig
from cosim.blocks.part import Part
from cosim.blocks.sources import pwl
from cosim.blocks.trip import REACH
from cosim.spice import Deck, Tolerances

Array = NDArray[np.float64]

DIGITS = 12  # of times and voltages of the sources: thresholds are wanted to microvolts
IDLE_EDGES = 10  # the circuit rests for so many edges before anything happens
STEPS = 500  # of a clock period at least, which keeps 20 ps of 10 ns: less than a latch's time constant

# A reltol of 1e-4 costs about 0.1 ps of a delay of 300 ps; charges of 1 fC (a gate's) are told to 1e-3.
TRANSIENT = Tolerances(reltol=1e-4, vntol=1e-6, abstol=1e-12, chgtol=1e-15)
# Thresholds are wanted to 20 uV: the errors of both halves of an asymmetric latch differ by 25 uV with 1e-4, 4 uV with
# 1e-5.
SEARCH = Tolerances(reltol=1e-5, vntol=1e-6, abstol=1e-12, chgtol=1e-15)
# Differences of nearly equal copies are read, so rounding of the solutions has to stay below them.
LINEARISED = Tolerances(reltol=1e-6, vntol=1e-9, abstol=1e-13, chgtol=1e-16)
_PROBES = re.compile(r"^\*[ \t]*probes[ \t]+(\w+)[ \t]+(\w+)", re.IGNORECASE | re.MULTILINE)
_TRANSISTOR = re.compile(
    r"^[ \t]*(?P<name>x\w*)[ \t]+(?P<d>\S+)[ \t]+(?P<g>\S+)[ \t]+(?P<s>\S+)[ \t]+\S+[ \t]+(?P<kind>[np]mos)\b",
    re.IGNORECASE | re.MULTILINE,
)


@dataclass(frozen=True)
class Copy:
    """One comparator of a deck.

    Attributes
    ----------
    inp, inn: what drives the inputs, as SPICE sources ("1.2", "pwl(...)").
    values: mismatch parameters -> values.
    behind_source: inputs stand behind `r_source` and `c_source`.
    nodes: inner nodes that the netlist has as further pins (see `opened`).
    """

    inp: str
    inn: str
    values: dict[str, float]
    behind_source: bool = False
    nodes: tuple[str, ...] = ()


def start(config: ComparatorConfig) -> float:
    """When the clock begins to rise, or the input to step [s]."""
    return IDLE_EDGES * config.t_edge


def moment(config: ComparatorConfig) -> float:
    """Middle of the clock's edge, or of the input's step: delays count from here [s]."""
    return start(config) + config.t_edge / 2


def probes(part: Part) -> tuple[str, str] | None:
    """Inner nodes that the netlist's header offers (`* probes ln lp`): of a latch, the first falls where inp > inn."""
    found = _PROBES.search(part.text)
    return (found[1].lower(), found[2].lower()) if found else None


@dataclass(frozen=True)
class Channel:
    """A transistor of the comparator: instance, nodes of drain and source, kind; all lower case."""

    name: str
    drain: str
    source: str
    kind: str


def channels(part: Part) -> list[Channel]:
    """The transistors that stand in the subcircuit itself."""
    body = re.sub(r"\n[ \t]*\+", " ", part.text)
    inside = re.search(rf"^[ \t]*\.subckt[ \t]+{part.name}\b.*?^[ \t]*\.ends", body, re.I | re.M | re.S)
    found = _TRANSISTOR.finditer(inside[0]) if inside else ()
    return [Channel(*(each[key].lower() for key in ("name", "d", "s", "kind"))) for each in found]


def opened(part: Part, nodes: Sequence[str]) -> str:
    """The part's text with inner nodes as further pins."""
    pins = r"(?:\s|\n[ \t]*\+)+".join(re.escape(pin) for pin in part.pins)
    head = rf"^[ \t]*\.subckt[ \t]+{part.name}(?:\s|\n[ \t]*\+)+{pins}"
    return re.sub(head, lambda found: f"{found[0]} {' '.join(nodes)}", part.text, count=1, flags=re.I | re.M)


def clock_line(config: ComparatorConfig, shift: float = 0.0) -> str:
    """One clock pulse of half a period, `shift` [s] later than `start` says."""
    t, edge, high = start(config) + shift, config.t_edge, config.t_clock / 2
    points = [(0, 0), (t, 0), (t + edge, config.v_dd), (t + high, config.v_dd), (t + high + edge, 0)]
    return "Vclk clk 0 " + pwl(points, DIGITS)


def step_source(config: ComparatorConfig, before: float, after: float) -> str:
    """A source that steps from one voltage to another."""
    return pwl([(0, before), (start(config), before), (start(config) + config.t_edge, after)], DIGITS)


def common_lines(config: ComparatorConfig, netlist: str | None = None) -> list[str]:
    """Models, the comparator's netlist, and the bias that continuous-time copies share."""
    lines = [config.models_text(), config.part.text if netlist is None else netlist]
    if not config.clocked:
        lines += [f"Vddb vddb 0 {config.v_dd:.12g}", f"Xbias bias vddb 0 comparator_bias iref={config.i_bias:.12g}"]
    return lines


def copy_lines(number: int, copy: Copy, config: ComparatorConfig) -> list[str]:
    """A copy with its supply, its inputs and its loads."""
    lines = [f"Vdd{number} vdd{number} 0 {config.v_dd:.12g}"]
    for pin, source in (("p", copy.inp), ("n", copy.inn)):
        # A continuous-time comparator's `inn` is the ramp, which is driven hard.
        if copy.behind_source and (config.clocked or pin == "p"):
            lines += [
                f"Vs{pin}{number} s{pin}{number} 0 {source}",
                f"Rs{pin}{number} s{pin}{number} h{pin}{number} {config.r_source:.12g}",
                f"Cs{pin}{number} h{pin}{number} 0 {config.c_source:.12g}",
                f"Vq{pin}{number} h{pin}{number} {pin}{number} 0",
            ]
        else:
            lines.append(f"Vs{pin}{number} {pin}{number} 0 {source}")
    outputs = [f"op{number}", f"on{number}"] if config.clocked else [f"d{number}"]
    middle = ["clk", *outputs] if config.clocked else [*outputs, "bias"]
    nodes = [f"p{number}", f"n{number}", *middle, f"vdd{number}", "0", *(f"{node}_{number}" for node in copy.nodes)]
    lines.append(config.part.call(f"c{number}", nodes, copy.values))
    if config.c_load > 0:
        lines += [f"Cl{each} {each} 0 {config.c_load:.12g}" for each in outputs]
    return lines


def transient(
    title: str,
    config: ComparatorConfig,
    copies: Sequence[Copy],
    end: float,
    saves: Sequence[str],
    *,
    step: float | None = None,
    netlist: str | None = None,
    tolerances: Tolerances = TRANSIENT,
    extra: Sequence[str] = (),
    shift: float = 0.0,
) -> Deck:
    """All copies from rest until `end` [s]; the clock rises `shift` later than `start` says."""
    lines = common_lines(config, netlist)
    if config.clocked:
        lines.append(clock_line(config, shift))
    for number, copy in enumerate(copies):
        lines += copy_lines(number, copy, config)
    step = config.t_clock / STEPS if step is None else step
    return Deck(
        f"comparator: {title}",
        "\n".join([*lines, *extra]),
        (f".tran {step:.12g} {end:.12g} 0 {step:.12g}",),
        tuple(saves),
        Tolerances(**{**tolerances.__dict__, "temperature": config.temperature}),
    )


def decision_inputs(config: ComparatorConfig, v_cm: float, trip: float, overdrive: float) -> tuple[str, str]:
    """Sources for a decision with `overdrive` [V] beyond the trip point, whose sign is the decision's.

    Clocked: the inputs stand, half of the difference on each. Continuous-time: `inp` stands at its trip point, `inn`
    steps across it from `v_step` on the other side.
    """
    if config.clocked:
        half = (trip + overdrive) / 2
        return f"{v_cm + half:.12g}", f"{v_cm - half:.12g}"
    before = v_cm + np.sign(overdrive) * config.v_step
    return f"{v_cm + trip:.12g}", step_source(config, float(before), v_cm - overdrive)


def output_signals(number: int, config: ComparatorConfig) -> tuple[str, ...]:
    return (f"v(op{number})", f"v(on{number})") if config.clocked else (f"v(d{number})",)


def decision_deck(config: ComparatorConfig, v_cm: float, trip: float, overdrives: Array, *, kickback: bool) -> Deck:
    """One decision a copy, `overdrives` [V] of either sign; with `kickback`, inputs behind source R and C."""
    copies = [
        Copy(*decision_inputs(config, v_cm, trip, float(each)), values={}, behind_source=kickback)
        for each in overdrives
    ]
    saves: list[str] = []
    for number in range(len(copies)):
        saves += [*output_signals(number, config), f"i(vdd{number})"]
        if kickback:
            for pin in ("p", "n") if config.clocked else ("p",):
                saves.append(f"v({pin}{number})")
    whole = config.t_clock if config.clocked else config.t_clock / 2
    title = f"{'kickback' if kickback else 'decisions'} at a common mode of {v_cm:g} V"
    return transient(title, config, copies, start(config) + whole, saves)


def static_deck(config: ComparatorConfig, v_cm: float, names: Sequence[str], mismatch: Array) -> Deck:
    """`.op` of all chips, `mismatch` (chips, parameters).

    Clocked: in reset. Continuous-time: at the trip point. There each output drives its own input by an inverting
    feedback, in = v_cm + reach (1 - 2 out / V_DD), and so settles between the supplies: `v(p)` - v_cm is the offset
    (`cosim.blocks.trip`), off by no more than V_DD / (2 gain), a few microvolts.
    """
    lines = common_lines(config)
    if config.clocked:
        lines.append("Vclk clk 0 0")
    saves = []
    for number, row in enumerate(mismatch):
        feedback = f"{v_cm:.12g}"
        values = dict(zip(names, row.tolist(), strict=True))
        lines += copy_lines(number, Copy(feedback, f"{v_cm:.12g}", values), config)
        if not config.clocked:
            lines.remove(f"Vsp{number} p{number} 0 {feedback}")
            lines.append(f"Bp{number} p{number} 0 v={v_cm:.12g}+{REACH:g}*(1-{2 / config.v_dd:.12g}*v(d{number}))")
        saves += [f"i(vdd{number})", f"v(p{number})"]
    tolerances = Tolerances(reltol=1e-6, temperature=config.temperature)
    return Deck("comparator: static", "\n".join(lines), (".op",), tuple(saves), tolerances)


def noise_deck(config: ComparatorConfig, v_cm: float) -> Deck:
    """`.noise` of a continuous-time comparator at its trip point; saves output and input spectrum [V/sqrt(Hz)].

    The feedback that finds the trip point runs through 1 GH and 1 F: closed at DC, open (by 1e4 f^2 in hertz against
    a gain of 1e5) at every frequency of the noise.
    """
    lines = [*common_lines(config), *copy_lines(0, Copy(f"dc {v_cm:.12g} ac 1", "0", {}), config)]
    lines.remove("Vsn0 n0 0 0")
    lines.append(f"Bfb fb 0 v={v_cm:.12g}-{REACH:g}*(1-{2 / config.v_dd:.12g}*v(d0))")
    lines += ["Lfb fb n0 1e9", "Cfb n0 0 1"]
    return Deck(
        "comparator: noise",
        "\n".join(lines),
        (f".noise v(d0) Vsp0 dec 20 {config.f_low:.12g} 1e12",),
        ("onoise_spectrum", "inoise_spectrum"),
        Tolerances(reltol=1e-6, temperature=config.temperature),
    )
