"""The page: whole, self-contained, escaped, the same every time; and what happens when parts or rights are missing."""

import json
import re
import subprocess
import sys
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
import xarray as xr

from cosim.blocks.ramp_adc.behaviour import RampAdcModel
from cosim.errors import CosimError
from cosim.reports import write_report

PARTS = ("adc", "crossbar", "accuracy", "ladder", "cosimulation")
Adc = dict[str, tuple[xr.Dataset, RampAdcModel]]


class Page(HTMLParser):
    """What a test wants to know of a page: its text, ids, references, elements."""

    VOID = frozenset({"meta", "link", "br", "hr", "img", "wbr"})

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.text = ""
        self.ids: Counter[str] = Counter()
        self.references: list[str] = []
        self.elements: Counter[str] = Counter()
        self.open: list[str] = []
        self.drawings: list[dict[str, str | None]] = []
        self.feed(path.read_text(encoding="utf-8"))
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in self.VOID:
            self.open.append(tag)
        if tag == "wbr":  # may break a line, and is no space
            self.text = self.text.removesuffix(" ")
        self.elements[tag] += 1
        values = dict(attrs)
        if tag == "svg":
            self.drawings.append(values)
        if values.get("id"):
            self.ids[str(values["id"])] += 1
        self.references += [str(values[name]) for name in ("href", "src", "xlink:href", "srcset") if values.get(name)]
        self.references += re.findall(r"url\(([^)]*)\)", " ".join(str(value) for value in values.values()))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open.pop() == tag, f"</{tag}> closes something else"

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("style", "script"):
            self.text += data.replace("\u00a0", " ") + " "


def test_the_page_needs_nothing_from_outside(page: Path) -> None:
    found = Page(page)
    assert found.open == []
    assert {each for each in found.references if not each.startswith("#")} == {"data:,"}  # the empty icon
    source = page.read_text(encoding="utf-8")
    assert not re.search(r"https?:|//[a-z]+\.|@import|<(img|iframe|object|embed)\b", source)
    assert found.elements["script"] == 1  # the data; nothing runs


def test_references_inside_the_page_have_one_target(page: Path) -> None:
    found = Page(page)
    assert [name for name, times in found.ids.items() if times > 1] == []
    assert {each[1:] for each in found.references if each.startswith("#")} <= set(found.ids)


def test_every_figure_says_what_it_shows(page: Path) -> None:
    found = Page(page)
    assert found.elements["figure"] == found.elements["figcaption"] == 2 * 5 + 4
    assert all(each["role"] == "img" and len(each["aria-label"] or "") > 20 for each in found.drawings)
    assert [f"Figure {number}." in found.text for number in range(1, 10)] == [True] * 9
    assert "Figure 5 for tanh." in found.text


def test_drawings_follow_the_theme(page: Path) -> None:
    for drawing in re.findall(r"<svg .*?</svg>", page.read_text(encoding="utf-8"), flags=re.DOTALL):
        assert re.findall(r'[:\s"]#[0-9a-fA-F]{3,8}\b', drawing) == []  # a colour of its own would be lost in the dark
        assert "var(--ink)" in drawing


@pytest.mark.parametrize(
    "number",
    [
        "0.0024 LSB", "0.0034 LSB", "0.0135 LSB", "0.02 LSB", "558", "0.62 LSB", "32 chips", "44", "273",
        "0.026 LSB", "5.015 LSB", "123 pJ", "848 fJ", "867 MHz", "837 to 897 MHz", "−495.1 µV", "436.55 mV",
        "−1.1000", "−1.1023", "−1.1034", "0.0011", "2.27 × 10⁻¹¹", "0.00381", "0.000404", "9216", "6144",
        "97.83 %", "96.31 to 98.73 %", "97.66 %", "96.72 %", "95.70 to 97.90 %", "96.11 %", "97.33 %", "599",
        "−0.17 points", "−0.98 to +0.65", "+0.47", "+0.27 to +0.77", "0.19", "+1.05",
        "96.88 %", "93.96 to 98.40 %", "99.61 %", "256", "2 LSB", "64 decks", "1.9 s", "93.75 %",
        "9.8.7", "ngspice 46", "KLU", "seed 11", "seed: 77", "91.3 s", "4 min 3 s", "0123456789abcdef" * 4,
    ],
)  # fmt: skip
def test_numbers_are_on_the_page(page: Path, number: str) -> None:
    assert number in re.sub(r"\s+", " ", Page(page).text)


def test_the_results_are_in_the_page_for_machines(page: Path, results: dict[str, Any]) -> None:
    data = re.search(r'<script type="application/json" id="results">(.*?)</script>', page.read_text(encoding="utf-8"))
    assert data is not None and json.loads(data[1]) == results


def test_the_plots_are_files_too(page: Path) -> None:
    drawings = sorted((page.parent / "plots").iterdir())
    assert len(drawings) == 2 * 10 + 2 + 2 + 2 + 2
    for each in drawings:
        root = ElementTree.fromstring(each.read_text(encoding="utf-8"))
        assert root.tag.endswith("svg") and not root.findall(".//{*}metadata")
    assert sorted(each.name for each in page.parent.iterdir()) == ["plots", "report.html"]


def test_the_same_input_gives_the_same_files(
    page: Path, results: dict[str, Any], adc: Adc, array: Any, tmp_path: Path
) -> None:
    again = write_report(results, adc, array, tmp_path)
    assert again.read_bytes() == page.read_bytes()
    for each in (page.parent / "plots").iterdir():
        assert (tmp_path / "plots" / each.name).read_bytes() == each.read_bytes()


def test_the_users_matplotlib_settings_do_not_matter(
    page: Path, results: dict[str, Any], adc: Adc, array: Any, tmp_path: Path
) -> None:
    import matplotlib

    with matplotlib.rc_context({"font.size": 31, "axes.grid": False, "svg.fonttype": "path"}):
        assert write_report(results, adc, array, tmp_path).read_bytes() == page.read_bytes()
        assert matplotlib.rcParams["font.size"] == 31


def test_text_from_outside_is_escaped(results: dict[str, Any], tmp_path: Path) -> None:
    attack = "<script>alert('1')</script> \"&\" </svg></title><b>"
    results["title"] = results["command"] = results["simulator"]["version"] = attack
    results["provenance"]["models"][attack] = {attack: attack}
    results["accuracy"]["rows"][0] |= {"name": attack, "note": attack}
    results["ladder"][1]["label"] = attack
    results["cosimulation"]["per_step"][0]["gate"] = attack
    found = Page(write_report(results, {}, None, tmp_path))
    assert found.elements["script"] == 1 and found.elements["b"] == 0
    assert attack in found.text


@pytest.mark.parametrize("part", PARTS)
def test_a_part_that_was_not_run_is_said_to_be_missing(part: str, results: dict[str, Any], tmp_path: Path) -> None:
    results.pop(part)
    text = Page(write_report(results, {}, None, tmp_path)).text
    assert text.count("was not run") == 1 and "cosim demo" in text


def test_nothing_but_a_title(tmp_path: Path) -> None:
    text = Page(write_report({"title": "Empty"}, {}, None, tmp_path)).text
    assert text.count("was not run") == len(PARTS) and "Nothing was run." in text
    assert list((tmp_path / "plots").glob("*")) == [] if (tmp_path / "plots").exists() else True


def test_parts_without_their_optional_entries(results: dict[str, Any], adc: Adc, tmp_path: Path) -> None:
    for name in ("chips", "paired", "split"):
        results["accuracy"].pop(name)
    for name in ("per_step", "pairs", "images", "interval", "seconds_per_vector", "undecided", "decks"):
        results["cosimulation"].pop(name)
    for name in ("v_read", "inl", "energy", "parameters", "samples", "failed", "decks"):
        for each in results["adc"].values():
            each.pop(name, None)
    for rung in results["ladder"]:
        for name in ("spread", "interval", "cost_interval"):
            rung.pop(name)
    results["crossbar"] = {"sinh": results["crossbar"]["sinh"]}
    for name in ("provenance", "elapsed", "simulator", "seed"):
        results.pop(name)
    text = Page(write_report(results, adc, None, tmp_path)).text
    assert "97.83 %" in text and "None" not in text and "Undefined" not in text


def test_codes_that_never_differ(results: dict[str, Any], tmp_path: Path) -> None:
    found = results["cosimulation"]
    found |= {"equal": 1.0, "within_one": 1.0, "largest": 0, "pairs": [[3, 3, 256]]}
    for row in found["per_step"]:
        row["equal"] = 1.0
    text = re.sub(r"\s+", " ", Page(write_report(results, {}, None, tmp_path)).text)
    assert "100 % of 256 gate conversions" in text and "No code differs in any step." in text
    assert not (tmp_path / "plots" / "cosimulation_steps.svg").exists()


def test_failed_samples_are_left_out(results: dict[str, Any], adc: Adc, tmp_path: Path) -> None:
    data, model = adc["sigmoid"]
    data = data.copy(deep=True)
    for failed in (0, 3):  # the nominal chip and another
        data["status"][failed] = 1
        for name in ("threshold", "threshold_mac", "ramp_level", "inl", "dnl"):
            data[name][failed] = np.nan
    source = write_report(results, {"sigmoid": (data, model)}, None, tmp_path).read_text(encoding="utf-8")
    assert "INL against the code for 5 chips" in source
    assert "nan" not in re.sub(r"[a-z]*nan[a-z]+|[a-z]+nan", "", source)


def test_a_folder_that_cannot_be_written(results: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(CosimError, match="taken"):
        write_report(results, {}, None, tmp_path / "taken")
    assert (tmp_path / "taken").read_text() == "a file"
    assert [each.name for each in tmp_path.iterdir()] == ["taken"]


def test_what_cannot_be_drawn_leaves_no_file(results: dict[str, Any], tmp_path: Path) -> None:
    results["accuracy"]["rows"][0]["accuracy"] = "many"
    with pytest.raises(TypeError):
        write_report(results, {}, None, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_older_report_stays_when_a_new_one_fails(page: Path, results: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "report.html").mkdir()
    with pytest.raises(CosimError, match=r"report\.html"):
        write_report(results, {}, None, tmp_path)
    assert not [each for each in tmp_path.rglob(".*")]


def test_importing_the_reports_is_cheap() -> None:
    code = (
        "import sys, cosim.reports; print([m for m in ('matplotlib', 'jinja2', 'numpy', 'xarray') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
