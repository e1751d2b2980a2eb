"""Measured ramp ADCs: the same numbers give the same data set and the same model as SPICE's own."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from cosim.blocks import ramp_adc
from cosim.blocks.dataset import config_of, load_dataset, save_dataset
from cosim.blocks.lab import import_lab
from cosim.blocks.ramp_adc.chips import nominal_chip
from cosim.blocks.ramp_adc.design import design_column
from cosim.blocks.status import NOT_FOUND
from cosim.errors import CosimError
from cosim.files import sha256_of

Spoil = Callable[[str, str, str], None]
NOT_MEASURED = {
    "ramp_level", "rounds", "threshold_noise", "step_change", "comparator_noise", "word_line_energy", "row_energy",
    "integrator_energy", "conversion_time", "bias_energy", "energy_status", "driver_status", "noise_status",
    "common_mode", "offset_curve",
}  # fmt: skip
# Numbers go through one more unit and back, each step rounded to a double: some 1e-16 of the value, which is 1 V here.
ROUNDING = 1e-15


def test_the_data_set_is_that_of_spice(lab: Path, simulated: xr.Dataset, tmp_path: Path) -> None:
    data = load_dataset(save_dataset(import_lab(lab), tmp_path / "lab.nc"), "ramp_adc")
    assert set(simulated.variables) <= set(data.variables)
    for name, variable in simulated.variables.items():
        own = data[name]
        assert own.dims == variable.dims and own.shape == variable.shape, name
        assert own.dtype == variable.dtype or {own.dtype.kind, variable.dtype.kind} <= set("OU"), name  # texts
        assert own.attrs["units"] == variable.attrs["units"], name
        if name in NOT_MEASURED:
            continue
        if variable.dtype.kind == "O":
            assert own.values.tolist() == variable.values.tolist()
        else:
            scale = 1.0 / float(simulated["gain"].values[0]) if name == "threshold_mac" else 1.0
            # LSB: the slope of the sigmoid is at most 1/4, an LSB is 1/4: 1 LSB a unit of the MAC result.
            scale = 1.0 / float(simulated["gain"].values[0]) if name in ("inl", "dnl") else scale
            np.testing.assert_allclose(own.values, variable.values, rtol=4e-16, atol=4 * ROUNDING * scale, err_msg=name)
    # Bias, drivers and noise were not measured here, and their statuses say so.
    assert all((data[name].values == NOT_FOUND).all() for name in ("energy_status", "driver_status", "noise_status"))
    measured, model = config_of(data), config_of(simulated)
    assert measured.pop("gain") == pytest.approx(model.pop("gain"), rel=1e-14, abs=0)
    assert measured == model


def test_it_says_where_it_comes_from(lab: Path) -> None:
    data = import_lab(lab)
    assert (data.attrs["simulator"], data.attrs["seed"], data.attrs["deck_hashes"]) == ("measurement", "none", "[]")
    files = json.loads(data.attrs["lab_files"])
    assert files == {name: sha256_of(lab.parent / name) for name in ("lab.toml", "thresholds.csv", "zellen.csv",
                                                                      "chips.csv")}  # fmt: skip
    assert json.loads(data.attrs["lab_notes"]) == {"instrument": "none: simulated"}
    assert data.attrs["device"] == "taox_1t1r" and len(data.attrs["device_sha256"]) == 64


def test_the_fit_is_that_of_spice(lab: Path, simulated: xr.Dataset) -> None:
    bare = simulated.drop_vars(["common_mode", "offset_curve"])  # offsets are measured at V_CLP alone
    measured, own = (ramp_adc.fit(data, form="terms") for data in (import_lab(lab), bare))
    assert set(own.parameters) - set(measured.parameters) == {"comparator_noise"}  # which no table holds
    for name, parameter in own.parameters.items():
        if name == "comparator_noise":
            continue
        # Least squares on the same numbers: the rounding above, times the condition of the fit (about 1e4).
        assert measured.parameters[name].value == pytest.approx(parameter.value, rel=1e-9, abs=1e-18), name
    assert measured.error.rms == pytest.approx(own.error.rms, rel=1e-9)
    # The usual form, whose static offset over the common mode is then fitted to the thresholds.
    measured, own = (ramp_adc.fit(data) for data in (import_lab(lab), bare))
    assert measured.error.rms == pytest.approx(own.error.rms, rel=1e-3) and measured.error.rms < 0.02
    assert measured.error.points == own.error.points
    origin = measured.provenance["data_set"]
    assert (origin["simulator"], origin["decks"]) == ("measurement", 0)
    assert origin["files"]["thresholds.csv"] == sha256_of(lab.parent / "thresholds.csv")


def test_blank_thresholds_are_missing_points(lab: Path, simulated: xr.Dataset) -> None:
    path = lab.parent / "thresholds.csv"
    lines = path.read_text().splitlines()
    row = next(n for n, line in enumerate(lines) if line.startswith("2;2;"))
    lines[row] = "2;2;;"
    path.write_text("\n".join(lines))
    data = import_lab(lab)
    assert data["status"].values.tolist() == [0, 0, 1, 0]
    assert np.argwhere(np.isnan(data["threshold"].values)).tolist() == [[2, 1]]
    assert np.isnan(data["inl"].values[2, 1]) and np.isfinite(np.delete(data["inl"].values[2], 1)).all()
    with pytest.raises(CosimError, match="1 of 4 samples of this data set failed"):
        ramp_adc.fit(data)
    del lines[row]  # a row that is not there is no other thing than a blank one
    path.write_text("\n".join(lines))
    xr.testing.assert_equal(import_lab(lab), data)


def test_chips_have_names_of_their_own(lab: Path, simulated: xr.Dataset) -> None:
    for name in ("thresholds.csv", "zellen.csv", "chips.csv"):
        path = lab.parent / name
        head, *lines = path.read_text().splitlines()
        path.write_text("\n".join([head, *(f"W{3 - int(line[0])}{line[1:]}" for line in lines)]))
    data = import_lab(lab)
    assert data["chip"].values.tolist() == [0, 1, 2, 3]
    assert data["chip_name"].values.tolist() == ["W0", "W1", "W2", "W3"]
    np.testing.assert_allclose(data["threshold"].values, simulated["threshold"].values[::-1], atol=4 * ROUNDING)
    np.testing.assert_allclose(data["ramp_conductance"].values, simulated["ramp_conductance"].values[::-1], rtol=4e-16)


def test_a_fit_without_offsets_says_which_column_it_needs(lab: Path, spoil: Spoil) -> None:
    spoil("lab.toml", 'comparator_offset = { column = "Offset (uV)", unit = "uV" }\n', "")
    with pytest.raises(CosimError) as caught:
        ramp_adc.fit(import_lab(lab))
    assert "comparator_offset" in str(caught.value)


def test_a_fit_without_energies_is_one_of_thresholds_alone(lab: Path, spoil: Spoil, tmp_path: Path) -> None:
    full = ramp_adc.fit(import_lab(lab))
    spoil("lab.toml", 'comparator_energy = { column = "E (fJ)", unit = "fJ" }\n', "")
    spoil("lab.toml", 'ramp_energy = { column = "E_Rampe (fJ)", unit = "fJ" }\n', "")
    model = ramp_adc.fit(import_lab(lab))
    assert set(full.parameters) - set(model.parameters) == {"comparator_energy", "ramp_energy"}
    model.save(tmp_path / "model.json")
    again = ramp_adc.load_model(tmp_path / "model.json")
    assert again.parameters == model.parameters


TRANSFER = """
schema = "cosim.lab/1"
block = "ramp_adc"
kind = "transfer"
file = "sweep.csv"
[columns]
input = { column = "u (mV)", unit = "mV" }
code = { column = "code" }
[config]
bits = 2
function = "linear"
"""


def write_transfer(folder: Path, inputs: np.ndarray, codes: np.ndarray) -> Path:
    lines = [f"{1e3 * u!r},{code}" for u, code in zip(inputs.tolist(), codes.tolist(), strict=True)]
    (folder / "sweep.csv").write_text("\n".join(["u (mV),code", *lines]))
    (folder / "lab.toml").write_text(TRANSFER)
    return folder / "lab.toml"


def test_a_transfer_curve_gives_its_thresholds(tmp_path: Path) -> None:
    """Without noise each threshold is the middle of the step that holds it, known to that step."""
    true = np.array([-0.1003, 0.0021, 0.1507])
    inputs = np.concatenate([np.linspace(-0.3, 0.0, 121), np.linspace(0.01, 0.3, 30)])
    codes = (inputs[:, None] > true).sum(axis=1)
    order = np.random.default_rng(1).permutation(len(inputs))
    data = import_lab(write_transfer(tmp_path, inputs[order], codes[order]))
    above = np.searchsorted(inputs, true)
    np.testing.assert_allclose(data["threshold"].values[0], (inputs[above - 1] + inputs[above]) / 2, atol=1e-12)
    np.testing.assert_allclose(data["bracket"].values[0], inputs[above] - inputs[above - 1], atol=1e-12)
    assert data["status"].values.tolist() == [0]


def test_noise_averages_out_of_a_transfer_curve(tmp_path: Path) -> None:
    """1.5 mV of Gaussian noise, 100 conversions an input at steps of 1 mV.

    The estimate is the mean of the noise's distribution: unbiased, of variance sum p (1 - p) / n step^2, about
    step sigma / (n sqrt(pi)), so 92 uV; five sigma are allowed.
    """
    rng = np.random.default_rng(2)
    true, sigma, step, count = np.array([-0.1003, 0.0021, 0.1507]), 1.5e-3, 1e-3, 100
    inputs = np.repeat(np.arange(-200, 201) * step, count)
    codes = ((inputs + sigma * rng.standard_normal(len(inputs)))[:, None] > true).sum(axis=1)
    data = import_lab(write_transfer(tmp_path, inputs, codes))
    expected = np.sqrt(step * sigma / (count * np.sqrt(np.pi)))
    np.testing.assert_allclose(data["threshold"].values[0], true, atol=5 * expected)
    assert np.abs(data["threshold"].values[0] - true).max() > expected / 100  # it is an estimate


def test_a_transition_outside_the_sweep_is_missing(tmp_path: Path) -> None:
    inputs = np.linspace(-0.2, 0.1, 31)
    data = import_lab(write_transfer(tmp_path, inputs, (inputs[:, None] > [-0.1, 0.0, 0.15]).sum(axis=1)))
    assert np.isnan(data["threshold"].values[0]).tolist() == [False, False, True]
    assert data["status"].values.tolist() == [1]


@pytest.mark.parametrize(
    "settings",
    [
        {"function": "tanh", "bits": 3},
        {"function": "gelu", "bits": 3},
        {"function": "softplus", "bits": 4, "pulse_widths": "graded"},
        {"function": "sigmoid", "bits": 3, "calibration": "one_point"},
    ],
    ids=lambda settings: settings["function"],
)
def test_a_column_that_is_described_is_the_one_that_is_designed(tmp_path: Path, settings: dict) -> None:
    """Targets, pulses and signs written into the table give the gain and the levels that the design has."""
    config = ramp_adc.Config(**settings)
    design = design_column(config)
    chip = nominal_chip(config, design=design)
    share = np.ones(len(chip.ramp)) if chip.pulse is None else chip.pulse
    lines = [f"ramp,{n + 1},{1e6 * g!r},{1e9 * config.t_pulse * t!r}," for n, (g, t) in
             enumerate(zip(chip.ramp.tolist(), share.tolist(), strict=True))]  # fmt: skip
    signs = chip.bias_signs.tolist()
    lines += [f"bias,{n + 1},{1e6 * g!r},,{signs[n]}" for n, g in enumerate(chip.bias.tolist())]
    (tmp_path / "cells.csv").write_text("\n".join(["part,cell,G,T,sign", *lines]))
    steps = config.staircase.thresholds * design.gain(config.v_read)
    (tmp_path / "steps.csv").write_text("\n".join(["k,u", *(f"{k + 1},{u!r}" for k, u in enumerate(steps.tolist()))]))
    stated = "".join(f"{key} = {json.dumps(value)}\n" for key, value in settings.items())
    conductances = """
        [conductances]
        file = "cells.csv"
        [conductances.columns]
        part = { column = "part" }
        cell = { column = "cell" }
        conductance = { column = "G", unit = "uS" }
    """
    head = (
        'schema = "cosim.lab/1"\nblock = "ramp_adc"\nkind = "thresholds"\nfile = "steps.csv"\n[columns]\n'
        f'code = {{ column = "k" }}\nthreshold = {{ column = "u", unit = "V" }}\n[config]\n{stated}{conductances}'
    )
    described = (
        'target = { column = "G", unit = "uS" }\npulse = { column = "T", unit = "ns" }\nsign = { column = "sign" }\n'
        f"[notes]\nbias_sign = '{signs[0]}'\n"
    )
    (tmp_path / "designed.toml").write_text(head)
    stated_sign = f"bias_sign = {signs[0]}\n" if len(set(signs)) == 1 else ""
    (tmp_path / "described.toml").write_text(head.replace("[config]\n", f"[config]\n{stated_sign}") + described)
    one, other = import_lab(tmp_path / "designed.toml"), import_lab(tmp_path / "described.toml")
    for name in ("target_conductance", "target_pulse", "target_bias", "ramp_conductance", "bias_conductance"):
        np.testing.assert_allclose(other[name].values, one[name].values, rtol=1e-12)
    np.testing.assert_array_equal(other["bias_sign"].values, one["bias_sign"].values)
    if len(set(signs)) == 1 or settings["function"] == "sigmoid":
        # The design's gain, through the span of its ramp.
        np.testing.assert_allclose(other["gain"].values, one["gain"].values, rtol=1e-9)
    for data in (one, other):
        # Thresholds at their ideal places: no error but what the two unit changes leave.
        assert np.abs(one["inl"].values).max() < 1e-9
        assert data["missing_codes"].values.tolist() == [0]
        assert data["status"].values.tolist() == [0]


def test_the_transfer_curve_of_a_falling_code_is_refused(tmp_path: Path) -> None:
    path = write_transfer(tmp_path, np.linspace(-0.1, 0.1, 5), np.arange(5) // 2)
    path.write_text(path.read_text().replace('"linear"', '"gelu"').replace("bits = 2", "bits = 5"))
    with pytest.raises(CosimError, match=r"'gelu' also falls.*Allowed: thresholds"):
        import_lab(path)
