"""Thresholds do not depend on time steps, on tolerances, or on the comparators that share a run."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from cosim.blocks.ramp_adc import measurement
from cosim.blocks.ramp_adc.chips import nominal_chip
from cosim.blocks.ramp_adc.config import RampAdcConfig
from cosim.blocks.ramp_adc.design import design_column
from cosim.blocks.ramp_adc.functions import get_function, output_error
from cosim.blocks.ramp_adc.measurement import Sample, find_thresholds
from cosim.spice import Deck, Result, SimulatorPool

Array = NDArray[np.float64]

CONFIG = RampAdcConfig(bits=3)


class FinerPool(SimulatorPool):
    """The same decks with a tenth of the tolerances and a quarter of the time step."""

    def run(self, decks: Sequence[Deck], label: str | None = None) -> list[Result]:
        return super().run([self._finer(deck) for deck in decks], label)

    @staticmethod
    def _finer(deck: Deck) -> Deck:
        if not deck.analyses[0].startswith(".tran"):
            return deck
        t = deck.tolerances
        word, step, *rest = deck.analyses[0].split()
        finer = deck.with_tolerances(
            reltol=t.reltol / 10, vntol=t.vntol / 10, abstol=t.abstol / 10, chgtol=t.chgtol / 10
        )
        return replace(finer, analyses=(" ".join((word, f"{float(step) / 4:.9g}", *rest)),))


def nominal_thresholds(config: RampAdcConfig, pool: SimulatorPool) -> Array:
    """Thresholds of the nominal chip [LSB of the output, error]."""
    design = design_column(config)
    found, _ = find_thresholds([Sample(-1, nominal_chip(config, design=design), 0, config)], design, pool)
    assert found[0].search.done.all()
    return output_error(get_function(config.function), config.bits, found[0].search.value / design.gain(config.v_read))


@pytest.fixture
def sharper(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tenth of the bracket, so that differences of 0.001 LSB can be seen."""
    monkeypatch.setattr(measurement, "TOLERANCE", 0.0005)


@pytest.mark.usefixtures("sharper")
@pytest.mark.parametrize(
    "config",
    [CONFIG, pytest.param(RampAdcConfig(function="tanh"), marks=pytest.mark.slow)],
    ids=["3 bits, sigmoid", "5 bits, tanh"],
)
def test_finer_steps_and_tolerances_move_no_threshold(config: RampAdcConfig, pool: SimulatorPool) -> None:
    usual = nominal_thresholds(config, pool)
    with FinerPool(1, use_cache=False, simulator=pool.simulator) as finer:
        fine = nominal_thresholds(config, finer)
    assert np.abs(fine - usual).max() < 0.005  # [LSB], the width of a bracket; two brackets of 0.0005 are within


@pytest.mark.usefixtures("sharper")
def test_a_comparator_that_moves_on_forgets(pool: SimulatorPool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four lanes that move from threshold to threshold, against one comparator a threshold that never moves."""
    config = RampAdcConfig(bits=4)
    lanes = nominal_thresholds(config, pool)
    monkeypatch.setattr(measurement, "LANES", 15)
    held = nominal_thresholds(config, pool)
    assert np.abs(lanes - held).max() < 0.005  # [LSB]
