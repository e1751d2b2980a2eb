"""The sample and hold as a SPICE subcircuit: a conductance that follows the input, and the charge of its opening.

While the clock is above half its swing the held node is joined to the input by the model's G(v). As the clock falls
through the middle, first the switch opens (from 55 to 50 % of the swing), then the model's charge (pedestal times
capacitance, for the input at that moment) goes to the held node, as what a node s takes that follows the lower part of
the edge with a time constant of 5 ps. As the clock rises it is taken back, and the closed switch makes good for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from cosim.blocks.exports import ChipOptions, Export, checked_options
from cosim.blocks.sample_hold.behaviour import STRAIGHT, SampleHoldModel, thermal_voltage
from cosim.seeds import stream

_INJECTION = 5e-12  # [s] time constant with which the charge comes


def spice(model: SampleHoldModel, options: Mapping[str, Any]) -> Export:
    """One subcircuit; options as in `exports.ChipOptions`."""
    chosen = checked_options(ChipOptions, options)
    name, config = chosen.name or "sample_hold_model", model.config
    which = "the nominal chip" if chosen.seed is None else f"the chip drawn with seed {chosen.seed}"
    pins = "in held clk vdd vss"
    share = "(v(clk)-v(vss))/(v(vdd)-v(vss))"
    lines = [
        f".subckt {name} {pins} chold={config.c_hold!r}",
        f".param c={{chold+{model.value('c_switch')!r}}}",
        "Bv v 0 v=v(in)-v(vss)",
        f"Bg g 0 v={_conductance(model)}",
        f"Bkept kept 0 v=1/(1+{_return_time(model)!r}*v(g)/{{c}})",
        f"Bq q 0 v=1e15*({_charge(model, chosen.seed)})",
        f"Bon on 0 v=min(max(20*{share}-10,0),1)",
        "Bsw in held i=v(on)*v(g)*(v(in)-v(held))",
        "Chold held vss {c}",
        f"Boff off 0 v=min(max(10-20*{share},0),1)",
        f"Bs 0 s i=(v(off)-v(s))*{1e-12 / _INJECTION!r}",
        "Cs s 0 1e-12",
        f"Binj vss held i=(v(off)-v(s))*v(q)*{1e-15 / _INJECTION!r}",
        f".ends {name}",
    ]
    notes = (
        f"Sample and hold of {which}, hold capacitor {config.c_hold:g} F inside.",
        f"Pins of {name}: {pins}. clk: above half the supply the held node follows the input, below it holds; its edges"
        " must take some time. Parameter chold: the hold capacitor [F].",
        f"Left out: noise, {model.noise():.4g} V rms on every sample of the characterised capacitor; droop; energy;"
        " that a full swing passes other conductances than that of the input.",
    )
    return Export(notes, "\n".join(lines))


def _conductance(model: SampleHoldModel) -> str:
    """G(v) of the module `behaviour` [S]."""
    u_t = thermal_voltage(model.config.temperature)
    terms = []
    for side in "np":
        s, there = _inversion(model, side, u_t), _presence(model, side, u_t)
        terms.append(f"{model.value(f'g_{side}')!r}*{s}*{there}/(1+{model.value(f'theta_{side}')!r}*{s})")
    return "+".join(terms)


def _charge(model: SampleHoldModel, seed: int | None) -> str:
    """Charge to the held node [C], with the share that does not flow back as a node; see `behaviour`."""
    u_t = thermal_voltage(model.config.temperature)
    if model.form == STRAIGHT:
        text = f"{model.value('q_0')!r}+({model.value('c_slope')!r})*v(v)"
    else:
        n, p = (_inversion(model, side, u_t) for side in "np")
        text = (
            f"-({model.value('q_clock')!r})*(1-min({n}/{model.config.v_dd!r},1))"
            f"+v(kept)*(({model.value('c_p')!r})*{p}-({model.value('c_n')!r})*{n})"
        )
    if seed is not None:
        mismatch = model.draw_mismatch(1, np.random.default_rng(stream(seed, "export: sample and hold")))[0]
        if mismatch.size:
            for side, charge in zip("np", model.array("charge_sensitivity") @ mismatch, strict=True):
                text += f"+v(kept)*({float(charge)!r})*{_presence(model, side, u_t)}"
    return text


def _return_time(model: SampleHoldModel) -> float:
    return model.value("t_return") if "t_return" in model.parameters else 0.0


def _above(model: SampleHoldModel, side: str) -> str:
    """How far a channel is from pinch-off [V]."""
    return f"({model.value('v_n')!r}-v(v))" if side == "n" else f"(v(v)-({model.value('v_p')!r}))"


def _inversion(model: SampleHoldModel, side: str, u_t: float) -> str:
    return f"({2 * u_t!r}*ln(1+exp({_above(model, side)}/{2 * u_t!r})))"


def _presence(model: SampleHoldModel, side: str, u_t: float) -> str:
    return f"(0.5*(1+tanh({_above(model, side)}/{4 * u_t!r})))"
