"""Float references: networks trained in real arithmetic on the real data, by `cosim train NETWORK`."""

from __future__ import annotations

import dataclasses
import importlib
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

import numpy as np

import cosim
from cosim.errors import CosimError, did_you_mean
from cosim.files import write_atomically
from cosim.networks.reference import Precision, Reference, ReferenceMetadata, rounded, save_reference
from cosim.progress import progress
from cosim.training.outcome import Outcome, Told, with_settings
from cosim.training.pytorch import require_torch

# network -> its module, with RECIPE and train(recipe, seed, device, seconds, told)
NETWORKS = {
    "har_lstm": "cosim.training.har_lstm",
    "fsdd_lstm": "cosim.training.fsdd_lstm",
    "ptb_char_lstm": "cosim.training.ptb_char_lstm",
    "cifar10_resnet32": "cosim.training.cifar10_resnet",
}


def train_reference(
    network: str,
    output: str | Path,
    *,
    seed: int = 1,
    device: str | None = None,
    epochs: int | None = None,
    minutes: float | None = None,
    settings: Mapping[str, Any] | None = None,
    deterministic: bool = True,
    label: str | None = "training",
    told: Told = lambda row: None,
) -> dict[str, Any]:
    """Train a float reference, measure it once on the official test part, and write it.

    Files in the folder `output`: NETWORK_float32.safetensors, NETWORK_float16.safetensors (see
    cosim.networks.reference), NETWORK.json (the report). A recipe with `held_out` is a trial: examples of the training
    part are kept apart and measured instead of the test part.

    device: "cpu" or "cuda"; None: cuda where there is one. epochs: instead of the recipe's. minutes: limit of the
    training's wall time, into which the epochs are fitted. settings: numbers of the recipe to change. deterministic:
    the same weights again on the same device and version of torch; without it a GPU may be faster. `told` gets a row
    after each epoch.

    Returns the report, plain numbers for JSON: "network", "command", "seed", "device", "torch", "recipe", "config",
    "metric", "float32" and "float16" (the metric on the test part; None for a trial), "examples", "epochs", "seconds"
    (all of the training), "epoch_seconds" (median), "curve", "files" (precision -> path), and the network's own facts.

    Raises CosimError for a wrong argument, missing data, and with the cure when PyTorch is not there.
    """
    if network not in NETWORKS:
        raise CosimError(f"unknown network.{did_you_mean(network, NETWORKS)}", value=network, allowed=NETWORKS)
    if seed < 0:
        raise CosimError("a seed is not negative", key="seed", value=seed, allowed="0 or more")
    if minutes is not None and not minutes > 0:
        raise CosimError("no time to train in", key="minutes", value=minutes, allowed="above 0")
    require_torch()
    import torch

    from cosim.training.hardware import chosen_device, device_name, repeatable

    module = importlib.import_module(NETWORKS[network])
    changed = dict(settings or {})
    if epochs is not None:
        changed["epochs"] = epochs
    recipe = with_settings(module.RECIPE, changed)
    if recipe.epochs < 1:
        raise CosimError("training needs at least one epoch", key="epochs", value=recipe.epochs, allowed="1 or more")
    place = chosen_device(device)
    started = time.monotonic()
    with progress(label, recipe.epochs) as advance, repeatable(seed, deterministic):

        def after_epoch(row: dict[str, float]) -> None:
            advance(1)
            told(row)

        outcome: Outcome = module.train(recipe, seed, place, None if minutes is None else 60 * minutes, after_epoch)
        seconds = time.monotonic() - started
        values = {precision: _measured(outcome, precision) for precision in get_args(Precision)}
    done = len(outcome.curve)
    made = {**changed, "epochs": done}  # with a time limit the number of epochs is only known now
    report: dict[str, Any] = {
        "network": network,
        "command": _command(network, seed, place.type, made, module.RECIPE, deterministic),
        "seed": seed,
        "device": device_name(place),
        "torch": torch.__version__,
        "deterministic": deterministic,
        "recipe": {**dataclasses.asdict(recipe), "epochs": done},
        "config": outcome.config,
        "dataset": outcome.dataset,
        "checksum": outcome.checksum,
        "metric": outcome.metric,
        **{precision: value for precision, (value, _) in values.items()},
        "examples": values["float32"][1],
        "epochs": done,
        "seconds": seconds,
        "epoch_seconds": float(np.median([row["seconds"] for row in outcome.curve])),
        **outcome.facts,
        "curve": outcome.curve,
    }
    report["files"] = {
        precision: str(_save(outcome, report, precision, Path(output))) for precision in get_args(Precision)
    }
    text = json.dumps({key: value for key, value in report.items() if key != "files"}, indent=1, allow_nan=True)
    write_atomically(Path(output) / f"{network}.json", lambda file: file.write_text(text + "\n", encoding="utf-8"))
    return report


def _measured(outcome: Outcome, precision: Precision) -> tuple[float | None, int]:
    """The metric with the weights as a file of that precision gives them back; None for a trial."""
    if outcome.measure is None:
        return None, 0
    stored = rounded(outcome.arrays, precision)
    return outcome.measure({name: array.astype(np.float32) for name, array in stored.items()})


def _save(outcome: Outcome, report: Mapping[str, Any], precision: Precision, folder: Path) -> Path:
    metadata = ReferenceMetadata(
        network=report["network"],
        config=outcome.config,
        scaling=None if outcome.scaling is None else dataclasses.asdict(outcome.scaling),
        dataset=outcome.dataset,
        checksum=outcome.checksum,
        metric=outcome.metric,
        value=report[precision],
        examples=report["examples"],
        seed=report["seed"],
        recipe=report["recipe"],
        command=report["command"],
        device=report["device"],
        precision=precision,
        cosim_version=cosim.__version__,
    )
    return save_reference(Reference(outcome.arrays, metadata), folder / f"{report['network']}_{precision}.safetensors")


def _command(
    network: str, seed: int, device: str, changed: Mapping[str, Any], standard: Any, deterministic: bool
) -> str:
    """The command that makes the weights again; only what is not the default is spelt out."""
    parts = [f"cosim train {network} --seed {seed} --device {device}"]
    for name, value in changed.items():
        if value != getattr(standard, name):
            parts.append(f"--epochs {value}" if name == "epochs" else f"--set {name}={value:g}")
    if not deterministic:
        parts.append("--fast")
    return " ".join(parts)
