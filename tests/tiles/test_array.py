"""Array and integrators in closed form: limits, symmetries, and the equation of the giving virtual grounds."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from cosim.blocks.crossbar.config import CellKind
from cosim.blocks.crossbar.elimination import clamp_matrix, effective_conductance
from cosim.blocks.crossbar.sinh import odd_power_coefficients, odd_power_currents, secant_factor
from cosim.blocks.ramp_adc.config import RampAdcConfig
from cosim.tiles.array import ProgrammedArray, column_conductances, program_array
from cosim.tiles.config import SETTLING, InputMode, TileConfig, input_pulse

Array = NDArray[np.float64]
INPUTS, OUTPUTS, V_0 = 8, 5, 0.43
WIRES, NONE = (1.0, 2.0, 100.0, 10.0), (0.0, 0.0, 0.0, 0.0)
CELLS = np.random.default_rng(1).uniform(1e-6, 150e-6, (2 * INPUTS, OUTPUTS))
VALUES = np.random.default_rng(2).uniform(-1, 1, (20, INPUTS))
FORMS: list[tuple[CellKind, InputMode]] = [("linear", "pulse width"), ("sinh", "pulse width"), ("sinh", "amplitude")]


def config(input_mode: InputMode = "pulse width", **adc: float) -> TileConfig:
    return TileConfig(inputs=INPUTS, outputs=OUTPUTS, input_mode=input_mode, adc=RampAdcConfig(**adc))


def array_of(
    law: CellKind, settings: TileConfig, wires: tuple[float, float, float, float] = WIRES, v_0: float = V_0,
    amplifier: bool = True,
) -> ProgrammedArray:  # fmt: skip
    return program_array(CELLS, settings, wires, law=law, v_0=v_0, amplifier=amplifier)


@pytest.mark.parametrize(("input_mode", "holds"), [("pulse width", 0.75), ("amplitude", 0.5)])
def test_a_giving_virtual_ground_is_a_resistance_at_the_clamp(input_mode: InputMode, holds: float) -> None:
    """(C (1 + 1/A) + C_bl / A) V + (1 / w_u + t_hold / A) Y V = Q, solved as it stands."""
    settings = config(input_mode, amplifier_gain=300, amplifier_gbw=2e8)
    adc, pulse = settings.adc, input_pulse(settings)
    capacitance = adc.c_fb * (1 + 1 / adc.amplifier_gain) + adc.c_bitline / adc.amplifier_gain
    share = 1 / (2 * math.pi * adc.amplifier_gbw) + (holds * pulse + SETTLING) / adc.amplifier_gain
    system = capacitance * np.eye(OUTPUTS) + share * clamp_matrix(CELLS, *WIRES)
    effective = effective_conductance(CELLS, *WIRES)
    charge = adc.v_read * pulse * VALUES @ (effective[0::2] - effective[1::2])
    expected = np.linalg.solve(system, charge.T).T
    found = array_of("linear", settings).mac(VALUES)
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-14)
    assert np.abs(found - charge / capacitance).max() > 0.01 * np.abs(expected).max()


@pytest.mark.parametrize(("law", "input_mode"), FORMS)
def test_inputs_of_the_other_sign_give_the_other_sign(law: CellKind, input_mode: InputMode) -> None:
    array = array_of(law, config(input_mode))
    np.testing.assert_allclose(array.mac(-VALUES), -array.mac(VALUES), rtol=0, atol=1e-16)
    np.testing.assert_array_equal(array.mac(np.zeros((2, INPUTS))), 0.0)


@pytest.mark.parametrize("input_mode", ["pulse width", "amplitude"])
def test_linear_cells_superpose_and_sinh_cells_do_not(input_mode: InputMode) -> None:
    a, b = VALUES[:10] / 2, VALUES[10:] / 2
    linear, sinh = (array_of(law, config(input_mode)) for law in ("linear", "sinh"))
    np.testing.assert_allclose(linear.mac(a + b), linear.mac(a) + linear.mac(b), rtol=0, atol=1e-15)
    assert np.abs(sinh.mac(a + b) - sinh.mac(a) - sinh.mac(b)).max() > 1e-4 * np.abs(sinh.mac(a + b)).max()


@pytest.mark.parametrize("input_mode", ["pulse width", "amplitude"])
def test_sinh_cells_of_a_large_v_0_are_linear_cells(input_mode: InputMode) -> None:
    """They differ by (V_read / V_0)^2 / 6 at most."""
    linear = array_of("linear", config(input_mode)).mac(VALUES)
    for v_0 in (5.0, 50.0, 500.0):
        off = np.abs(array_of("sinh", config(input_mode), v_0=v_0).mac(VALUES) - linear).max()
        assert off < (0.2 / v_0) ** 2 / 6 * np.abs(CELLS[0::2]).sum(axis=0).max() * 0.2 * 60e-9 / 5e-12
    np.testing.assert_allclose(off, 0.0, atol=1e-7)


def test_amplitudes_are_the_arrays_own_currents_over_the_capacitor() -> None:
    """Weights and inputs of one sign, so that the second order of the lift counts: a term in the cube of the result."""
    cells, values, settings = CELLS.copy(), np.abs(VALUES), config("amplitude")
    cells[1::2] = 1e-6
    wires = (1.0, 20.0, 100.0, 100.0)
    voltages = np.repeat(values * settings.adc.v_read, 2, axis=1) * np.tile([1.0, -1.0], INPUTS)
    odd = odd_power_coefficients(cells, *wires, v_0=V_0, v_g=settings.device.v_read, v_read=settings.adc.v_read)
    expected = odd_power_currents(voltages, odd) * input_pulse(settings) / settings.adc.c_fb
    array = program_array(cells, settings, wires, law="sinh", v_0=V_0, amplifier=False)
    found = array.mac(values)
    assert array.odd_powers is not None
    cube = np.abs(array.odd_powers.bit_lines[2] * expected**3).max()
    # Both lines of a pair are taken for one place along their bit lines.
    assert np.abs(found - expected).max() < 0.2 * cube and cube > 1e-3 * np.abs(expected).max()


@pytest.mark.parametrize("v_read", [0.15, 0.2, 0.25])
def test_without_wires_widths_multiply_exactly_and_amplitudes_by_the_law(v_read: float) -> None:
    width, amplitude = config("pulse width", v_read=v_read), config("amplitude", v_read=v_read)
    scale = v_read * input_pulse(width) / width.adc.c_fb
    at_v_read = secant_factor(np.full(1, v_read), V_0, 0.2)
    linear = scale * VALUES @ (CELLS[0::2] - CELLS[1::2])
    np.testing.assert_allclose(
        array_of("sinh", width, NONE, amplifier=False).mac(VALUES), linear * at_v_read, rtol=0, atol=1e-14
    )
    by_law = scale * (VALUES * secant_factor(VALUES * v_read, V_0, 0.2)) @ (CELLS[0::2] - CELLS[1::2])
    found = array_of("sinh", amplitude, NONE, amplifier=False).mac(VALUES)
    # The seventh power of a sinh is (V_read / V_0)^6 / 5040: 8e-6 of the current at 0.25 V.
    np.testing.assert_allclose(found, by_law, rtol=0, atol=1e-5 * scale * CELLS[0::2].sum(axis=0).max())
    assert np.abs(found - linear * at_v_read).max() > 1e-3 * np.abs(linear).max()


def test_what_a_cell_brings_alone() -> None:
    """Without wires G V_read T / C_fb; with them less, at most by all resistances that the current passes."""
    settings = config()
    scale = settings.adc.v_read * input_pulse(settings) / settings.adc.c_fb
    bare = array_of("linear", settings, NONE, amplifier=False).cell_results
    np.testing.assert_allclose(bare, CELLS * scale, rtol=1e-13)
    wired = array_of("linear", settings).cell_results
    assert ((wired < bare) & (wired > 0.6 * bare)).all()


def test_a_result_in_another_unit() -> None:
    for law, input_mode in FORMS:
        volts = array_of(law, config(input_mode))
        scaled = program_array(CELLS, config(input_mode), WIRES, law=law, v_0=V_0, amplifier=True, unit=0.125)
        np.testing.assert_allclose(scaled.mac(VALUES), volts.mac(VALUES) / 0.125, rtol=1e-12, atol=1e-15)
        np.testing.assert_allclose(scaled.cell_results, volts.cell_results / 0.125, rtol=1e-12)


@pytest.mark.parametrize("v_read", [0.15, 0.2, 0.25])
def test_a_sinh_cell_of_the_ramp_is_a_linear_one_of_its_secant(v_read: float) -> None:
    """The current I = G phi(V_read - I / (w_u C)) is found by bisection; an edge brings less than half."""
    adc = RampAdcConfig(v_read=v_read, amplifier_gbw=2e8)
    cells, given = np.array([1e-6, 40e-6, 150e-6]), 2 * math.pi * adc.amplifier_gbw * adc.c_fb
    linear = column_conductances(cells, adc, V_0, 0.2)
    for cell, found in zip(cells, linear, strict=True):
        low, high = 0.0, 1e-3
        for _ in range(80):
            current = (low + high) / 2
            wanted = cell * 0.2 * np.sinh((v_read - current / given) / V_0) / np.sinh(0.2 / V_0)
            low, high = (current, high) if wanted > current else (low, current)
        # With the edges, whose 0.1 ns bring 1 to 3 % less than half of the current each, of 10 ns.
        edge = 2 * 0.1e-9 * (0.5 - np.tanh(v_read / V_0 / 2) / (v_read / V_0)) / adc.t_pulse
        np.testing.assert_allclose(found, current / (v_read - current / given) * (1 - edge), rtol=1e-9)
    np.testing.assert_allclose(column_conductances(cells, adc, 1e3, 0.2), cells, rtol=1e-7)


@pytest.mark.parametrize("wires", [WIRES, NONE])
def test_what_is_beyond_an_amplifiers_limits_flows_back_through_the_array(wires: tuple[float, ...]) -> None:
    settings = config()
    cells = CELLS.copy()
    cells[0::2, 2], cells[1::2, 2] = 150e-6, 1e-6
    array = program_array(cells, settings, wires, law="linear", v_0=V_0, amplifier=True)  # type: ignore[arg-type]
    x = np.stack((np.ones(INPUTS), VALUES[0] / 4, -np.ones(INPUTS)))
    free = x @ array.matrix
    low, high = array.limits
    np.testing.assert_allclose((low, high), (0.1 - 1.0, 1.8 - 0.1 - 1.0))
    found = array.mac(x)
    np.testing.assert_array_equal(found[1], free[1])
    assert free[0, 2] > high and free[2, 2] < low
    admittance = clamp_matrix(cells, *wires)
    for row in (0, 2):
        beyond = free[row] - np.clip(free[row], low, high)
        np.testing.assert_allclose(found[row], free[row] - admittance @ (beyond / np.diag(admittance)), atol=1e-14)
        if wires == NONE:
            np.testing.assert_allclose(found[row], np.clip(free[row], low, high), atol=1e-14)
        else:  # the others are lifted a little the same way
            others = np.delete(np.arange(OUTPUTS), 2)
            assert (np.sign(found[row] - free[row])[others] == np.sign(free[row, 2])).all()
    single = array.single().mac(x.astype(np.float32))
    np.testing.assert_allclose(single, found, atol=1e-6)
    assert array_of("linear", settings, amplifier=False).limits == (-np.inf, np.inf)


def test_a_bit_line_without_cells_keeps_all_to_itself() -> None:
    cells = CELLS.copy()
    cells[:, 1] = 0.0
    array = program_array(cells, config(), NONE, law="linear", v_0=V_0, amplifier=True)
    np.testing.assert_array_equal(array.passed_on, np.eye(OUTPUTS))
