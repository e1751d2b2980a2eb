"""Points of a sweep: their number, their order, how they fill the space."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosim.errors import CosimError
from cosim.studies.specification import load_specification
from cosim.studies.sweep import Axis, grid, ladder, latin_hypercube
from cosim.tiles.config import Nonidealities

Write = Callable[..., Path]

VOLTS = Axis("tile.adc.v_read", (), 0.1, 0.3)
OHMS = Axis("tile.crossbar.r_wire_row", (), 0.1, 10.0, log=True)
BITS = Axis("tile.adc.bits", (), 3, 6, whole=True)
NAMES = Axis("device.name", ("taox_1t1r", "vteam", "yakopcic"))


def test_a_grid_has_all_combinations_once_in_the_order_of_its_dimensions() -> None:
    found = grid([NAMES, Axis("tile.adc.bits", (4, 5))])
    assert found.shape == (3, 2)
    expected = [(name, bits) for name in NAMES.values for bits in (4, 5)]
    assert list(found.points) == expected


def test_a_grid_of_nothing_is_one_point() -> None:
    assert list(grid([]).points) == [()]


@pytest.mark.parametrize("samples", [12, 60])
def test_a_latin_hypercube_has_one_point_in_every_slice(samples: int) -> None:
    found = latin_hypercube([VOLTS, OHMS, BITS, NAMES], samples, seed=5)
    columns = list(zip(*found.points, strict=True))
    volts = (np.array(columns[0]) - 0.1) / 0.2
    ohms = np.log(np.array(columns[1]) / 0.1) / np.log(100)
    for shares in (volts, ohms):
        assert sorted(np.floor(shares * samples).astype(int)) == list(range(samples))
    for place, values in ((2, (3, 4, 5, 6)), (3, NAMES.values)):
        counts = [columns[place].count(value) for value in values]
        assert counts == [samples // len(values)] * len(values)
    assert all(isinstance(bits, int) for bits in columns[2])


def test_a_latin_hypercube_follows_its_seed() -> None:
    one, same, other = (latin_hypercube([VOLTS, BITS], 8, seed).points for seed in (1, 1, 2))
    assert one == same and one != other


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_values_stay_within_their_range(shares: list[float]) -> None:
    places = np.array(shares)
    assert all(0.1 <= value <= 0.3 for value in VOLTS.at(places))
    assert all(0.1 <= value <= 10.0 for value in OHMS.at(places))
    assert set(BITS.at(places)) <= {3, 4, 5, 6}
    assert set(NAMES.at(places)) <= set(NAMES.values)


def test_a_ladder_has_none_each_alone_and_all() -> None:
    names = Nonidealities.names()
    found = ladder(names)
    on = [{name for name, value in zip(names, point, strict=True) if value} for point in found.points]
    assert on == [set(), *({name} for name in names), set(names)]
    assert found.labels == ("none", *names, "all")
    part = ladder(["read_noise", "ir_drop"])
    assert [sum(point) for point in part.points] == [0, 1, 1, 2]


@pytest.mark.parametrize(
    ("sweep", "points"),
    [
        ('method = "latin hypercube"\nsamples = 7\nover."tile.adc.v_read" = {low = "0.1 V", high = "0.3 V"}', 7),
        ('method = "list"\n[[sweep.points]]\n"tile.adc.bits" = 4\n"tile.dac_bits" = 4\n[[sweep.points]]\n'
         'tile.adc.bits = 5\ntile.dac_bits = 5', 2),
        ('method = "ladder"\nnonidealities = ["read_noise"]', 3),
        ('method = "grid"', 1),
    ],
)  # fmt: skip
def test_methods_are_read_from_a_file(study_file: Write, small: str, sweep: str, points: int) -> None:
    study = load_specification(study_file(small[: small.index("[sweep]")] + f"[sweep]\n{sweep}\n"))
    assert study.design is not None and len(study.design.points) == points


@pytest.mark.parametrize(
    ("sweep", "said"),
    [
        ('method = "latin hypercube"\nover."tile.adc.bits" = [4]', "key 'sweep.samples': this key is required"),
        ('method = "latin hypercube"\nsamples = 7\nover."tile.adc.v_read" = {low = "0.3 V", high = "0.1 V"}',
         "low must be below high"),
        ('method = "latin hypercube"\nsamples = 7\nover."device.time" = {low = "0 s", high = "1 s", scale = "log"}',
         "begins above zero"),
        ('method = "latin hypercube"\nsamples = 7\nover."device.name" = {low = "a", high = "b"}', "has no range"),
        ('method = "latin hypercube"\nsamples = 7\nover."tile.adc.v_read" = {low = "0.1 V", hihg = "0.3 V"}',
         "Did you mean 'high'"),
        ('method = "list"\n[[sweep.points]]\n"tile.adc.bits" = 4\n[[sweep.points]]\n"tile.dac_bits" = 4',
         "line 16.*other settings than the first"),
        ('method = "ladder"\nnonidealities = ["read_nois"]', "Did you mean 'read_noise'"),
        ('method = "pareto"\nobjectives = {acuracy = "max"}\nover."tile.adc.bits" = [4]', "Did you mean 'accuracy'"),
        ('method = "pareto"\nobjectives = {accuracy = "most"}\nover."tile.adc.bits" = [4]', "'max', 'min'"),
    ],
)  # fmt: skip
def test_faults_of_a_sweep_are_told(study_file: Write, small: str, sweep: str, said: str) -> None:
    with pytest.raises(CosimError, match=f"(?s){said}"):
        load_specification(study_file(small[: small.index("[sweep]")] + f"[sweep]\n{sweep}\n"))
