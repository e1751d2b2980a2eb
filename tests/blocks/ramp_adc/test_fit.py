"""The fit: it finds what was planted, says how sure it is, and predicts chips that it did not see."""

import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from numpy.typing import NDArray

from cosim.blocks.domain import OutsideDomainWarning
from cosim.blocks.ramp_adc.behaviour import OffsetCurve, RampAdcModel, load_model
from cosim.blocks.ramp_adc.config import RampAdcConfig
from cosim.blocks.ramp_adc.fitting import compare, fit
from cosim.blocks.ramp_adc.forms import law_of, trip_points, trip_terms
from cosim.blocks.ramp_adc.measurement import lsb_voltages
from cosim.blocks.ramp_adc.periods import ramp_periods
from cosim.errors import CosimError

Array = NDArray[np.float64]

PLANTED = {
    "terms": np.array([-4e-4, 2e-3, -0.05, 0.03, 0.4]),  # a [V], b, l0, l1 [1/V], l2 [1/V]
    # tau_1 [s], reach_1 [V], tau_2 [s], reach_2 [V], each with its slope [1/V] and curvature [1/V^2]
    "lag": np.array([4.5e-9, -1.0, 1.5, 5e-3, 0.5, 1.0, 7e-9, 0.0, 0.0, 4e-4, 0.5, -2.0]),
}


def planted(template: xr.Dataset, form: str = "lag", noise: float = 0.0, seed: int = 0) -> xr.Dataset:
    """The template's chips with thresholds that a form makes of `PLANTED`, and `noise` [LSB] on each."""
    data = template.copy(deep=True)
    rng = np.random.default_rng(seed)
    for n in range(data.sizes["sample"]):
        if data["ramp"].values[n] != "column":
            continue
        v_read, c_fb = (float(data[name].values[n]) for name in ("v_read", "c_fb"))
        config = RampAdcConfig(bits=len(data["code"]).bit_length(), v_read=v_read, c_fb=c_fb)
        periods = ramp_periods(data["ramp_conductance"].values[n], data["bias_conductance"].values[n], -1, config)
        law, levels = law_of(form, config), periods.thresholds
        curve = OffsetCurve(data["common_mode"].values, data["offset_curve"].values[n])
        static = curve.at(levels) if law.by_common_mode else data["comparator_offset"].values[n]
        data["threshold"][n] = levels + static + law.lag(periods, PLANTED[form], config)
        volts = lsb_voltages(config, float(data["gain"].values[n]))
        data["threshold"][n] += noise * volts * rng.standard_normal(data.sizes["code"])
    return data


def values(model: RampAdcModel) -> Array:
    return np.array([model.value(name) for name in model.law.names])


def test_the_equation_by_hand() -> None:
    levels = np.array([[-0.1, 0.05, 0.15], [0.0, 0.1, 0.3]])
    trip = np.array([1e-3, 2e-3, 0.1, 0.2, 0.3])
    got = trip_points(levels, np.array([5e-3, -5e-3]), trip)
    for chip, offset in enumerate((5e-3, -5e-3)):
        for k in range(3):
            level, step = levels[chip, k], levels[chip, k] - levels[chip, max(k - 1, 0)]
            expected = level + offset + 1e-3 + 2e-3 * level + step * (0.1 + 0.2 * level + 0.3 * step)
            assert got[chip, k] == pytest.approx(expected, rel=1e-14, abs=0)
    assert len(trip_terms(levels)) == len(trip)
    np.testing.assert_allclose(trip_points(levels, 0.0, np.zeros(5)), levels)


def test_planted_parameters_are_found(three_bits: xr.Dataset) -> None:
    model = fit(planted(three_bits, "terms"), form="terms")
    # The pull towards the start costs 1e-6 LSB^2 a scale, against some 1e2 points: 1e-4 of a parameter's scale.
    scales = np.array([each.scale for each in model.law.quantities])
    assert (np.abs(values(model) - PLANTED["terms"]) < 2e-3 * scales).all()
    assert model.error.rms < 1e-5
    for name in model.law.names:
        parameter = model.parameters[name]
        assert isinstance(parameter.low, float) and isinstance(parameter.high, float)
        assert parameter.low <= model.value(name) <= parameter.high


def test_planted_lag_is_predicted(three_bits: xr.Dataset) -> None:
    """Seven thresholds of steps between 36 and 60 mV do not tell twelve numbers apart, but what they do is enough."""
    model = fit(planted(three_bits))
    assert model.form == "lag" and model.error.rms < 1e-3 and model.error.maximum < 3e-3
    assert model.fitted_numbers == 12


def test_samples_at_another_capacitor_are_compared_and_not_fitted(three_bits: xr.Dataset) -> None:
    other = three_bits.copy(deep=True)
    moved = (other["chip"].values == 1) & (other["v_read"].values == 0.25)
    other = other.assign_coords(c_fb=other["c_fb"].copy(data=np.where(moved, 4e-12, other["c_fb"].values)))
    other = other.assign_coords(gain=other["gain"].copy(data=np.where(moved, 1.25, 1.0) * other["gain"].values))
    data = planted(other)
    assert np.abs(data["threshold"].values[moved] / planted(three_bits)["threshold"].values[moved]).mean() > 1.1
    model = fit(data)
    assert model.error.points == fit(planted(three_bits)).error.points - 7
    np.testing.assert_allclose(compare(model, data).error[moved], 0.0, atol=1e-3)


def test_offsets_that_the_model_draws_are_in_its_domain(three_bits: xr.Dataset) -> None:
    model = fit(three_bits)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for offset in model.draw_offsets(2000, np.random.default_rng(3)):
            model.thresholds(model.ramp_target, model.bias_target, offset)


def test_intervals_hold_what_they_promise(three_bits: xr.Dataset) -> None:
    """Over 40 data sets with noise, a 95 % interval holds the planted value in at least 85 % of all cases."""
    inside, rms = [], []
    for seed in range(40):
        model = fit(planted(three_bits, "terms", noise=0.01, seed=seed), form="terms")
        parameters = [model.parameters[name] for name in model.law.names]
        truth = PLANTED["terms"]
        inside.append([each.low <= true <= each.high for each, true in zip(parameters, truth, strict=True)])  # type: ignore[operator]
        rms.append(model.error.rms)
    assert np.mean(inside) > 0.85
    # And they do not promise too little either: they narrow as the noise does.
    wide, narrow = (
        fit(planted(three_bits, "terms", noise=noise, seed=1), form="terms").parameters["a"] for noise in (0.01, 0.001)
    )
    assert narrow.high - narrow.low == pytest.approx((wide.high - wide.low) / 10, rel=1e-2)  # type: ignore[operator]


@pytest.mark.parametrize("name", ["three_bits", "four_bits"])
def test_chips_that_the_fit_did_not_see(request: pytest.FixtureRequest, name: str) -> None:
    """Chips with odd numbers, known conductances and offsets: 0.02 LSB rms is asked for; seen: 0.002."""
    data: xr.Dataset = request.getfixturevalue(name)
    model = fit(data)
    assert model.error.rms <= 0.02 and model.error.maximum <= 0.05 and model.error.within_limit
    comparison = compare(model, data)
    held = comparison.held_out
    assert set(data["chip"].values[held]) == {n for n in data["chip"].values if n % 2 == 1 and n > 0}
    assert model.error.rms == pytest.approx(np.sqrt(np.mean(comparison.error[held] ** 2)), rel=1e-12, abs=0)
    assert model.error.maximum == pytest.approx(np.abs(comparison.error[held]).max(), rel=1e-12, abs=0)
    assert model.error.points == held.sum() * data.sizes["code"]
    # In LSB of the output: the volts of a threshold's error over alpha LSB / g'(x).
    lsb = np.abs((comparison.predicted - comparison.measured)[held] / comparison.error[held])
    assert (lsb > 5e-3).all() and (lsb < 0.2).all()


def test_the_fit_does_not_look_at_the_held_out_chips(three_bits: xr.Dataset) -> None:
    spoiled = three_bits.copy(deep=True)
    chip = spoiled["chip"].values
    spoiled["threshold"][(chip >= 0) & (chip % 2 == 1)] += 0.01
    np.testing.assert_array_equal(values(fit(spoiled)), values(fit(three_bits)))
    assert fit(spoiled).error.rms > 0.1


def test_the_comparison_leaves_out_the_fixed_ramp(three_bits: xr.Dataset) -> None:
    comparison = compare(fit(three_bits), three_bits)
    fixed = three_bits["ramp"].values == "fixed"
    assert np.isnan(comparison.predicted[fixed]).all() and np.isfinite(comparison.predicted[~fixed]).all()
    assert not comparison.held_out[fixed].any() and not comparison.held_out[three_bits["chip"].values == -1].any()


def test_the_model_predicts_what_the_comparison_says(three_bits: xr.Dataset) -> None:
    model, chip = fit(three_bits), 13  # chip 0 at 0.25 V
    assert three_bits["v_read"].values[chip] == 0.25
    ramp, bias = three_bits["ramp_conductance"].values[chip], three_bits["bias_conductance"].values[chip]
    curve = OffsetCurve(three_bits["common_mode"].values, three_bits["offset_curve"].values[chip])
    volts = model.threshold_voltages(ramp, bias, curve, 0.25)
    np.testing.assert_allclose(volts, compare(model, three_bits).predicted[chip], rtol=1e-12)
    gain = float(three_bits["gain"].values[chip])
    np.testing.assert_allclose(model.thresholds(ramp, bias, curve, 0.25), volts / gain, rtol=1e-12)
    assert model.mac_gain(0.25) == pytest.approx(gain, rel=1e-12, abs=0)
    # The offset at V_CLP alone says less: a chip's mismatch counts for another share of it at the ends of the ramp.
    offset = float(three_bits["comparator_offset"].values[chip])
    assert float(curve.at(np.zeros(1))[0]) == pytest.approx(offset, abs=1e-7)
    alone = model.threshold_voltages(ramp, bias, offset, 0.25)
    assert 1e-6 < np.abs(alone - volts).max() < 1e-3
    many = model.thresholds(np.stack([ramp, ramp]), np.stack([bias, bias]), np.array([offset, 0.0]))
    assert many.shape == (2, 7)
    for each, one in zip(many, (offset, 0.0), strict=True):
        np.testing.assert_allclose(each, model.thresholds(ramp, bias, one), rtol=1e-12)
    curves = OffsetCurve(curve.modes, np.stack([curve.offset, curve.offset + 1e-3]))
    np.testing.assert_allclose(np.diff(model.threshold_voltages(ramp, bias, curves), axis=0), 1e-3, rtol=1e-9)


def test_too_few_chips_are_refused(three_bits: xr.Dataset) -> None:
    chip = three_bits["chip"].values
    for kept in ((0, 1), (0, 2), (1, 3, 5), (-1,), (-1, 0)):
        few = three_bits.isel(sample=np.isin(chip, kept))
        with pytest.raises(CosimError, match="at least two chips to fit and one to judge"):
            fit(few)
    fit(three_bits.isel(sample=np.isin(chip, (0, 1, 2))))


def test_failed_points_are_refused_unless_allowed(three_bits: xr.Dataset) -> None:
    failed = three_bits.copy(deep=True)
    failed["status"][3] = 1
    failed["threshold"][3] = np.nan
    with pytest.raises(CosimError, match="1 of 18 samples of this data set failed"):
        fit(failed)
    model = fit(failed, allow_failed=True)
    assert model.error.rms <= 0.02 and model.provenance["data_set"]["failed"] == 1
    without = fit(three_bits.isel(sample=np.arange(18) != 3))
    np.testing.assert_allclose(values(model), values(without), rtol=1e-12)


def test_the_statistics_of_offsets_and_energies(three_bits: xr.Dataset) -> None:
    model = fit(three_bits)
    offsets = three_bits["comparator_offset"].values
    assert model.value("offset_mean") == offsets[0]  # the nominal comparator's
    sigma = model.parameters["offset_sigma"]
    assert sigma.value == pytest.approx(offsets[1:9].std(ddof=1), rel=1e-12, abs=0)
    # 7 degrees of freedom: sqrt(7 / 16.01) and sqrt(7 / 1.690).
    assert (sigma.low, sigma.high) == pytest.approx((0.6612 * sigma.value, 2.0353 * sigma.value), rel=1e-3)  # type: ignore[operator]
    assert model.value("ramp_energy") == pytest.approx(three_bits["ramp_energy"].values[1:9].mean(), rel=1e-12, abs=0)
    drawn = model.draw_offsets(4000, np.random.default_rng(1))
    assert drawn.mean() == pytest.approx(model.value("offset_mean"), abs=4 * model.value("offset_sigma") / 60)
    assert drawn.std() == pytest.approx(model.value("offset_sigma"), rel=0.05)


def test_a_model_comes_back_from_its_file_bit_for_bit(three_bits: xr.Dataset, tmp_path: Path) -> None:
    model = fit(three_bits)
    model.save(tmp_path / "adc.json")
    loaded = load_model(tmp_path / "adc.json")
    assert loaded.parameters == model.parameters and loaded.error == model.error and loaded.domain == model.domain
    assert loaded.config == model.config and loaded.gain == model.gain and loaded.bias_sign == model.bias_sign
    np.testing.assert_array_equal(loaded.ramp_target, model.ramp_target)
    ramp, bias = (three_bits[f"{name}_conductance"].values[:9] for name in ("ramp", "bias"))
    offset = three_bits["comparator_offset"].values[:9]
    np.testing.assert_array_equal(loaded.thresholds(ramp, bias, offset), model.thresholds(ramp, bias, offset))
    loaded.save(tmp_path / "again.json")
    assert (tmp_path / "again.json").read_bytes() == (tmp_path / "adc.json").read_bytes()
    assert (tmp_path / "adc.json").stat().st_size < 100_000


def test_a_model_above_its_limit_is_refused(three_bits: xr.Dataset, tmp_path: Path) -> None:
    fit(three_bits, limit=1e-6).save(tmp_path / "adc.json")
    with pytest.raises(CosimError, match="exceeds its limit"):
        load_model(tmp_path / "adc.json")
    load_model(tmp_path / "adc.json", accept=True)


def test_leaving_the_domain_is_said_and_counted(three_bits: xr.Dataset) -> None:
    model = fit(three_bits)
    ramp, bias = model.ramp_target, model.bias_target
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.thresholds(ramp, bias, model.value("offset_mean"), 0.15)
    with pytest.warns(OutsideDomainWarning, match=r"1 of 1 values of 'v_read'.*0\.15 to 0\.25"):
        model.thresholds(ramp, bias, 0.0, 0.3)
    with pytest.warns(OutsideDomainWarning, match="2 of 3 values of 'offset'"):
        model.thresholds(np.stack([ramp] * 3), np.stack([bias] * 3), np.array([-0.1, 0.0, 0.1]))
    with pytest.warns(OutsideDomainWarning, match=rf"1 of {len(ramp) + len(bias)} values of 'conductance'"):
        model.thresholds(np.array([1e-7, *ramp[1:]]), bias, 0.0)  # a cell stuck off
    assert {name: n for name, n in model.domain.outside.items() if n} == {"v_read": 1, "offset": 2, "conductance": 1}


def test_ideal_thresholds_and_function_of_the_model(four_bits: xr.Dataset) -> None:
    model = fit(four_bits)
    np.testing.assert_allclose(model.ideal, np.arctanh(np.arange(-7, 8) / 8), rtol=1e-12)
    assert model.function.name == "tanh"
    nominal = model.thresholds(model.ramp_target, model.bias_target, model.value("offset_mean"))
    assert np.abs(model.function.value(nominal) - np.arange(-7, 8) / 8).max() * 8 < 0.2  # the comparator's lag remains
    assert replace(model, gain=2 * model.gain).mac_gain() == 2 * model.mac_gain()


@pytest.mark.parametrize("name", ["offset_curve", "population_offset"])
def test_static_offsets_that_were_not_found_are_counted(three_bits: xr.Dataset, name: str) -> None:
    """One lost point of a curve would change what is fitted, a lost comparator the statistics: neither is silent."""
    data = three_bits.copy(deep=True)
    if name == "population_offset":
        about = {"units": "V", "long_name": "static offsets of further comparators"}
        values = np.random.default_rng(1).normal(0.0, 2e-3, 20)
        data[name] = xr.Variable("comparator", values, about)
    data[name].values.flat[-1] = np.nan
    looked_for = data["offset_curve"].size + data.get("population_offset", xr.DataArray(np.zeros(0))).size
    with pytest.raises(CosimError, match=f"1 of {looked_for} static offsets of this data set failed"):
        fit(data)
    fit(data, allow_failed=True)
