"""What a memristor does: programming with its error, drift, reading with its noise, and its current.

Functions on arrays of any shape; conductances in siemens, voltages in volts, currents in amperes. Random
numbers come from the generator that is passed, in an order that does not depend on the device's parameters,
so that two variants of a device can be compared on the same chip.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cosim.devices.device import Device
from cosim.errors import CosimError
from cosim.units import format_si

_ROUNDING = 1e-9  # relative to g_max: a target computed as g_max times a ratio may land a rounding error above


def program(targets: ArrayLike, device: Device, rng: np.random.Generator) -> NDArray[np.float64]:
    """Conductances of cells after write and verify [S].

        G = clip(G_target + sigma_p N(0, 1), g_lowest, g_highest)

    with sigma_p = `device.programming_sigma`, or what the law `device.programming` gives at the target. A share of
    the cells, drawn independently, does not follow: those stuck off have g_lowest, those stuck on g_highest.

    Parameters
    ----------
    targets: conductances wanted, within the window g_min .. g_max [S]; any shape.

    Returns an array of the shape of `targets`. The error is not cut at the ends of the window: cells whose
    target is g_max come out above it as often as below, as measured (`device_models/taox_1t1r/README.md`).
    Raises CosimError when a target is outside the window.
    """
    targets = np.asarray(targets, dtype=np.float64)
    _check_window(targets, device)
    noise = rng.standard_normal(targets.shape)
    lot = rng.random(targets.shape)
    conductances = np.clip(targets + device.sigma_at(targets) * noise, device.g_lowest, device.g_highest)
    conductances = np.where(lot < device.stuck_off_rate, device.g_lowest, conductances)
    return np.where(lot >= 1.0 - device.stuck_on_rate, device.g_highest, conductances)


def read(
    conductances: ArrayLike,
    device: Device,
    rng: np.random.Generator,
    *,
    programmed: ArrayLike | None = None,
    time: float = 0.0,
) -> NDArray[np.float64]:
    """Conductances that one read sees [S]: G (1 + s N(0, 1)), never negative; s = `device.read_noise`.

    `conductances` of any shape [S]; each element is drawn anew, independently of earlier reads. (Measured
    cells also have slow jumps, which this leaves out.) Under a law, `device.noise`, it gives s of each cell, scaled so
    that it is `device.read_noise` at g_max right after programming; `programmed` are then the conductances right after
    programming [S], those given if left out, and `time` is what has passed since [s].
    """
    conductances = np.asarray(conductances, dtype=np.float64)
    noise = rng.standard_normal(conductances.shape)
    if device.noise is None:
        return conductances * np.maximum(1.0 + device.read_noise * noise, 0.0)
    at_start = conductances if programmed is None else programmed
    at_top = float(device.noise.sigma(device.g_max, device.g_max, device.g_max, 0.0)) / device.g_max
    scale = device.read_noise / at_top if at_top > 0.0 else 1.0
    sigma = scale * device.noise.sigma(conductances, at_start, device.g_max, time)
    return np.maximum(conductances + sigma * noise, 0.0)


def drift_exponents(targets: ArrayLike, device: Device, rng: np.random.Generator) -> NDArray[np.float64]:
    """How fast each cell drifts [1], of the shape of `targets` [S]: drawn with each programming, kept until the next.

    Zero for a device without drift.
    """
    if device.drift is None:
        return np.zeros(np.shape(targets))
    return device.drift.exponents(targets, device.g_max, rng)


def drifted(conductances: ArrayLike, exponents: ArrayLike, device: Device, time: float) -> NDArray[np.float64]:
    """Conductances [S] at `time` [s] after programming, from those right after it and `drift_exponents`.

    Raises CosimError for a time before programming, and for time 0 where the law of the device is none there.
    """
    cells = np.asarray(conductances, dtype=np.float64)
    if device.drift is None:
        return cells.copy()
    if not time >= device.drift.least_time or not np.isfinite(time):
        raise CosimError(
            f"the drift of the device {device.name} is not defined at this time", value=time,
            allowed=f"from {format_si(device.drift.least_time, 's')} after programming",
        )  # fmt: skip
    return cells * device.drift.factor(exponents, time)


def current(voltage: ArrayLike, conductance: ArrayLike, device: Device) -> NDArray[np.float64]:
    """Current through cells [A], positive from top to bottom electrode.

        I = G V_read sinh(V / V_0) / sinh(V_read / V_0)

    `voltage` [V] and `conductance` [S] are broadcast against each other. At V = V_read the current is G
    V_read, which is how G is measured. `memristor_sinh` in `model.cir` is the same equation. Meant for |V| up
    to 0.3 V; the factor over a linear cell of the same small-signal conductance is 1.036 at 0.2 V with V_0 =
    0.43 V.
    """
    voltage = np.asarray(voltage, dtype=np.float64)
    scale = device.v_read / np.sinh(device.v_read / device.v_0)
    return np.asarray(conductance, dtype=np.float64) * (scale * np.sinh(voltage / device.v_0))


def _check_window(targets: NDArray[np.float64], device: Device) -> None:
    slack = _ROUNDING * device.g_max
    inside = (targets >= device.g_min - slack) & (targets <= device.g_max + slack)
    if inside.all():
        return
    outside = targets[~inside]
    count = "" if targets.size == 1 else f" ({outside.size} of {targets.size} cells)"
    raise CosimError(
        f"the device {device.name} cannot hold this conductance{count}",
        value=format_si(outside.flat[0], "S"),
        allowed=f"{format_si(device.g_min, 'S')} to {format_si(device.g_max, 'S')}",
    )
