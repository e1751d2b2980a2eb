"""The sample and hold's model: the transistor's limits, kT/C, recovery, several hold capacitors, refusals."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from cosim.blocks.config import load_config
from cosim.blocks.dataset import config_of
from cosim.blocks.over import combine, conditions
from cosim.blocks.registry import get_block
from cosim.blocks.sample_hold import SampleHoldModel, characterise, fit, load_model, residuals
from cosim.blocks.sample_hold.behaviour import channel_conductance, inversion, presence, thermal_voltage
from cosim.blocks.sample_hold.config import SampleHoldConfig
from cosim.blocks.status import FAILED
from cosim.constants import BOLTZMANN, ZERO_CELSIUS
from cosim.errors import CosimError
from cosim.spice import SimulatorPool

INPUTS = (0.1, 0.25, 0.4, 0.5, 0.6, 0.75, 0.9)


@pytest.fixture(scope="module")
def several(pool: SimulatorPool) -> xr.Dataset:
    """The transmission gate with three hold capacitors, of which the fit sees the outer two."""
    block, values = get_block("sample_hold"), {"c_hold": ["200 fF", "500 fF", "1 pF"]}
    configs = conditions(block, None, {}, values)
    parts = [characterise(each, inputs=INPUTS, chips=8, pool=pool, show_progress=False) for each in configs]
    return combine(block, configs, list(values), parts)


@pytest.fixture(scope="module")
def one(several: xr.Dataset) -> xr.Dataset:
    from cosim.blocks.over import at_condition

    return at_condition(several, {"c_hold": "500 fF"})


@pytest.fixture(scope="module")
def model(several: xr.Dataset) -> SampleHoldModel:
    return fit(several)


def test_a_channel_far_above_and_far_below_threshold() -> None:
    u_t = thermal_voltage(27.0)
    assert u_t == pytest.approx(25.86e-3, rel=1e-3)
    assert inversion(1.0, u_t) == pytest.approx(1.0, rel=1e-6)
    assert channel_conductance(1.0, 2e-3, 0.0, u_t) == pytest.approx(2e-3, rel=1e-6)
    assert channel_conductance(1.0, 2e-3, 0.5, u_t) == pytest.approx(2e-3 / 1.5, rel=1e-6)
    below = channel_conductance(np.array([-0.5, -0.5 - u_t]), 2e-3, 0.0, u_t)
    assert below[0] / below[1] == pytest.approx(np.e, rel=1e-3)  # falls by e in U_T
    assert presence(0.0, u_t) == 0.5
    x = np.linspace(-0.3, 0.3, 61)
    slope = (inversion(x + 1e-6, u_t) - inversion(x - 1e-6, u_t)) / 2e-6
    assert slope == pytest.approx(presence(x, u_t), abs=1e-6)  # presence is the inversion's slope


def test_unseen_capacitors_chips_and_transients(model: SampleHoldModel, several: xr.Dataset) -> None:
    assert all(error.within_limit for error in model.errors.values())
    found = {each.quantity: each for each in residuals(model, several)}
    parts = found["pedestal"].by_part()
    assert set(parts) == {"unseen chips", "unseen capacitor", "unseen chips and capacitor"}
    # The straight line misses by a tenth of the pedestal: the reason for the usual form.
    assert fit(several, form="straight").errors["pedestal"].rms > 4 * model.errors["pedestal"].rms
    assert model.errors["time_constant"].rms < 0.03
    assert model.errors["energy"].rms < 0.02


def test_the_conductance_and_the_channel_charge_are_those_of_the_transistors(model: SampleHoldModel) -> None:
    """Half of a channel's W L C_ox (4 um, 0.18 um, 8.4 fF/um^2 of 4.1 nm oxide: 3 fF), within a third."""
    for name in ("c_n", "c_p"):
        assert model.value(name) == pytest.approx(3.0e-15, rel=0.33)
    assert 0 < model.value("t_return") < model.config.t_edge
    assert model.value("c_switch") == pytest.approx(10e-15, rel=0.3)
    assert model.value("v_p") < model.value("v_n")  # both conduct in between


def test_noise_is_ktc_at_any_temperature_and_capacitor(model: SampleHoldModel) -> None:
    c = 1e-12 + model.value("c_switch")
    assert model.noise(1e-12, 125.0) == pytest.approx(np.sqrt(BOLTZMANN * (125 + ZERO_CELSIUS) / c), rel=1e-12)
    held = model.hold(np.full(40_000, 0.9), np.random.default_rng(1))
    assert held.std() == pytest.approx(model.noise(), rel=0.02)
    assert held.mean() == pytest.approx(0.9 + float(model.pedestal(0.9)), abs=4 * model.noise() / 200)


def test_a_chip_adds_what_its_transistors_do(model: SampleHoldModel) -> None:
    chip = model.draw_mismatch(1, np.random.default_rng(2))[0]
    v = np.array([0.4, 1.4])
    with_chip = model.hold(v, np.random.default_rng(3), chip)
    without = model.hold(v, np.random.default_rng(3))
    assert with_chip - without == pytest.approx(model.mismatch_pedestal(v, chip[None])[0], abs=1e-15)
    assert model.mismatch_pedestal(v, 2 * chip[None]) == pytest.approx(2 * model.mismatch_pedestal(v, chip[None]))


def test_a_larger_capacitor_takes_a_smaller_step_and_more_time(model: SampleHoldModel) -> None:
    v = np.array([0.3, 1.5])
    assert (np.abs(model.pedestal(v, 1e-12)) < np.abs(model.pedestal(v, 2e-13))).all()
    ratio = model.capacitance(1e-12) / model.capacitance(2e-13)
    assert model.time_constant(v, 1e-12) / model.time_constant(v, 2e-13) == pytest.approx(ratio)
    with pytest.warns(UserWarning, match="'c_hold' are outside"):
        model.pedestal(v, 5e-12)


def test_one_capacitor_does_not_tell_the_return_of_charge(one: xr.Dataset) -> None:
    found = fit(one)
    assert "t_return" not in found.parameters and "energy" not in found.errors
    assert found.errors["pedestal"].within_limit


def test_the_file_gives_the_same_model_back(model: SampleHoldModel, tmp_path: Path) -> None:
    model.save(tmp_path / "m.json")
    again = load_model(tmp_path / "m.json")
    v = np.linspace(0.2, 1.6, 7)
    assert again.parameters == model.parameters and (again.pedestal(v) == model.pedestal(v)).all()


def test_failed_points_and_too_little_are_refused(one: xr.Dataset) -> None:
    broken = one.copy(deep=True)
    broken["status"].values[2, :3] = FAILED
    with pytest.raises(CosimError, match="3 of 49 points"):
        fit(broken)
    with pytest.raises(CosimError, match="more inputs"):
        fit(one.isel(input=slice(0, 5)))
    with pytest.raises(CosimError, match="chips are wanted"):
        fit(one.isel(chip=slice(0, 4)))


def test_an_nmos_switch_has_no_pmos(pool: SimulatorPool) -> None:
    config = load_config(SampleHoldConfig, None, {"sample_hold": "sample_hold_nmos"})
    data = characterise(config, inputs=(0.1, 0.2, 0.3, 0.4, 0.45, 0.5, 0.9), chips=6, pool=pool, show_progress=False)
    assert config_of(data)["sample_hold"] == "sample_hold_nmos"
    found = fit(data)
    assert found.value("g_p") == 0.0 and "absent" in found.parameters["g_p"].description
    assert found.value("q_clock") > 0  # the falling clock pulls the held node down
