import os
import re
import zipfile
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from cosim.devices import current, load_device, program, read
from cosim.errors import CosimError
from cosim.spice import Deck, probe
from cosim.spice.isolated import run_isolated

DEVICE = load_device("taox_1t1r")
CELLS = 40_000
in_window = st.floats(min_value=DEVICE.g_min, max_value=DEVICE.g_max)


def generator(seed: int = 7) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_programming_error_is_gaussian_with_the_device_sigma() -> None:
    error = program(np.full(CELLS, 75e-6), DEVICE, generator()) - 75e-6
    sigma = DEVICE.programming_sigma
    assert abs(error.mean()) < 4 * sigma / np.sqrt(CELLS)
    assert abs(error.std(ddof=1) / sigma - 1) < 4 / np.sqrt(2 * CELLS)
    assert stats.kstest(error / sigma, "norm").pvalue > 1e-4


def test_the_error_at_the_top_of_the_window_is_not_cut_off() -> None:
    error = program(np.full(CELLS, DEVICE.g_max), DEVICE, generator()) - DEVICE.g_max
    assert abs(error.mean()) < 4 * DEVICE.programming_sigma / np.sqrt(CELLS)


def test_near_zero_the_error_is_cut_off_at_the_lowest_conductance() -> None:
    made = program(np.full(CELLS, DEVICE.g_min), DEVICE, generator())
    assert made.min() == DEVICE.g_lowest
    # Mean and share of a normal distribution cut at z = (g_lowest - g_min) / sigma.
    z = (DEVICE.g_lowest - DEVICE.g_min) / DEVICE.programming_sigma
    share = stats.norm.cdf(z)
    mean = DEVICE.g_min + DEVICE.programming_sigma * (stats.norm.pdf(z) + z * share)
    assert np.mean(made == DEVICE.g_lowest) == pytest.approx(share, abs=4 * np.sqrt(share / CELLS))
    assert made.mean() == pytest.approx(mean, abs=4 * DEVICE.programming_sigma / np.sqrt(CELLS))


@settings(deadline=None)
@given(st.lists(in_window, min_size=1, max_size=20))
def test_without_error_what_is_asked_is_what_is_held(targets: list[float]) -> None:
    perfect = replace(DEVICE, programming_sigma=0.0, read_noise=0.0)
    held = program(targets, perfect, generator())
    np.testing.assert_array_equal(held, targets)
    np.testing.assert_array_equal(read(held, perfect, generator()), targets)


@settings(deadline=None)
@given(st.lists(in_window, min_size=1, max_size=20), st.integers(0, 2**32))
def test_a_cell_is_always_within_what_a_cell_can_have(targets: list[float], seed: int) -> None:
    wild = replace(DEVICE, programming_sigma=1e-3, stuck_on_rate=0.1, stuck_off_rate=0.1)
    held = program(targets, wild, generator(seed))
    assert ((held >= DEVICE.g_lowest) & (held <= DEVICE.g_highest)).all()


def test_shares_of_stuck_cells_are_those_of_the_device() -> None:
    device = replace(DEVICE, stuck_off_rate=0.03, stuck_on_rate=0.01)
    held = program(np.full((200, 200), 75e-6), device, generator())
    for share, place in ((0.03, DEVICE.g_lowest), (0.01, DEVICE.g_highest)):
        assert np.mean(held == place) == pytest.approx(share, abs=4 * np.sqrt(share / CELLS))


def test_variants_of_a_device_are_compared_on_the_same_chip() -> None:
    targets = np.full((40, 40), 75e-6)
    plain = program(targets, DEVICE, generator())
    stuck = program(targets, replace(DEVICE, stuck_off_rate=0.05), generator())
    double = program(targets, replace(DEVICE, programming_sigma=2 * DEVICE.programming_sigma), generator())
    followed = stuck != DEVICE.g_lowest
    np.testing.assert_array_equal(stuck[followed], plain[followed])
    np.testing.assert_allclose(double - targets, 2 * (plain - targets), rtol=1e-9)


def test_programming_leaves_the_targets_and_repeats_with_the_seed() -> None:
    targets = np.full(10, 75e-6)
    first, second = program(targets, DEVICE, generator(1)), program(targets, DEVICE, generator(1))
    np.testing.assert_array_equal(first, second)
    assert (targets == 75e-6).all()


@pytest.mark.parametrize("bad", [160e-6, 0.0, -1e-6, float("nan"), float("inf")])
def test_a_target_outside_the_window_is_refused_with_value_and_range(bad: float) -> None:
    with pytest.raises(CosimError) as caught:
        program([75e-6, bad], DEVICE, generator())
    message = str(caught.value)
    assert "taox_1t1r cannot hold this conductance (1 of 2 cells)" in message
    assert "Allowed: 1 µS to 150 µS" in message


def test_a_rounding_error_at_the_edge_is_no_refusal() -> None:
    program([DEVICE.g_max * (1 + 1e-12), DEVICE.g_min * (1 - 1e-12)], DEVICE, generator())


def test_read_noise_is_relative_and_new_in_every_read() -> None:
    rng = generator()
    for conductance in (2e-6, 150e-6):
        seen = read(np.full(CELLS, conductance), DEVICE, rng) / conductance - 1
        assert abs(seen.mean()) < 4 * DEVICE.read_noise / np.sqrt(CELLS)
        assert abs(seen.std(ddof=1) / DEVICE.read_noise - 1) < 4 / np.sqrt(2 * CELLS)
    first, second = (read(np.full(CELLS, 75e-6), DEVICE, rng) for _ in range(2))
    assert abs(np.corrcoef(first, second)[0, 1]) < 4 / np.sqrt(CELLS)


@settings(deadline=None)
@given(in_window)
def test_conductance_is_what_a_read_at_v_read_sees(conductance: float) -> None:
    for sign in (1, -1):
        seen = current(sign * DEVICE.v_read, conductance, DEVICE)
        assert seen == pytest.approx(sign * conductance * DEVICE.v_read, rel=1e-14, abs=0)


def test_current_follows_the_sinh_law() -> None:
    assert current(0.0, 100e-6, DEVICE) == 0.0
    # sinh(x) / x at x = 0.2 / 0.43, from its series: 1 + x^2/6 + x^4/120 + x^6/5040
    x = 0.2 / 0.43
    excess = 1 + x**2 / 6 + x**4 / 120 + x**6 / 5040
    assert excess == pytest.approx(1.0364, abs=1e-4)
    small_signal = current(1e-6, 100e-6, DEVICE) / 1e-6
    assert 100e-6 / small_signal == pytest.approx(excess, rel=1e-7)


def test_current_broadcasts() -> None:
    assert current(np.linspace(-0.2, 0.2, 5)[:, None], np.full(3, 1e-5), DEVICE).shape == (5, 3)


def test_the_spice_model_is_the_same_equation() -> None:
    other = replace(DEVICE, v_read=0.1, v_0=0.6)
    deck = Deck(
        title="the cell's two models over the read range",
        circuit=f"""{DEVICE.model_text()}
v1 a 0 0
e2 b b1 a 0 1
v2 b1 0 0
e3 c c1 a 0 1
v3 c1 0 0
x1 a 0 memristor_linear g=120u
x2 b 0 memristor_sinh g=120u
x3 c 0 memristor_sinh g=3u v_read=0.1 v_0=0.6""",
        analyses=(".dc v1 -0.3 0.3 0.05",),
        saves=("v(a)", "i(v1)", "i(v2)", "i(v3)"),
    )
    result = run_isolated(deck, probe())
    assert result.ok, result.failure
    voltage = result["v(a)"]
    assert voltage.size == 13
    np.testing.assert_allclose(-result["i(v1)"], 120e-6 * voltage, rtol=1e-9, atol=1e-13)
    np.testing.assert_allclose(-result["i(v2)"], current(voltage, 120e-6, DEVICE), rtol=1e-9, atol=1e-13)
    np.testing.assert_allclose(-result["i(v3)"], current(voltage, 3e-6, other), rtol=1e-9, atol=1e-13)


def sheet(file: Path, name: str) -> list[list[float]]:
    """The numbers of a sheet of an xlsx file, row by row, its heading left out."""
    space = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
    link = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
    with zipfile.ZipFile(file) as archive:
        sheets = ElementTree.fromstring(archive.read("xl/workbook.xml")).iter(f"{space}sheet")
        wanted = next(each.get(link) for each in sheets if each.get("name") == name)
        links = ElementTree.fromstring(archive.read("xl/_rels/workbook.xml.rels"))
        target = next(each.get("Target", "") for each in links if each.get("Id") == wanted)
        rows = ElementTree.fromstring(archive.read("xl/" + re.sub("^/?(xl/)?", "", target))).iter(f"{space}row")
        return [[float(cell.text or "nan") for cell in row.iter(f"{space}v")] for row in list(rows)[1:]]


@pytest.fixture(scope="module")
def measured() -> Path:
    place = os.environ.get("COSIM_DATA")
    if not place:
        pytest.skip("COSIM_DATA is not set: no measured devices to compare with")
    file = Path(place) / "devices" / "readc" / "Data" / "SourceData_Fig_3.xlsx"
    if not file.is_file():
        pytest.skip(f"COSIM_DATA holds no {file.name} of doi 10.1038/s41467-025-65233-w")
    return file


def test_programming_sigma_is_the_measured_one(measured: Path) -> None:
    cells: NDArray[np.float64] = np.array(sheet(measured, "3c_conductance_value")) * 1e-6
    assert cells.shape == (64, 7)
    sigma = cells.std(axis=0, ddof=1)
    np.testing.assert_allclose(sigma * 1e6, [2.42, 2.64, 2.98, 2.79, 2.81, 2.63, 2.84], atol=0.005)
    # Standard error of a standard deviation: sigma sqrt((kurtosis - 1) / 4 n); the pooled kurtosis is 1.9.
    standard_error = sigma * np.sqrt(0.9 / (4 * 64))
    assert (np.abs(sigma - DEVICE.programming_sigma) < 3 * standard_error).all()


def test_read_noise_is_the_measured_one_in_the_window(measured: Path) -> None:
    reads = np.array(sheet(measured, "3d"))
    for target, relative in ((100, 0.0019), (150, 0.0023)):
        seen = reads[reads[:, 1] == target, 2]
        assert seen.size == 1000
        assert seen.std(ddof=1) / seen.mean() == pytest.approx(relative, abs=5e-5)
    assert pytest.approx(np.hypot(0.0019, 0.0023) / np.sqrt(2), rel=0.1) == DEVICE.read_noise


def test_the_sinh_law_fits_the_measured_curves_near_the_window(measured: Path) -> None:
    # Rows of 32 numbers hold the forward branches; columns 2 and 6 are the reset voltages from the states of
    # 93 and 171 uS, each followed by its current [uA].
    columns = np.array([row for row in sheet(measured, "3b") if len(row) == 32 and abs(row[2]) <= 0.3])
    for first in (2, 6):
        voltage, amperes = np.abs(columns[1:, first]), np.abs(columns[1:, first + 1]) * 1e-6
        law = current(voltage, 1.0, DEVICE)
        conductance = np.sum(amperes / law) / law.size
        assert np.sqrt(np.mean((amperes / (conductance * law) - 1) ** 2)) < 0.012
