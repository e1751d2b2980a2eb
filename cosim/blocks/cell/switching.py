"""What pulses do to a cell, its state following: hysteresis, pulse trains, cycles."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cosim.blocks.cell.config import CellConfig, Gates
from cosim.blocks.cell.netlist import switching_deck
from cosim.blocks.halving import Checked, Relative, run_checked
from cosim.devices import Device
from cosim.devices.parameters import Dynamic
from cosim.seeds import stream
from cosim.spice import Deck, Result, SimulatorPool

Array = NDArray[np.float64]

EDGE = 0.02  # rise and fall of a pulse, and the rests beside it, relative to its width
READ = 0.5  # length of the read after a pulse, relative to the device's pulse width
# Under SET the state runs away exponentially: a relative error of the time step grows with it. These are what a
# programming model needs; the read noise of such cells is of that order.
CONDUCTANCE_TOLERANCE = Relative(0.02, 1e-9)
ENERGY_TOLERANCE = Relative(0.02, 1e-15)
TIME_TOLERANCE = Relative(0.02, 1e-12)
CURRENT_TOLERANCE = Relative(0.05, 1e-6)
STATE_TOLERANCE = 0.02  # relative to the state's window
LOOP_POINTS = 400
PREPARATION = 3  # width of the SET pulse before a RESET train, relative to the device's own

POLARITIES = ("SET", "RESET")


@dataclass(frozen=True)
class Train:
    """Corner points of a drive with reads in it: times [s], voltages [V], gate [V], ends of the reads [s].

    `first_pulse` is the span of the first pulse, with the rests beside it; `first_edge` the middle of its first edge.
    """

    times: list[float]
    voltages: list[float]
    gate: list[float]
    reads: list[float]
    first_pulse: tuple[float, float]
    first_edge: float


def train(
    pulses: list[tuple[float, float]],
    dynamic: Dynamic,
    v_read: float,
    gates: Gates,
    preparation: list[tuple[float, float]] | None = None,
) -> Train:
    """`preparation`, a read, then after each of `pulses` (amplitude [V], width [s]) another read.

    A pulse's width is between the middles of its edges. SET pulses have the sign of the device's SET voltage. The
    reads of the preparation do not count.
    """
    prepared = preparation or []
    length = READ * dynamic.t_pulse
    times, voltages, gate, reads = [0.0], [0.0], [gates.reading], []
    first, edge = (0.0, 0.0), 0.0

    def add(amplitude: float, width: float, gate_level: float) -> float:
        edge = EDGE * width
        start = times[-1] + edge
        corners = ((start, 0.0), (start + edge, amplitude), (start + width, amplitude), (start + width + edge, 0.0))
        for time, voltage in corners:
            times.append(time)
            voltages.append(voltage)
            gate.append(gate_level)
        times.append(start + width + 2 * edge)
        voltages.append(0.0)
        gate.append(gate_level)
        return start + width

    reads.append(add(v_read, length, gates.reading))
    for number, (amplitude, width) in enumerate([*prepared, *pulses]):
        begin = times[-1]
        add(amplitude, width, gates.of(amplitude, dynamic.v_set))
        if number == len(prepared):
            first, edge = (begin, times[-1]), begin + 1.5 * EDGE * width
        reads.append(add(v_read, length, gates.reading))
    return Train(times, voltages, gate, reads[len(prepared) :], first, edge)


@dataclass(frozen=True)
class Loop:
    """A hysteresis loop: `time`, `voltage`, `current`, `state`, all of shape (points,)."""

    voltage: Array
    current: Array
    state: Array
    checked: Checked


def loop(config: CellConfig, pool: SimulatorPool) -> Loop:
    """One period of a triangle from the high-resistance state through the SET to the RESET amplitude, and back.

    Each of its four ramps takes ten pulse widths.
    """
    device = config.parameters
    dynamic = _dynamic(device)
    ramp = 10 * dynamic.t_pulse
    times = [0.0, ramp, 2 * ramp, 3 * ramp, 4 * ramp]
    voltages = [0.0, dynamic.v_set, 0.0, dynamic.v_reset, 0.0]
    samples = np.linspace(0, times[-1], LOOP_POINTS + 1)
    deck = switching_deck("hysteresis", times, voltages, dynamic.state_off, config, device, sample_at=samples.tolist(),
                          gate=[config.gates.of(v, dynamic.v_set) for v in voltages])  # fmt: skip

    def extract(result: Result, number: int) -> dict[str, Array]:
        del number
        return {
            "voltage": result["v(te)"] - result["v(sl)"],
            "current": result["i(vsense)"],
            "state": result["v(state)"],
        }

    # The current's jumps shift in time with the step: the ends of the loop's branches are what is compared.
    window = STATE_TOLERANCE * abs(dynamic.state_on - dynamic.state_off)
    (checked,) = run_checked(
        [deck],
        lambda result, number: {
            **extract(result, number),
            "peak": float(result["i(vsense)"].max()),
            "valley": float(result["i(vsense)"].min()),
            "closest": float(result["v(state)"].min()),
            "last": float(result["v(state)"][-1]),
        },
        {"peak": CURRENT_TOLERANCE, "valley": CURRENT_TOLERANCE, "closest": window, "last": window},
        pool,
    )
    nan = np.full(LOOP_POINTS + 1, np.nan)
    voltage, current, state = (checked.figures.get(name, nan) for name in ("voltage", "current", "state"))
    return Loop(voltage, current, state, checked)


@dataclass(frozen=True)
class Trains:
    """Pulse trains: (polarities, amplitudes, widths, ...) with one entry more than pulses along the last axis."""

    conductance: Array
    state: Array
    energy: Array
    switching_time: Array
    checked: list[Checked]


def trains(amplitudes: Array, widths: Array, pulses: int, config: CellConfig, pool: SimulatorPool) -> Trains:
    """Equal pulses one after another; `amplitudes` and `widths` are relative to the device's own.

    SET starts at the state of least conductance, RESET at what a long nominal SET pulse made of that: at the model's
    state of most conductance the series resistance would take most of the voltage.
    """
    device = config.parameters
    dynamic = _dynamic(device)
    decks, driven = [], []
    for polarity, amplitude, width in itertools.product(POLARITIES, amplitudes, widths):
        volts = amplitude * (dynamic.v_set if polarity == "SET" else dynamic.v_reset)
        preparation = [] if polarity == "SET" else [(dynamic.v_set, PREPARATION * dynamic.t_pulse)]
        drive = train(
            [(volts, width * dynamic.t_pulse)] * pulses, dynamic, _read_sign(config, dynamic), config.gates, preparation
        )
        title = f"{polarity} pulses of {volts:.3g} V, {width * dynamic.t_pulse:.3g} s"
        decks.append(_train_deck(title, drive, dynamic.state_off, config, device))
        driven.append(drive)

    def extract(result: Result, number: int) -> dict[str, Array | float]:
        return _train_figures(result, driven[number], config, dynamic)

    tolerances = {
        "conductance": CONDUCTANCE_TOLERANCE,
        "energy": ENERGY_TOLERANCE,
        "checked_crossing": TIME_TOLERANCE,
    }
    checked = run_checked(decks, extract, tolerances, pool)
    shape = (len(POLARITIES), len(amplitudes), len(widths))
    nan = np.full(pulses + 1, np.nan)
    conductance, state = (
        np.array([each.figures.get(name, nan) for each in checked]).reshape(*shape, pulses + 1)
        for name in ("conductance", "state")
    )
    energy, switching_time = (
        np.array([each.figures.get(name, np.array(np.nan)) for each in checked]).reshape(shape)
        for name in ("energy", "crossing")
    )
    return Trains(conductance, state, energy, switching_time, checked)


def _train_deck(title: str, drive: Train, start: float, config: CellConfig, device: Device) -> Deck:
    return switching_deck(title, drive.times, drive.voltages, start, config, device, gate=drive.gate)


def _train_figures(result: Result, drive: Train, config: CellConfig, dynamic: Dynamic) -> dict[str, Array | float]:
    """Conductance and state at each read, energy of the first pulse, time of the half-way crossing in it.

    The time counts from the middle of the pulse's first edge, and is NaN where the state does not cross half of its
    window; `checked_crossing`, for the check of the time step, is zero there.
    """
    time, state = result["time"], result["v(state)"]
    reads = np.array(drive.reads)
    current = np.interp(reads, time, result["i(vsense)"])
    begin, end = drive.first_pulse
    energy = np.interp([begin, end], time, result["v(energy)"])
    inside = (time >= begin) & (time <= end)
    half = 0.5 * (dynamic.state_off + dynamic.state_on)
    above = state[inside] > half
    crossing = np.nan
    if above.size and above[0] != above[-1]:
        k = int(np.argmax(above != above[0]))
        t, s = time[inside], state[inside]
        crossing = float(t[k - 1] + (half - s[k - 1]) / (s[k] - s[k - 1]) * (t[k] - t[k - 1])) - drive.first_edge
    series = 0.0 if config.cell == "1T1R" else dynamic.r_series
    cell = current / (_read_sign(config, dynamic) - series * current)  # of the memristor alone in a "1R" cell
    return {
        "conductance": cell,
        "state": np.interp(reads, time, state),
        "energy": float(np.diff(energy)[0]) * 1e-12,
        "crossing": crossing,
        "checked_crossing": np.nan_to_num(crossing),
    }


@dataclass(frozen=True)
class Cycles:
    """Conductance after SET and RESET, shape (devices, polarities, cycles) [S]."""

    conductance: Array
    checked: list[Checked]


def cycles(devices: int, count: int, config: CellConfig, seed: int, pool: SimulatorPool) -> Cycles:
    """SET and RESET in turn, each cycle from a state of its own spread, each device with parameters of its own.

    A cycle starts at a state drawn around the high-resistance one (`cycle_spread`): where the last RESET left the
    filament is chance. A device's parameters are drawn once (`device_spread`).
    """
    nominal = config.parameters
    dynamic = _dynamic(nominal)
    window = dynamic.state_on - dynamic.state_off
    drive = train([(dynamic.v_set, dynamic.t_pulse), (dynamic.v_reset, dynamic.t_pulse)], dynamic,
                  _read_sign(config, dynamic), config.gates)  # fmt: skip
    decks = []
    for number in range(devices):
        rng = np.random.default_rng(stream(seed, f"cell: device {number}"))
        device = _drawn(nominal, config, rng)
        starts = dynamic.state_off + window * np.abs(config.cycle_spread * rng.standard_normal(count))
        title = f"cycle of device {number}"
        decks += [_train_deck(title, drive, float(start), config, device) for start in starts]

    def extract(result: Result, number: int) -> dict[str, Array | float]:
        del number
        return {"conductance": np.asarray(_train_figures(result, drive, config, dynamic)["conductance"])[1:]}

    checked = run_checked(decks, extract, {"conductance": CONDUCTANCE_TOLERANCE}, pool)
    nan = np.full(2, np.nan)
    values = np.array([each.figures.get("conductance", nan) for each in checked])
    return Cycles(values.reshape(devices, count, 2).transpose(0, 2, 1), checked)


def _drawn(device: Device, config: CellConfig, rng: np.random.Generator) -> Device:
    """The device with its own parameters, in the order of their names so that one more does not move the others."""
    if not config.device_spread:
        return device
    draws = {name: rng.standard_normal() for name in sorted(config.device_spread)}
    values = {name: device.model.get(name, np.nan) * (1 + config.device_spread[name] * draws[name]) for name in draws}
    return device.with_model(**values)


def _read_sign(config: CellConfig, dynamic: Dynamic) -> float:
    """The read voltage, against the SET direction: reading there disturbs the high-resistance state least."""
    return float(-np.sign(dynamic.v_set) * config.read_voltage) if config.cell == "1R" else config.read_voltage


def _dynamic(device: Device) -> Dynamic:
    assert device.dynamic is not None, "only devices with a model that switches come here"
    return device.dynamic
