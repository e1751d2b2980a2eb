"""Noise of a threshold: what lets the code of one and the same input differ from conversion to conversion.

Independent contributions, rms in volts at the ramp (equally at the input, for a comparator sees their difference):

comparator   `.noise` at the static trip point. The output that is looked at is the last linear one, its second probe
             o2 (the output where a netlist names no probes), because the inverter behind only decides. With v_o its
             noise integrated from `LOWEST` to `HIGHEST` and A its gain at the low end, a decision is uncertain by
             v_o / A: thermal and 1/f noise, in the bandwidth of the stages before. This is the noise of a comparator
             that has settled; one that is read before it has settled has less of its gain and of its noise alike.
reset        kT / C_fb, left on the capacitor when the reset switch opens; once in the ramp's integrator, once in that
             which holds the MAC result.
cells        each read of a conductance G for a time T leaves a noise charge of variance 2 k T_abs G T: thermal noise
             of the current, 4 k T_abs G one-sided, integrated. It adds up along the ramp.
read noise   each read finds the conductance off by the relative `read_noise` of the device: V_read T G / C_fb of it.
             It too adds up along the ramp.

Noise of the amplifiers is not in this sum: they are macro-models. Nor are fluctuations of the supply.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cosim.blocks.ramp_adc.chips import Chip
from cosim.blocks.ramp_adc.config import RampAdcConfig
from cosim.blocks.ramp_adc.design import effective_conductance, step_voltage
from cosim.blocks.ramp_adc.netlist import models_text, probes
from cosim.constants import BOLTZMANN, ZERO_CELSIUS
from cosim.devices import load_device
from cosim.spice import Deck, Result, Tolerances

Array = NDArray[np.float64]

# [Hz] From far below the rate of conversions (whose 1/f noise is an offset of the day) to far above any pole.
LOWEST, HIGHEST = 1e3, 1e12


def comparator_noise_deck(config: RampAdcConfig, trip: float) -> Deck:
    """`.noise` of the nominal comparator at its trip point, `trip` [V] above V_CLP."""
    output = f"v(xc0.{probes(config)[-1]})" if probes(config) else "v(d0)"
    lines = [
        models_text(config),
        f"Vdd vdd 0 {config.v_dd:.9g}",
        f"Vramp ramp 0 {config.v_clp:.9g}",
        f"Xbias bias vdd 0 comparator_bias iref={config.i_bias:.9g}",
        f"Vin in 0 dc {config.v_clp + trip:.12g} ac 1",
        "Xc0 in ramp d0 bias vdd 0 comparator",
    ]
    return Deck(
        "noise of the comparator at its trip point",
        "\n".join(lines),
        (f".noise {output} Vin dec 20 {LOWEST:g} {HIGHEST:g}",),
        ("onoise_spectrum", "inoise_spectrum"),
        Tolerances(reltol=1e-6, temperature=config.temperature),
    )


def comparator_noise(result: Result) -> float:
    """rms noise at the comparator's input [V]: its output's over its gain at low frequency; NaN where it failed."""
    if not result.ok:
        return float("nan")
    density, at_input, frequency = (result[name] for name in ("onoise_spectrum", "inoise_spectrum", "frequency"))
    gain = density[0] / at_input[0]
    return float(np.sqrt(np.trapezoid(density**2, frequency)) / gain)


def reset_noise(config: RampAdcConfig) -> float:
    """sqrt(kT / C_fb) of the two integrators together [V]."""
    return float(np.sqrt(2.0 * BOLTZMANN * (config.temperature + ZERO_CELSIUS) / config.c_fb))


def column_noise(chip: Chip, config: RampAdcConfig, read_noise: float | None = None) -> tuple[Array, Array]:
    """rms noise of each level from reading the cells [V]: thermal, and read noise; each of shape (thresholds,).

    read_noise: relative, in place of that of the configured device.
    """
    signs = chip.bias_signs != 0
    widths = np.ones(len(chip.ramp)) if chip.pulse is None else chip.pulse
    counted = np.concatenate(
        [effective_conductance(chip.bias, config) * signs, effective_conductance(chip.ramp, config) * widths]
    )
    first = len(chip.bias) - 1
    kelvin = config.temperature + ZERO_CELSIUS
    thermal = 2.0 * BOLTZMANN * kelvin * config.t_pulse * np.cumsum(counted)[first:] / config.c_fb**2
    relative = load_device(config.device).read_noise if read_noise is None else read_noise
    read = (step_voltage(config) * relative) ** 2 * np.cumsum(counted**2)[first:]
    return np.sqrt(thermal), np.sqrt(read)


def conversion_noise(
    chip: Chip, config: RampAdcConfig, comparator: float, read_noise: float | None = None
) -> tuple[float, Array]:
    """The same noise by whom it concerns [V rms]: what is a column's own, and what all columns of a conversion share.

    Own: the comparator, and the reset of the integrator that holds the MAC result. Shared: the ramp's levels, shape
    (thresholds,). The sum of their squares is that of `threshold_noise`.
    """
    one_reset = reset_noise(config) ** 2 / 2.0
    own = float(np.sqrt(comparator**2 + one_reset))
    if config.ramp == "fixed":
        return own, np.zeros(config.thresholds)
    thermal, read = column_noise(chip, config, read_noise)
    return own, np.sqrt(one_reset + thermal**2 + read**2)


def threshold_noise(chip: Chip, config: RampAdcConfig, comparator: float) -> Array:
    """rms noise of each threshold [V], shape (thresholds,); `comparator` [V] as from `comparator_noise`.

    A fixed reference has no noise of its own; the reset of the MAC result remains.
    """
    own, ramp = conversion_noise(chip, config, comparator)
    return np.hypot(own, ramp)
