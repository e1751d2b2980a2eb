"""Energy of a conversion, each part apart, from supply currents in ngspice.

Of each sample: its comparators and their bias generator (each on a supply of its own), and what the column's cells
dissipate. Of the nominal chip, from one more deck in which every word line and row has its capacitance: what their
drivers and the integrator's output take from the supply. These are ideal sources and a macro-model, so a supply's
share is counted as the charge that each of them delivers, times V_DD: a line of capacitance C that is charged by V and
discharged to ground takes C V V_DD, as it does with any CMOS driver; an output stage that only sources what it
delivers (class B) takes the same. Quiescent currents of the amplifiers are not in it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cosim.blocks.halving import Relative
from cosim.blocks.ramp_adc.chips import Chip
from cosim.blocks.ramp_adc.column import column_lines, timeline
from cosim.blocks.ramp_adc.config import RampAdcConfig
from cosim.blocks.ramp_adc.netlist import conversion_deck
from cosim.spice import Deck, Result

Array = NDArray[np.float64]

PICO = 1e-12  # the decks count picojoules in volts
SAMPLE_ENERGIES = ("comparator_energy", "bias_energy", "ramp_energy")
# How far an energy may move when all time steps are halved: 2 %, far less than the spread from chip to chip.
ENERGY_TOLERANCE = Relative(0.02, 1e-15)
DRIVERS = ("word_line_energy", "row_energy", "integrator_energy")
_TERMS = 12  # currents summed in one source


def sample_energies(result: Result | None, lanes: int) -> tuple[float, float, float]:
    """(one comparator, bias generator, cells of the column) [J] of a conversion with `lanes` comparators."""
    if result is None or not result.ok:
        return float("nan"), float("nan"), float("nan")
    comparators, bias, cells = (float(result[f"v({node})"][-1]) * PICO for node in ("evdd", "ebias", "eread"))
    return comparators / lanes, bias, cells


def driver_deck(config: RampAdcConfig, chip: Chip) -> Deck:
    """A conversion without comparators, in which lines have capacitance and the drivers' charges are counted."""
    times = timeline(config, len(chip.bias))
    lines = column_lines(config, chip.ramp, chip.bias, chip.bias_sign, pulses=chip.pulse)
    cells = [f"b{n}" for n in range(len(chip.bias))] + [f"r{n}" for n in range(len(chip.ramp))]
    for cell in cells:
        lines += [
            f"Cl{cell} {cell} 0 {config.c_line:.9g} ic={config.v_clp:.9g}",
            f"Clw{cell} w{cell} 0 {config.c_line:.9g} ic=0",
        ]
    word_lines, rows = ([f"max(-i(V{kind}{cell}),0)" for cell in cells] for kind in ("w", ""))
    lines += _charge("ewl", word_lines, config) + _charge("erow", rows, config)
    # What the integrator's output delivers flows through C_fb and the bit line into the cells.
    lines += _charge("eint", ["max(-i(Vsense),0)"], config)
    saves = ("v(ewl)", "v(erow)", "v(eint)")
    return conversion_deck("ramp ADC: drivers of the nominal chip", config, lines, times, [], [], 0, extra_saves=saves)


def _charge(node: str, currents: list[str], config: RampAdcConfig) -> list[str]:
    """Charge of all currents times V_DD, in volts a picojoule on `node`."""
    lines = [f"C{node} {node} 0 1e-12 ic=0"]
    for number, first in enumerate(range(0, len(currents), _TERMS)):
        terms = "+".join(currents[first : first + _TERMS])
        lines.append(f"B{node}{number} 0 {node} i={config.v_dd:.9g}*({terms})")
    return lines


def driver_energies(result: Result | None) -> dict[str, float]:
    """Word-line drivers, row drivers and the integrator's output [J]; NaN where there is no simulation or it failed."""
    if result is None or not result.ok:
        return dict.fromkeys(DRIVERS, float("nan"))
    return {
        name: float(result[f"v({node})"][-1]) * PICO
        for name, node in zip(DRIVERS, ("ewl", "erow", "eint"), strict=True)
    }
