"""`cosim crosscheck`."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast, get_args

from cosim.commands.common import check_seed, check_writable, out, print_json
from cosim.errors import CosimError, did_you_mean


@dataclass(frozen=True)
class Request:
    """What is asked for; see the options of the command."""

    network: str
    layer: str
    vectors: int
    chips: int
    seed: int
    examples: int | None
    accuracy_chips: int
    threshold_lines: int
    whole: int
    bits: int
    dac_bits: int
    weight_bits: int
    tile: str
    wires: str
    settings: Mapping[str, Any]
    workers: int | None
    use_cache: bool
    output: Path | None
    error: Path | None
    decks: Path | None
    as_json: bool


def crosscheck(request: Request) -> None:
    """`cosim crosscheck NETWORK --layer L`."""
    from cosim.files import write_atomically
    from cosim.provenance import plain, provenance

    check_seed(request.seed)
    for path, key in ((request.output, "--output"), (request.error, "--error")):
        if path is not None:
            check_writable(path, key=key)
    if request.decks is not None:
        check_writable(request.decks, key="--decks", folder=True)
    started = time.perf_counter()
    report, error = _run(request)
    report["seconds"] = time.perf_counter() - started
    report["provenance"] = provenance(seed=request.seed)
    if request.error is not None:
        error.save(request.error)
    if request.output is not None:
        text = json.dumps(report, default=plain, indent=2, allow_nan=False) + "\n"
        write_atomically(request.output, lambda draft: draft.write_text(text, encoding="utf-8"))
    if request.as_json:
        print_json(report)
    else:
        _show(report)


def _run(request: Request) -> tuple[dict[str, Any], Any]:
    from cosim.networks.tiled import TiledNetwork
    from cosim.spice import SimulatorPool
    from cosim.spice.recording import RecordingPool
    from cosim.studies.crosscheck import check_layer, layer_and_network, parts_of, whole_examples
    from cosim.studies.crosscheck_summary import accuracy_of, summary_of, whole_of
    from cosim.studies.tasks import task_of

    graph, reference = _network(request.network)
    network = TiledNetwork(graph, _hardware(request))
    parts_of(network, request.layer)  # a wrong name is told before anything is loaded or simulated
    label = None if request.as_json else request.layer
    with SimulatorPool(request.workers, use_cache=request.use_cache) as workers:
        # What records the decks hands everything else on to the pool.
        pool: Any = workers if request.decks is None else RecordingPool(workers, request.decks)
        task = task_of(reference, examples=request.examples, seed=request.seed)
        network.calibrate(task.calibration)
        check = check_layer(
            network, request.layer, task.inputs, pool, vectors=request.vectors, chips=request.chips, seed=request.seed,
            threshold_lines=request.threshold_lines, label=label,
        )  # fmt: skip
        error, contributions = layer_and_network(
            check, network, task, chips=request.accuracy_chips, seed=request.seed, label=label
        )
        whole = None
        if request.whole:
            found = whole_examples(
                network, request.layer, task, pool, examples=request.whole, seed=request.seed, label=label
            )
            whole = whole_of(found)
        simulator = f"ngspice {pool.simulator.version_text} ({pool.simulator.solver})"
    return {
        "network": graph.name,
        "data": task.name,
        "hardware": {
            "tile": request.tile, "bits": request.bits, "dac_bits": request.dac_bits,
            "weight_bits": request.weight_bits, "wires": request.wires, "settings": dict(request.settings),
            "simulator": simulator,
        },
        "vectors": request.vectors,
        **summary_of(check, request.seed),
        "accuracy": accuracy_of(error, contributions),
        "whole_examples": whole,
    }, error  # fmt: skip


def _network(name: str) -> tuple[Any, Any]:
    """The graph, and what `task_of` takes: of a shipped reference, of the digits' LSTM, or of a file of weights."""
    from cosim.networks.reference import load_reference, shipped_reference
    from cosim.networks.references import graph_of
    from cosim.networks.weights import shipped_weights
    from cosim.studies.tasks import NETWORKS

    if Path(name).suffix:
        reference = load_reference(name)
        return graph_of(reference), reference
    if name == "digits_lstm":
        return graph_of(shipped_weights("qat", 5)), name
    if name not in NETWORKS:
        raise CosimError(
            f"there is no such network.{did_you_mean(name, NETWORKS)}", value=name,
            allowed=[*NETWORKS, "a file of weights (.safetensors)"],
        )  # fmt: skip
    reference = shipped_reference(name)
    return graph_of(reference), reference


def _hardware(request: Request) -> Any:
    from cosim.blocks.ramp_adc.config import RampAdcConfig
    from cosim.tiles.config import TileConfig
    from cosim.tiles.hardware import Hardware
    from cosim.tiles.spice import Wires

    rows, _, columns = request.tile.partition("x")
    if not (rows.isdecimal() and columns.isdecimal()):
        raise CosimError(
            "the size of a tile is INPUTSxOUTPUTS", key="--tile", value=request.tile, allowed="e.g. 128x128"
        )
    from cosim.validation import validated

    settings: dict[str, Any] = {
        "inputs": int(rows), "outputs": int(columns), "dac_bits": request.dac_bits,
        "weight_bits": request.weight_bits, "adc": {"bits": request.bits}, "crossbar": {},
    }  # fmt: skip
    for name, value in request.settings.items():
        table, _, key = name.rpartition(".")
        if table and table not in ("adc", "crossbar"):
            raise CosimError(f"a tile has no such table.{did_you_mean(table, ('adc', 'crossbar'))}", key=name,
                             value=value, allowed=["adc.NAME", "crossbar.NAME", "NAME"])  # fmt: skip
        (settings[table] if table else settings)[key] = value
    settings["adc"] = validated(RampAdcConfig, settings["adc"])
    if request.wires not in get_args(Wires):
        raise CosimError("there is no such choice", key="--wires", value=request.wires, allowed=get_args(Wires))
    tile = validated(TileConfig, settings, from_code=TileConfig.model_fields)
    return Hardware(tile, wires=cast(Any, request.wires))


def _show(report: dict[str, Any]) -> None:
    out.print(
        f"{report['network']}, {report['layer']}: {report['vectors']} vectors of {report['data']},"
        f" {report['conversions']} conversions in {report['hardware']['simulator']}, {report['bit_lines']} bit lines"
    )
    for row in (*report["parts"], {**report, "matrix": "all", "part": "", "function": ""}):
        name, (low, high) = " ".join((row["matrix"], row["part"], row["function"])).strip(), row["interval"]
        out.print(
            f"  {name}: {row['conversions']} conversions, {row['equal']:.2%} equal [{low:.2%}, {high:.2%}], largest"
            f" {row['largest']} LSB; MAC results {_size(row['mac'])}; thresholds {_size(row['threshold'])}"
        )
    low, high = report["interval_bit_lines"]
    differing, decks = report["differing"], report["decks"]
    out.print(
        f"bootstrap over bit lines: {low:.2%} to {high:.2%}; {differing['codes']} codes differ, at"
        f" most {differing['largest_distance_lsb']:.2g} LSB from a threshold; {differing['by_thresholds_alone']} would"
        f" with ngspice's own MAC results; {report['undecided']} undecided counters"
    )
    out.print(f"decks: {decks['run']} simulated, {decks['known']} from the store of results")
    accuracy = report["accuracy"]
    before = accuracy["without"]
    out.print(
        f"{accuracy['metric']} of {accuracy['examples']} examples on {accuracy['chips']} chips: {before['value']:.4f}"
        f" [{before['interval'][0]:.4f}, {before['interval'][1]:.4f}]"
    )
    for name, each in accuracy["injected"].items():
        change = each["difference"]
        out.print(
            f"  with the model-form error in the {name}: {change['value']:+.4f}"
            f" [{change['interval'][0]:+.4f}, {change['interval'][1]:+.4f}]"
        )
    if report["whole_examples"] is not None:
        whole = report["whole_examples"]
        out.print(
            f"{whole['examples']} whole examples: {whole['same_score']} with the same score, outputs"
            f" {whole['largest_output_difference']:.2g} apart at most, of {whole['largest_output']:.2g}"
        )
    out.print(f"{report['goal']}: {'yes' if report['holds'] else 'no'}")


def _size(residuals: dict[str, Any] | None) -> str:
    return (
        "not searched"
        if residuals is None
        else f"{residuals['rms_lsb']:.4f} LSB rms, {residuals['largest_lsb']:.3f} at most"
    )
