"""The page: gathers plots and numbers, fills the template, writes the files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import xarray as xr
from jinja2 import Environment
from markupsafe import Markup

from cosim.blocks.crossbar.behaviour import CrossbarModel
from cosim.blocks.ramp_adc.behaviour import RampAdcModel
from cosim.files import write_atomically
from cosim.reports import numbers
from cosim.reports.plots.accuracy import accuracy_plot, ladder_plot, sorted_rungs
from cosim.reports.plots.agreement import agreement_plot
from cosim.reports.plots.linearity import linearity_plot, read_voltage_plot
from cosim.reports.plots.model_error import adc_error_plot, crossbar_error_plot
from cosim.reports.plots.ramp import column_plot, ramp_plot
from cosim.reports.plots.samples import AdcSamples
from cosim.reports.style import PALETTE, Plot, plotting
from cosim.reports.summary import answer, crossbar_errors, headlines
from cosim.reports.svg import inline, to_svg

_FILTERS = (
    numbers.fixed,
    numbers.significant,
    numbers.percent,
    numbers.percent_range,
    numbers.points,
    numbers.points_range,
    numbers.quantity,
    numbers.parameter,
    numbers.duration,
)


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
    book = _Book()
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
    html = _render(results, sections)
    folder = Path(folder)
    for name, svg in book.files.items():
        _write(folder / "plots" / f"{name}.svg", svg)
    return _write(folder / "report.html", html)


class _Book:
    """Numbers the figures in the order in which they come, and keeps their drawings for the files."""

    def __init__(self) -> None:
        self.files: dict[str, str] = {}
        self._count = 0

    def figures(self, plots: Iterable[Plot], again: str = "") -> list[dict[str, Any]]:
        """The plots as the template takes them.

        Plots that were shown before for something else bear the same numbers `again` and say what they are for.
        """
        found = []
        for number, plot in enumerate(plots, 1 if again else self._count + 1):
            label = f"{number} {again}".strip()
            self._count = max(self._count, number)
            drawings = []
            for panel in plot.panels:
                self.files[panel.name] = to_svg(panel.figure)
                drawings.append(inline(self.files[panel.name], panel.name, panel.alt))
            found.append({"number": label, "title": plot.title, "caption": plot.caption, "drawings": drawings})
        return found


def _adc_plots(samples: AdcSamples) -> list[Plot]:
    makers = (ramp_plot, column_plot, linearity_plot, read_voltage_plot, adc_error_plot)
    return [make(samples) for make in makers]


def _render(results: dict[str, Any], sections: dict[str, Any]) -> str:
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {each.__name__: each for each in _FILTERS}
    environment.policies["json.dumps_kwargs"] = {"sort_keys": False, "default": str}
    home = files("cosim.reports")
    template = environment.from_string(home.joinpath("template.html.j2").read_text(encoding="utf-8"))
    return template.render(
        results=results,
        figures=sections,
        answer=answer(results),
        headlines=headlines(results),
        crossbar_errors=crossbar_errors(results.get("crossbar") or {}),
        ladder=sorted_rungs(results.get("ladder") or []),
        colours={
            theme: Markup("".join(f"--{name}:{pair[place]};" for name, pair in PALETTE.items()))
            for place, theme in enumerate(("light", "dark"))
        },
        style=Markup(home.joinpath("page.css").read_text(encoding="utf-8")),
    )


def _write(path: Path, text: str) -> Path:
    return write_atomically(path, lambda part: part.write_text(text, encoding="utf-8"))
