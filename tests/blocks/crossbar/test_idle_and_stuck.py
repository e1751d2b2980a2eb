"""Idle rows, stuck cells, pulse widths: against an independent dense solution and exact limits."""

import numpy as np
import pytest
from numpy.typing import NDArray

from cosim.blocks import crossbar
from cosim.blocks.crossbar.characterisation import characterise
from cosim.blocks.crossbar.config import CrossbarConfig
from cosim.blocks.crossbar.elimination import effective_conductance
from cosim.blocks.crossbar.faults import measure_stuck, with_stuck
from cosim.blocks.crossbar.leakage import idle_deck, measure_leakage
from cosim.blocks.crossbar.pulses import charge_scale, common_gain, measure_pulses, pulse_deck
from cosim.blocks.crossbar.samples import draw_conductances, draw_voltages
from cosim.blocks.status import OK
from cosim.devices import load_device
from cosim.errors import CosimError
from cosim.reports.characteristics import draw
from cosim.reports.style import plotting
from cosim.seeds import stream
from cosim.spice import Deck, SimulatorPool

Array = NDArray[np.float64]
NO_WIRES = {"r_wire_row": 0.0, "r_wire_column": 0.0, "r_driver": 0.0, "r_clamp": 0.0}


def cells_of(rows: int, columns: int) -> Array:
    return np.random.default_rng(rows).uniform(2e-6, 150e-6, (rows, columns))


def currents(decks: list[Deck], pool: SimulatorPool) -> list[Array]:
    results = pool.run(decks)
    assert all(result.ok for result in results), [result.failure for result in results]
    return [np.array([result[name][-1] for name in deck.saves]) for deck, result in zip(decks, results, strict=True)]


def with_drivers(cells: Array, drivers: Array, r_row: float, r_col: float, r_clamp: float, drive: Array) -> Array:
    """Currents into the clamps by dense nodal analysis; `drivers`: conductance of each row's driver [S], 0: floating.

    The first segment of a word line belongs to the driver here.
    """
    rows, columns = cells.shape
    n = rows * columns
    word, bit = np.arange(n).reshape(rows, columns), n + np.arange(n).reshape(rows, columns)
    g = np.zeros((2 * n, 2 * n))

    def between(a: int, b: int, value: float) -> None:
        g[[a, b], [a, b]] += value
        g[[a, b], [b, a]] -= value

    for i in range(rows):
        for j in range(columns):
            between(word[i, j], bit[i, j], cells[i, j])
            if j:
                between(word[i, j - 1], word[i, j], 1 / r_row)
            if i:
                between(bit[i - 1, j], bit[i, j], 1 / r_col)
    g[word[:, 0], word[:, 0]] += drivers
    g[bit[-1], bit[-1]] += 1 / (r_clamp + r_col)
    b = np.zeros(2 * n)
    b[word[:, 0]] = drivers * drive
    return np.asarray(np.linalg.solve(g, b)[bit[-1]] / (r_clamp + r_col))


def test_idle_rows_against_a_dense_solution(pool: SimulatorPool) -> None:
    config = CrossbarConfig(r_wire_row=20.0, r_wire_column=30.0, r_driver=150.0, r_clamp=80.0)
    cells = cells_of(7, 5)
    held, floating = currents([idle_deck(cells, config, 2, idle) for idle in ("held", "floating")], pool)
    drive = np.where(np.arange(7) < 2, config.v_read, 0.0)
    drivers = np.full(7, 1 / 170.0)
    # Rounding of currents against 1 V at the clamps; seen 1e-12.
    expected = with_drivers(cells, drivers, 20.0, 30.0, 80.0, drive)
    np.testing.assert_allclose(held, expected, rtol=1e-9)
    np.testing.assert_allclose(held, drive @ effective_conductance(cells, 20.0, 30.0, 150.0, 80.0), rtol=1e-9)
    expected = with_drivers(cells, np.where(drive > 0, drivers, 0.0), 20.0, 30.0, 80.0, drive)
    np.testing.assert_allclose(floating, expected, rtol=1e-9)
    assert np.abs(floating - held).max() > 1e-3 * held.max()  # the two states do differ


@pytest.mark.parametrize("cell", ["1R", "1T1R"])
def test_ideal_clamps_leave_idle_cells_without_current(cell: str, pool: SimulatorPool) -> None:
    config = CrossbarConfig(**NO_WIRES, rows=6, columns=4, cell=cell)
    data = measure_leakage(config, 2, 1, pool)
    added, active = data.variables["idle_current"][1], data.variables["active_current"][1]
    # Bit lines at V_CLP: held and floating rows see no voltage. Rounding of currents, and the simulator's reltol.
    assert np.abs(added[:2]).max() < 1e-6 * active.max()
    assert (data.status == OK).all()
    assert np.isnan(added[2]).all() == (cell == "1R")  # a 1R cell has nothing to turn off


def test_transistors_that_are_off_cure_the_sneak_currents(pool: SimulatorPool) -> None:
    config = CrossbarConfig(rows=8, columns=4, cell="1T1R", r_clamp=100.0)
    share = measure_leakage(config, 1, 1, pool).variables["idle_share"][1]
    # Held rows take currents of the order n G r_clamp; rows driven at V_read with their transistors off, next to none.
    assert share[0] > 1e-2
    assert share[2] < 1e-6
    # At V_CLP = 0 the gate is not below the source: it leaks what a transistor leaks at V_GS = 0.
    low = CrossbarConfig(rows=8, columns=4, cell="1T1R", r_clamp=100.0, v_clp=0.0, corner="FF", temperature=125.0)
    leaking = measure_leakage(low, 1, 1, pool).variables["idle_share"][1]
    assert share[2] < leaking[2] < 1e-2


@pytest.mark.parametrize(("cell", "states"), [("1R", ["held", "floating"]), ("1T1R", ["held", "floating", "off"])])
def test_the_picture_of_idle_rows_names_what_was_measured(cell: str, states: list[str], pool: SimulatorPool) -> None:
    config = CrossbarConfig(rows=4, columns=3, cell=cell)
    data = characterise(config, measurements=("leakage",), pool=pool, show_progress=False)
    (plot,) = (each for each in crossbar.PLOTS if each.name == "idle")
    with plotting():
        panel = draw(data, plot)
    assert panel is not None
    assert [line.get_label() for line in panel.figure.axes[0].lines] == states


def test_rows_of_1r_cells_cannot_be_turned_off() -> None:
    with pytest.raises(CosimError, match=r"key 'cell'.*no select line"):
        idle_deck(cells_of(3, 2), CrossbarConfig(), 1, "off")


def test_stuck_cells_change_the_currents_by_their_conductances(pool: SimulatorPool) -> None:
    config = CrossbarConfig(**NO_WIRES, rows=10, columns=6)
    few = measure_stuck(config, (0.05, 0.3), 2, 4, 5, pool)
    error = few.variables["stuck_error"][1]
    assert error.shape == (2, 2, 2) and (few.status == OK).all() and len(few.keys) == 2 * 5
    assert (error[:, :, 1] >= error[:, :, 0]).all() and (error > 0).any()
    assert (error[:, 1] > error[:, 0]).all()  # a cell stuck on is further from most weights than one stuck off
    # The same draws by hand: without wires the error is V (G_stuck - G), and full scale the same for both chips.
    device = load_device("taox_1t1r")
    full_scale = 10 * device.g_max * config.v_read
    for chip, sequence in enumerate(stream(5, "crossbar: stuck cells").spawn(2)):
        rng = np.random.default_rng(sequence)
        cells = draw_conductances("weights", 10, 6, device, rng)
        voltages = draw_voltages(4, 10, config.v_read, rng)
        lot = rng.random(cells.shape)
        for fault, value in enumerate((device.g_lowest, device.g_highest)):
            wanted = voltages @ (with_stuck(cells, lot, 0.3, value) - cells) / full_scale
            # The simulator's reltol of currents that are larger than their differences.
            assert error[chip, fault, 1] == pytest.approx(np.sqrt((wanted**2).mean()), rel=1e-4)
            largest = few.variables["stuck_error_largest"][1][chip, fault, 1]
            assert largest == pytest.approx(np.abs(wanted).max(), rel=1e-4)
    assert "rows x G_max x V_read" in few.variables["stuck_error"][3]


def test_a_larger_share_holds_the_stuck_cells_of_a_smaller_one() -> None:
    rng = np.random.default_rng(1)
    cells, lot = rng.uniform(1e-6, 1e-4, (20, 20)), rng.random((20, 20))
    some, more = with_stuck(cells, lot, 0.1, 5e-4), with_stuck(cells, lot, 0.3, 5e-4)
    assert (more[some == 5e-4] == 5e-4).all() and (more == 5e-4).sum() > (some == 5e-4).sum() > 0
    np.testing.assert_array_equal(more[more != 5e-4], cells[more != 5e-4])


@pytest.mark.parametrize("law", ["linear", "sinh"])
def test_pulse_widths_make_the_law_a_common_factor(law: str, pool: SimulatorPool) -> None:
    config = CrossbarConfig(**NO_WIRES, v_read=0.3)
    cells = cells_of(6, 3)
    x = np.array([1.0, -0.6, 0.2, 0.0, -1.0, 0.05])
    deck = pulse_deck(cells, x, config, 1e-6, law)  # type: ignore[arg-type]
    (volts,) = currents([deck], pool)
    charge = volts * charge_scale(cells, config, 1e-6)
    device = load_device("taox_1t1r")
    # At V_read above the voltage of the stated conductance every cell conducts more, all by one factor.
    factor = 1.0
    if law == "sinh":
        factor = device.v_read / 0.3 * np.sinh(0.3 / device.v_0) / np.sinh(device.v_read / device.v_0)
        assert factor > 1.03
    # A linear cell: edges of equal slope leave the charge; the rest is the simulator's, seen 7e-6. A sinh cell carries
    # up to 8 % less in the edges, which are a thousandth of the pulse: 8e-5.
    expected = factor * 0.3 * 1e-6 * (x @ cells)
    np.testing.assert_allclose(charge, expected, atol=(3e-5 if law == "linear" else 1e-4) * np.abs(expected).max())


def test_amplitudes_do_not(pool: SimulatorPool) -> None:
    config = CrossbarConfig(**NO_WIRES, rows=8, columns=4, v_read=0.3)
    data = measure_pulses(config, 3, 4, 100e-9, 1, pool)
    assert (data.status == OK).all()
    width, amplitude = data.variables["charge_error_rms"][1]
    assert width < 1e-4  # edges, as above
    assert amplitude > 20 * width
    device = load_device("taox_1t1r")
    at_read = device.v_read / 0.3 * np.sinh(0.3 / device.v_0) / np.sinh(device.v_read / device.v_0)
    assert data.variables["charge_gain"][1][0] == pytest.approx(at_read, rel=1e-3)


def test_the_common_gain() -> None:
    ideal = np.array([1.0, -2.0, 3.0])
    assert common_gain(ideal, 0.7 * ideal) == pytest.approx(0.7)
