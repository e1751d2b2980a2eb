"""The measurements together: 1R and 1T1R in one data set, seeds, parts of a data set, failures."""

import inspect
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

from cosim.blocks import crossbar
from cosim.blocks.crossbar.characterisation import MEASUREMENTS, characterise
from cosim.blocks.crossbar.config import CrossbarConfig
from cosim.blocks.crossbar.currents import simulated_currents
from cosim.blocks.crossbar.fitting import fit
from cosim.blocks.over import combine, conditions
from cosim.blocks.registry import get_block
from cosim.blocks.status import FAILED, OK
from cosim.errors import CosimError
from cosim.spice import Deck, Failure, FailureKind, Result, SimulatorPool

SMALL = {"rows": 6, "columns": 4}
FEW = {"arrays": 2, "vectors": 2, "shares": (1.0,), "stuck": (0.1,), "chips": 1, "pulse_vectors": 1, "input_bits": 3}


def small(config: CrossbarConfig, pool: SimulatorPool, **options: object) -> xr.Dataset:
    return characterise(config, pool=pool, show_progress=False, **{**FEW, **options})  # type: ignore[arg-type]


def test_both_cells_as_one_data_set(pool: SimulatorPool) -> None:
    block = get_block("crossbar")
    configs = conditions(block, None, SMALL, {"cell": ["1R", "1T1R"]})
    data = combine(block, configs, ["cell"], [small(config, pool) for config in configs])
    assert (data["status"].values == OK).all()
    assert set(data["measurement"].values.ravel()) == set(MEASUREMENTS)
    # The transistor is about as resistive as the device says, so currents are nearly the same; it adds capacitance.
    one, with_transistor = data["current"].values
    assert np.abs(one - with_transistor).max() < 0.05 * np.abs(one).max()
    assert (data["settling_time"].values[1] > data["settling_time"].values[0]).all()
    assert np.isnan(data["idle_share"].values[0, 2]) and data["idle_share"].values[1, 2] < 1e-6
    with pytest.raises(CosimError, match="one condition"):
        fit(data)


def test_a_part_of_the_measurements_is_the_same_as_in_all(pool: SimulatorPool) -> None:
    config = CrossbarConfig(**SMALL)
    part = small(config, pool, measurements=("mappings", "stuck"))
    assert set(part["measurement"].values) == {"mappings", "stuck"} and "current" not in part
    again = small(config, pool, measurements=("stuck",))
    np.testing.assert_array_equal(part["stuck_error"].values, again["stuck_error"].values)
    other = small(config, pool, measurements=("stuck",), seed=2)
    assert not np.array_equal(part["stuck_error"].values, other["stuck_error"].values)
    with pytest.raises(CosimError, match="fitted to currents"):
        fit(part)


def test_every_sweep_is_an_argument_of_characterise() -> None:
    parameters = inspect.signature(characterise).parameters.values()
    own = {each.name for each in parameters if each.kind is each.KEYWORD_ONLY}
    # Pairs of numbers have no form on the command line: `sizes` is for Python.
    assert set(crossbar.SWEEPS) == own - {"seed", "pool", "show_progress", "sizes"}


class HalfFailing(SimulatorPool):
    """Every second deck fails."""

    def run(self, decks: Sequence[Deck], label: str | None = None) -> list[Result]:
        failure = Failure(FailureKind.TIMEOUT, "no answer")
        results = super().run(decks, label)
        return [replace(each, failure=failure, signals={}) if k % 2 else each for k, each in enumerate(results)]


def test_what_failed_is_nan_and_the_rest_stays() -> None:
    with HalfFailing(1, use_cache=False) as pool:
        data = small(CrossbarConfig(**SMALL), pool, measurements=("settling", "leakage", "stuck", "pulses", "mappings"))
        status = {name: data["status"].values[data["measurement"].values == name] for name in MEASUREMENTS}
        assert status["settling"].tolist() == [FAILED]  # the run with halved steps
        assert status["leakage"].tolist() == [FAILED]
        assert status["stuck"].tolist() == [OK, FAILED, OK]
        assert np.isnan(data["settling_time"].values).all()
        assert np.isnan(data["idle_current"].values[0]).all() and np.isfinite(data["idle_current"].values[1]).all()
        off, on = data["stuck_error"].values[0, :, 0]
        assert np.isnan(off) and np.isfinite(on)
        gains = data["weight_gain"].values[0]
        assert np.isfinite(gains[[0, 2]]).all() and np.isnan(gains[1])
        with pytest.raises(CosimError, match=r"key 'array'.*ngspice failed .timeout.: no answer"):
            cells, voltages = np.full((6, 4), 5e-5), np.full((16, 6), 0.1)
            pool.workers = 2  # two decks, of which the second fails
            simulated_currents(cells, voltages, CrossbarConfig(**SMALL), "linear", pool)


def test_vectors_shared_among_workers_are_those_of_one_deck(pool: SimulatorPool) -> None:
    config = CrossbarConfig(**SMALL)
    rng = np.random.default_rng(1)
    cells, voltages = rng.uniform(1e-6, 150e-6, (6, 4)), rng.uniform(-0.2, 0.2, (19, 6))
    shared = simulated_currents(cells, voltages, config, "sinh", pool)
    with SimulatorPool(1, use_cache=False) as one:
        together = simulated_currents(cells, voltages, config, "sinh", one)
    assert shared.shape == (19, 4)
    # Newton starts from the vector before, so the last digits differ: reltol 1e-6, reached quadratically.
    np.testing.assert_allclose(shared, together, rtol=0, atol=1e-6 * np.abs(together).max())
