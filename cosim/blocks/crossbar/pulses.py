"""Inputs as the width of a pulse, and as its amplitude: the charge that each bit line delivers.

An input x is applied for x T at V_read, or for T at x V_read, and an ideal integrator takes the charge of each bit
line. Cells with a sinh law multiply by x exactly only the first way: at a fixed voltage the law is one factor common
to all inputs, 1 if V_read is the voltage at which the conductance is stated. IR drop is in both.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cosim.blocks.crossbar.config import CellKind, CrossbarConfig
from cosim.blocks.crossbar.inputs import device_of, differential_inputs
from cosim.blocks.crossbar.measured import Measured, of_checked
from cosim.blocks.crossbar.netlist import array_lines, clamp_currents, crossbar_deck, supply_lines
from cosim.blocks.crossbar.samples import draw_conductances
from cosim.blocks.halving import Figures, largest_change, run_checked, tolerance_text
from cosim.blocks.sources import pwl
from cosim.errors import CosimError
from cosim.seeds import stream
from cosim.spice import Deck, Result, SimulatorPool, Tolerances

Array = NDArray[np.float64]

INPUT_MODES = ("pulse width", "amplitude")
TOLERANCE = 1e-3  # of a charge, relative to the largest of the vector
_EDGE = 1e-3  # of a full-scale pulse: its edges; at equal slopes the charge of a linear cell does not depend on them
_STEP = 0.05  # of a full-scale pulse: longest time step; between edges the currents do not change


def pulse_deck(
    conductances: Array, inputs: Array, config: CrossbarConfig, length: float, law: CellKind = "sinh"
) -> Deck:
    """One vector of pulse widths through an array, without capacitances, into ideal integrators.

    Parameters
    ----------
    conductances: of shape (rows, columns) [S].
    inputs: of shape (rows,), -1 .. 1: width relative to `length`, and the sign of the voltage.
    length: of a full-scale pulse [s].

    Saves `v(q0)` ...: charge of each bit line over `charge_scale` [C/V], at the end.
    """
    rows, columns = conductances.shape
    edge, start = _EDGE * length, _EDGE * length
    lines = supply_lines(config, columns)
    for i, x in enumerate(inputs.tolist()):
        width = abs(x) * length
        level = config.v_clp + config.v_read * (1.0 if x > 0 else -1.0)
        if width < edge:  # too short for its edges: no pulse
            lines.append(f"vdrive{i} r{i} 0 {config.v_clp!r}")
            continue
        corners = ((0.0, config.v_clp), (start, config.v_clp), (start + edge, level), (start + width, level),
                   (start + width + edge, config.v_clp))  # fmt: skip
        lines.append(f"vdrive{i} r{i} 0 {pwl(corners, digits=None)}")
    scale = charge_scale(conductances, config, length)
    for j in range(columns):
        lines += [f"fq{j} 0 q{j} vc{j} 1", f"cq{j} q{j} 0 {scale!r}", f"rq{j} q{j} 0 1e18"]
    lines.append(array_lines(conductances, config, law, gate_node="gate", sinh_as="diodes"))
    end = 1.05 * length
    initial = " ".join(f"v(q{j})=0" for j in range(columns))
    return Deck(
        f"pulse widths into {rows} x {columns} {law} cells",
        "\n".join(lines),
        (f".ic {initial}", f".tran {_STEP * length!r} {end!r} 0 {_STEP * length!r}"),
        tuple(f"v(q{j})" for j in range(columns)),
        Tolerances(reltol=1e-5, abstol=1e-13, vntol=1e-8, chgtol=1e-20, temperature=config.temperature),
        (end,),
    )


def charge_scale(conductances: Array, config: CrossbarConfig, length: float) -> float:
    """Charge [C] of one volt on the integrators of `pulse_deck`: that of a full-scale pulse through a whole column."""
    return config.v_read * length * float(conductances.sum(axis=0).max())


def common_gain(ideal: Array, found: Array) -> float:
    """The factor of `ideal` that comes nearest to `found`, least squares over arrays of any shape."""
    return float((ideal * found).sum() / (ideal * ideal).sum())


def measure_pulses(
    config: CrossbarConfig,
    vectors: int,
    bits: int,
    length: float,
    seed: int,
    pool: SimulatorPool,
    label: str | None = None,
) -> Measured:
    """Charges of one array by both kinds of input, beside sum_i V_read G_ij T x_i.

    Parameters
    ----------
    vectors: differential ones of the same numbers for both kinds.
    bits: of an input, sign included: widths and amplitudes are k / (2^(bits-1) - 1).
    length: of a full-scale pulse [s].
    """
    if not 2 <= bits <= 8:
        raise CosimError("not a number of bits of an input", key="input_bits", value=bits, allowed="2 to 8")
    rng = np.random.default_rng(stream(seed, "crossbar: pulses"))
    cells = draw_conductances("weights", config.rows, config.columns, device_of(config), rng)
    top = 2 ** (bits - 1) - 1
    codes = rng.integers(-top, top + 1, (vectors, (config.rows + 1) // 2))
    x = differential_inputs(codes / top, 1.0)[:, : config.rows]
    ideal = config.v_read * length * (x @ cells)
    decks = [pulse_deck(cells, row, config, length) for row in x]
    decks.append(crossbar_deck(cells, config.v_read * x, config, "sinh"))
    scale = charge_scale(cells, config, length)

    def extract(result: Result, number: int) -> Figures:
        if number == vectors:
            return {"charge": length * clamp_currents(result, vectors, config.columns)}
        return {"charge": scale * np.array([[result[f"v(q{j})"][-1] for j in range(config.columns)]])}

    largest = float(np.abs(ideal).max())
    tolerance = TOLERANCE * largest
    checked = run_checked(decks, extract, {"charge": tolerance}, pool, label)
    none = np.full((1, config.columns), np.nan)
    by_width = np.concatenate([each.figures["charge"] if each.status != 1 else none for each in checked[:-1]])
    by_amplitude = checked[-1].figures.get("charge", np.repeat(none, vectors, axis=0))
    if checked[-1].status == 1:
        by_amplitude = np.repeat(none, vectors, axis=0)
    charge = np.stack((by_width, by_amplitude))
    gains = np.array([common_gain(ideal, each) for each in charge])
    error = (charge - gains[:, None, None] * ideal) / np.abs(charge).max(axis=(1, 2), keepdims=True)
    axes = ("input_mode", "pulse_vector", "column")
    variables = {
        "charge": (axes, charge, "C", "charge of a bit line"),
        "charge_ideal": (axes[1:], ideal, "C", "ideal charge, V_read T sum of x G"),
        "charge_gain": (axes[:1], gains, "1", "factor common to all charges, over the ideal ones"),
        "charge_error": (axes, error, "1", "error of the charge, of full scale"),
        "charge_error_rms": (
            axes[:1],
            np.sqrt((error**2).mean(axis=(1, 2))),
            "1",
            "rms error of a charge, of full scale",
        ),
    }
    coords = {
        "input_mode": (axes[:1], np.array(INPUT_MODES, dtype=object), "1", "how an input is applied"),
        "pulse_vector": (axes[1:2], np.arange(vectors), "1", "input vector"),
    }
    moved = {"charge": (largest_change(checked, "charge"), tolerance_text(tolerance, "C"))}
    return of_checked(variables, coords, checked, moved)
