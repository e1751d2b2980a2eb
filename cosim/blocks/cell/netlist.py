"""The cell as SPICE text: for reading with its state frozen, and switching with its state as a node.

Nodes: `te` (top electrode), `sl` (source line, at the other end; the access transistor, where there is one, lies
before it), `wl` (gate), `state`. Current into the top electrode is `i(vsense)`. A voltage against the direction of SET
is put on the source line of a "1T1R" cell, as in an array: below ground the drain would conduct into the bulk.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cosim.blocks.cell.config import CellConfig
from cosim.blocks.sources import pwl
from cosim.devices import Device
from cosim.errors import CosimError
from cosim.spice import Deck, Tolerances

Array = NDArray[np.float64]

LEAST_RESISTANCE = 1.0  # [ohm] left of a memristor whose conductance the access device alone would give


def read_tolerances(config: CellConfig) -> Tolerances:
    """For currents down to nanoamperes: a thousandth of a per cent of 1 nA."""
    return Tolerances(reltol=1e-6, abstol=1e-14, vntol=1e-9, temperature=config.temperature)


def switch_tolerances(config: CellConfig) -> Tolerances:
    """For a state that runs away exponentially; Gear does not ring at the end stops."""
    return Tolerances(reltol=1e-5, abstol=1e-12, vntol=1e-6, method="gear", temperature=config.temperature)


def memristor_conductance(conductance: float, device: Device) -> float:
    """Conductance of the memristor in a cell of that conductance [S]: less the access device that the cell includes."""
    return 1.0 / max(1.0 / conductance - device.access_resistance, LEAST_RESISTANCE)


def access_lines(name: str, drain: str, config: CellConfig, source: str = "0") -> list[str]:
    """The access transistor from `drain` to `source`, its gate on `wl`."""
    return [f"xacc{name} {drain} wl {source} 0 nmos w={config.access_width!r} l={config.access_length!r}"]


def read_cell_lines(name: str, te: str, conductance: float, config: CellConfig, kind: str = "sinh") -> list[str]:
    """A cell with its state frozen from node `te` to ground; `kind`: sinh, or linear (which has thermal noise)."""
    device = config.parameters
    one_t = config.cell == "1T1R"
    g = memristor_conductance(conductance, device) if one_t else conductance
    bottom = f"be{name}" if one_t else "0"
    cell = f"xc{name} {te} {bottom} memristor_{kind} g={g!r} v_read={device.v_read!r} v_0={device.v_0!r}"
    return [cell, *(access_lines(name, bottom, config) if one_t else [])]


def models_lines(config: CellConfig) -> list[str]:
    """Subcircuits of the device, transistor models where the cell has one, and its gate."""
    lines = [config.parameters.model_text()]
    if config.cell == "1T1R":
        lines.append(config.models_text())
    return lines


def iv_deck(states: Array, config: CellConfig, v_max: float, points: int) -> Deck:
    """Current of all states over the voltage, one `.dc`; saves `i(vs0)`, `i(vs1)` ..."""
    lines = [*models_lines(config), "vdrive te 0 0", f"vwl wl 0 {config.gates.reading!r}"]
    for number, conductance in enumerate(states):
        lines.append(f"vs{number} te t{number} 0")
        lines += read_cell_lines(str(number), f"t{number}", float(conductance), config)
    step = 2 * v_max / (points - 1)
    return Deck(
        f"I-V of {len(states)} states",
        "\n".join(lines),
        (f".dc vdrive {-v_max!r} {v_max + step / 4!r} {step!r}",),
        tuple(f"i(vs{number})" for number in range(len(states))),
        read_tolerances(config),
    )


def conductance_deck(conductances: Array, config: CellConfig) -> Deck:
    """One `.op` at V_read of many cells, any shape; saves the current of each in flat order."""
    lines = [*models_lines(config), f"vdrive te 0 {config.read_voltage!r}", f"vwl wl 0 {config.gates.reading!r}"]
    for number, conductance in enumerate(conductances.ravel()):
        lines.append(f"vs{number} te t{number} 0")
        lines += read_cell_lines(str(number), f"t{number}", float(conductance), config)
    return Deck(
        f"currents of {conductances.size} cells",
        "\n".join(lines),
        (".op",),
        tuple(f"i(vs{number})" for number in range(conductances.size)),
        read_tolerances(config),
    )


def noise_deck(conductance: float, config: CellConfig) -> Deck:
    """`.noise` of the current that the cell sends into a virtual ground; saves `onoise_spectrum` [V/sqrt(Hz)] at 1 ohm.

    The cell is the linear one: a resistor has its thermal noise in SPICE, a controlled source has none.
    """
    lines = [
        *models_lines(config),
        f"vdrive te 0 dc {config.read_voltage!r} ac 1",
        f"vwl wl 0 {config.gates.reading!r}",
    ]
    lines += ["vs0 te t0 0", *read_cell_lines("0", "t0", conductance, config, "linear"), "hout out 0 vs0 1"]
    return Deck(
        "noise of a cell",
        "\n".join(lines),
        (f".noise v(out) vdrive dec 5 {config.f_low!r} {config.f_high!r}",),
        ("onoise_spectrum",),
        read_tolerances(config),
    )


def reads_deck(conductance: float, noise: Array, config: CellConfig) -> Deck:
    """Reads one after another; in read k the cell conducts 1 + noise[k] of what it should; saves the charge `v(q)`.

    The noise is made outside (from the seed, the same in every version of the simulator) and multiplies the current.
    Charge is integrated on 1 pF from the first read on; a sample at the end of each.
    """
    times, values = _steps(noise, config.t_read)
    edge = config.t_read / 100
    start, end = config.t_read, config.t_read * (1 + len(noise))
    lines = [*models_lines(config), f"vwl wl 0 {config.gates.reading!r}", f"vdrive te 0 {config.read_voltage!r}"]
    lines += ["vs0 te t0 0", *read_cell_lines("0", "t0", conductance, config)]
    lines.append("vn n 0 " + _pwl(times, values))
    lines.append("vgate gate 0 " + _pwl([0.0, start - edge, start], [0.0, 0.0, 1.0]))
    scale = 1e-12 / (conductance * config.read_voltage * config.t_read)  # one nominal read adds one volt
    lines += [f"bq 0 q i={scale!r}*v(gate)*i(vs0)*(1+v(n))", "cq q 0 1p ic=0"]
    return Deck(
        "reads of a noisy cell",
        "\n".join(lines),
        (f".tran {config.t_read / 10!r} {end!r} uic",),
        ("v(q)",),
        # Volts per read, of which noise is a thousandth: a hundredth of that.
        Tolerances(reltol=1e-5, vntol=1e-7, abstol=1e-15, chgtol=1e-17, temperature=config.temperature),
        tuple((config.t_read * np.arange(1, len(noise) + 2)).tolist()),
    )


def switching_deck(
    title: str,
    times: Sequence[float],
    voltages: Sequence[float],
    start: float,
    config: CellConfig,
    device: Device,
    *,
    sample_at: Sequence[float] = (),
    gate: Sequence[float] | None = None,
) -> Deck:
    """A transient of the switching cell under a piecewise linear voltage, from top electrode to source line.

    Parameters
    ----------
    times, voltages: corner points of the drive [s], [V]; zero is a corner where it changes its sign.
    start: state at the start, in the device's own unit.
    device: with its parameters (see `Device.with_model`); must have a model that switches.
    gate: word-line voltage at `times`, of a "1T1R" cell.

    Saves `v(te)`, `v(sl)`, `v(state)`, `i(vsense)` and `v(energy)`, the energy from the source in picojoules.
    """
    dynamic = device.dynamic
    if dynamic is None:
        raise CosimError("this device has no model that switches", key="device", value=device.name)
    lines = [device.model_text()]
    ambient = config.kelvin if dynamic.ambient is not None else None
    top, bottom = list(voltages), [0.0] * len(times)
    if config.cell == "1T1R":
        top, bottom = [max(each, 0.0) for each in voltages], [max(-each, 0.0) for each in voltages]
        levels = [config.gates.reading] * len(times) if gate is None else list(gate)
        # Without an operating point everything starts at zero: a gate that is up already would be a step of its own.
        lines += [
            config.models_text(),
            "vwl wl 0 " + _pwl([0.0, times[1] / 2, *times[1:]], [0.0, levels[0], *levels[1:]]),
        ]
        lines += ["vsense te top 0", device.cell_line("cell", "top", "be", "state", start=start, temperature=ambient)]
        lines += access_lines("cell", "be", config, "sl")
    else:
        lines += ["vsense te series 0", f"rseries series top {dynamic.r_series!r}"]
        lines.append(device.cell_line("cell", "top", "sl", "state", start=start, temperature=ambient))
    lines += ["vdrive te 0 " + _pwl(times, top), "vline sl 0 " + _pwl(times, bottom)]
    lines += ["benergy 0 energy i=v(te,sl)*i(vsense)", "cenergy energy 0 1p ic=0"]
    end = float(times[-1])
    step = float(min(dynamic.t_step / 2, end / 50))
    return Deck(
        title,
        "\n".join(lines),
        (f".tran {step!r} {end!r} 0 {step!r} uic",),
        ("v(te)", "v(sl)", "v(state)", "i(vsense)", "v(energy)"),
        switch_tolerances(config),
        tuple(sample_at),
    )


def _steps(values: Array, period: float) -> tuple[list[float], list[float]]:
    """Corner points of a staircase: `values[k]` during period k + 1, with edges of a hundredth of it."""
    edge = period / 100
    times, levels = [0.0], [float(values[0])]
    for number, (before, after) in enumerate(itertools.pairwise(values), 2):
        times += [number * period - edge, number * period]
        levels += [float(before), float(after)]
    return times, levels


def _pwl(times: Sequence[float], values: Sequence[float]) -> str:
    return pwl(zip(times, values, strict=True), digits=None, per_line=6)
