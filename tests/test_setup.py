"""Set-up: which ngspice is taken, and what a machine that cannot go on is told."""

import importlib.util
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from cosim.spice import library, locate

ROOT = Path(__file__).parent.parent


@pytest.fixture
def get_ngspice(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """tools/get_ngspice.py as a module, on a machine where nothing is found."""
    monkeypatch.delenv("NGSPICE_LIBRARY_PATH", raising=False)
    spec = importlib.util.spec_from_file_location("get_ngspice", ROOT / "tools" / "get_ngspice.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module.locate, "candidates", lambda: iter(()))
    return module


def pretend(tool: ModuleType, monkeypatch: pytest.MonkeyPatch, found: dict[str, int]) -> None:
    """Let the tool find libraries: path -> version."""

    def report(path: Path) -> dict[str, Any]:
        version = found[str(path)]
        return {"version": version, "version_text": str(version), "klu": version >= 42, "divider": 0.75}

    monkeypatch.setattr(tool.locate, "candidates", lambda: map(Path, found))
    monkeypatch.setattr(tool.locate, "report", report)


def test_a_good_one_is_taken_as_it_is(get_ngspice: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(get_ngspice, monkeypatch, {"/old/libngspice.so": 39, "/new/libngspice.so": 44})
    monkeypatch.setattr(get_ngspice, "drop_unpacked_unless", lambda path: None)
    assert get_ngspice.see_to_it() == "version 44, solver KLU, /new/libngspice.so"


def test_an_old_one_will_do_where_no_better_can_be_had(
    get_ngspice: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pretend(get_ngspice, monkeypatch, {"/old/libngspice.so": 39})

    def offline(at_least: int) -> str:
        assert at_least == 42
        raise get_ngspice.SetupError("apt could not read the package lists")

    monkeypatch.setattr(get_ngspice, "unpack_from_distribution", offline)
    monkeypatch.setattr(shutil, "which", lambda name: name)
    monkeypatch.setattr(sys, "platform", "linux")
    text = get_ngspice.see_to_it()
    assert "/old/libngspice.so" in text and "notice: older than 42" in text
    assert "a newer one could not be had" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("platform", "cure"), [("darwin", "brew install libngspice"), ("linux", "conda install -c conda-forge")]
)
def test_elsewhere_the_command_is_named(
    get_ngspice: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    platform: str,
    cure: str,
) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert get_ngspice.main() == 1
    assert cure in capsys.readouterr().err


def test_the_users_choice_is_never_passed_over(
    get_ngspice: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("NGSPICE_LIBRARY_PATH", str(tmp_path / "libngspice.so"))
    assert get_ngspice.main() == 1
    assert "NGSPICE_LIBRARY_PATH" in capsys.readouterr().err
    (tmp_path / "libngspice.so").write_text("no library")
    assert get_ngspice.main() == 1
    assert "no usable libngspice" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("offered", "taken"),
    [
        # Debian 12: its own is old, its backports are not
        ([("46+ds-1~bpo12+1", "bookworm-backports"), ("39.3+ds-1", "bookworm")], "46+ds-1~bpo12+1"),
        # Debian 13 with a newer backport: its own is good enough
        ([("46+ds-1~bpo13+1", "trixie-backports"), ("44.2+ds-1", "trixie")], "44.2+ds-1"),
        # Ubuntu 24.04
        ([("42+ds-3build1", "noble")], "42+ds-3build1"),
        # no backports to be had
        ([("39.3+ds-1", "bookworm")], "39.3+ds-1"),
    ],
)
def test_version_taken(get_ngspice: ModuleType, offered: list[tuple[str, str]], taken: str) -> None:
    assert get_ngspice.choose(offered) == taken


@pytest.mark.parametrize(
    ("stderr", "reason"),
    [
        ("W: Failed to fetch\nE: no release file\n", "no release file"),
        ("W: Failed to fetch\n", "Failed to fetch"),
        ("", "exit code 0"),
    ],
)
def test_apts_own_reason_is_told(get_ngspice: ModuleType, stderr: str, reason: str) -> None:
    assert get_ngspice.last_error(subprocess.CompletedProcess([], 0, "", stderr)) == reason


@pytest.mark.parametrize("offered", [[], [("36+ds-1ubuntu0.1", "jammy")]])
def test_a_version_that_was_never_tried_is_not_taken(get_ngspice: ModuleType, offered: list) -> None:
    with pytest.raises(get_ngspice.SetupError, match=r"39 or newer.*conda"):
        get_ngspice.choose(offered)


def test_sources_are_the_distributions_own(get_ngspice: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    listing = "\n".join(
        [
            "Packages|http://mirror.example/debian/|bookworm|main|$(SIGNED_BY)",
            "Translations|http://mirror.example/debian/|bookworm|main|$(SIGNED_BY)",
            "Packages|http://mirror.example/debian/|bookworm|main|$(SIGNED_BY)",
            "Packages|http://mirror.example/security/|bookworm-security|main|/keys/security.gpg",
            "Packages|http://other.example/apt/|nodistro|main|$(SIGNED_BY)",
            "Packages|http://mirror.example/debian/|bookworm|non-free|$(SIGNED_BY)",
        ]
    )
    monkeypatch.setattr(get_ngspice, "run", lambda command, *rest: subprocess.CompletedProcess(command, 0, listing, ""))
    monkeypatch.setattr(get_ngspice, "os_release", lambda: {"VERSION_CODENAME": "bookworm", "ID": "none-such"})
    assert get_ngspice.source_lines() == [
        "deb http://mirror.example/debian/ bookworm main",
        "deb http://mirror.example/debian/ bookworm-backports main",
        "deb [signed-by=/keys/security.gpg] http://mirror.example/security/ bookworm-security main",
    ]
    monkeypatch.setattr(get_ngspice, "os_release", lambda: {"VERSION_CODENAME": "trixie"})
    with pytest.raises(get_ngspice.SetupError, match="no source of this distribution"):
        get_ngspice.source_lines()


def test_the_unpacked_copy_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in ("ngspice/usr/lib/x86_64-linux-gnu", "lib"):
        (tmp_path / folder).mkdir(parents=True)
    ours = tmp_path / "ngspice/usr/lib/x86_64-linux-gnu/libngspice.so.0"
    other = tmp_path / "lib/libngspice.so"
    ours.write_text("")
    other.write_text("")
    assert list(locate.candidates(tmp_path))[:2] == [ours, other]
    monkeypatch.setenv("NGSPICE_LIBRARY_PATH", str(other))
    assert library.find_library() == other


needs_make = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


def make(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    shutil.copy(ROOT / "Makefile", folder)
    shutil.copy(ROOT / "pyproject.toml", folder)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    return subprocess.run(["make", *arguments], cwd=folder, env=environment, capture_output=True, text=True)


def fake_python(folder: Path, script: str) -> Path:
    path = folder / "fake-python"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


@needs_make
@pytest.mark.parametrize(
    ("script", "message"),
    [
        ('case "$*" in *version_info*) exit 1;; --version) echo Python 3.10.1;; esac', "3.10.1 is too old"),
        ('case "$*" in *ensurepip*) exit 1;; esac', "apt install python3-venv"),
    ],
)
def test_a_python_that_will_not_do_is_refused(tmp_path: Path, script: str, message: str) -> None:
    done = make(tmp_path, "setup", f"PYTHON={fake_python(tmp_path, script)}")
    assert done.returncode != 0
    assert done.stderr.count("error:") == 1
    assert message in done.stderr
    assert not (tmp_path / ".venv").exists()


@needs_make
def test_a_python_that_is_not_there_is_named(tmp_path: Path) -> None:
    done = make(tmp_path, "demo", "PYTHON=python-none-such")
    assert "no 'python-none-such' here" in done.stderr


@needs_make
def test_help_lists_the_targets(tmp_path: Path) -> None:
    done = make(tmp_path)
    for target in ("demo", "test", "test-all", "lint", "types", "bench", "setup", "clean"):
        assert f"make {target} " in done.stdout


@needs_make
def test_an_environment_that_was_moved_is_made_anew(tmp_path: Path) -> None:
    stamp = tmp_path / ".venv" / "stamps" / "venv"
    stamp.parent.mkdir(parents=True)
    stamp.write_text(f"{tmp_path}\n")
    assert "-m venv" not in make(tmp_path, "-n", "setup").stdout
    stamp.write_text("/some/other/place\n")
    assert "-m venv" in make(tmp_path, "-n", "setup").stdout
