"""Charges of sinh cells at pulse-width inputs, against Newton's method on the nodes of every active set."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from cosim.blocks.crossbar.elimination import effective_conductance
from cosim.blocks.crossbar.inputs import differential_inputs
from cosim.blocks.crossbar.pulse_width import mean_overlap, pulse_width_conductances
from cosim.blocks.crossbar.sinh import secant_factor

Array = NDArray[np.float64]
V_0, V_G, V_READ, TOP = 0.43, 0.2, 0.2, 7
RESISTANCES = (1.0, 1.0, 100.0, 42.0)  # the clamp as large as the virtual ground of 1 GHz and 5 pF makes it


def law(voltage: Array) -> tuple[Array, Array]:
    """Current and slope of a cell of 1 S."""
    scale = V_G / np.sinh(V_G / V_0)
    return scale * np.sinh(voltage / V_0), scale / V_0 * np.cosh(voltage / V_0)


def cells_of(rows: int, columns: int, seed: int = 1) -> Array:
    return np.random.default_rng(seed).uniform(1e-6, 150e-6, (rows, columns))


def charges(cells: Array, x: Array, resistances: tuple[float, ...] = RESISTANCES, v_0: float = V_0) -> Array:
    """Of pulses of one second: (vectors, columns)."""
    first, second = pulse_width_conductances(cells, *resistances, v_0=v_0, v_g=V_G, v_read=V_READ)
    return np.asarray(V_READ * (x @ first + mean_overlap(x) @ second))


def by_active_sets(cells: Array, x: Array, resistances: tuple[float, ...], nodal: Callable[..., Array]) -> Array:
    """The same, the currents of one active set after another by Newton's method; `x` multiples of 1 / TOP."""
    total = np.zeros((len(x), cells.shape[1]))
    for part in range(TOP):
        active = V_READ * np.sign(x) * (np.abs(x) * TOP > part + 0.5)
        total += nodal(cells, active, resistances, law) / TOP
    return total


def test_without_wires_every_cell_conducts_as_at_v_read() -> None:
    cells = cells_of(6, 3)
    first, second = pulse_width_conductances(cells, 0, 0, 0, 0, v_0=V_0, v_g=V_G, v_read=0.25)
    np.testing.assert_allclose(first, cells * secant_factor(np.full(1, 0.25), V_0, V_G), rtol=1e-13)
    np.testing.assert_array_equal(second, 0.0)


def test_a_law_that_is_nearly_linear_gives_the_linear_array() -> None:
    cells = cells_of(12, 5)
    linear = effective_conductance(cells, *RESISTANCES)
    off = []
    for v_0 in (4.0, 8.0):
        first, second = pulse_width_conductances(cells, *RESISTANCES, v_0=v_0, v_g=V_G, v_read=V_READ)
        off.append(max(np.abs(first - linear).max(), np.abs(second).max()) / linear.max())
    # The law differs from a line by (V / V_0)^2 / 6, and less in what the wires leave of it.
    assert off[0] < (V_READ / 4.0) ** 2 / 6
    np.testing.assert_allclose(off[0] / off[1], 4.0, rtol=0.01)


def test_pulses_of_equal_width_are_right_to_first_order(nodal: Callable[..., Array]) -> None:
    """All word lines are active together, so the mean active share is that of every cell: what is left is the second
    order of the lift and, through the word lines, first order of products of resistances: a quarter at half of all."""
    cells = cells_of(16, 6)
    x = differential_inputs(np.random.default_rng(2).choice([-1.0, 1.0], (5, 8)), 5 / TOP)
    errors = []
    for share in (1.0, 0.5):
        resistances = tuple(share * each for each in RESISTANCES)
        expected = by_active_sets(cells, x, resistances, nodal)
        errors.append(np.abs(charges(cells, x, resistances) - expected).max() / np.abs(expected).max())
    assert errors[0] < 3e-4
    assert errors[1] < errors[0] / 3


@pytest.mark.parametrize("shape", [(16, 8), (40, 12)])
def test_agrees_with_newton_on_every_active_set(shape: tuple[int, int], nodal: Callable[..., Array]) -> None:
    """Within 5e-4 of full scale, while leaving out when cells are active is several times as wrong."""
    rng = np.random.default_rng(3)
    cells = cells_of(*shape, seed=4)
    cells[3, 4], cells[5, 6], cells[7, 2] = 520e-6, 0.1e-6, 0.0  # stuck cells, an open one
    x = differential_inputs(np.rint(rng.uniform(-1, 1, (8, shape[0] // 2)) * TOP) / TOP, 1.0)
    expected = by_active_sets(cells, x, RESISTANCES, nodal)
    full = np.abs(expected).max()
    error = np.sqrt(np.mean((charges(cells, x) - expected) ** 2)) / full
    first, second = pulse_width_conductances(cells, *RESISTANCES, v_0=V_0, v_g=V_G, v_read=V_READ)
    always_half = V_READ * x @ (first + second / 2)
    assert error < 5e-4
    assert error < np.sqrt(np.mean((always_half - expected) ** 2)) / full / 2


def test_a_sparse_vector_lets_idle_cells_be_idle(nodal: Callable[..., Array]) -> None:
    """One long pulse among idle word lines, the far end from the half that are active in the mean."""
    cells = cells_of(16, 8, 5)
    x = np.zeros((1, 16))
    x[0, 4], x[0, 5] = 1.0, -1.0
    expected = by_active_sets(cells, x, RESISTANCES, nodal)
    assert np.abs(charges(cells, x) - expected).max() < 2e-3 * np.abs(expected).max()


@given(arrays(np.float64, st.tuples(st.integers(1, 4), st.integers(1, 20)), elements=st.floats(-1, 1)))
@settings(deadline=None)
def test_overlap_is_the_mean_of_the_shorter_pulses(x: Array) -> None:
    size = np.abs(x)
    expected = np.sign(x) * np.minimum(size[:, :, None], size[:, None, :]).mean(axis=2)
    got = mean_overlap(x)
    np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-300)
    np.testing.assert_array_equal(mean_overlap(-x), -got)
    assert (np.abs(got) <= size * (1 + 1e-12)).all()
