"""One draw of a tile: what it depends on and what not, and its statistics."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from cosim.blocks.ramp_adc.behaviour import RampAdcModel
from cosim.blocks.ramp_adc.config import RampAdcConfig
from cosim.tiles.chip import TileChip, draw_tile_chip, with_offsets
from cosim.tiles.config import TileConfig, conductance_targets

CONFIG = TileConfig(inputs=6, outputs=5, adc=RampAdcConfig(bits=3))
WEIGHTS = np.random.default_rng(5).uniform(-2, 2, (6, 5))


def draw(seed: int = 1, config: TileConfig = CONFIG, weights: np.ndarray = WEIGHTS, **options: object) -> TileChip:
    return draw_tile_chip(weights, config, np.random.default_rng(seed), **options)  # type: ignore[arg-type]


def assert_same(a: TileChip, b: TileChip) -> None:
    np.testing.assert_array_equal(a.targets, b.targets)
    np.testing.assert_array_equal(a.conductances, b.conductances)
    np.testing.assert_array_equal(a.adc.ramp, b.adc.ramp)
    np.testing.assert_array_equal(a.adc.bias, b.adc.bias)
    np.testing.assert_array_equal(a.adc.mismatch, b.adc.mismatch)
    np.testing.assert_array_equal(a.offsets, b.offsets)


def test_the_same_seed_gives_the_same_chip() -> None:
    assert_same(draw(), draw())
    assert np.abs(draw(2).conductances - draw(1).conductances).max() > 1e-7


def test_the_model_adds_offsets_and_changes_nothing_else(models: dict[str, RampAdcModel]) -> None:
    without, with_model = draw(), draw(model=models["sigmoid"])
    assert np.isnan(without.offsets).all()
    assert np.isfinite(with_model.offsets).all()
    assert_same(with_offsets(without, with_model.offsets), with_model)


def test_another_programming_error_scales_the_same_deviations() -> None:
    device = CONFIG.device
    small, large = (draw(device=replace(device, programming_sigma=sigma)) for sigma in (0.1e-6, 0.2e-6))
    # Cells far enough from g_lowest that nothing is cut off: 0.9 uS are 4.5 of the larger sigmas.
    np.testing.assert_allclose(
        large.conductances - large.targets, 2 * (small.conductances - small.targets), rtol=1e-6, atol=1e-18
    )
    np.testing.assert_array_equal(large.adc.mismatch, small.adc.mismatch)


def test_array_column_and_comparators_draw_from_streams_of_their_own() -> None:
    wide = TileConfig(inputs=12, outputs=5, adc=CONFIG.adc)
    other = draw(config=wide, weights=np.zeros((12, 5)))
    np.testing.assert_array_equal(other.adc.ramp, draw().adc.ramp)
    np.testing.assert_array_equal(other.adc.mismatch, draw().adc.mismatch)


def test_programming_error_has_the_sigma_of_the_device() -> None:
    config = TileConfig(inputs=64, outputs=64, adc=CONFIG.adc)
    chip = draw(config=config, weights=np.full((64, 64), 2.0))
    error = (chip.conductances - chip.targets)[0::2].ravel() / config.device.programming_sigma  # all of g_max
    n = error.size
    assert abs(error.mean()) < 5 / np.sqrt(n)  # 5 standard errors
    low, high = stats.chi2.ppf([1e-6, 1 - 1e-6], n - 1) / (n - 1)
    assert low < error.var(ddof=1) < high
    assert stats.kstest(error, "norm").pvalue > 1e-6


def test_offsets_have_the_statistics_of_the_model(models: dict[str, RampAdcModel]) -> None:
    model = models["sigmoid"]
    offsets = model.draw_offsets(4000, np.random.default_rng(0))
    z = (offsets - model.value("offset_mean")) / model.value("offset_sigma")
    assert stats.kstest(z, "norm").pvalue > 1e-6


def test_targets_are_those_of_the_weights() -> None:
    np.testing.assert_array_equal(draw().targets, conductance_targets(WEIGHTS, CONFIG))


def test_known_offsets_are_kept_as_float64() -> None:
    chip = with_offsets(draw(), np.arange(5, dtype=np.float32))
    assert chip.offsets.dtype == np.float64
    assert chip.offsets.tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("columns", [1, 8])
def test_one_comparator_a_column(columns: int) -> None:
    config = TileConfig(inputs=2, outputs=columns, adc=CONFIG.adc)
    chip = draw(config=config, weights=np.zeros((2, columns)))
    assert chip.adc.mismatch.shape == (columns, len(chip.adc.names))
    assert chip.offsets.shape == (columns,)
    assert chip.conductances.shape == (4, columns)
