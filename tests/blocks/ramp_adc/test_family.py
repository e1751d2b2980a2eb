"""One model for several codes and conditions: what it is fitted to, what judges, and what `at` gives."""

import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from cosim.blocks.domain import OutsideDomainWarning
from cosim.blocks.fitted import stored_config
from cosim.blocks.over import combine
from cosim.blocks.ramp_adc.behaviour import OffsetCurve, load_model
from cosim.blocks.ramp_adc.conditions import Conditions, conditions_of, fit_table
from cosim.blocks.ramp_adc.config import RampAdcConfig
from cosim.blocks.ramp_adc.design import design_column
from cosim.blocks.ramp_adc.fitting import fit, offset_checks, residuals
from cosim.blocks.ramp_adc.forms import FORMS, law_of
from cosim.blocks.ramp_adc.points import parts_of
from cosim.blocks.registry import get_block
from cosim.errors import CosimError
from cosim.provenance import canonical_json


def moved(data: xr.Dataset, temperature: float, corner: str = "TT") -> xr.Dataset:
    """The data set under another condition: a planted law, whose comparators are slower by a fifth for 100 K."""
    copy = data.copy(deep=True)
    config = json.loads(copy.attrs["config"]) | {"temperature": temperature, "corner": corner}
    copy.attrs["config"] = canonical_json(config)
    (part,) = parts_of([copy])
    law = law_of("lag", part.config)
    values = np.array([4.5e-9 * 1.2 ** ((temperature - 27) / 100), -1, 1.5, 5e-3, 0.5, 1, 7e-9, 0, 0, 4e-4, 0.5, -2])
    assert part.static is not None
    lag = law.lag(part.periods, values, part.config)
    copy["threshold"][part.column] = (part.periods.thresholds + part.static + lag)[part.column]
    return copy


@pytest.fixture(scope="module")
def family(three_bits: xr.Dataset) -> list[xr.Dataset]:
    return [moved(three_bits, 27.0), moved(three_bits, 125.0), moved(three_bits, -40.0)]


def test_another_function_judges_and_is_not_fitted(three_bits: xr.Dataset, four_bits: xr.Dataset) -> None:
    """The lag of a 3-bit sigmoid predicts a 4-bit tanh, which was not fitted: real SPICE, real targets."""
    alone, both = fit(three_bits), fit([three_bits, four_bits])
    for name in both.law.names:
        assert both.parameters[name] == alone.parameters[name]
    (thresholds, *_) = residuals(both, [three_bits, four_bits])
    parts = thresholds.by_part()
    assert parts["unseen chips"][2] == alone.error.points
    assert parts["unseen conditions"][2] == 6 * 15  # every chip of it
    assert parts["unseen conditions"][0] < 0.02 and parts["unseen conditions"][1] < 0.05
    assert both.error.rms == pytest.approx(thresholds.judged().rms, rel=1e-12)
    # At the condition of the fit the noise is that of the same comparator by the same sums: nothing judges it.
    assert set(both.errors) == {"threshold", "threshold_one_offset"}
    assert both.provenance["data_sets"][1]["sizes"]["code"] == 15


def test_forms_side_by_side(three_bits: xr.Dataset, four_bits: xr.Dataset) -> None:
    """The law of two stages carries over to another function best; one constant does not do."""
    found = {}
    for form in FORMS:
        model = fit([three_bits, four_bits], form=form)
        assert model.form == form
        found[form] = residuals(model, [three_bits, four_bits])[0].by_part()["unseen conditions"][0]
    assert found["lag"] < found["offset"]
    with pytest.raises(CosimError, match="no such form"):
        fit(three_bits, form="cubic")


def test_noise_is_judged_under_conditions_that_were_not_fitted(family: list[xr.Dataset], four_bits: xr.Dataset) -> None:
    """Twice the comparator's noise there is seen, and is none of the model's at its own conditions."""
    judge = four_bits.copy(deep=True)
    judge.attrs["config"] = canonical_json(json.loads(judge.attrs["config"]) | {"temperature": 75.0})
    judge["threshold_noise"] = 2.0 * judge["threshold_noise"]
    model = fit([*family, judge])
    noise = next(each for each in residuals(model, [*family, judge]) if each.quantity == "noise")
    assert model.errors["noise"].points == 6 * 15 and noise.seen_rms < 0.02
    np.testing.assert_allclose(noise.error[noise.held_out], -0.5, atol=0.02)


def test_temperatures_between_are_predicted(family: list[xr.Dataset], three_bits: xr.Dataset) -> None:
    model = fit(family)
    assert model.conditions == Conditions(("TT",), ("1", "t", "t2"), 1.8)
    assert model.value("tau_1") > 0 and model.error.rms < 2e-3
    between = moved(three_bits, 75.0)
    (part,) = parts_of([between])
    there = model.at(temperature=75.0)
    for n in np.flatnonzero(part.usable)[:6]:
        curve = OffsetCurve(part.modes, between["offset_curve"].values[n])  # type: ignore[arg-type]
        ramp, bias = (between[f"{name}_conductance"].values[n] for name in ("ramp", "bias"))
        found = there.threshold_voltages(ramp, bias, curve, float(part.v_read[n]))
        assert (np.abs(found - part.measured[n]) / part.lsb[n]).max() < 5e-3
    with pytest.warns(OutsideDomainWarning, match="v_dd"):
        model.at(v_dd=1.9)


def test_a_supply_comes_apart_as_a_temperature_does(three_bits: xr.Dataset) -> None:
    """The data set keeps volts, and a supply is chosen with its unit."""
    configs = [RampAdcConfig(bits=3, v_dd=v_dd) for v_dd in (1.75, 1.8)]
    combined = combine(get_block("ramp_adc"), configs, ["v_dd"], [three_bits, three_bits])
    assert [part.condition for part in parts_of([combined])] == [("TT", 27.0, 1.75), ("TT", 27.0, 1.8)]


def test_one_data_set_over_conditions_is_the_same_as_several(family: list[xr.Dataset]) -> None:
    configs = [stored_config(each, RampAdcConfig) for each in family]
    combined = combine(get_block("ramp_adc"), configs, ["temperature"], family)
    assert combined.sizes["temperature"] == 3
    whole, apart = fit(combined), fit(family)
    assert whole.conditions == apart.conditions and whole.error == apart.error
    assert whole.parameters == apart.parameters


def test_another_converter_is_designed_anew(family: list[xr.Dataset]) -> None:
    model = fit(family)
    with pytest.warns(OutsideDomainWarning, match="level"):  # five bits of tanh reach further than three of sigmoid
        other = model.at(function="tanh", bits=5, temperature=-40.0)
    design = design_column(RampAdcConfig(function="tanh", bits=5))
    np.testing.assert_allclose(other.ramp_target, design.ramp)
    assert other.gain == pytest.approx(design.gain(0.2)) and other.config.temperature == -40.0
    assert "ramp_energy" in model.parameters and "ramp_energy" not in other.parameters
    nominal = other.thresholds(other.ramp_target, other.bias_target, other.value("offset_mean"))
    assert nominal.shape == (31,) and np.abs(other.function.value(nominal) - np.arange(-15, 16) / 16).max() * 16 < 0.5
    same = model.at(v_read=0.25)
    assert same.gain == pytest.approx(1.25 * model.gain) and same.ramp_target is model.ramp_target
    with pytest.raises(CosimError, match="not fitted at this corner"):
        model.at(corner="SS")


def test_a_family_comes_back_from_its_file(family: list[xr.Dataset], three_bits: xr.Dataset, tmp_path: Path) -> None:
    model = fit(
        [*family, moved(three_bits, 27.0, "SS"), moved(three_bits, 125.0, "SS"), moved(three_bits, -40.0, "SS")]
    )
    assert model.conditions is not None and model.conditions.corners == ("TT", "SS")
    model.save(tmp_path / "adc.json")
    loaded = load_model(tmp_path / "adc.json")
    loaded.save(tmp_path / "again.json")
    assert (tmp_path / "again.json").read_bytes() == (tmp_path / "adc.json").read_bytes()
    assert (tmp_path / "adc.json").stat().st_size < 100_000
    for condition in (("TT", 27.0, 1.8), ("SS", 80.0, 1.8)):
        a, b = (each.at_condition(*condition) for each in (model, loaded))
        np.testing.assert_array_equal(a.thresholds(a.ramp_target, a.bias_target, 0.0),
                                      b.thresholds(b.ramp_target, b.bias_target, 0.0))  # fmt: skip
        np.testing.assert_array_equal(a.noise(), b.noise())


def test_noise_in_units_of_the_mac_result(three_bits: xr.Dataset) -> None:
    model = fit(three_bits)
    (part,) = parts_of([three_bits])
    nominal = int(np.flatnonzero(part.chip == -1)[0])
    stated = three_bits["threshold_noise"].values[nominal] * part.lsb[nominal] / part.data["gain"].values[nominal]
    np.testing.assert_allclose(model.noise(), stated, rtol=1e-9)
    parts = model.noise_voltages(model.ramp_target, model.bias_target)
    assert (parts > model.value("comparator_noise")).all()


def test_offsets_of_a_population(three_bits: xr.Dataset) -> None:
    """Half of it says mean and sigma, the other half is tested against them."""
    rng = np.random.default_rng(5)
    sigma, mean = 2.3e-3, float(three_bits["comparator_offset"].values[0])
    data = three_bits.copy()
    about = {"units": "V", "long_name": "offsets"}
    data["population_offset"] = xr.Variable("comparator", mean + sigma * rng.standard_normal(400), about)
    model = fit(data)
    found = model.parameters["offset_sigma"]
    assert isinstance(found.low, float) and isinstance(found.high, float) and found.low < sigma < found.high
    assert found.high / found.low == pytest.approx(1.218, abs=5e-3)  # chi-squared, 199 degrees of freedom
    (p,) = offset_checks(model, data).values()
    assert p > 0.01
    skewed = data.copy()
    skewed["population_offset"] = xr.Variable("comparator", mean + 2 * sigma * rng.standard_normal(400), about)
    (p,) = offset_checks(model, skewed).values()
    assert p < 0.01


def test_terms_that_conditions_can_tell_apart() -> None:
    three = [("TT", t, v) for t in (-40.0, 27.0, 125.0) for v in (1.7, 1.8, 1.9)]
    assert conditions_of(three, 1.8).terms == ("1", "t", "v", "t2", "v2", "tv")
    assert conditions_of([("TT", 27.0, 1.8), ("TT", 125.0, 1.8)], 1.8).terms == ("1", "t")
    assert conditions_of([("SS", 60.0, 1.7)], 1.8).terms == ("1",)
    with pytest.raises(CosimError, match="varied at some corners"):  # every corner has to tell them
        conditions_of([*three, ("SS", 27.0, 1.8)], 1.8)
    conditions = conditions_of(three, 1.8)
    wanted = np.array([1e-3 * np.exp(0.2 * (t - 27) / 100 - 0.1 * (v / 1.8 - 1) * 10) for _, t, v in three])
    table = fit_table(conditions, three, wanted, positive=True)
    assert conditions.evaluate(table, "TT", 60.0, 1.75, positive=True) == pytest.approx(
        1e-3 * np.exp(0.2 * 0.33 + 0.1 * 0.05 / 0.18), rel=1e-9
    )
