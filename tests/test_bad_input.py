"""What a user can get wrong: one message that names the place and the cure, exit code 2, nothing written."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cosim import cli
from cosim.blocks import ramp_adc
from cosim.blocks.dataset import load_dataset, save_dataset
from cosim.blocks.ramp_adc.behaviour import load_model
from cosim.devices import load_device
from cosim.errors import CosimError
from cosim.provenance import sha256_of_json
from cosim.resources import device_folder
from cosim.spice import SimulatorPool

Refuse = Callable[..., str]
AS_ROOT = hasattr(os, "geteuid") and os.geteuid() == 0


def contents(folder: Path) -> dict[str, bytes]:
    """Name and content of everything below `folder`, hidden files too; folders count as empty."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else b"" for path in folder.rglob("*")
    }  # fmt: skip


@pytest.fixture
def refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, own_cache: Path
) -> Refuse:
    """Run a command that must fail, without any simulation; returns its message."""
    monkeypatch.chdir(tmp_path)

    def simulate(*arguments: object) -> None:
        raise AssertionError("a deck was simulated before the input was refused")

    monkeypatch.setattr(SimulatorPool, "_schedule", simulate)

    def run(*arguments: str, says: tuple[str, ...] = ()) -> str:
        before = contents(tmp_path)
        monkeypatch.setattr(sys, "argv", ["cosim", *arguments])
        with pytest.raises(SystemExit) as end:
            cli.main()
        out, err = capsys.readouterr()
        assert end.value.code == 2
        assert "Traceback" not in err
        assert contents(tmp_path) == before
        if "--json" in arguments:
            answer = json.loads(out)
            assert set(answer) == {"error"}
            assert err == f"error: {answer['error']['message']}\n"
        else:
            assert out == ""
        for text in says:
            assert text in err
        return err

    return run


@pytest.fixture(scope="module")
def data_set(tmp_path_factory: pytest.TempPathFactory, own_cache: Path) -> Path:
    """Four chips of two bits."""
    with SimulatorPool(2) as pool:
        data = ramp_adc.characterise(ramp_adc.Config(bits=2), chips=4, v_reads=(0.2,), pool=pool, show_progress=False)
    return save_dataset(data, tmp_path_factory.mktemp("data") / "adc.nc")


@pytest.fixture
def model_file(data_set: Path, tmp_path: Path) -> Path:
    ramp_adc.fit(load_dataset(data_set)).save(tmp_path / "adc.json")
    return tmp_path / "adc.json"


def sealed(content: dict[str, Any]) -> str:
    """A model file's text with a checksum that fits."""
    rest = {name: value for name, value in content.items() if name != "sha256"}
    return json.dumps({**rest, "sha256": sha256_of_json(rest)})


# --- blocks and their settings


def test_unknown_block(refused: Refuse) -> None:
    refused("characterise", "ramp_dac", says=("'ramp_dac'", "Did you mean 'ramp_adc'?", "crossbar"))


def test_no_block(refused: Refuse) -> None:
    refused("characterise", says=("BLOCK", "ramp_adc", "crossbar"))


def test_unknown_function(refused: Refuse) -> None:
    refused(
        "characterise", "ramp_adc", "--function", "sigmod",
        says=("'function'", "'sigmod'", "Did you mean 'sigmoid'?", "sigmoid, tanh, linear"),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (("--function", "expr: exp(-x"), ("'function'", "not an expression")),
        (("--function", "expr: __import__('os')", "--set", "x_range=[-1, 1]"), ("'function'", "__import__", "sigmoid")),
        (("--function", "expr: x**99", "--set", "x_range=[-1, 1]"), ("'function'", "plain number", "64")),
        (("--function", "expr: tanh(x)"), ("'x_range'", "needs the range", "[-4, 4]")),
        (("--function", "expr: log(x)", "--set", "x_range=[-1, 1]"), ("'x_range'", "finite", "x = -1")),
        (("--function", "expr: 3", "--set", "x_range=[-1, 1]"), ("'function'", "constant")),
        (("--set", "x_range=[1, -1]"), ("'x_range'", "no range")),
        (("--function", "table: nowhere.csv"), ("nowhere.csv", "No such file")),
    ],
)
def test_a_function_that_is_none(refused: Refuse, settings: tuple[str, ...], says: tuple[str, ...]) -> None:
    refused("characterise", "ramp_adc", *settings, says=says)


@pytest.mark.parametrize("bits", ["1", "9", "-3"])
def test_bits_out_of_range(refused: Refuse, bits: str) -> None:
    refused("characterise", "ramp_adc", "--bits", bits, says=("'bits'", f"value {bits}", "2 to 8"))


def test_a_conductance_that_the_device_cannot_hold(refused: Refuse, tmp_path: Path) -> None:
    folder = tmp_path / "narrow"
    shutil.copytree(device_folder("taox_1t1r"), folder)
    parameters = folder / "parameters.toml"
    text = parameters.read_text()
    assert text.count('value = "1 uS"') == 1
    parameters.write_text(text.replace('value = "1 uS"', 'value = "30 uS"'))
    refused(
        "characterise", "ramp_adc", "--set", f"device={folder}", "--set", "pulse_widths=equal",
        says=("conductance", "5-bit sigmoid", "cannot hold", str(folder), "value '2", "30 to 150 µS"),
    )  # fmt: skip


def test_unknown_device(refused: Refuse) -> None:
    refused("characterise", "ramp_adc", "--set", "device=taox", says=("'taox'", "no such device", "taox_1t1r"))


def test_unknown_comparator(refused: Refuse) -> None:
    refused("characterise", "ramp_adc", "--set", "comparator=mine", says=("'mine'", "comparator_two_stage"))
    refused(
        "characterise", "ramp_adc", "--set", "comparator=mine.cir", says=("mine.cir", "'comparator'", "No such file")
    )


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ("c_fbb=4 pF", ("'c_fbb'", "unknown key", "Did you mean 'c_fb'?")),
        ("c_fb=4 pV", ("'c_fb'", "'4 pV'", "another dimension", "'F'")),
        ("c_fb=4 pf?", ("'c_fb'", "not a unit")),
        ("c_fb=nan", ("'c_fb'", "nan", "10 fF to 1 nF")),
        ("c_fb=1 F", ("'c_fb'", "out of range", "10 fF to 1 nF")),
        ("ramp=straight", ("'ramp'", "'straight'", "'column'", "'fixed'")),
        ("bits=5.5", ("'bits'", "5.5")),
        ("bits=many", ("'bits'", "'many'")),
        ("c_fb", ("--set", "'c_fb'", "name=value")),
        ("=4 pF", ("--set", "name=value")),
    ],
)
def test_a_wrong_setting(refused: Refuse, setting: str, says: tuple[str, ...]) -> None:
    refused("characterise", "ramp_adc", "--set", setting, says=says)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('c_fbb = "4 pF"', ("'c_fbb'", "unknown key", "Did you mean 'c_fb'?", "c_bitline")),
        ("c_fb = 4e-12", ("'c_fb'", "the unit is missing", "4e-12 F")),
        ('c_fb = "4"', ("'c_fb'", "the unit is missing")),
        ('c_fb = "4 pV"', ("'c_fb'", "another dimension")),
        ("c_fb = nan", ("'c_fb'", "10 fF to 1 nF")),
        ('v_read = "2 V"', ("'v_read'", "out of range", "500 mV")),
        ("bits = 12", ("'bits'", "12", "2 to 8")),
        ("bits = true", ("'bits'",)),
        ("bits = 5\nbits = 6", ("not valid TOML",)),
        ("bits = ", ("not valid TOML",)),
        ("[bits]\nvalue = 5", ("'bits'",)),
        ('bits = 9\nc_fb = "1 F"', ("2 values are wrong", "'bits'", "'c_fb'")),
    ],
)
def test_a_wrong_file_of_settings(refused: Refuse, tmp_path: Path, text: str, says: tuple[str, ...]) -> None:
    (tmp_path / "adc.toml").write_text(text + "\n")
    refused("characterise", "ramp_adc", "--config", "adc.toml", says=("adc.toml", *says))


@pytest.mark.parametrize("what", ["missing", "folder", "binary"])
def test_a_file_of_settings_that_cannot_be_read(refused: Refuse, tmp_path: Path, what: str) -> None:
    path = tmp_path / "adc.toml"
    if what == "folder":
        path.mkdir()
    elif what == "binary":
        path.write_bytes(b"\x89HDF\xff\x00")
    refused("characterise", "ramp_adc", "--config", "adc.toml", says=("adc.toml",))


@pytest.mark.parametrize(
    ("sweep", "says"),
    [
        ("chip=4", ("--sweep", "'chip'", "Did you mean 'chips'?", "v_reads")),
        ("seed=4", ("--sweep", "'seed'", "chips")),
        ("chips=4.5", ("--sweep chips", "4.5", "a whole number")),
        ("chips=[4]", ("--sweep chips", "a whole number")),
        ("chips=many", ("--sweep chips", "'many'", "a whole number")),
        ("chips=true", ("--sweep chips", "a whole number")),
        ("chips=0", ("'chips'", "1 or more")),
        ("v_reads=0.2", ("--sweep v_reads", "a list of numbers")),
        ('v_reads=["0.2"]', ("--sweep v_reads", "a list of numbers")),
        ("v_reads=[nan]", ("--sweep v_reads", "a list of numbers")),
        ("chips", ("--sweep", "name=value")),
    ],
)
def test_a_wrong_sweep(refused: Refuse, sweep: str, says: tuple[str, ...]) -> None:
    refused("characterise", "ramp_adc", "--sweep", sweep, says=says)


@pytest.mark.parametrize("block", ["ramp_adc", "crossbar"])
def test_a_negative_seed(refused: Refuse, block: str) -> None:
    refused("characterise", block, "--seed", "-1", says=("--seed", "-1", "0 or more"))


def test_the_error_as_json(refused: Refuse, tmp_path: Path) -> None:
    (tmp_path / "adc.toml").write_text("bits = 12\n")
    refused("characterise", "ramp_adc", "--config", "adc.toml", "--json", says=("adc.toml", "12"))


# --- the simulator


def test_a_wrong_path_of_the_library(refused: Refuse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NGSPICE_LIBRARY_PATH", "/nowhere/libngspice.so")
    for command in (["characterise", "ramp_adc"], ["demo"]):
        refused(*command, says=("NGSPICE_LIBRARY_PATH", "/nowhere/libngspice.so", "no such file", "unset"))


def test_a_library_that_is_none(refused: Refuse, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fake = tmp_path / "libngspice.so"
    fake.write_text("not a library\n")
    monkeypatch.setenv("NGSPICE_LIBRARY_PATH", str(fake))
    refused("characterise", "ramp_adc", says=(str(fake), "cannot be used", "unset NGSPICE_LIBRARY_PATH"))


@pytest.mark.parametrize("command", [["characterise", "ramp_adc", "-o", "new/adc.nc"], ["demo", "-o", "new"]])
def test_a_machine_without_ngspice(tmp_path: Path, command: list[str]) -> None:
    """A process that finds no library and no program; the message has the command that brings one."""
    script = (
        "import sys\n"
        "from cosim.spice import locate\n"
        "locate.candidates = lambda *arguments: iter(())\n"
        f"sys.argv = ['cosim', *{command!r}]\n"
        "from cosim.cli import main\n"
        "main()\n"
    )
    environment = {name: value for name, value in os.environ.items() if name != "NGSPICE_LIBRARY_PATH"}
    environment["PATH"] = str(tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("error: no ngspice was found on this machine; type: ")
    assert done.stderr.count("\n") == 1
    assert contents(tmp_path) == {}


# --- where nothing can be written


UNWRITABLE = [
    ("folder", "this is a folder"),
    ("file/adc.nc", "'file' is a file"),
    ("file/deeper/adc.nc", "'file' is a file"),
    (".", "this is a folder"),
]


@pytest.mark.parametrize(("output", "says"), UNWRITABLE)
def test_a_data_set_that_cannot_be_written(refused: Refuse, tmp_path: Path, output: str, says: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("kept")
    refused("characterise", "ramp_adc", "--bits", "2", "-o", output, says=(f"error: {output}:", "--output", says))


@pytest.mark.parametrize(("output", "says"), UNWRITABLE)
def test_a_model_that_cannot_be_written(
    refused: Refuse, tmp_path: Path, data_set: Path, output: str, says: str
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("kept")
    refused("fit", str(data_set), "-o", output, says=(f"error: {output}:", "--output", says))


@pytest.mark.parametrize("output", ["file", "file/deeper"])
def test_a_demo_that_cannot_write_stops_before_it_simulates(refused: Refuse, tmp_path: Path, output: str) -> None:
    (tmp_path / "file").write_text("kept")
    refused("demo", "-o", output, says=(f"error: {output}:", "'file' is a file"))


@pytest.mark.skipif(AS_ROOT, reason="root may write everywhere")
@pytest.mark.parametrize("command", [["characterise", "ramp_adc", "-o", "sealed/adc.nc"], ["demo", "-o", "sealed/x"]])
def test_a_folder_without_permission(refused: Refuse, tmp_path: Path, command: list[str]) -> None:
    (tmp_path / "sealed").mkdir(mode=0o500)
    refused(*command, says=("sealed", "Permission denied"))


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="no folder here that nobody may write into")
@pytest.mark.parametrize("command", [["characterise", "ramp_adc", "-o", "/proc/cosim/x.nc"], ["demo", "-o", "/proc/x"]])
def test_a_folder_that_not_even_root_may_write(refused: Refuse, command: list[str]) -> None:
    refused(*command, says=("/proc/", "--output", "cannot write here"))


# --- data sets


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda path: None, "no such data set"),
        (lambda path: path.mkdir(), "no such data set"),
        (lambda path: path.write_text("chip,threshold\n1,0.2\n"), "not a NetCDF file"),
        (lambda path: path.write_bytes(b"\x89HDF\r\n\x1a\n" + b"\x00" * 64), "not a NetCDF file"),
    ],
)
def test_a_data_set_that_is_none(refused: Refuse, tmp_path: Path, make: Callable[[Path], object], says: str) -> None:
    make(tmp_path / "adc.nc")
    refused("fit", "adc.nc", says=("adc.nc", says))


def test_a_data_set_of_another_schema(refused: Refuse, tmp_path: Path, data_set: Path) -> None:
    data = load_dataset(data_set)
    for schema in ("cosim.dataset/2", "something else"):
        data.attrs["schema"] = schema
        data.to_netcdf(tmp_path / "adc.nc", engine="h5netcdf")
        refused("fit", "adc.nc", says=("adc.nc", "'schema'", schema, "cosim.dataset/1"))


def test_a_data_set_of_an_unknown_block(refused: Refuse, tmp_path: Path, data_set: Path) -> None:
    data = load_dataset(data_set)
    data.attrs["block"] = "ramp_dac"
    data.to_netcdf(tmp_path / "adc.nc", engine="h5netcdf")
    refused("fit", "adc.nc", says=("adc.nc", "'ramp_dac'", "Did you mean 'ramp_adc'?"))


def test_a_data_set_of_another_block(data_set: Path) -> None:
    with pytest.raises(CosimError, match="another block") as caught:
        load_dataset(data_set, "crossbar")
    assert (caught.value.file, caught.value.value, caught.value.allowed) == (str(data_set), "ramp_adc", "crossbar")


def test_too_few_chips_for_a_fit(refused: Refuse, tmp_path: Path, data_set: Path) -> None:
    data = load_dataset(data_set)
    save_dataset(data.isel(sample=data["chip"].values < 2), tmp_path / "adc.nc")
    refused("fit", "adc.nc", says=("adc.nc", "'chips'", "value 2", "4 or more"))


def test_failed_points_are_not_passed_over(refused: Refuse, tmp_path: Path, data_set: Path) -> None:
    data = load_dataset(data_set)
    data["status"].values[2] = 1
    save_dataset(data, tmp_path / "adc.nc")
    refused("fit", "adc.nc", says=("adc.nc", "1 of 5 samples", "--allow-failed"))


def test_a_truncated_data_set(refused: Refuse, tmp_path: Path, data_set: Path) -> None:
    content = data_set.read_bytes()
    (tmp_path / "adc.nc").write_bytes(content[: len(content) // 2])
    refused("fit", "adc.nc", says=("adc.nc", "not a NetCDF file"))


# --- model files


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"schema": "something/1"}, ("'schema'", "'something/1'", "cosim.model/1")),
        ({"schema": "cosim.model/2"}, ("'schema'", "'cosim.model/2'", "another version", "cosim.model/1")),
        ({"sha256": "0" * 64}, ("'sha256'", "checksum", "changed or damaged")),
        ({"block": "crossbar"}, ("checksum",)),
    ],
)
def test_a_model_file_that_was_changed(
    refused: Refuse, model_file: Path, change: dict[str, Any], says: tuple[str, ...]
) -> None:
    model_file.write_text(json.dumps({**json.loads(model_file.read_text()), **change}))
    refused("model", model_file.name, says=(model_file.name, *says))


def test_one_digit_of_a_parameter_breaks_the_checksum(refused: Refuse, model_file: Path) -> None:
    content = json.loads(model_file.read_text())
    content["parameters"]["l0"]["value"] *= 1.001
    model_file.write_text(json.dumps(content))
    refused("model", model_file.name, says=("checksum",))


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"schema": ', '{"parameters": {}}', "NaN"])
def test_a_file_that_is_no_model(refused: Refuse, tmp_path: Path, text: str) -> None:
    (tmp_path / "adc.json").write_text(text)
    refused("model", "adc.json", says=("adc.json",))


def test_a_truncated_model_file(refused: Refuse, model_file: Path) -> None:
    model_file.write_text(model_file.read_text()[:1000])
    refused("model", model_file.name, says=(model_file.name, "not JSON"))


def test_a_model_file_without_a_part(refused: Refuse, model_file: Path) -> None:
    content = json.loads(model_file.read_text())
    del content["error"]
    model_file.write_text(sealed(content))
    refused("model", model_file.name, says=(model_file.name, "'error'", "required"))


def test_a_model_of_another_block(model_file: Path) -> None:
    model_file.write_text(sealed({**json.loads(model_file.read_text()), "block": "crossbar"}))
    with pytest.raises(CosimError, match="another block") as caught:
        load_model(model_file)
    assert (caught.value.file, caught.value.value, caught.value.allowed) == (str(model_file), "crossbar", "ramp_adc")


@pytest.mark.parametrize("what", ["missing", "folder", "binary"])
def test_a_model_file_that_cannot_be_read(refused: Refuse, tmp_path: Path, what: str) -> None:
    path = tmp_path / "adc.json"
    if what == "folder":
        path.mkdir()
    elif what == "binary":
        path.write_bytes(b"\x89HDF\xff\x00")
    refused("model", "adc.json", says=("adc.json",))


# --- training, demo


def test_unknown_network(refused: Refuse) -> None:
    refused("train", "digit_lstm", says=("'digit_lstm'", "Did you mean 'digits_lstm'?"))


def test_training_without_pytorch_says_how_to_get_it(refused: Refuse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    refused("train", "digits_lstm", says=("PyTorch", "pip install"))


@pytest.mark.parametrize("options", [["--seed", "-1"], ["--images", "0"], ["--chips", "1"], ["--spice-chips", "3"]])
def test_a_demo_of_an_impossible_size(refused: Refuse, options: list[str]) -> None:
    refused("demo", *options, says=(options[0],))


# --- device files


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        ('value = "150 uS"', 'value = "150 uF"', ("g_max.value", "another dimension")),
        ('value = "150 uS"', "value = 150", ("g_max.value", "unit is missing")),
        ('value = "150 uS"', 'value = "900 uS"', ("g_max.value", "outside the range", "400 µS")),
        ("[g_max]", "[g_maxx]", ("g_maxx", "unknown key", "Did you mean 'g_max'?")),
        ('schema = "cosim.device/1"', 'schema = "cosim.device/7"', ("schema", "cosim.device/7", "cosim.device/1")),
    ],
)
def test_a_wrong_device(refused: Refuse, tmp_path: Path, before: str, after: str, says: tuple[str, ...]) -> None:
    folder = tmp_path / "mine"
    shutil.copytree(device_folder("taox_1t1r"), folder)
    path = folder / "parameters.toml"
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after, 1))
    refused("characterise", "ramp_adc", "--set", f"device={folder}", says=(str(path), *says))


def test_a_copied_device_is_the_same_device(tmp_path: Path) -> None:
    """So that the refusals above come from the change and not from the copy."""
    shutil.copytree(device_folder("taox_1t1r"), tmp_path / "mine")
    assert load_device(tmp_path / "mine") == load_device("taox_1t1r")
    assert np.isfinite(load_device(tmp_path / "mine").g_max)
