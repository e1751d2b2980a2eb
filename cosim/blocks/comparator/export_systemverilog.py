"""The comparator as a SystemVerilog real-number model: offset, noisy decisions, and the time that they take."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cosim.blocks.comparator.behaviour import ComparatorModel
from cosim.blocks.comparator.exported import ExportedComparator, exported_comparator
from cosim.blocks.exports import Export
from cosim.blocks.hdl import noise_task, real, real_input

_HEAD = """\
module {name} #(
    parameter real OFFSET = 0.0,  // a further offset [V]
    parameter real NOISE  = {noise},  // input-referred rms noise of a decision [V]
    parameter int  SEED   = 1     // of the noise; instances with the same SEED draw the same
) (
{ports}
);

  timeunit 1ns;
  timeprecision 1fs;

  real drive;             // input difference beyond the trip point [V]
  real noise, normal;     // [V], [1]
  real due;               // when the decision is at the output [ns]
  int  number, arrived;   // of decisions; an arrival that is not due any more is passed over

{noise_task}
  task measure;
    real v_cm;
    begin
      v_cm = 0.5 * (inp + inn);
      if (v_cm < {low}) v_cm = {low};
      if (v_cm > {high}) v_cm = {high};
      v_cm = v_cm - {v_cm};
      drive = inp - inn - OFFSET - ({offset} + v_cm * ({slope} + v_cm * {bend})) - noise;
    end
  endtask

  task draw_noise;
    begin
      noise = 0.0;
      if (NOISE > 0.0) begin
        draw_normal(normal);
        noise = NOISE * normal;
      end
    end
  endtask

  // Delay [ns] of a decision at an overdrive u [V].
{delay}
"""

_CLOCKED = """\
  initial begin
    seed_noise;
    number  = 0;
    arrived = 0;
    due     = 0.0;
    outp    = 1'b0;
    outn    = 1'b0;
  end

  always @(posedge clk) begin
    draw_noise;
    measure;
    number = number + 1;
    due = $realtime + delay_of(drive > 0.0 ? drive : -drive);
    arrived <= #(due - $realtime) number;
  end

  always @(arrived or negedge clk) begin
    if (!clk) begin
      outp <= 1'b0;
      outn <= 1'b0;
    end else if (number > 0 && $realtime > due - 1.0e-5) begin
      outp <= drive > 0.0;
      outn <= !(drive > 0.0);
    end
  end

endmodule
"""

_CONTINUOUS = """\
  logic target;   // what is being decided
  real  wanted;   // delay from now [ns]

  initial begin
    seed_noise;
    draw_noise;
    number  = 0;
    arrived = 0;
    due     = 0.0;
    target  = 1'b0;
    out     = 1'b0;
  end

  // A reversal before the output has followed takes the decision back; more overdrive on the way brings it forward.
  always @(inp or inn) begin
    measure;
    wanted = delay_of(drive > 0.0 ? drive : -drive, drive > 0.0);
    if ((drive > 0.0) != target || (target != out && $realtime + wanted < due)) begin
      target = drive > 0.0;
      due = $realtime + wanted;
      number = number + 1;
      if (target != out) arrived <= #(wanted) number;
    end
  end

  always @(arrived) begin
    if (number > 0 && target != out && $realtime > due - 1.0e-5) begin
      out <= target;
      draw_noise;
    end
  end

endmodule
"""


def systemverilog(model: ComparatorModel, options: Mapping[str, Any]) -> Export:
    """One module; options as in `exported.ComparatorExport`."""
    one = exported_comparator(model, options)
    inputs = [real_input("inp"), real_input("inn")]
    if one.clocked:
        ports = ["    input  logic clk,  // the rising edge decides, low resets both outputs", *inputs,
                 "    output logic outp,", "    output logic outn"]  # fmt: skip
        said = "clk: logic; inp, inn: real [V]; outp, outn: logic, both low until the decision is there."
        body = _CLOCKED
    else:
        ports = [*inputs, "    output logic out"]
        said = "inp, inn: real [V]; out: logic, high where inp is above inn."
        body = _CONTINUOUS
    head = _HEAD.format(
        name=one.name, noise=real(one.noise), ports="\n".join(ports), noise_task=noise_task("32'sd0"),
        low=real(one.low), high=real(one.high), offset=real(one.offset), slope=real(one.slope), bend=real(one.bend),
        v_cm=real(one.v_cm),
        delay=_delay(one),
    )  # fmt: skip
    notes = (
        *one.notes,
        f"Ports of {one.name}: {said}\n  Parameters: OFFSET, NOISE, SEED, see the module. Time is resolved to 1 fs.",
        "Noise is one draw a decision."
        + ("" if one.clocked else " The delay is that of a step of the input across the trip point; of a ramp in steps,"
           " the shortest that any input on the way has.")
        + " Left out: energy, kickback.",
    )  # fmt: skip
    return Export(notes, head + body)


def _delay(one: ExportedComparator) -> str:
    """`delay_of` in SystemVerilog, by the law that the model has (`behaviour`)."""
    arguments = "input real overdrive" + ("" if one.clocked else ", input logic high")
    lines = [f"  function automatic real delay_of({arguments});", "    real u, t;"]
    stages = "q" in one.delays[1]
    if stages:
        lines.append("    real tau, r, y;")
    lines += ["    begin", "      u = overdrive < 1.0e-15 ? 1.0e-15 : overdrive;"]
    high, low = ({name: real(value) for name, value in {**one.delays[decision]}.items()} for decision in (1, -1))
    choose = {name: high[name] if high[name] == low[name] else f"(high ? {high[name]} : {low[name]})" for name in high}
    knee = choose.get("v_x") or choose["v_s"]
    if "t_0" not in choose:
        lines += [f"      t = {choose['tau']} * $ln({knee} / u);", "      if (t < 0.0) t = 0.0;"]
    else:
        lines.append(f"      t = {choose['t_0']} + {choose['tau']} * $ln(1.0 + {knee} / u);")
    if stages:
        lines += [
            f"      tau = {choose['tau']};",
            f"      r = {choose['q']} / (u * tau);",
            "      // y - 1 + exp(-y) = r by Newton's method, from above: it converges from one side.",
            "      y = 1.0 + r;",
            "      if (r + $sqrt(2.0 * r) < y) y = r + $sqrt(2.0 * r);",
            "      repeat (30) y = y - (y - 1.0 + $exp(-y) - r) / (1.0 - $exp(-y));",
            "      t = t + tau * y;",
        ]
    return "\n".join([*lines, "      delay_of = 1.0e9 * t;", "    end", "  endfunction"])
