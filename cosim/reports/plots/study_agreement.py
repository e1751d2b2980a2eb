"""Cross-checks against ngspice: share of equal codes of each part, and what the model-form error does to the score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cosim.reports.plots.study_rungs import height_of, name_lines
from cosim.reports.style import BLUE, MUTED, ORANGE, PAPER, Panel, Plot, add_legend, new_panel

MOST_PARTS = 30
GOAL = 0.99


def agreement_plot(checks: Sequence[Mapping[str, Any]]) -> Plot | None:
    """Of what `cosim crosscheck` wrote; None without one."""
    if not checks:
        return None
    parts = [(check, part) for check in checks for part in check["parts"]]
    shown = parts[:MOST_PARTS]
    figure, axes = new_panel("(a) Codes", "equal codes [%]", "", height=height_of(len(shown)))
    for place, (_, part) in enumerate(shown):
        low, high = part["interval"]
        bars = [[100 * max(part["equal"] - low, 0.0)], [100 * max(high - part["equal"], 0.0)]]
        label = "95 % interval" if place == 0 else ""
        axes.errorbar(100 * part["equal"], place, xerr=bars, fmt="o", color=BLUE, ms=5, mec=PAPER, mew=0.5,
                      elinewidth=1.3, capsize=3, label=label)  # fmt: skip
    axes.axvline(100 * GOAL, color=MUTED, lw=0.9, ls="--", label=f"{GOAL:.0%}")
    name_lines(axes, [f"{part['matrix']} {part['part']}" for _, part in shown])
    add_legend(figure, 2)
    alt = "; ".join(f"{part['matrix']} {part['part']}: {100 * part['equal']:.1f} %" for _, part in shown)
    panels = [Panel("study_codes", figure, f"Share of codes of the model that are those of ngspice. {alt}")]

    lines = [(check, where, each["difference"]) for check in checks
             for where, each in check["accuracy"]["injected"].items()]  # fmt: skip
    percent = checks[0]["accuracy"]["metric"] == "accuracy"
    factor, unit = (100.0, "points") if percent else (1.0, "bit")
    figure, axes = new_panel("(b) Model-form error", f"change of the score [{unit}]", "", height=height_of(len(lines)))
    labels = {"layer": "error in this layer, 95 % interval", "network": "error in all layers, 95 % interval"}
    for place, (_, where, found) in enumerate(lines):
        low, high = found["interval"]
        bars = [[factor * (found["value"] - low)], [factor * (high - found["value"])]]
        colour, marker = (ORANGE, "s") if where == "network" else (BLUE, "o")
        axes.errorbar(factor * found["value"], place, xerr=bars, fmt=marker, color=colour, ms=5, mec=PAPER, mew=0.5,
                      elinewidth=1.3, capsize=3, label=labels.pop(where, ""))  # fmt: skip
    axes.axvline(0, color=MUTED, lw=0.9)
    name_lines(axes, [f"{check['layer']}, in the {where}" for check, where, _ in lines])
    add_legend(figure, 1)
    panels.append(Panel("study_model_form", figure, "Change of the score with the residuals of ngspice injected"))
    left = f" {len(parts) - len(shown)} more parts are in the reports." if len(parts) > len(shown) else ""
    return Plot(
        "Codes in ngspice and in the behavioural model, and what their difference costs",
        tuple(panels),
        "(a) Share of conversions of real activations whose code is the same in ngspice and in the model, on the same"
        f" chips; bars: Wilson's 95 % interval, conversions taken as independent.{left} (b) Score with the residuals of"
        " ngspice against the model drawn into each conversion, less the score without, on the same chips, reads and"
        " test samples; bars: 95 % interval, paired.",
    )
