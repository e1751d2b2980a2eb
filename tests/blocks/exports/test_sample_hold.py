"""The exported sample and hold tracks with the model's time constant and leaves its pedestal."""

import numpy as np
import pytest

from cosim.blocks.domain import Domain
from cosim.blocks.model import ModelError, Parameter
from cosim.blocks.sample_hold.behaviour import SampleHoldModel
from cosim.blocks.sample_hold.config import SampleHoldConfig
from cosim.seeds import stream
from cosim.spice import Deck, SimulatorPool, Tolerances

from .conftest import exported

ERROR = ModelError(rms=0.01, maximum=0.02, unit="V", points=9, limit=0.1, held_out="for the tests")
CHANNELS = {
    "g_n": 6e-4, "theta_n": 0.4, "v_n": 1.25, "g_p": 3e-4, "theta_p": 0.3, "v_p": 0.55, "c_switch": 2e-15,
    "leakage": 1e-13, "charge_sensitivity": ((2e-15, 1e-16), (3e-15, 2e-16)),
}  # fmt: skip
FORMS = {
    "charge": CHANNELS | {"q_clock": 4e-16, "c_n": 1.5e-15, "c_p": 1.2e-15, "t_return": 3e-11},
    "straight": CHANNELS | {"q_0": -1e-15, "c_slope": 1.8e-15},
}


def model_of(form: str) -> SampleHoldModel:
    config = SampleHoldConfig()
    parameters = {name: Parameter(value, "1") for name, value in FORMS[form].items()}
    limits = {"input": (0.0, config.v_dd), "c_hold": (1e-15, 1e-11)}
    return SampleHoldModel(
        config=config, form=form, parameters=parameters, error=ERROR, errors={}, domain=Domain(limits),
        settings={"mismatch_sigmas": [3e-3, 1e-2]},
    )  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_held_voltages_have_the_models_pedestal(form: str, pool: SimulatorPool) -> None:
    """Six inputs through two chips with different capacitors in one deck: what is held less the input, to 1 uV.

    The pedestals are mV; tracking lasts 60 and more time constants. Twice the pedestal of an input comes of a charge
    that is injected twice, none of one that flows back through a switch that still conducts.
    """
    model = model_of(form)
    v_dd, period, edge = model.config.v_dd, 60e-9, 1e-10
    inputs = np.array([0.1, 0.5, 0.9, 1.2, 1.5, 1.7])
    corners = [(0.0, float(inputs[0]))]
    for k in range(1, len(inputs)):
        corners += [(k * period, float(inputs[k - 1])), (k * period + edge, float(inputs[k]))]
    wave = " ".join(f"{time!r} {value!r}" for time, value in corners)
    lines = [
        exported("sample_hold", model, "spice"),
        exported("sample_hold", model, "spice", chip="seed:3", name="drawn"),
        f"vin in 0 pwl({wave})",
        f"vdd vdd 0 {v_dd!r}",
        f"vclk clk 0 pulse({v_dd!r} 0 {0.75 * period!r} {edge!r} {edge!r} {0.2 * period!r} {period!r})",
        "X1 in held1 clk vdd 0 sample_hold_model",
        "X2 in held2 clk vdd 0 drawn chold=50f",
    ]
    deck = Deck(
        "sample and hold", "\n".join(lines), (f".tran 50p {len(inputs) * period!r} 0 100p",),
        ("v(held1)", "v(held2)"), Tolerances(reltol=1e-7, vntol=1e-9, chgtol=1e-19),
    )  # fmt: skip
    result = pool.run([deck])[0]
    assert result.ok, result.failure
    at = (np.arange(len(inputs)) + 0.85) * period
    first, second = (np.interp(at, result["time"], result[f"v(held{n})"]) - inputs for n in (1, 2))
    np.testing.assert_allclose(first, model.pedestal(inputs), rtol=0, atol=1e-6)
    mismatch = model.draw_mismatch(1, np.random.default_rng(stream(3, "export: sample and hold")))
    wanted = model.pedestal(inputs, 50e-15) + model.mismatch_pedestal(inputs, mismatch, 50e-15)[0]
    np.testing.assert_allclose(second, wanted, rtol=0, atol=1e-6)
    assert np.abs(model.pedestal(inputs)).max() > 1e-3 > 1e-5 < np.abs(wanted - model.pedestal(inputs, 50e-15)).max()


def test_tracking_has_the_models_time_constant(pool: SimulatorPool) -> None:
    """Steps of 1 mV at three inputs: the time constants to 1 %."""
    model = model_of("charge")
    v_dd = model.config.v_dd
    inputs = (0.2, 0.9, 1.6)
    lines = [exported("sample_hold", model, "spice"), f"vdd vdd 0 {v_dd!r}", f"vclk clk 0 {v_dd!r}"]
    for k, v in enumerate(inputs):
        lines += [f"v{k} in{k} 0 pwl(0 {v!r} 1n {v!r} 1.001n {v + 1e-3!r})",
                  f"X{k} in{k} held{k} clk vdd 0 sample_hold_model chold=1p"]  # fmt: skip
    saves = tuple(f"v(held{k})" for k in range(3))
    tolerances = Tolerances(reltol=1e-6, vntol=1e-9, chgtol=1e-19)
    result = pool.run([Deck("tracking", "\n".join(lines), (".tran 20p 60n 0 20p",), saves, tolerances)])[0]
    assert result.ok, result.failure
    for k, v in enumerate(inputs):
        tau = float(model.time_constant(v + 1e-3, 1e-12))
        left = (v + 1e-3 - np.interp(1.0005e-9 + tau, result["time"], result[f"v(held{k})"])) / 1e-3
        assert -1 / np.log(left) == pytest.approx(1.0, rel=0.01)
