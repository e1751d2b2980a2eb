"""SET and RESET in turn: how the conductances they leave spread from cycle to cycle and from device to device.

    ln G = N(median, between) of the device + N(0, within) of the cycle

The log-normal law is that of many small causes which multiply; the balanced analysis of variance gives both spreads
(R. A. Fisher; S. Searle, Variance Components, 1992).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from cosim.blocks.cell.judging import scores, variance_score
from cosim.blocks.cell.observations import Absent, Observations, Part, fitted_number, odd
from cosim.blocks.model import Parameter
from cosim.blocks.regression import mean_interval, spread_interval
from cosim.blocks.residuals import Residuals

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

LAWS = {"lognormal": "log-normal spread within and between devices"}
SPLIT = "devices of odd number"
NO_SPREAD = 1e-6  # of ln G: a simulated state that rests at the end of its window


@dataclass(frozen=True)
class Turns:
    """ln of the conductance in siemens, shape (polarities, devices, cycles), and the names of the polarities."""

    log: Array
    polarities: tuple[str, ...]

    @property
    def held_out(self) -> Mask:
        return odd(self.log.shape[1])


def observe(found: Observations) -> Turns:
    """Cycles of four devices or more, two cycles each."""
    conductance = found.values("cycle_conductance", ("polarity", "device", "cycle"))
    _, devices, cycles = conductance.shape
    if devices < 4 or cycles < 2:
        raise Absent("the spread of cycles needs four devices of two cycles or more")
    with np.errstate(invalid="ignore", divide="ignore"):
        log = np.log(np.where(conductance > 0, conductance, np.nan))
    if np.isnan(log).any():
        raise Absent("a cycle is missing, or left no conductance at all")
    if np.ptp(log, axis=(1, 2)).max() < NO_SPREAD:
        raise Absent("every cycle leaves the same conductance")
    return Turns(log, tuple(str(each) for each in found.coordinate("polarity", "cycle_conductance")))


def fit_law(turns: Turns, law: str) -> Part:
    """Median and both spreads of each polarity, from devices of even number."""
    seen = turns.log[:, ~turns.held_out]
    _, devices, cycles = seen.shape
    parameters: dict[str, Parameter] = {}
    bic = 0.0
    for polarity, log in zip(turns.polarities, seen, strict=True):
        of_device = log.mean(axis=1)
        within = float(np.sqrt(log.var(axis=1, ddof=1).mean()))
        total = float(of_device.std(ddof=1))
        between = float(np.sqrt(max(total**2 - within**2 / cycles, 0.0)))
        low, high = spread_interval(within, devices * (cycles - 1) + 1)
        # Of the ratio F of the two variances Fisher's law; a spread cannot be less than none.
        freedom = (devices - 1, devices * (cycles - 1))
        ratio = cycles * total**2 / max(within**2, 1e-300)
        edges = [
            within * np.sqrt(max(ratio / stats.f.ppf(share, *freedom) - 1.0, 0.0) / cycles) for share in (0.975, 0.025)
        ]
        center = mean_interval(float(of_device.mean()), total, devices)
        median = np.exp([of_device.mean(), *center])
        name = f"cycles.{polarity.lower()}"
        parameters[f"{name}_median"] = fitted_number(
            float(median[0]), "S", float(median[1]), float(median[2]), f"median conductance after {polarity}"
        )
        if np.ptp(log) < NO_SPREAD:
            continue
        parameters |= {
            f"{name}_within": fitted_number(within, "1", low, high, f"spread of ln G after {polarity}, cycle to cycle"),
            f"{name}_between": fitted_number(
                between, "1", min(edges[0], between), max(edges[1], between),
                f"spread of ln G after {polarity}, device to device",
            ),
        }  # fmt: skip
        bic += log.size * np.log(max(float(log.var()), 1e-300))
    return Part(law, parameters, bic, {}, {"polarities": list(turns.polarities), "cycles": cycles})


def residuals(part: Part, turns: Turns) -> list[Residuals]:
    """Median of each device, and its spread from cycle to cycle, in standard errors; of what spreads at all."""
    spreads = [f"cycles.{each.lower()}_within" in part.parameters for each in turns.polarities]
    log, names = turns.log[spreads], [f"cycles.{each.lower()}" for each in np.array(turns.polarities)[spreads]]
    _, devices, cycles = log.shape
    held = np.tile(turns.held_out, len(names))
    median, within, between = (
        np.repeat([part.value(f"{name}_{kind}") for name in names], devices) for kind in ("median", "within", "between")
    )
    level = log.mean(axis=2).ravel()
    error = np.sqrt(between**2 + within**2 / cycles)
    points = (float((~turns.held_out).sum()), float(turns.held_out.sum()))
    x = np.tile(np.arange(devices, dtype=np.float64), len(names))
    squares = (log.var(axis=2, ddof=1) * (cycles - 1)).ravel()
    score = variance_score(squares, cycles - 1.0, within**2)
    free = len(part.parameters)
    return [
        scores("cycle_median", np.exp(level), median, (np.log(median) - level) / error, held, x, "device [1]",
               parameters=free, points=points, split=SPLIT),
        scores("cycle_spread", np.sqrt(squares / (cycles - 1)), within, score, held, x, "device [1]",
               parameters=free, points=points, split=SPLIT),
    ]  # fmt: skip
