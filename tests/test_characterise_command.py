"""`cosim characterise` and `cosim lab`: conditions, plots, decks, and what is refused before any work."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from cosim.blocks.dataset import load_dataset, save_dataset
from cosim.resources import process_file

Run = Callable[..., tuple[int, str, str]]
CELL = ("characterise", "cell", "--set", "device=taox_1t1r", "--sweep", "voltages=5", "--sweep", "reads=16",
        "--sweep", "devices=2")  # fmt: skip
EXAMPLES = Path(__file__).parents[1] / "examples" / "lab"


def test_any_setting_becomes_a_dimension(cosim: Run) -> None:
    code, out, _ = cosim(
        *CELL, "--set", "cell=1T1R", "--over", "corner=FF,SS", "--over", "temperature=-40,125", "--json"
    )
    summary = json.loads(out)
    assert code == 0 and summary["failed"] == 0
    assert summary["dimensions"]["corner"] == 2 and summary["dimensions"]["temperature"] == 2
    data = load_dataset("cell.nc", "cell")
    conductance = data["conductance"]
    assert conductance.dims == ("corner", "temperature", "state")
    # The access transistor of the fast corner conducts more; the memristor is the same.
    assert (conductance.sel(corner="FF") > conductance.sel(corner="SS")).all()
    noise = data["noise_density"].isel(state=0, frequency=-1, corner=0)
    ratio = float(noise.sel(temperature=125) / noise.sel(temperature=-40))
    assert ratio == pytest.approx((398.15 / 233.15) ** 0.5, rel=0.01)  # thermal noise of the memristor, 1 uS


def test_plots_and_decks_are_written_where_they_are_asked_for(cosim: Run, tmp_path: Path) -> None:
    code, out, _ = cosim(*CELL, "--plots", "pictures", "--decks", "decks", "--json")
    summary = json.loads(out)
    assert code == 0
    assert {Path(each).name for each in summary["plots"]} == {"iv.svg", "noise_density.svg", "read_noise.svg"}
    assert sorted(path.name for path in (tmp_path / "pictures").iterdir()) == sorted(
        Path(each).name for each in summary["plots"]
    )
    assert len(list((tmp_path / "decks").glob("*.cir"))) == summary["decks"]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--set", "v_read=0.2"), "key '--set v_read': value 0.2: the unit is missing"),
        (("--over", "v_dd=1.62,1.8"), "key '--over v_dd': value 1.62: the unit is missing"),
        (("--over", "v_dd=1.62 V,1.8 A"), "'A' is a unit of another dimension than 'V'"),
        (("--over", "corner=TT,XX"), "not one of the choices"),
        (("--over", "cornr=TT"), "unknown setting. Did you mean 'corner'?"),
        (("--over", "corner"), "name=value,value"),
        (("--over", "corner=TT", "--over", "corner=SS"), "given twice"),
        (("--corner", "TT", "--over", "corner=TT,SS"), "given twice"),
        (("--process", "nowhere.toml"), "no such process"),
        (("--temperature", "200"), "out of range"),
        (("--scheduler", "pbs"), "there is no such scheduler"),
        (("--sweep", "chips=3"), "unknown sweep"),
        (("--sweep", "pulses=many"), "a whole number"),
        (("--sweep", "states=[1.0]"), "outside the device's window"),
        (("--plots", "file/plots"), "cannot write here"),
    ],
)
def test_a_wrong_option_is_one_message_and_leaves_nothing(
    cosim: Run, tmp_path: Path, options: tuple[str, ...], says: str
) -> None:
    (tmp_path / "file").write_text("")
    code, _, err = cosim(*CELL, *options)
    assert code == 2
    assert says in err and err.startswith("error: ") and err.count("\n") <= 4
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file"]


def test_a_process_of_ones_own_is_named_in_the_data_set(cosim: Run, tmp_path: Path) -> None:
    shipped = process_file("generic65")
    for suffix in ("cir", "lib"):
        (tmp_path / f"generic65.{suffix}").write_text(shipped.with_suffix(f".{suffix}").read_text())
    (tmp_path / "mine.toml").write_text(shipped.read_text().replace('name = "generic65"', 'name = "mine"'))
    code, out, _ = cosim(
        *CELL, "--set", "cell=1T1R", "--set", "access_length=60 nm", "--process", "mine.toml", "--json"
    )
    assert code == 0 and json.loads(out)["failed"] == 0
    config = json.loads(load_dataset("cell.nc").attrs["config"])
    assert config["process"] == "mine.toml" and config["v_dd"] == 1.2


def test_measured_tables_become_a_data_set_that_can_be_fitted(cosim: Run) -> None:
    code, out, _ = cosim("lab", str(EXAMPLES / "adc.toml"), "-o", "measured.nc", "--json")
    assert code == 0 and json.loads(out)["block"] == "ramp_adc"
    assert load_dataset("measured.nc", "ramp_adc").attrs["simulator"] == "measurement"
    code, out, _ = cosim("fit", "measured.nc", "--json")
    assert code == 0 and json.loads(out)["error"]["points"] > 0


def test_a_block_without_a_model_says_so(cosim: Run) -> None:
    assert cosim("characterise", "sar_adc", "--set", "bits=3", "--sweep", "chips=0")[0] == 0
    code, _, err = cosim("fit", "sar_adc.nc")
    assert code == 2 and "has no behavioural model" in err


def test_a_model_is_of_one_condition(cosim: Run) -> None:
    sizes = ("--set", "rows=8", "--set", "columns=4", "--sweep", 'measurements=["currents"]')
    assert cosim("characterise", "crossbar", *sizes, "--over", "v_read=0.1 V,0.2 V")[0] == 0
    code, _, err = cosim("fit", "crossbar.nc")
    assert code == 2 and "key 'v_read'" in err and "choose it, e.g. --at 'v_read=0.1 V'" in err
    code, out, _ = cosim("fit", "crossbar.nc", "--at", "v_read=0.2 V", "--json")
    assert code == 0 and json.loads(out)["error"]["points"] > 0


def test_a_data_set_without_a_variable_of_the_fit_is_one_message(cosim: Run, tmp_path: Path) -> None:
    sizes = ("--set", "rows=8", "--set", "columns=4", "--sweep", 'measurements=["currents"]')
    assert cosim("characterise", "crossbar", *sizes)[0] == 0
    data = load_dataset("crossbar.nc").drop_vars("conductance")
    save_dataset(data, "less.nc")
    code, _, err = cosim("fit", "less.nc")
    assert code == 2 and err.startswith("error: less.nc: value 'conductance'") and err.count("\n") == 1
    assert not (tmp_path / "less.json").exists()
