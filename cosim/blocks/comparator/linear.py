"""A clocked comparator near its threshold: small-signal gain of the latch over time, and the noise it decides with.

Near its threshold a clocked comparator is a linear circuit whose parameters change with time (LPTV). The latch's
voltage at a moment t*, while it is still small, is

    v(t*) = G(t*) (v_in - v_offset) + sum over transistors of the integral of h_j(t*, t) i_j(t) dt,

with i_j the white noise current of channel j, of one-sided spectral density S_j(t) = 4 k T gamma (gm + gds + gmbs)
(the form of the BSIM3 thermal noise model; gamma = 2/3 in strong inversion). So the input-referred noise is

    sigma^2 = sum of the integral of h_j(t*, t)^2 S_j(t) / 2 dt / G(t*)^2.

h comes from ngspice itself: copies of the circuit, in each of which one node gets one triangular current pulse; pulses
of all copies tile the time from before the clock edge to t*. What enters later is divided by a gain that has grown, so
the answer does not depend on t*. Left out: flicker noise (slow against a clock, it is offset that wanders), noise of
clock, supply and source, and transistors inside further subcircuits. Checked against transient noise in the tests.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cosim.blocks.comparator.config import CLOCKED_PINS, ComparatorConfig
from cosim.blocks.comparator.netlist import (
    DIGITS,
    LINEARISED,
    TRANSIENT,
    Channel,
    Copy,
    channels,
    moment,
    opened,
    probes,
    start,
    transient,
)
from cosim.blocks.halving import Relative, all_keys, run_checked
from cosim.blocks.sources import pwl
from cosim.blocks.status import FAILED, NOT_FOUND, OK, STEP
from cosim.constants import BOLTZMANN, ZERO_CELSIUS
from cosim.spice import Deck, Result, SimulatorPool

Array = NDArray[np.float64]

PROBE = 20e-6  # [V] of input difference, to both sides, for the gain: 1 mV at the latch when it is read
READ_GAIN = 50.0  # of the latch at t*: noise that enters later adds less than 0.5 % to sigma
GRID = 1000  # steps of half a clock period
PULSES = 24  # that tile the time up to t*: sigma is within 2 % of that of many
BEFORE = 0.4  # how long before the clock edge they begin, in spans from the edge to t*
PULSE_SIZE = 3e-18  # [C] of one pulse, 0.1 mV on a node of 30 fF: the latch answers with some millivolts
NOISE_TOLERANCE = Relative(0.02)  # the rule for gamma is no better than 10 %; Monte Carlo of 1000 decisions gives 2 %


@dataclass(frozen=True)
class Trajectory:
    """A decision at the trip point.

    Attributes
    ----------
    time: grid [s], shape (points,).
    gain: of the latch, from input difference to voltage between the probes, shape (points,).
    density: one-sided noise density of every channel's current [A^2/Hz], shape (channels, points).
    gain_change: relative move of the gain at t* when time steps are halved.
    """

    time: Array
    gain: Array
    density: Array
    gain_change: float

    def time_of_gain(self, gain: float) -> float:
        """When the gain first exceeds `gain` [s]; NaN when it never does."""
        above = np.flatnonzero(self.gain > gain)
        return float(self.time[above[0]]) if above.size else float("nan")


def find_trajectory(
    config: ComparatorConfig, v_cm: float, trip: float, pool: SimulatorPool, label: str | None = None
) -> tuple[Trajectory | None, list[str]]:
    """Gain and noise densities at a common mode; None when the netlist names no probes or the simulation failed."""
    inner = probes(config.part)
    if inner is None:
        return None, []
    found = channels(config.part)
    copies = [_standing(v_cm, trip + each) for each in (0.0, PROBE, -PROBE)]
    names = [(channel, quantity) for channel in found for quantity in ("gm", "gds", "gmbs")]
    saves = [f"v(xc{k}.{node})" for k in range(3) for node in inner]
    saves += [_parameter(channel, quantity, config) for channel, quantity in names]
    end = start(config) + config.t_clock / 2
    step = config.t_clock / 2 / GRID
    deck = transient("gain near the threshold", config, copies, end, saves, step=step, tolerances=LINEARISED)
    grid = np.linspace(0.0, end, GRID + 1)

    def extract(result: Result, number: int) -> dict[str, Array]:
        del number
        latch = [result[f"v(xc{k}.{inner[1]})"] - result[f"v(xc{k}.{inner[0]})"] for k in range(3)]
        gain = np.interp(grid, result["time"], (latch[1] - latch[2]) / (2 * PROBE))
        conductance = {
            channel.name: sum(result[_parameter(channel, each, config)] for each in ("gm", "gds", "gmbs"))
            for channel in found
        }
        kelvin = config.temperature + ZERO_CELSIUS
        density = [
            4 * BOLTZMANN * kelvin * config.noise_gamma * np.interp(grid, result["time"], conductance[channel.name])
            for channel in found
        ]
        return {"gain": gain, "density": np.array(density)}

    (checked,) = run_checked([deck], extract, {}, pool, label)
    if checked.status != OK:
        return None, checked.keys
    gain = checked.figures["gain"]
    above = np.flatnonzero(gain > READ_GAIN)
    change = float(checked.change["gain"][above[0]] / gain[above[0]]) if above.size else float("nan")
    return Trajectory(grid, gain, checked.figures["density"], change), checked.keys


@dataclass(frozen=True)
class DecisionNoise:
    """Input-referred rms noise [V], the variance that each channel gives [V^2], status, hashes of the decks."""

    sigma: float
    variance: dict[str, float]
    status: int
    keys: list[str]


def decision_noise(
    config: ComparatorConfig,
    v_cm: float,
    trip: float,
    trajectory: Trajectory,
    pool: SimulatorPool,
    label: str | None = None,
    pulses: int = PULSES,
) -> DecisionNoise:
    """The noise of a clocked comparator's decisions by the integral above."""
    part = config.part
    found = channels(part)
    driven = {*CLOCKED_PINS, "0"} - {"outp", "outn"}
    pins = dict(zip((pin.lower() for pin in part.pins), CLOCKED_PINS, strict=True))
    nodes = [node for node in _ends(found) if pins.get(node, node) not in driven]
    read = trajectory.time_of_gain(READ_GAIN)
    if np.isnan(read):
        return DecisionNoise(float("nan"), {}, NOT_FOUND, [])
    span = read - moment(config)
    spacing = (1 + BEFORE) * span / pulses
    # A long rest before the edge, so that the first pulse, which starts one spacing earlier, finds its place.
    idle = BEFORE * span + 2 * spacing
    shift = max(0.0, idle - moment(config))
    decks = [_pulse_deck(config, v_cm, trip, node, pins, spacing, pulses, read, shift) for node in nodes]

    def extract(result: Result, number: int) -> dict[str, Array]:
        del number
        latch = np.array([result[f"v(q{k})"][-1] for k in range(pulses + 1)])
        return {"response": (latch[:-1] - latch[-1]) / PULSE_SIZE}

    checked = run_checked(decks, extract, {}, pool, label)
    if any(each.status != OK for each in checked):
        return DecisionNoise(float("nan"), {}, FAILED, all_keys(checked))
    centres = read - spacing * (pulses - np.arange(pulses))
    zero = np.zeros(pulses)
    answers = {node: _sharpened(each.figures["response"]) for node, each in zip(nodes, checked, strict=True)}
    moves = {node: each.change["response"] for node, each in zip(nodes, checked, strict=True)}
    gain = float(np.interp(read, trajectory.time, trajectory.gain))
    variance, move = {}, 0.0
    for channel, density in zip(found, trajectory.density, strict=True):
        weight = np.interp(centres, trajectory.time, density) / 2 * spacing / gain**2
        h = answers.get(channel.drain, zero) - answers.get(channel.source, zero)
        variance[channel.name] = float(np.sum(h**2 * weight))
        # The triangle inequality: sigma moves by no more than the same sum over the moves of h.
        move += float(np.sum((moves.get(channel.drain, zero) + moves.get(channel.source, zero)) ** 2 * weight))
    sigma = float(np.sqrt(sum(variance.values())))
    moved = np.sqrt(move) + trajectory.gain_change * sigma
    status = OK if moved <= NOISE_TOLERANCE.absolute(np.asarray(sigma)) else STEP
    return DecisionNoise(sigma, variance, status, all_keys(checked))


def _pulse_deck(
    config: ComparatorConfig,
    v_cm: float,
    trip: float,
    node: str,
    pins: dict[str, str],
    spacing: float,
    pulses: int,
    read: float,
    shift: float,
) -> Deck:
    """Copies of which each has one triangular pulse of current into `node`; the last has none.

    All copies have the same time points, so errors that they share cancel in the differences. Everything but the
    pulses happens `shift` later than in the trajectory. `v(q{k})` is the latch's voltage.
    """
    part = config.part
    inner = probes(part)
    assert inner is not None
    wanted = tuple(dict.fromkeys(each for each in (*inner, node) if each not in pins))

    def of(copy: int, name: str) -> str:
        return {"outp": f"op{copy}", "outn": f"on{copy}"}.get(pins.get(name, ""), f"{name}_{copy}")

    copies = [_standing(v_cm, trip, wanted) for _ in range(pulses + 1)]
    extra = []
    for k in range(pulses + 1):
        extra.append(f"Eq{k} q{k} 0 {of(k, inner[1])} {of(k, inner[0])} 1")
        if k < pulses:
            centre, height = read + shift - spacing * (pulses - k), PULSE_SIZE / spacing
            corners = ((0.0, 0.0), (centre - spacing, 0.0), (centre, height), (centre + spacing, 0.0))
            extra.append(f"Ip{k} 0 {of(k, node)} {pwl(corners, DIGITS)}")
    saves = [f"v(q{k})" for k in range(pulses + 1)]
    netlist = opened(part, wanted)
    step = spacing * pulses / 200
    return transient(
        f"noise that enters at {node}", config, copies, read + shift, saves, step=step, netlist=netlist,
        tolerances=TRANSIENT, extra=extra, shift=shift,
    )  # fmt: skip


def _standing(v_cm: float, difference: float, nodes: Sequence[str] = ()) -> Copy:
    """A copy whose inputs stand still."""
    return Copy(f"{v_cm + difference / 2:.12g}", f"{v_cm - difference / 2:.12g}", {}, nodes=tuple(nodes))


def _ends(found: Sequence[Channel]) -> list[str]:
    return list(dict.fromkeys(end for channel in found for end in (channel.drain, channel.source)))


def _parameter(channel: Channel, quantity: str, config: ComparatorConfig) -> str:
    """ngspice's name of a small-signal parameter of a transistor of copy 0.

    A kit's subcircuit is taken to hold one transistor named `m` and then as the subcircuit, as the open 130 nm kit's.
    """
    transistor = config.cmos.nmos if channel.kind == "nmos" else config.cmos.pmos
    inner = "m1" if transistor.prefix == "M" else f"x1.m{transistor.device.lower()}"
    return f"@m.xc0.{channel.name}.{inner}[{quantity}]"


def _sharpened(response: Array) -> Array:
    """Responses to triangles of half-width d, less their blur: the response to an impulse.

    A triangle's second moment is d^2 / 6, so it shows h + d^2 h'' / 12, and h'' d^2 is the second difference.
    """
    padded = np.concatenate([response[:1], response, [2 * response[-1] - response[-2]]])
    return np.asarray(response - np.diff(padded, 2) / 12)
