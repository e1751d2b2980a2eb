"""A small process kit laid out like the open SkyWater 130 nm one, with this project's own transistor cards in it.

A library file with a section a corner, files that include each other by relative paths, transistors as subcircuits
with a binned `.model` inside, lengths in micrometres by `.option scale`, statistics switched off by a parameter.
"""

import re
from pathlib import Path

import pytest

from cosim.resources import process_file

CARDS = process_file("generic180").with_suffix(".cir")

# Shift of |Vth| [V] of (NMOS, PMOS); the same as generic180's without its other changes.
SHIFTS = {"tt": (0, 0), "ff": (-0.045, -0.045), "ss": (0.045, 0.045), "fs": (-0.045, 0.045), "sf": (0.045, -0.045)}

TOML = """\
schema = "cosim.process/1"
name = "kit130"
v_dd = "1.8 V"
l_min = "0.15 um"

[library]
file = "libs.tech/ngspice/kit.lib.spice"
sections = { TT = "tt", FF = "ff", SS = "ss", FS = "fs", SF = "sf" }

[nmos]
device = "kit__nfet_01v8"
prefix = "X"
instance = "w={w*1e6} l={l*1e6} nf=1 m={m}"
a_vt = "3.4 mV*um"
a_beta = "0.01 um"

[pmos]
device = "kit__pfet_01v8"
prefix = "X"
instance = "w={w*1e6} l={l*1e6} nf=1 m={m}"
a_vt = "3.4 mV*um"
a_beta = "0.01 um"
"""


def typical_card(model: str) -> str:
    """Parameter lines of a card of generic180 in its typical corner, threshold left to a parameter."""
    found = re.search(
        rf"^\.model {model} .*?level=54 version=4\.8\.2(.*?)(?=^\.model|\Z)", CARDS.read_text(), re.M | re.S
    )
    assert found
    text = re.sub(r"\{([\d.e-]+)\*f\w+\}", r"\1", found[1])
    threshold = "{0.45+kit__nfet_01v8__shift" if model == "nch" else "{-0.45-kit__pfet_01v8__shift"
    statistics = "+mc_mm_switch*agauss(0,1.0,1)*(3e-3/sqrt(l*w*mult))}"
    return re.sub(r"vth0=\{[^}]*\}", f"vth0={threshold}{statistics}", text)


def write_kit(folder: Path) -> Path:
    """Write the kit and the TOML file that describes it; returns the TOML file."""
    tech, cells = folder / "libs.tech" / "ngspice", folder / "libs.ref" / "kit" / "spice"
    (tech / "corners").mkdir(parents=True)
    cells.mkdir(parents=True)
    library = []
    for corner, shifts in SHIFTS.items():
        library += [
            f"* corner {corner}", f".lib {corner}", ".param mc_mm_switch=0", f'.include "corners/{corner}.spice"',
            f".endl {corner}",
        ]  # fmt: skip
        names = []
        for device, kind, model, shift in zip(("nfet", "pfet"), ("nmos", "pmos"), ("nch", "pch"), shifts, strict=True):
            name = f"kit__{device}_01v8"
            lines = [
                f".param {name}__shift = {shift}",
                f".subckt  {name} d g s b",
                "+ ",
                ".param  l = 1 w = 1 nf = 1.0 ad = 0 as = 0 pd = 0 ps = 0 mult = 1",
                f"m{name} d g s b {name}__model l = {{l}} w = {{w}} nf = {{nf}} ad = {{ad}} as = {{as}} pd = {{pd}}"
                " ps = {ps}",
            ]
            # Two lengths; and fingers above 20 um, whose threshold is 10 mV lower, so that the bin can be told.
            bins = (("1.45e-07", "1.0e-06", "3.6e-07", "2.0e-05", ""), ("1.0e-06", "1.0e-04", "3.6e-07", "2.0e-05", ""),
                    ("1.45e-07", "1.0e-04", "2.0e-05", "1.0e-04", "-0.01"))  # fmt: skip
            for number, (shortest, longest, narrowest, widest, change) in enumerate(bins):
                lines += [
                    f".model {name}__model.{number} {kind}",
                    "* model flags",
                    f"+ lmin = {shortest} lmax = {longest} wmin = {narrowest} wmax = {widest}",
                    f"+ level = 54.0 version = 4.8.2 tnom = 27.0{typical_card(model)}".replace(
                        f"{name}__shift", f"{name}__shift{change}"
                    ),
                ]
            lines.append(f".ends {name}")
            names.append(f"{name}__{corner}.pm3.spice")
            (cells / names[-1]).write_text("\n".join(lines) + "\n")
        includes = [f'.include "../../../libs.ref/kit/spice/{each}"' for each in names]
        (tech / "corners" / f"{corner}.spice").write_text("\n".join([*includes, ".include '../all.spice'"]) + "\n")
    (tech / "all.spice").write_text("* what all corners share\n.option scale=1.0u\n")
    (tech / "kit.lib.spice").write_text("\n".join(library) + "\n")
    toml = folder / "kit.toml"
    toml.write_text(TOML)
    return toml


@pytest.fixture(scope="session")
def kit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """TOML file of the kit; not to be changed."""
    return write_kit(tmp_path_factory.mktemp("kit with a space"))
