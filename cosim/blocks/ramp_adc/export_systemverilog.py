"""The ramp ADC as a SystemVerilog real-number model: a clocked conversion with the circuit's latency."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cosim.blocks.exports import Export
from cosim.blocks.hdl import case_lines, noise_task, real, real_input
from cosim.blocks.ramp_adc.behaviour import RampAdcModel
from cosim.blocks.ramp_adc.exported import exported_adc

_MODULE = """\
module {name} #(
    parameter int  COLUMN = 0,    // which comparator of the chip, 0 .. {last_column}
    parameter real OFFSET = 0.0,  // a further offset of the comparator [V]
    parameter real NOISE  = 0.0,  // further rms noise at the input [V], beside the model's own
    parameter real SHARE  = 1.0,  // of the model's own noise; 0: none
    parameter int  SEED   = 1     // of the noise; instances with the same SEED and COLUMN draw the same
) (
    input  logic clk,
    input  logic rst_n,  // asynchronous, active low
    input  logic start,  // taken at a rising clock edge while not busy
{v_in}
    output logic busy,
    output logic done,   // for one clock, when the code has become valid
    output logic [{msb}:0] code
);

  localparam int THRESHOLDS  = {count};
  localparam int PREPARATION = {preparation};  // clock edges from that of start to the first comparison
  localparam int FIRST_CODE  = {start};
  localparam int LAST_CODE   = {largest};

  // Thresholds above V_CLP [V], in order of the clocks; a function, for Icarus Verilog 11 has no constant real arrays.
  function automatic real threshold(input int place);
    case (place)
{thresholds}
    endcase
  endfunction

  // What the counter adds at clock k while the ramp is still below the input.
  function automatic int direction(input int k);
    case (k)
{directions}
    endcase
  endfunction

  // rms noise of each threshold [V], by the model.
  function automatic real own_noise(input int k);
    case (k)
{noise}
    endcase
  endfunction

{noise_task}
  real normal, drawn;
  int  k, count;

  // What the comparator adds to the counter at clock k.
  function automatic int counted(input int clock);
    counted = threshold(COLUMN * THRESHOLDS + clock)
              < v_in - OFFSET + normal * $sqrt(NOISE ** 2 + (SHARE * own_noise(clock)) ** 2) ? direction(clock) : 0;
  endfunction

  function automatic [{msb}:0] limited(input int value);
    limited = {bits}'(value < 0 ? 0 : value > LAST_CODE ? LAST_CODE : value);
  endfunction

  initial begin
    if (COLUMN < 0 || COLUMN > {last_column}) begin
      $display("%m: COLUMN %0d is not on this chip, which has 0 .. {last_column}", COLUMN);
      $finish;
    end
    seed_noise;
    busy   = 1'b0;
    done   = 1'b0;
    code   = '0;
    normal = 0.0;
  end

  always @(posedge clk or negedge rst_n) begin
    done <= 1'b0;
    if (!rst_n) begin
      busy <= 1'b0;
      code <= '0;
    end else if (!busy) begin
      if (start) begin
        busy  <= 1'b1;
        k     <= 1 - PREPARATION;
        count <= FIRST_CODE;
        draw_normal(drawn);
        normal <= drawn;
      end
    end else begin
      k <= k + 1;
      if (k >= 0) count <= count + counted(k);
      if (k == THRESHOLDS - 1) begin
        busy <= 1'b0;
        done <= 1'b1;
        code <= limited(count + counted(k));
      end
    end
  end

endmodule
"""


def systemverilog(model: RampAdcModel, options: Mapping[str, Any]) -> Export:
    """One module with the thresholds of all columns; options as in `exported.RampAdcExport`."""
    adc = exported_adc(model, options)
    columns, count = adc.thresholds.shape
    text = _MODULE.format(
        name=adc.name,
        v_in=real_input("v_in"),
        last_column=columns - 1,
        msb=adc.bits - 1,
        bits=adc.bits,
        count=count,
        preparation=adc.preparation,
        start=adc.stairs.start,
        largest=adc.largest,
        thresholds="\n".join(case_lines([real(t) for t in adc.thresholds.ravel()], "threshold", "0.0")),
        noise="\n".join(case_lines([real(s) for s in adc.noise], "own_noise", "0.0")),
        directions="\n".join(case_lines([str(d) for d in adc.stairs.direction], "direction", "0")),
        noise_task=noise_task("COLUMN"),
    )
    notes = (
        *adc.notes,
        f"Ports of {adc.name}: clk, rst_n, start, busy, done: logic; v_in: real, the MAC voltage above V_CLP [V];"
        f" code: {adc.bits} bits.\n  Parameters: COLUMN, OFFSET, NOISE, SHARE, SEED, see the module.",
        f"A conversion begins at the rising clock edge that takes `start`; the comparisons are those of the"
        f" {count} edges from the {adc.preparation}th after it (reset, a clock for each bias cell, one to settle), at"
        f" each of which v_in counts; `done` and the code come with the last, the {adc.clocks}th. The circuit was"
        f" characterised with a clock of {model.config.t_clock:g} s; the module has no delays of its own.",
        f"{adc.noise_note} Left out: energy, and what a changing input does to the lag of the comparator.",
    )
    return Export(notes, text)
