"""`cosim crosscheck`: a gate of the shipped digits' LSTM through ngspice, its report and files, and what is refused."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cosim.tiles.model_error import load_model_error

pytestmark = pytest.mark.filterwarnings("ignore::cosim.blocks.domain.OutsideDomainWarning")

SMALL = ("--bits", "3", "--vectors", "1", "--chips", "1", "--examples", "6", "--accuracy-chips", "2",
         "--threshold-lines", "0", "--workers", "1")  # fmt: skip


def test_a_gate_in_ngspice(cosim, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    code, printed, _ = cosim(
        "crosscheck", "digits_lstm", "--layer", "lstm.l0.g", *SMALL, "-o", "report.json", "--error", "error.json",
        "--json",
    )  # fmt: skip
    assert code == 0
    report = json.loads(printed)
    assert report == json.loads(Path("report.json").read_text())
    assert report["conversions"] == 32
    assert report["equal"] >= 0.9
    assert report["largest"] <= 1
    assert [part["function"] for part in report["parts"]] == ["tanh"]
    assert (
        report["decks"]["run"] + report["decks"]["known"] == len(report["decks"]["keys"]) == 3
    )  # offsets, array, ramp
    accuracy = report["accuracy"]
    assert (accuracy["chips"], accuracy["examples"], accuracy["metric"]) == (2, 6, "accuracy")
    assert set(accuracy["injected"]) == {"layer", "network"}
    error = load_model_error("error.json")
    assert error.numbers == {name: accuracy["model_form_error"][name] for name in error.numbers}
    code, printed, _ = cosim("crosscheck", "digits_lstm", "--layer", "lstm.l0.g", *SMALL, "--decks", "decks")
    assert code == 0
    assert sorted(each.name for each in Path("decks").iterdir()) == [
        f"{key[:16]}.cir" for key in report["decks"]["keys"]
    ]
    assert "digits_lstm, lstm.l0.g: 1 vectors" in printed
    assert "0 simulated, 3 from the store of results" in printed


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("fsdd_lsmt", "--layer", "lstm"), ("no such network", "'fsdd_lstm'")),
        (("digits_lstm", "--layer", "lstm.l0.x"), ("no such layer, matrix or part", "lstm.l0.g")),
        (("none.safetensors", "--layer", "lstm"), ("none.safetensors", "no such file")),
        (("digits_lstm", "--layer", "lstm", "--tile", "128"), ("--tile", "INPUTSxOUTPUTS")),
        (("digits_lstm", "--layer", "lstm", "--bits", "99"), ("bits",)),
        (("digits_lstm", "--layer", "lstm", "--set", "compensatd=true"), ("compensatd", "'compensated'")),
        (("digits_lstm", "--layer", "lstm", "--set", "ad.bits=5"), ("ad.bits", "'adc'", "crossbar.NAME")),
        (("digits_lstm", "--layer", "lstm", "--set", "adc.pulse_widths=5"), ("pulse_widths", "graded")),
        (("digits_lstm", "--layer", "lstm", "--seed", "-1"), ("--seed", "negative")),
        (("digits_lstm", "--layer", "lstm", "-o", "."), ("cannot write here", "a folder")),
        (("digits_lstm", "--layer", "lstm", "--vectors", "1", "--chips", "2", "--examples", "5"), ("cannot be dealt",)),
    ],
)
def test_what_is_wrong_is_told_in_one_line(cosim, arguments: tuple[str, ...], says: tuple[str, ...]) -> None:  # type: ignore[no-untyped-def]
    code, _, error = cosim("crosscheck", *arguments)
    assert code == 2
    assert error.startswith("error: ")
    for each in says:
        assert each in error


def test_a_machine_without_ngspice(tmp_path: Path) -> None:
    script = (
        "import sys\nfrom cosim.spice import locate\nlocate.candidates = lambda *arguments: iter(())\n"
        "sys.argv = ['cosim', 'crosscheck', 'digits_lstm', '--layer', 'lstm']\nfrom cosim.cli import main\nmain()\n"
    )
    environment = {name: value for name, value in os.environ.items() if name != "NGSPICE_LIBRARY_PATH"}
    environment["PATH"] = str(tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("error: no ngspice was found on this machine; type: ")
