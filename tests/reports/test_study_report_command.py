"""`cosim study run` and `cosim study report` on a network that is run: the page is there, and tells the results."""

import json
from pathlib import Path

import pytest

from cosim.commands.study_report import study_data_of
from cosim.commands.study_view import open_view

from ..conftest import Run
from .browser import BROWSER
from .looks import VIEWS, look
from .test_report import Page
from .test_study_page import spaced

STUDY = """schema = "cosim.study/1"
title = "Bits, «ïn short»"
chips = 2
test_samples = 20

[sweep]
method = "grid"

[sweep.over]
"tile.adc.bits" = [4, 5]
"""


@pytest.mark.filterwarnings("ignore::cosim.blocks.domain.OutsideDomainWarning")
def test_a_study_ends_with_its_page(cosim: Run, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    file = tmp_path / "a stüdy.toml"
    file.write_text(STUDY, encoding="utf-8")
    code, printed, error = cosim("study", "run", str(file), "--workers", "0")
    assert code == 0, error
    page = tmp_path / "a stüdy_results" / "report.html"
    assert f"wrote {page}" in printed and page.is_file()
    data, text = study_data_of(open_view(page.parent)), spaced(Page(page).text)
    assert "Bits, «ïn short»" in text
    for row in data.rows:
        assert f"{100 * row.score:.2f} %" in text
        assert row.figures["energy"] > 0
    assert "TOPS/W" in text and "mm²" in text
    before = page.read_bytes()
    page.unlink()
    code, printed, _ = cosim("study", "report", str(page.parent), "--json")
    assert code == 0 and Path(json.loads(printed)["report"]) == page
    assert len(page.read_bytes()) == len(before)
    code, printed, _ = cosim("study", "report", str(page.parent), "-o", "elsewhere")
    assert code == 0 and (tmp_path / "elsewhere" / "report.html").is_file()
    code, _, _ = cosim("study", "run", str(file), "--workers", "0", "-o", "quiet", "--no-report")
    assert code == 0 and not (tmp_path / "quiet" / "report.html").exists()
    if BROWSER is not None:
        browser = request.getfixturevalue("browser")
        assert [look(browser, page, *view)["wrong"] for view in VIEWS] == [[]] * len(VIEWS)


def test_what_is_wrong_is_told_in_one_line(cosim: Run, tmp_path: Path) -> None:
    code, _, error = cosim("study", "report", str(tmp_path))
    assert code == 2 and "no folder of a study" in error and len(error.splitlines()) == 1
