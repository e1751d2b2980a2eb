from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from cosim.blocks.crossbar.behaviour import (
    differential_inputs,
    effective_conductance,
    odd_power_coefficients,
    odd_power_currents,
)
from cosim.blocks.crossbar.ladders import attenuation
from cosim.blocks.crossbar.sinh import secant_factor

Array = NDArray[np.float64]
V_0, V_G, V_READ = 0.43, 0.2, 0.2
DEFAULT = (1.0, 1.0, 100.0, 10.0)


def law(voltage: Array) -> tuple[Array, Array]:
    """Current and slope of a cell of 1 S."""
    scale = V_G / np.sinh(V_G / V_0)
    return scale * np.sinh(voltage / V_0), scale / V_0 * np.cosh(voltage / V_0)


def coefficients(cells: Array, resistances: tuple[float, ...], v_0: float = V_0) -> Array:
    return odd_power_coefficients(cells, *resistances, v_0=v_0, v_g=V_G, v_read=V_READ)


def cells_of(rows: int, columns: int, seed: int) -> Array:
    return np.random.default_rng(seed).uniform(1e-6, 150e-6, (rows, columns))


def test_without_wires_each_cell_follows_its_law() -> None:
    cells = cells_of(6, 3, 1)
    voltages = np.concatenate([voltage * np.eye(6) for voltage in np.linspace(-V_READ, V_READ, 41)])
    got = odd_power_currents(voltages, coefficients(cells, (0, 0, 0, 0)))
    expected = law(voltages)[0] @ cells
    # The seventh power of a sinh is (V_READ / V_0)^6 / 5040 = 2e-6 of the current at V_READ.
    assert np.abs(got - expected).max() <= 2e-6 * np.abs(expected).max()


@pytest.mark.parametrize("kind", ["independent", "differential", "full scale", "few rows"])
@pytest.mark.parametrize("shape", [(32, 16), (48, 48)])
def test_agrees_with_newton_on_the_nodes(shape: tuple[int, int], kind: str, nodal: Callable[..., Array]) -> None:
    rng = np.random.default_rng(7)
    cells = cells_of(*shape, seed=2)
    cells[3, 4], cells[5, 6] = 520e-6, 0.1e-6  # stuck cells
    x = rng.uniform(-1, 1, (6, shape[0] // 2))
    voltages = {
        "independent": V_READ * rng.uniform(-1, 1, (6, shape[0])),
        "differential": differential_inputs(x, V_READ),
        "full scale": differential_inputs(np.sign(x), V_READ),
        "few rows": differential_inputs(np.sign(x) * (np.abs(x) > 0.7), V_READ),
    }[kind]
    expected = nodal(cells, voltages, DEFAULT, law)
    got = odd_power_currents(voltages, coefficients(cells, DEFAULT))
    error = (got - expected) / np.abs(expected).max()
    # Aimed at; the issue asks for 2e-3 up to 64 x 64. Equal amplitudes are exact to first order of the lift.
    assert np.sqrt(np.mean(error**2)) <= (1e-4 if kind == "full scale" else 5e-4)
    linear = voltages @ effective_conductance(cells, *DEFAULT)
    assert np.sqrt(np.mean(error**2)) < 0.2 * np.sqrt(np.mean(((linear - expected) / np.abs(expected).max()) ** 2))


def test_currents_are_odd() -> None:
    matrices = coefficients(cells_of(10, 5, 3), DEFAULT)
    voltages = V_READ * np.random.default_rng(1).uniform(-1, 1, (4, 10))
    np.testing.assert_allclose(odd_power_currents(-voltages, matrices), -odd_power_currents(voltages, matrices))


def test_a_wide_law_is_linear() -> None:
    cells = cells_of(10, 8, 4)
    voltages = V_READ * np.random.default_rng(2).uniform(-1, 1, (4, 10))
    expected = voltages @ effective_conductance(cells, *DEFAULT)
    got = odd_power_currents(voltages, coefficients(cells, DEFAULT, v_0=200.0))
    assert np.abs(got - expected).max() <= 1e-6 * np.abs(expected).max()  # (V_READ / V_0)^2 / 6 = 2e-7


def test_open_cells_and_an_open_column_carry_nothing() -> None:
    cells = cells_of(6, 4, 5)
    cells[:, 2] = 0.0
    cells[1, 0] = 0.0
    matrices = coefficients(cells, DEFAULT)
    assert all(np.isfinite(each).all() for each in (matrices.matrices, matrices.word_lines, matrices.bit_lines))
    assert not matrices.matrices[:, 2].any()


def test_attenuation_of_a_line_by_hand() -> None:
    first = 1 / (1 + 105.0 * (1e-3 + 1 / (5.0 + 1 / 2e-3)))
    got = attenuation(np.array([[1e-3, 2e-3]]), 5.0, 100.0)
    np.testing.assert_allclose(got, [[first, first / (1 + 5.0 * 2e-3)]], rtol=1e-14)


def test_secant_factor_at_zero_and_at_the_stated_voltage() -> None:
    scale = V_G / V_0 / np.sinh(V_G / V_0)
    np.testing.assert_allclose(secant_factor(np.array([0.0, V_G, -V_G]), V_0, V_G), [scale, 1, 1], rtol=1e-12)
