"""What all pages share: figures numbered, the template filled, files written."""

from __future__ import annotations

import re
from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, FunctionLoader
from markupsafe import Markup, escape

from cosim.files import write_atomically
from cosim.reports import numbers
from cosim.reports.style import PALETTE, Plot
from cosim.reports.svg import inline, to_svg


def breakable(text: str) -> Markup:
    """Text whose dotted names may be broken after each dot and underscore."""
    return Markup(re.sub(r"(?<=\w)([._])(?=[a-z])", r"\1<wbr>", str(escape(text))))


_FILTERS = (
    breakable,
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


class Book:
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


def render(template: str, **context: Any) -> str:
    """The page of a template of this package; all text that is put in is escaped."""
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True, loader=FunctionLoader(_source))
    environment.filters |= {each.__name__: each for each in _FILTERS}
    environment.policies["json.dumps_kwargs"] = {"sort_keys": False, "default": str}
    return environment.get_template(template).render(
        **context,
        colours={
            theme: Markup("".join(f"--{name}:{pair[place]};" for name, pair in PALETTE.items()))
            for place, theme in enumerate(("light", "dark"))
        },
        style=Markup(_source("page.css")),
    )


def write_page(folder: Path, name: str, html: str, drawings: dict[str, str]) -> Path:
    """Write `folder`/`name`, and each drawing as an SVG file in `folder`/plots. Returns the page's path."""
    for stem, svg in drawings.items():
        _write(folder / "plots" / f"{stem}.svg", svg)
    return _write(folder / name, html)


def _source(name: str) -> str:
    return files("cosim.reports").joinpath(name).read_text(encoding="utf-8")


def _write(path: Path, text: str) -> Path:
    return write_atomically(path, lambda part: part.write_text(text, encoding="utf-8"))
