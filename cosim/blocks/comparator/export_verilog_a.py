"""The comparator as a Verilog-A module of events: offset, noisy decisions, and the time that they take."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import Any

from cosim.blocks.comparator.behaviour import ComparatorModel
from cosim.blocks.comparator.exported import ExportedComparator, exported_comparator
from cosim.blocks.exports import Export
from cosim.blocks.hdl import real

_POLL = 1e-11  # [s] between looks at the overdrive of a pending decision

_HEAD = """\
`include "constants.vams"
`include "disciplines.vams"

module {name} ({pins});
{ports}

  parameter real offset = 0.0;                  // a further offset [V]
  parameter real noise = {noise} from [0:inf);  // input-referred rms noise of a decision [V]
  parameter integer seed = 1;                   // of the noise
  parameter real tr = 20p from (0:inf);         // rise and fall time of the outputs [s]

  real v_cm, drive, drawn, u, due, delay, r, y;
  integer high, pending, value, state, n;
"""

_MEASURE = """\
v_cm = 0.5 * (V(inp, vss) + V(inn, vss));
if (v_cm < {low}) v_cm = {low};
if (v_cm > {high}) v_cm = {high};
v_cm = v_cm - {v_cm};
drive = V(inp, inn) - offset - ({offset} + v_cm * ({slope} + v_cm * {bend})) - drawn;
high = (drive > 0.0) ? 1 : 0;
u = (drive > 0.0) ? drive : -drive;
if (u < 1.0e-15) u = 1.0e-15;
{delay}"""

_CLOCKED = """
  analog begin
    @(initial_step) begin
      state = seed;
      drawn = 0.0;
      pending = 0;
      value = 0;
      high = 0;
      due = -1.0;
    end

    @(cross(V(clk, vss) - 0.5 * V(vdd, vss), +1)) begin
      if (noise > 0.0)
        drawn = $rdist_normal(state, 0.0, noise);
{measure}
      pending = 1;
      due = $abstime + delay;
    end

    @(timer(due)) begin
      if (pending == 1) begin
        pending = 0;
        value = 1;
      end
    end

    @(cross(V(clk, vss) - 0.5 * V(vdd, vss), -1)) begin
      pending = 0;
      value = 0;
    end

    V(outp, vss) <+ V(vdd, vss) * transition((value == 1 && high == 1) ? 1.0 : 0.0, 0.0, tr);
    V(outn, vss) <+ V(vdd, vss) * transition((value == 1 && high == 0) ? 1.0 : 0.0, 0.0, tr);
  end
endmodule
"""

_CONTINUOUS = """
  analog begin
    @(initial_step) begin
      state = seed;
      drawn = 0.0;
      if (noise > 0.0)
        drawn = $rdist_normal(state, 0.0, noise);
{measure}
      value = high;
      pending = 0;
      due = -1.0;
      decided = 0.0;
    end

    // The trip point is crossed: the decision is pending, or taken back where the output has not followed yet.
    @(cross({crossing}, 0)) begin
      pending = 1;
      decided = $abstime + 1.0;
      due = $abstime + poll;
    end

    // While it is pending the overdrive is looked at: more of it brings the decision forward.
    @(timer(due)) begin
      if (pending == 1) begin
{measure_later}
        if (high == value) begin
          pending = 0;
        end else begin
          if ($abstime + delay < decided)
            decided = $abstime + delay;
          if ($abstime >= decided - 1.0e-15) begin
            pending = 0;
            value = high;
            if (noise > 0.0)
              drawn = $rdist_normal(state, 0.0, noise);
          end else begin
            due = (decided - $abstime > poll) ? $abstime + poll : decided;
          end
        end
      end
    end

    V(out, vss) <+ V(vdd, vss) * transition((value == 1) ? 1.0 : 0.0, 0.0, tr);
  end
endmodule
"""


def verilog_a(model: ComparatorModel, options: Mapping[str, Any]) -> Export:
    """One module; options as in `exported.ComparatorExport`."""
    one = exported_comparator(model, options)
    numbers = {
        "low": one.low,
        "high": one.high,
        "offset": one.offset,
        "slope": one.slope,
        "bend": one.bend,
        "v_cm": one.v_cm,
    }
    literals = {name: real(value) for name, value in numbers.items()}
    measure = _MEASURE.format(**literals, delay="\n".join(_delay(one)))
    pins = ["inp", "inn", "clk", "outp", "outn"] if one.clocked else ["inp", "inn", "out"]
    outputs = [pin for pin in pins if pin.startswith("out")]
    inputs = [pin for pin in pins if pin not in outputs]
    every = ", ".join([*pins, "vdd", "vss"])
    ports = [
        f"  input {', '.join(inputs)};",
        f"  output {', '.join(outputs)};",
        "  inout vdd, vss;",
        f"  electrical {every};",
    ]
    head = _HEAD.format(name=one.name, pins=every, ports="\n".join(ports), noise=real(one.noise))
    if one.clocked:
        text = head + _CLOCKED.format(measure=_indented(measure, 6))
        said = " clk: low resets both outputs to vss, the rising edge through half the supply decides."
    else:
        head += "  real decided;\n"
        head += f"  parameter real poll = {real(_POLL)} from (0:inf);  // [s] between looks at the overdrive\n"
        common = "(0.5 * (V(inp, vss) + V(inn, vss)))"
        d = f"((({common} < {{low}}) ? {{low}} : (({common} > {{high}}) ? {{high}} : {common})) - {{v_cm}})"
        offset = "({offset} + " + d + " * ({slope} + " + d + " * {bend}))"
        crossing = "V(inp, inn) - offset - " + offset.format(**literals) + " - drawn"
        text = head + _CONTINUOUS.format(
            measure=_indented(measure, 6), measure_later=_indented(measure, 8), crossing=crossing
        )
        said = " out: vdd where inp is above inn, else vss."
    notes = (
        *one.notes,
        f"Pins of {one.name}: {every}. The inputs draw no current.{said}\n  Parameters: offset, noise, seed, tr"
        f"{'' if one.clocked else ', poll'}, see the module.",
        "Noise is one draw a decision."
        + ("" if one.clocked else " The delay is that of a step of the input across the trip point; of a ramp, the"
           " shortest that any look at it gives.")
        + " Left out: energy, kickback.",
    )  # fmt: skip
    return Export(notes, text)


def _delay(one: ExportedComparator) -> list[str]:
    """Statements that set `delay` [s] for the overdrive u [V] and the decision `high`, by the model's law."""
    choose = {}
    for name, value in one.delays[1].items():
        other = one.delays[-1][name]
        choose[name] = real(value) if value == other else f"((high == 1) ? {real(value)} : {real(other)})"
    knee = choose.get("v_x") or choose["v_s"]
    if "t_0" not in choose:
        return [f"delay = {choose['tau']} * ln({knee} / u);", "if (delay < 0.0) delay = 0.0;"]
    lines = [f"delay = {choose['t_0']} + {choose['tau']} * ln(1.0 + {knee} / u);"]
    if "q" in choose:
        lines += [
            f"r = {choose['q']} / (u * {choose['tau']});",
            "// y - 1 + exp(-y) = r by Newton's method, from above: it converges from one side.",
            "y = 1.0 + r;",
            "if (r + sqrt(2.0 * r) < y) y = r + sqrt(2.0 * r);",
            "for (n = 0; n < 30; n = n + 1)",
            "  y = y - (y - 1.0 + exp(-y) - r) / (1.0 - exp(-y));",
            f"delay = delay + {choose['tau']} * y;",
        ]
    return lines


def _indented(text: str, spaces: int) -> str:
    return textwrap.indent(text, " " * spaces)
