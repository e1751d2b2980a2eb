"""The demo's page: gathers plots and numbers, fills the template, writes the files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import xarray as xr

from cosim.blocks.crossbar.behaviour import CrossbarModel
from cosim.blocks.ramp_adc.behaviour import RampAdcModel
from cosim.reports.plots.accuracy import accuracy_plot, ladder_plot, sorted_rungs
from cosim.reports.plots.agreement import agreement_plot
from cosim.reports.plots.linearity import linearity_plot, read_voltage_plot
from cosim.reports.plots.model_error import adc_error_plot, crossbar_error_plot
from cosim.reports.plots.ramp import column_plot, ramp_plot
from cosim.reports.plots.samples import AdcSamples
from cosim.reports.rendering import Book, render, write_page
from cosim.reports.style import Plot, plotting
from cosim.reports.summary import answer, crossbar_errors, headlines


def write_report(
    results: dict[str, Any],
    adc: Mapping[str, tuple[xr.Dataset, RampAdcModel]],
    crossbar: tuple[xr.Dataset, CrossbarModel] | None,
    folder: Path,
) -> Path:
    """Write `folder`/report.html, one self-contained page, and each of its plots as a file in `folder`/plots.

    Parameters
    ----------
    results: what `results.json` holds; accuracies and their differences are shares of 1. A part that is missing is
        said to be missing.
    adc: activation function -> characterisation and fitted model of its ramp ADC.
    crossbar: characterisation and fitted model of the crossbar.

    Everything is drawn before anything is written. Returns the page's path; raises CosimError when the folder
    cannot be written.
    """
    book = Book()
    with plotting():
        sections = {
            "adc": {
                function: book.figures(_adc_plots(AdcSamples(*pair)), f"for {function}" if place else "")
                for place, (function, pair) in enumerate(adc.items())
            },
            "crossbar": book.figures([crossbar_error_plot(*crossbar)] if crossbar else []),
            "accuracy": book.figures([accuracy_plot(results["accuracy"])] if results.get("accuracy") else []),
            "ladder": book.figures([ladder_plot(results["ladder"])] if results.get("ladder") else []),
            "cosimulation": book.figures(
                [agreement_plot(results["cosimulation"])] if results.get("cosimulation") else []
            ),
        }
    html = render(
        "template.html.j2",
        results=results,
        figures=sections,
        answer=answer(results),
        headlines=headlines(results),
        crossbar_errors=crossbar_errors(results.get("crossbar") or {}),
        ladder=sorted_rungs(results.get("ladder") or []),
    )
    return write_page(Path(folder), "report.html", html, book.files)


def _adc_plots(samples: AdcSamples) -> list[Plot]:
    makers = (ramp_plot, column_plot, linearity_plot, read_voltage_plot, adc_error_plot)
    return [make(samples) for make in makers]
