"""A user's netlist with each kind of fault: one message with file, line and text; sound netlists pass."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from cosim.blocks.partcheck import check_part, checked_part
from cosim.blocks.subcircuits import known_names
from cosim.errors import CosimError
from cosim.process import load_process
from cosim.resources import netlist_names, netlist_path, read_netlist

PINS = [("inp", "inn", "out", "bias", "vdd", "vss")]
MODELS = load_process("generic180").text("TT")
SHIPPED = read_netlist("comparator_two_stage")
LINES = SHIPPED.splitlines()


def line_of(start: str) -> int:
    return next(number for number, line in enumerate(LINES, 1) if line.startswith(start))


def check(text: str, file: str = "mine.cir") -> None:
    check_part(text, file, "comparator", PINS, known_names(MODELS))


def edit(before: str, after: str) -> Callable[[str], str]:
    def change(text: str) -> str:
        assert text.count(before) == 1, before
        return text.replace(before, after)

    return change


# What is changed in the shipped comparator, the line that the message must name, and what it must say.
FAULTS = [
    ("name missing", edit(".subckt comparator inp", ".subckt comparater inp"), None,
     "no subcircuit 'comparator'. Did you mean 'comparater'?"),
    ("pin too few", edit("inp inn out bias vdd vss\n", "inp inn out bias vdd\n"), ".subckt comparator inp",
     "has other pins than are connected to it, 5 for 6. Allowed: inp inn out bias vdd vss."),
    ("pin too many", edit("inp inn out bias vdd vss\n", "inp inn out bias vdd vss clk\n"), ".subckt comparator inp",
     "other pins than are connected to it, 7 for 6"),
    ("pins in another order", edit("inp inn out bias vdd vss\n", "inn inp out bias vdd vss\n"),
     ".subckt comparator inp", "connected by their place, and stand in another order"),
    ("pin twice", edit("inp inn out bias vdd vss\n", "inp inn out bias vdd inp\n"), ".subckt comparator inp",
     "stands twice"),
    ("pin that nothing uses", edit("xm1 d1 inp tail", "xm1 d1 inn tail"), ".subckt comparator inp",
     "value 'inp': line {line}: nothing inside 'comparator' uses this pin"),
    ("node with one connection", edit("xm8 out o2", "xm8 out o3"), "xm8",
     "node 'o3' floats: nothing else in 'comparator' is connected to it"),
    ("unconnected drain", edit("xm7 o2 bias", "xm7 drain bias"), "xm7", "node 'drain' floats"),
    ("only gates", lambda text: edit("xm6 o2 o1", "xm6 o3 o1")(edit("xm7 o2 bias", "xm7 o3 bias")(text)), "xm8",
     "node 'o2' floats: only gates and sensing terminals"),
    ("unknown subcircuit", edit("xm8 out o2 vdd vdd pmos", "xm8 out o2 vdd vdd pfet"), "xm8",
     "unknown subcircuit 'pfet'"),
    ("transistor by its model", edit("xm8 out o2 vdd vdd pmos", "m8 out o2 vdd vdd pchh"), "xm8",
     "unknown model 'pchh'. Did you mean 'pch'?"),
    ("node too few", edit("xm8 out o2 vdd vdd pmos", "xm8 out o2 vdd pmos"), "xm8",
     "'pmos' has 4 pins and 3 nodes are given"),
    ("element without nodes", edit("c1 out vss 5f", "c1 out"), "c1", "an element 'c' has 2 nodes"),
    ("NaN", edit("c1 out vss 5f", "c1 out vss nan"), "c1", "value 'nan': line {line}: not a finite number"),
    ("infinite width", edit("xm8 out o2 vdd vdd pmos w=1u", "xm8 out o2 vdd vdd pmos w=inf"), "xm8",
     "not a finite number"),
    ("garbage", edit("c1 out vss 5f", "c1 out vss 5%"), "c1", "value '5%': line {line}: the capacitance is neither"),
    ("letter for digit", edit("c1 out vss 5f", "c1 out vss 1O0f"), "c1", "'1o0f'"),
    ("decimal comma", edit("xm8 out o2 vdd vdd pmos w=1u", "xm8 out o2 vdd vdd pmos w=1,5u"), "xm8", "5u"),
    ("other alphabet", edit("xm8 out o2 vdd vdd pmos w=1u", "xm8 out o2 vdd vdd pmos w=1µ"), "xm8",
     "the value of 'w' is not a number"),
    ("negative", edit("c1 out vss 5f", "c1 out vss -5f"), "c1", "out of range. Allowed: a capacitance not below zero."),
    ("no resistance", edit("c1 out vss 5f", "r1 out vss 0"), "c1", "out of range. Allowed: a resistance above zero."),
    ("unknown parameter", edit("dvt={dvt5}", "dvt={dvt55}"), "xm5", "parameter 'dvt55' is not defined. Did you mean"),
    ("no end", lambda text: text.replace(".ends\n", "", 1), ".subckt comparator inp", "a name, and stand outside"),
    ("no last end", lambda text: text[: text.rindex(".ends")], ".subckt comparator_bias", "has no .ends"),
    ("end too many", edit("c1 out vss 5f\n.ends", "c1 out vss 5f\n.ends\n.ends"), None, "that was not begun"),
    ("element outside", lambda text: text + "rload out 0 1k\n", None, "'rload out 0 1k'"),
    ("twice", lambda text: text + "\n".join(LINES[line_of(".subckt comparator_bias") - 1 :]), None,
     "two subcircuits of this name"),
    ("empty subcircuit", lambda text: text + ".subckt spare a b\n.ends\n", None, "this subcircuit is empty"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "line", "says"), [row[1:] for row in FAULTS], ids=[row[0] for row in FAULTS])
def test_each_fault_is_one_message_with_its_line(change: Callable[[str], str], line: str | None, says: str) -> None:
    text = change(SHIPPED)
    assert text != SHIPPED
    with pytest.raises(CosimError) as caught:
        check(text)
    message = str(caught.value)
    assert message.startswith("mine.cir: ") and "\n" not in message
    if line is None:
        assert says in message
    else:
        number = line_of(line)
        if line == ".subckt comparator_bias" or "stand outside" in says:  # what is missing is noticed further on
            assert re.search(r"line \d+: ", message)
        else:
            assert f"line {number}: " in message
        assert says.replace("{line}", str(number)) in message


def heads(text: str) -> list[tuple[str, list[str]]]:
    joined = re.sub(r"\n\+", " ", text)
    return [
        (name, [word for word in rest.split() if "=" not in word])
        for name, rest in re.findall(r"^\.subckt (\w+) (.*)$", joined, re.MULTILINE)
    ]


@pytest.mark.parametrize("name", netlist_names())
@pytest.mark.parametrize("process", ["generic180", "generic65"])
def test_every_shipped_netlist_passes(name: str, process: str) -> None:
    text = read_netlist(name)
    known = known_names(load_process(process).text("TT"))
    assert heads(text)
    for subcircuit, pins in heads(text):
        check_part(text, netlist_path(name), subcircuit, [pins], known)


SOUND = [
    ("another number of pins is among the allowed ones", "* mine\n.subckt comparator a b\nr1 a b 1k\n.ends\n"),
    ("upper case", "* mine\n.SUBCKT COMPARATOR A B\nR1 A B 1K\n.ENDS COMPARATOR\n"),
    ("values with units", "* mine\n.subckt comparator a b\nr1 a b 1.5kOhm\nc1 a b 100pF\nl1 a b 2uH\n.ends\n"),
    ("own model", "* m\n.subckt comparator a b\nd1 a b dio\n.model dio d(is=1e-15)\n.ends\n"),
    ("own parameter", "* m\n.param big={2*500}\n.subckt comparator a b k=2\nr1 a b {k*big*sqrt(2)+1e3}\n.ends\n"),
    ("continuation", "* m\n.subckt comparator a\n+ b r={1k}\nr1\n* why not\n+ a b\n+ {r} ; here\n.ends\n"),
    ("behavioural", "* m\n.subckt comparator a b\nb1 x 0 v=max(v(a),0)\ne1 y 0 x 0 2\nr1 y b 1k\n.ends\n"),
    ("inner part", "* m\n.subckt comparator a b\nxi a b inner\n.ends\n.subckt inner p q\nr1 p q 1\n.ends\n"),
    ("stated as unused", "* m\n* unused b\n.subckt comparator a b\nr1 a 0 1k\n.ends\n"),
    ("ground and global nodes", "* m\n.global sub\n.subckt comparator a b\nr1 a sub 1k\nr2 b 0 1k\n.ends\n"),
    ("bipolar", "* m\n.subckt comparator a b\nq1 a b 0 bip\n.model bip npn\n.ends\n"),
    ("switch", "* m\n.subckt comparator a b\ns1 a b a 0 sw1\n.model sw1 sw vt=1\n.ends\n"),
]  # fmt: skip


@pytest.mark.parametrize("text", [row[1] for row in SOUND], ids=[row[0] for row in SOUND])
def test_sound_netlists_pass(text: str) -> None:
    check_part(text, "mine.cir", "comparator", [("inp", "inn", "out"), ("inp", "inn")], known_names(MODELS))


def test_lines_are_not_numbered_where_a_file_was_written_in_place(tmp_path: Path) -> None:
    (tmp_path / "inner.cir").write_text("* inner\n" * 5 + ".subckt inner p q\nr1 p q 1k\n.ends\n")
    (tmp_path / "mine.cir").write_text(
        '* mine\n.include "inner.cir"\n.subckt comparator a b\nxi a b inner\nr1 a C 1k\n.ends\n'
    )
    with pytest.raises(CosimError) as caught:
        checked_part(tmp_path / "mine.cir", {"comparator": [("a", "b")]}, MODELS, key="comparator")
    assert "in 'r1 a C 1k': node 'c' floats" in str(caught.value)
    assert (caught.value.file, caught.value.key) == (str(tmp_path / "mine.cir"), "comparator")
    text = (tmp_path / "mine.cir").read_text().replace("a C 1k", "a b 1k")
    (tmp_path / "mine.cir").write_text(text)
    assert ".subckt inner" in checked_part(tmp_path / "mine.cir", {"comparator": [("a", "b")]}, MODELS)


@pytest.mark.parametrize(
    ("content", "says"),
    [(None, "No such file"), (b"", "empty"), (b"\x89PNG\r\n\xff\xfe", "cannot read"), (b"hello\n", "stands outside")],
)
def test_a_file_that_is_no_netlist(tmp_path: Path, content: bytes | None, says: str) -> None:
    path = tmp_path / "mine.cir"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CosimError) as caught:
        checked_part(path, {"comparator": PINS}, MODELS, key="comparator")
    assert (caught.value.file, caught.value.key) == (str(path), "comparator")
    assert says in str(caught.value) and "\n" not in str(caught.value)


def test_models_that_are_not_known_are_not_judged(tmp_path: Path) -> None:
    path = tmp_path / "mine.cir"
    path.write_text(edit("xm8 out o2 vdd vdd pmos w=1u", "m8 out o2 vdd vdd pmod w=1u")(SHIPPED))
    checked_part(path, {"comparator": PINS}, None)
    with pytest.raises(CosimError, match="unknown model 'pmod'"):
        checked_part(path, {"comparator": PINS}, MODELS)
