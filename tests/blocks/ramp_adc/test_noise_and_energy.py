"""Noise of the thresholds by hand and by drawing it; energies against charges that are known."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import xarray as xr
from scipy import stats

from cosim.blocks.halving import Relative
from cosim.blocks.ramp_adc import characterisation
from cosim.blocks.ramp_adc.characterisation import characterise
from cosim.blocks.ramp_adc.chips import nominal_chip
from cosim.blocks.ramp_adc.config import RampAdcConfig
from cosim.blocks.ramp_adc.design import effective_conductance
from cosim.blocks.ramp_adc.energy import DRIVERS, SAMPLE_ENERGIES, driver_deck, driver_energies
from cosim.blocks.ramp_adc.netlist import models_text
from cosim.blocks.ramp_adc.noise import (
    BOLTZMANN,
    column_noise,
    comparator_noise,
    comparator_noise_deck,
    reset_noise,
    threshold_noise,
)
from cosim.blocks.status import FAILED, OK, STEP
from cosim.devices import load_device, read
from cosim.resources import read_netlist
from cosim.spice import Deck, Failure, FailureKind, Result, SimulatorPool, Tolerances

CONFIG = RampAdcConfig()


def test_reset_noise_is_kt_over_c() -> None:
    """sqrt(kT / C) is 28.8 uV at 5 pF and 27 deg C; two integrators."""
    assert reset_noise(CONFIG) == pytest.approx(np.sqrt(2) * 28.79e-6, rel=1e-3)
    hot = RampAdcConfig(temperature=125.0, c_fb=1.25e-12)
    assert reset_noise(hot) == pytest.approx(2 * np.sqrt(398.15 / 300.15) * reset_noise(CONFIG), rel=1e-9, abs=0)


def test_thermal_noise_of_the_cells_by_hand() -> None:
    """Charge variance 2 k T G t of each read, over C_fb: at the last level 2 k T t (sum of all G) / C^2."""
    chip = nominal_chip(CONFIG)
    thermal, _ = column_noise(chip, CONFIG)
    g = effective_conductance(np.concatenate([chip.bias, chip.ramp]), CONFIG).sum()
    assert thermal[-1] == pytest.approx(np.sqrt(2 * BOLTZMANN * 300.15 * 10e-9 * g) / 5e-12, rel=1e-9, abs=0)
    assert (np.diff(thermal) > 0).all() and thermal.shape == (31,)


def test_read_noise_of_the_column_against_drawn_reads() -> None:
    """3000 reads of every cell repeat to 1.3 %; the amplifier bends the step by half a per cent."""
    chip, device = nominal_chip(CONFIG), load_device(CONFIG.device)
    rng = np.random.default_rng(2)
    levels = [
        replace(chip, ramp=read(chip.ramp, device, rng), bias=read(chip.bias, device, rng)).levels(CONFIG)
        for _ in range(3000)
    ]
    _, predicted = column_noise(chip, CONFIG)
    np.testing.assert_allclose(np.std(levels, axis=0), predicted, rtol=0.05)


def test_contributions_add_as_squares() -> None:
    chip = nominal_chip(CONFIG)
    thermal, of_reads = column_noise(chip, CONFIG)
    total = threshold_noise(chip, CONFIG, 5e-5)
    np.testing.assert_allclose(total**2, 5e-5**2 + reset_noise(CONFIG) ** 2 + thermal**2 + of_reads**2, rtol=1e-12)
    fixed = threshold_noise(chip, RampAdcConfig(ramp="fixed"), 5e-5)
    np.testing.assert_allclose(fixed, np.hypot(5e-5, reset_noise(CONFIG) / np.sqrt(2)), rtol=1e-12)


def test_noise_of_the_comparator(pool: SimulatorPool, three_bits: xr.Dataset) -> None:
    """Thermal noise of the pair and its mirror, 4 k T gamma / gm twice and more, in the bandwidth of the stages.

    With gm = 0.6 mS each, gamma 2/3 to 1 and a bandwidth of 10 to 20 MHz that is 20 to 40 uV; 1/f noise adds to it.
    """
    found = float(three_bits["comparator_noise"])
    assert 20e-6 < found < 100e-6
    noise = three_bits["threshold_noise"].values
    assert noise.shape == three_bits["inl"].shape and (noise > 0).all()
    assert (noise[three_bits["ramp"].values == "column"] < 0.1).all()  # [LSB]
    decks = [comparator_noise_deck(RampAdcConfig(temperature=t), -3e-4) for t in (27.0, 125.0)]
    cold, hot = (comparator_noise(result) for result in pool.run(decks))
    assert cold == pytest.approx(found, rel=1e-3) and hot > cold


def test_drivers_take_the_charges_that_are_known(pool: SimulatorPool) -> None:
    """Word lines: C V_DD^2 each. Integrator: the charge of the ramp cells. Rows: lines, and the bias cells' charge."""
    chip = nominal_chip(CONFIG)
    lines = len(chip.bias) + len(chip.ramp)
    found = driver_energies(pool.run([driver_deck(CONFIG, chip)])[0])
    assert found["word_line_energy"] == pytest.approx(lines * CONFIG.c_line * CONFIG.v_dd**2, rel=1e-3, abs=0)
    charges = [CONFIG.v_read * CONFIG.t_pulse * effective_conductance(g, CONFIG).sum() for g in (chip.ramp, chip.bias)]
    assert found["integrator_energy"] == pytest.approx(CONFIG.v_dd * charges[0], rel=2e-3, abs=0)
    rows = CONFIG.v_dd * (charges[1] + lines * CONFIG.c_line * CONFIG.v_read)
    # While a row returns to V_CLP its cell still takes a part of the line's charge: some 5 % of the lines' share.
    assert found["row_energy"] == pytest.approx(rows, rel=0.08, abs=0) and found["row_energy"] < rows


def test_energies_and_time_of_the_data_set(three_bits: xr.Dataset) -> None:
    column = three_bits["ramp"].values == "column"
    config = RampAdcConfig(bits=3)
    cycles = 1 + three_bits.sizes["bias_cell"] + 7
    times = three_bits["conversion_time"].values
    np.testing.assert_allclose(times[column], config.t_clock * (1 + cycles) - config.t_clock + 0.1e-9, rtol=1e-9)
    np.testing.assert_allclose(three_bits["bias_energy"].values, config.v_dd * config.i_bias * times, rtol=2e-3)
    for name in DRIVERS:
        assert float(three_bits[name]) > 0
    # Halved steps move charges that are known to 0.2 % by less than that, and supply energies by less than 2 %.
    for name, most in (*((each, 0.005) for each in DRIVERS), *((each, 0.02) for each in SAMPLE_ENERGIES)):
        change = three_bits[name].attrs["step_change"]
        assert 0 <= change < most * float(three_bits[name].max()), name
    assert (three_bits["energy_status"].values == OK).all()
    assert (int(three_bits["driver_status"]), int(three_bits["noise_status"])) == (OK, OK)


class DriversFail(SimulatorPool):
    """The drivers' and the noise deck fail."""

    def run(self, decks: Sequence[Deck], label: str | None = None) -> list[Result]:
        failure = Failure(FailureKind.NO_CONVERGENCE, "Timestep too small")
        return [
            replace(result, failure=failure, signals={}) if "drivers" in deck.title or "noise" in deck.title else result
            for deck, result in zip(decks, super().run(decks, label), strict=True)
        ]


def test_what_fails_beside_the_thresholds_has_a_status_of_its_own(
    pool: SimulatorPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = RampAdcConfig(bits=2)
    with DriversFail(2, use_cache=False, simulator=pool.simulator) as failing:
        data = characterise(config, chips=1, v_reads=(), pool=failing, show_progress=False)
    assert (data["status"].values == OK).all() and (data["energy_status"].values == OK).all()
    assert (int(data["driver_status"]), int(data["noise_status"])) == (FAILED, FAILED)
    assert all(np.isnan(float(data[name])) for name in (*DRIVERS, "comparator_noise"))
    monkeypatch.setattr(characterisation, "ENERGY_TOLERANCE", Relative(1e-12))
    flagged = characterise(config, chips=1, v_reads=(), pool=pool, show_progress=False)
    assert (flagged["energy_status"].values == STEP).all() and int(flagged["driver_status"]) == STEP
    assert (flagged["status"].values == OK).all()


def test_the_amplifier_stops_at_its_limits(pool: SimulatorPool) -> None:
    """50 uA on 1 pF for 40 ns would take the output 2 V down, then for 80 ns 4 V up: it stops at 0.1 V and 1.7 V.

    What is left over moves the virtual ground, by 1.1 V and 1.4 V, and the output exceeds its limit by a thousandth.
    """
    lines = [
        read_netlist("integrator"),
        "Vclp clp 0 1",
        "Vrst rst 0 pwl(0 1.8 9.9n 1.8 10n 0)",
        "Iin 0 bl pwl(0 0 20n 0 20.1n 50u 60n 50u 60.1n -50u 140n -50u)",
        "Xi bl out rst clp integrator cfb=1p gain=1e4 gbw=1g cbl=50f vclp=1 v0=1 vmin=0.1 vmax=1.7",
    ]
    deck = Deck("limits", "\n".join(lines), (".tran 0.1n 140n uic",), ("v(out)",), Tolerances(), (59e-9, 139e-9))
    result = pool.run([deck])[0]
    assert result.failure is None, result.log
    low, high = result["v(out)"]
    assert 0.1 - 2e-3 < low < 0.1 and 1.7 < high < 1.7 + 2e-3


@pytest.mark.slow
def test_the_noise_of_a_decision_in_a_transient(pool: SimulatorPool) -> None:
    """A comparator with known white noise at its input, in a transient: how often it is high against its input.

    A linear comparator that has settled decides with an uncertainty of the noise at its output over its gain:
    sigma^2 = S integral |H / H(0)|^2 df with H from an `.ac`; it is high with the probability Phi(input / sigma). Some
    400 independent decisions at each of four inputs give sigma to 5 %; where exactly it trips does not matter.
    """
    bias = [models_text(CONFIG), "Vdd vdd 0 1.8", "Vramp ramp 0 1", "Xbias bias vdd 0 comparator_bias iref=40u"]
    ac = [*bias, "Vin in 0 dc 0.99969914 ac 1", "Xc0 in ramp d0 bias vdd 0 comparator"]
    deck = Deck("transfer", "\n".join(ac), (".ac dec 20 1k 10g",), ("v(xc0.o2)",), Tolerances(reltol=1e-6))
    response = pool.run([deck])[0]
    assert response.failure is None, response.log
    square = response["v(xc0.o2)"] ** 2 + response["imag(v(xc0.o2))"] ** 2
    bandwidth = np.trapezoid(square / square[0], response["frequency"])
    step, rms, end = 1e-9, 0.4e-3, 10e-6
    sigma = np.sqrt(2 * rms**2 * step * bandwidth)  # S = 2 rms^2 step of points `step` apart, joined by lines
    rng = np.random.default_rng(8)
    shares = np.array([-1.0, -0.4, 0.4, 1.0])
    lines = list(bias)
    for n, share in enumerate(shares):
        values = 0.99969914 + share * sigma + rms * rng.standard_normal(int(end / step) + 1)
        points = " ".join(f"{k * step:.9g} {value:.9g}" for k, value in enumerate(values))
        lines += [f"Vin{n} in{n} 0 pwl({points})", f"Xc{n} in{n} ramp d{n} bias vdd 0 comparator"]
    times = tuple(np.arange(0.2e-6, end, 20e-9).tolist())
    deck = Deck(
        "decisions", "\n".join(lines), (f".tran 0.5n {end:g} 0 0.5n",), tuple(f"v(xc{n}.o2)" for n in range(4)),
        Tolerances(reltol=1e-3, vntol=1e-6, abstol=1e-12, chgtol=1e-14), times,
    )  # fmt: skip
    result = pool.run([deck])[0]
    assert result.failure is None, result.log
    high = [np.mean(result[f"v(xc{n}.o2)"] < 0.7) for n in range(4)]  # [V], near its static trip point of 0.68 V
    slope = np.polyfit(shares, stats.norm.ppf(high), 1)[0]
    assert slope == pytest.approx(1.0, rel=0.12)  # seen: 0.98
