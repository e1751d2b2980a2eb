"""Accuracy with its error bars: fidelities, chips, and the ladder of single non-idealities."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from cosim.reports.style import BAND, BLUE, HEIGHT, INK, MUTED, ORANGE, PAPER, Panel, Plot, add_legend, new_panel


def accuracy_plot(accuracy: Mapping[str, Any]) -> Plot:
    """Each fidelity with its interval, and each chip."""
    rows, chips = accuracy["rows"], np.array(accuracy.get("chips") or [], dtype=float)
    height = max(HEIGHT, 0.62 * len(rows) + 1.2)
    panels = [_fidelities(rows, height)]
    caption = (
        f"Share of {accuracy['images']} test images that are recognised. (a) Bars: 95 % intervals; for a single network"
        " of the test images alone (binomial), for chips of the mean over chips and images."
    )
    if len(chips):
        panels.append(_chips(chips, height))
        spread = f", standard deviation {100 * chips.std(ddof=1):.2f} points" if len(chips) > 1 else ""
        caption += (
            f" (b) Each of {len(chips)} behavioural chips, sorted; line: their mean; band: mean ± one standard"
            f" deviation from chip to chip (mean {100 * chips.mean():.2f} %{spread})."
        )
    return Plot("Accuracy of the network", tuple(panels), caption)


def _fidelities(rows: Sequence[Mapping[str, Any]], height: float) -> Panel:
    figure, axes = new_panel("(a) Fidelities", "accuracy [%]", "", height=height)
    markers = {"binomial": ("o", BLUE), "chips and images": ("s", ORANGE)}
    labelled: set[str] = set()
    for place, row in enumerate(rows):
        kind = row.get("kind", "binomial")
        marker, colour = markers.get(kind, ("D", INK))
        label = None if kind in labelled else f"95 % interval, {kind}"
        labelled.add(kind)
        _point(axes, place, row["accuracy"], row.get("interval"), marker, colour, label)
    _rows(axes, [row["name"] for row in rows])
    add_legend(figure, 2)
    alt = "; ".join(f"{row['name']}: {100 * row['accuracy']:.1f} %" for row in rows)
    return Panel("accuracy_fidelities", figure, f"Accuracy with its interval. {alt}")


def _chips(chips: np.ndarray, height: float) -> Panel:
    figure, axes = new_panel("(b) Chip to chip", "chips, sorted", "accuracy [%]", height=height)
    values, mean = 100 * np.sort(chips), 100 * chips.mean()
    number = np.arange(1, len(values) + 1)
    if len(values) > 1:
        spread = 100 * chips.std(ddof=1)
        axes.axhspan(mean - spread, mean + spread, color=BAND, alpha=0.5, lw=0, label="mean ± 1 sd")
    axes.axhline(mean, color=MUTED, lw=1.0, ls="--", label="mean")
    axes.plot(number, values, "s", ms=4, color=ORANGE, mec=PAPER, mew=0.4, label="each chip")
    axes.set_xlim(0, len(values) + 1)
    axes.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10], integer=True))
    add_legend(figure)
    return Panel("accuracy_chips", figure, f"Accuracy of {len(values)} chips, {values[0]:.1f} to {values[-1]:.1f} %")


def ladder_plot(ladder: Sequence[Mapping[str, Any]]) -> Plot:
    """What each non-ideality costs alone, and all together."""
    rungs = sorted_rungs(ladder)
    labels = [rung["label"] for rung in rungs]
    height = 0.4 * len(rungs) + 1.2

    figure, axes = new_panel("(a) Accuracy", "accuracy [%]", "", height=height)
    spread = "± 1 sd, chip to chip"
    for place, rung in enumerate(rungs):
        if rung.get("spread"):
            low, high = (100 * (rung["accuracy"] + side * rung["spread"]) for side in (-1, 1))
            axes.hlines(place, low, high, color=BAND, lw=6, zorder=1.5, label=spread)
            spread = ""
        _point(axes, place, rung["accuracy"], rung.get("interval"), *_form(rung), None if place else "95 % interval")
    _rows(axes, labels)
    add_legend(figure, 2)
    alt = "; ".join(f"{rung['label']}: {100 * rung['accuracy']:.1f} %" for rung in rungs)
    one = Panel("ladder_accuracy", figure, f"Accuracy with one non-ideality at a time. {alt}")

    figure, axes = new_panel("(b) Cost", "accuracy lost [points]", "", height=height)
    costs = [(place, rung) for place, rung in enumerate(rungs) if rung["name"] != "none"]
    for place, rung in costs:
        _point(
            axes,
            place,
            rung["cost"],
            rung.get("cost_interval"),
            *_form(rung),
            "95 % interval, paired" if place == 1 else None,
        )
    axes.axvline(0, color=MUTED, lw=0.9)
    _rows(axes, labels)
    add_legend(figure, 2)
    alt = "; ".join(f"{rung['label']}: {100 * rung['cost']:.2f} points" for _, rung in costs)
    two = Panel("ladder_cost", figure, f"Accuracy lost by each non-ideality. {alt}")
    return Plot(
        "Ladder: what each non-ideality costs",
        (one, two),
        "Behavioural chips with no non-ideality beyond the bits (diamond), with each one alone, the costliest first,"
        " and with all (square). (a) Mean over chips; bars: 95 % interval of the mean over chips and images; light"
        " bars: ± one standard deviation from chip to chip. (b) Accuracy without any minus accuracy with this one, on"
        " the same chips and images, with its 95 % interval; a bar that reaches zero shows no loss.",
    )


def sorted_rungs(ladder: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """`none` first, `all` last, between them the costliest first."""
    place = {"none": 0, "all": 2}
    return sorted(ladder, key=lambda rung: (place.get(rung["name"], 1), -rung["cost"]))


def _form(rung: Mapping[str, Any]) -> tuple[str, str]:
    return {"none": ("D", INK), "all": ("s", ORANGE)}.get(rung["name"], ("o", BLUE))


def _point(
    axes: Axes,
    place: float,
    value: float,
    interval: Sequence[float] | None,
    marker: str,
    colour: str,
    label: str | None,
) -> None:
    low, high = interval or (value, value)
    reach = [[max(100 * (value - low), 0.0)], [max(100 * (high - value), 0.0)]]
    axes.errorbar(100 * value, place, xerr=reach, fmt=marker, color=colour, ms=5, mec=PAPER, mew=0.5, elinewidth=1.3,
                  capsize=3, label=label)  # fmt: skip


def _rows(axes: Axes, labels: Sequence[str]) -> None:
    axes.set_yticks(range(len(labels)), [textwrap.fill(label, 22) for label in labels])
    axes.set_ylim(len(labels) - 0.5, -0.5)
    axes.grid(False, axis="y")
    axes.tick_params(axis="y", length=0)
