"""Crossbar: sinh cells in the fast model, their error against ngspice and their cost beside linear cells.

The model is fitted to a characterisation of 64 x 64 arrays at V_read = 0.2 V. Its error is that on vectors and weights
that the fit did not see, and that of new arrays of other sizes, read voltages and kinds of conductances, with the same
fitted resistances and V_0: rms over vectors with independent amplitudes, differential ones and full-scale ones, of full
scale, the largest current of the array. The cost is that of the vectors once the array is programmed, against one
matrix product of numpy in the same floating type, in one thread; and the time of ngspice for the same vectors.

Prints one JSON object a line: claim, value, unit, yardstick, ratio (yardstick / value), goal, holds, threads.
"""

from __future__ import annotations

import time

import numpy as np
from _timing import paired, report
from threadpoolctl import threadpool_limits

from cosim.blocks.crossbar.behaviour import CrossbarModel
from cosim.blocks.crossbar.characterisation import characterise
from cosim.blocks.crossbar.config import CrossbarConfig
from cosim.blocks.crossbar.currents import simulated_currents
from cosim.blocks.crossbar.elimination import effective_conductance
from cosim.blocks.crossbar.fitting import fit
from cosim.blocks.crossbar.inputs import device_of
from cosim.blocks.crossbar.samples import draw_conductances, draw_voltages
from cosim.blocks.crossbar.sinh import OddPowers, odd_power_coefficients, odd_power_currents
from cosim.spice import SimulatorPool

GOAL = 5e-4  # of full scale, rms
VECTORS = 12
CONDITIONS = tuple(
    (rows, columns, v_read, kind)
    for rows, columns, v_read in ((64, 64, 0.1), (64, 64, 0.3), (128, 64, 0.2), (128, 64, 0.3), (64, 128, 0.2))
    for kind in ("uniform", "weights")
)
SIZES, BATCHES = (64, 128), (1, 64, 256)


def main() -> None:
    with SimulatorPool(1, use_cache=False) as pool, threadpool_limits(1):
        data = characterise(
            CrossbarConfig(), measurements=("currents",), arrays=4, vectors=VECTORS, seed=3, pool=pool,
            show_progress=False,
        )  # fmt: skip
        model = fit(data)
        version = f"ngspice {pool.simulator.version_text}"
        for part, size in model.parts["sinh"].items():
            if part != "seen":
                told = f"{version}, 64 x 64, V_read 0.2 V, {size['points']} points, {size['maximum']:.1e} at most"
                claim = f"crossbar: error of sinh cells, {part.replace('_', ' ')}"
                report(claim, size["rms"], "of full scale, rms", told, GOAL / size["rms"], 1.0)
        for number, (rows, columns, v_read, kind) in enumerate(CONDITIONS):
            state_error(model, rows, columns, v_read, kind, number, pool, version)
        for size in SIZES:
            state_cost(model, size)


def programmed(model: CrossbarModel, cells: np.ndarray, v_read: float) -> OddPowers:
    return odd_power_coefficients(cells, *model.resistances, v_0=model.value("v_0"), v_g=model.v_g, v_read=v_read)


def state_error(
    model: CrossbarModel, rows: int, columns: int, v_read: float, kind: str, seed: int, pool: SimulatorPool,
    version: str,
) -> None:  # fmt: skip
    """Error on one new array, and how much faster than ngspice its vectors are."""
    config = CrossbarConfig(rows=rows, columns=columns, v_read=v_read)
    rng = np.random.default_rng([1, seed])
    cells = draw_conductances(kind, rows, columns, device_of(config), rng)
    voltages = draw_voltages(VECTORS, rows, v_read, rng)
    started = time.perf_counter()
    expected = simulated_currents(cells, voltages, config, "sinh", pool)
    simulated = time.perf_counter() - started
    coefficients = programmed(model, cells, v_read)
    error = (odd_power_currents(voltages, coefficients) - expected) / np.abs(expected).max()
    size = float(np.sqrt(np.mean(error**2)))
    where = f"{rows} x {columns}, V_read {v_read:g} V, {kind} conductances"
    told = f"{version}, {VECTORS} vectors, {np.abs(error).max():.1e} at most"
    report(f"crossbar: error of sinh cells, {where}", size, "of full scale, rms", told, GOAL / size, 1.0)
    many = np.tile(voltages, (20, 1))
    one, _ = paired(lambda: odd_power_currents(many, coefficients), lambda: None, 20)
    per_vector, theirs = one / len(many), simulated / VECTORS
    told = f"{version}, one .dc of {VECTORS} vectors, one worker"
    report(f"crossbar: time of a vector, sinh cells, {where}", per_vector * 1e6, "us", told, theirs / per_vector, 1e4)


def state_cost(model: CrossbarModel, size: int) -> None:
    """A vector of sinh cells against one of linear cells; programming against the linear matrix."""
    rng = np.random.default_rng(2)
    cells = rng.uniform(1e-6, 1e-4, (size, size))
    matrix, coefficients = effective_conductance(cells, *model.resistances), programmed(model, cells, 0.2)
    for dtype in (np.float64, np.float32):
        plain, powers = matrix.astype(dtype), coefficients.astype(dtype)
        for batch in BATCHES:
            voltages = rng.uniform(-0.2, 0.2, (batch, size)).astype(dtype)
            repeats = max(1, 256 // batch)

            def ours(v: np.ndarray = voltages, p: OddPowers = powers, n: int = repeats) -> None:
                for _ in range(n):
                    odd_power_currents(v, p)

            def other(v: np.ndarray = voltages, m: np.ndarray = plain, n: int = repeats) -> None:
                for _ in range(n):
                    v @ m

            one, two = paired(ours, other, 200)
            report(
                f"crossbar: a vector of sinh cells, {size} x {size}, batch {batch}, {np.dtype(dtype).name}",
                one / repeats / batch * 1e6, "us", f"numpy {np.__version__} product of linear cells", two / one, 0.1,
            )  # fmt: skip
    one, two = paired(
        lambda: programmed(model, cells, 0.2), lambda: effective_conductance(cells, *model.resistances), 15
    )
    report(
        f"crossbar: programming sinh cells of {size} x {size}", one * 1e3, "ms", "matrix of linear cells", two / one,
        1 / 10,
    )  # fmt: skip


if __name__ == "__main__":
    main()
