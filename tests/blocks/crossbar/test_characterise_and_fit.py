from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from cosim.blocks.candidates import compare_forms
from cosim.blocks.crossbar.behaviour import CrossbarModel, differential_inputs, load_model
from cosim.blocks.crossbar.characterisation import characterise
from cosim.blocks.crossbar.config import CrossbarConfig
from cosim.blocks.crossbar.fitting import compare, fit, residuals
from cosim.blocks.crossbar.samples import draw_samples
from cosim.blocks.dataset import load_dataset, save_dataset
from cosim.blocks.domain import OutsideDomainWarning
from cosim.blocks.registry import get_block
from cosim.errors import CosimError
from cosim.spice import Deck, Failure, FailureKind, Result, SimulatorPool

CONFIG = CrossbarConfig(rows=16, columns=10, r_wire_row=2.0, r_wire_column=3.0, r_driver=150.0, r_clamp=20.0)
TRUTH = {"r_wire_row": 2.0, "r_wire_column": 3.0, "r_driver": 150.0, "r_clamp": 20.0}


def currents_of(config: CrossbarConfig, **options: Any) -> xr.Dataset:
    return characterise(config, measurements=("currents",), show_progress=False, **options)


@pytest.fixture(scope="module")
def data(pool: SimulatorPool) -> xr.Dataset:
    return currents_of(CONFIG, arrays=8, vectors=12, sizes=[(16, 10), (9, 7)], pool=pool)


@pytest.fixture(scope="module")
def model(data: xr.Dataset) -> CrossbarModel:
    return fit(data)


@pytest.fixture
def axes() -> Iterator[object]:
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 2)
    yield axes
    pyplot.close(figure)


def test_the_figures_at_64_by_64(pool: SimulatorPool) -> None:
    model = fit(currents_of(CrossbarConfig(), arrays=4, vectors=6, seed=3, pool=pool))
    # Asked for: linear 1e-6 (seen 2e-11), sinh 5e-4 on unseen vectors and unseen weights.
    for part in ("unseen_vectors", "unseen_weights"):
        assert model.parts["linear"][part]["maximum"] <= 1e-6
        assert model.parts["sinh"][part]["rms"] <= 5e-4
    assert model.error.within_limit and model.error_linear.within_limit
    assert model.error.points == 64 * (2 * 3 + 2 * 6)


def test_the_fit_finds_the_circuit_from_a_wrong_start(model: CrossbarModel) -> None:
    for name, value in TRUTH.items():
        assert model.value(name) == pytest.approx(value, rel=1e-6)  # the simulator's own arithmetic; seen: 1e-9
    assert model.value("v_0") == pytest.approx(0.43, rel=0.02)  # takes up what the polynomial leaves out
    low, high = model.parameters["v_0"].low, model.parameters["v_0"].high
    assert isinstance(low, float) and isinstance(high, float) and low < model.value("v_0") < high


def test_two_forms_side_by_side(data: xr.Dataset, tmp_path: Path) -> None:
    found = {(each.form, each.quantity): each for each in compare_forms(get_block("crossbar"), data)}
    ours, plain = (found[form, "sinh_current"] for form in ("odd_powers", "linear"))
    # The sinh at the read voltage is (V_read / V_0)^2 / 6 = 3.6 % off any straight line through zero.
    assert ours.aic < plain.aic and ours.bic < plain.bic and ours.held_out.rms < plain.held_out.rms / 10
    assert plain.held_out.rms > 1e-3
    assert found["linear", "linear_current"].held_out == found["odd_powers", "linear_current"].held_out
    model = fit(data, form="linear")
    assert not model.error.within_limit
    model.save(tmp_path / "linear.json")
    loaded = load_model(tmp_path / "linear.json", accept=True)
    cells, inputs = data["conductance"].values[0], np.full((1, 16), 0.1)
    np.testing.assert_array_equal(loaded.currents(inputs, cells), model.currents(inputs, cells))
    np.testing.assert_allclose(model.currents(inputs, cells), model.value("gain") * inputs @ model.matrix(cells))
    with pytest.raises(CosimError, match=r"key 'form'.*odd_powers"):
        model.coefficients(cells)
    with pytest.raises(CosimError, match="no such form"):
        fit(data, form="cubic")


def test_stated_errors_are_those_of_the_residuals(data: xr.Dataset, model: CrossbarModel) -> None:
    found = {each.quantity: each for each in residuals(model, data)}
    assert list(found) == ["sinh_current", "linear_current"]
    for name, each in found.items():
        assert each.judged() == model.errors[name] and each.judged().quantiles
        assert set(each.by_part()) == {"unseen vectors", "unseen weights"}


def test_the_parts_of_the_data_are_told_apart(data: xr.Dataset, model: CrossbarModel) -> None:
    comparison = compare(model, data)
    parts = {part: int((comparison.part == part).sum()) for part in set(comparison.part)}
    points = 2 * 12 * (4 * 10 + 4 * 7)  # cells, vectors, columns of four arrays of either size
    assert parts == {"seen": points // 4, "unseen_vectors": points // 4, "unseen_weights": points // 2}
    unseen = (comparison.cells == "sinh") & (comparison.part != "seen")
    assert model.error.rms == pytest.approx(np.sqrt(np.mean(comparison.error[unseen] ** 2)))
    assert model.error.points == unseen.sum()


def test_the_data_set_keeps_the_contract(data: xr.Dataset, tmp_path: Path) -> None:
    loaded = load_dataset(save_dataset(data, tmp_path / "crossbar.nc"), "crossbar")
    xr.testing.assert_identical(loaded, data)
    assert data["current"].dims == ("law", "array", "vector", "column")
    assert set(data["rows"].values) == {16, 9}
    small = data["rows"].values == 9
    assert np.isnan(data["conductance"].values[small, 9:]).all()
    assert np.isfinite(data["current"].values[:, ~small]).all()
    assert data["status"].dims == ("point",) and set(data["measurement"].values) == {"currents"}


def test_the_model_comes_back_from_its_file(model: CrossbarModel, data: xr.Dataset, tmp_path: Path) -> None:
    model.save(tmp_path / "crossbar.json")
    loaded = load_model(tmp_path / "crossbar.json")
    assert loaded.parameters == model.parameters and loaded.errors == model.errors and loaded.parts == model.parts
    assert loaded.domain == model.domain
    cells = data["conductance"].values[0]
    inputs = differential_inputs(np.random.default_rng(1).uniform(-1, 1, (3, 8)), 0.15)
    np.testing.assert_array_equal(loaded.currents(inputs, cells), model.currents(inputs, cells))
    np.testing.assert_array_equal(loaded.currents(inputs, cells, "linear"), inputs @ model.matrix(cells))


def test_a_model_above_its_limit_is_refused(data: xr.Dataset, tmp_path: Path) -> None:
    fit(data, limit=1e-9).save(tmp_path / "sinh.json")
    fit(data, linear_limit=1e-15).save(tmp_path / "linear.json")
    for name, key in (("sinh.json", "error.rms"), ("linear.json", "errors.linear_current.rms")):
        with pytest.raises(CosimError, match=f"key '{key}'.*exceeds its limit"):
            load_model(tmp_path / name)
        load_model(tmp_path / name, accept=True)


def test_leaving_the_domain_is_said_and_counted(data: xr.Dataset) -> None:
    model = fit(data)
    cells = np.full((16, 10), 50e-6)
    with pytest.warns(OutsideDomainWarning, match="2 of 32 values of 'voltage'"):
        model.currents([[0.25, -0.3, *[0.0] * 14], [0.1] * 16], cells)
    assert model.domain.outside["voltage"] == 2
    with pytest.warns(OutsideDomainWarning, match="'rows'"):
        model.matrix(np.full((18, 10), 50e-6))


def test_the_same_seed_gives_the_same_arrays_whatever_their_number() -> None:
    few, many = (draw_samples(CONFIG, count, 6, [(16, 10)], seed=5) for count in (2, 6))
    np.testing.assert_array_equal(few[1].conductances, many[1].conductances)
    np.testing.assert_array_equal(few[1].voltages, many[1].voltages)
    assert not np.array_equal(few[0].conductances, few[1].conductances)


def test_residuals_are_drawn(model: CrossbarModel, data: xr.Dataset, axes: object) -> None:
    drawn = model.plot(compare(model, data), axes)  # type: ignore[arg-type]
    assert [len(axis.lines) for axis in drawn] == [2, 2]


class FailingPool(SimulatorPool):
    """Every sinh deck of the first array fails."""

    def run(self, decks: list[Deck], label: str | None = None) -> list[Result]:  # type: ignore[override]
        results = super().run(decks, label)
        first = len(decks) // 2
        failure = Failure(FailureKind.NO_CONVERGENCE, "no convergence")
        results[first] = replace(results[first], failure=failure, signals={})
        return results


def test_a_failed_sweep_stays_in_the_data_set_and_stops_the_fit() -> None:
    config = CrossbarConfig(rows=4, columns=3)
    with FailingPool(1, use_cache=False) as pool:
        data = currents_of(config, arrays=4, vectors=6, pool=pool)
    np.testing.assert_array_equal(data["status"].values, [0, 0, 0, 0, 1, 0, 0, 0])
    assert np.isnan(data["current"].values[1, 0]).all() and np.isfinite(data["current"].values[0]).all()
    with pytest.raises(CosimError, match="1 of 8 sweeps of this data set failed"):
        fit(data)
    assert fit(data, allow_failed=True).provenance["data_set"]["failed"] == 1


def test_what_the_status_says_and_what_is_missing_in_part_stop_the_fit_too(data: xr.Dataset) -> None:
    stated = data.copy(deep=True)
    stated["status"].values[1] = 1
    holed = data.copy(deep=True)
    holed["current"].values[1, 2, 0, 0] = np.nan
    for each in (stated, holed):
        with pytest.raises(CosimError, match=r"1 of \d+ sweeps of this data set failed"):
            fit(each)
