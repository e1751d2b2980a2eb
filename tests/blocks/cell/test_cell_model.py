"""The fitted model of a cell as a whole: files, refusals, a device folder, real simulations and measurements."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from cosim.blocks.candidates import compare_forms
from cosim.blocks.cell import FORMS, CellModel, fit, load_model, residuals
from cosim.blocks.cell.characterisation import characterise
from cosim.blocks.cell.config import CellConfig
from cosim.blocks.dataset import save_dataset
from cosim.blocks.lab import import_lab
from cosim.blocks.registry import get_block
from cosim.devices import load_device
from cosim.devices.laws import AffineNoise, PolynomialSigma
from cosim.errors import CosimError
from cosim.spice import SimulatorPool

from .conftest import Made, made_data

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def training() -> CellModel:
    return fit(made_data("pcm_training", 11, devices=60, pulses=12))


@pytest.fixture(scope="module")
def plain() -> xr.Dataset:
    return made_data("taox_1t1r", 12, devices=30)


def test_a_model_comes_back_bit_for_bit(training: CellModel, tmp_path: Path) -> None:
    training.save(tmp_path / "m.json")
    again = load_model(tmp_path / "m.json", accept=True)
    assert again.parameters == training.parameters
    assert (again.errors, again.domain, again.form) == (training.errors, training.domain, "best")
    assert again.laws == training.laws and again.absent == training.absent
    for name in ("noise", "drift", "pulses"):
        assert getattr(again, name) == getattr(training, name)
    cells = np.array([1e-6, 5e-6])
    draws = [
        (model.read(cells, np.random.default_rng(1)), model.program(cells, np.random.default_rng(2)))
        for model in (training, again)
    ]
    np.testing.assert_array_equal(*draws)


def test_the_fit_is_the_same_each_time(plain: xr.Dataset) -> None:
    first, second = fit(plain), fit(plain)
    assert first.parameters == second.parameters and first.errors == second.errors


def test_residuals_are_those_that_the_model_states(plain: xr.Dataset) -> None:
    model = fit(plain)
    rows = residuals(model, plain)
    assert [each.quantity for each in rows] == list(model.errors)
    for each in rows:
        assert each.judged() == model.errors[each.quantity]
    assert model.error == model.errors["current"]


def test_what_was_not_measured_is_said(plain: xr.Dataset) -> None:
    model = fit(plain)
    assert set(model.absent) == {"drift", "pulses", "cycles", "response"}
    assert model.absent["drift"] == "the data hold no drift_conductance"
    with pytest.raises(CosimError, match="has no drift: the data hold no drift_conductance"):
        model.drifted(np.array([1e-5]), 0.05, 10.0)
    with pytest.raises(CosimError, match="has no pulses"):
        model.reset(3, np.random.default_rng(0))


def test_failed_measurements_are_refused_with_their_number(made: Made) -> None:
    data = made("taox_1t1r", 12, devices=30)
    data["status"].values[1] = 1
    with pytest.raises(CosimError, match=r"1 of 3 measurements \(noise\) of this data set failed"):
        fit(data)
    assert fit(data, allow_failed=True).parameters == fit(made("taox_1t1r", 12, devices=30)).parameters


def test_a_single_device_is_nothing_to_fit(made: Made) -> None:
    with pytest.raises(CosimError, match=r"nothing of a cell's model can be fitted .*programming needs two devices"):
        fit(made("taox_1t1r", devices=1, parts=("programming",)))


def test_data_sets_that_contradict_each_other(made: Made) -> None:
    iv, written = (made("taox_1t1r", devices=20, parts=(part,)) for part in ("iv", "programming"))
    both = fit([iv, written])
    assert set(both.laws) == {"iv", "programming"}
    assert len(both.provenance["data_sets"]) == 2
    with pytest.raises(CosimError, match="two data sets hold this quantity"):
        fit([written, written])
    with pytest.raises(CosimError, match="not of the same cell"):
        fit([iv, made("hfo2_gap", devices=20, parts=("programming",))])


def test_forms_side_by_side(plain: xr.Dataset) -> None:
    """The true laws are the plainest but for the sinh law: V_0 off in "constant" is what the comparison shows."""
    rows = {(each.quantity, each.form): each for each in compare_forms(get_block("cell"), plain)}
    assert {form for _, form in rows} == set(FORMS)
    assert rows["current", "best"].held_out.rms < 1e-9 < 1e-3 < rows["current", "constant"].held_out.rms
    assert rows["current", "best"].bic < rows["current", "affine"].bic < rows["current", "constant"].bic
    with pytest.raises(CosimError, match="no such form"):
        fit(plain, form="richest")


# --- the device folder


def test_a_folder_holds_the_fitted_laws(training: CellModel, tmp_path: Path) -> None:
    """Written, loaded, asked: the same numbers, and within the intervals of those that the data were made with."""
    folder = training.as_device(tmp_path / "mine")
    device, true = load_device(folder), load_device("pcm_training")
    assert device.name == "mine" and device.pulses == training.pulses and device.drift == training.drift
    assert device.noise == training.noise
    sources = {key: text for key, text in device.sources.items() if key.startswith("pulses.")}
    assert all("sha256" in text for text in sources.values())
    assert isinstance(device.programming, PolynomialSigma) and device.pulses is not None
    # The write error is that of one step, its memory gone, as in the device that the data came from.
    assert device.programming.c_1 == pytest.approx(device.pulses.sd_slope * 12e-6, rel=1e-12)
    assert (device.g_lowest, device.g_max, device.v_read) == (true.g_lowest, true.g_max, true.v_read)
    for name in ("mean_slope", "mean_offset", "sd_slope", "sd_offset"):
        each = training.parameters[f"pulses.{name}"]
        width = each.high - each.low  # twice as wide as the 95 % interval: four parameters are asked
        assert each.low - width / 2 <= getattr(true.pulses, name) <= each.high + width / 2
    with pytest.raises(CosimError, match="a device is there already"):
        training.as_device(folder)


def test_a_folder_can_be_simulated(training: CellModel, tmp_path: Path, pool: SimulatorPool) -> None:
    """`--set device=FOLDER` in ngspice: the cells of the folder conduct what they are asked for."""
    folder = training.as_device(tmp_path / "mine")
    data = characterise(CellConfig(device=str(folder)), states=(1e-6, 1e-5), voltages=5, reads=16, devices=4, pulses=3,
                        times=(60.0,), pool=pool, show_progress=False)  # fmt: skip
    assert (data["status"].values == 0).all()
    np.testing.assert_allclose(data["conductance"].values, [1e-6, 1e-5], rtol=1e-6)


def test_what_a_folder_lacks_comes_from_a_base_or_not_at_all(made: Made, tmp_path: Path) -> None:
    model = fit(made("hfo2_gap", devices=20, parts=("programming",)))
    with pytest.raises(CosimError, match=r"a device needs its iv, which this model has not .*give a base device"):
        model.as_device(tmp_path / "half")
    base = load_device("hfo2_gap")
    device = load_device(model.as_device(tmp_path / "whole", base=base))
    assert (device.v_0, device.read_noise) == (base.v_0, base.read_noise)
    assert device.sources["read_noise"].startswith("not in the data set; device hfo2_gap")
    assert device.programming_sigma == model.value("programming.c_0")
    assert device.dynamic == base.dynamic and device.model == base.model  # it switches as the simulated one does
    assert device.model_text() == base.model_text()


# --- ngspice, through the command line and without


def test_characterised_fitted_and_loaded(cosim: Run, pool: SimulatorPool, tmp_path: Path) -> None:
    """`characterise`, `fit`, `model`: phase-change cells from ngspice."""
    data = characterise(CellConfig(device="pcm_inference", t_read=250e-9), states=(2.5e-6, 8e-6, 25e-6), voltages=11,
                        devices=24, reads=32, times=(1.0, 3600.0, 86400.0), pool=pool, show_progress=False)  # fmt: skip
    assert data["read_conductance"].shape == (3, 32)
    save_dataset(data, tmp_path / "cell.nc")
    code, out, err = cosim("fit", "cell.nc", "-o", "m.json")
    assert code == 0, err
    assert "not fitted: pulses (the data hold no blind_conductance)" in out.replace("\n", " ")
    assert (tmp_path / "m.svg").is_file()
    model = load_model(tmp_path / "m.json", accept=True)
    reads = data["read_conductance"].values
    np.testing.assert_allclose(reads.std(axis=1, ddof=1) / reads.mean(axis=1), data["read_sigma"].values, rtol=1e-9)
    true = load_device("pcm_inference")
    assert model.value("drift.t_0") == pytest.approx(20.0, rel=1e-6)
    assert model.errors["current"].rms < 1e-6 and model.errors["drift"].rms < 1e-6
    sigma = true.programming
    assert sigma is not None
    # 12 fitted devices at three states: sigma at g_max to 1 / sqrt(24) = 20 %; three of that.
    assert model.programming.sigma(25e-6, 25e-6) == pytest.approx(float(sigma.sigma(25e-6, 25e-6)), rel=0.6)


def test_an_access_transistor_is_told_from_the_cell(pool: SimulatorPool) -> None:
    """1T1R in ngspice: V_0 of the memristor, a resistance for the transistor, and no programming error from it."""
    config = CellConfig(device="taox_1t1r", cell="1T1R")
    data = characterise(config, devices=16, reads=32, voltages=31, pool=pool, show_progress=False)
    alone = characterise(CellConfig(device="taox_1t1r"), devices=16, reads=32, voltages=31, pool=pool,
                         show_progress=False)  # fmt: skip
    both, one = fit(data), fit(alone)
    v_0 = both.parameters["iv.v_0"]
    assert v_0.low <= 0.43 <= v_0.high
    # As in test_reading: 1 kohm of the device's own access replaced by some 200 ohm.
    assert 50 < both.value("iv.r_access") < 400
    assert both.error.rms < 1e-3  # of a transistor that is a resistor within 0.1 % at these voltages
    # The same draws: taking off the transistor leaves the programming errors, 1e-4 of interpolation beside them.
    assert both.value("programming.c_0") == pytest.approx(one.value("programming.c_0"), rel=1e-2)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["hfo2_gap", "sky130_reram", "vteam", "yakopcic"])
def test_devices_that_switch(name: str, pool: SimulatorPool) -> None:
    """Held-out states and voltages to 1e-6, the spread of cycles; what rests at the end of its window has none."""
    data = characterise(CellConfig(device=name), devices=16, cycles_each=2, pulses=2, amplitudes=(1.0,), widths=(1.0,),
                        seed=2, pool=pool, show_progress=False)  # fmt: skip
    model = fit(data)
    assert model.error.rms < 1e-6
    device = load_device(name)
    if "iv.v_0" in model.parameters:
        each = model.parameters["iv.v_0"]
        assert each.low <= device.v_0 <= each.high
    else:
        assert device.v_0 > 50
    # 8 fitted devices at five states, half of one state cut off: four standard errors of 36 cells' sigma.
    middle = np.array([np.sqrt(device.g_min * device.g_max)])
    assert model.programming.sigma(middle, device.g_max)[0] == pytest.approx(device.programming_sigma, rel=4 / 8.5)
    log = np.log(data["cycle_conductance"].values[::2, 0])
    assert model.value("cycles.set_median") == pytest.approx(float(np.exp(log.mean())), rel=1e-12)


# --- measured


def lab(folder: Path, kind: str, columns: str, lines: list[str], more: str = "") -> xr.Dataset:
    (folder / f"{kind}.csv").write_text("\n".join(lines) + "\n")
    text = f'schema = "cosim.lab/1"\nblock = "cell"\nkind = "{kind}"\nfile = "{kind}.csv"\n[columns]\n{columns}{more}'
    (folder / f"{kind}.toml").write_text(text)
    return import_lab(folder / f"{kind}.toml")


def test_tables_become_a_model_and_a_device(tmp_path: Path) -> None:
    """Programming, reads and I-V in three tables: one model; its folder needs no base."""
    rng = np.random.default_rng(1)
    uS = 'unit = "uS" }\n'
    states = (20, 60, 100, 140)
    written = lab(
        tmp_path, "programming",
        f'state = {{ column = "g", {uS}device = {{ column = "d" }}\nconductance = {{ column = "c", {uS}',
        ["g,d,c", *(f"{g},{d},{g + 2 * rng.standard_normal():.4f}" for g in states for d in range(40))],
    )  # fmt: skip
    reads = lab(
        tmp_path, "noise",
        f'state = {{ column = "g", {uS}read = {{ column = "n" }}\nconductance = {{ column = "c", {uS}',
        ["g,n,c", *(f"{g},{n},{g * (1 + 0.01 * rng.standard_normal()):.5f}" for g in states for n in range(400))],
    )  # fmt: skip
    volts = np.round(np.arange(-30, 31, 2) * 0.01, 2)
    curves = lab(
        tmp_path, "iv",
        f'state = {{ column = "g", {uS}voltage = {{ column = "v", unit = "V" }}\n'
        'current = { column = "i", unit = "uA" }\n',
        ["g,v,i", *(f"{g},{v},{float(g * 0.35 * np.sinh(v / 0.35))!r}" for g in states for v in volts.tolist())],
        '[config]\nv_read = "0.2 V"\n',
    )  # fmt: skip
    model = fit([written, reads, curves])
    assert model.laws == {"iv": "sinh", "programming": "constant", "noise": "proportional"}
    assert model.value("iv.v_0") == pytest.approx(0.35, rel=1e-5)  # V_read is on the grid
    assert model.value("programming.c_0") == pytest.approx(2e-6, rel=3 / np.sqrt(2 * 80))
    assert model.value("noise.slope") == pytest.approx(0.01, rel=3 / np.sqrt(2 * 800))
    device = load_device(model.as_device(tmp_path / "measured"))
    assert (device.g_min, device.g_max, device.v_read) == (20e-6, 140e-6, 0.2)
    assert device.dynamic is None and device.v_0 == model.value("iv.v_0")
    with pytest.raises(CosimError, match="the data do not state v_read"):
        curves.attrs["config"] = json.dumps({})
        fit([curves])


def test_examples_of_trains_say_what_they_lack(tmp_path: Path) -> None:
    examples = Path(__file__).parents[3] / "examples" / "lab"
    with pytest.raises(CosimError, match=r"nothing of a cell's model can be fitted to these data"):
        fit(import_lab(examples / "loop.toml"))


@pytest.fixture
def readc() -> Path:
    book = Path(os.environ.get("COSIM_DATA", "/nowhere")) / "devices" / "readc" / "Data" / "SourceData_Fig_3.xlsx"
    if not book.is_file():
        pytest.skip("COSIM_DATA does not hold the ReADC data")
    return book


def test_real_devices(readc: Path, tmp_path: Path) -> None:
    """H. Hong et al. (Nature Communications 2025): 64 cells at 7 targets, 1000 reads of each, loops at 8 compliances.

    The authors state spreads of 2.42 to 2.98 uS; V_0 falls from the high to the low conductances.
    """
    (tmp_path / readc.name).symlink_to(readc)
    head = f'schema = "cosim.lab/1"\nblock = "cell"\nfile = "{readc.name}"\n'
    cells = "".join(
        f'[[series]]\nstate = "{g} uS"\nconductance = {{ column = "Target_{g}uS", unit = "uS" }}\n'
        for g in range(100, 401, 50)
    )
    texts = {
        "programming": 'sheet = "3c_conductance_value"\n[columns]\ndevice = { counted_from = 0 }\n' + cells,
        "noise": 'sheet = "3d"\n[columns]\nread = { column = "Read_Cycle" }\n'
                 'state = { column = "Target_Value_uS", unit = "uS" }\n'
                 'conductance = { column = "Measured_Conductance_uS", unit = "uS" }\n',
        "loop": 'sheet = "3b"\n[config]\nv_read = "0.2 V"\n' + "".join(
            f'[[series]]\ncompliance = "{limit} uA"\nvoltage = {{ column = "V_{half}_{limit}uA", unit = "V" }}\n'
            f'current = {{ column = "I_{half}_{limit}uA", unit = "uA", factor = {sign} }}\n'
            for limit in range(50, 401, 50) for half, sign in (("set", 1), ("reset", -1))),
    }  # fmt: skip
    sets = []
    for kind, text in texts.items():
        (tmp_path / f"{kind}.toml").write_text(head + f'kind = "{kind}"\n' + text)
        sets.append(import_lab(tmp_path / f"{kind}.toml"))
    model = fit(sets)
    assert model.laws["programming"] == "constant"
    sigma = model.parameters["programming.c_0"]
    assert sigma.low < 2.67e-6 < sigma.high
    assert all(error.within_limit for error in model.errors.values())
    assert model.laws["iv"] == "sinh_power" and model.parameters["iv.power"].high < 0
    assert model.errors["current"].rms < 0.02
    plain = fit(sets, form="full")
    assert 0.3 < plain.value("iv.v_0") < 0.46
    assert plain.errors["current"].rms > model.errors["current"].rms
    assert not isinstance(model.noise, AffineNoise)  # slow jumps: a spectrum of 1/f
