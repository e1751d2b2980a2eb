"""A machine without ngspice, or with a library that is none."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import Refuse, contents


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
