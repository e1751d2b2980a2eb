"""Characterising the crossbar in ngspice: one data set of all measurements, or of those that are asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import xarray as xr

from cosim.blocks.crossbar.config import CrossbarConfig
from cosim.blocks.crossbar.currents import measure_currents
from cosim.blocks.crossbar.effective import measure_mappings, weight_rooms
from cosim.blocks.crossbar.faults import measure_stuck
from cosim.blocks.crossbar.inputs import device_of
from cosim.blocks.crossbar.leakage import measure_leakage
from cosim.blocks.crossbar.measured import Measured
from cosim.blocks.crossbar.pulses import measure_pulses
from cosim.blocks.crossbar.settling import measure_settling
from cosim.blocks.dataset import Entry, new_dataset
from cosim.blocks.status import LONG_NAME
from cosim.errors import CosimError, did_you_mean
from cosim.spice import SimulatorPool, default_pool

MEASUREMENTS = ("currents", "settling", "leakage", "stuck", "pulses", "mappings")
PULSE = 100e-9  # [s], a full-scale input pulse; the arrays of that measurement have no memory, so it only scales
STUCK_VECTORS = 6  # input vectors of an array with stuck cells


def characterise(
    config: CrossbarConfig,
    *,
    measurements: tuple[str, ...] = MEASUREMENTS,
    arrays: int = 8,
    vectors: int = 24,
    sizes: Sequence[tuple[int, int]] | None = None,
    shares: tuple[float, ...] = (0.25, 0.5, 1.0),
    fractions: tuple[float, ...] = (0.1, 0.01, 0.001),
    active: int = 1,
    stuck: tuple[float, ...] = (0.001, 0.01, 0.05),
    chips: int = 3,
    pulse_vectors: int = 2,
    input_bits: int = 5,
    seed: int = 1,
    pool: SimulatorPool | None = None,
    show_progress: bool = True,
) -> xr.Dataset:
    """What an array does, each measurement as its module says.

    Parameters
    ----------
    measurements: of `MEASUREMENTS`. A model is fitted to "currents".
    arrays, vectors, sizes: of "currents": random arrays, by pairs (one to fit, one to judge) alternately with
        conductances spread over the device's window and with those of differential weights, most of them small; input
        vectors of each, in turn with independent rows, differential with some inputs idle, and differential at full
        scale; (rows, columns) of the arrays, taken in turn every other pair, the configured size when None.
        `sizes` is for Python alone: pairs have no form on the command line.
    shares: of "settling" and "mappings": parts of the configured rows and columns that an array has.
    fractions: of "settling": distance from the final current.
    active: of "leakage": rows that are read while the others are idle.
    stuck, chips: of "stuck": shares of the cells; arrays.
    pulse_vectors, input_bits: of "pulses": input vectors; bits of an input, sign included.
    seed: of everything random.

    The data set has one `status` a simulated point, named by the coordinate `measurement`. A point whose simulation
    failed keeps its place with NaN.
    """
    for name in measurements:
        if name not in MEASUREMENTS:
            raise CosimError(
                f"there is no such measurement.{did_you_mean(name, MEASUREMENTS)}",
                key="measurements", value=name, allowed=MEASUREMENTS,
            )  # fmt: skip
    if not shares or not fractions:
        raise CosimError("nothing to measure", key="shares" if not shares else "fractions", allowed="one or more")
    _check_shares(shares, "shares")
    _check_shares(fractions, "fractions")
    for name, value in (("chips", chips), ("pulse_vectors", pulse_vectors)):
        if value < 1:
            raise CosimError("nothing to measure", key=name, value=value, allowed="1 or more")
    if "mappings" in measurements:
        weight_rooms(config, shares)  # refuses before anything is simulated
    pool = pool or default_pool()
    ways: dict[str, Callable[[str | None], Measured]] = {
        "currents": lambda label: measure_currents(config, arrays, vectors, sizes, seed, pool, label),
        "settling": lambda label: measure_settling(config, shares, fractions, seed, pool, label),
        "leakage": lambda label: measure_leakage(config, active, seed, pool, label),
        "stuck": lambda label: measure_stuck(config, stuck, chips, STUCK_VECTORS, seed, pool, label),
        "pulses": lambda label: measure_pulses(config, pulse_vectors, input_bits, PULSE, seed, pool, label),
        "mappings": lambda label: measure_mappings(config, shares, seed, pool, label),
    }
    title = f"crossbar, {config.rows} x {config.columns}"
    found = {
        name: way(f"{title}: {name}" if show_progress else None) for name, way in ways.items() if name in measurements
    }
    if not found:
        raise CosimError("no measurement is asked for", key="measurements", allowed=MEASUREMENTS)
    return _dataset(config, found, seed, pool)


def _check_shares(values: Sequence[float], key: str) -> None:
    for value in values:
        if not 0.0 < value <= 1.0:
            raise CosimError("not a share", key=key, value=value, allowed="above 0 to 1")


def _dataset(config: CrossbarConfig, found: dict[str, Measured], seed: int, pool: SimulatorPool) -> xr.Dataset:
    device = device_of(config)
    names = np.repeat(np.array(list(found), dtype=object), [len(each.status) for each in found.values()])
    variables: dict[str, Entry] = {}
    coords: dict[str, Entry] = {"measurement": (("point",), names, "1", "measurement that the point belongs to")}
    for each in found.values():
        variables |= each.variables
        coords |= each.coords
    variables["status"] = (("point",), np.concatenate([each.status for each in found.values()]), "1", LONG_NAME)
    data = new_dataset(
        block="crossbar",
        variables=variables,
        coords=coords,
        config={**config.model_dump(mode="json"), "v_g": device.v_read},
        seed=seed,
        deck_hashes=[key for each in found.values() for key in each.keys],
        simulator=f"ngspice {pool.simulator.version_text}",
        solver=pool.simulator.solver,
        device=config.device,
        device_sha256=device.sha256,
    )
    for each in found.values():
        for name, (change, tolerance) in each.steps.items():
            data[name].attrs |= {"step_change": change, "step_tolerance": tolerance}
    return data
