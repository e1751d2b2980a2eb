"""Tiles with a correction column, and arrays larger than what is used of them: conductances, wires, ngspice."""

import numpy as np
import pytest

from cosim.blocks.crossbar.elimination import effective_conductance
from cosim.blocks.ramp_adc.config import RampAdcConfig
from cosim.errors import CosimError
from cosim.spice import SimulatorPool
from cosim.tiles.array import program_array
from cosim.tiles.behavioural import BehaviouralTile
from cosim.tiles.config import Nonidealities, TileConfig, conductance_targets, input_pulse
from cosim.tiles.hardware import Hardware
from cosim.tiles.mapping import MappingConfig
from cosim.tiles.matrix import TiledMatrix
from cosim.tiles.spice import SpiceTile

RNG = np.random.default_rng(3)
WEIGHTS = RNG.normal(0, 1, (4, 3))
SAMPLES = RNG.normal(0, 1, (16, 4))
LINEAR = RampAdcConfig(bits=4, function="linear")
WIRES = (20.0, 30.0, 400.0, 50.0)


def tile(**settings: object) -> TileConfig:
    return TileConfig(**{"inputs": 4, "outputs": 3, "w_max": 2.0, "weight_bits": 4, "adc": LINEAR} | settings)


@pytest.mark.parametrize(("signs", "levels"), [("unipolar", 15), ("offset", 7)])
def test_conductances_of_weights_and_the_correction_column(signs: str, levels: int) -> None:
    config = tile(signs=signs)
    device = config.device
    weights = np.array([[2.0, 0.0, 1.0]] * 4) if signs == "unipolar" else np.array([[2.0, 0.0, -2.0]] * 4)
    targets = conductance_targets(weights, config)
    zero = device.g_min if signs == "unipolar" else (device.g_min + device.g_max) / 2
    assert targets.shape == (4, 4)
    assert config.levels == levels
    np.testing.assert_allclose(targets[0, [0, 1, 3]], [device.g_max, zero, zero], rtol=1e-12)
    last = device.g_min + np.rint(levels / 2) / levels * (device.g_max - device.g_min)
    np.testing.assert_allclose(targets[0, 2], last if signs == "unipolar" else device.g_min, rtol=0, atol=1e-18)


def test_the_window_of_an_offset_tile_takes_pulses_twice_as_long() -> None:
    """A weight of one has half the conductance."""
    assert input_pulse(tile(signs="offset")) == pytest.approx(2 * input_pulse(tile()), rel=1e-12)
    assert input_pulse(tile(signs="unipolar")) == input_pulse(tile())


@pytest.mark.parametrize("signs", ["differential", "unipolar", "offset"])
def test_unused_cells_load_the_wires_and_are_cut_from_the_matrix(signs: str) -> None:
    """Against the whole array solved by itself, its unused rows first, its unused columns last, all at G_min."""
    config = tile(signs=signs, array_inputs=7, array_outputs=5)
    lines, corrections = config.lines_per_input, config.bit_lines - 3
    weights = np.abs(np.clip(WEIGHTS, -2, 2)) if signs == "unipolar" else np.clip(WEIGHTS, -2, 2)
    cells = conductance_targets(weights, config)
    assert cells.shape == (7 * lines, 5 + corrections) == (config.array.rows, config.array.columns)
    small = conductance_targets(weights, tile(signs=signs))
    expected = np.full(cells.shape, config.device.g_min)
    expected[3 * lines :, : 3 + corrections] = small
    np.testing.assert_array_equal(cells, expected)
    made = program_array(cells, config, WIRES, law="linear", v_0=0.4, amplifier=False)
    whole = effective_conductance(cells, *WIRES)
    inputs = whole[0::2] - whole[1::2] if lines == 2 else whole
    scale = config.adc.v_read * input_pulse(config) / config.adc.c_fb
    np.testing.assert_allclose(made.matrix, inputs[3:, : 3 + corrections] * scale, rtol=1e-12)
    assert made.cell_results.shape == (4 * lines, 3 + corrections)
    alone = program_array(small, tile(signs=signs), WIRES, law="linear", v_0=0.4, amplifier=False)
    assert np.abs(made.matrix / alone.matrix - 1).max() > 1e-4  # the idle cells do load the wires


@pytest.mark.parametrize("input_mode", ["pulse width", "amplitude"])
@pytest.mark.parametrize("signs", ["differential", "offset"])
def test_sinh_cells_in_a_larger_array_are_those_of_idle_inputs(signs: str, input_mode: str) -> None:
    """The cut array at x is the whole array, taken as used, at x with zeros before it and zero weights around it."""
    settings: dict[str, object] = {"signs": signs, "input_mode": input_mode, "law": "sinh"}
    config, whole = tile(array_inputs=6, **settings), tile(inputs=6, **settings)
    cells = conductance_targets(np.clip(WEIGHTS, -2, 2), config)
    options = {"law": "sinh", "v_0": 0.4, "amplifier": False}
    cut = program_array(cells, config, WIRES, **options)  # type: ignore[arg-type]
    full = program_array(cells, whole, WIRES, **options)  # type: ignore[arg-type]
    x = np.clip(SAMPLES / 2, -1, 1)
    wide = np.concatenate((np.zeros((len(x), 2)), x), axis=1)
    np.testing.assert_allclose(cut.mac(x), full.mac(wide), rtol=0, atol=1e-12)


MAPPINGS = {
    "differential": MappingConfig(),
    "padded": MappingConfig(padding=True),
    "unipolar": MappingConfig(signs="unipolar"),
    "offset padded": MappingConfig(signs="offset", padding=True),
}


@pytest.mark.parametrize(
    ("mapping", "law"),
    [
        ("unipolar", "linear"),
        ("offset padded", "linear"),
        *(pytest.param(name, "linear", marks=pytest.mark.slow) for name in ("differential", "padded")),
        *(pytest.param(name, "sinh", marks=pytest.mark.slow) for name in MAPPINGS),
    ],
)
def test_a_part_in_ngspice_is_the_modelled_one(mapping: str, law: str, pool: SimulatorPool) -> None:
    """On the same chip, without noise, which no transient has. MAC results to 0.02 LSB, the crossbar model's error;
    codes equal but where a MAC result lies within 0.1 LSB of a threshold, the ADC model's error, and at least 97 %.
    """
    config = TileConfig(inputs=6, outputs=4, dac_bits=4, weight_bits=4, adc=LINEAR, law=law)  # type: ignore[arg-type]
    hardware = Hardware(config, pool=pool, nonidealities=Nonidealities().quiet())
    weights = np.abs(WEIGHTS) if mapping == "unipolar" else WEIGHTS
    scales = TiledMatrix.calibrated(weights, hardware, SAMPLES, mapping=MAPPINGS[mapping], fidelity="ideal").scales
    tiles = []
    for fidelity in ("spice", "behavioural"):
        made = TiledMatrix(weights, hardware, scales=scales, mapping=MAPPINGS[mapping], fidelity=fidelity)
        made.program(np.random.default_rng(1))
        tiles.append(made.parts[0].tile)
    spice, model = tiles
    assert isinstance(spice, SpiceTile)
    assert isinstance(model, BehaviouralTile)
    assert spice.chip is not None
    assert model.chip is not None
    np.testing.assert_array_equal(spice.chip.conductances, model.chip.conductances)
    model.load(spice.chip)  # with its comparators' own offsets
    x, unused = SAMPLES[:12] / scales.s_x, np.random.default_rng(0)
    mac, codes = spice.measure(x)
    modelled, lsb = model.mac(x, unused), 2.0 / 2**4
    np.testing.assert_allclose(mac, modelled, rtol=0, atol=0.02 * lsb)
    differing = codes != model.codes(x, unused)
    assert differing.mean() <= 0.03
    near = np.abs(modelled[:, :, None] - model.thresholds[None]).min(axis=2)
    assert (near[differing] < 0.1 * lsb).all()
    assert codes.shape == (12, model.config.bit_lines)
    assert np.ptp(codes) > 8  # over half of the range: something was converted


def test_a_matrix_in_ngspice_next_to_fast_parts(pool: SimulatorPool) -> None:
    """One of two row blocks simulated, correction columns subtracted, sums in units of the network."""
    config = TileConfig(inputs=2, outputs=3, dac_bits=4, weight_bits=4, adc=RampAdcConfig(bits=3, function="linear"))
    hardware = Hardware(config, pool=pool, nonidealities=Nonidealities().quiet())
    options = {"mapping": MappingConfig(signs="offset"), "samples": SAMPLES}
    results = {}
    for name, fidelity in (("mixed", {"r0c0": "spice", "*": "behavioural"}), ("model", "behavioural")):
        made = TiledMatrix.calibrated(WEIGHTS, hardware, fidelity=fidelity, **options)  # type: ignore[arg-type]
        made.program(np.random.default_rng(1))
        results[name] = made.forward(SAMPLES[:4], np.random.default_rng(2), np.float64)
    # The model's comparators are drawn from its statistics, ngspice's from their mismatch: one step of each conversion.
    step = made.parts[0].scale.max() * 2.0 / 2**3
    assert np.abs(results["mixed"] - results["model"]).max() <= 2 * step * (1 + 1e-9)
    assert np.abs(results["mixed"]).max() > step


def test_rooms_and_signs_that_do_not_fit_are_refused() -> None:
    with pytest.raises(CosimError, match="no room for the tile's inputs") as caught:
        tile(array_inputs=3)
    assert (caught.value.key, caught.value.value, caught.value.allowed) == ("array_inputs", 3, "4 or more")
    with pytest.raises(CosimError, match="must be linear") as caught:
        tile(signs="unipolar", adc=RampAdcConfig(bits=4, function="tanh"))
    assert caught.value.key == "signs"
    with pytest.raises(CosimError, match="does not fit the conductance window") as caught:
        conductance_targets(-np.ones((4, 3)), tile(signs="unipolar"))
    assert caught.value.allowed == "0 to 2 (w_max)"
