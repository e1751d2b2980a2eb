"""Fits of what pulses do: approach of a train to its end, spread of cycles."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from cosim.blocks.cell import fit
from cosim.blocks.cell.observations import Observations
from cosim.blocks.cell.responding import approached
from cosim.blocks.lab import import_lab
from cosim.errors import CosimError

from .conftest import made_data

EXAMPLES = Path(__file__).parents[3] / "examples" / "lab"


def with_trains(values: np.ndarray, amplitudes: tuple[float, ...], widths: tuple[float, ...]) -> xr.Dataset:
    """A data set that holds trains alone, (polarity, amplitude, width, pulse)."""
    data = made_data("hfo2_gap", parts=("drift",)).drop_dims("state").drop_vars("measurement")
    text = {"units": "1", "long_name": "x"}
    data["pulse_conductance"] = (("polarity", "amplitude", "width", "pulse"), values, {"units": "S", "long_name": "x"})
    data["status"] = (("measurement",), np.zeros(1, dtype=np.int8), text)
    return data.assign_coords(
        polarity=(("polarity",), np.array(["SET", "RESET"], dtype=object), text),
        amplitude=(("amplitude",), np.array(amplitudes), text), width=(("width",), np.array(widths), text),
        pulse=(("pulse",), np.arange(values.shape[-1]), text),
        measurement=(("measurement",), np.array(["pulses"], dtype=object), text),
    )  # fmt: skip


AMPLITUDES, WIDTHS = (0.9, 1.0, 1.1), (0.3, 1.0, 3.0)
SET = np.array([150e-6, np.log(2.0), np.log(0.9), 2.0, 3.0])
RESET = np.array([5e-6, np.log(1.5), np.log(1.8), 0.0, 5.0])


def trains(noise: float = 0.0) -> np.ndarray:
    a, w, n = np.meshgrid(AMPLITUDES, WIDTHS, np.arange(9), indexing="ij")
    values = np.array([
        np.where(n == 0, start, approached(numbers, start, a, np.maximum(n, 1) * w))
        for numbers, start in ((SET, 5e-6), (RESET, 120e-6))
    ])  # fmt: skip
    return values * (1 + noise * np.random.default_rng(0).standard_normal(values.shape))


def test_the_numbers_of_a_train_come_back() -> None:
    """Trains of the law itself, of which half are seen: the numbers to rounding, the others predicted."""
    model = fit(with_trains(trains(), AMPLITUDES, WIDTHS))
    for name, numbers in (("set", SET), ("reset", RESET)):
        found = [model.value(f"response.{name}_{key}") for key in ("g_end", "tau", "shape", "end_power", "rate_power")]
        expected = [numbers[0], *np.exp(numbers[1:3]), *numbers[3:]]
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
        assert model.errors[f"response_{name}"].rms < 1e-5
    assert model.errors["response_set"].points == 4 * 8
    told = model.pulsed("SET", 5e-6, np.array([1, 4]), amplitude=1.05, width=2.0)  # a pair that was not measured
    np.testing.assert_allclose(told, approached(SET, 5e-6, 1.05, np.array([2.0, 8.0])), rtol=1e-4)


def test_noisy_trains_are_told_within_their_noise() -> None:
    """2 % noise of each value, of which that of the start is in all points of a train."""
    model = fit(with_trains(trains(0.02), AMPLITUDES, WIDTHS))
    assert model.errors["response_set"].rms < 0.04
    each = model.parameters["response.set_tau"]
    assert each.low <= 2.0 <= each.high


def test_pulses_that_switch_at_once_have_no_law() -> None:
    """Trains that jump at a random pulse: nothing is claimed, and the reason is given."""
    rng = np.random.default_rng(2)
    values = np.full((2, 3, 3, 9), 5e-6)
    for index in np.ndindex(2, 3, 3):
        values[index][rng.integers(1, 9) :] = 1e-4
    with pytest.raises(CosimError, match="what switches at once has none"):
        fit(with_trains(values, AMPLITUDES, WIDTHS))


@given(st.floats(0.5, 20.0), st.floats(0.1, 5.0), st.integers(1, 20), st.integers(1, 20))
def test_pulses_count_by_their_total_time(tau: float, shape: float, pulses: int, parts: int) -> None:
    """n pulses of width w are n / k pulses of width k w; and the conductance never passes its end."""
    numbers = np.array([1e-4, np.log(tau), np.log(shape), 0.0, 0.0])
    one = approached(numbers, 1e-6, 1.0, pulses * 1.0)
    same = approached(numbers, 1e-6, 1.0, (pulses * parts) * (1.0 / parts))
    assert float(one) == pytest.approx(float(same), rel=1e-9)
    assert 1e-6 <= one <= 1e-4 * (1 + 1e-12)


def test_the_example_of_measured_trains() -> None:
    """Three amplitudes in each direction, the middle one held out."""
    model = fit(import_lab(EXAMPLES / "pulses.toml"))
    assert set(model.laws) == {"response"}
    assert model.errors["response_set"].rms < 0.03
    assert model.parameters["response.set_tau"].low is None  # two trains give no interval


def cycled(devices: int, cycles: int, within: float, between: float, seed: int = 0) -> xr.Dataset:
    rng = np.random.default_rng(seed)
    data = made_data("hfo2_gap", parts=("drift",)).drop_dims("state").drop_vars("measurement")
    own = between * rng.standard_normal((devices, 2, 1))
    log = np.log(np.array([1e-4, 5e-6]))[:, None] + own + within * rng.standard_normal((devices, 2, cycles))
    text = {"units": "1", "long_name": "x"}
    data["cycle_conductance"] = (("device", "polarity", "cycle"), np.exp(log), {"units": "S", "long_name": "x"})
    data["status"] = (("measurement",), np.zeros(1, dtype=np.int8), text)
    return data.assign_coords(
        polarity=(("polarity",), np.array(["SET", "RESET"], dtype=object), text),
        measurement=(("measurement",), np.array(["cycles"], dtype=object), text),
    )


def test_spreads_within_and_between_devices() -> None:
    """Intervals of 30 data sets hold median and both spreads; 24 or fewer of 30 has a chance of 1 %."""
    hits = {"median": 0, "within": 0, "between": 0}
    for seed in range(30):
        model = fit(cycled(40, 5, 0.1, 0.2, seed))
        for name, truth in (("median", 1e-4), ("within", 0.1), ("between", 0.2)):
            each = model.parameters[f"cycles.set_{name}"]
            hits[name] += each.low <= truth <= each.high
        for error in model.errors.values():
            assert error.rms < 1.3 * error.limit
    assert min(hits.values()) >= 25, hits


def test_what_rests_at_the_end_of_its_window_has_no_spread() -> None:
    data = cycled(8, 3, 0.05, 0.0)
    data["cycle_conductance"].values[:, 1] = 4.574e-6
    model = fit(data)
    assert "cycles.reset_within" not in model.parameters
    assert model.value("cycles.reset_median") == pytest.approx(4.574e-6, rel=1e-12)
    assert model.errors["cycle_spread"].points == 4


def test_three_devices_are_too_few_for_cycles() -> None:
    with pytest.raises(CosimError, match="four devices of two cycles or more"):
        fit(cycled(3, 3, 0.1, 0.1))


def test_a_dimension_that_no_cell_has_is_refused() -> None:
    data = cycled(8, 3, 0.1, 0.1)
    data["cycle_conductance"] = data["cycle_conductance"].expand_dims("wafer")
    with pytest.raises(CosimError, match="a dimension that the cell's model does not know"):
        Observations(data, False).values("cycle_conductance", ("polarity", "device", "cycle"))
