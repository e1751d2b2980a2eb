"""Circuits whose solution is known in closed form: the engine's numbers are physics, not only repeatable."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from cosim.errors import CosimError
from cosim.spice import Deck, Result, SimulatorPool, Tolerances

Array = NDArray[np.float64]

R, C, L = 1e3, 1e-9, 1e-3  # [ohm], [F], [H]


def good(result: Result) -> Result:
    assert result.failure is None, (result.failure, result.log)
    return result


def test_a_divider_at_its_operating_point(pool: SimulatorPool) -> None:
    deck = Deck("divider", "v1 in 0 1\nr1 in mid 1k\nr2 mid 0 3k", (".op",), ("v(mid)", "i(v1)"))
    result = good(pool.run([deck])[0])
    # ngspice puts gmin (1e-14 S) at no node of a linear circuit: only rounding is left.
    assert result["v(mid)"][0] == pytest.approx(0.75, rel=1e-14)
    assert result["I(V1)"][0] == pytest.approx(-0.25e-3, rel=1e-14)  # SPICE counts current into the source's + pin


def test_a_dc_sweep_follows_the_square_law(pool: SimulatorPool) -> None:
    circuit = "v1 in 0 0\nr1 in mid 1k\nb1 mid 0 i=1e-3*v(mid)*v(mid)"
    deck = Deck("square law", circuit, (".dc v1 0 4 0.5",), ("v(mid)",))
    result = good(pool.run([deck])[0])
    swept = np.arange(0, 4.25, 0.5)
    exact = (np.sqrt(1 + 4 * swept) - 1) / 2  # of v + v^2 = swept
    np.testing.assert_allclose(result["v-sweep"], swept, atol=1e-12)
    # Newton's method stops when two iterates differ by less than reltol, and ngspice gives out the earlier of the two:
    # the error is up to reltol, not its square.
    np.testing.assert_allclose(result["v(mid)"], exact, rtol=1e-5)
    finer = good(pool.run([deck.with_tolerances(reltol=1e-9, vntol=1e-12)])[0])
    np.testing.assert_allclose(finer["v(mid)"], exact, rtol=1e-9)


def charging(step: float, tolerances: Tolerances | None = None) -> Deck:
    """An RC circuit after a step of 1 V, integrated in steps of at most `step` time constants."""
    circuit = f"v1 in 0 1\nr1 in out {R}\nc1 out 0 {C} ic=0"
    analysis = f".tran {R * C * step:.9g} {5 * R * C:.9g} uic"
    return Deck("RC", circuit, (analysis,), ("v(out)",), tolerances or Tolerances())


def ringing(step: float, resistance: float) -> Deck:
    """A series RLC circuit after a step of 1 V, four periods in steps of at most `step` / natural frequency."""
    circuit = f"v1 in 0 1\nr1 in a {resistance}\nl1 a out {L} ic=0\nc1 out 0 {C} ic=0"
    analysis = f".tran {step * np.sqrt(L * C):.9g} {8 * np.pi * np.sqrt(L * C):.9g} uic"
    return Deck("RLC", circuit, (analysis,), ("v(out)",))


def rc_step(times: Array) -> Array:
    return np.asarray(1 - np.exp(-times / (R * C)))


def rlc_step(times: Array, resistance: float) -> Array:
    decay, natural = resistance / (2 * L), 1 / np.sqrt(L * C)
    ringing = np.sqrt(natural**2 - decay**2)
    return np.asarray(
        1 - np.exp(-decay * times) * (np.cos(ringing * times) + decay / ringing * np.sin(ringing * times))
    )


def test_an_rc_step_response(pool: SimulatorPool) -> None:
    """The trapezoidal rule turns the time constant tau into tau (1 - h^2 / 12 tau^2): error h^2 / 12 e at t = tau.

    This, and not reltol, rules a smooth transient: the deck's time step is what sets its error.
    """
    steps = (0.05, 0.025)
    errors = []
    for step, result in zip(steps, pool.run([charging(step) for step in steps]), strict=True):
        error = np.abs(good(result)["v(out)"] - rc_step(result["time"])).max()
        assert error == pytest.approx(step**2 / 12 / np.e, rel=0.15)  # some steps are shorter
        errors.append(error)
    assert errors[0] / errors[1] == pytest.approx(4, rel=0.15)
    assert errors[0] < 1e-4


def test_tolerances_hardly_move_a_smooth_transient(pool: SimulatorPool) -> None:
    tighter = Tolerances(reltol=1e-6, abstol=1e-14, vntol=1e-9, chgtol=1e-17)
    usual, tight = (good(each) for each in pool.run([charging(0.01), charging(0.01, tighter)]))
    at = R * C * np.linspace(0.02, 4.9, 50)
    moved = np.interp(at, tight["time"], tight["v(out)"]) - np.interp(at, usual["time"], usual["v(out)"])
    assert np.abs(moved).max() < 2e-5  # the straight lines between points give 0.01^2 / 8 = 1.3e-5 themselves


@pytest.mark.parametrize("resistance", [1e-3, 200.0], ids=["LC", "RLC"])
def test_ringing(pool: SimulatorPool, resistance: float) -> None:
    """The rule lowers the frequency w by (w h)^2 / 12: after a phase p the error is p (w h)^2 / 12 of the amplitude."""
    steps = (0.02, 0.01)
    errors = []
    for step, result in zip(steps, pool.run([ringing(step, resistance) for step in steps]), strict=True):
        phase = good(result)["time"] / np.sqrt(L * C)
        expected = phase * step**2 / 12 * np.exp(-resistance / (2 * L) * result["time"])
        errors.append(np.abs(result["v(out)"] - rlc_step(result["time"], resistance)).max())
        assert errors[-1] == pytest.approx(expected.max(), rel=0.15)
    assert errors[0] / errors[1] == pytest.approx(4, rel=0.15)


@pytest.mark.parametrize("limit", ["as printed", "given", "truncation error"])
def test_half_the_time_steps_have_a_quarter_of_the_error(pool: SimulatorPool, limit: str) -> None:
    """A rule of second order: the error goes with h^2, whatever it is that sets h."""
    deck = charging(0.05)
    tau, end = R * C, 5 * R * C
    if limit == "given":
        deck = replace(deck, analyses=(f".tran {tau} {end} 0 {0.05 * tau} uic",))
    elif limit == "truncation error":
        deck = replace(deck, analyses=(f".tran {tau} {end} 0 {end} uic",))
    decks = [deck, deck.halved(), deck.halved().halved()]
    errors = [np.abs(good(each)["v(out)"] - rc_step(each["time"])).max() for each in pool.run(decks)]
    for one, other in pairwise(errors):
        # A run of some 30 steps of the simulator's choice, with its first doublings, is not yet in the limit of h -> 0.
        assert one / other == pytest.approx(4, rel=0.25 if limit == "truncation error" else 0.1)


def test_halving_a_transient_whose_print_step_is_long_starts_from_ngspices_own_limit() -> None:
    """ngspice takes at least 50 steps: half of `.tran 1u 5u` is not `.tran 0.5u 5u`, which is the same run."""
    deck = Deck("RC", "v1 in 0 1", (".ic v(in)=0", ".TRAN 1us 5us 1u"), ("v(in)",), sample_at=(2e-6,))
    assert deck.is_transient
    once = deck.halved()
    assert once.analyses[0] == ".ic v(in)=0" and once.sample_at == (2e-6,)
    words = once.analyses[1].split()
    assert [float(word) for word in words[1:]] == pytest.approx([0.5e-6, 5e-6, 1e-6, 4e-6 / 50 / 2])
    assert once.tolerances == Tolerances(trtol=7 / 8)
    assert [float(word) for word in once.halved().analyses[1].split()[1:]] == pytest.approx([0.25e-6, 5e-6, 1e-6, 2e-8])


@pytest.mark.parametrize("analysis", [".op", ".dc v1 0 1 0.1", ".tran {tstep} 1u", ".tran 1n", ".tran 1n 1u 0 1n 2"])
def test_what_has_no_time_steps_cannot_be_halved(analysis: str) -> None:
    deck = Deck("x", "v1 a 0 1", (analysis,), ("v(a)",))
    assert deck.is_transient == analysis.startswith(".tran")
    with pytest.raises(CosimError, match="time steps"):
        deck.halved()


def test_samples_lie_on_straight_lines_between_points(pool: SimulatorPool) -> None:
    every = charging(0.05)
    times = R * C * np.array([0.1, 0.5, 1.0, 2.0, 3.0, 4.9])
    some = replace(every, sample_at=tuple(times.tolist()))
    whole, sampled = (good(each) for each in pool.run([every, some]))
    np.testing.assert_array_equal(sampled["time"], times)
    np.testing.assert_array_equal(sampled["v(out)"], np.interp(times, whole["time"], whole["v(out)"]))
    # Off the simulator's own points the chord costs another h^2 / 8: 3e-4 here.
    np.testing.assert_allclose(sampled["v(out)"], rc_step(times), atol=0.05**2 / 8 + 1e-4)


def test_gear_agrees_with_the_trapezoidal_rule(pool: SimulatorPool) -> None:
    result = good(pool.run([charging(0.02, Tolerances(method="gear"))])[0])
    # Its second-order formula has four times the error of the trapezoidal rule, h^2 / 3 e.
    assert np.abs(result["v(out)"] - rc_step(result["time"])).max() == pytest.approx(0.02**2 / 3 / np.e, rel=0.2)


def test_power_balance(pool: SimulatorPool) -> None:
    """Charging a capacitor to V takes C V^2 from the source: half of it is stored, half heats the resistor."""
    circuit = "\n".join(
        (
            f"v1 in 0 1\nr1 in out {R}\nc1 out 0 {C} ic=0",
            # A power of P watts is a current of P amperes into 1 nF: one volt a nanojoule.
            "bs 0 source i=-v(in)*i(v1)\ncs source 0 1n ic=0",
            f"bh 0 heat i=(v(in)-v(out))*(v(in)-v(out))/{R}\nch heat 0 1n ic=0",
        )
    )
    end = 25 * R * C
    deck = Deck("power", circuit, (f".tran {R * C / 50:.9g} {end:.9g} uic",), ("v(source)", "v(heat)", "v(out)"))
    result = good(pool.run([deck])[0])
    source, heat = (1e-9 * result[name][-1] for name in ("v(source)", "v(heat)"))  # [J]
    stored = 0.5 * C * result["v(out)"][-1] ** 2
    # Steps of tau / 50: the trapezoidal rule is off by h^2 / 12 = 3e-5.
    assert source == pytest.approx(C, rel=1e-4)
    assert heat == pytest.approx(C / 2, rel=1e-4)
    assert source == pytest.approx(heat + stored, rel=1e-4)


def test_an_ac_analysis_keeps_both_parts(pool: SimulatorPool) -> None:
    circuit = f"v1 in 0 dc 0 ac 1\nr1 in out {R}\nc1 out 0 {C}"
    deck = Deck("low pass", circuit, (".ac dec 3 1k 10meg",), ("v(out)", "i(v1)"))
    result = good(pool.run([deck])[0])
    frequency = result["frequency"]
    assert frequency[0] == pytest.approx(1e3) and frequency[-1] == pytest.approx(1e7)
    exact = 1 / (1 + 2j * np.pi * frequency * R * C)
    np.testing.assert_allclose(result["v(out)"], exact.real, rtol=1e-10)
    np.testing.assert_allclose(result["imag(v(out))"], exact.imag, rtol=1e-10)


def test_the_temperature_of_the_deck_is_used(pool: SimulatorPool) -> None:
    """A diode at constant current: dV/dT = -(E_g / q - V + 3 k T / q) / T, about -2 mV/K."""
    circuit = "i1 0 a 1u\nd1 a 0 dd\n.model dd d is=1e-14 n=1 eg=1.11 xti=3"
    decks = [Deck("diode", circuit, (".op",), ("v(a)",), Tolerances(temperature=t)) for t in (26.0, 27.0, 28.0)]
    below, at, above = (float(good(each)["v(a)"][0]) for each in pool.run(decks))
    kelvin, k_over_q = 300.15, 8.617333e-5
    assert at == pytest.approx(k_over_q * kelvin * np.log(1e-6 / 1e-14), rel=1e-4)
    assert (above - below) / 2 == pytest.approx(-(1.11 - at + 3 * k_over_q * kelvin) / kelvin, rel=5e-3)


def test_saved_signals_and_no_others(pool: SimulatorPool) -> None:
    circuit = "v1 a 0 1\nx1 a b part\nr1 b 0 1k\n.subckt part p q\nr1 p inner 1k\nr2 inner q 1k\n.ends"
    names = ("v(b)", "v(x1.inner)", "i(v1)")
    result = good(pool.run([Deck("saves", circuit, (".op",), names)])[0])
    assert set(result.signals) == set(names)
    assert result["v(x1.inner)"][0] == pytest.approx(2 / 3)
    many = Deck("more than a line of names", "v1 a 0 1\nr1 a 0 1k", (".op",), ("v(a)", "i(v1)") * 20)
    assert set(good(pool.run([many])[0]).signals) == {"v(a)", "i(v1)"}


def test_a_deck_has_one_analysis() -> None:
    # ngspice runs the analyses of a deck in an order of its own: which would be the last?
    with pytest.raises(CosimError, match="one analysis a deck"):
        Deck("two analyses", "v1 a 0 1\nr1 a 0 1k", (".op", ".dc v1 0 2 1"), ("v(a)",))
    Deck("analysis and initial condition", "v1 a 0 1\nr1 a 0 1k", (".ic v(a)=1", ".tran 1n 1u"), ("v(a)",))
