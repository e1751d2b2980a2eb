"""SPICE in the loop: codes of ngspice beside those of the behavioural model."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import cycle
from typing import Any

import numpy as np
from matplotlib.ticker import MaxNLocator, MultipleLocator

from cosim.reports.style import BAND, BLUE, MUTED, ORANGE, PAPER, PURPLE, Panel, Plot, add_legend, new_panel

_FORMS = ((BLUE, ""), (BAND, "////"), (ORANGE, ""), (PAPER, "xxxx"), (PURPLE, ""), (MUTED, "----"))


def agreement_plot(found: Mapping[str, Any]) -> Plot:
    """Every conversion as a pair of codes, and where they differ."""
    steps = found.get("per_step") or []
    differ = any(row["equal"] < 1 for row in steps)
    letter = "(a) " if differ else ""
    panels, captions = [], []
    if found.get("pairs"):
        panels.append(_codes(np.array(found["pairs"], dtype=float), f"{letter}Codes"))
        captions.append(
            f"{letter}{found['conversions']} gate conversions; the area of a mark is the number of conversions with"
            " that pair of codes. The model sees the same inputs on the same chip."
        )
    if differ:
        panels.append(_steps(steps))
        captions.append("(b) Conversions whose codes differ, by time step and gate, stacked.")
    elif steps:
        captions.append("No code differs in any step.")
    return Plot("Codes in ngspice and in the behavioural model", tuple(panels), " ".join(captions))


def _codes(pairs: np.ndarray, title: str) -> Panel:
    figure, axes = new_panel(title, "code in ngspice", "code of the model")
    spice, model, count = pairs.T
    top = 2.0 ** np.ceil(np.log2(pairs[:, :2].max() + 1.0)) - 1.0  # of the fewest bits that hold the codes
    axes.plot([0, top], [0, top], color=MUTED, lw=0.9, ls="--", zorder=1)
    same = spice == model
    size = 120.0 * count / count.max() + 5.0
    axes.scatter(spice[same], model[same], size[same], color=BAND, ec=BLUE, lw=0.8, marker="o")
    axes.plot([], [], "o", ms=6, mfc=BAND, mec=BLUE, ls="none", label=f"equal: {int(count[same].sum())}")
    if not same.all():
        axes.scatter(
            spice[~same], model[~same], size[~same] + 8.0, color=ORANGE, ec=PAPER, lw=0.4, marker="D", zorder=3
        )
    axes.plot([], [], "D", ms=5, color=ORANGE, ls="none", label=f"different: {int(count[~same].sum())}")
    axes.set_xlim(-1, top + 1)
    axes.set_ylim(-1, top + 1)
    axes.set_aspect("equal")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MultipleLocator(max(1, round((top + 1) / 8))))
    add_legend(figure)
    alt = f"Code of the model against ngspice: {int(count[same].sum())} equal, {int(count[~same].sum())} different"
    return Panel("cosimulation_codes", figure, alt)


def _steps(rows: list[dict[str, Any]]) -> Panel:
    figure, axes = new_panel("(b) Where they differ", "time step", "differing codes")
    steps = np.array(sorted({row["step"] for row in rows}))
    gates = list(dict.fromkeys(str(row.get("gate", "")) for row in rows))
    below = np.zeros(len(steps))
    for gate, (colour, hatch) in zip(gates, cycle(_FORMS), strict=False):
        differing = np.zeros(len(steps))
        for row in rows:
            if str(row.get("gate", "")) == gate:
                differing[steps == row["step"]] += round((1 - row["equal"]) * row["conversions"])
        form: dict[str, Any] = {"color": colour, "ec": BLUE, "lw": 0.7, "hatch": hatch}
        some = differing > 0
        axes.bar(steps[some], differing[some], 0.7, bottom=below[some], **form)
        axes.bar([np.nan], [0], label=f"gate {gate}" if gate else "", **form)
        below += differing
    each_step = sum(row["conversions"] for row in rows if row["step"] == steps[0])
    axes.set_ylabel(f"differing codes of {each_step}")
    axes.set_xlim(steps[0] - 0.7, steps[-1] + 0.7)
    axes.set_ylim(0, max(4.0, 1.2 * below.max()))
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xticks(steps)
    axes.grid(False, axis="x")
    add_legend(figure, 4)
    alt = "Differing codes by time step: " + ", ".join(f"step {s}: {int(n)}" for s, n in zip(steps, below, strict=True))
    return Panel("cosimulation_steps", figure, alt)
