"""Drift: what time takes from a conductance, and how cells differ in it.

    power         G(t) = G (t / t_0)^(-nu)              t since the last pulse
    all others    G(t) = G ((t + t_0) / t_0)^(-nu)      t since the end of programming

Each cell has its own nu = |N(mean, sd)|; mean and sd are affine in ln r between limits (Joshi et al., Nature
Communications 11, 2473 (2020)), r of the programmed conductance. First t_0, which all cells share, from the course over
time; then nu of every cell; then mean and sd from all nu, by the greatest likelihood.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import special
from scipy.optimize import minimize_scalar

from cosim.blocks.cell.exponents import LEAST_SPREAD, law_of_exponents
from cosim.blocks.cell.judging import distribution
from cosim.blocks.cell.observations import Absent, Observations, Part, fitted_number, odd
from cosim.blocks.regression import jackknife
from cosim.blocks.residuals import Residuals
from cosim.devices.laws import DriftLaw, PowerDrift, SpreadPowerDrift

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

LAWS = {
    "power": "one nu for all cells, time since the last pulse",
    "one": "one nu for all cells",
    "constant": "nu with one mean and spread",
    "affine": "mean and spread of nu affine in ln G",
    "plateau": "mean and spread of nu affine in ln G down to a least one",
    "limits": "mean and spread of nu affine in ln G between limits",
}
ERROR_LIMIT = 0.02  # relative error of the conductance after a time, rms
_RESOLUTION = 1e-9  # relative, of a simulated conductance
_AT_LIMIT = 1e-6  # relative: a value this near to what a cell can have lies there
_T_0 = (1e-6, 1e9)  # [s] within which t_0 is looked for


@dataclass(frozen=True)
class Drifted:
    """ln(G(t) / G) of cells, shape (cells, times); NaN where it is missing or the cell reached a limit.

    Attributes
    ----------
    start: conductance right after programming, or at the first time where that was not measured [S], shape (cells,).
    anchored: whether `start` was measured right after programming.
    device: number of the device of each cell. time: [s].
    unseen_time: times held out. unseen_cell: cells held out.
    """

    log: Array
    start: Array
    device: NDArray[np.int64]
    time: Array
    unseen_cell: Mask
    unseen_time: Mask
    anchored: bool
    g_ref: float
    limits: tuple[float, float]

    @cached_property
    def time_scales(self) -> dict[str, tuple[float, float, float, float]]:
        """Course over time, "power" or "spread" -> t_0 and its interval [s], and the information criterion."""
        return {kind: _time_scale(self, kind) for kind in ("power", "spread")}

    @property
    def split(self) -> str:
        times = ", and every third time" if self.unseen_time.any() else ""
        return f"devices of odd number{times}" if self.unseen_cell.any() else "every third time"


def observe(found: Observations) -> Drifted:
    """Courses of all cells that keep off the limits of a cell."""
    drifted = found.cells("drift_conductance", ("state", "device", "time"))
    time = found.coordinate("time", "drift_conductance").astype(np.float64)
    states, devices, times = drifted.shape
    if times < 2 and not found.has("programmed_conductance"):
        raise Absent("drift needs two times or more")
    order = np.argsort(time)
    drifted, time = drifted[:, :, order], time[order]
    start, anchored = drifted[:, :, 0], False
    if found.has("programmed_conductance"):
        programmed = found.cells("programmed_conductance", ("state", "device"))
        if programmed.shape == start.shape:
            start, anchored = programmed, True
    low, high = found.limits
    inside = (drifted > max(low * (1 + _AT_LIMIT), 0.0)) & (drifted < high * (1 - _AT_LIMIT))
    free = np.isfinite(start) & (start > max(low * (1 + _AT_LIMIT), 0.0)) & (start < high * (1 - _AT_LIMIT))
    use = inside & free[..., None] & (time >= 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        log = np.where(use, np.log(drifted / start[..., None]), np.nan)
    if (time == 0).any():
        log[:, :, time == 0] = np.nan
    device = np.broadcast_to(np.arange(devices), (states, devices)).ravel()
    log = log.reshape(-1, times)
    least = 2 if anchored or times > 2 else 1
    known = np.isfinite(log).sum(axis=1) >= min(least, times)
    unseen_time = (np.arange(times) % 3 == 2) if times > 2 else np.zeros(times, dtype=bool)
    unseen_cell = odd(devices)[device][known]
    if not known.any() or not (unseen_cell.any() or unseen_time.any()) or unseen_cell.all():
        raise Absent("drift needs two devices or three times, some to judge by, off the limits of a cell")
    return Drifted(log[known], start.ravel()[known], device[known], time, unseen_cell, unseen_time, anchored,
                   found.g_ref, found.limits)  # fmt: skip


def _exponents(course: Drifted, kind: str, t_0: float, times: Mask, cells: Mask) -> tuple[Array, Array, Array]:
    """nu of each cell and its standard error by least squares, and what is left of the courses (cells, times)."""
    log, ages = course.log[cells][:, times], course.time[times]
    basis = np.log(ages / t_0) if kind == "power" else np.log1p(ages / t_0)
    known = np.isfinite(log)
    y, b = np.where(known, log, 0.0), np.where(known, basis, 0.0)
    if not course.anchored:  # the level at the first time is as uncertain as all others: a free one for each cell
        count = np.maximum(known.sum(axis=1, keepdims=True), 1)
        y = np.where(known, y - y.sum(axis=1, keepdims=True) / count, 0.0)
        b = np.where(known, b - b.sum(axis=1, keepdims=True) / count, 0.0)
    weight = (b**2).sum(axis=1)
    nu = -(y * b).sum(axis=1) / np.maximum(weight, 1e-300)
    left = np.where(known, y + nu[:, None] * b, np.nan)
    freedom = max(int(known.sum()) - len(nu) * (1 if course.anchored else 2) - 1, 1)
    noise = np.sqrt(max(float(np.nansum(left**2)) / freedom, _RESOLUTION**2))
    return nu, noise / np.sqrt(np.maximum(weight, 1e-300)), left


def _search(course: Drifted, kind: str, cells: Mask, around: float | None = None) -> tuple[float, float]:
    """ln t_0 of least squares over the times of the fit, and the sum of squares."""
    times = ~course.unseen_time

    def left(log_t_0: float) -> float:
        return float(np.nansum(_exponents(course, kind, float(np.exp(log_t_0)), times, cells)[2] ** 2))

    low, high = np.log(_T_0)
    grid = np.linspace(low, high, 70) if around is None else around + np.linspace(-1.0, 1.0, 5)
    best = float(grid[int(np.argmin([left(each) for each in grid]))])
    reach = (high - low) / 69 if around is None else 0.5
    found = minimize_scalar(left, bounds=(best - reach, best + reach), method="bounded", options={"xatol": 1e-9})
    return float(found.x), float(found.fun)


def _time_scale(course: Drifted, kind: str) -> tuple[float, float, float, float]:
    """t_0 with its interval by the jackknife over devices [s], and the information criterion of the courses."""
    cells = ~course.unseen_cell
    log_t_0, squares = _search(course, kind, cells)
    points = int(np.isfinite(course.log[cells][:, ~course.unseen_time]).sum())
    bic = points * np.log(squares / points + _RESOLUTION**2) + np.log(points)
    devices, low, high = course.device[cells], np.nan, np.nan
    if len(np.unique(devices)) > 2:
        where = np.flatnonzero(cells)

        def solve(mask: Mask) -> Array:
            chosen = np.zeros(cells.shape, dtype=bool)
            chosen[where[mask]] = True
            return np.array([_search(course, kind, chosen, log_t_0)[0]])

        estimate = jackknife(solve, _few_groups(devices))
        low, high = float(np.exp(estimate.low[0])), float(np.exp(estimate.high[0]))
    return float(np.exp(log_t_0)), low, high, float(bic)


def fit_law(course: Drifted, law: str) -> Part:
    """The course over time by least squares, then the law of nu by greatest likelihood."""
    cells = ~course.unseen_cell
    kind = "power" if law == "power" else "spread"
    if kind == "power" and not course.anchored:
        raise Absent("the course over time does not tell this law from the other without the programmed conductance")
    t_0, low, high, bic = course.time_scales[kind]
    parameters = {"drift.t_0": fitted_number(t_0, "s", low, high, "time scale of the drift")}
    nu, error, _ = _exponents(course, kind, t_0, ~course.unseen_time, cells)
    x = np.log(course.start[cells] / course.g_ref)
    groups = _few_groups(course.device[cells])
    found, more = law_of_exponents(law, x, nu, np.maximum(error, LEAST_SPREAD), groups)
    parameters |= more
    start = course.start
    domain = {"drift_conductance": (float(start.min()), float(start.max())),
              "time": (float(course.time.min()), float(course.time.max()))}  # fmt: skip
    ends = [float(x.min()), float(x.max())]
    settings = {"g_ref": course.g_ref, "log_ratio": ends, "anchored": course.anchored}
    return Part(law, parameters, float(bic + found.bic), domain, settings)


def _few_groups(devices: NDArray[np.int64], most: int = 12) -> NDArray[np.int64]:
    """Devices in at most that many groups: a jackknife over a hundred would cost more than it tells."""
    return np.asarray(np.searchsorted(np.unique(devices), devices) % most)


def drift_law(part: Part) -> DriftLaw:
    """The device's law with the fitted numbers; beyond the conductances of the fit its ends hold."""
    t_0 = part.value("drift.t_0")
    if part.law == "power":
        return PowerDrift(t_0, part.value("drift.nu"))
    numbers: dict[str, float] = {}
    for which in ("mean", "sd"):
        if part.law in ("one", "constant"):
            name = "nu" if part.law == "one" and which == "mean" else which
            value = part.value(f"drift.{name}") if f"drift.{name}" in part.parameters else 0.0
            line = {"slope": 0.0, "offset": abs(value), "low": abs(value), "high": abs(value)}
        else:
            line = {kind: part.value(f"drift.{which}_{kind}") for kind in ("slope", "offset")}
            ends = [line["slope"] * x + line["offset"] for x in part.settings["log_ratio"]]
            given = {kind: f"drift.{which}_{kind}" for kind in ("low", "high")}
            low, high = (
                part.value(name) if name in part.parameters else edge
                for name, edge in zip(given.values(), (min(ends), max(ends)), strict=True)
            )
            line |= {"low": max(low, 0.0), "high": max(high, low, 0.0)}
        numbers |= {f"{which}_{kind}": value for kind, value in line.items()}
    return SpreadPowerDrift(t_0=t_0, **numbers)


def residuals(part: Part, course: Drifted) -> list[Residuals]:
    """Relative error of the conductance over time, and the distribution of nu on held-out devices.

    Of a law with a spread each cell's own nu is read from its course at the times of the fit, so that the other times
    alone judge the course, also of devices that were held out; without such times the distribution judges alone.
    """
    law, kind = drift_law(part), "power" if part.law == "power" else "spread"
    t_0, every = part.value("drift.t_0"), np.ones(course.start.shape, dtype=bool)
    nu, error, _ = _exponents(course, kind, t_0, ~course.unseen_time, every)
    alone = part.law in ("power", "one")
    used = np.full(nu.shape, part.value("drift.nu")) if alone else nu
    basis = np.log(course.time / t_0) if kind == "power" else np.log1p(course.time / t_0)
    told = -used[:, None] * basis
    if not course.anchored:
        seen = np.where(course.unseen_time, np.nan, course.log - told)
        told = told + np.nanmean(seen, axis=1, keepdims=True)
    known = np.isfinite(course.log)
    held = np.broadcast_to((alone & course.unseen_cell[:, None]) | course.unseen_time, known.shape)
    part_of = np.where(course.unseen_cell[:, None], "unseen devices", "unseen times")
    part_of = np.broadcast_to(part_of, known.shape).astype(np.str_)
    age = np.broadcast_to(course.time, known.shape)
    free = len(part.parameters)
    level = course.start[:, None]
    split = course.split if alone else "every third time, each cell's nu read from the others"
    found = [
        Residuals("drift", (level * np.exp(course.log))[known], (level * np.exp(told))[known],
                  np.expm1(told - course.log)[known], "relative", held[known], age[known], "time [s]",
                  limit=ERROR_LIMIT, split=split, parameters=free, part=part_of[known])
    ] if held[known].any() else []  # fmt: skip
    if alone or not course.unseen_cell.any() or not isinstance(law, SpreadPowerDrift):
        return found
    mean, sd = law.exponent_mean(course.start, course.g_ref), law.exponent_sd(course.start, course.g_ref)
    total = np.hypot(sd, np.maximum(error, LEAST_SPREAD))
    share = special.ndtr((nu - mean) / total) - special.ndtr((-np.abs(nu) - mean) / total) * (nu > 0)
    found.append(distribution("drift_exponent", share, course.unseen_cell, parameters=free,
                              split="devices of odd number"))  # fmt: skip
    return found
