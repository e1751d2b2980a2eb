"""Measured cells: what SPICE's own numbers give back, written as tables in other units."""

import json
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from cosim.blocks.lab import import_lab
from cosim.blocks.lab.cell import CELL_QUANTITIES
from cosim.errors import CosimError

HEAD = 'schema = "cosim.lab/1"\nblock = "cell"\nkind = "{kind}"\nfile = "table.csv"\n'


def write(folder: Path, kind: str, columns: Sequence[str], rows: Iterable[Sequence[Any]], more: str = "") -> Path:
    """A table, and a description with `columns` as "quantity" or "quantity unit"."""
    names = [column.split()[0] for column in columns]
    units = [f', unit = "{column.split()[1]}"' if " " in column else "" for column in columns]
    described = "".join(f'{name} = {{ column = "{name}"{unit} }}\n' for name, unit in zip(names, units, strict=True))
    lines = [",".join(str(each) for each in row) for row in rows]
    (folder / "table.csv").write_text("\n".join([",".join(names), *lines]) + "\n")
    (folder / "lab.toml").write_text(HEAD.format(kind=kind) + f"[columns]\n{described}{more}")
    return folder / "lab.toml"


def points(array: xr.DataArray, scales: dict[str, float]) -> list[list[Any]]:
    """One row a point of a variable: its coordinates, then the value, each times the scale of its unit; in disorder."""
    names = [str(dim) for dim in array.dims]
    stacked = array.stack(point=names)
    rows = []
    for n in np.random.default_rng(0).permutation(stacked.size):
        row = [stacked[name].values[n] for name in names] + [stacked.values[n]]
        rows.append([
            each if isinstance(each, str) else repr(float(each) * scales[name]) if name in scales else int(each)
            for name, each in zip([*names, "value"], row, strict=True)
        ])  # fmt: skip
    return rows


# Kind, variable, columns with units in the order of the variable's dimensions, and scales of these units.
KINDS = [
    ("iv", "current", ["state uS", "voltage mV", "current uA"], {"state": 1e6, "voltage": 1e3, "value": 1e6}),
    ("cycles", "cycle_conductance", ["device", "polarity", "cycle", "conductance mS"], {"value": 1e3}),
    ("programming", "programmed_conductance", ["state uS", "device", "conductance 1/kohm"],
     {"state": 1e6, "value": 1e3}),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "name", "columns", "scales"), KINDS, ids=[row[0] for row in KINDS])
def test_the_data_set_is_that_of_spice(
    tmp_path: Path, simulated_cell: xr.Dataset, kind: str, name: str, columns: list[str], scales: dict[str, float]
) -> None:
    wanted = simulated_cell[name]
    data = import_lab(write(tmp_path, kind, columns, points(wanted, scales), '[config]\nv_read = "100 mV"\n'))
    own = data[name]
    assert own.dims == wanted.dims and own.attrs["units"] == wanted.attrs["units"]
    # Two changes of unit, each rounded to a double.
    np.testing.assert_allclose(own.values, wanted.values, rtol=1e-15, atol=0)
    for dim in wanted.dims:
        assert own[dim].attrs["units"] == wanted[dim].attrs["units"]
        if own[dim].dtype.kind == "f":
            np.testing.assert_allclose(own[dim].values, wanted[dim].values, rtol=1e-15, atol=1e-18)
        else:
            assert own[dim].values.tolist() == wanted[dim].values.tolist()
    assert data["status"].dims == ("measurement",) and data["status"].values.tolist() == [0]
    assert data["measurement"].values.tolist() == [kind]
    assert kind in simulated_cell["measurement"].values


def test_conductance_and_nonlinearity_of_a_measured_curve(tmp_path: Path) -> None:
    """A sinh law on a grid that holds V_read and a tenth of it: both figures are exact there."""
    v_0, g, v_read = 0.25, 1e-4, 0.2
    voltage = np.round(np.arange(-30, 31) * 0.01, 3)
    current = g * v_0 * np.sinh(voltage / v_0)
    rows = [("100", repr(v), repr(i * 1e6)) for v, i in zip(voltage.tolist(), current.tolist(), strict=True)]
    more = '[config]\nv_read = "0.2 V"\n'
    data = import_lab(write(tmp_path, "iv", ["state uS", "voltage V", "current uA"], rows, more))
    at = {v: g * v_0 * np.sinh(v / v_0) / v for v in (v_read, v_read / 10)}
    np.testing.assert_allclose(data["conductance"].values, [at[v_read]], rtol=1e-12)
    np.testing.assert_allclose(data["nonlinearity"].values, [at[v_read] / at[v_read / 10] - 1], rtol=1e-10)
    narrow = [row for row in rows if abs(float(row[1])) < 0.195]
    data = import_lab(write(tmp_path, "iv", ["state uS", "voltage V", "current uA"], narrow, more))
    assert np.isnan(data["conductance"].values).all()  # nothing is carried on beyond the last point
    data = import_lab(write(tmp_path, "iv", ["state uS", "voltage V", "current uA"], rows))
    assert np.isnan(data["conductance"].values).all()  # no V_read, no conductance


def test_pulse_trains(tmp_path: Path, simulated_cell: xr.Dataset) -> None:
    """Amplitudes in volts and widths in seconds come back as the shares that the simulation is swept over."""
    wanted = simulated_cell["pulse_conductance"]
    volts = {"SET": 1.1, "RESET": -1.3}
    rows = [
        (polarity, volts[str(polarity)], repr(float(width) * 1e9), pulse, repr(float(
            wanted.sel(polarity=polarity).isel(amplitude=0, width=k, pulse=pulse)) * 1e6))
        for polarity in wanted["polarity"].values
        for k, width in enumerate(wanted["pulse_width"].values)
        for pulse in wanted["pulse"].values
    ]  # fmt: skip
    columns = ["polarity", "amplitude V", "width ns", "pulse", "conductance uS"]
    data = import_lab(write(tmp_path, "pulses", columns, rows))
    own = data["pulse_conductance"]
    assert own.dims == wanted.dims
    np.testing.assert_allclose(own.values, wanted.values, rtol=1e-15)
    for name in ("polarity", "amplitude", "width", "pulse", "pulse_width"):
        assert own[name].values.tolist() == wanted[name].values.tolist()
        assert own[name].attrs["units"] == wanted[name].attrs["units"]
    assert data["nominal_amplitude"].values.tolist() == [1.1, 1.3]


def test_trains_of_several_amplitudes_devices_and_cycles(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    rows = [
        (device, cycle, polarity, amplitude * (1 if polarity == "SET" else -1), pulse, repr(float(g)))
        for device in ("B2", "A1")
        for cycle in (1, 2, 3)
        for polarity in ("SET", "RESET")
        for amplitude in ((0.9, 1.0, 1.0) if polarity == "SET" else (1.5, 1.35))
        for pulse, g in enumerate(rng.uniform(10, 90, 4))
    ]
    unique = {row[:5]: row for row in rows}.values()  # a train of 1 V was written twice: the later stays
    columns = ["device", "cycle", "polarity", "amplitude V", "pulse", "conductance uS"]
    data = import_lab(write(tmp_path, "pulses", columns, unique))
    own = data["pulse_conductance"]
    assert own.dims == ("device", "cycle", "polarity", "amplitude", "width", "pulse")
    assert own.shape == (2, 3, 2, 2, 1, 4)
    assert data["device_name"].values.tolist() == ["A1", "B2"]
    # SET at 0.9 and 1.0 V, RESET at 1.35 and 1.5 V, all equally often: the lower of the two in the middle is 1.
    assert data["amplitude"].values.tolist() == [1.0, 1.111111111]
    assert data["nominal_amplitude"].values.tolist() == [0.9, 1.35]
    assert data["status"].values.tolist() == [1 if np.isnan(own.values).any() else 0]
    with pytest.raises(CosimError, match=r"line \d+: line \d+ has this point already"):
        import_lab(write(tmp_path, "pulses", columns, rows))


def test_reads_give_the_noise(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    reads = {100: 95.5 + 0.1 * rng.standard_normal(200), 400: 399.0 + 0.2 * rng.standard_normal(200)}
    rows = [(state, n, repr(float(g))) for state, values in reads.items() for n, g in enumerate(values)]
    rows[7] = (100, 7, "")
    data = import_lab(write(tmp_path, "noise", ["state uS", "read", "conductance uS"], rows))
    assert data["read_conductance"].dims == ("state", "read")
    without = np.delete(reads[100], 7)
    expected = [without.std(ddof=1) / without.mean(), reads[400].std(ddof=1) / reads[400].mean()]
    np.testing.assert_allclose(data["read_sigma"].values, expected, rtol=1e-12)
    assert data["status"].values.tolist() == [1]
    assert np.argwhere(np.isnan(data["read_conductance"].values)).tolist() == [[0, 7]]


def test_drift(tmp_path: Path) -> None:
    rows = [(50, t, d, 50 * t**-0.05 + d) for t in (1, 10, 100) for d in (0, 1)]
    data = import_lab(write(tmp_path, "drift", ["state uS", "time min", "device", "conductance uS"], rows))
    assert data["drift_conductance"].dims == ("state", "time", "device")
    assert data["time"].values.tolist() == [60.0, 600.0, 6000.0]
    assert data["measurement"].values.tolist() == ["programming"]  # as the simulation files it


LOOPS = """
schema = "cosim.lab/1"
block = "cell"
kind = "loop"
file = "table.csv"
[conditions]
temperature = "25 degC"
[[series]]
compliance = "100 uA"
voltage = { column = "V_set_100", unit = "V" }
current = { column = "I_set_100", unit = "uA" }
[[series]]
compliance = "100 uA"
voltage = { column = "V_reset_100", unit = "mV" }
current = { column = "I_reset_100", unit = "uA", factor = -1 }
[[series]]
compliance = "50 uA"
voltage = { column = "V_set_50", unit = "V" }
current = { column = "I_set_50", unit = "uA" }
"""


def test_curves_side_by_side_are_loops_in_the_order_of_their_points(tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text(
        "V_set_100,I_set_100,V_reset_100,I_reset_100,V_set_50,I_set_50\n"
        "0,0,0,0,0,0\n0.5,40,-600,30,0.5,25\n0,0,-1200,10,,\n,,0,0,,\n"
    )
    (tmp_path / "lab.toml").write_text(LOOPS)
    data = import_lab(tmp_path / "lab.toml")
    assert data["loop_current"].dims == ("loop", "loop_point")
    assert data["compliance"].values.tolist() == [50e-6, 100e-6]
    assert data["points"].values.tolist() == [2, 7]
    np.testing.assert_allclose(data["loop_voltage"].values[1], [0, 0.5, 0, 0, -0.6, -1.2, 0])
    np.testing.assert_allclose(data["loop_current"].values[1], np.array([0, 40, 0, 0, -30, -10, 0]) * 1e-6)
    assert np.isnan(data["loop_current"].values[0, 2:]).all() and data["status"].values.tolist() == [0]
    one = import_lab(_only_first_series(tmp_path))
    assert one["loop_current"].dims == ("loop_point",)  # one loop, as the simulation has it
    (tmp_path / "table.csv").write_text("V_set_100,I_set_100\n0,0\n0.5,\n0,0\n")
    assert import_lab(tmp_path / "lab.toml")["status"].values.tolist() == [1]


def _only_first_series(folder: Path) -> Path:
    (folder / "lab.toml").write_text("[[series]]".join(LOOPS.split("[[series]]")[:2]))
    return folder / "lab.toml"


def test_set_values_are_wanted_and_not_a_meters_readings(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    rows = [(repr(float(g)), repr(float(v)), 1) for g, v in rng.uniform(1, 2, (5000, 2))]
    with pytest.raises(CosimError, match="next to no values of state, voltage in common"):
        import_lab(write(tmp_path, "iv", ["state uS", "voltage V", "current uA"], rows))


def test_every_kind_has_quantities_with_units_that_the_block_has(simulated_cell: xr.Dataset) -> None:
    assert set(CELL_QUANTITIES) == {*simulated_cell["measurement"].values.tolist(), "drift"}


def test_tables_in_several_files(tmp_path: Path) -> None:
    """Each series may name its own file, also one elsewhere; the data set tells their names and no folder."""
    elsewhere, here = tmp_path / "elsewhere", tmp_path / "here"
    elsewhere.mkdir()
    here.mkdir()
    (elsewhere / "a.csv").write_text("u;i\n0,1;2\n0,2;4\n")
    (here / "b.csv").write_text("u;i\n0,1;3\n0,2;n/a\n")
    series = "".join(
        f"[[series]]\nfile = '{file}'\ndevice = '{device}'\nstate = '{state} uS'\n"
        for file, device, state in ((elsewhere / "a.csv", "A", 20), ("b.csv", "B", 30))
    )
    (here / "lab.toml").write_text(
        'schema = "cosim.lab/1"\nblock = "cell"\nkind = "iv"\n'
        'csv = { delimiter = ";", decimal = ",", missing = ["n/a"] }\n'
        '[columns]\nvoltage = { column = "u", unit = "V" }\ncurrent = { column = "i", unit = "uA" }\n' + series
    )
    data = import_lab(here / "lab.toml")
    assert data["current"].dims == ("device", "state", "voltage")
    expected = np.array([[[2, 4], [np.nan, np.nan]], [[np.nan, np.nan], [3, np.nan]]]) * 1e-6
    np.testing.assert_allclose(data["current"].values, expected, rtol=1e-15)
    assert data["device_name"].values.tolist() == ["A", "B"] and data["status"].values.tolist() == [1]
    assert set(json.loads(data.attrs["lab_files"])) == {"lab.toml", "a.csv", "b.csv"}


# --- the ReADC authors' source data (Nature Communications 2025, doi 10.1038/s41467-025-65233-w; MIT licence)


@pytest.fixture
def readc() -> Path:
    book = Path(os.environ.get("COSIM_DATA", "/nowhere")) / "devices" / "readc" / "Data" / "SourceData_Fig_3.xlsx"
    if not book.is_file():
        pytest.skip("COSIM_DATA does not hold the ReADC data")
    return book


Describe = Callable[[str], Path]


@pytest.fixture
def describe(readc: Path, tmp_path: Path) -> Describe:
    """Write a description beside a link to the workbook."""
    (tmp_path / readc.name).symlink_to(readc)

    def write_toml(text: str) -> Path:
        (tmp_path / "lab.toml").write_text(text.replace("BOOK", readc.name))
        return tmp_path / "lab.toml"

    return write_toml


def test_the_iv_sweeps_of_a_real_device_by_a_description_alone(describe: Describe) -> None:
    series = "".join(
        f"""
        [[series]]
        compliance = "{limit} uA"
        voltage = {{ column = "V_{half}_{limit}uA", unit = "V" }}
        current = {{ column = "I_{half}_{limit}uA", unit = "uA", factor = {1 if half == "set" else -1} }}
        """
        for limit in range(50, 401, 50)
        for half in ("set", "reset")
    )
    head = 'schema = "cosim.lab/1"\nblock = "cell"\nkind = "loop"\nfile = "BOOK"\nsheet = "3b"\n'
    data = import_lab(describe(head + series))
    assert data["loop_current"].shape == (8, 154 + 202) and data["status"].values.tolist() == [0]
    np.testing.assert_allclose(data["compliance"].values, np.arange(50, 401, 50) * 1e-6)
    # The instrument holds each SET curve at its compliance, to the last digits of the table.
    set_half = data["loop_current"].values[:, :154]
    np.testing.assert_allclose(np.nanmax(set_half, axis=1), data["compliance"].values, rtol=3e-3)
    # Passive: the current has the sign of the voltage (beyond the meter's offset at 0 V).
    power = data["loop_voltage"].values * data["loop_current"].values
    assert power.min() >= 0.0
    assert json.loads(data.attrs["lab_files"]).keys() == {"lab.toml", "SourceData_Fig_3.xlsx"}


def test_programmed_conductances_of_real_devices(describe: Describe) -> None:
    """64 cells to each of 7 targets: their spread is what the authors state beside them."""
    series = "".join(
        f'[[series]]\nstate = "{g} uS"\nconductance = {{ column = "Target_{g}uS", unit = "uS" }}\n'
        for g in range(100, 401, 50)
    )
    head = 'schema = "cosim.lab/1"\nblock = "cell"\nkind = "programming"\nfile = "BOOK"\n'
    data = import_lab(
        describe(f'{head}sheet = "3c_conductance_value"\n[columns]\ndevice = {{ counted_from = 0 }}\n{series}')
    )
    assert data["programmed_conductance"].shape == (7, 64)
    spread = data["programmed_conductance"].values.std(axis=1, ddof=1)
    stated = [2.4173829002269218, 2.644265358368231, 2.9792403633908329, 2.7914403845303379, 2.8133733285618492]
    np.testing.assert_allclose(spread[:5] * 1e6, stated, rtol=1e-12)  # the same numbers


def test_reads_of_real_devices(describe: Describe) -> None:
    text = """
        schema = "cosim.lab/1"
        block = "cell"
        kind = "noise"
        file = "BOOK"
        sheet = "3d"
        [columns]
        read = { column = "Read_Cycle" }
        state = { column = "Target_Value_uS", unit = "uS" }
        conductance = { column = "Measured_Conductance_uS", unit = "uS" }
    """
    data = import_lab(describe(text))
    assert data["read_conductance"].shape == (7, 1000) and data["status"].values.tolist() == [0]
    assert (data["read_sigma"].values < 0.01).all()
