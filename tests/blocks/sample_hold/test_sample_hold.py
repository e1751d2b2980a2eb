"""The sample and hold against closed forms: an ohmic switch, where all are exact, and the shipped switches."""

import inspect
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from cosim import resources
from cosim.blocks import sample_hold
from cosim.blocks.config import load_config
from cosim.blocks.sample_hold.characterisation import INPUTS, characterise, sampled_figures, straight_line
from cosim.blocks.sample_hold.config import SampleHoldConfig
from cosim.blocks.sample_hold.netlist import impedance_deck, sampling_deck
from cosim.errors import CosimError
from cosim.seeds import stream
from cosim.spice import Deck, SimulatorPool, Tolerances

KT = 1.380649e-23 * 300.15  # [J] at 27 deg C
R_ON, R_OFF = 2e3, 1e12  # [ohm]
OHMIC = f"""* an ohmic switch
* unused clkb
* unused vdd
.subckt sample_hold in out clk clkb vdd vss
b1 in out i=v(in,out)*(v(clk,vss) > 0.9 ? {1 / R_ON:g} : {1 / R_OFF:g})
.ends
"""
CLOSED = f"""* a resistor: always closed, and noisy as a controlled source is not
* unused clk clkb vdd vss
.subckt sample_hold in out clk clkb vdd vss
r1 in out {R_ON:g}
.ends
"""


def run(pool: SimulatorPool, inputs: tuple[float, ...] = (0.1, 0.5, 0.9), **settings: object) -> xr.Dataset:
    return characterise(SampleHoldConfig(**settings), inputs=inputs, chips=0, pool=pool, show_progress=False)


@pytest.fixture(scope="module")
def gate(pool: SimulatorPool) -> xr.Dataset:
    return run(pool)


@pytest.fixture(scope="module")
def nmos(pool: SimulatorPool) -> xr.Dataset:
    return run(pool, (0.1, 0.2, 0.3), sample_hold="sample_hold_nmos")


def test_an_ohmic_switch_is_what_the_closed_forms_say(pool: SimulatorPool, tmp_path: Path) -> None:
    file = tmp_path / "ohmic.cir"
    file.write_text(OHMIC)
    config = SampleHoldConfig(sample_hold=str(file), c_hold=1e-12, t_track=6e-9, t_edge=1e-12, t_droop=1e-6)
    data = characterise(config, inputs=(0.1, 0.5, 0.9), chips=0, pool=pool, show_progress=False)
    c, tau = config.c_hold, R_ON * config.c_hold
    assert not data["status"].values.any()
    # 1 nS of the least conductance of the analysis against 0.5 mS, and ROFF: below 1e-6.
    np.testing.assert_allclose(data["on_resistance"], R_ON, rtol=1e-6)
    np.testing.assert_allclose(data["capacitance"], c, rtol=1e-4)
    # Steps of tau / 100 by the trapezoidal rule: h^2 / (12 tau^2) of the time constant.
    np.testing.assert_allclose(data["time_constant"], tau, rtol=1e-3)
    np.testing.assert_allclose(data["ktc_noise"], np.sqrt(KT / c), rtol=1e-4)
    # The switch closes half-way up the clock's edge. A step of tau / 133 keeps e^-3 to 1e-4.
    swing = np.array([-0.8, 0.4, 0.8]) * config.v_dd
    swing[1] = (0.5 - data["input"].values[0 if swing[1] > 0 else 2]) * config.v_dd
    left = -swing * np.exp(-(config.t_track - config.t_edge / 2) / tau)
    np.testing.assert_allclose(np.abs(data["settling_error"]), np.abs(left), rtol=2e-3)
    assert data["settling_error"].values[0] > 0 > data["settling_error"].values[2]  # it comes from the far end
    # Until half-way down the edge it goes on settling: that step is no charge injection, and known.
    goes_on = -data["settling_error"] * (1 - np.exp(-config.t_edge / 2 / tau))
    np.testing.assert_allclose(data["pedestal"], goes_on, atol=2e-5 * config.v_dd)
    ends = np.array([0.1, 0.9]) * config.v_dd
    leak = (ends[None, :] - data["input_level"].values[:, None]) / (R_OFF * c)
    np.testing.assert_allclose(data["droop_rate"], leak, rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(data["hold_feedthrough"], 1 / (2 * np.pi * config.f_hold * R_OFF * c), rtol=1e-3)
    # No capacitance, so neither clock feedthrough nor energy.
    np.testing.assert_allclose(data["clock_feedthrough"], 0, atol=1e-9)
    np.testing.assert_allclose(data["energy"], 0, atol=1e-19)


def test_the_noise_of_a_resistor_is_kt_over_c(pool: SimulatorPool, tmp_path: Path) -> None:
    file = tmp_path / "closed.cir"
    file.write_text(CLOSED)
    config = SampleHoldConfig(sample_hold=str(file), temperature=85.0)
    data = characterise(config, inputs=(0.1, 0.5, 0.9), chips=0, pool=pool, show_progress=False)
    # Four decades to each side of the pole leave out 1.3e-4 of the power; 40 points a decade cost as much again.
    expected = np.sqrt(KT / 300.15 * 358.15 / config.c_hold)
    np.testing.assert_allclose(data["noise"], expected, rtol=3e-4)
    np.testing.assert_allclose(data["ktc_noise"], expected, rtol=1e-4)


def test_the_data_set_is_complete(gate: xr.Dataset) -> None:
    assert set(sample_hold.FIGURES) <= set(gate.data_vars)
    assert not gate["status"].values.any()
    for plot in sample_hold.PLOTS:
        assert {*plot.y, plot.x} <= set(gate.variables)
    assert gate["time_constant"].attrs["step_tolerance"] == "1 %"


def test_the_gate_tracks_with_its_resistance_and_capacitance(gate: xr.Dataset, pool: SimulatorPool) -> None:
    product = gate["on_resistance"] * gate["capacitance"]
    # The resistance changes by up to 0.3 % a millivolt, and the step has two.
    np.testing.assert_allclose(gate["time_constant"], product, rtol=0.01)
    deck = impedance_deck(SampleHoldConfig(), 0.9)
    names = tuple(f"@m.xswitch.xm{k}.m1[gds]" for k in (1, 2))
    point = pool.run([Deck("gds", deck.circuit, (".op",), names, Tolerances(reltol=1e-7, gmin=1e-15))])[0]
    conductance = sum(float(point[name][0]) for name in names)
    assert float(gate["on_resistance"][1]) == pytest.approx(1 / conductance, rel=1e-4)  # two ways to one number
    # 500 fF and the switch's own: half of two gates of 4 um x 0.18 um at 8.4 fF/um^2, overlap, some 10 fF.
    assert np.all((gate["capacitance"] > 500e-15) & (gate["capacitance"] < 515e-15))


def test_the_gate_s_noise_is_kt_over_c(gate: xr.Dataset, pool: SimulatorPool) -> None:
    # BSIM4's channel noise is above Nyquist's: 2 % of power in strong inversion, 7 % at half the supply.
    ratio = (gate["noise"] / gate["ktc_noise"]).values
    assert np.all((ratio > 1.0) & (ratio < 1.04))
    assert ratio[0] < 1.011 and ratio[2] < 1.011


def test_charge_injection_of_one_transistor(nmos: xr.Dataset, gate: xr.Dataset) -> None:
    width, length, c = 4e-6, 0.18e-6, nmos["capacitance"].values
    oxide = 3.9 * 8.854e-12 / 4.1e-9
    # Overlap of the card and the fringing capacitance that BSIM4 puts beside it, 2 eps / pi ln(1 + 0.4 um / t_ox).
    overlap = width * (2.4e-10 + 2 * 3.9 * 8.854e-12 / np.pi * np.log(1 + 4e-7 / 4.1e-9))
    step = -1.8 * overlap / (500e-15 + overlap)
    np.testing.assert_allclose(nmos["clock_feedthrough"].sel(clock="clk"), step, rtol=0.01)
    np.testing.assert_allclose(nmos["clock_feedthrough"].sel(clock="clkb"), 0, atol=1e-9)  # it is not connected
    np.testing.assert_allclose(nmos["clock_feedthrough_net"], step, rtol=0.01)
    channel = width * length * oxide * (1.8 - nmos["input_level"].values - 0.51)
    below = 1.8 - nmos["input_level"].values - 0.51  # of the clock's swing, while the switch conducts
    # Part of the channel's charge, at most all of it, and the overlap's while the switch no longer conducts.
    most = (channel + 1.8 * overlap) / c
    least = overlap * (1.8 - below) / c
    assert np.all((-nmos["pedestal"] > least) & (-nmos["pedestal"] < most))
    assert np.all(np.diff(nmos["pedestal"]) > 0)  # less charge at a higher input
    # The gate's two charges have opposite signs: the pedestal changes sign between the ends.
    assert gate["pedestal"].values[0] < 0 < gate["pedestal"].values[2]
    assert abs(float(gate["pedestal_offset"])) < 0.1 * abs(float(nmos["pedestal_offset"]))
    # The gate's two overlaps are equal, one on clk and one on clkb: each couples, with the other as a load, and their
    # steps cancel.
    step = -1.8 * overlap / (500e-15 + 2 * overlap)
    np.testing.assert_allclose(gate["clock_feedthrough"].sel(clock="clk"), step, rtol=0.01)
    np.testing.assert_allclose(gate["clock_feedthrough"].sel(clock="clkb"), -step, rtol=0.01)
    np.testing.assert_allclose(gate["clock_feedthrough_net"], 0, atol=1e-6)


def test_chips_are_the_sensitivities_times_the_draws(pool: SimulatorPool) -> None:
    config = SampleHoldConfig()
    data = characterise(config, inputs=(0.1, 0.5, 0.9), chips=4, seed=7, pool=pool, show_progress=False)
    assert not data["status"].values.any() and data["chip"].values.tolist() == [-1, 0, 1, 2, 3]
    np.testing.assert_array_equal(data["pedestal_chip"][0], data["pedestal"])
    chips = data["pedestal_chip"].values[1:]
    np.testing.assert_allclose(data["pedestal_sigma"], chips.std(axis=0, ddof=1), rtol=1e-12)
    # Pelgrom's law of 4 um x 0.18 um, NMOS and PMOS, threshold shifts first.
    root = np.sqrt(2 * 4e-6 * 0.18e-6)
    kinds = (config.cmos.nmos, config.cmos.pmos)
    sigmas = np.array([*(kind.a_vt / root for kind in kinds), *(kind.a_beta / root for kind in kinds)])
    draws = np.array(
        [np.random.default_rng(each).standard_normal(4) for each in stream(7, "sample_hold: chips").spawn(4)]
    )
    names = ("dvt1", "dvt2", "db1", "db2")
    levels = data["input_level"].values
    shifts = [(name, sign * sigma) for name, sigma in zip(names, sigmas, strict=True) for sign in (-1, 1)]
    decks = [
        sampling_deck(config, v, other, {name: shift}).halved()
        for name, shift in shifts
        for v, other in zip(levels, levels[[2, 0, 0]], strict=True)
    ]
    found = [
        sampled_figures(result, float(levels[number % 3]), config)["pedestal"]
        for number, result in enumerate(pool.run(decks))
    ]
    low, high = np.array(found).reshape(4, 2, 3).transpose(1, 0, 2)
    by_sensitivity = draws @ ((high - low) / 2)  # of one sigma each
    # Shifts of some 20 uV, linear to a fraction of a per cent; 0.3 uV is what the time steps leave (seen 0.1).
    np.testing.assert_array_equal(data["pedestal_deviation"][0], 0)
    np.testing.assert_allclose(data["pedestal_deviation"][1:], by_sensitivity, rtol=0, atol=3e-7)
    # A higher threshold of the NMOS takes C_ox W L dVT from its channel, and a share of that from the capacitor.
    charge = 3.9 * 8.854e-12 / 4.1e-9 * 4e-6 * 0.18e-6 * sigmas[0]
    share = (high - low)[0, 0] / 2 * data["capacitance"].values[0] / charge
    assert 0.3 < share < 0.7  # about half, at an edge far faster than the source is slow


def test_a_dummy_takes_most_of_the_charge(nmos: xr.Dataset, pool: SimulatorPool) -> None:
    dummy = run(pool, (0.1, 0.2, 0.3), sample_hold="sample_hold_nmos_dummy")
    assert not dummy["status"].values.any()
    assert np.all(np.abs(dummy["pedestal"]) < 0.5 * np.abs(nmos["pedestal"]))


def test_leakage_is_that_of_the_operating_point(pool: SimulatorPool) -> None:
    config = SampleHoldConfig(sample_hold="sample_hold_nmos", temperature=125.0, corner="FF", t_droop=1e-6)
    data = characterise(config, inputs=(0.0, 0.3, 0.9), chips=0, pool=pool, show_progress=False)
    deck = impedance_deck(config, 0.0)
    # Held at 0.9 of the supply, input at ground: the leakage of a transistor with its gate at its source.
    circuit = deck.circuit.replace("Vc c 0 dc 1.8", "Vc c 0 dc 0").replace("Chold", "Vheld out 0 1.62\nChold")
    assert "Vc c 0 dc 0 " in circuit
    options = Tolerances(reltol=1e-6, abstol=1e-17, gmin=1e-18, temperature=125.0)
    point = pool.run([Deck("leak", circuit, (".op",), ("i(vheld)",), options)])[0]
    leak = float(point["i(vheld)"][0])
    # The mean over 1 us, in which the held voltage and with it the leakage changes by a per cent.
    assert float(data["droop_rate"][2, 0]) == pytest.approx(leak / config.c_hold, rel=0.03)
    assert leak < -1e-10  # 125 deg C, fast: some nanoamperes through 4 um


def test_the_capacitor_divides_charge_noise_and_speed(gate: xr.Dataset, pool: SimulatorPool) -> None:
    large = run(pool, (0.1, 0.5, 0.9), c_hold=1e-12, t_track=20e-9)
    ratio = large["capacitance"] / gate["capacitance"]
    np.testing.assert_allclose(large["noise"] / gate["noise"], ratio**-0.5, rtol=2e-3)
    np.testing.assert_allclose(large["time_constant"] / gate["time_constant"], ratio, rtol=5e-3)
    # How the channel's charge divides depends on the edge against R C, hence not exactly.
    np.testing.assert_allclose(large["pedestal"][[0, 2]] / gate["pedestal"][[0, 2]], 1 / ratio[[0, 2]], rtol=0.1)


def test_a_switch_that_does_not_conduct_is_told(pool: SimulatorPool) -> None:
    data = run(pool, (0.1, 0.3, 0.9), sample_hold="sample_hold_nmos")
    assert abs(float(data["settling_error"][2])) > 0.1
    assert data["status"].values[:2].max() == 0


@pytest.mark.slow
@pytest.mark.parametrize("process", ["generic180", "generic65"])
@pytest.mark.parametrize(
    ("corner", "temperature", "supply"),
    [("SS", -40.0, 0.9), ("FF", 125.0, 1.1), ("FS", -40.0, 0.9), ("SF", 125.0, 0.9), ("SS", 125.0, 1.1)],
)
def test_all_corners(pool: SimulatorPool, process: str, corner: str, temperature: float, supply: float) -> None:
    v_dd = SampleHoldConfig(process=process).v_dd * supply
    data = run(
        pool, (0.1, 0.5, 0.9), process=process, corner=corner, temperature=temperature, v_dd=v_dd, t_track=100e-9
    )
    assert not data["status"].values[[0, 2]].any()  # in the middle a gate of low supply hardly conducts
    np.testing.assert_allclose(
        data["time_constant"][[0, 2]], (data["on_resistance"] * data["capacitance"])[[0, 2]], rtol=0.01
    )


def test_straight_line() -> None:
    x = np.array([0.0, 1.0, 2.0, 3.0])
    mean, slope, bend = straight_line(x, np.array([1.0, 3.0, np.nan, 7.0]))
    assert mean == pytest.approx(11 / 3) and slope == pytest.approx(2.0) and bend < 1e-12
    assert all(np.isnan(straight_line(x, np.full(4, np.nan))))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (OHMIC.replace(" clkb", ""), "other pins"),
        (OHMIC + ".control\nshell ls\n.endc\n", "runs commands"),
        (OHMIC.replace("sample_hold in", "switch in"), "no subcircuit 'sample_hold'"),
    ],
)
def test_a_netlist_that_does_not_fit_is_refused(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "mine.cir"
    file.write_text(text)
    with pytest.raises(CosimError, match=words) as caught:
        load_config(SampleHoldConfig, None, {"sample_hold": str(file)})
    assert "sample_hold" in str(caught.value) or "mine.cir" in str(caught.value)


def test_chips_of_a_switch_that_takes_no_mismatch(pool: SimulatorPool, tmp_path: Path) -> None:
    file = tmp_path / "plain.cir"
    text = resources.read_netlist("sample_hold_nmos")
    file.write_text(text.replace(" dvt={dvt1} db={db1}", "").replace(" dvt1=0 db1=0", ""))
    config = SampleHoldConfig(sample_hold=str(file))
    with pytest.raises(CosimError, match=r"key 'sample_hold'.*no transistor of this sample_hold takes mismatch"):
        characterise(config, inputs=(0.1, 0.2, 0.3), pool=pool, show_progress=False)
    data = characterise(config, inputs=(0.1, 0.2, 0.3), chips=0, pool=pool, show_progress=False)
    assert data["chip"].values.tolist() == [-1] and np.isnan(data["pedestal_sigma"]).all()
    with pytest.raises(CosimError, match="key 'chips': value -1"):
        characterise(config, chips=-1)


def test_every_sweep_is_an_argument_of_characterise() -> None:
    parameters = inspect.signature(characterise).parameters.values()
    own = {each.name for each in parameters if each.kind is each.KEYWORD_ONLY}
    assert set(sample_hold.SWEEPS) == own - {"seed", "pool", "show_progress"}


@pytest.mark.parametrize("inputs", [(0.1, 0.5), (0.1, 0.5, 1.2), (-0.1, 0.2, 0.3)])
def test_inputs_that_make_no_sense(inputs: tuple[float, ...]) -> None:
    with pytest.raises(CosimError, match="inputs"):
        characterise(SampleHoldConfig(), inputs=inputs)
    assert len(INPUTS) >= 3
