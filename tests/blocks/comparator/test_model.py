"""The comparator's model: laws, recovery of known parameters, refusals, and the fit to ngspice."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from scipy import stats

from cosim.blocks.comparator import FORMS, ComparatorModel, characterise, fit, load_model, residuals
from cosim.blocks.comparator.behaviour import latch_delay, small_signal_delay, two_stage_delay
from cosim.blocks.comparator.config import ComparatorConfig
from cosim.blocks.comparator.offset import draw_mismatch
from cosim.blocks.comparator.spread import QUANTILE_LIMIT, offset_test
from cosim.blocks.dataset import new_dataset
from cosim.blocks.status import FAILED
from cosim.constants import ZERO_CELSIUS
from cosim.errors import CosimError
from cosim.process import mismatch_of
from cosim.spice import SimulatorPool

DRIVES = np.array([1e-4, 3e-4, 1e-3, 1e-2, 1e-1])
DRIVES_OF_TWO_STAGES = (3e-4, 1e-3, 1e-2, 3e-2, 0.1)
MODES = np.array([-0.15, -0.05, 0.05, 0.15])
TRUTH = {"t_0": 150e-12, "tau": 40e-12, "v_x": 0.15, "e_0": 0.2e-12, "p_undecided": 5e-4, "kickback": 14e-15,
         "kickback_capacitance": 5e-15}  # fmt: skip
MEAN, SLOPE = 3e-4, 2e-4


def by_the_laws(temperature: float = 27.0, chips: int = 30, scatter: float = 0.0, seed: int = 5) -> xr.Dataset:
    """A data set of a clocked comparator that keeps the model's laws exactly; `scatter` [V] is added to the offsets."""
    config = ComparatorConfig(temperature=temperature)
    names, mismatch = draw_mismatch(config, chips, seed)
    mismatch = mismatch[1:]
    sigmas = mismatch_of(config.part.text, config.cmos).sigmas
    sensitivity = np.linspace(1.0, 0.1, len(names))
    v, count, both = MODES[:, None, None], len(MODES), (len(MODES), len(DRIVES), 2)
    warm = (temperature + ZERO_CELSIUS) / (27.0 + ZERO_CELSIUS)
    delay = latch_delay(DRIVES[:, None], TRUTH["t_0"] * np.exp(-0.4 * v) * warm**0.8, TRUTH["tau"], TRUTH["v_x"])
    delay = np.broadcast_to(delay, both)
    offset = (
        MEAN + SLOPE * MODES[:, None] + mismatch @ sensitivity + MODES[:, None] * (mismatch @ sensitivity[::-1]) / 50
    )
    offset = offset + scatter * np.random.default_rng(1).standard_normal(offset.shape)
    kickback = TRUTH["kickback"] * np.exp(0.8 * MODES[:, None]) + TRUTH["kickback_capacitance"] * DRIVES
    values: dict[str, Any] = {
        "offset": (("common_mode", "chip"), offset, "V"),
        "offset_status": (("common_mode", "chip"), np.zeros(offset.shape, dtype=np.int8), "1"),
        "noise": (("common_mode",), 4e-4 * np.exp(1.6 * MODES) * warm**0.5, "V"),
        "delay": (("common_mode", "overdrive", "decision"), delay, "s"),
        "energy": (("common_mode", "overdrive", "decision"), TRUTH["e_0"] + TRUTH["p_undecided"] * delay, "J"),
        "kickback_charge": (("common_mode", "overdrive"), kickback, "C"),
        "mismatch": (("chip", "parameter"), mismatch, "1"),
        "status": (("common_mode", "measurement"), np.zeros((count, 4), dtype=np.int8), "1"),
    }
    coords = {
        "common_mode": (("common_mode",), MODES, "V"),
        "input_level": (("common_mode",), config.v_cm + MODES, "V"),
        "chip": (("chip",), np.arange(chips), "1"),
        "overdrive": (("overdrive",), DRIVES, "V"),
        "decision": (("decision",), np.array([1, -1]), "1"),
        "parameter": (("parameter",), np.array(names, dtype=object), "1"),
        "parameter_sigma": (("parameter",), sigmas, "1"),
    }
    return new_dataset(
        block="comparator",
        variables={name: (*entry, name) for name, entry in values.items()},
        coords={name: (*entry, name) for name, entry in coords.items()},  # type: ignore[misc]
        config=config.model_dump(mode="json"),
        seed=seed,
        deck_hashes=["0"],
        simulator="none",
        solver="none",
    )


@pytest.fixture(scope="module")
def exact() -> xr.Dataset:
    return by_the_laws()


@pytest.fixture(scope="module")
def model(exact: xr.Dataset) -> ComparatorModel:
    return fit(exact)


def test_data_that_keep_the_laws_give_their_parameters_back(model: ComparatorModel) -> None:
    for name, value in TRUTH.items():
        assert model.value(name) == pytest.approx(value, rel=1e-4), name
    assert model.value("offset_mean") == pytest.approx(MEAN, abs=1e-9)
    assert model.value("offset_slope_mean") == pytest.approx(SLOPE, abs=1e-8)
    assert model.value("t_0_slope") == pytest.approx(-0.4, abs=1e-3)
    assert model.value("noise_slope") == pytest.approx(1.6, abs=1e-9)
    assert all(error.rms < 1e-4 for name, error in model.errors.items() if name not in ("offset", "chip_offset"))
    assert model.errors["chip_offset"].rms < 1e-9  # 1 nV of 6 mV: rounding


def test_sigma_is_that_of_the_transistors_and_lies_in_its_interval() -> None:
    data = by_the_laws(chips=40, scatter=1e-5)
    found = fit(data).parameters["offset_sigma"]
    sigmas = data["parameter_sigma"].values
    truth = float(np.sqrt(np.sum((np.linspace(1.0, 0.1, len(sigmas)) * sigmas) ** 2)))
    assert isinstance(found.low, float) and isinstance(found.high, float)
    assert found.low < truth < found.high
    # A sample of 27 chips tells it to 14 % (one sigma); the transistors to better than 1 %.
    assert found.high - found.low < 0.02 * truth
    sampled = fit(data, form="sampled").parameters["offset_sigma"]
    assert isinstance(sampled.low, float) and isinstance(sampled.high, float)
    assert sampled.low < truth < sampled.high and sampled.high - sampled.low > 0.3 * truth


def test_temperatures_are_fitted_together_and_one_is_held_out() -> None:
    data = [by_the_laws(each) for each in (-40.0, 27.0, 125.0)]
    found = fit(data)
    assert found.value("t_0_exponent") == pytest.approx(0.8, abs=1e-3)
    assert found.value("noise_exponent") == pytest.approx(0.5, abs=1e-9)
    delay = next(each for each in residuals(found, data) if each.quantity == "delay")
    assert delay.held_out.sum() == 2 * len(DRIVES) * (3 + 3)  # the inner common mode of each, and all of 27 deg C
    assert delay.judged().rms < 1e-4


def test_other_settings_than_the_temperature_may_not_differ(exact: xr.Dataset) -> None:
    other = exact.copy()
    other.attrs["config"] = exact.attrs["config"].replace('"corner":"TT"', '"corner":"SS"')
    with pytest.raises(CosimError, match="may differ in its conditions only") as caught:
        fit([exact, other])
    assert caught.value.key == "corner"
    with pytest.raises(CosimError, match="same condition"):
        fit([exact, exact])


def test_failed_points_are_refused_with_their_number(exact: xr.Dataset) -> None:
    data = exact.copy(deep=True)
    data["offset_status"].values[0, :3] = FAILED
    data["offset"].values[0, :3] = np.nan
    with pytest.raises(CosimError, match="3 of 136 points of this data set failed"):
        fit(data)
    assert fit(data, allow_failed=True).errors["chip_offset"].rms < 1e-9


@pytest.mark.parametrize(
    ("change", "key"),
    [
        (lambda data: data.isel(chip=slice(0, 15)), "chips"),
        (lambda data: data.isel(common_mode=slice(0, 2)), "common_modes"),
        (lambda data: data.isel(overdrive=slice(0, 3)), "overdrives"),
    ],
)
def test_too_little_is_refused(exact: xr.Dataset, change: Callable[[xr.Dataset], xr.Dataset], key: str) -> None:
    with pytest.raises(CosimError) as caught:
        fit(change(exact))
    assert caught.value.key == key and "or more" in str(caught.value.allowed)


def test_an_unknown_form_is_refused(exact: xr.Dataset) -> None:
    with pytest.raises(CosimError, match="no such form"):
        fit(exact, form="cubic")
    assert next(iter(FORMS)) == "mismatch"


def test_the_file_gives_the_same_model_back(model: ComparatorModel, tmp_path: Path) -> None:
    model.save(tmp_path / "m.json")
    again = load_model(tmp_path / "m.json")
    assert again.parameters == model.parameters and again.errors == model.errors and again.form == model.form
    assert (again.delay(DRIVES) == model.delay(DRIVES)).all()
    assert (again.draw_chips(5, np.random.default_rng(2)) == model.draw_chips(5, np.random.default_rng(2))).all()


def test_decisions_have_the_stated_probability(model: ComparatorModel) -> None:
    """Chi-squared over inputs around the threshold, of 20 000 decisions each."""
    sigma, trials, offset = model.noise(), 20_000, 1e-3
    inputs = offset + sigma * np.linspace(-2.5, 2.5, 11)
    high = model.decide(np.repeat(inputs[:, None], trials, axis=1), np.random.default_rng(3), offset).sum(axis=1)
    p = stats.norm.cdf((inputs - offset) / sigma)
    assert p == pytest.approx(model.probability(inputs, offset), abs=1e-15)
    chi2 = float(np.sum((high - trials * p) ** 2 / (trials * p * (1 - p))))
    assert 0.001 < stats.chi2.cdf(chi2, len(inputs)) < 0.999


def test_drawn_chips_have_the_models_mean_sigma_and_slope(model: ComparatorModel) -> None:
    chips = model.draw_chips(20_000, np.random.default_rng(4))
    for v_cm in (model.config.v_cm, model.config.v_cm + 0.15):
        offsets = model.offsets(chips, v_cm)
        sigma = model.offset_sigma(v_cm)
        assert offsets.mean() == pytest.approx(model.offset_mean(v_cm), abs=4 * sigma / np.sqrt(20_000))
        assert offsets.std() == pytest.approx(sigma, rel=4 / np.sqrt(40_000))
        assert stats.kstest(offsets, "norm", (model.offset_mean(v_cm), sigma)).pvalue > 0.01


def test_noise_of_one_temperature_goes_as_the_root_of_kt(model: ComparatorModel) -> None:
    with pytest.warns(UserWarning, match="outside the range"):
        hot = model.noise(temperature=125.0)
    assert hot / model.noise() == pytest.approx(np.sqrt(398.15 / 300.15), rel=1e-12)
    assert model.domain.outside["temperature"] == 1


def test_a_latch_grows_exponentially_for_small_inputs_and_starts_at_once_for_large_ones() -> None:
    small = latch_delay(np.array([1e-6, 1e-5]), 1e-10, 4e-11, 0.1)
    assert small[0] - small[1] == pytest.approx(4e-11 * np.log(10), rel=1e-4)
    assert latch_delay(1e6, 1e-10, 4e-11, 0.1) == pytest.approx(1e-10)
    assert small_signal_delay(0.1, 4e-11, 0.1) == 0.0


def test_two_stages_go_from_a_square_root_to_an_inverse() -> None:
    """Closed forms of u (s - tau (1 - exp(-s / tau))) = q for s << tau and s >> tau."""
    tau, q = 4e-9, 1e-12
    for u in np.geomspace(1e-6, 1e3, 10):
        s = float(two_stage_delay(u, 0.0, tau, 0.0, q))
        assert u * (s - tau * (1 - np.exp(-s / tau))) == pytest.approx(q, rel=1e-5)
    large = float(two_stage_delay(1e2, 0.0, tau, 0.0, q))
    assert large == pytest.approx(np.sqrt(2 * q * tau / 1e2), rel=0.01)
    low = float(two_stage_delay(1e-8, 0.0, tau, 0.0, q))
    assert low == pytest.approx(q / 1e-8 + tau, rel=1e-9)


def test_an_input_at_the_metastable_limit_takes_just_that_time(model: ComparatorModel) -> None:
    time = 0.5e-9
    limit = model.metastable_input(time)
    assert DRIVES[0] > limit > 0
    with pytest.warns(UserWarning, match="outside the range"):
        assert model.delay(limit) == pytest.approx(time, rel=1e-9)
    assert model.metastable_input(0.1e-9) == np.inf  # shorter than t_0


def test_kickback_is_shared_by_the_sources_capacitor(model: ComparatorModel) -> None:
    assert model.kickback(100e-15) == pytest.approx(14e-15 / 100e-15, rel=1e-4)
    assert model.kickback(200e-15) == pytest.approx(float(model.kickback(100e-15)) / 2)


def test_the_limit_of_the_quantiles_lets_right_models_pass() -> None:
    """Of samples from the model itself at most one in a hundred may exceed it, whatever their size."""
    rng = np.random.default_rng(8)
    for count in (5, 10, 40):
        z = stats.norm.ppf((np.arange(count) + 0.5) / count)
        drawn = np.sort(rng.standard_normal((20_000, count)), axis=1)
        share = (np.sqrt(np.mean((drawn - z) ** 2, axis=1)) > QUANTILE_LIMIT / np.sqrt(count)).mean()
        assert share < 0.01


def test_a_wrong_sigma_is_seen() -> None:
    data = by_the_laws(chips=150)
    right = fit(data)
    doubled = replace(right.parameters["offset_sigma"], value=2 * right.value("offset_sigma"), low=None, high=None)
    assert offset_test(right, data)[1] > 0.01
    assert offset_test(replace(right, parameters={**right.parameters, "offset_sigma": doubled}), data)[1] < 0.01


@pytest.fixture(scope="module")
def simulated(pool: SimulatorPool) -> xr.Dataset:
    config = ComparatorConfig(comparator="comparator_two_stage")
    return characterise(
        config,
        chips=26,
        overdrives=DRIVES_OF_TWO_STAGES,
        common_modes=(-0.1, 0.0, 0.1),
        pool=pool,
        show_progress=False,
    )


def test_the_fit_to_ngspice_keeps_its_limits(simulated: xr.Dataset) -> None:
    found = fit(simulated)
    assert all(error.within_limit for error in found.errors.values())
    # Each unseen chip's offset by its transistors: within 1 % of sigma (26 uV); found 7 uV.
    assert found.errors["chip_offset"].rms < 0.01 * found.offset_sigma()
    assert offset_test(found, simulated)[1] > 0.01
    # A single pole cannot follow two stages: the reason for the usual form.
    assert fit(simulated, form="simple").errors["delay"].rms > 1.5 * found.errors["delay"].rms


@pytest.mark.slow
def test_offsets_of_a_clocked_comparator_by_its_transistors(pool: SimulatorPool) -> None:
    """Kolmogorov-Smirnov at 1 % on unseen chips, and each of them to the search's own tolerance (20 uV) or so."""
    data = characterise(
        ComparatorConfig(), chips=40, common_modes=(-0.1, 0.0, 0.1), with_noise=False, pool=pool, show_progress=False
    )
    found = fit(data)
    assert offset_test(found, data)[1] > 0.01
    chips = next(each for each in residuals(found, data) if each.quantity == "chip_offset").by_part()
    assert chips["unseen chips"][0] < 0.02 * found.offset_sigma()  # found 0.7 %: 36 uV
    assert all(error.within_limit for error in found.errors.values())


def test_a_netlist_without_mismatch_or_noise_makes_a_model_too(exact: xr.Dataset) -> None:
    data = exact.isel(parameter=slice(0, 0)).copy(deep=True)
    data["offset"].values[:] = 1e-3
    data["noise"].values[:] = np.nan
    found = fit(data)
    assert found.offset_sigma() == 0.0 and found.offset_mean() == pytest.approx(1e-3)
    assert "noise" not in found.errors
    with pytest.raises(CosimError, match="without noise"):
        found.decide(0.0, np.random.default_rng(1))
