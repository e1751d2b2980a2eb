"""Resistors reduced to their ports: closed forms, the elimination of the fitted models, and what is no resistor."""

import numpy as np
import pytest

from cosim.blocks.crossbar.config import CrossbarConfig
from cosim.blocks.crossbar.elimination import effective_conductance
from cosim.blocks.crossbar.netlist import array_lines
from cosim.blocks.crossbar.ports import port_admittance, port_lines
from cosim.errors import CosimError


def test_a_star_becomes_a_triangle() -> None:
    """Between ports a and b: R_a R_b (1 / R_a + 1 / R_b + 1 / R_c)."""
    ohm = {"a": 1.0, "b": 2.0, "c": 5.0}
    text = "\n".join(f"r{name} {name} star {value}" for name, value in ohm.items())
    found = {
        line.split()[1] + line.split()[2]: float(line.split()[3]) for line in port_lines(text, [], "abc").splitlines()
    }
    total = sum(1 / value for value in ohm.values())
    assert found == pytest.approx({a + b: ohm[a] * ohm[b] * total for a, b in ("ab", "ac", "bc")}, rel=1e-8)


def test_series_and_parallel() -> None:
    text = "r1 in m 10\nr2 m out 20\nr3 in out 60"
    (line,) = port_lines(text, ["in"], ["out"]).splitlines()
    assert line.split()[1:3] == ["in", "out"]
    assert float(line.split()[3]) == pytest.approx(20.0, rel=1e-8)  # 30 beside 60


def test_an_array_is_what_the_elimination_says() -> None:
    """Two ways that share no line of code: currents of the bit lines at V_CLP for voltages at the drivers, to 1e-12."""
    config = CrossbarConfig(rows=7, columns=5, r_wire_row=3.0, r_wire_column=2.0, r_driver=100.0, r_clamp=20.0)
    cells = np.random.default_rng(1).uniform(1e-6, 150e-6, (7, 5))
    ports = [*(f"r{i}" for i in range(7)), *(f"c{j}" for j in range(5))]
    admittance = port_admittance(array_lines(cells, config), ports)
    expected = effective_conductance(cells, 3.0, 2.0, 100.0, 20.0)
    np.testing.assert_allclose(-admittance[7:, :7].T, expected, rtol=1e-12)
    # A network of resistors: symmetric, no current when all ports are at one voltage, nothing negative between them.
    np.testing.assert_allclose(admittance.sum(axis=1), 0.0, atol=1e-15)
    np.testing.assert_allclose(admittance, admittance.T, rtol=0, atol=0)
    assert (np.triu(admittance, 1) <= 0).all()


def test_ports_that_are_held_have_nothing_between_them() -> None:
    cells = np.full((2, 3), 50e-6)
    lines = port_lines(array_lines(cells, CrossbarConfig(rows=2, columns=3)), ["r0", "r1"], ["c0", "c1", "c2"], "x")
    between = {tuple(line.split()[1:3]) for line in lines.splitlines()}
    assert between == {(f"r{i}", f"c{j}") for i in range(2) for j in range(3)} | {
        ("c0", "c1"), ("c0", "c2"), ("c1", "c2")
    }  # fmt: skip
    assert all(line.startswith("rx") for line in lines.splitlines())


def test_without_wires_the_cells_are_left_and_open_ones_are_not() -> None:
    config = CrossbarConfig(rows=2, columns=2, r_wire_row=0, r_wire_column=0, r_driver=0, r_clamp=0)
    cells = np.array([[50e-6, 0.0], [0.0, 0.0]])
    assert port_lines(array_lines(cells, config), ["r0", "r1"], ["c0", "c1"]).split()[1:] == ["r0", "c0", "20000"]
    assert (port_admittance(array_lines(cells, config), ["r0", "r1", "c0", "c1"])[[1, 3]] == 0).all()


@pytest.mark.parametrize("line", ["d1 a b model", "r1 a b", "r1 a b 5k", "r1 a b 0", "b1 a b i=v(a)"])
def test_what_is_no_resistor_is_refused(line: str) -> None:
    with pytest.raises(CosimError, match="only resistors") as caught:
        port_lines("r0 a b 5\n" + line, ["a"], ["b"])
    assert caught.value.value == line
