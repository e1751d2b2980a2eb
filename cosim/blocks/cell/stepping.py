"""Blind SET pulses: the step that each makes, by chance, over conductance and memory of the RESET.

    m_p = exp(-p / memory),   G_p = clip(G_p-1 + N(mean, sd), g_lowest, g_highest)
    mean = mean_slope G + mean_offset + mean_memory m,   sd = sd_slope G + sd_offset + sd_memory m

(Nandakumar et al., J. Appl. Phys. 124, 152135 (2018)). All numbers have the greatest likelihood of all steps together,
each normal and cut off at what a cell can have.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from cosim.blocks.cell.judging import Together, distribution, score_limit, variance_score
from cosim.blocks.cell.likelihood import maximum_likelihood, normal_nll, normal_share
from cosim.blocks.cell.observations import Absent, Observations, Part, fitted_number, odd
from cosim.blocks.model import Parameter
from cosim.blocks.residuals import Residuals
from cosim.devices.pulses import SetPulses
from cosim.seeds import stream

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

LAWS = {"plain": "steps of SET pulses affine in G", "memory": "steps of SET pulses affine in G and memory of the RESET"}
_AT_LIMIT = 1e-6  # relative: a value this near to what a cell can have lies there
_GRID = 400  # conductances on which a distribution is followed from pulse to pulse
SPLIT = "devices of odd number"

_UNITS = {"mean_slope": "1", "mean_offset": "S", "mean_memory": "S", "sd_slope": "1", "sd_offset": "S",
          "sd_memory": "S", "memory": "1"}  # fmt: skip
_TEXTS = {
    "mean_slope": "mean step over conductance", "mean_offset": "mean step at no conductance, memory gone",
    "mean_memory": "mean step that the memory of the RESET adds", "sd_slope": "spread of the step over conductance",
    "sd_offset": "spread of the step at no conductance, memory gone",
    "sd_memory": "spread of the step that the memory of the RESET adds", "memory": "pulses in which the memory fades",
}  # fmt: skip


@dataclass(frozen=True)
class Steps:
    """Conductance after each pulse, shape (devices, pulses + 1) [S], and what a cell can have."""

    conductance: Array
    limits: tuple[float, float]

    @property
    def cut(self) -> tuple[float, float]:
        return self.limits[0] * (1 + _AT_LIMIT), self.limits[1] * (1 - _AT_LIMIT)

    @property
    def held_out(self) -> Mask:
        return odd(len(self.conductance))


def observe(found: Observations) -> Steps:
    """Trains of blind SET pulses of several devices."""
    conductance = found.cells("blind_conductance", ("device", "blind_pulse"))
    if len(conductance) < 4 or conductance.shape[1] < 3:
        raise Absent("the statistics of pulses need four devices and two pulses or more")
    return Steps(conductance, found.limits)


def _pairs(steps: Steps, which: Mask) -> tuple[Array, Array, Array]:
    """Conductance before and after each known step, and the number of the pulse."""
    g = steps.conductance[which]
    number = np.broadcast_to(np.arange(1, g.shape[1]), (len(g), g.shape[1] - 1))
    known = np.isfinite(g[:, :-1]) & np.isfinite(g[:, 1:])
    return g[:, :-1][known], g[:, 1:][known], number[known].astype(np.float64)


def fit_law(steps: Steps, law: str) -> Part:
    """Numbers of greatest likelihood on devices of even number."""
    before, after, number = _pairs(steps, ~steps.held_out)
    size = 7 if law == "memory" else 4
    if len(before) < 4 * size:
        raise Absent(f"a law '{law}' of steps needs {4 * size} of them")
    scale = float(np.std(after - before))
    low, high = steps.cut
    basis = [before / scale, np.ones(before.shape)]

    def moments(unknown: Array) -> tuple[Array, Array]:
        mean = unknown[0] * basis[0] + unknown[1]
        sd = unknown[2] * basis[0] + unknown[3]
        if law == "memory":
            m = np.exp(-number * np.exp(-unknown[6]))
            mean, sd = mean + unknown[4] * m, sd + unknown[5] * m
        return mean, sd

    def nll(unknown: Array) -> float:
        mean, sd = moments(unknown)
        return normal_nll(after / scale, before / scale + mean, np.maximum(sd, 1e-6), low / scale, high / scale)

    step = (after - before) / scale
    line = np.linalg.lstsq(np.column_stack(basis), step, rcond=None)[0]
    start = np.array([*line, 0.0, 1.0])
    if law == "memory":
        start = np.array([*start, 0.5, 0.5, np.log(2.0)])
    best = maximum_likelihood(nll, start, len(before), "the SET pulses")
    names = ["mean_slope", "mean_offset", "sd_slope", "sd_offset", "mean_memory", "sd_memory", "memory"][:size]
    parameters = {}
    for name, *ends in zip(names, best.values, best.low, best.high, strict=True):
        factor = scale if _UNITS[name] == "S" else 1.0
        v, a, b = (float(np.exp(each)) if name == "memory" else factor * float(each) for each in ends)
        parameters[f"pulses.{name}"] = fitted_number(v, _UNITS[name], a, b, _TEXTS[name])
    parameters |= _reset(steps)
    known = steps.conductance[np.isfinite(steps.conductance)]
    domain = {"pulse_conductance": (float(known.min()), float(known.max())),
              "pulses": (0.0, float(steps.conductance.shape[1] - 1))}  # fmt: skip
    return Part(law, parameters, best.bic, domain, {"limits": list(steps.limits)})


def _reset(steps: Steps) -> dict[str, Parameter]:
    """Mean and spread after RESET, what lies at the lowest conductance cut off there."""
    first = steps.conductance[~steps.held_out, 0]
    first = first[np.isfinite(first)]
    low, high = steps.cut
    inside = first[(first > low) & (first < high)]
    texts = ("conductance after RESET", "its spread")
    if len(inside) < 3:  # all at the limit: nothing more can be said
        level = float(first.mean())
        return {"pulses.g_reset": fitted_number(level, "S", np.nan, np.nan, texts[0]),
                "pulses.g_reset_sd": fitted_number(0.0, "S", np.nan, np.nan, texts[1])}  # fmt: skip
    scale, level = float(first.std()), float(first.mean())

    def nll(unknown: Array) -> float:
        mean, sd = np.full(first.shape, unknown[0]), np.full(first.shape, np.exp(unknown[1]))
        return normal_nll((first - level) / scale, mean, sd, (low - level) / scale, (high - level) / scale)

    best = maximum_likelihood(nll, [0.0, 0.0], len(first), "the conductance after RESET")
    mean = [level + scale * float(each[0]) for each in (best.values, best.low, best.high)]
    sd = [scale * float(np.exp(each[1])) for each in (best.values, best.low, best.high)]
    return {"pulses.g_reset": fitted_number(mean[0], "S", mean[1], mean[2], texts[0]),
            "pulses.g_reset_sd": fitted_number(sd[0], "S", sd[1], sd[2], texts[1])}  # fmt: skip


def pulses_law(part: Part) -> SetPulses:
    """The device's law with the fitted numbers; without memory in it the memory counts for nothing."""
    given = {name.removeprefix("pulses."): part.value(name) for name in part.parameters}
    return SetPulses(**({"memory": 1.0, "mean_memory": 0.0, "sd_memory": 0.0} | given))


def after_pulses(law: SetPulses, limits: tuple[float, float], pulses: int) -> tuple[Array, Array]:
    """Mean and standard deviation of the conductance after 0 .. `pulses` SET pulses since RESET, shape (pulses + 1,).

    The distribution is followed on a grid of conductances, with what is cut off at the limits [S].
    """
    edges = np.linspace(*limits, _GRID + 1)
    grid = np.r_[limits[0], 0.5 * (edges[1:] + edges[:-1]), limits[1]]
    # RESET's narrow distribution by three nodes, of its own mean and spread (Gauss and Hermite).
    nodes = np.clip(law.g_reset + law.g_reset_sd * np.sqrt(3.0) * np.array([-1.0, 0.0, 1.0]), *limits)
    share = np.array([1.0, 4.0, 1.0]) / 6.0
    mean, spread, memory = [], [], 1.0
    for number in range(pulses + 1):
        first = float(share @ nodes)
        mean.append(first)
        spread.append(float(np.sqrt(max(share @ (nodes - first) ** 2, 0.0))))
        if number < pulses:
            memory *= float(np.exp(-1.0 / law.memory))
            step_sd = np.maximum(law.step_sd(nodes, memory), 1e-3 * (edges[1] - edges[0]))
            share = share @ _cells(edges, nodes + law.step_mean(nodes, memory), step_sd)
            nodes = grid
    return np.array(mean), np.array(spread)


def _cells(edges: Array, mean: Array, sd: Array) -> Array:
    """Share of normal laws in each cell of a grid, with what lies beyond at its ends: shape (laws, cells + 2)."""
    below = special.ndtr((edges - mean[:, None]) / sd[:, None])
    return np.column_stack([below[:, 0], np.diff(below, axis=1), 1.0 - below[:, -1]])


def residuals(part: Part, steps: Steps) -> list[Residuals]:
    """Distribution of the single steps; mean and spread of the devices after each pulse, in standard errors."""
    law, held = pulses_law(part), steps.held_out
    free = len(part.parameters)
    shares, sides = [], []
    for side in (False, True):
        before, after, number = _pairs(steps, held == side)
        memory = np.exp(-number / law.memory)
        rng = np.random.default_rng(stream(0, f"cell fit: steps {side}"))
        sd = np.maximum(law.step_sd(before, memory), 1e-300)
        shares.append(normal_share(after, before + law.step_mean(before, memory), sd, rng, *steps.cut))
        sides.append(np.full(before.shape, side))
    found = [distribution("pulse_step", np.concatenate(shares), np.concatenate(sides), parameters=free, split=SPLIT)]
    pulses = steps.conductance.shape[1] - 1
    mean, spread = after_pulses(law, steps.limits, pulses)
    for quantity, of in (("pulse_mean", "mean"), ("pulse_spread", "spread")):
        rows = []
        for side in (False, True):
            g = steps.conductance[held == side][:, 1:]
            count = np.isfinite(g).sum(axis=0)
            average, sd = np.nanmean(g, axis=0), np.nanstd(g, axis=0, ddof=1)
            if of == "mean":
                score = (mean[1:] - average) / (spread[1:] / np.sqrt(count))
                rows.append((average, mean[1:], score))
            else:
                rows.append((sd, spread[1:], variance_score((count - 1) * sd**2, count - 1.0, spread[1:] ** 2)))
        reference, told, score = (np.concatenate([row[k] for row in rows]) for k in range(3))
        side_of = np.repeat([False, True], pulses)
        # One device keeps its lead from pulse to pulse: the scores hang together and count as one.
        limit = score_limit(1, 1, float((~held).sum()), float(held.sum()))
        found.append(Together(quantity, reference, told, score, "standard errors", side_of,
                              np.tile(np.arange(1.0, pulses + 1), 2), "SET pulses since RESET [1]", limit=limit,
                              split=SPLIT, parameters=free))  # fmt: skip
    return found
