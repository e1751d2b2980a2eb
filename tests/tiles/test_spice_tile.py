"""The tile in ngspice: charge, limits, agreement with the behavioural tile on the same chip, failures."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cosim.blocks import ramp_adc
from cosim.blocks.crossbar.config import CellKind, CrossbarConfig
from cosim.blocks.ramp_adc.behaviour import RampAdcModel
from cosim.blocks.ramp_adc.config import RampAdcConfig
from cosim.blocks.ramp_adc.timing import EDGE
from cosim.errors import CosimError
from cosim.resources import netlist_path
from cosim.spice import SimulatorPool
from cosim.tiles.agreement import agreement
from cosim.tiles.behavioural import BehaviouralTile
from cosim.tiles.chip import draw_tile_chip
from cosim.tiles.config import SETTLING, Nonidealities, TileConfig, input_pulse
from cosim.tiles.quantise import dac_codes, dac_values
from cosim.tiles.spice import SpiceTile

# Six chips say little of the spread of offsets, so some that are drawn later lie outside what was seen.
pytestmark = pytest.mark.filterwarnings("ignore::cosim.blocks.domain.OutsideDomainWarning")

INPUTS, OUTPUTS, BITS = 4, 3, 3
WEIGHTS = np.random.default_rng(3).uniform(-2, 2, (INPUTS, OUTPUTS))
VECTORS = np.random.default_rng(4).uniform(-1, 1, (8, INPUTS))
NO_WIRES = CrossbarConfig(r_wire_row=0, r_wire_column=0, r_driver=0, r_clamp=0)
UNUSED = np.random.default_rng(0)  # a transient draws nothing
QUIET = Nonidealities().quiet()


def config(adc: RampAdcConfig, crossbar: CrossbarConfig | None = None, **changes: object) -> TileConfig:
    sizes = {"inputs": INPUTS, "outputs": OUTPUTS, "dac_bits": BITS, "weight_bits": BITS, **changes}
    return TileConfig(**sizes, adc=adc, crossbar=crossbar or CrossbarConfig())


def programmed(settings: TileConfig, pool: SimulatorPool, cell: CellKind = "linear") -> SpiceTile:
    tile = SpiceTile(settings, pool, cell)
    tile.program(WEIGHTS, np.random.default_rng(1))
    return tile


def mac_voltages(tile: SpiceTile, vectors: np.ndarray) -> np.ndarray:
    """Voltages of the integrators above V_CLP at the end of the first deck, shape (vectors, outputs)."""
    adc, bits = tile.config.adc, tile.config.dac_bits
    results = tile.pool.run([tile.array_deck(codes) for codes in dac_codes(vectors, bits)])
    return np.array([[result[f"v(o{column})"][-1] for column in range(tile.outputs)] for result in results]) - adc.v_clp


def charges(tile: SpiceTile, vectors: np.ndarray) -> np.ndarray:
    """V_read T sum_i x_i (G+ - G-) [C], shape (vectors, outputs)."""
    assert tile.chip is not None
    cells, bits = tile.chip.conductances, tile.config.dac_bits
    x = dac_values(dac_codes(vectors, bits), bits)
    return tile.config.adc.v_read * input_pulse(tile.config) * x @ (cells[0::2] - cells[1::2])


def model_of(tile: SpiceTile, model: RampAdcModel) -> BehaviouralTile:
    """The behavioural tile on the same chip."""
    assert tile.chip is not None
    other = BehaviouralTile(tile.config, model, QUIET)
    other.load(tile.chip)
    return other


# --- charge


def test_without_wires_and_with_an_ideal_amplifier_the_charge_is_on_c_fb(pool: SimulatorPool) -> None:
    """What is left of a bandwidth of 100 GHz is G / (w_u C_fb), 3e-5 with 20 pF; trapezoids add less."""
    adc = RampAdcConfig(bits=BITS, amplifier_gain=1e7, amplifier_gbw=1e11, c_fb=20e-12, t_pulse=40e-9, t_clock=60e-9)
    tile = programmed(config(adc, NO_WIRES), pool)
    expected = charges(tile, VECTORS) / adc.c_fb
    assert np.abs(expected).max() > 0.05
    np.testing.assert_allclose(mac_voltages(tile, VECTORS), expected, rtol=0, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize(("gain", "gbw"), [(1e4, 1e9), (1e3, 1e8)])
def test_amplifier_without_wires_is_the_closed_form(pool: SimulatorPool, gain: float, gbw: float) -> None:
    """(C (1 + 1/A) + C_bl / A + G_j (1 / w_u + t_hold / A)) V_j = Q_j.

    t_hold is the mean duration of an output that rises for half the longest pulse; the true one of each vector is off
    by up to a quarter of a pulse (6 ns), which at a gain of 1000 and G of 0.4 mS is 6 ns G / (A C) = 5e-4 of at most
    0.16 V.
    """
    tile = programmed(config(RampAdcConfig(bits=BITS, amplifier_gain=gain, amplifier_gbw=gbw), NO_WIRES), pool)
    assert tile.chip is not None
    adc, g = tile.config.adc, tile.chip.conductances.sum(axis=0)
    hold = 0.75 * input_pulse(tile.config) + SETTLING
    capacitance = adc.c_fb * (1 + 1 / gain) + adc.c_bitline / gain + g * (1 / (2 * np.pi * gbw) + hold / gain)
    found, expected = mac_voltages(tile, VECTORS), charges(tile, VECTORS) / capacitance
    np.testing.assert_allclose(found, expected, rtol=0, atol=80e-6)
    # The correction itself is at least 10 times larger than what is left, so it was tested.
    assert np.abs(found - charges(tile, VECTORS) / adc.c_fb).max() > 1e-3


def test_zero_input_leaves_the_integrators_at_v_clp(pool: SimulatorPool, models: dict[str, RampAdcModel]) -> None:
    """No source moves, so it is the operating point: vntol is 1 uV."""
    tile = programmed(config(models["sigmoid"].config), pool)
    assert np.abs(mac_voltages(tile, np.zeros((1, INPUTS)))).max() < 1e-6


def test_the_sign_of_an_input_is_the_side_of_its_pair(pool: SimulatorPool, models: dict[str, RampAdcModel]) -> None:
    tile = programmed(config(models["sigmoid"].config), pool)
    up, down = mac_voltages(tile, np.concatenate([VECTORS[:2], -VECTORS[:2]])).reshape(2, 2, OUTPUTS)
    # All is linear; 1 uV is the tolerance of the solver.
    np.testing.assert_allclose(up, -down, rtol=0, atol=2e-6)


def test_what_is_beyond_the_ramp_saturates(pool: SimulatorPool, models: dict[str, RampAdcModel]) -> None:
    tile = SpiceTile(config(models["tanh"].config), pool)
    tile.program(np.full((INPUTS, OUTPUTS), 2.0), np.random.default_rng(1))
    codes = tile.codes(np.array([np.ones(INPUTS), -np.ones(INPUTS)]), UNUSED)
    assert codes.tolist() == [[2**BITS - 1] * OUTPUTS, [0] * OUTPUTS]
    assert tile.counts.undecided == 0


# --- against the behavioural tile


@pytest.mark.parametrize("function", ["sigmoid", "tanh"])
def test_linear_cells_agree_with_the_behavioural_tile(
    pool: SimulatorPool, models: dict[str, RampAdcModel], function: str
) -> None:
    """Voltages within 100 uV, 1 % of the width of the narrowest code of a 5-bit sigmoid (10 mV).

    A conversion whose MAC result is more than the threshold error (0.02 LSB) from a threshold cannot differ.
    """
    tile = programmed(config(models[function].config), pool)
    model = model_of(tile, models[function])
    expected = model.mac(VECTORS, UNUSED) * models[function].mac_gain()
    np.testing.assert_allclose(mac_voltages(tile, VECTORS), expected, rtol=0, atol=100e-6)
    found = agreement(tile.codes(VECTORS, UNUSED), model.codes(VECTORS, UNUSED))
    assert found.conversions == VECTORS.shape[0] * OUTPUTS
    assert found.equal >= 0.98
    assert found.largest <= 1
    assert tile.counts.undecided == 0
    assert tile.counts.conversions == found.conversions


@pytest.mark.parametrize("function", ["sigmoid", "tanh"])
def test_sinh_cells_agree_at_a_fixed_read_voltage(
    pool: SimulatorPool, models: dict[str, RampAdcModel], function: str
) -> None:
    """At V_read a sinh cell conducts what a linear one does. In series with the driver (100 ohm) a cell of 150 uS
    sees 1.5 % less, where its secant falls by (V / V_0)^2 / 3 = 7 % of that: 0.1 % of the largest voltage, and as
    much again for the wires, which at this size are shorter than the driver."""
    tile = programmed(config(models[function].config), pool, "sinh")
    model = model_of(tile, models[function])
    expected = model.mac(VECTORS, UNUSED) * models[function].mac_gain()
    found = mac_voltages(tile, VECTORS)
    np.testing.assert_allclose(found, expected, rtol=0, atol=0.002 * np.abs(expected).max())
    assert np.abs(found - expected).max() > 20e-6  # they are not linear
    counted = agreement(tile.codes(VECTORS, UNUSED), model.codes(VECTORS, UNUSED))
    assert counted.equal >= 0.98
    assert counted.largest <= 1


def test_the_smallest_tile_goes_through_all_codes(pool: SimulatorPool, models: dict[str, RampAdcModel]) -> None:
    settings = config(models["tanh"].config, inputs=1, outputs=1, dac_bits=8)
    tile = SpiceTile(settings, pool)
    tile.program(np.array([[2.0]]), np.random.default_rng(2))
    sweep = np.linspace(-1, 1, 24)[:, None]
    codes = tile.codes(sweep, UNUSED)
    assert (np.diff(codes[:, 0]) >= 0).all()
    assert set(codes[:, 0]) == set(range(2**BITS))
    found = agreement(codes, model_of(tile, models["tanh"]).codes(sweep, UNUSED))
    assert found.equal >= 0.95  # one of 24 may lie within 0.02 LSB of a threshold
    assert found.largest <= 1


@pytest.mark.slow
@pytest.mark.parametrize(("function", "cell"), [("sigmoid", "linear"), ("tanh", "linear"), ("tanh", "sinh")])
def test_a_full_size_tile_of_five_bits_agrees(pool: SimulatorPool, function: str, cell: CellKind) -> None:
    with SimulatorPool(2) as keeping:
        model = ramp_adc.fit(
            ramp_adc.characterise(
                ramp_adc.Config(bits=5, function=function), chips=6, v_reads=(), pool=keeping, show_progress=False
            )
        )
    rng = np.random.default_rng(6)
    tile = SpiceTile(TileConfig(adc=model.config), pool, cell)
    tile.program(np.clip(rng.normal(0, 0.5, (41, 32)), -2, 2), rng)
    vectors = rng.uniform(-1, 1, (2, 41))
    other = model_of(tile, model)
    expected = other.mac(vectors, UNUSED) * model.mac_gain()
    inside = np.abs(expected) < 0.5
    # Linear: 0.05 % of half a volt. Sinh: drops of some 10 % in wires and drivers, where the secant falls by 7 %.
    tolerance = 250e-6 if cell == "linear" else 5e-3
    np.testing.assert_allclose(mac_voltages(tile, vectors)[inside], expected[inside], rtol=0, atol=tolerance)
    found = agreement(tile.codes(vectors, UNUSED), other.codes(vectors, UNUSED))
    assert found.equal >= (0.96 if cell == "linear" else 0.85)  # of 64: two or so may be close to a threshold
    assert found.largest <= 1


def test_offsets_are_those_the_comparators_show(pool: SimulatorPool, models: dict[str, RampAdcModel]) -> None:
    """The `.op` with feedback gives each comparator's trip point; a comparator without mismatch has none of its own."""
    tile = programmed(config(models["sigmoid"].config), pool)
    assert tile.chip is not None
    assert np.isfinite(tile.chip.offsets).all()
    sigma = models["sigmoid"].value("offset_sigma")
    assert len(set(tile.chip.offsets)) == OUTPUTS
    assert np.abs(tile.chip.offsets).max() < 6 * sigma + abs(models["sigmoid"].value("offset_mean"))


def test_v_read_cancels_in_a_whole_tile(pool: SimulatorPool, models: dict[str, RampAdcModel]) -> None:
    """Array, integrators and pulses are linear in V_read, so that MAC results stay to the solver's 2 uV of 0.1 V.

    The comparators know volts: their offset (3 mV) and lag move a threshold by up to a third of themselves in units
    of the MAC result, 1 mV or a tenth of the width of a code; a code moves by one at most.
    """
    tile = programmed(config(models["sigmoid"].config), pool)
    v_reads = (0.15, 0.2, 0.25)
    mac, codes = tile.at_v_reads(VECTORS, v_reads)
    assert mac.shape == codes.shape == (3, len(VECTORS), OUTPUTS)
    gain = models["sigmoid"].mac_gain()
    np.testing.assert_allclose(mac[0], mac[1], rtol=0, atol=10e-6 / gain)
    np.testing.assert_allclose(mac[2], mac[1], rtol=0, atol=10e-6 / gain)
    np.testing.assert_allclose(mac[1] * gain, mac_voltages(tile, VECTORS), rtol=0, atol=1e-12)
    np.testing.assert_array_equal(codes[1], tile.codes(VECTORS, UNUSED))
    assert np.abs(codes - codes[1]).max() <= 1


# --- runs


def test_the_same_seed_and_any_number_of_workers_give_the_same_answer(
    pool: SimulatorPool, models: dict[str, RampAdcModel]
) -> None:
    two = programmed(config(models["sigmoid"].config), pool)
    with SimulatorPool(1, use_cache=False) as alone:
        one = programmed(config(models["sigmoid"].config), alone)
        np.testing.assert_array_equal(one.forward(VECTORS[:3], UNUSED), two.forward(VECTORS[:3], UNUSED))
        assert one.chip is not None and two.chip is not None
        np.testing.assert_array_equal(one.chip.offsets, two.chip.offsets)
    assert one.deck_keys == two.deck_keys
    assert one.counts == two.counts
    assert one.counts.decks == 1 + 2 * 3  # offsets, then two decks a vector


def test_no_vectors_give_no_rows(pool: SimulatorPool, models: dict[str, RampAdcModel]) -> None:
    tile = programmed(config(models["sigmoid"].config), pool)
    assert tile.forward(np.empty((0, INPUTS)), UNUSED).shape == (0, OUTPUTS)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_inputs_that_are_not_finite_reach_no_deck(
    pool: SimulatorPool, models: dict[str, RampAdcModel], bad: float
) -> None:
    tile = programmed(config(models["sigmoid"].config), pool)
    with pytest.raises(CosimError, match="finite"):
        tile.forward(np.full((1, INPUTS), bad), UNUSED)
    assert tile.counts.decks == 1


def test_pulses_shorter_than_their_edges_are_refused(pool: SimulatorPool) -> None:
    with pytest.raises(CosimError, match="longer than its edges") as caught:
        SpiceTile(config(RampAdcConfig(bits=BITS), w_max=0.05, dac_bits=8), pool)
    assert (caught.value.key, caught.value.value) == ("w_max", 0.05)
    assert "8 DAC bits" in str(caught.value.allowed)


def test_a_comparator_that_does_not_simulate_is_named_with_its_kept_deck(pool: SimulatorPool, tmp_path: Path) -> None:
    text = netlist_path("comparator_two_stage").read_text()
    broken = tmp_path / "broken.cir"
    broken.write_text(text.replace("c1 out vss 5f", "v1 out vss 1\nv2 out vss 2", 1))  # two sources against each other
    tile = SpiceTile(config(RampAdcConfig(bits=BITS, comparator=str(broken))), pool)
    with pytest.raises(CosimError, match="ngspice failed") as caught:
        tile.program(WEIGHTS, np.random.default_rng(1))
    assert caught.value.file is not None
    assert "v2 out vss 2" in Path(caught.value.file).read_text()
    assert Path(caught.value.file).with_name("log.txt").is_file()


# --- DACs


def test_a_chips_dacs_set_the_length_of_its_pulses(pool: SimulatorPool, models: dict[str, RampAdcModel]) -> None:
    """Voltages within 100 uV, as with ideal DACs, which are off by far more."""
    tile = programmed(config(models["sigmoid"].config, dac_sigma=0.3), pool)
    model = model_of(tile, models["sigmoid"])
    gain = models["sigmoid"].mac_gain()
    found = mac_voltages(tile, VECTORS)
    np.testing.assert_allclose(found, model.mac(VECTORS, UNUSED) * gain, rtol=0, atol=100e-6)
    ideal = BehaviouralTile(tile.config, models["sigmoid"], replace(QUIET, dac_error=False))
    assert tile.chip is not None
    ideal.load(tile.chip)
    assert np.abs(found - ideal.mac(VECTORS, UNUSED) * gain).max() > 1e-3


def test_a_dac_pulse_that_is_no_longer_than_its_edges_is_refused(
    pool: SimulatorPool, models: dict[str, RampAdcModel]
) -> None:
    """The first seed whose chip has such a pulse: half an LSB of error at 6 bits brings codes of +-1 near zero."""
    settings = config(models["sigmoid"].config, dac_bits=6, dac_sigma=0.5)
    tile = SpiceTile(settings, pool)
    for seed in range(100):
        levels = draw_tile_chip(WEIGHTS, settings, np.random.default_rng(seed)).dac
        assert levels is not None
        if np.abs(np.delete(levels, 31, axis=1)).min() * input_pulse(settings) < EDGE:
            break
    with pytest.raises(CosimError, match="not longer than its edges") as caught:
        tile.program(WEIGHTS, np.random.default_rng(seed))
    assert caught.value.key == "dac_sigma"
