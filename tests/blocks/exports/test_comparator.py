"""The exported comparator decides as the model and takes its time: ngspice, Icarus Verilog, Verilator, Verilog-A."""

import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import ndtr

from cosim.blocks.comparator.behaviour import ComparatorModel
from cosim.blocks.comparator.config import ComparatorConfig
from cosim.blocks.comparator.exported import exported_comparator
from cosim.blocks.domain import Domain
from cosim.blocks.hdl import normal_numbers
from cosim.blocks.model import ModelError, Parameter
from cosim.spice import Deck, SimulatorPool

from .conftest import Logic, exported, lint, run_verilog_a

Array = NDArray[np.float64]

OFFSETS = {"offset_mean": 1.7e-3, "offset_sigma": 4.4e-3, "offset_slope_mean": 8e-3, "offset_slope_sigma": 7e-3,
           "offset_bend_mean": 5e-3, "offset_bend_sigma": 0.02}  # fmt: skip
LATCH = {"noise": 4.6e-4, "t_0": 1.844e-10, "tau": 4.18e-11, "v_x": 0.16}
STAGES = {
    "noise": 5.5e-5, "t_0_high": 4.26e-10, "tau_high": 2.47e-9, "v_s_high": 6.67e-3, "q_high": 2.19e-12,
    "t_0_low": 3.39e-10, "tau_low": 3.23e-9, "v_s_low": 13.2e-3, "q_low": 1.86e-12,
}  # fmt: skip
CHIP = {"chip": "seed:5"}
BOTH = [("mismatch", "icarus"), ("simple", "icarus"), pytest.param("mismatch", "verilator", marks=pytest.mark.slow)]
"""Forms of the model and simulators."""
ICARUS = pytest.mark.parametrize("logic", ["icarus"], indirect=True)


def model_of(netlist: str, form: str, **values: float) -> ComparatorModel:
    """A comparator's model with numbers of about the shipped netlists' size; one temperature."""
    parameters = {name: Parameter(value, "1") for name, value in (OFFSETS | values).items()}
    parameters["offset_correlation"] = Parameter(((1.0, 0.3, 0.0), (0.3, 1.0, 0.0), (0.0, 0.0, 1.0)), "1")
    error = ModelError(rms=0.01, maximum=0.02, unit="relative", points=9, limit=0.1, held_out="for the tests")
    config = ComparatorConfig(comparator=netlist)
    v_cm, t = config.v_cm, config.temperature
    limits = {"v_cm": (v_cm - 0.1, v_cm + 0.1), "temperature": (t, t), "overdrive": (1e-6, 1.0)}
    return ComparatorModel(
        config=config, form=form, parameters=parameters, error=error, errors={"delay": error}, domain=Domain(limits)
    )


@pytest.fixture(scope="session")
def clocked() -> ComparatorModel:
    return model_of("comparator_strongarm", "mismatch", **LATCH)


@pytest.fixture(scope="session")
def continuous() -> ComparatorModel:
    return model_of("comparator_two_stage", "mismatch", **STAGES)


@pytest.fixture(scope="session")
def simple() -> dict[str, ComparatorModel]:
    one_pole = {name: value for name, value in STAGES.items() if not name.startswith("q")}
    logarithm = {name: value for name, value in LATCH.items() if name != "t_0"}
    return {
        "continuous": model_of("comparator_two_stage", "simple", **one_pole),
        "clocked": model_of("comparator_strongarm", "simple", **logarithm),
    }


def test_the_nominal_comparator_has_the_mean_offset(clocked: ComparatorModel) -> None:
    one = exported_comparator(clocked, {})
    assert one.offset == pytest.approx(OFFSETS["offset_mean"], rel=1e-12)
    assert one.slope == pytest.approx(OFFSETS["offset_slope_mean"], rel=1e-9)
    assert one.bend == pytest.approx(OFFSETS["offset_bend_mean"], rel=1e-9)
    for v_cm in (one.low, one.high):
        d = v_cm - one.v_cm
        assert one.offset + one.slope * d + one.bend * d**2 == pytest.approx(clocked.offset_mean(v_cm), rel=1e-9)


def test_drawn_comparators_have_the_models_spread(clocked: ComparatorModel) -> None:
    """400 seeds: mean and standard deviation of the offsets within four standard errors."""
    offsets = np.array([exported_comparator(clocked, {"chip": f"seed:{seed}"}).offset for seed in range(400)])
    sigma = clocked.offset_sigma()
    assert abs(offsets.mean() - clocked.offset_mean()) < 4 * sigma / np.sqrt(400)
    assert abs(offsets.std(ddof=1) / sigma - 1) < 4 / np.sqrt(2 * 399)


def offset_at(model: ComparatorModel, v_cm: float) -> float:
    """The exported offset at a common mode, constant beyond the domain [V]."""
    one = exported_comparator(model, CHIP)
    d = float(np.clip(v_cm, one.low, one.high)) - one.v_cm
    return one.offset + one.slope * d + one.bend * d**2


CLOCKED_BENCH = """
module bench;
  timeunit 1ns;
  timeprecision 1fs;
  logic clk = 1'b0;
  real vp, vn, a, b, start, decided;
  wire p, n;
  comparator_model #(.NOISE({noise}), .SEED(3)) first (.clk(clk), .inp(vp), .inn(vn), .outp(p), .outn(n));
  integer file;
  always @(posedge p or posedge n) decided = $realtime - start;
  initial begin
    file = $fopen("inputs.txt", "r");
    vp = 0.0;
    while ($fscanf(file, "%f %f", a, b) == 2) begin
      vp = a;
      vn = b;  // through b: version 5.006 of Verilator loses what $fscanf writes second on its way to a port
      #5 decided = 0.0;
      start = $realtime;
      clk = 1'b1;
      #{half} $display("= %b %b %.9f", p, n, decided);
      clk = 1'b0;
      #0.1 if (p || n) $display("= not reset");
    end
    $finish;
  end
endmodule
"""

DRIVES = np.concatenate([np.geomspace(1e-5, 0.2, 9), -np.geomspace(1e-5, 0.2, 9)])


def clocked_inputs(model: ComparatorModel) -> tuple[Array, list[float]]:
    """Overdrives of both signs at three common modes, the last beyond the domain, and the inputs that make them."""
    inputs: list[float] = []
    for v_cm in model.config.v_cm + np.array([0.0, 0.07, 0.3]):
        for drive in DRIVES:
            difference = drive + offset_at(model, v_cm)
            inputs += [float(v_cm + difference / 2), float(v_cm - difference / 2)]
    return np.tile(DRIVES, 3), inputs


@pytest.mark.parametrize(("form", "logic"), BOTH, indirect=["logic"])
def test_systemverilog_clocked(
    form: str, clocked: ComparatorModel, simple: dict[str, ComparatorModel], logic: Logic
) -> None:
    """Decision and delay of every input: the time's resolution, 1 fs, and the digits of the inputs' difference."""
    model = clocked if form == "mismatch" else simple["clocked"]
    drives, inputs = clocked_inputs(model)
    text = exported("comparator", model, "systemverilog", **CHIP)
    lines = logic(text, CLOCKED_BENCH.format(noise="0.0", half="5"), inputs)
    assert len(lines) == len(drives)
    np.testing.assert_array_equal([line[1] == "1" for line in lines], drives > 0)
    np.testing.assert_array_equal([line[2] == "1" for line in lines], drives < 0)
    wanted = np.maximum(model.delay(np.abs(drives)), 0.0) * 1e9
    np.testing.assert_allclose([float(line[3]) for line in lines], wanted, rtol=1e-9, atol=2e-6)


@ICARUS
def test_a_latch_that_has_not_decided_is_reset(clocked: ComparatorModel, logic: Logic) -> None:
    """Half a clock period between the delays of 1 mV and 10 uV: one is decided, the other stays low."""
    half = float(clocked.delay(1e-4)) * 1e9
    inputs: list[float] = []
    for drive in (1e-3, 1e-5, 1e-3):
        inputs += [clocked.config.v_cm + drive + offset_at(clocked, clocked.config.v_cm), clocked.config.v_cm]
    text = exported("comparator", clocked, "systemverilog", **CHIP)
    lines = logic(text, CLOCKED_BENCH.format(noise="0.0", half=repr(half)), inputs)
    assert [line[1:3] for line in lines] == [["1", "0"], ["0", "0"], ["1", "0"]]


@ICARUS
def test_systemverilog_noise(clocked: ComparatorModel, logic: Logic) -> None:
    """Inputs at the trip point are decided by the numbers that Python draws; the module's own sigma is the model's."""
    text = exported("comparator", clocked, "systemverilog", **CHIP)
    assert f"NOISE  = {clocked.noise()!r}" in text or f"NOISE  = {clocked.noise():.5f}" in text
    v_cm, count = clocked.config.v_cm, 200
    inputs = [v_cm + offset_at(clocked, v_cm), v_cm] * count
    lines = logic(text, CLOCKED_BENCH.format(noise="0.01", half="5"), inputs)
    np.testing.assert_array_equal([line[1] == "1" for line in lines], -normal_numbers(3, 0, count) > 0)


CONTINUOUS_BENCH = """
module bench;
  timeunit 1ns;
  timeprecision 1fs;
  real vp, vn, start, decided;
  wire o;
  comparator_model #(.NOISE(0.0)) first (.inp(vp), .inn(vn), .out(o));
  integer file;
  always @(o) decided = $realtime - start;
  initial begin
    file = $fopen("inputs.txt", "r");
    vn = {v_cm};
    vp = {v_cm} - 0.1;
    #2000;
    while ($fscanf(file, "%f", vp) == 1) begin
      decided = 0.0;
      start = $realtime;
      #2000 $display("= %b %.9f", o, decided);
    end
    $finish;
  end
endmodule
"""

STEPS = np.array([1e-3, -1e-3, 0.1, -3e-2, 1e-5, -1e-5, 3e-2, -0.1])


@pytest.mark.parametrize(("form", "logic"), BOTH, indirect=["logic"])
def test_systemverilog_continuous(
    form: str, continuous: ComparatorModel, simple: dict[str, ComparatorModel], logic: Logic
) -> None:
    """Steps across the trip point to overdrives of both signs, each with the delay of its decision."""
    model = continuous if form == "mismatch" else simple["continuous"]
    text = exported("comparator", model, "systemverilog")
    inputs = positive_inputs(model, STEPS)
    lines = logic(text, CONTINUOUS_BENCH.format(v_cm=model.config.v_cm), inputs)
    np.testing.assert_array_equal([line[1] == "1" for line in lines], STEPS > 0)
    wanted = [float(model.delay(abs(step), int(np.sign(step)))) * 1e9 for step in STEPS]
    np.testing.assert_allclose([float(line[2]) for line in lines], wanted, rtol=1e-8, atol=2e-6)


def positive_inputs(model: ComparatorModel, drives: Sequence[float] | Array) -> list[float]:
    """Voltages of `inp` that give the nominal comparator these overdrives, `inn` at v_cm."""
    v_cm = model.config.v_cm
    return [
        float(brentq(lambda inp, drive=drive: own_drives(model, np.array(inp), {}) - drive, v_cm - 0.15, v_cm + 0.15,
                     xtol=1e-16, rtol=1e-15))
        for drive in drives
    ]  # fmt: skip


@ICARUS
def test_a_reversal_before_the_decision_takes_it_back(continuous: ComparatorModel, logic: Logic) -> None:
    bench = CONTINUOUS_BENCH.replace("#2000 $display", "#{wait} $display")
    high, low = positive_inputs(continuous, [1e-3, -1e-3])
    wait = 0.4 * float(continuous.delay(1e-3)) * 1e9
    text = exported("comparator", continuous, "systemverilog")
    lines = logic(text, bench.format(v_cm=continuous.config.v_cm, wait=wait), [high, low, low, low, high, high, high])
    assert [line[1] for line in lines] == ["0", "0", "0", "0", "0", "0", "1"]


@pytest.mark.parametrize("which", ["clocked", "continuous"])
def test_systemverilog_has_no_lint(which: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    lint(tmp_path, exported("comparator", request.getfixturevalue(which), "systemverilog", **CHIP))


def crossings(time: Array, wave: Array, level: float) -> list[tuple[float, int]]:
    """Times at which a wave passes a level, and the directions."""
    above = wave > level
    at = np.flatnonzero(above[1:] != above[:-1])
    share = (level - wave[at]) / (wave[at + 1] - wave[at])
    return list(zip(time[at] + share * np.diff(time)[at], np.where(above[at + 1], 1, -1).tolist(), strict=True))


def steps_wave(values: Sequence[float], period: float, edge: float) -> list[tuple[float, float]]:
    """Corner points of a wave that holds each value for a period [s]."""
    points = [(0.0, float(values[0]))]
    for k, (before, after) in enumerate(itertools.pairwise(values)):
        points += [((k + 1) * period, float(before)), ((k + 1) * period + edge, float(after))]
    return points


EDGE = 20e-12  # [s], of inputs and clocks
LOOK = 1.2e-11  # [s]: largest error of a delay, six of the largest time steps of 2 ps


def own_drives(model: ComparatorModel, inputs: Array, options: dict[str, object], shift: float = 0.0) -> Array:
    """Overdrives of a comparator whose `inp` has these voltages, `inn` at v_cm [V]."""
    one = exported_comparator(model, options)
    common = np.clip((inputs + one.v_cm) / 2, one.low, one.high)
    d = common - one.v_cm
    return np.asarray(inputs - one.v_cm - one.offset - shift - one.slope * d - one.bend * d**2)


@pytest.mark.parametrize("form", ["mismatch", "simple"])
def test_spice_clocked(
    form: str, clocked: ComparatorModel, simple: dict[str, ComparatorModel], pool: SimulatorPool
) -> None:
    """Decisions of two comparators in one deck, one of them with the parameter `offset`: sides, and delays."""
    model = clocked if form == "mismatch" else simple["clocked"]
    v_cm, v_dd, period, shift = model.config.v_cm, model.config.v_dd, 4e-9, 1e-3
    inputs = v_cm + np.array([0.1, -0.1, 3e-3, -3e-3, 2e-4, -2e-4]) + offset_at(model, v_cm)
    wave = " ".join(f"{t!r} {v!r}" for t, v in steps_wave(inputs.tolist(), period, EDGE))
    lines = [
        exported("comparator", model, "spice", **CHIP),
        exported("comparator", model, "spice", name="other"),
        f"vinp inp 0 pwl({wave})",
        f"vinn inn 0 {v_cm!r}",
        f"vdd vdd 0 {v_dd!r}",
        f"vclk clk 0 pulse(0 {v_dd!r} {period / 2!r} {EDGE!r} {EDGE!r} {period / 2 - 2 * EDGE!r} {period!r})",
        "X1 inp inn clk p1 n1 vdd 0 comparator_model",
        f"X2 inp inn clk p2 n2 vdd 0 other offset={shift!r}",
    ]
    deck = Deck(
        "clocked comparators", "\n".join(lines), (f".tran 1p {len(inputs) * period!r} 0 2p",),
        ("v(p1)", "v(n1)", "v(p2)", "v(n2)"),
    )  # fmt: skip
    result = pool.run([deck])[0]
    assert result.ok, result.failure
    time = result["time"]
    for number, options, extra in ((1, CHIP, 0.0), (2, {}, shift)):
        drives = own_drives(model, inputs, dict(options), extra)
        for k, drive in enumerate(drives):
            start = (k + 0.5) * period + EDGE / 2
            window = (time > start) & (time < (k + 1) * period - 2 * EDGE)
            side, other = ("p", "n") if drive > 0 else ("n", "p")
            found = crossings(time[window], result[f"v({side}{number})"][window], v_dd / 2)
            assert [direction for _, direction in found] == [1]
            assert result[f"v({other}{number})"][window].max() < 1e-3 * v_dd
            assert found[0][0] - start == pytest.approx(max(float(model.delay(abs(drive))), 0.0), abs=LOOK)
        resets = np.searchsorted(time, (np.arange(1, len(inputs)) + 0.25) * period)
        assert max(result[f"v({side}{number})"][resets].max() for side in "pn") < 1e-3 * v_dd


@pytest.mark.parametrize("form", ["mismatch", "simple"])
def test_spice_continuous(
    form: str, continuous: ComparatorModel, simple: dict[str, ComparatorModel], pool: SimulatorPool
) -> None:
    """Steps across the trip point from 0.1 V on its other side, as it was characterised: delay of both decisions to
    1 %, the integration of poles of 3 ns in steps of 20 ps."""
    model = continuous if form == "mismatch" else simple["continuous"]
    v_cm, v_dd, period = model.config.v_cm, model.config.v_dd, 120e-9
    drives = np.array([-0.1, 1e-3, 0.1, -1e-3, -0.1, 0.1, -3e-2, -0.1, 3e-3])
    wave = " ".join(f"{t!r} {v!r}" for t, v in steps_wave(positive_inputs(model, drives), period, EDGE))
    lines = [
        exported("comparator", model, "spice"),
        f"vinp inp 0 pwl({wave})",
        f"vinn inn 0 {v_cm!r}",
        f"vdd vdd 0 {v_dd!r}",
        "X1 inp inn out vdd 0 comparator_model",
    ]
    deck = Deck("comparator", "\n".join(lines), (f".tran 10p {len(drives) * period!r} 0 20p",), ("v(out)",))
    result = pool.run([deck])[0]
    assert result.ok, result.failure
    found = crossings(result["time"], result["v(out)"], v_dd / 2)
    crossed = [k for k in range(1, len(drives)) if drives[k] * drives[k - 1] < 0]
    assert [direction for _, direction in found] == np.sign(drives[crossed]).tolist()
    for k, (at, direction) in zip(crossed, found, strict=True):
        wanted = float(model.delay(abs(drives[k]), direction))
        assert at - k * period - EDGE / 2 == pytest.approx(wanted, rel=0.01, abs=40e-12)


def spectre(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{time!r} {value!r}" for time, value in points)


def test_verilog_a_clocked(clocked: ComparatorModel, tmp_path: Path) -> None:
    """The same decisions in an event-driven Verilog-A simulator; edges of 1 ps, time steps of 2 ps."""
    v_cm, v_dd, period = clocked.config.v_cm, clocked.config.v_dd, 4e-9
    inputs = v_cm + np.array([0.1, -0.1, 3e-3, -3e-3, 2e-4, -2e-4]) + offset_at(clocked, v_cm)
    bench = f"""simulator lang=spectre
global 0
ahdl_include "model.va"
Vdd (vdd 0) vsource dc={v_dd!r}
Vinn (inn 0) vsource dc={v_cm!r}
Vinp (inp 0) vsource type=pwl wave=[{spectre(steps_wave(inputs.tolist(), period, EDGE))}]
Vclk (clk 0) vsource type=pulse val0=0 val1={v_dd!r} delay={period / 2!r} period={period!r} \\
  width={period / 2 - 2 * EDGE!r} rise={EDGE!r} fall={EDGE!r}
Icmp (inp inn clk outp outn vdd 0) comparator_model noise=0 tr=1p
tran tran stop={len(inputs) * period!r} maxstep=2p
save outp:12e outn:12e
"""
    waves = run_verilog_a(tmp_path, exported("comparator", clocked, "verilog_a", **CHIP), bench)
    drives = own_drives(clocked, inputs, dict(CHIP))
    risen = {
        side: [t for t, way in crossings(waves["time"], waves[f"out{side}"], v_dd / 2) if way > 0] for side in "pn"
    }
    for k, drive in enumerate(drives):
        start = (k + 0.5) * period + EDGE / 2
        inside = {side: [t for t in times if start < t < start + period / 2] for side, times in risen.items()}
        side, other = ("p", "n") if drive > 0 else ("n", "p")
        assert len(inside[side]) == 1 and not inside[other]
        assert inside[side][0] - start == pytest.approx(float(clocked.delay(abs(drive))), abs=LOOK)


def test_verilog_a_continuous(continuous: ComparatorModel, tmp_path: Path) -> None:
    v_cm, v_dd, period = continuous.config.v_cm, continuous.config.v_dd, 60e-9
    drives = np.array([-0.1, 1e-3, -1e-3, 0.1, -3e-2])
    wave = spectre(steps_wave(positive_inputs(continuous, drives), period, EDGE))
    bench = f"""simulator lang=spectre
global 0
ahdl_include "model.va"
Vdd (vdd 0) vsource dc={v_dd!r}
Vinn (inn 0) vsource dc={v_cm!r}
Vinp (inp 0) vsource type=pwl wave=[{wave}]
Icmp (inp inn out vdd 0) comparator_model noise=0 tr=1p
tran tran stop={len(drives) * period!r} maxstep=20p
save out:12e
"""
    waves = run_verilog_a(tmp_path, exported("comparator", continuous, "verilog_a"), bench)
    found = crossings(waves["time"], waves["out"], v_dd / 2)
    assert [direction for _, direction in found] == np.sign(drives[1:]).tolist()
    for k, (at, direction) in enumerate(found, start=1):
        wanted = float(continuous.delay(abs(drives[k]), direction))
        # The overdrive is looked at every 10 ps.
        assert at - k * period - EDGE / 2 == pytest.approx(wanted, abs=4e-11)


def test_verilog_a_noise(clocked: ComparatorModel, tmp_path: Path) -> None:
    """One sigma beyond the trip point, 200 decisions: as many are high as the model's probability says, within four
    standard errors of a binomial count."""
    v_cm, v_dd, period, count, sigma = clocked.config.v_cm, clocked.config.v_dd, 4e-9, 200, 0.01
    difference = offset_at(clocked, v_cm) + sigma
    bench = f"""simulator lang=spectre
global 0
ahdl_include "model.va"
Vdd (vdd 0) vsource dc={v_dd!r}
Vinn (inn 0) vsource dc={v_cm - difference / 2!r}
Vinp (inp 0) vsource dc={v_cm + difference / 2!r}
Vclk (clk 0) vsource type=pulse val0=0 val1={v_dd!r} delay={period / 2!r} period={period!r} \\
  width={period / 2 - 2 * EDGE!r} rise={EDGE!r} fall={EDGE!r}
Icmp (inp inn clk outp outn vdd 0) comparator_model noise={sigma!r} seed=2
tran tran stop={count * period!r} maxstep=50p
save outp:6e outn:6e
"""
    waves = run_verilog_a(tmp_path, exported("comparator", clocked, "verilog_a", **CHIP), bench)
    risen = {side: sum(way > 0 for _, way in crossings(waves["time"], waves[f"out{side}"], v_dd / 2)) for side in "pn"}
    assert sum(risen.values()) == count
    p = float(ndtr(1.0))
    assert abs(risen["p"] - count * p) < 4 * np.sqrt(count * p * (1 - p))
