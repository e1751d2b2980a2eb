"""The R-2R ladder against an independent solution of its resistors, and what its switches do to it."""

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from cosim.blocks.dac.characterisation import characterise
from cosim.blocks.dac.chips import Chip, draw_chips, nominal_chip
from cosim.blocks.dac.config import DacConfig
from cosim.blocks.dac.extraction import linearity, signed, static_figures
from cosim.blocks.dac.netlist import noise_deck, resistance_deck, static_deck
from cosim.blocks.waveforms import integrated_noise
from cosim.spice import SimulatorPool

Array = NDArray[np.float64]
K_T = 1.380649e-23 * 300.15  # [J] at 27 deg C


def network(
    config: DacConfig, chip: Chip, side: int, on: float = 0.0, off: float = 0.0, sizes: Sequence[int] | None = None
) -> Array:
    """Line above V_CLP at the sizes (all of them), by the conductance matrix of its nodes; on, off: ohm of a switch."""
    bits = config.bits - 1
    span = config.high - config.v_clp
    levels = []
    for size in range(1 << bits) if sizes is None else sizes:
        matrix, current = np.zeros((bits, bits)), np.zeros(bits)
        for number in range(bits + 1):
            node = max(number - 1, 0)
            is_on = number > 0 and (size >> (number - 1)) & 1
            conductance = 1 / (chip.legs[side, number] + (on if is_on else off))
            matrix[node, node] += conductance
            current[node] += conductance * span * is_on
        for rung in range(bits - 1):
            conductance = 1 / chip.rungs[side, rung]
            matrix[rung : rung + 2, rung : rung + 2] += conductance * np.array([[1, -1], [-1, 1]])
        levels.append(np.linalg.solve(matrix, current)[-1])
    return np.array(levels)


@pytest.mark.parametrize("bits", [3, 5, 8])
def test_ideal_ladder(bits: int, pool: SimulatorPool) -> None:
    """Level = V_READ code / (2^(b-1) - 1), to 1e-6 of a step: rounding, and gmin (1e-14 S) across 20 kohm."""
    config = DacConfig(bits=bits, switch="dac_switch_ideal")
    figures = static_figures(pool.run([static_deck(config, nominal_chip(config), "ideal")])[0], config)
    codes = np.arange(-config.magnitude, config.magnitude + 1)
    np.testing.assert_allclose(figures["output"] / config.lsb, codes, atol=1e-6)
    assert figures["inl_max"] < 1e-6 and figures["dnl_max"] < 1e-6 and figures["monotonic"] == 1.0


def test_mismatch_is_that_of_the_same_resistors(pool: SimulatorPool) -> None:
    """Chip by chip the circuit's INL and DNL are those of the matrix, so their sigmas are too: equal to rounding."""
    config = DacConfig(bits=6, switch="dac_switch_ideal", r_sigma=0.01)
    chips = draw_chips(config, 24, seed=3)
    results = pool.run([static_deck(config, chip, "mismatch") for chip in chips])
    found = [static_figures(result, config) for result in results]
    lines = [signed(np.array([network(config, chip, side) for side in (0, 1)])) for chip in chips]
    expected = [linearity(line, config.lsb) for line in lines]
    for name in ("inl", "dnl"):
        one, other = (np.array([each[name] for each in both]) for both in (found, expected))
        np.testing.assert_allclose(one, other, atol=1e-6)
        np.testing.assert_allclose(one.std(axis=0), other.std(axis=0), atol=1e-6)
        assert 0.05 < other.std(axis=0).max() < 1.0  # the draws do show


def test_sigma_of_the_middle_level() -> None:
    """The matrix itself against a recursion by hand: at half scale only the top leg stands at the reference.

    It and all of the ladder below, seen from the line, are 2R each and halve the reference; errors e of the two move
    the level by a quarter of their difference. The ladder below is R in series with R = 2R || 2R, a stage further down.
    """
    config = DacConfig(bits=6, switch="dac_switch_ideal", r_sigma=1e-3)
    leg, rung = config.r_sigma / np.sqrt(2), config.r_sigma
    below = leg  # relative sigma of the termination
    for _ in range(config.bits - 2):
        below = np.hypot(np.hypot(leg, below) / 2 / 2, rung / 2)  # R = 2R || 2R: half of each; 2R = R + R: half of each
    chips = draw_chips(config, 1500, seed=2)
    levels = np.array([network(config, chip, 0, sizes=(16,))[0] for chip in chips])
    span = config.high - config.v_clp
    assert levels.std() == pytest.approx(span / 4 * np.hypot(leg, below), rel=0.06)  # 1500 draws: 1.8 % is one sigma


def test_switches_add_their_resistance(pool: SimulatorPool) -> None:
    """The nominal error of a ladder with transistors is that of legs longer by the resistance of each switch."""
    config = DacConfig(bits=6)
    chip = nominal_chip(config)
    ideal = config.model_copy(update={"switch": "dac_switch_ideal"})
    high, low = (_switch_resistance(config, bit, pool) for bit in (1, 0))
    assert 50 < high < 1000 and 50 < low < 1000
    found = static_figures(pool.run([static_deck(config, chip, "switches")])[0], config)
    lines = signed(np.array([network(ideal, nominal_chip(ideal), side, high, low) for side in (0, 1)]))
    expected = linearity(lines, config.lsb)
    # The resistances are taken without current; the bits' legs carry up to 3 uA and fall by a few millivolts.
    np.testing.assert_allclose(found["inl"], expected["inl"], atol=0.1 * expected["inl_max"])


def _switch_resistance(config: DacConfig, bit: int, pool: SimulatorPool) -> float:
    """Of one switch: the ladder is cut at its legs by 1e9 ohm, and the small signal goes into a leg."""
    chip = nominal_chip(config)
    deck = resistance_deck(config, chip, config.magnitude * bit)
    circuit = deck.circuit.replace("Iout 0 row0 dc 0 ac 1", "Iout 0 leg0_1 dc 0 ac 1")
    circuit = circuit.replace(f"{chip.legs[0, 0]:.12g}", "1e9")
    result = pool.run([type(deck)(deck.title, circuit, deck.analyses, ("v(leg0_1)",), deck.tolerances)])[0]
    return float(result["v(leg0_1)"][0])


def test_output_resistance_and_noise(pool: SimulatorPool) -> None:
    """The ladder's output looks like R at every code; a resistor network leaves kT / C on the word line."""
    config = DacConfig(switch="dac_switch_ideal")
    chip = nominal_chip(config)
    decks = [resistance_deck(config, chip, 5), noise_deck(config, chip, 5)]
    resistance, noise = pool.run(decks)
    assert float(resistance["v(row0)"][0]) == pytest.approx(config.r_unit, rel=1e-6)
    # Straight lines in the logarithms between 20 points a decade, around the corner at 124 MHz.
    assert integrated_noise(noise) == pytest.approx(np.sqrt(K_T / config.c_line), rel=3e-3)


def test_a_word_line_charges_through_the_ladder(pool: SimulatorPool) -> None:
    """One time constant R C_line: 10 % to 90 % takes ln 9 of it, settling to 0.25 LSB of 15 takes ln 60; no glitch."""
    config = DacConfig(switch="dac_switch_ideal")
    data = characterise(config, chips=0, pool=pool, show_progress=False)
    assert (data["status"].values == 0).all()
    tau = config.r_unit * config.c_line
    for name in ("rise_time", "fall_time"):
        assert float(data[name]) == pytest.approx(np.log(9) * tau, rel=0.02, abs=0)
    assert float(data["full_settling"]) == pytest.approx(np.log(15 / 0.25) * tau, rel=0.02, abs=0)
    for name in ("settling_time", "glitch"):  # the staircase has no step to 0
        assert np.isnan(data[name][0]) and np.isfinite(data[name][1:]).all()
        assert data[name].attrs["step_tolerance"].startswith("5 %")
    assert np.nanmax(data["glitch"].values) < 1e-4 * config.lsb * tau
    np.testing.assert_allclose(data["output"].values[0] / config.lsb, data["code"].values, atol=1e-6)
