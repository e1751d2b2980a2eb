"""The ramp ADC as a SPICE subcircuit: the static transfer from MAC voltage to code, of a known chip.

Thresholds are compared one by one and counted, as the circuit's counter does, so they need not rise:

    count = start + sum_k direction_k [T_k < v],    code = min(max(count, 0), largest).

The sums are split over several sources, since ngspice reads long expressions slowly.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cosim.blocks.exports import Export
from cosim.blocks.ramp_adc.behaviour import RampAdcModel
from cosim.blocks.ramp_adc.exported import ExportedAdc, exported_adc

_PER_SOURCE = 16  # thresholds in one expression


def spice(model: RampAdcModel, options: Mapping[str, Any]) -> Export:
    """One subcircuit a column; options as in `exported.RampAdcExport`."""
    adc = exported_adc(model, options)
    columns = len(adc.thresholds)
    names = [adc.name] if columns == 1 else [f"{adc.name}_{column}" for column in range(columns)]
    pins = " ".join(_pins(adc))
    notes = (
        *adc.notes,
        f"Pins of {', '.join(names) if columns < 4 else f'{names[0]} .. {names[-1]}'}: {pins}.\n"
        "  in: the MAC voltage; clp: the clamp voltage that it is measured from. Neither draws current.\n"
        f"  vss: what the outputs are measured from.\n"
        f"  code: the code, 1 V a step. b{adc.bits - 1} .. b0: its bits, 0 or vh.\n"
        "Parameters: offset, a further offset of the comparator [V]; vh, voltage of a bit that is set [V].",
        "This is the static transfer: the code follows the input at once. Left out: the time of a conversion"
        f" ({adc.clocks} clocks of {model.config.t_clock:g} s), noise, energy. Outputs are ideal sources that step;"
        " in a transient put a resistor before a capacitor that they drive.",
    )
    subcircuits = [_subcircuit(name, adc, row) for name, row in zip(names, adc.thresholds, strict=True)]
    return Export(notes, "\n\n".join(subcircuits))


def _pins(adc: ExportedAdc) -> list[str]:
    return ["in", "clp", "vss", "code", *(f"b{bit}" for bit in reversed(range(adc.bits)))]


def _subcircuit(name: str, adc: ExportedAdc, thresholds: NDArray[np.float64]) -> str:
    lines = [f".subckt {name} {' '.join(_pins(adc))} offset=0 vh=1", "Bx x 0 v=v(in)-v(clp)-{offset}"]
    groups = range(0, len(thresholds), _PER_SOURCE)
    for number, first in enumerate(groups):
        members = range(first, min(first + _PER_SOURCE, len(thresholds)))
        terms = [f"{'+-'[int(adc.stairs.direction[k] < 0)]}(v(x)>{float(thresholds[k])!r})" for k in members]
        lines.append(f"Bn{number} n{number} 0 v=" + "\n+ ".join(terms))
    count = "+".join([str(adc.stairs.start), *(f"v(n{number})" for number in range(len(groups)))])
    lines.append(f"Bcount count 0 v={count}")
    lines.append(f"Bcode code vss v=min(max(v(count),0),{adc.largest})")
    # Halves keep the bits right where the solver leaves a whole number a trifle short.
    lines.append(f"Bs s 0 v=min(max(v(count),0),{adc.largest})+0.5")
    for bit in reversed(range(adc.bits)):
        lines.append(f"Bb{bit} b{bit} vss v={{vh}}*(floor(v(s)/{1 << bit})-2*floor(v(s)/{2 << bit}))")
    return "\n".join([*lines, f".ends {name}"])
