"""The integrator's model: ideal limits, conservation, macro model and amplifier against ngspice, refusals."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from cosim.blocks.integrator import IntegratorModel, characterise, fit, load_model, residuals
from cosim.blocks.integrator.config import IntegratorConfig
from cosim.blocks.status import FAILED
from cosim.constants import BOLTZMANN, ZERO_CELSIUS
from cosim.errors import CosimError
from cosim.spice import SimulatorPool

CHARGES = (-1.0, -0.7, -0.4, 0.0, 0.4, 0.7, 1.0)


@pytest.fixture(scope="module")
def data(pool: SimulatorPool) -> xr.Dataset:
    config = IntegratorConfig(integrator="integrator", amplifier_gain=2e3, amplifier_gbw=3e8)
    return characterise(config, charges=CHARGES, pool=pool, show_progress=False)


@pytest.fixture(scope="module")
def model(data: xr.Dataset) -> IntegratorModel:
    return fit(data)


def with_values(model: IntegratorModel, **values: float) -> IntegratorModel:
    changed = {
        name: replace(model.parameters[name], value=value, low=None, high=None) for name, value in values.items()
    }
    return replace(model, parameters={**model.parameters, **changed})


def test_the_macro_models_own_parameters_come_back(model: IntegratorModel) -> None:
    """Its amplifier has one pole: what read pulses show is what the netlist was given."""
    assert model.value("dc_gain") == pytest.approx(2e3, rel=1e-3)
    assert model.value("gbw") == pytest.approx(3e8, rel=0.02)  # edges of 0.1 ns are no part of the law
    assert model.value("c_input") == pytest.approx(0.0, abs=1e-15)
    assert model.errors["output"].rms < 1e-4 and model.errors["droop"].rms < 5e-3


def test_infinite_gain_and_bandwidth_make_an_ideal_integrator(model: IntegratorModel) -> None:
    ideal = with_values(model, dc_gain=1e15, gbw=1e18, gbw_tilt=0.0, gbw_bend=0.0, offset_mean=0.0)
    q = np.array(CHARGES) * model.config.full_scale
    assert ideal.charge(q) == pytest.approx(q, rel=1e-9)
    assert ideal.output(q) == pytest.approx(-q / model.config.c_fb, rel=1e-9)


def test_finite_gain_loses_the_textbooks_share(model: IntegratorModel) -> None:
    """dv = -q / C_fb / (1 + 1 / (A beta)) far from the rails, with q as it went in."""
    q = 0.2 * model.config.full_scale
    step = float(model.output(q))
    expected = (
        -float(model.charge(q)) / model.config.c_fb / (1 + 1 / (model.value("dc_gain") * model.feedback_factor()))
    )
    assert step == pytest.approx(expected, rel=1e-6)


def test_charge_is_conserved_near_the_rails(model: IntegratorModel) -> None:
    """The output that Newton's method finds keeps the module's equation, and stays between the supplies."""
    near = with_values(model, output_low=0.5, output_high=1.4, w_low=0.05, w_high=0.05)
    q = np.linspace(-1, 1, 41) * model.config.full_scale
    step, start = near.output(q), model.config.v_clp + model.value("offset_mean")
    left = step + (near._primitive(start + step) - near._primitive(np.array(start))) / near.feedback_factor()
    assert left == pytest.approx(-near.charge(q) / model.config.c_fb, abs=1e-10)
    assert (np.diff(step) < 0).all() and (start + step > 0).all() and (start + step < model.config.v_dd).all()


def test_an_offset_adds_the_charge_of_the_cells_that_it_stands_across(model: IntegratorModel) -> None:
    q = 0.5 * model.config.full_scale
    g = q / (model.config.v_read * model.config.t_pulse)
    moved = float(model.charge(q, offset=1e-3) - model.charge(q, offset=0.0))
    on = model.config.t_clock - 4e-10  # from the word line's opening to its closing
    assert moved == pytest.approx(-g * 1e-3 * on, rel=0.05)  # less by what the virtual ground gives way


def test_a_held_output_decays_exponentially_in_mid_range(model: IntegratorModel) -> None:
    quiet = with_values(model, offset_mean=0.0)
    tau = quiet.hold_time_constant()
    start = np.array([1.1, 0.95])
    left = (quiet.held(start, tau / 10) - model.config.v_clp) / (start - model.config.v_clp)
    assert left == pytest.approx(np.exp(-0.1), rel=1e-3)


def test_reset_noise_is_ktc(model: IntegratorModel) -> None:
    expected = np.sqrt(BOLTZMANN * (85 + ZERO_CELSIUS) / model.config.c_fb)
    assert model.reset_noise(85.0) == pytest.approx(expected, rel=1e-12)
    drawn = model.output(np.zeros(20_000), rng=np.random.default_rng(1))
    sigma = np.hypot(model.value("noise"), model.reset_noise())
    assert drawn.std() == pytest.approx(sigma, rel=0.02)


def test_the_file_gives_the_same_model_back(model: IntegratorModel, tmp_path: Path) -> None:
    model.save(tmp_path / "m.json")
    again = load_model(tmp_path / "m.json")
    q = np.array(CHARGES) * model.config.full_scale
    assert again.parameters == model.parameters and (again.output(q) == model.output(q)).all()


def test_failed_simulations_and_too_few_charges_are_refused(data: xr.Dataset) -> None:
    broken = data.copy(deep=True)
    broken["status"].values[0] = FAILED
    with pytest.raises(CosimError, match=f"1 of {data['status'].size} simulations"):
        fit(broken)
    with pytest.raises(CosimError, match="more charges") as caught:
        fit(data.isel(pulse=slice(0, 5)))
    assert caught.value.key == "charges"


@pytest.mark.slow
def test_a_transistor_amplifier_and_another_one_with_other_capacitors(pool: SimulatorPool) -> None:
    found = fit(characterise(IntegratorConfig(), chips=16, pool=pool, show_progress=False))
    assert all(error.within_limit for error in found.errors.values())
    assert found.errors["output"].rms < 2e-4  # of full scale; found 7e-5
    assert found.errors["offset"].rms < 0.01 * found.value("offset_sigma")  # by each chip's transistors
    other = IntegratorConfig(c_fb=1.5e-12, swing=0.4, t_pulse=30e-9)
    data = characterise(other, chips=0, pool=pool, show_progress=False)
    carried = {each.quantity: each.judged() for each in residuals(found, data)}
    assert carried["output"].rms < 1e-3 and carried["droop"].rms < 0.1
