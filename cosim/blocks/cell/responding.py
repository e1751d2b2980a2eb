"""Trains of equal pulses: how the conductance approaches its end, over pulses, width and amplitude.

    G(n) = G_0 + (G_end - G_0) (1 - exp(-(n w / tau)^shape)),   G_end = g_end a^p,   tau = tau_1 a^-q

G_0 is what the train started from, n pulses of width w and amplitude a, both relative to the device's own. Pulses that
follow each other count by their total time: what the state does in one long pulse it does in several short ones. An
empirical law of gradual devices (P.-Y. Chen et al., IEDM 2017, with shape = 1); a device that jumps has none.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import least_squares

from cosim.blocks.cell.observations import Absent, Observations, Part, fitted_number
from cosim.blocks.model import Parameter
from cosim.blocks.regression import jackknife
from cosim.blocks.residuals import Residuals

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

LAWS = {"gradual": "approach of the conductance to its end under equal pulses"}
ERROR_LIMIT = 0.1  # of the range of conductances in that direction, rms
_MOST_MISFIT = 0.08  # the same on the points of the fit, beyond which the law is none for this device
_LEAST_TRAINS = 2  # fitted in each direction; an interval needs four
_MOST_TAU = 2.0  # factor within which the jackknife must know tau: else the response is a jump that chance places


@dataclass(frozen=True)
class Trains:
    """Points after at least one pulse, shape (points,).

    Attributes
    ----------
    polarity: number of the direction. train: number of the train. amplitude, width: relative to the device's own.
    pulse: pulses so far. start, value: conductance before the train and now [S]. scale: range of conductances in that
        direction [S].
    """

    polarity: NDArray[np.int64]
    train: NDArray[np.int64]
    amplitude: Array
    width: Array
    pulse: Array
    start: Array
    value: Array
    scale: Array
    held_out: Mask
    names: tuple[str, ...]
    split: str


def observe(found: Observations) -> Trains:
    """Trains that were read before their first pulse."""
    dims = ("device", "cycle", "polarity", "amplitude", "width", "pulse")
    values = found.values("pulse_conductance", dims)
    devices, cycles, _, amplitudes, widths, _ = values.shape
    pulse = found.coordinate("pulse", "pulse_conductance").astype(np.float64)
    if pulse[0] != 0 or len(pulse) < 4:
        raise Absent("trains need the conductance before the first pulse and after three or more")
    relative = [found.coordinate(name, "pulse_conductance").astype(np.float64) for name in ("amplitude", "width")]
    index = np.indices(values.shape[:-1])
    if devices > 1:
        unseen, split = index[0] % 2 == 1, "devices of odd number"
    elif amplitudes * widths > 1:
        unseen, split = (index[3] + index[4]) % 2 == 1, "every second pair of amplitude and width"
    elif cycles > 1:
        unseen, split = index[1] % 2 == 1, "trains of odd number"
    else:
        raise Absent("one train in a direction leaves nothing to judge by")
    shape = (*values.shape[:-1], len(pulse) - 1)

    def spread(each: NDArray[np.generic]) -> NDArray[np.generic]:
        return np.broadcast_to(each[..., None], shape)

    span = np.nanmax(values, axis=(0, 1, 3, 4, 5)) - np.nanmin(values, axis=(0, 1, 3, 4, 5))
    number = np.arange(index[0].size).reshape(index[0].shape)
    start, value = values[..., :1], values[..., 1:]
    use = np.isfinite(start) & np.isfinite(value) & (span[index[2]] > 0)[..., None]
    if (unseen[..., None] & use).sum() == 0 or (~unseen[..., None] & use).sum() == 0:
        raise Absent("the trains leave nothing to fit, or nothing to judge by")
    columns = (index[2], number, relative[0][index[3]], relative[1][index[4]])
    polarity, train, amplitude, width = (spread(each)[use] for each in columns)
    return Trains(
        polarity, train, amplitude, width, np.broadcast_to(pulse[1:], shape)[use], np.broadcast_to(start, shape)[use],
        value[use], spread(span[index[2]])[use], spread(unseen)[use],
        tuple(str(each) for each in found.coordinate("polarity", "pulse_conductance")), split,
    )  # fmt: skip


def approached(numbers: Array, start: ArrayLike, amplitude: ArrayLike, time: ArrayLike) -> Array:
    """Conductance [S] after pulses of that total time, relative to the device's own width.

    `numbers`: g_end [S], ln tau, ln shape, p, q.
    """
    a, g_0 = np.asarray(amplitude, dtype=np.float64), np.asarray(start, dtype=np.float64)
    end = numbers[0] * a ** numbers[3]
    power = np.exp(numbers[2]) * (np.log(np.asarray(time, dtype=np.float64)) - numbers[1] + numbers[4] * np.log(a))
    return np.asarray(g_0 + (end - g_0) * -np.expm1(-np.exp(np.minimum(power, 50.0))))


def fit_law(trains: Trains, law: str) -> Part:
    """Least squares of each direction relative to its range; intervals by the jackknife over trains."""
    parameters: dict[str, Parameter] = {}
    bic = 0.0
    for number, name in enumerate(trains.names):
        own = (trains.polarity == number) & ~trains.held_out
        if len(np.unique(trains.train[own])) < _LEAST_TRAINS:
            continue
        rows, misfit = _direction(trains, own, name)
        tau = rows[f"response.{name.lower()}_tau"]
        vague = tau.high is not None and not np.max(tau.high) <= _MOST_TAU * np.max(tau.value)
        if misfit > _MOST_MISFIT or vague:
            continue
        parameters |= rows
        bic += 2 * own.sum() * np.log(misfit)
    if not parameters:
        raise Absent(
            f"no direction has {_LEAST_TRAINS} trains to fit in which the conductance approaches its end by one law"
            f" within {_MOST_MISFIT:.0%} of its range; what switches at once has none"
        )
    time = trains.pulse * trains.width
    domain = {"amplitude": (float(trains.amplitude.min()), float(trains.amplitude.max())),
              "pulse_time": (float(time.min()), float(time.max()))}  # fmt: skip
    return Part(law, parameters, float(bic), domain)


def _direction(trains: Trains, own: Mask, name: str) -> tuple[dict[str, Parameter], float]:
    """Parameters of one direction, and the misfit of the points that they were fitted to."""
    amplitude, time = trains.amplitude[own], (trains.pulse * trains.width)[own]
    start, value, scale = trains.start[own], trains.value[own], trains.scale[own]
    several = len(np.unique(amplitude)) > 1
    last = float(np.median(value[time >= np.quantile(time, 0.8)]))
    size = 5 if several else 3

    def numbers(unknown: Array) -> Array:
        full = np.zeros(5)
        full[: len(unknown)] = unknown
        full[0] *= scale[0]
        return full

    def error(unknown: Array, mask: Mask) -> Array:
        told = approached(numbers(unknown), start[mask], amplitude[mask], time[mask])
        return (told - value[mask]) / scale[mask]

    bounds = (np.array([-5.0, -15.0, -2.5, -20.0, -40.0])[:size], np.array([20.0, 15.0, 2.5, 20.0, 40.0])[:size])

    def solve(mask: Mask, begin: Array | None = None) -> Array:
        first = np.zeros(size)
        first[:2] = last / scale[0], np.log(np.median(time))
        begin = first if begin is None else begin
        return np.asarray(least_squares(error, begin, args=(mask,), bounds=bounds, max_nfev=400).x)

    every = np.ones(time.shape, dtype=bool)
    best = solve(every)
    ends = np.array([best, np.full(size, np.nan), np.full(size, np.nan)])
    if len(np.unique(trains.train[own])) >= 4:
        estimate = jackknife(lambda mask: best if mask.all() else solve(mask, best), trains.train[own])
        ends = np.array([estimate.values, estimate.low, estimate.high])
    head = f"response.{name.lower()}"
    rows = {
        "g_end": (ends[:, 0] * scale[0], "S", f"conductance that {name} pulses end at"),
        "tau": (np.exp(ends[:, 1]), "1", f"pulses in which {name} comes there"),
        "shape": (np.exp(ends[:, 2]), "1", f"exponent of time in the approach under {name}"),
    }
    if several:
        rows["end_power"] = (ends[:, 3], "1", f"power of the amplitude in the end of {name}")
        rows["rate_power"] = (ends[:, 4], "1", f"power of the amplitude in the speed of {name}")
    misfit = float(np.sqrt(np.mean(error(best, every) ** 2)))
    return {
        f"{head}_{key}": fitted_number(float(v), unit, float(low), float(high), text)
        for key, ((v, low, high), unit, text) in rows.items()
    }, misfit


def response_of(part: Part, polarity: str, start: ArrayLike, amplitude: ArrayLike, time: ArrayLike) -> Array:
    """The law of one direction, see `approached`."""
    head = f"response.{polarity.lower()}"

    def number(key: str) -> float:
        return part.value(f"{head}_{key}") if f"{head}_{key}" in part.parameters else 0.0

    numbers = np.array([number("g_end"), np.log(number("tau")), np.log(number("shape")), number("end_power"),
                        number("rate_power")])  # fmt: skip
    return approached(numbers, start, amplitude, time)


def residuals(part: Part, trains: Trains) -> list[Residuals]:
    """Error of each direction that has a law, relative to its range."""
    found = []
    for number, name in enumerate(trains.names):
        if f"response.{name.lower()}_g_end" not in part.parameters:
            continue
        own = trains.polarity == number
        time = (trains.pulse * trains.width)[own]
        told = response_of(part, name, trains.start[own], trains.amplitude[own], time)
        free = len([key for key in part.parameters if key.startswith(f"response.{name.lower()}_")])
        error = (told - trains.value[own]) / trains.scale[own]
        found.append(
            Residuals(f"response_{name.lower()}", trains.value[own], told, error, "of the range", trains.held_out[own],
                      time, "total time of the pulses, in pulse widths [1]", limit=ERROR_LIMIT, split=trains.split,
                      parameters=free)
        )  # fmt: skip
    return found
