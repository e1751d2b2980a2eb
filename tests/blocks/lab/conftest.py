"""Small characterisations in ngspice, and the same numbers as a laboratory would hand them over."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr


@pytest.fixture(scope="session")
def simulated(smallest: Callable[[str], xr.Dataset]) -> xr.Dataset:
    """2-bit sigmoid, 4 chips, one V_read; without the nominal chip, which no laboratory has."""
    data = smallest("ramp_adc")
    return data.isel(sample=data["chip"].values >= 0)


@pytest.fixture(scope="session")
def simulated_cell(smallest: Callable[[str], xr.Dataset]) -> xr.Dataset:
    """Two states, two devices, one pulse train in each direction."""
    return smallest("cell")


def german(value: float) -> str:
    """A number with a decimal comma and all its digits."""
    return repr(float(value)).replace(".", ",")


TOML = """
schema = "cosim.lab/1"
block = "ramp_adc"
kind = "thresholds"
file = "thresholds.csv"

[csv]
delimiter = ";"
decimal = ","

[columns]
chip = { column = "Chip" }
code = { column = "k" }
threshold = { column = "Schwelle (mV)", unit = "mV", zero = "1 V" }
bracket = { column = "Schritt (uV)", unit = "uV" }

[conditions]
temperature = "300.15 K"
v_read = "200 mV"

[config]
bits = 2
function = "sigmoid"
device = "taox_1t1r"

[conductances]
file = "zellen.csv"
[conductances.columns]
chip = { column = "Chip" }
part = { column = "Teil" }
cell = { column = "Zelle" }
conductance = { column = "G (mS)", unit = "mS" }
target = { column = "Soll (mS)", unit = "mS" }

[chips]
file = "chips.csv"
[chips.columns]
chip = { column = "Chip" }
comparator_offset = { column = "Offset (uV)", unit = "uV" }
comparator_energy = { column = "E (fJ)", unit = "fJ" }
ramp_energy = { column = "E_Rampe (fJ)", unit = "fJ" }

[notes]
instrument = "none: simulated"
"""


def write_lab(folder: Path, data: xr.Dataset) -> Path:
    """The thresholds, cells and offsets of a data set as CSV files in other units, rows in no order; the TOML."""
    rng = np.random.default_rng(0)

    def write(name: str, header: str, lines: list[str]) -> None:
        (folder / name).write_text("\n".join([header, *rng.permutation(lines)]) + "\n", encoding="utf-8")

    chips = data["chip"].values
    rows = [
        f"{chip};{k};{german((data['threshold'].values[n, k - 1] + 1.0) * 1e3)};"
        f"{german(data['bracket'].values[n, k - 1] * 1e6)}"
        for n, chip in enumerate(chips)
        for k in data["code"].values
    ]
    write("thresholds.csv", "Chip;k;Schwelle (mV);Schritt (uV)", rows)
    cells = [
        f"{chip};{part};{cell + 1};{german(actual * 1e3)};{german(target * 1e3)}"
        for n, chip in enumerate(chips)
        for part, own, targets in (
            ("ramp", "ramp_conductance", "target_conductance"), ("bias", "bias_conductance", "target_bias"),
        )
        for cell, (actual, target) in enumerate(zip(data[own].values[n], data[targets].values, strict=True))
    ]  # fmt: skip
    write("zellen.csv", "Chip;Teil;Zelle;G (mS);Soll (mS)", cells)
    figures = ("comparator_offset", 1e6), ("comparator_energy", 1e15), ("ramp_energy", 1e15)
    per_chip = [
        ";".join([str(chip), *(german(data[name].values[n] * scale) for name, scale in figures)])
        for n, chip in enumerate(chips)
    ]
    write("chips.csv", "Chip;Offset (uV);E (fJ);E_Rampe (fJ)", per_chip)
    (folder / "lab.toml").write_text(TOML, encoding="utf-8")
    return folder / "lab.toml"


@pytest.fixture
def lab(tmp_path: Path, simulated: xr.Dataset) -> Path:
    """The description of the simulated chips' numbers, which a test may spoil."""
    return write_lab(tmp_path, simulated)


Spoil = Callable[[str, str, str], None]


@pytest.fixture
def spoil(lab: Path) -> Spoil:
    """Replace a text that must be there, once, in one of the files beside the description."""

    def replace(file: str, before: str, after: str) -> None:
        text = (lab.parent / file).read_text(encoding="utf-8")
        assert before in text
        (lab.parent / file).write_text(text.replace(before, after, 1), encoding="utf-8")

    return replace
