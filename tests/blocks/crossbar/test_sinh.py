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
from cosim.errors import CosimError

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
    # Asked for: 5e-4. Seen: 1e-4 of independent inputs, a third of it of the others, for which the tangents of most
    # other word lines are those of the own.
    assert np.sqrt(np.mean(error**2)) <= (2e-4 if kind == "independent" else 1e-4)
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


@pytest.mark.parametrize("shape", [(32, 32), (64, 16)])
def test_inputs_of_one_sign(shape: tuple[int, int], nodal: Callable[..., Array]) -> None:
    # They lift the bit lines most, by a tenth of the read voltage: its second order counts.
    cells = cells_of(*shape, seed=9)
    voltages = V_READ * np.stack((np.ones(shape[0]), np.random.default_rng(5).uniform(0, 1, shape[0])))
    expected = nodal(cells, voltages, DEFAULT, law)
    got = odd_power_currents(voltages, coefficients(cells, DEFAULT))
    assert np.abs(got - expected).max() <= 5e-4 * np.abs(expected).max()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("shape", "v_read", "v_0"), [((128, 64), 0.3, 0.43), ((64, 128), 0.1, 0.25), ((64, 64), 0.2, 0.25)]
)
def test_large_arrays_and_strong_laws(
    shape: tuple[int, int], v_read: float, v_0: float, nodal: Callable[..., Array]
) -> None:
    rng = np.random.default_rng(11)
    cells = cells_of(*shape, seed=3)
    scale = V_G / np.sinh(V_G / v_0)

    def own_law(voltage: Array) -> tuple[Array, Array]:
        return scale * np.sinh(voltage / v_0), scale / v_0 * np.cosh(voltage / v_0)

    voltages = v_read * np.concatenate(
        (rng.uniform(-1, 1, (3, shape[0])), rng.choice([-1, 1], (2, shape[0])), rng.uniform(0, 1, (1, shape[0])))
    )
    expected = nodal(cells, voltages, DEFAULT, own_law)
    got = odd_power_currents(voltages, odd_power_coefficients(cells, *DEFAULT, v_0=v_0, v_g=V_G, v_read=v_read))
    error = (got - expected) / np.abs(expected).max()
    assert np.sqrt(np.mean(error**2)) <= 5e-4


def test_single_precision_and_any_batch_and_layout() -> None:
    matrices = coefficients(cells_of(20, 12, 6), DEFAULT)
    voltages = V_READ * np.random.default_rng(3).uniform(-1, 1, (150, 20))
    expected = odd_power_currents(voltages, matrices)
    largest = np.abs(expected).max()
    single = odd_power_currents(voltages, matrices.astype(np.float32))
    assert single.dtype == np.float32
    assert np.abs(single - expected).max() <= 1e-6 * largest  # some ten roundings of 6e-8
    fixed = np.asfortranarray(voltages)
    fixed.setflags(write=False)
    for given in (fixed, voltages[::-1].copy()[::-1], voltages.tolist()):
        np.testing.assert_array_equal(odd_power_currents(given, matrices), expected)
    # One by one BLAS adds up in another order.
    one_by_one = np.concatenate([odd_power_currents(each[None], matrices) for each in voltages])
    assert np.abs(one_by_one - expected).max() <= 1e-14 * largest


@pytest.mark.parametrize("shape", [(20,), (3, 19), (3, 40)])
def test_voltages_of_another_shape(shape: tuple[int, ...]) -> None:
    matrices = coefficients(cells_of(20, 4, 6), DEFAULT)
    with pytest.raises(CosimError, match=r"key 'voltages'.*\(any, 20\)"):
        odd_power_currents(np.zeros(shape), matrices)


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (7, 1), (2, 3)])
@pytest.mark.parametrize("resistances", [DEFAULT, (0.0, 0.0, 0.0, 0.0), (0.0, 3.0, 50.0, 0.0), (3.0, 0.0, 0.0, 50.0)])
def test_small_arrays_and_missing_resistances(shape: tuple[int, int], resistances: tuple[float, ...]) -> None:
    # So little resistance beside cells of 150 uS: the linear array of the law's currents at the drive is near enough.
    cells = cells_of(*shape, seed=8)
    voltages = V_READ * np.random.default_rng(4).uniform(-1, 1, (5, shape[0]))
    got = odd_power_currents(voltages, coefficients(cells, resistances))
    expected = law(voltages)[0] @ effective_conductance(cells, *resistances)
    assert np.isfinite(got).all()
    assert np.abs(got - expected).max() <= 0.02 * np.abs(expected).max()
    nothing = odd_power_currents(voltages, coefficients(np.zeros(shape), resistances))
    assert not nothing.any()
