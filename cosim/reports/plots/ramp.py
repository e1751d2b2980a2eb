"""The pre-distorted ramp: its staircase and thresholds, the activation that they make, and the column behind it."""

from __future__ import annotations

import numpy as np
from matplotlib.ticker import MultipleLocator

from cosim.blocks.ramp_adc.functions import code_levels
from cosim.reports.plots.samples import AdcSamples
from cosim.reports.style import BAND, BLUE, INK, MUTED, ORANGE, PAPER, Panel, Plot, add_legend, new_panel


def ramp_plot(samples: AdcSamples) -> Plot:
    """Staircase with thresholds, and the activation."""
    return Plot(
        title=f"The pre-distorted ramp and the activation it makes ({samples.function})",
        panels=(_staircase(samples), _activation(samples)),
        caption=(
            "(a) Ramp of the nominal chip in ngspice, above V_CLP, at the end of each clock, and the input at which"
            f" its comparator trips (threshold k); bars: lowest to highest of {len(samples.chips)} chips with"
            " programming errors and comparator mismatch. (b) The same thresholds in units of the MAC result, each at"
            " its decision level y_k. The code counts the thresholds below the MAC result, so the staircase is the"
            " activation function: the steps of the column are those of its inverse."
        ),
    )


def _staircase(samples: AdcSamples) -> Panel:
    figure, axes = new_panel("(a) Ramp and thresholds", "clock = threshold k", "above V_CLP [mV]")
    codes = samples.codes
    level, threshold = 1e3 * samples.nominal("ramp_level"), 1e3 * samples.nominal("threshold")
    chips = 1e3 * samples.values("threshold")
    axes.stairs(level, np.append(codes, codes[-1] + 1) - 0.5, baseline=None, color=BLUE, label="ramp, nominal chip")
    if len(chips):
        axes.vlines(
            codes, chips.min(axis=0), chips.max(axis=0), color=BAND, lw=3.2, zorder=1.5, label="thresholds, all chips"
        )
    axes.plot(codes, threshold, "o", ms=3.4, color=ORANGE, mec=PAPER, mew=0.4, label="thresholds, nominal chip")
    gain = samples.model.gain
    right = axes.secondary_yaxis(
        "right", functions=(lambda v: np.asarray(v, float) / (1e3 * gain), lambda x: np.asarray(x, float) * 1e3 * gain)
    )
    right.set_ylabel("MAC result")
    right.spines["right"].set_visible(True)
    axes.set_xlim(0, codes[-1] + 1)
    axes.xaxis.set_major_locator(MultipleLocator(max(1, (len(codes) + 1) // 8)))
    add_legend(figure, 2)
    alt = f"Staircase of {len(codes)} ramp levels, steep at both ends and flat in the middle, with thresholds on it"
    return Panel(f"ramp_adc_{samples.function}_ramp", figure, alt)


def _activation(samples: AdcSamples) -> Panel:
    model = samples.model
    figure, axes = new_panel("(b) Activation", "MAC result", "activation")
    function, bits = model.function, model.config.bits
    y, ideal = code_levels(function, bits), samples.data["ideal_threshold"].values
    reach = 1.12 * max(float(np.abs(ideal).max()), 1e-12)
    x = np.linspace(-reach, reach, 401)
    axes.plot(x, function.value(x), color=MUTED, lw=1.0, ls="--", label=f"{samples.function}, exact")
    step = (function.high - function.low) / (1 << bits)
    spice = samples.nominal("threshold_mac")
    outputs = function.low + step * (np.arange(1 << bits) + 0.5)
    if np.isfinite(spice).all():
        axes.stairs(outputs, np.concatenate([[-reach], np.sort(spice), [reach]]), baseline=None, color=BLUE, lw=1.1,
                    label="ADC, nominal chip")  # fmt: skip
    chips = samples.values("threshold_mac")
    if len(chips):
        axes.hlines(
            y, chips.min(axis=0), chips.max(axis=0), color=BAND, lw=3.0, zorder=1.5, label="thresholds, all chips"
        )
    axes.plot(spice, y, "o", ms=3.2, color=ORANGE, mec=PAPER, mew=0.4, label="thresholds, nominal chip")
    axes.set_xlim(-reach, reach)
    add_legend(figure, 2)
    alt = f"The {samples.function} function, the ADC's staircase through it, and its thresholds in ngspice"
    return Panel(f"ramp_adc_{samples.function}_activation", figure, alt)


def column_plot(samples: AdcSamples) -> Plot:
    """Conductances of the column, and the comparators' offsets: all that differs between chips."""
    return Plot(
        title=f"What differs between chips: the column's cells and the comparator ({samples.function})",
        panels=(_conductances(samples), _offsets(samples)),
        caption=(
            "(a) Target conductance of each cell of the ramp column, in the order in which they are pulsed; the bias"
            " cells come first and move the ramp the other way, to its first level. Dots: the cells of"
            f" {len(samples.chips)} chips as programmed. (b) Static offset of the comparator of each of these chips,"
            " from its operating point in ngspice; the curve is the normal distribution with the fitted mean and"
            " standard deviation, which the model draws from."
        ),
    )


def _conductances(samples: AdcSamples) -> Panel:
    figure, axes = new_panel("(a) Ramp column", "cell (bias cells: b)", "conductance [µS]")
    bias, ramp = 1e6 * samples.data["target_bias"].values, 1e6 * samples.data["target_conductance"].values
    at_bias, at_ramp = np.arange(-len(bias), 0) - 0.5, np.arange(1, len(ramp) + 1)
    axes.bar(at_ramp, ramp, 0.8, color=BAND, ec=BLUE, lw=0.6, label="target, ramp")
    axes.bar(at_bias, bias, 0.8, color=PAPER, ec=BLUE, lw=0.6, hatch="////", label="target, bias (opposite sign)")
    for number, (at, name) in enumerate(((at_ramp, "ramp_conductance"), (at_bias, "bias_conductance"))):
        cells = 1e6 * samples.values(name)
        x = np.broadcast_to(at, cells.shape) + np.linspace(-0.25, 0.25, max(len(cells), 1))[: len(cells), None]
        axes.plot(
            x.ravel(), cells.ravel(), ".", ms=1.3, color=ORANGE, label=None if number else "programmed, all chips"
        )
    step = next(each for each in (1, 2, 5, 10, 20, 50) if len(ramp) <= 7 * each)
    ticks = sorted({1, *range(step, len(ramp) + 1, step)})
    axes.set_xticks([float(at_bias.mean()), *ticks], ["b", *map(str, ticks)])
    axes.grid(False, axis="x")
    add_legend(figure, 2)
    alt = (
        "Bars of the target conductances, large at both ends of the ramp and small in the middle, with programmed cells"
    )
    return Panel(f"ramp_adc_{samples.function}_column", figure, alt)


def _offsets(samples: AdcSamples) -> Panel:
    offsets = 1e3 * samples.values("comparator_offset")
    figure, axes = new_panel("(b) Comparator offset", "static offset [mV]", "chips")
    mean, sigma = (1e3 * samples.model.value(name) for name in ("offset_mean", "offset_sigma"))
    reach = max(3.5 * sigma, float(np.abs(offsets - mean).max()) * 1.1 if len(offsets) else 0.0)
    edges = np.linspace(mean - reach, mean + reach, 15)
    axes.hist(offsets, edges.tolist(), color=BAND, ec=BLUE, lw=0.6, label=f"{len(offsets)} chips")
    x = np.linspace(edges[0], edges[-1], 201)
    density = np.exp(-0.5 * ((x - mean) / sigma) ** 2) / (sigma * np.sqrt(2 * np.pi))
    label = f"normal: mean {mean:.2f} mV, sd {sigma:.2f} mV".replace("-", "−")
    axes.plot(x, density * len(offsets) * (edges[1] - edges[0]), color=INK, ls="--", label=label)
    axes.yaxis.set_major_locator(MultipleLocator(max(1, len(offsets) // 16)))
    add_legend(figure, 2)
    alt = f"Histogram of the comparator offsets of {len(offsets)} chips with the fitted normal distribution"
    return Panel(f"ramp_adc_{samples.function}_offset", figure, alt)
