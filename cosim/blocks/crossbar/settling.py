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
from cosim.blocks.crossbar.measured import Measured
from cosim.blocks.crossbar.netlist import array_lines, supply_lines
from cosim.blocks.crossbar.samples import draw_conductances, shapes_of, size_coords
from cosim.blocks.halving import (
    Checked,
    Figures,
    Relative,
    all_keys,
    largest_change,
    run_checked,
    stacked,
    statuses,
    tolerance_text,
)
from cosim.blocks.status import NOT_FOUND
from cosim.seeds import stream
from cosim.spice import Deck, Result, SimulatorPool, Tolerances

Array = NDArray[np.float64]

TOLERANCE = Relative(0.02, 1e-15)  # of a settling time [s]
_LEAST_DELAY = 1e-13  # [s]; of an array without capacitances, whose currents follow the step's edge
_EDGE = 0.01  # of the delay: the step rises so long
# Delays after the step. A large array is within a thousandth after about 3.5. In a small one the step couples through
# the memristors' capacitance: a spike of some 25 times the final current, ln 25 = 3.2 time constants more.
_END = 10.0
_DOUBLINGS = 3  # of that window where a current still moves at its end: at most 80 delays
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


def settling_deck(conductances: Array, config: CrossbarConfig, law: CellKind = "linear", window: float = _END) -> Deck:
    """All word lines step from V_CLP to V_read above it; `conductances` of shape (rows, columns) [S].

    `window`: delays that are simulated after the step. The middle of the step's edge is at `step_time`. Saves `i(vc0)`
    ...: current into each clamp [A].
    """
    rows, columns = conductances.shape
    delay = max(line_delay(rows, columns, config), _LEAST_DELAY)
    if config.cell == "1T1R":  # its channel and the lines charge the capacitances of gates, drains and sources
        resistance = config.r_driver * columns + config.r_clamp * rows + device_of(config).access_resistance
        delay += resistance * config.access_width * _TRANSISTOR_CAPACITANCE
    edge, end = _EDGE * delay, (window + 1) * delay
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


def step_time(deck: Deck, window: float = _END) -> float:
    """Middle of the step's edge [s] of a `settling_deck` with that `window`."""
    end = float(deck.analyses[0].split()[2])
    return end / (window + 1) * (1 + _EDGE / 2)


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

    `shares`: of the configured rows and columns. `fractions`: of the final current. An array whose currents still move
    at the end is simulated again for twice as long, `_DOUBLINGS` times at most; then it is not found.
    """
    sequence = stream(seed, "crossbar: settling")
    device = device_of(config)
    shapes = shapes_of(config, shares)
    generators = [np.random.default_rng(each) for each in sequence.spawn(len(shapes))]
    cells = [draw_conductances("uniform", *shape, device, own) for shape, own in zip(shapes, generators, strict=True)]

    def run(numbers: Sequence[int], window: float) -> list[Checked]:
        decks = [settling_deck(cells[number], config, window=window) for number in numbers]

        def extract(result: Result, place: int) -> Figures:
            currents = np.stack([result[name] for name in decks[place].saves], axis=1)
            times = settling_times(result["time"], currents, step_time(decks[place], window), fractions)
            return {"settling_time": times.max(axis=1)}

        return run_checked(decks, extract, {"settling_time": TOLERANCE}, pool, label)

    checked = run(range(len(shapes)), _END)
    keys = all_keys(checked)
    for doubling in range(1, _DOUBLINGS + 1):
        moving = [number for number, each in enumerate(checked) if each.status == NOT_FOUND]
        if not moving:
            break
        longer = run(moving, _END * 2**doubling)
        keys += all_keys(longer)
        for number, each in zip(moving, longer, strict=True):
            checked[number] = each
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
    return Measured(variables, coords, statuses(checked), keys, moved)
