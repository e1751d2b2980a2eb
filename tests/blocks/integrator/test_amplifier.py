"""The transistor-level amplifier: offset against hand analysis, energy, and the macro model that stands for it."""

import dataclasses

import numpy as np
import pytest
import xarray as xr

from cosim.blocks import integrator
from cosim.blocks.integrator.characterisation import characterise, offsets_of
from cosim.blocks.integrator.config import IntegratorConfig
from cosim.blocks.integrator.macro import macro_parameters
from cosim.blocks.integrator.netlist import offset_deck, pulse_deck, pulse_times
from cosim.blocks.status import FAILED, OK
from cosim.process import mismatch_of
from cosim.spice import Deck, SimulatorPool


def test_figures_of_the_amplifier(amplifier: xr.Dataset) -> None:
    """What its netlist was made for: 60 dB, some 200 MHz, stable; and no chip far from the others."""
    # The histogram over mismatch leaves the nominal chip out.
    histogram = next(plot for plot in integrator.PLOTS if plot.name == "integrator_offset")
    shown = amplifier["nominal"].values == histogram.where["nominal"]
    assert amplifier["chip"].values[shown].tolist() == list(range(12))
    assert (amplifier["status"].values == 0).all()
    assert (amplifier["dc_gain"].values > 1000).all()
    assert (np.abs(amplifier["gbw"].values / 200e6 - 1) < 0.1).all()
    assert (amplifier["phase_margin"].values > 60).all()
    assert float(amplifier["output_low"]) < 1.0 - 0.54 and float(amplifier["output_high"]) > 1.0 + 0.4
    # The reset leaves kT / C_fb and some of the amplifier's own noise behind.
    assert 1.0 < float(amplifier["reset_noise"]) / np.sqrt(1.380649e-23 * 300.15 / 2.5e-12) < 1.3


def test_static_and_dynamic_gain_agree(amplifier: xr.Dataset) -> None:
    """`.dc` and `.ac` are different analyses; the chord of the former spans 3.5 mV of a smooth curve."""
    at_clamp = np.interp(1.0, amplifier["static_output"].values, amplifier["static_gain"].values)
    assert at_clamp == pytest.approx(float(amplifier["dc_gain"][0]), rel=5e-3)


def test_offset_is_the_sum_of_its_shares(amplifier: xr.Dataset, pool: SimulatorPool) -> None:
    """Chip by chip: offset = nominal + sum of (draw / sigma) times share, up to the second order in some mV."""
    config = IntegratorConfig()
    kind = mismatch_of(config.part().text, config.cmos)
    rng = np.random.default_rng(1)
    drawn = kind.draw(4, rng)
    result = pool.run([offset_deck(config, [dict(zip(kind.names, row, strict=True)) for row in drawn])])[0]
    found = np.array([result[f"v(bl{number})"][0] for number in range(4)]) - config.v_clp
    expected = float(amplifier["offset"][0]) + drawn / kind.sigmas @ amplifier["offset_share"].values
    np.testing.assert_allclose(found, expected, atol=0.02 * float(amplifier["offset_sigma"]))


def test_offset_sigma_by_hand(amplifier: xr.Dataset, pool: SimulatorPool) -> None:
    """sigma^2 = 2 s1^2 + (gm3 / gm1)^2 2 s3^2 + (I / gm1)^2 (2 b1^2 + 2 b3^2): pair and mirror of the first stage."""
    config = IntegratorConfig()
    deck = offset_deck(config, [{}])
    gm, current = (
        {each: f"@m.xa0.xota.xm{each}.m1[{name}]" for each in (1, 3)} for name in ("gm", "id")
    )  # of one transistor each of pair and mirror
    deck = dataclasses.replace(deck, saves=(*gm.values(), *current.values()))
    point = pool.run([deck])[0]
    kind = mismatch_of(config.part().text, config.cmos)
    sigma = dict(zip(kind.names, kind.sigmas, strict=True))
    gm1, gm3, current1 = (abs(float(point[name][0])) for name in (gm[1], gm[3], current[1]))
    variance = 2 * sigma["dvt1"] ** 2 + 2 * (gm3 / gm1 * sigma["dvt3"]) ** 2
    variance += (current1 / gm1) ** 2 * 2 * (sigma["db1"] ** 2 + sigma["db3"] ** 2)
    # In BSIM4 a shift of the threshold moves the mobility too, by 4 % more current than the same shift of the gate; the
    # second stage's offset comes in divided by the first one's gain of 80.
    assert float(amplifier["offset_sigma"]) == pytest.approx(np.sqrt(variance), rel=0.1)
    chips = amplifier["offset"].values[1:]
    spread = chips.std(ddof=1) / float(amplifier["offset_sigma"])
    assert 0.5 < spread < 1.6  # chi-squared of 11 degrees of freedom, 99.9 % of all draws


def test_an_amplifier_that_cannot_be_simulated_costs_itself_alone(amplifier: xr.Dataset, pool: SimulatorPool) -> None:
    """ngspice refuses a transistor whose threshold is shifted by no number."""
    found, keys = offsets_of(IntegratorConfig(), [{}, {"dvt1": float("nan")}, {}], pool, None)
    assert [each.status for each in found] == [OK, FAILED, OK] and len(keys) == 4
    nominal, lost, again = (float(each.figures["offset"]) for each in found)
    assert np.isnan(lost) and nominal == again
    # Offsets are solved together in one deck: Newton's method ends elsewhere within its tolerance.
    assert nominal == pytest.approx(float(amplifier["offset"][0]), abs=1e-7)


def test_chips_do_not_depend_on_their_number(amplifier: xr.Dataset, pool: SimulatorPool) -> None:
    few = characterise(IntegratorConfig(), chips=2, charges=(-0.5, 0, 0.5), pool=pool, show_progress=False)
    for name in ("dc_gain", "gbw"):
        np.testing.assert_array_equal(few[name].values, amplifier[name].values[:3])
    # Offsets are solved together in one deck: Newton's method ends elsewhere within its tolerance.
    np.testing.assert_allclose(few["offset"].values, amplifier["offset"].values[:3], atol=1e-7)


def test_held_output_decays(amplifier: xr.Dataset) -> None:
    """tau = A C_fb / G + A / (2 pi gbw), as of the macro model; A falls by a fifth towards the held levels."""
    config = IntegratorConfig()
    gain, gbw = float(amplifier["dc_gain"][0]), float(amplifier["gbw"][0])
    tau = gain * (config.c_fb / config.g_idle + 1 / (2 * np.pi * gbw))
    assert 0.8 * tau < float(amplifier["hold_time_constant"]) < tau


def test_energy_of_an_idle_period(amplifier: xr.Dataset) -> None:
    """Nothing to integrate: class A current times supply times period, the reset's inverter and wiring aside."""
    expected = 1.8 * float(amplifier["supply_current"]) * IntegratorConfig().t_clock
    assert float(amplifier["energy"][1]) == pytest.approx(expected, rel=1e-3, abs=0)


def macro_deck(data: xr.Dataset, charge: float) -> tuple[IntegratorConfig, Deck]:
    found = macro_parameters(data)
    config = IntegratorConfig(
        integrator="integrator",
        v_clp=found["vclp"],
        c_bitline=found["cbl"],
        amplifier_gain=found["gain"],
        amplifier_gbw=found["gbw"],
    )
    deck = pulse_deck(config, charge)
    limits = f"vmin={found['vmin']:.6g} vmax={found['vmax']:.6g}"
    circuit = deck.circuit.replace("vmin=0.1 vmax=1.7", limits)
    assert limits in circuit
    # The row still pulses around the nominal clamp voltage, not around the offset one.
    return config, dataclasses.replace(deck, circuit=circuit)


def test_the_macro_model_predicts_the_amplifier(amplifier: xr.Dataset, pool: SimulatorPool) -> None:
    """Gain, gbw and input capacitance are enough for a read pulse, to 0.5 % of its step.

    The macro leaves out that the amplifier's output is not stiff: for 5 ns after an edge of the row it is pushed along
    by C_fb, up to 2 %; also the second pole and zero, and that gain falls towards the ends of the range.
    """
    for pulse in (0, 2):
        config, deck = macro_deck(amplifier, float(amplifier["charge"][pulse]))
        result = pool.run([deck])[0]
        times = amplifier["time"].values
        marks = pulse_times(config)
        after = times >= marks["before"] - 1e-9
        at_edges = (times >= marks["before"]) & (times < marks["before"] + 5e-9)
        at_edges |= (times >= marks["pulse_end"] - 0.2e-9) & (times < marks["pulse_end"] + 5e-9)
        predicted = np.interp(times, result["time"], result["v(out0)"])
        found = amplifier["wave_output"].values[pulse]
        one, other = predicted - predicted[after][0], found - found[after][0]
        step = abs(other[-1])
        np.testing.assert_allclose(one[after], other[after], atol=0.02 * step)
        calm = after & ~at_edges
        np.testing.assert_allclose(one[calm], other[calm], atol=0.005 * step)
        error = np.interp(pulse_times(config)["pulse_end"] - 0.2e-9, result["time"], result["v(bl0)"])
        before = np.interp(pulse_times(config)["before"], result["time"], result["v(bl0)"])
        assert error - before == pytest.approx(float(amplifier["ground_error"][pulse]), rel=0.05)


@pytest.mark.slow
@pytest.mark.parametrize("process", ["generic180", "generic65"])
def test_it_works_in_every_corner(process: str, pool: SimulatorPool) -> None:
    nominal = IntegratorConfig(process=process).v_dd
    for corner, temperature, share in (("FF", -40, 1.1), ("SS", -40, 0.9), ("SS", 125, 0.9), ("FS", 125, 0.9)):
        config = IntegratorConfig(process=process, corner=corner, temperature=temperature, v_dd=share * nominal)  # type: ignore[arg-type]
        data = characterise(config, chips=0, charges=(-0.4, 0, 0.4), pool=pool, show_progress=False)
        assert (data["status"].values == 0).all(), (process, corner, temperature)
        assert float(data["dc_gain"][0]) > 1000 and float(data["phase_margin"][0]) > 60
        assert np.abs(data["inl"].values).max() < 0.02 * config.swing
