"""Read voltage and feedback capacitor cancel for the column, not for the fixed ramp; corners; sweeps out of range."""

from typing import Any

import numpy as np
import pytest
import xarray as xr

from cosim.blocks.ramp_adc.characterisation import characterise
from cosim.blocks.ramp_adc.config import RampAdcConfig
from cosim.errors import CosimError
from cosim.spice import SimulatorPool

CONFIG = RampAdcConfig(bits=3)


def test_the_read_voltage_moves_no_threshold_but_those_of_a_fixed_ramp(three_bits: xr.Dataset) -> None:
    inl, chip, v_read = (three_bits[name].values for name in ("inl", "chip", "v_read"))
    fixed = three_bits["ramp"].values == "fixed"
    for number in (-1, 0, 1):
        mine = ~fixed & (chip == number)
        at_nominal = inl[mine & (v_read == 0.2)][0]
        # What is left: the comparator's offset and overdrive are volts, and count for more LSB where alpha is smaller.
        assert 0 < np.abs(inl[mine] - at_nominal).max() <= 0.1
    moved = np.abs(inl[fixed] - inl[fixed & (v_read == 0.2)][0]).max(axis=1)
    np.testing.assert_allclose(moved[1:], [1.0, 0.6], atol=0.05)  # 3 steps from the middle: 3 / 0.75 - 3, 3 - 3 / 1.25


@pytest.mark.parametrize(
    ("sweep", "says"),
    [
        ({"chips": 0}, "key 'chips': value 0"),
        ({"columns": 0}, "key 'columns': value 0"),
        ({"v_read_chips": -1}, "key 'v_read_chips': value -1"),
        ({"v_reads": (0.2, 2.0)}, "key 'v_reads': value 2.0.*0.01 to 0.5 V"),
        ({"v_reads": (float("nan"),)}, "key 'v_reads': value nan"),
        ({"c_fbs": (0.0,)}, "key 'c_fbs': value 0.0.*F"),
    ],
)
def test_sweeps_out_of_range(sweep: dict[str, Any], says: str) -> None:
    with pytest.raises(CosimError, match=says):
        characterise(CONFIG, **sweep)


def test_a_pulse_that_does_not_fit_the_clock_is_refused_at_once() -> None:
    with pytest.raises(CosimError, match=r"key 't_clock': value '20 ns'.*at least 21 ns"):
        RampAdcConfig(t_pulse=20e-9)


def test_an_ordinary_linear_converter_by_itself(pool: SimulatorPool) -> None:
    """`ramp = "fixed"`: every chip has the reference's straight ramp, and errs by its comparator alone."""
    config = RampAdcConfig(bits=2, ramp="fixed")
    data = characterise(config, chips=2, v_reads=(), pool=pool, show_progress=False)
    assert (data["status"].values == 0).all() and set(data["ramp"].values) == {"fixed"}
    levels = data["ramp_level"].values
    np.testing.assert_allclose(np.diff(levels), np.diff(levels)[0, 0], rtol=1e-6)
    step = np.diff(levels)[0, 0]
    moved = (data["threshold"].values - levels - data["comparator_offset"].values[:, None]) / step
    assert np.abs(moved).max() < 0.1  # [LSB]: the comparator's lag behind the staircase
    assert np.isnan(float(data["integrator_energy"])) and (data["missing_codes"].values == 0).all()


def test_the_feedback_capacitor_cancels_as_the_read_voltage_does(pool: SimulatorPool) -> None:
    """Ramp and MAC result are both on C_fb: 20 % less moves the fixed ramp by up to 0.6 LSB, the column's by the
    comparator's millivolts alone. Two comparators of the chip share its ramp and differ in their offset.
    """
    config = RampAdcConfig(bits=3)
    data = characterise(
        config, chips=1, columns=2, v_reads=(), v_read_chips=1, c_fbs=(4e-12,), seed=4, pool=pool, show_progress=False
    )
    assert (data["status"].values == 0).all()
    np.testing.assert_array_equal(data["chip"].values, [-1, 0, 0, -1, 0, -1, -1])
    np.testing.assert_array_equal(data["column"].values, [0, 0, 1, 0, 0, 0, 0])
    np.testing.assert_allclose(data["c_fb"].values, 1e-12 * np.array([5, 5, 5, 4, 4, 5, 4]))
    gain, inl = data["gain"].values, data["inl"].values
    np.testing.assert_allclose(gain[[3, 4, 6]], gain[0] * 5 / 4, rtol=1e-12)
    assert np.abs(inl[3] - inl[0]).max() < 0.05 and np.abs(inl[4] - inl[1]).max() < 0.05
    # 3 steps from the middle, and 3 / 1.25 of them are left.
    assert np.abs(inl[6] - inl[5]).max() == pytest.approx(0.6, abs=0.05)
    levels, offset = data["ramp_level"].values, data["comparator_offset"].values
    np.testing.assert_allclose(levels[2], levels[1], atol=2e-6)
    moved = data["threshold"].values[2] - data["threshold"].values[1]
    np.testing.assert_allclose(moved, offset[2] - offset[1], atol=0.2e-3)


CORNERS: list[dict[str, Any]] = [
    {"temperature": -40.0},
    {"temperature": 125.0},
    {"t_clock": 200e-9},
    {"bits": 7},
    {"corner": "SS", "temperature": 125.0, "v_dd": 1.62},
    {"corner": "FS", "temperature": 125.0, "v_dd": 1.62},  # slow PMOS: the pair's upper end
    {"corner": "SF", "temperature": -40.0, "v_dd": 1.62},
    {"corner": "FF", "temperature": -40.0, "v_dd": 1.98},
    {"process": "generic65", "bits": 4},
    {"process": "generic65", "corner": "SS", "temperature": 125.0, "v_dd": 1.08},
    {"process": "generic65", "corner": "FS", "temperature": -40.0, "v_dd": 1.32},
]


@pytest.mark.slow
@pytest.mark.parametrize("changes", CORNERS, ids=str)
def test_corners_of_the_configuration(changes: dict[str, Any], pool: SimulatorPool) -> None:
    config = RampAdcConfig(**{"bits": 3, **changes})
    data = characterise(config, chips=1, v_reads=(), pool=pool, show_progress=False)
    assert (data["status"].values == 0).all()
    assert np.abs(data["inl"].values[0]).max() < 0.6  # [LSB], nominal chip: the comparator's overdrive and lag
