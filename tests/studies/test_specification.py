"""A study's file: every fault at once, with its line; units; names; combinations."""

from collections.abc import Callable
from pathlib import Path

import pytest

from cosim.errors import CosimError
from cosim.studies import meaning
from cosim.studies.settings import ELSEWHERE, Settings, find_name, known_names, settings_of, value_in_words
from cosim.studies.specification import load_specification, point_key
from cosim.studies.template import template
from cosim.tiles.protocol import Fidelity

FAULTY = """
schema = "cosim.study/1"
sed = 1
chips = 0

[network]
name = "digit_lstm"

[tile]
dac_bits = 12
adc.v_read = 0.2
adc.function = "relu"

[device]
name = "taox"

[fidelity]
default = "spise"

[sweep]
method = "grid"

[sweep.over]
"tile.adc.bit" = [4, 5]
"adc.temperature" = [27]
"tile.adc.v_dd" = ["9 V"]
device.read_noise = ["0 %", "1 kg"]
"""


Write = Callable[..., Path]


def refused(path: Path) -> str:
    with pytest.raises(CosimError) as caught:
        load_specification(path)
    return str(caught.value)


def test_every_fault_is_told_at_once_with_its_line(tmp_path: Path, study_file: Write) -> None:
    said = refused(study_file(FAULTY))
    lines = said.splitlines()
    assert lines[0] == f"{tmp_path / 'study.toml'}: 12 faults:"
    expected = [
        ("line 3: key 'sed'", "Did you mean 'seed'?"),
        ("line 4: key 'chips': value 0", "Allowed: 1 to 100000."),
        ("line 7: key 'network.name': value 'digit_lstm'", "Did you mean 'digits_lstm'?"),
        ("line 10: key 'tile.dac_bits': value 12", "Allowed: 2 to 8."),
        ("line 11: key 'tile.adc.v_read': value 0.2: the unit is missing", '"0.2 V"'),
        ("line 12: key 'tile.adc.function'", "functions.ACTIVATION"),
        ("line 15: key 'device.name': value 'taox': no such device", "Did you mean 'taox_1t1r'?"),
        ("line 18: key 'fidelity.default': value 'spise'", "Did you mean 'spice'?"),
        ("line 24: key 'sweep.over.tile.adc.bit'", "Did you mean 'tile.adc.bits'?"),
        ("line 25: key 'sweep.over.adc.temperature'", "Did you mean 'tile.adc.temperature'?"),
        ("line 26: key 'sweep.over.tile.adc.v_dd': value '9 V'", "Allowed: 500 mV to 5.5 V."),
        ("line 27: key 'sweep.over.device.read_noise': value '1 kg'", "another dimension"),
    ]
    for line, (begin, part) in zip(lines[1:], expected, strict=True):
        assert line.strip().startswith(begin), line
        assert part in line


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('method = "grid"', 'method = "gird"', r"line 13: key 'sweep.method': value 'gird': .*Did you mean 'grid'\?"),
        ("[4, 5]", "[]", "line 16: .*not a list of values"),
        ("[4, 5]", "[4, 4]", "line 16: .*value 4: this value is given twice"),
        ("[4, 5]", "{low = 4, high = 5}", "line 16: .*not a list of values"),
        ("[4, 5]", "[4, 5.5]", "line 16: .*value 5.5"),
        ('"tile.adc.bits" = [4, 5]', '"tile.w_max" = [4, 5]', "line 16: .*follows from scaling.s_w"),
        ('"tile.adc.bits" = [4, 5]', '"models.ramp_adc.file" = ["none.json"]', "line 16: .*none.json"),
        ('"tile.adc.bits" = [4, 5]', '"fidelity.gate" = ["ideal"]', "line 16: .*no such layer"),
        ('"tile.adc.bits" = [4, 5]', '"functions.tanh" = ["tahn"]', "line 16: .*tahn"),
        ('"tile.adc.bits" = [4, 5]', '"device.time" = ["1 day"]', "line 16: .*value '1 day': .*no law of drift"),
        ('"tile.adc.bits" = [4, 5]', '"models.ramp_adc.parameters.offset_sigmo" = ["1 mV"]',
         r"line 16: .*Did you mean 'offset_sigma'\?"),
        ('"tile.adc.bits" = [4, 5]', '"tile.adc.i_bias" = ["20 uA"]',
         r"line 16: .*value '20 uA': .*fitted for another circuit.*Allowed: 40 µA\."),
        ('"tile.adc.bits" = [4, 5]', '"models.ramp_adc.file" = ["ramp_acd"]',
         r"line 16: .*value 'ramp_acd': no such model.*Did you mean 'ramp_adc'\?"),
        ('"tile.adc.bits" = [4, 5]', '"models.crossbar.file" = ["crosbar"]', r"line 16: .*Did you mean 'crossbar'\?"),
        ("dac_bits = 5", 'dac_bits = 5\n[device]\nprogramming_sigma = "-1 uS"',
         r"line 12: .*value '-1 uS': out of range\. Allowed: 0 S to 100 µS"),
        ("dac_bits = 5", 'dac_bits = 5\n[device]\nread_noise = "60 %"', "line 12: .*value '60 %': out of range"),
        ("dac_bits = 5", 'dac_bits = 5\n[device]\ntime = "1 day"', "line 12: .*value '1 day': .*no law of drift"),
        ("dac_bits = 5", 'adc.t_clock = "4 ns"', "line 10: .*t_pulse"),
        ("seed = 3", "seed = -3", "line 4: .*value -3"),
        ("test_samples = 30", "test_samples = 0", "line 7: "),
        ('schema = "cosim.study/1"', 'schema = "cosim.study/9"', "line 2: .*cosim.study/1"),
        ("dac_bits = 5", "dac_bits =", "not valid TOML"),
    ],
)  # fmt: skip
def test_one_fault_is_told_with_its_line(small: str, study_file: Write, old: str, new: str, said: str) -> None:
    assert old in small
    with pytest.raises(CosimError, match=f"(?s){said}"):
        load_specification(study_file(small.replace(old, new, 1)))


def test_settings_that_do_not_fit_together_are_found_in_the_combination(small: str, study_file: Write) -> None:
    text = small.replace('"tile.adc.bits" = [4, 5]', '"tile.law" = ["linear", "sinh"]').replace(
        'device.read_noise = ["0 %", "2 %"]', '"tile.crossbar.memristor" = ["law", "subcircuit"]'
    )
    said = refused(study_file(text))
    assert "in 1 points (tile.law = sinh, tile.crossbar.memristor = subcircuit)" in said


def test_values_are_kept_in_si_units_and_the_grid_runs_last_first(study_file: Write) -> None:
    study = load_specification(study_file())
    assert study.design is not None
    assert study.design.names == ("tile.adc.bits", "device.read_noise")
    assert list(study.design.points) == [(4, 0.0), (4, 0.02), (5, 0.0), (5, 0.02)]
    assert study.settings(study.design.values(1)).device.read_noise == 0.02


@pytest.mark.parametrize(
    "name", [*known_names(), "fidelity.i", "functions.tanh", "models.ramp_adc.parameters.offset_sigma"]
)
def test_every_name_leads_to_its_setting(name: str) -> None:
    found = find_name(name)
    assert found.dotted == name
    settings = settings_of({}, {name: _some(name)})
    here: object = settings
    for key in found.path:
        here = here[key] if isinstance(here, dict) else getattr(here, key)
    assert here == _some(name)


def _some(name: str) -> object:
    """A value that differs from the default where that is easily had, else the default."""
    if name.startswith("fidelity"):
        return Fidelity.IDEAL
    if name.startswith("nonidealities"):
        return False
    if name.startswith(("models", "functions")):
        return "ramp_adc"
    here: object = settings_of({}, {"models.crossbar.file": "crossbar"})
    for key in find_name(name).path:
        here = getattr(here, key)
    return here


def test_names_that_follow_from_others_say_from_which() -> None:
    for name in ELSEWHERE:
        with pytest.raises(CosimError, match="follows from"):
            find_name(name)


def test_the_template_is_accepted(study_file: Write) -> None:
    study = load_specification(study_file(template()))
    assert study.design is not None and len(study.design.points) == 9


def test_the_template_names_every_setting() -> None:
    for name in known_names():
        assert f"#   {name} " in template() or f"#   {name}\n" in template()


def test_the_template_names_the_choices_of_a_setting() -> None:
    (line,) = [line for line in template().splitlines() if line.startswith("#   tile.signs ")]
    assert line.endswith("; differential, unipolar, offset")


def test_the_hash_follows_what_counts_and_not_comments(small: str, study_file: Write) -> None:
    one = load_specification(study_file()).sha256
    assert load_specification(study_file("# a comment\n" + small.replace("Bits and", "Of"))).sha256 == one
    assert load_specification(study_file(small.replace("chips = 2", "chips = 3"))).sha256 != one
    assert load_specification(study_file(small.replace("2 %", "3 %"))).sha256 != one


def test_points_are_named_by_what_they_depend_on() -> None:
    names = {
        point_key("a", {"tile.adc.bits": 4}),
        point_key("a", {"tile.adc.bits": 5}),
        point_key("b", {"tile.adc.bits": 4}),
    }
    assert len(names) == 3
    assert point_key("a", {"tile.adc.bits": 4}) in names


def test_values_for_people_have_their_unit() -> None:
    assert value_in_words("tile.adc.v_read", 0.2) == "200 mV"
    assert value_in_words("tile.adc.bits", 5) == "5"
    assert value_in_words("device.read_noise", 0.01) == "1 %"
    assert value_in_words("device.time", 86400.0) == "1 day"
    assert value_in_words("device.time", 2.5 * 3600) == "2.5 hours"
    assert value_in_words("device.time", 20.0) == "20 s"
    assert value_in_words("models.ramp_adc.parameters.offset_sigma", 0.001) == "1 mV"
    assert value_in_words("nonidealities.read_noise", False) == "off"


def test_files_that_the_study_names_are_looked_for_beside_it(
    tmp_path: Path, small: str, study_file: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cosim.resources import shipped

    place = tmp_path / "näch ste"
    place.mkdir()
    (place / "my model.json").write_bytes(shipped("models/ramp_adc.json").read_bytes())
    monkeypatch.chdir(tmp_path)
    study = load_specification(
        study_file(small + '\n[models]\nramp_adc.file = "my model.json"\n', "näch ste/study.toml")
    )
    assert Path(study.settings().models.ramp_adc.file) == place / "my model.json"
    assert study.written().models.ramp_adc.file == "my model.json"


def test_of_ten_thousand_numbers_some_are_tried_on_the_hardware(
    study_file: Write, small: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each value is held to its own range; what models and circuit say to it is asked of some, the ends among them."""
    asked: list[float] = []
    honest = meaning.check_subject

    def counting(settings: Settings) -> None:
        asked.append(settings.tile.adc.v_read)
        honest(settings)

    monkeypatch.setattr(meaning, "check_subject", counting)
    head = small[: small.index("[sweep]")] + '[sweep]\nmethod = "list"\n'
    points = "".join(f'[[sweep.points]]\n"tile.adc.v_read" = "{200 + n / 200:.3f} mV"\n' for n in range(10_000))
    study = load_specification(study_file(head + points))
    assert study.design is not None and len(study.design.points) == 10_000
    assert len(asked) <= 20 and {0.2, 0.249995} <= set(asked)
    with pytest.raises(CosimError, match=r"line 20013: key 'sweep\.points\.9999.*out of range"):
        load_specification(study_file(head + points.replace("249.995 mV", "0.9 V")))


def test_faults_of_a_sweep_do_not_hide_those_of_what_is_swept(study_file: Write) -> None:
    text = """schema = "cosim.study/1"
[tile]
dac_bitz = 4
[sweep]
method = "sobol"
samples = 100
sample = 3
over."tile.adc.bits" = [4, 5]
over."tile.adc.bitz" = [4]
"""
    said = refused(study_file(text)).splitlines()[1:]
    assert [line.split(": ")[0].strip() for line in said] == ["line 3", "line 7", "line 9"]
    assert "w_max" not in said[0]  # a key that cannot be set is not among those allowed
    said = refused(study_file(text.replace("sample = 3\n", ""))).splitlines()[1:]
    assert [line.split(": ")[0].strip() for line in said] == ["line 3", "line 6", "line 8"]
    assert "power of 2. Allowed: 64, 128" in said[1]
    said = refused(study_file(text.replace('method = "sobol"', "")))
    assert "line 4: key 'sweep.method': this key is required" in said and "tile.adc.bitz" in said


def test_a_study_of_more_points_than_anyone_can_run_is_refused(study_file: Write) -> None:
    axes = "".join(f'over."{name}" = {[*range(1, 201)]}\n' for name in ("costs.processors", "costs.cycles"))
    third = 'over."costs.sar_share" = [1, 2, 3, 4, 5, 6, 7, 8]\nover."tile.adc.bits" = [3, 4, 5, 6]\n'
    text = f'schema = "cosim.study/1"\n[sweep]\nmethod = "grid"\n{axes}{third}'
    assert "value '1280000 points': too many points. Allowed: at most 1000000 points." in refused(study_file(text))


def test_a_rung_given_twice_is_refused(study_file: Write) -> None:
    text = 'schema = "cosim.study/1"\n[sweep]\nmethod = "ladder"\nnonidealities = ["adc_noise", "adc_noise"]\n'
    assert "line 4: key 'sweep.nonidealities': value 'adc_noise': this name is given twice" in refused(study_file(text))


def test_a_rule_inside_a_table_names_the_whole_key(study_file: Write) -> None:
    text = 'schema = "cosim.study/1"\n[tile]\nadc.t_clock = "2 ns"\n'
    assert "line 3: key 'tile.adc.t_clock': value '2 ns'" in refused(study_file(text))


def test_a_model_s_parameter_needs_its_unit(study_file: Write) -> None:
    text = 'schema = "cosim.study/1"\n[models]\nramp_adc.file = "ramp_adc"\nramp_adc.parameters.offset_sigma = 3\n'
    assert "line 4: key 'models.ramp_adc.parameters.offset_sigma': value 3: the unit is missing" in refused(
        study_file(text)
    )
    load_specification(study_file(text.replace("= 3\n", '= "3 mV"\n')))
