"""Names and numbers on the command line that are none: blocks, sweeps, seeds, networks, sizes of the demo."""

import sys
from pathlib import Path

import pytest

from .conftest import Refuse


def test_unknown_block(refused: Refuse) -> None:
    refused("characterise", "ramp_dac", says=("'ramp_dac'", "Did you mean 'ramp_adc'?", "crossbar"))


def test_no_block(refused: Refuse) -> None:
    refused("characterise", says=("BLOCK", "ramp_adc", "crossbar"))


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


def test_unknown_network(refused: Refuse) -> None:
    refused("train", "digit_lstm", says=("'digit_lstm'", "Did you mean 'digits_lstm'?"))


def test_training_without_pytorch_says_how_to_get_it(refused: Refuse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    refused("train", "digits_lstm", says=("PyTorch", "pip install"))


@pytest.mark.parametrize("options", [["--seed", "-1"], ["--images", "0"], ["--chips", "1"], ["--spice-chips", "3"]])
def test_a_demo_of_an_impossible_size(refused: Refuse, options: list[str]) -> None:
    refused("demo", *options, says=(options[0],))
