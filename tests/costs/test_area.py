"""Area: sums of netlists, the cell's rule, and what converters need."""

import pytest

from cosim.costs.area import gate_area, tile_area
from cosim.costs.config import CostConfig
from cosim.costs.constants import constant
from cosim.errors import CosimError
from cosim.resources import read_netlist

from .test_account import HIDDEN, INPUTS, tile


def test_gates_of_a_netlist_are_added_up() -> None:
    # W L of xm1 .. xm9 in the file [um^2]
    expected = 2 * 8 * 0.5 + 2 * 4 * 0.5 + 8 * 0.5 + 4 * 0.5 + 4 * 0.5 + 1 * 0.18 + 0.5 * 0.18
    assert gate_area(read_netlist("comparator_two_stage"), "comparator") == pytest.approx(expected * 1e-12, rel=1e-12)


def test_subcircuits_that_are_called_count() -> None:
    text = read_netlist("ota_two_stage")
    switches = (0.5 + 1 + 2 + 4) * 0.18e-12
    assert gate_area(text, "integrator") == pytest.approx(gate_area(text, "ota") + switches, rel=1e-12)


def test_cells_by_the_rule() -> None:
    area = tile_area(tile(), CostConfig())
    cells = next(term for term in area.terms if term.name == "cells")
    f, width = 0.18e-6, 1.6e-6
    assert cells.value == pytest.approx(2 * INPUTS * HIDDEN * 3 * (width / f + 1) * f**2, rel=1e-12)
    capacitors = next(leaf for leaf in area.leaves() if leaf.name == "C_fb")
    assert capacitors.value == pytest.approx(HIDDEN * 5e-12 / constant("capacitor_density").value, rel=1e-12)


def test_a_missing_subcircuit_is_refused() -> None:
    with pytest.raises(CosimError, match="no such subcircuit"):
        gate_area(read_netlist("dac_driver"), "flash")
    with pytest.raises(CosimError, match="plain numbers"):
        gate_area(".subckt a d g s b\nxm1 d g s b nmos w={w} l=0.18u\n.ends\n", "a")
