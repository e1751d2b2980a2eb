"""A block's figures do not depend on how many processes or which solver found them; see conftest.py for the rows."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import xarray as xr

from cosim.spice import SimulatorPool

Smallest = Callable[[str], xr.Dataset]

MEASURED_ON_THE_MACHINE = {"simulation_time"}  # wall times
# Two solvers round differently, Newton's iteration and the time steps turn that into a share of their tolerances,
# which are 1e-3 and finer; where a waveform crosses a level, its slope divides that. Rows agree to 1e-6 as a rule.
DEFAULT_SHARE = 1e-3
DEFAULT_SHARE_OF_TIMES = 1e-2
# A figure that is zero but for rounding: a thousandth of what the simulator's tolerances resolve.
FLOORS = {"V": 1e-9, "A": 1e-15, "LSB": 1e-6, "1": 1e-9}


def tolerance_of(variable: xr.DataArray) -> Any:
    """What a figure may move: its block's own step tolerance, or a share of its largest value."""
    unit = variable.attrs["units"]
    size = np.abs(variable.values)
    stated = str(variable.attrs.get("step_tolerance", ""))
    share = re.match(r"([\d.e+-]+) %(?:, at least ([\d.e+-]+) )?", stated)
    if share:
        return np.maximum(float(share[1]) / 100 * size, float(share[2] or 0.0))
    absolute = re.fullmatch(r"([\d.e+-]+) (\S+)", stated)
    if absolute and absolute[2] == unit:
        return float(absolute[1])
    share_of_largest = DEFAULT_SHARE_OF_TIMES if unit == "s" else DEFAULT_SHARE
    return max(share_of_largest * np.nanmax(size, initial=0.0), FLOORS.get(unit, 0.0))


def test_one_worker_finds_what_two_find_bit_for_bit(again: Any, smallest: Smallest, pool: SimulatorPool) -> None:
    two = smallest(again.name)
    assert pool.workers == 2
    with SimulatorPool(1, use_cache=False, simulator=pool.simulator) as single:
        one = again.characterise(single)
    assert {**one.attrs, "created": ""} == {**two.attrs, "created": ""}  # hashes of all decks among them
    assert set(one.variables) == set(two.variables)
    for name in set(map(str, one.variables)) - MEASURED_ON_THE_MACHINE:
        ours, theirs = one[name].values, two[name].values
        assert ours.dtype == theirs.dtype and ours.shape == theirs.shape, name
        if ours.dtype.kind == "f":
            np.testing.assert_array_equal(ours.view(np.uint64), theirs.view(np.uint64), err_msg=name)
        else:
            np.testing.assert_array_equal(ours, theirs, err_msg=name)


def test_sparse_finds_what_klu_finds(again: Any, smallest: Smallest, pool: SimulatorPool) -> None:
    if not pool.simulator.klu:
        pytest.skip(f"ngspice {pool.simulator.version_text} has no KLU")
    with SimulatorPool(2, use_cache=False, simulator=replace(pool.simulator, klu=False)) as sparse:
        other = again.characterise(sparse)
    assert other.attrs["solver"] != smallest(again.name).attrs["solver"]
    for name, variable in smallest(again.name).data_vars.items():
        own = other[name]
        if name in MEASURED_ON_THE_MACHINE:
            continue
        if variable.dtype.kind != "f":
            np.testing.assert_array_equal(own.values, variable.values, err_msg=str(name))
            continue
        np.testing.assert_array_equal(np.isnan(own.values), np.isnan(variable.values), err_msg=str(name))
        apart = np.nan_to_num(np.abs(own.values - variable.values))
        assert (apart <= np.nan_to_num(tolerance_of(variable), nan=0.0)).all(), f"{name}: {apart.max():g}"
