"""What reading sees of a cell whose state is frozen: I-V curve, noise, and what programming and time leave."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cosim.blocks.cell.config import CellConfig
from cosim.blocks.cell.netlist import conductance_deck, iv_deck, noise_deck, reads_deck
from cosim.blocks.halving import Checked, run_checked, stacked
from cosim.devices import Device, program
from cosim.devices.laws import FlickerNoise
from cosim.devices.pulses import reset_cells, set_pulse
from cosim.seeds import stream
from cosim.spice import Result, SimulatorPool

Array = NDArray[np.float64]

# A read's charge is a straight line over time, so halved steps move only the edges of the noise: far below this.
READ_TOLERANCE = 1e-4
# The least-squares slope of a spectrum starts at this many cycles in the whole record; lower ones have few samples.
LEAST_CYCLES = 2


def default_states(device: Device) -> Array:
    """Five conductances over the window, evenly in their logarithm [S]; from g_max / 100 where the window is open."""
    return np.geomspace(device.g_min or device.g_max / 100, device.g_max, 5)


@dataclass(frozen=True)
class Curves:
    """I-V curves: `voltage` of shape (points,), `current` of shape (states, points), and figures of each state."""

    voltage: Array
    current: Array
    conductance: Array
    nonlinearity: Array
    checked: Checked


def iv_curves(states: Array, points: int, config: CellConfig, pool: SimulatorPool) -> Curves:
    """All states in one sweep. Conductance is I / V at V_read; the non-linearity sets it against V_read / 10."""
    v_max = 1.5 * config.read_voltage if config.v_max is None else config.v_max
    fine = 2 * (points // 2) + 1  # zero is one of the points
    deck = iv_deck(states, config, v_max, fine)
    voltage = np.linspace(-v_max, v_max, fine)

    def extract(result: Result, number: int) -> dict[str, Array]:
        del number
        return {"current": np.array([result[f"i(vs{each})"][:fine] for each in range(len(states))])}

    (checked,) = run_checked([deck], extract, {}, pool)
    current = stacked([checked], "current")[0] if checked.figures else np.full((len(states), fine), np.nan)
    (at_read, at_tenth), extra = _conductances(states, config, pool)
    return Curves(voltage, current, at_read, at_read / at_tenth - 1.0, Checked(
        checked.figures, checked.change, max(checked.status, *(each.status for each in extra)),
        (*checked.results, *(result for each in extra for result in each.results)),
    ))  # fmt: skip


def _conductances(states: Array, config: CellConfig, pool: SimulatorPool) -> tuple[list[Array], list[Checked]]:
    """I / V at V_read and at a tenth of it."""
    voltages = (config.read_voltage, config.read_voltage / 10)
    decks = [conductance_deck(states, config.model_copy(update={"v_read": v})) for v in voltages]

    def extract(result: Result, number: int) -> dict[str, Array]:
        currents = np.array([result[f"i(vs{each})"][0] for each in range(len(states))])
        return {"conductance": currents / voltages[number]}

    checked = run_checked(decks, extract, {}, pool)
    nan = np.full(len(states), np.nan)
    return [each.figures.get("conductance", nan) for each in checked], checked


@dataclass(frozen=True)
class Noise:
    """Noise of each state: spectrum (states, frequencies) [A/sqrt(Hz)], reads (states, reads) [S], their spread and
    slope of their spectrum."""

    frequency: Array
    density: Array
    reads: Array
    read_sigma: Array
    slope: Array
    checked: list[Checked]


def noise(states: Array, reads: int, config: CellConfig, seed: int, pool: SimulatorPool) -> Noise:
    """`.noise` of resistance and transistor, and `reads` reads in a row with the device's own noise."""
    spectra = run_checked(
        [noise_deck(float(each), config) for each in states],
        lambda result, number: {"density": result["onoise_spectrum"], "frequency": result["frequency"]},
        {},
        pool,
    )
    sequences = [read_noise(float(g), reads, config.parameters, stream(seed, f"cell: reads of state {k}"))
                 for k, g in enumerate(states)]  # fmt: skip
    decks = [reads_deck(float(g), sequence, config) for g, sequence in zip(states, sequences, strict=True)]
    spread = run_checked(decks, _read_figures, {"read_sigma": READ_TOLERANCE}, pool)
    known = next((each.figures["frequency"] for each in spectra if each.figures), np.array([np.nan]))
    density = stacked(spectra, "density").reshape(len(states), -1)
    seen = np.full((len(states), reads), np.nan)
    for row, each, g in zip(seen, spread, states, strict=True):
        if each.figures:
            row[:] = each.figures["charge"] * g  # one nominal read of the state adds one volt
    return Noise(known, density, seen, stacked(spread, "read_sigma"), stacked(spread, "noise_slope"),
                 [*spectra, *spread])  # fmt: skip


def read_noise(conductance: float, reads: int, device: Device, seed: np.random.SeedSequence) -> Array:
    """Relative deviations of `reads` reads in a row, shape (reads,), as the device's law has them.

    A constant or affine law draws each read by itself (white). 1/f noise with S_G / G^2 = Q / f is shaped in
    frequency: Q / f is sampled at k / (reads t_read), whatever t_read is, since Q / f is.
    """
    rng = np.random.default_rng(seed)
    white = rng.standard_normal(reads)
    law = device.noise
    if isinstance(law, FlickerNoise):
        amplitude = float(law.amplitude(conductance, device.g_max))
        cycles = np.arange(reads // 2 + 1)
        # One-sided spectrum S at spacing 1 / reads: E|X_k|^2 = S reads / 2; white numbers have E|X_k|^2 = reads.
        shape = np.sqrt(amplitude**2 * reads / (2.0 * np.maximum(cycles, 1)))
        shape[0] = 0.0
        return np.asarray(np.fft.irfft(np.fft.rfft(white) * shape, reads))
    if law is not None:
        sigma = float(law.sigma(conductance, conductance, device.g_max, 0.0)) / conductance
    else:
        sigma = device.read_noise
    return np.asarray(sigma * white)


def _read_figures(result: Result, number: int) -> dict[str, Array | float]:
    """Charge of each read, its spread, and the slope of its spectrum in a double logarithmic plot."""
    del number
    charge = np.diff(result["v(q)"])
    relative = charge / charge.mean() - 1.0
    power = np.abs(np.fft.rfft(relative))[LEAST_CYCLES:-1] ** 2
    cycles = np.arange(LEAST_CYCLES, LEAST_CYCLES + len(power))
    seen = power > 0
    slope = np.polyfit(np.log(cycles[seen]), np.log(power[seen]), 1)[0] if seen.sum() > 2 else np.nan
    return {"charge": charge, "read_sigma": float(relative.std(ddof=1)), "noise_slope": float(slope)}


@dataclass(frozen=True)
class Statistics:
    """What programming leaves and time takes: (states, devices) and (states, times, devices) [S], read in ngspice."""

    programmed: Array
    drifted: Array
    checked: list[Checked]


def statistics(
    states: Array, times: Array, devices: int, config: CellConfig, seed: int, pool: SimulatorPool
) -> Statistics:
    """Cells programmed to each state by write and verify, or by blind pulses, and read at times after it [s].

    Without a law of drift `times` is empty. Blind pulses (a device with `pulses`): the number of SET pulses whose mean
    comes nearest to the state.
    """
    device = config.parameters
    rng = np.random.default_rng(stream(seed, "cell: programming"))
    cells = np.array([_programmed(float(g), devices, device, rng) for g in states])
    moments = [cells]
    if device.drift is not None:
        exponents = device.drift.exponents(cells, device.g_max, np.random.default_rng(stream(seed, "cell: drift")))
        moments += [cells * device.drift.factor(exponents, float(time)) for time in times]
    levels = np.maximum(np.array(moments), device.g_lowest)

    def extract(result: Result, number: int) -> dict[str, Array]:
        del number
        currents = np.array([result[f"i(vs{each})"][0] for each in range(cells.size)])
        return {"conductance": currents.reshape(cells.shape) / config.read_voltage}

    checked = run_checked([conductance_deck(each, config) for each in levels], extract, {}, pool)
    nan = np.full(cells.shape, np.nan)
    read = np.array([each.figures.get("conductance", nan) for each in checked])
    return Statistics(read[0], np.moveaxis(read[1:], 0, 1), checked)


def _programmed(target: float, devices: int, device: Device, rng: np.random.Generator) -> Array:
    if device.pulses is None:
        return program(np.full(devices, target), device, rng)
    limits = (device.g_lowest, device.g_highest)
    cells = reset_cells(devices, device.pulses, limits, rng)
    for _ in range(_blind_pulses(target, device)):
        cells = set_pulse(cells, device.pulses, limits, rng)
    return cells.conductances


@dataclass(frozen=True)
class BlindTrains:
    """Conductance after each blind SET pulse, shape (devices, pulses + 1) [S], read in ngspice."""

    conductance: Array
    checked: list[Checked]


def blind_trains(pulses: int, devices: int, config: CellConfig, seed: int, pool: SimulatorPool) -> BlindTrains:
    """Devices after a RESET and `pulses` SET pulses that nobody checks, by the device's own statistics."""
    device = config.parameters
    law = device.pulses
    assert law is not None, "only devices with statistics of pulses come here"
    rng = np.random.default_rng(stream(seed, "cell: blind pulses"))
    limits = (device.g_lowest, device.g_highest)
    cells = reset_cells(devices, law, limits, rng)
    path = [cells.conductances]
    for _ in range(pulses):
        cells = set_pulse(cells, law, limits, rng)
        path.append(cells.conductances)
    levels = np.maximum(np.array(path).T, device.g_lowest)

    def extract(result: Result, number: int) -> dict[str, Array]:
        del number
        currents = np.array([result[f"i(vs{each})"][0] for each in range(levels.size)])
        return {"conductance": currents.reshape(levels.shape) / config.read_voltage}

    checked = run_checked([conductance_deck(levels, config)], extract, {}, pool)
    return BlindTrains(checked[0].figures.get("conductance", np.full(levels.shape, np.nan)), checked)


def _blind_pulses(target: float, device: Device, most: int = 50) -> int:
    """How many SET pulses bring the mean conductance nearest to the target, by the mean law alone."""
    law = device.pulses
    assert law is not None
    conductance, memory, path = law.g_reset, 1.0, [law.g_reset]
    for _ in range(most):
        memory *= float(np.exp(-1.0 / law.memory))
        conductance += float(law.step_mean(conductance, memory))
        path.append(conductance)
    return int(np.argmin(np.abs(np.array(path) - target)))
