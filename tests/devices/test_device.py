import os
import re
import shutil
import tomllib
from dataclasses import FrozenInstanceError, replace
from pathlib import Path

import pytest

from cosim.devices import load_device
from cosim.devices.parameters import OPTIONAL, REQUIRED, UNITS
from cosim.devices.subcircuits import READ_CELLS, subcircuits
from cosim.errors import CosimError
from cosim.resources import device_folder, device_names


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the shipped device that a test may spoil."""
    return Path(shutil.copytree(device_folder("taox_1t1r"), tmp_path / "mine"))


@pytest.fixture
def switching(tmp_path: Path) -> Path:
    """A copy of a device with a subcircuit that switches."""
    return Path(shutil.copytree(device_folder("hfo2_gap"), tmp_path / "switching"))


def edit(folder: Path, old: str, new: str) -> None:
    file = folder / "parameters.toml"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))


def refusal(folder: Path) -> str:
    with pytest.raises(CosimError) as caught:
        load_device(folder)
    return str(caught.value)


def defaults(text: str, subcircuit: str) -> dict[str, float]:
    """Parameters of a subcircuit's head, SPICE's multipliers read."""
    scale = {"": 1.0, "k": 1e3, "m": 1e-3, "u": 1e-6, "n": 1e-9, "p": 1e-12, "f": 1e-15}
    joined = text.replace("\n+", " ")
    head = re.search(rf"^\.subckt {subcircuit} (.*)$", joined, re.MULTILINE)
    assert head is not None
    found = re.findall(r"(\w+)=(-?[0-9.]+(?:e-?\d+)?)([kmunpf]?)(?=\s|$)", head[1])
    assert len(found) == head[1].count("=")
    return {name: float(number) * scale[letter] for name, number, letter in found}


@pytest.mark.parametrize("name", device_names())
def test_every_shipped_device_loads_and_is_documented(name: str) -> None:
    device = load_device(name)
    assert device.name == name
    assert device.description
    assert set(REQUIRED) <= set(device.sources) <= set(device.units)
    assert all(device.sources.values())
    assert (device.folder / "README.md").is_file()
    assert set(READ_CELLS) <= set(subcircuits(device.model_text()))


@pytest.mark.parametrize("name", device_names())
def test_defaults_of_the_spice_model_are_those_of_the_parameters(name: str) -> None:
    device = load_device(name)
    for cell in READ_CELLS:
        stated = defaults(device.model_text(), cell)
        assert (stated["v_read"], stated["v_0"]) == pytest.approx((device.v_read, device.v_0), rel=1e-12, abs=0)
    if device.dynamic is not None:
        stated = defaults(device.model_text(), device.dynamic.subcircuit)
        assert {key: stated[key] for key in device.model} == pytest.approx(device.model, rel=1e-12, abs=0)
        assert stated[device.dynamic.start] == pytest.approx(device.dynamic.state_off, rel=1e-12, abs=0)
        assert set(stated) - set(device.model) <= {device.dynamic.start, device.dynamic.ambient}


def test_values_are_exact_si_floats() -> None:
    device = load_device("taox_1t1r")
    assert (device.g_min, device.g_max) == (1e-6, 150e-6)
    assert device.programming_sigma == 2.67e-6
    assert (device.v_read, device.v_0, device.read_noise) == (0.2, 0.43, 0.002)
    assert device.access_resistance == 1000.0


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
    with (folder / "model.cir").open("a") as stream:
        stream.write("* other model\n")
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


@pytest.mark.parametrize("key", REQUIRED)
def test_a_missing_parameter_is_named(folder: Path, key: str) -> None:
    text = (folder / "parameters.toml").read_text()
    (folder / "parameters.toml").write_text(re.sub(rf"\[{key}\](?:\n.+){{4}}\n", "", text))
    assert f"key '{key}': this key is required" in refusal(folder)


@pytest.mark.parametrize("key", ["access_resistance", "stuck_off_rate", "stuck_on_rate"])
def test_what_may_be_left_out_is_zero(folder: Path, key: str) -> None:
    assert key in OPTIONAL
    text = (folder / "parameters.toml").read_text()
    (folder / "parameters.toml").write_text(re.sub(rf"\[{key}\](?:\n.+){{4}}\n?", "", text))
    device = load_device(folder)
    assert getattr(device, key) == 0.0
    assert key not in device.sources


def test_a_file_that_is_no_toml_is_one_clear_error(folder: Path) -> None:
    (folder / "parameters.toml").write_text("g_max = \n")
    assert "not valid TOML" in refusal(folder)
    (folder / "parameters.toml").write_bytes(b"\xff\xfe")
    assert "not valid TOML" in refusal(folder)
    (folder / "parameters.toml").write_text("# nothing\n")
    assert "parameters.toml: this file is empty" in refusal(folder)


@pytest.mark.parametrize("content", [None, "", " \n", "* only words\n"])
def test_a_model_that_is_missing_or_empty_is_named(folder: Path, content: str | None) -> None:
    (folder / "model.cir").unlink()
    if content is not None:
        (folder / "model.cir").write_text(content)
    message = refusal(folder)
    assert str(folder / "model.cir") in message
    assert ("cannot read" if content is None else "missing" if content.strip() else "empty") in message


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (".subckt memristor_sinh", ".subckt memristor_sine", "missing. Did you mean 'memristor_sine'?"),
        (".subckt memristor_linear te be", ".subckt memristor_linear a b", "has other pins. Allowed: te be"),
        ("memristor_linear te be g=100u", "memristor_linear te be r=10k", "memristor_linear has no such parameter"),
        (".subckt hfo2_gap te be gap", ".subckt hfo2_gap te be", "'te be': the subcircuit hfo2_gap has other pins"),
        (".subckt hfo2_gap te", ".subckt gap_of_hfo2 te", "value 'hfo2_gap': this subcircuit is missing"),
        (" beta=0.8", " betta=0.8", "no such parameter. Did you mean 'betta'?"),
        ("cgap gap 0 1n", "cgap gap 0 1n\n.control\nshell date\n.endc", "value '.control': line "),
        (
            "rcell te be",
            "rcell te 0",
            "value 'be': nothing in the subcircuit memristor_linear is connected to this pin",
        ),
        (
            "cgap gap 0 1n",
            "xcap gap 0 capp c=1n",
            "value 'xcap gap 0 capp c=1n': the subcircuit hfo2_gap calls one that",
        ),
        ("cgap gap 0 1n", ".include ../../other.cir", "an include outside the file's own folder"),
    ],
)
def test_what_is_wrong_in_a_model_is_named(switching: Path, old: str, new: str, says: str) -> None:
    text = (switching / "model.cir").read_text()
    assert old in text
    (switching / "model.cir").write_text(text.replace(old, new, 1))
    message = refusal(switching)
    assert message.startswith(f"{switching / 'model.cir'}: ")
    assert says in message


@pytest.mark.parametrize(
    ("old", "new", "key", "says"),
    [
        ('value = "0.25 nm"\nunit = "m"', 'value = "0.25"\nunit = "m"', "model.gap_0.value", "the unit is missing"),
        ('value = "0.25 nm"\nunit = "m"', 'value = "0.25 ns"\nunit = "m"', "model.gap_0.value", "another dimension"),
        ('value = "0.25 nm"\nunit = "m"', 'value = "0.25 nm"', "model.gap_0.unit", "this key is required"),
        ('value = "0.25 nm"\nunit = "m"', 'value = "2 nm"\nunit = "m"', "model.gap_0.value", "outside the range"),
        ('value = "0.25 nm"\nunit = "m"', 'value = nan\nunit = "m"', "model.gap_0.value", "not a number"),
        ('value = "0.25 nm"\nunit = "m"', 'value = "0.25 nm"\nunit = "mm2x"', "model.gap_0.unit", "is not a unit"),
        ('["0.1 nm", "0.5 nm"]', '["0.1 nm", "0.5 V"]', "model.gap_0.valid", "another dimension"),
        ('["0.1 nm", "0.5 nm"]', '["0.5 nm", "0.1 nm"]', "model.gap_0.valid", "not a range"),
        ("[dynamic.v_set]", "[dynamic.v_sett]", "dynamic.v_sett", "Did you mean 'v_set'?"),
        ('value = "-2.6 V"', 'value = "-26 V"', "dynamic.v_reset.value", "outside the range"),
        ('value = "2.4 V"', 'value = "2.4 A"', "dynamic.v_set.value", "another dimension"),
        ('state_unit = "nm"', 'state_unit = "V"', "dynamic.state_off.value", "another dimension"),
    ],
)
def test_what_is_wrong_in_the_parameters_of_a_model_is_named(
    switching: Path, old: str, new: str, key: str, says: str
) -> None:
    edit(switching, old, new)
    message = refusal(switching)
    assert message.startswith(f"{switching / 'parameters.toml'}: ")
    assert key in message
    assert says in message


def test_pulses_of_one_sign_are_refused(switching: Path) -> None:
    edit(switching, '"-2.6 V"', '"2.6 V"')
    edit(switching, '["-3 V", "-1 V"]', '["-3 V", "3 V"]')
    assert "key 'dynamic.v_reset.value': value '2.6 V': SET and RESET need opposite signs" in refusal(switching)


def test_parameters_of_a_model_that_nothing_takes_are_refused(switching: Path) -> None:
    text = (switching / "parameters.toml").read_text()
    (switching / "parameters.toml").write_text(text[: text.index("[dynamic]")])
    assert "key 'model.i_0': the device states parameters of a model but no [dynamic]" in refusal(switching)


def test_a_parameter_that_each_simulation_sets_has_no_fixed_value(switching: Path) -> None:
    edit(switching, "[model.r_th]", "[model.t_ambient]")
    edit(switching, '"2.1e3 K/W"\nunit = "K/W"', '"300 K"\nunit = "K"')
    edit(switching, '["0 K/W", "1e6 K/W"]', '["0 K", "400 K"]')
    assert "key 'model.t_ambient': this parameter is set in each simulation" in refusal(switching)


def law(name: str, **parameters: str) -> str:
    tables = (
        f'[{name}.{key}]\nvalue = "{value}"\nvalid = ["{value}", "{value}"]\nsource = "me"\ndescription = "it"\n'
        for key, value in parameters.items()
    )
    return f'\n[{name}]\nlaw = "polynomial"\n' + "".join(tables)


def without_constant_sigma(folder: Path) -> str:
    text = (folder / "parameters.toml").read_text()
    return re.sub(r"\[programming_sigma\](?:\n.+){4}\n", "", text)


def test_a_law_takes_the_place_of_a_constant(folder: Path) -> None:
    file = folder / "parameters.toml"
    file.write_text(without_constant_sigma(folder) + law("programming", g_ref="100 uS", c_0="1 uS", c_1="3 uS"))
    device = load_device(folder)
    assert device.programming_sigma == pytest.approx(1.5 * 4e-6)
    assert device.sources["programming.c_1"] == "me"
    assert device.sigma_at(75e-6) == pytest.approx(1.5 * 2.5e-6)
    assert replace(device, programming_sigma=3e-6).sigma_at(75e-6) == pytest.approx(0.75 * 2.5e-6)
    assert replace(device, programming_sigma=0.0).sigma_at(75e-6) == 0.0


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ("", "key 'programming_sigma': [programming_sigma] is the constant law and [programming] any other"),
        (law("programming", c_0="1 uS"), "key 'programming.g_ref': this key is required"),
        (law("programming", g_ref="1 uS", c_0="1 uS", c_9="1 uS"), "key 'programming.c_9': unknown key. Did you mean"),
        (law("programming", g_ref="1 uS", c_0="1 V"), "key 'programming.c_0.value': value '1 V': 'V' is a unit of ano"),
        (law("programming", g_ref="1 uS", c_0="1"), "key 'programming.c_0.value': value '1': the unit is missing"),
        (law("programming").replace("poly", "polly"), "key 'programming.law': value 'pollynomial': there is no such"),
        ('[programming]\nlaw = "polynomial"\ng_ref = "1 S"\n', "key 'programming.g_ref': value '1 S': a table is"),
        ('[programming]\nlaw = "polynomial"\n[programming.g_ref]\nvalue = "1 S"\n', "programming.g_ref"),
        ('[programming]\nlow = "polynomial"\n', "key 'programming.law': this key is required"),
    ],
)
def test_what_is_wrong_in_a_law_is_named(folder: Path, table: str, says: str) -> None:
    (folder / "parameters.toml").write_text(without_constant_sigma(folder) + table)
    message = refusal(folder)
    assert message.startswith(f"{folder / 'parameters.toml'}: ")
    assert says in message


def test_a_constant_and_a_law_at_once_are_refused(folder: Path) -> None:
    with (folder / "parameters.toml").open("a") as stream:
        stream.write(law("programming", g_ref="100 uS", c_0="1 uS"))
    assert "exactly one of them is wanted" in refusal(folder)


def test_a_device_is_read_once_and_again_when_a_file_changes(folder: Path) -> None:
    first = load_device(folder)
    assert load_device(folder) is first
    edit(folder, 'value = "150 uS"', 'value = "140 uS"')
    os.utime(folder / "parameters.toml", ns=(1, 1))  # of the same size: the time tells
    assert load_device(folder).g_max == 140e-6


def test_two_folders_of_one_relative_path_are_two_devices(
    folder: Path, switching: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for place in (folder, switching):
        shutil.copytree(place, place / "mine")
        monkeypatch.chdir(place)
        assert load_device("mine").name == load_device(place).name


def test_a_model_may_be_of_several_files_of_its_folder(folder: Path) -> None:
    text = (folder / "model.cir").read_text()
    (folder / "parts").mkdir()
    (folder / "parts" / "cell.cir").write_text(text)
    (folder / "model.cir").write_text(".include parts/cell.cir\n")
    device = load_device(folder)
    assert text.strip() in device.model_text()
    assert ".include" not in device.model_text()
    assert device.sha256 != load_device("taox_1t1r").sha256


def test_a_line_of_a_cell_that_switches_states_every_parameter() -> None:
    device = load_device("hfo2_gap")
    words = device.cell_line("c", "a", "0", "n", start=0.8, temperature=350.0).split()
    assert words[:5] == ["xc", "a", "0", "n", "hfo2_gap"]
    given = dict(word.split("=") for word in words[5:])
    assert float(given.pop("gap_start")) == 0.8
    assert float(given.pop("t_ambient")) == 350.0
    assert {key: float(value) for key, value in given.items()} == device.model
    assert "gap_start=1.7 " in device.cell_line("c", "a", "0", "n")
    assert "beta=0.5" in device.with_model(beta=0.5).cell_line("c", "a", "0", "n")
    with pytest.raises(CosimError, match=r"no such parameter\. Did you mean 'beta'\?"):
        device.with_model(betta=0.5)
    with pytest.raises(CosimError, match="no model that switches"):
        load_device("taox_1t1r").cell_line("c", "a", "0", "n")


def test_every_parameter_says_what_it_is_and_where_it_comes_from() -> None:
    content = tomllib.loads((device_folder("taox_1t1r") / "parameters.toml").read_text())
    for key in UNITS:
        assert set(content[key]) == {"value", "source", "valid", "description"}
