"""The behavioural models against ngspice: points and residuals."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.ticker import MultipleLocator
from numpy.typing import NDArray

from cosim.blocks.crossbar.behaviour import CrossbarModel
from cosim.blocks.crossbar.fitting import compare as compare_crossbar
from cosim.blocks.ramp_adc.fitting import compare as compare_adc
from cosim.blocks.ramp_adc.functions import output_error
from cosim.reports.numbers import superscript
from cosim.reports.plots.samples import AdcSamples
from cosim.reports.style import BAND, BLUE, INK, MUTED, ORANGE, PAPER, Panel, Plot, add_legend, new_panel


def adc_error_plot(samples: AdcSamples) -> Plot:
    """Thresholds of the model against those of ngspice, and the residuals in LSB."""
    found = compare_adc(samples.model, samples.data)
    good = np.isfinite(found.error).all(axis=1) & (samples.data["chip"].values >= 0)
    held_out = good & found.held_out
    fitted = good & ~found.held_out
    chips = len(set(samples.data["chip"].values[held_out].tolist()))
    error = samples.model.error

    bits, function = samples.model.config.bits, samples.model.function
    gain = samples.data["gain"].values[held_out, None]
    spice, predicted = (
        output_error(function, bits, each[held_out] / gain) for each in (found.measured, found.predicted)
    )
    figure, axes = new_panel("(a) INL of held-out chips", "INL in ngspice [LSB]", "INL of the model [LSB]")
    reach = 1.08 * float(np.abs(spice).max()) if spice.size else 1.0
    axes.plot([-reach, reach], [-reach, reach], color=MUTED, lw=0.9, ls="--", label="equal")
    axes.plot(
        spice.ravel(), predicted.ravel(), "o", ms=3, color=BLUE, mec=PAPER, mew=0.3, label=f"{spice.size} thresholds"
    )
    axes.set_xlim(-reach, reach)
    axes.set_ylim(-reach, reach)
    axes.set_aspect("equal")
    add_legend(figure)
    alt = "INL of the model against INL in ngspice for each threshold of held-out chips; all lie on the diagonal"
    scatter = Panel(f"ramp_adc_{samples.function}_model", figure, alt)

    figure, axes = new_panel("(b) Residuals", "threshold k", "model − ngspice [LSB]")
    codes = samples.codes
    for rows, form, colour, size, shift, label in (
        (fitted, "x", MUTED, 2.2, -0.18, "fitted chips"),
        (held_out, "o", BLUE, 2.4, 0.18, "held-out chips"),
    ):
        error_of = found.error[rows]
        x = np.broadcast_to(codes + shift, error_of.shape)
        axes.plot(x.ravel(), error_of.ravel(), form, ms=size, mew=0.6, mec=colour if form == "x" else PAPER,
                  mfc=colour, color=colour, ls="none", label=label)  # fmt: skip
    if held_out.any():
        rms = np.sqrt(np.mean(found.error[held_out] ** 2, axis=0))
        axes.plot(codes, rms, color=ORANGE, lw=1.3, label="± rms, held out")
        axes.plot(codes, -rms, color=ORANGE, lw=1.3)
    axes.axhline(0, color=MUTED, lw=0.8)
    for side in (-1, 1):
        axes.axhline(side * error.limit, color=INK, lw=1.0, ls="--", label="limit of the rms" if side > 0 else None)
    axes.xaxis.set_major_locator(MultipleLocator(max(1, (len(codes) + 1) // 8)))
    add_legend(figure, 2)
    alt = f"Residuals in LSB by threshold: {error.rms:.4f} LSB rms on held-out chips, limit {error.limit} LSB"
    residual = Panel(f"ramp_adc_{samples.function}_residuals", figure, alt)
    return Plot(
        title=f"SPICE against model on chips that the fit did not see ({samples.function})",
        panels=(scatter, residual),
        caption=(
            f"{spice.size} thresholds of {chips} held-out chips, some of them at several read voltages. The model is"
            " given a chip's programmed conductances and its comparator's static offset, nothing else. (a) How far each"
            " threshold is from its ideal place, in ngspice and in the model. (b) Model minus ngspice, held-out and"
            f" fitted chips side by side at each threshold: {error.rms:.4f} LSB rms, {error.maximum:.4f} LSB at most on"
            " the held-out ones. A threshold in ngspice is known to 0.005 LSB or better."
        ),
    )


def crossbar_error_plot(data: xr.Dataset, model: CrossbarModel) -> Plot:
    """Residuals of the output currents on unseen vectors and weights."""
    found = compare_crossbar(model, data)
    panels, counts = [], []
    for letter, cell in (("a", "linear"), ("b", "sinh")):
        chosen = (found.cells == cell) & (found.part != "seen")
        counts.append(int(chosen.sum()))
        panels.append(_crossbar_panel(letter, cell, found.simulated[chosen], found.error[chosen]))
    return Plot(
        title="Crossbar: model against SPICE on unseen vectors and unseen weights",
        panels=tuple(panels),
        caption=(
            f"Model minus ngspice over the simulated current, both relative to full scale (the largest current of the"
            f" array); {counts[0]} currents of linear and {counts[1]} of sinh cells, of input vectors and arrays that"
            " the fit did not see. In classes of the current: light band, lowest to highest; dark band, the middle"
            " 90 %; line, root mean square of the class. The vertical scales differ."
        ),
    )


def _crossbar_panel(letter: str, cell: str, current: NDArray[np.float64], error: NDArray[np.float64]) -> Panel:
    largest = float(np.abs(error).max()) if error.size else 0.0
    power = int(np.floor(np.log10(largest))) if largest > 0 else 0
    scale, unit = (1e-2, "%") if largest > 1e-5 else (10.0**power, f"10{superscript(power)}")
    figure, axes = new_panel(
        f"({letter}) {cell.capitalize()} cells", "current [% of full scale]", f"model − ngspice [{unit} of full scale]"
    )
    edges = np.linspace(-1, 1, 31)
    where = np.clip(np.digitize(current, edges) - 1, 0, len(edges) - 2)
    rows = []
    for number in range(len(edges) - 1):
        inside = error[where == number] / scale
        if inside.size:
            quantiles = np.percentile(inside, [0, 5, 95, 100])
            rows.append([50 * (edges[number] + edges[number + 1]), *quantiles, np.sqrt(np.mean(inside**2))])
    if rows:
        x, lowest, low, high, highest, rms = np.array(rows).T
        axes.fill_between(x, lowest, highest, color=BAND, alpha=0.5, lw=0, label="lowest to highest")
        axes.fill_between(x, low, high, color=BLUE, alpha=0.5, lw=0, label="middle 90 %")
        axes.plot(x, rms, color=ORANGE, lw=1.3, ls="-", marker=".", ms=3, label="rms")
    axes.axhline(0, color=MUTED, lw=0.8)
    axes.set_xlim(-100, 100)
    add_legend(figure)
    alt = f"Residuals of the currents of {cell} cells against the current; the largest is {largest:.2g} of full scale"
    return Panel(f"crossbar_{cell}", figure, alt)
