"""What stuck cells do to the bit lines' currents: the same array, input and wires with and without them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cosim.blocks.crossbar.config import CrossbarConfig
from cosim.blocks.crossbar.inputs import device_of
from cosim.blocks.crossbar.measured import Measured, of_results
from cosim.blocks.crossbar.netlist import clamp_currents, crossbar_deck
from cosim.blocks.crossbar.samples import draw_conductances, draw_voltages
from cosim.errors import CosimError
from cosim.seeds import stream
from cosim.spice import SimulatorPool

Array = NDArray[np.float64]

FAULTS = ("stuck off", "stuck on")


def with_stuck(conductances: Array, lot: Array, share: float, value: float) -> Array:
    """The same cells, those whose `lot` (uniform in 0 .. 1, same shape) is below `share` at `value` [S].

    A larger share so holds the stuck cells of a smaller one.
    """
    return np.where(lot < share, value, conductances)


def measure_stuck(
    config: CrossbarConfig,
    shares: Sequence[float],
    chips: int,
    vectors: int,
    seed: int,
    pool: SimulatorPool,
    label: str | None = None,
) -> Measured:
    """Error of the currents by cells stuck off (the device's `g_lowest`) and stuck on (`g_highest`).

    Parameters
    ----------
    shares: of the cells.
    chips: each with weights, input vectors and stuck cells of its own.

    Full scale is the same for all chips: rows x G_max x V_read, the current of a bit line whose cells are all at G_max
    and all read at V_read.
    """
    for share in shares:
        if not 0.0 < share <= 1.0:
            raise CosimError("not a share of the cells", key="stuck", value=share, allowed="above 0 to 1")
    device = device_of(config)
    values = (device.g_lowest, device.g_highest)
    decks = []
    for sequence in stream(seed, "crossbar: stuck cells").spawn(chips):
        rng = np.random.default_rng(sequence)
        cells = draw_conductances("weights", config.rows, config.columns, device, rng)
        voltages = draw_voltages(vectors, config.rows, config.v_read, rng)
        lot = rng.random(cells.shape)
        arrays = [cells, *(with_stuck(cells, lot, share, value) for value in values for share in shares)]
        decks += [crossbar_deck(each, voltages, config) for each in arrays]
    results = pool.run(decks, label)
    currents = np.full((len(decks), vectors, config.columns), np.nan)
    for number, result in enumerate(results):
        if result.ok:
            currents[number] = clamp_currents(result, vectors, config.columns)
    of_chip = currents.reshape(chips, 1 + len(FAULTS) * len(shares), vectors, config.columns)
    full_scale = config.rows * device.g_max * config.v_read
    error = ((of_chip[:, 1:] - of_chip[:, :1]) / full_scale).reshape(chips, len(FAULTS), len(shares), -1)
    axes = ("chip", "fault", "stuck_share")
    variables = {
        "stuck_error": (
            axes, np.sqrt((error**2).mean(axis=-1)), "1", "rms error, of rows x G_max x V_read"
        ),
        "stuck_error_largest": (
            axes, np.abs(error).max(axis=-1), "1", "largest error, of rows x G_max x V_read"
        ),
    }  # fmt: skip
    coords = {
        "fault": (("fault",), np.array(FAULTS, dtype=object), "1", "what the stuck cells are"),
        "stuck_share": (("stuck_share",), np.array(shares, dtype=np.float64), "1", "share of the cells that are stuck"),
        "chip": (("chip",), np.arange(chips), "1", "array with weights and stuck cells of its own"),
    }
    return of_results(variables, coords, results)
