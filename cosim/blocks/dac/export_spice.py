"""The DAC as a SPICE subcircuit: the levels of a chip code by code, with their settling; or its pulses.

Amplitude: the pair's difference is the model's level of the code, which a pole follows: t_0 + tau ln(step / band) until
it is within the band, as the fit has it. Pulse width: a timer runs while `go` is high, and the line of the code's sign
is v_read above v_clp until the timer has reached the area of the model's pulse over v_read.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cosim.blocks.dac.behaviour import DacModel
from cosim.blocks.exports import ChipOptions, Export, checked_options
from cosim.seeds import stream

_EDGE = 50e-12  # [s] of a pulse; its area is that of a pulse with vertical edges
_PER_LINE = 4


def spice(model: DacModel, options: Mapping[str, Any]) -> Export:
    """One subcircuit for a pair of word lines; options as in `exports.ChipOptions`."""
    chosen = checked_options(ChipOptions, options)
    config, name = model.config, chosen.name or "dac"
    rng = None if chosen.seed is None else np.random.default_rng(stream(chosen.seed, "export: DAC"))
    levels = model.levels(rng)
    which = "the nominal chip" if rng is None else f"the chip drawn with seed {chosen.seed}"
    pulses = config.kind == "pulse_width"
    pins = "code go rowp rown clp" if pulses else "code rowp rown clp"
    lines = [
        f".subckt {name} {pins}",
        f"Bcode c 0 v=min(max(floor(v(code)+0.5),{-config.magnitude}),{config.magnitude})",
    ]
    lines += _pulse(levels / config.v_read, config.v_read) if pulses else _amplitude(levels, model)
    what = (
        f"go: above 0.5 V starts a pulse, below ends it and resets; pulses have edges of {_EDGE:g} s." if pulses
        else "The lines follow the code as it stands."
    )  # fmt: skip
    left_out = (
        "Left out: energy, the lines' output resistance." if pulses
        else "Left out: glitches of carries, energy, the lines' output resistance (levels are with the load of the"
        f" characterisation, {config.g_load:g} S), what both lines of the pair have in common."
    )  # fmt: skip
    notes = (
        f"Word-line DAC, {config.kind}, {config.bits} bits with sign, levels of {which}.",
        f"Pins of {name}: {pins}.\n  code: -{config.magnitude} .. {config.magnitude}, 1 V a step. rowp, rown: the pair"
        f" of word lines, from clp: their difference is the level of the code. {what}",
        left_out,
    )
    return Export(notes, "\n".join([*lines, f".ends {name}"]))


def _amplitude(levels: NDArray[np.float64], model: DacModel) -> list[str]:
    tau, t_0 = (max(model.value(name), 0.0) if name in model.parameters else 0.0 for name in ("tau", "t_0"))
    lines = [f"Blevel level 0 v={_table('v(c)', levels)}"]
    node = "level"
    if t_0 > 0.0:
        lines += ["Bsend send 0 v=2*v(level)", "Rsend send line 50", f"Tline line 0 late 0 z0=50 td={t_0!r}",
                  "Rlate late 0 50"]  # fmt: skip
        node = "late"
    if tau > 0.0:
        # 1 pF on a conductance of 1 pF / tau.
        lines += [f"Bpole 0 pole i={1e-12 / tau!r}*(v({node})-v(pole))", "Cpole pole 0 1e-12"]
        node = "pole"
    return [*lines, f"Bp rowp clp v=max(v({node}),0)", f"Bn rown clp v=max(-v({node}),0)"]


def _pulse(widths: NDArray[np.float64], v_read: float) -> list[str]:
    """Widths of every signed code [s], negative on the other line; the timer counts 1 V a nanosecond."""
    edge = _EDGE * 1e9
    longest = 10.0 + 2e9 * float(np.abs(widths).max())
    shape = f"min(max(v(t)/{edge!r},0),1)*min(max((v(w)+{edge!r}-v(t))/{edge!r},0),1)"
    return [
        f"Bw w 0 v=abs({_table('v(c)', widths * 1e9)})",
        "Bon on 0 v=min(max(10*v(go)-4.5,0),1)",
        # The timer stops beyond the longest pulse; an operating point with `go` high ends there.
        f"Bt 0 t i=v(on)*1e-3*min({longest!r}-v(t),1)-(1-v(on))*v(t)*0.1",
        "Ct t 0 1e-12",
        f"Bpulse pulse 0 v={v_read!r}*v(on)*(v(w)>0)*{shape}",
        "Cpulse pulse 0 1e-15",
        "Bp rowp clp v=(v(c)>0)*v(pulse)",
        "Bn rown clp v=(v(c)<0)*v(pulse)",
    ]


def _table(argument: str, values: NDArray[np.float64]) -> str:
    """Expression of the value at each signed code."""
    first = -(len(values) // 2)
    points = [f"{first + k},{float(value)!r}" for k, value in enumerate(values)]
    groups = [", ".join(points[k : k + _PER_LINE]) for k in range(0, len(points), _PER_LINE)]
    return f"pwl({argument},\n+ " + ",\n+ ".join(groups) + ")"
