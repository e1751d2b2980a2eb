"""The main job on real data: characterise in ngspice, fit, run the network, put SPICE in the loop, report."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from cosim.blocks import crossbar, ramp_adc
from cosim.blocks.dataset import deck_hashes, save_dataset
from cosim.blocks.ramp_adc.behaviour import RampAdcModel
from cosim.blocks.ramp_adc.characterisation import V_READS, Sample, levels_of, threshold_deck
from cosim.blocks.ramp_adc.chips import nominal_chip
from cosim.blocks.ramp_adc.design import design_column
from cosim.devices import load_device
from cosim.files import sha256_of, write_atomically
from cosim.networks.digits import digits_network
from cosim.networks.weights import LstmWeights, shipped_weights, weights_file
from cosim.progress import Bar, progress
from cosim.provenance import plain, provenance
from cosim.spice import SimulatorPool
from cosim.studies.accuracy import ladder, over_chips
from cosim.studies.cosimulation import cosimulate, loop_rng
from cosim.studies.scores import Scores
from cosim.studies.statistics import paired_difference
from cosim.studies.summaries import (
    accuracy_row,
    adc_summary,
    cosimulation_summary,
    crossbar_summary,
    rung_row,
    tile_v_read_summary,
)
from cosim.studies.tasks import Task, task_of
from cosim.tiles.config import TileConfig
from cosim.tiles.hardware import Hardware
from cosim.tiles.protocol import Fidelity
from cosim.tiles.quantise import dac_codes
from cosim.tiles.spice import SpiceTile

BITS = 5  # the shipped weights are trained for it
FUNCTIONS = ("sigmoid", "tanh")  # of the gates
LADDER_LABELS = {
    "none": "none (bits only)",
    "dac_error": "static error of the DACs",
    "programming_error": "programming error of the array",
    "read_noise": "read noise",
    "ir_drop": "IR drop in wires and drivers",
    "cell_nonlinearity": "non-linear cells (none: they are linear here)",
    "amplifier": "gain and bandwidth of the integrators",
    "ramp_error": "programming error of the ramp column",
    "comparator_offset": "comparator offset",
    "comparator_lag": "comparator lag and mean offset",
    "adc_noise": "noise of comparators, resets and ramp",
    "all": "all",
}


@dataclass(frozen=True)
class DemoOptions:
    """How much of it.

    Attributes
    ----------
    spice_chips: chips of the ADC's Monte Carlo.
    chips: chips of the accuracy study and the ladder.
    images: test images that go through ngspice whole.
    seed: of everything that is drawn.
    workers: ngspice processes; all cores when None.
    """

    spice_chips: int = 32
    chips: int = 20
    images: int = 1
    seed: int = 1
    workers: int | None = None


@dataclass
class _Run:
    """The demo as it goes: where it writes, what it has found."""

    folder: Path
    options: DemoOptions
    say: Callable[[str], None]
    results: dict[str, Any] = field(default_factory=dict)
    elapsed: dict[str, float] = field(default_factory=dict)
    provenance: dict[str, dict[str, Any]] = field(default_factory=lambda: {"datasets": {}, "models": {}, "weights": {}})

    @contextmanager
    def stage(self, name: str) -> Any:
        self.say(f"== {name}")
        started = time.perf_counter()
        yield
        self.elapsed[name] = round(time.perf_counter() - started, 1)

    def keep_dataset(self, name: str, data: xr.Dataset) -> None:
        path = save_dataset(data, self.folder / f"{name}.nc")
        self.provenance["datasets"][name] = {
            "file": path.name,
            "sha256": sha256_of(path),
            "decks": len(deck_hashes(data)),
            "simulator": data.attrs["simulator"],
            "seed": data.attrs["seed"],
        }

    def keep_model(self, name: str, model: Any) -> None:
        path = self.folder / f"{name}.json"
        model.save(path)
        self.provenance["models"][name] = {"file": path.name, "sha256": sha256_of(path)}


def run_demo(folder: Path, options: DemoOptions, say: Callable[[str], None], command: str) -> dict[str, Any]:
    """Run the main job and write data sets, models, decks, `results.json` and `report.html` into `folder`."""
    run = _Run(folder, options, say)
    started = time.perf_counter()
    with SimulatorPool(options.workers) as pool:
        # What may be missing is said before minutes of work: ngspice, weights, a folder that can be written.
        weights = {form: shipped_weights(form) for form in ("float", "qat")}  # type: ignore[arg-type]
        write_atomically(folder / ".writable", lambda part: part.write_text("")).unlink()
        adc = _characterise_adc(run, pool)
        array = _characterise_crossbar(run, pool)
        models = {function: model for function, (_, model) in adc.items()}
        hardware = Hardware(TileConfig(adc=models["sigmoid"].config), models, array[1], pool=pool)
        task = task_of("digits_lstm")
        _accuracy(run, hardware, weights, task)
        _in_the_loop(run, hardware, weights["qat"], task)
    device = load_device(hardware.tile.adc.device)
    run.provenance["device"] = {"name": hardware.tile.adc.device, "sha256": device.sha256}
    run.elapsed["total"] = round(time.perf_counter() - started, 1)
    made = provenance(seed=options.seed)
    results: dict[str, Any] = {
        "title": "An LSTM whose gate activations come out of a ramp ADC",
        "command": command,
        "created": made["created"],
        "cosim_version": made["cosim_version"],
        "seed": options.seed,
        "simulator": {"version": f"ngspice {pool.simulator.version_text}", "solver": pool.simulator.solver},
        "elapsed": run.elapsed,
        **run.results,
        "provenance": run.provenance,
    }
    results = json.loads(json.dumps(results, default=plain, allow_nan=False))
    text = json.dumps(results, indent=1) + "\n"
    write_atomically(folder / "results.json", lambda part: part.write_text(text, encoding="utf-8"))
    from cosim.reports import write_report

    results["report"] = str(write_report(results, adc, array, folder))
    return results


def _characterise_adc(run: _Run, pool: SimulatorPool) -> dict[str, tuple[xr.Dataset, RampAdcModel]]:
    found: dict[str, tuple[xr.Dataset, RampAdcModel]] = {}
    run.results["adc"] = {}
    with run.stage("ramp ADC in ngspice"):
        for function in FUNCTIONS:
            config = ramp_adc.Config(bits=BITS, function=function)
            data = ramp_adc.characterise(config, chips=run.options.spice_chips, seed=run.options.seed, pool=pool)
            run.keep_dataset(f"ramp_adc_{function}", data)
            model = ramp_adc.fit(data)
            run.keep_model(f"ramp_adc_{function}", model)
            found[function] = (data, model)
            run.results["adc"][function] = adc_summary(data, model)
            _keep_deck(run, f"ramp_adc_{function}", config)
    return found


def _keep_deck(run: _Run, name: str, config: ramp_adc.Config) -> None:
    """The nominal chip's conversion as a netlist that anybody can run."""
    design = design_column(config)
    sample = Sample(-1, nominal_chip(config, design=design), 0, config)
    deck = threshold_deck(sample, levels_of(sample, design), design)
    _write_deck(run, name, deck.text(klu=True))


def _write_deck(run: _Run, name: str, text: str) -> None:
    write_atomically(run.folder / "decks" / f"{name}.cir", lambda part: part.write_text(text, encoding="utf-8"))


def _characterise_crossbar(run: _Run, pool: SimulatorPool) -> tuple[xr.Dataset, Any]:
    with run.stage("crossbar in ngspice"):
        # The second size is that of the network's tiles: two word lines an input, the bias included.
        config = crossbar.Config(rows=82, columns=64)
        data = crossbar.characterise(
            config, measurements=("currents",), sizes=[(64, 64), (82, 32)], seed=run.options.seed, pool=pool
        )
        run.keep_dataset("crossbar", data)
        model = crossbar.fit(data)
        run.keep_model("crossbar", model)
        run.results["crossbar"] = crossbar_summary(model)
    return data, model


def _accuracy(run: _Run, hardware: Hardware, weights: Mapping[str, LstmWeights], task: Task) -> None:
    seed, chips = run.options.seed, run.options.chips
    with run.stage("accuracy over chips"):

        def at(form: str, fidelity: Fidelity, count: int = 1, bar: Bar | None = None) -> Scores:
            network = digits_network(weights[form], hardware, fidelity)
            return over_chips(network, task, chips=count, seed=seed, bar=bar)

        ideal = at("float", Fidelity.IDEAL)
        plain_bits = at("float", Fidelity.QUANTISED)
        trained = at("qat", Fidelity.QUANTISED)
        with progress("behavioural chips", chips) as bar:
            on_chips = at("qat", Fidelity.BEHAVIOURAL, chips, bar)
        rows = [
            accuracy_row("float (ideal tiles)", ideal, "float weights, real arithmetic"),
            accuracy_row(
                f"float weights on {BITS} bits (quantised tiles)", plain_bits, "without quantisation-aware training"
            ),
            accuracy_row(f"quantised, {BITS} bits (quantised tiles)", trained, "quantisation-aware weights"),
            accuracy_row(f"behavioural, {chips} chips", on_chips, "quantisation-aware weights, all non-idealities"),
        ]
        pair = paired_difference(trained.values[0] > 0, ideal.values[0] > 0)
        difference = on_chips.minus(ideal)
        run.results["accuracy"] = {
            "images": len(task),
            "split": "test third of scikit-learn's digits, never seen in training",
            "rows": rows,
            "chips": on_chips.chips.tolist(),
            "chip_spread": on_chips.spread,
            "paired": {
                "difference": pair.value,
                "interval": [pair.low, pair.high],
                "method": "quantised minus float on the same images, Agresti-Min interval",
            },
            "paired_behavioural": {
                "difference": difference.value,
                "interval": [difference.low, difference.high],
                "method": "behavioural minus float on the same images, interval over chips and images",
            },
        }
    with run.stage("ladder of non-idealities"):
        rungs = ladder(digits_network(weights["qat"], hardware), task, chips=chips, seed=seed, label="ladder")
        run.results["ladder"] = [rung_row(rung, LADDER_LABELS[rung.name]) for rung in rungs]
    for form, each in weights.items():
        run.provenance["weights"][form] = {
            "file": weights_file(cast(Any, form)).name,
            "sha256": sha256_of(weights_file(cast(Any, form))),
            "command": each.metadata.command,
            "seed": each.metadata.seed,
        }


def _in_the_loop(run: _Run, hardware: Hardware, weights: LstmWeights, task: Task) -> None:
    images = run.options.images
    with run.stage("SPICE in the loop"):
        found = cosimulate(
            weights, hardware, task.inputs[:images], seed=run.options.seed, label="steps of the LSTM in ngspice"
        )
        run.results["cosimulation"] = cosimulation_summary(found, task.targets[:images].tolist())
        _loop_tile(run, hardware, weights, found.inputs[-1])


def _loop_tile(run: _Run, hardware: Hardware, weights: LstmWeights, inputs: NDArray[np.float64]) -> None:
    """Gate i of the loop once more, at the last step's inputs: its decks as files, and the whole tile over V_read."""
    network = digits_network(weights, hardware, Fidelity.SPICE)
    network.program(loop_rng(run.options.seed))
    tile = network.matrices["lstm.l0.i"].parts[0].tile
    assert isinstance(tile, SpiceTile)
    codes = dac_codes(inputs[0], tile.config.dac_bits)
    _write_deck(run, "tile_array_and_integrators", tile.array_deck(codes, "simulated").text(klu=True))
    middle = np.full(tile.outputs, tile.config.adc.v_clp)
    _write_deck(run, "tile_ramp_and_comparators", tile.ramp_deck(middle).text(klu=True))
    mac, adc_codes = tile.at_v_reads(inputs[:1], V_READS)
    nominal = V_READS.index(tile.config.adc.v_read)
    run.results["tile_v_read"] = tile_v_read_summary(V_READS, mac, adc_codes, nominal)
