"""The page in Chromium: nothing is wider than the window, no label is clipped or on another, no error is logged."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

BROWSER = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
)
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine")

# Runs in a page that holds the report in a frame of a given width: what sticks out, what drawings cut off.
PROBE = """
const frame = document.querySelector("iframe");
frame.onload = () => {
  const page = frame.contentDocument, width = page.documentElement.clientWidth;
  page.querySelectorAll("details").forEach(each => each.open = true);
  const label = each => each.tagName + " " + (each.getAttribute("aria-label") || each.textContent).trim().slice(0, 60);
  const outside = [...page.body.querySelectorAll("*")].filter(each => !each.closest(".scroll, pre, svg")
    && each.getBoundingClientRect().right > width + 0.5).map(label);
  const cut = [], overlapping = [];
  for (const drawing of page.querySelectorAll("svg")) {
    const box = drawing.getBoundingClientRect();
    const texts = [...drawing.querySelectorAll("text")].map(each => [each.textContent, each.getBoundingClientRect()]);
    texts.forEach(([name, own], place) => {
      if (own.left < box.left - 1 || own.right > box.right + 1 || own.top < box.top - 1 || own.bottom > box.bottom + 1)
        cut.push(label(drawing) + ": " + name);
      for (const [other, its] of texts.slice(place + 1)) {
        const across = Math.min(own.right, its.right) - Math.max(own.left, its.left);
        const down = Math.min(own.bottom, its.bottom) - Math.max(own.top, its.top);
        // Line boxes are taller than their letters.
        if (across > 1 && down > 0.35 * Math.min(own.height, its.height))
          overlapping.push(label(drawing) + ": " + name + " / " + other);
      }
    });
  }
  const found = {width, scroll: page.documentElement.scrollWidth, outside, cut,
    overlapping, drawings: page.querySelectorAll("svg").length,
    paper: frame.contentWindow.getComputedStyle(page.body).backgroundColor};
  document.querySelector("#found").textContent = JSON.stringify(found);
};
"""


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (390, False), (390, True)])
def test_nothing_overflows(page: Path, tmp_path: Path, width: int, dark: bool) -> None:
    probe = page.parent / f"probe-{width}-{dark}.html"
    probe.write_text(
        f'<body><iframe src="report.html" style="width:{width}px;height:900px;border:0"></iframe>'
        f'<pre id="found"></pre><script>{PROBE}</script>'
    )
    try:
        out, log = browse(probe, tmp_path, dark)
    finally:
        probe.unlink()
    text = re.search(r'<pre id="found">(\{.*?\})</pre>', out, re.DOTALL)
    assert text is not None, log
    found = json.loads(text[1].replace("&amp;", "&").replace("&gt;", ">").replace("&lt;", "<"))
    assert found["width"] == width and found["drawings"] > 20
    assert found["scroll"] <= width, found["outside"]
    assert found["outside"] == [] and found["cut"] == [] and found["overlapping"] == []
    assert found["paper"] == ("rgb(21, 24, 28)" if dark else "rgb(253, 253, 252)")
    assert [line for line in log.splitlines() if "CONSOLE" in line] == []


def browse(page: Path, folder: Path, dark: bool) -> tuple[str, str]:
    """The page's elements after loading, and the browser's log with what the page wrote to the console."""
    assert BROWSER is not None
    command = [
        BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars",
        "--disable-background-networking", "--disable-component-update", "--disable-sync", "--enable-logging=stderr",
        "--allow-file-access-from-files", f"--user-data-dir={folder / 'profile'}", "--window-size=1400,1000",
        f"--blink-settings=preferredColorScheme={0 if dark else 1}", "--virtual-time-budget=10000", "--dump-dom",
        page.as_uri(),
    ]  # fmt: skip
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=120, check=True, env={**os.environ, "HOME": str(folder)}
    )
    return done.stdout, done.stderr
