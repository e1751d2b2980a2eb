"""A shipped model by its name, exported for a converter that it was not fitted to."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cosim.blocks.ramp_adc.exported import exported_adc
from cosim.blocks.recipes import shipped_model

Run = Callable[..., tuple[int, str, str]]


def test_the_options_are_those_of_at() -> None:
    model = shipped_model("ramp_adc")
    wanted = model.at(function="gelu", bits=4, corner="SS", temperature=60.0, v_dd=1.78)
    found = exported_adc(
        model, {"function": "gelu", "bits": 4, "corner": "SS", "temperature": 60.0, "v_dd": "1.78 V", "v_read": "0.2 V"}
    )
    expected = wanted.threshold_voltages(wanted.ramp_target, wanted.bias_target, wanted.value("offset_mean"), 0.2)
    np.testing.assert_array_equal(found.thresholds[0], expected)
    assert found.bits == 4 and found.stairs.start == wanted.config.staircase.start
    assert "function gelu" in found.notes[0] and "corner SS, 60 degC, 1.78 V" in found.notes[0]


def test_by_name_it_is_written_into_the_working_folder(cosim: Run, tmp_path: Path) -> None:
    code, out, err = cosim("export", "ramp_adc", "--to", "spice", "--set", "function=tanh", "--set", "bits=3")
    assert code == 0, err
    assert [path.name for path in tmp_path.iterdir()] == ["ramp_adc.cir"]
    assert "3 bits, function tanh" in out
    assert cosim("model", "ramp_adc")[0] == 0


def test_a_file_of_that_name_comes_first(cosim: Run, tmp_path: Path) -> None:
    (tmp_path / "ramp_adc").write_text("mine")
    code, _, err = cosim("model", "ramp_adc")
    assert code == 2 and "not JSON" in err


@pytest.mark.parametrize(
    ("option", "says"),
    [
        ("function=gelo", "Did you mean 'gelu'?"),
        ("corner=XX", "key 'corner'"),
        ("bits=12", "key 'bits'"),
        ("temperature=400", "key 'temperature'"),
        ("v_dd=2 A", "key 'v_dd'"),
    ],
)
def test_what_no_converter_has_is_refused(cosim: Run, tmp_path: Path, option: str, says: str) -> None:
    code, _, err = cosim("export", "ramp_adc", "--to", "spice", "--set", option)
    assert code == 2 and says in err and err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_what_leaves_the_domain_is_warned_of(cosim: Run, tmp_path: Path) -> None:
    code, _, err = cosim("export", "ramp_adc", "--to", "spice", "--set", "bits=3", "--set", "v_dd=1.6 V")
    assert code == 0 and "'v_dd' are outside the range" in err
    assert "Outside the domain of the fit" in (tmp_path / "ramp_adc.cir").read_text().replace("\n*", "")
