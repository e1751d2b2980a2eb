"""Networks on the hardware of a point: known accuracies, drift in closed form, other functions, model-form error."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cosim.devices import load_device
from cosim.devices.laws import PowerDrift
from cosim.errors import CosimError
from cosim.networks.weights import shipped_weights
from cosim.studies.evaluation import Job, Outcome, evaluate
from cosim.studies.point_hardware import age, device_of, point_hardware
from cosim.studies.settings import settings_of
from cosim.studies.sources import Counts
from cosim.studies.subjects import SUBJECTS, check_subject
from cosim.tiles.behavioural import BehaviouralTile
from cosim.tiles.config import Nonidealities
from cosim.tiles.model_error import ModelFormError
from cosim.tiles.protocol import Fidelity

pytestmark = pytest.mark.filterwarnings("ignore::cosim.blocks.domain.OutsideDomainWarning")

Write = Callable[..., Path]


def point(values: dict[str, Any], *, chips: int = 2, reads: int = 1, samples: int | None = 40) -> Outcome:
    found = evaluate(Job("k", {}, values, Counts(chips, reads, samples, 1)))
    assert found.failure is None
    return found


def test_ideal_tiles_have_the_accuracy_of_the_float_weights() -> None:
    found = point({"network.weights": "float", "fidelity.default": Fidelity.IDEAL}, chips=1, samples=None)
    assert found.scores.mean() == pytest.approx(shipped_weights("float").metadata.accuracy, abs=1e-12)


def test_bits_alone_have_the_accuracy_that_the_weights_were_trained_to() -> None:
    """Of the gates; the head is in real arithmetic, as in training."""
    values = {"fidelity.default": Fidelity.QUANTISED, "fidelity.head": Fidelity.IDEAL}
    values |= {"tile.adc.bits": 5, "tile.dac_bits": 5, "tile.weight_bits": 5}
    found = point(values, chips=1, samples=None)
    assert found.scores.mean() == pytest.approx(shipped_weights("qat").metadata.accuracy, abs=1e-12)


def test_switches_off_are_bits_alone() -> None:
    """In float64, where a MAC result may lie on a threshold; an output code may then differ, an answer hardly."""
    off = {f"nonidealities.{name}": False for name in Nonidealities.names()}
    one = point(off, chips=1, samples=200)
    other = point({"fidelity.default": Fidelity.QUANTISED}, chips=1, samples=200)
    assert np.mean(one.scores != other.scores) <= 0.005


@pytest.mark.parametrize("name", list(SUBJECTS))
def test_every_network_lies_on_the_tiles(name: str) -> None:
    check_subject(settings_of({}, {"network.name": name, "tile.inputs": 128, "tile.outputs": 128}))


def test_the_same_drift_of_all_cells_moves_no_code() -> None:
    """G(t) = f G in the array and in the ramp column: MAC results and ramp levels shrink alike, T = f L and V = f x."""
    settings = settings_of({}, {"tile.inputs": 20, "tile.outputs": 6})
    hardware = point_hardware(settings)
    on = replace(Nonidealities.none(), programming_error=True, ramp_error=True)
    tile = hardware.with_nonidealities(on).build("tanh", Fidelity.BEHAVIOURAL, w_max=1.0)
    assert isinstance(tile, BehaviouralTile)
    weights = np.random.default_rng(1).uniform(-1, 1, (20, 6))
    inputs = np.random.default_rng(2).uniform(-1, 1, (300, 20))
    tile.program(weights, np.random.default_rng(3))
    before, matrix = tile.codes(inputs, np.random.default_rng(4)), tile.matrix.copy()
    thresholds = tile.thresholds.copy()
    drift = PowerDrift(t_0=1.0, nu=0.05)
    age(tile, 100.0, replace(load_device("taox_1t1r"), drift=drift), np.random.default_rng(5))
    np.testing.assert_allclose(tile.matrix, matrix * 100.0**-0.05, rtol=1e-6)
    # The finite gain of the integrators makes levels not quite proportional: by some 0.03 LSB here.
    np.testing.assert_allclose(tile.thresholds, thresholds * 100.0**-0.05, atol=2e-3)
    assert np.mean(tile.codes(inputs, np.random.default_rng(4)) != before) < 0.03


def test_no_time_is_no_drift_and_a_year_is_some() -> None:
    device = {"device.name": "pcm_inference"}
    fresh, at_once, later = (
        point(device | time, samples=100) for time in ({}, {"device.time": 0.0}, {"device.time": 3.15e7})
    )
    np.testing.assert_array_equal(fresh.scores, at_once.scores)
    np.testing.assert_array_equal(fresh.losses, at_once.losses)
    assert (later.losses != fresh.losses).all()


def test_an_expression_makes_what_the_function_of_its_name_makes() -> None:
    named, written = point({}), point({"functions.tanh": "expr: tanh(x) @ -8, 8"})  # tanh(8) = 1 - 2e-7
    other = point({"functions.tanh": "expr: 0.5*tanh(x) @ -4, 4"})
    np.testing.assert_allclose(named.losses, written.losses, rtol=0.02)  # rounding of its inverse may move a code
    assert (named.losses != other.losses).all()


def test_what_the_study_says_of_the_device_replaces_what_it_says() -> None:
    values = {"device.read_noise": 0.01, "device.stuck_off_rate": 0.02}
    device, own = device_of(settings_of({}, values)), load_device("taox_1t1r")
    assert (device.read_noise, device.stuck_off_rate, device.g_max) == (0.01, 0.02, own.g_max)


def test_stuck_cells_cost_accuracy() -> None:
    good, bad = (point({"device.stuck_on_rate": rate}, samples=100) for rate in (0.0, 0.2))
    assert bad.scores.mean() < good.scores.mean() - 0.1


def test_a_parameter_of_a_model_takes_the_study_s_value() -> None:
    hardware = point_hardware(settings_of({}, {"models.ramp_adc.parameters.offset_sigma": "50 mV"}))
    assert hardware.models["tanh"].value("offset_sigma") == pytest.approx(0.05)
    with pytest.raises(CosimError, match="another dimension"):
        point_hardware(settings_of({}, {"models.ramp_adc.parameters.offset_sigma": "50 s"}))


def test_a_model_form_error_is_told_on_the_same_chips(tmp_path: Path) -> None:
    nothing, much = tmp_path / "nothing.json", tmp_path / "much.json"
    ModelFormError().save(nothing)
    ModelFormError(threshold_column=0.1).save(much)
    none, some = (point({"models.form_error": str(path)}) for path in (nothing, much))
    assert none.measures["error_model"] == none.measures["error_model_low"] == 0.0
    assert some.measures["error_model"] < -0.05
    np.testing.assert_array_equal(none.scores, some.scores)  # the score itself is that without it


def test_larger_arrays_need_fewer_tiles_and_cost_other_energy() -> None:
    small, large = (
        point({"tile.inputs": size, "tile.outputs": size, "network.activations": "digital"}, chips=1, samples=5)
        for size in (16, 64)
    )
    assert small.measures["tiles"] > large.measures["tiles"]
    assert small.measures["energy"] != large.measures["energy"]


@pytest.mark.slow
def test_a_layer_of_a_study_runs_in_ngspice_in_a_worker(study_file: Write, tmp_path: Path) -> None:
    """A worker may not have a pool of its own: its simulator is a child of another kind."""
    from cosim.studies.execution import begin, run_study
    from cosim.studies.specification import load_specification
    from cosim.studies.store import StudyFolder
    from cosim.studies.workplaces import ProcessPool

    text = 'schema = "cosim.study/1"\nchips = 1\ntest_samples = 2\n\n[fidelity]\nhead = "spice"\n'
    pool = ProcessPool(1)
    try:
        keys = run_study(begin(load_specification(study_file(text)), tmp_path / "r", pool))
    finally:
        pool.close()
    found = StudyFolder(tmp_path / "r", {}).outcome(keys[0])
    assert found.failure is None and found.scores.shape == (1, 1, 2)
