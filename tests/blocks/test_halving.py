"""Figures of transients, found with the deck's time steps and with halved ones."""

import numpy as np
import pytest

from cosim.blocks.halving import Relative, all_keys, largest_change, run_checked, stacked, statuses, tolerance_text
from cosim.blocks.status import FAILED, NOT_FOUND, OK, STEP
from cosim.spice import Deck, Result, SimulatorPool, Tolerances

TAU = 1e-9  # [s] of 1 kohm and 1 pF


def charging(step: str, resistance: str = "1k") -> Deck:
    """A capacitor charged through a resistor by a step at time zero; with large tolerances the limit sets the steps."""
    circuit = f"v1 in 0 1\nr1 in out {resistance}\nc1 out 0 1p ic=0"
    tolerances = Tolerances(reltol=1.0, vntol=1.0, abstol=1.0, chgtol=1.0)
    return Deck("charging", circuit, (f".tran {step} 4n uic",), ("v(out)",), tolerances)


def at_tau(result: Result, number: int) -> dict[str, float]:
    del number
    return {"v_tau": float(np.interp(TAU, result["time"], result["v(out)"]))}


def test_the_figure_is_of_the_finer_run_and_its_error_about_a_third_of_the_change(pool: SimulatorPool) -> None:
    (found,) = run_checked([charging("80p")], at_tau, {"v_tau": 1e-2}, pool)
    exact = 1 - np.exp(-1)
    error = abs(found.figures["v_tau"] - exact)
    assert found.status == OK
    assert len(found.keys) == 2 and found.keys[0] != found.keys[1]
    # Second order: errors e and e / 4, so the finer one is a third of their difference; the first step, by backward
    # Euler, and the interpolation between points spoil that a little.
    assert 0 < error < 0.8 * found.change["v_tau"]


def test_a_figure_that_moves_too_far_flags_its_point(pool: SimulatorPool) -> None:
    coarse, fine = run_checked([charging("400p"), charging("10p")], at_tau, {"v_tau": 1e-4}, pool)
    assert (coarse.status, fine.status) == (STEP, OK)
    assert coarse.change["v_tau"] > 1e-4 > fine.change["v_tau"]
    assert largest_change([coarse, fine], "v_tau") == coarse.change["v_tau"]


def test_a_failed_deck_keeps_its_place_with_nan(pool: SimulatorPool) -> None:
    decks = [charging("10p"), charging("10p", "{unknown}")]
    found = run_checked(decks, lambda result, number: {"v": result["v(out)"][[0, -1]]}, {}, pool)
    assert [each.status for each in found] == [OK, FAILED]
    values = stacked(found, "v")
    assert values.shape == (2, 2)
    assert np.isfinite(values[0]).all() and np.isnan(values[1]).all()
    assert statuses(found, (2, 1)).tolist() == [[OK], [FAILED]]
    assert len(all_keys(found)) == 4


def test_what_the_waveform_does_not_show_is_said(pool: SimulatorPool) -> None:
    (found,) = run_checked([charging("10p")], lambda result, number: {"delay": np.nan}, {"delay": 1e-12}, pool)
    assert found.status == NOT_FOUND


def test_an_operating_point_is_run_once(pool: SimulatorPool) -> None:
    deck = Deck("divider", "v1 a 0 1\nr1 a b 1k\nr2 b 0 1k", (".op",), ("v(b)",))
    (found,) = run_checked([deck], lambda result, number: {"v": result["v(b)"][0]}, {"v": 0.0}, pool)
    assert found.status == OK and len(found.keys) == 1
    assert found.figures["v"] == pytest.approx(0.5, abs=1e-9) and found.change["v"] == 0


def test_tolerances_relative_and_absolute() -> None:
    np.testing.assert_allclose(Relative(0.01, 1e-3).absolute(np.array([-2.0, 0.0])), [0.02, 1e-3])
    assert tolerance_text(1e-3, "V") == "0.001 V"
    assert tolerance_text(Relative(0.01, 1e-3), "V") == "1 %, at least 0.001 V"
