"""`cosim study` as a user types it: results in every form, comparisons, odd names, folders that cannot be written."""

import csv
import json
import os
import stat
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from typer.testing import CliRunner, Result

from cosim.cli import app
from cosim.errors import CosimError
from cosim.studies.specification import load_specification

pytestmark = pytest.mark.filterwarnings("ignore::cosim.blocks.domain.OutsideDomainWarning")

Write = Callable[..., Path]

SMALL = """
schema = "cosim.study/1"
title = "Bits and read noise"
chips = 2
test_samples = 30

[sweep]
method = "grid"

[sweep.over]
"tile.adc.bits" = [4, 5]
device.read_noise = ["0 %", "2 %"]
"""


def typed(*words: object) -> Result:
    return CliRunner().invoke(app, ["study", *(str(word) for word in words)], catch_exceptions=False)


def answer(*words: object) -> dict[str, object]:
    found: dict[str, object] = json.loads(typed(*words, "--json").stdout)
    return found


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study with blanks and an umlaut in its name, run in this process; the folder of its results."""
    file = tmp_path_factory.mktemp("studies") / "erste Prüfung.toml"
    file.write_text(SMALL, encoding="utf-8")
    result = typed("run", file, "--workers", 0)
    assert result.exit_code == 0
    assert "4 of 4 points finished" in result.stdout
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 4  # one a point, for this is no terminal
    assert lines[-1].startswith("4/4 ") and "left 0 s" in lines[-1]
    return file.with_name("erste Prüfung_results")


def test_results_are_one_netcdf_with_the_swept_settings_as_dimensions(done: Path) -> None:
    with xr.open_dataset(done / "results.nc", engine="h5netcdf") as data:
        assert dict(data.sizes) == {"tile.adc.bits": 2, "device.read_noise": 2, "chip": 2}
        np.testing.assert_array_equal(data["device.read_noise"], [0.0, 0.02])
        assert data["device.read_noise"].attrs["units"] == "1"
        assert (data["status"] == 0).all()
        np.testing.assert_allclose(data["accuracy"], data["accuracy_of_chip"].mean("chip"), rtol=1e-12)
        assert ((data["low"] <= data["accuracy"]) & (data["accuracy"] <= data["high"])).all()
        for name in ("energy", "latency", "area", "clipping_adc", "loss", "error_chip", "error_sample"):
            assert name in data and np.isfinite(data[name]).all(), name
        assert data["energy"].attrs["units"] == "J"
        assert load_specification(done.parent / "erste Prüfung.toml").sha256 == data.attrs["study_sha256"]
        assert "ramp_adc 'ramp_adc'" in data.attrs["sources"]


def test_csv_and_parquet_say_the_same(done: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    with open(done / "results.csv", encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    table = parquet.read_table(done / "results.parquet").to_pylist()
    with xr.open_dataset(done / "results.nc", engine="h5netcdf") as data:
        for place, (row, other) in enumerate(zip(rows, table, strict=True)):
            assert float(row["accuracy"]) == other["accuracy"] == data["accuracy"].values.flat[place]
            assert float(row["device.read_noise"]) == other["device.read_noise"] == (0.0, 0.02)[place % 2]
            assert row["status"] == other["status"] == "done"


def test_show_needs_no_right_to_write(done: Path) -> None:
    mode = done.stat().st_mode
    before = sorted(os.listdir(done))
    try:
        done.chmod(stat.S_IRUSR | stat.S_IXUSR)
        said = typed("show", done).stdout
    finally:
        done.chmod(mode)
    assert "4 of 4 points finished" in said and "tile.adc.bits" in said
    assert sorted(os.listdir(done)) == before
    found = answer("show", done)
    assert [row["tile.adc.bits"] for row in found["results"]] == [4, 4, 5, 5]  # type: ignore[attr-defined]


def test_show_finds_the_folder_of_a_study_s_file(done: Path) -> None:
    assert "4 of 4" in typed("show", done.parent / "erste Prüfung.toml").stdout


def test_a_comparison_pairs_what_the_rest_has_in_common(done: Path) -> None:
    found = answer("compare", done, "tile.adc.bits=5", "tile.adc.bits=4")["differences"]
    assert [(each["a"], each["b"]) for each in found] == [(2, 0), (3, 1)]  # type: ignore[attr-defined]
    for each in found:  # type: ignore[attr-defined]
        assert each["interval"][0] <= each["difference"] <= each["interval"][1]
        assert each["difference"] == pytest.approx(each["score_a"] - each["score_b"])


def test_a_point_does_not_differ_from_itself(done: Path) -> None:
    (found,) = answer("compare", done, "#1", "tile.adc.bits=4, device.read_noise=2 %")["differences"]  # type: ignore[misc]
    assert (found["difference"], found["interval"]) == (0.0, [0.0, 0.0])


@pytest.mark.parametrize(
    ("a", "said"),
    [
        ("#9", "no such point"),
        ("tile.adc.bits=7", "no point has this"),
        ("tile.dac_bits=5", "does not sweep this"),
        ("nothing", "named by their settings"),
        ("device.read_noise=2 kg", "another dimension"),
    ],
)
def test_a_selection_that_is_wrong_is_told(done: Path, a: str, said: str) -> None:
    with pytest.raises(CosimError, match=said):
        typed("compare", done, a, "#0")


def test_a_second_run_does_nothing_more(done: Path) -> None:
    result = typed("run", done.parent / "erste Prüfung.toml", "--workers", 0)
    assert "4 of 4 points finished" in result.stdout and result.stderr == ""


def test_export_writes_elsewhere_too(done: Path, tmp_path: Path) -> None:
    typed("export", done, "--to", "csv", "--output", tmp_path / "out")
    assert (tmp_path / "out" / "results.csv").read_bytes() == (done / "results.csv").read_bytes()
    with pytest.raises(CosimError, match="unknown form"):
        typed("export", done, "--to", "xlsx")


def test_without_pyarrow_all_other_forms_are_written(
    done: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    found = answer("export", done, "--output", tmp_path)
    assert [Path(each).name for each in found["files"]] == ["results.nc", "results.csv"]  # type: ignore[attr-defined]
    assert "no Parquet file without pyarrow" in typed("export", done, "--output", tmp_path).stdout


def test_more_test_samples_than_there_are_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "many.toml"
    file.write_text(SMALL.replace("test_samples = 30", "test_samples = 600"), encoding="utf-8")
    with pytest.raises(CosimError, match=r"key 'test_samples': value 600: .* no more than 599 examples"):
        typed("run", file, "--workers", 0)


def test_init_writes_what_check_accepts_and_spares_what_is_there(tmp_path: Path) -> None:
    file = tmp_path / "new study.toml"
    typed("init", file)
    assert "no fault found" in typed("check", file).stdout
    with pytest.raises(CosimError, match="exists"):
        typed("init", file)
    typed("init", file, "--force")


def test_a_plan_counts_points_and_finished_ones(done: Path) -> None:
    found = answer("plan", done.parent / "erste Prüfung.toml", "--workers", 2)
    assert (found["points"], found["finished"], found["seconds"]) == (4, 4, 0.0)
    assert "median of 4 finished points" in str(found["source"])


def test_a_plan_of_a_new_study_rests_on_a_trial(tmp_path: Path) -> None:
    file = tmp_path / "s.toml"
    file.write_text(SMALL, encoding="utf-8")
    found = answer("plan", file, "--workers", 2)
    assert "trial" in str(found["source"]) and float(str(found["seconds"])) > 0 and float(str(found["memory"])) > 1e8
    assert not (tmp_path / "s_results").exists()
    assert answer("plan", file, "--no-trial")["seconds"] is None


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_told_before_any_work(tmp_path: Path) -> None:
    file = tmp_path / "s.toml"
    file.write_text(SMALL, encoding="utf-8")
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(CosimError, match="cannot write here"):
            typed("run", file)
    finally:
        tmp_path.chmod(0o700)


def test_a_folder_that_is_a_file_is_told_before_any_work(tmp_path: Path) -> None:
    file = tmp_path / "s.toml"
    file.write_text(SMALL, encoding="utf-8")
    with pytest.raises(CosimError, match="is a file, not a folder"):
        typed("run", file, "--output", file)


def test_another_study_in_the_same_folder_is_refused(done: Path, tmp_path: Path) -> None:
    file = tmp_path / "s.toml"
    file.write_text(SMALL.replace("chips = 2", "chips = 3"), encoding="utf-8")
    with pytest.raises(CosimError, match="belongs to another study"):
        typed("run", file, "--output", done, "--workers", 0)


def test_a_ladder_tells_what_each_costs(tmp_path: Path) -> None:
    file = tmp_path / "ladder.toml"
    text = (
        SMALL[: SMALL.index("[sweep]")] + '[sweep]\nmethod = "ladder"\nnonidealities = ["read_noise", "ramp_error"]\n'
    )
    file.write_text(text, encoding="utf-8")
    lines = typed("run", file, "--workers", 0).stderr.splitlines()
    assert [line.split(":")[0] for line in lines] == ["1/4 none", "2/4 read_noise", "3/4 ramp_error", "4/4 all"]
    said = typed("show", file).stdout
    assert "cost of each non-ideality alone" in said
    assert [line.split()[0] for line in said.splitlines()[-4:]] == ["none", "read_noise", "ramp_error", "all"]
    (found,) = answer("compare", tmp_path / "ladder_results", "none", "all")["differences"]  # type: ignore[misc]
    assert (found["a"], found["b"]) == (0, 3)
    assert "#0 - #3: " in typed("compare", tmp_path / "ladder_results", "none", "all").stdout


def test_a_search_goes_the_same_way_again(tmp_path: Path) -> None:
    pytest.importorskip("optuna")
    file = tmp_path / "search.toml"
    sweep = """[sweep]
method = "pareto"
objectives = { accuracy = "max", energy = "min" }
population = 4
generations = 2
over."tile.adc.bits" = [3, 4, 5]
over."tile.dac_bits" = { low = 3, high = 6 }
"""
    file.write_text(SMALL[: SMALL.index("[sweep]")] + sweep, encoding="utf-8")
    typed("run", file, "--workers", 0)
    first = answer("show", file)["results"]
    said = typed("show", file).stdout
    assert "points that no other beats" in said and len(first) == 8  # type: ignore[arg-type]
    again = typed("run", file, "--workers", 0)
    assert again.stderr == ""  # nothing was left to do
    typed("run", file, "--workers", 0, "--output", tmp_path / "other")
    keep = ("tile.adc.bits", "tile.dac_bits", "accuracy", "energy")
    other = answer("show", tmp_path / "other")["results"]
    assert [[row[key] for key in keep] for row in first] == [[row[key] for key in keep] for row in other]  # type: ignore[attr-defined]


def test_two_networks_are_not_paired(tmp_path: Path) -> None:
    from cosim.studies.comparison import compare
    from cosim.studies.store import StudyFolder

    points = [{"network.name": "digits_lstm"}, {"network.name": "har_lstm"}]
    with pytest.raises(CosimError, match="test samples of their own"):
        compare(StudyFolder(tmp_path, {}), points, ["a" * 64, "b" * 64], (0, 1))
