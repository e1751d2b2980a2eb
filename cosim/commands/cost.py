"""`cosim cost explain` and `cosim cost compare`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cosim.blocks.config import load_config
from cosim.commands.common import check_seed, out, print_json, quantity
from cosim.costs.account import NetworkCost
from cosim.costs.config import CostConfig
from cosim.costs.constants import constants, shown
from cosim.costs.terms import Term, lines_of, printed
from cosim.errors import CosimError, did_you_mean
from cosim.tiles.config import TileConfig
from cosim.validation import validated

if TYPE_CHECKING:
    from cosim.networks.graph import Graph

TILE = {"inputs": 128, "outputs": 128}
"""Size of the tiles where none is stated: 256 word lines of differential pairs, 128 bit lines."""
SYMBOLS = 32  # of a text in each stream that is read; the account is of one of them
EXAMPLES = 16  # of the training part, that ranges and codes come from

# Shapes of an example, for inputs that are drawn: (steps, channels), or an image.
SHAPES = {
    "digits_lstm": (8, 8), "har_lstm": (128, 9), "fsdd_lstm": (50, 40), "cifar10_resnet32": (3, 32, 32),
}  # fmt: skip


@dataclass(frozen=True)
class Request:
    """What `cosim cost explain` was asked for."""

    network: str
    hardware: Path | None
    settings: Mapping[str, Any]
    yardstick: str | None
    node: int | None
    inputs: str
    depth: int | None
    notes: bool
    seed: int
    as_json: bool


def explain(request: Request) -> None:
    """Print every total of the account with the terms that it is the sum of."""
    cost = cost_for(request)
    if request.as_json:
        print_json({"network": request.network, **cost.as_dict(), "constants": _constants()})
        return
    for title, tree, unit in (
        ("energy of an inference, layer by layer", cost.energy, "J"),
        ("energy of an inference, by what it is spent on", cost.energy_by_part, "J"),
        ("latency of an inference", cost.latency, "s"),
        ("area (an estimate)", cost.area, "m²"),
    ):
        _show(title, tree, unit, request)
    figures = cost.figures()
    out.print(
        f"{figures['operations']:.6g} operations: {figures['tops']:.4g} TOPS, {figures['tops_per_watt']:.4g} TOPS/W,"
        f" {figures['tops_per_mm2']:.4g} TOPS/mm²"
    )
    for note in cost.notes:
        out.print(f"  {note}")


YARDSTICKS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("nl-ramp", {}), ("ramp", {}), ("sar", {}), ("sar", {"sar_energy": "circuit"}),
)  # fmt: skip


def compare(request: Request) -> None:
    """The same network with each converter, in a table; ratios to the ramp that gives the activation."""
    found: dict[str, dict[str, float]] = {}
    for converter, further in YARDSTICKS:
        own = replace(request, yardstick=converter, settings={**request.settings, **further})
        found[converter if not further else f"{converter}, own circuit"] = cost_for(own).figures()
    if request.as_json:
        rows = [{"converter": name, **figures} for name, figures in found.items()]
        print_json({"network": request.network, "converters": rows})
        return
    first = next(iter(found.values()))
    cells = [list(COLUMNS)]
    for name, figures in found.items():
        amounts = {
            "energy": quantity(figures["energy"], "J"), "latency": quantity(figures["latency"], "s"),
            "area": f"{figures['area'] * 1e6:.4g} mm²", "tops_per_watt": f"{figures['tops_per_watt']:.4g}",
            "tops_per_mm2": f"{figures['tops_per_mm2']:.4g}",
        }  # fmt: skip
        cells.append([name, *(f"{text} ({figures[key] / first[key]:.2f})" for key, text in amounts.items())])
    widths = [max(len(row[column]) for row in cells) for column in range(len(COLUMNS))]
    for row in cells:
        out.print("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())
    out.print("in brackets: the ratio to nl-ramp; activations of the others are digital")


COLUMNS = ("converter", "energy", "latency", "area", "TOPS/W", "TOPS/mm²")


def _show(title: str, tree: Term, unit: str, request: Request) -> None:
    out.print(title)
    for line in lines_of(printed(tree, unit), request.depth, request.notes):
        out.print(f"  {line}")
    out.print("")


def _constants() -> dict[str, Any]:
    return {
        each.name: {
            "value": shown(each.value, each.unit), "node": each.node, "origin": each.origin, "source": each.source
        }
        for each in constants().values()
    }  # fmt: skip


def cost_for(request: Request) -> NetworkCost:
    """The account; CosimError for an unknown network, setting or node, before any work."""
    from cosim.studies.costing import cost_of
    from cosim.tiles.hardware import Hardware

    check_seed(request.seed)
    if request.inputs not in ("data", "drawn"):
        raise CosimError("no such inputs", key="--inputs", value=request.inputs, allowed="data, drawn")
    if request.depth is not None and request.depth < 0:
        raise CosimError("a depth is zero or more", key="--depth", value=request.depth)
    config, tile = configurations(request)
    graph, data, per, note = _network(request)
    return cost_of(graph, Hardware(tile), data, config, per=per, notes=[note], seed=request.seed)


def configurations(request: Request) -> tuple[CostConfig, TileConfig]:
    """Of the account and of the tiles: settings go to the one that has them."""
    own: dict[str, Any] = {"converter": request.yardstick, "node": request.node}
    of_tile: dict[str, Any] = {}
    for name, value in request.settings.items():
        if name in CostConfig.model_fields:
            if own.get(name) is not None:
                raise CosimError("this is given twice", key="--set", value=name)
            own[name] = value
        else:
            of_tile[name] = value
    own = {name: value for name, value in own.items() if value is not None}
    if "converter" in own and own["converter"] not in ("nl-ramp", "ramp", "sar"):
        raise CosimError("no such converter", key="--yardstick", value=own["converter"], allowed="nl-ramp, ramp, sar")
    config = validated(CostConfig, own, from_code=own)
    if request.hardware is None:
        of_tile = {**TILE, **of_tile}
    return config, load_config(TileConfig, request.hardware, of_tile)


def _network(request: Request) -> tuple[Graph, Any, int, str]:
    """Graph, data, inferences an example, and what the account says of the inputs."""
    from cosim.networks.reference import shipped_reference
    from cosim.networks.references import graph_of
    from cosim.networks.weights import load_weights
    from cosim.resources import shipped
    from cosim.studies.tasks import NETWORKS, task_of

    name = request.network
    if name not in NETWORKS:
        raise CosimError(f"no such network.{did_you_mean(name, NETWORKS)}", key="network", value=name, allowed=NETWORKS)
    text = name == "ptb_char_lstm"
    digits = name == "digits_lstm"
    reference = None if digits else shipped_reference(name)
    graph = graph_of(load_weights(shipped("digits_lstm_float.safetensors")) if reference is None else reference)
    if request.inputs == "drawn":
        rng = np.random.default_rng(request.seed)
        if text:
            assert reference is not None
            data: Any = rng.integers(0, int(reference.metadata.config["symbols"]), (EXAMPLES, SYMBOLS))
        else:
            data = rng.standard_normal((EXAMPLES, *SHAPES[name])).astype(np.float32)
            data = np.clip(data, -1.0, 1.0) if digits else data
        note = f"inputs drawn at random, {EXAMPLES} examples of {data.shape[1:]}; not the data set's"
    else:
        try:
            examples = task_of(name if reference is None else reference).calibration
        except CosimError as error:
            raise CosimError(f"{error}; without the data set take --inputs drawn") from error
        data = np.asarray(examples[slice(0, EXAMPLES)])
        data = data[:, :SYMBOLS] if text else data
        note = f"inputs: {len(data)} examples of the training part, {data.shape[1:]} each"
    if text:
        return graph, data, SYMBOLS, f"an inference is one symbol; {note}"
    return graph, data, 1, f"an inference is one example; {note}"
