"""The account of a network: energy, latency and area of an inference, each as a tree whose totals are sums.

    energy    layer by layer: tiles by their parts, digital work, buffers
    latency   layer by layer: steps x (reset, inputs, settling, bias, conversion), then the digital work of each step
    area      tiles with their converters, processors, buffers

An operation is a multiplication or an addition: a multiply-accumulate of a weight counts two, and nothing else counts.
Each part of a matrix has a tile of its own, with converters of its own: blocks of rows work side by side, steps one
after another, layers one after another. Nothing overlaps: throughput is one inference a latency. Idle tiles and digital
parts at rest take nothing: leakage is left out.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from cosim.costs.area import digital_area, tile_area
from cosim.costs.config import CostConfig
from cosim.costs.digital import BUFFERS, buffer_energy, digital_energy, digital_time
from cosim.costs.terms import Term, total
from cosim.costs.tile_energy import setting_of, tile_energy
from cosim.costs.work import DigitalWork, LayerWork, multiplications
from cosim.errors import CosimError
from cosim.units import format_si

OPERATIONS_A_MAC = 2
DIGITAL = "digital"


@dataclass(frozen=True)
class NetworkCost:
    """Costs of one inference.

    Attributes
    ----------
    energy: [J], layer by layer; energy_by_part: the same, over all layers by what it is spent on.
    latency: [s]; area: [m^2].
    operations: two for each multiply-accumulate.
    notes: what the account takes for granted.
    """

    energy: Term
    energy_by_part: Term
    latency: Term
    area: Term
    operations: float
    notes: tuple[str, ...]

    @property
    def tops(self) -> float:
        """Operations by latency [1e12 / s]."""
        return self.operations / self.latency.value * 1e-12

    @property
    def tops_per_watt(self) -> float:
        """Operations by energy [1e12 / J]."""
        return self.operations / self.energy.value * 1e-12

    @property
    def tops_per_mm2(self) -> float:
        """Operations by latency and area [1e12 / s / mm^2]."""
        return self.tops / (self.area.value * 1e6)

    def figures(self) -> dict[str, float]:
        """The totals, in SI units where no other stands in the name."""
        return {
            "energy": self.energy.value, "latency": self.latency.value, "area": self.area.value,
            "operations": self.operations, "tops": self.tops, "tops_per_watt": self.tops_per_watt,
            "tops_per_mm2": self.tops_per_mm2,
        }  # fmt: skip

    def as_dict(self) -> dict[str, Any]:
        """For `--json`: every tree whole."""
        return {
            "figures": self.figures(),
            "energy": {**self.energy.as_dict(), "unit": "J"},
            "energy_by_part": {**self.energy_by_part.as_dict(), "unit": "J"},
            "latency": {**self.latency.as_dict(), "unit": "s"},
            "area": {**self.area.as_dict(), "unit": "m^2"},
            "notes": list(self.notes),
        }


def network_cost(layers: Sequence[LayerWork], config: CostConfig | None = None, name: str = "network") -> NetworkCost:
    """Costs of a network whose layers ask for this.

    With the yardsticks what a nonlinear converter would have given is converted linearly, and its activation taken
    digitally. Raises CosimError without layers, for tiles of several processes, and as `tile_energy`.
    """
    config = config or CostConfig()
    if not layers:
        raise CosimError("there is nothing to account for", key="layers")
    processes = sorted({tile.config.adc.process for layer in layers for tile in layer.tiles})
    if len(processes) > 1:
        raise CosimError("all tiles must be of one process", key="process", value=processes)
    process = processes[0] if processes else "generic180"
    node = config.node_of(process)
    layers = [with_activations(layer, config) for layer in layers]
    of_layers = [_layer_energy(layer, config, node) for layer in layers]
    tiles = [tile_area(tile, config) for layer in layers for tile in layer.tiles]
    area = total(name, [total("tiles", tiles, f"{len(tiles)} tiles"), *digital_area(layers, config, node)])
    return NetworkCost(
        total(name, of_layers),
        by_part(of_layers, name),
        total(name, [_layer_latency(layer, config, node) for layer in layers]),
        area,
        OPERATIONS_A_MAC * multiplications(layers),
        _notes(config, process, node),
    )


def with_activations(layer: LayerWork, config: CostConfig) -> LayerWork:
    """The layer with the digital activations that linear converters leave; unchanged for "nl-ramp"."""
    if config.converter == "nl-ramp":
        return layer
    count: dict[str, float] = {}
    for tile in layer.tiles:
        function = tile.config.adc.function
        if function != "linear":
            count[function] = count.get(function, 0.0) + tile.operations * tile.converted
    added = [DigitalWork(function, "activation", number, config.word_bits) for function, number in count.items()]
    return LayerWork(
        layer.name, layer.multiplications, layer.steps, layer.tiles, (*added, *layer.digital), layer.read,
        layer.written, layer.stored,
    )  # fmt: skip


def _layer_energy(layer: LayerWork, config: CostConfig, node: int) -> Term:
    tiles = [tile_energy(tile, config) for tile in layer.tiles]
    digital = [digital_energy(work, config, node) for work in layer.digital]
    return total(layer.name, [*tiles, total(DIGITAL, digital), buffer_energy(layer, node)])


def by_part(layers: Sequence[Term], name: str) -> Term:
    """The energy of all layers, its leaves gathered by what they are spent on."""
    amounts: dict[str, dict[str, list[float]]] = {}
    for layer in layers:
        for part, leaf in _parts(layer):
            amounts.setdefault(part, {}).setdefault(leaf.name, []).append(leaf.value)
    terms = []
    for part, leaves in amounts.items():
        sums = [Term(leaf, math.fsum(values), f"sum of {len(values)}") for leaf, values in leaves.items()]
        terms.append(sums[0] if list(leaves) == [part] else total(part, sums))
    return total(name, terms)


def _parts(layer: Term) -> Iterator[tuple[str, Term]]:
    """Part and leaf, for all leaves of a layer; a tile's terms are its parts."""
    for block in layer.terms:
        for part in (block,) if block.name in (DIGITAL, BUFFERS) else block.terms:
            for leaf in part.leaves():
                yield part.name, leaf


def _layer_latency(layer: LayerWork, config: CostConfig, node: int) -> Term:
    terms = []
    if layer.tiles:
        slowest = max(layer.tiles, key=lambda tile: setting_of(tile, config).times.total)
        times = setting_of(slowest, config).times
        phases = [
            Term(phase, layer.steps * duration, f"{layer.steps:.10g} steps x {format_si(duration, 's')}")
            for phase, duration in (
                ("reset", times.reset), ("inputs", times.inputs), ("settling", times.settling),
                ("bias cells", times.bias), ("conversion", times.levels),
            )
        ]  # fmt: skip
        terms.append(total("tiles", phases, f"{len(layer.tiles)} side by side, the slowest {slowest.name}"))
    digital = [digital_time(work, layer.steps, config, node) for work in layer.digital]
    return total(layer.name, [*terms, total(DIGITAL, digital)])


def _notes(config: CostConfig, process: str, node: int) -> tuple[str, ...]:
    kinds = {
        "nl-ramp": "ramp ADC with a memristor column: codes are activations",
        "ramp": "ordinary ramp ADC (capacitive DAC), activations digital",
        "sar": f"SAR ADC for {config.sar_share} columns, activations digital",
    }
    return (
        f"converter {config.converter}: {kinds[config.converter]}",
        f"analogue parts as simulated in {process}; digital parts and SAR fits at {node} nm",
        f"k = {config.processors} processors, N = {config.cycles} cycles an activation, {config.word_bits} bits",
        "one multiply-accumulate is two operations; no other operation counts",
        "every part of a matrix has its own tile and converters; steps and layers follow one another",
        "amplifiers at rest are a constant current, for they are macro-models; leakage is left out",
    )
