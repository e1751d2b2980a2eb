#!/usr/bin/env python3
"""Draw every shipped device for docs/devices.md: `.venv/bin/python tools/plot_devices.py [NAME ...]`.

One picture a device, docs/images/devices/NAME.png. Devices that switch are run in ngspice: a triangle for the current
against the voltage, then a train of SET and one of RESET pulses, each pulse followed by a look at the state at v_read.
Devices without such a model are drawn from their laws, which are statistics and no circuit.
"""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from PIL import Image

from cosim.devices import Device, current, drift_exponents, drifted, load_device, program
from cosim.devices.pulses import reset_cells, set_pulse
from cosim.errors import CosimError
from cosim.resources import device_names
from cosim.seeds import stream
from cosim.spice import Deck, Result, SimulatorPool
from cosim.units import format_si

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "images" / "devices"
SEED = 1
PULSES = 10  # of either sign
CELLS = 2000

BLUE, ORANGE, GREY, INK = "#0b62b0", "#b5470a", "#9aa4ae", "#1f2328"
SETTINGS = {
    "font.size": 8.5, "axes.titlesize": 9.5, "axes.titlelocation": "left", "axes.spines.top": False,
    "axes.spines.right": False, "axes.grid": True, "grid.color": "#e3e7eb", "grid.linewidth": 0.6,
    "lines.linewidth": 1.4, "legend.frameon": False, "legend.fontsize": 8.0, "text.color": INK,
    "axes.edgecolor": GREY, "axes.labelcolor": INK, "xtick.color": INK, "ytick.color": INK,
}  # fmt: skip

Points = list[tuple[float, float]]


def cell_deck(device: Device, drive: Points, start: float) -> Deck:
    """One cell behind its series resistance, driven by a piece-wise linear voltage [s, V]."""
    dynamic = device.dynamic
    assert dynamic is not None
    source = "\n+ ".join(f"{time:.9g} {voltage:.9g}" for time, voltage in drive)
    return Deck(
        title=f"{device.name}, for its picture",
        circuit="\n".join([
            f"vin in 0 pwl({source})",
            f"rseries in te {dynamic.r_series:g}",
            device.cell_line("c", "te", "0", "state", start=start),
            device.model_text(),
        ]),
        analyses=(f".tran {dynamic.t_step:g} {drive[-1][0]:.9g} 0 {dynamic.t_step:g}",),
        saves=("v(in)", "v(te)", "v(state)", "i(vin)"),
    )  # fmt: skip


def train(device: Device) -> tuple[Points, list[float]]:
    """SET pulses, then RESET pulses, each followed by a read at v_read; and the middles of the reads."""
    dynamic = device.dynamic
    assert dynamic is not None
    width, edge = dynamic.t_pulse, dynamic.t_pulse / 20
    drive: Points = [(0.0, 0.0)]
    reads: list[float] = []

    def look() -> None:
        begin = drive[-1][0]
        drive.extend([(begin + edge, device.v_read), (begin + edge + 0.4 * width, device.v_read),
                      (begin + 2 * edge + 0.4 * width, 0.0), (begin + 3 * edge + 0.4 * width, 0.0)])  # fmt: skip
        reads.append(begin + edge + 0.3 * width)

    look()
    for voltage in [dynamic.v_set] * PULSES + [dynamic.v_reset] * PULSES:
        begin = drive[-1][0]
        drive.extend([(begin + edge, voltage), (begin + edge + width, voltage), (begin + 2 * edge + width, 0.0)])
        look()
    return drive, reads


def checked(result: Result) -> Result:
    if result.failure is not None:
        raise CosimError(f"ngspice: {result.failure.kind}: {result.failure.line}")
    return result


def draw_switching(device: Device, axes: tuple[Axes, Axes], pool: SimulatorPool) -> None:
    """Hysteresis left, pulses right."""
    dynamic = device.dynamic
    assert dynamic is not None
    drive, reads = train(device)
    many = checked(pool.run([cell_deck(device, drive, dynamic.state_off)])[0])
    half = 0.5 * (dynamic.state_off + dynamic.state_on)
    for slowness in (5, 20, 80):  # slow enough to switch: near a threshold most of a triangle moves nothing
        ramp = slowness * dynamic.t_pulse
        loop = [(0.0, 0.0), (ramp, dynamic.v_set), (2 * ramp, 0.0), (3 * ramp, dynamic.v_reset), (4 * ramp, 0.0)]
        result = checked(pool.run([cell_deck(device, loop, dynamic.state_off)])[0])
        reached = np.interp(2 * ramp, result["time"], result["v(state)"])
        if (reached - half) * (dynamic.state_on - half) > 0:
            break

    left, right = axes
    unit, scale = ("mA", 1e3) if np.abs(result["i(vin)"]).max() > 1e-3 else ("µA", 1e6)
    setting = result["time"] <= 2 * ramp
    for part, colour, label in ((setting, BLUE, "SET"), (~setting, ORANGE, "RESET")):
        left.plot(result["v(te)"][part], -scale * result["i(vin)"][part], color=colour, label=label)
    left.set(
        title=f"Hysteresis, triangle of {format_si(4 * ramp, 's')}",
        xlabel="voltage across the cell [V]",
        ylabel=f"current [{unit}]",
    )
    left.legend(loc="upper left")

    amperes = -np.interp(reads, many["time"], many["i(vin)"])
    volts = np.interp(reads, many["time"], many["v(te)"])
    g = amperes / volts
    unit, scale = ("mS", 1e3) if g.max() > 1e-3 else ("µS", 1e6)
    number = np.arange(len(g))
    right.plot(number[: PULSES + 1], scale * g[: PULSES + 1], "o-", ms=3.5, color=BLUE,
               label=f"SET {dynamic.v_set:g} V")  # fmt: skip
    right.plot(number[PULSES:], scale * g[PULSES:], "o-", ms=3.5, color=ORANGE, label=f"RESET {dynamic.v_reset:g} V")
    pulse, series = format_si(dynamic.t_pulse, "s"), format_si(dynamic.r_series, "Ω")
    right.set(title=f"Pulses of {pulse} through {series}", xlabel="pulse",
              ylabel=f"conductance [{unit}]", ylim=(0.0, 1.22 * scale * g.max()))  # fmt: skip
    right.xaxis.get_major_locator().set_params(integer=True)
    right.legend(loc="upper left", ncols=2)


def draw_reading(device: Device, axes: tuple[Axes, Axes], pool: SimulatorPool) -> None:
    """Current of the read cell left, programming error right."""
    left, right = axes
    levels = [float(g) for g in np.linspace(device.g_min, device.g_max, 5)]
    lines = [device.model_text(), "vin te 0 0"]
    for number, g in enumerate(levels):
        lines.append(f"vm{number} te t{number} 0")
        lines.append(f"xc{number} t{number} 0 memristor_sinh g={g!r} v_read={device.v_read!r} v_0={device.v_0!r}")
    saves = tuple(f"i(vm{number})" for number in range(len(levels)))
    deck = Deck(f"{device.name}, for its picture", "\n".join(lines), (".dc vin -0.3 0.3 0.01",), ("v(te)", *saves))
    result = checked(pool.run([deck])[0])
    for number, g in enumerate(levels):
        left.plot(result["v(te)"], 1e6 * result[f"i(vm{number})"], color=plt.cm.viridis(0.85 * number / 4),
                  label=f"{1e6 * g:.3g} µS")  # fmt: skip
        assert np.allclose(result[f"i(vm{number})"], current(result["v(te)"], g, device), rtol=1e-6, atol=1e-12)
    left.set(title="Reading, state frozen", xlabel="voltage across the cell [V]", ylabel="current [µA]")
    left.legend(loc="upper left")
    rng = np.random.default_rng(stream(SEED, "picture: programming"))
    targets = np.linspace(device.g_min, device.g_max, 13)
    error = np.stack([program(np.full(400, target), device, rng) for target in targets]) - targets[:, None]
    right.plot(np.repeat(1e6 * targets, 400), 1e6 * error.ravel(), ".", ms=1.5, color=GREY, alpha=0.35)
    right.plot(1e6 * targets, 1e6 * error.mean(axis=1), color=BLUE, label="mean of 400 cells")
    right.plot(1e6 * targets, 1e6 * error.std(axis=1), color=ORANGE, label="standard deviation")
    right.set(title="Write and verify", xlabel="target [µS]", ylabel="programming error [µS]")
    right.set_ylim(-1.1e6 * np.abs(error).max(), 1.5e6 * np.abs(error).max())
    right.legend(loc="upper left", ncols=2)


def draw_drift(device: Device, axes: tuple[Axes, Axes], pool: SimulatorPool) -> None:
    """Programming error left, drift right, both from the device's laws."""
    del pool
    left, right = axes
    g = np.linspace(device.g_min, device.g_max, 101)
    assert device.noise is not None
    left.plot(1e6 * g, 1e6 * np.asarray(device.sigma_at(g)), color=BLUE, label="programming error")
    for time, style in ((0.0, "-"), (86400.0, "--")):
        label = "one read, at once" if time == 0 else "one read, after a day"
        left.plot(1e6 * g, 1e6 * device.noise.sigma(g, g, device.g_max, time), style, color=ORANGE, label=label)
    left.set(title="Spread of the conductance", xlabel="conductance [µS]", ylabel="standard deviation [µS]")
    left.set_ylim(0.0, 1.75)
    left.legend(loc="upper left")
    rng = np.random.default_rng(stream(SEED, "picture: drift"))
    times = np.geomspace(1.0, 3.15e7, 60)
    for number, target in enumerate((5e-6, 15e-6, 25e-6)):
        cells = program(np.full(CELLS, target), device, rng)
        nu = drift_exponents(np.full(CELLS, target), device, rng)
        after = 1e6 * np.stack([drifted(cells, nu, device, float(time)) for time in times])
        colour = plt.cm.viridis(0.75 * number / 2)
        low, middle, high = np.quantile(after, (0.16, 0.5, 0.84), axis=1)
        right.fill_between(times, low, high, color=colour, alpha=0.2, linewidth=0)
        right.plot(times, middle, color=colour, label=f"{1e6 * target:g} µS")
    right.set(title="Drift: median and 68 % of cells", xlabel="time after programming [s]",
              ylabel="conductance [µS]", xscale="log", ylim=(0.0, 34.0))  # fmt: skip
    right.legend(loc="upper right", ncols=3)


def draw_pulses(device: Device, axes: tuple[Axes, Axes], pool: SimulatorPool) -> None:
    """Blind SET pulses left, the step of one pulse right, both from the device's statistics."""
    del pool
    left, right = axes
    law, limits = device.pulses, (device.g_lowest, device.g_highest)
    assert law is not None
    rng = np.random.default_rng(stream(SEED, "picture: pulses"))
    states = [reset_cells(CELLS, law, limits, rng)]
    for _ in range(20):
        states.append(set_pulse(states[-1], law, limits, rng))
    g = 1e6 * np.stack([state.conductances for state in states])
    number = np.arange(len(g))
    left.plot(number, g[:, :12], color=GREY, linewidth=0.6, alpha=0.7)
    left.fill_between(number, g.mean(1) - g.std(1), g.mean(1) + g.std(1), color=BLUE, alpha=0.18, linewidth=0)
    left.plot(number, g.mean(1), "o-", ms=3, color=BLUE, label="mean ± standard deviation")
    left.plot([], [], color=GREY, linewidth=0.6, label="single cells")
    left.set(title="SET pulses after RESET", xlabel="pulse", ylabel="conductance [µS]", ylim=(0.0, 16.0))
    left.xaxis.get_major_locator().set_params(integer=True)
    left.legend(loc="upper left")
    grid = np.linspace(device.g_min, device.g_max, 51)
    for pulse, colour in ((1, ORANGE), (3, "#7a3fa0"), (20, BLUE)):
        memory = np.exp(-pulse / law.memory)
        right.plot(1e6 * grid, 1e6 * law.step_mean(grid, memory), color=colour, label=f"mean, pulse {pulse}")
        right.plot(1e6 * grid, 1e6 * law.step_sd(grid, memory), "--", color=colour, label=f"s. d., pulse {pulse}")
    right.set(title="Step of one pulse", xlabel="conductance before [µS]", ylabel="step [µS]", ylim=(-0.5, 5.0))
    right.legend(loc="upper left", ncols=3, columnspacing=0.8, handlelength=1.4, fontsize=6.5)


def draw(device: Device, pool: SimulatorPool) -> Path:
    """The picture of a device; returns its file."""
    kind = (
        draw_switching if device.dynamic is not None
        else draw_pulses if device.pulses is not None
        else draw_drift if device.drift is not None
        else draw_reading
    )  # fmt: skip
    with plt.rc_context(SETTINGS):
        figure, axes = plt.subplots(1, 2, figsize=(7.2, 2.9), layout="constrained")
        kind(device, axes, pool)
        for each in axes:
            each.set_axisbelow(True)
        file = FOLDER / f"{device.name}.png"
        FOLDER.mkdir(parents=True, exist_ok=True)
        figure.savefig(file, dpi=110, metadata={"Software": None})
        plt.close(figure)
    with Image.open(file) as picture:  # few colours are enough, and half the size
        picture.convert("RGB").quantize(96).save(file, optimize=True)
    return file


def main(names: list[str]) -> int:
    try:
        devices = [load_device(name) for name in names or device_names()]
        with SimulatorPool(2) as pool:
            for device in devices:
                file = draw(device, pool)
                print(f"{file.relative_to(FOLDER.parent.parent.parent)}  {file.stat().st_size / 1000:.0f} kB")
    except CosimError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
