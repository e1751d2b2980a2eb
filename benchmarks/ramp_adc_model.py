"""The ramp-ADC model on held-out SPICE over its domain: the figures of docs/models_ramp_adc.md.

    python benchmarks/ramp_adc_model.py [FORM]

Fits one code at five corners, three temperatures and three supplies, and judges it on all functions at 3 to 8 bits,
other temperatures and read voltages. Half an hour on two quiet cores; what was simulated before comes from the cache.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import numpy as np
import xarray as xr
from _timing import report

from cosim.blocks.dataset import failed_points
from cosim.blocks.ramp_adc.behaviour import RampAdcModel
from cosim.blocks.ramp_adc.characterisation import characterise
from cosim.blocks.ramp_adc.config import RampAdcConfig
from cosim.blocks.ramp_adc.fitting import fit, offset_checks, residuals
from cosim.spice import SimulatorPool

CORNERS = ("TT", "FS", "SS", "FF", "SF")
# Steps from 1 to 70 mV and back, six times over the whole range of levels.
WAVE = "expr: 18.85*x + 2*atan(0.8*sin(18.85*x)/(1-0.8*cos(18.85*x)))"
FUNCTIONS = ("sigmoid", "tanh", "linear", "relu", "softplus", "exp", "gelu", "silu")

# function, bits, corner, temperature [degC], V_DD [V], V_read [V], seed. Left out for their time: at 8 bits gelu, silu
# and tanh, some 260 thresholds each; at the other widths sigmoid, whose column is tanh's.
NOMINAL = tuple(
    (name, bits, "TT", 27.0, 1.8, 0.2, 1)
    for bits in (3, 5, 6, 8)
    for name in FUNCTIONS
    if (name, bits) not in {("gelu", 8), ("silu", 8), ("tanh", 8), ("sigmoid", 3), ("sigmoid", 5), ("sigmoid", 6)}
)
OTHERS = (
    ("sigmoid", 5, "TT", 0.0, 1.8, 0.15, 11),
    ("tanh", 3, "SF", -20.0, 1.8, 0.25, 11),
    ("linear", 3, "SS", 60.0, 1.8, 0.25, 11),
    ("relu", 3, "FS", 105.0, 1.8, 0.19, 11),
    ("softplus", 3, "FF", -20.0, 1.8, 0.15, 11),
    ("exp", 5, "TT", -20.0, 1.8, 0.19, 11),
    ("gelu", 3, "SF", 105.0, 1.8, 0.15, 11),
    ("silu", 3, "SS", 105.0, 1.8, 0.17, 11),
    ("sigmoid", 4, "TT", 105.0, 1.8, 0.17, 11),
    ("tanh", 6, "SF", 105.0, 1.8, 0.15, 11),
    ("linear", 3, "SS", 0.0, 1.8, 0.17, 11),
    ("relu", 6, "FS", 0.0, 1.8, 0.23, 11),
    ("softplus", 5, "FF", 0.0, 1.8, 0.25, 11),
    ("exp", 3, "TT", 105.0, 1.8, 0.23, 11),
    ("gelu", 6, "SF", 0.0, 1.8, 0.17, 11),
    ("silu", 6, "SS", 105.0, 1.8, 0.19, 11),
    *(("linear", 6, corner, 27.0, 1.8, 0.2, 1) for corner in ("FF", "FS", "SF", "SS")),
    ("linear", 6, "TT", -40.0, 1.8, 0.2, 1),
    ("sigmoid", 8, "FS", 85.0, 1.8, 0.2, 21),
    ("relu", 8, "SS", -20.0, 1.8, 0.2, 21),
    ("linear", 5, "TT", 105.0, 1.75, 0.2, 31),
    ("sigmoid", 5, "FS", 85.0, 1.77, 0.2, 31),
    ("tanh", 4, "SS", -20.0, 1.77, 0.2, 31),
)
# The same as two read voltages beside the configured one, two chips: 4-bit linear and 5-bit sigmoid.
SWEPT = (
    *(("linear", 4, corner, 27.0) for corner in CORNERS),
    *(("sigmoid", 5, corner, 27.0) for corner in CORNERS),
    ("linear", 4, "TT", -40.0),
    ("sigmoid", 5, "TT", -40.0),
    ("linear", 4, "SS", -40.0),
)


def training(pool: SimulatorPool) -> Iterator[xr.Dataset]:
    """What is fitted; each with the sweeps of its own."""

    def one(chips: int, v_read: float, corner: str, temperature: float, v_dd: float, offsets: int = 0) -> xr.Dataset:
        config = RampAdcConfig(bits=6, function=WAVE, x_range=(-1.0, 1.0), v_read=v_read, corner=corner,
                               temperature=temperature, v_dd=v_dd)  # fmt: skip
        return characterise(config, chips=chips, v_reads=(), offsets=offsets, seed=1, pool=pool)

    for temperature in (27.0, -40.0, 125.0):
        for corner in CORNERS:
            yield one(2, 0.25, corner, temperature, 1.8, 400)
    for corner in CORNERS:
        yield one(1, 0.05, corner, 27.0, 1.8)  # steps down to a quarter of a millivolt
        for v_dd in SUPPLIES:
            yield one(1, 0.25, corner, 27.0, v_dd)


SUPPLIES = (1.75,)


def held_out(pool: SimulatorPool) -> Iterator[xr.Dataset]:
    """What judges."""
    for function, bits, corner, temperature, v_dd, v_read, seed in (*NOMINAL, *OTHERS):
        config = RampAdcConfig(bits=bits, function=function, corner=corner, temperature=temperature, v_dd=v_dd,
                               v_read=v_read)  # fmt: skip
        yield characterise(config, chips=1, v_reads=(), seed=seed, pool=pool)
    for function, bits, corner, temperature in SWEPT:
        config = RampAdcConfig(bits=bits, function=function, corner=corner, temperature=temperature)
        yield characterise(config, chips=2, v_reads=(0.15, 0.25), v_read_chips=2, pool=pool)


def table(model: RampAdcModel, sets: list[xr.Dataset]) -> None:
    """One line a data set, on stderr."""
    for data in sets:
        errors = {each.quantity: each.judged() for each in residuals(model, [data]) if each.held_out.any()}
        about = RampAdcConfig(**{k: v for k, v in _config(data).items() if k in RampAdcConfig.model_fields})
        line = (
            f"{about.function[:8]:9} {about.bits} bits {about.corner} {about.temperature:6.1f} degC {about.v_dd:.2f} V"
        )
        told = ", ".join(f"{name} {each.rms:.4f} rms {each.maximum:.4f} max" for name, each in errors.items())
        print(f"{line} V_read {about.v_read:.2f}: {told}", file=sys.stderr)


def _config(data: xr.Dataset) -> dict[str, object]:
    from cosim.blocks.dataset import config_of

    return config_of(data)


def main() -> None:
    form = sys.argv[1] if len(sys.argv) > 1 else "lag"
    with SimulatorPool() as pool:
        fitted, judging = list(training(pool)), list(held_out(pool))
    # A failed sample costs itself and is told, so that half an hour of simulations is not lost to one of them.
    for part, sets in (("fitted", fitted), ("judging", judging)):
        failed, samples = sum(map(failed_points, sets)), sum(each["status"].size for each in sets)
        print(f"{part}: {failed} of {samples} samples failed", file=sys.stderr)
    model = fit([*fitted, *judging], form=form, allow_failed=True)
    table(model, [*fitted, *judging])
    thresholds = residuals(model, [*fitted, *judging])[0]
    yardstick = "ngspice, held-out chips and conditions"
    for name, (rms, largest, points) in thresholds.by_part().items():
        report(f"ramp-ADC thresholds, {name}: rms error ({points} points)", rms, "LSB", yardstick, 0.05 / rms, 1.0)
        report(f"ramp-ADC thresholds, {name}: largest error", largest, "LSB", yardstick, 0.2 / largest, 1.0)
    nominal = residuals(model, judging[: len(NOMINAL)])[0]
    rms = nominal.judged().rms
    report(
        "ramp-ADC thresholds at the nominal condition, all functions: rms error", rms, "LSB", yardstick, 0.01 / rms, 1.0
    )
    p = min(offset_checks(model, fitted).values())
    report("comparator offsets: smallest Kolmogorov-Smirnov p of 15 conditions", p, "1", yardstick, p / 0.01, 1.0)
    noise = np.abs(np.concatenate([each.error for each in residuals(model, judging) if each.quantity == "noise"]))
    report(
        "threshold noise: largest relative error", float(noise.max()), "1", yardstick, 0.02 / float(noise.max()), 1.0
    )


if __name__ == "__main__":
    main()
