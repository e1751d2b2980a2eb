"""A tile in ngspice beside models that are right, and beside models with planted errors, which must be found."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from cosim.blocks.ramp_adc.behaviour import RampAdcModel
from cosim.blocks.ramp_adc.functions import lsb_at_thresholds
from cosim.blocks.recipes import shipped_model
from cosim.errors import CosimError
from cosim.spice import Deck, Failure, FailureKind, Result, SimulatorPool
from cosim.studies.model_form import bit_lines_of, model_error_of, residual_components
from cosim.studies.part_check import PartCheck, check_part
from cosim.studies.tile_agreement import compare_tile
from cosim.tiles.behavioural import BehaviouralTile
from cosim.tiles.chip import with_offsets
from cosim.tiles.config import Nonidealities, TileConfig
from cosim.tiles.spice import SpiceTile

pytestmark = pytest.mark.filterwarnings("ignore::cosim.blocks.domain.OutsideDomainWarning")

INPUTS, OUTPUTS, BITS = 6, 4, 4
WEIGHTS = np.random.default_rng(3).uniform(-1, 1, (INPUTS, OUTPUTS))
VECTORS = np.random.default_rng(4).uniform(-1, 1, (9, INPUTS))


@pytest.fixture(scope="module")
def model() -> RampAdcModel:
    return shipped_model("ramp_adc").at(function="sigmoid", bits=BITS)  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def simulated(model: RampAdcModel, own_cache: object) -> SpiceTile:
    """With the store of results: all tests look at the same conversions."""
    with SimulatorPool(2) as pool:
        tile = SpiceTile(TileConfig(inputs=INPUTS, outputs=OUTPUTS, w_max=1.0, adc=model.config), pool)
        tile.program(WEIGHTS, np.random.default_rng(1))
        yield tile  # type: ignore[misc]


def modelled(tile: SpiceTile, model: RampAdcModel, offset: float = 0.0) -> BehaviouralTile:
    """The tile's model; with comparators' offsets that are wrong by `offset` [V]."""
    assert tile.chip is not None
    other = BehaviouralTile(tile.config, model, Nonidealities().quiet())
    other.load(with_offsets(tile.chip, tile.chip.offsets + offset))
    return other


def check(tile: SpiceTile, other: BehaviouralTile, lines: int = 2) -> PartCheck:
    return check_part(tile, other, VECTORS, matrix="m", part="r0c0", threshold_lines=lines)


def test_it_is_the_comparison_of_the_tile(simulated: SpiceTile, model: RampAdcModel) -> None:
    found, expected = check(simulated, modelled(simulated, model)), compare_tile(simulated, model, VECTORS)
    for name in ("spice", "model", "mac_error", "distance"):
        np.testing.assert_array_equal(getattr(found.comparison, name), getattr(expected, name))
    assert found.comparison.agreement.largest <= 1
    assert found.comparison.agreement.equal >= 0.9  # of 36: some may lie within 0.02 LSB of a threshold
    assert found.equal.shape == found.mac.shape == found.given_mac.shape == (len(VECTORS), OUTPUTS)
    assert len(found.decks) > 2 * len(VECTORS)
    assert len(bit_lines_of([found], "equal")) == OUTPUTS


def test_the_model_is_as_good_as_it_says(simulated: SpiceTile, model: RampAdcModel) -> None:
    """Thresholds to 0.05 LSB rms, the shipped model's limit; MAC results to 0.05 % of half a volt."""
    found = check(simulated, modelled(simulated, model))
    assert found.threshold.shape == (2, 2**BITS - 1)
    assert np.isfinite(found.threshold).all()
    assert np.sqrt((found.threshold_lsb**2).mean()) < 0.05
    assert np.nanmax(np.abs(found.mac)) < 250e-6
    np.testing.assert_allclose(found.lsb, model.mac_gain() * lsb_at_thresholds(model.function, BITS), rtol=1e-12)


def test_an_offset_that_is_wrong_by_one_lsb_is_caught_and_named(simulated: SpiceTile, model: RampAdcModel) -> None:
    """In the codes, and as the thresholds' residual: all of it static, and none of the MAC results'."""
    right = check(simulated, modelled(simulated, model))
    # Within the model's domain an offset can be wrong by so much: one LSB of a column where the function is steepest.
    shift = float(right.lsb.min())
    wrong = check(simulated, modelled(simulated, model, shift))
    assert wrong.comparison.agreement.equal < 0.5 < right.comparison.agreement.equal
    np.testing.assert_array_equal(wrong.mac, right.mac)
    # The comparator's own lag depends on its offset by less than 1 %.
    np.testing.assert_allclose(wrong.threshold - right.threshold, -shift, rtol=0.02)
    share = (wrong.given_mac.ravel() == wrong.comparison.spice).mean()
    assert share == pytest.approx(wrong.comparison.agreement.equal, abs=0.06)  # thresholds make all of it
    _, threshold = residual_components([wrong])
    assert threshold is not None
    assert threshold.mean == pytest.approx(-shift, rel=0.05)
    assert model_error_of([wrong]).threshold_mean == threshold.mean


def test_a_mac_result_that_is_wrong_is_the_macs_part(simulated: SpiceTile, model: RampAdcModel) -> None:
    """Cells of the model that conduct 3 % more: residuals that go with the MAC result; thresholds stay.

    Drivers, wires and virtual grounds in series (some 7 % of a cell) let through that much less than 3 %.
    """
    assert simulated.chip is not None
    right = check(simulated, modelled(simulated, model))
    other = modelled(simulated, model)
    other.load(replace(simulated.chip, conductances=1.03 * simulated.chip.conductances))
    wrong = check(simulated, other)
    np.testing.assert_array_equal(wrong.threshold, right.threshold)
    np.testing.assert_array_equal(wrong.given_mac, right.given_mac)
    mac = other.mac(VECTORS, np.random.default_rng(0)) * model.mac_gain() / 1.03
    inside = np.isfinite(wrong.mac)
    np.testing.assert_allclose((wrong.mac - right.mac)[inside], -0.03 * mac[inside], rtol=0.1, atol=20e-6)
    before, after = (residual_components([each])[0] for each in (right, wrong))
    assert before is not None and after is not None
    assert after.rms > 10 * before.rms


def test_what_lies_far_beyond_the_thresholds_is_no_residual(pool: SimulatorPool, model: RampAdcModel) -> None:
    """All inputs and weights at full scale: first and last code whatever the error, so it says nothing of it."""
    tile = SpiceTile(TileConfig(inputs=INPUTS, outputs=2, w_max=2.0, adc=model.config), pool)
    tile.program(np.tile([2.0, -2.0], (INPUTS, 1)), np.random.default_rng(1))
    found = check_part(tile, modelled(tile, model), np.ones((1, INPUTS)), matrix="m", part="r0c0")
    assert found.comparison.spice.tolist() == found.comparison.model.tolist() == [2**BITS - 1, 0]
    assert np.isnan(found.mac).all()
    assert found.threshold.shape == (0, 2**BITS - 1)
    with pytest.raises(CosimError, match="cannot be told"):
        model_error_of([found])


class FailingPool:
    """A pool whose run of that number fails in its first deck."""

    def __init__(self, pool: SimulatorPool, fail: int) -> None:
        self._pool, self._fail, self._runs = pool, fail, 0

    def run(self, decks: Sequence[Deck], label: str | None = None) -> list[Result]:
        results = self._pool.run(decks, label)
        if self._runs == self._fail:
            failure = Failure(FailureKind.NO_CONVERGENCE, "timestep too small")
            results[0] = replace(results[0], signals={}, failure=failure, deck_file="kept/deck.cir")
        self._runs += 1
        return results

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pool, name)


@pytest.mark.parametrize("stage", [0, 1])
def test_a_failing_simulation_is_named_with_its_deck(simulated: SpiceTile, model: RampAdcModel, stage: int) -> None:
    tile = SpiceTile(simulated.config, FailingPool(simulated.pool, stage))  # type: ignore[arg-type]
    tile.chip = simulated.chip
    with pytest.raises(CosimError, match=r"ngspice failed.*timestep too small") as caught:
        check(tile, modelled(simulated, model))
    assert caught.value.file == "kept/deck.cir"
