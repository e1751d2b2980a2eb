"""Energy of a conventional SAR ADC's conversion: by the fits of NeuroSim V2.1, or of this project's own circuit.

    P = (a b + c) uW + d exp(-k log10 R_col) W,   E = P (b + 1) 1 ns

b bits, R_col the resistance of the column that it reads [ohm], taken at 0.5 V: R_col 0.5 V / V_read. High-performance
process; P grows by 1.3e-3 a kelvin from 300 K. Coefficients: SarADC.cpp of NeuroSim V2.1 (P.-Y. Chen, X. Peng,
S. Yu, IEEE Trans. CAD 37, 3067, 2018), as numbers only. Between the nodes of the fits the energy is scaled from the
nearest one by the rule of `costs.scaling`.

The own circuit is that of `blocks.sar_adc`: its references give the mean switching energy of the capacitor array, its
comparator takes the mean of its two powers for the whole conversion, at the common mode. Against ngspice's mean over
all codes (`cosim characterise sar_adc`) the sum is 6 % low, for the comparator's own switching is left out.
"""

from __future__ import annotations

import math

import numpy as np

from cosim.blocks.sar_adc.array import mean_switching_energy
from cosim.blocks.sar_adc.config import SarAdcConfig
from cosim.constants import ZERO_CELSIUS
from cosim.costs.comparators import ComparatorPower
from cosim.costs.scaling import check_node, factor
from cosim.costs.timing import SAR_CLOCK
from cosim.errors import CosimError
from cosim.validation import validated

# node [nm] -> a, c [uW], d [W], k
FITS = {
    65: (2.9503, 22.047, 0.128483, 2.321),
    45: (2.1843, 11.931, 0.097754, 2.296),
    32: (1.0157, 7.6286, 0.083709, 2.313),
    22: (0.7213, 3.3041, 0.084273, 2.311),
    14: (0.4710, 1.9529, 0.060584, 2.311),
    7: (0.2008, 0.6823, 0.040310, 2.311),
}
V_FIT = 0.5  # [V] read voltage of the fits
T_FIT = 300.0  # [K]
SOURCE = "NeuroSim V2.1, fits of SarADC.cpp"


def fit_node(node: int) -> int:
    """The node of the fits nearest in ratio."""
    check_node(node)
    return min(FITS, key=lambda each: abs(math.log(each / node)))


def conversion_energy(
    bits: int, node: int, r_column: float, v_read: float = V_FIT, temperature: float = T_FIT - ZERO_CELSIUS
) -> float:
    """Energy of one conversion [J]; `r_column` [ohm], `temperature` [deg C].

    Raises CosimError for an unknown node, for bits below 1 and for a resistance that is not positive.
    """
    if bits < 1:
        raise CosimError("a SAR ADC has at least one bit", key="bits", value=bits, allowed="1 or more")
    if not r_column > 0.0:
        raise CosimError("the column's resistance must be positive", key="r_column", value=r_column)
    stated = fit_node(node)
    a, c, d, k = FITS[stated]
    seen = r_column * V_FIT / v_read
    power = (a * bits + c) * 1e-6 + d * math.exp(-k * math.log10(seen))
    power *= 1.0 + 1.3e-3 * (temperature + ZERO_CELSIUS - T_FIT)
    return power * (bits + 1) * SAR_CLOCK * factor("energy", stated, node)


def circuit_of(bits: int, process: str) -> SarAdcConfig:
    """The own SAR ADC in the tile's process; CosimError for bits that it does not come with."""
    return validated(SarAdcConfig, {"bits": bits, "process": process}, from_code=("bits", "process"))


def circuit_energies(config: SarAdcConfig, power: ComparatorPower, v_clp: float) -> tuple[float, float]:
    """Of one conversion [J]: what the references give, and what the comparator takes; `power` is told from `v_clp`."""
    references = mean_switching_energy(config.bits, config.c_unit, config.v_high - config.v_low)
    level = config.v_cm - v_clp
    both = [float(np.interp(level, power.levels, each)) for each in (power.before, power.after)]
    return references, sum(both) / 2.0 * config.t_conversion
