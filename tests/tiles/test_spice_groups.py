"""Ramp decks of groups of columns: what comparators that share a ramp do to each other, and that codes stay."""

import numpy as np
import pytest

from cosim.blocks.crossbar.config import CrossbarConfig
from cosim.blocks.ramp_adc.config import RampAdcConfig
from cosim.errors import CosimError
from cosim.spice import SimulatorPool
from cosim.tiles.config import TileConfig
from cosim.tiles.quantise import dac_codes
from cosim.tiles.spice import SpiceTile

INPUTS, OUTPUTS, BITS = 4, 6, 4
WEIGHTS = np.random.default_rng(3).uniform(-2, 2, (INPUTS, OUTPUTS))
VECTORS = np.random.default_rng(4).uniform(-1, 1, (3, INPUTS))
CONFIG = TileConfig(inputs=INPUTS, outputs=OUTPUTS, dac_bits=BITS, weight_bits=BITS, adc=RampAdcConfig(bits=BITS))
UNUSED = np.random.default_rng(0)


def programmed(pool: SimulatorPool, columns: int, config: TileConfig = CONFIG) -> SpiceTile:
    tile = SpiceTile(config, pool, columns_a_deck=columns)
    tile.program(WEIGHTS, np.random.default_rng(1))
    return tile


@pytest.mark.parametrize(("columns", "decks"), [(1, 6), (4, 2), (5, 2), (6, 1), (100, 1)])
def test_codes_do_not_depend_on_the_groups(pool: SimulatorPool, columns: int, decks: int) -> None:
    whole, split = programmed(pool, OUTPUTS), programmed(pool, columns)
    np.testing.assert_array_equal(split.codes(VECTORS, UNUSED), whole.codes(VECTORS, UNUSED))
    assert split.counts.decks == 1 + len(VECTORS) * (1 + decks)  # offsets; array and ramps of each vector
    assert split.counts.conversions == whole.counts.conversions == VECTORS.shape[0] * OUTPUTS
    macs, codes = split.measure(VECTORS)
    expected, expected_codes = whole.measure(VECTORS)
    np.testing.assert_array_equal(macs, expected)  # the array's deck is the same
    np.testing.assert_array_equal(codes, expected_codes)


def test_each_column_keeps_its_own_voltage_and_comparator(pool: SimulatorPool) -> None:
    """Held voltages that rise from column to column by more than a code, so that one in another's place is seen."""
    tile = programmed(pool, 2)
    voltages = CONFIG.adc.v_clp + np.linspace(-0.2, 0.2, OUTPUTS)
    found = tile._codes(iter(pool.run(tile.ramp_decks(voltages))))
    assert (np.diff(found) > 0).all()


def test_comparators_move_the_ramp_by_nanovolts(pool: SimulatorPool) -> None:
    """The ramp is held by its integrator: a comparator's kickback, with six of them or with one, is below vntol."""
    tile = programmed(pool, OUTPUTS)
    voltages = CONFIG.adc.v_clp + np.linspace(-0.2, 0.2, OUTPUTS)
    decks = [tile.ramp_deck(voltages), tile.ramp_deck(voltages, range(2, 3))]
    together, alone = pool.run(decks)
    assert together.ok and alone.ok
    np.testing.assert_allclose(alone["v(ramp)"], together["v(ramp)"], rtol=0, atol=1e-6)
    np.testing.assert_allclose(alone["v(n0)"], together["v(n2)"], rtol=0, atol=1e-6)


def test_a_deck_of_all_columns_is_written_as_ever(pool: SimulatorPool) -> None:
    """So what is in the store stays known."""
    tile = programmed(pool, OUTPUTS)
    voltages = np.full(OUTPUTS, CONFIG.adc.v_clp)
    (only,) = tile.ramp_decks(voltages)
    assert only == tile.ramp_deck(voltages)
    assert only.title == f"tile {INPUTS} x {OUTPUTS}: ramp, comparators and counters"
    part = tile.ramp_deck(voltages, range(2, 4))
    assert part.title.endswith("of columns 2 to 3")
    assert sum(save.startswith("v(n") for save in part.saves) == 1 + 2  # of all clocks, and of each column


def test_two_workers_share_one_vector(pool: SimulatorPool) -> None:
    """Its ramp decks go to the pool together; one worker alone gives the same."""
    tile = programmed(pool, 3)
    with SimulatorPool(1, use_cache=False) as alone:
        other = programmed(alone, 3)
        np.testing.assert_array_equal(tile.codes(VECTORS[:1], UNUSED), other.codes(VECTORS[:1], UNUSED))
        assert alone.decks_run == 1 + 1 + 2
        assert alone.decks_known == 0


def test_the_pool_counts_what_was_known(own_cache: object) -> None:
    config = CONFIG.model_copy(update={"adc": RampAdcConfig(bits=3)})
    with SimulatorPool(1) as pool:
        programmed(pool, 3, config).codes(VECTORS[:2], UNUSED)
        first = (pool.decks_run, pool.decks_known)
        programmed(pool, 3, config).codes(VECTORS[:2], UNUSED)
        assert sum(first) == 1 + 2 * 3
        assert (pool.decks_run, pool.decks_known) == (first[0], first[1] + 1 + 2 * 3)


def test_a_deck_without_columns_is_refused(pool: SimulatorPool) -> None:
    with pytest.raises(CosimError, match="at least one column") as caught:
        SpiceTile(CONFIG, pool, columns_a_deck=0)
    assert caught.value.key == "columns_a_deck"


# --- wires


@pytest.mark.parametrize("signs", ["differential", "offset"])
def test_reduced_wires_make_the_same_voltages(pool: SimulatorPool, signs: str) -> None:
    """Integrators to 10 nV, a hundredth of the solver's vntol; an array larger than what is used, strong wires."""
    config = TileConfig(
        inputs=INPUTS, outputs=OUTPUTS, dac_bits=BITS, weight_bits=BITS, signs=signs, array_inputs=6, array_outputs=8,
        adc=RampAdcConfig(bits=BITS, function="linear"), crossbar=CrossbarConfig(r_wire_row=20, r_wire_column=20),
    )  # fmt: skip
    tile = programmed(pool, 100, config)
    decks = [tile.array_deck(codes, wires) for codes in dac_codes(VECTORS, BITS) for wires in ("reduced", "simulated")]  # type: ignore[arg-type]
    voltages = np.array([tile._mac(result) for result in pool.run(decks)])
    assert np.abs(voltages - config.adc.v_clp).max() > 0.02
    np.testing.assert_allclose(voltages[0::2], voltages[1::2], rtol=0, atol=10e-9)
    assert decks[0].circuit.count("\n") < decks[1].circuit.count("\n")


def test_another_chip_has_other_resistors(pool: SimulatorPool) -> None:
    tile = programmed(pool, 100)
    code = dac_codes(VECTORS, BITS)[0]
    before = tile.array_deck(code).circuit
    assert tile.array_deck(code).circuit == before
    tile.program(WEIGHTS, np.random.default_rng(2))
    assert tile.array_deck(code).circuit != before


def test_cells_that_are_not_linear_are_simulated(pool: SimulatorPool) -> None:
    tile = SpiceTile(CONFIG, pool, "sinh")
    tile.program(WEIGHTS, np.random.default_rng(1))
    code = dac_codes(VECTORS, BITS)[0]
    assert tile.array_deck(code) == tile.array_deck(code, "simulated")


def test_an_unknown_choice_is_refused(pool: SimulatorPool) -> None:
    with pytest.raises(CosimError, match="no such choice"):
        SpiceTile(CONFIG, pool, wires="none")  # type: ignore[arg-type]
