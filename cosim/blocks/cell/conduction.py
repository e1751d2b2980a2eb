"""The current of a cell over its voltage, state frozen: how far it bends from a straight line.

All laws are tied to the conductance at V_read, I(V_read) = G V_read, which is what programming sets:

    ohmic   I = G V
    sinh    I = G V_read sinh(V / V_0) / sinh(V_read / V_0)        (tunnelling through a gap; Jiang, SISPAD 2014)
    cubic   I = G V (1 + a V^2) / (1 + a V_read^2)                  (what an odd law is at small voltage)
    sinh_power   the sinh law with V_0 = V_0(g_ref) (G / g_ref)^(-p / 2)   (a filament that thins out bends more)

In a "1T1R" cell the same laws hold for the voltage V - R I that the access transistor leaves, R fitted too.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import least_squares

from cosim.blocks.cell.observations import NOT_THERE, Absent, Observations, Part, fitted_number
from cosim.blocks.regression import jackknife
from cosim.blocks.residuals import Residuals

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

LAWS = {"ohmic": "ohmic cell", "sinh": "sinh I-V", "cubic": "cubic I-V", "sinh_power": "sinh I-V, V_0 a power of G"}
ERROR_LIMIT = 0.02  # relative error of the current, rms
RESOLUTION = 1e-6  # relative: below this the simulator's own tolerance is seen (reltol of reading decks), and no law
FROZEN_UP_TO = 1.5  # times V_read: of a loop only the way back to zero below this counts as frozen
LEAST_POINTS = 4  # of a curve


@dataclass(frozen=True)
class Curves:
    """Points of all curves, shape (points,): number of the curve, voltage [V], current [A], conductance at V_read [S].

    `held_out`: odd curves, and all voltages beyond V_read; `part` says which of both.
    """

    curve: NDArray[np.int64]
    voltage: Array
    current: Array
    conductance: Array
    held_out: Mask
    part: NDArray[np.str_]
    v_read: float
    transistor: bool
    split: str
    g_ref: float


def observe(found: Observations) -> Curves:
    """All curves whose conductance at V_read is known."""
    if found.v_read is None:
        if found.has("current") or found.has("loop_current"):
            raise Absent("the data do not state v_read, at which conductance is defined ([config] v_read)")
        raise Absent(f"{NOT_THERE} current over the voltage")
    grid = found.has("current")
    curves = list(_grid(found) if grid else _branches(found, FROZEN_UP_TO * found.v_read))
    if not curves:
        raise Absent(f"no curve has {LEAST_POINTS} points and V_read between them")
    number = np.concatenate([np.full(len(v), k) for k, (_, v, _, _) in enumerate(curves)])
    group = np.concatenate([np.full(len(v), own) for own, v, _, _ in curves])
    voltage, current, conductance = (np.concatenate([each[k] for each in curves]) for k in (1, 2, 3))
    unseen = group % 2 == 1
    if unseen.all():
        raise Absent("every curve is of an odd number, which is held out")
    beyond = np.abs(voltage) > found.v_read * (1 + 1e-9)
    if not (unseen | beyond).any():
        raise Absent("one curve up to V_read alone leaves nothing to judge the fit by")
    part = np.where(unseen, "unseen curves", "voltages beyond V_read").astype(np.str_)
    transistor = found.simulated and found.config.cell == "1T1R"
    what = (
        ("devices" if found.values("current", ("device", "state", "voltage")).shape[0] > 1 else "states")
        if grid
        else ("loops")
    )
    split = f"{what} of odd number, and all voltages beyond V_read"
    g_ref = found.g_ref if np.isfinite(found.g_ref) else float(conductance.max())
    return Curves(number, voltage, current, conductance, unseen | beyond, part, found.v_read, transistor, split, g_ref)


_Curve = tuple[int, Array, Array, Array]
"""Number by which it is held out, voltages, currents, conductance at V_read at each of them."""


def _grid(found: Observations) -> Iterator[_Curve]:
    voltage = found.coordinate("voltage", "current").astype(np.float64)
    current = found.values("current", ("device", "state", "voltage"))
    at_read = found.values("conductance", ("device", "state"))
    devices, states = at_read.shape
    for device, state in np.ndindex(devices, states):
        conductance, own = at_read[device, state], device if devices > 1 else state
        for v, i, between in _curve(voltage, current[device, state], found.v_read or np.nan):
            exact = found.simulated and np.isfinite(conductance)
            yield own, v, i, np.full(len(v), conductance) if exact else between


def _branches(found: Observations, v_limit: float) -> Iterator[_Curve]:
    """Ways back to zero voltage of hysteresis loops, where the state no longer moves."""
    currents = found.values("loop_current", ("loop", "loop_point"))
    voltages = np.broadcast_to(np.atleast_2d(found.coordinate("loop_voltage", "loop_current")), currents.shape)
    for number, (all_voltages, all_currents) in enumerate(zip(voltages, currents, strict=True)):
        known = np.isfinite(all_voltages) & np.isfinite(all_currents)
        voltage, current = all_voltages[known], all_currents[known]
        falling = np.r_[False, np.diff(np.abs(voltage)) < 0] & (np.abs(voltage) <= v_limit) & (voltage != 0)
        ends = np.flatnonzero(np.diff(np.r_[0, falling.astype(int), 0]))
        for start, stop in zip(ends[::2], ends[1::2], strict=True):
            for curve in _curve(voltage[start:stop], current[start:stop], found.v_read or np.nan):
                yield number, *curve


def _curve(voltage: Array, current: Array, v_read: float) -> Iterator[tuple[Array, Array, Array]]:
    """The curve's points off zero with its conductance at V_read; nothing where that lies outside of its points."""
    use = np.isfinite(current) & (np.abs(voltage) > 1e-12) & (current * voltage > 0)
    if use.sum() < LEAST_POINTS:
        return
    v, i = voltage[use], current[use]
    at = v_read if v.max() >= v_read * (1 - 1e-9) else -v_read
    side = np.sign(v) == np.sign(at)
    order = np.argsort(np.abs(v[side]))
    far, slope = np.abs(v[side])[order], (i / v)[side][order]
    if far[0] > v_read * (1 + 1e-9) or far[-1] < v_read * (1 - 1e-9):
        return
    # Between two points the conductance, nearly a parabola, is taken as straight over V^2.
    yield v, i, np.full(len(v), np.interp(v_read**2, far**2, slope))


def sinhc(square: ArrayLike) -> Array:
    """sinh(x) / x over x^2, on through zero to sin(x) / x: smooth for a fit that does not know the sign."""
    q = np.asarray(square, dtype=np.float64)
    x = np.sqrt(np.abs(q))
    safe = np.where(x < 1e-2, 1.0, x)
    near = 1.0 + q / 6.0 * (1.0 + q / 20.0 * (1.0 + q / 42.0))
    return np.where(x < 1e-2, near, np.where(q > 0, np.sinh(safe), np.sin(safe)) / safe)


def predicted(
    law: str, voltage: ArrayLike, conductance: ArrayLike, v_read: float, bend: ArrayLike, resistance: float = 0.0
) -> Array:
    """Current [A] at voltages [V] of cells of that conductance at V_read [S]; the arrays are broadcast.

    `bend` [1/V^2], of each cell: 1 / V_0^2 of the sinh law, a of the cubic one. `resistance` R [ohm] in series:
    I = f(V - R I), by Newton's method.
    """
    v, g = np.broadcast_arrays(np.asarray(voltage, dtype=np.float64), np.asarray(conductance, dtype=np.float64))
    bend = np.asarray(bend, dtype=np.float64)
    inner = v_read * (1.0 - resistance * g)
    amplitude = g * v_read / (inner * _shape(law, bend * inner**2))
    current = amplitude * v * _shape(law, bend * v**2)
    if resistance == 0.0:
        return np.asarray(current)
    for _ in range(30):
        u = v - resistance * current
        step = (current - amplitude * u * _shape(law, bend * u**2)) / (
            1.0 + resistance * amplitude * _slope(law, bend * u**2)
        )
        current = current - step
        if np.abs(step).max() <= 1e-15 * np.abs(current).max():
            break
    return np.asarray(current)


def _shape(law: str, square: Array) -> Array:
    """I / V over bend V^2, one at zero."""
    if law == "ohmic":
        return np.ones_like(square)
    return 1.0 + square if law == "cubic" else sinhc(square)


def _slope(law: str, square: Array) -> Array:
    """dI / dV over bend V^2, one at zero."""
    if law == "ohmic":
        return np.ones_like(square)
    x = np.sqrt(np.abs(square))
    return 1.0 + 3.0 * square if law == "cubic" else np.where(square > 0, np.cosh(x), np.cos(x))


def fit_law(curves: Curves, law: str) -> Part:
    """Least squares of the relative error of the current; intervals by the jackknife over curves."""
    seen = ~curves.held_out
    v_scale = curves.v_read
    r_scale = 0.05 / float(curves.conductance.max())
    bends, power, series = law != "ohmic", law == "sinh_power", curves.transistor
    start = np.array([0.1] * bends + [0.0] * power + [0.5] * series)
    if power and len(np.unique(curves.curve[seen])) < 3:
        raise Absent("a law whose V_0 depends on the conductance needs three curves to fit")

    def error(unknown: Array, mask: Mask) -> Array:
        v, i, g = (each[mask] for each in (curves.voltage, curves.current, curves.conductance))
        bend = float(unknown[0]) / v_scale**2 if bends else 0.0
        resistance = float(unknown[-1]) * r_scale if series else 0.0
        return predicted(law, v, g, curves.v_read, bend * (g / curves.g_ref) ** (unknown[1] if power else 0.0),
                         resistance) / i - 1.0  # fmt: skip

    def solve(mask: Mask) -> Array:
        if not start.size:
            return start
        limits = (
            [-2.0] * bends + [-3.0] * power + [0.0] * series,
            [400.0] * bends + [3.0] * power + [18.0] * series,
        )
        which = np.flatnonzero(seen)[mask]
        chosen = np.zeros(seen.shape, dtype=bool)
        chosen[which] = True
        found = least_squares(error, start, args=(chosen,), bounds=limits, xtol=1e-15, ftol=1e-15, gtol=1e-15)
        return np.asarray(found.x)

    groups = curves.curve[seen]
    values = solve(np.ones(groups.shape, dtype=bool))
    low = high = np.full(values.shape, np.nan)
    if len(np.unique(groups)) > 2 and start.size:
        estimate = jackknife(solve, groups)
        low, high = estimate.low, estimate.high
    residual = error(values, seen)
    spread = float(np.mean(residual**2)) + RESOLUTION**2
    bic = residual.size * np.log(spread) + values.size * np.log(residual.size)
    parameters = {}
    if bends:
        name, text = (
            ("iv.cubic", "a of the cubic law") if law == "cubic" else ("iv.curvature", "1 / V_0^2 of the sinh law")
        )
        ends = _widened(low[0] / v_scale**2, high[0] / v_scale**2, curves)
        parameters[name] = fitted_number(values[0] / v_scale**2, "1/V^2", *ends, f"{text} of the current")
        if power:
            parameters["iv.power"] = fitted_number(
                values[1], "1", low[1], high[1], "p of 1 / V_0^2 = curvature x (G / g_max)^p"
            )
        if law != "cubic" and values[0] > 0 and not ends[0] <= 0:
            v_0, *edges = (each**-0.5 for each in (values[0] / v_scale**2, *ends[::-1]))
            parameters["iv.v_0"] = fitted_number(
                v_0, "V", edges[0], edges[1], "V_0 of the sinh law" + power * ", at g_max"
            )
    if series:
        scaled = (values[-1] * r_scale, low[-1] * r_scale, high[-1] * r_scale)
        parameters["iv.r_access"] = fitted_number(
            scaled[0], "ohm", *scaled[1:], "on-resistance of the access transistor"
        )
    reach = float(np.abs(curves.voltage).max())
    domain = {"voltage": (-reach, reach), "iv_conductance": _range(curves.conductance)}
    return Part(law, parameters, float(bic), domain, {"v_read": curves.v_read, "g_ref": curves.g_ref})


def _widened(low: float, high: float, curves: Curves) -> tuple[float, float]:
    """The interval of a bend with what the simulator's tolerance can make of it at the largest voltage."""
    span = float(np.max(curves.voltage**2)) - curves.v_read**2
    more = 6.0 * RESOLUTION / span if span > 0 else 0.0
    return low - more, high + more


def current_of(part: Part, voltage: ArrayLike, conductance: ArrayLike) -> Array:
    """The current of the fitted law [A]."""
    bend = next((part.value(name) for name in ("iv.curvature", "iv.cubic") if name in part.parameters), 0.0)
    resistance = part.value("iv.r_access") if "iv.r_access" in part.parameters else 0.0
    power = part.value("iv.power") if "iv.power" in part.parameters else 0.0
    bends = bend * (np.asarray(conductance, dtype=np.float64) / float(part.settings["g_ref"])) ** power
    return predicted(part.law, voltage, conductance, float(part.settings["v_read"]), bends, resistance)


def residuals(part: Part, curves: Curves) -> list[Residuals]:
    """Relative error of the current."""
    told = current_of(part, curves.voltage, curves.conductance)
    free = len([name for name in part.parameters if name != "iv.v_0"])
    return [
        Residuals(
            "current", curves.current, told, told / curves.current - 1.0, "relative", curves.held_out, curves.voltage,
            "voltage [V]", limit=ERROR_LIMIT, split=curves.split, parameters=free, part=curves.part,
        )
    ]  # fmt: skip


def _range(values: Array) -> tuple[float, float]:
    return float(values.min()), float(values.max())
