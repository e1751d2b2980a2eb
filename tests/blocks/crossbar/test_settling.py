"""Settling of bit-line currents against closed forms and a dense state-space solution."""

import numpy as np
import pytest
from numpy.typing import NDArray

from cosim.blocks.crossbar.config import CrossbarConfig
from cosim.blocks.crossbar.inputs import device_of
from cosim.blocks.crossbar.samples import draw_conductances
from cosim.blocks.crossbar.settling import (
    line_delay,
    measure_settling,
    settling_deck,
    settling_times,
    step_time,
)
from cosim.blocks.status import OK
from cosim.seeds import stream
from cosim.spice import Deck, SimulatorPool

Array = NDArray[np.float64]
FRACTIONS = (0.1, 0.01, 0.001)


def found(deck: Deck, pool: SimulatorPool) -> Array:
    """Settling times (fractions, columns) of the deck with halved steps, as a characterisation takes them."""
    (result,) = pool.run([deck.halved()])
    assert result.ok, result.failure
    currents = np.stack([result[name] for name in deck.saves], axis=1)
    return settling_times(result["time"], currents, step_time(deck), FRACTIONS)


def test_one_cell_is_one_time_constant(pool: SimulatorPool) -> None:
    config = CrossbarConfig(
        r_driver="900 ohm",
        r_wire_row="100 ohm",
        r_wire_column=0,
        r_clamp=0,
        c_wire_row="2 fF",
        c_wire_column=0,
        c_cell=0,
    )
    got = found(settling_deck(np.array([[100e-6]]), config), pool)[:, 0]
    tau = 2e-15 / (1 / 1000.0 + 100e-6)  # C over the conductances at the node
    # 1 %: the trapezoidal rule at steps of a tenth of tau, and the edge of a hundredth; seen 0.3 %.
    np.testing.assert_allclose(got, tau * np.log(1 / np.array(FRACTIONS)), rtol=0.01)


def test_an_array_against_its_state_space(pool: SimulatorPool) -> None:
    config = CrossbarConfig(
        r_wire_row=30.0, r_wire_column=50.0, r_driver=200.0, r_clamp=100.0, c_wire_row="3 fF", c_wire_column="2 fF",
        c_cell="1 fF",
    )  # fmt: skip
    cells = np.random.default_rng(1).uniform(5e-6, 150e-6, (5, 4))
    deck = settling_deck(cells, config)
    start = step_time(deck)
    grid = np.linspace(0, float(deck.analyses[0].split()[2]) - start, 20001)
    expected = settling_times(grid, step_response(cells, config, grid), 0.0, FRACTIONS)
    got = found(deck, pool)
    # Seen 0.3 %: the edge of the step and the time step. Asked of a characterisation: 2 %.
    np.testing.assert_allclose(got, expected, rtol=0.01)


def test_small_arrays_settle_though_the_step_couples_through_their_cells(pool: SimulatorPool) -> None:
    # A quarter of 8 x 8: the spike by the cells' capacitance is some 25 times the final current and outlasts the
    # window that larger arrays need. The same arrays by the state space, watched for as long as it takes.
    config = CrossbarConfig(rows=8, columns=8)
    data = measure_settling(config, (0.25, 0.5), FRACTIONS, 1, pool)
    assert data.status.tolist() == [OK, OK]
    assert len(data.keys) == 6  # two arrays and their halved steps, the smaller one once more for longer
    device = device_of(config)
    for size, sequence in enumerate(stream(1, "crossbar: settling").spawn(2)):
        shape = (2, 2) if size == 0 else (4, 4)
        cells = draw_conductances("uniform", *shape, device, np.random.default_rng(sequence))
        grid = np.linspace(0, 40 * line_delay(*shape, config), 40001)
        expected = settling_times(grid, step_response(cells, config, grid), 0.0, FRACTIONS).max(axis=1)
        # The edge and the time step, as below; 2 % is asked of a characterisation.
        np.testing.assert_allclose(data.variables["settling_time"][1][size], expected, rtol=0.02)


def step_response(cells: Array, config: CrossbarConfig, times: Array) -> Array:
    """Currents into the clamps (times, columns) after a step of one at all drivers: C dv/dt = -G v + b, by modes."""
    rows, columns = cells.shape
    n = rows * columns
    word, bit = np.arange(n).reshape(rows, columns), n + np.arange(n).reshape(rows, columns)
    g, c = np.zeros((2 * n, 2 * n)), np.zeros((2 * n, 2 * n))

    def between(matrix: Array, a: int, b: int, value: float) -> None:
        matrix[[a, b], [a, b]] += value
        matrix[[a, b], [b, a]] -= value

    drive = np.zeros(2 * n)
    for i in range(rows):
        for j in range(columns):
            between(g, word[i, j], bit[i, j], cells[i, j])
            between(c, word[i, j], bit[i, j], config.c_cell)
            c[word[i, j], word[i, j]] += config.c_wire_row
            c[bit[i, j], bit[i, j]] += config.c_wire_column
            if j:
                between(g, word[i, j - 1], word[i, j], 1 / config.r_wire_row)
            if i:
                between(g, bit[i - 1, j], bit[i, j], 1 / config.r_wire_column)
        driver = 1 / (config.r_driver + config.r_wire_row)
        g[word[i, 0], word[i, 0]] += driver
        drive[word[i, 0]] = driver
    clamp = 1 / (config.r_clamp + config.r_wire_column)
    g[bit[-1], bit[-1]] += clamp
    # Symmetric modes: with C = L L^T, L^-1 G L^-T has the rates as eigenvalues.
    lower = np.linalg.inv(np.linalg.cholesky(c))
    rates, modes = np.linalg.eigh(lower @ g @ lower.T)
    weight = modes.T @ (lower @ drive) / rates
    at_clamp = (lower.T @ modes)[bit[-1]]
    return np.asarray(clamp * ((1 - np.exp(-np.outer(times, rates))) * weight) @ at_clamp.T)


def test_the_line_delay_is_the_first_moment_of_a_ladder() -> None:
    # Of an unloaded RC ladder the Elmore delay to its end is sum_k R_k (capacitance behind k), here summed bluntly.
    config = CrossbarConfig(
        r_driver=70.0, r_wire_row=3.0, r_wire_column=0, r_clamp=0, c_wire_row="2 fF", c_wire_column=0, c_cell="1 fF"
    )
    n, c = 7, 3e-15
    expected = 70.0 * n * c + sum(3.0 * c * (n - k) for k in range(n))
    assert line_delay(9, n, config) == pytest.approx(expected, rel=1e-12)


def test_settling_read_off_a_waveform() -> None:
    time = np.linspace(0.0, 10.0, 2001)
    wave = 1 - np.exp(-np.maximum(time - 1.0, 0.0))
    overshoot = 1 + 0.3 * np.exp(-np.maximum(time - 1.0, 0.0))
    ramp, none = time, np.zeros_like(time)
    got = settling_times(time, np.stack([wave, overshoot, ramp, none], axis=1), 1.0, (0.1, 0.01))
    np.testing.assert_allclose(got[:, 0], np.log([10, 100]), atol=0.02)  # the end itself is off by exp(-9)
    np.testing.assert_allclose(got[:, 1], np.log([3, 30]), atol=0.02)  # from above, too
    assert np.isnan(got[:, 2]).all() and np.isnan(got[:, 3]).all()  # still moving; no current at all
    assert settling_times(time, np.ones((2001, 1)), 1.0, (0.1,))[0, 0] == 0.0


@pytest.mark.parametrize("cell", ["1R", "1T1R"])
def test_larger_arrays_settle_later_and_halved_steps_agree(cell: str, pool: SimulatorPool) -> None:
    config = CrossbarConfig(rows=12, columns=12, cell=cell)
    data = measure_settling(config, (0.25, 1.0), FRACTIONS, 1, pool)
    times = data.variables["settling_time"][1]
    assert (data.status == OK).all()
    assert (np.diff(times, axis=0) > 0).all() and (np.diff(times, axis=1) > 0).all()
    change, _ = data.steps["settling_time"]
    assert 0 < change < 0.02 * times.max()


def test_without_capacitances_the_current_follows_the_edge(pool: SimulatorPool) -> None:
    config = CrossbarConfig(c_wire_row=0, c_wire_column=0, c_cell=0)
    deck = settling_deck(np.full((3, 2), 50e-6), config)
    assert found(deck, pool).max() < 1e-14  # half an edge of a hundredth of 0.1 ps
