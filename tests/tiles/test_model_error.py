"""Injected model-form error: nothing from nothing, other draws untouched, sigmas that come out in codes; its file."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import norm

from cosim.blocks.ramp_adc.behaviour import RampAdcModel
from cosim.blocks.ramp_adc.config import RampAdcConfig
from cosim.blocks.recipes import shipped_model
from cosim.errors import CosimError
from cosim.tiles.behavioural import BehaviouralTile
from cosim.tiles.config import Nonidealities, TileConfig
from cosim.tiles.hardware import Hardware
from cosim.tiles.matrix import TiledMatrix
from cosim.tiles.model_error import ModelFormError, error_rng, load_model_error

pytestmark = pytest.mark.filterwarnings("ignore::cosim.blocks.domain.OutsideDomainWarning")

INPUTS, OUTPUTS = 6, 12
WEIGHTS = np.random.default_rng(1).uniform(-2, 2, (INPUTS, OUTPUTS))
VECTORS = np.random.default_rng(2).uniform(-1, 1, (700, INPUTS)).astype(np.float32)
ALL = ModelFormError(1e-3, 2e-3, 3e-3, -1e-3, 2e-3, 1e-3)


@pytest.fixture(scope="module")
def model() -> RampAdcModel:
    return shipped_model("ramp_adc").at(function="sigmoid", bits=5)  # type: ignore[no-any-return]


def tile_of(
    model: RampAdcModel, error: ModelFormError | None, on: Nonidealities | None = None, seed: int = 3, threads: int = 1,
    **changes: int,
) -> BehaviouralTile:  # fmt: skip
    config = TileConfig(**{"inputs": INPUTS, "outputs": OUTPUTS, **changes}, adc=model.config)
    tile = BehaviouralTile(config, model, on, threads=threads, model_error=error)
    weights = np.random.default_rng(1).uniform(-2, 2, (config.inputs, config.outputs))
    tile.program(weights, np.random.default_rng(seed))
    return tile


@pytest.mark.parametrize("on", [Nonidealities(), Nonidealities().quiet(), Nonidealities.none()])
def test_no_error_changes_no_bit(model: RampAdcModel, on: Nonidealities) -> None:
    plain, zero = tile_of(model, None, on), tile_of(model, ModelFormError(), on)
    for dtype in (np.float32, np.float64):
        batch = VECTORS.astype(dtype)
        expected = plain.codes(batch, np.random.default_rng(5))
        np.testing.assert_array_equal(zero.codes(batch, np.random.default_rng(5)), expected)
    np.testing.assert_array_equal(zero.thresholds, plain.thresholds)


def test_all_other_draws_stay(model: RampAdcModel) -> None:
    """The chip is the same to the last bit, and so is what the generator gives afterwards."""
    rngs = [np.random.default_rng(3) for _ in range(2)]
    plain, other = (
        BehaviouralTile(TileConfig(inputs=INPUTS, outputs=OUTPUTS, adc=model.config), model, model_error=error)
        for error in (None, ALL)
    )
    for tile, rng in zip((plain, other), rngs, strict=True):
        tile.program(WEIGHTS, rng)
    assert plain.chip is not None and other.chip is not None
    np.testing.assert_array_equal(plain.chip.conductances, other.chip.conductances)
    np.testing.assert_array_equal(plain.chip.offsets, other.chip.offsets)
    np.testing.assert_array_equal(plain.chip.adc.mismatch, other.chip.adc.mismatch)
    np.testing.assert_array_equal(plain.matrix, other.matrix)
    assert rngs[0].random() == rngs[1].random()
    assert rngs[0].spawn(1)[0].random() == rngs[1].spawn(1)[0].random()
    shifts = ALL.shifts(plain.thresholds.shape, error_rng(np.random.default_rng(3)))  # type: ignore[arg-type]
    np.testing.assert_allclose(other.thresholds - plain.thresholds, shifts / model.mac_gain(), rtol=0, atol=1e-12)


def test_a_chip_has_its_own_error_and_always_the_same(model: RampAdcModel) -> None:
    rng = np.random.default_rng(3)
    first, second = tile_of(model, ALL), tile_of(model, ALL)
    np.testing.assert_array_equal(first.thresholds, second.thresholds)
    second.program(WEIGHTS, rng)
    np.testing.assert_array_equal(first.thresholds, second.thresholds)
    quiet = BehaviouralTile(first.config, model, Nonidealities.none(), model_error=ALL)
    quiet.program(WEIGHTS, rng)
    before = quiet.thresholds
    quiet.program(WEIGHTS, rng)  # the same generator, another chip
    assert np.abs(quiet.thresholds - before).min() > 0


def test_the_static_parts_have_their_sigmas() -> None:
    """Of 4000 bit lines and 8 thresholds: standard deviations to 4 standard errors, sigma / sqrt(2 n)."""
    lines, thresholds = 4000, 8
    found = ALL.shifts((lines, thresholds), np.random.default_rng(1))
    assert found.mean() == pytest.approx(-2e-3, abs=4 * math.hypot(2e-3, 2e-3) / math.sqrt(lines))
    own = found - found.mean(axis=1, keepdims=True)
    single = math.sqrt((own**2).sum() / (lines * (thresholds - 1)))
    assert single == pytest.approx(1e-3, rel=4 / math.sqrt(2 * lines * (thresholds - 1)))
    column = math.sqrt(found.mean(axis=1).var(ddof=1) - single**2 / thresholds)
    assert column == pytest.approx(math.hypot(2e-3, 2e-3), rel=4 / math.sqrt(2 * lines))


@pytest.mark.parametrize(("name", "sign"), [("mac_mean", 1), ("threshold_mean", -1)])
def test_a_mean_moves_codes_as_a_shift_of_the_mac_result_would(model: RampAdcModel, name: str, sign: int) -> None:
    """More on the integrators, or thresholds that lie lower: the same codes as of a MAC result moved by that much."""
    shift = 2.5e-3  # [V]
    plain = tile_of(model, None, Nonidealities.none())
    other = tile_of(model, ModelFormError(**{name: sign * shift}), Nonidealities.none())
    mac = plain.mac(VECTORS, np.random.default_rng(0))
    expected = plain.converter.codes(mac + shift / model.mac_gain())
    found = other.codes(VECTORS, np.random.default_rng(0))
    # The tile works in float32, 1e-6 of full scale: a code in 10^5 may differ.
    assert (found != expected).mean() < 1e-3
    assert (expected != plain.codes(VECTORS, np.random.default_rng(0))).mean() > 0.01  # it is seen


@pytest.mark.parametrize("adc_noise", [False, True])
def test_what_changes_from_conversion_to_conversion_comes_out_in_the_codes(
    model: RampAdcModel, adc_noise: bool
) -> None:
    """A MAC result at distance d below a threshold passes it with the probability Phi(-d / s), s the error's sigma and
    the converter's own noise in quadrature; shares of 40000 conversions to 4 binomial standard errors."""
    sigma, count = 3e-3, 40_000  # [V]
    on = Nonidealities.only("adc_noise") if adc_noise else Nonidealities.none()
    tile = tile_of(model, ModelFormError(mac_conversion=sigma), on, outputs=3)
    vector = np.random.default_rng(7).uniform(-1, 1, (1, INPUTS))
    mac = tile.mac(vector, np.random.default_rng(0))[0]
    codes = tile.codes(np.repeat(vector, count, axis=0), np.random.default_rng(8))
    own = 0.0
    if adc_noise:
        column = tile._column(tile.chip)  # type: ignore[arg-type]
        own = float(model.noise_voltages(column.ramp, column.bias, bias_sign=column.bias_sign).mean())
        assert own > 0
    total = math.hypot(sigma, own) / model.mac_gain()
    for line in range(3):
        nearest = int(np.abs(tile.thresholds[line] - mac[line]).argmin())
        expected = norm.cdf((mac[line] - tile.thresholds[line, nearest]) / total)
        found = (codes[:, line] > nearest).mean()
        # The converter's noise differs by a few per cent from threshold to threshold; its mean is taken above.
        assert found == pytest.approx(expected, abs=4 * math.sqrt(expected * (1 - expected) / count) + 2e-3 * adc_noise)


def test_threads_do_not_change_it(model: RampAdcModel) -> None:
    batch = np.random.default_rng(9).uniform(-1, 1, (2000, INPUTS)).astype(np.float32)
    one, two = (tile_of(model, ALL, threads=threads).codes(batch, np.random.default_rng(1)) for threads in (1, 2))
    np.testing.assert_array_equal(one, two)


def test_a_loaded_chip_needs_a_generator(model: RampAdcModel) -> None:
    chip = tile_of(model, None).chip
    other = tile_of(model, ALL)
    assert chip is not None
    with pytest.raises(CosimError, match="a generator is needed"):
        other.load(chip)
    other.load(chip, np.random.default_rng(1))


def test_compiled_grids_have_it_too() -> None:
    """Static parts: the codes of the tiles themselves, but for one in 10^5. What changes: as much spread as theirs, to
    four standard errors sigma / sqrt(2 n) of 4000 results a column."""
    rng = np.random.default_rng(5)
    weights, x = rng.normal(0, 0.3, (20, 10)), rng.normal(0, 1, (1000, 20)).astype(np.float32)
    tile = TileConfig(inputs=8, outputs=4, adc=RampAdcConfig(bits=8, function="linear"))
    for error, repeats in ((replace(ALL, mac_conversion=0.0), 1), (ModelFormError(mac_conversion=20e-3), 4)):
        hardware = Hardware(tile, nonidealities=Nonidealities.none(), model_error={"m": error})
        plain, other = (
            TiledMatrix.calibrated(weights, each, x, name="m")
            for each in (replace(hardware, model_error=None), hardware)
        )
        for each in (plain, other):
            each.program(np.random.default_rng(1))
        assert other.grid is not None
        by_grid, by_parts = (
            np.concatenate([way(x, np.random.default_rng((9, k))) for k in range(repeats)])
            for way in (other.forward, other.by_parts)
        )
        before = np.tile(plain.forward(x, np.random.default_rng(9)), (repeats, 1))
        assert (by_grid != before).mean() > 0.2
        if repeats == 1:
            assert (np.abs(by_grid - by_parts) > 1e-5).mean() < 1e-3
        else:
            found, expected = ((each - before).std(axis=0) for each in (by_grid, by_parts))
            np.testing.assert_allclose(found, expected, rtol=4 * math.sqrt(2) / math.sqrt(2 * 4000))


# --- file


def test_what_is_saved_is_read_again(tmp_path: Path) -> None:
    error = ModelFormError(1e-4, 2e-4, 3e-4, 4e-4, 5e-4, 6e-4, {"conversions": 2048})
    path = error.save(tmp_path / "error.json")
    again = load_model_error(path)
    assert again == error
    assert again.provenance == {"conversions": 2048}
    assert error.scaled(2.0).numbers == {name: 2 * value for name, value in error.numbers.items()}


@pytest.mark.parametrize(
    ("text", "message", "key"),
    [
        ("{", "not a JSON file", None),
        ("[]", "not a model-form error", "schema"),
        ('{"schema": "cosim.model/1"}', "not a model-form error", "schema"),
        ('{"schema": "cosim.model_form_error/1"}', "missing or unknown", "mac_column"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, text: str, message: str, key: str | None) -> None:
    path = tmp_path / "error.json"
    path.write_text(text)
    with pytest.raises(CosimError, match=message) as caught:
        load_model_error(path)
    assert (caught.value.file, caught.value.key) == (str(path), key)


@pytest.mark.parametrize("value", ["a lot", True, -1e-3, float("nan")])
def test_numbers_that_are_none_are_refused_with_their_name(tmp_path: Path, value: object) -> None:
    path = ALL.save(tmp_path / "error.json")
    path.write_text(json.dumps(json.loads(path.read_text()) | {"mac_column": value}))
    with pytest.raises(CosimError) as caught:
        load_model_error(path)
    assert (caught.value.file, caught.value.key) == (str(path), "mac_column")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CosimError, match="cannot be read") as caught:
        load_model_error(tmp_path / "none.json")
    assert caught.value.file == str(tmp_path / "none.json")


def test_a_generator_without_a_seed_of_its_own_is_refused() -> None:
    class Other(np.random.bit_generator.ISpawnableSeedSequence):  # type: ignore[misc]
        def generate_state(self, n_words: int, dtype: object = np.uint32) -> np.ndarray:
            return np.ones(n_words, dtype=dtype)  # type: ignore[call-overload, no-any-return]

        def spawn(self, n_children: int) -> list["Other"]:
            return [Other() for _ in range(n_children)]

    with pytest.raises(CosimError, match="made of a seed"):
        error_rng(np.random.Generator(np.random.PCG64(Other())))
