"""How long bit-line currents take to settle after all word lines have stepped.

Every segment of a wire is a resistance and a capacitance to ground, every memristor has a capacitance between its
lines, and the transistors of "1T1R" cells have their own. Sampling the currents earlier than they settle is an error
that depends on the input; a short pulse loses that much of its charge.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cosim.blocks.crossbar.config import CellKind, CrossbarConfig
from cosim.blocks.crossbar.inputs import device_of
from cosim.blocks.crossbar.measured import Measured, of_checked
from cosim.blocks.crossbar.netlist import array_lines, supply_lines
from cosim.blocks.crossbar.samples import draw_conductances, shapes_of, size_coords
from cosim.blocks.halving import Figures, Relative, largest_change, run_checked, stacked, tolerance_text
from cosim.seeds import stream
from cosim.spice import Deck, Result, SimulatorPool, Tolerances

Array = NDArray[np.float64]

TOLERANCE = Relative(0.02, 1e-15)  # of a settling time [s]
_LEAST_DELAY = 1e-13  # [s]; of an array without capacitances, whose currents follow the step's edge
_EDGE = 0.01  # of the delay: the step rises so long
_END = 10.0  # delays after the step; a thousandth is reached after about 3.5
_TRANSISTOR_CAPACITANCE = 3e-9  # [F/m] of channel width, about; only the length of the transient rests on it
_STEP = {"1R": 0.2, "1T1R": 0.1}  # of the delay: longest time step


def line_delay(rows: int, columns: int, config: CrossbarConfig) -> float:
    """Sum of the Elmore delays of a word line and of a bit line [s]: R_driver n C + r c n (n + 1) / 2, and the same.

    Capacitance of the transistors is not counted.
    """
    delay = 0.0
    for n, r_end, r, c in (
        (columns, config.r_driver, config.r_wire_row, config.c_wire_row + config.c_cell),
        (rows, config.r_clamp, config.r_wire_column, config.c_wire_column + config.c_cell),
    ):
        delay += r_end * n * c + r * c * n * (n + 1) / 2
    return delay


def settling_deck(conductances: Array, config: CrossbarConfig, law: CellKind = "linear") -> Deck:
    """All word lines step from V_CLP to V_read above it; `conductances` of shape (rows, columns) [S].

    The middle of the step's edge is at `step_time`. Saves `i(vc0)` ...: current into each clamp [A].
    """
    rows, columns = conductances.shape
    delay = max(line_delay(rows, columns, config), _LEAST_DELAY)
    if config.cell == "1T1R":  # its channel and the lines charge the capacitances of gates, drains and sources
        resistance = config.r_driver * columns + config.r_clamp * rows + device_of(config).access_resistance
        delay += resistance * config.access_width * _TRANSISTOR_CAPACITANCE
    edge, end = _EDGE * delay, (_END + 1) * delay
    high, low = config.v_clp + config.v_read, config.v_clp
    lines = [f"vdrive{i} r{i} 0 pwl(0 {low!r} {delay!r} {low!r} {delay + edge!r} {high!r})" for i in range(rows)]
    lines += supply_lines(config, columns)
    lines.append(array_lines(conductances, config, law, gate_node="gate", capacitance=True, sinh_as="diodes"))
    step = _STEP[config.cell] * delay
    return Deck(
        f"settling of {rows} x {columns} {law} cells",
        "\n".join(lines),
        (f".tran {step!r} {end!r} 0 {step!r}",),
        tuple(f"i(vc{j})" for j in range(columns)),
        Tolerances(reltol=1e-4, abstol=1e-12, vntol=1e-8, chgtol=1e-18, temperature=config.temperature),
    )


def step_time(deck: Deck) -> float:
    """Middle of the step's edge [s] of a `settling_deck`."""
    end = float(deck.analyses[0].split()[2])
    return end / (_END + 1) * (1 + _EDGE / 2)


def settling_times(time: Array, currents: Array, start: float, fractions: Sequence[float]) -> Array:
    """Last time after `start` at which a current is further than a fraction from its final value [s].

    Parameters
    ----------
    time: of shape (points,) [s]; currents: of shape (points, columns) [A].
    fractions: relative to the final current of the same column.

    Returns shape (fractions, columns); between points by straight lines. NaN where the current has no final value (it
    still moves at the end, or there is none), 0 where it is there from the start.
    """
    final = currents[-1]
    with np.errstate(divide="ignore", invalid="ignore"):
        distance = np.abs(currents / final - 1.0)
    times = np.full((len(fractions), currents.shape[1]), np.nan)
    late = time > time[-1] - 0.1 * (time[-1] - start)
    for row, fraction in enumerate(fractions):
        for column, away in enumerate(distance.T):
            if not np.isfinite(away).all() or away[late].max() > fraction / 2:
                continue
            outside = np.flatnonzero((away > fraction) & (time > start))
            times[row, column] = 0.0
            if outside.size:
                last = int(outside[-1])
                share = (away[last] - fraction) / (away[last] - away[last + 1])
                times[row, column] = time[last] + share * (time[last + 1] - time[last]) - start
    return times


def measure_settling(
    config: CrossbarConfig,
    shares: Sequence[float],
    fractions: Sequence[float],
    seed: int,
    pool: SimulatorPool,
    label: str | None = None,
) -> Measured:
    """Settling time of the slowest bit line of arrays of parts of the configured size.

    `shares`: of the configured rows and columns. `fractions`: of the final current.
    """
    sequence = stream(seed, "crossbar: settling")
    device = device_of(config)
    shapes = shapes_of(config, shares)
    generators = [np.random.default_rng(each) for each in sequence.spawn(len(shapes))]
    decks = [
        settling_deck(draw_conductances("uniform", *shape, device, own), config)
        for shape, own in zip(shapes, generators, strict=True)
    ]

    def extract(result: Result, number: int) -> Figures:
        currents = np.stack([result[name] for name in decks[number].saves], axis=1)
        times = settling_times(result["time"], currents, step_time(decks[number]), fractions)
        return {"settling_time": times.max(axis=1)}

    checked = run_checked(decks, extract, {"settling_time": TOLERANCE}, pool, label)
    times = stacked(checked, "settling_time")
    variables = {
        "settling_time": (
            ("size", "fraction"), times.reshape(len(shapes), -1), "s", "settling time of the slowest bit line"
        ),
        "line_delay": (
            ("size",), np.array([line_delay(*shape, config) for shape in shapes]), "s",
            "Elmore delays of a word line and a bit line",
        ),
    }  # fmt: skip
    coords = size_coords(config, shares) | {
        "fraction": (("fraction",), np.array(fractions, dtype=np.float64), "1", "distance from the final current"),
    }
    moved = {"settling_time": (largest_change(checked, "settling_time"), tolerance_text(TOLERANCE, "s"))}
    return of_checked(variables, coords, checked, moved)
