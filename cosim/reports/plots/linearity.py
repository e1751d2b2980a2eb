"""INL and DNL of all chips, and what the read voltage does to the thresholds."""

from __future__ import annotations

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.ticker import MultipleLocator
from numpy.typing import NDArray

from cosim.reports.plots.samples import AdcSamples
from cosim.reports.style import BAND, BLUE, INK, MUTED, ORANGE, Panel, Plot, add_legend, new_panel


def linearity_plot(samples: AdcSamples) -> Plot:
    """INL and DNL."""
    return Plot(
        title=f"Integral and differential non-linearity ({samples.function})",
        panels=(
            _chips(samples, "inl", "(a) INL", "threshold k", samples.codes),
            _chips(samples, "dnl", "(b) DNL", "code k, between thresholds k and k + 1", samples.codes[:-1]),
        ),
        caption=(
            f"Output-referred, in LSB of the code. Thin lines: {len(samples.chips)} chips; band: the middle 90 % of"
            " them at each threshold; thick line with dots: the nominal chip, which has neither programming error nor"
            " mismatch. Nothing is trimmed."
        ),
    )


def _chips(samples: AdcSamples, name: str, title: str, x: str, codes: NDArray[np.int64]) -> Panel:
    figure, axes = new_panel(title, x, f"{name.upper()} [LSB]")
    values, nominal = samples.values(name), samples.nominal(name)
    if len(values):
        low, high = np.percentile(values, [5, 95], axis=0)
        axes.fill_between(codes, low, high, color=BAND, alpha=0.6, lw=0, label="middle 90 % of chips")
        axes.plot(codes, values.T, color=MUTED, lw=0.5, alpha=0.7)
    axes.axhline(0, color=MUTED, lw=0.8)
    axes.plot(codes, nominal, "o-", ms=2.6, lw=1.8, color=BLUE)
    axes.xaxis.set_major_locator(MultipleLocator(max(1, (len(samples.codes) + 1) // 8)))
    handles, _ = axes.get_legend_handles_labels()
    handles += [
        Line2D([], [], color=MUTED, lw=0.8, label="each chip"),
        Line2D([], [], color=BLUE, lw=1.8, marker="o", ms=2.6, label="nominal chip"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=3, columnspacing=1.4)
    worst = float(np.abs(values).max()) if len(values) else float("nan")
    alt = f"{name.upper()} against the code for {len(values)} chips; the largest is {worst:.2f} LSB"
    return Panel(f"ramp_adc_{samples.function}_{name}", figure, alt)


def read_voltage_plot(samples: AdcSamples) -> Plot:
    """How far the thresholds move with V_read, for the memristor column and for a fixed reference ramp."""
    nominal = samples.model.config.v_read
    return Plot(
        title=f"Read voltage: the column's ramp moves with the MAC result, a fixed one does not ({samples.function})",
        panels=(
            _shift(samples, "column", "(a) Memristor column"),
            _shift(samples, "fixed", "(b) Fixed reference ramp"),
        ),
        caption=(
            f"Change of INL against V_read = {nominal:.2f} V; nominal chip, thresholds in ngspice, divided by the"
            " volts that a unit of the MAC result is at each V_read (the table of the whole tile has the MAC result"
            " simulated too). The vertical scales differ. (a) The ramp is proportional to V_read as the MAC result is,"
            " so it cancels. (b) The same comparator on an ordinary linear ramp with fixed voltages over the same"
            " span; LSB of its linear code."
        ),
    )


def _shift(samples: AdcSamples, ramp: str, title: str) -> Panel:
    figure, axes = new_panel(title, "threshold k", "change of INL [LSB]")
    base = samples.nominal("inl", ramp=ramp)
    styles = (("v--", ORANGE), ("^-", BLUE), ("s:", INK), ("D-.", MUTED))
    others = [each for each in samples.read_voltages if not np.isclose(each, samples.model.config.v_read)]
    worst = 0.0
    for v_read, (form, colour) in zip(others, styles, strict=False):
        moved = samples.nominal("inl", v_read=v_read, ramp=ramp) - base
        worst = max(worst, float(np.abs(moved).max()))
        axes.plot(samples.codes, moved, form, color=colour, ms=3.2, lw=1.1, label=f"V_read = {v_read:.2f} V")
    axes.axhline(0, color=MUTED, lw=0.8)
    reach = 1.15 * worst if np.isfinite(worst) and worst > 0 else 1.0
    axes.set_ylim(-reach, reach)
    axes.xaxis.set_major_locator(MultipleLocator(max(1, (len(samples.codes) + 1) // 8)))
    if others:
        add_legend(figure)
    alt = f"Change of INL with the read voltage, {ramp} ramp: at most {worst:.2g} LSB"
    return Panel(f"ramp_adc_{samples.function}_v_read_{ramp}", figure, alt)
