"""Energy of a tile's operation: closed forms, and ngspice's integrals of the supply currents."""

from dataclasses import replace

import numpy as np
import pytest

from cosim.blocks.macro.config import MacroConfig
from cosim.blocks.ramp_adc.chips import nominal_chip
from cosim.blocks.ramp_adc.config import RampAdcConfig
from cosim.blocks.recipes import shipped_model
from cosim.costs.comparators import comparator_power, measure
from cosim.costs.constants import constant
from cosim.costs.operation import (
    PARTS,
    TileCircuit,
    array_dissipation,
    circuit_of_tile,
    column_energy,
    comparator_energy,
    mac_voltages,
    operation_energy,
    output_charges,
    row_charges,
    seen_by_columns,
    seen_by_rows,
)
from cosim.costs.supply import compare, measure_driver
from cosim.costs.timing import ramp_times, sar_times
from cosim.spice import SimulatorPool
from cosim.tiles.config import TileConfig

RNG = np.random.default_rng(1)
CELLS = RNG.uniform(1e-6, 150e-6, (8, 3))
CODES = RNG.integers(-15, 16, (20, 4))
CIRCUIT = TileCircuit(RampAdcConfig(), 5, 30e-9, True, (0.0, 0.0, 0.0, 0.0), 0.0)


def circuit(**changes: object) -> TileCircuit:
    return replace(CIRCUIT, **changes)  # type: ignore[arg-type]


def at(**settings: object) -> TileCircuit:
    return circuit(adc=RampAdcConfig(**settings))


def test_the_array_dissipates_v_squared_g_t() -> None:
    """Summed cell by cell, in plain loops."""
    told = array_dissipation(CELLS, CODES, CIRCUIT)
    for vector, codes in enumerate(CODES):
        energy = 0.0
        for number, code in enumerate(codes):
            for line in (2 * number, 2 * number + 1):
                for column in range(3):
                    energy += 0.2**2 * CELLS[line, column] * 30e-9 * abs(code) / 15
        assert told[vector] == pytest.approx(energy, rel=1e-12)


def test_it_scales_with_the_square_of_v_read_with_time_and_with_conductance() -> None:
    base = array_dissipation(CELLS, CODES, CIRCUIT)
    np.testing.assert_allclose(array_dissipation(CELLS, CODES, at(v_read=0.1)), base / 4, rtol=1e-14)
    np.testing.assert_allclose(array_dissipation(CELLS, CODES, circuit(pulse=90e-9)), 3 * base, rtol=1e-14)
    np.testing.assert_allclose(array_dissipation(2 * CELLS, CODES, CIRCUIT), 2 * base, rtol=1e-14)
    # Of amplitudes the square counts: at full scale all the same, at a third of it a third of the width's.
    full, third = np.full((1, 4), 15), np.full((1, 4), 5)
    by_height = circuit(by_width=False)
    np.testing.assert_allclose(
        array_dissipation(CELLS, full, by_height), array_dissipation(CELLS, full, CIRCUIT), rtol=1e-14
    )
    np.testing.assert_allclose(
        array_dissipation(CELLS, third, by_height), array_dissipation(CELLS, third, CIRCUIT) / 3, rtol=1e-14
    )


def test_charge_is_kept() -> None:
    """What the lines above V_CLP deliver, less what those below take, is what the bit lines carry net."""
    small = circuit(pulse=5e-9)  # no output comes to its limits
    net = row_charges(CELLS, CODES, small) - row_charges(CELLS, -CODES, small)  # -n swaps the lines above and below
    drawn, pushed = (output_charges(CELLS, sign * CODES, small) for sign in (1, -1))
    np.testing.assert_allclose(net, (pushed - drawn).sum(axis=1), rtol=1e-11, atol=1e-25)
    mac = mac_voltages(CELLS, CODES, small)
    assert -0.89 < mac.min() < mac.max() < 0.69
    np.testing.assert_allclose((drawn - pushed) / small.adc.c_fb, mac, rtol=1e-11, atol=1e-15)


def test_an_output_at_its_limit_delivers_no_more() -> None:
    cells, codes = np.array([[150e-6], [1e-6]]), np.array([[15]])
    limit = RampAdcConfig().c_fb * (1.8 - 0.1 - 1.0)
    long = circuit(pulse=1e-6)  # would rise by 6 V
    assert output_charges(cells, codes, long)[0, 0] == pytest.approx(limit, rel=1e-12)
    assert output_charges(cells, codes, replace(long, by_width=False))[0, 0] == pytest.approx(limit, rel=1e-12)


def test_delivered_charge_of_pulses_of_two_lengths() -> None:
    """Two inputs of opposite sign: the longer one's charge after the shorter one's end, by hand."""
    cells = np.array([[100e-6], [1e-6], [60e-6], [1e-6]])
    codes = np.array([[5, -15]])  # draws 99 uS for 5 steps, pushes 59 uS for 15
    step = 0.2 * 30e-9 / 15
    assert output_charges(cells, codes, CIRCUIT)[0, 0] == pytest.approx(step * 5 * (99e-6 - 59e-6), rel=1e-12)
    assert output_charges(cells, -codes, CIRCUIT)[0, 0] == pytest.approx(step * 10 * 59e-6, rel=1e-12)


def test_one_line_an_input_and_lines_at_rest() -> None:
    """A pair's second line moved to an array of its own leaves the first one's charge; idle lines draw nothing."""
    single = circuit(lines=1)
    assert row_charges(CELLS[0::2], CODES, single) + row_charges(CELLS[1::2], -CODES, single) == pytest.approx(
        row_charges(CELLS, CODES, CIRCUIT), rel=1e-12
    )
    padded = np.concatenate([np.full((4, 3), 1e-6), CELLS])
    idle = circuit(idle=4)
    np.testing.assert_allclose(row_charges(padded, CODES, idle), row_charges(CELLS, CODES, CIRCUIT), rtol=1e-13)
    wide = np.concatenate([CELLS, np.full((8, 2), 1e-6)], axis=1)
    assert output_charges(wide, CODES, circuit(bit_lines=3)).shape == (20, 3)


def test_without_resistance_nothing_is_lost_and_with_it_less_flows() -> None:
    np.testing.assert_array_equal(seen_by_rows(CELLS, CIRCUIT), CELLS)
    np.testing.assert_array_equal(seen_by_columns(CELLS, CIRCUIT), CELLS)
    real = circuit(resistances=(1.0, 1.0, 100.0, 10.0), ground=30.0)
    assert (seen_by_columns(CELLS, real) < seen_by_rows(CELLS, real)).all()
    assert (seen_by_rows(CELLS, real) < CELLS).all()
    # One cell alone: series resistances of its line and driver.
    alone = seen_by_rows(np.array([[1e-4]]), real)
    assert alone[0, 0] == pytest.approx(1.0 / (1e4 + 101.0), rel=1e-12)


def test_the_ramp_column_in_closed_form() -> None:
    adc = RampAdcConfig()
    chip = nominal_chip(adc)
    told = column_energy(adc, chip)
    # From the voltages it makes: each step dV of the ramp is a charge C_fb dV out of the output.
    levels = chip.levels(adc)
    assert told.output == pytest.approx(adc.v_dd * adc.c_fb * float(levels[-1] - levels[0]), rel=1e-12)
    lines = (len(chip.ramp) + len(chip.bias)) * adc.c_line * (adc.v_read + 1.8) * adc.v_dd
    assert told.drivers == pytest.approx(lines + adc.v_dd * adc.c_fb * -float(levels[0]), rel=1e-12)
    # V_read and C_fb: the cells' dissipation is V_read times all charge.
    assert told.dissipated == pytest.approx(adc.v_read * adc.c_fb * float(levels[-1] - 2 * levels[0]), rel=1e-12)


def test_parts_of_an_operation_add_up() -> None:
    config = TileConfig(inputs=4, outputs=3)
    made, adc = circuit_of_tile(config), config.adc
    chip, power = nominal_chip(adc), comparator_power(adc)
    times = ramp_times(adc, len(chip.bias), made.pulse)
    told = operation_energy(CELLS, CODES, made, chip, power, times)
    assert set(told) == {*PARTS, "array_dissipation"}
    assert all(values.shape == (20,) and (values > 0).all() for name, values in told.items())
    # Without inputs: no row, and the comparators see V_CLP.
    idle = operation_energy(CELLS, np.zeros((1, 4), dtype=np.int64), made, chip, power, times)
    assert idle["row_energy"][0] == idle["array_dissipation"][0] == 0.0
    assert idle["integrator_energy"][0] == pytest.approx(column_energy(adc, chip).output, rel=1e-12)


def test_a_comparator_lies_between_its_two_powers() -> None:
    adc = RampAdcConfig()
    chip, power = nominal_chip(adc), comparator_power(adc)
    times = ramp_times(adc, len(chip.bias), 30e-9)
    mac = np.linspace(-0.28, 0.28, 57)
    energy = comparator_energy(mac, adc, chip, power, times)
    ends = np.array([np.interp(mac, power.levels, p) for p in (power.before, power.after)]) * times.total
    assert (energy >= ends.min(axis=0) * (1 - 1e-12)).all() and (energy <= ends.max(axis=0) * (1 + 1e-12)).all()
    assert power.energy(0.1, 0.0, 1.0) == pytest.approx(np.interp(0.1, power.levels, power.after), rel=1e-12)


def test_times() -> None:
    adc = RampAdcConfig(bits=4, t_clock=20e-9)
    times = ramp_times(adc, 3, 25e-9)
    assert times.levels == pytest.approx(15 * 20e-9, rel=1e-12)
    assert times.bias == pytest.approx(3 * 20e-9, rel=1e-12)
    assert times.total == pytest.approx(10e-9 + 25e-9 + 10.6e-9 + times.bias + times.levels, rel=1e-12)
    sar = sar_times(25e-9, 6e-9, 8)
    assert sar.levels == pytest.approx(8 * 6e-9, rel=1e-12)
    assert sar.total == pytest.approx(10e-9 + 25e-9 + 10.5e-9 + 48e-9, rel=1e-12)


def test_the_shipped_ramp_adc_tells_the_same_energies() -> None:
    """Its energies are means over chips in ngspice at 63 thresholds. Cells: programming errors, 1 %. Comparators: its
    four look at one threshold after another and so trip over and over, where here each trips once, 8 %."""
    model = shipped_model("ramp_adc")
    adc, chip = model.config, nominal_chip(model.config)
    assert column_energy(adc, chip).dissipated == pytest.approx(model.value("ramp_energy"), rel=0.01)
    levels = chip.levels(adc)
    times = replace(ramp_times(adc, len(chip.bias), 0.0), reset=adc.t_clock, settling=0.0)  # the conversion alone
    mean = comparator_energy((levels[:-1] + levels[1:]) / 2, adc, chip, comparator_power(adc), times).mean()
    assert mean == pytest.approx(model.value("comparator_energy"), rel=0.08)


# In ngspice


def test_the_shipped_powers_are_what_ngspice_says(pool: SimulatorPool) -> None:
    adc = RampAdcConfig()
    shipped, again = comparator_power(adc), measure(adc, pool)
    np.testing.assert_allclose(again.levels, shipped.levels, atol=1e-4)  # kept to five digits
    # Where the comparator works: the ramp's span and what the integrators mostly hold.
    used = np.abs(shipped.levels) < 0.31
    for name in ("before", "after"):
        np.testing.assert_allclose(getattr(again, name)[used], getattr(shipped, name)[used], rtol=1e-3)
    assert again.bias == pytest.approx(shipped.bias, rel=1e-4)


@pytest.mark.slow
def test_another_circuit_is_simulated(pool: SimulatorPool) -> None:
    """Half of the reference current: half of the bias generator's power, near half of the comparators'."""
    own = RampAdcConfig()
    half = comparator_power(own.model_copy(update={"i_bias": own.i_bias / 2}), pool)
    whole = comparator_power(own)
    assert half.bias == pytest.approx(whole.bias / 2, rel=1e-3)
    used = np.abs(whole.levels) < 0.2
    np.testing.assert_allclose(half.after[used], whole.after[used] / 2, rtol=0.1)


def test_a_small_macro_takes_from_the_supply_what_is_told(pool: SimulatorPool) -> None:
    found = compare(MacroConfig(inputs=3, outputs=2, bits=3), pool, vectors=1, chips=0)
    assert np.abs(found.relative_errors()).max() < 0.05
    assert found.latency[0] == pytest.approx(found.latency[1], abs=0.2e-9)  # rounded to whole edges there


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings",
    [
        {"inputs": 16, "outputs": 8},
        {"inputs": 8, "outputs": 4, "driver": "dac_driver"},
        {"inputs": 8, "outputs": 4, "process": "generic65"},
        {"inputs": 8, "outputs": 4, "function": "tanh", "bits": 4, "w_max": 1.0},
        {"inputs": 8, "outputs": 4, "function": "linear", "bits": 6, "v_read": 0.15},
    ],
)
def test_supply_energies_of_whole_macros(settings: dict[str, object], pool: SimulatorPool) -> None:
    """The issue's figure: 5 % of the total; the array's own dissipation and the drivers' charge likewise."""
    config = MacroConfig(**settings)  # type: ignore[arg-type]
    driver = 0.0 if config.driver == "ideal" else constant(f"driver_energy_{config.process}").value
    found = compare(config, pool, vectors=2, chips=1, driver_energy=driver)
    assert np.abs(found.relative_errors()).max() < 0.05
    # Part by part. The last macro's outputs come to their limits: an amplifier then lets its bit line go, and the rows'
    # charge, which leaves that out, is off by 7 %. Else the parts are within 3 %.
    for part in PARTS:
        np.testing.assert_allclose(found.model[part], found.simulated[part], rtol=0.08, err_msg=part)
    if config.driver == "ideal":  # that of transistors has another resistance than the model's
        np.testing.assert_allclose(found.model["array_dissipation"], found.simulated["array_dissipation"], rtol=0.03)


@pytest.mark.slow
@pytest.mark.parametrize("process", ["generic180", "generic65"])
def test_the_drivers_energy_is_what_ngspice_says(process: str, pool: SimulatorPool) -> None:
    assert constant(f"driver_energy_{process}").value == pytest.approx(measure_driver(process, pool), rel=0.01)
