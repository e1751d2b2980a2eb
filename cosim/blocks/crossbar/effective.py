"""What weights become in an array with wires: the mappings of `mapping`, input by input through ngspice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from cosim.blocks.crossbar.config import CrossbarConfig
from cosim.blocks.crossbar.inputs import device_of
from cosim.blocks.crossbar.mapping import BitSliced, Differential, Unipolar, WeightMapping
from cosim.blocks.crossbar.measured import Measured
from cosim.blocks.crossbar.netlist import clamp_currents, crossbar_deck
from cosim.blocks.crossbar.samples import WEIGHT_SIGMA, shapes_of, size_coords
from cosim.blocks.status import FAILED, NOT_FOUND, OK
from cosim.devices import Device
from cosim.errors import CosimError
from cosim.seeds import stream
from cosim.spice import SimulatorPool

Array = NDArray[np.float64]

WEIGHT_BITS, SLICE_BITS = 5, 2
NO_ROOM = (0, 0)
LEAST_INPUTS = 2  # rows of weights: a single weight is all common factor, and says nothing of a spread


def mappings_of(device: Device) -> dict[str, WeightMapping]:
    """The mappings that are compared, weights -1 .. 1, on the device's whole window."""
    window = {"g_min": device.g_min, "g_max": device.g_max}
    return {
        "differential": Differential(**window),
        "unipolar": Unipolar(**window, w_low=-1.0),
        "bit-sliced": BitSliced(**window, bits=WEIGHT_BITS, slice_bits=SLICE_BITS),
    }


def measure_mappings(
    config: CrossbarConfig, shares: Sequence[float], seed: int, pool: SimulatorPool, label: str | None = None
) -> Measured:
    """Effective weights of a weight matrix in each mapping: the result for one input at full scale after another.

    `shares`: parts of the configured rows and columns that the arrays have; the matrix of each is as large as all
    mappings have room for, the smaller ones parts of the largest. An array that is too small for `LEAST_INPUTS` rows of
    weights in every mapping is not simulated: NaN, status NOT_FOUND. CosimError when all are (`weight_rooms`).
    Weights are integers of `WEIGHT_BITS` bits, so that no mapping has to round. Cells are linear and without
    programming error: what differs from the weights is what wires, drivers and clamps (and access transistors) do.
    """
    kinds = mappings_of(device_of(config))
    rooms = weight_rooms(config, shares)
    inputs, outputs = (max(each) for each in zip(*rooms, strict=True))
    rng = np.random.default_rng(stream(seed, "crossbar: mappings"))
    top = 2 ** (WEIGHT_BITS - 1) - 1
    drawn = np.clip(WEIGHT_SIGMA * rng.standard_normal((inputs, outputs)), -1.0, 1.0)
    weights = np.rint(top * drawn) / top
    points = [(size, name) for size, room in enumerate(rooms) if room != NO_ROOM for name in kinds]
    decks = []
    for size, name in points:
        kind, part = kinds[name], weights[: rooms[size][0], : rooms[size][1]]
        voltages = kind.voltages(np.eye(len(part)), config.v_read)
        decks.append(crossbar_deck(kind.conductances(part), voltages, config, title=name))
    results = pool.run(decks, label)
    effective = np.full((len(rooms), len(kinds), inputs, outputs), np.nan)
    cells = np.full((len(rooms), len(kinds)), np.nan)
    status = np.full((len(rooms), len(kinds)), NOT_FOUND, dtype=np.int8)
    for (size, name), result in zip(points, results, strict=True):
        kind, number, (rows, columns) = kinds[name], list(kinds).index(name), rooms[size]
        cells[size, number] = np.prod(kind.shape(rows, columns))
        status[size, number] = OK if result.ok else FAILED
        if result.ok:
            currents = clamp_currents(result, rows, kind.shape(rows, columns)[1])
            effective[size, number, :rows, :columns] = kind.results(currents, config.v_read)
    there = np.isfinite(effective)
    wanted = np.where(there, weights, np.nan)
    known = np.asarray(there.any(axis=(2, 3)))
    gain = np.full(known.shape, np.nan)
    gain[known] = np.nansum(effective * wanted, axis=(2, 3))[known] / np.nansum(wanted**2, axis=(2, 3))[known]
    axes = ("size", "mapping", "input", "output")
    variables = {
        "weight": (axes[2:], weights, "1", "weight that was asked for"),
        "effective_weight": (axes, effective, "1", "weight that the array multiplies with"),
        "weight_deviation": (axes, effective - weights, "1", "effective weight less what was asked for"),
        "weight_error": (axes[:2], _rms(effective - wanted, known), "1", "rms error of the effective weights"),
        "weight_gain": (axes[:2], gain, "1", "factor common to all effective weights"),
        "weight_spread": (
            axes[:2], _rms(effective - gain[:, :, None, None] * wanted, known), "1",
            "rms error of the effective weights beside their common factor",
        ),
        "cells": (axes[:2], cells, "1", "cells that the weights take"),
    }  # fmt: skip
    coords = size_coords(config, shares)
    coords["mapping"] = (axes[1:2], np.array(list(kinds), dtype=object), "1", "how weights lie on cells")
    return Measured(variables, coords, status.ravel(), [result.key for result in results])


def weight_rooms(config: CrossbarConfig, shares: Sequence[float]) -> list[tuple[int, int]]:
    """Inputs and outputs for which the arrays of `measure_mappings` have room; `NO_ROOM` where they are too small.

    Raises CosimError when every one is.
    """
    kinds = mappings_of(device_of(config))
    shapes = shapes_of(config, shares)
    rooms = [_room(shape, kinds) for shape in shapes]
    if all(room == NO_ROOM for room in rooms):
        rows, columns = max(shapes)
        raise CosimError(
            f"no array has room for {LEAST_INPUTS} rows of weights in every mapping",
            key="rows, columns", value=f"{rows} x {columns}",
            allowed="4 rows and 2 columns or more, or the other measurements only",
        )  # fmt: skip
    return rooms


def _rms(error: Array, known: NDArray[np.bool_]) -> Array:
    """Root mean square of what is there, (size, mapping, input, output) -> (size, mapping); NaN where not `known`."""
    rms = np.full(known.shape, np.nan)
    rms[known] = np.sqrt(np.nanmean(error[known] ** 2, axis=(1, 2)))
    return rms


def _room(shape: tuple[int, int], kinds: Mapping[str, WeightMapping]) -> tuple[int, int]:
    """Inputs and outputs for which an array of that shape is large enough in every mapping, or `NO_ROOM`."""
    inputs = outputs = 0
    while all(_fits(kind, inputs + 1, 1, shape) for kind in kinds.values()):
        inputs += 1
    while inputs and all(_fits(kind, inputs, outputs + 1, shape) for kind in kinds.values()):
        outputs += 1
    return (inputs, outputs) if inputs >= LEAST_INPUTS and outputs else NO_ROOM


def _fits(kind: WeightMapping, inputs: int, outputs: int, shape: tuple[int, int]) -> bool:
    rows, columns = kind.shape(inputs, outputs)
    return rows <= shape[0] and columns <= shape[1]
