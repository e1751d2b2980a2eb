"""A user's process file: each fault one clear message."""

from pathlib import Path

import pytest

from cosim.blocks.circuit import CircuitConfig
from cosim.errors import CosimError
from cosim.process import load_process, mismatch_of

from .conftest import write_kit

FAULTS = {
    "missing unit": ('v_dd = "1.8 V"', "v_dd = 1.8", ("v_dd", "the unit is missing")),
    "no unit in the text": ('l_min = "0.15 um"', 'l_min = "0.15"', ("l_min", "the unit is missing")),
    "wrong dimension": ('a_vt = "3.4 mV*um"', 'a_vt = "3.4 mV"', ("nmos.a_vt", "another dimension")),
    "not a number": ('v_dd = "1.8 V"', 'v_dd = "nan V"', ("v_dd", "not a number")),
    "out of range": ('l_min = "0.15 um"', 'l_min = "0.15 m"', ("l_min", "out of range")),
    "unknown key": ('name = "kit130"', 'name = "kit130"\nvdd = 3', ("vdd", "Did you mean 'v_dd'?")),
    "unknown key of a device": ('prefix = "X"', 'prefixx = "X"', ("nmos.prefixx", "Did you mean 'prefix'?")),
    "missing key": ('device = "kit__nfet_01v8"\n', "", ("nmos.device", "required")),
    "unknown prefix": ('prefix = "X"', 'prefix = "Q"', ("nmos.prefix", "'M'", "'X'")),
    "unknown corner": ('TT = "tt"', 'TYP = "tt"', ("library.sections", "TT")),
    "missing library": ("kit.lib.spice", "gone.lib", ("library.file", "no such model library")),
    "another file": ("cosim.process/1", "cosim.device/1", ("schema", "cosim.process/1")),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_one_clear_message(kit: Path, fault: str) -> None:
    before, after, says = FAULTS[fault]
    text = kit.read_text()
    assert before in text
    bad = kit.parent / "bad.toml"
    bad.write_text(text.replace(before, after, 1))
    with pytest.raises(CosimError) as error:
        load_process(bad)
    message = str(error.value)
    assert message.startswith(str(bad)) and "\n" not in message
    for part in says:
        assert part in message


def test_a_section_that_the_library_lacks(kit: Path) -> None:
    bad = kit.parent / "section.toml"
    bad.write_text(kit.read_text().replace('SS = "ss"', 'SS = "slow"'))
    process = load_process(bad)
    process.text("TT")
    with pytest.raises(CosimError, match="no such section") as error:
        process.text("SS")
    assert error.value.allowed == ["tt", "ff", "ss", "fs", "sf"]


def test_a_corner_that_the_kit_does_not_offer(kit: Path) -> None:
    toml = kit.parent / "typical.toml"
    toml.write_text(kit.read_text().replace(', FF = "ff", SS = "ss", FS = "fs", SF = "sf"', ""))
    with pytest.raises(CosimError) as error:
        load_process(toml).text("FF")
    assert (error.value.key, error.value.value, error.value.allowed) == ("corner", "FF", ["TT"])


def test_a_process_that_is_not_there() -> None:
    with pytest.raises(CosimError, match="Did you mean 'generic180'") as error:
        load_process("generic18")
    assert "generic65" in str(error.value)


def test_a_channel_that_the_process_cannot_make(kit: Path) -> None:
    netlist = "xm1 d g s b nmos w=1u l=0.13u dvt={a} db={b}"
    with pytest.raises(CosimError, match=r"l=0\.15u or longer"):
        mismatch_of(netlist, load_process(kit))


def test_supply_of_a_block_follows_the_process(kit: Path) -> None:
    assert CircuitConfig(process=str(kit)).v_dd == 1.8
    assert CircuitConfig(process="generic65").v_dd == 1.2
    assert CircuitConfig(process="generic65", v_dd=1.08).v_dd == 1.08


def test_a_change_anywhere_in_the_kit_changes_the_text(tmp_path: Path) -> None:
    """Decks hold all model text, so their hashes cover every file of a kit."""
    toml = write_kit(tmp_path / "kit")
    before = load_process(toml)
    text = before.text("FF")
    assert ".include" not in text and "{w*1e6}" in text and "scale=1.0u" in text
    assert before.text("TT") != text
    library = tmp_path / "kit" / "libs.tech" / "ngspice" / "kit.lib.spice"
    library.write_text(library.read_text().replace("mc_mm_switch=0", "mc_mm_switch=1"))
    after = load_process(toml)
    assert after.text("FF") != text


def test_a_change_of_an_included_file_is_seen_by_a_process_that_is_loaded(tmp_path: Path) -> None:
    """The corner's text comes from files that the library includes, and that one from others."""
    process = load_process(write_kit(tmp_path / "kit"))
    before, other = process.text("FF"), process.text("SS")
    shared = tmp_path / "kit" / "libs.tech" / "ngspice" / "all.spice"
    shared.write_text(shared.read_text() + ".param of_now=1\n")
    after = process.text("FF")
    assert ".param of_now=1" in after and after != before and process.text("SS") != other
    shared.unlink()
    with pytest.raises(CosimError, match="cannot read this model file") as error:
        process.text("FF")
    assert Path(str(error.value.file)).name == "all.spice"
