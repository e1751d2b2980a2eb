"""Weights on conductances and back: exact where there are no wires, by arithmetic and in ngspice."""

import numpy as np
import pytest
from numpy.typing import NDArray

from cosim.blocks.crossbar.config import CrossbarConfig
from cosim.blocks.crossbar.effective import mappings_of, measure_mappings
from cosim.blocks.crossbar.elimination import effective_conductance
from cosim.blocks.crossbar.mapping import BitSliced, Differential, Unipolar, WeightMapping
from cosim.blocks.status import NOT_FOUND, OK
from cosim.devices import load_device
from cosim.errors import CosimError
from cosim.spice import SimulatorPool
from cosim.tiles.config import TileConfig, conductance_targets

Array = NDArray[np.float64]
LOW, HIGH = 1e-6, 150e-6  # [S]

MAPPINGS: list[WeightMapping] = [
    Differential(LOW, HIGH, 2.0),
    Unipolar(LOW, HIGH, -2.0, 2.0),
    Unipolar(LOW, HIGH, -0.5, 2.0),
    BitSliced(LOW, HIGH, 2.0, bits=5, slice_bits=2),
    BitSliced(LOW, HIGH, 2.0, bits=8, slice_bits=3),
    BitSliced(LOW, HIGH, 2.0, bits=4, slice_bits=1),
    BitSliced(0.0, HIGH, 2.0, bits=5, slice_bits=8),
]


def weights_for(mapping: WeightMapping, inputs: int = 6, outputs: int = 4) -> Array:
    w = np.random.default_rng(3).uniform(-2, 2, (inputs, outputs))
    if isinstance(mapping, Unipolar):
        w = np.clip(w, mapping.w_low, mapping.w_high)
    w[0, 0], w[1, 1], w[2, 2] = w.max(), w.min(), 0.0
    return mapping.quantised(w) if isinstance(mapping, BitSliced) else w


@pytest.mark.parametrize("mapping", MAPPINGS)
def test_there_and_back(mapping: WeightMapping) -> None:
    w = weights_for(mapping)
    cells = mapping.conductances(w)
    assert cells.shape == mapping.shape(6, 4)
    assert cells.min() >= (0.0 if isinstance(mapping, BitSliced) and mapping.g_min == 0 else LOW)
    assert cells.max() <= HIGH
    np.testing.assert_allclose(mapping.weights(cells), w, rtol=0, atol=1e-13)  # rounding of weights up to 2


@pytest.mark.parametrize("mapping", MAPPINGS)
def test_without_wires_the_array_multiplies_exactly(mapping: WeightMapping) -> None:
    w, x = weights_for(mapping), np.random.default_rng(4).uniform(-1, 1, (9, 6))
    currents = mapping.voltages(x, 0.2) @ mapping.conductances(w)
    np.testing.assert_allclose(mapping.results(currents, 0.2), x @ w, rtol=0, atol=1e-12)


@pytest.mark.parametrize("mapping", MAPPINGS)
def test_changed_cells_stand_for_the_weights_that_the_results_show(mapping: WeightMapping) -> None:
    # `weights` and `results` are two ways to the same: any conductances, any inputs.
    cells = np.random.default_rng(5).uniform(LOW, HIGH, mapping.shape(6, 4))
    x = np.random.default_rng(6).uniform(-1, 1, (5, 6))
    got = mapping.results(mapping.voltages(x, 0.1) @ cells, 0.1)
    np.testing.assert_allclose(got, x @ mapping.weights(cells), rtol=1e-12)


def test_the_correction_column_takes_away_the_pedestal() -> None:
    positive = Unipolar(LOW, HIGH)
    cells = positive.conductances([[0.0, 1.0], [0.25, 0.5]])
    np.testing.assert_allclose(cells[:, -1], LOW)  # weights that are never negative: the pedestal of G_min
    np.testing.assert_allclose(cells[0], [LOW, HIGH, LOW])
    np.testing.assert_allclose(Unipolar(LOW, HIGH, -1.0, 1.0).g_zero, (LOW + HIGH) / 2)
    offset = np.array([[1e-5, 2e-5, 0.5e-5]])  # [A]
    np.testing.assert_allclose(
        positive.results(offset + 3e-6, 0.2), positive.results(offset, 0.2), rtol=1e-12
    )  # what all columns share does not count


def test_digits_by_hand() -> None:
    mapping = BitSliced(LOW, HIGH, 15.0, bits=5, slice_bits=2)
    # 11 = 3 + 2 * 4, on the row of +x; -6 = -(2 + 1 * 4), on the row of -x.
    steps = (mapping.conductances([[11.0, -6.0]]) - LOW) / mapping.siemens
    np.testing.assert_allclose(steps, [[3, 2, 0, 0], [0, 0, 2, 1]], atol=1e-12)
    assert mapping.slices == 2 and mapping.largest == 15
    np.testing.assert_allclose(mapping.places, [1.0, 4.0])


def test_the_tiles_pairs_are_the_differential_mapping() -> None:
    config = TileConfig(inputs=5, outputs=3)
    device = config.device
    w = np.random.default_rng(7).integers(-15, 16, (5, 3)) / 15 * config.w_max
    expected = conductance_targets(w, config)
    got = Differential(device.g_min, device.g_max, config.w_max).conductances(w)
    np.testing.assert_allclose(got, expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Differential(HIGH, LOW), "key 'g_min'.*not a window of conductances"),
        (lambda: Differential(LOW, HIGH, 0.0), "key 'w_max'.*not a range of weights"),
        (lambda: Unipolar(LOW, HIGH, 0.5, 1.0), "key 'w_low'.*correction column"),
        (lambda: BitSliced(LOW, HIGH, bits=1), "key 'bits': value 1"),
        (lambda: BitSliced(LOW, HIGH, slice_bits=9), "key 'slice_bits': value 9"),
        (lambda: Differential(LOW, HIGH).conductances([[1.5]]), "key 'weights': value 1.5.*Allowed: -1 to 1"),
        (lambda: Unipolar(LOW, HIGH).conductances([[-0.1]]), "key 'weights': value -0.1.*Allowed: 0 to 1"),
        (lambda: Differential(LOW, HIGH).conductances([[np.nan]]), "finite"),
        (lambda: Differential(LOW, HIGH).conductances([1.0]), r"shape \(inputs, outputs\)"),
        (lambda: BitSliced(LOW, HIGH).conductances([[0.51]]), "no whole number of steps"),
        (lambda: Differential(LOW, HIGH).weights(np.ones((3, 2))), r"shape \(2 inputs, columns\)"),
    ],
)
def test_what_has_no_place(make: object, message: str) -> None:
    with pytest.raises(CosimError, match=message):
        make()  # type: ignore[operator]


def test_effective_weights_in_ngspice(pool: SimulatorPool) -> None:
    none = CrossbarConfig(rows=12, columns=9, r_wire_row=0, r_wire_column=0, r_driver=0, r_clamp=0)
    data = measure_mappings(none, (0.1, 0.5, 1.0), 1, pool)
    weights, effective = data.variables["weight"][1], data.variables["effective_weight"][1]
    assert weights.shape == (6, 4) and effective.shape == (3, 3, 6, 4)
    assert data.status.tolist() == [NOT_FOUND] * 3 + [OK] * 6
    # One row and one column have room for nothing; six and four for three inputs and two outputs.
    assert np.isnan(effective[0]).all() and np.isnan(data.variables["weight_gain"][1][0]).all()
    assert np.isnan(effective[1, :, 3:]).all() and np.isnan(effective[1, :, :, 2:]).all()
    np.testing.assert_allclose(effective[1, :, :3, :2], np.broadcast_to(weights[:3, :2], (3, 3, 2)), atol=1e-9)
    np.testing.assert_allclose(data.variables["weight_gain"][1][1:], 1.0, atol=1e-9)
    np.testing.assert_allclose(data.variables["weight_spread"][1][1:], 0.0, atol=1e-9)
    effective = effective[2]  # 6 pairs of rows; 4 outputs of 2 slices
    # Without wires every mapping is exact: 1e-9 is the simulator's arithmetic, of weights up to 1.
    np.testing.assert_allclose(effective, np.broadcast_to(weights, effective.shape), atol=1e-9)
    np.testing.assert_array_equal(data.variables["cells"][1], [[np.nan] * 3, [12, 9, 24], [48, 30, 96]])

    wired = none.model_copy(update={"r_wire_row": 3.0, "r_wire_column": 5.0, "r_driver": 200.0, "r_clamp": 20.0})
    found = measure_mappings(wired, (1.0,), 1, pool).variables["effective_weight"][1][0]
    for number, kind in enumerate(mappings_of(load_device("taox_1t1r")).values()):
        matrix = effective_conductance(kind.conductances(weights), 3.0, 5.0, 200.0, 20.0)
        expected = kind.results(kind.voltages(np.eye(6), 0.2) @ matrix, 0.2)
        np.testing.assert_allclose(found[number], expected, atol=1e-8)  # linear: one matrix; asked 1e-6, see there
    assert np.abs(found - weights).max() > 1e-3  # the wires do count


def test_a_single_weight_has_no_spread(pool: SimulatorPool) -> None:
    # A row, or a pair of rows, is one weight an output: all of it is the common factor, and no error would be left.
    data = measure_mappings(CrossbarConfig(rows=4, columns=8), (0.25, 0.5, 1.0), 1, pool)
    assert data.status.tolist() == [NOT_FOUND] * 6 + [OK] * 3
    for name in ("cells", "weight_gain", "weight_spread", "weight_error"):
        found = np.asarray(data.variables[name][1])
        assert np.isnan(found[:2]).all() and (found[2] > 0).all(), name
    with pytest.raises(CosimError, match=r"key 'rows, columns': value '?2 x 4'?.*2 rows of weights"):
        measure_mappings(CrossbarConfig(rows=4, columns=8), (0.5,), 1, pool)
