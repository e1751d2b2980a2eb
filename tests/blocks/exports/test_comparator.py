"""The exported comparator decides as the model and takes its time: SystemVerilog in Icarus Verilog and Verilator."""

from pathlib import Path

import numpy as np
import pytest

from cosim.blocks.comparator.behaviour import ComparatorModel
from cosim.blocks.comparator.exported import exported_comparator
from cosim.blocks.hdl import normal_numbers

from .comparators import CHIP, OFFSETS, clocked_inputs, offset_at, positive_inputs
from .conftest import Logic, exported, lint

BOTH = [("mismatch", "icarus"), ("simple", "icarus"), pytest.param("mismatch", "verilator", marks=pytest.mark.slow)]
"""Forms of the model and simulators."""
ICARUS = pytest.mark.parametrize("logic", ["icarus"], indirect=True)


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
