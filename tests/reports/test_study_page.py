"""The page of a study: the answer right, every part there, whole in a browser, its files to be saved from it."""

import json
import math
import re
from dataclasses import replace
from pathlib import Path

import pytest

from cosim.commands.study_report import study_data_of, write
from cosim.commands.study_view import View, open_view
from cosim.reports.plots.study_axes import SettingAxis, short_words
from cosim.reports.study_analysis import Analysis, analyse
from cosim.reports.study_data import Setting
from cosim.reports.study_page import Extras, write_study_report
from cosim.reports.study_reading import stated_range
from cosim.reports.study_summary import answer, question

from .browser import BROWSER, REASON, Browser
from .looks import VIEWS, look
from .studies import GRID, LADDER, MANY, TEXTS, MadeUp, made_up_study, spaced
from .test_report import Page


@pytest.fixture(scope="session")
def views(tmp_path_factory: pytest.TempPathFactory) -> dict[str, View]:
    """A finished study of each kind; one has points that failed and warned."""
    folder = tmp_path_factory.mktemp("studies")
    found = {name: made_up_study(folder / name, text) for name, text in TEXTS.items()}
    found["broken"] = made_up_study(folder / "broken", MANY, MadeUp(broken=(4,), warned=(0, 2)))
    found["nothing"] = made_up_study(folder / "nothing", GRID, MadeUp(broken=tuple(range(9))))
    return found


@pytest.fixture(scope="session")
def pages(views: dict[str, View]) -> dict[str, Path]:
    return {name: write(view, view.folder.path) for name, view in views.items()}


KINDS = [*TEXTS, "broken", "nothing"]


@pytest.mark.skipif(BROWSER is None, reason=REASON)
@pytest.mark.parametrize(("width", "dark", "media"), VIEWS)
@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_missing_and_nothing_overflows(
    browser: Browser, pages: dict[str, Path], kind: str, width: int, dark: bool, media: str
) -> None:
    found = look(browser, pages[kind], width, dark, media)
    assert found["wrong"] == []
    assert (found["drawings"] > 0) == (kind != "nothing")


@pytest.mark.skipif(BROWSER is None, reason=REASON)
def test_files_are_saved_from_the_page(browser: Browser, pages: dict[str, Path], tmp_path: Path) -> None:
    browser.show(pages["grid"], width=1280)
    browser.save_from(tmp_path)
    count = browser.run("document.querySelectorAll('a[download]').length")
    for number in range(count):
        browser.run(f"document.querySelectorAll('a[download]')[{number}].click()")
    saved = browser.saved(count)
    assert {path.name for path in saved} == {"study.toml", "results.csv"}
    assert (tmp_path / "study.toml").read_text(encoding="utf-8") == GRID
    assert (tmp_path / "results.csv").read_text(encoding="utf-8").count("\n") == 1 + 9


@pytest.mark.parametrize("kind", KINDS)
def test_the_page_is_one_file_that_needs_no_other(pages: dict[str, Path], kind: str) -> None:
    found = Page(pages[kind])
    assert found.open == []
    assert [name for name, times in found.ids.items() if times > 1] == []
    outside = [each for each in found.references if not each.startswith(("#", "data:"))]
    assert outside == []
    assert {each[1:] for each in found.references if each.startswith("#")} <= set(found.ids)
    assert all(len(each["aria-label"] or "") > 20 for each in found.drawings)
    for name in ("question", "results", "points", "costs", "models", "spice", "warnings", "provenance", "terms"):
        assert name in found.ids
    source = pages[kind].read_text(encoding="utf-8")
    assert str(pages[kind].parent) not in source


@pytest.mark.parametrize("kind", KINDS)
def test_drawings_follow_the_theme(pages: dict[str, Path], kind: str) -> None:
    for drawing in re.findall(r"<svg .*?</svg>", pages[kind].read_text(encoding="utf-8"), flags=re.DOTALL):
        assert re.findall(r'[:\s"]#[0-9a-fA-F]{3,8}\b', drawing) == []


def test_numbers_of_the_page_are_those_of_the_results(views: dict[str, View], pages: dict[str, Path]) -> None:
    data, text = study_data_of(views["grid"]), spaced(Page(pages["grid"]).text)
    assert len(data.scored) == 9
    for row, head in zip(data.rows, views["grid"].found, strict=True):
        assert head is not None and row.score == head.figures["accuracy"]
        assert f"{100 * row.score:.2f} %" in text
        low, high = row.interval
        assert f"{100 * low:.2f} to {100 * high:.2f} %" in text
        assert f"{100 * row.figures['error_sample']:.3f}" in text
    for sha256 in data.sources.values():
        assert sha256 in text
    assert "cosim study run study.toml" in text and 'method = "grid"' in text and "seed 3" in text


def test_the_embedded_data_is_that_of_the_results(views: dict[str, View], pages: dict[str, Path]) -> None:
    found = re.search(
        r'<script type="application/json" id="data">(.*?)</script>', pages["broken"].read_text(encoding="utf-8")
    )
    assert found is not None
    content, data = json.loads(found[1]), study_data_of(views["broken"])
    assert [each["values"] for each in content["points"]] == [dict(row.values) for row in data.rows]
    assert [each["figures"].get("score") for each in content["points"]] == [
        row.score if row.status == "done" else None for row in data.rows
    ]
    assert content["points"][0]["values"]["nonidealities.ir_drop"] is True


def test_the_answer_of_a_grid_names_the_best_and_the_worst(views: dict[str, View]) -> None:
    data = study_data_of(views["grid"])
    scores = {(row.values["tile.adc.bits"], row.values["device.read_noise"]): row.score for row in data.rows}
    best, worst = (of(scores, key=scores.__getitem__) for of in (max, min))
    said = answer(data, analyse(data, views["grid"].outcome))
    assert said.index(f"tile.adc.bits = {best[0]}") < said.index("most accurate")
    assert f"tile.adc.bits = {worst[0]}, device.read_noise = {worst[1]:g} is the worst" in said
    assert question(data).startswith("Accuracy of digits_lstm on 200 test samples, 5 simulated chips at each point")


def test_losses_are_paired(views: dict[str, View]) -> None:
    view = views["grid"]
    data = study_data_of(view)
    found = analyse(data, view.outcome)
    assert data.best is not None and found.reference == data.best.number
    for row in data.rows:
        loss = found.losses[row.number]
        assert loss.value == pytest.approx(data.best.score - row.score, abs=1e-12)
        assert loss.low <= loss.value <= loss.high
    assert found.losses[found.reference].value == 0.0
    # Noise of 10 % of the read current costs 15 points by the formula, far outside the interval of five chips.
    noisy = [row.number for row in data.rows if row.values["device.read_noise"] == 0.1]
    assert not set(noisy) & set(found.ties)


def test_the_ladder_is_sorted_and_told(views: dict[str, View], pages: dict[str, Path]) -> None:
    view = views["ladder"]
    data = study_data_of(view)
    found = analyse(data, view.outcome)
    none = next(row for row in data.rows if row.label == "none")
    assert found.reference == none.number
    everything = next(row for row in data.rows if row.label == "all")
    assert found.losses[everything.number].value == pytest.approx(none.score - everything.score, abs=1e-12)
    said = spaced(answer(data, found))
    assert said.startswith(f"Without non-idealities the accuracy is {100 * none.score:.2f} %")
    assert "IR drop" in Page(pages["ladder"]).text


def test_what_failed_is_told_and_escaped(pages: dict[str, Path]) -> None:
    found = Page(pages["broken"])
    text = spaced(found.text)
    assert found.elements["b"] == 0
    assert "the ramp <b>does not</b> climb" in text and "V_read <is> low" in text
    assert "1 of 24 points failed" in text and "1 of 24 points have no result" in text
    text = spaced(Page(pages["nothing"]).text)
    assert "No point has a result (9 failed)." in text


def test_ranges_are_those_of_the_file(views: dict[str, View]) -> None:
    said = question(study_data_of(views["cube"]))
    assert "device.programming_sigma (0.1 uS to 15 uS, logarithmic)" in said
    assert "tile.adc.v_read (0.15 V to 0.25 V)" in said
    scales = {each.name: each.scale for each in study_data_of(views["cube"]).settings}
    assert scales["device.programming_sigma"] == "log" and scales["device.read_noise"] == "linear"
    assert scales["tile.adc.calibration"] == ""
    nested = {"sweep": {"over": {"tile": {"adc": {"v_read": {"low": 1, "high": 2}}}}}}
    assert stated_range(nested, "tile.adc.v_read") == {"low": 1, "high": 2}
    assert stated_range(nested, "tile.adc.bits") is None and stated_range({}, "tile.adc.bits") is None


def test_clipping_and_costs_are_told(pages: dict[str, Path]) -> None:
    text = spaced(Page(pages["grid"]).text)
    assert "clipped 1.23 %" in text
    assert "Accuracy against what it costs" in text and re.search(
        r"energy \[(1|nJ)\]", pages["grid"].read_text(encoding="utf-8")
    )


def test_the_fit_errors_of_the_models_are_told(views: dict[str, View], pages: dict[str, Path]) -> None:
    from cosim.blocks.model import load_model_file
    from cosim.blocks.recipes import model_path
    from cosim.reports.numbers import significant

    text = spaced(Page(pages["grid"]).text)
    for quantity, error in load_model_file(model_path("ramp_adc"), "ramp_adc").errors.items():
        assert f"{quantity.replace('_', ' ')} {significant(error.rms)} {error.unit}" in text


def test_a_model_that_has_changed_is_not_told_as_the_old_one(tmp_path: Path) -> None:
    from cosim.reports.study_models import model_cards

    (card,) = model_cards({"ramp_adc 'ramp_adc'": "0" * 64}, [tmp_path])
    assert "no longer" in card.why_not and card.errors is None
    (card,) = model_cards({"crossbar 'gone.json'": "0" * 64}, [tmp_path])
    assert card.why_not and card.errors is None


def test_the_same_results_give_the_same_page(views: dict[str, View], pages: dict[str, Path], tmp_path: Path) -> None:
    again = write(views["list"], tmp_path)
    made = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d")  # when the results were put together
    assert made.sub("", again.read_text(encoding="utf-8")) == made.sub("", pages["list"].read_text(encoding="utf-8"))


def test_a_long_time_is_in_words(pages: dict[str, Path]) -> None:
    source = spaced(pages["one"].read_text(encoding="utf-8"))
    assert "1 days" in source or "1 day" in source
    assert "1 h" in source


def test_errors_that_are_not_known_are_dashes(views: dict[str, View]) -> None:
    data = study_data_of(views["one"])
    assert all(math.isnan(row.figures["error_chip"]) for row in data.rows)


def test_a_study_with_a_text_that_attacks(tmp_path: Path) -> None:
    attack = "<script>alert('1')</script> </svg></title><b>&"
    view = made_up_study(tmp_path, LADDER.replace("Ladder", attack.replace('"', "")))
    found = Page(write(view, tmp_path / "page"))
    assert found.elements["script"] == 1 and found.elements["b"] == 0
    assert attack in found.text


def test_a_search_and_its_front_in_a_browser(browser: Browser, views: dict[str, View], tmp_path: Path) -> None:
    """The page of a search, whose points come from a hypercube here: optuna is not needed to look at a front."""
    view = views["cube"]
    data = study_data_of(view)
    sweep = {**data.content["sweep"], "method": "pareto", "objectives": {"accuracy": "max", "energy": "min"}}
    data = replace(data, method="pareto", content={**data.content, "sweep": sweep})
    found = analyse(data, view.outcome)
    for number in found.front:
        mine = data.rows[number]
        beaten = [
            row for row in data.rows if row.score >= mine.score and row.figures["energy"] < mine.figures["energy"]
        ]
        assert beaten == []
    page = write_study_report(data, found, Extras(heads=view.found), tmp_path)
    text = spaced(Page(page).text)
    assert "Pareto front" in text and "beaten by no other in all objectives" in text
    for number in found.front[:8]:
        assert f"On the front, point {number}: accuracy {100 * data.rows[number].score:.2f} %" in text
    assert [look(browser, page, *each)["wrong"] for each in VIEWS] == [[]] * len(VIEWS)


def test_sobol_indices_in_a_browser(browser: Browser, views: dict[str, View], tmp_path: Path) -> None:
    view = views["cube"]
    data = replace(study_data_of(view), method="sobol")
    indices = [
        {"name": each.name, "first": 0.1 * place, "first_half": 0.05, "total": 0.15 * place, "total_half": 0.06}
        for place, each in enumerate(data.settings)
    ]
    page = write_study_report(data, Analysis(indices=indices), Extras(heads=view.found), tmp_path)
    text, most = spaced(Page(page).text), indices[-1]
    assert f"varies most with {most['name']}: its total index is 0.60 ± 0.06" in text
    assert [look(browser, page, *each)["wrong"] for each in VIEWS] == [[]] * len(VIEWS)


def test_bits_per_symbol_are_bits(browser: Browser, tmp_path: Path) -> None:
    view = made_up_study(tmp_path, TEXTS["grid"], MadeUp(metric="bits_per_symbol"))
    page = write(view, view.folder.path)
    data, text = study_data_of(view), spaced(Page(page).text)
    assert data.best is not None and data.best.score == min(row.score for row in data.rows)
    assert f"{data.best.score:.3f} bit" in text
    assert "bits per symbol [bit]" in page.read_text(encoding="utf-8")
    assert [look(browser, page, *each)["wrong"] for each in VIEWS] == [[]] * len(VIEWS)


def test_long_texts_in_place_of_numbers(browser: Browser, views: dict[str, View], tmp_path: Path) -> None:
    """Expressions and paths as swept values: told apart, cut nowhere."""
    view = views["grid"]
    data = study_data_of(view)
    words = {bits: f"expr: tanh(0.9 * x) + {bits / 100} * x * exp(-x * x) / (1 + x * x)" for bits in (3, 4, 5)}
    rows = tuple(
        replace(row, values={"functions.tanh": words[row.values["tile.adc.bits"]],
                             "models.ramp_adc.file": f"a folder/wïth <{row.values['device.read_noise']}> in it.json"})
        for row in data.rows
    )  # fmt: skip
    settings = tuple(
        Setting(name, "", tuple(dict.fromkeys(row.values[name] for row in rows))) for name in rows[0].values
    )
    data = replace(data, rows=rows, settings=settings)
    page = write_study_report(data, analyse(data, view.outcome), Extras(heads=view.found), tmp_path)
    assert [look(browser, page, *each)["wrong"] for each in VIEWS] == [[]] * len(VIEWS)
    assert all(word in spaced(Page(page).text) for word in words.values())


def test_a_study_that_is_not_finished(views: dict[str, View], tmp_path: Path) -> None:
    view = made_up_study(tmp_path, TEXTS["grid"])
    for key in view.keys[3:5]:
        view.folder.file_of(key).unlink()
    view = open_view(view.folder.path)
    text = spaced(Page(write(view, tmp_path / "page")).text)
    assert "2 of 9 points not finished" in text and "2 of 9 points have no result" in text
    for key in view.keys:
        view.folder.file_of(key).unlink(missing_ok=True)
    text = spaced(Page(write(open_view(view.folder.path), tmp_path / "page")).text)
    assert "No point has a result (9 not finished)." in text


def test_long_texts_are_short_where_they_are_alike() -> None:
    short = short_words(Setting("a", "", ("expr: tanh(0.9 * x) + 0.02 * x", "expr: tanh(0.9 * x) + 0.03 * x")))
    assert list(short.values()) == ["… + 0.02 * x", "… + 0.03 * x"]
    assert list(short_words(Setting("a", "", ("sigmoid", "tanh"))).values()) == ["sigmoid", "tanh"]
    alike = tuple("x" * 30 + middle + "y" * 40 + middle for middle in ("ab", "ba"))
    assert len(set(short_words(Setting("a", "", alike)).values())) == 2


def test_networks_are_not_compared_in_pairs(views: dict[str, View], tmp_path: Path) -> None:
    """Their test samples are not the same, however many there are of each."""
    view = views["grid"]
    data = study_data_of(view)
    names = {3: "har_lstm", 4: "fsdd_lstm", 5: "digits_lstm"}
    rows = tuple(
        replace(row, values={"network.name": names[row.values["tile.adc.bits"]], **dict([*row.values.items()][1:])})
        for row in data.rows
    )
    data = replace(data, rows=rows, settings=(Setting("network.name", "", tuple(names.values())), data.settings[1]))
    found = analyse(data, view.outcome)
    assert data.best is not None and len(found.losses) == 3
    network = data.best.values["network.name"]
    assert {data.rows[number].values["network.name"] for number in found.losses} == {network}
    said = spaced(Page(write_study_report(data, found, Extras(heads=view.found), tmp_path)).text)
    assert f"Only points of {network} are compared with the best" in said
    assert "Effect of network.name" not in said and "Accuracy of several networks" in said


@pytest.mark.parametrize(
    ("values", "scale", "own"),
    [
        ((0.001325, 0.002661, 0.03, 0.05), "linear", False),  # drawn: two labels would lie upon each other
        ((0.002163, 0.002842, 0.05), "log", False),
        ((0.0, 0.002, 0.01), "", True),
        ((3, 4, 5, 6), "", True),
    ],
)
def test_values_have_their_own_ticks_where_the_labels_have_room(
    values: tuple[float, ...], scale: str, own: bool
) -> None:
    from matplotlib.figure import Figure

    axes = Figure().subplots()
    axis = SettingAxis(Setting("device.read_noise", "", values, scale))
    axis.apply(axes)
    ticks = [float(each) for each in axes.get_xticks()]
    assert (ticks == [axis.at(each) for each in values]) is own
