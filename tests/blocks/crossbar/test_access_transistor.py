"""1T1R cells: the transistor is there, power is balanced, and arrays from the smallest to the largest are solved."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from cosim.blocks.crossbar.config import CrossbarConfig
from cosim.blocks.crossbar.netlist import array_lines, clamp_currents, crossbar_deck, memristor_conductance
from cosim.devices import load_device
from cosim.errors import CosimError
from cosim.spice import Deck, SimulatorPool, Tolerances

Array = NDArray[np.float64]


def cells_of(rows: int, columns: int) -> Array:
    return np.random.default_rng(rows + columns).uniform(2e-6, 150e-6, (rows, columns))


def swept(config: CrossbarConfig, cells: Array, voltages: Array, pool: SimulatorPool) -> Array:
    (result,) = pool.run([crossbar_deck(cells, voltages, config)])
    assert result.ok, result.failure
    return clamp_currents(result, len(voltages), cells.shape[1])


def test_a_cell_has_its_conductance_with_the_transistor_on(pool: SimulatorPool) -> None:
    # The memristor is what the device's access resistance leaves; the default transistor is about as resistive.
    config = CrossbarConfig(cell="1T1R", r_wire_row=0, r_wire_column=0, r_driver=0, r_clamp=0)
    for g in (10e-6, 100e-6):
        current = swept(config, np.array([[g], [g]]), np.array([[0.05, 0.0]]), pool)[0, 0]
        assert current / 0.05 == pytest.approx(g, rel=0.01)  # a channel within 10 % of 1 kohm, a tenth of the cell
    weak = config.model_copy(update={"v_gate": 2.0})
    assert swept(weak, np.array([[1e-4], [1e-4]]), np.array([[0.05, 0.0]]), pool)[0, 0] / 0.05 < 0.9e-4


def test_corners_order_the_currents(pool: SimulatorPool) -> None:
    currents = []
    for corner in ("SS", "TT", "FF"):
        config = CrossbarConfig(cell="1T1R", corner=corner, access_width="0.4 um")
        currents.append(swept(config, np.full((2, 2), 150e-6), np.full((1, 2), 0.2), pool)[0, 0])
    assert currents[0] < currents[1] < currents[2]


def test_power_is_balanced_with_transistors(pool: SimulatorPool) -> None:
    # Tellegen: what drivers and clamps deliver is what wires, memristors and transistors take; the transistors' own
    # currents are ngspice's, so a wrongly connected cell or select line shows.
    rows, columns = 3, 2
    config = CrossbarConfig(cell="1T1R", r_wire_row=20.0, r_wire_column=30.0)
    cells = cells_of(rows, columns)
    voltages = np.array([[0.2, -0.15, 0.1]])
    deck = crossbar_deck(cells, voltages, config)
    places = [(i, j) for i in range(rows) for j in range(columns)]
    nodes = [f"v(x{line}{i}_{j})" for line in "wmb" for i, j in places]
    channel = [f"@m.xaccx{i}_{j}.m1[id]" for i, j in places]
    saves = (*deck.saves, *(f"i(bdrive{i})" for i in range(rows)), "i(vgate)", *nodes, *channel)
    (result,) = pool.run([replace(deck, saves=saves)])
    assert result.ok, result.failure
    word, inner, bit = (
        np.array([result[f"v(x{line}{i}_{j})"][0] for i, j in places]).reshape(rows, columns) for line in "wmb"
    )
    drive = config.v_clp + voltages[0]
    delivered = -sum(drive[i] * result[f"i(bdrive{i})"][0] for i in range(rows))
    delivered -= config.v_clp * sum(result[name][0] for name in deck.saves)
    delivered -= config.gate_voltage * result["i(vgate)"][0]
    device = load_device(config.device)
    memristors = np.array([[memristor_conductance(g, device) for g in row] for row in cells])
    # ngspice states a channel's current without the sign of V_DS; a channel only takes power.
    through = np.abs([result[name][0] for name in channel]).reshape(rows, columns)
    taken = (memristors * (word - inner) ** 2).sum() + (through * np.abs(inner - bit)).sum()
    taken += ((drive - word[:, 0]) ** 2).sum() / (config.r_driver + config.r_wire_row)
    taken += ((word[:, :-1] - word[:, 1:]) ** 2).sum() / config.r_wire_row
    taken += ((bit[:-1] - bit[1:]) ** 2).sum() / config.r_wire_column
    taken += ((bit[-1] - config.v_clp) ** 2).sum() / (config.r_clamp + config.r_wire_column)
    # Newton ends when voltages and currents change by less than 1e-6; seen 1e-8.
    assert delivered == pytest.approx(taken, rel=1e-6)
    # The channel carries what its memristor does.
    np.testing.assert_allclose(through, np.abs(memristors * (word - inner)), rtol=1e-6)  # seen 1e-8


def test_reciprocity_in_ngspice(pool: SimulatorPool) -> None:
    # Of linear cells: one volt at driver i moves as much current in clamp j as one volt at clamp j in driver i.
    config = CrossbarConfig(r_wire_row=3.0, r_wire_column=5.0)
    cells = cells_of(5, 4)

    def deck(source: str) -> Deck:
        names = [*(f"r{i}" for i in range(5)), *(f"c{j}" for j in range(4))]
        lines = [f"v{name} {name} 0 {1 if name == source else 0}" for name in names]
        lines.append(array_lines(cells, config))
        saves = tuple(f"i(v{name})" for name in names)
        return Deck("reciprocity", "\n".join(lines), (".op",), saves, Tolerances(reltol=1e-9, abstol=1e-15))

    forward = pool.run([deck(f"r{i}") for i in range(5)])
    backward = pool.run([deck(f"c{j}") for j in range(4)])
    there = np.array([[forward[i][f"i(vc{j})"][0] for j in range(4)] for i in range(5)])
    back = np.array([[backward[j][f"i(vr{i})"][0] for j in range(4)] for i in range(5)])
    np.testing.assert_allclose(there, back, rtol=1e-12)  # rounding; seen 1e-15
    assert there.min() > 0


@pytest.mark.parametrize(("rows", "columns", "cell"), [(2, 1, "1T1R"), (4, 4, "1T1R"), (128, 4, "1R"), (4, 128, "1R")])
def test_smallest_and_longest_arrays(rows: int, columns: int, cell: str, pool: SimulatorPool) -> None:
    check_size(rows, columns, cell, pool)


@pytest.mark.slow
@pytest.mark.parametrize("cell", ["1R", "1T1R"])
def test_the_largest_array(cell: str, pool: SimulatorPool) -> None:
    check_size(128, 128, cell, pool)


def check_size(rows: int, columns: int, cell: str, pool: SimulatorPool) -> None:
    """Superposition holds in the array: exactly for linear cells, nearly for 1T1R ones at a small voltage."""
    config = CrossbarConfig(rows=rows, columns=columns, cell=cell)
    a, b = np.random.default_rng(1).uniform(-0.02, 0.02, (2, rows))
    got = swept(config, cells_of(rows, columns), np.array([a, b, a + b]), pool)
    # Linear cells: the simulator's arithmetic, seen 5e-10. A channel of a tenth of the cell changes with its V_DS of
    # some mV against an overdrive of 1 V; seen 7e-5.
    tolerance = 1e-8 if cell == "1R" else 1e-3
    assert np.abs(got[2] - got[0] - got[1]).max() <= tolerance * np.abs(got).max()
    assert np.abs(got).max() > 1e-8


def test_circuits_without_select_lines_refuse_the_cell() -> None:
    with pytest.raises(CosimError, match=r"key 'cell'.*no select lines.*Allowed: 1R"):
        array_lines(cells_of(3, 2), CrossbarConfig(cell="1T1R"))
