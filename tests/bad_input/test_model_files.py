"""Model files that are none, were changed, or are of another block."""

import json
from pathlib import Path
from typing import Any

import pytest

from cosim.blocks.ramp_adc.behaviour import load_model
from cosim.errors import CosimError
from cosim.provenance import sha256_of_json

from .conftest import Refuse


def sealed(content: dict[str, Any]) -> str:
    """A model file's text with a checksum that fits."""
    rest = {name: value for name, value in content.items() if name != "sha256"}
    return json.dumps({**rest, "sha256": sha256_of_json(rest)})


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"schema": "something/1"}, ("'schema'", "'something/1'", "cosim.model/1")),
        ({"schema": "cosim.model/2"}, ("'schema'", "'cosim.model/2'", "another version", "cosim.model/1")),
        ({"sha256": "0" * 64}, ("'sha256'", "checksum", "changed or damaged")),
        ({"block": "crossbar"}, ("checksum",)),
    ],
)
def test_a_model_file_that_was_changed(
    refused: Refuse, model_file: Path, change: dict[str, Any], says: tuple[str, ...]
) -> None:
    model_file.write_text(json.dumps({**json.loads(model_file.read_text()), **change}))
    refused("model", model_file.name, says=(model_file.name, *says))


def test_one_digit_of_a_parameter_breaks_the_checksum(refused: Refuse, model_file: Path) -> None:
    content = json.loads(model_file.read_text())
    content["parameters"]["offset_sigma"]["value"] *= 1.001
    model_file.write_text(json.dumps(content))
    refused("model", model_file.name, says=("checksum",))


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"schema": ', '{"parameters": {}}', "NaN"])
def test_a_file_that_is_no_model(refused: Refuse, tmp_path: Path, text: str) -> None:
    (tmp_path / "adc.json").write_text(text)
    refused("model", "adc.json", says=("adc.json",))


def test_a_truncated_model_file(refused: Refuse, model_file: Path) -> None:
    model_file.write_text(model_file.read_text()[:1000])
    refused("model", model_file.name, says=(model_file.name, "not JSON"))


def test_a_model_file_without_a_part(refused: Refuse, model_file: Path) -> None:
    content = json.loads(model_file.read_text())
    del content["error"]
    model_file.write_text(sealed(content))
    refused("model", model_file.name, says=(model_file.name, "'error'", "required"))


def test_a_model_of_another_block(model_file: Path) -> None:
    model_file.write_text(sealed({**json.loads(model_file.read_text()), "block": "crossbar"}))
    with pytest.raises(CosimError, match="another block") as caught:
        load_model(model_file)
    assert (caught.value.file, caught.value.value, caught.value.allowed) == (str(model_file), "crossbar", "ramp_adc")


@pytest.mark.parametrize("what", ["missing", "folder", "binary"])
def test_a_model_file_that_cannot_be_read(refused: Refuse, tmp_path: Path, what: str) -> None:
    path = tmp_path / "adc.json"
    if what == "folder":
        path.mkdir()
    elif what == "binary":
        path.write_bytes(b"\x89HDF\xff\x00")
    refused("model", "adc.json", says=("adc.json",))
