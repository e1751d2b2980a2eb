"""The exported DAC gives the model's levels, their settling, and the area of its pulses."""

import numpy as np
import pytest

from cosim.blocks.dac.behaviour import DacModel
from cosim.blocks.dac.config import DacConfig
from cosim.blocks.domain import Domain
from cosim.blocks.model import ModelError, Parameter
from cosim.seeds import stream
from cosim.spice import Deck, SimulatorPool

from .conftest import exported, swept

ERROR = ModelError(rms=0.01, maximum=0.02, unit="LSB", points=9, limit=0.1, held_out="for the tests")


def model_of(kind: str, **values: float | tuple[float, ...]) -> DacModel:
    config = DacConfig(kind=kind, bits=4)
    limits = {name: (getattr(config, name),) * 2 for name in ("temperature", "v_dd", "v_clp", "v_read")}
    parameters = {name: Parameter(value, "1") for name, value in values.items()}
    return DacModel(
        config=config, form="network", parameters=parameters, error=ERROR, errors={}, domain=Domain(limits),
        settings={"mismatch_sigmas": [3e-3]},
    )  # fmt: skip


R2R = {"r_low": 900.0, "r_high": 1200.0, "switch_sensitivity": ((4.0,), (5.0,)), "tau": 2e-9, "t_0": 4e-10}
PULSE = {"width": 30e-12, "width_sensitivity": (1e-9,)}


def test_levels_of_nominal_and_drawn_chips(pool: SimulatorPool) -> None:
    """A sweep of the code through two chips in one deck, to 1e-9 of full scale; codes beyond the last stay there."""
    model = model_of("r2r", **R2R)
    lines = [
        exported("dac", model, "spice"),
        exported("dac", model, "spice", chip="seed:4", name="drawn"),
        "vin in 0 0",
        "vclp clp 0 1.0",
        "X1 in p1 n1 clp dac",
        "X2 in p2 n2 clp drawn",
    ]
    found = swept(pool, lines, -9.0, 9.0, 19, ["v(p1)", "v(n1)", "v(p2)", "v(n2)"])
    drawn = model.levels(np.random.default_rng(stream(4, "export: DAC")))
    for number, levels in ((1, model.levels()), (2, drawn)):
        wanted = np.pad(levels, 2, mode="edge")
        actual = found[f"v(p{number})"] - found[f"v(n{number})"]
        np.testing.assert_allclose(actual, wanted, rtol=0, atol=1e-9 * model.config.v_read)
    assert np.abs(drawn - model.levels()).max() > 1e-3 * model.config.lsb


def test_settling_is_that_of_the_model(pool: SimulatorPool) -> None:
    """A full-scale step is within the band after the model's time, to 1 % and two time steps of 10 ps."""
    model = model_of("r2r", **R2R)
    top, edge = model.config.magnitude, 1e-12
    lines = [
        exported("dac", model, "spice"),
        f"vin in 0 pwl(0 0 1n 0 {1e-9 + edge!r} {top})",
        "vclp clp 0 0",
        "X1 in p n clp dac",
    ]
    result = pool.run([Deck("settling of a DAC", "\n".join(lines), (".tran 10p 30n 0 10p",), ("v(p)", "v(n)"))])[0]
    assert result.ok, result.failure
    final = model.levels()[-1]
    outside = np.abs(result["v(p)"] - result["v(n)"] - final) > model.config.settling * model.config.lsb
    settled = result["time"][np.flatnonzero(outside)[-1] + 1] - 1e-9
    wanted = float(model.settling_time(final / model.config.lsb))
    assert settled == pytest.approx(wanted, rel=0.01, abs=2e-11)


def test_pulses_have_the_area_of_the_model(pool: SimulatorPool) -> None:
    """Every code in turn, one pulse each: areas on both lines to 2 ps times v_read, the simulator's time step."""
    model = model_of("pulse_width", **PULSE)
    config = model.config
    codes = np.arange(-config.magnitude, config.magnitude + 1)
    period = config.magnitude * config.t_unit + 20e-9
    corners = [(0.0, float(codes[0]))]
    for k in range(1, len(codes)):
        corners += [(k * period, float(codes[k - 1])), (k * period + 1e-9, float(codes[k]))]
    wave = " ".join(f"{time!r} {code!r}" for time, code in corners)
    lines = [
        exported("dac", model, "spice", chip="seed:1"),
        f"vin in 0 pwl({wave})",
        f"vgo go 0 pulse(0 1 5n 10p 10p {period - 10e-9!r} {period!r})",
        f"vclp clp 0 {config.v_clp!r}",
        "X1 in go p n clp dac",
    ]
    end = len(codes) * period
    result = pool.run([Deck("pulses", "\n".join(lines), (f".tran 20p {end!r} 0 50p",), ("v(p)", "v(n)"))])[0]
    assert result.ok, result.failure
    time, difference = result["time"], result["v(p)"] - result["v(n)"]
    area = np.concatenate([[0.0], np.cumsum(np.diff(time) * (difference[1:] + difference[:-1]) / 2)])
    found = np.diff(np.interp(np.arange(len(codes) + 1) * period, time, area))
    wanted = model.levels(np.random.default_rng(stream(1, "export: DAC")))
    np.testing.assert_allclose(found, wanted, rtol=0, atol=5e-12 * config.v_read)
    assert result["v(p)"].max() - config.v_clp == pytest.approx(config.v_read, rel=1e-6)
