"""A cell under pulses, its state following."""

import numpy as np
import pytest

from cosim.blocks.cell.characterisation import characterise
from cosim.blocks.cell.config import CellConfig, Gates
from cosim.blocks.cell.reading import blind_trains
from cosim.blocks.cell.switching import cycles, loop, train, trains
from cosim.errors import CosimError
from cosim.spice import SimulatorPool

CONFIG = CellConfig(device="hfo2_gap")


def conductance_of_gap(gap: np.ndarray, measured: np.ndarray, config: CellConfig) -> np.ndarray:
    """I / V by the model's own equation, i_0 exp(-gap / gap_0) sinh(v / v_0), at what the series resistance leaves."""
    device = config.parameters
    assert device.dynamic is not None
    model = device.model
    v = config.read_voltage / (1 + measured * device.dynamic.r_series)
    gap = np.clip(gap * 1e-9, model["gap_min"], model["gap_max"])  # the current takes the gap within its ends
    return model["i_0"] * np.exp(-gap / model["gap_0"]) * np.sinh(v / model["v_0"]) / v


def test_a_train_has_its_pulses_and_a_read_after_each() -> None:
    dynamic = CONFIG.parameters.dynamic
    assert dynamic is not None
    drive = train([(2.0, 100e-9), (-2.0, 50e-9)], dynamic, 0.1, Gates(1.8, 1.2, 3.3))
    times, volts = np.array(drive.times), np.array(drive.voltages)
    assert (np.diff(times) > 0).all() and len(drive.reads) == 3
    assert np.interp(drive.reads, times, volts) == pytest.approx([0.1, 0.1, 0.1])
    area = np.trapezoid(np.maximum(volts - 0.1, 0), times), np.trapezoid(np.minimum(volts, 0), times)
    # Amplitude times width between the middles of the edges; above 0.1 V the pulse is 1.9 V high, its edges shorter.
    assert area == pytest.approx((1.9 * 100e-9, -2.0 * 50e-9), rel=2e-3)
    assert drive.gate[np.argmax(volts)] == 1.2 and drive.gate[np.argmin(volts)] == 3.3


def test_set_raises_and_reset_lowers_more_the_larger_the_pulse(pool: SimulatorPool) -> None:
    found = trains(np.array([0.95, 1.05]), np.array([0.5, 1.0]), 3, CONFIG, pool)
    assert {each.status for each in found.checked} == {0}
    set_steps, reset_steps = np.diff(found.conductance[0]), np.diff(np.log(found.conductance[1]))
    assert (set_steps > 0).all() and (reset_steps < 1e-6).all()
    first = found.conductance[0, :, :, 1]
    assert (np.diff(first, axis=0) > 0).all() and (np.diff(first, axis=1) > 0).all()
    # What is read is what the gap says, less what the read itself moves it: nothing at 0.1 V.
    np.testing.assert_allclose(found.conductance, conductance_of_gap(found.state, found.conductance, CONFIG), rtol=5e-4)
    assert (found.energy > 0).all()


def test_the_loop_closes_and_power_is_never_given_back(pool: SimulatorPool) -> None:
    found = loop(CONFIG, pool)
    assert found.checked.status == 0
    assert (found.voltage * found.current >= -1e-12).all()  # a memristor dissipates
    assert abs(found.current[np.argmin(np.abs(found.voltage))]) < 1e-6  # and its loop is pinched at zero
    dynamic = CONFIG.parameters.dynamic
    assert dynamic is not None
    assert found.state[0] == pytest.approx(dynamic.state_off, abs=0.01)
    assert found.state.min() < 0.9 * dynamic.state_off  # the gap closed ...
    assert found.state[-1] > found.state.min() + 0.1  # ... and opened again


def test_in_an_array_reset_comes_from_the_source_line(pool: SimulatorPool) -> None:
    config = CellConfig(device="hfo2_gap", cell="1T1R")
    assert config.gates.resetting == pytest.approx(3.8)  # 1.2 V above 2.6 V
    found = trains(np.array([1.0]), np.array([1.0]), 2, config, pool)
    limited = trains(np.array([1.0]), np.array([1.0]), 2, config.model_copy(update={"v_gate_set": 0.8}), pool)
    weak = trains(np.array([1.0]), np.array([1.0]), 2, config.model_copy(update={"v_gate_reset": 1.8}), pool)
    assert {each.status for each in found.checked} == {0}
    assert found.conductance[0, 0, 0, -1] > 2 * found.conductance[0, 0, 0, 0]
    assert found.conductance[1, 0, 0, -1] < 0.5 * found.conductance[1, 0, 0, 0]
    assert limited.conductance[0, 0, 0, -1] < found.conductance[0, 0, 0, -1]  # the gate limits SET
    assert weak.conductance[1, 0, 0, -1] > 0.9 * weak.conductance[1, 0, 0, 0]  # and a low one holds the line down


def test_the_loop_of_a_cell_with_transistor_starts_at_rest(pool: SimulatorPool) -> None:
    found = loop(CellConfig(device="hfo2_gap", cell="1T1R"), pool)
    assert found.checked.status == 0
    # What charges the gate's overlap capacitance, a few femtocoulombs in nanoseconds, is all there is at first.
    assert abs(found.current[0]) < 1e-6
    assert found.current.min() < -1e-4  # RESET conducts


def test_the_switching_time_counts_from_the_middle_of_the_edge(pool: SimulatorPool) -> None:
    found = trains(np.array([1.0, 1.1]), np.array([1.0, 3.0]), 1, CONFIG, pool)
    dynamic = CONFIG.parameters.dynamic
    assert dynamic is not None
    times = found.switching_time[0]
    reached = found.state[0, :, :, 1] < (dynamic.state_off + dynamic.state_on) / 2
    np.testing.assert_array_equal(np.isfinite(times), reached)
    assert reached[1, 1]
    assert times[1, 1] < 3 * dynamic.t_pulse and {each.status for each in found.checked} == {0}


def test_blind_pulses_follow_the_devices_statistics(pool: SimulatorPool) -> None:
    found = blind_trains(5, 200, CellConfig(device="pcm_training"), 1, pool)
    # Mean after 1, 2, 3, 5 pulses: 2.06, 3.44, 4.49, 5.92 uS with sigma 1.52, 1.96, 2.19, 2.32 uS; four sigma of the
    # mean of 200.
    mean = found.conductance.mean(axis=0)[[1, 2, 3, 5]] * 1e6
    sigma = np.array([1.52, 1.96, 2.19, 2.32])
    assert (np.abs(mean - [2.06, 3.44, 4.49, 5.92]) < 4 * sigma / np.sqrt(200)).all()


def test_cycles_differ_by_chance_and_devices_by_their_parameters(pool: SimulatorPool) -> None:
    equal = cycles(2, 2, CONFIG.model_copy(update={"cycle_spread": 0.0}), 1, pool)
    assert np.ptp(equal.conductance, axis=(0, 2)).max() == 0
    spread = cycles(2, 2, CONFIG.model_copy(update={"device_spread": {"gamma_0": 0.02}}), 1, pool)
    assert np.ptp(spread.conductance[:, 0, 0]) > 0 and np.ptp(spread.conductance[0, 0]) > 0
    again = cycles(1, 2, CONFIG.model_copy(update={"device_spread": {"gamma_0": 0.02}}), 1, pool)
    np.testing.assert_array_equal(again.conductance[0], spread.conductance[0])  # whatever the number of devices


def test_the_data_set_holds_what_the_device_can_do(pool: SimulatorPool) -> None:
    small = {"voltages": 5, "reads": 16, "devices": 2, "pool": pool, "show_progress": False}
    reads_only = characterise(CellConfig(device="taox_1t1r"), states=(1e-5, 1e-4), **small)  # type: ignore[arg-type]
    assert reads_only["measurement"].values.tolist() == ["iv", "noise", "programming"]
    assert "pulse_conductance" not in reads_only and (reads_only["status"] == 0).all()
    data = characterise(CONFIG, amplitudes=(1.0,), widths=(1.0,), pulses=1, cycles_each=1, **small)  # type: ignore[arg-type]
    assert data["measurement"].values.tolist() == ["iv", "noise", "programming", "loop", "pulses", "cycles"]
    assert data["pulse_conductance"].shape == (2, 1, 1, 2)
    assert data["cycle_conductance"].dims == ("device", "polarity", "cycle")
    assert data.attrs["device"] == "hfo2_gap"


@pytest.mark.parametrize(
    ("sweeps", "says"),
    [
        ({"states": (1.0,)}, "1 S.*outside the device's window"),
        ({"states": (float("nan"),)}, "outside the device's window"),
        ({"reads": 3}, "key 'reads': value 3: too few. Allowed: 16 or more"),
        ({"amplitudes": ()}, "key 'amplitudes'"),
        ({"widths": (-1.0,)}, "positive"),
    ],
)
def test_a_wrong_sweep_is_one_clear_error(sweeps: dict[str, object], says: str, pool: SimulatorPool) -> None:
    with pytest.raises(CosimError) as caught:
        characterise(CONFIG, pool=pool, show_progress=False, **sweeps)  # type: ignore[arg-type]
    import re

    assert re.search(says, str(caught.value))


def test_an_unknown_parameter_of_the_model_is_named(pool: SimulatorPool) -> None:
    with pytest.raises(CosimError, match="no such parameter"):
        cycles(1, 1, CONFIG.model_copy(update={"device_spread": {"gama_0": 0.02}}), 1, pool)
