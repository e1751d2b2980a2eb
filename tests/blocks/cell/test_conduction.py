"""The current of a cell: its laws against closed forms, and what their fit finds."""

import json
from dataclasses import replace

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from cosim.blocks.cell import fit
from cosim.blocks.cell.conduction import LAWS, predicted, sinhc
from cosim.blocks.dataset import LAB_FILES
from cosim.devices import current, load_device
from cosim.errors import CosimError

from .conftest import Made

TAOX = load_device("taox_1t1r")


@given(st.floats(-9.0, 400.0))
def test_sinhc_is_smooth_through_zero(square: float) -> None:
    """Against the series with complex arithmetic: sinh(x) / x with x = sqrt(square), real or imaginary."""
    x = np.sqrt(complex(square))
    expected = 1.0 if square == 0 else (np.sinh(x) / x).real
    assert float(sinhc(square)) == pytest.approx(expected, rel=1e-13, abs=1e-15)


@given(st.floats(1e-7, 1e-3), st.floats(0.2, 5.0), st.floats(-0.3, 0.3))
def test_the_sinh_law_is_that_of_the_devices(g: float, v_0: float, v: float) -> None:
    device = replace(TAOX, v_0=v_0)
    found = predicted("sinh", v, g, device.v_read, 1 / v_0**2)
    assert float(found) == pytest.approx(float(current(v, g, device)), rel=1e-12, abs=1e-25)


@pytest.mark.parametrize("law", LAWS)
@given(g=st.floats(1e-6, 5e-4), resistance=st.floats(0.0, 1500.0), bend=st.floats(0.0, 20.0))
def test_every_law_gives_the_conductance_at_v_read(law: str, g: float, resistance: float, bend: float) -> None:
    """I(V_read) = G V_read, also behind a resistance; odd in V; and the resistance takes R I of the voltage."""
    v = np.array([-0.3, -0.2, 0.1, 0.2, 0.3])
    told = predicted(law, v, g, 0.2, bend, resistance)
    assert told[3] == pytest.approx(0.2 * g, rel=1e-10)
    assert told[1] == pytest.approx(-told[3], rel=1e-10) and told[0] == pytest.approx(-told[4], rel=1e-10)
    inner = predicted(law, v - resistance * told, 1.0 / (1.0 / g - resistance), 0.2 * (1 - resistance * g), bend)
    np.testing.assert_allclose(told, inner, rtol=1e-9)


@pytest.mark.parametrize("name", ["taox_1t1r", "hfo2_gap", "sky130_reram", "yakopcic"])
def test_v_0_comes_back(made: Made, name: str) -> None:
    """Curves of the law itself: V_0 to the simulator's tolerance, which the interval states."""
    model = fit(made(name, parts=("iv",)))
    assert model.laws["iv"] == "sinh"
    v_0 = model.parameters["iv.v_0"]
    assert v_0.low <= load_device(name).v_0 <= v_0.high
    assert v_0.high - v_0.low < 0.5 * model.value("iv.v_0")
    assert model.error.rms < 1e-9 and "current" in model.errors
    # Two of five states with 40 voltages off zero, and of the three others the 14 voltages beyond V_read.
    assert model.error.points == 2 * 40 + 3 * 14


@pytest.mark.parametrize("name", ["vteam", "pcm_inference"])
def test_a_resistor_is_not_given_a_bend(made: Made, name: str) -> None:
    """V_0 = 100 V bends the current by 1e-8 or 1e-6: no more than the simulator's tolerance, and no V_0 is claimed."""
    model = fit(made(name, parts=("iv",)))
    assert "iv.v_0" not in model.parameters
    assert model.error.rms < 2e-6


def test_noisy_curves_give_an_interval_that_holds(made: Made) -> None:
    """1 % noise on every point: the jackknife over curves covers V_0; twelve curves, six of them fitted."""
    data = made("taox_1t1r", parts=("iv",), states=np.geomspace(1e-6, 150e-6, 12))
    hits = 0
    for seed in range(20):
        noisy = data.copy(deep=True)
        rng = np.random.default_rng(seed)
        noisy["current"].values[:] *= 1 + 0.01 * rng.standard_normal(data["current"].shape)
        each = fit(noisy, form="full").parameters["iv.v_0"]
        hits += each.low <= 0.43 <= each.high
    assert hits >= 16  # of 20 at 95 %: fewer has a chance of 0.3 %


def _measured(data: xr.Dataset, **config: object) -> xr.Dataset:
    data = data.drop_vars("conductance")
    data["conductance"] = (("state",), np.full(data.sizes["state"], np.nan), {"units": "S", "long_name": "unknown"})
    data.attrs |= {LAB_FILES: "{}", "config": json.dumps(config), "device": "", "device_sha256": ""}
    return data


def test_a_measurement_must_state_v_read(made: Made) -> None:
    data = _measured(made("taox_1t1r", parts=("iv",)))
    with pytest.raises(CosimError, match="do not state v_read"):
        fit(data)
    model = fit(_measured(made("taox_1t1r", parts=("iv",)), v_read=0.2))
    # The conductance at V_read lies between two points of the grid: a straight line over V^2, 1e-5 off.
    assert model.value("iv.v_0") == pytest.approx(0.43, rel=2e-3)
    assert model.window == (1e-6, 150e-6)


def test_a_filament_that_thins_out_bends_more(made: Made) -> None:
    """V_0 as a power of G comes back with its power, and is only taken where the curves show it."""
    data = made("taox_1t1r", parts=("iv",), states=np.geomspace(1e-6, 150e-6, 10))
    g, v = data["state"].values[:, None], data["voltage"].values
    data["current"].values[:] = predicted("sinh", v, g, 0.2, (g / 150e-6) ** -0.4 / 0.5**2)
    model = fit(data)
    assert model.laws["iv"] == "sinh_power"
    assert model.value("iv.power") == pytest.approx(-0.4, abs=1e-6)
    assert model.value("iv.v_0") == pytest.approx(0.5, rel=1e-6)
    told = model.current(np.array([0.05, 0.15]), np.array([3e-6, 3e-6]))
    bend = (3e-6 / 150e-6) ** -0.4 / 0.5**2
    np.testing.assert_allclose(told, predicted("sinh", [0.05, 0.15], 3e-6, 0.2, bend), rtol=1e-6)
    with pytest.raises(CosimError, match="no device has this law"):
        model.as_device("nowhere")


def test_a_loop_gives_the_frozen_way_back(made: Made) -> None:
    """Triangles whose state jumps far above V_read: only the way back to zero below 1.5 V_read is fitted."""
    up = np.linspace(0, 1, 201)
    triangle = np.r_[up, up[::-1][1:], -up[1:], -up[::-1][1:]]
    loops = []
    for scale in (1.0, 1.3, 1.7):
        before = np.r_[np.full(201, 2e-6), np.full(401, 1e-4), np.full(199, 2e-6)]
        loops.append(predicted("sinh", triangle, scale * before[: len(triangle)], 0.2, 1 / 0.43**2))
    data = made("taox_1t1r", parts=("noise",), reads=32).drop_vars(["read_conductance", "read"])
    unit = {"units": "A", "long_name": "current"}
    data["loop_current"] = (("loop", "loop_point"), np.array(loops), unit)
    data = data.assign_coords(loop_voltage=(("loop_point",), triangle, {"units": "V", "long_name": "voltage"}))
    model = fit(data)
    assert model.value("iv.v_0") == pytest.approx(0.43, rel=1e-4)
    assert model.error.held_out.startswith("loops of odd number")
