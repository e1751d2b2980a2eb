from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import Field, model_validator

from cosim.blocks.config import BlockConfig, Farad, Ohm, Ratio, Siemens, Volt, load_config
from cosim.errors import CosimError


class Wires(BlockConfig):
    per_segment: Ohm = Field(1.0, ge=0)


class Example(BlockConfig):
    bits: int = Field(5, ge=2, le=8)
    function: Literal["sigmoid", "tanh"] = "sigmoid"
    v_read: Volt = Field(0.2, gt=0, le=0.5)
    v_reads: tuple[Annotated[Volt, Field(gt=0)], ...] = (0.15, 0.25)
    c_fb: Farad = 1e-12
    g_off: Siemens | None = None
    mismatch: Ratio = Field(0.02, ge=0)
    wires: Wires = Wires()

    @model_validator(mode="after")
    def _few_bits_for_tanh(self) -> "Example":
        if self.function == "tanh" and self.bits > 7:
            raise CosimErrorAsValue("tanh is limited to 7 bits")
        return self


class CosimErrorAsValue(CosimError, ValueError):
    """A CosimError that pydantic takes for a complaint about the value."""


def load(tmp_path: Path, text: str, **overrides: Any) -> Example:
    (tmp_path / "block.toml").write_text(text)
    return load_config(Example, tmp_path / "block.toml", overrides)


def refusal(tmp_path: Path, text: str, **overrides: Any) -> str:
    with pytest.raises(CosimError) as caught:
        load(tmp_path, text, **overrides)
    return str(caught.value)


def test_defaults_need_no_file() -> None:
    assert load_config(Example) == Example()


def test_quantities_come_with_their_unit_and_leave_in_si(tmp_path: Path) -> None:
    config = load(
        tmp_path,
        'v_read = "180 mV"\nv_reads = ["0.1 V", "300 mV"]\nc_fb = "500 fF"\n'
        'g_off = "2.67 uS"\nmismatch = "3 %"\n'
        'function = "tanh"\n[wires]\nper_segment = "2.5 ohm"\n',
    )
    assert (config.v_read, config.v_reads, config.c_fb) == (0.18, (0.1, 0.3), 500e-15)
    assert (config.g_off, config.mismatch, config.wires.per_segment) == (2.67e-6, 0.03, 2.5)


def test_code_may_give_plain_numbers() -> None:
    config = Example(v_read=0.3, v_reads=(0.1,), g_off=1e-6, wires=Wires(per_segment=0))
    assert (config.v_read, config.v_reads, config.g_off) == (0.3, (0.1,), 1e-6)


def test_what_the_command_line_gives_overrides_the_file(tmp_path: Path) -> None:
    text = 'bits = 4\nv_read = "0.1 V"\n[wires]\nper_segment = "2 ohm"\n'
    overrides = {
        "bits": None,
        "v_read": 0.3,
        "v_reads": [0.1, 0.2],
        "wires.per_segment": "3 ohm",
        "c_fb": "1 pF",
    }
    config = load(tmp_path, text, **overrides)
    assert (config.bits, config.v_read, config.v_reads) == (4, 0.3, (0.1, 0.2))
    assert (config.wires.per_segment, config.c_fb) == (3.0, 1e-12)
    assert load_config(Example, None, {"wires.per_segment": 4}).wires.per_segment == 4.0


@settings(deadline=None)
@given(st.floats(min_value=0.0, max_value=0.5, exclude_min=True))
def test_a_float_written_into_a_file_comes_back_bit_for_bit(value: float) -> None:
    assert load_config(Example, None, {"v_read": f"{value!r} V"}).v_read == value


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("bits = 12", ["key 'bits': value 12: out of range", "Allowed: 2 to 8"]),
        ("bits = 4.5", ["key 'bits'", "valid integer", "Allowed: 2 to 8"]),
        ("bitz = 4", ["key 'bitz': unknown key. Did you mean 'bits'?", "Allowed: bits, function"]),
        ('function = "sigmoit"', ["key 'function'", "Did you mean 'sigmoid'?", "'sigmoid', 'tanh'"]),
        ("v_read = 0.2", ["key 'v_read': value 0.2: the unit is missing", '"0.2 V"']),
        ('v_read = "0.2"', ["key 'v_read': value '0.2': the unit is missing", "'V'"]),
        ('v_read = "0.2 s"', ["key 'v_read'", "'s' is a unit of another dimension than 'V'"]),
        ('v_read = "0.9 V"', ["key 'v_read'", "out of range", "above 0 V and at most 500 mV"]),
        ("v_read = true", ["key 'v_read': value True: not a quantity"]),
        ("v_read = nan", ["key 'v_read': value nan", "finite"]),
        ("v_read = [1]", ["key 'v_read'"]),
        ('v_reads = ["0.1 V", 0.2]', ["key 'v_reads': value 0.2: the unit is missing"]),
        ('v_reads = ["0.1 V", "-1 V"]', ["key 'v_reads.1'", "out of range", "above 0 V"]),
        ("g_off = 1e-6", ["key 'g_off'", "the unit is missing", "'S'"]),
        ("mismatch = -1", ["key 'mismatch'", "at least 0"]),
        ("[wires]\nper_segment = 3", ["key 'wires.per_segment'", "the unit is missing", "'ohm'"]),
        ('[wires]\nper_segmnt = "3 ohm"', ["key 'wires.per_segmnt'", "Did you mean 'per_segment'?"]),
        ("wires = 3", ["key 'wires'"]),
        ('bits = 8\nfunction = "tanh"', ["block.toml: tanh is limited to 7 bits"]),
        ("bits = ", ["not valid TOML"]),
    ],
)
def test_each_mistake_names_file_and_key_and_what_is_right(tmp_path: Path, text: str, parts: list[str]) -> None:
    message = refusal(tmp_path, text)
    assert message.startswith(str(tmp_path / "block.toml"))
    for part in parts:
        assert part in message
    assert "\n" not in message


def test_several_mistakes_are_told_at_once(tmp_path: Path) -> None:
    message = refusal(tmp_path, 'bits = 12\nv_read = 0.2\nfunktion = "tanh"')
    assert "3 values are wrong:" in message
    assert all(f"key '{key}'" in message for key in ("bits", "v_read", "funktion"))


def test_the_file_is_not_blamed_for_what_the_command_line_gives(tmp_path: Path) -> None:
    assert refusal(tmp_path, "bits = 5", bits=12).startswith("key 'bits': value 12: out of range")


def test_a_dotted_key_into_no_table_is_one_clear_error(tmp_path: Path) -> None:
    assert "this key holds no table" in refusal(tmp_path, "wires = 3", **{"wires.per_segment": 1})


def test_a_missing_file_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(CosimError, match=r"x\.toml: cannot read this file: No such file"):
        load_config(Example, tmp_path / "x.toml")


def test_a_configuration_is_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Example().bits = 3  # type: ignore[misc]
