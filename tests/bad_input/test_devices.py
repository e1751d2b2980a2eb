"""Devices that are unknown, wrongly written, or too narrow for the converter."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from cosim.devices import load_device
from cosim.resources import device_folder

from .conftest import Refuse


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
