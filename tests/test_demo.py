"""The demo, reduced: fewer bits, chips, images and time steps, the same path from netlists to report."""

import json
import re
import subprocess
import sys
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from cosim import demo
from cosim.blocks import crossbar
from cosim.blocks.crossbar.behaviour import load_model as load_crossbar
from cosim.blocks.dataset import load_dataset
from cosim.blocks.domain import OutsideDomainWarning
from cosim.blocks.ramp_adc.behaviour import load_model
from cosim.demo import DemoOptions, run_demo
from cosim.files import sha256_of
from cosim.networks.weights import GATES, Form, LstmWeights, WeightsMetadata
from cosim.spice import Deck, SimulatorPool, Tolerances
from cosim.studies.tasks import Scaled, Task, task_of
from cosim.tiles.config import Nonidealities
from cosim.tiles.quantise import quantise_weights

from .reports.browser import BROWSER, Browser
from .reports.looks import VIEWS, look

IMAGES, STEPS, BITS, INPUTS, HIDDEN = 40, 2, 3, 8, 4
ROWS = 2 * (INPUTS + HIDDEN + 1)
OPTIONS = DemoOptions(spice_chips=4, chips=2, images=1, seed=7, workers=2)


def few_digits(network: str) -> Task:
    assert network == "digits_lstm"
    whole = task_of(network)
    few = Scaled(whole.inputs[:IMAGES][:, 3 : 3 + STEPS], None)
    return replace(whole, name="digits/test, 40 of them", inputs=few, targets=whole.targets[:IMAGES])


def small_weights(form: Form) -> LstmWeights:
    """A network of four hidden units in place of the shipped one; random, so its accuracy is that of guessing."""
    rng = np.random.default_rng(1)
    gates = rng.uniform(-2, 2, (4, INPUTS + HIDDEN + 1, HIDDEN))
    bits = 5 if form == "qat" else None
    return LstmWeights(
        gates=quantise_weights(gates, bits, 2.0) if bits else gates,
        head_weights=rng.normal(0, 1, (HIDDEN, 10)),
        head_bias=np.zeros(10),
        metadata=WeightsMetadata(form, bits, 2.0, 1, command="none"),
    )


def small_crossbar(config: crossbar.Config, **options: Any) -> Any:
    """The size of the network's tiles alone, with few vectors."""
    config = config.model_copy(update={"rows": ROWS, "columns": HIDDEN})
    return crossbar.characterise(config, **{**options, "sizes": [(ROWS, HIDDEN)], "arrays": 2, "vectors": 3})


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, own_cache: Path) -> SimpleNamespace:
    """One reduced demo: its folder, what it returned and what it said."""
    folder, said = tmp_path_factory.mktemp("demo") / "new" / "output", []
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        # Four chips say little of the spread of offsets: some drawn later lie outside.
        warnings.simplefilter("ignore", OutsideDomainWarning)
        patch.setattr(demo, "BITS", BITS)
        patch.setattr(demo, "task_of", few_digits)
        patch.setattr(demo, "shipped_weights", small_weights)
        reduced = SimpleNamespace(Config=crossbar.Config, characterise=small_crossbar, fit=crossbar.fit)
        patch.setattr(demo, "crossbar", reduced)
        results = run_demo(folder, OPTIONS, said.append, "cosim demo --reduced")
    return SimpleNamespace(folder=folder, results=results, said=said)


def test_it_says_each_stage_and_how_long_it_took(run: SimpleNamespace) -> None:
    stages = [text.removeprefix("== ") for text in run.said]
    assert len(stages) == 5
    assert [*run.results["elapsed"]] == [*stages, "total"]
    assert sum(run.results["elapsed"][stage] for stage in stages) <= run.results["elapsed"]["total"] + 0.5


def test_results_are_saved_as_returned(run: SimpleNamespace) -> None:
    saved = json.loads((run.folder / "results.json").read_text())
    assert saved == {name: value for name, value in run.results.items() if name != "report"}
    assert set(saved) >= {
        "title", "command", "created", "cosim_version", "seed", "simulator", "elapsed", "adc", "crossbar",
        "accuracy", "ladder", "cosimulation", "tile_v_read", "provenance",
    }  # fmt: skip
    assert (saved["seed"], saved["command"]) == (7, "cosim demo --reduced")
    assert saved["simulator"]["version"].startswith("ngspice ")


def test_no_path_of_this_machine_is_in_the_results(run: SimpleNamespace) -> None:
    text = (run.folder / "results.json").read_text()
    for word in (str(run.folder), str(Path.home()) + "/", "/tmp/", str(Path(demo.__file__).parents[1])):
        assert word not in text


@pytest.mark.parametrize("function", ["sigmoid", "tanh"])
def test_the_adc_table_and_errors(run: SimpleNamespace, function: str) -> None:
    adc = run.results["adc"][function]
    assert [row["threshold"] for row in adc["table"]] == list(range(1, 2**BITS))
    for column in ("ideal", "spice", "model"):
        values = [row[column] for row in adc["table"]]
        assert values == sorted(values)
    assert adc["error"]["rms"] <= adc["error"]["limit"] == 0.02
    by_ramp = {ramp: [row for row in adc["v_read"] if row["ramp"] == ramp] for ramp in ("column", "fixed")}
    assert [row["v_read"] for row in by_ramp["column"]] == [0.15, 0.2, 0.25]
    # V_read cancels in the column, to a tenth of an LSB; an ordinary ramp moves by much more.
    assert max(row["shift"] for row in by_ramp["column"]) <= 0.1
    assert max(row["shift"] for row in by_ramp["fixed"]) > 0.5
    assert (adc["failed"], adc["samples"]) == (0, len(load_dataset(run.folder / f"ramp_adc_{function}.nc")["sample"]))


def test_the_crossbar_is_exact_where_it_is_linear(run: SimpleNamespace) -> None:
    assert run.results["crossbar"]["linear"]["rms"] <= 1e-6
    assert run.results["crossbar"]["sinh"]["rms"] <= 2e-3


def test_accuracies_and_the_ladder(run: SimpleNamespace) -> None:
    accuracy = run.results["accuracy"]
    assert accuracy["images"] == IMAGES
    assert len(accuracy["rows"]) == 4
    for row in accuracy["rows"]:
        low, high = row["interval"]
        assert 0.0 <= low <= row["accuracy"] <= high <= 1.0
    assert len(accuracy["chips"]) == OPTIONS.chips
    assert accuracy["rows"][-1]["accuracy"] == pytest.approx(np.mean(accuracy["chips"]))
    for pair in ("paired", "paired_behavioural"):
        low, high = accuracy[pair]["interval"]
        assert low <= accuracy[pair]["difference"] <= high
    rungs = {rung["name"]: rung for rung in run.results["ladder"]}
    assert [*rungs] == ["none", *Nonidealities.names(), "all"]
    assert rungs["all"]["accuracy"] == pytest.approx(accuracy["rows"][-1]["accuracy"])
    assert rungs["none"]["accuracy"] == pytest.approx(accuracy["rows"][2]["accuracy"])
    for rung in rungs.values():
        assert rung["cost"] == pytest.approx(rungs["none"]["accuracy"] - rung["accuracy"], abs=1e-12)
        assert rung["label"]


def test_every_gate_conversion_went_through_ngspice(run: SimpleNamespace) -> None:
    loop = run.results["cosimulation"]
    assert loop["conversions"] == STEPS * len(GATES) * HIDDEN * OPTIONS.images
    assert loop["equal"] >= 0.98
    assert loop["largest"] <= 1
    assert loop["undecided"] == 0
    assert [row["gate"] for row in loop["per_step"]] == list(GATES) * STEPS
    assert sum(row["conversions"] for row in loop["per_step"]) == loop["conversions"]
    assert sum(count for _, _, count in loop["pairs"]) == loop["conversions"]
    (image,) = loop["images"]
    assert image["label"] == int(few_digits("digits_lstm").targets[0])
    assert image["spice"] == image["behavioural"]
    rows = run.results["tile_v_read"]["rows"]
    assert [row["v_read"] for row in rows] == [0.15, 0.2, 0.25]
    assert max(row["mac_change"] for row in rows) < 1e-3


def test_provenance_names_files_by_their_content(run: SimpleNamespace) -> None:
    made = run.results["provenance"]
    assert set(made["datasets"]) == set(made["models"]) == {"ramp_adc_sigmoid", "ramp_adc_tanh", "crossbar"}
    for kind in ("datasets", "models"):
        for each in made[kind].values():
            assert sha256_of(run.folder / each["file"]) == each["sha256"]
    assert set(made["weights"]) == {"float", "qat"}
    assert made["device"]["name"] == "taox_1t1r"


def test_models_and_data_sets_load_again(run: SimpleNamespace) -> None:
    for function in ("sigmoid", "tanh"):
        assert load_model(run.folder / f"ramp_adc_{function}.json").config.function == function
        assert load_dataset(run.folder / f"ramp_adc_{function}.nc", "ramp_adc").attrs["seed"] == "7"
    assert load_crossbar(run.folder / "crossbar.json").error_linear.within_limit
    load_dataset(run.folder / "crossbar.nc", "crossbar")


def test_nothing_temporary_is_left(run: SimpleNamespace) -> None:
    hidden = [path.name for path in run.folder.rglob("*") if path.name.startswith(".")]
    assert hidden == []
    assert {path.name for path in (run.folder / "decks").iterdir()} == {
        "ramp_adc_sigmoid.cir", "ramp_adc_tanh.cir", "tile_array_and_integrators.cir",
        "tile_ramp_and_comparators.cir",
    }  # fmt: skip


def as_deck(text: str) -> Deck:
    """The deck whose text this is."""
    lines = text.splitlines()
    first = next(number for number, line in enumerate(lines) if line.startswith(".options"))
    options = [word.split("=") for line in lines[first:] if line.startswith(".options") for word in line.split()[1:]]
    values = {option[0]: option[1] for option in options if len(option) == 2}
    known = {"temp": "temperature", "method": "method", "maxord": "maxord", "itl1": "itl1", "itl4": "itl4"}
    tolerances = Tolerances(
        **{
            known.get(name, name): parsed(value)
            for name, value in values.items()
            if name not in ("tnom", "num_threads")
        }
    )
    saves = tuple(name for line in lines if line.startswith(".save") for name in line.split()[1:])
    analysis = next(line for line in lines[first:] if line.startswith(".tran"))
    return Deck(lines[0].removeprefix("* "), "\n".join(lines[1:first]), (analysis,), saves, tolerances)


def parsed(value: str) -> str | int | float:
    try:
        return int(value)
    except ValueError:
        return float(value) if value[0].isdigit() else value


@pytest.mark.parametrize(
    ("name", "check"),
    [
        ("ramp_adc_sigmoid", lambda result: result["v(nref)"][-1] == pytest.approx(2**BITS - 1, abs=0.1)),
        ("tile_array_and_integrators", lambda result: abs(result["v(o0)"][-1] - 1.0) < 0.7),
    ],
)
def test_a_kept_deck_runs_again(
    run: SimpleNamespace, pool: SimulatorPool, name: str, check: Callable[[Any], bool]
) -> None:
    text = (run.folder / "decks" / f"{name}.cir").read_text()
    assert ".include" not in text.lower()
    assert text.rstrip().endswith(".end")
    deck = as_deck(text)
    assert deck.text(klu=True) == text  # so it is this file that runs
    (result,) = pool.run([deck])
    assert result.ok, result.log
    assert check(result)


def test_the_report_is_one_file_that_needs_no_other(run: SimpleNamespace) -> None:
    report = Path(run.results["report"])
    assert report == run.folder / "report.html"
    text = report.read_text(encoding="utf-8")
    assert text.startswith("<!doctype html>") or text.startswith("<!DOCTYPE html>")
    for source in re.findall(r"(?:src|href)\s*=\s*[\"']([^\"']*)[\"']", text):
        assert source.startswith(("data:", "#")), source[:80]
    assert "url(http" not in text
    for word in (str(run.folder), str(Path.home()) + "/"):
        assert word not in text


@pytest.mark.parametrize(("width", "dark", "media"), VIEWS)
def test_the_report_in_a_browser(browser: Browser, run: SimpleNamespace, width: int, dark: bool, media: str) -> None:
    found = look(browser, run.folder / "report.html", width, dark, media)
    assert found["wrong"] == [] and found["drawings"] > 20


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_demo_itself_reaches_its_figures(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """`cosim demo` with fewer chips, in a process of its own: shipped weights, five bits, a whole image in ngspice."""
    done = subprocess.run(
        [sys.executable, "-m", "cosim.cli", "demo", "--spice-chips", "8", "--chips", "10", "--json", "-o", "out"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    results = json.loads(done.stdout)
    for function in ("sigmoid", "tanh"):
        assert results["adc"][function]["error"]["rms"] <= 0.02
        column = [row["shift"] for row in results["adc"][function]["v_read"] if row["ramp"] == "column"]
        assert max(column) <= 0.1
    assert results["crossbar"]["linear"]["rms"] <= 1e-6
    assert results["crossbar"]["sinh"]["rms"] <= 2e-3
    loop = results["cosimulation"]
    assert loop["conversions"] == 8 * 4 * 32
    assert loop["equal"] >= 0.98
    assert loop["largest"] <= 1
    assert loop["images"][0]["spice"] == loop["images"][0]["behavioural"] == loop["images"][0]["label"]
    # Quantisation-aware within 1.5 points of float on the same images, at the far end of its interval.
    assert results["accuracy"]["paired"]["interval"][0] >= -0.015
    assert Path(tmp_path / "out" / "report.html").is_file()
    if BROWSER is not None:
        found = [look(request.getfixturevalue("browser"), tmp_path / "out" / "report.html", *view) for view in VIEWS]
        assert [each["wrong"] for each in found] == [[]] * len(VIEWS)
