"""Faults in a user's files: device parameters, netlists, measured tables. One row a fault.

Each is one line that names the file, the key or line, the value and what is right, before anything is simulated;
the exit code is 2 and nothing is written.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from cosim import cli
from cosim.resources import device_folder, read_netlist
from cosim.spice import SimulatorPool

EXAMPLES = Path(__file__).resolve().parents[1] / "examples" / "lab"


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong.

    Attributes
    ----------
    name: of the fault.
    file: in which it is.
    change: text of the sound file -> text (or bytes) of the faulty one; None deletes the file.
    says: what the message must hold, the file's name apart.
    """

    name: str
    file: str
    change: Callable[[str], str | bytes | None]
    says: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.file}: {self.name}"


def edit(before: str, after: str) -> Callable[[str], str]:
    def change(text: str) -> str:
        assert before in text, before
        return text.replace(before, after, 1)

    return change


def become(content: str | bytes | None) -> Callable[[str], str | bytes | None]:
    return lambda text: content


PARAMETERS = [
    Fault("missing unit", "parameters.toml", edit('value = "150 uS"', "value = 150"),
          ("g_max.value", "value 150", "the unit is missing", "'S'")),
    Fault("missing unit in quotes", "parameters.toml", edit('value = "150 uS"', 'value = "150"'),
          ("g_max.value", "'150'", "the unit is missing", "'S'")),
    Fault("other dimension", "parameters.toml", edit('value = "150 uS"', 'value = "150 uF"'),
          ("g_max.value", "'150 uF'", "another dimension", "'S'")),
    Fault("unknown unit", "parameters.toml", edit('value = "150 uS"', 'value = "150 uSs"'),
          ("g_max.value", "'150 uSs'", "uSs", "'S'")),
    Fault("out of range", "parameters.toml", edit('value = "150 uS"', 'value = "900 uS"'),
          ("g_max.value", "'900 uS'", "outside the range", "400 µS")),
    Fault("contradiction", "parameters.toml", edit('value = "1 uS"', 'value = "200 uS"'), ("g_m", "200 uS")),
    Fault("NaN", "parameters.toml", edit('value = "150 uS"', "value = nan"), ("g_max.value", "nan")),
    Fault("NaN with unit", "parameters.toml", edit('value = "150 uS"', 'value = "nan uS"'),
          ("g_max.value", "'nan uS'", "not a number")),
    Fault("unknown key", "parameters.toml", edit("[g_max]", "[g_maxx]"),
          ("g_maxx", "unknown key", "Did you mean 'g_max'?")),
    Fault("no source", "parameters.toml", edit("source = ", "sourc = "), ("sourc",)),
    Fault("unknown schema", "parameters.toml", edit('"cosim.device/1"', '"cosim.device/7"'),
          ("schema", "cosim.device/7", "cosim.device/1")),
    Fault("empty file", "parameters.toml", become(""), ("this file is empty",)),
    Fault("no TOML", "parameters.toml", become("g_max = = 3\n"), ("not valid TOML", "line 1")),
    Fault("no text", "parameters.toml", become(b"\x89PNG\r\n\xff\xfe"), ("not valid TOML",)),
    Fault("no file", "parameters.toml", become(None), ("no parameters.toml",)),
]  # fmt: skip

MODEL = [
    Fault("no file", "model.cir", become(None), ("cannot read",)),
    Fault("empty file", "model.cir", become("\n"), ("this file is empty",)),
    Fault("no such subcircuit", "model.cir", edit("memristor_sinh te", "memristor_sine te"),
          ("'memristor_sinh'", "missing", "Did you mean 'memristor_sine'?")),
    Fault("other pins", "model.cir", edit("memristor_sinh te be", "memristor_sinh te"), ("other pins", "te be")),
    Fault("pin that nothing uses", "model.cir", edit("rcell te be", "rcell te 0"), ("'be'", "connected to this pin")),
    Fault("no such parameter", "model.cir", edit("memristor_sinh te be g=100u", "memristor_sinh te be"),
          ("'g'", "no such parameter")),
    Fault("commands", "model.cir", edit("rcell te be", ".control\nshell date\n.endc\nrcell te be"),
          ("'.control'", "runs commands")),
    Fault("command in a comment", "model.cir", edit("rcell te be", "*# shell date\nrcell te be"),
          ("'*# shell date'", "as a command")),
    Fault("include outside", "model.cir", edit("rcell te be", ".include /etc/hosts\nrcell te be"),
          ("'.include /etc/hosts'", "outside the file's own folder")),
]  # fmt: skip

NETLIST = [
    Fault("no such subcircuit", "mine.cir", edit(".subckt comparator inp", ".subckt comparater inp"),
          ("no subcircuit 'comparator'", "comparater", ".subckt comparator inp inn out bias vdd vss")),
    Fault("pin too few", "mine.cir", edit("inp inn out bias vdd vss\n", "inp inn out bias vdd\n"),
          ("line 1", "other pins than are connected to it, 5 for 6", "inp inn out bias vdd vss")),
    Fault("pins in another order", "mine.cir", edit("inp inn out", "inn inp out"),
          ("stand in another order", "inn inp out bias vdd vss")),
    Fault("unconnected pin", "mine.cir", edit("xm8 out o2", "xm8 out o3"),
          ("line 2", "xm8 out o3", "node 'o3' floats")),
    Fault("pin that nothing uses", "mine.cir", edit("xm1 d1 inp tail", "xm1 d1 inn tail"),
          ("'inp'", "nothing inside 'comparator' uses this pin", "* unused inp")),
    Fault("unknown model", "mine.cir", edit("xm8 out o2 vdd vdd pmos", "m8 out o2 vdd vdd pmod"),
          ("m8 out o2 vdd vdd pmod", "unknown model 'pmod'", "pch")),
    Fault("unknown subcircuit", "mine.cir", edit("xm8 out o2 vdd vdd pmos", "xm8 out o2 vdd vdd pfet"),
          ("unknown subcircuit 'pfet'", "pmos")),
    Fault("out of range", "mine.cir", edit("c1 out vss 5f", "r1 out vss -5k"), ("'-5k'", "out of range", "above zero")),
    Fault("NaN", "mine.cir", edit("c1 out vss 5f", "c1 out vss nan"), ("'nan'", "not a finite number")),
    Fault("garbage", "mine.cir", edit("c1 out vss 5f", "c1 out vss 5%f"), ("'5%f'", "neither a number")),
    Fault("command", "mine.cir", edit("c1 out vss 5f", "c1 out vss 5f\n.control\nshell ls\n.endc"), (".control",)),
    Fault("empty file", "mine.cir", become(""), ("empty",)),
    Fault("no text", "mine.cir", become(b"\x89PNG\r\n\xff\xfe"), ("cannot read",)),
    Fault("no file", "mine.cir", become(None), ("No such file",)),
]  # fmt: skip

LAB = [
    # the description
    Fault("missing unit", "adc.toml", edit('column = "u_step (mV)", unit = "mV"', 'column = "u_step (mV)"'),
          ("columns.threshold.unit", "unit of this column is missing", "'V'")),
    Fault("other dimension", "adc.toml", edit('unit = "mV", zero', 'unit = "mA", zero'),
          ("columns.threshold.unit", "'mA'", "another dimension", "'V'")),
    Fault("unknown unit", "adc.toml", edit('unit = "mV", zero', 'unit = "mVolts!", zero'),
          ("columns.threshold.unit", "'mVolts!'", "not a unit")),
    Fault("wrong column", "adc.toml", edit('column = "u_step (mV)"', 'column = "u_step mV"'),
          ("columns.threshold.column", "'u_step mV'", "no such column", "Did you mean 'u_step (mV)'?", "chip, code")),
    Fault("wrong column of another table", "adc.toml", edit('column = "offset (mV)"', 'column = "offset"'),
          ("chips.columns.comparator_offset.column", "'offset'", "adc_chips.csv")),
    Fault("unknown quantity", "adc.toml", edit("threshold = {", "treshold = {"),
          ("columns.treshold", "unknown quantity", "Did you mean 'threshold'?")),
    Fault("quantity not given", "adc.toml", edit('code = { column = "code" }\n', ""),
          ("columns.code", "required", "threshold k")),
    Fault("no column", "adc.toml", edit('{ column = "code" }', '{ colum = "code" }'),
          ("columns.code", "unknown key", "Did you mean 'column'?")),
    Fault("setting out of range", "adc.toml", edit("bits = 3", "bits = 12"), ("bits", "12", "2 to 8")),
    Fault("unknown setting", "adc.toml", edit("bits = 3", "bit = 3"), ("bit", "unknown key", "Did you mean 'bits'?")),
    Fault("setting without unit", "adc.toml", edit('v_read = "0.2 V"', "v_read = 0.2"),
          ("v_read", "0.2", "the unit is missing", "'V'")),
    Fault("condition without unit", "adc.toml", edit('"27 degC"', '"27"'),
          ("conditions.temperature", "'27'", "the unit is missing")),
    Fault("setting twice", "adc.toml", edit("bits = 3", 'bits = 3\nv_read = "0.2 V"'),
          ("v_read", "stands in [config]")),
    Fault("unknown block", "adc.toml", edit('"ramp_adc"', '"ramp_acd"'),
          ("'block'", "'ramp_acd'", "Did you mean 'ramp_adc'?")),
    Fault("unknown kind", "adc.toml", edit('"thresholds"', '"threshold"'),
          ("'kind'", "'threshold'", "Did you mean 'thresholds'?", "transfer")),
    Fault("unknown schema", "adc.toml", edit('"cosim.lab/1"', '"cosim.lab/2"'),
          ("schema", "cosim.lab/2", "cosim.lab/1")),
    Fault("empty file", "adc.toml", become(""), ("this file is empty",)),
    Fault("no TOML", "adc.toml", become("kind == 3\n"), ("not valid TOML",)),
    Fault("no file", "adc.toml", become(None), ("No such file",)),
    # its tables
    Fault("NaN", "adc_thresholds.csv", edit("A1,2,926.19", "A1,2,nan"),
          ("'u_step (mV)'", "'nan'", "line 4", "not a finite number", "csv.missing")),
    Fault("garbage", "adc_thresholds.csv", edit("A1,2,926.19", "A1,2,926.l9"), ("'926.l9'", "line 4")),
    Fault("out of range", "adc_thresholds.csv", edit("A1,2,926.19", "A1,2,92619"),
          ("'92619 mV'", "line 4", "out of range", "is the unit right?", "-5 V to 5 V")),
    Fault("code out of range", "adc_thresholds.csv", edit("A1,7,", "A1,8,"),
          ("'code'", "value 8", "line 9", "3-bit converter", "1 to 7")),
    Fault("no whole number", "adc_thresholds.csv", edit("A1,2,", "A1,2.5,"), ("'2.5'", "line 4", "whole number")),
    Fault("too large", "adc_thresholds.csv", edit("A1,2,", "A1,2e999,"), ("'2e999'", "line 4", "too large")),
    Fault("code missing", "adc_thresholds.csv", edit("A1,2,", "A1,,"), ("'code'", "line 4", "blank")),
    Fault("point twice", "adc_thresholds.csv", edit("A1,2,", "A1,3,"), ("line 5", "line 4 already")),
    Fault("decimal comma", "adc_thresholds.csv", edit("A1,2,926.19", "A1,2,926,19"),
          ("line 4", "4 cells", "3 columns", "decimal mark")),
    Fault("cut line", "adc_thresholds.csv", edit("A1,2,926.19", "A1,2"), ("line 4", "2 cells")),
    Fault("empty file", "adc_thresholds.csv", become(""), ("this file is empty",)),
    Fault("header only", "adc_thresholds.csv", become("chip,code,u_step (mV)\n"), ("no measured line",)),
    Fault("no text", "adc_thresholds.csv", become(b"\x89PNG\r\n\xff\xfe"), ("not text", "encoding")),
    Fault("no file", "adc_thresholds.csv", become(None), ("No such file",)),
    Fault("wrong unit", "adc_conductances.csv", edit("A1;ramp;1;152,312", "A1;ramp;1;152312000"),
          ("line 2", "152312000 uS", "out of range", "0 S to 100 mS")),
    Fault("unknown part", "adc_conductances.csv", edit("A1;ramp;1", "A1;rampe;1"),
          ("line 2", "'rampe'", "Did you mean 'ramp'?", "bias")),
    Fault("cell too many", "adc_conductances.csv", edit("A1;ramp;6", "A1;ramp;7"), ("no such ramp cell", "1 to 6")),
    Fault("cell twice", "adc_conductances.csv", edit("A1;ramp;2", "A1;ramp;1"), ("line 3", "line 2 already")),
    Fault("chip twice", "adc_chips.csv", edit("A2,", "A1,"), ("line 3", "'A1'", "line 2 already")),
]  # fmt: skip


def spoil(fault: Fault, path: Path) -> None:
    spoilt = fault.change(path.read_text(encoding="utf-8"))
    path.unlink()
    if spoilt is not None:
        path.write_bytes(spoilt if isinstance(spoilt, bytes) else spoilt.encode())


Refused = Callable[..., None]


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Refused:
    """Run a command that must fail over a file: exit code 2, one line, nothing simulated, nothing written."""

    def simulate(*arguments: object) -> None:
        raise AssertionError("a deck was simulated before the file was refused")

    monkeypatch.setattr(SimulatorPool, "_schedule", simulate)
    monkeypatch.chdir(tmp_path)

    def run(fault: Fault, *arguments: str) -> None:
        before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
        monkeypatch.setattr(sys, "argv", ["cosim", *arguments])
        with pytest.raises(SystemExit) as end:
            cli.main()
        out, err = capsys.readouterr()
        assert (end.value.code, out) == (2, "")
        assert err.startswith("error: ") and err.count("\n") == 1, err
        for text in (Path(fault.file).name, *fault.says):
            assert text in err
        assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before

    return run


@pytest.mark.parametrize("fault", PARAMETERS + MODEL, ids=str)
def test_device_parameters(refused: Refused, tmp_path: Path, fault: Fault) -> None:
    shutil.copytree(device_folder("taox_1t1r"), tmp_path / "mine")
    spoil(fault, tmp_path / "mine" / fault.file)
    refused(fault, "characterise", "ramp_adc", "--set", "device=mine")


@pytest.mark.parametrize("fault", NETLIST, ids=str)
def test_netlists(refused: Refused, tmp_path: Path, fault: Fault) -> None:
    (tmp_path / "mine.cir").write_text(read_netlist("comparator_two_stage"))
    spoil(fault, tmp_path / fault.file)
    refused(fault, "characterise", "ramp_adc", "--set", "comparator=mine.cir")


# Every setting that a netlist of the user's can stand in for: block, setting, shipped netlist, further settings.
PARTS = [
    ("ramp_adc", "comparator", "comparator_two_stage", ()),
    ("comparator", "comparator", "comparator_strongarm", ()),
    ("comparator", "comparator", "comparator_two_stage", ()),
    ("integrator", "integrator", "ota_two_stage", ()),
    ("sample_hold", "sample_hold", "sample_hold_tgate", ()),
    ("sar_adc", "comparator", "comparator_two_stage", ()),
    ("sar_adc", "switch", "sar_switch", ()),
    ("dac", "switch", "dac_switch", ()),
    ("dac", "driver", "dac_driver", ("--set", "kind=pulse_width")),
    ("macro", "driver", "dac_driver", ()),
]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("rstray 0 nowhere 1k", ("rstray 0 nowhere 1k", "node 'nowhere' floats")),
        ("mstray 0 0 0 0 nomodel w=1u l=1u", ("mstray", "unknown model 'nomodel'")),
    ],
    ids=["floating node", "unknown model"],
)
@pytest.mark.parametrize(("block", "setting", "netlist", "more"), PARTS, ids=[" ".join(each[:3]) for each in PARTS])
def test_every_part_is_checked(
    refused: Refused, tmp_path: Path, block: str, setting: str, netlist: str, more: tuple[str, ...], line: str,
    says: tuple[str, ...],
) -> None:  # fmt: skip
    """The shipped netlist with one line more, in place of each part that a user may replace."""
    text = read_netlist(netlist)
    at = text.index(".ends")
    (tmp_path / "mine.cir").write_text(f"{text[:at]}{line}\n{text[at:]}")
    where = f"line {text[:at].count(chr(10)) + 1}"
    fault = Fault("one line more", "mine.cir", become(""), (f"'{setting}'", where, *says))
    refused(fault, "characterise", block, "--set", f"{setting}=mine.cir", *more)


@pytest.mark.parametrize("fault", LAB, ids=str)
def test_measured_tables(refused: Refused, tmp_path: Path, fault: Fault) -> None:
    for path in EXAMPLES.glob("adc*"):
        shutil.copy(path, tmp_path)
    spoil(fault, tmp_path / fault.file)
    refused(fault, "lab", "adc.toml", "-o", "adc.nc")


def test_the_sound_files_are_sound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that the refusals above come from the change and not from the copy."""
    for path in EXAMPLES.glob("adc*"):
        shutil.copy(path, tmp_path)
    monkeypatch.setattr(sys, "argv", ["cosim", "lab", str(tmp_path / "adc.toml"), "-o", str(tmp_path / "adc.nc")])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 0
    assert (tmp_path / "adc.nc").is_file()
