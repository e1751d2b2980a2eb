"""The page in Chromium: whole at a desk, on a phone and on paper, in the light and in the dark, without an error."""

from pathlib import Path

import pytest

from .browser import BROWSER, REASON, Browser
from .looks import VIEWS, look

pytestmark = pytest.mark.skipif(BROWSER is None, reason=REASON)


@pytest.mark.parametrize(("width", "dark", "media"), VIEWS)
def test_nothing_is_missing_and_nothing_overflows(
    browser: Browser, page: Path, width: int, dark: bool, media: str
) -> None:
    found = look(browser, page, width, dark, media)
    assert found["wrong"] == []
    assert found["drawings"] > 20
    assert found["ground"] == ("rgb(21, 24, 28)" if dark else "rgb(253, 253, 252)" if media == "screen" else WHITE)


def test_a_dark_screen_prints_on_white(browser: Browser, page: Path, tmp_path: Path) -> None:
    found = look(browser, page, 680, True, "print")
    assert found["wrong"] == [] and found["ground"] == WHITE
    browser.pdf(tmp_path / "page.pdf")
    assert (tmp_path / "page.pdf").read_bytes().startswith(b"%PDF")


WHITE = "rgb(255, 255, 255)"
FAULTS = {
    "page wider than the window": '<div class="scroll" style="width: 2000px">wide</div>',
    "outside": '<p style="position: relative; left: 1200px">far off</p>',
    "not shown": '<p style="height: 0; overflow: hidden">hidden</p>',
    "no drawing": "<figure><figcaption>none</figcaption></figure>",
    "empty table": "<table><thead><tr><th>a</th></tr></thead><tbody></tbody></table>",
    "broken image": '<img alt="lost" src="data:image/png;base64,AAAA">',
    "no target": '<a href="#nowhere">there</a>',
    "odd word": "<p>accuracy nan %</p>",
    "cut": '<svg viewBox="0 0 100 50" width="300"><text x="90" y="20">cut off here</text></svg>',
    "tiny": '<svg viewBox="0 0 2000 50" width="300"><text x="90" y="20" style="font-size: 8px">ab</text></svg>',
    "overlap": '<svg viewBox="0 0 300 50" width="300"><text x="9" y="20">on</text><text x="12" y="22">two</text></svg>',
    "contrast": '<p style="color: #999">pale</p>',
    "console": "<script>console.error('broken')</script>",
    "request": '<link rel="stylesheet" href="missing.css">',
}


@pytest.mark.parametrize("kind", FAULTS)
def test_a_fault_would_be_found(browser: Browser, tmp_path: Path, kind: str) -> None:
    page = tmp_path / "page.html"
    page.write_text(f"<!DOCTYPE html><title>t</title><body><h1>Page</h1>{FAULTS[kind]}</body>")
    found = look(browser, page, 1280, False, "screen")["wrong"]
    assert found and {each.split(":")[0].split(" ")[0] for each in found} <= {kind.split(" ")[0], "page", "console"}
    assert any(each.startswith(kind) for each in found)


def test_a_page_without_a_fault(browser: Browser, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text('<!DOCTYPE html><title>t</title><body><h1 id="a">Page</h1><a href="#a">top</a></body>')
    assert look(browser, page, 1280, False, "screen")["wrong"] == []
