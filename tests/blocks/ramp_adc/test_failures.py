"""Failures stay visible: a failed or doubtful simulation costs its own sample and is never replaced."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from cosim.blocks.ramp_adc import characterisation, measurement
from cosim.blocks.ramp_adc.characterisation import characterise
from cosim.blocks.ramp_adc.chips import Chip, draw_chips, nominal_chip
from cosim.blocks.ramp_adc.config import RampAdcConfig
from cosim.blocks.ramp_adc.fitting import fit
from cosim.blocks.status import FAILED, NOT_FOUND, OK, STEP
from cosim.errors import CosimError
from cosim.spice import Deck, Failure, FailureKind, Result, SimulatorPool


class FailingPool(SimulatorPool):
    """Every conversion of the chips named fails."""

    broken: tuple[int, ...] = ()

    def run(self, decks: Sequence[Deck], label: str | None = None) -> list[Result]:
        results = super().run(decks, label)
        failure = Failure(FailureKind.NO_CONVERGENCE, "Timestep too small")
        hit = [any(f"chip {number} " in deck.title for number in self.broken) for deck in decks]
        return [replace(r, failure=failure, signals={}) if h else r for r, h in zip(results, hit, strict=True)]


def test_a_failed_simulation_stays_in_the_data_set_and_costs_no_other(pool: SimulatorPool) -> None:
    config = RampAdcConfig(bits=2)
    arguments = {"chips": 3, "v_reads": (), "seed": 9, "show_progress": False}
    whole = characterise(config, pool=pool, **arguments)  # type: ignore[arg-type]
    with FailingPool(2, use_cache=False, simulator=pool.simulator) as failing:
        failing.broken = (1,)
        data = characterise(config, pool=failing, **arguments)  # type: ignore[arg-type]
    np.testing.assert_array_equal(data["status"].values, [0, 0, 1, 0])
    for name in ("threshold", "threshold_mac", "bracket", "inl", "dnl", "comparator_energy", "ramp_energy"):
        assert np.isnan(data[name].values[2]).all()
        np.testing.assert_array_equal(data[name].values[[0, 1, 3]], whole[name].values[[0, 1, 3]])
    assert np.isfinite(data["ramp_conductance"].values).all()


@pytest.mark.parametrize("broken", [-1, 1])
def test_a_comparator_without_a_static_trip_point_costs_its_own_sample(
    broken: int, pool: SimulatorPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mismatch that is no number: ngspice refuses the deck of all comparators, and then that of this one alone."""
    config = RampAdcConfig(bits=2)
    arguments = {"chips": 2, "v_reads": (), "seed": 9, "show_progress": False}
    whole = characterise(config, pool=pool, **arguments)  # type: ignore[arg-type]

    def spoilt(chip: Chip) -> Chip:
        return replace(chip, mismatch=np.full_like(chip.mismatch, np.nan))

    if broken < 0:
        monkeypatch.setattr(characterisation, "nominal_chip", lambda *a, **k: spoilt(nominal_chip(*a, **k)))
    else:
        monkeypatch.setattr(
            characterisation, "draw_chips", lambda *a, **k: [(c := draw_chips(*a, **k))[0], spoilt(c[1])]
        )
    data = characterise(config, pool=pool, **arguments)  # type: ignore[arg-type]
    lost = data["chip"].values == broken
    assert lost.sum() == 1
    np.testing.assert_array_equal(data["status"].values, np.where(lost, FAILED, OK))
    for name in ("threshold", "inl", "dnl", "comparator_offset", "comparator_energy", "missing_codes", "ramp_level"):
        assert np.isnan(data[name].values[lost]).all() and np.isfinite(data[name].values[~lost]).all()
    # Offsets agree to the reltol of 1e-6 of 1 V, thresholds to their brackets.
    apart = np.abs(data["comparator_offset"].values - whole["comparator_offset"].values)[~lost]
    assert apart.max() < 2e-6
    off = np.abs(data["threshold"].values - whole["threshold"].values)[~lost]
    assert (off <= ((data["bracket"].values + whole["bracket"].values) / 2)[~lost]).all()
    # The noise is that of the nominal comparator.
    assert np.isnan(float(data["comparator_noise"])) == (broken < 0)
    assert int(data["noise_status"]) == (FAILED if broken < 0 else OK)


class FailingFinerPool(SimulatorPool):
    """Every conversion with halved time steps of one chip fails."""

    def run(self, decks: Sequence[Deck], label: str | None = None) -> list[Result]:
        results = super().run(decks, label)
        hit = [label is not None and "halved" in label and "chip 0 " in deck.title for deck in decks]
        failure = Failure(FailureKind.NO_CONVERGENCE, "Timestep too small")
        return [replace(r, failure=failure, signals={}) if h else r for r, h in zip(results, hit, strict=True)]


def test_a_failure_with_halved_steps_leaves_no_figure(pool: SimulatorPool) -> None:
    with FailingFinerPool(2, use_cache=False, simulator=pool.simulator) as failing:
        data = characterise(RampAdcConfig(bits=2), chips=1, v_reads=(), pool=failing)
    np.testing.assert_array_equal(data["status"].values, [OK, FAILED])
    np.testing.assert_array_equal(data["energy_status"].values, [OK, FAILED])
    for name in ("threshold", "inl", "comparator_energy", "bias_energy", "ramp_energy"):
        assert np.isnan(data[name].values[1]).all() and np.isfinite(data[name].values[0]).all()


def test_a_threshold_that_is_not_found_is_a_failure(pool: SimulatorPool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measurement, "MOST_ROUNDS", 2)
    data = characterise(RampAdcConfig(bits=2), chips=1, v_reads=(), pool=pool, show_progress=False)
    assert (data["status"].values == NOT_FOUND).all() and np.isnan(data["threshold"].values).all()
    assert np.isnan(data["missing_codes"].values).all()
    assert (data["energy_status"].values == NOT_FOUND).all()


def test_a_threshold_that_moves_with_the_step_is_flagged_and_kept(
    pool: SimulatorPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = RampAdcConfig(bits=2)
    usual = characterise(config, chips=1, v_reads=(), pool=pool, show_progress=False)
    assert (usual["status"].values == 0).all()
    moved = usual["step_change"].values
    assert (moved > 0).all() and moved.max() < 0.005  # [LSB]; seen 0.0008
    monkeypatch.setattr(measurement, "STEP_TOLERANCE", 1e-7)
    flagged = characterise(config, chips=1, v_reads=(), pool=pool, show_progress=False)
    assert (flagged["status"].values == STEP).all()
    np.testing.assert_array_equal(flagged["threshold"].values, usual["threshold"].values)
    with pytest.raises(CosimError, match="2 of 2 samples"):
        fit(flagged)
