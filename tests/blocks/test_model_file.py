import json
import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from cosim.blocks.domain import OutsideDomainWarning
from cosim.blocks.model import Domain, ModelError, ModelFile, Parameter, load_model_file, save_model
from cosim.errors import CosimError
from cosim.provenance import sha256_of_json

finite = st.floats(allow_nan=False, allow_infinity=False)


def saved(path: Path, **changes: Any) -> ModelFile:
    parts: dict[str, Any] = {
        "block": "ramp_adc",
        "parameters": {
            "lag": Parameter(9.6e-9, "s", 9.1e-9, 10.1e-9, "first-order lag of the ramp"),
            "steps": Parameter((1.0, 0.1 + 0.2), "V"),
            "gain": Parameter(((1.0, 2.0), (3.0, 4.0)), "1", ((0.9, 1.9), (2.9, 3.9)), ((1.1, 2.1), (3.1, 4.1))),
        },
        "settings": {"bits": 5, "function": "sigmoid", "clock": np.float64(1e8), "codes": np.arange(3)},
        "error": ModelError(0.012, 0.08, "LSB", 248, 0.02, "chips 24 to 31"),
        "domain": {"conductance": (1e-6, 150e-6), "v_read": (0.15, 0.25)},
        "provenance": {"dataset_sha256": "ab" * 32, "seed": 3},
    }
    return save_model(path, **{**parts, **changes})


def rewritten(path: Path, *keys: str, value: Any, sign: bool = True) -> None:
    """Change one entry of a model file, with a checksum that fits unless `sign` is False."""
    content = json.loads(path.read_text())
    part = content
    for key in keys[:-1]:
        part = part[key]
    if value is None:
        part.pop(keys[-1])
    else:
        part[keys[-1]] = value
    if sign:
        content["sha256"] = sha256_of_json({name: each for name, each in content.items() if name != "sha256"})
    path.write_text(json.dumps(content))


def refusal(path: Path, block: str = "ramp_adc", **options: Any) -> str:
    with pytest.raises(CosimError) as caught:
        load_model_file(path, block, **options)
    message = str(caught.value)
    assert message.startswith(str(path))
    return message


def test_a_model_comes_back_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "new" / "ramp_adc.json"
    written = saved(path)
    read = load_model_file(path, "ramp_adc")
    assert read == written
    assert read.value("lag") == 9.6e-9
    np.testing.assert_array_equal(read.array("gain"), [[1.0, 2.0], [3.0, 4.0]])
    assert read.array("lag").shape == ()
    assert read.fitted_domain() == Domain({"conductance": (1e-6, 150e-6), "v_read": (0.15, 0.25)})
    assert read.settings == {"bits": 5, "function": "sigmoid", "clock": 1e8, "codes": [0, 1, 2]}
    assert os.listdir(path.parent) == ["ramp_adc.json"]


@settings(max_examples=50, deadline=None)
@given(value=finite, vector=st.lists(finite, max_size=6), setting=finite)
def test_floats_come_back_bit_for_bit(
    tmp_path_factory: pytest.TempPathFactory, value: float, vector: list[float], setting: float
) -> None:
    path = tmp_path_factory.mktemp("bits") / "model.json"
    saved(
        path,
        parameters={"a": Parameter(value, "V"), "b": Parameter(tuple(vector), "S")},
        settings={"c": setting},
    )
    read = load_model_file(path, "ramp_adc")
    for mine, its in ((value, read.value("a")), (vector, read.array("b")), (setting, read.settings["c"])):
        np.testing.assert_array_equal(np.float64(its).view(np.uint64), np.float64(mine).view(np.uint64))


def test_the_file_is_the_documented_one(tmp_path: Path) -> None:
    written = saved(tmp_path / "m.json")
    text = (tmp_path / "m.json").read_text()
    content = json.loads(text)
    assert content["parameters"]["lag"] == {
        "value": 9.6e-9,
        "unit": "s",
        "interval": [9.1e-9, 10.1e-9],
        "description": "first-order lag of the ramp",
    }
    assert content["parameters"]["steps"]["interval"] is None
    assert content["domain"]["v_read"] == [0.15, 0.25]
    assert set(content["error"]) == {"rms", "maximum", "unit", "points", "limit", "held_out", "quantiles"}
    assert content["sha256"] == written.sha256 == sha256_of_json(written.content())
    assert list(content) == sorted(content)
    assert len(text.splitlines()) > 30


def test_the_checksum_is_of_the_content_and_not_of_its_layout(tmp_path: Path) -> None:
    saved(tmp_path / "m.json")
    (tmp_path / "m.json").write_text(json.dumps(json.loads((tmp_path / "m.json").read_text()), indent=7))
    load_model_file(tmp_path / "m.json", "ramp_adc")


@pytest.mark.parametrize("schema", ["cosim.model/2", "cosim.dataset/1", 3])
def test_another_schema_is_refused(tmp_path: Path, schema: object) -> None:
    saved(tmp_path / "m.json")
    rewritten(tmp_path / "m.json", "schema", value=schema)
    message = refusal(tmp_path / "m.json")
    assert "another version of cosim" in message
    assert "Allowed: cosim.model/1" in message


@pytest.mark.parametrize("keys", [("parameters", "lag", "value"), ("error", "rms"), ("settings", "bits")])
def test_a_changed_number_breaks_the_checksum(tmp_path: Path, keys: tuple[str, ...]) -> None:
    saved(tmp_path / "m.json")
    rewritten(tmp_path / "m.json", *keys, value=6e-3, sign=False)
    assert "the checksum does not fit" in refusal(tmp_path / "m.json")


def test_a_file_without_checksum_is_refused(tmp_path: Path) -> None:
    saved(tmp_path / "m.json")
    rewritten(tmp_path / "m.json", "sha256", value=None, sign=False)
    assert "the checksum does not fit" in refusal(tmp_path / "m.json")


def test_another_block_is_refused(tmp_path: Path) -> None:
    saved(tmp_path / "m.json")
    message = refusal(tmp_path / "m.json", "crossbar")
    assert "value 'ramp_adc': this model is of another block. Allowed: crossbar" in message


def test_an_error_above_the_limit_is_refused_unless_accepted(tmp_path: Path) -> None:
    path = tmp_path / "m.json"
    saved(path, error=ModelError(0.03, 0.2, "LSB", 248, 0.02, "chips 24 to 31"))
    message = refusal(path)
    assert "value 0.03" in message
    assert "--accept" in message
    assert "at most 0.02 LSB" in message
    assert not load_model_file(path, "ramp_adc", accept=True).error.within_limit


def test_an_error_at_the_limit_is_within_it(tmp_path: Path) -> None:
    saved(tmp_path / "m.json", error=ModelError(0.02, 0.2, "LSB", 248, 0.02, "chips 24 to 31"))
    assert load_model_file(tmp_path / "m.json", "ramp_adc").error.within_limit


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b'{"schema": NaN}', "NaN is not a number of JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[]", "it states no schema"),
        (b"{}", "it states no schema"),
    ],
)
def test_a_file_that_is_no_model_is_one_clear_error(tmp_path: Path, content: bytes, says: str) -> None:
    (tmp_path / "m.json").write_bytes(content)
    assert says in refusal(tmp_path / "m.json")


def test_a_missing_file_is_one_clear_error(tmp_path: Path) -> None:
    assert "cannot read this model: No such file" in refusal(tmp_path / "m.json")


@pytest.mark.parametrize(
    ("keys", "value", "says"),
    [
        (
            ("parameters", "lag", "valeu"),
            1.0,
            "key 'parameters.lag.valeu': unknown key. Did you mean 'value'?",
        ),
        (("parameters", "lag", "interval"), [1.0], "interval must be [low, high] or null"),
        (("parameters", "lag", "interval"), [[1.0], [2.0]], "must have the same shape"),
        (("parameters", "lag", "unit"), None, "key 'parameters.lag.unit': this key is required"),
        (("error", "points"), 0, "key 'error.points': value 0: out of range. Allowed: at least 1"),
        (("domain", "v_read"), [0.15], "key 'domain.v_read.1': this key is required"),
        (("extra",), 1, "key 'extra': unknown key"),
        (("provenance",), None, "key 'provenance': this key is required"),
    ],
)
def test_a_file_with_a_wrong_structure_is_one_clear_error(
    tmp_path: Path, keys: tuple[str, ...], value: Any, says: str
) -> None:
    saved(tmp_path / "m.json")
    rewritten(tmp_path / "m.json", *keys, value=value)
    assert says in refusal(tmp_path / "m.json")


def test_a_model_that_is_too_large_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(CosimError, match="too large for a model file"):
        saved(tmp_path / "m.json", parameters={"table": Parameter(tuple(np.linspace(0, 1, 9000).tolist()), "V")})
    assert os.listdir(tmp_path) == []


def test_a_fit_that_gave_no_number_is_not_written(tmp_path: Path) -> None:
    for bad in (float("nan"), float("inf")):
        with pytest.raises(ValidationError):
            Parameter(bad, "s")
        with pytest.raises(ValidationError):
            ModelError(bad, 0.1, "LSB", 3, 0.02, "")
        with pytest.raises(ValueError, match="not JSON compliant"):
            saved(tmp_path / "m.json", settings={"x": bad})
    with pytest.raises(ValidationError, match="both ends"):
        Parameter(1.0, "s", low=0.9)
    assert os.listdir(tmp_path) == []


def test_asking_for_a_parameter_that_is_not_there_names_those_that_are(tmp_path: Path) -> None:
    model = saved(tmp_path / "m.json")
    with pytest.raises(CosimError, match=r"parameters\.lga'.*Allowed: lag, steps, gain"):
        model.value("lga")
    with pytest.raises(CosimError, match="must be one number"):
        model.value("steps")


def test_values_outside_the_domain_are_counted_and_warned_of_once() -> None:
    domain = Domain({"v_read": (0.15, 0.25), "conductance": (1e-6, 150e-6)})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert domain.check("v_read", [0.15, 0.2, 0.25, 0.25 * (1 + 1e-12)]) == 0
    with pytest.warns(OutsideDomainWarning, match=r"2 of 3 values of 'v_read' .* 0\.15 to 0\.25 "):
        assert domain.check("v_read", np.array([0.1, 0.2, 0.3])) == 2
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert domain.check("v_read", 0.3) == 1
    with pytest.warns(OutsideDomainWarning, match="conductance"):
        assert domain.check("conductance", float("nan")) == 1
    assert domain.outside == {"v_read": 3, "conductance": 1}


@settings(deadline=None)
@given(st.lists(finite, max_size=20), finite, finite)
def test_the_count_is_that_of_a_plain_comparison(values: list[float], one: float, other: float) -> None:
    low, high = min(one, other), max(one, other)
    slack = 1e-9 * max(high - low, abs(low), abs(high))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        count = Domain({"x": (low, high)}).check("x", values)
    assert count == sum(not (low - slack <= value <= high + slack) for value in values)


def test_a_domain_must_be_a_range() -> None:
    with pytest.raises(ValueError, match="domain of 'x'"):
        Domain({"x": (1.0, 0.0)})
    with pytest.raises(ValueError, match="domain of 'x'"):
        Domain({"x": (0.0, float("nan"))})
