"""Settings of a block that it cannot take, from the command line and from a file."""

from pathlib import Path

import pytest

from .conftest import Refuse


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
