"""Independent ways to the same currents."""

from collections.abc import Callable

import numpy as np
import pytest
import scipy.sparse as sparse
from numpy.typing import NDArray
from scipy.sparse.linalg import splu

Array = NDArray[np.float64]


@pytest.fixture(scope="session")
def nodal() -> Callable[..., Array]:
    return nodal_solution


@pytest.fixture(scope="session")
def by_cells() -> Callable[..., Array]:
    return cell_current_solution


def nodal_solution(
    conductances: Array,
    inputs: Array,
    resistances: tuple[float, ...],
    law: Callable[..., tuple[Array, Array]] | None = None,
) -> Array:
    """Output currents (vectors, columns) by sparse nodal analysis; all resistances above zero.

    `law(voltages)` gives current and slope of cells of 1 S, for Newton's method; None: linear.
    """
    r_row, r_col, r_driver, r_clamp = resistances
    rows, columns = conductances.shape
    word = np.arange(rows * columns).reshape(rows, columns)
    bit = word + rows * columns
    size = 2 * rows * columns

    def between(a: Array, b: Array, siemens: Array | float) -> sparse.csc_matrix:
        g = np.broadcast_to(siemens, a.shape).ravel()
        a, b = a.ravel(), b.ravel()
        values = np.concatenate((g, g, -g, -g))
        places = (np.concatenate((a, b, a, b)), np.concatenate((a, b, b, a)))
        return sparse.csc_matrix((values, places), shape=(size, size))

    def to_fixed(a: Array, siemens: float) -> sparse.csc_matrix:
        return sparse.csc_matrix((np.full(len(a), siemens), (a, a)), shape=(size, size))

    wires = between(word[:, :-1], word[:, 1:], 1 / r_row) + between(bit[:-1], bit[1:], 1 / r_col)
    wires += to_fixed(word[:, 0], 1 / (r_driver + r_row)) + to_fixed(bit[-1], 1 / (r_clamp + r_col))
    injected = np.zeros((size, len(inputs)))
    injected[word[:, 0]] = inputs.T / (r_driver + r_row)
    nodes = splu((wires + between(word, bit, conductances)).tocsc(), permc_spec="MMD_AT_PLUS_A").solve(injected)
    for vector in range(len(inputs)) if law is not None else ():
        assert law is not None
        x = nodes[:, vector]
        for _ in range(50):
            current, slope = law(x[word] - x[bit])
            through = np.concatenate(((conductances * current).ravel(), -(conductances * current).ravel()))
            residual = wires @ x + through - injected[:, vector]
            step = splu((wires + between(word, bit, conductances * slope)).tocsc()).solve(residual)
            x = x - step
            if np.abs(step).max() < 1e-14:
                break
        nodes[:, vector] = x
    return np.asarray((nodes[bit[-1]] / (r_clamp + r_col)).T)


def cell_current_solution(conductances: Array, inputs: Array, resistances: tuple[float, ...]) -> Array:
    """Output currents (vectors, columns) from one dense system in the cells' currents I (not in node voltages):

        I / G = V - W I - S I,

    with W, S the resistances that two cells of a word line, of a bit line share. Unlike nodal analysis it loses no
    digits where a wire conducts a million times better than a cell, and it takes resistances of zero.
    """
    r_row, r_col, r_driver, r_clamp = resistances
    rows, columns = conductances.shape
    i, j = np.arange(rows), np.arange(columns)
    along_row = r_driver + r_row * (1 + np.minimum.outer(j, j))
    along_column = r_clamp + r_col * (rows - np.maximum.outer(i, i))
    shared = np.kron(np.eye(rows), along_row) + np.kron(along_column, np.eye(columns))
    g = conductances.ravel()
    system = np.eye(g.size) + g[:, None] * shared
    drive = g[:, None] * np.repeat(inputs.T, columns, axis=0)
    currents = np.linalg.solve(system, drive).reshape(rows, columns, len(inputs))
    return np.asarray(currents.sum(axis=0).T)
