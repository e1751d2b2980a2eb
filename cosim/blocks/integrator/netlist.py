"""The integrator's test benches as SPICE text: loop, static characteristic, noise, read pulse, holding, slewing.

Nodes: `clp` (V_CLP), `vdd`, `bias`, `rst`, `bl`, `out`. Each bench connects nothing but the pins, so that macro model,
transistors and a user's netlist are measured alike. Where the amplifier must be biased in its linear range, a coil of
1e18 H feeds the output back to the bit line: a short at dc, open at every frequency that is looked at.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from cosim.blocks.integrator.config import TRANSISTOR_PINS, IntegratorConfig
from cosim.blocks.sources import pwl
from cosim.spice import Deck, Tolerances

Array = NDArray[np.float64]

EDGE = 0.1e-9  # rise and fall time of every driven line [s]
SWITCH_ON = 1.8  # [V] on the control of an ideal switch, whatever the supply
OPEN = 1e12  # [ohm] of a cell that conducts nothing
ACCESS = 1.0  # [ohm] of the switch between cells and bit line
FEEDBACK = 1e18  # [H], see above
CLOSED = 1e-6  # [F] that carries a source's signal to a node; more would drown its current in rounding
OVERDRIVE = 0.2  # [V] by which the bit line is pushed aside to make the amplifier slew

FREQUENCIES = ".ac dec 20 10 30g"
NOISE_BAND = (1e3, 1e11)  # [Hz]; below, noise is slower than any hold; above, nothing is left
STATIC_STEP = 2.0**-9  # of the supply, in the static characteristic

# The output is wanted to 20 uV of some 0.5 V. The step limit of every transient rules smooth parts; see `run_checked`.
TRANSIENT = {"reltol": 1e-4, "vntol": 1e-7, "abstol": 1e-12, "chgtol": 1e-15}

Mismatch = Mapping[str, float]


def pulse_times(config: IntegratorConfig) -> dict[str, float]:
    """When things happen in a read pulse [s].

    `reset_end`; `before`: the output is looked at, then the word line opens the cells; `pulse_end`: end of the row
    pulse's last edge; `closed`: the word line closes them again; `after`: the output is looked at a last time.
    """
    clock = config.t_clock
    return {
        "reset_end": 2e-9 + EDGE,
        "before": clock,
        "pulse": clock + 2 * EDGE,
        "pulse_end": clock + 3 * EDGE + config.t_pulse,
        "closed": 2 * clock - 4 * EDGE,
        "after": 2 * clock,
    }


def circuit(config: IntegratorConfig, *, reset: str = "off") -> list[str]:
    """Models, the part and what feeds it; `reset` is "on", "off" or "pulse" (on until 2 ns)."""
    part = config.part()
    lines = [config.models_text()] if part.has_transistors else []
    lines += [part.text, f"Vclp clp 0 dc {config.v_clp:.9g} ac 0", f"Vdd vdd 0 {config.v_dd:.9g}"]
    level = config.v_dd if is_transistors(config) else SWITCH_ON
    points = {"on": [(0.0, level)], "off": [(0.0, 0.0)]}
    shape = points[reset] if reset in points else [(0.0, level), (2e-9, level), (2e-9 + EDGE, 0.0)]
    return [*lines, f"Vrst rst 0 {pwl(shape) if len(shape) > 1 else f'{shape[0][1]:.9g}'}"]


def is_transistors(config: IntegratorConfig) -> bool:
    """The netlist has supply pins."""
    return len(config.part().pins) == len(TRANSISTOR_PINS)


def has_ideal_switch(config: IntegratorConfig) -> bool:
    """The netlist holds a SPICE switch, which ngspice 46 takes as open in `.ac` and `.noise` even where it conducts."""
    return re.search(r"^[ \t]*\.model\s+\S+\s+sw\b", config.part().text, re.IGNORECASE | re.MULTILINE) is not None


def integrator(config: IntegratorConfig, number: int = 0, mismatch: Mismatch | None = None) -> list[str]:
    """Integrator `number` on nodes `bl<n>` and `out<n>`, with its load, and a bias generator of its own."""
    part = config.part()
    nodes = [f"bl{number}", f"out{number}", "rst", "clp"]
    lines = [f"Cl{number} out{number} 0 {config.c_load:.9g}"]
    if is_transistors(config):
        nodes += [f"bias{number}", "vdd", "0"]
        lines.append(f"Xbias{number} bias{number} vdd 0 integrator_bias iref={config.i_bias:.9g}")
    values = {
        "cfb": config.c_fb,
        "cbl": config.c_bitline,
        "gain": config.amplifier_gain,
        "gbw": config.amplifier_gbw,
        "vclp": config.v_clp,
        "v0": config.v_clp,
        "vmin": 0.1,
        "vmax": config.v_dd - 0.1,
    }
    return [*lines, part.call(f"a{number}", nodes, {**values, **(mismatch or {})})]


def loop_deck(config: IntegratorConfig, mismatch: Mismatch | None = None, title: str = "loop") -> Deck:
    """Bit line driven (0), and a current into the output with the bit line at rest (1): see `loop.loop_gain`."""
    lines = [*circuit(config), *integrator(config, 0, mismatch), *integrator(config, 1, mismatch)]
    for number, drive in enumerate((1, 0)):
        lines.append(f"Lf{number} out{number} bl{number} {FEEDBACK:g}")
        lines.append(f"Ci{number} bl{number} in{number} {CLOSED:g}")
        lines.append(f"Vi{number} in{number} 0 dc 0 ac {drive}")
    lines.append("Iout 0 out1 dc 0 ac 1")
    return _deck(
        config, f"integrator: {title}", lines, FREQUENCIES, ("v(out0)", "v(bl0)", "i(Vi0)", "v(out1)", "v(bl1)")
    )


def offset_deck(config: IntegratorConfig, mismatches: Sequence[Mismatch]) -> Deck:
    """Output tied to the bit line: it stands off from V_CLP by the offset (times A / (1 + A)); many in one `.op`."""
    lines = circuit(config)
    for number, mismatch in enumerate(mismatches):
        lines += [*integrator(config, number, mismatch), f"Vf{number} out{number} bl{number} 0"]
    saves = tuple(f"v(bl{number})" for number in range(len(mismatches)))
    return _deck(config, "integrator: offsets", lines, ".op", (*saves, "i(Vdd)"), reltol=1e-7)


def static_deck(config: IntegratorConfig) -> Deck:
    """The bit line follows the output's distance from a swept level, a share of V_DD, and so makes the output follow.

    v(bl0) is what the output's level takes; i(Vs), the current into the held bit line, is leakage. The bit line is kept
    near V_CLP: far above it the input pair loses its sign, and the loop would have a second solution.
    """
    reach = OVERDRIVE
    lines = [*circuit(config), *integrator(config), "Vt target 0 0"]
    lines += [f"Bs servo 0 v=v(clp)+{reach}*tanh((v(out0)-{config.v_dd:.9g}*v(target))/{reach})", "Vs servo bl0 0"]
    sweep = f".dc Vt 0 1 {STATIC_STEP:.9g}"
    return _deck(config, "integrator: static", lines, sweep, ("v(out0)", "v(bl0)", "i(Vs)"), reltol=1e-7, vntol=1e-10)


def hold_noise_deck(config: IntegratorConfig) -> Deck:
    """Noise at the output of an integrator that holds, no cell on its bit line."""
    lines = [*circuit(config), *integrator(config), f"Lf out0 bl0 {FEEDBACK:g}"]
    return _noise(config, "noise while holding", lines, "v(out0)")


def reset_noise_deck(config: IntegratorConfig) -> Deck:
    """Noise while the reset switch is closed, as the charge on the bit line's node that it leaves behind.

    Opening the switch keeps q = C_fb (v_bl - v_out) + C_bl v_bl there; with the bit line back at V_CLP the output is
    off by -q / C_fb.
    """
    share = config.c_bitline / config.c_fb
    lines = [*circuit(config, reset="on"), *integrator(config)]
    lines.append(f"Bq held 0 v=v(out0)-{1 + share:.12g}*v(bl0)")
    return _noise(config, "noise of the reset", lines, "v(held)")


def pulse_deck(config: IntegratorConfig, charge: float, *, hold: bool = False) -> Deck:
    """A read pulse through cells whose nominal charge is `charge` [C]; a negative one raises the output.

    With `hold` the idle cells `g_idle` are switched onto the bit line afterwards, and the transient goes on for
    `t_hold`.
    """
    times = pulse_times(config)
    sign = 1.0 if charge >= 0 else -1.0
    resistance = config.v_read * config.t_pulse / abs(charge) - ACCESS if charge else OPEN
    row = [
        (0.0, config.v_clp),
        (times["pulse"], config.v_clp),
        (times["pulse"] + EDGE, config.v_clp + sign * config.v_read),
        (times["pulse_end"] - EDGE, config.v_clp + sign * config.v_read),
        (times["pulse_end"], config.v_clp),
    ]
    word_line = [(0.0, 0.0), (times["before"], 0.0), (times["before"] + EDGE, SWITCH_ON)]
    word_line += [(times["closed"], SWITCH_ON), (times["closed"] + EDGE, 0.0)]
    lines = [*circuit(config, reset="pulse"), *integrator(config)]
    lines += [f"Vrow row 0 {pwl(row)}", f"Vwl wl 0 {pwl(word_line)}", f"Rcell row mid {resistance:.12g}"]
    lines += [
        "Scell mid col wl 0 access",
        "Vcol col bl0 0",
        f".model access sw vt={SWITCH_ON / 2:g} vh=-0.5 ron={ACCESS:g} roff=1e14",
    ]
    # Charge and energy as voltages on a picofarad; nothing flows before time zero, so the operating point is 0 V.
    counted = {"q": "i(Vcol)", "e": "-v(vdd)*i(Vdd)"}
    for node, current in counted.items():
        lines += [f"B{node} 0 {node} i={current}*(time>0 ? 1 : 0)", f"C{node} {node} 0 1e-12", f"R{node} {node} 0 1e15"]
    stop = times["after"] + EDGE
    if hold:
        on = times["after"] + EDGE
        stop = on + EDGE + config.t_hold
        lines += [
            f"Vidle idle 0 {pwl([(0.0, 0.0), (on, 0.0), (on + EDGE, SWITCH_ON)])}",
            "Sidle bl0 cells idle 0 access",
        ]
        lines.append(f"Ridle cells clp {1 / config.g_idle - ACCESS:.12g}")
    step = min(config.t_clock / 400, config.t_pulse / 50)
    limit = step if not hold else max(step, config.t_hold / 1000)
    name = f"read pulse of {charge * 1e12:.4g} pC" + (", held" if hold else "")
    saves = ("v(out0)", "v(bl0)", "v(q)", "v(e)")
    return _deck(
        config, f"integrator: {name}", lines, f".tran {limit:.9g} {stop:.12g} 0 {limit:.9g}", saves, **TRANSIENT
    )


def slew_deck(config: IntegratorConfig) -> Deck:
    """The bit line forced below V_CLP, above it and below again: the output slews from end to end."""
    low, high = config.v_clp - OVERDRIVE, config.v_clp + OVERDRIVE
    half = slew_time(config)
    shape = [(0.0, high), (2e-9, high), (2e-9 + EDGE, low), (2e-9 + half, low), (2e-9 + half + EDGE, high)]
    lines = [*circuit(config), *integrator(config), f"Vbl bl0 0 {pwl(shape)}"]
    step = half / 1000
    analysis = f".tran {step:.9g} {2e-9 + 2 * half:.12g} 0 {step:.9g}"
    return _deck(config, "integrator: slew rate", lines, analysis, ("v(out0)",), **TRANSIENT)


def slew_time(config: IntegratorConfig) -> float:
    """Time given to the output to go from end to end [s]."""
    return 2 * config.t_clock


def _noise(config: IntegratorConfig, title: str, lines: list[str], output: str) -> Deck:
    driven = [line.replace(" ac 0", " ac 1") if line.startswith("Vclp ") else line for line in lines]
    analysis = f".noise {output} Vclp dec 20 {NOISE_BAND[0]:g} {NOISE_BAND[1]:g}"
    return _deck(config, f"integrator: {title}", driven, analysis, ("onoise_spectrum", "inoise_spectrum"))


def _deck(
    config: IntegratorConfig, title: str, lines: list[str], analysis: str, saves: tuple[str, ...], **options: float
) -> Deck:
    tolerances = Tolerances(temperature=config.temperature, **options)  # type: ignore[arg-type]
    return Deck(title, "\n".join(lines), (analysis,), saves, tolerances)
