import numpy as np
import pytest
from numpy.typing import NDArray

from cosim.blocks.crossbar.ladders import attenuation, impedances, voltages_of

Array = NDArray[np.float64]


def shared_resistances(length: int, r_segment: float, r_end: float) -> Array:
    """Resistance between the drive and where the ways to two nodes part [ohm]."""
    place = np.arange(length)
    return r_end + r_segment * (1 + np.minimum.outer(place, place))


@pytest.mark.parametrize(("r_segment", "r_end"), [(5.0, 100.0), (0.0, 100.0), (5.0, 0.0), (0.0, 0.0), (1e4, 1e5)])
def test_lines_against_a_dense_solve(r_segment: float, r_end: float) -> None:
    # v = drive - R (G v - I) with R of `shared_resistances`.
    rng = np.random.default_rng(1)
    cells, currents = rng.uniform(0, 1e-3, (3, 9)), rng.uniform(-1e-3, 1e-3, (3, 9))
    cells[1] = 0.0  # open cells
    shared = shared_resistances(9, r_segment, r_end)
    for line in range(3):
        system = np.eye(9) + shared * cells[line]
        # Condition up to 1e5 of the dense solve.
        np.testing.assert_allclose(
            attenuation(cells, r_segment, r_end)[line], np.linalg.solve(system, np.ones(9)), rtol=1e-9, atol=1e-12
        )
        fed = np.linalg.solve(system, shared @ currents[line])
        np.testing.assert_allclose(voltages_of(cells, currents, r_segment, r_end)[line], fed, rtol=1e-8, atol=1e-9)
        np.testing.assert_allclose(
            impedances(cells[line], r_segment, r_end), np.linalg.solve(system, shared), rtol=1e-8, atol=1e-9
        )


def test_impedances_are_reciprocal() -> None:
    got = impedances(np.random.default_rng(2).uniform(0, 1e-3, 12), 3.0, 50.0)
    np.testing.assert_allclose(got, got.T, rtol=1e-13)
