"""A checked figure states how far it moved under halving: within its tolerance, where the point is ok."""

import math
import re
from collections.abc import Callable

import numpy as np
import pytest
import xarray as xr

ROWS = ("comparator continuous", "sample_hold", "sar_adc", "integrator", "dac", "dac of pulses")


@pytest.mark.parametrize("name", ROWS)
def test_checked_figures_state_their_largest_change(name: str, smallest: Callable[[str], xr.Dataset]) -> None:
    data = smallest(name)
    checked = [each for each in data.data_vars.values() if "step_tolerance" in each.attrs]
    known = [each for each in checked if np.isfinite(each.values).any()]
    assert known
    moved = 0
    for each in known:
        change, text = each.attrs["step_change"], each.attrs["step_tolerance"]
        assert isinstance(change, float) and math.isfinite(change), each.name
        share = re.match(r"([\d.e-]+) %(?:, at least ([\d.e-]+))?", text)
        largest = float(np.nanmax(np.abs(each.values)))
        allowed = max(float(share[1]) / 100 * largest, float(share[2] or 0)) if share else float(text.split()[0])
        assert 0 <= change <= allowed * (1 + 1e-9), each.name
        moved += change > 0
    assert moved > 0
