"""What is wrong with a page as a browser shows it: the list must be empty."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .browser import Browser

PRINTED = 680  # [px] A4, 210 mm, without two margins of 15 mm, at 96 px an inch
VIEWS = [
    (1280, False, "screen"), (1280, True, "screen"), (390, False, "screen"), (390, True, "screen"),
    (PRINTED, False, "print"),
]  # fmt: skip

CONTRAST = 4.5  # WCAG 2.2, 1.4.3: text against its ground
SMALLEST = 8.0  # [px] of a letter's height with its line: labels of plots on a phone

PROBE = (Path(__file__).parent / "probe.js").read_text(encoding="utf-8").partition("\n")[2]


def look(browser: Browser, page: Path, width: int, dark: bool, media: str) -> dict[str, Any]:
    """Open the page so. `wrong`: what is wrong with it; `ground`: its colour; `drawings`: how many."""
    loaded = browser.show(page, width=width, dark=dark, media=media)
    found: dict[str, Any] = browser.run(f"({PROBE})({str(media == 'print').lower()}, {CONTRAST}, {SMALLEST})")
    found["wrong"] += [f"console: {line}" for line in loaded.console]
    found["wrong"] += [
        f"request: {address}" for address in loaded.requests[1:] if not address.startswith(("data:", "blob:"))
    ]
    return found
