"""`cosim export`: which languages a block offers, what the header says, and a file that is whole or not there."""

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from cosim.blocks.exports import LANGUAGES, exporter_of, languages_of
from cosim.blocks.hdl import normal_numbers, real
from cosim.blocks.model import load_model_file
from cosim.blocks.ramp_adc.behaviour import RampAdcModel
from cosim.blocks.registry import block_names, get_block
from cosim.errors import CosimError

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def model_file(adc: RampAdcModel, tmp_path: Path) -> Path:
    adc.save(tmp_path / "adc.json")
    return tmp_path / "adc.json"


def test_every_place_that_a_block_names_is_there() -> None:
    """Every block with a model says how it is written as SPICE, and every function it names can be had."""
    offered = {}
    for name in block_names():
        block = get_block(name)
        assert set(getattr(block, "EXPORTS", {})) <= set(LANGUAGES)
        offered[name] = languages_of(block)
        assert all(callable(exporter_of(block, language)) for language in offered[name])
    assert offered["ramp_adc"] == offered["comparator"] == ["spice", "systemverilog", "verilog_a"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_header_says_what_the_model_is(language: str, model_file: Path, cosim: Run) -> None:
    code, out, _ = cosim("export", "adc.json", "--to", language, "--set", "chip=seed:2", "--json")
    answer = json.loads(out)
    assert code == 0 and answer["file"] == "adc" + LANGUAGES[language].suffix
    text = (model_file.parent / answer["file"]).read_text()
    file = load_model_file(model_file, "ramp_adc")
    header = text[: re.search(r"^[^*/\n]", text, re.MULTILINE).start()]  # type: ignore[union-attr]
    header = " ".join(header.replace(LANGUAGES[language].comment, " ").split())
    error = file.error
    for said in (
        file.sha256, "block ramp_adc", f"cosim export adc.json --to {language} --set chip=seed:2",
        f"{error.rms:.3g} LSB rms", f"on {error.points} points", error.held_out, "v_read: 0.2 .. 0.2",
        f"offset_sigma = {file.value('offset_sigma')!r} V", "decks_sha256", "its user's own", "drawn with seed 2",
    ):  # fmt: skip
        assert said in header
    assert str(model_file.parent) not in text  # whose machine it was made on is nobody's business


def test_the_same_command_writes_the_same_file(model_file: Path, cosim: Run) -> None:
    texts = []
    for output in ("first.cir", "second.cir"):
        assert cosim("export", "adc.json", "--to", "spice", "-o", output, "--set", "chip=seed:2")[0] == 0
        texts.append((model_file.parent / output).read_text())
    assert texts[0] == texts[1]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--to", "vhdl"), ("vhdl", "spice, systemverilog, verilog_a")),
        (("--to", "spice", "--set", "chips=2"), ("chips", "columns", "v_read")),
        (("--to", "spice", "--set", "chip=3"), ("chip",)),
        (("--to", "spice", "--set", "chip=seed:x"), ("chip", "seed:N")),
        (("--to", "spice", "--set", "columns=0"), ("columns", "1 to 1024")),
        (("--to", "spice", "--set", "name=2nd"), ("name", "a letter first")),
        (("--to", "spice", "-o", "adc.json"), ("over the model",)),
        (("--to", "spice", "-o", "nowhere/../adc.json"), ("over the model",)),
    ],
)
def test_what_cannot_be_exported_is_refused(
    arguments: tuple[str, ...], says: tuple[str, ...], model_file: Path, cosim: Run
) -> None:
    """One message with what is right, exit code 2; the model stays as it was and nothing is beside it."""
    before = model_file.read_bytes()
    code, out, err = cosim("export", "adc.json", *arguments)
    assert (code, out) == (2, "") and all(text in err for text in says)
    assert model_file.read_bytes() == before and [path.name for path in model_file.parent.iterdir()] == ["adc.json"]


def test_a_damaged_model_is_refused(model_file: Path, cosim: Run) -> None:
    model_file.write_text(model_file.read_text().replace("sigmoid", "tanh"))
    code, _, err = cosim("export", "adc.json", "--to", "spice")
    assert code == 2 and "checksum" in err


def test_a_read_voltage_outside_the_domain_is_said_in_the_file(model_file: Path, cosim: Run) -> None:
    code, _, err = cosim("export", "adc.json", "--to", "spice", "--set", "v_read=0.3 V")
    assert code == 0 and "warning" in err and "v_read" in err
    assert "Outside the domain of the fit" in (model_file.parent / "adc.cir").read_text()


def test_a_block_without_exports_names_what_it_offers() -> None:
    with pytest.raises(CosimError, match="cannot be exported"):
        exporter_of(SimpleNamespace(NAME="x"), "spice")  # type: ignore[arg-type]
    with pytest.raises(CosimError) as refused:
        exporter_of(get_block("crossbar"), "verilog_a")
    assert refused.value.allowed == ["spice"]


@pytest.mark.parametrize("value", [0.0, -1.0, 1e-15, -2.5e-7, 1e22, 123456789.0, 0.1, 5e-324])
def test_literals_are_exact_and_legal(value: float) -> None:
    """IEEE 1800-2017 5.7.2: digits on both sides of the point, or an exponent."""
    text = real(value)
    assert float(text) == value and re.fullmatch(r"-?\d+\.\d+(e-?\d+)?", text)


def test_numbers_that_are_not_finite_are_refused() -> None:
    with pytest.raises(CosimError):
        real(float("nan"))


def test_normal_numbers_depend_on_both_seeds() -> None:
    drawn: Mapping[Any, Any] = {pair: normal_numbers(*pair, 3) for pair in ((1, 0), (1, 1), (2, 0))}
    assert len({each.tobytes() for each in drawn.values()}) == 3
    assert np.isfinite(list(drawn.values())).all()
