from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from cosim.blocks.crossbar.behaviour import clamp_admittance, clamp_matrix, effective_conductance

Array = NDArray[np.float64]
DEFAULT = (1.0, 1.0, 100.0, 10.0)


def cells_of(rows: int, columns: int, seed: int, open_share: float = 0.0) -> Array:
    rng = np.random.default_rng(seed)
    return rng.uniform(1e-7, 150e-6, (rows, columns)) * (rng.random((rows, columns)) >= open_share)


def test_without_resistance_it_is_the_plain_product() -> None:
    cells = cells_of(7, 5, 1, 0.2)
    np.testing.assert_array_equal(effective_conductance(cells, 0, 0, 0, 0), cells)


def test_one_cell_is_a_series_circuit() -> None:
    # Two roundings of numbers of order one.
    got = effective_conductance(np.array([[150e-6]]), 3.0, 5.0, 100.0, 10.0)
    np.testing.assert_allclose(got, [[1 / (1 / 150e-6 + 118.0)]], rtol=1e-15)


def test_one_row_and_one_column_by_hand() -> None:
    cells = cells_of(1, 6, 2)
    arms = 1 / (1 / cells + 2.0 + 10.0)
    np.testing.assert_allclose(
        effective_conductance(cells, 0.0, 2.0, 100.0, 10.0), arms / (1 + 100.0 * arms.sum()), rtol=1e-14
    )
    arms = 1 / (1 / cells.T + 2.0 + 100.0)
    np.testing.assert_allclose(
        effective_conductance(cells.T, 2.0, 0.0, 100.0, 10.0), arms / (1 + 10.0 * arms.sum()), rtol=1e-14
    )


@pytest.mark.parametrize("shape", [(1, 1), (2, 1), (1, 9), (8, 8), (32, 20), (20, 32), (64, 64), (128, 32)])
def test_agrees_with_a_sparse_nodal_solve(shape: tuple[int, int], nodal: Callable[..., Array]) -> None:
    # 1e-12 of the largest entry: nodal analysis itself leaves 4e-13 at 64 x 64, the ratio of wire to cell conductance
    # (1e4 .. 1e7) times the rounding.
    cells = cells_of(*shape, seed=3)
    expected = nodal(cells, np.eye(shape[0]), DEFAULT)
    got = effective_conductance(cells, *DEFAULT)
    assert np.abs(got - expected).max() <= 1e-12 * np.abs(expected).max()


resistance = st.sampled_from([0.0, 1e-4, 1e-2, 0.3, 2.0, 50.0, 3e3])


@settings(max_examples=60, deadline=None)
@given(
    rows=st.integers(1, 14),
    columns=st.integers(1, 14),
    resistances=st.tuples(resistance, resistance, resistance, resistance),
    open_share=st.sampled_from([0.0, 0.3, 1.0]),
    seed=st.integers(0, 1000),
)
def test_agrees_with_an_independent_solve_whatever_the_shape_and_the_resistances(
    rows: int,
    columns: int,
    resistances: tuple[float, ...],
    open_share: float,
    seed: int,
    by_cells: Callable[..., Array],
) -> None:
    cells = cells_of(rows, columns, seed, open_share)
    expected = by_cells(cells, np.eye(rows), resistances)
    got = effective_conductance(cells, *resistances)
    # Seen: 3e-15. The dense solve has condition numbers up to 1e2.
    assert np.abs(got - expected).max() <= 1e-12 * np.abs(expected).max()
    assert not got[(cells == 0).all(axis=1)].any()


@pytest.mark.parametrize("shape", [(9, 9), (9, 4), (4, 9)])
def test_reciprocity(shape: tuple[int, int]) -> None:
    # Exchanging drivers and clamps transposes the matrix. Both orders of elimination are run. Rounding only.
    cells = cells_of(*shape, seed=4)
    got = effective_conductance(cells, 3.0, 2.0, 100.0, 10.0)
    mirrored = effective_conductance(cells.T[::-1, ::-1], 2.0, 3.0, 10.0, 100.0)
    np.testing.assert_allclose(got, mirrored[::-1, ::-1].T, rtol=1e-13)


def test_clamp_admittance_is_the_current_when_all_drivers_move_together(by_cells: Callable[..., Array]) -> None:
    cells = cells_of(12, 7, 5)
    got = clamp_admittance(effective_conductance(cells, *DEFAULT))
    np.testing.assert_allclose(got, by_cells(cells, np.ones((1, 12)), DEFAULT)[0], rtol=1e-12)


@pytest.mark.parametrize("resistances", [DEFAULT, (0.0, 2.0, 100.0, 0.0), (3.0, 0.0, 0.0, 10.0), (0.0, 0.0, 0.0, 0.0)])
@pytest.mark.parametrize("shape", [(9, 6), (6, 9), (1, 4), (4, 1)])
def test_clamp_matrix_by_moving_the_clamps_one_by_one(shape: tuple[int, int], resistances: tuple[float, ...]) -> None:
    cells = cells_of(*shape, seed=7)
    got = clamp_matrix(cells, *resistances)
    expected = terminal_matrix(cells, resistances)
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-12 * np.abs(expected).max())
    np.testing.assert_allclose(got, got.T, rtol=0, atol=1e-15 * np.abs(got).max())
    effective = effective_conductance(cells, *resistances)
    np.testing.assert_allclose(got.sum(axis=1), clamp_admittance(effective), rtol=1e-11)


def terminal_matrix(cells: Array, resistances: tuple[float, ...]) -> Array:
    """`clamp_matrix` from the cells' currents: clamp l at 1 V puts -1 V across each cell of its column."""
    r_row, r_col, r_driver, r_clamp = resistances
    rows, columns = cells.shape
    i, j = np.arange(rows), np.arange(columns)
    shared = np.kron(np.eye(rows), r_driver + r_row * (1 + np.minimum.outer(j, j)))
    shared += np.kron(r_clamp + r_col * (rows - np.maximum.outer(i, i)), np.eye(columns))
    g = cells.ravel()
    drive = -g[:, None] * np.tile(np.eye(columns), (rows, 1))
    currents = np.linalg.solve(np.eye(g.size) + g[:, None] * shared, drive).reshape(rows, columns, columns)
    return np.asarray(-currents.sum(axis=0))


def test_the_argument_is_left_as_it_was() -> None:
    cells = cells_of(6, 6, 6)
    before = cells.copy()
    effective_conductance(cells, *DEFAULT)
    np.testing.assert_array_equal(cells, before)
