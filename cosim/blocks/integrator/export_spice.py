"""The integrator as a SPICE subcircuit: feedback capacitor, reset switch and the fitted amplifier.

The amplifier is the differential equation that the model's charge, output and holding follow from,

    (1 / w_u) dv/dt = (v_clp + o - v_bl) - (F(v) - F(v_clp)),    w_u = 2 pi gbw (1 + tilt i + bend i^2),

with o its offset, F(v) what an output v takes of its input (`behaviour`), i the current into the bit line's pin, taken
from C_fb. The factor in brackets is held above a tenth, which no current of the fit's domain comes near.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from cosim.blocks.exports import ChipOptions, Export, checked_options
from cosim.blocks.integrator.behaviour import IDEAL_RANGE, IntegratorModel
from cosim.seeds import stream

_RESET = 200.0  # [ohm] of the closed reset switch
_POLE = 1e-12  # [F] on which the amplifier's output is made


def spice(model: IntegratorModel, options: Mapping[str, Any]) -> Export:
    """One subcircuit; options as in `exports.ChipOptions`."""
    chosen = checked_options(ChipOptions, options)
    name, config = chosen.name or "integrator_model", model.config
    offset = model.value("offset_mean")
    if chosen.seed is not None:
        offset = float(model.draw_offsets(1, np.random.default_rng(stream(chosen.seed, "export: integrator")))[0])
    which = "the nominal chip" if chosen.seed is None else f"the chip drawn with seed {chosen.seed}"
    factor = "1"
    if model.form != IDEAL_RANGE:
        tilt, bend = model.value("gbw_tilt"), model.value("gbw_bend")
        factor = f"max(1+({tilt!r})*i(Vi)+({bend!r})*i(Vi)*i(Vi),0.1)"
    pace = 2 * math.pi * model.value("gbw") * _POLE
    lines = [
        f".subckt {name} bl out rst clp cfb={config.c_fb!r} cbl={config.c_bitline!r}",
        f"Cbl bl 0 {{cbl+{model.value('c_input')!r}}}",
        "Vi bl f 0",
        "Cfb f out {cfb}",
        f"Breset bl out i=(v(bl)-v(out))/{_RESET!r}*min(max(v(rst)/{config.v_dd!r}*10-4.5,0),1)",
        f"Bamp 0 x i={pace!r}*{factor}*(v(clp)+({offset!r})-v(bl)-({_taken(model, 'x')})+({_taken(model, 'clp')}))",
        f"Cx x 0 {_POLE!r}",
        "Eout out 0 x 0 1",
        f".ends {name}",
    ]
    notes = (
        f"Switched integrator, amplifier of {which} with an offset of {offset:.6g} V.",
        f"Pins of {name}: bl out rst clp.\n  bl: the bit line, which the feedback holds at clp; out: clp less the"
        f" charge into bl over cfb, an ideal source; rst: above {config.v_dd / 2:g} V resets. Parameters: cfb, the"
        " feedback capacitor [F]; cbl, capacitance of the bit line's wire [F].",
        "Left out: noise, the reset's pedestal, slewing, poles beyond the first, energy.",
    )
    return Export(notes, "\n".join(lines))


def _taken(model: IntegratorModel, node: str) -> str:
    """F of the voltage of a node [V]."""
    v, gain = f"v({node})", model.value("dc_gain")
    if model.form == IDEAL_RANGE:
        return f"{v}/{gain!r}"
    ends = []
    for side, sign in (("high", "+"), ("low", "-")):
        edge, width = model.value(f"output_{side}"), model.value(f"w_{side}")
        distance = f"{v}-{edge!r}" if side == "high" else f"{edge!r}-{v}"
        ends.append(f"{sign}{width!r}*exp(min(({distance})/{width!r},60))")
    return f"({v}{''.join(ends)})/{gain!r}"
