"""What weights become in an array with wires: the mappings of `mapping`, input by input through ngspice."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from cosim.blocks.crossbar.config import CrossbarConfig
from cosim.blocks.crossbar.inputs import device_of
from cosim.blocks.crossbar.mapping import BitSliced, Differential, Unipolar, WeightMapping
from cosim.blocks.crossbar.measured import Measured, of_results
from cosim.blocks.crossbar.netlist import clamp_currents, crossbar_deck
from cosim.blocks.crossbar.samples import WEIGHT_SIGMA
from cosim.devices import Device
from cosim.errors import CosimError
from cosim.seeds import stream
from cosim.spice import SimulatorPool

Array = NDArray[np.float64]

WEIGHT_BITS, SLICE_BITS = 5, 2


def mappings_of(device: Device) -> dict[str, WeightMapping]:
    """The mappings that are compared, weights -1 .. 1, on the device's whole window."""
    window = {"g_min": device.g_min, "g_max": device.g_max}
    return {
        "differential": Differential(**window),
        "unipolar": Unipolar(**window, w_low=-1.0),
        "bit-sliced": BitSliced(**window, bits=WEIGHT_BITS, slice_bits=SLICE_BITS),
    }


def measure_mappings(config: CrossbarConfig, seed: int, pool: SimulatorPool, label: str | None = None) -> Measured:
    """Effective weights of one weight matrix in each mapping: the result for one input at full scale after another.

    The matrix is as large as all mappings have room for; its weights are integers of `WEIGHT_BITS` bits, so that no
    mapping has to round. Cells are linear and without programming error: what differs from the weights is what wires,
    drivers and clamps (and access transistors) do.
    """
    device = device_of(config)
    kinds = mappings_of(device)
    inputs, outputs = _room(config, kinds)
    rng = np.random.default_rng(stream(seed, "crossbar: mappings"))
    top = 2 ** (WEIGHT_BITS - 1) - 1
    drawn = np.clip(WEIGHT_SIGMA * rng.standard_normal((inputs, outputs)), -1.0, 1.0)
    weights = np.rint(top * drawn) / top
    decks = [
        crossbar_deck(kind.conductances(weights), kind.voltages(np.eye(inputs), config.v_read), config, title=name)
        for name, kind in kinds.items()
    ]
    results = pool.run(decks, label)
    effective = np.full((len(kinds), inputs, outputs), np.nan)
    for number, (kind, result) in enumerate(zip(kinds.values(), results, strict=True)):
        if result.ok:
            currents = clamp_currents(result, inputs, kind.shape(inputs, outputs)[1])
            effective[number] = kind.results(currents, config.v_read)
    error = effective - weights
    gain = (effective * weights).sum(axis=(1, 2)) / (weights**2).sum()
    spread = effective - gain[:, None, None] * weights
    axes = ("mapping", "input", "output")
    variables = {
        "weight": (axes[1:], weights, "1", "weight that was asked for"),
        "effective_weight": (axes, effective, "1", "weight that the array multiplies with"),
        "weight_error": (axes[:1], np.sqrt((error**2).mean(axis=(1, 2))), "1", "rms error of the effective weights"),
        "weight_gain": (axes[:1], gain, "1", "factor common to all effective weights"),
        "weight_spread": (
            axes[:1], np.sqrt((spread**2).mean(axis=(1, 2))), "1",
            "rms error of the effective weights beside their common factor",
        ),
        "cells": (
            axes[:1], np.array([np.prod(kind.shape(inputs, outputs)) for kind in kinds.values()]), "1",
            "cells that the weights take",
        ),
    }  # fmt: skip
    coords = {"mapping": (axes[:1], np.array(list(kinds), dtype=object), "1", "how weights lie on cells")}
    return of_results(variables, coords, results)


def _room(config: CrossbarConfig, kinds: Mapping[str, WeightMapping]) -> tuple[int, int]:
    """Inputs and outputs for which the configured array is large enough in every mapping."""
    inputs = outputs = 0
    while all(_fits(kind, inputs + 1, 1, config) for kind in kinds.values()):
        inputs += 1
    while inputs and all(_fits(kind, inputs, outputs + 1, config) for kind in kinds.values()):
        outputs += 1
    if not outputs:
        raise CosimError(
            "the array is too small for a weight in every mapping", key="columns", value=config.columns,
            allowed="2 or more, or the other measurements only",
        )  # fmt: skip
    return inputs, outputs


def _fits(kind: WeightMapping, inputs: int, outputs: int, config: CrossbarConfig) -> bool:
    rows, columns = kind.shape(inputs, outputs)
    return rows <= config.rows and columns <= config.columns
