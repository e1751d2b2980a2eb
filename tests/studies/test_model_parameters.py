"""Parameters of fitted models in a study: values and ranges with units, in SI in the points and results."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from typer.testing import CliRunner

from cosim.blocks.recipes import shipped_model
from cosim.cli import app
from cosim.errors import CosimError
from cosim.studies.model_parameters import CURVES, parameter_kinds
from cosim.studies.point_hardware import point_hardware
from cosim.studies.specification import load_specification

pytestmark = pytest.mark.filterwarnings("ignore::cosim.blocks.domain.OutsideDomainWarning")

Write = Callable[..., Path]

SIGMA = "models.ramp_adc.parameters.offset_sigma"
HEAD = """schema = "cosim.study/1"
chips = 1
test_samples = 10
"""


@pytest.mark.parametrize("block", ["ramp_adc", "crossbar"])
def test_units_are_those_of_the_shipped_models(block: str) -> None:
    kinds = parameter_kinds(block)
    fitted = {name: each for name, each in shipped_model(block).parameters.items() if name not in CURVES}
    assert {name: each.unit for name, each in fitted.items()} == {name: kinds[name].unit for name in fitted}


@pytest.mark.parametrize(
    "sweep",
    [
        'method = "latin hypercube"\nsamples = 8',
        'method = "sobol"\nsamples = 8',
        'method = "pareto"\nobjectives = {accuracy = "max"}',
    ],
)
def test_ranges_take_units(study_file: Write, sweep: str) -> None:
    if "sobol" in sweep:
        pytest.importorskip("SALib")
    over = f'''over."{SIGMA}" = {{low = "1 mV", high = "0.01 V", scale = "log"}}
over."models.crossbar.parameters.r_driver" = {{low = "10 ohm", high = "1 kohm"}}
'''
    study = load_specification(study_file(f"{HEAD}[sweep]\n{sweep}\n{over}"))
    sigma, driver = study.axes
    assert (sigma.low, sigma.high, sigma.log) == (1e-3, 1e-2, True)
    assert (driver.low, driver.high, driver.log) == (10.0, 1000.0, False)
    if study.design is not None:
        values = np.array([point[0] for point in study.design.points])
        assert values.dtype == float and 1e-3 <= values.min() < values.max() <= 1e-2
        made = point_hardware(study.settings(study.design.values(0)))
        assert {each.value("offset_sigma") for each in made.models.values()} == {values[0]}


def test_listed_values_are_a_numeric_axis_with_its_unit_in_the_results(study_file: Write) -> None:
    file = study_file(f'{HEAD}[sweep]\nmethod = "grid"\nover."{SIGMA}" = ["1 mV", "0.02 V"]\n')
    assert CliRunner().invoke(app, ["study", "run", str(file), "--workers", "0", "--no-report"]).exit_code == 0
    with xr.open_dataset(file.with_name("study_results") / "results.nc", engine="h5netcdf") as found:
        axis = found[SIGMA]
        assert axis.dims == (SIGMA,) and axis.values.tolist() == [1e-3, 0.02]
        assert axis.attrs["units"] == "V"
        assert np.isfinite(found["accuracy"]).all()
    shown = CliRunner().invoke(app, ["study", "show", str(file)]).stdout
    assert "1 mV" in shown and "20 mV" in shown


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("ramp_adc.parameters.offset_sigma", "-1 mV", "at least 0 V"),
        ("ramp_adc.parameters.comparator_noise", "-1 uV", "at least 0 V"),
        ("ramp_adc.parameters.ramp_energy", "-1 pJ", "at least 0 J"),
        ("ramp_adc.parameters.tau_1", "-1 ns", "above 0 s"),
        ("ramp_adc.parameters.tau_1", "0 ns", "above 0 s"),
        ("crossbar.parameters.r_driver", "-1 ohm", "at least 0 ohm"),
        ("crossbar.parameters.v_0", "-0.4 V", "above 0 V"),
    ],
)
def test_what_cannot_be_negative_is_refused_with_one_message(
    study_file: Write, name: str, value: str, allowed: str
) -> None:
    block, _, inside = name.partition(".")
    key = f"models.{name}"
    top = f"1 {unit_of(key)}"
    cube = 'method = "latin hypercube"\nsamples = 4'
    files = {
        f'[models.{block}]\nfile = "{block}"\n{inside} = "{value}"\n': (6, key),
        f'[sweep]\nmethod = "grid"\nover."{key}" = ["{value}"]\n': (6, f"sweep.over.{key}"),
        f'[sweep]\nmethod = "list"\n[[sweep.points]]\n"{key}" = "{value}"\n': (7, f"sweep.points.0.{key}"),
        f'[sweep]\n{cube}\nover."{key}" = {{low = "{value}", high = "{top}"}}\n': (7, f"sweep.over.{key}.low"),
    }
    for text, (line, where) in files.items():
        with pytest.raises(CosimError) as caught:
            file = study_file(HEAD + text)
            load_specification(file)
        said = f"line {line}: key '{where}': value '{value}': out of range. Allowed: {allowed}."
        assert str(caught.value) == f"{file}: {said}"


def unit_of(key: str) -> str:
    block, _, name = key.removeprefix("models.").split(".")
    return parameter_kinds(block)[name].unit


@pytest.mark.parametrize("value", ["-3 mV", "0 V"])
def test_offsets_and_slopes_may_be_negative(study_file: Write, value: str) -> None:
    text = f'{HEAD}[sweep]\nmethod = "grid"\nover."models.ramp_adc.parameters.offset_mean" = ["{value}"]\n'
    assert load_specification(study_file(text)).design is not None


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ('["1 mV", 2]', "value 2: the unit is missing"),
        ('["1 mV", "2 s"]', "another dimension"),
        ('["1 mV", "0.001 V"]', "value '0.001 V': this value is given twice"),
        ('["1 mV", true]', "not a quantity"),
    ],
)
def test_values_are_quantities_of_the_parameter_s_dimension(study_file: Write, values: str, said: str) -> None:
    with pytest.raises(CosimError) as caught:
        load_specification(study_file(f'{HEAD}[sweep]\nmethod = "grid"\nover."{SIGMA}" = {values}\n'))
    assert said in str(caught.value) and "faults" not in str(caught.value)


def test_a_curve_cannot_be_a_number(study_file: Write) -> None:
    text = f'{HEAD}[models.ramp_adc]\nfile = "ramp_adc"\nparameters.common_mode_shift = "1 mV"\n'
    with pytest.raises(CosimError, match=r"line 6: .*is a curve, for which no number can stand"):
        load_specification(study_file(text))
