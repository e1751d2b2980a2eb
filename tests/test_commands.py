"""The commands as a user types them: what they write, print and return."""

import json
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from cosim import cli
from cosim.blocks.dataset import load_dataset
from cosim.blocks.ramp_adc.behaviour import load_model
from cosim.blocks.registry import block_names
from cosim.spice import SimulatorPool

Run = Callable[..., tuple[int, str, str]]
SMALL = ("--bits", "2", "--sweep", "chips=4", "--sweep", "v_reads=[0.2]")


@pytest.fixture(scope="module")
def data_set(tmp_path_factory: pytest.TempPathFactory, own_cache: Path) -> Path:
    """A data set of four chips, made by the command."""
    path = tmp_path_factory.mktemp("data") / "small.nc"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["cosim", "characterise", "ramp_adc", *SMALL, "-o", str(path), "--json"])
        with pytest.raises(SystemExit) as end:
            cli.main()
    assert not end.value.code
    return path


def files(folder: Path) -> list[str]:
    """All files below `folder`, hidden ones too."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


# --- the list


def test_the_list_of_blocks_for_machines(cosim: Run) -> None:
    code, out, _ = cosim("characterise", "--list", "--json")
    listed = json.loads(out)
    assert code == 0
    assert [block["name"] for block in listed] == block_names()
    for block in listed:
        assert set(block) == {"name", "description", "sweeps", "figures", "settings"}
        assert block["description"] and block["sweeps"] and block["figures"]


def test_the_list_of_blocks_for_people_keeps_its_units(cosim: Run) -> None:
    code, out, _ = cosim("characterise", "--list")
    assert code == 0
    for block in json.loads(cosim("characterise", "--list", "--json")[1]):
        for text in (*block["sweeps"].values(), *block["figures"].values()):
            assert text in out  # no bracket is taken for markup, no line broken


def test_a_block_that_cannot_be_used_does_not_hide_the_others(cosim: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from cosim.blocks import registry

    broken = [*registry.list_blocks(), {"name": "theirs", "error": "no module named 'theirs'"}]
    monkeypatch.setattr(registry, "list_blocks", lambda: broken)
    code, out, _ = cosim("characterise", "--list")
    assert code == 0
    assert "no module named 'theirs'" in out
    assert "crossbar" in out


# --- characterise


def test_characterise_writes_a_data_set_and_says_what_is_in_it(cosim: Run, tmp_path: Path) -> None:
    code, out, _ = cosim("characterise", "ramp_adc", *SMALL, "-o", "new/folder/adc.nc", "--json")
    summary = json.loads(out)
    assert code == 0
    assert files(tmp_path) == ["new/folder/adc.nc"]
    assert set(summary) == {
        "block", "file", "dimensions", "conditions", "figures", "failed", "status", "decks", "plots", "simulator",
        "solver", "seed",
    }  # fmt: skip
    data = load_dataset("new/folder/adc.nc", "ramp_adc")
    assert summary["dimensions"] == {str(name): size for name, size in data.sizes.items()}
    assert (summary["failed"], summary["seed"]) == (0, 1)
    assert summary["simulator"].startswith("ngspice ")
    for name, row in summary["figures"].items():
        assert set(row) == {"minimum", "mean", "maximum", "unit"}
        assert row["minimum"] <= row["mean"] <= row["maximum"]
        assert row["unit"] == data[name].attrs["units"]


def test_the_default_file_is_named_after_the_block(cosim: Run, tmp_path: Path) -> None:
    code, out, _ = cosim(
        "characterise",
        "crossbar",
        "--set",
        "rows=4",
        "--set",
        "columns=2",
        "--sweep",
        "arrays=2",
        "--sweep",
        "vectors=2",
    )
    assert code == 0
    assert files(tmp_path) == ["crossbar.nc"]
    assert "wrote crossbar.nc; next: cosim fit crossbar.nc" in out


def test_printed_figures_have_units_and_paths_are_whole(cosim: Run, tmp_path: Path) -> None:
    name = "a_rather_long_name_[b]_of_a_file_that_would_not_fit_into_a_line_of_eighty_characters.nc"
    code, out, _ = cosim("characterise", "ramp_adc", *SMALL, "-o", name)
    assert code == 0
    assert files(tmp_path) == [name]
    assert f"wrote {name}; next: cosim fit {name}\n" in out
    energies = [line for line in out.splitlines() if "comparator_energy" in line]
    assert len(energies) == 1
    assert re.search(r"\d [pn]J", energies[0])


def test_settings_come_from_a_file_and_from_options_in_this_order(cosim: Run, tmp_path: Path) -> None:
    (tmp_path / "adc.toml").write_text('bits = 3\nc_fb = "4 pF"\nv_read = "0.15 V"\n')
    code, _, _ = cosim(
        "characterise", "ramp_adc", "--config", "adc.toml", "--bits", "2", "--set", "v_read=0.2 V",
        "--sweep", "chips=1", "--sweep", "v_reads=[]", "--json",
    )  # fmt: skip
    config = json.loads(load_dataset("ramp_adc.nc").attrs["config"])
    assert code == 0
    assert (config["bits"], config["c_fb"], config["v_read"]) == (2, 4e-12, 0.2)


def test_another_seed_is_another_draw_and_the_same_is_the_same(cosim: Run, data_set: Path) -> None:
    for seed in ("1", "2"):
        assert cosim("characterise", "ramp_adc", *SMALL, "--seed", seed, "-o", f"{seed}.nc", "--json")[0] == 0
    first, same, other = (load_dataset(path) for path in (data_set, "1.nc", "2.nc"))
    assert_same_numbers(first, same)
    drawn = first["chip"].values >= 0
    assert (first["ramp_conductance"].values[drawn] != other["ramp_conductance"].values[drawn]).all()


def assert_same_numbers(a: xr.Dataset, b: xr.Dataset) -> None:
    """Bit for bit, wall times excepted."""
    assert set(a.variables) == set(b.variables)
    for name in a.variables:
        if name != "simulation_time":
            np.testing.assert_array_equal(a[name].values, b[name].values, err_msg=str(name))
    assert a.attrs["deck_hashes"] == b.attrs["deck_hashes"]


def test_the_number_of_workers_changes_no_bit(cosim: Run) -> None:
    for workers in ("1", "2"):
        code, _, _ = cosim(
            "characterise", "ramp_adc", "--bits", "2", "--sweep", "chips=2", "--sweep", "v_reads=[0.15, 0.2]",
            "--sweep", "v_read_chips=1", "--no-cache", "--workers", workers, "-o", f"{workers}.nc", "--json",
        )  # fmt: skip
        assert code == 0
    assert_same_numbers(load_dataset("1.nc"), load_dataset("2.nc"))


def test_a_second_run_simulates_nothing(cosim: Run, data_set: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> None:
        raise AssertionError("a deck was simulated")

    monkeypatch.setattr(SimulatorPool, "_schedule", refuse)
    assert cosim("characterise", "ramp_adc", *SMALL, "-o", "again.nc", "--json")[0] == 0
    assert_same_numbers(load_dataset(data_set), load_dataset("again.nc"))
    with pytest.raises(AssertionError, match="simulated"):
        cosim("characterise", "ramp_adc", *SMALL, "--no-cache", "-o", "again.nc", "--json")


def test_progress_and_errors_stay_off_stdout(cosim: Run) -> None:
    code, out, err = cosim("characterise", "ramp_adc", "--bits", "2", "--sweep", "chips=1", "--sweep", "v_reads=[]")
    assert code == 0
    assert "round 1" in err
    assert "round 1" not in out


# --- fit and model


def test_fit_writes_a_model_that_carries_its_error(cosim: Run, data_set: Path, tmp_path: Path) -> None:
    code, out, _ = cosim("fit", str(data_set), "-o", "adc.json", "--json")
    answer = json.loads(out)
    assert code == 0
    assert files(tmp_path) == ["adc.json", "adc.svg"]
    assert set(answer) == {
        "file", "plot", "warnings", "parts",
        "schema", "block", "form", "parameters", "settings", "error", "errors", "domain", "provenance", "sha256",
    }  # fmt: skip
    assert set(answer["error"]) == {"rms", "maximum", "unit", "points", "limit", "held_out", "quantiles"}
    assert answer["error"]["rms"] <= answer["error"]["limit"]
    assert load_model("adc.json").error.rms == answer["error"]["rms"]
    saved = json.loads(Path("adc.json").read_text())
    assert {name: answer[name] for name in saved} == saved


def test_the_default_model_file_stands_beside_its_data_set(cosim: Run, data_set: Path, tmp_path: Path) -> None:
    (tmp_path / "x.nc").write_bytes(data_set.read_bytes())
    code, out, _ = cosim("fit", "x.nc")
    assert code == 0
    assert files(tmp_path) == ["x.json", "x.nc", "x.svg"]
    assert "wrote x.json" in out


def test_fitting_twice_gives_the_same_numbers(cosim: Run, data_set: Path) -> None:
    answers = []
    for name in ("a.json", "b.json"):
        answers.append(json.loads(cosim("fit", str(data_set), "-o", name, "--json")[1]))
    for part in ("parameters", "settings", "error", "domain"):
        assert answers[0][part] == answers[1][part]


def test_model_shows_what_fit_wrote(cosim: Run, data_set: Path) -> None:
    fitted = json.loads(cosim("fit", str(data_set), "-o", "adc.json", "--json")[1])
    shown = json.loads(cosim("model", "adc.json", "--json")[1])
    assert shown == {name: part for name, part in fitted.items() if name not in ("plot", "warnings", "parts")}
    code, out, _ = cosim("model", "adc.json")
    assert code == 0
    for name in fitted["parameters"]:
        assert name in out
    assert f"on {fitted['error']['points']} points that the fit did not see" in out
    assert "kept" in out


def test_a_model_beyond_its_limit_is_shown_only_when_accepted(cosim: Run, data_set: Path) -> None:
    from cosim.provenance import sha256_of_json

    cosim("fit", str(data_set), "-o", "adc.json", "--json")
    content = json.loads(Path("adc.json").read_text())
    content["error"]["limit"] = content["error"]["rms"] / 2
    del content["sha256"]
    Path("bad.json").write_text(json.dumps({**content, "sha256": sha256_of_json(content)}))
    code, _, err = cosim("model", "bad.json")
    assert code == 2
    assert "--accept" in err and "bad.json" in err and "error.rms" in err
    code, out, _ = cosim("model", "bad.json", "--accept")
    assert code == 0
    assert "EXCEEDED" in out


# --- all commands


def test_a_full_disk_or_a_lost_cache_does_not_stop_a_run(
    cosim: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocked = tmp_path / "blocked"
    blocked.write_text("a file where the cache folder should be")
    monkeypatch.setenv("COSIM_CACHE", str(blocked))
    with pytest.warns(UserWarning, match="cache folder"):
        code, _, _ = cosim("characterise", "ramp_adc", "--bits", "2", "--sweep", "chips=1", "--sweep", "v_reads=[]")
    assert code == 0
    assert files(tmp_path) == ["blocked", "ramp_adc.nc"]


@pytest.mark.parametrize("command", ["characterise", "fit", "model", "train", "demo"])
def test_every_command_has_help_and_json(cosim: Run, command: str) -> None:
    code, out, _ = cosim(command, "--help")
    assert code == 0
    assert "--json" in out
    assert os.path.sep + "home" not in out
