"""Digital gains and offsets of a chip's columns, from known inputs."""

import numpy as np
import pytest

from cosim.blocks.ramp_adc.config import RampAdcConfig
from cosim.errors import CosimError
from cosim.tiles.config import Nonidealities, TileConfig
from cosim.tiles.hardware import Hardware
from cosim.tiles.mapping import MappingConfig
from cosim.tiles.matrix import TiledMatrix
from cosim.tiles.scaling import Scales
from cosim.tiles.trimming import gain_and_offset

RNG = np.random.default_rng(9)
WEIGHTS = RNG.normal(0, 1, (128, 16))
KNOWN, NEW = RNG.normal(0, 1, (256, 128)), RNG.normal(0, 1, (500, 128))
ADC = RampAdcConfig(bits=8, function="linear", pulse_widths="graded")
HARDWARE = Hardware(TileConfig(inputs=64, outputs=16, dac_bits=8, weight_bits=8, adc=ADC))


def errors(nonidealities: Nonidealities, mapping: MappingConfig | None = None) -> tuple[float, float]:
    """rms error at inputs that the trim did not see, of the results' rms: before and after."""
    hardware = HARDWARE.with_nonidealities(nonidealities)
    made = TiledMatrix.calibrated(WEIGHTS, hardware, KNOWN, mapping=mapping)
    made.program(np.random.default_rng(1))
    exact = NEW @ WEIGHTS
    found = []
    for trimmed in (False, True):
        if trimmed:
            made.trim(KNOWN, np.random.default_rng(2))
        error = made.forward(NEW, np.random.default_rng(3), np.float64) - exact
        found.append(float(np.sqrt(np.mean(error**2) / np.mean(exact**2))))
    return found[0], found[1]


def test_gain_and_offset_are_those_of_the_line() -> None:
    wanted = RNG.normal(0, 1, (50, 3))
    measured = (wanted - [0.1, 0.2, 0.3]) / [1.0, 2.0, 0.5]
    measured[7] = 100.0  # does not count
    counts = np.ones((50, 3), dtype=bool)
    counts[7] = False
    gain, offset = gain_and_offset(wanted, measured, counts)
    np.testing.assert_allclose(gain, [1.0, 2.0, 0.5], rtol=1e-12)
    np.testing.assert_allclose(offset, [0.1, 0.2, 0.3], rtol=1e-12)


def test_a_column_that_tells_nothing_keeps_its_gain() -> None:
    wanted, measured = np.full((4, 2), 0.5), np.full((4, 2), 0.25)
    counts = np.array([[True, False]] * 4)
    gain, offset = gain_and_offset(wanted, measured, counts)
    np.testing.assert_array_equal(gain, [1.0, 1.0])
    np.testing.assert_array_equal(offset, [0.25, 0.0])


@pytest.mark.parametrize("mapping", [MappingConfig(), MappingConfig(signs="offset")])
def test_what_is_alike_for_all_results_of_a_column_is_taken_back(mapping: MappingConfig) -> None:
    """Static offsets altogether: what is left is the error of the bits, to a tenth."""
    of_bits, _ = errors(Nonidealities.none(), mapping)
    before, after = errors(Nonidealities.only("comparator_offset"), mapping)
    assert before > 1.5 * of_bits
    assert after < 1.1 * of_bits


def test_what_is_not_is_left() -> None:
    """Of IR drop the mean of a column's cells; programming errors are each cell's own."""
    before, after = errors(Nonidealities.only("ir_drop"))
    assert after < before / 2
    before, after = errors(Nonidealities.only("programming_error"))
    assert after == pytest.approx(before, rel=0.05)


def test_an_ideal_matrix_needs_none_and_another_chip_none_of_the_last() -> None:
    ideal = TiledMatrix.calibrated(WEIGHTS, HARDWARE, KNOWN, fidelity="ideal")
    ideal.program(np.random.default_rng(0))
    ideal.trim(KNOWN, np.random.default_rng(0))
    np.testing.assert_allclose(ideal.forward(NEW, np.random.default_rng(0), np.float64), NEW @ WEIGHTS, atol=1e-9)
    made = TiledMatrix.calibrated(WEIGHTS, HARDWARE, KNOWN)
    made.program(np.random.default_rng(1))
    first = made.forward(NEW, np.random.default_rng(2))
    made.trim(KNOWN, np.random.default_rng(2))
    assert (made.forward(NEW, np.random.default_rng(2)) != first).any()
    assert made.use(vectors=2).digital_additions == 2 * (16 + 16)  # of two blocks of rows, and of the offsets
    made.program(np.random.default_rng(1))
    np.testing.assert_array_equal(made.forward(NEW, np.random.default_rng(2)), first)


def test_ideal_tiles_are_not_bent_by_inputs_that_would_saturate() -> None:
    """s_x at the median: real arithmetic has no full scale, and a trim leaves it as it is, without an offset."""
    scales = Scales(float(np.median(np.abs(KNOWN))), float(np.abs(WEIGHTS).max()), 5.0)
    mixed = TiledMatrix(WEIGHTS, HARDWARE, scales=scales, fidelity={"r0c0": "ideal", "*": "quantised"})
    mixed.program(np.random.default_rng(0))
    ideal, other = mixed.parts[0].scale, mixed.parts[1].scale
    mixed.trim(KNOWN, np.random.default_rng(0))
    np.testing.assert_array_equal(mixed.parts[0].scale, ideal)
    assert (mixed.parts[1].scale != other).any()


def test_trims_that_cannot_be_are_refused() -> None:
    made = TiledMatrix.calibrated(WEIGHTS, HARDWARE, KNOWN, fidelity="quantised", name="fc")
    with pytest.raises(CosimError, match="not programmed"):
        made.trim(KNOWN, np.random.default_rng(0))
    made.program(np.random.default_rng(0))
    with pytest.raises(CosimError, match="trimming fc needs vectors that differ"):
        made.trim(KNOWN[:1], np.random.default_rng(0))
    with pytest.raises(CosimError, match="do not fit fc"):
        made.trim(KNOWN[:, 1:], np.random.default_rng(0))
    weights = WEIGHTS[:64] / 10
    gate = TiledMatrix(weights, HARDWARE, scales=Scales.of_activation(weights), function="tanh", fidelity="quantised")
    with pytest.raises(CosimError, match="cannot be trimmed"):
        gate.trim(KNOWN[:, :64], np.random.default_rng(0))
