import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from cosim.blocks.crossbar.behaviour import differential_inputs, effective_conductance
from cosim.blocks.crossbar.config import CrossbarConfig
from cosim.blocks.crossbar.netlist import array_lines, clamp_currents, crossbar_deck
from cosim.devices import current, load_device
from cosim.errors import CosimError
from cosim.spice import Deck, SimulatorPool

Array = NDArray[np.float64]


def cells_of(rows: int, columns: int, seed: int = 1) -> Array:
    return np.random.default_rng(seed).uniform(1e-6, 150e-6, (rows, columns))


def voltages_of(vectors: int, rows: int, seed: int = 2) -> Array:
    return np.random.default_rng(seed).uniform(-0.2, 0.2, (vectors, rows))


def simulated(pool: SimulatorPool, decks: list[Deck], vectors: int, columns: list[int]) -> list[Array]:
    results = pool.run(decks)
    assert all(result.ok for result in results), [result.failure for result in results]
    return [clamp_currents(result, vectors, n) for result, n in zip(results, columns, strict=True)]


def resistances(config: CrossbarConfig) -> tuple[float, float, float, float]:
    return config.r_wire_row, config.r_wire_column, config.r_driver, config.r_clamp


def test_linear_arrays_agree_with_the_effective_conductances(pool: SimulatorPool) -> None:
    config = CrossbarConfig()
    shapes = [(8, 8), (64, 64), (20, 33)]
    decks = [crossbar_deck(cells_of(*shape), voltages_of(8, shape[0]), config) for shape in shapes]
    for shape, got in zip(shapes, simulated(pool, decks, 8, [shape[1] for shape in shapes]), strict=True):
        expected = voltages_of(8, shape[0]) @ effective_conductance(cells_of(*shape), *resistances(config))
        # 1e-6 of full scale is asked for; 3e-11 is seen.
        assert np.abs(got - expected).max() <= 1e-6 * np.abs(expected).max()


@pytest.mark.parametrize(
    "zero",
    [
        ("r_wire_row", "r_wire_column", "r_driver", "r_clamp"),
        ("r_wire_row", "r_wire_column"),
        ("r_wire_row", "r_driver"),
        ("r_wire_column", "r_clamp"),
        ("r_driver", "r_clamp"),
    ],
)
def test_zero_resistances_merge_nodes(zero: tuple[str, ...], pool: SimulatorPool) -> None:
    config = CrossbarConfig(**dict.fromkeys(zero, 0.0))
    cells = cells_of(5, 4)
    cells[1, 2] = 0.0
    cells[:, 3] = 0.0
    deck = crossbar_deck(cells, voltages_of(3, 5), config)
    assert " 0.0\n" not in deck.circuit
    (got,) = simulated(pool, [deck], 3, [4])
    expected = voltages_of(3, 5) @ effective_conductance(cells, *resistances(config))
    assert np.abs(got - expected).max() <= 1e-9 * np.abs(expected).max()
    assert np.abs(got[:, 3]).max() <= 1e-15  # [A], rounding of V_CLP


def test_a_single_row_a_single_column_a_single_vector(pool: SimulatorPool) -> None:
    config = CrossbarConfig()
    shapes = [(1, 5), (5, 1), (1, 1)]
    decks = [crossbar_deck(cells_of(*shape), voltages_of(1, shape[0]), config) for shape in shapes]
    for shape, got in zip(shapes, simulated(pool, decks, 1, [shape[1] for shape in shapes]), strict=True):
        expected = voltages_of(1, shape[0]) @ effective_conductance(cells_of(*shape), *resistances(config))
        np.testing.assert_allclose(got, expected, rtol=1e-9)


def test_differential_convention(pool: SimulatorPool) -> None:
    config = CrossbarConfig(r_wire_row=0, r_wire_column=0, r_driver=0, r_clamp=0)
    x, cells = np.array([[0.5, -1.0, 0.0], [1.0, 0.25, -0.75]]), cells_of(6, 4)
    (got,) = simulated(pool, [crossbar_deck(cells, differential_inputs(x, 0.2), config)], 2, [4])
    np.testing.assert_allclose(got, 0.2 * x @ (cells[0::2] - cells[1::2]), rtol=1e-9, atol=1e-15)


def test_superposition_of_linear_cells(pool: SimulatorPool) -> None:
    a, b = voltages_of(1, 12, 3), voltages_of(1, 12, 4)
    deck = crossbar_deck(cells_of(12, 9), np.concatenate((a, b, a + b)), CrossbarConfig())
    (got,) = simulated(pool, [deck], 3, [9])
    np.testing.assert_allclose(got[2], got[0] + got[1], rtol=0, atol=1e-9 * np.abs(got).max())


@pytest.mark.parametrize("cell", ["linear", "sinh"])
def test_power_of_the_sources_is_the_power_of_wires_and_cells(cell: str, pool: SimulatorPool) -> None:
    # Tellegen. Every element's power is computed from node voltages, so the resistances, the cells' law and the sign
    # of every current are checked at once.
    rows, columns = 6, 5
    config = CrossbarConfig(r_wire_row=20.0, r_wire_column=30.0, v_clp=0.0)
    cells, voltages = cells_of(rows, columns), voltages_of(4, rows)
    places = [(i, j) for i in range(rows) for j in range(columns)]
    deck = crossbar_deck(cells, voltages, config, cell)  # type: ignore[arg-type]
    deck = replace(
        deck,
        saves=(
            *deck.saves,
            *(f"i(bdrive{i})" for i in range(rows)),
            *(f"v(x{line}{i}_{j})" for line in "wb" for i, j in places),
        ),
    )
    (result,) = pool.run([deck])
    assert result.ok, result.failure
    word, bit = (
        np.stack([result[f"v(x{line}{i}_{j})"] for i, j in places], 1).reshape(-1, rows, columns) for line in "wb"
    )
    delivered = -sum(voltages[:, i] * result[f"i(bdrive{i})"] for i in range(rows))
    across = word - bit
    if cell == "linear":
        in_cells = (cells * across**2).sum((1, 2))
    else:
        in_cells = (current(across, cells, load_device("taox_1t1r")) * across).sum((1, 2))
    in_wires = (
        ((voltages - word[:, :, 0]) ** 2).sum(1) / (config.r_driver + config.r_wire_row)
        + ((word[:, :, :-1] - word[:, :, 1:]) ** 2).sum((1, 2)) / config.r_wire_row
        + ((bit[:, :-1] - bit[:, 1:]) ** 2).sum((1, 2)) / config.r_wire_column
        + (bit[:, -1] ** 2).sum(1) / (config.r_clamp + config.r_wire_column)
    )
    # Rounding for linear cells. Sinh cells: Newton ends when voltages and currents change by less than 1e-6; seen 5e-8.
    np.testing.assert_allclose(delivered, in_cells + in_wires, rtol=1e-10 if cell == "linear" else 1e-6)


def test_the_sinh_cell_is_the_device(pool: SimulatorPool) -> None:
    device = load_device("taox_1t1r")
    config = CrossbarConfig(r_wire_row=0, r_wire_column=0, r_driver=0, r_clamp=0)
    voltages = np.linspace(-0.3, 0.3, 13)[:, None]
    deck = crossbar_deck(np.array([[120e-6]]), voltages, config, "sinh")
    (got,) = simulated(pool, [deck], 13, [1])
    np.testing.assert_allclose(got, current(voltages, 120e-6, device), rtol=1e-9, atol=1e-15)
    # The deck's cell is two diodes; the other forms of the law are the device's own model and a controlled source.
    assert "dpcellx0_0 r0 c0 xsinh" in deck.circuit
    supplies = deck.circuit[: deck.circuit.index(".model xsinh")]
    source = array_lines(np.array([[120e-6]]), config, "sinh")
    subcircuit = f"xcell r0 c0 memristor_sinh g=120u\n{device.model_text()}"
    decks = [replace(deck, circuit=supplies + form) for form in (source, subcircuit)]
    for same in simulated(pool, decks, 13, [1, 1]):
        np.testing.assert_allclose(same, got, rtol=1e-9, atol=1e-15)


def test_a_devices_own_subcircuit_takes_the_place_of_the_law(pool: SimulatorPool, tmp_path: Path) -> None:
    own = tmp_path / "own"
    shutil.copytree(load_device("taox_1t1r").folder, own)
    model = own / "model.cir"
    model.write_text(model.read_text().replace("bcell te be i=", "bcell te be i=2*"))
    by_law = CrossbarConfig()
    shipped = CrossbarConfig(memristor="subcircuit")
    none = {"r_wire_row": 0, "r_wire_column": 0, "r_driver": 0, "r_clamp": 0}
    doubled = CrossbarConfig(memristor="subcircuit", device=str(own), **none)
    alone = doubled.model_copy(update={"memristor": "law"})
    decks = [crossbar_deck(cells_of(4, 3), voltages_of(5, 4), c, "sinh") for c in (by_law, shipped, alone, doubled)]
    law, same, once, twice = simulated(pool, decks, 5, [3] * 4)
    np.testing.assert_allclose(same, law, rtol=0, atol=1e-6 * np.abs(law).max())  # reltol; seen 7e-8
    np.testing.assert_allclose(twice, 2 * once, rtol=0, atol=1e-6 * np.abs(law).max())  # no wires: the law itself
    with pytest.raises(CosimError, match=r"key 'memristor'.*by their law"):
        array_lines(cells_of(4, 3), shipped, "sinh")


def test_the_law_of_the_cells_does_not_depend_on_the_temperature_of_the_deck(pool: SimulatorPool) -> None:
    # Diodes have a temperature of their own, at which n kT/q is V_0.
    decks = [
        crossbar_deck(cells_of(3, 2), voltages_of(4, 3), CrossbarConfig(temperature=temperature), "sinh")
        for temperature in (27.0, 125.0, -40.0)
    ]
    cold, hot, colder = simulated(pool, decks, 4, [2, 2, 2])
    np.testing.assert_allclose(hot, cold, rtol=1e-9)
    np.testing.assert_allclose(colder, cold, rtol=1e-9)


def test_v_0_of_the_configuration_replaces_the_devices(pool: SimulatorPool) -> None:
    config = CrossbarConfig(r_wire_row=0, r_wire_column=0, r_driver=0, r_clamp=0, v_0="0.25 V")
    (got,) = simulated(pool, [crossbar_deck(np.array([[1e-4]]), np.array([[0.1]]), config, "sinh")], 1, [1])
    np.testing.assert_allclose(got[0, 0], 1e-4 * 0.2 * np.sinh(0.1 / 0.25) / np.sinh(0.2 / 0.25), rtol=1e-9)


def test_two_arrays_in_one_transient_deck(pool: SimulatorPool) -> None:
    config = CrossbarConfig()
    upper, lower = cells_of(3, 2, 5), cells_of(4, 2, 6)
    rows = [f"vd{i} d{i} 0 pwl(0 0 1n {0.05 * (i + 1)!r})" for i in range(4)]
    lines = [*rows, "vo0 o0 0 0", "vo1 o1 0 0", "vp0 p0 0 0", "vp1 p1 0 0"]
    lines.append(array_lines(upper, config, row_node="d{i}", column_node="o{j}", prefix="upper"))
    lines.append(array_lines(lower, config, "sinh", row_node="d{i}", column_node="p{j}", prefix="lower"))
    saves = ("i(vo0)", "i(vo1)", "i(vp0)", "i(vp1)")
    (result,) = pool.run([Deck("two arrays", "\n".join(lines), (".tran 0.1n 2n",), saves, sample_at=(0.5e-9, 2e-9))])
    assert result.ok, result.failure
    drive = np.outer([0.5, 1.0], 0.05 * np.arange(1, 5))
    expected = drive[:, :3] @ effective_conductance(upper, *resistances(config))
    got = np.stack([result["i(vo0)"], result["i(vo1)"]], 1)
    assert np.abs(got - expected).max() <= 1e-6 * np.abs(expected).max()
    assert result["i(vp0)"][1] > 0
