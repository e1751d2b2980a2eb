"""The circuit: timing and charges by hand, the ramp in ngspice against its closed form, comparators and counters."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from cosim.blocks.ramp_adc.chips import nominal_chip
from cosim.blocks.ramp_adc.column import column_lines, fixed_ramp_lines, timeline
from cosim.blocks.ramp_adc.config import RampAdcConfig
from cosim.blocks.ramp_adc.design import column_levels, design_column, effective_conductance
from cosim.blocks.ramp_adc.measurement import fixed_levels
from cosim.blocks.ramp_adc.netlist import (
    clock_lines,
    comparator_lines,
    conversion_deck,
    lane_inputs,
    probes,
    rounded_code,
)
from cosim.blocks.ramp_adc.timing import EDGE, pulse, pwl
from cosim.errors import CosimError
from cosim.resources import read_netlist
from cosim.spice import Deck, Result, SimulatorPool

Array = NDArray[np.float64]


def value_at(points: list[tuple[float, float]], time: float) -> float:
    times, values = zip(*points, strict=True)
    return float(np.interp(time, times, values))


def pwl_points(line: str) -> tuple[Array, Array]:
    """Times [s] and values of a netlist line's piecewise linear source."""
    numbers = np.array(line[line.index("pwl(") + 4 : -1].split(), dtype=np.float64)
    return numbers[::2], numbers[1::2]


def area(line: str, level: float) -> float:
    times, values = pwl_points(line)
    return float(np.trapezoid(values - level, times))


def good(result: Result) -> Result:
    assert result.failure is None, (result.failure, result.log[-2000:])
    return result


def test_the_timeline() -> None:
    config = RampAdcConfig(bits=3)
    times = timeline(config, 4)
    assert [times.bias_start(cell) for cell in range(4)] == pytest.approx(
        [20e-9, 40e-9, 60e-9, 80e-9], rel=1e-12, abs=0
    )
    # Reset, four bias cells, one period to settle: the first level is read at the end of the sixth.
    np.testing.assert_allclose(times.edges, 20e-9 * np.arange(6, 13))
    np.testing.assert_allclose(times.edges - times.samples, 2 * EDGE)
    assert times.end > times.edges[-1]


def test_a_clock_that_is_too_short_is_refused() -> None:
    with pytest.raises(CosimError, match=r"key 't_clock': value '10\.5 ns'.*at least 11 ns with t_pulse = 10 ns"):
        timeline(RampAdcConfig(t_clock=10.5e-9), 5)
    timeline(RampAdcConfig(t_clock=11e-9), 5)


def test_pulses_have_the_stated_area() -> None:
    assert area(pwl(pulse(3e-9, 7e-9, 0.25, 0.75)), 0.25) == pytest.approx(0.5 * 7e-9, rel=1e-12, abs=0)
    assert area(pwl(pulse(3e-9, 7e-9, 1.0, 0.8)), 1.0) == pytest.approx(-0.2 * 7e-9, rel=1e-12, abs=0)


def test_row_pulses_and_word_lines_of_the_column() -> None:
    config = RampAdcConfig(bits=3)
    design = design_column(config)
    times = timeline(config, len(design.bias))
    lines = column_lines(config, design.ramp, design.bias, design.bias_sign)
    rows = [line for line in lines if line.startswith(("Vr", "Vb")) and "pwl" in line]
    words = [line for line in lines if line.startswith("Vw")]
    assert len(rows) == len(words) == 6 + len(design.bias)
    for number, (row, word) in enumerate(zip(rows, words, strict=True)):
        sign = 1 if row.startswith("Vb") else -1  # bias cells pull the ramp down: a row above V_CLP
        assert area(row, 1.0) == pytest.approx(sign * 0.2 * 10e-9, rel=1e-9, abs=0)
        at, on = pwl_points(word)
        driven, _ = pwl_points(row)
        start = times.t_clock * (1 + number) + (times.t_clock if number >= len(design.bias) else 0.0)
        assert at[1] == pytest.approx(start, rel=1e-12, abs=0) and on[2] == on[3] == on.max()
        assert at[2] <= driven[1] * (1 + 1e-9) and driven[-1] < at[3]  # the cell is open around its whole pulse
        sample = times.samples[max(number - len(design.bias) + 1, 0)]
        assert at[-1] < sample or number < len(design.bias)  # and closed again when the comparators are read
    resistors = [line.split() for line in lines if line.startswith("R")]
    through = 1 / (np.array([float(each[-1]) for each in resistors]) + 1e3)  # memristor and access device in series
    np.testing.assert_allclose(through, np.concatenate([design.bias, design.ramp]), rtol=1e-11)


def test_a_cell_that_conducts_nothing_stays_in_the_netlist() -> None:
    config = RampAdcConfig(bits=3)
    lines = column_lines(config, np.array([0.0, *[5e-5] * 5]), np.array([1e-4]), -1)
    assert "Rr0 r0 mr0 1e+12" in lines


@pytest.mark.parametrize("lanes", [1, 3, 4, 7, 31])
def test_each_lane_shows_each_of_its_inputs_in_time(lanes: int) -> None:
    times = timeline(RampAdcConfig(), 5)
    values = np.random.default_rng(1).uniform(0.5, 1.5, 31)
    inputs = lane_inputs(values, times, lanes)
    assert len(inputs) == lanes
    for k in range(31):
        mine = inputs[k % lanes]
        since = times.edges[k] - lanes * times.t_clock + 1.1 * EDGE
        for at in (max(since, 0.0), times.samples[k], times.edges[k]):
            assert value_at(mine, at) == pytest.approx(values[k], abs=1e-12)
    for points in inputs:
        at = [time for time, _ in points]
        assert at == sorted(set(at))


def test_clock_pulses_are_one_count_each() -> None:
    times = timeline(RampAdcConfig(bits=3), 4)
    line = clock_lines(times, RampAdcConfig(bits=3))[0]
    assert area(line, 0.0) == pytest.approx(7 * 3 * EDGE, rel=1e-9, abs=0)
    at, high = pwl_points(line)
    np.testing.assert_allclose(np.interp(times.samples, at, high), 1.0)


def test_rounded_codes() -> None:
    assert rounded_code(3.0, 7.0, 7) == (3, pytest.approx(0.0))
    code, distance = rounded_code(3.12 * 1.001, 7 * 1.001, 7)
    assert code == 3 and distance == pytest.approx(0.12)
    assert rounded_code(0.0, 31.0, 31)[0] == 0 and rounded_code(31.0, 31.0, 31)[0] == 31


def test_the_fixed_ramp_has_the_span_of_the_column() -> None:
    config = RampAdcConfig(bits=3, ramp="fixed", v_read=0.25)
    design = design_column(config)
    levels = fixed_levels(config, design)
    at_nominal = column_levels(design.ramp, design.bias, -1, RampAdcConfig(bits=3))
    np.testing.assert_allclose(levels[[0, -1]], at_nominal[[0, -1]], rtol=1e-12)
    np.testing.assert_allclose(np.diff(levels), np.ptp(at_nominal) / 6, rtol=1e-9)
    times = timeline(config, 1)
    at, ramp = pwl_points(fixed_ramp_lines(config, levels)[0])
    np.testing.assert_allclose(np.interp(times.samples, at, ramp), 1.0 + levels, atol=1e-8)  # 9 digits
    assert (np.diff(at) > 0).all()


def ramp_deck(config: RampAdcConfig, *, saves: tuple[str, ...] = (), every_point: bool = False) -> tuple[Deck, Array]:
    """The column alone, without comparators; its levels above V_CLP by the closed form [V]."""
    design = design_column(config)
    times = timeline(config, len(design.bias))
    lines = column_lines(config, design.ramp, design.bias, design.bias_sign)
    deck = conversion_deck("ramp", config, lines, times, [], [], 0, extra_saves=saves, every_point=every_point)
    return deck, column_levels(design.ramp, design.bias, design.bias_sign, config)


def levels_of(result: Result) -> Array:
    return good(result)["v(ramp)"][:-1] - 1.0


# Seen: 91 uV and 11 uV. The closed form leaves out the finite gain: an integrator at 0.28 V loses charge through the
# open cell, 0.28 V / gain at a time. What is left at a gain of 1e7 is the simulator's: after each corner of a source it
# takes one step by the backward Euler rule, 4e-5 of the swing in all.
@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({}, 100e-6),
        ({"amplifier_gain": 1e7, "amplifier_gbw": 1e11}, 15e-6),
        ({"amplifier_gain": 1e7}, 15e-6),
        ({"bits": 3}, 40e-6),
        ({"amplifier_gain": 1e7, "amplifier_gbw": 1e8, "t_clock": 60e-9}, 15e-6),
        ({"amplifier_gain": 1e7, "function": "tanh", "v_read": 0.1}, 15e-6),
    ],
)
def test_the_ramp_follows_its_closed_form(pool: SimulatorPool, changes: dict[str, float], error: float) -> None:
    deck, expected = ramp_deck(RampAdcConfig(**changes))
    np.testing.assert_allclose(levels_of(pool.run([deck])[0]), expected, atol=error)


def test_the_read_voltage_cancels(pool: SimulatorPool) -> None:
    """The whole circuit is linear in V_read: levels in units of the MAC result do not move at all."""
    decks = [ramp_deck(RampAdcConfig(v_read=v))[0] for v in (0.15, 0.20, 0.25)]
    low, nominal, high = (levels_of(result) / v for result, v in zip(pool.run(decks), (0.15, 0.20, 0.25), strict=True))
    for other in (low, high):
        np.testing.assert_allclose(other, nominal, atol=1e-6 * np.ptp(nominal))


def test_charges_balance(pool: SimulatorPool) -> None:
    config = RampAdcConfig(amplifier_gain=1e7)
    deck, levels = ramp_deck(config, saves=("i(vsense)",), every_point=True)
    result = good(pool.run([deck])[0])
    time, current = result["time"], result["i(vsense)"]
    flown = np.concatenate([[0.0], np.cumsum(np.diff(time) * (current[1:] + current[:-1]) / 2)])
    design = design_column(config)
    times = timeline(config, len(design.bias))
    charge = -np.interp(times.samples, time, flown)
    # Charge through the column = C_fb times the level; the swing is V_read T sum(G_eff).
    np.testing.assert_allclose(charge, config.c_fb * levels, atol=1e-6 * config.c_fb * np.ptp(levels))
    swing = config.v_read * config.t_pulse * effective_conductance(design.ramp, config).sum()
    assert charge[-1] - charge[0] == pytest.approx(swing, rel=1e-6, abs=0)
    # Energy: what the cells dissipate is that charge, up and down, through V_read.
    through = swing + abs(charge[0])
    assert result["v(eread)"][-1] * 1e-12 == pytest.approx(config.v_read * through, rel=2e-3, abs=0)


@pytest.mark.parametrize("gain", [1e3, 1e2])
def test_idle_cells_load_the_virtual_ground(gain: float, pool: SimulatorPool) -> None:
    """With all word lines on the charge leaks through the column, in A C_fb / sum G; switched off in time, it does not.

    A column that starts at V_CLP, a fast amplifier; while a cell is read the level goes towards V_read G_j A / sum G.
    """
    common = {"amplifier_gain": gain, "amplifier_gbw": 1e11, "t_clock": 11e-9}
    decks = []
    for idle in ("off", "on"):
        config = RampAdcConfig(idle_word_lines=idle, **common)  # type: ignore[arg-type]
        cells, times = design_column(config).ramp, timeline(config, 0)
        lines = column_lines(config, cells, np.zeros(0), 1)
        decks.append(conversion_deck("leak", config, lines, times, [], [], 0))
    off, on = (levels_of(result) for result in pool.run(decks))
    rate = cells.sum() / ((1 + gain) * config.c_fb)
    leaking, level = [0.0], 0.0
    for cell in cells:
        final = config.v_read * cell * gain / cells.sum()
        level = (final + (level - final) * np.exp(-rate * 10e-9)) * np.exp(-rate * 1e-9)
        leaking.append(level)
    # The closed form has neither edges nor the bit line's capacitance: a hundredth of what leaks.
    missing = column_levels(cells, np.zeros(0), 1, config)[-1] - leaking[-1]
    np.testing.assert_allclose(on, leaking, atol=0.02 * missing + 50e-6)
    ideal = column_levels(cells, np.zeros(0), 1, config)
    assert np.abs(off - ideal).max() < 0.08 * np.abs(on - ideal).max()


def test_word_lines_are_off_when_the_comparators_are_read() -> None:
    config = RampAdcConfig()
    design = design_column(config)
    lines = column_lines(config, design.ramp, design.bias, design.bias_sign)
    words = [pwl_points(line) for line in lines if line.startswith("Vw")]
    assert len(words) == len(design.ramp) + len(design.bias)
    for sample in timeline(config, len(design.bias)).samples:
        assert all(np.interp(sample, at, on_off) == 0.0 for at, on_off in words)


def test_a_cell_that_is_not_read_keeps_its_row_and_word_line_still() -> None:
    config = RampAdcConfig(bits=3)
    lines = column_lines(config, np.full(6, 1e-4), np.full(3, 1e-4), np.array([-1, 0, 1]))
    row = {n: next(line for line in lines if line.startswith(f"Vb{n} ")) for n in range(3)}
    assert row[1] == "Vb1 b1 0 1" and "Vwb1 wb1 0 0" in lines
    assert max(pwl_points(row[0])[1]) == pytest.approx(1.2) and min(pwl_points(row[2])[1]) == pytest.approx(0.8)


def test_pulses_of_graded_width_have_their_share_of_the_area() -> None:
    config = RampAdcConfig(bits=3)
    shares = np.array([1.0, 0.5, 0.25, 0.125, 0.5, 1.0])
    lines = column_lines(config, np.full(6, 1e-4), np.full(3, 1e-4), -1, pulses=shares)
    for n, share in enumerate(shares):
        line = next(line for line in lines if line.startswith(f"Vr{n} "))
        assert area(line, 1.0) == pytest.approx(-0.2 * 10e-9 * share, rel=1e-6, abs=0)


@pytest.mark.parametrize(("bits", "codes"), [(3, range(8)), (5, (0, 1, 5, 13, 18, 24, 30, 31))])
def test_counters_give_the_codes_of_held_inputs(pool: SimulatorPool, bits: int, codes: tuple[int, ...]) -> None:
    """Eight inputs at the centres of codes, each with its comparator and counter, in one conversion."""
    config = RampAdcConfig(bits=bits)
    chip = nominal_chip(config, columns=8)
    levels = column_levels(chip.ramp, chip.bias, chip.bias_sign, config)
    edges = np.concatenate([[levels[0] - 0.03], levels, [levels[-1] + 0.03]])
    inputs = config.v_clp + (edges[:-1] + edges[1:])[list(codes)] / 2
    times = timeline(config, len(chip.bias))
    sources = [f"Vm{n} m{n} 0 {value:.9g}" for n, value in enumerate(inputs)]
    comparators = []
    for n in range(8):
        comparators += comparator_lines(n, f"m{n}", chip.names, chip.mismatch[n], config)
    ramp = column_lines(config, chip.ramp, chip.bias, chip.bias_sign)
    result = good(pool.run([conversion_deck("codes", config, ramp, times, sources, comparators, 8)])[0])
    reference = float(result["v(nref)"][-1])
    assert reference == pytest.approx(config.thresholds, rel=1e-6)
    for n, code in enumerate(codes):
        found, distance = rounded_code(float(result[f"v(n{n})"][-1]), reference, config.thresholds)
        assert found == code and distance < 0.02
    # The comparators' outputs say the same, clock by clock: high until the ramp has passed.
    for n, code in enumerate(codes):
        high = result[f"v(d{n})"][:-1] > config.v_dd / 2
        assert high.sum() == code and high[:code].all()


def test_supply_energy_counts_comparators_and_bias(pool: SimulatorPool) -> None:
    """The bias generator has a supply of its own; the comparators' energy is the same again for each of them."""
    config = RampAdcConfig(bits=3)
    chip = nominal_chip(config, columns=4)
    times = timeline(config, len(chip.bias))
    ramp = column_lines(config, chip.ramp, chip.bias, chip.bias_sign)
    energies = []
    for count in (0, 1, 4):
        comparators = []
        for n in range(count):
            comparators += comparator_lines(n, "m", chip.names, chip.mismatch[n], config)
        deck = conversion_deck("energy", config, ramp, times, ["Vm m 0 1"], comparators, count)
        result = good(pool.run([deck])[0])
        energies.append(result["v(evdd)"][-1] * 1e-12)
        # What the reference current takes, and nothing else, whatever the comparators do.
        bias = config.v_dd * config.i_bias * times.end
        assert result["v(ebias)"][-1] * 1e-12 == pytest.approx(bias, rel=1e-3, abs=0)
    assert energies[0] == 0.0
    # At time zero all nodes start at ground, and the reference current takes longer to charge more mirror gates.
    assert energies[2] == pytest.approx(4 * energies[1], rel=0.02, abs=0)
    # The tail carries twice the reference current; the second stage once, or nothing while its output is low.
    assert 1.9 * bias < energies[1] < 3.1 * bias


def test_probes_are_read_from_the_netlist(tmp_path: Path) -> None:
    assert probes(RampAdcConfig()) == ("o1", "o2")
    text = read_netlist("comparator_two_stage")
    (tmp_path / "mine.cir").write_text("\n".join(x for x in text.splitlines() if not x.startswith("* probes")) + "\n")
    assert probes(RampAdcConfig(comparator=str(tmp_path / "mine.cir"))) == ()
    for name in (str(tmp_path / "nowhere.cir"), "comparator_two_stag"):
        with pytest.raises(CosimError, match="comparator"):
            probes(RampAdcConfig(comparator=name))
