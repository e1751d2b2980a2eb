"""Model libraries as one text: what ngspice would read, in its order, and nothing that it would run."""

from pathlib import Path

import pytest

from cosim.errors import CosimError
from cosim.process.inline import inline_library


def test_a_section_with_what_it_includes(tmp_path: Path) -> None:
    """Nested includes count from the file that names them; quotes of both kinds, none, and any case."""
    (tmp_path / "a b" / "deep").mkdir(parents=True)
    (tmp_path / "top.lib").write_text(
        '* outside\n.LIB tt\n.param a=1\n.Include "a b/one.spice"\n.endl tt\n.lib SS\n.param a=2\n.ENDL\n'
    )
    (tmp_path / "a b" / "one.spice").write_text(".inc 'deep/two.spice'\n.lib ../more.lib Second\n")
    (tmp_path / "a b" / "deep" / "two.spice").write_text(".param b=3\n")
    (tmp_path / "more.lib").write_text(".lib first\n.param c=0\n.endl\n.lib second\n.param c=4\n.endl second\n")
    found = inline_library(tmp_path / "top.lib", "TT")
    assert found.text.splitlines() == [".param a=1", ".param b=3", ".param c=4"]
    assert [path.name for path in found.files] == ["top.lib", "one.spice", "two.spice", "more.lib"]
    assert inline_library(tmp_path / "top.lib", "ss").text == ".param a=2"


def test_a_whole_file(tmp_path: Path) -> None:
    (tmp_path / "cards.cir").write_text("* cards\n.param a=1\n")
    assert inline_library(tmp_path / "cards.cir").text == "* cards\n.param a=1"


def test_a_section_that_comes_twice_is_taken_whole(tmp_path: Path) -> None:
    (tmp_path / "x.lib").write_text(".lib tt\n.param a=1\n.endl\n.lib ff\n.endl\n.lib tt\n.param b=2\n.endl\n")
    assert inline_library(tmp_path / "x.lib", "tt").text.split() == [".param", "a=1", ".param", "b=2"]


def test_a_missing_section_names_those_there(tmp_path: Path) -> None:
    (tmp_path / "x.lib").write_text(".lib tt\n.endl\n.lib ff\n.endl\n")
    with pytest.raises(CosimError) as error:
        inline_library(tmp_path / "x.lib", "typical")
    assert (error.value.key, error.value.value, error.value.allowed) == ("section", "typical", ["tt", "ff"])
    assert error.value.file == str(tmp_path / "x.lib")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.lib").write_text(".lib tt\n.include gone.spice\n.endl\n")
    with pytest.raises(CosimError, match="cannot read this model file") as error:
        inline_library(tmp_path / "x.lib", "tt")
    assert error.value.file == str(tmp_path / "gone.spice")


@pytest.mark.parametrize("text", [".include x.lib\n", ".lib tt\n.lib x.lib tt\n.endl\n"])
def test_files_that_include_each_other_endlessly(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.lib").write_text(text)
    with pytest.raises(CosimError, match="includes itself"):
        inline_library(tmp_path / "x.lib", "tt" if "tt" in text else None)


def test_a_file_may_be_included_twice(tmp_path: Path) -> None:
    """In two places is no circle: ngspice would read it twice, too."""
    (tmp_path / "x.cir").write_text(".include y.cir\n.include y.cir\n")
    (tmp_path / "y.cir").write_text(".param a=1\n")
    assert inline_library(tmp_path / "x.cir").text.splitlines() == [".param a=1"] * 2


@pytest.mark.parametrize(
    "line", [".control", "  .CONTROL", "shell rm x", "system ls", ".exec x", "*# shell touch x", ".save v(a)"]
)
def test_commands_are_refused(tmp_path: Path, line: str) -> None:
    (tmp_path / "x.lib").write_text(".lib tt\n.include 'y.spice'\n.endl\n")
    (tmp_path / "y.spice").write_text(f"* harmless\n{line}\n.endc\n")
    with pytest.raises(CosimError):
        inline_library(tmp_path / "x.lib", "tt")
