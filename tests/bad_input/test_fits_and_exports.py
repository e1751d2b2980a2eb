"""What `cosim fit`, `cosim export` and `cosim regenerate` refuse beyond damaged files."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from cosim.blocks.dataset import load_dataset

from .conftest import Refuse
from .test_model_files import sealed


def spoilt(data: xr.Dataset, name: str, value: float, every: bool) -> xr.Dataset:
    variable = data.variables[name]
    numbers = np.array(variable.values, dtype=np.float64)
    numbers.flat[slice(None) if every else numbers.size // 2] = value
    entry = {name: (variable.dims, numbers, variable.attrs)}
    return data.assign_coords(entry) if name in data.coords else data.assign(entry)


@pytest.mark.parametrize(
    ("name", "value", "every"),
    [
        ("threshold", np.nan, True),
        ("common_mode", np.nan, False),
        ("gain", np.nan, True),
        ("gain", 0.0, True),
        ("target_pulse", np.nan, True),
        ("target_conductance", np.nan, True),
        ("v_read", np.nan, True),
    ],
)
def test_numbers_that_no_fit_can_use(
    refused: Refuse, tmp_path: Path, data_set: Path, name: str, value: float, every: bool
) -> None:
    spoilt(load_dataset(data_set), name, value, every).to_netcdf(tmp_path / "adc.nc", engine="h5netcdf")
    message = refused("fit", "adc.nc", says=("adc.nc",))
    assert name in message or value == 0.0 or "positive" in message


def test_text_in_place_of_numbers(refused: Refuse, tmp_path: Path, data_set: Path) -> None:
    data = load_dataset(data_set)
    offset = data["comparator_offset"]
    data["comparator_offset"] = (offset.dims, offset.values.astype(str), offset.attrs)
    data.to_netcdf(tmp_path / "adc.nc", engine="h5netcdf")
    refused("fit", "adc.nc", says=("adc.nc", "text: comparator_offset"))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("-o", "adc.nc"), ("adc.nc", "'--output'", "over the data set")),
        (("--plot", "adc.nc"), ("adc.nc", "'--plot'", "over the data set")),
        (("-o", "adc.svg"), ("adc.svg", "one file")),
        (("-o", "a.json", "--plot", "a.json"), ("a.json", "'--plot'", "one file")),
        (("adc.nc",), ("adc.nc", "'DATASET'", "twice")),
        (("--at", "corner=TT", "--at", "corner=SS"), ("'--at'", "'corner'", "twice")),
        (("--compare", "-o", "a.json"), ("'--output'", "'a.json'", "writes nothing")),
    ],
)
def test_outputs_that_would_be_lost(
    refused: Refuse, tmp_path: Path, data_set: Path, arguments: tuple[str, ...], says: tuple[str, ...]
) -> None:
    shutil.copy(data_set, tmp_path / "adc.nc")
    refused("fit", "adc.nc", *arguments, says=says)


@pytest.mark.parametrize("arguments", [("fit", "."), ("lab", "."), ("export", ".", "--to", "spice")])
def test_a_folder_in_place_of_a_file(refused: Refuse, arguments: tuple[str, ...]) -> None:
    refused(*arguments, says=(".",))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"domain": {"v_read": [1, 0]}}, ("'domain'", "'v_read'")),
        ({"settings": {}}, ("'config'", "ramp_adc")),
        ({"block": "nope"}, ("'nope'", "unknown block")),
        ({"block": "macro"}, ("'macro'", "no behavioural model")),
        ({"form": "nope"}, ("'form'", "'nope'")),
    ],
)
@pytest.mark.parametrize("command", [("model",), ("export", "--to", "spice")])
def test_a_sealed_file_that_is_no_model_of_its_block(
    refused: Refuse, model_file: Path, change: dict[str, object], says: tuple[str, ...], command: tuple[str, ...]
) -> None:
    model_file.write_text(sealed({**json.loads(model_file.read_text()), **change}))
    refused(command[0], model_file.name, *command[1:], says=(model_file.name, *says))


@pytest.mark.parametrize("change", [{"parameters": {}}, {"domain": {}}])
def test_a_sealed_file_without_what_an_export_needs(
    refused: Refuse, model_file: Path, change: dict[str, object]
) -> None:
    model_file.write_text(sealed({**json.loads(model_file.read_text()), **change}))
    refused("export", model_file.name, "--to", "spice", says=(model_file.name, "ramp_adc"))


def test_lags_that_are_not_positive(refused: Refuse, model_file: Path) -> None:
    content = json.loads(model_file.read_text())
    for parameter in content["parameters"].values():
        parameter["value"] = -1.0 if isinstance(parameter["value"], float) else parameter["value"]
        parameter["interval"] = None
    model_file.write_text(sealed(content))
    refused("export", model_file.name, "--to", "spice", says=("positive",))


@pytest.mark.parametrize(
    "text", ['{"schema": "cosim.model/1", "x": 1e999}', "[" * 100_000, '{"schema": "cosim.model/1", "x": "\\ud800"}']
)
def test_json_that_cosim_never_writes(refused: Refuse, tmp_path: Path, text: str) -> None:
    (tmp_path / "adc.json").write_text(text)
    refused("model", "adc.json", says=("adc.json", "not JSON"))


@pytest.mark.parametrize(
    ("option", "says"),
    [
        ("chip=seed:-1", ("'chip'", "'seed:-1'", "nominal")),
        ("name=1a", ("'name'", "'1a'", "letters")),
        ("name=begin", ("'name'", "'begin'", "Verilog")),
    ],
)
def test_options_of_an_export(refused: Refuse, model_file: Path, option: str, says: tuple[str, ...]) -> None:
    refused("export", model_file.name, "--to", "systemverilog", "--set", option, says=says)


def test_an_option_that_is_given_twice(refused: Refuse, model_file: Path) -> None:
    options = ("--set", "chip=nominal", "--set", "chip=seed:1")
    refused("export", model_file.name, "--to", "spice", *options, says=("'--set'", "'chip'", "twice"))


RECIPE = """
schema = "cosim.recipes/1"
[models.adc]
block = "ramp_adc"
description = "two bits"
[[models.adc.data]]
settings = { bits = 2 }
"""


@pytest.mark.parametrize("content", ["{", None])
def test_a_model_from_before_is_read_before_any_work(refused: Refuse, tmp_path: Path, content: str | None) -> None:
    (tmp_path / "my.toml").write_text(RECIPE)
    (tmp_path / "old").mkdir()
    if content is None:
        (tmp_path / "old" / "adc.json").mkdir()
    else:
        (tmp_path / "old" / "adc.json").write_text(content)
    refused("regenerate", "--recipes", "my.toml", "--models", "old", "--check", says=("adc.json",))


def test_a_model_that_cannot_be_written_is_told_before_any_work(refused: Refuse, tmp_path: Path) -> None:
    (tmp_path / "my.toml").write_text(RECIPE)
    (tmp_path / "new" / "adc.json").mkdir(parents=True)
    refused("regenerate", "--recipes", "my.toml", "-o", "new", says=("adc.json", "folder"))


def test_a_list_of_recipes_that_are_not_there(refused: Refuse) -> None:
    refused("regenerate", "--list", "nope", says=("'nope'", "no recipe"))


@pytest.mark.parametrize("name", ["adc.toml", "adc_thresholds.csv", "adc_chips.csv"])
def test_measured_tables_are_not_written_over(refused: Refuse, tmp_path: Path, name: str) -> None:
    shutil.copytree(Path(__file__).parents[2] / "examples" / "lab", tmp_path, dirs_exist_ok=True)
    refused("lab", "adc.toml", "-o", name, says=(name, "'--output'", "write over"))


def test_settings_are_not_written_over(refused: Refuse, tmp_path: Path) -> None:
    (tmp_path / "adc.toml").write_text("bits = 3\n")
    refused(
        "characterise", "ramp_adc", "--config", "adc.toml", "-o", "adc.toml", says=("adc.toml", "over the settings")
    )
