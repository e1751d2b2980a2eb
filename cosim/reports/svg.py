"""Figures as SVG text: plain for files, and ready to stand inside a page."""

from __future__ import annotations

import io
import re

from markupsafe import Markup, escape
from matplotlib.figure import Figure

from cosim.reports.style import PALETTE

_VARIABLES = {light: f"var(--{name})" for name, (light, _) in PALETTE.items()}
_LONG_NUMBER = re.compile(r"-?\d+\.\d{3,}")


def to_svg(figure: Figure) -> str:
    """The figure as an SVG file: the same text for the same figure, no date, no trace of the software."""
    stream = io.StringIO()
    figure.savefig(stream, format="svg", metadata={"Date": None})
    text = re.sub(r"\s*<metadata>.*?</metadata>", "", stream.getvalue(), flags=re.DOTALL)
    # A hundredth of a point is far below what a screen or a printer shows.
    return re.sub(r"<[^>]+>", lambda tag: _LONG_NUMBER.sub(_rounded, tag[0]), text)


def inline(svg: str, prefix: str, alt: str) -> Markup:
    """An SVG file's text as an element of an HTML page.

    Colours become CSS variables, ids that are referred to get `prefix` (others go), so that many drawings live in one
    document; the size is left to the page. `alt` is what a screen reader says.
    """
    body = svg[svg.index("<svg") :]
    box = re.search(r'viewBox="[^"]*"', body)
    assert box is not None
    inner = body[body.index(">") + 1 : body.rindex("</svg>")]
    inner = re.sub(r'\s*<style type="text/css">.*?</style>', "", inner, flags=re.DOTALL)  # its rule is for `*`
    inner = re.sub(r"\s*<defs>\s*</defs>", "", inner)
    inner = re.sub(r'(?<=[:\s"])(?<!href=")#[0-9a-f]{6}\b', lambda colour: _VARIABLES.get(colour[0], colour[0]), inner)
    inner = inner.replace("xlink:href=", "href=")
    used = set(re.findall(r'(?:url\(|href=")#([^)"]+)', inner))
    inner = re.sub(r' id="([^"]*)"', lambda mark: f' id="{prefix}-{mark[1]}"' if mark[1] in used else "", inner)
    inner = re.sub(r'(url\(|href=")#', rf"\1#{prefix}-", inner)
    inner = re.sub(r">\s+<", "><", inner)
    return Markup(f'<svg {box[0]} role="img" aria-label="{escape(alt)}">{inner.strip()}</svg>')


def _rounded(number: re.Match[str]) -> str:
    return f"{float(number[0]):.2f}".rstrip("0").rstrip(".")
