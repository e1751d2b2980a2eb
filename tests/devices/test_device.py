import re
import shutil
import tomllib
from dataclasses import FrozenInstanceError, replace
from pathlib import Path

import pytest

from cosim.devices import Device, load_device
from cosim.devices.device import UNITS, _DeviceFile
from cosim.errors import CosimError
from cosim.resources import device_folder, device_names


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the shipped device that a test may spoil."""
    return Path(shutil.copytree(device_folder("taox_1t1r"), tmp_path / "mine"))


def edit(folder: Path, old: str, new: str) -> None:
    file = folder / "parameters.toml"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))


def refusal(folder: Path) -> str:
    with pytest.raises(CosimError) as caught:
        load_device(folder)
    return str(caught.value)


@pytest.mark.parametrize("name", device_names())
def test_every_shipped_device_loads_and_is_documented(name: str) -> None:
    device = load_device(name)
    assert device.name == name
    assert set(device.sources) == set(UNITS)
    assert (device.folder / "README.md").is_file()
    assert "memristor_sinh" in device.model_text()


def test_values_are_exact_si_floats() -> None:
    device = load_device("taox_1t1r")
    assert (device.g_min, device.g_max) == (1e-6, 150e-6)
    assert device.programming_sigma == 2.67e-6
    assert (device.v_read, device.v_0, device.read_noise) == (0.2, 0.43, 0.002)
    assert device.access_resistance == 1000.0


def test_defaults_of_the_spice_model_are_those_of_the_parameters() -> None:
    device = load_device("taox_1t1r")
    for v_read, v_0 in re.findall(r"^\.subckt .* v_read=(\S+) v_0=(\S+)$", device.model_text(), re.MULTILINE):
        assert (float(v_read), float(v_0)) == (device.v_read, device.v_0)


def test_the_schema_has_every_parameter() -> None:
    assert set(_DeviceFile.model_fields) == {"schema_", "name", "description", *UNITS}


def test_a_device_is_frozen_and_varied_by_replace() -> None:
    device = load_device("taox_1t1r")
    with pytest.raises(FrozenInstanceError):
        device.g_max = 1.0  # type: ignore[misc]
    assert replace(device, read_noise=0.0).read_noise == 0.0
    assert len({device, load_device("taox_1t1r")}) == 1


def test_the_hash_follows_parameters_and_model_but_not_notes(folder: Path) -> None:
    before = load_device(folder)
    assert before.sha256 == load_device("taox_1t1r").sha256
    (folder / "README.md").write_text("other words")
    (folder / ".parameters.toml.swp").touch()
    assert load_device(folder).sha256 == before.sha256
    (folder / "model.cir").write_text("* other model\n")
    assert load_device(folder).sha256 != before.sha256


@pytest.mark.parametrize(
    ("old", "new", "key", "says"),
    [
        ("[g_max]", "[g_maxx]", "g_maxx", "Did you mean 'g_max'?"),
        ("source = ", "sauce = ", "g_min.sauce", "Did you mean 'source'?"),
        ('value = "150 uS"', "value = 150", "g_max.value", "the unit is missing"),
        ('value = "150 uS"', 'value = "150 us"', "g_max.value", "another dimension"),
        ('value = "150 uS"', 'value = "many"', "g_max.value", "not a number with a unit"),
        ('value = "150 uS"', 'value = "15 uS"', "g_max.value", "Allowed: 50 µS to 400 µS"),
        ('value = "150 uS"', 'value = "-1 uS"', "g_max.value", "Allowed: 50 µS to 400 µS"),
        ('value = "0.2 %"', 'value = "50 %"', "read_noise.value", "Allowed: 0 to 0.05"),
        ('valid = ["50 uS", "400 uS"]', 'valid = ["400 uS", "50 uS"]', "g_max.valid", "not a range"),
        ('valid = ["50 uS", "400 uS"]', 'valid = ["-1 uS", "400 uS"]', "g_max.valid", "low >= 0"),
        ('valid = ["50 uS", "400 uS"]', 'valid = ["50 uS"]', "g_max.valid.1", "required"),
        ('description = "lowest', 'description = ""\n#', "g_min.description", "at least 1 character"),
        ("cosim.device/1", "cosim.device/2", "schema", "cosim.device/1"),
    ],
)
def test_each_mistake_names_file_and_key_and_what_is_right(
    folder: Path, old: str, new: str, key: str, says: str
) -> None:
    edit(folder, old, new)
    message = refusal(folder)
    assert str(folder / "parameters.toml") in message
    assert f"key '{key}'" in message
    assert says in message


@pytest.mark.parametrize(
    ("key", "value", "allowed"),
    [
        ("g_min", "200 uS", "below g_max, 150 µS"),
        ("g_lowest", "2 uS", "up to g_min, 1 µS"),
        ("g_highest", "100 uS", "from g_max, 150 µS"),
        ("access_resistance", "2 kohm", "below 1 / g_highest"),
        ("stuck_on_rate", "1.5", "both rates"),
        ("v_0", "0 V", "above 0 V"),
    ],
)
def test_parameters_that_contradict_each_other_are_refused(folder: Path, key: str, value: str, allowed: str) -> None:
    text = (folder / "parameters.toml").read_text()
    wide = re.sub(rf"(\[{key}\]\n)value = .*", rf'\1value = "{value}"', text)
    unit = value.split()[1] if " " in value else ""
    wide = re.sub(rf"(\[{key}\](?:\n.*){{2}}\n)valid = .*", rf'\1valid = ["0 {unit}", "1e6 {unit}"]', wide)
    (folder / "parameters.toml").write_text(wide)
    message = refusal(folder)
    assert f"key '{key}.value'" in message
    assert allowed in message


def test_a_missing_parameter_is_named(folder: Path) -> None:
    content = (folder / "parameters.toml").read_text()
    (folder / "parameters.toml").write_text(content[: content.index("[stuck_on_rate]")])
    assert "key 'stuck_on_rate': this key is required" in refusal(folder)


def test_a_file_that_is_no_toml_is_one_clear_error(folder: Path) -> None:
    (folder / "parameters.toml").write_text("g_max = \n")
    assert "not valid TOML" in refusal(folder)
    (folder / "parameters.toml").write_bytes(b"\xff\xfe")
    assert "not valid TOML" in refusal(folder)


def test_a_folder_without_spice_model_loads_but_says_so_when_asked(folder: Path) -> None:
    (folder / "model.cir").unlink()
    device: Device = load_device(folder)
    with pytest.raises(CosimError, match=r"model\.cir: cannot read the device's SPICE model"):
        device.model_text()


def test_every_parameter_says_what_it_is_and_where_it_comes_from() -> None:
    content = tomllib.loads((device_folder("taox_1t1r") / "parameters.toml").read_text())
    for key in UNITS:
        assert set(content[key]) == {"value", "source", "valid", "description"}
