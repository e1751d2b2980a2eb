"""The exported ramp ADC gives the codes of the model: in ngspice, in Icarus Verilog and Verilator, in Verilog-A."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.special import ndtr

from cosim.blocks import ramp_adc
from cosim.blocks.domain import Domain
from cosim.blocks.hdl import normal_numbers
from cosim.blocks.model import Parameter
from cosim.blocks.ramp_adc.behaviour import RampAdcModel
from cosim.blocks.ramp_adc.conversion import convert
from cosim.blocks.ramp_adc.design import design_column
from cosim.blocks.ramp_adc.exported import exported_adc
from cosim.blocks.ramp_adc.noise import reset_noise
from cosim.spice import SimulatorPool

from .conftest import Logic, exported, lint, run_verilog_a, swept

CHIP = {"chip": "seed:3", "columns": 2}


@pytest.fixture(scope="session")
def falling(adc: RampAdcModel) -> RampAdcModel:
    """The same comparators behind a 4-bit GELU, whose code falls and rises again."""
    config = ramp_adc.Config(bits=4, function="gelu")
    design = design_column(config)
    return replace(
        adc, config=config, ramp_target=design.ramp, bias_target=design.bias, bias_sign=design.bias_sign,
        gain=design.gain(config.v_read), pulse=design.pulse,
        domain=Domain({name: (-1.0, 1.0) for name in adc.domain.limits}),
    )  # fmt: skip


def test_the_nominal_chip_has_the_thresholds_of_the_model(adc: RampAdcModel) -> None:
    chip = exported_adc(adc, {})
    wanted = adc.threshold_voltages(adc.ramp_target, adc.bias_target, adc.value("offset_mean"))
    np.testing.assert_array_equal(chip.thresholds, wanted[None])


def test_a_drawn_chip_is_drawn_once_and_for_all(adc: RampAdcModel) -> None:
    first, again, other = (exported_adc(adc, CHIP | {"chip": chip}) for chip in ("seed:3", "seed:3", "seed:4"))
    np.testing.assert_array_equal(first.thresholds, again.thresholds)
    nominal = exported_adc(adc, {}).thresholds
    shifts = [each.thresholds - nominal for each in (first, other)]
    # Programming errors move the thresholds of both columns alike, offsets each column as a whole.
    apart = np.diff(first.thresholds, axis=0)
    assert np.ptp(apart) < 1e-12 < abs(apart[0, 0])
    assert all(1e-5 < np.abs(shift).max() < 0.03 for shift in shifts)  # [V]: some mV of offset, 3 uS of 150 uS
    assert np.abs(shifts[0] - shifts[1]).max() > 1e-5


def test_the_conversion_takes_the_clocks_of_the_circuit(adc: RampAdcModel) -> None:
    chip = exported_adc(adc, {})
    # A clock of reset, one for each bias cell, one to settle, then one for each step of the ramp.
    assert chip.clocks == 1 + len(adc.bias_target) + 1 + (adc.config.thresholds - 1)


@pytest.mark.parametrize("which", ["adc", "falling"])
def test_spice_gives_the_codes_of_the_model(which: str, request: pytest.FixtureRequest, pool: SimulatorPool) -> None:
    """A sweep over the whole range through two chips in one deck: codes and bits are those of `convert`.

    Only inputs within 1 nV of a threshold may differ, the rounding of a solved node voltage.
    """
    model: RampAdcModel = request.getfixturevalue(which)
    bits, offset = model.config.bits, 0.004
    saves = [f"v({node})" for k in range(3) for node in (f"c{k}", *(f"b{k}_{b}" for b in range(bits)))]
    lines = [
        exported("ramp_adc", model, "spice", **CHIP, name="drawn"),
        exported("ramp_adc", model, "spice"),
        "vin in 0 0",
        "vclp clp 0 1.0",
    ]
    for k, call in enumerate(("drawn_0", "drawn_1", f"ramp_adc offset={offset} vh=1.8")):
        outputs = " ".join(f"b{k}_{b}" for b in reversed(range(bits)))
        name, _, parameters = call.partition(" ")
        lines.append(f"Xadc{k} in clp 0 c{k} {outputs} {name} {parameters}")
    thresholds = np.concatenate([exported_adc(model, CHIP).thresholds, exported_adc(model, {}).thresholds + offset])
    low, high = 1.0 + thresholds.min() - 0.02, 1.0 + thresholds.max() + 0.02
    found = swept(pool, lines, low, high, 2001, saves)
    inputs = found["v(in)"] - 1.0
    clear = np.abs(inputs[:, None, None] - thresholds).min(axis=(1, 2)) > 1e-9
    codes = convert(np.tile(inputs[:, None], 3), thresholds, model.config.staircase)
    assert clear.mean() > 0.999 and len(np.unique(codes)) == 1 << bits
    for k in range(3):
        np.testing.assert_allclose(found[f"v(c{k})"][clear], codes[clear, k], atol=1e-9)
        high_level = 1.8 if k == 2 else 1.0
        for b in range(bits):
            np.testing.assert_allclose(found[f"v(b{k}_{b})"][clear], high_level * (codes[clear, k] >> b & 1), atol=1e-9)


BENCH = """
module bench;
  logic clk = 1'b0, rst_n = 1'b0, start = 1'b0;
  always #5 clk = ~clk;
  real v;
  wire b0, b1, d0, d1;
  wire [{msb}:0] c0, c1;
  ramp_adc #(.COLUMN(0), .NOISE({noise}), .SHARE({share}), .SEED(7)) first
    (.clk(clk), .rst_n(rst_n), .start(start), .v_in(v), .busy(b0), .done(d0), .code(c0));
  ramp_adc #(.COLUMN(1), .OFFSET({offset}), .SHARE(0.0)) second
    (.clk(clk), .rst_n(rst_n), .start(start), .v_in(v), .busy(b1), .done(d1), .code(c1));
  integer file, clocks;
  initial begin
    file = $fopen("inputs.txt", "r");
    v = 0.0;
    @(negedge clk) rst_n = 1'b1;
    while ($fscanf(file, "%f", v) == 1) begin
      @(negedge clk) start = 1'b1;
      @(posedge clk) clocks = 0;
      @(negedge clk) start = 1'b0;
      while (!d0) begin
        @(negedge clk) clocks = clocks + 1;
      end
      $display("= %0d %0d %0d %0d %0d", c0, c1, clocks, d1, b0);
    end
    $finish;
  end
endmodule
"""


def around(thresholds: np.ndarray, sweep: int = 200) -> list[float]:
    """Inputs over the whole range, and 1 uV to either side of every threshold."""
    flat = thresholds.ravel()
    whole = np.linspace(flat.min() - 0.02, flat.max() + 0.02, sweep)
    values: list[float] = np.concatenate([whole, flat - 1e-6, flat + 1e-6]).tolist()
    return values


@pytest.mark.parametrize(
    ("which", "logic"),
    [("adc", "icarus"), ("falling", "icarus"), pytest.param("falling", "verilator", marks=pytest.mark.slow)],
    indirect=["logic"],
)
def test_systemverilog_gives_the_codes_of_the_model(which: str, request: pytest.FixtureRequest, logic: Logic) -> None:
    """All inputs, two columns of one chip at once, no code different; every conversion takes the circuit's clocks."""
    model: RampAdcModel = request.getfixturevalue(which)
    chip = exported_adc(model, CHIP)
    offset = 0.002
    inputs = around(chip.thresholds)
    bench = BENCH.format(msb=model.config.bits - 1, noise=0.0, share=0.0, offset=offset)
    found = np.array([line[1:] for line in logic(exported("ramp_adc", model, "systemverilog", **CHIP), bench, inputs)])
    found = found.astype(int)
    values = np.array(inputs)
    wanted = convert(np.stack([values, values - offset], axis=1), chip.thresholds, model.config.staircase)
    np.testing.assert_array_equal(found[:, :2], wanted)
    assert len(found) == len(inputs) and set(found[:, 2]) == {chip.clocks}
    assert set(found[:, 3]) == {1} and set(found[:, 4]) == {0}


def test_systemverilog_has_no_lint(adc: RampAdcModel, tmp_path: Path) -> None:
    lint(tmp_path, exported("ramp_adc", adc, "systemverilog", **CHIP))


def test_noise_is_the_same_in_every_simulator(adc: RampAdcModel, logic: Logic) -> None:
    """With noise the codes are those that follow from the numbers that Python draws for the same seed."""
    known = with_noise(adc)
    chip = exported_adc(known, CHIP)
    further, share, inputs = 0.01, 5.0, [0.0] * 400
    bench = BENCH.format(msb=2, noise=further, share=share, offset=0.0)
    lines = logic(exported("ramp_adc", known, "systemverilog", **CHIP), bench, inputs)
    found = np.array([int(line[1]) for line in lines])
    z = normal_numbers(7, 0, len(inputs))
    shifts = z[:, None] * np.sqrt(further**2 + (share * chip.noise) ** 2)
    np.testing.assert_array_equal(found, (chip.thresholds[0] < shifts).sum(axis=1))
    assert len(set(found.tolist())) > 1


def with_noise(adc: RampAdcModel) -> RampAdcModel:
    """The model with a comparator of 1 mV rms noise."""
    return replace(adc, parameters=dict(adc.parameters) | {"comparator_noise": Parameter(1e-3, "V")})


def test_the_noise_is_that_of_comparator_resets_and_cells(adc: RampAdcModel) -> None:
    """At least the comparator's with kT/C of two integrators; it grows along the ramp, whose cells are read one by one;
    none where the model does not know the comparator's."""
    noise = exported_adc(with_noise(adc), {}).noise
    assert (noise > np.hypot(1e-3, reset_noise(adc.config))).all() and (np.diff(noise) > 0).all()
    unknown = replace(adc, parameters={k: v for k, v in adc.parameters.items() if k != "comparator_noise"})
    assert not exported_adc(unknown, {}).noise.any()


def test_the_noise_is_normal() -> None:
    """Mean, variance and fourth moment of 20 000 numbers within four standard errors; columns are independent."""
    z = np.array([normal_numbers(1, column, 20_000) for column in (0, 1)])
    for moment, value, variance in ((1, 0.0, 1.0), (2, 1.0, 2.0), (4, 3.0, 96.0)):
        assert np.abs((z**moment).mean(axis=1) - value).max() < 4 * np.sqrt(variance / 20_000)
    assert abs(np.corrcoef(z)[0, 1]) < 4 / np.sqrt(20_000)


@pytest.mark.parametrize("which", ["adc", "falling"])
def test_verilog_a_gives_the_codes_of_the_model(which: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """A staircase of inputs, one conversion each, in an event-driven Verilog-A simulator: no code different."""
    model: RampAdcModel = request.getfixturevalue(which)
    chip = exported_adc(model, CHIP)
    bits = model.config.bits
    inputs = np.array(around(chip.thresholds[1:], 20))
    period = (chip.clocks + 2) * 10  # [ns]: a conversion, and two clocks more
    corners = [(k * period + (0.1 if k else 0.0), v) for k, v in enumerate(inputs)]
    corners += [((k + 1) * period, v) for k, v in enumerate(inputs)]
    wave = " ".join(f"{time!r}n {1.0 + float(value)!r}" for time, value in sorted(corners))
    nodes = [f"code_{b}" for b in reversed(range(bits))]
    bench = f"""simulator lang=spectre
global 0
ahdl_include "model.va"
Vclp (clp 0) vsource dc=1.0
Vclk (clk 0) vsource type=pulse val0=0 val1=1 delay=5n period=10n width=4.9n rise=100p fall=100p
Vstart (start 0) vsource type=pulse val0=0 val1=1 delay=2n period={period}n width=8n rise=100p fall=100p
Vin (in 0) vsource type=pwl wave=[{wave}]
Iadc (in clp clk start busy done {" ".join(nodes)}) ramp_adc column=1 share=0
tran tran stop={len(inputs) * period}n maxstep=1n
save in:16e busy:6f done:6f {" ".join(f"{node}:6f" for node in nodes)}
"""
    waves = run_verilog_a(tmp_path, exported("ramp_adc", model, "verilog_a", **CHIP), bench)
    ends = (np.arange(len(inputs)) + 1) * period * 1e-9 - 5e-9  # [s]: before the next conversion starts
    levels = [np.interp(ends, waves["time"], waves[node]) for node in reversed(nodes)]
    found = sum((level > 0.5).astype(int) << b for b, level in enumerate(levels))
    wanted = convert(inputs[:, None], chip.thresholds[1:], model.config.staircase)[:, 0]
    np.testing.assert_array_equal(found, wanted)
    risen = np.flatnonzero((waves["done"][1:] > 0.5) & (waves["done"][:-1] <= 0.5))
    assert len(risen) == len(inputs)
    # The clock edge at 5 ns takes the first start; `done` comes the circuit's clocks later.
    assert waves["time"][risen[0] + 1] == pytest.approx(5e-9 + chip.clocks * 10e-9, abs=1e-9)


def test_verilog_a_noise(adc: RampAdcModel, tmp_path: Path) -> None:
    """Conversions of an input one sigma above a threshold: as many pass it as a normal distribution says, within four
    standard errors; the other thresholds lie out of reach."""
    known = with_noise(adc)
    chip = exported_adc(known, {})
    count, middle = 150, chip.thresholds.shape[1] // 2
    period = (chip.clocks + 2) * 10  # [ns]
    value = 1.0 + float(chip.thresholds[0, middle] + chip.noise[middle])
    bench = f"""simulator lang=spectre
global 0
ahdl_include "model.va"
Vclp (clp 0) vsource dc=1.0
Vclk (clk 0) vsource type=pulse val0=0 val1=1 delay=5n period=10n width=4.9n rise=100p fall=100p
Vstart (start 0) vsource type=pulse val0=0 val1=1 delay=2n period={period}n width=8n rise=100p fall=100p
Vin (in 0) vsource dc={value!r}
Iadc (in clp clk start busy done c2 c1 c0) ramp_adc seed=5
tran tran stop={count * period}n maxstep=1n
save c2:6f c1:6f c0:6f
"""
    waves = run_verilog_a(tmp_path, exported("ramp_adc", known, "verilog_a"), bench)
    ends = (np.arange(count) + 1) * period * 1e-9 - 5e-9
    codes = sum((np.interp(ends, waves["time"], waves[f"c{b}"]) > 0.5).astype(int) << b for b in range(3))
    assert set(codes.tolist()) == {middle, middle + 1}
    p = float(ndtr(1.0))
    assert abs((codes == middle + 1).sum() - count * p) < 4 * np.sqrt(count * p * (1 - p))
