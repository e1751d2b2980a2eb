"""The DAC's model: networks against closed forms, chips by their elements, other DACs, refusals."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from cosim.blocks.dac import DacModel, characterise, fit, load_model, residuals
from cosim.blocks.dac.behaviour import toggled_bits
from cosim.blocks.dac.config import DacConfig
from cosim.blocks.dac.levels import array_levels, ladder_current, ladder_nodes
from cosim.blocks.status import FAILED
from cosim.errors import CosimError
from cosim.spice import SimulatorPool


@pytest.fixture(scope="module")
def ladder(pool: SimulatorPool) -> xr.Dataset:
    return characterise(DacConfig(bits=4), chips=12, pool=pool, show_progress=False)


@pytest.fixture(scope="module")
def model(ladder: xr.Dataset) -> DacModel:
    return fit(ladder)


def of_kind(found: DacModel, data: xr.Dataset, quantity: str) -> float:
    return next(each for each in residuals(found, data) if each.quantity == quantity).judged().rms


def test_an_ideal_ladder_is_linear() -> None:
    """Legs 2R, rungs R, switches without resistance: v = V_high size / 2^bits."""
    for bits in (2, 4, 7):
        legs, rungs, zero = np.full(bits + 1, 2e4), np.full(bits - 1, 1e4), np.zeros(bits + 1)
        levels = ladder_nodes(legs, rungs, zero, zero, 0.5, 0.0)[..., -1]
        assert levels == pytest.approx(0.5 * np.arange(1 << bits) / (1 << bits), abs=1e-14)
        # Its output resistance is R: a load of 1 / R halves every level.
        loaded = ladder_nodes(legs, rungs, zero, zero, 0.5, 1e-4)[..., -1]
        assert loaded == pytest.approx(levels / 2, abs=1e-14)


def test_a_ladder_draws_what_its_resistors_dissipate() -> None:
    """Power out of the reference = sum of v^2 / R over all resistors (Tellegen)."""
    rng = np.random.default_rng(1)
    bits, v = 4, 0.3
    legs, rungs = 2e4 * rng.uniform(0.9, 1.1, bits + 1), 1e4 * rng.uniform(0.9, 1.1, bits - 1)
    low, high = rng.uniform(100, 500, (2, bits + 1))
    nodes = ladder_nodes(legs, rungs, low, high, v, 2e-5)
    power = v * ladder_current(nodes, legs, low, high, v)
    on = (np.arange(1 << bits)[:, None] >> np.arange(bits)) & 1
    dissipated = ((v * on - nodes) ** 2 / (legs[1:] + np.where(on, high[1:], low[1:]))).sum(axis=1)
    dissipated += nodes[:, 0] ** 2 / (legs[0] + low[0]) + nodes[:, -1] ** 2 * 2e-5
    dissipated += ((np.diff(nodes, axis=1)) ** 2 / rungs).sum(axis=1)
    assert power == pytest.approx(dissipated, rel=1e-12, abs=1e-20)


def test_an_ideal_array_is_linear_and_parasitics_only_scale_it() -> None:
    units = np.concatenate([[1.0], 2.0 ** np.arange(4)])
    assert array_levels(units, 0.0, 0.0, 1.6) == pytest.approx(0.1 * np.arange(16))
    assert array_levels(units, 16.0, 0.0, 1.6) == pytest.approx(0.05 * np.arange(16))
    assert array_levels(units, 0.0, 0.32, 1.6) == pytest.approx(0.1 * np.arange(16) + 0.02)


def test_equal_elements_and_ideal_switches_have_no_non_linearity(model: DacModel) -> None:
    ideal = {name: replace(model.parameters[name], value=1e-9, low=None, high=None) for name in ("r_low", "r_high")}
    perfect = replace(model, parameters={**model.parameters, **ideal})
    found = perfect.linearity(perfect.levels())
    assert np.abs(found["inl"]).max() < 1e-9 and np.abs(found["dnl"]).max() < 1e-9
    assert perfect.levels_lsb() == pytest.approx(np.arange(-7, 8), abs=1e-9)


def test_unseen_chips_and_other_dacs_are_told_by_their_elements(
    model: DacModel, ladder: xr.Dataset, pool: SimulatorPool
) -> None:
    """To 1e-3 LSB where 1e-5 was found; of 3 bits with a load and other resistors to the limit of 0.01 LSB."""
    assert model.errors["output"].rms < 1e-3
    assert all(error.within_limit for error in model.errors.values())
    other = DacConfig(bits=3, g_load=5e-6, r_unit=15e3)
    data = characterise(other, chips=2, pool=pool, show_progress=False)
    assert of_kind(model, data, "output") < 0.01
    assert of_kind(model, data, "energy") < 0.1
    # Ideal switches miss by the switches' share: the reason for the usual form.
    assert fit(ladder, form="straight").errors["output"].rms > 30 * model.errors["output"].rms


def test_the_fitted_resistances_are_the_switches_own(model: DacModel, ladder: xr.Dataset) -> None:
    """The bench's output resistance at code 0 is R + r_low / 2 of a ladder of 2R + r_low legs, to first order."""
    r = model.config.r_unit
    assert float(ladder["output_resistance"][0]) == pytest.approx(r, rel=0.02)
    for name in ("r_low", "r_high"):
        each = model.parameters[name]
        assert isinstance(each.low, float) and isinstance(each.high, float)
        assert 100 < each.low < model.value(name) < each.high < 2000


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["capacitive", "pulse_width"])
def test_capacitors_and_pulses(kind: str, pool: SimulatorPool, tmp_path: Path) -> None:
    data = characterise(DacConfig(bits=4, kind=kind), chips=15, pool=pool, show_progress=False)
    found = fit(data)
    assert found.errors["output"].rms < 1e-3 and all(error.within_limit for error in found.errors.values())
    found.save(tmp_path / "m.json")
    again = load_model(tmp_path / "m.json")
    rngs = [np.random.default_rng(7) for _ in range(2)]
    assert (again.levels(rngs[0], count=3) == found.levels(rngs[1], count=3)).all()


def test_drawn_chips_spread_as_their_elements_do(model: DacModel) -> None:
    """The mid-scale step of a chip: its variance by the elements' own, in closed form of the last bit's leg alone."""
    levels = model.levels_lsb(np.random.default_rng(1), count=4000)
    assert levels.shape == (4000, 15)
    assert levels.mean(axis=0) == pytest.approx(model.levels_lsb(), abs=5e-4)
    only_last = model.draw_elements(4000, np.random.default_rng(2))
    only_last[:, :, :] = 0.0
    only_last[:, 0, model.config.bits - 1] = 1e-3 * np.random.default_rng(3).standard_normal(4000)
    moved = model.outputs(only_last, np.zeros((4000, 2, model.config.bits, 0))) / model.config.lsb
    # The last leg carries half of the span: a share e of its conductance moves 2^(b-1) / 4 LSB e at its own size.
    size = 1 << (model.config.bits - 2)
    assert moved[:, 7 + size].std() == pytest.approx(1e-3 * 2 * size / 4, rel=0.05)


def test_bits_that_toggle() -> None:
    assert toggled_bits([1, 2, 4, 7], [0, 1, 3, 7]).tolist() == [1, 2, 3, 0]


def test_failed_simulations_and_too_few_chips_are_refused(ladder: xr.Dataset, model: DacModel) -> None:
    data = ladder.copy(deep=True)
    data["status"].values[:2] = FAILED
    with pytest.raises(CosimError, match=f"2 of {data['status'].size} simulations"):
        fit(data)
    with pytest.raises(CosimError, match="4 bits") as caught:
        fit(ladder.assign_attrs(config=ladder.attrs["config"].replace('"bits":4', '"bits":3')))
    assert caught.value.key == "bits"
    with pytest.raises(CosimError, match="too few chips"):
        fit(ladder.isel(chip=slice(0, 6)))
    with pytest.raises(CosimError, match="another kind"):
        model.levels(config=DacConfig(kind="capacitive"))
    with pytest.raises(CosimError, match="no such number"):
        model.glitch(9)


def test_a_hot_dac_is_outside_the_domain(model: DacModel) -> None:
    with pytest.warns(UserWarning, match="'temperature' are outside"):
        model.levels(config=DacConfig(bits=4, temperature=125))
