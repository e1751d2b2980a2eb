"""Full scales from calibration data: percentiles, modes, what saturates, what a user sets."""

import numpy as np
import pytest

from cosim.blocks.ramp_adc.config import RampAdcConfig
from cosim.errors import CosimError
from cosim.tiles.calibration import calibrated, calibrated_together, clipping, mac_results
from cosim.tiles.config import TileConfig
from cosim.tiles.hardware import Hardware
from cosim.tiles.mapping import Layout, MappingConfig, layout_of
from cosim.tiles.matrix import TiledMatrix
from cosim.tiles.scaling import Scales, ScalingConfig

RNG = np.random.default_rng(11)
WEIGHTS = RNG.normal(0, 0.3, (40, 12)) * np.linspace(0.1, 1.0, 12)
SAMPLES = RNG.normal(0, 2.0, (1000, 40))
TILE = TileConfig(inputs=16, outputs=8, adc=RampAdcConfig(function="linear"))


def layout(mapping: MappingConfig | None = None, shape: tuple[int, int] = (40, 12)) -> Layout:
    return layout_of(*shape, TILE, mapping or MappingConfig())


def chosen(**settings: object) -> Scales:
    return calibrated(WEIGHTS, layout(), ScalingConfig(**settings), SAMPLES)  # type: ignore[arg-type]


@pytest.mark.parametrize("percentile", [90.0, 99.0, 99.9])
@pytest.mark.parametrize("mode", ["column", "tile", "layer", "network"])
def test_the_percentile_is_the_clipping_rate(percentile: float, mode: str) -> None:
    """By definition; to one sample, for a percentile lies between two."""
    scales = chosen(mode=mode, output_percentile=percentile, input_percentile=percentile)
    found = clipping(WEIGHTS, layout(), scales, SAMPLES)
    assert found.dac == pytest.approx(1 - percentile / 100, abs=1 / SAMPLES.size)
    columns = {"r0c0": 8, "r0c1": 4, "r1c0": 8, "r1c1": 4, "r2c0": 8, "r2c1": 4}
    assert set(found.adc) == set(columns)
    if mode in ("column", "tile"):
        for name, rate in found.adc.items():
            assert rate == pytest.approx(1 - percentile / 100, abs=1 / (1000 * columns[name]))
        assert found.worst == max(found.adc.values())
    else:  # one range for all tiles: the rate is that of all conversions together
        together = sum(rate * columns[name] for name, rate in found.adc.items()) / sum(columns.values())
        assert together == pytest.approx(1 - percentile / 100, abs=1 / (1000 * 36))


def test_at_the_maximum_nothing_saturates() -> None:
    scales = chosen(output_percentile=100.0)
    assert scales.s_x == np.abs(SAMPLES).max()
    found = clipping(WEIGHTS, layout(), scales, SAMPLES)
    assert (found.dac, found.worst) == (0.0, 0.0)


def test_each_mode_shares_what_it_says() -> None:
    column, tile, layer = (chosen(mode=mode) for mode in ("column", "tile", "layer"))
    assert np.shape(column.s_w) == (3, 12)
    np.testing.assert_array_equal(column.weight_scales(layout())[1], np.abs(WEIGHTS[16:32]).max(axis=0))
    assert np.shape(tile.s_w) == (3, 12)
    assert tile.weight_scales(layout())[1, 9] == np.abs(WEIGHTS[16:32, 8:]).max()
    assert np.shape(tile.a) == (3, 2, 1)
    assert layer.s_w == np.abs(WEIGHTS).max()
    assert np.ndim(layer.a) == 0


def test_one_scaling_of_a_network_gives_all_tiles_the_same_window_and_range() -> None:
    """Two layers, unlike in size and weights: the same s_x, s_w, s_y, so one w_max, one input pulse."""
    second = 0.2 * WEIGHTS[:20, :5]
    scales = calibrated_together(
        {"first": (WEIGHTS, layout(), SAMPLES), "second": (second, layout(shape=(20, 5)), SAMPLES[:, :20] * 0.3)},
        ScalingConfig(mode="network"),
    )
    assert scales["first"] == scales["second"]
    assert scales["first"].s_w == np.abs(WEIGHTS).max()
    hardware = Hardware(TILE)
    parts = [
        part
        for name, weights in (("first", WEIGHTS), ("second", second))
        for part in TiledMatrix(weights, hardware, scales=scales[name], fidelity="quantised").parts
    ]
    assert len({part.config.w_max for part in parts}) == 1
    s_y = np.concatenate([part.scale for part in parts])
    np.testing.assert_allclose(s_y, s_y[0], rtol=1e-12)
    # By layer they differ.
    own = calibrated_together(
        {"first": (WEIGHTS, layout(), SAMPLES), "second": (second, layout(shape=(20, 5)), SAMPLES[:, :20] * 0.3)},
        ScalingConfig(mode="layer"),
    )
    assert own["second"].s_w == pytest.approx(np.abs(second).max())
    assert own["second"].s_x < own["first"].s_x


def test_an_activation_keeps_a_scale_of_its_own_in_a_network() -> None:
    gates = WEIGHTS[:16, :4]
    scales = calibrated_together(
        {"fc": (WEIGHTS, layout(), SAMPLES), "gate": (gates, layout(shape=(16, 4)), SAMPLES[:, :16])},
        ScalingConfig(mode="network"), {"gate": "sigmoid"},
    )  # fmt: skip
    gate = scales["gate"]
    assert float(gate.a) * gate.s_x * float(gate.s_w) == pytest.approx(1.0, rel=1e-15)
    assert gate.s_w == np.abs(gates).max()


def test_what_the_user_sets_is_taken() -> None:
    scales = calibrated(WEIGHTS, layout(), ScalingConfig(s_x=3.0, s_w=2.0, s_y=12.0))
    assert (scales.s_x, scales.s_w, scales.a) == (3.0, 2.0, 2.0)
    mixed = chosen(s_x=3.0)
    assert mixed.s_x == 3.0
    assert mixed.weight_scales(layout())[0, 0] == np.abs(WEIGHTS[:16, 0]).max()


def test_mac_results_are_those_of_the_tiles() -> None:
    """With a pedestal, in units of s_x s_w: bit line j of the part holds sum x~ (w / s_w + pedestal)."""
    cut = layout(MappingConfig(signs="offset"))
    scales = Scales(100.0, 2.0, 1.0)
    block, results = next(iter(mac_results(WEIGHTS, cut, scales, SAMPLES)))
    assert block.name == "r0c0"
    pedestal = (TILE.device.g_max + TILE.device.g_min) / (TILE.device.g_max - TILE.device.g_min)
    x = SAMPLES[:, :16] / 100.0
    np.testing.assert_allclose(results[:, :8], x @ (WEIGHTS[:16, :8] / 2.0 + pedestal), rtol=0, atol=1e-12)
    np.testing.assert_allclose(results[:, 8], x.sum(axis=1) * pedestal, rtol=0, atol=1e-12)


def test_data_that_is_all_zero_fits_any_scale() -> None:
    scales = calibrated(np.zeros((40, 12)), layout(), ScalingConfig(), np.zeros((3, 40)))
    assert (scales.s_x, float(np.max(scales.a))) == (1.0, 1.0)


def test_bad_calibration_is_refused() -> None:
    with pytest.raises(CosimError, match="fc has no calibration data") as caught:
        calibrated(WEIGHTS, layout(), ScalingConfig(), name="fc")
    assert caught.value.key == "s_x"
    with pytest.raises(CosimError, match="no calibration data") as caught:
        calibrated(WEIGHTS, layout(), ScalingConfig(s_x=1.0))
    assert caught.value.key == "s_y"
    with pytest.raises(CosimError, match="does not fit matrix") as caught:
        calibrated(WEIGHTS, layout(), ScalingConfig(), SAMPLES[:, :39])
    assert caught.value.allowed == "(vectors, 40), at least one vector"
    with pytest.raises(CosimError, match="does not fit"):
        calibrated(WEIGHTS, layout(), ScalingConfig(), SAMPLES[:0])
    with pytest.raises(CosimError, match="must be finite"):
        calibrated(WEIGHTS, layout(), ScalingConfig(), SAMPLES * np.nan)
    with pytest.raises(CosimError, match="one s_y for all needs one s_w") as caught:
        calibrated(WEIGHTS, layout(), ScalingConfig(s_y=3.0), SAMPLES)
    assert caught.value.key == "s_y"
    with pytest.raises(CosimError, match="in its own unit"):
        calibrated(WEIGHTS[:16], layout(shape=(16, 12)), ScalingConfig(s_y=3.0), SAMPLES[:, :16], "tanh")
    with pytest.raises(CosimError, match="above zero") as caught:
        Scales(1.0, np.array([1.0, 0.0]), 1.0)
    assert (caught.value.key, caught.value.value) == ("s_w", 0.0)
    with pytest.raises(CosimError, match="do not fit the matrix") as caught:
        Scales(1.0, np.ones(7), 1.0).weight_scales(layout())
    assert caught.value.allowed == "(3, 12)"
