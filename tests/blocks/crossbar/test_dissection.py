"""Nested dissection: against elimination node by node in extended precision, and the laws of any network."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from threadpoolctl import threadpool_info

from cosim.blocks.crossbar.behaviour import effective_conductance, effective_conductances
from cosim.blocks.crossbar.dissection import eliminate, eliminate_by_sums, terminal_couplings
from cosim.blocks.crossbar.elimination import clamp_matrix
from cosim.blocks.crossbar.lapack import ROUTINES, one_thread
from cosim.errors import CosimError

Array = NDArray[np.float64]
DEFAULT = (1.0, 1.0, 100.0, 10.0)


def cells_of(rows: int, columns: int, seed: int) -> Array:
    return np.random.default_rng(seed).uniform(1e-6, 1e-4, (rows, columns))


def node_by_node(cells: Array, resistances: Sequence[float]) -> NDArray[np.longdouble]:
    """Couplings between drivers and clamps by the star-mesh transformation of each inner node, 64 bits of mantissa."""
    r_row, r_col, r_driver, r_clamp = (np.longdouble(each) for each in resistances)
    rows, columns = cells.shape
    word = np.arange(rows * columns).reshape(rows, columns)
    bit, inner = word + rows * columns, 2 * rows * columns
    drivers, clamps = inner + np.arange(rows), inner + rows + np.arange(columns)
    w = np.zeros((inner + rows + columns,) * 2, dtype=np.longdouble)
    for a, b, g in (
        (word, bit, cells.astype(np.longdouble)),
        (word[:, :-1], word[:, 1:], 1 / r_row),
        (bit[:-1], bit[1:], 1 / r_col),
        (word[:, 0], drivers, 1 / (r_row + r_driver)),
        (bit[-1], clamps, 1 / (r_col + r_clamp)),
    ):
        w[a, b] = w[b, a] = g
    for k in range(inner):
        row = w[k].copy()
        w += np.outer(row, row / row.sum())
        w[k], w[:, k] = 0.0, 0.0
        np.fill_diagonal(w, 0.0)
    return np.asarray(w[inner:, inner:])


wire = st.sampled_from([1e-6, 1e-3, 1.0, 1e3, 1e6])
level = st.sampled_from([0.0, 1e-12, 1e-6, 1e-4, 1.0])


@settings(max_examples=40, deadline=None)
@given(
    rows=st.integers(1, 7), columns=st.integers(1, 7), wires=st.tuples(wire, wire),
    ends=st.tuples(st.sampled_from([0.0, 100.0, 1e6]), st.sampled_from([0.0, 10.0, 1e6])),
    levels=st.lists(level, min_size=1, max_size=5), seed=st.integers(0, 1000),
)  # fmt: skip
def test_every_entry_keeps_its_digits_whatever_the_values(
    rows: int, columns: int, wires: tuple[float, float], ends: tuple[float, float], levels: list[float], seed: int
) -> None:
    cells = np.random.default_rng(seed).choice(levels, (rows, columns))
    expected = node_by_node(cells, (*wires, *ends))[:rows, rows:].astype(np.float64)
    got = effective_conductance(cells, *wires, *ends)
    # Each entry for itself, also where they span 20 decades: nothing is subtracted. Some 100 roundings in a row.
    np.testing.assert_allclose(got, expected, rtol=3e-14, atol=0)


@pytest.mark.parametrize("shape", [(17, 5), (40, 1), (1, 40), (2, 70), (33, 21), (24, 50)])
def test_blocks_of_all_kinds_are_joined_rightly(shape: tuple[int, int]) -> None:
    cells = cells_of(*shape, seed=1) * (np.random.default_rng(2).random(shape) > 0.1)
    resistances = (3.0, 0.7, 40.0, 5.0)
    if cells.size <= 150:
        expected = node_by_node(cells, resistances).astype(np.float64)
        got = np.tril(terminal_couplings(cells, *resistances), -1)
        np.testing.assert_allclose(got, np.tril(expected, -1), rtol=1e-13, atol=0)
    else:  # the mirrored circuit is joined in another order
        got = effective_conductance(cells, *resistances)
        mirrored = effective_conductance(cells.T[::-1, ::-1], 0.7, 3.0, 5.0, 40.0)
        np.testing.assert_allclose(got, mirrored[::-1, ::-1].T, rtol=1e-13, atol=0)


@pytest.mark.parametrize("shape", [(20, 33), (64, 64), (100, 37), (128, 128)])
def test_agrees_with_a_sparse_nodal_solve_where_blas_works(shape: tuple[int, int], nodal: Callable[..., Array]) -> None:
    # 1e-12 of the largest entry is the sparse solver's own error (see test_elimination). Superposition: random inputs
    # of both signs at once.
    cells = cells_of(*shape, seed=3)
    inputs = np.random.default_rng(4).uniform(-0.2, 0.2, (5, shape[0]))
    expected = nodal(cells, inputs, DEFAULT)
    got = inputs @ effective_conductance(cells, *DEFAULT)
    assert np.abs(got - expected).max() <= 1e-12 * np.abs(expected).max()


def test_one_row_and_one_column_are_ladders() -> None:
    # From the far end: what a node sees is the cell beside it in parallel with the rest through one segment.
    cells = cells_of(1, 30, 5)
    r_row, r_col, r_driver, r_clamp = 7.0, 2.0, 100.0, 10.0
    arms = 1 / (1 / cells[0] + r_col + r_clamp)
    seen, shares = 0.0, []
    for k in range(29, -1, -1):
        seen += arms[k]
        shares.insert(0, 1 / (1 + (r_row + (r_driver if k == 0 else 0.0)) * seen))
        seen *= shares[0]
    expected = arms * np.cumprod(shares)
    np.testing.assert_allclose(effective_conductance(cells, r_row, r_col, r_driver, r_clamp)[0], expected, rtol=1e-14)
    column = effective_conductance(cells.T[::-1], r_col, r_row, r_clamp, r_driver)
    np.testing.assert_allclose(column[::-1, 0], expected, rtol=1e-14)


def test_a_vanishing_wire_is_no_wire() -> None:
    cells = cells_of(20, 24, 6)
    for shrunk in ((1e-9, 1e-9), (1e-9, 2.0), (3.0, 1e-9)):
        none = tuple(0.0 if value == 1e-9 else value for value in shrunk)
        got, expected = (effective_conductance(cells, *wires, 100.0, 10.0) for wires in (shrunk, none))
        np.testing.assert_allclose(got, expected, rtol=1e-10)  # 1e-9 ohm times 24 cells of 1e-4 S, and 24 segments
        both = [clamp_matrix(cells, *wires, 100.0, 10.0) for wires in (shrunk, none)]
        np.testing.assert_allclose(*both, rtol=0, atol=1e-10 * np.abs(both[1]).max())


def test_what_the_drivers_give_is_what_the_resistances_take() -> None:
    rows, columns = 18, 7
    r_row, r_col, r_driver, r_clamp = DEFAULT
    cells, v = cells_of(rows, columns, 7), np.random.default_rng(8).uniform(-0.2, 0.2, rows)
    couplings = np.tril(terminal_couplings(cells, *DEFAULT), -1)
    couplings += couplings.T
    voltages = np.concatenate((v, np.zeros(columns)))
    given_power = voltages @ (couplings.sum(axis=1) * voltages - couplings @ voltages)
    # The cells' currents from a dense system; what cells and the resistances that they share take.
    i, j = np.arange(rows), np.arange(columns)
    shared = np.kron(np.eye(rows), r_driver + r_row * (1 + np.minimum.outer(j, j)))
    shared += np.kron(r_clamp + r_col * (rows - np.maximum.outer(i, i)), np.eye(columns))
    resistance = np.diag(1 / cells.ravel()) + shared
    currents = np.linalg.solve(resistance, np.repeat(v, columns))
    np.testing.assert_allclose(given_power, currents @ resistance @ currents, rtol=1e-12)
    clamped = currents.reshape(rows, columns).sum(axis=0)
    np.testing.assert_allclose(v @ effective_conductance(cells, *DEFAULT), clamped, rtol=1e-11)


@pytest.mark.parametrize("kind", ["transposed", "strided", "reversed", "read-only", "float32", "list", "whole numbers"])
def test_any_array_will_do(kind: str) -> None:
    plain = cells_of(19, 23, 9).astype(np.float32).astype(np.float64)
    spread = np.zeros((38, 46))
    spread[::2, ::2] = plain
    fixed = plain.copy()
    fixed.setflags(write=False)
    backwards = plain[::-1, ::-1].copy()[::-1, ::-1]
    given_cells = {
        "transposed": np.asfortranarray(plain), "strided": spread[::2, ::2], "reversed": backwards,
        "read-only": fixed, "float32": plain.astype(np.float32), "list": plain.tolist(),
        "whole numbers": (plain > 5e-5).astype(int),
    }[kind]  # fmt: skip
    expected = effective_conductance(np.ascontiguousarray(given_cells, dtype=np.float64), *DEFAULT)
    np.testing.assert_array_equal(effective_conductance(given_cells, *DEFAULT), expected)


def test_many_tiles_are_the_same_in_any_number_of_threads() -> None:
    tiles = [
        cells_of(rows, columns, seed) for seed, (rows, columns) in enumerate([(70, 40), (9, 9), (40, 70), (64, 64)])
    ]
    threads_before = [each["num_threads"] for each in threadpool_info()]
    alone = [effective_conductance(cells, *DEFAULT) for cells in tiles]
    for threads in (1, 2, 4):
        for got, expected in zip(effective_conductances(tiles, *DEFAULT, threads=threads), alone, strict=True):
            np.testing.assert_array_equal(got, expected)
    assert [each["num_threads"] for each in threadpool_info()] == threads_before
    assert effective_conductances([], *DEFAULT) == []
    with pytest.raises(CosimError, match="key 'threads': value 0"):
        effective_conductances(tiles, *DEFAULT, threads=0)


def test_the_hold_on_blas_ends_with_its_block() -> None:
    def counts() -> list[int]:
        return [each["num_threads"] for each in threadpool_info() if each["user_api"] == "blas"]

    before = counts()
    with one_thread():
        with one_thread():
            effective_conductance(cells_of(40, 40, 1), *DEFAULT)
        assert set(counts()) == {1}
    assert counts() == before


def test_a_side_that_hardly_leads_anywhere_is_eliminated_by_sums() -> None:
    # Twenty nodes tied by 1 S, each with 1e-17 to 1e-15 S outwards: one node, star-mesh by hand. A Cholesky factor
    # would have its last pivot from 1 - 1.
    rng = np.random.default_rng(10)
    outward = 10.0 ** rng.uniform(-17, -15, (20, 6))
    total = outward.sum(axis=0)
    expected = np.outer(total, total) / total.sum()
    for method in (lambda side, x: eliminate(side, x, ROUTINES), eliminate_by_sums):
        x = outward.copy()
        method(np.ones((20, 20)), x)
        np.testing.assert_allclose(x.T @ x, expected, rtol=1e-12)


@pytest.mark.parametrize("name", ["r_row", "r_col", "r_driver", "r_clamp"])
@pytest.mark.parametrize("value", [-1.0, np.nan, np.inf])
def test_resistances_that_are_none(name: str, value: float) -> None:
    resistances = dict(zip(("r_row", "r_col", "r_driver", "r_clamp"), DEFAULT, strict=True)) | {name: value}
    for function in (effective_conductance, clamp_matrix):
        with pytest.raises(CosimError, match=f"key '{name}'.*a resistance must be"):
            function(cells_of(3, 3, 1), **resistances)


@pytest.mark.parametrize("entry", [np.nan, np.inf, -1e-9])
def test_conductances_that_are_none(entry: float) -> None:
    cells = cells_of(3, 3, 1)
    cells[1, 1] = entry
    with pytest.raises(CosimError, match="key 'conductances'"):
        effective_conductance(cells, *DEFAULT)
