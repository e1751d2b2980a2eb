"""Cross-checks against ngspice on the page of a study, with their decks to be saved from it."""

import base64
import io
import json
import re
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cosim.commands.study_report import write
from cosim.commands.study_view import View
from cosim.reports.study_downloads import archive, download

from .browser import BROWSER, REASON, Browser
from .looks import VIEWS, look
from .studies import TEXTS, made_up_study, spaced
from .test_report import Page


def a_crosscheck(layer: str, equal: float = 0.992) -> dict[str, Any]:
    """What `cosim crosscheck` writes, made up."""
    estimate = {"value": 0.96, "interval": [0.93, 0.99], "standard_errors": {"chips": None, "examples": 0.01}}
    change = {"value": -0.0123, "interval": [-0.0234, 0.0011], "standard_errors": {"chips": 0.001, "examples": 0.01}}
    part = {"matrix": layer, "part": "r0c0", "equal": equal, "interval": [equal - 0.01, equal + 0.005]}
    return {
        "network": "digits_lstm", "layer": layer, "conversions": 512, "equal": equal, "interval": [0.981, 0.997],
        "within_one": 1.0, "largest": 1, "undecided": 0, "goal": "at least 99% of codes equal", "holds": True,
        "hardware": {
            "tile": "128x128", "bits": 5, "wires": None, "settings": {"adc.v_read": "0.15 V"},
            "simulator": "ngspice 46 (KLU)",
        },
        "parts": [part, part],
        "decks": {"run": 2, "known": 1, "keys": ["ab" * 32, "cd" * 32, "ef" * 32]},
        "accuracy": {
            "metric": "accuracy", "chips": 3, "examples": 100, "without": estimate,
            "injected": {name: {"score": estimate, "difference": change} for name in ("layer", "network")},
        },
    }  # fmt: skip


@pytest.fixture
def checked(tmp_path: Path) -> View:
    """A study with two cross-checks, one with its decks, and a file that is none."""
    view = made_up_study(tmp_path, TEXTS["list"])
    folder = view.folder.path / "crosschecks"
    (folder / "gate i").mkdir(parents=True)
    (folder / "gate i.json").write_text(json.dumps(a_crosscheck("lstm.l0.i")), encoding="utf-8")
    (folder / "output.json").write_text(json.dumps(a_crosscheck("output", 0.995)), encoding="utf-8")
    (folder / "odd.json").write_text('{"layer": "<b>"}', encoding="utf-8")
    for number in range(3):
        (folder / "gate i" / f"{number}.cir").write_text(f"* deck {number}\nV1 1 0 1\n.end\n", encoding="utf-8")
    return view


def test_cross_checks_are_told_with_their_decks(checked: View) -> None:
    page = write(checked, checked.folder.path)
    text = spaced(Page(page).text)
    assert "99.20 %" in text and "98.10 to 99.70 %" in text and "99.50 %" in text
    assert "−1.23 points" in text and "−2.34 to +0.11 points" in text
    assert "ab" * 32 in text and "3 decks (2 simulated for it, 1 from the store of results)" in text
    assert "The decks themselves were not kept" in text
    assert "Hardware: tile 128x128, bits 5, adc.v_read = 0.15 V, simulator ngspice 46 (KLU)." in text
    assert "odd.json is no report of a cross-check: it has no 'network'" in text
    assert "no cross-check against ngspice" not in text
    links = re.findall(
        r'download="gate i_decks\.zip" href="data:application/zip;base64,([^"]*)"', page.read_text("utf-8")
    )
    with zipfile.ZipFile(io.BytesIO(base64.b64decode(links[0]))) as packed:
        assert packed.namelist() == ["gate i/0.cir", "gate i/1.cir", "gate i/2.cir"]
        assert packed.read("gate i/1.cir") == b"* deck 1\nV1 1 0 1\n.end\n"


@pytest.mark.skipif(BROWSER is None, reason=REASON)
def test_cross_checks_in_a_browser(browser: Browser, checked: View) -> None:
    page = write(checked, checked.folder.path)
    assert [look(browser, page, *view)["wrong"] for view in VIEWS] == [[]] * len(VIEWS)


def test_a_full_page_says_where_the_decks_lie(checked: View, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cosim.reports.study_crosschecks.LARGEST_ARCHIVES", 0)
    text = spaced(Page(write(checked, checked.folder.path)).text)
    assert "This page has no room for the 3 decks, which lie in crosschecks/gate i/ beside it." in text


def test_an_archive_says_what_had_no_room(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    files = {f"{name}.cir": rng.bytes(1000) for name in "abcde"}
    packed = archive("decks.zip", files, most=2500)
    assert packed.left_out == ("d.cir", "e.cir")
    assert archive("decks.zip", files) == archive("decks.zip", dict(reversed(files.items())))
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    assert archive("decks.zip", {name: tmp_path / name for name in files}) == archive("decks.zip", files)
    assert download("a", bytes(2_000_000)) is None
