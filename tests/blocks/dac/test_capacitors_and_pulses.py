"""The capacitor array against charge conservation, and pulse widths against linear drivers and energy."""

from pathlib import Path

import numpy as np
import pytest

from cosim.blocks import dac
from cosim.blocks.dac.characterisation import characterise
from cosim.blocks.dac.chips import draw_chips, nominal_chip
from cosim.blocks.dac.config import DacConfig
from cosim.blocks.dac.extraction import linearity, signed, transient_figures
from cosim.blocks.dac.netlist import noise_deck, transient_deck
from cosim.blocks.waveforms import integrated_noise
from cosim.spice import SimulatorPool

K_T = 1.380649e-23 * 300.15  # [J] at 27 deg C


def test_redistributed_charge(pool: SimulatorPool) -> None:
    """Line = (V_HIGH - V_CLP) C_switched / C_all, with every capacitor of the chip and the parasitics."""
    config = DacConfig(kind="capacitive", bits=4, switch="dac_switch_ideal", c_sigma=0.02)
    chips = [nominal_chip(config), draw_chips(config, 1, seed=5)[0]]
    decks = [transient_deck(config, chip, "charge") for chip in chips]
    for chip, result in zip(chips, pool.run(decks), strict=True):
        figures = transient_figures(result, config)
        sizes = np.arange(config.magnitude + 1)
        lines = []
        for side in (0, 1):
            capacitors = chip.capacitors[side]
            weights = (sizes[:, None] >> np.arange(config.bits - 1)) & 1
            everything = capacitors.sum() + config.c_top * 8 * config.c_unit + config.c_line
            lines.append((config.high - config.v_clp) * (weights @ capacitors[1:]) / everything)
        expected = linearity(signed(np.array(lines)), config.lsb)
        # 1e-4 LSB: reltol of the transient, and the leakage of gmin in a microsecond.
        np.testing.assert_allclose(figures["inl"], expected["inl"], atol=5e-4)
        np.testing.assert_allclose(figures["dnl"], expected["dnl"], atol=5e-4)
        assert figures["gain_error"] == pytest.approx(expected["gain_error"], abs=1e-4)
    assert expected["inl_max"] > 0.01  # the drawn chip's errors do show


def test_array_with_transistors(pool: SimulatorPool) -> None:
    config = DacConfig(kind="capacitive", bits=4)
    data = characterise(config, chips=1, pool=pool, show_progress=False)
    assert (data["status"].values == 0).all()
    # The histogram over mismatch leaves the nominal chip out.
    histogram = next(plot for plot in dac.PLOTS if plot.name == "dac_inl_max")
    assert data["chip"].values[data["nominal"].values == histogram.where["nominal"]].tolist() == [0]
    # Parasitics take a share of the step, alike at every code: C_top, the word line, the reset's junctions.
    share = 1 / (1 + config.c_top + config.c_line / (8 * config.c_unit))
    assert -0.02 < float(data["gain_error"][0]) - (share - 1) < 0.0
    assert float(data["inl_max"][0]) < 0.01  # junction capacitances bend it a little
    assert float(data["inl_max"][1]) > float(data["inl_max"][0])
    # The reset leaves kT / C of everything on the line.
    everything = config.c_unit * 8 * (1 + config.c_top) + config.c_line
    assert float(data["noise"]) == pytest.approx(np.sqrt(K_T / everything), rel=0.03)


def test_noise_of_an_ideal_reset_is_none(pool: SimulatorPool) -> None:
    config = DacConfig(kind="capacitive", switch="dac_switch_ideal")
    assert integrated_noise(pool.run([noise_deck(config, nominal_chip(config), 1)])[0]) < 1e-9


def linear_driver(folder: Path) -> str:
    """A driver of two conductances of 1 mS, which draws its charge from the references."""
    file = folder / "linear.cir"
    file.write_text(
        "* linear driver\n* mismatch none\n.subckt dac_driver in row high low vdd vss\n"
        "b1 row high i=v(row,high)*1m*(v(in,vss)/v(vdd,vss))\n"
        "b2 row low i=v(row,low)*1m*(1-v(in,vss)/v(vdd,vss))\n.ends\n"
    )
    return str(file)


def test_pulses_through_a_linear_driver(tmp_path: Path, pool: SimulatorPool) -> None:
    """An RC line keeps a pulse's area, so widths have no error; a pulse takes C V_READ^2; edges last ln 9 R C."""
    config = DacConfig(kind="pulse_width", driver=linear_driver(tmp_path), columns=500)
    data = characterise(config, chips=0, pool=pool, show_progress=False)
    assert (data["status"].values == 0).all()
    codes = data["code"].values
    # 10 ps of 10 ns: the trapezoidal rule over edges of 50 ps.
    np.testing.assert_allclose(data["output"].values[0] / config.lsb, codes, atol=1e-3)
    np.testing.assert_allclose(data["width_error"].values, 0.0, atol=10e-12)
    for name in ("rise_time", "fall_time"):
        assert float(data[name]) == pytest.approx(np.log(9) * 1e3 * config.c_line, rel=0.02, abs=0)
    np.testing.assert_allclose(data["energy"].values[1:], config.c_line * config.v_read**2, rtol=0.01)
    np.testing.assert_allclose(data["output_resistance"].values, 1e3, rtol=1e-6)
    assert float(data["noise"]) < 1e-9  # controlled sources have none


def test_pulses_of_the_transistor_driver(pool: SimulatorPool) -> None:
    config = DacConfig(kind="pulse_width", bits=4)
    data = characterise(config, chips=2, pool=pool, show_progress=False)
    assert (data["status"].values == 0).all() and (data["monotonic"].values == 1).all()
    width = data["width_error"].values[1:]
    # The two edges are late by different times, the same at every code: the pulse is wrong by a constant.
    assert np.ptp(width) < 2e-12 and 10e-12 < abs(width[0]) < 1e-9
    # That constant turns its sign with the code's: code + s sign(code), of slope 1 + s sum|code| / sum code^2.
    step, codes = width[0] / config.t_unit, data["code"].values
    slope = 1 + step * np.abs(codes).sum() / (codes**2).sum()
    assert float(data["dnl"][0, len(codes) // 2]) == pytest.approx((1 + step) / slope - 1, rel=0.01)
    on, off = data["output_resistance"].values
    assert 100 < on < 1000 and 100 < off < 1000
    # A word line at rest has kT / C of its own and the transistors' capacitances.
    assert 0.5 < float(data["noise"]) / np.sqrt(K_T / config.c_line) < 1.0
    # The reference gives C V_READ^2 and more for the transistors' capacitances; the inverters take most.
    assert float(data["energy"][-1]) > config.c_line * config.v_read**2
