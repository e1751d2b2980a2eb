from pathlib import Path

import pytest

from cosim.devices.safety import check_netlist, checked_text
from cosim.errors import CosimError
from cosim.resources import device_folder, device_names, netlist_names, netlist_path

CELL = "* a cell\n.subckt cell te be g=100u\nrcell te be {1/g}\n.ends\n"


def refusal(text: str, file: Path | str = "model.cir", folder: Path | None = None) -> str:
    with pytest.raises(CosimError) as caught:
        check_netlist(text, file, folder)
    return str(caught.value)


@pytest.mark.parametrize("name", netlist_names())
def test_the_shipped_netlists_pass(name: str) -> None:
    assert checked_text(netlist_path(name)).strip() == netlist_path(name).read_text().strip()


@pytest.mark.parametrize("name", device_names())
def test_the_shipped_device_models_pass(name: str) -> None:
    file = device_folder(name) / "model.cir"
    assert checked_text(file).strip() == file.read_text().strip()


@pytest.mark.parametrize(
    ("line", "says"),
    [
        # each of the first twelve makes ngspice 46 run the command; seen with `shell touch FILE`
        (".control", "runs commands"),
        ("  .CONTROL", "runs commands"),
        (".controlx now", "runs commands"),
        ("*# shell touch x", "runs this comment as a command"),
        ("\t*#shell touch x", "runs this comment as a command"),
        (";# shell touch x", "runs this comment as a command"),
        ("$# shell touch x", "runs this comment as a command"),
        ("!# shell touch x", "runs this comment as a command"),
        ('"# shell touch x', "runs this comment as a command"),
        ("r1 a b 1k\r.control", "a control character"),
        ("\x0b.control", "a control character"),
        ("\x0c.control", "a control character"),
        (".endc", "runs commands"),
        (".exec touch x", "has no place"),
        (".shell touch x", "has no place"),
        ("shell touch x", "'shell' is a command"),
        ("SYSTEM touch x", "'SYSTEM' is a command"),
        ("bx a 0 v=system(1)", "'system' is a command"),
        ("r1 a b 1k\n+ shell", "'shell' is a command"),
        ("r1 a b `touch x`", "'`' is a command"),
        ("*ng_script", "script of commands"),
        ("!touch x", "no line of a netlist starts"),
        ("=.include x", "no line of a netlist starts"),
        ("r1 a b 1k \\\\\n.control", "backslash"),
        (".tran 1n 1u", ".tran belongs to the deck"),
        (".end", ".end belongs to the deck"),
        (".save all", ".save belongs to the deck"),
        (".hdl x.va", "has no place"),
        (".incfoo x", "has no place"),  # ngspice reads the file x
        (".libx x tt", "has no place"),  # likewise
        ('.model m filesource (file="/etc/passwd")', "reads or writes a file"),
        ('.model m FileSource\n+ (amploffset=[0]\n+ FILE="x")', "reads or writes a file"),
        (".model m d_process (process_file=x)", "reads or writes a file"),
        ('.model m d_cosim simulation="./x.so"', "reads or writes a file"),
        (".model m table2d (offset=0 gain=1)", "reads or writes a file"),
        ('a1 [x] %v[y] m input_file = "x"', "reads or writes a file"),
        ("v1 a 0 pwl file=x", "reads or writes a file"),
        ('v1 a 0 pwl(file "x")', "reads or writes a file"),
        (".model m numd level=1\n+ output ic.file=x", "reads or writes a file"),
    ],
)
def test_what_runs_commands_or_reads_files_is_refused_with_file_line_and_text(line: str, says: str) -> None:
    message = refusal(CELL + line + "\n")
    assert message.startswith("model.cir: value ")
    assert says in message.partition(": line 5: ")[2]
    assert line.split()[0].strip("\x0b\x0c\"'").split("\r")[0] in message


def test_a_continuation_of_nothing_is_refused() -> None:
    assert "line 1: this continues a line that is not there" in refusal("+ r1 a b\n")


@pytest.mark.parametrize(
    "text",
    [
        "* the system's shell is a word of this comment\n" + CELL,
        CELL.replace("{1/g}", "{1/g} ; the shell of the system"),
        ".param profile=1 file_count=2\n" + CELL,
        ".model m nmos level=54\n* between\n+ vth0=0.4\n\n+ u0=0.03\n",
        ".if (g > 0)\n.option scale=1e-6\n.endif\n",
        "xsystems a b cell\n",
        "v1 a 0 pwl(0 0 1n 1)\n",
        "",
    ],
)
def test_what_is_only_a_circuit_passes(text: str) -> None:
    check_netlist(text, "model.cir")
    check_netlist(text.replace("\n", "\r\n"), "model.cir")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder `mine` with a part and a subfolder, and a file beside it."""
    mine = tmp_path / "mine"
    (mine / "parts").mkdir(parents=True)
    (mine / "parts" / "cell.cir").write_text(CELL)
    (tmp_path / "outside.cir").write_text(CELL)
    return mine


@pytest.mark.parametrize(
    "line",
    [
        ".include ../outside.cir",
        ".INC '../outside.cir'",
        '.include "parts/../../outside.cir"',
        ".include\n+ ../outside.cir",
        ".include {outside}",
        '.lib "{outside}" tt',
        ".include /etc/passwd",
        ".include link.cir",
        ".lib linked/outside.cir tt",
    ],
)
def test_an_include_outside_the_folder_is_refused(folder: Path, line: str) -> None:
    (folder / "link.cir").symlink_to(folder.parent / "outside.cir")
    (folder / "linked").symlink_to(folder.parent)
    message = refusal(CELL + line.format(outside=folder.parent / "outside.cir"), folder / "model.cir")
    assert "line 5: an include outside the file's own folder" in message
    assert f"Allowed: files inside {folder.resolve()}" in message


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (".include parts/none.cir", "missing"),
        (".include parts", "missing"),
        (".include $HOME/x.cir", "a shell would change"),
        (".include ~/x.cir", "a shell would change"),
        (".include a.cir b.cir", "one path"),
        (".include", "not an include that can be followed"),
        (".include model.cir", "includes itself"),
        (".lib parts/cell.cir tt", "no such section"),
    ],
)
def test_an_include_that_cannot_be_followed_is_refused(folder: Path, line: str, says: str) -> None:
    (folder / "model.cir").write_text(line)
    assert says in refusal(line, folder / "model.cir")


def test_files_of_the_own_folder_are_written_in_place_and_checked(folder: Path) -> None:
    model = folder / "model.cir"
    model.write_text('* top\n.include "parts/cell.cir"\nr1 a b 1k\n')
    assert checked_text(model) == f"* top\n{CELL}\nr1 a b 1k\n\n"
    (folder / "parts" / "cell.cir").write_text(CELL + ".control\n")
    with pytest.raises(CosimError, match=r"cell\.cir: value '\.control': line 5"):
        checked_text(model)
    (folder / "parts" / "cell.cir").write_text(".include ../model.cir\n")
    with pytest.raises(CosimError, match="includes itself"):
        checked_text(model)


def test_a_section_of_a_library_is_taken_alone_but_all_are_checked(folder: Path) -> None:
    model, library = folder / "model.cir", folder / "parts" / "corners.lib"
    model.write_text(".lib parts/corners.lib FF\n")
    library.write_text(".lib tt\n.param k=1\n.endl tt\n.lib ff\n.param k=2\n.endl ff\n")
    assert checked_text(model).split("\n")[0] == ".param k=2"
    assert "k=1" not in checked_text(model)
    library.write_text(library.read_text().replace(".param k=1", "*# quit"))
    with pytest.raises(CosimError, match=r"corners\.lib: value '\*# quit': line 2"):
        checked_text(model)


def test_a_wider_folder_may_be_named(folder: Path) -> None:
    text = ".include ../outside.cir"
    check_netlist(text, folder / "model.cir", folder.parent)
    assert "outside" in refusal(text, folder / "model.cir", folder)


def test_an_empty_or_unreadable_file_is_refused(folder: Path) -> None:
    (folder / "model.cir").write_text(" \n")
    with pytest.raises(CosimError, match="this file is empty"):
        checked_text(folder / "model.cir")
    (folder / "model.cir").write_bytes(b"\xff\xfe")
    with pytest.raises(CosimError, match="cannot read this netlist"):
        checked_text(folder / "model.cir")
