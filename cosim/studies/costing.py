"""What a network on tiles asks of the hardware in one inference, counted from its layers, and what that costs.

Counts come from `TiledNetwork.use()`, that is, from data that went through the network; codes of the inputs are those
of a sample of the vectors that each matrix is given, and conductances the programming targets.

Buffers: each vector is read from a buffer once for all matrices that share it, at the bits of the DAC, with the patches
of a convolution read anew; results are written at the bits of the converter, or of the processors where several parts
are added; a cell's state is read and written at the bits of the processors.

Results of columns or parts with full scales of their own are multiplied by them digitally, one multiplication each.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cosim.costs.account import NetworkCost, network_cost
from cosim.costs.config import CostConfig
from cosim.costs.work import DigitalWork, LayerWork, Operation, TileWork
from cosim.networks.graph import Graph
from cosim.networks.layers.protocol import Activations
from cosim.networks.tiled import TiledNetwork
from cosim.networks.use import NetworkUse
from cosim.tiles.config import conductance_targets
from cosim.tiles.hardware import Hardware
from cosim.tiles.mapping import MappingConfig, MatrixUse
from cosim.tiles.matrix import TiledMatrix
from cosim.tiles.protocol import Fidelity
from cosim.tiles.quantise import dac_codes
from cosim.tiles.scaling import ScalingConfig

VECTORS = 64  # of each matrix, whose mean energy counts

ADDITIONS = frozenset({"add", "sub", "neg", "mean", "sum", "avg_pool1d", "avg_pool2d", "adaptive_avg_pool1d",
                       "adaptive_avg_pool2d"})  # fmt: skip
MULTIPLICATIONS = frozenset({"multiply", "mul", "square", "scale_and_shift"})
COMPARISONS = frozenset({"relu", "relu6", "clamp", "hardtanh", "leaky_relu", "abs", "maximum", "minimum", "amax",
                         "amin", "argmax", "max_pool1d", "max_pool2d", "adaptive_max_pool1d",
                         "adaptive_max_pool2d"})  # fmt: skip
GATE_NAMES = frozenset({"i", "f", "g", "o", "r", "z", "n_input", "n_hidden"})


def kind_of(operation: str) -> Operation:
    """What a processor takes for it; every function that is none of the simple ones is an activation of N cycles."""
    if operation in ADDITIONS:
        return "addition"
    if operation in MULTIPLICATIONS:
        return "multiplication"
    return "comparison" if operation in COMPARISONS else "activation"


def group_of(matrix: str) -> str:
    """Matrices of one group get the same vectors and work side by side: the gates of a set of cells.

    A second conversion of all gates is a group of its own, "lstm.l0.second".
    """
    words = matrix.split(".")
    if words[-1] in GATE_NAMES and len(words) > 1:
        return ".".join(words[:-1])
    if len(words) > 2 and words[-1].startswith("second"):
        return ".".join([*words[:-2], "second"])
    return matrix


def layers_of(
    network: TiledNetwork, use: NetworkUse, samples: Mapping[str, NDArray[Any]], config: CostConfig, *, per: int = 1
) -> list[LayerWork]:
    """One entry for each group of matrices and for each digital operation between them.

    Parameters
    ----------
    use: counts of an example.
    samples: matrix -> vectors (count, inputs) that it was given, in the network's units.
    per: an example is so many inferences (symbols of a text), by which all counts are divided.
    """
    groups: dict[str, list[str]] = {}
    for name in use.matrices:
        groups.setdefault(group_of(name), []).append(name)
    digital = dict(use.digital)
    found = []
    for group, names in groups.items():
        own = {key: digital.pop(key) for key in list(digital) if key[0] == group}
        found.append(_layer(network, use, group, names, own, samples, config, per))
    for (node, operation), number in digital.items():
        work = _digital(operation, number / per, config)
        found.append(LayerWork(node if node != operation else f"{node} (digital)", 0.0, digital=(work,)))
    return found


def _digital(operation: str, number: float, config: CostConfig) -> DigitalWork:
    return DigitalWork(operation, kind_of(operation), number, config.word_bits)


def _layer(
    network: TiledNetwork, use: NetworkUse, group: str, names: list[str], own: Mapping[tuple[str, str], float],
    samples: Mapping[str, NDArray[Any]], config: CostConfig, per: int,
) -> LayerWork:  # fmt: skip
    tiles: list[TileWork] = []
    work = [_digital(operation, number / per, config) for (_, operation), number in own.items()]
    multiplications = written = stored = 0.0
    for name in names:
        matrix, counts = network.matrices[name], use.matrices[name]
        vectors = counts.vectors / per
        tiles += tile_works(matrix, samples[name], vectors)
        multiplications += vectors * _weights(network, name)
        bits = _result_bits(matrix, config)
        written += vectors * counts.outputs * bits
        stored += (1.0 if len(names) > 1 else vectors) * counts.outputs * bits
        rescaled = _rescaled(matrix)
        if rescaled:
            work.append(DigitalWork("full scales", "multiplication", vectors * rescaled, config.word_bits))
        if counts.digital_additions:
            width = network.hardware.tile.adc.bits + math.ceil(math.log2(counts.row_blocks * counts.digits + 1))
            work.append(DigitalWork("partial sums", "addition", counts.digital_additions / per, width))
    first: MatrixUse = use.matrices[names[0]]
    steps = first.vectors / per
    dac_bits = network.hardware.tile.dac_bits
    # The gates share their vectors; a second conversion has other ones for each matrix.
    shared = len(names) if group.endswith(".second") else 1
    read = steps * first.inputs * dac_bits * shared
    stored += first.inputs * dac_bits
    if len(names) > 1 and not group.endswith(".second"):
        state = first.outputs * config.word_bits
        read, written, stored = read + steps * state, written + steps * state, stored + state
    return LayerWork(group, multiplications, steps, tuple(tiles), tuple(work), read, written, stored)


def _weights(network: TiledNetwork, name: str) -> int:
    """Weights of a matrix that multiply inputs: those of the bias row are added, and those of a second conversion
    carry sums."""
    weights = network.weights[name]
    inputs, outputs = weights.weights.shape
    if name.rpartition(".")[2].startswith("second"):
        return 0
    return (inputs - (weights.groups or {}).get("bias", 0)) * outputs


def _rescaled(matrix: TiledMatrix) -> int:
    """Results of an operation that are multiplied by a full scale before they mean the same: none of converters that
    give activations, and none where one scale serves the whole matrix and can wait."""
    scales = np.concatenate([part.scale for part in matrix.parts])
    alike = float(np.ptp(scales)) <= 1e-9 * float(np.abs(scales).max())
    return 0 if alike else scales.size


def _result_bits(matrix: TiledMatrix, config: CostConfig) -> int:
    return matrix.hardware.tile.adc.bits if len(matrix.parts) == len(matrix.layout.column_blocks) - 1 else (
        config.word_bits
    )  # fmt: skip


def tile_works(matrix: TiledMatrix, samples: NDArray[Any], vectors: float) -> list[TileWork]:
    """The tiles of a matrix at work on so many vectors; `samples` (count, inputs) in the network's units."""
    scaled = np.asarray(samples, dtype=np.float64) / matrix.scales.s_x
    works = []
    for part in matrix.parts:
        config = part.config
        codes = dac_codes(scaled[:, part.rows], config.dac_bits)
        # What drivers see is the effective conductances; compensated cells are programmed to have these.
        cells = conductance_targets(part.weights, config)
        works.append(TileWork(f"{matrix.name}.{part.name}", config, cells, codes, vectors))
    return works


def cost_of_network(
    network: TiledNetwork, data: Any, config: CostConfig | None = None, *, per: int = 1, seed: int = 0,
    notes: Sequence[str] = (),
) -> NetworkCost:  # fmt: skip
    """Energy, latency and area of an inference of a calibrated network.

    Parameters
    ----------
    network: with its full scales; its fidelity does not matter, it is not programmed here.
    data: as of `TiledNetwork.forward`, some tens of examples: what their vectors are decides the array's energy.
    per: an example is so many inferences, e.g. symbols of a text.
    seed: of the sample of vectors.
    notes: further lines of the account.

    With the yardsticks all conversions are of the same bits and linear. Raises CosimError without examples, before
    calibration, and as `network_cost`.
    """
    config = config or CostConfig()
    ideal = network.variant(fidelity=Fidelity.IDEAL)
    ideal.program(np.random.default_rng(seed))
    samples = ideal.sample(ideal.matrix_names, data, VECTORS, seed)
    works = layers_of(ideal, ideal.use(), samples, config, per=per)
    cost = network_cost(works, config, network.graph.name)
    return replace(cost, notes=(*cost.notes, *notes))


def cost_of(
    graph: Graph, hardware: Hardware, data: Any, config: CostConfig | None = None, *,
    mapping: MappingConfig | None = None, scaling: ScalingConfig | None = None, activations: Activations = "auto",
    per: int = 1, seed: int = 0, notes: Sequence[str] = (),
) -> NetworkCost:  # fmt: skip
    """The same of a graph that is laid out on these tiles and calibrated with the data first."""
    network = TiledNetwork(graph, hardware, mapping, scaling, Fidelity.IDEAL, activations)
    network.calibrate(data)
    return cost_of_network(network, data, config, per=per, seed=seed, notes=notes)
