"""The ramp ADC as a Verilog-A module: a clocked conversion with the circuit's latency."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cosim.blocks.exports import Export
from cosim.blocks.hdl import case_lines, real
from cosim.blocks.ramp_adc.behaviour import RampAdcModel
from cosim.blocks.ramp_adc.exported import exported_adc

_MODULE = """\
`include "constants.vams"
`include "disciplines.vams"

module {name} (in, clp, clk, start, busy, done, code);
  input in, clp, clk, start;
  output busy, done;
  output [{msb}:0] code;
  electrical in, clp, clk, start, busy, done;
  electrical [{msb}:0] code;

  parameter integer column = 0 from [0:{last_column}];  // which comparator of the chip
  parameter real offset = 0.0;                  // a further offset of the comparator [V]
  parameter real noise = 0.0 from [0:inf);      // further rms noise at the input [V], beside the model's own
  parameter real share = 1.0 from [0:inf);      // of the model's own noise; 0: none
  parameter integer seed = 1;                   // of the noise
  parameter real vh = 1.0 from (0:inf);         // logic high [V]; low is 0, the middle decides
  parameter real tr = 100p from (0:inf);        // rise and fall time of the outputs [s]

  integer is_busy, is_done, value, clock_edge, k, count, direction, state;
  real drawn, threshold, own_noise;
  genvar b;

  analog begin
    @(initial_step) begin
      is_busy = 0;
      is_done = 0;
      value = 0;
      clock_edge = 0;
      count = {start};
      state = seed;
      drawn = 0.0;
    end

    @(cross(V(clk) - 0.5 * vh, +1)) begin
      is_done = 0;
      if (is_busy == 0) begin
        if (V(start) > 0.5 * vh) begin
          is_busy = 1;
          clock_edge = 0;
          count = {start};
          drawn = $rdist_normal(state, 0.0, 1.0);
        end
      end else begin
        clock_edge = clock_edge + 1;
        k = clock_edge - {preparation};
        if (k >= 0) begin
          // Thresholds above V_CLP [V], in order of the clocks.
          case (column * {count} + k)
{thresholds}
          endcase
          // rms noise of each threshold [V], by the model.
          case (k)
{noise}
          endcase
          // What the counter adds while the ramp is still below the input.
          case (k)
{directions}
          endcase
          if (threshold < V(in, clp) - offset + drawn * sqrt(noise * noise + share * share * own_noise * own_noise))
            count = count + direction;
        end
        if (k == {last_threshold}) begin
          is_busy = 0;
          is_done = 1;
          value = (count < 0) ? 0 : ((count > {largest}) ? {largest} : count);
        end
      end
    end

    V(busy) <+ transition(is_busy ? vh : 0.0, 0.0, tr);
    V(done) <+ transition(is_done ? vh : 0.0, 0.0, tr);
    for (b = 0; b < {bits}; b = b + 1)
      V(code[b]) <+ transition(((value >> b) & 1) ? vh : 0.0, 0.0, tr);
  end
endmodule
"""


def verilog_a(model: RampAdcModel, options: Mapping[str, Any]) -> Export:
    """One module with the thresholds of all columns; options as in `exported.RampAdcExport`."""
    adc = exported_adc(model, options)
    columns, count = adc.thresholds.shape
    text = _MODULE.format(
        name=adc.name,
        last_column=columns - 1,
        msb=adc.bits - 1,
        bits=adc.bits,
        last_threshold=count - 1,
        preparation=adc.preparation,
        start=adc.stairs.start,
        largest=adc.largest,
        count=count,
        thresholds="\n".join(case_lines([real(t) for t in adc.thresholds.ravel()], "threshold", "0.0", 12)),
        noise="\n".join(case_lines([real(s) for s in adc.noise], "own_noise", "0.0", 12)),
        directions="\n".join(case_lines([str(d) for d in adc.stairs.direction], "direction", "0", 12)),
    )
    notes = (
        *adc.notes,
        f"Pins of {adc.name}: in, clp: the MAC voltage and the clamp voltage that it is measured from, no current;"
        f" clk, start: inputs, 0 or vh; busy, done, code[{adc.bits - 1}:0]: outputs, ideal sources to ground.\n"
        "  Parameters: column, offset, noise, share, seed, vh, tr, see the module.",
        f"A conversion begins at the rising clock edge that takes `start`; the comparisons are those of the"
        f" {count} edges from the {adc.preparation}th after it (reset, a clock for each bias cell, one to settle), at"
        f" each of which the input counts; `done` and the code come with the last, the {adc.clocks}th. The circuit was"
        f" characterised with a clock of {model.config.t_clock:g} s.",
        f"{adc.noise_note} Left out: energy, and what a changing input does to the lag of the comparator.",
    )
    return Export(notes, text)
