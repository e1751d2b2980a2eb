"""Sobol indices: which share of the variance each swept setting causes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from cosim.reports.style import BAND, BLUE, INK, ORANGE, PAPER, Panel, Plot, add_legend, new_panel


def indices_plot(indices: Sequence[Mapping[str, Any]], what: str) -> Plot:
    """First-order and total index of each setting, the largest total first.

    indices: of each setting "name", "first", "first_half", "total", "total_half": the index and half of its 95 %
    interval.
    """
    order = sorted(indices, key=lambda each: -each["total"])
    figure, axes = new_panel("", "share of the variance", "", height=0.62 * len(order) + 1.2)
    places = np.arange(len(order))
    for side, kind, fill, edge, hatch, label in (
        (-0.19, "first", BAND, BLUE, "", "first order: this setting alone"),
        (0.19, "total", PAPER, ORANGE, "////", "total: with all its interactions"),
    ):
        values = [each[kind] for each in order]
        axes.barh(places + side, values, 0.34, fc=fill, ec=edge, lw=0.9, hatch=hatch, label=label)
        halves = [each[f"{kind}_half"] for each in order]
        axes.errorbar(values, places + side, xerr=halves, fmt="none", ecolor=INK, elinewidth=1.1, capsize=3)
    axes.axvline(0, color=INK, lw=0.8)
    axes.set_yticks(places, [each["name"] for each in order])
    axes.set_ylim(len(order) - 0.45, -0.55)
    axes.grid(False, axis="y")
    axes.tick_params(axis="y", length=0)
    add_legend(figure, 1)
    alt = "; ".join(f"{each['name']}: first {each['first']:.2f}, total {each['total']:.2f}" for each in order)
    return Plot(
        f"Sobol indices of the {what}",
        (Panel("study_sobol", figure, alt),),
        f"Share of the variance of the {what} over all settings that were drawn: caused by one setting alone (first"
        " order), and with all its interactions (total). Bars: 95 % interval by resampling. An index whose bar"
        " reaches zero shows no influence; estimates below zero come of too few samples.",
    )
