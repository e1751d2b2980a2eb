"""Places where nothing can be written are refused before anything is simulated."""

import os
from pathlib import Path

import pytest

from .conftest import Refuse

AS_ROOT = hasattr(os, "geteuid") and os.geteuid() == 0

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
