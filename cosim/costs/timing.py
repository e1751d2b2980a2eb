"""How long an operation of a tile takes, phase by phase.

    reset | input pulses | settling | conversion

A ramp's conversion is a reset, a clock period for each bias cell and one for each threshold (of which there are
2^bits - 1 for a rising function). Phases follow one another; the converter's reset lies before the hold, as in the
macro. SAR ADCs convert their columns one after another.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from cosim.blocks.macro.netlist import RESET_END
from cosim.blocks.ramp_adc.column import timeline
from cosim.blocks.ramp_adc.config import RampAdcConfig
from cosim.blocks.ramp_adc.timing import EDGE
from cosim.tiles.config import SETTLING

SAR_CLOCK = 1e-9  # [s] of a bit, as in the fits of `costs.sar`


@dataclass(frozen=True)
class OperationTimes:
    """Phases of one operation [s]; their sum is `total`.

    Attributes
    ----------
    reset: of the integrators.
    inputs: longest input pulse.
    settling: until the bit lines are cut off and the conversion begins.
    bias: one clock period for each bias cell.
    levels: one clock period for each threshold; of a SAR all of its conversion.
    """

    reset: float
    inputs: float
    settling: float
    bias: float
    levels: float

    @property
    def total(self) -> float:
        """From the reset to the last code [s]."""
        return math.fsum((self.reset, self.inputs, self.settling, self.bias, self.levels))


def ramp_times(adc: RampAdcConfig, bias_cells: int, pulse: float) -> OperationTimes:
    """With a ramp ADC of so many bias cells, for full-scale input pulses of `pulse` [s].

    The same total as `blocks.macro.netlist.phases`, which rounds to whole edges.
    """
    conversion = timeline(adc, bias_cells)
    levels = adc.thresholds * adc.t_clock
    edges = conversion.end - float(conversion.edges[-1]) + 5 * EDGE  # around hold and last sample
    # The converter's own reset lies before the hold.
    return OperationTimes(RESET_END, pulse, SETTLING + edges, bias_cells * adc.t_clock, levels)


def sar_times(pulse: float, conversion: float, share: int) -> OperationTimes:
    """With SAR ADCs whose conversion takes so long [s], each for `share` columns in turn."""
    return OperationTimes(RESET_END, pulse, SETTLING + 5 * EDGE, 0.0, share * conversion)
