"""Delay, regeneration, kickback and energy of single decisions."""

from dataclasses import replace

import numpy as np
import pytest

from cosim.blocks.comparator.characterisation import _decide, kickback_of, regeneration_of
from cosim.blocks.comparator.config import ComparatorConfig
from cosim.blocks.comparator.netlist import Copy, common_lines, copy_lines, decision_deck, opened
from cosim.blocks.halving import Checked
from cosim.spice import Deck, SimulatorPool, Tolerances

OVERDRIVES = np.array([1e-4, 1e-3, 1e-2, 1e-1])
SIGNED = np.concatenate([OVERDRIVES, -OVERDRIVES])


@pytest.fixture(scope="module")
def decided(pool: SimulatorPool) -> Checked:
    config = ComparatorConfig()
    return _decide(config, config.v_cm, 0.0, SIGNED, False, pool, None)


def test_a_symmetric_latch_decides_both_ways_alike(decided: Checked) -> None:
    delay, energy = decided.figures["delay"], decided.figures["energy"]
    assert decided.status == 0
    np.testing.assert_allclose(delay[:, 0], delay[:, 1], rtol=1e-4)
    np.testing.assert_allclose(energy[:, 0], energy[:, 1], rtol=1e-4)
    assert np.all(np.diff(delay, axis=0) < 0)
    # A longer indecision lets the latch draw current through both branches.
    assert np.all(np.diff(energy, axis=0) < 0)
    # More than charging 10 fF once, less than the 40 um of gates that switch, 80 fF and as much again of wires.
    assert np.all((energy > 10e-15 * 1.8**2) & (energy < 0.6e-12))


def test_regeneration_is_capacitance_over_transconductance(
    clocked: ComparatorConfig, decided: Checked, pool: SimulatorPool
) -> None:
    copy = Copy(f"{clocked.v_cm}", f"{clocked.v_cm}", {}, nodes=("ln", "lp"))
    lines = common_lines(clocked, opened(clocked.part, ("ln", "lp")))
    lines += [f"Vclk clk 0 {clocked.v_dd}", *copy_lines(0, copy, clocked)]
    # A current between the nodes of the latch in balance: its admittance is -G + j omega C.
    lines += ["Id lp_0 ln_0 dc 0 ac 1", "Ed q 0 ln_0 lp_0 1"]
    frequency = 5e9  # [Hz], about the pole's, so that what the drains of the input pair do counts as it does there
    deck = Deck("balance", "\n".join(lines), (f".ac lin 1 {frequency} {frequency}",), ("v(q)",), Tolerances())
    answer = pool.run([deck])[0]
    admittance = 1 / complex(answer["v(q)"][0], answer["imag(v(q))"][0])
    assert admittance.real < 0
    expected = admittance.imag / (2 * np.pi * frequency) / -admittance.real
    # The circuit has a second pole, of the pair's drains, so C / G of an imaginary frequency is not quite the pole.
    assert decided.figures["regeneration_time"] == pytest.approx(expected, rel=0.1, abs=0)


def test_a_line_over_the_logarithm() -> None:
    drives = np.array([1e-4, 1e-3, 3e-3, 1e-2])
    delays = 1e-10 - 4e-11 * np.log(drives) - np.array([0, 0, 0, 5e-11])
    tau, at_one_volt = regeneration_of(drives, delays)
    assert tau == pytest.approx(4e-11, rel=1e-6, abs=0) and at_one_volt == pytest.approx(1e-10, rel=1e-6, abs=0)
    assert np.isnan(regeneration_of(drives[2:], delays[2:])).all()
    assert np.isnan(regeneration_of(drives, np.full(4, np.nan))).all()


def test_kickback_conserves_charge(clocked: ComparatorConfig, pool: SimulatorPool) -> None:
    deck = decision_deck(clocked, clocked.v_cm, 0.0, np.array([1e-3]), kickback=True)
    deck = replace(deck, saves=(*deck.saves, "i(vqp0)"))
    result = pool.run([deck])[0]
    time, current = result["time"], result["i(vqp0)"]
    through = np.concatenate([[0], np.cumsum(np.diff(time) * (current[1:] + current[:-1]) / 2)])
    peak, charge, difference = kickback_of(result, 0, clocked)
    # By the source's resistor and capacitor, and by the pin's own current, which is a series of spikes.
    assert charge == pytest.approx(np.abs(through).max(), rel=0.03, abs=0)
    # The peak is that of the input that suffers more.
    moves = [np.abs(result[pin] - result[pin][0]).max() for pin in ("v(p0)", "v(n0)")]
    assert peak == pytest.approx(max(moves), rel=1e-9, abs=0)
    # No more than the gate-drain and gate-source capacitance can give: 8 um x 0.18 um x 8.4 fF/um^2 and overlap.
    assert 0.1e-15 < charge < 1.8 * 25e-15
    assert difference < peak


def test_an_undecided_latch_shows_no_output(clocked: ComparatorConfig, pool: SimulatorPool) -> None:
    """Both outputs stay low in balance, so no delay is read before there is a decision."""
    copy = Copy(f"{clocked.v_cm}", f"{clocked.v_cm}", {})
    lines = [*common_lines(clocked), f"Vclk clk 0 {clocked.v_dd}", *copy_lines(0, copy, clocked)]
    point = pool.run([Deck("balance", "\n".join(lines), (".op",), ("v(op0)", "v(on0)"), Tolerances())])[0]
    assert max(point["v(op0)"][0], point["v(on0)"][0]) < 0.1 * clocked.v_dd
