"""The examples of docs/lab_data.md are what a user copies: they import, and the ADC's chips can be fitted."""

from pathlib import Path

import numpy as np
import pytest

from cosim.blocks import ramp_adc
from cosim.blocks.lab import import_lab

FOLDER = Path(__file__).resolve().parents[3] / "examples" / "lab"


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.toml")), ids=lambda path: path.stem)
def test_every_example_imports_whole(path: Path) -> None:
    data = import_lab(path)
    assert (data["status"].values == 0).all()
    assert data.attrs["simulator"] == "measurement"


def test_there_are_examples() -> None:
    assert {path.stem for path in FOLDER.glob("*.toml")} == {"adc", "loop", "pulses"}


def test_the_chips_of_the_example_can_be_fitted() -> None:
    """Their thresholds are rounded to 10 uV; an LSB at 3 bits is 35 mV and more, so the model's own error is left."""
    model = ramp_adc.fit(import_lab(FOLDER / "adc.toml"))
    assert model.error.within_limit and model.error.points == 3 * 7


def test_the_loop_is_pinched_and_passive() -> None:
    data = import_lab(FOLDER / "loop.toml")
    voltage, current = data["loop_voltage"].values, data["loop_current"].values
    assert (voltage * current >= 0).all() and voltage.min() < -2 < 2 < voltage.max()
    np.testing.assert_array_equal(current[voltage == 0], 0)


def test_the_trains_have_the_amplitudes_of_the_simulation() -> None:
    data = import_lab(FOLDER / "pulses.toml")
    np.testing.assert_allclose(data["amplitude"].values, [0.9, 1.0, 1.1], rtol=1e-9)
    rise = np.diff(data["pulse_conductance"].sel(polarity="SET").values, axis=-1)
    fall = np.diff(data["pulse_conductance"].sel(polarity="RESET").values, axis=-1)
    assert (rise > 0).all() and (fall < 0).all()
