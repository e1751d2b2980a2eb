"""The command line: what it costs to start, and how it ends."""

import json
import subprocess
import sys

import pytest

from cosim import cli, doctor
from cosim.errors import CosimError, did_you_mean

HEAVY = {"torch", "PySpice", "matplotlib", "numba", "scipy", "xarray", "pandas", "numpy", "sklearn", "h5py"}


def modules_after(code: str) -> set[str]:
    """Top-level names of the modules that a fresh Python holds after running `code`."""
    script = f"{code}\nimport sys\nprint('\\n'.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return {line.split(".")[0] for line in done.stdout.splitlines()}


def cosim(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "cosim.cli", *arguments], capture_output=True, text=True)


@pytest.mark.parametrize("code", ["import cosim", "import cosim.cli", "import cosim.errors"])
def test_importing_is_cheap(code: str) -> None:
    assert not modules_after(code) & HEAVY


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys\nsys.argv = ['cosim', '--help']\nfrom cosim.cli import main\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code"
    )
    assert not modules_after(code) & HEAVY


def test_help_names_every_command() -> None:
    done = cosim("--help")
    assert done.returncode == 0
    assert {"doctor", "version"} <= set(done.stdout.split())


@pytest.mark.parametrize("argument", ["version", "--version"])
def test_version(argument: str) -> None:
    import cosim as package

    done = cosim(argument)
    assert (done.returncode, done.stdout) == (0, f"cosim {package.__version__}\n")


@pytest.mark.parametrize("arguments", [["no-such-command"], ["doctor", "--no-such-option"]])
def test_what_it_does_not_know_ends_with_2(arguments: list[str]) -> None:
    done = cosim(*arguments)
    assert done.returncode == 2
    assert arguments[-1] in done.stderr
    assert "Traceback" not in done.stderr


def run_main(monkeypatch: pytest.MonkeyPatch, error: BaseException, *options: str) -> int:
    """Run `cosim doctor` with an examination that raises; returns the exit code."""

    def fail() -> None:
        raise error

    monkeypatch.setattr(doctor, "examine", fail)
    monkeypatch.setattr(sys, "argv", ["cosim", "doctor", *options])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert isinstance(end.value.code, int)
    return end.value.code


def test_an_error_is_one_message_and_code_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    error = CosimError("too many bits", file="study.toml", key="bits", value=12, allowed="2 to 8")
    assert run_main(monkeypatch, error) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "error: study.toml: key 'bits': value 12: too many bits. Allowed: 2 to 8.\n"


def test_an_error_with_json_is_an_object_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    error = CosimError("too many bits", key="bits", value=12, allowed=[2, 8])
    assert run_main(monkeypatch, error, "--json") == 2
    out, err = capsys.readouterr()
    assert err.startswith("error: ")
    assert json.loads(out) == {
        "error": {
            "kind": "CosimError",
            "message": "key 'bits': value 12: too many bits. Allowed: 2, 8.",
            "key": "bits",
            "value": 12,
            "allowed": [2, 8],
        }
    }


def test_an_interrupt_ends_with_130(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run_main(monkeypatch, KeyboardInterrupt()) == 130


def test_an_error_survives_the_way_home_from_a_worker() -> None:
    import pickle

    error = CosimError("too many bits", file="study.toml", key="bits", value=12, allowed="2 to 8")
    back = pickle.loads(pickle.dumps(error))
    assert str(back) == str(error)
    assert back.__dict__ == error.__dict__


def test_a_long_value_does_not_bury_the_message() -> None:
    text = str(CosimError("must be a number", key="bits", value="x" * 1000))
    assert len(text) < 150
    assert text.endswith("must be a number")


def test_did_you_mean() -> None:
    assert did_you_mean("sigmod", ["sigmoid", "tanh"]) == " Did you mean 'sigmoid'?"
    assert did_you_mean("relu", ["sigmoid", "tanh"]) == ""
    text = str(CosimError("no such function." + did_you_mean("sigmod", ["sigmoid"]), allowed=["sigmoid", "tanh"]))
    assert text == "no such function. Did you mean 'sigmoid'? Allowed: sigmoid, tanh."
