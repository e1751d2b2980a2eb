"""A grid of tiles is the tiles themselves: code for code without noise, of the same distribution with it."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from cosim.blocks.ramp_adc.behaviour import RampAdcModel
from cosim.blocks.recipes import shipped_model
from cosim.errors import CosimError
from cosim.tiles.behavioural import BehaviouralTile
from cosim.tiles.config import Nonidealities, TileConfig
from cosim.tiles.grid import Grid, Patches
from cosim.tiles.grid_parts import GridPart, Packable, reason_against
from cosim.tiles.hardware import Hardware
from cosim.tiles.matrix import TiledMatrix
from cosim.tiles.quantised import IdealTile, QuantisedTile

QUIET = Nonidealities().quiet()
LSB = 2 / 2**8  # of the linear 8-bit converter
# Of sums in float32: some 1e-6 of full scale, so a code in 10^5 may be another one (`behavioural`); of y, its rounding.
OTHER_CODES, ROUNDING = 1e-4, 1e-5


@pytest.fixture(scope="module")
def linear() -> RampAdcModel:
    return shipped_model("ramp_adc").at(function="linear", bits=8)


def tile_of(
    model: RampAdcModel,
    weights: np.ndarray,
    on: Nonidealities | None,
    seed: int,
    read_noise: float = 0.01,
    **changes: object,
) -> Packable:
    """`on` None: quantised."""
    inputs, outputs = weights.shape
    config = TileConfig(
        **{"inputs": inputs, "outputs": outputs, "dac_bits": 8, "weight_bits": 8, "adc": model.config, **changes}
    )
    device = replace(config.device, read_noise=read_noise)
    tile: Packable = QuantisedTile(config) if on is None else BehaviouralTile(config, model, on, device)
    tile.program(weights, np.random.default_rng(seed))
    return tile


def grid_parts(
    model: RampAdcModel, weights: np.ndarray, on: Nonidealities | None, most: int = 20, **changes: object
) -> list[GridPart]:
    """Blocks of rows; columns have scales of their own."""
    scales = np.linspace(0.5, 2.0, weights.shape[1])
    return [
        GridPart(tile_of(model, weights[first : first + most], on, first, **changes),
                 np.arange(first, min(first + most, len(weights))), 0, scales * (1 + first))
        for first in range(0, len(weights), most)
    ]  # fmt: skip


def by_tiles(parts: list[GridPart], rows: np.ndarray, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return sum(part.tile.forward(rows[:, part.inputs], rng) * part.scales for part in parts)


def vectors(batch: int, inputs: int, beyond: float = 1.1) -> np.ndarray:
    return np.random.default_rng(3).uniform(-beyond, beyond, (batch, inputs)).astype(np.float32)


def weights_of(inputs: int, outputs: int, size: float = 0.3) -> np.ndarray:
    return np.clip(np.random.default_rng(4).normal(0, size, (inputs, outputs)), -2, 2)


def assert_same(found: np.ndarray, wanted: np.ndarray, step: float) -> None:
    off = np.abs(found - wanted) > ROUNDING * np.abs(wanted).max()
    assert off.mean() <= OTHER_CODES
    assert np.abs(found - wanted).max() <= 1.01 * step


@pytest.mark.parametrize("dac_sigma", [0.0, 0.3])
@pytest.mark.parametrize(("inputs", "outputs"), [(1, 1), (45, 7), (50, 16), (41, 33), (20, 64)])
def test_without_noise_it_is_the_tiles_code_for_code(
    linear: RampAdcModel, inputs: int, outputs: int, dac_sigma: float
) -> None:
    parts = grid_parts(linear, weights_of(inputs, outputs), QUIET, dac_sigma=dac_sigma)
    rows = vectors(333, inputs)
    found = Grid(parts, outputs, threads=2).forward(rows, np.random.default_rng(1))
    assert found.dtype == np.float32
    assert_same(found, by_tiles(parts, rows), LSB * max(np.max(part.scales) for part in parts))


def test_quantised_tiles_too(linear: RampAdcModel) -> None:
    parts = grid_parts(linear, weights_of(45, 17), None)
    rows = vectors(200, 45)
    found = Grid(parts, 17).forward(rows, np.random.default_rng(1))
    # Sums of codes are whole numbers, exact in float32 in any order: no code differs at all.
    np.testing.assert_allclose(found, by_tiles(parts, rows), rtol=0, atol=ROUNDING * 100)


def test_an_amplifier_at_its_limit_lets_its_bit_line_go(linear: RampAdcModel) -> None:
    weights = np.where(np.arange(7) % 3 == 0, 1.9, 0.1) * np.ones((30, 1))
    parts = grid_parts(linear, weights, QUIET, most=30)
    rows = np.random.default_rng(3).uniform(-1, 1, (400, 30)).astype(np.float32)
    rows[::2] = np.abs(rows[::2])
    tile = parts[0].tile
    assert isinstance(tile, BehaviouralTile)
    low, high = tile.array.limits
    free = tile._values(rows) @ tile.matrix
    assert (free > high).any() and (free < low).any() and ((free > low) & (free < high)).any()
    assert np.abs(tile.array.mac(tile._values(rows)) - free).max() > 0.1
    found = Grid(parts, 7).forward(rows, np.random.default_rng(1))
    assert_same(found, by_tiles(parts, rows), LSB * np.max(parts[0].scales))


@pytest.mark.parametrize("signs", ["offset", "unipolar"])
@pytest.mark.parametrize("on", [QUIET, None])
def test_a_correction_column_is_taken_off(linear: RampAdcModel, signs: str, on: Nonidealities | None) -> None:
    parts = grid_parts(linear, np.abs(weights_of(30, 18, 0.05)), on, signs=signs)
    if on is None:  # the pedestal is no whole number of steps
        assert "no whole numbers" in str(reason_against([part.tile for part in parts]))
        return
    rows = vectors(150, 30, 0.5)
    found = Grid(parts, 18).forward(rows, np.random.default_rng(1))
    assert_same(found, by_tiles(parts, rows), 2 * LSB * max(np.max(part.scales) for part in parts))


@pytest.mark.parametrize(
    "patches",
    [
        Patches((3, 3), (1, 1), (1, 1, 1, 1)),
        Patches((3, 2), (2, 1), (0, 2, 1, 0)),
        Patches((2, 3), (1, 2), (0, 0, 0, 0), (2, 1)),
        Patches((1, 1)),
    ],
)
@pytest.mark.parametrize("batch", [1, 5, 40])
def test_patches_of_images_are_rows(linear: RampAdcModel, patches: Patches, batch: int) -> None:
    images = vectors(batch, 9 * 8 * 3).reshape(batch, 9, 8, 3)
    (down, right), (above, below, left, after) = patches.kernel, patches.padding
    parts = grid_parts(linear, weights_of(down * right * 3, 5), QUIET)
    padded = np.pad(images, ((0, 0), (above, below), (left, after), (0, 0)))
    height, width = patches.places(9, 8)
    rows = np.empty((batch, height, width, down, right, 3), dtype=np.float32)
    for y in range(height):
        for x in range(width):
            for i in range(down):
                for j in range(right):
                    at = (
                        y * patches.stride[0] + i * patches.dilation[0],
                        x * patches.stride[1] + j * patches.dilation[1],
                    )
                    rows[:, y, x, i, j] = padded[:, at[0], at[1]]
    grid = Grid(parts, 5, scale=1.0)
    found = grid.images(images, patches, np.random.default_rng(1), constant=np.arange(5))
    wanted = by_tiles(parts, rows.reshape(-1, down * right * 3)).reshape(batch, height, width, 5) + np.arange(5)
    assert_same(found, wanted, LSB * max(np.max(part.scales) for part in parts))


@pytest.mark.parametrize("dac_sigma", [0.0, 0.2])
def test_the_number_of_threads_makes_no_difference(linear: RampAdcModel, dac_sigma: float) -> None:
    parts = grid_parts(linear, weights_of(45, 20), Nonidealities(), dac_sigma=dac_sigma)
    rows = vectors(3000, 45)
    one, *others = (Grid(parts, 20, threads=threads).forward(rows, np.random.default_rng(1)) for threads in (1, 2, 3))
    for other in others:
        np.testing.assert_array_equal(one, other)


def test_noise_has_the_distribution_of_the_tiles(linear: RampAdcModel) -> None:
    """Read noise, converter's own noise and the ramp's, which all columns of a row share."""
    parts = grid_parts(linear, weights_of(40, 20, 0.1), Nonidealities(), most=40, read_noise=0.1)
    repeats = 8000
    rows = np.tile(vectors(1, 40), (repeats, 1))
    found = Grid(parts, 20, threads=2).forward(rows, np.random.default_rng(1)) / parts[0].scales / LSB
    wanted = by_tiles(parts, rows, 2) / parts[0].scales / LSB
    assert wanted.std(axis=0).min() > 0.2
    # Each column's codes: two samples of one discrete distribution; 20 tests at 1e-4 fail once in 500 seeds.
    for column in range(20):
        codes = np.rint(np.stack([found[:, column], wanted[:, column]]) - 0.5)
        table = np.stack([[(each == code).sum() for each in codes] for code in np.unique(codes)])
        table = table[table.sum(axis=1) >= 20]
        if len(table) > 1:
            assert stats.chi2_contingency(table).pvalue > 1e-4
    # Rows and columns are independent but for the ramp, whose noise makes columns of a row agree.
    ours, theirs = (np.corrcoef(each.T)[np.triu_indices(20, 1)].mean() for each in (found, wanted))
    assert abs(ours - theirs) < 5 / np.sqrt(repeats)
    next_row = np.mean([np.corrcoef(found[:-1, n], found[1:, n])[0, 1] for n in range(20)])
    assert abs(next_row) < 5 / np.sqrt(20 * repeats)


def test_other_keys_give_other_noise_and_the_same_keys_the_same(linear: RampAdcModel) -> None:
    grid = Grid(grid_parts(linear, weights_of(20, 20, 0.1), Nonidealities()), 20)
    rows = vectors(50, 20)
    first, again, other = (grid.forward(rows, np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).mean() > 0.1


def test_what_cannot_be_a_grid_is_said(linear: RampAdcModel) -> None:
    weights = weights_of(10, 4)
    quiet, quantised = tile_of(linear, weights, QUIET, 0), tile_of(linear, weights, None, 0)
    config = quiet.config
    unprogrammed = BehaviouralTile(config, linear)
    falling = shipped_model("ramp_adc").at(function="gelu", bits=5)
    sinh = tile_of(linear, weights, QUIET, 0, law="sinh")
    for tiles, reason in (
        ([quiet, quantised], "different fidelities"),
        ([unprogrammed], "not programmed"),
        ([QuantisedTile(config)], "not programmed"),
        ([IdealTile(config)], "no kernel"),
        ([tile_of(linear, weights, Nonidealities.none(), 0)], "lie on thresholds"),
        ([sinh], "not linear"),
        ([tile_of(falling, weights, QUIET, 0)], "also falls"),
        ([quiet, tile_of(linear, weights, QUIET, 0, dac_bits=5)], "different DACs"),
        ([quiet, tile_of(linear, weights, QUIET, 0, dac_sigma=0.1)], "different DACs"),
    ):
        assert reason in str(reason_against(tiles))
    with pytest.raises(CosimError, match="not programmed"):
        Grid([GridPart(unprogrammed, np.arange(10), 0)], 4)


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_inputs_that_are_not_finite_are_refused(linear: RampAdcModel, wrong: float) -> None:
    grid = Grid(grid_parts(linear, weights_of(20, 4), QUIET), 4)
    rows = vectors(70, 20)
    rows[66, 19] = wrong
    with pytest.raises(CosimError, match="finite"):
        grid.forward(rows, np.random.default_rng(0))


def test_no_rows_give_no_results_and_small_images_are_refused(linear: RampAdcModel) -> None:
    grid = Grid(grid_parts(linear, weights_of(18, 4), QUIET), 4)
    assert grid.forward(np.zeros((0, 18), np.float32), np.random.default_rng(0)).shape == (0, 4)
    with pytest.raises(CosimError, match="smaller than the kernel"):
        grid.images(np.zeros((1, 2, 2, 2), np.float32), Patches((3, 3)), np.random.default_rng(0))


def test_a_model_form_error_counts_in_a_grid(linear: RampAdcModel) -> None:
    from cosim.tiles.model_error import ModelFormError

    weights = weights_of(20, 4, 0.1)
    config = tile_of(linear, weights, QUIET, 0).config
    tile = BehaviouralTile(config, linear, QUIET, model_error=ModelFormError(mac_conversion=0.02, threshold_mean=0.05))
    tile.program(weights, np.random.default_rng(0))
    part = GridPart(tile, np.arange(20), 0)
    rows = np.tile(vectors(1, 20), (4000, 1))
    found = Grid([part], 4).forward(rows, np.random.default_rng(1))
    wanted = by_tiles([replace(part)], rows)
    spread = wanted.std(axis=0)
    assert spread.min() > LSB
    np.testing.assert_allclose(found.mean(axis=0), wanted.mean(axis=0), atol=5 * spread.max() * np.sqrt(2 / 4000))
    np.testing.assert_allclose(found.std(axis=0), spread, rtol=5 * np.sqrt(1 / 4000))


def test_a_matrix_takes_the_grid_for_float32_and_forgets_it_with_the_chip(linear: RampAdcModel) -> None:
    weights = np.random.default_rng(5).normal(0, 0.3, (50, 30))
    tile = TileConfig(inputs=16, outputs=12, dac_bits=8, weight_bits=8, adc=linear.config)
    hardware = Hardware(tile, {"linear": linear}, nonidealities=QUIET, threads=2)
    rows = vectors(300, 50, 3.0)
    matrix = TiledMatrix.calibrated(weights, hardware, rows)
    rng = np.random.default_rng(1)
    answers = []
    for chip in range(2):
        matrix.program(np.random.default_rng(chip))
        found, wanted = matrix.forward(rows, rng), matrix.by_parts(rows, rng)
        assert_same(found, wanted, LSB * max(part.scale.max() for part in matrix.parts))
        answers.append(found)
    assert np.abs(answers[0] - answers[1]).max() > LSB * min(part.scale.min() for part in matrix.parts)
    matrix.trim(rows, rng)
    trimmed = matrix.forward(rows, rng)
    assert_same(trimmed, matrix.by_parts(rows, rng), LSB * max(part.scale.max() for part in matrix.parts))
    assert np.abs(trimmed - answers[1]).max() > 1e-3
    with pytest.raises(CosimError, match="matrix: inputs must be finite"):
        matrix.forward(np.full((1, 50), np.nan, np.float32), rng)
    with pytest.raises(CosimError, match="do not fit matrix"):
        matrix.forward(np.zeros((1, 49), np.float32), rng)
