"""Training of the digits LSTM, in real arithmetic and through the hardware's quantisers.

The float network is trained first. The quantisation-aware one starts from it and goes on with the forward pass of
the hardware: DAC codes for x_t and h_{t-1}, weights on the grid of one w_max for all gates, activations out of the
staircase of the ramp ADC, and a programming error of the weights drawn anew for each batch. Gradients pass straight
through the quantisers, along the smooth functions. Weights are clipped to the window after each step.

Every choice (best epoch; the recipes) was made on parts of the training images, none on the test images.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

import cosim
from cosim.blocks.ramp_adc.config import RampAdcConfig
from cosim.datasets.digits import Digits, load_digits, validation_split
from cosim.errors import CosimError, did_you_mean
from cosim.networks.digits import digits_network
from cosim.networks.sampling import Recorder
from cosim.networks.tiled import TiledNetwork
from cosim.networks.weights import ARRAYS, GATE_FUNCTIONS, GATES, Form, LstmWeights, WeightsMetadata, save_weights
from cosim.progress import progress as progress_bar
from cosim.tiles.config import TileConfig
from cosim.tiles.hardware import Hardware
from cosim.tiles.protocol import Fidelity
from cosim.tiles.quantise import checked_bits, dac_codes, dac_values, quantise_weights
from cosim.training.pytorch import require_torch
from cosim.training.recipe import NOISE_DRAWS, RECIPES, W_MAX, WEIGHT_NOISE

HIDDEN = 32
CLASSES = 10
FORMS = ("float", "qat", "both")


@dataclass(frozen=True)
class TrainingResult:
    """Trained weights and how good they are.

    Attributes
    ----------
    weights: with their metadata; metadata.accuracy is that of `correct`.
    correct: shape (599,), right or wrong for each test image: in real arithmetic for "float", on quantised tiles
        for "qat".
    report: plain numbers for JSON. "accuracy", "correct", "total": of the above. "quantised": accuracy on quantised
        tiles. "programming_error": "mean" and "std" of it over "draws" chips with an error of the weights.
        "largest_mac": function -> largest MAC result of the test images. "largest_weight", "validation_loss",
        "best_epoch", "epochs".
    """

    weights: LstmWeights
    correct: NDArray[np.bool_]
    report: dict[str, Any]


def train(
    form: Form,
    bits: int = 5,
    seed: int = 1,
    *,
    epochs: int | None = None,
    w_max: float = W_MAX,
    weight_noise: float = WEIGHT_NOISE,
    start: LstmWeights | None = None,
    progress: Callable[[int], object] = lambda epochs: None,
) -> TrainingResult:
    """Train one form of the network; the same arguments on the same machine give the same weights.

    `bits`: width of DAC, weights and ADC; for "float" it only says what the report's quantised figures are about.
    `epochs`: instead of the recipe's. `weight_noise`: error injected, as a share of w_max. `start`: float weights
    that "qat" begins with, trained here when not given. `progress` is told the number of epochs done.

    Raises CosimError for a wrong argument, and with the cure when PyTorch is not there.
    """
    _check_arguments(form, get_args(Form), bits, seed, epochs, w_max, weight_noise)
    require_torch()
    import torch

    from cosim.training.loop import accuracies_under_error, fit, one_thread
    from cosim.training.model import TrainingHardware, TrainingLstm

    if form == "qat" and start is None:
        start = train("float", bits, seed, epochs=epochs, w_max=w_max, progress=progress).weights
    hardware = TrainingHardware(bits, w_max, weight_noise)
    recipe = dataclasses.replace(RECIPES[form], epochs=epochs or RECIPES[form].epochs)
    stream = np.random.SeedSequence(seed).spawn(2)[int(form == "qat")]
    generator = torch.Generator().manual_seed(int(stream.generate_state(1)[0]))
    images, validation = validation_split(load_digits("train"))
    test = load_digits("test")
    with one_thread():
        model = TrainingLstm(images.sequences.shape[2], HIDDEN, CLASSES, generator)
        if start is not None:
            model.take({name: getattr(start, name) for name in ARRAYS})
            model.clip(w_max)
        best = fit(model, images, validation, recipe, w_max, hardware if form == "qat" else None, generator, progress)
        chips = accuracies_under_error(model, test, hardware, NOISE_DRAWS, seed)
    report = {
        **best,
        "epochs": recipe.epochs,
        "programming_error": {"mean": float(np.mean(chips)), "std": float(np.std(chips)), "draws": NOISE_DRAWS},
    }
    metadata = WeightsMetadata(
        form, bits if form == "qat" else None, w_max, seed, test.name, cosim_version=cosim.__version__
    )
    return _evaluate(model.arrays(), metadata, bits, test, report)


def train_command(
    form: Literal["float", "qat", "both"],
    bits: int,
    seed: int,
    output: str | Path,
    *,
    epochs: int | None = None,
    w_max: float = W_MAX,
    weight_noise: float = WEIGHT_NOISE,
    label: str | None = "training",
) -> dict[str, Any]:
    """`cosim train digits_lstm`: train and write digits_lstm_float.safetensors, digits_lstm_qat<bits>.safetensors.

    `output` is the folder. `label` None: no progress bar.

    Returns the report for JSON: the arguments; "files" (form -> path); for each form the report of its
    TrainingResult; for "both" also "paired": "only_a" (images that only float got right), "only_b" (only qat),
    "total".
    """
    _check_arguments(form, FORMS, bits, seed, epochs, w_max, weight_noise)
    require_torch()
    _check_folder(Path(output))
    settings = {"epochs": epochs, "w_max": w_max, "weight_noise": weight_noise}
    stages: tuple[Form, ...] = ("float",) if form == "float" else ("float", "qat")
    results: dict[str, TrainingResult] = {}
    with progress_bar(label, sum(epochs or RECIPES[stage].epochs for stage in stages)) as advance:
        for stage in stages:
            start = results["float"].weights if stage == "qat" else None
            results[stage] = train(
                stage,
                bits,
                seed,
                epochs=epochs,
                w_max=w_max,
                weight_noise=weight_noise,
                start=start,
                progress=advance,
            )
    report: dict[str, Any] = {"network": "digits_lstm", "form": form, "bits": bits, "seed": seed, **settings}
    report["files"] = {}
    for stage in stages if form == "both" else (form,):
        weights = _with_command(results[stage].weights, epochs, weight_noise)
        name = f"digits_lstm_{stage}{bits if stage == 'qat' else ''}.safetensors"
        report["files"][stage] = str(save_weights(weights, Path(output) / name))
        report[stage] = results[stage].report
    if form == "both":
        a, b = results["float"].correct, results["qat"].correct
        report["paired"] = {"only_a": int(np.sum(a & ~b)), "only_b": int(np.sum(b & ~a)), "total": len(a)}
    return report


def on_tiles(weights: LstmWeights, bits: int | None) -> TiledNetwork:
    """The network on quantised tiles of `bits`, or in real arithmetic for None; programmed."""
    width = bits or 5
    tile = TileConfig(dac_bits=width, weight_bits=width, adc=RampAdcConfig(bits=width))
    network = digits_network(weights, Hardware(tile), Fidelity.IDEAL if bits is None else Fidelity.QUANTISED)
    network.program(np.random.default_rng(0))
    return network


def _evaluate(
    arrays: dict[str, NDArray[np.float32]], metadata: WeightsMetadata, bits: int, test: Digits, report: dict[str, Any]
) -> TrainingResult:
    """Weights as they are stored ("qat" on its grid), and what the test images say of them."""
    if metadata.bits is not None:
        grid = quantise_weights(arrays["gates"], metadata.bits, metadata.w_max)
        arrays = {**arrays, "gates": grid.astype(np.float32)}
    weights = LstmWeights(**arrays, metadata=metadata)
    seen = Recorder(["lstm.l0.i"])  # what the other gates are given too
    logits = on_tiles(weights, bits).forward(test.sequences, observer=seen)
    quantised = np.argmax(logits, axis=1) == test.labels
    correct = quantised
    if metadata.form == "float":
        correct = np.argmax(on_tiles(weights, None).forward(test.sequences), axis=1) == test.labels
    accuracy = float(np.mean(correct))
    full_report = {
        "accuracy": accuracy,
        "correct": int(correct.sum()),
        "total": len(correct),
        "quantised": float(np.mean(quantised)),
        **report,
        "largest_mac": _largest_mac(weights, bits, np.concatenate(seen.vectors["lstm.l0.i"])),
        "largest_weight": float(np.abs(weights.gates).max()),
    }
    weights = dataclasses.replace(weights, metadata=dataclasses.replace(metadata, accuracy=accuracy))
    return TrainingResult(weights, correct, full_report)


def _largest_mac(weights: LstmWeights, bits: int, inputs: NDArray[np.floating]) -> dict[str, float]:
    """Largest |z W| of each function's gates at inputs z (vectors, inputs) of quantised tiles, in units of the
    network."""
    inputs = dac_values(dac_codes(inputs.astype(np.float64), bits), bits)
    levels = quantise_weights(weights.gates, bits, weights.metadata.w_max)
    largest = dict.fromkeys(GATE_FUNCTIONS.values(), 0.0)
    for gate, matrix in zip(GATES, levels, strict=True):
        name = GATE_FUNCTIONS[gate]
        largest[name] = max(largest[name], float(np.abs(inputs @ matrix).max()))
    return largest


def _with_command(weights: LstmWeights, epochs: int | None, weight_noise: float) -> LstmWeights:
    """The weights with the command that makes them again; only what is not the default is spelt out."""
    made = weights.metadata
    parts = ["cosim train digits_lstm", f"--form {made.form}"]
    parts += [f"--bits {made.bits}"] if made.bits is not None else []
    parts += [f"--seed {made.seed}"]
    parts += [f"--epochs {epochs}"] if epochs is not None else []
    parts += [f"--w-max {made.w_max:g}"] if made.w_max != W_MAX else []
    parts += [f"--weight-noise {weight_noise:g}"] if weight_noise != WEIGHT_NOISE else []
    return dataclasses.replace(weights, metadata=dataclasses.replace(made, command=" ".join(parts)))


def _check_folder(output: Path) -> None:
    """CosimError when nothing can be written there: known before the training, not after it."""
    nearest = next(place for place in (output, *output.absolute().parents) if place.exists())
    if not nearest.is_dir():
        raise CosimError("cannot write there: this is a file, not a folder", file=nearest)
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise CosimError("cannot write into this folder", file=nearest)


def _check_arguments(
    form: str, forms: tuple[str, ...], bits: int, seed: int, epochs: int | None, w_max: float, weight_noise: float
) -> None:
    if form not in forms:
        raise CosimError(
            f"unknown form of training.{did_you_mean(str(form), forms)}", key="form", value=form, allowed=forms
        )
    checked_bits(bits)
    if seed < 0:
        raise CosimError("a seed is not negative", key="seed", value=seed, allowed="0 or more")
    if epochs is not None and epochs < 1:
        raise CosimError("training needs at least one epoch", key="epochs", value=epochs, allowed="1 or more")
    if not (np.isfinite(w_max) and w_max > 0):
        raise CosimError("not a window of weights", key="w_max", value=w_max, allowed="above 0")
    if not 0 <= weight_noise <= 1:
        raise CosimError("not a share of w_max", key="weight_noise", value=weight_noise, allowed="0 to 1")
