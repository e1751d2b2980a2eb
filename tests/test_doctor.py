"""`cosim doctor`: what it reports, and that each lack comes with its cure."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cosim import doctor
from cosim.errors import CosimError
from cosim.spice import library, locate


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder of the test's own, so that nothing kept from before answers."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("COSIM_CACHE", str(folder))
    return folder


def run_doctor(*options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "cosim.cli", "doctor", *options],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
    )


def whats_lacking(report: dict) -> str:
    return "\n".join(f"{lack['what']} -> {lack['cure']} ({lack['needed']})" for lack in report["lacks"])


def test_json_holds_what_machines_read() -> None:
    done = run_doctor("--json")
    report = json.loads(done.stdout)
    assert done.returncode == 0
    assert report["ready"] is True
    assert report["ngspice"]["version"] >= locate.OLDEST
    assert isinstance(report["ngspice"]["klu"], bool)
    assert report["ngspice"]["solves"] is True
    assert Path(report["ngspice"]["library"]).is_file()
    assert report["data"]["sets"]["digits"] is True


def test_text_for_people_says_the_same() -> None:
    done = run_doctor()
    assert done.returncode == 0
    assert "solves a resistor divider" in done.stdout
    assert "Ready for the main job" in done.stdout


def test_a_missing_library_is_a_lack_with_its_cure(tmp_path: Path) -> None:
    done = run_doctor("--json", NGSPICE_LIBRARY_PATH=str(tmp_path / "libngspice.so"))
    report = json.loads(done.stdout)
    assert done.returncode == 1
    assert report["ready"] is False
    assert report["ngspice"]["version"] is None
    assert report["lacks"][0]["cure"] == "unset NGSPICE_LIBRARY_PATH"


def test_a_file_that_is_no_library_is_a_lack_too(tmp_path: Path) -> None:
    (tmp_path / "libngspice.so").write_text("no library")
    done = run_doctor(NGSPICE_LIBRARY_PATH=str(tmp_path / "libngspice.so"))
    assert done.returncode == 1
    assert "cannot be used" in done.stdout
    assert "Traceback" not in done.stderr


def test_no_ngspice_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NGSPICE_LIBRARY_PATH", raising=False)
    monkeypatch.setattr(locate, "candidates", lambda: iter(()))
    monkeypatch.setattr(library, "find_program", lambda: None)
    report = doctor.examine()
    assert not report["ready"]
    assert "no ngspice was found" in whats_lacking(report)
    assert "make ngspice" in whats_lacking(report)


def test_an_old_one_without_klu_is_wanted_not_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    real = library.probe()
    old = library.Simulator(39, "39", False, real.library, None, None, False, "0" * 16)
    monkeypatch.setattr(library, "probe", lambda fresh=False: old)
    report = doctor.examine()
    assert report["ready"]
    assert "without KLU" in whats_lacking(report)


def test_a_wrong_answer_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "solve_divider", lambda path: 0.7501)
    report = doctor.examine()
    assert not report["ready"]
    assert "does not solve" in whats_lacking(report)


def test_an_unwritable_cache_is_needed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("COSIM_CACHE", str(tmp_path / "file" / "cache"))  # unwritable for root as well
    report = doctor.examine()
    assert report["cache"]["writable"] is False
    assert "export COSIM_CACHE=" in whats_lacking(report)
    assert not report["ready"]


def test_data_is_found_by_its_folders(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "UCI HAR Dataset").mkdir()
    (tmp_path / "simple-examples" / "data").mkdir(parents=True)
    monkeypatch.setenv("COSIM_DATA", str(tmp_path))
    sets = doctor.examine()["data"]["sets"]
    assert sets == {
        "digits": True,
        "cifar10": False,
        "har": True,
        "ptb": True,
        "fsdd": False,
        "devices": False,
    }
    monkeypatch.setenv("COSIM_DATA", str(tmp_path / "nowhere"))
    assert "COSIM_DATA names" in whats_lacking(doctor.examine())


def test_probe_is_kept_and_looks_again_when_the_file_changes(own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = library.probe()
    kept = json.loads((own_cache / "ngspice.json").read_text())
    assert kept["found"]["version"] == first.version

    looks = []
    real = library._look
    monkeypatch.setattr(library, "_look", lambda *paths: looks.append(paths) or real(*paths))
    assert library.probe() == first
    assert looks == []
    library.probe(fresh=True)
    assert len(looks) == 1
    kept["key"] = kept["key"].replace("|", "||")  # as after an upgrade: another time, another size
    (own_cache / "ngspice.json").write_text(json.dumps(kept))
    assert library.probe() == first
    assert len(looks) == 2
    (own_cache / "ngspice.json").write_text("{ broken")
    assert library.probe() == first


def test_start_up_files_of_the_user_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clean = library.probe(fresh=True)
    (tmp_path / ".spiceinit").write_text("echo read-by-ngspice\nset ngbehavior=psa\nunset klu\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert library.probe(fresh=True) == clean
    assert clean.library is not None
    assert "read-by-ngspice" not in "\n".join(locate.report(clean.library)["log"])


def test_a_wrong_variable_is_never_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NGSPICE_LIBRARY_PATH", "/no/such/libngspice.so")
    with pytest.raises(CosimError, match=r"NGSPICE_LIBRARY_PATH.*/no/such/libngspice\.so"):
        library.find_library()


def test_a_hanging_library_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    found = library.probe()
    assert found.library is not None
    assert "no answer" in locate.report(found.library, timeout=1e-3)["error"]
